"""The machine line's clock: what is due while devices are quiet, the ladder, the watchdog, and the books.

Four times a second each device's budget lets pass what waited; each second the ladder is judged and silence watched;
each minute losses are told and the day's counts are kept.
"""

import shutil
from collections.abc import Callable
from pathlib import Path

import anyio
import structlog
from anyio.to_thread import run_sync

from interwork.core.blueprint import LinkState, Step, Taken
from interwork.core.clock import to_us
from interwork.core.errors import InterworkError
from interwork.core.event import Tag
from interwork.core.ids import derived_id
from interwork.flows.ingest import wire
from interwork.flows.ingest.carrying import idle
from interwork.flows.ingest.figures import watch_energy
from interwork.flows.links import Link
from interwork.flows.node import Node
from interwork.store import Change
from interwork.stream.blueprint import At, floor_of
from interwork.stream.historian.engine import RESERVE_BYTES
from interwork.stream.spool import Gone

log = structlog.get_logger()
TICK_S, JUDGE_S, BOOKS_S = 0.25, 1.0, 60.0
LOOK_S = 30.0
"""How often the disk is looked at."""
ENOUGH = 200_000
"""Readings from which on the bytes they take say something."""
ENERGY_S = 900.0
"""How often the energy nobody accounts for is held against its threshold."""
PLACES = ("readings", "spool")
SLOWED = 2.0
"""How many times more rarely a machine is sampled while the ladder stands at SLOWER or below."""
GIVE_UP = 3.0
"""A device that is silent this many times longer than it may be is connected anew."""


async def tick(node: Node) -> None:
    """Do what is due, for ever; the fault of one device is told and stops no other."""
    judged = booked = counted = anyio.current_time()
    is_alarm = False
    looked = -LOOK_S
    try:
        while True:
            await anyio.sleep(TICK_S)
            now = anyio.current_time()
            for link in list(node.links.by_resource.values()):
                await _quietly(node, link)
            if now - looked >= LOOK_S:
                looked = now
                await _look(node)
            if now - judged >= JUDGE_S:
                judged = now
                await _judge_all(node)
            if now - booked >= BOOKS_S:
                booked = now
                await keep_books(node)
            if now - counted >= ENERGY_S:
                counted = now
                is_alarm = await watch_energy(node, was_alarm=is_alarm)
    finally:
        with anyio.CancelScope(shield=True), anyio.move_on_after(5):
            await keep_books(node)


async def _look(node: Node) -> None:
    """Look at the disk: how full it is, and what a reading takes on it once there are enough to tell."""
    node.links.fill = await run_sync(disk_fill, node.folder)
    try:
        usage = await node.historian.usage()
    except InterworkError:
        return  # it is busy or away; looked at again
    if usage.rows >= ENOUGH:
        for link in node.links.by_resource.values():
            if link.hold is not None:
                link.hold.disk_bytes_per_reading = usage.bytes / usage.rows


async def _quietly(node: Node, link: Link) -> None:
    if link.hold is None or link.state not in (LinkState.CONNECTED, LinkState.DEGRADED):
        return
    try:
        await idle(node, link.hold)
    except InterworkError as fault:
        log.warning("readings.unkept", resource=link.name, fault=str(fault))


async def _judge_all(node: Node) -> None:
    links = [one for one in node.links.by_resource.values() if one.hold is not None]
    floor = floor_of(node.links.fill)
    await _measure_wire(node, links)
    for link in links:
        _watch(node, link)
        await _judge(node, link, floor)
        _pace(link)


async def _judge(node: Node, link: Link, floor: Step) -> None:
    assert link.hold is not None
    move = link.hold.judge(to_us(node.clock()), lag_s=node.links.uplink.append_s, floor=floor)
    if move is None:
        return
    detail = {
        "before": move.before.name,
        "after": move.after.name,
        "pressure": round(move.pressure, 3),
        "why": move.why,
    }
    if (move.before >= Step.SLOWER) != (move.after >= Step.SLOWER):
        detail["sampling"] = "at the machine" if _slow_of(link) else "thinned out here"
    log.info("blueprint.stepped", resource=link.name, **detail)
    await _commit(node, Change().event(Tag.BLUEPRINT_STEPPED, link.resource, **detail))


def _pace(link: Link) -> None:
    """Have the machine itself be sampled more rarely while the ladder says so; said anew, as it may be connected anew.

    A machine that cannot be slowed is thinned out here alone, by its budget.
    """
    assert link.hold is not None
    slow = _slow_of(link)
    if slow is not None:
        slow(SLOWED if link.hold.step >= Step.SLOWER else 1.0)


def _slow_of(link: Link) -> Callable[[float], None] | None:
    """Find what a connector has of `connectors.Slowing`."""
    return getattr(link.connector, "slow", None)


def _watch(node: Node, link: Link) -> None:
    """Call a device that is silent degraded, and connect it anew where that lasts."""
    assert link.hold is not None
    if link.state not in (LinkState.CONNECTED, LinkState.DEGRADED):
        return
    silence, patience = anyio.current_time() - link.heard, link.hold.blueprint.silence_s * link.patience
    if link.patience > 1 and silence < TICK_S * 4 and anyio.current_time() - link.connected_at > patience:
        link.patience = 1.0
    if silence > patience and link.state is LinkState.CONNECTED:
        link.stand(LinkState.DEGRADED, node.clock(), f"Nothing came for {silence:.0f} s.", "Check the device.")
    if silence > GIVE_UP * patience and link.reading is not None and not link.is_silent:
        link.is_silent = True
        log.info("machine.silent", resource=link.name, seconds=round(silence))
        link.reading.cancel()


async def _measure_wire(node: Node, links: list[Link]) -> None:
    """Count what the kernel says came from each device; devices that share an address share its bytes."""
    targets = {link.resource: wire.target_of(link.endpoint) for link in links}
    totals = await run_sync(wire.received, {target[1] for target in targets.values() if target})
    if not totals:
        return
    names = {target[0] for target in targets.values() if target}
    known = {name: await run_sync(wire.addresses, name) for name in names}
    sharing: dict[tuple[str, int], int] = {}
    for target in targets.values():
        if target:
            sharing[target] = sharing.get(target, 0) + 1
    now_us = to_us(node.clock())
    for link in links:
        target = targets[link.resource]
        if target is None or link.hold is None:
            continue
        total = sum(count for (host, port), count in totals.items() if port == target[1] and host in known[target[0]])
        fresh = total - link.wire_total if total >= link.wire_total else total
        link.wire_total = total
        if fresh:
            link.hold.meters[At.DEVICE].add_bytes(now_us, fresh / sharing[target])


async def keep_books(node: Node) -> None:
    """Tell the losses and keep each device's counts of the day."""
    for link in list(node.links.by_resource.values()):
        await book(node, link)
    spool = node.links.uplink.spool
    if spool is not None:
        try:
            await spool.take_losses(lambda losses: _tell_gone(node, losses))
        except InterworkError as fault:
            log.warning("books.unkept", fault=str(fault))


async def book(node: Node, link: Link) -> None:
    """Tell what one device lost and keep its counts; what the store does not take is told next time."""
    if link.hold is None:
        return
    change = Change()
    told = link.hold.untold()
    for klass, (loss, why) in told.items():
        detail = {"klass": klass.name, "from_us": loss.from_us, "to_us": loss.to_us, "count": loss.count}
        change.event(Tag.READINGS_LOST, link.resource, **detail, why=why)
    noted = link.noted
    try:
        taken = await _taken(node, link)
        if taken is not None:
            change.put(taken)
        if change.steps:
            await node.store.commit(change)
    except InterworkError as fault:
        log.warning("books.unkept", resource=link.name, fault=str(fault))
        link.noted = noted
        for klass, (loss, why) in told.items():
            link.hold.tell_later(klass, loss, why)


async def _tell_gone(node: Node, losses: list[Gone]) -> None:
    change = Change()
    for gone in losses:
        detail = {"klass": gone.klass.name, "from_us": gone.from_us, "to_us": gone.to_us, "count": gone.count}
        change.event(Tag.READINGS_LOST, node.did, **detail, why=gone.why)
    await node.store.commit(change)


async def _taken(node: Node, link: Link) -> Taken | None:
    """Add what was counted since to the day's record."""
    assert link.hold is not None
    day = node.clock().date().isoformat()
    identifier = derived_id("taken", link.resource, day)
    counts = link.hold.counts(to_us(node.clock()))
    total = Taken(
        id=identifier,
        resource=link.resource,
        day=day,
        samples=counts[At.DEVICE].samples,
        link_bytes=counts[At.DEVICE].bytes,
        kept=counts[At.DISK].samples,
        kept_bytes=counts[At.DISK].bytes,
        lost=link.hold.lost,
    )
    before, link.noted = link.noted, total
    held = await node.store.peek(Taken, identifier) or Taken(id=identifier, resource=link.resource, day=day)
    base = before if before is not None and before.samples <= total.samples else Taken(id="", resource="", day="")
    if total.samples == base.samples and total.link_bytes == base.link_bytes and total.kept == base.kept:
        return None
    return Taken(
        id=identifier,
        resource=link.resource,
        day=day,
        samples=held.samples + total.samples - base.samples,
        link_bytes=held.link_bytes + total.link_bytes - base.link_bytes,
        kept=held.kept + total.kept - base.kept,
        kept_bytes=held.kept_bytes + total.kept_bytes - base.kept_bytes,
        lost=held.lost + total.lost - base.lost,
    )


def disk_fill(folder: Path) -> float:
    """Tell the share this node's readings take of what they could take: theirs and what is free but the reserve."""
    try:
        free = max(0, shutil.disk_usage(folder).free - RESERVE_BYTES)
        ours = sum(path.stat().st_size for part in PLACES for path in (folder / part).rglob("*") if path.is_file())
    except OSError:  # a file that was sealed away while it was looked at; the next look is right again
        return 0.0
    return ours / (ours + free) if ours + free else 1.0


async def _commit(node: Node, change: Change) -> None:
    try:
        await node.store.commit(change)
    except InterworkError as fault:
        log.warning("event.untold", fault=str(fault))
