"""The API of needs of any kind: recorded, published, collected; and what providers are told of their quotes."""

from typing import Any

from starlette.requests import Request

from interwork.core.planning import Need
from interwork.flows import insight
from interwork.web.access import Visitor, node_of
from interwork.web.api.reading import Entry, body_of, limit_of


async def _record(request: Request, visitor: Visitor) -> Any:  # noqa: ANN401 - any JSON
    draft = await body_of(request, insight.NeedDraft)
    return await insight.record_need(node_of(request), draft, actor=visitor.id)


async def _listed(request: Request, _visitor: Visitor) -> Any:  # noqa: ANN401
    return {"needs": await node_of(request).store.find(Need, limit=limit_of(request), newest=True)}


async def _publish(request: Request, visitor: Visitor) -> Any:  # noqa: ANN401
    return await insight.publish_need(node_of(request), request.path_params["id"], actor=visitor.id)


async def _collect(request: Request, _visitor: Visitor) -> Any:  # noqa: ANN401
    return {"needs": await insight.collect_needs(node_of(request))}


async def _tell(request: Request, visitor: Visitor) -> Any:  # noqa: ANN401
    return {"told": await insight.tell_providers(node_of(request), request.path_params["id"], actor=visitor.id)}


async def _outcomes(request: Request, _visitor: Visitor) -> Any:  # noqa: ANN401
    return {"outcomes": await insight.outcomes(node_of(request))}


ROUTES: tuple[Entry, ...] = (
    ("GET", "/needs", "read", _listed),
    ("POST", "/needs", "draw", _record),
    ("POST", "/needs/collect", "draw", _collect),
    ("POST", "/needs/{id}/publish", "draw", _publish),
    ("POST", "/plans/{id}/tell", "draw", _tell),
    ("GET", "/outcomes", "read", _outcomes),
)
