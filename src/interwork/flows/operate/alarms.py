"""Alarms: watched for ever, and what people do about them: acknowledge, shelve for a time, take out of service.

Every step is in the event chain with who, when and why. What is shelved returns by itself. A look takes all rules
together and writes what changed in one commit; if a person was faster, the look is taken again.
"""

from collections import defaultdict
from datetime import datetime, timedelta

import anyio
import msgspec
import structlog

from interwork.core.clock import to_us
from interwork.core.errors import BadInput, Conflict, InterworkError, WrongState
from interwork.core.event import Tag
from interwork.core.operating import Alarm, AlarmRule, AlarmState
from interwork.core.resource import UNCERTAIN_LAST_USABLE, Meaning, Resource, Signal, is_good
from interwork.core.units import symbol
from interwork.flows.node import Node
from interwork.flows.operate.rules import RULES_MAX, alarm_id, ensure
from interwork.store import Change, table_of
from interwork.stream.insight import Act, Burden, Group, Seen, Watch
from interwork.stream.insight.alarming import HIDDEN, SHELVE_MAX, burden, design, follow, grouped, look, move, release

log = structlog.get_logger()
REASON_MAX = 500
TICK_S = 0.5
FAULT_S = 5.0
RAISED_MAX = 2000
"""Newest raised alarms the operator's burden is counted from."""
TAGS = {
    Act.RAISE: Tag.ALARM_RAISED,
    Act.RETURN: Tag.ALARM_RETURNED,
    Act.ACKNOWLEDGE: Tag.ALARM_ACKNOWLEDGED,
    Act.SHELVE: Tag.ALARM_SHELVED,
    Act.SUPPRESS: Tag.ALARM_SUPPRESSED,
    Act.WITHDRAW: Tag.ALARM_WITHDRAWN,
}
RELEASED = {
    AlarmState.SHELVED: Tag.ALARM_UNSHELVED,
    AlarmState.SUPPRESSED: Tag.ALARM_UNSUPPRESSED,
    AlarmState.OUT_OF_SERVICE: Tag.ALARM_REINSTATED,
}
WATCHED = frozenset(table_of(kind) for kind in (AlarmRule, Alarm, Signal, Resource))


class Watcher:
    """Looks at every rule's signal and moves its alarm; remembers delays between two looks."""

    def __init__(self, node: Node) -> None:
        self._node = node
        self._rules: list[AlarmRule] = []
        self._alarms: dict[str, Alarm] = {}
        self._watches: dict[str, Watch] = {}
        self._signals: dict[str, Signal] = {}
        self._of: dict[str, list[Signal]] = {}
        self._names: dict[str, str] = {}

    async def refresh(self, touched: frozenset[str] = WATCHED) -> None:
        """Read anew what was touched: the alarms, and where more than they changed the rules and signals."""
        store = self._node.store
        self._alarms = {one.id: one for one in await store.find(Alarm, limit=RULES_MAX)}
        if touched <= {table_of(Alarm)}:
            return
        await ensure(self._node)
        self._rules = await store.find(AlarmRule, limit=RULES_MAX)
        resources = sorted({one.resource for one in self._rules})
        self._names = {one.id: one.name for one in await store.find(Resource, id=resources, limit=RULES_MAX)}
        self._of = defaultdict(list)
        for signal in await store.find(Signal, resource=resources, limit=100_000) if resources else []:
            self._of[signal.resource].append(signal)
        self._signals = {one.id: one for held in self._of.values() for one in held}
        kept = {one.id for one in self._rules}
        self._watches = {name: watch for name, watch in self._watches.items() if name in kept}

    async def look(self) -> int:
        """Take one look at everything; count what changed."""
        at = self._node.clock()
        moved = [one for rule in self._rules if (one := self._follow(rule, at))]
        if not moved:
            return 0
        change = Change()
        for _, alarm, known, events in moved:
            change.put(alarm, expect=known)
            for tag in events:
                change.event(tag, alarm.id, rule=alarm.rule, resource=alarm.resource, value=alarm.value)
        try:
            await self._node.store.commit(change)
        except Conflict:  # somebody acknowledged or shelved meanwhile: read it and look again
            await self.refresh()
            return 0
        for rule, alarm, _, _ in moved:
            self._alarms[alarm.id] = alarm
            log.info("alarm.moved", alarm=rule.name, resource=self._names.get(rule.resource), state=alarm.state)
        return len(moved)

    def _follow(self, rule: AlarmRule, at: datetime) -> tuple[AlarmRule, Alarm, Alarm | None, list[Tag]] | None:
        """Bring one rule's alarm up to now; None where nothing changed."""
        known = self._alarms.get(alarm_id(rule))
        alarm = known or Alarm(
            id=alarm_id(rule), rule=rule.id, resource=rule.resource, priority=rule.priority, changed_at=at
        )
        seen, value = self._seen(rule)
        watch = self._watches.get(rule.id, Watch(alarm.is_active, 0.0, alarm.is_active))
        watch = look(rule, watch, seen, anyio.current_time(), is_chattering=alarm.is_chattering)
        self._watches[rule.id] = watch
        was_chattering, events = alarm.is_chattering, []
        alarm, act = design(alarm, rule, self._execution(rule.resource), at)
        events += [_tag(act, known)] if act else []
        alarm, act = follow(alarm, is_active=watch.is_active, value=value, at=at)
        events += [TAGS[act]] if act else []
        if alarm.is_chattering and not was_chattering:
            events.append(Tag.ALARM_CHATTERING)
        if alarm.state is AlarmState.SHELVED and alarm.shelved_until and alarm.shelved_until <= at:
            alarm, _ = release(alarm, at)
            events.append(Tag.ALARM_UNSHELVED)
        alarm = msgspec.structs.replace(alarm, priority=rule.priority)
        if alarm == known or (known is None and alarm.state is AlarmState.NORMAL and not alarm.is_active):
            return None
        return rule, alarm, known, events

    def _seen(self, rule: AlarmRule) -> tuple[Seen, str]:
        """Read what a rule looks at: its signal, or the newest word of the whole machine."""
        if not rule.signal:
            return self._machine(rule.resource), ""
        signal = self._signals.get(rule.signal)
        reading = self._node.live.value(signal.number) if signal else None
        if signal is None or reading is None:
            return Seen(None, None, None), ""
        age = (to_us(self._node.clock()) - reading.time_us) / 1e6
        is_lost = reading.quality == UNCERTAIN_LAST_USABLE
        if not is_good(reading.quality):
            return Seen(None, None, age, is_lost), ""
        text = reading.text
        is_number = text is None and reading.value == reading.value  # a NaN differs from itself
        said = text or (f"{reading.value:.6g} {symbol(signal.unit)}".strip() if is_number else "")
        return Seen(reading.value if is_number else None, text, age, is_lost), said

    def _machine(self, resource: str) -> Seen:
        readings = [self._node.live.value(one.number) for one in self._of.get(resource, [])]
        heard = [one for one in readings if one is not None]
        if not heard:
            return Seen(None, None, None, is_lost=True)
        age = (to_us(self._node.clock()) - max(one.time_us for one in heard)) / 1e6
        return Seen(None, None, age, is_lost=all(one.quality == UNCERTAIN_LAST_USABLE for one in heard))

    def _execution(self, resource: str) -> str:
        for signal in self._of.get(resource, []):
            if signal.meaning is Meaning.EXECUTION:
                reading = self._node.live.value(signal.number)
                return reading.text or "" if reading is not None and is_good(reading.quality) else ""
        return ""


def _tag(act: Act, known: Alarm | None) -> Tag:
    if act in (Act.RELEASE, Act.RELEASE_ACTIVE):
        return RELEASED[known.state if known else AlarmState.SUPPRESSED]
    return TAGS[act]


async def work(node: Node) -> None:
    """Watch the alarms for ever; a fault is told and tried again."""
    watcher, touched = Watcher(node), WATCHED
    async with node.store.changes() as changes:
        while True:
            try:
                if touched:
                    await watcher.refresh(touched)
                touched = frozenset()
                await watcher.look()
            except InterworkError as fault:
                log.warning("alarms.unwatched", fault=str(fault))
                touched = WATCHED
                await anyio.sleep(FAULT_S)
            with anyio.move_on_after(TICK_S):
                while True:
                    touched |= WATCHED & await changes.receive()


async def acknowledge(node: Node, identifier: str, *, actor: str, name: str = "", comment: str = "") -> Alarm:
    """Say that an alarm was seen, with a comment for the journal where there is something to say."""
    alarm = await node.store.get(Alarm, identifier)
    now = node.clock()
    moved = msgspec.structs.replace(
        move(alarm, Act.ACKNOWLEDGE, now), acknowledged_by=name or actor, acknowledged_at=now
    )
    if len(comment) > REASON_MAX:
        raise BadInput(f"The comment has {len(comment)} characters; it may have {REASON_MAX}.")
    said = {"reason": comment.strip()} if comment.strip() else {}
    return await _keep(node, alarm, moved, Tag.ALARM_ACKNOWLEDGED, actor, **said)


async def shelve(node: Node, identifier: str, *, hours: float, reason: str, actor: str, name: str = "") -> Alarm:
    """Put an alarm aside for a time, with a reason; it returns by itself."""
    alarm = await node.store.get(Alarm, identifier)
    length = timedelta(hours=hours) if 0 < hours < 1e6 else timedelta()
    if not timedelta() < length <= SHELVE_MAX:
        raise BadInput(
            f"An alarm cannot be shelved for {hours:g} h.",
            remedy=f"Give more than 0 and up to {SHELVE_MAX / timedelta(hours=1):.0f} h; take it out of service else.",
        )
    now = node.clock()
    moved = msgspec.structs.replace(
        move(alarm, Act.SHELVE, now),
        shelved_by=name or actor,
        shelved_at=now,
        shelved_until=now + length,
        reason=_reason(reason),
    )
    return await _keep(node, alarm, moved, Tag.ALARM_SHELVED, actor, until=moved.shelved_until)


async def unshelve(node: Node, identifier: str, *, actor: str) -> Alarm:
    """Bring a shelved alarm back before its time."""
    return await _back(node, identifier, AlarmState.SHELVED, actor)


async def withdraw(node: Node, identifier: str, *, reason: str, actor: str) -> Alarm:
    """Take an alarm out of service until somebody brings it back (its sensor is broken)."""
    alarm = await node.store.get(Alarm, identifier)
    moved = msgspec.structs.replace(move(alarm, Act.WITHDRAW, node.clock()), reason=_reason(reason))
    return await _keep(node, alarm, moved, Tag.ALARM_WITHDRAWN, actor)


async def reinstate(node: Node, identifier: str, *, actor: str) -> Alarm:
    """Bring an alarm back into service."""
    return await _back(node, identifier, AlarmState.OUT_OF_SERVICE, actor)


async def _back(node: Node, identifier: str, state: AlarmState, actor: str) -> Alarm:
    alarm = await node.store.get(Alarm, identifier)
    if alarm.state is not state:
        raise WrongState(f"Alarm {alarm.id} is {alarm.state}, not {state}.", remedy="Read the list of alarms again.")
    moved, _ = release(alarm, node.clock())
    return await _keep(node, alarm, moved, RELEASED[state], actor)


def _reason(text: str) -> str:
    if not 3 <= len(text.strip()) <= 500:
        raise BadInput("A reason is needed.", remedy="Say in 3 to 500 characters why nobody has to act on it.")
    return text.strip()


async def _keep(node: Node, known: Alarm, moved: Alarm, tag: Tag, actor: str, **more: object) -> Alarm:
    change = Change(actor).put(moved, expect=known)
    detail = {"rule": moved.rule, "resource": moved.resource, "reason": moved.reason, **more}
    await node.store.commit(change.event(tag, moved.id, **detail))
    return moved


async def present(node: Node) -> tuple[list[Group], list[Alarm]]:
    """Tell what needs somebody, by machine, and what is hidden (shelved, suppressed, out of service)."""
    held = await node.store.find(Alarm, limit=RULES_MAX)
    shown = [one for one in held if one.state not in HIDDEN and one.state is not AlarmState.NORMAL]
    return grouped(shown), sorted((one for one in held if one.state in HIDDEN), key=lambda one: one.changed_at)


async def load(node: Node, period: timedelta = timedelta(hours=24)) -> Burden:
    """Tell how much the alarms ask of the operator, from the event chain."""
    raised = await node.store.events(tag=Tag.ALARM_RAISED, limit=RAISED_MAX, newest=True)
    times = [(one.at, str(one.detail.get("rule", ""))) for one in raised]
    return burden(times, await node.store.find(Alarm, limit=RULES_MAX), node.clock(), period)
