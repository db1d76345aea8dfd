"""Live values: binary frames over one WebSocket per page, server-sent events where sockets are blocked.

A frame tells every signal of the page as it is at that moment, so a reader that falls behind simply gets the newest.
At most fourteen frames a second leave, one every second when nothing changes, so that a page can tell a quiet machine
from a lost connection. Whoever may no longer look (signed out, agreement ended) is cut within seconds.
"""

import math
from collections import OrderedDict
from collections.abc import AsyncGenerator, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import NamedTuple
from urllib.parse import urlsplit

import anyio
import msgspec
import numpy as np
import numpy.typing as npt
from starlette.requests import HTTPConnection, Request
from starlette.responses import Response, StreamingResponse
from starlette.routing import BaseRoute, Route, WebSocketRoute
from starlette.websockets import WebSocket, WebSocketDisconnect

from interwork.core.blueprint import LinkState
from interwork.core.clock import from_us, now
from interwork.core.errors import BadInput, InterworkError
from interwork.core.resource import BAD_NO_DATA, Resource, Signal, is_good
from interwork.flows import look
from interwork.flows.links import Link, Links
from interwork.stream import Live, columns_of
from interwork.web.access import MAY, node_of, require

TICK_S = 0.07
"""Shortest time between two frames: short enough that a source of ten a second never waits for the next turn."""
BEAT_S = 0.8
"""Longest time between two frames, and how often permission is asked again: a view is cut within two of them."""
SIGNALS_MAX = 500
QUALITIES = ("good", "uncertain", "bad", "none")
SILENT, HEARD = 4, 8
"""Bits beside a quality: the signal's machine fell silent; a link that is up says whether it did."""
PAGES_MAX = 200
"""Different sets of signals whose newest frame is kept for pages to share."""


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
    """Name the severity of an OPC UA status code; a good code without a value is none, as is Bad_NoData."""
    if is_good(code) or code == BAD_NO_DATA:
        return "good" if has_value else "none"
    return "uncertain" if code >> 30 == 1 else "bad"


class Frame(NamedTuple):
    """Every signal of a page at one moment, in the page's order."""

    now_ms: float
    time_ms: npt.NDArray[np.float64]
    value: npt.NDArray[np.float64]
    quality: npt.NDArray[np.uint8]
    words: dict[str, str]
    """What those that speak in words say, by signal number."""

    def packed(self) -> bytes:
        """Pack it: now and each source time (ms), each value (all float64), each quality with its bits (uint8)."""
        head = np.concatenate([[self.now_ms], self.time_ms, self.value])
        return head.tobytes() + self.quality.tobytes()

    def spelled(self) -> bytes:
        """Write it as JSON, for server-sent events; what is no number is null."""
        columns = {"time": self.time_ms.tolist(), "value": self.value.tolist(), "quality": self.quality.tolist()}
        return msgspec.json.encode({"now": self.now_ms, **columns})


class Frames:
    """Makes frames; pages that show the same signals share one until something changes."""

    def __init__(self) -> None:
        self._kept: OrderedDict[tuple[int, ...], tuple[tuple[int, bytes], Frame, bytes]] = OrderedDict()

    def at(self, live: Live, numbers: tuple[int, ...], bits: bytes = b"") -> tuple[Frame, bytes]:
        """Give the present frame of some signals, and the same packed; `bits` go beside their qualities."""
        kept, state = self._kept.pop(numbers, None), (live.revision, bits)
        if kept is None or kept[0] != state or now().timestamp() * 1000 - kept[1].now_ms > TICK_S * 1000:
            frame = frame_of(live, numbers, bits)
            kept = (state, frame, frame.packed())
        self._kept[numbers] = kept
        if len(self._kept) > PAGES_MAX:
            self._kept.popitem(last=False)
        return kept[1], kept[2]


def bits_of(links: Links, signals: Sequence[Signal]) -> bytes:
    """Tell of each signal whether the link of its machine is up, and whether the machine fell silent on it."""
    bits = {one: _bits(links.by_resource.get(one)) for one in {one.resource for one in signals}}
    return bytes(bits[one.resource] for one in signals)


def _bits(link: Link | None) -> int:
    if link is None or link.state not in (LinkState.CONNECTED, LinkState.DEGRADED):
        return 0
    return HEARD | (SILENT if link.state is LinkState.DEGRADED else 0)


def frame_of(live: Live, numbers: Sequence[int], bits: bytes = b"") -> Frame:
    """Read what some signals say now."""
    columns = columns_of(live.values(numbers))
    wanted = np.asarray(numbers, np.int64)
    count = len(wanted)
    time_ms, value = np.full(count, np.nan), np.full(count, np.nan)
    quality = np.full(count, QUALITIES.index("none"), np.uint8)
    words: dict[str, str] = {}
    if len(columns.signal):
        place = np.minimum(np.searchsorted(columns.signal, wanted), len(columns.signal) - 1)
        hit = columns.signal[place] == wanted
        place = place[hit]
        time_ms[hit], value[hit] = columns.time_us[place] / 1000, columns.value[place]
        words = {str(columns.signal[row]): text for row, text in enumerate(columns.text) if text}
        has_value = np.isfinite(value[hit]) | np.isin(columns.signal[place], [int(one) for one in words])
        code = columns.quality[place]
        severity = np.where(code == BAD_NO_DATA, 0, code >> 30)
        quality[hit] = np.where(severity == 0, np.where(has_value, 0, 3), np.where(severity == 1, 1, 2))
    if bits:
        quality |= np.frombuffer(bits, np.uint8)
    return Frame(now().timestamp() * 1000, time_ms, value, quality, words)


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
    await may_listen(connection, signals)
    return signals


async def may_listen(connection: HTTPConnection, signals: Sequence[Signal]) -> None:
    """Raise where whoever asks may not, or no longer, look at one of the signals."""
    await require(connection, *MAY["read"])
    node = node_of(connection)
    for resource in await node.store.find(Resource, id=list({one.resource for one in signals}), limit=SIGNALS_MAX):
        await look.may_look(node, resource)


async def frames(connection: HTTPConnection, signals: Sequence[Signal]) -> AsyncGenerator[tuple[Frame, bytes], None]:
    """Give the signals as they are, at once, on every change, and as a heartbeat, for as long as they may be seen."""
    node, shared = node_of(connection), connection.app.state.frames
    live, numbers = node.live, tuple(one.number for one in signals)
    checked = anyio.current_time()
    yield shared.at(live, numbers, bits_of(node.links, signals))
    async with live.subscribe(numbers, every_s=TICK_S) as changes:
        while True:
            with anyio.move_on_after(BEAT_S):
                await changes.changed()
            if anyio.current_time() - checked > BEAT_S:
                connection.state.visitor = None
                await may_listen(connection, signals)
                checked = anyio.current_time()
            yield shared.at(live, numbers, bits_of(node.links, signals))


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
        async for frame, packed in frames(websocket, signals):
            if frame.words != words:
                words = frame.words
                await websocket.send_json({"words": words})
            await websocket.send_bytes(packed)
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
            async for frame, _ in frames(request, signals):
                if frame.words != words:
                    words = frame.words
                    yield b"data: " + msgspec.json.encode({"words": words}) + b"\n\n"
                yield b"data: " + frame.spelled() + b"\n\n"
        except InterworkError as fault:
            yield b"event: ended\ndata: " + msgspec.json.encode(fault.message) + b"\n\n"

    return StreamingResponse(body(), media_type="text/event-stream", headers={"X-Accel-Buffering": "no"})


def routes() -> list[BaseRoute]:
    """List the two ways to listen."""
    return [WebSocketRoute("/live", socket), Route("/live/events", events)]
