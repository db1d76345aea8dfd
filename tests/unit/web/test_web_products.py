"""The pages of products over tiers and periods: recorded by lines, planned, put to the test, approved."""

from datetime import timedelta

import pytest

from interwork.core.network.supply import (
    Approval,
    Period,
    PeriodRow,
    Product,
    Supplier,
    SupplyPlan,
    SupplyStep,
    TierRow,
)
from interwork.store import Change

ITEMS = "head; Sensor head; deburring; 10; body×1, cap × 2\nbody; Body; milling-3-axis; 12.5\ncap; ; turning; 6"


async def recorded(owner, node):
    fields = {"csrf": await owner.csrf("/products"), "title": "Sensor head", "items": ITEMS}
    answer = await owner.post("/products", fields)
    assert answer.status == 303, answer.text
    return await node.store.get(Product, answer.headers["location"].rpartition("/")[2])


def supply_plan(product, now):
    """Write down a plan of one batch; made up, it rests on no quotes."""
    step = SupplyStep(
        period=0, batch=0, item="body", operation="body-1", operation_name="Mill the body", quantity=10,
        provider="did:web:ash", provider_name="Ash", resource="resource-mill", resource_name="Ash mill",
        start=now, end=now + timedelta(hours=5), price_eur=321.5, co2_kg=2.0,
    )  # fmt: skip
    supplier = Supplier(provider="did:web:ash", provider_name="Ash", share=1.0, on_time=0.9)
    tier = TierRow(
        tier=1, item="body", title="Body", quantity=10, operation="body-1", operation_name="Mill the body",
        process="milling-3-axis", able=1, suppliers=(supplier,), is_single=True,
    )  # fmt: skip
    row = PeriodRow(
        due=now, quantity=10, served=8, finish=now, late_h=3.0, price_eur_each=41.25, providers=("Ash",),
        limit="Nobody has time for 2.",
    )  # fmt: skip
    approval = Approval(
        provider="did:web:ash", provider_name="Ash", item="body", operation_name="Mill the body",
        requirement="certificate", wanted="ISO13485", ready_at=now + timedelta(days=14),
    )  # fmt: skip
    return SupplyPlan(
        id="supply-plan00001", product=product.id, title=product.title, is_emergency=True,
        periods=(Period(due=now, quantity=10),), needs=("need-a", "need-b", "need-c"), quotes=(), batches=(1,),
        placements=(), unserved=(0,),
        objective_eur=400, bound_eur=380, gap=0.05, is_optimal=False, price_eur=330, co2_kg=2, steps=(step,),
        tiers=(tier,), rows=(row,), approvals=(approval,), created_at=now,
    )  # fmt: skip


async def test_a_product_is_recorded_line_by_line_and_shown_tier_by_tier(owner, node):
    made = await recorded(owner, node)
    assert [(one.key, one.title) for one in made.items] == [("head", "Sensor head"), ("body", "Body"), ("cap", "cap")]
    assert [(one.item, one.quantity) for one in made.items[0].made_of] == [("body", 1), ("cap", 2)]
    page = await owner.get(f"/products/{made.id}")
    assert "1 × body, 2 × cap" in page.text
    assert made.title in (await owner.get("/products?lang=zh")).text


@pytest.mark.parametrize(
    ("items", "said"),
    [
        ("just words", "is no item"),
        ("a; A; milling-3-axis; soon", "is no number"),
        ("a; A; magic; 3", "is no process"),
        ("a; A; turning; 3; b×2", "b"),
    ],
)
async def test_an_item_that_cannot_be_read_is_refused_with_the_line(owner, items, said):
    fields = {"csrf": await owner.csrf("/products"), "title": "Bad", "items": items}
    answer = await owner.post("/products", fields)
    assert answer.status == 400
    assert said in answer.text


async def test_a_plan_shows_who_is_alone_what_is_late_and_its_approvals_are_granted(owner, node):
    product = await recorded(owner, node)
    held = supply_plan(product, node.clock())
    await node.store.commit(Change("test").put(held))
    address = f"/supply-plans/{held.id}"
    page = await owner.get(address)
    for told in ("only one", "Nobody has time for 2.", "3.0 h late", "90 % on time", "ISO13485", "€41.25"):
        assert told in page.text
    answer = await owner.post(address, {"csrf": await owner.csrf(address), "act": "grant", "number": "0"})
    assert answer.status == 303
    assert "granted by Owner of the lab" in (await owner.get(f"{address}?lang=en")).text
    assert (await owner.get(f"{address}?without=Toledo")).status in (400, 404)
    assert (await owner.get(f"/products/{product.id}")).text.count(address) == 1


async def test_a_period_that_cannot_be_read_is_refused(owner, node):
    product = await recorded(owner, node)
    address = f"/products/{product.id}"
    answer = await owner.post(f"{address}/plans", {"csrf": await owner.csrf(address), "periods": "many soon"})
    assert answer.status == 400
    assert "10 +14d" in answer.text
