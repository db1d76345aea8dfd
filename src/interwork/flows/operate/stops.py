"""Stops of a machine: found in its states, and why it stood as the operator typed it."""

from dataclasses import dataclass

from interwork.core.clock import from_us, to_us
from interwork.core.errors import BadInput, NotFound
from interwork.core.event import Tag
from interwork.core.ids import derived_id
from interwork.core.operating import REASONS, Stop
from interwork.core.resource import Resource
from interwork.flows.node import Node
from interwork.flows.operate.inputs import Inputs, gather, span_of
from interwork.store import Change
from interwork.stream.insight import Interval, planned_spans
from interwork.stream.insight.facts import ACTIVE, Span, seconds_of, unknown_s, within

SHORT_S = 60.0
"""Stops shorter than this, in the machine's own time, are counted together and not asked about."""
NOTE_MAX = 1000


@dataclass(frozen=True, slots=True, kw_only=True)
class Stood:
    """One stop with what somebody said of it."""

    resource: str
    name: str
    start_us: int
    end_us: int
    states: dict[str, float]
    """Seconds per state while it stood."""
    is_open: bool
    """It has not ended yet."""
    said: Stop | None

    @property
    def seconds(self) -> float:
        """Tell how long it is, in real seconds."""
        return (self.end_us - self.start_us) / 1e6


@dataclass(frozen=True, slots=True, kw_only=True)
class Stops:
    """The stops of one machine over a period."""

    longer: tuple[Stood, ...]
    """Newest first."""
    short: int
    short_s: float
    """How many were shorter than what is asked about, and how long they were together."""


async def stops(node: Node, resource: Resource, start_us: int, end_us: int) -> Stops:
    """List when a machine stood in planned time, with the reasons given."""
    inputs = await gather(node, resource, span_of(start_us, end_us, to_us(node.clock())), ())
    said = await node.store.find(Stop, resource=resource.id, limit=2000, newest=True)
    found = _stood(inputs)
    least_s = SHORT_S / resource.time_scale
    short = [one for one in found if sum(part.seconds for part in one) < least_s]
    longer = [_told(inputs, one, said) for one in found if sum(part.seconds for part in one) >= least_s]
    return Stops(
        longer=tuple(sorted(longer, key=lambda one: -one.start_us)),
        short=len(short),
        short_s=sum(part.seconds for one in short for part in one),
    )


def _stood(inputs: Inputs) -> list[list[Interval]]:
    """Join neighbouring states in which nothing was made; time of unknown state is no stop."""
    found: list[list[Interval]] = []
    for one in within(inputs.states, planned_spans(inputs.calendar, inputs.span)):
        if one.state == ACTIVE or unknown_s({one.state: 1.0}):
            continue
        if found and found[-1][-1].end_us == one.start_us:
            found[-1].append(one)
        else:
            found.append([one])
    return found


def _told(inputs: Inputs, parts: list[Interval], said: list[Stop]) -> Stood:
    start_us, end_us = parts[0].start_us, parts[-1].end_us
    best = max(said, key=lambda one: _overlap(one, (start_us, end_us)), default=None)
    return Stood(
        resource=inputs.resource.id,
        name=inputs.resource.name,
        start_us=start_us,
        end_us=end_us,
        states=seconds_of(parts),
        is_open=end_us >= inputs.span[1],
        said=best if best is not None and _overlap(best, (start_us, end_us)) > 0 else None,
    )


def _overlap(stop: Stop, span: Span) -> int:
    return min(to_us(stop.end), span[1]) - max(to_us(stop.start), span[0])


async def explain(
    node: Node,
    resource_id: str,
    at: tuple[int, int],
    reason: str,
    note: str = "",
    *,
    actor: str = "node",
    name: str = "",
) -> Stop:
    """Record why a machine stood from a start to an end (µs since 1970); saying it again replaces what was said."""
    if reason not in REASONS:
        raise BadInput(f"{reason[:40]!r} is no reason of a stop.", remedy=f"Use one of {', '.join(REASONS)}.")
    if len(note) > NOTE_MAX:
        raise BadInput(f"The note has {len(note)} characters; it may have {NOTE_MAX}.")
    resource = await node.store.get(Resource, resource_id)
    found = await stops(node, resource, *at)
    hit = next((one for one in reversed(found.longer) if one.start_us < at[1] and at[0] < one.end_us), None)
    if hit is None:
        raise NotFound(
            f"{resource.name} did not stand between {from_us(at[0]):%d %b %H:%M} and {from_us(at[1]):%H:%M} UTC.",
            remedy="Read the list of its stops again.",
        )
    told = Stop(
        id=hit.said.id if hit.said else derived_id("stop", resource.id, str(hit.start_us)),
        resource=resource.id,
        start=from_us(hit.start_us),
        end=from_us(hit.end_us),
        reason=reason,
        note=note.strip(),
        by=name or actor,
        at=node.clock(),
    )
    change = Change(actor).put(told)
    change.event(Tag.STOP_EXPLAINED, resource.id, reason=reason, note=told.note, start=told.start, end=told.end)
    await node.store.commit(change)
    return told
