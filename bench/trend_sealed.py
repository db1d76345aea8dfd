"""One signal over 16 hours as 500 points from the sealed readings themselves, beside VictoriaMetrics over HTTP."""

import tempfile
from functools import partial
from pathlib import Path

import anyio

from bench.harness import Result
from bench.trend import peer, plain


def run() -> Result:
    """Measure both on the same readings."""
    with tempfile.TemporaryDirectory() as name:
        taken = anyio.run(partial(plain, Path(name), is_sealed=True))
    return Result(
        bench="trend_sealed",
        ours=taken,
        peer=anyio.run(peer),
        peer_name="VictoriaMetrics 1.79, rollup() of the same readings in the same steps; ours without its roll-ups",
        goal=8.0,
        unit="ms",
        better="lower",
    )
