"""Needs: what is wanted here and by others, recorded, published and collected; what became of this node's quotes."""

from datetime import timedelta

from starlette.datastructures import FormData
from starlette.requests import Request
from starlette.responses import RedirectResponse, Response

from interwork.core.clock import now, parse_moment
from interwork.core.design import Requirement
from interwork.core.errors import BadInput, PeerError
from interwork.core.exchange import Dataset, DatasetKind
from interwork.core.planning import Need, NeedKind
from interwork.core.taxonomy import MATERIALS, PROCESSES
from interwork.flows import insight
from interwork.flows.node import Node
from interwork.web.access import MAY, node_of, require
from interwork.web.pages.agreements import names_of
from interwork.web.pages.fields import number_of, text_of, whole_of
from interwork.web.render import render

LISTED_MAX = 200
DIGITS_MAX = 6


async def index(request: Request) -> Response:
    """List needs and outcomes, with the form for another need."""
    await require(request, *MAY["read"])
    node = node_of(request)
    fetched = request.query_params.get("fetched", "")[:DIGITS_MAX]
    offers = await node.store.find(Dataset, kind=DatasetKind.RECORD, is_withdrawn=False, limit=10_000)
    return await render(
        request,
        "allocation/needs.html",
        fetched=int(fetched) if fetched.isdecimal() else None,
        needs=await node.store.find(Need, limit=LISTED_MAX, newest=True),
        all=await node.store.count(Need),
        published={one.subject for one in offers},
        outcomes=(await insight.outcomes(node))[:LISTED_MAX],
        names=await names_of(node),
        kinds=tuple(NeedKind),
        processes=tuple(PROCESSES),
        materials=tuple(MATERIALS.values()),
        due=(now() + timedelta(days=30)).date().isoformat(),
    )


async def act(request: Request) -> Response:
    """Record a need, publish one, or collect what others published."""
    visitor = await require(request, *MAY["draw"])
    node, form = node_of(request), await request.form()
    does = text_of(form, "act")
    if does == "publish":
        await insight.publish_need(node, text_of(form, "need"), actor=visitor.id)
    elif does == "collect":
        return RedirectResponse(f"/needs?fetched={await _fetch(node)}", status_code=303)
    elif does == "record":
        made = await insight.record_need(node, _draft(form), actor=visitor.id)
        return RedirectResponse(f"/needs/{made.id}", status_code=303)
    else:
        raise BadInput(f"{does[:20]!r} is nothing a need does.", remedy="Use the buttons of the page.")
    return RedirectResponse("/needs", status_code=303)


async def _fetch(node: Node) -> int:
    """Fetch what others published and count it; PeerError names what could not be fetched."""
    away: list[str] = []
    taken = await insight.collect_needs(node, away)
    if away:
        raise PeerError(
            f"{len(taken)} needs were fetched; not fetched: {'; '.join(away)}", remedy="Fetch them again later."
        )
    return len(taken)


async def tell(request: Request) -> Response:
    """Tell every provider that quoted for a plan its own row; who could not be told is named."""
    visitor = await require(request, *MAY["draw"])
    plan = request.path_params["id"]
    told = await insight.tell_providers(node_of(request), plan, actor=visitor.id)
    untold = [f"{one.provider_name} ({one.fault})" for one in told if not one.is_told]
    if untold:
        raise PeerError(
            f"{len(told) - len(untold)} were told; not told: {'; '.join(untold)}", remedy="Tell them again later."
        )
    return RedirectResponse(f"/plans/{plan}#why", status_code=303)


def _draft(form: FormData) -> insight.NeedDraft:
    kind = text_of(form, "kind")
    if kind not in set(NeedKind):
        raise BadInput(f"{kind[:20]!r} is no kind of need.", where="kind", remedy=f"Use one of {', '.join(NeedKind)}.")
    certificate = text_of(form, "certificate")
    return insight.NeedDraft(
        kind=NeedKind(kind),
        title=text_of(form, "title"),
        due=parse_moment(text_of(form, "due")),
        quantity=whole_of(form, "quantity", 1.0),
        process=text_of(form, "process"),
        minutes=number_of(form, "minutes", 60.0),
        material=text_of(form, "material"),
        requirements=(Requirement(name="certificate", value=certificate, source="stated"),) if certificate else (),
        budget_eur=number_of(form, "budget") if text_of(form, "budget") else None,
    )
