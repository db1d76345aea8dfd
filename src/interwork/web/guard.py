"""What stands before every route: which host names are answered, how large a body may be, and the security headers.

Pages may load from this node only: no inline script or style, no other origin, no frame. A Host header that is not
this node's own name is refused, so that a hostile page cannot rebind its name to the loopback address.
"""

import re
import time
from collections import OrderedDict
from collections.abc import Iterable
from urllib.parse import urlsplit

from starlette.datastructures import Headers, MutableHeaders
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from interwork.core.errors import BadInput, InterworkError, LimitReached, Refused
from interwork.web.problem import problem_response

LARGE, SMALL = 64 * 2**20, 2 * 2**20
"""Bytes a body may have: where files are uploaded, and everywhere else."""
UPLOADS = ("/designs", "/api/jobs", "/api/readings", "/data/")
HEADERS = {
    "X-Content-Type-Options": "nosniff",
    "X-Frame-Options": "DENY",
    "Referrer-Policy": "same-origin",
    "Cross-Origin-Opener-Policy": "same-origin",
    "Permissions-Policy": "camera=(), geolocation=(), microphone=(), payment=(), usb=()",
}
PEER_FACES = ("/dsp/", "/data/", "/.well-known/", "/did.json")
"""What other nodes call, without an account here: a caller's address is held to RATE calls a second, BURST at once."""
RATE, BURST, ADDRESSES_MAX = 200.0, 1000.0, 10_000
READS = {"GET", "HEAD", "OPTIONS"}
READERS_DOOR = ("/sign-in", "/sign-out", "/i3x/v1/objects/value")
"""What a reader takes beside questions: its visitors, and questions that are posted."""
_HOST = re.compile(r"[A-Za-z0-9.\-:\[\]]{1,255}")


class TooLarge(LimitReached):
    """The body is larger than this address takes."""

    code, status = "too-large", 413


class Rate:
    """A token bucket per address, in bounded memory: the address longest unheard of is forgotten first."""

    def __init__(self, rate: float = RATE, burst: float = BURST, *, keys: int = ADDRESSES_MAX) -> None:
        self._rate, self._burst, self._keys = rate, burst, keys
        self._held: OrderedDict[str, tuple[float, float]] = OrderedDict()

    def admit(self, address: str, at_s: float) -> bool:
        """Take one call of an address at a moment in seconds; False where it called too often."""
        left, before = self._held.pop(address, (self._burst, at_s))
        left = min(self._burst, left + (at_s - before) * self._rate)
        is_admitted = left >= 1
        self._held[address] = (left - is_admitted, at_s)
        if len(self._held) > self._keys:
            self._held.popitem(last=False)
        return is_admitted


class Guard:
    """The one middleware: host, rate, size, headers."""

    def __init__(self, app: ASGIApp, *, hosts: Iterable[str], is_reader: bool = False) -> None:
        self._app, self._is_reader = app, is_reader
        self._rate = Rate()
        self._hosts = {"localhost", "127.0.0.1", "[::1]", *hosts}

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Check the request, then pass it on with a counted body and headers added to the answer."""
        if scope["type"] == "lifespan":
            await self._app(scope, receive, send)
            return
        headers = Headers(scope=scope)
        host = headers.get("host", "")
        fault = self._fault(scope, headers, host)
        secured = _Secured(send, host if fault is None else "")
        if fault is None:
            await self._app(scope, _Counted(receive, _limit(scope)), secured)
        elif scope["type"] == "http":
            await problem_response(scope["path"], headers.get("accept", ""), fault)(scope, receive, secured)
        else:
            await send({"type": "websocket.close", "code": 1008, "reason": fault.message[:120]})

    def _fault(self, scope: Scope, headers: Headers, host: str) -> InterworkError | None:
        name = urlsplit(f"//{host}").hostname if _HOST.fullmatch(host) else None
        if name is None or (f"[{name}]" if ":" in name else name) not in self._hosts:
            return BadInput(f"This node does not answer to the name {host[:80]!r}.", remedy="Use its own address.")
        address = (scope.get("client") or ("",))[0]
        if scope["path"].startswith(PEER_FACES) and not self._rate.admit(address, time.monotonic()):
            return LimitReached(
                f"{address} calls more than {RATE:.0f} times a second.", remedy="Slow down, then try again."
            )
        if self._is_reader and scope.get("method", "GET") not in READS and scope["path"] not in READERS_DOOR:
            said = "This node is a reader: it answers questions and changes nothing."
            return Refused(said, rule="scale.role", remedy="Ask the node that connects the machines.")
        length = headers.get("content-length", "0")
        if not length.isdecimal() or len(length) > 12 or int(length) > _limit(scope):
            return _too_large(_limit(scope))
        return None


class _Counted:
    """Receives a body and stops when it is longer than it may be, whatever its header said."""

    def __init__(self, receive: Receive, limit: int) -> None:
        self._receive, self._left, self._limit = receive, limit, limit

    async def __call__(self) -> Message:
        message = await self._receive()
        if message["type"] == "http.request":
            self._left -= len(message.get("body", b""))
            if self._left < 0:
                raise _too_large(self._limit)
        return message


class _Secured:
    """Sends an answer with the security headers."""

    def __init__(self, send: Send, host: str) -> None:
        self._send, self._host = send, host

    async def __call__(self, message: Message) -> None:
        if message["type"] == "http.response.start":
            headers = MutableHeaders(scope=message)
            for name, value in HEADERS.items():
                headers.setdefault(name, value)
            headers.setdefault("Content-Security-Policy", policy(self._host))
            headers.setdefault("Cache-Control", "private, no-cache")
        await self._send(message)


def policy(host: str) -> str:
    """Write the content security policy; the socket's address is named for browsers that need it."""
    sockets = f" ws://{host} wss://{host}" if host else ""
    return (
        "default-src 'self'; script-src 'self'; style-src 'self'; img-src 'self' data: blob:; "
        f"connect-src 'self'{sockets}; object-src 'none'; frame-ancestors 'none'; base-uri 'none'; form-action 'self'"
    )


def _limit(scope: Scope) -> int:
    return LARGE if scope["path"].startswith(UPLOADS) else SMALL


def _too_large(limit: int) -> TooLarge:
    return TooLarge(f"The body is larger than {limit // 2**20} MiB.", remedy="Send less, or a smaller file.")
