"""Live values: binary frames over one WebSocket per page, server-sent events where sockets are blocked.

A frame tells every signal of the page as it is at that moment, so a reader that falls behind simply gets the newest.
At most five frames a second leave, one every second when nothing changes, so that a page can tell a quiet machine
from a lost connection. Whoever may no longer look (signed out, agreement ended) is cut within seconds.
"""

import math
from array import array
from collections.abc import AsyncGenerator, Sequence
from dataclasses import dataclass
from datetime import datetime
from urllib.parse import urlsplit

import anyio
import msgspec
from starlette.requests import HTTPConnection, Request
from starlette.responses import Response, StreamingResponse
from starlette.routing import BaseRoute, Route, WebSocketRoute
from starlette.websockets import WebSocket, WebSocketDisconnect

from interwork.core.clock import from_us, now
from interwork.core.errors import BadInput, InterworkError
from interwork.core.resource import Resource, Signal, is_good
from interwork.flows import look
from interwork.stream import Live
from interwork.web.access import MAY, node_of, require

TICK_S = 0.2
"""Shortest time between two frames."""
BEAT_S = 0.8
"""Longest time between two frames, and how often permission is asked again: a view is cut within two of them."""
SIGNALS_MAX = 500
QUALITIES = ("good", "uncertain", "bad", "none")
QUIET_S = 15.0
"""A machine none of whose signals came for so long is shown as stale."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Sample:
    """A signal with what it said last."""

    signal: Signal
    value: float = math.nan
    text: str = ""
    quality: str = "none"
    at: datetime | None = None

    @property
    def is_usable(self) -> bool:
        """Tell whether there is a value that means something."""
        return self.quality in ("good", "uncertain")


def sample_of(live: Live, signal: Signal) -> Sample:
    """Read what a signal said last."""
    reading = live.value(signal.number)
    if reading is None:
        return Sample(signal=signal)
    return Sample(
        signal=signal,
        value=reading.value,
        text=reading.text or "",
        quality=quality_of(reading.quality, has_value=bool(reading.text) or not math.isnan(reading.value)),
        at=from_us(reading.time_us),
    )


def quality_of(code: int, *, has_value: bool = True) -> str:
    """Name the severity of an OPC UA status code; a good code without a value is none."""
    if is_good(code):
        return "good" if has_value else "none"
    return "uncertain" if code >> 30 == 1 else "bad"


def pack(samples: Sequence[Sample]) -> bytes:
    """Pack a frame: now and each source time (ms, float64), each value (float32), each quality (uint8)."""
    times = [one.at.timestamp() * 1000 if one.at else math.nan for one in samples]
    stamps = array("d", [now().timestamp() * 1000, *times])
    qualities = bytes(QUALITIES.index(one.quality) for one in samples)
    return stamps.tobytes() + array("f", [one.value for one in samples]).tobytes() + qualities


def spell(samples: Sequence[Sample]) -> bytes:
    """Write a frame as JSON, for server-sent events."""
    return msgspec.json.encode(
        {
            "now": now().timestamp() * 1000,
            "time": [one.at.timestamp() * 1000 if one.at else None for one in samples],
            "value": [None if math.isnan(one.value) else one.value for one in samples],
            "quality": [QUALITIES.index(one.quality) for one in samples],
        }
    )


def texts_of(samples: Sequence[Sample]) -> dict[str, str]:
    """Collect the words of those signals that speak in words."""
    return {str(one.signal.number): one.text for one in samples if one.signal.is_text and one.text}


async def admitted(connection: HTTPConnection) -> list[Signal]:
    """Find the signals a page asks for, if whoever asks may look at them now."""
    await require(connection, *MAY["read"])
    asked = connection.query_params.get("signals", "").split(",")
    if len(asked) > SIGNALS_MAX or not all(part.isdecimal() and len(part) < 10 for part in asked):
        raise BadInput("The page asked for no signals, or too many.", remedy=f"Give ?signals=1,2, up to {SIGNALS_MAX}.")
    node = node_of(connection)
    wanted = list(dict.fromkeys(int(part) for part in asked))
    found = {one.number: one for one in await node.store.find(Signal, number=wanted, limit=SIGNALS_MAX)}
    signals = [found[number] for number in wanted if number in found]
    for resource in await node.store.find(Resource, id=list({one.resource for one in signals}), limit=SIGNALS_MAX):
        await look.may_look(node, resource)
    return signals


async def frames(connection: HTTPConnection, signals: Sequence[Signal]) -> AsyncGenerator[list[Sample], None]:
    """Give the signals as they are, at once, on every change, and as a heartbeat, for as long as they may be seen."""
    live = node_of(connection).live
    checked = anyio.current_time()
    yield [sample_of(live, one) for one in signals]
    async with live.subscribe([one.number for one in signals], every_s=TICK_S) as changes:
        while True:
            with anyio.move_on_after(BEAT_S):
                await changes.receive()
            if anyio.current_time() - checked > BEAT_S:
                connection.state.visitor = None
                await admitted(connection)
                checked = anyio.current_time()
            yield [sample_of(live, one) for one in signals]


async def socket(websocket: WebSocket) -> None:
    """Speak to one page over a WebSocket: a header with the signals, then frames, and words when they change."""
    origin = urlsplit(websocket.headers.get("origin", "")).netloc
    try:
        if origin != websocket.headers.get("host"):
            raise BadInput(f"A page of {origin!r} may not listen here.")
        signals = await admitted(websocket)
    except InterworkError as fault:
        await websocket.close(1008, fault.message[:120])
        return
    await websocket.accept()
    async with anyio.create_task_group() as tasks:
        tasks.start_soon(_until_closed, websocket, tasks.cancel_scope)
        await _speak(websocket, signals)
        tasks.cancel_scope.cancel()


async def _speak(websocket: WebSocket, signals: Sequence[Signal]) -> None:
    words: dict[str, str] = {}
    try:
        await websocket.send_json({"signals": [one.number for one in signals]})
        async for samples in frames(websocket, signals):
            said = texts_of(samples)
            if said != words:
                words = said
                await websocket.send_json({"words": words})
            await websocket.send_bytes(pack(samples))
    except InterworkError as fault:
        await websocket.close(1008, fault.message[:120])
    except WebSocketDisconnect:
        return


async def _until_closed(websocket: WebSocket, scope: anyio.CancelScope) -> None:
    try:
        while True:
            await websocket.receive()
    except (WebSocketDisconnect, RuntimeError):
        scope.cancel()


async def events(request: Request) -> Response:
    """Speak to one page over server-sent events."""
    signals = await admitted(request)

    async def body() -> AsyncGenerator[bytes, None]:
        words: dict[str, str] = {}
        yield b"data: " + msgspec.json.encode({"signals": [one.number for one in signals]}) + b"\n\n"
        try:
            async for samples in frames(request, signals):
                said = texts_of(samples)
                if said != words:
                    words = said
                    yield b"data: " + msgspec.json.encode({"words": words}) + b"\n\n"
                yield b"data: " + spell(samples) + b"\n\n"
        except InterworkError as fault:
            yield b"event: ended\ndata: " + msgspec.json.encode(fault.message) + b"\n\n"

    return StreamingResponse(body(), media_type="text/event-stream", headers={"X-Accel-Buffering": "no"})


def routes() -> list[BaseRoute]:
    """List the two ways to listen."""
    return [WebSocketRoute("/live", socket), Route("/live/events", events)]
