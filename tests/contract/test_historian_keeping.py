"""What the historian keeps: through power cuts and full volumes, by retention, share and hold."""

import shutil
from contextlib import asynccontextmanager
from datetime import timedelta

import anyio
import numpy as np
import pytest
from historian_pool import Pool

from interwork.core.clock import from_us
from interwork.core.errors import BadInput, Damaged, DiskFull, Unusable
from interwork.core.resource import BatchBuilder
from interwork.core.settings import Limits
from interwork.stream import Historian, batch_of
from interwork.stream.columns import FIRST_US, LAST_US
from interwork.stream.historian import engine, lake, sealing, service
from interwork.stream.historian.keeping import Keeping

HOUR = 3_600_000_000
BASE = 1_789_999_200_000_000
LEAP_DAY = 1_709_164_800_000_000
"""2024-02-29T00:00:00Z."""


@asynccontextmanager
async def opened(folder, **given):
    held = await Historian.open(folder, **given)
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


def numbers(signal, times, value=1.0):
    count = len(times)
    return batch_of(np.full(count, signal), times, np.full(count, value), np.zeros(count))


async def keep(held, step, *given):
    return await held._thread(getattr(Keeping(held._engine), step), *given)


async def free(held):
    await held._thread(lambda: Keeping(held._engine).free(grace=timedelta(0)))


def on_disk(folder):
    return sum(path.stat().st_size for path in (folder / "lake/main/reading").iterdir())


async def times(held, signal):
    return list((await held.readings([signal], -(1 << 62), 1 << 62)).time_us)


# --- power cuts ------------------------------------------------------------------------------------------------


async def test_files_a_power_cut_left_without_their_content_are_swept_and_sealed_again_from_hot(tmp_path, monkeypatch):
    """streams 3: the newest file, not yet fsynced, comes back empty or full of zeros; hot still has its readings."""
    async with opened(tmp_path) as held:
        await held.append(numbers(1, [BASE, BASE + HOUR]))
        await held.seal()
        await held.append(numbers(1, [BASE + 2 * HOUR]))
    folder = tmp_path / "lake/main/reading"
    (folder / "hour497224-3-aa.parquet").write_bytes(bytes(4000))
    (folder / "hour497224-3-bb.tmp").write_bytes(b"")
    (tmp_path / "lake/main/rollup/rollup497224-3-cc.parquet").write_bytes(b"")
    async with opened(tmp_path) as held:
        assert len(list(folder.iterdir())) == 2
        await held.seal()
        assert await times(held, 1) == [BASE, BASE + HOUR, BASE + 2 * HOUR]


async def test_a_torn_end_of_the_log_costs_nothing_acknowledged(tmp_path):
    """streams 3: what a power cut leaves of a commit that was never acknowledged is not read."""
    async with opened(tmp_path / "a") as held:
        await held.append(numbers(1, [BASE]))
        await held.append(numbers(1, [BASE + 1]))
        shutil.copytree(tmp_path / "a", tmp_path / "b")
    log = tmp_path / "b" / "hot.duckdb.wal"
    log.write_bytes(log.read_bytes() + b"\x10\0\0\0\0\0\0\0torn")
    async with opened(tmp_path / "b") as held:
        assert await times(held, 1) == [BASE, BASE + 1]
        assert await held.append(numbers(1, [BASE + 2])) == 3


async def test_a_sealed_file_whose_end_was_zeroed_is_found_at_start_and_named(tmp_path):
    """streams 3: detected at start; the message names the file and the way out."""
    async with opened(tmp_path) as held:
        await held.append(numbers(1, [BASE]))
        await held.seal()
    path = next((tmp_path / "lake/main/reading").iterdir())
    path.write_bytes(path.read_bytes()[:-8] + bytes(8))
    with pytest.raises(Damaged, match=r"does not end as a Parquet file does.*backup"):
        await Historian.open(tmp_path)


# --- full volumes ----------------------------------------------------------------------------------------------


async def test_a_full_volume_of_sealed_readings_stops_appends_only_at_a_limit_and_says_why(held, monkeypatch):
    """streams 6: a seal that fails is tried again, hot grows to its limit, then appends are refused; reads go on."""

    def full(*_):
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(service, "HOT_MAX", 3)
    with monkeypatch.context() as patch:
        patch.setattr(sealing, "_sync", full)
        await held.append(numbers(1, [BASE, BASE + 1]))
        with pytest.raises(DiskFull):
            await held.seal()
        await held.append(numbers(1, [BASE + 2]))
        with pytest.raises(DiskFull, match="3 readings wait to be sealed"):
            await held.append(numbers(1, [BASE + 3]))
        assert await times(held, 1) == [BASE, BASE + 1, BASE + 2]
    await held.seal()
    await held.append(numbers(1, [BASE + 3]))
    assert len(await times(held, 1)) == 4


@pytest.mark.parametrize(("free_share", "level"), [(0.5, "ok"), (0.15, "tight"), (0.04, "critical"), (0.00001, "full")])
async def test_a_volume_that_fills_up_is_told_early(held, monkeypatch, free_share, level):
    """streams 6: from 85 and 95 % on."""
    total = 10**12
    usage = shutil._ntuple_diskusage(total, 0, int(total * free_share))
    monkeypatch.setattr(service.shutil, "disk_usage", lambda _: usage)
    assert (await held.health()).level == level
    await held._watch()
    assert held._level == level


# --- retention -------------------------------------------------------------------------------------------------


async def test_dropped_hours_free_the_disk_and_their_roll_ups_stay(held):
    """streams 18: drop by hour, disk freed, roll-ups kept."""
    await held.append(numbers(1, BASE + np.arange(8 * 3600) * 1_000_000))
    await held.seal()
    before, trend = on_disk(held._folder), await held.trend(1, BASE, BASE + 8 * HOUR, points=8)
    assert await keep(held, "drop_before", BASE + 6 * HOUR)
    await free(held)
    assert on_disk(held._folder) < before * 0.3
    assert len(await times(held, 1)) == 2 * 3600
    assert await held.trend(1, BASE, BASE + 8 * HOUR, points=8) == trend


async def test_a_late_reading_of_a_dropped_hour_does_not_undo_its_roll_up(held):
    """streams 18: what the roll-up knows of dropped readings stays known."""
    await held.append(numbers(1, BASE + np.arange(5 * 60) * 60_000_000, 2.0))
    await held.seal()
    await keep(held, "drop_before", BASE + 2 * HOUR)
    await held.append(numbers(1, [BASE + 7], 9.0))
    await held.seal()
    assert list((await held.trend(1, BASE, BASE + 5 * HOUR, points=5)).count) == [60] * 5


async def test_a_signal_with_a_time_of_its_own_and_one_on_hold_outlive_the_rest(tmp_path):
    """streams 18: legal hold and per-signal time are respected by retention and by quota, and
    after a restart; connecting again, which says nothing of a hold, never lifts it."""
    now_us = BASE + 100 * HOUR
    wall, limits = (lambda: from_us(now_us)), Limits(retention_days=1, storage_gb=1)
    spread = BASE + np.arange(100) * HOUR
    async with opened(tmp_path, clock=wall, limits=limits) as held:
        for signal in (1, 2, 3):
            await held.append(numbers(signal, spread))
        await held.retain([2], keep_days=2)
        await held.retain([3], hold=True)
    async with opened(tmp_path, clock=wall, limits=limits) as held:
        await held.seal()
        await held.tend(0)
        assert [len(await times(held, signal)) for signal in (1, 2, 3)] == [24, 48, 100]
        await keep(held, "drop_to_fit", 1.0)
        assert [len(await times(held, signal)) for signal in (1, 2, 3)] == [0, 0, 100]
        await held.retain([3])
        await held.retain([3], keep_days=9)
        await held.tend(0)
        assert len(await times(held, 3)) == 100
        await held.retain([3], hold=False)
        await held.tend(0)
        assert len(await times(held, 3)) == 24


async def test_the_oldest_hours_of_signals_over_their_share_go_and_others_stay(held):
    """streams 18: a quota of some signals together; the files are written anew without what went."""
    chance = np.random.default_rng(1)
    for hour in range(6):
        at = BASE + hour * HOUR + np.arange(3000) * 1_000_000
        for signal in (1, 2):
            await held.append(batch_of(np.full(3000, signal), at, chance.normal(size=3000), np.zeros(3000)))
    await held.seal()
    before = on_disk(held._folder)
    await held.retain([1], quota_bytes=before / 4)
    assert await keep(held, "keep_quotas")
    assert await keep(held, "merge", BASE + 9 * HOUR) >= 3
    await free(held)
    kept = await times(held, 1)
    assert (kept[0] >= BASE + 3 * HOUR, len(kept) in {6000, 9000}, len(await times(held, 2))) == (True, True, 18_000)
    assert on_disk(held._folder) < before * 0.85


@pytest.mark.parametrize("wrong", [{"keep_days": 0}, {"quota_bytes": -1}, {"keep_days": float("nan")}])
async def test_a_rule_of_nothing_is_refused(held, wrong):
    with pytest.raises(BadInput, match="more than 0"):
        await held.retain([1], **wrong)


async def test_small_late_files_become_one_sorted_file_of_their_hour(held):
    """streams 10: late data in files of its own is merged into the hour, dropped duplicates and all."""
    await held.append(numbers(1, BASE + np.arange(3000) * 1_000_000))
    await held.seal()
    for late in range(3):
        await held.append(numbers(1, [BASE + late * 1_000_000, BASE + late * 1_000_000 + 5], 7.0))
        await held.seal()
    before = await held.readings([1], BASE, BASE + HOUR)
    assert await keep(held, "merge", BASE + 2 * HOUR)
    await free(held)
    assert len(list((held._folder / "lake/main/reading").iterdir())) == 1
    assert await held.readings([1], BASE, BASE + HOUR) == before
    assert len(before) == 3003


# --- what is stored --------------------------------------------------------------------------------------------


async def test_the_same_batch_sent_again_is_stored_once_and_a_corrected_value_is_seen_beside_the_old_one(held):
    """streams 12, 13: once by key; the newest arrival wins, the old one is in the state of the catalog before."""
    for _ in range(3):
        await held.append(numbers(1, [BASE, BASE + 1], 1.0))
    await held.seal()
    assert (await held.usage()).rows == 2
    await held.append(numbers(1, [BASE], 2.0))
    await held.seal()
    assert list((await held.readings([1], BASE, BASE + 2)).value) == [2.0, 1.0]

    def versions():
        cursor = held._engine.sealing
        last = cursor.execute("SELECT max(snapshot_id) FROM ducklake_snapshots('lake')").fetchone()[0]
        return [
            cursor.execute(f"SELECT value FROM lake.reading AT (VERSION => {one}) WHERE time_us = {BASE}").fetchone()
            for one in (last - 1, last)
        ]

    assert await held._thread(versions) == [(1.0,), (2.0,)]


@pytest.mark.parametrize("stamp", [-(1 << 63), (1 << 63) - 1, FIRST_US - 1, LAST_US + 1])
async def test_a_stamp_of_no_year_is_refused_and_what_came_before_it_is_sealed(held, stamp):
    """streams 14: it would have no hour, and so nothing would ever be sealed again."""
    await held.append(numbers(1, [FIRST_US, 0, LAST_US]))
    with pytest.raises(BadInput, match="1 of 2 readings have a time that is in no year from 1 to 9999"):
        await held.append(numbers(1, [1, stamp]))
    assert await held.seal() == 3
    assert await times(held, 1) == [FIRST_US, 0, LAST_US]


async def test_a_text_that_cannot_be_written_is_refused_and_the_others_of_its_commit_are_kept(held):
    """One half of a surrogate pair is no character: what came beside it is acknowledged only where it was kept."""
    faults, kept = [], []

    async def keep_text(at, text):
        builder = BatchBuilder()
        builder.add(1, BASE + at, text)
        try:
            kept.append(await held.append(builder.take()))
        except BadInput as fault:
            faults.append(str(fault))

    async with anyio.create_task_group() as tasks:
        for at, text in enumerate(["a", "b", "\ud800", "c", "\0"]):
            tasks.start_soon(keep_text, at, text)
    assert len(faults) == 1
    assert sorted(kept) == [1, 2, 3, 4]
    assert (await held.readings([1], BASE, BASE + 5)).text == ["a", "b", "c", "\0"]


async def test_what_an_unforeseen_fault_kept_from_being_written_is_not_acknowledged(held, monkeypatch):
    """streams 1: of appends that share a commit, not only the one that met the fault says so."""
    monkeypatch.setattr(held._engine, "insert", lambda *_: 1 // 0)
    met = []

    async def keep_one(at):
        try:
            met.append(await held.append(numbers(1, [BASE + at])))
        except (ZeroDivisionError, Unusable) as fault:
            met.append(type(fault))

    async with anyio.create_task_group() as tasks:
        for at in range(5):
            tasks.start_soon(keep_one, at)
    assert set(met) == {ZeroDivisionError, Unusable}


async def test_stamps_far_off_a_leap_day_and_the_hour_clocks_change_are_kept_as_they_are(held):
    """streams 14: times are UTC; no day is skipped and no hour doubled (live state bounds stamps ahead by 5 s)."""
    summer_ends = 1_792_893_600_000_000  # 2026-10-25T01:00Z, when Europe's clocks are put back
    stamps = [0, -5 * HOUR, LEAP_DAY, LEAP_DAY + 24 * HOUR, summer_ends - 1, summer_ends, BASE + 10_000 * 24 * HOUR]
    await held.append(numbers(1, stamps))
    assert await times(held, 1) == sorted(stamps)
    await held.seal()
    assert await times(held, 1) == sorted(stamps)
    assert list((await held.trend(1, LEAP_DAY, LEAP_DAY + 48 * HOUR, points=2)).count) == [1, 1]


async def test_counters_beyond_what_a_double_holds_are_rounded_and_as_text_exact(held):
    """streams 15: a value is a double, so 2^53 + 1 is rounded; the exact count can be kept as text."""
    builder = BatchBuilder()
    builder.add(1, BASE, 2**53 + 1)
    builder.add(2, BASE, str(2**63 - 1))
    await held.append(builder.take())
    await held.seal()
    found = await held.readings([1, 2], BASE, BASE + 1)
    assert (found.value[0], found.text[1]) == (float(2**53), "9223372036854775807")


async def test_a_column_more_leaves_old_files_readable(tmp_path):
    """streams 16: a column is added, old and new files answer; a signal that turns from number to text too."""
    async with opened(tmp_path) as held:
        await held.append(numbers(1, [BASE]))
        await held.seal()
        await held._thread(held._engine.sealing.execute, "ALTER TABLE lake.reading ADD COLUMN source VARCHAR")
        await held.append(batch_of([1], [BASE + 1], [np.nan], [0], ["READY"]))
        await held.seal()
        found = await held.readings([1], BASE, BASE + 9)
        assert (found.value[0], found.text) == (1.0, [None, "READY"])
        rows = held._engine.sealing.execute("SELECT source FROM lake.reading").fetchall
        assert await held._thread(rows) == [(None,), (None,)]


async def test_a_hundred_thousand_signals_are_kept_and_their_last_values_found(held):
    """streams 17: a second of 100,000 signals is one append; their last values are found by the ten thousand."""
    count = 100_000
    for second in range(3):
        at = np.full(count, BASE + second * 1_000_000)
        await held.append(batch_of(np.arange(count), at, np.arange(count) + second, np.zeros(count)))
    found = await held.latest(range(90_000, 100_000))
    assert (len(found), found.value[0], set(found.time_us)) == (10_000, 90_002.0, {BASE + 2_000_000})
    assert (await held.after(100_000, range(10_000), BASE, None, limit=50))[0].time_us[0] == BASE + 1_000_000
    await held.seal()
    assert len(await held.latest(range(10_000))) == 10_000
    assert len(await held.latest(range(10_000), BASE + 1)) == 10_000


def test_versions_are_pinned_and_checked_before_anything_is_opened(monkeypatch, tmp_path):
    """streams 30: another DuckDB is refused with what to install; nothing is fetched."""
    monkeypatch.setattr(lake.duckdb, "__version__", "9.9.9")
    with pytest.raises(engine.InterworkError, match=r"does not fit DuckDB 9\.9\.9.*1\.5\.5"):
        engine.Engine.open(tmp_path)
