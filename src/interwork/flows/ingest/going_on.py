"""Going on over a restart and over a lost link: each device's place and shaping are kept with what they are about.

A device that keeps what nobody read (`Resuming`) is read on from its place, shaped as if nothing had stopped; where
nothing is missing, the marks of the time it was away are taken back, and where something is, the hole is counted. Of
a device that keeps nothing, what shaping still owed is kept at the next start, and its next readings are kept whole.
"""

import hashlib

import anyio
import numpy as np
import structlog
from anyio.to_thread import run_sync

from interwork.connectors import Connector, Point, Resuming
from interwork.core.blueprint import TrafficClass
from interwork.core.clock import to_us
from interwork.core.errors import BadInput, Damaged, InterworkError, PeerError
from interwork.core.ids import derived_id
from interwork.core.resource import Batch, BatchBuilder, Blueprint, Resource, Signal
from interwork.flows.ingest.carrying import keep
from interwork.flows.links import Link
from interwork.flows.node import Node
from interwork.stream import columns_of, decode_batch, encode_batch
from interwork.stream.blueprint import Hold, Loss
from interwork.stream.columns import take
from interwork.stream.marks import Marks
from interwork.stream.spool.checkpoint import Checkpoint, Checkpoints

log = structlog.get_logger()
FOLDER = "places"
EVERY_S = 5.0
"""How often a device's checkpoint is written at the most."""
SHARE = 100.0
"""A checkpoint is written no sooner than this many times as long after as it took: a hundredth of the time."""
NOTHING = BatchBuilder().take()
MIRROR_S = 1.0
RECENT_US = 600_000_000
READINGS_MAX = 50_000
ASKED_MAX = 10_000
"""Signals the historian is asked for at a time."""


def about(endpoint: str, points: list[Point]) -> str:
    """Name what a checkpoint is about: a device and what is read of it."""
    told = repr([endpoint, *((one.number, one.address, one.is_text) for one in points)])
    return hashlib.sha256(told.encode()).hexdigest()


def points_of(signals: list[Signal]) -> list[Point]:
    """Say what is read of a device."""
    return [Point(number=one.number, address=one.address, is_text=one.is_text) for one in signals if one.is_read]


async def restore(node: Node) -> None:
    """Show what was last known before this start, marked as lost from then until its device is heard again."""
    resources = [one for one in await node.store.find(Resource, limit=10_000) if one.endpoint]
    signals: dict[str, list[Signal]] = {one.id: [] for one in resources}
    for signal in await node.store.find(Signal, limit=100_000):
        if signal.resource in signals:
            signals[signal.resource].append(signal)
    for resource in resources:
        await _restore_one(node, resource, signals[resource.id])
    numbers = [one.number for listed in signals.values() for one in listed]
    newest = await _show_latest(node, numbers)
    if newest:
        await _mark(node, signals, newest)


async def mirror(node: Node) -> None:
    """Show on a node that only answers what others have written of every signal, for ever."""
    mark = 0
    while True:
        try:
            numbers = [one.number for one in await node.store.find(Signal, limit=100_000)]
            if not mark:
                await _show_latest(node, numbers)
            mark = await _show_new(node, numbers, mark)
        except InterworkError as fault:  # the lake is away: asked again
            log.warning("live.unmirrored", fault=str(fault))
        await anyio.sleep(MIRROR_S)


async def _show_latest(node: Node, numbers: list[int]) -> int:
    """Show each signal's last reading; tell the newest time among them, 0 where there are none."""
    newest = 0
    for first in range(0, len(numbers), ASKED_MAX):
        last = await node.historian.latest(numbers[first : first + ASKED_MAX])
        node.live.update(last)
        newest = max(newest, max(last.time_us, default=0))
    return newest


async def _show_new(node: Node, numbers: list[int], mark: int) -> int:
    """Show what arrived after a mark and is at most a while old; tell the mark to go on from."""
    since, reached = to_us(node.clock()) - RECENT_US, [mark] if not numbers else []
    for first in range(0, len(numbers), ASKED_MAX):
        part, place = numbers[first : first + ASKED_MAX], mark
        while True:
            found, place = await node.historian.after(place, part, since, None, limit=READINGS_MAX)
            node.live.update(found)
            if len(found) < READINGS_MAX:
                break
        reached.append(place)
    return min(reached)


async def _restore_one(node: Node, resource: Resource, signals: list[Signal]) -> None:
    """Keep what shaping owed of a device that keeps nothing, and remember the marks of one that does."""
    found = await _read(node, resource.id, about(resource.endpoint, points_of(signals)))
    if found is None:
        return
    try:
        if found.place:
            node.links.marked[resource.id] = Marks(decode_batch(found.marks) if found.marks else NOTHING)
            return
        hold = Hold(await node.store.get(Blueprint, derived_id("blueprint", resource.id)), signals)
        hold.restore(found.shaping)
    except (Damaged, PeerError) as fault:
        log.warning("checkpoint.unread", resource=resource.name, fault=str(fault))
        return
    owed = columns_of(hold.drain(to_us(node.clock())))
    if len(owed.signal):
        last = await node.historian.latest(sorted(set(owed.signal.tolist())))
        known = dict(zip(last.signal, last.time_us, strict=True))
        is_new = [time > known.get(number, time - 1) for number, time in zip(owed.signal, owed.time_us, strict=True)]
        await keep(node, hold, take(owed, np.flatnonzero(is_new)))


async def _mark(node: Node, signals: dict[str, list[Signal]], newest: int) -> None:
    """Mark every signal from the last moment anything was known; what may be taken back is remembered."""
    for resource, listed in signals.items():
        numbers = [one.number for one in listed]
        before = node.live.values(numbers)
        marks = node.live.mark_lost(numbers, newest)
        if resource in node.links.marked and len(marks):
            said = node.links.marked[resource].said
            node.links.marked[resource] = Marks.of(marks, before).beside(said)
        await keep(node, None, marks)


async def _read(node: Node, name: str, about_it: str) -> Checkpoint | None:
    try:
        return await run_sync(Checkpoints(node.folder / FOLDER).read, name, about_it)
    except Damaged as fault:
        log.warning("checkpoint.unread", resource=name, fault=str(fault))
        return None


async def take_up(node: Node, link: Link, connector: Connector) -> None:
    """Go on from a device's checkpoint, where it has one; the connector is not entered yet."""
    assert link.hold is not None
    link.marked = node.links.marked.pop(link.resource, None)
    found = await _read(node, link.resource, link.about)
    reader = resuming(connector)
    if found is None or not found.place or reader is None:
        return
    try:
        reader.go_on(found.place)
        link.hold.restore(found.shaping)
        link.checkpoint_us = found.at_us
    except (BadInput, Damaged) as fault:
        log.warning("checkpoint.unread", resource=link.name, fault=str(fault))
        link.marked = None


def resuming(connector: object) -> Resuming | None:
    """See a connector as one that goes on where it stopped; None where it does not."""
    return connector if isinstance(connector, Resuming) and connector.resumes else None


async def note(node: Node, link: Link, connector: Connector | None, *, is_due: bool = False) -> None:
    """Write a device's checkpoint where it is due: everything up to its place is durable before."""
    began = anyio.current_time()
    if link.hold is None or not (is_due or began >= link.checkpoint_due):
        return
    reader = resuming(connector)
    place = "" if reader is None else reader.place()
    if reader is not None and not place:
        return  # it has not read anything whole yet
    link.checkpoint_due = began + EVERY_S
    files = Checkpoints(node.folder / FOLDER)
    try:
        if not place and not link.hold.is_owing:
            if link.checkpoint_us:
                await run_sync(files.forget, link.resource)
                link.checkpoint_us = 0
            return
        link.checkpoint_us = to_us(node.clock())
        made = Checkpoint(
            about=link.about,
            at_us=link.checkpoint_us,
            place=place,
            shaping=link.hold.state(),
            marks=b"" if link.marked is None else encode_batch(link.marked.said),
        )
        if node.links.uplink.spool is not None:
            await node.links.uplink.spool.sync()
        await run_sync(files.write, link.resource, made)
    except InterworkError as fault:
        log.warning("checkpoint.unwritten", resource=link.name, fault=str(fault))
    link.checkpoint_due = max(link.checkpoint_due, began + SHARE * (anyio.current_time() - began))


def hand_over(link: Link, connector: Connector) -> None:
    """Let a connector made anew go on where the one before it stood."""
    link.holes = (0, 0)
    try:
        reader = resuming(connector)
        if link.place and reader is not None:
            reader.go_on(link.place)
            return
    except BadInput as fault:
        log.warning("checkpoint.unread", resource=link.name, fault=str(fault))
    link.marked = None


def mark_lost(node: Node, link: Link) -> Batch:
    """Mark a device's signals as lost from now on; tell what the history is to say of it."""
    assert link.hold is not None
    numbers = sorted(link.hold.numbers)
    before = node.live.values(numbers)
    marks = node.live.mark_lost(numbers, to_us(node.clock()))
    if link.kept is None:
        link.hold.forget()
    elif len(marks):
        link.marked, link.is_followed = Marks.of(marks, before), False
    return marks


async def follow(node: Node, link: Link, connector: Connector, batch: Batch) -> None:
    """Count holes of a device that is read on, and take marks back where it has none."""
    assert link.hold is not None
    counters = getattr(connector, "counters", {})
    holes = counters.get("gaps", 0), counters.get("gap_observations", 0)
    if holes != link.holes:
        count, link.marked = holes[1] - link.holes[1], None
        now_us = to_us(node.clock())
        loss = Loss(from_us=min(link.checkpoint_us or now_us, now_us), to_us=now_us, count=max(0, count))
        link.hold.give_up(TrafficClass.C2, loss, "the machine no longer held what was not read (0: it cannot say)")
        link.holes = holes
    if link.marked is None:
        return
    if not link.is_followed:
        link.is_followed = True
        await _say(node, link, link.marked.said)
    await _say(node, link, link.marked.follow(batch))


async def _say(node: Node, link: Link, batch: Batch) -> None:
    if len(batch):
        node.live.update(batch)
        await keep(node, link.hold, batch)
