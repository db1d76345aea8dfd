"""The blueprint's words: what a device was promised of storage, power and traffic, how it is held, what may be written.

Classes of readings follow the order in which they may be given up: never C0 or C1 before C2 and C3 are at nothing.
The steps of the degradation ladder are reversible, except that what was dropped is gone, and counted.
"""

from datetime import datetime
from enum import IntEnum, StrEnum

import msgspec

from interwork.core.organisation import Role


class TrafficClass(IntEnum):
    """How much a reading matters when not everything fits."""

    C0 = 0
    """Commands, acknowledgements, alarms: a reserve of their own, never queued behind others."""
    C1 = 1
    """States, counters, part events: every one counts."""
    C2 = 2
    """Process values: the newest counts most."""
    C3 = 3
    """History, backfill, files, what is only nice to have."""


class Keeping(StrEnum):
    """Which readings of a signal are kept."""

    DEADBAND = "deadband"
    """Those that moved by the deadband since the last kept one; a deadband of 0 keeps every change."""
    SWINGING_DOOR = "swinging-door"
    """Those between which a straight line stays within the deadband of every reading."""
    AGGREGATE = "aggregate"
    """Lowest, highest, mean and last of each period."""


class Step(IntEnum):
    """The degradation ladder, from whole to least."""

    WHOLE = 0
    BIGGER_BATCHES = 1
    COMPRESSION = 2
    DEADBAND_2 = 3
    DEADBAND_4 = 4
    SLOWER = 5
    AGGREGATE = 6
    STORE_ONLY = 7
    DROP_C3 = 8
    DROP_C2 = 9


class LinkState(StrEnum):
    """How the supervision of one connection stands."""

    DISABLED = "disabled"
    """A person switched it off."""
    STARTING = "starting"
    CONNECTED = "connected"
    DEGRADED = "degraded"
    """The link is up, but nothing came for longer than the device may be silent."""
    BACKOFF = "backoff"
    """The link is down; the next try is due."""
    FAILED = "failed"
    """The configuration or the credentials are refused: tried slowly, and somebody has to act."""
    STOPPED = "stopped"
    """It has no endpoint any more, or the node stands still."""


class PowerSource(StrEnum):
    """Where the figure for a device's energy comes from."""

    RATED = "rated"
    """Nameplate times the hours a day that are said of it."""
    METER = "meter"
    """Its own energy or power signal."""
    SHARE = "share"
    """A share of another device's meter."""
    STATE = "state"
    """Rated power while it works, standby power otherwise, by its execution signal."""
    MAIN_METER = "main-meter"
    """The plant's supply: it counts what comes in, and consumes nothing itself."""


class Blueprint(msgspec.Struct, frozen=True, kw_only=True):
    """The contract a device is admitted under: protocol, storage, power, traffic."""

    id: str
    resource: str
    protocol: str
    storage_bytes_per_day: float
    storage_quota_bytes: float
    retention_days: float
    rated_power_kw: float
    is_connected: bool
    traffic_samples_per_s: float
    burst_samples: int
    forecast: str
    """What was said at admission, in numbers."""
    admitted_at: datetime
    is_admitted: bool = True
    expected_samples_per_s: float = 0.0
    """As forecast; what is promised, and held to, is `traffic_samples_per_s`."""
    traffic_bytes_per_s: float = 0.0
    """On the link, as forecast; 0 = from before this was kept."""
    is_measured: bool = False
    """True where rate and bytes were measured when it was probed, False where they were assumed."""
    warnings: tuple[str, ...] = ()
    """What did not fit and was let through by the node's policy."""
    standby_power_kw: float = 0.0
    power_source: PowerSource = PowerSource.RATED
    power_parent: str = ""
    """The resource whose meter it shares."""
    power_share: float = 0.0
    hours_per_day: float = 0.0
    """How long it is said to run, where nothing is measured."""
    silence_s: float = 60.0
    """How long it may say nothing before it is called degraded; three times that, and it is connected anew."""


class Taken(msgspec.Struct, frozen=True, kw_only=True):
    """What one device took on one day (UTC), counted."""

    id: str
    resource: str
    day: str
    """As 2026-12-24."""
    samples: int = 0
    link_bytes: float = 0.0
    kept: int = 0
    kept_bytes: float = 0.0
    lost: int = 0


class Interlock(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """Another signal that must stand as said, in good quality and fresh, before a point is written."""

    signal: str
    """The signal's id."""
    is_text: str = ""
    """The text it must say; empty = its number must lie within `low` and `high`."""
    low: float | None = None
    high: float | None = None


class WritePoint(msgspec.Struct, frozen=True, kw_only=True):
    """A signal that may be written, and under which rules; a signal without one is never written."""

    id: str
    signal: str
    resource: str
    low: float
    high: float
    max_change: float = 0.0
    """Largest change from the present value in one command; with the least interval that bounds the rate. 0 = any."""
    min_interval_s: float = 1.0
    """Least time between two commands, seconds."""
    interlocks: tuple[Interlock, ...] = ()
    needs_second: bool = True
    """Another person has to confirm each command."""
    expires_s: float = 60.0
    """Life of a command, from asking to sending."""
    tolerance: float = 0.0
    """How far the value read back may be from what was written."""
    roles: tuple[Role, ...] = (Role.OWNER, Role.ENGINEER)
    people: tuple[str, ...] = ()
    """Account ids it is permitted to; empty = everybody of the roles."""


class CommandState(StrEnum):
    """How a write command stands."""

    ASKED = "asked"
    """It waits for the second person."""
    SENDING = "sending"
    VERIFIED = "verified"
    """Written, read back, and equal."""
    DIFFERS = "differs"
    """Written, but what was read back is something else, or nothing."""
    REFUSED = "refused"
    EXPIRED = "expired"
    FAILED = "failed"
    """The machine did not take it, or it is not known whether it did."""


class WriteCommand(msgspec.Struct, frozen=True, kw_only=True):
    """One value somebody asked to be written to a machine, and what became of it."""

    id: str
    signal: str
    resource: str
    value: float
    reason: str
    asked_by: str
    asked_at: datetime
    expires_at: datetime
    state: CommandState
    confirmed_by: str = ""
    ended_at: datetime | None = None
    read_back: float | None = None
    said: str = ""
    """Why it was refused, what the machine answered, or what was read back."""
