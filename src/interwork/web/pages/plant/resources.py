"""Energy and resources: what was used when and in which state, peaks, baselines, and what no meter accounts for."""

import math
from dataclasses import dataclass
from datetime import datetime

from starlette.requests import Request
from starlette.responses import RedirectResponse, Response

from interwork.core.clock import from_us
from interwork.core.errors import BadInput, InterworkError
from interwork.core.operating import Baseline
from interwork.core.resource import Blueprint, Resource
from interwork.flows.node import Node
from interwork.flows.operate import drafts, energy, figures
from interwork.web.access import MAY, node_of, require
from interwork.web.pages.plant.drawing import Bar, Line, columns, level, line, nice_range
from interwork.web.pages.plant.overview import RANGES
from interwork.web.period import Period, period_of, step_of
from interwork.web.render import render


@dataclass(frozen=True, slots=True, kw_only=True)
class Against:
    """A baseline held against the period: two lines and the running sum of what was over."""

    held: energy.Held
    name: str
    actual: Line
    expected: Line
    cusum: Line
    zero: float
    top: float
    rows: tuple[tuple[datetime, float | None, float | None, float | None], ...]
    """Interval, actual, expected, CUSUM."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Resources:
    """What the page shows."""

    period: Period
    step_s: int
    use: energy.PlantUse
    bars: tuple[Bar, ...]
    top: float
    whole: figures.Period
    each: tuple[figures.Period, ...]
    against: tuple[Against, ...]
    fault: str
    connected_kw: float
    unconnected_kw: float
    rows: tuple[tuple[datetime, float], ...]


async def index(request: Request) -> Response:
    """Show energy and resources."""
    await require(request, *MAY["read"])
    node, period = node_of(request), period_of(request, default="24h")
    step = step_of(request, period, most=120)
    use = await energy.plant_use(node, period.start_us, period.end_us, step * 1_000_000)
    whole, each = await figures.plant_periods(node, period.start_us, period.end_us)
    known = [one for one in use.energy_kwh if math.isfinite(one)]
    top = max(known, default=0.0) * 1.05
    against, fault = await _against(node, period)
    blueprints = await node.store.find(Blueprint, limit=10_000)
    view = Resources(
        period=period,
        step_s=step,
        use=use,
        bars=tuple(columns(use.energy_kwh, top)),
        top=top,
        whole=whole,
        each=tuple(each),
        against=tuple(against),
        fault=fault,
        connected_kw=sum(one.rated_power_kw for one in blueprints if one.is_connected),
        unconnected_kw=sum(one.rated_power_kw for one in blueprints if not one.is_connected),
        rows=tuple(
            (from_us(at), used)
            for at, used in zip(use.borders[:-1], use.energy_kwh, strict=True)
            if math.isfinite(used)
        ),
    )
    return await render(request, "plant/resources.html", view=view, ranges=RANGES)


async def _against(node: Node, period: Period) -> tuple[list[Against], str]:
    """Hold the newest version of every baseline against the period; what cannot be held is told."""
    found: list[Against] = []
    seen: set[tuple[str, str]] = set()
    fault = ""
    for baseline in await energy.baselines(node):
        if (baseline.resource, baseline.name) in seen:
            continue
        seen.add((baseline.resource, baseline.name))
        try:
            found.append(await _drawn(node, baseline, period))
        except InterworkError as said:
            fault = str(said)
    return found, fault


async def _drawn(node: Node, baseline: Baseline, period: Period) -> Against:
    held = await energy.hold_baseline(node, baseline.id, period.start_us, period.end_us)
    times = [float(at) for at in held.borders[:-1]]
    span = (float(held.borders[0]), float(held.borders[-1]))
    actual = [one if math.isfinite(one) else None for one in held.actual]
    should, running = held.residuals.expected, held.residuals.cusum
    box, sums = nice_range([*actual, *should], from_zero=True), nice_range([*running, 0.0])
    resource = await node.store.get(Resource, baseline.resource)
    return Against(
        held=held,
        name=resource.name,
        actual=line(times, actual, span, box),
        expected=line(times, should, span, box),
        cusum=line(times, running, span, sums),
        zero=level(0.0, sums),
        top=box[1],
        rows=tuple(
            (from_us(int(at)), one, other, total)
            for at, one, other, total in zip(times, actual, should, running, strict=True)
        ),
    )


async def freeze(request: Request) -> Response:
    """Freeze a baseline learnt from the period shown."""
    visitor = await require(request, *MAY["operate"])
    period = period_of(request, default="24h")
    raw = await request.form()
    form = {name: value.strip() for name, value in raw.items() if isinstance(value, str)}
    step = form.get("step", "3600")
    if not step.isdecimal() or len(step) > 7:
        raise BadInput(f"step={step[:20]!r} is no interval.", remedy="Give whole seconds.")
    draft = drafts.BaselineDraft(
        name=form.get("name", ""),
        resource=form.get("resource", ""),
        quantity=form.get("quantity", "energy"),
        start=period.start,
        end=period.end,
        step_s=float(step),
        drivers=tuple(str(one) for one in raw.getlist("driver")) or ("parts",),
    )
    await energy.freeze_baseline(node_of(request), draft, actor=visitor.id)
    query = f"?{request.url.query}" if request.url.query else ""
    return RedirectResponse(f"/energy{query}#baselines", status_code=303)
