"""What every route of the API shares: how a body and a limit are read, and what a table of routes is made of."""

from collections.abc import Awaitable, Callable
from typing import Any, TypeVar

import msgspec
from starlette.requests import Request

from interwork.core.errors import BadInput
from interwork.web.access import Visitor

T = TypeVar("T")
Handler = Callable[[Request, Visitor], Awaitable[Any]]
Entry = tuple[str, str, str, Handler]
"""Method, path below the prefix, act of `access.MAY`, handler."""
LIST_MAX = 1_000
DIGITS_MAX = 18
"""A whole number in a query has no more."""


async def body_of(request: Request, kind: type[T]) -> T:
    """Read the JSON body as one of our structs; BadInput names the field that does not fit."""
    try:
        return msgspec.json.decode(await request.body() or b"{}", type=kind, strict=True)
    except msgspec.MsgspecError as fault:
        raise BadInput(f"The body is not a {kind.__name__}: {fault}.", where=request.url.path) from fault


def limit_of(request: Request) -> int:
    """Read `limit` of the query, 1 to LIST_MAX; 100 where it is not given."""
    text = request.query_params.get("limit", "100")
    if not text.isdecimal() or len(text) > DIGITS_MAX or not 1 <= int(text) <= LIST_MAX:
        raise BadInput(f"limit={text[:20]!r} is no limit.", remedy=f"Give 1 to {LIST_MAX}.")
    return int(text)
