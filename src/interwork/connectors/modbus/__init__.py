"""Modbus TCP: polls a register map in few grouped requests, one in flight.

Modbus has no source time and no change messages: a reading's time is when its answer arrived, and every poll yields
every point. A refused block is read register by register from then on, so a forbidden address costs only itself.
"""

from collections.abc import AsyncGenerator, Mapping, Sequence
from types import TracebackType
from typing import Any, Self

import anyio
from pymodbus.client import AsyncModbusTcpClient
from pymodbus.exceptions import ConnectionException, ModbusException

from interwork.connectors import BAD_UNKNOWN, Found, Point
from interwork.connectors.endpoint import check_options, number_option, parse_endpoint, quiet
from interwork.connectors.modbus.wire import (
    Block,
    blocks_of,
    decode,
    exception_quality,
    parse_registers,
    parse_unit,
    singly,
)
from interwork.core.clock import now, to_us
from interwork.core.errors import MachineUnreachable
from interwork.core.resource import Batch, BatchBuilder

_RETRIES = 1
_REMEDY = "Check that the machine is on, that address and port are right, and that no other client holds its link."


class ModbusConnector:
    """Reads `modbus://host:port?unit=1` through the register map of the options."""

    def __init__(self, endpoint: str, options: Mapping[str, Any]) -> None:
        check_options(options, ("registers", "interval_s", "timeout_s"))
        self._endpoint = parse_endpoint(endpoint, "modbus", 502)
        self._unit = parse_unit(self._endpoint.query)
        self._registers = parse_registers(options.get("registers"))
        self._interval_s = number_option(options, "interval_s", 1.0, low=0.01, high=86_400)
        self._timeout_s = number_option(options, "timeout_s", 3.0, low=0.05, high=8)
        self._client: AsyncModbusTcpClient | None = None
        self._lost = anyio.Event()
        self._is_asking = False
        self.overruns = 0
        """Polls that took longer than the interval; the next one starts at once and none is queued up."""

    async def __aenter__(self) -> Self:
        """Open the TCP connection."""
        quiet("pymodbus")
        self._lost = anyio.Event()
        self._client = AsyncModbusTcpClient(
            self._endpoint.host,
            port=self._endpoint.port,
            timeout=self._timeout_s,
            retries=_RETRIES,
            reconnect_delay=0,
            trace_connect=self._on_link,
        )
        try:
            is_open = await self._client.connect()
        except BaseException:
            self._client.close()
            raise
        if not is_open:
            self._client.close()
            raise self._endpoint.unreachable("does not answer as a Modbus server.", _REMEDY)
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, fault: BaseException | None, trace: TracebackType | None
    ) -> None:
        """Close the TCP connection."""
        if self._client:
            self._client.close()

    def _on_link(self, is_up: bool) -> None:
        """Tell a dropped link to the request under way, which pymodbus would leave to its time-out."""
        if is_up or not self._client:
            return
        self._lost.set()
        answer = self._client.ctx.response_future
        if self._is_asking and not answer.done():
            answer.set_exception(ConnectionException("The server closed the connection."))

    async def browse(self) -> list[Found]:
        """List the signals of the register map."""
        return [register.found for register in self._registers.values()]

    async def readings(self, points: Sequence[Point]) -> AsyncGenerator[Batch, None]:
        """Poll the points' registers and yield one batch per poll."""
        numbers: dict[str, list[int]] = {}
        for point in points:
            numbers.setdefault(point.address, []).append(point.number)
        blocks = blocks_of([self._registers[key] for key in numbers if key in self._registers])
        builder = BatchBuilder()
        for key in numbers.keys() - self._registers.keys():
            _add(builder, numbers[key], to_us(now()), (None, BAD_UNKNOWN))
        due = anyio.current_time()
        while True:
            blocks = [part for block in blocks for part in await self._read(block, numbers, builder)]
            if len(builder):
                yield builder.take()
            due += self._interval_s
            if due < anyio.current_time():
                self.overruns += 1
                due = anyio.current_time()
            await self._wait(due)

    async def _wait(self, due: float) -> None:
        """Sleep until the next poll; a link that drops meanwhile is told at once."""
        with anyio.move_on_at(due):
            await self._lost.wait()
        if self._lost.is_set():
            raise self._dropped()

    def _dropped(self) -> MachineUnreachable:
        return self._endpoint.unreachable("closed the Modbus connection.", _REMEDY)

    async def _read(self, block: Block, numbers: Mapping[str, list[int]], builder: BatchBuilder) -> list[Block]:
        """Read one block into the builder; return the blocks to read it by from now on."""
        words, code = await self._request(block)
        if code and len(block.registers) > 1:
            parts = singly(block)
            for part in parts:
                await self._read(part, numbers, builder)
            return parts
        time_us = to_us(now())
        for register in block.registers:
            offset = register.address - block.address
            outcome = (
                (None, exception_quality(code)) if code else decode(register, words[offset : offset + register.width])
            )
            _add(builder, numbers[register.key], time_us, outcome)
        return [block]

    async def _request(self, block: Block) -> tuple[Sequence[int], int]:
        """Ask for a block: its registers, or the exception code it was refused with."""
        if not self._client or self._lost.is_set():
            raise self._dropped()
        read = self._client.read_input_registers if block.table == "input" else self._client.read_holding_registers
        self._is_asking = True
        try:
            with anyio.fail_after((self._timeout_s + 1) * (_RETRIES + 1)):
                answer = await read(block.address, count=block.count, device_id=self._unit)
        except (ModbusException, OSError) as fault:
            raise (self._dropped() if self._lost.is_set() else self._silent()) from fault
        finally:
            self._is_asking = False
        if answer.isError():
            return (), int(answer.exception_code) or 4
        return answer.registers, 0

    def _silent(self) -> MachineUnreachable:
        return self._endpoint.unreachable(
            f"did not answer a read of unit {self._unit} within {self._timeout_s:g} s, asked {_RETRIES + 1} times.",
            _REMEDY,
        )


def _add(builder: BatchBuilder, numbers: Sequence[int], time_us: int, outcome: tuple[float | str | None, int]) -> None:
    for number in numbers:
        builder.add(number, time_us, *outcome)
