"""Values per part: rational subgroups come from the part counter's steps, never from wall-clock time."""

from dataclasses import dataclass

import msgspec
import numpy as np

from interwork.core.clock import from_us, to_us
from interwork.core.errors import BadInput, NotFound
from interwork.core.event import Tag
from interwork.core.ids import new_id
from interwork.core.making import Inspection, Measurement, Run
from interwork.core.operating import Comparison, SpcChart
from interwork.core.resource import Meaning, Resource, Signal
from interwork.flows.node import Node
from interwork.flows.operate.drafts import ChangeDraft, ChartDraft
from interwork.flows.operate.inputs import Inputs, gather, span_of
from interwork.store import Change
from interwork.stream.insight import Capability, Chart, Limits, capability, compare, draw, runs
from interwork.stream.insight import Run as Broken
from interwork.stream.insight.comparison import independent
from interwork.stream.insight.facts import Span, counted_at, cycles, held
from interwork.stream.insight.rules import RULES

PARTS_MAX = 5000
DEPENDENT = 0.33
STATISTICS = ("mean", "high", "low", "last")


@dataclass(frozen=True, slots=True, kw_only=True)
class Series:
    """One value per part, in order of making."""

    unit: str
    values: tuple[float, ...]
    times_us: tuple[int, ...]
    """When each part was finished."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Charted:
    """A chart drawn from its parts, with what broke its rules and how capable the process is."""

    chart: SpcChart
    series: Series
    drawn: Chart | None
    """None while there are too few parts."""
    broken: tuple[Broken, ...]
    capability: Capability | None
    is_dependent: bool = False
    """Parts resemble the parts before them: limits from neighbours are then too narrow, and rules break too often."""


async def make_chart(node: Node, draft: ChartDraft, *, actor: str) -> SpcChart:
    """Record a control chart of a signal per part, or of a measured characteristic."""
    signal = await node.store.get(Signal, draft.signal) if draft.signal else None
    resource = await node.store.get(Resource, signal.resource if signal else draft.resource)
    if (signal is None) == (not draft.characteristic):
        raise BadInput("A chart shows either a signal or a characteristic.", remedy="Name one of them.")
    unknown = [one for one in draft.rules if one not in RULES]
    if unknown or draft.statistic not in STATISTICS:
        raise BadInput(f"{', '.join(unknown) or draft.statistic} is not known.", remedy=f"Use {', '.join(RULES)}.")
    if draft.lower is not None and draft.upper is not None and draft.lower >= draft.upper:
        raise BadInput("The lower specification limit is not below the upper one.")
    draw(draft.kind, [0.0, 1.0] * 26, draft.subgroup)  # refuses a kind or a size that cannot be drawn
    chart = SpcChart(
        id=new_id("chart"),
        name=draft.name.strip() or (signal.name if signal else draft.characteristic),
        resource=resource.id,
        signal=draft.signal,
        characteristic=draft.characteristic,
        statistic=draft.statistic,
        kind=draft.kind,
        subgroup=draft.subgroup,
        rules=draft.rules,
        lower=draft.lower,
        upper=draft.upper,
        by=actor,
        at=node.clock(),
    )
    change = Change(actor).put(chart)
    await node.store.commit(change.event(Tag.CHART_RECORDED, chart.id, name=chart.name, rules=chart.rules))
    return chart


async def show_chart(node: Node, chart: SpcChart, start_us: int, end_us: int) -> Charted:
    """Draw a chart over a period: phase II where its limits are frozen, else phase I."""
    series = await _series_of(node, chart, span_of(start_us, end_us, to_us(node.clock())))
    limits = None
    if chart.centre is not None and chart.sigma is not None:
        limits = Limits(centre=chart.centre, sigma=chart.sigma)
    if len(series.values) < 2 * chart.subgroup or len(series.values) < 2:
        return Charted(chart=chart, series=series, drawn=None, broken=(), capability=None)
    drawn = draw(chart.kind, series.values, chart.subgroup, limits)
    has_limits = chart.lower is not None or chart.upper is not None
    fit = capability(series.values, chart.lower, chart.upper, subgroup=chart.subgroup) if has_limits else None
    rules = chart.rules if chart.kind not in ("ewma", "cusum") else ("nelson-1",)  # their points are not independent
    return Charted(
        chart=chart,
        series=series,
        drawn=drawn,
        broken=tuple(runs(drawn.location.z, rules)),
        capability=fit,
        is_dependent=independent(series.values) < DEPENDENT * len(series.values),
    )


async def freeze_chart(node: Node, identifier: str, start_us: int, end_us: int, *, actor: str) -> SpcChart:
    """Freeze the limits learnt from a period (phase I); from then on new parts are held against them."""
    chart = await node.store.get(SpcChart, identifier)
    free = msgspec.structs.replace(chart, centre=None, sigma=None)
    shown = await show_chart(node, free, start_us, end_us)
    if shown.drawn is None or len(shown.series.values) < 20:
        raise BadInput(
            f"{len(shown.series.values)} parts are too few to freeze limits.", remedy="Choose a period of 20 or more."
        )
    limits = shown.drawn.limits
    frozen = msgspec.structs.replace(chart, centre=limits.centre, sigma=limits.sigma, frozen_at=node.clock())
    change = Change(actor).put(frozen, expect=chart)
    detail = {"centre": frozen.centre, "sigma": frozen.sigma, "parts": len(shown.series.values)}
    await node.store.commit(change.event(Tag.CHART_RECORDED, chart.id, name=chart.name, **detail))
    return frozen


async def _series_of(node: Node, chart: SpcChart, span: Span) -> Series:
    if chart.characteristic:
        return await _measured(node, chart, span)
    resource = await node.store.get(Resource, chart.resource)
    signal = await node.store.get(Signal, chart.signal)
    inputs = await gather(node, resource, span, (Meaning.PART_COUNT,), (signal,))
    return per_part(inputs, signal, chart.statistic)


async def _measured(node: Node, chart: SpcChart, span: Span) -> Series:
    made = await node.store.find(Run, resource=chart.resource, limit=1000, newest=True)
    found: list[tuple[int, int, float]] = []
    for inspection in await node.store.find(Inspection, run=[one.id for one in made], limit=1000) if made else []:
        at = to_us(inspection.at)
        if span[0] <= at < span[1]:
            found += [(at, one.part, one.actual_mm) for one in _of(inspection, chart.characteristic)]
    found = sorted(found)[-PARTS_MAX:]
    return Series(unit="mm", values=tuple(one[2] for one in found), times_us=tuple(one[0] for one in found))


def _of(inspection: Inspection, characteristic: str) -> list[Measurement]:
    return [one for one in inspection.measurements if one.characteristic == characteristic]


async def characteristics(node: Node, resource_id: str) -> dict[str, Measurement]:
    """List what was measured on a machine's parts, each with its newest measurement (for its limits)."""
    made = await node.store.find(Run, resource=resource_id, limit=200, newest=True)
    inspections = await node.store.find(Inspection, run=[one.id for one in made], limit=500) if made else []
    return {one.characteristic: one for inspection in inspections for one in inspection.measurements}


def per_part(inputs: Inputs, signal: Signal, statistic: str = "mean") -> Series:
    """Take one value of a signal for each part: over the time from one part's end to the next."""
    counts, batch = inputs.batch(Meaning.PART_COUNT), inputs.columns.get(signal.number)
    if counts is None or batch is None:
        return Series(unit=signal.unit, values=(), times_us=())
    values, times = [], []
    for start, end in cycles(counts, inputs.span)[-PARTS_MAX:]:
        border, value, is_known = held(batch, start, end)
        weight = np.where(is_known, np.diff(border), 0).astype(np.float64)
        if 2 * weight.sum() < end - start:
            continue  # less than half of the part's time is known
        seen = value[weight > 0]
        found = {
            "high": seen.max(),
            "low": seen.min(),
            "last": seen[-1],
            "mean": np.average(seen, weights=weight[weight > 0]),
        }
        values.append(float(found[statistic]))
        times.append(end)
    return Series(unit=signal.unit, values=tuple(values), times_us=tuple(times))


def cycle_times(inputs: Inputs) -> Series:
    """Take each part's cycle time, in seconds of the machine's own time."""
    counts = inputs.batch(Meaning.PART_COUNT)
    spans = cycles(counts, inputs.span)[-PARTS_MAX:] if counts is not None else []
    scale = inputs.resource.time_scale
    return Series(
        unit="s",
        values=tuple((end - start) / 1e6 * scale for start, end in spans),
        times_us=tuple(end for _, end in spans),
    )


def energies(inputs: Inputs) -> Series:
    """Take each part's energy, in kWh, from the energy counter."""
    counts, energy = inputs.batch(Meaning.PART_COUNT), inputs.batch(Meaning.ENERGY)
    if counts is None or energy is None:
        return Series(unit="kW.h", values=(), times_us=())
    spans = cycles(counts, inputs.span)[-PARTS_MAX:]
    edges = counted_at(energy, [edge for span in spans for edge in span]) * inputs.factor(Meaning.ENERGY, "kW.h")
    used = edges[1::2] - edges[::2]
    is_known = np.isfinite(used)
    ends = np.array([end for _, end in spans], np.int64)
    return Series(unit="kW.h", values=tuple(used[is_known].tolist()), times_us=tuple(ends[is_known].tolist()))


async def compare_change(node: Node, draft: ChangeDraft, *, actor: str) -> Comparison:
    """Compare a figure per part before and after a change, and record the answer with what was held equal."""
    resource = await node.store.get(Resource, draft.resource)
    change_us, now_us = to_us(draft.change_at), to_us(node.clock())
    span = span_of(to_us(draft.start), to_us(draft.end), now_us)
    if not span[0] < change_us < span[1]:
        raise BadInput("The change is not inside the period.", remedy="Choose a period around it.")
    signal = None if draft.figure in ("cycle-time", "energy-per-part") else await node.store.peek(Signal, draft.figure)
    if signal is None and draft.figure not in ("cycle-time", "energy-per-part"):
        raise NotFound(
            f"{draft.figure[:60]!r} is no figure.", remedy="Use cycle-time, energy-per-part or a signal's id."
        )
    extra = (signal,) if signal else ()
    inputs = await gather(node, resource, span, (Meaning.PART_COUNT, Meaning.ENERGY, Meaning.PROGRAM), extra)
    series = _figure(inputs, signal, draft.figure)
    before = [value for value, at in zip(series.values, series.times_us, strict=True) if at <= change_us]
    after = [value for value, at in zip(series.values, series.times_us, strict=True) if at > change_us]
    found = compare(before, after, confidence=draft.confidence)
    made = Comparison(
        id=new_id("comparison"),
        name=draft.name.strip(),
        resource=resource.id,
        figure=draft.figure,
        unit=series.unit,
        change_at=draft.change_at,
        before=(from_us(span[0]), draft.change_at),
        after=(draft.change_at, from_us(span[1])),
        counts=found.counts,
        means=found.means,
        difference=found.difference,
        interval=found.interval,
        confidence=found.confidence,
        method=found.method,
        held_equal=_held_equal(inputs, change_us),
        by=actor,
        at=node.clock(),
    )
    change = Change(actor).put(made)
    await node.store.commit(change.event(Tag.CHANGE_COMPARED, made.id, name=made.name, resource=resource.id))
    return made


def _figure(inputs: Inputs, signal: Signal | None, figure: str) -> Series:
    if signal is not None:
        return per_part(inputs, signal)
    return cycle_times(inputs) if figure == "cycle-time" else energies(inputs)


def _held_equal(inputs: Inputs, change_us: int) -> tuple[str, ...]:
    """Tell what was the same on both sides: the machine, its program and operation where they did not change."""
    found = [f"machine: {inputs.resource.name}"]
    for one in inputs.signals:
        batch = inputs.columns.get(one.number)
        if one.meaning is not Meaning.PROGRAM or batch is None:
            continue
        rows = list(zip(batch.time_us, batch.text or [None] * len(batch), strict=True))
        sides = [{text for at, text in rows if text and (at <= change_us) is is_before} for is_before in (True, False)]
        if len(sides[0]) == 1 and (sides[0] == sides[1] or not sides[1]):
            found.append(f"program: {next(iter(sides[0]))}")
    operations = {one.operation_name for one in inputs.runs}
    if len(operations) == 1:
        found.append(f"operation: {operations.pop()}")
    return tuple(found)
