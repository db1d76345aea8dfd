"""The spool: segments by class in one folder, bounded in bytes, drained at a capped rate.

Alarms, states and counters (C0, C1) are durable when `append` returns; of process values (C2, C3) a power failure
takes the last second at the most. When the bound is reached the oldest segment of the lowest class is given up, and
a loss record says from, to and how many; it is stored before the file is gone. A sink hears each record at least
once, under the same origin each time (this spool and its class, and a sequence that only grows), so that one that
notes what it has takes nothing twice; what it has noted is told to `settle` at the next start.
"""

import os
import secrets
import shutil
from collections import deque
from collections.abc import AsyncGenerator, Awaitable, Callable, Mapping
from contextlib import asynccontextmanager
from functools import partial
from pathlib import Path
from typing import Self, TypeVar

import anyio
import msgspec
import structlog

from interwork.core.blueprint import TrafficClass
from interwork.core.errors import Damaged, DiskFull
from interwork.core.resource import Batch
from interwork.stream.origin import Origin
from interwork.stream.spool.segment import SUFFIX, Record, Segment, decode, encode, sync_folder

log = structlog.get_logger()
T = TypeVar("T")
Sink = Callable[[Origin, Batch], Awaitable[None]]
"""Takes a record: its origin and its batch; done when it returns, away when it raises."""
SEGMENT_BYTES = 8 * 2**20
LIMIT_BYTES = 2**30
SYNC_S, SYNC_BYTES = 1.0, 64 * 2**10
RESERVE_BYTES = 16 * 2**20
"""Free space the spool never touches."""
RATE = 50_000.0
"""Readings a second at the most while draining, so that live data is not queued behind old."""
STATE = "state.json"
NEVER = -(1 << 63)
LOSSES_MAX = 1_000
RATE_WINDOW_S = 10.0


class Gone(msgspec.Struct, frozen=True, kw_only=True):
    """Readings given up: a loss record."""

    klass: TrafficClass
    from_us: int
    to_us: int
    count: int
    why: str


class Fill(msgspec.Struct, frozen=True, kw_only=True):
    """How full the spool is and when it will be empty."""

    bytes: int
    limit_bytes: int
    readings: int
    oldest_us: int | None
    """Source time of the oldest reading that waits."""
    drained_per_s: float
    empty_in_s: float | None
    """None while it does not drain."""
    by_class: dict[str, int]


class _State(msgspec.Struct, kw_only=True):
    """What must outlive a crash."""

    id: str = ""
    """Random; of a folder begun anew another one, so that no sink takes its records for earlier ones."""
    delivered: dict[int, int] = {}
    """By class: the last sequence the sink has taken."""
    highest: int = 0
    """No sequence up to this is given again."""
    losses: list[Gone] = []


class Spool:
    """Readings that wait for one sink; made with `async with Spool.open(folder)`."""

    def __init__(self, folder: Path, *, limit_bytes: int, segment_bytes: int) -> None:
        self._folder, self._limit, self._segment_bytes = folder, limit_bytes, segment_bytes
        self._segments: dict[TrafficClass, deque[Segment]] = {klass: deque() for klass in TrafficClass}
        self._offsets: dict[Path, int] = {}
        self._state = _State()
        self._lock = anyio.Lock()
        self._news = anyio.Event()
        self._drained: deque[tuple[float, int]] = deque(maxlen=10_000)
        self._taken: dict[TrafficClass, int] = dict.fromkeys(TrafficClass, 0)
        self._is_dirty = False
        self._threads = anyio.CapacityLimiter(1)
        self.fault = ""
        """Why the last second could not be made durable; empty where it could."""

    @classmethod
    @asynccontextmanager
    async def open(
        cls, folder: Path, *, limit_bytes: int = LIMIT_BYTES, segment_bytes: int = SEGMENT_BYTES
    ) -> AsyncGenerator[Self, None]:
        """Open a folder, cut what a crash tore, and close it when the block is left."""
        spool = cls(folder, limit_bytes=limit_bytes, segment_bytes=segment_bytes)
        await spool._run(spool._find)
        try:
            yield spool
        finally:
            with anyio.CancelScope(shield=True):
                await spool._run(spool._close)

    async def run(self) -> None:
        """Make durable what has been written, each second, for ever."""
        while True:
            await anyio.sleep(SYNC_S)
            try:
                await self.sync()
            except DiskFull as fault:
                if self.fault != str(fault):
                    log.warning("spool.unsynced", fault=str(fault))
                self.fault = str(fault)
            else:
                self.fault = ""

    async def append(self, batch: Batch, klass: TrafficClass, *, compress: bool = False) -> int:
        """Store a batch of one class and return its sequence; DiskFull where not even the reserve is left."""
        async with self._lock:
            sequence = await self._run(partial(self._append, batch, klass, compress=compress))
        news, self._news = self._news, anyio.Event()
        news.set()
        return sequence

    async def drain(self, sink: Sink, *, rate: float = RATE, by_class: bool = True) -> int:
        """Send on what waits until nothing does; returns the readings sent. A sink that raises ends it there.

        `by_class` sends states and counters before process values; otherwise all goes in order of sequence.
        """
        sent = 0
        began = anyio.current_time()
        while (found := await self._next(by_class=by_class)) is not None:
            segment, record, after = found
            await self._deliver(sink, segment.klass, record)
            async with self._lock:
                await self._run(partial(self._advance, segment, record, after))
            sent += record.rows
            self._drained.append((anyio.current_time(), record.rows))
            await anyio.sleep(max(0.0, began + sent / rate - anyio.current_time()))
        return sent

    async def wait(self) -> None:
        """Wait until something is appended."""
        await self._news.wait()

    async def settle(self, taken: Mapping[str, int]) -> int:
        """Let go of what a sink says it has taken, by source; returns how many readings that were.

        To be called before anything is appended: a power failure may have taken a record, and the note that it was
        sent on, but not the sink's; its sequence is not given again.
        """
        async with self._lock:
            return await self._run(partial(self._settle, taken))

    async def sync(self) -> None:
        """Make durable what has been written."""
        async with self._lock:
            await self._run(self._sync)

    def newest_us(self, klass: TrafficClass) -> int:
        """Tell the newest source time of a class that waits (or waited just before); NEVER where nothing does."""
        return max((one.to_us for one in self._segments[klass] if one.count), default=NEVER)

    @property
    def is_empty(self) -> bool:
        """Tell whether nothing waits."""
        return not any(self._waiting(klass) for klass in TrafficClass)

    def fill(self) -> Fill:
        """Tell how full it is."""
        waiting = {klass: self._waiting(klass) for klass in TrafficClass}
        total = sum(waiting.values())
        since = anyio.current_time() - RATE_WINDOW_S
        rate = sum(count for at, count in self._drained if at > since) / RATE_WINDOW_S
        oldest = [held[0].from_us for klass, held in self._segments.items() if waiting[klass]]
        return Fill(
            bytes=self._size(),
            limit_bytes=self._limit,
            readings=total,
            oldest_us=min(oldest, default=None),
            drained_per_s=rate,
            empty_in_s=0.0 if not total else total / rate if rate else None,
            by_class={klass.name: count for klass, count in waiting.items()},
        )

    async def take_losses(self, tell: Callable[[list[Gone]], Awaitable[None]]) -> None:
        """Hand over the loss records that nobody has told yet; forgotten once `tell` has returned."""
        async with self._lock:
            told = list(self._state.losses)
        if told:
            await tell(told)
            async with self._lock:
                self._state.losses = self._state.losses[len(told) :]
                await self._run(self._save)

    async def _deliver(self, sink: Sink, klass: TrafficClass, record: Record) -> None:
        try:
            batch = decode(record)
        except Damaged:
            self._lose(klass, (record.from_us, record.to_us, record.rows), "the record does not decode")
            return
        await sink(self._origin(klass, record.sequence), batch)

    def _origin(self, klass: TrafficClass, sequence: int) -> Origin:
        return Origin(f"spool:{self._state.id}:{klass.name}", sequence)

    async def _next(self, *, by_class: bool) -> tuple[Segment, Record, int] | None:
        async with self._lock:
            return await self._run(partial(self._read, by_class=by_class))

    async def _run(self, work: Callable[[], T]) -> T:
        try:
            return await anyio.to_thread.run_sync(work, limiter=self._threads)
        except OSError as fault:
            raise DiskFull(
                f"The spool in {self._folder} cannot be used: {fault.strerror}.", remedy="Free space on its disk."
            ) from fault

    def _append(self, batch: Batch, klass: TrafficClass, *, compress: bool) -> int:
        sequence = self._state.highest + 1
        record = encode(batch, sequence, compress=compress)
        self._make_room(len(record), klass)
        held = self._segments[klass]
        if not held or not held[-1].is_open or held[-1].size + len(record) > self._segment_bytes:
            if held:
                held[-1].close()
            held.append(Segment.create(self._folder, klass, sequence))
        held[-1].append(record)
        self._state.highest = sequence
        if klass <= TrafficClass.C1 or held[-1].unsynced >= SYNC_BYTES:
            held[-1].sync()
        return sequence

    def _make_room(self, size: int, klass: TrafficClass) -> None:
        """Give up the oldest of the lowest classes until a record fits; never a higher class for a lower one."""
        for lowest in sorted(TrafficClass, reverse=True):
            while self._lacks(size) and lowest >= klass and self._segments[lowest]:
                self._give_up(self._segments[lowest][0])
        if self._lacks(size):
            raise DiskFull(
                f"No room for {size} bytes in the spool of {self._folder}: {self._size()} of {self._limit} are taken.",
                remedy="Bring the sink back, free space on the disk, or raise limits.spool_mb.",
            )

    def _lacks(self, size: int) -> bool:
        return self._size() + size > self._limit or shutil.disk_usage(self._folder).free - size < RESERVE_BYTES

    def _give_up(self, segment: Segment) -> None:
        """Note what is lost, durably, then let the oldest segment of its class go."""
        rest = [record for record, _ in segment.records(self._offsets.get(segment.path, 0))]
        before = list(self._state.losses)
        if rest:
            span = min(one.from_us for one in rest), max(one.to_us for one in rest), sum(one.rows for one in rest)
            self._lose(segment.klass, span, "the spool is full")
        try:
            self._save()
        except OSError:
            self._state.losses = before
            raise
        self._segments[segment.klass].remove(segment)
        self._taken[segment.klass] = 0
        self._forget(segment)

    def _lose(self, klass: TrafficClass, span: tuple[int, int, int], why: str) -> None:
        gone = Gone(klass=klass, from_us=span[0], to_us=span[1], count=span[2], why=why)
        losses = self._state.losses
        if len(losses) >= LOSSES_MAX and losses[-1].klass is klass:
            last = losses.pop()
            gone = Gone(
                klass=klass,
                from_us=min(last.from_us, gone.from_us),
                to_us=max(last.to_us, gone.to_us),
                count=last.count + gone.count,
                why=why,
            )
        losses.append(gone)

    def _read(self, *, by_class: bool) -> tuple[Segment, Record, int] | None:
        found = []
        for held in self._segments.values():
            for segment in list(held):
                pair = next(segment.records(self._offsets.get(segment.path, 0)), None)
                if pair is not None:
                    found.append((segment, *pair))
                    break
                if segment is not held[-1]:
                    held.remove(segment)
                    self._forget(segment)
            if found and by_class:
                break
        return min(found, key=lambda one: one[1].sequence, default=None)

    def _advance(self, segment: Segment, record: Record, after: int) -> None:
        if segment not in self._segments[segment.klass]:
            return  # given up meanwhile; its loss record counts what the sink has taken too
        self._offsets[segment.path] = after
        self._state.delivered[int(segment.klass)] = record.sequence
        self._taken[segment.klass] += record.rows
        self._save(is_urgent=False)
        if after >= segment.size:
            segment.close()
            self._segments[segment.klass].remove(segment)
            self._taken[segment.klass] -= segment.count
            self._forget(segment)

    def _forget(self, segment: Segment) -> None:
        segment.remove()
        self._offsets.pop(segment.path, None)

    def _waiting(self, klass: TrafficClass) -> int:
        return sum(one.count for one in self._segments[klass]) - self._taken[klass]

    def _size(self) -> int:
        return sum(one.size for held in self._segments.values() for one in held)

    def _find(self) -> None:
        """Take up what an earlier start left."""
        self._folder.mkdir(parents=True, exist_ok=True)
        self._state = self._read_state()
        for found in sorted(self._folder.glob(f"*{SUFFIX}")):
            segment = Segment.find(found)
            if segment.torn is not None:
                self._lose(segment.klass, segment.torn, "its record was torn by a crash")
            self._state.highest = max(self._state.highest, segment.last)
            self._segments[segment.klass].append(segment)
        self._pass_delivered()
        if not self._state.id:
            self._state.id = secrets.token_hex(8)
            self._save()
            sync_folder(self._folder)

    def _read_state(self) -> _State:
        """Read the state; one that a crash or the disk has spoilt is laid aside, and what waits is sent as new."""
        path = self._folder / STATE
        if not path.exists():
            return _State()
        try:
            return msgspec.json.decode(path.read_bytes(), type=_State)
        except msgspec.MsgspecError as fault:
            path.replace(path.with_suffix(".damaged"))
            log.warning("spool.state_damaged", folder=str(self._folder), fault=str(fault))
            return _State()

    def _pass_delivered(self) -> None:
        """Let go of what the sink has taken, and begin behind it."""
        for klass, held in self._segments.items():
            delivered = self._state.delivered.get(int(klass), 0)
            self._taken[klass] = 0
            for segment in list(held):
                if not segment.count or segment.last <= delivered:
                    held.remove(segment)
                    self._forget(segment)
                    continue
                for record, after in segment.records(0):
                    if record.sequence > delivered:
                        break
                    self._offsets[segment.path] = after
                    self._taken[klass] += record.rows
        self._state.highest = max(self._state.highest, *self._state.delivered.values(), 0)

    def _settle(self, taken: Mapping[str, int]) -> int:
        before = sum(self._waiting(klass) for klass in TrafficClass)
        for klass in TrafficClass:
            number = taken.get(self._origin(klass, 0).source, 0)
            if number > self._state.delivered.get(int(klass), 0):
                self._state.delivered[int(klass)] = number
        self._pass_delivered()
        self._save()
        return before - sum(self._waiting(klass) for klass in TrafficClass)

    def _save(self, *, is_urgent: bool = True) -> None:
        """Write the state, whole or not at all; what is not urgent is synced with the next second."""
        path = self._folder / STATE
        new = path.with_suffix(".new")
        with new.open("wb") as file:
            file.write(msgspec.json.encode(self._state))
            file.flush()
            if is_urgent:
                os.fsync(file.fileno())
        new.replace(path)
        self._is_dirty = not is_urgent

    def _sync(self) -> None:
        for held in self._segments.values():
            if held:
                held[-1].sync()
        if self._is_dirty:
            self._save()

    def _close(self) -> None:
        for held in self._segments.values():
            for segment in held:
                segment.close()
        self._save()
