"""Network plans: every shape is planned and passes the referee; bounds, seeds, limits and interrupts hold."""

from itertools import pairwise

import msgspec
import pytest
from allocation_problems import any_problem, mode, two_steps
from hypothesis import given, settings
from hypothesis import strategies as st

from interwork.allocation import Limits, solve, verify
from interwork.allocation.engine import Clock, Interrupt
from interwork.allocation.engine.exact import prove
from interwork.allocation.network import RULES, by_rule, price, solve_network, trade_off
from interwork.allocation.network.table import placements, tabulate
from interwork.allocation.problem import (
    Activity,
    Demand,
    Link,
    Placement,
    Resource,
    ResourceKind,
    Size,
    Solution,
    Status,
    generate,
)

SHORT = Limits(seconds=20.0, effort=1)


@settings(max_examples=60, deadline=None)
@given(st.integers(0, 10_000))
def test_a_problem_of_any_shape_gets_a_plan_that_the_referee_passes(seed):
    """allocation 3, 4, 5, 6, 7: capacity, precedence, transport, setups, budgets and exclusions hold in every plan."""
    problem = any_problem(seed)
    plan = solve(problem, Limits(seconds=0.08, seed=seed))
    assert plan.is_solved
    assert verify(problem, plan) == []
    assert plan.bound <= plan.objective + 1e-6


@pytest.mark.parametrize("rule", RULES)
def test_every_rule_makes_a_plan_that_the_referee_passes(rule):
    problem = generate(Size(needs=25, machines=16, sites=4, seed=2))
    routes, _ = by_rule(tabulate(problem), rule)
    refused = tuple(d for d, route in enumerate(routes) if route is None)
    plan = Solution(
        problem=problem.name,
        status=Status.FEASIBLE,
        objective=0.0,
        bound=-1e12,
        placements=placements(routes),
        unserved=refused,
    )
    assert [fault for fault in verify(problem, plan) if not fault.startswith("The objective")] == []


def test_the_search_beats_every_rule_and_stays_above_its_bound():
    """allocation 17: the bound is below the plan and the gap is told."""
    problem = generate(Size(needs=40, machines=16, sites=5, seed=3))
    plan = solve(problem, Limits(seconds=20, effort=4))
    rules = solve(problem, Limits(seconds=0.0))
    assert verify(problem, plan) == []
    assert plan.bound <= plan.objective <= rules.objective
    assert 0 <= plan.gap < 0.25


def test_one_seed_gives_one_plan_where_work_is_counted():
    """allocation 18: the same seed and effort give the same plan."""
    problem = generate(Size(needs=20, machines=24, sites=3, seed=4))
    one, other = (solve(problem, SHORT) for _ in range(2))
    assert one.placements == other.placements


def test_more_effort_never_gives_a_worse_plan():
    """allocation 19: a longer limit goes over the same ground and then further."""
    problem = generate(Size(needs=20, machines=24, sites=3, seed=6))
    found = [solve(problem, Limits(seconds=30, effort=effort)).objective for effort in (1, 2, 4)]
    assert found == sorted(found, reverse=True)


def test_an_interrupted_search_gives_the_best_so_far():
    """allocation 20: interrupting returns a feasible plan at once."""
    problem = generate(Size(needs=30, machines=12, sites=3, seed=7))
    interrupt = Interrupt()
    interrupt.set()
    plan = solve(problem, Limits(seconds=600), interrupt=interrupt)
    assert plan.is_solved
    assert verify(problem, plan) == []


@pytest.mark.parametrize("seed", range(6))
def test_the_bound_by_prices_is_never_above_a_proved_optimum(seed):
    """allocation 17: the route LP is a relaxation, whatever the grid of its rows."""
    problem = generate(Size(needs=4, machines=8, sites=3, seed=seed, load=4.0))
    optimum = prove(problem, Clock(Limits(seconds=5)))
    assert optimum.status is Status.OPTIMAL
    for grid in ((1, 1), (1, 5), (6, 10)):
        assert price(problem, Clock(Limits(seconds=5)), grid=grid).bound <= optimum.objective + 1e-6


def test_taking_a_resource_away_never_lowers_the_bound_of_the_route_lp():
    """allocation 22: the optimum of the relaxation is monotone in the resources."""
    problem = generate(Size(needs=20, machines=16, sites=3, seed=8))
    whole = price(problem, Clock(Limits(seconds=20)))
    demands = tuple(msgspec.structs.replace(each, excluded=(0,)) for each in problem.demands)
    fewer = price(msgspec.structs.replace(problem, demands=demands), Clock(Limits(seconds=20)))
    assert whole.is_converged
    assert fewer.is_converged
    assert fewer.bound >= whole.bound - 1e-4


def test_the_price_of_an_hour_predicts_what_one_percent_more_would_save():
    """allocation 28: the dual matches a re-solve; where there is slack it is 0."""
    tight = generate(Size(needs=60, machines=16, sites=3, seed=9, load=4.0))
    found = price(tight, Clock(Limits(seconds=30)))
    dearest = max(found.rows, key=lambda row: row.value * row.capacity)
    more = price(tight, Clock(Limits(seconds=30)), scale={dearest.resource: 1.001})
    assert dearest.value > 0
    assert found.relaxed - more.relaxed == pytest.approx(found.gain(dearest.resource, 0.001), rel=0.02)
    assert all(row.value <= 1e-6 for row in found.rows if row.used < row.capacity * (1 - 1e-6))


def test_the_trade_between_cost_and_co2_has_no_dominated_point_and_its_totals_add_up():
    """allocation 30: points are mutually non-dominated; CO₂ is that of operations and transport."""
    problem = generate(Size(needs=15, machines=32, sites=4, seed=10))
    points = trade_off(problem, Limits(seconds=2.0))
    assert len(points) >= 2
    for one, other in pairwise(points):
        assert one.cost <= other.cost
        assert one.co2 > other.co2
    last = points[-1]
    kg = sum(problem.activities[p.activity].modes[p.mode].co2 for p in last.solution.placements)
    assert last.co2 >= kg - 1e-6
    assert verify(problem, last.solution) == []


def test_carriage_decides_where_the_second_step_goes():
    problem = two_steps()
    plan = solve(problem, Limits(seconds=2))
    assert plan.status is Status.OPTIMAL
    assert plan.objective == pytest.approx(160.0)
    assert [each.mode for each in plan.placements] == [0, 0]


def test_work_resumes_after_a_break_and_never_runs_while_closed():
    """allocation 2: an interruptible operation resumes after the break; a closed interval is never entered."""
    resource = Resource(id="a", breaks=((2, 5),), closed=((8, 20),))
    activities = tuple(Activity(demand=0, modes=(mode(0, 4, 1.0),)) for _ in range(2))
    problem = two_steps(demands=(Demand(id="d"),), activities=activities, resources=(resource,), transport=None)
    plan = solve_network(problem, Clock(SHORT))
    assert verify(problem, plan) == []
    assert sorted((each.start, each.end) for each in plan.placements) == [(0, 7), (20, 24)]


def test_families_wait_for_their_setup():
    """allocation 5: the setup between families is kept."""
    activities = tuple(Activity(demand=n, modes=(mode(0, 4, 1.0),), family=n) for n in range(2))
    demands = tuple(Demand(id=f"d{n}", due=0, late_per_unit=1.0) for n in range(2))
    problem = two_steps(
        demands=demands, activities=activities, resources=(Resource(id="a"),), transport=None, setups=((0, 9), (2, 0))
    )
    plan = solve_network(problem, Clock(SHORT))
    assert verify(problem, plan) == []
    assert sorted((each.start, each.activity) for each in plan.placements) == [(0, 1), (6, 0)]


def test_a_budget_that_cannot_be_kept_leaves_the_need_unserved():
    """allocation 6: the budget is never exceeded."""
    demand = Demand(id="d", budget=100.0, unserved=1000.0, origin=0, target=0)
    plan = solve_network(two_steps(demands=(demand,)), Clock(SHORT))
    assert plan.unserved == (0,)


def test_a_stock_that_runs_out_serves_whom_it_can():
    stock = Resource(id="stock", kind=ResourceKind.CONSUMABLE, capacity=5)
    demands = tuple(Demand(id=f"d{n}", unserved=500.0) for n in range(3))
    activities = tuple(Activity(demand=n, modes=(mode(0, 1, 1.0, amount=2),)) for n in range(3))
    problem = two_steps(demands=demands, activities=activities, resources=(stock,), transport=None)
    plan = solve(problem, Limits(seconds=2))
    assert verify(problem, plan) == []
    assert len(plan.unserved) == 1


def planted(problem, plan, number, **changes):
    """Change one placement of a plan."""
    placed = list(plan.placements)
    placed[number] = msgspec.structs.replace(placed[number], **changes)
    return verify(problem, msgspec.structs.replace(plan, placements=tuple(placed)))


def test_the_referee_finds_what_is_planted():
    """allocation 3: the checker is no rubber stamp."""
    problem = two_steps()
    plan = solve(problem, Limits(seconds=2))
    assert any("material is there" in fault for fault in planted(problem, plan, 1, start=1, end=4))
    assert any("works" in fault for fault in planted(problem, plan, 1, end=40))
    assert any("no mode" in fault for fault in planted(problem, plan, 1, mode=7))
    assert any("placed 0 times" in fault for fault in planted(problem, plan, 1, activity=0))
    assert verify(problem, msgspec.structs.replace(plan, bound=plan.objective + 1))
    assert verify(problem, msgspec.structs.replace(plan, objective=1.0, bound=0.0))
    assert verify(problem, msgspec.structs.replace(plan, bound=0.0))


def test_the_referee_finds_two_at_once_on_one_machine():
    """allocation 3: no resource is over its capacity at any instant."""
    activities = tuple(Activity(demand=0, modes=(mode(0, 4, 1.0),)) for _ in range(2))
    problem = two_steps(demands=(Demand(id="d"),), activities=activities, resources=(Resource(id="a"),), transport=None)
    overlap = (Placement(0, 0, 0, 4), Placement(1, 0, 3, 7))
    plan = Solution(problem="x", status=Status.FEASIBLE, objective=2.0, bound=0.0, placements=overlap)
    assert verify(problem, plan) == ["a has 2 of 1 in use at 3."]


def test_policy_excludes_a_resource_for_every_step():
    """allocation 10: an exclusion holds for each step of a need, whatever it costs."""
    demand = Demand(id="need", due=20, late_per_unit=10.0, origin=0, target=0, excluded=(0,))
    problem = two_steps(demands=(demand,))
    plan = solve(problem, Limits(seconds=2))
    assert verify(problem, plan) == []
    assert [each.mode for each in plan.placements] == [1, 1]
    assert Link(0) in problem.activities[1].after
