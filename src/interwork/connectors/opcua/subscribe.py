"""The requests that make a subscription: its creation and its monitored items, each refused one with its reason."""

from collections.abc import Mapping, Sequence

from asyncua import ua
from asyncua.client.ua_session import UaSession
from asyncua.ua.attribute_ids import AttributeIds

from interwork.connectors import FLUSH_READINGS, Point
from interwork.connectors.naming import meaning_of
from interwork.connectors.opcua.browse import NODES_PER_CALL, in_chunks, read_attribute
from interwork.connectors.opcua.session import Inbox
from interwork.core.resource import Meaning

_QUEUE = 20
"""How many changes of one variable the server keeps between two publish responses."""
_LIFETIME_S = 300.0
"""How long the server keeps the subscription while we hold it back."""


async def create_subscription(session: UaSession, inbox: Inbox, publishing_ms: float, keep_alive_s: float) -> int:
    """Create a subscription that delivers to the inbox; return its id."""
    parameters = ua.CreateSubscriptionParameters()
    parameters.RequestedPublishingInterval = publishing_ms
    parameters.RequestedMaxKeepAliveCount = max(1, int(keep_alive_s * 1000 / publishing_ms))
    parameters.RequestedLifetimeCount = int(_LIFETIME_S * 1000 / publishing_ms)
    parameters.MaxNotificationsPerPublish = FLUSH_READINGS
    parameters.PublishingEnabled = True
    result = await session.create_subscription(parameters, inbox.deliver)
    return int(result.SubscriptionId)


async def monitor(
    session: UaSession, subscription: int, nodes: Mapping[int, ua.NodeId], sampling_ms: float
) -> dict[int, int]:
    """Create a monitored item for each client handle; return the status codes of the refused ones."""

    async def create(chunk: Sequence[int]) -> list[ua.MonitoredItemCreateResult]:
        parameters = ua.CreateMonitoredItemsParameters()
        parameters.SubscriptionId = subscription
        parameters.TimestampsToReturn = ua.TimestampsToReturn.Both
        parameters.ItemsToCreate = [_item(handle, nodes[handle], sampling_ms) for handle in chunk]
        return await session.create_monitored_items(parameters)

    handles = list(nodes)
    results = await in_chunks(handles, NODES_PER_CALL, create)
    return {
        handle: int(result.StatusCode.value)
        for handle, result in zip(handles, results, strict=True)
        if not result.StatusCode.is_good()
    }


def _item(handle: int, node: ua.NodeId, sampling_ms: float) -> ua.MonitoredItemCreateRequest:
    item = ua.MonitoredItemCreateRequest()
    item.ItemToMonitor.NodeId = node
    item.ItemToMonitor.AttributeId = AttributeIds.Value
    item.MonitoringMode = ua.MonitoringMode.Reporting
    item.RequestedParameters.ClientHandle = handle
    item.RequestedParameters.SamplingInterval = sampling_ms
    item.RequestedParameters.QueueSize = _QUEUE
    item.RequestedParameters.DiscardOldest = True
    return item


async def state_handles(session: UaSession, points: Sequence[Point], nodes: Mapping[int, ua.NodeId]) -> frozenset[int]:
    """Find which text points tell the machine's execution state, by their browse names."""
    handles = [handle for handle in nodes if points[handle].is_text]
    names = await read_attribute(session, [nodes[handle] for handle in handles], AttributeIds.BrowseName)
    return frozenset(
        handle
        for handle, name in zip(handles, names, strict=True)
        if name.Value is not None
        and isinstance(name.Value.Value, ua.QualifiedName)
        and meaning_of(name.Value.Value.Name or "", is_text=True) is Meaning.EXECUTION
    )
