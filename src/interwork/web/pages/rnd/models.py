"""Models: what can be run, with which inputs in which units; a run and its sweep as a chart."""

from dataclasses import dataclass

from starlette.datastructures import UploadFile
from starlette.requests import Request
from starlette.responses import RedirectResponse, Response

from interwork.core.design import Model, ModelRun
from interwork.core.errors import BadInput, NotFound
from interwork.design.models import Axis, Quantity
from interwork.flows.rnd import modelling, simulating, tables
from interwork.flows.rnd.simulating import Asked, Step
from interwork.web.access import MAY, node_of, require
from interwork.web.pages.fields import number_of, text_of, whole_of
from interwork.web.pages.plant.drawing import Dot, Line, level, line, nice_range
from interwork.web.render import render

LISTED_MAX = 200
ROWS_MAX = 200
COURSES_MAX = 12


@dataclass(frozen=True, slots=True, kw_only=True)
class Sweep:
    """One output over the input that was varied."""

    output: str
    path: Line
    dots: tuple[Dot, ...]
    box: tuple[float, float]
    over: str
    span: tuple[float, float]


@dataclass(frozen=True, slots=True, kw_only=True)
class Course:
    """One output over time, a line per point."""

    output: str
    paths: tuple[Line, ...]
    box: tuple[float, float]
    span: tuple[float, float]


async def index(request: Request) -> Response:
    """List the models."""
    await require(request, *MAY["read"])
    node = node_of(request)
    held = await node.store.find(Model, limit=LISTED_MAX, newest=True)
    faults = {one.id: await modelling.faults(node, one) for one in held}
    return await render(request, "rnd/models.html", models=held, all=await node.store.count(Model), faults=faults)


async def publish(request: Request) -> Response:
    """Vouch for a model file with this node's key, and publish it."""
    visitor = await require(request, *MAY["administer"])
    node, form = node_of(request), await request.form()
    file = form.get("file")
    if not isinstance(file, UploadFile) or not file.filename:
        raise BadInput("No file was chosen.", remedy="Choose an FMU (.fmu) or a Python function (.py).")
    content = await file.read()
    said = modelling.Publication(
        name=text_of(form, "name") or file.filename.rpartition(".")[0],
        vouching=modelling.vouch(node, content),
        units=dict(_pair(one) for one in text_of(form, "units").replace(",", " ").split()),
        step_s=number_of(form, "step_s", 0.0),
        stop_s=number_of(form, "stop_s", 0.0),
    )
    model = await modelling.admit(node, content, file.filename, said, actor=visitor.id)
    return RedirectResponse(f"/models/{model.id}", status_code=303)


def _pair(text: str) -> tuple[str, str]:
    name, _, unit = text.partition("=")
    return name, unit


async def show(request: Request) -> Response:
    """Show one model with the form that runs it."""
    await require(request, *MAY["read"])
    node = node_of(request)
    model = await node.store.get(Model, request.path_params["id"])
    runs = await node.store.find(ModelRun, model=model.id, limit=50, newest=True)
    return await render(request, "rnd/model.html", model=model, runs=runs, fault=await modelling.faults(node, model))


async def run(request: Request) -> Response:
    """Run a model with what was typed, and go to the result."""
    visitor = await require(request, *MAY["draw"])
    node, form = node_of(request), await request.form()
    model = await node.store.get(Model, request.path_params["id"])
    varied = text_of(form, "vary")
    given = {
        port.name: Quantity(value=number_of(form, f"in.{port.name}"), unit=text_of(form, f"unit.{port.name}"))
        for port in model.inputs
        if text_of(form, f"in.{port.name}") and port.name != varied
    }
    axes: tuple[Axis, ...] = ()
    if varied:
        low, high = (number_of(form, name, 0.0) for name in ("low", "high"))
        axes = (Axis(name=varied, low=low, high=high, count=min(max(whole_of(form, "count", 0.0), 0), 10_000)),)
    start, step, stop = (number_of(form, name, 0.0) for name in ("start_s", "step_s", "stop_s"))
    asked = Step(model=model.id, inputs=given, start_s=start, step_s=step, stop_s=stop)
    runs = await simulating.simulate(node, Asked(steps=(asked,), axes=axes), actor=visitor.id)
    return RedirectResponse(f"/model-runs/{runs[-1].id}", status_code=303)


async def show_run(request: Request) -> Response:
    """Show what a model gave."""
    await require(request, *MAY["read"])
    node = node_of(request)
    held = await node.store.get(ModelRun, request.path_params["id"])
    rows = list(zip(held.inputs, held.outputs, strict=True))[:ROWS_MAX]
    drawn = courses(held)
    return await render(request, "rnd/model_run.html", run=held, rows=rows, sweeps=sweeps(held), courses=drawn)


async def table(request: Request) -> Response:
    """Send a run's points, or its course in time, as CSV."""
    await require(request, *MAY["read"])
    held = await node_of(request).store.get(ModelRun, request.path_params["id"])
    what = request.path_params["what"]
    if what not in ("points", "course") or (what == "course" and not held.courses):
        raise NotFound(f"This run has no {what[:20]!r} to send.", remedy="Ask for points.csv.")
    text = tables.course_csv(held) if what == "course" else tables.points_csv(held)
    headers = {"Content-Disposition": f'attachment; filename="{held.id}-{what}.csv"'}
    return Response(text, media_type="text/csv; charset=utf-8", headers=headers)


def courses(held: ModelRun) -> tuple[Course, ...]:
    """Draw every output over time, one line per point that was followed."""
    if not held.courses:
        return ()
    span, drawn = (held.courses[0].times_s[0], held.courses[0].times_s[-1]), []
    for name in list(held.outputs[0])[:COURSES_MAX]:
        box = nice_range([value for one in held.courses for value in one.values[name]])
        paths = tuple(line(one.times_s, one.values[name], span, box) for one in held.courses)
        drawn.append(Course(output=name, paths=paths, box=box, span=span))
    return tuple(drawn)


def sweeps(held: ModelRun) -> tuple[Sweep, ...]:
    """Draw every output over the input that was varied, where there was one."""
    varied = [name for name in held.inputs[0] if len({one[name] for one in held.inputs}) > 1]
    if len(varied) != 1 or len(held.inputs) < 2:
        return ()
    over = varied[0]
    order = sorted(range(len(held.inputs)), key=lambda at: held.inputs[at][over])
    xs = [held.inputs[at][over] for at in order]
    span, drawn = (xs[0], xs[-1]), []
    for name in list(held.outputs[0])[:6]:
        ys = [held.outputs[at][name] for at in order]
        box = nice_range(ys)
        dots = tuple(
            Dot(x=round(100 * (x - span[0]) / (span[1] - span[0]), 2), y=level(y, box), title=f"{x:.5g}: {y:.5g}")
            for x, y in zip(xs, ys, strict=True)
        )
        drawn.append(Sweep(output=name, path=line(xs, ys, span, box), dots=dots, box=box, over=over, span=span))
    return tuple(drawn)
