"""A coordination ends: the round that stands becomes plans of this node's own needs, which a person takes or leaves."""

import msgspec

from interwork.allocation.learning.viewing import View, schedule_of
from interwork.allocation.parts.instance import UNITS_PER_EUR, Instance
from interwork.allocation.parts.schedule import Schedule, weigh, write_assignments, write_legs, write_totals
from interwork.allocation.problem.model import Placement
from interwork.core.design import EdgeKind
from interwork.core.errors import NotFound, WrongState
from interwork.core.event import Tag
from interwork.core.ids import derived_id
from interwork.core.making import Job
from interwork.core.network.together import Coordination, RoundHeld
from interwork.core.planning import Plan
from interwork.flows.insight.plans import is_open
from interwork.flows.node import Node
from interwork.flows.together.own import own
from interwork.flows.weave import Knot, knot, tie
from interwork.store import Change


async def settle(node: Node, held: Coordination, number: int) -> Coordination:
    """Make plans of the round that stands; settled again, it stays as it is."""
    if held.state != "running":
        return held
    rounds = [one for one in held.rounds if one.number <= number]
    mine = await own(node, held)
    if held.needs and not rounds:
        raise NotFound(f"No round up to {number} of the coordination {held.id} was answered here.")
    change, plans = Change(held.began_by), list[str]()
    if mine is not None:
        for rank, instance in enumerate(mine.instances):
            made = _plan(held, mine.seen, rounds[-1], rank, instance)
            if made is not None:
                plans.append(made.id)
                change.put(made)
    settled = msgspec.structs.replace(held, state="settled", best=number, plans=tuple(plans))
    change.put(settled, expect=held).event(Tag.COORDINATION_MOVED, held.id, state="settled", round=number)
    await node.store.commit(change)
    return settled


def _plan(held: Coordination, seen: View, kept: RoundHeld, rank: int, instance: Instance) -> Plan | None:
    """Write one need's part of a round down as its plan; None where a lot of it was not served."""
    placed = [Placement(*each) for each in kept.placements]
    lots = held.needs[rank].lots
    read = schedule_of(seen, rank, placed, lots)
    if len(read.placed) != len(lots) * len(instance.operations):
        return None
    schedule = Schedule(lots=lots, placed=read.placed)
    sums = weigh(instance, schedule)
    objective = sums.objective / UNITS_PER_EUR
    plan_id = derived_id("plan", held.id, instance.need.id)
    return Plan(
        id=plan_id,
        need=instance.need.id,
        assignments=write_assignments(instance, schedule, plan_id),
        legs=write_legs(instance, schedule),
        totals=write_totals(instance, sums),
        weights=instance.weights,
        objective_eur=objective,
        bound_eur=0.0,
        gap=1.0 if objective else 0.0,
        is_optimal=False,
        alternatives=(),
        reasons=(f"Planned together with others (round {kept.number + 1}): the hours they take are left to them.",),
        solver="coordination by prices and hours",
        seconds=0.0,
        decided_by="",
        created_at=held.created_at,
    )


async def take(node: Node, coordination_id: str, *, actor: str, by: str) -> list[Job]:
    """Give the jobs the plans that came of a coordination; those ordered meanwhile keep theirs."""
    held = await node.store.get(Coordination, coordination_id)
    if held.state != "settled":
        raise WrongState(f"The coordination {coordination_id} is {held.state}.", remedy="Only a settled one is taken.")
    jobs = {one.need: one for one in await node.store.find(Job, limit=1000) if is_open(one)}
    change, moved = Change(actor), list[Job]()
    for plan_id in held.plans:
        plan = msgspec.structs.replace(await node.store.get(Plan, plan_id), decided_by=by)
        job = jobs.get(plan.need)
        if job is None:
            continue
        message = f"{plan.totals.price_eur:,.2f} EUR, planned together with others, taken by {by}"
        now = msgspec.structs.replace(job, plan=plan.id, message=message, updated_at=node.clock())
        change.put(plan).put(now, expect=job)
        change.event(Tag.PLAN_DECIDED, plan.id, objective=plan.objective_eur, instead_of=job.plan)
        knot(node, change, Knot(id=plan.id, kind="plan", label=f"plan: {plan.totals.price_eur:,.0f} EUR, together"))
        tie(node, change, plan.need, EdgeKind.DECIDES, plan.id)
        moved.append(now)
    taken = msgspec.structs.replace(held, state="taken")
    change.put(taken, expect=held).event(Tag.COORDINATION_MOVED, held.id, state="taken", jobs=len(moved), by=by)
    await node.store.commit(change)
    return moved
