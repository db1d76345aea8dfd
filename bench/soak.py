"""A whole plant for a while: 100,000 signals once a second through live state into the historian, sealed beside.

The load is synthetic, and every number moves, so that the deadband drops none. It is offered by the clock: a batch
is due each second whether the one before is done or not. SECONDS sets how long (60; 600 for the full soak). Loss is
what was offered and is not found afterwards.
"""

import os
import resource
import tempfile
import time
from pathlib import Path

import anyio
import numpy as np

from bench.harness import Result
from interwork.stream import Historian, Live, Shaper, batch_of

SIGNALS = 100_000
SECONDS = int(os.environ.get("SECONDS", "60"))
START_US = 1_790_000_000_000_000


async def soak(folder: Path) -> tuple[float, int, float, float]:
    """Offer the load; return readings per second, how many were lost, the longest delay in s, and CPU per second."""
    historian, live, shaper = await Historian.open(folder), Live(), Shaper({})
    chance, signal = np.random.default_rng(1), np.arange(SIGNALS)
    quality, worst, cpu = np.zeros(SIGNALS), 0.0, time.process_time()
    async with anyio.create_task_group() as tasks:
        tasks.start_soon(historian.run)
        began = time.perf_counter()
        for second in range(SECONDS):
            await anyio.sleep(max(0.0, began + second - time.perf_counter()))
            stamps = np.full(SIGNALS, START_US + second * 1_000_000)
            batch = batch_of(signal, stamps, np.round(chance.normal(50, 5, SIGNALS), 2) + second % 2 * 0.005, quality)
            live.update(batch)
            await historian.append(shaper.shape(batch))
            worst = max(worst, time.perf_counter() - began - second)
        taken = max(time.perf_counter() - began, float(SECONDS))
        cpu = time.process_time() - cpu
        tasks.cancel_scope.cancel()
    await historian.seal()
    held = (await historian.usage()).rows
    await historian.close()
    return SECONDS * SIGNALS / taken, SECONDS * SIGNALS - held, worst, cpu / taken


def run() -> Result:
    """Soak, then count."""
    with tempfile.TemporaryDirectory() as name:
        rate, lost, worst, cpu = anyio.run(soak, Path(name))
    peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024
    if lost or peak > 1024:
        raise SystemExit(f"{lost} readings were lost; the peak was {peak:.0f} MiB (1,024 allowed).")
    return Result(
        bench="soak",
        ours=rate,
        peer=float(SIGNALS),
        peer_name=f"the rate offered: {SIGNALS} signals at 1 Hz for {SECONDS} s",
        goal=0.99,
        unit="readings/s",
        note=f"none lost, longest delay {worst:.2f} s, {cpu:.2f} of a core, peak {peak:.0f} MiB",
    )
