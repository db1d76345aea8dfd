"""One plan: why it is so, and the other plans over the same quotes somebody may choose before anything is ordered."""

from collections.abc import Sequence

import msgspec
from anyio import to_thread

from interwork.allocation.learning.converting import Stage, pilot_to_volume
from interwork.allocation.learning.explaining import explain_plan, told_to
from interwork.allocation.learning.trading import GRID, point, trade_off
from interwork.core.design import EdgeKind, ProcessPlan
from interwork.core.errors import BadInput, NotFound, WrongState
from interwork.core.event import Tag
from interwork.core.making import Job, JobStep
from interwork.core.planning import Explanation, Match, Need, Plan, Quote, TradeOff, Weights
from interwork.flows.node import Node
from interwork.flows.weave import Knot, knot, tie
from interwork.store import Change

VOLUMES_MAX = 10
EXPLAIN_S = 6.0
"""Seconds an explanation may take; it is kept once made."""


class Ground(msgspec.Struct, frozen=True, kw_only=True):
    """What a plan stands on."""

    plan: Plan
    need: Need
    process: ProcessPlan
    quotes: tuple[Quote, ...]
    job: Job | None


async def ground_of(node: Node, plan_id: str) -> Ground:
    """Collect what a plan was made from; NotFound where the node does not hold it all."""
    plan = await node.store.get(Plan, plan_id)
    need = await node.store.get(Need, plan.need)
    jobs = [one for one in await node.store.find(Job, limit=1000, newest=True) if one.need == need.id]
    job = next((one for one in jobs if one.plan == plan.id), jobs[0] if jobs else None)
    process = await node.store.peek(ProcessPlan, (job.process_plan if job else "") or need.process_plan)
    held = await node.store.find(Quote, need=need.id, limit=200)
    named = [one for one in held if job and one.id in job.quotes and one.valid_until > plan.created_at]
    quotes = named or [one for one in held if one.valid_until > plan.created_at]
    if process is None or not quotes:
        raise NotFound(
            f"The plan {plan_id} was made from quotes and a process plan this node does not hold.",
            remedy="Plan the part again with `interwork plan PART`.",
        )
    return Ground(plan=plan, need=need, process=process, quotes=tuple(quotes), job=job)


async def explanation_of(node: Node, plan_id: str, *, reader: str = "") -> Explanation:
    """Explain a plan (made once, then kept); for another member only what that member may read."""
    known = await node.store.peek(Explanation, plan_id)
    if known is None:
        ground = await ground_of(node, plan_id)
        matches = await node.store.find(Match, need=ground.need.id, limit=10_000)

        def explain() -> Explanation:
            return explain_plan(ground.need, ground.process, ground.quotes, matches, ground.plan, seconds=EXPLAIN_S)

        known = await to_thread.run_sync(explain)
        await node.store.commit(Change().put(known))
    return told_to(known, reader) if reader else known


async def trade(node: Node, plan_id: str, *, actor: str = "node") -> TradeOff:
    """Plan at other prices of CO₂ and of time over the same quotes; keep the plans that nothing beats."""
    ground = await ground_of(node, plan_id)
    now = ground.plan.created_at

    def solve() -> list[Plan]:
        return trade_off(ground.need, ground.process, ground.quotes, weights=Weights(), now=now)

    plans = await to_thread.run_sync(solve)
    made = TradeOff(
        id=ground.need.id,
        plan=plan_id,
        points=tuple(point(one) for one in plans),
        tried=len(GRID),
        created_at=node.clock(),
    )
    change = Change(actor).put(made)
    for one in plans:
        if await node.store.peek(Plan, one.id) is None:
            change.put(msgspec.structs.replace(one, decided_by=node.settings.name))
    await node.store.commit(change)
    return made


async def volumes(node: Node, plan_id: str, quantities: Sequence[int]) -> list[Stage]:
    """Plan a part from a pilot to volume over the quotes of a plan."""
    if not 1 <= len(quantities) <= VOLUMES_MAX or any(not 1 <= one <= 100_000 for one in quantities):
        raise BadInput(f"Give 1 to {VOLUMES_MAX} quantities of 1 to 100,000.", where="quantities")
    ground = await ground_of(node, plan_id)

    def stage() -> list[Stage]:
        return pilot_to_volume(ground.need, ground.process, ground.quotes, quantities, now=ground.plan.created_at)

    return await to_thread.run_sync(stage)


def is_open(job: Job | None) -> bool:
    """Tell whether a job is planned and nothing is ordered yet."""
    return bool(job and job.plan and job.step is JobStep.AGREE and not job.orders and job.state != "running")


async def choose(node: Node, plan_id: str, *, actor: str, by: str) -> Job:
    """Take one point of a trade instead of the plan that stands; only before anything is ordered."""
    ground = await ground_of(node, plan_id)
    trade_of = await node.store.peek(TradeOff, ground.need.id)
    if trade_of is None or plan_id not in {one.plan for one in trade_of.points}:
        raise NotFound(f"The plan {plan_id} is no point of a trade.", remedy="Compute the trade of the plan first.")
    job = ground.job
    if job is None or not is_open(job):
        raise WrongState(
            f"{ground.need.title} is {'not planned by a job' if job is None else 'ordered or on its way'}.",
            remedy="A plan is chosen after `interwork plan` and before `interwork make`; use `interwork replan` later.",
        )
    chosen = msgspec.structs.replace(ground.plan, decided_by=by)
    message = f"{chosen.totals.price_eur:,.2f} EUR, {chosen.totals.co2_kg:.1f} kg CO₂, chosen by {by}"
    moved = msgspec.structs.replace(job, plan=plan_id, message=message, updated_at=node.clock())
    change = Change(actor).put(chosen).put(moved, expect=job)
    change.event(Tag.PLAN_DECIDED, plan_id, objective=chosen.objective_eur, instead_of=job.plan)
    knot(node, change, Knot(id=plan_id, kind="plan", label=f"plan: {chosen.totals.price_eur:,.0f} EUR, chosen by {by}"))
    tie(node, change, ground.need.id, EdgeKind.DECIDES, plan_id)
    await node.store.commit(change)
    return moved
