"""The Sparkplug host against an edge node with hand-written protobuf, over a real broker, all in child processes."""

import json
from contextlib import aclosing, asynccontextmanager

import anyio
import pytest
from gmqtt import Client
from gmqtt.mqtt.constants import MQTTv311
from machines.mqtt_client import friend
from machines.running import sparkplug_machine

from interwork.connectors import Point
from interwork.connectors.sparkplug import SparkplugConnector
from interwork.core.errors import MachineUnreachable
from interwork.core.resource import BAD_NO_COMMUNICATION, BAD_NO_DATA, GOOD

pytestmark = pytest.mark.peer
COUNT, POWER = Point(number=1, address="PartCount"), Point(number=2, address="Power")


@pytest.fixture(scope="module")
def machine():
    running = sparkplug_machine()
    yield running
    running.stop()


@pytest.fixture
def doomed():
    running = sparkplug_machine()
    yield running
    running.stop()


async def collect(batches, is_enough):
    rows = []
    with anyio.fail_after(30):
        async for batch in batches:
            rows += zip(batch.signal, batch.value, batch.quality, strict=True)
            if is_enough(rows):
                return rows
    return rows


async def tell(machine, *words):
    return await anyio.to_thread.run_sync(lambda: machine.servers[1].tell(*words))


async def births(machine):
    return int((await tell(machine, "births"))[0])


async def test_a_lost_message_asks_for_exactly_one_rebirth(machine):
    """machines 19: sequence gap, reorder timer, then exactly one rebirth request."""
    async with (
        SparkplugConnector(machine.endpoint, {"reorder_s": 0.3}) as connector,
        aclosing(connector.readings([COUNT])) as batches,
    ):
        await anext(batches)
        before = await births(machine)
        connector._asked_at = float("-inf")
        await tell(machine, "skip")
        await tell(machine, "set", "PartCount", 8)
        await collect(batches, lambda rows: rows.count((1, 8.0, GOOD)) == 2)
        await tell(machine, "set", "PartCount", 9)
        await collect(batches, lambda rows: rows[-1][1] == 9.0)
        assert await births(machine) == before + 1
        assert connector.counters["gaps"] == 1


@pytest.mark.parametrize("trouble", ["garbage", "unknown"])
async def test_what_cannot_be_understood_asks_for_a_rebirth_and_the_stream_goes_on(machine, trouble):
    """machines 20: an unknown alias asks for the births, as does a broken payload; rate-limited."""
    async with SparkplugConnector(machine.endpoint, {}) as connector:
        connector._asked_at = float("-inf")
        async with aclosing(connector.readings([COUNT])) as batches:
            await anext(batches)
            connector._asked_at = float("-inf")
            before = await births(machine)
            await tell(machine, trouble)
            await tell(machine, "set", "PartCount", 5)
            await collect(batches, lambda rows: rows[-1][1] == 5.0)
        assert await births(machine) <= before + 1


async def test_null_is_no_value_and_old_values_come_in_batches_of_their_own(machine):
    """machines 21: is_historical goes to history only; is_null is not 0."""
    old, new = [], []
    async with SparkplugConnector(machine.endpoint, {}) as connector, aclosing(connector.readings([POWER])) as batches:
        await anext(batches)
        await tell(machine, "null", "Power")
        await tell(machine, "late", "Power", 0.5)
        with anyio.fail_after(30):
            while not (old and new):
                batch = await anext(batches)
                (old if batch.is_historical else new).extend(zip(batch.value, batch.quality, strict=True))
    assert old == [(0.5, GOOD)]
    assert [quality for _, quality in new] == [BAD_NO_DATA]


async def test_an_old_death_is_ignored_and_the_devices_own_death_is_a_lost_link(doomed):
    """machines 18: an NDEATH with an old bdSeq is ignored; DDEATH is the end of the device."""
    async with SparkplugConnector(doomed.endpoint, {}) as connector, aclosing(connector.readings([COUNT])) as batches:
        await anext(batches)
        await tell(doomed, "olddeath")
        await tell(doomed, "set", "PartCount", 4)
        await collect(batches, lambda rows: rows[-1][1] == 4.0)
        await tell(doomed, "ddeath")
        with anyio.fail_after(30):
            assert set((await anext(batches)).quality) == {BAD_NO_COMMUNICATION}
        with pytest.raises(MachineUnreachable, match="DDEATH"), anyio.fail_after(30):
            await anext(batches)


async def test_a_whole_edge_node_reads_as_device_and_name_and_outlives_a_device(doomed):
    endpoint = doomed.endpoint.removesuffix("/D")
    async with SparkplugConnector(endpoint, {}) as connector:
        found = await connector.browse()
        assert "D/PartCount" in {one.address for one in found}
        async with aclosing(connector.readings([Point(number=1, address="D/PartCount")])) as batches:
            await collect(batches, lambda rows: rows[-1][2] == GOOD)
            await tell(doomed, "ddeath")
            rows = await collect(batches, lambda rows: rows[-1][2] != GOOD)
    assert len(rows) == 1


async def test_a_broker_that_goes_away_is_a_lost_link(doomed):
    async with SparkplugConnector(doomed.endpoint, {}) as connector, aclosing(connector.readings([COUNT])) as batches:
        await anext(batches)
        await anyio.to_thread.run_sync(doomed.servers[0].stop)
        with pytest.raises(MachineUnreachable, match="MQTT"), anyio.fail_after(30):
            await anext(batches)


async def test_a_frozen_broker_is_a_lost_link_within_twenty_seconds(doomed):
    async with SparkplugConnector(doomed.endpoint, {}) as connector, aclosing(connector.readings([COUNT])) as batches:
        await anext(batches)
        doomed.servers[0].freeze()
        signs = []
        with pytest.raises(MachineUnreachable, match="MQTT"), anyio.fail_after(20):
            await count(batches, signs)
        assert signs in ([], [0]), "a broker that is frozen gives no sign of life"


async def count(batches, sizes):
    async for batch in batches:
        sizes.append(len(batch))


async def test_a_quiet_node_is_heard_as_long_as_its_broker_answers(machine):
    """A node speaks when something changes: what stands still all night is neither silent nor connected anew."""
    options = {"keep_alive_s": 3}
    async with (
        SparkplugConnector(machine.endpoint, options) as connector,
        aclosing(connector.readings([COUNT])) as batches,
    ):
        assert len(await anext(batches)) == 1
        with anyio.fail_after(30):
            assert [len(await anext(batches)), len(await anext(batches))] == [0, 0]


async def test_a_node_that_is_not_there_raises_in_bounded_time(machine):
    async with SparkplugConnector(machine.endpoint.replace("/E/", "/Nobody/"), {"birth_s": 1}) as connector:
        with pytest.raises(MachineUnreachable, match="no birth"), anyio.fail_after(30):
            await connector.browse()


async def test_requests_for_births_grow_rarer_where_nobody_answers(machine):
    """machines 19: no storm of rebirth requests: after 0.5 s, then 1 s, then 2 s more, and so on."""
    options = {"birth_s": 3.2, "rebirth_s": 0.5}
    port = int(machine.endpoint.split(":")[2].partition("/")[0])
    async with friend(port, "spBv1.0/G/NCMD/Nobody") as other:
        async with SparkplugConnector(machine.endpoint.replace("/E/", "/Nobody/"), options) as connector:
            with pytest.raises(MachineUnreachable, match="no birth"):
                await connector.browse()
            assert connector.counters["rebirths"] == 3
        # amqtt 0.12 at times hands a new subscriber retained messages of other topics.
        await until(lambda: [one[0].endswith("/NCMD/Nobody") for one in other.heard].count(True) == 3)


@asynccontextmanager
async def watched_states(port, topic):
    """Watch a host's STATE topic: the list of what it says, and the client that hears it."""
    states, watcher, is_watching = [], Client("watcher"), anyio.Event()

    def note(_client, heard, content, *_):
        # amqtt 0.12 at times hands a new subscriber retained messages of other topics.
        if heard == topic:
            states.append(json.loads(content)["online"])

    watcher.on_message = note
    watcher.on_subscribe = lambda *_: is_watching.set()
    await watcher.connect("127.0.0.1", port, version=MQTTv311)
    watcher.subscribe(topic, qos=1)
    await is_watching.wait()
    try:
        yield states, watcher
    finally:
        await watcher.disconnect()


async def test_the_host_says_online_on_entering_again_when_contradicted_and_offline_on_leaving(machine):
    """machines 17: STATE birth, own offline echo answered, death on leaving."""
    endpoint = machine.endpoint.replace("/G/E/D", "/G/Other")
    port = int(endpoint.split(":")[2].partition("/")[0])
    topic = "spBv1.0/STATE/plant-host"
    async with watched_states(port, topic) as (states, watcher):
        async with SparkplugConnector(endpoint, {"host_id": "plant-host"}):
            await until(lambda: states == [True])
            watcher.publish(topic, '{"online": false, "timestamp": 1}', qos=1)
            await until(lambda: states == [True, False, True])
        await until(lambda: states == [True, False, True, False])


async def test_a_reader_that_is_slow_holds_the_broker_back_and_loses_nothing(machine, monkeypatch):
    monkeypatch.setattr("interwork.connectors.mqtt.session.MOST_MESSAGES", 20)
    async with (
        SparkplugConnector(machine.endpoint, {}) as connector,
        aclosing(connector.readings([COUNT])) as batches,
    ):
        await anext(batches)
        for count in range(1000, 1300):
            await tell(machine, "set", "PartCount", count)
        assert connector._session.is_held
        assert len(connector._session) < 300
        rows = await collect(batches, lambda rows: rows[-1][1] == 1299.0)
    assert [value for _, value, _ in rows if value >= 1000] == [float(count) for count in range(1000, 1300)]


async def test_a_connector_can_be_entered_again_after_its_link_was_lost(doomed):
    connector = SparkplugConnector(doomed.endpoint, {})
    async with connector, aclosing(connector.readings([COUNT])) as batches:
        await anext(batches)
        connector._session._on_disconnect()
        with pytest.raises(MachineUnreachable):
            await anext(batches)
    async with connector:
        assert await connector.browse()


async def until(is_so):
    with anyio.fail_after(30):
        while not is_so():  # noqa: ASYNC110 - another process makes it so
            await anyio.sleep(0.02)
