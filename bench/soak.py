"""A whole plant for a while: 100,000 signals once a second through live state into the historian, sealed beside.

The load is synthetic, and every number moves, so that the deadband drops none. It is offered by the clock: a batch
is due each second whether the one before is done or not, and this process keeps to two cores. The historian's clock
is set so that an hour ends, and is sealed and rolled up, in the middle of the run. SECONDS sets how long (60; 600 for
the full soak). Loss is what was offered and is not found afterwards. Each second one signal's new reading is asked
for: how long that takes, from the start of its append, is what `visible` tells.
"""

import os
import resource
import tempfile
import time
from dataclasses import dataclass, field
from pathlib import Path

import anyio
import numpy as np

from bench.harness import Result
from interwork.core.clock import from_us
from interwork.stream import Historian, Live, Shaper, batch_of

SIGNALS = int(os.environ.get("SIGNALS", "100000"))
SECONDS = int(os.environ.get("SECONDS", "60"))
HOUR_US = 3_600_000_000
SEALED_AFTER_US = 60_000_000
START_US = 1_790_000_000_000_000 // HOUR_US * HOUR_US + SEALED_AFTER_US - SECONDS * 500_000
MEMORY_MIB = 1024


@dataclass(slots=True)
class Soak:
    """What was seen."""

    rate: float = 0.0
    lost: int = 0
    cpu: float = 0.0
    delays: list[float] = field(default_factory=list)
    visible: list[float] = field(default_factory=list)
    memory: list[float] = field(default_factory=list)

    def note(self) -> str:
        """Write it for people."""
        third = len(self.memory) // 3 or 1
        thirds = [max(self.memory[at : at + third]) for at in range(0, third * 3, third)]
        late, seen = sorted(self.delays), sorted(self.visible)
        return (
            f"none lost; kept within {late[len(late) // 2] * 1e3:.0f} ms of being due (p99 {_p99(late) * 1e3:.0f}, "
            f"longest {late[-1] * 1e3:.0f}); visible after {seen[len(seen) // 2] * 1e3:.0f} ms "
            f"(p99 {_p99(seen) * 1e3:.0f}); {self.cpu:.2f} of a core; memory in each third of the run at most "
            f"{', '.join(f'{one:.0f}' for one in thirds)} MiB, at the end {self.memory[-1]:.0f} MiB"
        )


def _p99(figures: list[float]) -> float:
    return figures[min(len(figures) - 1, len(figures) * 99 // 100)]


def memory() -> float:
    """Tell the MiB this process has in memory."""
    pages = int(Path("/proc/self/statm").read_text(encoding="ascii").split()[1])
    return pages * resource.getpagesize() / 2**20


async def soak(folder: Path) -> Soak:
    """Offer the load and tell what was seen."""
    seen, began = Soak(), time.perf_counter()
    historian = await Historian.open(folder, clock=lambda: from_us(now_us(began)))
    live, shaper = Live(), Shaper({})
    chance, signal, quality = np.random.default_rng(1), np.arange(SIGNALS), np.zeros(SIGNALS)
    cpu = time.process_time()
    async with anyio.create_task_group() as tasks:
        tasks.start_soon(historian.run)
        for second in range(SECONDS):
            await anyio.sleep(max(0.0, began + second - time.perf_counter()))
            stamps = np.full(SIGNALS, START_US + second * 1_000_000)
            batch = batch_of(signal, stamps, np.round(chance.normal(50, 5, SIGNALS), 2) + second % 2 * 0.005, quality)
            live.update(batch)
            since = time.perf_counter()
            await historian.append(shaper.shape(batch))
            seen.delays.append(time.perf_counter() - began - second)
            one = int(chance.integers(SIGNALS))
            if len(await historian.readings([one], START_US + second * 1_000_000, now_us(began) + 1_000_000)) != 1:
                raise SystemExit(f"Signal {one} is not seen after its append in second {second}.")
            seen.visible.append(time.perf_counter() - since)
            seen.memory.append(memory())
        taken = max(time.perf_counter() - began, float(SECONDS))
        seen.cpu = (time.process_time() - cpu) / taken
        tasks.cancel_scope.cancel()
    held = (await historian.usage()).rows
    await historian.close()
    seen.rate, seen.lost = SECONDS * SIGNALS / taken, SECONDS * SIGNALS - held
    return seen


def now_us(began: float) -> int:
    """Tell the time as the historian is told it."""
    return START_US + int((time.perf_counter() - began) * 1e6)


def run() -> Result:
    """Soak, then count."""
    os.sched_setaffinity(0, sorted(os.sched_getaffinity(0))[:2])
    with tempfile.TemporaryDirectory() as name:
        seen = anyio.run(soak, Path(name))
    peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024
    if seen.lost or peak > MEMORY_MIB:
        raise SystemExit(f"{seen.lost} readings were lost; the peak was {peak:.0f} MiB ({MEMORY_MIB} allowed).")
    return Result(
        bench="soak",
        ours=seen.rate,
        peer=float(SIGNALS),
        peer_name=f"the rate offered: {SIGNALS} signals at 1 Hz for {SECONDS} s, on two cores, under {MEMORY_MIB} MiB",
        goal=0.99,
        unit="readings/s",
        note=f"{seen.note()}, peak {peak:.0f} MiB",
    )
