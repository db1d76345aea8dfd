"""Hours sealed in parts, days as one file, and large files written some signals at a time: the answers stay."""

from datetime import timedelta

import anyio
import numpy as np
import pyarrow.parquet as pq
import pytest
from historian_pool import Pool
from hypothesis import Phase, given, settings
from hypothesis import strategies as st

from interwork.core.clock import from_us
from interwork.core.settings import Limits
from interwork.stream import batch_of
from interwork.stream.historian import keeping, sealing, service
from interwork.stream.historian.keeping import Keeping

HOUR = 3_600_000_000
DAY = 24 * HOUR
BASE = 1_789_999_200_000_000 // DAY * DAY
STATES = ("ACTIVE", "READY", "FAULT")


@pytest.fixture(scope="module")
def pool(tmp_path_factory):
    one = Pool(tmp_path_factory.mktemp("pool"))
    yield one
    one.close()


@pytest.fixture
def held(pool):
    return pool.fresh(is_clean=True)


def numbers(signal, times, value=None):
    count = len(times)
    given = np.random.default_rng(signal).integers(-640, 640, count) / 64 if value is None else np.full(count, value)
    return batch_of(np.full(count, signal), times, given, np.zeros(count))


async def keep(held, step, *given):
    return await held._thread(getattr(Keeping(held._engine), step), *given)


async def seal_early(held, over_us):
    return await held._seal(lambda _: held._sequence, over_us)


def files(held, table="reading"):
    return [file for file in held._engine.sealed.files if file.table == table]


async def answers(held, end):
    return (
        await held.trend(1, BASE + 7, end - 7, points=50),
        await held.trend(1, BASE + HOUR, BASE + HOUR + HOUR // 2, points=7),
        await held.trends([1, 2], BASE, end),
        await held.readings([1, 2], BASE, end),
        (await held.readings([3], BASE, end)).text,
        await held.durations_of([3], BASE + 5, end - 5),
        await held.latest([1, 2]),
    )


def plant(hours, every_s=60):
    """Two signals of numbers and one of states."""
    at = BASE + np.arange(0, hours * 3600, every_s) * 1_000_000
    states = [STATES[one] for one in np.random.default_rng(1).integers(0, 3, len(at))]
    nothing = np.full(len(at), np.nan)
    texts = batch_of(np.full(len(at), 3), at + 11, nothing, np.zeros(len(at)), states)
    return [numbers(1, at), numbers(2, at + 5), texts]


async def test_an_hour_sealed_in_parts_while_it_goes_on_is_rolled_up_once_when_it_is_over(held):
    """streams 17: a plant that fills the hot table many times an hour does not roll its hour up each time."""
    whole = plant(6)
    for batch in whole:
        await held.append(batch)
    wanted = await answers(held, BASE + 6 * HOUR)
    assert await seal_early(held, BASE + 4 * HOUR)
    for part in range(3):
        await held.append(numbers(1, [BASE + 5 * HOUR + part * 60_000_000], 50.0 + part))
        await held.append(numbers(1, [BASE + 5 * HOUR + part * 60_000_000 + 9], 7.0))
        before = await answers(held, BASE + 6 * HOUR)
        await seal_early(held, BASE + 4 * HOUR)
        assert await answers(held, BASE + 6 * HOUR) == before
    assert before != wanted
    names = [file.name for file in files(held) if file.last_us >= BASE + 5 * HOUR]
    assert (len(names), {name[:5] for name in names}) == (4, {"fresh"})
    assert max(file.last_us for file in files(held, "rollup")) < BASE + 4 * HOUR
    assert await keep(held, "settle", BASE + 5 * HOUR + 7) == 1
    assert await keep(held, "settle", BASE + 6 * HOUR) == 1
    assert len([file for file in files(held) if file.last_us >= BASE + 5 * HOUR]) == 1
    assert {file.first_us // HOUR for file in files(held, "rollup")} == {BASE // HOUR + hour for hour in range(6)}
    assert await answers(held, BASE + 6 * HOUR) == before


async def test_what_comes_late_to_an_hour_that_waits_for_its_roll_ups_waits_with_it(held):
    """streams 10: the hour is over, sealed in parts, and its last readings come with the seal of the hour."""
    at = BASE + np.arange(0, 3600, 10) * 1_000_000
    await held.append(numbers(1, at[:200]))
    await seal_early(held, BASE)
    await held.append(numbers(1, at[150:]))
    await seal_early(held, BASE + HOUR)
    assert (files(held, "rollup"), len(files(held))) == ([], 2)
    assert await held.seal() == 0
    assert (len(files(held)), len(files(held, "rollup"))) == (1, 1)
    assert sum((await held.trend(1, BASE, BASE + 5 * HOUR, points=5)).count) == len(at)


async def test_the_node_seals_by_size_within_the_hour_and_settles_it_after(tmp_path, monkeypatch):
    """streams 17: by the clock alone."""
    monkeypatch.setattr(service, "SEAL_ROWS", 100)
    moment = [BASE + HOUR // 2]
    held = await service.Historian.open(tmp_path, clock=lambda: from_us(moment[0]))
    hour = held._hour()
    for part in range(3):
        await held.append(numbers(1, BASE + np.arange(part * 100, part * 100 + 100) * 1_000_000))
        hour = await held.tend(hour)
    assert (len(files(held)), files(held, "rollup"), (await held.usage()).hot_rows) == (3, [], 0)
    moment[0] = BASE + HOUR + 60_000_000
    hour = await held.tend(hour)
    assert (len(files(held)), len(files(held, "rollup")), files(held)[0].rows) == (1, 1, 300)
    await held.close()


async def test_readings_dropped_before_their_hour_was_rolled_up_are_rolled_up_first(held):
    """streams 18: roll-ups are kept, also of what a quota takes early."""
    await held.append(numbers(1, BASE + np.arange(2 * 3600) * 1_000_000))
    await seal_early(held, BASE)
    assert await keep(held, "drop_to_fit", 1.0)
    assert len(await held.readings([1], BASE, BASE + 2 * HOUR)) == 0
    assert sum((await held.trend(1, BASE, BASE + 4 * HOUR, points=4)).count) == 2 * 3600


async def test_the_hours_of_a_day_that_is_over_become_one_file_and_every_answer_stays(held):
    """streams 19: a question of a week opens seven files, not 168."""
    for batch in plant(27):
        await held.append(batch)
    await held.seal()
    wanted = await answers(held, BASE + 27 * HOUR)
    assert len(files(held)) == 27
    await keep(held, "merge", BASE + DAY - 1)
    assert len(files(held)) == 27
    assert await keep(held, "merge", BASE + DAY)
    assert [file.last_us // DAY - BASE // DAY for file in files(held)] == [0] + [1] * 3
    assert await answers(held, BASE + 27 * HOUR) == wanted
    assert await keep(held, "merge", BASE + DAY) == 0


async def test_a_late_correction_of_a_merged_day_is_seen_at_once_and_merged_later(held):
    """streams 10, 13: three days late, into a day that is one file."""
    for batch in plant(24):
        await held.append(batch)
    await held.seal()
    await keep(held, "merge", BASE + DAY)
    at = [BASE + 7 * HOUR, BASE + 7 * HOUR + 1]
    await held.append(numbers(1, at, 99.0))
    for step in (held.usage, held.seal, lambda: keep(held, "merge", BASE + DAY)):
        await step()
        found = await held.trend(1, BASE + 7 * HOUR, BASE + 7 * HOUR + 2, points=2)
        assert (list(found.high), sum((await held.trend(1, BASE, BASE + DAY, points=24)).count)) == ([99.0] * 2, 1441)
    assert [(file.rows, file.has_drops) for file in files(held)] == [(3 * 1440 + 1, False)]


async def test_hours_of_a_merged_day_are_dropped_by_the_hour_and_their_disk_is_freed(held):
    """streams 18: drop by hour, disk really freed, also where a day is one file."""
    for batch in plant(24, 10):
        await held.append(batch)
    await held.seal()
    await keep(held, "merge", BASE + DAY)
    whole = files(held)[0].bytes
    rolled = await held.trend(1, BASE, BASE + DAY, points=24)
    assert await keep(held, "drop_before", BASE + 6 * HOUR + 5)
    assert (await held.readings([1], BASE, BASE + DAY)).time_us[0] == BASE + 6 * HOUR
    assert await keep(held, "merge", BASE + DAY) == 1
    await held._thread(lambda: Keeping(held._engine).free(grace=timedelta(0)))
    on_disk = sum(path.stat().st_size for path in (held._folder / "lake/main/reading").iterdir())
    assert 0.6 * whole < on_disk < 0.9 * whole
    assert await held.trend(1, BASE, BASE + DAY, points=24) == rolled
    assert await keep(held, "drop_to_fit", on_disk * 0.8)
    first = (await held.readings([1], BASE, BASE + DAY)).time_us[0]
    assert BASE + 8 * HOUR <= first <= BASE + 12 * HOUR


async def test_a_share_over_its_quota_loses_only_its_oldest_hours_of_a_merged_day(held):
    """streams 18: a quota of some signals, where a day is one file."""
    for batch in plant(24, 10):
        await held.append(batch)
    await held.seal()
    await keep(held, "merge", BASE + DAY)
    await held.retain([1], quota_bytes=files(held)[0].bytes / 6)
    assert await keep(held, "keep_quotas")
    kept = (await held.readings([1], BASE, BASE + DAY)).time_us
    assert BASE + 10 * HOUR <= kept[0] <= BASE + 14 * HOUR
    assert len(await held.readings([2], BASE, BASE + DAY)) == 8640


async def test_a_long_file_that_lost_rows_is_cut_into_days(held):
    """streams 18: a long backfill is one file of 30 days; what retention drops of it frees its disk too."""
    at = BASE + np.arange(0, 120 * 24, 6) * HOUR
    await held.append(numbers(1, at))
    await held.seal()
    wide = [file for file in files(held) if file.last_us - file.first_us > DAY]
    assert wide
    await keep(held, "drop_before", wide[0].first_us + 3 * DAY)
    while await keep(held, "merge", 1 << 60):
        pass
    assert not any(file.has_drops for file in files(held))
    assert len(await held.readings([1], 0, 1 << 60)) == len(at) - np.sum(at < wide[0].first_us + 3 * DAY)


async def test_days_that_hold_much_become_several_files(held, monkeypatch):
    """streams 17: files stay of a size that is written anew in moments."""
    monkeypatch.setattr(keeping, "FILE_ROWS", 3 * 60 * 6)
    for batch in plant(24):
        await held.append(batch)
    await held.seal()
    while await keep(held, "merge", BASE + DAY):
        pass
    assert [file.rows for file in files(held)] == [3 * 60 * 6] * 4


async def sealed_in_parts(held):
    for batch in plant(5):
        await held.append(batch)
    await seal_early(held, BASE)
    await held.append(numbers(4, [BASE]))
    await held.seal()
    await keep(held, "merge", BASE + DAY)
    return await answers(held, BASE + 5 * HOUR)


@given(st.integers(1, 400))
@settings(max_examples=2, deadline=None, database=None, phases=(Phase.explicit, Phase.generate))
def test_what_is_sorted_some_signals_at_a_time_is_what_is_sorted_at_once(pool, chunk):
    """streams 17: memory is bounded, the file is sorted all the same, and so are its roll-ups."""

    async def run():
        wanted = await sealed_in_parts(pool.fresh())
        with pytest.MonkeyPatch.context() as patch:
            patch.setattr(sealing, "CHUNK_ROWS", chunk)
            held = pool.fresh()
            assert await sealed_in_parts(held) == wanted
        table = pq.read_table(held._engine.sealed.path(files(held)[0]))
        keys = list(zip(table["signal"].to_pylist(), table["time_us"].to_pylist(), strict=True))
        assert keys == sorted(set(keys))

    anyio.run(run)


async def test_limits_hold_over_days_by_the_clock(tmp_path):
    """streams 18: by the clock alone, over 40 hours, what is older than a day goes and the rest is two files."""
    moment = [BASE + 40 * HOUR + 60_000_000]
    held = await service.Historian.open(tmp_path, clock=lambda: from_us(moment[0]), limits=Limits(retention_days=1))
    for batch in plant(40, 300):
        await held.append(batch)
    await held.tend(0)
    kept = await held.readings([1], 0, 1 << 60)
    assert (kept.time_us[0], len(kept)) == (BASE + 16 * HOUR, 24 * 12)
    assert [file.first_us // HOUR - BASE // HOUR for file in files(held)][:2] == [16, 24]
    await held.close()


async def test_an_hour_in_which_nothing_came_leaves_the_mark_and_who_follows_misses_nothing(held):
    """streams 12: sequences are never given twice, and a reader that was away goes on where it was."""
    await held.append(numbers(1, [BASE, BASE + 1, BASE + 2]))
    assert await held.seal() == 3
    await held.tend(0)
    assert list((await held.after(1, [1], BASE, None))[0].time_us) == [BASE + 1, BASE + 2]
    assert held._engine.last_sequence() == 3
    assert await held.append(numbers(1, [BASE + 1], 9.0)) == 4
    await held.seal()
    await held.tend(0)
    await keep(held, "merge", BASE + DAY)
    assert list((await held.readings([1], BASE, BASE + 2)).value)[1] == 9.0
