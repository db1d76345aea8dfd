"""What a host application knows of one edge node: births, aliases, order, deaths (Sparkplug 3.0, chapter 5). No I/O.

Messages of an edge node and its devices share one sequence 0 to 255. A message ahead of its turn waits for the
missing ones until the reorder timer runs out; then what waits is taken in order and a rebirth is wanted. Data before
a birth, an unknown alias or a broken payload also want one. NDEATH counts only with the bdSeq of the running birth.
"""

from collections.abc import Callable, Iterable, Iterator, Sequence

import msgspec

from interwork.connectors import BAD_UNKNOWN, Found
from interwork.connectors.naming import execution_word, meaning_of
from interwork.connectors.sparkplug.wire import Metric, Payload, guessed_datatype, is_number, is_text, value_of
from interwork.core.resource import BAD_NO_COMMUNICATION, Meaning

_CYCLE = 256
_OWN = ("bdSeq", "Node Control/", "Device Control/")
"""Metrics of the protocol itself."""

Emit = Callable[[str, int, float | str | None, int], None]
"""Takes a reading: address, time in microseconds (0 = now), value, quality."""


class _Known(msgspec.Struct, frozen=True, kw_only=True):
    """A metric that a birth announced."""

    address: str
    datatype: int
    found: Found | None
    """None for a metric that cannot be a signal."""


class _Message(msgspec.Struct, frozen=True):
    kind: str
    device: str
    payload: Payload


class EdgeNode:
    """One edge node seen through the endpoint: as a whole, or one device of it."""

    def __init__(self, device: str, emit: Emit, reorder_s: float) -> None:
        self._device = device
        self._emit = emit
        self._reorder_s = reorder_s
        self._births: dict[str, dict[str, _Known]] = {}
        self._aliases: dict[int, tuple[str, str]] = {}
        self._bd_seq: int | None = None
        self._expected = 0
        self._waiting: dict[int, _Message] = {}
        self._deadline = 0.0
        self._wanted: frozenset[str] = frozenset()
        self.wants_rebirth = ""
        """Why a rebirth should be asked for; empty when none is needed."""
        self.fault = ""
        """Why the link is lost; empty as long as it is not."""
        self.gaps = 0
        """How often messages of the node were missing."""
        self._latest: dict[str, tuple[int, float | str | None, int]] = {}

    @property
    def is_born(self) -> bool:
        """Tell whether the births of what the endpoint names were seen."""
        return "" in self._births and (not self._device or self._device in self._births)

    def found(self) -> list[Found]:
        """List the scalar metrics of the births in scope."""
        scopes = (self._device,) if self._device else tuple(self._births)
        return [known.found for scope in scopes for known in self._births.get(scope, {}).values() if known.found]

    def watch(self, addresses: Iterable[str]) -> None:
        """Say which metrics are read from now on; tell what is known of them already."""
        self._wanted = frozenset(addresses)
        for address in sorted(self._wanted):
            self._emit(address, *self._latest.get(address, (0, None, BAD_UNKNOWN)))

    def receive(self, kind: str, device: str, payload: Payload, clock: float) -> None:
        """Take in one message of the node or of a device."""
        message = _Message(kind, device, payload)
        if kind == "NBIRTH":
            self._node_birth(message)
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
        """Let the reorder timer run out."""
        if self._waiting and clock >= self._deadline:
            self.gaps += 1
            self.wants_rebirth = f"message {self._expected} is missing"
            self._take_waiting(only_next=False)

    def _hold(self, message: _Message, seq: int, clock: float) -> None:
        """Keep a message that is ahead of its turn; one that comes after its turn brings only its values."""
        if (seq - self._expected) % _CYCLE < _CYCLE // 2:
            if not self._waiting:
                self._deadline = clock + self._reorder_s
            self._waiting[seq] = message
        elif message.kind in ("NDATA", "DDATA"):
            self._data(message)

    def _take_waiting(self, *, only_next: bool) -> None:
        while self._waiting:
            seq = min(self._waiting, key=lambda one: (one - self._expected) % _CYCLE)
            if only_next and seq != self._expected:
                return
            self._expected = seq
            self._take(self._waiting.pop(seq))

    def _take(self, message: _Message) -> None:
        """Take a message whose turn it is."""
        if message.payload.seq is not None:
            self._expected = (message.payload.seq + 1) % _CYCLE
        if message.kind == "DBIRTH":
            self._birth(message.device, message.payload)
        elif message.kind == "DDEATH":
            self._device_death(message.device)
        else:
            self._data(message)

    def _node_birth(self, message: _Message) -> None:
        self._births.clear()
        self._aliases.clear()
        self._waiting.clear()
        self.wants_rebirth = ""
        self._expected = ((message.payload.seq or 0) + 1) % _CYCLE
        numbers = [metric.raw for metric in message.payload.metrics if metric.name == "bdSeq"]
        self._bd_seq = int(numbers[0]) if numbers and isinstance(numbers[0], int) else None
        self._birth("", message.payload)

    def _node_death(self, payload: Payload) -> None:
        numbers = [metric.raw for metric in payload.metrics if metric.name == "bdSeq"]
        is_old = bool(numbers) and self._bd_seq is not None and numbers[0] != self._bd_seq
        if "" in self._births and not is_old:
            self._births.clear()
            self.fault = "went offline (NDEATH)"

    def _birth(self, scope: str, payload: Payload) -> None:
        """Learn the metrics of the node or a device, and take their values."""
        known = self._births[scope] = {}
        metrics = list(_flat(payload.metrics))
        for name, metric in metrics:
            known[name] = self._known(scope, name, metric)
            if metric.alias is not None:
                self._aliases[metric.alias] = scope, name
        for name, metric in metrics:
            self._value(known[name], metric)
        for address in self._wanted:
            if self._scope_of(address) == scope and self._name_of(address) not in known:
                self._put(address, 0, None, BAD_UNKNOWN)

    def _known(self, scope: str, name: str, metric: Metric) -> _Known:
        address = self._address(scope, name)
        datatype = metric.datatype or guessed_datatype(metric)
        text = is_text(datatype)
        is_in_scope = not self._device or scope == self._device
        if not is_in_scope or not (text or is_number(datatype)) or name.startswith(_OWN):
            return _Known(address=address, datatype=datatype, found=None)
        meaning = meaning_of(name.rpartition("/")[2], metric.unit, is_text=text)
        if meaning is Meaning.OTHER:
            meaning = meaning_of("/".join(name.split("/")[-2:]), metric.unit, is_text=text)
        label = name if self._device or not scope else f"{scope}/{name}"
        found = Found(address=address, name=label, unit=metric.unit, meaning=meaning, is_text=text)
        return _Known(address=address, datatype=datatype, found=found)

    def _address(self, scope: str, name: str) -> str:
        """Address a metric: by its name below a device's endpoint, else as `/name` or `device/name`."""
        return name if self._device else f"{scope}/{name}"

    def _scope_of(self, address: str) -> str:
        return self._device or address.partition("/")[0]

    def _name_of(self, address: str) -> str:
        return address if self._device else address.partition("/")[2]

    def _data(self, message: _Message) -> None:
        """Take the values of a data message by alias or name."""
        if message.device not in self._births:
            self.wants_rebirth = f"{message.device} sent data before its birth"
            return
        for metric in message.payload.metrics:
            scope, name = message.device, metric.name
            if not name and metric.alias is not None:
                scope, name = self._aliases.get(metric.alias, (message.device, ""))
            for full, one in _flat((metric,), name):
                known = self._births.get(scope, {}).get(full)
                if known is None:
                    self.wants_rebirth = f"an unknown metric came ({full or f'alias {metric.alias}'})"
                else:
                    self._value(known, one)

    def _value(self, known: _Known, metric: Metric) -> None:
        """Take one value of a known metric, if it is a signal in scope; old values never become the latest."""
        if known.found is None:
            return
        value, quality = value_of(metric, known.datatype)
        if known.found.meaning is Meaning.EXECUTION and isinstance(value, str):
            value = execution_word(value)
        if metric.is_historical:
            if known.address in self._wanted:
                self._emit(known.address, metric.time_us, value, quality)
            return
        self._put(known.address, metric.time_us, value, quality)

    def _put(self, address: str, time_us: int, value: float | str | None, quality: int) -> None:
        self._latest[address] = time_us, value, quality
        if address in self._wanted:
            self._emit(address, time_us, value, quality)

    def _device_death(self, device: str) -> None:
        """Forget a device that is gone: the endpoint's own ends the link, another one's metrics go bad once."""
        for known in self._births.pop(device, {}).values():
            if not self._device:
                self._put(known.address, 0, None, BAD_NO_COMMUNICATION)
        if device == self._device:
            self.fault = "went offline (DDEATH)"


def _flat(metrics: Sequence[Metric], own: str = "", prefix: str = "") -> Iterator[tuple[str, Metric]]:
    """Walk metrics by full name, template instances through to their members; `own` replaces a missing name."""
    for metric in metrics:
        name = f"{prefix}{own or metric.name}"
        if metric.members:
            yield from _flat(metric.members, prefix=f"{name}/")
        else:
            yield name, metric
