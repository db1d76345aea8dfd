"""The standard faces of what this node is: AAS under `/aas`, i3X under `/i3x/v1`; both read the same records."""

from collections.abc import Awaitable, Callable
from typing import Any

import msgspec
from starlette.requests import Request
from starlette.responses import Response
from starlette.routing import Route

from interwork import __version__
from interwork.core.clock import from_us
from interwork.core.errors import BadInput, InterworkError
from interwork.core.resource import Facet, Resource, Signal
from interwork.flows.look import may_look
from interwork.twin import NAMESPACE, identifier_of, object_of, object_types, shell, submodel, value_of, value_only
from interwork.web.access import MAY, node_of, require

Handler = Callable[[Request], Awaitable[Any]]
PAGE = 100
LIST_MAX = 10_000
DIGITS_MAX = 18


class Wanted(msgspec.Struct, frozen=True):
    """A bulk request of i3X."""

    elementIds: list[str]  # noqa: N815 - the standard's own name
    maxDepth: int = 1  # noqa: N815 - the standard's own name


def _page(request: Request, rows: list[Any]) -> dict[str, Any]:
    """Cut one page (IDTA-01002: no cursor on the last one)."""
    limit, cursor = request.query_params.get("limit", str(PAGE)), request.query_params.get("cursor", "0")
    if not (limit.isdecimal() and cursor.isdecimal()) or len(limit + cursor) > DIGITS_MAX or int(limit) == 0:
        raise BadInput("limit and cursor are whole numbers, limit at least 1.", where=request.url.path)
    start, end = int(cursor), int(cursor) + int(limit)
    paging = {"cursor": str(end)} if end < len(rows) else {}
    return {"paging_metadata": paging, "result": rows[start:end]}


async def _shells(request: Request) -> Any:  # noqa: ANN401 - any JSON
    store = node_of(request).store
    facets = await store.find(Facet, limit=LIST_MAX)
    found = await store.find(Resource, limit=LIST_MAX)
    return _page(request, [shell(one, [facet for facet in facets if facet.resource == one.id]) for one in found])


async def _shell(request: Request) -> Any:  # noqa: ANN401
    store = node_of(request).store
    resource = await store.get(Resource, identifier_of(request.path_params["id"]))
    return shell(resource, await store.find(Facet, resource=resource.id, limit=100))


async def _submodels(request: Request) -> Any:  # noqa: ANN401
    return _page(request, [submodel(one) for one in await node_of(request).store.find(Facet, limit=LIST_MAX)])


async def _submodel(request: Request) -> Any:  # noqa: ANN401
    return submodel(await node_of(request).store.get(Facet, identifier_of(request.path_params["id"])))


async def _submodel_value(request: Request) -> Any:  # noqa: ANN401
    return value_only(await node_of(request).store.get(Facet, identifier_of(request.path_params["id"])))


async def _info(_request: Request) -> Any:  # noqa: ANN401
    able = {
        "query": {"history": False},
        "update": {"current": False, "history": False},
        "subscribe": {"stream": False},
    }
    return _success(
        {"specVersion": "1.0", "serverVersion": __version__, "serverName": "Interwork", "capabilities": able}
    )


async def _namespaces(_request: Request) -> Any:  # noqa: ANN401
    return _success([{"uri": NAMESPACE, "displayName": "Interwork"}])


async def _types(_request: Request) -> Any:  # noqa: ANN401
    return _success(object_types())


async def _objects(request: Request) -> Any:  # noqa: ANN401
    store = node_of(request).store
    machines = [object_of(one) for one in await store.find(Resource, limit=LIST_MAX)]
    signals = [object_of(one) for one in await store.find(Signal, limit=LIST_MAX)]
    return _success([*machines, *signals])


async def _values(request: Request) -> Any:  # noqa: ANN401
    try:
        wanted = msgspec.json.decode(await request.body(), type=Wanted)
    except msgspec.MsgspecError as fault:
        raise BadInput(f"The body is not a value request: {fault}.", where=request.url.path) from fault
    results = [await _value(request, one) for one in wanted.elementIds]
    return {"success": all(one["success"] for one in results), "results": results}


async def _value(request: Request, element: str) -> dict[str, Any]:
    node = node_of(request)
    head = {"elementId": element}
    try:
        signal = await node.store.get(Signal, element)
        await may_look(node, await node.store.get(Resource, signal.resource))
    except InterworkError as fault:
        detail = {"title": fault.code, "status": fault.status, "detail": str(fault)}
        return {"success": False, **head, "responseDetail": detail}
    reading = node.live.value(signal.number)
    if reading is None:
        result = value_of(None, 0, node.clock())
    else:
        value = reading.text if signal.is_text else reading.value
        result = value_of(value, reading.quality, from_us(reading.time_us))
    return {"success": True, **head, "result": {"isComposition": False, **result}}


def _success(result: object) -> dict[str, Any]:
    return {"success": True, "result": result}


def routes() -> list[Route]:
    """List the routes of both faces."""
    table: tuple[tuple[str, str, str, Handler], ...] = (
        ("GET", "/aas/shells", "read", _shells),
        ("GET", "/aas/shells/{id}", "read", _shell),
        ("GET", "/aas/submodels", "read", _submodels),
        ("GET", "/aas/submodels/{id}", "read", _submodel),
        ("GET", "/aas/submodels/{id}/$value", "read", _submodel_value),
        ("GET", "/i3x/v1/info", "look", _info),
        ("GET", "/i3x/v1/namespaces", "read", _namespaces),
        ("GET", "/i3x/v1/objecttypes", "read", _types),
        ("GET", "/i3x/v1/objects", "read", _objects),
        ("POST", "/i3x/v1/objects/value", "read", _values),
    )
    return [Route(path, _endpoint(act, handler), methods=[method]) for method, path, act, handler in table]


def _endpoint(act: str, handler: Handler) -> Callable[[Request], Awaitable[Response]]:
    async def endpoint(request: Request) -> Response:
        if act != "look":
            await require(request, *MAY[act])
        return Response(msgspec.json.encode(await handler(request)), media_type="application/json")

    return endpoint
