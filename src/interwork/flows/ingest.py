"""The machine line: device → connector → batch → admission and shaping → historian → live state."""

import random
from contextlib import aclosing
from datetime import datetime
from typing import Any

import anyio
import msgspec
import structlog

from interwork.connectors import Found, Point, open_connector
from interwork.core.clock import to_us
from interwork.core.errors import BadInput, InterworkError, MachineUnreachable
from interwork.core.event import Tag
from interwork.core.ids import derived_id
from interwork.core.organisation import Place
from interwork.core.resource import (
    Batch,
    Blueprint,
    Capability,
    Facet,
    Meaning,
    Rates,
    Resource,
    ResourceKind,
    Signal,
)
from interwork.flows.node import Node
from interwork.store import Change
from interwork.stream import Declared, Shaper, TokenBucket, admit

log = structlog.get_logger()
BACKOFF_S = (0.5, 60.0)
"""First and longest wait before a lost machine is tried again, with full jitter."""
BROWSE_S = 30.0
SIGNALS_MAX = 5_000
CHANGES_PER_S = 5.0
"""Changes per second assumed of a signal whose device does not say."""


class Connection(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """What a person says of a device when connecting it; everything but name and endpoint may be left out."""

    name: str
    endpoint: str
    """Empty = an unconnected device: it has a nameplate, no signals."""
    options: dict[str, Any] = {}
    maker: str = ""
    model: str = ""
    serial: str = ""
    place: Place | None = None
    kind: ResourceKind = ResourceKind.MACHINE
    rated_power_kw: float = 0.0
    samples_per_s: float = 0.0
    """0 = estimated from the number of signals."""
    capabilities: tuple[Capability, ...] = ()
    rates: Rates | None = None
    closed: tuple[tuple[datetime, datetime], ...] = ()
    is_simulated: bool = False
    time_scale: float = 1.0


class Connected(msgspec.Struct, frozen=True, kw_only=True):
    """What came of connecting a device."""

    resource: Resource
    signals: tuple[Signal, ...]
    blueprint: Blueprint


async def next_number(node: Node) -> int:
    """Find the next free signal number; called with `node.numbering` held."""
    return await node.store.count(Signal) + 1


async def probe(endpoint: str, options: dict[str, Any]) -> list[Found]:
    """Ask a device what it has, in bounded time."""
    try:
        with anyio.fail_after(BROWSE_S):
            async with open_connector(endpoint, options) as connector:
                found = await connector.browse()
    except TimeoutError as fault:
        raise MachineUnreachable(
            f"{endpoint} did not describe itself within {BROWSE_S:.0f} s.", remedy="Check that it runs and answers."
        ) from fault
    if len(found) > SIGNALS_MAX:
        raise BadInput(
            f"{endpoint} has {len(found)} signals; {SIGNALS_MAX} are taken at the most.",
            remedy="Name the part you want with the option `root`.",
        )
    return found


async def connect(node: Node, asked: Connection, *, actor: str = "node") -> Connected:
    """Probe a device, admit it under the blueprint, record it with its signals; the same name is the same device."""
    if not asked.name.strip():
        raise BadInput("A device needs a name.", remedy="Give one with --name.")
    found = await probe(asked.endpoint, asked.options) if asked.endpoint else []
    resource = Resource(
        id=derived_id("resource", node.did, asked.name),
        name=asked.name,
        kind=asked.kind,
        owner=node.settings.organisation,
        place=asked.place or node.settings.place,
        maker=asked.maker,
        model=asked.model,
        serial=asked.serial,
        is_simulated=asked.is_simulated,
        time_scale=asked.time_scale,
        capabilities=asked.capabilities,
        rates=asked.rates,
        endpoint=asked.endpoint,
        options=asked.options,
        closed=asked.closed,
    )
    blueprint = await _admit(node, asked, resource, len(found))
    async with node.numbering:
        signals = await _signals(node, resource, found)
        change = Change(actor).put(resource).put(blueprint)
        for facet in _facets(resource):
            change.put(facet)
        for signal in signals:
            change.put(signal)
        change.event(Tag.BLUEPRINT_ADMITTED, resource.id, forecast=blueprint.forecast)
        change.event(Tag.RESOURCE_RECORDED, resource.id, name=resource.name, signals=len(signals))
        await node.store.commit(change)
    return Connected(resource=resource, signals=tuple(signals), blueprint=blueprint)


async def _admit(node: Node, asked: Connection, resource: Resource, signals: int) -> Blueprint:
    others = await node.store.find(Blueprint, limit=10_000)
    declared = Declared(
        resource=resource.id,
        name=resource.name,
        protocol=asked.endpoint.partition("://")[0] or "unconnected",
        samples_per_s=asked.samples_per_s or CHANGES_PER_S * signals,
        rated_power_kw=asked.rated_power_kw,
        is_connected=bool(asked.endpoint),
    )
    return admit(
        declared, node.settings.limits, [one for one in others if one.resource != resource.id], now=node.clock()
    )


async def _signals(node: Node, resource: Resource, found: list[Found]) -> list[Signal]:
    known = {one.id: one for one in await node.store.find(Signal, resource=resource.id, limit=SIGNALS_MAX)}
    number = await next_number(node)
    signals = []
    for one in found:
        identifier = derived_id("signal", resource.id, one.address)
        if identifier in known:
            signals.append(known[identifier])
            continue
        signals.append(
            Signal(
                id=identifier,
                number=number,
                resource=resource.id,
                name=one.name,
                address=one.address,
                unit=one.unit,
                meaning=one.meaning,
                is_text=one.is_text,
            )
        )
        number += 1
    return signals


def _facets(resource: Resource) -> list[Facet]:
    nameplate = {
        "ManufacturerName": resource.maker,
        "ManufacturerProductDesignation": resource.model,
        "SerialNumber": resource.serial,
        "Simulated": resource.is_simulated,
    }
    abilities = {ability.process: msgspec.to_builtins(ability) for ability in resource.capabilities}
    return [
        Facet(
            id=derived_id("facet", resource.id, "Nameplate"),
            resource=resource.id,
            name="Nameplate",
            semantic_id="https://admin-shell.io/idta/nameplate/3/0/Nameplate",
            values=nameplate,
        ),
        Facet(
            id=derived_id("facet", resource.id, "CapabilityDescription"),
            resource=resource.id,
            name="CapabilityDescription",
            semantic_id="https://admin-shell.io/idta/CapabilityDescription/1/0",
            values=abilities,
        ),
    ]


async def restore(node: Node) -> None:
    """Show what was last known before this start, marked as lost from then until its device is heard again."""
    resources = {one.id for one in await node.store.find(Resource, limit=10_000) if one.endpoint}
    numbers = [one.number for one in await node.store.find(Signal, limit=100_000) if one.resource in resources]
    if not numbers:
        return
    last = await node.historian.latest(numbers)
    if len(last):
        node.live.update(last)
        await node.historian.append(node.live.mark_lost(numbers, max(last.time_us)))


async def work(node: Node) -> None:
    """Keep every connected device's readings flowing, for ever; a device recorded later joins at once."""
    await restore(node)
    running: set[str] = set()
    async with anyio.create_task_group() as tasks, node.store.changes() as changes:
        while True:
            for resource in await node.store.find(Resource, limit=10_000):
                if resource.endpoint and resource.id not in running:
                    running.add(resource.id)
                    tasks.start_soon(_supervise, node, resource)
            with anyio.move_on_after(5):
                await changes.receive()


async def _supervise(node: Node, resource: Resource) -> None:
    """Read one device for ever: on link loss mark its signals at once, wait with jitter, connect again."""
    wait = BACKOFF_S[0]
    while True:
        resource = await node.store.get(Resource, resource.id)
        signals = await node.store.find(Signal, resource=resource.id, limit=SIGNALS_MAX)
        began = anyio.current_time()
        try:
            try:
                await _read(node, resource, signals)
            except MachineUnreachable as fault:
                await _lost(node, resource, signals, fault)
        except InterworkError as fault:  # a full disk, a server that refuses us: this device's trouble, no other's
            node.live.mark_lost([one.number for one in signals], to_us(node.clock()))
            log.warning("machine.unread", resource=resource.name, fault=str(fault))
        if anyio.current_time() - began > BACKOFF_S[1]:
            wait = BACKOFF_S[0]
        await anyio.sleep(random.uniform(0.1, wait))  # noqa: S311 - jitter, not a secret
        wait = min(wait * 2, BACKOFF_S[1])


async def _read(node: Node, resource: Resource, signals: list[Signal]) -> None:
    points = [Point(number=one.number, address=one.address, is_text=one.is_text) for one in signals]
    shaper = Shaper.of(signals)
    bucket = TokenBucket.of(await node.store.get(Blueprint, derived_id("blueprint", resource.id)), signals)
    async with (
        open_connector(resource.endpoint, resource.options) as connector,
        aclosing(connector.readings(points)) as batches,
    ):
        is_up = False
        async for batch in batches:
            if not is_up:
                is_up = True
                await node.store.commit(Change().event(Tag.MACHINE_CONNECTED, resource.id, endpoint=resource.endpoint))
                log.info("machine.connected", resource=resource.name, endpoint=resource.endpoint)
            await take(node, shaper, bucket.throttle(batch, to_us(node.clock())))


async def take(node: Node, shaper: Shaper, batch: Batch) -> None:
    """Carry one batch down the machine line: live first, then shaped and kept (durable when this returns)."""
    kept = shaper.shape(batch)
    node.live.update(batch)
    if len(kept):
        await node.historian.append(kept)


async def _lost(node: Node, resource: Resource, signals: list[Signal], fault: MachineUnreachable) -> None:
    marked = node.live.mark_lost([one.number for one in signals], to_us(node.clock()))
    if len(marked):
        await node.historian.append(marked)
        await node.store.commit(Change().event(Tag.MACHINE_LOST, resource.id, fault=str(fault)))
        log.warning("machine.lost", resource=resource.name, fault=str(fault))


def execution_of(node: Node, signals: list[Signal]) -> str:
    """Tell a machine's execution state from its live signals, UNAVAILABLE where nothing tells it."""
    for signal in signals:
        if signal.meaning is Meaning.EXECUTION:
            reading = node.live.value(signal.number)
            if reading is not None and reading.text:
                return reading.text
    return "UNAVAILABLE"
