"""What fails beyond one machine, and is mended: sinks killed, catalog and store away, leaders lost, the log full."""

import json
import os
import signal
import subprocess
import sys

import anyio
import msgspec
import pytest
from machines.nats_cluster import NatsCluster
from scale_world import World, answered, is_confirmed, node_of, place_of, running, sink_of, until

from interwork.core.errors import Conflict, LimitReached, PeerUnreachable, Unusable
from interwork.core.resource import BatchBuilder
from interwork.core.settings import Scale
from interwork.stream.scale import Log, Scaled
from interwork.stream.scale import log as logging

pytestmark = pytest.mark.timeout(300)  # many programs start, on whatever the machine has left; each wait is bounded
BASE = 1_789_999_200_000_000
SIGNALS = 6


@pytest.fixture(scope="module")
def world(tmp_path_factory):
    held = World(tmp_path_factory.mktemp("scale"))
    yield held
    held.stop()


def batch_at(step, rows=60):
    builder = BatchBuilder()
    for row in range(rows):
        builder.add(row % SIGNALS, BASE + step * 1_000_000 + row * 1000, float(step * 1000 + row))
    return builder.take()


async def publish(node, steps):
    """Append each batch until it is acknowledged, as the node's spool does."""
    for step in steps:
        while True:
            try:
                await node.append(batch_at(step))
                break
            except (Unusable, LimitReached):
                await anyio.sleep(0.1)
        await anyio.sleep(0.01)


async def check_all(scale, folder, steps):
    """Every reading once, with its value."""
    reader = await Scaled.reach(folder, place_of(scale), None)
    found = await reader.readings(range(SIGNALS), BASE - 10, BASE + steps * 1_000_000, limit=1_000_000)
    expected = [
        (row % SIGNALS, BASE + step * 1_000_000 + row * 1000, float(step * 1000 + row))
        for step in range(steps)
        for row in range(60)
    ]
    assert sorted(zip(found.signal, found.time_us, found.value, strict=True)) == sorted(expected)
    assert (await reader.usage()).rows == len(expected)
    await reader.close()


class Process:
    """`interwork sink` for one partition, in a process of its own."""

    def __init__(self, folder, part):
        self.words = [sys.executable, "-m", "interwork", "sink", "--data", str(folder), "--partition", str(part)]
        self.start()

    def start(self):
        self.child = subprocess.Popen(self.words, stdout=subprocess.PIPE, stderr=subprocess.DEVNULL)

    def wait(self):
        assert json.loads(self.child.stdout.readline())["ready"]

    def kill(self):
        os.kill(self.child.pid, signal.SIGKILL)
        self.child.wait(30)
        self.child.stdout.close()

    def stop(self):
        self.child.terminate()
        assert self.child.wait(60) == 0
        self.child.stdout.close()


def write_node(folder, scale):
    """Make a data folder with these settings, as a person would."""
    folder.mkdir()
    names = ", ".join(json.dumps(one) for one in scale.log)
    lines = ['name = "Plant"', 'organisation = "org-1"', 'kind = "small-manufacturer"', "port = 8799"]
    lines += ["[limits]", "retention_days = 100000", "[scale]"]
    lines += [f"{key} = {json.dumps(getattr(scale, key))}" for key in ("catalog", "store", "endpoint", "tls")]
    lines += [f"log = [{names}]"]
    lines += [f"{key} = {json.dumps(getattr(scale, key))}" for key in ("stream", "replicas", "partitions", "flush_s")]
    (folder / "node.toml").write_text("\n".join(lines) + "\n")


async def test_three_sinks_one_killed_and_catalog_and_store_away_lose_and_double_nothing(world, tmp_path):
    """streams 25: three sinks over PostgreSQL and S3, one killed -9; the catalog restarts, the store is away."""
    scale = world.scale("faults", partitions=3)
    write_node(tmp_path / "data", scale)
    node = await node_of(tmp_path / "node", scale)
    sinks = [Process(tmp_path / "data", part) for part in range(3)]
    try:
        for one in sinks:
            await anyio.to_thread.run_sync(one.wait)
        async with anyio.create_task_group() as tasks:
            tasks.start_soon(publish, node, range(200))
            await anyio.sleep(1.0)
            sinks[1].kill()
            sinks[1].start()
            await anyio.to_thread.run_sync(world.postgres.restart)
            await until(lambda: is_moving(node))
            world.store.stop()
            await anyio.sleep(2.0)
            await anyio.to_thread.run_sync(world.store.start)
        await until(lambda: is_confirmed(node), 60)
        await check_all(scale, tmp_path / "reader", 200)
    finally:
        for one in sinks:
            one.stop()
        await node.close()


async def is_moving(node):
    """Tell whether sinks write again: something was released."""
    before = len(node._held)
    return await is_confirmed(node) or len(node._held) < before


async def test_a_leader_killed_and_a_follower_wiped_lose_no_acknowledged_message(world, tmp_path):
    """streams 26: producers back off over the election, and what was acknowledged is in the lake."""
    scale = world.scale("leader")
    node = await node_of(tmp_path / "node", scale)
    await until(lambda: has_leader(node, ""))
    leader = int((await answered(node._log.standing)).leader.removeprefix("n"))
    wiped = (leader + 1) % 3
    async with anyio.create_task_group() as tasks:
        tasks.start_soon(publish, node, range(120))
        await anyio.sleep(0.4)
        world.nats.kill(leader)
        await until(lambda: has_leader(node, f"n{leader}"))
        world.nats.start(leader)
        await until(lambda: is_whole(node))
        world.nats.kill(wiped)
        world.nats.wipe(wiped)
        world.nats.start(wiped)
        await until(lambda: is_whole(node))
    assert node._log.counts.retried > 0
    async with running(sink_of(tmp_path / "sink", scale)):
        await until(lambda: is_confirmed(node))
    await check_all(scale, tmp_path / "reader", 120)
    await node.close()


async def has_leader(node, other_than):
    try:
        return (await node._log.standing()).leader not in {"", other_than}
    except PeerUnreachable:
        return False


async def is_whole(node):
    try:
        return (await node._log.standing()).current == 3
    except PeerUnreachable:
        return False


async def test_a_full_log_refuses_and_takes_again_once_a_sink_works(world, tmp_path, monkeypatch):
    """streams 7: a slow sink fills the log; publishing waits and is refused with words, and nothing is lost."""
    monkeypatch.setattr(logging, "PUBLISH_S", 0.5)
    scale = world.scale("full", log_gb=0.00003)
    node = await node_of(tmp_path / "node", scale)
    taken = await fill(node)
    assert 0 < taken < 100
    assert "is full" in await refusal(node, taken)
    assert node._log.counts.refused_full > 0
    assert (await node.health()).hot_rows == taken * 60
    async with running(sink_of(tmp_path / "sink", scale)):
        await until(lambda: is_confirmed(node))
        await publish(node, range(taken, 40))
        await until(lambda: is_confirmed(node))
    await check_all(scale, tmp_path / "reader", 40)
    await node.close()


async def fill(node):
    """Append until the log is full; say how many batches it took."""
    for step in range(100):
        if await refusal(node, step):
            return step
    return 100


async def refusal(node, step):
    """Append a batch; say how the full log refuses it, or nothing where it took it."""
    for _ in range(60):  # a cluster that elects its leader answers a moment later
        try:
            await node.append(batch_at(step))
        except LimitReached as fault:
            return str(fault)
        except Unusable:
            await anyio.sleep(0.25)
        else:
            return ""
    raise AssertionError("the log did not answer in time")


async def test_what_a_log_has_lost_after_acknowledging_is_sent_again_from_the_edge(world, tmp_path):
    scale = world.scale("lost")
    node = await node_of(tmp_path / "node", scale)
    await publish(node, range(5))
    stream = await node._log.reach()
    await stream.delete_stream("lost")
    await answered(node._log.found, 1)
    assert await answered(node.confirm) == 5
    async with running(sink_of(tmp_path / "sink", scale)):
        await until(lambda: is_confirmed(node))
    await check_all(scale, tmp_path / "reader", 5)
    await node.close()


async def test_a_node_that_ends_before_the_log_answers_sends_again_and_the_lake_has_it_once(world, tmp_path):
    scale = world.scale("again")
    node = await node_of(tmp_path / "node", scale)
    message = logging.cut(batch_at(0), 1)[0]
    node._held.keep([message])
    await node._log.publish(message)  # the node ends before it notes the sequence
    await node.close()
    node = await node_of(tmp_path / "node", scale)
    assert len(node._held) == 1
    async with running(sink_of(tmp_path / "sink", scale)):
        await until(lambda: is_confirmed(node))
    assert node._log.counts.repeated == 1
    await check_all(scale, tmp_path / "reader", 1)
    await node.close()


async def test_two_sinks_of_one_partition_write_each_reading_once(world, tmp_path):
    scale = world.scale("twice")
    node = await node_of(tmp_path / "node", scale)
    async with running(sink_of(tmp_path / "one", scale), sink_of(tmp_path / "two", scale)):
        await publish(node, range(60))
        await until(lambda: is_confirmed(node))
    await check_all(scale, tmp_path / "reader", 60)
    await node.close()


async def test_a_message_that_is_no_batch_is_kept_and_counted_and_stops_nothing(world, tmp_path):
    scale = world.scale("noise")
    node = await node_of(tmp_path / "node", scale)
    sequence = await node._log.publish(logging.Message("noise", 0, 1, b"no batch"))
    await publish(node, range(1))
    sink = sink_of(tmp_path / "sink", scale)
    async with running(sink):
        await until(lambda: is_confirmed(node))
    assert (tmp_path / "sink" / "refused" / f"{sequence}.bin").read_bytes() == b"no batch"
    assert sink.written.refused == 1
    await check_all(scale, tmp_path / "reader", 1)
    await node.close()


async def test_a_stream_waits_for_the_servers_its_replicas_need(tmp_path, monkeypatch):
    """A cluster some of whose servers are not up yet: told with what to do, and made by itself once they are."""
    cluster = NatsCluster(tmp_path, 2)
    log = Log(Scale(catalog="none", store="none", log=cluster.servers, stream="gathering", replicas=3, log_gb=0.05))
    try:
        with monkeypatch.context() as patched:
            patched.setattr(logging, "GATHER_S", 0.5)
            with pytest.raises(PeerUnreachable, match="finds no 3 servers") as said:
                await log.found(1)
        assert "Start the missing servers" in said.value.remedy
        monkeypatch.setattr(logging, "GATHER_S", 60)  # a server starts in it, on whatever the machine has left
        async with anyio.create_task_group() as tasks:
            tasks.start_soon(answered, log.found, 1)
            await anyio.sleep(0.5)
            cluster.grow()
        assert (await answered(log.standing)).replicas == 3
    finally:
        await log.close()
        cluster.stop()


async def test_a_stream_of_other_replicas_is_refused_with_words(world):
    scale = world.scale("replicas")
    source = Log(scale)
    await answered(source.found, 1)
    other = Log(msgspec.structs.replace(scale, replicas=1))
    with pytest.raises(Conflict, match="has 3 replicas"):
        await answered(other.found, 1)
    for one in (source, other):
        await one.close()
