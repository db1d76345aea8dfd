"""Siemens S7 (S7comm over ISO on TCP): polls tags of a controller in few requests, writes single ones.

For S7-300, 400, 1200 and 1500 with blocks that are not optimised and PUT/GET allowed. One connection, one request under
way. A reading's time is when its answer arrived. Every item of a request has a return code of its own; a span of tags
that is refused is read tag by tag from then on, so one missing block does not stop the others. A text that is longer
than an answer may be (a STRING is 256 octets, an S7-300 or 1200 answers with 240) is read in parts.
"""

import struct
from collections.abc import AsyncGenerator, Mapping, Sequence
from types import TracebackType
from typing import Any, Self

import anyio
from snap7 import AsyncClient
from snap7.datatypes import S7Area, S7WordLen
from snap7.error import S7Error, S7ProtocolError

from interwork.connectors import BAD, BAD_OUT_OF_RANGE, BAD_TIMEOUT, BAD_UNKNOWN, Command, Found, Point
from interwork.connectors.endpoint import Endpoint, check_options, number_option, parse_endpoint, quiet, reason
from interwork.connectors.s7.wire import (
    Span,
    Tag,
    code_quality,
    decode,
    encode,
    items_of,
    parse_tags,
    requests_of,
    spans_of,
    used_octets,
)
from interwork.core.clock import now, to_us
from interwork.core.errors import BadInput
from interwork.core.resource import BAD_NO_DATA, GOOD, Batch, BatchBuilder

_STATE = "cpu:state"
_IDENTITY = {"ModuleTypeName": "module", "SerialNumber": "serial", "ASName": "station", "ModuleName": "name"}
_PLATE = {"module": "ManufacturerProductDesignation", "serial": "SerialNumber", "name": "ManufacturerProductFamily"}
"""Component identification, and the nameplate submodel's words for it."""
_REMEDY = "Check address, rack and slot, that PUT/GET is allowed on the controller and its blocks are not optimised."
_FAULTS = (S7Error, OSError, EOFError, struct.error, ValueError, LookupError)
"""What the library raises when a link drops or an answer is not what it expects."""
_INVALID_ADDRESS = 0x8500
"""The header error of a request whose address the controller does not have."""
_BAD_NO_COMMUNICATION = 0x8031_0000
_BAD_TOO_LONG = 0x8008_0000
"""BadEncodingLimitsExceeded: a text that no request has room for."""
_WRITE_HEAD = 28
"""Octets of a request to write one item beside the item's own."""


class S7Connector:
    """Reads and writes `s7://host:port?rack=0&slot=1` through the tags of the options."""

    def __init__(self, endpoint: str, options: Mapping[str, Any]) -> None:
        check_options(options, ("tags", "interval_s", "timeout_s"))
        self._endpoint = parse_endpoint(endpoint, "s7", 102)
        self._rack = _small(self._endpoint, "rack", 0, 7)
        self._slot = _small(self._endpoint, "slot", 1, 31)
        self._tags = parse_tags(options.get("tags"))
        self._interval_s = number_option(options, "interval_s", 1.0, low=0.01, high=86_400)
        self._pace = 1.0
        self._timeout_s = number_option(options, "timeout_s", 3.0, low=0.05, high=8)
        self._client: AsyncClient | None = None
        self._identity: dict[str, str] = {}
        self._is_lost = False
        self._refused: set[tuple[int, int, int, int]] = set()
        """Spans that are read tag by tag."""
        self._unread: dict[str, int] = {}
        """Tags the controller refuses, with the return code of each."""
        self.counters = {"overruns": 0, "splits": 0}

    async def __aenter__(self) -> Self:
        """Connect, negotiate the PDU, and ask the controller who it is."""
        quiet("snap7")
        self._client, self._is_lost = AsyncClient(), False
        self._refused.clear()
        self._unread.clear()
        try:
            with anyio.fail_after(self._timeout_s):
                await self._client.connect(self._endpoint.host, self._rack, self._slot, self._endpoint.port)
            self._identity = await self._identify()
        except _FAULTS as fault:
            await self._close()
            raise self._endpoint.unreachable(
                f"does not answer as an S7 controller: {reason(fault)}.", _REMEDY
            ) from fault
        except BaseException:
            await self._close()
            raise
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, fault: BaseException | None, trace: TracebackType | None
    ) -> None:
        """Close the connection."""
        await self._close()

    async def _close(self) -> None:
        client, self._client = self._client, None
        if client:
            with anyio.move_on_after(1, shield=True):
                await client.disconnect()

    async def _identify(self) -> dict[str, str]:
        """Ask for the component identification (SZL 0x001C); not every controller gives it to everybody."""
        if self._client is None:
            return {}
        try:
            with anyio.fail_after(self._timeout_s):
                told = await self._client.get_cpu_info()
        except (S7Error, struct.error, ValueError, LookupError):
            return {}
        texts = {key: bytes(getattr(told, field, b"")).decode("latin-1") for field, key in _IDENTITY.items()}
        return {key: text.strip("\0 ") for key, text in texts.items() if text.strip("\0 ")}

    async def browse(self) -> list[Found]:
        """List the tags, the controller's own state and what it says of itself."""
        own = [Found(address=_STATE, name="CpuState", is_text=True)]
        own += [Found(address=f"identity:{key}", name=f"Device{key.title()}", is_text=True) for key in self._identity]
        return [tag.found for tag in self._tags.values()] + own

    async def nameplate(self) -> dict[str, str]:
        """Tell what the controller says of itself in the words of the nameplate submodel; empty if nothing."""
        return {word: self._identity[key] for key, word in _PLATE.items() if key in self._identity}

    @property
    def remarks(self) -> list[str]:
        """Say what a person should know of this link."""
        said = ["S7 communication has no encryption: keep the controller on a network of its own."]
        if self._unread:
            first, code = next(iter(self._unread.items()))
            said.append(
                f"The controller refuses {len(self._unread)} tags, the first {first} (code {code:#04x}): its block may "
                "be optimised, shorter than that or not there, or PUT/GET is not allowed."
            )
        if self._pace != 1:
            said.append(f"It is polled every {self._interval_s * self._pace:g} s, {self._pace:g} times more slowly.")
        return said

    def slow(self, factor: float) -> None:
        """Poll so many times more slowly."""
        self._pace = factor

    async def readings(self, points: Sequence[Point]) -> AsyncGenerator[Batch, None]:
        """Poll the points' tags and yield one batch per poll."""
        numbers: dict[str, list[int]] = {}
        for point in points:
            numbers.setdefault(
                point.address.upper() if point.address.upper() in self._tags else point.address, []
            ).append(point.number)
        tags = [self._tags[key] for key in numbers if key in self._tags]
        builder = BatchBuilder()
        self._add_fixed(builder, numbers)
        due = anyio.current_time()
        while True:
            for spans in requests_of(self._spans(tags), self._pdu()):
                await self._read(spans, numbers, builder)
            for tag in tags:
                if tag.size > self._most():
                    await self._read_in_parts(tag, numbers, builder)
            if _STATE in numbers:
                await self._read_state(numbers[_STATE], builder)
            if len(builder):
                yield builder.take()
            due += self._interval_s * self._pace
            if due < anyio.current_time():
                self.counters["overruns"] += 1
                due = anyio.current_time()
            await anyio.sleep_until(due)

    async def write(self, commands: Sequence[Command]) -> list[int]:
        """Write values, each once; return one OPC UA status code per command."""
        return [await self._write(command) for command in commands]

    def _pdu(self) -> int:
        return max(int(self._opened().pdu_length), 112)

    def _most(self) -> int:
        """Tell the octets of one item that an answer has room for."""
        return self._pdu() - 18

    def _spans(self, tags: Sequence[Tag]) -> list[Span]:
        most = self._most()
        spans = spans_of([tag for tag in tags if tag.size <= most], most=most)
        whole = [span for span in spans if _key(span) not in self._refused]
        single = [tag for span in spans if _key(span) in self._refused for tag in span.tags]
        return whole + [Span(tag.area, tag.db, tag.start, tag.size, (tag,)) for tag in single]

    def _add_fixed(self, builder: BatchBuilder, numbers: Mapping[str, list[int]]) -> None:
        """Tell what does not change while connected: the identification, and addresses nobody knows."""
        for key in numbers.keys() - self._tags.keys() - {_STATE}:
            text = self._identity.get(key.removeprefix("identity:")) if key.startswith("identity:") else None
            for number in numbers[key]:
                builder.add(number, to_us(now()), text, BAD_UNKNOWN if text is None else GOOD)

    def _opened(self) -> AsyncClient:
        if self._client is None or self._is_lost:
            raise self._endpoint.unreachable("closed the S7 connection.", _REMEDY)
        return self._client

    async def _ask(self, request: bytes) -> bytes:
        """Send one request and return its answer's data; raise MachineUnreachable."""
        client = self._opened()
        try:
            with anyio.fail_after(self._timeout_s):
                answer = await client._send_receive(request)  # noqa: SLF001 - the public read hides which item failed
        except _FAULTS as fault:
            self._is_lost = True
            raise self._endpoint.unreachable(f"broke off the S7 connection: {reason(fault)}.", _REMEDY) from fault
        except BaseException:
            self._is_lost = True  # half an answer may be left in the connection
            raise
        return bytes(answer.get("raw_data") or b"")

    async def _read(self, spans: Sequence[Span], numbers: Mapping[str, list[int]], builder: BatchBuilder) -> None:
        protocol = self._opened().protocol
        asked = [(span.area, span.db, span.start, span.size) for span in spans]
        raw = await self._ask(protocol.build_multi_read_request(asked))
        time_us = to_us(now())
        again: list[Span] = []
        for span, (code, octets) in zip(spans, items_of(raw, len(spans)), strict=True):
            if code != 0xFF and len(span.tags) > 1:
                self._refused.add(_key(span))
                self.counters["splits"] += 1
                again += [Span(tag.area, tag.db, tag.start, tag.size, (tag,)) for tag in span.tags]
                continue
            for tag in span.tags:
                at = tag.start - span.start
                self._take(tag, (code, octets[at : at + tag.size]), time_us, builder, numbers[tag.found.address])
        for few in requests_of(again, self._pdu()):
            await self._read(few, numbers, builder)

    async def _read_in_parts(self, tag: Tag, numbers: Mapping[str, list[int]], builder: BatchBuilder) -> None:
        """Read a text that no answer has room for, as far as it is in use."""
        octets, used, code = b"", tag.size, 0xFF
        while code == 0xFF and len(octets) < used:
            count = min(self._most() // 2 * 2, used - len(octets))
            asked = [(tag.area, tag.db, tag.start + len(octets), count)]
            raw = await self._ask(self._opened().protocol.build_multi_read_request(asked))
            code, part = items_of(raw, 1)[0]
            octets += part
            used = min(used_octets(tag, octets), tag.size)
            if len(part) != count:
                break
        self._take(tag, (code, octets.ljust(tag.size, b"\0")), to_us(now()), builder, numbers[tag.found.address])

    def _take(
        self,
        tag: Tag,
        item: tuple[int, bytes],
        time_us: int,
        builder: BatchBuilder,
        numbers: Sequence[int],
    ) -> None:
        """Take a tag's return code and octets."""
        code, octets = item
        quality = code_quality(code)
        if quality:
            self._unread[tag.found.address] = code
        else:
            self._unread.pop(tag.found.address, None)
        told = (None, quality) if quality else decode(tag, octets)
        for number in numbers:
            builder.add(number, time_us, *told)

    async def _read_state(self, numbers: Sequence[int], builder: BatchBuilder) -> None:
        client, text = self._opened(), None
        try:
            with anyio.fail_after(self._timeout_s):
                text = str(await client.get_cpu_state()).removeprefix("S7CpuStatus").upper()
        except (S7Error, struct.error, ValueError, LookupError):
            text = None  # the controller does not tell; whether the link holds is seen by the next read
        for number in numbers:
            builder.add(number, to_us(now()), text, BAD_NO_DATA if text is None else GOOD)

    async def _write(self, command: Command) -> int:
        tag = self._tags.get(command.address.upper())
        if tag is None:
            return BAD_UNKNOWN
        octets, code = encode(tag, command.value)
        if code != GOOD:
            return code
        if len(octets) > self._pdu() - _WRITE_HEAD:
            octets = octets[: used_octets(tag, octets)]  # what lies beyond a text's end means nothing
        if len(octets) > self._pdu() - _WRITE_HEAD:
            return _BAD_TOO_LONG
        client = self._opened()
        is_bit = tag.type == "BOOL"
        place = tag.start * 8 + tag.bit if is_bit else tag.start
        width = S7WordLen.BIT if is_bit else S7WordLen.BYTE
        request = client.protocol.build_write_request(S7Area(tag.area), tag.db, place, width, octets)
        try:
            with anyio.fail_after(self._timeout_s):
                answer = await client._send_receive(request)  # noqa: SLF001 - the public write hides the return code
        except TimeoutError:
            self._is_lost = True
            return BAD_TIMEOUT
        except S7ProtocolError as fault:
            return BAD_OUT_OF_RANGE if fault.error_code == _INVALID_ADDRESS else BAD
        except _FAULTS:
            self._is_lost = True
            return _BAD_NO_COMMUNICATION
        return code_quality((bytes(answer.get("raw_data") or b"") or b"\0")[0])


def _key(span: Span) -> tuple[int, int, int, int]:
    return span.area, span.db, span.start, span.size


def _small(endpoint: Endpoint, name: str, default: int, most: int) -> int:
    """Read rack or slot of the endpoint's query."""
    text = endpoint.query.get(name, str(default))
    if not (text.isascii() and text.isdigit() and len(text) < 4 and int(text) <= most):
        raise BadInput(f"The {name} {text!r} is not 0 to {most}.", remedy="Write s7://host:102?rack=0&slot=1.")
    return int(text)
