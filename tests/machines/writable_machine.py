"""An OPC UA machine that takes values: `writable_machine.py PORT`. Commands: set|Name|value, said|Name|.

SetPoint takes what it is given; Clamped takes no more than 50; Guarded is read-only at the server; Door is a text.
"""

import asyncio
import sys

from asyncua import Server, ua
from commands import serve_commands

VALUES = {"SetPoint": 20.0, "Clamped": 20.0, "Guarded": 20.0, "Door": "CLOSED", "PartCount": 0.0}


async def main(port):
    server = Server()
    await server.init()
    server.set_endpoint(f"opc.tcp://127.0.0.1:{port}/machine")
    server.set_security_policy([ua.SecurityPolicyType.NoSecurity])
    index = await server.register_namespace("urn:test:writable")
    folder = await server.nodes.objects.add_object(index, "Machine")
    nodes = {}
    for name, value in VALUES.items():
        nodes[name] = await folder.add_variable(ua.NodeId(name, index), name, value)
        if name in ("SetPoint", "Clamped"):
            await nodes[name].set_writable()

    async def act(verb, name, value="0"):
        if verb == "said":
            print(await nodes[name].read_value(), flush=True)
        else:
            await nodes[name].write_value(type(VALUES[name])(value))

    async def clamp():
        while True:
            if await nodes["Clamped"].read_value() > 50.0:
                await nodes["Clamped"].write_value(50.0)
            await asyncio.sleep(0.02)

    async with server, asyncio.TaskGroup() as tasks:
        clamping = tasks.create_task(clamp())
        await serve_commands(act)
        clamping.cancel()


asyncio.run(main(int(sys.argv[1])))
