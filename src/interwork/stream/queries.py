"""The questions one can ask of the readings: each a function of an open engine and a cursor in its snapshot."""

from array import array
from collections.abc import Sequence
from dataclasses import dataclass
from itertools import pairwise
from pathlib import Path

import duckdb

from interwork.core.resource import Batch
from interwork.stream import sql
from interwork.stream.columns import GOOD_BELOW, UNKNOWN, batch_of_table
from interwork.stream.engine import Engine, run_query
from interwork.stream.lake import HOUR_US, Lake

FOREVER = (1 << 63) - 1
ALWAYS = -(1 << 63)
LOOKBACKS_US = (2 * HOUR_US, 26 * HOUR_US)
"""How far back a last reading is looked for, before everything is searched."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Trend:
    """One signal in equal steps of time, as columns; steps without a good reading are left out.

    `time_us` is a step's start (C long long), `low`, `mean` and `high` are of its good, finite readings (C double),
    `count` is their number (C long long).
    """

    time_us: "array[int]"
    low: "array[float]"
    mean: "array[float]"
    high: "array[float]"
    count: "array[int]"


@dataclass(frozen=True, slots=True, kw_only=True)
class Usage:
    """How much is held: readings in all, readings not sealed yet, bytes on the disk."""

    rows: int
    hot_rows: int
    bytes: int


def readings(
    engine: Engine, cursor: duckdb.DuckDBPyConnection, signals: Sequence[int], span: tuple[int, int], limit: int
) -> Batch:
    """Read signals over a span in order of time, one reading per signal and time: the newest to arrive."""
    mark = engine.mark
    text = _newest(engine, span[0]) + sql.READINGS
    run_query(cursor, text, signals=signals, mark=mark, start=span[0], end=span[1], limit=limit)
    return batch_of_table(cursor.to_arrow_table())


def after(
    engine: Engine,
    cursor: duckdb.DuckDBPyConnection,
    sequence: int,
    asked: tuple[Sequence[int], int, int, int],
) -> tuple[Batch, int | None]:
    """Read what arrived after a sequence; also tell the last sequence read, None where the limit was not reached."""
    signals, start, end, limit = asked
    mark = engine.mark
    text = sql.AFTER_HOT if sequence >= mark else sql.AFTER
    run_query(cursor, text, signals=signals, mark=mark, sequence=sequence, start=start, end=end, limit=limit)
    table = cursor.to_arrow_table()
    return batch_of_table(table), table["seq"][-1].as_py() if len(table) else None


def trend(engine: Engine, cursor: duckdb.DuckDBPyConnection, signal: int, span: tuple[int, int], points: int) -> Trend:
    """Read one signal's lowest, mean and highest good reading per step."""
    start, end = span
    width = max(1, -(-(end - start) // points))
    mark = engine.mark
    text = _newest(engine, start) + sql.TREND
    run_query(cursor, text, signals=[signal], mark=mark, start=start, end=end, width=width)
    table = cursor.to_arrow_table()
    return Trend(
        time_us=array("q", table["step"].to_numpy().tobytes()),
        low=array("d", table["low"].to_numpy().tobytes()),
        mean=array("d", table["mean"].to_numpy().tobytes()),
        high=array("d", table["high"].to_numpy().tobytes()),
        count=array("q", table["count"].to_numpy().tobytes()),
    )


def durations(
    engine: Engine, cursor: duckdb.DuckDBPyConnection, signal: int, span: tuple[int, int]
) -> dict[str, float]:
    """Sum the seconds per text state over a span; the last reading before it tells how it begins."""
    start, end = span
    mark = engine.mark
    text = _newest(engine, start) + sql.DURATIONS
    run_query(cursor, text, signals=[signal], mark=mark, start=start, end=end)
    states: dict[str, int] = {state or UNKNOWN: us for state, us in cursor.fetchall()}
    before = end - start - sum(states.values())
    if before:
        carried = last(engine, cursor, [signal], end=start, near=start)
        is_known = bool(carried.text) and carried.quality[0] < GOOD_BELOW
        state = (carried.text[0] if is_known else None) or UNKNOWN
        states[state] = states.get(state, 0) + before
    return {state: us / 1e6 for state, us in sorted(states.items()) if us}


def last(
    engine: Engine, cursor: duckdb.DuckDBPyConnection, signals: Sequence[int], *, near: int, end: int = FOREVER
) -> Batch:
    """Read each signal's last reading before `end`, looking first shortly before `near`, then further back."""
    tables, missing = [], list(signals)
    edges = [end, *(near - back for back in LOOKBACKS_US), ALWAYS]
    for until, start in pairwise(edges):
        if not missing:
            break
        mark = engine.mark
        text = sql.LAST_HOT if _is_hot(engine, start) else sql.LAST
        run_query(cursor, text, signals=missing, mark=mark, start=start, end=until)
        table = cursor.to_arrow_table()
        found = set(table["signal"].to_pylist())
        missing = [signal for signal in missing if signal not in found]
        tables.append(batch_of_table(table))
    return _joined(tables)


def usage(engine: Engine, cursor: duckdb.DuckDBPyConnection) -> Usage:
    """Count what is held."""
    row = cursor.execute(sql.HOT_ROWS, [engine.mark]).fetchone()
    hot = 0 if row is None else int(row[0])
    return Usage(rows=Lake(engine).rows(cursor) + hot, hot_rows=hot, bytes=_size(engine.folder))


def _newest(engine: Engine, start: int) -> str:
    return sql.NEWEST_HOT if _is_hot(engine, start) else sql.NEWEST


def _is_hot(engine: Engine, start: int) -> bool:
    """Tell whether nothing sealed is as new as a time; asked after `hot` was pinned and the mark was read.

    A seal sets the newest sealed time before the mark, so who has read the new mark also sees the new time.
    """
    return engine.sealed_until_us is None or start > engine.sealed_until_us


def _joined(batches: Sequence[Batch]) -> Batch:
    made = Batch(signal=array("i"), time_us=array("q"), value=array("d"), quality=array("I"), text=[])
    texts: list[str | None] = []
    for batch in batches:
        for name in ("signal", "time_us", "value", "quality"):
            getattr(made, name).extend(getattr(batch, name))
        texts += batch.text or [None] * len(batch)
    if any(text is not None for text in texts):
        made.text.extend(texts)
    return made


def _size(folder: Path) -> int:
    """Add up the files of a folder; a file that is removed meanwhile counts nothing."""
    total = 0
    for path in folder.rglob("*"):
        try:
            total += path.stat().st_size if path.is_file() else 0
        except FileNotFoundError:
            continue
    return total
