"""The API of planning together: offer it, begin it with members of the catalog, take the plans that came of it."""

from typing import Any

import msgspec
from starlette.requests import Request

from interwork.core.network.together import Coordination
from interwork.flows import together
from interwork.web.access import Visitor, node_of
from interwork.web.api.reading import Entry, body_of, limit_of


class Wanted(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """With whom to plan, by name or DID; nobody named = everybody who offers it."""

    with_whom: tuple[str, ...] = ()


async def _offer(request: Request, _visitor: Visitor) -> Any:  # noqa: ANN401 - any JSON
    return await together.offer(node_of(request))


async def _begin(request: Request, visitor: Visitor) -> Any:  # noqa: ANN401
    wanted = await body_of(request, Wanted)
    return await together.coordinate(node_of(request), with_whom=wanted.with_whom, actor=visitor.id)


async def _listed(request: Request, _visitor: Visitor) -> Any:  # noqa: ANN401
    held = await node_of(request).store.find(Coordination, limit=limit_of(request), newest=True)
    return {"coordinations": held}


async def _shown(request: Request, _visitor: Visitor) -> Any:  # noqa: ANN401
    return await node_of(request).store.get(Coordination, request.path_params["id"])


async def _take(request: Request, visitor: Visitor) -> Any:  # noqa: ANN401
    identifier = request.path_params["id"]
    return {"jobs": await together.take(node_of(request), identifier, actor=visitor.id, by=visitor.name)}


async def _machines(request: Request, _visitor: Visitor) -> Any:  # noqa: ANN401
    return await together.second_machines(node_of(request), request.path_params["id"])


ROUTES: tuple[Entry, ...] = (
    ("POST", "/coordinations/offer", "draw", _offer),
    ("POST", "/coordinations", "draw", _begin),
    ("GET", "/coordinations", "read", _listed),
    ("GET", "/coordinations/{id}", "read", _shown),
    ("POST", "/coordinations/{id}/take", "draw", _take),
    ("POST", "/coordinations/{id}/second-machines", "draw", _machines),
)
