"""The needs of one node as a problem, planned around what others hold; nothing of it leaves the node."""

import math
import time
from collections.abc import AsyncGenerator, Sequence
from contextlib import asynccontextmanager
from dataclasses import dataclass
from datetime import datetime, timedelta

import anyio
from anyio import to_thread

from interwork.allocation import Limits
from interwork.allocation.learning.asking import best
from interwork.allocation.learning.coordinating import Answer, Call, Member, doubled
from interwork.allocation.learning.viewing import View, view
from interwork.allocation.parts.admitting import prepare
from interwork.allocation.parts.instance import Instance, without_budget
from interwork.allocation.problem.model import Placement, Solution, Status
from interwork.core.design import ProcessPlan
from interwork.core.errors import BadInput, LimitReached
from interwork.core.ids import derived_id
from interwork.core.making import Job
from interwork.core.network.together import Coordination, Hours, HoursAnswer, HoursCall, NeedHeld, RoundHeld
from interwork.core.planning import Need, Quote, Weights
from interwork.flows.insight.plans import is_open
from interwork.flows.node import Node

EFFORT = Limits(seconds=5.0, effort=2)
"""Of one answer: counted work, so that the same call gets the same answer; at most so many seconds."""
NEEDS_MAX = 100
STRETCHES_MAX = 20_000
LOTS_S = 3.0
WAIT_S = 30.0
SECOND = "#2"
"""Ends the name of an imagined second machine."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Own:
    """The needs of a coordination as a problem."""

    seen: View
    instances: tuple[Instance, ...]
    keys: tuple[str, ...]
    """Of each machine, as it is named in messages."""


async def open_needs(node: Node) -> tuple[NeedHeld, ...]:
    """Collect the needs that are planned and not ordered, with the quotes that hold, and split each into its lots."""
    now = node.clock()
    drawn: list[tuple[Job, tuple[str, ...], Instance]] = []
    for job in await node.store.find(Job, limit=1000, newest=True):
        if not is_open(job) or len(drawn) == NEEDS_MAX:
            continue
        need = await node.store.get(Need, job.need)
        process = await node.store.get(ProcessPlan, job.process_plan)
        quotes = [one for one in [await node.store.get(Quote, each) for each in job.quotes] if one.valid_until > now]
        instance = without_budget(prepare(need, process, quotes, Weights(), now)) if quotes else None
        if instance is not None and all(instance.options):
            drawn.append((job, tuple(one.id for one in quotes), instance))

    def split() -> tuple[NeedHeld, ...]:
        found = []
        for job, quotes, instance in drawn:
            schedule, _ = best(instance, time.monotonic() + LOTS_S)
            lots = schedule.lots if schedule else instance.splits[0]
            found.append(NeedHeld(need=job.need, process=job.process_plan, quotes=quotes, lots=lots))
        return tuple(found)

    return await to_thread.run_sync(split)


async def own(node: Node, held: Coordination) -> Own | None:
    """Write the needs of a coordination as a problem again; None where this node has none."""
    instances = []
    for one in held.needs:
        need = await node.store.get(Need, one.need)
        process = await node.store.get(ProcessPlan, one.process)
        quotes = [await node.store.get(Quote, each) for each in one.quotes]
        instances.append(without_budget(prepare(need, process, quotes, Weights(), held.created_at)))
    if not instances:
        return None
    seen = view(instances, [one.lots for one in held.needs])
    keys = tuple(derived_id("hours", provider, resource) for provider, resource in seen.resources)
    return Own(seen=seen, instances=tuple(instances), keys=keys)


@asynccontextmanager
async def one_at_a_time(node: Node) -> AsyncGenerator[None, None]:
    """Plan for one asker at a time; LimitReached where the node is busy for too long."""
    try:
        with anyio.fail_after(WAIT_S):
            await node.planning.acquire()
    except TimeoutError as fault:
        raise LimitReached(f"{node.settings.name} is planning for somebody else.", remedy="Try again later.") from fault
    try:
        yield
    finally:
        node.planning.release()


async def answer(node: Node, held: Coordination, call: HoursCall) -> tuple[HoursAnswer, RoundHeld]:
    """Plan this node's needs around a call; the answer may cross, the round stays."""
    mine = await own(node, held)
    if mine is None:
        return HoursAnswer(), RoundHeld(number=call.round, sum_eur=0.0)
    known = next((one for one in reversed(held.rounds)), None) if not call.is_imagined else None

    def plan() -> tuple[HoursAnswer, RoundHeld]:
        return _planned(mine, call, known)

    return await to_thread.run_sync(plan)


def _planned(mine: Own, call: HoursCall, known: RoundHeld | None) -> tuple[HoursAnswer, RoundHeld]:
    second = [n for n, key in enumerate(mine.keys) if key in call.doubled]
    problem = doubled(mine.seen.problem, second)
    keys = (*mine.keys, *(mine.keys[n] + SECOND for n in second))
    member = Member(problem, limits=EFFORT)
    if known is not None:
        member.restore(_solution(problem.name, known))
    told = member.answer(_call(mine.seen, keys, call))
    assert member.plan is not None
    kept = RoundHeld(
        number=call.round,
        sum_eur=told.sum_eur,
        placements=tuple((one.activity, one.mode, one.start, one.end) for one in member.plan.placements),
        unserved=member.plan.unserved,
    )
    return _answer(mine.seen, keys, told), kept


def _solution(name: str, known: RoundHeld) -> Solution:
    return Solution(
        problem=name,
        status=Status.FEASIBLE,
        objective=known.sum_eur,
        bound=0.0,
        placements=tuple(Placement(*each) for each in known.placements),
        unserved=known.unserved,
    )


def _call(seen: View, keys: Sequence[str], call: HoursCall) -> Call:
    """Read hours as minutes of this node's own problem; machines it has no quote on do not concern it."""
    at = {key: number for number, key in enumerate(keys)}
    taken: dict[int, tuple[tuple[int, int], ...]] = {}
    prices: dict[int, float] = {}
    for one in call.hours:
        if one.machine not in at:
            continue
        stretches = [(_floor(seen, start), _ceil(seen, end)) for start, end in one.taken]
        last = seen.problem.horizon
        taken[at[one.machine]] = tuple(
            (max(0, start), min(last, end)) for start, end in stretches if end > max(0, start) and start < last
        )
        if one.eur_per_h > 0:
            prices[at[one.machine]] = one.eur_per_h / 60
    return Call(taken=taken, prices=prices)


def _floor(seen: View, moment: datetime) -> int:
    return math.floor((moment - seen.origin).total_seconds() / 60)


def _ceil(seen: View, moment: datetime) -> int:
    return math.ceil((moment - seen.origin).total_seconds() / 60)


def _answer(seen: View, keys: Sequence[str], told: Answer) -> HoursAnswer:
    rows = []
    for number in sorted({*told.taken, *told.prices}):
        stretches = tuple(
            (seen.origin + timedelta(minutes=start), seen.origin + timedelta(minutes=end))
            for start, end in told.taken.get(number, ())
        )
        rows.append(Hours(machine=keys[number], taken=stretches, eur_per_h=60 * told.prices.get(number, 0.0)))
    return HoursAnswer(hours=tuple(rows), sum_eur=told.sum_eur)


def refuse_unsound(call: HoursCall) -> None:
    """Refuse a call that cannot be computed with; it comes from another organisation."""
    stretches = [each for one in call.hours for each in one.taken]
    if len(stretches) > STRETCHES_MAX or len(call.hours) > STRETCHES_MAX:
        raise LimitReached(f"{len(stretches)} stretches were sent.", remedy=f"Send at most {STRETCHES_MAX}.")
    if any(start.tzinfo is None or end.tzinfo is None or end <= start for start, end in stretches):
        raise BadInput("A stretch of hours has no zone, or ends before it begins.", remedy="Send times in UTC.")
    if any(not 0 <= one.eur_per_h <= 1e9 for one in call.hours) or not 0 <= call.round <= 1000:
        raise BadInput("A price of an hour, or a round, is out of range.", remedy="Send EUR per hour from 0.")
