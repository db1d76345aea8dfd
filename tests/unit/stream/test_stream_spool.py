"""Store and forward: bounded, in order, nothing corrupt after a kill, every reading given up counted."""

import os
import signal
import subprocess
import sys
from functools import partial
from pathlib import Path

import anyio
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from interwork.core.blueprint import TrafficClass
from interwork.core.errors import DiskFull, MachineUnreachable
from interwork.core.resource import BatchBuilder
from interwork.stream.spool import Spool, segment, spool

C0, C1, C2, C3 = TrafficClass


def batch(*readings):
    builder = BatchBuilder()
    for one in readings:
        builder.add(*one)
    return builder.take()


def numbered(first, rows=10):
    return batch(*[(1, first + step, float(first + step)) for step in range(rows)])


class Sink:
    """Takes records under their sequence, once each, and can be away."""

    def __init__(self):
        self.taken, self.heard, self.is_away = {}, [], False

    async def __call__(self, origin, what):
        sequence = origin.number
        if self.is_away:
            raise MachineUnreachable("The sink is away.")
        self.heard.append(sequence)
        self.taken.setdefault(sequence, list(what.value))


async def test_what_waited_is_sent_in_order_under_its_sequence_and_then_gone(tmp_path):
    sink = Sink()
    async with Spool.open(tmp_path) as held:
        given_out = [await held.append(numbered(first), C2) for first in range(0, 50, 10)]
        assert await held.drain(sink) == 50
        assert (held.is_empty, sink.heard) == (True, given_out)
    assert [value for values in sink.taken.values() for value in values] == [float(one) for one in range(50)]
    assert list(tmp_path.glob("*.spool")) == []


async def test_states_go_before_process_values_and_a_policy_can_keep_the_order_of_arrival(tmp_path):
    for by_class, expected in ((True, [2, 1]), (False, [1, 2])):
        sink = Sink()
        async with Spool.open(tmp_path / str(by_class)) as held:
            await held.append(numbered(0), C2)
            await held.append(numbered(0), C1)
            await held.drain(sink, by_class=by_class)
        assert sink.heard == expected


async def test_a_sink_that_goes_away_hears_the_rest_when_it_is_back_also_after_a_start_anew(tmp_path):
    sink = Sink()
    async with Spool.open(tmp_path) as held:
        for first in range(0, 40, 10):
            await held.append(numbered(first), C2)

        async def twice(origin, what):
            await sink(origin, what)
            sink.is_away = len(sink.heard) == 2

        with pytest.raises(MachineUnreachable):
            await held.drain(twice)
    sink.is_away = False
    async with Spool.open(tmp_path) as held:
        assert held.fill().readings == 20
        assert await held.append(numbered(40), C2) == 5
        await held.drain(sink)
    assert sink.heard == [1, 2, 3, 4, 5]


async def test_an_hour_away_at_a_thousand_a_second_is_all_delivered_in_order_at_a_capped_rate(tmp_path):
    """machines 31: uplink down for 1 h at 1,000/s: all delivered after, in order, the drain rate capped."""
    sink, count = Sink(), 720
    async with Spool.open(tmp_path, segment_bytes=2**20) as held:
        body = numbered(0, 5_000)
        for _ in range(count):
            await held.append(body, C2, compress=True)
        assert held.fill().readings == 3_600_000
        began = anyio.current_time()
        with anyio.move_on_after(1.0):
            await held.drain(sink, rate=50_000)
        assert len(sink.heard) * 5_000 <= 50_000 * (anyio.current_time() - began) + 10_000
        await held.drain(sink, rate=1e9)
        assert (held.is_empty, held.fill().empty_in_s) == (True, 0.0)
    assert sorted(set(sink.heard)) == list(range(1, count + 1))
    assert sink.heard == sorted(sink.heard)


async def test_when_it_is_full_the_oldest_of_the_lowest_class_is_given_up_and_counted(tmp_path):
    """machines 33: at the bound the policy is followed, loss records are exact, and it recovers by itself."""
    sink, told = Sink(), []
    async with Spool.open(tmp_path, limit_bytes=10_000, segment_bytes=2_000) as held:
        for first in range(0, 400, 10):
            await held.append(numbered(first), C3)
        for first in range(0, 400, 10):
            await held.append(numbered(first), C2)
        await held.append(numbered(0), C1)

        async def tell(losses):
            told.extend(losses)

        await held.take_losses(tell)
        await held.take_losses(tell)
        fill = held.fill()
        assert fill.bytes <= 10_000
        assert sum(gone.count for gone in told) + fill.readings == 810
        assert [gone.klass for gone in told] == sorted((gone.klass for gone in told), reverse=True)
        assert min(gone.from_us for gone in told) == 0
        assert (fill.by_class["C3"], fill.by_class["C1"]) == (0, 10)
        await held.drain(sink)
        assert held.is_empty
        await held.append(numbered(0), C3)
        assert held.fill().readings == 10


async def test_a_lower_class_never_pushes_out_a_higher_one(tmp_path):
    async with Spool.open(tmp_path, limit_bytes=3_000, segment_bytes=1_000) as held:
        for first in range(0, 1_000, 10):
            await held.append(numbered(first), C1)
        with pytest.raises(DiskFull, match="No room"):
            await held.append(numbered(0), C2)
        assert held.fill().by_class["C2"] == 0


async def test_the_reserve_of_the_disk_is_never_touched(tmp_path, monkeypatch):
    monkeypatch.setattr(spool, "RESERVE_BYTES", 1 << 60)
    async with Spool.open(tmp_path) as held:
        with pytest.raises(DiskFull):
            await held.append(numbered(0), C2)


async def test_texts_and_compression_come_back_as_they_were(tmp_path):
    found = []

    async def sink(_origin, what):
        found.append(what)

    mixed = batch((1, 5, "ACTIVE"), (2, 6, 1.5), (3, 7, None, 0x80310000))
    async with Spool.open(tmp_path) as held:
        await held.append(mixed, C1, compress=True)
        await held.drain(sink)
    assert (found[0].text, list(found[0].quality)) == (["ACTIVE", None, None], [0, 0, 0x80310000])


@given(st.integers(0, 600), st.binary(max_size=40))
@settings(deadline=None, max_examples=60)
def test_whatever_tail_a_crash_leaves_what_stands_before_it_is_read(tmp_path_factory, keep, rubbish):
    folder = tmp_path_factory.mktemp("torn")
    whole = b"".join(segment.encode(numbered(first), sequence) for sequence, first in enumerate((0, 10), start=1))
    path = folder / "0000000000000001.c2.spool"
    path.write_bytes(whole[:keep] + rubbish)
    found = segment.Segment.find(path)
    records = list(found.records(0))
    complete = [one for one in (len(whole) // 2, len(whole)) if keep >= one]
    assert [record.sequence for record, _ in records] == list(range(1, len(complete) + 1))
    assert path.stat().st_size == found.size == (complete[-1] if complete else 0)


CHILD = """
import sys, anyio
from pathlib import Path
from interwork.core.blueprint import TrafficClass
from interwork.core.resource import BatchBuilder
from interwork.stream.spool import Spool

async def main():
    first = 0
    async with Spool.open(Path(sys.argv[1]), segment_bytes=100_000) as held:
        while True:
            builder = BatchBuilder()
            for step in range(100):
                builder.add(1, first + step, float(first + step))
            sequence = await held.append(builder.take(), TrafficClass(1 + first // 100 % 2))
            print(sequence, first, flush=True)
            first += 100

anyio.run(main)
"""


def started(folder):
    return subprocess.Popen([sys.executable, "-c", CHILD, str(folder)], stdout=subprocess.PIPE, text=True)


async def test_a_kill_while_writing_loses_at_most_a_second_and_corrupts_nothing(tmp_path):
    """machines 32: kill -9 during writing: <= 1 s of C2 lost, nothing corrupt, no duplicate ids at the sink."""
    sink, said = Sink(), {}
    for _ in range(3):
        child = started(tmp_path)
        for line in child.stdout:
            sequence, first = map(int, line.split())
            assert sequence not in said, "a sequence was given twice"
            said[sequence] = first
            if len(said) % 150 == 0:
                break
        os.kill(child.pid, signal.SIGKILL)
        rest = child.stdout.read()
        child.wait(30)
        child.stdout.close()
        said |= dict(tuple(map(int, line.split())) for line in rest.splitlines() if line.count(" ") == 1)
        async with Spool.open(Path(tmp_path)) as held:
            with pytest.raises(MachineUnreachable):
                await held.drain(partial(half, sink, len(said)))
    async with Spool.open(Path(tmp_path)) as held:
        await held.drain(sink)
        assert held.is_empty
    # the page cache outlives the process: a kill -9 takes nothing, a power failure the unsynced second
    assert all(sink.taken[sequence][0] == float(first) for sequence, first in said.items())


async def half(sink, total, origin, what):
    await sink(origin, what)
    if len(sink.taken) > total // 2:
        raise MachineUnreachable("Away after it took this one: it will hear it again.")


async def gone(held):
    told = []

    async def tell(losses):
        told.extend(losses)

    await held.take_losses(tell)
    return told


async def test_what_a_sink_had_taken_before_a_crash_is_not_sent_again_and_its_numbers_are_not_given_again(tmp_path):
    """streams 1: the spool was not told, the sink knows; a power failure may take the record and the note too."""
    taken, sink = {}, Sink()
    async with Spool.open(tmp_path) as held:
        await held.append(numbered(0), C2)
        await held.append(numbered(10), C2)

        async def crash(origin, what):
            await sink(origin, what)
            taken[origin.source] = origin.number
            raise MachineUnreachable("The node ends here.")

        with pytest.raises(MachineUnreachable):
            await held.drain(crash)
    async with Spool.open(tmp_path) as held:
        assert await held.settle({**taken, "spool:another:C2": 99}) == 10
        await held.drain(sink)
    assert sink.heard == [1, 2]
    async with Spool.open(tmp_path) as held:
        await held.settle(dict.fromkeys(taken, 40))
        assert await held.append(numbered(0), C2) == 41


async def test_a_state_that_is_spoilt_is_laid_aside_and_what_waits_is_sent_under_another_name(tmp_path):
    sources = []

    async def sink(origin, _what):
        sources.append(origin.source)
        if len(sources) == 1:
            raise MachineUnreachable("Away.")

    async with Spool.open(tmp_path) as held:
        await held.append(numbered(0), C1)
        with pytest.raises(MachineUnreachable):
            await held.drain(sink)
    (tmp_path / spool.STATE).write_bytes(bytes(90))
    async with Spool.open(tmp_path) as held:
        assert await held.drain(sink) == 10
    assert (len(set(sources)), (tmp_path / "state.damaged").exists()) == (2, True)


async def test_a_record_torn_by_a_crash_is_counted_as_lost(tmp_path):
    async with Spool.open(tmp_path) as held:
        for first in (0, 10, 20):
            await held.append(numbered(first), C2)
    path = next(tmp_path.glob("*.spool"))
    path.write_bytes(path.read_bytes()[:-3])
    async with Spool.open(tmp_path) as held:
        told = await gone(held)
        assert [(one.from_us, one.to_us, one.count, one.klass) for one in told] == [(20, 29, 10, C2)]
        assert held.fill().readings == 20


async def test_a_disk_that_is_full_ends_nothing_and_gives_nothing_up_that_it_cannot_note(tmp_path, monkeypatch):
    """streams 5: the spool's own volume: said, nothing lost uncounted, and it goes on with space."""

    def full(*_words, **_more):
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(spool, "SYNC_S", 0.01)
    sink, count = Sink(), 0
    async with Spool.open(tmp_path, limit_bytes=3_000, segment_bytes=1_000) as held, anyio.create_task_group() as tasks:
        tasks.start_soon(held.run)
        with monkeypatch.context() as patch:
            patch.setattr(Spool, "_save", full)
            while "No space left" not in (said := await refusal(held)):
                count += 10
            assert (held.fill().readings, await gone(held), "Free space" in said) == (count, [], True)
            held._is_dirty = True
            await until(held, is_full=True)
        await until(held, is_full=False)
        for _ in range(9):
            await held.append(numbered(0), C2)
        lost = sum(one.count for one in await gone(held))
        assert await held.drain(sink) + lost == count + 90
        assert lost > 0
        tasks.cancel_scope.cancel()


async def refusal(held):
    try:
        await held.append(numbered(0), C2)
    except DiskFull as fault:
        return str(fault)
    return ""


async def until(held, *, is_full):
    deadline = anyio.current_time() + 30
    while bool(await fault_of(held)) is not is_full:
        assert anyio.current_time() < deadline, "it was not said in time"
        await anyio.sleep(0.005)


async def fault_of(held):
    return held.fault
