"""Swinging door and aggregation against loops over single readings, on any data in any batches."""

import math

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from interwork.core.blueprint import Keeping
from interwork.core.errors import BadInput
from interwork.core.resource import BatchBuilder, Signal
from interwork.stream.blueprint import CALCULATED, REDUCED, Aggregator, Door, Keeper

BAND = 0.5
SECOND = 1_000_000
VALUES = st.one_of(st.integers(-20, 20).map(lambda one: one / 4), st.just(math.nan))
READINGS = st.lists(st.tuples(st.integers(1, 3), st.integers(1, 400_000), VALUES), max_size=60)


def batch(readings):
    builder = BatchBuilder()
    for one in readings:
        builder.add(*one)
    return builder.take()


def rows(made):
    return list(zip(made.signal, made.time_us, made.value, made.quality, strict=True))


def timed(steps):
    """Turn steps in time into readings in order."""
    at, found = 0, []
    for signal, step, value in steps:
        at += step
        found.append((signal, at, value))
    return found


def cut(readings, sizes):
    """Cut readings into batches."""
    start = 0
    for size in sizes:
        yield batch(readings[start : start + size])
        start += size
    yield batch(readings[start:])


class Reference:
    """A swinging door as one would write it for one signal: try every reading as the end of the line."""

    def __init__(self):
        self.pivot, self.since = None, []

    def keeps(self, at, value):
        if self.pivot is None or math.isnan(value) or math.isnan(self.pivot[1]):
            kept = [*self.since[-1:], (at, value)]
            self.pivot, self.since = (at, value), []
            return kept
        candidates = [*self.since, (at, value)]
        low = max((one - BAND - self.pivot[1]) / (then - self.pivot[0]) for then, one in candidates)
        high = min((one + BAND - self.pivot[1]) / (then - self.pivot[0]) for then, one in candidates)
        kept = []
        if low > high and self.since:
            self.pivot, self.since = self.since[-1], []
            kept.append(self.pivot)
        self.since.append((at, value))
        if at - self.pivot[0] >= 60 * SECOND:
            self.pivot, self.since = (at, value), []
            kept.append(self.pivot)
        return kept


@given(READINGS, st.lists(st.integers(0, 20), max_size=5))
@settings(deadline=None)
def test_a_swinging_door_keeps_what_a_loop_over_single_readings_keeps(steps, sizes):
    readings = timed(steps)
    door, references = Door(dict.fromkeys((1, 2, 3), BAND)), {number: Reference() for number in (1, 2, 3)}
    kept = [row for part in cut(readings, sizes) for row in rows(door.shape(part))]
    expected = [(number, *one) for number, at, value in readings for one in references[number].keeps(at, value)]
    assert np.allclose([row[:3] for row in kept], expected, equal_nan=True) if expected else kept == []


@given(
    st.lists(st.tuples(st.just(1), st.integers(1, 400_000), st.integers(-20, 20).map(float)), min_size=2, max_size=60)
)
@settings(deadline=None)
def test_a_line_through_what_the_door_keeps_passes_every_reading_within_its_deadband(steps):
    readings = timed(steps)
    door = Door({1: BAND})
    kept = [*rows(door.shape(batch(readings))), *rows(door.flush(1 << 62))]
    times, values = [row[1] for row in kept], [row[2] for row in kept]
    line = np.interp([at for _, at, _ in readings], times, values)
    # the last reading of a section lies on a line within the door, the others within twice the band of it
    assert np.all(np.abs(line - [value for *_, value in readings]) <= 2 * BAND + 1e-9)
    assert (times[0], times[-1]) == (readings[0][1], readings[-1][1])


def test_a_straight_line_is_kept_as_its_ends():
    door = Door({1: 0.1})
    kept = rows(door.shape(batch([(1, step * SECOND, step * 0.5) for step in range(1, 50)])))
    assert [(row[1], row[2]) for row in [*kept, *rows(door.flush(1 << 62))]] == [(SECOND, 0.5), (49 * SECOND, 24.5)]


def test_late_readings_texts_and_changes_of_quality_are_kept_as_they_are():
    door = Door({1: 10.0})
    readings = [(1, 10, 1.0), (1, 20, 1.1), (1, 15, 1.05), (1, 30, 1.2, 0x80310000), (1, 40, "ACTIVE"), (1, 50, 2.0)]
    kept = rows(door.shape(batch(readings)))
    assert [row[1] for row in kept] == [10, 15, 20, 30, 40, 50]


class PeriodReference:
    """Periods as one would write them: a list of readings per signal and second."""

    def __init__(self):
        self.periods = {}

    def take(self, signal, at, value):
        self.periods.setdefault((signal, at // SECOND), []).append((at, value))

    def told(self):
        for (signal, period), held in self.periods.items():
            held.sort()
            if len(held) == 1:
                yield (signal, *held[0], 0)
                continue
            chosen = {
                min(held, key=lambda one: (one[1], one[0])),
                max(held, key=lambda one: (one[1], one[0])),
                held[-1],
            }
            yield from ((signal, *one, REDUCED) for one in chosen)
            yield (signal, period * SECOND + SECOND // 2, math.fsum(one for _, one in held) / len(held), CALCULATED)


@given(READINGS, st.lists(st.integers(0, 20), max_size=5))
@settings(deadline=None)
def test_periods_are_what_a_loop_over_single_readings_makes_of_them(steps, sizes):
    readings = [(signal, at + row, value) for row, (signal, at, value) in enumerate(timed(steps))]
    aggregator, reference = Aggregator(), PeriodReference()
    kept = [row for part in cut(readings, sizes) for row in rows(aggregator.shape(part, 0))]
    kept += rows(aggregator.flush(None))
    odd = [row for row in kept if math.isnan(row[2])]
    for signal, at, value in readings:
        if not math.isnan(value):
            reference.take(signal, at, value)
    expected = sorted(reference.told())
    made = sorted(row for row in kept if not math.isnan(row[2]))
    assert [(row[0], row[1], row[3]) for row in made] == [(row[0], row[1], row[3]) for row in expected]
    assert np.allclose([row[2] for row in made], [row[2] for row in expected])
    assert len(odd) == sum(math.isnan(value) for *_, value in readings)


def test_a_period_is_told_when_a_later_one_began_or_a_little_after_its_end():
    aggregator = Aggregator()
    assert rows(aggregator.shape(batch([(1, 100, 1.0), (1, 200, 3.0)]), 500)) == []
    assert len(rows(aggregator.shape(batch([(1, SECOND + 1, 2.0)]), SECOND))) == 3
    assert rows(aggregator.flush(2 * SECOND)) == []
    assert rows(aggregator.flush(3 * SECOND)) == [(1, SECOND + 1, 2.0, 0)]
    assert len(aggregator) == 0


def test_texts_pass_the_periods_at_once():
    assert list(Aggregator().shape(batch([(1, 5, "ACTIVE"), (1, 6, 1.0)]), 0).text) == ["ACTIVE"]


def test_each_signal_is_kept_in_its_own_way():
    def signal(number, keeping, **more):
        return Signal(id=f"s{number}", number=number, resource="r", name="n", address="a", keeping=keeping, **more)

    keeper = Keeper.of(
        [
            signal(1, Keeping.DEADBAND, deadband=1.0),
            signal(2, Keeping.SWINGING_DOOR, deadband=0.1),
            signal(3, Keeping.AGGREGATE, period_s=10.0),
        ]
    )
    readings = [(number, step * SECOND, step * 0.25) for step in range(40) for number in (1, 2, 3)]
    kept = rows(keeper.shape(batch(readings), 0))
    counts = {number: sum(row[0] == number for row in kept) for number in (1, 2, 3)}
    assert counts == {1: 10, 2: 1, 3: 9}
    owed = rows(keeper.flush(60 * SECOND))
    assert {row[0] for row in owed} == {2, 3}


def test_a_wider_deadband_keeps_less_and_is_taken_back():
    keeper = Keeper.of([Signal(id="s", number=1, resource="r", name="n", address="a", deadband=1.0)])
    keeper.widen(4.0)
    assert len(keeper.shape(batch([(1, step, float(step)) for step in range(1, 9)]), 0)) == 2
    keeper.widen(1.0)
    assert len(keeper.shape(batch([(1, step, float(step)) for step in range(9, 17)]), 0)) == 8


@pytest.mark.parametrize("made", [lambda: Door({1: -1.0}), lambda: Door({1: math.nan}), lambda: Aggregator({1: 0.0})])
def test_a_band_or_period_that_is_none_is_bad_input(made):
    with pytest.raises(BadInput):
        made()
