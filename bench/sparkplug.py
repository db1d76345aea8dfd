"""A Sparkplug host: messages of 10 metrics, from the octets of their payloads to column batches.

The load is one device's DDATA by alias, a double and a time stamp per metric, as an edge node of ours writes it. The
limit it is held against is 15,000 messages a second on one core. Beside it, for people: the naive host (the same
protobuf class, a loop over the metrics, an alias table and one dict per reading, with no order, births, qualities or
batches; it decodes the same octets), and the whole way once: a
publisher in a process of its own, a broker (mosquitto where it is installed, else amqtt) and our connector, which
reads the socket as fast as it can; that rate is the broker's and the publisher's as much as ours.
"""

import os
import shutil
import socket
import subprocess
import sys
import tempfile
import time
from contextlib import aclosing
from pathlib import Path

import anyio

from bench.harness import Result
from interwork.connectors import Point
from interwork.connectors.sparkplug import SparkplugConnector
from interwork.connectors.sparkplug.edge_node import EdgeMetric, EdgeNode, EdgeReading
from interwork.connectors.sparkplug.host import HostView
from interwork.connectors.sparkplug.topics import read_topic
from interwork.connectors.sparkplug.values import DOUBLE
from interwork.connectors.sparkplug.wire import decode

METRICS = 10
MESSAGES = 20_000
GOAL_PER_S = 15_000
WIRE_MESSAGES = 60_000
WIRE_S = 40
NAMES = [f"m{number}" for number in range(METRICS)]
POINTS = [Point(number=number, address=name) for number, name in enumerate(NAMES)]


def story(count: int) -> list[tuple[str, bytes]]:
    """Write births and then data messages as our own edge node does; every metric changes in every message."""
    edge = EdgeNode("G", "E")
    edge.declare({"D": [EdgeMetric(name=name, datatype=DOUBLE) for name in NAMES]}, 1)
    edge.connect("mqtt://bench", 1)
    sent = edge.connected(1)
    for at in range(count):
        ms = 1_790_000_000_000 + at * 10
        sent += edge.publish("D", [EdgeReading(name, at + 0.5, ms) for name in NAMES], ms)
    return [(one.topic, one.content) for one in sent]


def ours(messages: list[tuple[str, bytes]]) -> tuple[float, int]:
    """Take messages as the connector does; return seconds of CPU and readings."""
    view, readings = HostView("D", 2.0), 0
    for topic, content in messages[:2]:
        parts = read_topic(topic)
        view.receive(parts.kind, parts.device, decode(content), 0.0, 1)
    view.watch(POINTS, 1)
    view.readings.take()
    start = time.process_time()
    for topic, content in messages[2:]:
        parts = read_topic(topic)
        view.receive(parts.kind, parts.device, decode(content), 0.0, 1)
        if len(view.readings) >= 5_000:
            readings += len(view.readings.take())
    readings += len(view.readings.take())
    return time.process_time() - start, readings


def naive(messages: list[tuple[str, bytes]]) -> tuple[float, int]:
    """Decode each message into one dict per metric."""
    aliases = {one.alias: one.name for one in decode(messages[1][1]).sent}
    readings = 0
    start = time.process_time()
    for topic, content in messages[2:]:
        device = topic.split("/")[4]
        payload = decode(content).sent
        rows = []
        for metric in payload:
            field = metric.WhichOneof("value")
            rows.append(
                {
                    "device": device,
                    "name": metric.name or aliases[metric.alias],
                    "value": getattr(metric, field) if field else None,
                    "time": metric.timestamp,
                    "is_historical": metric.is_historical,
                }
            )
        readings += len(rows)
    return time.process_time() - start, readings


PUBLISHER = """
import asyncio, sys, time
from gmqtt import Client
from gmqtt.mqtt.constants import MQTTv311
from bench.sparkplug import story
async def main(port, count):
    messages = story(count)
    asked = asyncio.Event()
    client = Client("bench-edge")
    client.on_message = lambda *_: asked.set()
    await client.connect("127.0.0.1", port, version=MQTTv311)
    client.subscribe("spBv1.0/G/NCMD/E", qos=1)
    await asked.wait()
    for topic, content in messages[:2]:
        client.publish(topic, content)
    await asyncio.sleep(1)
    for number, (topic, content) in enumerate(messages[2:]):
        client.publish(topic, content)
        if number % 200 == 0:
            await client._connection._protocol._drain_helper()
            await asyncio.sleep(0)
    await asyncio.sleep(60)
asyncio.run(main(int(sys.argv[1]), int(sys.argv[2])))
"""


def start_broker(folder: str) -> tuple[subprocess.Popen[bytes], int, str]:
    """Start mosquitto where it is installed, else amqtt."""
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port = int(probe.getsockname()[1])
    search = os.pathsep.join([os.environ.get("PATH", ""), "/usr/sbin"])
    program = shutil.which("mosquitto", path=search)
    quiet = {"stdout": subprocess.DEVNULL, "stderr": subprocess.DEVNULL}
    if program:
        file = Path(folder) / "mosquitto.conf"
        lines = ["allow_anonymous true", "persistence false", "max_queued_messages 0", "set_tcp_nodelay true"]
        file.write_text("\n".join([f"listener {port} 127.0.0.1", *lines, ""]))
        command = [program, "-c", str(file)]
    else:
        command = [sys.executable, "-W", "ignore", "-m", "interwork", "simulate", "broker", "--port", str(port)]
    broker = subprocess.Popen(command, **quiet)  # type: ignore[call-overload]  # the two streams are typed apart
    deadline = time.monotonic() + 20
    while time.monotonic() < deadline:
        try:
            socket.create_connection(("127.0.0.1", port), timeout=1).close()
        except OSError:
            time.sleep(0.05)
        else:
            break
    return broker, port, Path(command[0]).name if program else "amqtt"


async def over_the_wire(port: int, count: int) -> tuple[float, float, int]:
    """Read through the connector; return messages/s, share of a core, and readings of data that came."""
    async with SparkplugConnector(f"mqtt://127.0.0.1:{port}/G/E/D", {"reorder_s": 30}) as connector:
        began = cpu = ended = 0.0
        seen = 0
        async with aclosing(connector.readings(POINTS)) as batches:
            await anext(batches)
            with anyio.move_on_after(WIRE_S):
                async for batch in batches:
                    if not seen:
                        began, cpu = time.perf_counter(), time.process_time()
                    seen += len(batch)
                    ended = time.perf_counter()
                    if seen >= count * METRICS:
                        break
        cpu = time.process_time() - cpu
    wall = max(ended - began, 1e-9)
    return seen / METRICS / wall, cpu / wall, seen


def whole_way() -> str:
    """Measure publisher, broker and connector once, and say it."""
    with tempfile.TemporaryDirectory() as folder:
        broker, port, name = start_broker(folder)
        command = [sys.executable, "-W", "ignore", "-c", PUBLISHER, str(port), str(WIRE_MESSAGES)]
        publisher = subprocess.Popen(command, cwd=Path(__file__).parents[1])
        try:
            rate, share, seen = anyio.run(over_the_wire, port, WIRE_MESSAGES)
        finally:
            publisher.kill()
            broker.kill()
            publisher.wait()
            broker.wait()
    lost = WIRE_MESSAGES * METRICS - seen
    return f"through {name}: {rate:,.0f} messages/s at {share:.0%} of a core, {lost} of {WIRE_MESSAGES * METRICS} lost"


def run() -> Result:
    """Decode the same messages both ways, then measure the whole way once."""
    messages = story(MESSAGES)
    our_s, our_readings = ours(messages)
    peer_s, peer_readings = naive(messages)
    if our_readings != peer_readings:
        raise SystemExit(f"{our_readings} readings against {peer_readings}: the two sides did not do the same.")
    rate = MESSAGES / our_s
    told = f"a naive host, without order, births and qualities: {MESSAGES / peer_s:,.0f} messages/s per core"
    return Result(
        bench="sparkplug",
        ours=rate,
        peer=GOAL_PER_S,
        peer_name=f"the limit: 15,000 messages/s of {METRICS} metrics through decode into batches on one core",
        goal=1.0,
        unit="messages/s",
        note=f"{told}; {whole_way()}",
    )
