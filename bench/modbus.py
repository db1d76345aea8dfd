"""Modbus requests of 100 registers on one connection, one in flight: our link against pymodbus's client.

Both ask the same server in a process of its own, which answers from prepared octets so that it is not what is
measured. Both sides end at a hundred registers as numbers.
"""

import asyncio
import struct
import subprocess
import sys
import time

import anyio
from pymodbus.client import AsyncModbusTcpClient

from bench.harness import Result
from interwork.connectors.modbus.framing import MbapFraming
from interwork.connectors.modbus.link import Link
from interwork.connectors.modbus.registers import blocks_of, parse_registers
from interwork.connectors.modbus.wire import read_answer, read_request

REGISTERS = 100
SECONDS = 3.0


class Server(asyncio.Protocol):
    """Answers every read of holding registers with as many as were asked for."""

    transport: asyncio.Transport

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        assert isinstance(transport, asyncio.Transport)
        self.transport = transport
        self.kept = b""

    def data_received(self, data: bytes) -> None:
        data = self.kept + data
        answers = []
        while len(data) >= 12:
            count = int.from_bytes(data[10:12], "big")
            head = data[:2] + struct.pack(">HHBBB", 0, 3 + 2 * count, data[6], 3, 2 * count)
            answers.append(head + b"\0\x07" * count)
            data = data[12:]
        self.kept = data
        self.transport.write(b"".join(answers))


async def serve() -> None:
    """Serve on a free port, said on standard output, until standard input ends."""
    server = await asyncio.get_running_loop().create_server(Server, "127.0.0.1", 0)
    print(server.sockets[0].getsockname()[1], flush=True)
    await asyncio.to_thread(sys.stdin.read)


async def ours(port: int, in_flight: int) -> tuple[float, float]:
    """Tell the requests per second of our link, answers taken apart, and the CPU seconds of one."""
    entries = [{"address": address, "name": "r"} for address in range(REGISTERS)]
    (block,) = blocks_of(list(parse_registers(entries).values()))
    link = Link(MbapFraming(), 1, 3.0, in_flight)
    await link.open("127.0.0.1", port)
    done, began = 0, time.process_time()
    until = time.perf_counter() + SECONDS

    async def ask() -> None:
        nonlocal done
        while time.perf_counter() < until:
            words, code = read_answer(block, await link.ask(read_request(block)))
            if code or len(words) != REGISTERS:
                raise SystemExit("A request was not answered in full.")
            done += 1

    async with anyio.create_task_group() as group:
        for _ in range(in_flight):
            group.start_soon(ask)
    link.close()
    return done / SECONDS, (time.process_time() - began) / done


async def theirs(port: int) -> tuple[float, float]:
    """Tell the requests per second of pymodbus's client, and the CPU seconds of one."""
    client = AsyncModbusTcpClient("127.0.0.1", port=port)
    await client.connect()
    done, began = 0, time.process_time()
    until = time.perf_counter() + SECONDS
    while time.perf_counter() < until:
        answer = await client.read_holding_registers(0, count=REGISTERS, device_id=1)
        if len(answer.registers) != REGISTERS:
            raise SystemExit("A request was not answered in full.")
        done += 1
    client.close()
    return done / SECONDS, (time.process_time() - began) / done


def run() -> Result:
    """Measure both on the same server."""
    command = [sys.executable, "-c", "import anyio; from bench.modbus import serve; anyio.run(serve)"]
    with subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True) as server:
        assert server.stdout is not None
        port = int(server.stdout.readline())
        peer, peer_cpu = anyio.run(theirs, port)
        rate, cpu = anyio.run(ours, port, 1)
        many, _ = anyio.run(ours, port, 8)
        server.terminate()
    return Result(
        bench="modbus",
        ours=rate,
        peer=peer,
        peer_name="pymodbus's asynchronous client on the same server; requests of 100 registers, one in flight",
        goal=1.2,
        unit="requests/s",
        note=(
            f"{cpu * 1e6:.0f} µs CPU per request (peer {peer_cpu * 1e6:.0f}); {many:,.0f} requests/s with eight in "
            "flight; asked for are 10,000 requests/s"
        ),
    )
