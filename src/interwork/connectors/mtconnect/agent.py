"""The HTTP side of an MTConnect agent: documents of bounded size in bounded time, and the stream's chunks."""

import ssl
from collections.abc import Mapping
from typing import Any
from urllib.parse import quote

import aiohttp
import anyio

from interwork.connectors.endpoint import Endpoint, reason, text_option
from interwork.connectors.mtconnect.model import MAX_DOCUMENT
from interwork.core.errors import BadInput, MachineUnreachable

CHUNK = 1 << 18
"""Most octets taken from the stream at once."""
_CONNECT_S = 5.0
_DOCUMENT_S = 10.0
_ACCEPT = {
    "xml": "text/xml, application/xml",
    "json": "application/json, text/xml;q=0.5, application/xml;q=0.5",
}
_LOOKED_AT = 4096
"""Octets at a document's start in which its kind stands."""
_PATH = "Check the path: an agent may stand below one (mtconnect://host:port/agent), its device's name comes last."
REMEDY = "Check that the agent runs, that address and port are right, and open its /probe page in a browser."


class Agent:
    """One agent's requests; entered, asked, left."""

    def __init__(self, endpoint: Endpoint, options: Mapping[str, Any]) -> None:
        self.endpoint = endpoint
        self.is_secure = endpoint.query.get("tls", "0") not in ("0", "false", "")
        self._tls = self._context(text_option(options, "ca_file"))
        user, word = text_option(options, "username"), text_option(options, "password")
        self._login = aiohttp.BasicAuth(user, word) if user else None
        form = text_option(options, "format", "xml")
        if form not in _ACCEPT:
            raise BadInput(f"The option format is {form!r}.", remedy="Give xml or json.")
        self._accept = _ACCEPT[form]
        self._session: aiohttp.ClientSession | None = None
        self.stream: aiohttp.ClientResponse | None = None

    def _context(self, ca_file: str) -> ssl.SSLContext | bool:
        """Trust the system's authorities, or only the one of a file."""
        if not ca_file:
            return True
        try:
            return ssl.create_default_context(cafile=ca_file)
        except (OSError, ssl.SSLError) as fault:
            raise BadInput(
                f"The certificate authority {ca_file!r} cannot be read: {fault}.", remedy="Give a PEM file as ca_file."
            ) from fault

    async def open(self) -> None:
        """Make the session; no connection is opened yet."""
        timeout = aiohttp.ClientTimeout(total=None, sock_connect=_CONNECT_S)
        self._session = aiohttp.ClientSession(timeout=timeout, headers={"Accept": self._accept}, auth=self._login)

    async def close(self) -> None:
        """Close the stream and every connection."""
        self.close_stream()
        if self._session:
            with anyio.move_on_after(1, shield=True):
                await self._session.close()
        self._session = None

    def close_stream(self) -> None:
        """Close the stream's connection."""
        if self.stream:
            self.stream.close()
        self.stream = None

    def _url(self, request: str) -> str:
        at = self.endpoint
        host = f"[{at.host}]" if ":" in at.host else at.host
        path = "/".join(quote(part, safe="") for part in (*at.path, request))
        return f"{'https' if self.is_secure else 'http'}://{host}:{at.port}/{path}"

    async def get(self, request: str, parameters: Mapping[str, str]) -> aiohttp.ClientResponse:
        """Send a request and wait for the answer's head."""
        if not self._session:
            raise self.endpoint.unreachable("was not opened.", "Enter the connector first.")
        try:
            with anyio.fail_after(_DOCUMENT_S):
                return await self._session.get(
                    self._url(request), params=parameters, allow_redirects=False, ssl=self._tls
                )
        except (aiohttp.ClientError, OSError) as fault:
            raise self._fault(f"does not answer /{request}", fault) from fault

    async def document(self, request: str, parameters: Mapping[str, str] | None = None) -> bytes:
        """Fetch one document of bounded size in bounded time."""
        return await self.content(await self.get(request, parameters or {}), request)

    async def content(self, response: aiohttp.ClientResponse, request: str) -> bytes:
        """Read an answer to its end and close it."""
        content = bytearray()
        try:
            with anyio.fail_after(_DOCUMENT_S):
                while octets := await response.content.read(CHUNK):
                    content += octets
                    if len(content) > MAX_DOCUMENT:
                        raise self.endpoint.unreachable(f"sent more than {MAX_DOCUMENT} octets.", REMEDY)
        except (aiohttp.ClientError, OSError) as fault:
            raise self._fault(f"broke off /{request}", fault) from fault
        finally:
            response.close()
        self._check(response, bytes(content[:_LOOKED_AT]), request)
        return bytes(content)

    def _check(self, response: aiohttp.ClientResponse, head: bytes, request: str) -> None:
        """Raise for an answer that is no agent's; an agent's refusals are documents too, whatever their status."""
        status = response.status
        if status in (401, 403):
            raise self.endpoint.unreachable(
                f"does not let us in (HTTP {status}).", "Give the options username and password."
            )
        if status < 300 or b"MTConnect" in head:
            return
        if status < 400:
            where = response.headers.get("Location", "nowhere")[:200]
            raise self.endpoint.unreachable(
                f"sends /{request} on to {where!r} (HTTP {status}).",
                "Name the address it leads to, if you trust it: mtconnect://host:port/path, with ?tls=1 for https.",
            )
        raise self.endpoint.unreachable(f"answers /{request} with HTTP {status} and no MTConnect document.", _PATH)

    async def chunk(self, silence_s: float) -> bytes:
        """Read what the stream has, empty at its end; an agent silent for two heartbeats is dead."""
        try:
            with anyio.fail_after(silence_s):
                return await self.stream.content.readany() if self.stream else b""
        except TimeoutError as fault:
            raise self.endpoint.unreachable(f"was silent for {silence_s:g} s (two heartbeats).", REMEDY) from fault
        except (aiohttp.ClientError, OSError) as fault:
            raise self._fault("broke off its stream", fault) from fault

    def _fault(self, what: str, fault: Exception) -> MachineUnreachable:
        return self.endpoint.unreachable(f"{what}: {reason(fault)}.", REMEDY)
