"""What a host knows of an edge node, message by message; names say the specification's assertion where one is meant."""

import pytest
from hypothesis import given
from hypothesis import strategies as st
from machines.protobuf_by_hand import metric, payload

from interwork.connectors import BAD_UNKNOWN
from interwork.connectors.sparkplug.edge import EdgeNode
from interwork.connectors.sparkplug.wire import decode
from interwork.core.resource import BAD_NO_COMMUNICATION, GOOD, Meaning

RPM, STATE = 1, 2


class Host:
    """An edge node's story told to a host that reads everything."""

    def __init__(self, device="D", addresses=("rpm", "Execution")):
        self.seen = []
        self.clock = 0.0
        self.node = EdgeNode(device, lambda *reading: self.seen.append(reading), reorder_s=2.0)
        self.addresses = addresses

    def tell(self, kind, *metrics, seq=None, device="D"):
        content = decode(payload(metrics, seq=seq, ms=1000))
        self.node.receive(kind, device if kind.startswith("D") else "", content, self.clock)
        return self

    def born(self, bd_seq=4):
        self.tell("NBIRTH", metric("bdSeq", bd_seq, datatype=8), seq=0)
        rpm = metric("rpm", 1.0, alias=RPM, datatype=10, unit="rpm")
        self.tell("DBIRTH", rpm, metric("Execution", "idle", alias=STATE, datatype=12), seq=1)
        self.node.watch(self.addresses)
        self.seen.clear()
        return self

    def data(self, seq, value, **more):
        return self.tell("DDATA", metric(value=value, alias=RPM, **more), seq=seq)

    @property
    def values(self):
        return [value for _, _, value, _ in self.seen]


def test_births_announce_signals_with_units_meanings_and_their_values():
    host = Host().born()
    found = {one.address: (one.unit, one.meaning, one.is_text) for one in host.node.found()}
    assert found == {"rpm": ("{rpm}", Meaning.OTHER, False), "Execution": ("", Meaning.EXECUTION, True)}
    host.node.watch(["rpm", "Execution", "nothing"])
    assert {(address, value, quality) for address, _, value, quality in host.seen} == {
        ("rpm", 1.0, GOOD),
        ("Execution", "READY", GOOD),
        ("nothing", None, BAD_UNKNOWN),
    }


def test_data_is_taken_by_alias_and_by_name():
    host = Host().born().data(2, 5.0)
    host.tell("DDATA", metric("rpm", 6.0, datatype=10), seq=3)
    assert host.values == [5.0, 6.0]


def test_tck_id_payloads_sequence_num_incrementing_wraps_at_256():
    host = Host().born()
    for count in range(600):
        host.data((count + 2) % 256, float(count))
    assert host.values == [float(count) for count in range(600)]
    assert host.node.wants_rebirth == ""


def test_tck_id_operational_behavior_host_reordering_success():
    host = Host().born().data(3, 3.0).data(4, 4.0)
    assert host.values == []
    host.data(2, 2.0)
    host.clock = 10
    host.node.tick(host.clock)
    assert host.values == [2.0, 3.0, 4.0]
    assert host.node.wants_rebirth == ""


def test_tck_id_operational_behavior_host_reordering_rebirth():
    host = Host().born().data(3, 3.0)
    host.clock = 1.9
    host.node.tick(host.clock)
    assert host.node.wants_rebirth == ""
    host.clock = 2.0
    host.node.tick(host.clock)
    assert "2 is missing" in host.node.wants_rebirth
    assert host.values == [3.0]
    assert host.data(4, 4.0).values == [3.0, 4.0]


@given(st.permutations(range(2, 12)))
def test_any_order_within_the_timer_gives_the_right_order(order):
    host = Host().born()
    for seq in order:
        host.data(seq, float(seq))
    assert host.values == [float(seq) for seq in range(2, 12)]


def test_a_message_after_its_turn_brings_its_value_and_moves_nothing():
    host = Host().born().data(2, 2.0).data(3, 3.0).data(2, 2.5).data(4, 4.0)
    assert host.values == [2.0, 3.0, 2.5, 4.0]


def test_a_rebirth_satisfies_the_wish_for_one():
    host = Host()
    host.data(9, 1.0)
    assert host.node.wants_rebirth
    assert host.born().node.wants_rebirth == ""
    assert host.node.is_born


@pytest.mark.parametrize("kind", ["NDATA", "DDATA", "DBIRTH"])
def test_data_before_a_birth_wants_a_rebirth(kind):
    host = Host().tell(kind, metric("rpm", 1.0, datatype=10), seq=0)
    assert "before a birth" in host.node.wants_rebirth
    assert not host.node.is_born


def test_an_unknown_alias_wants_a_rebirth_and_the_known_ones_are_taken():
    host = Host().born().tell("DDATA", metric(value=1.0, alias=99), metric(value=2.0, alias=RPM), seq=2)
    assert "alias 99" in host.node.wants_rebirth
    assert host.values == [2.0]


def test_tck_id_operational_behavior_edge_node_termination_host_action_ndeath_node_offline():
    host = Host().born(bd_seq=4)
    host.tell("NDEATH", metric("bdSeq", 3, datatype=8))
    assert host.node.fault == ""
    host.tell("NDEATH", metric("bdSeq", 4, datatype=8))
    assert "NDEATH" in host.node.fault


def test_tck_id_operational_behavior_edge_node_termination_host_action_ddeath_devices_offline():
    host = Host().born().tell("DDEATH", seq=2, device="other")
    assert host.node.fault == ""
    assert "DDEATH" in host.tell("DDEATH", seq=3).node.fault


def test_a_device_of_a_whole_node_goes_bad_once_and_the_node_lives_on():
    host = Host(device="", addresses=("D/rpm", "/Temp")).born()
    host.tell("DDEATH", seq=2)
    assert host.seen == [("D/rpm", 0, None, BAD_NO_COMMUNICATION)]
    assert host.node.fault == ""


def test_a_whole_nodes_own_metrics_begin_with_a_slash():
    host = Host(device="", addresses=("/Temp",))
    host.tell("NBIRTH", metric("Temp", 20.0, datatype=10, unit="°C"), seq=0)
    assert [one.address for one in host.node.found()] == ["/Temp"]


def test_the_same_name_at_node_and_device_is_not_confused():
    host = Host(addresses=("rpm",))
    host.tell("NBIRTH", metric("rpm", 9.0, datatype=10), seq=0).born()
    host.tell("NDATA", metric("rpm", 8.0, datatype=10), seq=2).data(3, 7.0)
    assert host.values == [7.0]


def test_a_metric_that_a_new_birth_no_longer_has_goes_bad():
    host = Host().born()
    host.tell("NBIRTH", seq=0).tell("DBIRTH", metric("rpm", 1.0, datatype=10), seq=1)
    assert ("Execution", 0, None, BAD_UNKNOWN) in host.seen


def test_a_historical_value_is_passed_on_and_never_the_latest():
    host = Host().born().data(2, 5.0).data(3, 0.5, historical=True, ms=1)
    assert host.seen[-1] == ("rpm", 1000, 0.5, GOOD)
    host.node.watch(["rpm"])
    assert host.seen[-1][2] == 5.0


def test_the_protocols_own_metrics_are_no_signals():
    host = Host(device="")
    host.tell("NBIRTH", metric("bdSeq", 1, datatype=8), metric("Node Control/Rebirth", False, datatype=11), seq=0)
    assert host.node.found() == []


def test_a_message_that_could_not_be_decoded_wants_a_rebirth():
    host = Host().born()
    host.node.malformed("broken")
    assert host.node.wants_rebirth == "broken"


stories = st.lists(
    st.tuples(
        st.sampled_from(["NBIRTH", "NDEATH", "NDATA", "DBIRTH", "DDATA", "DDEATH", "STATE", "NCMD"]),
        st.none() | st.integers(0, 255),
        st.sampled_from(["D", "X"]),
        st.lists(
            st.builds(
                metric,
                st.sampled_from(["", "rpm", "bdSeq", "a/b"]),
                st.none() | st.floats() | st.text(max_size=3) | st.integers(0, 9),
                alias=st.none() | st.integers(0, 4),
                datatype=st.none() | st.integers(0, 20),
            ),
            max_size=3,
        ),
    ),
    max_size=30,
)


@given(stories, st.sampled_from(["D", ""]))
def test_no_story_crashes_the_host_or_makes_it_hold_without_bound(story, device):
    host = Host(device=device)
    host.node.watch(("rpm", "D/rpm", "/rpm"))
    for kind, seq, name, metrics in story:
        host.tell(kind, *metrics, seq=seq, device=name)
        host.clock += 0.3
        host.node.tick(host.clock)
    assert len(host.node._waiting) < 128
