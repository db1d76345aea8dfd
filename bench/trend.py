"""One signal over 16 hours as 500 points: lowest, mean and highest of each, beside VictoriaMetrics over HTTP.

The readings are sealed, and merged as an hour later. Ours is the median of asking for many signals, from the roll-ups;
the note says what it takes from the readings themselves, and from readings in the order they arrived.
"""

import tempfile
from itertools import count
from pathlib import Path

import anyio

from bench.harness import Result
from bench.plant import SECONDS, SIGNALS, START_US, best_ms, keep, load, victoria
from interwork.stream.historian import queries

END_US = START_US + SECONDS * 1_000_000


async def ours(folder: Path) -> tuple[float, float, float]:
    """Return the milliseconds from roll-ups, from sealed readings, and from readings in order of arrival."""
    number = count(1, 7)
    historian = await keep(folder / "sealed", load())
    rolled = await best_ms(lambda: historian.trend(next(number) % SIGNALS, START_US, END_US))
    queries.ROLLED_FROM_US, kept = 1 << 62, queries.ROLLED_FROM_US
    sealed = await best_ms(lambda: historian.trend(next(number) % SIGNALS, START_US, END_US))
    await historian.close()
    historian = await keep(folder / "hot", load(), is_sealed=False)
    arrived = await best_ms(lambda: historian.trend(next(number) % SIGNALS, START_US, END_US), 5)
    queries.ROLLED_FROM_US = kept
    await historian.close()
    return rolled, sealed, arrived


async def peer() -> float:
    """Return VictoriaMetrics' milliseconds for the same points."""
    number, step = count(1, 7), SECONDS // 500
    with victoria() as server:
        for batch in load():
            server.take(batch)
        server.flush()

        async def ask() -> None:
            query = f'rollup(reading{{signal="{next(number) % SIGNALS}"}}[{step}s])'
            if len(server.ask(query, START_US + step * 1_000_000, END_US, step)) < 5000:
                raise SystemExit("VictoriaMetrics answered without points.")

        return await best_ms(ask)


def run() -> Result:
    """Measure both on the same readings."""
    with tempfile.TemporaryDirectory() as name:
        rolled, sealed, arrived = anyio.run(ours, Path(name))
    theirs = anyio.run(peer)
    return Result(
        bench="trend",
        ours=rolled,
        peer=theirs,
        peer_name="VictoriaMetrics 1.79, rollup() of the same readings in the same steps",
        goal=2.5,
        unit="ms",
        better="lower",
        note=(
            f"from sealed readings {sealed:.1f} ms, {sealed / theirs:.1f} of the peer (bar 8); in order of arrival "
            f"{arrived:.1f} ms, so roll-ups take {rolled / arrived:.3f} of it (bar 0.1), sorted {sealed / arrived:.3f}"
        ),
    )
