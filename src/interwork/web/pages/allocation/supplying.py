"""Products over tiers and periods: what they are made of, plans, what a shortage would do, approvals, orders."""

from starlette.datastructures import FormData
from starlette.requests import Request
from starlette.responses import RedirectResponse, Response

from interwork.allocation.supply.bill import tiers
from interwork.core.clock import parse_moment
from interwork.core.design import ProcessPlan
from interwork.core.errors import BadInput
from interwork.core.making import Job
from interwork.core.network.supply import Part, Period, Product, ShortageCase, SupplyPlan
from interwork.core.taxonomy import PROCESSES
from interwork.flows import supply
from interwork.flows.node import Node
from interwork.web.access import MAY, node_of, require
from interwork.web.pages.fields import number_of, text_of, whole_of
from interwork.web.render import render

LISTED_MAX = 200
ITEM = "pump; Pump; assembly; 20; body×1, shaft×2"
PERIODS = "10 +14d\n200 +45d"


async def index(request: Request) -> Response:
    """List the products, and record one."""
    await require(request, *MAY["read"])
    store = node_of(request).store
    held = await store.find(Product, limit=LISTED_MAX, newest=True)
    plans = await store.find(ProcessPlan, limit=LISTED_MAX, newest=True)
    return await render(
        request,
        "allocation/products.html",
        products=held,
        all=await store.count(Product),
        plans=[one for one in plans if one.revision],
        processes=tuple(PROCESSES),
        example=ITEM,
    )


async def record(request: Request) -> Response:
    """Record a product from the form: one item per line."""
    visitor = await require(request, *MAY["draw"])
    form = await request.form()
    items = tuple(_item(line) for line in text_of(form, "items").splitlines() if line.strip())
    draft = supply.ProductDraft(title=text_of(form, "title"), items=items)
    made = await supply.record(node_of(request), draft, actor=visitor.id)
    return RedirectResponse(f"/products/{made.id}", status_code=303)


def _item(line: str) -> supply.ItemDraft:
    key, title, how, minutes, parts = [one.strip() for one in [*line.split(";"), "", "", "", ""][:5]]
    if not key or not how:
        raise BadInput(f"{line.strip()[:80]!r} is no item.", where="items", remedy=f"Write it as: {ITEM}")
    by_plan = how.startswith("process-")
    return supply.ItemDraft(
        key=key,
        title=title or key,
        process_plan=how if by_plan else "",
        process="" if by_plan else how,
        minutes=0.0 if by_plan else _number(minutes, line),
        made_of=tuple(_part(one, line) for one in parts.split(",") if one.strip()),
    )


def _part(text: str, line: str) -> Part:
    item, _, count = text.replace("*", "×").partition("×")
    return Part(item=item.strip(), quantity=int(_number(count or "1", line)))


def _number(text: str, line: str) -> float:
    try:
        return float(text)
    except ValueError as fault:
        raise BadInput(
            f"{text[:20]!r} in {line.strip()[:60]!r} is no number.", where="items", remedy=f"Write it as: {ITEM}"
        ) from fault


async def show(request: Request) -> Response:
    """Show one product with its tiers and the plans of it."""
    await require(request, *MAY["read"])
    store = node_of(request).store
    product = await store.get(Product, request.path_params["id"])
    depth = tiers(product.items)
    plans = {one.process_plan: await store.peek(ProcessPlan, one.process_plan) for one in product.items}
    return await render(
        request,
        "allocation/product.html",
        product=product,
        items=sorted(product.items, key=lambda one: depth[one.key]),
        depth=depth,
        processes=plans,
        plans=await store.find(SupplyPlan, product=product.id, limit=LISTED_MAX, newest=True),
        periods=PERIODS,
    )


async def plan(request: Request) -> Response:
    """Ask the network for a product, plan it, and go to the plan."""
    visitor = await require(request, *MAY["draw"])
    form, product = await request.form(), request.path_params["id"]
    days = text_of(form, "certificate")
    wish = supply.PlanWish(
        periods=tuple(_period(line) for line in text_of(form, "periods").splitlines() if line.strip()),
        small_floor=number_of(form, "small") / 100 if text_of(form, "small") else 0.0,
        emergency=bool(text_of(form, "emergency")),
        lead_days={"certificate": number_of(form, "certificate")} if days else {},
    )
    made = await supply.plan(node_of(request), product, wish, actor=visitor.id)
    return RedirectResponse(f"/supply-plans/{made.id}", status_code=303)


def _period(line: str) -> Period:
    count, _, due = line.replace("@", " ").strip().partition(" ")
    if not count.isdecimal() or len(count) > 9 or not due.strip():
        raise BadInput(f"{line.strip()[:40]!r} is no period.", where="periods", remedy="Write it as: 10 +14d")
    return Period(quantity=int(count), due=parse_moment(due.strip()))


async def show_plan(request: Request) -> Response:
    """Show a plan of a product; with `without` what a shortage would do, with `stress` that of each provider."""
    await require(request, *MAY["read"])
    node, query = node_of(request), request.query_params
    held = await node.store.get(SupplyPlan, request.path_params["id"])
    jobs = [await node.store.peek(Job, one) for one in held.jobs]
    return await render(
        request,
        "allocation/supply_plan.html",
        plan=held,
        cases=await _cases(node, held, query.getlist("without"), is_stressed=bool(query.get("stress"))),
        asked=query.getlist("without"),
        names=tuple(dict.fromkeys(one for step in held.steps for one in (step.provider_name, step.resource_name))),
        jobs=[one for one in jobs if one is not None],
    )


async def _cases(
    node: Node, held: SupplyPlan, without: list[str], *, is_stressed: bool
) -> tuple[ShortageCase, ...] | None:
    names = tuple(one.strip() for one in without if one.strip())
    if is_stressed:
        return await supply.stress(node, held.id)
    return (await supply.shortage(node, held.id, supply.Missing(names=names)),) if names else None


async def act(request: Request) -> Response:
    """Grant an approval, or order the plan."""
    visitor = await require(request, *MAY["draw"])
    node, form, identifier = node_of(request), await request.form(), request.path_params["id"]
    if text_of(form, "act") == "order":
        await supply.order(node, identifier, actor=visitor.id, by=visitor.name)
    else:
        await _grant(node, form, identifier, visitor.id, visitor.name)
    return RedirectResponse(f"/supply-plans/{identifier}", status_code=303)


async def _grant(node: Node, form: FormData, identifier: str, actor: str, by: str) -> None:
    await supply.grant(node, identifier, whole_of(form, "number"), actor=actor, by=by)
