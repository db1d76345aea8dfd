"""A service that answers its state as JSON over HTTP: `json_service.py PORT`. Command: set|Name|value."""

import asyncio
import sys

from aiohttp import web
from commands import serve_commands

STATE = {
    "Execution": "READY",
    "PartCount": 0,
    "Power": {"value": 4.5, "unit": "kW"},
    "SpindleSpeed": {"value": 1200.0, "unit": "rpm"},
}


async def main(port):
    async def answer(_request):
        return web.json_response(STATE)

    def act(_verb, name, value):
        STATE[name] = int(value)

    application = web.Application()
    application.router.add_get("/state", answer)
    runner = web.AppRunner(application)
    await runner.setup()
    await web.TCPSite(runner, "127.0.0.1", int(port)).start()
    await serve_commands(act)
    await runner.cleanup()


asyncio.run(main(sys.argv[1]))
