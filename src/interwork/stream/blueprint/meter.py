"""Meters: samples and bytes that pass a point, by class, in all and per second over the last seconds."""

from collections import deque
from enum import StrEnum

import msgspec
import numpy as np
import numpy.typing as npt

WINDOW_S = 10
SECOND_US = 1_000_000
CLASSES = 4


class At(StrEnum):
    """The four points where a member's traffic is counted."""

    DEVICE = "device"
    """What came from it; bytes as measured on the link, or by the protocol's figure where they cannot be."""
    BUFFER = "buffer"
    """What the budget and the shaping let through, in columns."""
    DISK = "disk"
    """What is durable in the historian, by its measured bytes per reading."""
    UPLINK = "uplink"
    """What waited in the spool and was sent on."""


class Count(msgspec.Struct, frozen=True, kw_only=True):
    """What passed one point."""

    samples: int
    bytes: float
    samples_per_s: float
    bytes_per_s: float
    by_class: tuple[int, ...]
    """Samples of C0, C1, C2, C3."""


class Meter:
    """Counts at one point; time is handed in."""

    def __init__(self) -> None:
        self._samples = np.zeros(CLASSES, np.int64)
        self._bytes = 0.0
        self._seconds: deque[tuple[int, int, float]] = deque(maxlen=WINDOW_S + 1)
        self._began_us: int | None = None

    def add(self, now_us: int, classes: npt.NDArray[np.uint8], size: float) -> None:
        """Count readings of some classes with their bytes."""
        self._samples += np.bincount(classes, minlength=CLASSES)[:CLASSES]
        self._note(now_us, len(classes), size)

    def add_bytes(self, now_us: int, size: float) -> None:
        """Count bytes alone."""
        self._note(now_us, 0, size)

    def read(self, now_us: int) -> Count:
        """Tell what was counted; rates are over the last whole seconds."""
        samples, size = self.recent(now_us)
        return Count(
            samples=int(self._samples.sum()),
            bytes=self._bytes,
            samples_per_s=samples,
            bytes_per_s=size,
            by_class=tuple(self._samples.tolist()),
        )

    def recent(self, now_us: int) -> tuple[float, float]:
        """Tell samples and bytes per second over the last seconds."""
        if self._began_us is None:
            return 0.0, 0.0
        second, began = now_us // SECOND_US, self._began_us // SECOND_US
        since = max(second - WINDOW_S, min(began + 1, second - 1))  # the second it began in is not a whole one
        whole = [(count, size) for at, count, size in self._seconds if since <= at < second]
        span = second - since
        return sum(count for count, _ in whole) / span, sum(size for _, size in whole) / span

    def _note(self, now_us: int, count: int, size: float) -> None:
        self._bytes += size
        if self._began_us is None:
            self._began_us = now_us
        second = now_us // SECOND_US
        if self._seconds and self._seconds[-1][0] == second:
            _, held, held_size = self._seconds.pop()
            count, size = held + count, held_size + size
        self._seconds.append((second, count, size))
