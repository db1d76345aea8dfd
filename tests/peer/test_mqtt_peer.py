"""Plain MQTT with JSON payloads, and the session both MQTT connectors stand on, over real brokers."""

import json
from contextlib import aclosing

import anyio
import pytest
from machines import certificates
from machines.mosquitto import Mosquitto
from machines.mqtt_client import friend, until
from machines.peers import needs_mosquitto
from machines.running import Server, free_port

from interwork.connectors import BAD_DECODING, BAD_UNKNOWN, Point
from interwork.connectors.mqtt import BAD_WAITING, MqttJsonConnector
from interwork.connectors.mqtt.broker import read_broker
from interwork.connectors.mqtt.session import Session, Will
from interwork.core.errors import BadInput, MachineUnreachable
from interwork.core.resource import BAD_NO_DATA, GOOD, UNCERTAIN_LAST_USABLE, Meaning

pytestmark = pytest.mark.peer
AT = 1_767_225_600_000


class Amqtt:
    def __init__(self, folder, *, tls=None):
        self.port = free_port()
        self.server = Server("mqtt_broker.py", self.port, *((tls,) if tls else ()))
        self.stop, self.freeze, self.thaw = self.server.stop, self.server.freeze, self.server.thaw


@pytest.fixture(scope="module", params=[Amqtt, pytest.param(Mosquitto, marks=needs_mosquitto)])
def broker(request, tmp_path_factory):
    running = request.param(tmp_path_factory.mktemp("broker"))
    yield running
    running.stop()


@pytest.fixture
def doomed(tmp_path):
    running = Amqtt(tmp_path)
    yield running
    running.stop()


@pytest.fixture(scope="module")
def mosquitto(tmp_path_factory):
    running = Mosquitto(tmp_path_factory.mktemp("mosquitto"))
    yield running
    running.stop()


@pytest.fixture(scope="module")
def files(tmp_path_factory):
    return certificates.make(tmp_path_factory.mktemp("tls"), passphrase=b"locked")


def plain(broker, topic, **options):
    return MqttJsonConnector(f"mqtt+json://127.0.0.1:{broker.port}/{topic}", options)


def points(*addresses, texts=()):
    return [Point(number=n, address=one, is_text=one in texts) for n, one in enumerate(addresses)]


async def rows_until(batches, is_enough):
    rows = []
    with anyio.fail_after(30):
        async for batch in batches:
            texts = batch.text or [None] * len(batch)
            columns = zip(batch.signal, batch.time_us, batch.value, texts, batch.quality, strict=True)
            rows += [
                (signal, time_us, value if text is None else text, quality)
                for signal, time_us, value, text, quality in columns
            ]
            if is_enough(rows):
                return rows
    return rows


async def test_browse_lists_every_leaf_heard_with_meaning_and_unit(broker):
    async with friend(broker.port) as other, plain(broker, "look/+/#", browse_s=3) as connector:
        other.publish("look/mill/state", json.dumps({"execution": "Running", "parts": {"partCount": 7}}))
        other.publish("look/mill/power", json.dumps({"value": 1.5, "unit": "kW", "ts": AT}))
        other.publish("look/mill/broken", "{on")
        found = {one.address: one for one in await connector.browse()}
    assert found["look/mill/state#/execution"].meaning is Meaning.EXECUTION
    assert found["look/mill/state#/parts/partCount"].meaning is Meaning.PART_COUNT
    power = found["look/mill/power#/value"]
    assert (power.name, power.unit, power.meaning) == ("mill/power", "kW", Meaning.POWER)
    assert not any("broken" in address for address in found)


async def test_words_and_numbers_as_they_stand_are_read_and_numbers_in_quotes_too(broker):
    """Many devices publish ON and 21,5 and no JSON; others write their numbers as texts."""
    said = {
        "state": "ON",
        "level": "21,5",
        "count": "7",
        "doc": '{"t": "21,5", "order": "4711"}',
        "picture": b"\x00\xff",
    }
    async with friend(broker.port) as other, plain(broker, "w/#", decimal=",") as connector:
        for name, content in said.items():
            other.publish(f"w/{name}", content, qos=1)
        found = {one.address: one.is_text for one in await connector.browse()}
        assert found == {
            "w/state#": True,
            "w/level#": False,
            "w/count#": False,
            "w/doc#/t": False,
            "w/doc#/order": True,
        }
        assert connector.counters["malformed"] == 1
        wanted = points("w/level#", "w/state#", "w/doc#/t", texts=("w/state#",))
        async with aclosing(connector.readings(wanted)) as batches:
            rows = await rows_until(batches, lambda rows: len(rows) == 3)
    assert [(n, value, quality) for n, _, value, quality in sorted(rows)] == [
        (0, 21.5, GOOD),
        (1, "ON", GOOD),
        (2, 21.5, GOOD),
    ]


@needs_mosquitto
async def test_a_shared_subscription_is_read_like_another(mosquitto):
    async with friend(mosquitto.port) as other, plain(mosquitto, "$share/nodes/s/+") as connector:
        other.publish("s/mill", '{"power": 2.5}', qos=1)
        (found,) = await connector.browse()
    assert (found.address, found.name) == ("s/mill#/power", "mill/power")


async def test_readings_have_the_payloads_time_and_faults_are_of_the_point_or_the_payload(broker):
    good, null, state, never, wrong = "f/a#/x", "f/a#/n", "f/a#/execution", "f/b#/y", "nothing"
    async with friend(broker.port) as other, plain(broker, "f/#") as connector:
        wanted = points(good, null, state, never, wrong, texts=(state,))
        async with aclosing(connector.readings(wanted)) as batches:
            rows = await rows_until(batches, lambda rows: len(rows) == 5)
            assert {row[0]: row[3] for row in rows} == dict.fromkeys(range(4), BAD_WAITING) | {4: BAD_UNKNOWN}
            other.publish("f/a", json.dumps({"ts": AT, "x": 1.5, "n": None, "execution": "idle"}), qos=1)
            rows = await rows_until(batches, lambda rows: len(rows) == 3)
            assert [(n, time_us, quality) for n, time_us, _, quality in rows] == [
                (0, AT * 1000, GOOD),
                (1, AT * 1000, BAD_NO_DATA),
                (2, AT * 1000, GOOD),
            ]
            assert (rows[0][2], rows[2][2]) == (1.5, "READY")
            other.publish("f/a", "no json")
            rows = await rows_until(batches, lambda rows: len(rows) == 3)
            assert {row[3] for row in rows} == {BAD_DECODING}
            other.publish("f/a", json.dumps({"ts": "never", "x": 2.5}))
            rows = await rows_until(batches, lambda rows: rows[-1][2] == 2.5)
            assert rows[-1][1] > AT * 1000
        assert {**connector.counters, "stray": 0} == {"malformed": 1, "mistimed": 1, "stray": 0}
        assert "not encrypted" in connector.remarks[0]


async def test_a_retained_value_without_a_time_is_old_by_an_unknown_age(broker):
    async with friend(broker.port, "r/#") as other:
        other.publish("r/a", "5", qos=1, retain=True)
        other.publish("r/b", json.dumps({"v": 6, "ts": AT}), qos=1, retain=True)
        await until(lambda: len(other.heard) == 2)
        async with plain(broker, "r/#") as connector, aclosing(connector.readings(points("r/a#", "r/b#/v"))) as batches:
            rows = await rows_until(batches, lambda rows: {row[2] for row in rows} >= {5.0, 6.0})
    by_value = {value: (time_us, quality) for _, time_us, value, quality in rows}
    assert by_value[5.0][1] == UNCERTAIN_LAST_USABLE
    assert by_value[6.0] == (AT * 1000, GOOD)


async def test_a_second_reader_is_told_what_was_last_heard(broker):
    async with friend(broker.port) as other, plain(broker, "again/#", browse_s=2) as connector:
        other.publish("again/x", "8")
        assert [one.address for one in await connector.browse()] == ["again/x#"]
        async with aclosing(connector.readings(points("again/x#"))) as batches:
            assert (await rows_until(batches, bool))[0][2] == 8.0


async def test_a_slow_reader_holds_the_socket_back_and_memory_stays_bounded(broker, monkeypatch):
    monkeypatch.setattr("interwork.connectors.mqtt.session.MOST_MESSAGES", 50)
    async with (
        friend(broker.port) as other,
        plain(broker, "fast/#") as connector,
        aclosing(connector.readings(points("fast/x#"))) as batches,
    ):
        await anext(batches)
        for number in range(3000):
            other.publish("fast/x", f"{number}" + " " * 500, qos=1)
        await until(lambda: connector._session.is_held)
        await anyio.sleep(0.3)
        assert len(connector._session) < 1000
        rows = await rows_until(batches, lambda rows: rows[-1][2] == 2999.0)
    assert [row[2] for row in rows] == [float(number) for number in range(3000)]


@pytest.mark.parametrize("longest_s", [60.0, 0.5])
async def test_a_link_that_we_hold_back_is_not_taken_for_dead_until_we_are(broker, monkeypatch, longest_s):
    monkeypatch.setattr("interwork.connectors.mqtt.session.MOST_MESSAGES", 10)
    monkeypatch.setattr("interwork.connectors.mqtt.session.LONGEST_HOLD_S", longest_s)
    connector = plain(broker, f"held{longest_s}/#", keep_alive_s=2)
    wanted = points(f"held{longest_s}/x#")
    async with friend(broker.port) as other, connector, aclosing(connector.readings(wanted)) as batches:
        await anext(batches)
        for number in range(30):
            other.publish(f"held{longest_s}/x", str(number), qos=1)
        await until(lambda: connector._session.is_held)
        began = anyio.current_time()
        await until(lambda: connector._session.is_lost or anyio.current_time() > began + 7)
        if longest_s > 1:
            rows = await rows_until(batches, lambda rows: rows[-1][2] == 29.0)
            assert len(rows) == 30
        else:
            with pytest.raises(MachineUnreachable, match="we were too slow"):
                await rows_until(batches, lambda _: False)


@needs_mosquitto
async def test_an_mqtt_5_broker_sends_no_more_ahead_than_the_receive_maximum(mosquitto, monkeypatch):
    monkeypatch.setattr("interwork.connectors.mqtt.session.RECEIVE_MAXIMUM", 10)
    options = {"mqtt_version": "5"}
    async with (
        friend(mosquitto.port) as other,
        plain(mosquitto, "five/#", **options) as connector,
        aclosing(connector.readings(points("five/x#"))) as batches,
    ):
        await anext(batches)
        for number in range(200):
            other.publish("five/x", str(number), qos=1)
        await until(lambda: len(connector._session) == 10)
        await anyio.sleep(0.2)
        assert len(connector._session) == 10
        rows = await rows_until(batches, lambda rows: rows[-1][2] == 199.0)
    assert [row[2] for row in rows] == [float(number) for number in range(200)]


@needs_mosquitto
async def test_user_and_password_are_asked_for_and_given(tmp_path):
    broker = Mosquitto(tmp_path, users={"node": "hush"})
    try:
        async with plain(broker, "a/#", username="node", password="hush") as connector:
            assert await connector.browse() == []
        for wrong in ({}, {"username": "node", "password": "no"}):
            with pytest.raises(MachineUnreachable, match="no MQTT broker for us") as caught:
                async with plain(broker, "a/#", **wrong):
                    pass
            assert "hush" not in str(caught.value)
    finally:
        broker.stop()


@pytest.fixture(scope="module", params=["amqtt", pytest.param("mosquitto", marks=needs_mosquitto)])
def locked(request, files, tmp_path_factory):
    folder = tmp_path_factory.mktemp("locked")
    if request.param == "amqtt":
        running = Amqtt(folder, tls=files)
    else:
        running = Mosquitto(folder, "require_certificate true", tls=files)
    yield running
    running.stop()


def over_tls(broker, files, **more):
    options = {"ca_file": str(files / "ca.pem"), "certificate": str(files / "client.pem")}
    options |= {"private_key": str(files / "client.key")} | more
    given = {name: value for name, value in options.items() if value}
    return MqttJsonConnector(f"mqtts+json://127.0.0.1:{broker.port}/tls/#", given)


async def test_tls_with_ca_and_client_certificate_reads(locked, files):
    async with (
        over_tls(locked, files) as connector,
        over_tls(locked, files) as other,
        aclosing(connector.readings(points("tls/x#"))) as batches,
    ):
        await anext(batches)
        soon = [one.split(" ends on ")[0] for one in connector.remarks]
        assert soon == ["Our own certificate", "The broker's certificate"], "both are for two days"
        other._session.publish("tls/x", b"3", qos=1)
        assert (await rows_until(batches, bool))[0][2] == 3.0


async def test_an_unknown_authority_is_refused(locked, files):
    with pytest.raises(MachineUnreachable, match="no MQTT broker for us: its certificate is signed by nobody that is"):
        async with over_tls(locked, files, ca_file=""):
            pass


async def test_a_locked_private_key_is_bad_input_and_nobody_is_asked_on_a_terminal(locked, files):
    with pytest.raises(BadInput, match=r"locked\.key"):
        async with over_tls(locked, files, private_key=str(files / "locked.key")):
            pass


async def test_a_lost_broker_is_a_lost_link_and_a_new_session_brings_new_data(tmp_path, doomed):
    async with plain(doomed, "a/#") as connector, aclosing(connector.readings(points("a/x#"))) as batches:
        await anext(batches)
        await anyio.to_thread.run_sync(doomed.stop)
        with pytest.raises(MachineUnreachable, match="closed the MQTT connection"), anyio.fail_after(30):
            await anext(batches)


GARBAGE = {
    "a length that never ends": b"\x30" + b"\xff" * 200,
    "a topic that is no text": b"\x30\x05\x00\x02\xff\xfe1",
    "a topic longer than its packet": b"\x30\x03\x00\xff1",
    "packets nobody defined": bytes(range(256)) * 3,
    "a packet of no length": b"\x30\x00" * 50,
    "half a packet": b"\x30\x7f\x00\x04a/b",
}


@pytest.mark.parametrize("garbage", GARBAGE.values(), ids=GARBAGE)
async def test_a_broker_that_talks_nonsense_is_a_lost_link_in_bounded_time(garbage):
    """A broker by hand: it accepts, subscribes us, says something that is no MQTT, then is silent."""

    async def talk(stream):
        async with stream:
            await stream.receive()
            await stream.send(b"\x20\x02\x00\x00")
            request = await stream.receive()
            await stream.send(b"\x90\x03" + request[2:4] + b"\x01" + garbage)
            with anyio.move_on_after(20):
                while await stream.receive():
                    pass

    listener = await anyio.create_tcp_listener(local_host="127.0.0.1")
    port = listener.extra(anyio.abc.SocketAttribute.local_port)
    async with anyio.create_task_group() as tasks:
        tasks.start_soon(listener.serve, talk)
        connector = MqttJsonConnector(f"mqtt+json://127.0.0.1:{port}/a/#", {"keep_alive_s": 1})
        async with connector, aclosing(connector.readings(points("a/b#"))) as batches:
            with pytest.raises(MachineUnreachable):
                await rows_until(batches, lambda _: False)
        tasks.cancel_scope.cancel()
    await listener.aclose()


async def test_silence_beyond_what_is_allowed_is_a_lost_link(broker):
    connector = plain(broker, "quiet/#", silence_s=2)
    async with connector, aclosing(connector.readings(points("quiet/x#"))) as batches:
        await anext(batches)
        with pytest.raises(MachineUnreachable, match="nothing under quiet"), anyio.fail_after(30):
            await anext(batches)


async def test_a_will_is_said_for_a_session_that_breaks_and_not_for_one_that_leaves(broker):
    async with friend(broker.port, "will/#") as other:
        for is_broken in (False, True):
            will = Will("will/x", b"gone", 1, is_retained=False)
            session = Session(read_broker(f"mqtt://127.0.0.1:{broker.port}", {}), name="t", will=will)
            await session.open([("t/#", 1)])
            assert session.publish("will/hello", b"1", qos=1)
            if is_broken:
                session._client._connection._transport.abort()
                await until(lambda session=session: session.is_lost)
                assert not session.publish("will/late", b"1")
            await session.close()
            await until(lambda is_broken=is_broken: len(other.of("hello")) == 1 + is_broken)
        await until(lambda: other.of("will/x"))
        assert len(other.of("will/x")) == 1


@pytest.mark.parametrize("topic", ["", "a/#/b", "a+/b", "a/b#", "#a"])
def test_a_topic_filter_that_is_none_is_bad_input(topic):
    with pytest.raises(BadInput, match="topic filter"):
        MqttJsonConnector(f"mqtt+json://h:1883/{topic}", {})


@pytest.mark.parametrize("topic", ["#", "a/+/b", "+/+", "a/b/#", "%24SYS/x", "a//b"])
def test_topic_filters_of_the_standard_are_taken(topic):
    assert MqttJsonConnector(f"mqtt+json://h:1883/{topic}", {})._filter == topic.replace("%24", "$")


@needs_mosquitto
@pytest.mark.parametrize("qos", [0, 1])
async def test_a_packet_beyond_the_ceiling_is_counted_and_costs_only_itself(mosquitto, monkeypatch, qos):
    monkeypatch.setattr("interwork.connectors.mqtt.session.LARGEST_OCTETS", 1 << 20)
    async with friend(mosquitto.port) as other, plain(mosquitto, f"big{qos}/#") as reader:
        for topic, size in (("a", 1), ("large", 5 << 20), ("b", 2)):
            other.publish(f"big{qos}/{topic}", b"1" * size, qos=qos)
        async with aclosing(reader.readings(points(f"big{qos}/a#", f"big{qos}/b#"))) as batches:
            await rows_until(batches, lambda rows: {(0, 1.0), (1, 11.0)} <= {(row[0], row[2]) for row in rows})
    assert reader.counters["oversized"] == 1
    assert f"big{qos}/large with 5.0 MiB" in reader.remarks[-1]
