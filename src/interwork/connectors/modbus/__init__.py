"""Modbus TCP: polls a register map in few grouped requests, one in flight unless the device takes more.

Modbus has no source time and no change messages: a reading's time is when its answer arrived, and every poll yields
every point. A block that the device refuses, cuts short or leaves unanswered while it answers others is read in
halves; where that helps, the parts are remembered, so a forbidden address costs only itself, and one that is met with
silence is asked for rarely. What the device says of itself (function 43/14) is read once per connection.
A gateway that ends its connection after each answer, or after some idle time, is met anew without a link being lost;
a device that says it is busy is asked again a little later.
"""

from collections.abc import AsyncGenerator, Iterator, Mapping, Sequence
from types import TracebackType
from typing import Any, Self

import anyio

from interwork.connectors import BAD_UNKNOWN, Command, Found, Point
from interwork.connectors.endpoint import check_options, number_option, parse_endpoint, text_option
from interwork.connectors.modbus.framing import Framing, MbapFraming, NumberlessFraming, RtuFraming
from interwork.connectors.modbus.link import Link, LinkDown, Silent
from interwork.connectors.modbus.registers import GAP, LIMIT, Block, blocks_of, halves, parse_registers, parse_unit
from interwork.connectors.modbus.wire import (
    BUSY_CODES,
    SILENT,
    SPLIT_CODES,
    advice,
    decode,
    exception_quality,
    identity_answer,
    identity_request,
    read_answer,
    read_request,
    refusal,
)
from interwork.connectors.modbus.writing import write
from interwork.core.clock import now, to_us
from interwork.core.errors import BadInput, MachineUnreachable
from interwork.core.resource import GOOD, Batch, BatchBuilder

_ATTEMPTS = 2
_REOPENED_MOST = 2
"""Connections opened in a row that bring no answer before the device is given up."""
_BUSY_S = (0.05, 0.2)
"""Pauses before a device that says it is busy is asked again."""
_REMEDY = "Check that the machine is on, that address and port are right, and that no other client holds its link."
_IDENTITY = "identity:"
_PLATE = {
    "maker": "ManufacturerName",
    "product": "ManufacturerProductFamily",
    "model": "ManufacturerProductDesignation",
    "code": "OrderCodeOfManufacturer",
    "revision": "SoftwareVersion",
}
"""Objects of the device identification, and the nameplate submodel's words for them."""
_FRAMINGS: dict[str, type[MbapFraming] | type[RtuFraming]] = {
    "tcp": MbapFraming,
    "tcp-numberless": NumberlessFraming,
    "rtu": RtuFraming,
}
_MUTE_S = 30.0
"""How long a block that met with silence is not asked for again."""
_KNOWN = ("registers", "interval_s", "timeout_s", "max_in_flight", "max_registers", "gap", "order", "framing")


class ModbusConnector:
    """Reads and writes `modbus://host:port?unit=1` through the register map of the options."""

    def __init__(self, endpoint: str, options: Mapping[str, Any]) -> None:
        check_options(options, _KNOWN)
        self._endpoint = parse_endpoint(endpoint, "modbus", 502)
        self._unit = parse_unit(self._endpoint.query)
        self._registers = parse_registers(options.get("registers"), text_option(options, "order", "ABCD"))
        self._interval_s = number_option(options, "interval_s", 1.0, low=0.01, high=86_400)
        self._pace = 1.0
        self._timeout_s = number_option(options, "timeout_s", 3.0, low=0.05, high=8)
        self._in_flight = int(number_option(options, "max_in_flight", 1, low=1, high=16))
        self._limit = int(number_option(options, "max_registers", LIMIT, low=1, high=LIMIT))
        self._gap = int(number_option(options, "gap", GAP, low=0, high=LIMIT))
        self._framing: Framing = _framing(text_option(options, "framing", "tcp"), self._in_flight)
        self._link: Link | None = None
        self._identity: dict[str, str] = {}
        self._is_shy = False
        """The device ended the connection when it was asked who it is; it is not asked again."""
        self._parts: dict[tuple[str, int, int], list[Block]] = {}
        """Blocks the device refuses as a whole, and what they are read by instead."""
        self._blocks: list[Block] = []
        self._alive: Block | None = None
        """The last block that was answered."""
        self._mute: dict[tuple[str, int, int], float] = {}
        """Blocks that met with silence, and when each is asked for again."""
        self._unread: dict[str, int] = {}
        """Registers the device refuses, with the exception of each."""
        self._fruitless = 0
        """Connections opened since the last answer."""
        self._opening = anyio.Lock()
        self.counters = {"overruns": 0, "late_answers": 0, "repeated": 0, "splits": 0, "reopened": 0, "busy": 0}
        """Polls that took longer than the interval and were not queued up, answers that came too late, …"""

    async def __aenter__(self) -> Self:
        """Open the TCP connection and ask the device who it is."""
        self._parts.clear()
        self._mute.clear()
        self._unread.clear()
        self._alive, self._fruitless = None, 0
        try:
            await self._connect()
            if self._framing.has_transactions and not self._is_shy:
                self._identity = await self._identify()
            if self._link and self._link.lost.is_set():
                self._is_shy = True
                await self._connect()
        except BaseException:
            if self._link:
                self._link.close()
            raise
        return self

    async def _connect(self) -> None:
        self._link = Link(self._framing, self._unit, self._timeout_s, self._in_flight)
        self._link.counters = self.counters
        try:
            await self._link.open(self._endpoint.host, self._endpoint.port)
        except OSError as fault:  # a time-out too
            raise self._endpoint.unreachable("does not answer as a Modbus server.", _REMEDY) from fault

    async def __aexit__(
        self, kind: type[BaseException] | None, fault: BaseException | None, trace: TracebackType | None
    ) -> None:
        """Close the TCP connection."""
        if self._link:
            self._link.close()

    async def _identify(self) -> dict[str, str]:
        """Ask for the device identification; most devices have none, and some do not even say so."""
        told: dict[str, str] = {}
        first = 0
        try:
            for _ in range(4):
                answer = await self._opened().ask(identity_request(first))
                some, first = identity_answer(answer)
                told |= some
                if not first:
                    break
        except (Silent, LinkDown):
            return told
        return told

    async def browse(self) -> list[Found]:
        """List the signals of the register map, and what the device says of itself."""
        own = [Found(address=_IDENTITY + key, name=f"Device{key.title()}", is_text=True) for key in self._identity]
        return [register.found for register in self._registers.values()] + own

    async def nameplate(self) -> dict[str, str]:
        """Tell what the device says of itself in the words of the nameplate submodel; empty if nothing."""
        return {word: self._identity[key] for key, word in _PLATE.items() if key in self._identity}

    @property
    def remarks(self) -> list[str]:
        """Say what a person should know of this link."""
        said = ["Modbus has neither encryption nor passwords: keep the device on a network of its own."]
        if self._parts:
            said.append(f"The device refuses {len(self._parts)} blocks as a whole; they are read in parts.")
        if self._unread:
            first, code = next(iter(self._unread.items()))
            what = f"The device refuses {len(self._unread)} registers, the first {first} ({refusal(code)})"
            said.append(f"{what}: {advice(code, self._unit)}.")
        if self._pace != 1:
            said.append(f"It is polled every {self._interval_s * self._pace:g} s, {self._pace:g} times more slowly.")
        return said

    def slow(self, factor: float) -> None:
        """Poll so many times more slowly."""
        self._pace = factor

    async def readings(self, points: Sequence[Point]) -> AsyncGenerator[Batch, None]:
        """Poll the points' registers and yield one batch per poll."""
        numbers: dict[str, list[int]] = {}
        for point in points:
            numbers.setdefault(point.address, []).append(point.number)
        wanted = [self._registers[key] for key in numbers if key in self._registers]
        blocks = self._blocks = blocks_of(wanted, gap=self._gap, limit=self._limit)
        builder = BatchBuilder()
        self._add_fixed(builder, numbers)
        due = anyio.current_time()
        while True:
            await self._poll(blocks, numbers, builder)
            if len(builder):
                yield builder.take()
            due += self._interval_s * self._pace
            if due < anyio.current_time():
                self.counters["overruns"] += 1
                due = anyio.current_time()
            await self._wait(due)

    async def write(self, commands: Sequence[Command]) -> list[int]:
        """Write values, each once; return one OPC UA status code per command."""
        return await write(self._line, self._registers, commands)

    def _add_fixed(self, builder: BatchBuilder, numbers: Mapping[str, list[int]]) -> None:
        """Tell what does not change while connected: the identification, and addresses nobody knows."""
        for key in numbers.keys() - self._registers.keys():
            text = self._identity.get(key.removeprefix(_IDENTITY)) if key.startswith(_IDENTITY) else None
            _add(builder, numbers[key], to_us(now()), (text, BAD_UNKNOWN if text is None else GOOD))

    async def _wait(self, due: float) -> None:
        """Sleep until the next poll; a link that drops meanwhile and is not to be had again is told at once."""
        if self._link is None or self._fruitless:
            await anyio.sleep_until(due)
            return
        with anyio.move_on_at(due):
            await self._link.lost.wait()
            await self._line()
            await anyio.sleep_until(due)

    async def _line(self) -> Link:
        """Give the connection, opened anew where the device ended it though it had answered before."""
        async with self._opening:
            link = self._link
            if link and link.lost.is_set() and link.was_ended and self._fruitless < _REOPENED_MOST:
                self._fruitless += 1
                self.counters["reopened"] += 1
                await self._connect()
        return self._opened()

    def _opened(self) -> Link:
        if self._link is None or self._link.lost.is_set():
            raise self._endpoint.unreachable("closed the Modbus connection.", _REMEDY)
        return self._link

    async def _poll(self, blocks: Sequence[Block], numbers: Mapping[str, list[int]], builder: BatchBuilder) -> None:
        """Read every block, as many at once as the device takes."""
        waiting = iter([part for block in blocks for part in self._readable(block)])
        if self._in_flight == 1:
            await self._work(waiting, numbers, builder)
            return
        fault: list[MachineUnreachable] = []

        async def work() -> None:
            try:
                await self._work(waiting, numbers, builder)
            except MachineUnreachable as lost:
                fault.append(lost)
                workers.cancel_scope.cancel()

        async with anyio.create_task_group() as workers:
            for _ in range(self._in_flight):
                workers.start_soon(work)
        if fault:
            raise fault[0]

    def _readable(self, block: Block) -> Iterator[Block]:
        """List what a block is read by: itself, or the parts of it that the device does not refuse."""
        parts = self._parts.get(block.span, [block])
        if parts == [block]:
            yield block
        else:
            for part in parts:
                yield from self._readable(part)

    async def _work(self, waiting: Iterator[Block], numbers: Mapping[str, list[int]], builder: BatchBuilder) -> None:
        for block in waiting:
            if self._mute.get(block.span, 0.0) > anyio.current_time():
                self._take(block, (), SILENT, numbers, builder)
                continue
            words, code = await self._request(block)
            if code in SPLIT_CODES and len(block.registers) > 1 and block.span not in self._parts:
                await self._split(block, numbers, builder)
            else:
                self._take(block, words, code, numbers, builder)

    async def _split(self, block: Block, numbers: Mapping[str, list[int]], builder: BatchBuilder) -> None:
        """Read a refused block in halves, and theirs; remember the parts where that made any of them readable."""
        whole: list[Block] = []
        is_read = False
        waiting = halves(block, gap=self._gap, limit=self._limit)
        while waiting:
            part = waiting.pop(0)
            words, refused = await self._request(part)
            if refused in SPLIT_CODES and len(part.registers) > 1:
                waiting = halves(part, gap=self._gap, limit=self._limit) + waiting
                continue
            whole.append(part)
            is_read |= not refused
            self._take(part, words, refused, numbers, builder)
        self._parts[block.span] = whole if is_read else [block]
        self.counters["splits"] += is_read

    def _take(
        self,
        block: Block,
        words: Sequence[int],
        code: int,
        numbers: Mapping[str, list[int]],
        builder: BatchBuilder,
    ) -> None:
        time_us = to_us(now())
        for register in block.registers:
            if code:
                self._unread[register.key] = code
            elif self._unread:
                self._unread.pop(register.key, None)
            offset = register.address - block.address
            outcome = (
                (None, exception_quality(code)) if code else decode(register, words[offset : offset + register.width])
            )
            _add(builder, numbers[register.key], time_us, outcome)

    async def _request(self, block: Block) -> tuple[Sequence[int], int]:
        """Ask for a block: its registers, or the code it was refused with; one that is busy is asked again."""
        words, code = await self._once(block)
        for pause in _BUSY_S:
            if code not in BUSY_CODES:
                break
            self.counters["busy"] += 1
            await anyio.sleep(pause)
            words, code = await self._once(block)
        return words, code

    async def _once(self, block: Block) -> tuple[Sequence[int], int]:
        """Ask for a block once; silence is a code while others are answered."""
        try:
            answer = read_answer(block, await self._ask(block))
        except Silent as fault:
            if not self._framing.has_transactions or not await self._is_alive(block):
                raise self._endpoint.unreachable(
                    f"did not answer a read of unit {self._unit} within {self._timeout_s:g} s, asked {_ATTEMPTS} times."
                    f"{self._strange()}",
                    _REMEDY,
                ) from fault
            self._mute[block.span] = anyio.current_time() + _MUTE_S
            return (), SILENT
        self._alive = block
        self._mute.pop(block.span, None)
        return answer

    async def _ask(self, block: Block, attempts: int = _ATTEMPTS) -> bytes:
        while True:
            link = await self._line()
            try:
                answer = await link.ask(read_request(block), attempts=attempts)
            except LinkDown as fault:
                if link.was_ended and self._fruitless < _REOPENED_MOST:
                    continue
                raise self._endpoint.unreachable(str(fault), _REMEDY) from fault
            self._fruitless = 0
            return answer

    async def _is_alive(self, silent: Block) -> bool:
        """Tell whether the device answers anything else: what it did last, the silent block's ends, another block."""
        ends = (silent.registers[0], silent.registers[-1]) if len(silent.registers) > 1 else ()
        others = [part for one in ends for part in blocks_of((one,))]
        others += [one for one in self._blocks if one.span != silent.span][:2]
        if self._alive is not None and self._alive.span != silent.span:
            others.insert(0, self._alive)
        for other in others:
            try:
                await self._ask(other, attempts=1)
            except Silent:
                continue
            return True
        return False

    def _strange(self) -> str:
        """Say what else came instead of the answer."""
        late = self.counters["late_answers"]
        if not late:
            return ""
        return f" {late} answers had other numbers than asked with: try the option framing = tcp-numberless."


def _add(builder: BatchBuilder, numbers: Sequence[int], time_us: int, outcome: tuple[float | str | None, int]) -> None:
    for number in numbers:
        builder.add(number, time_us, *outcome)


def _framing(name: str, in_flight: int) -> Framing:
    """Make the option's framing; one that has no transactions takes one request at a time."""
    if name not in _FRAMINGS or (name != "tcp" and in_flight > 1):
        raise BadInput(
            f"framing {name!r} with {in_flight} in flight.", remedy="Give tcp, or rtu or tcp-numberless with 1."
        )
    return _FRAMINGS[name]()
