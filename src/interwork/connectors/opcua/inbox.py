"""One reading's receiving end: changes of its subscriptions become batches, and a full buffer holds the server back.

Numbers stay columns from decode to batch; only texts, states and enumerations are looked at one by one. While a batch
waits to be taken no further publish request is sent, so the server's own queues (with their overflow bit) buffer.
"""

from array import array
from collections import Counter
from collections.abc import Callable, Iterable, Mapping, Sequence

import anyio
import msgspec
import numpy as np
from asyncua import ua
from numpy.typing import NDArray

from interwork.connectors import BAD_TYPE, FLUSH_READINGS, FLUSH_S, Point
from interwork.connectors.leaves import UNCERTAIN_SUBNORMAL
from interwork.connectors.naming import execution_word
from interwork.connectors.opcua.elements import BAD_INDEX_RANGE
from interwork.connectors.opcua.value import EPOCH_TICKS, GONE, OVERFLOW, Changes, changes_of, number_text, times_us
from interwork.core.clock import now, to_us
from interwork.core.resource import BAD_NO_DATA, GOOD, Batch, is_good


class Wording(msgspec.Struct, frozen=True):
    """What is known of text points: enumerations as words, and which tell the machine's execution state."""

    words: dict[int, dict[int, str]] = {}
    """Client handle to the words of its numbers."""
    states: frozenset[int] = frozenset()


class Inbox:
    """Collects changes until they are taken; client handles index the points, and beyond them are those of arrays."""

    def __init__(
        self,
        points: Sequence[Point],
        wording: Wording | None = None,
        elements: Mapping[int, Sequence[tuple[int, int]]] | None = None,
    ) -> None:
        self._numbers = np.array([point.number for point in points], np.int32)
        self._is_text = np.array([point.is_text for point in points], bool)
        self._wording = wording or Wording()
        self._elements = elements or {}
        self._clear()
        self._arrived = anyio.Event()
        self._full = anyio.Event()
        self._room = anyio.Event()
        self._flushed = 0.0
        self._has_spoken = False
        self._heard: dict[int, float] = {0: anyio.current_time()}
        self.on_room: Callable[[], None] = lambda: None
        """Called when a full inbox was emptied."""
        self.fault = ""
        """Why the link is lost; empty as long as it is not."""
        self.gone: set[int] = set()
        """Points whose node is said not to be there; whoever asks for them again takes them out."""
        self.counters: Counter[str] = Counter()

    def _clear(self) -> None:
        self._signal: array[int] = array("i")
        self._time_us: array[int] = array("q")
        self._value: array[float] = array("d")
        self._quality: array[int] = array("I")
        self._text: dict[int, str] = {}

    @property
    def is_full(self) -> bool:
        """Tell whether a whole batch waits to be taken."""
        return len(self._signal) >= FLUSH_READINGS

    def expect(self, subscription: int) -> None:
        """Watch a subscription: its silence is a lost link."""
        self._heard.pop(0, None)
        self._heard[subscription] = anyio.current_time()

    def forget(self, subscription: int) -> None:
        """Watch a subscription no longer."""
        self._heard.pop(subscription, None)

    def hear(self, subscription: int) -> None:
        """Note that a subscription lives: a keep-alive does for that."""
        if subscription in self._heard:
            self._heard[subscription] = anyio.current_time()
            self._has_spoken = True
        self._arrived.set()

    def has_spoken(self) -> bool:
        """Tell whether a subscription gave a sign of life since this was last asked."""
        spoken, self._has_spoken = self._has_spoken and not self.fault, False
        return spoken

    async def deliver(self, result: ua.PublishResult) -> None:
        """Take in what asyncua's own loop received; wait for room, which keeps its next request from being sent."""
        self.hear(result.SubscriptionId)
        self.take_in(result.NotificationMessage.NotificationData or ())
        while self.is_full and not self.fault:
            self._full.set()
            await self._room.wait()

    def take_in(self, notifications: Iterable[object]) -> None:
        """Take in what asyncua decoded."""
        for notification in notifications:
            if isinstance(notification, ua.DataChangeNotification):
                self.add(changes_of(notification.MonitoredItems or ()))
            elif isinstance(notification, ua.StatusChangeNotification):
                self.fail(f"ended the subscription: {notification.Status.name}")

    def add(self, changes: Changes) -> None:
        """Take in changes."""
        handle = np.frombuffer(changes.handle, np.uint32)
        is_ours = handle < len(self._numbers)
        if not is_ours.all():
            self._spread(changes, np.flatnonzero(~is_ours))
        self.counters["stock_values"] += changes.stock
        self.counters["undecodable"] += changes.undecodable
        rows = np.flatnonzero(is_ours)
        if rows.size == 0:
            return
        handle = handle[rows]
        status = np.frombuffer(changes.status, np.uint32)[rows]
        value = np.frombuffer(changes.value, np.float64)[rows]
        overflows = int(np.count_nonzero((status & OVERFLOW) == OVERFLOW))
        if overflows:
            self.counters["overflows"] += overflows
        is_number = np.isfinite(value)
        quality = np.where(is_number | (status >> 30 != 0), status, np.uint32(BAD_NO_DATA))
        start = len(self._signal)
        self._signal.frombytes(self._numbers[handle].tobytes())
        self._time_us.frombytes(self._times(changes, rows).tobytes())
        self._value.frombytes(np.where(is_number, value, np.nan).tobytes())
        self._quality.frombytes(quality.astype(np.uint32).tobytes())
        self._singly(changes, rows, handle, start)
        self._note_gone(handle, status)
        self._arrived.set()
        if self.is_full:
            self._full.set()

    def _spread(self, changes: Changes, rows: NDArray[np.intp]) -> None:
        """Take arrays apart into their elements' points; what belongs to nobody is counted."""
        spread, gone = Changes(), set()
        for row in map(int, rows):
            handle, status = changes.handle[row], changes.status[row]
            if handle not in self._elements:
                self.counters["strays"] += 1
                continue
            if status in GONE:
                gone.add(handle)
            for index, point in self._elements[handle]:
                spread.add(point, *_element(changes, row, index), changes.ticks[row])
        if len(spread):
            self.add(spread)
            self.gone = (self.gone - set(spread.handle)) | gone

    def _times(self, changes: Changes, rows: NDArray[np.intp]) -> NDArray[np.int64]:
        ticks = np.frombuffer(changes.ticks, np.int64)[rows]
        us = times_us(ticks, to_us(now()))
        odd = int(np.count_nonzero((ticks != 0) & (us != (np.clip(ticks, 0, None) - EPOCH_TICKS) // 10)))
        if odd:
            self.counters["impossible_times"] += odd
        return us

    def _singly(self, changes: Changes, rows: NDArray[np.intp], handle: NDArray[np.uint32], start: int) -> None:
        """Mend the rows that are not plain numbers of number points."""
        special = self._is_text[handle]
        if changes.others:
            special = special | np.isin(rows, np.fromiter(changes.others, np.intp))
        for at in np.flatnonzero(special):
            row, point, to = int(rows[at]), int(handle[at]), start + int(at)
            other = changes.others.get(row)
            status = changes.status[row]
            if self._is_text[point]:
                value = changes.value[row] if other is None else other
                self._put_text(to, self._worded(point, value), status)
            elif isinstance(other, str):
                self._quality[to] = BAD_TYPE if is_good(status) else status
            else:
                self.counters["rounded"] += 1
                self._quality[to] = UNCERTAIN_SUBNORMAL if status == GOOD else status

    def _put_text(self, at: int, text: str | None, status: int) -> None:
        self._value[at] = float("nan")
        if text is not None:
            self._text[at] = text
        self._quality[at] = BAD_NO_DATA if text is None and is_good(status) else status

    def _worded(self, point: int, value: float | str) -> str | None:
        """Write a text point's value: an enumeration's word, our word for a state, or the value as it is."""
        if isinstance(value, float):
            if not np.isfinite(value):
                return None
            words = self._wording.words.get(point, {})
            value = words.get(int(value)) or number_text(value)
        text = str(value)
        return execution_word(text) if point in self._wording.states else text

    def _note_gone(self, handle: NDArray[np.uint32], status: NDArray[np.uint32]) -> None:
        if status.max() >= min(GONE):
            self.gone |= {int(one) for one in handle[np.isin(status, list(GONE))]}

    def add_bad(self, handles: Mapping[int, int]) -> None:
        """Say of refused points why they cannot be read: handle to status code."""
        changes = Changes()
        ticks = to_us(now()) * 10 + EPOCH_TICKS
        for handle, quality in handles.items():
            changes.add(handle, None, quality, ticks)
        self.add(changes)
        self.gone -= set(handles)

    def wake(self) -> None:
        """Have whoever waits for changes look up: there is something else to do."""
        self._arrived.set()

    def fail(self, state: str) -> None:
        """Note that the link is lost and wake whoever waits."""
        self.fault = self.fault or state
        self._arrived.set()
        self._full.set()
        self._room.set()

    async def take(self, silence_s: float, patience_s: float) -> Batch:
        """Wait for changes and hand them over; empty after a keep-alive, patience, a loss or silence (see `fault`)."""
        self._excuse()
        if not len(self._signal):
            # At least a second, for an event loop that was busy elsewhere has not yet delivered what came.
            quiet = min(self._heard.values(), default=anyio.current_time()) + silence_s - anyio.current_time()
            with anyio.move_on_after(min(max(quiet, 1), max(patience_s, 0))):
                await self._arrived.wait()
        if min(self._heard.values(), default=anyio.current_time()) + silence_s < anyio.current_time() - 1:
            self.fail(f"was silent for {silence_s:g} s")
        if not self.fault and len(self._signal):
            with anyio.move_on_at(self._flushed + FLUSH_S):
                await self._full.wait()
        return self.empty()

    def _excuse(self) -> None:
        """Hold no silence against the server that fell into the time we were away with the last batch."""
        here = anyio.current_time()
        if here - self._flushed > 1:
            self._heard = dict.fromkeys(self._heard, here)

    def empty(self) -> Batch:
        """Hand over what is there, and let the server send again."""
        text = [self._text.get(row) for row in range(len(self._signal))] if self._text else []
        batch = Batch(signal=self._signal, time_us=self._time_us, value=self._value, quality=self._quality, text=text)
        was_full = self.is_full
        self._clear()
        self._flushed = anyio.current_time()
        if not self.fault:
            self._arrived, self._full = anyio.Event(), anyio.Event()
            self._room.set()
            self._room = anyio.Event()
            if was_full:
                self.on_room()
        return batch


def _element(changes: Changes, row: int, index: int) -> tuple[float | str | None, int]:
    """Find an element of an array, and its quality: the array's own, unless there is no such element."""
    status, found = changes.status[row], changes.arrays.get(row)
    if found is not None and index < len(found):
        return found[index], status
    is_nothing = row not in changes.others and np.isnan(changes.value[row])
    if is_nothing or not is_good(status):
        return None, status
    return None, BAD_TYPE if found is None else BAD_INDEX_RANGE
