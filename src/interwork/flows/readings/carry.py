"""Takes readings out in open formats, a page at a time, and brings them in again as if they had just arrived.

What is taken out carries its provenance: node, span, moment, and under which agreement others' readings came. What is
brought in is a further arrival: of one signal and time the later arrival is shown, and nothing is stored twice.
"""

from collections.abc import AsyncGenerator, Sequence
from dataclasses import dataclass

import msgspec
import numpy as np

from interwork.core.clock import from_us, rfc3339, to_us
from interwork.core.errors import BadInput, LimitReached
from interwork.core.event import Tag
from interwork.core.resource import Batch, Resource, Signal
from interwork.flows.look import may_look
from interwork.flows.node import Node
from interwork.store import Change
from interwork.stream.blueprint.stamps import AHEAD_US
from interwork.stream.columns import FIRST_US, columns_of, take
from interwork.stream.historian.openly import FORMS, JOINED, Described, Writer, batch_of_read, read

PAGE = 50_000
"""Readings held in memory at a time."""
SIGNALS_MAX = 1_000
JOINED_SIGNALS = 2
LISTED_MAX = 100
"""Refused readings of a file that are told one by one."""
READINGS_MAX = 20_000_000
"""Readings of one answer at the most."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Export:
    """What is asked for: ids of signals, from start to end (exclusive) in µs since 1970, in a form."""

    signals: Sequence[str]
    start_us: int
    end_us: int
    form: str = "parquet"
    is_joined: bool = False
    """True asks for two signals: the first one's readings, each with what the second one said then."""


async def take_out(node: Node, asked: Export) -> AsyncGenerator[bytes, None]:
    """Check what is asked for, then give the export in pieces; nothing is held but one page."""
    signals = await _allowed(node, asked)
    described = {one.number: Described(one.id, one.name, one.resource, one.unit) for one in signals}
    provenance = {
        "node": node.did,
        "organisation": node.settings.name,
        "exported_at": rfc3339(node.clock()),
        "start": rfc3339(from_us(asked.start_us)),
        "end": rfc3339(from_us(asked.end_us)),
        "quality": "OPC UA status codes (Part 4, 7.39)",
        "is_sample": str(node.settings.is_sample).lower(),
    }
    if asked.is_joined:
        return _joined(node, asked, signals, Writer(asked.form, described, provenance, JOINED))
    return _pieces(node, asked, described, Writer(asked.form, described, provenance))


async def _allowed(node: Node, asked: Export) -> list[Signal]:
    if asked.form not in FORMS:
        raise BadInput(f"{asked.form[:20]!r} is no form of readings.", remedy=f"Use one of {', '.join(FORMS)}.")
    if not 1 <= len(asked.signals) <= SIGNALS_MAX:
        raise BadInput(f"{len(asked.signals)} signals are asked for.", remedy=f"Give 1 to {SIGNALS_MAX} ids.")
    if asked.is_joined and len(set(asked.signals)) != JOINED_SIGNALS:
        raise BadInput(f"{len(set(asked.signals))} signals are to be joined.", remedy="Give two: signals=ID,ID")
    if asked.start_us > asked.end_us:
        raise BadInput("The range ends before it starts.", remedy="Swap start and end.")
    signals = [await node.store.get(Signal, one) for one in dict.fromkeys(asked.signals)]
    for resource in dict.fromkeys(one.resource for one in signals):
        await may_look(node, await node.store.get(Resource, resource))
    return signals


async def _pieces(
    node: Node, asked: Export, described: dict[int, Described], writer: Writer
) -> AsyncGenerator[bytes, None]:
    start, count = asked.start_us, 0
    while start < asked.end_us:
        page = await node.historian.readings(list(described), start, asked.end_us, limit=PAGE)
        is_last = len(page) < PAGE
        if not is_last:
            page, start = _whole_times(page)
        count += len(page)
        if count > READINGS_MAX:
            raise LimitReached(f"More than {READINGS_MAX} readings are asked for.", remedy="Ask for a shorter range.")
        if len(page):
            yield writer.write(page)
        if is_last:
            break
    yield writer.end()


async def _joined(node: Node, asked: Export, signals: list[Signal], writer: Writer) -> AsyncGenerator[bytes, None]:
    start, count, (own, other) = asked.start_us, 0, signals
    while start < asked.end_us:
        left, right = await node.historian.asof(own.number, other.number, start, asked.end_us, limit=PAGE)
        count += len(left)
        if count > READINGS_MAX:
            raise LimitReached(f"More than {READINGS_MAX} readings are asked for.", remedy="Ask for a shorter range.")
        if len(left):
            yield writer.write_joined(left, right)
            start = left.time_us[-1] + 1
        if len(left) < PAGE:
            break
    yield writer.end()


def _whole_times(page: Batch) -> tuple[Batch, int]:
    """Leave out the last time of a page, of which there may be more, and tell it: the next page starts there."""
    columns = columns_of(page)
    last = int(columns.time_us[-1])
    if int(columns.time_us[0]) == last:  # no more signals than a page holds: it is the whole of that moment
        return page, last + 1
    return take(columns, np.flatnonzero(columns.time_us < last)), last


class Keep(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """How long the readings of some signals are kept, otherwise than the node's; nothing said takes a rule back."""

    signals: tuple[str, ...]
    """Ids."""
    days: float | None = None
    quota_mb: float | None = None
    """Of all of them together; their oldest hours go first."""
    hold: bool | None = None
    """A legal hold: nothing of them is dropped until it is lifted with False. None leaves it as it is."""


async def retain(node: Node, asked: Keep, *, actor: str = "") -> int:
    """Keep some signals otherwise than the rest, and record who said so; return how many signals that are."""
    if not 1 <= len(asked.signals) <= SIGNALS_MAX:
        raise BadInput(f"{len(asked.signals)} signals are named.", remedy=f"Name 1 to {SIGNALS_MAX} by their ids.")
    numbers = [(await node.store.get(Signal, one)).number for one in dict.fromkeys(asked.signals)]
    quota = None if asked.quota_mb is None else asked.quota_mb * 1e6
    await node.historian.retain(numbers, keep_days=asked.days, quota_bytes=quota, hold=asked.hold)
    detail = {"signals": list(asked.signals[:100]), "count": len(numbers), "days": asked.days}
    told = Change(actor).event(Tag.READINGS_RETAINED, node.did, **detail, quota_mb=asked.quota_mb, hold=asked.hold)
    await node.store.commit(told)
    return len(numbers)


class Brought(msgspec.Struct, frozen=True, kw_only=True):
    """What came of a file: readings kept, and those that were refused, the first of them by signal and time."""

    readings: int
    refused: int
    listed: tuple[str, ...] = ()


async def bring_in(node: Node, content: bytes, form: str, *, actor: str = "") -> Brought:
    """Keep the readings of a file whose signals are known here; stamps no clock showed yet are refused and told.

    A live reading from the future gets the moment it came; one in a file came at no moment that says anything.
    """
    table = read(content, form)
    ids = table["signal"].unique().to_pylist()
    if len(ids) > SIGNALS_MAX:
        raise BadInput(f"The file has {len(ids)} signals.", remedy=f"Bring in {SIGNALS_MAX} at a time.")
    found = [await node.store.peek(Signal, one) for one in ids]
    batch = batch_of_read(table, {one.id: one.number for one in found if one is not None})
    batch, refused = _parted(batch, to_us(node.clock()) + AHEAD_US)
    await node.historian.append(batch)
    detail = {"readings": len(batch), "refused": len(refused), "signals": len(ids), "form": form}
    await node.store.commit(Change().event(Tag.READINGS_BROUGHT_IN, node.did, actor=actor, **detail))
    names = {one.number: one.id for one in found if one is not None}
    rows = zip(refused.signal[:LISTED_MAX], refused.time_us[:LISTED_MAX], strict=True)
    listed = (
        f"{names[number]} at {told(time_us)} is {'before the year 1' if time_us < FIRST_US else 'in the future'}"
        for number, time_us in rows
    )
    return Brought(readings=len(batch), refused=len(refused), listed=tuple(listed))


def _parted(batch: Batch, latest_us: int) -> tuple[Batch, Batch]:
    """Part a batch into what is of a year from 1 on and not later than a time, and the rest."""
    columns = columns_of(batch)
    is_odd = (columns.time_us > latest_us) | (columns.time_us < FIRST_US)
    if not is_odd.any():
        return batch, take(columns, np.empty(0, np.int64))
    return take(columns, np.flatnonzero(~is_odd)), take(columns, np.flatnonzero(is_odd))


def told(time_us: int) -> str:
    """Write a time that may be beyond what a calendar holds."""
    try:
        return rfc3339(from_us(time_us))
    except (OverflowError, ValueError):
        return f"{time_us} µs after 1970"
