"""Stamps ahead of the clock, or before the year 1: bounded at the moment they came, and flagged.

So nothing is ever in the future. A reading whose source time is more than `AHEAD_US` ahead gets the moment it arrived
instead, in the order of its stamps, one microsecond apart per signal, so that none replaces another. A good one
becomes Uncertain, and so stays out of every figure; what is Uncertain or Bad already keeps its code.
"""

from dataclasses import replace

import numpy as np

from interwork.core.resource import Batch
from interwork.stream.columns import FIRST_US, GOOD_BELOW, Ints, batch_of, columns_of

AHEAD_US = 5_000_000
UNCERTAIN = 0x4000_0000
"""OPC UA Uncertain, with no further reason: there is no code for a stamp that is not believed."""


def bounded(batch: Batch, now_us: int) -> Batch:
    """Return a batch without stamps in the future or before the year 1; the same one where it has none."""
    columns = columns_of(batch)
    rows: Ints = np.flatnonzero((columns.time_us > now_us + AHEAD_US) | (columns.time_us < FIRST_US))
    if not len(rows):
        return batch
    rows = rows[np.lexsort((columns.time_us[rows], columns.signal[rows]))]
    signal, place = columns.signal[rows], np.arange(len(rows))
    starts = np.concatenate([[True], signal[1:] != signal[:-1]])
    time_us, quality = columns.time_us.copy(), columns.quality.copy()
    time_us[rows] = now_us + place - np.maximum.accumulate(np.where(starts, place, 0))
    quality[rows] = np.where(quality[rows] < GOOD_BELOW, np.uint32(UNCERTAIN), quality[rows])
    made = batch_of(columns.signal, time_us, columns.value, quality, columns.text)
    return replace(made, is_historical=batch.is_historical)
