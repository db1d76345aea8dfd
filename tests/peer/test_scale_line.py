"""Readings beyond one machine: log, sinks, lake and readers against real PostgreSQL, SeaweedFS and NATS servers."""

import anyio
import pytest
from scale_world import World, node_of, place_of, sink_of, until

from interwork.core.errors import Refused
from interwork.core.resource import BatchBuilder
from interwork.stream import Historian
from interwork.stream.scale import Scaled

HOUR = 3_600_000_000
BASE = 1_789_999_200_000_000
SECOND = 1_000_000
BAD = 0x80310000


@pytest.fixture(scope="module")
def world(tmp_path_factory):
    held = World(tmp_path_factory.mktemp("scale"))
    yield held
    held.stop()


def batch(*readings):
    builder = BatchBuilder()
    for one in readings:
        builder.add(*one)
    return builder.take()


def rows(found):
    texts = found.text or [None] * len(found)
    return [
        (signal, time_us, repr(value), quality, text)
        for signal, time_us, value, quality, text in zip(
            found.signal, found.time_us, found.value, found.quality, texts, strict=True
        )
    ]


def day():
    """Six hours of four signals: a noisy one, a counter, a state and one that is bad now and then."""
    for step in range(0, 6 * 60):
        at = BASE + step * 60 * SECOND
        yield batch(
            (1, at, 50 + (step * 7919 % 100) / 10),
            (2, at + 5, float(step)),
            (3, at + 9, ("ACTIVE", "READY", "STOPPED")[step // 17 % 3]),
            (6, at + 11, float(step % 5), BAD if step % 11 == 0 else 0),
        )


async def test_a_scaled_node_answers_every_question_as_a_local_historian_does(world, tmp_path):
    """streams 24: the same SQL over PostgreSQL and S3 gives the same answers as one machine."""
    scale = world.scale("answers", partitions=2)
    local = await Historian.open(tmp_path / "local")
    node = await node_of(tmp_path / "node", scale)
    sink = sink_of(tmp_path / "sink", scale)
    reader = await Scaled.reach(tmp_path / "reader", place_of(scale), None)
    async with anyio.create_task_group() as tasks:
        tasks.start_soon(sink.run)
        await node._log.found(1)
        for one in day():
            await local.append(one)
            await node.append(one)
        late = batch((1, BASE + 60 * SECOND, 99.5), (3, BASE + 61 * SECOND, "FAULT"))
        await local.append(late)
        await node.append(late)
        await until(lambda: has_all(node))
        await same_answers(local, reader)
        assert await sink.settle() == 6
        await local.seal()
        await same_answers(local, reader)
        tasks.cancel_scope.cancel()
    for one in (local, node, reader):
        await one.close()


async def has_all(node):
    return await node.confirm() == 0


async def same_answers(local, shared):
    signals, end = [1, 2, 3, 6, 7], BASE + 6 * HOUR
    assert rows(await shared.readings(signals, BASE, end)) == rows(await local.readings(signals, BASE, end))
    assert rows(await shared.latest(signals)) == rows(await local.latest(signals))
    assert (await shared.usage()).rows == (await local.usage()).rows
    for start, until_us in ((BASE, end), (BASE + 17, BASE + HOUR), (BASE + 1800 * SECOND, end - 77)):
        assert await shared.durations(3, start, until_us) == await local.durations(3, start, until_us)
        for signal in (1, 6):
            ours, theirs = [await one.trend(signal, start, until_us, points=60) for one in (shared, local)]
            assert (ours.time_us, ours.low, ours.high, ours.count) == (
                theirs.time_us, theirs.low, theirs.high, theirs.count
            )
            assert ours.mean == pytest.approx(theirs.mean)
    seen, mark = 0, 0
    while True:
        found, mark = await shared.after(mark, signals, BASE, end, limit=100)
        if not len(found):
            break
        seen += len(found)
    assert seen == len(await local.readings(signals, BASE, end))


async def test_a_reader_takes_no_readings_and_says_so(world, tmp_path):
    scale = world.scale("reader")
    node = await node_of(tmp_path / "node", scale)
    reader = await Scaled.reach(tmp_path / "reader", place_of(scale), None)
    with pytest.raises(Refused, match="takes no readings"):
        await reader.append(batch((1, BASE, 1.0)))
    for one in (node, reader):
        await one.close()
