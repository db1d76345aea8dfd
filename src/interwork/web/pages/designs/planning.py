"""What forms of a design's page do with plans: draft one, change it, keep it as a template."""

import re

import msgspec
from starlette.datastructures import FormData
from starlette.requests import Request
from starlette.responses import RedirectResponse, Response

from interwork.core.design import Operation, ProcessPlan, Requirement, Revision, Setting
from interwork.core.errors import BadInput
from interwork.core.units import SYMBOLS
from interwork.design.making.editing import Edit
from interwork.flows import designing
from interwork.web.access import MAY, node_of, require
from interwork.web.pages.fields import number, number_of, text_of, whole_of

_SETTING = re.compile(r"(?P<name>\S.{0,79}?)\s+(?P<value>[-+]?[\d.,]+(?:[eE][-+]?\d+)?)\s*(?P<unit>\S{0,20})")
_CODES = {shown: code for code, shown in SYMBOLS.items() if shown}
"""UCUM codes by how they are shown to people."""


async def draft(request: Request) -> Response:
    """Draft a plan for what the form asks."""
    visitor = await require(request, *MAY["draw"])
    node, form = node_of(request), await request.form()
    revision = await node.store.get(Revision, request.path_params["id"])
    thickness, body = text_of(form, "thickness_mm"), text_of(form, "body")
    wanted = designing.Wanted(
        material=text_of(form, "material"),
        quantity=whole_of(form, "quantity"),
        tolerance_mm=number_of(form, "tolerance_mm"),
        process_class=text_of(form, "process_class"),
        thickness_mm=number_of(form, "thickness_mm") if thickness else None,
        body=whole_of(form, "body") if body else None,
        template=text_of(form, "template"),
    )
    plan = await designing.draft(node, revision, wanted, actor=visitor.id)
    return RedirectResponse(f"/designs/{revision.id}#{plan.id}", status_code=303)


async def act_on_plan(request: Request) -> Response:
    """Save a changed plan as its next version, or keep it as a template."""
    visitor = await require(request, *MAY["draw"])
    node, form = node_of(request), await request.form()
    revision, identifier = request.path_params["id"], request.path_params["plan"]
    if text_of(form, "act") == "keep":
        name, why = text_of(form, "name"), text_of(form, "why")
        await designing.keep_template(node, identifier, name=name, why=why, actor=visitor.id, by=visitor.name)
        return RedirectResponse(f"/designs/{revision}#templates", status_code=303)
    plan = await node.store.get(ProcessPlan, identifier)
    edits = read_edits(form, plan)
    made = await designing.change_plan(
        node, plan.id, edits, why=text_of(form, "why"), actor=visitor.id, by=visitor.name
    )
    return RedirectResponse(f"/designs/{revision}#{made.id}", status_code=303)


def read_edits(form: FormData, plan: ProcessPlan) -> tuple[Edit, ...]:
    """Read what is different in the form from the plan it was made of."""
    edits: list[Edit] = []
    for one in plan.operations:
        edits += _changed(form, one)
    removed = [one for one in plan.operations if text_of(form, f"remove-{one.id}")]
    edits += [Edit(act="remove", operation=one.id) for one in removed]
    edits += _moves(form, [one.id for one in plan.operations if one not in removed], plan)
    if text_of(form, "new-name"):
        after = text_of(form, "new-after")
        edits.append(
            Edit(
                act="add",
                name=text_of(form, "new-name"),
                process=text_of(form, "new-process"),
                seconds=number_of(form, "new-seconds"),
                operation=after,
            )
        )
    return tuple(edits)


def _changed(form: FormData, one: Operation) -> list[Edit]:
    if text_of(form, f"remove-{one.id}"):
        return []
    name, process = text_of(form, f"name-{one.id}") or one.name, text_of(form, f"process-{one.id}") or one.process
    seconds = number_of(form, f"seconds-{one.id}") if text_of(form, f"seconds-{one.id}") else one.machining_s
    wanted, settings = _tolerance(form, one), _settings(form, one)
    unset = tuple(each.name for each in one.settings if each.name not in {new.name for new in settings})
    is_set_anew = settings != one.settings
    if (name, process, seconds) == (one.name, one.process, one.machining_s) and not wanted and not is_set_anew:
        return []
    edit = Edit(act="change", operation=one.id, name=name, process=process, requirements=wanted)
    if is_set_anew:
        edit = msgspec.structs.replace(edit, settings=settings, unset=unset)
    return [edit if seconds == one.machining_s else msgspec.structs.replace(edit, seconds=seconds)]


def _tolerance(form: FormData, one: Operation) -> tuple[Requirement, ...]:
    field = f"tolerance-{one.id}"
    if not text_of(form, field):
        return ()
    held = next((each.value for each in one.requirements if each.name == "tolerance_mm"), None)
    value = number_of(form, field)
    return () if value == held else (Requirement(name="tolerance_mm", value=value, source="typed by a person"),)


def _settings(form: FormData, one: Operation) -> tuple[Setting, ...]:
    """Read what the machine is to be set to, as `feed 900 mm/min; speed 8000 rpm`; not in the form = as held."""
    field = f"settings-{one.id}"
    if field not in form:
        return one.settings
    found = []
    for text in text_of(form, field).split(";"):
        if not text.strip():
            continue
        parts = _SETTING.fullmatch(text.strip())
        if parts is None:
            raise BadInput(
                f"{text.strip()[:60]!r} is no setting.", where=one.name, remedy="Write: feed 900 mm/min; speed 8000 rpm"
            )
        unit = _CODES.get(parts["unit"], parts["unit"])
        found.append(Setting(name=parts["name"], value=number(parts["value"], parts["name"]), unit=unit))
    return tuple({one.name: one for one in found}.values())


def _moves(form: FormData, kept: list[str], plan: ProcessPlan) -> list[Edit]:
    """Turn the places typed beside the operations into moves, first place first."""
    numbers = {one.id: place for place, one in enumerate(plan.operations, 1)}
    wanted = {one: number_of(form, f"place-{one}") if text_of(form, f"place-{one}") else numbers[one] for one in kept}
    if any(not 1 <= place <= len(plan.operations) for place in wanted.values()):
        raise BadInput(f"A place is 1 to {len(plan.operations)}.", where="place", remedy="Number the operations anew.")
    order = sorted(kept, key=lambda one: (wanted[one], wanted[one] >= numbers[one], numbers[one]))
    now, moves = list(kept), []
    for place, one in enumerate(order):
        if now[place] != one:
            now.remove(one)
            now.insert(place, one)
            moves.append(Edit(act="move", operation=one, to=place + 1))
    return moves
