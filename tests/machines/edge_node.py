"""A Sparkplug edge node: `edge_node.py PORT GROUP EDGE DEVICE`.

Commands: set|Name|value, null|Name|, late|Name|value (historical), skip|| (one message is lost), garbage||,
unknown|| (an alias nobody announced), ddeath||, olddeath||, births|| (prints how many rebirths were asked for).
"""

import asyncio
import sys
import time

from commands import serve_commands
from gmqtt import Client, Message
from gmqtt.mqtt.constants import MQTTv311
from protobuf_by_hand import metric, payload

STRING, DOUBLE, UINT32, UINT64, BOOLEAN = 12, 10, 7, 8, 11
METRICS = {
    "Execution": [STRING, "READY", ""],
    "PartCount": [UINT32, 0, ""],
    "Power": [DOUBLE, 1.5, "kW"],
    "Energy": [DOUBLE, 10.0, "kWh"],
    "SpindleSpeed": [DOUBLE, 0.0, "rpm"],
    "ToolWear": [DOUBLE, 12.5, "%"],
    "Program": [STRING, "P1", ""],
}
KINDS = {STRING: str, DOUBLE: float, UINT32: int}


class EdgeNode:
    def __init__(self, port, group, edge, device):
        self.port, self.group, self.edge, self.device = port, group, edge, device
        self.seq = self.rebirths = 0
        self.aliases = {name: number for number, name in enumerate(METRICS, start=1)}
        self.death = payload([metric("bdSeq", 7, datatype=UINT64)])
        self.client = Client("edge-" + edge, will_message=Message(self.topic("NDEATH"), self.death, qos=1))

    def topic(self, kind):
        return f"spBv1.0/{self.group}/{kind}/{self.edge}" + (f"/{self.device}" if kind.startswith("D") else "")

    async def connect(self):
        self.client.on_message = self.command
        await self.client.connect("127.0.0.1", self.port, keepalive=5, version=MQTTv311)
        self.client.subscribe(self.topic("NCMD"), qos=1)
        self.births()

    def command(self, _client, _topic, content, *_):
        if b"Node Control/Rebirth" in content:
            self.rebirths += 1
            self.births()
        return 0

    def send(self, kind, metrics, *, is_lost=False):
        now = int(time.time() * 1000)
        if not is_lost:
            self.client.publish(self.topic(kind), payload(metrics, seq=self.seq, ms=now), qos=0)
        self.seq = (self.seq + 1) % 256

    def births(self):
        self.seq = 0
        rebirth = metric("Node Control/Rebirth", False, datatype=BOOLEAN)
        self.send("NBIRTH", [metric("bdSeq", 7, datatype=UINT64), rebirth])
        self.send(
            "DBIRTH",
            [
                metric(name, value, alias=self.aliases[name], datatype=datatype, unit=unit)
                for name, (datatype, value, unit) in METRICS.items()
            ],
        )

    def act(self, verb, name="", value=""):
        now = int(time.time() * 1000)
        if verb == "set":
            METRICS[name][1] = KINDS[METRICS[name][0]](value)
            self.send("DDATA", [metric(value=METRICS[name][1], alias=self.aliases[name], ms=now)])
        elif verb == "null":
            self.send("DDATA", [metric(alias=self.aliases[name], ms=now)])
        elif verb == "late":
            old = metric(value=float(value), alias=self.aliases[name], ms=now - 60_000, historical=True)
            self.send("DDATA", [old])
        elif verb == "skip":
            self.send("DDATA", [], is_lost=True)
        elif verb == "garbage":
            self.client.publish(self.topic("DDATA"), b"\xff\xff\xff", qos=0)
        elif verb == "unknown":
            self.send("DDATA", [metric(value=1.0, alias=999, ms=now)])
        elif verb == "ddeath":
            self.send("DDEATH", [])
        elif verb == "olddeath":
            self.client.publish(self.topic("NDEATH"), payload([metric("bdSeq", 6, datatype=UINT64)]), qos=0)
        elif verb == "births":
            print(self.rebirths, flush=True)


async def main():
    node = EdgeNode(int(sys.argv[1]), *sys.argv[2:5])
    await node.connect()
    await serve_commands(node.act)
    await node.client.disconnect()


asyncio.run(main())
