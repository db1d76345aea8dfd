"""Plan: who does what when, what it comes to, how far from the best it can be, and why nobody else was chosen."""

from collections.abc import Mapping
from dataclasses import dataclass

from starlette.requests import Request
from starlette.responses import Response

from interwork.core.design import ProcessPlan
from interwork.core.making import Job
from interwork.core.planning import Candidate, Leg, Match, Need, Plan
from interwork.flows.node import Node
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


async def plan_view(node: Node, identifier: str) -> PlanView:
    """Collect a plan with its need, its job and its matches."""
    plan = await node.store.get(Plan, identifier)
    jobs = [one for one in await node.store.find(Job, limit=1000) if one.plan == plan.id]
    need = await node.store.peek(Need, plan.need)
    steps = await node.store.peek(ProcessPlan, need.process_plan) if need and need.process_plan else None
    operations = {one.id: one.name for one in steps.operations} if steps else {}
    order = {identifier: index for index, identifier in enumerate(operations)}
    matches = await node.store.find(Match, need=plan.need, limit=500)
    matches.sort(key=lambda one: (order.get(one.operation, 0), one.missing, one.provider_name, one.resource_name))
    offers = [one.objective_eur for one in plan.alternatives if one.is_feasible]
    return PlanView(
        plan=plan,
        need=need,
        job=jobs[0] if jobs else None,
        baselines=tuple(one for one in plan.alternatives if one.name in BASELINES),
        alone=tuple(one for one in plan.alternatives if one.name not in BASELINES),
        matches=tuple(matches),
        fits=sum(1 for one in matches if one.is_feasible),
        operations=operations,
        carried=plan.legs,
        providers=tuple(dict.fromkeys(one.provider_name for one in plan.assignments)),
        dearest_eur=max([plan.objective_eur, *offers]),
        names=await names_of(node),
    )


async def show(request: Request) -> Response:
    """Show one plan."""
    await require(request, *MAY["read"])
    return await render(request, "plan.html", view=await plan_view(node_of(request), request.path_params["id"]))
