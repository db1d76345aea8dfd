"""Messages to peers, sent from the outbox: after the change they tell of is safe, in order within a process.

A message that answers a peer's own is held until that answer is on the wire (`release`), for a peer that meets our
reaction before our answer refuses it. What cannot be delivered now is tried again with growing pauses; what a peer
refuses, or what has been tried too often, ends its process with the reason.
"""

import secrets
import time
from collections import Counter
from collections.abc import AsyncGenerator, Awaitable, Callable
from contextlib import asynccontextmanager
from dataclasses import dataclass
from datetime import timedelta
from typing import Any, Protocol, TypeVar
from weakref import WeakValueDictionary

import anyio
import msgspec
import structlog
from anyio.abc import TaskGroup

from interwork.core.clock import Clock
from interwork.core.errors import (
    BadInput,
    Conflict,
    DiskFull,
    LimitReached,
    NotFound,
    PeerError,
    PeerUnreachable,
    Refused,
)
from interwork.core.exchange import Outgoing
from interwork.core.ids import new_id
from interwork.federation import wire
from interwork.federation.client import Answer, PeerClient
from interwork.federation.identity import Identity
from interwork.store import Change, Store, table_of

log = structlog.get_logger()

HOLD_S = 2.0
"""How long a reaction waits for its release, should the process die in between."""
IDLE_S = 5.0
"""The outbox looks at least this often."""
SWEEP_EVERY, KEPT = timedelta(hours=1), timedelta(days=7)
"""How often the outbox is swept, and how long a message that was sent stays in it."""
LONGEST_PAUSE_S = 60.0
AT_ONCE = 64
PER_PEER = 8
WAITING_MAX = 10_000
LOCK_S = 10.0
UNSETTLED_S = 0.5
R = TypeVar("R")
REPEATS = 5
"""How often a step is taken anew when its record changed meanwhile."""
_TRY_AGAIN = frozenset({401, 408, 425, 429})


@dataclass(frozen=True, kw_only=True)
class Parts:
    """What every room of the federation works with."""

    store: Store
    identity: Identity
    client: PeerClient
    clock: Clock
    name: str
    claims: Callable[[], Awaitable[list[str]]]
    """This node's own credentials."""

    @property
    def base(self) -> str:
        """Tell this node's own DSP address."""
        return self.identity.root + wire.PATH

    async def token(self, audience: str) -> str:
        """Issue a token for one request, with this node's credentials in it."""
        return self.identity.mint(audience, await self.claims())

    def letter(self, process: str, peer: str, url: str, body: dict[str, Any], *, is_reaction: bool = True) -> Outgoing:
        """Write a message for the outbox; a reaction is held until the answer it follows is on the wire."""
        at = self.clock()
        due = at + timedelta(seconds=HOLD_S) if is_reaction else at
        return Outgoing(
            id=new_id("message"), process=process, peer=peer, url=url, body=body, created_at=at, next_at=due
        )


async def anew(attempt: Callable[[], Awaitable[R]]) -> R:
    """Take a step, and take it anew from what is stored now when its record changed meanwhile."""
    for _ in range(REPEATS - 1):
        try:
            return await attempt()
        except Conflict:
            continue
    return await attempt()


class Locks:
    """One lock per name, while somebody holds it."""

    def __init__(self) -> None:
        self._locks: WeakValueDictionary[str, anyio.Lock] = WeakValueDictionary()

    @asynccontextmanager
    async def __call__(self, name: str, patience_s: float = LOCK_S) -> AsyncGenerator[None, None]:
        """Hold the lock of a name; LimitReached where it is not free in time."""
        lock = self._locks.setdefault(name, anyio.Lock())
        try:
            with anyio.fail_after(patience_s):
                await lock.acquire()
        except TimeoutError as fault:
            raise LimitReached(f"{name} was busy for {patience_s:.0f} s.", remedy="Try again.") from fault
        try:
            yield
        finally:
            lock.release()


class Settling(Protocol):
    """What is done about a message once its fate is known."""

    async def delivered(self, sent: Outgoing, answer: Answer) -> None:
        """Take note that a peer acknowledged a message."""

    async def undeliverable(self, sent: Outgoing, lines: list[str]) -> None:
        """End the process of a message that a peer refused or cannot be reached with."""


class Outbox:
    """Sends what waits; one message of a process at a time, a few per peer."""

    def __init__(self, parts: Parts, settling: Settling, *, margin_s: float = 0.01, attempts: int = 10) -> None:
        self._parts = parts
        self._settling = settling
        self._margin_s = margin_s
        self._attempts = attempts
        self._busy: dict[str, str] = {}
        self._ready: dict[str, float] = {}
        self._news = anyio.Event()
        self._swept_at = parts.clock()

    def release(self, process: str) -> None:
        """Let the reactions of a process go: the answer they follow is on the wire."""
        if process:
            self._ready[process] = time.monotonic() + self._margin_s
            self._news.set()

    async def run(self) -> None:
        """Send for ever."""
        async with anyio.create_task_group() as tasks:
            tasks.start_soon(self._listen)
            while True:
                self._news = anyio.Event()
                try:
                    await self._sweep()
                    pause = await self._dispatch(tasks)
                except (
                    DiskFull,
                    LimitReached,
                ) as fault:  # the store is full or overloaded: what waits, waits a little longer
                    log.warning("outbox.waits", fault=str(fault))
                    pause = IDLE_S
                with anyio.move_on_after(pause):
                    await self._news.wait()

    async def _listen(self) -> None:
        async with self._parts.store.changes() as changes:
            async for names in changes:
                if table_of(Outgoing) in names:
                    self._news.set()

    async def _sweep(self) -> None:
        """Forget, once an hour, what was told long ago; the step each message told of is in the event chain."""
        now = self._parts.clock()
        if now - self._swept_at < SWEEP_EVERY:
            return
        self._swept_at = now
        change, old = Change(), now - KEPT
        for one in await self._parts.store.find(Outgoing, state="sent", limit=WAITING_MAX):
            if one.created_at < old:
                change.delete(Outgoing, one.id)
        await self._parts.store.commit(change)

    async def _dispatch(self, tasks: TaskGroup) -> float:
        """Start sending what is due and tell how long nothing else will be."""
        under_way = frozenset(self._busy)  # what is read below may be out of date for these
        waiting = await self._parts.store.find(Outgoing, state="waiting", limit=WAITING_MAX)
        pause, first, load = IDLE_S, set(under_way), Counter(self._busy.values())
        past = time.monotonic() - HOLD_S
        self._ready = {process: ready for process, ready in self._ready.items() if ready > past}
        for one in sorted(waiting, key=lambda message: (message.created_at, message.id)):
            if one.process in first:
                continue
            first.add(one.process)
            wait = self._wait_s(one)
            if wait > 0:
                pause = min(pause, wait)
            elif len(self._busy) < AT_ONCE and load[one.peer] < PER_PEER:
                self._busy[one.process] = one.peer
                load[one.peer] += 1
                tasks.start_soon(self._send, one)
        return pause

    def _wait_s(self, one: Outgoing) -> float:
        due = (one.next_at - self._parts.clock()).total_seconds()
        ready = self._ready.get(one.process)
        return due if ready is None or one.attempts else min(due, ready - time.monotonic())

    async def _send(self, one: Outgoing) -> None:
        self._ready.pop(one.process, None)
        try:
            await self._attempt(one)
        except (
            Conflict,
            DiskFull,
            LimitReached,
        ) as fault:  # it still waits, and whoever gets it twice answers as before
            log.warning("message.unsettled", process=one.process, fault=str(fault))
            await anyio.sleep(UNSETTLED_S)
        except (BadInput, NotFound) as fault:  # its own records are at fault: nothing is gained by trying again
            log.warning("message.dead", process=one.process, fault=str(fault))
            dead = msgspec.structs.replace(one, state="dead", fault=str(fault)[:1000])
            await self._parts.store.commit(Change().put(dead))
        finally:
            self._busy.pop(one.process, None)
            self._news.set()

    async def _attempt(self, one: Outgoing) -> None:
        body = msgspec.json.encode(_with_token(one.body, self._parts.identity, one.process))
        try:
            token = await self._parts.token(one.peer)
            answer = await self._parts.client.request("POST", one.url, token=token, body=body)
        except PeerUnreachable as fault:
            await self._later(one, [fault.message])
            return
        except (PeerError, Refused) as fault:
            await self._settling.undeliverable(one, wire.reasons(fault))
            return
        lines = answer.said() or [f"The peer answered {answer.status}."]
        if answer.is_success:
            await self._settling.delivered(one, answer)
        elif answer.status in _TRY_AGAIN or answer.status >= 500 or (answer.status == 404 and not answer.said()):
            await self._later(one, lines)
        else:
            await self._settling.undeliverable(one, lines)

    async def _later(self, one: Outgoing, lines: list[str]) -> None:
        """Put a message off, or give it up when it has been tried often enough."""
        attempts = one.attempts + 1
        log.info("message.waits", process=one.process, peer=one.peer, attempts=attempts, fault=lines[0])
        if attempts >= self._attempts:
            tried = f"{wire.UNREACHABLE}{one.peer} could not be told after {attempts} attempts."
            await self._settling.undeliverable(one, [tried, *lines])
            return
        pause = min(LONGEST_PAUSE_S, 0.25 * 2**one.attempts) * (0.8 + secrets.randbelow(401) / 1000)
        off = msgspec.structs.replace(
            one, attempts=attempts, next_at=self._parts.clock() + timedelta(seconds=pause), fault=" ".join(lines)[:1000]
        )
        try:
            await self._parts.store.commit(Change().put(off, expect=one))
        except Conflict:
            log.info("message.withdrawn", process=one.process)


def _with_token(body: dict[str, Any], identity: Identity, process: str) -> dict[str, Any]:
    """Put the bearer token into a start message; it is never kept in the outbox."""
    address = body.get("dataAddress")
    if not isinstance(address, dict) or body.get("@type") != "TransferStartMessage":
        return body
    return {**body, "dataAddress": wire.data_address(address["endpoint"], identity.data_token(process))}
