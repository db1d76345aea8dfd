"""Planning together with other nodes: offered, begun, and what came of it; only prices and hours cross."""

from starlette.requests import Request
from starlette.responses import RedirectResponse, Response

from interwork.core.exchange import Dataset, DatasetKind
from interwork.core.network.together import Coordination
from interwork.flows import together
from interwork.web.access import MAY, node_of, require
from interwork.web.pages.fields import text_of
from interwork.web.render import render

SHOWN_MAX = 50


async def show(request: Request) -> Response:
    """Show the coordinations this node takes part in."""
    await require(request, *MAY["read"])
    node = node_of(request)
    held = await node.store.find(Coordination, limit=SHOWN_MAX, newest=True)
    offered = await node.store.find(Dataset, kind=DatasetKind.COORDINATION, is_withdrawn=False, limit=1)
    return await render(request, "allocation/together.html", held=held, is_offered=bool(offered), own=node.did)


async def act(request: Request) -> Response:
    """Offer, begin, or take the plans that came of one."""
    visitor = await require(request, *MAY["draw"])
    node, form = node_of(request), await request.form()
    what, identifier = text_of(form, "act"), text_of(form, "coordination")
    if what == "offer":
        await together.offer(node)
    elif what == "take":
        await together.take(node, identifier, actor=visitor.id, by=visitor.name)
    else:
        await together.coordinate(node, actor=visitor.id)
    return RedirectResponse("/together", status_code=303)
