"""Swinging door: keeps the readings between which a straight line stays within the deadband of every reading.

From the last kept reading (the pivot) the door is the range of slopes that pass every later reading within its
deadband. A reading that would close it makes the one before it the next pivot. What is kept is therefore told one
reading late; `flush` tells the last one of a signal that has gone quiet. Texts, changes of quality, numbers that are
none and readings out of order are kept as they are, with what stood before them.
"""

import math
from collections.abc import Iterable, Mapping

from interwork.core.errors import BadInput
from interwork.core.resource import Batch, BatchBuilder
from interwork.stream.columns import columns_of


class _Gate:
    """One signal's pivot, its door, and the reading that waits."""

    __slots__ = ("band", "high", "last", "low", "pivot")

    def __init__(self, band: float) -> None:
        self.band = band
        self.pivot: tuple[int, float, int] | None = None
        self.last: tuple[int, float, int] | None = None
        self.low, self.high = -math.inf, math.inf

    def turn(self, reading: tuple[int, float, int]) -> None:
        """Make a reading the pivot of an open door."""
        self.pivot, self.last = reading, None
        self.low, self.high = -math.inf, math.inf

    def slopes(self, reading: tuple[int, float, int]) -> tuple[float, float]:
        """Tell the door as it would be with one more reading."""
        assert self.pivot is not None
        since = reading[0] - self.pivot[0]
        moved = reading[1] - self.pivot[1]
        return max(self.low, (moved - self.band) / since), min(self.high, (moved + self.band) / since)


Swing = tuple[int, tuple[int, float, int] | None, tuple[int, float, int] | None, float, float]
"""A signal's pivot, the reading that waits, and the slopes of its door."""


class Door:
    """Swinging doors of some signals; a signal it was not told of has a deadband of 0."""

    def __init__(self, deadbands: Mapping[int, float], *, longest_s: float = 60.0) -> None:
        for number, band in deadbands.items():
            if not 0 <= band < math.inf:
                raise BadInput(f"Signal {number} has a deadband of {band}.", remedy="Give 0 or more.")
        self._bands = dict(deadbands)
        self._longest_us = int(longest_s * 1e6)
        self._gates: dict[int, _Gate] = {}
        self.factor = 1.0
        """What deadbands are multiplied with while the blueprint is degraded."""

    def state(self) -> list[Swing]:
        """Tell the state of every door."""
        return [(number, one.pivot, one.last, one.low, one.high) for number, one in self._gates.items()]

    def restore(self, state: Iterable[Swing]) -> None:
        """Go on from a state that `state` told."""
        for number, pivot, last, low, high in state:
            gate = self._gates[number] = _Gate(self._bands.get(number, 0.0))
            gate.pivot, gate.last, gate.low, gate.high = pivot, last, low, high

    @property
    def is_owing(self) -> bool:
        """Tell whether a reading waits for the one after it."""
        return any(one.last is not None for one in self._gates.values())

    def forget(self) -> None:
        """Keep each signal's next reading, whatever it is; what waits is to be flushed before."""
        self._gates.clear()

    def shape(self, batch: Batch) -> Batch:
        """Return what is kept, in order of decision."""
        columns = columns_of(batch)
        kept = BatchBuilder()
        texts = columns.text or [None] * len(batch)
        cells = zip(columns.signal.tolist(), columns.time_us.tolist(), columns.value.tolist(), strict=True)
        for (number, time_us, value), quality, text in zip(cells, columns.quality.tolist(), texts, strict=True):
            gate = self._gates.get(number)
            if gate is None:
                gate = self._gates[number] = _Gate(self._bands.get(number, 0.0))
            self._take(kept, number, gate, (time_us, value, quality), text)
        return kept.take()

    def flush(self, before_us: int) -> Batch:
        """Return the last reading of each signal that has said nothing since."""
        kept = BatchBuilder()
        for number, gate in self._gates.items():
            if gate.last is not None and gate.last[0] < before_us:
                kept.add(number, *gate.last)
                gate.turn(gate.last)
        return kept.take()

    def _take(
        self, kept: BatchBuilder, number: int, gate: _Gate, reading: tuple[int, float, int], text: str | None
    ) -> None:
        time_us, value, quality = reading
        pivot = gate.pivot
        newest = gate.last or pivot
        is_odd = text is not None or not math.isfinite(value) or pivot is None or quality != pivot[2]
        if is_odd or newest is None or pivot is None or not math.isfinite(pivot[1]):
            if gate.last is not None:
                kept.add(number, *gate.last)
            kept.add(number, time_us, value if text is None else text, quality)
            gate.turn((time_us, value if text is None else math.nan, quality))
            return
        if time_us <= newest[0]:
            kept.add(number, time_us, value, quality)  # late, or a second of the same time: it bends no line
            return
        gate.band = self._bands.get(number, 0.0) * self.factor
        low, high = gate.slopes(reading)
        if low > high and gate.last is not None:
            kept.add(number, *gate.last)
            gate.turn(gate.last)
            low, high = gate.slopes(reading)
        if time_us - (gate.pivot or reading)[0] >= self._longest_us:
            kept.add(number, time_us, value, quality)
            gate.turn(reading)
            return
        gate.low, gate.high, gate.last = low, high, reading
