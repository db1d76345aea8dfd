"""Running a plant: shifts, stops and their reasons, alarms, baselines, charts, comparisons, and a shift's figures.

Terms: ISO 22400-2 (work unit, time elements), ISA-18.2 / IEC 62682 (alarms), ISO 50006 (energy baselines).
"""

from datetime import date, datetime, time
from enum import IntEnum, StrEnum

import msgspec


class WorkUnit(msgspec.Struct, frozen=True, kw_only=True):
    """What a person has said of a machine as a work unit (ISO 22400-1); its id is derived from the resource's."""

    id: str
    resource: str
    calendar: str = ""
    """The ShiftCalendar it works by; empty = all time is planned."""
    planned_item_s: float = 0.0
    """PRI: planned run time per item, in the machine's own time; 0 = taken from its runs."""
    input_kg: float = 0.0
    """Material that goes into one part; 0 = not stated."""
    product_kg: float = 0.0
    """Material of one good part; 0 = not stated."""
    is_main_meter: bool = False
    """True where its energy is that of the whole plant."""


class Shift(msgspec.Struct, frozen=True, kw_only=True):
    """One shift, in local time; one that ends at or before its start ends on the next day."""

    name: str
    start: time
    end: time
    days: tuple[int, ...] = (0, 1, 2, 3, 4)
    """Days it starts on: 0 is Monday."""
    breaks: tuple[tuple[time, time], ...] = ()


class ShiftCalendar(msgspec.Struct, frozen=True, kw_only=True):
    """When people plan to work, in one time zone; days in `closed` have no shift."""

    id: str
    name: str
    zone: str
    """IANA name, such as Europe/Berlin."""
    shifts: tuple[Shift, ...]
    closed: tuple[date, ...] = ()


class StopKind(StrEnum):
    """Which time element a stop belongs to (ISO 22400-2)."""

    DELAY = "delay"
    """Unplanned: ADET."""
    SETUP = "setup"
    """Actual unit setup time: AUST."""
    PLANNED = "planned"
    """Planned downtime: out of the planned busy time."""


REASONS: dict[str, StopKind] = {
    "breakdown": StopKind.DELAY,
    "tool-change": StopKind.DELAY,
    "no-material": StopKind.DELAY,
    "no-operator": StopKind.DELAY,
    "no-order": StopKind.PLANNED,
    "quality-problem": StopKind.DELAY,
    "program": StopKind.DELAY,
    "waiting": StopKind.DELAY,
    "cleaning": StopKind.PLANNED,
    "maintenance": StopKind.PLANNED,
    "break": StopKind.PLANNED,
    "setup": StopKind.SETUP,
    "other-stop": StopKind.DELAY,
}
"""Why a machine stands: the reason a person picks, and the element its time belongs to."""


class Stop(msgspec.Struct, frozen=True, kw_only=True):
    """Why a machine stood, as a person said it; the id is derived from the machine and the stop's beginning."""

    id: str
    resource: str
    start: datetime
    end: datetime
    reason: str
    """A key of REASONS."""
    note: str = ""
    by: str
    at: datetime


class Priority(IntEnum):
    """How soon somebody must act (ISA-18.2: few high, most low)."""

    LOW = 1
    MEDIUM = 2
    HIGH = 3


class Condition(StrEnum):
    """What an alarm watches."""

    ABOVE = "above"
    BELOW = "below"
    STATE = "state"
    """A text signal says one of some words."""
    STALE = "stale"
    """A signal, or a whole machine, has not been heard for a time, or its link is down."""


class AlarmRule(msgspec.Struct, frozen=True, kw_only=True):
    """One alarm as a person or the node defined it: what, how sure, how urgent, what to do."""

    id: str
    name: str
    resource: str
    signal: str = ""
    """Empty = the machine as a whole (condition `stale` only)."""
    condition: Condition
    limit: float = 0.0
    """In the signal's unit; for `stale` in seconds, where 0 means that only a lost link raises it."""
    words: tuple[str, ...] = ()
    """For `state`: the words that raise it."""
    deadband: float = 0.0
    """How far behind the limit the value must be for the alarm to return, in the signal's unit."""
    on_delay_s: float = 0.0
    off_delay_s: float = 0.0
    priority: Priority = Priority.MEDIUM
    consequence: str = ""
    """What happens if nobody acts."""
    action: str = ""
    """What the operator is to do."""
    suppressed_in: tuple[str, ...] = ()
    """Execution states of the machine by whose design the alarm is silent."""
    is_automatic: bool = False
    """True where the node made the rule by itself."""
    by: str = "node"
    at: datetime


class AlarmState(StrEnum):
    """Where an alarm stands (ISA-18.2, 5.3)."""

    NORMAL = "normal"
    UNACKNOWLEDGED = "unacknowledged"
    """Active, seen by nobody."""
    ACKNOWLEDGED = "acknowledged"
    """Active, seen."""
    RETURNED = "returned"
    """No longer active, seen by nobody."""
    SHELVED = "shelved"
    SUPPRESSED = "suppressed"
    """Silent by design."""
    OUT_OF_SERVICE = "out-of-service"


class Alarm(msgspec.Struct, frozen=True, kw_only=True):
    """One alarm as it stands; its id is derived from its rule's."""

    id: str
    rule: str
    resource: str
    state: AlarmState = AlarmState.NORMAL
    is_active: bool = False
    """The condition holds, whatever the state."""
    is_acknowledged: bool = True
    priority: Priority = Priority.MEDIUM
    changed_at: datetime
    active_since: datetime | None = None
    value: str = ""
    """What the signal said when it was raised."""
    raised: int = 0
    """How often it was raised since the rule exists."""
    recent: tuple[datetime, ...] = ()
    """When it was raised lately; three within a minute is chattering."""
    is_chattering: bool = False
    """Held active until it has been quiet, so that it is not raised again and again."""
    acknowledged_by: str = ""
    acknowledged_at: datetime | None = None
    shelved_by: str = ""
    shelved_at: datetime | None = None
    shelved_until: datetime | None = None
    reason: str = ""
    """Why it was shelved or taken out of service."""


class Baseline(msgspec.Struct, frozen=True, kw_only=True):
    """An energy (or water) baseline, frozen: use = intercept + Σ coefficient × driver (ISO 50006)."""

    id: str
    name: str
    resource: str
    quantity: str
    """energy or water."""
    unit: str
    version: int
    drivers: tuple[str, ...]
    coefficients: tuple[float, ...]
    """Intercept first."""
    ranges: tuple[tuple[float, float], ...]
    """Of each driver while it was learnt; outside them the baseline says nothing."""
    step_s: float
    """Length of one interval."""
    intervals: int
    r2: float
    sigma: float
    """Standard deviation of one interval's residual."""
    start: datetime
    end: datetime
    by: str
    at: datetime


class SpcChart(msgspec.Struct, frozen=True, kw_only=True):
    """One control chart: what is charted, by which rules, and its frozen limits (phase II) where there are any."""

    id: str
    name: str
    resource: str
    signal: str = ""
    characteristic: str = ""
    """Of inspections, where it charts measurements and not a signal."""
    statistic: str = "mean"
    """mean, high, low or last of a signal within one part's cycle."""
    kind: str = "i-mr"
    """i-mr, xbar-r, xbar-s, ewma, cusum."""
    subgroup: int = 1
    rules: tuple[str, ...] = ("we-1", "we-2", "we-3", "we-4")
    lower: float | None = None
    upper: float | None = None
    """Specification limits."""
    centre: float | None = None
    sigma: float | None = None
    """Frozen: the short-term deviation of single values."""
    frozen_at: datetime | None = None
    by: str
    at: datetime


class Normal(msgspec.Struct, frozen=True, kw_only=True):
    """What is usual for one signal, per execution state, as learnt from its history; the id is the signal's."""

    id: str
    resource: str
    states: dict[str, tuple[float, float, float, float, int]]
    """State → median, robust deviation (1.4826 MAD), lowest and highest hundredth, number of minutes."""
    start: datetime
    end: datetime
    at: datetime


class Comparison(msgspec.Struct, frozen=True, kw_only=True):
    """A change at a machine, and what it did to a figure."""

    id: str
    name: str
    resource: str
    figure: str
    """cycle-time, energy-per-part or a signal's id."""
    unit: str
    change_at: datetime
    before: tuple[datetime, datetime]
    after: tuple[datetime, datetime]
    counts: tuple[int, int]
    """Parts (or intervals) before and after."""
    means: tuple[float, float]
    difference: float
    interval: tuple[float, float]
    """In which the difference lies with the confidence given."""
    confidence: float
    method: str
    held_equal: tuple[str, ...]
    """What was the same before and after."""
    by: str
    at: datetime


class ShiftFigures(msgspec.Struct, frozen=True, kw_only=True):
    """One machine's figures of one closed shift; late readings correct it, and it counts how often."""

    id: str
    resource: str
    shift: str
    start: datetime
    end: datetime
    elements: dict[str, float]
    """ISO 22400-2 elements; they add up over machines and shifts."""
    energy_kwh: float | None
    water_l: float | None
    coverage: float
    mark: int
    """Everything the historian had been given up to this sequence is in these figures."""
    revision: int = 0
    """How often late readings corrected them."""
    at: datetime


class SavedView(msgspec.Struct, frozen=True, kw_only=True):
    """An address of the portal somebody gave a name, with its filters and range."""

    id: str
    name: str
    address: str
    owner: str
    is_shared: bool = False
    at: datetime
