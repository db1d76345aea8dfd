"""This node as a Sparkplug edge node: its machines heard by our own host over a real broker."""

import json
import time
from contextlib import aclosing, asynccontextmanager
from dataclasses import replace as with_parts

import anyio
import pytest
from flows_world import at_work, mill, opened, readings, signal
from machines.mosquitto import Mosquitto
from machines.mqtt_client import friend, until
from machines.peers import needs_mosquitto
from machines.running import Server, free_port
from msgspec.structs import replace

from interwork.connectors import Point
from interwork.connectors.sparkplug import SparkplugConnector
from interwork.connectors.sparkplug.topics import encode_state
from interwork.connectors.sparkplug.wire import decode
from interwork.core.clock import now, to_us
from interwork.core.resource import Meaning
from interwork.core.settings import SparkplugEdge
from interwork.flows import republish
from interwork.store import Change

pytestmark = pytest.mark.peer
POWER = signal(1, Meaning.POWER, unit="kW")
STATE = signal(2, Meaning.EXECUTION, is_text=True)
HOST_TOPIC = "spBv1.0/STATE/H"


@pytest.fixture(scope="module")
def amqtt():
    port = free_port()
    server = Server("mqtt_broker.py", port)
    yield port
    server.stop()


@asynccontextmanager
async def republishing(folder, *ports, group="G", primary_host="", stored=1000):
    """A node with a mill whose signals it publishes; its task runs until the block is left."""
    asked = SparkplugEdge(
        servers=tuple(f"mqtt://127.0.0.1:{port}" for port in ports),
        group=group,
        edge="E",
        resources=("Mill",),
        primary_host=primary_host,
        every_s=0.0,
        stored_readings=stored,
    )
    async with opened(folder) as made:
        node = with_parts(made, settings=replace(made.settings, sparkplug_edge=asked))
        await node.store.commit(Change("test").put(mill(endpoint="wood://mill")).put(POWER).put(STATE))
        async with anyio.create_task_group() as tasks:
            tasks.start_soon(republish.work, node)
            yield node
            tasks.cancel_scope.cancel()


def show(node, *rows):
    node.live.update(readings(*((number, now(), value) for number, value in rows)))


async def heard(batches, is_enough):
    rows = []
    with anyio.fail_after(30):
        async for batch in batches:
            texts = batch.text or [None] * len(batch)
            rows += [
                (number, value if text is None else text, quality, batch.is_historical)
                for number, value, text, quality in zip(batch.signal, batch.value, texts, batch.quality, strict=True)
            ]
            if is_enough(rows):
                return rows
    return rows


async def test_a_machine_of_this_node_is_a_device_that_a_host_reads(tmp_path, amqtt):
    """machines 11: this node as an edge node: births, values, texts, a device's death and return."""
    points = [Point(number=1, address="power"), Point(number=2, address="execution", is_text=True)]
    async with republishing(tmp_path, amqtt) as node:
        show(node, (1, 1.5), (2, "READY"))
        await until(lambda: node.edge.state == "online")
        async with SparkplugConnector(f"mqtt://127.0.0.1:{amqtt}/G/E/Mill", {}) as connector:
            assert {one.unit for one in await connector.browse() if one.name == "power"} == {"kW"}
            async with aclosing(connector.readings(points)) as batches:
                await heard(batches, lambda rows: {row[1] for row in rows} >= {1.5, "READY"})
                show(node, (1, 2.5), (2, "ACTIVE"))
                await heard(batches, lambda rows: {row[1] for row in rows} >= {2.5, "ACTIVE"})
        endpoint = f"mqtt://127.0.0.1:{amqtt}/G/E"
        async with SparkplugConnector(endpoint, {}) as connector:
            point = Point(number=1, address="Mill/power")
            async with aclosing(connector.readings([point])) as batches:
                await heard(batches, lambda rows: rows[-1][1] == 2.5)
                node.live.mark_lost([1, 2], to_us(now()))
                await heard(batches, lambda rows: rows[-1][2] >> 30 == 2)
                show(node, (1, 3.5))
                await heard(batches, lambda rows: rows[-1][1] == 3.5)
        assert node.edge.rebirths >= 1
        assert node.edge.lost == 0


async def test_tck_id_operational_behavior_edge_node_intentional_disconnect_packet(tmp_path, amqtt):
    """machines 15: a clean stop says NDEATH, once, with the bdSeq of its birth; machines 12: will and birth agree."""
    async with friend(amqtt, "spBv1.0/clean/#") as other:
        async with republishing(tmp_path, amqtt, group="clean") as node:
            await until(lambda: node.edge.state == "online" and other.of("DBIRTH"))
        await until(lambda: other.of("NDEATH"))
        await anyio.sleep(0.3)
        birth, (death,) = other.of("NBIRTH")[0], other.of("NDEATH")
    assert (death[2], death[3]) == (1, False)
    assert [one.raw for one in decode(birth[1]).metrics if one.name == "bdSeq"] == [0]
    assert [one.raw for one in decode(death[1]).metrics] == [0]
    assert [one[0] for one in other.heard if "BIRTH" in one[0]] == [
        "spBv1.0/clean/NBIRTH/E",
        "spBv1.0/clean/DBIRTH/E/Mill",
    ]


def say_state(other, *, online, ms):
    other.publish(HOST_TOPIC, encode_state(is_online=online, time_ms=ms), qos=1, retain=True)


async def test_tck_id_components_ph_state(tmp_path, amqtt):
    """machines 16: no births until the primary host is online; offline ends the session; stored readings follow."""
    start = int(time.time() * 1000)
    async with friend(amqtt, "spBv1.0/wait/#") as other:
        say_state(other, online=False, ms=start)
        async with republishing(tmp_path, amqtt, group="wait", primary_host="H") as node:
            await until(lambda: node.edge.state == "waiting")
            for value in (1.0, 2.0, 3.0):
                before = node.edge.stored
                show(node, (1, value))
                await until(lambda before=before: node.edge.stored > before)
            say_state(other, online=True, ms=start - 1)
            await anyio.sleep(0.2)
            assert other.of("BIRTH") == []
            say_state(other, online=True, ms=start + 1)
            await until(lambda: other.of("DDATA"))
            old = decode(other.of("DDATA")[0][1]).metrics
            assert [(one.raw, one.is_historical) for one in old] == [(1.0, True), (2.0, True), (3.0, True)]
            say_state(other, online=False, ms=start + 2)
            await until(lambda: other.of("NDEATH") and node.edge.sessions == 2 and node.edge.state == "waiting")
            say_state(other, online=True, ms=start + 3)
            await until(lambda: len(other.of("NBIRTH")) == 2)
    numbers = [metric.raw for one in other.of("NBIRTH") for metric in decode(one[1]).metrics if metric.name == "bdSeq"]
    assert numbers == [0, 1]


@needs_mosquitto
async def test_a_broker_that_comes_back_is_met_again_with_the_next_bd_seq_and_what_was_missed(tmp_path):
    """machines 12: +1 at each reconnect; nothing a machine said meanwhile is lost."""
    broker = Mosquitto(tmp_path)
    try:
        async with republishing(tmp_path / "node", broker.port) as node:
            await until(lambda: node.edge.state == "online")
            show(node, (1, 1.0))
            await until(lambda: node.edge.readings >= 1)
            await anyio.to_thread.run_sync(broker.stop)
            await until(lambda: node.edge.state == "offline")
            for value in (2.0, 3.0):
                before = node.edge.stored
                show(node, (1, value))
                await until(lambda before=before: node.edge.stored > before)
            await anyio.to_thread.run_sync(broker.start)
            async with friend(broker.port, "spBv1.0/#") as other:
                await until(lambda: other.of("DDATA"), within_s=30)
            births = [one.raw for one in decode(other.of("NBIRTH")[0][1]).metrics if one.name == "bdSeq"]
            assert births[0] >= 1
            rows = [(one.raw, one.is_historical) for one in decode(other.of("DDATA")[0][1]).metrics]
            assert rows == [(2.0, True), (3.0, True)]
            assert (node.edge.lost, node.edge.fault) == (0, "")
    finally:
        broker.stop()


@needs_mosquitto
async def test_tck_id_primary_application_state_with_multiple_servers_walk(tmp_path):
    """machines 16: tck-id-operational-behavior-primary-application-state-with-multiple-servers-walk, -single-server."""
    broker = Mosquitto(tmp_path)
    try:
        async with republishing(tmp_path / "node", free_port(), broker.port) as node:
            await until(lambda: node.edge.state == "online")
            assert node.edge.server.endswith(str(broker.port))
    finally:
        broker.stop()


@pytest.mark.parametrize("wrong", [{"servers": ()}, {"servers": ("http://x",)}, {"group": "a/b"}])
async def test_settings_that_cannot_be_are_said_and_the_node_goes_on(tmp_path, wrong):
    asked = replace(SparkplugEdge(servers=("mqtt://h",), group="G", edge="E", resources=("*",)), **wrong)
    async with opened(tmp_path) as made:
        node = with_parts(made, settings=replace(made.settings, sparkplug_edge=asked))
        async with at_work(republish.work, node):
            await until(lambda: node.edge.fault)
        assert node.edge.state == "off"


async def test_a_password_is_a_secrets_name_and_one_set_later_is_found(tmp_path, amqtt, monkeypatch):
    """machines 39: the settings name a secret; it is looked for again until it is there."""
    monkeypatch.setattr(republish, "REPLAN_S", 0.05)
    servers, options = (f"mqtt://127.0.0.1:{amqtt}",), {"username": "u", "password": "secret:broker"}
    asked = SparkplugEdge(servers=servers, group="late", edge="E", resources=("*",), options=options)
    async with opened(tmp_path) as made:
        node = with_parts(made, settings=replace(made.settings, sparkplug_edge=asked))
        async with at_work(republish.work, node):
            await until(lambda: "interwork secret set broker" in node.edge.fault)
            node.secrets.set("broker", "hush")
            await until(lambda: node.edge.state == "online")


async def test_names_that_are_alike_or_no_topic_holds_are_told_apart(tmp_path):
    async with opened(tmp_path) as node:
        twins = [mill(f"resource-{name}", name="A/B", endpoint="wood://x") for name in ("first000", "second00")]
        signals = [signal(n, Meaning.POWER, resource="resource-first000") for n in (1, 2)]
        other = signal(3, Meaning.POWER, resource="resource-second00")
        change = Change("test")
        for one in (*twins, *signals, other):
            change.put(one)
        await node.store.commit(change)
        asked = SparkplugEdge(servers=("mqtt://h",), group="G", edge="E", resources=("*",))
        republisher = republish.Republisher(node, asked)
        assert await republisher.plan()
        assert not await republisher.plan()
        devices = {name: sorted(one.metrics) for name, one in republisher.edge._devices.items()}
        assert devices == {"A-B-first000": ["power (a1)", "power (a2)"], "A-B-second00": ["power"]}
        assert json.dumps(devices)
