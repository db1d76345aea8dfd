"""Plan: who does what when, what it comes to, how far from the best it can be, and why nobody else was chosen."""

from collections.abc import Mapping
from dataclasses import dataclass

from starlette.requests import Request
from starlette.responses import Response

from interwork.core.design import ProcessPlan
from interwork.core.errors import BadInput, NotFound
from interwork.core.making import Job
from interwork.core.planning import Candidate, Explanation, Leg, Match, Need, Plan, TradeOff
from interwork.flows.insight.plans import explanation_of, is_open
from interwork.flows.node import Node
from interwork.flows.replan.deciding import CHANGEABLE
from interwork.web.access import MAY, node_of, require
from interwork.web.pages.agreements import names_of
from interwork.web.render import render

BASELINES = ("first-capable", "cheapest-single")


@dataclass(frozen=True, slots=True, kw_only=True)
class PlanView:
    """A plan beside what would have been done without it."""

    plan: Plan
    need: Need | None
    job: Job | None
    baselines: tuple[Candidate, ...]
    alone: tuple[Candidate, ...]
    matches: tuple[Match, ...]
    fits: int
    operations: Mapping[str, str]
    """Operation ids with their names, in order."""
    carried: tuple[Leg, ...]
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
        baselines=tuple(one for one in plan.alternatives if one.name in BASELINES),
        alone=tuple(one for one in plan.alternatives if one.name not in BASELINES),
        matches=tuple(matches),
        fits=sum(1 for one in matches if one.is_feasible),
        operations=operations,
        carried=plan.legs,
        providers=tuple(dict.fromkeys(one.provider_name for one in plan.assignments)),
        dearest_eur=max([plan.objective_eur, *offers]),
        names=await names_of(node),
        why=why,
        reasons=tuple(one for one in plan.reasons if not (why and _is_told(one))),
        trade=await node.store.peek(TradeOff, plan.need),
        may_choose=is_open(job),
        may_replan=bool(job and job.plan == plan.id and job.step in CHANGEABLE),
    )


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
