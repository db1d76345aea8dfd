"""From JSON to kept readings and their figures by the minute: in columns, beside a loop over single readings.

Both sides take the same 200,000 synthetic readings, decode them with the same library, and do the same. Ours comes in
batches of 10,000 as a gateway sends them (one JSON array per column), the peer's as one JSON object per reading:
convert the unit, keep what moved by the deadband from the last KEPT reading or is a minute after it, and gather by
signal and minute the lowest, highest, sum and number. The bench checks that both kept the same readings and found
the same figures. `pipeline_arrow` is the same with batches in Arrow. Rates are by the processor's time of the one
thread that works: what else runs on the machine does not count.
"""

import time
from array import array
from collections.abc import Callable, Iterator, Sequence

import msgspec
import numpy as np

from bench.harness import Result
from interwork.core.resource import Batch
from interwork.stream import Shaper, columns_of

SIGNALS, SECONDS, PER_BATCH, BAND = 1000, 200, 10, 0.4
START_US = 1_790_000_000_000_000
MINUTE_US = LONGEST_US = 60_000_000
MINUTES = SECONDS // 60 + 2
Key = tuple[int, int]
Cell = tuple[float, float, float, int]


class Columns(msgspec.Struct):
    """A batch on the wire."""

    signal: list[int]
    time_us: list[int]
    value: list[float]


class Event(msgspec.Struct):
    """One reading on the wire."""

    signal: int
    time_us: int
    value: float


def load() -> tuple[list[bytes], list[bytes]]:
    """Make noisy analogues in degrees Fahrenheit, all signals each second: as batches, and as single readings."""
    chance, batches, events = np.random.default_rng(3), [], []
    for first in range(0, SECONDS, PER_BATCH):
        second = first + np.repeat(np.arange(PER_BATCH), SIGNALS)
        value = np.round(120 + chance.normal(0, 1, len(second)), 2).tolist()
        signal = np.tile(np.arange(SIGNALS), PER_BATCH).tolist()
        time_us = (START_US + second * 1_000_000).tolist()
        batches.append(msgspec.json.encode(Columns(signal=signal, time_us=time_us, value=value)))
        events += [
            msgspec.json.encode(Event(signal=one, time_us=at, value=number))
            for one, at, number in zip(signal, time_us, value, strict=True)
        ]
    return batches, events


def from_json(bodies: Sequence[bytes]) -> Iterator[Batch]:
    """Decode batches of one JSON array per column, and convert the unit."""
    decode = msgspec.json.Decoder(Columns).decode
    for body in bodies:
        given = decode(body)
        value = (np.array(given.value) - 32.0) * (5.0 / 9.0)
        quality = array("I", bytes(4 * len(value)))
        yield Batch(
            signal=array("i", given.signal),
            time_us=array("q", given.time_us),
            value=array("d", value.tobytes()),
            quality=quality,
            text=[],
        )


def ours(batches: Callable[[], Iterator[Batch]]) -> tuple[float, int, dict[Key, Cell]]:
    """Work in columns; return readings per second, how many were kept, and the figures."""
    shaper, kept, size = Shaper(dict.fromkeys(range(SIGNALS), BAND)), 0, SIGNALS * MINUTES
    low, high = np.full(size, np.inf), np.full(size, -np.inf)
    total, count = np.zeros(size), np.zeros(size, np.int64)
    began, rows = time.thread_time(), 0
    for batch in batches():
        rows += len(batch)
        columns = columns_of(shaper.shape(batch))
        kept += len(columns.signal)
        place = (columns.time_us // MINUTE_US - START_US // MINUTE_US) * SIGNALS + columns.signal
        np.minimum.at(low, place, columns.value)
        np.maximum.at(high, place, columns.value)
        total += np.bincount(place, columns.value, size)
        count += np.bincount(place, minlength=size)
    taken = time.thread_time() - began
    cells = zip(low.tolist(), high.tolist(), total.tolist(), count.tolist(), strict=True)
    first = START_US // MINUTE_US
    figures = {(place % SIGNALS, first + place // SIGNALS): cell for place, cell in enumerate(cells) if cell[3]}
    return rows / taken, kept, figures


def peer(events: Sequence[bytes]) -> tuple[float, int, dict[Key, Cell]]:
    """Work reading by reading; return the same."""
    last: dict[int, tuple[float, int]] = {}
    kept, figures = 0, dict[Key, Cell]()
    decode, began = msgspec.json.Decoder(Event).decode, time.thread_time()
    for body in events:
        given = decode(body)
        value = (given.value - 32.0) * (5.0 / 9.0)
        before = last.get(given.signal)
        if before is not None and abs(value - before[0]) < BAND and 0 <= given.time_us - before[1] < LONGEST_US:
            continue
        last[given.signal] = value, given.time_us
        kept += 1
        key = (given.signal, given.time_us // MINUTE_US)
        held = figures.get(key)
        if held is None:
            figures[key] = (value, value, value, 1)
        else:
            low, high, total, count = held
            figures[key] = (min(low, value), max(high, value), total + value, count + 1)
    return len(events) / (time.thread_time() - began), kept, figures


def compared(batches: Callable[[], Iterator[Batch]], events: Sequence[bytes]) -> tuple[float, float, int]:
    """Measure both, warmed; return their readings per second and how many both kept."""
    ours(batches)
    peer(events[:1000])
    rate, kept, figures = max((ours(batches) for _ in range(10)), key=lambda one: one[0])
    theirs, same, wanted = max((peer(events) for _ in range(10)), key=lambda one: one[0])
    is_same = figures.keys() == wanted.keys() and all(
        np.allclose(cell, wanted[key], rtol=1e-12) for key, cell in figures.items()
    )
    if kept != same or not is_same:
        raise SystemExit(f"{kept} and {same} readings were kept, or their figures differ: not the same work.")
    return rate, theirs, kept


def run() -> Result:
    """Measure both on the same readings."""
    batches, events = load()
    rate, theirs, kept = compared(lambda: from_json(batches), events)
    return Result(
        bench="pipeline",
        ours=rate,
        peer=theirs,
        peer_name="plain Python, reading by reading, from one JSON object each, decoded by the same library",
        goal=3.0,
        unit="readings/s of one core",
        note=f"unit, deadband from the last kept reading, figures by the minute; {kept} kept by both",
    )
