"""The API of readings in open formats: taken out as a stream, brought in as a file; and how the historian is."""

from typing import Any

from starlette.requests import Request
from starlette.responses import StreamingResponse

from interwork.core.clock import parse_moment, to_us
from interwork.core.errors import BadInput
from interwork.flows.readings import Export, Keep, bring_in, retain, take_out
from interwork.stream.historian.openly import FORMS
from interwork.web.access import Visitor, node_of
from interwork.web.api.reading import Entry, body_of

SHAPES = ("rows", "joined")
"""One row per reading, or the readings of one signal with what a second one said then."""


async def _take_out(request: Request, _visitor: Visitor) -> StreamingResponse:
    node, query = node_of(request), request.query_params
    if not query.get("signals"):
        raise BadInput("No signal is asked for.", where="signals", remedy="Give ids: signals=ID,ID")
    end = to_us(parse_moment(query["end"])) if "end" in query else to_us(node.clock())
    start = to_us(parse_moment(query["start"])) if "start" in query else end - 3_600_000_000
    form = query.get("format", "parquet")
    shape = query.get("form", "rows")
    if shape not in SHAPES:
        raise BadInput(f"form={shape[:20]!r} is not known.", where="form", remedy=f"Use one of {', '.join(SHAPES)}.")
    is_joined = shape == "joined"
    asked = Export(signals=query["signals"].split(","), start_us=start, end_us=end, form=form, is_joined=is_joined)
    pieces = await take_out(node, asked)
    name = {"json": "jsonl", "arrow": "arrows"}.get(form, form)
    headers = {"Content-Disposition": f'attachment; filename="readings.{name}"'}
    return StreamingResponse(pieces, media_type=FORMS[form], headers=headers)


async def _bring_in(request: Request, visitor: Visitor) -> Any:  # noqa: ANN401 - any JSON
    form = request.query_params.get("format", "parquet")
    return await bring_in(node_of(request), await request.body(), form, actor=visitor.id)


async def _retain(request: Request, visitor: Visitor) -> Any:  # noqa: ANN401 - any JSON
    asked = await body_of(request, Keep)
    return {"signals": await retain(node_of(request), asked, actor=visitor.id)}


async def _health(request: Request, _visitor: Visitor) -> Any:  # noqa: ANN401
    historian = node_of(request).historian
    return {"health": await historian.health(), "usage": await historian.usage()}


ROUTES: tuple[Entry, ...] = (
    ("GET", "/readings", "read", _take_out),
    ("POST", "/readings", "operate", _bring_in),
    ("POST", "/readings/keeping", "administer", _retain),
    ("GET", "/historian", "read", _health),
)
