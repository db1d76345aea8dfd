"""Quality: inspection results with capability and chart, first articles, nonconformances and what is done."""

from starlette.datastructures import UploadFile
from starlette.requests import Request
from starlette.responses import RedirectResponse, Response

from interwork.core.design import Revision
from interwork.core.errors import BadInput
from interwork.core.making import GaugeStudy, Nonconformance, NonconformanceState, QualityRecord
from interwork.design.quality import NEXT, Raised, Worked, study
from interwork.design.quality.nonconformance import DISPOSITIONS
from interwork.flows.rnd import measuring, quality
from interwork.flows.rnd.quality import Judged
from interwork.web.access import MAY, node_of, require
from interwork.web.pages.fields import text_of
from interwork.web.pages.plant.drawing import Dot, Line, level, line, nice_range
from interwork.web.render import render

LISTED_MAX = 200


async def index(request: Request) -> Response:
    """List inspection records, gauge studies and nonconformances."""
    await require(request, *MAY["read"])
    store = node_of(request).store
    gauges = await store.find(GaugeStudy, limit=50, newest=True)
    return await render(
        request,
        "rnd/quality.html",
        records=await store.find(QualityRecord, limit=LISTED_MAX, newest=True),
        gauges=[(one, study(one)) for one in gauges],
        found=await store.find(Nonconformance, limit=LISTED_MAX, newest=True),
        revisions=await store.find(Revision, limit=LISTED_MAX, newest=True),
        result=measuring.RESULT,
        reading=measuring.READING,
    )


async def take_in(request: Request) -> Response:
    """Take inspection results from the form."""
    visitor = await require(request, *MAY["operate"])
    form = await request.form()
    file = form.get("file")
    if not isinstance(file, UploadFile) or not file.filename:
        raise BadInput("No file was chosen.", remedy="Choose a QIF results file.")
    held = await quality.record_results(
        node_of(request), await file.read(), file.filename, actor=visitor.id, revision=text_of(form, "revision")
    )
    return RedirectResponse(f"/quality/{held.id}", status_code=303)


async def show(request: Request) -> Response:
    """Show one record: capability per characteristic, the chart of one of them."""
    await require(request, *MAY["read"])
    held, found = await quality.judged(node_of(request), request.path_params["id"])
    name = request.query_params.get("of", "")
    chosen = next((one for one in found if one.series.name == name), found[0] if found else None)
    drawn = _drawn(chosen) if chosen is not None and chosen.chart is not None else None
    return await render(request, "rnd/quality_record.html", record=held, found=found, chosen=chosen, drawn=drawn)


def _drawn(one: Judged) -> dict[str, object]:
    """Draw the chart of single values with control and specification limits."""
    assert one.chart is not None
    trace = one.chart.location
    limits = [each for each in (one.series.lower, one.series.upper) if each is not None]
    box = nice_range([*trace.points, *trace.lower, *trace.upper, *limits])
    count = len(trace.points) - 1
    xs = [float(at) for at in range(count + 1)]
    bad = {part for part, _ in one.outside}
    hit = {at for signal in one.signals for at in range(signal.at, signal.last + 1)}
    dots = [
        Dot(
            x=round(100 * at / count, 2),
            y=level(value, box),
            tone="out" if at in hit or one.series.parts[at] in bad else "",
            title=f"{one.series.parts[at]}: {value:.5g}",
        )
        for at, value in enumerate(trace.points)
    ]
    paths: dict[str, Line] = {
        name: line(xs, values, (0.0, float(count)), box)
        for name, values in (("path", trace.points), ("upper", trace.upper), ("lower", trace.lower))
    }
    return {**paths, "centre": level(trace.centre[0], box), "dots": dots, "spec": [level(each, box) for each in limits]}


async def report(request: Request) -> Response:
    """Open a nonconformance."""
    visitor = await require(request, *MAY["operate"])
    form = await request.form()
    raised = Raised(
        what=text_of(form, "what"),
        characteristic=text_of(form, "characteristic"),
        found_in=text_of(form, "found_in"),
        revision=text_of(form, "revision"),
        part=text_of(form, "part"),
    )
    held = await quality.raise_nonconformance(node_of(request), raised, actor=visitor.id, by=visitor.name)
    return RedirectResponse(f"/nonconformances/{held.id}", status_code=303)


async def show_nonconformance(request: Request) -> Response:
    """Show one nonconformance with what was done about it."""
    await require(request, *MAY["read"])
    held = await node_of(request).store.get(Nonconformance, request.path_params["id"])
    return await render(request, "rnd/nonconformance.html", held=held, next=NEXT[held.state], dispositions=DISPOSITIONS)


async def work(request: Request) -> Response:
    """Take the next step of a nonconformance."""
    visitor = await require(request, *MAY["operate"])
    form, identifier = await request.form(), request.path_params["id"]
    state = text_of(form, "state")
    if state not in {one.value for one in NonconformanceState}:
        raise BadInput(f"{state[:20]!r} is no state.", where="state")
    worked = Worked(
        state=NonconformanceState(state), text=text_of(form, "text"), disposition=text_of(form, "disposition")
    )
    await quality.work_on(node_of(request), identifier, worked, actor=visitor.id, by=visitor.name)
    return RedirectResponse(f"/nonconformances/{identifier}", status_code=303)


async def article(request: Request) -> Response:
    """Show a first article report, to be printed."""
    visitor = await require(request, *MAY["read"])
    found = await quality.first_article(node_of(request), request.path_params["id"], by=visitor.name)
    return await render(request, "rnd/article.html", found=found)
