"""What a person hands in: drafts of charts, comparisons, baselines, calendars and work units, read strictly."""

from datetime import date, datetime

import msgspec

from interwork.stream.insight import WESTERN_ELECTRIC


class ChartDraft(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """A control chart: of a signal per part, or of a characteristic measured on a machine's parts."""

    name: str = ""
    resource: str = ""
    signal: str = ""
    characteristic: str = ""
    statistic: str = "mean"
    kind: str = "i-mr"
    subgroup: int = 1
    rules: tuple[str, ...] = WESTERN_ELECTRIC
    lower: float | None = None
    upper: float | None = None


class ChangeDraft(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """A change made at a machine, and the figure it is judged by."""

    name: str
    resource: str
    figure: str = "cycle-time"
    """cycle-time, energy-per-part, or a signal's id."""
    start: datetime
    change_at: datetime
    end: datetime
    confidence: float = 0.95


class BaselineDraft(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """A baseline to learn from a machine's past: its use by what drove it."""

    name: str
    resource: str
    quantity: str = "energy"
    """energy or water."""
    start: datetime
    end: datetime
    step_s: float = 3600.0
    drivers: tuple[str, ...] = ("parts",)
    """parts, active (seconds of production), or ids of signals (their mean per interval)."""


class ShiftDraft(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """One shift; times of day as people write them, 06:00 or 06:00:00."""

    name: str
    start: str
    end: str
    days: tuple[int, ...] = (0, 1, 2, 3, 4)
    breaks: tuple[tuple[str, str], ...] = ()


class CalendarDraft(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """A shift calendar, and the machines that work by it (none named = all of this node)."""

    name: str
    zone: str
    shifts: tuple[ShiftDraft, ...]
    closed: tuple[date, ...] = ()
    resources: tuple[str, ...] = ()


class UnitDraft(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """What is said of a machine as a work unit; what is left out stays as it is."""

    calendar: str | None = None
    planned_item_s: float | None = None
    input_kg: float | None = None
    product_kg: float | None = None
    is_main_meter: bool | None = None


class CommentDraft(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """What somebody says who saw an alarm."""

    comment: str = ""


class StopDraft(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """Why a machine stood."""

    start: datetime
    end: datetime
    reason: str
    note: str = ""


class ShelfDraft(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """For how long an alarm is put aside, and why."""

    hours: float
    reason: str
