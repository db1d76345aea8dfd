"""Sparkplug payloads against octets written by hand, and whatever else may come."""

import gzip
import zlib
from contextlib import suppress

import pytest
from hypothesis import given
from hypothesis import strategies as st
from machines.protobuf_by_hand import metric, payload, text, whole

from interwork.connectors import BAD, BAD_TYPE
from interwork.connectors.sparkplug.values import value_of
from interwork.connectors.sparkplug.wire import MAX_PAYLOAD, REBIRTH, MalformedPayload, Metric, Send, decode, encode
from interwork.core.resource import BAD_NO_COMMUNICATION, GOOD

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


@pytest.mark.parametrize(("number", "quality"), [(192, GOOD), (500, BAD_NO_COMMUNICATION), (0, BAD), (7, BAD)])
def test_tck_id_payloads_propertyset_quality_value_value(number, quality):
    """machines 21: tck-id-payloads-propertyset-quality-value-value."""
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
    """machines 20: tck-id-operational-behavior-data-commands-ncmd-rebirth-name, -value; tck-id-payloads-ncmd-seq."""
    content = encode([Send(name=REBIRTH, datatype=11, field="boolean_value", value=True)], time_ms=MS, seq=None)
    assert content == payload([metric(REBIRTH, True, datatype=11, ms=MS)], ms=MS)
    assert decode(content).seq is None


def test_what_is_written_is_what_a_hand_would_write():
    sent = Send(name="a", alias=4, datatype=10, field="double_value", value=2.5, time_ms=MS, unit="kW", quality=192)
    again = decode(encode([sent], time_ms=MS, seq=9)).metrics[0]
    assert (again.name, again.alias, again.datatype, again.raw, again.unit) == ("a", 4, 10, 2.5, "kW")
    bare = Send(alias=4, field="double_value", value=2.5, has_datatype=False, is_historical=True)
    assert encode([bare], time_ms=MS, seq=9) == payload(
        [metric(value=2.5, alias=4, ms=MS, historical=True)], seq=9, ms=MS
    )
    null = Send(alias=4, has_datatype=False)
    assert encode([null], time_ms=MS, seq=9) == payload([metric(alias=4, ms=MS)], seq=9, ms=MS)


@given(st.binary(max_size=200))
def test_any_octets_are_a_payload_or_malformed(content):
    with suppress(MalformedPayload):
        for one in decode(content).metrics:
            assert isinstance(one, Metric)


@given(st.integers(0, 40), st.integers(0, 60))
def test_a_payload_cut_anywhere_is_malformed_or_tells_less(count, cut):
    whole_payload = payload([metric(f"m{n}", float(n), alias=n, datatype=10) for n in range(count)], seq=1)
    with suppress(MalformedPayload):
        assert len(decode(whole_payload[: max(0, len(whole_payload) - cut)]).metrics) <= count


@pytest.mark.parametrize("pack", [zlib.compress, gzip.compress])
def test_a_compressed_payload_is_the_one_it_holds(pack):
    """What Eclipse Tahu's edge nodes send: uuid, body, the algorithm as a metric, the number outside or inside."""
    inner = payload([metric("a", 1.5, datatype=10)], ms=MS)
    outer = payload([metric("algorithm", "GZIP", datatype=12)], seq=7)
    told = decode(outer + text(4, "SPBV1.0_COMPRESSED") + text(5, pack(inner)))
    assert (told.seq, told.time_us, [one.name for one in told.metrics]) == (7, MS * 1000, ["a"])


def test_a_compressed_payload_that_is_none_or_would_burst_is_malformed():
    packed = zlib.compress(bytes(MAX_PAYLOAD + 1))
    for body in (b"", b"nothing", packed[:20], packed, zlib.compress(b"\xff\xff")):
        with pytest.raises(MalformedPayload):
            decode(text(4, "SPBV1.0_COMPRESSED") + text(5, body))
