"""What a host application knows of one edge node: births, aliases, order, deaths (Sparkplug 3.0, chapter 5). No I/O.

Messages of an edge node and its devices share one sequence 0 to 255. A message ahead of its turn waits for the
missing ones until the reorder timer runs out; then what waits is taken in order and a rebirth is wanted. Data before
a birth, an unknown alias or a broken payload also want one. NDEATH counts only with the bdSeq of the running birth.
An alias is looked for where it was sent first, for many senders count them anew in each device; one that is of two
metrics there is of none. After a node's birth its devices are born again; one that is not is stale.
"""

import sys
from collections.abc import Callable, Iterable, Iterator, Sequence
from functools import partial
from typing import Any

import msgspec

from interwork.connectors import BAD_UNKNOWN, Found, Point
from interwork.connectors.naming import execution_word, meaning_of
from interwork.connectors.sparkplug.values import (
    BAD_NOT_SUPPORTED,
    PLAIN_FIELDS,
    PLAIN_LIMITS,
    Value,
    guessed_datatype,
    is_text,
    proposes_digits,
    shown,
    value_of,
    why_not,
)
from interwork.connectors.sparkplug.wire import BD_SEQ, Metric, Payload, read_metric, stamp_us
from interwork.core.resource import BAD_NO_COMMUNICATION, GOOD, BatchBuilder, Meaning

_CYCLE = 256
_LARGEST = sys.float_info.max
_OWN = (BD_SEQ, "Node Control/", "Device Control/")
"""Metrics of the protocol itself."""
REBORN_S = 10.0
"""A device that is not born so long after its node was born again is gone, in seconds."""
MOST_DEVICES = 1_000
MOST_METRICS = 200_000
MOST_WAITING_OCTETS = 32 * 1024 * 1024
"""Messages ahead of their turn that are held; beyond this the reorder timer has run out."""


class Known(msgspec.Struct, kw_only=True):
    """A metric that a birth announced, and what it said last."""

    scope: str
    """The device, empty for the node's own."""
    name: str
    address: str
    alias: int | None
    datatype: int
    found: Found | None
    """None for a metric that cannot be a signal."""
    plain_field: str
    """The value's field where it is the number itself, empty for what must be read with care."""
    plain_limit: float
    """The largest such number; not a number is below none."""
    is_execution: bool
    numbers: tuple[int, ...] = ()
    """The points that read it."""
    as_text: bool = False
    latest: tuple[int, Value, int] = (0, None, BAD_UNKNOWN)


class _Message(msgspec.Struct, frozen=True):
    kind: str
    device: str
    payload: Payload
    received_us: int


class HostView:
    """One edge node seen through the endpoint: as a whole, or one device of it."""

    def __init__(self, device: str, reorder_s: float) -> None:
        self._device = device
        self._reorder_s = reorder_s
        self._births: dict[str, dict[str, Known]] = {}
        self._aliases: dict[str, dict[int, Known | None]] = {}
        """By where they were born; None for one that several metrics have."""
        self._templates: dict[tuple[str, int], str] = {}
        """Where born and alias of a template instance, to its name."""
        self._unborn: dict[str, list[Known]] = {}
        """Devices that are not born again yet after their node was, with what they had."""
        self._reborn_by, self._born_us = 0.0, 0
        self._points: dict[str, list[Point]] = {}
        self._bd_seq: int | None = None
        self._expected = 0
        self._waiting: dict[int, _Message] = {}
        self._waiting_octets = 0
        self._deadline = 0.0
        self.readings = BatchBuilder()
        self.historical = BatchBuilder()
        """Readings whose sender says that they are old: for the history only."""
        self.wants_rebirth = ""
        """Why a rebirth should be asked for; empty when none is needed."""
        self.fault = ""
        """Why the link is lost; empty as long as it is not."""
        self.gaps = 0
        """How often messages of the node were missing."""
        self.refused: dict[str, str] = {}
        """Metrics of the births that are no signals, with the reason."""

    @property
    def is_born(self) -> bool:
        """Tell whether the births of what the endpoint names were seen."""
        return "" in self._births and (not self._device or self._device in self._births)

    def found(self) -> list[Found]:
        """List the metrics of the births in scope that can be signals."""
        scopes = (self._device,) if self._device else tuple(self._births)
        return [known.found for scope in scopes for known in self._births.get(scope, {}).values() if known.found]

    def known(self, address: str) -> Known | None:
        """Find a born metric by its address."""
        return self._births.get(self._scope_of(address), {}).get(self._name_of(address))

    def watch(self, points: Iterable[Point], now_us: int = 0) -> None:
        """Say what is read from now on; tell what is known of it already, or, as of now, that nothing is."""
        self._points = {}
        for point in points:
            self._points.setdefault(point.address, []).append(point)
        self._unborn.clear()
        for births in self._births.values():
            for known in births.values():
                known.numbers = ()
        for address, wanted in self._points.items():
            born = self.known(address)
            if born is None or born.found is None:
                for point in wanted:
                    quality = BAD_NOT_SUPPORTED if born and address in self.refused else BAD_UNKNOWN
                    self.readings.add(point.number, now_us, None, quality)
            else:
                self._point(born, wanted)
                self._emit(born, *born.latest)

    def _point(self, known: Known, wanted: Sequence[Point]) -> None:
        known.numbers = tuple(point.number for point in wanted)
        known.as_text = any(point.is_text for point in wanted)

    def receive(self, kind: str, device: str, payload: Payload, clock: float, received_us: int = 0) -> None:
        """Take in one message of the node or of a device; raise MalformedPayload for one that cannot be read."""
        message = _Message(kind, device, payload, received_us)
        if kind == "NBIRTH":
            self._node_birth(message, clock)
        elif kind == "NDEATH":
            self._node_death(payload)
        elif kind not in ("NDATA", "DBIRTH", "DDATA", "DDEATH"):
            return
        elif "" not in self._births:
            self.wants_rebirth = f"{kind} came before a birth"
        elif payload.seq is None or payload.seq == self._expected:
            self._take(message)
            self._take_waiting(only_next=True)
            self._deadline = clock + self._reorder_s
        else:
            self._hold(message, payload.seq, clock)

    def malformed(self, reason: str) -> None:
        """Note a message that could not be decoded: what it said is unknown, so ask for everything."""
        self.wants_rebirth = reason

    def tick(self, clock: float) -> None:
        """Let the reorder timer and the wait for births run out."""
        if self._unborn and clock >= self._reborn_by:
            for known in (one for births in self._unborn.values() for one in births):
                self._emit(known, self._born_us, None, BAD_NO_COMMUNICATION)
            self._unborn.clear()
        if self._waiting and (clock >= self._deadline or self._waiting_octets > MOST_WAITING_OCTETS):
            self.gaps += 1
            self.wants_rebirth = f"message {self._expected} is missing"
            self._take_waiting(only_next=False)

    def _hold(self, message: _Message, seq: int, clock: float) -> None:
        """Keep a message that is ahead of its turn; one that comes after its turn brings only its values."""
        if (seq - self._expected) % _CYCLE < _CYCLE // 2:
            if not self._waiting:
                self._deadline = clock + self._reorder_s
            before = self._waiting.get(seq)
            self._waiting_octets += message.payload.octets - (before.payload.octets if before else 0)
            self._waiting[seq] = message
        elif message.kind in ("NDATA", "DDATA"):
            self._data(message)

    def _take_waiting(self, *, only_next: bool) -> None:
        while self._waiting:
            seq = min(self._waiting, key=lambda one: (one - self._expected) % _CYCLE)
            if only_next and seq != self._expected:
                return
            self._expected = seq
            message = self._waiting.pop(seq)
            self._waiting_octets -= message.payload.octets
            self._take(message)

    def _take(self, message: _Message) -> None:
        """Take a message whose turn it is."""
        if message.payload.seq is not None:
            self._expected = (message.payload.seq + 1) % _CYCLE
        if message.kind == "DBIRTH":
            self._device_birth(message)
        elif message.kind == "DDEATH":
            self._device_death(message)
        else:
            self._data(message)

    def _node_birth(self, message: _Message, clock: float) -> None:
        metrics = message.payload.metrics
        if not self._unborn:
            self._reborn_by, self._born_us = clock + REBORN_S, message.payload.time_us or message.received_us
        for scope in [one for one in self._births if one]:
            self._unborn[scope] = self._forget(scope)
        self._forget("")
        self._waiting.clear()
        self.refused.clear()
        self._waiting_octets = 0
        self.wants_rebirth = ""
        self._expected = ((message.payload.seq or 0) + 1) % _CYCLE
        self._bd_seq = _bd_seq(metrics)
        self._birth("", metrics, message)

    def _node_death(self, payload: Payload) -> None:
        told = _bd_seq(payload.metrics)
        is_old = told is not None and self._bd_seq is not None and told != self._bd_seq
        if "" in self._births and not is_old:
            self._births.clear()
            self._aliases.clear()
            self._templates.clear()
            self._unborn.clear()
            self.fault = "went offline (NDEATH)"

    def _device_birth(self, message: _Message) -> None:
        if len(self._births) > MOST_DEVICES and message.device not in self._births:
            self.refused[f"{message.device}/"] = f"the node has more than {MOST_DEVICES} devices"
            return
        self._birth(message.device, message.payload.metrics, message)

    def _birth(self, scope: str, metrics: Sequence[Metric], message: _Message) -> None:
        """Learn the metrics of the node or a device, and take their values."""
        self._forget(scope)
        self._unborn.pop(scope, None)
        room = MOST_METRICS - sum(len(births) for births in self._births.values())
        walked = list(_flat(metrics))
        flat = [(name, metric) for name, metric in walked if not metric.members]
        known = self._births[scope] = {}
        aliases = self._aliases[scope] = {}
        for name, metric in flat[:room]:
            one = known[name] = self._known(scope, name, metric)
            if metric.alias is not None:
                aliases[metric.alias] = one if metric.alias not in aliases else None
            if wanted := self._points.get(one.address):
                self._point(one, wanted)
        self._note_templates(scope, walked)
        for name, metric in flat[:room]:
            self._value(known[name], metric, message.received_us)
        for name, _ in flat[room:]:
            self.refused[self._address(scope, name)] = f"the node has more than {MOST_METRICS} metrics"
        for address, wanted in self._points.items():
            if self._scope_of(address) == scope and self._name_of(address) not in known:
                for point in wanted:
                    self.readings.add(point.number, message.received_us, None, BAD_UNKNOWN)

    def _note_templates(self, scope: str, walked: Sequence[tuple[str, Metric]]) -> None:
        """Learn the aliases of template instances, whose data may come by them."""
        aliases = self._aliases[scope]
        for name, metric in walked:
            if metric.members and metric.alias is not None:
                self._templates[scope, metric.alias] = name if metric.alias not in aliases else ""
                aliases[metric.alias] = None

    def _known(self, scope: str, name: str, metric: Metric) -> Known:
        address = self._address(scope, name)
        datatype = metric.datatype or guessed_datatype(metric)
        text = is_text(datatype) or proposes_digits(metric, datatype)
        found = None
        if (not self._device or scope == self._device) and not name.startswith(_OWN):
            if reason := why_not(datatype):
                self.refused[address] = reason
            else:
                label = name if self._device or not scope else f"{scope}/{name}"
                meaning = _meaning(name, metric.unit, text=text)
                found = Found(address=address, name=label, unit=metric.unit, meaning=meaning, is_text=text)
        return Known(
            scope=scope,
            name=name,
            address=address,
            alias=metric.alias,
            datatype=datatype,
            found=found,
            plain_field=PLAIN_FIELDS.get(datatype, "") if found else "",
            plain_limit=PLAIN_LIMITS.get(datatype, _LARGEST),
            is_execution=found is not None and found.meaning is Meaning.EXECUTION,
        )

    def _address(self, scope: str, name: str) -> str:
        """Address a metric: by its name below a device's endpoint, else as `/name` or `device/name`."""
        return name if self._device else f"{scope}/{name}"

    def _scope_of(self, address: str) -> str:
        return self._device or address.partition("/")[0]

    def _name_of(self, address: str) -> str:
        return address if self._device else address.partition("/")[2]

    def _data(self, message: _Message) -> None:
        """Take the values of a data message by alias or name: plain numbers in columns, the others one by one."""
        births = self._births.get(message.device)
        if births is None:
            self.wants_rebirth = f"{message.device} sent data before its birth"
            return
        aliases, stamp = self._aliases.get(message.device, {}), message.payload.time_us or message.received_us
        time_ms, time_us = 0, stamp
        signals: list[int] = []
        times: list[int] = []
        values: list[float] = []
        for sent in message.payload.sent:
            name, alias = sent.name, sent.alias
            known = births.get(name) if name else aliases.get(alias)
            value = _plain(sent, known) if known is not None and (name or alias) else None
            if known is None or value is None:
                self._one(message, read_metric(sent, stamp))
                continue
            if sent.timestamp != time_ms:  # they are mostly the same in one message
                time_ms = sent.timestamp
                time_us = stamp_us(time_ms) or stamp
            known.latest = time_us, value, GOOD
            for number in known.numbers:
                signals.append(number)
                times.append(time_us)
                values.append(value)
        self.readings.extend(signals, times, values)

    def _one(self, message: _Message, metric: Metric) -> None:
        """Take one metric of a data message with care; one that no birth announced wants a rebirth."""
        scope = message.device if metric.name else self._scope_with(metric.alias, message.device)
        for full, one in _flat((metric,), named=partial(self._named, scope)):
            born = self._births.get(scope, {}).get(full) if full else None
            if born is None and not one.members:
                is_shared = not full and one.alias in self._aliases.get(scope, {})
                what = "a metric came by an alias that several have" if is_shared else "an unknown metric came"
                self.wants_rebirth = f"{what} ({full or f'alias {one.alias}'})"
            elif born is not None:
                self._value(born, one, message.received_us)

    def _value(self, known: Known, metric: Metric, received_us: int) -> None:
        """Take one value of a known metric, if it is a signal in scope; old values never become the latest."""
        if known.found is None:
            return
        value, quality = value_of(metric, known.datatype)
        if known.is_execution and isinstance(value, str):
            value = execution_word(value)
        if not metric.is_historical:
            known.latest = metric.time_us or received_us, value, quality
        self._emit(known, metric.time_us or received_us, value, quality, is_historical=metric.is_historical)

    def _emit(self, known: Known, time_us: int, value: Value, quality: int, *, is_historical: bool = False) -> None:
        builder = self.historical if is_historical else self.readings
        value, quality = shown(value, quality, as_text=known.as_text)
        for number in known.numbers:
            builder.add(number, time_us, value, quality)

    def _device_death(self, message: _Message) -> None:
        """Forget a device that is gone: its metrics are stale from its death on; the endpoint's ends the link."""
        since_us = message.payload.time_us or message.received_us
        for known in (*self._forget(message.device), *self._unborn.pop(message.device, ())):
            self._emit(known, since_us, None, BAD_NO_COMMUNICATION)
        if message.device == self._device:
            self.fault = "went offline (DDEATH)"

    def _forget(self, scope: str) -> list[Known]:
        """Forget the births of the node or a device, with their aliases."""
        for one in self._aliases.pop(scope, {}):
            self._templates.pop((scope, one), None)
        return list(self._births.pop(scope, {}).values())

    def _scope_with(self, alias: int | None, scope: str) -> str:
        """Find whose alias it is: of who sent it, or of the only other one that has it."""
        if alias is None or alias in self._aliases.get(scope, {}):
            return scope
        others = [one for one, aliases in self._aliases.items() if alias in aliases]
        return others[0] if len(others) == 1 else scope

    def _named(self, scope: str, alias: int | None) -> str:
        """Find the full name of an alias, a template instance's too; empty where it is unknown or several have it."""
        if alias is None:
            return ""
        known = self._aliases.get(scope, {}).get(alias)
        return known.name if known else self._templates.get((scope, alias), "")


def _plain(sent: Any, known: Known) -> float | None:  # noqa: ANN401 - protobuf makes the class at run time
    """Read a good present number out of the field of its data type; None where it must be read with care."""
    field = known.plain_field
    if not field or sent.WhichOneof("value") != field or sent.is_historical or sent.is_null:
        return None
    value: float = getattr(sent, field)
    return value if -_LARGEST <= value <= known.plain_limit and not sent.HasField("properties") else None


def _bd_seq(metrics: Sequence[Metric]) -> int | None:
    numbers = [metric.raw for metric in metrics if metric.name == BD_SEQ]
    return int(numbers[0]) if numbers and isinstance(numbers[0], int) else None


def _meaning(name: str, unit: str, *, text: bool) -> Meaning:
    meaning = meaning_of(name.rpartition("/")[2], unit, is_text=text)
    return meaning if meaning is not Meaning.OTHER else meaning_of("/".join(name.split("/")[-2:]), unit, is_text=text)


def _flat(
    metrics: Sequence[Metric], prefix: str = "", named: Callable[[int | None], str] = lambda _: ""
) -> Iterator[tuple[str, Metric]]:
    """Walk metrics by full name, template instances first and then their members; `named` knows those without one."""
    for metric in metrics:
        name = f"{prefix}{metric.name}" if metric.name else named(metric.alias)
        yield name, metric
        yield from _flat(metric.members, f"{name}/", named)
