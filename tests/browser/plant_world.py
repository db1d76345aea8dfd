"""A plant for the tests of operators' pages: a lathe with eight hours of history, alarms, charts, a wall of signals.

Test data, made up: it stands in nobody's data folder and is written by nothing but the tests.
"""

import math
from datetime import timedelta

from interwork.core.clock import now, to_us
from interwork.core.making import Run, RunState
from interwork.core.operating import Alarm, Condition, Priority
from interwork.core.resource import GOOD, BatchBuilder, Meaning, Resource, ResourceKind, Signal
from interwork.flows.operate import alarms, calendars, drafts, energy, parts, rules, stops, unusual
from interwork.store import Change

LATHE, WALL = "resource-lathe00000", "resource-wall000000"
EXECUTION, PARTS, ENERGY, POWER, COOLANT, WATER, LOAD = range(1001, 1008)
SIGNALS = (
    (EXECUTION, "Execution", "", Meaning.EXECUTION), (PARTS, "Parts", "1", Meaning.PART_COUNT),
    (ENERGY, "Energy", "kW.h", Meaning.ENERGY), (POWER, "Power", "kW", Meaning.POWER),
    (COOLANT, "Coolant", "Cel", Meaning.TEMPERATURE), (WATER, "Water", "L", Meaning.WATER),
    (LOAD, "Spindle load", "%", Meaning.SPINDLE_LOAD),
)  # fmt: skip
WALL_FIRST, WALL_MANY = 5000, 500
CYCLE_S = 60
HOURS = 8


async def furnish(node):
    """Put a plant into a node."""
    end = now().replace(microsecond=0)
    start = end - timedelta(hours=HOURS)
    change = Change("test")
    for identifier, name in ((LATHE, "Lathe 2"), (WALL, "Press line")):
        change.put(Resource(
            id=identifier, name=name, kind=ResourceKind.MACHINE, owner=node.settings.organisation,
            endpoint="opc.tcp://localhost:4841", maker="Test", model="L2",
        ))  # fmt: skip
    for number, name, unit, meaning in SIGNALS:
        change.put(signal_of(number, LATHE, name, unit, meaning))
    for number in range(WALL_FIRST, WALL_FIRST + WALL_MANY):
        change.put(signal_of(number, WALL, f"Tag {number - WALL_FIRST:03}", "bar", Meaning.OTHER))
    change.put(Run(
        id="run-lathe00000000", order="order-test0000", assignment="a", operation_name="Turn the shaft",
        process="turning", resource=LATHE, quantity=400, state=RunState.COMPLETED, unit_s=50.0, started_at=start,
        ended_at=end - timedelta(minutes=30), good=330, scrap=12,
    ))  # fmt: skip
    await node.store.commit(change)
    await node.historian.append(history(start))
    await _operate(node, start, end)


def signal_of(number, resource, name, unit, meaning):
    return Signal(
        id=f"signal-{number:08}", number=number, resource=resource, name=name, address=f"ns=2;s={name}", unit=unit,
        meaning=meaning, is_text=meaning is Meaning.EXECUTION,
    )  # fmt: skip


def is_standing(second):
    """Tell when the lathe stands: a break, a tool change, a fault, and a little between orders."""
    hour = second / 3600
    return 2.0 <= hour < 2.5 or 3.7 <= hour < 3.85 or 5.2 <= hour < 5.45 or 6.9 <= hour < 6.95


def history(start):
    """Make eight hours of the lathe's minutes."""
    builder, made, used, water, state = BatchBuilder(), 0, 500.0, 80.0, ""
    for second in range(0, HOURS * 3600, CYCLE_S // 2):
        at = to_us(start + timedelta(seconds=second))
        stands = is_standing(second)
        said = "FAULT" if stands and 5.2 <= second / 3600 < 5.45 else "STOPPED" if stands else "ACTIVE"
        if said != state:
            state = said
            builder.add(EXECUTION, at, said, GOOD)
        power = 1.1 if stands else 6.0 + 1.2 * math.sin(second / 400)
        used += power * CYCLE_S / 2 / 3600
        water += 0.0 if stands else 0.35
        if not stands and second % CYCLE_S == 0:
            made += 1
            builder.add(PARTS, at, float(made), GOOD)
        late = second > (HOURS - 0.4) * 3600
        builder.add(ENERGY, at, round(used, 3), GOOD)
        builder.add(POWER, at, round(power, 3), GOOD)
        builder.add(WATER, at, round(water, 2), GOOD)
        builder.add(COOLANT, at, 24 + math.sin(second / 900) + (9 if late else 0), GOOD)
        builder.add(LOAD, at, 0.0 if stands else 45 + 6 * math.sin(second / 300), GOOD)
    return builder.take()


async def _operate(node, start, end):
    """Do what operators do in a shift."""
    lathe = await node.store.get(Resource, LATHE)
    hours = tuple(
        drafts.ShiftDraft(name=name, start=one, end=other, days=tuple(range(7)))
        for name, one, other in (
            ("Early", "06:00", "14:00"),
            ("Late", "14:00", "22:00"),
            ("Night", "22:00", "06:00"),
        )
    )
    calendar = drafts.CalendarDraft(name="Three shifts", zone="America/Detroit", shifts=hours, resources=(LATHE,))
    await calendars.make_calendar(node, calendar, actor="test")
    await calendars.set_unit(node, LATHE, drafts.UnitDraft(input_kg=1.4, product_kg=0.9), actor="test")
    found = (await stops.stops(node, lathe, to_us(start), to_us(end))).longer
    await stops.explain(node, LATHE, (found[-1].start_us, found[-1].end_us), "break", "", actor="test", name="Ann")
    draft = rules.RuleDraft(
        name="Coolant too warm", signal=f"signal-{COOLANT:08}", condition=Condition.ABOVE, limit=30.0, deadband=1.0,
        priority=Priority.HIGH, consequence="Parts grow and leave their tolerance.",
        action="Clean the cooler's filter.",
    )  # fmt: skip
    await rules.make_rule(node, draft, actor="test")
    low = rules.RuleDraft(
        name="Load high", signal=f"signal-{LOAD:08}", condition=Condition.ABOVE, limit=40.0, priority=Priority.LOW
    )
    shelved = await rules.make_rule(node, low, actor="test")
    node.live.update(now_batch(end))
    watcher = alarms.Watcher(node)
    await watcher.refresh()
    await watcher.look()
    held = {one.rule: one for one in await node.store.find(Alarm)}
    await alarms.shelve(
        node, held[shelved.id].id, hours=2, reason="Known: dull insert, changed at noon", actor="test", name="Ann"
    )
    await unusual.learn_normals(node)
    chart = drafts.ChartDraft(
        name="Power per part", signal=f"signal-{POWER:08}", lower=4.0, upper=8.0, rules=("we-1", "we-4", "nelson-3")
    )
    await parts.make_chart(node, chart, actor="test")
    baseline = drafts.BaselineDraft(
        name="By parts", resource=LATHE, start=start, end=end - timedelta(hours=3), step_s=900.0, drivers=("parts",)
    )
    await energy.freeze_baseline(node, baseline, actor="test")
    change = drafts.ChangeDraft(
        name="New insert", resource=LATHE, figure="energy-per-part", start=start,
        change_at=start + timedelta(hours=4), end=end,
    )  # fmt: skip
    await parts.compare_change(node, change, actor="test")


def now_batch(at, values=()):
    """Make what the lathe says at a moment, and what the wall's signals say where values are given."""
    builder = BatchBuilder()
    stamp = to_us(at)
    builder.add(EXECUTION, stamp, "ACTIVE", GOOD)
    for number, value in ((PARTS, 450.0), (ENERGY, 541.2), (POWER, 6.2), (COOLANT, 33.4), (WATER, 401.0), (LOAD, 47.0)):
        builder.add(number, stamp, value, GOOD)
    for index, value in enumerate(values):
        builder.add(WALL_FIRST + index, stamp, value, GOOD)
    return builder.take()
