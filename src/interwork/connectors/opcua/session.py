"""The session's own publishing: several publish requests in flight, their answers decoded into columns.

asyncua keeps the channel, the session and every other service. Its loop of publish requests has one in flight, so a
line with a round trip r carries 1/r notifications a second, and it decodes each value into objects; ours keeps three
in flight, each answer sending the next request, and stops while an inbox is full. It needs one private call of
asyncua (`_send_request` of its socket protocol, which gives the future of the raw answer); where that is not what it
was, asyncua's own loop carries the data and the counter `stock_loop` says so.
"""

import asyncio
import inspect
from collections import Counter
from collections.abc import AsyncGenerator, Callable
from contextlib import asynccontextmanager
from typing import Any

import anyio
import anyio.lowlevel
from asyncua import ua
from asyncua.client.ua_client import UaClient
from asyncua.client.ua_session import UaSession
from asyncua.ua.ua_binary import struct_from_binary
from asyncua.ua.uaerrors import BadNoSubscription, BadTimeout, BadTooManyPublishRequests, UaError, UaStatusCodeError

from interwork.connectors.opcua.inbox import Inbox
from interwork.connectors.opcua.value import UNDECODABLE
from interwork.connectors.opcua.wire import Publication, decode_publish

IN_FLIGHT = 3
"""Publish requests the server holds at a time."""
_LAST_SEQUENCE = 0xFFFF_FFFF
_REFUSALS = 5
"""Publish requests refused one after the other before the link is given up."""


@asynccontextmanager
async def told_cancellation() -> AsyncGenerator[None, None]:
    """Give a cancellation that comes out of asyncua the form AnyIO knows it by.

    asyncua waits with `wait_for2`, which raises a new, bare CancelledError in place of the one it was cancelled with;
    a time-out of AnyIO around it would not recognise its own cancellation and end the whole task.
    """
    try:
        yield
    except anyio.get_cancelled_exc_class():
        await anyio.lowlevel.checkpoint_if_cancelled()
        raise


class FastSession(UaSession):
    """An asyncua session that publishes into inboxes."""

    def __init__(self, client: UaClient) -> None:
        super().__init__(client)
        self.counters: Counter[str] = Counter()
        self._inboxes: dict[int, Inbox] = {}
        self._left: set[int] = set()
        """Subscriptions whose reader went away; what still comes of them is nobody's."""
        self._sequences: dict[int, int] = {}
        self._acks: list[ua.SubscriptionAcknowledgement] = []
        self._in_flight = 0
        self._most = IN_FLIGHT
        self._refusals = 0

    def attach(self, subscription: int, inbox: Inbox) -> None:
        """Deliver a subscription's notifications to the inbox from now on."""
        self._inboxes[subscription] = inbox
        inbox.expect(subscription)
        inbox.on_room = self.pump
        self.pump()

    def detach(self, subscription: int) -> None:
        """Deliver a subscription's notifications nowhere."""
        self._sequences.pop(subscription, None)
        self._left.add(subscription)
        inbox = self._inboxes.pop(subscription, None)
        if inbox:
            inbox.forget(subscription)

    def fail(self, state: str) -> None:
        """Tell every inbox that the link is lost."""
        for inbox in self._inboxes.values():
            inbox.fail(state)

    def ensure_publish_loop(self) -> None:
        """Start asyncua's own loop only where ours cannot run."""
        if self._send() is None:
            self.counters["stock_loop"] = 1
            super().ensure_publish_loop()

    def _send(self) -> Callable[..., "asyncio.Future[Any]"] | None:
        """Find asyncua's private call that sends a request and gives the future of its raw answer."""
        send = getattr(self._client.protocol, "_send_request", None)
        return None if send is None or inspect.iscoroutinefunction(send) else send

    def pump(self) -> None:
        """Keep publish requests in flight as long as somebody has room for what they bring."""
        send = self._send()
        inboxes = self._inboxes.values()
        if send is None or not inboxes or any(inbox.is_full or inbox.fault for inbox in inboxes):
            return
        while self._in_flight < self._most:
            request = ua.PublishRequest()
            request.Parameters.SubscriptionAcknowledgements, self._acks = self._acks, []
            try:
                future = send(request, timeout=0)
            except (OSError, *UNDECODABLE) as fault:
                self.fail(f"is gone ({fault})")
                return
            self._in_flight += 1
            future.add_done_callback(self._answered)

    def _answered(self, future: "asyncio.Future[Any]") -> None:
        self._in_flight -= 1
        if future.cancelled():
            return
        fault = future.exception()
        if fault is not None:
            self.fail(f"is gone ({fault})")
            return
        self._receive(future.result())
        self.pump()

    def _receive(self, buffer: Any) -> None:  # noqa: ANN401 - asyncua's Buffer is untyped
        # bytes() of asyncua's buffer runs past its end into the next message.
        publication = decode_publish(bytes(buffer)[: len(buffer)])
        if publication is not None:
            self._refusals = 0
            self._deliver(publication)
            return
        try:
            if self._client.protocol is not None:
                self._client.protocol.check_answer(buffer, "")
            response = struct_from_binary(ua.PublishResponse, buffer)
            response.ResponseHeader.ServiceResult.check()
        except UaStatusCodeError as refusal:
            self._refused(refusal)
        except UNDECODABLE as fault:
            self.counters["undecodable_messages"] += 1
            self.fail(f"sent a notification that cannot be decoded ({type(fault).__name__})")
        else:
            self._refusals = 0
            self._deliver_stock(response.Parameters)

    def _refused(self, refusal: UaError) -> None:
        """Take a refused publish request: fewer of them, another try, or the end of the link."""
        self._refusals += 1
        if isinstance(refusal, BadNoSubscription) and not self._inboxes:
            return
        if isinstance(refusal, BadTooManyPublishRequests):
            self._most = max(1, self._in_flight)
        is_passing = isinstance(refusal, BadTooManyPublishRequests | BadTimeout | BadNoSubscription)
        if not is_passing or self._refusals > _REFUSALS:
            self.fail(f"publishes no longer ({type(refusal).__name__}: {refusal})"[:160])

    def _deliver(self, publication: Publication) -> None:
        inbox = self._inboxes.get(publication.subscription)
        self._acknowledge(publication.subscription, publication.sequence)
        if inbox is None:
            if publication.subscription not in self._left:
                self.counters["strays"] += len(publication.changes)
            return
        inbox.hear(publication.subscription)
        inbox.add(publication.changes)

    def _deliver_stock(self, result: ua.PublishResult) -> None:
        """Hand over what only asyncua could decode; a keep-alive is the most of it."""
        notifications = result.NotificationMessage.NotificationData
        inbox = self._inboxes.get(result.SubscriptionId)
        if notifications:
            self.counters["fallbacks"] += 1
            self._acknowledge(result.SubscriptionId, result.NotificationMessage.SequenceNumber)
        if inbox is not None:
            inbox.hear(result.SubscriptionId)
            inbox.take_in(notifications or ())

    def _acknowledge(self, subscription: int, sequence: int) -> None:
        """Acknowledge a notification and count those that are missing before it (Part 4, 5.14.1.1)."""
        self._acks.append(ua.SubscriptionAcknowledgement(SubscriptionId=subscription, SequenceNumber=sequence))
        last = self._sequences.get(subscription)
        if last is not None:
            missing = (sequence - (last % _LAST_SEQUENCE + 1)) % _LAST_SEQUENCE
            if 0 < missing < _LAST_SEQUENCE // 2:
                self.counters["missing_notifications"] += missing
        self._sequences[subscription] = sequence
