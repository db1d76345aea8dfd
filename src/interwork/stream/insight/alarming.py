"""Alarms by ISA-18.2 / IEC 62682: the table of states, when a condition holds, and how much an operator is burdened.

Two things are kept apart: whether the condition holds (with deadband, delays and chattering taken out) and what people
and design have done about it. A signal of bad quality neither raises nor clears an alarm; a machine that is lost has
an alarm of its own, and so does not raise one for each of its signals.
"""

from collections import Counter
from collections.abc import Iterable, Sequence
from datetime import datetime, timedelta
from enum import StrEnum
from typing import NamedTuple

import msgspec

from interwork.core.errors import WrongState
from interwork.core.operating import Alarm, AlarmRule, AlarmState, Condition, Priority

CHATTER_TIMES, CHATTER_S = 3, 60.0
"""An alarm raised so often within so many seconds is chattering (ISA-18.2: three in a minute)."""
QUIET_S = 60.0
"""A chattering alarm returns after so many quiet seconds."""
SHELVE_MAX = timedelta(hours=24)
RECENT_MAX = 10
FLOOD = 10
"""More alarms than this in ten minutes are a flood for one operator."""
MANAGEABLE = 12.0
"""Alarms per operator and hour that can be handled; half of it is the aim."""
STANDING = timedelta(hours=24)
"""An alarm active for longer is standing: nobody acts on it, or its limit is wrong."""


class Act(StrEnum):
    """What happens to an alarm."""

    RAISE = "raise"
    RETURN = "return"
    ACKNOWLEDGE = "acknowledge"
    SHELVE = "shelve"
    SUPPRESS = "suppress"
    WITHDRAW = "withdraw"
    """Take it out of service."""
    RELEASE = "release"
    """Let it be an alarm again; the condition does not hold."""
    RELEASE_ACTIVE = "release-active"
    """The same, and the condition holds: somebody has to see it anew."""


_S = AlarmState
SEEN = (_S.NORMAL, _S.UNACKNOWLEDGED, _S.ACKNOWLEDGED, _S.RETURNED)
HIDDEN = (_S.SHELVED, _S.SUPPRESSED, _S.OUT_OF_SERVICE)
MOVES: dict[tuple[AlarmState, Act], AlarmState] = {
    (_S.NORMAL, Act.RAISE): _S.UNACKNOWLEDGED,
    (_S.UNACKNOWLEDGED, Act.ACKNOWLEDGE): _S.ACKNOWLEDGED,
    (_S.UNACKNOWLEDGED, Act.RETURN): _S.RETURNED,
    (_S.ACKNOWLEDGED, Act.RETURN): _S.NORMAL,
    (_S.RETURNED, Act.RAISE): _S.UNACKNOWLEDGED,
    (_S.RETURNED, Act.ACKNOWLEDGE): _S.NORMAL,
    **{(state, Act.SHELVE): _S.SHELVED for state in SEEN},
    **{(state, Act.SUPPRESS): _S.SUPPRESSED for state in SEEN},
    **{(state, Act.WITHDRAW): _S.OUT_OF_SERVICE for state in (*SEEN, _S.SHELVED, _S.SUPPRESSED)},
    **{(state, Act.RELEASE): _S.NORMAL for state in HIDDEN},
    **{(state, Act.RELEASE_ACTIVE): _S.UNACKNOWLEDGED for state in HIDDEN},
}
"""(state, what happens) → next state; what is not listed is refused."""


def move(alarm: Alarm, act: Act, at: datetime) -> Alarm:
    """Move an alarm by the table; WrongState where it does not allow that."""
    state = MOVES.get((alarm.state, act))
    if state is None:
        raise WrongState(
            f"Alarm {alarm.id} is {alarm.state}; {act} does nothing to it.", remedy="Read the list of alarms again."
        )
    is_acknowledged = state not in {_S.UNACKNOWLEDGED, _S.RETURNED}
    return msgspec.structs.replace(alarm, state=state, is_acknowledged=is_acknowledged, changed_at=at)


class Seen(NamedTuple):
    """What an alarm's signal says: a number or a text where there is a good one, and how old the newest word is."""

    value: float | None
    text: str | None
    age_s: float | None
    """None = never heard."""
    is_lost: bool = False


class Watch(NamedTuple):
    """What is remembered of one condition between two looks."""

    is_met: bool = False
    """Beyond the limit at the last look, before delays."""
    since_s: float = 0.0
    """Since when that is so, on the clock the looks are timed by."""
    is_active: bool = False


def look(rule: AlarmRule, watch: Watch, seen: Seen, now_s: float, *, is_chattering: bool = False) -> Watch:
    """Tell whether a rule's condition holds, with its deadband and delays; what cannot be told stays as it was."""
    is_met = _is_met(rule, seen, is_active=watch.is_active)
    if is_met is None:
        return watch
    if is_met != watch.is_met:
        watch = Watch(is_met, now_s, watch.is_active)
    if is_met == watch.is_active:
        return watch
    wait = rule.on_delay_s if is_met else max(rule.off_delay_s, QUIET_S if is_chattering else 0.0)
    return watch._replace(is_active=is_met) if now_s - watch.since_s >= wait else watch


def _is_met(rule: AlarmRule, seen: Seen, *, is_active: bool) -> bool | None:
    if rule.condition is Condition.STALE:
        return seen.is_lost or (rule.limit > 0 and (seen.age_s is None or seen.age_s > rule.limit))
    if rule.condition is Condition.STATE:
        return None if seen.text is None else seen.text in rule.words
    if seen.value is None:
        return None
    band = rule.deadband if is_active else 0.0
    if rule.condition is Condition.ABOVE:
        return seen.value > rule.limit - band
    return seen.value < rule.limit + band


def follow(alarm: Alarm, *, is_active: bool, value: str, at: datetime) -> tuple[Alarm, Act | None]:
    """Bring an alarm in line with its condition; tell what happened to it, None where nothing did."""
    if is_active == alarm.is_active:
        return alarm, None
    recent = alarm.recent
    if is_active:
        start = at - timedelta(seconds=CHATTER_S)
        recent = (*(one for one in recent if one > start), at)[-RECENT_MAX:]
    now = msgspec.structs.replace(
        alarm,
        is_active=is_active,
        active_since=at if is_active else None,
        value=value if is_active else alarm.value,
        raised=alarm.raised + is_active,
        recent=recent,
        is_chattering=is_active and len(recent) >= CHATTER_TIMES,
        changed_at=at,
    )
    act = Act.RAISE if is_active else Act.RETURN
    return (move(now, act, at), act) if (alarm.state, act) in MOVES else (now, None)


def design(alarm: Alarm, rule: AlarmRule, execution: str, at: datetime) -> tuple[Alarm, Act | None]:
    """Suppress an alarm in the machine states its design names, and release it when they end."""
    is_silent = execution in rule.suppressed_in
    if is_silent and alarm.state in SEEN:
        return move(alarm, Act.SUPPRESS, at), Act.SUPPRESS
    if not is_silent and alarm.state is _S.SUPPRESSED:
        return release(alarm, at)
    return alarm, None


def release(alarm: Alarm, at: datetime) -> tuple[Alarm, Act]:
    """Let a hidden alarm be one again; where its condition holds it is shown as new."""
    act = Act.RELEASE_ACTIVE if alarm.is_active else Act.RELEASE
    free = msgspec.structs.replace(alarm, shelved_until=None, shelved_by="", shelved_at=None, reason="")
    return move(free, act, at), act


class Burden(msgspec.Struct, frozen=True, kw_only=True):
    """How much the alarms ask of one operator (EEMUA 191, ISA-18.2 clause 16)."""

    last_hour: int
    last_ten_minutes: int
    per_hour: float
    """Mean over the period looked at."""
    is_flood: bool
    is_manageable: bool
    standing: int
    chattering: int
    worst: tuple[tuple[str, int, float], ...]
    """The rules that raised most: id, times, share of all."""


def burden(raised: Sequence[tuple[datetime, str]], alarms: Iterable[Alarm], now: datetime, period: timedelta) -> Burden:
    """Count what was raised (when, rule) in a period up to now, and what stands or chatters."""
    inside = [(at, rule) for at, rule in raised if now - period < at <= now]
    hour = sum(now - at <= timedelta(hours=1) for at, _ in inside)
    ten = sum(now - at <= timedelta(minutes=10) for at, _ in inside)
    per_hour = len(inside) / (period / timedelta(hours=1))
    shown = [one for one in alarms if one.is_active and one.state not in HIDDEN]
    often = Counter(rule for _, rule in inside).most_common(10)
    return Burden(
        last_hour=hour,
        last_ten_minutes=ten,
        per_hour=per_hour,
        is_flood=ten > FLOOD,
        is_manageable=hour <= MANAGEABLE,
        standing=sum(one.active_since is not None and now - one.active_since > STANDING for one in shown),
        chattering=sum(one.is_chattering for one in shown),
        worst=tuple((rule, times, times / len(inside)) for rule, times in often),
    )


class Group(msgspec.Struct, frozen=True, kw_only=True):
    """The alarms of one machine, shown as one line while there are many."""

    resource: str
    first: datetime
    priority: Priority
    alarms: tuple[Alarm, ...]


def grouped(alarms: Iterable[Alarm]) -> list[Group]:
    """Put alarms together by machine, the most urgent and newest first; the one that came first leads its group."""
    machines: dict[str, list[Alarm]] = {}
    for one in alarms:
        machines.setdefault(one.resource, []).append(one)
    groups = [
        Group(
            resource=resource,
            first=min(one.active_since or one.changed_at for one in held),
            priority=max(one.priority for one in held),
            alarms=tuple(sorted(held, key=lambda one: (one.active_since or one.changed_at, one.id))),
        )
        for resource, held in machines.items()
    ]
    return sorted(groups, key=lambda one: (one.priority, one.first), reverse=True)
