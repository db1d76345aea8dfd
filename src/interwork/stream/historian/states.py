"""Questions about states over time: how long each lasted, and what another signal said at the same moment.

A state stands from its reading to the next one; so what happens before a span's first reading is told by the last
reading before the span. Whole hours come from roll-ups, which hold the microseconds in each state.
"""

from collections.abc import Sequence

import duckdb
import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from interwork.core.resource import BAD_NO_DATA, Batch
from interwork.stream.columns import GOOD_BELOW, UNKNOWN, batch_of
from interwork.stream.historian import sql
from interwork.stream.historian.engine import Engine, run_query
from interwork.stream.historian.lake import HOUR_US
from interwork.stream.historian.queries import ROLLED_FROM_US, has_fresh, hours_of, last, listed, newest_of


def durations(
    engine: Engine, cursor: duckdb.DuckDBPyConnection, signals: Sequence[int], span: tuple[int, int]
) -> dict[int, dict[str, float]]:
    """Sum the seconds per text state of signals over a span; the last reading before it tells how it begins."""
    (start, end), sealed = span, engine.sealed
    found: dict[int, dict[str, int]] = {signal: {} for signal in signals}
    if end - start >= ROLLED_FROM_US and sealed.of("rollup", start, end):
        if worded := _worded(engine, cursor, signals, span):
            _ask_rolled(engine, cursor, worded, span)
    else:
        text = newest_of(engine, sealed, cursor, signals, span) + sql.DURATIONS
        run_query(cursor, text, signals, mark=sealed.mark, start=start, end=end)
        worded = list(signals)
    for signal, state, us in cursor.fetchall() if worded else ():
        found[signal][state or UNKNOWN] = us
    before = {signal: end - start - sum(states.values()) for signal, states in found.items()}
    carried = _states_at(engine, cursor, [signal for signal, us in before.items() if us], start)
    for signal, state in carried.items():
        found[signal][state] = found[signal].get(state, 0) + before[signal]
    return {signal: {state: us / 1e6 for state, us in sorted(states.items()) if us} for signal, states in found.items()}


def _states_at(
    engine: Engine, cursor: duckdb.DuckDBPyConnection, signals: Sequence[int], time_us: int
) -> dict[int, str]:
    """Tell the states that the last readings before a time left signals in."""
    states = dict.fromkeys(signals, UNKNOWN)
    if signals:
        carried = last(engine, cursor, signals, end=time_us, near=time_us)
        for signal, quality, text in zip(carried.signal, carried.quality, carried.text, strict=False):
            states[signal] = (text if quality < GOOD_BELOW else None) or UNKNOWN
    return states


def _worded(
    engine: Engine, cursor: duckdb.DuckDBPyConnection, signals: Sequence[int], span: tuple[int, int]
) -> list[int]:
    """List the signals that may be in a state within a span: a signal of numbers has none, however many it says."""
    whole, given = _whole_hours(engine, span)
    apart = _apart(engine, cursor, signals, whole, given)
    found: set[int] = set()
    if (states := engine.sealed.source("state", [whole])) is not None:
        run_query(cursor, sql.WITH_STATES.replace("/*states*/", states), signals, **given)
        found |= {signal for (signal,) in cursor.fetchall()}
    source = engine.sealed.source("reading", _beside(span, whole, apart))
    text = sql.WITH_TEXTS_HOT if source is None else sql.WITH_TEXTS.replace(sql.SEALED, source)
    run_query(cursor, text.replace("/*apart*/", listed(apart)), signals, **given)
    found |= {signal for (signal,) in cursor.fetchall()}
    before = _states_at(engine, cursor, [one for one in signals if one not in found], span[0])
    return [one for one in signals if before.get(one, "") != UNKNOWN]


def _ask_rolled(
    engine: Engine, cursor: duckdb.DuckDBPyConnection, signals: Sequence[int], span: tuple[int, int]
) -> None:
    """Put the question: states of whole hours from their roll-ups, those of the rest from readings."""
    sealed, (whole, given) = engine.sealed, _whole_hours(engine, span)
    apart = _apart(engine, cursor, signals, whole, given)
    states, rolled = sealed.source("state", [whole]), sealed.source("rollup", [whole])
    hours = sql.NO_STATES if states is None else sql.ROLLED_STATES.replace("/*states*/", states)
    hours = hours.replace("/*apart*/", listed(apart))
    bare = set(apart)
    if rolled is not None:
        text = sql.STATELESS.replace(sql.SEALED, rolled).replace("/*rolled*/", hours)
        bare |= hours_of(cursor, text, signals, given)
    source = sealed.source("reading", _beside(span, whole, bare))
    newest = sql.NEWEST_HOT
    if source is not None:
        is_fresh = has_fresh(engine, sealed, cursor, signals, span)
        newest = (sql.NEWEST if is_fresh else sql.NEWEST_SEALED).replace(sql.SEALED, source)
    run_query(cursor, newest + sql.ROLLED_DURATIONS.replace("/*rolled*/", hours), signals, **given)


def _whole_hours(engine: Engine, span: tuple[int, int]) -> tuple[tuple[int, int], dict[str, int]]:
    """Tell from when to when a span is whole hours, and the values that a text of `sql` is given of it."""
    first, until = -(-span[0] // HOUR_US) * HOUR_US, span[1] // HOUR_US * HOUR_US
    given = {"mark": engine.sealed.mark, "start": span[0], "end": span[1], "first": first, "until": until}
    return (first, until), given


def _apart(
    engine: Engine,
    cursor: duckdb.DuckDBPyConnection,
    signals: Sequence[int],
    whole: tuple[int, int],
    given: dict[str, int],
) -> set[int]:
    """Find the hours that have readings no roll-up knows."""
    dirty = hours_of(cursor, sql.DIRTY, signals, given) if engine.hot_from_us < given["end"] else set()
    return dirty | engine.sealed.unrolled(*whole)


def _beside(span: tuple[int, int], whole: tuple[int, int], hours: set[int]) -> list[tuple[int, int]]:
    """List what is read reading by reading: a span's ends beside its whole hours, and some hours."""
    spans = [(span[0], whole[0]), (whole[1], span[1]), *((one, one + HOUR_US) for one in hours)]
    return [(low, high) for low, high in spans if low < high]


def asof(
    engine: Engine, cursor: duckdb.DuckDBPyConnection, pair: tuple[int, int], span: tuple[int, int], limit: int
) -> tuple[Batch, Batch]:
    """Read the left signal and, row by row, the right one's newest reading that is not later."""
    signals, (start, end), sealed = sorted(set(pair)), span, engine.sealed
    text = newest_of(engine, sealed, cursor, signals, span) + sql.JOINED
    given = {"mark": sealed.mark, "start": start, "end": end, "limit": limit, "left": pair[0], "right": pair[1]}
    found = run_query(cursor, text, signals, **given).to_arrow_table()
    own = batch_of(np.full(len(found), pair[0]), *_columns(found, ("time_us", "value", "quality", "text")))
    others = found.select(["other_us", "other_value", "other_quality", "other_text"])
    is_none = np.asarray(pc.is_null(others["other_us"]))
    time_us, value, quality, texts = _columns(others, others.column_names)
    if is_none.any():
        carried = last(engine, cursor, [pair[1]], end=start, near=start)
        known = bool(len(carried))
        time_us = np.where(is_none, carried.time_us[0] if known else 0, time_us)
        value = np.where(is_none, carried.value[0] if known else np.nan, value)
        quality = np.where(is_none, np.uint32(carried.quality[0] if known else BAD_NO_DATA), quality)
        before = carried.text[0] if carried.text else None
        texts = [before if none else one for none, one in zip(is_none.tolist(), texts, strict=True)]
    return own, batch_of(np.full(len(found), pair[1]), time_us, value, quality, texts)


def _columns(
    table: pa.Table, names: Sequence[str]
) -> (
    "tuple[np.typing.NDArray[np.int64], np.typing.NDArray[np.float64], np.typing.NDArray[np.uint32], list[str | None]]"
):
    """Take time, value, quality and text out of a table; what is null becomes 0 and NaN."""
    time_us, value, quality, text = (table[name] for name in names)
    return (
        pc.fill_null(time_us, 0).to_numpy(),
        value.to_numpy(),
        pc.fill_null(quality, 0).to_numpy(),
        text.to_pylist(),
    )
