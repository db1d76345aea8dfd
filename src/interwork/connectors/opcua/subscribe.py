"""The subscriptions of one reading: spread over as many as the server's limits ask, refused and lost items tried again.

An item the server refuses costs only itself: it has its status code as quality and is asked for again alone after a
while, twice as long each time. The same holds for a node that is deleted at the server and comes back. Not every server
says so when a node is deleted, so now and then the next few items are called by name.
"""

import random
from collections.abc import Mapping, Sequence

import anyio
import msgspec
from asyncua import ua
from asyncua.ua.attribute_ids import AttributeIds
from asyncua.ua.uaerrors import BadTooManyMonitoredItems, BadTooManyOperations, BadTooManySubscriptions

from interwork.connectors import FLUSH_READINGS
from interwork.connectors.opcua.inbox import Inbox
from interwork.connectors.opcua.limits import Limits, fitting, in_chunks, read_attribute
from interwork.connectors.opcua.pace import KEEP_ALIVE_S, REFUSED, Rates, item, keep_alive_count, lifetime_count, repace
from interwork.connectors.opcua.session import FastSession, told_cancellation
from interwork.connectors.opcua.value import GONE

BAD_TOO_MANY_ITEMS = 0x80DB_0000
"""BadTooManyMonitoredItems."""
_CALL_S = 2.0
_SLOWER = 1.5
"""A revised sampling interval beyond this many times the requested one is worth a remark."""


class _Due(msgspec.Struct):
    """When a point that cannot be read is asked for again."""

    at: float
    wait_s: float


class Subscriptions:
    """What one reading has at the server."""

    def __init__(
        self, session: FastSession, inbox: Inbox, nodes: Mapping[int, ua.NodeId], limits: Limits, rates: Rates
    ) -> None:
        self._session, self._inbox, self._nodes = session, inbox, nodes
        self._limits, self._rates, self._asked = limits, rates, rates
        self._factor = self._wanted = 1.0
        self._unpaced = ""
        """What the server did not do of a change of pace."""
        self._room: dict[int, int] = {}
        """Subscription to how many more items it takes."""
        self._items: dict[int, tuple[int, int]] = {}
        """Client handle to its subscription and monitored item id."""
        self._due: dict[int, _Due] = {}
        self._called: list[int] = []
        """Client handles not yet called in this round."""
        self._call_at = anyio.current_time() + rates.roll_call_s
        self._slower = self._short = 0
        self._limit = ""
        """Which limit of the server kept points out, in its own words; empty where none did."""
        self.silence_s = 4 * KEEP_ALIVE_S
        """How long no word of a subscription may come before it counts as lost."""

    @property
    def remarks(self) -> list[str]:
        """Say what the server does otherwise than asked."""
        rates, refused = self._rates, sum(handle not in self._items for handle in self._nodes)
        said = []
        if self._limit and refused:
            said.append(f"{refused} of {len(self._nodes)} points are not read: the server's limit {self._limit}.")
        if self._slower:
            said.append(f"The server samples {self._slower} points more slowly than every {rates.sampling_ms:g} ms.")
        if self._short:
            said.append(
                f"The server keeps one change of {self._short} points between two notifications: "
                f"of faster ones all but the last are lost without a sign."
            )
        if self._factor != 1:
            said.append(f"It is sampled {self._factor:g} times more slowly than asked at first.")
        return said + ([self._unpaced] if self._unpaced else [])

    def slow(self, factor: float) -> None:
        """Have the server sample so many times more slowly than asked at first, when `tend` comes by."""
        self._wanted = factor
        if not self._room:  # nothing is subscribed yet
            self._factor, self._rates = factor, self._asked.slowed(factor)

    async def _repace(self) -> None:
        """Change the pace at the server; what it refuses goes on as it was, and is told."""
        self._factor, self._unpaced = self._wanted, ""
        self._rates = self._asked.slowed(self._factor)
        self.silence_s = max(self.silence_s, 4 * max(KEEP_ALIVE_S, self._rates.publishing_ms / 1000))
        try:
            refused = await repace(
                self._session, self._items, list(self._room), self._rates, self._limits.items_per_call
            )
        except REFUSED as fault:
            self._unpaced = f"The server does not change how often it samples ({type(fault).__name__})."
        else:
            self._unpaced = f"The server samples {refused} points as before." if refused else ""

    async def open(self) -> None:
        """Ask for every point; refused ones are told to the inbox and asked for again later."""
        refused = await self._add(list(self._nodes))
        self._inbox.add_bad(refused)
        self._postpone(refused)

    def _postpone(self, handles: Mapping[int, int] | set[int]) -> None:
        first, longest = self._rates.retry_s
        for handle in handles:
            known = self._due.get(handle)
            wait = min(known.wait_s * 2, longest) if known else first
            at = anyio.current_time() + wait * random.uniform(0.8, 1.2)  # noqa: S311 - jitter, not a secret
            self._due[handle] = _Due(at, wait)

    @property
    def patience_s(self) -> float:
        """Tell for how long nothing needs to be done here."""
        if self._wanted != self._factor:
            return 0.0
        return min([self._call_at, *(due.at for due in self._due.values())]) - anyio.current_time()

    async def tend(self) -> None:
        """Ask again for points whose time has come, drop the items of nodes that are gone, and change the pace."""
        if self._wanted != self._factor:
            await self._repace()
        if self._call_at <= anyio.current_time():
            await self._call_roll()
        gone, self._inbox.gone = self._inbox.gone & self._items.keys(), set()
        if gone:
            await self._drop(gone)
            self._postpone(gone)
        here = anyio.current_time()
        ripe = [handle for handle, due in self._due.items() if due.at <= here]
        if not ripe:
            return
        refused = await self._add(ripe)
        self._postpone(refused)
        for handle in ripe:
            if handle not in refused:
                del self._due[handle]

    async def _call_roll(self) -> None:
        """Ask for the browse names of the next few items: a node that has none is gone, whether the server said so."""
        self._called = self._called or list(self._items)
        count = fitting(self._limits.nodes_per_read)
        handles, self._called = [one for one in self._called[:count] if one in self._items], self._called[count:]
        nodes = [self._nodes[handle] for handle in handles]
        names: list[ua.DataValue] = []
        with anyio.move_on_after(_CALL_S):  # a server that is busy or frozen shows that in other ways
            async with told_cancellation():
                names = await read_attribute(self._session, nodes, AttributeIds.BrowseName, self._limits.nodes_per_read)
        codes = [int(name.StatusCode.value) if name.StatusCode is not None else 0 for name in names]
        missing = {handle: code for handle, code in zip(handles, codes, strict=False) if code in GONE}
        told = {handle: code for handle, code in missing.items() if handle not in self._inbox.gone}
        self._inbox.add_bad(told)
        self._inbox.gone |= missing.keys()
        self._call_at = anyio.current_time() + self._rates.roll_call_s

    async def _drop(self, handles: set[int]) -> None:
        by_subscription: dict[int, list[int]] = {}
        for handle in handles:
            subscription, item = self._items.pop(handle)
            by_subscription.setdefault(subscription, []).append(item)
            self._room[subscription] += 1
        for subscription, items in by_subscription.items():

            async def delete(chunk: Sequence[int], subscription: int = subscription) -> list[ua.StatusCode]:
                asked = ua.DeleteMonitoredItemsParameters(SubscriptionId=subscription, MonitoredItemIds=list(chunk))
                return list(await self._session.delete_monitored_items(asked) or ())

            await in_chunks(items, fitting(self._limits.items_per_call), delete)

    async def _add(self, handles: Sequence[int]) -> dict[int, int]:
        """Create a monitored item for each client handle; return the status codes of the refused ones."""
        refused: dict[int, int] = {}
        left = list(handles)
        while left:
            subscription, is_new = await self._with_room()
            if subscription is None:
                refused |= dict.fromkeys(left, BAD_TOO_MANY_ITEMS)
                break
            chunk, left = left[: self._room[subscription]], left[self._room[subscription] :]
            outcome = await self._monitor(subscription, chunk)
            over = [handle for handle in chunk if outcome.get(handle) == BAD_TOO_MANY_ITEMS]
            refused |= {handle: status for handle, status in outcome.items() if status != BAD_TOO_MANY_ITEMS}
            self._room[subscription] -= len(chunk) - len(outcome)
            if over:
                self._limit = "MaxMonitoredItemsPerSubscription or MaxMonitoredItems"
                self._room[subscription] = 0
                if is_new and len(over) == len(chunk):
                    # A new subscription has no room either: the server as a whole is full.
                    refused |= dict.fromkeys(over + left, BAD_TOO_MANY_ITEMS)
                    await self._delete([subscription])
                    break
                left = over + left
        return refused

    async def _with_room(self) -> tuple[int | None, bool]:
        """Find a subscription with room, or make one; None where the server gives no more."""
        for subscription, room in self._room.items():
            if room > 0:
                return subscription, False
        try:
            return await self._create(), True
        except BadTooManySubscriptions:
            if not self._room:
                raise
            self._limit = "MaxSubscriptionsPerSession"
            return None, False

    async def _create(self) -> int:
        """Create a subscription that delivers to the inbox."""
        parameters = ua.CreateSubscriptionParameters()
        publishing_ms = self._rates.publishing_ms
        parameters.RequestedPublishingInterval = publishing_ms
        parameters.RequestedMaxKeepAliveCount = keep_alive_count(publishing_ms)
        parameters.RequestedLifetimeCount = lifetime_count(publishing_ms)
        parameters.MaxNotificationsPerPublish = FLUSH_READINGS
        parameters.PublishingEnabled = True
        result = await self._session.create_subscription(parameters, self._inbox.deliver)
        subscription = int(result.SubscriptionId)
        keep_alive_s = result.RevisedMaxKeepAliveCount * result.RevisedPublishingInterval / 1000
        self.silence_s = max(self.silence_s, min(4 * keep_alive_s, 3600.0))
        self._room[subscription] = self._limits.items_per_subscription or 1 << 31
        self._session.attach(subscription, self._inbox)
        return subscription

    async def _monitor(self, subscription: int, handles: Sequence[int]) -> dict[int, int]:
        """Create the items of one subscription; return the status codes of the refused ones."""
        is_full = False
        refusal = ua.MonitoredItemCreateResult(StatusCode=ua.StatusCode(ua.UInt32(BAD_TOO_MANY_ITEMS)))

        async def create(chunk: Sequence[int]) -> list[ua.MonitoredItemCreateResult]:
            nonlocal is_full
            if is_full:
                return [refusal for _ in chunk]
            parameters = ua.CreateMonitoredItemsParameters()
            parameters.SubscriptionId = subscription
            parameters.TimestampsToReturn = ua.TimestampsToReturn.Both
            parameters.ItemsToCreate = [_item(handle, self._nodes[handle], self._rates) for handle in chunk]
            try:
                return list(await self._session.create_monitored_items(parameters) or ())
            except BadTooManyMonitoredItems as fault:
                if len(chunk) > 1:
                    raise BadTooManyOperations from fault  # some of them may fit
                is_full = True
                return [refusal]

        results = await in_chunks(handles, fitting(self._limits.items_per_call), create)
        for handle, result in zip(handles, results, strict=True):
            if result.StatusCode.is_good():
                self._items[handle] = subscription, int(result.MonitoredItemId)
                self._slower += result.RevisedSamplingInterval > max(self._rates.sampling_ms, 10) * _SLOWER
                self._short += result.RevisedQueueSize < 2 and self._rates.sampling_ms < self._rates.publishing_ms
        return {
            handle: int(result.StatusCode.value)
            for handle, result in zip(handles, results, strict=True)
            if not result.StatusCode.is_good()
        }

    async def delete(self) -> None:
        """Give back what the server holds for this reading."""
        await self._delete(list(self._room))

    def abandon(self) -> None:
        """Deliver nothing to the inbox any more; the link is gone."""
        for subscription in self._room:
            self._session.detach(subscription)

    async def _delete(self, subscriptions: Sequence[int]) -> None:
        for subscription in subscriptions:
            self._room.pop(subscription, None)
            self._session.detach(subscription)
        if subscriptions:
            await self._session.delete_subscriptions(list(subscriptions))


def _item(handle: int, node: ua.NodeId, rates: Rates) -> ua.MonitoredItemCreateRequest:
    asked = ua.MonitoredItemCreateRequest()
    asked.ItemToMonitor.NodeId = node
    asked.ItemToMonitor.AttributeId = AttributeIds.Value
    asked.MonitoringMode = ua.MonitoringMode.Reporting
    asked.RequestedParameters = item(handle, rates)
    return asked
