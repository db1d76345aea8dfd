"""OPC UA changes at 100,000 a second for a minute, from the socket to the durable hot table.

The replay server of the bench `opcua`, in a process of its own, sends by the clock; the load is synthetic. SECONDS sets
how long (60). What is missing in the numbers of the notifications, or is kept and not found, is lost: there must be
none. Memory is looked at six times and must stay below 500 MiB; what grows in it is the hot table, not yet sealed.
"""

import os
import tempfile
import time
from contextlib import aclosing
from pathlib import Path

import anyio

from bench.harness import Result
from bench.opcua import BAND, SIGNALS, replaying
from interwork.connectors import Point
from interwork.connectors.opcua import OpcUaConnector
from interwork.stream import Historian, Live, Shaper

RATE = 100_000
SECONDS = float(os.environ.get("SECONDS", "60"))
LOOKS = 6
MIB = 1 << 20
MOST_MIB = 500


def resident() -> float:
    """Tell the memory of this process, MiB."""
    pages = int(Path("/proc/self/statm").read_text().split()[1])
    return pages * os.sysconf("SC_PAGE_SIZE") / MIB


async def minute(endpoint: str, folder: Path) -> tuple[float, float, list[float]]:
    """Read, shape and keep for so long; return changes and CPU seconds per second, and memory at each look."""
    historian, live, shaper = await Historian.open(folder), Live(), Shaper(dict.fromkeys(range(SIGNALS), BAND))
    points = [Point(number=number, address=f"ns=1;i={number}") for number in range(SIGNALS)]
    seen = stored = 0
    looks: list[float] = []
    async with (
        anyio.create_task_group() as tasks,
        OpcUaConnector(endpoint, {}) as connector,
        aclosing(connector.readings(points)) as batches,
    ):
        tasks.start_soon(historian.run)
        began = cpu = 0.0
        async for batch in batches:
            if not began:
                began, cpu = time.perf_counter(), time.process_time()
            shaped = shaper.shape(batch)
            live.update(batch)
            if len(shaped):
                await historian.append(shaped)
                stored += len(shaped)
            seen += len(batch)
            taken = time.perf_counter() - began
            if taken >= SECONDS * len(looks) / LOOKS:
                looks.append(resident())
            if taken >= SECONDS:
                break
        taken, cpu = time.perf_counter() - began, time.process_time() - cpu
        if connector.counters:
            raise SystemExit(f"Changes went lost or astray: {connector.counters}")
        tasks.cancel_scope.cancel()
    rows = (await historian.usage()).rows
    await historian.close()
    if rows != stored:
        raise SystemExit(f"{rows} of {stored} readings were stored.")
    return seen / taken, cpu / taken, looks


def run() -> Result:
    """Read for a minute."""
    with tempfile.TemporaryDirectory() as name, replaying("mixed", RATE) as endpoint:
        rate, cpu, looks = anyio.run(minute, endpoint, Path(name))
    if max(looks) > MOST_MIB:
        raise SystemExit(f"Memory went {', '.join(f'{one:.0f}' for one in looks)} MiB.")
    return Result(
        bench="opcua_minute",
        ours=rate,
        peer=float(RATE),
        peer_name=f"the rate a paced server offers for {SECONDS:g} s; without loss, into the durable hot table",
        goal=0.98,
        unit="changes per second",
        note=f"{cpu:.0%} of one core; memory {', '.join(f'{one:.0f}' for one in looks)} MiB over the time",
    )
