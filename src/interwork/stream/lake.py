"""Sealed readings: sorted, deduplicated zstd Parquet that is on the disk before the catalog hears of it.

The order is what makes a power cut harmless: write under a temporary name, fsync the file, rename, fsync the folder,
then ONE catalog transaction registers the files, drops what they replace, and moves the mark; only then may `hot` be
trimmed. Files are cut by hour of source time, so that retention drops whole files. Late data of an hour is merged
with what the hour already has while that is the smaller part, and otherwise becomes a further file of the hour.
"""

import os
import secrets
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import NamedTuple

import duckdb
import pyarrow as pa
import pyarrow.parquet as pq

from interwork.core.errors import Damaged
from interwork.stream import sql
from interwork.stream.engine import LAKE, READINGS, Engine, run_query, telling

HOUR_US = 3_600_000_000
ROW_GROUP = 180_000
"""Rows per Parquet row group: one signal of an hour then costs one small read."""
SPANS_MAX = 96
"""Files made by one seal at the most; a long backfill is cut into longer spans instead."""
GRACE = timedelta(minutes=10)
"""How long replaced files stay for queries that still read them."""

_DICTIONARY = ["signal", "value", "quality", "text"]
_DELTA = {"time_us": "DELTA_BINARY_PACKED", "seq": "DELTA_BINARY_PACKED"}


class Span(NamedTuple):
    """What one file is made of: source times from start to end (exclusive), and the new readings among them."""

    start: int
    end: int
    rows: int
    first: int
    last: int


@dataclass(frozen=True, slots=True)
class Lake:
    """The sealed files of an engine's folder."""

    engine: Engine

    @property
    def folder(self) -> Path:
        """Tell where the files are."""
        return self.engine.folder / LAKE / READINGS

    def seal(self, upto: int) -> int:
        """Write every unsealed reading up to a sequence into files and register them; return how many were new."""
        cursor, mark = self.engine.sealing, self.engine.mark
        with telling(self.engine.folder):
            spans = _spans(cursor, mark, upto)
            written: list[tuple[Span, Path, bool]] = []
            try:
                for span in spans:
                    is_merged = self._is_smaller_part(span)
                    written.append((span, self._write(span, mark, upto, is_merged=is_merged), is_merged))
                self._register(written, mark, upto)
            except (duckdb.Error, OSError):
                # Files that no catalog names are dropped; a commit whose outcome is unknown keeps its files.
                known = self._known() if self._is_readable() else {path.name for _, path, _ in written}
                _remove(path for _, path, _ in written if path.name not in known)
                raise
            self.engine.refresh()
        return sum(span.rows for span in spans)

    def _is_smaller_part(self, span: Span) -> bool:
        """Tell whether the lake already has readings of the span, but not more than the new ones."""
        cursor = run_query(self.engine.sealing, sql.HELD_AT_LEAST, start=span.start, end=span.end, limit=span.rows + 1)
        row = cursor.fetchone()
        return row is not None and 0 < row[0] <= span.rows

    def _write(self, span: Span, mark: int, upto: int, *, is_merged: bool) -> Path:
        """Write one span, sorted by signal and time, the newest sequence of each; durable when this returns."""
        text = sql.SEAL_MERGED if is_merged else sql.SEAL_NEW
        cursor = run_query(self.engine.sealing, text, mark=mark, upto=upto, start=span.start, end=span.end)
        reader = cursor.to_arrow_reader(ROW_GROUP)
        path = self.folder / f"hour{span.start // HOUR_US}-{upto}-{secrets.token_hex(4)}.parquet"
        passing = path.with_suffix(".tmp")
        try:
            with passing.open("wb") as file:
                _write_newest(reader, file)
                file.flush()
                os.fsync(file.fileno())
            passing.rename(path)
            _sync(self.folder)
        except (duckdb.Error, OSError):
            _remove([passing, path])
            raise
        return path

    def _register(self, written: Sequence[tuple[Span, Path, bool]], mark: int, upto: int) -> None:
        """Drop what is replaced, add the files, move the mark: one transaction."""
        cursor = self.engine.sealing
        before = _names(self.folder)
        cursor.execute("BEGIN")
        try:
            for span, _, is_merged in written:
                text = sql.DROP_SPAN if is_merged else sql.DROP_CORRECTED
                run_query(cursor, text, mark=mark, upto=upto, **span._asdict())
            for _, path, _ in written:
                cursor.execute(sql.ADD_FILE, [str(path)])
            cursor.execute(sql.MOVE_MARK, [upto])
            self._sync_new(before)
        except (duckdb.Error, OSError):
            cursor.execute("ROLLBACK")
            raise
        cursor.execute("COMMIT")
        cursor.execute(sql.RELATIVE)

    def _sync_new(self, before: set[str]) -> None:
        """Make files durable that DuckLake wrote itself (lists of dropped rows): it does not."""
        made = _names(self.folder) - before
        for name in made:
            _sync(self.folder / name)
        if made:
            _sync(self.folder)

    def drop_before(self, cutoff_us: int) -> bool:
        """Drop sealed readings older than the hour of a time; tell whether there may have been any."""
        cursor, cutoff = self.engine.sealing, cutoff_us // HOUR_US * HOUR_US
        with telling(self.engine.folder):
            if all(oldest >= cutoff for oldest, _, _ in cursor.execute(sql.FILE_TIMES).fetchall()):
                return False
            before = _names(self.folder)
            cursor.execute("BEGIN")
            try:
                cursor.execute(sql.DROP_BEFORE, [cutoff])
                self._sync_new(before)
            except (duckdb.Error, OSError):
                cursor.execute("ROLLBACK")
                raise
            cursor.execute("COMMIT")
        self.engine.refresh()
        return True

    def drop_to_fit(self, limit_bytes: float) -> bool:
        """Drop the oldest sealed hours until the files in use fit; tell whether any had to go."""
        excess = self.bytes() - limit_bytes
        if excess <= 0:
            return False
        with telling(self.engine.folder):
            files = self.engine.sealing.execute(sql.FILE_TIMES).fetchall()
        cutoff = 0
        for _, newest, size in files:
            if excess <= 0:
                break
            excess -= size
            cutoff = newest // HOUR_US * HOUR_US + HOUR_US
        return self.drop_before(cutoff)

    def free(self, *, grace: timedelta = GRACE) -> None:
        """Forget states of the catalog that were replaced longer than a while ago, and free their disk space."""
        with telling(self.engine.folder):
            cursor = self.engine.sealing
            replaced = cursor.execute(sql.REPLACED, [datetime.now(UTC) - grace]).fetchall()
            if replaced:
                cursor.execute(sql.EXPIRE, [[row[0] for row in replaced]])
                cursor.execute(sql.CLEAN)

    def bytes(self) -> int:
        """Tell the size of the files in use."""
        return sum(size for _, size in self._current())

    def rows(self, cursor: duckdb.DuckDBPyConnection) -> int:
        """Count the sealed readings."""
        row = cursor.execute(sql.LAKE_ROWS).fetchone()
        return 0 if row is None else int(row[0])

    def sweep(self) -> int:
        """Remove files no catalog names, and check that every file the catalog names is there in full."""
        with telling(self.engine.folder):
            known = self._known()
            ours = [path for path in self.folder.iterdir() if path.suffix in {".parquet", ".tmp"}]
            orphans = [path for path in ours if path.name not in known]
            _remove(orphans)
            for name, size in self._current():
                path = self.folder / name
                found = path.stat().st_size if path.exists() else None
                if found != size:
                    state = "is missing" if found is None else f"has {found} of {size} bytes"
                    raise Damaged(f"{path} {state}.", remedy="Restore the folder of readings from a backup.")
        return len(orphans)

    def _current(self) -> list[tuple[str, int]]:
        return self.engine.sealing.execute(sql.CURRENT_FILES).fetchall()

    def _known(self) -> set[str]:
        return {row[0] for row in self.engine.sealing.execute(sql.KNOWN_FILES).fetchall()}

    def _is_readable(self) -> bool:
        try:
            self._known()
        except duckdb.Error:
            return False
        return True


def _spans(cursor: duckdb.DuckDBPyConnection, mark: int, upto: int) -> list[Span]:
    """Cut the unsealed readings by hour; a long backfill by day, by 30 days, or not at all."""
    for width in (HOUR_US, 24 * HOUR_US, 720 * HOUR_US, 1 << 61):
        found = run_query(cursor, sql.SPANS, mark=mark, upto=upto, width=width).fetchall()
        if len(found) <= SPANS_MAX:
            break
    return [Span(start, start + width, rows, first, last) for start, rows, first, last in found]


def _write_newest(reader: pa.RecordBatchReader, file: object) -> None:
    """Copy sorted readings, keeping the last of each (signal, time); a row group's last row waits for the next."""
    writer = pq.ParquetWriter(
        file, reader.schema, compression="zstd", use_dictionary=_DICTIONARY, column_encoding=_DELTA
    )
    with writer:
        waiting = carried = reader.schema.empty_table()
        for part in reader:
            table = pa.concat_tables([carried, pa.Table.from_batches([part])]).combine_chunks()
            if len(waiting):
                writer.write_table(waiting)
            signal, time_us = table["signal"].to_numpy(), table["time_us"].to_numpy()
            is_last = (signal[1:] != signal[:-1]) | (time_us[1:] != time_us[:-1])
            waiting = table.slice(0, len(table) - 1).filter(pa.array(is_last))
            carried = table.slice(len(table) - 1)
        writer.write_table(pa.concat_tables([waiting, carried]).combine_chunks())


def _sync(path: Path) -> None:
    """Make a file or a folder durable."""
    handle = os.open(path, os.O_RDONLY)
    try:
        os.fsync(handle)
    finally:
        os.close(handle)


def _names(folder: Path) -> set[str]:
    return {path.name for path in folder.iterdir()}


def _remove(paths: Iterable[Path]) -> None:
    for path in paths:
        path.unlink(missing_ok=True)
