"""The MTConnect 2.0 agent's words: data items, the sequence-numbered buffer, requests and documents. Pure.

The buffer holds the last `size` observations; what falls out is kept as the state before the first sequence, so a
`current` at any sequence in the buffer can be answered. Errors carry the standard's codes (Part 1, section 8.3).
"""

import re
from collections.abc import Callable, Iterable, Mapping, Sequence
from html import escape

import msgspec

from interwork.simulate.faces import Plate
from interwork.simulate.model import Execution, State

VERSION = "2.0.0.12"
_EXTENSION = "urn:interwork:simulated-machine"
_EXECUTION = {
    # FAULT is no MTConnect execution: the machine is STOPPED and its SYSTEM condition is Fault
    Execution.READY: "READY",
    Execution.ACTIVE: "ACTIVE",
    Execution.STOPPED: "PROGRAM_STOPPED",
    Execution.FAULT: "STOPPED",
}


class Item(msgspec.Struct, frozen=True, kw_only=True):
    """One data item of the device model."""

    id: str
    name: str
    category: str
    type: str
    sub_type: str = ""
    units: str = ""
    native: str = ""
    component: str
    """Key of `COMPONENTS`."""
    needs: str = ""
    """The variable without which the machine does not have it."""
    read: Callable[[State], str]

    @property
    def element(self) -> str:
        """Name its observation's XML element."""
        prefix, _, plain = self.type.rpartition(":")
        pascal = "".join(word.capitalize() for word in plain.split("_"))
        return f"{prefix}:{pascal}" if prefix else pascal


def _number(value: float, digits: int) -> str:
    return f"{round(value, digits):.{digits}f}"


def _sample(id_: str, name: str, type_: str, component: str, read: Callable[[State], str], **more: str) -> Item:
    return Item(id=id_, name=name, category="SAMPLE", type=type_, component=component, needs=name, read=read, **more)


def _event(id_: str, name: str, type_: str, component: str, read: Callable[[State], str], **more: str) -> Item:
    return Item(id=id_, name=name, category="EVENT", type=type_, component=component, read=read, **more)


COMPONENTS = {
    # key: (element, name, parent key); the device itself is ""
    "axes": ("Axes", "Axes", ""),
    "spindle": ("Rotary", "C", "axes"),
    "controller": ("Controller", "Controller", ""),
    "path": ("Path", "Path", "controller"),
    "systems": ("Systems", "Systems", ""),
    "electric": ("Electric", "Electric", "systems"),
    "coolant": ("Coolant", "Coolant", "systems"),
}

ITEMS = (
    _event("avail", "Availability", "AVAILABILITY", "", lambda _: "AVAILABLE"),
    _sample(
        "speed",
        "SpindleSpeed",
        "ROTARY_VELOCITY",
        "spindle",
        lambda state: _number(state.spindle_speed_rpm, 0),
        sub_type="ACTUAL",
        units="REVOLUTION/MINUTE",
    ),
    _sample(
        "load", "SpindleLoad", "LOAD", "spindle", lambda state: _number(state.spindle_load_pct, 1), units="PERCENT"
    ),
    Item(
        id="system",
        name="Alarm",
        category="CONDITION",
        type="SYSTEM",
        component="controller",
        read=lambda state: state.alarm,
    ),
    _event("exec", "Execution", "EXECUTION", "path", lambda state: _EXECUTION[state.execution]),
    _event("program", "Program", "PROGRAM", "path", lambda state: state.program or "UNAVAILABLE"),
    _event("count", "PartCount", "PART_COUNT", "path", lambda state: str(state.part_count), sub_type="ALL"),
    _sample(
        "feed",
        "FeedRate",
        "PATH_FEEDRATE",
        "path",
        lambda state: _number(state.feed_mm_min / 60, 2),
        sub_type="ACTUAL",
        units="MILLIMETER/SECOND",
        native="MILLIMETER/MINUTE",
    ),
    _sample("wear", "ToolWear", "x:TOOL_WEAR", "path", lambda state: _number(state.tool_wear_pct, 2), units="PERCENT"),
    _sample("power", "Power", "WATTAGE", "electric", lambda state: _number(state.power_kw * 1000, 0), units="WATT"),
    _sample(
        "energy",
        "Energy",
        "ELECTRICAL_ENERGY",
        "electric",
        lambda state: _number(state.energy_kwh * 3.6e6, 0),
        units="WATT_SECOND",
        native="KILOWATT_HOUR",
    ),
    _sample(
        "level",
        "CoolantLevel",
        "FILL_LEVEL",
        "coolant",
        lambda state: _number(state.coolant_level_pct, 2),
        units="PERCENT",
    ),
    _sample(
        "ctemp",
        "CoolantTemperature",
        "TEMPERATURE",
        "coolant",
        lambda state: _number(state.coolant_temperature_cel, 2),
        units="CELSIUS",
    ),
    _sample(
        "water",
        "Water",
        "VOLUME_FLUID",
        "coolant",
        lambda state: _number(state.water_l * 1000, 0),
        sub_type="CONSUMED",
        units="MILLILITER",
        native="LITER",
    ),
)


def items_of(plate: Plate) -> tuple[Item, ...]:
    """List the data items of a machine with this plate."""
    present = {variable.name for variable in plate.variables}
    return tuple(item for item in ITEMS if not item.needs or item.needs in present)


class AgentError(Exception):
    """A request the standard has an error code for."""

    def __init__(self, code: str, message: str, status: int = 400) -> None:
        super().__init__(message)
        self.code, self.message, self.status = code, message, status


class Observation(msgspec.Struct, frozen=True):
    """One change of one data item."""

    sequence: int
    item: Item
    time: str
    value: str


class Buffer:
    """The agent's ring of observations, and the state before its first one."""

    def __init__(self, size: int) -> None:
        self.size = size
        self._ring: list[Observation] = []
        self._before: dict[str, Observation] = {}
        self._latest: dict[str, Observation] = {}
        self.next = 1

    @property
    def first(self) -> int:
        """Tell the oldest sequence held (1 while nothing is)."""
        return max(self.next - self.size, 1)

    def add(self, item: Item, time: str, value: str) -> bool:
        """Take an observation where the value is new; tell whether it was."""
        last = self._latest.get(item.id)
        if last is not None and last.value == value:
            return False
        observation = Observation(self.next, item, time, value)
        self._latest[item.id] = observation
        if len(self._ring) < self.size:
            self._ring.append(observation)
        else:
            slot = (self.next - 1) % self.size
            old, self._ring[slot] = self._ring[slot], observation
            self._before[old.item.id] = old
        self.next += 1
        return True

    def window(self, start: int, count: int) -> tuple[list[Observation], int]:
        """Return at most `count` observations from a sequence on, and the sequence to ask for next."""
        end = min(start + count, self.next)
        return [self._ring[(sequence - 1) % self.size] for sequence in range(start, end)], max(end, start)

    def at(self, sequence: int | None = None) -> list[Observation]:
        """Return the latest observation of each item, or that at a sequence in the buffer."""
        if sequence is None:
            return list(self._latest.values())
        state = dict(self._before)
        for observation in self.window(self.first, sequence - self.first + 1)[0]:
            state[observation.item.id] = observation
        return list(state.values())


class Query(msgspec.Struct, frozen=True, kw_only=True):
    """A checked `current` or `sample` request."""

    at: int | None = None
    start: int
    count: int = 100
    interval_ms: int | None = None
    heartbeat_ms: int = 10_000


_PARAMETERS = {"current": {"at", "interval"}, "sample": {"from", "count", "interval", "heartbeat"}}


def parse_query(request: str, parameters: Mapping[str, str], buffer: Buffer) -> Query:
    """Check the parameters of a request; raise AgentError with the standard's code."""
    for name in parameters:
        if name not in _PARAMETERS[request]:
            raise AgentError("INVALID_REQUEST", f"The parameter {name!r} of {request} is not supported here.")
    numbers = {name: _whole(name, text) for name, text in parameters.items()}
    last = buffer.next - 1
    start, count = numbers.get("from", 0) or buffer.first, numbers.get("count", min(100, buffer.size))
    if request == "sample" and count < 0 and "from" not in numbers:
        start = last
    _within("from", start, buffer.first, buffer.next)
    if count == 0 or abs(count) > buffer.size:
        raise AgentError("OUT_OF_RANGE", f"count must be 1 to {buffer.size}, or -1 to -{buffer.size}, not {count}.")
    if "at" in numbers:
        if "interval" in numbers:
            raise AgentError("INVALID_REQUEST", "at and interval exclude each other.")
        _within("at", numbers["at"], buffer.first, last)
    if "interval" in numbers:
        _within("interval", numbers["interval"], 0, 2**31 - 1)
        if count < 0:
            raise AgentError("OUT_OF_RANGE", "A stream reads forward: count must be positive.")
    heartbeat_ms = numbers.get("heartbeat", 10_000)
    _within("heartbeat", heartbeat_ms, 1, 2**31 - 1)
    if count < 0:
        first = max(start + count + 1, buffer.first)
        start, count = first, start - first + 1
    return Query(
        at=numbers.get("at"), start=start, count=count, interval_ms=numbers.get("interval"), heartbeat_ms=heartbeat_ms
    )


def _whole(name: str, text: str) -> int:
    if not re.fullmatch(r"-?\d{1,18}", text):
        raise AgentError("INVALID_REQUEST", f"{name} must be a whole number, not {text!r}.")
    return int(text)


def _within(name: str, number: int, low: int, high: int) -> None:
    if not low <= number <= high:
        raise AgentError("OUT_OF_RANGE", f"{name} must be {low} to {high}, not {number}.")


class Documents:
    """Writes the agent's XML documents for one device."""

    def __init__(self, plate: Plate, name: str, instance: int, buffer: Buffer) -> None:
        self._plate, self.name, self.uuid = plate, name, f"simulated-{name}"
        self._instance, self._buffer = instance, buffer
        self.items = items_of(plate)

    def check_device(self, device: str) -> None:
        """Raise AgentError for a device that is not this one; empty means any."""
        if device not in {"", self.name, self.uuid}:
            raise AgentError("NO_DEVICE", f"There is no device {device!r} here.", 404)

    def devices(self, time: str) -> bytes:
        """Write the answer to `probe`."""
        plate = self._plate
        tree = self._components("")
        body = (
            f'<Devices><Device id="d1" name="{self.name}" uuid="{self.uuid}">'
            f'<Description manufacturer="Interwork (simulated)" model="Simulated {escape(plate.profile.title)}">'
            f"{escape(plate.description())}</Description>{self._data_items('')}"
            f"<Components>{tree}</Components></Device></Devices>"
        )
        more = f'assetBufferSize="0" assetCount="0" bufferSize="{self._buffer.size}"'
        return self._document("Devices", time, more, body)

    def streams(self, time: str, observations: Sequence[Observation], following: int) -> bytes:
        """Write observations as the answer to `current` and `sample`."""
        buffer = self._buffer
        more = (
            f'bufferSize="{buffer.size}" firstSequence="{buffer.first}" lastSequence="{buffer.next - 1}" '
            f'nextSequence="{following}"'
        )
        streams = "".join(
            self._stream(key, [one for one in observations if one.item.component == key]) for key in ("", *COMPONENTS)
        )
        body = f'<Streams><DeviceStream name="{self.name}" uuid="{self.uuid}">{streams}</DeviceStream></Streams>'
        return self._document("Streams", time, more, body)

    def error(self, time: str, fault: AgentError) -> bytes:
        """Write an error document."""
        body = f'<Errors><Error errorCode="{fault.code}">{escape(fault.message)}</Error></Errors>'
        return self._document("Error", time, f'bufferSize="{self._buffer.size}"', body)

    def _document(self, kind: str, time: str, more: str, body: str) -> bytes:
        return (
            f'<?xml version="1.0" encoding="UTF-8"?>\n<MTConnect{kind} '
            f'xmlns="urn:mtconnect.org:MTConnect{kind}:2.0" xmlns:x="{_EXTENSION}">'
            f'<Header creationTime="{time}" sender="interwork-simulated" instanceId="{self._instance}" '
            f'version="{VERSION}" testIndicator="true" {more}/>{body}</MTConnect{kind}>'
        ).encode()

    def _components(self, parent: str) -> str:
        """Write the components below one, leaving out those with nothing in them."""
        written = []
        for key, (element, name, above) in COMPONENTS.items():
            if above != parent:
                continue
            inner = self._components(key)
            content = self._data_items(key) + (f"<Components>{inner}</Components>" if inner else "")
            if content:
                written.append(f'<{element} id="{key}" name="{name}">{content}</{element}>')
        return "".join(written)

    def _data_items(self, component: str) -> str:
        items = "".join(_data_item(item) for item in self.items if item.component == component)
        return f"<DataItems>{items}</DataItems>" if items else ""

    def _stream(self, key: str, observations: Sequence[Observation]) -> str:
        if not observations:
            return ""
        element, name, _ = COMPONENTS.get(key, ("Device", self.name, ""))
        groups = "".join(
            _group(tag, [one for one in observations if one.item.category == category])
            for tag, category in (("Samples", "SAMPLE"), ("Events", "EVENT"), ("Condition", "CONDITION"))
        )
        head = f'component="{element}" name="{name}" componentId="{key or "d1"}"'
        return f"<ComponentStream {head}>{groups}</ComponentStream>"


def _data_item(item: Item) -> str:
    attributes = {"subType": item.sub_type, "units": item.units, "nativeUnits": item.native}
    more = "".join(f' {name}="{value}"' for name, value in attributes.items() if value)
    return f'<DataItem id="{item.id}" name="{item.name}" category="{item.category}" type="{item.type}"{more}/>'


def _group(tag: str, observations: Iterable[Observation]) -> str:
    content = "".join(_observation(one) for one in observations)
    return f"<{tag}>{content}</{tag}>" if content else ""


def _observation(one: Observation) -> str:
    item = one.item
    head = f'dataItemId="{item.id}" name="{item.name}" sequence="{one.sequence}" timestamp="{one.time}"'
    if item.category == "CONDITION":
        head += f' type="{item.type}"'
        if not one.value:
            return f"<Normal {head}/>"
        return f'<Fault {head} nativeCode="{escape(one.value)}">{escape(one.value)}</Fault>'
    if item.sub_type:
        head += f' subType="{item.sub_type}"'
    return f"<{item.element} {head}>{escape(one.value)}</{item.element}>"
