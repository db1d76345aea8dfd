"""A portfolio of projects under budgets, cost shares, exclusions and synergies: CP-SAT, bounded by its LP as well."""

import math

import msgspec

from interwork.allocation.assign.program import program, relax
from interwork.allocation.engine.account import objective
from interwork.allocation.engine.exact import prove
from interwork.allocation.engine.limits import Clock
from interwork.allocation.problem.model import Placement, Problem, Solution, Status


def solve_portfolio(problem: Problem, clock: Clock) -> Solution:
    """Choose projects and funding levels for the most value until the clock is up."""
    answer = relax(program(problem))
    floor = float(answer.fun) if answer.status == 0 else -math.inf
    start = ranked(problem)
    found = prove(problem, clock, start)
    if not found.is_solved:
        found = start
    bound = min(found.objective, max(found.bound, floor))
    near = 1e-6 * max(1.0, abs(found.objective))
    is_proved = found.status is Status.OPTIMAL or found.objective <= bound + near
    return msgspec.structs.replace(found, bound=bound, status=Status.OPTIMAL if is_proved else Status.FEASIBLE)


def ranked(problem: Problem, key: str = "ratio") -> Solution:
    """Fund down a list until the budgets are gone: by value per euro, by score, or as they came in.

    A project is taken in its first level that fits every budget and every rule that is not below its limit by it alone.
    """
    chosen: dict[int, int] = {}
    left = [float(each.capacity) for each in problem.resources]
    sums = [0.0] * len(problem.rows)
    terms = [{(a, m): c for a, m, c in row.terms} for row in problem.rows]
    for number in sorted(range(len(problem.activities)), key=lambda a: _rank(problem, a, key)):
        for m, mode in enumerate(problem.activities[number].modes):
            new = [total + each.get((number, m), 0.0) for total, each in zip(sums, terms, strict=True)]
            is_kept = all(
                value >= row.at_least - 1e-9 or value >= old
                for value, old, row in zip(new, sums, problem.rows, strict=True)
            )
            if is_kept and all(left[r] >= amount for r, amount in mode.uses):
                chosen[number], sums = m, new
                for r, amount in mode.uses:
                    left[r] -= amount
                break
    placed = tuple(Placement(a, m, 0, 0) for a, m in sorted(chosen.items()))
    refused = tuple(
        d for d in range(len(problem.demands)) if not any(problem.activities[a].demand == d for a in chosen)
    )
    own = objective(problem, placed, refused)
    is_whole = all(total >= row.at_least - 1e-9 for total, row in zip(sums, problem.rows, strict=True))
    return Solution(
        problem=problem.name,
        status=Status.FEASIBLE if is_whole else Status.UNKNOWN,
        objective=own,
        bound=-math.inf,
        placements=placed if is_whole else (),
        unserved=refused if is_whole else (),
        solver=f"ranking by {key}",
    )


def _rank(problem: Problem, activity: int, key: str) -> tuple[float, int]:
    mode = problem.activities[activity].modes[0]
    spent = sum(amount for _, amount in mode.uses)
    value = {"ratio": -mode.value / max(1, spent), "score": -mode.value, "first come": 0.0}[key]
    return value, activity
