"""What a server says of its variables: engineering units, ranges, the words of enumerations and two-state values."""

from collections.abc import Mapping, Sequence

import msgspec
from asyncua import ua
from asyncua.ua.attribute_ids import AttributeIds

from interwork.connectors.naming import meaning_of, unece_code, unit_code
from interwork.connectors.opcua.inbox import Wording
from interwork.connectors.opcua.limits import read_attribute
from interwork.connectors.opcua.space.references import HAS_SUBTYPE, HIERARCHICAL, Walk, node_id
from interwork.core.resource import Meaning

Properties = Mapping[str, ua.NodeId]

_STATE = "CurrentState"
_STATE_MACHINES = frozenset({"MachineryItemState"})
"""State machines whose CurrentState tells what a machine does (OPC 40001-1, 12)."""
_BUILT_IN = 25
"""The last built-in type's id (Part 6, 5.1.2); beyond are enumerations, structures and their like."""
_DERIVED = {288: 7, 289: 7, 290: 11, 294: 13, 295: 12}
"""Types of namespace 0 that only narrow a built-in one (Part 3, 8): IntegerId, Counter, Duration, UtcTime, LocaleId."""
_ABSTRACT = frozenset(ua.NodeId(ua.Int32(one)) for one in (26, 27, 28))
"""Number, Integer and UInteger: which of them a value is only the value itself says."""
_DURATION = ua.NodeId(ua.Int32(290))
"""A time span in milliseconds (Part 3, 8.13)."""
_ENUMERATION = ua.NodeId(ua.Int32(29))
TEXT_TYPES = frozenset({12, 13, 21})
"""String, DateTime, LocalizedText."""


class Described(msgspec.Struct, frozen=True):
    """A variable's own description."""

    unit: str = ""
    words: dict[int, str] = {}
    range: tuple[float, float] | None = None


async def describe(
    walk: Walk, data_types: Sequence[ua.NodeId | None], properties: Sequence[Properties]
) -> list[Described]:
    """Read the descriptions of variables from their properties and, for enumerations, from their data types."""
    of_types = await _words_of_types(walk, data_types)
    values = await _read(walk, properties, ("EngineeringUnits", "EURange", *_WORD_PROPERTIES))
    return [
        Described(
            unit=_unit(found.get("EngineeringUnits")) or ("{ms}" if data_type == _DURATION else ""),
            words=_words(found) or (of_types.get(data_type, {}) if data_type is not None else {}),
            range=_range(found.get("EURange")),
        )
        for data_type, found in zip(data_types, values, strict=True)
    ]


async def read_types(walk: Walk, nodes: Sequence[ua.NodeId]) -> list[ua.NodeId | None]:
    """Read the data types of variables; None where the server does not say."""
    values = await read_attribute(walk.session, nodes, AttributeIds.DataType, walk.limits.nodes_per_read)
    found = [value.Value.Value if value.Value is not None else None for value in values]
    return [one if isinstance(one, ua.NodeId) else None for one in found]


def built_in(data_type: ua.NodeId | None) -> int | None:
    """Tell the built-in type's id of a data type; None where it is another."""
    if data_type is None or data_type.NamespaceIndex != 0 or not isinstance(data_type.Identifier, int):
        return None
    identifier = _DERIVED.get(data_type.Identifier, data_type.Identifier)
    return identifier if identifier <= _BUILT_IN else None


def is_abstract_number(data_type: ua.NodeId | None) -> bool:
    """Tell whether a data type says only that its values are numbers."""
    return data_type in _ABSTRACT


async def wording(walk: Walk, nodes: Mapping[int, ua.NodeId]) -> Wording:
    """Find out how the text points among these speak: enumerations as words, execution states in our words."""
    handles = list(nodes)
    if not handles:
        return Wording()
    names = await _names(walk, [nodes[handle] for handle in handles])
    types = await read_types(walk, [nodes[handle] for handle in handles])
    odd = [at for at, one in enumerate(types) if built_in(one) not in TEXT_TYPES]
    properties = await walk.properties([nodes[handles[at]] for at in odd])
    described = await describe(walk, [types[at] for at in odd], properties)
    return Wording(
        words={handles[at]: one.words for at, one in zip(odd, described, strict=True) if one.words},
        states=frozenset(handle for handle, name in zip(handles, names, strict=True) if is_execution(name)),
    )


def is_execution(path: str) -> bool:
    """Tell whether a text variable tells what the machine does: by its own name, or by the state machine it is in."""
    parts = path.split("/")
    if parts[-1] == _STATE:
        return len(parts) > 1 and parts[-2] in _STATE_MACHINES
    return meaning_of(parts[-1], is_text=True) is Meaning.EXECUTION


async def _names(walk: Walk, nodes: Sequence[ua.NodeId]) -> list[str]:
    """Read browse names; that of a CurrentState with its state machine's before it."""
    values = await read_attribute(walk.session, nodes, AttributeIds.BrowseName, walk.limits.nodes_per_read)
    names = [_name(value) for value in values]
    inner = [at for at, name in enumerate(names) if name == _STATE]
    parents = await walk.children([nodes[at] for at in inner], HIERARCHICAL, ua.BrowseDirection.Inverse)
    for at, references in zip(inner, parents, strict=True):
        owners = [one.BrowseName.Name or "" for one in references]
        names[at] = f"{owners[0] if owners else ''}/{names[at]}"
    return names


def _name(value: ua.DataValue) -> str:
    found = value.Value.Value if value.Value is not None else None
    return (found.Name or "") if isinstance(found, ua.QualifiedName) else ""


_WORD_PROPERTIES = ("EnumStrings", "EnumValues", "TrueState", "FalseState")


async def _words_of_types(walk: Walk, data_types: Sequence[ua.NodeId | None]) -> dict[ua.NodeId, dict[int, str]]:
    odd = list({one: None for one in data_types if one is not None and built_in(one) is None})
    values = await _read(walk, await walk.properties(odd), _WORD_PROPERTIES)
    known = {data_type: _words(found) for data_type, found in zip(odd, values, strict=True)}
    wordless = [data_type for data_type, words in known.items() if not words]
    return known | await _defined_words(walk, wordless)


async def _defined_words(walk: Walk, data_types: Sequence[ua.NodeId]) -> dict[ua.NodeId, dict[int, str]]:
    """Read the words of enumerations that have them in their DataTypeDefinition alone (Part 3, 8.50).

    Sets of options are defined in the same form, but by their bits, so only a subtype of Enumeration counts.
    """
    above = await walk.children(data_types, HAS_SUBTYPE, ua.BrowseDirection.Inverse, ua.NodeClass.DataType)
    kinds = [one for one, page in zip(data_types, above, strict=True) if _ENUMERATION in map(node_id, page)]
    limit = walk.limits.nodes_per_read
    values = await read_attribute(walk.session, kinds, AttributeIds.DataTypeDefinition, limit) if kinds else []
    found = [value.Value.Value if value.Value is not None else None for value in values]
    return {
        kind: _words({"EnumValues": list(one.Fields or ())})
        for kind, one in zip(kinds, found, strict=True)
        if isinstance(one, ua.EnumDefinition)
    }


async def _read(walk: Walk, properties: Sequence[Properties], wanted: Sequence[str]) -> list[dict[str, object]]:
    """Read the wanted ones of each node's properties."""
    asked = [(at, name, of[name]) for at, of in enumerate(properties) for name in wanted if name in of]
    values = await read_attribute(
        walk.session, [node for _, _, node in asked], AttributeIds.Value, walk.limits.nodes_per_read
    )
    found: list[dict[str, object]] = [{} for _ in properties]
    for (at, name, _), value in zip(asked, values, strict=True):
        if value.Value is not None and value.Value.Value is not None:
            found[at][name] = value.Value.Value
    return found


def _words(found: Mapping[str, object]) -> dict[int, str]:
    """Read an enumeration's words (Part 8, 5.3.3; Part 3, 5.8.2); empty where there are none."""
    strings, values = found.get("EnumStrings"), found.get("EnumValues")
    if isinstance(strings, list):
        return {at: _text(one) for at, one in enumerate(strings) if _text(one)}
    if isinstance(values, list):
        listed = [one for one in values if isinstance(one, ua.EnumValueType)]
        return {int(one.Value): _text(one.DisplayName) or str(getattr(one, "Name", None) or "") for one in listed}
    states = {1: found.get("TrueState"), 0: found.get("FalseState")}
    return {at: _text(one) for at, one in states.items() if _text(one)}


def _text(value: object) -> str:
    if isinstance(value, ua.LocalizedText):
        return value.Text or ""
    return value if isinstance(value, str) else ""


def _unit(unit: object) -> str:
    if not isinstance(unit, ua.EUInformation):
        return ""
    named, coded = unit_code(unit.DisplayName.Text or ""), unit_code(unece_code(unit.UnitId))
    return coded if named.startswith("{") and named != "{rpm}" and coded else named or coded


def _range(found: object) -> tuple[float, float] | None:
    """Read an EURange; one without an extent is none."""
    if not isinstance(found, ua.Range):
        return None
    low, high = float(found.Low), float(found.High)
    return (low, high) if low < high else None
