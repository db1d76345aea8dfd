"""Readings in open formats: out and in again unchanged, read by others without our code, harmless in a spreadsheet."""

import io
import math
from contextlib import suppress

import numpy as np
import pandas as pd
import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from interwork.core.errors import BadInput
from interwork.core.resource import BatchBuilder
from interwork.stream.historian.openly import FORMS, Described, Writer, batch_of_read, read

DESCRIBED = {
    1: Described("signal:a", "=SUM(A1)", "mill", "Cel"),
    2: Described("signal:b", "state, of\nthe mill", "mill", ""),
}
NUMBERS = {"signal:a": 1, "signal:b": 2}


def batch(*readings):
    builder = BatchBuilder()
    for one in readings:
        builder.add(*one)
    return builder.take()


def written(form, *batches):
    writer = Writer(form, DESCRIBED, {"node": "did:web:x", "exported_at": "2026-11-22T00:00:00Z"})
    return b"".join([*(writer.write(one) for one in batches), writer.end()])


def rows(found):
    texts = found.text or [None] * len(found)
    return [repr(one) for one in zip(found.signal, found.time_us, found.value, found.quality, texts, strict=True)]


ODD = batch(
    (1, 1_789_999_200_000_001, 1.5), (1, -1, -0.0), (1, 5, math.nan, 0x809B0000), (1, 6, math.inf), (1, 7, -math.inf),
    (2, 8, "=cmd|'/c calc'!A0"), (2, 9, "'quoted"), (2, 10, "-1"), (1, 11, 2.0**53 + 2), (2, 12, 'a,"b"\nc'),
)  # fmt: skip


@pytest.mark.parametrize("form", FORMS)
def test_what_was_written_is_read_back_unchanged(form):
    """streams 28: NaN, infinities, -0.0, times before 1970, texts with commas and formulas, in each form."""
    content = written(form, batch((1, 0, 3.0)), ODD)
    found = batch_of_read(read(content, form), NUMBERS)
    assert rows(found) == rows(batch((1, 0, 3.0))) + rows(ODD)


def test_pandas_and_polars_read_an_export_without_our_code():
    """streams 28: an export opens elsewhere, with UTC times, units, ids and where it comes from."""
    frame = pd.read_parquet(io.BytesIO(written("parquet", ODD)))
    assert list(frame.columns) == ["signal", "name", "resource", "unit", "time", "value", "text", "quality"]
    assert (str(frame["time"].dt.tz), frame["unit"][0], len(frame)) == ("UTC", "Cel", len(ODD))
    assert pq.read_schema(io.BytesIO(written("parquet", ODD))).metadata[b"interwork.node"] == b"did:web:x"
    with pa.ipc.open_stream(written("arrow", ODD)) as reader:
        assert reader.schema.metadata[b"interwork.exported_at"] == b"2026-11-22T00:00:00Z"


def test_a_spreadsheet_runs_no_cell_of_an_exported_table():
    frame = pd.read_csv(io.BytesIO(written("csv", ODD)), keep_default_na=False)
    texts = [*frame["text"], *frame["name"], *frame["signal"]]
    assert not [one for one in texts if one.startswith(("=", "+", "-", "@", "\t", "\r"))]
    assert frame["time"][0] == "2026-09-21 14:00:00.000001Z"


@given(st.binary(max_size=300), st.sampled_from(sorted(FORMS)))
@settings(max_examples=150, deadline=None, database=None)
def test_bytes_that_are_no_readings_are_refused_in_words(content, form):
    with suppress(BadInput):
        read(content, form)


@pytest.mark.parametrize("content", [b"[" * 100_000, b"[1]", b"7", b'{"signal": "a"}', b'{"signal": "a", "time": 5}'])
def test_a_line_that_is_no_reading_is_refused_in_words(content):
    """However deep it is nested."""
    with pytest.raises(BadInput, match="no reading"):
        read(content, "json")


def test_a_signal_that_is_not_known_here_is_named():
    with pytest.raises(BadInput, match="signal:b"):
        batch_of_read(read(written("parquet", ODD), "parquet"), {"signal:a": 1})


def test_a_form_there_is_not_is_refused():
    with pytest.raises(BadInput, match="parquet, arrow, csv, json"):
        Writer("xls", {}, {})
    with pytest.raises(BadInput, match="parquet"):
        read(b"", "xls")


def test_columns_that_are_missing_are_named():
    sink = io.BytesIO()
    pq.write_table(pa.table({"signal": ["a"], "value": np.ones(1)}), sink)
    with pytest.raises(BadInput, match="time, text, quality"):
        read(sink.getvalue(), "parquet")
