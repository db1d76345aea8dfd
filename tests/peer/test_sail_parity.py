"""Another engine over the same sealed files: Sail (Spark SQL) tells the figures that DuckDB tells.

Left out unless INTERWORK_SAIL names an environment with pysail and pyspark-client: they need pandas 2, and 593 MB.
"""

import json
import math
import os
import subprocess
import time
from pathlib import Path

import numpy as np
import pytest
from machines.running import free_port

from interwork.stream import Historian, batch_of
from interwork.stream.historian.keeping import Keeping

SAIL = Path(os.environ.get("INTERWORK_SAIL", "/nowhere")).absolute()
BASE = 1_789_999_200_000_000
CLIENT = """
import json, sys
from pyspark.sql import SparkSession
spark = SparkSession.builder.remote(sys.argv[1]).getOrCreate()
asked = json.load(sys.stdin)
spark.read.parquet(*asked["files"]).createOrReplaceTempView("reading")
print(json.dumps([[list(row) for row in spark.sql(text).collect()] for text in asked["texts"]]))
"""
GOOD = "quality < 1073741824 AND NOT isnan(value) AND abs(value) < 1e308"
TEXTS = [
    (
        f"SELECT signal, count(*), sum(CASE WHEN {GOOD} THEN 1 ELSE 0 END), min(CASE WHEN {GOOD} THEN value END), "
        f"max(CASE WHEN {GOOD} THEN value END), avg(CASE WHEN {GOOD} THEN value END), count(text) "
        "FROM reading GROUP BY signal ORDER BY signal"
    ),
    (
        "SELECT text, sum(until - time_us) FROM (SELECT text, time_us, quality, lead(time_us) OVER "
        "(PARTITION BY signal ORDER BY time_us) AS until FROM reading WHERE signal = 3) AS steps "
        "WHERE text IS NOT NULL AND until IS NOT NULL AND quality < 1073741824 GROUP BY text ORDER BY text"
    ),
    (
        f"SELECT signal, time_us - time_us % 60000000, count(*), avg(value) FROM reading WHERE signal < 3 AND {GOOD} "
        "GROUP BY 1, 2 ORDER BY 1, 2"
    ),
]


async def sealed(folder):
    """Seal what is noisy, bad, none, infinite, a text, corrected; return the files and DuckDB's answers."""
    historian, chance = await Historian.open(folder), np.random.default_rng(4)
    for part in range(4):
        rows = np.arange(5_000)
        value = chance.normal(size=5_000)
        value[chance.random(5_000) < 0.01] = np.nan
        value[chance.random(5_000) < 0.01] = np.inf
        quality = np.where(chance.random(5_000) < 0.02, 0x80310000, 0)
        texts = [("ACTIVE", "READY", "STOPPED")[row // 400 % 3] if row % 5 == 3 else None for row in rows.tolist()]
        await historian.append(batch_of(rows % 5, BASE + (part * 5_000 + rows) * 100_000, value, quality, texts))
    await historian.seal()
    await historian.append(batch_of([1] * 9, BASE + 100_000 * (1 + 5 * np.arange(9)), [7.0] * 9, [0] * 9))
    await historian.seal()
    engine = historian._engine
    Keeping(engine).merge(1 << 61)
    files = [engine.sealed.place(file) for file in engine.sealed.files if file.table == "reading"]
    assert not any(file.has_drops for file in engine.sealed.files)
    engine.sealing.execute("CREATE TEMP VIEW reading AS FROM lake.reading")
    answers = [engine.sealing.execute(text).fetchall() for text in TEXTS]
    await historian.close()
    return files, answers


def asked_of_sail(files):
    port = free_port()
    words = [SAIL / "bin" / "sail", "spark", "server", "--ip", "127.0.0.1", "--port", str(port)]
    server = subprocess.Popen(words, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
    try:
        given, deadline = json.dumps({"files": files, "texts": TEXTS}), time.monotonic() + 60
        while True:
            client = [SAIL / "bin" / "python", "-c", CLIENT, f"sc://127.0.0.1:{port}"]
            said = subprocess.run(client, input=given, capture_output=True, text=True, timeout=60, check=False)
            if said.returncode == 0:
                return json.loads(said.stdout)
            assert time.monotonic() < deadline, said.stderr[-2000:]
    finally:
        server.terminate()
        server.wait(20)


@pytest.mark.skipif(not (SAIL / "bin" / "sail").exists(), reason="INTERWORK_SAIL names no environment with pysail")
async def test_counts_figures_and_state_durations_of_sealed_files_are_the_same_in_spark_sql(tmp_path):
    """streams 27: parity of DuckDB and Sail over the same Parquet, within 1e-9; where one has nothing, both have."""
    files, ours = await sealed(tmp_path)
    theirs = asked_of_sail(files)
    for one, other in zip(ours, theirs, strict=True):
        assert len(one) == len(other) > 2
        for row, same in zip(one, other, strict=True):
            assert all(is_same(mine, their) for mine, their in zip(row, same, strict=True)), (row, same)


def is_same(mine, their):
    if mine is None or isinstance(mine, str):
        return mine == their
    return math.isclose(mine, their, rel_tol=1e-9, abs_tol=1e-12)
