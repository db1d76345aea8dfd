"""An OPC UA machine on asyncua's server: `opcua_server.py PORT`.

Commands: set|Name|value, add|Name|value, delete|Name, many|Name|count, burst|Name|count, null|Name.
"""

import asyncio
import sys

from asyncua import Server, ua
from commands import serve_commands

VALUES = {
    "Execution": "READY",
    "PartCount": 0,
    "Power": 1.5,
    "Energy": 10.0,
    "SpindleSpeed": 0.0,
    "ToolWear": 12.5,
    "Program": "P1",
}
UNITS = {
    "Power": ("kW", 4937556),
    "Energy": ("kWh", 4937544),
    "SpindleSpeed": ("rpm", 5394509),
    "ToolWear": ("%", 20529),
}


class Machine:
    def __init__(self, server, index, folder):
        self.server, self.index, self.folder, self.nodes = server, index, folder, {}

    async def add(self, name, value):
        node = await self.folder.add_variable(ua.NodeId(name, self.index), name, value)
        self.nodes[name] = node
        if name in UNITS:
            text, number = UNITS[name]
            unit = ua.EUInformation(UnitId=number, DisplayName=ua.LocalizedText(text))
            await node.add_property(self.index, "EngineeringUnits", unit)

    async def act(self, verb, name, value="0"):
        match verb:
            case "delete":
                await self.server.delete_nodes([self.nodes.pop(name)])
            case "add":
                await self.add(name, float(value))
            case "many":
                for number in range(int(value)):
                    await self.add(f"{name}{number}", 0.0)
            case "burst":
                for number in range(int(value)):
                    await self.nodes[name].write_value(float(number))
            case "null":
                bad = ua.DataValue(ua.Variant(None), ua.StatusCode(0x808B0000))
                await self.nodes[name].write_value(bad)
            case _:
                await self.nodes[name].write_value(type(VALUES.get(name, 0.0))(value))


async def main(port):
    server = Server()
    await server.init()
    server.set_endpoint(f"opc.tcp://127.0.0.1:{port}/machine")
    server.set_security_policy([ua.SecurityPolicyType.NoSecurity])
    index = await server.register_namespace("urn:test:machine")
    machine = Machine(server, index, await server.nodes.objects.add_object(index, "Machine"))
    for name, value in VALUES.items():
        await machine.add(name, value)
    await machine.folder.add_variable(index, "Samples", [1.0, 2.0])
    await machine.folder.add_property(index, "SerialNumber", "4711")
    async with server:
        await serve_commands(machine.act)


asyncio.run(main(int(sys.argv[1])))
