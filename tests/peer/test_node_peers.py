"""The connectors against independent peers from npm: node-opcua, sparkplug-client, modbus-serial.

They run where INTERWORK_NODE_PEERS names a folder in which
`npm install --ignore-scripts node-opcua sparkplug-client modbus-serial` was done.
"""

import os
from contextlib import aclosing
from itertools import pairwise

import anyio
import pytest
from asyncua import Client
from asyncua.crypto.cert_gen import setup_self_signed_certificate
from cryptography.x509.oid import ExtendedKeyUsageOID
from machines.running import NodeServer, Server, free_port

from interwork.connectors import Point
from interwork.connectors.modbus import ModbusConnector
from interwork.connectors.opcua import OpcUaConnector
from interwork.connectors.sparkplug import SparkplugConnector
from interwork.core.errors import MachineUnreachable
from interwork.core.resource import GOOD, Meaning

OVERFLOWED = 0x480
"""Good, but the server's queue dropped values before this one: it happens on a busy computer."""
PEERS = os.environ.get("INTERWORK_NODE_PEERS", "")
pytestmark = [pytest.mark.peer, pytest.mark.skipif(not PEERS, reason="INTERWORK_NODE_PEERS names no npm folder")]


@pytest.fixture(scope="module")
def opcua(tmp_path_factory):
    port = free_port()
    server = NodeServer(PEERS, "node_opcua_server.js", port, tmp_path_factory.mktemp("pki"))
    yield f"opc.tcp://127.0.0.1:{port}/peer"
    server.stop()


async def collect(batches, count):
    values, states, qualities = {}, {}, set()
    with anyio.fail_after(20):
        while count > 0:
            batch = await anext(batches)
            count -= len(batch)
            qualities |= set(batch.quality)
            for signal, value in zip(batch.signal, batch.value, strict=True):
                values.setdefault(signal, []).append(value)
            states |= {signal: text for signal, text in zip(batch.signal, batch.text, strict=False) if text}
    return values, states, qualities


async def test_a_thousand_items_of_node_opcua_arrive_in_order_and_a_gap_only_where_the_server_says_so(opcua):
    async with OpcUaConnector(opcua, {}) as connector:
        found = await connector.browse()
        points = [Point(number=n, address=one.address, is_text=one.is_text) for n, one in enumerate(found)]
        async with aclosing(connector.readings(points)) as batches:
            values, states, qualities = await collect(batches, 15_000)
    is_whole = qualities == {GOOD}
    assert qualities <= {GOOD, OVERFLOWED}
    assert set(states.values()) == {"ACTIVE"}
    assert len(values) == len(found) == 1001
    rows = [row[1:] for signal, row in values.items() if not points[signal].is_text]
    assert all(b - a == 1 or (b > a and not is_whole) for row in rows for a, b in pairwise(row))


async def test_a_large_browse_is_paged(opcua, monkeypatch):
    monkeypatch.setattr("interwork.connectors.opcua.browse._REFERENCES_PER_PAGE", 7)
    async with OpcUaConnector(opcua, {}) as connector:
        assert len(await connector.browse()) == 1001


@pytest.fixture
async def credentials(opcua, tmp_path):
    """Our own certificate, and the server's as a person would save it after looking at its thumbprint."""
    key, certificate, server = (tmp_path / name for name in ("key.pem", "certificate.der", "server.der"))
    names = {"commonName": "interwork"}
    usage = [ExtendedKeyUsageOID.CLIENT_AUTH]
    await setup_self_signed_certificate(key, certificate, "urn:interwork:node", "localhost", usage, names)
    endpoints = await Client(opcua).connect_and_get_server_endpoints()
    server.write_bytes(endpoints[0].ServerCertificate)
    files = {"certificate": str(certificate), "private_key": str(key), "server_certificate": str(server)}
    return {"security": "Basic256Sha256,SignAndEncrypt", **files, "username": "u", "password": "p"}


async def test_a_signed_and_encrypted_session_with_user_and_password_reads(opcua, credentials):
    point = Point(number=1, address="ns=1;s=v0")
    async with OpcUaConnector(opcua, credentials) as connector, aclosing(connector.readings([point])) as batches:
        assert (await anext(batches)).quality[0] == GOOD


async def test_a_wrong_password_does_not_get_in(opcua, credentials):
    with pytest.raises(MachineUnreachable, match="does not let us in"):
        async with OpcUaConnector(opcua, credentials | {"password": "wrong"}):
            pass


async def test_a_server_with_another_certificate_than_the_trusted_one_is_refused(opcua, credentials):
    with pytest.raises(MachineUnreachable):
        async with OpcUaConnector(opcua, credentials | {"server_certificate": credentials["certificate"]}):
            pass


async def test_a_sloppy_edge_node_is_understood():
    broker = Server("mqtt_broker.py", port := free_port())
    edge = NodeServer(PEERS, "node_sparkplug_edge.js", port)
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
    server = NodeServer(PEERS, "node_modbus_server.js", port := free_port())
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
