"""The API for people who run a plant: figures, stops, alarms, energy, charts, changes, calendars, saved views."""

from typing import Any

import msgspec
from starlette.requests import Request

from interwork.core.clock import from_us, to_us
from interwork.core.errors import BadInput, InterworkError
from interwork.core.operating import Alarm, AlarmRule, Comparison, ShiftCalendar, SpcChart
from interwork.core.resource import Resource
from interwork.flows.operate import alarms, calendars, drafts, energy, figures, parts, rules, stops, unusual
from interwork.flows.operate.figures import Period as Figures
from interwork.flows.operate.inputs import machines, unit_of
from interwork.web.access import Visitor, node_of
from interwork.web.api.reading import Entry, body_of, limit_of
from interwork.web.period import period_of, step_of


class ViewDraft(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """An address to keep under a name."""

    name: str
    address: str
    is_shared: bool = False


class ReasonDraft(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """Why something is done."""

    reason: str


def figures_json(found: Figures) -> dict[str, Any]:
    """Write figures with everything they rest on."""
    return {
        "name": found.name,
        "resource": found.resource.id if found.resource else "",
        "start": from_us(found.span[0]),
        "end": from_us(found.span[1]),
        "figures": found.figures,
        "elements": found.elements,
        "losses": found.losses,
        "seconds": found.seconds,
        "energy_by_state": found.energy_by_state,
        "planned_item_from": found.cycle_source,
    }


async def _resource(request: Request) -> Resource:
    return await node_of(request).store.get(Resource, request.path_params["id"])


async def _plant(request: Request, _visitor: Visitor) -> Any:  # noqa: ANN401 - any JSON
    period = period_of(request)
    whole, each = await figures.plant_periods(node_of(request), period.start_us, period.end_us)
    return {"plant": figures_json(whole), "machines": [figures_json(one) for one in each]}


async def _figures(request: Request, _visitor: Visitor) -> Any:  # noqa: ANN401
    period = period_of(request)
    return figures_json(
        await figures.machine_period(node_of(request), await _resource(request), period.start_us, period.end_us)
    )


async def _shifts(request: Request, _visitor: Visitor) -> Any:  # noqa: ANN401
    history = await figures.shift_history(node_of(request), (await _resource(request)).id, limit=limit_of(request))
    return {"shifts": [shift for shift, _ in history]}


async def _stops(request: Request, _visitor: Visitor) -> Any:  # noqa: ANN401
    period = period_of(request)
    found = await stops.stops(node_of(request), await _resource(request), period.start_us, period.end_us)
    longer = [
        {"start": from_us(one.start_us), "end": from_us(one.end_us), "seconds": one.seconds, "states": one.states,
         "is_open": one.is_open, "said": one.said}
        for one in found.longer
    ]  # fmt: skip
    return {"stops": longer, "short": found.short, "short_s": found.short_s}


async def _explain(request: Request, visitor: Visitor) -> Any:  # noqa: ANN401
    draft = await body_of(request, drafts.StopDraft)
    span = (to_us(draft.start), to_us(draft.end))
    resource = await _resource(request)
    return await stops.explain(
        node_of(request), resource.id, span, draft.reason, draft.note, actor=visitor.id, name=visitor.name
    )


async def _unit(request: Request, _visitor: Visitor) -> Any:  # noqa: ANN401
    return await unit_of(node_of(request), (await _resource(request)).id)


async def _set_unit(request: Request, visitor: Visitor) -> Any:  # noqa: ANN401
    draft = await body_of(request, drafts.UnitDraft)
    return await calendars.set_unit(node_of(request), request.path_params["id"], draft, actor=visitor.id)


async def _unusual(request: Request, _visitor: Visitor) -> Any:  # noqa: ANN401
    found = await unusual.plant_unusual(node_of(request), most=limit_of(request))
    return {
        "unusual": [
            {**msgspec.to_builtins(told), "resource": resource.id, "resource_name": resource.name, "signal": signal.id,
             "name": signal.name, "unit": signal.unit, "since": from_us(told.since_us)}
            for resource, signal, told in found
        ]
    }  # fmt: skip


async def _learn(request: Request, _visitor: Visitor) -> Any:  # noqa: ANN401
    return {"signals": await unusual.learn_normals(node_of(request))}


async def _alarms(request: Request, _visitor: Visitor) -> Any:  # noqa: ANN401
    groups, hidden = await alarms.present(node_of(request))
    return {"groups": groups, "hidden": hidden, "burden": await alarms.load(node_of(request))}


async def _journal(request: Request, _visitor: Visitor) -> Any:  # noqa: ANN401
    store, identifier = node_of(request).store, request.path_params["id"]
    await store.get(Alarm, identifier)
    return {"events": await store.events(subject=identifier, limit=limit_of(request), newest=True)}


async def _act(request: Request, visitor: Visitor) -> Any:  # noqa: ANN401
    node, identifier, act = node_of(request), request.path_params["id"], request.path_params["act"]
    if act == "acknowledge":
        said = await body_of(request, drafts.CommentDraft)
        return await alarms.acknowledge(node, identifier, actor=visitor.id, name=visitor.name, comment=said.comment)
    if act == "shelve":
        shelf = await body_of(request, drafts.ShelfDraft)
        return await alarms.shelve(
            node, identifier, hours=shelf.hours, reason=shelf.reason, actor=visitor.id, name=visitor.name
        )
    if act == "unshelve":
        return await alarms.unshelve(node, identifier, actor=visitor.id)
    if act == "withdraw":
        why = await body_of(request, ReasonDraft)
        return await alarms.withdraw(node, identifier, reason=why.reason, actor=visitor.id)
    if act == "reinstate":
        return await alarms.reinstate(node, identifier, actor=visitor.id)
    raise BadInput(
        f"{act[:30]!r} is nothing that is done to an alarm.",
        remedy="Use acknowledge, shelve, unshelve, withdraw or reinstate.",
    )


async def _rules(request: Request, _visitor: Visitor) -> Any:  # noqa: ANN401
    return {"rules": await node_of(request).store.find(AlarmRule, limit=limit_of(request))}


async def _make_rule(request: Request, visitor: Visitor) -> Any:  # noqa: ANN401
    draft = await body_of(request, rules.RuleDraft)
    return await rules.make_rule(
        node_of(request), draft, actor=visitor.id, identifier=request.path_params.get("id", "")
    )  # fmt: skip


async def _remove_rule(request: Request, visitor: Visitor) -> Any:  # noqa: ANN401
    await rules.remove_rule(node_of(request), request.path_params["id"], actor=visitor.id)
    return {"removed": request.path_params["id"]}


async def _calendars(request: Request, _visitor: Visitor) -> Any:  # noqa: ANN401
    return {"calendars": await node_of(request).store.find(ShiftCalendar, limit=limit_of(request))}


async def _make_calendar(request: Request, visitor: Visitor) -> Any:  # noqa: ANN401
    draft = await body_of(request, drafts.CalendarDraft)
    return await calendars.make_calendar(node_of(request), draft, actor=visitor.id)


async def _energy(request: Request, _visitor: Visitor) -> Any:  # noqa: ANN401
    period = period_of(request, default="24h")
    step = step_of(request, period)
    return await energy.plant_use(node_of(request), period.start_us, period.end_us, step * 1_000_000)


async def _baselines(request: Request, _visitor: Visitor) -> Any:  # noqa: ANN401
    found = await energy.baselines(node_of(request), request.query_params.get("resource", ""))
    return {"baselines": [energy.as_formula(one) for one in found]}


async def _freeze_baseline(request: Request, visitor: Visitor) -> Any:  # noqa: ANN401
    draft = await body_of(request, drafts.BaselineDraft)
    made, learnt = await energy.freeze_baseline(node_of(request), draft, actor=visitor.id)
    return {**energy.as_formula(made), "p_values": learnt.p_values}


async def _hold_baseline(request: Request, _visitor: Visitor) -> Any:  # noqa: ANN401
    period = period_of(request, default="24h")
    return await energy.hold_baseline(
        node_of(request), request.path_params["id"], period.start_us, period.end_us
    )  # fmt: skip


async def _charts(request: Request, _visitor: Visitor) -> Any:  # noqa: ANN401
    return {"charts": await node_of(request).store.find(SpcChart, limit=limit_of(request))}


async def _make_chart(request: Request, visitor: Visitor) -> Any:  # noqa: ANN401
    return await parts.make_chart(node_of(request), await body_of(request, drafts.ChartDraft), actor=visitor.id)


async def _chart(request: Request, _visitor: Visitor) -> Any:  # noqa: ANN401
    node, period = node_of(request), period_of(request)
    chart = await node.store.get(SpcChart, request.path_params["id"])
    return await parts.show_chart(node, chart, period.start_us, period.end_us)


async def _freeze_chart(request: Request, visitor: Visitor) -> Any:  # noqa: ANN401
    period = period_of(request)
    return await parts.freeze_chart(
        node_of(request), request.path_params["id"], period.start_us, period.end_us, actor=visitor.id
    )


async def _comparisons(request: Request, _visitor: Visitor) -> Any:  # noqa: ANN401
    return {"comparisons": await node_of(request).store.find(Comparison, limit=limit_of(request), newest=True)}


async def _compare(request: Request, visitor: Visitor) -> Any:  # noqa: ANN401
    return await parts.compare_change(node_of(request), await body_of(request, drafts.ChangeDraft), actor=visitor.id)


async def _views(request: Request, visitor: Visitor) -> Any:  # noqa: ANN401
    return {"views": await calendars.views_of(node_of(request), visitor.id)}


async def _save_view(request: Request, visitor: Visitor) -> Any:  # noqa: ANN401
    draft = await body_of(request, ViewDraft)
    return await calendars.save_view(
        node_of(request), draft.name, draft.address, owner=visitor.id, is_shared=draft.is_shared
    )


async def _safe(request: Request, _visitor: Visitor) -> Any:  # noqa: ANN401
    """Tell each machine's main figures, and for a machine that cannot be computed why."""
    period, node = period_of(request), node_of(request)
    told: list[dict[str, Any]] = []
    for resource in await machines(node):
        found = await figures.safely(node, resource, period.start_us, period.end_us)
        facts = {"fault": str(found)} if isinstance(found, InterworkError) else {"figures": found.figures}
        told.append({"resource": resource.id, "name": resource.name, **facts})
    return {"machines": told}


ROUTES: tuple[Entry, ...] = (
    # method, path, act of access.MAY, handler
    ("GET", "/plant", "read", _plant),
    ("GET", "/plant/machines", "read", _safe),
    ("GET", "/machines/{id}/figures", "read", _figures),
    ("GET", "/machines/{id}/shifts", "read", _shifts),
    ("GET", "/machines/{id}/stops", "read", _stops),
    ("POST", "/machines/{id}/stops", "operate", _explain),
    ("GET", "/machines/{id}/unit", "read", _unit),
    ("POST", "/machines/{id}/unit", "operate", _set_unit),
    ("GET", "/unusual", "read", _unusual),
    ("POST", "/unusual/learn", "operate", _learn),
    ("GET", "/alarms", "read", _alarms),
    ("GET", "/alarms/{id}/journal", "read", _journal),
    ("POST", "/alarms/{id}/{act}", "operate", _act),
    ("GET", "/alarm-rules", "read", _rules),
    ("POST", "/alarm-rules", "operate", _make_rule),
    ("POST", "/alarm-rules/{id}", "operate", _make_rule),
    ("POST", "/alarm-rules/{id}/remove", "operate", _remove_rule),
    ("GET", "/calendars", "read", _calendars),
    ("POST", "/calendars", "operate", _make_calendar),
    ("GET", "/energy", "read", _energy),
    ("GET", "/baselines", "read", _baselines),
    ("POST", "/baselines", "operate", _freeze_baseline),
    ("GET", "/baselines/{id}", "read", _hold_baseline),
    ("GET", "/charts", "read", _charts),
    ("POST", "/charts", "operate", _make_chart),
    ("GET", "/charts/{id}", "read", _chart),
    ("POST", "/charts/{id}/freeze", "operate", _freeze_chart),
    ("GET", "/comparisons", "read", _comparisons),
    ("POST", "/comparisons", "operate", _compare),
    ("GET", "/views", "read", _views),
    ("POST", "/views", "read", _save_view),
)
