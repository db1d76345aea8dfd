"""Durable ingest, batches of 10,000 readings: the historian beside PostgreSQL 18 and a bare DuckDB INSERT.

PostgreSQL takes the same batches by binary COPY into a table partitioned by hour with a BRIN index, one durable commit
each; DuckDB takes them with one INSERT each and nothing around it. Every side is warmed with the first batches.
"""

import tempfile
import time
from pathlib import Path

import anyio
import duckdb
import numpy as np
import psycopg

from bench.harness import Result
from bench.plant import START_US, load, postgres
from interwork.core.resource import Batch
from interwork.stream import Historian, columns_of

WARM, COUNT = 10, 120


async def ours(folder: Path, batches: tuple[Batch, ...]) -> tuple[float, float]:
    """Append the batches; return readings per second, and per second of the processor."""
    historian, began, cpu = await Historian.open(folder), 0.0, 0.0
    for index, batch in enumerate(batches):
        if index == WARM:
            began, cpu = time.perf_counter(), time.process_time()
        await historian.append(batch)
    taken, cpu = time.perf_counter() - began, time.process_time() - cpu
    await historian.close()
    rows = sum(len(batch) for batch in batches[WARM:])
    return rows / taken, rows / cpu


def bare(folder: Path, batches: tuple[Batch, ...]) -> tuple[float, float]:
    """Insert the batches with DuckDB alone; return readings per second, and per second of the processor."""
    connection, began, cpu = duckdb.connect(str(folder / "bare.duckdb"), config={"threads": 1}), 0.0, 0.0
    connection.execute("CREATE TABLE reading (signal INTEGER, time_us BIGINT, value DOUBLE, quality UINTEGER)")
    for index, batch in enumerate(batches):
        if index == WARM:
            began, cpu = time.perf_counter(), time.process_time()
        numbers = dict(zip(("signal", "time_us", "value", "quality"), columns_of(batch)[:4], strict=True))
        connection.execute("INSERT INTO reading SELECT * FROM numbers")
        del numbers  # DuckDB finds it by its name
    taken, cpu = time.perf_counter() - began, time.process_time() - cpu
    connection.close()
    rows = sum(len(batch) for batch in batches[WARM:])
    return rows / taken, rows / cpu


def encoded(batch: Batch) -> bytes:
    """Write a batch as PostgreSQL's binary COPY."""
    columns = columns_of(batch)
    kind = [("n", ">i2"), ("a", ">i4"), ("s", ">i4"), ("b", ">i4"), ("t", ">i8"), ("c", ">i4"), ("v", ">f8")]
    rows = np.zeros(len(batch), np.dtype([*kind, ("d", ">i4"), ("q", ">i4")]))
    rows["n"], rows["a"], rows["b"], rows["c"], rows["d"] = 4, 4, 8, 8, 4
    rows["s"], rows["t"], rows["v"], rows["q"] = columns[:4]
    return b"PGCOPY\n\xff\r\n\0" + bytes(8) + rows.tobytes() + b"\xff\xff"


def peer(connection: psycopg.Connection, batches: tuple[Batch, ...]) -> float:
    """Copy the batches into PostgreSQL; return readings per second."""
    connection.execute(
        "CREATE TABLE reading (signal int4, time_us int8, value float8, quality int4) PARTITION BY RANGE (time_us)"
    )
    for hour in range(20):
        low, high = START_US + hour * 3_600_000_000, START_US + (hour + 1) * 3_600_000_000
        connection.execute(f"CREATE TABLE r{hour} PARTITION OF reading FOR VALUES FROM ({low}) TO ({high})")
    connection.execute("CREATE INDEX ON reading USING brin (time_us)")
    connection.commit()
    began = 0.0
    bodies = [encoded(batch) for batch in batches]
    for index, body in enumerate(bodies):
        began = time.perf_counter() if index == WARM else began
        with connection.cursor().copy("COPY reading FROM STDIN (FORMAT BINARY)") as copy:
            copy.write(body)
        connection.commit()
    return sum(len(batch) for batch in batches[WARM:]) / (time.perf_counter() - began)


def run() -> Result:
    """Measure the three on the same batches."""
    batches = load()[: WARM + COUNT]
    with tempfile.TemporaryDirectory() as name, postgres() as connection:
        rate, by_cpu = anyio.run(ours, Path(name) / "ours", batches)
        limit, limit_by_cpu = bare(Path(name), batches)
        theirs = peer(connection, batches)
    return Result(
        bench="ingest",
        ours=rate,
        peer=theirs,
        peer_name="PostgreSQL 18, binary COPY of the same batches (encoded beforehand), a durable commit each",
        goal=0.9,
        unit="readings/s",
        note=f"bare DuckDB INSERT {limit:,.0f} readings/s, so {rate / limit:.2f} of it (bar 0.7); "
        f"by the processor's time {by_cpu / limit_by_cpu:.2f}",
    )
