"""Plain MQTT with JSON payloads: every scalar leaf of a payload under a topic filter is a signal.

An address is `topic#pointer`: the topic as published, then the leaf's JSON pointer (RFC 6901), empty where the whole
payload is the value, be it JSON or a bare word or number. A reading's time is the payload's own where it has one
(option `timestamp`), else the moment it came. A retained message that carries no time of its own is old by an unknown
age: its readings are Uncertain. A payload that cannot be read turns the points of its topic bad, is counted, and stops
nothing else.
"""

from collections.abc import AsyncGenerator, Mapping, Sequence
from types import TracebackType
from typing import Any, Self
from urllib.parse import unquote, urlsplit

import anyio
import msgspec

from interwork.connectors import BAD_DECODING, BAD_UNKNOWN, FLUSH_READINGS, FLUSH_S, Found, Point
from interwork.connectors.endpoint import check_options, number_option, text_option
from interwork.connectors.leaves import (
    MISSING,
    MalformedPayload,
    bare,
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
from interwork.connectors.mqtt.broker import BROKER_OPTIONS, read_broker
from interwork.connectors.mqtt.session import Message, Session
from interwork.connectors.naming import execution_word, meaning_of
from interwork.core.clock import now, to_us
from interwork.core.errors import BadInput
from interwork.core.resource import GOOD, UNCERTAIN_LAST_USABLE, Batch, BatchBuilder, Meaning

BAD_WAITING = 0x8032_0000
"""OPC UA Bad_WaitingForInitialData."""
MOST_SIGNALS = 5_000
MOST_TOPICS = 5_000
MOST_KEPT_OCTETS = 32 * 1024 * 1024
"""Last payloads that are kept for the next reader."""
_TICK_S = 0.5
_SETTLE_S = 1.0


class _Counts(msgspec.Struct):
    """What was not read, and why."""

    malformed: int = 0
    """Payloads that were no JSON."""
    beyond: int = 0
    """Parts of payloads deeper, longer or more than the bounds of `wire` let be signals."""
    mistimed: int = 0
    """Payloads whose time is none; their readings have the time they came."""
    stray: int = 0
    """Messages of topics that the filter does not cover: some brokers send them (amqtt 0.12 does)."""
    unkept: int = 0
    """Payloads of topics beyond `MOST_TOPICS` or `MOST_KEPT_OCTETS`: read, but not kept for a later reader."""


class _Wanted(msgspec.Struct, frozen=True):
    """One leaf that is read."""

    numbers: list[int]
    tokens: tuple[str, ...]
    is_text: bool
    is_execution: bool


class MqttJsonConnector:
    """Reads `mqtt[s]+json://host:port/<topic filter>`."""

    def __init__(self, endpoint: str, options: Mapping[str, Any]) -> None:
        own = ("timestamp", "time_format", "browse_s", "silence_s", "qos", "decimal")
        check_options(options, (*BROKER_OPTIONS, *own))
        self._broker = read_broker(endpoint, options)
        self._asked = _topic_filter(endpoint)
        self._filter = _unshared(self._asked)
        self._rule = time_rule(text_option(options, "timestamp", "auto"), text_option(options, "time_format", "auto"))
        self._decimal = decimal_option(options)
        self._browse_s = number_option(options, "browse_s", 5.0, low=0.1, high=25)
        self._silence_s = number_option(options, "silence_s", 0, low=0, high=86_400)
        self._qos = int(number_option(options, "qos", 1, low=0, high=1))
        self._builder = BatchBuilder()
        self._wanted: dict[str, list[_Wanted]] = {}
        self._last: dict[str, Message] = {}
        self._kept_octets = 0
        self._heard_at = 0.0
        self._session = self._new_session()
        self._counts = _Counts()

    def _new_session(self) -> Session:
        return Session(self._broker, name="interwork")

    @property
    def counters(self) -> dict[str, int]:
        """Count what was not read, by reason."""
        counted = msgspec.structs.asdict(self._counts) | {
            "unreadable": self._session.unreadable,
            "oversized": self._session.oversized,
        }
        return {reason: count for reason, count in counted.items() if count}

    @property
    def remarks(self) -> list[str]:
        """Say what a person should know of this link."""
        return self._broker.remarks + self._session.remarks

    async def __aenter__(self) -> Self:
        """Connect to the broker and subscribe to the filter; retained messages come at once."""
        self._session = self._new_session()
        self._last, self._kept_octets = {}, 0
        await self._session.open([(self._asked, self._qos)])
        self._heard_at = anyio.current_time()
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, fault: BaseException | None, trace: TracebackType | None
    ) -> None:
        """Disconnect."""
        await self._session.close()

    async def browse(self) -> list[Found]:
        """Listen for `browse_s`, less where nothing new has come for a second; list every scalar leaf heard."""
        ends = anyio.current_time() + self._browse_s
        settled, known = ends, -1
        while anyio.current_time() < min(ends, settled):
            self._drain()
            if len(self._last) != known:
                known, settled = len(self._last), ends if not self._last else anyio.current_time() + _SETTLE_S
            if self._session.is_lost:
                raise self._session.lost()
            await self._session.wait(0.1)
        return self._found()

    def _found(self) -> list[Found]:
        found: list[Found] = []
        for topic, message in sorted(self._last.items()):
            try:
                document = decode(message.content)
            except MalformedPayload:
                document = bare(message.content)
                if document is None:
                    self._counts.malformed += 1
                    continue
            listed, beyond = leaves(document)
            self._counts.beyond += beyond
            for leaf in listed:
                name = _name(self._filter, topic, leaf.pointer)
                is_text = speaks(leaf, self._decimal)
                meaning = _meaning(name, leaf.unit, is_text=is_text)
                address = f"{topic}#{leaf.pointer}"
                found.append(Found(address=address, name=name, unit=leaf.unit, meaning=meaning, is_text=is_text))
        self._counts.beyond += max(0, len(found) - MOST_SIGNALS)
        return found[:MOST_SIGNALS]

    async def readings(self, points: Sequence[Point]) -> AsyncGenerator[Batch, None]:
        """Yield what was last heard of the points, then every message."""
        session = self._session
        self._watch(points)
        flushed = 0.0
        try:
            while True:
                self._drain()
                ready = len(self._builder) >= FLUSH_READINGS or anyio.current_time() >= flushed + FLUSH_S
                if len(self._builder) and (ready or session.is_owed or session.is_lost):
                    yield self._builder.take()
                    session.acknowledge()
                    flushed = anyio.current_time()
                    continue
                if not len(self._builder):
                    session.acknowledge()
                if session.is_lost:
                    raise session.lost()
                self._check_silence()
                await session.wait(FLUSH_S if len(self._builder) else _TICK_S)
        finally:
            self._wanted = {}
            self._builder.take()

    def _check_silence(self) -> None:
        if self._silence_s and anyio.current_time() - self._heard_at > self._silence_s:
            raise self._session.lost(f"passed on nothing under {self._filter} for {self._silence_s:g} s")

    def _watch(self, points: Sequence[Point]) -> None:
        """Say which leaves are read from now on; tell what was last heard of them."""
        self._wanted = {}
        for point in points:
            topic, separator, pointer = point.address.partition("#")
            try:
                tokens = tokens_of(pointer)
            except BadInput:
                separator = ""
            if not separator:
                self._builder.add(point.number, to_us(now()), None, BAD_UNKNOWN)
                continue
            meaning = _meaning(_name(self._filter, topic, pointer), "", is_text=point.is_text)
            one = _Wanted([point.number], tokens, point.is_text, meaning is Meaning.EXECUTION)
            self._wanted.setdefault(topic, []).append(one)
        for topic, wanted in self._wanted.items():
            for one in wanted if topic not in self._last else ():
                self._put(one, to_us(now()), None, BAD_WAITING)
            if topic in self._last:
                self._read(self._last[topic])

    def _drain(self) -> None:
        """Take messages out of the inbox until a batch is full."""
        while len(self._builder) < FLUSH_READINGS and (message := self._session.take()):
            if not _covers(self._filter.split("/"), message.topic.split("/")):
                self._counts.stray += 1
                continue
            self._heard_at = anyio.current_time()
            self._keep(message)
            self._read(message)

    def _keep(self, message: Message) -> None:
        """Keep a topic's last payload for the next reader, within the bounds."""
        before = self._last.pop(message.topic, None)
        self._kept_octets += len(message.content) - (len(before.content) if before else 0)
        if len(self._last) < MOST_TOPICS and self._kept_octets <= MOST_KEPT_OCTETS:
            self._last[message.topic] = message
        else:
            self._kept_octets -= len(message.content)
            self._counts.unkept += 1

    def _read(self, message: Message) -> None:
        """Take the wanted leaves of a payload; one that cannot be read turns them bad."""
        wanted = self._wanted.get(message.topic, ())
        if not wanted:
            return
        try:
            document = decode(message.content)
        except MalformedPayload:
            document = bare(message.content)
            if document is None or any(one.tokens for one in wanted):
                self._counts.malformed += 1
                for one in wanted:
                    self._put(one, message.received_us, None, BAD_DECODING)
                return
        own_us = time_us_of(document, self._rule)
        self._counts.mistimed += own_us is None
        is_aged = message.is_retained and not own_us
        for one in wanted:
            part = resolve(document, one.tokens)
            if part is not MISSING:
                value, quality = reading_of(part, is_text=one.is_text, decimal=self._decimal)
                quality = UNCERTAIN_LAST_USABLE if is_aged and quality == GOOD else quality
                self._put(one, own_us or message.received_us, value, quality)

    def _put(self, one: _Wanted, time_us: int, value: float | str | None, quality: int) -> None:
        if one.is_execution and isinstance(value, str):
            value = execution_word(value)
        for number in one.numbers:
            self._builder.add(number, time_us, value, quality)


def _topic_filter(endpoint: str) -> str:
    """Read the topic filter after the authority; raise BadInput for one that is none (MQTT 3.1.1, 4.7)."""
    topic = unquote(urlsplit(endpoint.replace("#", "%23")).path[1:])
    levels = topic.split("/")
    is_wild = any("+" in level and level != "+" for level in levels) or any("#" in level for level in levels[:-1])
    if not topic or is_wild or ("#" in levels[-1] and levels[-1] != "#") or "\0" in topic or len(topic) > 1024:
        raise BadInput(
            f"{endpoint!r} names no topic filter.",
            remedy="Write mqtt+json://host:port/topic/+/filter/# with the topic.",
        )
    return topic


def _unshared(topic: str) -> str:
    """Take `$share/group/` off a filter: messages of a shared subscription (MQTT 5, 4.8.2) have topics without it."""
    return topic.split("/", 2)[2] if topic.startswith("$share/") and topic.count("/") > 1 else topic


def _covers(levels: list[str], topic: list[str]) -> bool:
    """Tell whether a topic filter covers a topic (MQTT 3.1.1, 4.7)."""
    if levels[-1] == "#":
        levels, topic = levels[:-1], topic[: len(levels) - 1]
    return len(levels) == len(topic) and all(one in ("+", other) for one, other in zip(levels, topic, strict=True))


def _name(topic_filter: str, topic: str, pointer: str) -> str:
    """Name a leaf by what the filter leaves open and its place in the payload."""
    levels, fixed = topic.split("/"), topic_filter.split("/")
    same = 0
    while same < min(len(fixed), len(levels)) and fixed[same] == levels[same]:
        same += 1
    parts = levels[same:] + [token for token in tokens_of(pointer) if token.lower() != "value"]
    return "/".join(parts) or levels[-1]


def _meaning(name: str, unit: str, *, is_text: bool) -> Meaning:
    """Propose a meaning from the last word of a name, else from the last two."""
    last = meaning_of(name.rpartition("/")[2], unit, is_text=is_text)
    return last if last is not Meaning.OTHER else meaning_of("/".join(name.split("/")[-2:]), unit, is_text=is_text)
