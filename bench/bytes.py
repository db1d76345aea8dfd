"""Bytes per sealed reading beside VictoriaMetrics, and beside plain sorted zstd Parquet of the same readings.

VictoriaMetrics keeps neither quality nor sequence, and milliseconds; ours keeps all of them, to the microsecond.
"""

import tempfile
from datetime import timedelta
from pathlib import Path

import anyio
import pyarrow.parquet as pq

from bench.harness import Result
from bench.plant import keep, load, victoria
from interwork.stream.historian.engine import Engine
from interwork.stream.historian.keeping import Keeping


async def ours(folder: Path) -> tuple[float, float, float]:
    """Return bytes per reading of ours, of plain Parquet, and of the roll-ups beside."""
    historian = await keep(folder, load())
    held = (await historian.usage()).rows
    await historian.close()
    engine = Engine.open(folder)
    Keeping(engine).free(grace=timedelta(0))  # what merging replaced would go in ten minutes
    engine.close()
    files = list((folder / "lake/main/reading").glob("*.parquet"))
    sealed = sum(path.stat().st_size for path in files)
    rolled = sum(path.stat().st_size for path in (folder / "lake/main/rollup").glob("*merged*.parquet"))
    plain = 0
    for path in files:
        pq.write_table(
            pq.read_table(path).select(["signal", "time_us", "value", "quality"]), folder / "plain", compression="zstd"
        )
        plain += (folder / "plain").stat().st_size
    return sealed / held, plain / held, rolled / held


def run() -> Result:
    """Measure both on the same readings."""
    with tempfile.TemporaryDirectory() as name:
        each, plain, rolled = anyio.run(ours, Path(name))
    with victoria() as server:
        for batch in load():
            server.take(batch)
        server.flush()
        theirs = server.size() / sum(len(batch) for batch in load())
    return Result(
        bench="bytes",
        ours=each,
        peer=theirs,
        peer_name="VictoriaMetrics 1.79, data and index after its merge, same readings (no quality, milliseconds)",
        goal=1.6,
        unit="bytes/reading",
        better="lower",
        note=(
            f"plain sorted zstd Parquet without sequence {plain:.2f}, ours {each / plain:.2f} of it (bar 1.1); "
            f"roll-ups add {rolled:.2f}"
        ),
    )
