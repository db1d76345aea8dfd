"""Allocation without timing: flows against an independent LP, portfolios, supply, and what their duals predict."""

import time

import msgspec
import numpy as np
import pytest
from allocation_problems import GAP
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy.optimize import linprog

from interwork.allocation import Limits, solve, verify
from interwork.allocation.assign import Arc, Arcs, Supply, match_many, shadow_prices, ship
from interwork.allocation.assign.apart import Apart
from interwork.allocation.assign.gap import _Table
from interwork.allocation.assign.matching import first_come
from interwork.allocation.assign.multipliers import bounded
from interwork.allocation.assign.portfolio import ranked
from interwork.allocation.assign.program import relax
from interwork.allocation.engine.limits import Clock
from interwork.allocation.problem import Status, Tariff
from interwork.allocation.problem.portfolio import portfolio
from interwork.allocation.problem.reading import parse
from interwork.core.errors import BadInput, NoPlan


def candidates(seed, needs=12, resources=4, each=2):
    """Draw candidates of a small matching."""
    rng = np.random.default_rng(seed)
    return Arcs(
        needs=np.repeat(np.arange(needs), each),
        resources=np.concatenate([rng.choice(resources, each, replace=False) for _ in range(needs)]),
        costs=rng.integers(1, 100, needs * each),
        capacities=rng.integers(0, 5, resources),
        count=needs,
        penalty=150,
    )


@settings(max_examples=40, deadline=None)
@given(st.integers(0, 10_000))
def test_mass_matching_equals_an_independent_lp(seed):
    """allocation 21: the flow's cost is that of an LP written apart, on random cases."""
    arcs = candidates(seed)
    rows = np.zeros((arcs.count + len(arcs.capacities), len(arcs.needs)))
    for column, (need, resource) in enumerate(zip(arcs.needs, arcs.resources, strict=True)):
        rows[need, column] = rows[arcs.count + resource, column] = 1
    limits = np.concatenate([np.ones(arcs.count), arcs.capacities])
    answer = linprog(arcs.costs - arcs.penalty, A_ub=rows, b_ub=limits, bounds=(0, 1))
    matched = match_many(arcs)
    assert matched.cost == pytest.approx(answer.fun + arcs.penalty * arcs.count)
    assert (np.bincount(matched.of[matched.of >= 0], minlength=len(arcs.capacities)) <= arcs.capacities).all()
    assert matched.cost <= first_come(arcs).cost


def test_candidates_out_of_range_are_refused():
    with pytest.raises(BadInput, match="do not fit"):
        match_many(msgspec_free_copy(candidates(1), resources=np.full(24, 9)))


def msgspec_free_copy(arcs, **changes):
    """Copy candidates with changes."""
    facts = {name: getattr(arcs, name) for name in ("needs", "resources", "costs", "capacities", "count", "penalty")}
    return Arcs(**(facts | changes))


def assignment(seed, agents=4, items=18):
    """Draw an assignment of Yagiura's type d: what is cheap is large."""
    rng = np.random.default_rng(seed)
    sizes = rng.integers(1, 101, (agents, items))
    costs = 111 - sizes + rng.integers(-10, 11, (agents, items))
    capacities = (0.8 * sizes.sum(axis=1) / agents).astype(int)
    rows = [[agents, items], *costs.tolist(), *sizes.tolist(), capacities.tolist()]
    return parse("\n".join(" ".join(map(str, row)) for row in rows), f"d-{seed}")


@pytest.mark.parametrize("seed", [1])
def test_an_assignment_is_proved_and_passes_the_referee(seed):
    """allocation 17: bound <= objective, optimal only with proof."""
    problem = assignment(seed)
    plan = solve(problem, Limits(seconds=60))  # it ends when the proof is done: a second or two on an idle machine
    assert verify(problem, plan) == []
    assert plan.status is Status.OPTIMAL


def test_the_smallest_assignment_is_solved_by_hand():
    problem = parse(GAP, "x")
    assert solve(problem, Limits(seconds=2)).objective == 6


def test_an_assignment_in_no_time_at_all_has_a_plan():
    """allocation 20: a limit that is over at once gives a plan that holds, with a bound below it."""
    problem = assignment(2, agents=8, items=60)
    plan = solve(problem, Limits(seconds=0.0))
    assert verify(problem, plan) == []
    assert plan.is_solved


def test_a_proof_apart_is_taken_when_it_is_there_and_ended_when_it_is_not():
    """allocation 20: HiGHS in a process of its own: its answer is that of the plan, and nothing is left behind."""
    problem = parse(GAP, "x")
    done, ended = Apart(problem, 30.0), Apart(assignment(1, agents=10, items=100), 600.0)
    assert ended.end() is None
    assert ended.process.returncode is not None
    deadline = time.monotonic() + 60
    while not done.is_done and time.monotonic() < deadline:
        done.wait(0.1)
    answer = done.end()
    assert answer is not None
    assert (answer.bound, answer.modes) == (pytest.approx(6.0), [0, 1, 0])


@pytest.mark.parametrize("shape", ["refusable", "two modes of one agent", "excluded", "priced by its carbon"])
def test_assignments_of_other_shapes_are_planned_for_what_they_are_charged(shape):
    """allocation 17: refusals, several modes on one agent, exclusions and tariffs, as JSON of the model may ask."""
    problem = parse(GAP, "x")
    replace = msgspec.structs.replace
    if shape == "refusable":
        problem = replace(problem, demands=tuple(replace(each, unserved=3.0) for each in problem.demands))
        least = 1 + 1 + 3
    elif shape == "two modes of one agent":
        first = problem.activities[0]
        cheap = replace(first.modes[0], price=0.5)
        problem = replace(problem, activities=(replace(first, modes=(*first.modes, cheap)), *problem.activities[1:]))
        least = 5.5
    elif shape == "excluded":
        first = replace(problem.demands[0], excluded=(0,))
        problem = replace(problem, demands=(first, *problem.demands[1:]))
        least = 9 + 9 + 4
    else:
        modes = [tuple(replace(m, co2=m.price, price=0.0) for m in each.modes) for each in problem.activities]
        activities = tuple(replace(a, modes=m) for a, m in zip(problem.activities, modes, strict=True))
        problem = replace(problem, activities=activities, tariff=Tariff(money=0.0, co2=2.0))
        least = 12
    plan = solve(problem, Limits(seconds=20))
    assert verify(problem, plan) == []
    assert (plan.status, plan.objective) == (Status.OPTIMAL, pytest.approx(least))


def arrays_of(problem):
    """Lay an assignment out as costs and sizes (items by agents) and room."""
    costs = np.array([[mode.price for mode in each.modes] for each in problem.activities])
    sizes = np.array([[mode.uses[0][1] for mode in each.modes] for each in problem.activities])
    return costs, sizes, np.array([each.capacity for each in problem.resources])


@settings(max_examples=15, deadline=None)
@given(st.integers(0, 10_000))
def test_prices_of_capacities_bound_an_assignment_as_its_linear_relaxation_does(seed):
    """allocation 17: the bound by multipliers is never above the LP's, and next to it."""
    problem = assignment(seed, agents=6, items=48)
    exact, _ = shadow_prices(problem)
    found, reduced = bounded(*arrays_of(problem), Clock(Limits(seconds=60)))
    assert exact * (1 - 2e-3) <= found <= exact + 1e-6
    assert reduced.min() == 0
    assert (reduced >= 0).all()


def test_an_assignment_whose_linear_relaxation_takes_too_long_is_still_bounded_and_planned_well():
    """allocation 17: 80 agents by 1,600 items are more than the simplex does in seconds."""
    problem = assignment(7, agents=20, items=200)
    clock = Clock(Limits(seconds=60))
    table = _Table(problem, clock)
    exact = table.bound
    table._relaxed(relax(table.program, 0.0), clock)
    assert not table.basic.any()
    assert 0.999 * exact <= table.bound <= exact
    found = table.first(clock)
    assert found is not None
    assert table.cost(found) <= 1.05 * exact


def test_an_assignment_that_cannot_be_is_said_to_be_infeasible():
    problem = parse("1 2\n1 1\n3 3\n4\n", "x")
    plan = solve(problem, Limits(seconds=2))
    assert plan.status is Status.INFEASIBLE
    assert not plan.is_solved


def test_a_portfolio_keeps_budgets_cost_shares_and_exclusions_and_beats_rankings():
    """allocation 27: shares hold per programme, synergy counts once, budgets stay in their years."""
    problem = portfolio(30, 2)
    plan = solve(problem, Limits(seconds=60))  # it ends when the proof is done: a second or two on an idle machine
    assert verify(problem, plan) == []
    for key in ("ratio", "score", "first come"):
        rule = ranked(problem, key)
        assert verify(problem, rule) == []
        assert plan.objective <= rule.objective
    assert plan.gap <= 0.015


def test_the_dual_of_a_budget_predicts_a_re_solve_and_slack_is_worth_nothing():
    """allocation 28: the dual of a slack capacity is 0; a small rise is worth what the dual says."""
    problem = portfolio(40, 3)
    value, rows = shadow_prices(problem)
    number = max(range(len(problem.resources)), key=lambda n: rows[n].value)
    raised, _ = shadow_prices(problem, {number: 1.0005})
    predicted = rows[number].value * rows[number].limit * 0.0005
    assert value - raised == pytest.approx(predicted, rel=0.01)
    assert all(row.value <= 1e-9 for row in rows if row.used < row.limit - 1e-6)


def test_supply_is_shipped_at_least_cost_and_what_is_missing_is_said():
    cheap = Arc(source=0, target=2, product=0, period=0, capacity=5, price=1)
    dear = Arc(source=1, target=2, product=0, period=1, capacity=50, price=3, co2=1)
    wanted = {(2, 0, 1): 12.0}
    supply = Supply(
        sites=3, products=1, periods=2, arcs=(cheap, dear), made={(0, 0, 0): 10.0, (1, 0, 1): 20.0}, wanted=wanted
    )
    flow = ship(supply)
    assert (flow.moved, flow.cost, flow.missing) == ((5.0, 7.0), 26.0, {})
    assert flow.value[0] == pytest.approx(2.0)
    capped = ship(msgspec.structs.replace(supply, co2_cap=6.5))
    assert capped.missing == {(2, 0, 1): pytest.approx(0.5)}
    assert capped.co2_value == pytest.approx(9997.0)


def test_supply_that_names_what_there_is_not_is_refused():
    with pytest.raises(BadInput, match="Site 5"):
        ship(Supply(sites=1, products=1, periods=1, arcs=(), made={(5, 0, 0): 1.0}, wanted={}))
    with pytest.raises(BadInput, match="negative"):
        ship(Supply(sites=1, products=1, periods=1, arcs=(), made={(0, 0, 0): -1.0}, wanted={}))
    assert issubclass(NoPlan, Exception)
