"""Energy and water: use per interval, peaks, night flow, baselines frozen and held against the present."""

from collections.abc import Sequence
from dataclasses import dataclass

import msgspec
import numpy as np

from interwork.core.clock import from_us, to_us
from interwork.core.errors import BadInput
from interwork.core.event import Tag
from interwork.core.ids import derived_id
from interwork.core.operating import Baseline
from interwork.core.resource import Meaning, Resource, Signal
from interwork.flows.node import Node
from interwork.flows.operate.drafts import BaselineDraft
from interwork.flows.operate.inputs import Inputs, gather, machines, span_of, unit_of
from interwork.store import Change
from interwork.stream.columns import Ints
from interwork.stream.insight import Fit, Residuals, fit, hold_against
from interwork.stream.insight.facts import ACTIVE, Floats, Span, within
from interwork.stream.insight.resources import (
    QUARTER_US,
    Peak,
    grid,
    night_minimum,
    power_factor,
    quarter_peak,
    step_means,
    step_uses,
    unaccounted,
)

STEPS_MAX = 20_000
METERED = (Meaning.ENERGY, Meaning.POWER, Meaning.WATER, Meaning.PART_COUNT)


@dataclass(frozen=True, slots=True, kw_only=True)
class Used:
    """What one machine used, interval by interval; NaN where it is not known."""

    resource: Resource
    borders: tuple[int, ...]
    energy_kwh: tuple[float, ...]
    water_l: tuple[float, ...]
    quarters_kwh: tuple[float, ...]
    """Energy of each whole quarter hour, for the peak."""
    peak: Peak | None
    night_l_h: float | None
    factor: float | None
    """Power factor over the period, where reactive energy is metered."""


@dataclass(frozen=True, slots=True, kw_only=True)
class PlantUse:
    """What the plant used, and what no member's meter accounts for."""

    each: tuple[Used, ...]
    borders: tuple[int, ...]
    energy_kwh: tuple[float, ...]
    """Of all members; unknown ones count nothing."""
    peak: Peak | None
    main_kwh: float | None
    """What the main meter saw; None where no machine is the main meter."""
    unaccounted_kwh: float | None
    unaccounted_share: float | None


async def used(node: Node, resource: Resource, span: Span, step_us: int) -> Used:
    """Tell one machine's energy and water per interval."""
    if (span[1] - span[0]) / step_us > STEPS_MAX:
        raise BadInput(f"More than {STEPS_MAX} intervals are asked for.", remedy="Ask for longer intervals.")
    inputs = await gather(node, resource, span, METERED)
    borders = grid(span, step_us)
    quarters = grid(span, QUARTER_US)
    power = _energy(inputs, quarters) / resource.time_scale  # as if its clock ran like ours: a peak is a real kW
    water = inputs.batch(Meaning.WATER)
    flow = step_uses(water, borders) * inputs.factor(Meaning.WATER, "L") if water is not None else borders[1:] * np.nan
    zone = inputs.calendar.zone if inputs.calendar else "UTC"
    return Used(
        resource=resource,
        borders=tuple(borders.tolist()),
        energy_kwh=tuple(_energy(inputs, borders).tolist()),
        water_l=tuple(flow.tolist()),
        quarters_kwh=tuple(power.tolist()),
        peak=quarter_peak(power.tolist(), quarters.tolist()),
        night_l_h=night_minimum(flow.tolist(), borders.tolist(), zone) if water is not None else None,
        factor=_factor(inputs),
    )


def _energy(inputs: Inputs, edges: Ints) -> Floats:
    """Take energy per interval: from the counter where there is one, else from the power."""
    counter, power = inputs.batch(Meaning.ENERGY), inputs.batch(Meaning.POWER)
    if counter is not None and len(counter) > 1:
        return step_uses(counter, edges) * inputs.factor(Meaning.ENERGY, "kW.h")
    if power is None:
        return np.full(max(0, len(edges) - 1), np.nan)
    hours = np.diff(edges) / 3.6e9 * inputs.resource.time_scale
    return step_means(power, edges) * inputs.factor(Meaning.POWER, "kW") * hours


def _factor(inputs: Inputs) -> float | None:
    """Tell the power factor where a signal's unit says that it meters reactive energy."""
    reactive = next((one for one in inputs.signals if one.unit in ("kVAr.h", "kvar.h", "VAr.h")), None)
    batch = inputs.columns.get(reactive.number) if reactive else None
    if batch is None:
        return None
    edges = np.array(inputs.span, np.int64)
    active, other = float(np.nansum(_energy(inputs, edges))), float(np.nansum(step_uses(batch, edges)))
    return power_factor(active, other)


async def plant_use(node: Node, start_us: int, end_us: int, step_us: int) -> PlantUse:
    """Tell what the plant used per interval, the peak of all members together, and what is unaccounted for."""
    span = span_of(start_us, end_us, to_us(node.clock()))
    mains: list[Used] = []
    each: list[Used] = []
    for resource in await machines(node):
        one = await used(node, resource, span, step_us)
        (mains if (await unit_of(node, resource.id)).is_main_meter else each).append(one)
    borders, quarters = grid(span, step_us), grid(span, QUARTER_US)
    total = _sum([one.energy_kwh for one in (mains or each)], len(borders) - 1)
    main = float(np.nansum(total)) if mains else None
    members = [float(np.nansum(one.energy_kwh)) for one in each]
    rest, share = unaccounted(main, members)
    return PlantUse(
        each=tuple(each),
        borders=tuple(borders.tolist()),
        energy_kwh=tuple(total.tolist()),
        peak=quarter_peak(
            _sum([one.quarters_kwh for one in (mains or each)], len(quarters) - 1).tolist(), quarters.tolist()
        ),
        main_kwh=main,
        unaccounted_kwh=rest,
        unaccounted_share=share,
    )


def _sum(columns: Sequence[Sequence[float]], rows: int) -> Floats:
    if not columns or rows < 1:
        return np.full(max(0, rows), np.nan)
    table = np.array(columns, np.float64)
    return np.where(np.isfinite(table).any(axis=0), np.nansum(table, axis=0), np.nan)


async def freeze_baseline(node: Node, draft: BaselineDraft, *, actor: str) -> tuple[Baseline, Fit]:
    """Learn a baseline from the past and freeze it; of the same name it is a new version, the old ones stay."""
    if not draft.name.strip() or draft.quantity not in ("energy", "water") or not 60 <= draft.step_s <= 604_800:
        raise BadInput(
            "A baseline needs a name, a quantity and an interval.",
            remedy="Name it, choose energy or water, and an interval from a minute to a week.",
        )
    resource = await node.store.get(Resource, draft.resource)
    span = span_of(to_us(draft.start), to_us(draft.end), to_us(node.clock()))
    use, drivers = await _series(node, resource, draft, span)
    learnt = fit(use.tolist(), {name: column.tolist() for name, column in zip(draft.drivers, drivers, strict=True)})
    earlier = await node.store.find(Baseline, resource=resource.id, name=draft.name.strip(), limit=1000)
    version = max((one.version for one in earlier), default=0) + 1
    made = Baseline(
        id=derived_id("baseline", resource.id, draft.name.strip(), str(version)),
        name=draft.name.strip(),
        resource=resource.id,
        quantity=draft.quantity,
        unit="kW.h" if draft.quantity == "energy" else "L",
        version=version,
        drivers=draft.drivers,
        coefficients=learnt.coefficients,
        ranges=learnt.ranges,
        step_s=draft.step_s,
        intervals=learnt.intervals,
        r2=learnt.r2,
        sigma=learnt.sigma,
        start=from_us(span[0]),
        end=from_us(span[1]),
        by=actor,
        at=node.clock(),
    )
    detail = {"name": made.name, "version": version, "r2": learnt.r2, "resource": resource.id}
    await node.store.commit(Change(actor).put(made).event(Tag.BASELINE_FROZEN, made.id, **detail))
    return made, learnt


@dataclass(frozen=True, slots=True, kw_only=True)
class Held:
    """A period held against a baseline."""

    baseline: Baseline
    borders: tuple[int, ...]
    actual: tuple[float, ...]
    residuals: Residuals


async def hold_baseline(node: Node, identifier: str, start_us: int, end_us: int) -> Held:
    """Hold a machine's use of a period against a frozen baseline."""
    baseline = await node.store.get(Baseline, identifier)
    resource = await node.store.get(Resource, baseline.resource)
    span = span_of(start_us, end_us, to_us(node.clock()))
    use, drivers = await _series(node, resource, baseline, span)
    return Held(
        baseline=baseline,
        borders=tuple(grid(span, int(baseline.step_s * 1e6)).tolist()),
        actual=tuple(use.tolist()),
        residuals=hold_against(baseline, use.tolist(), [column.tolist() for column in drivers]),
    )


async def _series(
    node: Node, resource: Resource, asked: BaselineDraft | Baseline, span: Span
) -> tuple[Floats, list[Floats]]:
    """Read a use and its drivers per interval."""
    quantity, drivers, borders = asked.quantity, asked.drivers, grid(span, int(asked.step_s * 1e6))
    if not 2 <= len(borders) <= STEPS_MAX:
        raise BadInput(f"The period has {max(0, len(borders) - 1)} intervals.", remedy=f"Take 1 to {STEPS_MAX}.")
    named = [one for one in drivers if one not in ("parts", "active")]
    extra = [await node.store.get(Signal, one) for one in named]
    inputs = await gather(node, resource, span, METERED, extra)
    water = inputs.batch(Meaning.WATER)
    if quantity == "energy":
        use = _energy(inputs, borders)
    elif water is not None:
        use = step_uses(water, borders) * inputs.factor(Meaning.WATER, "L")
    else:
        raise BadInput(f"{resource.name} meters no water.", remedy="Connect a signal that means water.")
    signals = dict(zip(named, extra, strict=True))
    return use, [_driver(inputs, name, signals.get(name), borders) for name in drivers]


def _driver(inputs: Inputs, name: str, signal: Signal | None, edges: Ints) -> Floats:
    if signal is not None:
        batch = inputs.columns.get(signal.number)
        return step_means(batch, edges) if batch is not None else np.full(len(edges) - 1, np.nan)
    if name == "parts":
        counts = inputs.batch(Meaning.PART_COUNT)
        return step_uses(counts, edges) if counts is not None else np.full(len(edges) - 1, np.nan)
    active = [one for one in inputs.states if one.state == ACTIVE]
    spans = zip(edges[:-1].tolist(), edges[1:].tolist(), strict=True)
    return np.array([sum(part.seconds for part in within(active, [span])) for span in spans], np.float64)


async def baselines(node: Node, resource_id: str = "") -> list[Baseline]:
    """List baselines, the newest version of each name first."""
    found = await (
        node.store.find(Baseline, resource=resource_id, limit=1000)
        if resource_id
        else node.store.find(Baseline, limit=1000)
    )
    return sorted(found, key=lambda one: (one.resource, one.name, -one.version))


def as_formula(baseline: Baseline) -> dict[str, object]:
    """Write a baseline as a formula people can check: each driver with its coefficient and valid range."""
    return {
        **msgspec.to_builtins(baseline),
        "formula": f"{baseline.coefficients[0]:.6g}"
        + "".join(
            f" + {factor:.6g} × {name}"
            for name, factor in zip(baseline.drivers, baseline.coefficients[1:], strict=True)
        ),
    }
