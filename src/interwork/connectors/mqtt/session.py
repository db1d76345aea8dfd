"""One MQTT session on gmqtt: a new client object each time, no reconnecting by itself, flow control both ways.

Theory of operation. A library that reconnects by itself repeats the old will, which Sparkplug forbids and which hides
a lost link, so a session lives once: opened, lost or closed. What arrives waits in an inbox of bounded count and
octets; when it is full the socket is not read, so TCP and the broker hold the messages back, and while that lasts the
broker's silence is our own doing and not taken for its death. With MQTT 5 the broker also sends at most
`RECEIVE_MAXIMUM` messages of QoS 1 ahead of our acknowledgement, which is given when the reader is done with them.
"""

import asyncio
import secrets
import ssl
import time
from collections import deque
from collections.abc import Callable, Sequence
from contextlib import suppress
from typing import Any, NamedTuple

import anyio
import anyio.to_thread
from gmqtt import Client, Subscription
from gmqtt import Message as Publication
from gmqtt.mqtt.constants import MQTTv50
from gmqtt.mqtt.handler import MQTTConnectError
from gmqtt.storage import PersistentStorage

from interwork.connectors.endpoint import ends_soon, quiet, reason
from interwork.connectors.mqtt.broker import Broker
from interwork.connectors.mqtt.ceiling import Skipped, guard
from interwork.core.clock import from_us
from interwork.core.errors import MachineUnreachable

CONNECT_S = 6.0
CLOSE_S = 1.0
RECEIVE_MAXIMUM = 200
"""Messages of QoS 1 that an MQTT 5 broker may send ahead of our acknowledgement."""
MOST_MESSAGES = 2_000
MOST_OCTETS = 32 * 1024 * 1024
LARGEST_OCTETS = 16 * 1024 * 1024
"""The largest packet that is taken in; an MQTT 5 broker is asked to send no larger one."""
LONGEST_HOLD_S = 60.0
"""A reader that takes nothing for this long has lost the link."""
_BREATH_S = 0.5
WITH_WILL = 0x04
"""MQTT 5's reason code Disconnect with Will Message (3.14.2.1)."""
_REFUSED = 0x80
"""The first return code of a refused subscription (MQTT 3.1.1, 3.9.3)."""
REMEDY = "Check that the MQTT broker runs, that address and port are right, and that it lets us in."


class Message(NamedTuple):
    """A message as it came."""

    topic: str
    content: bytes
    received_us: int
    is_retained: bool
    done: anyio.Event | None
    """Set when the broker may take it for received; None where it was acknowledged on arrival."""


class Will(NamedTuple):
    """What the broker says for us when the link breaks."""

    topic: str
    content: bytes
    qos: int
    is_retained: bool


class _Client(Client):  # type: ignore[misc]  # gmqtt ships no types
    """A client for one session; it never reconnects, which would repeat an old will."""

    on_skipped: Callable[[Skipped], None]

    async def reconnect(self, delay: bool = False) -> None:
        """Do nothing: a new session is a new client."""

    async def _create_connection(self, *arguments: Any, **more: Any) -> Any:  # noqa: ANN401 - gmqtt ships no types
        """Bound what a broker may send before it sends anything."""
        connection = await super()._create_connection(*arguments, **more)
        guard(connection, LARGEST_OCTETS, self.on_skipped)
        return connection


class Session:
    """A link to a broker, from `open` until it is lost or closed."""

    def __init__(
        self,
        broker: Broker,
        *,
        name: str,
        will: Will | None = None,
        interrupt: Callable[[str, bytes], bool] | None = None,
        leaves_with_will: bool = False,
    ) -> None:
        """Prepare a link; `interrupt` sees each message first and returns True for one that it dealt with.

        `leaves_with_will` has an MQTT 5 broker say the will also where the session is ended on purpose.
        """
        self._broker = broker
        self._last_word = WITH_WILL if leaves_with_will and broker.version == MQTTv50 else 0
        self._interrupt = interrupt
        self._storage = PersistentStorage()
        properties = {"receive_maximum": RECEIVE_MAXIMUM, "maximum_packet_size": LARGEST_OCTETS}
        self._is_5 = broker.version == MQTTv50
        self._client = _Client(
            broker.client_id or f"{name}-{secrets.token_hex(4)}",
            clean_session=True,
            optimistic_acknowledgement=not self._is_5,
            will_message=Publication(will.topic, will.content, qos=will.qos, retain=will.is_retained) if will else None,
            persistent_storage=self._storage,
            **(properties if self._is_5 else {}),
        )
        self._client.on_message = self._on_message_5 if self._is_5 else self._on_message
        self._client.on_disconnect = self._on_disconnect
        self._client.on_subscribe = self._on_subscribe
        self._client.on_skipped = self._on_skipped
        if broker.username:
            self._client.set_auth_credentials(broker.username, broker.password)
        self._inbox: deque[Message] = deque()
        self._octets = 0
        self._given: list[anyio.Event] = []
        self._held_since = 0.0
        self._was_slow = False
        self._timer: asyncio.TimerHandle | None = None
        self._woken = anyio.Event()
        self._answered = anyio.Event()
        self._refused: list[int] = []
        self.is_open = self.is_lost = False
        self.unreadable = 0
        """Messages that were dropped since their topic is not UTF-8 (MQTT 3.1.1, 1.5.3)."""
        self.oversized = 0
        """Messages that were let pass by since they have more than `LARGEST_OCTETS`."""
        self._skipped: Skipped | None = None
        self._expiring: list[str] = []

    async def open(self, filters: Sequence[tuple[str, int]]) -> None:
        """Connect and subscribe to topic filters with their QoS; raise MachineUnreachable where that fails."""
        quiet("gmqtt")
        where, client = self._broker.endpoint, self._client
        tls = await anyio.to_thread.run_sync(self._broker.tls)
        keep_alive = max(1, int(self._broker.keep_alive_s))
        try:
            with anyio.fail_after(CONNECT_S):
                await client.connect(
                    where.host, where.port, ssl=tls or False, keepalive=keep_alive, version=self._broker.version
                )
                await self._subscribe(filters)
        except (OSError, MQTTConnectError) as fault:
            await self.close()
            raise where.unreachable(f"is no MQTT broker for us: {reason(fault)}.", REMEDY) from fault
        except BaseException:
            await self.close()
            raise
        if self.is_lost or self._refused:
            await self.close()
            raise where.unreachable("refused our subscriptions.", REMEDY)
        self._expiring = await anyio.to_thread.run_sync(self._endings)
        self.is_open = True

    def _endings(self) -> list[str]:
        """Say which certificates of this link end soon."""
        own = self._broker.own_end()
        said = ends_soon("Our own certificate", own, "have it renewed") if own else []
        connection = self._client._connection  # noqa: SLF001 - gmqtt has no other way to its socket
        shown = connection._transport.get_extra_info("peercert") if connection else None  # noqa: SLF001 - the same
        if shown and "notAfter" in shown:
            ends = from_us(int(ssl.cert_time_to_seconds(shown["notAfter"])) * 1_000_000)
            said += ends_soon("The broker's certificate", ends, "after that day it is refused")
        return said

    async def _subscribe(self, filters: Sequence[tuple[str, int]]) -> None:
        if filters:
            self._client.subscribe([Subscription(topic, qos=qos) for topic, qos in filters])
            await self._answered.wait()

    async def close(self) -> None:
        """Leave politely if that takes less than a second, and close the socket in any case."""
        self.is_open = False
        connection = self._client._connection  # noqa: SLF001 - gmqtt has no other way to its socket
        if self._timer:
            self._timer.cancel()
        try:
            if connection is not None:
                with anyio.move_on_after(CLOSE_S, shield=True), suppress(OSError):
                    if not self.is_lost:
                        await self._storage.wait_empty()
                    await self._client.disconnect(reason_code=self._last_word)
        finally:
            if connection is not None:
                connection._transport.abort()  # noqa: SLF001 - the same
            self.is_lost = True
            self._forget()

    def _forget(self) -> None:
        """Let go of what was not read; its senders were told nothing, the socket being closed."""
        for event in (*self._given, *(one.done for one in self._inbox if one.done)):
            event.set()
        self._given.clear()
        self._inbox.clear()
        self._octets = 0

    def publish(self, topic: str, content: bytes, *, qos: int = 0, is_retained: bool = False) -> bool:
        """Hand a message to the socket; False where the link is gone."""
        if self.is_lost or self._client._connection is None:  # noqa: SLF001 - gmqtt has no other way to tell
            return False
        self._client.publish(topic, content, qos=qos, retain=is_retained)
        return True

    @property
    def silence_s(self) -> float:
        """Tell for how long nothing came from the broker; what it owes at the least is an answer to each ping."""
        connection = self._client._connection  # noqa: SLF001 - gmqtt has no other way to tell
        return 0.0 if connection is None else time.monotonic() - float(connection._last_data_in)  # noqa: SLF001

    @property
    def unsent(self) -> int:
        """Count the octets that wait for the socket."""
        connection = self._client._connection  # noqa: SLF001 - gmqtt has no flow control
        return int(connection._transport.get_write_buffer_size()) if connection else 0  # noqa: SLF001 - the same

    async def flush(self, seconds: float) -> None:
        """Wait until the socket takes more; raise MachineUnreachable where it does not in time."""
        try:
            with anyio.fail_after(seconds):
                await self._client._connection._protocol._drain_helper()  # noqa: SLF001 - asyncio's own flow control
        except OSError as fault:
            raise self.lost("takes no more messages") from fault

    def lost(self, state: str = "closed the MQTT connection") -> MachineUnreachable:
        """Build the error that says how the link was lost."""
        if self._was_slow:
            state = f"was not read from for {LONGEST_HOLD_S:g} s, as we were too slow"
        return self._broker.endpoint.unreachable(f"{state}.", REMEDY)

    def take(self) -> Message | None:
        """Take the oldest message out of the inbox."""
        if not self._inbox:
            return None
        message = self._inbox.popleft()
        self._octets -= len(message.content)
        if message.done:
            self._given.append(message.done)
        if self._held_since and len(self._inbox) < MOST_MESSAGES // 2 and self._octets < MOST_OCTETS // 2:
            self._release()
        return message

    @property
    def is_owed(self) -> bool:
        """Tell whether the broker soon waits for our acknowledgement."""
        return len(self._given) >= RECEIVE_MAXIMUM // 2

    def acknowledge(self) -> None:
        """Tell the broker that everything taken so far was dealt with (MQTT 5)."""
        for event in self._given:
            event.set()
        self._given.clear()

    async def wait(self, seconds: float) -> None:
        """Wait for a message or the end of the link, at most this long."""
        if self._inbox or self.is_lost:
            await anyio.lowlevel.checkpoint()
            return
        self._woken = anyio.Event()
        with anyio.move_on_after(seconds):
            await self._woken.wait()

    def __len__(self) -> int:
        """Count the messages in the inbox."""
        return len(self._inbox)

    @property
    def is_held(self) -> bool:
        """Tell whether the socket is not read since the inbox is full."""
        return self._held_since > 0

    def _on_message(
        self, _client: Client, topic: str | bytes, content: bytes, _qos: int, properties: dict[str, Any]
    ) -> None:
        self._receive(topic, content, properties, None)

    async def _on_message_5(
        self, _client: Client, topic: str | bytes, content: bytes, qos: int, properties: dict[str, Any]
    ) -> int:
        """Take a message in and acknowledge it (the reason code Success) when the reader is done with it."""
        done = anyio.Event() if qos else None
        if self._receive(topic, content, properties, done) and done:
            await done.wait()
        return 0

    def _receive(
        self, topic: str | bytes, content: bytes, properties: dict[str, Any], done: anyio.Event | None
    ) -> bool:
        """Put a message into the inbox; tell whether it waits there."""
        if not isinstance(topic, str):
            self.unreadable += 1
            return False
        if self._interrupt and self._interrupt(topic, content):
            return False
        is_retained = bool(properties.get("retain"))
        self._inbox.append(Message(topic, bytes(content), time.time_ns() // 1000, is_retained, done))
        self._octets += len(content)
        if len(self._inbox) >= MOST_MESSAGES or self._octets >= MOST_OCTETS:
            self._hold()
        self._woken.set()
        return True

    def _on_skipped(self, skipped: Skipped) -> None:
        self.oversized += 1
        self._skipped = skipped

    @property
    def remarks(self) -> list[str]:
        """Say what a person should know: certificates that end, messages that were not taken in."""
        last = self._skipped
        if last is None:
            return self._expiring
        which = f"the last one of the topic {last.topic[:100]} with {last.octets / 2**20:.1f} MiB"
        return [
            *self._expiring,
            f"{self.oversized} messages of more than {LARGEST_OCTETS >> 20} MiB were not read, {which}.",
        ]

    def _on_subscribe(self, _client: Client, _identifier: int, codes: Sequence[int], _properties: object) -> None:
        self._refused += [code for code in codes if code >= _REFUSED]
        self._answered.set()

    def _on_disconnect(self, *_: object) -> None:
        self._was_slow = self.is_held and anyio.current_time() - self._held_since >= LONGEST_HOLD_S
        self.is_lost = True
        self._woken.set()
        self._answered.set()

    def _hold(self) -> None:
        """Stop reading the socket; said again with each message, as asyncio's stream reader may have gone on."""
        transport = self._client._connection._transport  # noqa: SLF001 - gmqtt has no flow control
        if transport.is_closing():
            return
        if not self._held_since:
            self._held_since = anyio.current_time()
            self._breathe()
        if transport.is_reading():
            transport.pause_reading()

    def _release(self) -> None:
        transport = self._client._connection._transport  # noqa: SLF001 - the same
        self._held_since = 0.0
        if not transport.is_closing():
            transport.resume_reading()

    def _breathe(self) -> None:
        """While we do not read, keep gmqtt from taking the broker for dead, up to `LONGEST_HOLD_S`."""
        if self._held_since and anyio.current_time() - self._held_since < LONGEST_HOLD_S:
            self._client._connection._last_data_in = time.monotonic()  # noqa: SLF001 - gmqtt's own watch of the link
            self._timer = asyncio.get_running_loop().call_later(_BREATH_S, self._breathe)
