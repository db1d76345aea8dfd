"""The store: state read by id and by indexed field, changed in transactions, told as a hash chain of events.

Commits are grouped without a task of their own: whoever comes first leads, takes everything that waits along in one
transaction and one fsync on the single writer, and the others find their outcome when it is their turn.
"""

from collections import deque
from collections.abc import AsyncGenerator, AsyncIterable, Callable
from contextlib import asynccontextmanager
from functools import partial
from types import TracebackType
from typing import Self, TypeVar

import anyio
from anyio.streams.memory import MemoryObjectReceiveStream, MemoryObjectSendStream
from anyio.to_thread import run_sync
from sqlalchemy import Connection

from interwork.core.clock import Clock, now
from interwork.core.errors import InterworkError, LimitReached, Unusable
from interwork.core.event import Event, Tag
from interwork.store import chain, export, reader
from interwork.store.change import Change
from interwork.store.database import READERS, Database, connect, migrate
from interwork.store.words import TABLE_NAMES, T, word_of
from interwork.store.writer import Outcome, write

R = TypeVar("R")

GROUP = 256
"""Changes that share one transaction at most."""
WAITING = 1024
"""Changes that may wait for the writer; whoever comes later waits to be let in."""
PATIENCE_S = 60.0
"""Seconds anybody waits for the store before hearing that it is overloaded."""
FEED = 256
"""Commits a subscriber may be behind before the oldest ids are dropped."""


class _Pending:
    """A change on its way, and what came of it."""

    __slots__ = ("change", "outcome")

    def __init__(self, change: Change) -> None:
        self.change = change
        self.outcome: Outcome | None = None


class Store:
    """The state of one node. Open it with `await Store.open(url)`, close it or leave its `async with`."""

    def __init__(self, database: Database, clock: Clock) -> None:
        self._database = database
        self._clock = clock
        self._is_closed = False
        self._waiting: deque[_Pending] = deque()
        self._room = anyio.Semaphore(WAITING)
        self._turn = anyio.Lock()
        self._one_writer = anyio.CapacityLimiter(1)
        self._few_readers = anyio.CapacityLimiter(READERS)
        self._one_long_reader = anyio.CapacityLimiter(1)
        self._feeds: list[tuple[MemoryObjectSendStream[frozenset[str]], MemoryObjectReceiveStream[frozenset[str]]]] = []

    @classmethod
    async def open(cls, url: str, *, clock: Clock = now, lock_wait_s: float = 5.0) -> Self:
        """Open or create the database of a URL and migrate it; NewerData, DiskFull, Damaged where that cannot be."""
        database = connect(url, lock_wait_s)
        try:
            await run_sync(migrate, database)
        except BaseException:
            database.close()
            raise
        return cls(database, clock)

    async def __aenter__(self) -> Self:
        """Give the store, to be closed at the end of the block."""
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, fault: BaseException | None, trace: TracebackType | None
    ) -> None:
        """Close the store."""
        await self.close()

    async def close(self) -> None:
        """Finish the commit under way, end every subscription and close the database."""
        with anyio.CancelScope(shield=True):
            async with self._turn:
                self._is_closed = True
                for sender, _ in self._feeds:
                    sender.close()
                await run_sync(self._database.close)

    async def commit(self, change: Change) -> bool:
        """Make a change durable; False where its `once` key was used before. A cancelled commit is whole or nothing."""
        pending = _Pending(change)
        try:
            with anyio.fail_after(PATIENCE_S):
                async with self._room:
                    await self._see_through(pending)
        except TimeoutError as fault:
            raise LimitReached(
                f"The store did not finish a change in {PATIENCE_S:.0f} s; {len(self._waiting)} more wait.",
                remedy="Read what is stored before repeating it, and send fewer changes at a time.",
            ) from fault
        if isinstance(pending.outcome, InterworkError):
            raise pending.outcome
        return pending.outcome is True

    async def get(self, kind: type[T], identifier: str) -> T:
        """Read the value of an id; NotFound where there is none."""
        value = await self.peek(kind, identifier)
        if value is None:
            raise reader.missing(kind, identifier)
        return value

    async def peek(self, kind: type[T], identifier: str) -> T | None:
        """Read the value of an id, or None."""
        word = word_of(kind)
        return await self._read(lambda connection: reader.fetch(connection, word, identifier))

    async def find(self, kind: type[T], /, *, limit: int = 1000, newest: bool = False, **equals: object) -> list[T]:
        """Read values by indexed fields (a list, tuple or set means any of them), ordered by id."""
        word = word_of(kind)
        return await self._read(lambda connection: reader.find(connection, word, equals, limit=limit, newest=newest))

    async def count(self, kind: type[T], /, **equals: object) -> int:
        """Count values by indexed fields."""
        word = word_of(kind)
        return await self._read(lambda connection: reader.count(connection, word, equals))

    async def events(
        self, *, after: int = 0, subject: str = "", tag: Tag | None = None, limit: int = 200, newest: bool = False
    ) -> list[Event]:
        """Read events after a sequence, about a subject, of a tag; in order, or newest first."""
        return await self._read(
            lambda connection: reader.events(
                connection, after=after, subject=subject, tag=tag, limit=limit, newest=newest
            )
        )

    async def verify(self) -> int:
        """Check the whole chain and count its events; Damaged naming the first sequence that does not hold."""
        self._must_be_open()
        return await run_sync(self._database.read, chain.verify, limiter=self._one_long_reader)

    @asynccontextmanager
    async def changes(self) -> AsyncGenerator[MemoryObjectReceiveStream[frozenset[str]], None]:
        """Subscribe to the ids and table names that each commit of this process touches.

        A subscriber that falls behind loses the oldest ids, but never the name of a table.
        """
        self._must_be_open()
        sender, receiver = anyio.create_memory_object_stream[frozenset[str]](FEED)
        self._feeds.append((sender, receiver))
        try:
            yield receiver
        finally:
            self._feeds.remove((sender, receiver))
            sender.close()
            receiver.close()

    async def dump(self, *, secrets: bool = False) -> AsyncGenerator[export.Line, None]:
        """Give everything as (table name, JSON line), as it is at this moment; without secrets unless told."""
        self._must_be_open()
        long = self._one_long_reader
        connection = await run_sync(self._database.begin_reading, limiter=long)
        try:
            batches = export.lines(connection, secrets=secrets)
            while batch := await run_sync(self._database.explained, lambda: next(batches, None), limiter=long):
                for line in batch:
                    yield line
        finally:
            with anyio.CancelScope(shield=True):
                await run_sync(connection.close)

    async def load(self, lines: AsyncIterable[export.Line]) -> int:
        """Take a dump with its secrets into this empty store, all or nothing, and count its events."""
        explained = self._database.explained
        async with self._turn:
            self._must_be_open()
            connection = await run_sync(self._database.begin_writing)
            try:
                loading = await run_sync(explained, lambda: export.Loading(connection))
                batch: list[export.Line] = []
                async for line in lines:
                    batch.append(line)
                    if len(batch) == export.BATCH:
                        await run_sync(explained, partial(loading.take, batch))
                        batch = []
                await run_sync(explained, partial(loading.take, batch))
                events = await run_sync(explained, loading.finish)
                await run_sync(explained, connection.commit)
            finally:
                with anyio.CancelScope(shield=True):
                    await run_sync(connection.close)
        return events

    async def _read(self, ask: Callable[[Connection], R]) -> R:
        self._must_be_open()
        try:
            with anyio.fail_after(PATIENCE_S):
                return await run_sync(self._database.read, ask, limiter=self._few_readers)
        except TimeoutError as fault:
            raise LimitReached(
                f"No reader of the store was free in {PATIENCE_S:.0f} s.", remedy="Ask for less at a time."
            ) from fault

    async def _see_through(self, pending: _Pending) -> None:
        self._waiting.append(pending)
        try:
            async with self._turn:
                while pending.outcome is None:
                    self._must_be_open()
                    await self._lead()
        finally:
            if pending in self._waiting:  # given up before anybody took it along
                self._waiting.remove(pending)

    async def _lead(self) -> None:
        group = [self._waiting.popleft() for _ in range(min(GROUP, len(self._waiting)))]
        changes = [pending.change for pending in group]
        try:
            # The leader works for the others too: its own cancelling waits until the group is written.
            with anyio.CancelScope(shield=True):
                outcomes = await run_sync(write, self._database, changes, self._clock, limiter=self._one_writer)
            for pending, outcome in zip(group, outcomes, strict=True):
                pending.outcome = outcome
        finally:
            for pending in group:
                pending.outcome = _interrupted() if pending.outcome is None else pending.outcome
        touched = frozenset[str]().union(*(pending.change.touched() for pending in group if pending.outcome is True))
        if touched:
            self._tell(touched)

    def _tell(self, touched: frozenset[str]) -> None:
        for sender, receiver in self._feeds:
            try:
                sender.send_nowait(touched)
            except anyio.WouldBlock:
                oldest = receiver.receive_nowait()
                sender.send_nowait(touched | (oldest & TABLE_NAMES))
            except anyio.BrokenResourceError:
                continue  # the subscriber has closed its end and is about to leave

    def _must_be_open(self) -> None:
        if self._is_closed:
            raise Unusable("The store is closed.", remedy="Start the node again.")


def _interrupted() -> InterworkError:
    return Unusable(
        "The writer was interrupted; whether the change was made is not known.",
        remedy="Read what is stored before repeating it.",
    )
