"""The pace of one reading: how often a server samples and publishes, changed at the server while it goes on.

The intervals of subscriptions and items are changed in place (Part 4, 5.13.3 and 5.14.3): nothing is subscribed anew,
so nothing is lost or told twice. A server that does not change them says so per item; those go on as they were.
"""

from collections.abc import Mapping, Sequence

import msgspec
from asyncua import ua
from asyncua.client.ua_session import UaSession
from asyncua.ua.uaerrors import UaStatusCodeError

from interwork.connectors.opcua.limits import fitting, in_chunks

KEEP_ALIVE_S = 3.0
LIFETIME_S = 300.0
"""How long the server keeps a subscription while we hold it back."""
QUEUE = 20
"""How many changes of one variable the server keeps between two publish responses."""
PUBLISHING_MOST_MS = 3_000.0


class Rates(msgspec.Struct, frozen=True):
    """How often the server is asked to sample and to publish, in milliseconds, and how refused items are retried."""

    publishing_ms: float
    sampling_ms: float
    retry_s: tuple[float, float] = (3.0, 60.0)
    """First and longest wait before an item is asked for again."""
    roll_call_s: float = 10.0

    def slowed(self, factor: float) -> "Rates":
        """Give the rates at a pace so many times slower; a variable sampled as fast as it goes gets an interval."""
        if factor == 1:
            return self
        publishing = min(self.publishing_ms * factor, max(PUBLISHING_MOST_MS, self.publishing_ms))
        sampling = (self.sampling_ms or self.publishing_ms) * factor
        return msgspec.structs.replace(self, publishing_ms=publishing, sampling_ms=sampling)


def keep_alive_count(publishing_ms: float) -> int:
    """Tell after how many publishing intervals without a change the server gives a sign of life."""
    return max(1, int(KEEP_ALIVE_S * 1000 / publishing_ms))


def lifetime_count(publishing_ms: float) -> int:
    """Tell after how many publishing intervals without a request of ours the server gives a subscription up."""
    return int(LIFETIME_S * 1000 / publishing_ms)


def item(handle: int, rates: Rates) -> ua.MonitoringParameters:
    """Say how an item is sampled and queued."""
    asked = ua.MonitoringParameters()
    asked.ClientHandle, asked.SamplingInterval = handle, rates.sampling_ms
    asked.QueueSize, asked.DiscardOldest = QUEUE, True
    return asked


async def repace(
    session: UaSession, items: Mapping[int, tuple[int, int]], subscriptions: Sequence[int], rates: Rates, limit: int
) -> int:
    """Change the intervals of subscriptions and of items (client handle to both ids); count the items that refused."""
    for subscription in subscriptions:
        parameters = ua.ModifySubscriptionParameters()
        parameters.SubscriptionId = subscription
        parameters.RequestedPublishingInterval = rates.publishing_ms
        parameters.RequestedMaxKeepAliveCount = keep_alive_count(rates.publishing_ms)
        parameters.RequestedLifetimeCount = lifetime_count(rates.publishing_ms)
        await session.update_subscription(parameters)
    refused = 0
    for subscription in subscriptions:
        handles = [handle for handle, (of, _) in items.items() if of == subscription]

        async def modify(chunk: Sequence[int], subscription: int = subscription) -> list[ua.MonitoredItemModifyResult]:
            asked = ua.ModifyMonitoredItemsParameters()
            asked.SubscriptionId, asked.TimestampsToReturn = subscription, ua.TimestampsToReturn.Both
            asked.ItemsToModify = [
                ua.MonitoredItemModifyRequest(MonitoredItemId=items[one][1], RequestedParameters=item(one, rates))
                for one in chunk
            ]
            return list(await session.modify_monitored_items(asked) or ())

        results = await in_chunks(handles, fitting(limit), modify)
        refused += sum(not one.StatusCode.is_good() for one in results)
    return refused


REFUSED = UaStatusCodeError
"""A server that has no such service, or takes no such interval."""
