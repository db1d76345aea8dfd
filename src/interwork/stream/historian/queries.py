"""The questions one can ask of the readings: each a function of an open engine and a cursor in its snapshot."""

from array import array
from collections.abc import Sequence
from dataclasses import dataclass
from itertools import pairwise
from pathlib import Path

import duckdb
import pyarrow as pa

from interwork.core.resource import Batch
from interwork.stream.columns import batch_of_table
from interwork.stream.historian import sql
from interwork.stream.historian.engine import Engine, run_query
from interwork.stream.historian.lake import HOUR_US, Sealed
from interwork.stream.historian.sealing import Lake

FOREVER = (1 << 63) - 1
ALWAYS = -(1 << 63)
ROLLED_FROM_US = 4 * HOUR_US
"""A trend this long, or longer, is read from roll-ups."""
LEVELS_US = (1_000_000, 60_000_000, HOUR_US)
"""Widths of the roll-ups' cells; a trend takes the widest that is not wider than its steps."""
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
    sealed = engine.sealed
    text = newest_of(engine, sealed, cursor, signals, span) + sql.READINGS
    run_query(cursor, text, signals=signals, mark=sealed.mark, start=span[0], end=span[1], limit=limit)
    return batch_of_table(cursor.to_arrow_table())


def after(
    engine: Engine,
    cursor: duckdb.DuckDBPyConnection,
    sequence: int,
    asked: tuple[Sequence[int], int, int, int],
) -> tuple[Batch, int | None]:
    """Read what arrived after a sequence; also tell the last sequence read, None where the limit was not reached."""
    signals, start, end, limit = asked
    sealed = engine.sealed
    source = sealed.source("reading", [(start, end)]) if sequence < sealed.mark else None
    text = sql.AFTER_HOT if source is None else sql.AFTER.replace(sql.SEALED, source)
    run_query(cursor, text, signals=signals, mark=sealed.mark, sequence=sequence, start=start, end=end, limit=limit)
    table = cursor.to_arrow_table()
    return batch_of_table(table), table["seq"][-1].as_py() if len(table) else None


def trend(engine: Engine, cursor: duckdb.DuckDBPyConnection, signal: int, span: tuple[int, int], points: int) -> Trend:
    """Read one signal's lowest, mean and highest good reading per step; of long spans from the roll-ups."""
    start, end = span
    width = max(1, -(-(end - start) // points))
    sealed = engine.sealed
    level = max((one for one in LEVELS_US if one <= width), default=0)
    if end - start >= ROLLED_FROM_US and level and sealed.of("rollup", start, end):
        _ask_rolled(engine, cursor, [signal], span, (-(-width // level) * level, level))
    else:
        text = newest_of(engine, sealed, cursor, [signal], span) + sql.TREND
        run_query(cursor, text, signals=[signal], mark=sealed.mark, start=start, end=end, width=width)
    return _trend_of(cursor.to_arrow_table())


def trends(
    engine: Engine, cursor: duckdb.DuckDBPyConnection, signals: Sequence[int], span: tuple[int, int], width: int
) -> tuple["array[int]", Trend]:
    """Read several signals in steps on the grid of a width in whole seconds, signal by signal."""
    level = max(one for one in LEVELS_US if width % one == 0)
    _ask_rolled(engine, cursor, signals, span, (width, level))
    table = cursor.to_arrow_table()
    return array("i", table["signal"].to_numpy().astype("int32").tobytes()), _trend_of(table)


def _trend_of(table: pa.Table) -> Trend:
    return Trend(
        time_us=array("q", table["step"].to_numpy().tobytes()),
        low=array("d", table["low"].to_numpy().tobytes()),
        mean=array("d", table["mean"].to_numpy().tobytes()),
        high=array("d", table["high"].to_numpy().tobytes()),
        count=array("q", table["count"].to_numpy().tobytes()),
    )


def _ask_rolled(
    engine: Engine,
    cursor: duckdb.DuckDBPyConnection,
    signals: Sequence[int],
    span: tuple[int, int],
    step: tuple[int, int],
) -> None:
    """Put the question for a trend of cells of a level, and of readings where there are none: steps are whole cells."""
    (start, end), (width, level), sealed = span, step, engine.sealed
    first, until = -(-start // level) * level, end // level * level
    given = {"mark": sealed.mark, "start": start, "end": end, "first": first, "until": until}
    hour = start // HOUR_US * HOUR_US
    rolled = sealed.source("rollup", [(hour, end)]) or "lake.rollup"
    apart = hours_of(cursor, sql.DIRTY, signals, given) if engine.hot_from_us < end else set()
    is_fresh = bool(apart)
    apart |= sealed.unrolled(start, end)
    if level < LEVELS_US[1]:
        apart |= hours_of(cursor, sql.THIN.replace(sql.SEALED, rolled), signals, {**given, "first": hour})
    is_once = not apart and sealed.is_apart("rollup", hour, end)
    cells = (sql.CELLS_ONCE if is_once else sql.CELLS).replace(sql.SEALED, rolled)
    raw = [(low, high) for low, high in ((start, first), (until, end)) if low < high]
    raw += [(one, one + HOUR_US) for one in apart]
    source = sealed.source("reading", raw)
    if is_fresh or source is not None:
        newest = sql.NEWEST_HOT if source is None else sql.NEWEST if is_fresh else sql.NEWEST_SEALED
        newest = newest.replace(sql.SEALED, source or "") + "SELECT * FROM newest"
        cells = f"({cells}) UNION ALL ({sql.RAW_CELLS.replace('/*newest*/', newest)})"
    text = sql.ROLLED_TREND.replace("/*cells*/", cells)
    text = text.replace("/*apart*/", listed(apart))
    run_query(cursor, text, signals, width=width, level=level, **given)


def hours_of(cursor: duckdb.DuckDBPyConnection, text: str, signals: Sequence[int], given: dict[str, int]) -> set[int]:
    """Read the hours that a text of `sql` finds."""
    return {int(hour) for (hour,) in run_query(cursor, text, signals, **given).fetchall()}


def listed(hours: set[int]) -> str:
    """Write hours as a list of SQL."""
    return f"[{', '.join(map(str, sorted(hours)))}]::BIGINT[]"


def last(
    engine: Engine, cursor: duckdb.DuckDBPyConnection, signals: Sequence[int], *, near: int, end: int = FOREVER
) -> Batch:
    """Read each signal's last reading before `end`, looking first shortly before `near`, then further back."""
    tables, missing = [], list(signals)
    edges = [end, *(near - back for back in LOOKBACKS_US), ALWAYS]
    for until, start in pairwise(edges):
        if not missing:
            break
        sealed = engine.sealed
        source = sealed.source("reading", [(start, until)])
        if source is None and engine.hot_from_us >= until:
            continue
        text = sql.LAST_HOT if source is None else sql.LAST.replace(sql.SEALED, source)
        run_query(cursor, text, signals=missing, mark=sealed.mark, start=start, end=until)
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


def newest_of(
    engine: Engine, sealed: Sealed, cursor: duckdb.DuckDBPyConnection, signals: Sequence[int], span: tuple[int, int]
) -> str:
    """Write what the newest readings of a span are, from `hot` and the files that may have some."""
    source = sealed.source("reading", [span])
    if source is None:
        return sql.NEWEST_HOT
    return (sql.NEWEST if has_fresh(engine, sealed, cursor, signals, span) else sql.NEWEST_SEALED).replace(
        sql.SEALED, source
    )


def has_fresh(
    engine: Engine, sealed: Sealed, cursor: duckdb.DuckDBPyConnection, signals: Sequence[int], span: tuple[int, int]
) -> bool:
    """Tell whether `hot` has readings of a span that are not sealed."""
    if engine.hot_from_us >= span[1]:
        return False
    given = {"mark": sealed.mark, "start": span[0], "end": span[1]}
    return run_query(cursor, sql.FRESH_ANY, signals, **given).fetchone() is not None


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
