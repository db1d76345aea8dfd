"""The questions one can ask of the readings: each a function of an open engine and a cursor in its snapshot."""

from array import array
from collections.abc import Sequence
from dataclasses import dataclass
from itertools import pairwise
from pathlib import Path

import duckdb
import numpy as np
import pyarrow as pa

from interwork.core.resource import Batch
from interwork.stream.columns import GOOD_BELOW, batch_of_table
from interwork.stream.historian import sql
from interwork.stream.historian.direct import Figures, chosen, together
from interwork.stream.historian.engine import Engine, run_query
from interwork.stream.historian.lake import HOUR_US, Sealed
from interwork.stream.historian.sealing import Lake

FOREVER = (1 << 63) - 1
ALWAYS = -(1 << 63)
ROLLED_FROM_US = 4 * HOUR_US
"""A trend this long, or longer, is read from roll-ups."""
LEVELS_US = (1_000_000, 60_000_000, HOUR_US)
"""Widths of the roll-ups' cells; a trend takes the widest that is not wider than its steps."""
CELLS_MAX = 2_000_000
"""So many cells are made steps in memory; of more, the database makes the steps."""
CELLS_AT_ONCE = 500_000
"""So many cells of several signals are read at a time."""
LOOKBACKS_US = (2 * HOUR_US, 26 * HOUR_US)
"""How far back a last reading is looked for, before everything is searched."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Trend:
    """One signal in equal steps of time, as columns; steps without a good reading are left out.

    `time_us` is a step's start (C long long), `low`, `mean` and `high` are of its good, finite readings (C double),
    `count` is their number (C long long). `mean` lets each reading count once, however long it held.
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
    """Read signals over a span in order of time, one reading per signal and time: the newest to arrive.

    It is read window by window, each longer than the one before: the first readings of a long span need not wait
    until all of it is sorted.
    """
    (start, end), sealed, width = span, engine.sealed, HOUR_US
    tables: list[pa.Table] = []
    while not tables or (start < end and limit):
        held = [engine.hot_from_us, *(file.first_us for file in sealed.of("reading", start, end))]
        start = max(start, min(held))
        until = min(end, start + width)
        text = newest_of(engine, sealed, cursor, signals, (start, until)) + sql.READINGS
        run_query(cursor, text, signals=signals, mark=sealed.mark, start=start, end=until, limit=limit)
        tables.append(cursor.to_arrow_table())
        start, width, limit = until, 4 * width, limit - len(tables[-1])
    return batch_of_table(pa.concat_tables(tables))


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
        return _trend_of(_rolled(engine, cursor, [signal], span, (-(-width // level) * level, level)))
    source = sealed.source("reading", [span])
    is_fresh = source is None or has_fresh(engine, sealed, cursor, [signal], span)
    cells = None if is_fresh or end - start > FOREVER else _direct_raw(engine, sealed, signal, [span])
    if cells is not None:
        return _trend_of(_steps([cells], span, width, origin=start))
    text = _newest(source, is_fresh=is_fresh) + sql.TREND
    run_query(cursor, text, signals=[signal], mark=sealed.mark, start=start, end=end, width=width)
    return _trend_of(_columns(cursor))


def trends(
    engine: Engine, cursor: duckdb.DuckDBPyConnection, signals: Sequence[int], span: tuple[int, int], width: int
) -> tuple["array[int]", Trend]:
    """Read several signals in steps on the grid of a width in whole seconds, signal by signal.

    Of fine steps over a long span some signals are read at a time, so that memory is bounded by one part of them.
    """
    level = max(one for one in LEVELS_US if width % one == 0)
    some = max(1, CELLS_AT_ONCE // max(1, (span[1] - span[0]) // level))
    parts = [signals[first : first + some] for first in range(0, len(signals), some)] or [signals]
    figures = together([_rolled(engine, cursor, part, span, (width, level)) for part in parts])
    return array("i", figures["signal"].astype(np.int32).tobytes()), _trend_of(figures)


def _trend_of(figures: Figures) -> Trend:
    return Trend(
        time_us=array("q", figures["step"].tobytes()),
        low=array("d", figures["low"].tobytes()),
        mean=array("d", figures["mean"].tobytes()),
        high=array("d", figures["high"].tobytes()),
        count=array("q", figures["count"].tobytes()),
    )


def _columns(cursor: duckdb.DuckDBPyConnection) -> Figures:
    table = cursor.to_arrow_table()
    return {name: table[name].to_numpy() for name in table.column_names}


def _rolled(
    engine: Engine,
    cursor: duckdb.DuckDBPyConnection,
    signals: Sequence[int],
    span: tuple[int, int],
    step: tuple[int, int],
) -> Figures:
    """Read a trend of cells of a level, and of readings where there are none: steps are whole cells."""
    (start, end), (width, level), sealed = span, step, engine.sealed
    given = {"mark": sealed.mark, "start": start, "end": end, "width": width, "level": level}
    given |= {"first": -(-start // level) * level, "until": end // level * level}
    hour = start // HOUR_US * HOUR_US
    rolled = sealed.source("rollup", [(hour, end)]) or "lake.rollup"
    dirty = hours_of(cursor, sql.DIRTY, signals, given) if engine.hot_from_us < end else set()
    apart = dirty | sealed.unrolled(start, end)
    is_once = sealed.is_apart("rollup", hour, end)
    if level < LEVELS_US[1]:
        thin = _direct_thin(engine, sealed, signals[0], (hour, end)) if is_once and len(signals) == 1 else None
        if thin is None:
            thin = hours_of(cursor, sql.THIN.replace(sql.SEALED, rolled), signals, {**given, "first": hour})
        apart |= thin
    raw = _raw_spans(span, (given["first"], given["until"]), apart)
    cells = (sql.CELLS_ONCE if is_once else sql.CELLS).replace(sql.SEALED, rolled).replace("/*apart*/", listed(apart))
    newest = _newest(sealed.source("reading", raw), is_fresh=bool(dirty)) + "SELECT * FROM newest"
    raws = sql.RAW_CELLS.replace("/*newest*/", newest).replace("/*apart*/", listed(apart))
    if (end - start) // level * len(signals) > CELLS_MAX:
        text = sql.ROLLED_TREND.replace("/*cells*/", f"({cells}) UNION ALL ({raws})")
        run_query(cursor, text, signals, **given)
        return _columns(cursor)
    found = _direct_cells(engine, sealed, signals[0], given, apart) if is_once and len(signals) == 1 else None
    parts = [_columns(run_query(cursor, cells, signals, **given)) if found is None else found]
    if raw:
        found = _direct_raw(engine, sealed, signals[0], raw) if not dirty and len(signals) == 1 else None
        parts.append(_columns(run_query(cursor, raws, signals, **given)) if found is None else found)
    return _steps(parts, span, width)


def _raw_spans(span: tuple[int, int], whole: tuple[int, int], apart: set[int]) -> list[tuple[int, int]]:
    """List what of a span no cell tells: its ends beside whole cells, and the hours apart."""
    ends = [(span[0], min(whole[0], span[1])), (max(whole[1], span[0]), span[1])]
    if whole[0] > whole[1]:
        ends = [span]
    spans = [one for one in ends if one[0] < one[1] and one[0] // HOUR_US * HOUR_US not in apart]
    spans += [(max(span[0], one), min(span[1], one + HOUR_US)) for one in apart]
    joined: list[tuple[int, int]] = []
    for start, end in sorted(spans):
        is_next = bool(joined) and joined[-1][1] == start
        joined.append((joined.pop()[0] if is_next else start, end))
    return joined


def _direct_thin(engine: Engine, sealed: Sealed, signal: int, span: tuple[int, int]) -> set[int] | None:
    """Find the hours that have no roll-up by the second in the files themselves; None where they do not tell all."""
    wanted = {"signal": (signal, signal), "width": (HOUR_US, HOUR_US), "time_us": (span[0], span[1] - 1)}
    hours = engine.direct.read(sealed, "rollup", ("time_us", "rows"), wanted)
    return None if hours is None else set(hours["time_us"][hours["rows"] < sql.DENSE].astype(np.int64).tolist())


def _direct_cells(
    engine: Engine, sealed: Sealed, signal: int, given: dict[str, int], apart: set[int]
) -> Figures | None:
    """Read a signal's cells from the files themselves, but none of some hours; None where they do not tell all."""
    wanted = {"signal": (signal, signal), "width": (given["level"],) * 2}
    wanted |= {"time_us": (given["first"], given["until"] - 1)}
    cells = engine.direct.read(sealed, "rollup", sql.CELL[1:], wanted)
    if cells is None:
        return None
    if apart:
        cells = chosen(cells, ~np.isin(cells["time_us"] // HOUR_US * HOUR_US, list(apart)))
    return {"signal": np.full(len(cells["time_us"]), signal), **cells}


def _direct_raw(engine: Engine, sealed: Sealed, signal: int, spans: Sequence[tuple[int, int]]) -> Figures | None:
    """Read a signal's good readings, each a cell, from the files themselves; None where they do not tell all."""
    parts: list[Figures] = []
    for start, end in spans:
        wanted = {"signal": (signal, signal), "time_us": (start, end - 1), "quality": (0, GOOD_BELOW - 1)}
        found = engine.direct.read(sealed, "reading", ("time_us", "value"), wanted)
        if found is None:
            return None
        parts.append(chosen(found, np.isfinite(found["value"])))
    time_us, value = together(parts).values()
    cell = {"low": value, "high": value, "total": value, "count": np.ones(len(value), np.int64)}
    return {"signal": np.full(len(value), signal), "time_us": time_us, **cell}


def _steps(parts: Sequence[Figures], span: tuple[int, int], width: int, origin: int = 0) -> Figures:
    """Put cells together into steps counted from an origin, by signal and time."""
    cells = together([{name: part[name] for name in sql.CELL} for part in parts])
    cells = chosen(cells, cells["count"] > 0)
    if not len(cells["count"]):
        return dict.fromkeys(("signal", "step", "low", "mean", "high", "count"), np.empty(0))
    signal, time_us = cells["signal"], cells["time_us"]
    if not np.all((signal[1:] > signal[:-1]) | ((signal[1:] == signal[:-1]) & (time_us[1:] >= time_us[:-1]))):
        order = np.lexsort((time_us, signal))
        cells = {name: column[order] for name, column in cells.items()}
    signal, step = cells["signal"], (cells["time_us"] - origin) // width
    begins = np.flatnonzero((np.diff(signal, prepend=-1) != 0) | (np.diff(step, prepend=0) != 0))
    count = np.add.reduceat(cells["count"], begins)
    return {
        "signal": signal[begins],
        "step": np.maximum(span[0], origin + step[begins] * width),
        "low": np.minimum.reduceat(cells["low"], begins),
        "mean": np.add.reduceat(cells["total"], begins) / count,
        "high": np.maximum.reduceat(cells["high"], begins),
        "count": count,
    }


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
    return _newest(source, is_fresh=source is None or has_fresh(engine, sealed, cursor, signals, span))


def _newest(source: str | None, *, is_fresh: bool) -> str:
    """Write what the newest readings are, of a source of sealed ones and, where there are fresh ones, of `hot`."""
    text = sql.NEWEST_HOT if source is None else sql.NEWEST if is_fresh else sql.NEWEST_SEALED
    return text.replace(sql.SEALED, source or "")


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
