"""Marks of a lost link taken back, where its machine kept what happened meanwhile and all of it was read after all.

When a link is lost, each signal is marked: from here on nothing is known. A machine with a memory is read on from
where it was left, and where nothing is missing the marks were wrong: at their moment each signal still had its last
value. What is read of the time before a mark changes which value that was; the row at the mark follows. It is no
reading of the machine, and says so: Good, with the historian bit Interpolated (OPC UA Part 11, 6.3.3).
"""

import numpy as np
import numpy.typing as npt

from interwork.core.resource import Batch
from interwork.stream.columns import GOOD_BELOW, Columns, batch_of, columns_of, take

INTERPOLATED = 0x0000_0402
NOTHING = batch_of(np.empty(0), np.empty(0), np.empty(0), np.empty(0))


class Marks:
    """The marks of one link, with what each signal last said."""

    def __init__(self, said: Batch) -> None:
        self._said = said

    @classmethod
    def of(cls, marks: Batch, before: Batch) -> "Marks":
        """Join marks with what their signals had said before; one that had said nothing stays marked."""
        known = {number: row for row, number in enumerate(before.signal)}
        rows = [row for row, number in enumerate(marks.signal) if number in known]
        held = take(columns_of(before), np.array([known[marks.signal[row]] for row in rows], np.int64))
        columns = columns_of(held)
        times = np.array([marks.time_us[row] for row in rows], np.int64)
        return cls(batch_of(columns.signal, times, columns.value, interpolated(columns), columns.text))

    def beside(self, said: Batch) -> "Marks":
        """Join with what is said at marks of other signals."""
        return Marks(_both(columns_of(self._said), columns_of(said)))

    def __len__(self) -> int:
        """Count the signals marked."""
        return len(self._said)

    @property
    def said(self) -> Batch:
        """Tell what each signal says at its mark, in place of it."""
        return self._said

    def follow(self, batch: Batch) -> Batch:
        """Take in what is read on; return the rows at marks that it changes."""
        columns, held = columns_of(batch), columns_of(self._said)
        if not len(held.signal) or not len(columns.signal):
            return NOTHING
        if int(columns.time_us.min()) > int(held.time_us.max()):
            self._said = NOTHING
            return NOTHING
        place = {int(number): row for row, number in enumerate(held.signal)}
        found: dict[int, int] = {}
        for row in np.flatnonzero(np.isin(columns.signal, held.signal)).tolist():
            at = place[int(columns.signal[row])]
            if columns.time_us[row] <= held.time_us[at]:
                found[at] = row
        if not found:
            return NOTHING
        changed = _at_marks(columns, held, found)
        rest = take(held, np.array([row for row in range(len(held.signal)) if row not in found], np.int64))
        self._said = _both(columns_of(changed), columns_of(rest))
        return changed


def _at_marks(columns: Columns, held: Columns, found: dict[int, int]) -> Batch:
    """Make the rows at marks of what was read: mark's row to row of what is said there now."""
    rows, marks = np.array(list(found.values())), np.array(list(found))
    told = columns_of(take(columns, rows))
    return batch_of(told.signal, held.time_us[marks], told.value, interpolated(told), told.text)


def interpolated(columns: Columns) -> npt.NDArray[np.uint32]:
    """Tell the qualities of rows that are no readings of the machine: Good ones become Interpolated."""
    return np.where(columns.quality < GOOD_BELOW, np.uint32(INTERPOLATED), columns.quality)


def _both(one: Columns, other: Columns) -> Batch:
    texts = [text for part in (one, other) for text in (part.text or [None] * len(part.signal))]
    signal, time_us, value, quality = (np.concatenate([a, b]) for a, b in zip(one[:4], other[:4], strict=True))
    return batch_of(signal, time_us, value, quality, texts)
