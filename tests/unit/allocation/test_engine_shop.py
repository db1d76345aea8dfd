"""Shops and projects: rules, searches and proofs; each plan passes the referee."""

import random

import pytest
from allocation_problems import ARCS, FJSP, MPLIB, PATTERSON, PSPLIB
from hypothesis import given, settings
from hypothesis import strategies as st

from interwork.allocation import Limits, solve, verify
from interwork.allocation.engine import Clock
from interwork.allocation.problem import Status
from interwork.allocation.problem.reading import parse
from interwork.allocation.project.serial import justified, schedule, span, tabulate
from interwork.allocation.shop.dispatch import all_rules, dispatch
from interwork.allocation.shop.solving import best_rule, lower_bound, makespan
from interwork.allocation.shop.table import placements
from interwork.allocation.shop.table import tabulate as tabulate_shop
from interwork.allocation.shop.tabu import Tabu


def shop(seed, jobs=6, machines=4, shortest=0):
    """Write a random flexible job shop."""
    chance = random.Random(seed)
    lines = [f"{jobs} {machines}"]
    for _ in range(jobs):
        steps = []
        for _ in range(chance.randint(1, 5)):
            able = chance.sample(range(1, machines + 1), chance.randint(1, machines))
            steps.append(f"{len(able)} " + " ".join(f"{m} {chance.randint(shortest, 9)}" for m in able))
        lines.append(f"{len(steps)} " + " ".join(steps))
    return parse("\n".join(lines), f"shop-{seed}")


def project(seed, count=14):
    """Write a random project in Patterson's form."""
    chance = random.Random(seed)
    lines = [f"{count} 2", "5 4"]
    for number in range(1, count + 1):
        later = sorted(chance.sample(range(number + 1, count + 1), min(count - number, chance.randint(0, 3))))
        demands = f"{chance.randint(0, 5)} {chance.randint(0, 4)}"
        lines.append(f"{chance.randint(0, 7)} {demands} {len(later)} " + " ".join(map(str, later)))
    return parse("\n".join(lines), f"project-{seed}")


@pytest.mark.parametrize(
    ("text", "least"), [(FJSP, 9), (ARCS, 11), (PATTERSON, 5), (MPLIB, 9), (PSPLIB, 6)], ids=["a", "b", "c", "d", "e"]
)
def test_small_instances_are_proved_optimal(text, least):
    """allocation 17: optimal is said with proof."""
    problem = parse(text, "x")
    plan = solve(problem, Limits(seconds=5))
    assert verify(problem, plan) == []
    assert (plan.status, plan.objective) == (Status.OPTIMAL, least)


@settings(max_examples=25, deadline=None)
@given(st.integers(0, 1000))
def test_every_rule_and_the_tabu_search_keep_the_rules_of_a_shop(seed):
    """allocation 3, 4: plans of shops pass the referee, and the search is never worse than the best rule."""
    problem = shop(seed)
    table = tabulate_shop(problem)
    spans = [makespan(table, dispatch(table, *rule)) for rule in all_rules()]
    search = Tabu(table, best_rule(table)[0], seed)
    clock = Clock(Limits(seconds=5, effort=1))
    search.run(clock, clock.deadline, lower_bound(table))
    plan = solve(problem, Limits(seconds=0.0))
    assert verify(problem, plan) == []
    assert search.best_span == max(each.end for each in placements(table, search.best))
    assert lower_bound(table) <= search.best_span <= min(spans)


def test_the_tabu_search_reaches_what_cp_sat_proves():
    """allocation 17: two methods that share no search agree on the optimum."""
    problem = shop(3, jobs=7)
    plan = solve(problem, Limits(seconds=8))
    table = tabulate_shop(problem)
    search = Tabu(table, best_rule(table)[0], 1)
    clock = Clock(Limits(seconds=5, effort=10))
    search.run(clock, clock.deadline, 0)
    assert plan.status is Status.OPTIMAL
    assert search.best_span == plan.objective


def test_one_seed_gives_one_shop_plan_where_work_is_counted():
    """allocation 18: the same seed and effort give the same plan of a shop."""
    problem = shop(5)
    one, other = (solve(problem, Limits(seconds=30, effort=1)) for _ in range(2))
    assert one.placements == other.placements


@settings(max_examples=6, deadline=None)
@given(st.integers(0, 1000))
def test_the_serial_scheme_keeps_capacity_and_justification_never_lengthens(seed):
    """allocation 3, 4: project schedules pass the referee."""
    problem = project(seed)
    net = tabulate(problem)
    start = schedule(net, net.topological)
    plan = solve(problem, Limits(seconds=20, effort=1))
    assert span(net, justified(net, start)) <= span(net, start)
    assert verify(problem, plan) == []
    assert plan.objective <= span(net, start)


def test_a_shop_whose_operations_join_has_a_plan_at_once_and_a_proof_soon():
    """allocation 4: precedence over several predecessors is kept, from the first plan on."""
    arcs = "4 3 2\n0 2 J1\n1 2 J1\n2 3 J1\n1 0 4\n2 0 5 1 3\n1 1 2\n1 0 6\n"
    problem = parse(arcs, "x")
    first, plan = (solve(problem, Limits(seconds=seconds)) for seconds in (0.0, 3.0))
    assert verify(problem, first) == []
    assert verify(problem, plan) == []
    assert (plan.status, plan.objective) == (Status.OPTIMAL, 12)
