"""What the historian does by itself: seal by the hour or by size, keep to the limits, try again after a fault."""

import anyio
import pytest

from interwork.core.clock import from_us
from interwork.core.errors import DiskFull, LimitReached, Unusable
from interwork.core.settings import Limits
from interwork.stream import Historian, batch_of
from interwork.stream.historian import opened
from interwork.stream.historian import service as historian
from interwork.stream.historian.engine import Engine
from interwork.stream.historian.lake import HOUR_US
from interwork.stream.historian.sealing import Lake

HOUR = 497_222
MINUTE_US = 60_000_000


class Wall:
    """A clock that stands still until it is moved."""

    def __init__(self, now_us):
        self.now_us = now_us

    def __call__(self):
        return from_us(self.now_us)


@pytest.fixture
async def kept(tmp_path):
    wall = Wall(HOUR * HOUR_US + 30 * MINUTE_US)
    held = await Historian.open(tmp_path, clock=wall, limits=Limits(retention_days=1, storage_gb=1))
    yield held, wall
    await held.close()


def at(*times):
    return batch_of([1] * len(times), times, [1.0] * len(times), [0] * len(times))


async def test_the_hour_that_ended_is_sealed_a_minute_later_and_the_new_hour_is_not(kept):
    held, wall = kept
    await held.append(at(HOUR * HOUR_US, (HOUR + 1) * HOUR_US - 1))
    await held.append(at((HOUR + 1) * HOUR_US))
    wall.now_us = (HOUR + 1) * HOUR_US + MINUTE_US - 1
    assert (await held.tend(HOUR), (await held.usage()).hot_rows) == (HOUR, 3)
    wall.now_us += 1
    assert (await held.tend(HOUR), (await held.usage()).hot_rows) == (HOUR + 1, 1)


async def test_many_unsealed_readings_are_sealed_within_the_hour(kept, monkeypatch):
    monkeypatch.setattr(historian, "SEAL_ROWS", 10)
    held, _ = kept
    await held.append(at(*range(HOUR * HOUR_US, HOUR * HOUR_US + 10)))
    await held.tend(HOUR)
    assert (await held.usage()).hot_rows == 0


async def test_hours_past_the_retention_time_are_dropped(kept):
    held, wall = kept
    await held.append(at(HOUR * HOUR_US, (HOUR + 20) * HOUR_US))
    wall.now_us += 26 * HOUR_US
    await held.tend(HOUR)
    assert list((await held.readings([1], 0, 1 << 60)).time_us) == [(HOUR + 20) * HOUR_US]


async def test_the_oldest_hours_are_dropped_over_the_storage_quota(tmp_path):
    wall = Wall(HOUR * HOUR_US)
    held = await Historian.open(tmp_path, clock=wall, limits=Limits(storage_gb=2e-6))
    await held.append(at(*(HOUR * HOUR_US + step * HOUR_US for step in range(5))))
    wall.now_us += 6 * HOUR_US
    await held.tend(HOUR)
    assert (await held.usage()).rows == 1
    await held.close()


async def test_without_limits_nothing_is_dropped(tmp_path):
    held = await Historian.open(tmp_path, clock=Wall(HOUR * HOUR_US))
    await held.append(at(1))
    await held.tend(0)
    assert (await held.usage()).rows == 1
    await held.close()


async def test_running_goes_on_after_a_seal_that_failed(kept, monkeypatch):
    held, wall = kept
    faults = [DiskFull("No space."), None]
    monkeypatch.setattr(historian, "TICK_S", 0.01)
    monkeypatch.setattr(historian, "RETRY_S", 0.01)
    seal = Lake.seal

    def sometimes(self, upto):
        fault = faults.pop(0) if faults else None
        if fault:
            raise fault
        return seal(self, upto)

    monkeypatch.setattr(Lake, "seal", sometimes)
    await held.append(at(HOUR * HOUR_US))
    async with anyio.create_task_group() as tasks:
        tasks.start_soon(held.run)
        await anyio.sleep(0.05)
        wall.now_us += 2 * HOUR_US
        with anyio.fail_after(30):
            while (await held.usage()).hot_rows:  # noqa: ASYNC110 - the historian tells nobody that it has sealed
                await anyio.sleep(0.01)
        tasks.cancel_scope.cancel()
    assert not faults


async def test_what_is_past_its_time_goes_though_sealing_finds_no_space(tmp_path, monkeypatch):
    """streams 6: a disk that is full of what may go makes room by itself."""
    wall = Wall(HOUR * HOUR_US)
    held = await Historian.open(tmp_path, clock=wall, limits=Limits(retention_days=1))
    await held.append(at(HOUR * HOUR_US))
    wall.now_us += 2 * HOUR_US
    await held.tend(HOUR)
    await held.append(at((HOUR + 30) * HOUR_US))
    wall.now_us += 30 * HOUR_US
    with monkeypatch.context() as patch:
        patch.setattr(Lake, "seal", lambda *_: fail())
        with pytest.raises(DiskFull):
            await held.tend(HOUR + 2)
    assert list((await held.readings([1], 0, 1 << 60)).time_us) == [(HOUR + 30) * HOUR_US]
    await held.close()


async def test_a_large_backlog_is_sealed_in_parts_that_memory_holds(kept, monkeypatch):
    """streams 6: each part makes room in the hot table before the next is written."""
    held, wall = kept
    monkeypatch.setattr(historian, "SEAL_ROWS", 3)
    sealed, waiting = [], []
    seal = Lake.seal

    def counted(self, upto):
        waiting.append(self.engine.hot_rows())
        sealed.append(seal(self, upto))
        return sealed[-1]

    monkeypatch.setattr(Lake, "seal", counted)
    await held.append(at(*(HOUR * HOUR_US + step for step in range(8))))
    wall.now_us += 2 * HOUR_US
    await held.tend(HOUR)
    assert (sealed, waiting) == ([3, 3, 2], [8, 5, 2])
    assert len(await held.readings([1], 0, 1 << 60)) == 8


async def test_a_broken_database_is_opened_anew_and_the_next_append_kept(kept):
    held, _ = kept
    await held.append(at(1, 2))
    await held._thread(held._engine.sealing.execute, "ALTER TABLE hot RENAME TO away")
    with pytest.raises(Unusable):
        await held.append(at(3))
    assert held._engine is not None
    assert await held.append(at(4)) == 1


async def test_a_database_that_cannot_be_opened_is_tried_again_with_the_next_call(kept, monkeypatch):
    held, _ = kept
    await held.append(at(1, 2))
    held._engine.is_broken = True
    with monkeypatch.context() as patch:
        patch.setattr(Engine, "insert", lambda *_: fail())
        patch.setattr(Engine, "open", lambda *_: fail())
        with pytest.raises(DiskFull):
            await held.append(at(3))
        with pytest.raises(DiskFull):
            await held.usage()
    assert (await held.usage()).rows == 2
    assert await held.append(at(3)) == 3


def fail():
    raise DiskFull("No space.")


async def test_an_append_that_waits_too_long_says_so(kept, monkeypatch):
    held, _ = kept
    monkeypatch.setattr(historian, "APPEND_S", 0.05)

    async def wait():
        with pytest.raises(LimitReached, match="1 readings waited"):
            await held.append(at(1))

    async with held._writing, anyio.create_task_group() as tasks:
        tasks.start_soon(wait)


async def test_a_question_that_finds_all_readers_busy_says_so(kept, monkeypatch):
    held, _ = kept
    monkeypatch.setattr(opened, "QUERY_S", 0.05)
    for _ in range(opened.READERS):
        await held._reading.acquire()
    with pytest.raises(LimitReached, match="other questions"):
        await held.usage()
    for _ in range(opened.READERS):
        held._reading.release()
