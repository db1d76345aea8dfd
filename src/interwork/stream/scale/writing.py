"""What a sink does in the lake: readings and progress in one transaction, hours settled, old ones dropped.

Files go to the store first, under names nobody knows; the transaction then names them. What fails before leaves
files that no catalog names, which are removed a day later. A reading that the lake has already, of the same signal
and time, is dropped in the transaction that adds the later one.
"""

import random
import secrets
import time
from collections.abc import Callable, Sequence
from functools import partial
from pathlib import Path

import duckdb
import pyarrow as pa

from interwork.core.errors import Unusable
from interwork.stream.historian import sql as texts
from interwork.stream.historian.engine import run_query, telling
from interwork.stream.historian.lake import FRESH, HOUR_US, quoted
from interwork.stream.scale import sql
from interwork.stream.scale.place import Place, SharedEngine

SPANS_MAX = 48
"""Files of one flush at the most; a long backfill is cut into longer spans."""
SETTLED_MAX = 24
"""Hours settled in one go at the most."""
TRIES = 8
"""Times a transaction is tried that other sinks' transactions got in the way of."""
APART_S = 0.05
"""How long at the most the second try waits, each later one twice as long: two sinks in step would never get apart."""


class Outrun(Exception):
    """Another sink of these partitions has written meanwhile; `progress` is how far."""

    def __init__(self, progress: int) -> None:
        super().__init__(f"Another sink has written up to message {progress}.")
        self.progress = progress


def again(act: Callable[[], None], look: Callable[[], None]) -> None:
    """Act, and after a random wait look and act again where another sink's transaction got in its way."""
    for turn in range(TRIES):
        try:
            act()
        except duckdb.TransactionException as fault:
            if turn == TRIES - 1 or "onflict" not in str(fault):
                raise
            time.sleep(random.uniform(0, APART_S * 2**turn))  # noqa: S311 - jitter, not a secret
            look()
        else:
            return


class Writing:
    """The lake as one sink sees it, for some partitions; used from one thread at a time."""

    def __init__(self, folder: Path, place: Place, parts: Sequence[int]) -> None:
        self._folder, self._place, self._parts = folder, place, list(parts)
        self._engine: SharedEngine | None = None

    def open(self) -> int:
        """Attach the lake where it is not, and read how far it is; the message to go on behind."""
        if self._engine is None:
            self._folder.mkdir(parents=True, exist_ok=True)
            self._engine = SharedEngine.reach(self._folder, self._place, is_founding=True)
        self._engine.refresh()
        return self.progress

    def close(self) -> None:
        """Let the lake go; the next `open` attaches it anew."""
        engine, self._engine = self._engine, None
        if engine is not None:
            engine.close()

    @property
    def engine(self) -> SharedEngine:
        """Give the open database."""
        if self._engine is None:
            raise Unusable("The lake is not attached.", remedy="It is tried again.")
        return self._engine

    @property
    def all_progress(self) -> dict[int, int]:
        """Tell by partition how far the lake is."""
        return dict(self.engine.progress)

    @property
    def progress(self) -> int:
        """Tell the message up to which all of this sink's partitions are in the lake."""
        return min(self.engine.progress[part] for part in self._parts)

    def write(self, table: pa.Table | None, upto: int) -> None:
        """Add readings and move progress up to a message; durable, and once, when this returns."""
        engine, cursor = self.engine, self.engine.sealing
        with telling(self._folder):
            files: list[tuple[str, str]] = []
            span = None
            if table is not None and len(table):
                cursor.register("incoming", table)
                cursor.execute(sql.ARRIVING)
                cursor.unregister("incoming")
                files, span = self._copy(upto)
            self._commit(lambda: self._drop_repeated(span), files, upto)
        engine.refresh()

    def _copy(self, upto: int) -> tuple[list[tuple[str, str]], tuple[int, int]]:
        """Write what arrives into files of the store by hour; return them and the times they span."""
        cursor = self.engine.sealing
        spans: list[tuple[int, int, int]] = []
        for width in (HOUR_US, 24 * HOUR_US, 720 * HOUR_US, 1 << 61):
            spans = run_query(cursor, sql.SPANS, width=width).fetchall()
            if len(spans) <= SPANS_MAX:
                break
        files = []
        for _, first, last in spans:
            rows = sql.filled(sql.FRESH, first=first, last=last)
            files.append(("reading", self._put("reading", rows, f"{FRESH}-{upto}")))
        return files, (min(one[1] for one in spans), max(one[2] for one in spans))

    def _put(self, table: str, rows: str, name: str) -> str:
        """Write rows into a file of the store and tell where it is."""
        group = "p" + ".".join(map(str, self._parts))
        path = self._place.file(table, f"{name}-{group}-{secrets.token_hex(6)}.parquet")
        self.engine.sealing.execute(sql.filled(sql.COPY, rows=rows, path=quoted(path)))
        return path

    def _drop_repeated(self, span: tuple[int, int] | None) -> None:
        """Drop what the lake has of the arriving signals and times: looked for only where files overlap."""
        if span is None:
            return
        held = self.engine.sealed.source("reading", [(span[0], span[1] + 1)])
        if held is None:
            return
        cursor, (first, last) = self.engine.sealing, span
        if run_query(cursor, sql.REPEATED.replace("/*sealed*/", held), first=first, last=last).fetchone():
            run_query(cursor, sql.DROP_REPEATED, first=first, last=last)

    def _commit(self, drop: Callable[[], None], files: Sequence[tuple[str, str]], upto: int | None = None) -> None:
        """Drop, add and move progress in one transaction; tried again where another sink's got in its way."""
        engine = self.engine
        expected = {part: engine.progress[part] for part in self._parts}
        again(lambda: self._transact(drop, files, expected, upto), engine.refresh)

    def _transact(
        self,
        drop: Callable[[], None],
        files: Sequence[tuple[str, str]],
        expected: dict[int, int],
        upto: int | None,
    ) -> None:
        cursor = self.engine.sealing
        cursor.execute("BEGIN")
        try:
            self._check_progress(expected)
            drop()
            for table, path in files:
                cursor.execute(texts.ADD_FILE, [table, path])
            for part, known in expected.items():
                cursor.execute(sql.of_part(sql.MOVE_PROGRESS, part), [max(known, known if upto is None else upto)])
            cursor.execute("COMMIT")
        except (duckdb.Error, Outrun):
            self.roll_back()
            raise

    def _check_progress(self, expected: dict[int, int]) -> None:
        for part, known in expected.items():
            row = self.engine.sealing.execute(sql.of_part(sql.PROGRESS_OF, part)).fetchone()
            if row is None or row[1] != known:
                raise Outrun(0 if row is None else int(row[1]))

    def roll_back(self) -> None:
        """Give a transaction up; where even that fails, the lake is attached anew."""
        try:
            self.engine.sealing.execute("ROLLBACK")
        except duckdb.Error as fault:
            if "no transaction" not in str(fault):
                self.close()

    def settle(self, before_us: int) -> int:
        """Write each hour before a time that has fresh files as one sorted file with its roll-ups; count them."""
        engine = self.engine
        engine.refresh()
        hours: set[int] = set()
        for file in engine.sealed.files:
            if file.name.startswith(FRESH) and file.table == "reading" and self.is_ours(file.name):
                last = min(file.last_us, before_us - 1)
                hours |= set(range(file.first_us // HOUR_US * HOUR_US, last + 1, HOUR_US)[:SETTLED_MAX])
        done = 0
        with telling(self._folder):
            for hour in sorted(hours)[:SETTLED_MAX]:
                self._settle_one(hour)
                engine.refresh()
                done += 1
        return done

    def is_ours(self, name: str) -> bool:
        """Tell whether a sink of one of these partitions wrote a file."""
        group = name.split("-")[2].removeprefix("p").split(".")
        return any(str(part) in group for part in self._parts)

    def rewrite(self, hour: int) -> None:
        """Write an hour anew without what was dropped of it; its roll-ups stay as they are."""
        self._replace(hour, is_rolled=False)

    def _settle_one(self, hour: int) -> None:
        """Put an hour's settled file in the place of its fresh ones, with its roll-ups."""
        self._replace(hour, is_rolled=True)

    def _replace(self, hour: int, *, is_rolled: bool) -> None:
        """Put a file in the place of what an hour has of these partitions.

        All of it is one transaction that also touches progress: what another sink adds meanwhile cannot be dropped
        unseen, for then one of the two does not commit.
        """
        places = {
            "start": hour,
            "end": hour + HOUR_US,
            "count": self._place.partitions,
            "parts": ", ".join(map(str, self._parts)),
        }
        files: list[tuple[str, str]] = []
        self._commit(partial(self._rewrite, places, files, is_rolled=is_rolled), files)

    def _rewrite(self, places: dict[str, object], files: list[tuple[str, str]], *, is_rolled: bool) -> None:
        cursor, start, end = self.engine.sealing, places["start"], places["end"]
        files.clear()
        name = f"{int(str(start)) // HOUR_US}-{self.progress}"
        settled = self._put("reading", sql.filled(sql.SETTLED, **places), f"hour{name}")
        files.append(("reading", settled))
        if is_rolled:
            files += self._rolled(settled, name, int(str(start)), int(str(end)))
        cursor.execute(sql.filled(sql.DROP_OURS, **places))

    def _rolled(self, settled: str, name: str, start: int, end: int) -> list[tuple[str, str]]:
        """Write the roll-ups of a settled hour."""
        cursor = self.engine.sealing
        files = []
        source = f"SELECT * FROM read_parquet({quoted(settled)})"  # noqa: S608 - our path
        rolling = texts.ROLLING.replace("/*source*/", source)
        cursor.execute(rolling.replace("$start", str(start)).replace("$end", str(end)))
        for table, text in (("rollup", texts.ROLLUP), ("state", texts.STATE)):
            rows = text.replace("$upto", str(self.engine.mark))
            path = self._put(table, rows, f"{table}{name}")
            row = cursor.execute(f"SELECT count(*) FROM read_parquet({quoted(path)})").fetchone()  # noqa: S608 - our path
            if row and row[0]:
                files.append((table, path))
        return files
