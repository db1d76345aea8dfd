"""One subscription's receiving end: what the server publishes becomes columns, and a full buffer holds it back.

asyncua keeps the channel, the session and the loop of publish requests. Two things are ours: publish responses are
decoded by `wire.decode_publish` where they can be, and the loop is held while a batch waits to be taken, so that no
publish request is outstanding and the server's own queues (with their overflow bit) do the buffering.
"""

import struct
from collections.abc import AsyncGenerator, Callable, Mapping, Sequence
from contextlib import asynccontextmanager

import anyio
import anyio.lowlevel
from asyncua import ua
from asyncua.client.ua_client import UaClient
from asyncua.client.ua_session import UaSession
from asyncua.ua.ua_binary import struct_from_binary
from asyncua.ua.uaerrors import UaError

from interwork.connectors import FLUSH_READINGS, FLUSH_S, Point
from interwork.connectors.naming import execution_word
from interwork.connectors.opcua.wire import Change, Publication, change_of, decode_publish, fitted, lost_values
from interwork.core.clock import now, to_us
from interwork.core.resource import Batch, BatchBuilder

UNDECODABLE = (UaError, struct.error, ValueError, TypeError, LookupError, AttributeError)
"""What asyncua raises on an answer that is not what OPC UA says."""


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
    """An asyncua session whose publish responses are decoded into columns where that is possible."""

    def __init__(self, client: UaClient, on_fault: Callable[[str], None]) -> None:
        super().__init__(client)
        self._on_fault = on_fault
        self.fallbacks = 0
        """Publish responses left to asyncua, keep-alives included."""

    async def publish(self, acks: list[ua.SubscriptionAcknowledgement]) -> ua.PublishResponse:
        """Ask for the next notification and decode it."""
        request = ua.PublishRequest()
        request.Parameters.SubscriptionAcknowledgements = acks or []
        buffer = await self._send_request(request, timeout=0)
        # bytes() of asyncua's buffer runs past its end into the next message.
        publication = decode_publish(bytes(buffer)[: len(buffer)])
        if publication is not None:
            return _response(publication)
        self.fallbacks += 1
        try:
            return struct_from_binary(ua.PublishResponse, buffer)
        except UNDECODABLE as fault:
            self._on_fault(f"sent a notification that cannot be decoded ({type(fault).__name__})")
            raise


def _response(publication: Publication) -> ua.PublishResponse:
    """Hand a decoded publication to asyncua's loop, which acknowledges it and calls the subscription."""
    response = ua.PublishResponse()
    response.Parameters.SubscriptionId = publication.subscription
    response.Parameters.NotificationMessage.SequenceNumber = publication.sequence
    response.Parameters.NotificationMessage.NotificationData = [publication]
    return response


class Inbox:
    """Collects one subscription's changes until they are taken; client handles index the points."""

    def __init__(self, points: Sequence[Point], states: frozenset[int] = frozenset()) -> None:
        self._points = points
        self._states = states
        self._builder = BatchBuilder()
        self._arrived = anyio.Event()
        self._full = anyio.Event()
        self._room = anyio.Event()
        self._flushed = 0.0
        self._heard = anyio.current_time()
        self.fault = ""
        """Why the link is lost; empty as long as it is not."""
        self.overflows = 0
        """Changes that say the server's queue dropped values before them."""

    async def deliver(self, result: ua.PublishResult) -> None:
        """Take in a publish result; wait for room, which keeps the next publish request from being sent."""
        self._heard = anyio.current_time()
        for notification in result.NotificationMessage.NotificationData or ():
            if isinstance(notification, Publication):
                self._add(notification.changes)
            elif isinstance(notification, ua.DataChangeNotification):
                self._add([change_of(item.ClientHandle, item.Value) for item in notification.MonitoredItems or ()])
            elif isinstance(notification, ua.StatusChangeNotification):
                self.fail(f"ended the subscription: {notification.Status.name}")
        self._arrived.set()
        while len(self._builder) >= FLUSH_READINGS and not self.fault:
            self._full.set()
            await self._room.wait()

    def _add(self, changes: Sequence[Change]) -> None:
        for change in changes:
            handle, _, status, time_us = change
            if not 0 <= handle < len(self._points):
                self.fail(f"published for a monitored item that we did not create ({handle})")
                return
            self.overflows += lost_values(status)
            point = self._points[handle]
            value, quality = fitted(change, is_text=point.is_text)
            if handle in self._states and isinstance(value, str):
                value = execution_word(value)
            self._builder.add(point.number, time_us or to_us(now()), value, quality)

    def add_bad(self, handles: Mapping[int, int]) -> None:
        """Say of refused points why they cannot be read: handle to status code."""
        time_us = to_us(now())
        for handle, quality in handles.items():
            self._builder.add(self._points[handle].number, time_us, None, quality)
        self._arrived.set()

    def fail(self, state: str) -> None:
        """Note that the link is lost and wake whoever waits."""
        self.fault = self.fault or state
        self._arrived.set()
        self._full.set()
        self._room.set()

    async def take(self, silence_s: float) -> Batch:
        """Wait for changes and hand them over; empty after a keep-alive, a loss or silence, which `fault` tells."""
        if not len(self._builder):
            # At least a second, for an event loop that was busy elsewhere has not yet delivered what came.
            with anyio.move_on_after(max(self._heard + silence_s - anyio.current_time(), 1)):
                await self._arrived.wait()
        if not self._arrived.is_set():
            self.fail(f"was silent for {silence_s:g} s")
        if not self.fault:
            with anyio.move_on_at(self._flushed + FLUSH_S):
                await self._full.wait()
        batch = self._builder.take()
        self._flushed = anyio.current_time()
        if len(batch):
            self._heard = self._flushed
        if not self.fault:
            self._arrived, self._full = anyio.Event(), anyio.Event()
            self._room.set()
            self._room = anyio.Event()
        return batch
