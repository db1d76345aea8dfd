"""What stays of the shared lake and what goes: retention, time and quota of single signals, legal hold.

The rules stand in `lake.keeping`, where every node adds to them and none changes a line, so that two never collide:
of each signal the latest line counts, and a hold lasts until a later line lifts it. The sink of partition 0 keeps to
them. Dropping is a DELETE in the catalog: whole files go at once; what is left of others is written anew by the sink
whose files they are, and so the store is freed. Roll-ups are kept when the readings they came from go.
"""

from collections.abc import Callable
from dataclasses import dataclass
from functools import partial

import duckdb

from interwork.stream.historian import sql as texts
from interwork.stream.historian.engine import run_query, telling
from interwork.stream.historian.lake import FRESH, HOUR_US, File, quoted
from interwork.stream.scale import sql
from interwork.stream.scale.place import SharedEngine
from interwork.stream.scale.writing import SETTLED_MAX, Writing, again

BEGINNING, END = -(1 << 63), (1 << 63) - 1


@dataclass(frozen=True, slots=True)
class Upkeep:
    """The upkeep of the shared lake by one sink."""

    writing: Writing

    @property
    def engine(self) -> SharedEngine:
        """Give the open database."""
        return self.writing.engine

    def keep_times(self, cutoff_us: int, now_us: int) -> int:
        """Drop readings older than a time, or than their signal's own; nothing on hold. Return how many files it met.

        The roll-ups and states of a time twelve times as far back go too.
        """
        engine, cutoff = self._ready(), cutoff_us // HOUR_US * HOUR_US
        with telling(engine.folder):
            own = engine.sealing.execute(texts.OWN_TIMES).fetchall()
            latest = max([cutoff, *((now_us - keep_us) // HOUR_US * HOUR_US for (keep_us,) in own)])
            latest = min(latest, self._settled_us())
            met = engine.sealed.of("reading", BEGINNING, latest)
            if met:
                values = {"cutoff": cutoff, "now": now_us, "latest": latest}
                self._apart(partial(self._delete, texts.DROP_BEFORE, values))
        return len(met)

    def drop_rolled(self, cutoff_us: int) -> None:
        """Drop roll-ups older than a time."""
        engine = self._ready()
        with telling(engine.folder):
            if any(engine.sealed.of(table, BEGINNING, cutoff_us) for table in ("rollup", "state")):
                for text in (texts.DROP_ROLLED, texts.DROP_STATES):
                    self._apart(partial(self._delete, text, {"cutoff": cutoff_us}))

    def keep_quotas(self) -> None:
        """Drop the oldest hours of signals whose share takes more than its quota; the bytes are told by rows."""
        engine = self._ready()
        with telling(engine.folder):
            for share, quota in engine.sealing.execute(texts.QUOTAS).fetchall():
                sizes = self._sizes(texts.IN_SHARE.replace("$share", str(int(share))))
                left = float(quota)
                for file in reversed(self._readings()):
                    left -= sizes.get(file.name, 0.0)
                    if left < 0:
                        cutoff = min(file.last_us // HOUR_US * HOUR_US + HOUR_US, self._settled_us())
                        values = {"cutoff": cutoff, "share": int(share)}
                        self._apart(partial(self._delete, texts.DROP_SHARE, values))
                        break

    def keep_size(self, limit_bytes: float) -> bool:
        """Drop the oldest settled hours of all nodes until the readings fit, but nothing on hold; tell whether any."""
        engine = self._ready()
        files = self._readings()
        excess = sum(one.bytes for one in files) - limit_bytes
        if excess <= 0:
            return False
        with telling(engine.folder):
            held = self._sizes(texts.ON_HOLD) if engine.sealing.execute(texts.ANY_KEPT).fetchone() else {}
            cutoff = BEGINNING
            for file in sorted(files, key=lambda one: one.last_us):
                if excess <= 0:
                    break
                cutoff = file.last_us // HOUR_US * HOUR_US + HOUR_US
                excess -= file.bytes - held.get(file.name, 0.0)
            self._apart(partial(self._delete, texts.DROP_UNHELD, {"cutoff": min(cutoff, self._settled_us())}))
        return True

    def compact(self) -> int:
        """Write this sink's settled hours anew that have dropped rows; return how many."""
        engine = self._ready()
        files = [one for one in self._readings() if one.has_drops and not one.name.startswith(FRESH)]
        hours = sorted({one.first_us // HOUR_US * HOUR_US for one in files if self._is_ours(one)})[:SETTLED_MAX]
        with telling(engine.folder):
            for hour in hours:
                self.writing.rewrite(hour)
        return len(hours)

    def free(self) -> None:
        """Forget states of the catalog that were replaced a while ago, and free their space in the store."""
        with telling(self.engine.folder):
            for text in (sql.EXPIRE, texts.CLEAN, sql.ORPHANS):
                self.engine.sealing.execute(text)
        self.engine.refresh()

    def _ready(self) -> SharedEngine:
        """Take the rules and the files as they are now."""
        with telling(self.engine.folder):
            self.engine.refresh()
            self.engine.sealing.execute(sql.RULES)
        return self.engine

    def _settled_us(self) -> int:
        """Tell the hour before which every reading has its roll-ups: nothing younger is dropped."""
        fresh = [file.first_us // HOUR_US * HOUR_US for file in self._readings() if file.name.startswith(FRESH)]
        return min(fresh, default=END)

    def _readings(self) -> list[File]:
        return [file for file in self.engine.sealed.files if file.table == "reading"]

    def _is_ours(self, file: File) -> bool:
        is_one_hour = file.first_us // HOUR_US == file.last_us // HOUR_US
        return is_one_hour and self.writing.is_ours(file.name)

    def _sizes(self, condition: str) -> dict[str, float]:
        """Estimate by rows how many bytes of each file belong to signals that fulfil a condition."""
        files = {file.name: file for file in self._readings()}
        if not files:
            return {}
        names = ", ".join(quoted(self.engine.sealed.place(file)) for file in files.values())
        text = texts.ROWS_BY_FILE.replace("/*files*/", names).replace("/*condition*/", condition)
        found: list[tuple[str, int]] = self.engine.sealing.execute(text).fetchall()
        return {name: files[name].bytes * rows / max(1, files[name].rows) for name, rows in found}

    def _delete(self, text: str, values: dict[str, int]) -> None:
        run_query(self.engine.sealing, text, (), **values)

    def _apart(self, act: Callable[[], None]) -> None:
        """Act in a transaction of the lake, again where another sink's got in its way."""
        again(partial(self._act_whole, act), self.engine.refresh)
        self.engine.refresh()

    def _act_whole(self, act: Callable[[], None]) -> None:
        cursor = self.engine.sealing
        try:
            cursor.execute("BEGIN")
            act()
            cursor.execute("COMMIT")
        except duckdb.Error:
            self.writing.roll_back()
            raise
