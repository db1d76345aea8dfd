"""Operating a plant over the real store, historian and live state."""

import math
from dataclasses import replace as with_parts
from datetime import timedelta

import anyio
import pytest
from flows_world import START, at_work, eventually
from msgspec.structs import replace

from interwork.core.clock import now, to_us
from interwork.core.errors import BadInput, NotFound, Refused, WrongState
from interwork.core.event import Tag
from interwork.core.making import Run, RunState
from interwork.core.operating import Alarm, AlarmRule, AlarmState, Condition, Normal
from interwork.core.resource import GOOD, BatchBuilder, Meaning, Resource, ResourceKind, Signal
from interwork.flows.operate import alarms, calendars, drafts, energy, figures, parts, rules, stops, unusual
from interwork.store import Change

MILL = "resource-mill"
NAMES = {
    Meaning.EXECUTION: (1, ""), Meaning.PART_COUNT: (2, "1"), Meaning.ENERGY: (3, "kW.h"), Meaning.POWER: (4, "kW"),
    Meaning.WATER: (5, "L"), Meaning.TEMPERATURE: (6, "Cel"), Meaning.PROGRAM: (7, ""),
}  # fmt: skip
S = 1_000_000
EARLY = drafts.ShiftDraft(name="Early", start=f"{START:%H:%M}", end=f"{START + timedelta(hours=1):%H:%M}", days=(0,))


def signal_of(meaning):
    number, unit = NAMES[meaning]
    is_text = meaning in (Meaning.EXECUTION, Meaning.PROGRAM)
    return Signal(
        id=f"signal-{number}", number=number, resource=MILL, name=meaning.value, address=meaning.value, unit=unit,
        meaning=meaning, is_text=is_text,
    )  # fmt: skip


async def machine(node, **changes):
    resource = Resource(
        id=MILL, name="Mill", kind=ResourceKind.MACHINE, owner=node.settings.organisation, endpoint="opc.tcp://x",
    )  # fmt: skip
    resource = replace(resource, **changes)
    change = Change("test").put(resource)
    for meaning in NAMES:
        change.put(signal_of(meaning))
    await node.store.commit(change)
    return resource


def batch(*rows):
    """Make readings of (seconds after START, meaning, value)."""
    builder = BatchBuilder()
    for seconds, meaning, value in rows:
        builder.add(NAMES[meaning][0], to_us(START) + round(seconds * S), value, GOOD)
    return builder.take()


async def say(node, *rows):
    await node.historian.append(batch(*rows))


def span(start, end):
    return to_us(START) + start * S, to_us(START) + end * S


async def a_shift(node):
    """Make 50 parts in 1000 s, stand 600 s, be unknown 200 s, make 10 more in 200 s."""
    rows = [(0, Meaning.EXECUTION, "ACTIVE"), (0, Meaning.PROGRAM, "O1001")]
    rows += [
        (1000, Meaning.EXECUTION, "STOPPED"),
        (1600, Meaning.EXECUTION, "UNAVAILABLE"),
        (1800, Meaning.EXECUTION, "ACTIVE"),
    ]
    rows += [(20 * part, Meaning.PART_COUNT, float(part)) for part in range(51)]
    rows += [(1800 + 20 * part, Meaning.PART_COUNT, 50.0 + part) for part in range(1, 11)]
    rows += [
        (0, Meaning.ENERGY, 100.0),
        (1000, Meaning.ENERGY, 110.0),
        (1600, Meaning.ENERGY, 112.0),
        (2000, Meaning.ENERGY, 115.0),
    ]
    rows += [(0, Meaning.WATER, 0.0), (2000, Meaning.WATER, 120.0)]
    await say(node, *rows)


async def test_a_period_s_figures_equal_the_hand_calculation(shop, clock):
    """machines 41: PBT 1800 (200 unknown), APT 1200, 60 parts of 15 s, 57 good: OEE = 57·15/1800."""
    mill = await machine(shop)
    await a_shift(shop)
    await shop.store.commit(Change("test").put(Run(
        id="run-1", order="o", assignment="a", operation_name="Mill", process="milling", resource=MILL, quantity=60,
        state=RunState.COMPLETED, unit_s=15.0, started_at=START, ended_at=START + timedelta(seconds=1990),
        good=57, scrap=3,
    )))  # fmt: skip
    clock.move(hours=1)
    found = await figures.machine_period(shop, mill, *span(0, 2000))
    assert (found.elements.pbt_s, found.elements.apt_s, found.elements.unknown_s) == (1800, 1200, 200)
    assert found.figure("oee").value == pytest.approx(57 * 15 / 1800)
    assert found.figure("energy-per-part").value == pytest.approx(15 / 57)
    assert found.figure("water-per-part").value == pytest.approx(120 / 57)
    assert found.energy_by_state["STOPPED"] == pytest.approx(2.0)
    assert found.cycle_source == "runs"


async def test_a_state_that_began_long_before_the_period_still_holds_in_it(shop, clock):
    mill = await machine(shop)
    await say(shop, (-40_000, Meaning.EXECUTION, "READY"))
    clock.move(hours=1)
    found = await figures.machine_period(shop, mill, *span(0, 100))
    assert found.seconds == {"READY": 100.0}


async def test_late_readings_correct_a_closed_shift_and_it_says_so(shop, clock):
    """machines 42: the shift's elements are computed anew, and count how often."""
    mill = await machine(shop)
    await calendars.make_calendar(shop, drafts.CalendarDraft(name="One", zone="UTC", shifts=(EARLY,)), actor="test")
    await say(shop, (0, Meaning.EXECUTION, "ACTIVE"), (1800, Meaning.EXECUTION, "STOPPED"))
    clock.move(hours=2)
    assert await figures.close_shifts(shop) == 1
    assert await figures.close_shifts(shop) == 0
    [(first, elements)] = await figures.shift_history(shop, mill.id)
    assert (elements.apt_s, first.revision) == (1800, 0)
    await say(shop, (2700, Meaning.EXECUTION, "ACTIVE"))  # arrives after the shift was closed
    assert await figures.close_shifts(shop) == 1
    [(second, elements)] = await figures.shift_history(shop, mill.id)
    assert (elements.apt_s, second.revision) == (2700, 1)
    assert [one.tag for one in await shop.store.events(tag=Tag.FIGURES_CORRECTED)] == [Tag.FIGURES_CORRECTED]


async def test_the_plant_adds_elements_of_its_machines(shop, clock):
    await machine(shop)
    await a_shift(shop)
    clock.move(hours=1)
    whole, each = await figures.plant_periods(shop, *span(0, 2000))
    assert (len(each), whole.elements) == (1, each[0].elements)


async def test_a_stop_is_listed_and_its_reason_moves_its_time(shop, clock):
    mill = await machine(shop)
    await a_shift(shop)
    clock.move(hours=1)
    [stood] = (await stops.stops(shop, mill, *span(0, 2000))).longer
    assert (stood.seconds, stood.said, stood.is_open) == (600.0, None, False)
    told = await stops.explain(
        shop, MILL, (stood.start_us, stood.end_us), "maintenance", "oil", actor="acc-1", name="Ann"
    )
    found = await figures.machine_period(shop, mill, *span(0, 2000))
    assert (found.elements.planned_down_s, found.elements.pbt_s, found.elements.adet_s) == (600, 1200, 0)
    again = await stops.explain(shop, MILL, (stood.start_us, stood.end_us), "breakdown", "", actor="acc-1", name="Ann")
    assert (again.id, again.reason, again.by) == (told.id, "breakdown", "Ann")
    assert len(await shop.store.events(tag=Tag.STOP_EXPLAINED)) == 2


@pytest.mark.parametrize(("reason", "at", "fault"), [("laziness", (0, 2000), BadInput), ("break", (10, 20), NotFound)])
async def test_what_is_no_stop_cannot_be_explained(shop, clock, reason, at, fault):
    await machine(shop)
    await a_shift(shop)
    clock.move(hours=1)
    with pytest.raises(fault):
        await stops.explain(shop, MILL, span(*at), reason)


async def hot_rule(node, **changes):
    draft = rules.RuleDraft(name="Too hot", signal="signal-6", condition=Condition.ABOVE, limit=80.0)
    return await rules.make_rule(node, replace(draft, **changes), actor="ann")


async def watcher_of(node):
    watcher = alarms.Watcher(node)
    await watcher.refresh()
    return watcher


async def test_every_connected_machine_gets_its_two_alarms_once(shop):
    await machine(shop)
    assert await rules.ensure(shop) == 2
    held = await shop.store.find(AlarmRule)
    await rules.remove_rule(shop, held[0].id, actor="ann")
    assert await rules.ensure(shop) == 0
    assert len(await shop.store.find(AlarmRule)) == 1


async def test_a_value_beyond_its_limit_raises_and_a_person_acknowledges(shop):
    await machine(shop)
    rule = await hot_rule(shop)
    watcher = await watcher_of(shop)
    shop.live.update(batch((0, Meaning.TEMPERATURE, 90.0)))
    assert await watcher.look() >= 1
    raised = await shop.store.get(Alarm, rules.alarm_id(rule))
    assert (raised.state, raised.value) == (AlarmState.UNACKNOWLEDGED, "90 °C")
    seen = await alarms.acknowledge(shop, raised.id, actor="acc-1", name="Ann")
    assert (seen.state, seen.acknowledged_by) == (AlarmState.ACKNOWLEDGED, "Ann")
    shop.live.update(batch((9, Meaning.TEMPERATURE, 20.0)))
    await watcher.look()  # meets what Ann wrote, reads it, and looks again
    await watcher.look()
    assert (await shop.store.get(Alarm, raised.id)).state is AlarmState.NORMAL
    said = [one.tag for one in await shop.store.events(subject=raised.id)]
    assert said == [Tag.ALARM_RAISED, Tag.ALARM_ACKNOWLEDGED, Tag.ALARM_RETURNED]


async def test_a_shelved_alarm_needs_a_reason_and_an_end_and_returns_by_itself(shop, clock):
    """portal 23: who, when, why and until are in the audit trail."""
    await machine(shop)
    rule = await hot_rule(shop)
    watcher = await watcher_of(shop)
    shop.live.update(batch((0, Meaning.TEMPERATURE, 90.0)))
    await watcher.look()
    identifier = rules.alarm_id(rule)
    for wrong in (
        {"hours": 1, "reason": " "},
        {"hours": 0, "reason": "sensor"},
        {"hours": 25, "reason": "sensor"},
        {"hours": math.nan, "reason": "sensor"},
    ):
        with pytest.raises(BadInput):
            await alarms.shelve(shop, identifier, actor="acc-1", **wrong)
    await alarms.shelve(shop, identifier, hours=2, reason="sensor is being changed", actor="acc-1", name="Ann")
    clock.move(hours=1, minutes=59)
    await watcher.refresh()
    await watcher.look()
    assert (await shop.store.get(Alarm, identifier)).state is AlarmState.SHELVED
    clock.move(minutes=2)
    await watcher.look()
    assert (await shop.store.get(Alarm, identifier)).state is AlarmState.UNACKNOWLEDGED
    [event] = await shop.store.events(tag=Tag.ALARM_SHELVED)
    assert (event.actor, event.detail["reason"]) == ("acc-1", "sensor is being changed")
    assert len(await shop.store.events(tag=Tag.ALARM_UNSHELVED)) == 1


async def test_a_lost_machine_raises_one_alarm_and_none_of_its_signals(shop, monkeypatch):
    await machine(shop)
    await hot_rule(shop)
    shop.live.update(batch((0, Meaning.TEMPERATURE, 20.0), (0, Meaning.EXECUTION, "ACTIVE")))
    watcher = await watcher_of(shop)
    await watcher.look()
    shop.live.mark_lost([number for number, _ in NAMES.values()], to_us(START) + 60 * S)
    now = anyio.current_time()
    monkeypatch.setattr(anyio, "current_time", lambda: now + 0.0)
    await watcher.look()
    monkeypatch.setattr(anyio, "current_time", lambda: now + 11.0)
    await watcher.look()
    [lost] = [one for one in await shop.store.find(Alarm) if one.is_active]
    assert (await shop.store.get(AlarmRule, lost.rule)).name == "No connection"


async def test_an_alarm_out_of_service_comes_back_only_by_hand(shop):
    await machine(shop)
    rule = await hot_rule(shop)
    watcher = await watcher_of(shop)
    shop.live.update(batch((0, Meaning.TEMPERATURE, 90.0)))
    await watcher.look()
    identifier = rules.alarm_id(rule)
    await alarms.withdraw(shop, identifier, reason="sensor broken", actor="acc-1")
    await watcher.refresh()
    assert await watcher.look() == 0
    with pytest.raises(WrongState):
        await alarms.unshelve(shop, identifier, actor="acc-1")
    assert (await alarms.reinstate(shop, identifier, actor="acc-1")).state is AlarmState.UNACKNOWLEDGED


async def test_the_watch_sees_rules_made_and_readings_come_while_it_runs(shop):
    await machine(shop)
    async with at_work(alarms.work, shop):
        rule = await hot_rule(shop)
        shop.live.update(batch((0, Meaning.TEMPERATURE, 90.0)))
        identifier = rules.alarm_id(rule)

        async def state():
            held = await shop.store.peek(Alarm, identifier)
            return held.state if held else None

        await eventually(state, lambda found: found is AlarmState.UNACKNOWLEDGED)
        shop.live.update(batch((9, Meaning.TEMPERATURE, 20.0)))
        await eventually(state, lambda found: found is AlarmState.RETURNED)


async def test_a_flood_is_grouped_by_machine_and_counted(shop):
    await machine(shop)
    for turn in range(12):
        await hot_rule(shop, name=f"Hot {turn}", limit=60.0 + turn)
    shop.live.update(batch((0, Meaning.TEMPERATURE, 90.0)))
    watcher = await watcher_of(shop)
    await watcher.look()
    groups, hidden = await alarms.present(shop)
    assert ([len(one.alarms) for one in groups], hidden) == ([12], [])
    shop_burden = await alarms.load(replace_clock(shop))
    assert shop_burden.last_ten_minutes == 12
    assert shop_burden.is_flood


def replace_clock(node):
    """Give a node the clock its event chain is written by."""
    return with_parts(node, clock=now)


SENSELESS = (
    {"name": " "},
    {"limit": math.nan},
    {"deadband": -1.0},
    {"signal": "signal-1"},
    {"on_delay_s": 1e9},
    {"condition": Condition.STATE},
    {"signal": "", "resource": MILL},
)


async def test_a_rule_that_makes_no_sense_is_refused(shop):
    await machine(shop)
    for changes in SENSELESS:
        with pytest.raises(BadInput):
            await hot_rule(shop, **changes)


async def hours(node, count=48, extra=0.0):
    """Use 2 kWh an hour and 0.5 kWh a part, with another number of parts each hour."""
    rows, used, made = [(0, Meaning.ENERGY, 0.0), (0, Meaning.PART_COUNT, 0.0)], 0.0, 0
    for hour in range(1, count + 1):
        parts_made = 5 + 7 * hour % 11
        made += parts_made
        used += 2 + 0.5 * parts_made + extra
        rows += [(3600 * hour, Meaning.ENERGY, used), (3600 * hour, Meaning.PART_COUNT, float(made))]
    await say(node, *rows)


async def test_a_baseline_is_frozen_in_versions_and_held_against_the_present(shop, clock):
    """machines 42: residual and CUSUM of a period are reproducible from the frozen baseline."""
    mill = await machine(shop)
    await hours(shop)
    clock.move(days=3)
    draft = drafts.BaselineDraft(name="By parts", resource=MILL, start=START, end=START + timedelta(hours=24))
    first, learnt = await energy.freeze_baseline(shop, draft, actor="ann")
    assert first.coefficients == pytest.approx((2, 0.5))
    assert (first.version, first.intervals, learnt.p_values[0] < 0.001) == (1, 24, True)
    held = await energy.hold_baseline(shop, first.id, *span(86400, 172800))
    assert held.residuals.cusum[-1] == pytest.approx(0, abs=1e-6)
    second, _ = await energy.freeze_baseline(shop, draft, actor="ann")
    assert [one.version for one in await energy.baselines(shop, mill.id)] == [2, 1]
    assert second.id != first.id


async def test_what_the_main_meter_saw_and_no_member_did_is_told(shop, clock):
    """machines 37: unaccounted = main meter − Σ members; an unconnected machine's share is inside it."""
    await machine(shop)
    main = Resource(
        id="resource-main", name="Main meter", kind=ResourceKind.INSTRUMENT, owner=shop.settings.organisation
    )
    meter = Signal(
        id="signal-90", number=90, resource=main.id, name="E", address="e", unit="MW.h", meaning=Meaning.ENERGY
    )
    await shop.store.commit(Change("test").put(main).put(replace(meter, unit="kW.h")))
    await calendars.set_unit(shop, main.id, drafts.UnitDraft(is_main_meter=True), actor="ann")
    await say(shop, (0, Meaning.ENERGY, 0.0), (7200, Meaning.ENERGY, 30.0))
    builder = BatchBuilder()
    builder.add(90, to_us(START), 500.0, GOOD)
    builder.add(90, to_us(START) + 7200 * S, 540.0, GOOD)
    await shop.historian.append(builder.take())
    clock.move(hours=3)
    found = await energy.plant_use(shop, *span(0, 7200), 3600 * S)
    assert (found.main_kwh, found.unaccounted_kwh, found.unaccounted_share) == (40.0, 10.0, 0.25)
    assert found.peak.power_kw == pytest.approx(20.0)


async def parts_made(node, cycle=20.0, start=0, count=60, warmth=40.0, first=0):
    rows = []
    for part in range(count + 1):
        at = start + cycle * part
        wobble = math.sin(first + part * 2.4)
        rows += [(at, Meaning.PART_COUNT, float(first + part)), (at, Meaning.TEMPERATURE, warmth + wobble)]
    await say(node, *rows)


async def test_a_chart_takes_one_value_per_part_and_freezes_its_limits(shop, clock):
    await machine(shop)
    await parts_made(shop)
    clock.move(hours=1)
    chart = await parts.make_chart(shop, drafts.ChartDraft(signal="signal-6", lower=30, upper=50), actor="ann")
    shown = await parts.show_chart(shop, chart, *span(0, 1201))
    assert (len(shown.series.values), shown.drawn.phase) == (59, 1)
    assert shown.capability.cpk.value > 1
    frozen = await parts.freeze_chart(shop, chart.id, *span(0, 1201), actor="ann")
    await parts_made(shop, start=1220, count=20, warmth=52.0, first=61)
    later = await parts.show_chart(shop, frozen, *span(1200, 1620))
    assert later.drawn.phase == 2
    assert next(one.rule for one in later.broken) == "we-1"


async def test_a_change_is_compared_per_part_with_what_was_held_equal(shop, clock):
    await machine(shop)
    await say(shop, (0, Meaning.PROGRAM, "O1001"))
    await parts_made(shop, cycle=20.0)
    await parts_made(shop, cycle=18.0, start=1218, first=61)
    clock.move(hours=1)
    draft = drafts.ChangeDraft(
        name="New feed",
        resource=MILL,
        start=START,
        change_at=START + timedelta(seconds=1201),
        end=START + timedelta(minutes=40),
    )
    found = await parts.compare_change(shop, draft, actor="ann")
    assert found.difference == pytest.approx(-2.0, abs=0.01)
    assert found.interval[1] <= found.difference + 0.1
    assert found.held_equal == ("machine: Mill", "program: O1001")
    assert found.counts == (59, 61)


async def test_a_figure_that_is_none_cannot_be_compared(shop, clock):
    await machine(shop)
    clock.move(hours=1)
    draft = drafts.ChangeDraft(
        name="x",
        resource=MILL,
        figure="beauty",
        start=START,
        change_at=START + timedelta(minutes=1),
        end=START + timedelta(minutes=9),
    )
    with pytest.raises(NotFound, match="beauty"):
        await parts.compare_change(shop, draft, actor="ann")


async def test_a_signal_that_leaves_its_normal_is_ranked_with_since_when(shop, clock):
    mill = await machine(shop)
    rows = [(0, Meaning.EXECUTION, "ACTIVE")]
    rows += [(60 * minute, Meaning.TEMPERATURE, 40 + math.sin(minute)) for minute in range(600)]
    rows += [(60 * minute, Meaning.POWER, 5 + 0.1 * math.sin(3 * minute)) for minute in range(660)]
    rows += [(60 * minute, Meaning.TEMPERATURE, 55.0) for minute in range(630, 660)]
    rows += [(60 * minute, Meaning.TEMPERATURE, 40 + math.sin(minute)) for minute in range(600, 630)]
    await say(shop, *rows)
    clock.move(minutes=660)
    assert await unusual.learn_normals(shop) == 2
    assert {one.id for one in await shop.store.find(Normal)} == {"signal-4", "signal-6"}
    [(signal, told)] = await unusual.unusual(shop, mill)
    assert (signal.id, told.state, told.since_us) == ("signal-6", "ACTIVE", to_us(START) + 630 * 60 * S)
    assert told.score > 6


async def test_a_saved_view_is_its_owner_s_and_may_be_shared(shop):
    view = await calendars.save_view(shop, "Night shift", "/signals?last=8h", owner="acc-1", is_shared=False)
    assert await calendars.views_of(shop, "acc-2") == []
    shared = await calendars.save_view(shop, "Coolant", "/signals?last=1h", owner="acc-1", is_shared=True)
    assert [one.id for one in await calendars.views_of(shop, "acc-2")] == [shared.id]
    with pytest.raises(Refused):
        await calendars.remove_view(shop, view.id, owner="acc-2")
    for address in ("https://elsewhere.example/", "//elsewhere.example", "signals"):
        with pytest.raises(BadInput):
            await calendars.save_view(shop, "x", address, owner="acc-1", is_shared=False)
