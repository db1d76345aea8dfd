"""Roll-ups: a long trend and a long sum of states equal brute force over the readings, whatever came late."""

from collections import defaultdict
from contextlib import asynccontextmanager

import anyio
import numpy as np
import pytest
from historian_pool import Pool
from hypothesis import Phase, given, settings
from hypothesis import strategies as st

from interwork.stream import UNKNOWN, Historian, batch_of
from interwork.stream.historian import queries, states
from interwork.stream.historian.keeping import Keeping
from interwork.stream.historian.sealing import Lake

HOUR = 3_600_000_000
BASE = 1_789_999_200_000_000
BAD = 0x80310000
QUICK = (Phase.explicit, Phase.generate)


@asynccontextmanager
async def opened(folder):
    held = await Historian.open(folder)
    try:
        yield held
    finally:
        await held.close()


@pytest.fixture(scope="module")
def pool(tmp_path_factory):
    one = Pool(tmp_path_factory.mktemp("pool"))
    yield one
    one.close()


def numbers(signal, time_us, value, quality=None):
    count = len(time_us)
    return batch_of(np.full(count, signal), time_us, value, np.zeros(count) if quality is None else quality)


async def merge(held):
    await held._thread(Keeping(held._engine).merge, 1 << 60)


def brute(readings, start, end, width):
    """Roll readings {time: (value, quality)} up by hand, on the grid of the steps, the first cut at start."""
    steps = defaultdict(list)
    for at, (value, quality) in sorted(readings.items()):
        if start <= at < end and quality == 0 and np.isfinite(value):
            steps[max(start, at // width * width)].append(value)
    return [(at, min(v), pytest.approx(sum(v) / len(v)), max(v), len(v)) for at, v in sorted(steps.items())]


def shown(found):
    return list(zip(found.time_us, found.low, found.mean, found.high, found.count, strict=True))


def load(chance, hours, per_hour):
    count = hours * per_hour
    time_us = BASE + np.sort(chance.choice(hours * HOUR // 1000, count, replace=False)) * 1000
    value = np.round(chance.normal(50, 9, count), 2)
    value[chance.random(count) < 0.02] = np.nan
    value[chance.random(count) < 0.02] = np.inf
    quality = np.where(chance.random(count) < 0.05, BAD, 0)
    gap = (time_us < BASE + 3 * HOUR) | (time_us > BASE + 4.5 * HOUR)
    return time_us[gap], value[gap], quality[gap]


@pytest.mark.parametrize(
    ("hours", "per_hour", "points", "width"),
    [
        (6, 15_000, 500, 44_000_000), (10, 400, 500, 120_000_000),
        (10, 400, 9, 2 * HOUR), (6, 40, 20_000, 2_000_000),
    ],
)  # fmt: skip
async def test_a_long_trend_equals_brute_force_and_gaps_stay_gaps(tmp_path, hours, per_hour, points, width):
    """streams 19: lowest, mean, highest and number by second, minute and hour; nothing is drawn across a gap."""
    time_us, value, quality = load(np.random.default_rng(points), hours, per_hour)
    start, end = BASE + 1_234_567, BASE + hours * HOUR - 7_654_321
    async with opened(tmp_path) as held:
        for part in np.array_split(np.random.default_rng(1).permutation(len(time_us)), 3):
            await held.append(numbers(4, time_us[part], value[part], quality[part]))
        await held.append(numbers(5, time_us, value + 1))
        await held.seal()
        found = await held.trend(4, start, end, points=points)
        await merge(held)
        merged = await held.trend(4, start, end, points=points)
    readings = dict(zip(time_us.tolist(), zip(value.tolist(), quality.tolist(), strict=True), strict=True))
    assert shown(found) == brute(readings, start, end, width)
    assert shown(merged) == shown(found)


@pytest.mark.parametrize("late_by", [1_000_000, HOUR, 72 * HOUR])
async def test_late_readings_land_in_their_hour_and_correct_its_roll_ups(tmp_path, late_by):
    """streams 10: readings 1 s, 1 h and 3 days late; before they are sealed, after, and after the merge."""
    chance, hours = np.random.default_rng(3), 76
    steps = np.arange(0, hours * 3600, 30)
    time_us = BASE + steps[(steps < 3 * 3600) | (steps >= 3600 * (hours - 3))] * 1_000_000
    readings = {int(at): (float(one), 0) for at, one in zip(time_us, chance.normal(size=len(time_us)), strict=True)}
    last, width = BASE + hours * HOUR, 600_000_000
    late = [last - late_by + step * 7 for step in range(3)]
    async with opened(tmp_path) as held:
        await held.append(numbers(1, time_us, [one for one, _ in readings.values()]))
        await held.append(numbers(2, time_us, np.ones(len(time_us))))
        await held.seal()
        readings |= {at: (1000.0 + at % 11, 0) for at in late}
        await held.append(numbers(1, late, [readings[at][0] for at in late]))
        seen = []
        for step in (held.seal, lambda: merge(held), held.usage):
            found = await held.trend(1, BASE, last, points=hours * 6)
            seen.append(shown(found))
            await step()
        names = [path.name for path in (tmp_path / "lake/main/reading").glob("*.parquet")]
    assert seen == [brute(readings, BASE, last, width)] * 3
    assert any(name.startswith((f"hour{late[0] // HOUR}", "reading")) for name in names)


cells = st.lists(
    st.lists(
        st.tuples(st.integers(0, 1), st.integers(0, 30), st.floats(-9, 9, width=16), st.booleans()),
        min_size=1, max_size=12,
    ),
    min_size=1, max_size=5,
)  # fmt: skip


@given(cells, st.sets(st.integers(0, 4)), st.sets(st.integers(0, 4)))
@settings(max_examples=4, deadline=None, database=None, phases=QUICK)
def test_roll_ups_follow_every_correction_in_any_order(pool, batches, seals, merges):
    """streams 11: out of order within a batch and across, duplicates and corrections give what order would give."""

    async def run():
        held_now = {}
        held = pool.fresh()
        for index, one in enumerate(batches):
            times = [BASE + at * HOUR // 5 for _, at, _, _ in one]
            quality = [BAD if is_bad else 0 for *_, is_bad in one]
            values = [value for _, _, value, _ in one]
            await held.append(batch_of([signal for signal, *_ in one], times, values, quality))
            held_now |= dict(
                zip(
                    [(s, t) for (s, *_), t in zip(one, times, strict=True)],
                    zip(values, quality, strict=True),
                    strict=True,
                )
            )
            if index in seals:
                await held.seal()
            if index in merges:
                await merge(held)
        for points in (360, 6):
            width = {360: 60_000_000, 6: HOUR}[points]
            found = await held.trend(1, BASE, BASE + 6 * HOUR, points=points)
            mine = {at: one for (signal, at), one in held_now.items() if signal == 1}
            assert shown(found) == brute(mine, BASE, BASE + 6 * HOUR, width)

    anyio.run(run)


changes = st.lists(
    st.tuples(st.integers(0, 30 * 60), st.sampled_from(["ACTIVE", "READY", "FAULT", None])),
    min_size=1, max_size=40, unique_by=lambda one: one[0],
)  # fmt: skip


@given(changes, st.integers(0, 8 * 60), st.integers(5 * 60, 20 * 60), st.sets(st.integers(0, 39), max_size=3))
@settings(max_examples=4, deadline=None, database=None, phases=QUICK)
def test_long_sums_of_states_are_exact_whatever_was_sealed_when(pool, states, start, minutes, seals):
    """streams 20: state durations over batch, seal, restart and hour borders, exact to the microsecond."""
    begin, end = BASE + start * 60_000_000 + 3, BASE + (start + minutes) * 60_000_000 + 7

    async def run():
        held = pool.fresh()
        for index, (at, state) in enumerate(states):
            given = [BASE + at * 60_000_000 + at] * 2
            texts, quality = [state, "READY"], [0 if state else BAD, 0]
            await held.append(batch_of([1, 2], given, [np.nan, np.nan], quality, texts))
            if index in seals:
                await held.seal()
        before = await held.durations_of([1, 2], begin, end)
        held = pool.reopened()
        await held.seal()
        await merge(held)
        return before[1], await held.durations(1, begin, end), sum(before[2].values())

    expected, state, since = defaultdict(int), None, begin
    for at, then in [*sorted((BASE + at * 60_000_000 + at, one) for at, one in states), (end, None)]:
        until = min(max(at, begin), end)
        expected[state or UNKNOWN] += until - since
        state, since = then, until
    wanted = {state: us / 1e6 for state, us in expected.items() if us}
    assert anyio.run(run) == (wanted, wanted, pytest.approx((end - begin) / 1e6))


async def test_readings_sealed_before_there_were_roll_ups_get_theirs_at_the_next_start(tmp_path, monkeypatch):
    """streams 16: a folder written by the version before is opened, and its long trends are right."""
    time_us = BASE + np.arange(0, 8 * 3600, 60) * 1_000_000
    monkeypatch.setattr(Lake, "roll", lambda *_, **__: [])
    async with opened(tmp_path) as held:
        await held.append(numbers(1, time_us, np.arange(len(time_us), dtype=float)))
        await held.seal()
    monkeypatch.undo()
    async with opened(tmp_path) as held:
        assert held._engine.sealed.of("rollup", BASE, BASE + HOUR)
        found = await held.trend(1, BASE, BASE + 8 * HOUR, points=8)
        assert (list(found.count), list(found.low)) == ([60] * 8, [60.0 * hour for hour in range(8)])


async def test_bad_readings_are_counted_and_the_last_good_one_is_told(tmp_path):
    """streams 15: NaN, infinities, bad quality: counted as bad, in no lowest, mean or highest."""
    value = [1.0, np.nan, np.inf, -0.0, 9.0, 2.0]
    async with opened(tmp_path) as held:
        await held.append(numbers(1, BASE + np.arange(6), value, [0, 0, 0, 0, BAD, 0]))
        await held.append(batch_of([1], [BASE + 9], [np.nan], [0], ["text"]))
        await held.seal()
        row = await held._thread(
            lambda: held._engine.sealing.execute(
                "SELECT low, high, total, count, last, bad, rows FROM lake.rollup WHERE width = 60000000"
            ).fetchall()
        )
    assert row == [(0.0, 2.0, 3.0, 3, 2.0, 3, 7)]


async def test_a_long_question_after_states_of_numbers_reads_no_readings_and_words_among_them_count(pool, monkeypatch):
    """streams 20: signals of numbers have no state, however many they say; a word said once stands till then."""
    held, minutes = pool.fresh(), BASE + np.arange(0, 8 * 3600, 60) * 1_000_000
    for signal in range(1, 6):
        await held.append(numbers(signal, minutes + signal, np.arange(480.0)))
    said = [BASE - HOUR, BASE + 3 * HOUR + 7, BASE + 8 * HOUR - 9]
    for signal, at in zip((3, 4, 5), said, strict=True):
        await held.append(batch_of([signal], [at], [np.nan], [0], ["ACTIVE"]))
    await held.seal()
    asked = []
    ask = states._ask_rolled
    monkeypatch.setattr(states, "_ask_rolled", lambda *given: (asked.append(given[2]), ask(*given)))
    found = await held.durations_of([1, 2, 3, 4, 5, 9], BASE, BASE + 8 * HOUR)
    assert [*found[1], *found[2], *found[9]] == [UNKNOWN] * 3
    assert {signal: found[signal].get("ACTIVE", 0) for signal in (3, 4, 5)} == {3: 3e-6, 4: 59.999997, 5: 9e-6}
    assert {sum(one.values()) for one in found.values()} == {8 * 3600.0}
    assert asked == [[3, 4, 5]]


async def test_fine_steps_of_many_signals_are_read_some_signals_at_a_time(pool, monkeypatch):
    """streams 17: the answer is the one that all of them at once would give."""
    held, seconds = pool.fresh(), BASE + np.arange(0, 5 * 3600, 2) * 1_000_000
    for signal in range(1, 6):
        await held.append(numbers(signal, seconds + signal, np.random.default_rng(signal).normal(size=len(seconds))))
    await held.seal()
    await held.append(numbers(2, [BASE + HOUR], np.array([99.0])))
    asked = ([1, 2, 3, 4, 5], BASE + 5, BASE + 5 * HOUR - 5)
    at_once = await held.trends(*asked, width_us=2_000_000)
    monkeypatch.setattr(queries, "CELLS_AT_ONCE", 40_000)
    assert await held.trends(*asked, width_us=2_000_000) == at_once
