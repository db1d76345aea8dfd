"""Readings beyond one machine: log, sinks, lake and readers against real PostgreSQL, SeaweedFS and NATS servers."""

from datetime import UTC, datetime

import anyio
import msgspec
import pytest
from machines.nats_cluster import NatsCluster
from scale_world import World, answered, is_confirmed, node_of, place_of, running, sink_of, until

from interwork.core.clock import from_us
from interwork.core.errors import Conflict, Refused
from interwork.core.resource import BatchBuilder
from interwork.core.settings import Limits
from interwork.stream import Historian
from interwork.stream.origin import Origin
from interwork.stream.scale import Scaled
from interwork.stream.scale.checking import addresses, examine
from interwork.stream.scale.moving import move

pytestmark = pytest.mark.timeout(300)  # many programs start, on whatever the machine has left; each wait is bounded
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
    for step in range(6 * 60):
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
    hours = [BASE]
    sink = sink_of(tmp_path / "sink", scale, clock=lambda: datetime.fromtimestamp(hours[0] / 1e6, UTC))
    reader = await Scaled.reach(tmp_path / "reader", place_of(scale), None)
    async with running(sink):
        for one in day():
            await local.append(one)
            await node.append(one)
        late = batch((1, BASE + 60 * SECOND, 99.5), (3, BASE + 61 * SECOND, "FAULT"))
        await local.append(late)
        await node.append(late)
        await until(lambda: is_confirmed(node))
        await same_answers(local, reader)
        hours[0] += 7 * HOUR
        assert await sink.settle() == 6
        await local.seal()
        await same_answers(local, reader)
        assert (await reader.usage()).rows == (await local.usage()).rows
    for one in (local, node, reader):
        await one.close()


async def same_answers(local, shared):
    signals, end = [1, 2, 3, 6, 7], BASE + 6 * HOUR
    assert rows(await shared.readings(signals, BASE, end)) == rows(await local.readings(signals, BASE, end))
    assert rows(await shared.latest(signals)) == rows(await local.latest(signals))
    for start, until_us in ((BASE, end), (BASE + 17, BASE + HOUR), (BASE + 1800 * SECOND, end - 77)):
        assert await shared.durations(3, start, until_us) == await local.durations(3, start, until_us)
        for signal in (1, 6):
            ours, theirs = [await one.trend(signal, start, until_us, points=60) for one in (shared, local)]
            assert (ours.time_us, ours.low, ours.high, ours.count) == (
                theirs.time_us,
                theirs.low,
                theirs.high,
                theirs.count,
            )
            assert ours.mean == pytest.approx(theirs.mean)
    seen, mark = 0, 0
    while True:
        found, mark = await shared.after(mark, signals, BASE, end, limit=100)
        if not len(found):
            break
        seen += len(found)
    assert seen == len(await local.readings(signals, BASE, end))


async def test_rules_of_single_signals_and_a_legal_hold_are_kept_in_the_shared_lake(world, tmp_path):
    """streams 18: a time and a quota of its own, a hold that outlives both; roll-ups stay and the store is freed."""
    scale = world.scale("kept", partitions=2)
    node, at = await node_of(tmp_path / "node", scale), [BASE]
    clock, limits = lambda: datetime.fromtimestamp(at[0] / 1e6, UTC), Limits(retention_days=2 / 24)
    sinks = [sink_of(tmp_path / str(part), scale, [part], clock=clock, limits=limits) for part in (0, 1)]
    async with running(*sinks):
        for one in day():
            await node.append(one)
        await until(lambda: is_confirmed(node))
        await node.retain([1], keep_days=5 / 24)
        await node.retain([6], hold=True)
        await node.retain([6], keep_days=1 / 24)
        await node.retain([2], quota_bytes=1.0)
        at[0] = BASE + 6 * HOUR + 120 * SECOND
        for sink in sinks:
            await sink.settle()
        at[0] += HOUR
        for sink in sinks:
            await sink.settle()
        found = {signal: await hours_of(node, signal) for signal in (1, 2, 3, 6)}
        assert found == {1: [2, 3, 4, 5], 2: [], 3: [5], 6: [0, 1, 2, 3, 4, 5]}
        assert sum((await node.trend(1, BASE, BASE + 6 * HOUR, points=6)).count) == 360
        await node.retain([6], hold=False)
        await sinks[0].settle()
        assert await hours_of(node, 6) == [5]
        for sink in sinks:
            await sink.settle()
        found = await anyio.to_thread.run_sync(addresses, tmp_path / "look", place_of(scale))
        assert len(found) == len({one for one in found if one.startswith("s3://") and one.endswith(".parquet")}) > 0
    reader = await Scaled.reach(tmp_path / "reader", place_of(scale), None)
    with pytest.raises(Refused, match="changes nothing"):
        await reader.retain([6], hold=False)
    for one in (node, reader):
        await one.close()


async def test_the_shared_lake_keeps_to_its_size_by_its_oldest_hours_and_nothing_on_hold_goes(world, tmp_path):
    """streams 18: scale.storage_gb, of all nodes together; the newest hours stay, and so do the roll-ups."""
    scale = world.scale("sized", partitions=2)
    node, at = await node_of(tmp_path / "node", scale), [BASE]
    parts = [msgspec.structs.replace(scale, storage_gb=1e-5), scale]
    sinks = [
        sink_of(tmp_path / str(part), one, [part], clock=lambda: from_us(at[0]), limits=Limits(retention_days=1000))
        for part, one in enumerate(parts)
    ]
    async with running(*sinks):
        for one in day():
            await node.append(one)
        await until(lambda: is_confirmed(node))
        await node.retain([6], hold=True)
        at[0] = BASE + 6 * HOUR + 120 * SECOND
        for sink in (*reversed(sinks), *sinks):
            await sink.settle()
        at[0] += HOUR
        for sink in sinks:
            await sink.settle()
        kept = {signal: await hours_of(node, signal) for signal in (1, 3, 6)}
        assert kept[6] == [0, 1, 2, 3, 4, 5]
        assert kept[1] == kept[3] != []
        assert kept[1] == list(range(kept[1][0], 6))
        assert kept[1][0] > 0
        assert sum((await node.trend(1, BASE, BASE + 6 * HOUR, points=6)).count) == 360
    await node.close()


async def hours_of(node, signal):
    await node._look()
    found = await node.readings([signal], BASE, BASE + 9 * HOUR)
    return sorted({(time_us - BASE) // HOUR for time_us in found.time_us})


async def test_a_batch_sent_again_after_a_start_is_in_the_lake_once_and_its_sender_is_told(world, tmp_path):
    """streams 12: by its origin, whether the log had it, the lake had it, or nobody yet."""
    scale = world.scale("origin", partitions=2)
    node, origin = await node_of(tmp_path / "node", scale), Origin("spool:x:C1", 3)
    sent = batch((1, BASE, 1.0), (2, BASE, 2.0))
    await node.append(sent, origin)
    assert await node.taken() == {"spool:x:C1": 3}
    (tmp_path / "node" / "held" / "taken.json").unlink()  # as if it had ended before it noted that
    await node.close()
    node = await node_of(tmp_path / "node", scale)
    async with running(sink_of(tmp_path / "sink", scale)):
        await until(lambda: has_rows(node, 2))
        await node.append(sent, origin)
        await node.append(sent, origin)
        assert (await answered(node._log.standing)).last <= 2
        node._held.unlisted()
        await until(lambda: is_confirmed(node))
    assert (await node.usage()).rows == 2
    await node.close()


async def has_rows(node, count):
    await is_confirmed(node)
    return (await node.usage()).rows == count


async def test_a_reader_takes_no_readings_and_says_so(world, tmp_path):
    scale = world.scale("reader")
    node = await node_of(tmp_path / "node", scale)
    reader = await Scaled.reach(tmp_path / "reader", place_of(scale), None)
    with pytest.raises(Refused, match="takes no readings"):
        await reader.append(batch((1, BASE, 1.0)))
    for one in (node, reader):
        await one.close()


async def test_moving_a_plant_into_the_shared_lake_keeps_rows_answers_and_order_of_arrival(world, tmp_path):
    """streams 24: local to scaled: the same rows, roll-ups and answers; what arrives later still wins."""
    scale = world.scale("moved", partitions=2)
    local = await Historian.open(tmp_path / "local")
    for one in day():
        await local.append(one)
    await local.seal()
    counts = await anyio.to_thread.run_sync(move, tmp_path / "local", place_of(scale), tmp_path / "passing")
    assert counts["reading"] == (await local.usage()).rows
    assert counts["rollup"] > 0
    with pytest.raises(Conflict, match="has readings already"):
        await anyio.to_thread.run_sync(move, tmp_path / "local", place_of(scale), tmp_path / "passing")
    node = await node_of(tmp_path / "node", scale)
    await same_answers(local, node)
    later = batch((1, BASE + 60 * SECOND, -1.0), (2, BASE + 7 * HOUR, 5.0))
    assert await node.append(later) > 1440
    async with running(sink_of(tmp_path / "sink", scale)):
        await until(lambda: is_confirmed(node))
    assert rows(await node.readings([1], BASE + 60 * SECOND, BASE + 61 * SECOND))[0][2] == "-1.0"
    assert (await node.usage()).rows == 1441
    for one in (local, node):
        await one.close()


async def test_a_check_says_how_each_part_stands_and_which_server_does_not_sync_always(world, tmp_path):
    """streams 30: versions match, and `sync_interval: always` is looked at, not assumed."""
    scale = world.scale("checked")
    node = await node_of(tmp_path / "node", scale)
    found = await examine(tmp_path / "check", place_of(scale), node._log, world.nats.monitor_addresses)
    for _ in range(100):
        if all(one.is_well for one in found):
            break
        await anyio.sleep(0.2)  # the replicas of a new stream, or their leader, are a moment behind
        found = await examine(tmp_path / "check", place_of(scale), node._log, world.nats.monitor_addresses)
    assert [one.is_well for one in found] == [True] * 6, found
    (tmp_path / "nats").mkdir()
    lazy = NatsCluster(tmp_path / "nats", 1, sync="2m")
    try:
        found = await examine(
            tmp_path / "check", place_of(scale), node._log, [*lazy.monitor_addresses, "http://[::1]:1"]
        )
    finally:
        lazy.stop()
    assert [one.is_well for one in found[-2:]] == [False, False]
    assert "sync_interval: always" in found[-2].said
    unnamed = await examine(tmp_path / "check", place_of(scale), node._log, ())
    assert unnamed[-1].is_well is None
    await node.close()
