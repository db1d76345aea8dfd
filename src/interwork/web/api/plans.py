"""The API of plans: why, the trade, events and proposals; and what the network lacks and would gain."""

from typing import Any

import msgspec
from starlette.requests import Request

from interwork.core.errors import BadInput
from interwork.core.making import Job
from interwork.core.planning import Disturbance, Plan, Proposal, TradeOff
from interwork.flows import insight, replan
from interwork.web.access import Visitor, node_of
from interwork.web.api.reading import DIGITS_MAX, Entry, body_of, limit_of


class Wanted(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """What a proposal is asked with."""

    stability: float = 1.0
    """Weight of leaving published work where it is; 0 = cost alone."""


async def _explanation(request: Request, _visitor: Visitor) -> Any:  # noqa: ANN401 - any JSON
    reader = request.query_params.get("for", "")
    return await insight.explanation_of(node_of(request), request.path_params["id"], reader=reader)


async def _trade(request: Request, visitor: Visitor) -> Any:  # noqa: ANN401
    return await insight.trade(node_of(request), request.path_params["id"], actor=visitor.id)


async def _known_trade(request: Request, _visitor: Visitor) -> Any:  # noqa: ANN401
    node = node_of(request)
    plan = await node.store.get(Plan, request.path_params["id"])
    return await node.store.get(TradeOff, plan.need)


async def _choose(request: Request, visitor: Visitor) -> Any:  # noqa: ANN401
    return await insight.choose(node_of(request), request.path_params["id"], actor=visitor.id, by=visitor.name)


async def _gaps(request: Request, _visitor: Visitor) -> Any:  # noqa: ANN401
    return {"gaps": await insight.gap_report(node_of(request))}


async def _unserved(request: Request, _visitor: Visitor) -> Any:  # noqa: ANN401
    return {"unserved": await insight.unserved_of(node_of(request), request.path_params["id"])}


async def _conversions(request: Request, _visitor: Visitor) -> Any:  # noqa: ANN401
    lead: dict[str, float] = {}
    for name, text in request.query_params.items():
        if not text.replace(".", "", 1).isdecimal() or len(text) > DIGITS_MAX:
            raise BadInput(f"{name}={text[:20]!r} is no number of days.", remedy="Give days, as ?certificate=90.")
        lead[name] = float(text)
    return {"conversions": await insight.conversions_of(node_of(request), request.path_params["id"], lead)}


async def _volumes(request: Request, _visitor: Visitor) -> Any:  # noqa: ANN401
    parts = request.query_params.get("quantities", "").split(",")
    if not all(one.isdecimal() and len(one) < DIGITS_MAX for one in parts):
        raise BadInput("The quantities are no numbers.", where="quantities", remedy="Give them as 10,100,1000.")
    quantities = [int(one) for one in parts]
    return {"stages": await insight.volumes(node_of(request), request.path_params["id"], quantities)}


async def _investments(request: Request, _visitor: Visitor) -> Any:  # noqa: ANN401
    return await insight.investments(node_of(request))


async def _tell(request: Request, visitor: Visitor) -> Any:  # noqa: ANN401
    told = await body_of(request, replan.Told)
    return await replan.tell(node_of(request), request.path_params["id"], told, actor=visitor.id)


async def _events(request: Request, _visitor: Visitor) -> Any:  # noqa: ANN401
    store, job = node_of(request).store, request.path_params["id"]
    await store.get(Job, job)
    return {
        "events": await store.find(Disturbance, job=job, limit=limit_of(request)),
        "proposals": await store.find(Proposal, job=job, limit=limit_of(request), newest=True),
    }


async def _propose(request: Request, visitor: Visitor) -> Any:  # noqa: ANN401
    asked = await body_of(request, Wanted)
    return await replan.propose(
        node_of(request), request.path_params["id"], stability=asked.stability, actor=visitor.id
    )


async def _accept(request: Request, visitor: Visitor) -> Any:  # noqa: ANN401
    return await replan.accept(node_of(request), request.path_params["id"], actor=visitor.id, by=visitor.name)


async def _undo(request: Request, visitor: Visitor) -> Any:  # noqa: ANN401
    return await replan.undo(node_of(request), request.path_params["id"], actor=visitor.id, by=visitor.name)


async def _decline(request: Request, visitor: Visitor) -> Any:  # noqa: ANN401
    return await replan.decline(node_of(request), request.path_params["id"], actor=visitor.id, by=visitor.name)


ROUTES: tuple[Entry, ...] = (
    ("GET", "/plans/{id}/explanation", "read", _explanation),
    ("GET", "/plans/{id}/trade", "read", _known_trade),
    ("POST", "/plans/{id}/trade", "draw", _trade),
    ("POST", "/plans/{id}/choose", "draw", _choose),
    ("GET", "/gaps", "read", _gaps),
    ("GET", "/needs/{id}/unserved", "read", _unserved),
    ("GET", "/needs/{id}/conversions", "read", _conversions),
    ("GET", "/plans/{id}/volumes", "read", _volumes),
    ("GET", "/investments", "read", _investments),
    ("GET", "/jobs/{id}/disturbances", "read", _events),
    ("POST", "/jobs/{id}/disturbances", "draw", _tell),
    ("POST", "/jobs/{id}/proposals", "draw", _propose),
    ("POST", "/proposals/{id}/accept", "draw", _accept),
    ("POST", "/proposals/{id}/undo", "draw", _undo),
    ("POST", "/proposals/{id}/decline", "draw", _decline),
)
