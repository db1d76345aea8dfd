"""One file and how far it was read: lines that are whole, Parquet that is whole, from the beginning where replaced."""

from collections.abc import Iterator
from itertools import islice
from pathlib import Path
from typing import NamedTuple

import pyarrow as pa
import pyarrow.parquet as pq

from interwork.connectors.files.table import LINE_MAX, Row, Shape, csv_rows, delimiter_of, headings, json_rows
from interwork.core.errors import InterworkError

PIECE = 1 << 20
"""Octets of lines, and rows of Parquet, taken at once."""
PARQUET_ROWS = 8_192
SUFFIXES = (".csv", ".tsv", ".txt", ".jsonl", ".ndjson", ".parquet")


class Unreadable(InterworkError):
    """A file cannot be read as it stands now."""

    code = "unreadable-file"


class Place(NamedTuple):
    """How far a file was read, and what its lines look like."""

    inode: int
    offset: int
    seen: tuple[int, int]
    columns: list[str]
    delimiter: str
    time_column: str


class Source:
    """One watched file; it is opened for each look and held open by none."""

    def __init__(self, path: Path, shape: Shape) -> None:
        self.path, self._shape = path, shape
        self.time_column = ""
        self._columns: list[str] = []
        self._delimiter = shape.delimiter
        self._offset = 0
        self._inode = 0
        self._seen = (0, 0)
        if path.suffix.lower() not in SUFFIXES:
            self._kind = ""
        else:
            self._kind = {".jsonl": "json", ".ndjson": "json", ".parquet": "parquet"}.get(path.suffix.lower(), "csv")

    def place(self) -> Place:
        """Tell how far it was read."""
        return Place(self._inode, self._offset, self._seen, self._columns, self._delimiter, self.time_column)

    def go_on(self, place: Place) -> None:
        """Read on from where another one stopped."""
        self._inode, self._offset, self._seen, columns, self._delimiter, self.time_column = place
        self._columns = list(columns)

    def skip(self) -> None:
        """Take what the file holds now as read."""
        try:
            facts = self.path.stat()
            if self._kind == "csv":
                next(self.rows(), None)  # the headings are needed for what follows
            self._inode, self._seen = facts.st_ino, (facts.st_size, facts.st_mtime_ns)
            self._offset = self._whole_lines(facts.st_size) if self._kind != "parquet" else 0
        except (OSError, InterworkError):
            self._restart()

    def _whole_lines(self, size: int) -> int:
        """Find the end of the last whole line at or before a size."""
        with self.path.open("rb") as file:
            start = max(0, size - LINE_MAX)
            file.seek(start)
            return start + file.read(size - start).rfind(b"\n") + 1

    def _restart(self) -> None:
        self._offset, self._columns, self._seen = 0, [], (0, 0)

    def sample(self, count: int) -> tuple[list[Row], list[str]]:
        """Read the first rows and the names of the columns."""
        rows = [row for row in islice(self.rows(), count) if row is not None]
        columns = self._columns or list(dict.fromkeys(name for row in rows for name in row))
        if not columns:
            raise Unreadable(f"{self.path.name} holds no rows yet.")
        return rows, columns

    def rows(self) -> Iterator[Row | None]:
        """Read on from where the last look ended; None stands for a row that is none."""
        if not self._kind:
            raise Unreadable(f"{self.path.name} is none of {', '.join(SUFFIXES)}.")
        try:
            facts = self.path.stat()
            if facts.st_ino != self._inode or facts.st_size < self._offset:
                self._restart()
                self._inode = facts.st_ino
            if (facts.st_size, facts.st_mtime_ns) == self._seen:
                return
            yield from self._parquet() if self._kind == "parquet" else self._lines(facts.st_size)
            self._seen = (facts.st_size, facts.st_mtime_ns)
        except (OSError, pa.ArrowException, UnicodeDecodeError) as fault:
            raise Unreadable(f"{self.path.name} cannot be read: {str(fault)[:200]}.") from fault

    def _parquet(self) -> Iterator[Row]:
        """Read a whole file in pieces; one that is being written has no footer yet and is tried again."""
        with pq.ParquetFile(self.path) as file:
            self._columns = list(file.schema_arrow.names)
            self.time_column = self._shape.time_column(self._columns)
            for piece in file.iter_batches(batch_size=PARQUET_ROWS):
                yield from _in_utc(piece, self.time_column).to_pylist()

    def _lines(self, size: int) -> Iterator[Row | None]:
        """Read whole lines from the offset to a size, a piece at a time."""
        while self._offset < size:
            with self.path.open("rb") as file:
                file.seek(self._offset)
                content = file.read(min(PIECE, size - self._offset))
            end = content.rfind(b"\n") + 1
            if not end:
                if len(content) >= PIECE:
                    raise Unreadable(f"{self.path.name} has a line of more than {LINE_MAX >> 20} MiB.")
                return
            lines = content[:end].decode("utf-8", errors="replace").split("\n")
            yield from self._table([line.removesuffix("\r") for line in lines[:-1]])
            self._offset += end

    def _table(self, lines: list[str]) -> Iterator[Row | None]:
        if self._kind == "json":
            for row in json_rows(lines):
                if row is not None and not self.time_column:
                    self.time_column = self._shape.time_column(list(row))
                yield row
            return
        if not self._columns and lines:
            self._delimiter = self._shape.delimiter or delimiter_of(lines[0])
            self._columns = headings(lines.pop(0), self._delimiter)
            self.time_column = self._shape.time_column(self._columns)
        yield from csv_rows(lines, self._columns, self._delimiter)


def _in_utc(piece: pa.RecordBatch, time_column: str) -> pa.RecordBatch:
    """Say that times without a zone are UTC, so that they are moments."""
    index = piece.schema.get_field_index(time_column)
    kind = piece.schema.field(index).type
    if not pa.types.is_timestamp(kind):
        return piece
    moments = piece.column(index).cast(pa.timestamp("us", tz="UTC"), safe=False)
    return piece.set_column(index, time_column, moments)
