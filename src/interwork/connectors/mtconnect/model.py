"""What an MTConnect agent says, however it was written down: data items, headers, observations, assets. Pure.

The XML and the JSON reader both give these. A meaning is proposed from the standard's types first, from the maker's
names second.
"""

import math
from collections import Counter
from collections.abc import Mapping, Sequence
from datetime import UTC, datetime
from functools import lru_cache

import msgspec

from interwork.connectors import Found
from interwork.connectors.naming import meaning_of, short_names, unit_code
from interwork.core.errors import MachineUnreachable
from interwork.core.resource import Meaning

MAX_DOCUMENT = 32 * 1024 * 1024
"""Most octets of one document; a whole test bed's 10,000 observations take 1.6 MB."""

LATEST_US = 4_102_444_800_000_000
"""2100-01-01: a later time stamp is a fault of the machine's clock, as is one before 1970."""

_NUMERIC_EVENTS = frozenset({"PART_COUNT", "LINE_NUMBER", "TOOL_OFFSET", "CYCLE_COUNT"})

AGENT = "Agent"
DEVICES = ("Device", AGENT)
"""What data items belong to in the end; an agent of 1.7 and newer describes itself beside its devices."""

Cells = dict[str, str | dict[str, str] | None]
"""Entries of a set: a text, a row of cells, or None for an entry that was removed."""


class MalformedDocument(MachineUnreachable):
    """What answers is no MTConnect agent, or its document is broken."""


class DataItem(msgspec.Struct, frozen=True, kw_only=True):
    """One data item of the device model."""

    found: Found
    category: str
    type: str
    representation: str
    sample_rate: float


class Header(msgspec.Struct, frozen=True, kw_only=True):
    """Where a stream document stands in the agent's buffer."""

    instance: str
    next_sequence: int
    first_sequence: int
    buffer_size: int
    created_us: int = 0
    """When the agent wrote it, microseconds since 1970; 0 where it does not say."""
    model_changed: str = ""
    """The header's deviceModelChangeTime (MTConnect Part 1, 2.0): another one means another device model."""


class Detail(msgspec.Struct, frozen=True, kw_only=True):
    """What an observation says beyond one value: a condition, the entries of a set, a series' rate."""

    level: str = ""
    code: str = ""
    """What tells one active condition of a data item from another: its id or the maker's code."""
    entries: Cells | None = None
    is_reset: bool = False
    """The set starts anew with these entries."""
    rate: float = 0.0
    count: int | None = None
    """How many values a time series says it has."""


Seen = tuple[int, str, str, str, Detail | None]
"""One observation: sequence, data item id, time stamp as sent, text, and what it says beyond."""


class AgentError(msgspec.Struct, frozen=True, kw_only=True):
    """What the agent refused a request with."""

    code: str
    text: str


class Assets(msgspec.Struct, frozen=True, kw_only=True):
    """What an agent's /assets tells: how many it keeps and which one changed last."""

    count: int
    newest: str
    """Type and id of the asset with the latest time stamp; empty where there is none."""
    newest_us: int


@lru_cache(maxsize=4096)
def moment_us(text: str) -> int:
    """Read an MTConnect time stamp as microseconds since 1970 (UTC where it names no zone); 0 where it cannot be."""
    try:
        moment = datetime.fromisoformat(text if text[-1:] == "Z" else text.partition("@")[0])
        # A double holds microseconds exactly until far behind LATEST_US, and this is the shortest way to them.
        return round((moment if moment.tzinfo else moment.replace(tzinfo=UTC)).timestamp() * 1e6)
    except (ValueError, OverflowError):
        return 0


def number_of(text: str) -> float | None:
    """Read a finite decimal number; None for anything else."""
    try:
        number = float(text)
    except ValueError:
        return None
    return number if math.isfinite(number) and "_" not in text else None


def whole(text: object) -> int:
    """Read a whole number; raise MalformedDocument for anything else, also one of endless digits."""
    try:
        return int(str(text))
    except ValueError as fault:
        raise MalformedDocument(f"The agent's document has {str(text)[:40]!r} where a whole number belongs.") from fault


class Node(msgspec.Struct, frozen=True):
    """One element of the device model: its tag and attributes."""

    tag: str
    attributes: Mapping[str, str]

    def get(self, name: str) -> str:
        """Tell an attribute, empty where it is not there."""
        return self.attributes.get(name, "")


Line = tuple[Node, ...]
"""A data item and what it stands in, the device last."""


def data_items(lines: Sequence[Line]) -> dict[str, DataItem]:
    """Make the data items, by id and in the document's order, each named by its place where names repeat."""
    devices = {line[-1].get("uuid") or line[-1].get("name") for line in lines if line[-1].tag != AGENT}
    is_shared = len(devices) > 1
    names = short_names([_path(line, is_shared=is_shared) for line in lines])
    uses = Counter(names)
    told = [_qualified(line, name) if uses[name] > 1 else name for line, name in zip(lines, names, strict=True)]
    again = Counter(told)
    own = [f"{name} {line[0].get('id')}" if again[name] > 1 else name for line, name in zip(lines, told, strict=True)]
    return {line[0].get("id"): _data_item(line, *both) for line, *both in zip(lines, names, own, strict=True)}


def _qualified(line: Line, name: str) -> str:
    """Tell items of one type in one place apart: by subtype, composition and statistic, as the standard does."""
    subtype, statistic = _title(line[0].get("subType")), _title(line[0].get("statistic"))
    return " ".join(part for part in (name, subtype, line[0].get("compositionId"), statistic) if part)


def _path(line: Line, *, is_shared: bool) -> str:
    """Say where a data item sits: device (of several), components, then its name."""
    parts = [line[0].get("name") or _title(line[0].get("type"))]
    for ancestor in line[1:]:
        if ancestor.tag in DEVICES:
            name = AGENT if ancestor.tag == AGENT else ancestor.get("name") if is_shared else ""
            return "/".join(([name] if name else []) + parts[::-1])
        if ancestor.get("id") and ancestor.tag != "Axes":
            parts.append(ancestor.get("name") or ancestor.tag)
    return "/".join(parts[::-1])


def _title(type_name: str) -> str:
    return "".join(word.capitalize() for word in type_name.rpartition(":")[2].split("_"))


def _data_item(line: Line, name: str, own: str) -> DataItem:
    """Make a data item; `own` is its name where others have the same."""
    item = line[0]
    category, type_name = item.get("category"), item.get("type")
    unit = unit_code(item.get("units")) or ("1" if type_name == "PART_COUNT" else "")
    representation = item.get("representation") or "VALUE"
    is_number = category == "SAMPLE" or (category == "EVENT" and (bool(unit) or type_name in _NUMERIC_EVENTS))
    is_flat = representation in ("VALUE", "TIME_SERIES", "DISCRETE") and not item.get("units").endswith("_3D")
    is_text = not (is_number and is_flat)
    found = Found(
        address=item.get("id"), name=own, unit=unit, meaning=_meaning(line, name, unit, is_text), is_text=is_text
    )
    rate = number_of(item.get("sampleRate")) or 0.0
    return DataItem(
        found=found, category=category, type=type_name, representation=representation, sample_rate=max(rate, 0.0)
    )


_TYPE_MEANING = {
    "EXECUTION": Meaning.EXECUTION,
    "PART_COUNT": Meaning.PART_COUNT,
    "WATTAGE": Meaning.POWER,
    "ELECTRICAL_ENERGY": Meaning.ENERGY,
    "ROTARY_VELOCITY": Meaning.SPINDLE_SPEED,
    "SPINDLE_SPEED": Meaning.SPINDLE_SPEED,
    "PATH_FEEDRATE": Meaning.FEED_RATE,
    "TEMPERATURE": Meaning.TEMPERATURE,
    "PROGRAM": Meaning.PROGRAM,
}
_PLAIN_SUBTYPES = frozenset({"", "ACTUAL", "ALL", "COMPLETE", "MAIN", "CONSUMED"})


def _meaning(line: Line, name: str, unit: str, is_text: bool) -> Meaning:
    item, parents = line[0], {ancestor.tag for ancestor in line[1:]}
    type_name = item.get("type")
    if item.get("category") == "CONDITION":
        return Meaning.ALARM
    if item.get("subType") not in _PLAIN_SUBTYPES:
        return Meaning.OTHER
    if type_name == "LOAD":
        return Meaning.SPINDLE_LOAD if {"Rotary", "Spindle"} & parents else Meaning.OTHER
    if type_name in ("FILL_LEVEL", "LEVEL", "LIQUID_LEVEL") and "Coolant" in parents:
        return Meaning.COOLANT_LEVEL
    if type_name in _TYPE_MEANING:
        return _TYPE_MEANING[type_name]
    plain = meaning_of(_title(type_name), unit, is_text=is_text)
    return plain if plain is not Meaning.OTHER else meaning_of(name.rpartition("/")[2], unit, is_text=is_text)
