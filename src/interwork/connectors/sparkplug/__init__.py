"""Sparkplug B host application for one edge node or one of its devices, over an MQTT broker.

Theory of operation. Every session is a new MQTT client: its will says the host is offline, and a client library that
reconnects by itself would repeat an old will. In order: connect, subscribe to our own STATE and to the node, publish
STATE online with the time of the will (H1); when our STATE is heard offline, say online again (H2); on leaving,
publish the death first (H3). Readings that their sender calls historical come in batches of their own.
"""

import re
from collections.abc import AsyncGenerator, Mapping, Sequence
from types import TracebackType
from typing import Any, Self

import anyio

from interwork.connectors import (
    ALIVE_S,
    BAD_UNKNOWN,
    FLUSH_READINGS,
    FLUSH_S,
    Command,
    Found,
    Point,
)
from interwork.connectors.endpoint import check_options, number_option, text_option
from interwork.connectors.mqtt.broker import BROKER_OPTIONS, read_broker
from interwork.connectors.mqtt.session import Message, Session, Will
from interwork.connectors.sparkplug.host import HostView, Known
from interwork.connectors.sparkplug.rebirths import Rebirths
from interwork.connectors.sparkplug.topics import (
    check_id,
    decode_state,
    encode_state,
    read_topic,
    state_topic,
    topic_of,
)
from interwork.connectors.sparkplug.values import BOOLEAN, encoded
from interwork.connectors.sparkplug.wire import REBIRTH, MalformedPayload, Send, decode, encode
from interwork.core.clock import now, to_us
from interwork.core.errors import BadInput, MachineUnreachable
from interwork.core.ids import derived_id
from interwork.core.resource import BAD_NO_COMMUNICATION, Batch, BatchBuilder

GOOD_ASYNCHRONOUS = 0x002E_0000
"""OPC UA Good_CompletesAsynchronously: Sparkplug commands are not answered; reading back tells what became of one."""
BAD_NOT_WRITABLE = 0x803B_0000
_BIRTH_S = 12.0
_SETTLE_S = 1.0
_REBIRTH_S = 5.0
"""Shortest time between two requests for a rebirth."""
_TICK_S = 0.5
_MOST_MALFORMED = 20
_WRITE_S = 5.0
_MOST_REMARKS = 20
_NODE_REMEDY = (
    "Check that the machine's edge node is on and connected to this broker under this group and node id; one that "
    "waits for its primary host is let speak by the option host_id."
)


class SparkplugConnector:
    """Reads and commands `mqtt[s]://host:port/<group>/<edge>[/<device>]`."""

    def __init__(self, endpoint: str, options: Mapping[str, Any]) -> None:
        check_options(options, (*BROKER_OPTIONS, "host_id", "reorder_s", "birth_s", "rebirth_s"))
        self._broker = read_broker(endpoint, options)
        self._endpoint = self._broker.endpoint
        path = self._endpoint.path
        if len(path) not in (2, 3) or any(mark in part for part in path for mark in "+#/"):
            raise BadInput(
                f"{endpoint!r} names no Sparkplug edge node.", remedy="Write mqtt://host:port/group/edge[/device]."
            )
        self._group, self._edge, self._device = path[0], path[1], path[2] if len(path) == 3 else ""
        host_id = text_option(options, "host_id") or f"interwork-{derived_id('host', endpoint)[-8:]}"
        self._state_topic = state_topic(check_id("host", host_id))
        self._name = re.sub(r"[^A-Za-z0-9-]", "-", host_id)[:40]
        self._reorder_s = number_option(options, "reorder_s", 2.0, low=0, high=60)
        self._birth_s = number_option(options, "birth_s", _BIRTH_S, low=0.5, high=120)
        self._rebirth_s = number_option(options, "rebirth_s", _REBIRTH_S, low=0.1, high=600)
        self._online_ms = 0
        self._rebirths = Rebirths(self._rebirth_s)
        self._session = self._new_session()
        self._node = HostView(self._device, self._reorder_s)
        self._malformed = 0
        """Messages in a row that were no Sparkplug payload."""
        self._counted = {"malformed": 0, "rebirths": 0}

    def _new_session(self) -> Session:
        will = Will(self._state_topic, encode_state(is_online=False, time_ms=self._online_ms), 1, is_retained=True)
        return Session(self._broker, name=self._name, will=will, interrupt=self._interrupt)

    async def __aenter__(self) -> Self:
        """Connect to the broker with our death as its will, then announce the host with the same time (H1)."""
        self._online_ms = to_us(now()) // 1000
        self._session, self._node = self._new_session(), HostView(self._device, self._reorder_s)
        self._rebirths, self._malformed = Rebirths(self._rebirth_s), 0
        node = topic_of(self._group, "+", self._edge)
        await self._session.open([(topic, 1) for topic in (self._state_topic, node, f"{node}/+")])
        self._publish_state(is_online=True, time_ms=self._online_ms)
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, fault: BaseException | None, trace: TracebackType | None
    ) -> None:
        """Say that the host is offline, as of now, then disconnect (H3)."""
        self._online_ms = 0
        self._publish_state(is_online=False, time_ms=to_us(now()) // 1000)
        await self._session.close()

    @property
    def counters(self) -> dict[str, int]:
        """Count what went otherwise than it should, by reason."""
        session = self._session
        told = {"gaps": self._node.gaps, "unreadable": session.unreadable, "oversized": session.oversized}
        counted = self._counted | told
        return {reason: count for reason, count in counted.items() if count}

    @property
    def remarks(self) -> list[str]:
        """Say what a person should know: the link's security, and which metrics are no signals and why."""
        refused = list(self._node.refused.items())
        said = [f"{name} is not read: {reason}." for name, reason in refused[:_MOST_REMARKS]]
        more = [f"{len(refused) - _MOST_REMARKS} more metrics are not read."] if len(refused) > _MOST_REMARKS else []
        again = [self._rebirths.remark] if self._rebirths.remark else []
        return [*self._broker.remarks, *self._session.remarks, *again, *said, *more]

    def _publish_state(self, *, is_online: bool, time_ms: int) -> None:
        content = encode_state(is_online=is_online, time_ms=time_ms)
        self._session.publish(self._state_topic, content, qos=1, is_retained=True)

    def _interrupt(self, topic: str, content: bytes) -> bool:
        """Answer a message about ourselves at once: while we are here, nobody may say that we are not (H2)."""
        if topic != self._state_topic:
            return False
        state = decode_state(content)
        if state and not state.online and self._online_ms:
            self._publish_state(is_online=True, time_ms=self._online_ms)
        return True

    async def browse(self) -> list[Found]:
        """List the metrics of the births, asking for a rebirth where none was seen."""
        await self._await_birth()
        if not self._device:
            # A node's device births follow its own at once; how many there will be nobody says.
            settled = anyio.current_time() + _SETTLE_S
            while anyio.current_time() < settled:
                await self._session.wait(settled - anyio.current_time())
                self._drain()
        return self._node.found()

    async def readings(self, points: Sequence[Point]) -> AsyncGenerator[Batch, None]:
        """Yield what is known of the points, then every change; historical readings in batches of their own.

        A node speaks only when something changes, and the broker for it when it is gone: as long as neither the session
        nor the birth is lost, a quiet node is there, and an empty batch says so.
        """
        await self._await_birth()
        node, flushed = self._node, 0.0
        node.watch(points, to_us(now()))
        try:
            while True:
                self._drain()
                while len(node.historical):
                    yield node.historical.take(is_historical=True)
                ready = len(node.readings) >= FLUSH_READINGS or anyio.current_time() >= flushed + FLUSH_S
                if len(node.readings) and (ready or self._session.is_owed or self._fault()):
                    yield node.readings.take()
                    flushed = anyio.current_time()
                    self._session.acknowledge()
                    continue
                if not len(node.readings):
                    self._session.acknowledge()
                if self._fault():
                    raise self._lost()
                quiet_s = anyio.current_time() - flushed
                if node.is_born and quiet_s >= ALIVE_S and self._session.silence_s < quiet_s:
                    yield BatchBuilder().take()
                    flushed = anyio.current_time()
                await self._session.wait(FLUSH_S if len(node.readings) else _TICK_S)
        finally:
            node.watch(())
            node.readings.take()
            node.historical.take()

    async def write(self, commands: Sequence[Command]) -> list[int]:
        """Send commands (NCMD, DCMD) once, with the data type of the birth; one OPC UA status code each."""
        self._drain()
        if self._fault() or not self._node.is_born:
            return [BAD_NO_COMMUNICATION] * len(commands)
        codes: list[int] = []
        sent: dict[str, list[Send]] = {}
        for command in commands:
            code, scope, metric = self._command(command)
            codes.append(code)
            if metric:
                sent.setdefault(scope, []).append(metric)
        for scope, metrics in sent.items():
            topic = topic_of(self._group, "DCMD" if scope else "NCMD", self._edge, scope)
            self._session.publish(topic, encode(metrics, time_ms=to_us(now()) // 1000, seq=None), qos=0)
        await self._session.flush(_WRITE_S)
        return codes

    def _command(self, command: Command) -> tuple[int, str, Send | None]:
        """Make the metric of a command: by alias alone where the birth gave one, else by name (6.4.5)."""
        known: Known | None = self._node.known(command.address)
        if known is None:
            return BAD_UNKNOWN, "", None
        if known.found is None:
            return BAD_NOT_WRITABLE, "", None
        field, value, fault = encoded(command.value, known.datatype)
        if fault:
            return fault, "", None
        name = known.name if known.alias is None else ""
        metric = Send(name=name, alias=known.alias, datatype=known.datatype, field=field, value=value)
        return GOOD_ASYNCHRONOUS, known.scope, metric

    def _fault(self) -> bool:
        return self._session.is_lost or bool(self._node.fault)

    def _lost(self) -> MachineUnreachable:
        if self._session.is_lost or not self._node.fault:
            return self._session.lost()
        return self._endpoint.unreachable(f"reports that {self._edge} {self._node.fault}.", _NODE_REMEDY)

    async def _await_birth(self) -> None:
        """Wait in bounded time until births are there, asking for them."""
        deadline = anyio.current_time() + self._birth_s
        while True:
            self._drain()
            if self._fault():
                raise self._lost()
            if self._node.is_born:
                return
            if anyio.current_time() >= deadline:
                what = f"device {self._device} of {self._edge}" if self._device else self._edge
                raise self._endpoint.unreachable(f"has no birth of {what} after {self._birth_s:g} s.", _NODE_REMEDY)
            self._ask_rebirth()
            await self._session.wait(min(_TICK_S, self._rebirth_s / 8))

    def _drain(self) -> None:
        """Take messages of the inbox into the node's state until a batch is full."""
        node = self._node
        while max(len(node.readings), len(node.historical)) < FLUSH_READINGS and (message := self._session.take()):
            self._take(message)
        node.tick(anyio.current_time())
        if node.wants_rebirth:
            self._ask_rebirth()
        elif node.is_born:
            self._rebirths.rest(anyio.current_time())

    def _take(self, message: Message) -> None:
        topic = read_topic(message.topic)
        is_ours = (topic.group, topic.edge) == (self._group, self._edge)
        if not is_ours or not topic.kind.startswith(("N", "D")) or topic.kind.endswith("CMD"):
            return
        try:
            payload = decode(message.content)
            self._node.receive(topic.kind, topic.device, payload, anyio.current_time(), message.received_us)
        except MalformedPayload as fault:
            self._malformed += 1
            self._counted["malformed"] += 1
            self._node.malformed(fault.message)
            if self._malformed >= _MOST_MALFORMED:
                state = f"sent {self._malformed} messages in a row that are no Sparkplug B. {fault.message}"
                raise self._endpoint.unreachable(state, _NODE_REMEDY) from fault
            return
        self._malformed = 0

    def _ask_rebirth(self) -> None:
        """Ask the edge node for its births, rarely enough that it is no storm (H7)."""
        if not self._rebirths.is_due(self._node.wants_rebirth, anyio.current_time()):
            return
        self._counted["rebirths"] += 1
        wish = Send(name=REBIRTH, datatype=BOOLEAN, field="boolean_value", value=True)
        content = encode([wish], time_ms=to_us(now()) // 1000, seq=None)
        self._session.publish(topic_of(self._group, "NCMD", self._edge), content, qos=0)
