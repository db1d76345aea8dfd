"""One file and how far it was read: lines that are whole, Parquet that is whole, from the beginning where replaced.

A file that is written anew in its place keeps its number, and may be as long as before or longer. So the last octets
that were read are remembered: where they are no longer there, the file is another.
"""

import time
from collections.abc import Iterator
from itertools import islice
from pathlib import Path
from typing import NamedTuple

import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.parquet as pq

from interwork.connectors.files.table import (
    LINE_MAX,
    Row,
    Shape,
    csv_rows,
    decimal_of,
    delimiter_of,
    headings,
    json_rows,
)
from interwork.core.errors import InterworkError

PIECE = 1 << 20
"""Octets of lines, and rows of Parquet, taken at once."""
PARQUET_ROWS = 8_192
SUFFIXES = (".csv", ".tsv", ".txt", ".jsonl", ".ndjson", ".parquet")


_TAIL = 64
"""Octets before where reading goes on that must be as they were."""
RIPE_S = 60.0
"""A last line without an end is whole where the file has not been touched for so long."""
_MARKED = ((b"\xff\xfe", "utf-16-le"), (b"\xfe\xff", "utf-16-be"))
"""How spreadsheets begin what they call Unicode text."""


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
    encoding: str = ""
    tail: bytes = b""


class Source:
    """One watched file; it is opened for each look and held open by none."""

    def __init__(self, path: Path, shape: Shape) -> None:
        self.path, self._shape = path, shape
        self.time_column = ""
        self._columns: list[str] = []
        self._delimiter = shape.delimiter
        self._encoding = ""
        self._offset = 0
        self._inode = 0
        self._seen = (0, 0)
        self._tail = b""
        if path.suffix.lower() not in SUFFIXES:
            self._kind = ""
        else:
            self._kind = {".jsonl": "json", ".ndjson": "json", ".parquet": "parquet"}.get(path.suffix.lower(), "csv")

    def place(self) -> Place:
        """Tell how far it was read."""
        layout = self._columns, self._delimiter, self.time_column, self._encoding
        return Place(self._inode, self._offset, self._seen, *layout, self._tail)

    def go_on(self, place: Place) -> None:
        """Read on from where another one stopped."""
        self._inode, self._offset, self._seen, self._tail = place.inode, place.offset, place.seen, place.tail
        self._columns, self._delimiter = list(place.columns), place.delimiter
        self.time_column, self._encoding = place.time_column, place.encoding

    @property
    def delimiter(self) -> str:
        """Tell what parts its cells."""
        return self._delimiter

    @property
    def decimal(self) -> str:
        """Tell the decimal mark of its cells; empty for whichever each has."""
        return decimal_of(self._shape, self._delimiter)

    def skip(self) -> None:
        """Take what the file holds now as read."""
        try:
            facts = self.path.stat()
            if self._kind == "csv":
                next(self.rows(), None)  # the headings are needed for what follows
            self._inode, self._seen = facts.st_ino, (facts.st_size, facts.st_mtime_ns)
            self._offset = self._whole_lines(facts.st_size) if self._kind != "parquet" else 0
            self._tail = self._before(self._offset)
        except (OSError, InterworkError):
            self._restart()

    def _whole_lines(self, size: int) -> int:
        """Find the end of the last whole line at or before a size."""
        with self.path.open("rb") as file:
            start = max(0, size - LINE_MAX)
            file.seek(start)
            return start + self._end(file.read(size - start))

    def _before(self, offset: int) -> bytes:
        """Read the last octets before an offset."""
        start = max(0, offset - _TAIL)
        with self.path.open("rb") as file:
            file.seek(start)
            return file.read(offset - start)

    def _restart(self) -> None:
        self._offset, self._columns, self._seen, self._encoding, self._tail = 0, [], (0, 0), "", b""

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
            is_touched = (facts.st_size, facts.st_mtime_ns) != self._seen
            if facts.st_ino != self._inode or facts.st_size < self._offset or (is_touched and self._is_another()):
                self._restart()
                self._inode = facts.st_ino
            is_ripe = self._offset < facts.st_size and time.time() - facts.st_mtime > RIPE_S
            if (facts.st_size, facts.st_mtime_ns) == self._seen and (self._kind == "parquet" or not is_ripe):
                return
            yield from self._parquet() if self._kind == "parquet" else self._lines(facts.st_size, is_ripe=is_ripe)
            self._seen = (facts.st_size, facts.st_mtime_ns)
        except (OSError, pa.ArrowException, UnicodeDecodeError) as fault:
            raise Unreadable(f"{self.path.name} cannot be read: {str(fault)[:200]}.") from fault

    def _is_another(self) -> bool:
        """Tell whether the file was written anew in its place."""
        return bool(self._tail) and self._before(self._offset)[-len(self._tail) :] != self._tail

    def _parquet(self) -> Iterator[Row]:
        """Read a whole file in pieces; one that is being written has no footer yet and is tried again."""
        with pq.ParquetFile(self.path) as file:
            self._columns = list(file.schema_arrow.names)
            self.time_column = self._shape.time_column(self._columns)
            for piece in file.iter_batches(batch_size=PARQUET_ROWS):
                yield from _in_utc(piece, self.time_column, self._shape.zone).to_pylist()

    def _lines(self, size: int, *, is_ripe: bool) -> Iterator[Row | None]:
        """Read whole lines from the offset to a size, a piece at a time; the last one too where the file is ripe."""
        while self._offset < size:
            with self.path.open("rb") as file:
                file.seek(self._offset)
                content = file.read(min(PIECE, size - self._offset))
            if not content:  # it was cut off meanwhile
                return
            self._encoding = self._encoding or next(
                (name for mark, name in _MARKED if content.startswith(mark)), "utf-8"
            )
            end = self._end(content)
            if not end and len(content) >= PIECE:
                raise Unreadable(f"{self.path.name} has a line of more than {LINE_MAX >> 20} MiB.")
            if not end and not is_ripe:
                return
            end = end or len(content)
            lines = self._text(content[:end]).removesuffix("\n").split("\n")
            yield from self._table([line.removesuffix("\r") for line in lines])
            self._offset += end
            self._tail = (self._tail + content[:end])[-_TAIL:]

    def _end(self, content: bytes) -> int:
        """Find the end of the last whole line in octets that begin with a line."""
        if not self._encoding.startswith("utf-16"):
            return content.rfind(b"\n") + 1
        mark = "\n".encode(self._encoding)
        at = content.rfind(mark)
        while at > 0 and at % 2:  # half of one character and half of the next
            at = content.rfind(mark, 0, at + 1)
        return at + 2 if at >= 0 else 0

    def _text(self, content: bytes) -> str:
        """Decode lines; what is no UTF-8 is what Western European spreadsheets write, from there on."""
        try:
            return content.decode(self._encoding)
        except UnicodeDecodeError:
            self._encoding = "cp1252" if self._encoding == "utf-8" else self._encoding
            return content.decode(self._encoding, errors="replace")

    def _table(self, lines: list[str]) -> Iterator[Row | None]:
        if self._kind == "json":
            for row in json_rows(lines):
                if row is not None and not self.time_column:
                    self.time_column = self._shape.time_column(list(row))
                yield row
            return
        if not self._columns and lines:
            self._delimiter = self._shape.delimiter or delimiter_of(lines[0])
            if lines[0].strip().removeprefix("\ufeff").lower().startswith("sep=") and len(lines) > 1:
                lines.pop(0)
            self._columns = headings(lines.pop(0), self._delimiter)
            self.time_column = self._shape.time_column(self._columns)
        yield from csv_rows(lines, self._columns, self._delimiter)


def _in_utc(piece: pa.RecordBatch, time_column: str, zone: str) -> pa.RecordBatch:
    """Say of which zone times without one are, so that they are moments; the hour that is twice is the first."""
    index = piece.schema.get_field_index(time_column)
    kind = piece.schema.field(index).type
    if not pa.types.is_timestamp(kind):
        return piece
    moments = piece.column(index)
    if kind.tz is None:
        moments = pc.assume_timezone(moments, zone, ambiguous="earliest", nonexistent="latest")
    moments = moments.cast(pa.timestamp("us", tz="UTC"), safe=False)
    return piece.set_column(index, time_column, moments)
