"""Sparkplug B host application for one edge node or one of its devices, over an MQTT broker.

Theory of operation. Every session is a new MQTT client: its will says the host is offline, and a client library that
reconnects by itself would repeat an old will. In order: connect, subscribe to our own STATE and to the node, publish
STATE online with the time of the will (H1); when our STATE is heard offline, say online again (H2); on leaving,
publish the death first (H3). Messages wait in a bounded queue until they are taken; when it is full the socket is
not read, so TCP and the broker hold the messages back.
"""

import secrets
from collections import deque
from collections.abc import AsyncGenerator, Mapping, Sequence
from contextlib import suppress
from types import TracebackType
from typing import Any, Self

import anyio
from gmqtt import Client, Message, Subscription
from gmqtt.mqtt.constants import MQTTv311
from gmqtt.mqtt.handler import MQTTConnectError
from gmqtt.storage import PersistentStorage

from interwork.connectors import FLUSH_READINGS, FLUSH_S, Found, Point
from interwork.connectors.endpoint import check_options, number_option, parse_endpoint, quiet, text_option
from interwork.connectors.sparkplug.edge import EdgeNode
from interwork.connectors.sparkplug.wire import (
    NAMESPACE,
    MalformedPayload,
    decode,
    encode_rebirth,
    encode_state,
    parse_topic,
    says_offline,
)
from interwork.core.clock import now, to_us
from interwork.core.errors import BadInput, MachineUnreachable
from interwork.core.ids import derived_id
from interwork.core.resource import Batch, BatchBuilder

_CONNECT_S = 6.0
_KEEP_ALIVE_S = 6
"""gmqtt gives up a broker that is silent for twice as long."""
_BIRTH_S = 12.0
_SETTLE_S = 1.0
_REBIRTH_EVERY_S = 5.0
_TICK_S = 0.5
_REFUSED = 0x80
"""The first return code of a refused subscription (MQTT 3.1.1, 3.9.3)."""
_MOST_MESSAGES = 2_000
_MOST_OCTETS = 32 * 1024 * 1024
_MOST_MALFORMED = 20
_BROKER_REMEDY = "Check that the MQTT broker runs, that address and port are right, and that it lets us in."
_NODE_REMEDY = "Check that the machine's edge node is on and connected to this broker under this group and node id."


class _Session(Client):  # type: ignore[misc]  # gmqtt ships no types
    """One MQTT session; it never reconnects, which would repeat an old will."""

    async def reconnect(self, delay: bool = False) -> None:
        """Do nothing: a new connector makes a new session."""


class SparkplugConnector:
    """Reads `mqtt://host:port/<group>/<edge>[/<device>]`."""

    def __init__(self, endpoint: str, options: Mapping[str, Any]) -> None:
        check_options(options, ("host_id", "username", "password", "reorder_s"))
        self._endpoint = parse_endpoint(endpoint, "mqtt", 1883)
        path = self._endpoint.path
        if len(path) not in (2, 3) or any(mark in part for part in path for mark in "+#/"):
            raise BadInput(
                f"{endpoint!r} names no Sparkplug edge node.", remedy="Write mqtt://host:port/group/edge[/device]."
            )
        self._group, self._edge, self._device = path[0], path[1], path[2] if len(path) == 3 else ""
        self._host_id = text_option(options, "host_id") or f"interwork-{derived_id('host', endpoint)[-8:]}"
        if any(mark in self._host_id for mark in "+#/"):
            raise BadInput(f"The option host_id {self._host_id!r} holds +, # or /.", remedy="Use letters and digits.")
        self._user = text_option(options, "username"), text_option(options, "password")
        self._reorder_s = number_option(options, "reorder_s", 2.0, low=0, high=60)
        self._client: _Session | None = None
        self._storage = PersistentStorage()
        self._online_ms = 0
        self._queue: deque[tuple[str, bytes]] = deque()
        self._queued = 0
        self._is_held = False
        self._woken = anyio.Event()
        self._subscribed = anyio.Event()
        self._is_refused = False
        self._is_lost = False
        self._numbers: dict[str, list[int]] = {}
        self._builder = BatchBuilder()
        self._node = EdgeNode(self._device, self._emit, self._reorder_s)
        self._asked_at = float("-inf")
        self.malformed = 0
        """Messages in a row that were no Sparkplug payload."""

    async def __aenter__(self) -> Self:
        """Connect to the broker and announce the host."""
        quiet("gmqtt")
        client = self._client = self._new_session()
        try:
            with anyio.fail_after(_CONNECT_S):
                await client.connect(
                    self._endpoint.host, self._endpoint.port, keepalive=_KEEP_ALIVE_S, version=MQTTv311
                )
                client.subscribe([Subscription(topic, qos=1) for topic in self._filters])
                await self._subscribed.wait()
        except (OSError, MQTTConnectError) as fault:
            await self._close()
            raise self._endpoint.unreachable(f"is no MQTT broker for us: {_reason(fault)}.", _BROKER_REMEDY) from fault
        except BaseException:
            await self._close()
            raise
        if self._is_lost or self._is_refused:
            await self._close()
            raise self._endpoint.unreachable("refused our subscriptions.", _BROKER_REMEDY)
        self._publish_state(is_online=True, time_ms=self._online_ms)
        return self

    def _new_session(self) -> _Session:
        """Make the client of a new session with its own will, and forget the one before."""
        self._node, self._storage = EdgeNode(self._device, self._emit, self._reorder_s), PersistentStorage()
        self._queue.clear()
        self._queued, self._is_held, self._is_lost, self._asked_at = 0, False, False, float("-inf")
        self._subscribed = anyio.Event()
        self._online_ms = to_us(now()) // 1000
        will = encode_state(is_online=False, time_ms=self._online_ms)
        client = _Session(
            f"{self._host_id}-{secrets.token_hex(4)}",
            clean_session=True,
            will_message=Message(self._state_topic, will, qos=1, retain=True),
            persistent_storage=self._storage,
        )
        client.on_message = self._on_message
        client.on_disconnect = self._on_disconnect
        client.on_subscribe = self._on_subscribe
        if self._user[0]:
            client.set_auth_credentials(*self._user)
        return client

    async def __aexit__(
        self, kind: type[BaseException] | None, fault: BaseException | None, trace: TracebackType | None
    ) -> None:
        """Say that the host is offline, then disconnect."""
        if self._client and not self._is_lost:
            self._online_ms = 0
            self._publish_state(is_online=False, time_ms=to_us(now()) // 1000)
        await self._close()

    @property
    def _state_topic(self) -> str:
        return f"{NAMESPACE}/STATE/{self._host_id}"

    @property
    def _filters(self) -> tuple[str, ...]:
        node = f"{NAMESPACE}/{self._group}/+/{self._edge}"
        return self._state_topic, node, f"{node}/+"

    async def _close(self) -> None:
        """Leave politely if that takes less than a second, and close the socket in any case."""
        client, self._client = self._client, None
        connection = client._connection if client else None  # noqa: SLF001 - gmqtt has no other way to its socket
        if client is None or connection is None:
            return
        try:
            with anyio.move_on_after(1, shield=True), suppress(OSError):
                if not self._is_lost:
                    await self._storage.wait_empty()
                await client.disconnect()
        finally:
            connection._transport.abort()  # noqa: SLF001 - the same

    def _publish_state(self, *, is_online: bool, time_ms: int) -> None:
        if self._client:
            content = encode_state(is_online=is_online, time_ms=time_ms)
            self._client.publish(self._state_topic, content, qos=1, retain=True)

    def _on_message(self, _client: Client, topic: str, content: bytes, _qos: int, _properties: object) -> None:
        """Queue a message; one about ourselves is answered at once."""
        if topic == self._state_topic:
            if says_offline(content) and self._online_ms:
                self._publish_state(is_online=True, time_ms=self._online_ms)
            return
        self._queue.append((topic, bytes(content)))
        self._queued += len(content)
        if len(self._queue) >= _MOST_MESSAGES or self._queued >= _MOST_OCTETS:
            self._hold(is_held=True)
        self._woken.set()

    def _on_subscribe(self, _client: Client, _identifier: int, codes: Sequence[int], _properties: object) -> None:
        self._is_refused = any(code >= _REFUSED for code in codes)
        self._subscribed.set()

    def _on_disconnect(self, *_: object) -> None:
        self._is_lost = True
        self._woken.set()

    def _hold(self, *, is_held: bool) -> None:
        """Stop reading the socket, or go on."""
        connection = self._client._connection if self._client else None  # noqa: SLF001 - gmqtt has no flow control
        if is_held == self._is_held or connection is None or connection.is_closing():
            return
        self._is_held = is_held
        transport = connection._transport  # noqa: SLF001 - the same
        transport.pause_reading() if is_held else transport.resume_reading()

    def _emit(self, address: str, time_us: int, value: float | str | None, quality: int) -> None:
        for number in self._numbers.get(address, ()):
            self._builder.add(number, time_us or to_us(now()), value, quality)

    async def browse(self) -> list[Found]:
        """List the metrics of the births, asking for a rebirth where none was seen."""
        await self._await_birth()
        if not self._device:
            # A node's device births follow its own at once; how many there will be nobody says.
            settled = anyio.current_time() + _SETTLE_S
            while anyio.current_time() < settled:
                await self._wait(settled - anyio.current_time())
                self._drain()
        return self._node.found()

    async def readings(self, points: Sequence[Point]) -> AsyncGenerator[Batch, None]:
        """Yield what is known of the points, then every change."""
        await self._await_birth()
        self._numbers = {}
        for point in points:
            self._numbers.setdefault(point.address, []).append(point.number)
        self._node.watch(self._numbers)
        flushed = 0.0
        try:
            while True:
                self._drain()
                if len(self._builder) and (
                    len(self._builder) >= FLUSH_READINGS or anyio.current_time() >= flushed + FLUSH_S or self._fault()
                ):
                    yield self._builder.take()
                    flushed = anyio.current_time()
                    continue
                if self._fault():
                    raise self._lost()
                await self._wait(FLUSH_S if len(self._builder) else _TICK_S)
        finally:
            self._numbers = {}
            self._node.watch(())
            self._builder.take()

    def _fault(self) -> bool:
        return self._is_lost or bool(self._node.fault)

    def _lost(self) -> MachineUnreachable:
        if self._is_lost or not self._node.fault:
            return self._endpoint.unreachable("closed the MQTT connection.", _BROKER_REMEDY)
        return self._endpoint.unreachable(f"reports that {self._edge} {self._node.fault}.", _NODE_REMEDY)

    async def _wait(self, seconds: float) -> None:
        """Wait for a message, at most this long."""
        with anyio.move_on_after(seconds):
            await self._woken.wait()

    async def _await_birth(self) -> None:
        """Wait in bounded time until births are there, asking for them."""
        deadline = anyio.current_time() + _BIRTH_S
        while True:
            self._drain()
            if self._fault():
                raise self._lost()
            if self._node.is_born:
                return
            if anyio.current_time() >= deadline:
                what = f"device {self._device} of {self._edge}" if self._device else self._edge
                raise self._endpoint.unreachable(f"has no birth of {what} after {_BIRTH_S:g} s.", _NODE_REMEDY)
            self._ask_rebirth("no birth was seen")
            await self._wait(_TICK_S)

    def _drain(self) -> None:
        """Take queued messages into the node's state until a batch is full."""
        self._woken = anyio.Event()
        while self._queue and len(self._builder) < FLUSH_READINGS:
            topic, content = self._queue.popleft()
            self._queued -= len(content)
            self._take(topic, content)
        self._node.tick(anyio.current_time())
        if self._node.wants_rebirth:
            self._ask_rebirth(self._node.wants_rebirth)
        if len(self._queue) < _MOST_MESSAGES // 2:
            self._hold(is_held=False)

    def _take(self, topic: str, content: bytes) -> None:
        kind, device = parse_topic(topic, self._group, self._edge)
        if not kind.startswith(("N", "D")) or kind.endswith("CMD"):
            return
        try:
            payload = decode(content)
        except MalformedPayload as fault:
            self.malformed += 1
            self._node.malformed(fault.message)
            if self.malformed >= _MOST_MALFORMED:
                state = f"sent {self.malformed} messages in a row that are no Sparkplug B. {fault.message}"
                raise self._endpoint.unreachable(state, _NODE_REMEDY) from fault
            return
        self.malformed = 0
        self._node.receive(kind, device, payload, anyio.current_time())

    def _ask_rebirth(self, _reason: str) -> None:
        """Ask the edge node for its births, rarely enough that it is no storm (H7)."""
        if anyio.current_time() < self._asked_at + _REBIRTH_EVERY_S or self._client is None or self._is_lost:
            return
        self._asked_at = anyio.current_time()
        topic = f"{NAMESPACE}/{self._group}/NCMD/{self._edge}"
        self._client.publish(topic, encode_rebirth(to_us(now()) // 1000), qos=0, retain=False)


def _reason(fault: Exception) -> str:
    return str(fault)[:160] or type(fault).__name__
