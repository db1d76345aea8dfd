"""What the historian promises: nothing acknowledged is lost, nothing doubles, and every answer equals brute force."""

import os
import shutil
import signal as signals
import subprocess
import sys
from collections import defaultdict
from contextlib import asynccontextmanager
from pathlib import Path

import anyio
import numpy as np
import pytest
from historian_pool import Pool
from hypothesis import given, settings
from hypothesis import strategies as st

from interwork.core.errors import BadInput, DiskFull, LimitReached, Unusable
from interwork.core.resource import BatchBuilder
from interwork.stream import UNKNOWN, Historian, batch_of
from interwork.stream.historian import engine
from interwork.stream.historian import opened as opening
from interwork.stream.historian import service as historian

CHILD = Path(__file__).with_name("historian_child.py")
HOUR = 3_600_000_000
BASE = 1_789_999_200_000_000
BAD = 0x80310000


def batch(*readings):
    builder = BatchBuilder()
    for one in readings:
        builder.add(*one)
    return builder.take()


def rows(found):
    texts = found.text or [None] * len(found)
    return list(zip(found.signal, found.time_us, found.value, found.quality, texts, strict=True))


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


@pytest.fixture
def held(pool):
    return pool.fresh(is_clean=True)


# --- what was appended is there -------------------------------------------------------------------------------


async def test_readings_come_back_in_order_of_time_within_a_half_open_span(held):
    await held.append(batch((2, 30, 3.0), (1, 10, 1.0), (1, 20, "ACTIVE"), (1, 40, 4.0), (3, 20, 9.0)))
    found = await held.readings([1, 2], 10, 40)
    assert [(one[0], one[1]) for one in rows(found)] == [(1, 10), (1, 20), (2, 30)]
    assert found.text == [None, "ACTIVE", None]


async def test_an_append_answers_with_the_sequence_of_its_last_reading_and_an_empty_one_with_the_last_given(held):
    assert [await held.append(batch((1, 1, 1.0), (1, 2, 1.0))), await held.append(batch((1, 3, 1.0)))] == [2, 3]
    assert await held.append(batch()) == 3


async def test_no_more_readings_are_returned_than_asked_for_the_earliest_first(held):
    await held.append(batch(*[(1, time_us, 1.0) for time_us in range(9, -1, -1)]))
    assert list((await held.readings([1], 0, 100, limit=3)).time_us) == [0, 1, 2]


@pytest.mark.parametrize("is_sealed", [False, True])
async def test_numbers_that_are_none_and_every_quality_are_kept_as_they_came(held, is_sealed):
    await held.append(batch((1, 1, None, BAD), (1, 2, float("inf")), (1, 3, -0.0, 0xFFFFFFFF)))
    _ = await held.seal() if is_sealed else 0
    assert repr(rows(await held.readings([1], 0, 9))) == repr(
        [(1, 1, float("nan"), BAD, None), (1, 2, float("inf"), 0, None), (1, 3, -0.0, 0xFFFFFFFF, None)]
    )


async def test_appends_made_at_the_same_time_share_commits_and_each_gets_its_own_sequence(held, monkeypatch):
    commits, insert = [], engine.Engine.insert
    monkeypatch.setattr(engine.Engine, "insert", lambda *given: (commits.append(1), insert(*given))[1])
    given_sequences = []

    async def append(number):
        given_sequences.append(await held.append(batch((number, 1, 1.0), (number, 2, 1.0))))

    async with anyio.create_task_group() as tasks:
        for number in range(40):
            tasks.start_soon(append, number)
    assert (sorted(given_sequences), len(commits) < 10) == (list(range(2, 82, 2)), True)


async def test_an_append_that_is_given_up_while_waiting_leaves_nothing_behind(held):
    async def give_up():
        with anyio.move_on_after(0.01):
            await held.append(batch((1, 1, 1.0)))

    async with held._writing, anyio.create_task_group() as tasks:
        tasks.start_soon(give_up)
    await held.append(batch((2, 1, 1.0)))
    assert (await held.usage()).rows == 1


async def test_everything_is_there_after_closing_and_opening_in_another_place(tmp_path):
    async with opened(tmp_path / "a") as held:
        await held.append(batch((1, BASE, 1.0)))
        await held.seal()
        await held.append(batch((1, BASE + 5, "READY")))
    shutil.move(tmp_path / "a", tmp_path / "b")
    async with opened(tmp_path / "b") as held:
        assert [one[1:3] for one in rows(await held.readings([1], BASE, BASE + 1))] == [(BASE, 1.0)]
        assert await held.append(batch((1, BASE + 9, 1.0))) == 3
        assert (await held.usage()).rows == 3


# --- corrections, late data, duplicates ------------------------------------------------------------------------

arrivals = st.lists(
    st.lists(st.tuples(st.integers(0, 3), st.integers(0, 12), st.integers(0, 99).map(float)), max_size=12),
    min_size=1, max_size=5,
)  # fmt: skip


@given(arrivals, st.lists(st.booleans(), min_size=5, max_size=5))
@settings(max_examples=6, deadline=None, database=None)
def test_of_one_signal_and_time_the_last_to_arrive_wins_however_sealed(pool, batches, seals):
    async def run():
        held = pool.fresh()
        for given_batch, is_sealed in zip(batches, seals, strict=False):
            await held.append(batch(*[(one[0], BASE + one[1] * HOUR // 4, one[2]) for one in given_batch]))
            _ = await held.seal() if is_sealed else 0
        found = rows(await held.readings([0, 1, 2, 3], BASE, BASE + 4 * HOUR))
        await held.seal()
        return found, rows(await held.readings([0, 1, 2, 3], BASE, BASE + 4 * HOUR)), await held.usage()

    expected = {(BASE + time * HOUR // 4, signal): value for one in batches for signal, time, value in one}
    before, after, usage = anyio.run(run)
    assert {(one[1], one[0]): one[2] for one in before} == expected
    assert (len(before), after, usage.rows, usage.hot_rows) == (len(expected), before, len(expected), 0)


async def test_a_few_late_readings_correct_a_large_sealed_hour(held):
    await held.append(batch(*[(1, BASE + step, 1.0) for step in range(500)]))
    await held.seal()
    await held.append(batch(*[(1, BASE + step, 2.0) for step in range(100, 130)], (1, BASE + HOUR - 1, 3.0)))
    await held.seal()
    found = await held.readings([1], BASE, BASE + HOUR)
    assert (len(found), sum(found.value)) == (501, 470 + 60 + 3)
    assert len(list((held._folder / "lake/main/reading").glob("hour*.parquet"))) == 2


async def test_late_readings_are_merged_while_the_hour_has_no_more_than_they_are(held):
    for start in (0, 30):
        await held.append(batch(*[(1, BASE + start + step, 1.0) for step in range(50)]))
        await held.seal()
    await held._thread(lambda: engine_lake(held).free(grace=historian_grace()))
    assert len(list((held._folder / "lake/main/reading").glob("*.parquet"))) == 1
    assert (await held.usage()).rows == 80


def engine_lake(held):
    return historian.Keeping(held._engine)


def historian_grace():
    from datetime import timedelta

    return timedelta(0)


# --- answers equal brute force ---------------------------------------------------------------------------------


@pytest.fixture(scope="module")
def noise():
    chance = np.random.default_rng(7)
    time_us = BASE + np.sort(chance.choice(3 * HOUR, 6000, replace=False))
    quality = np.where(chance.random(6000) < 0.1, BAD, 0)
    value = np.where(chance.random(6000) < 0.05, np.nan, chance.normal(size=6000))
    return time_us, value, quality


@pytest.mark.parametrize("points", [1, 7, 500, 100_000])
async def test_a_trend_equals_brute_force_over_hot_and_sealed_readings(held, noise, points):
    time_us, value, quality = noise
    for part in np.array_split(chance_order := np.random.default_rng(1).permutation(6000), 6):
        await held.append(batch_of(np.full(1000, 4), time_us[part], value[part], quality[part]))
        _ = await held.seal() if part[0] == chance_order[3000] else 0
    start, end = BASE + 1000, BASE + 3 * HOUR - 1000
    found = await held.trend(4, start, end, points=points)
    width, steps = -(-(end - start) // points), defaultdict(list)
    for at, one, status in zip(time_us.tolist(), value.tolist(), quality.tolist(), strict=True):
        if start <= at < end and status == 0 and one == one:  # noqa: PLR0124
            steps[start + (at - start) // width * width].append(one)
    assert list(found.time_us) == sorted(steps)
    assert list(found.count) == [len(steps[at]) for at in sorted(steps)]
    assert list(found.low) == [min(steps[at]) for at in sorted(steps)]
    assert list(found.high) == [max(steps[at]) for at in sorted(steps)]
    assert list(found.mean) == pytest.approx([sum(steps[at]) / len(steps[at]) for at in sorted(steps)])


changes = st.lists(
    st.tuples(st.integers(0, 4 * HOUR), st.sampled_from(["ACTIVE", "READY", "FAULT", None])),
    min_size=1, max_size=14, unique_by=lambda one: one[0],
)  # fmt: skip


@given(changes, changes, st.integers(0, 2 * HOUR), st.integers(1, 2 * HOUR), st.integers(0, 13))
@settings(max_examples=5, deadline=None, database=None)
def test_durations_are_exact_over_batch_seal_hour_and_restart_borders(pool, states, others, start, span, cut):
    """streams 20: of each signal, of both in one question, to the microsecond."""
    begin, end = BASE + start, BASE + start + span

    async def run():
        ordered = [(1, BASE + at, state, 0 if state else BAD) for at, state in sorted(states)]
        held = pool.fresh()
        for one in ordered[:cut]:
            await held.append(batch(one))
        await held.append(batch(*[(2, BASE + at, state, 0 if state else BAD) for at, state in others]))
        await held.seal()
        held = pool.reopened()
        await held.append(batch(*ordered[cut:]))
        return await held.durations_of([2, 1, 3], begin, end), await held.durations(1, begin, end)

    expected = {1: lasted(states, start, span), 2: lasted(others, start, span), 3: {UNKNOWN: span / 1e6}}
    assert anyio.run(run) == (expected, expected[1])


def lasted(states, start, span):
    expected, state, since = defaultdict(int), None, start
    for at, then in [*sorted(states), (start + span, None)]:
        until = min(max(at, start), start + span)
        expected[state or UNKNOWN] += until - since
        state, since = then, until
    return {state: us / 1e6 for state, us in expected.items() if us}


moments = st.lists(st.integers(0, 12), max_size=9, unique=True)


@given(moments, moments, st.integers(0, 8), st.integers(0, 8), st.booleans())
@settings(max_examples=12, deadline=None, database=None)
def test_readings_joined_as_of_a_moment_equal_brute_force_at_every_border(pool, own, others, start, span, is_sealed):
    """streams 21: equal times count, what was before the span is carried into it, later readings never."""

    async def run():
        held = pool.fresh()
        await held.append(
            batch(*[(1, BASE + at, float(at)) for at in own], *[(2, BASE + at, str(at)) for at in others])
        )
        _ = await held.seal() if is_sealed else 0
        return await held.asof(1, 2, BASE + start, BASE + start + span)

    left, right = anyio.run(run)
    wanted = [at for at in sorted(own) if start <= at < start + span]
    then = [max((other for other in others if other <= at), default=None) for at in wanted]
    texts = right.text or [None] * len(right)
    assert list(left.time_us) == [BASE + at for at in wanted]
    assert list(right.time_us) == [0 if at is None else BASE + at for at in then]
    assert texts == [None if at is None else str(at) for at in then]
    assert [one == 0 for one in right.quality] == [at is not None for at in then]


async def test_the_last_known_state_is_found_however_long_ago_it_was(held):
    await held.append(batch((1, BASE, "ACTIVE"), (2, BASE + 400 * HOUR, 1.0)))
    await held.seal()
    assert await held.durations(1, BASE + 500 * HOUR, BASE + 500 * HOUR + 1_500_000) == {"ACTIVE": 1.5}


async def test_the_state_of_a_signal_never_read_is_unknown(held):
    assert await held.durations(9, 0, 2_000_000) == {UNKNOWN: 2.0}


async def test_latest_finds_each_signals_newest_by_source_time_wherever_it_is(held):
    await held.append(batch((1, BASE, 1.0), (2, BASE + 90 * HOUR, "READY"), (3, BASE + 100 * HOUR, 3.0)))
    await held.seal()
    await held.append(batch((2, BASE + 80 * HOUR, 9.0), (3, BASE + 100 * HOUR, 4.0)))
    found = await held.latest([3, 2, 1, 77])
    assert sorted((one[0], one[2], one[4]) for one in rows(found) if one[0] != 2) == [(1, 1.0, None), (3, 4.0, None)]
    assert [one[4] for one in rows(found) if one[0] == 2] == ["READY"]


# --- marks -----------------------------------------------------------------------------------------------------


@given(st.lists(st.integers(1, 30), min_size=1, max_size=6), st.integers(5, 25), st.sets(st.integers(0, 9), max_size=3))
@settings(max_examples=8, deadline=None, database=None)
def test_marks_never_skip_or_repeat_a_reading_while_batches_come_and_are_sealed(pool, sizes, limit, seals):
    async def run():
        held = pool.fresh()
        taken, mark, step, left = [], 0, 0, list(sizes)
        while left or step < 24:
            if left:
                size = left.pop()
                await held.append(batch(*[(row % 3, BASE + len(left) * HOUR + row, 1.0) for row in range(size)]))
            _ = await held.seal() if step in seals else 0
            found, mark = await held.after(mark, [0, 2], BASE, None, limit=limit)
            taken += [one[:2] for one in rows(found)]
            step += 1
        return taken, [one[:2] for one in rows(await held.readings([0, 2], BASE, BASE + 9 * HOUR))]

    taken, everything = anyio.run(run)
    assert (sorted(taken), len(taken)) == (sorted(everything), len(set(taken)))


async def test_a_mark_moves_past_readings_that_were_not_asked_for(held):
    await held.append(batch(*[(1, time_us, 1.0) for time_us in range(10)]))
    assert (await held.after(0, [2], 0, None))[1] == 10
    assert (await held.after(99, [1], 0, None))[1] == 99


# --- sealing, retention, quota ---------------------------------------------------------------------------------


async def test_usage_counts_readings_and_bytes_and_a_long_backfill_makes_few_files(held):
    await held.append(batch(*[(1, BASE + hour * HOUR, 1.0) for hour in range(1000)]))
    assert await held.seal() == 1000
    usage = await held.usage()
    on_disk = sum(path.stat().st_size for path in held._folder.rglob("*") if path.is_file())
    assert (usage.rows, usage.hot_rows, usage.bytes) == (1000, 0, pytest.approx(on_disk, rel=0.2))
    assert len(list((held._folder / "lake/main/reading").glob("*.parquet"))) <= 96


async def test_sealing_nothing_is_nothing(held):
    assert [await held.seal(), (await held.usage()).rows] == [0, 0]


async def test_readings_can_be_appended_and_asked_for_while_others_are_sealed(held):
    await held.append(
        batch_of(np.arange(300_000) % 100, BASE + np.arange(300_000), np.ones(300_000), np.zeros(300_000))
    )
    async with anyio.create_task_group() as tasks:
        tasks.start_soon(held.seal)
        for step in range(20):
            await held.append(batch((7, BASE - 1 - step, 1.0)))
            assert len(await held.readings([7], BASE - 100, BASE + HOUR)) == 3000 + step + 1
    assert (await held.usage()).rows == 300_020


# --- what goes wrong -------------------------------------------------------------------------------------------


def start(folder, mode):
    environment = {**os.environ, "PYTHONPATH": os.pathsep.join(sys.path)}
    command = [sys.executable, str(CHILD), str(folder), mode]
    return subprocess.Popen(command, env=environment, stdout=subprocess.PIPE, text=True)


async def whole(folder, acknowledged):
    """Check that every acknowledged batch is there once, before and after a seal."""
    async with opened(folder) as held:
        for _ in range(2):
            found = await held.readings(range(10), 0, 1 << 60, limit=1_000_000)
            count = np.bincount((np.frombuffer(found.time_us, np.int64) - BASE) // 60_000_000)
            assert all(count[index] == 200 for index in acknowledged)
            assert len(set(zip(found.signal, found.time_us, strict=True))) == len(found) == (await held.usage()).rows
            await held.seal()


async def test_a_kill_at_any_moment_loses_nothing_acknowledged_and_nothing_doubles(tmp_path):
    """streams 1: killed under ingest, again and again."""
    acknowledged = []
    for lines in (3, 15, 29, 1):
        child = start(tmp_path, "ingest")
        acknowledged += [int(child.stdout.readline()) for _ in range(lines)]
        child.send_signal(signals.SIGKILL)
        acknowledged += [int(line) for line in child.communicate(timeout=30)[0].splitlines()]
    await whole(tmp_path, acknowledged)


@pytest.mark.parametrize(
    "mode", ["before-folder-sync", "before-roll-up", "before-commit", "within-commit", "after-commit"]
)
async def test_a_crash_beside_the_catalogs_commit_leaves_each_reading_once_and_no_orphan(tmp_path, mode):
    """streams 2: killed between each pair of steps of a seal."""
    child = start(tmp_path, mode)
    acknowledged = [int(line) for line in child.communicate(timeout=60)[0].splitlines()]
    assert (child.returncode, len(acknowledged) > 2) == (9, True)
    await whole(tmp_path, acknowledged)
    async with opened(tmp_path) as held:
        known = held._engine.sealing.execute("SELECT count(*) FROM ducklake_list_files('lake', 'reading')").fetchone()[
            0
        ]
        await held._thread(lambda: engine_lake(held).free(grace=historian_grace()))
        assert len(list((tmp_path / "lake/main/reading").glob("hour*.parquet"))) == known


@pytest.mark.parametrize("mode", ["fill", "fill-checkpoint"])
def test_a_full_disk_is_said_and_nothing_acknowledged_is_lost_and_appending_goes_on_with_space(tmp_path, mode):
    """streams 5: the hot file meets its limit (of file size, as no volume can be mounted here), and goes on after."""
    child = start(tmp_path, mode)
    kept, readable, after, said = child.communicate(timeout=60)[0].strip().split("|")
    assert int(kept) > 0
    assert int(readable) >= int(kept)
    assert int(after) == int(readable) + 1
    assert "Nothing acknowledged was lost" in said


def test_a_seal_that_meets_a_full_disk_at_any_step_loses_nothing_leaves_nothing_and_is_done_later(tmp_path):
    """streams 6: readings, roll-ups, catalog: each at its turn; the database is opened anew and the answers stay."""
    faults, answers, rows, is_clean, hot, *said = (
        start(tmp_path, "seal-full").communicate(timeout=60)[0].strip().split("|")
    )
    assert (faults, rows, is_clean, hot) == ("4", "{60000}", "True", "0")
    assert answers.count("(60000, True)") == 4
    assert said[0].startswith("DiskFull")
    assert said[-1].startswith("Unusable")


async def test_the_reserve_is_never_touched_and_the_answer_says_so(held, monkeypatch):
    await held.append(batch((1, 1, 1.0)))
    monkeypatch.setattr(engine.shutil, "disk_usage", lambda _: shutil._ntuple_diskusage(1, 1, 1_000_000))
    with pytest.raises(DiskFull, match="1 MB are free"):
        await held.append(batch((1, 2, 1.0)))
    monkeypatch.undo()
    await held.append(batch((1, 3, 1.0)))
    assert list((await held.readings([1], 0, 9)).time_us) == [1, 3]


def test_a_second_process_is_told_who_has_the_readings_and_what_to_do(tmp_path):
    """streams 9: the message; others read over the API."""
    child = start(tmp_path, "ingest")
    child.stdout.readline()
    said = start(tmp_path, "open").communicate(timeout=60)[0]
    child.kill()
    child.communicate(timeout=30)
    assert said.startswith("Unusable|")
    assert "open in another process" in said
    assert "a data folder of its own" in said


async def test_a_question_that_takes_too_long_is_stopped_and_the_next_one_answered(held, monkeypatch):
    """streams 8: a long question is stopped at its limit; two read at a time, within 256 MB."""
    await held.append(batch((1, 1, 1.0)))
    with monkeypatch.context() as hurried:
        hurried.setattr(opening, "QUERY_S", 0.2)
        hurried.setattr(
            historian.queries,
            "usage",
            lambda _, cursor: cursor.execute("FROM range(9000000000) SELECT sum(sin(range))"),
        )
        with pytest.raises(LimitReached, match="time limit"):
            await held.usage()
    assert len(await held.readings([1], 0, 9)) == 1


async def test_a_question_whose_asker_goes_away_is_stopped(held, monkeypatch):
    monkeypatch.setattr(
        historian.queries, "usage", lambda _, cursor: cursor.execute("FROM range(9000000000) SELECT sum(sin(range))")
    )
    with anyio.fail_after(30), anyio.move_on_after(0.2) as gone:
        await held.usage()
    assert gone.cancelled_caught


async def test_a_closed_historian_says_so(tmp_path):
    held = await Historian.open(tmp_path)
    await held.close()
    for ask in (held.usage(), held.append(batch((1, 1, 1.0))), held.seal()):
        with pytest.raises(Unusable, match=r"not open|closed"):
            await ask


@pytest.mark.parametrize(
    ("given_signals", "start", "end", "limit", "said"),
    [
        ([1], 9, 0, 1, "before it starts"), ([1], 0, 9, 0, "0 readings"), ([1], 0, 1 << 70, 1, "64 bits"),
        (range(20_000), 0, 9, 1, "20000 signals"),
    ],
)  # fmt: skip
async def test_a_question_that_cannot_be_answered_says_what_is_wrong(held, given_signals, start, end, limit, said):
    with pytest.raises(BadInput, match=said):
        await held.readings(given_signals, start, end, limit=limit)


async def test_asking_for_no_signals_finds_none(held):
    await held.append(batch((1, 1, 1.0)))
    assert [
        len(await held.readings([], 0, 9)),
        len(await held.latest([])),
        len((await held.after(0, [], 0, 9))[0]),
    ] == [0, 0, 0]
