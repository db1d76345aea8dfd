"""The MTConnect face: an HTTP agent with `probe`, `current` and `sample`, streaming as multipart/x-mixed-replace."""

import time
from collections.abc import Mapping
from types import TracebackType
from typing import Any, Self

import anyio
from aiohttp import web

from interwork.core.clock import now, rfc3339
from interwork.simulate.faces import Plate
from interwork.simulate.faces.mtconnect_wire import AgentError, Buffer, Documents, Query, parse_query
from interwork.simulate.model import State
from interwork.simulate.serving import authority, port_error, slug

_BUFFER = 16_384
_BOUNDARY = "interwork-simulated-part"
_SHORTEST_MS = 20
"""A stream looks for news at most this often, whatever interval was asked for."""


class MTConnectFace:
    """Serves a simulated machine as an agent at `http://host:port`, for connectors `mtconnect://host:port/device`."""

    def __init__(self, plate: Plate, host: str, port: int, options: Mapping[str, Any]) -> None:
        self._host, self._port = host, port
        self._buffer = Buffer(int(options.get("buffer") or _BUFFER))
        self._documents = Documents(plate, slug(plate.name), int(time.time()), self._buffer)
        application = web.Application()
        for path in ("/{request:(probe|current|sample)?}", "/{device}/{request:(probe|current|sample)?}", "/{device}"):
            application.router.add_get(path, self._answer)
        self._runner = web.AppRunner(application, access_log=None, shutdown_timeout=0.2)

    @property
    def endpoint(self) -> str:
        """Where a connector finds the agent and the device."""
        return f"mtconnect://{authority(self._host, self._port)}/{self._documents.name}"

    async def __aenter__(self) -> Self:
        """Listen."""
        await self._runner.setup()
        try:
            await web.TCPSite(self._runner, self._host, self._port).start()
        except OSError as fault:
            await self._runner.cleanup()
            raise port_error(self._host, self._port, fault) from fault
        self._port = self._runner.addresses[0][1]
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, fault: BaseException | None, trace: TracebackType | None
    ) -> None:
        """Stop listening; streams are cut."""
        await self._runner.cleanup()

    async def show(self, state: State) -> None:
        """Put what has changed into the buffer."""
        moment = rfc3339(now())
        for item in self._documents.items:
            self._buffer.add(item, moment, item.read(state))

    async def _answer(self, request: web.Request) -> web.StreamResponse:
        """Answer any request, errors in the standard's own document."""
        try:
            self._documents.check_device(request.match_info.get("device", ""))
            kind = request.match_info.get("request") or "probe"
            if kind == "probe":
                return _xml(self._documents.devices(rfc3339(now())))
            query = parse_query(kind, request.query, self._buffer)
            if query.interval_ms is not None:
                return await self._stream(request, kind, query)
            return _xml(self._document(kind, query)[0])
        except AgentError as fault:
            return _xml(self._documents.error(rfc3339(now()), fault), status=fault.status)

    def _document(self, kind: str, query: Query) -> tuple[bytes, int, bool]:
        """Write one document: its bytes, the sequence to go on from, whether it holds anything."""
        if kind == "current":
            observations, following = self._buffer.at(query.at), self._buffer.next
        else:
            observations, following = self._buffer.window(query.start, query.count)
        return self._documents.streams(rfc3339(now()), observations, following), following, bool(observations)

    async def _stream(self, request: web.Request, kind: str, query: Query) -> web.StreamResponse:
        """Send part after part: what is new each interval, or an empty part each heartbeat, until either side ends."""
        response = web.StreamResponse(headers={"Content-Type": f"multipart/x-mixed-replace;boundary={_BOUNDARY}"})
        await response.prepare(request)
        pause_s = max(query.interval_ms or 0, _SHORTEST_MS) / 1000
        start, sent_at = query.start, -query.heartbeat_ms / 1000
        try:
            while True:
                if start < self._buffer.first:
                    gone = AgentError("OUT_OF_RANGE", f"Sequence {start} has left the buffer; the reader is too slow.")
                    await response.write(_part(self._documents.error(rfc3339(now()), gone)))
                    return response
                document, start, has_news = self._document(
                    kind, Query(start=start, count=query.count, heartbeat_ms=query.heartbeat_ms)
                )
                if has_news or anyio.current_time() - sent_at >= query.heartbeat_ms / 1000:
                    await response.write(_part(document))
                    sent_at = anyio.current_time()
                await anyio.sleep(pause_s)
        except ConnectionResetError:
            return response


def _xml(content: bytes, *, status: int = 200) -> web.Response:
    return web.Response(body=content, status=status, content_type="text/xml", charset="utf-8")


def _part(document: bytes) -> bytes:
    head = f"--{_BOUNDARY}\r\nContent-type: text/xml\r\nContent-length: {len(document)}\r\n\r\n"
    return head.encode() + document + b"\r\n"
