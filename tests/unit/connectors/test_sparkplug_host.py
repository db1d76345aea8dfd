"""What a host knows of an edge node, message by message; names say the specification's assertion where one is meant."""

import pytest
from hypothesis import given
from hypothesis import strategies as st
from machines.protobuf_by_hand import metric, payload, text, whole

from interwork.connectors import BAD_OUT_OF_RANGE, BAD_UNKNOWN, Point
from interwork.connectors.leaves import UNCERTAIN_SUBNORMAL
from interwork.connectors.sparkplug import host as host_module
from interwork.connectors.sparkplug.host import REBORN_S, HostView
from interwork.connectors.sparkplug.rebirths import Rebirths
from interwork.connectors.sparkplug.values import BAD_NOT_SUPPORTED
from interwork.connectors.sparkplug.wire import MalformedPayload, decode
from interwork.core.resource import BAD_NO_COMMUNICATION, BAD_NO_DATA, GOOD, Meaning

RPM, STATE = 1, 2


class Host:
    """An edge node's story told to a host that reads everything."""

    def __init__(self, device="D", addresses=("rpm", "Execution"), *, as_text=False):
        self.seen = []
        self.old = []
        self.clock = 0.0
        self.node = HostView(device, reorder_s=2.0)
        self.points = [Point(number=n, address=one, is_text=as_text) for n, one in enumerate(addresses)]
        self.addresses = addresses

    def tell(self, kind, *metrics, seq=None, device="D"):
        content = decode(payload(metrics, seq=seq, ms=1000))
        self.node.receive(kind, device if kind.startswith("D") else "", content, self.clock, 7)
        return self.collect()

    def watch(self, *addresses):
        self.addresses = addresses
        self.node.watch([Point(number=n, address=one) for n, one in enumerate(addresses)], 5)
        return self.collect()

    def collect(self):
        for builder, rows in ((self.node.readings, self.seen), (self.node.historical, self.old)):
            batch = builder.take()
            texts = batch.text or [None] * len(batch)
            for number, time_us, value, written, quality in zip(
                batch.signal, batch.time_us, batch.value, texts, batch.quality, strict=True
            ):
                rows.append(
                    (self.addresses[number], time_us, none_if_nan(value) if written is None else written, quality)
                )
        return self

    def born(self, bd_seq=4):
        self.tell("NBIRTH", metric("bdSeq", bd_seq, datatype=8), seq=0)
        rpm = metric("rpm", 1.0, alias=RPM, datatype=10, unit="rpm")
        self.tell("DBIRTH", rpm, metric("Execution", "idle", alias=STATE, datatype=12), seq=1)
        self.node.watch(self.points)
        self.collect().seen.clear()
        return self

    def data(self, seq, value, **more):
        return self.tell("DDATA", metric(value=value, alias=RPM, **more), seq=seq)

    def tick(self, clock):
        self.clock = clock
        self.node.tick(clock)
        return self.collect()

    @property
    def values(self):
        return [value for _, _, value, _ in self.seen]


def none_if_nan(value):
    return None if value != value else value  # noqa: PLR0124 - that is what NaN is


def test_births_announce_signals_with_units_meanings_and_their_values():
    host = Host().born()
    found = {one.address: (one.unit, one.meaning, one.is_text) for one in host.node.found()}
    assert found == {"rpm": ("{rpm}", Meaning.OTHER, False), "Execution": ("", Meaning.EXECUTION, True)}
    host.watch("rpm", "Execution", "nothing")
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
    """machines 11: tck-id-payloads-sequence-num-incrementing, seen by the host."""
    host = Host().born()
    for count in range(600):
        host.data((count + 2) % 256, float(count))
    assert host.values == [float(count) for count in range(600)]
    assert host.node.wants_rebirth == ""


def test_tck_id_operational_behavior_host_reordering_success():
    """machines 19: tck-id-operational-behavior-host-reordering-start, -success."""
    host = Host().born().data(3, 3.0).data(4, 4.0)
    assert host.values == []
    host.data(2, 2.0)
    host.tick(10)
    assert host.values == [2.0, 3.0, 4.0]
    assert host.node.wants_rebirth == ""


def test_tck_id_operational_behavior_host_reordering_rebirth():
    """machines 19: tck-id-operational-behavior-host-reordering-param, -rebirth."""
    host = Host().born().data(3, 3.0)
    host.tick(1.9)
    assert host.node.wants_rebirth == ""
    host.tick(2.0)
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


def test_births_that_do_not_help_are_asked_for_ever_more_rarely_and_the_reason_is_told():
    """machines 19: no storm where a node's data always hold what its births do not announce."""
    rebirths = Rebirths(5.0)
    asked = []
    for clock in range(200):  # each birth satisfies the wish, and the next message brings it back
        if clock % 2:
            rebirths.rest(clock)
        elif rebirths.is_due("an unknown metric came (x)", clock):
            asked.append(clock)
    assert asked == [0, 6, 16, 36, 76, 136, 196]
    assert rebirths.remark.endswith("7 times in a row and goes on: an unknown metric came (x).")
    rebirths.rest(196 + 60)
    assert (rebirths.remark, rebirths.is_due("", 257), rebirths.is_due("", 263)) == ("", True, True)


def test_a_rebirth_satisfies_the_wish_for_one():
    host = Host()
    host.data(9, 1.0)
    assert host.node.wants_rebirth
    assert host.born().node.wants_rebirth == ""
    assert host.node.is_born


@pytest.mark.parametrize("kind", ["NDATA", "DDATA", "DBIRTH"])
def test_data_before_a_birth_wants_a_rebirth(kind):
    """machines 20: data before a birth asks for the births."""
    host = Host().tell(kind, metric("rpm", 1.0, datatype=10), seq=0)
    assert "before a birth" in host.node.wants_rebirth
    assert not host.node.is_born


def test_an_unknown_alias_wants_a_rebirth_and_the_known_ones_are_taken():
    """machines 20: an unknown alias asks for the births."""
    host = Host().born().tell("DDATA", metric(value=1.0, alias=99), metric(value=2.0, alias=RPM), seq=2)
    assert "alias 99" in host.node.wants_rebirth
    assert host.values == [2.0]


def test_tck_id_operational_behavior_edge_node_termination_host_action_ndeath_node_offline():
    """machines 18: tck-id-operational-behavior-edge-node-termination-host-action-ndeath-node-offline."""
    host = Host().born(bd_seq=4)
    host.tell("NDEATH", metric("bdSeq", 3, datatype=8))
    assert host.node.fault == ""
    host.tell("NDEATH", metric("bdSeq", 4, datatype=8))
    assert "NDEATH" in host.node.fault


def test_tck_id_operational_behavior_edge_node_termination_host_action_ddeath_devices_offline():
    """machines 18: tck-id-operational-behavior-edge-node-termination-host-action-ddeath-devices-offline."""
    host = Host().born().tell("DDEATH", seq=2, device="other")
    assert host.node.fault == ""
    assert "DDEATH" in host.tell("DDEATH", seq=3).node.fault


def test_a_device_of_a_whole_node_goes_bad_once_and_the_node_lives_on():
    """machines 18: tck-id-operational-behavior-edge-node-termination-host-action-ddeath-devices-tags-stale."""
    host = Host(device="", addresses=("D/rpm", "/Temp")).born()
    host.tell("DDEATH", seq=2)
    # as of the death's own time, not of when it came
    assert host.seen == [("D/rpm", 1_000_000, None, BAD_NO_COMMUNICATION)]
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
    assert ("Execution", 7, None, BAD_UNKNOWN) in host.seen


def test_a_historical_value_is_passed_on_apart_and_never_the_latest():
    """machines 21: H9, is_historical goes to history, never to the present."""
    host = Host().born().data(2, 5.0).data(3, 0.5, historical=True, ms=1)
    assert host.old == [("rpm", 1000, 0.5, GOOD)]
    assert host.values == [5.0]
    assert host.watch("rpm").seen[-1][2] == 5.0


def test_the_protocols_own_metrics_are_no_signals():
    host = Host(device="")
    host.tell("NBIRTH", metric("bdSeq", 1, datatype=8), metric("Node Control/Rebirth", False, datatype=11), seq=0)
    assert host.node.found() == []


def test_a_message_that_could_not_be_decoded_wants_a_rebirth():
    host = Host().born()
    host.node.malformed("broken")
    assert host.node.wants_rebirth == "broken"


def test_a_null_is_no_value_and_not_zero():
    """machines 21: H10, is_null is not 0."""
    host = Host().born().data(2, None)
    assert host.seen == [("rpm", 1_000_000, None, BAD_NO_DATA)]


def test_a_property_quality_in_data_is_the_readings_quality():
    """machines 21: tck-id-payloads-propertyset-quality-value-value, in data."""
    host = Host().born().data(2, 3.0, quality=500).data(3, 4.0, quality=192)
    assert [(value, quality) for *_, value, quality in host.seen] == [(3.0, BAD_NO_COMMUNICATION), (4.0, GOOD)]


def wide(value, *, as_text):
    host = Host(addresses=("total",), as_text=as_text)
    host.tell("NBIRTH", seq=0).tell("DBIRTH", metric("total", value, alias=3, datatype=8), seq=1)
    host.node.watch(host.points)
    return host.collect()


@pytest.mark.parametrize("value", [2**53 + 1, 2**63 + 1, 2**64 - 1])
def test_a_number_no_double_holds_is_uncertain_or_its_digits_as_the_point_asks(value):
    """machines 21: UInt64 above 2^63 is read by its digits, or as the nearest double that says so."""
    assert wide(value, as_text=False).seen == [("total", 1_000_000, float(value), UNCERTAIN_SUBNORMAL)]
    host = wide(value, as_text=True)
    assert host.seen == [("total", 1_000_000, str(value), GOOD)]
    assert [one.is_text for one in host.node.found()] == [True]
    host.tell("DDATA", metric(value=value - 1, alias=3, datatype=8), seq=2)
    assert host.seen[-1][2] == str(value - 1)


def test_a_wide_counter_that_is_small_is_a_number():
    host = wide(2**40, as_text=False)
    assert host.seen == [("total", 1_000_000, float(2**40), GOOD)]
    assert [one.is_text for one in host.node.found()] == [False]


def test_a_number_too_wide_for_its_type_is_out_of_range_and_none_is_made_up():
    host = Host(addresses=("n",))
    host.tell("NBIRTH", seq=0).tell("DBIRTH", metric("n", 1, alias=3, datatype=5), seq=1).watch("n")
    host.tell("DDATA", metric(value=300, alias=3), seq=2)
    assert host.seen[-1] == ("n", 1_000_000, None, BAD_OUT_OF_RANGE)


def test_what_is_no_signal_is_refused_by_name_and_its_message_is_taken():
    """machines 21: a refusal is of the metric, never of the message."""
    host = Host(addresses=("rpm", "file"))
    file = text(1, "file") + whole(4, 18) + text(16, b"x")
    nothing = metric("later", None)
    host.tell("NBIRTH", seq=0).tell("DBIRTH", file, metric("rpm", 2.0, alias=RPM, datatype=10), nothing, seq=1)
    assert host.node.refused == {
        "file": "its data type File is no reading",
        "later": "its birth names neither a data type nor a value",
    }
    assert [one.address for one in host.node.found()] == ["rpm"]
    assert host.watch("rpm", "file").seen == [("rpm", 1_000_000, 2.0, GOOD), ("file", 5, None, BAD_NOT_SUPPORTED)]


def test_a_template_instance_is_read_by_its_members_by_name_and_by_alias():
    """machines 21: tck-id-payloads-template-instance-members-birth, -members-data."""
    members = text(2, metric("speed", 2.0, datatype=10)) + text(2, metric("load", 9, datatype=5))
    host = Host(addresses=("S1/speed", "S1/load"))
    host.tell("NBIRTH", seq=0).tell("DBIRTH", text(1, "S1") + whole(2, 4) + text(18, members), seq=1)
    host.watch("S1/speed", "S1/load").seen.clear()
    host.tell("DDATA", text(1, "S1") + text(18, text(2, metric("speed", 3.0))), seq=2)
    assert host.seen == [("S1/speed", 1_000_000, 3.0, GOOD)]


def test_a_template_instance_is_read_by_its_own_alias_and_by_those_of_its_members():
    """machines 21: data of an instance come by the alias of its birth, as all data do."""
    members = text(2, metric("speed", 2.0, datatype=10)) + text(2, metric("load", 9, alias=5, datatype=5))
    inner = text(1, "tool") + whole(2, 6) + text(18, text(2, metric("wear", 1, datatype=5)))
    host = Host(addresses=("S1/speed", "S1/load", "S1/tool/wear"))
    instance = text(1, "S1") + whole(2, 4) + text(18, members + text(2, inner))
    host.tell("NBIRTH", seq=0).tell("DBIRTH", instance, seq=1)
    host.watch("S1/speed", "S1/load", "S1/tool/wear").seen.clear()
    worn = text(2, whole(2, 6) + text(18, text(2, metric("wear", 7))))
    host.tell("DDATA", whole(2, 4) + text(18, text(2, metric("speed", 3.0)) + worn), seq=2)
    host.tell("DDATA", whole(2, 4) + text(18, text(2, metric(value=8, alias=5))), metric(value=9, alias=5), seq=3)
    assert host.values == [3.0, 7.0, 8.0, 9.0]
    assert not host.node.wants_rebirth


def test_devices_that_count_their_aliases_each_anew_are_not_confused():
    """machines 20: an alias is looked for in the device that sends it, so that no value lands on another's metric."""
    host = Host(device="", addresses=("A/rpm", "B/load"))
    host.tell("NBIRTH", seq=0)
    host.tell("DBIRTH", metric("rpm", 1.0, alias=1, datatype=10), seq=1, device="A")
    host.tell("DBIRTH", metric("load", 2.0, alias=1, datatype=10), seq=2, device="B")
    host.watch("A/rpm", "B/load").seen.clear()
    host.tell("DDATA", metric(value=7.0, alias=1), seq=3, device="A")
    host.tell("DDATA", metric(value=8.0, alias=1), seq=4, device="B")
    assert [(address, value) for address, _, value, _ in host.seen] == [("A/rpm", 7.0), ("B/load", 8.0)]
    assert "alias 1" in host.tell("NDATA", metric(value=9.0, alias=1), seq=5).node.wants_rebirth
    assert host.values == [7.0, 8.0]


def test_an_alias_of_two_metrics_is_of_neither_and_their_names_still_are():
    host = Host(addresses=("a", "b")).tell("NBIRTH", seq=0)
    host.tell("DBIRTH", *(metric(name, 1.0, alias=0, datatype=10) for name in "ab"), seq=1).watch("a", "b").seen.clear()
    host.tell("DDATA", metric("b", 2.0, alias=0), seq=2)
    assert (host.values, host.node.wants_rebirth) == ([2.0], "")
    host.tell("DDATA", metric(value=3.0, alias=0), seq=3)
    assert host.values == [2.0]
    assert host.node.wants_rebirth == "a metric came by an alias that several have (alias 0)"


def test_an_alias_means_another_metric_after_a_rebirth_that_says_so():
    host = Host().born()
    host.tell("NBIRTH", metric("bdSeq", 4, datatype=8), seq=0)
    swapped = metric("rpm", 1.0, alias=STATE, datatype=10), metric("Execution", "idle", alias=RPM, datatype=12)
    host.tell("DBIRTH", *swapped, seq=1).seen.clear()
    host.tell("DDATA", metric(value=5.0, alias=STATE), metric(value="ACTIVE", alias=RPM), seq=2)
    assert {address: value for address, _, value, _ in host.seen} == {"rpm": 5.0, "Execution": "ACTIVE"}


def test_the_death_of_an_older_session_is_told_from_that_of_the_running_one_where_the_numbers_begin_anew():
    """machines 18: bdSeq goes 255, 0: the will of session 255 may come after the birth of session 0."""
    host = Host().born(bd_seq=255).born(bd_seq=0)
    assert host.tell("NDEATH", metric("bdSeq", 255, datatype=8)).node.fault == ""
    assert host.data(2, 5.0).values == [5.0]
    assert "NDEATH" in host.tell("NDEATH", metric("bdSeq", 0, datatype=8)).node.fault


def test_a_device_that_does_not_come_back_after_its_nodes_birth_goes_bad_and_the_others_do_not():
    """machines 18: a device that is gone without a DDEATH does not keep its last values as if they were of today."""
    host = Host(device="", addresses=("A/rpm", "B/rpm"))
    births = [("DBIRTH", metric("rpm", 1.0, datatype=10), name) for name in "AB"]
    host.tell("NBIRTH", seq=0)
    for seq, (kind, content, device) in enumerate(births, 1):
        host.tell(kind, content, seq=seq, device=device)
    host.watch("A/rpm", "B/rpm").seen.clear()
    host.tell("NBIRTH", seq=0).tell(*births[0][:2], seq=1, device="A").seen.clear()
    assert host.tick(REBORN_S - 0.1).seen == []
    assert host.tick(REBORN_S).seen == [("B/rpm", 1_000_000, None, BAD_NO_COMMUNICATION)]
    assert host.tick(3 * REBORN_S).tell(*births[1][:2], seq=2, device="B").seen[-1] == ("B/rpm", 1_000_000, 1.0, GOOD)


def test_an_alias_0_is_an_alias_and_a_missing_one_is_none():
    host = Host(addresses=("a",))
    host.tell("NBIRTH", seq=0).tell("DBIRTH", metric("a", 1.0, alias=0, datatype=10), seq=1).watch("a").seen.clear()
    host.tell("DDATA", metric(value=2.0, alias=0), metric(value=3.0), seq=2)
    assert host.values == [2.0]
    assert host.node.wants_rebirth


def test_a_devices_new_birth_forgets_its_old_aliases():
    host = Host().born()
    host.tell("DBIRTH", metric("rpm", 4.0, alias=9, datatype=10), seq=2).data(3, 5.0)
    assert 5.0 not in host.values
    assert "alias 1" in host.node.wants_rebirth


def test_a_name_that_is_no_text_is_malformed():
    host = Host().born()
    with pytest.raises(MalformedPayload):
        host.tell("DDATA", text(1, b"\xff") + whole(2, RPM), seq=2)


def test_what_waits_for_its_turn_is_bounded_in_octets(monkeypatch):
    monkeypatch.setattr(host_module, "MOST_WAITING_OCTETS", 50)
    host = Host().born().data(3, 3.0).data(4, 4.0).data(5, 5.0)
    assert host.tick(host.clock).values == [3.0, 4.0, 5.0]
    assert "2 is missing" in host.node.wants_rebirth


def test_devices_and_metrics_beyond_the_bounds_are_refused_by_name(monkeypatch):
    monkeypatch.setattr(host_module, "MOST_DEVICES", 1)
    monkeypatch.setattr(host_module, "MOST_METRICS", 2)
    host = Host(device="")
    host.tell("NBIRTH", metric("a", 1.0, datatype=10), seq=0)
    host.tell("DBIRTH", metric("b", 1.0, datatype=10), metric("c", 1.0, datatype=10), seq=1)
    host.tell("DBIRTH", metric("d", 1.0, datatype=10), seq=2, device="E")
    assert set(host.node.refused) == {"D/c", "E/"}


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
    host.watch("rpm", "D/rpm", "/rpm")
    for kind, seq, name, metrics in story:
        host.tell(kind, *metrics, seq=seq, device=name)
        host.tick(host.clock + 0.3)
    assert len(host.node._waiting) < 128
