"""Sparkplug 3.0 by its assertion ids, read off the wire between our clients and mosquitto, for MQTT 3.1.1 and 5.

One scenario of an edge node and one of a host application are played per MQTT version; a tap writes down every packet
they send, and each test holds one assertion of the specification (`tck-id-…`) against what was written down.
"""

import json
from collections.abc import Callable
from itertools import pairwise
from types import SimpleNamespace

import anyio
import pytest
from machines.mosquitto import Mosquitto
from machines.mqtt_client import friend, until
from machines.mqtt_tap import tapped
from machines.peers import needs_mosquitto

from interwork.connectors import Command
from interwork.connectors.mqtt.broker import read_broker
from interwork.connectors.sparkplug import SparkplugConnector
from interwork.connectors.sparkplug.edge_node import EdgeMetric, EdgeNode, EdgeReading
from interwork.connectors.sparkplug.edge_session import EdgeSession, now_ms
from interwork.connectors.sparkplug.topics import encode_state
from interwork.connectors.sparkplug.values import BOOLEAN, DOUBLE, INT64, STRING
from interwork.connectors.sparkplug.wire import BD_SEQ, REBIRTH, Send, decode, encode

pytestmark = [pytest.mark.peer, needs_mosquitto]
GROUP, EDGE, HOST = "Plant", "E7", "scada"
METRICS = {
    "D1": [
        EdgeMetric(name="rpm", datatype=DOUBLE, unit="rpm"),
        EdgeMetric(name="word", datatype=STRING),
        EdgeMetric(name="on", datatype=BOOLEAN),
    ],
    "D2": [EdgeMetric(name="rpm", datatype=DOUBLE)],
}
VERSIONS = ("3.1.1", "5")
QUALITY = "Quality"


def sent(kind, topic, qos, is_retained, content):
    """What a Sparkplug message says, beside the packet that carried it."""
    parts = topic.split("/")
    payload = decode(content)
    return SimpleNamespace(
        kind=kind, topic=topic, device=parts[4] if len(parts) > 4 else "", qos=qos, is_retained=is_retained,
        seq=payload.seq, time_us=payload.time_us, metrics=payload.metrics, raw=list(payload.sent),
    )  # fmt: skip


class Session:
    """One MQTT session on the wire."""

    def __init__(self, packets):
        self.packets = packets
        self.connect = packets[0]
        self.filters = [one for packet in packets if packet.kind == "SUBSCRIBE" for one in packet.filters]
        self.published = [one for one in packets if one.kind == "PUBLISH"]
        self.messages = [
            sent(one.topic.split("/")[2], one.topic, one.qos, one.is_retained, one.content)
            for one in self.published
            if "/STATE/" not in one.topic
        ]
        self.states = [one for one in self.published if "/STATE/" in one.topic]

    def of(self, *kinds):
        return [one for one in self.messages if one.kind in kinds]

    def index(self, kind, start=0):
        return next(n for n, one in enumerate(self.packets[start:], start) if one.kind == kind)


async def play_edge(broker, version):
    """Sessions of an edge node: births once its primary host is there, data over the wrap, rebirth, deaths."""
    node = EdgeNode(GROUP, EDGE, primary_host=HOST)
    node.declare(METRICS, now_ms())
    node.publish("D1", [EdgeReading("rpm", 1.0, now_ms()), EdgeReading("on", True, now_ms() - 5)], now_ms())
    lines, early = [], []
    async with friend(broker.port, f"spBv1.0/{GROUP}/#") as host:
        for number in range(2):
            async with tapped(broker.port) as tap:
                at = read_broker(f"mqtt://127.0.0.1:{tap.port}", {"mqtt_version": version})
                host.publish(
                    f"spBv1.0/STATE/{HOST}", encode_state(is_online=False, time_ms=now_ms()), qos=1, retain=True
                )
                async with EdgeSession(node, at) as session:
                    host.publish("spBv1.0/STATE/other", encode_state(is_online=True, time_ms=now_ms()), qos=1)
                    await until(lambda: node.status.state == "waiting")
                    await anyio.sleep(0.1)
                    early.append([one.kind for one in tap.lines[0].packets])
                    host.publish(
                        f"spBv1.0/STATE/{HOST}", encode_state(is_online=True, time_ms=now_ms()), qos=1, retain=True
                    )
                    await until(lambda: node.is_online)
                    await play_data(node, session, host, is_long=number == 0)
                await until(lambda: tap.lines[0].packets[-1].kind == "DISCONNECT")
                lines.append(Session(tap.lines[0].packets))
    return SimpleNamespace(sessions=lines, early=early, version=version, node=node)


async def play_data(node, session, host, *, is_long):
    for turn in range(300 if is_long else 3):
        await session.send(node.publish("D1", [EdgeReading("rpm", 2.0 + turn, now_ms())], now_ms()))
    await session.send(node.publish("D1", [EdgeReading("rpm", 2.0 + turn, now_ms())], now_ms()))  # no change
    await session.send(node.publish("D1", [EdgeReading("word", None, now_ms(), 500)], now_ms()))
    births = node.status.births
    ask = Send(name=REBIRTH, datatype=BOOLEAN, field="boolean_value", value=True)
    host.publish(f"spBv1.0/{GROUP}/NCMD/{EDGE}", encode([ask], time_ms=now_ms(), seq=None))
    await until(lambda: node.status.births > births)
    await session.send(node.device_lost("D2", now_ms()))
    await session.send(node.device_back("D2", now_ms()))
    await session.send(node.publish("D2", [EdgeReading("rpm", 9.0, now_ms())], now_ms()))


async def play_host(broker, version):
    """A session of a host application: birth, a rebirth asked for, a command, its own death denied, its end."""
    node = EdgeNode(f"{GROUP}-h{version[0]}", EDGE)
    node.declare(METRICS, now_ms())
    own = f"spBv1.0/STATE/host{version[0]}"
    async with (
        EdgeSession(node, read_broker(f"mqtt://127.0.0.1:{broker.port}", {})),
        tapped(broker.port) as tap,
        friend(broker.port) as other,
    ):
        endpoint = f"mqtt://127.0.0.1:{tap.port}/{node.group}/{EDGE}/D1"
        async with SparkplugConnector(endpoint, {"host_id": f"host{version[0]}", "mqtt_version": version}) as host:
            await host.browse()
            await host.write([Command(address="rpm", value=5.0)])
            other.publish(own, encode_state(is_online=False, time_ms=1), qos=1, retain=True)
            await until(lambda: sum("STATE" in getattr(one, "topic", "") for one in tap.lines[0].packets) == 2)
        await until(lambda: tap.lines[0].packets[-1].kind == "DISCONNECT")
        return SimpleNamespace(sessions=[Session(tap.lines[0].packets)], version=version, own=own)


@pytest.fixture(scope="module")
def broker(tmp_path_factory):
    running = Mosquitto(tmp_path_factory.mktemp("mosquitto"))
    yield running
    running.stop()


@pytest.fixture(scope="module", params=VERSIONS)
def edge(request, broker):
    return anyio.run(play_edge, broker, request.param)


@pytest.fixture(scope="module", params=VERSIONS)
def host(request, broker):
    return anyio.run(play_host, broker, request.param)


def each(kinds, holds):
    """Say that something holds of every message of the kinds, of which there must be one."""

    def check(played):
        found = [one for session in played.sessions for one in session.of(*kinds.split())]
        return bool(found) and all(holds(one) for one in found)

    return check


def every(holds):
    """Say that something holds of every session."""
    return lambda played: all(holds(session, played) for session in played.sessions)


def seq_of(*kinds):
    """Each message's number is one more than the one before it, 0 after 255; NBIRTH begins anew."""

    def check(session, _):
        numbered = [one for one in session.messages if one.kind != "NDEATH"]
        pairs = [(a, b) for a, b in pairwise(numbered) if b.kind in kinds]
        return bool(pairs) and all(b.seq == (a.seq + 1) % 256 for a, b in pairs)

    return every(check)


def metric(message, name):
    return next((one for one in message.metrics if one.name == name), None)


def births_first(session, _):
    """After each NBIRTH come the DBIRTHs of all devices and only then data."""
    kinds = [one.kind for one in session.messages]
    starts = [n for n, kind in enumerate(kinds) if kind == "NBIRTH"]
    return kinds[0] == "NBIRTH" and all(kinds[n + 1 : n + 3] == ["DBIRTH", "DBIRTH"] for n in starts)


def in_order(message):
    times = [one.timestamp for one in message.raw if not one.is_historical]
    return times == sorted(times)


def known_before(session, _):
    """Data names by alias what a birth of the session announced."""
    born, is_known = set(), True
    for one in session.messages:
        if one.kind in ("NBIRTH", "DBIRTH"):
            born |= {each.alias for each in one.metrics if each.alias is not None}
        elif one.kind in ("NDATA", "DDATA"):
            is_known &= all(each.alias in born for each in one.metrics)
    return is_known


def aliases_unique(session, _):
    aliases = {}
    for one in session.of("DBIRTH", "NBIRTH"):
        for each in one.metrics:
            if each.alias is not None and aliases.setdefault(each.alias, (one.device, each.name)) != (
                one.device,
                each.name,
            ):
                return False
    return bool(aliases)


def quality_valid(message):
    values = [
        (value.type, value.int_value)
        for one in message.raw
        for key, value in zip(one.properties.keys, one.properties.values, strict=True)
        if key == QUALITY
    ]
    return all(kind == 3 and code in (0, 192, 500) for kind, code in values)


def will_number(session):
    (only,) = decode(session.connect.will.content).metrics
    return only


def numbers_of(played):
    return [will_number(session).raw for session in played.sessions]


def last_two(session):
    return session.packets[-2], session.packets[-1]


def by_exception(session, _):
    """No metric says again what its birth or last data said."""
    last = {}
    for one in session.of("DBIRTH", "DDATA"):
        for each in one.metrics:
            told = each.raw, each.quality
            if one.kind == "DDATA" and not each.is_historical and last.get(each.alias) == told:
                return False
            last[each.alias] = told
    return bool(last)


def well_formed(message):
    return not set(message.topic) & set("+#\0")


def plain(message):
    return (message.qos, message.is_retained) == (0, False)


def stamped(message):
    return message.time_us > 0


DEATH = f"spBv1.0/{GROUP}/NDEATH/{EDGE}"
SESSION_EXPIRY = 0x11
clean = every(lambda session, _: session.connect.is_clean and SESSION_EXPIRY not in session.connect.properties[::5])
EDGE_RULES: dict[str, Callable] = {
    "intro-group-id-chars": each("NBIRTH DBIRTH DDATA", well_formed),
    "principles-birth-certificates-order": every(births_first),
    "principles-rbe-recommended": every(
        lambda session, _: len({one.metrics[0].raw for one in session.of("DDATA")}) > 1
    ),
    "principles-persistence-clean-session": clean,
    "topic-structure": each("NBIRTH DBIRTH DDATA DDEATH NDEATH", lambda one: one.topic.startswith(f"spBv1.0/{GROUP}/")),
    "topic-structure-namespace-device-id-associated-message-types": each("DBIRTH DDEATH DDATA", lambda one: one.device),
    "topic-structure-namespace-device-id-non-associated-message-types": each(
        "NBIRTH NDEATH", lambda one: not one.device
    ),
    "topics-nbirth-topic": each("NBIRTH", lambda one: one.topic == f"spBv1.0/{GROUP}/NBIRTH/{EDGE}"),
    "topics-nbirth-mqtt": each("NBIRTH", plain),
    "topics-nbirth-seq-num": each("NBIRTH", lambda one: one.seq == 0),
    "topics-nbirth-timestamp": each("NBIRTH", stamped),
    "topics-nbirth-metric-reqs": every(known_before),
    "topics-nbirth-metrics": each(
        "NBIRTH DBIRTH",
        lambda one: all(each.name and each.datatype and (each.is_null or each.raw is not None) for each in one.metrics),
    ),
    "topics-nbirth-bdseq-included": each("NBIRTH", lambda one: metric(one, BD_SEQ) is not None),
    "topics-nbirth-bdseq-matching": every(
        lambda session, _: all(metric(one, BD_SEQ).raw == will_number(session).raw for one in session.of("NBIRTH"))
    ),
    "topics-nbirth-bdseq-increment": lambda played: numbers_of(played) == [0, 1],
    "topics-nbirth-rebirth-metric": each("NBIRTH", lambda one: metric(one, REBIRTH).raw is False),
    "topics-ndeath-topic": each("NDEATH", lambda one: one.topic == DEATH),
    "topics-ndeath-payload": each("NDEATH", lambda one: [each.name for each in one.metrics] == [BD_SEQ]),
    "topics-ndeath-seq": each("NDEATH", lambda one: one.seq is None),
    "topics-dbirth-mqtt": each("DBIRTH", plain),
    "topics-dbirth-seq": seq_of("DBIRTH"),
    "topics-dbirth-timestamp": each("DBIRTH", stamped),
    "topics-ddata-mqtt": each("DDATA", plain),
    "topics-ddata-seq-num": seq_of("DDATA"),
    "topics-ddata-timestamp": each("DDATA", stamped),
    "topics-ddata-payload": each("DDATA", lambda one: one.metrics),
    "topics-ddeath-mqtt": each("DDEATH", plain),
    "topics-ddeath-seq-num": seq_of("DDEATH"),
    "case-sensitivity-metric-names": each(
        "DBIRTH", lambda one: len({each.name.lower() for each in one.metrics}) == len(one.metrics)
    ),
    "message-flow-edge-node-ncmd-subscribe": every(
        lambda session, _: (f"spBv1.0/{GROUP}/NCMD/{EDGE}", 1) in session.filters
    ),
    "message-flow-device-dcmd-subscribe": every(
        lambda session, _: (f"spBv1.0/{GROUP}/DCMD/{EDGE}/+", 1) in session.filters
    ),
    "message-flow-edge-node-birth-publish-connect": every(
        lambda session, _: session.index("SUBSCRIBE") < session.index("PUBLISH")
    ),
    "message-flow-edge-node-birth-publish-will-message": every(lambda session, _: session.connect.will is not None),
    "message-flow-edge-node-birth-publish-will-message-topic": every(
        lambda session, _: session.connect.will.topic == DEATH
    ),
    "message-flow-edge-node-birth-publish-will-message-payload": every(
        lambda session, _: will_number(session).name == BD_SEQ
    ),
    "message-flow-edge-node-birth-publish-will-message-payload-bdSeq": every(
        lambda session, _: will_number(session).datatype == INT64
    ),
    "message-flow-edge-node-birth-publish-will-message-qos": every(lambda session, _: session.connect.will.qos == 1),
    "message-flow-edge-node-birth-publish-will-message-will-retained": every(
        lambda session, _: not session.connect.will.is_retained
    ),
    "message-flow-edge-node-birth-publish-phid-wait": lambda played: all(
        "PUBLISH" not in kinds for kinds in played.early
    ),
    "message-flow-edge-node-birth-publish-nbirth-payload-bdSeq": each(
        "NBIRTH", lambda one: metric(one, BD_SEQ).datatype == INT64
    ),
    "message-flow-device-birth-publish-nbirth-wait": every(births_first),
    "message-flow-device-birth-publish-dbirth-match-edge-node-topic": each(
        "DBIRTH", lambda one: one.topic == f"spBv1.0/{GROUP}/DBIRTH/{EDGE}/{one.device}"
    ),
    "operational-behavior-edge-node-intentional-disconnect-ndeath": every(
        lambda session, _: last_two(session)[0].topic == DEATH
    ),
    "operational-behavior-edge-node-intentional-disconnect-packet": every(
        lambda session, _: last_two(session)[1].kind == "DISCONNECT"
    ),
    "operational-behavior-device-ddeath": every(
        lambda session, _: [one.device for one in session.of("DDEATH")] == ["D2"]
    ),
    "operational-behavior-data-publish-nbirth-order": each("NBIRTH", in_order),
    "operational-behavior-data-publish-dbirth-order": each("DBIRTH DDATA", in_order),
    "operational-behavior-data-publish-dbirth-values": each(
        "DBIRTH", lambda one: all(each.is_null == (each.raw is None) for each in one.metrics)
    ),
    "operational-behavior-data-publish-dbirth-change": every(by_exception),
    "operational-behavior-data-commands-rebirth-name": each("NBIRTH", lambda one: metric(one, REBIRTH) is not None),
    "operational-behavior-data-commands-rebirth-name-aliases": each(
        "NBIRTH", lambda one: metric(one, REBIRTH).alias is None
    ),
    "operational-behavior-data-commands-rebirth-datatype": each(
        "NBIRTH", lambda one: metric(one, REBIRTH).datatype == BOOLEAN
    ),
    "operational-behavior-data-commands-rebirth-value": each("NBIRTH", lambda one: metric(one, REBIRTH).raw is False),
    "operational-behavior-data-commands-rebirth-action-2": every(lambda session, _: len(session.of("NBIRTH")) == 2),
    "operational-behavior-data-commands-rebirth-action-3": every(
        lambda session, _: len({metric(one, BD_SEQ).raw for one in session.of("NBIRTH")}) == 1
    ),
    "payloads-sequence-num-always-included": each("NBIRTH DBIRTH DDATA DDEATH", lambda one: one.seq is not None),
    "payloads-sequence-num-incrementing": seq_of("DBIRTH", "DDATA", "DDEATH"),
    "payloads-alias-uniqueness": every(aliases_unique),
    "payloads-alias-birth-requirement": each(
        "DBIRTH", lambda one: all(each.name and each.alias for each in one.metrics)
    ),
    "payloads-alias-data-cmd-requirement": each(
        "DDATA", lambda one: all(each.alias and not each.name for each in one.metrics)
    ),
    "payloads-name-birth-data-requirement": each(
        "NBIRTH DBIRTH DDATA", lambda one: all(each.timestamp for each in one.raw)
    ),
    "payloads-metric-datatype-req": each(
        "NBIRTH DBIRTH", lambda one: all(each.HasField("datatype") for each in one.raw)
    ),
    "payloads-metric-datatype-not-req": each(
        "DDATA", lambda one: not any(each.HasField("datatype") for each in one.raw)
    ),
    "payloads-propertyset-keys-array-size": each(
        "DBIRTH DDATA", lambda one: all(len(each.properties.keys) == len(each.properties.values) for each in one.raw)
    ),
    "payloads-propertyset-quality-value": each("DBIRTH DDATA", quality_valid),
    "payloads-metric-propertyvalue-type-req": each(
        "DBIRTH", lambda one: all(value.HasField("type") for each in one.raw for value in each.properties.values)
    ),
    "payloads-dbirth-order": every(births_first),
    "payloads-ddata-order": every(births_first),
    "payloads-ndeath-will-message-publisher-disconnect": every(
        lambda session, played: last_two(session)[1].reason == (4 if played.version == "5" else 0)
    ),
    "payloads-ndeath-bdseq": every(
        lambda session, _: session.of("NDEATH")[-1].metrics[0].raw == metric(session.of("NBIRTH")[0], BD_SEQ).raw
    ),
    "payloads-ddeath-seq-number": each("DDEATH", lambda one: one.seq is not None and one.time_us),
}


def state(packet):
    return json.loads(packet.content)


def is_state(content, *, online):
    told = json.loads(content)
    return told.keys() == {"online", "timestamp"} and told["online"] is online and isinstance(told["timestamp"], int)


def birth(session):
    return session.states[0]


HOST_RULES: dict[str, Callable] = {
    "components-ph-state": every(lambda session, _: len(session.states) == 3),
    "conformance-primary-host": every(
        lambda session, _: [state(one)["online"] for one in session.states] == [True, True, False]
    ),
    "message-flow-phid-sparkplug-clean-session": clean,
    "message-flow-phid-sparkplug-subscription": every(
        lambda session, _: session.index("SUBSCRIBE") < session.index("PUBLISH")
    ),
    "message-flow-phid-sparkplug-state-publish": every(lambda session, _: session.published[0] is birth(session)),
    "host-topic-phid-birth-message": every(lambda session, _: session.published[0].topic.startswith("spBv1.0/STATE/")),
    "host-topic-phid-birth-qos": every(lambda session, _: birth(session).qos == 1),
    "host-topic-phid-birth-retain": every(lambda session, _: birth(session).is_retained),
    "host-topic-phid-birth-topic": every(lambda session, played: birth(session).topic == played.own),
    "host-topic-phid-birth-sub-required": every(lambda session, played: (played.own, 1) in session.filters),
    "host-topic-phid-birth-payload": every(lambda session, _: is_state(birth(session).content, online=True)),
    "host-topic-phid-birth-payload-timestamp": every(
        lambda session, _: state(birth(session))["timestamp"] == state(session.connect.will)["timestamp"]
    ),
    "host-topic-phid-death-qos": every(lambda session, _: session.connect.will.qos == 1),
    "host-topic-phid-death-retain": every(lambda session, _: session.connect.will.is_retained),
    "host-topic-phid-death-topic": every(lambda session, played: session.connect.will.topic == played.own),
    "host-topic-phid-death-required": every(lambda session, _: session.connect.will is not None),
    "host-topic-phid-death-payload": every(lambda session, _: is_state(session.connect.will.content, online=False)),
    "host-topic-phid-death-payload-timestamp-disconnect-clean": every(
        lambda session, _: state(session.states[-1])["timestamp"] > state(birth(session))["timestamp"]
    ),
    "message-flow-hid-sparkplug-state-message-delivered": every(lambda session, _: state(session.states[1])["online"]),
    "operational-behavior-host-application-termination": every(
        lambda session, _: session.published[-1] is session.states[-1]
    ),
    "operational-behavior-host-application-death-retained": every(lambda session, _: session.states[-1].is_retained),
    "operational-behavior-host-application-death-qos": every(lambda session, _: session.states[-1].qos == 1),
    "operational-behavior-host-application-disconnect-intentional": every(
        lambda session, _: last_two(session)[1].kind == "DISCONNECT"
    ),
    "operational-behavior-data-commands-ncmd-rebirth-verb": every(lambda session, _: len(session.of("NCMD")) >= 1),
    "operational-behavior-data-commands-ncmd-rebirth-name": each("NCMD", lambda one: one.metrics[0].name == REBIRTH),
    "operational-behavior-data-commands-ncmd-rebirth-value": each("NCMD", lambda one: one.metrics[0].raw is True),
    "operational-behavior-data-commands-dcmd-verb": each("DCMD", lambda one: one.topic.endswith(f"/DCMD/{EDGE}/D1")),
    "operational-behavior-data-commands-dcmd-metric-value": each("DCMD", lambda one: one.metrics[0].raw == 5.0),
    "payloads-ncmd-timestamp": each("NCMD", stamped),
    "payloads-ncmd-seq": each("NCMD", lambda one: one.seq is None),
    "payloads-ncmd-qos": each("NCMD", plain),
    "payloads-dcmd-timestamp": each("DCMD", stamped),
    "payloads-dcmd-seq": each("DCMD", lambda one: one.seq is None),
    "payloads-dcmd-qos": each("DCMD", plain),
    "payloads-alias-data-cmd-requirement": each(
        "DCMD", lambda one: all(each.alias and not each.name for each in one.metrics)
    ),
}


@pytest.mark.parametrize("tck_id", EDGE_RULES)
def test_an_assertion_on_edge_nodes_holds_on_the_wire(edge, tck_id):
    """machines 11: order, numbers and births; machines 12, 13, 14, 15: will, rebirth, aliases, death."""
    assert EDGE_RULES[tck_id](edge)


@pytest.mark.parametrize("tck_id", HOST_RULES)
def test_an_assertion_on_host_applications_holds_on_the_wire(host, tck_id):
    """machines 17: STATE, its will, its birth and its echo; commands."""
    assert HOST_RULES[tck_id](host)
