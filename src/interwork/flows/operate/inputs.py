"""What a figure is computed from: one machine's readings, shifts and runs over a period, read in bounded parts."""

from array import array
from collections.abc import Iterable, Sequence
from dataclasses import dataclass

from interwork.core.clock import from_us, to_us
from interwork.core.errors import BadInput, LimitReached
from interwork.core.ids import derived_id
from interwork.core.making import Run, RunState
from interwork.core.operating import ShiftCalendar, WorkUnit
from interwork.core.resource import Batch, Meaning, Resource, ResourceKind, Signal
from interwork.core.units import convert
from interwork.flows import look
from interwork.flows.node import Node
from interwork.stream import UNKNOWN
from interwork.stream.insight import Interval, intervals
from interwork.stream.insight.facts import Span, split

AROUND_US = 900_000_000
"""How far before and after a period a value is looked for that tells what it was at its ends."""
PART = 500_000
PARTS_MAX = 10
"""A question reads so many readings at the most: PARTS_MAX times PART."""
RUNS_MAX = 1000
MACHINES_MAX = 500
MACHINES = (ResourceKind.MACHINE, ResourceKind.INSTRUMENT)


@dataclass(frozen=True, slots=True, kw_only=True)
class Inputs:
    """One machine over one period."""

    resource: Resource
    unit: WorkUnit
    calendar: ShiftCalendar | None
    span: Span
    signals: tuple[Signal, ...]
    states: tuple[Interval, ...]
    columns: dict[int, Batch]
    """By signal number, from a little before the period to a little after it."""
    runs: tuple[Run, ...]
    """Those that were worked on in the period."""

    def signal(self, meaning: Meaning) -> Signal | None:
        """Find the machine's signal of a meaning; of several the first by name."""
        found = sorted((one for one in self.signals if one.meaning is meaning), key=lambda one: one.name)
        return found[0] if found else None

    def batch(self, meaning: Meaning) -> Batch | None:
        """Tell what the signal of a meaning said; None where there is no such signal, or it said nothing."""
        signal = self.signal(meaning)
        return self.columns.get(signal.number) if signal else None

    def factor(self, meaning: Meaning, unit: str) -> float:
        """Tell what turns the signal's unit into another; 1 where the signal names none."""
        signal = self.signal(meaning)
        return convert(1.0, signal.unit, unit) if signal and signal.unit else 1.0


def span_of(start_us: int, end_us: int, now_us: int) -> Span:
    """Check a period: it has a length and does not reach into the future."""
    if end_us <= start_us:
        raise BadInput("The period ends before it begins.", remedy="Give a start before its end.")
    return start_us, max(start_us + 1, min(end_us, now_us))


async def read_all(node: Node, numbers: Sequence[int], span: Span) -> Batch:
    """Read signals over a span, part by part; LimitReached where there is more than one question may bring."""
    start, end = span
    whole = Batch(signal=array("i"), time_us=array("q"), value=array("d"), quality=array("I"), text=[])
    for _ in range(PARTS_MAX):
        part = await node.historian.readings(numbers, start, end, limit=PART)
        texts = part.text or [None] * len(part)
        if len(part) < PART:
            _extend(whole, part, texts, len(part))
            return whole
        last = part.time_us[-1]  # the readings of this moment may go on in the next part
        keep = next(row for row in range(len(part), 0, -1) if part.time_us[row - 1] < last)
        _extend(whole, part, texts, keep)
        start = last
    raise LimitReached(
        f"{len(numbers)} signals have more than {PARTS_MAX * PART} readings between {from_us(span[0]):%d %b %H:%M} and "
        f"{from_us(span[1]):%d %b %H:%M} UTC.",
        remedy="Ask for a shorter period.",
    )


def _extend(whole: Batch, part: Batch, texts: Sequence[str | None], rows: int) -> None:
    for name in ("signal", "time_us", "value", "quality"):
        getattr(whole, name).extend(getattr(part, name)[:rows])
    whole.text.extend(texts[:rows])


async def unit_of(node: Node, resource_id: str) -> WorkUnit:
    """Find what was said of a machine as a work unit."""
    identifier = derived_id("workunit", resource_id)
    return await node.store.peek(WorkUnit, identifier) or WorkUnit(id=identifier, resource=resource_id)


async def calendar_of(node: Node, unit: WorkUnit) -> ShiftCalendar | None:
    """Find the shift calendar a machine works by; None = all time is planned."""
    return await node.store.peek(ShiftCalendar, unit.calendar) if unit.calendar else None


async def machines(node: Node) -> list[Resource]:
    """List this node's own machines and instruments, by name; not those seen under an agreement."""
    found = await node.store.find(Resource, kind=MACHINES, limit=MACHINES_MAX)
    return sorted((one for one in found if not one.options.get("agreement")), key=lambda one: one.name.lower())


async def gather(
    node: Node, resource: Resource, span: Span, meanings: Iterable[Meaning], extra: Sequence[Signal] = ()
) -> Inputs:
    """Read one machine's states, and its signals of some meanings, over a period."""
    await look.may_look(node, resource)
    signals = await node.store.find(Signal, resource=resource.id, limit=5000)
    wanted = {*meanings, Meaning.EXECUTION}
    around = (span[0] - AROUND_US, span[1] + AROUND_US)
    numbers = {one.number for one in signals if one.meaning in wanted} | {one.number for one in extra}
    whole = await read_all(node, sorted(numbers), around) if numbers else None
    columns = split(whole) if whole is not None else {}
    execution = next((one.number for one in signals if one.meaning is Meaning.EXECUTION), None)
    runs = await node.store.find(Run, resource=resource.id, limit=RUNS_MAX, newest=True)
    unit = await unit_of(node, resource.id)
    return Inputs(
        resource=resource,
        unit=unit,
        calendar=await calendar_of(node, unit),
        span=span,
        signals=tuple(signals),
        states=tuple(await _states(node, execution, columns, span)),
        columns=columns,
        runs=tuple(one for one in runs if _was_worked(one, span)),
    )


async def _states(node: Node, execution: int | None, columns: dict[int, Batch], span: Span) -> list[Interval]:
    if execution is None:
        return [Interval(*span, UNKNOWN)]
    batch = columns.get(execution)
    before = UNKNOWN
    first = min((at for at in batch.time_us), default=span[1]) if batch is not None else span[1]
    if first > span[0]:  # nothing shortly before: the historian knows what still holds from long ago
        carried = await node.historian.durations(execution, span[0], min(first, span[1]))
        before = max(carried, key=lambda state: carried[state], default=UNKNOWN)
    if batch is None:
        return [Interval(*span, before)]
    return intervals(batch, span, before=before)


def _was_worked(run: Run, span: Span) -> bool:
    if run.started_at is None or run.state is RunState.PLANNED:
        return False
    ended = to_us(run.ended_at) if run.ended_at else span[1]
    return to_us(run.started_at) < span[1] and ended > span[0]
