"""After events: what has begun stays, each change has a cause and a price, and the order of telling does not matter."""

from datetime import timedelta

import pytest
from allocation_samples import NOW, make_mode, make_need, make_plan, make_quote
from hypothesis import given, settings
from hypothesis import strategies as st
from msgspec.structs import replace

from interwork.allocation import allocate
from interwork.allocation.learning.asking import ask
from interwork.allocation.learning.mending import Closure, closures, mend, moves
from interwork.allocation.parts.schedule import weigh
from interwork.core.planning import Disturbance, DisturbanceKind, Weights

NEED, STEPS = make_need(quantity=12), make_plan(3)
QUOTES = [
    make_quote(*(make_mode("a", step) for step in range(3))),
    make_quote(*(make_mode("b", step, unit_price_eur=14) for step in range(3)), provider="b"),
]


@pytest.fixture(scope="module")
def asked():
    plan = allocate(NEED, STEPS, QUOTES, weights=Weights(), now=NOW, seconds=20)
    return ask(NEED, STEPS, QUOTES, plan)


def on(placed):
    return placed.option.mode.provider, placed.option.mode.resource


def down(asked, cell=1, length=600, cause="its machine is down"):
    hit = asked.schedule.placed[cell]
    return Closure(*on(hit), hit.start, hit.end + length, cause)


def test_what_has_begun_is_unchanged_and_the_machine_that_is_down_is_left(asked):
    """allocation 23: started and frozen operations are where they were."""
    schedule = asked.schedule
    fixed = frozenset({(0, 0)})
    closed = down(asked)
    mended = mend(asked.instance, schedule, [closed], fixed=fixed, now=schedule.placed[0].start + 5)
    assert mended.schedule.placed[0] == schedule.placed[0]
    for each in mended.schedule.placed[1:]:
        assert on(each) != (closed.provider, closed.resource) or each.start >= closed.until
        assert any(start <= each.start and each.end <= end for start, end in each.option.windows)
    first, second, third = mended.schedule.placed[:3]
    assert first.end <= second.start
    assert second.end <= third.start


def test_work_that_has_begun_on_a_machine_that_is_down_stays(asked):
    """allocation 23: also on the machine itself."""
    closed = down(asked, 0)
    mended = mend(asked.instance, asked.schedule, [closed], fixed=frozenset({(0, 0)}), now=5)
    assert mended.schedule.placed[0] == asked.schedule.placed[0]


def test_every_change_has_its_cause(asked):
    """allocation 24: each change is told with its cause."""
    mended = mend(asked.instance, asked.schedule, [down(asked)], fixed=frozenset(), now=0)
    changed = moves(asked.schedule, mended.schedule)
    assert {(was.lot, was.operation) for was, _ in changed} == set(mended.causes)
    assert "its machine is down" in mended.causes.values()


def test_it_costs_no_more_than_waiting(asked):
    mended = mend(asked.instance, asked.schedule, [down(asked, length=3000)], fixed=frozenset(), now=0, stability=0.0)
    shifted = weigh(asked.instance, mended.shifted).objective
    assert weigh(asked.instance, mended.schedule).objective <= shifted


def test_the_more_stability_weighs_the_less_moves_and_the_cost_is_not_lower(asked):
    """allocation 25: a higher weight never gives a lower cost, nor more moved hours and machines."""
    found = [
        mend(asked.instance, asked.schedule, [down(asked, length=2000)], fixed=frozenset(), now=0, stability=weight)
        for weight in (0.0, 1.0, 100.0)
    ]
    costs = [weigh(asked.instance, each.schedule).objective for each in found]
    assert costs == sorted(costs)

    def moved(mended):
        changed = moves(asked.schedule, mended.schedule)
        return sum(60 * (on(was) != on(now)) + 2 / 60 * abs(was.start - now.start) for was, now in changed)

    assert [moved(each) for each in found] == sorted((moved(each) for each in found), reverse=True)


def event(number, kind, since_h, until_h=None, letter="a", resource="resource-a"):
    at = NOW + timedelta(hours=since_h)
    until = None if until_h is None else NOW + timedelta(hours=until_h)
    return Disturbance(
        id=f"event-{number}",
        job="job-1",
        kind=kind,
        provider=f"did:web:{letter}",
        resource=resource,
        since=at,
        until=until,
        recorded_at=NOW,
    )


EVENTS = [
    event(1, DisturbanceKind.DOWN, 1, 30),
    event(2, DisturbanceKind.AWAY, 2, 9, "b", ""),
    event(3, DisturbanceKind.RUSH, 40, 44),
    event(4, DisturbanceKind.BACK, 12),
]


@settings(max_examples=12, deadline=None)
@given(st.permutations(EVENTS))
def test_events_at_once_and_out_of_order_give_one_plan(asked, told):
    """allocation 26: simultaneous events and any order of recording give the same closures and the same plan."""
    machines = [("did:web:a", "resource-a"), ("did:web:b", "resource-b")]
    closed = closures(told, machines, asked.instance, 20_000)
    assert closed == closures(EVENTS, machines, asked.instance, 20_000)
    assert (closed[0].since, closed[0].until) == (60, 720)


def test_a_machine_that_is_back_earlier_is_used_again(asked):
    """allocation 26: return to service ends an outage early; the plan is no dearer for it."""
    machines = [("did:web:a", "resource-a"), ("did:web:b", "resource-b")]
    objectives = []
    for told in (EVENTS[:1], [*EVENTS[:1], EVENTS[3]]):
        closed = closures(told, machines, asked.instance, 20_000)
        mended = mend(asked.instance, asked.schedule, closed, fixed=frozenset(), now=0, stability=0.0)
        objectives.append(weigh(asked.instance, mended.schedule).objective)
    assert objectives[1] <= objectives[0]


@pytest.mark.parametrize("seconds", [0, 1, 59])
def test_a_machine_that_is_back_within_the_minute_was_never_away(asked, seconds):
    """allocation 26: a breakdown told in error and taken back at once closes nothing."""
    told = event(1, DisturbanceKind.DOWN, 1, 30)
    back = replace(event(2, DisturbanceKind.BACK, 1), since=told.since + timedelta(seconds=seconds))
    machines = [("did:web:a", "resource-a")]
    assert closures([told], machines, asked.instance, 20_000)
    assert closures([told, back], machines, asked.instance, 20_000) == []
    again = replace(told, id="again", since=told.since + timedelta(minutes=90))
    (closed,) = closures([told, back, again], machines, asked.instance, 20_000)
    assert (closed.since, closed.until) == (150, 1800)


def test_there_is_no_plan_where_everybody_is_away(asked):
    away = [Closure(*on(each), 0, 10**6, "its provider is away") for each in asked.schedule.placed]
    away.append(Closure("did:web:b", "resource-b", 0, 10**6, "its provider is away"))
    away.append(Closure("did:web:a", "resource-a", 0, 10**6, "its provider is away"))
    assert mend(asked.instance, asked.schedule, away, fixed=frozenset(), now=0) is None
