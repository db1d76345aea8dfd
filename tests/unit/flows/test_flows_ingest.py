import math
from datetime import timedelta

import anyio
import pytest
import wooden_machine
from flows_world import START, at_work, eventually, opened, readings
from wooden_shop import device, host_of, wooden_shop

from interwork.connectors import schemes
from interwork.core.clock import now, to_us
from interwork.core.errors import BadInput, MachineUnreachable, Refused
from interwork.core.event import Tag
from interwork.core.resource import Blueprint, Facet, Resource, Signal, is_good
from interwork.flows import ingest
from interwork.flows.ingest import Connection, supervision
from interwork.store import Change
from interwork.stream import Shaper


@pytest.fixture
async def shop(tmp_path, monkeypatch):
    monkeypatch.setattr(supervision, "BACKOFF_S", (0.11, 0.2))
    async with wooden_shop(tmp_path, monkeypatch) as node:
        yield node


def opened_times(asked):
    return wooden_machine.OPENED.get(host_of(asked), 0)


async def events(node, *tags):
    return [one.tag for one in await node.store.events(limit=1000) if one.tag in tags]


async def test_a_connector_of_an_installed_package_is_found_by_its_scheme(shop):
    assert "wood" in schemes()
    assert [one.name for one in await ingest.probe(device().endpoint, {})] == ["Power", "Parts"]


async def test_connecting_records_the_device_its_facets_signals_and_blueprint(shop):
    made = await ingest.connect(shop, device(), actor="ada")
    held = await shop.store.find(Signal, resource=made.resource.id)
    assert sorted(held, key=lambda one: one.number) == list(made.signals)
    assert [await shop.store.count(kind) for kind in (Resource, Blueprint, Facet)] == [1, 1, 2]
    assert {one.actor for one in await shop.store.events(subject=made.resource.id)} == {"ada"}


async def test_the_same_name_is_the_same_device_and_its_signals_keep_their_numbers(shop):
    first = await ingest.connect(shop, device())
    other = await ingest.connect(shop, device(name="Drill"))
    again = await ingest.connect(shop, device())
    assert again.resource.id == first.resource.id
    assert again.signals == first.signals
    assert {one.number for one in (*first.signals, *other.signals)} == {1, 2, 3, 4}


async def test_devices_connected_at_the_same_moment_share_no_number(shop):
    made = []

    async def connect(name):
        made.append(await ingest.connect(shop, device(name=name)))

    async with anyio.create_task_group() as tasks:
        for number in range(5):
            tasks.start_soon(connect, f"Saw {number}")
    assert len({one.number for each in made for one in each.signals}) == 10


async def test_a_device_that_is_not_connected_has_a_nameplate_and_no_signals(shop):
    made = await ingest.connect(shop, Connection(name="Bench", endpoint="", maker="Ada"))
    facets = {one.name: one for one in await shop.store.find(Facet, resource=made.resource.id)}
    assert made.signals == ()
    assert facets["Nameplate"].values["ManufacturerName"] == "Ada"


async def test_a_device_without_a_name_or_of_an_unknown_protocol_is_bad_input(shop):
    for asked in (Connection(name="  ", endpoint=""), Connection(name="Saw", endpoint="steam://boiler")):
        with pytest.raises(BadInput) as refused:
            await ingest.connect(shop, asked)
        assert refused.value.remedy
    assert await shop.store.count(Resource) == 0


async def test_a_device_beyond_the_blueprints_budget_is_refused_and_leaves_nothing(shop):
    asked = Connection(name="Press", endpoint="", rated_power_kw=1e6)
    with pytest.raises(Refused) as refused:
        await ingest.connect(shop, asked)
    assert (bool(refused.value.rule), bool(refused.value.remedy)) == (True, True)
    assert await shop.store.count(Resource) == 0


async def test_a_batch_is_live_at_once_and_kept_without_repeats(shop):
    shaper, base = Shaper({1: 0.0}), now()
    rows = [(1, base + timedelta(seconds=second), value) for second, value in enumerate((1.0, 1.0, 2.0))]
    for row in rows:
        await ingest.take(shop, shaper, readings(row))
    assert shop.live.value(1).value == 2.0
    kept = await shop.historian.readings([1], to_us(base), to_us(base) + 10_000_000)
    assert list(kept.value) == [1.0, 2.0]


async def test_a_repeat_is_not_kept_but_is_live(shop):
    shaper, began = Shaper({1: 0.5}), now() - timedelta(seconds=10)
    await ingest.take(shop, shaper, readings((1, began, 1.0)))
    later = began + timedelta(seconds=1)
    await ingest.take(shop, shaper, readings((1, later, 1.2)))
    assert (shop.live.value(1).time_us, (await shop.historian.usage()).rows) == (to_us(later), 1)


async def test_what_take_has_returned_from_survives_a_start_anew(tmp_path):
    async with opened(tmp_path / "one") as node:
        await ingest.take(node, Shaper({1: 0.0}), readings((1, START, 7.0)))
    async with opened(tmp_path / "one") as node:
        assert list((await node.historian.latest([1])).value) == [7.0]


async def test_a_device_recorded_while_the_node_runs_joins_at_once(shop):
    async with at_work(ingest.work, shop):
        made = await ingest.connect(shop, device(3.0))
        number = made.signals[0].number
        await eventually(lambda: live(shop, number), lambda reading: reading is not None)
    assert await events(shop, Tag.MACHINE_CONNECTED, Tag.MACHINE_LOST) == [Tag.MACHINE_CONNECTED]


async def live(node, number):
    return node.live.value(number)


async def test_a_lost_machine_is_marked_at_once_and_read_again_when_it_is_back(shop):
    gone = MachineUnreachable("Still away.")
    asked = device(None, gone, gone, 100.0)
    made = await ingest.connect(shop, asked)
    number = made.signals[0].number
    async with at_work(ingest.work, shop):
        await eventually(lambda: live(shop, number), lambda reading: reading and not is_good(reading.quality))
        back = await eventually(lambda: live(shop, number), lambda reading: is_good(reading.quality))
    assert back.value >= 100.0
    assert await events(shop, Tag.MACHINE_CONNECTED, Tag.MACHINE_LOST) == [
        Tag.MACHINE_CONNECTED,
        Tag.MACHINE_LOST,
        Tag.MACHINE_CONNECTED,
    ]


async def test_history_says_where_a_machine_was_lost(shop):
    made = await ingest.connect(shop, device(None, MachineUnreachable("Away.")))
    number, began = made.signals[0].number, to_us(now())
    async with at_work(ingest.work, shop):
        await eventually(lambda: events(shop, Tag.MACHINE_LOST), bool)
    kept = await shop.historian.readings([number], began - 1, to_us(now()) + 1_000_000)
    assert kept.value[0] == 5.0
    assert math.isnan(kept.value[-1])
    assert not is_good(kept.quality[-1])


async def test_a_machine_that_stays_away_is_tried_with_growing_waits(shop, monkeypatch):
    monkeypatch.setattr(supervision, "BACKOFF_S", (0.11, 60.0))
    asked = device(MachineUnreachable("Away."))
    await ingest.connect(shop, asked)
    waits = []
    monkeypatch.setattr(supervision.random, "uniform", lambda low, high: waits.append(high) or 0.001)
    async with at_work(ingest.work, shop):
        await eventually(lambda: live_count(asked), lambda count: count > 12)
    assert waits[:5] == [0.11, 0.22, 0.44, 0.88, 1.76]
    assert max(waits) == 60.0


async def live_count(asked):
    return opened_times(asked)


async def test_a_machine_that_is_lost_stops_no_other(shop):
    away = await ingest.connect(shop, device(MachineUnreachable("Away."), name="Saw"))
    well = await ingest.connect(shop, device(3.0, name="Drill"))
    async with at_work(ingest.work, shop):
        await eventually(lambda: live(shop, well.signals[0].number), lambda reading: reading and reading.value > 6)
    assert shop.live.value(away.signals[0].number) is None


async def test_a_device_whose_connector_is_no_longer_installed_stops_no_other(shop):
    orphan = (await ingest.connect(shop, device(name="Saw"))).resource
    lost = Resource(**{**{f: getattr(orphan, f) for f in orphan.__struct_fields__}, "endpoint": "steam://boiler"})
    await shop.store.commit(Change("test").put(lost))
    well = await ingest.connect(shop, device(3.0, name="Drill"))
    async with at_work(ingest.work, shop):
        await eventually(lambda: live(shop, well.signals[0].number), lambda reading: reading is not None)


async def test_a_device_moved_to_another_address_is_read_there_after_its_next_loss(shop):
    made = await ingest.connect(shop, device(None, MachineUnreachable("Away.")))
    number = made.signals[0].number
    async with at_work(ingest.work, shop):
        await eventually(lambda: events(shop, Tag.MACHINE_LOST), bool)
        await ingest.connect(shop, device(500.0))
        await eventually(lambda: live(shop, number), lambda reading: reading.value >= 500.0)


async def test_last_values_are_shown_after_a_start_as_lost_until_the_machine_is_heard(shop):
    made = await ingest.connect(shop, device(MachineUnreachable("Away.")))
    number = made.signals[0].number
    await shop.historian.append(readings((number, now() - timedelta(minutes=1), 9.0)))
    async with at_work(ingest.work, shop):
        shown = await eventually(lambda: live(shop, number), lambda reading: reading is not None)
    assert (shown.value, is_good(shown.quality)) == (9.0, False)
