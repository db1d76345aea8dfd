"""The API of this node as a Sparkplug edge node: how it stands."""

from typing import Any

from starlette.requests import Request

from interwork.web.access import Visitor, node_of
from interwork.web.api.reading import Entry


async def _edge(request: Request, _visitor: Visitor) -> Any:  # noqa: ANN401 - any JSON
    return node_of(request).edge


ROUTES: tuple[Entry, ...] = (("GET", "/edge", "read", _edge),)
