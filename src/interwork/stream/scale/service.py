"""The historian of a node that is one of many: what arrives goes to the shared log, what is asked comes from the lake.

It is asked as `Historian` is, by the same SQL; only where the readings are differs. An append is durable when the log
has acknowledged it, and is kept here until the lake has it. What a sink has not written yet (about `flush_s`) is not
seen by questions; live values do not come from here. Any number of readers may be open: nothing rests in them.
"""

import copy
import shutil
from collections.abc import Callable, Sequence
from functools import partial
from pathlib import Path
from typing import Self, TypeVar

import anyio
import anyio.to_thread
import duckdb
import structlog

from interwork.core.clock import Clock, now
from interwork.core.errors import DiskFull, InterworkError, LimitReached, PeerError, Refused, Unusable
from interwork.core.resource import Batch
from interwork.stream.columns import check_kept, columns_of
from interwork.stream.historian.engine import RESERVE_BYTES, Engine
from interwork.stream.historian.service import CRITICAL, TIGHT, Health, Historian
from interwork.stream.origin import Origin
from interwork.stream.scale.held import Held
from interwork.stream.scale.log import Log, Message, cut
from interwork.stream.scale.place import ROW_BITS, Place, SharedEngine

log = structlog.get_logger()
T = TypeVar("T")
LOOK_S = 1.0
FOUND_S = 60.0
"""How long what a start found kept is not let go of: its sender may send it again, and is then told it is there."""
HELD_BYTES = 2**30


class Scaled(Historian):
    """A historian over a shared log and lake; made with `await Scaled.reach(…)`."""

    _place: Place
    _log: Log | None
    _held: Held | None
    _looking: anyio.Lock
    _under_way: set[str]
    _keeper: anyio.CapacityLimiter
    _since: float
    _is_log_found = False

    @classmethod
    async def reach(
        cls, folder: Path, place: Place, source: Log | None, *, held_bytes: int = HELD_BYTES, clock: Clock = now
    ) -> Self:
        """Attach the lake; without a log it is a reader, which takes no readings."""
        scaled = cls(folder, clock, None)
        scaled._place, scaled._log, scaled._held = place, source, None
        scaled._looking, scaled._under_way = anyio.Lock(), set()
        scaled._keeper, scaled._since = anyio.CapacityLimiter(1), anyio.current_time()
        if source is not None:
            scaled._held = await scaled._thread(Held, folder / "held", held_bytes)
        try:
            await scaled._open()
            await scaled._find_log()
        except BaseException:
            await scaled.close()
            raise
        return scaled

    async def _find_log(self) -> None:
        """Make the stream where there is none; a log that is away is tried again by `run`."""
        if self._log is None or self._is_log_found:
            return
        try:
            await self._log.found(max(self._shared().progress.values(), default=0) + 1)
            self._is_log_found = True
        except PeerError as fault:
            self._fault = str(fault)
            log.warning("scale.log_away", fault=str(fault))

    async def close(self) -> None:
        """Let the lake and the log go."""
        await super().close()
        if self._log is not None:
            await self._log.close()

    async def append(self, batch: Batch, origin: Origin | None = None) -> int:
        """Publish a batch, durable in the log when this returns; the sequence of its last reading."""
        if self._log is None or self._held is None:
            raise Refused(
                "This node is a reader and takes no readings.", rule="scale.role", remedy="Send them to a node."
            )
        if origin is not None and origin.is_in(self._held.taken):
            return self._sequence
        check_kept(columns_of(batch))
        messages = cut(batch, self._place.partitions, origin)
        names = {one.id for one in messages}
        try:
            self._under_way |= names
            return await self._publish_all(self._held, messages, origin)
        finally:
            self._under_way -= names

    async def _publish_all(self, held: Held, messages: list[Message], origin: Origin | None) -> int:
        """Publish messages; of what the log has not taken the caller keeps the readings, so it is not held here."""
        reached: list[int] = []
        faults: list[InterworkError] = []
        await self._with_held(held.keep, messages)
        try:
            async with anyio.create_task_group() as tasks:
                for message in messages:
                    tasks.start_soon(self._publish, held, message, reached, faults)
        finally:
            if origin is None:  # what has an origin is sent again under the same ids
                unsent = [one.id for one in messages if not held.sequence_of(one.id)]
                with anyio.CancelScope(shield=True):
                    await self._with_held(held.give_back, unsent)
        if faults:
            raise copy.copy(faults[0]) from faults[0]
        if origin is not None:
            await self._with_held(held.note, origin)
        return max(reached, default=self._sequence)

    async def _publish(self, held: Held, message: Message, reached: list[int], faults: list[InterworkError]) -> None:
        assert self._log is not None
        try:
            sequence = held.sequence_of(message.id)
            if not sequence:
                sequence = await self._log.publish(message)
                await self._with_held(held.acknowledge, message.id, sequence)
        except PeerError as fault:
            faults.append(Unusable(fault.message, remedy=fault.remedy))
        except InterworkError as fault:
            faults.append(fault)
        else:
            reached.append((sequence << ROW_BITS) + message.rows - 1)

    async def _with_held(self, work: Callable[..., T], *arguments: object) -> T:
        """Do what touches the folder of kept messages: one thing at a time, outside the event loop."""
        return await anyio.to_thread.run_sync(partial(work, *arguments), limiter=self._keeper)

    async def taken(self) -> dict[str, int]:
        """Tell the last number of each sender whose messages the log has."""
        return {} if self._held is None else dict(self._held.taken)

    async def run(self) -> None:
        """Release what the lake has, and send again what the log does not have, for ever."""
        while True:
            await anyio.sleep(LOOK_S)
            try:
                await self._find_log()
                await self.confirm()
                self._fault = ""
            except (Unusable, PeerError, LimitReached) as fault:
                if self._fault != str(fault):
                    log.warning("scale.away", fault=str(fault))
                self._fault = str(fault)

    async def confirm(self) -> int:
        """Release what the lake has, send again what the log has lost; return how many messages are still held."""
        if self._held is None or self._log is None:
            await self._look()
            return 0
        held = self._held
        if anyio.current_time() > self._since + FOUND_S:
            held.unlisted()
        if len(held):
            await self._look()
            await self._with_held(held.release, self._shared().progress, self._under_way | held.found)
        if len(held):
            known = held.highest
            last = (await self._log.standing()).last
            due = await self._with_held(held.lost, last, known)
            if due:
                log.error("scale.log_lost", messages=len(due), last=last, acknowledged=known)
            for message in [*due, *await self._with_held(held.unsent, frozenset(self._under_way))]:
                await self._with_held(held.acknowledge, message.id, await self._log.publish(message))
        return len(held)

    async def seal(self) -> int:
        """Do nothing: sinks do it."""
        return 0

    async def retain(
        self,
        signals: Sequence[int],
        *,
        keep_days: float | None = None,
        quota_bytes: float | None = None,
        hold: bool | None = None,
    ) -> None:
        """Keep some signals otherwise than the rest, for every node; the sink of partition 0 sees to it."""
        if self._log is None:
            raise Refused("This node is a reader and changes nothing.", rule="scale.role", remedy="Ask a node for it.")
        await self._look()
        await super().retain(signals, keep_days=keep_days, quota_bytes=quota_bytes, hold=hold)

    async def health(self) -> Health:
        """Tell how full the volume of this node is, and what waits here for the lake."""
        try:
            disk = await self._thread(shutil.disk_usage, self._folder)
        except OSError as fault:
            raise DiskFull(f"{self._folder} cannot be read: {fault}.") from fault
        share = 1 - disk.free / disk.total if disk.total else 1.0
        full = disk.free < RESERVE_BYTES
        return Health(
            level="full" if full else "critical" if share >= CRITICAL else "tight" if share >= TIGHT else "ok",
            used_share=share,
            free_bytes=disk.free,
            hot_rows=0 if self._held is None else self._held.rows,
            fault=self._fault,
        )

    async def _ask(self, query: Callable[[Engine, duckdb.DuckDBPyConnection], T]) -> T:
        await self._look()
        return await super()._ask(query)

    async def _look(self) -> None:
        """Take a new picture of the lake; where the catalog has gone away, attach it anew, once."""
        await self._awake()
        try:
            await self._refresh()
        except Unusable as fault:
            log.info("scale.attached_again", fault=str(fault))
            async with self._writing:
                await self._revive()
            await self._refresh()
        self._sequence = self._shared().mark

    async def _refresh(self) -> None:
        async with self._looking, self._cut() as engine:
            await self._thread(engine.refresh)

    def _shared(self) -> SharedEngine:
        engine = self._open_engine()
        assert isinstance(engine, SharedEngine)
        return engine

    async def _open(self) -> None:
        founding = partial(SharedEngine.reach, self._folder, self._place, is_founding=self._log is not None)
        self._engine = await self._thread(founding)
        self._sequence = self._shared().mark
