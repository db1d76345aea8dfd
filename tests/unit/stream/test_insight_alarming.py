"""Alarms by ISA-18.2: the table of states, deadband, delays, chattering, suppression, the operator's burden."""

from datetime import UTC, datetime, timedelta

import pytest
from hypothesis import given
from hypothesis import strategies as st

from interwork.core.errors import WrongState
from interwork.core.operating import Alarm, AlarmRule, AlarmState, Condition, Priority
from interwork.stream.insight import Act, Seen, Watch
from interwork.stream.insight.alarming import HIDDEN, MOVES, burden, design, follow, grouped, look, move, release

T0 = datetime(2031, 3, 3, 8, tzinfo=UTC)


def rule(**changes):
    held = {
        "id": "r",
        "name": "Hot",
        "resource": "m",
        "signal": "s",
        "condition": Condition.ABOVE,
        "limit": 80.0,
        "at": T0,
    }
    return AlarmRule(**{**held, **changes})


def alarm(**changes):
    return Alarm(**{"id": "a", "rule": "r", "resource": "m", "changed_at": T0, **changes})


def number(value):
    return Seen(value, None, 0.0)


def watched(rule, *values, step_s=1.0, **more):
    """Look once per value and tell when the condition held."""
    watch, told = Watch(), []
    for turn, value in enumerate(values):
        watch = look(rule, watch, number(value) if not isinstance(value, Seen) else value, turn * step_s, **more)
        told.append(watch.is_active)
    return told


def test_an_alarm_goes_from_normal_over_unacknowledged_and_acknowledged_back_to_normal():
    raised, _ = follow(alarm(), is_active=True, value="90", at=T0)
    seen = move(raised, Act.ACKNOWLEDGE, T0)
    back, _ = follow(seen, is_active=False, value="", at=T0)
    assert [one.state for one in (raised, seen, back)] == [
        AlarmState.UNACKNOWLEDGED, AlarmState.ACKNOWLEDGED, AlarmState.NORMAL
    ]  # fmt: skip


def test_an_alarm_that_returns_unseen_still_waits_to_be_acknowledged():
    raised, _ = follow(alarm(), is_active=True, value="90", at=T0)
    back, act = follow(raised, is_active=False, value="", at=T0)
    assert (back.state, act) == (AlarmState.RETURNED, Act.RETURN)
    assert move(back, Act.ACKNOWLEDGE, T0).state is AlarmState.NORMAL


def test_what_the_table_does_not_list_is_refused():
    with pytest.raises(WrongState, match="normal"):
        move(alarm(), Act.ACKNOWLEDGE, T0)


def test_every_state_can_be_reached_and_left():
    reached = set(MOVES.values())
    left = {state for state, _ in MOVES}
    assert reached == left == set(AlarmState)


@pytest.mark.parametrize("hidden", HIDDEN)
def test_a_hidden_alarm_whose_condition_holds_comes_back_as_new(hidden):
    """portal 23: what returns from the shelf while it is active has to be seen again."""
    assert release(alarm(state=hidden, is_active=True), T0)[0].state is AlarmState.UNACKNOWLEDGED
    assert release(alarm(state=hidden), T0)[0].state is AlarmState.NORMAL


def test_a_shelved_alarm_is_followed_silently():
    held, act = follow(alarm(state=AlarmState.SHELVED), is_active=True, value="90", at=T0)
    assert (held.state, held.is_active, act) == (AlarmState.SHELVED, True, None)


def test_a_deadband_keeps_an_alarm_up_until_the_value_is_clearly_back():
    assert watched(rule(deadband=5.0), 79, 81, 78, 76, 74, 79) == [False, True, True, True, False, False]


def test_a_value_has_to_stay_beyond_the_limit_for_the_delay():
    assert watched(rule(on_delay_s=2), 90, 90, 70, 90, 90, 90) == [False, False, False, False, False, True]
    assert watched(rule(off_delay_s=2), 90, 70, 70, 70) == [True, True, True, False]


def test_bad_quality_neither_raises_nor_clears():
    nothing = Seen(None, None, 0.0)
    assert watched(rule(), 90, nothing, nothing, 70, nothing) == [True, True, True, False, False]


def test_an_alarm_on_words_and_one_on_silence():
    fault = rule(condition=Condition.STATE, words=("FAULT",))
    texts = [Seen(None, text, 0.0) for text in ("ACTIVE", "FAULT", "READY")]
    assert watched(fault, *texts) == [False, True, False]
    silent = rule(condition=Condition.STALE, limit=30.0)
    assert watched(silent, Seen(1, None, 5), Seen(1, None, 31), Seen(None, None, None), Seen(1, None, 1)) == [
        False, True, True, False
    ]  # fmt: skip
    lost = rule(condition=Condition.STALE, limit=0)
    assert watched(lost, Seen(1, None, 9e9), Seen(1, None, 1, is_lost=True)) == [False, True]


def test_an_alarm_that_chatters_is_raised_three_times_and_then_held():
    held, times = alarm(), 0
    watch, at = Watch(), T0
    for turn in range(200):  # the value crosses the limit every second for 200 s
        watch = look(rule(), watch, number(90 if turn % 2 else 70), float(turn), is_chattering=held.is_chattering)
        held, act = follow(held, is_active=watch.is_active, value="", at=at + timedelta(seconds=turn))
        times += act is Act.RAISE
    assert (times, held.is_chattering, held.is_active) == (3, True, True)


def test_a_chattering_alarm_returns_after_a_quiet_minute():
    watch = Watch(is_met=True, since_s=0, is_active=True)
    for second in range(1, 70):
        watch = look(rule(), watch, number(70), float(second), is_chattering=True)
        assert watch.is_active is (second < 61)


def test_an_alarm_is_silent_by_design_in_the_states_it_names():
    quiet = rule(suppressed_in=("STOPPED",))
    hidden, act = design(alarm(is_active=True), quiet, "STOPPED", T0)
    assert (hidden.state, act) == (AlarmState.SUPPRESSED, Act.SUPPRESS)
    again, _ = design(hidden, quiet, "ACTIVE", T0)
    assert again.state is AlarmState.UNACKNOWLEDGED


def test_eleven_alarms_in_ten_minutes_are_a_flood():
    raised = [(T0 - timedelta(seconds=30 * turn), "r1" if turn % 3 else "r2") for turn in range(11)]
    found = burden(raised, [], T0, timedelta(hours=8))
    assert (found.is_flood, found.last_ten_minutes, found.is_manageable) == (True, 11, True)
    assert (found.worst[0][0], found.worst[0][1]) == ("r1", 7)
    assert burden(raised[1:], [], T0, timedelta(hours=8)).is_flood is False


def test_an_alarm_active_for_more_than_a_day_is_standing():
    old = alarm(is_active=True, state=AlarmState.ACKNOWLEDGED, active_since=T0 - timedelta(hours=25))
    assert burden([], [old, alarm()], T0, timedelta(hours=8)).standing == 1


def test_a_machine_s_alarms_are_one_group_led_by_the_first():
    late = alarm(id="b", active_since=T0 + timedelta(seconds=9), priority=Priority.HIGH)
    groups = grouped([late, alarm(active_since=T0), alarm(id="c", resource="n", active_since=T0)])
    assert [(one.resource, one.priority, [held.id for held in one.alarms]) for one in groups] == [
        ("m", Priority.HIGH, ["a", "b"]), ("n", Priority.MEDIUM, ["c"])
    ]  # fmt: skip


@given(st.lists(st.sampled_from([*Act, "up", "down"]), max_size=40))
def test_whatever_happens_an_alarm_is_where_its_table_says(acts):
    held = alarm()
    for act in acts:
        if act in ("up", "down"):
            held, _ = follow(held, is_active=act == "up", value="", at=T0)
        elif (held.state, act) in MOVES and act not in (Act.RAISE, Act.RETURN, Act.RELEASE, Act.RELEASE_ACTIVE):
            held = move(held, act, T0)
        elif held.state in HIDDEN and act is Act.RELEASE:
            held, _ = release(held, T0)
        visible = {
            (True, False): AlarmState.UNACKNOWLEDGED,
            (True, True): AlarmState.ACKNOWLEDGED,
            (False, False): AlarmState.RETURNED,
            (False, True): AlarmState.NORMAL,
        }
        assert held.state in HIDDEN or held.state is visible[held.is_active, held.is_acknowledged]
