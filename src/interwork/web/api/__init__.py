"""The JSON API: each route parses, calls one flow, renders; every error is an RFC 9457 problem.

One file per theme holds handlers and its table `ROUTES`; this one puts the tables behind the one access decision.
A handler may answer with a Response of its own (an export); anything else becomes JSON.
"""

from collections.abc import Awaitable, Callable

import msgspec
from starlette.requests import Request
from starlette.responses import Response
from starlette.routing import Route

from interwork.core.organisation import Role
from interwork.web.access import MAY, Visitor, require
from interwork.web.api import core, designs, edge, machines, models, network, operate, plans, quality, readings
from interwork.web.api.reading import Entry, Handler

TABLES: tuple[tuple[Entry, ...], ...] = (
    core.ROUTES,
    designs.ROUTES,
    edge.ROUTES,
    machines.ROUTES,
    models.ROUTES,
    operate.ROUTES,
    quality.ROUTES,
    plans.ROUTES,
    network.ROUTES,
    readings.ROUTES,
)


def routes(prefix: str = "/api") -> list[Route]:
    """List the API's routes."""
    return [
        Route(prefix + path, _endpoint(act, handler), methods=[method])
        for table in TABLES
        for method, path, act, handler in table
    ]


def _endpoint(act: str, handler: Handler) -> Callable[[Request], Awaitable[Response]]:
    async def endpoint(request: Request) -> Response:
        visitor = Visitor() if Role.GUEST in MAY[act] else await require(request, *MAY[act])
        value = await handler(request, visitor)
        if isinstance(value, Response):
            return value
        return Response(msgspec.json.encode(value), media_type="application/json")

    return endpoint
