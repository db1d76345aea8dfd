"""Takes readings out in open formats, a page at a time, and brings them in again as if they had just arrived.

What is taken out carries its provenance: node, span, moment, and under which agreement others' readings came. What is
brought in is a further arrival: of one signal and time the later arrival is shown, and nothing is stored twice.
"""

from collections.abc import AsyncGenerator, Sequence
from dataclasses import dataclass

import numpy as np

from interwork.core.clock import from_us, rfc3339
from interwork.core.errors import BadInput, LimitReached
from interwork.core.event import Tag
from interwork.core.resource import Batch, Resource, Signal
from interwork.flows.look import may_look
from interwork.flows.node import Node
from interwork.store import Change
from interwork.stream.columns import columns_of, take
from interwork.stream.historian.openly import FORMS, JOINED, Described, Writer, batch_of_read, read

PAGE = 50_000
"""Readings held in memory at a time."""
SIGNALS_MAX = 1_000
JOINED_SIGNALS = 2
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


async def bring_in(node: Node, content: bytes, form: str, *, actor: str = "") -> int:
    """Keep the readings of a file whose signals are known here; return how many it had."""
    table = read(content, form)
    ids = table["signal"].unique().to_pylist()
    if len(ids) > SIGNALS_MAX:
        raise BadInput(f"The file has {len(ids)} signals.", remedy=f"Bring in {SIGNALS_MAX} at a time.")
    found = [await node.store.peek(Signal, one) for one in ids]
    batch = batch_of_read(table, {one.id: one.number for one in found if one is not None})
    await node.historian.append(batch)
    detail = {"readings": len(batch), "signals": len(ids), "form": form}
    await node.store.commit(Change().event(Tag.READINGS_BROUGHT_IN, node.did, actor=actor, **detail))
    return len(batch)
