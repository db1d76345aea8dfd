"""The OPC UA connector against asyncua's server in a child process: limits, faults, time, what is lost and found."""

import math
from contextlib import aclosing

import anyio
import pytest
from machines.running import opcua_machine

from interwork.connectors import Point
from interwork.connectors.opcua import OpcUaConnector
from interwork.core.errors import BadInput, LimitReached, MachineUnreachable
from interwork.core.resource import is_good

pytestmark = pytest.mark.peer


@pytest.fixture(scope="module")
def machine():
    running = opcua_machine()
    yield running
    running.stop()


@pytest.fixture
def doomed():
    running = opcua_machine()
    yield running
    running.stop()


async def collect(batches, is_enough):
    rows = []
    with anyio.fail_after(30):
        async for batch in batches:
            rows += zip(batch.signal, batch.value, batch.quality, batch.time_us, strict=True)
            if is_enough(rows):
                return rows
    return rows


async def tell(machine, *words):
    await anyio.to_thread.run_sync(lambda: machine.servers[0].tell(*words))


async def test_every_change_of_a_burst_that_the_servers_queue_holds_arrives_in_order(machine):
    async with OpcUaConnector(machine.endpoint, {}) as connector:
        point = Point(number=1, address="nsu=urn:test:machine;s=SpindleSpeed")
        async with aclosing(connector.readings([point])) as batches:
            await anext(batches)
            await tell(machine, "burst", "SpindleSpeed", 18)
            rows = await collect(batches, lambda rows: rows[-1][1] == 17.0)
    assert [value for _, value, _, _ in rows if value] == [float(number) for number in range(1, 18)]


async def test_the_fast_decoder_reads_what_a_real_server_publishes(machine):
    async with OpcUaConnector(machine.endpoint, {}) as connector:
        found = await connector.browse()
        points = [Point(number=n, address=one.address, is_text=one.is_text) for n, one in enumerate(found)]
        async with aclosing(connector.readings(points)) as batches:
            await collect(batches, lambda rows: {row[0] for row in rows} == {point.number for point in points})
        assert connector.counters == {}


async def test_a_bad_status_is_kept_and_the_value_is_none(machine):
    async with OpcUaConnector(machine.endpoint, {}) as connector:
        point = Point(number=1, address="nsu=urn:test:machine;s=Energy")
        async with aclosing(connector.readings([point])) as batches:
            await anext(batches)
            await tell(machine, "null", "Energy")
            rows = await collect(batches, lambda rows: rows[-1][2] == 0x808B_0000)
    assert math.isnan(rows[-1][1])


async def test_properties_arrays_and_the_servers_own_nodes_are_not_proposed(machine):
    async with OpcUaConnector(machine.endpoint, {}) as connector:
        names = {one.name for one in await connector.browse()}
    assert "Samples" not in names
    assert "SerialNumber" not in names
    assert "ServerStatus" not in names


async def test_a_browse_beyond_the_node_cap_names_the_limit_and_a_deeper_root_helps(doomed):
    await tell(doomed, "many", "v", 120)
    async with OpcUaConnector(doomed.endpoint, {"max_nodes": 100}) as connector:
        with pytest.raises(LimitReached, match="100 nodes") as caught:
            await connector.browse()
    assert "Machine (ns=2;" in caught.value.remedy, "whoever has to name a deeper node is told which there are"
    async with OpcUaConnector(doomed.endpoint, {"root": "nsu=urn:test:machine;s=v7"}) as connector:
        assert await connector.browse() == []


async def test_a_root_that_is_not_there_is_bad_input(machine):
    for root in ("nsu=urn:other;s=x", "ns=2;s=nothing"):
        async with OpcUaConnector(machine.endpoint, {"root": root}) as connector:
            with pytest.raises(BadInput):
                await connector.browse()


async def test_a_point_that_comes_back_is_read_again(machine):
    async with OpcUaConnector(machine.endpoint, {"retry_s": 0.3}) as connector:
        points = [Point(number=1, address="nsu=urn:test:machine;s=Later")]
        async with aclosing(connector.readings(points)) as batches:
            assert not is_good((await anext(batches)).quality[0])
            await tell(machine, "add", "Later", 7)
            rows = await collect(batches, lambda rows: is_good(rows[-1][2]))
    assert rows[-1][1] == 7.0


async def test_a_frozen_server_raises_within_fifteen_seconds(doomed):
    async with OpcUaConnector(doomed.endpoint, {}) as connector:
        point = Point(number=1, address="nsu=urn:test:machine;s=Power")
        async with aclosing(connector.readings([point])) as batches:
            await anext(batches)
            doomed.servers[0].freeze()
            with pytest.raises(MachineUnreachable, match=r"silent|gone"), anyio.fail_after(15):
                await anext(batches)


async def test_a_server_whose_values_stand_still_is_told_to_live(machine):
    """machines 5: silence is the server's, not the values': a keep-alive is a sign of life, an empty batch says so."""
    async with OpcUaConnector(machine.endpoint, {}) as connector:
        point = Point(number=1, address="nsu=urn:test:machine;s=Program", is_text=True)
        with anyio.fail_after(30):
            async with aclosing(connector.readings([point])) as batches:
                assert list((await anext(batches)).signal) == [1]
                assert len(await anext(batches)) == 0
