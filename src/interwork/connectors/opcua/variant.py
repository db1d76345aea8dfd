"""Steps over a Variant of the OPC UA binary encoding (Part 6, 5.2.2) without decoding it. Pure.

Only the length is needed here: what a Variant holds is asyncua's business, or nobody's where it is malformed.
Everything raises IndexError, ValueError or struct.error on octets that are none; nothing runs past their end.
"""

import struct

_DEEPEST = 8
"""Variants within variants and data values that are followed."""
_FIXED = {1: 1, 2: 1, 3: 1, 4: 2, 5: 2, 6: 4, 7: 4, 8: 8, 9: 8, 10: 4, 11: 8, 13: 8, 14: 16, 19: 4}
"""Octets of the built-in types of a fixed length, by type id."""
_SIZED = frozenset({12, 15, 16})
_NODE_ID, _EXPANDED, _QUALIFIED, _LOCALIZED, _EXTENSION, _DATA_VALUE, _VARIANT = 17, 18, 20, 21, 22, 23, 24
_PARTS = ((0x02, 4), (0x04, 8), (0x10, 2), (0x08, 8), (0x20, 2))
"""Mask bit and octets of what follows a data value's value."""
_NODE_OCTETS = {0x00: 2, 0x01: 4, 0x02: 7, 0x04: 19}
_i32 = struct.Struct("<i").unpack_from


def skip_array(body: bytes, at: int, width: int) -> int:
    """Step over an array of elements of a fixed width."""
    count: int = _i32(body, at)[0]
    return at + 4 + max(count, 0) * width


def skip_variant(body: bytes, at: int, depth: int = 0) -> int:
    """Step over one variant: a scalar, an array or a matrix."""
    encoding = body[at]
    kind, count, at = encoding & 0x3F, 1, at + 1
    if encoding & 0x80:
        count, at = max(int(_i32(body, at)[0]), 0), at + 4
    if kind in _FIXED:
        at += count * _FIXED[kind]
    elif kind:
        if count > len(body) - at:
            raise ValueError(f"{count} elements in {len(body) - at} octets")
        for _ in range(count):
            at = _skip_value(body, at, kind, depth)
    if encoding & 0x40:
        at = skip_array(body, at, 4)
    if at > len(body):
        raise IndexError(at)
    return at


def _skip_value(body: bytes, at: int, kind: int, depth: int) -> int:
    if kind in _SIZED:
        return skip_array(body, at, 1)
    if kind in (_NODE_ID, _EXPANDED):
        return _skip_node(body, at)
    if kind == _QUALIFIED:
        return skip_array(body, at + 2, 1)
    if kind == _LOCALIZED:
        return _skip_texts(body, at + 1, body[at] & 0x03)
    if kind == _EXTENSION:
        at = _skip_node(body, at)
        return skip_array(body, at + 1, 1) if body[at] else at + 1
    if kind in (_DATA_VALUE, _VARIANT) and depth < _DEEPEST:
        return skip_variant(body, at, depth + 1) if kind == _VARIANT else _skip_data_value(body, at, depth + 1)
    raise ValueError(f"type {kind}")


def _skip_texts(body: bytes, at: int, mask: int) -> int:
    """Step over the locale and the text of a LocalizedText, each where its bit says so."""
    for bit in (0x01, 0x02):
        if mask & bit:
            at = skip_array(body, at, 1)
    return at


def _skip_node(body: bytes, at: int) -> int:
    """Step over a NodeId or an ExpandedNodeId."""
    flags = body[at]
    form = flags & 0x3F
    at = skip_array(body, at + 3, 1) if form in (0x03, 0x05) else at + _node_octets(form)
    if flags & 0x80:
        at = skip_array(body, at, 1)
    return at + 4 if flags & 0x40 else at


def _node_octets(form: int) -> int:
    if form not in _NODE_OCTETS:
        raise ValueError(f"node id form {form}")
    return _NODE_OCTETS[form]


def _skip_data_value(body: bytes, at: int, depth: int) -> int:
    mask, at = body[at], at + 1
    if mask & 0x01:
        at = skip_variant(body, at, depth)
    return at + sum(octets for bit, octets in _PARTS if mask & bit)
