"""A planned product is ordered: approvals granted first, then one job per item, each in its planned windows.

A job of an item is as any other from there on: its orders cross under the standing agreements of the quotes, its runs
wait for the parts they are made of, and an event is answered by planning it again.
"""

import math
from collections.abc import Sequence
from datetime import timedelta

import msgspec

from interwork.allocation.parts.instance import UNITS_PER_EUR
from interwork.allocation.parts.schedule import Placed, Schedule, weigh, write_assignments, write_legs, write_totals
from interwork.allocation.supply.bridging import Web
from interwork.core.design import EdgeKind, ProcessPlan, Revision
from interwork.core.errors import NotFound, WrongState
from interwork.core.event import Tag
from interwork.core.ids import derived_id
from interwork.core.making import Job, JobStep
from interwork.core.network.supply import Item, Product, SupplyPlan
from interwork.core.planning import Assignment, Plan, Weights
from interwork.flows.node import Node
from interwork.flows.supply.describing import description
from interwork.flows.supply.planning import Held, held
from interwork.flows.weave import Knot, knot, tie
from interwork.store import Change


async def grant(node: Node, plan_id: str, number: int, *, actor: str, by: str) -> SupplyPlan:
    """Grant one approval of an emergency plan, counted from 0."""
    made = await node.store.get(SupplyPlan, plan_id)
    if not 0 <= number < len(made.approvals):
        raise NotFound(f"The plan {plan_id} has {len(made.approvals)} approvals.", remedy="Count them from 0.")
    listed = list(made.approvals)
    if listed[number].granted_by:
        return made
    listed[number] = msgspec.structs.replace(listed[number], granted_by=by, granted_at=node.clock())
    granted = msgspec.structs.replace(made, approvals=tuple(listed))
    change = Change(actor).put(granted, expect=made)
    change.event(Tag.SUPPLY_DECIDED, plan_id, what="approval", requirement=listed[number].wanted, by=by)
    await node.store.commit(change)
    return granted


async def order(node: Node, plan_id: str, *, actor: str, by: str) -> tuple[Job, ...]:
    """Open a job per item of a plan; asked for again, the same jobs are meant."""
    found = await held(node, plan_id)
    made = found.plan
    if made.jobs:
        return tuple([await node.store.get(Job, one) for one in made.jobs])
    _refuse(made)
    product = await node.store.get(Product, made.product)
    drawn = [await _drawn(node, product, item) for item in found.web.items]
    plans = [_plan_of(found, rank, by) for rank in range(len(found.web.items))]
    jobs: list[Job] = []
    change = Change(actor, once=f"supply:{plan_id}")
    for rank, item in enumerate(found.web.items):
        job = _job(node, found, rank, plans, drawn=drawn[rank])
        jobs.append(job)
        change.put(plans[rank]).put(job)
        label = f"{item.title}: {plans[rank].totals.price_eur:,.0f} EUR"
        knot(node, change, Knot(id=plans[rank].id, kind="plan", label=label))
        tie(node, change, made.id, EdgeKind.DECIDES, plans[rank].id)
        change.event(Tag.JOB_MOVED, job.id, step=job.step.value, supply=plan_id)
    ordered = msgspec.structs.replace(made, jobs=tuple(one.id for one in jobs), decided_by=by)
    change.put(ordered, expect=made).event(Tag.SUPPLY_DECIDED, plan_id, what="order", jobs=len(jobs), by=by)
    await node.store.commit(change)
    return tuple(jobs)


def _refuse(made: SupplyPlan) -> None:
    open_ones = [one for one in made.approvals if not one.granted_by]
    if open_ones:
        names = "; ".join(f"{one.requirement} {one.wanted} of {one.provider_name}" for one in open_ones)
        raise WrongState(
            f"{len(open_ones)} approvals of this plan are not granted: {names}.",
            remedy="Grant each once it is there, then order.",
        )
    if made.unserved:
        raise WrongState(
            f"{len(made.unserved)} batches of this plan are not made.",
            remedy="Plan fewer pieces, later dates, or an emergency.",
        )


class Drawn(msgspec.Struct, frozen=True, kw_only=True):
    """What the shop that makes an item is sent: its design file, or where it has none its work in words."""

    process: ProcessPlan
    revision: str
    """Empty = described in words."""
    file_name: str
    digest: str


async def _drawn(node: Node, product: Product, item: Item) -> Drawn:
    """Find what a shop needs to make an item; its work is written down where it has no design."""
    process = await node.store.get(ProcessPlan, item.process_plan)
    revision = await node.store.peek(Revision, process.revision) if process.revision else None
    if revision is not None:
        return Drawn(process=process, revision=revision.id, file_name=revision.file_name, digest=revision.file_digest)
    digest = node.files.put(description(product, item, process).encode())
    return Drawn(process=process, revision="", file_name=f"{item.key}.txt", digest=digest)


def _plan_of(found: Held, rank: int, by: str) -> Plan:
    """Write one item's part of a plan down as the plan of its need, a lot per batch."""
    web, instance = found.web, found.web.instances[rank]
    lots = [demand for demand in range(len(web.demands)) if demand not in found.solution.unserved]
    placed = []
    for each in found.solution.placements:
        demand, item, operation = web.activities[each.activity]
        if item == rank:
            option = web.options[each.activity][each.mode]
            placed.append(Placed(lots.index(demand), operation, option, each.start, each.end))
    placed.sort(key=lambda one: (one.lot, one.operation))
    schedule = Schedule(lots=tuple(web.sizes[demand][rank] for demand in lots), placed=tuple(placed))
    sums = weigh(instance, schedule)
    objective = sums.objective / UNITS_PER_EUR
    plan_id = derived_id("plan", found.plan.id, web.items[rank].key)
    return Plan(
        id=plan_id,
        need=instance.need.id,
        assignments=tuple(
            _as_quoted(one, found.plan.pace.get(one.provider, 1.0))
            for one in write_assignments(instance, schedule, plan_id)
        ),
        legs=write_legs(instance, schedule),
        totals=write_totals(instance, sums),
        weights=Weights(),
        objective_eur=objective,
        bound_eur=0.0,
        gap=1.0 if objective else 0.0,
        is_optimal=False,
        alternatives=(),
        reasons=(
            f"Its share of {found.plan.title}, planned as a whole: objective {found.plan.objective_eur:,.2f} EUR.",
        ),
        solver=found.plan.solver,
        seconds=0.0,
        decided_by=by,
        created_at=found.plan.created_at,
    )


def _as_quoted(one: Assignment, pace: float) -> Assignment:
    """Order the time that was quoted, though more was reckoned with."""
    if pace == 1.0:
        return one
    minutes = math.ceil((one.end - one.start).total_seconds() / 60 / pace)
    return msgspec.structs.replace(one, end=one.start + timedelta(minutes=minutes))


def _job(node: Node, found: Held, rank: int, plans: Sequence[Plan], *, drawn: Drawn) -> Job:
    process = drawn.process
    item, instance, now = found.web.items[rank], found.web.instances[rank], node.clock()
    need, waits = instance.need.id, _after(found.web, rank, plans)
    return Job(
        id=derived_id("job", found.plan.id, item.key),
        title=item.title,
        owner=node.settings.organisation,
        step=JobStep.AGREE,
        state="running",
        revision=drawn.revision,
        material=process.material,
        quantity=sum(sizes[rank] for sizes in found.web.sizes),
        due=instance.need.due,
        tolerance_mm=process.tolerance_mm or 0.1,
        process_plan=process.id,
        need=need,
        quotes=found.quotes[need],
        plan=plans[rank].id,
        created_at=now,
        updated_at=now,
        facts={
            "file_name": drawn.file_name,
            "digest": drawn.digest,
            "until": "",
            "supply": found.plan.id,
            "after": waits,
            "parts": {
                before: derived_id("job", found.plan.id, child)
                for listed in waits.values()
                for before, child in _parts(found.web, rank, plans, listed)
            },
        },
    )


def _parts(web: Web, rank: int, plans: Sequence[Plan], awaited: Sequence[str]) -> list[tuple[str, str]]:
    """Name, for each awaited assignment, the item it makes: its job may be planned anew, under other assignments."""
    ranks = {item.key: number for number, item in enumerate(web.items)}
    children = [part.item for part in web.items[rank].made_of]
    owner = {one.id: child for child in children for one in plans[ranks[child]].assignments}
    return [(one, owner[one]) for one in awaited]


def _after(web: Web, rank: int, plans: Sequence[Plan]) -> dict[str, list[str]]:
    """Name, by assignment, what of other items must be made first: the last work on each part of the same batch."""
    ranks = {item.key: number for number, item in enumerate(web.items)}
    first = [n for n, before in enumerate(web.instances[rank].before) if not before]
    opening = {web.instances[rank].operations[n].id for n in first}
    waits: dict[str, list[str]] = {}
    for one in plans[rank].assignments:
        if one.operation not in opening:
            continue
        for part in web.items[rank].made_of:
            child = ranks[part.item]
            last = {web.instances[child].operations[n].id for n in web.instances[child].last}
            waits.setdefault(one.id, []).extend(
                other.id for other in plans[child].assignments if other.lot == one.lot and other.operation in last
            )
    return waits
