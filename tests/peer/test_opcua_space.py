"""OPC UA address spaces as real servers have them, on node-opcua: node ids, types, units, words, depth, namespaces."""

import math
from contextlib import aclosing

import anyio
import pytest
from asyncua.client.client import Client
from machines.peers import needs_node_peers
from machines.running import NodeServer, free_port

from interwork.connectors import Command, Point
from interwork.connectors.leaves import UNCERTAIN_SUBNORMAL
from interwork.connectors.opcua import OpcUaConnector
from interwork.core.clock import to_us
from interwork.core.errors import MachineUnreachable
from interwork.core.resource import BAD_NO_DATA, GOOD, Meaning

pytestmark = [pytest.mark.peer, needs_node_peers]
CELL = "nsu=urn:vendor:cell;"
WAITING = 0x8032_0000


@pytest.fixture(scope="module")
def space():
    port = free_port()
    server = NodeServer("node_opcua_space.js", port, "first")
    yield f"opc.tcp://127.0.0.1:{port}/space"
    server.stop()


@pytest.fixture(scope="module")
def rows(space):
    """What browsing finds, and the first reading of each: (value or text, quality) by name."""

    async def read():
        async with OpcUaConnector(space, {}) as connector:
            found = {one.name: one for one in await connector.browse()}
            more = {name: f"{CELL}s={name}" for name in ("Array", "Matrix", "Range", "Octets")}
            asked = [(one.name, one.address, one.is_text) for one in found.values()]
            asked += [(name, address, True) for name, address in more.items()] + [("Gone", "nsu=urn:gone;s=x", False)]
            points = [
                Point(number=n, address=address, is_text=is_text) for n, (_, address, is_text) in enumerate(asked)
            ]
            got = {}
            async with aclosing(connector.readings(points)) as batches:
                with anyio.fail_after(30):
                    while len(got) < len(points):
                        batch = await anext(batches)
                        texts = batch.text or [None] * len(batch)
                        for signal, value, text, quality in zip(
                            batch.signal, batch.value, texts, batch.quality, strict=True
                        ):
                            got[asked[signal][0]] = (text if text is not None else value, quality)
            return found, got, connector.remarks

    return anyio.run(read)


@pytest.mark.parametrize(
    ("name", "identifier", "value"),
    [
        ("Guid", "g=11111111-2222-3333-4444-555555555555", 1),
        ("Opaque", "b=AQIDBAU=", 2),
        ("Numeric", "i=4000000000", 3),
        ('Odd "name";s=x', 's=Odd "name";s=x/[0]', 4),
        ("Deep", "s=Deep", 30),
    ],
)
def test_every_form_of_node_id_is_an_address_by_its_namespaces_uri(rows, name, identifier, value):
    found, got, _ = rows
    assert found[name].address == CELL + identifier
    assert got[name] == (value, GOOD)


def test_units_and_words_are_those_the_server_gives(rows):
    found, got, _ = rows
    assert (found["Temperature"].unit, found["Temperature"].meaning) == ("Cel", Meaning.TEMPERATURE)
    assert found["Wait"].unit == "{ms}"
    words = {name: got[name] for name in ("Mode", "Grade", "Door", "Kind", "Name")}
    assert words == {
        "Mode": ("Automatic", GOOD),
        "Grade": ("Fine", GOOD),
        "Door": ("Open", GOOD),
        "Kind": ("Busy", GOOD),
        "Name": ("Fräse", GOOD),
    }


def test_numbers_that_no_double_holds_are_uncertain_and_the_others_exact(rows):
    _, got, _ = rows
    assert got["Total"] == (float(2**53 + 4), UNCERTAIN_SUBNORMAL)
    assert got["Signed"] == (-10, GOOD)
    assert got["Started"] == ("2026-01-05T08:00:00.000Z", GOOD)


def test_what_has_no_value_yet_is_proposed_by_its_type_and_bad(rows):
    _, got, _ = rows
    for name in ("Waits", "Wait"):
        assert math.isnan(got[name][0])
        assert got[name][1] == WAITING


def test_elements_of_short_arrays_are_proposed_and_read_one_by_one(rows):
    found, got, _ = rows
    assert found["Array[1]"].address == f"index=1;{CELL}s=Array"
    assert {name: got[name] for name in found if name.startswith(("Array", "Flags", "Words"))} == {
        "Array[0]": (1.5, GOOD),
        "Array[1]": (2.5, GOOD),
        "Flags[0]": (1, GOOD),
        "Flags[1]": (0, GOOD),
        "Flags[2]": (1, GOOD),
        "Words[0]": ("door", GOOD),
        "Words[1]": pytest.approx((math.nan, BAD_NO_DATA), nan_ok=True),
    }


def test_matrices_long_arrays_and_structures_are_not_proposed_which_is_said_and_are_texts_by_their_address(rows):
    found, got, remarks = rows
    assert not {"Array", "Matrix", "Range", "Octets", "Long", "Empty", "Own"} & found.keys()
    assert found["Own[0]"].address == f"{CELL}s=Own[0]", "an element that is a node is itself, once"
    assert any("6 variables are not proposed" in one and "Cell/Matrix" in one for one in remarks)
    assert got["Array"] == ("[1.5,2.5]", GOOD)
    assert got["Matrix"] == ("[[1.0,2.0],[3.0,4.0]]", GOOD)
    assert got["Octets"] == ("0102ff", GOOD)
    assert got["Range"][1] == BAD_NO_DATA
    assert got["Gone"][1] == 0x8034_0000


async def test_elements_follow_their_array_and_one_that_is_no_more_is_bad_until_it_is_back():
    port = free_port()
    server = await anyio.to_thread.run_sync(NodeServer, "node_opcua_space.js", port, "first")
    points = [Point(number=n, address=f"index={n};{CELL}s=Array") for n in (0, 1)]
    points.append(Point(number=2, address="index=x;ns=1;s=Array"))

    async def told(batches, words):
        await anyio.to_thread.run_sync(lambda: server.tell("array", "Array", words))
        got = {}
        while {0, 1} - got.keys():
            batch = await anext(batches)
            got |= {signal: row for signal, *row in zip(batch.signal, batch.value, batch.quality, strict=True)}
        return got[0], got[1]

    try:
        async with OpcUaConnector(f"opc.tcp://127.0.0.1:{port}/space", {}) as connector:
            assert await connector.write([Command(address=points[0].address, value=1.0)]) == [0x803D_0000]
            async with aclosing(connector.readings(points)) as batches:
                with anyio.fail_after(30):
                    first = {}
                    while len(first) < 3:
                        batch = await anext(batches)
                        first |= dict(zip(batch.signal, batch.quality, strict=True))
                    assert first == {0: GOOD, 1: GOOD, 2: 0x8034_0000}
                    assert await told(batches, "[7.5, -1]") == ([7.5, GOOD], [-1, GOOD])
                    one, other = await told(batches, "[8]")
                    assert (one, other[1]) == ([8, GOOD], 0x8037_0000)
                    assert await told(batches, "[9, 10, 11]") == ([9, GOOD], [10, GOOD])
    finally:
        server.stop()


async def test_values_times_and_status_codes_are_the_servers_own(space):
    """machines 2: what is read equals what another client reads of the same nodes: value, source time, status."""
    names = ["s=Name", "s=Signed", "s=Mode", "i=4000000000", "s=Deep", "s=Temperature"]
    client = Client(space)
    async with client:
        index = await client.get_namespace_index("urn:vendor:cell")
        theirs = [await client.get_node(f"ns={index};{name}").read_data_value() for name in names]
    points = [Point(number=n, address=CELL + name) for n, name in enumerate(names)]
    ours = {}
    async with OpcUaConnector(space, {}) as connector, aclosing(connector.readings(points)) as batches:
        with anyio.fail_after(30):
            while len(ours) < len(names):
                batch = await anext(batches)
                rows = zip(batch.signal, batch.time_us, batch.value, batch.quality, strict=True)
                ours |= {signal: (time_us, value, quality) for signal, time_us, value, quality in rows}
    for n, value in enumerate(theirs):
        time_us, number, quality = ours[n]
        assert time_us == to_us(value.SourceTimestamp)
        if isinstance(value.Value.Value, int | float):
            assert (number, quality) == (value.Value.Value, value.StatusCode.value)


async def test_a_value_is_written_by_any_form_of_node_id(space):
    async with OpcUaConnector(space, {}) as connector:
        addresses = [f"{CELL}g=11111111-2222-3333-4444-555555555555", f"{CELL}b=AQIDBAU=", f"{CELL}s=Mode"]
        for word in ("Set-up", "Automatic"):  # left as it was found: other tests read this server too
            values = [1.0, 2.0, word]
            commands = [Command(address=at, value=value) for at, value in zip(addresses, values, strict=True)]
            assert [code >> 30 for code in await connector.write(commands)] == [0, 0, 0]


async def exhaust(batches):
    async for _ in batches:
        pass


async def test_a_server_that_comes_back_with_its_namespaces_in_another_order_is_read_by_their_uris():
    """machines 4: the same points after a restart, whatever index their namespace has now."""
    port = free_port()
    point = [Point(number=1, address=f"{CELL}s=Temperature")]
    connector = OpcUaConnector(f"opc.tcp://127.0.0.1:{port}/space", {})
    indexes = []
    for order in ("first", "last"):
        server = await anyio.to_thread.run_sync(NodeServer, "node_opcua_space.js", port, order)
        try:
            async with connector, aclosing(connector.readings(point)) as batches:
                with anyio.fail_after(30):
                    batch = await anext(batches)
                assert (batch.value[0], batch.quality[0]) == (21.5, GOOD)
                indexes.append(connector._namespaces.index("urn:vendor:cell"))
                server.stop()
                with pytest.raises(MachineUnreachable), anyio.fail_after(30):
                    await exhaust(batches)
        finally:
            server.stop()
    assert indexes == [4, 2]
