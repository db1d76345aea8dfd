"""Modbus registers to values: the register map, how it is read in few requests, and the decoding. Pure.

Modbus does not describe itself, so the map comes from the options. A register entry is
`{address, name, type, scale, unit, meaning}` and, where needed, `table` (holding or input), `order` (ABCD, CDAB,
BADC, DCBA: how the octets of a value lie in its registers), `bit` (of a u16), `length` (registers of a text) and
`states` (`{"0": "READY", …}`: words for numbers; then the signal is a text). Addresses count from 0.
A float that is not a number is how devices say that they have no value.
"""

import math
import struct
from collections.abc import Mapping, Sequence
from typing import Any

import msgspec

from interwork.connectors import BAD_DECODING, Found
from interwork.connectors.naming import execution_word, meaning_of, unit_code
from interwork.core.errors import BadInput
from interwork.core.resource import BAD_NO_DATA, GOOD, Meaning

GAP = 10
"""Registers nobody asked for that are read along rather than making another request."""

LIMIT = 125
"""Most registers in one request (Modbus Application Protocol 1.1b3, 6.3)."""

_FORMATS = {"u16": ">H", "i16": ">h", "u32": ">I", "i32": ">i", "f32": ">f", "u64": ">Q", "i64": ">q", "f64": ">d"}
_ORDERS = ("ABCD", "CDAB", "BADC", "DCBA")
_TABLES = ("holding", "input")
_LAST = 0xFFFF


class _Entry(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """A register entry as typed in the options."""

    address: int
    name: str
    type: str = "u16"
    scale: float = 1.0
    unit: str = ""
    meaning: str = ""
    table: str = "holding"
    order: str = "ABCD"
    bit: int | None = None
    length: int = 1
    states: dict[str, str] = {}


class Register(msgspec.Struct, frozen=True, kw_only=True):
    """One value in the map: where it lies and how it is read."""

    key: str
    """What a signal's address says: `100`, `input:100`, `100.3`."""
    found: Found
    table: str
    address: int
    width: int
    """How many registers it takes."""
    type: str
    order: str
    scale: float
    bit: int | None
    states: dict[int, str]


class Block(msgspec.Struct, frozen=True):
    """Registers read in one request."""

    table: str
    address: int
    count: int
    registers: tuple[Register, ...]


def parse_registers(entries: object) -> dict[str, Register]:
    """Read the register map of the options; raise BadInput naming the entry and the fault."""
    if not isinstance(entries, Sequence) or isinstance(entries, str | bytes) or not entries:
        raise BadInput(
            "Modbus does not describe itself and the option registers is missing or empty.",
            remedy="Give a list of {address, name, type, scale, unit, meaning} from the machine's manual.",
        )
    registers: dict[str, Register] = {}
    for position, raw in enumerate(entries):
        register = _parse_entry(position, raw)
        if register.key in registers:
            raise BadInput(f"Two registers have the address {register.key}.", remedy="Name each address once.")
        registers[register.key] = register
    return registers


def _parse_entry(position: int, raw: object) -> Register:
    where = f"registers[{position}]"
    try:
        entry = msgspec.convert(raw, _Entry, strict=False)
        states = {int(number): word for number, word in entry.states.items()}
        meaning = Meaning(entry.meaning) if entry.meaning else None
    except (msgspec.ValidationError, ValueError) as fault:
        raise BadInput(f"{where}: {fault}.", remedy="See the register map in the connector's reference.") from fault
    width = entry.length if entry.type == "text" else _width(entry.type)
    faults = _faults(entry, width)
    if faults:
        raise BadInput(f"{where} {entry.name!r}: {'; '.join(faults)}.", remedy="Mend the register map.")
    is_text = entry.type == "text" or bool(states)
    unit = unit_code(entry.unit)
    key = (f"{entry.table}:" if entry.table != "holding" else "") + str(entry.address)
    key += f".{entry.bit}" if entry.bit is not None else ""
    guessed = meaning_of(entry.name, unit, is_text=is_text)
    return Register(
        key=key,
        found=Found(address=key, name=entry.name, unit=unit, meaning=meaning or guessed, is_text=is_text),
        table=entry.table,
        address=entry.address,
        width=width,
        type=entry.type,
        order=entry.order,
        scale=entry.scale,
        bit=entry.bit,
        states=states,
    )


def _width(type_name: str) -> int:
    return struct.calcsize(_FORMATS.get(type_name, ">H")) // 2


def _faults(entry: _Entry, width: int) -> list[str]:
    rules = (
        (entry.type in _FORMATS or entry.type == "text", f"type {entry.type!r} is none of {', '.join(_FORMATS)}, text"),
        (entry.table in _TABLES, f"table {entry.table!r} is none of {', '.join(_TABLES)}"),
        (entry.order in _ORDERS, f"order {entry.order!r} is none of {', '.join(_ORDERS)}"),
        (1 <= width <= LIMIT, f"length {width} is not 1 to {LIMIT} registers"),
        (entry.address >= 0 and entry.address + width - 1 <= _LAST, f"address {entry.address} is not 0 to {_LAST}"),
        (entry.bit is None or (0 <= entry.bit <= 15 and entry.type == "u16"), "a bit is 0 to 15 of a u16"),
        (math.isfinite(entry.scale) and entry.scale != 0, f"scale {entry.scale} is not a factor"),
        (bool(entry.name.strip()), "the name is empty"),
    )
    return [fault for holds, fault in rules if not holds]


def blocks_of(registers: Sequence[Register], *, gap: int = GAP, limit: int = LIMIT) -> list[Block]:
    """Group registers into as few requests as possible: unread gaps of at most `gap`, at most `limit` registers."""
    blocks: list[Block] = []
    for register in sorted(registers, key=lambda one: (one.table, one.address, one.width)):
        end = register.address + register.width
        last = blocks[-1] if blocks else None
        if last and last.table == register.table and register.address - (last.address + last.count) <= gap:
            count = max(end - last.address, last.count)
            if count <= limit:
                blocks[-1] = Block(last.table, last.address, count, (*last.registers, register))
                continue
        blocks.append(Block(register.table, register.address, register.width, (register,)))
    return blocks


def singly(block: Block) -> list[Block]:
    """Split a block that was refused, so that one forbidden address does not stop the others."""
    return [Block(one.table, one.address, one.width, (one,)) for one in block.registers]


def decode(register: Register, words: Sequence[int]) -> tuple[float | str | None, int]:
    """Turn a register's words into a value and its quality; never raises on what a machine may send."""
    if len(words) != register.width:
        return None, BAD_DECODING
    octets = b"".join(word.to_bytes(2, "big") for word in _ordered(words, register))
    if register.type == "text":
        return _text_of(octets.split(b"\0", 1)[0], register)
    number = struct.unpack(_FORMATS[register.type], octets)[0]
    if register.bit is not None:
        number = number >> register.bit & 1
    if register.states:
        word = register.states.get(int(number) if math.isfinite(number) else -1)
        if word is None:
            return None, BAD_DECODING
        return _worded(word, register), GOOD
    value = number * register.scale
    return (value, GOOD) if math.isfinite(value) else (None, BAD_NO_DATA)


def _text_of(octets: bytes, register: Register) -> tuple[str | None, int]:
    try:
        return _worded(octets.decode("utf-8").strip(), register), GOOD
    except UnicodeDecodeError:
        return None, BAD_DECODING


def _worded(text: str, register: Register) -> str:
    return execution_word(text) if register.found.meaning is Meaning.EXECUTION else text


def _ordered(words: Sequence[int], register: Register) -> list[int]:
    """Bring a value's registers into most-significant-first order (a text keeps its register order)."""
    ordered = list(words)
    if register.order in ("CDAB", "DCBA") and register.type != "text":
        ordered.reverse()
    if register.order in ("BADC", "DCBA"):
        ordered = [(word & 0xFF) << 8 | word >> 8 for word in ordered]
    return ordered


_EXCEPTION_QUALITY: Mapping[int, int] = {
    # Modbus exception code (Application Protocol 1.1b3, section 7): OPC UA status code
    1: 0x803D_0000,  # illegal function: Bad_NotSupported
    2: 0x803C_0000,  # illegal data address: Bad_OutOfRange
    3: 0x803C_0000,  # illegal data value: Bad_OutOfRange
    4: 0x808B_0000,  # server device failure: Bad_DeviceFailure
    5: 0x8004_0000,  # acknowledge, still busy: Bad_ResourceUnavailable
    6: 0x8004_0000,  # server device busy: Bad_ResourceUnavailable
    10: 0x8031_0000,  # gateway path unavailable: Bad_NoCommunication
    11: 0x8031_0000,  # gateway target failed to respond: Bad_NoCommunication
}


def exception_quality(code: int) -> int:
    """Tell the OPC UA status code of a Modbus exception."""
    return _EXCEPTION_QUALITY.get(code, 0x808B_0000)


def parse_unit(query: Mapping[str, Any]) -> int:
    """Read the unit id of the endpoint's query (`?unit=1`)."""
    text = query.get("unit", "1")
    if not str(text).isdigit() or not 0 <= int(text) <= 255:
        raise BadInput(f"The unit id {text!r} is not 0 to 255.", remedy="Write modbus://host:port?unit=1.")
    return int(text)
