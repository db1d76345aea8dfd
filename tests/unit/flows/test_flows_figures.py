"""Plant figures: power connected and not, energy accounted for and not; and what admission says by policy."""

from dataclasses import replace as with_parts
from datetime import timedelta

import pytest
from flows_world import HOUR, START, opened, readings
from msgspec.structs import replace
from wooden_shop import device, wooden_shop

from interwork.core.blueprint import PowerSource, Taken
from interwork.core.clock import to_us
from interwork.core.errors import BadInput, Refused
from interwork.core.event import Tag
from interwork.core.resource import BAD_NO_COMMUNICATION, BatchBuilder, Blueprint, Meaning, Signal
from interwork.core.settings import Limits
from interwork.flows import ingest
from interwork.flows.ingest import Connection, figures
from interwork.store import Change


async def member(node, name, *, endpoint="", **more):
    made = await ingest.connect(node, Connection(name=name, endpoint="", **more))
    if endpoint:  # recorded as connected; nothing of it is read here
        blueprint = replace(made.blueprint, is_connected=True)
        await node.store.commit(Change("test").put(replace(made.resource, endpoint=endpoint)).put(blueprint))
    return made.resource


async def meter(node, resource, number, meaning, unit):
    made = Signal(
        id=f"signal-{number}", number=number, resource=resource.id, name=meaning.value, address="a", unit=unit,
        meaning=meaning, is_text=meaning is Meaning.EXECUTION,
    )  # fmt: skip
    await node.store.commit(Change("test").put(made))


async def test_power_and_energy_count_every_machine_and_what_nobody_accounts_for_is_told(shop, clock):
    """machines 37: unconnected machines count in the power totals; unaccounted energy = main meter - sum of members."""
    main = await member(shop, "Supply", endpoint="modbus://m", power_source=PowerSource.MAIN_METER)
    mill = await member(
        shop, "Mill", endpoint="opc.tcp://m", rated_power_kw=10, standby_power_kw=2, power_source=PowerSource.METER
    )
    await member(shop, "Pump", rated_power_kw=1, power_source=PowerSource.SHARE, power_parent="Mill", power_share=0.25)
    lathe = await member(
        shop, "Lathe", endpoint="mqtt://m", rated_power_kw=8, standby_power_kw=1, power_source=PowerSource.STATE
    )
    await member(shop, "Old saw", rated_power_kw=3, hours_per_day=12)
    await member(shop, "Bench", rated_power_kw=2)
    await meter(shop, main, 1, Meaning.ENERGY, "W.h")
    await meter(shop, mill, 2, Meaning.ENERGY, "kW.h")
    await meter(shop, lathe, 3, Meaning.EXECUTION, "")
    await shop.historian.append(
        readings((1, START, 0.0), (1, START + 4 * HOUR, 60_000.0), (2, START, 5.0), (2, START + 4 * HOUR, 25.0))
    )
    states = BatchBuilder()
    states.add(3, to_us(START), "ACTIVE")
    states.add(3, to_us(START + 2 * HOUR), "READY")
    states.add(3, to_us(START + 4 * HOUR - timedelta(seconds=1)), "READY")
    await shop.historian.append(states.take())
    clock.at = START + 4 * HOUR + timedelta(seconds=1)
    found = await figures.plant(shop, hours=4)
    assert (found.connected_kw, found.unconnected_kw) == (18, 6)
    assert found.metered_coverage == pytest.approx(10 / 24)
    energies = {one.name: one.energy_kwh for one in found.members}
    assert energies["Supply"] == pytest.approx(60, rel=0.01)
    assert energies["Mill"] == pytest.approx(20)
    assert energies["Pump"] == pytest.approx(5)
    assert energies["Lathe"] == pytest.approx(2 * 8 + 2 * 1, rel=0.01)
    assert energies["Old saw"] == pytest.approx(6, rel=0.01)
    assert energies["Bench"] is None
    assert found.unaccounted_kwh == pytest.approx(60 - 20 - 5 - 18 - 6, rel=0.02)
    assert found.is_unaccounted_alarm


async def test_the_alarm_for_energy_nobody_accounts_for_is_told_once(shop, clock):
    main = await member(shop, "Supply", endpoint="modbus://m", power_source=PowerSource.MAIN_METER)
    await meter(shop, main, 1, Meaning.ENERGY, "kW.h")
    await shop.historian.append(readings((1, START, 0.0), (1, START + HOUR, 50.0)))
    clock.at = START + 2 * HOUR
    is_alarm = await figures.watch_energy(shop, was_alarm=False)
    assert await figures.watch_energy(shop, was_alarm=is_alarm)
    assert [one.detail["unaccounted_kwh"] for one in await shop.store.events(tag=Tag.ENERGY_UNACCOUNTED)] == [50.0]


async def test_power_without_a_counter_is_integrated(shop, clock):
    mill = await member(shop, "Mill", endpoint="opc.tcp://m", rated_power_kw=10, power_source=PowerSource.METER)
    await meter(shop, mill, 1, Meaning.POWER, "W")
    minutes = [START + timedelta(minutes=minute) for minute in range(61)]
    await shop.historian.append(readings(*[(1, at, 4_000.0) for at in minutes]))
    clock.at = START + HOUR
    found = (await figures.plant(shop, hours=1)).members[0]
    assert found.energy_kwh == pytest.approx(4.0, rel=0.02)


@pytest.mark.parametrize("most", [500_000, 100])
async def test_a_power_counts_by_its_time_not_by_its_readings_and_a_lost_link_counts_nothing(
    shop, clock, monkeypatch, most
):
    """Kept is what moved, so a quiet hour has few readings and a restless minute many."""
    monkeypatch.setattr(figures, "POWERS_MAX", most)
    mill = await member(shop, "Mill", endpoint="opc.tcp://m", rated_power_kw=10)
    await meter(shop, mill, 2, Meaning.POWER, "W")
    steady = [(2, START + timedelta(minutes=at), 10_000.0) for at in range(60)]
    restless = [(2, START + HOUR + timedelta(seconds=at), 1000.0 + at % 2) for at in range(600)]
    lost = BatchBuilder()
    lost.add(2, to_us(START + HOUR + timedelta(minutes=10)), None, BAD_NO_COMMUNICATION)
    await shop.historian.append(readings(*steady, *restless))
    await shop.historian.append(lost.take())
    clock.at = START + 4 * HOUR
    found = (await figures.plant(shop, hours=4)).members[0]
    assert found.energy_kwh == pytest.approx(10 + 1.0005 / 6, rel=0.005)


async def test_a_power_that_has_not_moved_since_before_the_span_counts_in_it(shop, clock):
    mill = await member(shop, "Mill", endpoint="mtconnect://m", rated_power_kw=10)
    await meter(shop, mill, 2, Meaning.POWER, "kW")
    await shop.historian.append(readings((2, START, 6.0)))
    clock.at = START + 5 * HOUR
    found = (await figures.plant(shop, hours=2)).members[0]
    assert found.energy_kwh == pytest.approx(12.0)


async def test_a_machine_with_a_power_signal_is_metered_whether_or_not_somebody_said_so(shop, clock):
    mill = await member(shop, "Mill", endpoint="opc.tcp://m", rated_power_kw=10, time_scale=60.0)
    await member(shop, "Bench", rated_power_kw=10)
    await meter(shop, mill, 1, Meaning.POWER, "kW")
    minutes = [START + timedelta(minutes=minute) for minute in range(61)]
    await shop.historian.append(readings(*[(1, at, 4.0) for at in minutes]))
    clock.at = START + HOUR
    found = await figures.plant(shop, hours=1)
    assert found.metered_coverage == pytest.approx(0.5)
    of_mill = next(one for one in found.members if one.name == "Mill")
    assert of_mill.power_source is PowerSource.METER
    assert of_mill.energy_kwh == pytest.approx(240.0, rel=0.02)  # in its own time, as everywhere else


async def test_days_to_full_follow_from_what_was_kept_since_the_device_was_admitted(shop, clock):
    clock.at = START
    mill = await member(shop, "Mill", endpoint="opc.tcp://m", samples_per_s=10.0)
    day = START.date().isoformat()
    taken = Taken(id="taken-mill", resource=mill.id, day=day, samples=10, link_bytes=1.0, kept=5, kept_bytes=1e6)
    await shop.store.commit(Change("test").put(taken))
    clock.at = START + 2 * HOUR
    for hours in (1, 24):
        found = await figures.plant(shop, hours=hours)
        assert found.stored_per_day == pytest.approx(12e6)
        assert found.days_to_full == pytest.approx((found.storage_limit_bytes - found.stored_bytes) / 12e6)
        forecast = found.members[0].forecast_per_day
        assert found.promised_days == pytest.approx(found.storage_limit_bytes / forecast)


async def test_storage_traffic_and_bytes_per_part_come_from_what_was_counted(shop, clock):
    clock.at = START + 6 * HOUR
    mill = await member(shop, "Mill", endpoint="opc.tcp://m", storage_quota_mb=1.0)
    saw = await member(shop, "Saw", endpoint="opc.tcp://s")
    await meter(shop, mill, 1, Meaning.PART_COUNT, "1")
    await shop.historian.append(readings((1, START, 0.0), (1, START + 5 * HOUR, 50.0)))
    day = START.date().isoformat()
    change = Change("test")
    for resource, link in ((mill, 5e5), (saw, 1e6)):
        change.put(
            Taken(
                id=f"taken-{resource.id}", resource=resource.id, day=day, samples=10, link_bytes=link,
                kept=5, kept_bytes=5e5, lost=2,
            )
        )  # fmt: skip
    await shop.store.commit(change)
    found = await figures.plant(shop, hours=24)
    of_mill = next(one for one in found.members if one.name == "Mill")
    assert (of_mill.parts, of_mill.bytes_per_part, of_mill.lost) == (50, 1e4, 2)
    assert (of_mill.stored_bytes, of_mill.quota_bytes, of_mill.days_to_full) == (5e5, 1e6, 1.0)
    assert found.top_talkers == ("Saw", "Mill")
    assert found.stored_per_day > 0
    with pytest.raises(BadInput):
        await figures.plant(shop, hours=0)


async def test_what_does_not_fit_is_refused_or_warned_of_by_policy_and_both_are_events(tmp_path, monkeypatch):
    async with wooden_shop(tmp_path, monkeypatch) as node:
        tight = Limits(storage_gb=0.001, retention_days=30, samples_per_s=5)
        strict = with_parts(node, settings=replace(node.settings, limits=tight))
        with pytest.raises(Refused) as refused:
            await ingest.connect(strict, device(name="Mill"))
        assert refused.value.rule.count(";") == 1
        assert [one.detail["name"] for one in await node.store.events(tag=Tag.BLUEPRINT_REFUSED)] == ["Mill"]
        lenient = with_parts(node, settings=replace(node.settings, limits=replace(tight, admission="warn")))
        made = await ingest.connect(lenient, device(name="Mill"))
        assert len(made.blueprint.warnings) == 2
        held = await node.store.get(Blueprint, made.blueprint.id)
        assert "would last" in " ".join(held.warnings)


async def test_a_quota_of_its_own_is_forecast_in_days(shop):
    asked = Connection(name="Mill", endpoint="opc.tcp://m", samples_per_s=100, storage_quota_mb=900, retention_days=30)
    coming = await ingest.foresee(shop, asked, 20)
    assert "its own quota would last 18.9 days" in coming.sentence
    assert any("own storage quota" in one.message for one in coming.broken)


async def test_a_forecast_admits_nothing(tmp_path):
    async with opened(tmp_path / "node") as node:
        await ingest.foresee(node, Connection(name="Mill", endpoint="opc.tcp://m"), 20)
        assert await node.store.count(Blueprint) == 0


async def test_a_retention_and_a_quota_of_its_own_are_held_by_the_historian(tmp_path, monkeypatch):
    async with wooden_shop(tmp_path, monkeypatch) as node:
        asked = device(name="Mill", retention_days=1.0, storage_quota_mb=2_000.0)
        made = await ingest.connect(node, asked)
        number, other = made.signals[0].number, 99
        old, fresh = node.clock() - timedelta(days=3), node.clock()
        await node.historian.append(readings((number, old, 1.0), (other, old, 1.0), (number, fresh, 2.0)))
        await node.historian.seal()
        await node.historian.tend(0)
        kept = await node.historian.readings([number, other], 0, to_us(fresh) + 1)
    assert (list(kept.signal), sorted(kept.value)) in (([other, number], [1.0, 2.0]), ([number, other], [1.0, 2.0]))
