import contextlib

import pytest
from hypothesis import given
from hypothesis import strategies as st

from interwork.core.errors import PeerError
from interwork.simulate.faces.sparkplug_wire import (
    BOOLEAN,
    DOUBLE,
    STRING,
    UINT32,
    UINT64,
    Metric,
    Payload,
    asks_for_rebirth,
    encode,
)

values = st.one_of(
    st.builds(lambda value: (value, DOUBLE), st.floats(allow_nan=False)),
    st.builds(lambda value: (value, BOOLEAN), st.booleans()),
    st.builds(lambda value: (value, STRING), st.text()),
    st.builds(lambda value: (value, UINT32), st.integers(0, 2**32 - 1)),
    st.builds(lambda value: (value, UINT64), st.integers(0, 2**64 - 1)),
)


def decoded(content: bytes):
    payload = Payload()
    payload.ParseFromString(content)
    return payload


@given(st.lists(values, max_size=20), st.integers(0, 255))
def test_values_come_back_as_they_were_sent(sent, seq):
    metrics = [Metric(value=value, datatype=kind, alias=n) for n, (value, kind) in enumerate(sent)]
    payload = decoded(encode(metrics, time_ms=5, seq=seq))
    assert [getattr(metric, metric.WhichOneof("value")) for metric in payload.metrics] == [value for value, _ in sent]
    assert payload.seq == seq


def test_the_octets_are_those_of_the_specifications_field_numbers():
    content = encode([Metric(name="a", alias=2, value=True, datatype=BOOLEAN)], time_ms=1, seq=3)
    metric = b"\x0a\x01a" + b"\x10\x02" + b"\x18\x01" + b"\x20\x0b" + b"\x70\x01"
    assert content == b"\x08\x01" + b"\x12" + bytes([len(metric)]) + metric + b"\x18\x03"


def test_a_birth_metric_carries_name_type_alias_and_unit():
    metric = decoded(encode([Metric(name="Power", value=1.5, datatype=DOUBLE, alias=7, unit="kW")], time_ms=1, seq=0))
    out = metric.metrics[0]
    assert (out.name, out.datatype, out.alias, out.timestamp) == ("Power", DOUBLE, 7, 1)
    assert (out.properties.keys[0], out.properties.values[0].string_value) == ("engUnit", "kW")


def test_a_data_metric_carries_neither_name_nor_type():
    out = decoded(encode([Metric(value=1.5, datatype=DOUBLE, alias=7)], time_ms=1, seq=0)).metrics[0]
    assert not out.HasField("name")
    assert not out.HasField("datatype")


def test_a_death_carries_no_sequence_number():
    assert not decoded(encode([Metric(name="bdSeq", value=0, datatype=UINT64)], time_ms=1, seq=None)).HasField("seq")


@pytest.mark.parametrize(("name", "value", "asks"), [
    ("Node Control/Rebirth", True, True),
    ("Node Control/Rebirth", False, False),
    ("Node Control/Reboot", True, False),
])  # fmt: skip
def test_only_a_true_rebirth_asks_for_births(name, value, asks):
    assert asks_for_rebirth(encode([Metric(name=name, value=value, datatype=BOOLEAN)], time_ms=1, seq=None)) is asks


def test_octets_that_are_no_payload_are_the_peers_error():
    with pytest.raises(PeerError):
        asks_for_rebirth(b"\xff\xff\xff")


@given(st.binary(max_size=60))
def test_any_octets_are_either_read_or_refused(content):
    with contextlib.suppress(PeerError):
        assert asks_for_rebirth(content) in {True, False}
