"""Sealing: unsealed readings become sorted zstd Parquet that is on the disk before the catalog hears of it.

The order is what makes a power cut harmless: write under a temporary name, fsync the file, rename, fsync the folder,
then ONE catalog transaction registers the files, drops what they replace, and moves the mark; only then may `hot` be
trimmed. Files are cut by hour of source time, so that retention drops whole files. Late data of an hour is merged
with what the hour already has while that is the smaller part, and otherwise becomes a further file of the hour, until
`Keeping` merges them. The roll-ups of the hours concerned are written and registered with the same mark; only an hour
that is not over yet, sealed early for its size, gets them once it is (`Keeping.settle`): its files are `FRESH`, and
questions read them as they are. What is large is sorted by some signals at a time, so that memory stays bounded.
"""

import os
import secrets
from collections.abc import Callable, Iterable, Iterator, Sequence
from contextlib import ExitStack, suppress
from dataclasses import dataclass
from itertools import pairwise
from math import isqrt
from pathlib import Path
from typing import NamedTuple

import duckdb
import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq

from interwork.core.errors import Damaged
from interwork.stream.columns import SIGNALS_END
from interwork.stream.historian import sql
from interwork.stream.historian.engine import Engine, run_query, telling
from interwork.stream.historian.lake import FRESH, HOUR_US, TABLES, File, files_of, quoted

ROW_GROUP = 61_440
"""Rows per Parquet row group at least: one signal of an hour then costs one small read."""
ROLLED_GROUP = 6_144
GROUP_GROWS = 23
"""By this times the root of a file's rows groups grow: passing over one costs what decoding some 500 rows does."""
CHUNK_ROWS = 4_000_000
"""Rows sorted at a time: what DuckDB's memory holds without the disk's help."""
NEVER_US = 1 << 63
SPANS_MAX = 96
"""Files made by one seal at the most; a long backfill is cut into longer spans instead."""
LEVEL = 6
"""Of zstd: a fifth less for times than 3, as fast to read."""
MAGIC = b"PAR1"
"""What a whole Parquet file ends with."""

_DICTIONARY = ["signal", "value", "quality", "text", "width", "state", "last_state", "count", "rows", "bad"]
_KEY = ("signal", "time_us", "width", "state")
"""What tells rows apart, where a table has it."""
_ENCODED = {"time_us", "seq"}


class Span(NamedTuple):
    """What one file is made of: source times from start to end (exclusive), and the new readings among them."""

    start: int
    end: int
    rows: int
    first: int
    last: int


class Written(NamedTuple):
    """A file on the disk that the catalog does not name yet."""

    table: str
    path: Path


@dataclass(frozen=True, slots=True)
class Lake:
    """The sealed files of an engine's folder."""

    engine: Engine
    over_us: int = NEVER_US
    """Hours that end later are not over yet."""

    @property
    def folder(self) -> Path:
        """Tell where the sealed readings are."""
        return files_of(self.engine.folder, "reading")

    def seal(self, upto: int) -> int:
        """Write every unsealed reading up to a sequence into files and register them; return how many were new.

        The mark never goes back: of an hour in which nothing came there is nothing to seal.
        """
        cursor, mark = self.engine.sealing, self.engine.mark
        if upto <= mark:
            return 0
        with telling(self.engine.folder):
            spans = _spans(cursor, mark, upto)
            written: list[Written] = []
            merged: list[bool] = []
            try:
                for span in spans:
                    is_fresh = self._is_fresh(span)
                    merged.append(not is_fresh and self._is_smaller_part(span))
                    written.append(self._write_span(span, mark, upto, is_merged=merged[-1], is_fresh=is_fresh))
                    if not is_fresh:
                        written += self.roll(written[-1].path, span.first, span.last, upto, is_whole=merged[-1])
                self._register(list(zip(spans, merged, strict=True)), written, upto)
            except (duckdb.Error, OSError):
                self.give_up(written)
                raise
            self.engine.refresh()
        return sum(span.rows for span in spans)

    def _is_fresh(self, span: Span) -> bool:
        """Tell whether a span is an hour that gets its roll-ups later: it is not over, or has waited for them."""
        is_waiting = span.end > self.over_us or bool(self.engine.sealed.unrolled(span.start, span.end))
        return span.end - span.start == HOUR_US and is_waiting

    def _is_smaller_part(self, span: Span) -> bool:
        """Tell whether the lake already has readings of the span, but not more than the new ones."""
        source = self.engine.sealed.source("reading", [(span.start, span.end)])
        if source is None:
            return False
        text = sql.HELD_AT_LEAST.replace(sql.SEALED, source)
        row = run_query(self.engine.sealing, text, start=span.start, end=span.end, limit=span.rows + 1).fetchone()
        return row is not None and 0 < row[0] <= span.rows

    def _write_span(self, span: Span, mark: int, upto: int, *, is_merged: bool, is_fresh: bool) -> Written:
        text = sql.SEAL_MERGED if is_merged else sql.SEAL_NEW
        cursor = run_query(self.engine.sealing, text, mark=mark, upto=upto, start=span.start, end=span.end)
        name = f"{FRESH if is_fresh else 'hour'}{span.start // HOUR_US}-{upto}"
        return self.write("reading", [cursor.to_arrow_reader(group_of("reading", span.rows))], name)

    def write(self, table: str, readers: Iterable[pa.RecordBatchReader], name: str) -> Written:
        """Write rows that come sorted, reader by reader, into a file, of each key the last; durable when it returns."""
        folder = files_of(self.engine.folder, table)
        path = folder / f"{name}-{secrets.token_hex(4)}.parquet"
        passing = path.with_suffix(".tmp")
        try:
            with passing.open("wb") as file:
                _write_newest(readers, file)
                file.flush()
                os.fsync(file.fileno())
            passing.rename(path)
            _sync(folder)
        except (duckdb.Error, OSError):
            _remove([passing, path])
            raise
        return Written(table, path)

    def roll(self, path: Path, first: int, last: int, upto: int, *, is_whole: bool) -> list[Written]:
        """Write the roll-ups that a new file of readings makes or changes.

        Where the file does not hold the whole hours, the rest of its signals' readings is read beside it. Roll-ups
        that know more readings than are still held (retention dropped them) stay as they are.
        """
        sealed = self.engine.sealed
        start, end = first // HOUR_US * HOUR_US, last // HOUR_US * HOUR_US + HOUR_US
        others = sealed.source("reading", [(start, end)])
        rolled = sealed.source("rollup", [(start, end)])
        source = f"SELECT * FROM read_parquet({quoted(path)})"
        if not is_whole and others is not None:
            source = sql.BESIDE.replace(sql.SEALED, others).replace("/*new*/", source)
        if rolled is not None:
            source = sql.NOT_FINAL.replace("/*source*/", source).replace(sql.SEALED, rolled)
            source = source.replace("/*held*/", sql.NONE_HELD if others is None else f"SELECT * FROM {others}")
        source = source.replace("$start", str(start)).replace("$end", str(end))
        rows = pq.read_metadata(path).num_rows
        rows += 0 if is_whole else sum(file.rows for file in sealed.of("reading", start, end))
        chunks = self.chunks(source, rows)
        made = []
        for table, text in (("rollup", sql.ROLLUP), ("state", sql.STATE)):
            readers = self._rolled(source, chunks, text, (start, end, upto))
            made.append(self.write(table, readers, f"{table}{start // HOUR_US}-{upto}"))
        kept = [one for one in made if pq.read_metadata(one.path).num_rows]
        _remove(one.path for one in made if one not in kept)
        return kept

    def _rolled(
        self, source: str, chunks: Sequence[tuple[int, int]], text: str, given: tuple[int, int, int]
    ) -> Iterator[pa.RecordBatchReader]:
        """Roll a source up, some signals at a time."""
        cursor, (start, end, upto) = self.engine.sealing, given
        for low, high in chunks:
            part = source if len(chunks) == 1 else f"FROM ({source}) WHERE signal >= {low} AND signal < {high}"
            view = sql.ROLLING.replace("/*source*/", part)
            cursor.execute(view.replace("$start", str(start)).replace("$end", str(end)))
            yield run_query(cursor, text, upto=upto).to_arrow_reader(ROLLED_GROUP)

    def chunks(self, source: str, rows: int) -> list[tuple[int, int]]:
        """Cut the signals of a source (a text that selects so many rows) into ranges of some rows each."""
        borders, held = [0], 0
        if rows > CHUNK_ROWS:
            for signal, count in self.engine.sealing.execute(
                sql.ROWS_BY_SIGNAL.replace("/*source*/", source)
            ).fetchall():
                if held and held + count > CHUNK_ROWS:
                    borders.append(signal)
                    held = 0
                held += count
        return list(pairwise([*borders, SIGNALS_END]))

    def _register(self, spans: Sequence[tuple[Span, bool]], written: Sequence[Written], upto: int) -> None:
        """Drop what is replaced, add the files, move the mark: one transaction."""
        mark = self.engine.mark

        def drop() -> None:
            for span, is_merged in spans:
                held = self.engine.sealed.of("reading", span.first, span.last + 1)
                if is_merged:
                    run_query(self.engine.sealing, sql.DROP_SPAN, start=span.start, end=span.end)
                elif held:
                    first = max(span.first, min(file.first_us for file in held))
                    last = min(span.last, max(file.last_us for file in held))
                    run_query(self.engine.sealing, sql.DROP_CORRECTED, mark=mark, upto=upto, first=first, last=last)

        self.change(drop, written, upto)

    def change(self, drop: Callable[[], None], written: Sequence[Written], mark: int | None = None) -> None:
        """Drop rows, add files, and move the mark where one is given: one transaction of the catalog."""
        cursor = self.engine.sealing
        before = {table: self._names(table) for table in TABLES}
        cursor.execute("BEGIN")
        try:
            drop()
            for table, path in written:
                cursor.execute(sql.ADD_FILE, [table, str(path)])
            if mark is not None:
                cursor.execute(sql.MOVE_MARK, [mark])
            self._sync_new(before)
            cursor.execute("COMMIT")
            cursor.execute(sql.RELATIVE)
        except (duckdb.Error, OSError):
            self.engine.is_broken = True  # the catalog's own connection does not get over a full disk
            with suppress(duckdb.Error):  # the fault is the one to tell
                cursor.execute("ROLLBACK")
            raise

    def _sync_new(self, before: dict[str, set[str]]) -> None:
        """Make files durable that DuckLake wrote itself (lists of dropped rows): it does not."""
        for table, known in before.items():
            folder = files_of(self.engine.folder, table)
            made = self._names(table) - known
            for name in made:
                _sync(folder / name)
            if made:
                _sync(folder)

    def give_up(self, written: Sequence[Written]) -> None:
        """Drop files that no catalog names; a commit whose outcome is unknown keeps its files."""
        known = self._known() if self._is_readable() else {one.path.name for one in written}
        _remove(one.path for one in written if one.path.name not in known)

    def bytes(self) -> int:
        """Tell the size of the files of readings in use."""
        return sum(size for table, _, size in self._current() if table == "reading")

    def rows(self, cursor: duckdb.DuckDBPyConnection) -> int:
        """Count the sealed readings."""
        sealed = self.engine.sealed
        held = [file for file in sealed.files if file.table == "reading"]
        if not any(file.has_drops for file in held):
            return sum(file.rows for file in held)
        row = cursor.execute(sql.LAKE_ROWS).fetchone()
        return 0 if row is None else int(row[0])

    def sweep(self) -> int:
        """Remove files no catalog names, and check that every file the catalog names is there in full."""
        with telling(self.engine.folder):
            known, orphans = self._known(), []
            for table in TABLES:
                folder = files_of(self.engine.folder, table)
                ours = [path for path in folder.iterdir() if path.suffix in {".parquet", ".tmp"}]
                orphans += [path for path in ours if path.name not in known]
            _remove(orphans)
            for table, name, size in self._current():
                _check_whole(files_of(self.engine.folder, table) / name, size)
        return len(orphans)

    def _names(self, table: str) -> set[str]:
        return {path.name for path in files_of(self.engine.folder, table).iterdir()}

    def _current(self) -> list[tuple[str, str, int]]:
        return self.engine.sealing.execute(sql.CURRENT_FILES).fetchall()

    def _known(self) -> set[str]:
        return {row[0] for row in self.engine.sealing.execute(sql.KNOWN_FILES).fetchall()}

    def _is_readable(self) -> bool:
        try:
            self._known()
        except duckdb.Error:
            return False
        return True

    def catch_up(self) -> int:
        """Write the roll-ups of files sealed before there were any; return how many files that concerned."""
        sealed = self.engine.sealed
        bare: list[File] = [file for file in sealed.files if file.table == "reading"]
        if not bare or any(file.table == "rollup" for file in sealed.files):
            return 0
        with telling(self.engine.folder):
            written: list[Written] = []
            for file in bare:
                written += self.roll(sealed.path(file), file.first_us, file.last_us, 0, is_whole=False)
            self.change(lambda: None, written)
            self.engine.refresh()
        return len(bare)


def _spans(cursor: duckdb.DuckDBPyConnection, mark: int, upto: int) -> list[Span]:
    """Cut the unsealed readings by hour; a long backfill by day, by 30 days, or not at all."""
    for width in (HOUR_US, 24 * HOUR_US, 720 * HOUR_US, 1 << 61):
        found = run_query(cursor, sql.SPANS, mark=mark, upto=upto, width=width).fetchall()
        if len(found) <= SPANS_MAX:
            break
    return [Span(start, start + width, rows, first, last) for start, rows, first, last in found]


def group_of(table: str, rows: int) -> int:
    """Tell how many rows a row group of a file of so many rows has."""
    return max(ROW_GROUP if table == "reading" else ROLLED_GROUP, GROUP_GROWS * isqrt(rows))


def _write_newest(readers: Iterable[pa.RecordBatchReader], file: object) -> None:
    """Copy sorted rows, keeping the last of each key, and begin a row group with each reader; no two share a key.

    Each reader is closed at once: one that a fault leaves open keeps the database open, and it is never opened again.
    """
    writer: pq.ParquetWriter | None = None
    with ExitStack() as opened:
        for reader in readers:
            with reader:
                writer = writer or opened.enter_context(_writer(reader.schema, file))
                _copy_newest(reader, writer)


def _copy_newest(reader: pa.RecordBatchReader, writer: pq.ParquetWriter) -> None:
    """Copy one reader's rows; a row group's last row waits for the next."""
    waiting = carried = reader.schema.empty_table()
    for part in reader:
        if not part.num_rows:
            continue
        table = pa.concat_tables([carried, pa.Table.from_batches([part])]).combine_chunks()
        if len(waiting):
            writer.write_table(waiting)
        waiting = table.slice(0, len(table) - 1).filter(pa.array(_is_last(table)))
        carried = table.slice(len(table) - 1)
    if len(carried):
        writer.write_table(pa.concat_tables([waiting, carried]).combine_chunks())


def _writer(schema: pa.Schema, file: object) -> pq.ParquetWriter:
    return pq.ParquetWriter(
        file,
        schema,
        compression="zstd",
        compression_level=LEVEL,
        use_dictionary=[name for name in schema.names if name in _DICTIONARY],
        column_encoding={name: "DELTA_BINARY_PACKED" for name in schema.names if name in _ENCODED},
    )


def _is_last(table: pa.Table) -> "np.typing.NDArray[np.bool_]":
    """Tell of each row but the last whether the next one has another key."""
    differs = np.zeros(len(table) - 1, np.bool_)
    for name in _KEY:
        if name in table.column_names:
            column = table[name].to_numpy(zero_copy_only=False)
            differs |= column[1:] != column[:-1]
    return differs


def _check_whole(path: Path, size: int) -> None:
    """Raise Damaged where a file of the catalog is not there, not of its size, or does not end as it should."""
    state = ""
    if not path.exists():
        state = "is missing"
    elif path.stat().st_size != size:
        state = f"has {path.stat().st_size} of {size} bytes"
    else:
        with path.open("rb") as file:
            file.seek(-len(MAGIC), os.SEEK_END)
            state = "" if file.read() == MAGIC else "does not end as a Parquet file does"
    if state:
        raise Damaged(f"{path} {state}.", remedy="Restore the folder of readings from a backup.")


def _sync(path: Path) -> None:
    """Make a file or a folder durable."""
    handle = os.open(path, os.O_RDONLY)
    try:
        os.fsync(handle)
    finally:
        os.close(handle)


def _remove(paths: Iterable[Path]) -> None:
    for path in paths:
        path.unlink(missing_ok=True)
