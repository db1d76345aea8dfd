"""S7 addresses, how they are read in few requests, octets to values and back. Pure.

An address is written as in the STEP 7 editor with the type behind a colon: `DB1.DBD4:REAL`, `DB1.DBX0.3`,
`DB5.DBB10:STRING[20]`, `MW6:INT`, `I0.1`, `QB2` (German E and A are understood). A controller does not describe its
blocks, so the tags come from the options: `{address, name, scale, offset, unit, meaning, states}`.
Every number is big-endian. Nothing a controller may send raises: it becomes a bad quality.
"""

import math
import re
import struct
from collections.abc import Callable, Sequence
from datetime import UTC, datetime

import msgspec

from interwork.connectors import BAD_DECODING, BAD_OUT_OF_RANGE, BAD_TYPE, BAD_UNKNOWN, Found
from interwork.connectors.naming import execution_word, meaning_of, unit_code
from interwork.core.errors import BadInput
from interwork.core.resource import BAD_NO_DATA, GOOD, Meaning

GAP = 16
"""Octets nobody asked for that are read along rather than making another item."""
MOST_ITEMS = 20
"""Most items of one request."""

_ADDRESS = re.compile(
    r"(?:DB(?P<db>\d{1,5})\.DB(?P<dsize>[XBWD])|(?P<area>[MIQEA])(?P<size>[XBWD]?))(?P<at>\d{1,5})(?:\.(?P<bit>[0-7]))?"
    r"(?::(?P<type>[A-Z_0-9]+)(?:\[(?P<length>\d{1,3})\])?)?"
)
_AREAS = {"I": 0x81, "E": 0x81, "Q": 0x82, "A": 0x82, "M": 0x83}
_DB = 0x84
_PLAIN = {"X": "BOOL", "": "BOOL", "B": "BYTE", "W": "WORD", "D": "DWORD"}
FORMATS = {
    "BYTE": ">B",
    "USINT": ">B",
    "SINT": ">b",
    "WORD": ">H",
    "UINT": ">H",
    "INT": ">h",
    "DWORD": ">I",
    "UDINT": ">I",
    "DINT": ">i",
    "REAL": ">f",
    "LREAL": ">d",
    "LWORD": ">Q",
    "ULINT": ">Q",
    "LINT": ">q",
    "TIME": ">i",
    "LTIME": ">q",
}
_FACTORS = {"TIME": 1e-3, "LTIME": 1e-9}
"""To seconds."""
_TEXTS = {"CHAR": 1, "STRING": 2, "WSTRING": 4, "DATE_AND_TIME": 8, "DTL": 12}
"""Types that give a text, with the octets they take beside their characters."""


class _Entry(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """A tag as typed in the options."""

    address: str
    name: str
    scale: float = 1.0
    offset: float = 0.0
    unit: str = ""
    meaning: str = ""
    states: dict[str, str] = {}


class Tag(msgspec.Struct, frozen=True, kw_only=True):
    """One value in the controller."""

    found: Found
    area: int
    db: int
    start: int
    size: int
    """Octets it takes."""
    bit: int
    type: str
    length: int
    """Characters of a text."""
    scale: float
    offset: float
    states: dict[int, str]


class Span(msgspec.Struct, frozen=True):
    """Octets read as one item of a request, and the tags in them."""

    area: int
    db: int
    start: int
    size: int
    tags: tuple[Tag, ...]


def parse_tags(entries: object) -> dict[str, Tag]:
    """Read the tags of the options; raise BadInput naming the entry and the fault."""
    if not isinstance(entries, Sequence) or isinstance(entries, str | bytes) or not entries:
        raise BadInput(
            "A controller does not describe its data blocks and the option tags is missing or empty.",
            remedy="Give a table of address (DB1.DBD4:REAL), name, unit and meaning: "
            "--map FILE.csv on the command line, a file to choose on the page.",
        )
    tags: dict[str, Tag] = {}
    for position, raw in enumerate(entries):
        tag = _parse_entry(f"tags[{position}]", raw)
        if tag.found.address in tags:
            raise BadInput(f"Two tags have the address {tag.found.address}.", remedy="Name each address once.")
        tags[tag.found.address] = tag
    return tags


def _parse_entry(where: str, raw: object) -> Tag:
    try:
        entry = msgspec.convert(raw, _Entry, strict=False)
        states = {int(number): word for number, word in entry.states.items()}
        meaning = Meaning(entry.meaning) if entry.meaning else None
    except (msgspec.ValidationError, ValueError) as fault:
        raise BadInput(f"{where}: {fault}.", remedy="See the tag map in the connector's reference.") from fault
    if not entry.name.strip() or not math.isfinite(entry.offset) or not math.isfinite(entry.scale) or not entry.scale:
        raise BadInput(f"{where}: a tag has a name, a scale that is not 0 and an offset.", remedy="Mend the tag map.")
    area, db, start, bit, type_name, length = parse_address(entry.address, where)
    is_text = type_name in _TEXTS or bool(states)
    unit = unit_code(entry.unit) or ("s" if type_name in _FACTORS else "")
    guessed = meaning_of(entry.name, unit, is_text=is_text)
    found = Found(
        address=entry.address.strip().upper(), name=entry.name, unit=unit, meaning=meaning or guessed, is_text=is_text
    )
    return Tag(
        found=found,
        area=area,
        db=db,
        start=start,
        size=_size(type_name, length),
        bit=bit,
        type=type_name,
        length=length,
        scale=entry.scale * _FACTORS.get(type_name, 1.0),
        offset=entry.offset,
        states=states,
    )


def parse_address(text: str, where: str = "the address") -> tuple[int, int, int, int, str, int]:
    """Read an address: area, data block, octet, bit, type, length; raise BadInput with an example."""
    example = "Write DB1.DBD4:REAL, DB1.DBX0.3, DB5.DBB10:STRING[20], MW6:INT or I0.1."
    found = _ADDRESS.fullmatch(text.strip().upper())
    if not found:
        raise BadInput(f"{where}: {text!r} is no S7 address.", remedy=example)
    size = found["dsize"] or found["size"] or ""
    type_name = found["type"] or _PLAIN[size]
    is_bit = type_name == "BOOL"
    if (type_name not in FORMATS and type_name not in _TEXTS and not is_bit) or is_bit != (found["bit"] is not None):
        raise BadInput(f"{where}: {text!r} has no type of a controller, or a bit where none belongs.", remedy=example)
    if found["length"] is not None and type_name not in ("STRING", "WSTRING"):
        raise BadInput(f"{where}: {text!r} is an array.", remedy="Write DB1.DBD0:REAL, a tag for each element.")
    if size in ("W", "D") and is_bit:
        raise BadInput(f"{where}: {text!r} says two sizes.", remedy=example)
    area = _AREAS[found["area"]] if found["area"] else _DB
    length = min(int(found["length"] or 254), 254)
    return area, int(found["db"] or 0), int(found["at"]), int(found["bit"] or 0), type_name, length


def _size(type_name: str, length: int) -> int:
    if type_name in FORMATS:
        return struct.calcsize(FORMATS[type_name])
    extra = {"STRING": length, "WSTRING": length * 2}.get(type_name, 0)
    return _TEXTS.get(type_name, 1) + extra


def spans_of(tags: Sequence[Tag], *, most: int) -> list[Span]:
    """Group tags into items of at most `most` octets, unread gaps of at most `GAP`."""
    spans: list[Span] = []
    for tag in sorted(tags, key=lambda one: (one.area, one.db, one.start, one.size)):
        last = spans[-1] if spans else None
        if last and (last.area, last.db) == (tag.area, tag.db) and tag.start - (last.start + last.size) <= GAP:
            size = max(tag.start + tag.size - last.start, last.size)
            if size <= most:
                spans[-1] = Span(last.area, last.db, last.start, size, (*last.tags, tag))
                continue
        spans.append(Span(tag.area, tag.db, tag.start, tag.size, (tag,)))
    return spans


def requests_of(spans: Sequence[Span], pdu: int) -> list[list[Span]]:
    """Pack spans into requests: at most 20 items, request and answer within the negotiated PDU."""
    requests: list[list[Span]] = []
    room = 0
    for span in spans:
        need = 4 + span.size + span.size % 2
        if not requests or len(requests[-1]) == MOST_ITEMS or need > room or 14 + 12 * (len(requests[-1]) + 1) > pdu:
            requests.append([])
            room = pdu - 14
        requests[-1].append(span)
        room -= need
    return requests


def items_of(raw: bytes, count: int) -> list[tuple[int, bytes]]:
    """Take the items out of an answer's data: return code and octets each; a missing one has code 0."""
    items: list[tuple[int, bytes]] = []
    at = 0
    for _ in range(count):
        if at + 4 > len(raw):
            items.append((0, b""))
            continue
        code, transport, length = struct.unpack_from(">BBH", raw, at)
        # Transport sizes 3 to 5 count bits, the others octets.
        size = (length + 7) // 8 if transport in (3, 4, 5) else length
        size = 0 if code != 0xFF else size
        items.append((code, bytes(raw[at + 4 : at + 4 + size])))
        at += 4 + size + size % 2
    return items


_CODE_QUALITY = {
    0x01: 0x808B_0000,  # hardware fault: Bad_DeviceFailure
    0x03: 0x801F_0000,  # access denied: Bad_UserAccessDenied
    0x05: BAD_OUT_OF_RANGE,  # address out of range
    0x06: BAD_TYPE,  # data type not supported
    0x07: BAD_TYPE,  # data type inconsistent
    0x0A: BAD_UNKNOWN,  # object does not exist
}


def code_quality(code: int) -> int:
    """Tell the OPC UA status code of an item's return code."""
    return GOOD if code == 0xFF else _CODE_QUALITY.get(code, BAD_DECODING)


def decode(tag: Tag, octets: bytes) -> tuple[float | str | None, int]:
    """Turn a tag's octets into a value and its quality."""
    if len(octets) != tag.size:
        return None, BAD_DECODING
    if tag.type in _TEXTS:
        text = _READERS[tag.type](octets)
        if text is None:
            return None, BAD_DECODING
        return (execution_word(text) if tag.found.meaning is Meaning.EXECUTION else text), GOOD
    number = octets[0] >> tag.bit & 1 if tag.type == "BOOL" else struct.unpack(FORMATS[tag.type], octets)[0]
    if tag.states:
        word = tag.states.get(int(number)) if math.isfinite(number) and number == int(number) else None
        if word is None:
            return None, BAD_DECODING
        return (execution_word(word) if tag.found.meaning is Meaning.EXECUTION else word), GOOD
    value = number * tag.scale + tag.offset
    return (value, GOOD) if math.isfinite(value) else (None, BAD_NO_DATA)


def _string(octets: bytes) -> str | None:
    """Read a STRING: most and actual length, then characters."""
    used = octets[1]
    return octets[2 : 2 + used].decode("latin-1") if used <= octets[0] and used <= len(octets) - 2 else None


def used_octets(tag: Tag, octets: bytes) -> int:
    """Tell how many of a text's octets are in use, by the lengths at its head; all of a value that has none."""
    if tag.type == "STRING" and len(octets) >= 2:
        return 2 + octets[1]
    if tag.type == "WSTRING" and len(octets) >= 4:
        return 4 + 2 * int(struct.unpack_from(">HH", octets)[1])
    return tag.size


def _wstring(octets: bytes) -> str | None:
    most, used = struct.unpack_from(">HH", octets)
    if used > most or used * 2 > len(octets) - 4:
        return None
    try:
        return octets[4 : 4 + used * 2].decode("utf-16-be")
    except UnicodeDecodeError:
        return None


def _char(octets: bytes) -> str | None:
    return octets.decode("latin-1")


def _date_and_time(octets: bytes) -> str | None:
    """Read DATE_AND_TIME: BCD year to seconds, milliseconds, weekday; the controller's own time without zone."""
    digits = "".join(f"{octet:02x}" for octet in octets)
    if not digits.isdecimal():
        return None
    year = int(digits[:2])
    parts = [int(digits[place : place + 2]) for place in range(2, 12, 2)]
    return _moment(year + (1900 if year >= 90 else 2000), parts, int(digits[12:15]) * 1000)


def _dtl(octets: bytes) -> str | None:
    year, month, day, _, hour, minute, second, nanos = struct.unpack(">HBBBBBBI", octets)
    return _moment(year, [month, day, hour, minute, second], nanos // 1000)


def _moment(year: int, parts: Sequence[int], micros: int) -> str | None:
    try:
        month, day, hour, minute, second = parts
        return datetime(year, month, day, hour, minute, second, micros, tzinfo=UTC).replace(tzinfo=None).isoformat()
    except ValueError:
        return None


_READERS: dict[str, Callable[[bytes], str | None]] = {
    "CHAR": _char,
    "STRING": _string,
    "WSTRING": _wstring,
    "DATE_AND_TIME": _date_and_time,
    "DTL": _dtl,
}


def encode(tag: Tag, value: float | str | bool) -> tuple[bytes, int]:
    """Turn a value into a tag's octets, or tell the status code of why it cannot be."""
    if tag.type in _TEXTS:
        return _text_octets(tag, value) if isinstance(value, str) else (b"", BAD_TYPE)
    number: float | None = None
    if isinstance(value, str):
        number = next((float(key) for key, word in tag.states.items() if word == value), None)
    else:
        number = value
    if number is None:
        return b"", BAD_TYPE
    if isinstance(number, float) and not math.isfinite(number):
        return b"", BAD_OUT_OF_RANGE
    if tag.type == "BOOL":
        return (bytes((int(number),)), GOOD) if number in (0, 1) else (b"", BAD_OUT_OF_RANGE)
    form = FORMATS[tag.type]
    try:
        # A whole number above 2^53 is kept to its last digit where nothing scales it.
        scaled = number if tag.scale == 1 and tag.offset == 0 else (number - tag.offset) / tag.scale
        return struct.pack(form, scaled if form[1] in "fd" else round(scaled)), GOOD
    except (struct.error, OverflowError):
        return b"", BAD_OUT_OF_RANGE


def _text_octets(tag: Tag, text: str) -> tuple[bytes, int]:
    """Write a text with its lengths; the octets beyond it are zeros."""
    form = {"CHAR": "latin-1", "STRING": "latin-1", "WSTRING": "utf-16-be"}.get(tag.type)
    if form is None:
        return b"", BAD_TYPE
    try:
        octets = text.encode(form)
    except UnicodeEncodeError:
        return b"", BAD_OUT_OF_RANGE
    used = len(octets) // (2 if tag.type == "WSTRING" else 1)
    if tag.type == "CHAR":
        return (octets, GOOD) if used == 1 else (b"", BAD_OUT_OF_RANGE)
    if used > tag.length:
        return b"", BAD_OUT_OF_RANGE
    head = struct.pack(">BB" if tag.type == "STRING" else ">HH", tag.length, used)
    return (head + octets).ljust(tag.size, b"\0"), GOOD
