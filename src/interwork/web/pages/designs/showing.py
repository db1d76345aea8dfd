"""Designs: hand in a file and what is wanted, look at the part, read what was measured and how it will be made."""

import re
import secrets
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import timedelta

import msgspec
from starlette.datastructures import FormData, UploadFile
from starlette.requests import Request
from starlette.responses import RedirectResponse, Response

from interwork.core.clock import now, parse_moment
from interwork.core.design import Design, Finding, Hole, PlanTemplate, ProcessPlan, Revision, Study
from interwork.core.errors import BadInput, NotFound
from interwork.core.making import Job
from interwork.core.planning import Match
from interwork.core.programme import Project
from interwork.core.taxonomy import MATERIALS, PROCESSES, Material
from interwork.design.files.pairing import Pairing, pair
from interwork.design.making.manufacturability import CLASSES
from interwork.flows import designing
from interwork.flows.designing.recording import same_shapes
from interwork.flows.make_part import MakeRequest, submit
from interwork.flows.node import Node
from interwork.flows.rnd import quality
from interwork.web.access import MAY, node_of, require
from interwork.web.pages.designs.made import Panel, panel
from interwork.web.pages.fields import number_of, text_of, whole_of
from interwork.web.render import render

LISTED_MAX = 200
MARKS_MAX = 40
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
    studies: tuple[Study, ...] = ()
    """The newest analyses, and all that are not done."""
    templates: tuple[PlanTemplate, ...] = ()


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
    plans: tuple["PlanHistory", ...]
    jobs: tuple[Job, ...]
    manifests: int
    """Manifests that were verified to show this page: this revision's and all before it."""
    history: tuple[Revision, ...]
    same: tuple[Revision, ...]
    marks: tuple["Mark", ...]
    pairings: tuple[tuple[str, Pairing], ...]
    made: Panel
    templates: tuple[PlanTemplate, ...]
    materials: tuple[Material, ...]
    processes: tuple[str, ...]
    classes: tuple[str, ...]
    fit: tuple[Match, ...] | None
    fit_of: str


@dataclass(frozen=True, slots=True, kw_only=True)
class PlanHistory:
    """The newest version of a plan, with those it came from."""

    plan: ProcessPlan
    before: tuple[ProcessPlan, ...]


class Mark(msgspec.Struct, frozen=True, kw_only=True):
    """A place on the part that a row of the page speaks of."""

    at: tuple[float, float, float]
    text: str


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
        studies=await _studies(node),
        templates=tuple(await node.store.find(PlanTemplate, limit=200)),
    )


async def _studies(node: Node) -> tuple[Study, ...]:
    """List the analyses that are not done, and what came of those of the last day that failed."""
    newest = await node.store.find(Study, limit=50, newest=True)
    since = node.clock() - timedelta(days=1)
    return tuple(one for one in newest if one.state != "done" and one.updated_at > since)


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
        raise BadInput("No file was chosen.", remedy="Choose a STEP, IGES, STL, 3MF or DXF file.")
    order = read_order(form)
    job = await submit(node_of(request), await file.read(), file.filename, order, actor=visitor.id)
    return RedirectResponse(f"/jobs/{job.id}", status_code=303)


def read_order(form: FormData) -> MakeRequest:
    """Read what is wanted from the form's fields; BadInput names the field that is wrong."""
    key = text_of(form, "key")
    return MakeRequest(
        material=text_of(form, "material"),
        quantity=whole_of(form, "quantity"),
        due=parse_moment(text_of(form, "due")),
        tolerance_mm=number_of(form, "tolerance_mm") if text_of(form, "tolerance_mm") else 0.1,
        thickness_mm=number_of(form, "thickness_mm") if text_of(form, "thickness_mm") else None,
        template=text_of(form, "template"),
        project=text_of(form, "project"),
        until=text_of(form, "until"),
        key=key if _KEY.fullmatch(key) else "",
    )


async def revision_view(node: Node, identifier: str, fit_of: str = "") -> RevisionView:
    """Collect what is known of one revision; it is verified first."""
    known = await node.store.get(Revision, identifier)
    revision, manifests = (known, 0) if not known.manifest else await designing.read_revision(node, identifier)
    jobs = [one for one in await node.store.find(Job, limit=1000) if one.revision == revision.id]
    plans = await node.store.find(ProcessPlan, revision=revision.id, limit=200)
    asked = next((one for one in plans if one.id == fit_of), None)
    others = await node.store.find(Revision, design=revision.design, limit=200)
    holes = _grouped(revision)
    histories = _histories(plans)
    return RevisionView(
        revision=revision,
        design=await node.store.peek(Design, revision.design),
        holes=holes,
        plans=histories,
        jobs=tuple(sorted(jobs, key=lambda one: one.created_at, reverse=True)[:20]),
        manifests=manifests,
        history=tuple(sorted(others, key=lambda one: one.created_at, reverse=True)),
        same=tuple(await same_shapes(node, revision)),
        marks=tuple(_marks(revision, holes, histories[0].plan.found if histories else ())),
        pairings=tuple(
            (one.name, pair(revision.characteristics, one.characteristics))
            for one in revision.attachments
            if one.characteristics and revision.characteristics
        ),
        made=panel(await quality.as_made(node, revision)),
        templates=tuple(await node.store.find(PlanTemplate, limit=200)),
        materials=tuple(MATERIALS.values()),
        processes=tuple(PROCESSES),
        classes=CLASSES,
        fit=tuple(await designing.fit(node, asked)) if asked else None,
        fit_of=asked.id if asked else "",
    )


def _grouped(revision: Revision) -> tuple[HoleGroup, ...]:
    groups: dict[tuple[float, float, bool], HoleGroup] = {}
    for hole in revision.geometry.holes or ():
        size = (round(hole.diameter_mm, 3), round(hole.depth_mm, 3), hole.is_through)
        known = groups.get(size)
        groups[size] = HoleGroup(count=known.count + 1 if known else 1, hole=hole)
    return tuple(groups[size] for size in sorted(groups))


def _histories(plans: Sequence[ProcessPlan]) -> tuple[PlanHistory, ...]:
    """Put every version behind the newest one that came of it."""
    by_id = {one.id: one for one in plans}
    superseded = {one.supersedes for one in plans}
    found = []
    for newest in sorted(plans, key=lambda one: one.created_at, reverse=True):
        if newest.id in superseded:
            continue
        before: list[ProcessPlan] = []
        while (one := by_id.get((before[-1] if before else newest).supersedes)) is not None:
            before.append(one)
        found.append(PlanHistory(plan=newest, before=tuple(before)))
    return tuple(found[:10])


def _marks(revision: Revision, holes: Sequence[HoleGroup], found: Sequence[Finding]) -> list[Mark]:
    """List the places the page speaks of: findings first, then holes by size, then distinct bodies."""
    shape = revision.geometry
    marks = [Mark(at=one.at, text=one.text) for one in found if one.at is not None]
    if shape.wall_at is not None and shape.wall_mm is not None:
        marks.append(Mark(at=shape.wall_at, text=f"{shape.wall_mm[0]:.3g} mm"))
    marks += [Mark(at=one.hole.at, text=f"Ø{one.hole.diameter_mm:.4g} × {one.hole.depth_mm:.4g} mm") for one in holes]
    if shape.bodies > 1:
        marks += [Mark(at=one.at, text=f"{one.count} × {one.name or 'body'}") for one in shape.distinct]
    return marks[:MARKS_MAX]


async def show(request: Request) -> Response:
    """Show one revision."""
    await require(request, *MAY["read"])
    return await render(
        request,
        "design.html",
        view=await revision_view(node_of(request), request.path_params["id"], request.query_params.get("fit", "")),
    )


async def diff(request: Request) -> Response:
    """Show what changed from one revision to another."""
    await require(request, *MAY["read"])
    node, other = node_of(request), request.query_params.get("with", "")
    newer = await node.store.get(Revision, request.path_params["id"])
    older = await node.store.get(Revision, other or newer.parent)
    found = await designing.compare_revisions(node, older.id, newer.id)
    return await render(request, "design_diff.html", older=older, newer=newer, found=found)


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
