"""The MTConnect connector against an HTTP agent in a child process, and against real documents replayed by it.

The documents are of the NIST Smart Manufacturing Systems Test Bed (US Government work; courtesy of NIST).
"""

import math
import os
from contextlib import aclosing
from pathlib import Path

import anyio
import pytest
from machines.running import mtconnect_machine

from interwork.connectors import Point
from interwork.connectors.mtconnect import MTConnectConnector
from interwork.core.errors import MachineUnreachable
from interwork.core.resource import BAD_NO_DATA, GOOD

pytestmark = pytest.mark.peer
SHARED = Path(os.environ.get("INTERWORK_SHARED_DATA") or Path(__file__).parents[3] / "shared" / "data")
NIST = SHARED / "plant" / "nist-sms"
COUNT, SYSTEM, LOAD = (
    Point(number=1, address="count"),
    Point(number=2, address="system", is_text=True),
    Point(number=3, address="load"),
)


@pytest.fixture
def machine():
    running = mtconnect_machine()
    yield running
    running.stop()


def rows_of(batch):
    texts = batch.text or [None] * len(batch)
    return list(zip(batch.signal, batch.value, batch.quality, texts, strict=True))


async def collect(batches, is_enough):
    rows = []
    with anyio.fail_after(15):
        async for batch in batches:
            rows += rows_of(batch)
            if is_enough(rows):
                break
    return rows


async def tell(machine, *words):
    await anyio.to_thread.run_sync(lambda: machine.servers[0].tell(*words))


async def test_unavailable_is_bad_quality_and_never_a_value(machine):
    async with (
        MTConnectConnector(machine.endpoint, machine.options) as connector,
        aclosing(connector.readings([LOAD])) as batches,
    ):
        ((_, value, quality, text),) = rows_of(await anext(batches))
    assert (quality, text) == (BAD_NO_DATA, None)
    assert math.isnan(value)


async def test_conditions_are_a_set_that_normal_clears(machine):
    async with (
        MTConnectConnector(machine.endpoint, machine.options) as connector,
        aclosing(connector.readings([SYSTEM])) as batches,
    ):
        await anext(batches)
        for level, code in (("Warning", "W1"), ("Fault", "F2"), ("Normal", "W1"), ("Normal", "")):
            await tell(machine, "condition", level, code)
        rows = await collect(batches, lambda rows: len(rows) == 4)
    assert [text for *_, text in rows] == [
        "WARNING W1 Trouble",
        "WARNING W1 Trouble; FAULT F2 Trouble",
        "FAULT F2 Trouble",
        "",
    ]


@pytest.mark.parametrize("event", ["restart", "trim"])
async def test_a_hole_in_the_stream_is_told_and_then_everything_starts_again(machine, event):
    async with (
        MTConnectConnector(machine.endpoint, machine.options) as connector,
        aclosing(connector.readings([COUNT])) as batches,
    ):
        await tell(machine, "set", "count", 3)
        await collect(batches, lambda rows: rows[-1][1] == 3.0)
        await tell(machine, event)
        rows = await collect(batches, lambda rows: rows[-1][2] == GOOD and len(rows) > 1)
    assert rows[0][2] == BAD_NO_DATA
    assert rows[-1][1] in (0.0, 3.0)


async def test_reading_again_resumes_at_the_next_sequence_without_loss_or_repeat(machine):
    async with MTConnectConnector(machine.endpoint, machine.options) as connector:
        async with aclosing(connector.readings([COUNT])) as batches:
            await anext(batches)
            await anyio.to_thread.run_sync(machine.change, 1)
            await collect(batches, lambda rows: rows[-1][1] == 1.0)
        for count in range(2, 30):
            await anyio.to_thread.run_sync(machine.change, count)
        async with aclosing(connector.readings([COUNT])) as again:
            rows = await collect(again, lambda rows: rows[-1][1] == 29.0)
    # The batch that was being looked at when reading stopped comes again: it was not taken to its end.
    assert [value for _, value, _, _ in rows] == [float(count) for count in range(1, 30)]


async def test_entering_again_resumes_too(machine):
    connector = MTConnectConnector(machine.endpoint, machine.options)
    async with connector, aclosing(connector.readings([COUNT])) as batches:
        await anext(batches)
        await anyio.to_thread.run_sync(machine.change, 1)
        await collect(batches, lambda rows: rows[-1][1] == 1.0)
    for count in (2, 3, 4):
        await anyio.to_thread.run_sync(machine.change, count)
    async with connector, aclosing(connector.readings([COUNT])) as again:
        rows = await collect(again, lambda rows: rows[-1][1] == 4.0)
    assert [value for _, value, _, _ in rows] == [1.0, 2.0, 3.0, 4.0]


@pytest.mark.parametrize("how", ["silence", "freeze"])
async def test_silence_of_two_heartbeats_is_a_lost_link(machine, how):
    async with (
        MTConnectConnector(machine.endpoint, {"heartbeat_ms": 500}) as connector,
        aclosing(connector.readings([COUNT])) as batches,
    ):
        await anext(batches)
        await anyio.to_thread.run_sync(machine.change, 1)
        await anext(batches)
        if how == "freeze":
            machine.servers[0].freeze()
        else:
            await tell(machine, "silence")
        with pytest.raises(MachineUnreachable, match="silent for 1 s"), anyio.fail_after(5):
            await anext(batches)


async def test_an_agent_without_the_named_device_is_unreachable_with_the_agents_own_words(machine):
    endpoint = machine.endpoint.replace("/Machine", "/Other")
    with pytest.raises(MachineUnreachable):
        async with MTConnectConnector(endpoint, {}):
            pass


@pytest.mark.skipif(not NIST.is_dir(), reason="the NIST documents are not on this machine")
async def test_ten_thousand_real_observations_are_streamed_exactly_once():
    running = mtconnect_machine(NIST / "Devices.xml", NIST / "qdr_input001.xml")
    try:
        async with MTConnectConnector(running.endpoint, {"heartbeat_ms": 1000}) as connector:
            found = await connector.browse()
            points = [Point(number=n, address=one.address, is_text=one.is_text) for n, one in enumerate(found)]
            async with aclosing(connector.readings(points)) as batches:
                rows = await collect(batches, lambda rows: len(rows) >= expected(found))
    finally:
        running.stop()
    assert len(rows) == expected(found)
    assert sum(quality == BAD_NO_DATA for _, _, quality, _ in rows) > 0
    assert all(quality in (GOOD, BAD_NO_DATA) for _, _, quality, _ in rows)


def expected(found):
    """Count the document's observations of data items that the device model knows."""
    text = (NIST / "qdr_input001.xml").read_text(encoding="utf-8")
    known = {one.address for one in found}
    return sum(part.partition('"')[0] in known for part in text.split('dataItemId="')[1:])
