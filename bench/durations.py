"""Seconds per state of 50 signals over 12 hours, beside PostgreSQL 18 with a B-tree by signal and time.

Each signal says its state every 10 seconds. Both sides answer the same sums; the bench checks that they do.
"""

import tempfile
from pathlib import Path

import anyio
import numpy as np
import psycopg

from bench.harness import Result
from bench.plant import START_US, STATES, best_ms, keep, postgres
from interwork.core.resource import Batch
from interwork.stream import batch_of

SIGNALS, SECONDS, EVERY_S = 50, 43_200, 10
END_US = START_US + SECONDS * 1_000_000
QUERY = """SELECT signal, state, sum(until - time_us) FROM (
    SELECT signal, state, time_us, lead(time_us, 1, %s) OVER (PARTITION BY signal ORDER BY time_us) AS until
    FROM reading WHERE signal < %s AND time_us >= %s AND time_us < %s
) AS steps GROUP BY signal, state"""


def load() -> list[Batch]:
    """Make the states, in batches of 1,000 seconds."""
    chance, batches = np.random.default_rng(7), []
    for first in range(0, SECONDS, 1000):
        second = np.repeat(np.arange(first, min(first + 1000, SECONDS), EVERY_S), SIGNALS)
        signal = np.tile(np.arange(SIGNALS), len(second) // SIGNALS)
        state = [STATES[one] for one in chance.choice(4, len(second), p=(0.7, 0.2, 0.08, 0.02))]
        nothing = np.full(len(second), np.nan)
        batches.append(batch_of(signal, START_US + second * 1_000_000, nothing, np.zeros(len(second)), state))
    return batches


async def ours(folder: Path, batches: list[Batch]) -> tuple[float, float]:
    """Return our milliseconds, and the seconds of the first state of all signals."""
    historian = await keep(folder, batches)
    found: list[dict[str, float]] = []

    async def ask() -> None:
        found[:] = (await historian.durations_of(range(SIGNALS), START_US, END_US)).values()

    taken = await best_ms(ask, 5)
    await historian.close()
    return taken, sum(one[STATES[0]] for one in found)


async def peer(connection: psycopg.Connection, batches: list[Batch]) -> tuple[float, float]:
    """Return PostgreSQL's milliseconds, and the same sum."""
    connection.execute("CREATE TABLE reading (signal int4, time_us int8, state text)")
    with connection.cursor().copy("COPY reading FROM STDIN") as copy:
        for batch in batches:
            for row in zip(batch.signal, batch.time_us, batch.text, strict=True):
                copy.write_row(row)
    connection.execute("CREATE INDEX ON reading (signal, time_us)")
    connection.commit()
    connection.execute("ANALYZE reading")
    found: list[tuple[int, str, int]] = []

    async def ask() -> None:
        found[:] = connection.execute(QUERY, (END_US, SIGNALS, START_US, END_US)).fetchall()

    return await best_ms(ask, 5), float(sum(us for _, state, us in found if state == STATES[0])) / 1e6


def run() -> Result:
    """Measure both on the same states."""
    batches = load()
    with tempfile.TemporaryDirectory() as name, postgres() as connection:
        taken, seconds = anyio.run(ours, Path(name), batches)
        theirs, same = anyio.run(peer, connection, batches)
    if abs(seconds - same) > 1e-3:
        raise SystemExit(f"The sums differ: {seconds} and {same} s; the two sides did not do the same.")
    return Result(
        bench="durations",
        ours=taken,
        peer=theirs,
        peer_name="PostgreSQL 18, window function over a B-tree by signal and time, all signals in one query",
        goal=0.2,
        unit="ms",
        better="lower",
        note="both sides ask once for all signals; ours also knows the state before the span",
    )
