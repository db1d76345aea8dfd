"""What every signal says now, in memory: one place per signal in columns, newest source time wins.

A subscriber never slows a machine: what it has not fetched yet is replaced by what is newer, so it holds one value
per signal at the most. When a machine is lost its last values stay, marked as the last usable ones, and the history
gets one reading per signal that says there was no communication. Used from the event loop only.
"""

import math
from collections.abc import AsyncGenerator, Iterable
from contextlib import asynccontextmanager
from typing import Self

import anyio
import msgspec
import numpy as np

from interwork.core.clock import Clock, now, to_us
from interwork.core.errors import BadInput
from interwork.core.resource import BAD_NO_COMMUNICATION, UNCERTAIN_LAST_USABLE, Batch
from interwork.stream.columns import SIGNALS_END, Columns, Ints, batch_of, columns_of, newest_rows, take
from interwork.stream.marks import NOTHING, interpolated

AHEAD_US = 5_000_000
"""A stamp further ahead than this does not keep later readings with right stamps from being current."""

_NEVER = -(1 << 63)


class Reading(msgspec.Struct, frozen=True, kw_only=True):
    """One signal's value at one source time."""

    signal: int
    time_us: int
    value: float
    """NaN where the reading is a text."""
    quality: int
    text: str | None = None


class Subscription:
    """Changed values of some signals, one newest value per signal; made by `Live.subscribe`."""

    def __init__(self, live: "Live", numbers: Iterable[int], every_s: float) -> None:
        self._live = live
        self._every_s = every_s
        self.wanted = frozenset(numbers)
        self._changed: set[int] = set()
        self._news = anyio.Event()
        self._told_at = -math.inf

    def note(self, signals: set[int]) -> None:
        """Remember that signals have new values."""
        self._changed |= signals & self.wanted
        if self._changed:
            self._news.set()

    async def receive(self) -> Batch:
        """Wait until something changed and take the newest value of each changed signal."""
        return self._live.values(await self.changed())

    async def changed(self) -> set[int]:
        """Wait until something changed and tell which signals did."""
        await self._news.wait()
        await anyio.sleep(max(0.0, self._told_at + self._every_s - anyio.current_time()))
        self._told_at = anyio.current_time()
        changed, self._changed = self._changed, set()
        self._news = anyio.Event()
        return changed

    def __aiter__(self) -> Self:
        """Iterate over changes for ever."""
        return self

    async def __anext__(self) -> Batch:
        """Take the next changes."""
        return await self.receive()


class Live:
    """The last value of every signal."""

    def __init__(self, *, clock: Clock = now) -> None:
        self._clock = clock
        self.revision = 0
        """Grows with every change; equal revisions say the same."""
        self._time: Ints = np.full(0, _NEVER)
        self._rank: Ints = np.full(0, _NEVER)
        self._value = np.empty(0, np.float64)
        self._quality = np.empty(0, np.uint32)
        self._is_lost = np.empty(0, np.bool_)
        self._lost_us: Ints = np.full(0, _NEVER)
        self._has_text = np.empty(0, np.bool_)
        self._scratch: Ints = np.empty(0, np.int64)
        self._text: dict[int, str] = {}
        self._subscriptions: set[Subscription] = set()

    def update(self, batch: Batch) -> None:
        """Take a batch in: of each signal the newest reading, unless a newer one is held."""
        columns = columns_of(batch)
        if not len(columns.signal):
            return
        self._reserve(int(columns.signal.max()))
        rows = newest_rows(columns.signal, columns.time_us, self._scratch)
        rank, ahead = self._rank[columns.signal[rows]], to_us(self._clock()) + AHEAD_US
        rows = rows[(columns.time_us[rows] >= rank) | (rank > ahead)]  # the clock was put back: nothing held is newer
        is_silence = (columns.quality[rows] == BAD_NO_COMMUNICATION) & np.isnan(columns.value[rows])
        if is_silence.any():
            self._lost_us[columns.signal[rows[is_silence]]] = columns.time_us[rows[is_silence]]
            self._silence(columns.signal[rows[is_silence]].astype(np.int64))
            rows = rows[~is_silence]
        signal: Ints = columns.signal[rows].astype(np.int64)
        time_us = columns.time_us[rows]
        self._time[signal] = time_us
        self._rank[signal] = np.minimum(time_us, ahead)
        self._value[signal] = columns.value[rows]
        self._quality[signal] = columns.quality[rows]
        self._is_lost[signal] = False
        self._take_texts(columns, rows)
        self._tell(signal)

    def value(self, number: int) -> Reading | None:
        """Tell a signal's last value; None where it never had one."""
        if not self._is_seen(number):
            return None
        return Reading(
            signal=number,
            time_us=int(self._time[number]),
            value=float(self._value[number]),
            quality=int(self._quality[number]),
            text=self._text.get(number),
        )

    def values(self, numbers: Iterable[int]) -> Batch:
        """Tell the last values of those signals that have one."""
        seen = sorted(number for number in set(numbers) if self._is_seen(number))
        index = np.array(seen, np.int64)
        return batch_of(
            index, self._time[index], self._value[index], self._quality[index], [self._text.get(one) for one in seen]
        )

    def age_s(self, number: int) -> float | None:
        """Tell how many seconds ago a signal's last value was read; None where it never was."""
        if not self._is_seen(number):
            return None
        return (to_us(self._clock()) - int(self._time[number])) / 1e6

    def mark_lost(self, numbers: Iterable[int], time_us: int) -> Batch:
        """Mark signals whose machine is lost; return what the history is to say, once per signal and loss."""
        signals = np.unique(np.fromiter(numbers, np.int64))
        if not len(signals):
            return batch_of(signals, signals, signals, signals)
        if int(signals[0]) < 0:
            raise BadInput(f"{int(signals[0])} is no signal number.", remedy="Signal numbers start at 0.")
        self._reserve(int(signals[-1]))
        signals = signals[~self._is_lost[signals]]
        self._silence(signals)
        since = np.maximum(time_us, np.where(self._time[signals] == _NEVER, time_us, self._time[signals] + 1))
        self._lost_us[signals] = since
        rows = len(signals)
        return batch_of(signals, since, np.full(rows, np.nan), np.full(rows, BAD_NO_COMMUNICATION))

    def stands_again(self, batch: Batch, now_us: int) -> Batch:
        """Tell what holds again from now on of signals that were lost: a machine that is heard again says what stands.

        Its source time is of before the loss, where in the history nothing is known any more; so the history is to say
        it once more, as Interpolated (OPC UA Part 11, 6.3.3). To be asked before the batch is taken in.
        """
        columns = columns_of(batch)
        if len(columns.signal):
            self._reserve(int(columns.signal.max()))
        if not self._is_lost[columns.signal].any():
            return NOTHING
        rows = newest_rows(columns.signal, columns.time_us, self._scratch)
        signal = columns.signal[rows]
        rows = rows[self._is_lost[signal] & (columns.time_us[rows] <= self._lost_us[signal])]
        found = columns_of(take(columns, np.sort(rows)))
        since = np.maximum(now_us, self._lost_us[found.signal] + 1)
        return batch_of(found.signal, since, found.value, interpolated(found), found.text)

    @asynccontextmanager
    async def subscribe(self, numbers: Iterable[int], *, every_s: float = 0.0) -> AsyncGenerator[Subscription, None]:
        """Follow signals, the current values first; `every_s` is the least time between two deliveries."""
        subscription = Subscription(self, numbers, every_s)
        self._subscriptions.add(subscription)
        subscription.note({number for number in subscription.wanted if self._is_seen(number)})
        try:
            yield subscription
        finally:
            self._subscriptions.discard(subscription)

    def _is_seen(self, number: int) -> bool:
        return 0 <= number < len(self._time) and int(self._time[number]) != _NEVER

    def _silence(self, signals: Ints) -> None:
        """Keep last values, marked as the last usable ones."""
        self._is_lost[signals] = True
        seen = signals[self._time[signals] != _NEVER]
        self._quality[seen] = UNCERTAIN_LAST_USABLE
        self._tell(seen)

    def _take_texts(self, columns: Columns, rows: Ints) -> None:
        signal = columns.signal[rows]
        for number in signal[self._has_text[signal]].tolist():
            del self._text[number]
        self._has_text[signal] = False
        if columns.text:
            for row, number in zip(rows.tolist(), signal.tolist(), strict=True):
                text = columns.text[row]
                if text is not None:
                    self._text[number] = text
                    self._has_text[number] = True

    def _tell(self, signals: Ints) -> None:
        self.revision += 1
        if self._subscriptions and len(signals):
            changed = set(signals.tolist())
            for subscription in self._subscriptions:
                subscription.note(changed)

    def _reserve(self, number: int) -> None:
        """Make room for a signal number."""
        held = len(self._time)
        if number < held:
            return
        more = min(max(number + 1, 2 * held, 1024), SIGNALS_END) - held
        self._time = np.concatenate([self._time, np.full(more, _NEVER)])
        self._rank = np.concatenate([self._rank, np.full(more, _NEVER)])
        self._value = np.concatenate([self._value, np.full(more, np.nan)])
        self._quality = np.concatenate([self._quality, np.zeros(more, np.uint32)])
        self._is_lost = np.concatenate([self._is_lost, np.zeros(more, np.bool_)])
        self._lost_us = np.concatenate([self._lost_us, np.full(more, _NEVER)])
        self._has_text = np.concatenate([self._has_text, np.zeros(more, np.bool_)])
        self._scratch = np.concatenate([self._scratch, np.zeros(more, np.int64)])
