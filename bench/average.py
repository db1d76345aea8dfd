"""Means by the minute of 100 signals over 16 hours, beside VictoriaMetrics over HTTP on the same readings."""

import tempfile
from pathlib import Path

import anyio

from bench.harness import Result
from bench.plant import SECONDS, SIGNALS, START_US, best_ms, keep, load, victoria

END_US = START_US + SECONDS * 1_000_000


async def ours(folder: Path) -> float:
    """Return our milliseconds."""
    historian = await keep(folder, load())
    taken = await best_ms(lambda: historian.trends(range(min(100, SIGNALS)), START_US, END_US), 5)
    await historian.close()
    return taken


async def peer() -> float:
    """Return VictoriaMetrics' milliseconds."""
    with victoria() as server:
        for batch in load():
            server.take(batch)
        server.flush()

        async def ask() -> None:
            if len(server.ask("avg_over_time(reading[1m])", START_US + 60_000_000, END_US, 60)) < 100_000:
                raise SystemExit("VictoriaMetrics answered without points.")

        return await best_ms(ask, 5)


def run() -> Result:
    """Measure both on the same readings."""
    with tempfile.TemporaryDirectory() as name:
        taken = anyio.run(ours, Path(name))
    return Result(
        bench="average",
        ours=taken,
        peer=anyio.run(peer),
        peer_name="VictoriaMetrics 1.79, avg_over_time by the minute of the same 100 signals",
        goal=1.2,
        unit="ms",
        better="lower",
        note="ours also answers lowest, highest and number of readings",
    )
