"""The ladder's word carried to the machine: sampled more rarely there, and as before when there is room again."""

from contextlib import aclosing
from itertools import pairwise

import anyio
import pytest
from machines.peers import needs_node_peers
from machines.running import MACHINES, NodeServer, free_port

from interwork.connectors import Point, Slowing, open_connector
from interwork.connectors.opcua import OpcUaConnector
from interwork.connectors.opcua.pace import Rates
from interwork.core.resource import is_good

pytestmark = pytest.mark.peer
WATCHED = [Point(number=n, address=f"ns=1;s=v{n}") for n in range(20)]


@pytest.fixture(scope="module")
def busy(tmp_path_factory):
    """Values that change ten times a second at an independent server."""
    port = free_port()
    server = NodeServer("node_opcua_server.js", port, tmp_path_factory.mktemp("pki"))
    yield f"opc.tcp://127.0.0.1:{port}/peer"
    server.stop()


async def steps_of(batches, count):
    """Gather so many changes of the first point; tell by how much its value grew from one to the next."""
    values = []
    with anyio.fail_after(30):
        while len(values) <= count:
            batch = await anext(batches)
            rows = zip(batch.signal, batch.value, batch.quality, strict=True)
            values += [value for signal, value, quality in rows if signal == 0 and is_good(quality)]
    return [after - before for before, after in pairwise(values)]


@needs_node_peers
async def test_a_server_samples_more_rarely_while_asked_to_and_as_before_afterwards(busy):
    """machines 35: the step «slower» reaches the machine by ModifySubscription and ModifyMonitoredItems, and back."""
    async with OpcUaConnector(busy, {}) as connector, aclosing(connector.readings(WATCHED)) as batches:
        assert sorted(await steps_of(batches, 10))[5] < 4
        connector.slow(10)
        slowed = await steps_of(batches, 12)
        assert sorted(slowed[4:])[4] >= 8
        assert "It is sampled 10 times more slowly than asked at first." in connector.remarks
        connector.slow(1)
        assert sorted((await steps_of(batches, 16))[6:])[5] < 4
        assert connector.remarks == []


@needs_node_peers
async def test_a_pace_asked_for_before_reading_holds_from_the_first_sample(busy):
    async with OpcUaConnector(busy, {}) as connector:
        connector.slow(10)
        async with aclosing(connector.readings(WATCHED)) as batches:
            assert sorted((await steps_of(batches, 6))[1:])[2] >= 8


@pytest.mark.parametrize(("kind", "can"), [("modbus", True), ("s7", True), ("http", True), ("mqtt", False)])
def test_which_machines_can_be_slowed_is_told_by_their_connectors(kind, can):
    endpoints = {
        "modbus": ("modbus://h", {"registers": [{"address": 0, "name": "x"}]}),
        "s7": ("s7://h", {"tags": [{"address": "MW0", "name": "x"}]}),
        "http": ("http://h/x", {}),
        "mqtt": ("mqtt+json://h/x", {}),
    }
    assert isinstance(open_connector(*endpoints[kind]), Slowing) is can


@pytest.mark.parametrize("kind", ["modbus", "s7", "http"])
async def test_a_polled_machine_is_asked_more_rarely(kind):
    """machines 35: polls follow the ladder too."""
    running = MACHINES[kind]()
    try:
        options = {**running.options, "interval_s": 0.05}
        async with open_connector(running.endpoint, options) as connector:
            points = [
                Point(number=n, address=one.address, is_text=one.is_text)
                for n, one in enumerate(await connector.browse())
            ]
            async with aclosing(connector.readings(points)) as batches:
                with anyio.fail_after(30):
                    await anext(batches)
                    connector.slow(20)
                    await anext(batches)
                    began = anyio.current_time()
                    await anext(batches)
                assert anyio.current_time() - began > 0.5
    finally:
        running.stop()


async def test_an_agent_is_asked_for_documents_more_rarely_and_no_observation_is_left_out_or_told_twice():
    running = MACHINES["mtconnect"]()
    try:
        async with open_connector(running.endpoint, running.options) as connector:
            async with aclosing(connector.readings([Point(number=1, address="count")])) as batches:
                values = list((await anext(batches)).value)
                for count in range(1, 41):
                    await anyio.to_thread.run_sync(running.change, count)
                    if count in (10, 25):
                        connector.slow(5 if count == 10 else 1)
                    if count % 5 == 0:
                        with anyio.fail_after(30):
                            while values[-1] != count:
                                values += (await anext(batches)).value
            assert values == [float(count) for count in range(41)]
            assert connector.counters["gaps"] == 0
    finally:
        running.stop()


def test_a_variable_sampled_as_fast_as_it_goes_gets_an_interval():
    assert Rates(100, 0).slowed(2) == Rates(200, 200)
    assert Rates(2_000, 500).slowed(4) == Rates(3_000, 2_000)
    assert Rates(100, 100).slowed(1) == Rates(100, 100)
