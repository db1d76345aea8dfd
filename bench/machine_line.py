"""The machine line: batches as a connector yields them, through shaping and live state into the historian, durable.

The load is synthetic: 1,000 signals at 10 Hz of the kinds a machine has (counters, noisy and slow analogues,
setpoints, vibration), one batch per 100 ms, and now and then a change of an execution state as a text. Every number
moves, so that the deadband drops nothing and both sides store the same readings. The limit it is held against is a
bare DuckDB INSERT of the same batches, one durable commit each, with nothing around it: no sequence, no shaping,
no live value, no other thread. What decoding costs before that is measured beside it with the OPC UA decoder.
"""

import struct
import tempfile
import time
from collections.abc import Sequence
from pathlib import Path

import anyio
import duckdb
import numpy as np
import pyarrow as pa

from bench.harness import Result
from interwork.connectors import Point
from interwork.connectors.opcua.inbox import Inbox
from interwork.connectors.opcua.wire import decode_publish
from interwork.core.resource import Batch
from interwork.stream import Historian, Live, Shaper, batch_of, columns_of

SIGNALS = 1000
BATCHES = 400
WARM = 20
START_US = 1_790_000_000_000_000
STATES = ("ACTIVE", "READY", "STOPPED", "FAULT")


def load() -> list[Batch]:
    """Make the batches: 20 signals per device of 50 devices, milliseconds of jitter, states that change rarely."""
    chance = np.random.default_rng(42)
    signal = np.arange(SIGNALS)
    kind = signal % 20
    value = np.zeros(SIGNALS)
    batches = []
    for tick in range(BATCHES + WARM):
        time_us = START_US + tick * 100_000 + chance.integers(0, 5000, SIGNALS)
        noise = np.round(50 + 10 * np.sin(tick / 50 + signal) + chance.normal(0, 0.5, SIGNALS), 2) + tick * 1e-6
        slow = np.round(40 + tick * 0.1 + signal, 1)
        value = np.select([kind < 4, kind < 12, kind < 18], [value + 1, noise, slow], chance.normal(size=SIGNALS))
        texts: list[str | None] = []
        if tick % 10 == 0:
            texts = [None] * SIGNALS
            device = int(chance.integers(0, 50)) * 20
            value[device], texts[device] = np.nan, STATES[tick // 10 % 4]
        batches.append(batch_of(signal, np.sort(time_us), value, np.zeros(SIGNALS), texts))
        value = np.nan_to_num(value)
    return batches


async def ours(folder: Path, batches: Sequence[Batch]) -> tuple[float, float]:
    """Carry the batches down the line; return readings per second and CPU seconds per reading."""
    historian, live, shaper = await Historian.open(folder), Live(), Shaper({})
    count = sum(len(batch) for batch in batches[WARM:])
    wall = cpu = 0.0
    for index, batch in enumerate(batches):
        if index == WARM:
            wall, cpu = time.perf_counter(), time.process_time()
        live.update(batch)
        await historian.append(shaper.shape(batch))
    wall, cpu = time.perf_counter() - wall, time.process_time() - cpu
    stored = (await historian.usage()).rows
    await historian.close()
    if stored != sum(len(batch) for batch in batches):
        raise SystemExit(f"{stored} readings were stored; the two sides did not do the same.")
    return count / wall, cpu / count


def bare(folder: Path, batches: Sequence[Batch]) -> tuple[float, float]:
    """Insert the batches with DuckDB alone, in the fastest way for each."""
    connection = duckdb.connect(str(folder / "bare.duckdb"), config={"threads": 1, "checkpoint_threshold": "64MB"})
    connection.execute(
        "CREATE TABLE reading (signal INTEGER, time_us BIGINT, value DOUBLE, quality UINTEGER, text VARCHAR)"
    )
    count = sum(len(batch) for batch in batches[WARM:])
    wall = cpu = 0.0
    for index, batch in enumerate(batches):
        if index == WARM:
            wall, cpu = time.perf_counter(), time.process_time()
        columns = columns_of(batch)
        if batch.text:
            incoming = pa.table([*map(pa.array, columns[:4]), pa.array(batch.text, pa.string())], names=columns._fields)
            connection.execute("INSERT INTO reading SELECT * FROM incoming")
            del incoming  # DuckDB finds it by its name
        else:
            numbers = dict(zip(columns._fields[:4], columns[:4], strict=True))
            connection.execute("INSERT INTO reading SELECT *, NULL FROM numbers")
            del numbers
    wall, cpu = time.perf_counter() - wall, time.process_time() - cpu
    connection.close()
    return count / wall, cpu / count


async def decoding(batches: Sequence[Batch]) -> float:
    """Tell the CPU seconds per reading of the OPC UA decoder, from a publish response to a batch."""
    item = struct.Struct("<IBBdq").pack
    bodies = []
    for batch in batches[WARM : WARM + 50]:
        items = b"".join(
            item(number, 0x05, 11, value, time_us * 10 + 116_444_736_000_000_000)
            for number, time_us, value in zip(batch.signal, batch.time_us, batch.value, strict=True)
        )
        data = struct.pack("<i", len(batch)) + items + struct.pack("<i", 0)
        head = b"\x01\x00\x3d\x03" + bytes(12) + bytes(5) + struct.pack("<i", 0) + b"\0\0\0"
        message = struct.pack("<IiBIqi", 1, 0, 0, 1, 0, 1) + b"\x01\x00\x2b\x03\x01" + struct.pack("<i", len(data))
        bodies.append(head + message + data + struct.pack("<ii", 0, 0))
    inbox = Inbox([Point(number=number, address="") for number in range(SIGNALS)])
    cpu, count = time.process_time(), 0
    for body in bodies:
        publication = decode_publish(body)
        if publication is None:
            raise SystemExit("The decoder did not take the synthetic publish response.")
        inbox.add(publication.changes)
        count += len(inbox.empty())
    return (time.process_time() - cpu) / count


def run() -> Result:
    """Measure both sides and the decoder on the same batches."""
    batches = load()
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        (folder / "ours").mkdir()
        limit, limit_cpu = bare(folder, batches)
        rate, cpu = anyio.run(ours, folder / "ours", batches)
    return Result(
        bench="machine_line",
        ours=rate,
        peer=limit,
        peer_name="bare DuckDB INSERT of the same batches, each durable; both sides start at the Batch, after decoding",
        goal=0.7,
        unit="readings/s",
        note=(
            f"{cpu * 1e6:.2f} µs CPU per reading (bare {limit_cpu * 1e6:.2f}); "
            f"decoding OPC UA before it {anyio.run(decoding, batches) * 1e6:.2f} µs CPU per reading"
        ),
    )
