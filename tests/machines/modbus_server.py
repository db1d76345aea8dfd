"""A Modbus machine on pymodbus: `modbus_server.py PORT [rtu]`. Command: set|ADDRESS|WORD.

Registers 8 to 11 are forbidden. It identifies itself by function 43/14.
"""

import asyncio
import sys

from commands import serve_commands
from pymodbus import FramerType, ModbusDeviceIdentification
from pymodbus.server import ModbusTcpServer
from pymodbus.simulator import DataType, SimData, SimDevice

WORDS = [0] * 30


async def fill(_function, _start, _address, _count, registers, values):
    if values is None:
        registers[:30] = WORDS


IDENTITY = {"VendorName": "Maker Ltd", "ProductCode": "PC-1", "MajorMinorRevision": "2.1", "ModelName": "M 7"}


async def main(port, framer="socket"):
    blocks = [
        SimData(0, count=8, values=0, datatype=DataType.REGISTERS),
        SimData(12, count=18, values=0, datatype=DataType.REGISTERS),
    ]
    identity = ModbusDeviceIdentification(info_name=IDENTITY)
    device = SimDevice(1, simdata=blocks, action=fill)
    server = ModbusTcpServer(device, address=("127.0.0.1", port), framer=FramerType(framer), identity=identity)
    await server.listen()

    def act(_verb, address, word):
        WORDS[int(address)] = int(word)

    await serve_commands(act)
    await server.shutdown()


asyncio.run(main(int(sys.argv[1]), *sys.argv[2:]))
