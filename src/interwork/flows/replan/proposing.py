"""What happened to a planned job and what to do about it: an event is told, a proposal made, nothing is done yet."""

import time
from collections.abc import Sequence
from datetime import datetime

import msgspec
from anyio import to_thread

from interwork.allocation.learning.asking import Asked, ask, difference, minute_of, shares
from interwork.allocation.learning.mending import Cell, Mended, closures, mend, moves
from interwork.allocation.parts.instance import UNITS_PER_EUR
from interwork.allocation.parts.schedule import weigh, write_assignments, write_legs, write_totals
from interwork.core.errors import BadInput, NoPlan, NotFound, WrongState
from interwork.core.event import Tag
from interwork.core.ids import derived_id, new_id
from interwork.core.making import Job, JobStep, Order, OrderState, Run, RunState
from interwork.core.planning import (
    Assignment,
    Disturbance,
    DisturbanceKind,
    Plan,
    PlanChange,
    Proposal,
)
from interwork.flows.insight.plans import Ground, ground_of
from interwork.flows.make_part.follow import look
from interwork.flows.node import Node
from interwork.store import Change

MEND_S = 3.0
STABILITY_MAX = 1000.0
TOLD_MAX = 200
"""Events of one job that are looked at."""
WAITING = (RunState.PLANNED, RunState.RELEASED, RunState.CANCELLED)


class Told(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """An event as somebody tells it; the machine and the provider by name or id."""

    kind: DisturbanceKind
    since: datetime
    provider: str = ""
    resource: str = ""
    until: datetime | None = None
    note: str = ""


async def tell(node: Node, job_id: str, told: Told, *, actor: str) -> Disturbance:
    """Record an event of a planned job; BadInput where it names nothing of the plan's quotes."""
    job = await node.store.get(Job, job_id)
    ground = await ground_of(node, _plan_of(job))
    if told.since.tzinfo is None or (told.until is not None and told.until.tzinfo is None):
        raise BadInput("The event has a time without a zone.", remedy="Give times in UTC, as 2026-12-24T14:05Z.")
    if told.until is not None and told.until <= told.since:
        raise BadInput("The event ends before it begins.", where="until", remedy="Give a later end, or none.")
    if told.kind is DisturbanceKind.RUSH and told.until is None:
        raise BadInput("A rush order needs an end.", where="until", remedy="Say until when it takes the machine.")
    provider, resource = _place(ground, told)
    now = node.clock()
    event = Disturbance(
        id=new_id("event"),
        job=job.id,
        kind=told.kind,
        provider=provider,
        resource=resource,
        since=told.since,
        until=told.until,
        note=told.note.strip()[:200],
        recorded_at=now,
    )
    change = Change(actor).put(event)
    change.event(Tag.PLAN_DISTURBED, job.id, kind=told.kind.value, provider=provider, resource=resource)
    await node.store.commit(change)
    return event


def _plan_of(job: Job) -> str:
    if not job.plan:
        raise WrongState(f"{job.title} is not planned yet.", remedy="Plan it first, with `interwork plan`.")
    return job.plan


def _place(ground: Ground, told: Told) -> tuple[str, str]:
    """Find the provider and machine meant among those quoted."""
    modes = [mode for quote in ground.quotes for mode in quote.modes]
    resources = {
        (one.provider, one.resource)
        for one in modes
        if told.resource in (one.resource, one.resource_name) and told.provider in ("", one.provider, one.provider_name)
    }
    providers = {one.provider for one in modes if told.provider in (one.provider, one.provider_name)}
    if told.resource and len(resources) == 1:
        return next(iter(resources))
    if not told.resource and len(providers) == 1 and told.kind is not DisturbanceKind.DOWN:
        return next(iter(providers)), ""
    names = ", ".join(sorted({f"{one.resource_name} at {one.provider_name}" for one in modes}))
    what = told.resource or told.provider or "nothing"
    raise BadInput(
        f"{what!r} does not name one machine or provider of the plan's quotes.", remedy=f"Name one of: {names}."
    )


async def propose(node: Node, job_id: str, *, stability: float = 1.0, actor: str) -> Proposal:
    """Mend a job's plan for every event told of it; the proposal and its plan are kept, nothing else happens."""
    if not 0 <= stability <= STABILITY_MAX:
        raise BadInput(f"A stability of {stability} is outside 0 to {STABILITY_MAX:g}.", where="stability")
    job = await node.store.get(Job, job_id)
    ground = await ground_of(node, _plan_of(job))
    told = await node.store.find(Disturbance, job=job_id, limit=TOLD_MAX)
    if not told:
        raise NotFound(f"No event of {job.title} was told.", remedy="Say what happened first.")
    frozen, begun = await _frozen(node, job)
    began = time.monotonic()

    def make() -> tuple[Asked, Mended | None]:
        asked = ask(ground.need, ground.process, ground.quotes, ground.plan)
        return asked, _mend(asked, ground.plan, told, frozen, now=node.clock(), stability=stability)

    asked, mended = await to_thread.run_sync(make)
    if mended is None:
        raise NoPlan(
            f"{ground.need.title} cannot be mended over the quotes at hand.",
            reasons=tuple(each.note or each.kind.value for each in told),
            remedy="Ask for new quotes: cancel the job and plan the part again, or wait until somebody is back.",
        )
    after = _write(asked, mended, ground.plan, stability=stability, now=node.clock(), told=len(told))
    proposal = _proposal(asked, mended, ground, after)
    proposal = msgspec.structs.replace(
        proposal,
        job=job.id,
        disturbances=tuple(one.id for one in told),
        frozen=tuple(sorted(frozen)),
        stability=stability,
        notes=(*_notes(ground, after, node.clock()), *begun),
        seconds=round(time.monotonic() - began, 4),
        created_at=node.clock(),
    )
    change = Change(actor).put(after).put(proposal)
    change.event(Tag.PLAN_PROPOSED, job.id, changes=len(proposal.changes), cost_eur=proposal.cost_eur)
    await node.store.commit(change)
    return proposal


async def _frozen(node: Node, job: Job) -> tuple[set[str], tuple[str, ...]]:
    """Name the assignments under orders on which a machine has begun, as their providers say now: they stay."""
    frozen: set[str] = set()
    untold = await look(node, job) if job.step is JobStep.MAKE else []
    notes = [f"What was begun since the last look is not seen here. {reason}" for reason in untold]
    for order_id in job.orders:
        order = await node.store.get(Order, order_id)
        runs = await node.store.find(Run, order=order_id, limit=200)
        if order.state is not OrderState.CANCELLED and any(run.state not in WAITING for run in runs):
            frozen |= {line.assignment for line in order.lines}
            notes.append(f"{order.peer_name} has begun its order: all {len(order.lines)} steps of it stay as they are.")
    return frozen, tuple(notes)


def _mend(
    asked: Asked, plan: Plan, told: Sequence[Disturbance], frozen: set[str], *, now: datetime, stability: float
) -> Mended | None:
    instance = asked.instance
    machines = sorted({(o.mode.provider, o.mode.resource) for listed in instance.options for o in listed})
    fixed = frozenset(cell for cell, one in _cells(asked, plan).items() if one.id in frozen)
    return mend(
        instance,
        asked.schedule,
        closures(told, machines, instance, instance.horizon),
        fixed=fixed,
        now=max(0, minute_of(instance, now) + 1),
        stability=stability,
        seconds=MEND_S,
    )


def _cells(asked: Asked, plan: Plan) -> dict[Cell, Assignment]:
    """Find each place's assignment in a plan."""
    rank = {each.id: number for number, each in enumerate(asked.instance.operations)}
    lots = sorted({each.lot for each in plan.assignments})
    return {(lots.index(one.lot), rank[one.operation]): one for one in plan.assignments}


def _write(asked: Asked, mended: Mended, before: Plan, *, stability: float, now: datetime, told: int) -> Plan:
    """Write the mended plan down; an assignment keeps its id wherever it goes, so that what waits for it still does."""
    instance, schedule = asked.instance, mended.schedule
    ids = {(one.operation, one.lot): one.id for one in before.assignments}
    lots = sorted({one.lot for one in before.assignments})
    written = [
        msgspec.structs.replace(one, lot=lots[one.lot - 1], id=ids[one.operation, lots[one.lot - 1]])
        for one in write_assignments(instance, schedule, before.id)
    ]
    sums = weigh(instance, schedule)
    objective = sums.objective / UNITS_PER_EUR
    bound = min(before.bound_eur, objective)
    return Plan(
        id=derived_id("plan", before.id, now.isoformat(), str(stability)),
        need=before.need,
        assignments=tuple(written),
        legs=write_legs(instance, schedule),
        totals=write_totals(instance, sums),
        weights=before.weights,
        objective_eur=objective,
        bound_eur=bound,
        gap=(objective - bound) / objective if objective else 0.0,
        is_optimal=False,
        alternatives=(),
        reasons=(f"Made anew from {before.id} after {told} events; what had begun stays.",),
        solver="insertion repair and stable polish",
        seconds=0.0,
        decided_by="",
        created_at=before.created_at,
    )


def _proposal(asked: Asked, mended: Mended, ground: Ground, after: Plan) -> Proposal:
    instance = asked.instance
    was, now = _cells(asked, ground.plan), _cells(asked, after)
    changes = []
    for old, _ in moves(asked.schedule, mended.schedule):
        cell = (old.lot, old.operation)
        changes.append(
            PlanChange(
                operation=was[cell].operation,
                operation_name=was[cell].operation_name,
                lot=was[cell].lot,
                was=was[cell],
                now=now[cell],
                cause=mended.causes[cell],
                price_eur=now[cell].price_eur - was[cell].price_eur,
            )
        )
    shifted = weigh(instance, mended.shifted).objective / UNITS_PER_EUR if mended.shifted else None
    return Proposal(
        id=new_id("proposal"),
        job="",
        before=ground.plan.id,
        after=after.id,
        disturbances=(),
        changes=tuple(changes),
        shares=difference(shares(instance, mended.schedule), shares(instance, asked.schedule)),
        cost_eur=after.objective_eur - asked.objective_eur,
        shift_eur=None if shifted is None else shifted - asked.objective_eur,
        frozen=(),
        stability=1.0,
        notes=(),
        seconds=0.0,
        created_at=ground.plan.created_at,
    )


def _notes(ground: Ground, after: Plan, now: datetime) -> list[str]:
    """Say what may stand in the way of accepting."""
    used = {one.provider for one in after.assignments}
    notes = [
        f"The quote of {one.provider_name} ran out on {one.valid_until:%d %b %Y %H:%M} UTC: it may refuse a new order."
        for one in ground.quotes
        if one.provider in used and one.valid_until <= now
    ]
    if ground.need.budget_eur is not None and after.totals.price_eur > ground.need.budget_eur:
        over = after.totals.price_eur - ground.need.budget_eur
        notes.append(f"It is {over:,.2f} € above the budget; no plan found keeps it.")
    return notes
