"""Readings in open formats: Parquet, Arrow IPC, CSV and JSON lines, out and in again, with where they come from.

One row per reading: the signal's id, name, resource and UCUM unit beside the time (UTC, to the microsecond), value,
text and OPC UA status code. A CSV cell of text that a spreadsheet would run as a formula gets an apostrophe before
it, which reading takes off again. A value is a double: whole numbers beyond 2^53 are rounded before they get here.
"""

import io
import json
from collections.abc import Mapping
from typing import NamedTuple

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.csv
import pyarrow.parquet as pq

from interwork.core.errors import BadInput
from interwork.core.resource import Batch
from interwork.stream.columns import batch_of, columns_of

FORMS = {
    "parquet": "application/vnd.apache.parquet",
    "arrow": "application/vnd.apache.arrow.stream",
    "csv": "text/csv; charset=utf-8",
    "json": "application/x-ndjson",
}
"""Each form with its media type."""
SCHEMA = pa.schema(
    [
        pa.field("signal", pa.string(), nullable=False),
        pa.field("name", pa.string(), nullable=False),
        pa.field("resource", pa.string(), nullable=False),
        pa.field("unit", pa.string(), nullable=False),
        pa.field("time", pa.timestamp("us", tz="UTC"), nullable=False),
        pa.field("value", pa.float64()),
        pa.field("text", pa.string()),
        pa.field("quality", pa.uint32(), nullable=False),
    ]
)
JOINED = pa.schema(
    [
        *(SCHEMA.field(name) for name in ("signal", "unit", "time", "value", "text", "quality")),
        pa.field("other", pa.string(), nullable=False),
        pa.field("other_unit", pa.string(), nullable=False),
        pa.field("other_time", pa.timestamp("us", tz="UTC")),
        pa.field("other_value", pa.float64()),
        pa.field("other_text", pa.string()),
        pa.field("other_quality", pa.uint32(), nullable=False),
    ]
)
"""A signal's readings with what another one said then; `other_time` is empty where it had said nothing yet."""
_TEXTS = ("signal", "name", "resource", "unit", "text", "other", "other_unit", "other_text")


class Described(NamedTuple):
    """What is written beside a signal's readings."""

    signal: str
    name: str
    resource: str
    unit: str


class Writer:
    """Writes batches in one form, piece by piece: each call returns the bytes that are ready."""

    def __init__(
        self,
        form: str,
        described: Mapping[int, Described],
        provenance: Mapping[str, str],
        schema: pa.Schema = SCHEMA,
    ) -> None:
        if form not in FORMS:
            raise BadInput(f"{form[:20]!r} is no form of readings.", remedy=f"Use one of {', '.join(FORMS)}.")
        self._form, self._described = form, described
        self._schema = schema.with_metadata({f"interwork.{key}": value for key, value in provenance.items()})
        self._sink = io.BytesIO()
        self._given = 0
        self._target: pq.ParquetWriter | pa.ipc.RecordBatchStreamWriter | pa.csv.CSVWriter | None = None
        if form == "parquet":
            self._target = pq.ParquetWriter(self._sink, self._schema, compression="zstd")
        elif form == "arrow":
            self._target = pa.ipc.new_stream(self._sink, self._schema)
        elif form == "csv":
            self._target = pa.csv.CSVWriter(self._sink, self._schema)
        else:
            self._sink.write(json.dumps({"provenance": dict(provenance)}, ensure_ascii=False).encode() + b"\n")

    def write(self, batch: Batch) -> bytes:
        """Take a batch in."""
        return self._write(table_of(batch, self._described))

    def write_joined(self, own: Batch, other: Batch) -> bytes:
        """Take in rows of two signals, joined; the writer was made with the schema JOINED."""
        left, right = table_of(own, self._described), table_of(other, self._described)
        is_none = np.frombuffer(other.time_us, np.int64) == 0
        time = pc.if_else(pa.array(~is_none), right["time"], pa.scalar(None, right["time"].type))
        right = right.set_column(right.column_names.index("time"), "time", time)
        columns = [left[name] for name in JOINED.names[:6]]
        columns += [right[name] for name in ("signal", "unit", "time", "value", "text", "quality")]
        return self._write(pa.Table.from_arrays(columns, names=JOINED.names))

    def _write(self, table: pa.Table) -> bytes:
        table = table.cast(self._schema)
        if isinstance(self._target, pa.csv.CSVWriter):
            self._target.write_table(_neutral(table))
        elif self._target is not None:
            self._target.write_table(table)
        else:
            self._sink.writelines(_lines(table))
        return self._ready()

    def end(self) -> bytes:
        """Finish."""
        if self._target is not None:
            self._target.close()
        return self._ready()

    def _ready(self) -> bytes:
        """Take what was written since the last time; the sink keeps counting, which Parquet's footer needs."""
        if self._sink.closed:
            return b""
        content = self._sink.getvalue()[self._given :]
        self._given += len(content)
        return content


def table_of(batch: Batch, described: Mapping[int, Described]) -> pa.Table:
    """Make the table that is written of a batch."""
    columns = columns_of(batch)
    numbers, index = np.unique(columns.signal, return_inverse=True)
    facts = [described[int(number)] for number in numbers]
    beside = [pa.array([getattr(one, name) for one in facts], pa.string()).take(pa.array(index)) for name in _TEXTS[:4]]
    is_none = np.isnan(columns.value)
    text = pa.array(columns.text, pa.string()) if columns.text else pa.nulls(len(batch), pa.string())
    is_text = np.asarray(pc.is_valid(text))
    return pa.Table.from_arrays(
        [
            *beside,
            pa.array(columns.time_us).cast(pa.timestamp("us", tz="UTC")),
            pa.array(columns.value, mask=is_none & is_text),
            text,
            pa.array(columns.quality),
        ],
        schema=SCHEMA,
    )


def read(content: bytes, form: str) -> pa.Table:
    """Read what `Writer` wrote, or a file with the same columns; BadInput where it is not that."""
    readers = {"parquet": _read_parquet, "arrow": _read_arrow, "csv": _read_csv, "json": _read_lines}
    if form not in readers:
        raise BadInput(f"{form[:20]!r} is no form of readings.", remedy=f"Use one of {', '.join(FORMS)}.")
    try:
        found = readers[form](content)
        missing = [name for name in ("signal", "time", "value", "text", "quality") if name not in found.column_names]
        if missing:
            raise BadInput(f"The columns {', '.join(missing)} are missing.", remedy="Export some, and see theirs.")
        table = found.select(["signal", "time", "value", "text", "quality"])
        fields = [SCHEMA.field(name) for name in table.column_names]
        cast = table.cast(pa.schema(fields))
        cast.validate(full=True)
    except (pa.ArrowException, OSError, ValueError, TypeError, KeyError, AttributeError, RecursionError) as fault:
        raise BadInput(f"These are no readings in {form}: {str(fault)[:200]}.") from fault
    if any(cast[name].null_count for name in ("signal", "time", "quality")):
        raise BadInput("A reading came without its signal, time or quality.")
    return cast


def batch_of_read(table: pa.Table, numbers: Mapping[str, int]) -> Batch:
    """Make a batch of what was read; BadInput names the signals that are not known here."""
    ids = table["signal"].combine_chunks().dictionary_encode()
    unknown = [one for one in ids.dictionary.to_pylist() if one not in numbers]
    if unknown:
        raise BadInput(
            f"{len(unknown)} signals are not known here, such as {', '.join(unknown[:3])[:100]}.",
            remedy="Connect their resource first, or take them out of the file.",
        )
    signal = np.array([numbers[one] for one in ids.dictionary.to_pylist()], np.int32)[ids.indices.to_numpy()]
    value = table["value"].to_numpy()
    time_us = table["time"].cast(pa.int64()).to_numpy()
    return batch_of(signal, time_us, value, table["quality"].to_numpy(), table["text"].to_pylist())


def _neutral(table: pa.Table) -> pa.Table:
    """Put an apostrophe before texts that a spreadsheet would take for a formula."""
    for index, name in enumerate(table.column_names):
        if name in _TEXTS:
            column = table[name]
            risky = pc.match_substring_regex(column, pattern=r"^['=+\-@\t\r]")
            neutral = pc.if_else(risky, pc.binary_join_element_wise("'", column, ""), column)
            table = table.set_column(index, table.schema.field(index), neutral.cast(pa.string()))
    return table


def _read_parquet(content: bytes) -> pa.Table:
    return pq.read_table(pa.BufferReader(content))


def _read_arrow(content: bytes) -> pa.Table:
    with pa.ipc.open_stream(content) as reader:
        return reader.read_all()


def _read_csv(content: bytes) -> pa.Table:
    kinds = {field.name: field.type for field in SCHEMA}
    options = pa.csv.ConvertOptions(column_types=kinds, strings_can_be_null=True, quoted_strings_can_be_null=False)
    table = pa.csv.read_csv(
        pa.BufferReader(content), convert_options=options, parse_options=pa.csv.ParseOptions(newlines_in_values=True)
    )
    for index, name in enumerate(table.column_names):
        if name in _TEXTS:
            plain = pc.replace_substring_regex(table[name], pattern=r"^'(['=+\-@\t\r])", replacement=r"\1")
            table = table.set_column(index, name, plain)
    return table


def _read_lines(content: bytes) -> pa.Table:
    rows = [json.loads(line) for line in content.splitlines() if line.strip()]
    rows = [row for row in rows if not (isinstance(row, dict) and "provenance" in row)]
    for row in rows:
        if not (isinstance(row, dict) and {"signal", "time", "text", "quality"} <= row.keys()):
            raise BadInput(
                f"{str(row)[:100]} is no reading.", remedy="Give an object with signal, time, value, text and quality."
            )
        row["value"] = float(row["value"]) if row.get("value") is not None else None
    times = pa.array([row.pop("time") for row in rows], pa.string()).cast(pa.timestamp("us", tz="UTC"))
    names = ("signal", "value", "text", "quality")
    kinds = {field.name: field.type for field in SCHEMA}
    columns = [pa.array([row[name] for row in rows], kinds[name]) for name in names]
    return pa.Table.from_arrays([*columns, times], names=[*names, "time"])


def _lines(table: pa.Table) -> list[bytes]:
    """Write rows as JSON; what JSON has no number for becomes a word."""
    kinds = {field.name: field.type for field in table.schema}
    for index, (name, kind) in enumerate(kinds.items()):
        if pa.types.is_timestamp(kind):
            table = table.set_column(index, name, pc.strftime(table[name], format="%Y-%m-%dT%H:%M:%SZ"))
    numbers = [name for name, kind in kinds.items() if pa.types.is_floating(kind)]
    lines = []
    for row in table.to_pylist():
        for name in numbers:
            value = row[name]
            row[name] = value if value is None or np.isfinite(value) else str(value)
        lines.append(json.dumps(row, ensure_ascii=False).encode() + b"\n")
    return lines
