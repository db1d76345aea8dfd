"""A service that answers JSON over HTTP: asked again and again, every scalar leaf of its document is a signal.

An address is the leaf's JSON pointer (RFC 6901). With the option `rows` the pointer is within a record: the document
holds an array of records, each with its own time, and only those newer than the last one taken become readings.
A document that is no JSON, or larger than the bound, turns the points bad, is counted, and stops nothing.
Machines on the local network and on this host can be asked; redirects are not followed, and the addresses at which
clouds hand out credentials to whoever asks are not reached, under whichever name. Where a service gives its records
in pages only the page of the endpoint is read, which is remarked.
"""

import ipaddress
import socket
import ssl
from collections import Counter
from collections.abc import AsyncGenerator, Iterator, Mapping, Sequence
from email.utils import parsedate_to_datetime
from types import TracebackType
from typing import Any, NamedTuple, Self

import aiohttp
import anyio

from interwork.connectors import ALIVE_S, BAD_DECODING, BAD_UNKNOWN, FLUSH_READINGS, Found, Point
from interwork.connectors.endpoint import check_options, number_option, parse_endpoint, reason, text_option
from interwork.connectors.leaves import (
    MISSING,
    MalformedPayload,
    decimal_option,
    decode,
    leaves,
    reading_of,
    resolve,
    speaks,
    time_rule,
    time_us_of,
    tokens_of,
)
from interwork.connectors.naming import execution_word, meaning_of
from interwork.core.clock import now, to_us
from interwork.core.errors import BadInput, MachineUnreachable
from interwork.core.resource import BAD_NO_DATA, Batch, BatchBuilder, Meaning

DOCUMENT_MAX = 32 * 1024 * 1024
"""Octets a document may have."""
CHUNK = 1 << 18
RETRY_MAX_S = 300.0
_AHEAD_US = 86_400_000_000
"""A record further ahead of our clock than a day is no record: taken, it would hide all that come until then."""
_OPTIONS = (
    "interval_s",
    "timeout_s",
    "rows",
    "timestamp",
    "time_format",
    "decimal",
    "username",
    "password",
    "token",
    "ca_file",
)
_METADATA = frozenset({"169.254.169.254", "169.254.170.2", "169.254.170.23", "100.100.100.200", "fd00:ec2::254"})
"""Addresses of cloud services that hand out a host's credentials; no machine of a plant has them."""
_SCHEMES = {"http": 80, "https": 443}


class _Wanted(NamedTuple):
    """One leaf that is read."""

    number: int
    tokens: tuple[str, ...]
    is_text: bool
    is_execution: bool


def _is_metadata(address: str) -> bool:
    try:
        found = ipaddress.ip_address(address)
    except ValueError:
        return False
    return str(getattr(found, "ipv4_mapped", None) or found) in _METADATA


class _Resolver(aiohttp.ThreadedResolver):
    """Looks names up, and finds nothing where one leads to a cloud's credentials."""

    async def resolve(
        self, host: str, port: int = 0, family: socket.AddressFamily = socket.AF_INET
    ) -> list[aiohttp.abc.ResolveResult]:
        """Look a name up."""
        found = await super().resolve(host, port, family)
        if any(_is_metadata(one["host"]) for one in found):
            raise OSError(f"{host} is a cloud's metadata service")
        return found


class HttpConnector:
    """Reads `http[s]://host[:port]/path?query`."""

    def __init__(self, endpoint: str, options: Mapping[str, Any]) -> None:
        check_options(options, _OPTIONS)
        scheme = endpoint.partition("://")[0]
        if scheme not in _SCHEMES:
            raise BadInput(f"{endpoint!r} is no HTTP endpoint.", remedy="Write http://host/path or https://host/path.")
        self._endpoint = parse_endpoint(endpoint, scheme, _SCHEMES[scheme])
        if _is_metadata(self._endpoint.host):
            raise BadInput(f"{self._endpoint.host} is a cloud's metadata service.", remedy="Name a machine's address.")
        self._interval_s = number_option(options, "interval_s", 5, low=0.05, high=86_400)
        self._pace = 1.0
        self._timeout_s = number_option(options, "timeout_s", 10, low=0.1, high=300)
        self._rows = tokens_of(text_option(options, "rows")) if options.get("rows") is not None else None
        self._rule = time_rule(text_option(options, "timestamp", "auto"), text_option(options, "time_format", "auto"))
        self._decimal = decimal_option(options)
        self._tls = _context(text_option(options, "ca_file"))
        user, word = text_option(options, "username"), text_option(options, "password")
        token = text_option(options, "token")
        self._login = aiohttp.encode_basic_auth(user, word) if user else f"Bearer {token}" if token else ""
        self._session: aiohttp.ClientSession | None = None
        self._validators: dict[str, str] = {}
        self._mark_us = 0
        self._next_page = ""
        """Where the service says that the rest is; empty where all is here."""
        self.counters: Counter[str] = Counter()
        """What was not read, and why: malformed documents, leaves beyond the bounds, records without a time."""

    async def __aenter__(self) -> Self:
        """Make the session and ask once, so that a service that is not there is known at once."""
        headers = {"Accept": "application/json"} | ({"Authorization": self._login} if self._login else {})
        timeout = aiohttp.ClientTimeout(total=self._timeout_s)
        line = aiohttp.TCPConnector(resolver=_Resolver())
        self._session = aiohttp.ClientSession(timeout=timeout, headers=headers, connector=line)
        try:
            await self._ask()
        except BaseException:
            await self.__aexit__(None, None, None)
            raise
        self._validators = {}
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, fault: BaseException | None, trace: TracebackType | None
    ) -> None:
        """Close every connection."""
        if self._session:
            with anyio.move_on_after(1, shield=True):
                await self._session.close()
        self._session = None

    @property
    def remarks(self) -> list[str]:
        """Say what a person should know of this service."""
        if not self._next_page:
            return []
        where = f"{self._next_page!r} is not"
        return [f"The service answers in pages, and the next one, {where} read: name a page that holds the newest."]

    def slow(self, factor: float) -> None:
        """Ask so many times more rarely."""
        self._pace = factor

    async def browse(self) -> list[Found]:
        """List the scalar leaves of the document, of the newest record where it holds records."""
        content, _ = await self._ask(is_fresh=True)
        try:
            document = decode(content or b"null")
        except MalformedPayload as fault:
            raise MachineUnreachable(
                f"{self._endpoint.text} answers something that is no JSON.", remedy="Open it in a browser."
            ) from fault
        records = list(self._records(document))
        listed, beyond = leaves(records[-1]) if records else ([], 0)
        self.counters["beyond"] += beyond
        found = []
        for leaf in listed:
            name = "/".join(tokens_of(leaf.pointer)) or "value"
            is_text = speaks(leaf, self._decimal)
            meaning = meaning_of(name, leaf.unit, is_text=is_text)
            found.append(Found(address=leaf.pointer, name=name, unit=leaf.unit, meaning=meaning, is_text=is_text))
        return found

    async def readings(self, points: Sequence[Point]) -> AsyncGenerator[Batch, None]:
        """Yield a batch per answer; a service that cannot be reached raises, one that asks for patience gets it."""
        builder = BatchBuilder()
        wanted = list(_wanted(points, builder))
        self._validators = {}
        due = said = anyio.current_time()
        while True:
            content, pause = await self._ask()
            if content is not None:
                for _ in self._read(content, wanted, builder):
                    yield builder.take()
            if len(builder) or anyio.current_time() >= said + ALIVE_S:  # where nothing changed the service was heard
                said = anyio.current_time()
                yield builder.take()
            due = (
                max(due + self._interval_s * self._pace, anyio.current_time())
                if pause is None
                else anyio.current_time() + pause
            )
            await anyio.sleep_until(due)

    def _read(self, content: bytes, wanted: list[_Wanted], builder: BatchBuilder) -> Iterator[None]:
        """Take the wanted leaves of each new record; pause where a batch is full."""
        received_us = to_us(now())
        try:
            document = decode(content)
        except MalformedPayload:
            self.counters["malformed"] += 1
            for one in wanted:
                builder.add(one.number, received_us, None, BAD_DECODING)
            return
        mark = self._mark_us
        for record in self._records(document):
            time_us = time_us_of(record, self._rule)
            self.counters["mistimed"] += time_us is None
            if self._rows is not None and time_us and time_us <= mark:
                continue
            if self._rows is not None and time_us and time_us > received_us + _AHEAD_US:
                self.counters["ahead"] += 1
                continue
            self._mark_us = max(self._mark_us, time_us or 0)
            for one in wanted:
                part = resolve(record, one.tokens)
                value, quality = None, BAD_NO_DATA
                if part is not MISSING:
                    value, quality = reading_of(part, is_text=one.is_text, decimal=self._decimal)
                if one.is_execution and isinstance(value, str):
                    value = execution_word(value)
                builder.add(one.number, time_us or received_us, value, quality)
            if len(builder) >= FLUSH_READINGS:
                yield

    def _records(self, document: Any) -> Iterator[Any]:  # noqa: ANN401 - any JSON
        """Give the records in the order of their times; a document without rows is one record."""
        if self._rows is None:
            yield document
            return
        rows = resolve(document, self._rows)
        if not isinstance(rows, list):
            self.counters["malformed"] += 1
            return
        yield from sorted(rows, key=lambda one: time_us_of(one, self._rule) or 0)

    async def _ask(self, *, is_fresh: bool = False) -> tuple[bytes | None, float | None]:
        """Ask once: the document, or None where it has not changed, and how long the service wants to be left alone."""
        assert self._session is not None
        at = self._endpoint
        headers = {} if is_fresh else self._validators
        try:
            async with self._session.get(at.text, headers=headers, ssl=self._tls, allow_redirects=False) as answer:
                return await self._take(answer)
        except (aiohttp.ClientError, OSError, TimeoutError, ValueError) as fault:
            raise at.unreachable(
                f"does not answer: {reason(fault)}.", "Check that the service runs and the address is right."
            ) from fault

    async def _take(self, answer: aiohttp.ClientResponse) -> tuple[bytes | None, float | None]:
        status = answer.status
        if status in (429, 503) and "Retry-After" in answer.headers:
            self.counters["put_off"] += 1
            return None, _retry_s(answer.headers["Retry-After"])
        if status == 304:
            return None, None
        if status in (401, 403):
            raise self._endpoint.unreachable(
                f"refuses who asks (HTTP {status}).", "Give username and password, or token, as options."
            )
        if 300 <= status < 400:
            raise self._endpoint.unreachable(
                f"sends us on to {answer.headers.get('Location', 'nowhere')[:200]!r} (HTTP {status}).",
                "Name the address it leads to, if you trust it: redirects are not followed.",
            )
        if status != 200:
            raise self._endpoint.unreachable(f"answers HTTP {status}.", "Check path and query of the address.")
        content = bytearray()
        while octets := await answer.content.read(CHUNK):
            content += octets
            if len(content) > DOCUMENT_MAX:
                raise self._endpoint.unreachable(
                    f"answers more than {DOCUMENT_MAX >> 20} MiB.", "Ask for less with the query of the address."
                )
        pairs = (("If-None-Match", "ETag"), ("If-Modified-Since", "Last-Modified"))
        following = answer.links.get("next")
        self._next_page = str(following["url"])[:200] if following else ""
        self._validators = {asked: answer.headers[told] for asked, told in pairs if told in answer.headers}
        return bytes(content), None


def _context(ca_file: str) -> ssl.SSLContext | bool:
    """Trust the system's authorities, or only the one of a file."""
    if not ca_file:
        return True
    try:
        return ssl.create_default_context(cafile=ca_file)
    except (OSError, ssl.SSLError) as fault:
        raise BadInput(f"{ca_file!r} cannot be read: {fault}.", remedy="Give a PEM file as ca_file.") from fault


def _wanted(points: Sequence[Point], builder: BatchBuilder) -> Iterator[_Wanted]:
    """Read each point's pointer; one that is none is bad at once."""
    for point in points:
        try:
            tokens = tokens_of(point.address)
        except BadInput:
            builder.add(point.number, to_us(now()), None, BAD_UNKNOWN)
            continue
        meaning = meaning_of("/".join(tokens), "", is_text=point.is_text)
        yield _Wanted(point.number, tokens, point.is_text, meaning is Meaning.EXECUTION)


def _retry_s(text: str) -> float:
    """Read Retry-After (RFC 9110, 10.2.3): seconds or a date; bounded, a minute where it cannot be read."""
    if text.isdecimal() and len(text) < 9:
        return min(float(text), RETRY_MAX_S)
    try:
        return min(max(0.0, (parsedate_to_datetime(text) - now()).total_seconds()), RETRY_MAX_S)
    except (TypeError, ValueError):
        return 60.0
