"""A tap between an MQTT client and its broker: passes every octet on, and writes down the packets the client sends."""

import struct
from contextlib import asynccontextmanager
from types import SimpleNamespace

import anyio

KINDS = {1: "CONNECT", 3: "PUBLISH", 8: "SUBSCRIBE", 14: "DISCONNECT"}


def text(body, at):
    (size,) = struct.unpack_from(">H", body, at)
    return body[at + 2 : at + 2 + size], at + 2 + size


def number(body, at):
    value, shift = 0, 0
    while True:
        value |= (body[at] & 0x7F) << shift
        at += 1
        if not body[at - 1] & 0x80:
            return value, at
        shift += 7


def properties(body, at, version):
    if version < 5:
        return b"", at
    size, at = number(body, at)
    return body[at : at + size], at + size


def read_connect(body):
    name, at = text(body, 0)
    version, flags = body[at], body[at + 1]
    told, at = properties(body, at + 4, version)
    client, at = text(body, at)
    made = SimpleNamespace(
        kind="CONNECT", version=version, properties=told, client=client.decode(), is_clean=bool(flags & 2), will=None
    )
    if flags & 4:
        _, at = properties(body, at, version)
        topic, at = text(body, at)
        content, at = text(body, at)
        made.will = SimpleNamespace(
            topic=topic.decode(), content=content, qos=flags >> 3 & 3, is_retained=bool(flags & 0x20)
        )
    assert name == b"MQTT"
    return made


def read_publish(head, body, version):
    topic, at = text(body, 0)
    qos = head >> 1 & 3
    at += 2 if qos else 0
    _, at = properties(body, at, version)
    return SimpleNamespace(
        kind="PUBLISH", topic=topic.decode(), qos=qos, is_retained=bool(head & 1), content=bytes(body[at:])
    )


def read_subscribe(body, version):
    _, at = properties(body, 2, version)
    filters = []
    while at < len(body):
        topic, at = text(body, at)
        filters.append((topic.decode(), body[at] & 3))
        at += 1
    return SimpleNamespace(kind="SUBSCRIBE", filters=filters)


class Line:
    """The packets of one connection, in their order."""

    def __init__(self):
        self.packets, self.buffer, self.version = [], bytearray(), 4

    def feed(self, octets):
        self.buffer += octets
        while len(self.buffer) >= 2:
            try:
                size, at = number(self.buffer, 1)
            except IndexError:
                return
            if len(self.buffer) < at + size:
                return
            self.take(self.buffer[0], bytes(self.buffer[at : at + size]))
            del self.buffer[: at + size]

    def take(self, head, body):
        kind = KINDS.get(head >> 4)
        if kind == "CONNECT":
            self.packets.append(read_connect(body))
            self.version = self.packets[-1].version
        elif kind == "PUBLISH":
            self.packets.append(read_publish(head, body, self.version))
        elif kind == "SUBSCRIBE":
            self.packets.append(read_subscribe(body, self.version))
        elif kind == "DISCONNECT":
            self.packets.append(SimpleNamespace(kind=kind, reason=body[0] if body else 0))


@asynccontextmanager
async def tapped(port):
    """Listen on a port of our own for clients of the broker at `port`; give that port and the lines so far."""
    made = SimpleNamespace(lines=[])

    async def serve(client):
        line = Line()
        made.lines.append(line)
        async with client, await anyio.connect_tcp("127.0.0.1", port) as broker, anyio.create_task_group() as tasks:

            async def back():
                async for octets in broker:
                    await client.send(octets)
                await client.aclose()

            tasks.start_soon(back)
            try:
                async for octets in client:
                    line.feed(octets)
                    await broker.send(octets)
            except (anyio.BrokenResourceError, anyio.ClosedResourceError):
                pass
            tasks.cancel_scope.cancel()

    listener = await anyio.create_tcp_listener(local_host="127.0.0.1", local_port=0)
    made.port = listener.extra(anyio.abc.SocketAttribute.local_port)
    async with listener, anyio.create_task_group() as tasks:
        tasks.start_soon(listener.serve, serve)
        yield made
        tasks.cancel_scope.cancel()
