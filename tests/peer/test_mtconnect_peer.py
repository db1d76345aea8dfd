"""The MTConnect connector against an HTTP agent in a child process, and against real documents replayed by it.

The documents are of the NIST Smart Manufacturing Systems Test Bed (US Government work; courtesy of NIST).
"""

import math
import os
from contextlib import aclosing
from datetime import UTC, datetime, timedelta
from ipaddress import ip_address
from pathlib import Path

import anyio
import anyio.abc
import pytest
from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.x509.oid import NameOID
from lxml import etree
from machines.running import Server, free_port, mtconnect_machine

from interwork.connectors import Point
from interwork.connectors.mtconnect import MTConnectConnector
from interwork.core.errors import MachineUnreachable
from interwork.core.resource import BAD_NO_DATA, GOOD

pytestmark = pytest.mark.peer
SHARED = Path(os.environ.get("INTERWORK_SHARED_DATA") or Path(__file__).parents[3] / "shared" / "data")
NIST = SHARED / "plant" / "nist-sms"
COUNT, SYSTEM, LOAD = (
    Point(number=1, address="count"),
    Point(number=2, address="system", is_text=True),
    Point(number=3, address="load"),
)


@pytest.fixture
def machine():
    running = mtconnect_machine()
    yield running
    running.stop()


def rows_of(batch):
    texts = batch.text or [None] * len(batch)
    return list(zip(batch.signal, batch.value, batch.quality, texts, strict=True))


async def collect(batches, is_enough):
    rows = []
    with anyio.fail_after(30):
        async for batch in batches:
            rows += rows_of(batch)
            if is_enough(rows):
                break
    return rows


async def tell(machine, *words):
    await anyio.to_thread.run_sync(lambda: machine.servers[0].tell(*words))


async def test_unavailable_is_bad_quality_and_never_a_value(machine):
    async with (
        MTConnectConnector(machine.endpoint, machine.options) as connector,
        aclosing(connector.readings([LOAD])) as batches,
    ):
        ((_, value, quality, text),) = rows_of(await anext(batches))
    assert (quality, text) == (BAD_NO_DATA, None)
    assert math.isnan(value)


async def test_conditions_are_a_set_that_normal_clears(machine):
    async with (
        MTConnectConnector(machine.endpoint, machine.options) as connector,
        aclosing(connector.readings([SYSTEM])) as batches,
    ):
        await anext(batches)
        for level, code in (("Warning", "W1"), ("Fault", "F2"), ("Normal", "W1"), ("Normal", "")):
            await tell(machine, "condition", level, code)
        rows = await collect(batches, lambda rows: len(rows) == 4)
    assert [text for *_, text in rows] == [
        "WARNING W1 Trouble",
        "FAULT F2 Trouble; WARNING W1 Trouble",
        "FAULT F2 Trouble",
        "",
    ]


@pytest.mark.parametrize("event", ["restart", "trim"])
async def test_a_hole_in_the_stream_is_told_and_then_everything_starts_again(machine, event):
    """machines 24: an explicit gap at the last moment known, then /current."""
    connector = MTConnectConnector(machine.endpoint, machine.options)
    async with connector, aclosing(connector.readings([COUNT])) as batches:
        await tell(machine, "set", "count", 3)
        await collect(batches, lambda rows: rows[-1][1] == 3.0)
        await tell(machine, event)
        rows = await collect(batches, lambda rows: rows[-1][2] == GOOD and len(rows) > 1)
    assert rows[0][2] == BAD_NO_DATA
    assert rows[-1][1] in (0.0, 3.0)
    assert connector.counters["gaps"] == 1
    assert connector.counters["gap_observations"] == (1000 if event == "trim" else 0)


async def test_after_a_hole_reading_goes_on_from_the_oldest_observation_still_there(machine):
    """machines 24: of 1,000 observations missed only those that left the agent's buffer are lost, and counted."""
    connector = MTConnectConnector(machine.endpoint, machine.options)
    async with connector, aclosing(connector.readings([COUNT])) as batches:
        await anext(batches)
        await tell(machine, "set", "count", 1)
        await anext(batches)
    await tell(machine, "trim", 160)
    async with connector, aclosing(connector.readings([COUNT])) as batches:
        rows = await collect(batches, lambda rows: rows[-1][1] == 999.0)
    assert rows[0][2] == BAD_NO_DATA
    # A sixteenth of what is left is not asked for: a busy agent drops it meanwhile. 1,000 - 160 + 10 are lost,
    # and the one that was being looked at when reading stopped.
    assert [value for _, value, _, _ in rows[1:]] == [float(count) for count in range(850, 1000)]
    assert connector.counters["gap_observations"] == 851


async def test_the_hole_begins_right_after_the_last_observation(machine):
    connector = MTConnectConnector(machine.endpoint, machine.options)
    async with connector, aclosing(connector.readings([COUNT])) as batches:
        before = await anext(batches)
        await tell(machine, "restart")
        async for batch in batches:
            if batch.quality[0] == BAD_NO_DATA:
                break
    assert batch.time_us[0] == max(before.time_us) + 1


HABITS = [
    *(("poll",), ("json", 1), ("json", 2), ("boundary", "x'()+_,-./:=?"), ("boundary", "--its-own-dashes")),
    *(("most", 1000), ("most", 60), ("plain",)),
]


@pytest.mark.parametrize("event", HABITS)
async def test_agents_of_other_habits_are_read_without_loss_or_repeat(machine, event):
    await tell(machine, *event)
    connector = MTConnectConnector(machine.endpoint, machine.options | {"format": "json", "interval_ms": 20})
    async with connector, aclosing(connector.readings([COUNT, LOAD, SYSTEM])) as batches:
        rows = await collect(batches, lambda rows: len(rows) >= 3)
        for count in range(1, 30):
            await tell(machine, "set", "count", count)
        rows += await collect(batches, lambda rows: (1, 28.0) in [row[:2] for row in rows])
    counts = [value for number, value, _, _ in rows if number == 1]
    assert counts[:29] == [float(count) for count in range(29)]
    assert connector.counters["gaps"] == 0


VARS, OFFSETS = Point(number=5, address="vars", is_text=True), Point(number=6, address="offsets", is_text=True)
VIBRATION = Point(number=7, address="vib")


async def test_an_agent_whose_machine_stands_still_is_heard_by_its_heartbeats(machine):
    options = machine.options | {"heartbeat_ms": 1500}
    async with MTConnectConnector(machine.endpoint, options) as connector, aclosing(connector.readings([COUNT])) as got:
        assert len(await anext(got)) == 1
        with anyio.fail_after(30):
            assert [len(await anext(got)), len(await anext(got))] == [0, 0]


async def test_sets_tables_and_time_series_are_read_from_the_stream(machine):
    """machines 25: DATA_SET and TABLE kept whole from their changes, TIME_SERIES spread by its rate."""
    at = 'sequence="SEQ" timestamp="2026-11-22T07:00:00Z"'
    one, two = '<Entry key="a">1</Entry>', '<Entry key="b">2</Entry>'
    row = '<Entry key="G54"><Cell key="X">1</Cell></Entry>'
    sent = [
        ("Events", f'<VariableDataSet dataItemId="vars" {at} count="1">{one}</VariableDataSet>'),
        ("Events", f'<VariableDataSet dataItemId="vars" {at} count="1">{two}</VariableDataSet>'),
        ("Events", f'<WorkOffsetTable dataItemId="offsets" {at} count="1">{row}</WorkOffsetTable>'),
        ("Samples", f'<AccelerationTimeSeries dataItemId="vib" {at} sampleCount="3">1 2 3</AccelerationTimeSeries>'),
    ]

    def own(rows):
        return [row for row in rows if row[0] != COUNT.number and row[2] == GOOD]

    async with (
        MTConnectConnector(machine.endpoint, machine.options) as connector,
        aclosing(connector.readings([VARS, OFFSETS, VIBRATION, COUNT])) as batches,
    ):
        await anext(batches)
        for group, text in sent:
            await tell(machine, "raw", group, text)
        rows = own(await collect(batches, lambda rows: len(own(rows)) >= 6))
    assert [text for *_, text in rows[:3]] == ['{"a": "1"}', '{"a": "1", "b": "2"}', '{"G54": {"X": "1"}}']
    assert [value for number, value, _, _ in rows if number == 7] == [1.0, 2.0, 3.0]


async def test_assets_are_two_signals_that_follow_what_the_agent_says(machine):
    async with MTConnectConnector(machine.endpoint, machine.options) as connector:
        found = {one.address: one for one in await connector.browse()}
        points = [Point(number=8, address="assets.count"), Point(number=9, address="assets.changed", is_text=True)]
        async with aclosing(connector.readings(points)) as batches:
            await collect(batches, lambda rows: (8, 0.0, GOOD, None) in rows)
            await anyio.sleep(1.1)  # asked for at most once a second
            await tell(machine, "asset", "T7", "2026-11-22T07:00:00Z")
            rows = await collect(batches, lambda rows: len(rows) >= 2)
    assert found["assets.count"].unit == "1"
    assert len({one.name for one in found.values()}) == len(found), "no two signals of one machine have one name"
    assert rows[0][:3] == (8, 1.0, GOOD)
    assert rows[1][3] == "CuttingTool T7"


async def test_a_device_model_that_changed_is_asked_for_again_without_a_gap(machine):
    connector = MTConnectConnector(machine.endpoint, machine.options)
    async with connector, aclosing(connector.readings([COUNT, SYSTEM])) as batches:
        await anext(batches)
        await tell(machine, "condition", "Fault", "F1")
        await collect(batches, lambda rows: rows[-1][3] == "FAULT F1 Trouble")
        await tell(machine, "model")
        await tell(machine, "condition", "Warning", "W1")
        rows = await collect(batches, lambda rows: rows[-1][0] == 2)
    assert rows[-1][3] == "FAULT F1 Trouble; WARNING W1 Trouble"
    assert connector.counters["gaps"] == 0


@pytest.fixture(scope="module")
def certificate(tmp_path_factory):
    key, name = ec.generate_private_key(ec.SECP256R1()), x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, "agent")])
    names = x509.SubjectAlternativeName([x509.IPAddress(ip_address("127.0.0.1"))])
    day = datetime.now(UTC)
    made = x509.CertificateBuilder().subject_name(name).issuer_name(name).public_key(key.public_key())
    made = made.serial_number(1).not_valid_before(day - timedelta(days=1)).not_valid_after(day + timedelta(days=1))
    signed = made.add_extension(names, critical=False).sign(key, hashes.SHA256())
    folder = tmp_path_factory.mktemp("tls")
    plain = serialization.NoEncryption(), serialization.PrivateFormat.PKCS8, serialization.Encoding.PEM
    (folder / "key.pem").write_bytes(key.private_bytes(plain[2], plain[1], plain[0]))
    (folder / "agent.pem").write_bytes(signed.public_bytes(serialization.Encoding.PEM))
    return folder


async def test_an_agent_behind_tls_is_read_when_its_authority_is_trusted_and_refused_when_not(certificate):
    port = free_port()
    agent = Server("mtconnect_agent.py", port, f"--tls={certificate / 'agent.pem'},{certificate / 'key.pem'}")
    endpoint = f"mtconnect://127.0.0.1:{port}?tls=1"
    try:
        async with MTConnectConnector(endpoint, {"ca_file": str(certificate / "agent.pem")}) as connector:
            assert len(await connector.browse()) > 5
        with pytest.raises(MachineUnreachable, match="certificate"):
            async with MTConnectConnector(endpoint, {}):
                pass
    finally:
        agent.stop()


async def test_reading_again_resumes_at_the_next_sequence_without_loss_or_repeat(machine):
    """machines 23: the stream is resumed at the next sequence."""
    async with MTConnectConnector(machine.endpoint, machine.options) as connector:
        async with aclosing(connector.readings([COUNT])) as batches:
            await anext(batches)
            await anyio.to_thread.run_sync(machine.change, 1)
            await collect(batches, lambda rows: rows[-1][1] == 1.0)
        for count in range(2, 30):
            await anyio.to_thread.run_sync(machine.change, count)
        async with aclosing(connector.readings([COUNT])) as again:
            rows = await collect(again, lambda rows: rows[-1][1] == 29.0)
    # The batch that was being looked at when reading stopped comes again: it was not taken to its end.
    assert [value for _, value, _, _ in rows] == [float(count) for count in range(1, 30)]


async def test_entering_again_resumes_too(machine):
    connector = MTConnectConnector(machine.endpoint, machine.options)
    async with connector, aclosing(connector.readings([COUNT])) as batches:
        await anext(batches)
        await anyio.to_thread.run_sync(machine.change, 1)
        await collect(batches, lambda rows: rows[-1][1] == 1.0)
    for count in (2, 3, 4):
        await anyio.to_thread.run_sync(machine.change, count)
    async with connector, aclosing(connector.readings([COUNT])) as again:
        rows = await collect(again, lambda rows: rows[-1][1] == 4.0)
    assert [value for _, value, _, _ in rows] == [1.0, 2.0, 3.0, 4.0]


async def test_another_connector_goes_on_from_a_place_and_sees_that_the_agent_restarted_meanwhile(machine):
    """machines 24: the hole lies before all that the new agent says, so that what stands still there is seen again."""
    first = MTConnectConnector(machine.endpoint, machine.options)
    async with first, aclosing(first.readings([COUNT])) as batches:
        await anext(batches)
        for count in range(40):
            await anyio.to_thread.run_sync(machine.change, count)
        await collect(batches, lambda rows: rows[-1][1] == 39.0)
    await tell(machine, "restart")
    for count in range(40, 80):
        await anyio.to_thread.run_sync(machine.change, count)
    second = MTConnectConnector(machine.endpoint, machine.options)
    second.go_on(first.place())
    hole, said = [], []
    async with second, aclosing(second.readings([COUNT, SYSTEM])) as batches:
        with anyio.fail_after(30):
            async for batch in batches:
                into = hole if BAD_NO_DATA in batch.quality else said
                into += zip(batch.signal, batch.time_us, strict=True)
                if {number for number, _ in said} == {1, 2}:
                    break
    assert second.counters["gaps"] == 1
    assert {number for number, _ in hole} == {1, 2}
    assert max(time for _, time in hole) < min(time for _, time in said)


@pytest.mark.parametrize("how", ["silence", "freeze"])
async def test_silence_of_two_heartbeats_is_a_lost_link(machine, how):
    """machines 26: silence of more than two heartbeats is a lost link."""
    async with (
        MTConnectConnector(machine.endpoint, {"heartbeat_ms": 1500}) as connector,
        aclosing(connector.readings([COUNT])) as batches,
    ):
        await anext(batches)
        await anyio.to_thread.run_sync(machine.change, 1)
        await anext(batches)
        if how == "freeze":
            machine.servers[0].freeze()
        else:
            await tell(machine, "silence")
        with pytest.raises(MachineUnreachable, match="silent for 3 s"), anyio.fail_after(30):
            await anext(batches)


@pytest.mark.parametrize("version", [0, 1, 2])
async def test_the_device_says_who_it_is(machine, version):
    await tell(machine, "json", version)
    async with MTConnectConnector(machine.endpoint, {"format": "json"}) as connector:
        plate = await connector.nameplate()
    assert plate == {
        "ManufacturerName": "Maker Ltd",
        "ManufacturerProductDesignation": "M 7",
        "SerialNumber": "42",
    }


HOSTILE = [
    (b"text/html", b"<html><body>hello</body></html>"),
    (b"text/xml", b'<!DOCTYPE a [<!ENTITY x "y">]><MTConnectDevices>&x;</MTConnectDevices>'),
    (b"application/json", b"{" * 5000),
    (b"text/xml", b"\xff\xfe\x00"),
    (b"text/xml", b""),
]


@pytest.mark.parametrize(("kind", "body"), HOSTILE)
async def test_whatever_answers_in_an_agents_place_is_unreachable_in_words(kind, body):
    async def answer(stream):
        async with stream:
            await stream.receive()
            head = b"HTTP/1.1 200 OK\r\nContent-Type: %b\r\nContent-Length: %d\r\n\r\n" % (kind, len(body))
            await stream.send(head + body)

    async with await anyio.create_tcp_listener(local_host="127.0.0.1") as listener, anyio.create_task_group() as group:
        group.start_soon(listener.serve, answer)
        port = listener.extra(anyio.abc.SocketAttribute.local_port)
        with pytest.raises(MachineUnreachable, match="not as MTConnect says"), anyio.fail_after(30):
            async with MTConnectConnector(f"mtconnect://127.0.0.1:{port}", {}):
                pass
        group.cancel_scope.cancel()


async def test_an_address_that_leads_elsewhere_says_where_to_and_one_that_is_not_there_says_so(machine):
    await tell(machine, "moved")
    root = machine.endpoint.removesuffix("/Machine")
    for place, words in ((root, "sends /probe on to '/Machine/probe'"), (f"{root}/Machine/no", "HTTP 404")):
        with pytest.raises(MachineUnreachable, match=words):
            async with MTConnectConnector(place, {}):
                pass


async def test_an_agent_without_the_named_device_is_unreachable_with_the_agents_own_words(machine):
    endpoint = machine.endpoint.replace("/Machine", "/Other")
    with pytest.raises(MachineUnreachable):
        async with MTConnectConnector(endpoint, {}):
            pass


DOCUMENTS = ["qdr_input001.xml", "Mazak01-20161129-20161130.txt", "GFAgie01-20160610-20160611.txt"]


@pytest.mark.parametrize("name", DOCUMENTS)
async def test_a_day_of_real_observations_is_streamed_exactly_once(name):
    """machines 22: real documents and logs of a real shop, every observation of the device model once, in order."""
    if not (NIST / name).is_file():
        pytest.skip(f"{name} is not on this machine")
    running = mtconnect_machine(NIST / "Devices.xml", NIST / name)
    try:
        connector = MTConnectConnector(running.endpoint, {"heartbeat_ms": 2000, "interval_ms": 1})
        async with connector:
            found = await connector.browse()
            points = [Point(number=n, address=one.address, is_text=one.is_text) for n, one in enumerate(found)]
            # The agent's current state is empty before the first of them: every point says so first.
            count = expected(found, name) + len(points)
            async with aclosing(connector.readings(points)) as batches:
                rows = await collect(batches, lambda rows: len(rows) >= count)
    finally:
        running.stop()
    assert len(rows) == count
    assert connector.counters["gaps"] == connector.counters["times_replaced"] == 0
    assert sum(quality == BAD_NO_DATA for _, _, quality, _ in rows) > 0
    assert sum(quality not in (GOOD, BAD_NO_DATA) for _, _, quality, _ in rows) == connector.counters["undecodable"]


def expected(found, name):
    """Count the observations of data items that the device model knows."""
    text = (NIST / name).read_text(encoding="utf-8")
    known = {one.address for one in found}
    if name.endswith(".xml"):
        return sum(part.partition('"')[0] in known for part in text.split('dataItemId="')[1:])
    device = name.partition("-")[0]
    own = [one for one in found if one.address.startswith(device)]
    model = etree.parse(NIST / "Devices.xml")
    ids = {one.address for one in own}
    names = {one.get("name") or one.get("id") for one in model.iter("{*}DataItem") if one.get("id") in ids}
    return sum(line.split("|")[1] in names for line in text.splitlines() if line.count("|") > 1)
