"""Publish responses to columns of changes: a fast decoder of the one message that carries nearly all traffic. Pure.

It reads PublishResponses with DataChangeNotifications (OPC UA Part 4, 5.14.5 and 7.25.2; Part 6, 5.2 binary encoding).
Consecutive items of one layout (the same parts present, the same numeric type) are read as one table; other numbers
one by one, and so are short arrays of numbers; a value of another kind is cut out by its length and given to asyncua
alone, so that one point's matrix or structure costs only itself. For anything else (events, status changes,
diagnostics, a fault) the decoder answers None and asyncua decodes the whole message.
"""

import struct
from collections.abc import Callable
from functools import lru_cache
from typing import Any

import msgspec
import numpy as np
from numpy.typing import NDArray

from interwork.connectors import BAD_DECODING
from interwork.connectors.opcua.elements import MOST_ELEMENTS
from interwork.connectors.opcua.value import UNDECODABLE, Changes, Plain, plain_of_variant
from interwork.connectors.opcua.variant import skip_array, skip_variant

_PUBLISH_RESPONSE = 829
_DATA_CHANGE = 811
_NULL, _BOOLEAN, _INT64, _UINT64, _STRING = 0, 1, 8, 9, 12
_PROBE = 32
"""Items of one layout that must follow one another before they are read as a table."""
_LETTERS = "?bBhHiIqQfd"
"""Built-in types 1 to 11 (Part 6, 5.1.2) in the letters of `struct`."""
_ARRAY = 0x80
"""The bit of a variant's first octet that says array, beside its type id."""
_SHORT = range(MOST_ELEMENTS + 1)
_NUMPY = ("u1", "i1", "u1", "<i2", "<u2", "<i4", "<u4", "<i8", "<u8", "<f4", "<f8")
_EXACT = 1 << 53
"""Whole numbers up to this are exact as doubles."""

FAULTS = (struct.error, IndexError, OverflowError, ValueError)
"""What a response that is not well-formed makes the decoder raise inside; outside it answers None."""


class Publication(msgspec.Struct, frozen=True):
    """A decoded publish response."""

    subscription: int
    sequence: int
    changes: Changes


def _reader(layout: str) -> tuple[Callable[[bytes, int], tuple[Any, ...]], int]:
    compiled = struct.Struct(layout)
    return compiled.unpack_from, compiled.size


_SCALARS = {kind: _reader(f"<{letter}") for kind, letter in enumerate(_LETTERS, start=1)}
_u32 = struct.Struct("<I").unpack_from
_i32 = struct.Struct("<i").unpack_from
_i64 = struct.Struct("<q").unpack_from
_handle_mask = struct.Struct("<IB").unpack_from


def decode_publish(body: bytes) -> Publication | None:
    """Decode a publish response of data changes; None for whatever asyncua must decode."""
    changes = Changes()
    try:
        at = _skip_header(body)
        if at < 0:
            return None
        subscription = _u32(body, at)[0]
        at = skip_array(body, at + 4, 4) + 1
        sequence = _u32(body, at)[0]
        count = _i32(body, at + 12)[0]
        at += 16
        for _ in range(count):
            at = _data_change(body, at, changes)
            if at < 0:
                return None
        at = skip_array(body, at, 4)
        is_whole = _i32(body, at)[0] <= 0 and at + 4 == len(body)
    except FAULTS:
        return None
    return Publication(subscription, sequence, changes) if is_whole and count > 0 else None


def _skip_header(body: bytes) -> int:
    """Step over type id and response header: -1 unless it is a plain, good publish response."""
    if body[0:2] != b"\x01\x00" or body[2] | body[3] << 8 != _PUBLISH_RESPONSE:
        return -1
    # time stamp 8, request handle 4, service result 4, then no diagnostics, no strings, no additional header
    if _u32(body, 16)[0] != 0 or body[20] != 0 or _i32(body, 21)[0] > 0 or body[25:28] != b"\0\0\0":
        return -1
    return 28


def _data_change(body: bytes, at: int, changes: Changes) -> int:
    """Decode one notification into `changes`; -1 for another kind of notification."""
    if body[at] != 1 or body[at + 1] != 0 or body[at + 2] | body[at + 3] << 8 != _DATA_CHANGE or body[at + 4] != 1:
        return -1
    end = at + 9 + _i32(body, at + 5)[0]
    count = _i32(body, at + 9)[0]
    at += 13
    if end > len(body) or count > (end - at) // 5:
        return -1
    view = np.frombuffer(body, np.uint8, end)
    singly = 0
    while count > 0:
        same = _run(view, at, count) if singly == 0 else 0
        if same >= _PROBE:
            at = _table(body, at, same, changes)
            count -= same
        else:
            singly = (singly or _PROBE) - 1
            at = _item(body, at, changes)
            count -= 1
    return end if _i32(body, at)[0] <= 0 and at + 4 == end else -1


@lru_cache(maxsize=256)
def _layout(mask: int, kind: int) -> np.dtype[np.void]:
    """Lay out an item whose parts are those of the mask and whose value has the numeric type."""
    parts = [("handle", "<u4"), ("mask", "u1"), ("kind", "u1"), ("value", _NUMPY[kind - 1])]
    for bit, name, form in (
        (0x02, "status", "<u4"),
        (0x04, "source", "<i8"),
        (0x10, "source_pico", "<u2"),
        (0x08, "server", "<i8"),
        (0x20, "server_pico", "<u2"),
    ):
        if mask & bit:
            parts.append((name, form))
    return np.dtype(parts)


def _run(view: NDArray[np.uint8], at: int, left: int) -> int:
    """Count the items from here on that share the first one's layout; 0 where it is no plain number."""
    mask, kind = int(view[at + 4]), int(view[at + 5])
    if not mask & 0x01 or mask > 0x3F or not 1 <= kind <= len(_NUMPY):
        return 0
    stride = _layout(mask, kind).itemsize
    rows = min(left, (len(view) - at) // stride)
    table = view[at : at + rows * stride].reshape(rows, stride)
    same, step = 0, _PROBE
    while same < rows:
        part = table[same : same + step]
        other = np.flatnonzero((part[:, 4] != mask) | (part[:, 5] != kind))
        if other.size:
            return same + int(other[0])
        same, step = same + len(part), step * 8
    return rows


def _table(body: bytes, at: int, rows: int, changes: Changes) -> int:
    """Read items of one layout as a table; return where it ends."""
    mask, kind = body[at + 4], body[at + 5]
    layout = _layout(mask, kind)
    table = np.frombuffer(body, layout, rows, at)
    value = table["value"]
    if kind == _BOOLEAN:
        value = value != 0
    elif kind in (_INT64, _UINT64):
        low = value < -_EXACT if kind == _INT64 else False
        for row in np.flatnonzero((value > _EXACT) | low):
            changes.others[len(changes) + int(row)] = int(value[row])
    none = np.zeros(rows, np.int64)
    status = table["status"] if mask & 0x02 else none.astype(np.uint32)
    source = table["source"] if mask & 0x04 else none
    server = table["server"] if mask & 0x08 else none
    changes.extend(table["handle"], value, status, np.where(source > 0, source, server))
    return at + rows * layout.itemsize


def _item(body: bytes, at: int, changes: Changes) -> int:
    """Decode one monitored item's data value; return where it ends."""
    handle, mask = _handle_mask(body, at)
    at += 5
    value: Plain | list[Plain] = None
    status = source = server = 0
    is_undecodable = False
    if mask & 0x01:
        kind = body[at]
        if kind in _SCALARS:
            read, size = _SCALARS[kind]
            value, at = read(body, at + 1)[0], at + 1 + size
        elif kind == _NULL:
            at += 1
        elif kind == _STRING:
            value, is_undecodable, at = _text(body, at + 1, changes)
        else:
            value, is_undecodable, at = _other(body, at, changes)
    if mask & 0x02:
        status, at = _u32(body, at)[0], at + 4
    if mask & 0x04:
        source, at = _i64(body, at)[0], at + 8
    if mask & 0x10:
        at += 2
    if mask & 0x08:
        server, at = _i64(body, at)[0], at + 8
    if mask & 0x20:
        at += 2
    changes.add(handle, value, BAD_DECODING if is_undecodable else status, source if source > 0 else server)
    return at


def _text(body: bytes, at: int, changes: Changes) -> tuple[str | None, bool, int]:
    """Read a string; one that is no UTF-8 costs only its own point."""
    length = _i32(body, at)[0]
    if length < 0:
        return None, False, at + 4
    end = at + 4 + length
    if end > len(body):
        raise IndexError(end)
    try:
        return body[at + 4 : end].decode(), False, end
    except UnicodeDecodeError:
        changes.undecodable += 1
        return None, True, end


def _other(body: bytes, at: int, changes: Changes) -> tuple[Plain | list[Plain], bool, int]:
    """Read a short array of numbers, and let asyncua decode any other value; tell whether it could not."""
    kind = body[at] ^ _ARRAY
    if kind in _SCALARS and (count := _i32(body, at + 1)[0]) in _SHORT:
        layout = struct.Struct(f"<{count}{_LETTERS[kind - 1]}")
        return list(layout.unpack_from(body, at + 5)), False, at + 5 + layout.size
    end = skip_variant(body, at)
    changes.stock += 1
    try:
        return plain_of_variant(body[at:end]), False, end
    except UNDECODABLE:
        changes.undecodable += 1
        return None, True, end
