"""A planned job meets events: what was told, the proposals with their price, and the trade of its plan."""

from dataclasses import dataclass

from starlette.datastructures import FormData
from starlette.requests import Request
from starlette.responses import RedirectResponse, Response

from interwork.core.clock import parse_moment
from interwork.core.errors import BadInput
from interwork.core.making import Job
from interwork.core.planning import Disturbance, DisturbanceKind, Mode, Plan, Proposal, Quote
from interwork.flows import insight, replan
from interwork.flows.replan.deciding import CHANGEABLE
from interwork.web.access import MAY, node_of, require
from interwork.web.pages.fields import number_of, text_of
from interwork.web.render import render


@dataclass(frozen=True, slots=True, kw_only=True)
class ReplanView:
    """One job with what happened to it."""

    job: Job
    events: tuple[Disturbance, ...]
    names: dict[str, str]
    """Providers and machines by id."""
    machines: tuple[Mode, ...]
    """One mode of each machine quoted."""
    proposals: tuple[Proposal, ...]
    plans: dict[str, Plan]
    is_changeable: bool


async def show(request: Request) -> Response:
    """Show the events of a job and the proposals made for them."""
    await require(request, *MAY["read"])
    node = node_of(request)
    job = await node.store.get(Job, request.path_params["id"])
    quotes = await node.store.find(Quote, need=job.need, limit=200) if job.need else []
    modes = [mode for quote in quotes for mode in quote.modes]
    names = {one.provider: one.provider_name for one in modes} | {one.resource: one.resource_name for one in modes}
    machines = {(one.provider, one.resource): one for one in modes}
    proposals = await node.store.find(Proposal, job=job.id, limit=20, newest=True)
    plans = {one.after: await node.store.get(Plan, one.after) for one in proposals}
    events = await node.store.find(Disturbance, job=job.id, limit=100)
    view = ReplanView(
        job=job,
        events=tuple(sorted(events, key=lambda one: one.since)),
        names=names,
        machines=tuple(sorted(machines.values(), key=lambda one: (one.provider_name, one.resource_name))),
        proposals=tuple(sorted(proposals, key=lambda one: one.created_at, reverse=True)),
        plans=plans,
        is_changeable=bool(job.plan) and job.step in CHANGEABLE,
    )
    return await render(request, "allocation/replan.html", view=view, kinds=tuple(DisturbanceKind))


async def act(request: Request) -> Response:
    """Tell an event and ask for a proposal, or decide on one."""
    visitor = await require(request, *MAY["draw"])
    node, form, job = node_of(request), await request.form(), request.path_params["id"]
    what, proposal = text_of(form, "act"), text_of(form, "proposal")
    deciding = {"accept": replan.accept, "undo": replan.undo, "decline": replan.decline}
    if what in deciding:
        await deciding[what](node, proposal, actor=visitor.id, by=visitor.name)
    else:
        if what == "tell":
            await replan.tell(node, job, _told(form), actor=visitor.id)
        await replan.propose(node, job, stability=number_of(form, "stability"), actor=visitor.id)
    return RedirectResponse(f"/jobs/{job}/replan", status_code=303)


def _told(form: FormData) -> replan.Told:
    provider, _, resource = text_of(form, "where").partition("|")
    kind, until = text_of(form, "kind"), text_of(form, "until")
    if kind not in tuple(DisturbanceKind):
        raise BadInput(f"{kind!r} is nothing that happens to a plan.", where="kind")
    return replan.Told(
        kind=DisturbanceKind(kind),
        provider=provider,
        resource=resource,
        since=parse_moment(text_of(form, "since") or "+0h"),
        until=parse_moment(until) if until else None,
        note=text_of(form, "note"),
    )


async def trade(request: Request) -> Response:
    """Compute the trade of a plan, or take one of its points."""
    visitor = await require(request, *MAY["draw"])
    node, form, plan = node_of(request), await request.form(), request.path_params["id"]
    chosen = text_of(form, "choose")
    if chosen:
        await insight.choose(node, chosen, actor=visitor.id, by=visitor.name)
        return RedirectResponse(f"/plans/{chosen}#trade", status_code=303)
    await insight.trade(node, plan, actor=visitor.id)
    return RedirectResponse(f"/plans/{plan}#trade", status_code=303)
