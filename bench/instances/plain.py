"""The peer of the allocation benches: the textbook model of a problem in CP-SAT, with all its defaults but the time.

It shares no code with the product: optional intervals with one literal per mode, no overlap or cumulative per
resource, the makespan or the cost to be least; eight workers, which is the better choice on two cores as well.
"""

import math
from typing import Any

from ortools.sat.python import cp_model

from interwork.allocation.problem import Kind, Problem, ResourceKind

SOLVED = (cp_model.OPTIMAL, cp_model.FEASIBLE)


def plain(problem: Problem, seconds: float, seed: int = 1) -> tuple[float, float]:
    """Tell objective and bound after so many seconds of plain CP-SAT; infinite where it has found no plan."""
    model = _assignment(problem) if problem.kind is Kind.ASSIGNMENT else _schedule(problem)
    solver = cp_model.CpSolver()
    solver.parameters.max_time_in_seconds = seconds
    solver.parameters.num_workers = 8
    solver.parameters.random_seed = seed
    code = solver.solve(model)
    return (solver.objective_value if code in SOLVED else math.inf), solver.best_objective_bound


def _schedule(problem: Problem) -> Any:
    model = cp_model.CpModel()
    horizon = sum(max(mode.duration for mode in each.modes) for each in problem.activities)
    horizon += max(each.release for each in problem.demands)
    starts, ends = [], []
    intervals: dict[int, list[tuple[Any, int, Any]]] = {}
    for activity in problem.activities:
        start = model.new_int_var(problem.demands[activity.demand].release, horizon, "")
        end = model.new_int_var(0, horizon, "")
        literals = [model.new_bool_var("") for _ in activity.modes]
        model.add_exactly_one(literals)
        for mode, literal in zip(activity.modes, literals, strict=True):
            interval = model.new_optional_interval_var(start, mode.duration, end, literal, "")
            for resource, amount in mode.uses:
                intervals.setdefault(resource, []).append((interval, amount, literal))
        starts.append(start)
        ends.append(end)
    for number, activity in enumerate(problem.activities):
        for link in activity.after:
            model.add(starts[number] >= ends[link.before] + link.lag)
    for number, users in intervals.items():
        of = problem.resources[number]
        if of.kind is ResourceKind.UNARY:
            model.add_no_overlap([interval for interval, _, _ in users])
        elif of.kind is ResourceKind.CUMULATIVE:
            model.add_cumulative([i for i, _, _ in users], [amount for _, amount, _ in users], of.capacity)
        else:
            model.add(sum(amount * literal for _, amount, literal in users) <= of.capacity)
    makespan = model.new_int_var(0, horizon, "")
    model.add_max_equality(makespan, ends)
    model.minimize(makespan)
    return model


def _assignment(problem: Problem) -> Any:
    model = cp_model.CpModel()
    used: dict[int, list[Any]] = {}
    costs = []
    for activity in problem.activities:
        literals = [model.new_bool_var("") for _ in activity.modes]
        model.add_exactly_one(literals)
        for mode, literal in zip(activity.modes, literals, strict=True):
            costs.append(int(mode.price) * literal)
            for resource, amount in mode.uses:
                used.setdefault(resource, []).append(amount * literal)
    for number, terms in used.items():
        model.add(sum(terms) <= problem.resources[number].capacity)
    model.minimize(sum(costs))
    return model
