"""How a connection's supervision stands, what a person may do to it, and what it does by itself."""

import resource
import tarfile
from contextlib import contextmanager
from datetime import timedelta
from types import SimpleNamespace

import msgspec
import numpy as np
import pytest
import wooden_machine
from flows_world import at_work, eventually
from structlog.testing import capture_logs
from wooden_shop import device, host_of, wooden_shop

from interwork.cli import local, machines
from interwork.core.blueprint import LinkState
from interwork.core.clock import now
from interwork.core.errors import BadInput, MachineUnreachable, NotFound, Refused, Unusable, WrongState
from interwork.core.event import Tag
from interwork.core.resource import BatchBuilder, Resource, is_good
from interwork.flows import ingest
from interwork.flows.ingest import supervision, ticking
from interwork.store import Change

SECRET = "correct-horse-battery-staple"


@pytest.fixture
async def shop(tmp_path, monkeypatch):
    monkeypatch.setattr(supervision, "BACKOFF_S", (0.11, 0.2))
    monkeypatch.setattr(supervision, "ALIGN_S", 0.2)
    async with wooden_shop(tmp_path, monkeypatch) as node:
        yield node


async def state_of(node, made):
    return next(one for one in await ingest.machine_states(node) if one.id == made.resource.id)


async def reaches(node, made, *states):
    return await eventually(lambda: state_of(node, made), lambda one: one.state in states)


async def tags(node, tag):
    return [one.detail for one in await node.store.events(limit=1000, tag=tag)]


async def test_a_connection_tells_its_state_since_when_and_how_old_its_data_is(shop):
    made = await ingest.connect(shop, device())
    assert (await state_of(shop, made)).state is LinkState.STOPPED
    async with at_work(ingest.work, shop):
        told = await reaches(shop, made, LinkState.CONNECTED)
        assert (told.since <= now(), told.data_age_s < 5, told.tries, told.connects) == (True, True, 0, 1)
        told = await eventually(lambda: state_of(shop, made), lambda one: one.counts["device"].samples > 5)
    assert (await state_of(shop, made)).state is LinkState.STOPPED


async def test_a_link_that_is_down_says_why_and_when_it_is_tried_next(shop, monkeypatch):
    monkeypatch.setattr(supervision, "BACKOFF_S", (30.0, 30.0))
    made = await ingest.connect(shop, device(MachineUnreachable("Nobody answers.", remedy="Switch it on.")))
    async with at_work(ingest.work, shop):
        told = await reaches(shop, made, LinkState.BACKOFF)
        assert ("Nobody answers" in told.said, told.remedy) == (True, "Switch it on.")
        assert now() < told.next_try < now() + timedelta(seconds=31)
        before = told.tries
        await ingest.retry(shop, made.resource.id)
        await eventually(lambda: state_of(shop, made), lambda one: one.tries > before)


async def test_what_only_a_person_can_mend_is_told_once_and_tried_slowly(shop):
    refusal = Refused("The password is wrong.", rule="the server knows the user", remedy="Set the right one.")
    made = await ingest.connect(shop, device(refusal))
    async with at_work(ingest.work, shop):
        told = await reaches(shop, made, LinkState.FAILED)
        assert told.next_try - now() > timedelta(seconds=50)
        await ingest.retry(shop, made.resource.id)
        await eventually(lambda: state_of(shop, made), lambda one: one.tries >= 2 and one.state is LinkState.FAILED)
    events = await tags(shop, Tag.MACHINE_FAILED)
    assert [(one["fault"], one["remedy"]) for one in events] == [("The password is wrong.", "Set the right one.")]


async def test_a_connection_is_switched_off_and_on_while_the_node_runs(shop):
    made = await ingest.connect(shop, device(3.0))
    number = made.signals[0].number
    async with at_work(ingest.work, shop):
        await reaches(shop, made, LinkState.CONNECTED)
        await ingest.switch(shop, made.resource.id, is_on=False, actor="ada")
        await reaches(shop, made, LinkState.DISABLED)
        await eventually(lambda: reading(shop, number), lambda one: not is_good(one.quality))
        with pytest.raises(WrongState):
            await ingest.retry(shop, made.resource.id)
        await ingest.switch(shop, made.resource.id, is_on=True, actor="ada")
        await reaches(shop, made, LinkState.CONNECTED)
        await eventually(lambda: reading(shop, number), lambda one: is_good(one.quality))
    assert [one["is_on"] for one in await tags(shop, Tag.MACHINE_SWITCHED)] == [False, True]


async def reading(node, number):
    return node.live.value(number)


async def test_a_device_whose_endpoint_changes_is_read_there_at_once(shop):
    made = await ingest.connect(shop, device(3.0))
    number = made.signals[0].number
    async with at_work(ingest.work, shop):
        await reaches(shop, made, LinkState.CONNECTED)
        await ingest.connect(shop, device(500.0))
        await eventually(lambda: reading(shop, number), lambda one: one.value >= 500.0)


async def test_a_device_that_is_emptied_or_taken_out_stops(shop):
    made, gone = await ingest.connect(shop, device(3.0)), await ingest.connect(shop, device(3.0, name="Drill"))
    async with at_work(ingest.work, shop):
        await reaches(shop, made, LinkState.CONNECTED)
        await reaches(shop, gone, LinkState.CONNECTED)
        emptied = msgspec.structs.replace(made.resource, endpoint="")
        await shop.store.commit(Change("test").put(emptied).delete(Resource, gone.resource.id))
        await reaches(shop, made, LinkState.STOPPED)
        await eventually(lambda: reading(shop, gone.signals[0].number), lambda one: not is_good(one.quality))


async def test_a_device_that_says_nothing_is_degraded_then_connected_anew_without_being_called_lost(shop, monkeypatch):
    monkeypatch.setattr(ticking, "JUDGE_S", 0.05)
    monkeypatch.setattr(ticking, "TICK_S", 0.05)
    asked = device("quiet", name="Kiln", silence_s=1.0)
    made = await ingest.connect(shop, asked)
    async with at_work(ingest.work, shop):
        told = await reaches(shop, made, LinkState.DEGRADED)
        assert "Nothing came" in told.said
        opened = wooden_machine.OPENED[host_of(asked)]
        await eventually(lambda: opened_times(asked), lambda count: count > opened)
        await reaches(shop, made, LinkState.CONNECTED)
    assert await tags(shop, Tag.MACHINE_LOST) == []


async def opened_times(asked):
    return wooden_machine.OPENED[host_of(asked)]


@contextmanager
def files_of_at_most(octets):
    """Let no file of this process grow beyond a size, as on a volume that is full."""
    before = resource.getrlimit(resource.RLIMIT_FSIZE)
    resource.setrlimit(resource.RLIMIT_FSIZE, (octets, before[1]))
    try:
        yield
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, before)


async def test_what_stood_while_a_link_was_lost_stands_in_the_history_from_when_it_is_heard_again(shop):
    """machines 4: an OPC UA server says a standing value with the source time of its last change, before the loss."""
    made = await ingest.connect(shop, device("stands"))
    number = next(one.number for one in made.signals if one.name == "Power")

    async def history():
        return await shop.historian.readings([number], 0, 1 << 60)

    async with at_work(ingest.work, shop):
        found = await eventually(history, lambda one: len(one) >= 3)
    assert list(found.time_us) == sorted(found.time_us)
    assert (found.time_us[0], found.value[0]) == (wooden_machine.STOOD_US, 5.0)
    assert [is_good(one) for one in found.quality][:3] == [True, False, True]
    assert found.value[2] == 5.0


async def test_a_historian_that_is_away_stops_no_machine_and_everything_arrives_after(shop, monkeypatch):
    """machines 33: a full disk stops no machine; what was read meanwhile is kept when there is room again."""
    made = await ingest.connect(shop, device(1.0))
    number = made.signals[0].number
    await fill_log(shop, 200_000)
    began = now()
    monkeypatch.setattr("interwork.flows.ingest.carrying.RETRY_S", (0.05, 0.05))
    async with at_work(ingest.work, shop):
        with capture_logs(), files_of_at_most(100_000):  # the spool still finds room, the readings' own log does not
            await eventually(lambda: reading(shop, number), lambda one: one and one.value > 20)
            status = await eventually(lambda: uplink(shop), lambda one: one.is_away and one.fill.readings > 20)
            assert (status.refused, (await state_of(shop, made)).state) == (0, LinkState.CONNECTED)
        await eventually(lambda: uplink(shop), lambda one: not one.is_away and one.fill.readings == 0)
        seen = (await eventually(lambda: reading(shop, number), lambda one: one.value > 30)).value
        await eventually(lambda: newest(shop, number), lambda value: value >= seen)
    kept = await shop.historian.readings([number], us(began), us(now() + timedelta(seconds=1)))
    values = sorted(value for value, quality in zip(kept.value, kept.quality, strict=True) if is_good(quality))
    assert values == [float(one) for one in range(1, int(max(values)) + 1)]
    assert [len(await tags(shop, tag)) > 0 for tag in (Tag.SPOOL_FILLED, Tag.SPOOL_EMPTIED)] == [True, True]


async def fill_log(node, octets):
    """Keep readings of signals nobody has, until the log they are first written to is larger than this."""
    builder = BatchBuilder()
    for row, noise in enumerate(np.random.default_rng(1).normal(size=octets // 8)):
        builder.add(900 + row % 7, row, float(noise))
    await node.historian.append(builder.take())


async def uplink(node):
    return ingest.uplink_state(node)


async def newest(node, number):
    kept = await node.historian.latest([number])
    return max(kept.value, default=0.0)


def us(moment):
    return int(moment.timestamp() * 1e6)


async def test_a_secret_reaches_the_connector_and_nothing_else(shop, tmp_path, capsys):
    """machines 39: no secret in the export, log, API, metrics or diagnostics."""
    shop.secrets.set("plc", SECRET)
    asked = device(3.0, options={"password": "secret:plc", "nested": {"key": ["secret:plc"]}})
    made = await ingest.connect(shop, asked)
    async with at_work(ingest.work, shop):
        await reaches(shop, made, LinkState.CONNECTED)
        assert wooden_machine.OPTIONS[host_of(asked)]["password"] == SECRET
        assert wooden_machine.OPTIONS[host_of(asked)]["nested"] == {"key": [SECRET]}
        told = msgspec.json.encode([await ingest.machine_states(shop), ingest.uplink_state(shop), made])
        events = msgspec.json.encode(await shop.store.events(limit=1000))
        dump = b"".join([line async for _, line in shop.store.dump(secrets=True)])
        archive = tmp_path / "all.tar.gz"
        await local._take_out(shop.folder, archive)
    with tarfile.open(archive) as packed:
        names = packed.getnames()
        archived = b"".join(packed.extractfile(one).read() for one in packed if one.isfile())
    assert not [name for name in names if "keys" in name]
    printed = capsys.readouterr()
    for place in (told, events, dump, archived, (printed.out + printed.err).encode()):
        assert SECRET.encode() not in place
    for path in (shop.folder / "keys").iterdir():
        assert SECRET.encode() not in (b"" if path.is_dir() else path.read_bytes())
        assert path.is_dir() or path.stat().st_mode & 0o077 == 0


async def test_a_secret_in_plain_text_is_refused_before_anything_is_kept(shop):
    with pytest.raises(BadInput, match="plain text") as refused:
        await ingest.connect(shop, device(options={"password": SECRET}))
    assert SECRET not in str(refused.value)
    assert await shop.store.count(Resource) == 0


async def test_a_secret_that_is_not_set_is_told_by_its_name(shop):
    with pytest.raises(NotFound, match="plc"):
        await ingest.connect(shop, device(options={"password": "secret:plc"}))
    shop.secrets.set("plc", SECRET)
    made = await ingest.connect(shop, device(options={"password": "secret:plc"}))
    shop.secrets.remove("plc")
    async with at_work(ingest.work, shop):
        told = await reaches(shop, made, LinkState.FAILED)
    assert "plc" in told.said


async def test_secrets_are_kept_listed_replaced_and_opened_with_their_own_key_only(shop):
    shop.secrets.set("a", "one")
    shop.secrets.set("a", "two")
    assert (shop.secrets.get("a"), shop.secrets.names()) == ("two", ("a",))
    (shop.folder / "keys" / "secrets.key").write_bytes(b"x" * 32)
    with pytest.raises(Unusable, match="cannot be opened"):
        shop.secrets.get("a")
    for name in ("", "a b", "../x", "x" * 65):
        with pytest.raises(BadInput):
            shop.secrets.set(name, "v")


async def test_the_command_line_keeps_a_secret_it_reads_from_standard_input(shop, monkeypatch, capsys):
    monkeypatch.setattr("sys.stdin", SimpleNamespace(isatty=lambda: False, read=lambda: f"{SECRET}\n"))
    arguments = SimpleNamespace(data=shop.folder, act="set", name="plc", json=False)
    assert machines.handle_secret(arguments) == 0
    assert shop.secrets.get("plc") == SECRET
    assert SECRET not in capsys.readouterr().out


async def test_what_finds_no_room_anywhere_is_counted_and_told_once_the_store_takes_it(shop):
    """machines 33: loss records are exact: from, to, how many and why."""
    made = await ingest.connect(shop, device(1.0))
    async with at_work(ingest.work, shop):
        await reaches(shop, made, LinkState.CONNECTED)
        with capture_logs(), files_of_at_most(1):
            await eventually(lambda: uplink(shop), lambda one: one.refused > 10)
            await ticking.keep_books(shop)
            assert await tags(shop, Tag.READINGS_LOST) == []
        lost = (await state_of(shop, made)).lost
        await ticking.keep_books(shop)
        told = await tags(shop, Tag.READINGS_LOST)
        assert sum(one["count"] for one in told) >= lost > 0
        assert {one["klass"] for one in told} == {"C1", "C2"}
        assert all(one["from_us"] <= one["to_us"] and one["why"] for one in told)
        await eventually(lambda: uplink(shop), lambda one: not one.is_away)
