"""MTConnect client: the agent's device model, its current state, then its stream without loss or repeat.

Theory of operation. An agent keeps a ring buffer of observations, each with a sequence number. After /probe and
/current the client asks /sample from the next sequence on and the agent sends a document per interval, or an empty
one per heartbeat. Each document says the next sequence, so a stream that ends is continued where it ended, also by a
connector that is entered again after a lost link. When the agent restarted (another instanceId) or its buffer ran
past us (OUT_OF_RANGE), the hole is told: every point gets a BAD_NO_DATA reading at the hole's start, the observations
lost are counted, and reading goes on from the oldest observation that is still there (/current?at=), not from the
present. Reading slower than the machine speaks is safe: TCP holds the agent back and its buffer the observations. An
agent that cannot stream answers with single documents and is polled.
"""

from collections.abc import AsyncGenerator, Mapping, Sequence
from types import TracebackType
from typing import Any, Self

import anyio
import msgspec

from interwork.connectors import ALIVE_S, BAD_UNKNOWN, FLUSH_READINGS, Found, Point
from interwork.connectors.endpoint import check_options, number_option, parse_endpoint
from interwork.connectors.mtconnect.agent import REMEDY, Agent
from interwork.connectors.mtconnect.assets import AssetWatch
from interwork.connectors.mtconnect.documents import Document, open_document
from interwork.connectors.mtconnect.model import DataItem, Header, MalformedDocument, Seen
from interwork.connectors.mtconnect.multipart import Multipart, boundary_of, is_multipart
from interwork.connectors.mtconnect.readings import Decoder
from interwork.core.clock import now, to_us
from interwork.core.errors import BadInput, MachineUnreachable
from interwork.core.resource import BAD_NO_DATA, Batch, BatchBuilder

_MOST_PATH = 4
"""Parts of a path: agents stand behind other servers, such as `/vds/GFAgie01`."""
_MOST_IDLE = 3
"""Streams in a row without one document after which the agent is given up."""
_MOST_OBSERVATIONS = 20_000
"""Asked for in one document at the most: 200,000 a second at an interval of 100 ms, some 3 MB."""
_FEWEST = 50
"""Fewer than that are not asked for, whatever an agent says of its limits."""
_SILENT_MS = 10_000
"""The heartbeat of an agent that is not asked for one (MTConnect Part 1, 8.3.3.2)."""
_MARGIN = 16
"""After a hole this part of the agent's buffer is left out: a busy agent drops it before it could be read."""

_PLATE = {
    "manufacturer": "ManufacturerName",
    "model": "ManufacturerProductDesignation",
    "serialNumber": "SerialNumber",
}
"""Attributes of a device's Description, and the nameplate submodel's words for them."""


class _Gap(MachineUnreachable):
    """The agent restarted, or its buffer no longer holds what we would read next."""


class MTConnectConnector:
    """Reads `mtconnect://host:port[/path of the agent][/device][?tls=1]` (HTTP agent)."""

    resumes = True
    """The place in the agent's buffer is kept between links."""

    def __init__(self, endpoint: str, options: Mapping[str, Any]) -> None:
        known = ("interval_ms", "heartbeat_ms", "assets_s", "format", "ca_file", "username", "password")
        check_options(options, known)
        self._endpoint = parse_endpoint(endpoint, "mtconnect", 5000)
        if len(self._endpoint.path) > _MOST_PATH:
            raise BadInput(f"{endpoint!r} names more than a device.", remedy="Write mtconnect://host:port/device.")
        self._interval_ms = int(number_option(options, "interval_ms", 100, low=1, high=60_000))
        self._pace, self._is_repaced = 1.0, False
        self._heartbeat_ms = int(number_option(options, "heartbeat_ms", 5_000, low=100, high=9_000))
        self._most = _MOST_OBSERVATIONS
        self._agent = Agent(self._endpoint, options)
        self._assets = AssetWatch(number_option(options, "assets_s", 30, low=0, high=86_400))
        self._items: dict[str, DataItem] = {}
        self._plate: dict[str, str] = {}
        self._splitter: Multipart | None = None
        self._at: Header | None = None
        self._before: Header | None = None
        self._given: Header | None = None
        """Where another one stopped, until reading begins."""
        self._is_unsaid = False
        """True while it is not said that reading goes on where it stopped, or that a quiet agent was heard."""
        self._said_at = 0.0
        self._numbers: dict[str, list[int]] = {}
        self._known: set[str] = set()
        """Data items the agent's newest state has."""
        self._decoder = Decoder()
        self._idle = 0
        self.counters = self._decoder.counters
        """What happened since it was made: gaps, observations lost in them, what could not be read."""
        self.counters |= {"gaps": 0, "gap_observations": 0, "documents": 0}

    async def __aenter__(self) -> Self:
        """Fetch the agent's device model, and look whether it keeps assets."""
        await self._agent.open()
        try:
            await self._probe()
            await self._assets.open(self._agent)
        except BaseException:
            await self._agent.close()
            raise
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, fault: BaseException | None, trace: TracebackType | None
    ) -> None:
        """Close the stream and the connections."""
        await self._agent.close()

    def place(self) -> str:
        """Tell the place in the agent's buffer."""
        at = self._at or self._before or self._given
        return "" if at is None else msgspec.json.encode(at).decode()

    def go_on(self, place: str) -> None:
        """Read on from a place in the agent's buffer."""
        try:
            self._given = msgspec.json.decode(place, type=Header)
        except msgspec.MsgspecError as fault:
            raise BadInput(f"{place[:40]!r} is no place in an agent's buffer.", where=str(fault)) from fault

    async def browse(self) -> list[Found]:
        """List the data items of the agent, or of the endpoint's device, and its assets' count and change."""
        return [item.found for item in self._items.values()] + self._assets.found()

    async def nameplate(self) -> dict[str, str]:
        """Tell what the device says of itself in the words of the nameplate submodel; empty if nothing."""
        return {word: self._plate[name] for name, word in _PLATE.items() if self._plate.get(name)}

    @property
    def remarks(self) -> list[str]:
        """Say what a person should know of this link: its security, and observations lost."""
        said = [] if self._agent.is_secure else ["The agent is read without encryption; it only ever gives data."]
        if self.counters["gaps"]:
            lost = self.counters["gap_observations"]
            said.append(f"The stream had {self.counters['gaps']} gaps; {lost} observations were lost in them.")
        if self._pace != 1:
            said.append(f"A document is sent every {self._interval()} ms; an agent leaves no observation out for that.")
        return said

    def slow(self, factor: float) -> None:
        """Have the agent send its documents so many times more rarely; each still holds every observation."""
        self._is_repaced |= factor != self._pace
        self._pace = factor

    def _interval(self) -> int:
        return min(round(self._interval_ms * self._pace), max(self._interval_ms, self._heartbeat_ms))

    async def readings(self, points: Sequence[Point]) -> AsyncGenerator[Batch, None]:
        """Yield the current state and then every observation; called again, it resumes where it stopped."""
        await self._begin(points)
        try:
            while True:
                try:
                    seen, at = await self._step()
                except _Gap:
                    seen, at = [], None
                    yield self._hole()
                if self._at is None and at is not None and (unknown := self._untold()):
                    yield unknown
                for batch in self._decoder.batches(seen, to_us(now()), FLUSH_READINGS):
                    self._note_said()
                    yield batch
                if self._is_unsaid and at is not self._at:  # what is read follows what was, though it is nothing
                    self._note_said()
                    yield BatchBuilder().take()
                # Only what was taken counts as read: a generator closed half-way resumes before what it had left.
                self._at = at
                if changed := await self._assets.look(self._agent, seen):
                    yield changed
        finally:
            self._agent.close_stream()
            self._splitter = None

    def _note_said(self) -> None:
        self._is_unsaid, self._said_at = False, anyio.current_time()

    async def _begin(self, points: Sequence[Point]) -> None:
        """Take in what is to be read, and from where."""
        numbers: dict[str, list[int]] = {}
        for point in points:
            numbers.setdefault(point.address, []).append(point.number)
        if numbers != self._numbers:
            self._numbers, self._at = numbers, None
            self._decoder.plan(self._items, numbers)
        if self._given is not None:
            self._at, self._given = self._given, None
            await self._prime(self._at)
        self._is_unsaid = self._at is not None
        self._idle = 0
        self._assets.ask(numbers)

    async def _prime(self, at: Header) -> None:
        """Take in which conditions were active and what sets held at a place, without telling it again.

        An agent that restarted meanwhile has another state there: a hole, which reading on finds.
        """
        if at.next_sequence == 1:
            return
        document = self._parse(await self._agent.document("current", {"at": str(at.next_sequence - 1)}))
        if document.errors():
            return
        header, held = self._streams(document)
        if header.instance == at.instance:
            for _ in self._decoder.batches(held, to_us(now()), FLUSH_READINGS):
                pass

    async def _step(self) -> tuple[list[Seen], Header | None]:
        """Fetch what comes next, opening what must be opened for it."""
        if self._at is None:
            return await self._start()
        if self._is_repaced:  # the stream is asked for anew where it was, in the new interval
            self._agent.close_stream()
            self._splitter, self._is_repaced = None, False
        if self._splitter is None:
            single = await self._open(self._at)
            return await self._take([single], self._at) if single is not None else ([], self._at)
        octets = await self._agent.chunk(2 * self._heartbeat_ms / 1000)
        if not octets:
            self._agent.close_stream()
            self._splitter = None
            self._count_idle("ended its stream without a document")
            return [], self._at
        try:
            documents = self._splitter.feed(octets)
        except MalformedDocument as fault:
            raise self._broken(fault) from fault
        return await self._take(documents, self._at)

    async def _take(self, documents: Sequence[bytes], at: Header) -> tuple[list[Seen], Header]:
        """Read documents that must follow what was read before."""
        seen: list[Seen] = []
        for content in documents:
            if not content.strip():  # some agents send an empty part for a heartbeat
                continue
            header, observations = self._checked(content, at)
            if header.model_changed != at.model_changed:
                await self._probe()
                header, observations = self._checked(content, at)
            seen += observations
            at = header
            self._idle = 0
            self._is_unsaid |= anyio.current_time() - self._said_at >= ALIVE_S
        return seen, at

    async def _start(self) -> tuple[list[Seen], Header]:
        """Begin with the current state of everything, or after a hole with the state at its end."""
        self._agent.close_stream()
        self._splitter = None
        self._decoder.forget()
        if not self._items:
            await self._probe()
        header, seen = self._checked(await self._agent.document("current"), None)
        self._known = {one[1] for one in seen}
        before, self._before = self._before, None
        if before is None:
            return seen, header
        begin = self._oldest(header, before)
        if begin < header.next_sequence:
            held = await self._state_at(begin)
            if held is not None:
                header = _from(header, begin + 1)
                seen = held
        if header.instance == before.instance:
            read = sum(one[0] >= before.next_sequence for one in seen)
            self.counters["gap_observations"] += max(header.next_sequence - before.next_sequence - read, 0)
        return seen, header

    def _oldest(self, header: Header, before: Header) -> int:
        """Tell the oldest sequence worth reading after a hole."""
        margin = (header.next_sequence - header.first_sequence) // _MARGIN if header.first_sequence > 1 else 0
        oldest = header.first_sequence + margin
        return max(oldest, before.next_sequence) if header.instance == before.instance else oldest

    async def _state_at(self, sequence: int) -> list[Seen] | None:
        """Ask for the state at a sequence; None where the agent no longer has it."""
        document = self._parse(await self._agent.document("current", {"at": str(sequence)}))
        if document.errors():
            return None
        return self._streams(document)[1]

    async def _probe(self) -> None:
        document = self._parse(await self._agent.document("probe"))
        self._refuse(document, None)
        try:
            self._items, self._plate = document.devices(), document.plate()
        except MalformedDocument as fault:
            raise self._broken(fault) from fault
        self._decoder.plan(self._items, self._numbers)
        self._assets.follow(self._items)

    def _parse(self, content: bytes) -> Document:
        self.counters["documents"] += 1
        try:
            return open_document(content)
        except MalformedDocument as fault:
            raise self._broken(fault) from fault

    def _streams(self, document: Document) -> tuple[Header, list[Seen]]:
        try:
            return document.streams(self._decoder.special)
        except MalformedDocument as fault:
            raise self._broken(fault) from fault

    def _checked(self, content: bytes, before: Header | None) -> tuple[Header, list[Seen]]:
        """Parse a stream document that must follow what was read before; raise _Gap where it does not."""
        document = self._parse(content)
        self._refuse(document, before)
        header, seen = self._streams(document)
        if before and header.instance != before.instance:
            raise _Gap("The agent was restarted.")
        if before and seen and before.next_sequence < seen[0][0] and before.next_sequence < header.first_sequence:
            raise _Gap("The agent's buffer ran past us.")
        return header, seen

    def _refuse(self, document: Document, before: Header | None) -> None:
        """Raise for an error document: a hole where our place in the buffer is gone, else what the agent said."""
        for error in document.errors():
            if error.code == "OUT_OF_RANGE" and before:
                raise _Gap(error.text)
            raise self._endpoint.unreachable(
                f"refused: {error.code} {error.text[:200]}.", "Check the device name at the endpoint's end."
            )

    def _broken(self, fault: MalformedDocument) -> MachineUnreachable:
        return self._endpoint.unreachable(f"answers, but not as MTConnect says. {fault.message}", REMEDY)

    async def _open(self, at: Header) -> bytes | None:
        """Open the stream at our place in the agent's buffer; the document of an agent that cannot stream."""
        count = min(self._most, at.buffer_size or FLUSH_READINGS)
        asked = {"from": at.next_sequence, "interval": self._interval(), "count": count}
        if self._heartbeat_ms < _SILENT_MS:
            asked["heartbeat"] = self._heartbeat_ms
        response = await self._agent.get("sample", {name: str(value) for name, value in asked.items()})
        content_type = response.headers.get("Content-Type", "")
        if response.status == 200 and is_multipart(content_type):
            self._agent.stream = response
            try:
                self._splitter = Multipart(boundary_of(content_type))
            except MalformedDocument as fault:
                raise self._broken(fault) from fault
            return None
        content = await self._agent.content(response, "sample")
        if self._asks_less(content):
            return await self._open(at)
        if response.status == 200:
            await anyio.sleep(self._interval() / 1000)
            return content
        self._checked(content, at)
        raise self._endpoint.unreachable(f"answered /sample with HTTP {response.status}.", REMEDY)

    def _asks_less(self, content: bytes) -> bool:
        """Ask for fewer observations at once, or for no heartbeat of ours, where that is what an agent refuses."""
        said = " ".join(error.text.lower() for error in self._parse(content).errors())
        if "heartbeat" in said and self._heartbeat_ms < _SILENT_MS:
            self._heartbeat_ms = _SILENT_MS
            return True
        if "count" in said and "from" not in said and self._most > _FEWEST:
            self._most = max(self._most // 4, _FEWEST)
            return True
        return False

    def _hole(self) -> Batch:
        """Say that nothing is known of any point since the last reading, and remember where we were."""
        self._count_idle("refused our place in its buffer")
        self.counters["gaps"] += 1
        self._before, self._items = self._at, {}
        created_us = self._at.created_us if self._at else 0
        began_us = min(max(created_us, self._decoder.latest_us + 1), to_us(now()))
        builder = BatchBuilder()
        for numbers in self._numbers.values():
            for number in numbers:
                builder.add(number, began_us, None, BAD_NO_DATA)
        return builder.take()

    def _untold(self) -> Batch | None:
        """Say of the points that the device model or the agent's current state does not have that nothing is known."""
        builder = BatchBuilder()
        told = self._known | self._assets.addresses()
        for address in self._numbers.keys() - told:
            for number in self._numbers[address]:
                builder.add(number, to_us(now()), None, BAD_NO_DATA if address in self._items else BAD_UNKNOWN)
        return builder.take() if len(builder) else None

    def _count_idle(self, what: str) -> None:
        """Give up on an agent with which nothing moves on, rather than asking it in circles."""
        self._idle += 1
        if self._idle > _MOST_IDLE:
            raise self._endpoint.unreachable(f"{what} {self._idle} times in a row.", REMEDY)


def _from(header: Header, sequence: int) -> Header:
    return Header(
        instance=header.instance,
        next_sequence=sequence,
        first_sequence=header.first_sequence,
        buffer_size=header.buffer_size,
        created_us=header.created_us,
        model_changed=header.model_changed,
    )
