"""Real machine servers in child processes on loopback, and what the connector contract needs to know of each."""

import itertools
import os
import secrets
import select
import signal
import socket
import subprocess
import sys
import time
from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path

from machines.peers import NODE, NODE_PEERS

from interwork.core.resource import Meaning

HERE = Path(__file__).parent
START_S = 40


WORKERS = int(os.environ.get("PYTEST_XDIST_WORKER_COUNT", "1"))
WORKER = int(os.environ.get("PYTEST_XDIST_WORKER", "gw0").removeprefix("gw"))
PORTS = range(10_000 + WORKER, 20_000, WORKERS)
"""Below the ports a kernel hands out by itself, as are those 10,000 above, and each worker has its own: nobody else
takes one before its server does."""
_turns = itertools.count(secrets.randbelow(len(PORTS)))


def free_port():
    """Find a port that nothing listens on; it is not given again before thousands of others were."""
    for turn in itertools.islice(_turns, len(PORTS)):
        with socket.socket() as probe:
            try:
                probe.bind(("127.0.0.1", port := PORTS[turn % len(PORTS)]))
            except OSError:
                continue
            return port
    raise AssertionError("no port is free")


class Server:
    """One server script in its own process: told lines, frozen, thawed, killed."""

    def __init__(self, script, *arguments, program=(sys.executable, "-W", "ignore"), **environment):
        command = [*program, str(HERE / script), *map(str, arguments)]
        self.process = subprocess.Popen(
            command,
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=subprocess.DEVNULL,
            env=os.environ | environment,
        )
        self._said = b""
        self._expect("READY", START_S)

    def _line(self, deadline):
        while b"\n" not in self._said:
            ready, _, _ = select.select([self.process.stdout], [], [], max(deadline - time.monotonic(), 0))
            assert ready, "the server did not answer in time"
            octets = os.read(self.process.stdout.fileno(), 65536)
            assert octets, f"the server ended with {self.process.wait(5)}"
            self._said += octets
        line, _, self._said = self._said.partition(b"\n")
        return line.decode().strip()

    def _expect(self, word, seconds):
        deadline = time.monotonic() + seconds
        said = []
        while (line := self._line(deadline)) != word:
            said.append(line)
        return said

    def tell(self, *words):
        """Give a command and wait until it is carried out; return what the server said."""
        self.process.stdin.write(("|".join(map(str, words)) + "\n").encode())
        self.process.stdin.flush()
        return self._expect("OK", 30)

    def freeze(self):
        os.kill(self.process.pid, signal.SIGSTOP)
        os.waitid(os.P_PID, self.process.pid, os.WSTOPPED)

    def thaw(self):
        os.kill(self.process.pid, signal.SIGCONT)

    def stop(self):
        if self.process.poll() is None:
            self.thaw()
            self.process.kill()
        self.process.wait(30)
        self.process.stdin.close()
        self.process.stdout.close()


class NodeServer(Server):
    """A server script for Node.js with the packages that `make setup-test` brought."""

    def __init__(self, script, *arguments):
        super().__init__(script, *arguments, program=(str(NODE),), NODE_PATH=str(NODE_PEERS))


@dataclass
class Machine:
    """A running machine and how the contract suite handles it."""

    endpoint: str
    servers: list[Server]
    change: Callable[[float], None]
    """Make the machine show this part count."""
    lose: Callable[[], None]
    """Cut the link for good."""
    options: dict = field(default_factory=dict)
    meanings: frozenset = frozenset({Meaning.EXECUTION, Meaning.PART_COUNT, Meaning.POWER, Meaning.SPINDLE_SPEED})

    def stop(self):
        for server in reversed(self.servers):
            server.stop()


def opcua_machine():
    port = free_port()
    server = Server("opcua_server.py", port)
    return Machine(
        endpoint=f"opc.tcp://127.0.0.1:{port}/machine",
        servers=[server],
        change=lambda count: server.tell("set", "PartCount", int(count)),
        lose=server.stop,
    )


def sparkplug_machine():
    port = free_port()
    broker = Server("mqtt_broker.py", port)
    node = Server("edge_node.py", port, "G", "E", "D")
    return Machine(
        endpoint=f"mqtt://127.0.0.1:{port}/G/E/D",
        servers=[broker, node],
        change=lambda count: node.tell("set", "PartCount", int(count)),
        lose=node.stop,
    )


def mqtt_machine():
    port = free_port()
    broker = Server("mqtt_broker.py", port)
    node = Server("json_device.py", port, "shop/mill")
    return Machine(
        endpoint=f"mqtt+json://127.0.0.1:{port}/shop/#",
        servers=[broker, node],
        change=lambda count: node.tell("set", "PartCount", int(count)),
        lose=broker.stop,
    )


def http_machine():
    port = free_port()
    server = Server("json_service.py", port)
    return Machine(
        endpoint=f"http://127.0.0.1:{port}/state",
        servers=[server],
        change=lambda count: server.tell("set", "PartCount", int(count)),
        lose=server.stop,
        options={"interval_s": 0.1, "timeout_s": 5},
    )


def mtconnect_machine(*documents):
    port = free_port()
    agent = Server("mtconnect_agent.py", port, *documents)
    return Machine(
        endpoint=f"mtconnect://127.0.0.1:{port}" + ("" if documents else "/Machine"),
        servers=[agent],
        change=lambda count: agent.tell("set", "count", int(count)),
        lose=agent.stop,
        options={"heartbeat_ms": 2000},
    )


REGISTERS = [
    {"address": 0, "name": "Execution", "type": "u16", "states": {"0": "READY", "1": "ACTIVE"}},
    {"address": 1, "name": "PartCount", "type": "u16", "unit": "1"},
    {"address": 2, "name": "Power", "type": "f32", "unit": "kW"},
    {"address": 4, "name": "SpindleSpeed", "type": "u32", "scale": 0.1, "unit": "rpm"},
]


def modbus_machine():
    port = free_port()
    server = Server("modbus_server.py", port)
    return Machine(
        endpoint=f"modbus://127.0.0.1:{port}?unit=1",
        servers=[server],
        change=lambda count: server.tell("set", 1, int(count)),
        lose=server.stop,
        options={"registers": REGISTERS, "interval_s": 0.1},
    )


TAGS = [
    {"address": "DB1.DBW0:INT", "name": "Execution", "states": {"0": "READY", "1": "ACTIVE"}},
    {"address": "DB1.DBW2:UINT", "name": "PartCount", "unit": "1"},
    {"address": "DB1.DBD4:REAL", "name": "Power", "unit": "kW"},
    {"address": "DB1.DBD8:UDINT", "name": "SpindleSpeed", "scale": 0.1, "unit": "rpm"},
]


def s7_machine():
    port = free_port()
    server = Server("s7_server.py", port)
    return Machine(
        endpoint=f"s7://127.0.0.1:{port}?rack=0&slot=1",
        servers=[server],
        change=lambda count: server.tell("put", 2, f"{int(count):04x}"),
        lose=server.stop,
        options={"tags": TAGS, "interval_s": 0.1},
    )


MACHINES = {
    "opcua": opcua_machine,
    "sparkplug": sparkplug_machine,
    "mqtt": mqtt_machine,
    "http": http_machine,
    "mtconnect": mtconnect_machine,
    "modbus": modbus_machine,
    "s7": s7_machine,
}
