"""The machine line with real machine servers: started late, frozen, restarted; forecast and measured; written to."""

import sys
from contextlib import asynccontextmanager
from datetime import timedelta
from pathlib import Path

import anyio
import pytest
from machines.running import Machine, Server, free_port, modbus_machine
from msgspec.structs import replace

sys.path.insert(0, str(Path(__file__).parents[1] / "unit" / "flows"))

from flows_world import HeldClock, at_work, eventually, opened

from interwork.core.blueprint import CommandState, Interlock, LinkState, WriteCommand
from interwork.core.clock import now
from interwork.core.errors import BadInput, PeerError, Refused, WrongState
from interwork.core.event import Tag
from interwork.core.organisation import Role
from interwork.core.resource import is_good
from interwork.flows import ingest, write_back
from interwork.flows.ingest import Connection, conformance, supervision
from interwork.flows.write_back import Ask, Person, PointDraft
from interwork.store import Change

pytestmark = pytest.mark.peer
ADA, BOB, EVE = (
    Person(id=name, role=role) for name, role in (("ada", Role.ENGINEER), ("bob", Role.OWNER), ("eve", Role.OPERATOR))
)


@pytest.fixture
async def node(tmp_path, monkeypatch):
    monkeypatch.setattr(supervision, "BACKOFF_S", (0.1, 0.3))
    async with opened(tmp_path / "node") as node:
        yield node


async def state_of(node, made):
    return next(one for one in await ingest.machine_states(node) if one.id == made.resource.id)


async def reaches(node, made, *states, within_s=30.0):
    return await eventually(lambda: state_of(node, made), lambda one: one.state in states, within_s=within_s)


async def shown(node, made, name):
    number = next(one.number for one in made.signals if one.name == name)
    return node.live.value(number)


@asynccontextmanager
async def running(port):
    server = Server("modbus_server.py", port)
    try:
        yield server
    finally:
        server.stop()


async def test_a_machine_started_late_stopped_frozen_and_restarted_is_read_without_touching_the_node(node):
    """machines 5: frozen is detected within 15 s, the points go bad once, and all resumes after; so for the others."""
    port = free_port()
    asked = Connection(name="Press", endpoint=f"modbus://127.0.0.1:{port}?unit=1", options=modbus_options())
    async with running(port):
        made = await ingest.connect(node, asked)
    async with at_work(ingest.work, node):
        await reaches(node, made, LinkState.BACKOFF)  # the node is there first
        async with running(port) as server:
            await counts(node, made, server, 7)
            server.freeze()
            await eventually(
                lambda: shown(node, made, "PartCount"), lambda one: one and not is_good(one.quality), within_s=15
            )
            server.thaw()
            await counts(node, made, server, 8)
        await reaches(node, made, LinkState.BACKOFF)
        async with running(port) as server:
            await counts(node, made, server, 9)
    assert len(await node.store.events(tag=Tag.MACHINE_LOST, limit=100)) == 3


def modbus_options():
    return {**modbus_options_of_the_suite(), "timeout_s": 3}


def modbus_options_of_the_suite():
    machine = modbus_machine()
    machine.stop()
    return machine.options


async def counts(node, made, server, count):
    await reaches(node, made, LinkState.CONNECTED)
    server.tell("set", 1, count)
    await eventually(
        lambda: shown(node, made, "PartCount"),
        lambda one: one and one.value == count and is_good(one.quality),
        within_s=40,
    )


async def test_what_was_forecast_at_admission_is_what_is_then_measured(node):
    """machines 36: the forecast is within 20 % of what is measured, once the meter's ten seconds are all the link's."""
    machine = modbus_machine()
    try:
        for name in ("Mill", "Drill", "Saw"):
            forecast, measured = await forecast_and_measured(node, name, machine)
            if measured == forecast:
                break  # else once more: the computer itself may have been held up in one of the two
    finally:
        machine.stop()
    assert measured == forecast


async def forecast_and_measured(node, name, machine):
    """Forecast, then read: samples and bytes a second, and bytes a day on disk, each as forecast and as measured."""
    async with anyio.create_task_group() as tasks:
        tasks.start_soon(wobble, machine)
        asked = Connection(name=name, endpoint=machine.endpoint, options=machine.options)
        proposal = await ingest.propose(node, name, machine.endpoint, machine.options, watch_s=4.0)
        asked = ingest.measured(asked, proposal, ingest.mapping_of(proposal.signals))
        made = await ingest.connect(node, asked)
        assert made.blueprint.is_measured
        async with at_work(ingest.work, node):
            await reaches(node, made, LinkState.CONNECTED)
            settled = await eventually(
                lambda: state_of(node, made), lambda one: one.counts["device"].samples > 520, within_s=60
            )
        tasks.cancel_scope.cancel()
    said, device = made.blueprint, settled.counts["device"]
    forecast = [said.expected_samples_per_s, said.traffic_bytes_per_s, said.storage_bytes_per_day]
    measured = [device.samples_per_s, device.bytes_per_s, settled.counts["disk"].bytes_per_s * 86_400]
    return [pytest.approx(one, rel=0.2) for one in forecast], measured


async def wobble(machine):
    count = 0
    while True:
        count += 1
        await anyio.to_thread.run_sync(machine.change, count % 1_000)
        await anyio.sleep(0.02)


async def test_a_developer_gets_a_report_check_by_check_and_a_certificate_that_verifies(node):
    machine = modbus_machine()
    try:
        made = await conformance.check(node, machine.endpoint, machine.options, watch_s=2)
    finally:
        machine.stop()
    verdicts = {one.name: one.verdict.value for one in made.report.checks}
    assert {verdicts[name] for name in ("answers", "describes itself", "units", "times", "bad point", "reconnect")} == {
        "passed"
    }
    assert verdicts["write"] == "not-tested"
    assert (await conformance.verify(node, made)) == made.report
    forged = replace(made, report=replace(made.report, is_conformant=not made.report.is_conformant))
    with pytest.raises(PeerError, match="digest differs"):
        await conformance.verify(node, forged)
    signed_by_nobody = replace(forged, digest=conformance._digest(forged.report))
    with pytest.raises(PeerError, match="does not hold"):
        await conformance.verify(node, signed_by_nobody)


async def test_a_device_that_does_not_answer_fails_with_the_remedy_and_nothing_is_called_passed(node):
    made = await conformance.check(node, f"modbus://127.0.0.1:{free_port()}?unit=1", modbus_options_of_the_suite())
    verdicts = [one.verdict.value for one in made.report.checks]
    assert (verdicts[0], "passed" in verdicts, made.report.is_conformant) == ("failed", False, False)
    assert made.report.checks[0].remedy


# Writing back.


@pytest.fixture(scope="module")
def writable():
    port = free_port()
    server = Server("writable_machine.py", port)
    yield Machine(endpoint=f"opc.tcp://127.0.0.1:{port}/machine", servers=[server], change=None, lose=server.stop)
    server.stop()


@asynccontextmanager
async def connected(node, machine):
    server = machine.servers[0]
    for name, value in (("SetPoint", 20), ("Clamped", 20), ("Door", "CLOSED")):
        server.tell("set", name, value)
    made = await ingest.connect(node, Connection(name="Oven", endpoint=machine.endpoint))
    signals = {one.name: one for one in made.signals}
    async with at_work(ingest.work, node):
        await reaches(node, made, LinkState.CONNECTED)
        await eventually(lambda: shown(node, made, "Door"), lambda one: one and one.text == "CLOSED")
        yield signals


def said(machine, name):
    return machine.servers[0].tell("said", name, "")[0]


def point(signals, **changes):
    closed = Interlock(signal=signals["Door"].id, is_text="CLOSED")
    made = {"low": 0.0, "high": 100.0, "max_change": 30.0, "min_interval_s": 0.0, "interlocks": (closed,)}
    return PointDraft(**{**made, **changes})


async def refused(node, rule):
    """Tell whether the newest refusal in the audit trail names a rule, with its remedy."""
    newest = (await node.store.events(tag=Tag.WRITE_REFUSED, newest=True, limit=1))[0]
    return rule in newest.detail["rule"] and bool(newest.detail["remedy"])


async def test_a_value_is_written_once_confirmed_read_back_and_every_step_is_in_the_audit_trail(node, writable):
    """machines 38: an allowed write is confirmed by a second person, sent, read back and audited."""
    async with connected(node, writable) as signals:
        target = signals["SetPoint"]
        await write_back.permit(node, target.id, point(signals), actor="bob")
        asked = await write_back.ask(node, target.id, Ask(value=45.5, reason="Warmer for PLA"), ADA)
        assert (asked.state, said(writable, "SetPoint")) == (CommandState.ASKED, "20.0")
        with pytest.raises(Refused, match="Who asked"):
            await write_back.confirm(node, asked.id, ADA)
        with pytest.raises(Refused, match="not be written by you"):
            await write_back.confirm(node, asked.id, EVE)
        asked = await write_back.ask(node, target.id, Ask(value=45.5, reason="Warmer for PLA"), ADA)
        done = await write_back.confirm(node, asked.id, BOB)
        assert (done.state, done.read_back, said(writable, "SetPoint")) == (CommandState.VERIFIED, 45.5, "45.5")
        with pytest.raises(WrongState):
            await write_back.confirm(node, asked.id, BOB)
    trail = [one.tag for one in await node.store.events(subject=target.resource, limit=100) if ":write:" in one.tag]
    assert trail[-4:] == [Tag.WRITE_ASKED, Tag.WRITE_CONFIRMED, Tag.WRITE_SENT, Tag.WRITE_VERIFIED]
    assert await node.store.verify() > 0


async def test_each_rule_refuses_and_each_refusal_is_audited_with_its_remedy(node, writable):
    """machines 38: a write without role, out of range, too fast or to a read-only point is refused and audited."""
    async with connected(node, writable) as signals:
        target = signals["SetPoint"]

        async def refuses(value, person, rule, signal=target):
            with pytest.raises(Refused):
                await write_back.ask(node, signal.id, Ask(value=value, reason="Try"), person)
            assert await refused(node, rule), rule

        await refuses(21, BOB, "read-only unless")
        await write_back.permit(node, target.id, point(signals, needs_second=False), actor="bob")
        await refuses(21, EVE, "written by")
        await refuses(101, ADA, "range")
        await refuses(float("nan"), ADA, "range")
        await refuses(90, ADA, "change from the present")
        writable.servers[0].tell("set", "Door", "OPEN")
        await eventually(lambda: text_of(node, signals["Door"]), lambda text: text == "OPEN")
        await refuses(21, ADA, "interlock")
        writable.servers[0].tell("set", "Door", "CLOSED")
        await eventually(lambda: text_of(node, signals["Door"]), lambda text: text == "CLOSED")
        await write_back.permit(node, target.id, point(signals, needs_second=False, min_interval_s=60), actor="bob")
        done = await write_back.ask(node, target.id, Ask(value=22, reason="First"), ADA)
        assert done.state is CommandState.VERIFIED
        await refuses(23, ADA, "between two commands")
        with pytest.raises(BadInput, match="reason"):
            await write_back.ask(node, target.id, Ask(value=21, reason=" "), ADA)
        await write_back.close(node, target.id, actor="bob")
        await refuses(21, BOB, "read-only unless")
    assert said(writable, "SetPoint") == "22.0"
    states = {one.state for one in await node.store.find(WriteCommand, limit=100)}
    assert states == {CommandState.REFUSED, CommandState.VERIFIED}


async def text_of(node, signal):
    return node.live.value(signal.number).text


async def test_a_value_the_machine_does_not_take_or_changes_is_told_as_it_is(node, writable, monkeypatch):
    monkeypatch.setattr(write_back, "READ_BACK_S", 3.0)
    async with connected(node, writable) as signals:
        for name in ("Clamped", "Guarded"):
            draft = point(signals, needs_second=False, max_change=0)
            await write_back.permit(node, signals[name].id, draft, actor="bob")
        for _ in range(3):
            clamped = await write_back.ask(node, signals["Clamped"].id, Ask(value=80, reason="Hot"), ADA)
            if clamped.read_back == 50.0:
                break  # else once more: what the machine made of it came later than is waited for here
        assert (clamped.state, clamped.read_back) == (CommandState.DIFFERS, 50.0)
        guarded = await write_back.ask(node, signals["Guarded"].id, Ask(value=21, reason="Try"), ADA)
        assert guarded.state is CommandState.FAILED
        assert "refused it with status 0x8" in guarded.said


async def test_a_command_past_its_expiry_is_dropped_and_never_sent(tmp_path, writable):
    """machines 38: a buffered command past its expiry is not sent."""
    clock = HeldClock(now())
    async with opened(tmp_path / "late", clock=clock) as node, connected(node, writable) as signals:
        target = signals["SetPoint"]
        await write_back.permit(node, target.id, point(signals, expires_s=60), actor="bob")
        first, second = [
            await write_back.ask(node, target.id, Ask(value=value, reason="Warmer"), ADA) for value in (30, 31)
        ]
        clock.move(seconds=61)
        with pytest.raises(Refused, match="past its expiry"):
            await write_back.confirm(node, first.id, BOB)
        async with at_work(write_back.work, node):
            await eventually(lambda: node.store.get(WriteCommand, second.id), lambda one: one.state == "expired")
        expired = await node.store.events(tag=Tag.WRITE_EXPIRED, limit=10)
        assert (len(expired), said(writable, "SetPoint")) == (2, "20.0")


async def test_nothing_is_kept_for_a_machine_that_is_away_or_sent_again_after_a_stop(node, writable):
    async with connected(node, writable) as signals:
        target = signals["SetPoint"]
        await write_back.permit(
            node, target.id, point(signals, needs_second=False, max_change=0, interlocks=()), actor="bob"
        )
        await ingest.switch(node, target.resource, is_on=False, actor="bob")
        await eventually(lambda: shown_quality(node, target), lambda quality: not is_good(quality))
        with pytest.raises(Refused, match="never kept for later"):
            await write_back.ask(node, target.id, Ask(value=33, reason="Away"), ADA)
        torn = WriteCommand(
            id="command-torn", signal=target.id, resource=target.resource, value=34.0, reason="Torn", asked_by="ada",
            asked_at=node.clock(), expires_at=node.clock() + timedelta(hours=1), state=CommandState.SENDING,
        )  # fmt: skip
        await node.store.commit(Change("test").put(torn))
        await ingest.switch(node, target.resource, is_on=True, actor="bob")
        await eventually(lambda: shown_quality(node, target), is_good)
        async with at_work(write_back.work, node):
            told = await eventually(lambda: node.store.get(WriteCommand, torn.id), lambda one: one.state == "failed")
    assert "look at the machine" in told.said
    assert said(writable, "SetPoint") == "20.0"


async def shown_quality(node, signal):
    reading = node.live.value(signal.number)
    return 0x80000000 if reading is None else reading.quality
