"""Shift calendars: when people plan to work, which machines follow it, seen and edited on one page."""

from dataclasses import dataclass
from datetime import date, time

from starlette.datastructures import FormData
from starlette.requests import Request
from starlette.responses import RedirectResponse, Response

from interwork.core.errors import BadInput
from interwork.core.operating import Shift, ShiftCalendar
from interwork.core.resource import Resource
from interwork.flows.operate import calendars, drafts
from interwork.flows.operate.inputs import machines, unit_of
from interwork.web.access import MAY, node_of, require
from interwork.web.render import render
from interwork.web.words import mark

ROWS_SPARE, ROWS_MOST = 2, 8
"""Empty rows a person can fill in, and the rows of the form at the most."""
# fmt: off
DAYS = (mark("Mon"), mark("Tue"), mark("Wed"), mark("Thu"), mark("Fri"), mark("Sat"), mark("Sun"))
# fmt: on
USUAL = (time(6), time(14))


@dataclass(frozen=True, slots=True, kw_only=True)
class Shifts:
    """What the page shows."""

    calendars: tuple[ShiftCalendar, ...]
    edited: ShiftCalendar | None
    machines: tuple[Resource, ...]
    works: dict[str, str]
    """The calendar each machine works by; empty where all its time is planned."""
    rows: tuple[Shift | None, ...]


async def index(request: Request) -> Response:
    """Show the calendars, and one of them to be edited."""
    await require(request, *MAY["read"])
    node = node_of(request)
    held = sorted(await node.store.find(ShiftCalendar, limit=200), key=lambda one: one.name.lower())
    wanted = request.query_params.get("calendar", held[0].id if held else "")
    edited = next((one for one in held if one.id == wanted), None)
    own = await machines(node)
    shifts = edited.shifts[:ROWS_MOST] if edited else ()
    spare = max(0, min(ROWS_SPARE, ROWS_MOST - len(shifts)))
    view = Shifts(
        calendars=tuple(held),
        edited=edited,
        machines=tuple(own),
        works={one.id: (await unit_of(node, one.id)).calendar for one in own},
        rows=(*shifts, *([None] * spare)),
    )
    return await render(request, "plant/shifts.html", view=view, days=DAYS, usual=USUAL)


async def act(request: Request) -> Response:
    """Record a calendar as it was typed; a machine that is no longer ticked has all its time planned again."""
    visitor = await require(request, *MAY["operate"])
    node, form = node_of(request), await request.form()
    chosen = tuple(str(one) for one in form.getlist("machine"))
    draft = drafts.CalendarDraft(
        name=_text(form, "name"),
        zone=_text(form, "zone") or "UTC",
        shifts=tuple(_shifts(form)),
        closed=tuple(_closed(_text(form, "closed"))),
        resources=chosen,
    )
    if not chosen:
        raise BadInput("No machine works by this calendar.", remedy="Tick at least one machine.")
    made = await calendars.make_calendar(node, draft, actor=visitor.id)
    for one in await machines(node):
        if one.id not in chosen and (await unit_of(node, one.id)).calendar == made.id:
            await calendars.set_unit(node, one.id, drafts.UnitDraft(calendar=""), actor=visitor.id)
    return RedirectResponse(f"/plant/shifts?calendar={made.id}", status_code=303)


def _text(form: FormData, name: str) -> str:
    value = form.get(name, "")
    return value.strip() if isinstance(value, str) else ""


def _shifts(form: FormData) -> list[drafts.ShiftDraft]:
    """Read the rows that have a name; BadInput names the shift that is wrong."""
    found = []
    for row in range(ROWS_MOST):
        name = _text(form, f"name{row}")
        if not name:
            continue
        pause = (_text(form, f"from{row}"), _text(form, f"to{row}"))
        found.append(
            drafts.ShiftDraft(
                name=name[:100],
                start=_text(form, f"start{row}"),
                end=_text(form, f"end{row}"),
                days=tuple(day for day in range(7) if f"day{row}-{day}" in form),
                breaks=(pause,) if any(pause) else (),
            )
        )
    return found


def _closed(text: str) -> list[date]:
    found = []
    for part in text.replace(",", " ").split():
        try:
            found.append(date.fromisoformat(part))
        except ValueError as fault:
            raise BadInput(f"{part[:20]!r} is no day.", remedy="Write closed days as 2026-12-24.") from fault
    return found
