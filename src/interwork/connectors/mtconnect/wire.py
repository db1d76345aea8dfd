"""MTConnect documents and streams to values: device model, observations, errors and multipart parts. Pure.

XML from a machine is foreign input: no DTD, no entities, no network, bounded size. A document that is not what the
standard says raises MalformedDocument; a single observation that cannot be read gets a bad quality.
"""

import json
import math
from collections.abc import Iterator
from datetime import UTC, datetime

import msgspec
from lxml import etree

from interwork.connectors import BAD_DECODING, Found
from interwork.connectors.naming import execution_word, meaning_of, short_names, unit_code
from interwork.core.clock import to_us
from interwork.core.errors import MachineUnreachable
from interwork.core.resource import BAD_NO_DATA, GOOD, Meaning

MAX_DOCUMENT = 32 * 1024 * 1024
"""Most octets of one document; a whole test bed's 10,000 observations take 1.6 MB."""

_NUMERIC_EVENTS = frozenset({"PART_COUNT", "LINE_NUMBER", "TOOL_OFFSET", "CYCLE_COUNT"})
Document = etree._Element  # noqa: SLF001 - lxml names its element class with an underscore
_Cells = dict[str, str | dict[str, str] | None]


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


class Observation(msgspec.Struct, frozen=True, kw_only=True):
    """One observed value; `level` is set for a condition, `entries` for a data set or table."""

    item: str
    sequence: int
    time_us: int
    text: str
    level: str = ""
    condition: str = ""
    """What tells one active condition of a data item from another: its id or the maker's code."""
    entries: _Cells | None = None
    """What changed in a set: None = that key was removed."""
    is_reset: bool = False
    """The set starts anew with these entries."""
    sample_rate: float = 0.0


class AgentError(msgspec.Struct, frozen=True, kw_only=True):
    """What the agent refused a request with."""

    code: str
    text: str


def parse_document(content: bytes) -> Document:
    """Parse an XML document without entities, DTD or network; raise MalformedDocument."""
    if len(content) > MAX_DOCUMENT:
        raise MalformedDocument(f"The agent's document has more than {MAX_DOCUMENT} octets.")
    parser = etree.XMLParser(resolve_entities=False, no_network=True, load_dtd=False, remove_comments=True)
    try:
        root = etree.fromstring(content, parser)
    except (etree.XMLSyntaxError, ValueError) as fault:
        raise MalformedDocument(f"The agent's document is not XML: {str(fault)[:120]}.") from fault
    if root.getroottree().docinfo.internalDTD is not None:
        raise MalformedDocument("The agent's document carries a DTD, which MTConnect has no use for.")
    return root


def _tag(element: Document) -> str:
    name = element.tag
    return name.rpartition("}")[2] if isinstance(name, str) else ""


def errors_of(root: Document) -> list[AgentError]:
    """List the errors of an MTConnectError document; empty for any other."""
    if _tag(root) != "MTConnectError":
        return []
    listed = [
        AgentError(code=element.get("errorCode", ""), text=(element.text or "").strip())
        for element in root.iter("{*}Error", "{*}OutOfRange", "{*}NoDevice", "{*}InvalidRequest", "{*}InvalidURI")
    ]
    return listed or [AgentError(code="UNKNOWN", text="The agent named no error.")]


def parse_devices(root: Document) -> dict[str, DataItem]:
    """Read the device model: data items by id, in document order."""
    if _tag(root) != "MTConnectDevices":
        raise MalformedDocument(f"The agent answered /probe with {_tag(root) or 'nothing'}, not with MTConnectDevices.")
    elements = [element for element in root.iter("{*}DataItem") if element.get("id")]
    is_shared = len(list(root.iter("{*}Device"))) > 1
    names = short_names([_path(element, is_shared=is_shared) for element in elements])
    return {element.get("id", ""): _data_item(element, name) for element, name in zip(elements, names, strict=True)}


def _path(element: Document, *, is_shared: bool) -> str:
    """Say where a data item sits: device (of several), components, then its name."""
    parts = [element.get("name") or _title(element.get("type", ""))]
    for ancestor in element.iterancestors():
        tag = _tag(ancestor)
        if tag == "Device":
            return "/".join(([ancestor.get("name", "")] if is_shared else []) + parts[::-1])
        if ancestor.get("id") and tag != "Axes":
            parts.append(ancestor.get("name") or tag)
    return "/".join(parts[::-1])


def _title(type_name: str) -> str:
    return "".join(word.capitalize() for word in type_name.rpartition(":")[2].split("_"))


def _data_item(element: Document, name: str) -> DataItem:
    category, type_name = element.get("category", ""), element.get("type", "")
    unit = unit_code(element.get("units", "")) or ("1" if type_name == "PART_COUNT" else "")
    representation = element.get("representation", "VALUE")
    is_number = category == "SAMPLE" or (category == "EVENT" and (bool(unit) or type_name in _NUMERIC_EVENTS))
    is_flat = representation in ("VALUE", "TIME_SERIES", "DISCRETE") and not element.get("units", "").endswith("_3D")
    is_text = not (is_number and is_flat)
    found = Found(
        address=element.get("id", ""),
        name=name,
        unit=unit,
        meaning=_meaning(element, name, unit, is_text=is_text),
        is_text=is_text,
    )
    rate = _number(element.get("sampleRate", "")) or 0.0
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


def _meaning(element: Document, name: str, unit: str, *, is_text: bool) -> Meaning:
    """Propose a meaning from the standard's types first, from the maker's names second."""
    type_name, parents = element.get("type", ""), [_tag(one) for one in element.iterancestors()]
    if element.get("category") == "CONDITION":
        return Meaning.ALARM
    if element.get("subType", "") not in _PLAIN_SUBTYPES:
        return Meaning.OTHER
    if type_name == "LOAD":
        return Meaning.SPINDLE_LOAD if {"Rotary", "Spindle"} & set(parents) else Meaning.OTHER
    if type_name in ("FILL_LEVEL", "LEVEL", "LIQUID_LEVEL") and "Coolant" in parents:
        return Meaning.COOLANT_LEVEL
    if type_name in _TYPE_MEANING:
        return _TYPE_MEANING[type_name]
    plain = meaning_of(_title(type_name), unit, is_text=is_text)
    return plain if plain is not Meaning.OTHER else meaning_of(name.rpartition("/")[2], unit, is_text=is_text)


def parse_streams(root: Document) -> tuple[Header, list[Observation]]:
    """Read a stream document: its header and its observations in order of sequence."""
    if _tag(root) != "MTConnectStreams":
        raise MalformedDocument(f"The agent answered with {_tag(root) or 'nothing'}, not with MTConnectStreams.")
    head = root.find("{*}Header")
    if head is None:
        raise MalformedDocument("The agent's stream document has no header.")
    try:
        header = Header(
            instance=head.get("instanceId", ""),
            next_sequence=int(head.get("nextSequence", "")),
            first_sequence=int(head.get("firstSequence", "0")),
            buffer_size=int(head.get("bufferSize", "0")),
        )
    except ValueError as fault:
        raise MalformedDocument(f"The agent's stream header is unreadable: {fault}.") from fault
    observations = [_observation(element) for element in root.iter() if element.get("dataItemId")]
    observations.sort(key=lambda one: one.sequence)
    return header, observations


def _observation(element: Document) -> Observation:
    item, time_text = element.get("dataItemId", ""), element.get("timestamp", "")
    parent = element.getparent()
    is_condition = parent is not None and _tag(parent) == "Condition"
    return Observation(
        item=item,
        sequence=int(_number(element.get("sequence", "")) or 0),
        time_us=moment_us(time_text),
        text=(element.text or "").strip(),
        level=_tag(element).upper() if is_condition else "",
        condition=element.get("conditionId") or element.get("nativeCode") or "",
        entries=_entries(element),
        is_reset=bool(element.get("resetTriggered")),
        sample_rate=_number(element.get("sampleRate", "")) or 0.0,
    )


def _entries(element: Document) -> _Cells | None:
    """Read the entries of a data set, or of a table whose entries hold cells."""
    if not len(element) and not element.get("count"):
        return None
    entries: _Cells = {}
    for entry in element.iterchildren("{*}Entry"):
        cells = {cell.get("key", ""): (cell.text or "").strip() for cell in entry.iterchildren("{*}Cell")}
        is_removed = entry.get("removed") == "true"
        entries[entry.get("key", "")] = None if is_removed else cells or (entry.text or "").strip()
    return entries


def moment_us(text: str) -> int:
    """Read an MTConnect timestamp as microseconds since 1970; 0 where it cannot be read."""
    try:
        moment = datetime.fromisoformat(text.partition("@")[0])
    except ValueError:
        return 0
    return to_us(moment if moment.tzinfo else moment.replace(tzinfo=UTC))


def _number(text: str) -> float | None:
    if not text:
        return None
    try:
        number = float(text)
    except ValueError:
        return None
    return number if math.isfinite(number) else None


class Memory:
    """What observations build on: active conditions and data sets are sets that messages change piecemeal."""

    def __init__(self) -> None:
        self._conditions: dict[str, dict[str, str]] = {}
        self._sets: dict[str, _Cells] = {}

    def forget(self) -> None:
        """Start anew, as before a /current document."""
        self._conditions.clear()
        self._sets.clear()

    def condition(self, seen: Observation) -> tuple[str | None, int]:
        """Take in a condition and tell the item's alarm text: empty when nothing is active."""
        active = self._conditions.setdefault(seen.item, {})
        if seen.level == "UNAVAILABLE":
            active.clear()
            return None, BAD_NO_DATA
        if seen.level == "NORMAL" and seen.condition:
            active.pop(seen.condition, None)
        elif seen.level == "NORMAL":
            active.clear()
        else:
            active[seen.condition] = " ".join(part for part in (seen.level, seen.condition, seen.text) if part)
        return "; ".join(active.values()), GOOD

    def data_set(self, seen: Observation) -> str:
        """Take in the changed entries of a set and tell the whole set as JSON."""
        entries = self._sets.setdefault(seen.item, {})
        if seen.is_reset:
            entries.clear()
        entries |= seen.entries or {}
        for key in [key for key, value in entries.items() if value is None]:
            del entries[key]
        return json.dumps(entries, ensure_ascii=False, sort_keys=True)


def values_of(item: DataItem, seen: Observation, memory: Memory) -> Iterator[tuple[int, float | str | None, int]]:
    """Turn an observation into (time, value, quality); a time series gives several."""
    if seen.level:
        yield seen.time_us, *memory.condition(seen)
    elif seen.entries is not None:
        yield seen.time_us, memory.data_set(seen), GOOD
    elif seen.text == "UNAVAILABLE":
        yield seen.time_us, None, BAD_NO_DATA
    elif item.representation == "TIME_SERIES":
        yield from _series(item, seen)
    elif item.found.is_text:
        is_state = item.found.meaning is Meaning.EXECUTION
        yield seen.time_us, execution_word(seen.text) if is_state else seen.text, GOOD
    else:
        number = _number(seen.text)
        yield seen.time_us, number, BAD_DECODING if number is None else GOOD


def _series(item: DataItem, seen: Observation) -> Iterator[tuple[int, float | None, int]]:
    """Spread a time series back from its time stamp, which is that of its last value."""
    numbers = [_number(word) for word in seen.text.split()]
    rate = seen.sample_rate or item.sample_rate
    if not numbers or (rate <= 0 and len(numbers) > 1):
        yield seen.time_us, None, BAD_DECODING
        return
    for position, number in enumerate(numbers):
        back_us = round((len(numbers) - 1 - position) / rate * 1e6) if rate > 0 else 0
        yield seen.time_us - back_us, number, BAD_DECODING if number is None else GOOD
