"""OPC UA against servers with limits, servers that lie about them, and nodes and servers that come and go."""

import contextlib
import json
import math
from contextlib import aclosing, asynccontextmanager

import anyio
import anyio.abc
import pytest
from machines.running import Server, free_port

from interwork.connectors import BAD_TYPE, Command, Point
from interwork.connectors.opcua import OpcUaConnector
from interwork.connectors.opcua.subscribe import BAD_TOO_MANY_ITEMS
from interwork.core.errors import MachineUnreachable
from interwork.core.resource import GOOD, Meaning, is_good

pytestmark = pytest.mark.peer
NODE = "nsu=urn:test:machine;s="
NAMES = ("Execution", "PartCount", "Power", "Energy", "SpindleSpeed", "ToolWear", "Program")


def points(*names):
    return [
        Point(number=n, address=NODE + name, is_text=name in ("Execution", "Program", "Mode", "Door", "MachineStatus"))
        for n, name in enumerate(names, 1)
    ]


@asynccontextmanager
async def machine(**options):
    port = free_port()
    server = await anyio.to_thread.run_sync(lambda: Server("opcua_server.py", port, json.dumps(options)))
    server.endpoint = f"opc.tcp://127.0.0.1:{port}/machine"
    try:
        yield server
    finally:
        server.stop()


async def tell(server, *words):
    return await anyio.to_thread.run_sync(lambda: server.tell(*words))


async def collect(batches, is_enough, seconds=15):
    """Gather readings by signal until there are enough."""
    rows = {}
    with anyio.fail_after(seconds):
        while not is_enough(rows):
            batch = await anext(batches)
            for signal, value, quality in zip(batch.signal, batch.value, batch.quality, strict=True):
                rows.setdefault(signal, []).append((value, quality))
    return rows


ARRAY = (
    "1 variables are not proposed as signals, the first Machine/Samples: structures, octets, matrices, and arrays that "
    "are empty, longer than 64, have nodes for their elements, or would make more than 5000 signals. "
    "By its address one is read as a text."
)
HONEST = {"read": 4, "browse": 3, "call": 2, "subscription": 3}
GENEROUS = {"read": 100, "browse": 200, "call": 50, "subscription": 1000}


@pytest.mark.parametrize(("stated", "whole"), [(HONEST, False), (GENEROUS, True), ({"read": 1, "call": 1}, False)])
async def test_requests_are_split_to_what_the_server_takes_whatever_it_states(stated, whole):
    """machines 7: limits per call and per subscription are kept by splitting, also where the server lies about them."""
    async with (
        machine(limits=HONEST | {"whole": whole}, stated=stated) as server,
        OpcUaConnector(server.endpoint, {}) as connector,
    ):
        assert len(await connector.browse()) == len(NAMES)
        async with aclosing(connector.readings(points(*NAMES))) as batches:
            rows = await collect(batches, lambda rows: len(rows) == len(NAMES))
    assert {quality for row in rows.values() for _, quality in row} == {GOOD}
    assert connector.remarks == [ARRAY]


async def test_points_beyond_every_limit_go_bad_and_the_limit_is_named():
    """machines 7: where nothing can be split any more, the error names the limit."""
    async with (
        machine(limits={"subscription": 2, "subscriptions": 2}) as server,
        OpcUaConnector(server.endpoint, {}) as connector,
        aclosing(connector.readings(points(*NAMES))) as batches,
    ):
        rows = await collect(batches, lambda rows: len(rows) == len(NAMES))
        said = connector.remarks
    qualities = [rows[number][0][1] for number in range(1, 8)]
    assert qualities == [GOOD] * 4 + [BAD_TOO_MANY_ITEMS] * 3
    assert said == ["3 of 7 points are not read: the server's limit MaxSubscriptionsPerSession."]


async def test_a_server_without_a_subscription_to_give_is_named_with_its_limit():
    async with machine(limits={"subscriptions": 0}) as server, OpcUaConnector(server.endpoint, {}) as connector:
        with pytest.raises(MachineUnreachable, match=r"(?i)subscriptions"):
            await anext(connector.readings(points("Power")))


async def test_a_deleted_node_costs_only_its_own_point_and_is_read_again_when_it_is_back():
    """machines 6: one node id deleted: only that point bad; it returns when the node does."""
    often = {"retry_s": 0.3, "roll_call_s": 0.3}  # asyncua's server does not tell a deletion
    async with (
        machine() as server,
        OpcUaConnector(server.endpoint, often) as connector,
        aclosing(connector.readings(points("Power", "Energy"))) as batches,
    ):
        await collect(batches, lambda rows: len(rows) == 2)
        await tell(server, "delete", "Power")
        rows = await collect(batches, lambda rows: 1 in rows)
        assert not is_good(rows[1][-1][1])
        await tell(server, "set", "Energy", 11)
        rows = await collect(batches, lambda rows: 2 in rows)
        assert (1 in rows, rows[2]) == (False, [(11.0, GOOD)])
        await tell(server, "add", "Power", 9)
        rows = await collect(batches, lambda rows: 1 in rows)
        assert rows[1] == [(9.0, GOOD)]
        await tell(server, "set", "Power", 10)
        assert (await collect(batches, lambda rows: 1 in rows))[1] == [(10.0, GOOD)]


async def test_an_overflow_and_an_array_are_told_by_quality_and_counters():
    async with (
        machine() as server,
        OpcUaConnector(server.endpoint, {}) as connector,
        aclosing(connector.readings(points("Power", "Energy"))) as batches,
    ):
        await collect(batches, lambda rows: len(rows) == 2)
        await tell(server, "status", "Power", 0x480)
        assert (await collect(batches, lambda rows: 1 in rows))[1][-1] == (1.0, 0x480)
        await tell(server, "array", "Power")
        value, quality = (await collect(batches, lambda rows: 1 in rows))[1][-1]
        assert (math.isnan(value), quality) == (True, BAD_TYPE)
        assert connector.counters == {"overflows": 1}


async def test_enumerations_are_words_and_the_item_state_is_the_execution():
    async with machine(machinery=True) as server, OpcUaConnector(server.endpoint, {}) as connector:
        found = {one.name: one for one in await connector.browse()}
        plate = await connector.nameplate()
        wanted = [found[name] for name in ("Mode", "Door", "MachineStatus", "CurrentState", "Grade")]
        asked = [Point(number=n, address=one.address, is_text=one.is_text) for n, one in enumerate(wanted)]
        async with aclosing(connector.readings(asked)) as batches:
            texts = dict.fromkeys(range(5))
            with anyio.fail_after(30):
                while None in texts.values():
                    batch = await anext(batches)
                    texts |= dict(zip(batch.signal, batch.text, strict=True))
    assert texts == {0: "Automatic", 1: "open", 2: "ACTIVE", 3: "READY", 4: "Fine"}
    assert [one.meaning for one in wanted[2:4]] == [Meaning.EXECUTION] * 2
    assert plate["ManufacturerName"] == "Test works"
    assert (plate["SerialNumber"], plate["YearOfConstruction"]) == ("4711", "2020")


async def test_values_are_written_as_the_node_declares_them_within_its_range_or_not_at_all():
    wanted = {
        ("Setpoint", 50.0): 0,
        ("Setpoint", 500.0): 0x803C0000,
        ("Setpoint", float("nan")): 0x803C0000,
        ("Mode", "Jog"): 0,
        ("Mode", "Nope"): 0x803C0000,
        ("Door", False): 0,
        ("Door", 1.0): 0x80740000,
        ("Speed", 9.0): 0,
        ("Speed", 3.5): 0x80740000,
        ("Speed", 40000.0): 0x803C0000,
        ("Job", "next"): 0,
        ("Job", 1.0): 0x80740000,
        ("nobody", 1.0): 0x80340000,
    }
    async with machine(machinery=True) as server, OpcUaConnector(server.endpoint, {}) as connector:
        commands = [Command(address=NODE + name, value=value) for name, value in wanted]
        codes = await connector.write(commands)
        held = [(await tell(server, "get", name))[0] for name in ("Setpoint", "Mode", "Door", "Speed", "Job")]
        refused = await connector.write([Command(address=NODE + "Power", value=1.0)])
    assert dict(zip(wanted, codes, strict=True)) == wanted
    assert held == ["50.0", "2", "False", "9", "next"]
    assert not is_good(refused[0])


async def test_data_flow_on_while_a_large_server_is_browsed_and_the_browse_can_be_cancelled():
    """machines 9: a large browse is paged, cancellable and does not stall the data."""
    async with machine(limits={}) as server:
        await tell(server, "many", "v", 1500)
        async with (
            OpcUaConnector(server.endpoint, {}) as connector,
            aclosing(connector.readings(points("Power"))) as batches,
            anyio.create_task_group() as tasks,
        ):
            await anext(batches)
            began = anyio.Event()

            async def look():
                began.set()
                await connector.browse()

            tasks.start_soon(look)
            await began.wait()
            for value in range(3):
                await tell(server, "set", "Power", 100 + value)
                rows = await collect(batches, lambda rows: 1 in rows)
                assert rows[1][-1] == (100.0 + value, GOOD)
            tasks.cancel_scope.cancel()


async def test_a_frozen_server_is_lost_once_and_read_again_after_it_thawed():
    """machines 5: a frozen server is noticed within 15 s and read again once it runs, without repeats in between."""
    async with machine() as server:
        async with OpcUaConnector(server.endpoint, {}) as connector:
            batches = connector.readings(points("Power", "Energy"))
            await collect(batches, lambda rows: len(rows) == 2)
            server.freeze()
            with pytest.raises(MachineUnreachable), anyio.fail_after(15):
                await anext(batches)
            with pytest.raises(StopAsyncIteration):
                await anext(batches)
        with pytest.raises(MachineUnreachable), anyio.fail_after(15):
            async with OpcUaConnector(server.endpoint, {}):
                pass
        server.thaw()
        with anyio.fail_after(10):
            async with OpcUaConnector(server.endpoint, {}) as connector:
                rows = await collect(connector.readings(points("Power", "Energy")), lambda rows: len(rows) == 2)
    assert rows == {1: [(1.5, GOOD)], 2: [(10.0, GOOD)]}


async def test_a_restarted_server_is_read_again_within_ten_seconds():
    """machines 4: the socket's end is told at once, and the server is read again as soon as it is back."""
    port = free_port()
    endpoint = f"opc.tcp://127.0.0.1:{port}/machine"
    server = await anyio.to_thread.run_sync(lambda: Server("opcua_server.py", port))
    async with OpcUaConnector(endpoint, {}) as connector:
        batches = connector.readings(points("Power"))
        await collect(batches, lambda rows: 1 in rows)
        await anyio.to_thread.run_sync(server.stop)
        with pytest.raises(MachineUnreachable, match="gone"), anyio.fail_after(10):
            await anext(batches)
    server = await anyio.to_thread.run_sync(lambda: Server("opcua_server.py", port))
    try:
        with anyio.fail_after(10):
            async with OpcUaConnector(endpoint, {}) as connector:
                rows = await collect(connector.readings(points("Power")), lambda rows: 1 in rows)
    finally:
        server.stop()
    assert rows == {1: [(1.5, GOOD)]}


async def test_without_the_private_call_asyncuas_own_loop_carries_the_data(monkeypatch):
    monkeypatch.setattr("interwork.connectors.opcua.session.FastSession._send", lambda _: None)
    async with (
        machine() as server,
        OpcUaConnector(server.endpoint, {}) as connector,
        aclosing(connector.readings(points(*NAMES))) as batches,
    ):
        rows = await collect(batches, lambda rows: len(rows) == len(NAMES))
        await tell(server, "set", "Power", 3)
        assert (await collect(batches, lambda rows: 3 in rows))[3] == [(3.0, GOOD)]
        assert connector.counters["stock_loop"] == 1
    assert {quality for row in rows.values() for _, quality in row} == {GOOD}


ACKNOWLEDGED = b"ACKF" + bytes([28, 0, 0, 0]) + bytes(4) + b"\xff\xff\0\0" * 2 + bytes(8)


@pytest.mark.parametrize(
    "answers",
    [
        [b""],
        [b"HTTP/1.1 400 Bad Request\r\n\r\n"],
        [b"ACKF\xff\xff\xff\x7f"],
        [b"ERRF" + bytes([16, 0, 0, 0]) + b"\0\0\x0a\x80" + b"\xff" * 4],
        [ACKNOWLEDGED, b"OPNF" + bytes([40, 0, 0, 0]) + bytes(32)],
        [ACKNOWLEDGED, b"MSGF" + bytes([30, 0, 0, 0]) + b"\xff" * 22],
        [ACKNOWLEDGED, bytes(range(256)) * 4],
        [ACKNOWLEDGED[:10]],
    ],
)
async def test_whatever_a_port_answers_is_an_unreachable_machine_and_no_crash(answers):
    async def serve(stream):
        async with stream:
            for answer in answers:
                with contextlib.suppress(anyio.EndOfStream, anyio.BrokenResourceError):
                    await stream.receive()
                    await stream.send(answer)

    listener = await anyio.create_tcp_listener(local_host="127.0.0.1")
    port = listener.extra(anyio.abc.SocketAttribute.local_port)
    async with listener, anyio.create_task_group() as tasks:
        tasks.start_soon(listener.serve, serve)
        with pytest.raises(MachineUnreachable) as caught, anyio.fail_after(30):
            async with OpcUaConnector(f"opc.tcp://127.0.0.1:{port}", {"timeout_s": 1}):
                pass
        tasks.cancel_scope.cancel()
    assert caught.value.remedy
