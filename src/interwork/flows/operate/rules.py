"""Alarm rules: those a person makes, and the two the node makes by itself for every connected machine."""

import math

import msgspec

from interwork.core.errors import BadInput
from interwork.core.event import Tag
from interwork.core.ids import derived_id, new_id
from interwork.core.operating import Alarm, AlarmRule, Condition, Priority
from interwork.core.resource import Meaning, Resource, Signal
from interwork.flows.node import Node
from interwork.flows.operate.inputs import machines
from interwork.store import Change

RULES_MAX = 10_000
SECONDS_MAX = 86_400.0
FAULTS = ("FAULT", "ABORTED", "ABORTING", "EMERGENCY_STOP")


class RuleDraft(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """What a person says of an alarm; what is left out keeps its default."""

    name: str
    signal: str = ""
    resource: str = ""
    condition: Condition
    limit: float = 0.0
    words: tuple[str, ...] = ()
    deadband: float = 0.0
    on_delay_s: float = 0.0
    off_delay_s: float = 0.0
    priority: Priority = Priority.MEDIUM
    consequence: str = ""
    action: str = ""
    suppressed_in: tuple[str, ...] = ()


async def make_rule(node: Node, draft: RuleDraft, *, actor: str, identifier: str = "") -> AlarmRule:
    """Record an alarm rule; with the id of one that is there, change it."""
    signal = await node.store.get(Signal, draft.signal) if draft.signal else None
    resource = await node.store.get(Resource, signal.resource if signal else draft.resource)
    _check(draft, signal)
    fields = {name: getattr(draft, name) for name in RuleDraft.__struct_fields__ if name not in {"resource", "name"}}
    rule = AlarmRule(
        id=identifier or new_id("alarmrule"),
        name=draft.name.strip(),
        resource=resource.id,
        by=actor,
        at=node.clock(),
        **fields,
    )
    if identifier:
        await node.store.get(AlarmRule, identifier)
    change = Change(actor).put(rule)
    change.event(Tag.ALARM_RULE_RECORDED, rule.id, name=rule.name, resource=rule.resource, limit=rule.limit)
    await node.store.commit(change)
    return rule


def _check(draft: RuleDraft, signal: Signal | None) -> None:
    if not 1 <= len(draft.name.strip()) <= 200:
        raise BadInput("An alarm needs a name of 1 to 200 characters.")
    numbers = (draft.limit, draft.deadband, draft.on_delay_s, draft.off_delay_s)
    if not all(math.isfinite(one) for one in numbers) or min(numbers[1:]) < 0 or max(numbers[2:]) > SECONDS_MAX:
        raise BadInput(
            f"The limit, deadband and delays {numbers} do not make an alarm.",
            remedy=f"Give finite numbers; deadband and delays are 0 or more, delays up to {SECONDS_MAX:.0f} s.",
        )
    if signal is None and draft.condition is not Condition.STALE:
        raise BadInput("Only an alarm of silence can be about a whole machine.", remedy="Name a signal.")
    if draft.condition is Condition.STATE and not draft.words:
        raise BadInput("An alarm on a state needs the words that raise it.", remedy="Give them, as FAULT.")
    if signal is not None and signal.is_text is (draft.condition in (Condition.ABOVE, Condition.BELOW)):
        said = "words" if signal.is_text else "numbers"
        if draft.condition is not Condition.STALE:
            raise BadInput(f"{signal.name} says {said}, which {draft.condition} does not compare.")


async def remove_rule(node: Node, identifier: str, *, actor: str) -> None:
    """Remove an alarm rule with its alarm; an automatic one stays away."""
    rule = await node.store.get(AlarmRule, identifier)
    change = Change(actor).delete(AlarmRule, rule.id).delete(Alarm, alarm_id(rule))
    await node.store.commit(change.event(Tag.ALARM_RULE_REMOVED, rule.id, name=rule.name, resource=rule.resource))


def alarm_id(rule: AlarmRule) -> str:
    """Name a rule's alarm."""
    return derived_id("alarm", rule.id)


async def ensure(node: Node) -> int:
    """Make the automatic rules of machines that have none yet: its link is lost, it reports a fault; count them."""
    known = {one.id for one in await node.store.find(AlarmRule, limit=RULES_MAX)}
    made = 0
    for resource in await machines(node):
        if not resource.endpoint:
            continue
        found = await node.store.find(Signal, resource=resource.id, meaning=Meaning.EXECUTION.value, limit=5)
        for rule in _automatic(node, resource, found):
            if rule.id in known:
                continue
            change = Change(once=f"alarm-rule:{rule.id}").put(rule)
            made += await node.store.commit(
                change.event(Tag.ALARM_RULE_RECORDED, rule.id, name=rule.name, resource=resource.id, automatic=True)
            )
    return made


def _automatic(node: Node, resource: Resource, execution: list[Signal]) -> list[AlarmRule]:
    lost = AlarmRule(
        id=derived_id("alarmrule", resource.id, "lost"),
        name="No connection",
        resource=resource.id,
        condition=Condition.STALE,
        on_delay_s=10.0,
        off_delay_s=5.0,
        priority=Priority.MEDIUM,
        consequence="Its states, counts and energy are not known while it lasts.",
        action="Check that it is switched on and on the network.",
        is_automatic=True,
        at=node.clock(),
    )
    return [lost, *(_fault(lost, signal) for signal in execution)]


def _fault(lost: AlarmRule, signal: Signal) -> AlarmRule:
    return msgspec.structs.replace(
        lost,
        id=derived_id("alarmrule", lost.resource, "fault", signal.id),
        name="Fault",
        signal=signal.id,
        condition=Condition.STATE,
        words=FAULTS,
        on_delay_s=0.0,
        priority=Priority.HIGH,
        consequence="It makes nothing until somebody clears it.",
        action="Read the message at the machine, clear it, and give the reason of the stop.",
    )
