"""The API of the node itself, of jobs, plans, runs, agreements, readings and the programme."""

from typing import Any
from urllib.parse import quote

import msgspec
from starlette.requests import Request
from starlette.responses import Response

from interwork import __version__
from interwork.consortium import metrics
from interwork.core.clock import parse_moment, to_us
from interwork.core.errors import BadInput, Refused
from interwork.core.exchange import Agreement, CatalogEntry, Dataset, Receipt, Transfer
from interwork.core.ids import new_id
from interwork.core.making import Inspection, Job, Measurement, Order, Run, RunState
from interwork.core.planning import Plan
from interwork.core.resource import Resource, Signal
from interwork.design import prov, prov_o
from interwork.flows import fund_project, ingest, join, look, make_part, publish, trace
from interwork.flows.fulfil import perform, stop
from interwork.flows.make_part import replan
from interwork.flows.make_part.draw import take_awards
from interwork.flows.make_part.summary import summarise
from interwork.flows.rnd import across
from interwork.web.access import Visitor, node_of
from interwork.web.api.reading import DIGITS_MAX, LIST_MAX, Entry, body_of, limit_of


class JoinRequest(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """Which institute to join, and in what tier."""

    address: str
    tier: str


class Results(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """Inspection results as a person or a measuring machine enters them."""

    instrument: str
    measurements: tuple[Measurement, ...]
    is_simulated: bool = False


class Stopping(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """Why an order is stopped in the shop."""

    reason: str


class Sharing(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """Which node may see what led to a thing of the thread."""

    to: str
    name: str = ""


class Ending(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """Why an agreement is ended."""

    reason: str = "ended by its party"


async def _node(request: Request, _visitor: Visitor) -> Any:  # noqa: ANN401 - any JSON
    node = node_of(request)
    usage = await node.historian.usage()
    return {
        "name": node.settings.name,
        "did": node.did,
        "address": node.settings.root(),
        "roles": node.settings.roles,
        "version": __version__,
        "resources": await node.store.count(Resource),
        "signals": await node.store.count(Signal),
        "readings": usage.rows,
        "is_sample": node.settings.is_sample,
    }


async def _join(request: Request, _visitor: Visitor) -> Any:  # noqa: ANN401
    asked = await body_of(request, JoinRequest)
    return await join.join(node_of(request), asked.address, asked.tier)


async def _connect(request: Request, visitor: Visitor) -> Any:  # noqa: ANN401
    return await ingest.connect(node_of(request), await body_of(request, ingest.Connection), actor=visitor.id)


async def _publish(request: Request, _visitor: Visitor) -> Any:  # noqa: ANN401
    return await publish.publish_capacity(node_of(request))


async def _offers(request: Request, _visitor: Visitor) -> Any:  # noqa: ANN401
    found = await node_of(request).store.find(Dataset, is_withdrawn=False, limit=limit_of(request), newest=True)
    return {"offers": found}


async def _catalog(request: Request, _visitor: Visitor) -> Any:  # noqa: ANN401
    found = await node_of(request).store.find(CatalogEntry, is_gone=False, limit=limit_of(request), newest=True)
    return {"entries": found}


async def _withdraw(request: Request, visitor: Visitor) -> Any:  # noqa: ANN401
    return await node_of(request).federation.withdraw(request.path_params["id"], actor=visitor.id)


async def _submit(request: Request, visitor: Visitor) -> Any:  # noqa: ANN401
    query = request.query_params
    if not query.get("due"):
        raise BadInput("A job needs a due date.", where="due", remedy="Give one, as due=2026-12-24 or +10d.")
    try:
        quantity, tolerance = int(query.get("quantity", "1")), float(query.get("tolerance_mm", "0.1"))
        thickness = float(query["thickness_mm"]) if query.get("thickness_mm") else None
    except ValueError as fault:
        raise BadInput(f"A number is expected: {fault}.", where="quantity, tolerance_mm, thickness_mm") from fault
    asked = make_part.MakeRequest(
        material=query.get("material", ""),
        quantity=quantity,
        due=parse_moment(query["due"]),
        tolerance_mm=tolerance,
        thickness_mm=thickness,
        template=query.get("template", ""),
        project=query.get("project", ""),
        until=query.get("until", ""),
        key=query.get("key", ""),
    )
    content = await request.body()
    return await make_part.submit(node_of(request), content, query.get("name", "part"), asked, actor=visitor.id)


async def _jobs(request: Request, _visitor: Visitor) -> Any:  # noqa: ANN401
    return {"jobs": await node_of(request).store.find(Job, limit=limit_of(request), newest=True)}


async def _job(request: Request, _visitor: Visitor) -> Any:  # noqa: ANN401
    return await node_of(request).store.get(Job, request.path_params["id"])


async def _proceed(request: Request, visitor: Visitor) -> Any:  # noqa: ANN401
    return await make_part.proceed(node_of(request), request.path_params["id"], actor=visitor.id)


async def _summary(request: Request, _visitor: Visitor) -> Any:  # noqa: ANN401
    return await summarise(node_of(request), request.path_params["id"])


async def _plan(request: Request, _visitor: Visitor) -> Any:  # noqa: ANN401
    return await node_of(request).store.get(Plan, request.path_params["id"])


async def _reach(request: Request, _visitor: Visitor) -> Any:  # noqa: ANN401
    return await across.reach(node_of(request), request.path_params["id"])


async def _share(request: Request, _visitor: Visitor) -> Any:  # noqa: ANN401
    asked = await body_of(request, Sharing)
    return await across.share(node_of(request), request.path_params["id"], to=asked.to, name=asked.name)


async def _thread(request: Request, _visitor: Visitor) -> Any:  # noqa: ANN401
    store, query = node_of(request).store, request.query_params
    way = query.get("way", "backward")
    if way not in ("backward", "forward"):
        raise BadInput(f"way={way[:20]!r} is none.", remedy="Give backward or forward.")
    if "node" in query:
        shown = await trace.part(store, query["node"], forward=way == "forward")
    else:
        shown = await trace.newest(store)
    form = query.get("form", "")
    if form == "prov-o":
        content = msgspec.json.encode(prov_o(shown.nodes, shown.edges))
        return Response(content, media_type="application/ld+json")
    if form not in ("", "prov"):
        raise BadInput(f"form={form[:20]!r} is none.", remedy="Give prov (PROV-JSON) or prov-o (PROV-O as JSON-LD).")
    return prov(shown.nodes, shown.edges) if form else shown


async def _agreements(request: Request, _visitor: Visitor) -> Any:  # noqa: ANN401
    return {"agreements": await node_of(request).store.find(Agreement, limit=limit_of(request), newest=True)}


async def _agreement(request: Request, _visitor: Visitor) -> Any:  # noqa: ANN401
    store, identifier = node_of(request).store, request.path_params["id"]
    return {
        "agreement": await store.get(Agreement, identifier),
        "receipts": await store.find(Receipt, agreement=identifier, limit=LIST_MAX),
        "transfers": [
            msgspec.structs.replace(one, token="")
            for one in await store.find(Transfer, agreement=identifier, limit=100)
        ],
    }


async def _terminate(request: Request, visitor: Visitor) -> Any:  # noqa: ANN401
    asked = await body_of(request, Ending)
    return await node_of(request).federation.terminate(request.path_params["id"], reason=asked.reason, actor=visitor.id)


async def _runs(request: Request, _visitor: Visitor) -> Any:  # noqa: ANN401
    store = node_of(request).store
    wanted = request.query_params.get("state") or [state.value for state in RunState]
    if isinstance(wanted, str) and wanted not in set(RunState):
        raise BadInput(f"state={wanted[:20]!r} is no state of a run.", remedy=f"Use one of {', '.join(RunState)}.")
    runs = await store.find(Run, limit=limit_of(request), state=wanted)
    names = {one.id: one.name for one in await store.find(Resource, limit=10_000)}
    return {"runs": [{**msgspec.to_builtins(one), "resource_name": names.get(one.resource, "")} for one in runs]}


async def _start(request: Request, visitor: Visitor) -> Any:  # noqa: ANN401
    return await perform.start(node_of(request), request.path_params["id"], visitor.id)


async def _finish(request: Request, visitor: Visitor) -> Any:  # noqa: ANN401
    return await perform.finish(node_of(request), request.path_params["id"], visitor.id)


async def _inspect(request: Request, visitor: Visitor) -> Any:  # noqa: ANN401
    node, run_id = node_of(request), request.path_params["id"]
    results = await body_of(request, Results)
    inspection = Inspection(
        id=new_id("inspection"),
        run=run_id,
        inspector=visitor.name,
        instrument=results.instrument,
        at=node.clock(),
        measurements=results.measurements,
        is_simulated=results.is_simulated,
    )
    return await perform.inspect(node, run_id, inspection, visitor.id)


async def _resources(request: Request, _visitor: Visitor) -> Any:  # noqa: ANN401
    return {"resources": await node_of(request).store.find(Resource, limit=limit_of(request))}


async def _signals(request: Request, _visitor: Visitor) -> Any:  # noqa: ANN401
    node, wanted = node_of(request), request.query_params.get("resource")
    limit = limit_of(request)
    signals = await (
        node.store.find(Signal, limit=limit, resource=wanted) if wanted else node.store.find(Signal, limit=limit)
    )
    return {"signals": [{**msgspec.to_builtins(one), **await _last(request, one)} for one in signals]}


async def _last(request: Request, signal: Signal) -> dict[str, Any]:
    """Tell a signal's last reading, or which agreement's end keeps it from being seen."""
    node = node_of(request)
    try:
        await look.may_look(node, await node.store.get(Resource, signal.resource))
    except Refused as fault:
        return {"reading": None, "refused": str(fault)}
    return {"reading": node.live.value(signal.number)}


async def _series(request: Request, _visitor: Visitor) -> Any:  # noqa: ANN401
    node, query = node_of(request), request.query_params
    end = to_us(parse_moment(query["end"])) if "end" in query else to_us(node.clock())
    start = to_us(parse_moment(query["start"])) if "start" in query else end - 600_000_000
    return await look.series(node, request.path_params["id"], start, end)


async def _call(request: Request, _visitor: Visitor) -> Any:  # noqa: ANN401
    return await fund_project.open_call(node_of(request), await body_of(request, fund_project.CallDraft))


async def _award(request: Request, _visitor: Visitor) -> Any:  # noqa: ANN401
    return await fund_project.make_award(node_of(request), await body_of(request, fund_project.AwardDraft))


async def _take_awards(request: Request, _visitor: Visitor) -> Any:  # noqa: ANN401
    return {"projects": await take_awards(node_of(request))}


async def _cancel_job(request: Request, visitor: Visitor) -> Any:  # noqa: ANN401
    return await replan.give_up(node_of(request), request.path_params["id"], actor=visitor.id)


async def _stop_order(request: Request, visitor: Visitor) -> Any:  # noqa: ANN401
    asked = await body_of(request, Stopping)
    return await stop.stop(node_of(request), request.path_params["id"], asked.reason, visitor.id)


async def _orders(request: Request, _visitor: Visitor) -> Any:  # noqa: ANN401
    return {"orders": await node_of(request).store.find(Order, limit=limit_of(request), newest=True)}


async def _design(request: Request, _visitor: Visitor) -> Response:
    order, content = await perform.design_of(node_of(request), request.path_params["id"])
    name = quote(order.design_name or order.id, safe="")
    # It comes from another organisation: a file to keep, never a page of this node.
    headers = {"Content-Disposition": f"attachment; filename*=UTF-8''{name}", "ETag": f'"{order.design_digest}"'}
    return Response(content, media_type="application/octet-stream", headers=headers)


async def _events(request: Request, _visitor: Visitor) -> Any:  # noqa: ANN401
    after = request.query_params.get("after", "0")
    if not after.isdecimal() or len(after) > DIGITS_MAX:
        raise BadInput(f"after={after[:20]!r} is no sequence number.", remedy="Give a whole number.")
    return {"events": await node_of(request).store.events(after=int(after), limit=limit_of(request))}


async def _verify(request: Request, _visitor: Visitor) -> Any:  # noqa: ANN401
    return {"events": await node_of(request).store.verify()}


async def _report(request: Request, _visitor: Visitor) -> Any:  # noqa: ANN401
    return {"metrics": await metrics(node_of(request).store)}


ROUTES: tuple[Entry, ...] = (
    # method, path, act of access.MAY, handler
    ("GET", "/node", "look", _node),
    ("POST", "/join", "agree", _join),
    ("POST", "/connect", "operate", _connect),
    ("POST", "/publish", "agree", _publish),
    ("GET", "/offers", "read", _offers),
    ("GET", "/catalog", "read", _catalog),
    ("POST", "/offers/{id}/withdraw", "agree", _withdraw),
    ("POST", "/jobs", "draw", _submit),
    ("GET", "/jobs", "read", _jobs),
    ("GET", "/jobs/{id}", "read", _job),
    ("POST", "/jobs/{id}/proceed", "draw", _proceed),
    ("POST", "/jobs/{id}/cancel", "draw", _cancel_job),
    ("GET", "/jobs/{id}/summary", "read", _summary),
    ("GET", "/orders", "read", _orders),
    ("GET", "/orders/{id}/design", "read", _design),
    ("POST", "/orders/{id}/stop", "operate", _stop_order),
    ("GET", "/plans/{id}", "read", _plan),
    ("GET", "/thread", "read", _thread),
    ("POST", "/thread/{id}/reach", "agree", _reach),
    ("POST", "/thread/{id}/share", "agree", _share),
    ("GET", "/agreements", "read", _agreements),
    ("GET", "/agreements/{id}", "read", _agreement),
    ("POST", "/agreements/{id}/terminate", "agree", _terminate),
    ("GET", "/runs", "read", _runs),
    ("POST", "/runs/{id}/start", "operate", _start),
    ("POST", "/runs/{id}/finish", "operate", _finish),
    ("POST", "/runs/{id}/inspection", "operate", _inspect),
    ("GET", "/resources", "read", _resources),
    ("GET", "/signals", "read", _signals),
    ("GET", "/signals/{id}/series", "read", _series),
    ("POST", "/calls", "fund", _call),
    ("POST", "/awards", "fund", _award),
    ("POST", "/awards/take", "agree", _take_awards),
    ("GET", "/events", "audit", _events),
    ("GET", "/verify", "audit", _verify),
    ("GET", "/report", "look", _report),
)
