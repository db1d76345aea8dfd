"""The pages of products and of planning together at one node, and their forms."""

from urllib.parse import urlsplit

from planned_job import planned

from interwork.core.network.supply import Product, SupplyPlan
from interwork.core.network.together import Coordination, NeedHeld, RoundHeld
from interwork.store import Change

ITEMS = "frame; Frame; assembly; 20; plate×2\nplate; Plate; milling-3-axis; 15"


async def test_a_product_is_recorded_on_its_page_and_planned_from_it(owner, node):
    fields = {"csrf": await owner.csrf("/products"), "title": "Gate", "items": ITEMS}
    answer = await owner.post("/products", fields)
    assert answer.status == 303, answer.text
    page = await owner.get(urlsplit(answer.headers["location"]).path)
    assert (page.status, "Plate" in page.text, "2 × plate" in page.text) == (200, True, True)
    (product,) = await node.store.find(Product, limit=2)
    refused = await owner.post(f"/products/{product.id}/plans", {**fields, "periods": "many"})
    assert refused.status == 400
    assert await node.store.count(SupplyPlan) == 0
    assert "Gate" in (await owner.get("/products")).text


async def test_what_came_of_planning_together_is_shown_and_taken(owner, node):
    job = await planned(node)
    held = Coordination(
        id="coordination-000000001",
        began_by="did:web:somebody",
        state="settled",
        needs=(NeedHeld(need=job.need, process=job.process_plan, quotes=job.quotes, lots=(8,)),),
        rounds=(RoundHeld(number=0, sum_eur=100.0),),
        best=0,
        plans=(job.plan,),
        created_at=node.clock(),
    )
    await node.store.commit(Change("test").put(held))
    page = await owner.get("/together")
    assert (page.status, "Take the plans" in page.text) == (200, True)
    csrf = await owner.csrf("/together")
    answer = await owner.post("/together", {"csrf": csrf, "act": "take", "coordination": held.id})
    assert answer.status == 303, answer.text
    assert (await node.store.get(Coordination, held.id)).state == "taken"


async def test_a_node_that_joined_no_portal_is_told_so(owner):
    answer = await owner.post("/together", {"csrf": await owner.csrf("/together"), "act": "begin"})
    assert answer.status in (400, 403)
