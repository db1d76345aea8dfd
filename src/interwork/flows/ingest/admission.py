"""Connecting a device: probed, mapped, admitted under the blueprint, recorded with its signals."""

from collections.abc import Sequence
from datetime import datetime
from typing import Any

import msgspec
from msgspec.structs import replace

from interwork.connectors import Found
from interwork.core.blueprint import PowerSource
from interwork.core.errors import BadInput, Refused
from interwork.core.event import Tag
from interwork.core.ids import derived_id
from interwork.core.organisation import Place
from interwork.core.resource import Blueprint, Capability, Facet, Rates, Resource, ResourceKind, Signal
from interwork.flows.ingest.mapping import Mapped, budget_of, checked
from interwork.flows.ingest.probing import SIGNALS_MAX, Proposal, probe, resolved
from interwork.flows.node import Node
from interwork.store import Change
from interwork.store.secrets import plain_secrets
from interwork.stream import Declared, Forecast, admit, forecast

CHANGES_PER_S = 5.0
"""Changes per second assumed of a signal whose device does not say."""


class Connection(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """What a person says of a device when connecting it; everything but name and endpoint may be left out."""

    name: str
    endpoint: str
    """Empty = an unconnected device: it has a nameplate, no signals."""
    options: dict[str, Any] = {}
    """What the connector needs; a secret only as `secret:NAME`."""
    maker: str = ""
    model: str = ""
    serial: str = ""
    place: Place | None = None
    kind: ResourceKind = ResourceKind.MACHINE
    rated_power_kw: float = 0.0
    standby_power_kw: float = 0.0
    power_source: PowerSource = PowerSource.RATED
    power_parent: str = ""
    """The name of the device whose meter it shares."""
    power_share: float = 0.0
    hours_per_day: float = 0.0
    samples_per_s: float = 0.0
    """0 = estimated from the number of signals."""
    bytes_per_s: float = 0.0
    """On the link; 0 = by the protocol's figure."""
    kept_share: float = 1.0
    """The share of samples that is worth keeping."""
    is_measured: bool = False
    """True where these were measured by looking at it."""
    storage_quota_mb: float = 0.0
    """Promised to it; 0 = what it needs."""
    retention_days: float = 0.0
    """0 = the node's."""
    silence_s: float = 60.0
    signals: tuple[Mapped, ...] = ()
    """What is read and what it means; empty = everything, as proposed. Signals it does not name are left out."""
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


def measured(asked: Connection, found: Proposal, mapping: Sequence[Mapped]) -> Connection:
    """Put what was measured while looking at a device into what is asked for; what a person said stays."""
    samples, kept = budget_of(found.signals, mapping)
    if asked.samples_per_s or not found.samples_per_s or not samples:
        return replace(asked, signals=tuple(mapping))
    share = min(1.0, samples / found.samples_per_s)
    return replace(
        asked,
        signals=tuple(mapping),
        samples_per_s=samples,
        bytes_per_s=asked.bytes_per_s or found.bytes_per_s * share,
        kept_share=kept,
        is_measured=True,
    )


async def foresee(node: Node, asked: Connection, signals: int) -> Forecast:
    """Forecast what admitting a device would mean, and admit nothing."""
    resource = derived_id("resource", node.did, asked.name)
    return forecast(_declared(node, asked, resource, signals), node.settings.limits, await _others(node, resource))


async def connect(node: Node, asked: Connection, *, actor: str = "node") -> Connected:
    """Probe a device, admit it under the blueprint, record it with its signals; the same name is the same device."""
    _check(asked)
    found = await probe(asked.endpoint, resolved(node, asked.endpoint, asked.options)) if asked.endpoint else []
    resource = _resource(node, asked)
    reading = sum(1 for one in _mapped(found, asked.signals) if one[1].read)
    blueprint = await _admit(node, asked, resource, reading, actor)
    async with node.numbering:
        signals = await _signals(node, resource, _mapped(found, asked.signals))
        change = Change(actor).put(resource).put(blueprint)
        for facet in _facets(resource):
            change.put(facet)
        for signal in signals:
            change.put(signal)
        detail: dict[str, Any] = {"forecast": blueprint.forecast}
        if blueprint.warnings:
            detail["warnings"] = blueprint.warnings
        change.event(Tag.BLUEPRINT_ADMITTED, resource.id, **detail)
        change.event(Tag.RESOURCE_RECORDED, resource.id, name=resource.name, signals=reading)
        await node.store.commit(change)
    await _retain(node, asked, [one.number for one in signals])
    return Connected(resource=resource, signals=tuple(one for one in signals if one.is_read), blueprint=blueprint)


async def _retain(node: Node, asked: Connection, numbers: list[int]) -> None:
    """Have the historian keep to what was promised to this device alone, where anything was."""
    if numbers and (asked.retention_days or asked.storage_quota_mb):
        quota = asked.storage_quota_mb * 1e6
        await node.historian.retain(numbers, keep_days=asked.retention_days or None, quota_bytes=quota or None)


def _check(asked: Connection) -> None:
    if not asked.name.strip():
        raise BadInput("A device needs a name.", remedy="Give one with --name.")
    if plain := plain_secrets(asked.options):
        raise BadInput(
            f"The option {plain[0]} holds a secret in plain text.",
            remedy=f'Keep it with `interwork secret set NAME`, then say {plain[0]} = "secret:NAME".',
        )
    checked(asked.signals)


def _resource(node: Node, asked: Connection) -> Resource:
    return Resource(
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


def _declared(node: Node, asked: Connection, resource: str, signals: int) -> Declared:
    samples = asked.samples_per_s or CHANGES_PER_S * signals
    return Declared(
        resource=resource,
        name=asked.name,
        protocol=asked.endpoint.partition("://")[0] or "unconnected",
        samples_per_s=samples,
        bytes_per_sample=asked.bytes_per_s / samples if samples else 0.0,
        kept_share=asked.kept_share,
        signals=signals,
        is_measured=asked.is_measured,
        rated_power_kw=asked.rated_power_kw,
        is_connected=bool(asked.endpoint),
        storage_quota_bytes=asked.storage_quota_mb * 1e6,
        retention_days=asked.retention_days,
        standby_power_kw=asked.standby_power_kw,
        power_source=asked.power_source,
        power_parent=derived_id("resource", node.did, asked.power_parent) if asked.power_parent else "",
        power_share=asked.power_share,
        hours_per_day=asked.hours_per_day,
        silence_s=asked.silence_s,
    )


async def _others(node: Node, resource: str) -> list[Blueprint]:
    return [one for one in await node.store.find(Blueprint, limit=10_000) if one.resource != resource]


async def _admit(node: Node, asked: Connection, resource: Resource, signals: int, actor: str) -> Blueprint:
    declared = _declared(node, asked, resource.id, signals)
    try:
        return admit(declared, node.settings.limits, await _others(node, resource.id), now=node.clock())
    except Refused as fault:
        told = Change(actor).event(Tag.BLUEPRINT_REFUSED, resource.id, name=asked.name, fault=str(fault))
        await node.store.commit(told)
        raise


def _mapped(found: Sequence[Found], mapping: Sequence[Mapped]) -> list[tuple[Found, Mapped]]:
    """Put what a person said beside what was found; BadInput for an address that the device does not have."""
    said = {one.address: one for one in mapping}
    if unknown := said.keys() - {one.address for one in found}:
        raise BadInput(
            f"The device has no signal at {min(unknown)[:80]!r}.", remedy="Look at it again; it may have changed."
        )
    left_out = Mapped(address="", read=not mapping)
    return [(one, said.get(one.address, left_out)) for one in found]


async def _signals(node: Node, resource: Resource, mapped: list[tuple[Found, Mapped]]) -> list[Signal]:
    known = {one.id: one for one in await node.store.find(Signal, resource=resource.id, limit=SIGNALS_MAX)}
    number = await next_number(node)
    signals = []
    for found, said in mapped:
        identifier = derived_id("signal", resource.id, found.address)
        held = known.pop(identifier, None)
        if held is None and not said.read:
            continue
        if held is None:
            held = Signal(
                id=identifier,
                number=number,
                resource=resource.id,
                name=found.name,
                address=found.address,
                unit=found.unit,
                meaning=found.meaning,
                is_text=found.is_text,
            )
            number += 1
        signals.append(_said(held, said))
    return signals


def _said(signal: Signal, said: Mapped) -> Signal:
    """Put what a person said into a signal; what nothing was said of stays as it is."""
    given = {
        name: value
        for name in ("unit", "meaning", "deadband", "keeping", "period_s", "priority")
        if (value := getattr(said, name)) is not None
    }
    return replace(signal, name=said.name.strip() or signal.name, is_read=said.read, **given)


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


async def change_signal(node: Node, identifier: str, said: Mapped, *, actor: str) -> Signal:
    """Change what is said of one signal; its readings before stay as they are."""
    held = await node.store.get(Signal, identifier)
    checked([said])
    changed = _said(held, said)
    fields = {
        name: msgspec.to_builtins(getattr(changed, name))
        for name in changed.__struct_fields__
        if getattr(changed, name) != getattr(held, name)
    }
    if fields:
        told = Change(actor).put(changed).event(Tag.SIGNAL_CHANGED, held.resource, signal=held.name, **fields)
        await node.store.commit(told)
    return changed
