"""What a server says it takes at most, and requests cut to fit; a server that says too much is asked for less.

A stated limit is where the cutting starts, never what is believed: where the server refuses a request as too large,
it is halved until it fits, and where it answers fewer operations than asked the answer is not used.
"""

from collections.abc import Awaitable, Callable, Mapping, Sequence
from typing import TypeVar

import msgspec
from asyncua import ua
from asyncua.client.ua_session import UaSession
from asyncua.ua.attribute_ids import AttributeIds
from asyncua.ua.object_ids import ObjectIds
from asyncua.ua.uaerrors import BadEncodingLimitsExceeded, BadRequestTooLarge, BadResponseTooLarge, BadTooManyOperations

NODES_PER_CALL = 500
"""How many nodes are read or subscribed in one request, unless the server takes fewer."""
_TOO_LARGE = (BadTooManyOperations, BadRequestTooLarge, BadResponseTooLarge, BadEncodingLimitsExceeded)

_Item = TypeVar("_Item")
_Result = TypeVar("_Result")


class Limits(msgspec.Struct, frozen=True, kw_only=True):
    """A server's stated limits (Part 5, 6.3.2 and 6.3.11); 0 = none stated."""

    nodes_per_read: int = 0
    nodes_per_write: int = 0
    nodes_per_browse: int = 0
    items_per_call: int = 0
    items_per_subscription: int = 0
    items: int = 0
    subscriptions: int = 0


_CAPABILITIES = "Server_ServerCapabilities_"
NAMES: Mapping[str, str] = {
    "nodes_per_read": "OperationLimits_MaxNodesPerRead",
    "nodes_per_write": "OperationLimits_MaxNodesPerWrite",
    "nodes_per_browse": "OperationLimits_MaxNodesPerBrowse",
    "items_per_call": "OperationLimits_MaxMonitoredItemsPerCall",
    "items_per_subscription": "MaxMonitoredItemsPerSubscription",
    "items": "MaxMonitoredItems",
    "subscriptions": "MaxSubscriptionsPerSession",
}
"""Our name to the server's."""


def fitting(limit: int, most: int = NODES_PER_CALL) -> int:
    """Give the size of a request: ours, or the server's limit where that is smaller."""
    return min(limit, most) if limit > 0 else most


async def in_chunks(
    items: Sequence[_Item], size: int, call: Callable[[Sequence[_Item]], Awaitable[list[_Result]]]
) -> list[_Result]:
    """Make a request per chunk, halving the chunk as long as the server says it is too large."""
    results: list[_Result] = []
    while len(results) < len(items):
        chunk = items[len(results) : len(results) + size]
        try:
            answered = await call(chunk)
        except _TOO_LARGE:
            if size == 1:
                raise
            size = max(1, min(size, len(chunk)) // 2)
            continue
        if len(answered) != len(chunk):
            raise ValueError(f"the server answered {len(answered)} of {len(chunk)} operations")
        results += answered
    return results


async def read_attribute(
    session: UaSession, nodes: Sequence[ua.NodeId], attribute: AttributeIds, limit: int = 0
) -> list[ua.DataValue]:
    """Read one attribute of many nodes."""

    async def read(chunk: Sequence[ua.NodeId]) -> list[ua.DataValue]:
        return list(await session.read_attributes(list(chunk), attribute) or ())

    return await in_chunks(nodes, fitting(limit), read)


async def read_limits(session: UaSession) -> Limits:
    """Ask the server for its limits; what is missing or no count is no limit."""
    nodes = [ua.NodeId(ua.Int32(getattr(ObjectIds, _CAPABILITIES + name))) for name in NAMES.values()]
    values = await read_attribute(session, nodes, AttributeIds.Value)
    return Limits(**{ours: _count(value) for ours, value in zip(NAMES, values, strict=True)})


def _count(value: ua.DataValue) -> int:
    found = value.Value.Value if value.Value is not None else None
    return found if isinstance(found, int) and not isinstance(found, bool) and found > 0 else 0
