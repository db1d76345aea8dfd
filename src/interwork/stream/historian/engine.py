"""The historian's database: opened, written and read from worker threads; every fault of DuckDB told in our words.

One DuckDB file takes readings as they arrive; its commit is an fsync of its log, which is the acknowledgement.
Sealed readings are Parquet files registered in a DuckLake catalog (SQLite). Both extensions come from the installed
wheels and are loaded by path: nothing is ever fetched from the network. A disk that fills up can make DuckDB
invalidate its handle; the engine is then closed and opened again, and everything acknowledged is in its log.
"""

import shutil
from collections.abc import Generator, Mapping, Sequence
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import Any, Self

import duckdb
import numpy as np
import pyarrow as pa

from interwork.core.errors import Conflict, Damaged, DiskFull, InterworkError, LimitReached, NewerData, Unusable
from interwork.core.resource import Batch
from interwork.stream.columns import Columns, columns_of
from interwork.stream.historian import sql
from interwork.stream.historian.direct import Direct
from interwork.stream.historian.lake import Sealed, attach, read_sealed

MEMORY = "256MB"
THREADS = 1
"""A query runs in the thread that asks it: the threads of the historian are what runs side by side."""
READERS = 2
"""Cursors that may read at the same time; more would only slow the writer."""
CHECKPOINT_AT = "64MB"
"""The log is folded into the file at this size: rarer stalls against a slower start."""
RESERVE_BYTES = 64_000_000
"""Free space appends never touch, so that sealing, trimming and the state beside can go on."""

FILE = "hot.duckdb"
NEVER = (1 << 63) - 1

_FULL = ("No space left", "File too large", "Disk quota", "out of disk", "disk is full", "max_temp_directory_size")
"""What is said where there is no space; the last one where a sort finds none for what memory does not hold."""
_UNCLEAR = ("Failed to commit", "disk I/O error")
"""What the catalog says of many a fault, a full disk among them."""


class Engine:
    """The open database of one folder."""

    def __init__(self, folder: Path, connection: duckdb.DuckDBPyConnection) -> None:
        self.folder = folder
        self.sealed = Sealed(folder)
        """What is sealed; moved on before `hot` is trimmed, read after `hot` is pinned."""
        self.direct = Direct()
        self.hot_from_us = NEVER
        """No unsealed reading is older than this."""
        self.is_broken = False
        """True once a write failed: the handle may be invalid, and is opened anew."""
        self._connection = connection
        self.sealing = connection.cursor()
        self._free = [connection.cursor() for _ in range(READERS)]

    @classmethod
    def open(cls, folder: Path) -> Self:
        """Open or make the database of a folder."""
        with telling(folder):
            folder.mkdir(parents=True, exist_ok=True)
            shutil.rmtree(folder / "temp", ignore_errors=True)
            connection = duckdb.connect(str(folder / FILE), config=_settings(folder))
            try:
                connection.execute(sql.HOT)
                connection.execute(sql.KEEPING)
                connection.execute(sql.TAKEN)
                attach(connection, folder)
                connection.execute("SET GLOBAL parquet_metadata_cache = true")
                engine = cls(folder, connection)
                engine.refresh()
                engine._measure()
                engine._warm()
            except BaseException:
                connection.close()
                raise
        return engine

    @property
    def mark(self) -> int:
        """Tell the sequence up to which everything is sealed."""
        return self.sealed.mark

    def refresh(self) -> None:
        """Read anew what is sealed."""
        with telling(self.folder):
            self.sealed = read_sealed(self.sealing, self.folder)

    def last_sequence(self) -> int:
        """Tell the highest sequence that is durable."""
        with telling(self.folder):
            return max(_number(self.sealing.execute(sql.HOT_LAST)), self.mark)

    def sequence_before(self, time_us: int) -> int:
        """Tell the last sequence that has a source time before the given one."""
        with telling(self.folder):
            return _number(self.sealing.execute(sql.SEQUENCE_BEFORE, [time_us]))

    def hot_rows(self) -> int:
        """Count the readings that are not sealed yet."""
        with telling(self.folder):
            return _number(self.sealing.execute(sql.HOT_ROWS, [self.mark]))

    def taken(self) -> dict[str, int]:
        """Tell the last number kept of each sender whose batches may come twice."""
        with telling(self.folder):
            return dict(self.sealing.execute(sql.TAKEN_ALL).fetchall())

    def insert(self, batches: Sequence[Batch], first: int, taken: Mapping[str, int] | None = None) -> None:
        """Append batches in one transaction, numbered from `first`; durable when this returns.

        `taken` is the last number of each sender among them, noted in the same transaction.
        """
        self.check_space()
        parts = [columns_of(batch) for batch in batches]
        rows = sum(len(part.signal) for part in parts)
        incoming: Any = {**_numbers(parts), "seq": np.arange(first, first + rows)}
        text = sql.INSERT_NUMBERS
        self.hot_from_us = min(self.hot_from_us, int(incoming["time_us"].min()))
        if any(part.text for part in parts):
            words = [one for part in parts for one in (part.text or [None] * len(part.signal))]
            incoming = pa.table({**incoming, "text": pa.array(words, pa.string())})
            text = sql.INSERT_TEXTS
        with self._writing():
            if taken:
                self._connection.execute("BEGIN")
            self._connection.execute(text)  # DuckDB finds `incoming` by its name
            if taken:
                self._note(taken)
                self._connection.execute("COMMIT")

    def take_back(self, spans: Sequence[tuple[int, int]]) -> None:
        """Drop unsealed readings by sequence (both inclusive) whose append was answered with a fault."""
        with self._writing():
            for first, last in spans:
                self._connection.execute(sql.TAKE_BACK, [first, last])

    def _note(self, taken: Mapping[str, int]) -> None:
        for source, number in taken.items():
            self._connection.execute(sql.FORGET_TAKEN, [source])
            self._connection.execute(sql.NOTE_TAKEN, [source, number])

    def check_space(self) -> None:
        """Raise DiskFull before the reserve would be touched."""
        with telling(self.folder):
            free = _free(self.folder)
        if free < RESERVE_BYTES:
            raise _disk_full(self.folder, f"{free / 1e6:.0f} MB are free, {RESERVE_BYTES / 1e6:.0f} MB are kept back")

    def trim(self) -> None:
        """Drop from `hot` what is sealed, and fold the log into the file."""
        with self._writing():
            if _number(self._connection.execute(sql.HOT_SEALED, [self.mark])):
                self._connection.execute(sql.TRIM, [self.mark])
                self._connection.execute("CHECKPOINT")
            self._measure()

    def lend(self) -> duckdb.DuckDBPyConnection:
        """Lend a cursor to read with; the caller lets at most READERS read at a time."""
        return self._free.pop()

    def give_back(self, cursor: duckdb.DuckDBPyConnection) -> None:
        """Take a lent cursor back."""
        self._free.append(cursor)

    def retain(self, signals: Sequence[int], keep_us: int | None, quota: int | None, hold: bool | None) -> None:
        """Note what is to be kept of signals; durable when this returns. A hold of None leaves the one there is."""
        incoming = pa.table({"signal": pa.array(signals, pa.int32())})
        with self._writing():
            share = _number(self._connection.execute(sql.NEXT_SHARE))
            given = {"keep_us": keep_us, "quota": quota, "share": share, "hold": hold}
            self._connection.execute(sql.RETAIN, given)
            self._connection.execute(sql.RELEASE)
        del incoming  # DuckDB finds it by its name

    @contextmanager
    def snapshot(self, cursor: duckdb.DuckDBPyConnection) -> Generator[None, None, None]:
        """Hold a transaction that sees one moment of `hot` and `lake`."""
        with telling(self.folder):
            cursor.execute("BEGIN")
            try:
                cursor.execute(sql.PIN)
                yield
            finally:
                with suppress(duckdb.Error):  # the fault that ended the reading is the one to tell
                    cursor.execute("ROLLBACK")

    def close(self) -> None:
        """Close the database; open cursors are closed with it.

        A transaction of the catalog that could not end would keep the database open, and the next `open` waiting for
        ever: with the catalog detached it goes.
        """
        with suppress(duckdb.Error):  # detached or not, all is closed
            self._connection.execute("DETACH lake")
        for cursor in (*self._free, self.sealing, self._connection):
            try:
                cursor.close()
            except duckdb.Error as fault:
                if "invalidated" not in str(fault) and not _is_full(str(fault)):
                    raise explain(fault, self.folder) from fault

    def _measure(self) -> None:
        """Find the oldest unsealed reading."""
        row = self._connection.execute(sql.HOT_FIRST, [self.mark]).fetchone()
        self.hot_from_us = NEVER if row is None or row[0] is None else int(row[0])

    @contextmanager
    def _writing(self) -> Generator[None, None, None]:
        try:
            yield
        except duckdb.Error as fault:
            self.is_broken = True
            raise explain(fault, self.folder) from fault

    def _warm(self) -> None:
        """Pay once, at start, for what DuckDB loads at its first numpy and Arrow insert."""
        incoming: Any = {name: np.empty(0, np.int64) for name in ("signal", "time_us", "value", "quality", "seq")}
        self._connection.execute(sql.INSERT_NUMBERS)
        incoming = pa.table({**incoming, "text": pa.array([], pa.string())})
        self._connection.execute(sql.INSERT_TEXTS)


def _numbers(parts: Sequence[Columns]) -> "dict[str, np.typing.NDArray[np.generic]]":
    """Join the columns of numbers, without a copy where there is one part."""
    if len(parts) == 1:
        return dict(zip(Columns._fields[:4], parts[0][:4], strict=True))
    names = enumerate(Columns._fields[:4])
    return {name: np.concatenate([part[index] for part in parts]) for index, name in names}


def run_query(
    cursor: duckdb.DuckDBPyConnection, text: str, signals: Sequence[int] = (), **values: int
) -> duckdb.DuckDBPyConnection:
    """Execute a text of `sql` for some signals with the values it names."""
    text = sql.for_signals(text, len(signals))
    bound = {f"s{index}": signal for index, signal in enumerate(signals)} if "$s0" in text else {}
    bound |= {name: value for name, value in values.items() if f"${name}" in text}
    return cursor.execute(text, bound)


def explain(fault: duckdb.Error | OSError, folder: Path) -> InterworkError:
    """Say a fault of the database in the words of our error tree."""
    said = str(fault).partition("\n")[0]
    whole = str(fault)
    if _is_full(whole) or (any(sign in whole for sign in _UNCLEAR) and _free(folder) < RESERVE_BYTES):
        return _disk_full(folder, said)
    if isinstance(fault, duckdb.InterruptException):
        return LimitReached(
            "The query was stopped at its time limit.", where="historian", remedy="Ask for a shorter range."
        )
    if isinstance(fault, duckdb.OutOfMemoryException):
        return LimitReached(
            f"The query needs more than {MEMORY} of memory.", where="historian", remedy="Ask for a shorter range."
        )
    if isinstance(fault, duckdb.TransactionException) and "onflict" in whole:
        return Conflict(f"Another writer of these readings was in the way: {said}.", remedy="Try again in a minute.")
    if "Could not set lock" in whole or "Conflicting lock" in whole:
        return Unusable(
            f"{folder} is open in another process: {said}.",
            remedy="Stop the other node, or give this one a data folder of its own.",
        )
    if "version number" in whole:
        return NewerData(f"{folder / FILE} was written by another DuckDB: {said}.", remedy="Use the newer program.")
    if "not a valid DuckDB" in whole or isinstance(fault, duckdb.SerializationException):
        return Damaged(f"{folder / FILE} cannot be read: {said}.", remedy="Restore the folder from a backup.")
    return Unusable(f"The historian in {folder} failed: {said}.", remedy="Check the disk, then start the node again.")


@contextmanager
def telling(folder: Path) -> Generator[None, None, None]:
    """Turn faults of DuckDB and of the disk into ours."""
    try:
        yield
    except (duckdb.Error, OSError) as fault:
        raise explain(fault, folder) from fault


def _settings(folder: Path) -> dict[str, str | bool | int | float | list[str]]:
    return {
        "memory_limit": MEMORY,
        "threads": THREADS,
        "temp_directory": str(folder / "temp"),
        "checkpoint_threshold": CHECKPOINT_AT,
        "preserve_insertion_order": False,
        "autoinstall_known_extensions": False,
        "autoload_known_extensions": False,
    }


def _is_full(said: str) -> bool:
    return any(sign in said for sign in _FULL)


def _free(folder: Path) -> int:
    return shutil.disk_usage(folder).free


def _disk_full(folder: Path, said: str) -> DiskFull:
    return DiskFull(
        f"No space for readings in {folder}: {said}. Nothing acknowledged was lost.",
        remedy="Free space or shorten the retention; appending resumes by itself.",
    )


def _number(cursor: duckdb.DuckDBPyConnection) -> int:
    row = cursor.fetchone()
    return 0 if row is None or row[0] is None else int(row[0])
