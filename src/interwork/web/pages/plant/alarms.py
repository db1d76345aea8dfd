"""Alarms: what needs somebody, what is shelved and until when, the operator's burden, and the rules behind it all."""

from dataclasses import dataclass
from datetime import datetime

from starlette.requests import Request
from starlette.responses import RedirectResponse, Response

from interwork.core.errors import BadInput
from interwork.core.event import Event, Tag
from interwork.core.operating import Alarm, AlarmRule, Condition, Priority
from interwork.core.organisation import Account
from interwork.core.resource import Resource, Signal
from interwork.flows.operate import alarms, rules
from interwork.stream.insight import Burden, Group
from interwork.web.access import MAY, Visitor, node_of, require
from interwork.web.render import render

JOURNAL_MAX = 40
SHELF_HOURS = (0.5, 1, 2, 4, 8, 24)
JOURNAL = tuple(tag for tag in Tag if tag.value.startswith(("stream:alarm:", "stream:alarm-rule:")))


@dataclass(frozen=True, slots=True, kw_only=True)
class Alarms:
    """What the page shows."""

    groups: tuple[Group, ...]
    hidden: tuple[Alarm, ...]
    rules: dict[str, AlarmRule]
    resources: dict[str, Resource]
    signals: tuple[Signal, ...]
    burden: Burden
    journal: tuple[Event, ...]
    people: dict[str, str]
    newest: datetime | None
    units: dict[str, str]
    """Of each rule's signal."""

    @property
    def standing(self) -> int:
        """Count the alarms that need somebody."""
        return sum(len(one.alarms) for one in self.groups)


async def index(request: Request) -> Response:
    """Show the alarms."""
    await require(request, *MAY["read"])
    node = node_of(request)
    groups, hidden = await alarms.present(node)
    held = {one.id: one for one in await node.store.find(AlarmRule, limit=rules.RULES_MAX)}
    resources = {one.id: one for one in await node.store.find(Resource, limit=10_000)}
    signals = await node.store.find(Signal, limit=5000)
    name_of = {one.id: one.name.lower() for one in resources.values()}
    held = dict(sorted(held.items(), key=lambda one: (name_of.get(one[1].resource, ""), one[1].name)))
    told = [event for tag in JOURNAL for event in await node.store.events(tag=tag, limit=JOURNAL_MAX, newest=True)]
    journal = sorted((one for one in told if not one.detail.get("automatic")), key=lambda one: -one.sequence)
    view = Alarms(
        groups=tuple(groups),
        hidden=tuple(hidden),
        rules=held,
        resources=resources,
        signals=tuple(sorted(signals, key=lambda one: (one.resource, one.name))),
        burden=await alarms.load(node),
        journal=tuple(journal[:JOURNAL_MAX]),
        people={one.id: one.name for one in await node.store.find(Account, limit=1000)},
        units={one.id: one.unit for one in signals},
        newest=max((one.changed_at for group in groups for one in group.alarms), default=None),
    )
    return await render(request, "plant/alarms.html", view=view, hours=SHELF_HOURS, priorities=list(reversed(Priority)))


async def act(request: Request) -> Response:
    """Do what a person asked for: acknowledge, shelve, bring back, take out of service, make or remove a rule."""
    visitor = await require(request, *MAY["operate"])
    form = {name: value.strip() for name, value in (await request.form()).items() if isinstance(value, str)}
    if form.get("act") == "make-rule":
        await rules.make_rule(node_of(request), rule_of(form), actor=visitor.id)
        return RedirectResponse("/alarms#rules", status_code=303)
    await _move(request, visitor, form)
    return RedirectResponse(f"/alarms#{'rules' if form.get('act') == 'remove-rule' else 'active'}", status_code=303)


async def _move(request: Request, visitor: Visitor, form: dict[str, str]) -> None:
    node, identifier, who = node_of(request), form.get("id", ""), {"actor": visitor.id, "name": visitor.name}
    match form.get("act"):
        case "acknowledge":
            await alarms.acknowledge(node, identifier, comment=form.get("reason", ""), **who)
        case "shelve":
            await alarms.shelve(node, identifier, hours=_number(form, "hours"), reason=form.get("reason", ""), **who)
        case "unshelve":
            await alarms.unshelve(node, identifier, actor=visitor.id)
        case "withdraw":
            await alarms.withdraw(node, identifier, reason=form.get("reason", ""), actor=visitor.id)
        case "reinstate":
            await alarms.reinstate(node, identifier, actor=visitor.id)
        case "remove-rule":
            await rules.remove_rule(node, identifier, actor=visitor.id)
        case other:
            raise BadInput(f"{str(other)[:40]!r} is nothing this page does.", remedy="Use the buttons of the page.")


def rule_of(form: dict[str, str]) -> rules.RuleDraft:
    """Read a rule as it was typed into the form."""
    condition = form.get("condition", "")
    if condition not in set(Condition):
        raise BadInput(f"{condition[:30]!r} is no condition.", remedy=f"Use one of {', '.join(Condition)}.")
    return rules.RuleDraft(
        name=form.get("name", ""),
        signal=form.get("signal", ""),
        condition=Condition(condition),
        limit=_number(form, "limit"),
        words=tuple(one.strip() for one in form.get("words", "").split(",") if one.strip()),
        deadband=_number(form, "deadband"),
        on_delay_s=_number(form, "on_delay_s"),
        off_delay_s=_number(form, "off_delay_s"),
        priority=Priority(int(_number(form, "priority") or 2))
        if form.get("priority") in ("1", "2", "3")
        else Priority.MEDIUM,
        consequence=form.get("consequence", "")[:500],
        action=form.get("action", "")[:500],
        suppressed_in=tuple(one.strip() for one in form.get("suppressed_in", "").split(",") if one.strip()),
    )


def _number(form: dict[str, str], name: str) -> float:
    text = form.get(name, "").replace(",", ".") or "0"
    try:
        return float(text)
    except ValueError as fault:
        raise BadInput(f"{name} is {text[:20]!r}, which is no number.", remedy="Write it as 12.5.") from fault
