"""Sparkplug's data types as readings and back, against octets written by hand."""

import json
import struct

import pytest
from hypothesis import given
from hypothesis import strategies as st
from machines.protobuf_by_hand import double, field, metric, payload, text, whole

from interwork.connectors import BAD_DECODING, BAD_OUT_OF_RANGE, BAD_TYPE
from interwork.connectors.leaves import UNCERTAIN_SUBNORMAL
from interwork.connectors.sparkplug.topics import check_id, decode_state, encode_state, read_topic, topic_of
from interwork.connectors.sparkplug.values import BAD_NOT_SUPPORTED, encoded, is_number, shown, value_of, why_not
from interwork.connectors.sparkplug.wire import Send, decode, encode
from interwork.core.errors import BadInput
from interwork.core.resource import BAD_NO_DATA, GOOD

MS = 1_767_225_600_000
STAMP = "2026-01-01T00:00:00.000Z"


def only(content):
    (one,) = decode(payload([content], seq=3, ms=MS)).metrics
    return one


@pytest.mark.parametrize(
    ("datatype", "content", "value"),
    [
        (1, whole(10, 0xFF), -1.0),
        (1, whole(10, 0xFFFFFFFF), -1.0),
        (1, whole(10, 0x80), -128.0),
        (2, whole(10, 0x8000), -32768.0),
        (2, whole(10, 0xFFFF8000), -32768.0),
        (3, whole(10, 0xFFFFFFFE), -2.0),
        (3, whole(11, 2**64 - 2), -2.0),
        (4, whole(11, 2**64 - 1), -1),
        (5, whole(10, 200), 200.0),
        (7, whole(11, 2**32 - 1), float(2**32 - 1)),
        (8, whole(11, 2**64 - 1), 2**64 - 1),
        (9, field(12, 5, struct.pack("<f", 0.5)), 0.5),
        (10, field(13, 1, struct.pack("<d", -2.25)), -2.25),
        (11, whole(14, 1), 1.0),
        (11, whole(10, 1), 1.0),
        (12, text(15, "läuft"), "läuft"),
        (13, whole(11, MS), STAMP),
        (14, text(15, ""), ""),
        (15, text(15, "u-u"), "u-u"),
        (22, text(16, b"\x01\xff"), [1, -1]),
        (25, text(16, struct.pack("<2q", -1, 2**62)), [-1, 2**62]),
        (29, text(16, struct.pack("<Q", 2**64 - 1)), [2**64 - 1]),
        (30, text(16, struct.pack("<2f", 0.5, float("nan"))), [0.5, None]),
        (31, text(16, struct.pack("<d", 1.25)), [1.25]),
        (32, text(16, struct.pack("<I", 10) + b"\x55\x80"), [False, True] * 4 + [True, False]),
        (33, text(16, b"a\0\xc3\xa4\0"), ["a", "ä"]),
        (34, text(16, struct.pack("<2Q", MS, 0)), [STAMP, None]),
        (31, text(16, b""), []),
    ],
)
def test_every_type_is_read_by_the_type_of_its_birth(datatype, content, value):
    """machines 21: all data types, Int8 negatives in a uint32 field among them; arrays as JSON."""
    expected = json.dumps(value, ensure_ascii=False) if isinstance(value, list) else value
    assert value_of(only(text(1, "m") + content), datatype) == (expected, GOOD)


def cells(*parts):
    return b"".join(text(1, part) for part in parts)


def data_set(*rows, columns=("n", "name", "x"), types=(1, 12, 10)):
    content = whole(1, len(columns)) + b"".join(text(2, one) for one in columns)
    content += b"".join(whole(3, one) for one in types) + b"".join(text(4, row) for row in rows)
    return text(17, content)


def test_tck_id_payloads_dataset_types_value():
    """machines 21: DataSet, tck-id-payloads-dataset-column-size, -types-num, -types-value."""
    row = cells(whole(1, 0xFFFFFFFF), text(6, "ä"), double(4, 0.5))
    value, quality = value_of(only(text(1, "m") + data_set(row, row)), 16)
    assert quality == GOOD
    assert json.loads(value) == {"columns": ["n", "name", "x"], "rows": [[-1, "ä", 0.5]] * 2}


@pytest.mark.parametrize(
    ("datatype", "content", "quality"),
    [
        (10, whole(7, 1), BAD_NO_DATA),
        (10, field(13, 1, struct.pack("<d", float("nan"))), BAD_NO_DATA),
        (10, field(13, 1, struct.pack("<d", float("inf"))), BAD_NO_DATA),
        (10, b"", BAD_TYPE),
        (10, text(15, "fast"), BAD_TYPE),
        (10, whole(14, 1), BAD_TYPE),
        (12, whole(10, 5), BAD_TYPE),
        (12, text(15, "x" * 5000), BAD_OUT_OF_RANGE),
        (3, field(13, 1, struct.pack("<d", 1.5)), BAD_TYPE),
        (1, whole(10, 300), BAD_OUT_OF_RANGE),
        (5, whole(10, 256), BAD_OUT_OF_RANGE),
        (7, whole(11, 2**32), BAD_OUT_OF_RANGE),
        (11, whole(10, 2), BAD_TYPE),
        (13, whole(11, 2**62), BAD_DECODING),
        (16, b"", BAD_TYPE),
        (16, data_set(cells(whole(1, 1))), BAD_TYPE),
        (16, data_set(types=(1,)), BAD_TYPE),
        (16, text(15, "none"), BAD_TYPE),
        (24, text(16, b"\x00\x01\x02"), BAD_TYPE),
        (24, text(16, bytes(70_000)), BAD_OUT_OF_RANGE),
        (32, text(16, struct.pack("<I", 9) + b"\x55"), BAD_TYPE),
        (32, text(16, b"\x01"), BAD_TYPE),
        (33, text(16, b"a"), BAD_TYPE),
        (33, text(16, b"\xff\0"), BAD_TYPE),
        (17, text(16, b"\x00"), BAD_NOT_SUPPORTED),
        (18, text(16, b"\x00"), BAD_NOT_SUPPORTED),
        (19, b"", BAD_NOT_SUPPORTED),
        (20, b"", BAD_NOT_SUPPORTED),
        (99, whole(10, 5), BAD_NOT_SUPPORTED),
    ],
)
def test_what_does_not_fit_its_type_has_no_value_and_a_bad_quality(datatype, content, quality):
    assert value_of(only(text(1, "m") + content), datatype) == (None, quality)


def test_a_wide_number_is_shown_as_asked():
    assert shown(2**63, GOOD, as_text=False) == (2.0**63, GOOD)
    assert shown(2**63 + 1, GOOD, as_text=False) == (2.0**63, UNCERTAIN_SUBNORMAL)
    assert shown(2**63 + 1, GOOD, as_text=True) == (str(2**63 + 1), GOOD)
    assert shown("x", GOOD, as_text=False) == ("x", GOOD)


@given(st.sampled_from([1, 2, 3, 4, 5, 6, 7, 8]), st.integers(-(2**63), 2**64 - 1))
def test_a_whole_number_that_fits_comes_back_as_it_was_sent_and_another_is_refused(datatype, value):
    bits = {1: 8, 2: 16, 3: 32, 4: 64}.get((datatype - 1) % 4 + 1)
    low, high = (-(1 << bits - 1), (1 << bits - 1) - 1) if datatype <= 4 else (0, (1 << bits) - 1)
    name, raw, fault = encoded(value, datatype)
    assert bool(fault) == (not low <= value <= high)
    if not fault:
        sent = Send(name="m", datatype=datatype, field=name, value=raw)
        assert value_of(decode(encode([sent], time_ms=1, seq=0)).metrics[0], datatype) == (value, GOOD)


@pytest.mark.parametrize(
    ("value", "datatype", "fault"),
    [
        (None, 10, BAD_NO_DATA),
        (float("nan"), 10, BAD_NO_DATA),
        ("a", 10, BAD_TYPE),
        (1.0, 12, BAD_TYPE),
        (2, 11, BAD_TYPE),
        (1.5, 3, BAD_TYPE),
        (float("inf"), 3, BAD_TYPE),
        (1e39, 9, BAD_OUT_OF_RANGE),
        (1.0, 16, BAD_NOT_SUPPORTED),
    ],
)
def test_a_value_that_does_not_fit_a_type_is_not_sent(value, datatype, fault):
    assert encoded(value, datatype) == ("", None, fault)


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
    assert not (is_number(datatype) and why_not(datatype))


@given(st.sampled_from(range(22, 35)), st.binary(max_size=40))
def test_any_octets_are_an_array_or_bad(datatype, octets):
    value, quality = value_of(only(text(1, "m") + text(16, octets)), datatype)
    assert isinstance(json.loads(value), list) if value is not None else quality >> 30


def test_tck_id_payloads_state_will_message_payload():
    """machines 17: tck-id-payloads-state-will-message-payload, -birth-payload."""
    assert encode_state(is_online=False, time_ms=5) == b'{"online": false, "timestamp": 5}'
    assert decode_state(encode_state(is_online=True, time_ms=5)).online


@pytest.mark.parametrize("content", [b"", b"OFFLINE", b"[]", b'{"online": "no"}', b"\xff"])
def test_a_state_that_cannot_be_read_says_nothing(content):
    assert decode_state(content) is None


@pytest.mark.parametrize(
    ("topic", "outcome"),
    [
        ("spBv1.0/G/NDATA/E", ("G", "NDATA", "E", "")),
        ("spBv1.0/G/DDATA/E/D", ("G", "DDATA", "E", "D")),
        ("spBv1.0/STATE/host", ("", "", "", "")),
        ("spAv1.0/G/NDATA/E", ("", "", "", "")),
        ("a", ("", "", "", "")),
    ],
)
def test_tck_id_topic_structure(topic, outcome):
    """machines 11: tck-id-topic-structure, tck-id-topic-structure-namespace-a."""
    assert read_topic(topic) == outcome
    assert not outcome[0] or topic_of(*outcome) == topic


@pytest.mark.parametrize("name", ["", "a/b", "a+", "#", "x" * 300, "a\0"])
def test_tck_id_topic_structure_namespace_valid_group_id(name):
    """machines 11: E12, tck-id-intro-group-id-chars, -edge-node-id-chars, -device-id-chars."""
    with pytest.raises(BadInput):
        check_id("group", name)
