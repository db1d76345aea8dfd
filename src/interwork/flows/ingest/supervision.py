"""Supervision: one task per connection that reads, marks what is lost at once, and tries again without a person.

A link that is down is tried after 0.5 to 60 s with full jitter, from the start again once it held for a minute. What
only a person can mend (a refused credential, an option that is wrong) is tried each minute or more slowly, and told
as an event. A device whose endpoint or options change is connected anew; one that is emptied or switched off stops.
"""

import random
from contextlib import AsyncExitStack, aclosing
from datetime import timedelta

import anyio
import structlog
from anyio.abc import TaskGroup

from interwork.connectors import open_connector
from interwork.core.blueprint import LinkState
from interwork.core.clock import to_us
from interwork.core.errors import BadInput, InterworkError, MachineUnreachable, NotFound, Refused
from interwork.core.event import Tag
from interwork.core.ids import derived_id
from interwork.core.resource import Batch, Blueprint, Resource, Signal
from interwork.flows.ingest import going_on, wire
from interwork.flows.ingest.carrying import carry, forward, keep
from interwork.flows.ingest.probing import SIGNALS_MAX, options_of
from interwork.flows.ingest.ticking import book, tick
from interwork.flows.links import Link
from interwork.flows.node import Node
from interwork.store import Change
from interwork.stream.blueprint import Hold
from interwork.stream.spool import Spool

log = structlog.get_logger()
BACKOFF_S = (0.5, 60.0)
"""First and longest wait before a lost machine is tried again, with full jitter."""
STABLE_S = 60.0
"""A link that held so long is tried from the first wait again."""
SLOW_S = (60.0, 120.0)
"""Wait before what only a person can mend is tried again."""
ALIGN_S = 5.0
PERSONS_TURN = (BadInput, Refused, NotFound)
"""What trying again does not mend: a wrong option, a refused credential or certificate, a secret that is not set."""


async def work(node: Node) -> None:
    """Keep every connected device's readings flowing, for ever; what is recorded or changed later joins at once."""
    links = node.links
    async with AsyncExitStack() as stack:
        await _open_spool(node, stack)
        stack.callback(_forget, node)
        try:
            await going_on.restore(node)
        except InterworkError as fault:  # the machines are read all the same
            log.warning("live.unrestored", fault=str(fault))
        tasks = await stack.enter_async_context(anyio.create_task_group())
        changes = await stack.enter_async_context(node.store.changes())
        if links.uplink.spool is not None:
            tasks.start_soon(links.uplink.spool.run)
            tasks.start_soon(forward, node)
        tasks.start_soon(tick, node)
        touched: frozenset[str] | None = None
        while True:
            try:
                await _align(node, tasks, touched)
            except InterworkError as fault:  # the records cannot be read just now; what runs goes on
                log.warning("connections.unread", fault=str(fault))
            touched = None
            with anyio.move_on_after(ALIGN_S):
                touched = await changes.receive()
                while not touched & {"resources", "signals", "blueprints"}:
                    touched = await changes.receive()


async def _open_spool(node: Node, stack: AsyncExitStack) -> None:
    """Open what waits for the historian, without what it has taken already."""
    try:
        limit = int(node.settings.limits.spool_mb * 1e6)
        spool = await stack.enter_async_context(Spool.open(node.folder / "spool", limit_bytes=limit))
        await spool.settle(await node.historian.taken())
    except InterworkError as fault:  # without it the machines are read all the same
        log.warning("spool.closed", fault=str(fault))
        node.links.uplink.said = str(fault)
    else:
        node.links.uplink.spool = spool


def _forget(node: Node) -> None:
    node.links.by_resource.clear()
    node.links.marked.clear()
    node.links.uplink.spool = None


async def _align(node: Node, tasks: TaskGroup, touched: frozenset[str] | None) -> None:
    """Start, stop and restart supervision so that it is what the records say."""
    links = node.links.by_resource
    resources = {one.id: one for one in await node.store.find(Resource, limit=10_000) if one.endpoint}
    for gone in [one for identifier, one in links.items() if identifier not in resources]:
        if gone.state is not LinkState.STOPPED:
            gone.whole.cancel()
            gone.stand(LinkState.STOPPED, node.clock(), "It has no endpoint any more.")
    for resource in resources.values():
        link = links.get(resource.id)
        is_touched = link is None or touched is None or resource.id in touched
        if link is not None and not is_touched:
            continue
        likeness = await _likeness(node, resource)
        if link is not None and link.likeness == likeness:
            continue
        if link is not None:
            link.whole.cancel()
        link = links[resource.id] = _new(resource, likeness, link)
        if resource.is_disabled:
            link.stand(LinkState.DISABLED, node.clock(), "A person switched it off.")
        else:
            link.stand(LinkState.STARTING, node.clock())
            tasks.start_soon(_supervise, node, link)


def _new(resource: Resource, likeness: tuple[object, ...], before: Link | None) -> Link:
    made = Link(resource=resource.id, name=resource.name, endpoint=resource.endpoint, likeness=likeness)
    if before is not None:
        made.reconnects = before.reconnects
    return made


async def _likeness(node: Node, resource: Resource) -> tuple[object, ...]:
    """Tell what a connection is started with: what of it changes starts it anew."""
    signals = await node.store.find(Signal, resource=resource.id, limit=SIGNALS_MAX)
    told = (resource.name, resource.endpoint, repr(sorted(resource.options.items())), resource.is_disabled)
    held = await node.store.peek(Blueprint, derived_id("blueprint", resource.id))
    budget = () if held is None else (held.traffic_samples_per_s, held.storage_quota_bytes, held.silence_s)
    return (*told, *budget, hash(tuple(signals)))


async def _supervise(node: Node, link: Link) -> None:
    """Read one device for ever."""
    with link.whole:
        try:
            await _read_for_ever(node, link)
        finally:
            with anyio.CancelScope(shield=True), anyio.move_on_after(5):
                await _leave(node, link)


async def _read_for_ever(node: Node, link: Link) -> None:
    wait = BACKOFF_S[0]
    while True:
        began, was_silent = anyio.current_time(), link.is_silent
        fault = await _attempt(node, link)
        link.connector, link.tries = None, link.tries + 1
        if link.is_silent and not was_silent:
            continue  # the watchdog ended it: connect anew before anything is called lost
        link.kick = anyio.Event()  # before anybody can see that it failed: who asks for another try is heard
        await _note_lost(node, link, fault)
        if isinstance(fault, PERSONS_TURN):
            _lay_down(link)
            pause = random.uniform(*SLOW_S)  # noqa: S311 - jitter, not a secret
            link.next_try = node.clock() + timedelta(seconds=pause)  # known as soon as it is said to have failed
            await _failed(node, link, fault)
        else:
            link.stand(LinkState.BACKOFF, node.clock(), fault.message, fault.remedy)
            if anyio.current_time() - began > STABLE_S:
                wait = BACKOFF_S[0]
            pause = random.uniform(0.1, wait)  # noqa: S311 - jitter, not a secret
            wait = min(wait * 2, BACKOFF_S[1])
        link.next_try = node.clock() + timedelta(seconds=pause)
        with anyio.move_on_after(pause):
            await link.kick.wait()
            wait = BACKOFF_S[0]
        link.next_try = None
        link.stand(LinkState.STARTING, node.clock(), link.said)


async def _attempt(node: Node, link: Link) -> InterworkError:
    """Connect and read until the link drops, the watchdog ends it, or a fault; tell which."""
    with anyio.CancelScope() as link.reading:
        try:
            await _read(node, link)
        except InterworkError as fault:
            return fault
        finally:
            link.connector = None
    said = f"{link.name} said nothing for {anyio.current_time() - link.heard:.0f} s."
    return MachineUnreachable(said, remedy="It is connected anew; check the device where that brings nothing.")


async def _read(node: Node, link: Link) -> None:
    resource = await node.store.get(Resource, link.resource)
    signals = await node.store.find(Signal, resource=link.resource, limit=SIGNALS_MAX)
    points = going_on.points_of(signals)
    connector = link.kept or open_connector(resource.endpoint, options_of(node, resource))
    if link.hold is None:
        blueprint = await node.store.get(Blueprint, derived_id("blueprint", link.resource))
        link.hold = Hold(blueprint, [one for one in signals if one.is_read])
        link.is_wire_counted = wire.is_counted(link.endpoint)
        link.about = going_on.about(link.endpoint, points)
        await going_on.take_up(node, link, connector)
    elif link.kept is None:
        going_on.hand_over(link, connector)
    link.kept = connector if going_on.resuming(connector) else None
    async with connector, aclosing(connector.readings(points)) as batches:
        link.heard = link.connected_at = anyio.current_time()
        async for batch in batches:
            if link.connector is None:
                link.connector = connector
                await _connected(node, link)
            link.heard, link.heard_at = anyio.current_time(), node.clock()
            if link.state is LinkState.DEGRADED:
                link.stand(LinkState.CONNECTED, node.clock())
            with anyio.CancelScope(shield=True):  # a batch is carried whole, or not at all and read again
                if len(batch):
                    await carry(node, link, batch)
                await going_on.follow(node, link, connector, batch)
                await going_on.note(node, link, connector)


def _lay_down(link: Link) -> None:
    """Let a connector go that a person has to mend something of: it is made anew, and goes on where this one stood."""
    reader = going_on.resuming(link.kept)
    link.place = "" if reader is None else reader.place()
    link.kept = None


async def _connected(node: Node, link: Link) -> None:
    if link.is_silent:
        link.patience *= 2
    was_silent, link.is_silent = link.is_silent, False
    link.tries = 0
    link.stand(LinkState.CONNECTED, node.clock())
    if was_silent:
        return
    link.reconnects += 1
    await _tell(node, Change().event(Tag.MACHINE_CONNECTED, link.resource, endpoint=link.endpoint))
    log.info("machine.connected", resource=link.name, endpoint=link.endpoint)


async def _note_lost(node: Node, link: Link, fault: InterworkError) -> None:
    """Mark a device's signals, in what is live at once and in the history once per loss."""
    link.is_silent = False
    if link.hold is None:
        return
    if link.kept is None:
        await _keep(node, link.hold, link.hold.drain(to_us(node.clock())))
    marked = going_on.mark_lost(node, link)
    if len(marked):
        await _keep(node, link.hold, marked)
        await going_on.note(node, link, link.kept, is_due=True)
        await _tell(node, Change().event(Tag.MACHINE_LOST, link.resource, fault=str(fault)))
        log.warning("machine.lost", resource=link.name, fault=str(fault))


async def _failed(node: Node, link: Link, fault: InterworkError) -> None:
    is_news = link.state is not LinkState.FAILED and link.said != fault.message
    link.stand(LinkState.FAILED, node.clock(), fault.message, fault.remedy)
    if is_news:
        detail = {"fault": fault.message, "remedy": fault.remedy, "code": fault.code}
        await _tell(node, Change().event(Tag.MACHINE_FAILED, link.resource, **detail))
        log.warning("machine.failed", resource=link.name, fault=str(fault))


async def _leave(node: Node, link: Link) -> None:
    """Mark what a connection that is stopped or changed leaves behind."""
    if link.hold is not None:
        if link.kept is None or link.whole.cancel_called:  # else it goes on there at the next start
            await _keep(node, link.hold, link.hold.drain(to_us(node.clock())))
        await _keep(node, link.hold, going_on.mark_lost(node, link))
        await going_on.note(node, link, link.kept, is_due=True)
        await book(node, link)


async def _keep(node: Node, hold: Hold, batch: Batch) -> None:
    try:
        await keep(node, hold, batch)
    except InterworkError as fault:
        log.warning("readings.unkept", node=node.settings.name, fault=str(fault))


async def _tell(node: Node, change: Change) -> None:
    """Record an event; a store that is full stops no machine."""
    try:
        await node.store.commit(change)
    except InterworkError as fault:
        log.warning("event.untold", fault=str(fault))
