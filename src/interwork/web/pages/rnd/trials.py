"""Trials: campaigns, what to try next, what came of it, and the decision."""

from starlette.datastructures import FormData
from starlette.requests import Request
from starlette.responses import RedirectResponse, Response

from interwork.core.design import ProcessPlan, Revision
from interwork.core.errors import BadInput
from interwork.core.making import Campaign, Goal, Parameter, Run, RunState
from interwork.design.trials import best
from interwork.flows.designing.planning import newest_version
from interwork.flows.node import Node
from interwork.flows.rnd import applying, trialling
from interwork.flows.rnd.applying import candidates
from interwork.web.access import MAY, Visitor, node_of, require
from interwork.web.pages.fields import number, number_of, text_of, whole_of
from interwork.web.render import render

LISTED_MAX = 200


async def index(request: Request) -> Response:
    """List the campaigns, and begin one."""
    await require(request, *MAY["read"])
    node = node_of(request)
    held = await node.store.find(Campaign, limit=LISTED_MAX, newest=True)
    plans = await _plans(node)
    return await render(request, "rnd/trials.html", campaigns=held, all=await node.store.count(Campaign), plans=plans)


async def _plans(node: Node) -> list[tuple[str, str]]:
    """List the newest versions of the process plans held here, with what a person knows them by."""
    held = await node.store.find(ProcessPlan, limit=LISTED_MAX, newest=True)
    before = {one.supersedes for one in held}
    files = {one.id: one.file_name for one in await node.store.find(Revision, limit=1000)}
    kept = [one for one in held if one.id not in before]
    return [
        (one.id, f"{files.get(one.revision, one.revision)}, {one.quantity} × {one.material}, v{one.version}")
        for one in kept
    ]


async def begin(request: Request) -> Response:
    """Begin a campaign from the form: one setting and one goal per line."""
    visitor = await require(request, *MAY["draw"])
    form = await request.form()
    draft = trialling.CampaignDraft(
        title=text_of(form, "title"),
        parameters=tuple(_parameter(words) for words in _lines(form, "settings")),
        goals=tuple(_goal(words) for words in _lines(form, "goals")),
        process_plan=text_of(form, "plan"),
    )
    campaign = await trialling.begin(node_of(request), draft, actor=visitor.id)
    return RedirectResponse(f"/trials/{campaign.id}", status_code=303)


def _lines(form: FormData, name: str) -> list[list[str]]:
    return [line.split() for line in text_of(form, name).splitlines() if line.strip()]


def _parameter(words: list[str]) -> Parameter:
    if not 3 <= len(words) <= 4:
        raise BadInput(f"{' '.join(words)[:60]!r} is no setting.", remedy="Write: feed 200 900 mm/min")
    return Parameter(
        name=words[0], low=number(words[1], words[0]), high=number(words[2], words[0]), unit=" ".join(words[3:])
    )


def _goal(words: list[str]) -> Goal:
    figures = [number(one, words[0]) for one in words[1:] if one != "max"]
    if len(figures) not in (0, 2):
        raise BadInput(
            f"{' '.join(words)[:60]!r} is no goal.",
            remedy="Give the best and the worst value, or none: cpk 1.67 1.33 max",
        )
    ends = {"best": figures[0], "worst": figures[1]} if figures else {}
    return Goal(name=words[0], is_maximised="max" in words[1:], **ends)


async def show(request: Request) -> Response:
    """Show one campaign."""
    await require(request, *MAY["read"])
    node = node_of(request)
    held = await node.store.get(Campaign, request.path_params["id"])
    made = await node.store.find(Run, state=RunState.COMPLETED, limit=50, newest=True)
    known = await node.store.peek(ProcessPlan, held.process_plan) if held.process_plan else None
    plan = await newest_version(node, known.id) if known else None
    return await render(
        request,
        "rnd/trial.html",
        campaign=held,
        best=best(held),
        runs=made,
        plan=plan,
        operations=candidates(plan) if plan else (),
    )


async def _apply(node: Node, identifier: str, form: FormData, visitor: Visitor) -> Response:
    campaign = await node.store.get(Campaign, identifier)
    said = {one.name: text_of(form, f"on.{one.name}") for one in campaign.parameters}
    asked = applying.Applied(
        trial=whole_of(form, "trial", 0.0),
        operations={name: operation for name, operation in said.items() if operation},
        why=text_of(form, "why"),
    )
    plan = await applying.apply_trial(node, identifier, asked, actor=visitor.id, by=visitor.name)
    return RedirectResponse(f"/designs/{plan.revision}#{plan.id}", status_code=303)


async def act(request: Request) -> Response:
    """Ask, tell, decide or put into the plan, as the form says."""
    form, node, identifier = await request.form(), node_of(request), request.path_params["id"]
    does = text_of(form, "act")
    visitor = await require(request, *MAY["operate" if does == "tell" else "draw"])
    if does == "ask":
        await trialling.ask(node, identifier, actor=visitor.id)
    elif does == "tell":
        held = await node.store.get(Campaign, identifier)
        measured = {one.name: number_of(form, f"m.{one.name}") for one in held.goals if text_of(form, f"m.{one.name}")}
        told = trialling.Told(measured=measured, run=text_of(form, "run"), note=text_of(form, "note"))
        await trialling.tell(node, identifier, whole_of(form, "trial", 0.0), told, actor=visitor.id)
    elif does == "decide":
        trial, why = whole_of(form, "trial", 0.0), text_of(form, "why")
        await trialling.decide(node, identifier, trial, why, actor=visitor.id, by=visitor.name)
    elif does == "apply":
        return await _apply(node, identifier, form, visitor)
    else:
        raise BadInput(f"{does[:20]!r} is nothing a campaign does.", remedy="Ask, tell, decide or apply.")
    return RedirectResponse(f"/trials/{identifier}", status_code=303)
