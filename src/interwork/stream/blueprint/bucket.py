"""Traffic in operation: a token bucket per device that holds its blueprint's rate and counts what it thins out.

Alarms, states and counters (classes C0 and C1) always pass. Of process values (C2) that come over the burst, each
signal's newest waits for the next tokens and replaces the one that waited; C3 gets what C2 leaves. What was replaced
is counted: from when, to when, how many; and the reading that took its place is marked reduced. So a device that
sends ten times its budget gets its budget, with the newest values, and no other device feels it.
"""

from collections.abc import Iterable
from typing import Self

import msgspec
import numpy as np

from interwork.core.blueprint import TrafficClass
from interwork.core.errors import BadInput
from interwork.core.resource import Batch, Blueprint, Signal
from interwork.stream.blueprint.classes import REDUCED, class_of
from interwork.stream.columns import SIGNALS_END, Columns, Flags, Ints, batch_of, columns_of, newest_rows, take

LOSSES_MAX = 256
APART_US = 10_000_000
"""Readings thinned out within this time of each other are one loss."""


class Loss(msgspec.Struct, frozen=True, kw_only=True):
    """Readings that were thinned out, by source time."""

    from_us: int
    to_us: int
    count: int

    def with_more(self, other: Self) -> Self:
        """Join another loss to this one."""
        start, end = min(self.from_us, other.from_us), max(self.to_us, other.to_us)
        return type(self)(from_us=start, to_us=end, count=self.count + other.count)


class TokenBucket:
    """Lets a device's readings pass at its rate; time is handed in, so that tests can hold it."""

    def __init__(
        self, samples_per_s: float, burst: int, *, always: Iterable[int] = (), last: Iterable[int] = ()
    ) -> None:
        if not (0 < samples_per_s < float("inf") and burst >= 1):
            raise BadInput(
                f"A traffic budget of {samples_per_s} samples/s with a burst of {burst} lets nothing pass.",
                remedy="Give a rate above 0 and a burst of 1 or more.",
            )
        self._rate = samples_per_s
        self._burst = burst
        self._tokens = float(burst)
        self._filled_us: int | None = None
        self.factor = 1.0
        """Share of the rate that is given while the blueprint is degraded."""
        self._always = np.array(sorted(set(always)), np.int64)
        self._last = np.array(sorted(set(last)), np.int64)
        self._arrivals = 0
        self._losses: list[Loss] = []
        self._untold: Loss | None = None
        self._waits = np.zeros(0, np.int64)
        self._time: Ints = np.zeros(0, np.int64)
        self._value = np.zeros(0, np.float64)
        self._quality = np.zeros(0, np.uint32)
        self._scratch: Ints = np.zeros(0, np.int64)

    @classmethod
    def of(cls, blueprint: Blueprint, signals: Iterable[Signal]) -> Self:
        """Make the bucket a blueprint promises, with the signals whose every reading counts."""
        classes = {one.number: class_of(one) for one in signals}
        always = [number for number, one in classes.items() if one <= TrafficClass.C1]
        last = [number for number, one in classes.items() if one is TrafficClass.C3]
        return cls(blueprint.traffic_samples_per_s, blueprint.burst_samples, always=always, last=last)

    @property
    def losses(self) -> tuple[Loss, ...]:
        """Tell what was thinned out, oldest first; old entries are joined, so that none is ever forgotten."""
        return tuple(self._losses)

    @property
    def lost(self) -> int:
        """Count the readings that were thinned out."""
        return sum(loss.count for loss in self._losses)

    def untold(self) -> Loss | None:
        """Take what was thinned out since this was last asked."""
        untold, self._untold = self._untold, None
        return untold

    @property
    def waiting(self) -> int:
        """Count the signals whose newest value waits for tokens."""
        return int(np.count_nonzero(self._waits))

    def throttle(self, batch: Batch, now_us: int) -> Batch:
        """Let of a batch pass what the budget allows, with what waited before it."""
        columns = columns_of(batch)
        self._fill(now_us)
        rows = len(columns.signal)
        if rows <= self._tokens and not self._waits.any():
            self._tokens -= rows
            return batch
        is_first = self._is_first_class(columns)
        passing = take(columns, np.flatnonzero(is_first))
        self._tokens = max(self._tokens - len(passing), -float(self._burst))
        self._hold(columns, np.flatnonzero(~is_first))
        return _in_order(passing, self._released())

    def release(self, now_us: int) -> Batch:
        """Let pass what waited, as far as the budget allows; called when a device is quiet."""
        self._fill(now_us)
        return self._released()

    def drain(self) -> Batch:
        """Let pass all that waited, whatever the budget; the device is being left."""
        return self._take(self.waiting)

    def state(self) -> Batch:
        """Tell what waits, the longest first."""
        waiting = np.flatnonzero(self._waits)
        signals = waiting[np.argsort(self._waits[waiting], kind="stable")]
        return batch_of(signals, self._time[signals], self._value[signals], self._quality[signals])

    def restore(self, state: Batch) -> None:
        """Let wait again what `state` told."""
        if len(state):
            self._hold(columns_of(state), np.arange(len(state)))

    def _fill(self, now_us: int) -> None:
        if self._filled_us is not None:
            gained = max(0, now_us - self._filled_us) / 1e6 * self._rate * self.factor
            self._tokens = min(float(self._burst), self._tokens + gained)
        self._filled_us = now_us

    def _is_first_class(self, columns: Columns) -> Flags:
        is_first: Flags = np.isin(columns.signal, self._always)
        if columns.text:
            is_first |= np.fromiter((text is not None for text in columns.text), np.bool_, len(is_first))
        return is_first

    def _hold(self, columns: Columns, rows: Ints) -> None:
        """Let each signal's newest wait in place of what waited, and count what is replaced."""
        if not len(rows):
            return
        signal, time_us = columns.signal[rows], columns.time_us[rows]
        self._reserve(int(signal.max()))
        is_newest: Flags = np.zeros(len(rows), np.bool_)
        is_newest[newest_rows(signal, time_us, self._scratch)] = True
        held = self._waits[signal] > 0
        is_late = is_newest & held & (time_us < self._time[signal])
        replaced = self._time[signal[is_newest & held & ~is_late]]
        self._count(np.concatenate([time_us[~is_newest | is_late], replaced]))
        repeated = np.bincount(signal, minlength=int(signal.max()) + 1)
        chosen = is_newest & ~is_late
        signal, rows = signal[chosen], rows[chosen]
        stands_for_more = (repeated[signal] > 1) | (self._waits[signal] > 0)
        fresh = signal[self._waits[signal] == 0]
        self._waits[fresh] = np.arange(self._arrivals + 1, self._arrivals + 1 + len(fresh))
        self._arrivals += len(fresh)
        self._time[signal] = columns.time_us[rows]
        self._value[signal] = columns.value[rows]
        flag = np.where(stands_for_more, np.uint32(REDUCED), np.uint32(0))
        self._quality[signal] = columns.quality[rows] | flag

    def _released(self) -> Batch:
        """Take the signals that have waited longest, one token each; C3 after all others."""
        count = min(self.waiting, max(0, int(self._tokens)))
        self._tokens -= count
        return self._take(count)

    def _take(self, count: int) -> Batch:
        waiting = np.flatnonzero(self._waits)
        order = np.lexsort((self._waits[waiting], np.isin(waiting, self._last)))
        signals = waiting[order][:count]
        self._waits[signals] = 0
        return batch_of(signals, self._time[signals], self._value[signals], self._quality[signals])

    def _count(self, times: Ints) -> None:
        if not len(times):
            return
        loss = Loss(from_us=int(times.min()), to_us=int(times.max()), count=len(times))
        self._untold = loss if self._untold is None else self._untold.with_more(loss)
        if self._losses and loss.from_us - self._losses[-1].to_us < APART_US:
            loss = self._losses.pop().with_more(loss)
        self._losses.append(loss)
        if len(self._losses) > LOSSES_MAX:
            self._losses[:2] = [self._losses[0].with_more(self._losses[1])]

    def _reserve(self, number: int) -> None:
        held = len(self._waits)
        if number < held:
            return
        more = min(max(number + 1, 2 * held, 1024), SIGNALS_END) - held
        self._waits = np.concatenate([self._waits, np.zeros(more, np.int64)])
        self._time = np.concatenate([self._time, np.zeros(more, np.int64)])
        self._value = np.concatenate([self._value, np.zeros(more)])
        self._quality = np.concatenate([self._quality, np.zeros(more, np.uint32)])
        self._scratch = np.concatenate([self._scratch, np.zeros(more, np.int64)])


def _in_order(first: Batch, second: Batch) -> Batch:
    """Put two batches together in order of time."""
    if not len(first) or not len(second):
        return first if len(first) else second
    one, two = columns_of(first), columns_of(second)
    both = Columns(
        np.concatenate([one.signal, two.signal]),
        np.concatenate([one.time_us, two.time_us]),
        np.concatenate([one.value, two.value]),
        np.concatenate([one.quality, two.quality]),
        [*(one.text or [None] * len(first)), *([None] * len(second))] if one.text else [],
    )
    return take(both, np.argsort(both.time_us, kind="stable"))
