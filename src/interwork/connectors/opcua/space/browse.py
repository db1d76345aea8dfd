"""Walks a server's address space and proposes its variables as signals.

Paged, bounded by a number of nodes, gentle (see `references`); the server's own description (namespace 0) and
properties are not signals. A variable is proposed when its value is a scalar: a number, a text, or an enumeration,
which is read as words; a short array of such values as one signal per element, unless the elements are nodes of their
own. What an element means only a person knows. Matrices, long arrays and structures are not proposed.
"""

from collections import deque
from collections.abc import Iterator, Sequence
from typing import NamedTuple

import msgspec
from asyncua import ua
from asyncua.ua.attribute_ids import AttributeIds

from interwork.connectors import Found
from interwork.connectors.naming import meaning_of, short_names
from interwork.connectors.opcua.elements import MOST_ELEMENTS, element_address
from interwork.connectors.opcua.limits import read_attribute
from interwork.connectors.opcua.space.address import address_of
from interwork.connectors.opcua.space.describe import (
    TEXT_TYPES,
    Described,
    built_in,
    describe,
    is_abstract_number,
    is_execution,
    read_types,
)
from interwork.connectors.opcua.space.references import HAS_PROPERTY, NODES_PER_BROWSE, Walk, node_id
from interwork.core.errors import BadInput, LimitReached
from interwork.core.resource import Meaning

_MOST_WITH_ELEMENTS = 5_000
"""Signals of a server up to which elements of arrays are proposed."""
_NAMED = 12
"""Nodes named to a person who has to choose one of them."""
_REFERENCES_PER_NODE = 12
"""References met per node, at the most on average, before a walk is given up."""
_PROPERTIES = frozenset({"EngineeringUnits", "EURange", "EnumStrings", "EnumValues", "TrueState", "FalseState"})
_NUMBER_TYPES = frozenset(range(1, 12))
"""Boolean to Double (Part 6, 5.1.2)."""
IDENTIFICATION = "Identification"
_NAMEPLATE = {
    # OPC 40001-1, 8 and DI (OPC 10000-100, 4.5): the server's name to the one of the nameplate submodel
    "Manufacturer": "ManufacturerName",
    "Model": "ManufacturerProductDesignation",
    "SerialNumber": "SerialNumber",
    "ProductCode": "OrderCodeOfManufacturer",
    "ProductInstanceUri": "URIOfTheProduct",
    "YearOfConstruction": "YearOfConstruction",
    "SoftwareRevision": "SoftwareVersion",
    "HardwareRevision": "HardwareVersion",
}


class Met(msgspec.Struct):
    """A node met on the way."""

    node: ua.NodeId
    path: str
    is_variable: bool = False
    properties: dict[str, ua.NodeId] = {}


class _Choice(NamedTuple):
    """A variable, or an element of one, that is proposed."""

    variable: Met
    element: int | None
    said: Described
    is_text: bool

    @property
    def path(self) -> str:
        return self.variable.path + ("" if self.element is None else f"[{self.element}]")


async def browse_signals(walk: Walk, root: ua.NodeId, namespaces: Sequence[str], most_nodes: int) -> list[Found]:
    """List the scalar variables and the elements of short arrays below a node with proposed units and meanings."""
    variables = [one for one in await tour(walk, root, most_nodes) if one.is_variable]
    nodes = [one.node for one in variables]
    values = await read_attribute(walk.session, nodes, AttributeIds.Value, walk.limits.nodes_per_read)
    types = await read_types(walk, nodes)
    described = await describe(walk, types, [one.properties for one in variables])
    texts = [_is_text(*one) for one in zip(values, types, described, strict=True)]
    choices = list(_choices(walk, variables, [_count(one) for one in values], texts, described))
    names = short_names([one.path for one in choices])
    return [_found(choice, name, namespaces) for choice, name in zip(choices, names, strict=True)]


def _choices(
    walk: Walk,
    variables: Sequence[Met],
    counts: Sequence[int | None],
    texts: Sequence[bool | None],
    described: Sequence[Described],
) -> Iterator[_Choice]:
    """Choose what is proposed, and note in the walk what is not."""
    owners = {one.path.rpartition("[" if one.path.endswith("]") else "/")[0] for one in variables}
    room = _MOST_WITH_ELEMENTS - len(variables)
    for variable, count, is_text, said in zip(variables, counts, texts, described, strict=True):
        if is_text is not None and count is None:
            yield _Choice(variable, None, said, is_text)
        elif is_text is not None and count and count <= room and variable.path not in owners:
            room -= count
            yield from (_Choice(variable, index, said, is_text) for index in range(count))
        else:
            walk.passed_over.append(variable.path)


def _count(value: ua.DataValue) -> int | None:
    """Count the elements of an array; None for a scalar, 0 for what is no short array of one dimension."""
    variant = value.Value
    if variant is None or not variant.is_array:
        return None
    is_row = isinstance(variant.Value, list) and len(variant.Dimensions or ()) < 2
    return len(variant.Value) if is_row and len(variant.Value) <= MOST_ELEMENTS else 0


def said_of_others(paths: Sequence[str]) -> str:
    """Say of variables that are not proposed that and why."""
    arrays = f"arrays that are empty, longer than {MOST_ELEMENTS}, have nodes for their elements, or would make more"
    kinds = f"structures, octets, matrices, and {arrays} than {_MOST_WITH_ELEMENTS} signals"
    head = f"{len(paths)} variables are not proposed as signals, the first {paths[0]}: {kinds}"
    return f"{head}. By its address one is read as a text."


async def tour(walk: Walk, root: ua.NodeId, most_nodes: int) -> list[Met]:
    """Walk breadth-first below a node, leaving out namespace 0; a root that cannot be browsed is bad input."""
    met: list[Met] = []
    seen = {root}
    walk.most = most_nodes * _REFERENCES_PER_NODE
    queue = deque([Met(root, "")])
    while queue:
        parents = [queue.popleft() for _ in range(min(NODES_PER_BROWSE, len(queue)))]
        for parent, references in zip(parents, await walk.children([one.node for one in parents]), strict=True):
            for reference in references:
                node = node_id(reference)
                if reference.ReferenceTypeId == HAS_PROPERTY:
                    _note_property(parent, reference, node)
                elif node not in seen and node.NamespaceIndex != 0 and not getattr(reference.NodeId, "ServerIndex", 0):
                    seen.add(node)
                    name = reference.BrowseName.Name or ""
                    # an element of an array that is a node of its own is named by both: Axes[0]
                    path = f"{parent.path}{'' if name.startswith('[') else '/'}{name}".lstrip("/")
                    queue.append(Met(node, path, reference.NodeClass == ua.NodeClass.Variable))
                    met.append(queue[-1])
        _check(walk, root, met, most_nodes)
    return met


def _note_property(parent: Met, reference: ua.ReferenceDescription, node: ua.NodeId) -> None:
    name = reference.BrowseName.Name or ""
    is_nameplate = name in _NAMEPLATE and parent.path.endswith(IDENTIFICATION)
    if name in _PROPERTIES or is_nameplate:
        parent.properties[name] = node


def _check(walk: Walk, root: ua.NodeId, met: Sequence[Met], most: int) -> None:
    text = root.to_string()
    if text in walk.refused:
        raise BadInput(
            f"The server does not let us browse {text}: {walk.refused[text]}.",
            remedy="Name another node as the option root.",
        )
    if len(met) >= most:
        below = [f"{one.path} ({one.node.to_string()})" for one in met if "/" not in one.path and not one.is_variable]
        raise LimitReached(
            f"The server has more than {most} nodes below {text}.",
            remedy="Name a deeper node as the option root, or raise the option max_nodes. "
            f"Below it are {', '.join(below[:_NAMED])}{' and more' if len(below) > _NAMED else ''}.",
        )


async def read_nameplate(walk: Walk, root: ua.NodeId, most_nodes: int) -> dict[str, str]:
    """Read the first Identification found below a node; empty where there is none."""
    for one in await tour(walk, root, most_nodes):
        if one.path.endswith(IDENTIFICATION) and one.properties:
            names = list(one.properties)
            values = await read_attribute(
                walk.session, list(one.properties.values()), AttributeIds.Value, walk.limits.nodes_per_read
            )
            texts = {_NAMEPLATE[name]: _plate(value) for name, value in zip(names, values, strict=True)}
            return {name: text for name, text in texts.items() if text}
    return {}


def _plate(value: ua.DataValue) -> str:
    found = value.Value.Value if value.Value is not None else None
    if isinstance(found, ua.LocalizedText):
        return found.Text or ""
    return str(found)[:200] if isinstance(found, str | int) else ""


def _is_text(value: ua.DataValue, data_type: ua.NodeId | None, said: Described) -> bool | None:
    """Tell whether a variable, or an element of one, is read as a text or as a number; None where it is neither."""
    variant = value.Value
    if variant is not None and variant.Value is not None:
        kind: int | None = variant.VariantType.value
    else:
        kind = built_in(data_type)
        if kind is None and said.words:
            return True
        if is_abstract_number(data_type):
            return False
    if kind in TEXT_TYPES:
        return True
    return bool(said.words) if kind in _NUMBER_TYPES else None


def _found(choice: _Choice, name: str, namespaces: Sequence[str]) -> Found:
    """Propose a variable; its own name speaks before that of what it belongs to."""
    variable, element, said, is_text = choice
    address = address_of(variable.node, namespaces)
    if element is not None:
        return Found(address=element_address(address, element), name=name, unit=said.unit, is_text=is_text)
    parts = variable.path.split("/")
    meaning = meaning_of(parts[-1], said.unit, is_text=is_text)
    if meaning is Meaning.OTHER:
        meaning = meaning_of("/".join(parts[-2:]), said.unit, is_text=is_text)
    if is_text and is_execution(variable.path):
        meaning = Meaning.EXECUTION
    elif meaning is Meaning.EXECUTION and not is_execution(variable.path):
        meaning = Meaning.OTHER
    return Found(address=address, name=name, unit=said.unit, meaning=meaning, is_text=is_text)
