"""JSON payloads to readings: every scalar leaf is a signal, found by its JSON pointer (RFC 6901). Pure.

What is no JSON raises MalformedPayload; a leaf that does not fit gets a bad quality. Bounds hold for every payload:
depth, elements of an array and leaves; what lies beyond is counted, not read.
"""

import math
import re
from collections.abc import Iterator, Mapping
from datetime import UTC, datetime
from typing import Any, NamedTuple

import msgspec

from interwork.connectors import BAD_OUT_OF_RANGE, BAD_TYPE
from interwork.connectors.endpoint import text_option
from interwork.connectors.naming import unit_code
from interwork.core.clock import to_us
from interwork.core.errors import BadInput, MachineUnreachable
from interwork.core.resource import BAD_NO_DATA, GOOD

DEEPEST = 16
MOST_ELEMENTS = 64
"""Elements of one array that are signals."""
MOST_LEAVES = 2_000
"""Leaves of one payload that are signals."""
LONGEST_TEXT = 4_096
"""Characters of a text that is a reading."""
EXACT = 1 << 53
"""Whole numbers beyond this are not all doubles."""
UNCERTAIN_SUBNORMAL = 0x4095_0000
"""OPC UA Uncertain_SubNormal: here, the double nearest to a whole number that is no double."""

LONGEST_BARE = 256
"""Characters of a payload that is no JSON but a word or a number as it stands."""

_NUMBER = re.compile(r"[+-]?(?:[0-9]{1,30}(?:\.[0-9]{0,30})?|\.[0-9]{1,30})(?:[eE][+-]?[0-9]{1,3})?")
_TIME_NAMES = ("timestamp", "ts", "time", "datetime")
_UNIT_NAMES = frozenset({"unit", "units", "uom", "engunit"})
_EARLIEST_US, _LATEST_US = 0, 253_402_300_799_000_000
_EPOCH_DIGITS = (10, 13, 16, 19)
"""Of a time since 1970 written as a text, from 2001 to 2286 in seconds to nanoseconds; 20261122 is a date."""
_LATEST = 1e21
"""No time since 1970 is a larger number, in whichever unit."""
_PER_SECOND = {"s": 1, "ms": 1_000, "us": 1_000_000, "ns": 1_000_000_000}
TIME_FORMATS = ("auto", "iso", *_PER_SECOND)


class MalformedPayload(MachineUnreachable):
    """A message is no JSON."""


class Leaf(NamedTuple):
    """A scalar of a payload."""

    pointer: str
    value: bool | int | float | str | None
    unit: str
    """UCUM code where the object beside it names a unit."""


def decode(content: bytes) -> Any:  # noqa: ANN401 - any JSON
    """Read a payload; raise MalformedPayload."""
    try:
        return msgspec.json.decode(content)
    except (msgspec.DecodeError, UnicodeDecodeError, RecursionError) as fault:
        raise MalformedPayload(f"A payload is no JSON: {str(fault)[:120]}.") from fault


def bare(content: bytes) -> str | None:
    """Read a payload that is no JSON as the word or number it is; None where it is neither."""
    try:
        text = content.decode().strip()
    except UnicodeDecodeError:
        return None
    is_word = 0 < len(text) <= LONGEST_BARE and text.isprintable() and text[0] not in '{["'
    return text if is_word else None


def number_in(text: str, decimal: str = ".") -> int | float | None:
    """Read a text that is a decimal number and nothing else; None for any other. An empty mark is either, but one."""
    plain = text.strip()
    if decimal == "," or (not decimal and "," in plain):
        plain = "" if "." in plain else plain.replace(",", ".", 1)
    if not _NUMBER.fullmatch(plain):
        return None
    return int(plain) if plain.lstrip("+-").isdecimal() else float(plain)


def speaks(leaf: Leaf, decimal: str = ".") -> bool:
    """Tell whether a leaf is proposed as a text: a whole number in quotes without a unit may be a name and is one."""
    if not isinstance(leaf.value, str):
        return False
    number = number_in(leaf.value, decimal)
    return number is None or (isinstance(number, int) and not leaf.unit)


def decimal_option(options: Mapping[str, Any]) -> str:
    """Read the option `decimal`: the mark of numbers that come as texts; raise BadInput."""
    mark = text_option(options, "decimal", ".")
    if mark not in (".", ","):
        raise BadInput(f"The option decimal is {mark!r}.", remedy="Give a point or a comma.")
    return mark


def leaves(document: Any) -> tuple[list[Leaf], int]:  # noqa: ANN401 - any JSON
    """List the scalar leaves in order, and count what lies beyond the bounds."""
    found: list[Leaf] = []
    beyond = 0
    for leaf in _walk(document, "", "", 0):
        if leaf is None or len(found) >= MOST_LEAVES:
            beyond += 1
        else:
            found.append(leaf)
    return found, beyond


def _walk(part: Any, pointer: str, unit: str, depth: int) -> Iterator[Leaf | None]:  # noqa: ANN401 - any JSON
    """Walk leaves depth first; None stands for something beyond the bounds."""
    if isinstance(part, dict):
        if depth >= DEEPEST:
            yield None
            return
        unit = next((unit_code(one) for key, one in part.items() if _is_unit(key, one)), "")
        for key, one in part.items():
            if not _is_unit(key, one):
                yield from _walk(one, f"{pointer}/{escape(key)}", unit, depth + 1)
    elif isinstance(part, list):
        if depth >= DEEPEST or len(part) > MOST_ELEMENTS:
            yield None
        for index, one in enumerate(part[:MOST_ELEMENTS] if depth < DEEPEST else ()):
            yield from _walk(one, f"{pointer}/{index}", unit, depth + 1)
    else:
        yield Leaf(pointer, part, unit)


def _is_unit(key: str, value: object) -> bool:
    return key.lower() in _UNIT_NAMES and isinstance(value, str)


def escape(key: str) -> str:
    """Write a key as a token of a JSON pointer."""
    return key.replace("~", "~0").replace("/", "~1")


def tokens_of(pointer: str) -> tuple[str, ...]:
    """Read a JSON pointer; raise BadInput."""
    if pointer and not pointer.startswith("/"):
        raise BadInput(f"{pointer!r} is no JSON pointer.", remedy="Start it with a slash, as in /spindle/speed.")
    return tuple(token.replace("~1", "/").replace("~0", "~") for token in pointer.split("/")[1:])


MISSING = object()
"""What stands at a pointer where the payload has nothing."""


def resolve(document: Any, tokens: tuple[str, ...]) -> Any:  # noqa: ANN401 - any JSON
    """Find what a pointer names; MISSING where there is nothing."""
    for token in tokens:
        if isinstance(document, dict):
            document = document.get(token, MISSING)
        elif isinstance(document, list) and token.isdecimal() and len(token) < 9 and int(token) < len(document):
            document = document[int(token)]
        else:
            return MISSING
    return document


def reading_of(
    value: Any,  # noqa: ANN401 - any JSON
    *,
    is_text: bool,
    decimal: str = ".",
) -> tuple[float | str | None, int]:
    """Turn a leaf into a value and an OPC UA status code; never raises on what may be sent."""
    if value is None:
        return None, BAD_NO_DATA
    if isinstance(value, dict | list):
        return None, BAD_TYPE
    if is_text:
        text = value if isinstance(value, str) else msgspec.json.encode(value).decode()
        return (text, GOOD) if len(text) <= LONGEST_TEXT else (None, BAD_TYPE)
    number = number_in(value, decimal) if isinstance(value, str) else value
    if number is None:
        return None, BAD_TYPE
    return whole_reading(number) if isinstance(number, int) else _number(number)


def _number(value: float) -> tuple[float | None, int]:
    return (value, GOOD) if math.isfinite(value) else (None, BAD_NO_DATA)


def whole_reading(value: int) -> tuple[float, int]:
    """Turn a whole number into the nearest double, Uncertain where that is another number."""
    try:
        number = float(value)
    except OverflowError:
        return math.nan, BAD_OUT_OF_RANGE
    return number, GOOD if -EXACT <= value <= EXACT or int(number) == value else UNCERTAIN_SUBNORMAL


class TimeRule(NamedTuple):
    """Where a payload's own time stands and how it is written."""

    tokens: tuple[str, ...] | None
    """None = under one of the usual names at the top."""
    form: str
    is_used: bool = True


def time_us_of(document: Any, rule: TimeRule) -> int | None:  # noqa: ANN401 - any JSON
    """Read a payload's time in microseconds since 1970; 0 where it has none, None where it is none."""
    if not rule.is_used:
        return 0
    value = _usual_time(document) if rule.tokens is None else resolve(document, rule.tokens)
    if value is MISSING:
        return 0
    time_us = _time_us(value, rule.form)
    return time_us if time_us is not None and _EARLIEST_US < time_us <= _LATEST_US else None


def _usual_time(document: Any) -> Any:  # noqa: ANN401 - any JSON
    if isinstance(document, dict):
        for key, value in document.items():
            if key.lower() in _TIME_NAMES and isinstance(value, str | int | float):
                return value
    return MISSING


def _time_us(value: object, form: str) -> int | None:
    if isinstance(value, bool):
        return None
    if isinstance(value, str):
        number = number_in(value) if form != "iso" else None
        if number is None or (form == "auto" and len(value.strip().partition(".")[0]) not in _EPOCH_DIGITS):
            return _iso_us(value) if form in ("auto", "iso") else None
        value = number
    if not isinstance(value, int | float) or form == "iso" or not abs(value) < _LATEST:
        return None
    return int(value * 1_000_000 / _PER_SECOND[form if form in _PER_SECOND else _by_size(abs(value))])


def _by_size(value: float) -> str:
    """Tell the unit of a time since 1970 by its size: seconds until the year 5138, then milliseconds, and so on."""
    return "s" if value < 1e11 else "ms" if value < 1e14 else "us" if value < 1e17 else "ns"


def _iso_us(text: str) -> int | None:
    try:
        moment = datetime.fromisoformat(text)
        return to_us(moment if moment.tzinfo else moment.replace(tzinfo=UTC))
    except (ValueError, OverflowError):
        return None


def time_rule(where: str, form: str) -> TimeRule:
    """Read the options `timestamp` (auto, none, or a JSON pointer) and `time_format`; raise BadInput."""
    if form not in TIME_FORMATS:
        raise BadInput(f"The option time_format is {form!r}.", remedy=f"Give {', '.join(TIME_FORMATS)}.")
    if where in ("auto", "none"):
        return TimeRule(None, form, is_used=where == "auto")
    return TimeRule(tokens_of(where), form)
