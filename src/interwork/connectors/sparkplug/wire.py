"""Sparkplug B payloads to metrics and back: message types built at run time, topics, host state. Pure.

Field numbers and data type codes are those of the Sparkplug 3.0 specification, chapter 6.4; nothing is generated
from others' files. A payload that is none raises MalformedPayload; a metric whose value does not fit its data type
gets a bad quality.
"""

import json
import math
from typing import Any

import msgspec
from google.protobuf import descriptor_pb2, descriptor_pool, message_factory
from google.protobuf.message import DecodeError

from interwork.connectors import BAD, BAD_DECODING, BAD_TYPE
from interwork.connectors.naming import unit_code
from interwork.core.clock import from_us, rfc3339
from interwork.core.errors import MachineUnreachable
from interwork.core.resource import BAD_NO_COMMUNICATION, BAD_NO_DATA, GOOD

NAMESPACE = "spBv1.0"
REBIRTH = "Node Control/Rebirth"
MAX_PAYLOAD = 16 * 1024 * 1024
"""Most octets of one payload; a birth of 100,000 metrics takes some 6 MB."""

_LAST_MS = 253_402_300_799_000
"""The last millisecond of the year 9999; a later stamp is none."""
_DEEPEST = 8
"""How deep templates may hold templates."""
_BITS = {1: 8, 2: 16, 3: 32, 4: 64, 5: 8, 6: 16, 7: 32, 8: 64}
"""Widths of the integer data types: 1 to 4 signed, 5 to 8 unsigned (6.4.16)."""
_FLOAT, _DOUBLE, _BOOLEAN, _DATETIME = 9, 10, 11, 13
_TEXTS = frozenset({12, 14, 15})
_QUALITIES = {192: GOOD, 500: BAD_NO_COMMUNICATION, 0: BAD}
"""The property Quality (6.4.12)."""
_UNIT_KEYS = ("engunit", "engunits", "engineeringunits", "unit", "units", "uom")


class MalformedPayload(MachineUnreachable):
    """A message is not a Sparkplug B payload."""


class Metric(msgspec.Struct, frozen=True, kw_only=True):
    """One metric of a message as it was sent: in data messages its name or its data type may be missing."""

    name: str = ""
    alias: int | None = None
    datatype: int = 0
    time_us: int = 0
    """0 = neither metric nor payload carry a time stamp."""
    raw: float | int | bool | str | None = None
    is_scalar: bool = True
    is_null: bool = False
    is_historical: bool = False
    quality: int = GOOD
    unit: str = ""
    members: tuple["Metric", ...] = ()
    """The members of a template instance."""


class Payload(msgspec.Struct, frozen=True, kw_only=True):
    """A decoded message."""

    seq: int | None
    metrics: tuple[Metric, ...]


_FIELD = descriptor_pb2.FieldDescriptorProto
_PACKAGE = "interwork.sparkplug"
_SCALARS = {
    "uint32": _FIELD.TYPE_UINT32,
    "uint64": _FIELD.TYPE_UINT64,
    "bool": _FIELD.TYPE_BOOL,
    "float": _FIELD.TYPE_FLOAT,
    "double": _FIELD.TYPE_DOUBLE,
    "string": _FIELD.TYPE_STRING,
    "bytes": _FIELD.TYPE_BYTES,
}
_SCHEMA = {
    # message: "number name type", `*` repeated, `?` one of the values
    "PropertyValue": "1 type uint32,2 is_null bool,3 int_value uint32?,4 long_value uint64?,5 float_value float?,"
    "6 double_value double?,7 boolean_value bool?,8 string_value string?",
    "PropertySet": "1 keys string*,2 values PropertyValue*",
    "Template": "2 metrics Metric*,4 template_ref string,5 is_definition bool",
    "Metric": "1 name string,2 alias uint64,3 timestamp uint64,4 datatype uint32,5 is_historical bool,"
    "6 is_transient bool,7 is_null bool,9 properties PropertySet,10 int_value uint32?,11 long_value uint64?,"
    "12 float_value float?,13 double_value double?,14 boolean_value bool?,15 string_value string?,"
    "16 bytes_value bytes?,18 template_value Template?",
    "Payload": "1 timestamp uint64,2 metrics Metric*,3 seq uint64,4 uuid string,5 body bytes",
}
"""What is not listed (data sets, meta data, extensions) is skipped by protobuf as an unknown field."""


def _payload_class() -> Any:  # noqa: ANN401 - protobuf makes the class at run time
    file = descriptor_pb2.FileDescriptorProto(name="interwork/sparkplug.proto", package=_PACKAGE, syntax="proto2")
    for title, fields in _SCHEMA.items():
        message = file.message_type.add(name=title)
        for number, name, kind in (field.split() for field in fields.split(",")):
            plain = kind.rstrip("*?")
            field = message.field.add(name=name, number=int(number))
            field.label = _FIELD.LABEL_REPEATED if kind.endswith("*") else _FIELD.LABEL_OPTIONAL
            field.type = _SCALARS.get(plain, _FIELD.TYPE_MESSAGE)
            if plain not in _SCALARS:
                field.type_name = f".{_PACKAGE}.{plain}"
            if kind.endswith("?"):
                field.oneof_index = 0
        if any(field.HasField("oneof_index") for field in message.field):
            message.oneof_decl.add(name="value")
    pool = descriptor_pool.DescriptorPool()
    pool.Add(file)
    return message_factory.GetMessageClass(pool.FindMessageTypeByName(f"{_PACKAGE}.Payload"))


_PayloadMessage = _payload_class()


def decode(content: bytes) -> Payload:
    """Read a payload; raise MalformedPayload."""
    if len(content) > MAX_PAYLOAD:
        raise MalformedPayload(f"A Sparkplug payload has {len(content)} octets, more than {MAX_PAYLOAD}.")
    message = _PayloadMessage()
    try:
        message.ParseFromString(content)
        stamp = _time_us(message.timestamp)
        return Payload(
            seq=message.seq if message.HasField("seq") and message.seq < 256 else None,
            metrics=tuple(_metric(metric, stamp, 0) for metric in message.metrics),
        )
    except (DecodeError, UnicodeDecodeError, RecursionError) as fault:
        raise MalformedPayload(f"A Sparkplug payload cannot be decoded: {str(fault)[:120]}.") from fault


def _time_us(milliseconds: int) -> int:
    return milliseconds * 1000 if 0 < milliseconds <= _LAST_MS else 0


def _metric(sent: Any, stamp: int, depth: int) -> Metric:  # noqa: ANN401 - protobuf makes the class at run time
    field = sent.WhichOneof("value")
    members: tuple[Metric, ...] = ()
    if field == "template_value" and not sent.template_value.is_definition and depth < _DEEPEST:
        members = tuple(_metric(member, stamp, depth + 1) for member in sent.template_value.metrics)
    unit, quality = _properties(sent) if sent.HasField("properties") else ("", GOOD)
    raw = getattr(sent, field) if field else None
    # protobuf hands out the octets of a string that is not UTF-8, as those of a field of type bytes.
    is_scalar = sent.is_null if field is None else isinstance(raw, str | int | float)
    if isinstance(sent.name, bytes):
        raise MalformedPayload("A Sparkplug payload has a metric whose name is not UTF-8.")
    return Metric(
        name=sent.name,
        alias=sent.alias if sent.HasField("alias") else None,
        datatype=sent.datatype,
        time_us=_time_us(sent.timestamp) or stamp,
        raw=raw if is_scalar else None,
        is_scalar=is_scalar,
        is_null=sent.is_null,
        is_historical=sent.is_historical,
        quality=quality,
        unit=unit,
        members=members,
    )


def _properties(sent: Any) -> tuple[str, int]:  # noqa: ANN401 - protobuf makes the class at run time
    """Read unit and quality from a metric's properties; other properties are not signals."""
    unit, quality = "", GOOD
    for key, value in zip(sent.properties.keys, sent.properties.values, strict=False):
        plain = str(key).lower().replace(" ", "").replace("_", "")
        if plain in _UNIT_KEYS and isinstance(value.string_value, str):
            unit = unit_code(value.string_value)
        elif plain == "quality":
            quality = _QUALITIES.get(value.int_value or value.long_value, BAD)
    return unit, quality


def is_text(datatype: int) -> bool:
    """Tell whether a data type is carried as a text."""
    return datatype in _TEXTS or datatype == _DATETIME


def is_number(datatype: int) -> bool:
    """Tell whether a data type is carried as a number."""
    return datatype in _BITS or datatype in (_FLOAT, _DOUBLE, _BOOLEAN)


def guessed_datatype(metric: Metric) -> int:
    """Guess the data type of a birth that leaves it out, from the field its value came in."""
    kinds = {bool: _BOOLEAN, str: 12, int: 4, float: _DOUBLE}
    return kinds.get(type(metric.raw), 0)


def value_of(metric: Metric, datatype: int) -> tuple[float | str | None, int]:
    """Turn a metric into value and quality by the data type of its birth; never raises on what may be sent."""
    if metric.is_null:
        return None, BAD_NO_DATA
    raw = metric.raw
    if not metric.is_scalar or raw is None:
        return None, BAD_TYPE
    if datatype in _TEXTS:
        return (raw, metric.quality) if isinstance(raw, str) else (None, BAD_TYPE)
    if isinstance(raw, str):
        return None, BAD_TYPE
    if datatype == _DATETIME:
        time_us = _time_us(int(raw)) if isinstance(raw, int) else 0
        return (rfc3339(from_us(time_us)), metric.quality) if time_us else (None, BAD_DECODING)
    if datatype in _BITS:
        return (float(_integer(raw, datatype)), metric.quality) if isinstance(raw, int) else (None, BAD_TYPE)
    if not is_number(datatype):
        return None, BAD_TYPE
    number = float(raw)
    return (number, metric.quality) if math.isfinite(number) else (None, BAD_NO_DATA)


def _integer(raw: int, datatype: int) -> int:
    """Read an integer of the data type's width; signed ones travel as two's complement in unsigned fields."""
    bits = _BITS[datatype]
    number = int(raw) & (1 << bits) - 1
    return number - (1 << bits) if datatype <= 4 and number >> bits - 1 else number


def encode_rebirth(time_ms: int) -> bytes:
    """Write the node command that asks an edge node for its births (no seq, 6.4.23)."""
    message = _PayloadMessage(timestamp=time_ms)
    message.metrics.add(name=REBIRTH, timestamp=time_ms, datatype=_BOOLEAN, boolean_value=True)
    content: bytes = message.SerializeToString()
    return content


def encode_state(*, is_online: bool, time_ms: int) -> bytes:
    """Write a host application's STATE payload (6.4.27)."""
    return json.dumps({"online": is_online, "timestamp": time_ms}).encode()


class _State(msgspec.Struct, frozen=True):
    online: bool
    timestamp: int = 0


def says_offline(content: bytes) -> bool:
    """Tell whether a STATE payload says that the host is offline; what cannot be read says nothing."""
    try:
        return not msgspec.json.decode(content, type=_State).online
    except (msgspec.DecodeError, msgspec.ValidationError):
        return False


def parse_topic(topic: str, group: str, edge: str) -> tuple[str, str]:
    """Read message type and device from `spBv1.0/group/TYPE/node[/device]`; empty type for any other node's topic."""
    parts = topic.split("/")
    if len(parts) not in (4, 5) or (parts[0], parts[1], parts[3]) != (NAMESPACE, group, edge):
        return "", ""
    return parts[2], parts[4] if len(parts) == 5 else ""
