"""This node as an edge node, message by message, judged by the octets it would send and by our own host."""

import pytest
from hypothesis import settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, invariant, precondition, rule

from interwork.connectors import Point
from interwork.connectors.sparkplug.edge_node import BAD, GOOD, STALE, EdgeMetric, EdgeNode, EdgeReading
from interwork.connectors.sparkplug.host import HostView
from interwork.connectors.sparkplug.topics import encode_state, read_topic, state_topic
from interwork.connectors.sparkplug.values import BOOLEAN, DOUBLE, INT64, STRING
from interwork.connectors.sparkplug.wire import REBIRTH, Send, decode, encode
from interwork.core.errors import BadInput

POWER = EdgeMetric(name="Power", datatype=DOUBLE, unit="kW")
STATE = EdgeMetric(name="Execution", datatype=STRING)
DEVICES = {"Mill": [POWER, STATE], "Lathe": [POWER]}
SERVER = "mqtt://broker:1883"


def told(messages):
    return [(read_topic(one.topic).kind, read_topic(one.topic).device, decode(one.content)) for one in messages]


def kinds(messages):
    return [kind for kind, _, _ in told(messages)]


def metrics_of(message):
    return {one.name or one.alias: one for one in decode(message.content).metrics}


def edge(**more):
    node = EdgeNode("G", "E", **more)
    node.declare(DEVICES, 1)
    return node


def online(**more):
    node = edge(**more)
    node.connect(SERVER, 10)
    node.connected(11)
    return node


def power(value, at=50, quality=GOOD):
    return EdgeReading("Power", value, at, quality)


def command(metric):
    return encode([metric], time_ms=5, seq=None)


REBIRTH_WISH = command(Send(name=REBIRTH, datatype=BOOLEAN, field="boolean_value", value=True))


def test_tck_id_payloads_ndeath_will_message():
    """machines 12: tck-id-payloads-ndeath-will-message, -qos, -retain, payloads-ndeath-bdseq, payloads-ndeath-seq."""
    will = edge().connect(SERVER, 10)
    assert (will.topic, will.qos) == ("spBv1.0/G/NDEATH/E", 1)
    payload = decode(will.content)
    assert payload.seq is None
    assert [(one.name, one.raw, one.datatype, one.alias) for one in payload.metrics] == [("bdSeq", 0, INT64, None)]


def test_tck_id_topics_nbirth_bdseq_increment():
    """machines 12: tck-id-topics-nbirth-bdseq-matching, -increment: 0 to 255 and round, each birth like its will."""
    node, seen = edge(), []
    for _ in range(257):
        will = metrics_of(node.connect(SERVER, 1))["bdSeq"].raw
        birth = metrics_of(node.connected(2)[0])["bdSeq"].raw
        seen.append((will, birth))
        node.disconnected()
    assert seen == [(n % 256, n % 256) for n in range(257)]


def test_tck_id_principles_birth_certificates_order():
    """machines 11: tck-id-principles-birth-certificates-order, payloads-nbirth-seq, payloads-dbirth-order."""
    node = edge()
    node.connect(SERVER, 10)
    births = node.connected(11)
    assert [(kind, device, payload.seq) for kind, device, payload in told(births)] == [
        ("NBIRTH", "", 0),
        ("DBIRTH", "Mill", 1),
        ("DBIRTH", "Lathe", 2),
    ]
    assert {one.qos for one in births} == {0}
    assert all(payload.time_us == 11_000 for _, _, payload in told(births))


def test_tck_id_operational_behavior_data_commands_rebirth_name_aliases():
    """machines 14: tck-id-topics-nbirth-rebirth-metric, -rebirth-datatype, -rebirth-value, -rebirth-name-aliases."""
    rebirth = metrics_of(online().births(20)[0])[REBIRTH]
    assert (rebirth.alias, rebirth.datatype, rebirth.raw) == (None, BOOLEAN, False)


def test_tck_id_payloads_alias_uniqueness():
    """machines 14: tck-id-payloads-alias-uniqueness, -alias-birth-requirement, -name-requirement."""
    births = online().births(20)
    aliases = [one.alias for message in births for one in decode(message.content).metrics if one.alias is not None]
    assert len(set(aliases)) == len(aliases) == 3
    mill = metrics_of(births[1])
    assert (mill["Power"].unit, mill["Power"].datatype, mill["Execution"].datatype) == ("kW", DOUBLE, STRING)
    assert all(one.time_us for one in mill.values())


def test_tck_id_payloads_alias_data_cmd_requirement():
    """machines 14: tck-id-payloads-alias-data-cmd-requirement, payloads-metric-datatype-not-req: alias alone."""
    node = online()
    (message,) = node.publish("Mill", [power(1.5)], 60)
    (metric,) = decode(message.content).metrics
    assert message.topic == "spBv1.0/G/DDATA/E/Mill"
    assert (metric.name, metric.datatype, metric.raw, metric.time_us) == ("", 0, 1.5, 50_000)
    assert decode(message.content).time_us == 60_000


def test_tck_id_payloads_sequence_num_incrementing():
    """machines 11: tck-id-payloads-sequence-num-incrementing, over the node and its devices, 255 to 0."""
    node, numbers = online(), []
    for count in range(300):
        device = ("Mill", "Lathe")[count % 2]
        numbers += [decode(one.content).seq for one in node.publish(device, [power(float(count))], 60)]
    assert numbers == [(3 + count) % 256 for count in range(300)]


def test_tck_id_principles_rbe_recommended():
    """machines 11: tck-id-principles-rbe-recommended: only what changed."""
    node = online()
    assert len(node.publish("Mill", [power(1.0)], 60)) == 1
    assert node.publish("Mill", [power(1.0, 70)], 70) == []
    assert len(node.publish("Mill", [power(1.0, 80, BAD)], 80)) == 1


def test_tck_id_operational_behavior_data_publish_nbirth_order():
    """machines 11: tck-id-payloads-ddata-order: within a message in order of time."""
    node = online()
    (message,) = node.publish("Mill", [power(2.0, 30), EdgeReading("Execution", "ACTIVE", 20), power(1.0, 10)], 60)
    assert [one.raw for one in decode(message.content).metrics] == [1.0, "ACTIVE", 2.0]


def test_tck_id_operational_behavior_data_commands_rebirth_action_1():
    """machines 13: tck-id-operational-behavior-data-commands-rebirth-action-1, -2, -3, payloads-nbirth-bdseq-repeat."""
    node = online()
    node.publish("Mill", [power(4.0)], 60)
    births = node.receive("spBv1.0/G/NCMD/E", REBIRTH_WISH, 70)
    assert kinds(births) == ["NBIRTH", "DBIRTH", "DBIRTH"]
    assert decode(births[0].content).seq == 0
    assert metrics_of(births[0])["bdSeq"].raw == 0
    assert metrics_of(births[1])["Power"].raw == 4.0
    assert node.status.rebirths == 1


@pytest.mark.parametrize(
    ("topic", "content"),
    [
        ("spBv1.0/G/NCMD/E", command(Send(name=REBIRTH, datatype=BOOLEAN, field="boolean_value", value=False))),
        ("spBv1.0/G/NCMD/E", b"\xff"),
        ("spBv1.0/G/NCMD/E", command(Send(name="Other", datatype=BOOLEAN, field="boolean_value", value=True))),
        ("spBv1.0/G/DCMD/E/Mill", command(Send(name="Power", datatype=DOUBLE, field="double_value", value=1.0))),
    ],
)
def test_a_command_that_is_no_wish_for_births_is_refused_and_counted(topic, content):
    node = online()
    assert node.receive(topic, content, 70) == []
    assert node.status.refused == 1


@pytest.mark.parametrize("topic", ["spBv1.0/G/NCMD/Other", "spBv1.0/H/NCMD/E", "a/b", "spBv1.0/G/NDATA/E"])
def test_what_is_for_others_is_not_for_us(topic):
    node = online()
    assert node.receive(topic, REBIRTH_WISH, 70) == []
    assert node.status.refused == 0


def test_tck_id_operational_behavior_edge_node_intentional_disconnect_ndeath():
    """machines 15: tck-id-operational-behavior-edge-node-intentional-disconnect-ndeath, once."""
    node = online()
    (death,) = node.leave(90)
    assert kinds([death]) == ["NDEATH"]
    assert metrics_of(death)["bdSeq"].raw == 0
    assert node.leave(91) == []


def test_tck_id_operational_behavior_device_ddeath():
    """machines 11: E8, tck-id-operational-behavior-device-ddeath, payloads-ddeath-seq-inc, then DBIRTH when back."""
    node = online()
    (death,) = node.device_lost("Mill", 60)
    assert (kinds([death]), decode(death.content).seq) == (["DDEATH"], 3)
    assert node.device_lost("Mill", 61) == []
    assert node.publish("Mill", [power(3.0)], 62) == []
    assert kinds(node.births(63)) == ["NBIRTH", "DBIRTH"]
    (birth,) = node.device_back("Mill", 64)
    assert metrics_of(birth)["Power"].raw == 3.0
    assert node.device_back("Mill", 65) == []


def state(node, *, online, ms, host="H"):
    return node.receive(state_topic(host), encode_state(is_online=online, time_ms=ms), 99)


def waiting():
    node = edge(primary_host="H")
    node.connect(SERVER, 10)
    assert node.connected(11) == []
    return node


def test_tck_id_message_flow_edge_node_birth_publish_phid_wait():
    """machines 16: tck-id-message-flow-edge-node-birth-publish-phid-wait, -wait-id, -wait-online, -wait-timestamp."""
    node = waiting()
    assert (state_topic("H"), 1) in node.filters
    assert state(node, online=True, ms=5, host="Other") == []
    assert state(node, online=False, ms=100) == []
    assert state(node, online=True, ms=99) == []
    assert node.receive(state_topic("H"), b"ONLINE", 99) == []
    assert not node.is_online
    assert kinds(state(node, online=True, ms=100)) == ["NBIRTH", "DBIRTH", "DBIRTH"]
    assert state(node, online=True, ms=101) == []


def test_a_primary_host_of_version_2_2_is_followed_until_it_speaks_as_3_0_says():
    """Its STATE is a word on a topic of its own; a node that waits for JSON would wait for ever."""
    node = waiting()
    assert ("STATE/H", 1) in node.filters
    for topic, word in (("STATE/Other", b"ONLINE"), ("STATE/H", b"OFFLINE"), ("STATE/H", b"online?")):
        assert node.receive(topic, word, 99) == []
    assert kinds(node.receive("STATE/H", b"ONLINE", 100)) == ["NBIRTH", "DBIRTH", "DBIRTH"]
    assert kinds(node.receive("STATE/H", b"OFFLINE", 101)) == ["NDEATH"]
    assert node.must_leave
    node = waiting()
    assert state(node, online=False, ms=100) == []
    assert node.receive("STATE/H", b"ONLINE", 101) == [], "a word left behind does not outweigh what it says now"


def test_tck_id_operational_behavior_edge_node_termination_host_offline():
    """machines 16: tck-id-...-termination-host-offline, -host-offline-timestamp, -host-offline-reconnect."""
    node = waiting()
    state(node, online=True, ms=100)
    assert state(node, online=False, ms=99) == []
    assert node.is_online
    assert kinds(state(node, online=False, ms=100)) == ["NDEATH"]
    assert node.must_leave
    assert node.leave(120) == []
    node.connect("mqtt://other:1883", 130)
    assert not node.must_leave
    node.connected(131)
    assert state(node, online=True, ms=7), "H4: each server has stamps of its own"


def test_tck_id_operational_behavior_primary_application_readings_are_stored_and_flagged():
    """machines 16: what came while the primary host was away is sent as historical after the births, in order."""
    node = waiting()
    node.publish("Mill", [power(1.0, 20)], 20)
    node.publish("Lathe", [power(9.0, 25)], 25)
    node.publish("Mill", [power(2.0, 30)], 30)
    assert node.status.stored == 3
    sent = state(node, online=True, ms=1)
    assert kinds(sent) == ["NBIRTH", "DBIRTH", "DBIRTH", "DDATA", "DDATA"]
    rows = [(one.raw, one.time_us, one.is_historical) for one in decode(sent[3].content).metrics]
    assert rows == [(1.0, 20_000, True), (2.0, 30_000, True)]
    assert (node.status.stored, node.status.replayed, node.status.lost) == (0, 3, 0)


def test_what_is_stored_is_bounded_and_the_oldest_is_lost_counted_from_when_to_when():
    node = edge(stored_max=3)
    for at in range(1, 11):
        node.publish("Mill", [power(float(at), at)], at)
    status = node.status
    assert (status.stored, status.lost, status.lost_from_ms, status.lost_to_ms) == (3, 7, 1, 7)


def test_readings_of_a_dead_device_wait_for_its_birth_and_those_of_a_gone_metric_are_lost_counted():
    node = edge()
    node.publish("Mill", [power(1.0, 20)], 20)
    node.publish("Lathe", [power(1.0, 20)], 20)
    node.device_lost("Mill", 21)
    node.declare({"Mill": [POWER, STATE]}, 22)
    node.connect(SERVER, 30)
    assert kinds(node.connected(31)) == ["NBIRTH"]
    assert (node.status.stored, node.status.lost) == (1, 1)
    assert kinds(node.device_back("Mill", 32)) == ["DBIRTH", "DDATA"]


def test_new_metrics_bring_new_births_and_aliases_stay():
    node = online()
    before = metrics_of(node.births(20)[2])["Power"].alias
    births = node.declare({"Lathe": [STATE, POWER]}, 70)
    assert kinds(births) == ["NBIRTH", "DBIRTH"]
    assert metrics_of(births[1])["Power"].alias == before
    assert node.declare({"Lathe": [STATE, POWER]}, 71) == []


def test_a_value_that_is_none_is_null_and_stale_says_so():
    (message,) = online().publish("Mill", [power(None, 50, BAD)], 60)
    (metric,) = decode(message.content).metrics
    assert metric.is_null
    (message,) = online().publish("Mill", [EdgeReading("Power", 2.0, 50, BAD)], 60)
    assert decode(message.content).metrics[0].quality >> 30


@pytest.mark.parametrize("ids", [("a/b", "E", ""), ("G", "+", ""), ("G", "E", "a#")])
def test_tck_id_intro_edge_node_id_chars(ids):
    """machines 11: E12, tck-id-intro-group-id-chars, -edge-node-id-chars; host ids alike."""
    with pytest.raises(BadInput):
        EdgeNode(ids[0], ids[1], primary_host=ids[2])


class EdgeAndHost(RuleBasedStateMachine):
    """Whatever happens at the edge, a host that hears every message agrees with it and asks for nothing."""

    def __init__(self):
        super().__init__()
        self.edge = EdgeNode("G", "E", primary_host="H", stored_max=5)
        self.edge.declare(DEVICES, 1)
        self.host = HostView("", 2.0)
        self.clock = self.published = self.lost = 0
        self.is_linked = False

    def hear(self, messages):
        for message in messages:
            topic = read_topic(message.topic)
            self.host.receive(topic.kind, topic.device, decode(message.content), 0.0)
            self.host.fault = ""

    @precondition(lambda self: not self.is_linked)
    @rule()
    def connect(self):
        self.is_linked = True
        self.edge.connect(SERVER, self.clock)
        self.hear(self.edge.connected(self.clock))

    @precondition(lambda self: self.is_linked)
    @rule(is_polite=st.booleans())
    def disconnect(self, is_polite):
        self.hear(self.edge.leave(self.clock) if is_polite else ())
        self.edge.disconnected()
        self.is_linked = False

    @rule(online=st.booleans(), step=st.integers(-1, 1))
    def host_says(self, online, step):
        self.clock += 1
        self.hear(state(self.edge, online=online, ms=self.clock + step))

    @rule()
    def rebirth(self):
        self.hear(self.edge.receive("spBv1.0/G/NCMD/E", REBIRTH_WISH, self.clock))

    @rule(
        device=st.sampled_from(["Mill", "Lathe", "None"]), value=st.floats(0, 3), quality=st.sampled_from([0, 192, 500])
    )
    def publish(self, device, value, quality):
        self.clock += 1
        self.hear(self.edge.publish(device, [EdgeReading("Power", value, self.clock, quality)], self.clock))

    @rule(device=st.sampled_from(["Mill", "Lathe"]), is_back=st.booleans())
    def device(self, device, is_back):
        act = self.edge.device_back if is_back else self.edge.device_lost
        self.hear(act(device, self.clock))

    @rule(more=st.booleans())
    def declare(self, more):
        self.hear(self.edge.declare(DEVICES | ({"Saw": [POWER]} if more else {}), self.clock))

    @invariant()
    def the_host_agrees(self):
        assert self.host.wants_rebirth == ""
        assert self.edge.status.stored <= 5
        if not self.edge.is_online:
            return
        for name, device in self.edge._devices.items():
            known = self.host.known(f"{name}/Power")
            assert (known is not None) == device.is_alive
            reading = device.metrics["Power"].reading
            if known is not None and reading.value is not None:
                assert known.latest[1] == reading.value
                assert (known.latest[2] >> 30 == 0) == (reading.quality == GOOD)


EdgeAndHost.TestCase.settings = settings(max_examples=60, stateful_step_count=30, deadline=None)
TestEdgeAndHost = EdgeAndHost.TestCase


def test_our_host_reads_what_our_edge_says_with_units_and_texts():
    node, host = online(), HostView("Mill", 2.0)
    for message in [*node.births(20), *node.publish("Mill", [EdgeReading("Execution", "ACTIVE", 30)], 31)]:
        topic = read_topic(message.topic)
        host.receive(topic.kind, topic.device, decode(message.content), 0.0)
    assert {one.name: one.unit for one in host.found()} == {"Power": "kW", "Execution": ""}
    host.watch([Point(number=1, address="Execution", is_text=True)])
    assert host.readings.take().text == ["ACTIVE"]
    assert STALE not in {GOOD, BAD}
