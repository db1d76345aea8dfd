"""Classes of readings and the marks reduced ones carry.

A reading that stands for more than itself stays Good, as OPC UA Part 4, 7.39.1 has it: InfoType DataValue with the
Overflow bit says that not every change was kept; the historian bit Calculated (Part 11, 6.3.3) marks a mean.
"""

from collections.abc import Iterable

import numpy as np
import numpy.typing as npt

from interwork.core.blueprint import TrafficClass
from interwork.core.errors import BadInput
from interwork.core.resource import Meaning, Signal
from interwork.stream.columns import SIGNALS_END

REDUCED = 0x0000_0480
"""InfoType DataValue with Overflow: readings before this one were not kept."""
CALCULATED = 0x0000_0481
"""The same, and the value is calculated: the mean of a period."""
COUNTERS = frozenset({Meaning.EXECUTION, Meaning.PART_COUNT, Meaning.ENERGY, Meaning.WATER, Meaning.PROGRAM})
"""Meanings whose every reading counts."""


def class_of(signal: Signal) -> TrafficClass:
    """Tell a signal's class: what a person said, or by its meaning."""
    if signal.priority is not None:
        return signal.priority
    if signal.meaning is Meaning.ALARM:
        return TrafficClass.C0
    return TrafficClass.C1 if signal.is_text or signal.meaning in COUNTERS else TrafficClass.C2


class Classes:
    """The class of each signal number, to be asked in columns; numbers it was not told of are C2."""

    def __init__(self, signals: Iterable[Signal] = ()) -> None:
        listed = list(signals)
        highest = max((one.number for one in listed), default=-1)
        if highest >= SIGNALS_END:
            raise BadInput(f"Signal {highest} is out of range.", remedy=f"Numbers end at {SIGNALS_END - 1}.")
        self._class = np.full(highest + 1, int(TrafficClass.C2), np.uint8)
        for one in listed:
            self._class[one.number] = int(class_of(one))

    def of(self, numbers: npt.NDArray[np.int32]) -> npt.NDArray[np.uint8]:
        """Tell the class of each number."""
        if not len(self._class):
            return np.full(len(numbers), int(TrafficClass.C2), np.uint8)
        known = self._class[np.minimum(numbers, len(self._class) - 1)]
        return np.where(numbers < len(self._class), known, np.uint8(TrafficClass.C2))
