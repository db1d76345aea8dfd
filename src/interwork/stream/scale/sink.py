"""A sink: takes the messages of its partitions from the log and writes them into the shared lake, each exactly once.

One transaction of the lake adds the files and moves `progress`; a sink that starts again goes on behind it. Where the
outcome of a commit is unknown (the catalog went away in it) progress tells. Two sinks of one partition hinder but do
not harm each other: the transaction of one fails, and it goes on behind what the other has written. The catalog or
the store being away stops nothing for good: what is in hand is tried again, and the log keeps the rest.
"""

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import TypeVar

import anyio
import anyio.to_thread
import numpy as np
import pyarrow as pa
import structlog

from interwork.core.clock import Clock, now, to_us
from interwork.core.errors import BadInput, Conflict, DiskFull, InterworkError, PeerError, Unusable
from interwork.core.resource import BatchBuilder
from interwork.core.settings import Limits, Scale
from interwork.stream.columns import decode_batch, table_of
from interwork.stream.historian.lake import HOUR_US
from interwork.stream.historian.service import ROLLED_KEPT
from interwork.stream.scale.log import Arrived, Log, Tail
from interwork.stream.scale.place import ROW_BITS, Place
from interwork.stream.scale.upkeep import Upkeep
from interwork.stream.scale.writing import Outrun, Writing

log = structlog.get_logger()
T = TypeVar("T")
FLUSH_ROWS = 200_000
"""Readings gathered for one transaction at the most."""
FETCH = 64
RETRY_S = (0.2, 5.0)
UPKEEP_S = 60.0
FORGET_S = 5.0
SETTLE_AFTER_US = 60_000_000
DAY_US = 24 * HOUR_US
REFUSED_MAX = 1_000
"""Messages kept that could not be read; beyond it the sink waits rather than lose one."""


@dataclass(slots=True, kw_only=True)
class Written:
    """What a sink has done since its start."""

    readings: int = 0
    messages: int = 0
    commits: int = 0
    retries: int = 0
    refused: int = 0
    """Messages that are no batch, kept in the folder `refused`."""
    settled: int = 0
    fault: str = ""
    """Why the last try failed; empty where it did not."""


class Sink:
    """Writes some partitions; `run` it for ever."""

    def __init__(
        self,
        folder: Path,
        scale: Scale,
        place: Place,
        source: Log,
        parts: Sequence[int],
        *,
        limits: Limits | None = None,
        clock: Clock = now,
    ) -> None:
        if not parts or not set(parts) <= set(range(place.partitions)):
            raise BadInput(
                f"Partitions {list(parts)} are asked for; there are 0 to {place.partitions - 1}.",
                remedy="Give some of them, or none for all.",
            )
        self.written = Written()
        self._folder, self._scale, self._log, self._clock = folder, scale, source, clock
        self._limits = limits
        self._parts = sorted(set(parts))
        self._writing = Writing(folder, place, self._parts)
        self._threads = anyio.CapacityLimiter(1)
        self._upkeep_at = self._forget_at = 0.0
        self._quotas_us = 0

    async def run(self) -> None:
        """Carry messages from the log into the lake, for ever; every fault is told and tried again."""
        wait, commits = RETRY_S[0], 0
        try:
            while True:
                try:
                    await self._session()
                except InterworkError as fault:  # a full disk too: the log keeps what is not written
                    self.written.retries += 1
                    self.written.fault = str(fault)
                    log.warning("sink.away", fault=str(fault))
                    await self._thread(self._writing.close)
                    wait = RETRY_S[0] if self.written.commits > commits else min(2 * wait, RETRY_S[1])
                    commits = self.written.commits
                    await anyio.sleep(wait)
        finally:
            with anyio.CancelScope(shield=True):
                await self._thread(self._writing.close)

    async def _session(self) -> None:
        """Go on behind what the lake has, until something fails."""
        progress = await self._thread(self._writing.open)
        await self._log.found(max(self._writing.all_progress.values(), default=0) + 1)
        last = (await self._log.standing()).last
        if progress > last:
            raise Unusable(
                f"The lake has message {progress} of {self._log.stream}, the log ends with {last}: it has lost some.",
                remedy="Delete the stream; it is made anew behind the lake, and nodes send again what they hold.",
            )
        tail = await self._log.follow(self._parts, progress)
        try:
            while True:
                await self._step(tail)
        finally:
            await tail.drop()

    async def _step(self, tail: Tail) -> None:
        """Gather for a moment, write, and do what else is due."""
        arrived, rows = await self._gather(tail)
        if arrived:
            await self._write(arrived, rows)
        else:
            await tail.check()
            await self._keep_up()
        self.written.fault = ""
        moment = anyio.current_time()
        if moment >= self._forget_at:
            self._forget_at = moment + FORGET_S
            for part in self._parts:
                await self._log.forget(part, self._writing.progress)
        if not arrived and moment >= self._upkeep_at:
            self._upkeep_at = moment + UPKEEP_S
            await self.settle()

    async def _keep_up(self) -> None:
        """Move progress over other partitions' messages, so that no quiet partition holds readers back."""
        last = (await self._log.standing()).last
        known = self._writing.progress
        if last > known and max([await self._log.last_of(part) for part in self._parts]) <= known:
            await self._thread(self._writing.write, None, last)

    async def _gather(self, tail: Tail) -> tuple[list[Arrived], pa.Table]:
        arrived: list[Arrived] = []
        tables: list[pa.Table] = []
        rows = 0
        until = anyio.current_time() + self._scale.flush_s
        while rows < FLUSH_ROWS and (left := until - anyio.current_time()) > 0:
            for one in await tail.fetch(FETCH, left):
                if one.sequence <= self._writing.all_progress[one.part]:
                    continue
                arrived.append(one)
                tables.append(await self._read(one))
                rows += len(tables[-1])
        return arrived, pa.concat_tables(tables) if tables else None

    async def _read(self, one: Arrived) -> pa.Table:
        """Decode a message; one that is no batch is kept as it is, and counted."""
        try:
            table = table_of(decode_batch(one.body, limit=1 << ROW_BITS))
        except (PeerError, BadInput) as fault:
            await self._thread(partial(_keep_refused, self._folder / "refused", one))
            self.written.refused += 1
            log.warning("sink.refused", sequence=one.sequence, fault=str(fault))
            table = table_of(BatchBuilder().take())
        sequence = (one.sequence << ROW_BITS) + np.arange(len(table))
        return table.append_column("seq", pa.array(sequence, pa.int64()))

    async def _write(self, arrived: Sequence[Arrived], table: pa.Table) -> None:
        """Write what was gathered; what another sink of these partitions has written meanwhile is left out."""
        try:
            with anyio.CancelScope(shield=True):
                await self._thread(self._writing.write, table, arrived[-1].sequence)
        except Outrun as fault:
            log.info("sink.outrun", progress=fault.progress)
            raise Conflict(str(fault)) from fault
        self.written.messages += len(arrived)
        self.written.readings += len(table)
        self.written.commits += 1

    async def settle(self) -> int:
        """Write hours that are over as one sorted file with roll-ups; drop what is past its time or its quota."""
        with anyio.CancelScope(shield=True):
            settled = await self._thread(self._settle)
        self.written.settled += settled
        return settled

    def _settle(self) -> int:
        self._writing.open()
        settled = self._writing.settle((to_us(self._clock()) - SETTLE_AFTER_US) // HOUR_US * HOUR_US)
        upkeep = Upkeep(self._writing)
        if self._limits is not None and 0 in self._parts:
            self._keep_limits(upkeep, self._limits.retention_days)
        upkeep.compact()
        return settled

    def _keep_limits(self, upkeep: Upkeep, days: float) -> None:
        """Drop what is past its time, and each hour what is over its quota; free the store."""
        moment, span = to_us(self._clock()), int(days * 24 * HOUR_US)
        upkeep.keep_times(moment - span, moment)
        upkeep.drop_rolled((moment - ROLLED_KEPT * span) // DAY_US * DAY_US)
        if moment - self._quotas_us >= HOUR_US:
            self._quotas_us = moment
            upkeep.keep_quotas()
            if self._scale.storage_gb and upkeep.keep_size(self._scale.storage_gb * 1e9):
                log.warning("sink.quota_reached", gigabytes=self._scale.storage_gb)
        upkeep.free()

    async def _thread(self, work: Callable[..., T], *arguments: object) -> T:
        return await anyio.to_thread.run_sync(partial(work, *arguments), limiter=self._threads)


def _keep_refused(folder: Path, one: Arrived) -> None:
    """Keep the bytes of a message that is no batch, for a person to look at."""
    try:
        folder.mkdir(parents=True, exist_ok=True)
        if sum(1 for _ in folder.iterdir()) >= REFUSED_MAX:
            raise DiskFull(
                f"{REFUSED_MAX} messages of the log are no batches.", remedy=f"Look at {folder} and empty it."
            )
        (folder / f"{one.sequence}.bin").write_bytes(one.body)
    except OSError as fault:
        raise DiskFull(f"{folder} cannot be written: {fault.strerror}.", remedy="Free space.") from fault
