"""The referee of plans: every way to break a plan is caught, and nothing of the solvers is within it."""

import ast
import inspect
import random
from pathlib import Path

import msgspec
import pytest
from allocation_problems import any_problem
from hypothesis import assume, given, settings
from hypothesis import strategies as st
from plan_counting import counted

from interwork.allocation import Limits, solve, verify
from interwork.allocation.engine.account import objective
from interwork.allocation.problem import (
    Activity,
    Demand,
    Kind,
    Link,
    Mode,
    Placement,
    Problem,
    Resource,
    ResourceKind,
    Row,
    Solution,
    Status,
    Synergy,
    Tariff,
    Transport,
)

MACHINE, LATHE, TEAM, BAR, HOURS = range(5)


def rich(**changes):
    """Write a problem in which every rule of the model binds somewhere."""
    facts = {
        "name": "rich",
        "kind": Kind.NETWORK,
        "demands": (
            Demand(id="pump", release=2, due=30, deadline=60, late_per_unit=5.0, budget=200.0, origin=0, target=0),
            Demand(id="valve", due=8, late_per_unit=3.0, origin=1, target=0, excluded=(LATHE,)),
            Demand(id="seal", unserved=400.0),
        ),
        "activities": (
            Activity(demand=0, modes=(way((MACHINE, 1), (BAR, 6), duration=4, price=90.0, site=0),), family=0),
            Activity(
                demand=0,
                modes=(
                    way((LATHE, 1), duration=5, price=60.0, site=1),
                    way((MACHINE, 1), duration=9, price=70.0, site=0),
                ),
                after=(Link(0, 1),),
                family=1,
            ),
            Activity(
                demand=1,
                modes=(
                    way((MACHINE, 1), (TEAM, 2), duration=3, price=40.0, co2=7.0, site=0),
                    way((LATHE, 1), (TEAM, 1), duration=2, price=10.0, site=1),
                ),
                family=1,
            ),
            Activity(demand=2, modes=(way((TEAM, 1), (HOURS, 3), duration=6, price=20.0, site=0),)),
        ),
        "resources": (
            Resource(id="machine", breaks=((8, 12),), site=0),
            Resource(id="lathe", closed=((16, 20),), site=1),
            Resource(id="team", kind=ResourceKind.CUMULATIVE, capacity=2),
            Resource(id="bar", kind=ResourceKind.CONSUMABLE, capacity=6),
            Resource(id="hours", kind=ResourceKind.BUCKETED, capacity=3, bucket=10),
        ),
        "tariff": Tariff(co2=0.5, makespan=0.25),
        "transport": Transport(time=((0, 3), (3, 0)), price=((0.0, 15.0), (15.0, 0.0)), co2=((0.0, 4.0), (4.0, 0.0))),
        "setups": ((0, 2), (3, 0)),
        "horizon": 80,
    }
    return Problem(**(facts | changes))


def way(*uses, **facts):
    """Write a mode."""
    return Mode(uses=uses, **facts)


GOOD = (Placement(0, 0, 2, 6), Placement(1, 0, 20, 25), Placement(2, 0, 12, 15), Placement(3, 0, 20, 26))
"""On the machine family 0 to 6, setup, a break from 8 to 12, family 1; carriage to the lathe behind its closing."""


def stated(problem, placed, unserved=(), **changes):
    """Write placements down as a plan with the figures they come to."""
    facts = {
        "problem": "rich",
        "status": Status.FEASIBLE,
        "objective": objective(problem, placed, unserved),
        "bound": 0.0,
        "placements": tuple(placed),
        "unserved": tuple(unserved),
    }
    return Solution(**(facts | changes))


def moved(number, **changes):
    """Change one placement of the good plan."""
    placed = list(GOOD)
    placed[number] = msgspec.structs.replace(placed[number], **changes)
    return tuple(placed)


def test_the_good_plan_is_good():
    problem = rich()
    assert verify(problem, stated(problem, GOOD)) == []


BREAKS = {
    "overlap": (moved(2, start=4, end=7), "machine has 2 of 1 in use"),
    "precedence": (moved(1, start=6, end=11), "its material is there at 10"),
    "lag and carriage": (moved(1, start=9, end=14), "its material is there at 10"),
    "missing step": (GOOD[:3], "Activity 3 is placed 0 times"),
    "a step twice": ((*GOOD, GOOD[3]), "Activity 3 is placed 2 times"),
    "a step there is not": ((*GOOD, Placement(9, 0, 0, 1)), "There is no activity 9"),
    "a mode there is not": (moved(3, mode=4), "has no mode 4"),
    "a negative mode": (moved(3, mode=-1), "has no mode -1"),
    "closed window": (moved(1, start=14, end=19), "runs while lathe is closed"),
    "work in a break": (moved(2, start=7, end=10), "works 1 of 3"),
    "work cut short": (moved(3, end=24), "works 4 of 6"),
    "work drawn out": (moved(3, end=30), "works 10 of 6"),
    "team of two wanted thrice": (moved(3, start=12, end=18), "team has 3 of 2 in use"),
    "before the release": (moved(0, start=1, end=5), "before its release at 2"),
    "before zero": (moved(3, start=-3, end=3), "before its release at 0"),
    "material not there": (moved(2, start=2, end=5), "before its material is there"),
    "after the deadline": (moved(1, start=55, end=60), "misses the deadline 60"),
    "after the horizon": (moved(3, start=76, end=82), "after the horizon 80"),
    "no time to set up": ((moved(0, start=21, end=25)[0], Placement(1, 1, 26, 35), *GOOD[2:]), "to set up from 0 to 1"),
    "forbidden by policy": (moved(2, mode=1, start=3, end=5), "uses a resource that policy forbids to valve"),
}


@pytest.mark.parametrize("name", BREAKS)
def test_each_way_to_break_a_plan_is_caught(name):
    """allocation 2, 3, 4, 5, 10: calendar, capacity, precedence with carriage, setup and policy, one break each."""
    placed, said = BREAKS[name]
    problem = rich()
    faults = verify(problem, msgspec.structs.replace(stated(problem, GOOD), placements=placed))
    assert any(said in fault for fault in faults), faults


@pytest.mark.parametrize(
    ("changes", "said"),
    [
        ({"capacity": 5}, "bar has 6 of 5 used"),
        ({"capacity": 0}, "bar has 6 of 0 used"),
    ],
)
def test_a_stock_that_is_overdrawn_is_caught(changes, said):
    """allocation 3: quantities taken of a stock."""
    problem = rich()
    resources = list(problem.resources)
    resources[BAR] = msgspec.structs.replace(resources[BAR], **changes)
    problem = msgspec.structs.replace(problem, resources=tuple(resources))
    assert any(said in fault for fault in verify(problem, stated(problem, GOOD)))


def test_hours_of_one_week_that_are_taken_twice_are_caught():
    """allocation 3: hours by the bucket an activity starts in."""
    problem = rich()
    other = msgspec.structs.replace(problem.activities[3], demand=1)
    problem = msgspec.structs.replace(problem, activities=(*problem.activities, other))
    plan = stated(problem, (*GOOD, Placement(4, 0, 26, 32)))
    assert verify(problem, plan) == ["hours has 6 of 3 used in bucket 2."]


def test_a_budget_that_carriage_overdraws_is_caught():
    """allocation 6: modes and carriage together come to 180; a budget of 179 is exceeded."""
    problem = rich()
    assert verify(problem, stated(problem, GOOD)) == []
    demands = (msgspec.structs.replace(problem.demands[0], budget=179.0), *problem.demands[1:])
    poor = msgspec.structs.replace(problem, demands=demands)
    assert verify(poor, stated(poor, GOOD)) == ["Demand 0 costs 180.00 of a budget of 179.00."]


@pytest.mark.parametrize("part", ["price", "carriage", "co2", "lateness", "makespan", "unserved", "value", "synergy"])
def test_each_figure_left_out_of_the_objective_is_caught(part):
    """allocation 17, 30: what the plan comes to is reckoned again, item by item."""
    problem = rich(synergies=(Synergy(0, 1, 11.0),), tariff=Tariff(co2=0.5, makespan=0.25, value=1.0))
    valued = msgspec.structs.replace(problem.activities[0].modes[0], value=13.0)
    first = msgspec.structs.replace(problem.activities[0], modes=(valued,))
    problem = msgspec.structs.replace(problem, activities=(first, *problem.activities[1:]))
    unserved = (2,) if part == "unserved" else ()
    placed = GOOD[:3] if unserved else GOOD
    less = {
        "price": 90.0,
        "carriage": 15.0,
        "co2": 3.5,
        "lateness": 3.0 * 7,
        "makespan": 0.25,
        "unserved": 400.0,
        "value": -13.0,
        "synergy": -11.0,
    }[part]
    plan = stated(problem, placed, unserved)
    assert verify(problem, plan) == []
    wrong = msgspec.structs.replace(plan, objective=plan.objective - less)
    assert any("The objective is stated as" in fault for fault in verify(problem, wrong))


@pytest.mark.parametrize(
    ("changes", "said"),
    [
        ({"bound": 1e9}, "is above the objective"),
        ({"bound": float("nan")}, "is above the objective"),
        ({"objective": float("nan")}, "The objective is stated"),
        ({"status": Status.OPTIMAL, "bound": 1.0}, "It is called optimal"),
        ({"unserved": (0,)}, "may not stay unserved"),
        ({"unserved": (77,)}, "may not stay unserved"),
        ({"unserved": (2,)}, "placed 1 times, where 0 is right"),
        ({"status": Status.UNKNOWN}, "without being a plan"),
    ],
)
def test_claims_that_a_plan_does_not_bear_are_caught(changes, said):
    """allocation 17: bound <= objective, optimal only with proof, refusals only where they are allowed."""
    problem = rich()
    plan = msgspec.structs.replace(stated(problem, GOOD), **changes)
    assert any(said in fault for fault in verify(problem, plan))


def test_a_rule_over_choices_that_is_missed_is_caught():
    """allocation 27: a cost share that the choice does not reach."""
    row = Row(name="share of programme 1", terms=((1, 0, 2.0), (1, 1, -1.0)), at_least=3.0)
    problem = rich(rows=(row,))
    faults = verify(problem, stated(problem, GOOD))
    assert faults == ["share of programme 1 comes to 2.00, at least 3.00 is asked for."]


@settings(max_examples=60, deadline=None)
@given(st.integers(0, 10_000), st.integers(0, 10_000))
def test_referee_and_minute_by_minute_counting_agree_on_damaged_plans(seed, damage):
    """allocation 3: on plans damaged at random two checkers that share nothing say the same."""
    problem, chance = any_problem(seed), random.Random(damage)
    plan = solve(problem, Limits(seconds=0.0))
    assume(plan.placements)
    placed = list(plan.placements)
    for _ in range(chance.randint(1, 2)):
        at = chance.randrange(len(placed))
        each, shift = placed[at], chance.choice((-9, -4, -1, 1, 2, 7))
        modes = len(problem.activities[each.activity].modes)
        placed[at] = chance.choice(
            (
                Placement(each.activity, each.mode, each.start + shift, each.end + shift),
                Placement(each.activity, each.mode, each.start, each.end + shift),
                Placement(each.activity, chance.randrange(modes), each.start, each.end),
            )
        )
    assume(all(each.start <= each.end for each in placed))
    own = objective(problem, placed, plan.unserved)
    damaged = msgspec.structs.replace(plan, placements=tuple(placed), objective=own, bound=min(own, 0.0))
    damaged = msgspec.structs.replace(damaged, status=Status.FEASIBLE)
    assert bool(verify(problem, damaged)) == (not counted(problem, placed))


def test_the_referee_imports_the_model_and_nothing_of_the_solvers():
    """allocation 3: an independent checker; it knows the problem's words, and no array, rule or sum of the solvers."""
    tree = ast.parse(Path(inspect.getsourcefile(verify)).read_text())
    named = {each.module for each in ast.walk(tree) if isinstance(each, ast.ImportFrom) and each.module}
    named |= {alias.name for each in ast.walk(tree) if isinstance(each, ast.Import) for alias in each.names}
    ours = {name for name in named if name.startswith("interwork")}
    assert ours == {"interwork.allocation.problem.model"}
