"""Control charts: one point per part or subgroup, its limits, what broke the rules, and how capable the process is."""

from dataclasses import dataclass
from datetime import datetime

from starlette.requests import Request
from starlette.responses import RedirectResponse, Response

from interwork.core.clock import from_us
from interwork.core.errors import BadInput, InterworkError
from interwork.core.operating import SpcChart
from interwork.core.resource import Resource, Signal
from interwork.flows.operate import drafts, parts
from interwork.flows.operate.inputs import machines
from interwork.flows.operate.parts import Charted
from interwork.stream.insight import NELSON, WESTERN_ELECTRIC, Run
from interwork.stream.insight.charts import GROUPED, SINGLE, Trace
from interwork.web.access import MAY, node_of, require
from interwork.web.pages.plant.drawing import Dot, Line, level, line, nice_range
from interwork.web.pages.plant.overview import RANGES
from interwork.web.period import Period, period_of
from interwork.web.render import render

TABLE_MAX = 200


@dataclass(frozen=True, slots=True, kw_only=True)
class Drawn:
    """One line of a chart, drawn."""

    name: str
    path: Line
    upper: Line
    lower: Line
    centre: float
    dots: tuple[Dot, ...]
    box: tuple[float, float]
    specification: tuple[float, ...]
    """Where the specification limits stand, in percent from above."""


@dataclass(frozen=True, slots=True, kw_only=True)
class View:
    """One chart with its process."""

    shown: Charted
    resource: Resource
    source: str
    lines: tuple[Drawn, ...]
    period: Period
    rows: tuple[tuple[datetime, float, str], ...]


async def index(request: Request) -> Response:
    """List the charts, and make new ones."""
    await require(request, *MAY["read"])
    node, period = node_of(request), period_of(request)
    found: list[tuple[SpcChart, Charted | None, str]] = []
    for chart in await node.store.find(SpcChart, limit=100, newest=True):
        try:
            found.append((chart, await parts.show_chart(node, chart, period.start_us, period.end_us), ""))
        except InterworkError as fault:
            found.append((chart, None, str(fault)))
    own = await machines(node)
    signals = await node.store.find(Signal, resource=[one.id for one in own], limit=5000) if own else []
    names = {one.id: one for one in own}
    measured = {one.id: sorted(await parts.characteristics(node, one.id)) for one in own}
    return await render(
        request, "plant/charts.html", charts=found, period=period, ranges=RANGES, names=names,
        signals=[one for one in signals if not one.is_text], measured=measured,
        kinds=(*SINGLE, *GROUPED), rules=(*WESTERN_ELECTRIC, *NELSON),
    )  # fmt: skip


async def show(request: Request) -> Response:
    """Show one chart."""
    await require(request, *MAY["read"])
    node, period = node_of(request), period_of(request)
    chart = await node.store.get(SpcChart, request.path_params["id"])
    shown = await parts.show_chart(node, chart, period.start_us, period.end_us)
    signal = await node.store.peek(Signal, chart.signal) if chart.signal else None
    view = View(
        shown=shown,
        resource=await node.store.get(Resource, chart.resource),
        source=signal.name if signal else chart.characteristic,
        lines=tuple(_lines(shown)),
        period=period,
        rows=tuple(_rows(shown)),
    )
    return await render(request, "plant/chart.html", view=view, ranges=RANGES)


def _rows(shown: Charted) -> list[tuple[datetime, float, str]]:
    """List the newest points with the rules each broke."""
    if shown.drawn is None:
        return []
    size = shown.chart.subgroup
    points = shown.drawn.location.points
    times = shown.series.times_us[size - 1 :: size][: len(points)]
    rows = [
        (from_us(at), point, _broken(index, shown.broken))
        for index, (at, point) in enumerate(zip(times, points, strict=False))
    ]
    return list(reversed(rows[-TABLE_MAX:]))


def _broken(index: int, broken: tuple[Run, ...]) -> str:
    return ", ".join(one.rule for one in broken if one.at <= index <= one.last)


def _lines(shown: Charted) -> list[Drawn]:
    if shown.drawn is None:
        return []
    chart = shown.chart
    limits = [one for one in (chart.lower, chart.upper) if one is not None] if chart.kind == "i-mr" else []
    made = [_draw(shown.drawn.location, shown.broken, limits)]
    if shown.drawn.spread is not None:
        made.append(_draw(shown.drawn.spread, (), []))
    return made


def _draw(trace: Trace, broken: tuple[Run, ...], limits: list[float]) -> Drawn:
    box = nice_range([*trace.points, *trace.lower, *trace.upper, *limits])
    count = max(1, len(trace.points) - 1)
    times, span = [float(at) for at in range(len(trace.points))], (0.0, float(count))
    dots = [
        Dot(
            x=round(100 * index / count, 2),
            y=level(point, box),
            tone="out" if (rules := _broken(index, broken)) else "",
            title=rules,
        )
        for index, point in enumerate(trace.points)
    ]
    return Drawn(
        name=trace.name,
        path=line(times, trace.points, span, box),
        upper=line(times, trace.upper, span, box),
        lower=line(times, trace.lower, span, box),
        centre=level(trace.centre[0], box) if trace.centre else 50.0,
        dots=tuple(dots),
        box=box,
        specification=tuple(level(one, box) for one in limits),
    )


async def make(request: Request) -> Response:
    """Make a chart from what was typed into the form."""
    visitor = await require(request, *MAY["operate"])
    raw = await request.form()
    form = {name: value.strip() for name, value in raw.items() if isinstance(value, str)}
    source = form.get("source", "")
    kind, _, rest = source.partition(":")
    resource, _, name = rest.partition(":")
    draft = drafts.ChartDraft(
        name=form.get("name", "")[:200],
        resource=resource if kind == "measured" else "",
        signal=rest if kind == "signal" else "",
        characteristic=name if kind == "measured" else "",
        statistic=form.get("statistic", "mean"),
        kind=form.get("kind", "i-mr"),
        subgroup=int(form["subgroup"]) if form.get("subgroup", "").isdecimal() and len(form["subgroup"]) < 4 else 1,
        rules=tuple(str(one) for one in raw.getlist("rule")),
        lower=_limit(form, "lower"),
        upper=_limit(form, "upper"),
    )
    chart = await parts.make_chart(node_of(request), draft, actor=visitor.id)
    return RedirectResponse(f"/charts/{chart.id}", status_code=303)


async def freeze(request: Request) -> Response:
    """Freeze a chart's limits at what the period shown gives."""
    visitor = await require(request, *MAY["operate"])
    period, identifier = period_of(request), request.path_params["id"]
    await parts.freeze_chart(node_of(request), identifier, period.start_us, period.end_us, actor=visitor.id)
    query = f"?{request.url.query}" if request.url.query else ""
    return RedirectResponse(f"/charts/{identifier}{query}", status_code=303)


def _limit(form: dict[str, str], name: str) -> float | None:
    text = form.get(name, "").replace(",", ".")
    try:
        return float(text) if text else None
    except ValueError as fault:
        raise BadInput(f"{name} is {text[:20]!r}, which is no number.", remedy="Write it as 12.5.") from fault
