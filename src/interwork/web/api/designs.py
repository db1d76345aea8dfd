"""The API of designs: files and their analyses, revisions and their differences, process plans and templates."""

from typing import Any

import msgspec
from starlette.requests import Request

from interwork.core.design import PlanTemplate, ProcessPlan, Revision, Study
from interwork.core.errors import BadInput
from interwork.design.making.editing import Edit
from interwork.design.making.limits import RULES
from interwork.flows import designing
from interwork.flows.designing.recording import same_shapes
from interwork.web.access import Visitor, node_of
from interwork.web.api.reading import Entry, body_of, limit_of


class Changes(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """What a person changes in a plan, and why."""

    edits: tuple[Edit, ...]
    why: str


class Kept(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """What a template is called, and why it is kept."""

    name: str
    why: str = ""


class Applied(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """The draft a template is applied to."""

    plan: str


def _name(request: Request) -> str:
    name = request.query_params.get("name", "").strip()
    if not name:
        raise BadInput("The file has no name.", where="name", remedy="Give it, as ?name=bracket.step.")
    return name


async def _study(request: Request, visitor: Visitor) -> Any:  # noqa: ANN401 - any JSON
    return await designing.submit(node_of(request), await request.body(), _name(request), actor=visitor.id)


async def _studies(request: Request, _visitor: Visitor) -> Any:  # noqa: ANN401
    return {"studies": await node_of(request).store.find(Study, limit=limit_of(request), newest=True)}


async def _one_study(request: Request, _visitor: Visitor) -> Any:  # noqa: ANN401
    return await node_of(request).store.get(Study, request.path_params["id"])


async def _cancel(request: Request, visitor: Visitor) -> Any:  # noqa: ANN401
    return await designing.cancel(node_of(request), request.path_params["id"], actor=visitor.id)


async def _revisions(request: Request, _visitor: Visitor) -> Any:  # noqa: ANN401
    return {"revisions": await node_of(request).store.find(Revision, limit=limit_of(request), newest=True)}


async def _revision(request: Request, _visitor: Visitor) -> Any:  # noqa: ANN401
    revision, verified = await designing.read_revision(node_of(request), request.path_params["id"])
    return {"revision": revision, "verified_manifests": verified}


async def _same(request: Request, _visitor: Visitor) -> Any:  # noqa: ANN401
    node = node_of(request)
    found = await same_shapes(node, await node.store.get(Revision, request.path_params["id"]))
    return {"same_shape": [{"id": one.id, "file": one.file_name} for one in found]}


async def _diff(request: Request, _visitor: Visitor) -> Any:  # noqa: ANN401
    return await designing.compare_revisions(node_of(request), request.path_params["id"], request.path_params["other"])


async def _attach(request: Request, visitor: Visitor) -> Any:  # noqa: ANN401
    content = await request.body()
    return await designing.attach(
        node_of(request), request.path_params["id"], content, _name(request), actor=visitor.id
    )


async def _plans(request: Request, _visitor: Visitor) -> Any:  # noqa: ANN401
    store, revision = node_of(request).store, request.path_params["id"]
    await store.get(Revision, revision)
    held = await store.find(ProcessPlan, revision=revision, limit=limit_of(request))
    return {"plans": sorted(held, key=lambda one: one.created_at, reverse=True)}


async def _draft(request: Request, visitor: Visitor) -> Any:  # noqa: ANN401
    node = node_of(request)
    revision = await node.store.get(Revision, request.path_params["id"])
    return await designing.draft(node, revision, await body_of(request, designing.Wanted), actor=visitor.id)


async def _plan(request: Request, _visitor: Visitor) -> Any:  # noqa: ANN401
    return await node_of(request).store.get(ProcessPlan, request.path_params["id"])


async def _change(request: Request, visitor: Visitor) -> Any:  # noqa: ANN401
    asked = await body_of(request, Changes)
    return await designing.change_plan(
        node_of(request), request.path_params["id"], asked.edits, why=asked.why, actor=visitor.id, by=visitor.name
    )


async def _fit(request: Request, _visitor: Visitor) -> Any:  # noqa: ANN401
    node = node_of(request)
    return {"matches": await designing.fit(node, await node.store.get(ProcessPlan, request.path_params["id"]))}


async def _keep(request: Request, visitor: Visitor) -> Any:  # noqa: ANN401
    asked = await body_of(request, Kept)
    return await designing.keep_template(
        node_of(request), request.path_params["id"], name=asked.name, why=asked.why, actor=visitor.id, by=visitor.name
    )


async def _templates(request: Request, _visitor: Visitor) -> Any:  # noqa: ANN401
    return {"templates": await node_of(request).store.find(PlanTemplate, limit=limit_of(request), newest=True)}


async def _apply(request: Request, visitor: Visitor) -> Any:  # noqa: ANN401
    asked = await body_of(request, Applied)
    return await designing.use_template(
        node_of(request), request.path_params["id"], asked.plan, actor=visitor.id, by=visitor.name
    )


async def _learnt(request: Request, _visitor: Visitor) -> Any:  # noqa: ANN401
    return {"calibrations": await designing.calibrations(node_of(request)), "rules": RULES}


ROUTES: tuple[Entry, ...] = (
    # method, path, act of access.MAY, handler
    ("POST", "/studies", "draw", _study),
    ("GET", "/studies", "read", _studies),
    ("GET", "/studies/{id}", "read", _one_study),
    ("POST", "/studies/{id}/cancel", "draw", _cancel),
    ("GET", "/designs", "read", _revisions),
    ("GET", "/designs/{id}", "read", _revision),
    ("GET", "/designs/{id}/same", "read", _same),
    ("GET", "/designs/{id}/diff/{other}", "read", _diff),
    ("POST", "/designs/{id}/files", "draw", _attach),
    ("GET", "/designs/{id}/plans", "read", _plans),
    ("POST", "/designs/{id}/plans", "draw", _draft),
    ("GET", "/process-plans/{id}", "read", _plan),
    ("POST", "/process-plans/{id}/changes", "draw", _change),
    ("GET", "/process-plans/{id}/fit", "read", _fit),
    ("POST", "/process-plans/{id}/template", "draw", _keep),
    ("GET", "/templates", "read", _templates),
    ("POST", "/templates/{id}/apply", "draw", _apply),
    ("GET", "/calibrations", "read", _learnt),
)
