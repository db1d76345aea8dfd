"""One Modbus connection: requests out, answers to those who asked, by transaction.

An answer is given only to the request of its transaction and function; any other is counted and dropped, so a late one
never lands on the wrong signal. A request waits a bounded time and is then asked again under another transaction,
reads only. The socket's own back-pressure and `max_in_flight` bound what is under way.
"""

import asyncio
import socket
from typing import cast

import anyio

from interwork.connectors.modbus.framing import BrokenFrame, Framing


class LinkDown(Exception):
    """The connection ended, or what came through it was not Modbus."""


class Silent(Exception):
    """No answer came in time."""


class Link(asyncio.Protocol):
    """The client's side of one connection."""

    def __init__(self, framing: Framing, unit: int, timeout_s: float, max_in_flight: int) -> None:
        self._framing = framing
        self._unit = unit
        self._timeout_s = timeout_s
        self._places = anyio.Semaphore(max_in_flight, fast_acquire=True)
        self._waiting: dict[int, tuple[int, float, asyncio.Future[bytes]]] = {}
        self._buffer = bytearray()
        self._transaction = 0
        self._transport: asyncio.Transport | None = None
        self._timer: asyncio.TimerHandle | None = None
        self.lost = anyio.Event()
        self.was_ended = False
        """The other side ended the connection, and nothing that came through it was wrong."""
        self.counters = {"late_answers": 0, "repeated": 0}

    async def open(self, host: str, port: int) -> None:
        """Connect; raise OSError or TimeoutError."""
        loop = asyncio.get_running_loop()
        with anyio.fail_after(self._timeout_s):
            await loop.create_connection(lambda: self, host, port)

    def close(self) -> None:
        """End the connection at once."""
        if self._timer:
            self._timer.cancel()
        if self._transport:
            self._transport.abort()
        self.connection_lost(None)

    async def ask(self, pdu: bytes, *, attempts: int = 1) -> bytes:
        """Send a request and return the PDU of its answer; raise LinkDown or Silent."""
        async with self._places:
            for attempt in range(attempts):
                self.counters["repeated"] += attempt > 0
                try:
                    return await self._send(pdu)
                except Silent:
                    if attempt + 1 == attempts:
                        raise
        raise Silent

    async def _send(self, pdu: bytes) -> bytes:
        if self._transport is None or self.lost.is_set():
            raise LinkDown("The connection is closed.")
        loop = asyncio.get_running_loop()
        self._transaction = transaction = (self._transaction + 1) % 65_536 if self._framing.has_transactions else 0
        answer: asyncio.Future[bytes] = loop.create_future()
        deadline = loop.time() + self._timeout_s
        self._waiting[transaction] = pdu[0], deadline, answer
        if self._timer is None:
            self._timer = loop.call_at(deadline, self._expire)
        self._transport.write(self._framing.frame(transaction, self._unit, pdu))
        try:
            return await answer
        finally:
            self._waiting.pop(transaction, None)

    def _expire(self) -> None:
        """Tell those who waited too long, and look again when the next one would have."""
        self._timer = None
        loop = asyncio.get_running_loop()
        clock = loop.time()
        for _, deadline, answer in self._waiting.values():
            if deadline <= clock and not answer.done():
                answer.set_exception(Silent())
                if not self._framing.has_transactions:
                    self.lost.set()  # a late answer could not be told from the next one's
        pending = [deadline for _, deadline, answer in self._waiting.values() if not answer.done()]
        if pending:
            self._timer = loop.call_at(min(pending), self._expire)

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        """Take the connection over; requests are small and go out at once."""
        self._transport = cast("asyncio.Transport", transport)
        handle = self._transport.get_extra_info("socket")
        if handle is not None:
            handle.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)

    def data_received(self, data: bytes) -> None:
        """Give every whole answer to whoever asked for it."""
        self._buffer += data
        try:
            while (frame := self._framing.take(self._buffer)) is not None:
                self._give(*frame)
        except BrokenFrame as fault:
            self._end(f"The server sent no Modbus frame: {fault}.")

    def _give(self, transaction: int, unit: int, pdu: bytes) -> None:
        function, _, answer = self._waiting.get(transaction, (0, 0.0, None))
        is_other = self._unit not in (unit, 0)
        # A transaction tells the request; without one the unit must too. Some devices answer as unit 0 or 255.
        is_strange = is_other and not self._framing.has_transactions
        if answer is None or answer.done() or pdu[0] & 0x7F != function or is_strange:
            self.counters["late_answers"] += 1
            return
        self.counters["other_units"] = self.counters.get("other_units", 0) + is_other
        answer.set_result(pdu)

    def connection_lost(self, exc: Exception | None) -> None:
        """Tell everybody who waits."""
        self.was_ended = not self.lost.is_set()
        self._end(str(exc) if exc else "The server closed the connection.")

    def _end(self, why: str) -> None:
        self.lost.set()
        for _, _, answer in self._waiting.values():
            if not answer.done():
                answer.set_exception(LinkDown(why))
        if self._transport and not self._transport.is_closing():
            self._transport.abort()
