"""The Sparkplug B face: an edge node with one device, publishing to an MQTT broker somewhere else.

Every session is a new client with its own Will and the next bdSeq (a client that reconnects by itself would repeat
the old Will). Births carry names, aliases and units; data carries aliases, by exception. The broker may come and go:
the node tries again for ever, with a bounded pause, and says so once.
"""

from collections.abc import Mapping
from types import TracebackType
from typing import Any, Self

import anyio
import anyio.lowlevel
import structlog
from anyio.abc import TaskGroup
from gmqtt import Client, Message
from gmqtt.mqtt.constants import MQTTv311
from gmqtt.mqtt.handler import MQTTError

from interwork.core.clock import now, to_us
from interwork.core.errors import BadInput, PeerError
from interwork.simulate.faces import Plate
from interwork.simulate.faces.sparkplug_wire import BOOLEAN, DOUBLE, STRING, UINT32, UINT64, Metric, asks_for_rebirth
from interwork.simulate.faces.sparkplug_wire import encode as encode_payload
from interwork.simulate.model import State
from interwork.simulate.serving import authority, slug
from interwork.simulate.signals import Changes, Value, Variable

_CONNECT_S, _KEEPALIVE_S = 5.0, 10
_FIRST_PAUSE_S, _LONGEST_PAUSE_S = 0.5, 5.0
_MOST_WAITING_BYTES = 1 << 20
"""More unsent bytes than this and the broker is taken for gone."""
_REBIRTH = "Node Control/Rebirth"
_SIMULATED = "Properties/Simulated"


class _Client(Client):  # type: ignore[misc]  # gmqtt is untyped
    """A client for one session: it never reconnects, which would repeat an old Will."""

    async def reconnect(self, delay: bool = False) -> None:
        """Do nothing; the face opens a new session instead."""


class SparkplugFace:
    """A simulated machine as `mqtt://host:port/group/edge/device`."""

    def __init__(self, plate: Plate, host: str, port: int, options: Mapping[str, Any]) -> None:
        self._plate, self._host, self._port = plate, host, port
        self._group = _identifier(options, "group", "interwork")
        self._edge = _identifier(options, "edge", slug(plate.name))
        self._device = _identifier(options, "device", "machine")
        self._variables = {variable.name: variable for variable in plate.variables if variable.name != "Simulated"}
        self._changes = Changes(tuple(self._variables.values()))
        self._aliases = {name: number for number, name in enumerate((_SIMULATED, *self._variables), start=1)}
        self._client: _Client | None = None
        self._bd_seq = -1
        self._seq = 0
        self._tasks: TaskGroup = anyio.create_task_group()
        self._log = structlog.get_logger().bind(machine=plate.name, broker=f"{host}:{port}")
        self._wants_births = False
        self._connected = anyio.Event()

    @property
    def endpoint(self) -> str:
        """Where a host application finds the machine."""
        return f"mqtt://{authority(self._host, self._port)}/{self._group}/{self._edge}/{self._device}"

    async def __aenter__(self) -> Self:
        """Look for the broker until there is a first session."""
        await self._tasks.__aenter__()
        self._tasks.start_soon(self._supervise)
        try:
            await self._connected.wait()
        except BaseException as fault:
            await self.__aexit__(type(fault), fault, fault.__traceback__)
            raise
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, fault: BaseException | None, trace: TracebackType | None
    ) -> None:
        """Say goodbye with a death certificate, then disconnect."""
        self._tasks.cancel_scope.cancel()
        await self._tasks.__aexit__(kind, fault, trace)

    async def show(self, state: State) -> None:
        """Publish what has changed; births when a session is new or a host asked for them."""
        if self._client is None:
            return
        if self._wants_births:
            self._wants_births = False
            self._publish_births(state)
            return
        changed = self._changes.take(state)
        if changed:
            self._publish("DDATA", [self._metric(name, value, is_birth=False) for name, value in changed.items()])

    async def _supervise(self) -> None:
        """Keep one session after another, for ever."""
        pause_s, has_told = _FIRST_PAUSE_S, False
        while True:
            try:
                await self._session()
                pause_s, has_told = _FIRST_PAUSE_S, False
                self._log.warning("broker.lost", remedy="The machine connects again by itself.")
            except (OSError, MQTTError, PeerError, TimeoutError) as fault:
                if not has_told:
                    self._log.warning("broker.unreachable", fault=str(fault) or "no answer", remedy="Start the broker.")
                has_told = True
            await anyio.sleep(pause_s)
            pause_s = min(pause_s * 2, _LONGEST_PAUSE_S)

    async def _session(self) -> None:
        """Connect with a new Will, publish births, and stay until the link drops."""
        self._bd_seq = (self._bd_seq + 1) % 256
        lost, subscribed = anyio.Event(), anyio.Event()
        death = Message(self._topic("NDEATH"), self._death(), qos=1, retain=False)
        client = _Client(f"simulated-{self._group}-{self._edge}"[:60], clean_session=True, will_message=death)
        client.on_disconnect = lambda *_: lost.set()
        client.on_subscribe = lambda *_: subscribed.set()
        client.on_message = self._on_command
        try:
            with anyio.fail_after(_CONNECT_S):
                await client.connect(self._host, self._port, keepalive=_KEEPALIVE_S, version=MQTTv311)
                client.subscribe(self._topic("NCMD"), qos=1)
                await subscribed.wait()
            self._client, self._wants_births = client, True
            self._connected.set()
            await self._watch(client, lost)
        finally:
            is_up = self._client is client and not lost.is_set()
            self._client = None
            await self._leave(client, is_up=is_up)

    async def _watch(self, client: _Client, lost: anyio.Event) -> None:
        """Wait until the broker hangs up or stops taking what is sent."""
        while not lost.is_set():
            with anyio.move_on_after(1):
                await lost.wait()
            if client._connection._transport.get_write_buffer_size() > _MOST_WAITING_BYTES:  # noqa: SLF001 - gmqtt has no flow control of its own
                raise PeerError("The broker has stopped reading.")

    async def _leave(self, client: _Client, *, is_up: bool) -> None:
        """Publish the death certificate where the link is up, then disconnect; bounded."""
        if client._connection is None:  # noqa: SLF001 - never connected: gmqtt has nothing to close
            return
        with anyio.move_on_after(1, shield=True):
            if is_up:
                client.publish(Message(self._topic("NDEATH"), self._death(), qos=0, retain=False))
                await anyio.lowlevel.checkpoint()
            await client.disconnect()

    def _on_command(self, _client: _Client, topic: str, content: bytes, *_: object) -> int:
        """Note a host's wish for births; a command that is no payload is told and ignored."""
        try:
            self._wants_births = self._wants_births or asks_for_rebirth(content)
        except PeerError as fault:
            self._log.warning("command.unreadable", topic=topic, fault=str(fault))
        return 0

    def _publish_births(self, state: State) -> None:
        """Publish NBIRTH then DBIRTH, with every metric, its name, alias and unit."""
        self._seq = 0
        node = [
            Metric(name="bdSeq", value=self._bd_seq, datatype=UINT64),
            Metric(name=_REBIRTH, value=False, datatype=BOOLEAN),
            Metric(name=_SIMULATED, value=True, datatype=BOOLEAN),
            Metric(name="Properties/Description", value=self._plate.description(), datatype=STRING),
        ]
        self._publish("NBIRTH", node)
        self._changes.forget()
        device = [Metric(name=_SIMULATED, value=True, datatype=BOOLEAN, alias=self._aliases[_SIMULATED])]
        device += [self._metric(name, value, is_birth=True) for name, value in self._changes.take(state).items()]
        self._publish("DBIRTH", device)

    def _metric(self, name: str, value: Value, *, is_birth: bool) -> Metric:
        variable = self._variables[name]
        return Metric(
            name=name if is_birth else "",
            value=value,
            datatype=_datatype(variable),
            alias=self._aliases[name],
            unit=variable.unit if is_birth else "",
        )

    def _publish(self, kind: str, metrics: list[Metric]) -> None:
        """Send one message of the session, QoS 0, with the next sequence number."""
        if self._client is None:
            return
        content = encode_payload(metrics, time_ms=_now_ms(), seq=self._seq)
        self._client.publish(Message(self._topic(kind), content, qos=0, retain=False))
        self._seq = (self._seq + 1) % 256

    def _death(self) -> bytes:
        return encode_payload([Metric(name="bdSeq", value=self._bd_seq, datatype=UINT64)], time_ms=_now_ms(), seq=None)

    def _topic(self, kind: str) -> str:
        tail = f"/{self._device}" if kind.startswith("D") else ""
        return f"spBv1.0/{self._group}/{kind}/{self._edge}{tail}"


def _now_ms() -> int:
    return to_us(now()) // 1000


def _datatype(variable: Variable) -> int:
    if not variable.unit:
        return STRING
    return UINT32 if variable.unit == "1" else DOUBLE


def _identifier(options: Mapping[str, Any], name: str, default: str) -> str:
    """Read a group, edge node or device id; the characters of topic filters are not allowed in it."""
    text = str(options.get(name) or default)
    if any(mark in text for mark in "+/#"):
        raise BadInput(f"The Sparkplug {name} {text!r} contains +, / or #.", remedy="Use letters, digits and dashes.")
    return text
