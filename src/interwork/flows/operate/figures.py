"""The figures of a period: from readings, shifts, runs and what people said of stops, for one machine or the plant.

Nothing is kept but the elements of closed shifts, and those carry the historian's mark they were computed at: what
arrives late for a shift computes it anew, and the shift says so.
"""

import math
from dataclasses import dataclass
from datetime import datetime, timedelta

import msgspec

from interwork.core.clock import to_us
from interwork.core.errors import InterworkError
from interwork.core.event import Tag
from interwork.core.ids import derived_id
from interwork.core.making import RunState
from interwork.core.operating import REASONS, ShiftFigures, Stop, StopKind
from interwork.core.resource import Batch, Meaning, Resource, Signal
from interwork.flows.node import Node
from interwork.flows.operate.inputs import Inputs, calendar_of, gather, machines, span_of, unit_of
from interwork.store import Change
from interwork.stream import coverage
from interwork.stream.insight import (
    Elements,
    Figure,
    Uses,
    Worked,
    add_uses,
    added,
    figures_of,
    loss_tree,
    planned_spans,
    time_elements,
    with_quantities,
    worked,
)
from interwork.stream.insight.elements import Loss, in_real_time, quality_ratio, scaled
from interwork.stream.insight.facts import ACTIVE, Span, counted_at, seconds_of, unknown_s, use_by_state

READ = (Meaning.PART_COUNT, Meaning.POWER, Meaning.ENERGY, Meaning.WATER)
CLOSED_AFTER = timedelta(minutes=1)
"""A shift's figures are made so long after its end."""
KEEP_SHIFTS = timedelta(days=7)
"""How far back late readings still correct a closed shift."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Period:
    """One boundary over one period: elements, uses, and every figure from them."""

    name: str
    resource: Resource | None
    """None = the machines together."""
    span: Span
    elements: Elements
    uses: Uses
    figures: tuple[Figure, ...]
    losses: tuple[Loss, ...]
    seconds: dict[str, float]
    """Real seconds per execution state."""
    energy_by_state: dict[str, float]
    has_states: bool = True
    """False where no signal tells its execution state, so that nothing is known of its time."""
    cycle_source: str = ""
    """Where the planned time per item comes from: stated, runs, or empty where nobody told it."""

    def figure(self, name: str) -> Figure:
        """Find a figure by its name."""
        return next(one for one in self.figures if one.name == name)


async def machine_period(node: Node, resource: Resource, start_us: int, end_us: int) -> Period:
    """Compute one machine's figures over a period."""
    span = span_of(start_us, end_us, to_us(node.clock()))
    inputs = await gather(node, resource, span, READ)
    stops = await node.store.find(Stop, resource=resource.id, limit=2000, newest=True)
    explained = [((to_us(one.start), to_us(one.end)), REASONS.get(one.reason, StopKind.DELAY)) for one in stops]
    time = scaled(time_elements(inputs.states, planned_spans(inputs.calendar, span), explained), resource.time_scale)
    elements, source = _quantities(inputs, time)
    by_state = _energy_by_state(inputs)
    uses = _uses(inputs, elements, by_state)
    return Period(
        name=resource.name,
        resource=resource,
        span=span,
        elements=elements,
        uses=uses,
        figures=tuple(figures_of(elements, uses, span, resource.name)),
        losses=tuple(loss_tree(elements)),
        seconds=seconds_of(inputs.states),
        energy_by_state=by_state,
        has_states=inputs.signal(Meaning.EXECUTION) is not None,
        cycle_source=source,
    )


async def plant_periods(node: Node, start_us: int, end_us: int) -> tuple[Period, list[Period]]:
    """Compute the figures of every machine of this node, and of all together: elements added, never ratios averaged."""
    each = [await machine_period(node, one, start_us, end_us) for one in await machines(node)]
    return together(node.settings.name, each, span_of(start_us, end_us, to_us(node.clock()))), each


def together(name: str, each: list[Period], span: Span) -> Period:
    """Roll periods up by their elements, in real time; machines that never tell a state are not in the times."""
    told = [one for one in each if one.has_states]
    elements = added(in_real_time(one.elements, one.resource.time_scale if one.resource else 1.0) for one in told)
    uses = add_uses(one.uses for one in each)
    seconds: dict[str, float] = {}
    by_state: dict[str, float] = {}
    for one in each:
        for total, part in ((seconds, one.seconds), (by_state, one.energy_by_state)):
            for state, amount in part.items():
                total[state] = total.get(state, 0.0) + amount
    return Period(
        name=name,
        resource=None,
        span=span,
        elements=elements,
        uses=uses,
        figures=tuple(figures_of(elements, uses, span, name)),
        losses=tuple(loss_tree(elements)),
        seconds=seconds,
        energy_by_state=by_state,
    )


def _quantities(inputs: Inputs, time: Elements) -> tuple[Elements, str]:
    counts = inputs.batch(Meaning.PART_COUNT)
    ended = [one for one in inputs.runs if one.state is RunState.COMPLETED and one.ended_at]
    inside = [one for one in ended if one.ended_at and inputs.span[0] <= to_us(one.ended_at) < inputs.span[1]]
    good, judged = sum(one.good for one in inside), sum(one.good + one.scrap for one in inside)
    made = None if counts is None else _counted(inputs, counts)
    produced = float(judged) if made is None else made
    planned, source = inputs.unit.planned_item_s, "stated"
    if not planned:
        weight = sum(one.quantity for one in inputs.runs if one.unit_s)
        source = "runs" if weight else ""
        planned = sum(one.unit_s * one.quantity for one in inputs.runs) / weight if weight else 0.0
    told = min(float(judged), produced)
    held = with_quantities(time, planned_item_s=planned, produced=produced, good=min(float(good), told), judged=told)
    return held, source


def _counted(inputs: Inputs, counter: Batch) -> float | None:
    """Tell how far a counter went on within the period; None where it never said a number."""
    first, last = counted_at(counter, inputs.span, is_held=True).tolist()
    return float(last - first) if math.isfinite(last - first) else None


def _energy_by_state(inputs: Inputs) -> dict[str, float]:
    """Share the energy (kWh, in the machine's own time) among execution states."""
    counter, power = inputs.batch(Meaning.ENERGY), inputs.batch(Meaning.POWER)
    if counter is not None and len(counter) > 1:
        used, factor = use_by_state(inputs.states, counter, None), inputs.factor(Meaning.ENERGY, "kW.h")
    else:
        used = use_by_state(inputs.states, None, power)
        factor = inputs.factor(Meaning.POWER, "kW") * inputs.resource.time_scale
    return {state: amount * factor for state, amount in used.items()}


def _uses(inputs: Inputs, elements: Elements, by_state: dict[str, float]) -> Uses:
    counter, power, water = (inputs.batch(one) for one in (Meaning.ENERGY, Meaning.POWER, Meaning.WATER))
    meter = counter if counter is not None and len(counter) > 1 else power
    is_metered = meter is not None and bool(by_state)
    producing = by_state.get(ACTIVE, 0.0)
    idle = sum(by_state.values()) - producing - unknown_s(by_state)
    unit = inputs.unit
    has_mass = unit.input_kg > 0 and elements.produced > 0
    share = quality_ratio(elements)
    known_good = elements.produced * (1.0 if share is None else share)
    flow = None if water is None else _counted(inputs, water)
    return Uses(
        energy_kwh=sum(by_state.values()) if is_metered else None,
        idle_kwh=idle if is_metered else None,
        water_l=None if flow is None else flow * inputs.factor(Meaning.WATER, "L"),
        input_kg=unit.input_kg * elements.produced if has_mass else None,
        product_kg=unit.product_kg * known_good if has_mass else None,
        energy_coverage=coverage(meter, *inputs.span) if meter is not None and is_metered else 0.0,
        water_coverage=coverage(water, *inputs.span) if water is not None and flow is not None else 0.0,
    )


async def close_shifts(node: Node) -> int:
    """Make the figures of shifts that ended, and make those anew for which readings came late; count both."""
    made = 0
    for resource in await machines(node):
        calendar = await calendar_of(node, await unit_of(node, resource.id))
        if calendar is None:
            continue
        now = node.clock()
        for shift in worked(calendar, now - KEEP_SHIFTS, now - CLOSED_AFTER):
            if shift.end <= now - CLOSED_AFTER:
                made += await _close(node, resource, shift, now)
    return made


async def _close(node: Node, resource: Resource, shift: Worked, now: datetime) -> bool:
    identifier = derived_id("shift", resource.id, shift.start.isoformat())
    known = await node.store.peek(ShiftFigures, identifier)
    span = (to_us(shift.start), to_us(shift.end))
    signals = [one.number for one in await node.store.find(Signal, resource=resource.id, limit=5000)]
    if not signals:
        return False
    _, mark = await node.historian.after(0, signals, 0, 1, limit=1)  # nothing is that old: the answer is the mark
    late, _ = await node.historian.after(known.mark if known else 0, signals, *span, limit=1)
    if not len(late):
        return False
    period = await machine_period(node, resource, *span)
    figures = ShiftFigures(
        id=identifier,
        resource=resource.id,
        shift=shift.name,
        start=shift.start,
        end=shift.end,
        elements={name: getattr(period.elements, name) for name in Elements.__struct_fields__},
        energy_kwh=period.uses.energy_kwh,
        water_l=period.uses.water_l,
        coverage=period.figure("oee").coverage,
        mark=mark,
        revision=known.revision + 1 if known else 0,
        at=now,
    )
    change = Change().put(figures)
    if known is not None:
        change.event(Tag.FIGURES_CORRECTED, resource.id, shift=shift.name, start=shift.start, revision=figures.revision)
    await node.store.commit(change)
    return True


async def shift_history(node: Node, resource_id: str, *, limit: int = 60) -> list[tuple[ShiftFigures, Elements]]:
    """List a machine's closed shifts, the newest first, with their elements."""
    found = await node.store.find(ShiftFigures, resource=resource_id, limit=1000)
    found.sort(key=lambda one: one.start, reverse=True)
    return [(one, msgspec.convert(one.elements, Elements)) for one in found[:limit]]


async def safely(node: Node, resource: Resource, start_us: int, end_us: int) -> Period | InterworkError:
    """Compute one machine's figures, or tell why that cannot be done, so that one machine never hides the others."""
    try:
        return await machine_period(node, resource, start_us, end_us)
    except InterworkError as fault:
        return fault
