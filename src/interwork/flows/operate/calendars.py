"""Shift calendars, what is said of a machine as a work unit, and addresses people saved."""

import math
from datetime import time

import msgspec

from interwork.core.errors import BadInput, Refused
from interwork.core.event import Tag
from interwork.core.ids import derived_id, new_id
from interwork.core.operating import SavedView, Shift, ShiftCalendar, WorkUnit
from interwork.core.resource import Resource
from interwork.flows.node import Node
from interwork.flows.operate.drafts import CalendarDraft, ShiftDraft, UnitDraft
from interwork.flows.operate.inputs import machines, unit_of
from interwork.store import Change
from interwork.stream.insight.calendar import check

VIEWS_MAX = 200


async def make_calendar(node: Node, draft: CalendarDraft, *, actor: str) -> ShiftCalendar:
    """Record a shift calendar under its name and let machines work by it."""
    if not 1 <= len(draft.name.strip()) <= 100:
        raise BadInput("A calendar needs a name of 1 to 100 characters.")
    calendar = ShiftCalendar(
        id=derived_id("calendar", draft.name.strip()),
        name=draft.name.strip(),
        zone=draft.zone,
        shifts=tuple(_shift(one) for one in draft.shifts),
        closed=draft.closed,
    )
    check(calendar)
    change = Change(actor).put(calendar).event(Tag.CALENDAR_RECORDED, calendar.id, name=calendar.name)
    for identifier in draft.resources or [one.id for one in await machines(node)]:
        resource = await node.store.get(Resource, identifier)
        change.put(msgspec.structs.replace(await unit_of(node, resource.id), calendar=calendar.id))
    await node.store.commit(change)
    return calendar


def _shift(draft: ShiftDraft) -> Shift:
    return Shift(
        name=draft.name,
        start=_time(draft.name, draft.start),
        end=_time(draft.name, draft.end),
        days=draft.days,
        breaks=tuple((_time(draft.name, one), _time(draft.name, other)) for one, other in draft.breaks),
    )


def _time(name: str, text: str) -> time:
    """Read a time of day; it is the calendar's zone that says where."""
    try:
        found = time.fromisoformat(text.strip())
    except ValueError:
        found = None
    if found is None or found.tzinfo is not None:
        raise BadInput(f"Shift {name[:40]!r}: {text[:20]!r} is no time of day.", remedy="Write it as 06:00.")
    return found


async def set_unit(node: Node, resource_id: str, draft: UnitDraft, *, actor: str) -> WorkUnit:
    """Record what a person says of a machine as a work unit; what is left out stays."""
    resource = await node.store.get(Resource, resource_id)
    given = {name: value for name in UnitDraft.__struct_fields__ if (value := getattr(draft, name)) is not None}
    numbers = [value for value in given.values() if isinstance(value, float)]
    if any(not math.isfinite(one) or one < 0 for one in numbers):
        raise BadInput("Times and masses are finite and not negative.")
    unit = msgspec.structs.replace(await unit_of(node, resource.id), **given)
    if unit.product_kg > unit.input_kg:
        raise BadInput(f"A part of {unit.product_kg} kg cannot come from {unit.input_kg} kg of material.")
    if unit.calendar:
        await node.store.get(ShiftCalendar, unit.calendar)
    change = Change(actor).put(unit).event(Tag.WORK_UNIT_RECORDED, resource.id, **given)
    await node.store.commit(change)
    return unit


async def save_view(node: Node, name: str, address: str, *, owner: str, is_shared: bool) -> SavedView:
    """Keep an address of the portal under a name."""
    if not 1 <= len(name.strip()) <= 100:
        raise BadInput("A view needs a name of 1 to 100 characters.")
    if not address.startswith("/") or address.startswith("//") or len(address) > 2000:
        raise BadInput("Only a page of this node can be saved.")
    if await node.store.count(SavedView, owner=owner) >= VIEWS_MAX:
        raise BadInput(f"There are {VIEWS_MAX} saved views already.", remedy="Remove some first.")
    view = SavedView(
        id=new_id("view"), name=name.strip(), address=address, owner=owner, is_shared=is_shared, at=node.clock()
    )
    await node.store.commit(Change(owner).put(view))
    return view


async def remove_view(node: Node, identifier: str, *, owner: str) -> None:
    """Remove a view one has saved oneself."""
    view = await node.store.get(SavedView, identifier)
    if view.owner != owner:
        raise Refused("This view was saved by somebody else.", rule="a saved view belongs to who saved it")
    await node.store.commit(Change(owner).delete(SavedView, view.id))


async def views_of(node: Node, owner: str) -> list[SavedView]:
    """List the views a person saved, and those others share."""
    found = await node.store.find(SavedView, limit=5000)
    return sorted((one for one in found if one.owner == owner or one.is_shared), key=lambda one: one.name.lower())
