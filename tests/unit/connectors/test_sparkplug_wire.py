"""Sparkplug payloads against octets written by hand, and whatever else may come."""

import struct
from contextlib import suppress

import pytest
from hypothesis import given
from hypothesis import strategies as st
from machines.protobuf_by_hand import field, metric, payload, text, whole

from interwork.connectors import BAD, BAD_DECODING, BAD_TYPE
from interwork.connectors.sparkplug.wire import (
    MAX_PAYLOAD,
    REBIRTH,
    MalformedPayload,
    Metric,
    decode,
    encode_rebirth,
    encode_state,
    parse_topic,
    says_offline,
    value_of,
)
from interwork.core.resource import BAD_NO_COMMUNICATION, BAD_NO_DATA, GOOD

MS = 1_767_225_600_000


def only(content):
    (one,) = decode(payload([content], seq=3, ms=MS)).metrics
    return one


def test_a_metric_written_by_hand_is_read_field_by_field():
    one = only(metric("Spindle/Speed", 2.5, alias=7, datatype=10, ms=MS + 1, unit="rpm", historical=True))
    assert (one.name, one.alias, one.datatype, one.raw) == ("Spindle/Speed", 7, 10, 2.5)
    assert (one.time_us, one.unit, one.is_historical) == ((MS + 1) * 1000, "{rpm}", True)


def test_the_payloads_time_stands_in_for_a_metric_without_one():
    assert only(metric("a", 1.0, datatype=10)).time_us == MS * 1000
    assert decode(payload([metric("a", 1.0)], ms=None)).metrics[0].time_us == 0
    assert decode(payload([metric("a", 1.0, ms=2**63)], ms=None)).metrics[0].time_us == 0


def test_the_sequence_number_is_read_and_an_impossible_one_is_none():
    assert decode(payload([], seq=255)).seq == 255
    assert decode(payload([])).seq is None
    assert decode(payload([], seq=256)).seq is None


@pytest.mark.parametrize(
    ("datatype", "content", "value"),
    [
        (1, whole(10, 0xFF), -1.0),
        (1, whole(10, 0xFFFFFFFF), -1.0),
        (2, whole(10, 0x8000), -32768.0),
        (3, whole(10, 0xFFFFFFFE), -2.0),
        (4, whole(11, 2**64 - 1), -1.0),
        (5, whole(10, 200), 200.0),
        (7, whole(11, 2**32 - 1), float(2**32 - 1)),
        (8, whole(11, 2**64 - 1), float(2**64 - 1)),
        (9, field(12, 5, struct.pack("<f", 0.5)), 0.5),
        (10, field(13, 1, struct.pack("<d", -2.25)), -2.25),
        (11, whole(14, 1), 1.0),
        (12, text(15, "läuft"), "läuft"),
        (13, whole(11, MS), "2026-01-01T00:00:00.000Z"),
        (14, text(15, ""), ""),
        (15, text(15, "u-u"), "u-u"),
    ],
)
def test_every_scalar_type_is_read_by_the_type_of_its_birth(datatype, content, value):
    assert value_of(only(text(1, "m") + content), datatype) == (value, GOOD)


@pytest.mark.parametrize(
    ("datatype", "content", "quality"),
    [
        (10, whole(7, 1), BAD_NO_DATA),
        (10, field(13, 1, struct.pack("<d", float("nan"))), BAD_NO_DATA),
        (10, text(15, "fast"), BAD_TYPE),
        (12, whole(10, 5), BAD_TYPE),
        (3, field(13, 1, struct.pack("<d", 1.5)), BAD_TYPE),
        (13, whole(11, 2**62), BAD_DECODING),
        (16, b"", BAD_TYPE),
        (17, text(16, b"\x00"), BAD_TYPE),
        (99, whole(10, 5), BAD_TYPE),
    ],
)
def test_what_does_not_fit_its_type_has_no_value_and_a_bad_quality(datatype, content, quality):
    assert value_of(only(text(1, "m") + content), datatype) == (None, quality)


@pytest.mark.parametrize(("number", "quality"), [(192, GOOD), (500, BAD_NO_COMMUNICATION), (0, BAD), (7, BAD)])
def test_tck_id_payloads_propertyset_quality_value_value(number, quality):
    assert value_of(only(metric("m", 1.0, datatype=10, quality=number)), 10) == (1.0, quality)


def test_a_template_instance_is_its_members_and_a_definition_has_none():
    members = text(2, metric("speed", 2.0, datatype=10))
    assert [member.name for member in only(text(1, "S1") + text(18, members)).members] == ["speed"]
    assert only(text(1, "S") + text(18, members + whole(5, 1))).members == ()


@pytest.mark.parametrize("depth", [2, 8, 20, 50, 2000])
def test_templates_within_templates_are_read_to_a_depth_and_never_crash(depth):
    nested = metric("leaf", 1.0)
    for _ in range(depth):
        nested = text(1, "t") + text(18, text(2, nested))
    with suppress(MalformedPayload):
        assert only(nested).name == "t"


def test_a_name_that_is_no_utf_8_is_malformed_and_such_a_value_or_unit_is_not():
    with pytest.raises(MalformedPayload, match="UTF-8"):
        only(text(1, b"\xff\xfe"))
    assert value_of(only(text(1, "m") + text(15, b"\xff")), 12) == (None, BAD_TYPE)
    unit = text(1, b"\xff") + text(2, text(8, b"\xff")) + text(1, "engUnit") + text(2, text(8, b"\xff"))
    assert only(text(1, "m") + text(9, unit)).unit == ""


@pytest.mark.parametrize("content", [b"\xff", b"\x12\x05ab", b"\x08"])
def test_octets_that_are_no_payload_are_malformed(content):
    with pytest.raises(MalformedPayload):
        decode(content)


def test_a_payload_beyond_the_limit_is_malformed():
    with pytest.raises(MalformedPayload, match="octets"):
        decode(b"\0" * (MAX_PAYLOAD + 1))


def test_tck_id_payloads_ncmd_seq_and_timestamp():
    command = decode(encode_rebirth(MS))
    assert command.seq is None
    assert command.metrics[0].time_us == MS * 1000
    assert (command.metrics[0].name, command.metrics[0].raw, command.metrics[0].datatype) == (REBIRTH, True, 11)
    assert encode_rebirth(MS) == payload([metric(REBIRTH, True, datatype=11, ms=MS)], ms=MS)


def test_tck_id_payloads_state_will_message_payload():
    assert encode_state(is_online=False, time_ms=5) == b'{"online": false, "timestamp": 5}'
    assert says_offline(encode_state(is_online=False, time_ms=5))
    assert not says_offline(encode_state(is_online=True, time_ms=5))


@pytest.mark.parametrize("content", [b"", b"OFFLINE", b"[]", b'{"online": "no"}', b"\xff"])
def test_a_state_that_cannot_be_read_says_nothing(content):
    assert not says_offline(content)


@pytest.mark.parametrize(
    ("topic", "outcome"),
    [
        ("spBv1.0/G/NDATA/E", ("NDATA", "")),
        ("spBv1.0/G/DDATA/E/D", ("DDATA", "D")),
        ("spBv1.0/STATE/host", ("", "")),
        ("spAv1.0/G/NDATA/E", ("", "")),
        ("spBv1.0/Other/NDATA/E", ("", "")),
        ("spBv1.0/G/NDATA/Other", ("", "")),
        ("a", ("", "")),
    ],
)
def test_a_topic_says_message_type_and_device(topic, outcome):
    assert parse_topic(topic, "G", "E") == outcome


@given(st.binary(max_size=200))
def test_any_octets_are_a_payload_or_malformed(content):
    with suppress(MalformedPayload):
        for one in decode(content).metrics:
            assert isinstance(one, Metric)


metrics = st.builds(
    metric,
    st.text(max_size=6),
    st.none() | st.booleans() | st.integers(-(2**31), 2**64 - 1) | st.floats() | st.text(max_size=6),
    alias=st.none() | st.integers(0, 2**64 - 1),
    datatype=st.none() | st.integers(0, 40),
    ms=st.none() | st.integers(0, 2**64 - 1),
    quality=st.none() | st.integers(0, 2**32 - 1),
)


@given(metrics, st.integers(0, 40))
def test_any_metric_has_a_value_or_a_bad_quality(content, datatype):
    one = only(content)
    value, quality = value_of(one, datatype)
    assert value is not None or quality >> 30
    assert -(2**62) < one.time_us < 2**62
