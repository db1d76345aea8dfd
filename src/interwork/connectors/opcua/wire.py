"""OPC UA values to readings: node addresses, data values, and a fast decoder of publish responses. Pure.

The fast decoder reads the one message that carries nearly all traffic, a PublishResponse with DataChangeNotifications
of scalars (OPC UA Part 4, 5.14.5 and 7.25.2; Part 6, 5.2 binary encoding), some ten times faster than asyncua. For
anything else (arrays, structures, events, diagnostics, an error) it answers None and asyncua decodes the message.
"""

import math
import struct
from collections.abc import Callable, Sequence
from datetime import datetime
from typing import Any

import msgspec
from asyncua import ua
from asyncua.ua.uaerrors import UaError

from interwork.connectors import BAD_TYPE
from interwork.core.clock import rfc3339, to_us
from interwork.core.errors import BadInput
from interwork.core.resource import BAD_NO_DATA, GOOD, is_good

_EPOCH_TICKS = 116_444_736_000_000_000
"""1970-01-01 in 100 ns ticks since 1601-01-01."""

_PUBLISH_RESPONSE = 829
_DATA_CHANGE = 811
_STRING = 12
_OVERFLOW = 0x0000_0480
"""Info type DataValue with the overflow bit: the server's queue dropped values (Part 4, 7.39)."""

Change = tuple[int, float | int | str | None, int, int]
"""Client handle, value, status code, source time in microseconds (0 = the server gave none)."""


class Publication(msgspec.Struct, frozen=True):
    """A decoded publish response."""

    subscription: int
    sequence: int
    changes: list[Change]


def _reader(layout: str) -> tuple[Callable[[bytes, int], tuple[Any, ...]], int]:
    compiled = struct.Struct(layout)
    return compiled.unpack_from, compiled.size


_SCALARS = {
    # built-in type id (Part 6, 5.1.2): how to read it and its octets
    kind: _reader(f"<{letter}")
    for kind, letter in zip(range(1, 12), "?bBhHiIqQfd", strict=True)
}
_u32 = struct.Struct("<I").unpack_from
_i32 = struct.Struct("<i").unpack_from
_i64 = struct.Struct("<q").unpack_from
_handle_mask = struct.Struct("<IB").unpack_from


def decode_publish(body: bytes) -> Publication | None:
    """Decode a publish response of scalar data changes; None for whatever asyncua must decode."""
    try:
        at = _skip_header(body)
        if at < 0:
            return None
        subscription = _u32(body, at)[0]
        at = _skip_array(body, at + 4, 4) + 1
        sequence = _u32(body, at)[0]
        count = _i32(body, at + 12)[0]
        at += 16
        changes: list[Change] = []
        for _ in range(count):
            at = _data_change(body, at, changes)
            if at < 0:
                return None
        at = _skip_array(body, at, 4)
        is_whole = _i32(body, at)[0] <= 0 and at + 4 == len(body)
    except (struct.error, IndexError, UnicodeDecodeError, OverflowError):
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


def _skip_array(body: bytes, at: int, width: int) -> int:
    count: int = _i32(body, at)[0]
    return at + 4 + max(count, 0) * width


def _data_change(body: bytes, at: int, changes: list[Change]) -> int:
    """Decode one notification into `changes`; -1 for another kind of notification or value."""
    if body[at] != 1 or body[at + 1] != 0 or body[at + 2] | body[at + 3] << 8 != _DATA_CHANGE or body[at + 4] != 1:
        return -1
    end = at + 9 + _i32(body, at + 5)[0]
    count = _i32(body, at + 9)[0]
    at += 13
    if count > (end - at) // 5:
        return -1
    for _ in range(count):
        at = _item(body, at, changes)
        if at < 0:
            return -1
    return end if _i32(body, at)[0] <= 0 and at + 4 == end else -1


def _item(body: bytes, at: int, changes: list[Change]) -> int:
    """Decode one monitored item's data value; -1 where its value is no scalar this decoder knows."""
    handle, mask = _handle_mask(body, at)
    at += 5
    value: float | int | str | None = None
    status = source = server = 0
    if mask & 0x01:
        value, at = _value(body, at)
        if at < 0:
            return -1
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
    ticks = source if source > 0 else server
    changes.append((handle, value, status, (ticks - _EPOCH_TICKS) // 10 if ticks > 0 else 0))
    return at


def _value(body: bytes, at: int) -> tuple[float | int | str | None, int]:
    """Decode a scalar variant: its value and where it ends, or -1 for another kind."""
    kind = body[at]
    if kind in _SCALARS:
        read, size = _SCALARS[kind]
        return read(body, at + 1)[0], at + 1 + size
    if kind == _STRING:
        length = _i32(body, at + 1)[0]
        return (_text(body, at + 5, length), at + 5 + length) if length >= 0 else (None, at + 5)
    return None, at + 1 if kind == 0 else -1


def _text(body: bytes, at: int, length: int) -> str:
    if at + length > len(body):
        raise IndexError
    return body[at : at + length].decode()


def change_of(handle: int, value: ua.DataValue) -> Change:
    """Turn an asyncua DataValue into a change."""
    stamp = value.SourceTimestamp or value.ServerTimestamp
    status = value.StatusCode.value if value.StatusCode is not None else GOOD
    plain = value.Value.Value if value.Value is not None else None
    return handle, _scalar(plain), status, _stamp_us(stamp)


def _stamp_us(stamp: datetime | None) -> int:
    return to_us(stamp) if stamp is not None and stamp.year > 1601 else 0


def _scalar(value: object) -> float | int | str | None:
    """Give a value its plain form: a number, a text, or a text of what is neither."""
    if value is None or isinstance(value, str | int | float):
        return value
    if isinstance(value, datetime):
        return rfc3339(value)
    if isinstance(value, ua.LocalizedText):
        return value.Text or ""
    if isinstance(value, ua.StatusCode):
        return int(value.value)
    if isinstance(value, bytes):
        return value.hex()
    return str(value)


def fitted(change: Change, *, is_text: bool) -> tuple[float | str | None, int]:
    """Fit a change to what its signal is, number or text: value and quality; a bad status is kept as it is."""
    _, value, status, _ = change
    if value is None:
        return None, status if not is_good(status) else BAD_NO_DATA
    if is_text:
        return value if isinstance(value, str) else f"{value:g}" if isinstance(value, float) else str(value), status
    if isinstance(value, str):
        return None, BAD_TYPE
    try:
        number = float(value)
    except OverflowError:
        return None, BAD_TYPE
    return (number, status) if math.isfinite(number) or not is_good(status) else (None, BAD_NO_DATA)


def lost_values(status: int) -> bool:
    """Tell whether the server's queue overflowed, so that values before this one are missing."""
    return status & _OVERFLOW == _OVERFLOW


def address_of(node: ua.NodeId, namespaces: Sequence[str]) -> str:
    """Write a node id so that it survives a restart: its namespace by URI, for indexes above 1 may change."""
    text = str(node.to_string())
    index = node.NamespaceIndex
    if index <= 1 or index >= len(namespaces) or ";" in namespaces[index]:
        return text
    return f"nsu={namespaces[index]};{text.partition(';')[2]}"


def node_of(address: str, namespaces: Sequence[str]) -> ua.NodeId | None:
    """Read a node address (`nsu=…;s=…`, `ns=2;i=7`, `i=85`); None where its namespace is not at the server."""
    try:
        if address.startswith("nsu="):
            uri, _, rest = address.removeprefix("nsu=").partition(";")
            if not rest or uri not in namespaces:
                ua.NodeId.from_string(rest or "?")
                return None
            address = f"ns={list(namespaces).index(uri)};{rest}"
        return ua.NodeId.from_string(address)
    except (UaError, ValueError, TypeError) as fault:
        raise BadInput(f"{address!r} is no OPC UA node id.", remedy="Write ns=2;s=Name or nsu=<URI>;i=7.") from fault
