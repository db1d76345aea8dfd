"""A device that publishes JSON over plain MQTT: `json_device.py PORT TOPIC`. Command: set|Name|value."""

import asyncio
import json
import sys
import time

from commands import serve_commands
from gmqtt import Client
from gmqtt.mqtt.constants import MQTTv311

VALUES = {
    "Execution": "READY",
    "PartCount": 0,
    "Power": {"value": 1.5, "unit": "kW"},
    "SpindleSpeed": {"value": 0.0, "unit": "rpm"},
}


async def main(port, topic):
    client = Client("json-device")
    await client.connect("127.0.0.1", int(port), keepalive=30, version=MQTTv311)

    def say():
        client.publish(topic, json.dumps(VALUES | {"ts": time.time()}), qos=1, retain=True)

    def act(_verb, name, value):
        VALUES[name] = int(value)
        say()

    say()
    await serve_commands(act)
    await client.disconnect()


asyncio.run(main(*sys.argv[1:]))
