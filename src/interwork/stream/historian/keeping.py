"""What stays and what goes: retention, quota and legal hold of sealed readings, and files merged so that disk is freed.

Dropping is a DELETE in the catalog: whole files go at once, of others DuckLake notes which rows are gone. `settle`
writes an hour that is over, and was sealed early in parts, as one file with its roll-ups. `merge` writes what has
dropped rows anew, hours of several files as one, in order, and the hours of a day that is over as one file, or as a
few where they hold much: a question of a week then opens seven files, not 168. Replaced files stay for `GRACE`, for
the questions that still read them; then `free` removes them. Roll-ups are kept when the readings they came from go.
"""

from collections import defaultdict
from collections.abc import Iterator
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from itertools import product

import duckdb
import pyarrow as pa

from interwork.stream.historian import sql
from interwork.stream.historian.engine import Engine, run_query, telling
from interwork.stream.historian.lake import FRESH, HOUR_US, TABLES, File, quoted
from interwork.stream.historian.queries import LEVELS_US
from interwork.stream.historian.sealing import Lake, Written, group_of

GRACE = timedelta(minutes=10)
"""How long replaced files stay for queries that still read them."""
DAY_US = 24 * HOUR_US
WIDTHS_US = (DAY_US, DAY_US // 2, DAY_US // 4, DAY_US // 8, HOUR_US)
"""What files are merged to, the widest first: each is whole hours, and a whole part of a day."""
FILE_ROWS = 12_000_000
"""Hours are merged to files of so many rows at the most."""
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
                gain = file.bytes - sizes.get(file.name, 0.0)
                cutoff = _hour_within(file, excess / gain if gain > excess else 1.0)
                excess -= gain
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
                        cutoff = _hour_within(file, -left / sizes[file.name])
                        dropped |= self._drop(sql.DROP_SHARE, cutoff=cutoff, share=int(share))
                        break
        return dropped

    def settle(self, before_us: int) -> int:
        """Write hours that ended before a time and have no roll-ups yet as one file each, with them; count them."""
        with telling(self.engine.folder):
            hours = sorted(self.engine.sealed.unrolled(-(1 << 63), before_us // HOUR_US * HOUR_US))
            for hour in hours:
                self._rewrite("reading", hour, HOUR_US, is_rolled=True)
        return len(hours)

    def merge(self, before_us: int) -> int:
        """Write spans of several files, or with dropped rows, as one file each; return how many."""
        done = 0
        with telling(self.engine.folder):
            for table in TABLES:
                for start, width in self._due(table, before_us)[: MERGES_MAX - done]:
                    self._rewrite(table, start, width)
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
        self.settle(values.get("latest", values["cutoff"]))

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

    def _due(self, table: str, before_us: int) -> list[tuple[int, int]]:
        """Find what is to be written anew, widest first: starts and widths that share no file."""
        due: list[tuple[int, int]] = []
        files = [file for file in self.engine.sealed.files if file.table == table and not file.name.startswith(FRESH)]
        for width in WIDTHS_US:
            spans: dict[int, list[File]] = defaultdict(list)
            for file in files:
                if file.first_us // width == file.last_us // width:
                    spans[file.first_us // width * width].append(file)
            for start, held in sorted(spans.items()):
                if (len(held) > 1 or held[0].has_drops) and _is_ripe(table, held, (start, width), before_us):
                    due.append((start, width))
                    files = [file for file in files if file not in held]
        days = {day for file in files if file.has_drops for day in range(_day(file.first_us), file.last_us, DAY_US)}
        return due + [(day, DAY_US) for day in sorted(days) if day + DAY_US <= before_us]

    def _rewrite(self, table: str, start: int, width: int, *, is_rolled: bool = False) -> None:
        """Write a span's rows anew, in order, and put the file in the place of what held them."""
        lake, end = self.lake, start + width
        rows = sum(file.rows for file in self.engine.sealed.of(table, start, end))
        source = f"FROM lake.{table} WHERE time_us >= {start} AND time_us < {end}"
        written: list[Written] = []
        try:
            readers = self._sorted(table, (start, end), lake.chunks(source, rows), group_of(table, rows))
            written.append(lake.write(table, readers, f"{'hour' if is_rolled else table}{start // HOUR_US}-merged"))
            if is_rolled:
                written += lake.roll(written[0].path, start, end - 1, self.engine.mark, is_whole=True)
            lake.change(lambda: _drop_span(self.engine.sealing, table, start, end), written)
        except (duckdb.Error, OSError):
            lake.give_up(written)
            raise
        self.engine.refresh()

    def _sorted(
        self, table: str, span: tuple[int, int], chunks: list[tuple[int, int]], group: int
    ) -> Iterator[pa.RecordBatchReader]:
        for level, (low, high) in product(LEVELS_US if table == "rollup" else LEVELS_US[:1], chunks):
            given = {"start": span[0], "end": span[1], "low": low, "high": high, "level": level}
            yield run_query(self.engine.sealing, sql.MERGED[table], (), **given).to_arrow_reader(group)


def _is_ripe(table: str, held: list[File], span: tuple[int, int], before_us: int) -> bool:
    """Tell whether files within a span are worth being one: it is over, and they are neither too much nor too little.

    Roll-ups of a day are one file while they are few, the day over or not.
    """
    (start, width), rows = span, sum(file.rows for file in held)
    if width == DAY_US and table != "reading" and rows <= SMALL_ROWS:
        return True
    if width == HOUR_US:
        return start + width <= before_us
    is_merged = any(file.last_us - file.first_us > width // 2 for file in held)
    return _day(start) + DAY_US <= before_us and rows <= (2 if is_merged else 1) * FILE_ROWS


def _day(time_us: int) -> int:
    return time_us // DAY_US * DAY_US


def _hour_within(file: File, share: float) -> int:
    """Tell the end of the hour up to which a file has a share of its span."""
    reached = file.first_us + min(1.0, share) * (file.last_us - file.first_us)
    return min(int(reached), file.last_us) // HOUR_US * HOUR_US + HOUR_US


def _drop_span(cursor: duckdb.DuckDBPyConnection, table: str, start: int, end: int) -> None:
    run_query(cursor, sql.DROP_SPAN_OF.replace("/*table*/", table), start=start, end=end)
