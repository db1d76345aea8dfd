"""How a part is made: requirements, operations, findings, estimates, inspection, plans and templates."""

import re
from datetime import datetime

import msgspec

PART_OF_NAME = 4
"""A setting's name of at least so many letters may be a part of the machine's own name: «feed» in `FeedRate`."""


class Requirement(msgspec.Struct, frozen=True, kw_only=True):
    """One typed condition an operation sets: `name` is a field of Capability or Need."""

    name: str
    """`process`, `material`, `envelope_mm`, `tolerance_mm`, `axes`, `mass_kg`, `certificate`."""
    value: str | float | tuple[float, float, float]
    source: str = ""
    """Where it comes from: measured on the geometry, typed by a person, or a default."""


class Setting(msgspec.Struct, frozen=True, kw_only=True):
    """What a machine is set to for an operation."""

    name: str
    value: float
    unit: str = ""
    """UCUM code."""

    def is_called(self, name: str) -> bool:
        """Tell whether a machine's own name for a variable means this setting: «feed rate» is `FeedRate`."""
        mine, theirs = (re.sub(r"[\W_]", "", one).lower() for one in (self.name, name))
        return bool(mine) and (mine == theirs or (len(mine) >= PART_OF_NAME and mine in theirs))


class SettingRun(msgspec.Struct, frozen=True, kw_only=True):
    """A setting as planned and as the machine told it while it ran, both in the setting's own unit."""

    name: str
    unit: str
    planned: float
    likely: float | None = None
    """Median over the time at work; None = no signal of the machine tells it."""
    low: float | None = None
    high: float | None = None
    signal: str = ""
    """The machine's name for it."""


class Operation(msgspec.Struct, frozen=True, kw_only=True):
    """One step of a process plan (ISA-95 operation segment): what it demands, not who does it."""

    id: str
    name: str
    process: str
    after: tuple[str, ...] = ()
    """Ids of the operations before it."""
    requirements: tuple[Requirement, ...] = ()
    removal_mm3: float = 0.0
    """Material to remove per part."""
    machining_s: float = 0.0
    """Likely time per part on the reference machine, without handling."""
    machining_low_s: float = 0.0
    machining_high_s: float = 0.0
    basis: str = ""
    """How the time was estimated."""
    energy_kwh: tuple[float, float, float] = (0.0, 0.0, 0.0)
    """Low, likely and high per part."""
    drafted_s: float | None = None
    """The drafted time, where a person changed it."""
    calibration: float = 1.0
    """Actual over estimated time of finished runs, as already in the times here."""
    settings: tuple[Setting, ...] = ()
    """What people or trials found good to set; empty = left to whoever does it."""


class Finding(msgspec.Struct, frozen=True, kw_only=True):
    """One rule that a part breaks, or that could not be checked."""

    rule: str
    text: str
    value: float | None = None
    limit: float | None = None
    unit: str = ""
    limit_of: str = "default"
    """Whose limit it was: `default`, or the machine of the shop that states its own."""
    at: tuple[float, float, float] | None = None
    """Where, in the part's own axes."""
    severity: str = "warn"
    """`warn`, `unverified` or `note`."""


class Estimate(msgspec.Struct, frozen=True, kw_only=True):
    """A quantity as a range with what it rests on."""

    what: str
    """`time-part`, `time-lot`, `material`, `energy-part`."""
    low: float
    likely: float
    high: float
    unit: str
    basis: str


class InspectionItem(msgspec.Struct, frozen=True, kw_only=True):
    """One characteristic of the inspection plan (QIF: characteristic item with its measurement device)."""

    characteristic: str
    name: str
    kind: str
    nominal: float | None = None
    lower: float | None = None
    upper: float | None = None
    unit: str = "mm"
    instrument: str = ""
    uncertainty: float | None = None
    """Largest uncertainty the instrument may have: a fifth of the width."""
    source: str = ""


class PlanTime(msgspec.Struct, frozen=True, kw_only=True):
    """How the estimates of one process compare with finished runs."""

    process: str
    resource: str = ""
    """Empty = over all resources."""
    resource_name: str = ""
    low: float
    likely: float
    high: float
    """Actual over estimated: 10th percentile, median, 90th percentile."""
    runs: int
    is_simulated: bool = False


class ProcessPlan(msgspec.Struct, frozen=True, kw_only=True):
    """How a revision is made: operations with precedence and required capability."""

    id: str
    revision: str
    process_class: str
    """`milled`, `turned`, `sheet` or `printed`."""
    reasons: tuple[str, ...]
    material: str
    quantity: int
    stock_mm: tuple[float, float, float]
    part_mass_kg: float
    stock_mass_kg: float
    operations: tuple[Operation, ...]
    findings: tuple[str, ...] = ()
    """What may trouble the shop, with the rule and the number."""
    created_at: datetime
    found: tuple[Finding, ...] = ()
    """The same, field by field."""
    estimates: tuple[Estimate, ...] = ()
    inspection: tuple[InspectionItem, ...] = ()
    tolerance_mm: float = 0.0
    version: int = 1
    supersedes: str = ""
    """The version a person changed; empty for a draft."""
    changed_by: str = ""
    why: str = ""
    changes: tuple[str, ...] = ()
    """What was changed against it, one sentence each."""
    template: str = ""
    """The template it was made from."""


class TemplateStep(msgspec.Struct, frozen=True, kw_only=True):
    """One step of a template: taken from the new part's draft where that has it, else as it was."""

    name: str
    process: str
    turn: int
    """Which of the draft's operations of that process, from 0; -1 = added by a person."""
    factor: float = 1.0
    """A person's time over the drafted time."""
    fixed_s: float = 0.0
    """Seconds per part of a step that a person added."""
    requirements: tuple[Requirement, ...] = ()
    """What a person demands here, above what is measured."""
    why: str = ""


class PlanTemplate(msgspec.Struct, frozen=True, kw_only=True):
    """How somebody makes parts of a kind, to be used again: know-how, captured from an edited plan."""

    id: str
    name: str
    process_class: str
    steps: tuple[TemplateStep, ...]
    made_from: str
    """The process plan it was taken from."""
    by: str
    why: str = ""
    created_at: datetime
