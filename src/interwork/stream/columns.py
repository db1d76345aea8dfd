"""A batch of readings as numpy columns, as Arrow, and as the bytes that cross to another node.

The rule: columns all the way. Between a connector's batch and the disk no object is made per reading; only texts,
which are rare, stay Python strings.
"""

from array import array
from collections.abc import Sequence
from typing import Any, NamedTuple

import numpy as np
import numpy.typing as npt
import pyarrow as pa

from interwork.core.errors import BadInput, PeerError
from interwork.core.resource import Batch

Ints = npt.NDArray[np.int64]
Flags = npt.NDArray[np.bool_]

READINGS_MAX = 1_000_000
"""Readings taken from one encoded stream at the most."""

SIGNALS_END = 4_000_000
"""Signal numbers index arrays directly, so they stay below this."""

GOOD_BELOW = 0x4000_0000
"""An OPC UA status code below this has severity Good."""

FIRST_US, LAST_US = -62_135_596_800_000_000, 253_402_300_799_999_999
"""The first and the last microsecond a calendar has a name for: of the years 1 and 9999."""

UNKNOWN = "unknown"
"""The state of a time for which nothing good is known."""

_WIRE = pa.schema(
    [
        pa.field("signal", pa.int32(), nullable=False),
        pa.field("time_us", pa.int64(), nullable=False),
        pa.field("value", pa.float64(), nullable=False),
        pa.field("quality", pa.uint32(), nullable=False),
        pa.field("text", pa.string()),
    ]
)


class Columns(NamedTuple):
    """A batch seen as numpy arrays over the same memory."""

    signal: npt.NDArray[np.int32]
    time_us: Ints
    value: npt.NDArray[np.float64]
    quality: npt.NDArray[np.uint32]
    text: list[str | None]


def columns_of(batch: Batch) -> Columns:
    """See a batch as numpy columns without copying; raise BadInput where its columns do not fit together."""
    rows = len(batch.signal)
    if rows == 0:
        return Columns(
            np.empty(0, np.int32), np.empty(0, np.int64), np.empty(0, np.float64), np.empty(0, np.uint32), []
        )
    columns = Columns(
        np.frombuffer(batch.signal, np.int32),
        np.frombuffer(batch.time_us, np.int64),
        np.frombuffer(batch.value, np.float64),
        np.frombuffer(batch.quality, np.uint32),
        batch.text,
    )
    lengths = [len(columns.time_us), len(columns.value), len(columns.quality), len(columns.text) or rows]
    if lengths != [rows] * 4:
        raise BadInput(
            f"A batch has columns of {sorted({rows, *lengths})} readings.",
            remedy="Give every column the same length and the type Batch names.",
        )
    _check_numbers(columns.signal)
    return columns


def _check_numbers(signal: npt.NDArray[np.int32]) -> None:
    """Raise BadInput where a signal number is out of range."""
    if int(signal.view(np.uint32).max()) >= SIGNALS_END:  # what is below 0 is far above it
        raise BadInput(
            f"A batch names signal {int(signal.min())} to {int(signal.max())}.",
            remedy=f"Signal numbers are whole, from 0 to {SIGNALS_END - 1}.",
        )


def check_kept(columns: Columns) -> None:
    """Raise BadInput where a time is in no year from 1 to 9999, so has no hour to be kept in, or a text is no UTF-8."""
    if len(columns.time_us) and not FIRST_US <= columns.time_us.min() <= columns.time_us.max() <= LAST_US:
        count = int(np.count_nonzero((columns.time_us < FIRST_US) | (columns.time_us > LAST_US)))
        raise BadInput(
            f"{count} of {len(columns.time_us)} readings have a time that is in no year from 1 to 9999.",
            remedy="Give microseconds since 1970 in UTC; see what unit the source's stamps have.",
        )
    try:
        "".join(text for text in columns.text if text is not None).encode()
    except UnicodeEncodeError as fault:
        raise BadInput(f"A text cannot be written: {str(fault)[:200]}.", remedy="Decode it as what it is.") from fault


def batch_of(
    signal: npt.NDArray[Any],
    time_us: npt.NDArray[Any],
    value: npt.NDArray[Any],
    quality: npt.NDArray[Any],
    text: Sequence[str | None] = (),
) -> Batch:
    """Make a batch of numpy columns; a text column without any text is left out."""
    return Batch(
        signal=_array("i", np.ascontiguousarray(signal, np.int32)),
        time_us=_array("q", np.ascontiguousarray(time_us, np.int64)),
        value=_array("d", np.ascontiguousarray(value, np.float64)),
        quality=_array("I", np.ascontiguousarray(quality, np.uint32)),
        text=list(text) if any(one is not None for one in text) else [],
    )


def take(columns: Columns, rows: npt.NDArray[Any], quality: npt.NDArray[np.uint32] | None = None) -> Batch:
    """Make a batch of some rows (indices) of columns, with other qualities where given."""
    text = [columns.text[row] for row in rows.tolist()] if columns.text else []
    quality = columns.quality if quality is None else quality
    return batch_of(columns.signal[rows], columns.time_us[rows], columns.value[rows], quality[rows], text)


def newest_rows(signal: npt.NDArray[np.int32], time_us: Ints, scratch: Ints) -> Ints:
    """Find each signal's newest row (of equal times the last); `scratch` has a place for every signal number."""
    rows: Ints = np.arange(len(signal))
    order = rows if np.all(time_us[1:] >= time_us[:-1]) else np.argsort(time_us, kind="stable")
    scratch[signal[order]] = order  # of repeated indices the last assignment stands
    return np.flatnonzero(scratch[signal] == rows)


def table_of(batch: Batch) -> pa.Table:
    """Make an Arrow table of a batch."""
    columns = columns_of(batch)
    text = pa.array(columns.text, pa.string()) if columns.text else pa.nulls(len(batch), pa.string())
    return pa.Table.from_arrays([*(pa.array(column) for column in columns[:4]), text], schema=_WIRE)


def batch_of_table(table: pa.Table) -> Batch:
    """Make a batch of an Arrow table that has at least the columns of a reading."""
    signal, time_us, value, quality = (table[name].to_numpy() for name in ("signal", "time_us", "value", "quality"))
    texts = table["text"]
    return batch_of(signal, time_us, value, quality, texts.to_pylist() if texts.null_count < len(texts) else ())


def encode_batch(batch: Batch) -> bytes:
    """Write a batch as one Arrow IPC stream."""
    sink = pa.BufferOutputStream()
    with pa.ipc.new_stream(sink, _WIRE) as writer:
        writer.write_table(table_of(batch))
    content: bytes = sink.getvalue().to_pybytes()
    return content


def decode_batch(content: bytes, *, limit: int = READINGS_MAX) -> Batch:
    """Read a batch another node encoded; PeerError where it is not one, or is longer than `limit` readings."""
    try:
        with pa.ipc.open_stream(content) as reader:
            if not reader.schema.equals(_WIRE):
                raise PeerError(f"Readings came with the columns {', '.join(reader.schema.names)[:200]}.")
            parts, rows = [], 0
            for part in reader:
                part.validate(full=True)
                rows += part.num_rows
                if rows > limit:
                    raise PeerError(f"More than {limit} readings came in one answer.")
                parts.append(part)
        if not rows:
            return batch_of_table(_WIRE.empty_table())
        *numbers, texts = (parts[0] if len(parts) == 1 else pa.concat_batches(parts)).columns
        if any(column.null_count for column in numbers):
            raise PeerError("Readings came without their signal, time, value or quality.")
        signal, time_us, value, quality = (column.to_numpy() for column in numbers)
        _check_numbers(signal)
        batch = batch_of(signal, time_us, value, quality, texts.to_pylist() if texts.null_count < rows else ())
    except (pa.ArrowException, OSError, MemoryError, UnicodeDecodeError, BadInput) as fault:
        raise PeerError(f"What came are no readings in an Arrow stream: {str(fault)[:200]}.") from fault
    return batch


def _array(code: str, column: npt.NDArray[Any]) -> "array[Any]":
    made: array[Any] = array(code)
    made.frombytes(column.view(np.uint8).data)
    return made
