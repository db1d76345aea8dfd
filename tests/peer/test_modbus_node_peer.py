"""The Modbus connector against modbus-serial from npm: every table, forbidden addresses, late answers, writing."""

from contextlib import aclosing

import anyio
import anyio.abc
import pytest
from machines.peers import needs_node_peers
from machines.running import NodeServer, free_port

from interwork.connectors import BAD_OUT_OF_RANGE, BAD_TIMEOUT, BAD_UNKNOWN, Command, Point
from interwork.connectors.modbus import ModbusConnector
from interwork.core.errors import MachineUnreachable
from interwork.core.resource import GOOD

pytestmark = [pytest.mark.peer, needs_node_peers]
BAD_NOT_WRITABLE = 0x803B_0000
BAD_DEVICE_FAILURE = 0x808B_0000


@pytest.fixture(scope="module")
def endpoint():
    server = NodeServer("node_modbus_server.js", port := free_port())
    yield f"modbus://127.0.0.1:{port}?unit=1"
    server.stop()


async def one_poll(endpoint, registers, **options):
    connector = ModbusConnector(endpoint, {"registers": registers, "interval_s": 0.05, **options})
    async with connector:
        points = [Point(number=n, address=one.address) for n, one in enumerate(await connector.browse())]
        names = {n: point.address for n, point in enumerate(points)}
        async with aclosing(connector.readings(points)) as batches:
            batch = await anext(batches)
            again = await anext(batches)
    told = {
        names[number]: (value, quality)
        for number, value, quality in zip(batch.signal, batch.value, batch.quality, strict=True)
    }
    return told, again, connector


async def test_all_four_tables_are_read(endpoint):
    registers = [
        {"address": 7, "name": "h"},
        {"address": 8, "name": "i", "table": "input", "scale": 0.5, "offset": 1},
        {"address": 4, "name": "c", "table": "coil"},
        {"address": 5, "name": "d", "table": "discrete"},
    ]
    told, _, _ = await one_poll(endpoint, registers)
    assert (told["7"], told["input:8"]) == ((7.0, GOOD), (5.0, GOOD))
    assert (told["coil:4"], told["discrete:5"]) == ((1.0, GOOD), (0.0, GOOD))


@pytest.mark.parametrize("table", ["holding", "coil"])
async def test_a_hundred_registers_around_forbidden_addresses_are_read_in_few_requests(endpoint, table):
    """machines 29: 100 registers with forbidden ones among them; the parts are remembered."""
    registers = [{"address": address, "name": f"r{address}", "table": table} for address in range(100)]
    told, again, connector = await one_poll(endpoint, registers)
    bad = {key for key, (_, quality) in told.items() if quality != GOOD}
    assert {key.rpartition(":")[2] for key in bad} == {"50", "51", "52"}
    assert all(told[key][1] == BAD_OUT_OF_RANGE for key in bad)
    assert again.quality.tolist().count(GOOD) == 97
    (parts,) = connector._parts.values()
    assert len(parts) <= 12


async def test_a_map_that_is_refused_as_a_whole_is_asked_once_per_poll_and_not_register_by_register(endpoint):
    registers = [{"address": address, "name": "r"} for address in (50, 51, 52)]
    told, _, connector = await one_poll(endpoint, registers)
    assert {quality for _, quality in told.values() if quality != GOOD} == {BAD_OUT_OF_RANGE}
    ((span, parts),) = connector._parts.items()
    assert [part.span for part in parts] == [span]


async def test_several_requests_in_flight_give_each_answer_to_its_own_signal(endpoint):
    """machines 28: answers are told apart by their transaction."""
    registers = [{"address": address, "name": f"r{address}"} for address in range(300, 900, 20)]
    told, _, _ = await one_poll(endpoint, registers, max_in_flight=8, timeout_s=8)
    numbers = {key: outcome for key, outcome in told.items() if not key.startswith("identity")}
    assert numbers == {str(address): (float(address), GOOD) for address in range(300, 900, 20)}


async def test_a_late_answer_never_lands_on_the_wrong_signal(endpoint):
    """machines 28: an answer that comes after its time is counted and dropped."""
    registers = [{"address": 1000, "name": "late"}, {"address": 7, "name": "prompt"}]
    options = {"registers": registers, "timeout_s": 1.2, "interval_s": 0.05}
    connector = ModbusConnector(endpoint, options)
    async with connector:
        with pytest.raises(MachineUnreachable, match="asked 2 times"):
            async with aclosing(connector.readings([Point(number=1, address="1000")])) as batches:
                await anext(batches)
        async with aclosing(connector.readings([Point(number=2, address="7")])) as batches:
            with anyio.fail_after(30):
                while connector.counters["late_answers"] < 2:
                    assert (await anext(batches)).value.tolist() == [7.0]
    assert connector.counters["repeated"] == 1


WRITABLE = [
    {"address": 110, "name": "one"},
    {"address": 112, "name": "two", "type": "f32", "order": "CDAB"},
    {"address": 120, "name": "text", "type": "text", "length": 4},
    {"address": 60, "name": "refused"},
    {"address": 114, "name": "read only", "table": "input"},
    *({"address": address, "name": f"c{address}", "table": "coil"} for address in (21, 22, 23, 30)),
]


async def test_values_are_written_once_each_with_a_code_of_its_own(endpoint):
    """machines 38: what a device refuses or cannot take has its own status code; the rest is written and reads back."""
    commands = [("110", 42), ("112", 1.5), ("120", "ABC"), ("60", 1), ("input:114", 1), ("110", 70_000), ("nowhere", 1)]
    commands += [("coil:21", True), ("coil:22", True), ("coil:23", True), ("coil:30", False)]
    connector = ModbusConnector(endpoint, {"registers": WRITABLE, "interval_s": 0.05})
    async with connector:
        codes = await connector.write([Command(address=address, value=value) for address, value in commands])
        points = [Point(number=n, address=key) for n, key in enumerate(("110", "112", "120", "coil:21", "coil:30"))]
        async with aclosing(connector.readings(points)) as batches:
            batch = await anext(batches)
    refused = [BAD_DEVICE_FAILURE, BAD_NOT_WRITABLE, BAD_OUT_OF_RANGE, BAD_UNKNOWN]
    assert codes == [GOOD, GOOD, GOOD, *refused, GOOD, GOOD, GOOD, GOOD]
    values = dict(zip(batch.signal, batch.value, strict=True))
    assert (values[0], values[1], values[3], values[4]) == (42.0, 1.5, 1.0, 0.0)
    assert "ABC" in batch.text


async def swallow(stream):
    async with stream:
        async for _ in stream:
            pass


async def test_a_write_without_an_answer_is_not_sent_again():
    async with await anyio.create_tcp_listener(local_host="127.0.0.1") as listener, anyio.create_task_group() as group:
        group.start_soon(listener.serve, swallow)
        port = listener.extra(anyio.abc.SocketAttribute.local_port)
        options = {"registers": WRITABLE, "timeout_s": 1}
        async with ModbusConnector(f"modbus://127.0.0.1:{port}", options) as connector:
            before = connector.counters["repeated"]
            assert await connector.write([Command(address="110", value=1)]) == [BAD_TIMEOUT]
        group.cancel_scope.cancel()
    assert connector.counters["repeated"] == before
