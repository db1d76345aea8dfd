"""A Modbus TCP machine on pymodbus: `modbus_server.py PORT`. Command: set|ADDRESS|WORD.

Registers 8 to 11 are forbidden.
"""

import asyncio
import sys

from commands import serve_commands
from pymodbus.server import ModbusTcpServer
from pymodbus.simulator import DataType, SimData, SimDevice

WORDS = [0] * 30


async def fill(_function, _start, _address, _count, registers, values):
    if values is None:
        registers[:30] = WORDS


async def main(port):
    blocks = [
        SimData(0, count=8, values=0, datatype=DataType.REGISTERS),
        SimData(12, count=18, values=0, datatype=DataType.REGISTERS),
    ]
    server = ModbusTcpServer(SimDevice(1, simdata=blocks, action=fill), address=("127.0.0.1", port))
    await server.listen()

    def act(_verb, address, word):
        WORDS[int(address)] = int(word)

    await serve_commands(act)
    await server.shutdown()


asyncio.run(main(int(sys.argv[1])))
