"""Batches as numpy columns, as Arrow, and as bytes from another node."""

from array import array

import numpy as np
import pyarrow as pa
import pytest
from hypothesis import given
from hypothesis import strategies as st

from interwork.core.errors import BadInput, PeerError
from interwork.core.resource import Batch, BatchBuilder
from interwork.stream import batch_of, columns_of, decode_batch, encode_batch
from interwork.stream.columns import newest_rows, take

reading = st.tuples(
    st.integers(0, 3_999_999),
    st.integers(-(1 << 62), 1 << 62),
    st.one_of(st.floats(), st.text(max_size=20), st.none()),
    st.integers(0, 0xFFFFFFFF),
)


def batch_from(readings):
    builder = BatchBuilder()
    for one in readings:
        builder.add(*one)
    return builder.take()


def same(one, other):
    return repr((one.signal, one.time_us, one.value, one.quality, one.text)) == repr(
        (other.signal, other.time_us, other.value, other.quality, other.text)
    )


@given(st.lists(reading, max_size=30))
def test_a_batch_comes_back_from_its_bytes_as_it_was(readings):
    batch = batch_from(readings)
    assert same(decode_batch(encode_batch(batch)), batch)


@given(st.lists(reading, max_size=30))
def test_a_batch_comes_back_from_numpy_columns_as_it_was(readings):
    batch = batch_from(readings)
    assert same(batch_of(*columns_of(batch)), batch)


def test_columns_share_the_memory_of_their_batch():
    batch = batch_from([(1, 2, 3.0)])
    assert np.shares_memory(columns_of(batch).value, np.frombuffer(batch.value))


def test_columns_of_different_lengths_are_bad_input():
    batch = Batch(signal=array("i", [1, 2]), time_us=array("q", [1]), value=array("d", [1]), quality=array("I", [0]))
    with pytest.raises(BadInput, match="columns of"):
        columns_of(batch)


@pytest.mark.parametrize("number", [-1, 4_000_000])
def test_a_signal_number_out_of_range_is_bad_input(number):
    with pytest.raises(BadInput, match=str(number)):
        columns_of(batch_from([(number, 1, 1.0)]))


def test_rows_are_taken_with_their_texts():
    columns = columns_of(batch_from([(1, 1, "ACTIVE"), (2, 1, 2.0), (3, 1, "READY")]))
    assert take(columns, np.array([2, 1])).text == ["READY", None]


def test_the_newest_row_of_each_signal_is_found_out_of_order_too():
    columns = columns_of(batch_from([(1, 9, 1.0), (2, 5, 1.0), (1, 3, 2.0), (2, 5, 3.0)]))
    assert newest_rows(columns.signal, columns.time_us, np.zeros(3, np.int64)).tolist() == [0, 3]


def table(**columns):
    sink = pa.BufferOutputStream()
    made = pa.table(columns)
    with pa.ipc.new_stream(sink, made.schema) as writer:
        writer.write_table(made)
    return sink.getvalue().to_pybytes()


@pytest.mark.parametrize(
    "content",
    [b"", b"not arrow", encode_batch(batch_from([(1, 1, 1.0)]))[:200], table(signal=[1]), table(a=["x"], b=[None])],
)
def test_bytes_that_are_no_readings_are_the_peers_fault(content):
    with pytest.raises(PeerError):
        decode_batch(content)


@given(st.binary(max_size=40), st.integers(0, 700))
def test_damaged_bytes_are_readings_or_the_peers_fault_and_nothing_else(noise, at):
    content = encode_batch(batch_from([(1, 1, 1.0), (2, 2, "ACTIVE")]))
    try:
        columns_of(decode_batch(content[:at] + noise + content[at + len(noise) :]))
    except PeerError:
        return


def test_more_readings_than_are_taken_are_the_peers_fault():
    with pytest.raises(PeerError, match="More than 2"):
        decode_batch(encode_batch(batch_from([(1, time_us, 1.0) for time_us in range(3)])), limit=2)
