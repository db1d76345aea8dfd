"""Each simulator as its own process, spoken to with stock libraries only (asyncua, gmqtt, aiohttp + lxml, pymodbus)."""

import json
import os
import signal
import socket
import struct
import subprocess
import sys
from contextlib import AsyncExitStack, asynccontextmanager, suppress
from pathlib import Path

import aiohttp
import anyio
import pytest
from asyncua import Client as OpcUaClient
from asyncua import ua
from gmqtt import Client as MqttClient
from gmqtt.mqtt.constants import MQTTv311
from lxml import etree
from machines import running
from pymodbus.client import AsyncModbusTcpClient

from interwork.simulate.faces.modbus import REGISTERS

pytestmark = pytest.mark.peer
SOURCE = Path(__file__).parents[2] / "src"
LAUNCHER = """
import argparse, sys
from interwork.simulate.arguments import add_arguments, run
parser = argparse.ArgumentParser()
add_arguments(parser)
sys.exit(run(parser.parse_args()))
"""
CYCLE = {"program": "O1234", "quantity": 3, "unit_s": 60, "setup_s": 30, "run": "run-1"}
QUICK = ("--speed", "300", "--fault-every-h", "0")
MTCONNECT = "{urn:mtconnect.org:MTConnectStreams:2.0}"


class Simulator:
    """A simulator's process, with what its ready line says."""

    def __init__(self, process: subprocess.Popen, ready: dict) -> None:
        self.process, self.endpoint, self.panel = process, ready["endpoint"], ready["panel"]
        self.port = int(self.endpoint.split("://")[1].split("/")[0].split("?")[0].rpartition(":")[2])

    def end(self, number: int = signal.SIGTERM) -> int:
        self.process.send_signal(number)
        return self.process.wait(20)

    async def ask(self, method: str, path: str, body: object = None) -> dict:
        async with aiohttp.ClientSession() as session, session.request(method, self.panel + path, json=body) as answer:
            assert answer.status == 200
            return await answer.json()


def launch(*words: str) -> subprocess.Popen:
    environment = os.environ | {"PYTHONPATH": str(SOURCE)}
    command = [sys.executable, "-c", LAUNCHER, *words]
    return subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True, env=environment)


@asynccontextmanager
async def simulator(*words: str):
    process = launch(*words)
    try:
        with anyio.fail_after(30):
            line = await anyio.to_thread.run_sync(process.stdout.readline)
        assert line, process.stderr.read()
        yield Simulator(process, json.loads(line))
    finally:
        with suppress(ProcessLookupError):
            process.kill()
        process.communicate(timeout=30)


async def until(holds, seconds: float = 20):
    """Poll until something holds and return what it gave."""
    with anyio.fail_after(seconds):
        while not (outcome := await holds()):  # noqa: ASYNC110 - what is waited for is in another process
            await anyio.sleep(0.05)
        return outcome


@pytest.fixture
def free_port() -> str:
    return str(running.free_port())


# ---- OPC UA ----


@asynccontextmanager
async def opcua():
    async with AsyncExitStack() as stack:
        one = await stack.enter_async_context(simulator("opcua", "--port", "0", "--name", "Mill 1", *QUICK))
        client = await stack.enter_async_context(OpcUaClient(one.endpoint, watchdog_intervall=20))
        space = await client.get_namespace_index("urn:interwork:simulated-machine")
        yield one, client, lambda name: client.get_node(ua.NodeId(f"Machine.{name}", space))


async def test_an_opcua_machine_says_it_is_simulated():
    async with opcua() as (_, client, node):
        product = client.get_node(ua.ObjectIds.Server_ServerStatus_BuildInfo_ProductName)
        assert await product.read_value() == "Simulated milling machine"
        assert await node("Simulated").read_value() is True


async def test_an_opcua_machine_counts_to_its_quantity():
    async with opcua() as (one, _, node):
        assert await node("Execution").read_value() == "READY"
        await one.ask("POST", "/cycle-start", CYCLE)

        async def is_made() -> bool:
            return await node("PartCount").read_value() == 3 and await node("Execution").read_value() == "READY"

        await until(is_made)
        assert await node("Program").read_value() == "O1234"
        assert await node("Energy").read_value() > 0


async def test_opcua_units_are_unece_codes():
    async with opcua() as (_, _, node):
        unit = await (await node("Power").get_child("0:EngineeringUnits")).read_value()
        assert (unit.DisplayName.Text, unit.UnitId) == ("kW", int.from_bytes(b"KWT", "big"))


async def test_opcua_changes_are_published_with_their_source_time():
    async with opcua() as (one, client, node):
        seen = []

        class Handler:
            def datachange_notification(self, _node, value, data):
                seen.append((value, data.monitored_item.Value.SourceTimestamp))

        subscription = await client.create_subscription(100, Handler())
        await subscription.subscribe_data_change(node("Power"))
        await one.ask("POST", "/cycle-start", CYCLE)

        async def has_ten() -> bool:
            return len(seen) > 10

        await until(has_ten)
        assert len({time for _, time in seen}) == len(seen)
        assert one.end() == 0


async def test_an_opcua_client_cannot_write():
    async with opcua() as (_, _, node):
        with pytest.raises(ua.UaStatusCodeError):
            await node("PartCount").write_value(ua.Variant(9, ua.VariantType.UInt32))


async def test_an_opcua_machine_ends_in_time_with_a_client_connected():
    async with opcua() as (one, _, _):
        assert one.end() == 0


# ---- Sparkplug ----


def fields(content: bytes) -> dict[int, list]:
    """Read protobuf by hand, knowing nothing but its wire format: field number to values."""
    found: dict[int, list] = {}
    at = 0

    def varint() -> int:
        nonlocal at
        value = shift = 0
        while True:
            octet = content[at]
            at += 1
            value |= (octet & 0x7F) << shift
            shift += 7
            if octet < 0x80:
                return value

    while at < len(content):
        key = varint()
        if key & 7 == 0:
            value = varint()
        else:
            size = {1: 8, 5: 4}.get(key & 7) or varint()
            value, at = content[at : at + size], at + size
        found.setdefault(key >> 3, []).append(value)
    return found


def payload(content: bytes) -> tuple[int | None, dict]:
    """Read a payload: its sequence number, and its values by name or alias (Sparkplug 3.0, 6.4)."""
    outer = fields(content)
    values = {}
    for raw in outer.get(2, []):
        metric = fields(raw)
        key = metric[1][0].decode() if 1 in metric else metric[2][0]
        readers = {10: int, 11: int, 13: lambda eight: struct.unpack("<d", eight)[0], 14: bool, 15: bytes.decode}
        values[key] = next(read(metric[number][0]) for number, read in readers.items() if number in metric)
    return outer.get(3, [None])[0], values


class Host:
    """What a host application sees: every message, in order."""

    def __init__(self) -> None:
        self.messages: list[tuple[str, bytes]] = []
        self.client = MqttClient("test-host")
        self.client.set_config({"reconnect_retries": -2})
        self.client.on_message = self._hear
        self.subscribed = anyio.Event()
        self.client.on_subscribe = lambda *_: self.subscribed.set()

    def _hear(self, _client, topic, content, _qos, _properties):
        self.messages.append((topic, bytes(content)))
        return 0

    def of(self, kind: str) -> list[tuple[int | None, dict]]:
        return [payload(content) for topic, content in self.messages if topic.split("/")[2] == kind]

    async def wait(self, kind: str, count: int = 1) -> list[tuple[int | None, dict]]:
        async def has() -> bool:
            return len(self.of(kind)) >= count

        await until(has)
        return self.of(kind)

    def rebirth(self) -> None:
        metric = b"\x0a\x14Node Control/Rebirth" + b"\x20\x0b" + b"\x70\x01"
        self.client.publish("spBv1.0/plant/NCMD/mill", b"\x12" + bytes([len(metric)]) + metric, qos=0)


@asynccontextmanager
async def hosted(port: int):
    host = Host()
    await host.client.connect("127.0.0.1", port, version=MQTTv311)
    host.client.subscribe("spBv1.0/#", qos=1)
    await host.subscribed.wait()
    try:
        yield host
    finally:
        await host.client.disconnect()


def edge(port: int) -> tuple[str, ...]:
    return ("sparkplug", "--port", str(port), "--group", "plant", "--edge", "mill", *QUICK)


@asynccontextmanager
async def sparkplug():
    async with (
        simulator("broker", "--port", "0") as broker,
        hosted(broker.port) as host,
        simulator(*edge(broker.port)) as one,
    ):
        await host.wait("DBIRTH")
        yield broker, host, one


async def test_a_sparkplug_machine_is_born_node_first_with_everything_it_has():
    async with sparkplug() as (_, host, one):
        assert [topic.split("/")[2] for topic, _ in host.messages[:2]] == ["NBIRTH", "DBIRTH"]
        (seq, node), (device_seq, device) = host.of("NBIRTH")[0], host.of("DBIRTH")[0]
        assert (seq, device_seq, node["bdSeq"], node["Node Control/Rebirth"]) == (0, 1, 0, False)
        assert node["Properties/Simulated"] is device["Properties/Simulated"] is True
        assert {"Execution", "PartCount", "Power", "Energy", "Alarm"} <= device.keys()
        assert one.endpoint == f"mqtt://127.0.0.1:{one.port}/plant/mill/machine"


async def test_a_sparkplug_machine_sends_changes_by_alias_in_sequence():
    async with sparkplug() as (_, host, one):
        await one.ask("POST", "/cycle-start", CYCLE)
        data = await host.wait("DDATA", 5)
        assert [seq for seq, _ in data] == [number % 256 for number in range(2, 2 + len(data))]
        assert all(isinstance(alias, int) for _, values in data for alias in values)


async def test_a_sparkplug_machine_counts_to_its_quantity():
    async with sparkplug() as (_, host, one):
        birth = next(fields(content)[2] for topic, content in host.messages if "/DBIRTH/" in topic)
        aliases = {fields(raw)[1][0]: fields(raw)[2][0] for raw in birth}
        await one.ask("POST", "/cycle-start", CYCLE)

        async def is_made() -> bool:
            return any(values.get(aliases[b"PartCount"]) == 3 for _, values in host.of("DDATA"))

        await until(is_made)


async def test_a_sparkplug_machine_is_born_again_when_asked():
    async with sparkplug() as (_, host, _):
        host.rebirth()
        births = await host.wait("DBIRTH", 2)
        assert (births[1][0], [values["bdSeq"] for _, values in host.of("NBIRTH")]) == (1, [0, 0])


async def test_a_sparkplug_machine_dies_with_a_certificate():
    async with sparkplug() as (_, host, one):
        assert one.end() == 0
        seq, values = (await host.wait("NDEATH"))[0]
        assert (seq, values) == (None, {"bdSeq": 0})


async def test_a_sparkplug_machine_that_is_killed_leaves_its_will():
    async with sparkplug() as (_, host, one):
        one.process.kill()
        assert (await host.wait("NDEATH"))[0] == (None, {"bdSeq": 0})


async def test_a_sparkplug_machine_finds_a_broker_that_restarts_and_counts_its_sessions(free_port):
    async with simulator("broker", "--port", free_port) as first, simulator(*edge(int(free_port))) as one:
        assert first.end() == 0
        async with simulator("broker", "--port", free_port), hosted(int(free_port)) as host:
            births = await host.wait("NBIRTH")
            assert births[0][1]["bdSeq"] >= 1
            assert one.end() == 0


async def test_a_sparkplug_machine_waits_for_a_broker_and_ends_when_told(free_port):
    process = launch(*edge(int(free_port)))
    line = await anyio.to_thread.run_sync(process.stderr.readline)
    assert "broker.unreachable" in line
    process.terminate()
    assert (process.wait(20), process.communicate()[0]) == (0, "")


# ---- MTConnect ----


@asynccontextmanager
async def mtconnect():
    async with AsyncExitStack() as stack:
        one = await stack.enter_async_context(simulator("mtconnect", "--port", "0", "--name", "Mill 1", *QUICK))
        yield one, await stack.enter_async_context(aiohttp.ClientSession(f"http://127.0.0.1:{one.port}"))


async def document(session, path: str, status: int = 200):
    async with session.get(path) as answer:
        assert answer.status == status
        assert answer.content_type == "text/xml"
        return etree.fromstring(await answer.read())


async def test_an_mtconnect_machine_describes_itself_as_simulated():
    async with mtconnect() as (one, session):
        root = await document(session, "/probe")
        assert root.xpath("string(//*[local-name()='Description'])").startswith("SIMULATED milling machine")
        assert one.endpoint.endswith(f":{one.port}/mill-1")
        assert root.xpath("//*[local-name()='Device']/@name") == ["mill-1"]


async def test_an_mtconnect_machine_counts_to_its_quantity():
    async with mtconnect() as (one, session):
        await one.ask("POST", "/cycle-start", CYCLE)

        async def is_made() -> bool:
            root = await document(session, "/mill-1/current")
            return (root.findtext(f".//{MTCONNECT}PartCount"), root.findtext(f".//{MTCONNECT}Execution")) == (
                "3",
                "READY",
            )

        await until(is_made)


async def test_every_mtconnect_observation_is_of_a_described_item():
    async with mtconnect() as (_, session):
        described = set((await document(session, "/probe")).xpath("//*[local-name()='DataItem']/@id"))
        assert set((await document(session, "/current")).xpath("//@dataItemId")) == described


async def test_an_mtconnect_stream_has_no_gap():
    async with mtconnect() as (one, session):
        await one.ask("POST", "/cycle-start", CYCLE)
        sequences: list[int] = []
        async with session.get("/sample?interval=50&count=20&from=1") as answer:
            assert answer.content_type == "multipart/x-mixed-replace"
            reader = aiohttp.MultipartReader.from_response(answer)
            while len(sequences) < 100:
                part = await reader.next()
                root = etree.fromstring(await part.read())
                sequences += sorted(int(text) for text in root.xpath("//@sequence"))
        assert sequences == list(range(1, len(sequences) + 1))


async def test_an_mtconnect_stream_beats_when_there_is_no_news():
    async with mtconnect() as (_, session):
        after = (await document(session, "/current")).find(f"{MTCONNECT}Header").get("nextSequence")
        async with session.get(f"/sample?interval=100000&heartbeat=1&from={after}") as answer:
            part = await aiohttp.MultipartReader.from_response(answer).next()
            root = etree.fromstring(await part.read())
            assert root.find(f"{MTCONNECT}Header").get("nextSequence")


@pytest.mark.parametrize(
    ("path", "status", "code"),
    [
        ("/sample?from=999999999", 400, "OUT_OF_RANGE"),
        ("/sample?count=0", 400, "OUT_OF_RANGE"),
        ("/current?at=999999999", 400, "OUT_OF_RANGE"),
        ("/sample?count=x", 400, "INVALID_REQUEST"),
        ("/lathe/current", 404, "NO_DEVICE"),
        ("/lathe", 404, "NO_DEVICE"),
    ],
)
async def test_a_wrong_mtconnect_request_is_answered_with_its_code(path, status, code):
    async with mtconnect() as (_, session):
        root = await document(session, path, status)
        assert root.xpath("//*[local-name()='Error']/@errorCode") == [code]


async def test_an_mtconnect_machine_ends_in_time_with_a_stream_open():
    async with mtconnect() as (one, session), session.get("/sample?interval=50") as answer:
        await answer.content.readany()
        assert one.end(signal.SIGINT) == 0


# ---- Modbus ----


@asynccontextmanager
async def modbus(*words: str):
    async with simulator("modbus", "--port", "0", "--name", "Mill 1", *QUICK, *words) as one:
        client = AsyncModbusTcpClient("127.0.0.1", port=one.port)
        assert await client.connect()
        try:
            yield one, client
        finally:
            client.close()


async def value(client, name: str) -> float | str:
    register = next(one for one in REGISTERS if one["name"] == name)
    types = {"u16": client.DATATYPE.UINT16, "u32": client.DATATYPE.UINT32, "f32": client.DATATYPE.FLOAT32}
    type_ = types[register["type"]]
    answer = await client.read_holding_registers(register["address"], count=type_.value[1], device_id=1)
    number = client.convert_from_registers(answer.registers, type_) * register["scale"]
    return register["states"][str(number)] if "states" in register else number


async def test_a_modbus_machine_counts_to_its_quantity():
    async with modbus() as (one, client):
        assert await value(client, "Execution") == "READY"
        await one.ask("POST", "/cycle-start", CYCLE)

        async def is_made() -> bool:
            return (await value(client, "PartCount"), await value(client, "Execution")) == (3, "READY")

        await until(is_made)
        assert await value(client, "Energy") > 0


async def test_a_modbus_machine_identifies_itself_as_simulated():
    async with modbus() as (_, client):
        answer = await client.read_device_information(read_code=2, device_id=1)
        assert answer.information[0x04] == b"Simulated milling machine"
        assert await value(client, "Simulated") == 1


async def test_input_registers_hold_the_same_as_holding_registers():
    async with modbus() as (_, client):
        assert (await client.read_input_registers(58, count=1, device_id=1)).registers == [1]


async def test_a_modbus_client_cannot_write_and_cannot_read_beyond():
    async with modbus() as (_, client):
        assert (await client.write_register(0, 2, device_id=1)).isError()
        assert (await client.read_holding_registers(59, count=1, device_id=1)).isError()
        assert not (await client.read_holding_registers(0, count=59, device_id=1)).isError()


async def test_a_modbus_machine_ends_in_time_with_a_client_connected():
    async with modbus() as (one, _):
        assert one.end() == 0


# ---- all of them ----


@pytest.mark.parametrize("kind", ["opcua", "mtconnect", "modbus", "broker"])
async def test_a_taken_port_ends_the_process_with_a_remedy(kind):
    with socket.socket() as other:
        other.bind(("127.0.0.1", 0))
        other.listen()
        process = launch(kind, "--port", str(other.getsockname()[1]))
        out, err = await anyio.to_thread.run_sync(process.communicate)
    assert (process.returncode, out) == (1, "")
    assert "in use by another program" in err
    assert "Traceback" not in err


async def test_a_panel_answers_the_same_run_alike():
    async with simulator("modbus", "--port", "0", *QUICK) as one:
        first = await one.ask("POST", "/cycle-start", CYCLE)
        assert await one.ask("POST", "/cycle-start", CYCLE) == first
        assert (await one.ask("GET", "/state"))["run"] == "run-1"
