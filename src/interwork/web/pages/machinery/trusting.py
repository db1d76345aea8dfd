"""Trust: which OPC UA servers' certificates are accepted, on a page."""

from starlette.requests import Request
from starlette.responses import RedirectResponse, Response

from interwork.core.errors import BadInput
from interwork.flows.ingest import trusting
from interwork.web.access import MAY, node_of, require
from interwork.web.render import render

ACTS = {"trust": trusting.trust, "distrust": trusting.distrust, "forget": trusting.forget}


async def index(request: Request) -> Response:
    """Show the certificates."""
    await require(request, *MAY["read"])
    return await render(request, "trust.html", known=await trusting.certificates(node_of(request)))


async def act(request: Request) -> Response:
    """Trust a certificate, refuse it again, or forget it."""
    visitor = await require(request, *MAY["administer"])
    form = {name: value for name, value in (await request.form()).items() if isinstance(value, str)}
    decide = ACTS.get(form.get("act", ""))
    if decide is None:
        raise BadInput(f"{form.get('act', '')[:40]!r} is nothing this page does.", remedy="Use its buttons.")
    await decide(node_of(request), form.get("thumbprint", ""), actor=visitor.id)
    return RedirectResponse("/machines/trust", status_code=303)
