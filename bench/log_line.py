"""From a shared log to the hot table: a publisher's batches through JetStream, decoded, shaped and kept; beside INSERT.

Another process publishes 10,000 readings a message to one JetStream server that syncs always; this one reads them,
decodes them, drops what moved less than the deadband (nothing does: the load is made so) and appends them to the
historian, durably. The peer is a bare DuckDB INSERT of as many readings in as large batches. Then the publisher offers
half of the rate that was reached, and how long a message takes from before it is encoded until it is kept is measured.
"""

import importlib
import multiprocessing
import sys
import tempfile
import time
from pathlib import Path
from typing import Any

import anyio
import numpy as np

from bench.harness import Result
from bench.ingest import bare
from bench.plant import SIGNALS, load
from interwork.core.resource import Batch
from interwork.core.settings import Scale
from interwork.stream import Historian, Shaper, batch_of, columns_of
from interwork.stream.columns import decode_batch
from interwork.stream.scale import Log
from interwork.stream.scale.log import cut

MESSAGES, LATE_MESSAGES, WARM = 160, 100, 10
sys.path.insert(0, str(Path(__file__).parents[1] / "tests"))


def settings(servers: tuple[str, ...], stream: str) -> Scale:
    """Name the log."""
    return Scale(catalog="", store="s3://none", log=servers, replicas=1, stream=stream, log_gb=1.0)


def stamped(batch: Batch, at_us: int) -> Batch:
    """Give a batch times from a moment on, the first tells when it was made, and values that move."""
    columns = columns_of(batch)
    time_us = at_us + np.arange(len(batch))
    return batch_of(columns.signal, time_us, columns.value + time_us % 1_000_003 * 1e-6, columns.quality)


async def publish(servers: tuple[str, ...], stream: str, each_s: float, count: int) -> None:
    """Publish messages, one each so often; many at a time where that is 0."""
    source, batches = Log(settings(servers, stream)), load(SIGNALS, 10_000)
    began = time.monotonic()
    async with anyio.create_task_group() as tasks:
        limit = anyio.Semaphore(8)

        async def one(index: int) -> None:
            async with limit:
                await source.publish(cut(stamped(batches[index % len(batches)], time.monotonic_ns() // 1000), 1)[0])

        for index in range(count):
            await anyio.sleep(max(0.0, began + index * each_s - time.monotonic()))
            tasks.start_soon(one, index)
    await source.close()


def publisher(servers: tuple[str, ...], stream: str, each_s: float, count: int) -> None:
    """Publish, in a process of its own."""
    anyio.run(publish, servers, stream, each_s, count)


async def keep(folder: Path, scale: Scale, count: int) -> tuple[float, list[float]]:
    """Keep so many messages; return readings per second after the first ones, and each message's delay in s."""
    historian, source, shaper = await Historian.open(folder), Log(scale), Shaper({})
    await source.found(1)
    tail = await source.follow([0], 0)
    kept, delays = [0], list[float]()
    began, warm = 0.0, 0

    async def carry(batch: Batch) -> None:
        made_us = batch.time_us[0]
        await historian.append(shaper.shape(batch))
        delays.append(time.monotonic() - made_us / 1e6)
        kept[0] += len(batch)

    while len(delays) < count:
        if len(delays) <= WARM:
            began, warm = time.perf_counter(), kept[0]
        async with anyio.create_task_group() as tasks:
            for one in await tail.fetch(16, 5.0):
                tasks.start_soon(carry, decode_batch(one.body))
    taken = time.perf_counter() - began
    held = (await historian.usage()).rows
    await tail.drop()
    await source.close()
    await historian.close()
    if held != kept[0]:
        raise SystemExit(f"{held} of {kept[0]} readings are kept.")
    return (kept[0] - warm) / taken, sorted(delays[WARM:])


def measured(
    folder: Path, servers: tuple[str, ...], stream: str, load_: tuple[float, int]
) -> tuple[float, list[float]]:
    """Start a publisher, and keep what it publishes."""
    each_s, count = load_
    other = multiprocessing.get_context("spawn").Process(target=publisher, args=(servers, stream, each_s, count))
    other.start()
    try:
        return anyio.run(keep, folder / stream, settings(servers, stream), count)
    finally:
        other.join(20)
        other.kill()


def run() -> Result:
    """Measure the line, the peer, and the delay at half the rate."""
    batches = load(SIGNALS, 10_000)
    rows = len(batches[0])
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        (folder / "log").mkdir()
        cluster: Any = importlib.import_module("machines.nats_cluster").NatsCluster(folder / "log", 1)
        try:
            rate, _ = measured(folder, cluster.servers, "full", (0.0, MESSAGES))
            limit, _ = bare(folder, (batches * 2)[:MESSAGES])
            _, delays = measured(folder, cluster.servers, "half", (2 * rows / rate, LATE_MESSAGES))
        finally:
            cluster.stop()
    return Result(
        bench="log_line",
        ours=rate,
        peer=limit,
        peer_name="a bare DuckDB INSERT of batches as large; ours comes from a process beside, by a log that syncs",
        goal=0.6,
        unit="readings/s",
        note=(
            f"at half that rate a message is kept {delays[len(delays) // 2] * 1e3:.0f} ms after it was made "
            f"(p99 {delays[len(delays) * 99 // 100] * 1e3:.0f} ms, bar 250)"
        ),
    )
