"""The Modbus connector against a pymodbus server in a child process: forbidden registers, faults, time."""

from contextlib import aclosing

import anyio
import anyio.abc
import pytest
from machines.running import Server, free_port, modbus_machine

from interwork.connectors import BAD_OUT_OF_RANGE, Point
from interwork.connectors.modbus import ModbusConnector
from interwork.core.errors import MachineUnreachable
from interwork.core.resource import GOOD

pytestmark = pytest.mark.peer
MAP = [{"address": address, "name": f"r{address}"} for address in (0, 1, 9, 12, 13)]


@pytest.fixture
def machine():
    running = modbus_machine()
    yield running
    running.stop()


def points(addresses):
    return [Point(number=number, address=str(number)) for number in addresses]


async def test_a_forbidden_register_in_a_block_goes_bad_and_the_others_are_read(machine):
    """machines 29: the block is split around the forbidden address."""
    machine.servers[0].tell("set", 13, 77)
    async with (
        ModbusConnector(machine.endpoint, {"registers": MAP, "interval_s": 0.05}) as connector,
        aclosing(connector.readings(points([0, 1, 9, 12, 13]))) as batches,
    ):
        for _ in range(3):
            batch = await anext(batches)
    qualities = dict(zip(batch.signal, batch.quality, strict=True))
    assert connector.counters["splits"] == 1
    assert qualities == {0: GOOD, 1: GOOD, 9: BAD_OUT_OF_RANGE, 12: GOOD, 13: GOOD}
    assert dict(zip(batch.signal, batch.value, strict=True))[13] == 77.0
    assert any("refuses 1 registers, the first 9 (illegal data address)" in one for one in connector.remarks)


async def test_a_frozen_device_raises_within_its_time_out(machine):
    async with (
        ModbusConnector(machine.endpoint, {"registers": MAP, "timeout_s": 3}) as connector,
        aclosing(connector.readings(points([0]))) as batches,
    ):
        await anext(batches)
        machine.servers[0].freeze()
        with pytest.raises(MachineUnreachable, match="within 3 s"), anyio.fail_after(30):
            await anext(batches)


async def test_a_unit_that_is_not_there_raises(machine):
    endpoint = machine.endpoint.replace("unit=1", "unit=9")
    async with (
        ModbusConnector(endpoint, {"registers": MAP, "timeout_s": 2}) as connector,
        aclosing(connector.readings(points([0]))) as batches,
    ):
        with anyio.fail_after(30):
            outcome = await next_or_fault(batches)
    assert isinstance(outcome, MachineUnreachable) or outcome.quality[0] != GOOD


async def next_or_fault(batches):
    try:
        return await anext(batches)
    except MachineUnreachable as fault:
        return fault


async def test_polls_that_take_too_long_are_counted_and_not_queued_up(machine):
    """machines 30: poll overrun is counted, not queued up."""
    async with (
        ModbusConnector(machine.endpoint, {"registers": MAP, "interval_s": 0.01}) as connector,
        aclosing(connector.readings(points([0]))) as batches,
    ):
        await anext(batches)
        await anyio.sleep(0.3)
        await anext(batches)
        await anext(batches)
        assert 1 <= connector.counters["overruns"] <= 3


async def nonsense(stream):
    async with stream:
        async for octets in stream:
            await stream.send(b"\x00" + bytes(reversed(octets)) * 40)


async def test_a_server_that_talks_nonsense_raises():
    async with await anyio.create_tcp_listener(local_host="127.0.0.1") as listener, anyio.create_task_group() as group:
        group.start_soon(listener.serve, nonsense)
        port = listener.extra(anyio.abc.SocketAttribute.local_port)
        connector = ModbusConnector(f"modbus://127.0.0.1:{port}", {"registers": MAP, "timeout_s": 2})
        async with connector, aclosing(connector.readings(points([0]))) as batches:
            with pytest.raises(MachineUnreachable), anyio.fail_after(30):
                await anext(batches)
        group.cancel_scope.cancel()


async def test_the_device_says_who_it_is(machine):
    async with ModbusConnector(machine.endpoint, {"registers": MAP}) as connector:
        found = {one.address: one for one in await connector.browse()}
        points = [Point(number=1, address="identity:maker", is_text=True)]
        async with aclosing(connector.readings(points)) as batches:
            batch = await anext(batches)
        plate = await connector.nameplate()
    assert (plate["ManufacturerName"], plate["ManufacturerProductDesignation"]) == ("Maker Ltd", "M 7")
    assert {"identity:maker", "identity:code", "identity:model"} <= found.keys()
    assert batch.text == ["Maker Ltd"]


async def test_rtu_frames_over_tcp_are_read():
    server = Server("modbus_server.py", port := free_port(), "rtu")
    try:
        server.tell("set", 1, 4321)
        options = {"registers": MAP, "framing": "rtu"}
        connector = ModbusConnector(f"modbus://127.0.0.1:{port}?unit=1", options)
        async with connector, aclosing(connector.readings(points([0, 1, 9]))) as batches:
            batch = await anext(batches)
    finally:
        server.stop()
    assert dict(zip(batch.signal, batch.value, strict=True))[1] == 4321.0
    assert dict(zip(batch.signal, batch.quality, strict=True))[9] == BAD_OUT_OF_RANGE


async def test_a_device_that_hangs_up_when_asked_who_it_is_is_read_all_the_same():
    async def answer(stream):
        async with stream:
            async for octets in stream:
                if octets[7] == 0x2B:
                    break
                await stream.send(octets[:4] + b"\0\x05" + octets[6:8] + b"\2\0\7")

    async with await anyio.create_tcp_listener(local_host="127.0.0.1") as listener, anyio.create_task_group() as group:
        group.start_soon(listener.serve, answer)
        port = listener.extra(anyio.abc.SocketAttribute.local_port)
        connector = ModbusConnector(f"modbus://127.0.0.1:{port}", {"registers": MAP[:1]})
        async with connector, aclosing(connector.readings(points([0]))) as batches:
            with anyio.fail_after(30):
                assert (await anext(batches)).value.tolist() == [7.0]
        group.cancel_scope.cancel()
