"""What is there: resources, facets, capabilities, signals, readings, and the blueprint they came in under."""

from array import array
from dataclasses import dataclass, field
from datetime import datetime
from enum import StrEnum
from typing import Any

import msgspec

from interwork.core.blueprint import Blueprint as Blueprint
from interwork.core.blueprint import Keeping, TrafficClass
from interwork.core.organisation import Place


class ResourceKind(StrEnum):
    """Anything with a self-description."""

    MACHINE = "machine"
    INSTRUMENT = "instrument"
    MATERIAL = "material"
    MODEL = "model"
    DATASET = "dataset"
    EXPERT = "expert"
    COURSE = "course"
    FUND = "fund"
    DESIGN = "design"


class Capability(msgspec.Struct, frozen=True, kw_only=True):
    """What a resource can do, with ranges (IDTA 02020 capability description)."""

    process: str
    """A term of `core.taxonomy.PROCESSES`, such as `milling` or `inspection`."""
    materials: tuple[str, ...] = ()
    """Material ids of `core.taxonomy.MATERIALS`, or family names; empty = not stated."""
    envelope_mm: tuple[float, float, float] | None = None
    tolerance_mm: float | None = None
    """The finest tolerance it holds."""
    axes: int | None = None
    max_mass_kg: float | None = None
    certificates: tuple[str, ...] = ()
    """Such as `ISO 9001:2015`; with its last day where it ends: `AS9100 until 2027-03-01`."""
    limits: dict[str, float] = {}
    """The shop's own limits for manufacturability, by the rules of the design craft, such as `min_wall_mm`."""


class Rates(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """How a resource's work is estimated and priced, in euro; stays at its owner, leaves only as a quote."""

    setup_s: float
    setup_price_eur: float
    hourly_price_eur: float
    removal_mm3_s: float = 100.0
    """Material removal rate in the reference aluminium; scaled by the material's machinability."""
    handling_s: float = 45.0
    """Load and unload per part."""
    base_power_kw: float = 1.0
    cutting_power_kw: float = 4.0
    co2_kg_per_kwh: float = 0.3
    water_l_per_h: float = 0.0


class Resource(msgspec.Struct, frozen=True, kw_only=True):
    """A thing with a self-description; an AAS asset with its shell."""

    id: str
    name: str
    kind: ResourceKind
    owner: str
    """The organisation's id."""
    place: Place = Place()
    maker: str = ""
    model: str = ""
    serial: str = ""
    is_simulated: bool = False
    time_scale: float = 1.0
    """Simulated seconds per real second; 1 for a real machine."""
    capabilities: tuple[Capability, ...] = ()
    rates: Rates | None = None
    endpoint: str = ""
    """Where its signals come from, as a URI whose scheme names the protocol; empty = unconnected."""
    options: dict[str, Any] = {}
    """What the connector needs beside the endpoint (unit id, register map, device name)."""
    closed: tuple[tuple[datetime, datetime], ...] = ()
    """When it cannot be used."""
    is_disabled: bool = False
    """A person switched its connection off."""


class Facet(msgspec.Struct, frozen=True, kw_only=True):
    """One aspect of a resource (an AAS submodel): nameplate, technical data, capability, time series."""

    id: str
    resource: str
    name: str
    semantic_id: str
    values: dict[str, Any]


class Meaning(StrEnum):
    """What a signal tells, so that any vendor's machine can be read the same way."""

    EXECUTION = "execution"
    """Text: ACTIVE, READY, STOPPED, FAULT, UNAVAILABLE (MTConnect's words, every vendor mapped to them)."""
    PART_COUNT = "part-count"
    POWER = "power"
    ENERGY = "energy"
    SPINDLE_SPEED = "spindle-speed"
    SPINDLE_LOAD = "spindle-load"
    FEED_RATE = "feed-rate"
    TEMPERATURE = "temperature"
    COOLANT_LEVEL = "coolant-level"
    TOOL_WEAR = "tool-wear"
    WATER = "water"
    ALARM = "alarm"
    PROGRAM = "program"
    OTHER = "other"


class Signal(msgspec.Struct, frozen=True, kw_only=True):
    """One live variable of a resource, with a unit and a meaning."""

    id: str
    number: int
    """A small whole number unique at this node; what the columns carry."""
    resource: str
    name: str
    address: str
    """Where the connector finds it: a node id, a metric name, a data item id, a register."""
    unit: str = ""
    """UCUM code."""
    meaning: Meaning = Meaning.OTHER
    is_text: bool = False
    deadband: float = 0.0
    """Absolute change below which a reading is not kept; 0 keeps every change."""
    keeping: Keeping = Keeping.DEADBAND
    period_s: float = 1.0
    """Length of a period where lowest, highest, mean and last are kept."""
    priority: TrafficClass | None = None
    """Said by a person; None = by its meaning."""
    is_read: bool = True
    """False for one that the person who connected the machine left out."""


GOOD = 0x0000_0000
UNCERTAIN_LAST_USABLE = 0x4090_0000
BAD_NO_COMMUNICATION = 0x8031_0000
BAD_NO_DATA = 0x809B_0000
BAD_DEVICE_FAILURE = 0x808B_0000


def is_good(quality: int) -> bool:
    """Tell whether an OPC UA status code (Part 4, 7.39) has severity Good: its two top bits are 0."""
    return quality >> 30 == 0


@dataclass(frozen=True, slots=True, kw_only=True)
class Batch:
    """Readings in columns of equal length; never an object per reading.

    `signal` holds Signal.number (C int), `time_us` microseconds since 1970 UTC at the source (C long long),
    `value` doubles (NaN where the reading is a text), `quality` OPC UA status codes (C unsigned int).
    `text` is either empty (no text in the batch) or of the same length with None for numbers.
    """

    signal: "array[int]"
    time_us: "array[int]"
    value: "array[float]"
    quality: "array[int]"
    text: list[str | None] = field(default_factory=list)
    is_historical: bool = False
    """True where all are old news, sent after the fact: for the history, never for the live state."""

    def __len__(self) -> int:
        """Count the readings."""
        return len(self.signal)


class BatchBuilder:
    """Collects readings one by one into columns; connectors whose wire is not columnar use it."""

    __slots__ = ("_quality", "_signal", "_text", "_time_us", "_value")

    def __init__(self) -> None:
        self._clear()

    def _clear(self) -> None:
        self._signal: array[int] = array("i")
        self._time_us: array[int] = array("q")
        self._value: array[float] = array("d")
        self._quality: array[int] = array("I")
        self._text: list[str | None] = []

    def __len__(self) -> int:
        """Count the readings collected so far."""
        return len(self._signal)

    def add(self, signal: int, time_us: int, value: float | str | None, quality: int = GOOD) -> None:
        """Add one reading; a str goes to the text column, None means no value (NaN)."""
        if isinstance(value, str):
            if not self._text:
                self._text = [None] * len(self._signal)
            self._text.append(value)
            number = float("nan")
        else:
            if self._text:
                self._text.append(None)
            number = float("nan") if value is None else float(value)
        self._signal.append(signal)
        self._time_us.append(time_us)
        self._value.append(number)
        self._quality.append(quality)

    def extend(self, signal: list[int], time_us: list[int], value: list[float]) -> None:
        """Add good numbers in columns of one length: several times faster than one by one."""
        if self._text:
            self._text.extend([None] * len(signal))
        self._signal.extend(signal)
        self._time_us.extend(time_us)
        self._value.extend(value)
        self._quality.frombytes(bytes(self._quality.itemsize * len(signal)))

    def take(self, *, is_historical: bool = False) -> Batch:
        """Hand over what was collected and start anew."""
        batch = Batch(
            signal=self._signal,
            time_us=self._time_us,
            value=self._value,
            quality=self._quality,
            text=self._text,
            is_historical=is_historical,
        )
        self._clear()
        return batch
