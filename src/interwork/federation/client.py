"""Everything this node says to peers leaves through here: one HTTP session behind one address guard.

Addresses come from strangers (callbacks, DID documents, data addresses, links of catalogs), so each is checked where
the connection is made: https only, no user information, and only to public addresses, the very ones that were
resolved and checked. Plain http and loopback are for peers on this machine and have to be allowed. Redirects are
followed by hand, for reading only and never to another host. Every answer has a bound in size and time.
"""

import io
import ipaddress
import socket
from collections.abc import Mapping, Sequence
from contextlib import AsyncExitStack
from dataclasses import dataclass
from types import TracebackType
from typing import Self
from urllib.parse import SplitResult, urljoin, urlsplit

import aiohttp
import anyio
import msgspec
import structlog
from aiohttp.abc import AbstractResolver, ResolveResult

from interwork.core.errors import PeerError, PeerUnreachable, Refused, Unusable
from interwork.federation import wire

log = structlog.get_logger()

CONNECT_S = 5.0
LONGEST_URL = 2_000
REDIRECTS = 3
PER_HOST = 16
"""Connections to one host at a time."""
CONNECTIONS = 256
ANSWER_BYTES = 8 * 2**20
"""What an answer may have unless the caller says otherwise."""
_MOVED = frozenset({301, 302, 303, 307, 308})
_AWAY = frozenset({429, 502, 503, 504})
_TRANSLATED = ipaddress.ip_network("64:ff9b::/96")
"""IPv4 addresses in the clothes of IPv6 (RFC 6052)."""
_RULE = "peers are reached at public https addresses"


class _Forbidden(OSError):
    """A name that leads to an address this node does not connect to."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Answer:
    """What a peer answered, read to its end."""

    url: str
    status: int
    headers: Mapping[str, str]
    """Names compare without regard to case."""
    content: bytes

    @property
    def media_type(self) -> str:
        """Tell the content type without its parameters."""
        return self.headers.get("Content-Type", "").partition(";")[0].strip().lower()

    @property
    def is_success(self) -> bool:
        """Tell whether the status is 2xx."""
        return 200 <= self.status < 300

    def said(self) -> list[str]:
        """Read the reasons of a typed DSP error or an RFC 9457 problem; empty where the body is neither."""
        try:
            body = msgspec.json.decode(self.content)
        except (msgspec.DecodeError, UnicodeDecodeError, RecursionError):
            return []
        if not isinstance(body, dict):
            return []
        if isinstance(body.get("@type"), str) and body["@type"].endswith("Error"):
            return wire.reason_texts(body if isinstance(body.get("reason", []), list) else {})
        if isinstance(body.get("detail"), str):
            extra = [f"{name}: {body[key]}" for name, key in (("Rule", "rule"), ("Remedy", "remedy")) if body.get(key)]
            return [body["detail"][:1000], *extra]
        return []

    def expect(self, who: str) -> Self:
        """Give itself when it is a success; otherwise raise Refused, PeerUnreachable or PeerError with the reason."""
        if self.is_success:
            return self
        lines = self.said()
        if self.status in _AWAY:
            raise PeerUnreachable(f"{who} answered {self.status}: {' '.join(lines)}", remedy="Try again later.")
        if lines and 400 <= self.status < 500:
            if self.status in (401, 403, 404) or self.media_type != "application/problem+json":
                raise wire.refusal(lines, where=who)
            raise PeerError(f"{who} answered {self.status}: {' '.join(lines)}")
        raise PeerError(f"{who} answered {self.status} to {self.url} without a reason this node can read.")


class _GuardedResolver(AbstractResolver):
    """Resolves names, and gives only addresses that may be connected to."""

    def __init__(self, guard: "PeerClient") -> None:
        self._guard = guard

    async def resolve(
        self, host: str, port: int = 0, family: socket.AddressFamily = socket.AF_INET
    ) -> list[ResolveResult]:
        found = await aiohttp.ThreadedResolver().resolve(host, port, family)
        if host == "localhost":
            found = [one for one in found if ipaddress.ip_address(one["host"].partition("%")[0]).is_loopback]
        for one in found:
            fault = self._guard.fault_of(one["host"])
            if fault:
                raise _Forbidden(f"{host} leads to {one['host']}, which is {fault}")
        return found

    async def close(self) -> None:
        """Nothing is kept open."""


class PeerClient:
    """The one outgoing HTTP client of a node; an async context manager."""

    def __init__(self, *, allow_loopback: bool = False, networks: Sequence[str] = (), timeout_s: float = 10.0) -> None:
        self.allow_loopback = allow_loopback
        self._networks = tuple(ipaddress.ip_network(one) for one in networks)
        self._timeout_s = timeout_s
        self._stack = AsyncExitStack()
        self._session: aiohttp.ClientSession | None = None
        self._resolver = _GuardedResolver(self)

    async def __aenter__(self) -> Self:
        """Open the session."""
        if self.allow_loopback:
            log.warning("peers.loopback-allowed", meaning="plain http and addresses of this machine are accepted")
        connector = aiohttp.TCPConnector(resolver=self._resolver, limit=CONNECTIONS, limit_per_host=PER_HOST)
        session = aiohttp.ClientSession(
            connector=connector, cookie_jar=aiohttp.DummyCookieJar(), trust_env=False, auto_decompress=True
        )
        self._session = await self._stack.enter_async_context(session)
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, fault: BaseException | None, trace: TracebackType | None
    ) -> None:
        """Close the session and its connections."""
        self._session = None
        await self._stack.aclose()

    def fault_of(self, address: str) -> str:
        """Say what is wrong with connecting to an IP address; empty = nothing."""
        try:
            ip: ipaddress.IPv4Address | ipaddress.IPv6Address = ipaddress.ip_address(address.partition("%")[0])
        except ValueError:
            return "no address"
        if isinstance(ip, ipaddress.IPv6Address):
            inner = ip.ipv4_mapped or ip.sixtofour or (ip.teredo[1] if ip.teredo else None)
            if ip in _TRANSLATED:
                inner = ipaddress.IPv4Address(int(ip) & 0xFFFF_FFFF)
            ip = inner or ip
        if ip.is_loopback:
            return "" if self.allow_loopback else "this machine itself"
        if any(ip.version == one.version and ip in one for one in self._networks):
            return ""
        return "" if ip.is_global and not ip.is_multicast else "not a public address"

    def admit(self, url: str) -> SplitResult:
        """Check what an address says by itself; Refused with the reason where this node does not go there."""
        remedy = "Give an https address that is reachable from the internet."
        try:
            parts = urlsplit(url)
            host, _ = parts.hostname or "", parts.port
        except ValueError as fault:
            raise Refused(f"{url[:200]!r} is no address: {fault}.", rule=_RULE, remedy=remedy) from fault
        is_literal = ":" in host or host.replace(".", "").isdigit()
        is_local = host == "localhost" or (is_literal and not self.fault_of(host) and host.startswith(("127.", "::1")))
        fault_text = ""
        if parts.scheme not in ("http", "https") or not host or parts.username is not None or parts.fragment:
            fault_text = "it is no plain http address"
        elif len(url) > LONGEST_URL:
            fault_text = f"it is longer than {LONGEST_URL}"
        elif is_literal:
            fault_text = self.fault_of(host)
        elif any(not 32 < ord(letter) < 127 for letter in url):
            fault_text = "it has characters that are not of an address"
        elif host == "localhost" and not self.allow_loopback:
            fault_text = "this machine itself"
        if not fault_text and parts.scheme == "http" and not (is_local and self.allow_loopback):
            fault_text = "not https"
        if fault_text:
            raise Refused(f"This node does not connect to {url[:200]!r}: {fault_text}.", rule=_RULE, remedy=remedy)
        return parts

    async def check(self, url: str) -> None:
        """Check an address, name resolution and all, before it is kept; Refused with the reason."""
        parts = self.admit(url)
        host = parts.hostname or ""
        if ":" in host or host.replace(".", "").isdigit():
            return
        try:
            with anyio.fail_after(CONNECT_S):
                await self._resolver.resolve(host, parts.port or 0, socket.AF_UNSPEC)
        except (OSError, TimeoutError) as fault:
            raise Refused(
                f"This node cannot use {url[:200]!r}: {fault or 'its name does not resolve'}.", rule=_RULE
            ) from fault

    async def request(
        self,
        method: str,
        url: str,
        *,
        token: str = "",
        body: bytes | None = None,
        headers: Mapping[str, str] | None = None,
        limit_bytes: int = ANSWER_BYTES,
        timeout_s: float = 0.0,
    ) -> Answer:
        """Send one request and read the whole answer; PeerUnreachable where none came, Refused where we do not go."""
        sent = {**(headers or {}), **({"Content-Type": "application/json"} if body is not None else {})}
        if token:
            sent["Authorization"] = f"Bearer {token}"
        wait = aiohttp.ClientTimeout(total=timeout_s or self._timeout_s, connect=CONNECT_S)
        origin = self.admit(url)
        for _ in range(REDIRECTS + 1):
            answer = await self._once(method, url, sent, body, (limit_bytes, wait))
            if answer.status not in _MOVED:
                return answer
            url = urljoin(url, answer.headers.get("Location", ""))
            parts = self.admit(url)
            if method != "GET" or (parts.scheme, parts.netloc) != (origin.scheme, origin.netloc):
                raise PeerError(
                    f"{origin.netloc} sends this node on to {url[:200]}; only reading is sent on, on one host."
                )
        raise PeerError(f"{origin.netloc} sends this node on more than {REDIRECTS} times.")

    async def _once(
        self,
        method: str,
        url: str,
        headers: Mapping[str, str],
        body: bytes | None,
        bounds: tuple[int, aiohttp.ClientTimeout],
    ) -> Answer:
        if self._session is None:
            raise Unusable("The peer client is not open.")
        limit, wait = bounds
        data = body if body is None or len(body) < 2**16 else io.BytesIO(body)  # a large one is sent in parts
        try:
            async with self._session.request(
                method, url, headers=headers, data=data, allow_redirects=False, timeout=wait
            ) as response:
                content = await _read(response, limit)
                return Answer(url=url, status=response.status, headers=response.headers, content=content)
        except aiohttp.ClientConnectorDNSError as fault:
            if isinstance(fault.os_error, _Forbidden):
                raise Refused(f"This node does not connect there: {fault.os_error}.", rule=_RULE) from fault
            raise PeerUnreachable(f"The name of {url[:200]} does not resolve.", remedy="Try again later.") from fault
        except (aiohttp.ClientError, TimeoutError, OSError) as fault:
            what = str(fault) or type(fault).__name__
            raise PeerUnreachable(f"{url[:200]} did not answer: {what}.", remedy="Try again later.") from fault
        except ValueError as fault:
            raise PeerError(f"No request can be made to {url[:200]}: {fault}.") from fault


async def _read(response: aiohttp.ClientResponse, limit: int) -> bytes:
    parts: list[bytes] = []
    size = 0
    async for part in response.content.iter_chunked(2**16):
        size += len(part)
        if size > limit:
            response.close()
            raise PeerError(f"{response.url.host} answers {response.url.path} with more than {limit} bytes.")
        parts.append(part)
    return b"".join(parts)
