"""OPC UA values in the forms our columns carry: changes in columns, and the plain form of every other value. Pure.

A number is a double; a whole number that a double cannot hold keeps its digits beside the column (text signals show
them) and is counted where it was rounded. A time is RFC 3339 text, an octet string hexadecimal, a localized text its
text, an array or structure JSON text of bounded length; beside its text a short array keeps its elements. What is no
number never becomes one.
"""

import struct
from array import array
from collections.abc import Callable, Sequence
from datetime import datetime
from typing import Any
from uuid import UUID

import msgspec
import numpy as np
from asyncua import ua
from asyncua.common.utils import Buffer
from asyncua.ua.ua_binary import variant_from_binary
from asyncua.ua.uaerrors import UaError
from numpy.typing import ArrayLike, NDArray

from interwork.connectors.opcua.elements import MOST_ELEMENTS
from interwork.core.clock import rfc3339, to_us

EPOCH_TICKS = 116_444_736_000_000_000
"""1970-01-01 in ticks of 100 ns since 1601-01-01."""
LAST_TICKS = 2_650_467_743_990_000_000
"""9999-12-31T23:59:59: OPC UA's word for "no end" and what lies beyond it; no time of a reading."""
TEXT_MOST = 65_536
"""Characters of the longest text that is taken in."""
BAD_TOO_LONG = 0x8008_0000
"""BadEncodingLimitsExceeded: a text, array or structure longer than TEXT_MOST."""
GONE = frozenset({0x8033_0000, 0x8034_0000})
"""BadNodeIdInvalid and BadNodeIdUnknown: the node is not there (any more)."""
OVERFLOW = 0x0000_0480
"""Info type DataValue with the overflow bit: the server's queue dropped values (Part 4, 7.39)."""

UNDECODABLE = (UaError, struct.error, ValueError, TypeError, LookupError, AttributeError, OverflowError)
"""What asyncua raises on octets that are not what OPC UA says."""

_EXACT = 1 << 53

Plain = float | str | None
"""A value as a column takes it; None is no value."""


class Changes:
    """Changes in columns of equal length, and what of them does not fit a double."""

    __slots__ = ("arrays", "handle", "others", "status", "stock", "ticks", "undecodable", "value")

    def __init__(self) -> None:
        self.handle: array[int] = array("I")
        self.value: array[float] = array("d")
        self.status: array[int] = array("I")
        self.ticks: array[int] = array("q")
        """Source time, or the server's where there is none; 0 = neither."""
        self.others: dict[int, str | int] = {}
        """Row to the value that its double is not: a text, or a whole number beyond 2^53."""
        self.arrays: dict[int, list[Plain]] = {}
        """Row to the elements of a short array."""
        self.stock = 0
        """Values that asyncua decoded."""
        self.undecodable = 0

    def __len__(self) -> int:
        """Count the changes."""
        return len(self.handle)

    def add(self, handle: int, value: Plain | list[Plain], status: int, ticks: int) -> None:
        """Add one change."""
        if isinstance(value, list):
            self.arrays[len(self.handle)] = value
            value = msgspec.json.encode(value).decode()
        if isinstance(value, str):
            if len(value) > TEXT_MOST:
                status = BAD_TOO_LONG
            else:
                self.others[len(self.handle)] = value
            value = None
        elif _is_inexact(value):
            self.others[len(self.handle)] = int(value or 0)
        self.handle.append(handle)
        self.value.append(float("nan") if value is None else _double(value))
        self.status.append(status)
        self.ticks.append(ticks)

    def extend(self, handle: NDArray[np.uint32], value: ArrayLike, status: ArrayLike, ticks: ArrayLike) -> None:
        """Add many changes of plain numbers."""
        self.handle.frombytes(np.ascontiguousarray(handle, np.uint32).tobytes())
        self.value.frombytes(np.asarray(value, np.float64).tobytes())
        self.status.frombytes(np.ascontiguousarray(status, np.uint32).tobytes())
        self.ticks.frombytes(np.ascontiguousarray(ticks, np.int64).tobytes())


def _is_inexact(value: object) -> bool:
    return isinstance(value, int) and abs(value) > _EXACT


def _double(value: float) -> float:
    try:
        return float(value)
    except OverflowError:
        return float("nan")


def changes_of(items: Sequence[ua.MonitoredItemNotification]) -> Changes:
    """Put what asyncua decoded into columns."""
    changes = Changes()
    for item in items:
        value: ua.DataValue = item.Value
        stamp = value.SourceTimestamp or value.ServerTimestamp
        status = int(value.StatusCode.value) if value.StatusCode is not None else 0
        try:
            found = plain_or_elements(value.Value.Value) if value.Value is not None else None
        except UNDECODABLE:
            found, status = None, 0x8007_0000
            changes.undecodable += 1
        changes.add(item.ClientHandle, found, status, _ticks(stamp))
    changes.stock = len(changes)
    return changes


def _ticks(stamp: datetime | None) -> int:
    return to_us(stamp) * 10 + EPOCH_TICKS if stamp is not None and stamp.year > 1601 else 0


def times_us(ticks: NDArray[np.int64], now_us: int) -> NDArray[np.int64]:
    """Turn ticks into microseconds since 1970; a missing or impossible time becomes the given one."""
    is_time = (ticks > 0) & (ticks < LAST_TICKS)
    us: NDArray[np.int64] = np.where(is_time, (np.where(is_time, ticks, EPOCH_TICKS) - EPOCH_TICKS) // 10, now_us)
    return us


def plain_of_variant(octets: bytes) -> Plain | list[Plain]:
    """Decode one variant by asyncua into its plain form, or into those of its elements."""
    return plain_or_elements(variant_from_binary(Buffer(octets)).Value)


def plain_or_elements(value: object) -> Plain | list[Plain]:
    """Give a value its plain form, and a short array of one dimension those of its elements."""
    if not isinstance(value, list) or len(value) > MOST_ELEMENTS or any(map(_has_parts, value)):
        return plain(value)
    return [plain(one) for one in value]


def _has_parts(value: object) -> bool:
    return isinstance(value, list) or (hasattr(value, "__dataclass_fields__") and type(value) not in _FORMS)


def plain(value: object) -> Plain:
    """Give a value its plain form: a number, a text, or a text of what is neither."""
    if value is None or isinstance(value, str | int | float):
        return value
    if isinstance(value, ua.ExtensionObject) and value.Body is None and not value.TypeId.Identifier:
        return None
    for kind, form in _FORMS.items():
        if isinstance(value, kind):
            return form(value)
    is_structure = isinstance(value, list) or hasattr(value, "__dataclass_fields__")
    return msgspec.json.encode(_elements(value), enc_hook=plain).decode() if is_structure else str(value)


def _elements(value: object) -> object:
    """Give the elements of an array their plain forms, for a structure within is one and not text."""
    if isinstance(value, list):
        return [_elements(one) for one in value]
    return value if _has_parts(value) else plain(value)


_FORMS: dict[type, Callable[[Any], float | str]] = {
    datetime: rfc3339,
    ua.LocalizedText: lambda value: value.Text or "",
    ua.StatusCode: lambda value: int(value.value),
    bytes: bytes.hex,
    ua.NodeId: lambda value: str(value.to_string()),
    UUID: str,
    ua.QualifiedName: lambda value: value.Name or "",
}


def number_text(value: float) -> str:
    """Write a number for a text signal: a whole one without a fraction."""
    return str(int(value)) if value.is_integer() and abs(value) <= _EXACT else repr(value)
