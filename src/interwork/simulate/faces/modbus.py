"""The Modbus TCP face: the map of `REGISTERS`, alike in holding and input registers, filled in when it is read.

Numbers are big-endian, high word first. The device identification (function 43/14) says simulated, and so does
register 58. Nothing can be written. What a machine does not have (a CMM's spindle) reads as NaN.
"""

import logging
import math
import struct
from collections.abc import Callable, Mapping
from types import TracebackType
from typing import Any, Self

import anyio
from pymodbus import ModbusDeviceIdentification
from pymodbus.constants import ExcCodes
from pymodbus.server import ModbusTcpServer
from pymodbus.simulator import DataType, SimData, SimDevice

from interwork.core.errors import PortInUse
from interwork.simulate.faces import Plate
from interwork.simulate.model import ALARMS, Execution, State
from interwork.simulate.profiles import Profile
from interwork.simulate.serving import authority, check_port
from interwork.simulate.signals import VARIABLES, variables_of

UNIT = 1
_PROGRAM_REGISTERS = 16
_EXECUTIONS = {1: Execution.READY, 2: Execution.ACTIVE, 3: Execution.STOPPED, 4: Execution.FAULT}

REGISTERS: tuple[dict[str, Any], ...] = (
    {
        "address": 0,
        "name": "Execution",
        "type": "u16",
        "scale": 1,
        "unit": "",
        "meaning": "execution",
        "states": {str(number): word.value for number, word in _EXECUTIONS.items()},
    },
    {
        "address": 1,
        "name": "Alarm",
        "type": "u16",
        "scale": 1,
        "unit": "",
        "meaning": "alarm",
        "states": {str(number): text for number, text in enumerate(ALARMS)},
    },
    {"address": 2, "name": "PartCount", "type": "u32", "scale": 1, "unit": "1", "meaning": "part-count"},
    {"address": 4, "name": "Energy", "type": "u32", "scale": 0.001, "unit": "kW.h", "meaning": "energy"},
    {"address": 6, "name": "Power", "type": "f32", "scale": 1, "unit": "kW", "meaning": "power"},
    {"address": 8, "name": "SpindleSpeed", "type": "f32", "scale": 1, "unit": "{rpm}", "meaning": "spindle-speed"},
    {"address": 10, "name": "SpindleLoad", "type": "f32", "scale": 1, "unit": "%", "meaning": "spindle-load"},
    {"address": 12, "name": "FeedRate", "type": "f32", "scale": 1, "unit": "mm/min", "meaning": "feed-rate"},
    {"address": 14, "name": "CoolantLevel", "type": "f32", "scale": 1, "unit": "%", "meaning": "coolant-level"},
    {"address": 16, "name": "CoolantTemperature", "type": "f32", "scale": 1, "unit": "Cel", "meaning": "temperature"},
    {"address": 18, "name": "ToolWear", "type": "f32", "scale": 1, "unit": "%", "meaning": "tool-wear"},
    {"address": 20, "name": "Water", "type": "f32", "scale": 1, "unit": "L", "meaning": "water"},
    {
        "address": 22,
        "name": "Program",
        "type": "text",
        "scale": 1,
        "unit": "",
        "meaning": "program",
        "length": _PROGRAM_REGISTERS,
    },
    {"address": 58, "name": "Simulated", "type": "u16", "scale": 1, "unit": "", "meaning": "other"},
)
"""The register map, in the form a connector's option `registers` takes it. 38 to 57 are reserved and read as 0."""

_SIZE = 59


def registers_of(profile: Profile) -> tuple[dict[str, Any], ...]:
    """List the part of the map that a machine of this profile has: a measuring machine has no spindle."""
    lacking = {variable.name for variable in VARIABLES} - {variable.name for variable in variables_of(profile)}
    return tuple(register for register in REGISTERS if register["name"] not in lacking)


class ModbusFace:
    """Serves a simulated machine at `modbus://host:port?unit=1`."""

    def __init__(self, plate: Plate, host: str, port: int, options: Mapping[str, Any]) -> None:
        del options
        self._plate, self._host, self._port = plate, host, port
        self._state: State | None = None
        self._server: ModbusTcpServer | None = None

    @property
    def endpoint(self) -> str:
        """Where a client connects."""
        return f"modbus://{authority(self._host, self._port)}?unit={UNIT}"

    async def __aenter__(self) -> Self:
        """Listen."""
        check_port(self._host, self._port)
        logging.getLogger("pymodbus").setLevel(logging.CRITICAL)
        title = self._plate.profile.title
        identity = ModbusDeviceIdentification(  # type: ignore[no-untyped-call]  # pymodbus leaves it untyped
            info_name={
                "VendorName": "Interwork (simulated)",
                "ProductCode": f"SIM-{self._plate.profile.type.upper()}",
                "MajorMinorRevision": "1",
                "ProductName": f"Simulated {title}",
                "ModelName": f"SIMULATED {title}",
                "UserApplicationName": self._plate.name,
            }
        )
        self._server = ModbusTcpServer(self._device(), identity=identity, address=(self._host, self._port))
        if not await self._server.listen():
            raise PortInUse(f"Port {self._port} on {self._host} is in use.", remedy="Choose another with --port.")
        self._port = _port_of(self._server.transport)
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, fault: BaseException | None, trace: TracebackType | None
    ) -> None:
        """Stop listening."""
        if self._server is not None:
            with anyio.move_on_after(1, shield=True):
                await self._server.shutdown()  # type: ignore[no-untyped-call]  # pymodbus leaves it untyped

    async def show(self, state: State) -> None:
        """Keep the state until somebody reads it."""
        self._state = state

    def _device(self) -> SimDevice:
        block = SimData(0, count=_SIZE, values=0, datatype=DataType.REGISTERS, readonly=True)
        return SimDevice(UNIT, simdata=[block], action=self._fill)

    async def _fill(
        self,
        _function: int,
        _start: int,
        _address: int,
        _count: int,
        registers: list[int],
        values: list[int] | list[bool] | None,
    ) -> ExcCodes | None:
        """Bring the registers up to date just before they are read."""
        if values is None and self._state is not None:
            present = {variable.name for variable in self._plate.variables}
            registers[:_SIZE] = words_of(self._state, present.__contains__)
        return None


def _port_of(listener: Any) -> int:  # noqa: ANN401 - pymodbus keeps asyncio's server where it declares a transport
    port: int = listener.sockets[0].getsockname()[1]
    return port


def words_of(state: State, has: Callable[[str], bool]) -> list[int]:
    """Write a state into the registers of the map; what the machine does not have is NaN."""
    numbers = {
        "Power": state.power_kw,
        "SpindleSpeed": state.spindle_speed_rpm,
        "SpindleLoad": state.spindle_load_pct,
        "FeedRate": state.feed_mm_min,
        "CoolantLevel": state.coolant_level_pct,
        "CoolantTemperature": state.coolant_temperature_cel,
        "ToolWear": state.tool_wear_pct,
        "Water": state.water_l,
    }
    execution = next(number for number, word in _EXECUTIONS.items() if word is state.execution)
    head = struct.pack(
        ">HHII", execution, ALARMS.index(state.alarm), state.part_count % 2**32, round(state.energy_kwh * 1000) % 2**32
    )
    values = struct.pack(f">{len(numbers)}f", *(value if has(name) else math.nan for name, value in numbers.items()))
    program = state.program.encode()[: _PROGRAM_REGISTERS * 2].decode(errors="ignore").encode()
    octets = (head + values + program).ljust(_SIZE * 2 - 2, b"\0") + b"\0\1"
    return list(struct.unpack(f">{_SIZE}H", octets))
