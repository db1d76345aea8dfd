"""What sealing is for: a trend from sealed, sorted readings beside the same trend from readings in order of arrival.

Neither side uses roll-ups; the peer is the historian itself before it has sealed anything.
"""

import tempfile
from functools import partial
from pathlib import Path

import anyio

from bench.harness import Result
from bench.trend import plain


def run() -> Result:
    """Measure both on the same readings."""
    with tempfile.TemporaryDirectory() as name:
        taken = anyio.run(partial(plain, Path(name) / "sealed", is_sealed=True))
        arrived = anyio.run(partial(plain, Path(name) / "hot", is_sealed=False))
    return Result(
        bench="trend_sorted",
        ours=taken,
        peer=arrived,
        peer_name="the same 500 points from the same readings, unsealed, in the order they arrived",
        goal=0.1,
        unit="ms",
        better="lower",
    )
