"""The machine line killed again and again: everything acknowledged is kept, once, and corrections stay corrections."""

import os
import random
import signal
import subprocess
import sys

import anyio
import duckdb
import ingest_child
import pytest
from machines.running import mtconnect_machine

from interwork.core.resource import GOOD
from interwork.stream import Historian
from interwork.stream.spool import Spool

pytestmark = pytest.mark.peer
KILLS = 20


class Lives:
    """The program that forks one life after the other."""

    def __init__(self, folder):
        words = [sys.executable, ingest_child.__file__, str(folder)]
        self.program = subprocess.Popen(words, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True)

    def live(self, first, second, is_enough):
        """Begin a life, kill it once it told enough, and tell what it told."""
        self.program.stdin.write(f"{first} {second}\n")
        self.program.stdin.flush()
        pid, told = None, []
        for line in self.program.stdout:
            if line.startswith("pid"):
                pid = int(line.split()[1])
            elif line == "ended\n":
                return told
            else:
                told.append(int(line))
            if pid and told and is_enough(told):
                os.kill(pid, signal.SIGKILL)
                pid = None
        raise AssertionError("the program ended")

    def end(self):
        self.program.stdin.close()
        self.program.wait(60)
        self.program.stdout.close()


async def test_twenty_kills_of_the_machine_line_lose_nothing_acknowledged_and_keep_nothing_twice(tmp_path):
    """streams 1: killed at random under ingest, with the historian away now and then: each reading once, in order."""
    lives, chance = Lives(tmp_path / "node"), random.Random(7)
    acknowledged, first = [], 0
    try:
        for seed in range(KILLS):
            count = chance.randrange(1, 120)
            told = await anyio.to_thread.run_sync(lives.live, first, seed, lambda told: len(told) >= count)  # noqa: B023 - used at once
            acknowledged += told
            first = told[-1] + 2  # the one under way at the kill may be there or not; it is not sent again
    finally:
        lives.end()
    await drained(tmp_path / "node")
    found = raw(tmp_path / "node" / "readings" / "hot.duckdb")
    assert [one for one in found if one[-1] > 1] == [], "kept twice"
    kept = {one[:3] for one in found}
    expected = {row for index in acknowledged for row in rows(index)}
    assert expected - kept == set(), "acknowledged and lost"
    assert len(kept - expected) <= KILLS * (ingest_child.SIGNALS + 1)
    await check_answers(tmp_path / "node" / "readings", set(acknowledged), first)


def rows(index):
    made = ingest_child.batch(index)
    return zip(made.signal, made.time_us, made.value, strict=True)


async def drained(folder):
    """Bring what waits in the spool into the historian, as the next start does."""
    historian = await Historian.open(folder / "readings")
    async with Spool.open(folder / "spool") as spool:
        await spool.settle(await historian.taken())
        await spool.drain(lambda origin, what: historian.append(what, origin), rate=1e9)
    await historian.close()


def raw(path):
    with duckdb.connect(str(path)) as connection:
        text = "SELECT signal, time_us, value, count(*) FROM hot GROUP BY ALL"
        return connection.execute(text).fetchall()


async def check_answers(folder, acknowledged, end):
    """Sealed, each reading is there once, and a corrected one has its last value."""
    historian = await Historian.open(folder)
    await historian.seal()
    span = ingest_child.BASE_US, ingest_child.BASE_US + end * 1_000_000
    found = await historian.readings(range(ingest_child.SIGNALS), *span)
    await historian.close()
    keys = list(zip(found.signal, found.time_us, strict=True))
    assert len(keys) == len(set(keys))
    value = dict(zip(keys, found.value, strict=True))
    for index in acknowledged:
        later = index + ingest_child.BACK
        if later in acknowledged:
            assert value[0, ingest_child.BASE_US + index * 1_000_000] == later + 0.5


async def test_a_machine_read_by_a_node_killed_again_and_again_is_read_on_without_loss_or_repeat(tmp_path):
    """streams 1: the place in an MTConnect agent's buffer outlives kill -9; what it counted meanwhile is all there."""
    machine, lives = mtconnect_machine(), Lives(tmp_path / "node")
    tell, last = machine.servers[0].tell, 0

    def count_on(told):
        nonlocal last
        if told[-1] == last:  # all of it arrived: two more while it lives, the second of which it may not keep
            last += 2
            tell("set", "count", last - 1)
            tell("set", "count", last)
        return len(told) > 2

    try:
        for _ in range(2):
            await anyio.to_thread.run_sync(lives.live, machine.endpoint, "count", count_on)
            for _ in range(5):
                last += 1
                tell("set", "count", last)
        end = last
        await anyio.to_thread.run_sync(lives.live, machine.endpoint, "count", lambda told: told[-1] == end)
    finally:
        lives.end()
        machine.stop()
    assert await counted(tmp_path / "node" / "readings") == [float(value) for value in range(last + 1)]


async def counted(folder):
    """Read the good values of the point that was counted."""
    historian = await Historian.open(folder)
    await historian.seal()
    found = await historian.readings(range(100), 0, ingest_child.BASE_US * 2)
    await historian.close()
    rows = zip(found.signal, found.value, found.quality, strict=True)
    good = [(number, value) for number, value, quality in rows if quality == GOOD]
    counter = next(number for number, value in good if value == 3.0)
    return [value for number, value in good if number == counter]
