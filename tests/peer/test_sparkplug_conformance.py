"""Sparkplug 3.0 assertions that only the wire shows, on mosquitto: our host, our edge node, and others who listen.

Names are the specification's; amqtt is not used here, as it delivers with the subscriber's QoS, not the publisher's.
"""

import json
import time
from contextlib import aclosing, asynccontextmanager

import anyio
import pytest
from machines.mosquitto import Mosquitto
from machines.mqtt_client import friend, until
from machines.peers import needs_mosquitto, needs_node_peers
from machines.running import NodeServer

from interwork.connectors import BAD_OUT_OF_RANGE, BAD_TYPE, BAD_UNKNOWN, Command, Point
from interwork.connectors.mqtt.broker import read_broker
from interwork.connectors.sparkplug import GOOD_ASYNCHRONOUS, SparkplugConnector
from interwork.connectors.sparkplug.edge_node import EdgeMetric, EdgeNode, EdgeReading
from interwork.connectors.sparkplug.edge_session import EdgeSession, now_ms
from interwork.connectors.sparkplug.topics import encode_state
from interwork.connectors.sparkplug.values import BOOLEAN, DOUBLE, STRING
from interwork.connectors.sparkplug.wire import REBIRTH, decode
from interwork.core.errors import MachineUnreachable
from interwork.core.resource import BAD_NO_COMMUNICATION

pytestmark = [pytest.mark.peer, needs_mosquitto]
METRICS = {"D": [EdgeMetric(name="rpm", datatype=DOUBLE, unit="rpm"), EdgeMetric(name="small", datatype=1)]}
METRICS["D"] += [EdgeMetric(name="word", datatype=STRING), EdgeMetric(name="on", datatype=BOOLEAN)]


@pytest.fixture(scope="module")
def broker(tmp_path_factory):
    running = Mosquitto(tmp_path_factory.mktemp("mosquitto"))
    yield running
    running.stop()


@asynccontextmanager
async def edge_at(broker, group, **more):
    """An edge node of ours with one device, online."""
    node = EdgeNode(group, "E", **more)
    node.declare(METRICS, 1)
    node.publish("D", [EdgeReading("rpm", 5.0, now_ms()), EdgeReading("small", -3, now_ms())], now_ms())
    node._stored.clear()
    async with EdgeSession(node, read_broker(f"mqtt://127.0.0.1:{broker.port}", {})) as session:
        yield node, session


def host_at(broker, path, **options):
    return SparkplugConnector(f"mqtt://127.0.0.1:{broker.port}/{path}", options)


def states(other):
    return [(json.loads(content), qos, retain) for _, content, qos, retain in other.of("STATE")]


async def test_tck_id_operational_behavior_host_application_connect_birth(broker):
    """machines 17: tck-id-host-topic-phid-birth-qos, -retain, -payload-timestamp, death-payload-timestamp-connect."""
    before = int(time.time() * 1000)
    topic = "spBv1.0/STATE/birth"
    async with friend(broker.port, topic) as other, host_at(broker, "none/E", host_id="birth") as connector:
        await until(lambda: other.heard)
        ((birth, qos, _),) = states(other)
        assert birth["online"] is True
        assert qos == 1
        assert before <= birth["timestamp"] <= time.time() * 1000
        async with friend(broker.port, topic) as late:
            await until(lambda: late.heard)
            assert states(late) == [(birth, 1, True)]
        connector._session._client._connection._transport.abort()
        await until(lambda: len(other.heard) == 2)
        assert states(other)[1][:2] == ({"online": False, "timestamp": birth["timestamp"]}, 1)


async def test_tck_id_operational_behavior_host_application_disconnect_intentional(broker):
    """machines 17: tck-id-host-topic-phid-death-payload-timestamp-disconnect-clean, and no will after it."""
    async with friend(broker.port, "spBv1.0/STATE/leave") as other:
        async with host_at(broker, "none/E", host_id="leave"):
            await until(lambda: other.heard)
            await anyio.sleep(0.02)
        await until(lambda: len(other.heard) == 2)
        await anyio.sleep(0.2)
    (birth, _, _), (death, qos, _) = states(other)
    assert (death["online"], qos) == (False, 1)
    assert death["timestamp"] > birth["timestamp"]


async def test_tck_id_message_flow_hid_sparkplug_state_message_delivered(broker):
    """machines 17: H2, a host that hears that it is offline says at once that it is not."""
    async with friend(broker.port, "spBv1.0/STATE/echo") as other, host_at(broker, "none/E", host_id="echo"):
        await until(lambda: other.heard)
        other.publish("spBv1.0/STATE/echo", encode_state(is_online=False, time_ms=1), qos=1, retain=True)
        await until(lambda: len(other.heard) == 3)
    assert [state["online"] for state, _, _ in states(other)][:3] == [True, False, True]


async def test_tck_id_payloads_nbirth_qos(broker):
    """machines 11: tck-id-payloads-nbirth-qos, -retain, payloads-dbirth-qos, -retain, payloads-ddata-qos, -retain."""
    async with friend(broker.port, "spBv1.0/qos/#") as other, edge_at(broker, "qos") as (node, session):
        await session.send(node.publish("D", [EdgeReading("rpm", 6.0, now_ms())], now_ms()))
        await until(lambda: other.of("DDATA"))
        assert [(topic.split("/")[2], qos, retain) for topic, _, qos, retain in other.heard] == [
            ("NBIRTH", 0, False),
            ("DBIRTH", 0, False),
            ("DDATA", 0, False),
        ]
        assert [decode(content).seq for _, content, _, _ in other.heard] == [0, 1, 2]


async def test_tck_id_payloads_ndeath_will_message_publisher(broker):
    """machines 12: the broker publishes the will of a broken session, QoS 1, not retained, bdSeq of its NBIRTH."""
    async with friend(broker.port, "spBv1.0/will/#") as other:
        async with edge_at(broker, "will") as (node, session):
            await until(lambda: other.of("NBIRTH"))
            session._session._client._connection._transport.abort()
            await until(lambda: other.of("NDEATH"))
            assert node.is_online
        assert [(qos, retain) for _, _, qos, retain in other.of("NDEATH")] == [(1, False)]
        death = decode(other.of("NDEATH")[0][1])
        assert death.seq is None
        assert [(one.name, one.raw) for one in death.metrics] == [("bdSeq", 0)]


async def test_tck_id_operational_behavior_edge_node_termination_host_action_ndeath_node_tags_stale(broker):
    """machines 18: a device's tags go bad with its death, all at once, and the host asks for nothing."""
    async with edge_at(broker, "stale") as (node, session), host_at(broker, "stale/E") as connector:
        points = [Point(number=n, address=f"D/{one.name}") for n, one in enumerate(METRICS["D"])]
        async with aclosing(connector.readings(points)) as batches:
            seen = {}
            with anyio.fail_after(30):
                while len(seen) < 4:
                    batch = await anext(batches)
                    seen |= dict(zip(batch.signal, batch.value, strict=True))
                assert (seen[0], seen[1]) == (5.0, -3.0)
                await session.send(node.device_lost("D", now_ms()))
                batch = await anext(batches)
        assert dict(zip(batch.signal, batch.quality, strict=True)) == dict.fromkeys(range(4), BAD_NO_COMMUNICATION)
        assert node.status.rebirths <= 1


async def test_tck_id_operational_behavior_data_commands_dcmd_verb(broker):
    """machines 20: tck-id-payloads-dcmd-timestamp, -seq, -qos, -retain; payloads-alias-data-cmd-requirement; H8."""
    commands = [
        Command(address="rpm", value=7.5),
        Command(address="small", value=-8),
        Command(address="small", value=300),
        Command(address="word", value=1.0),
        Command(address="word", value="go"),
        Command(address="on", value=True),
        Command(address="none", value=1.0),
    ]
    async with friend(broker.port, "spBv1.0/cmd/DCMD/#") as other, edge_at(broker, "cmd") as (node, _):
        async with host_at(broker, "cmd/E/D") as connector:
            assert await connector.write(commands) == [BAD_NO_COMMUNICATION] * 7
            await connector.browse()
            codes = await connector.write(commands)
            await until(lambda: other.heard)
        await until(lambda: node.status.refused)
    done = GOOD_ASYNCHRONOUS
    assert codes == [done, done, BAD_OUT_OF_RANGE, BAD_TYPE, done, done, BAD_UNKNOWN]
    ((topic, content, qos, retain),) = other.heard
    assert (topic, qos, retain) == ("spBv1.0/cmd/DCMD/E/D", 0, False)
    payload = decode(content)
    assert payload.seq is None
    assert payload.time_us
    assert [(one.name, one.datatype, one.raw) for one in payload.metrics] == [
        ("", DOUBLE, 7.5),
        ("", 1, 0xFFFFFFF8),
        ("", STRING, "go"),
        ("", BOOLEAN, True),
    ]
    assert all(one.alias and one.time_us for one in payload.metrics)


async def test_tck_id_operational_behavior_data_commands_ncmd_rebirth_verb(broker):
    """machines 20: tck-id-operational-behavior-data-commands-ncmd-rebirth-name, -value, payloads-ncmd-qos, -retain."""
    async with friend(broker.port, "spBv1.0/ask/NCMD/#") as other, edge_at(broker, "ask") as (node, _):
        async with host_at(broker, "ask/E/D") as connector:
            await connector.browse()
        assert node.status.rebirths == 1
    ((_, content, qos, retain),) = other.heard
    assert (qos, retain, decode(content).seq) == (0, False, None)
    assert [(one.name, one.raw, one.datatype) for one in decode(content).metrics] == [(REBIRTH, True, BOOLEAN)]


async def test_a_frozen_broker_is_a_lost_link_for_the_edge_node_too(tmp_path):
    running = Mosquitto(tmp_path)
    try:
        broker = read_broker(f"mqtt://127.0.0.1:{running.port}", {"keep_alive_s": 1})
        node = EdgeNode("frozen", "E")
        async with EdgeSession(node, broker) as session:
            running.freeze()
            with pytest.raises(MachineUnreachable, match="closed the MQTT"), anyio.fail_after(30):
                await session.stay()
    finally:
        running.stop()


@needs_node_peers
async def test_an_independent_host_reads_our_edge_node(broker):
    """machines 11: sparkplug-payload of npm, over mqtt.js, decodes our births and data as we meant them."""
    async with edge_at(broker, "third") as (node, session):
        listener = await anyio.to_thread.run_sync(
            lambda: NodeServer("node_sparkplug_host.js", broker.port, "third", "E")
        )
        try:
            await until(lambda: node.status.rebirths)
            await session.send(node.publish("D", [EdgeReading("word", "läuft", 1_767_225_600_000)], now_ms()))
            lines = []
            with anyio.fail_after(30):
                while not any(line.get("type") == "DDATA" for line in lines):
                    said = await anyio.to_thread.run_sync(lambda: listener.tell("said"))
                    lines = [json.loads(line) for line in said]
        finally:
            await anyio.to_thread.run_sync(listener.stop)
    by_type = {line["type"]: line for line in lines}
    names = {one["name"]: one for one in by_type["DBIRTH"]["metrics"]}
    assert [one["name"] for one in by_type["NBIRTH"]["metrics"]] == ["bdSeq", REBIRTH]
    assert (names["rpm"]["value"], names["rpm"]["type"], names["small"]["value"]) == (5, "Double", -3)
    assert names["rpm"]["properties"]["engUnit"]["value"] == "rpm"
    assert names["word"]["value"] is None
    (metric,) = by_type["DDATA"]["metrics"]
    # it reads a value by the data type in the same message, which the standard says data should not have
    assert (metric["alias"], metric["timestamp"], "name" in metric) == (
        names["word"]["alias"],
        1_767_225_600_000,
        False,
    )
