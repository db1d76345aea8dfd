"""The way out to a plant's Sparkplug hosts: chosen machines of this node as devices of one edge node.

Live values are followed, one newest value per signal and delivery; the edge node decides what is sent, stored or
said of a device. Sessions are opened one after another, at the next server each time, for ever.
"""

import math
import random
import re
from collections import Counter

import anyio
import msgspec
import structlog
from anyio.abc import TaskGroup

from interwork.connectors.mqtt.broker import Broker, read_broker
from interwork.connectors.sparkplug.edge_node import BAD, GOOD, STALE, EdgeMetric, EdgeNode, EdgeReading, Outgoing
from interwork.connectors.sparkplug.edge_session import EdgeSession, now_ms
from interwork.connectors.sparkplug.values import DOUBLE, STRING
from interwork.core.errors import BadInput, InterworkError, MachineUnreachable
from interwork.core.resource import (
    BAD_NO_COMMUNICATION,
    UNCERTAIN_LAST_USABLE,
    Batch,
    Resource,
    Signal,
    is_good,
)
from interwork.core.settings import SparkplugEdge
from interwork.flows.node import Node

log = structlog.get_logger()
BACKOFF_S = (0.5, 30.0)
"""First and longest wait before a server is tried again, with full jitter."""
STEADY_S = 60.0
"""A session that lasted this long makes the next wait short again."""
REPLAN_S = 10.0
"""How often it is looked whether machines or signals came or went."""
SIGNALS_MAX = 100_000


class _Place(msgspec.Struct, frozen=True):
    """Where a signal is published."""

    device: str
    name: str


class Republisher:
    """One edge node at work: what is published, and the session it goes over."""

    def __init__(self, node: Node, asked: SparkplugEdge) -> None:
        self._node, self._asked = node, asked
        if not asked.servers:
            raise BadInput("[sparkplug_edge] names no server.", remedy='Write servers = ["mqtt://host:1883"].')
        options = node.secrets.resolve(asked.options)
        self._brokers: list[Broker] = [read_broker(server, options) for server in asked.servers]
        self.edge = EdgeNode(
            asked.group,
            asked.edge,
            primary_host=asked.primary_host,
            stored_max=max(0, asked.stored_readings),
            status=node.edge,
        )
        self._session: EdgeSession | None = None
        self._places: dict[int, _Place] = {}
        self._silent: dict[str, set[int]] = {}
        """Of each device the signals that were heard and are lost."""
        self._heard: dict[str, set[int]] = {}

    async def run(self) -> None:
        """Follow and publish for ever."""
        await self.plan()
        async with anyio.create_task_group() as tasks:
            self._start(tasks)

    def _start(self, tasks: TaskGroup) -> None:
        tasks.start_soon(self._follow)
        tasks.start_soon(self._supervise)

    async def plan(self) -> bool:
        """Read which machines and signals are published; tell whether that changed."""
        resources = await self._node.store.find(Resource, limit=10_000)
        chosen = {one.id: one for one in resources if self._is_chosen(one)}
        signals = [
            one
            for one in await self._node.store.find(Signal, limit=SIGNALS_MAX)
            if one.resource in chosen and one.is_read
        ]
        names = _device_names(list(chosen.values()))
        alike = Counter((one.resource, one.name) for one in signals)
        places: dict[int, _Place] = {}
        devices: dict[str, list[EdgeMetric]] = {}
        for one in signals:
            device = names[one.resource]
            name = one.name if alike[one.resource, one.name] == 1 else f"{one.name} ({one.address})"
            places[one.number] = _Place(device, name)
            datatype = STRING if one.is_text else DOUBLE
            devices.setdefault(device, []).append(EdgeMetric(name=name, datatype=datatype, unit=one.unit))
        if places == self._places:
            return False
        self._places = places
        await self._send(self.edge.declare(devices, now_ms()))
        return True

    def _is_chosen(self, resource: Resource) -> bool:
        wanted = self._asked.resources
        return bool(resource.endpoint) and ("*" in wanted or resource.name in wanted or resource.id in wanted)

    async def _follow(self) -> None:
        """Carry live values to the edge node; subscribe anew where machines or signals came or went."""
        while True:
            async with self._node.live.subscribe(self._places, every_s=self._asked.every_s) as changes:
                looked = anyio.current_time()
                while True:
                    with anyio.move_on_after(REPLAN_S):
                        await self.take(await changes.receive())
                    if anyio.current_time() < looked + REPLAN_S:
                        continue
                    looked = anyio.current_time()
                    if await self.plan():
                        break

    async def take(self, batch: Batch) -> None:
        """Publish what a batch says of each device; a device whose every signal is lost is said to be dead."""
        readings: dict[str, list[EdgeReading]] = {}
        for row, number in enumerate(batch.signal):
            place = self._places.get(number)
            if place is None:
                continue
            text = batch.text[row] if batch.text else None
            number_read = None if math.isnan(batch.value[row]) else batch.value[row]
            value = number_read if text is None else text
            quality = _quality(batch.quality[row])
            readings.setdefault(place.device, []).append(
                EdgeReading(place.name, value, batch.time_us[row] // 1000, quality)
            )
            heard, silent = self._heard.setdefault(place.device, set()), self._silent.setdefault(place.device, set())
            heard.add(number)
            silent.add(number) if quality == STALE else silent.discard(number)
        for device, rows in readings.items():
            await self._send(self._said_of(device, rows))

    def _said_of(self, device: str, readings: list[EdgeReading]) -> list[Outgoing]:
        at = now_ms()
        if self._silent[device] == self._heard[device]:
            return self.edge.device_lost(device, at)
        said = self.edge.publish(device, readings, at)
        return [*self.edge.device_back(device, at), *said]

    async def _send(self, messages: list[Outgoing]) -> None:
        """Send over the session there is; one that takes nothing is lost, which its own task finds out too."""
        if self._session is None:
            return
        try:
            await self._session.send(messages)
        except MachineUnreachable as fault:
            log.warning("sparkplug_edge.unsent", fault=str(fault))

    async def _supervise(self) -> None:
        """Keep one session after another, for ever."""
        wait, turn = BACKOFF_S[0], 0
        while True:
            broker = self._brokers[turn % len(self._brokers)]
            began = anyio.current_time()
            try:
                await self._stay(broker)
                log.info("sparkplug_edge.left", server=broker.endpoint.text, reason="the primary host is offline")
            except InterworkError as fault:
                self.edge.disconnected(str(fault))
                log.warning("sparkplug_edge.lost", server=broker.endpoint.text, fault=str(fault))
            turn += 1
            wait = BACKOFF_S[0] if anyio.current_time() - began > STEADY_S else wait
            await anyio.sleep(random.uniform(0.1, wait))  # noqa: S311 - jitter, not a secret
            wait = min(wait * 2, BACKOFF_S[1])

    async def _stay(self, broker: Broker) -> None:
        self._session = session = EdgeSession(self.edge, broker)
        try:
            async with session:
                await session.stay()
        finally:
            self._session = None


async def work(node: Node) -> None:
    """Be a Sparkplug edge node for ever, where the settings ask for one; what is wrong with them is said.

    A secret that is missing may be set meanwhile, so it is looked again.
    """
    asked = node.settings.sparkplug_edge
    while asked is not None:
        try:
            republisher = Republisher(node, asked)
        except InterworkError as fault:
            if node.edge.fault != str(fault):
                log.warning("sparkplug_edge.refused", fault=str(fault))
            node.edge.state, node.edge.fault = "off", str(fault)
            await anyio.sleep(REPLAN_S)
        else:
            await republisher.run()


def _quality(code: int) -> int:
    """Say an OPC UA status code in the three words Sparkplug has."""
    if code in (UNCERTAIN_LAST_USABLE, BAD_NO_COMMUNICATION):
        return STALE
    return GOOD if is_good(code) else BAD


def _device_names(resources: list[Resource]) -> dict[str, str]:
    """Name each machine's device: its name without what no topic holds, with its id where two are alike."""
    plain = {one.id: re.sub(r"[+/#\0]", "-", one.name)[:200] for one in resources}
    names = list(plain.values())
    return {key: name if names.count(name) == 1 else f"{name}-{key[-8:]}" for key, name in plain.items()}
