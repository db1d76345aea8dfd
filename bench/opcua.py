"""OPC UA changes from the socket to the hot table, against asyncua's own client, by CPU time in the same process.

No server at hand sends 100,000 changes a second (asyncua's stops at 17,000, node-opcua's at 10,000), so a replay server
in its own process answers every publish request at once with 5,000 changes whose values and times move on. It speaks
plain OPC UA TCP; all its other answers are asyncua's own structures. The load is synthetic.
"""

import asyncio
import socket
import struct
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator
from contextlib import aclosing, contextmanager
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import anyio
import numpy as np
from asyncua import ua
from asyncua.client.client import Client
from asyncua.common.utils import Buffer
from asyncua.ua.ua_binary import struct_from_binary, struct_to_binary

from bench.harness import Result
from interwork.connectors import Point
from interwork.connectors.opcua import OpcUaConnector
from interwork.connectors.opcua.value import EPOCH_TICKS
from interwork.stream import Historian, Live, Shaper

SIGNALS = 10_000
PER_MESSAGE = 5_000
WARM = 100_000
OURS, STOCK = 2_000_000, 150_000
CHUNK = 60_000
BAND = 0.5
SLACK_S = 1.0
"""How far a paced server may be behind before it lets go of what it could not send."""
KINDS = {"uniform": ("<f8",) * 20, "mixed": ("<f8", "<f8", "<f4", "<i4", "<f8", "u1", "<f8", "<u2", "<f8", "<i8") * 2}
"""The numeric types of twenty signals in a row; a server mostly sends its variables in the order of its own tree."""
TYPES = {"u1": 1, "<u2": 5, "<i4": 6, "<i8": 8, "<f4": 10, "<f8": 11}
REQUESTS = {
    446: (ua.OpenSecureChannelRequest, ua.OpenSecureChannelResponse),
    461: (ua.CreateSessionRequest, ua.CreateSessionResponse),
    467: (ua.ActivateSessionRequest, ua.ActivateSessionResponse),
    473: (ua.CloseSessionRequest, ua.CloseSessionResponse),
    631: (ua.ReadRequest, ua.ReadResponse),
    751: (ua.CreateMonitoredItemsRequest, ua.CreateMonitoredItemsResponse),
    787: (ua.CreateSubscriptionRequest, ua.CreateSubscriptionResponse),
    847: (ua.DeleteSubscriptionsRequest, ua.DeleteSubscriptionsResponse),
}
PUBLISH = 826
NONE_URI = b"http://opcfoundation.org/UA/SecurityPolicy#None"


def item(value: str) -> np.dtype[np.void]:
    """Lay out one item whose value has the type, with both times."""
    head = [("handle", "<u4"), ("mask", "u1"), ("kind", "u1")]
    return np.dtype([*head, ("value", value), ("source", "<i8"), ("server", "<i8")])


class Replay(asyncio.Protocol):
    """One connection of the replay server."""

    def __init__(self, kinds: str, rate: float = 0.0) -> None:
        self.rate, self.due = rate, 0.0
        """Changes a second at the most; 0 = as many as are asked for."""
        self.block: Any = np.dtype([(str(at), item(form)) for at, form in enumerate(KINDS[kinds])])
        self.pending, self.sequence, self.published, self.handles = b"", 0, 0, np.zeros(0, np.uint32)
        self.chance = np.random.default_rng(7)

    def connection_made(self, transport: Any) -> None:
        self.transport = transport

    def data_received(self, data: bytes) -> None:
        self.pending += data
        while len(self.pending) >= 8:
            size = struct.unpack_from("<I", self.pending, 4)[0]
            if len(self.pending) < size:
                return
            message, self.pending = self.pending[:size], self.pending[size:]
            self.take(message)

    def take(self, message: bytes) -> None:
        kind = message[:3]
        if kind == b"HEL":
            self.transport.write(struct.pack("<4sIIIIII", b"ACKF", 28, 0, 65535, 65535, 0, 0))
        elif kind == b"OPN":
            at = 12
            for _ in range(3):
                at += 4 + max(struct.unpack_from("<i", message, at)[0], 0)
            self.answer(message[at + 4 : at + 8], message[at + 8 :], opens=True)
        elif kind == b"MSG":
            self.answer(message[20:24], message[24:])

    def answer(self, request: bytes, body: bytes, *, opens: bool = False) -> None:
        number = struct.unpack_from("<H", body, 2)[0]
        if number == PUBLISH:
            loop = asyncio.get_running_loop()
            self.due = max(self.due + (PER_MESSAGE / self.rate if self.rate else 0.0), loop.time() - SLACK_S)
            loop.call_at(self.due, self.publish, request)
            return
        asked_as, answered_as = REQUESTS[number]
        asked: Any = struct_from_binary(asked_as, Buffer(body))
        response = answered_as()
        response.ResponseHeader.RequestHandle = asked.RequestHeader.RequestHandle
        self.fill(number, asked, response)
        self.send(request, bytes(struct_to_binary(response)), opens=opens)

    def publish(self, request: bytes) -> None:
        if not self.transport.is_closing():
            self.send(request, self.publication())

    def fill(self, number: int, asked: Any, response: Any) -> None:
        if number == 446:
            response.Parameters.SecurityToken = ua.ChannelSecurityToken(1, 1, datetime.now(UTC), 3_600_000)
        elif number == 461:
            response.Parameters.AuthenticationToken = response.Parameters.SessionId = ua.NodeId.from_string("ns=1;i=1")
            response.Parameters.RevisedSessionTimeout = 3_600_000
            token = ua.UserTokenPolicy(PolicyId="anonymous", TokenType=ua.UserTokenType.Anonymous)
            endpoint = ua.EndpointDescription(SecurityMode=ua.MessageSecurityMode.None_, UserIdentityTokens=[token])
            endpoint.EndpointUrl, endpoint.SecurityPolicyUri = "opc.tcp://127.0.0.1", NONE_URI.decode()
            response.Parameters.ServerEndpoints = [endpoint]
        elif number == 631:
            names = ua.Variant(["http://opcfoundation.org/UA/", "urn:bench"], ua.VariantType.String)
            is_names = [one.NodeId.Identifier == 2255 for one in asked.Parameters.NodesToRead]
            response.Results = [ua.DataValue(names if one else ua.Variant(0)) for one in is_names]
        elif number == 787:
            wanted = asked.Parameters
            response.Parameters = ua.CreateSubscriptionResult(7, wanted.RequestedPublishingInterval, 3000, 30)
        elif number == 847:
            response.Results = [ua.StatusCode() for _ in asked.Parameters.SubscriptionIds]
        elif number == 751:
            items = asked.Parameters.ItemsToCreate
            created = np.array([one.RequestedParameters.ClientHandle for one in items], np.uint32)
            start = len(self.handles)
            self.handles = np.concatenate([self.handles, created])
            response.Results = [
                ua.MonitoredItemCreateResult(ua.StatusCode(), start + at, 100.0, 20) for at in range(len(items))
            ]

    def publication(self) -> bytes:
        """Write the next 5,000 changes: a slow wave with noise, of which the deadband keeps about a quarter."""
        self.published += 1
        count = min(PER_MESSAGE, len(self.handles))
        first = self.published * count % max(len(self.handles), 1)
        handles = np.roll(self.handles, -first)[:count]
        ticks = time.time_ns() // 100 + EPOCH_TICKS
        noise = self.chance.normal(0, 0.25, count)
        values = np.round(50 + 10 * np.sin(self.published / 100 + handles) + noise, 2)
        table = np.empty(count // len(self.block), self.block)
        for at, name in enumerate(self.block.names or ()):
            part = table[name]
            part["handle"], part["mask"] = handles[at :: len(self.block)], 0x0D
            part["kind"] = TYPES[part.dtype["value"].str.replace("|", "")]
            part["value"] = values[at :: len(self.block)]
            part["source"] = part["server"] = ticks
        data = struct.pack("<i", count) + table.tobytes() + struct.pack("<i", -1)
        parts = struct.pack("<IiBIqi", 7, 0, 0, self.published, ticks, int(count > 0))
        notification = b"\x01\x00\x2b\x03\x01" + struct.pack("<i", len(data)) + data if count else b""
        return b"\x01\x00\x3d\x03" + bytes(24) + parts + notification + struct.pack("<ii", 0, -1)

    def send(self, request: bytes, body: bytes, *, opens: bool = False) -> None:
        parts = [body[at : at + CHUNK] for at in range(0, len(body), CHUNK)]
        for number, part in enumerate(parts):
            self.sequence += 1
            security = struct.pack("<i", len(NONE_URI)) + NONE_URI + b"\xff" * 8 if opens else struct.pack("<I", 1)
            rest = struct.pack("<I", 1) + security + struct.pack("<I", self.sequence) + request + part
            kind = (b"OPN" if opens else b"MSG") + (b"F" if number == len(parts) - 1 else b"C")
            self.transport.write(kind + struct.pack("<I", len(rest) + 8) + rest)


async def serve(port: int, kinds: str, rate: float) -> None:
    server = await asyncio.get_running_loop().create_server(lambda: Replay(kinds, rate), "127.0.0.1", port)
    print("READY", flush=True)
    async with server:
        await server.serve_forever()


async def ours(endpoint: str, folder: Path) -> tuple[float, float, float]:
    """Read, shape and keep changes; return CPU seconds and wall seconds per change, and the share kept."""
    historian, live, shaper = await Historian.open(folder), Live(), Shaper(dict.fromkeys(range(SIGNALS), BAND))
    points = [Point(number=number, address=f"ns=1;i={number}") for number in range(SIGNALS)]
    seen = kept = stored = 0
    cpu = wall = 0.0
    async with OpcUaConnector(endpoint, {}) as connector, aclosing(connector.readings(points)) as batches:
        async for batch in batches:
            shaped = shaper.shape(batch)
            live.update(batch)
            if len(shaped):
                await historian.append(shaped)
                stored += len(shaped)
            seen += len(batch)
            if seen >= WARM and not cpu:
                cpu, wall, seen, kept = time.process_time(), time.perf_counter(), 0, 0
            elif cpu:
                kept += len(shaped)
                if seen >= OURS:
                    break
        cpu, wall = time.process_time() - cpu, time.perf_counter() - wall
        if connector.counters:
            raise SystemExit(f"The fast decoder fell back: {connector.counters}")
    rows = (await historian.usage()).rows
    await historian.close()
    if rows != stored:
        raise SystemExit(f"{rows} of {stored} readings were stored.")
    return cpu / seen, wall / seen, kept / seen


class Counting:
    """The handler asyncua's documentation shows, doing nothing but counting."""

    def __init__(self) -> None:
        self.seen = 0
        self.cpu = self.began = 0.0
        self.done = anyio.Event()

    def datachange_notification(self, *_: object) -> None:
        self.seen += 1
        if self.seen == STOCK // 10:
            self.cpu, self.began = time.process_time(), float(self.seen)
        elif self.seen >= STOCK and not self.done.is_set():
            self.cpu = (time.process_time() - self.cpu) / (self.seen - self.began)
            self.done.set()


async def stock(endpoint: str) -> float:
    """Count changes with asyncua's client and subscription; return CPU seconds per change."""
    client = Client(endpoint, timeout=30, watchdog_intervall=30)
    async with client:
        handler = Counting()
        subscription = await client.create_subscription(100, handler)
        nodes = [client.get_node(f"ns=1;i={number}") for number in range(SIGNALS)]
        for start in range(0, SIGNALS, 500):
            await subscription.subscribe_data_change(nodes[start : start + 500])
        with anyio.fail_after(120):
            await handler.done.wait()
    return handler.cpu


@contextmanager
def replaying(kinds: str, rate: float = 0.0) -> Iterator[str]:
    """Start a replay server; give its endpoint."""
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port = probe.getsockname()[1]
    command = [sys.executable, "-m", "bench.opcua", str(port), kinds, str(rate)]
    server = subprocess.Popen(command, cwd=Path(__file__).parents[1], stdout=subprocess.PIPE)
    try:
        assert server.stdout is not None
        server.stdout.readline()
        yield f"opc.tcp://127.0.0.1:{port}"
    finally:
        server.kill()
        server.wait(10)
        if server.stdout:
            server.stdout.close()


def run() -> Result:
    """Measure both clients against the same replay server, and ours against one of a single type too."""
    with tempfile.TemporaryDirectory() as name:
        for kinds in KINDS:
            (Path(name) / kinds).mkdir()
        with replaying("uniform") as endpoint:
            uniform_cpu, uniform_wall, _ = anyio.run(ours, endpoint, Path(name) / "uniform")
        with replaying("mixed") as endpoint:
            cpu, wall, kept = anyio.run(ours, endpoint, Path(name) / "mixed")
            stock_cpu = anyio.run(stock, endpoint)
    return Result(
        bench="opcua",
        ours=1 / cpu,
        peer=1 / stock_cpu,
        peer_name="asyncua 2.1 client and subscription, counting only; both read a replay server in a process of its "
        "own, numbers of mixed types; ours goes on through deadband and live state into the durable hot table",
        goal=5,
        unit="changes per CPU second",
        note=(
            f"{cpu * 1e6:.2f} µs CPU per change (stock {stock_cpu * 1e6:.1f}); {1 / cpu:,.0f} changes/s on one core; "
            f"{1 / wall:,.0f}/s by the clock; the deadband kept {kept:.0%}; "
            f"all doubles: {uniform_cpu * 1e6:.2f} µs, {1 / uniform_wall:,.0f}/s by the clock"
        ),
    )


if __name__ == "__main__":
    asyncio.run(serve(int(sys.argv[1]), sys.argv[2], float(sys.argv[3])))
