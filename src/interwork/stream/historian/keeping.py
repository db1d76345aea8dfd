"""What stays and what goes: retention, quota and legal hold of sealed readings, and files merged so that disk is freed.

Dropping is a DELETE in the catalog: whole files go at once, of others DuckLake notes which rows are gone. `merge`
then writes such an hour anew, and hours of several files as one, in order. Replaced files stay for `GRACE`, for the
questions that still read them; then `free` removes them. Roll-ups are kept when the readings they came from go.
"""

from collections import defaultdict
from collections.abc import Iterator
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta

import duckdb

from interwork.stream.historian import sql
from interwork.stream.historian.engine import Engine, run_query, telling
from interwork.stream.historian.lake import HOUR_US, File, quoted
from interwork.stream.historian.sealing import Lake, Written

GRACE = timedelta(minutes=10)
"""How long replaced files stay for queries that still read them."""
DAY_US = 24 * HOUR_US
SMALL_ROWS = 2_000_000
"""So many cells of a day are merged before it is over: a plant of a thousand signals has one file of today."""
MERGES_MAX = 24
"""Hours or days written anew in one go at the most; the rest follows with the next."""


@dataclass(frozen=True, slots=True)
class Keeping:
    """The upkeep of an engine's sealed files."""

    engine: Engine

    @property
    def lake(self) -> Lake:
        """Tell which files are kept."""
        return Lake(self.engine)

    def drop_before(self, cutoff_us: int, now_us: int | None = None) -> bool:
        """Drop sealed readings older than the hour of a time, or than what is said of their signal; tell whether any.

        A signal with a time of its own is kept that long, counted back from `now_us`; one on hold is kept for ever.
        """
        cutoff = cutoff_us // HOUR_US * HOUR_US
        now_us = cutoff if now_us is None else now_us
        with telling(self.engine.folder):
            own = self.engine.sealing.execute(sql.OWN_TIMES).fetchall()
            latest = max([cutoff, *((now_us - keep_us) // HOUR_US * HOUR_US for (keep_us,) in own)])
            if not self.engine.sealed.of("reading", -(1 << 63), latest):
                return False
            return self._drop(sql.DROP_BEFORE, cutoff=cutoff, now=now_us, latest=latest)

    def drop_to_fit(self, limit_bytes: float) -> bool:
        """Drop the oldest sealed hours until the files in use fit, but nothing on hold; tell whether any had to go."""
        excess = self.lake.bytes() - limit_bytes
        if excess <= 0:
            return False
        with telling(self.engine.folder):
            sizes = self._sizes(sql.ON_HOLD)
            cutoff = None
            for file in self._readings():
                if excess <= 0:
                    break
                excess -= file.bytes - sizes.get(file.name, 0.0)
                cutoff = file.last_us // HOUR_US * HOUR_US + HOUR_US
            return cutoff is not None and self._drop(sql.DROP_UNHELD, cutoff=cutoff)

    def drop_rolled(self, cutoff_us: int) -> bool:
        """Drop roll-ups older than the day of a time; tell whether any."""
        cutoff = cutoff_us // DAY_US * DAY_US
        with telling(self.engine.folder):
            if not any(file.table != "reading" and file.first_us < cutoff for file in self.engine.sealed.files):
                return False
            return self._drop(sql.DROP_ROLLED, cutoff=cutoff) | self._drop(sql.DROP_STATES, cutoff=cutoff)

    def keep_quotas(self) -> bool:
        """Drop the oldest hours of signals whose share takes more than its quota; tell whether any had to go."""
        dropped = False
        with telling(self.engine.folder):
            for share, quota in self.engine.sealing.execute(sql.QUOTAS).fetchall():
                sizes = self._sizes(sql.IN_SHARE.replace("$share", str(int(share))))
                left = float(quota)
                for file in reversed(self._readings()):
                    left -= sizes.get(file.name, 0.0)
                    if left < 0:
                        cutoff = file.last_us // HOUR_US * HOUR_US + HOUR_US
                        dropped |= self._drop(sql.DROP_SHARE, cutoff=cutoff, share=int(share))
                        break
        return dropped

    def merge(self, before_us: int) -> int:
        """Write hours of several files, or with dropped rows, and days of roll-ups, as one file each; count them."""
        done = 0
        with telling(self.engine.folder):
            for table, width in (("reading", HOUR_US), ("rollup", DAY_US), ("state", DAY_US)):
                for start in self._scattered(table, width, before_us):
                    if done == MERGES_MAX:
                        return done
                    self._merge_one(table, start, width)
                    done += 1
        return done

    def free(self, *, grace: timedelta = GRACE) -> None:
        """Forget states of the catalog that were replaced longer than a while ago, and free their disk space."""
        with telling(self.engine.folder):
            cursor = self.engine.sealing
            replaced = cursor.execute(sql.REPLACED, [datetime.now(UTC) - grace]).fetchall()
            if replaced:
                cursor.execute(sql.EXPIRE, [[row[0] for row in replaced]])
                cursor.execute(sql.CLEAN)

    def _drop(self, text: str, **values: int) -> bool:
        """Delete by a text of `sql`; tell whether anything was there to delete."""
        count = 0

        def drop() -> None:
            nonlocal count
            row = run_query(self.engine.sealing, text, (), **values).fetchone()
            count = 0 if row is None else int(row[0])

        self.lake.change(drop, [])
        self.engine.refresh()
        return count > 0

    def _readings(self) -> list[File]:
        return [file for file in self.engine.sealed.files if file.table == "reading"]

    def _sizes(self, condition: str) -> dict[str, float]:
        """Estimate by rows how many bytes of each file belong to signals that fulfil a condition."""
        files = {file.name: file for file in self._readings()}
        if not files or not self.engine.sealing.execute(sql.ANY_KEPT).fetchone():
            return {}
        names = ", ".join(quoted(self.engine.sealed.path(file)) for file in files.values())
        text = sql.ROWS_BY_FILE.replace("/*files*/", names).replace("/*condition*/", condition)
        found: list[tuple[str, int]] = self.engine.sealing.execute(text).fetchall()
        return {name: files[name].bytes * rows / max(1, files[name].rows) for name, rows in found}

    def _scattered(self, table: str, width: int, before_us: int) -> Iterator[int]:
        """Find the spans whose files lie within them and are several, or have lists of dropped rows."""
        spans: dict[int, list[File]] = defaultdict(list)
        for file in self.engine.sealed.files:
            if file.table == table and file.first_us // width == file.last_us // width:
                spans[file.first_us // width * width].append(file)
        for start, files in sorted(spans.items()):
            is_over = start + width <= before_us
            is_small = table != "reading" and sum(file.rows for file in files) <= SMALL_ROWS
            if (is_over or is_small) and (len(files) > 1 or files[0].has_drops):
                yield start

    def _merge_one(self, table: str, start: int, width: int) -> None:
        """Write a span's rows anew, in order, and put the file in the place of what held them."""
        cursor, end = self.engine.sealing, start + width
        written: list[Written] = []
        try:
            run_query(cursor, sql.MERGED[table], start=start, end=end)
            written.append(self.lake.write(table, cursor, f"{table}{start // HOUR_US}-merged"))
            self.lake.change(lambda: _drop_span(cursor, table, start, end), written)
        except (duckdb.Error, OSError):
            self.lake.give_up(written)
            raise
        self.engine.refresh()


def _drop_span(cursor: duckdb.DuckDBPyConnection, table: str, start: int, end: int) -> None:
    run_query(cursor, sql.DROP_SPAN_OF.replace("/*table*/", table), start=start, end=end)
