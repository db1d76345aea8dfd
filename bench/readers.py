"""Ingest while four readers ask without pause, beside ingest alone: the cap on reading threads keeps machines first."""

import tempfile
import time
from pathlib import Path

import anyio

from bench.harness import Result
from bench.plant import START_US, load
from interwork.core.resource import Batch
from interwork.stream import Historian

READERS, WARM, COUNT = 4, 10, 120


async def ingest(folder: Path, batches: tuple[Batch, ...], readers: int) -> tuple[float, float, int]:
    """Append the batches with readers beside; return readings per second, the 99th percentile in ms, and answers."""
    historian, waits, answers = await Historian.open(folder), [], 0

    async def read(number: int) -> None:
        nonlocal answers
        while True:
            await historian.trend(number, START_US, START_US + 3_600_000_000)
            answers += 1

    for batch in batches[:WARM]:
        await historian.append(batch)
    async with anyio.create_task_group() as tasks:
        for number in range(readers):
            tasks.start_soon(read, number)
        began = time.perf_counter()
        for batch in batches[WARM:]:
            since = time.perf_counter()
            await historian.append(batch)
            waits.append(time.perf_counter() - since)
        taken = time.perf_counter() - began
        tasks.cancel_scope.cancel()
    await historian.close()
    return sum(len(batch) for batch in batches[WARM:]) / taken, sorted(waits)[-2] * 1e3, answers


def run() -> Result:
    """Measure both on the same batches."""
    batches = load()[: WARM + COUNT]
    with tempfile.TemporaryDirectory() as name:
        alone, alone_ms, _ = anyio.run(ingest, Path(name) / "alone", batches, 0)
        beside, beside_ms, answers = anyio.run(ingest, Path(name) / "beside", batches, READERS)
    return Result(
        bench="readers",
        ours=beside,
        peer=alone,
        peer_name="the same ingest with nobody reading",
        goal=0.25,
        unit="readings/s",
        note=f"slow commits {beside_ms:.0f} ms (alone {alone_ms:.0f}); {answers} trends of an hour answered meanwhile",
    )
