"""The register map: what a person says a device has, since Modbus does not describe itself. Pure.

A register entry is `{address, name, type, scale, offset, unit, meaning}` and, where needed, `table` (holding, input,
coil or discrete), `order` (ABCD, CDAB, BADC, DCBA: how the octets of a value lie in its registers), `bit` (of a u16)
with `bits` (how many from there on, 1 unless said), `length` (registers of a text) and `states`
(`{"0": "READY", …}`: words for numbers; then the signal is a text).
Addresses count from 0.
"""

import math
import struct
from collections.abc import Mapping, Sequence
from typing import Any

import msgspec

from interwork.connectors import Found
from interwork.connectors.naming import meaning_of, unit_code
from interwork.core.errors import BadInput
from interwork.core.resource import Meaning

GAP = 10
"""Registers nobody asked for that are read along rather than making another request."""
LIMIT = 125
"""Most registers in one request (Modbus Application Protocol 1.1b3, 6.3)."""
BIT_LIMIT = 2_000
"""Most coils or discrete inputs in one request (6.1)."""

FORMATS = {"u16": ">H", "i16": ">h", "u32": ">I", "i32": ">i", "f32": ">f", "u64": ">Q", "i64": ">q", "f64": ">d"}
BIT_TABLES = ("coil", "discrete")
_ORDERS = ("ABCD", "CDAB", "BADC", "DCBA")
_TABLES = ("holding", "input", *BIT_TABLES)
_TYPES = (*FORMATS, "text", "bool")
_LAST = 0xFFFF


class _Entry(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """A register entry as typed in the options."""

    address: int
    name: str
    type: str = ""
    scale: float = 1.0
    offset: float = 0.0
    unit: str = ""
    meaning: str = ""
    table: str = "holding"
    order: str = ""
    bit: int | None = None
    bits: int = 1
    length: int = 1
    states: dict[str, str] = {}


class Register(msgspec.Struct, frozen=True, kw_only=True):
    """One value in the map: where it lies and how it is read."""

    key: str
    """What a signal's address says: `100`, `input:100`, `coil:7`, `100.3`, `100.4:2`."""
    found: Found
    table: str
    address: int
    width: int
    """How many registers, or coils, it takes."""
    type: str
    order: str
    scale: float
    offset: float
    bit: int | None
    """The lowest of the bits that are the value; None = the whole register."""
    bits: int
    states: dict[int, str]


class Block(msgspec.Struct, frozen=True):
    """Registers read in one request."""

    table: str
    address: int
    count: int
    registers: tuple[Register, ...]

    @property
    def span(self) -> tuple[str, int, int]:
        """Tell table, first address and count: what a request says of it."""
        return self.table, self.address, self.count


def parse_registers(entries: object, order: str = "ABCD") -> dict[str, Register]:
    """Read the register map of the options; raise BadInput naming the entry and the fault."""
    if not isinstance(entries, Sequence) or isinstance(entries, str | bytes) or not entries:
        raise BadInput(
            "Modbus does not describe itself and the option registers is missing or empty.",
            remedy="Give a table of address, name, type, scale, unit and meaning from the machine's manual: "
            "--map FILE.csv on the command line, a file to choose on the page.",
        )
    registers: dict[str, Register] = {}
    for position, raw in enumerate(entries):
        register = _parse_entry(position, raw, order)
        if register.key in registers:
            raise BadInput(f"Two registers have the address {register.key}.", remedy="Name each address once.")
        registers[register.key] = register
    return registers


def _parse_entry(position: int, raw: object, order: str) -> Register:
    where = f"registers[{position}]"
    try:
        entry = msgspec.convert(raw, _Entry, strict=False)
        states = {int(number): word for number, word in entry.states.items()}
        meaning = Meaning(entry.meaning) if entry.meaning else None
    except (msgspec.ValidationError, ValueError) as fault:
        raise BadInput(f"{where}: {fault}.", remedy="See the register map in the connector's reference.") from fault
    type_name = entry.type or ("bool" if entry.table in BIT_TABLES else "u16")
    type_name = "text" if type_name == "string" else type_name
    width = entry.length if type_name == "text" else struct.calcsize(FORMATS.get(type_name, ">H")) // 2
    faults = _faults(entry, type_name, entry.order or order, width)
    if faults:
        raise BadInput(f"{where} {entry.name!r}: {'; '.join(faults)}.", remedy="Mend the register map.")
    is_text = type_name == "text" or bool(states)
    unit = unit_code(entry.unit)
    key = (f"{entry.table}:" if entry.table != "holding" else "") + str(entry.address)
    key += f".{entry.bit}" if entry.bit is not None else ""
    key += f":{entry.bits}" if entry.bits > 1 else ""
    guessed = meaning_of(entry.name, unit, is_text=is_text)
    return Register(
        key=key,
        found=Found(address=key, name=entry.name, unit=unit, meaning=meaning or guessed, is_text=is_text),
        table=entry.table,
        address=entry.address,
        width=width,
        type=type_name,
        order=entry.order or order,
        scale=entry.scale,
        offset=entry.offset,
        bit=entry.bit,
        bits=entry.bits,
        states=states,
    )


def _faults(entry: _Entry, type_name: str, order: str, width: int) -> list[str]:
    is_bit = entry.table in BIT_TABLES
    rules = (
        (type_name in _TYPES, f"type {type_name!r} is none of {', '.join(_TYPES)}"),
        (entry.table in _TABLES, f"table {entry.table!r} is none of {', '.join(_TABLES)}"),
        ((type_name == "bool") == is_bit, "a coil or discrete input is a bool, a register is not"),
        (order in _ORDERS, f"order {order!r} is none of {', '.join(_ORDERS)}"),
        (1 <= width <= LIMIT, f"length {width} is not 1 to {LIMIT} registers"),
        (entry.address >= 0 and entry.address + width - 1 <= _LAST, f"address {entry.address} is not 0 to {_LAST}"),
        (entry.bit is None or (0 <= entry.bit <= 15 and type_name == "u16"), "a bit is 0 to 15 of a u16"),
        (1 <= entry.bits <= 16 - (entry.bit or 0), f"{entry.bits} bits do not fit"),
        (entry.bits == 1 or entry.bit is not None, "bits are counted from a bit"),
        (math.isfinite(entry.scale) and entry.scale != 0, f"scale {entry.scale} is not a factor"),
        (math.isfinite(entry.offset), f"offset {entry.offset} is not a number"),
        (bool(entry.name.strip()), "the name is empty"),
    )
    return [fault for holds, fault in rules if not holds]


def blocks_of(registers: Sequence[Register], *, gap: int = GAP, limit: int = LIMIT) -> list[Block]:
    """Group registers into as few requests as possible: unread gaps of at most `gap`, at most `limit` registers."""
    blocks: list[Block] = []
    for register in sorted(registers, key=lambda one: (one.table, one.address, one.width)):
        end = register.address + register.width
        last = blocks[-1] if blocks else None
        most = BIT_LIMIT if register.table in BIT_TABLES else max(limit, register.width)
        if last and last.table == register.table and register.address - (last.address + last.count) <= gap:
            count = max(end - last.address, last.count)
            if count <= most:
                blocks[-1] = Block(last.table, last.address, count, (*last.registers, register))
                continue
        blocks.append(Block(register.table, register.address, register.width, (register,)))
    return blocks


def halves(block: Block, *, gap: int = GAP, limit: int = LIMIT) -> list[Block]:
    """Split a block that was refused, so that one forbidden address does not stop the others."""
    middle = len(block.registers) // 2
    parts = block.registers[:middle], block.registers[middle:]
    return [one for part in parts for one in blocks_of(part, gap=gap, limit=limit)]


def parse_unit(query: Mapping[str, Any]) -> int:
    """Read the unit id of the endpoint's query (`?unit=1`)."""
    text = str(query.get("unit", "1"))
    if not (text.isascii() and text.isdigit() and len(text) < 4 and int(text) <= 255):
        raise BadInput(f"The unit id {text!r} is not 0 to 255.", remedy="Write modbus://host:port?unit=1.")
    return int(text)
