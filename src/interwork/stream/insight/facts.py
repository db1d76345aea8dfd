"""What readings say: pure functions on columns; what cannot be known is None, never 0.

Only readings of good quality count, and every figure that rests on time comes with its coverage. A value holds until
the signal's next reading. Time for which nothing is known is a state of its own, never downtime.
"""

import math
from array import array
from collections.abc import Iterable, Mapping, Sequence
from itertools import pairwise
from statistics import median
from typing import NamedTuple

import msgspec
import numpy as np
import numpy.typing as npt

from interwork.core.resource import Batch
from interwork.stream.columns import GOOD_BELOW, UNKNOWN, Flags, Ints, columns_of

UNAVAILABLE = "UNAVAILABLE"
"""MTConnect's word for a state that is not known."""
ACTIVE = "ACTIVE"
"""MTConnect's word for production."""
CORRECTION = 0.01
"""A counter that falls by more than this share of its value was reset; by less, it was corrected."""

Floats = npt.NDArray[np.float64]
Span = tuple[int, int]
"""Start and end in µs since 1970, the end exclusive."""


class Interval(NamedTuple):
    """One state from a start to an end (µs since 1970)."""

    start_us: int
    end_us: int
    state: str

    @property
    def seconds(self) -> float:
        """Tell how long it is."""
        return (self.end_us - self.start_us) / 1e6


class RunFacts(msgspec.Struct, frozen=True, kw_only=True):
    """What the readings of a run say."""

    energy_kwh: float | None
    """From the counter where there is one, else from the power; None = not metered."""
    is_counted: bool
    """True where the energy comes from a counter."""
    coverage: float
    """Share of the run for which the execution state is known."""
    active_s: float
    parts: float
    cycle_s: float | None
    """Median seconds per part; None before two counted parts."""


def good(batch: Batch) -> tuple[Ints, Floats]:
    """Take the good, finite numbers of a batch in order of time."""
    columns = columns_of(batch)
    order = np.argsort(columns.time_us, kind="stable")
    is_good: Flags = (columns.quality[order] < GOOD_BELOW) & np.isfinite(columns.value[order])
    return columns.time_us[order][is_good], columns.value[order][is_good]


def held(batch: Batch, start_us: int, end_us: int) -> tuple[Ints, Floats, Flags]:
    """Cut a signal to a span as steps: borders, the value from each border on, and whether it is known there."""
    columns = columns_of(batch)
    order = np.argsort(columns.time_us, kind="stable")
    is_known: Flags = columns.quality < GOOD_BELOW
    if columns.text:
        is_known &= np.fromiter((text not in {None, UNAVAILABLE} for text in columns.text), np.bool_, len(is_known))
    else:
        is_known &= np.isfinite(columns.value)
    order = order[columns.time_us[order] < end_us]
    borders = np.concatenate([[start_us], np.maximum(columns.time_us[order], start_us), [end_us]]).astype(np.int64)
    value = np.concatenate([[0.0], columns.value[order]])
    return borders, value, np.concatenate([[False], is_known[order]])


def split(batch: Batch) -> dict[int, Batch]:
    """Part a batch by its signals."""
    columns = columns_of(batch)
    parts = {}
    for number in np.unique(columns.signal).tolist():
        rows = np.flatnonzero(columns.signal == number)
        texts = [columns.text[row] for row in rows.tolist()] if columns.text else []
        parts[number] = Batch(
            signal=array("i", columns.signal[rows].astype(np.int32).tobytes()),
            time_us=array("q", columns.time_us[rows].tobytes()),
            value=array("d", columns.value[rows].tobytes()),
            quality=array("I", columns.quality[rows].tobytes()),
            text=texts if any(text is not None for text in texts) else [],
        )
    return parts


def intervals(states: Batch, span: Span, *, before: str = UNKNOWN) -> list[Interval]:
    """Turn a text signal into states over a span, equal neighbours joined; `before` holds until its first reading."""
    start_us, end_us = span
    columns = columns_of(states)
    found: list[Interval] = []
    at, state = start_us, before
    for row in np.argsort(columns.time_us, kind="stable").tolist():
        time_us = min(max(int(columns.time_us[row]), start_us), end_us)
        text = columns.text[row] if columns.text and columns.quality[row] < GOOD_BELOW else None
        said = text if text and text != UNAVAILABLE else UNKNOWN
        if said != state:
            if time_us > at:
                found.append(Interval(at, time_us, state))
            at, state = time_us, said
    if end_us > at:
        found.append(Interval(at, end_us, state))
    return _joined(found)


def _joined(found: Iterable[Interval]) -> list[Interval]:
    made: list[Interval] = []
    for one in found:
        if made and made[-1].state == one.state and made[-1].end_us == one.start_us:
            made[-1] = Interval(made[-1].start_us, one.end_us, one.state)
        else:
            made.append(one)
    return made


def within(found: Iterable[Interval], spans: Iterable[Span]) -> list[Interval]:
    """Cut states to some spans."""
    wanted = sorted(spans)
    return [
        Interval(max(one.start_us, start), min(one.end_us, end), one.state)
        for one in found
        for start, end in wanted
        if one.start_us < end and start < one.end_us
    ]


def seconds_of(found: Iterable[Interval]) -> dict[str, float]:
    """Sum the seconds of each state."""
    total: dict[str, int] = {}
    for one in found:
        total[one.state] = total.get(one.state, 0) + one.end_us - one.start_us
    return {state: us / 1e6 for state, us in sorted(total.items())}


def counter_delta(batch: Batch) -> float:
    """Tell how far a counter went on: a reset starts it at 0 again, a small fall is a correction; 0 without steps."""
    _, value = good(batch)
    return math.fsum(_steps(value).tolist())


def _steps(value: Floats) -> Floats:
    if len(value) < 2:
        return np.zeros(0)
    step = np.diff(value)
    is_reset = step < -CORRECTION * np.abs(value[:-1])
    return np.where(is_reset, value[1:], step)


def counted(batch: Batch) -> tuple[Ints, Floats]:
    """Turn a counter into what was counted since its first reading, resets taken out."""
    time_us, value = good(batch)
    if not len(value):
        return time_us, value
    return time_us, np.concatenate([[0.0], np.cumsum(_steps(value))])


def counted_at(batch: Batch, times_us: Sequence[int] | Ints, *, is_held: bool = False) -> Floats:
    """Tell what a counter had counted at some times, straight between readings; outside NaN, or held where told."""
    time_us, total = counted(batch)
    if not len(total):
        return np.full(len(times_us), np.nan)
    ends = (total[0], total[-1]) if is_held else (np.nan, np.nan)
    return np.interp(np.asarray(times_us, np.float64), time_us.astype(np.float64), total, left=ends[0], right=ends[1])


def integral(power: Batch, start_us: int, end_us: int, *, time_scale: float = 1.0) -> tuple[float | None, float]:
    """Integrate kW to kWh, each reading holding until the next; also tell the share of the time it covers."""
    time_us, value, is_known = held(power, start_us, end_us)
    seconds = np.diff(time_us) / 1e6
    covered = float(seconds[is_known].sum())
    total = (end_us - start_us) / 1e6
    if covered == 0 or total <= 0:
        return None, 0.0
    energy = math.fsum((value[is_known] * seconds[is_known]).tolist()) / 3600 * time_scale
    return energy, covered / total


def coverage(batch: Batch, start_us: int, end_us: int) -> float:
    """Tell the share of a time span for which a signal is known: good and not UNAVAILABLE, until its next reading."""
    if end_us <= start_us:
        return 0.0
    time_us, _, is_known = held(batch, start_us, end_us)
    return float(np.diff(time_us)[is_known].sum() / (end_us - start_us))


def known_share(durations: Mapping[str, float]) -> float:
    """Tell the share of a span for which the state was known, from its seconds per state."""
    total = math.fsum(durations.values())
    return 1 - unknown_s(durations) / total if total else 0.0


def unknown_s(durations: Mapping[str, float]) -> float:
    """Sum the seconds for which no state is known."""
    return durations.get(UNKNOWN, 0.0) + durations.get(UNAVAILABLE, 0.0)


def cycle_times(counts: Batch) -> "array[float]":
    """Tell the seconds per part at each step of a part counter; parts counted together share their time."""
    time_us, value = good(counts)
    steps = np.flatnonzero(np.diff(value) > 0) + 1
    made = np.diff(value)[steps - 1]
    seconds = np.diff(time_us[steps]) / 1e6 / made[1:]
    return array("d", seconds.tolist())


def cycles(counts: Batch, span: Span) -> list[Span]:
    """Tell the time of each part: from one step of the part counter to the next, inside a span."""
    time_us, value = good(counts)
    steps = time_us[np.flatnonzero(np.diff(value) > 0) + 1]
    inside = steps[(steps >= span[0]) & (steps < span[1])].tolist()
    return list(pairwise(inside))


def use_by_state(found: Iterable[Interval], counter: Batch | None, power: Batch | None) -> dict[str, float]:
    """Share a use (kWh) among states: from a counter where there is one, else a power integrated; unknown left out."""
    used: dict[str, float] = {}
    for one in found:
        if counter is not None:
            edges = counted_at(counter, [one.start_us, one.end_us], is_held=True)
            amount = float(edges[1] - edges[0])
        elif power is not None:
            amount = integral(power, one.start_us, one.end_us)[0] or 0.0
        else:
            return {}
        if math.isfinite(amount):
            used[one.state] = used.get(one.state, 0.0) + amount
    return used


def run_facts(
    durations: Mapping[str, float],
    *,
    span: Span,
    energy: Batch | None = None,
    power: Batch | None = None,
    counts: Batch | None = None,
    time_scale: float = 1.0,
) -> RunFacts:
    """Put together what a run's readings say; seconds and energy in the machine's own time."""
    used, is_counted = None, False
    if energy is not None and len(good(energy)[1]) > 1:
        used, is_counted = counter_delta(energy), True
    elif power is not None:
        used, _ = integral(power, *span, time_scale=time_scale)
    each = cycle_times(counts) if counts is not None else array("d")
    return RunFacts(
        energy_kwh=used,
        is_counted=is_counted,
        coverage=known_share(durations),
        active_s=durations.get(ACTIVE, 0.0) * time_scale,
        parts=counter_delta(counts) if counts is not None else 0.0,
        cycle_s=median(each) * time_scale if each else None,
    )
