"""Writes values: each command as the variant its node declares, within its range, or not at all.

Nothing is converted that would change it: a fraction is no whole number, a text no number. The caller decides who may
write what and reads back; here only the node's own type and range speak, and the server's answer is passed on.
"""

import math
from collections.abc import Sequence

import msgspec
from asyncua import ua
from asyncua.ua.attribute_ids import AttributeIds

from interwork.connectors import BAD_OUT_OF_RANGE, BAD_TYPE, BAD_UNKNOWN, Command
from interwork.connectors.opcua.limits import fitting, in_chunks, read_attribute
from interwork.connectors.opcua.space.describe import Described, built_in, describe, read_types
from interwork.connectors.opcua.space.references import Walk
from interwork.core.resource import GOOD

_WHOLE = {
    # built-in type: lowest and highest value
    kind: (-(1 << bits - 1), (1 << bits - 1) - 1) if is_signed else (0, (1 << bits) - 1)
    for kind, bits, is_signed in (
        *((2, 8, True), (3, 8, False), (4, 16, True), (5, 16, False)),
        *((6, 32, True), (7, 32, False), (8, 64, True), (9, 64, False)),
    )
}
_BOOLEAN, _INT32, _FLOAT, _DOUBLE, _STRING, _LOCALIZED = 1, 6, 10, 11, 12, 21
_FLOAT_MOST = 3.402_823_466_385_288_6e38


class Target(msgspec.Struct, frozen=True):
    """What a node takes: its built-in type, its description, and the code that says why it takes nothing."""

    kind: int | None
    said: Described
    fault: int = GOOD


async def write_values(walk: Walk, nodes: Sequence[ua.NodeId | None], commands: Sequence[Command]) -> list[int]:
    """Write values to nodes; return one status code per command."""
    known = [at for at, node in enumerate(nodes) if node is not None]
    codes = [BAD_UNKNOWN] * len(commands)
    there = [node for node in nodes if node is not None]
    ready: list[tuple[int, ua.NodeId, ua.DataValue]] = []
    for at, node, target in zip(known, there, await _targets(walk, there), strict=True):
        variant = target.fault or as_variant(commands[at].value, target)
        if isinstance(variant, int):
            codes[at] = variant
        else:
            ready.append((at, node, ua.DataValue(variant)))

    async def write(chunk: Sequence[tuple[int, ua.NodeId, ua.DataValue]]) -> list[ua.StatusCode]:
        ids, values = [node for _, node, _ in chunk], [value for _, _, value in chunk]
        return list(await walk.session.write_attributes(ids, values) or ())

    for (at, _, _), code in zip(
        ready, await in_chunks(ready, fitting(walk.limits.nodes_per_write), write), strict=True
    ):
        codes[at] = int(code.value)
    return codes


async def _targets(walk: Walk, nodes: Sequence[ua.NodeId]) -> list[Target]:
    types = await read_types(walk, nodes)
    values = await read_attribute(walk.session, nodes, AttributeIds.Value, walk.limits.nodes_per_read)
    described = await describe(walk, types, await walk.properties(nodes))
    return [_target(*one) for one in zip(types, values, described, strict=True)]


def _target(data_type: ua.NodeId | None, value: ua.DataValue, said: Described) -> Target:
    """Find the built-in type: the declared one, or for a type derived from it that of the present value."""
    status = int(value.StatusCode.value) if value.StatusCode is not None else GOOD
    if data_type is None:
        return Target(None, said, status if status >> 30 else BAD_UNKNOWN)
    variant = value.Value
    if variant is not None and variant.is_array:
        return Target(None, said, BAD_TYPE)
    kind = built_in(data_type)
    if kind not in _TAKEN and variant is not None and variant.Value is not None:
        kind = int(variant.VariantType.value)
    elif kind not in _TAKEN and said.words:
        kind = _INT32
    return Target(kind, said)


_TAKEN = frozenset({_BOOLEAN, *_WHOLE, _FLOAT, _DOUBLE, _STRING, _LOCALIZED})


def as_variant(value: float | str | bool, target: Target) -> ua.Variant | int:
    """Write a value as the type its node declares; the status code that says why not where it does not fit."""
    kind = target.kind
    if kind not in _TAKEN or kind is None:
        return BAD_TYPE
    if isinstance(value, str) and target.said.words and kind not in (_STRING, _LOCALIZED):
        numbers = [number for number, word in target.said.words.items() if word == value]
        if len(numbers) != 1:
            return BAD_OUT_OF_RANGE
        value = bool(numbers[0]) if kind == _BOOLEAN else numbers[0]
    if kind in (_STRING, _LOCALIZED):
        return _as_text(value, kind)
    if isinstance(value, str) or isinstance(value, bool) != (kind == _BOOLEAN):
        return BAD_TYPE
    return _as_number(value, kind, target.said)


def _as_text(value: float | str | bool, kind: int) -> ua.Variant | int:
    if not isinstance(value, str):
        return BAD_TYPE
    text = ua.LocalizedText(value) if kind == _LOCALIZED else value
    return ua.Variant(text, ua.VariantType(kind))


def _as_number(value: float | bool, kind: int, said: Described) -> ua.Variant | int:
    if kind == _BOOLEAN:
        return ua.Variant(bool(value), ua.VariantType.Boolean)
    if not math.isfinite(value) or (said.range and not said.range[0] <= value <= said.range[1]):
        return BAD_OUT_OF_RANGE
    if kind not in _WHOLE:
        is_too_large = kind == _FLOAT and abs(value) > _FLOAT_MOST
        return BAD_OUT_OF_RANGE if is_too_large else ua.Variant(float(value), ua.VariantType(kind))
    if value != int(value):
        return BAD_TYPE
    low, high = _WHOLE[kind]
    return ua.Variant(int(value), ua.VariantType(kind)) if low <= value <= high else BAD_OUT_OF_RANGE
