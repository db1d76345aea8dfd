"""The API of quality: inspection results, capability, first articles, gauge studies, nonconformances."""

from typing import Any

from starlette.requests import Request

from interwork.core.design import Revision
from interwork.core.errors import BadInput
from interwork.core.making import GaugeStudy, Nonconformance, QualityRecord
from interwork.design.quality import Raised, Worked, study
from interwork.flows.rnd import measuring, quality
from interwork.web.access import Visitor, node_of
from interwork.web.api.reading import Entry, body_of, limit_of


async def _records(request: Request, _visitor: Visitor) -> Any:  # noqa: ANN401 - any JSON
    held = await node_of(request).store.find(QualityRecord, limit=limit_of(request), newest=True)
    return {"records": held}


async def _record(request: Request, visitor: Visitor) -> Any:  # noqa: ANN401
    name = request.query_params.get("name", "").strip()
    if not name:
        raise BadInput("The file has no name.", where="name", remedy="Give it, as ?name=results.qif.")
    revision = request.query_params.get("revision", "")
    content = await request.body()
    return await quality.record_results(node_of(request), content, name, actor=visitor.id, revision=revision)


async def _typed(request: Request, visitor: Visitor) -> Any:  # noqa: ANN401
    typed = await body_of(request, measuring.Typed)
    return await measuring.record_typed(node_of(request), typed, actor=visitor.id)


async def _one_record(request: Request, _visitor: Visitor) -> Any:  # noqa: ANN401
    held, found = await quality.judged(node_of(request), request.path_params["id"])
    return {"record": held, "characteristics": found}


async def _as_made(request: Request, _visitor: Visitor) -> Any:  # noqa: ANN401
    node = node_of(request)
    return {"characteristics": await quality.as_made(node, await node.store.get(Revision, request.path_params["id"]))}


async def _article(request: Request, visitor: Visitor) -> Any:  # noqa: ANN401
    return await quality.first_article(node_of(request), request.path_params["id"], by=visitor.name)


async def _gauges(request: Request, _visitor: Visitor) -> Any:  # noqa: ANN401
    held = await node_of(request).store.find(GaugeStudy, limit=limit_of(request), newest=True)
    return {"studies": [{"study": one, "found": study(one)} for one in held]}


async def _gauge(request: Request, visitor: Visitor) -> Any:  # noqa: ANN401
    held, found = await quality.study_gauge(
        node_of(request), await body_of(request, quality.GaugeDraft), actor=visitor.id
    )
    return {"study": held, "found": found}


async def _nonconformances(request: Request, _visitor: Visitor) -> Any:  # noqa: ANN401
    held = await node_of(request).store.find(Nonconformance, limit=limit_of(request), newest=True)
    return {"nonconformances": held}


async def _raise(request: Request, visitor: Visitor) -> Any:  # noqa: ANN401
    raised = await body_of(request, Raised)
    return await quality.raise_nonconformance(node_of(request), raised, actor=visitor.id, by=visitor.name)


async def _work(request: Request, visitor: Visitor) -> Any:  # noqa: ANN401
    worked, identifier = await body_of(request, Worked), request.path_params["id"]
    return await quality.work_on(node_of(request), identifier, worked, actor=visitor.id, by=visitor.name)


ROUTES: tuple[Entry, ...] = (
    # method, path, act of access.MAY, handler
    ("GET", "/quality", "read", _records),
    ("POST", "/quality", "operate", _record),
    ("POST", "/quality/typed", "operate", _typed),
    ("GET", "/quality/{id}", "read", _one_record),
    ("GET", "/designs/{id}/as-made", "read", _as_made),
    ("GET", "/designs/{id}/first-article", "read", _article),
    ("GET", "/gauges", "read", _gauges),
    ("POST", "/gauges", "operate", _gauge),
    ("GET", "/nonconformances", "read", _nonconformances),
    ("POST", "/nonconformances", "operate", _raise),
    ("POST", "/nonconformances/{id}", "operate", _work),
)
