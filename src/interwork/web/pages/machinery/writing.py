"""Write-back on a page: which points of a machine may be written, asking, confirming, and what became of it."""

import math

from starlette.requests import Request
from starlette.responses import RedirectResponse, Response

from interwork.core.blueprint import CommandState, WriteCommand, WritePoint
from interwork.core.errors import BadInput
from interwork.core.organisation import Account
from interwork.core.resource import Resource, Signal
from interwork.flows import write_back
from interwork.flows.write_back import Ask, Person, PointDraft
from interwork.web.access import MAY, node_of, require
from interwork.web.live import sample_of
from interwork.web.render import render

COMMANDS = 30


async def show(request: Request) -> Response:
    """Show a machine's points and commands."""
    await require(request, *MAY["read"])
    node = node_of(request)
    resource = await node.store.get(Resource, request.path_params["id"])
    points = {one.signal: one for one in await node.store.find(WritePoint, resource=resource.id, limit=1_000)}
    signals = await node.store.find(Signal, resource=resource.id, limit=1_000)
    commands = await node.store.find(WriteCommand, resource=resource.id, limit=COMMANDS, newest=True)
    names = {one.id: one.name for one in await node.store.find(Account, limit=500)}
    return await render(
        request,
        "write.html",
        resource=resource,
        points=[(points[one.id], sample_of(node.live, one)) for one in signals if one.id in points],
        closed=sorted((one for one in signals if one.id not in points and not one.is_text), key=lambda one: one.name),
        commands=commands,
        signals={one.id: one for one in signals},
        people=names,
        asked=CommandState.ASKED,
    )


async def act(request: Request) -> Response:
    """Ask for a value, confirm what a colleague asked for, permit a point or close it."""
    node = node_of(request)
    asked = str((await request.form()).get("act", ""))
    visitor = await require(request, *MAY["administer" if asked in ("permit", "close") else "operate"])
    form = {name: value for name, value in (await request.form()).items() if isinstance(value, str)}
    person = Person(id=visitor.id, role=visitor.role)
    signal = form.get("signal", "")
    if asked == "ask":
        wanted = Ask(value=_number(form, "value"), reason=form.get("reason", ""))
        await write_back.ask(node, signal, wanted, person)
    elif asked == "confirm":
        await write_back.confirm(node, form.get("command", ""), person)
    elif asked == "permit":
        draft = PointDraft(
            low=_number(form, "low"),
            high=_number(form, "high"),
            max_change=_number(form, "max_change", 0.0),
            min_interval_s=_number(form, "min_interval_s", 1.0),
            expires_s=_number(form, "expires_s", 60.0),
            needs_second="needs_second" in form,
        )
        await write_back.permit(node, signal, draft, actor=visitor.id)
    elif asked == "close":
        await write_back.close(node, signal, actor=visitor.id)
    else:
        raise BadInput(f"{asked[:40]!r} is nothing this page can do.", remedy="Use one of its forms.")
    return RedirectResponse(f"/machines/{request.path_params['id']}/write", status_code=303)


def _number(form: dict[str, str], name: str, default: float | None = None) -> float:
    text = form.get(name, "").strip()
    if not text and default is not None:
        return default
    try:
        value = float(text)
    except ValueError as fault:
        raise BadInput(f"{name} is {text[:40]!r}.", remedy="Give a number.") from fault
    if not math.isfinite(value):
        raise BadInput(f"{name} is {text[:40]!r}.", remedy="Give a finite number.")
    return value
