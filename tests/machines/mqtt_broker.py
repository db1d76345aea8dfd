"""An MQTT broker on loopback: `mqtt_broker.py PORT [FOLDER]`; with a folder of `certificates.make` it speaks TLS only.

Over TLS it asks for a client certificate and lets in who comes with one; without TLS it lets in everybody.
"""

import asyncio
import sys

from amqtt.broker import Broker
from commands import serve_commands

from interwork.simulate.broker import Subscriptions


async def main(port, folder=""):
    listener = {"type": "tcp", "bind": f"127.0.0.1:{port}"}
    if folder:
        files = {"cafile": "ca.pem", "certfile": "server.pem", "keyfile": "server.key"}
        listener |= {"ssl": True, **{name: f"{folder}/{file}" for name, file in files.items()}}
    broker = Broker(
        {
            "listeners": {"default": listener},
            "plugins": {"amqtt.plugins.authentication.AnonymousAuthPlugin": {"allow_anonymous": True}},
        }
    )
    broker._subscriptions = Subscriptions()
    await broker.start()
    await serve_commands(lambda *_: None)
    await broker.shutdown()


asyncio.run(main(*sys.argv[1:]))
