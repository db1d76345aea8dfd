"""An MQTT broker on loopback: `mqtt_broker.py PORT`."""

import asyncio
import sys

from amqtt.broker import Broker
from commands import serve_commands


async def main(port):
    broker = Broker(
        {
            "listeners": {"default": {"type": "tcp", "bind": f"127.0.0.1:{port}"}},
            "plugins": {"amqtt.plugins.authentication.AnonymousAuthPlugin": {"allow_anonymous": True}},
        }
    )
    await broker.start()
    await serve_commands(lambda *_: None)
    await broker.shutdown()


asyncio.run(main(int(sys.argv[1])))
