"""Designs: hand in a file and what is wanted, look at the part, read what was measured and how it will be made."""

import math
import re
import secrets
from dataclasses import dataclass
from datetime import timedelta

from starlette.datastructures import FormData, UploadFile
from starlette.requests import Request
from starlette.responses import RedirectResponse, Response

from interwork.core.clock import now, parse_moment
from interwork.core.design import Design, Hole, ProcessPlan, Revision
from interwork.core.errors import BadInput, NotFound
from interwork.core.making import Job
from interwork.core.programme import Project
from interwork.core.taxonomy import MATERIALS, Material
from interwork.flows.make_part import MakeRequest, submit
from interwork.flows.node import Node
from interwork.web.access import MAY, node_of, require
from interwork.web.render import render

LISTED_MAX = 200
_KEY = re.compile(r"[A-Za-z0-9_-]{8,64}")


@dataclass(frozen=True, slots=True, kw_only=True)
class DesignsView:
    """The revisions held here and what the form offers."""

    revisions: tuple[tuple[Revision, Design | None], ...]
    all: int
    materials: tuple[Material, ...]
    projects: tuple[Project, ...]
    due: str
    key: str
    """Makes a form that is sent twice mean one job."""


@dataclass(frozen=True, slots=True, kw_only=True)
class HoleGroup:
    """Holes of one size."""

    count: int
    hole: Hole


@dataclass(frozen=True, slots=True, kw_only=True)
class RevisionView:
    """One revision with what was measured, how it is made and who asked for it."""

    revision: Revision
    design: Design | None
    holes: tuple[HoleGroup, ...]
    plans: tuple[ProcessPlan, ...]
    jobs: tuple[Job, ...]


async def designs_view(node: Node) -> DesignsView:
    """List the revisions, newest first, with what the form offers."""
    revisions = await node.store.find(Revision, limit=LISTED_MAX)
    designs = {one.id: one for one in await node.store.find(Design, limit=10_000)}
    newest = sorted(revisions, key=lambda one: one.created_at, reverse=True)
    return DesignsView(
        revisions=tuple((one, designs.get(one.design)) for one in newest),
        all=await node.store.count(Revision),
        materials=tuple(MATERIALS.values()),
        projects=tuple(await node.store.find(Project, limit=100)),
        due=f"{now() + timedelta(days=14):%Y-%m-%d}",
        key=secrets.token_urlsafe(16),
    )


async def index(request: Request) -> Response:
    """Show the designs and the form that starts a job."""
    await require(request, *MAY["read"])
    return await render(request, "designs.html", view=await designs_view(node_of(request)))


async def make(request: Request) -> Response:
    """Take a file and an order, open the job, and go to it."""
    visitor = await require(request, *MAY["draw"])
    form = await request.form()
    file = form.get("file")
    if not isinstance(file, UploadFile) or not file.filename:
        raise BadInput("No file was chosen.", remedy="Choose a STEP, IGES, STL or 3MF file.")
    order = read_order(form)
    job = await submit(node_of(request), await file.read(), file.filename, order, actor=visitor.id)
    return RedirectResponse(f"/jobs/{job.id}", status_code=303)


def read_order(form: FormData) -> MakeRequest:
    """Read what is wanted from the form's fields; BadInput names the field that is wrong."""
    key = _text(form, "key")
    return MakeRequest(
        material=_text(form, "material"),
        quantity=int(_number(form, "quantity")),
        due=parse_moment(_text(form, "due")),
        tolerance_mm=_number(form, "tolerance_mm") if _text(form, "tolerance_mm") else 0.1,
        project=_text(form, "project"),
        until=_text(form, "until"),
        key=key if _KEY.fullmatch(key) else "",
    )


def _text(form: FormData, name: str) -> str:
    value = form.get(name, "")
    return value.strip() if isinstance(value, str) else ""


def _number(form: FormData, name: str) -> float:
    try:
        number = float(_text(form, name))
    except ValueError as fault:
        raise BadInput(
            f"{name} is {_text(form, name)[:40]!r}, which is no number.", remedy="Write it as 25 or 0.1."
        ) from fault
    if not math.isfinite(number):
        raise BadInput(f"{name} is not finite.", remedy="Write it as 25 or 0.1.")
    return number


async def revision_view(node: Node, identifier: str) -> RevisionView:
    """Collect what is known of one revision."""
    revision = await node.store.get(Revision, identifier)
    groups: dict[tuple[float, float, bool], HoleGroup] = {}
    for hole in revision.geometry.holes or ():
        size = (round(hole.diameter_mm, 3), round(hole.depth_mm, 3), hole.is_through)
        known = groups.get(size)
        groups[size] = HoleGroup(count=known.count + 1 if known else 1, hole=hole)
    jobs = [one for one in await node.store.find(Job, limit=1000) if one.revision == revision.id]
    return RevisionView(
        revision=revision,
        design=await node.store.peek(Design, revision.design),
        holes=tuple(groups[size] for size in sorted(groups)),
        plans=tuple(await node.store.find(ProcessPlan, revision=revision.id, limit=10)),
        jobs=tuple(sorted(jobs, key=lambda one: one.created_at, reverse=True)[:20]),
    )


async def show(request: Request) -> Response:
    """Show one revision."""
    await require(request, *MAY["read"])
    return await render(request, "design.html", view=await revision_view(node_of(request), request.path_params["id"]))


async def model(request: Request) -> Response:
    """Send the model the viewer draws; content-addressed, so it may be kept."""
    await require(request, *MAY["read"])
    node = node_of(request)
    revision = await node.store.get(Revision, request.path_params["id"])
    if not revision.view_digest:
        raise NotFound(f"{revision.file_name} has no model to look at.")
    headers = {"Cache-Control": "private, max-age=86400", "ETag": f'"{revision.view_digest}"'}
    if request.headers.get("if-none-match") == headers["ETag"]:
        return Response(status_code=304, headers=headers)
    return Response(node.files.get(revision.view_digest), media_type="model/gltf-binary", headers=headers)
