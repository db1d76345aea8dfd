"""Sparkplug data types (3.0, 6.4.16 to 6.4.18) to readings and back. Pure; never raises on what may be sent.

Numbers are doubles, texts are texts. A 64-bit number that no double holds is the nearest one, marked Uncertain, or
its digits where the point is read as a text. Arrays and data sets are read as texts, in JSON. Files, octets and
property sets are no readings: such a metric is bad by type, and its message is taken.
"""

import json
import math
import struct
from typing import Any

from interwork.connectors import BAD_DECODING, BAD_OUT_OF_RANGE, BAD_TYPE
from interwork.connectors.leaves import EXACT, LONGEST_TEXT, whole_reading
from interwork.connectors.sparkplug.wire import Metric, stamp_us
from interwork.core.clock import from_us, rfc3339
from interwork.core.resource import BAD_NO_DATA

BAD_NOT_SUPPORTED = 0x803D_0000
INT64, UINT64, FLOAT, DOUBLE, BOOLEAN, STRING, DATETIME, DATASET = 4, 8, 9, 10, 11, 12, 13, 16
TEXTS = frozenset({STRING, 14, 15})
_BITS = {1: 8, 2: 16, 3: 32, 4: 64, 5: 8, 6: 16, 7: 32, 8: 64}
"""Widths of the integer data types: 1 to 4 signed, 5 to 8 unsigned."""
_ARRAYS = dict(enumerate("bhiqBHIQfd?sT", start=22))
"""Array data types with their packing, little-endian: numbers, booleans as bits, texts ended by 0, times."""
_NAMES = {17: "Bytes", 18: "File", 19: "Template", 20: "PropertySet", 21: "PropertySetList"}
_ALL_BITS = (1 << 64) - 1
_WIDEST = 1 << 16
"""Octets of an array or cells of a data set that are looked at."""

PLAIN_FIELDS = {FLOAT: "float_value", DOUBLE: "double_value", **dict.fromkeys((5, 6, 7), "int_value")}
"""Data types whose value is the field's own number, with their field."""
PLAIN_LIMITS = {5: 0xFF, 6: 0xFFFF, 7: 0xFFFF_FFFF}

Value = float | int | str | None


def is_text(datatype: int) -> bool:
    """Tell whether a data type is carried as a text."""
    return datatype in TEXTS or datatype in (DATETIME, DATASET) or datatype in _ARRAYS


def is_number(datatype: int) -> bool:
    """Tell whether a data type is carried as a number."""
    return datatype in _BITS or datatype in (FLOAT, DOUBLE, BOOLEAN)


def is_wide(datatype: int) -> bool:
    """Tell whether a data type holds whole numbers that no double holds."""
    return datatype in (INT64, UINT64)


def why_not(datatype: int) -> str:
    """Say why a metric of a data type is no signal; empty where it can be one."""
    if is_text(datatype) or is_number(datatype):
        return ""
    if not datatype:
        return "its birth names neither a data type nor a value"
    return f"its data type {_NAMES.get(datatype, datatype)} is no reading"


def guessed_datatype(metric: Metric) -> int:
    """Guess the data type of a birth that leaves it out, from the field its value came in."""
    kinds = {bool: BOOLEAN, str: STRING, int: INT64, float: DOUBLE}
    return kinds.get(type(metric.raw), 0)


def value_of(metric: Metric, datatype: int) -> tuple[Value, int]:
    """Turn a metric into value and quality by the data type of its birth; a 64-bit number stays an int (`shown`)."""
    if metric.is_null:
        return None, BAD_NO_DATA
    if why_not(datatype):
        return None, BAD_NOT_SUPPORTED
    if metric.raw is None:
        return None, BAD_TYPE
    value, quality = _text(metric.raw, datatype) if is_text(datatype) else _number(metric.raw, datatype)
    return value, quality or metric.quality


def shown(value: Value, quality: int, *, as_text: bool) -> tuple[Value, int]:
    """Turn a 64-bit number into its digits, or the nearest double, Uncertain where that is another number."""
    if not isinstance(value, int):
        return value, quality
    if as_text:
        return str(value), quality
    number, doubt = whole_reading(value)
    return number, quality or doubt


def _text(raw: Any, datatype: int) -> tuple[Value, int]:  # noqa: ANN401 - whatever was sent
    if datatype == DATETIME:
        time_us = stamp_us(raw) if isinstance(raw, int) and not isinstance(raw, bool) else 0
        return (rfc3339(from_us(time_us)), 0) if time_us else (None, BAD_DECODING)
    if _is_too_wide(raw):
        return None, BAD_OUT_OF_RANGE
    if datatype == DATASET:
        text = _data_set(raw)
    elif datatype in _ARRAYS:
        text = _array(raw, _ARRAYS[datatype]) if isinstance(raw, bytes) else None
    else:
        text = raw if isinstance(raw, str) else None
    if text is None:
        return None, BAD_TYPE
    return (text, 0) if len(text) <= LONGEST_TEXT else (None, BAD_OUT_OF_RANGE)


def _is_too_wide(raw: Any) -> bool:  # noqa: ANN401 - whatever was sent
    rows = getattr(raw, "rows", None)
    return (len(raw) if isinstance(raw, bytes) else len(rows) * len(raw.columns) if rows else 0) > _WIDEST


def _number(raw: Any, datatype: int) -> tuple[Value, int]:  # noqa: ANN401 - whatever was sent
    if datatype in _BITS:
        whole = whole_of(raw, datatype) if isinstance(raw, int) and not isinstance(raw, bool) else None
        if whole is None:
            return None, BAD_OUT_OF_RANGE if isinstance(raw, int) and not isinstance(raw, bool) else BAD_TYPE
        return whole if is_wide(datatype) else float(whole), 0
    is_fitting = raw in (0, 1) if datatype == BOOLEAN else not isinstance(raw, bool)
    if not isinstance(raw, int | float) or not is_fitting:
        return None, BAD_TYPE
    return (float(raw), 0) if math.isfinite(raw) else (None, BAD_NO_DATA)


def whole_of(raw: int, datatype: int) -> int | None:
    """Read a whole number of a data type's width; None where it does not fit.

    Signed ones travel as two's complement in unsigned fields, some senders fill the field with the sign, some do not.
    """
    bits = _BITS[datatype]
    if datatype > 4:
        return raw if raw < 1 << bits else None
    for width in (bits, 32, 64):
        if 0 <= raw < 1 << width:
            whole = raw - (1 << width) if raw >> width - 1 else raw
            return whole if -(1 << bits - 1) <= whole < 1 << bits - 1 else None
    return None


def _array(raw: bytes, packing: str) -> str | None:
    """Write an array as JSON; None for octets that are none."""
    if packing == "?":
        return _booleans(raw)
    if packing == "s":
        return _texts(raw)
    size = struct.calcsize(f"<{packing.replace('T', 'Q')}")
    if len(raw) % size:
        return None
    values = struct.unpack(f"<{len(raw) // size}{packing.replace('T', 'Q')}", raw)
    if packing == "T":
        return json.dumps([rfc3339(from_us(stamp_us(one))) if stamp_us(one) else None for one in values])
    return json.dumps([one if math.isfinite(one) else None for one in values])


def _booleans(raw: bytes) -> str | None:
    count = int.from_bytes(raw[:4], "little")
    if len(raw) < 4 or (count + 7) // 8 != len(raw) - 4:
        return None
    return json.dumps([bool(raw[4 + place // 8] >> 7 - place % 8 & 1) for place in range(count)])


def _texts(raw: bytes) -> str | None:
    if raw and raw[-1]:
        return None
    try:
        return json.dumps([one.decode() for one in raw.split(b"\0")[:-1]], ensure_ascii=False)
    except UnicodeDecodeError:
        return None


def _data_set(raw: Any) -> str | None:  # noqa: ANN401 - protobuf makes the class at run time
    """Write a data set as JSON: its columns, and rows of as many cells; None for one that is none."""
    rows = getattr(raw, "rows", None)
    if rows is None:
        return None
    columns, types = list(raw.columns), list(raw.types)
    if any(isinstance(one, bytes) for one in columns) or len(types) != len(columns):
        return None
    if any(len(row.elements) != len(columns) for row in rows):
        return None
    cells = [[_cell(cell, kind) for cell, kind in zip(row.elements, types, strict=True)] for row in rows]
    return json.dumps({"columns": columns, "rows": cells}, ensure_ascii=False)


def _cell(cell: Any, datatype: int) -> Value:  # noqa: ANN401 - protobuf makes the class at run time
    field = cell.WhichOneof("value")
    raw = getattr(cell, field) if field else None
    if datatype in _BITS:
        return whole_of(raw, datatype) if isinstance(raw, int) and not isinstance(raw, bool) else None
    if raw is None or isinstance(raw, bytes):
        return None
    return _text(raw, datatype)[0] if is_text(datatype) else _number(raw, datatype)[0]


def encoded(value: float | str | bool | None, datatype: int) -> tuple[str, Any, int]:
    """Find field and content for a value of a scalar data type, and 0 or the status that says why there is none."""
    if value is None or (isinstance(value, float) and math.isnan(value)):
        return "", None, BAD_NO_DATA
    if datatype in TEXTS:
        return ("string_value", value, 0) if isinstance(value, str) else ("", None, BAD_TYPE)
    if datatype == BOOLEAN:
        return ("boolean_value", bool(value), 0) if value in (0, 1) else ("", None, BAD_TYPE)
    if isinstance(value, str):
        return "", None, BAD_TYPE
    if datatype == DOUBLE or (datatype == FLOAT and abs(value) <= 3.4028234e38):
        return ("double_value" if datatype == DOUBLE else "float_value"), float(value), 0
    if datatype in _BITS:
        return _encoded_whole(value, datatype)
    return "", None, BAD_OUT_OF_RANGE if datatype == FLOAT else BAD_NOT_SUPPORTED


def _encoded_whole(value: float, datatype: int) -> tuple[str, Any, int]:
    if not math.isfinite(value) or value != int(value):
        return "", None, BAD_TYPE
    whole, bits = int(value), _BITS[datatype]
    low, high = (-(1 << bits - 1), (1 << bits - 1) - 1) if datatype <= 4 else (0, (1 << bits) - 1)
    if not low <= whole <= high:
        return "", None, BAD_OUT_OF_RANGE
    return ("long_value", whole & _ALL_BITS, 0) if bits == 64 else ("int_value", whole & 0xFFFF_FFFF, 0)


def proposes_digits(metric: Metric, datatype: int) -> bool:
    """Tell whether a metric is better read as a text: a 64-bit number that is beyond what doubles count exactly."""
    whole = whole_of(metric.raw, datatype) if is_wide(datatype) and isinstance(metric.raw, int) else None
    return whole is not None and abs(whole) > EXACT
