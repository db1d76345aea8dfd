"""Writing to a Modbus device: each command once, never again, with what the device said to each."""

from collections.abc import Awaitable, Callable, Iterator, Mapping, Sequence

from interwork.connectors import BAD_TIMEOUT, BAD_UNKNOWN, Command
from interwork.connectors.modbus.link import Link, LinkDown, Silent
from interwork.connectors.modbus.registers import Register
from interwork.connectors.modbus.wire import (
    ILLEGAL_FUNCTION,
    coil_request,
    encode,
    exception_quality,
    mask_request,
    write_request,
)
from interwork.core.errors import MachineUnreachable
from interwork.core.resource import GOOD

BAD_NOT_WRITABLE = 0x803B_0000
BAD_NO_COMMUNICATION = 0x8031_0000
_MOST_COILS = 1968
"""Most coils in one request (Modbus Application Protocol 1.1b3, 6.11)."""
Line = Callable[[], Awaitable[Link]]
"""Gives the connection as it is now, for some gateways end it after each answer; raises MachineUnreachable."""
_Coil = tuple[int, int, int]
"""Place among the commands, address, bit."""


async def write(line: Line, registers: Mapping[str, Register], commands: Sequence[Command]) -> list[int]:
    """Write the commands in their order, neighbouring coils together; one OPC UA status code each."""
    codes = [GOOD] * len(commands)
    coils: list[_Coil] = []
    for place, command in enumerate(commands):
        register = registers.get(command.address)
        if register is None:
            codes[place] = BAD_UNKNOWN
        elif register.table not in ("holding", "coil"):
            codes[place] = BAD_NOT_WRITABLE
        else:
            words, codes[place] = encode(register, command.value)
            if codes[place] == GOOD and register.table == "coil":
                coils.append((place, register.address, words[0]))
            elif codes[place] == GOOD:
                codes[place] = await _write_register(line, register, words)
    for run in _runs(coils):
        code = await _ask(line, coil_request(run[0][1], [bit for _, _, bit in run]))
        for place, _, _ in run:
            codes[place] = code
    return codes


def _runs(coils: Sequence[_Coil]) -> Iterator[list[_Coil]]:
    """Group coils whose addresses follow one another in the commands' order."""
    run: list[_Coil] = []
    for coil in coils:
        if run and (coil[1] != run[-1][1] + 1 or len(run) == _MOST_COILS):
            yield run
            run = []
        run.append(coil)
    if run:
        yield run


async def _write_register(line: Line, register: Register, words: Sequence[int]) -> int:
    if register.bit is not None:
        return await _ask(line, mask_request(register, words[0]))
    if len(words) > 1:
        return await _ask(line, write_request(register, words, is_single=False))
    code = await _ask(line, write_request(register, words, is_single=True))
    if code != exception_quality(ILLEGAL_FUNCTION):
        return code
    return await _ask(line, write_request(register, words, is_single=False))  # some devices have function 16 only


async def _ask(line: Line, pdu: bytes) -> int:
    """Send a write once: after silence nobody knows whether it was carried out, so it is not repeated."""
    try:
        link = await line()
        answer = await link.ask(pdu)
    except Silent:
        return BAD_TIMEOUT
    except (LinkDown, MachineUnreachable):
        return BAD_NO_COMMUNICATION
    if answer[0] & 0x80:
        return exception_quality(answer[1] if len(answer) > 1 else 0)
    return GOOD
