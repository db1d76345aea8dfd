"""One signal over 16 hours as 500 points: lowest, mean and highest of each, beside VictoriaMetrics over HTTP.

The readings are sealed, and merged as an hour later. Ours is the best of asking for many signals, from the roll-ups;
`trend_sealed` is the same from the readings themselves, `trend_sorted` those beside readings in order of arrival.
"""

import tempfile
from itertools import count
from pathlib import Path

import anyio

from bench.harness import Result
from bench.plant import SECONDS, SIGNALS, START_US, best_ms, keep, load, victoria
from interwork.stream.historian import queries

END_US = START_US + SECONDS * 1_000_000


async def rolled(folder: Path) -> float:
    """Return the milliseconds from roll-ups, as a user is answered."""
    number, historian = count(1, 7), await keep(folder, load())
    taken = await best_ms(lambda: historian.trend(next(number) % SIGNALS, START_US, END_US))
    await historian.close()
    return taken


async def plain(folder: Path, *, is_sealed: bool) -> float:
    """Return the milliseconds from the readings themselves: sealed and sorted, or in the order they arrived."""
    number, historian = count(1, 7), await keep(folder, load(), is_sealed=is_sealed)
    queries.ROLLED_FROM_US, kept = 1 << 62, queries.ROLLED_FROM_US
    taken = await best_ms(lambda: historian.trend(next(number) % SIGNALS, START_US, END_US), 15 if is_sealed else 5)
    queries.ROLLED_FROM_US = kept
    await historian.close()
    return taken


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
        taken = anyio.run(rolled, Path(name))
    return Result(
        bench="trend",
        ours=taken,
        peer=anyio.run(peer),
        peer_name="VictoriaMetrics 1.79, rollup() of the same readings in the same steps; ours from its roll-ups",
        goal=2.5,
        unit="ms",
        better="lower",
    )
