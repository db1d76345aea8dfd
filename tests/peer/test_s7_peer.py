"""The S7 connector against python-snap7's server in a child process on loopback."""

import math
from contextlib import aclosing

import anyio
import anyio.abc
import pytest
from machines.running import Server, free_port

from interwork.connectors import BAD_OUT_OF_RANGE, BAD_TIMEOUT, BAD_UNKNOWN, Command, Point
from interwork.connectors.s7 import S7Connector
from interwork.core.errors import BadInput, MachineUnreachable
from interwork.core.resource import GOOD

pytestmark = pytest.mark.peer
TAGS = [
    {"address": "DB1.DBD4:REAL", "name": "Power", "unit": "kW"},
    {"address": "DB1.DBW8:INT", "name": "Temperature", "unit": "Cel", "scale": 0.1},
    {"address": "DB1.DBX0.0", "name": "On"},
    {"address": "DB1.DBB10:STRING[8]", "name": "Order"},
    {"address": "DB9.DBW0", "name": "no such block"},
    {"address": "DB1.DBW199", "name": "beyond the block"},
    {"address": "MW2:INT", "name": "Flag"},
]


@pytest.fixture
def server():
    running = Server("s7_server.py", port := free_port())
    running.endpoint = f"s7://127.0.0.1:{port}?rack=0&slot=1"
    yield running
    running.stop()


async def one_poll(connector, addresses):
    points = [Point(number=n, address=address) for n, address in enumerate(addresses)]
    async with aclosing(connector.readings(points)) as batches:
        batch = await anext(batches)
    texts = batch.text or [None] * len(batch)
    rows = zip(batch.signal, batch.value, batch.quality, texts, strict=True)
    return {addresses[number]: (value if text is None else text, quality) for number, value, quality, text in rows}


async def test_tags_of_several_blocks_are_read_and_the_missing_ones_go_bad_alone(server):
    server.tell("put", 4, "41200000 00C8".replace(" ", ""))
    async with S7Connector(server.endpoint, {"tags": TAGS}) as connector:
        found = await connector.browse()
        told = await one_poll(connector, [one.address for one in found])
        plate = await connector.nameplate()
    assert plate["ManufacturerProductDesignation"] == "CPU 315-2 PN/DP"
    assert (told["DB1.DBD4:REAL"], told["DB1.DBW8:INT"]) == ((10.0, GOOD), (20.0, GOOD))
    assert (told["DB9.DBW0"][1], told["DB1.DBW199"][1]) == (BAD_UNKNOWN, BAD_OUT_OF_RANGE)
    assert (told["cpu:state"], told["identity:module"]) == (("RUN", GOOD), ("CPU 315-2 PN/DP", GOOD))


async def test_a_span_that_is_refused_is_read_tag_by_tag(server):
    tags = [{"address": f"DB1.DBW{at}", "name": "x"} for at in (190, 196, 202)]
    async with S7Connector(server.endpoint, {"tags": tags}) as connector:
        told = await one_poll(connector, [tag["address"] for tag in tags])
        again = await one_poll(connector, [tag["address"] for tag in tags])
    for poll in (told, again):
        assert [poll[tag["address"]][1] for tag in tags] == [GOOD, GOOD, BAD_OUT_OF_RANGE]
    assert connector.counters["splits"] == 1
    assert any("refuses 1 tags, the first DB1.DBW202 (code 0x05)" in one for one in connector.remarks)


async def test_texts_longer_than_a_small_controllers_answers_are_read_in_parts_and_written():
    """A STRING is 256 octets unless said, and controllers with a PDU of 240 octets are the rule."""
    addresses = ["DB4.DBB0:STRING", "DB4.DBB0:WSTRING[254]", "DB4.DBB10:WSTRING[254]", "DB1.DBB0:STRING", "DB4.DBW598"]
    tags = [{"address": address, "name": "x"} for address in addresses]
    server = Server("s7_server.py", port := free_port(), 240)
    try:
        async with S7Connector(f"s7://127.0.0.1:{port}", {"tags": tags}) as connector:
            server.tell("put4", 0, (bytes((254, 250)) + b"a" * 250).hex())
            told = await one_poll(connector, addresses[:1])
            assert told == {addresses[0]: ("a" * 250, GOOD)}
            server.tell("put4", 10, (b"\0\xfe\0\xfe" + "ü".encode("utf-16-be") * 254).hex())
            told = await one_poll(connector, addresses[2:])
            assert told == {
                addresses[2]: ("ü" * 254, GOOD),
                addresses[3]: (pytest.approx(math.nan, nan_ok=True), BAD_OUT_OF_RANGE),
                addresses[4]: (0.0, GOOD),
            }
            commands = [Command(address=addresses[0], value=text) for text in ("b" * 100, "c" * 254)]
            assert await connector.write(commands) == [GOOD, 0x8008_0000]
            assert await one_poll(connector, addresses[:1]) == {addresses[0]: ("b" * 100, GOOD)}
    finally:
        server.stop()


async def test_two_hundred_tags_are_read_in_requests_that_fit(server):
    tags = [{"address": f"DB1.DBB{at}", "name": "x"} for at in range(0, 200, 25)]
    tags += [{"address": f"M{at}.{bit}", "name": "x"} for at in range(24) for bit in range(8)]
    server.tell("put", 100, "7F")
    async with S7Connector(server.endpoint, {"tags": tags}) as connector:
        told = await one_poll(connector, [tag["address"] for tag in tags])
    assert len(told) == len(tags)
    assert {quality for _, quality in told.values()} == {GOOD}
    assert told["DB1.DBB100"][0] == 127.0


async def test_values_are_written_once_each_with_a_code_of_its_own(server):
    """machines 38: what the controller refuses has its own status code; the rest reads back."""
    commands = [("DB1.DBD4:REAL", 7.5), ("DB1.DBW8:INT", 21.5), ("DB1.DBX0.0", True), ("DB1.DBB10:STRING[8]", "A-17")]
    commands += [("MW2:INT", -5), ("DB9.DBW0", 1), ("MW2:INT", 1e9), ("DB7.DBW0", 1)]
    async with S7Connector(server.endpoint, {"tags": TAGS}) as connector:
        codes = await connector.write([Command(address=address, value=value) for address, value in commands])
        told = await one_poll(connector, [address for address, _ in commands[:5]])
    assert codes[:5] == [GOOD] * 5
    assert codes[5] & 0x8000_0000
    assert codes[6:] == [BAD_OUT_OF_RANGE, BAD_UNKNOWN]
    assert [told[address][0] for address, _ in commands[:5]] == [7.5, 21.5, 1.0, "A-17", -5.0]


async def test_a_frozen_controller_raises_within_its_time_out_and_a_write_to_it_is_not_repeated(server):
    connector = S7Connector(server.endpoint, {"tags": TAGS, "timeout_s": 2, "interval_s": 0.05})
    async with connector, aclosing(connector.readings([Point(number=1, address="MW2:INT")])) as batches:
        await anext(batches)
        server.freeze()
        assert await connector.write([Command(address="MW2:INT", value=1)]) == [BAD_TIMEOUT]
        with pytest.raises(MachineUnreachable), anyio.fail_after(30):
            await anext(batches)


async def nonsense(stream):
    async with stream:
        async for octets in stream:
            await stream.send(bytes(reversed(octets)) * 3)


async def test_a_server_that_talks_nonsense_is_no_controller():
    async with await anyio.create_tcp_listener(local_host="127.0.0.1") as listener, anyio.create_task_group() as group:
        group.start_soon(listener.serve, nonsense)
        port = listener.extra(anyio.abc.SocketAttribute.local_port)
        with pytest.raises(MachineUnreachable, match="S7 controller"), anyio.fail_after(30):
            async with S7Connector(f"s7://127.0.0.1:{port}", {"tags": TAGS, "timeout_s": 1}):
                pass
        group.cancel_scope.cancel()


@pytest.mark.parametrize("query", ["rack=8", "slot=32", "slot=x", "rack=²"])
def test_a_rack_or_slot_that_cannot_be_is_bad_input(query):
    with pytest.raises(BadInput):
        S7Connector(f"s7://host?{query}", {"tags": TAGS})
