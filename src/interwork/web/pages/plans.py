"""Plan: who does what when, what it comes to, how far from the best it can be, and why nobody else was chosen."""

from collections.abc import Mapping
from dataclasses import dataclass

from starlette.requests import Request
from starlette.responses import Response

from interwork.core.design import ProcessPlan
from interwork.core.errors import BadInput, NotFound
from interwork.core.making import Job
from interwork.core.organisation import Place
from interwork.core.planning import Assignment, Explanation, Match, Need, Plan, TradeOff
from interwork.flows.insight.plans import explanation_of, is_open
from interwork.flows.make_part.beside import Beside, Sum, also, beside, sum_of
from interwork.flows.node import Node
from interwork.flows.replan.deciding import CHANGEABLE
from interwork.web.access import MAY, node_of, require
from interwork.web.pages.agreements import names_of
from interwork.web.render import render


@dataclass(frozen=True, slots=True, kw_only=True)
class Site:
    """A place of a plan on its map."""

    id: str
    name: str
    place: Place
    operations: tuple[str, ...]
    anchor: str
    """The first row of its work; empty for where it is delivered to."""
    ties: tuple[str, ...]
    """Sites that parts are carried to."""
    is_here: bool


@dataclass(frozen=True, slots=True, kw_only=True)
class PlanView:
    """A plan beside what would have been done without it."""

    plan: Plan
    need: Need | None
    job: Job | None
    sum: Sum
    works: tuple[tuple[str, float], ...]
    """What each provider is paid."""
    sites: tuple[Site, ...]
    beside: tuple[Beside, ...]
    also: tuple[str, ...]
    """What the plan itself is besides, such as the cheapest single provider."""
    matches: tuple[Match, ...]
    fits: int
    operations: Mapping[str, str]
    """Operation ids with their names, in order."""
    providers: tuple[str, ...]
    dearest_eur: float
    names: Mapping[str, str]
    why: Explanation | None
    reasons: tuple[str, ...]
    """Of the plan, without those that `why` tells with more numbers."""
    trade: TradeOff | None
    may_choose: bool
    may_replan: bool


async def plan_view(node: Node, identifier: str) -> PlanView:
    """Collect a plan with its need, its job and its matches."""
    plan = await node.store.get(Plan, identifier)
    jobs = [one for one in await node.store.find(Job, limit=1000) if one.plan == plan.id]
    job = jobs[0] if jobs else None
    need = await node.store.peek(Need, plan.need)
    steps = await node.store.peek(ProcessPlan, need.process_plan) if need and need.process_plan else None
    operations = {one.id: one.name for one in steps.operations} if steps else {}
    order = {identifier: index for index, identifier in enumerate(operations)}
    matches = await node.store.find(Match, need=plan.need, limit=500)
    matches.sort(key=lambda one: (order.get(one.operation, 0), one.missing, one.provider_name, one.resource_name))
    why = await _why(node, plan.id)
    offers = [one.objective_eur for one in plan.alternatives if one.is_feasible]
    return PlanView(
        plan=plan,
        need=need,
        job=job,
        sum=sum_of(plan),
        works=_works(plan),
        sites=_sites(plan, need),
        beside=beside(plan),
        also=also(plan),
        matches=tuple(matches),
        fits=sum(1 for one in matches if one.is_feasible),
        operations=operations,
        providers=tuple(dict.fromkeys(one.provider_name for one in plan.assignments)),
        dearest_eur=max([plan.objective_eur, *offers]),
        names=await names_of(node),
        why=why,
        reasons=tuple(one for one in plan.reasons if not (why and _is_told(one))),
        trade=await node.store.peek(TradeOff, plan.need),
        may_choose=is_open(job),
        may_replan=bool(job and job.plan == plan.id and job.step in CHANGEABLE),
    )


def _sites(plan: Plan, need: Need | None) -> tuple[Site, ...]:
    """Put every place of a plan on the map, tied by what is carried between them."""
    home = need.deliver_to if need else Place()
    if not (home.latitude or home.longitude):
        return ()
    found: dict[str, list[Assignment]] = {}
    for one in sorted(plan.assignments, key=lambda each: each.start):
        found.setdefault(f"{one.provider_name}, {one.place.city}", []).append(one)
    numbers = {name: f"site-{number}" for number, name in enumerate(found)}
    goes = {name: {leg.target for leg in plan.legs if leg.source == name} for name in found}
    sites = [
        Site(
            id=numbers[name],
            name=work[0].provider_name,
            place=work[0].place,
            operations=tuple(dict.fromkeys(one.operation_name for one in work)),
            anchor=work[0].id,
            ties=tuple(numbers.get(to, "site-home") for to in sorted(goes[name])),
            is_here=False,
        )
        for name, work in found.items()
        if work[0].place.latitude or work[0].place.longitude
    ]
    name = home.city or f"{home.latitude:.1f}, {home.longitude:.1f}"
    here = Site(id="site-home", name=name, place=home, operations=(), anchor="", ties=(), is_here=True)
    return (*sites, here) if sites else ()


def _works(plan: Plan) -> tuple[tuple[str, float], ...]:
    paid: dict[str, float] = {}
    for one in plan.assignments:
        paid[one.provider_name] = paid.get(one.provider_name, 0.0) + one.price_eur
    return tuple(sorted(paid.items()))


def _is_told(reason: str) -> bool:
    return ": chosen for " in reason or ": not chosen; " in reason


async def _why(node: Node, plan: str) -> Explanation | None:
    """Explain the plan; None where its quotes are not held here (another node's plan, or an old one)."""
    try:
        return await explanation_of(node, plan)
    except (NotFound, BadInput):
        return None


async def show(request: Request) -> Response:
    """Show one plan."""
    await require(request, *MAY["read"])
    return await render(request, "plan.html", view=await plan_view(node_of(request), request.path_params["id"]))
