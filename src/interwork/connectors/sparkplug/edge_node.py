"""A node of ours as a Sparkplug edge node: births, aliases, order, primary host, deaths (3.0, chapter 5). No I/O.

What it returns is to be sent in that order. Outside a session, and while the primary host is away, readings are
stored up to a bound and sent as historical when it is back; what falls over the bound is counted, from when to when.
"""

from collections import deque
from collections.abc import Iterable, Mapping, Sequence
from typing import NamedTuple

import msgspec

from interwork.connectors.sparkplug.topics import (
    NAMESPACE,
    check_id,
    decode_old_state,
    decode_state,
    old_state_topic,
    read_topic,
    state_topic,
    topic_of,
)
from interwork.connectors.sparkplug.values import BOOLEAN, INT64, encoded
from interwork.connectors.sparkplug.wire import BD_SEQ, REBIRTH, MalformedPayload, Send, decode, encode

GOOD, STALE, BAD = 192, 500, 0
"""The values the property Quality may have (6.4.12)."""
_CYCLE = 256
_PER_MESSAGE = 200
"""Historical readings in one message."""


class EdgeMetric(msgspec.Struct, frozen=True, kw_only=True):
    """A metric that a device will have: announced in its birth."""

    name: str
    datatype: int
    unit: str = ""


class EdgeReading(NamedTuple):
    """A value of a metric at its source time."""

    name: str
    value: float | str | bool | None
    time_ms: int
    quality: int = GOOD


class Outgoing(NamedTuple):
    """A message to be sent."""

    topic: str
    content: bytes
    qos: int = 0


class EdgeStatus(msgspec.Struct, kw_only=True):
    """How the edge node stands, for people."""

    descriptor: str = ""
    """Group and edge node id; empty where this node is no edge node."""
    server: str = ""
    state: str = "off"
    """off, offline, waiting (for the primary host), online."""
    primary_host: str = ""
    is_host_online: bool = False
    devices: int = 0
    metrics: int = 0
    sessions: int = 0
    births: int = 0
    rebirths: int = 0
    """Births that a host asked for."""
    messages: int = 0
    readings: int = 0
    stored: int = 0
    """Readings that wait for the link or the primary host."""
    replayed: int = 0
    """Readings sent as historical."""
    lost: int = 0
    """Readings that fell over the bound of what is stored, or whose metric is no longer there."""
    lost_from_ms: int = 0
    lost_to_ms: int = 0
    refused: int = 0
    """Commands that were no request for births: nothing here can be written over Sparkplug."""
    fault: str = ""
    """Why there is no link."""


class _Held(msgspec.Struct, kw_only=True):
    """A metric with its alias and what it said last."""

    metric: EdgeMetric
    alias: int
    reading: EdgeReading
    sent_quality: int = GOOD


class _Device(msgspec.Struct, kw_only=True):
    metrics: dict[str, _Held]
    is_alive: bool = True


class EdgeNode:
    """One edge node with its devices, over all its sessions."""

    def __init__(
        self,
        group: str,
        edge: str,
        *,
        primary_host: str = "",
        stored_max: int = 50_000,
        status: EdgeStatus | None = None,
    ) -> None:
        self.group, self.edge = check_id("group", group), check_id("edge node", edge)
        self._host = check_id("host", primary_host) if primary_host else ""
        self._stored_max = stored_max
        self._devices: dict[str, _Device] = {}
        self._aliases: dict[tuple[str, str], int] = {}
        self._stored: deque[tuple[str, EdgeReading]] = deque()
        self._host_ms: dict[str, int] = {}
        self._bd_seq = -1
        self._seq = 0
        self.must_leave = False
        """The primary host has gone: end this session and try the next server."""
        self.status = status or EdgeStatus()
        self.status.descriptor, self.status.state, self.status.primary_host = f"{group}/{edge}", "offline", primary_host

    @property
    def filters(self) -> list[tuple[str, int]]:
        """List what a session subscribes to before its births, with QoS."""
        own = [(topic_of(self.group, "NCMD", self.edge), 1), (topic_of(self.group, "DCMD", self.edge, "+"), 1)]
        return [*own, (state_topic(self._host), 1), (old_state_topic(self._host), 1)] if self._host else own

    @property
    def is_online(self) -> bool:
        """Tell whether births were sent and data may be."""
        return self.status.state == "online"

    def declare(self, devices: Mapping[str, Sequence[EdgeMetric]], now_ms: int) -> list[Outgoing]:
        """Say which devices there are with which metrics; new births where that changed while online."""
        held = {name: [one.metric for one in device.metrics.values()] for name, device in self._devices.items()}
        if held == {name: list(metrics) for name, metrics in devices.items()}:
            return []
        before, self._devices = self._devices, {}
        for name, metrics in devices.items():
            old = before.get(check_id("device", name))
            kept = old.metrics if old else {}
            self._devices[name] = _Device(
                metrics={one.name: self._held(name, one, kept.get(one.name)) for one in metrics},
                is_alive=old.is_alive if old else True,
            )
        self.status.devices = len(self._devices)
        self.status.metrics = sum(len(device.metrics) for device in self._devices.values())
        return self.births(now_ms) if self.is_online else []

    def _held(self, device: str, metric: EdgeMetric, before: _Held | None) -> _Held:
        """Give a metric its alias, unique over the node and the same for ever (E5)."""
        alias = self._aliases.setdefault((device, metric.name), len(self._aliases) + 1)
        reading = before.reading if before and before.metric.datatype == metric.datatype else None
        return _Held(metric=metric, alias=alias, reading=reading or EdgeReading(metric.name, None, 0, STALE))

    def connect(self, server: str, now_ms: int) -> Outgoing:
        """Begin a session at a server with the next bdSeq; return its will (E1)."""
        self._bd_seq = (self._bd_seq + 1) % _CYCLE
        self.must_leave = False
        status = self.status
        status.server, status.sessions, status.is_host_online = server, status.sessions + 1, False
        return self._death(now_ms)

    def connected(self, now_ms: int) -> list[Outgoing]:
        """Send births once subscribed, or wait for the primary host (E11)."""
        self.status.fault = ""
        if self._host:
            self.status.state = "waiting"
            return []
        return self.births(now_ms)

    def disconnected(self, fault: str = "") -> None:
        """Note that the session has ended."""
        self.status.state, self.status.fault, self.status.is_host_online = "offline", fault, False

    def leave(self, now_ms: int) -> list[Outgoing]:
        """Say the death that precedes an intended end of the session (E10)."""
        was_online = self.is_online
        self.disconnected()
        return [self._death(now_ms)] if was_online else []

    def _death(self, now_ms: int) -> Outgoing:
        number = Send(name=BD_SEQ, datatype=INT64, field="long_value", value=self._bd_seq)
        topic = topic_of(self.group, "NDEATH", self.edge)
        return Outgoing(topic, encode([number], time_ms=now_ms, seq=None), 1)

    def births(self, now_ms: int) -> list[Outgoing]:
        """Send NBIRTH, then DBIRTH of every device that is alive, then what was stored as historical (E4 to E6)."""
        self._seq = 0
        self.status.state = "online"
        self.status.births += 1
        node = [
            Send(name=BD_SEQ, datatype=INT64, field="long_value", value=self._bd_seq),
            Send(name=REBIRTH, datatype=BOOLEAN, field="boolean_value", value=False),
        ]
        alive = [name for name, device in self._devices.items() if device.is_alive]
        return [
            self._message("NBIRTH", "", node, now_ms),
            *(self._device_birth(name, now_ms) for name in alive),
            *self._replayed(now_ms),
        ]

    def _device_birth(self, name: str, now_ms: int) -> Outgoing:
        metrics = []
        for held in self._devices[name].metrics.values():
            held.sent_quality = held.reading.quality
            metrics.append(self._send(held, held.reading, now_ms, is_birth=True))
        metrics.sort(key=lambda one: one.time_ms)  # in the order of their times (5.16)
        return self._message("DBIRTH", name, metrics, now_ms)

    def _send(
        self, held: _Held, reading: EdgeReading, now_ms: int, *, is_birth: bool = False, is_historical: bool = False
    ) -> Send:
        field, value, _ = encoded(reading.value, held.metric.datatype)
        is_told = is_birth or is_historical or reading.quality != GOOD or reading.quality != held.sent_quality
        return Send(
            name=held.metric.name if is_birth else "",
            alias=held.alias,
            datatype=held.metric.datatype,
            field=field,
            value=value,
            time_ms=reading.time_ms or now_ms,
            unit=held.metric.unit if is_birth else "",
            quality=reading.quality if is_told else None,
            is_historical=is_historical,
            has_datatype=is_birth,
        )

    def _message(self, kind: str, device: str, metrics: Iterable[Send], now_ms: int) -> Outgoing:
        """Write a message of the session with the next sequence number (E7)."""
        content = encode(metrics, time_ms=now_ms, seq=self._seq)
        self._seq = (self._seq + 1) % _CYCLE
        self.status.messages += 1
        return Outgoing(topic_of(self.group, kind, self.edge, device), content)

    def publish(self, device: str, readings: Iterable[EdgeReading], now_ms: int) -> list[Outgoing]:
        """Send what changed of a device, in order of time; store it where nobody may hear it now."""
        held = self._devices.get(device)
        if held is None:
            return []
        changed = []
        for reading in sorted(readings, key=lambda one: one.time_ms):
            metric = held.metrics.get(reading.name)
            if metric and (reading.value, reading.quality) != (metric.reading.value, metric.reading.quality):
                metric.reading = reading
                changed.append(reading)
        if not self.is_online:
            self._store(device, changed)
            return []
        if not changed or not held.is_alive:
            return []
        metrics = []
        for reading in changed:
            metric = held.metrics[reading.name]
            metrics.append(self._send(metric, reading, now_ms))
            metric.sent_quality = reading.quality
        self.status.readings += len(metrics)
        return [self._message("DDATA", device, metrics, now_ms)]

    def _store(self, device: str, readings: Iterable[EdgeReading]) -> None:
        status = self.status
        for reading in readings:
            self._stored.append((device, reading))
            if len(self._stored) > self._stored_max:
                self._lose(self._stored.popleft()[1])
        status.stored = len(self._stored)

    def _lose(self, reading: EdgeReading) -> None:
        """Count a reading that nobody will hear."""
        status = self.status
        status.lost += 1
        status.lost_from_ms = min(status.lost_from_ms or reading.time_ms, reading.time_ms)
        status.lost_to_ms = max(status.lost_to_ms, reading.time_ms)

    def _replayed(self, now_ms: int) -> list[Outgoing]:
        """Send what was stored, device by device in order of time, marked as historical (E11)."""
        by_device: dict[str, list[Send]] = {}
        kept: deque[tuple[str, EdgeReading]] = deque()
        for device, reading in self._stored:
            known = self._devices.get(device)
            held = known.metrics.get(reading.name) if known else None
            if known is None or held is None:
                self._lose(reading)
            elif not known.is_alive:
                kept.append((device, reading))
            else:
                by_device.setdefault(device, []).append(self._send(held, reading, now_ms, is_historical=True))
        self._stored = kept
        self.status.stored = len(kept)
        self.status.replayed += sum(len(metrics) for metrics in by_device.values())
        return [
            self._message("DDATA", device, metrics[start : start + _PER_MESSAGE], now_ms)
            for device, metrics in by_device.items()
            for start in range(0, len(metrics), _PER_MESSAGE)
        ]

    def device_lost(self, device: str, now_ms: int) -> list[Outgoing]:
        """Say that a device cannot be reached (E8)."""
        held = self._devices.get(device)
        if held is None or not held.is_alive:
            return []
        held.is_alive = False
        return [self._message("DDEATH", device, (), now_ms)] if self.is_online else []

    def device_back(self, device: str, now_ms: int) -> list[Outgoing]:
        """Announce a device again that was lost (E8)."""
        held = self._devices.get(device)
        if held is None or held.is_alive:
            return []
        held.is_alive = True
        return [self._device_birth(device, now_ms), *self._replayed(now_ms)] if self.is_online else []

    def receive(self, topic: str, content: bytes, now_ms: int) -> list[Outgoing]:
        """Take in a STATE of the primary host or a command; what cannot be read says nothing."""
        if topic.startswith((f"{NAMESPACE}/STATE/", "STATE/")):
            return self._state(topic, content, now_ms)
        parts = read_topic(topic)
        if parts.kind not in ("NCMD", "DCMD") or (parts.group, parts.edge) != (self.group, self.edge):
            return []
        try:
            metrics = decode(content).metrics
        except MalformedPayload:
            metrics = ()
        if parts.kind == "NCMD" and any(one.name == REBIRTH and one.raw is True for one in metrics):
            if not self.is_online:
                return []
            self.status.rebirths += 1
            return self.births(now_ms)
        self.status.refused += 1
        return []

    def _state(self, topic: str, content: bytes, now_ms: int) -> list[Outgoing]:
        """Follow exactly the primary host, by stamps that never go back, per server (E11, H4).

        A host of version 2.2 has a word without a stamp; it counts where the host never spoke as 3.0 says.
        """
        server, status = self.status.server, self.status
        is_old = topic == old_state_topic(self._host)
        state = decode_old_state(content) if is_old else decode_state(content)
        is_ours = bool(self._host) and (is_old or topic == state_topic(self._host))
        if not is_ours or state is None or status.state == "offline" or (is_old and server in self._host_ms):
            return []
        if not is_old:
            if state.timestamp < self._host_ms.get(server, 0):
                return []
            self._host_ms[server] = state.timestamp
        status.is_host_online = state.online
        if state.online:
            return self.births(now_ms) if status.state == "waiting" else []
        if not self.is_online:
            return []
        self.must_leave = True
        return self.leave(now_ms)
