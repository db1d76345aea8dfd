"""Modbus PDUs: requests, answers, registers to values and values to registers. Pure.

Clauses are of the Modbus Application Protocol 1.1b3. A float that is not a number is how devices say that they have no
value. Nothing a device may send raises: it becomes a bad quality.
"""

import math
import struct
from collections.abc import Mapping, Sequence

from interwork.connectors import BAD_DECODING, BAD_OUT_OF_RANGE, BAD_TIMEOUT, BAD_TYPE
from interwork.connectors.modbus.registers import BIT_TABLES, FORMATS, Block, Register
from interwork.connectors.naming import execution_word
from interwork.core.resource import BAD_NO_DATA, GOOD, Meaning

READ_FUNCTIONS = {"coil": 1, "discrete": 2, "holding": 3, "input": 4}
ILLEGAL_FUNCTION = 1
SHORT, SILENT = 0x101, 0x102
"""What is no exception: an answer of another length than asked for, and none in time."""
SPLIT_CODES = (2, 3, 4, SHORT, SILENT)
"""How a device refuses an address it does not have: the standard's 2, and in the wild 3, 4, less, or nothing at all."""
BUSY_CODES = (5, 6)
"""Acknowledge and server device busy (section 7): the device asks to be asked later."""
_IDENTITY = {0: "maker", 1: "code", 2: "revision", 4: "product", 5: "model"}
"""Basic and regular objects of the device identification (6.21)."""


def read_request(block: Block) -> bytes:
    """Ask for a block (6.1 to 6.4)."""
    return struct.pack(">BHH", READ_FUNCTIONS[block.table], block.address, block.count)


def read_answer(block: Block, pdu: bytes) -> tuple[Sequence[int], int]:
    """Take the registers or bits of a block out of its answer, or the exception code it was refused with."""
    if pdu[0] & 0x80:
        return (), (pdu[1] if len(pdu) > 1 else 0) or 4
    octets = pdu[2:]
    size = (block.count + 7) // 8 if block.table in BIT_TABLES else block.count * 2
    if len(pdu) < 2 or pdu[1] != size or len(octets) != size:
        return (), SHORT
    if block.table in BIT_TABLES:
        return [octets[place >> 3] >> (place & 7) & 1 for place in range(block.count)], 0
    return struct.unpack(f">{block.count}H", octets), 0


def decode(register: Register, words: Sequence[int]) -> tuple[float | str | None, int]:
    """Turn a register's words into a value and its quality; never raises on what a machine may send."""
    if len(words) != register.width:
        return None, BAD_DECODING
    if register.type == "bool":
        return _numbered(words[0], register)
    octets = struct.pack(f">{len(words)}H", *_ordered(words, register))
    if register.type == "text":
        return _text_of(octets.split(b"\0", 1)[0], register)
    number = struct.unpack(FORMATS[register.type], octets)[0]
    return _numbered(number if register.bit is None else number >> register.bit & _most(register), register)


def _most(register: Register) -> int:
    """Tell the largest number in a register's bits."""
    return (1 << register.bits) - 1


def _numbered(number: float, register: Register) -> tuple[float | str | None, int]:
    if register.states:
        word = register.states.get(int(number)) if math.isfinite(number) and number == int(number) else None
        return (None, BAD_DECODING) if word is None else (_worded(word, register), GOOD)
    value = number * register.scale + register.offset
    return (value, GOOD) if math.isfinite(value) else (None, BAD_NO_DATA)


def _text_of(octets: bytes, register: Register) -> tuple[str | None, int]:
    try:
        return _worded(octets.decode("utf-8").strip(), register), GOOD
    except UnicodeDecodeError:
        return None, BAD_DECODING


def _worded(text: str, register: Register) -> str:
    return execution_word(text) if register.found.meaning is Meaning.EXECUTION else text


def _ordered(words: Sequence[int], register: Register) -> Sequence[int]:
    """Bring a value's registers into most-significant-first order, or back (a text keeps its register order)."""
    if register.order == "ABCD":
        return words
    ordered = list(words)
    if register.order in ("CDAB", "DCBA") and register.type != "text":
        ordered.reverse()
    if register.order in ("BADC", "DCBA"):
        ordered = [(word & 0xFF) << 8 | word >> 8 for word in ordered]
    return ordered


def encode(register: Register, value: float | str | bool) -> tuple[list[int], int]:
    """Turn a value into a register's words, or tell the status code of why it cannot be."""
    if register.type == "text":
        if not isinstance(value, str):
            return [], BAD_TYPE
        octets = value.encode("utf-8")
        size = register.width * 2
        if len(octets) > size:
            return [], BAD_OUT_OF_RANGE
        return list(_ordered(struct.unpack(f">{register.width}H", octets.ljust(size, b"\0")), register)), GOOD
    number = _number_of(register, value)
    if number is None:
        return [], BAD_TYPE
    if isinstance(number, float) and not math.isfinite(number):
        return [], BAD_OUT_OF_RANGE
    if register.type == "bool" or register.bit is not None:
        is_there = number == int(number) and 0 <= number <= _most(register)
        return ([int(number)], GOOD) if is_there else ([], BAD_OUT_OF_RANGE)
    return _packed(register, number)


def _number_of(register: Register, value: float | str | bool) -> float | None:
    if isinstance(value, str):
        numbers = [number for number, word in register.states.items() if word == value]
        return numbers[0] if numbers else None
    return value


def _packed(register: Register, number: float) -> tuple[list[int], int]:
    form = FORMATS[register.type]
    is_plain = register.scale == 1 and register.offset == 0  # a whole number above 2^53 is then kept to its last digit
    try:
        scaled = number if is_plain else (number - register.offset) / register.scale
        octets = struct.pack(form, scaled if form[1] in "fd" else round(scaled))
    except (struct.error, OverflowError):
        return [], BAD_OUT_OF_RANGE
    return list(_ordered(struct.unpack(f">{register.width}H", octets), register)), GOOD


def write_request(register: Register, words: Sequence[int], *, is_single: bool) -> bytes:
    """Ask to write one register by function 6, or registers by 16 (6.6, 6.12)."""
    if is_single:
        return struct.pack(">BHH", 6, register.address, words[0])
    return struct.pack(f">BHHB{len(words)}H", 16, register.address, len(words), len(words) * 2, *words)


def coil_request(address: int, bits: Sequence[int]) -> bytes:
    """Ask to write one coil by function 5, or neighbours by 15 (6.5, 6.11)."""
    if len(bits) == 1:
        return struct.pack(">BHH", 5, address, 0xFF00 if bits[0] else 0)
    octets = bytearray((len(bits) + 7) // 8)
    for place, bit in enumerate(bits):
        octets[place >> 3] |= bit << (place & 7)
    return struct.pack(">BHHB", 15, address, len(bits), len(octets)) + octets


def mask_request(register: Register, number: int) -> bytes:
    """Ask to set the bits of a register by function 22, which no other client can come between (6.16)."""
    place = register.bit or 0
    return struct.pack(">BHHH", 22, register.address, 0xFFFF & ~(_most(register) << place), number << place)


def identity_request(first: int = 0) -> bytes:
    """Ask for the device identification, regular objects as a stream (6.21)."""
    return bytes((0x2B, 0x0E, 2, first))


def identity_answer(pdu: bytes) -> tuple[dict[str, str], int]:
    """Take the device identification and the object to go on from (0 = none) out of an answer."""
    if len(pdu) < 7 or pdu[0] != 0x2B or pdu[1] != 0x0E:
        return {}, 0
    told: dict[str, str] = {}
    at = 7
    for _ in range(pdu[6]):
        if len(pdu) < at + 2 or len(pdu) < at + 2 + pdu[at + 1]:
            break
        text = pdu[at + 2 : at + 2 + pdu[at + 1]].decode("utf-8", "replace").strip("\0 ")
        if pdu[at] in _IDENTITY and text:
            told[_IDENTITY[pdu[at]]] = text
        at += 2 + pdu[at + 1]
    return told, pdu[5] if pdu[4] == 0xFF else 0


_EXCEPTION_QUALITY: Mapping[int, int] = {
    # Modbus exception code (section 7): OPC UA status code
    1: 0x803D_0000,  # illegal function: Bad_NotSupported
    2: 0x803C_0000,  # illegal data address: Bad_OutOfRange
    3: 0x803C_0000,  # illegal data value: Bad_OutOfRange
    4: 0x808B_0000,  # server device failure: Bad_DeviceFailure
    5: 0x8004_0000,  # acknowledge, still busy: Bad_ResourceUnavailable
    6: 0x8004_0000,  # server device busy: Bad_ResourceUnavailable
    10: 0x8031_0000,  # gateway path unavailable: Bad_NoCommunication
    11: 0x8031_0000,  # gateway target failed to respond: Bad_NoCommunication
}


_GATEWAY_CODES = (10, 11)
_REFUSALS = {
    1: "illegal function",
    2: "illegal data address",
    3: "illegal data value",
    4: "server device failure",
    5: "acknowledged, still busy",
    6: "server device busy",
    10: "gateway path unavailable",
    11: "gateway target device failed to respond",
    SHORT: "a shorter answer than asked for",
    SILENT: "no answer",
}


def refusal(code: int) -> str:
    """Say a refusal in words: an exception, or what came in place of the answer."""
    return _REFUSALS.get(code) or f"exception {code}"


def advice(code: int, unit: int) -> str:
    """Say what a person may do about a refusal."""
    if code in (2, 3):
        return "addresses count from 0; where a manual counts from 1 or writes 40001, that is 0 of the table holding"
    if code == ILLEGAL_FUNCTION:
        return "it has no such table: see in its manual whether they are holding, input, coil or discrete"
    if code in BUSY_CODES:
        return "it is read again at the next poll; if it stays so, ask less often with the option interval_s"
    if code in _GATEWAY_CODES:
        return f"a gateway answers for unit {unit}, which it does not reach: check ?unit= and the unit's serial line"
    return "check the unit at the endpoint's end, ?unit=1"


def exception_quality(code: int) -> int:
    """Tell the OPC UA status code of a Modbus exception."""
    own = {SHORT: BAD_DECODING, SILENT: BAD_TIMEOUT}
    return own.get(code) or _EXCEPTION_QUALITY.get(code, 0x808B_0000)
