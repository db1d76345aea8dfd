"""Plan: who does what when, what it comes to, how far from the best it can be, and why nobody else was chosen."""

from dataclasses import dataclass

from starlette.requests import Request
from starlette.responses import Response

from interwork.core.making import Job
from interwork.core.planning import Candidate, Leg, Match, Need, Plan
from interwork.flows.node import Node
from interwork.web.access import MAY, node_of, require
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
    carried: tuple[Leg, ...]
    providers: tuple[str, ...]
    dearest_eur: float


async def plan_view(node: Node, identifier: str) -> PlanView:
    """Collect a plan with its need, its job and its matches."""
    plan = await node.store.get(Plan, identifier)
    jobs = [one for one in await node.store.find(Job, limit=1000) if one.plan == plan.id]
    offers = [one.objective_eur for one in plan.alternatives if one.is_feasible]
    return PlanView(
        plan=plan,
        need=await node.store.peek(Need, plan.need),
        job=jobs[0] if jobs else None,
        baselines=tuple(one for one in plan.alternatives if one.name in BASELINES),
        alone=tuple(one for one in plan.alternatives if one.name not in BASELINES),
        matches=tuple(await node.store.find(Match, need=plan.need, limit=500)),
        carried=plan.legs,
        providers=tuple(dict.fromkeys(one.provider_name for one in plan.assignments)),
        dearest_eur=max([plan.objective_eur, *offers]),
    )


async def show(request: Request) -> Response:
    """Show one plan."""
    await require(request, *MAY["read"])
    return await render(request, "plan.html", view=await plan_view(node_of(request), request.path_params["id"]))
