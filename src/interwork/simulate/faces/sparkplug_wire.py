"""Sparkplug B payloads for the simulated edge node: the message types, built at run time, and metrics to bytes.

Field numbers and data type codes are those of the Sparkplug 3.0 specification, chapter 6.4. Only what a simulated
machine sends and is sent is here: scalars with name, alias, timestamp and a property set; no templates, no data sets.
"""

from collections.abc import Iterable
from typing import Any

import msgspec
from google.protobuf import descriptor_pb2, descriptor_pool, message_factory
from google.protobuf.message import DecodeError

from interwork.core.errors import PeerError
from interwork.simulate.signals import Value

DOUBLE, BOOLEAN, STRING, UINT32, UINT64 = 10, 11, 12, 7, 8
"""Data type codes (6.4.16)."""

_VALUE_FIELD = {DOUBLE: "double_value", BOOLEAN: "boolean_value", STRING: "string_value", UINT32: "int_value"} | {
    UINT64: "long_value"
}
_FIELD = descriptor_pb2.FieldDescriptorProto
_SCHEMA: dict[str, tuple[tuple[str, int, int, str], ...]] = {
    # message: (field, number, type, message type)
    "PropertyValue": (
        ("type", 1, _FIELD.TYPE_UINT32, ""),
        ("is_null", 2, _FIELD.TYPE_BOOL, ""),
        ("string_value", 8, _FIELD.TYPE_STRING, ""),
    ),
    "PropertySet": (
        ("keys", 1, _FIELD.TYPE_STRING, "repeated"),
        ("values", 2, _FIELD.TYPE_MESSAGE, "PropertyValue"),
    ),
    "Metric": (
        ("name", 1, _FIELD.TYPE_STRING, ""),
        ("alias", 2, _FIELD.TYPE_UINT64, ""),
        ("timestamp", 3, _FIELD.TYPE_UINT64, ""),
        ("datatype", 4, _FIELD.TYPE_UINT32, ""),
        ("is_historical", 5, _FIELD.TYPE_BOOL, ""),
        ("is_null", 7, _FIELD.TYPE_BOOL, ""),
        ("properties", 9, _FIELD.TYPE_MESSAGE, "PropertySet"),
        ("int_value", 10, _FIELD.TYPE_UINT32, "oneof"),
        ("long_value", 11, _FIELD.TYPE_UINT64, "oneof"),
        ("double_value", 13, _FIELD.TYPE_DOUBLE, "oneof"),
        ("boolean_value", 14, _FIELD.TYPE_BOOL, "oneof"),
        ("string_value", 15, _FIELD.TYPE_STRING, "oneof"),
    ),
    "Payload": (
        ("timestamp", 1, _FIELD.TYPE_UINT64, ""),
        ("metrics", 2, _FIELD.TYPE_MESSAGE, "Metric"),
        ("seq", 3, _FIELD.TYPE_UINT64, ""),
    ),
}
_PACKAGE = "interwork.simulate.sparkplug"
_SINGLE = {"properties"}
"""Message fields that are not repeated."""


def _payload_class() -> type[Any]:
    """Build the message classes from the table and return that of a payload."""
    file = descriptor_pb2.FileDescriptorProto(name="interwork_simulate_sparkplug.proto", package=_PACKAGE)
    for message_name, fields in _SCHEMA.items():
        message = file.message_type.add(name=message_name)
        if any(kind == "oneof" for *_, kind in fields):
            message.oneof_decl.add(name="value")
        for name, number, type_, kind in fields:
            field = message.field.add(name=name, number=number, type=type_, label=_FIELD.LABEL_OPTIONAL)
            if kind == "oneof":
                field.oneof_index = 0
            elif kind:
                field.label = _FIELD.LABEL_OPTIONAL if name in _SINGLE else _FIELD.LABEL_REPEATED
                if kind != "repeated":
                    field.type_name = f".{_PACKAGE}.{kind}"
    pool = descriptor_pool.DescriptorPool()
    pool.Add(file)
    return message_factory.GetMessageClass(pool.FindMessageTypeByName(f"{_PACKAGE}.Payload"))


Payload = _payload_class()
"""The protobuf message of every Sparkplug payload but STATE."""


class Metric(msgspec.Struct, frozen=True, kw_only=True):
    """One metric as the edge node sends it; births carry everything, data only alias, value and timestamp."""

    value: Value
    datatype: int
    name: str = ""
    alias: int | None = None
    unit: str = ""


def encode(metrics: Iterable[Metric], *, time_ms: int, seq: int | None) -> bytes:
    """Write a payload; only a death certificate has no sequence number. A metric without a name has no datatype."""
    payload = Payload(timestamp=time_ms)
    if seq is not None:
        payload.seq = seq
    for metric in metrics:
        out = payload.metrics.add(timestamp=time_ms)
        if metric.name:
            out.name, out.datatype = metric.name, metric.datatype
        if metric.alias is not None:
            out.alias = metric.alias
        if metric.unit:
            out.properties.keys.append("engUnit")
            out.properties.values.add(type=STRING, string_value=metric.unit)
        setattr(out, _VALUE_FIELD[metric.datatype], metric.value)
    content: bytes = payload.SerializeToString()
    return content


def asks_for_rebirth(content: bytes) -> bool:
    """Tell whether a node command is `Node Control/Rebirth` = true; raise PeerError for bytes that are no payload."""
    payload = Payload()
    try:
        payload.ParseFromString(content)
    except DecodeError as fault:
        raise PeerError("A node command is not a Sparkplug payload.") from fault
    return any(metric.name == "Node Control/Rebirth" and metric.boolean_value for metric in payload.metrics)
