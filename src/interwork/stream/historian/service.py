"""The historian: every reading on the disk before it is acknowledged, and every question about them.

DuckDB runs in worker threads: one that writes, two that read, one that seals, so a long question never waits for
a commit and a commit never waits for a seal. Appends that arrive while one commits share the next commit. Each wait
is bounded, each query is stopped at its limit, and a disk that fills up is an answer (DiskFull), not an end: the
database is closed, opened again, and holds everything that was acknowledged.
"""

import copy
import shutil
from array import array
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import Self, TypeVar

import anyio
import anyio.lowlevel
import anyio.to_thread
import structlog

from interwork.core.clock import Clock, now, to_us
from interwork.core.errors import BadInput, DiskFull, InterworkError, LimitReached, Unusable
from interwork.core.resource import Batch
from interwork.core.settings import Limits
from interwork.stream.columns import check_kept, columns_of
from interwork.stream.historian import queries, states
from interwork.stream.historian.engine import RESERVE_BYTES, Engine
from interwork.stream.historian.keeping import Keeping
from interwork.stream.historian.lake import HOUR_US
from interwork.stream.historian.opened import Opened
from interwork.stream.historian.queries import ALWAYS, FOREVER, Trend, Usage
from interwork.stream.historian.sealing import Lake
from interwork.stream.origin import Origin

log = structlog.get_logger()
T = TypeVar("T")

SEAL_ROWS = 3_600_000
"""So many unsealed readings are sealed without waiting for the hour to end, and so many at a time."""
SEAL_AFTER_US = 60_000_000
"""How long after the hour it is sealed: late readings of the hour still get into its file."""
MERGE_AFTER_US = HOUR_US
"""How long after an hour (for roll-ups: a day) its files are merged: until then more late ones may come."""
ROLLED_KEPT = 12
"""Roll-ups are kept this many times as long as readings."""
TICK_S = 10.0
RETRY_S = 60.0
COMMIT_ROWS = 200_000
"""Readings that share one commit at the most (a larger batch has one to itself)."""
WAITING = 64
"""Appends that wait at the same time; further ones wait at the door, and so slow their source."""
APPEND_S = 30.0
SEAL_S = 600.0
TIGHT, CRITICAL = 0.85, 0.95
"""Shares of the volume used from which on it is told."""
HOT_MAX = 60_000_000
"""Unsealed readings held at the most: beyond, sealing has failed for long, and appends are refused."""
SIGNALS_MAX = 10_000
SECOND_US = 1_000_000
ROWS_MAX = 5_000_000


@dataclass(frozen=True, slots=True, kw_only=True)
class Health:
    """How the historian is: `ok`, `tight` (85 % of the volume used), `critical` (95 %) or `full` (appends refused)."""

    level: str
    used_share: float
    free_bytes: int
    hot_rows: int
    fault: str
    """Why the last upkeep failed; empty where it did not."""


@dataclass(slots=True, eq=False)
class _Entry:
    """One append under way; done when it has a sequence or a fault."""

    batch: Batch
    origin: Origin | None = None
    sequence: int = 0
    fault: InterworkError | None = None
    is_given_up: bool = False
    """True where it was taken back before its commit began."""


class Historian(Opened):
    """Keeps readings; made with `await Historian.open(folder)`."""

    def __init__(self, folder: Path, clock: Clock, limits: Limits | None) -> None:
        super().__init__(folder)
        self._clock = clock
        self._limits = limits
        self._door = anyio.Semaphore(WAITING)
        self._waiting: list[_Entry] = []
        self._sealing = anyio.Lock()
        self._level = "ok"
        self._fault = ""

    @classmethod
    async def open(cls, folder: Path, *, clock: Clock = now, limits: Limits | None = None) -> Self:
        """Open the readings of a folder; with limits, `run` drops sealed hours past retention or quota."""
        historian = cls(folder, clock, limits)
        await historian._open()
        return historian

    async def taken(self) -> dict[str, int]:
        """Tell the last number kept of each sender whose batches may come twice."""
        await self._awake()
        return dict(self._taken)

    async def append(self, batch: Batch, origin: Origin | None = None) -> int:
        """Keep a batch, durable when this returns; the answer is the sequence of its last reading.

        One with an origin is kept once, however often it is sent, over crashes too.
        """
        check_kept(columns := columns_of(batch))
        rows = len(columns.signal)
        if rows == 0:
            return self._sequence
        entry = _Entry(batch, origin)
        try:
            with anyio.fail_after(APPEND_S):
                async with self._door:
                    self._waiting.append(entry)
                    try:
                        async with self._writing:
                            while entry in self._waiting:
                                await self._commit()
                    finally:
                        if entry in self._waiting:
                            self._waiting.remove(entry)
                            entry.is_given_up = True
        except TimeoutError as fault:
            if entry.sequence or await self._is_kept_late(entry):
                return entry.sequence
            raise LimitReached(
                f"{rows} readings waited {APPEND_S:.0f} s to be written and were not.",
                where="historian",
                remedy="Send them again, in fewer, larger batches.",
            ) from fault
        if entry.fault is not None:
            raise copy.copy(entry.fault) from entry.fault
        if not entry.sequence:
            raise Unusable(f"{rows} readings were not written.", where="historian", remedy="Send them again.")
        return entry.sequence

    async def _is_kept_late(self, entry: _Entry) -> bool:
        """Tell, after an append's time is up, whether the commit under way kept it after all."""
        if not entry.is_given_up:
            with anyio.move_on_after(APPEND_S, shield=True):
                async with self._writing:
                    pass
        return bool(entry.sequence)

    async def _commit(self) -> None:
        """Write the batches that wait, in one transaction; each learns its sequence or the fault."""
        group: list[_Entry] = []
        rows = 0
        while self._waiting and (not group or rows + len(self._waiting[0].batch) <= COMMIT_ROWS):
            group.append(self._waiting.pop(0))
            rows += len(group[-1].batch)
        with anyio.CancelScope(shield=True):
            try:
                self._check_backlog()
                engine = self._engine or await self._revive()
            except InterworkError as fault:
                for entry in group:
                    entry.fault = fault
                return
            await self._keep(engine, self._new_of(group))

    def _new_of(self, group: list[_Entry]) -> list[_Entry]:
        """Leave out what was kept before; it is done."""
        fresh: list[_Entry] = []
        noted: dict[str, int] = {}
        for entry in group:
            if entry.origin is not None and entry.origin.is_in({**self._taken, **noted}):
                entry.sequence = max(self._sequence, 1)
                continue
            if entry.origin is not None:
                noted[entry.origin.source] = entry.origin.number
            fresh.append(entry)
        return fresh

    async def _keep(self, engine: Engine, group: list[_Entry]) -> None:
        """Write batches in one transaction. Where one failed, what is found after opening anew tells its outcome."""
        if not group:
            return
        before, rows = self._sequence, sum(len(entry.batch) for entry in group)
        taken = {entry.origin.source: entry.origin.number for entry in group if entry.origin is not None}
        try:
            await self._thread(engine.insert, [entry.batch for entry in group], before + 1, taken)
        except InterworkError as fault:
            await self._mend(fault)
            if self._sequence < before + rows:
                self._refuse(group, before, fault)
                return
        else:
            self._sequence, self._hot_rows = before + rows, self._hot_rows + rows
            self._taken |= taken
        for entry in group:
            before += len(entry.batch)
            entry.sequence = before

    def _refuse(self, group: list[_Entry], before: int, fault: InterworkError) -> None:
        """Answer with a fault; what has no origin would be kept twice when it is sent again, so it is taken back."""
        for entry in group:
            if self._engine is None and entry.origin is None:
                self._unsure.append((before + 1, before + len(entry.batch)))
            before += len(entry.batch)
            entry.fault = fault

    def _check_backlog(self) -> None:
        if self._hot_rows >= HOT_MAX:
            raise DiskFull(
                f"{self._hot_rows} readings wait to be sealed. {self._fault} Nothing acknowledged was lost.",
                where="historian",
                remedy="Free space for sealed readings; appending resumes by itself.",
            )

    async def readings(self, signals: Sequence[int], start_us: int, end_us: int, *, limit: int = 100_000) -> Batch:
        """Read signals from start to end (exclusive) in order of time, `limit` of them at the most."""
        _check(signals, start_us, end_us, limit)
        return await self._ask(partial(queries.readings, signals=_set(signals), span=(start_us, end_us), limit=limit))

    async def after(
        self, sequence: int, signals: Sequence[int], start_us: int, end_us: int | None, *, limit: int = 5000
    ) -> tuple[Batch, int]:
        """Read what arrived after a mark, in order of arrival, and the mark to go on from: nothing is read twice."""
        end_us = FOREVER if end_us is None else end_us
        _check([sequence], start_us, end_us, limit)
        _check(signals, start_us, end_us, limit)
        durable = max(self._sequence, sequence)
        asked = (_set(signals), start_us, end_us, limit)
        batch, reached = await self._ask(partial(queries.after, sequence=sequence, asked=asked))
        if reached is None:
            return batch, durable
        return batch, reached if len(batch) == limit else max(reached, durable)

    async def trend(self, signal: int, start_us: int, end_us: int, *, points: int = 500) -> Trend:
        """Read one signal in `points` equal steps: lowest, mean, highest and number of good readings of each."""
        _check([signal], start_us, end_us, points)
        return await self._ask(partial(queries.trend, signal=signal, span=(start_us, end_us), points=points))

    async def trends(
        self, signals: Sequence[int], start_us: int, end_us: int, *, width_us: int = 60_000_000
    ) -> tuple["array[int]", Trend]:
        """Read several signals in steps of whole seconds, counted from 1970: signal by signal, number and figures."""
        _check(signals, start_us, end_us, 1)
        if width_us < SECOND_US or width_us % SECOND_US or (end_us - start_us) // width_us * len(signals) > ROWS_MAX:
            raise BadInput(
                f"Steps of {width_us} µs are asked for.", remedy=f"Give whole seconds, and {ROWS_MAX} figures at most."
            )
        return await self._ask(partial(queries.trends, signals=_set(signals), span=(start_us, end_us), width=width_us))

    async def durations(self, signal: int, start_us: int, end_us: int) -> dict[str, float]:
        """Sum the seconds per text state; time without a good reading is `unknown`, and all add up to the span."""
        return (await self.durations_of([signal], start_us, end_us))[signal]

    async def durations_of(self, signals: Sequence[int], start_us: int, end_us: int) -> dict[int, dict[str, float]]:
        """Sum the seconds per text state of each of several signals, in one question."""
        _check(signals, start_us, end_us, 1)
        return await self._ask(partial(states.durations, signals=_set(signals), span=(start_us, end_us)))

    async def asof(
        self, left: int, right: int, start_us: int, end_us: int, *, limit: int = 100_000
    ) -> tuple[Batch, Batch]:
        """Read a signal with, row by row, the reading another one had then: its newest that is not later.

        Where the other one had none yet, its row has time 0, no number, and the quality Bad_NoData.
        """
        _check([left, right], start_us, end_us, limit)
        return await self._ask(partial(states.asof, pair=(left, right), span=(start_us, end_us), limit=limit))

    async def latest(self, signals: Sequence[int], before_us: int | None = None) -> Batch:
        """Read each signal's last reading by source time, or its last before a time; who has none is left out."""
        near, end = (to_us(self._clock()), FOREVER) if before_us is None else (before_us, before_us)
        _check(signals, end, end, 1)
        return await self._ask(partial(queries.last, signals=_set(signals), near=near, end=end))

    async def usage(self) -> Usage:
        """Count the readings held and the bytes they take."""
        return await self._ask(queries.usage)

    async def retain(
        self,
        signals: Sequence[int],
        *,
        keep_days: float | None = None,
        quota_bytes: float | None = None,
        hold: bool | None = None,
    ) -> None:
        """Keep some signals otherwise than the rest, durable when this returns; without a rule, as the rest again.

        `keep_days` is how long, `quota_bytes` how much of these signals together (the oldest hours go first), and
        `hold` is a legal hold: nothing of them is dropped, whatever retention, share or the node's own quota say.
        Only False lifts a hold; None leaves it as it is.
        """
        _check(signals, 0, 0, 1)
        if any(one is not None and not 0 < one < float("inf") for one in (keep_days, quota_bytes)):
            raise BadInput(f"{keep_days} days or {quota_bytes} bytes are to be kept.", remedy="Give more than 0.")
        keep_us = None if keep_days is None else int(keep_days * 24 * HOUR_US)
        quota = None if quota_bytes is None else int(quota_bytes)
        async with self._writing:
            engine = self._engine or await self._revive()
            with anyio.CancelScope(shield=True):
                await self._thread(partial(engine.retain, _set(signals), keep_us, quota, hold))

    async def health(self) -> Health:
        """Tell how full the volume is, what waits to be sealed, and the fault that keeps it from going on."""
        try:
            disk = await self._thread(shutil.disk_usage, self._folder)
        except OSError as fault:
            raise Unusable(f"{self._folder} cannot be read: {fault}.") from fault
        share = 1 - disk.free / disk.total if disk.total else 1.0
        level = "full" if disk.free < RESERVE_BYTES else "critical" if share >= CRITICAL else "tight"
        return Health(
            level=level if share >= TIGHT or level == "full" else "ok",
            used_share=share,
            free_bytes=disk.free,
            hot_rows=self._hot_rows,
            fault=self._fault,
        )

    async def _watch(self) -> None:
        """Tell, once per change, that the volume fills up, and that it has room again."""
        health = await self.health()
        if health.level != self._level:
            tell = log.info if health.level == "ok" else log.warning
            tell("historian.space", level=health.level, used_share=round(health.used_share, 3), hot_rows=self._hot_rows)
            self._level = health.level

    async def seal(self) -> int:
        """Seal everything appended so far, with its roll-ups; return how many readings that was."""
        sealed = await self._seal(lambda _: self._sequence)
        async with self._cut() as engine:
            await self._thread(Keeping(engine).settle, FOREVER)
        return sealed

    async def run(self) -> None:
        """Seal by the hour or by size and keep to the limits, for ever; a fault is told and tried again."""
        hour = self._hour()
        while True:
            await anyio.sleep(TICK_S)
            try:
                await self._watch()
                hour = await self.tend(hour)
                self._fault = ""
            except InterworkError as fault:
                self._fault = str(fault)
                log.warning("historian.seal_failed", fault=str(fault), hot_rows=self._hot_rows)
                await anyio.sleep(RETRY_S)

    async def tend(self, hour: int) -> int:
        """Do what is due since an hour (counted from 1970): seal, drop, free; return the hour it is.

        Where sealing fails for want of space, what is past its time still goes: it may be all that makes room.
        """
        is_new = self._hour() > hour
        if not is_new and self._hot_rows < SEAL_ROWS:
            return hour
        try:
            if is_new:
                hour = self._hour()
                await self._seal(lambda engine: engine.sequence_before(hour * HOUR_US), hour * HOUR_US)
            else:
                await self._seal(lambda _: self._sequence, hour * HOUR_US)
        except DiskFull:
            await self._keep_limits()
            raise
        await self._keep_limits()
        await self._tidy()
        return hour

    def _hour(self) -> int:
        return (to_us(self._clock()) - SEAL_AFTER_US) // HOUR_US

    async def _seal(self, upto: Callable[[Engine], int], over_us: int = FOREVER) -> int:
        """Seal up to a sequence, in parts; hours that end after `over_us` go on. Return how many readings that was."""
        sealed, is_done = 0, False
        async with self._sealing:
            while not is_done:
                part, is_done = await self._seal_part(upto, over_us)
                sealed += part
        return sealed

    async def _seal_part(self, upto: Callable[[Engine], int], over_us: int) -> tuple[int, bool]:
        """Seal so many readings as memory holds, then trim: writing goes on until the trim. Tell whether that was all.

        On a volume that is nearly full each part makes room for the next.
        """
        async with self._cut() as engine:

            def cut() -> tuple[int, bool]:
                wanted = min(upto(engine), self._sequence)
                reached = min(wanted, engine.mark + SEAL_ROWS)
                return Lake(engine, over_us).seal(reached), reached == wanted

            sealed, is_done = await self._limited(engine.sealing, SEAL_S, cut)
        if sealed:
            async with self._writing:
                await self._trim(engine)
            log.info("historian.sealed", readings=sealed)
        return sealed, is_done

    async def _trim(self, engine: Engine) -> None:
        with anyio.CancelScope(shield=True):
            try:
                await self._thread(engine.trim)
                self._hot_rows = await self._thread(engine.hot_rows)
            except InterworkError as fault:
                await self._mend(fault)
                raise

    async def _keep_limits(self) -> None:
        """Drop what is past its time or above its share, and free the space of what was dropped a while ago."""
        async with self._cut() as engine:
            keeping, moment = Keeping(engine), to_us(self._clock())
            if self._limits is not None:
                cutoff = moment - int(self._limits.retention_days * 24 * HOUR_US)
                if await self._thread(keeping.drop_before, cutoff, moment):
                    log.info("historian.retention_kept", days=self._limits.retention_days)
                await self._thread(keeping.drop_rolled, moment - ROLLED_KEPT * (moment - cutoff))
                if await self._thread(keeping.keep_quotas):
                    log.info("historian.share_reached")
                if await self._thread(keeping.drop_to_fit, self._limits.storage_gb * 1e9):
                    log.warning("historian.quota_reached", gigabytes=self._limits.storage_gb)
            await self._thread(keeping.free)

    async def _tidy(self) -> None:
        """Roll up the hours that are over, and merge files that are small or have dropped rows."""
        async with self._cut() as engine:
            keeping, moment = Keeping(engine), to_us(self._clock())
            await self._thread(keeping.settle, moment - SEAL_AFTER_US)
            if merged := await self._thread(keeping.merge, moment - MERGE_AFTER_US):
                log.info("historian.merged", files=merged)


def _set(signals: Sequence[int]) -> list[int]:
    return sorted(set(signals))


def _check(signals: Sequence[int], start_us: int, end_us: int, limit: int) -> None:
    if not all(ALWAYS <= number <= FOREVER for number in (start_us, end_us, *signals)):
        raise BadInput("A time or a signal number has more than 64 bits.", remedy="Give microseconds since 1970.")
    if len(signals) > SIGNALS_MAX:
        raise BadInput(f"{len(signals)} signals are asked for.", remedy=f"Ask for {SIGNALS_MAX} at a time.")
    if start_us > end_us:
        raise BadInput(f"The range ends {(start_us - end_us) / 1e6:.0f} s before it starts.", remedy="Swap them.")
    if not 1 <= limit <= ROWS_MAX:
        raise BadInput(f"{limit} readings or points are asked for.", remedy=f"Ask for 1 to {ROWS_MAX}.")
