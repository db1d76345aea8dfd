"""Shops whose machines are set up between operations or jobs: read, planned to the proved optimum, and checked."""

import itertools
import random

import msgspec
import pytest

from interwork.allocation import Limits, solve, verify
from interwork.allocation.engine.exact import is_exact
from interwork.allocation.problem import Placement, Status, write
from interwork.allocation.problem.reading import parse
from interwork.core.errors import BadInput

NEVER = 1_000_000


def drawn(seed, count=4, by_job=False):
    """Two jobs of two operations on two machines, with setups drawn for each machine."""
    chance = random.Random(seed)
    jobs = [[[(m, chance.randint(2, 9)) for m in (1, 2)] for _ in range(2)] for _ in range(2)]
    lines = ["2 2 2"]
    lines += ["2 " + " ".join(f"2 {a[0]} {a[1]} {b[0]} {b[1]}" for a, b in job) for job in jobs]
    squares = [[[chance.randint(0, 6) for _ in range(count)] for _ in range(count)] for _ in range(2)]
    lines += ["", *(" ".join(map(str, row)) for square in squares for row in square)]
    return "\n".join(lines), jobs, squares


def brute(jobs, squares, by_job):
    """Try every choice of machines and every order: the least makespan there is."""
    operations = [(j, o) for j in range(2) for o in range(2)]
    best = NEVER
    for machines in itertools.product((0, 1), repeat=4):
        for order in itertools.permutations(range(4)):
            if order.index(0) > order.index(1) or order.index(2) > order.index(3):
                continue
            ready, last, end = [0, 0], [None, None], [0, 0]
            for v in order:
                j, o = operations[v]
                k = machines[v]
                this = j if by_job else v
                setup = 0 if last[k] is None else squares[k][last[k]][this]
                start = max(ready[j], end[k] + setup)
                ready[j] = end[k] = start + jobs[j][o][k][1]
                last[k] = this
            best = min(best, max(ready))
    return best


@pytest.mark.parametrize("by_job", [False, True])
@pytest.mark.parametrize("seed", range(4))
def test_the_plan_is_the_best_of_all_orders(seed, by_job):
    """allocation 5: setups of every machine's own between operations, or jobs, against every order there is."""
    text, jobs, squares = drawn(seed, 2 if by_job else 4)
    problem = parse(text, "x")
    plan = solve(problem, Limits(seconds=3))
    assert verify(problem, plan) == []
    assert plan.objective == brute(jobs, squares, by_job)
    if is_exact(problem):
        assert plan.status is Status.OPTIMAL


def test_what_a_machine_cannot_do_may_have_any_setup():
    """allocation 31: the published files write 1000000 where an operation does not go to a machine."""
    text = f"2 2 1.5\n1 1 1 5\n1 2 1 4 2 9\n\n{NEVER} 3\n2 {NEVER}\n{NEVER} {NEVER}\n{NEVER} {NEVER}\n"
    plan = solve(parse(text, "x"), Limits(seconds=2))
    assert (plan.status, plan.objective) == (Status.OPTIMAL, 9)


def test_the_referee_misses_no_setup_that_one_machine_alone_asks_for():
    """allocation 5: the same plan holds where the other machine is the slow one."""
    text = "2 1\n1 1 1 5\n1 1 1 4\n0 3\n2 0\n"
    problem = parse(text, "x")
    plan = solve(problem, Limits(seconds=2))
    assert plan.objective == 5 + 2 + 4
    tight = tuple(Placement(p.activity, p.mode, p.start - 1, p.end - 1) if p.start else p for p in plan.placements)
    worse = msgspec.structs.replace(plan, placements=tight, objective=10.0, bound=10.0)
    assert any("no time to set up" in each for each in verify(problem, worse))


def test_setups_that_fit_no_square_are_refused_and_those_of_a_model_must_fit():
    text, _, _ = drawn(1)
    with pytest.raises(BadInput, match="follows where the file should end"):
        parse(text.rsplit(" ", 1)[0], "x")
    problem = parse(text, "x")
    wrong = msgspec.structs.replace(
        problem, resources=(msgspec.structs.replace(problem.resources[0], setups=((0,),)), problem.resources[1])
    )
    with pytest.raises(BadInput, match="a setup matrix is of 1 families, another of 4"):
        parse(write(wrong).decode(), "x")
    assert parse(write(problem).decode(), "x") == problem


def test_without_time_the_bound_is_what_the_machines_must_work():
    """allocation 17: where CP-SAT has no time, the work that only one group of machines can do bounds the plan."""
    plan = solve(parse("2 1\n1 1 1 5\n1 1 1 4\n0 3\n2 0\n", "x"), Limits(seconds=0.0))
    assert (plan.bound, plan.objective) == (9, 12)
