"""Walks a server's address space and proposes its variables as signals.

Paged (BrowseNext), bounded by a number of nodes, a few nodes per request; the server's own description (namespace 0)
and properties are not signals. A variable is proposed when its value is a scalar; arrays and structures are not.
"""

from collections import deque
from collections.abc import Awaitable, Callable, Sequence
from typing import TypeVar

import msgspec
from asyncua import ua
from asyncua.client.ua_session import UaSession
from asyncua.ua.attribute_ids import AttributeIds
from asyncua.ua.object_ids import ObjectIds
from asyncua.ua.uaerrors import BadTooManyOperations

from interwork.connectors import Found
from interwork.connectors.naming import meaning_of, short_names, unece_code, unit_code
from interwork.connectors.opcua.wire import address_of
from interwork.core.errors import BadInput, LimitReached
from interwork.core.resource import Meaning

_NODES_PER_BROWSE = 50
_REFERENCES_PER_PAGE = 500
NODES_PER_CALL = 500
"""How many nodes are read or subscribed in one request, unless the server takes fewer."""

_HIERARCHICAL = ua.NodeId(ua.Int32(ObjectIds.HierarchicalReferences))
_HAS_PROPERTY = ua.NodeId(ua.Int32(ObjectIds.HasProperty))
# Built-in types (Part 6, 5.1.2): 1 Boolean to 11 Double; 12 String, 13 DateTime, 21 LocalizedText.
_NUMBER_TYPES = frozenset(range(1, 12))
_TEXT_TYPES = frozenset({12, 13, 21})

_Item = TypeVar("_Item")
_Result = TypeVar("_Result")


class _Variable(msgspec.Struct, frozen=True):
    """A variable met on the way: its node, where it sits, and the node of its engineering unit."""

    node: ua.NodeId
    path: str


async def in_chunks(
    items: Sequence[_Item], size: int, call: Callable[[Sequence[_Item]], Awaitable[list[_Result]]]
) -> list[_Result]:
    """Make a request per chunk, halving the chunk as long as the server says it is too many (MaxNodesPer… limits)."""
    results: list[_Result] = []
    while len(results) < len(items):
        chunk = items[len(results) : len(results) + size]
        try:
            answered = await call(chunk)
        except BadTooManyOperations:
            if size == 1:
                raise
            size = max(1, size // 2)
            continue
        if len(answered) != len(chunk):
            raise ValueError(f"The server answered {len(answered)} of {len(chunk)} operations.")
        results += answered
    return results


async def read_attribute(session: UaSession, nodes: Sequence[ua.NodeId], attribute: AttributeIds) -> list[ua.DataValue]:
    """Read one attribute of many nodes."""

    async def read(chunk: Sequence[ua.NodeId]) -> list[ua.DataValue]:
        return await session.read_attributes(list(chunk), attribute)

    return await in_chunks(nodes, NODES_PER_CALL, read)


async def browse_signals(
    session: UaSession, root: ua.NodeId, namespaces: Sequence[str], most_nodes: int
) -> list[Found]:
    """List the scalar variables below a node with proposed units and meanings."""
    variables, units = await _walk(session, root, most_nodes)
    values = await read_attribute(session, [one.node for one in variables], AttributeIds.Value)
    types = await read_attribute(session, [one.node for one in variables], AttributeIds.DataType)
    unit_of = await _read_units(session, units)
    kinds = [_is_text(value, data_type) for value, data_type in zip(values, types, strict=True)]
    names = short_names([one.path for one in variables])
    return [
        _found(variable, name, unit_of.get(variable.node, ""), is_text=is_text, namespaces=namespaces)
        for variable, name, is_text in zip(variables, names, kinds, strict=True)
        if is_text is not None
    ]


async def _walk(
    session: UaSession, root: ua.NodeId, most_nodes: int
) -> tuple[list[_Variable], dict[ua.NodeId, ua.NodeId]]:
    """Walk breadth-first; return the variables and, by variable, the node that names its unit."""
    variables: list[_Variable] = []
    units: dict[ua.NodeId, ua.NodeId] = {}
    seen = {root}
    queue = deque([_Variable(root, "")])
    while queue:
        parents = [queue.popleft() for _ in range(min(_NODES_PER_BROWSE, len(queue)))]
        for parent, references in zip(parents, await _children(session, parents), strict=True):
            for reference in references:
                node = ua.NodeId(
                    reference.NodeId.Identifier, reference.NodeId.NamespaceIndex, reference.NodeId.NodeIdType
                )
                if reference.ReferenceTypeId == _HAS_PROPERTY:
                    if reference.BrowseName.Name == "EngineeringUnits":
                        units[parent.node] = node
                    continue
                if node in seen or node.NamespaceIndex == 0 or getattr(reference.NodeId, "ServerIndex", False):
                    continue
                seen.add(node)
                path = f"{parent.path}/{reference.BrowseName.Name or ''}".lstrip("/")
                queue.append(_Variable(node, path))
                if reference.NodeClass == ua.NodeClass.Variable:
                    variables.append(queue[-1])
        if len(seen) > most_nodes:
            raise LimitReached(
                f"The server has more than {most_nodes} nodes below {root.to_string()}.",
                remedy="Name a deeper node as the option root, or raise the option max_nodes.",
            )
    return variables, units


async def _children(session: UaSession, parents: Sequence[_Variable]) -> list[list[ua.ReferenceDescription]]:
    """Browse several nodes, page by page."""

    async def browse(chunk: Sequence[_Variable]) -> list[ua.BrowseResult]:
        parameters = ua.BrowseParameters()
        parameters.RequestedMaxReferencesPerNode = _REFERENCES_PER_PAGE
        parameters.NodesToBrowse = [_description(one.node) for one in chunk]
        return await session.browse(parameters)

    results = await in_chunks(parents, _NODES_PER_BROWSE, browse)
    pages: list[list[ua.ReferenceDescription]] = []
    for parent, result in zip(parents, results, strict=True):
        if not parent.path and not result.StatusCode.is_good():
            raise BadInput(
                f"The server does not let us browse {parent.node.to_string()}: {result.StatusCode.name}.",
                remedy="Name another node as the option root.",
            )
        references = list(result.References or ())
        point = result.ContinuationPoint
        while point:
            following = ua.BrowseNextParameters(ReleaseContinuationPoints=False, ContinuationPoints=[point])
            page = (await session.browse_next(following))[0]
            references += page.References or ()
            point = page.ContinuationPoint
        pages.append(references)
    return pages


def _description(node: ua.NodeId) -> ua.BrowseDescription:
    description = ua.BrowseDescription()
    description.NodeId = node
    description.BrowseDirection = ua.BrowseDirection.Forward
    description.ReferenceTypeId = _HIERARCHICAL
    description.IncludeSubtypes = True
    description.NodeClassMask = ua.NodeClass.Object | ua.NodeClass.Variable
    description.ResultMask = ua.BrowseResultMask.All
    return description


async def _read_units(session: UaSession, units: dict[ua.NodeId, ua.NodeId]) -> dict[ua.NodeId, str]:
    """Read the engineering units of the variables that have one."""
    values = await read_attribute(session, list(units.values()), AttributeIds.Value)
    found: dict[ua.NodeId, str] = {}
    for variable, value in zip(units, values, strict=True):
        unit = value.Value.Value if value.Value is not None else None
        if isinstance(unit, ua.EUInformation):
            named, coded = unit_code(unit.DisplayName.Text or ""), unit_code(unece_code(unit.UnitId))
            found[variable] = coded if named.startswith("{") and named != "{rpm}" and coded else named or coded
    return found


def _is_text(value: ua.DataValue, data_type: ua.DataValue) -> bool | None:
    """Tell whether a variable's value is a text or a number; None where it is no scalar."""
    variant = value.Value
    if variant is not None and variant.Value is not None:
        if variant.is_array:
            return None
        kind: int | None = variant.VariantType.value
    else:
        declared = data_type.Value.Value if data_type.Value is not None else None
        is_built_in = isinstance(declared, ua.NodeId) and declared.NamespaceIndex == 0
        kind = declared.Identifier if is_built_in and declared is not None else None
    if kind in _TEXT_TYPES:
        return True
    return False if kind in _NUMBER_TYPES else None


def _found(variable: _Variable, name: str, unit: str, *, is_text: bool, namespaces: Sequence[str]) -> Found:
    """Propose a variable; its own name speaks before that of what it belongs to."""
    parts = variable.path.split("/")
    meaning = meaning_of(parts[-1], unit, is_text=is_text)
    if meaning is Meaning.OTHER:
        meaning = meaning_of("/".join(parts[-2:]), unit, is_text=is_text)
    return Found(address=address_of(variable.node, namespaces), name=name, unit=unit, meaning=meaning, is_text=is_text)
