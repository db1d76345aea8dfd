"""Going on over a stop: rows are read on where they were left, shaped as if nothing had stopped; marks taken back."""

from datetime import UTC, datetime

import numpy as np
import pytest
from flows_world import at_work, eventually, opened
from msgspec.structs import replace

from interwork import app
from interwork.core.blueprint import Keeping, LinkState
from interwork.core.clock import now, to_us
from interwork.core.errors import DiskFull, Unusable
from interwork.core.event import Tag
from interwork.core.resource import BAD_NO_COMMUNICATION, GOOD
from interwork.flows import ingest
from interwork.flows.ingest import going_on, ticking
from interwork.store import Change
from interwork.stream import batch_of
from interwork.stream.marks import INTERPOLATED, Marks
from interwork.stream.spool.checkpoint import Checkpoint, Checkpoints

BASE = 1_789_999_200
END = 1 << 61


def write(path, rows):
    """Add rows (second, value) to a table; what a machine's own log does."""
    path.parent.mkdir(parents=True, exist_ok=True)
    is_new = not path.exists()
    with path.open("a") as file:
        if is_new:
            file.write("time,load\n")
        for second, value in rows:
            file.write(f"{datetime.fromtimestamp(BASE + second, UTC).isoformat()},{value}\n")


def slope(first, last):
    return [(second, round(second * 0.1 + (second % 7 == 0) * 3, 3)) for second in range(first, last)]


async def connected(node, path):
    """Connect a table whose one signal is kept by a swinging door."""
    asked = ingest.Connection(name="Log", endpoint=f"file://{path}", options={"interval_s": 0.05})
    made = await ingest.connect(node, asked)
    signal = replace(made.signals[0], keeping=Keeping.SWINGING_DOOR, deadband=0.5)
    await node.store.commit(Change("test").put(signal))
    return made.resource.id, signal.number


async def kept(node, number):
    found = await node.historian.readings([number], 0, END)
    rows = zip(found.time_us, found.value, found.quality, strict=True)
    return [(time_us / 1e6 - BASE, value) for time_us, value, quality in rows if quality == GOOD]


async def seen(node, number):
    reading = node.live.value(number)
    return reading and reading.value


async def test_rows_a_file_got_while_the_node_was_stopped_are_shaped_as_if_nothing_had_stopped(tmp_path, monkeypatch):
    """streams 23: a restart in the middle keeps what one run keeps; what the machine still held is read on."""
    monkeypatch.setattr(ticking, "TICK_S", 3600)  # rows so old are told as of a quiet signal at whatever tick comes
    whole = tmp_path / "one" / "inbox" / "log.csv"
    write(whole, slope(0, 60))
    async with opened(tmp_path / "one") as node:
        _, number = await connected(node, whole)
        async with at_work(ingest.work, node):
            await eventually(lambda: seen(node, number), lambda value: value == 5.9)
        expected = await kept(node, number)
    cut = tmp_path / "two" / "inbox" / "log.csv"
    write(cut, slope(0, 33))
    async with opened(tmp_path / "two") as node:
        _, number = await connected(node, cut)
        async with at_work(ingest.work, node):
            await eventually(lambda: seen(node, number), lambda value: value == 3.2)
    write(cut, slope(33, 60))
    async with opened(tmp_path / "two") as node:
        async with at_work(ingest.work, node):
            await eventually(lambda: seen(node, number), lambda value: value == 5.9)
        found = await kept(node, number)
    assert (found, len(found) < 50) == (expected, True)


async def test_what_a_file_got_in_a_long_stop_is_kept_whole_though_it_comes_faster_than_the_budget(tmp_path):
    """streams 7: a device with a memory is read more slowly, not thinned out."""
    path = tmp_path / "node" / "inbox" / "log.csv"
    write(path, [(0, 0.5)])
    async with opened(tmp_path / "node") as node:
        asked = ingest.Connection(
            name="Log", endpoint=f"file://{path}", samples_per_s=1.0, options={"interval_s": 0.05}
        )
        number = (await ingest.connect(node, asked)).signals[0].number
        write(path, [(second, float(second)) for second in range(1, 900)])
        async with at_work(ingest.work, node):
            await eventually(lambda: kept(node, number), lambda rows: len(rows) >= 900)
            assert [value for _, value in await kept(node, number)] == [0.5, *map(float, range(1, 900))]
            assert (await ingest.machine_states(node))[0].lost == 0


async def test_marks_of_a_stop_are_taken_back_where_the_machine_says_nothing_is_missing(tmp_path):
    """streams 20: the state between is the machine's own, not unknown, though it said nothing new since."""
    path = tmp_path / "node" / "inbox" / "log.csv"
    write(path, slope(0, 3))
    async with opened(tmp_path / "node") as node:
        _, number = await connected(node, path)
        async with at_work(ingest.work, node):
            await eventually(lambda: seen(node, number), lambda value: value == 0.2)
    async with opened(tmp_path / "node") as node:
        last = await node.historian.latest([number])
        assert (list(last.quality), last.time_us[0]) == ([BAD_NO_COMMUNICATION], pytest.approx(to_us(now()), abs=6e7))
        async with at_work(ingest.work, node):
            await eventually(lambda: newest(node, number), lambda one: one == (INTERPOLATED, 0.2))
            assert node.live.value(number).value == 0.2
        stopped = await node.historian.readings([number], last.time_us[0], last.time_us[0] + 1)
        assert list(stopped.quality) == [INTERPOLATED]


async def newest(node, number):
    found = await node.historian.readings([number], 0, END)
    return next(
        (
            (quality, value)
            for quality, value in zip(found.quality, found.value, strict=True)
            if quality == INTERPOLATED
        ),
        None,
    )


async def test_a_checkpoint_that_is_torn_or_of_another_device_is_told_and_the_device_is_read_anew(tmp_path):
    path = tmp_path / "node" / "inbox" / "log.csv"
    write(path, slope(0, 3))
    async with opened(tmp_path / "node") as node:
        resource, number = await connected(node, path)
        async with at_work(ingest.work, node):
            await eventually(lambda: seen(node, number), lambda value: value == 0.2)
        file = next((node.folder / going_on.FOLDER).iterdir())
        file.write_bytes(file.read_bytes()[:-3])
        async with at_work(ingest.work, node):
            await eventually(lambda: state(node, resource), lambda one: one is LinkState.CONNECTED)
        assert sorted(set(await kept(node, number))) == await kept(node, number)
        other = Checkpoint(about="another", at_us=1, place="nowhere", shaping=b"")
        Checkpoints(node.folder / going_on.FOLDER).write(resource, other)
        async with at_work(ingest.work, node):
            await eventually(lambda: state(node, resource), lambda one: one is LinkState.CONNECTED)
        assert await node.store.events(tag=Tag.MACHINE_FAILED) == []


async def state(node, resource):
    return next(one.state for one in await ingest.machine_states(node) if one.id == resource)


def test_what_is_read_of_the_time_before_a_mark_changes_what_is_said_at_it():
    marks = batch_of([1, 2, 3], [100, 100, 100], [np.nan] * 3, [BAD_NO_COMMUNICATION] * 3)
    before = batch_of([1, 2], [50, 60], [1.0, np.nan], [0, 0], [None, "ACTIVE"])
    held = Marks.of(marks, before)
    assert (list(held.said.signal), held.said.text, list(held.said.time_us)) == ([1, 2], [None, "ACTIVE"], [100, 100])
    changed = held.follow(
        batch_of([2, 1, 1, 2], [70, 80, 90, 120], [np.nan, 5.0, 6.0, np.nan], [0] * 4, ["STOPPED", None, None, "READY"])
    )
    told = dict(zip(changed.signal, zip(changed.value, changed.text, strict=True), strict=True))
    assert (told[1], told[2][1], set(changed.time_us)) == ((6.0, None), "STOPPED", {100})
    assert len(held.follow(batch_of([1], [101], [9.0], [0]))) == 0
    assert len(held) == 0


async def test_work_of_a_node_that_meets_a_fault_begins_anew_and_a_programs_own_fault_is_not_hidden(monkeypatch):
    """streams 5: a database or a disk that is away ends no node; also where it comes out of a group of tasks."""
    monkeypatch.setattr(app, "AGAIN_S", (0.001, 0.002))
    faults = [Unusable("away"), ExceptionGroup("tasks", [DiskFull("full"), Unusable("away")])]

    async def work():
        if faults:
            raise faults.pop()

    await app._kept_up("ingest", work)
    assert faults == []

    async def broken():
        raise ZeroDivisionError

    with pytest.raises(ZeroDivisionError):
        await app._kept_up("ingest", broken)
