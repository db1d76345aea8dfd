"""Plant figures: power connected and not, energy accounted for and not, storage and the days it lasts, top talkers.

A figure that nothing measured is None, never 0. Energy is measured where there is a meter, shared where a share of a
meter is said, and estimated from states or hours where neither is; each member says which.
"""

import math
from datetime import datetime, timedelta

import msgspec
import numpy as np
from msgspec.structs import replace

from interwork.core.blueprint import Blueprint, PowerSource, Taken
from interwork.core.clock import to_us
from interwork.core.errors import BadInput, InterworkError
from interwork.core.event import Tag
from interwork.core.resource import BatchBuilder, Meaning, Resource, Signal
from interwork.core.units import convert
from interwork.flows.node import Node
from interwork.store import Change
from interwork.stream import columns_of, counter_delta
from interwork.stream.blueprint.aggregate import joined
from interwork.stream.columns import take
from interwork.stream.insight.facts import integral

HOURS = 24.0
HOURS_MAX = 24.0 * 31
TALKERS = 10
DAY_S = 86_400.0
SETTLED_S = 600.0
"""A member admitted later than so long ago has not kept enough to tell a rate from."""
POINTS = 500
READINGS_MAX = 50_000
POWERS_MAX = 50_000
"""Readings of a power that are integrated one by one; of more, the means of steps are."""
STEP_US = 120_000_000
"""A quiet signal is kept once a minute: a step so long has one, unless the link is lost."""
BEFORE = timedelta(hours=1)
"""How far back a counter's last value before a span is looked for."""


class Member(msgspec.Struct, frozen=True, kw_only=True):
    """One device's share of everything."""

    id: str
    name: str
    is_connected: bool
    is_simulated: bool
    rated_power_kw: float
    power_source: PowerSource
    energy_kwh: float | None
    """In the span; None where nothing tells it."""
    samples_per_s: float
    """Now, from the device."""
    bytes_per_s: float
    promised_samples_per_s: float
    promised_bytes_per_s: float
    link_bytes: float
    """In the span's days, as counted."""
    stored_bytes: float
    """Kept within its retention, as counted."""
    quota_bytes: float
    kept_per_day: float
    """What it kept of late, in bytes a day; measured since it was admitted, where that is less than the span."""
    forecast_per_day: float
    """What it was admitted with."""
    days_to_full: float | None
    """None where nothing is stored, or for longer than the retention."""
    parts: float | None
    """Parts counted in the span."""
    bytes_per_part: float | None
    lost: int
    forecast: str
    warnings: tuple[str, ...]


class Plant(msgspec.Struct, frozen=True, kw_only=True):
    """The figures of one node's plant over a span."""

    start: datetime
    end: datetime
    connected_kw: float
    unconnected_kw: float
    limit_kw: float
    metered_kw: float
    metered_coverage: float | None
    """Rated power with a meter of its own over all rated power."""
    main_kwh: float | None
    """What the main meters counted."""
    members_kwh: float
    unaccounted_kwh: float | None
    unaccounted_share: float | None
    is_unaccounted_alarm: bool
    stored_bytes: int
    """On disk, measured."""
    reserved_bytes: float
    """Promised to members."""
    storage_limit_bytes: float
    stored_per_day: float
    """What all members kept of late, in bytes a day."""
    days_to_full: float | None
    """By what was kept of late."""
    promised_days: float | None
    """How long the storage lasts where every member keeps what was forecast of it."""
    readings: int
    bytes_per_reading: float | None
    """Measured: bytes on disk over readings held."""
    bytes_per_part: float | None
    samples_per_s: float
    limit_samples_per_s: float
    top_talkers: tuple[str, ...]
    """Members by bytes counted, most first."""
    members: tuple[Member, ...]


async def plant(node: Node, *, hours: float = HOURS) -> Plant:
    """Work out the plant's figures over the last hours."""
    if not 0 < hours <= HOURS_MAX:
        raise BadInput(f"hours is {hours}.", remedy=f"Give 0 to {HOURS_MAX:.0f}.")
    end = node.clock()
    start = end - timedelta(hours=hours)
    blueprints = [one for one in await node.store.find(Blueprint, limit=10_000) if one.is_admitted]
    resources = {one.id: one for one in await node.store.find(Resource, limit=10_000)}
    sources = await _sources(node, blueprints)
    held = [
        (replace(one, power_source=sources[one.resource]), resources[one.resource])
        for one in blueprints
        if one.resource in resources
    ]
    energies = await _energies(node, held, (start, end))
    members = [await _member(node, one, of, energies.get(of.id), (start, end)) for one, of in held]
    return await _sum(node, held, members, (start, end))


async def _sum(
    node: Node, held: list[tuple[Blueprint, Resource]], members: list[Member], span: tuple[datetime, datetime]
) -> Plant:
    limits = node.settings.limits
    mains = [one for one in members if one.power_source is PowerSource.MAIN_METER]
    others = [one for one in members if one.power_source is not PowerSource.MAIN_METER]
    metered = sum(one.rated_power_kw for one in others if one.power_source is PowerSource.METER)
    connected = sum(one.rated_power_kw for one in others if one.is_connected)
    unconnected = sum(one.rated_power_kw for one in others if not one.is_connected)
    main = _total([one.energy_kwh for one in mains])
    accounted = math.fsum(one.energy_kwh or 0.0 for one in others)
    missing = None if main is None else main - accounted
    usage = await node.historian.usage()
    size, per_day = float(usage.bytes), math.fsum(one.kept_per_day for one in members)
    promised = math.fsum(one.forecast_per_day for one in members)
    room = max(0.0, limits.storage_gb * 1e9 - size)
    parts = _total([one.parts for one in others])
    link = sum(one.link_bytes for one in others)
    share = missing / main if main and missing is not None else None
    return Plant(
        start=span[0],
        end=span[1],
        connected_kw=connected,
        unconnected_kw=unconnected,
        limit_kw=limits.power_kw,
        metered_kw=metered,
        metered_coverage=metered / (connected + unconnected) if connected + unconnected else None,
        main_kwh=main,
        members_kwh=accounted,
        unaccounted_kwh=missing,
        unaccounted_share=share,
        is_unaccounted_alarm=share is not None and abs(share) > limits.unaccounted_share,
        stored_bytes=usage.bytes,
        reserved_bytes=sum(one.storage_quota_bytes for one, _ in held),
        storage_limit_bytes=limits.storage_gb * 1e9,
        stored_per_day=per_day,
        days_to_full=room / per_day if per_day else None,
        promised_days=limits.storage_gb * 1e9 / promised if promised else None,
        readings=usage.rows,
        bytes_per_reading=size / usage.rows if usage.rows else None,
        bytes_per_part=link / parts if parts else None,
        samples_per_s=sum(one.samples_per_s for one in members),
        limit_samples_per_s=limits.samples_per_s,
        top_talkers=tuple(one.name for one in sorted(members, key=_talk) if one.link_bytes)[:TALKERS],
        members=tuple(sorted(members, key=lambda one: one.name.lower())),
    )


def _talk(member: Member) -> float:
    return -member.link_bytes


def _total(values: list[float | None]) -> float | None:
    known = [one for one in values if one is not None]
    return math.fsum(known) if known else None


async def _sources(node: Node, blueprints: list[Blueprint]) -> dict[str, PowerSource]:
    """Tell where each member's energy comes from: a meter of its own is one, whether or not somebody said so."""
    ids = [one.resource for one in blueprints]
    metering = (Meaning.ENERGY, Meaning.POWER)
    found = await node.store.find(Signal, resource=ids, meaning=metering, limit=100_000) if ids else []
    metered = {one.resource for one in found if one.is_read}
    return {
        one.resource: PowerSource.METER
        if one.power_source is PowerSource.RATED and not one.hours_per_day and one.resource in metered
        else one.power_source
        for one in blueprints
    }


def _days_counted(blueprint: Blueprint, span: tuple[datetime, datetime]) -> float:
    """Tell over how many days a member's counts of a span reach: from its admission where that was within it."""
    whole = (span[1] - span[0]).total_seconds() / DAY_S
    midnight = span[0].replace(hour=0, minute=0, second=0, microsecond=0)
    since = (span[1] - max(midnight, blueprint.admitted_at)).total_seconds() / DAY_S
    return max(since if since * DAY_S >= SETTLED_S else whole, 0.001)


async def _member(
    node: Node, blueprint: Blueprint, resource: Resource, energy: float | None, span: tuple[datetime, datetime]
) -> Member:
    link = node.links.by_resource.get(resource.id)
    counts = link.hold.counts(to_us(node.clock())) if link is not None and link.hold is not None else {}
    device = counts.get("device")
    taken = await node.store.find(Taken, resource=resource.id, limit=1_000, newest=True)
    first = (span[1] - timedelta(days=blueprint.retention_days)).date().isoformat()
    stored = math.fsum(one.kept_bytes for one in taken if one.day >= first)
    recent = [one for one in taken if one.day >= span[0].date().isoformat()]
    talked = math.fsum(one.link_bytes for one in recent)
    per_day = math.fsum(one.kept_bytes for one in recent) / _days_counted(blueprint, span)
    parts = await _parts(node, resource, span)
    lasts = max(0.0, blueprint.storage_quota_bytes - stored) / per_day if per_day else math.inf
    return Member(
        id=resource.id,
        name=resource.name,
        is_connected=bool(resource.endpoint),
        is_simulated=resource.is_simulated,
        rated_power_kw=blueprint.rated_power_kw,
        power_source=blueprint.power_source,
        energy_kwh=energy,
        samples_per_s=device.samples_per_s if device else 0.0,
        bytes_per_s=device.bytes_per_s if device else 0.0,
        promised_samples_per_s=blueprint.traffic_samples_per_s,
        promised_bytes_per_s=blueprint.traffic_bytes_per_s,
        link_bytes=talked,
        stored_bytes=stored,
        quota_bytes=blueprint.storage_quota_bytes,
        kept_per_day=per_day,
        forecast_per_day=blueprint.storage_bytes_per_day,
        days_to_full=lasts if lasts < blueprint.retention_days else None,
        parts=parts,
        bytes_per_part=talked / parts if parts else None,
        lost=sum(one.lost for one in recent),
        forecast=blueprint.forecast,
        warnings=blueprint.warnings,
    )


async def _parts(node: Node, resource: Resource, span: tuple[datetime, datetime]) -> float | None:
    for signal in await node.store.find(Signal, resource=resource.id, meaning=Meaning.PART_COUNT, limit=1):
        return await _counted(node, signal, span)
    return None


async def _counted(node: Node, signal: Signal, span: tuple[datetime, datetime]) -> float | None:
    """Tell how far a counter went in a span, from what it said last before; None where it said nothing."""
    start, end = to_us(span[0]), to_us(span[1])
    before = to_us(span[0] - BEFORE)
    readings = await node.historian.readings([signal.number], before, end, limit=READINGS_MAX)
    if len(readings) == READINGS_MAX:  # too many to read each: the highest of each step tells as much of a counter
        trend = await node.historian.trend(signal.number, start, end, points=POINTS)
        builder = BatchBuilder()
        for at, value in zip(trend.time_us, trend.high, strict=True):
            if math.isfinite(value):
                builder.add(signal.number, int(at), float(value))
        readings = builder.take()
    columns = columns_of(readings)
    if not len(columns.time_us):
        return None
    first = max(0, int((columns.time_us <= start).sum()) - 1)
    return counter_delta(take(columns, np.arange(first, len(columns.time_us))))


async def _energies(
    node: Node, held: list[tuple[Blueprint, Resource]], span: tuple[datetime, datetime]
) -> dict[str, float | None]:
    """Tell each member's energy in kWh over a span, shares after the meters they share."""
    found: dict[str, float | None] = {}
    for blueprint, resource in held:
        if blueprint.power_source is not PowerSource.SHARE:
            found[resource.id] = await _energy(node, blueprint, resource, span)
    for blueprint, resource in held:
        if blueprint.power_source is PowerSource.SHARE:
            parent = found.get(blueprint.power_parent)
            found[resource.id] = None if parent is None else parent * blueprint.power_share
    return found


async def _energy(
    node: Node, blueprint: Blueprint, resource: Resource, span: tuple[datetime, datetime]
) -> float | None:
    hours = (span[1] - span[0]).total_seconds() / 3600
    match blueprint.power_source:
        case PowerSource.METER | PowerSource.MAIN_METER:
            return await _metered(node, resource, span)
        case PowerSource.STATE:
            return await _by_state(node, blueprint, resource, span)
        case _:
            return blueprint.rated_power_kw * hours * blueprint.hours_per_day / 24 if blueprint.hours_per_day else None


async def _metered(node: Node, resource: Resource, span: tuple[datetime, datetime]) -> float | None:
    """Read an energy counter, or integrate a power signal; None where there is neither, or it said nothing."""
    for signal in await node.store.find(Signal, resource=resource.id, meaning=Meaning.ENERGY, limit=1):
        counted = await _counted(node, signal, span)
        return None if counted is None else convert(counted, signal.unit or "kW.h", "kW.h")
    for signal in await node.store.find(Signal, resource=resource.id, meaning=Meaning.POWER, limit=1):
        used = await _integrated(node, signal, (to_us(span[0]), to_us(span[1])))
        # in the machine's own time, as a counter of its own counts
        return None if used is None else convert(used, signal.unit or "kW", "kW") * resource.time_scale
    return None


async def _integrated(node: Node, signal: Signal, span: tuple[int, int]) -> float | None:
    """Integrate a power over a span, in its unit times hours: a reading holds until the next, what is bad nothing."""
    readings = await node.historian.readings([signal.number], *span, limit=POWERS_MAX)
    if len(readings) < POWERS_MAX:
        return integral(joined(await node.historian.latest([signal.number], span[0]), readings), *span)[0]
    # So many come that a step without one is not known, and that the mean of a step's readings is that of its time.
    _, trend = await node.historian.trends([signal.number], *span, width_us=STEP_US)
    ends = (min(at - at % STEP_US + STEP_US, span[1]) for at in trend.time_us)
    hours = ((end - at) / 3.6e9 for at, end in zip(trend.time_us, ends, strict=True))
    return math.fsum(mean * long for mean, long in zip(trend.mean, hours, strict=True)) if len(trend.mean) else None


async def _by_state(
    node: Node, blueprint: Blueprint, resource: Resource, span: tuple[datetime, datetime]
) -> float | None:
    """Estimate by state: rated power while it works, standby otherwise; time that is not known counts nothing."""
    for signal in await node.store.find(Signal, resource=resource.id, meaning=Meaning.EXECUTION, limit=1):
        seconds = await node.historian.durations(signal.number, to_us(span[0]), to_us(span[1]))
        active = seconds.get("ACTIVE", 0.0)
        idle = sum(count for state, count in seconds.items() if state not in ("ACTIVE", "UNAVAILABLE", "unknown"))
        return (active * blueprint.rated_power_kw + idle * blueprint.standby_power_kw) / 3600
    return None


async def watch_energy(node: Node, *, was_alarm: bool) -> bool:
    """Tell as an event when the energy nobody accounts for passes its threshold; returns whether it is passed."""
    try:
        figures = await plant(node)
    except InterworkError:
        return was_alarm  # a historian that is busy or away: asked again next time
    if figures.is_unaccounted_alarm and not was_alarm:
        detail = {"main_kwh": figures.main_kwh, "unaccounted_kwh": figures.unaccounted_kwh}
        share = figures.unaccounted_share
        await node.store.commit(Change().event(Tag.ENERGY_UNACCOUNTED, node.did, **detail, share=share))
    return figures.is_unaccounted_alarm
