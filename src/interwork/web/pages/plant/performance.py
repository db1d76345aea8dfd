"""How one machine ran: states, figures with what they rest on, losses, stops with their reasons, changes compared."""

from dataclasses import dataclass

from starlette.requests import Request
from starlette.responses import RedirectResponse, Response

from interwork.core.clock import parse_moment
from interwork.core.errors import BadInput, InterworkError
from interwork.core.operating import (
    REASONS,
    Alarm,
    AlarmRule,
    AlarmState,
    Baseline,
    Comparison,
    ShiftFigures,
    SpcChart,
    WorkUnit,
)
from interwork.core.resource import Resource, Signal
from interwork.flows.operate import calendars, drafts, figures, parts, stops, unusual
from interwork.flows.operate.inputs import calendar_of, gather, unit_of
from interwork.stream.insight import Unusual, oee
from interwork.stream.insight.alarming import SEEN
from interwork.web.access import MAY, node_of, require
from interwork.web.pages.plant.drawing import Bar, timeline, waterfall
from interwork.web.pages.plant.overview import HEAD, RANGES
from interwork.web.period import Period, period_of
from interwork.web.render import render

SHIFTS_MAX, CHANGES_MAX = 14, 10
STOPS_FIRST, STOPS_MOST = 10, 200
"""Stops shown at once, and those behind a summary."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Performance:
    """What the page shows."""

    resource: Resource
    period: Period
    found: figures.Period
    bars: tuple[Bar, ...]
    losses: tuple[Bar, ...]
    stops: stops.Stops
    unusual: tuple[tuple[Signal, Unusual], ...]
    shifts: tuple[tuple[ShiftFigures, float | None], ...]
    unit: WorkUnit
    calendar: str
    alarms: tuple[Alarm, ...]
    rules: dict[str, AlarmRule]
    comparisons: tuple[Comparison, ...]
    baselines: tuple[Baseline, ...]
    charts: tuple[SpcChart, ...]
    signals: tuple[Signal, ...]
    """The numbers a change can be judged by."""


async def show(request: Request) -> Response:
    """Show how a machine ran over a period."""
    await require(request, *MAY["read"])
    node, period = node_of(request), period_of(request)
    resource = await node.store.get(Resource, request.path_params["id"])
    found = await figures.machine_period(node, resource, period.start_us, period.end_us)
    inputs = await gather(node, resource, found.span, ())
    unit = await unit_of(node, resource.id)
    calendar = await calendar_of(node, unit)
    history = await figures.shift_history(node, resource.id, limit=SHIFTS_MAX)
    view = Performance(
        resource=resource,
        period=period,
        found=found,
        bars=tuple(timeline(inputs.states, found.span, time_scale=resource.time_scale)),
        losses=tuple(waterfall(found.losses)),
        stops=await stops.stops(node, resource, period.start_us, period.end_us),
        unusual=tuple(await _unusual(request, resource)),
        shifts=tuple((shift, oee(elements)) for shift, elements in history),
        unit=unit,
        calendar=calendar.name if calendar else "",
        alarms=tuple(
            one
            for one in await node.store.find(Alarm, resource=resource.id, limit=1000)
            if one.state in SEEN and one.state is not AlarmState.NORMAL
        ),
        rules={one.id: one for one in await node.store.find(AlarmRule, resource=resource.id, limit=1000)},
        comparisons=tuple(await node.store.find(Comparison, resource=resource.id, limit=CHANGES_MAX, newest=True)),
        baselines=tuple(await node.store.find(Baseline, resource=resource.id, limit=50)),
        charts=tuple(await node.store.find(SpcChart, resource=resource.id, limit=50)),
        signals=tuple(one for one in inputs.signals if not one.is_text),
    )
    return await render(
        request, "plant/performance.html", view=view, ranges=RANGES, head=HEAD, reasons=list(REASONS),
        stops_first=STOPS_FIRST, stops_most=STOPS_MOST,
    )  # fmt: skip


async def _unusual(request: Request, resource: Resource) -> list[tuple[Signal, Unusual]]:
    try:
        return await unusual.unusual(node_of(request), resource)
    except InterworkError:  # too much history to look through: the page goes on without it
        return []


async def act(request: Request) -> Response:
    """Take what a person typed: why it stood, how it is to be judged, or a change to compare."""
    visitor = await require(request, *MAY["operate"])
    node, resource = node_of(request), request.path_params["id"]
    form = {name: value.strip() for name, value in (await request.form()).items() if isinstance(value, str)}
    act = form.get("act", "")
    if act == "stop":
        at = (_whole(form, "start"), _whole(form, "end"))
        await stops.explain(
            node, resource, at, form.get("reason", ""), form.get("note", ""), actor=visitor.id, name=visitor.name
        )
    elif act == "unit":
        draft = drafts.UnitDraft(
            planned_item_s=_number(form, "planned_item_s"),
            input_kg=_number(form, "input_kg"),
            product_kg=_number(form, "product_kg"),
            is_main_meter=form.get("is_main_meter") == "yes",
        )
        await calendars.set_unit(node, resource, draft, actor=visitor.id)
    elif act == "compare":
        await parts.compare_change(node, _change(form, resource, period_of(request)), actor=visitor.id)
    else:
        raise BadInput(f"{act[:40]!r} is nothing this page does.", remedy="Use the buttons of the page.")
    anchor = {"stop": "stops", "unit": "unit", "compare": "changes"}[act]
    query = f"?{request.url.query}" if request.url.query else ""
    return RedirectResponse(f"/machines/{resource}/performance{query}#{anchor}", status_code=303)


def _change(form: dict[str, str], resource: str, period: Period) -> drafts.ChangeDraft:
    return drafts.ChangeDraft(
        name=form.get("name", "")[:200],
        resource=resource,
        figure=form.get("figure", "cycle-time"),
        start=period.start,
        change_at=parse_moment(form.get("change_at", "")),
        end=period.end,
    )


def _number(form: dict[str, str], name: str) -> float | None:
    text = form.get(name, "").replace(",", ".")
    if not text:
        return None
    try:
        return float(text)
    except ValueError as fault:
        raise BadInput(f"{name} is {text[:20]!r}, which is no number.", remedy="Write it as 12.5.") from fault


def _whole(form: dict[str, str], name: str) -> int:
    text = form.get(name, "")
    if not text.isdecimal() or len(text) > 18:
        raise BadInput(f"{name}={text[:20]!r} is no time.", remedy="Use the buttons of the page.")
    return int(text)
