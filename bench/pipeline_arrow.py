"""As `pipeline`, where batches come in Arrow as nodes send them to one another; the peer takes JSON objects again."""

from collections.abc import Iterator

import numpy as np

from bench.harness import Result
from bench.pipeline import compared, from_json, load
from interwork.core.resource import Batch
from interwork.stream import batch_of, columns_of, decode_batch, encode_batch


def from_arrow(bodies: list[bytes]) -> Iterator[Batch]:
    """Decode batches of Arrow, and convert the unit."""
    for body in bodies:
        batch = decode_batch(body)
        value = columns_of(batch).value
        value -= 32.0
        value *= 5.0 / 9.0
        yield batch


def in_fahrenheit(batch: Batch) -> Batch:
    """Take the conversion of the unit back."""
    columns = columns_of(batch)
    value = np.round(columns.value * 9.0 / 5.0 + 32.0, 2)
    return batch_of(columns.signal, columns.time_us, value, columns.quality)


def run() -> Result:
    """Measure both on the same readings."""
    batches, events = load()
    bodies = [encode_batch(in_fahrenheit(batch)) for batch in from_json(batches)]
    rate, theirs, kept = compared(lambda: from_arrow(bodies), events)
    return Result(
        bench="pipeline_arrow",
        ours=rate,
        peer=theirs,
        peer_name="plain Python, reading by reading, from one JSON object each",
        goal=15.0,
        unit="readings/s of one core",
        note=f"unit, deadband from the last kept reading, figures by the minute; {kept} kept by both",
    )
