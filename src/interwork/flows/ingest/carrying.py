"""Carrying batches down the machine line: live first, held to the blueprint, then kept, or spooled while it cannot be.

A disk that is full, or a historian that opens anew, stops no machine: what cannot be kept goes to the spool, and what
even that has no room for is counted and told.
"""

import anyio
import numpy as np
import numpy.typing as npt
import structlog

from interwork.core.blueprint import Step, TrafficClass
from interwork.core.clock import to_us
from interwork.core.errors import InterworkError, LimitReached, Unusable
from interwork.core.event import Tag
from interwork.core.resource import Batch, Meaning, Signal
from interwork.flows.links import Link
from interwork.flows.node import Node
from interwork.store import Change
from interwork.stream import Shaper, columns_of
from interwork.stream.blueprint import At, Classes, Hold, Loss, Passed, bounded
from interwork.stream.blueprint.budget import LINK_BYTES, OTHER_LINK_BYTES
from interwork.stream.columns import Ints
from interwork.stream.columns import take as rows_of
from interwork.stream.origin import Origin

log = structlog.get_logger()
BACKLOG_US = 10_000_000
"""What a device with a memory says of longer ago than this, it kept while nobody read it."""
RETRY_S = (1.0, 30.0)
"""First and longest wait before a historian that is away is tried again."""


async def take(node: Node, shaper: Shaper, batch: Batch) -> None:
    """Carry one batch down the machine line: live first, then shaped and kept (durable when this returns)."""
    batch = bounded(batch, to_us(node.clock()))
    kept = shaper.shape(batch)
    node.live.update(batch)
    if len(kept):
        await node.historian.append(kept)


async def carry(node: Node, link: Link, batch: Batch) -> None:
    """Carry one batch of a connection: live at once, then as its blueprint allows."""
    hold = link.hold
    assert hold is not None
    now_us = to_us(node.clock())
    batch = bounded(batch, now_us)
    size = 0.0 if link.is_wire_counted else len(batch) * LINK_BYTES.get(hold.blueprint.protocol, OTHER_LINK_BYTES)
    if batch.is_historical:  # old news: for the history alone, whole
        hold.meters[At.DEVICE].add(now_us, hold.classes.of(columns_of(batch).signal), size)
        await keep(node, hold, batch)
        return
    again = node.live.stands_again(batch, now_us) if link.kept is None else batch
    node.live.update(batch)
    if link.kept is not None:
        batch = await _catch_up(node, hold, batch)
    else:
        await keep(node, hold, again)
    if len(batch):
        await _put(node, hold, hold.carry(batch, now_us, link_bytes=size))


async def _catch_up(node: Node, hold: Hold, batch: Batch) -> Batch:
    """Keep what a device with a memory held back, none of it thinned out; return what is of now.

    It is read more slowly instead: its memory holds the rest, and live data of others is not queued behind it.
    """
    now_us = to_us(node.clock())
    batch, backlog = _parted(batch, now_us - BACKLOG_US)
    if len(backlog):
        await _put(node, hold, hold.catch_up(backlog, now_us))
        await anyio.sleep(len(backlog) / node.settings.limits.drain_per_s)
    return batch


async def _put(node: Node, hold: Hold, passed: Passed) -> None:
    await keep(node, hold, passed.now)
    await store(node, hold, passed.later)


async def idle(node: Node, hold: Hold) -> None:
    """Keep what waited and is due while a device is quiet."""
    await _put(node, hold, hold.idle(to_us(node.clock())))


async def keep(node: Node, hold: Hold | None, batch: Batch) -> None:
    """Make a batch durable in the historian, or in the spool while the historian is away.

    While something waits in the spool, readings of its class that are no newer go behind it: one that corrects another
    must arrive after it.
    """
    uplink = node.links.uplink
    if not uplink.is_away and uplink.spool is not None and not uplink.spool.is_empty:
        newest = np.array([uplink.spool.newest_us(klass) for klass in TrafficClass])
        batch, later = _parted(batch, newest[_classes(hold, batch)])
        await store(node, hold, later)
    if not len(batch):
        return
    if not uplink.is_away:
        began = anyio.current_time()
        try:
            await node.historian.append(batch)
        except (Unusable, LimitReached) as fault:
            if uplink.spool is None:
                uplink.refused += len(batch)
                raise
            uplink.is_away, uplink.since, uplink.said = True, node.clock(), str(fault)
            log.warning("historian.away", fault=str(fault))
        else:
            uplink.append_s = anyio.current_time() - began
            if hold is not None:
                hold.kept(batch, to_us(node.clock()))
            return
    await store(node, hold, batch)


def _classes(hold: Hold | None, batch: Batch) -> npt.NDArray[np.uint8]:
    """Tell the class of each reading."""
    return (hold.classes if hold is not None else Classes()).of(columns_of(batch).signal)


def _parted(batch: Batch, newest_us: Ints | int) -> tuple[Batch, Batch]:
    """Part a batch into what is newer than a time, and the rest."""
    columns = columns_of(batch)
    is_newer = columns.time_us > newest_us
    if is_newer.all():
        return batch, rows_of(columns, (~is_newer).nonzero()[0])
    return rows_of(columns, is_newer.nonzero()[0]), rows_of(columns, (~is_newer).nonzero()[0])


async def store(node: Node, hold: Hold | None, batch: Batch) -> None:
    """Put a batch into the spool, each class by itself; what finds no room is counted and told."""
    uplink = node.links.uplink
    if not len(batch):
        return
    if uplink.spool is None:
        await node.historian.append(batch)
        return
    columns = columns_of(batch)
    classes = _classes(hold, batch)
    compress = hold is not None and hold.step >= Step.COMPRESSION
    for klass in TrafficClass:
        rows = (classes == int(klass)).nonzero()[0]
        if not len(rows):
            continue
        try:
            await uplink.spool.append(rows_of(columns, rows), klass, compress=compress)
        except Unusable as fault:
            uplink.refused += len(rows)
            log.warning("readings.lost", readings=len(rows), why=str(fault))
            if hold is not None:
                times = columns.time_us[rows]
                loss = Loss(from_us=int(times.min()), to_us=int(times.max()), count=len(rows))
                hold.give_up(klass, loss, str(fault))


async def forward(node: Node) -> None:
    """Send on what waits in the spool, for ever: in order, at a capped rate, live data first."""
    uplink = node.links.uplink
    spool = uplink.spool
    assert spool is not None
    wait, is_told = RETRY_S[0], False

    async def sink(origin: Origin, batch: Batch) -> None:
        await node.historian.append(batch, origin)
        uplink.is_away, uplink.said = False, ""
        _count_sent(node, batch)

    while True:
        if spool.is_empty:
            await spool.wait()
        if not is_told:
            is_told = await _say(node, Tag.SPOOL_FILLED, readings=spool.fill().readings, why=uplink.said)
        if _is_held_back(node):
            await anyio.sleep(1.0)
            continue
        try:
            sent = await spool.drain(sink, rate=node.settings.limits.drain_per_s)
        except (Unusable, LimitReached) as fault:
            uplink.is_away, uplink.said = True, str(fault)
            await anyio.sleep(wait)
            wait = min(2 * wait, RETRY_S[1])
            continue
        wait, is_told = RETRY_S[0], False
        await _say(node, Tag.SPOOL_EMPTIED, readings=sent)


def _count_sent(node: Node, batch: Batch) -> None:
    """Count a record at the uplink of the device it is of; a record never holds readings of two."""
    now_us = to_us(node.clock())
    for link in node.links.by_resource.values():
        if link.hold is not None and batch.signal[0] in link.hold.numbers:
            link.hold.kept(batch, now_us, point=At.UPLINK)
            link.hold.kept(batch, now_us)


def _is_held_back(node: Node) -> bool:
    """Tell whether a device is at "store only" and the spool has room for it."""
    spool = node.links.uplink.spool
    if node.links.uplink.is_away or spool is None:
        return False
    fill = spool.fill()
    holds = [link.hold for link in node.links.by_resource.values() if link.hold is not None]
    return fill.bytes < fill.limit_bytes / 2 and any(hold.step >= Step.STORE_ONLY for hold in holds)


async def _say(node: Node, tag: Tag, **detail: object) -> bool:
    """Put an event into the chain; tell whether it is there, for on a full disk the store may take none either."""
    try:
        await node.store.commit(Change().event(tag, node.did, **detail))
    except InterworkError as fault:
        log.warning("event.untold", tag=tag.value, fault=str(fault))
        return False
    return True


def execution_of(node: Node, signals: list[Signal]) -> str:
    """Tell a machine's execution state from its live signals, UNAVAILABLE where nothing tells it."""
    for signal in signals:
        if signal.meaning is Meaning.EXECUTION:
            reading = node.live.value(signal.number)
            if reading is not None and reading.text:
                return reading.text
    return "UNAVAILABLE"
