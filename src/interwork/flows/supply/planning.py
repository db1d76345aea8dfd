"""A product planned over the providers of the catalog: tiers and periods, with bound, floor, approvals and reasons."""

import time

import msgspec
from anyio import to_thread

from interwork.allocation.problem.model import Solution
from interwork.allocation.supply.bridging import Source, Wanted, Web, bridge
from interwork.allocation.supply.planning import Decided, co2, decide, money, period_rows, solution_of, steps
from interwork.allocation.supply.tiering import tier_rows
from interwork.core.design import EdgeKind, ProcessPlan
from interwork.core.errors import BadInput, NotFound
from interwork.core.event import Tag
from interwork.core.exchange import CatalogEntry, DatasetKind
from interwork.core.ids import new_id
from interwork.core.network.supply import Approval, Period, Product, SupplyPlan, SupplyStep
from interwork.core.organisation import Organisation, OrganisationKind
from interwork.core.planning import Need, Quote, Weights
from interwork.flows.node import Node
from interwork.flows.supply.asking import Asked, ask, refuse_unable, slowed
from interwork.flows.weave import Knot, knot, tie
from interwork.store import Change

PERIODS_MAX = 24
QUANTITY_MAX = 1_000_000
SECONDS_MAX = 60.0
SMALL = (OrganisationKind.SMALL_MANUFACTURER, OrganisationKind.START_UP)


class PlanWish(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """How many of a product by when, and under which rules; periods that grow lead from a pilot to volume."""

    periods: tuple[Period, ...]
    small_floor: float = 0.0
    """Share of the money for work that has to go to small firms, 0 to 1."""
    emergency: bool = False
    """Ask those too who lack only approvals."""
    lead_days: dict[str, float] = {}
    """Days until an approval could be had, by requirement, as certificate: 30."""
    seconds: float = 6.0


async def plan(node: Node, product_id: str, wish: PlanWish, *, actor: str) -> SupplyPlan:
    """Ask the network and plan a product; the plan is kept, nothing is ordered."""
    product = await node.store.get(Product, product_id)
    _check(node, wish)
    asked = await ask(node, product, wish.periods, lead_days=wish.lead_days if wish.emergency else None)
    refuse_unable(product, asked)
    small = await small_firms(node)
    began, now = time.monotonic(), node.clock()
    wanted = Wanted(items=product.items, periods=wish.periods, weights=Weights(), now=now)

    def solve() -> tuple[Web, Decided]:
        web = bridge(wanted, asked.sources)
        return web, decide(web, seconds=wish.seconds, floor=wish.small_floor, small=small)

    web, decided = await to_thread.run_sync(solve)
    made = _written(product, wish, asked, web, decided=decided)
    made = msgspec.structs.replace(
        made, seconds=round(time.monotonic() - began, 3), decided_by=node.settings.name, created_at=now
    )
    change = Change(actor).put(made)
    knot(node, change, Knot(id=made.id, kind="plan", label=f"{product.title}: {made.price_eur:,.0f} EUR"))
    tie(node, change, product.id, EdgeKind.DECIDES, made.id)
    change.event(Tag.SUPPLY_PLANNED, made.id, product=product.id, objective=made.objective_eur, bound=made.bound_eur)
    await node.store.commit(change)
    return made


def _check(node: Node, wish: PlanWish) -> None:
    if not 1 <= len(wish.periods) <= PERIODS_MAX:
        raise BadInput(f"{len(wish.periods)} periods are not planned.", where="periods", remedy=f"1 to {PERIODS_MAX}.")
    if any(one.due.tzinfo is None or one.due <= node.clock() for one in wish.periods):
        raise BadInput("A period is due in the past, or at a time without a zone.", where="periods")
    if any(not 1 <= one.quantity <= QUANTITY_MAX for one in wish.periods):
        raise BadInput("A period wants no pieces.", where="periods", remedy=f"Give 1 to {QUANTITY_MAX:,}.")
    if not 0 <= wish.small_floor <= 1:
        raise BadInput(f"A floor of {wish.small_floor} is no share.", where="small_floor", remedy="Give 0 to 1.")
    if not 0.5 <= wish.seconds <= SECONDS_MAX:
        raise BadInput(f"{wish.seconds} s of search.", where="seconds", remedy=f"Give 0.5 to {SECONDS_MAX:g}.")
    if any(not 0 <= days <= 3650 for days in wish.lead_days.values()):
        raise BadInput("A lead time is no number of days from 0 to 3650.", where="lead_days")


async def small_firms(node: Node) -> frozenset[str]:
    """Name the nodes of small manufacturers and start-ups: by the directory, else by what they say in their offers."""
    bodies = {one.did: one.kind for one in await node.store.find(Organisation, limit=10_000) if one.did}
    offers = await node.store.find(CatalogEntry, kind=DatasetKind.CAPACITY, is_gone=False, limit=1000)
    said = {one.provider: str(one.facts.get("organisation_kind")) for one in offers}
    kinds = {**said, **bodies}
    return frozenset(did for did, kind in kinds.items() if kind in SMALL)


def _written(product: Product, wish: PlanWish, asked: Asked, web: Web, *, decided: Decided) -> SupplyPlan:
    found = decided.solution
    made = steps(web, found.placements)
    notes = [*asked.notes, *(text for one in web.instances for _, text in one.notes), decided.note]
    return SupplyPlan(
        id=new_id("supply"),
        product=product.id,
        title=product.title,
        is_emergency=wish.emergency,
        periods=wish.periods,
        needs=tuple(asked.sources[item.key].need.id for item in product.items),
        quotes=tuple(one.id for item in product.items for one in asked.sources[item.key].quotes),
        pace=asked.pace,
        batches=web.batches,
        placements=tuple((one.activity, one.mode, one.start, one.end) for one in found.placements),
        unserved=found.unserved,
        objective_eur=found.objective,
        bound_eur=max(0.0, found.bound),
        gap=found.gap,
        is_optimal=found.status.value == "optimal",
        price_eur=money(web, found),
        co2_kg=co2(web, found),
        steps=made,
        tiers=tier_rows(web, made, asked.matches, asked.tracks),
        rows=period_rows(web, found, wish.periods),
        approvals=_used(asked.approvals, made),
        small_floor=wish.small_floor,
        small_share=decided.small_share,
        rule_price_eur=decided.rule_price_eur,
        notes=tuple(dict.fromkeys(one for one in notes if one)),
        solver=found.solver,
        created_at=web.origin,
    )


def _used(approvals: tuple[Approval, ...], made: tuple[SupplyStep, ...]) -> tuple[Approval, ...]:
    """Keep the approvals of whoever has a part in the plan."""
    work = {(one.provider, one.item, one.operation_name) for one in made}
    kept = [one for one in approvals if (one.provider, one.item, one.operation_name) in work]
    return tuple(dict.fromkeys(kept))


class Held(msgspec.Struct, frozen=True, kw_only=True):
    """A kept plan over the records it was made from."""

    plan: SupplyPlan
    product: Product
    web: Web
    solution: Solution
    quotes: dict[str, tuple[str, ...]]
    """Ids by need."""


async def held(node: Node, plan_id: str) -> Held:
    """Read a plan back over its own quotes; NotFound where they are not held any more."""
    made = await node.store.get(SupplyPlan, plan_id)
    product = await node.store.get(Product, made.product)
    rank = {one: number for number, one in enumerate(made.quotes)}
    kept = await node.store.find(Quote, id=list(rank), limit=len(rank)) if rank else []
    kept = sorted(kept, key=lambda one: rank[one.id])
    sources: dict[str, Source] = {}
    for item, need_id in zip(product.items, made.needs, strict=True):
        need = await node.store.get(Need, need_id)
        quotes = [one for one in kept if one.need == need_id]
        sources[item.key] = Source(
            need=need,
            process=await node.store.get(ProcessPlan, item.process_plan),
            quotes=tuple(slowed(one, made.pace) for one in quotes),
        )
    if sum(len(one.quotes) for one in sources.values()) != len(set(made.quotes)):
        raise NotFound(f"The plan {plan_id} rests on quotes this node does not hold.", remedy="Plan the product again.")
    wanted = Wanted(
        items=product.items, periods=made.periods, weights=Weights(), now=made.created_at, batches=made.batches
    )

    def read() -> Web:
        return bridge(wanted, sources)

    web = await to_thread.run_sync(read)
    return Held(
        plan=made,
        product=product,
        web=web,
        solution=solution_of(web, made.placements, made.unserved, made.bound_eur),
        quotes={one.need.id: tuple(quote.id for quote in one.quotes) for one in sources.values()},
    )
