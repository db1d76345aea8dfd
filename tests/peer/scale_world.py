"""What readings beyond one machine need, for tests: PostgreSQL, an S3 store and NATS servers, all on loopback."""

import shutil
import signal
import subprocess
import tempfile
import time
from contextlib import asynccontextmanager
from pathlib import Path

import anyio
from contract.postgres_server import programs, start, unprivileged, wait_for
from machines.nats_cluster import NatsCluster
from machines.object_store import BUCKET, ObjectStore

from interwork.core.errors import LimitReached, PeerUnreachable, Unusable
from interwork.core.settings import Scale
from interwork.stream.scale import Log, Place, Scaled, Sink


class Postgres:
    """A server on a socket of its own that may be stopped at once and started again."""

    def __init__(self):
        self.folder = Path(tempfile.mkdtemp(prefix="interwork-pg-"))
        source, data = programs(), self.folder / "data"
        make = [source / "initdb", "-D", data, "-U", "postgres", "--auth=trust", "--no-sync", "--locale=C.UTF-8"]
        self.serve = [source / "postgres", "-D", data, "-k", self.folder, "-c", "listen_addresses="]
        self.serve += ["-c", "fsync=off"]
        self.process = start(self.folder, make, self.serve)
        wait_for(self.folder, self.process)

    def catalog(self, name="postgres"):
        return f"host={self.folder} user=postgres dbname={name}"

    def restart(self):
        self.process.send_signal(signal.SIGQUIT)
        self.process.wait(60)
        self.process = subprocess.Popen(self.serve, cwd=self.folder, stderr=subprocess.DEVNULL, **unprivileged())
        wait_for(self.folder, self.process)

    def stop(self):
        self.process.send_signal(signal.SIGQUIT)
        self.process.wait(60)
        shutil.rmtree(self.folder)


class World:
    """All of them; `scale(name)` gives the settings of a plant of its own in them."""

    def __init__(self, folder, servers=3):
        self.folder = folder
        self.parts = []
        try:
            self.postgres = self._have(Postgres())
            self.store = self._have(ObjectStore(folder / "store"))
            (folder / "nats").mkdir()
            self.nats = self._have(NatsCluster(folder / "nats", servers))
        except BaseException:
            self.stop()
            raise

    def _have(self, part):
        self.parts.append(part)
        return part

    def stop(self):
        for part in reversed(self.parts):
            part.stop()

    def scale(self, name, **more):
        import psycopg

        with psycopg.connect(self.postgres.catalog(), autocommit=True) as connection:
            connection.execute(f'CREATE DATABASE "{name}"')
        self.nats.wait()  # the test before may have killed one
        given = {
            "catalog": self.postgres.catalog(name),
            "store": f"s3://{BUCKET}/{name}",
            "endpoint": self.store.endpoint,
            "tls": False,
            "log": self.nats.servers,
            "stream": name,
            "replicas": len(self.nats.ports),
            "log_gb": 0.05,
            "flush_s": 0.3,
        }
        return Scale(**{**given, **more})


def place_of(scale):
    return Place.of(scale, lambda reference: reference)


def sink_of(folder, scale, parts=None, **more):
    parts = range(scale.partitions) if parts is None else parts
    return Sink(folder, scale, place_of(scale), Log(scale), parts, **more)


async def founded(scale):
    """Make the lake and the stream, as a node does."""
    source = Log(scale)
    await answered(source.found, 1)
    await source.close()


async def node_of(folder, scale, **more):
    """Open a node and make its stream, trying again as its `run` does while the log elects its leader."""
    node = await Scaled.reach(folder, place_of(scale), Log(scale), **more)
    await until(lambda: has_log(node))
    return node


async def has_log(node):
    await node._find_log()
    return node._is_log_found


async def is_confirmed(node):
    """Whether the lake has all that the node has kept; False too where the log or the catalog is away right now."""
    try:
        return await node.confirm() == 0
    except (Unusable, LimitReached, PeerUnreachable):
        return False


async def answered(ask, *words, seconds=60):
    """Ask a cluster again and again until it answers: it has no leader now and then, above all for a new stream."""
    deadline = time.monotonic() + seconds
    while True:
        try:
            return await ask(*words)
        except PeerUnreachable:
            assert time.monotonic() < deadline, "the log did not answer in time"
            await anyio.sleep(0.1)


@asynccontextmanager
async def running(*sinks):
    """Run sinks until the block is left."""
    try:
        async with anyio.create_task_group() as tasks:
            for sink in sinks:
                tasks.start_soon(sink.run)
            yield
            tasks.cancel_scope.cancel()
    finally:
        for sink in sinks:
            await sink._log.close()


async def until(check, seconds=60):
    """Wait until something holds, looking again and again."""
    deadline = time.monotonic() + seconds
    while not await check():
        assert time.monotonic() < deadline, "it did not come to hold in time"
        await anyio.sleep(0.05)
