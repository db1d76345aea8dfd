"""What people measured, typed in: inspection results per part, and gauge studies with their analysis."""

from starlette.requests import Request
from starlette.responses import RedirectResponse, Response

from interwork.core.making import GaugeStudy
from interwork.design.quality import study
from interwork.flows.rnd import measuring, quality
from interwork.web.access import MAY, node_of, require
from interwork.web.pages.fields import number_of, text_of
from interwork.web.render import render


async def take_typed(request: Request) -> Response:
    """Take inspection results from the form."""
    visitor = await require(request, *MAY["operate"])
    form = await request.form()
    typed = measuring.Typed(
        title=text_of(form, "title"), rows=text_of(form, "rows"), revision=text_of(form, "revision")
    )
    held = await measuring.record_typed(node_of(request), typed, actor=visitor.id)
    return RedirectResponse(f"/quality/{held.id}", status_code=303)


async def study_gauge(request: Request) -> Response:
    """Record a gauge study from the form."""
    visitor = await require(request, *MAY["operate"])
    form = await request.form()
    tolerance = number_of(form, "tolerance") if text_of(form, "tolerance") else None
    unit = text_of(form, "unit") or "mm"
    draft = measuring.read_study(text_of(form, "name"), unit, text_of(form, "readings"), tolerance)
    held, _ = await quality.study_gauge(node_of(request), draft, actor=visitor.id)
    return RedirectResponse(f"/gauges/{held.id}", status_code=303)


async def show_gauge(request: Request) -> Response:
    """Show one gauge study: components of the variation, the analysis of variance, the readings."""
    await require(request, *MAY["read"])
    held = await node_of(request).store.get(GaugeStudy, request.path_params["id"])
    return await render(request, "rnd/gauge.html", held=held, found=study(held))
