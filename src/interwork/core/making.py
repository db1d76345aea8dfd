"""Orders, runs and what proves them."""

from datetime import datetime
from enum import StrEnum
from typing import Any

import msgspec

from interwork.core.exchange import Side
from interwork.core.part.plan import Setting, SettingRun


class OrderState(StrEnum):
    """Where an order stands, the same word at both ends."""

    PLACED = "PLACED"
    ACCEPTED = "ACCEPTED"
    REFUSED = "REFUSED"
    IN_WORK = "IN_WORK"
    DONE = "DONE"
    CANCELLED = "CANCELLED"


class Order(msgspec.Struct, frozen=True, kw_only=True):
    """One provider's share of a plan; both ends hold it under the same id."""

    id: str
    side: Side
    job: str
    """The requester's job; the provider only carries it."""
    need: str
    plan: str
    agreement: str
    """The capacity agreement it was placed under."""
    provider: str
    consumer: str
    peer_name: str
    part: str
    """What is made, in words."""
    material: str
    quantity: int
    design_dataset: str
    """Where the provider gets the design, under an agreement of its own."""
    design_name: str = ""
    """The design's file name, as the requester calls it."""
    design_digest: str = ""
    """Names its content; empty = not told, and not fetched yet."""
    revision: str
    lines: tuple["OrderLine", ...]
    price_eur: float
    state: OrderState
    placed_at: datetime
    readings_dataset: str = ""
    """Where the requester gets the readings, under an agreement of its own."""
    reason: str = ""


class OrderLine(msgspec.Struct, frozen=True, kw_only=True):
    """One assignment of the plan, as ordered."""

    assignment: str
    operation: str
    operation_name: str
    process: str
    lot: int
    quantity: int
    resource: str
    resource_name: str = ""
    start: datetime
    end: datetime
    unit_s: float
    unit_energy_kwh: float
    setup_s: float = 0.0
    setup_energy_kwh: float = 0.0
    price_eur: float = 0.0
    after: tuple[str, ...] = ()
    """Assignments that must be done first, possibly at another provider."""
    tolerance_mm: float | None = None
    box_mm: tuple[float, float, float] | None = None
    settings: tuple[Setting, ...] = ()
    """What the plan's people or trials found good to set; empty = left to the shop."""


class RunState(StrEnum):
    """Where a run stands."""

    PLANNED = "PLANNED"
    """Waits for an operation before it, or for the design to arrive."""
    RELEASED = "RELEASED"
    """Somebody may start it."""
    STARTED = "STARTED"
    MADE = "MADE"
    """The machine has counted the parts; inspection is awaited."""
    COMPLETED = "COMPLETED"
    FAILED = "FAILED"
    CANCELLED = "CANCELLED"
    """Given back before anybody started it."""


class Run(msgspec.Struct, frozen=True, kw_only=True):
    """An operation executed on a resource, under an agreement (PROV activity)."""

    id: str
    order: str
    assignment: str
    operation_name: str
    process: str
    resource: str
    quantity: int
    state: RunState
    after: tuple[str, ...] = ()
    """Assignments to wait for."""
    setup_s: float = 0.0
    unit_s: float = 0.0
    unit_energy_kwh: float = 0.0
    setup_energy_kwh: float = 0.0
    tolerance_mm: float | None = None
    box_mm: tuple[float, float, float] | None = None
    released_at: datetime | None = None
    started_at: datetime | None = None
    ended_at: datetime | None = None
    count_at_start: float | None = None
    energy_at_start_kwh: float | None = None
    good: int = 0
    scrap: int = 0
    energy_kwh: float | None = None
    is_simulated: bool = False
    time_scale: float = 1.0
    program: str = ""
    note: str = ""
    settings: tuple[Setting, ...] = ()
    """What the machine is to be set to; empty = left to whoever does it."""


class Measurement(msgspec.Struct, frozen=True, kw_only=True):
    """One characteristic measured on one part, in mm (QIF: characteristic item and measurement)."""

    characteristic: str
    part: int
    nominal_mm: float
    lower_mm: float
    upper_mm: float
    actual_mm: float

    def is_within(self) -> bool:
        """Tell whether the actual value is inside its limits."""
        return self.lower_mm <= self.actual_mm <= self.upper_mm


class Inspection(msgspec.Struct, frozen=True, kw_only=True):
    """Inspection results of a run."""

    id: str
    run: str
    inspector: str
    instrument: str
    at: datetime
    measurements: tuple[Measurement, ...]
    is_simulated: bool = False


class Evidence(msgspec.Struct, frozen=True, kw_only=True):
    """Facts about a run, computed by its provider from readings and inspection, signed, content-addressed."""

    id: str
    """Derived from the digest of the facts."""
    run: str
    order: str
    job: str
    provider: str
    provider_name: str
    resource: str
    resource_name: str
    operation_name: str
    started_at: datetime
    ended_at: datetime
    quantity: int
    good: int
    scrap: int
    planned_energy_kwh: float
    energy_kwh: float | None
    """None = not metered."""
    planned_s: float
    """Planned time with set-up, in the machine's own time."""
    observed_s: float
    """Observed time at work (execution ACTIVE; from start to end where no signal tells), in the machine's own time."""
    readings: int
    coverage: float
    """Share of the run for which the execution signal was good."""
    inspection: Inspection | None
    cpk: float | None
    is_simulated: bool
    time_scale: float
    digest: str
    signature: str
    """JWS (detached payload = the digest) by the provider's key."""
    due: datetime | None = None
    settings: tuple[SettingRun, ...] = ()
    """The order's settings as planned and as run; not part of the digest where there are none."""


class JobStep(StrEnum):
    """The arrows of the thread line; a job's `step` is the next one to do."""

    DESIGN = "design"
    PROCESS_PLAN = "process-plan"
    NEED = "need"
    SEARCH = "search"
    MATCH = "match"
    QUOTE = "quote"
    PLAN = "plan"
    AGREE = "agree"
    ORDER = "order"
    MAKE = "make"
    EVIDENCE = "evidence"
    LEARN = "learn"
    DONE = "done"


class Job(msgspec.Struct, frozen=True, kw_only=True):
    """One `make`: the story's state, saved before each next arrow, so that a crash resumes at the last one."""

    id: str
    title: str
    owner: str
    step: JobStep
    state: str = "running"
    """running, waiting (for a machine or a peer), done, failed."""
    revision: str
    material: str
    quantity: int
    due: datetime
    tolerance_mm: float
    project: str = ""
    process_plan: str = ""
    need: str = ""
    quotes: tuple[str, ...] = ()
    plan: str = ""
    orders: tuple[str, ...] = ()
    evidence: tuple[str, ...] = ()
    message: str = ""
    remedy: str = ""
    created_at: datetime
    updated_at: datetime
    log: tuple["JobEntry", ...] = ()
    facts: dict[str, Any] = {}
    """Small figures for the summary, each computed from the records named in the same step."""


class JobEntry(msgspec.Struct, frozen=True, kw_only=True):
    """One finished arrow."""

    step: JobStep
    at: datetime
    seconds: float
    message: str


class Parameter(msgspec.Struct, frozen=True, kw_only=True):
    """A setting that may be varied."""

    name: str
    low: float
    high: float
    unit: str = ""
    """UCUM code."""
    step: float = 0.0
    """0 = continuous; else only low + k · step is asked for."""


class Limit(msgspec.Struct, frozen=True, kw_only=True):
    """A linear limit on settings: sum of factor · setting is at most `most`."""

    factors: dict[str, float]
    most: float


class Goal(msgspec.Struct, frozen=True, kw_only=True):
    """A measured quantity that is to be small, or large, or near a target, and how much it counts."""

    name: str
    is_maximised: bool = False
    best: float | None = None
    """Desirability 1 is reached here; needed where there is more than one goal."""
    worst: float | None = None
    """Desirability 0 from here on; a measured value beyond it makes a trial unacceptable."""
    weight: float = 1.0


class Trial(msgspec.Struct, frozen=True, kw_only=True):
    """Settings that were asked for, and what was measured; empty while it is awaited."""

    number: int
    settings: dict[str, float]
    measured: dict[str, float] = {}
    note: str = ""
    run: str = ""
    """The run whose inspection and energy told it; empty where a person typed it."""
    at: datetime | None = None


class Campaign(msgspec.Struct, frozen=True, kw_only=True):
    """One search for good settings, whole: what it is after and what was tried."""

    id: str
    title: str
    parameters: tuple[Parameter, ...]
    goals: tuple[Goal, ...]
    limits: tuple[Limit, ...] = ()
    first: int = 0
    """How many trials are spread evenly before the process leads; 0 = twice the number of parameters, at least 4."""
    seed: int = 1
    trials: tuple[Trial, ...] = ()
    process_plan: str = ""
    """The plan whose settings are searched; empty = none in particular."""
    by: str = ""
    created_at: datetime | None = None
    chosen: int = 0
    """The trial whose settings were decided on; 0 = none yet."""
    decision: str = ""
    is_simulated: bool = False

    @property
    def pending(self) -> tuple[Trial, ...]:
        """List what was asked for and not yet told."""
        return tuple(one for one in self.trials if not one.measured)


class MeasuredSeries(msgspec.Struct, frozen=True, kw_only=True):
    """One characteristic as it was measured on many parts, in the order of measuring."""

    characteristic: str
    name: str
    kind: str
    nominal: float | None = None
    lower: float | None = None
    """Limit of the value itself; None = there is none on this side."""
    upper: float | None = None
    unit: str = "mm"
    parts: tuple[str, ...]
    values: tuple[float, ...]
    is_simulated: bool = False
    """Whether some of it was measured on simulated machines."""


class QualityRecord(msgspec.Struct, frozen=True, kw_only=True):
    """Inspection results as a file (QIF) brought them; the file itself is kept under its digest."""

    id: str
    """Derived from the file's digest: the same results twice are one record."""
    digest: str
    file_name: str
    revision: str = ""
    """The design revision that was measured, where somebody named it."""
    product: str = ""
    application: str = ""
    series: tuple[MeasuredSeries, ...]
    by: str
    at: datetime


class GaugeStudy(msgspec.Struct, frozen=True, kw_only=True):
    """A crossed gauge study: every operator measures every part as often (AIAG MSA)."""

    id: str
    name: str
    unit: str
    tolerance: float | None = None
    """Width of the tolerance the gauge is used for; None = not judged against one."""
    readings: tuple[tuple[tuple[float, ...], ...], ...]
    """Operator, part, repeat."""
    by: str
    at: datetime
    people: tuple[str, ...] = ()
    """Who the operators were; empty = not told."""
    pieces: tuple[str, ...] = ()
    """What the parts are called; empty = not told."""


class NonconformanceState(StrEnum):
    """How far a nonconformance is worked off (ISO 9001, 10.2)."""

    OPEN = "open"
    CONTAINED = "contained"
    """What is affected is set apart."""
    ANALYSED = "analysed"
    """The cause is known."""
    CORRECTED = "corrected"
    """The corrective action is carried out."""
    CLOSED = "closed"
    """It was verified that the action works."""


class NonconformanceStep(msgspec.Struct, frozen=True, kw_only=True):
    """One step of working it off."""

    state: NonconformanceState
    text: str
    by: str
    at: datetime


class Nonconformance(msgspec.Struct, frozen=True, kw_only=True):
    """Something that is not as required, and the corrective action it led to."""

    id: str
    what: str
    characteristic: str = ""
    found_in: str = ""
    """The quality record, inspection or run it was found in."""
    revision: str = ""
    part: str = ""
    value: float | None = None
    lower: float | None = None
    upper: float | None = None
    unit: str = ""
    disposition: str = ""
    """What becomes of the parts: `use-as-is`, `rework`, `repair`, `scrap` or `return`."""
    cause: str = ""
    action: str = ""
    state: NonconformanceState
    log: tuple[NonconformanceStep, ...]
    at: datetime
