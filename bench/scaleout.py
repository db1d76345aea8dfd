"""Beyond one machine: the log of three that sync before they acknowledge, beside one; the shared lake beside a folder.

R12: batches of 1,000 readings published one after the other, each acknowledged, by `Log.publish` to three servers with
`sync_interval: always`, beside one such server. R10, in the note: the same questions to the same sealed readings, over
PostgreSQL and S3 (SeaweedFS) beside SQLite and a folder, by the same code. All servers are on loopback, so the network
costs nothing here: the figures show what replicas, syncing and requests cost.
"""

import importlib
import sys
import tempfile
import time
from pathlib import Path
from typing import Any

import anyio

from bench.harness import Result
from bench.plant import START_US, best_ms, keep, load, postgres
from interwork.core.errors import PeerUnreachable
from interwork.core.resource import Batch
from interwork.core.settings import Scale
from interwork.stream import Historian
from interwork.stream.columns import columns_of, take
from interwork.stream.scale import Log, Place, Scaled
from interwork.stream.scale.log import cut
from interwork.stream.scale.moving import move

ROWS, WARM, COUNT = 1000, 30, 300
SECONDS = 4 * 3600
HOUR = 3_600_000_000
sys.path.insert(0, str(Path(__file__).parents[1] / "tests"))


def parts(batches: tuple[Batch, ...]) -> list[Batch]:
    """Cut the load into batches of 1,000 readings."""
    cut_up = []
    for batch in batches:
        columns = columns_of(batch)
        rows = range(0, len(batch), ROWS)
        cut_up += [take(columns, slice(at, at + ROWS)) for at in rows]  # type: ignore[arg-type]  # any index of numpy
        if len(cut_up) >= WARM + COUNT:
            break
    return cut_up[: WARM + COUNT]


async def is_found(source: Log) -> bool:
    """Make the stream; False while the servers still elect the one that may."""
    try:
        await source.found(1)
    except PeerUnreachable:
        return False
    return True


async def publish(scale: Scale, batches: list[Batch]) -> float:
    """Publish the batches one after the other; return readings per second."""
    source = Log(scale)
    for _ in range(120):
        if await is_found(source):
            break
        await anyio.sleep(0.5)
    messages = [cut(batch, 1)[0] for batch in batches]
    began = 0.0
    for index, message in enumerate(messages):
        began = time.perf_counter() if index == WARM else began
        await source.publish(message)
    taken = time.perf_counter() - began
    await source.close()
    return COUNT * ROWS / taken


def logged(folder: Path, servers: int, batches: list[Batch]) -> float:
    """Measure the log of so many servers."""
    folder.mkdir()
    cluster: Any = importlib.import_module("machines.nats_cluster").NatsCluster(folder, servers)
    try:
        scale = Scale(catalog="", store="s3://none", log=cluster.servers, replicas=servers, stream="bench", log_gb=0.5)
        return anyio.run(publish, scale, batches)
    finally:
        cluster.stop()


async def asked(historian: Historian) -> dict[str, float]:
    """Put the questions; return the milliseconds each takes."""
    end = START_US + SECONDS * 1_000_000
    states = list(range(100))
    return {
        "trend of an hour": await best_ms(lambda: historian.trend(7, START_US + HOUR, START_US + 2 * HOUR)),
        "trend of 4 hours": await best_ms(lambda: historian.trend(7, START_US, end)),
        "readings of 10 signals, 10 min": await best_ms(
            lambda: historian.readings(states[:10], START_US + HOUR, START_US + HOUR + HOUR // 6)
        ),
        "1-min mean of 100 signals": await best_ms(lambda: historian.trends(states, START_US, end), 5),
        "latest of 100 signals": await best_ms(lambda: historian.latest(states), 5),
    }


async def lakes(folder: Path, scale: Scale, batches: tuple[Batch, ...]) -> tuple[dict[str, float], dict[str, float]]:
    """Ask the same of a folder and of the shared lake it is moved into."""
    local = await keep(folder / "local", batches)
    alone = await asked(local)
    await local.close()
    place = Place.of(scale, str)
    await anyio.to_thread.run_sync(move, folder / "local", place, folder / "passing")
    reader = await Scaled.reach(folder / "reader", place, None)
    shared = await asked(reader)
    await reader.close()
    return shared, alone


def run() -> Result:
    """Measure the logs, then the lakes."""
    batches = load(100, SECONDS)
    small = parts(batches)
    with tempfile.TemporaryDirectory() as name, postgres() as connection:
        folder = Path(name)
        store: Any = importlib.import_module("machines.object_store").ObjectStore(folder / "store")
        try:
            one, three = logged(folder / "one", 1, small), logged(folder / "three", 3, small)
            connection.autocommit = True
            connection.execute("CREATE DATABASE shared")
            scale = Scale(
                catalog=f"host={connection.info.host} user=postgres dbname=shared",
                store="s3://interwork/bench",
                endpoint=store.endpoint,
                tls=False,
                log=("nats://localhost:1",),
            )
            shared, alone = anyio.run(lakes, folder, scale, batches)
        finally:
            store.stop()
    figures = "; ".join(f"{name} {shared[name]:.1f} / {alone[name]:.1f} ms" for name in shared)
    ratio = sum(shared.values()) / sum(alone.values())
    return Result(
        bench="scaleout",
        ours=three,
        peer=one,
        peer_name="one JetStream server with sync_interval always; both publish 1,000 readings a message, serially",
        goal=0.15,
        unit="readings/s",
        note=f"S3 and PostgreSQL / folder and SQLite: {ratio:.2f} in all (R10: at most 2): {figures}",
    )
