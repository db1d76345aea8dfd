"""A folder's database, open: questions and seals in worker threads, each bounded, and opened anew after a fault.

Two threads read, one seals, one writes. A question is stopped at its limit or when its asker goes away. A disk that
fills up can leave DuckDB's handle invalid: it is closed once nobody uses it, opened again, and holds everything that
was acknowledged; what was refused and may be in it all the same is taken back then.
"""

from collections.abc import AsyncGenerator, Callable
from contextlib import asynccontextmanager
from functools import partial
from pathlib import Path
from typing import TypeVar

import anyio
import anyio.lowlevel
import anyio.to_thread
import duckdb
import structlog

from interwork.core.errors import InterworkError, LimitReached, Unusable
from interwork.stream.historian.engine import READERS, Engine
from interwork.stream.historian.sealing import Lake

log = structlog.get_logger()
T = TypeVar("T")

QUERY_S = 30.0


class Opened:
    """The database of one folder, used by one writer, some readers and one seal at a time."""

    def __init__(self, folder: Path) -> None:
        self._folder = folder
        self._engine: Engine | None = None
        self._taken: dict[str, int] = {}
        self._unsure: list[tuple[int, int]] = []
        """Sequences of appends that were answered with a fault, and may be in the database that could not be opened."""
        self._sequence = 0
        self._hot_rows = 0
        self._threads = anyio.CapacityLimiter(READERS + 2)
        self._writing = anyio.Lock()
        self._reading = anyio.Semaphore(READERS)
        self._cutting = anyio.Lock()
        self._is_closed = False

    async def close(self) -> None:
        """Close the database after the append under way; a seal under way is given up and done again later."""
        self._is_closed = True
        if self._engine is not None:
            self._engine.sealing.interrupt()
        async with self._writing:
            await self._let_go()

    @asynccontextmanager
    async def _cut(self) -> AsyncGenerator[Engine, None]:
        """Hold the sealing cursor; the work on it is not torn by a cancellation. After a fault of it, open anew."""
        await self._awake()
        try:
            async with self._cutting:
                with anyio.CancelScope(shield=True):
                    yield self._open_engine()
        except InterworkError as fault:
            async with self._writing:
                await self._mend(fault)
            raise

    async def _ask(self, query: Callable[[Engine, duckdb.DuckDBPyConnection], T]) -> T:
        """Put a question in a worker thread and stop it at its limit, or when the asker goes away."""
        try:
            with anyio.fail_after(QUERY_S):
                await self._awake()
                await self._reading.acquire()
        except TimeoutError as fault:
            raise LimitReached(
                f"{READERS} other questions have been running for {QUERY_S:.0f} s.",
                where="historian",
                remedy="Ask again in a moment.",
            ) from fault
        try:
            engine = self._open_engine()
            cursor = engine.lend()

            def answer() -> T:
                with engine.snapshot(cursor):
                    return query(engine, cursor)

            try:
                return await self._limited(cursor, QUERY_S, answer)
            finally:
                engine.give_back(cursor)
        finally:
            self._reading.release()

    async def _limited(self, cursor: duckdb.DuckDBPyConnection, limit_s: float, work: Callable[[], T]) -> T:
        """Do work with a cursor in a thread, interrupted at a limit, or when the asker goes away."""
        answers: list[T] = []
        faults: list[InterworkError] = []
        async with anyio.create_task_group() as tasks:
            tasks.start_soon(_interrupt_late, cursor, limit_s)
            try:
                answers.append(await self._thread(work))
            except InterworkError as fault:
                faults.append(fault)
            tasks.cancel_scope.cancel()
        await anyio.lowlevel.checkpoint_if_cancelled()
        if faults:
            raise faults.pop()  # held by nothing but who handles it: its frames hold cursors
        return answers[0]

    async def _thread(self, work: Callable[..., T], *arguments: object) -> T:
        return await anyio.to_thread.run_sync(partial(work, *arguments), limiter=self._threads)

    def _open_engine(self) -> Engine:
        if self._engine is None or self._is_closed:
            raise Unusable(f"The historian in {self._folder} is not open.", remedy="Try again in a moment.")
        return self._engine

    async def _awake(self) -> None:
        """Open the database again where a fault closed it."""
        if self._engine is None and not self._is_closed:
            async with self._writing:
                if self._engine is None:
                    await self._revive()

    async def _mend(self, fault: InterworkError) -> None:
        """Open the database anew after a fault of its own; called with `_writing` held."""
        if self._engine is None or not self._engine.is_broken:
            return
        log.warning("historian.reopened", fault=str(fault))
        try:
            await self._revive()
        except InterworkError as second:
            log.warning("historian.closed", fault=str(second))

    async def _revive(self) -> Engine:
        """Close what is open, once nobody uses it, and open it again; called with `_writing` held."""
        if self._is_closed:
            raise Unusable(f"The historian in {self._folder} is closed.")
        with anyio.CancelScope(shield=True):
            await self._let_go()
            await self._open()
        return self._open_engine()

    async def _let_go(self) -> None:
        """Close the engine when its readers and the seal have finished; each of them is bounded."""
        async with self._cutting:
            for _ in range(READERS):
                await self._reading.acquire()
            try:
                engine, self._engine = self._engine, None
                if engine is not None:
                    await self._thread(engine.close)
            finally:
                for _ in range(READERS):
                    self._reading.release()

    async def _open(self) -> None:
        """Open the database, or reach it elsewhere, and read what is told of it without asking it."""
        engine = await self._thread(open_clean, self._folder)
        unsure, self._unsure = self._unsure, []
        if unsure:
            await self._thread(engine.take_back, unsure)
        self._sequence = await self._thread(engine.last_sequence)
        self._taken = await self._thread(engine.taken)
        self._hot_rows = await self._thread(engine.hot_rows)
        self._engine = engine


def open_clean(folder: Path) -> Engine:
    """Open an engine, finish a seal that was cut off, and remove what a crash left behind."""
    engine = Engine.open(folder)
    try:
        Lake(engine).sweep()
        engine.trim()
        Lake(engine).catch_up()
    except InterworkError:
        engine.close()
        raise
    return engine


async def _interrupt_late(cursor: duckdb.DuckDBPyConnection, limit_s: float) -> None:
    """Interrupt a cursor's query at its limit or when cancelled; an idle cursor does not mind."""
    try:
        await anyio.sleep(limit_s)
    finally:
        cursor.interrupt()
