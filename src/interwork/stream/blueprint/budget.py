"""The blueprint: what a device may take of storage, power and traffic, forecast in numbers before it is admitted.

Facts, not guesses: bytes on the link per sample of each protocol and bytes per sealed reading are measured figures
(the bench measures the latter again); unconnected devices count with their rated power, so that the total is whole.
A device that does not fit is refused with every rule it breaks and how much would fit.
"""

import math
from collections.abc import Iterable
from datetime import datetime

import msgspec

from interwork.core.blueprint import Blueprint, PowerSource
from interwork.core.errors import BadInput, Refused
from interwork.core.ids import derived_id
from interwork.core.settings import Limits

LINK_BYTES = {"opc.tcp": 34.0, "mqtt": 21.0, "mqtts": 21.0, "mtconnect": 149.0, "modbus": 4.4, "unconnected": 0.0}
"""Bytes on the link per sample: OPC UA data change of a Double with two times; Sparkplug metric by alias; MTConnect
observation in XML; Modbus in blocks of 100 registers with two registers per value."""
OTHER_LINK_BYTES = 50.0
STORED_BYTES = 5.5
"""Bytes per reading at rest: zstd Parquet of noisy machine values."""
BURST_S = 10.0
BURST_MIN = 1_000
"""A burst lets a device send all its signals at once, as it does when it is connected."""
QUOTA_MARGIN = 1.25
PROMISE_MARGIN = 1.5
PROMISE_PER_SIGNAL = 1.0
"""Samples per second that each signal is promised at least."""
DAY_S = 86_400.0
_NUMBERS = (
    *("samples_per_s", "rated_power_kw", "bytes_per_sample", "kept_share", "storage_quota_bytes", "retention_days"),
    *("standby_power_kw", "power_share", "hours_per_day", "silence_s"),
)


class Declared(msgspec.Struct, frozen=True, kw_only=True):
    """What a device is said to need when it asks to be admitted."""

    resource: str
    name: str
    protocol: str
    """The endpoint's scheme, or `unconnected`."""
    samples_per_s: float
    rated_power_kw: float
    is_connected: bool
    bytes_per_sample: float = 0.0
    """On the link; 0 = the protocol's measured figure."""
    kept_share: float = 1.0
    """The share of samples that deadbands leave to be kept."""
    is_measured: bool = False
    """True where rate and bytes were measured while it was probed."""
    signals: int = 0
    """How many are read."""
    storage_quota_bytes: float = 0.0
    """What is promised to it; 0 = what it needs, with a margin."""
    retention_days: float = 0.0
    """0 = the node's."""
    standby_power_kw: float = 0.0
    power_source: PowerSource = PowerSource.RATED
    power_parent: str = ""
    power_share: float = 0.0
    hours_per_day: float = 0.0
    silence_s: float = 60.0


def promised(declared: Declared) -> float:
    """Tell the samples per second a device may send: with room, for it may have been measured while it stood still."""
    if not declared.is_measured:
        return declared.samples_per_s
    return max(declared.samples_per_s * PROMISE_MARGIN, declared.signals * PROMISE_PER_SIGNAL)


class Broken(msgspec.Struct, frozen=True, kw_only=True):
    """One rule a device would break."""

    rule: str
    message: str
    remedy: str


class Forecast(msgspec.Struct, frozen=True, kw_only=True):
    """What admitting a device would mean."""

    link_bytes_per_s: float
    storage_bytes_per_day: float
    node_bytes_per_day: float
    quota_days: float
    """How long the node's storage quota would last, with all devices; inf where nothing is stored."""
    own_days: float
    """How long the quota promised to the device itself would last; inf where none was asked for."""
    node_samples_per_s: float
    node_power_kw: float
    connected_power_kw: float
    sentence: str
    broken: tuple[Broken, ...]


def forecast(declared: Declared, limits: Limits, others: Iterable[Blueprint]) -> Forecast:
    """Work out what a device adds to what the admitted ones take."""
    _check(declared)
    admitted = [one for one in others if one.is_admitted and one.resource != declared.resource]
    per_sample = declared.bytes_per_sample or LINK_BYTES.get(declared.protocol, OTHER_LINK_BYTES)
    link = declared.samples_per_s * per_sample
    stored = declared.samples_per_s * declared.kept_share * STORED_BYTES * DAY_S
    per_day = stored + sum(one.storage_bytes_per_day for one in admitted)
    days = limits.storage_gb * 1e9 / per_day if per_day else math.inf
    samples = promised(declared) + sum(one.traffic_samples_per_s for one in admitted)
    retention = declared.retention_days or limits.retention_days
    own_days = declared.storage_quota_bytes / stored if declared.storage_quota_bytes and stored else math.inf
    power = declared.rated_power_kw + sum(one.rated_power_kw for one in admitted)
    connected = sum(one.rated_power_kw for one in admitted if one.is_connected)
    connected += declared.rated_power_kw if declared.is_connected else 0.0
    lasts = "is not touched" if math.isinf(days) else f"would last {_figure(days)} days"
    own = "" if math.isinf(own_days) else f"its own quota would last {_figure(own_days)} days, "
    sentence = (
        f"Adds {_bytes(link)}/s on the link and {_bytes(stored * retention)} in "
        f"{_figure(retention)} days; {own}the storage quota of {_figure(limits.storage_gb)} GB {lasts}. "
        f"The node would then take {_figure(samples)} of {_figure(limits.samples_per_s)} samples/s and "
        f"{_figure(power)} of {_figure(limits.power_kw)} kW, {_figure(connected)} kW of it connected."
    )
    return Forecast(
        link_bytes_per_s=link,
        storage_bytes_per_day=stored,
        node_bytes_per_day=per_day,
        quota_days=days,
        own_days=own_days,
        node_samples_per_s=samples,
        node_power_kw=power,
        connected_power_kw=connected,
        sentence=sentence,
        broken=tuple(_broken(declared, limits, (samples, days, power), (own_days, retention))),
    )


def admit(declared: Declared, limits: Limits, others: Iterable[Blueprint], *, now: datetime) -> Blueprint:
    """Admit a device under its blueprint, or refuse it with every rule it breaks, in numbers.

    Where the node's policy is to warn, it is admitted all the same, and the blueprint says what it breaks.
    """
    coming = forecast(declared, limits, others)
    retention = declared.retention_days or limits.retention_days
    if coming.broken and limits.admission == "refuse":
        raise Refused(
            f"{declared.name} is not admitted: {' '.join(one.message for one in coming.broken)} {coming.sentence}",
            rule="; ".join(one.rule for one in coming.broken),
            remedy=" ".join(one.remedy for one in coming.broken),
        )
    return Blueprint(
        id=derived_id("blueprint", declared.resource),
        resource=declared.resource,
        protocol=declared.protocol,
        storage_bytes_per_day=coming.storage_bytes_per_day,
        storage_quota_bytes=declared.storage_quota_bytes
        or promised(declared) * STORED_BYTES * DAY_S * retention * QUOTA_MARGIN,
        retention_days=retention,
        rated_power_kw=declared.rated_power_kw,
        is_connected=declared.is_connected,
        traffic_samples_per_s=promised(declared),
        burst_samples=max(BURST_MIN, math.ceil(promised(declared) * BURST_S)),
        forecast=coming.sentence,
        admitted_at=now,
        expected_samples_per_s=declared.samples_per_s,
        traffic_bytes_per_s=coming.link_bytes_per_s,
        is_measured=declared.is_measured,
        warnings=tuple(f"{one.message} {one.remedy}" for one in coming.broken),
        standby_power_kw=declared.standby_power_kw,
        power_source=declared.power_source,
        power_parent=declared.power_parent,
        power_share=declared.power_share,
        hours_per_day=declared.hours_per_day,
        silence_s=declared.silence_s,
    )


def _broken(
    declared: Declared, limits: Limits, totals: tuple[float, float, float], own: tuple[float, float]
) -> Iterable[Broken]:
    samples, days, power = totals
    if own[0] < own[1]:
        yield Broken(
            rule="a device's own storage quota lasts for its retention time",
            message=f"its own storage quota would last {_figure(own[0])} of {_figure(own[1])} days.",
            remedy="Promise it more storage, sample it more slowly, give it deadbands, or keep it for fewer days.",
        )
    if samples > limits.samples_per_s:
        left = max(0.0, limits.samples_per_s - (samples - promised(declared)))
        yield Broken(
            rule="the samples of all devices stay within limits.samples_per_s",
            message=f"it asks for {_figure(promised(declared))} samples/s and {_figure(left)} are left.",
            remedy=f"Sample it at {_figure(left)} samples/s or less, or raise limits.samples_per_s.",
        )
    if days < limits.retention_days:
        yield Broken(
            rule="the storage quota lasts for the retention time",
            message=f"the storage quota would last {_figure(days)} of {_figure(limits.retention_days)} days.",
            remedy="Sample it more slowly, give it deadbands, keep fewer days, or raise limits.storage_gb.",
        )
    if power > limits.power_kw:
        left = max(0.0, limits.power_kw - (power - declared.rated_power_kw))
        yield Broken(
            rule="the rated power of all devices, connected or not, stays within limits.power_kw",
            message=f"it is rated {_figure(declared.rated_power_kw)} kW and {_figure(left)} kW are left.",
            remedy="Retire a device, or raise limits.power_kw to what the plant's supply carries.",
        )


def _check(declared: Declared) -> None:
    for name in _NUMBERS:
        value = getattr(declared, name)
        if not 0 <= value < math.inf:
            raise BadInput(f"{declared.name}: {name} is {value}.", remedy="Give a finite number of 0 or more.")
    if declared.silence_s < 1 or declared.hours_per_day > 24 or declared.power_share > 1:
        raise BadInput(
            f"{declared.name}: silence_s {declared.silence_s}, hours_per_day {declared.hours_per_day}, "
            f"power_share {declared.power_share}.",
            remedy="Give at least 1 s, at most 24 hours, and a share from 0 to 1.",
        )
    if declared.kept_share > 1:
        raise BadInput(f"{declared.name}: kept_share is {declared.kept_share}.", remedy="Give a share from 0 to 1.")


def _figure(value: float) -> str:
    """Write a number as people do: two digits at least, no more decimals than needed."""
    digits = 0 if value == 0 or abs(value) >= 100 else (1 if abs(value) >= 1 else 3)
    text = f"{value:,.{digits}f}"
    return text.rstrip("0").rstrip(".") if "." in text else text


def _bytes(count: float) -> str:
    for size, unit in ((1e9, "GB"), (1e6, "MB"), (1e3, "kB")):
        if count >= size:
            return f"{_figure(count / size)} {unit}"
    return f"{_figure(count)} B"
