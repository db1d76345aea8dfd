"""The connectors against independent peers from npm: node-opcua, sparkplug-client, modbus-serial.

`make setup-test` brings them; where it could not, the reason is the one shown.
"""

import json
from contextlib import aclosing
from itertools import pairwise

import anyio
import pytest
from machines.peers import needs_node_peers
from machines.running import NodeServer, Server, free_port

from interwork.connectors import Point
from interwork.connectors.modbus import ModbusConnector
from interwork.connectors.opcua import OpcUaConnector, pki
from interwork.connectors.sparkplug import SparkplugConnector
from interwork.core.errors import Refused
from interwork.core.resource import GOOD, Meaning, is_good

OVERFLOWED = 0x480
"""Good, but the server's queue dropped values before this one: it happens on a busy computer."""
pytestmark = [pytest.mark.peer, needs_node_peers]


@pytest.fixture(scope="module")
def opcua(tmp_path_factory):
    port = free_port()
    server = NodeServer("node_opcua_server.js", port, tmp_path_factory.mktemp("pki"))
    yield f"opc.tcp://127.0.0.1:{port}/peer"
    server.stop()


async def collect(batches, count):
    values, states, qualities = {}, {}, set()
    with anyio.fail_after(30):
        while count > 0:
            batch = await anext(batches)
            count -= len(batch)
            qualities |= set(batch.quality)
            for signal, value in zip(batch.signal, batch.value, strict=True):
                values.setdefault(signal, []).append(value)
            states |= {signal: text for signal, text in zip(batch.signal, batch.text, strict=False) if text}
    return values, states, qualities


async def test_a_thousand_items_of_node_opcua_arrive_in_order_and_a_gap_only_where_the_server_says_so(opcua):
    """machines 2: browsed page by page and 1,000 items subscribed, every value in order, at an independent server."""
    twice_a_change = {"sampling_ms": 50}  # as often as values change the server's own timers may pass each other
    async with OpcUaConnector(opcua, twice_a_change) as connector:
        found = await connector.browse()
        points = [Point(number=n, address=one.address, is_text=one.is_text) for n, one in enumerate(found)]
        async with aclosing(connector.readings(points)) as batches:
            values, states, qualities = await collect(batches, 15_000)
    is_whole = qualities == {GOOD}
    assert qualities <= {GOOD, OVERFLOWED}
    assert set(states.values()) == {"ACTIVE"}
    assert len(values) == len(found) == 1002
    rows = [row[1:] for signal, row in values.items() if not points[signal].is_text]
    assert all(b - a == 1 or (b > a and not is_whole) for row in rows for a, b in pairwise(row))


async def test_a_large_browse_is_paged(opcua, monkeypatch):
    monkeypatch.setattr("interwork.connectors.opcua.space.references._REFERENCES_PER_ANSWER", 7)
    async with OpcUaConnector(opcua, {}) as connector:
        assert len(await connector.browse()) == 1002


@pytest.fixture
async def credentials(opcua, tmp_path):
    """A node's folder in which the server is trusted, as after a person looked at its thumbprint."""
    wanted = {"pki": str(tmp_path), "username": "u", "password": "p"}
    with pytest.raises(Refused) as caught:
        await open_and_leave(opcua, wanted)
    assert caught.value.rule == "opcua.trust"
    pki.trust(tmp_path, pki.rejected(tmp_path)[0].thumbprint)
    return wanted


async def open_and_leave(endpoint, options):
    async with OpcUaConnector(endpoint, options):
        pass


@pytest.mark.parametrize("policy", ["Basic256Sha256", "Aes256Sha256RsaPss"])
async def test_a_signed_and_encrypted_session_with_user_and_password_reads(opcua, credentials, policy):
    """machines 3: SignAndEncrypt with user and password against an independent server, once it is trusted."""
    point = Point(number=1, address="ns=1;s=v0")
    options = credentials | {"security": f"{policy},SignAndEncrypt"}
    async with OpcUaConnector(opcua, options) as connector, aclosing(connector.readings([point])) as batches:
        assert (await anext(batches)).quality[0] == GOOD
        assert type(connector._client.security_policy).__name__ == f"SecurityPolicy{policy}"


async def test_a_wrong_password_does_not_get_in(opcua, credentials):
    with pytest.raises(Refused, match="does not let us in"):
        await open_and_leave(opcua, credentials | {"password": "wrong"})


@pytest.fixture
def own_opcua(tmp_path):
    """A server of the test's own, with limits."""
    port = free_port()
    limits = {"maxMonitoredItemsPerSubscription": 300, "operationLimits": {"maxMonitoredItemsPerCall": 40}}
    limits["operationLimits"] |= {"maxNodesPerRead": 30, "maxNodesPerBrowse": 10}
    server = NodeServer("node_opcua_server.js", port, tmp_path / "pki", json.dumps(limits))
    server.endpoint = f"opc.tcp://127.0.0.1:{port}/peer"
    yield server
    server.stop()


async def quality_of(batches, number, is_wanted):
    with anyio.fail_after(30):
        while True:
            batch = await anext(batches)
            rows = zip(batch.signal, batch.value, batch.quality, strict=True)
            for _, value, quality in (row for row in rows if row[0] == number):
                if is_wanted(value, quality):
                    return value, quality


async def test_an_overflow_of_the_servers_queue_is_counted(opcua):
    """machines 8: thirty changes between two notifications, of which the server keeps twenty."""
    point = Point(number=1, address="ns=1;s=v0")
    async with OpcUaConnector(opcua, {"publishing_ms": 3000}) as connector:
        async with aclosing(connector.readings([point])) as batches:
            await quality_of(batches, 1, lambda _, quality: quality == OVERFLOWED)
        assert connector.counters["overflows"] >= 1


async def test_limits_and_a_deleted_node_of_an_independent_server(own_opcua):
    """machines 6 and 7: items split over subscriptions; one node gone, its point alone bad, and back."""
    async with OpcUaConnector(own_opcua.endpoint, {"retry_s": 0.3}) as connector:
        found = await connector.browse()
        points = [Point(number=n, address=one.address, is_text=one.is_text) for n, one in enumerate(found)]
        spare = next(n for n, one in enumerate(found) if one.name == "spare")
        async with aclosing(connector.readings(points)) as batches:
            _, _, qualities = await collect(batches, len(points))
            assert qualities <= {GOOD, OVERFLOWED}
            assert len(connector._subscriptions._room) == 4
            await anyio.to_thread.run_sync(own_opcua.tell, "delete", "spare")
            await quality_of(batches, spare, lambda _, quality: not is_good(quality))
            await anyio.to_thread.run_sync(own_opcua.tell, "add", "spare", 77)
            assert (await quality_of(batches, spare, lambda _, quality: is_good(quality)))[0] == 77


async def test_a_sloppy_edge_node_is_understood():
    broker = Server("mqtt_broker.py", port := free_port())
    edge = NodeServer("node_sparkplug_edge.js", port)
    try:
        async with SparkplugConnector(f"mqtt://127.0.0.1:{port}/G1/E1/D1", {}) as connector:
            found = await connector.browse()
            points = [Point(number=n, address=one.address, is_text=one.is_text) for n, one in enumerate(found)]
            async with aclosing(connector.readings(points)) as batches:
                values, states, _ = await collect(batches, 12)
    finally:
        edge.stop()
        broker.stop()
    by_name = {found[signal].name: row[0] for signal, row in values.items()}
    assert (by_name["PartCount"], by_name["Offset"]) == (5.0, -3.0)
    assert list(states.values()) == ["ACTIVE"]
    assert {one.meaning for one in found} >= {Meaning.SPINDLE_SPEED, Meaning.EXECUTION}


async def test_a_slow_modbus_server_is_read():
    server = NodeServer("node_modbus_server.js", port := free_port())
    registers = [{"address": 3, "name": "a"}, {"address": 100, "name": "b", "type": "u32"}]
    options = {"registers": registers, "interval_s": 0.05}
    try:
        async with ModbusConnector(f"modbus://127.0.0.1:{port}?unit=1", options) as connector:
            points = [Point(number=1, address="3"), Point(number=2, address="100")]
            async with aclosing(connector.readings(points)) as batches:
                values, _, _ = await collect(batches, 20)
    finally:
        server.stop()
    assert (set(values[1]), set(values[2])) == ({3.0}, {float(100 << 16 | 101)})
