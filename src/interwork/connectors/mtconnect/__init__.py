"""MTConnect client: the agent's device model, its current state, then its stream without loss or repeat.

Theory of operation. An agent keeps a ring buffer of observations, each with a sequence number. After /probe and
/current the client asks /sample from the next sequence on and the agent sends a document per interval, or an empty
one per heartbeat. Each document says the next sequence, so a stream that ends is continued where it ended. When the
agent restarted (another instanceId) or its buffer ran past us (OUT_OF_RANGE), the hole is told: every point gets a
BAD_NO_DATA reading, then everything starts again from /probe. Reading slower than the machine speaks is safe:
TCP holds the agent back and its buffer holds the observations.
"""

from collections.abc import AsyncGenerator, Iterator, Mapping, Sequence
from types import TracebackType
from typing import Any, Self
from urllib.parse import quote

import aiohttp
import anyio

from interwork.connectors import BAD_DECODING, BAD_UNKNOWN, FLUSH_READINGS, Found, Point
from interwork.connectors.endpoint import check_options, number_option, parse_endpoint
from interwork.connectors.mtconnect.multipart import Multipart, boundary_of
from interwork.connectors.mtconnect.wire import (
    MAX_DOCUMENT,
    DataItem,
    Document,
    Header,
    MalformedDocument,
    Memory,
    Observation,
    errors_of,
    parse_devices,
    parse_document,
    parse_streams,
    values_of,
)
from interwork.core.clock import now, to_us
from interwork.core.errors import BadInput, MachineUnreachable
from interwork.core.resource import BAD_NO_DATA, Batch, BatchBuilder

_CONNECT_S = 5.0
_DOCUMENT_S = 10.0
_CHUNK = 1 << 18
_MOST_IDLE = 3
"""Streams in a row without one document after which the agent is given up."""
_REMEDY = "Check that the agent runs, that address and port are right, and open its /probe page in a browser."


class _Gap(MachineUnreachable):
    """The agent restarted, or its buffer no longer holds what we would read next."""


class MTConnectConnector:
    """Reads `mtconnect://host:port[/device]` (HTTP agent)."""

    def __init__(self, endpoint: str, options: Mapping[str, Any]) -> None:
        check_options(options, ("interval_ms", "heartbeat_ms"))
        self._endpoint = parse_endpoint(endpoint, "mtconnect", 5000)
        if len(self._endpoint.path) > 1:
            raise BadInput(f"{endpoint!r} names more than a device.", remedy="Write mtconnect://host:port/device.")
        self._interval_ms = int(number_option(options, "interval_ms", 100, low=1, high=60_000))
        self._heartbeat_ms = int(number_option(options, "heartbeat_ms", 5_000, low=100, high=9_000))
        self._session: aiohttp.ClientSession | None = None
        self._items: dict[str, DataItem] = {}
        self._stream: aiohttp.ClientResponse | None = None
        self._splitter = Multipart("")
        self._at: Header | None = None
        self._numbers: dict[str, list[int]] = {}
        self._memory = Memory()
        self._idle = 0

    async def __aenter__(self) -> Self:
        """Fetch the agent's device model."""
        timeout = aiohttp.ClientTimeout(total=None, sock_connect=_CONNECT_S)
        self._session = aiohttp.ClientSession(timeout=timeout, headers={"Accept": "text/xml, application/xml"})
        try:
            self._items = await self._probe()
        except BaseException:
            await self._close()
            raise
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, fault: BaseException | None, trace: TracebackType | None
    ) -> None:
        """Close the stream and the connections."""
        await self._close()

    async def _close(self) -> None:
        self._close_stream()
        if self._session:
            with anyio.move_on_after(1, shield=True):
                await self._session.close()

    def _close_stream(self) -> None:
        if self._stream:
            self._stream.close()
        self._stream = None

    async def browse(self) -> list[Found]:
        """List the data items of the agent, or of the endpoint's device."""
        return [item.found for item in self._items.values()]

    async def readings(self, points: Sequence[Point]) -> AsyncGenerator[Batch, None]:
        """Yield the current state and then every observation; called again, it resumes where it stopped."""
        numbers: dict[str, list[int]] = {}
        for point in points:
            numbers.setdefault(point.address, []).append(point.number)
        if numbers != self._numbers:
            self._numbers, self._at = numbers, None
        self._idle = 0
        try:
            while True:
                try:
                    seen, at = await self._step()
                except _Gap:
                    seen, at = (), None
                    yield self._hole()
                for batch in self._batches(seen):
                    yield batch
                # Only what was taken counts as read: a generator closed half-way resumes before what it had left.
                self._at = at
        finally:
            self._close_stream()

    async def _step(self) -> tuple[Sequence[Observation], Header | None]:
        """Fetch what comes next, opening what must be opened for it."""
        if self._at is None:
            return await self._start()
        if self._stream is None:
            await self._open(self._at)
        octets = await self._chunk()
        if not octets:
            self._close_stream()
            self._count_idle("ended its stream without a document")
            return (), self._at
        at, seen = self._at, list[Observation]()
        for document in self._split(octets):
            header, observations = self._checked(document, at)
            seen += observations
            at = header
            self._idle = 0
        return seen, at

    async def _start(self) -> tuple[Sequence[Observation], Header]:
        """Begin with the current state of everything."""
        self._close_stream()
        self._memory.forget()
        if not self._items:
            self._items = await self._probe()
        header, seen = self._checked(await self._document("current"), None)
        return seen, header

    async def _probe(self) -> dict[str, DataItem]:
        content = await self._document("probe")
        try:
            root = parse_document(content)
            self._refuse(root, None)
            return parse_devices(root)
        except MalformedDocument as fault:
            raise self._broken(fault) from fault

    def _checked(self, content: bytes, before: Header | None) -> tuple[Header, list[Observation]]:
        """Parse a stream document that must follow what was read before; raise _Gap where it does not."""
        try:
            root = parse_document(content)
            self._refuse(root, before)
            header, seen = parse_streams(root)
        except MalformedDocument as fault:
            raise self._broken(fault) from fault
        if before and header.instance != before.instance:
            raise _Gap("The agent was restarted.")
        return header, seen

    def _refuse(self, root: Document, before: Header | None) -> None:
        """Raise for an error document: a hole where our place in the buffer is gone, else what the agent said."""
        for error in errors_of(root):
            if error.code == "OUT_OF_RANGE" and before:
                raise _Gap(error.text)
            raise self._endpoint.unreachable(
                f"refused: {error.code} {error.text[:200]}.", "Check the device name at the endpoint's end."
            )

    def _broken(self, fault: MalformedDocument) -> MachineUnreachable:
        return self._endpoint.unreachable(f"answers, but not as MTConnect says. {fault.message}", _REMEDY)

    def _url(self, request: str) -> str:
        host = f"[{self._endpoint.host}]" if ":" in self._endpoint.host else self._endpoint.host
        path = "/".join(quote(part, safe="") for part in (*self._endpoint.path, request))
        return f"http://{host}:{self._endpoint.port}/{path}"

    async def _get(self, request: str, parameters: Mapping[str, str]) -> aiohttp.ClientResponse:
        if not self._session:
            raise self._endpoint.unreachable("was not opened.", "Enter the connector first.")
        try:
            with anyio.fail_after(_DOCUMENT_S):
                return await self._session.get(self._url(request), params=parameters, allow_redirects=False)
        except (aiohttp.ClientError, OSError) as fault:
            raise self._endpoint.unreachable(f"does not answer /{request}: {_reason(fault)}.", _REMEDY) from fault

    async def _document(self, request: str) -> bytes:
        """Fetch one document of bounded size in bounded time."""
        response = await self._get(request, {})
        content = bytearray()
        try:
            with anyio.fail_after(_DOCUMENT_S):
                while octets := await response.content.read(_CHUNK):
                    content += octets
                    if len(content) > MAX_DOCUMENT:
                        raise self._endpoint.unreachable(f"sent more than {MAX_DOCUMENT} octets.", _REMEDY)
        except (aiohttp.ClientError, OSError) as fault:
            raise self._endpoint.unreachable(f"broke off /{request}: {_reason(fault)}.", _REMEDY) from fault
        finally:
            response.close()
        return bytes(content)

    async def _open(self, at: Header) -> None:
        """Open the stream at our place in the agent's buffer."""
        count = min(FLUSH_READINGS, at.buffer_size or FLUSH_READINGS)
        response = await self._get(
            "sample",
            {
                "from": str(at.next_sequence),
                "interval": str(self._interval_ms),
                "count": str(count),
                "heartbeat": str(self._heartbeat_ms),
            },
        )
        if response.status == 200:
            self._stream = response
            try:
                self._splitter = Multipart(boundary_of(response.headers.get("Content-Type", "")))
            except MalformedDocument as fault:
                raise self._broken(fault) from fault
            return
        try:
            with anyio.fail_after(_DOCUMENT_S):
                content = await response.content.read(_CHUNK)
        except (aiohttp.ClientError, OSError) as fault:
            raise self._endpoint.unreachable(f"broke off /sample: {_reason(fault)}.", _REMEDY) from fault
        finally:
            response.close()
        self._checked(content, at)
        raise self._endpoint.unreachable(f"answered /sample with HTTP {response.status}.", _REMEDY)

    async def _chunk(self) -> bytes:
        """Read what the stream has; an agent silent for two heartbeats is dead."""
        silence_s = 2 * self._heartbeat_ms / 1000
        try:
            with anyio.fail_after(silence_s):
                return await self._stream.content.read(_CHUNK) if self._stream else b""
        except TimeoutError as fault:
            raise self._endpoint.unreachable(f"was silent for {silence_s:g} s (two heartbeats).", _REMEDY) from fault
        except (aiohttp.ClientError, OSError) as fault:
            raise self._endpoint.unreachable(f"broke off its stream: {_reason(fault)}.", _REMEDY) from fault

    def _split(self, octets: bytes) -> list[bytes]:
        try:
            return self._splitter.feed(octets)
        except MalformedDocument as fault:
            raise self._broken(fault) from fault

    def _hole(self) -> Batch:
        """Say that nothing is known of any point since the last reading, and forget where we were."""
        self._count_idle("refused our place in its buffer")
        self._items = {}
        builder = BatchBuilder()
        time_us = to_us(now())
        for numbers in self._numbers.values():
            for number in numbers:
                builder.add(number, time_us, None, BAD_NO_DATA)
        return builder.take()

    def _count_idle(self, what: str) -> None:
        """Give up on an agent with which nothing moves on, rather than asking it in circles."""
        self._idle += 1
        if self._idle > _MOST_IDLE:
            raise self._endpoint.unreachable(f"{what} {self._idle} times in a row.", _REMEDY)

    def _batches(self, seen: Sequence[Observation]) -> Iterator[Batch]:
        """Turn observations into batches of bounded length, in the order of their sequence."""
        builder = BatchBuilder()
        if self._at is None and self._items:
            for address in self._numbers.keys() - self._items.keys():
                self._add(builder, address, (to_us(now()), None, BAD_UNKNOWN))
        for observation in seen:
            item = self._items.get(observation.item)
            if item is None or observation.item not in self._numbers:
                continue
            for reading in values_of(item, observation, self._memory):
                self._add(builder, observation.item, reading)
            if len(builder) >= FLUSH_READINGS:
                yield builder.take()
        if len(builder):
            yield builder.take()

    def _add(self, builder: BatchBuilder, address: str, reading: tuple[int, float | str | None, int]) -> None:
        time_us, value, quality = reading
        for number in self._numbers[address]:
            if time_us:
                builder.add(number, time_us, value, quality)
            else:
                builder.add(number, to_us(now()), None, BAD_DECODING)


def _reason(fault: Exception) -> str:
    return str(fault)[:160] or type(fault).__name__
