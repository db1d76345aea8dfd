"""Sparkplug B payloads to metrics and back: message types built at run time. Pure.

Field numbers and data type codes are those of the Sparkplug 3.0 specification, chapter 6.4; nothing is generated
from others' files. A payload that is none raises MalformedPayload; what its metrics say is for `values` to judge.
"""

import zlib
from collections.abc import Iterable
from typing import Any

import msgspec
from google.protobuf import descriptor_pb2, descriptor_pool, message_factory
from google.protobuf.message import DecodeError

from interwork.connectors import BAD
from interwork.connectors.naming import unit_code
from interwork.core.errors import MachineUnreachable
from interwork.core.resource import BAD_NO_COMMUNICATION, GOOD

REBIRTH = "Node Control/Rebirth"
BD_SEQ = "bdSeq"
MAX_PAYLOAD = 16 * 1024 * 1024
"""Most octets of one payload; a birth of 100,000 metrics takes some 6 MB."""

_COMPRESSED = "SPBV1.0_COMPRESSED"
"""What edge nodes on Eclipse Tahu say in `uuid` where `body` is the payload itself, compressed."""
_LAST_MS = 253_402_300_799_000
"""The last millisecond of the year 9999; a later stamp is none."""
_DEEPEST = 8
"""How deep templates may hold templates."""
_QUALITIES = {192: GOOD, 500: BAD_NO_COMMUNICATION, 0: BAD}
"""The property Quality (6.4.12)."""
_UNIT_KEYS = ("engunit", "engunits", "engineeringunits", "unit", "units", "uom")
_INT32, _STRING = 3, 12


class MalformedPayload(MachineUnreachable):
    """A message is not a Sparkplug B payload."""


class Metric(msgspec.Struct, frozen=True, kw_only=True):
    """One metric of a message as it was sent: in data messages its name or its data type may be missing."""

    name: str = ""
    alias: int | None = None
    datatype: int = 0
    time_us: int = 0
    """0 = neither metric nor payload carry a time stamp."""
    raw: Any = None
    """What the value field holds: a number, a text, octets, or a data set's message; None where there is none."""
    is_null: bool = False
    is_historical: bool = False
    quality: int = GOOD
    unit: str = ""
    members: tuple["Metric", ...] = ()
    """The members of a template instance."""


class Payload(msgspec.Struct, frozen=True, kw_only=True):
    """A decoded message; its metrics are read when somebody wants them."""

    seq: int | None
    time_us: int
    octets: int
    sent: Any
    """The metrics as protobuf holds them."""

    @property
    def metrics(self) -> tuple[Metric, ...]:
        """Read all metrics; raise MalformedPayload."""
        return tuple(read_metric(one, self.time_us) for one in self.sent)


class Send(msgspec.Struct, frozen=True, kw_only=True):
    """A metric to be sent; without a name in data, without a data type where the birth told it."""

    name: str = ""
    alias: int | None = None
    datatype: int = 0
    field: str = ""
    """The value's field, of `values.encoded`; empty = is_null."""
    value: Any = None
    time_ms: int = 0
    unit: str = ""
    quality: int | None = None
    """The property Quality; None = not sent, which means good."""
    is_historical: bool = False
    has_datatype: bool = True


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
    "Cell": "1 int_value uint32?,2 long_value uint64?,3 float_value float?,4 double_value double?,"
    "5 boolean_value bool?,6 string_value string?",
    "Row": "1 elements Cell*",
    "DataSet": "1 num_of_columns uint64,2 columns string*,3 types uint32*,4 rows Row*",
    "Template": "2 metrics Metric*,4 template_ref string,5 is_definition bool",
    "Metric": "1 name string,2 alias uint64,3 timestamp uint64,4 datatype uint32,5 is_historical bool,"
    "6 is_transient bool,7 is_null bool,9 properties PropertySet,10 int_value uint32?,11 long_value uint64?,"
    "12 float_value float?,13 double_value double?,14 boolean_value bool?,15 string_value string?,"
    "16 bytes_value bytes?,17 dataset_value DataSet?,18 template_value Template?",
    "Payload": "1 timestamp uint64,2 metrics Metric*,3 seq uint64,4 uuid string,5 body bytes",
}
"""What is not listed (meta data, template parameters, extensions) is skipped by protobuf as an unknown field."""


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
    message = outer = _parsed(content)
    if outer.uuid == _COMPRESSED:
        message = _parsed(_unpacked(outer.body))
    seq = message.seq if message.HasField("seq") else outer.seq if outer.HasField("seq") else 256
    return Payload(
        seq=seq if seq < 256 else None,
        time_us=stamp_us(message.timestamp),
        octets=len(content),
        sent=message.metrics,
    )


def _parsed(content: bytes) -> Any:  # noqa: ANN401 - protobuf makes the class at run time
    message = _PayloadMessage()
    try:
        message.ParseFromString(content)
    except (DecodeError, UnicodeDecodeError, RecursionError) as fault:
        raise MalformedPayload(f"A Sparkplug payload cannot be decoded: {str(fault)[:120]}.") from fault
    return message


def _unpacked(body: bytes) -> bytes:
    """Unpack the payload that a compressed one holds: deflate or gzip, told by its own head; never beyond the bound."""
    unpacker = zlib.decompressobj(zlib.MAX_WBITS | 32)
    try:
        content = unpacker.decompress(body, MAX_PAYLOAD)
    except zlib.error as fault:
        raise MalformedPayload(f"A compressed Sparkplug payload cannot be unpacked: {fault}.") from fault
    if not unpacker.eof:
        raise MalformedPayload(
            f"A compressed Sparkplug payload is cut off, or unpacks to more than {MAX_PAYLOAD} octets."
        )
    return content


def stamp_us(milliseconds: int) -> int:
    """Turn a time stamp into microseconds; 0 for one that is none."""
    return milliseconds * 1000 if 0 < milliseconds <= _LAST_MS else 0


def read_metric(sent: Any, stamp: int, depth: int = 0) -> Metric:  # noqa: ANN401 - protobuf makes the class at run time
    """Read one metric; `stamp` is its payload's time. Raise MalformedPayload for a name that is no text."""
    field = sent.WhichOneof("value")
    members: tuple[Metric, ...] = ()
    raw = getattr(sent, field) if field else None
    if field == "template_value":
        raw = None
        if not sent.template_value.is_definition and depth < _DEEPEST:
            members = tuple(read_metric(member, stamp, depth + 1) for member in sent.template_value.metrics)
    unit, quality = _properties(sent) if sent.HasField("properties") else ("", GOOD)
    # protobuf hands out the octets of a string that is not UTF-8, as those of a field of type bytes.
    if isinstance(sent.name, bytes):
        raise MalformedPayload("A Sparkplug payload has a metric whose name is not UTF-8.")
    return Metric(
        name=sent.name,
        alias=sent.alias if sent.HasField("alias") else None,
        datatype=sent.datatype,
        time_us=stamp_us(sent.timestamp) or stamp,
        raw=raw,
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


def encode(metrics: Iterable[Send], *, time_ms: int, seq: int | None) -> bytes:
    """Write a payload; `seq` None for a death by will and for commands (6.4.23)."""
    message = _PayloadMessage(timestamp=time_ms)
    if seq is not None:
        message.seq = seq
    for one in metrics:
        _write_metric(message.metrics.add(), one, time_ms)
    content: bytes = message.SerializeToString()
    return content


def _write_metric(sent: Any, one: Send, time_ms: int) -> None:  # noqa: ANN401 - protobuf makes the class at run time
    if one.name:
        sent.name = one.name
    if one.alias is not None:
        sent.alias = one.alias
    sent.timestamp = one.time_ms or time_ms
    if one.has_datatype:
        sent.datatype = one.datatype
    if one.is_historical:
        sent.is_historical = True
    if one.field:
        setattr(sent, one.field, one.value)
    else:
        sent.is_null = True
    if one.unit:
        sent.properties.keys.append("engUnit")
        sent.properties.values.add(type=_STRING, string_value=one.unit)
    if one.quality is not None:
        sent.properties.keys.append("Quality")
        sent.properties.values.add(type=_INT32, int_value=one.quality)
