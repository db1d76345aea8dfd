"""Breaks, setups and links between demands: the search over lists and CP-SAT find what trying everything finds."""

import itertools
import random

import msgspec
import pytest
from allocation_problems import any_problem, mode, two_steps
from hypothesis import given, settings
from hypothesis import strategies as st

from interwork.allocation import Limits, solve, verify
from interwork.allocation.engine import Clock
from interwork.allocation.engine.breaks import joined, starts_by_length
from interwork.allocation.engine.exact import is_exact, prove
from interwork.allocation.network.lists import IMPOSSIBLE, Lists
from interwork.allocation.network.table import tabulate
from interwork.allocation.problem import Activity, Demand, Kind, Link, Resource, Status, Tariff, Transport

SPAN = Tariff(makespan=1.0, money=0.0)


def broken_shop(seed, *, kind=Kind.SHOP, setups=()):
    """Draw a shop of two machines with breaks and closed windows: few enough activities to try everything."""
    chance = random.Random(seed)
    resources = tuple(
        Resource(
            id=f"m{n}",
            breaks=((chance.randint(2, 5), chance.randint(6, 9)), (14, 17)),
            closed=((chance.randint(20, 24), 26),),
        )
        for n in range(2)
    )
    activities = []
    for demand in range(2):
        for step in range(2):
            modes = tuple(mode(n, chance.randint(1, 6), 0.0) for n in range(2) if chance.random() < 0.8)
            after = (Link(len(activities) - 1),) if step else ()
            family = chance.randrange(2) if setups else -1
            activities.append(Activity(demand=demand, modes=modes or (mode(0, 3, 0.0),), after=after, family=family))
    return two_steps(
        kind=kind,
        demands=(Demand(id="a"), Demand(id="b", release=2)),
        activities=tuple(activities),
        resources=resources,
        tariff=SPAN,
        transport=None,
        horizon=0,
        setups=setups,
    )


def tried(problem):
    """Try every order and every choice of modes; tell the least objective."""
    search = Lists(tabulate(problem), 1)
    links = [{link.before for link in each.after} for each in problem.activities]
    least = IMPOSSIBLE
    for order in itertools.permutations(range(len(problem.activities))):
        if any(order.index(b) > order.index(v) for v, before in enumerate(links) for b in before):
            continue
        for chosen in itertools.product(*(range(len(each.modes)) for each in problem.activities)):
            search.order, search.modes = list(order), dict(enumerate(chosen))
            least = min(least, search.decode()[0])
    return least


@pytest.mark.parametrize("seed", range(5))
def test_a_shop_with_breaks_is_searched_truly_and_proved(seed):
    """allocation 2: work resumes after breaks; the proved makespan is the least of all orders and modes."""
    problem = broken_shop(seed)
    plan = solve(problem, Limits(seconds=20))
    assert verify(problem, plan) == []
    assert (plan.status, plan.objective) == (Status.OPTIMAL, tried(problem))


def test_a_project_with_breaks_and_setups_is_proved_as_well():
    """allocation 2, 5: breaks and setups together; the list search alone is never below the proof."""
    problem = broken_shop(7, kind=Kind.PROJECT, setups=((0, 2), (3, 0)))
    plan = solve(problem, Limits(seconds=20))
    assert verify(problem, plan) == []
    assert plan.status is Status.OPTIMAL
    search = Lists(tabulate(problem), 1)
    search.run(Clock(Limits(seconds=20, effort=2)), 1e18, 0.0)
    assert plan.objective <= search.best_cost == pytest.approx(tried(problem))


@settings(max_examples=200, deadline=None)
@given(
    st.integers(1, 30),
    st.lists(st.tuples(st.integers(0, 60), st.integers(1, 12)), max_size=5),
    st.integers(1, 90),
)
def test_the_length_of_interrupted_work_is_that_of_counting_it_minute_by_minute(duration, drawn, horizon):
    """allocation 2: every start outside a break has exactly one length, the one that counting gives."""
    breaks = joined([(start, start + length) for start, length in drawn])
    lengths = starts_by_length(duration, breaks, horizon)
    stopped = {moment for start, end in breaks for moment in range(start, end)}
    for start in range(horizon + 1):
        said = [length for length, spans in lengths.items() if any(a <= start <= b for a, b in spans)]
        if start in stopped:
            assert not said
            continue
        end, left = start, duration
        while left:
            left -= end not in stopped
            end += 1
        assert said == [end - start]


@settings(max_examples=25, deadline=None)
@given(st.integers(0, 5000))
def test_problems_of_any_shape_with_a_makespan_are_planned_and_pass_the_referee(seed):
    """allocation 3, 4: calendars, setups, bundles, budgets, and links between demands."""
    problem, chance = any_problem(seed), random.Random(seed)
    activities = list(problem.activities)
    at = chance.randrange(len(activities))
    if at and not activities[at].after:
        link = Link(chance.randrange(at), 2)
        activities[at] = msgspec.structs.replace(activities[at], after=(link,))
    tariff = chance.choice((SPAN, Tariff(makespan=2.0), Tariff(co2=0.5)))
    kind = chance.choice((Kind.SHOP, Kind.PROJECT, Kind.NETWORK))
    problem = msgspec.structs.replace(problem, activities=tuple(activities), tariff=tariff, kind=kind)
    plan = solve(problem, Limits(seconds=20, effort=1))
    assert plan.is_solved
    assert verify(problem, plan) == []


def test_a_shop_that_is_charged_in_euro_is_not_planned_for_its_makespan():
    """allocation 17: a cheap slow machine wins where only money counts, and optimal is said of the money."""
    activities = (Activity(demand=0, modes=(mode(0, 2, 90.0), mode(1, 50, 10.0))),)
    problem = two_steps(
        kind=Kind.SHOP, demands=(Demand(id="a"),), activities=activities, tariff=Tariff(), transport=None
    )
    plan = solve(problem, Limits(seconds=5))
    assert verify(problem, plan) == []
    assert (plan.objective, plan.status) == (10.0, Status.OPTIMAL)


def test_a_need_that_waits_for_another_need_does_so():
    """allocation 4: a link from one demand to another is kept, carriage between their sites included."""
    activities = (
        Activity(demand=0, modes=(mode(0, 4, 1.0, site=0),)),
        Activity(demand=1, modes=(mode(1, 3, 1.0, site=1),), after=(Link(0, 2),)),
    )
    demands = (Demand(id="a"), Demand(id="b", due=0, late_per_unit=1.0))
    transport = Transport(time=((0, 5), (5, 0)))
    problem = two_steps(demands=demands, activities=activities, transport=transport, tariff=Tariff())
    assert is_exact(problem)
    for plan in (solve(problem, Limits(seconds=20, effort=1)), prove(problem, Clock(Limits(seconds=5)))):
        assert verify(problem, plan) == []
        assert plan.placements[1].start == 11
