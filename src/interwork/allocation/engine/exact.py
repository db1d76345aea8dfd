"""CP-SAT over the general model: plans, bounds and proofs; used for projects and small problems of any shape."""

import math
from collections import Counter
from typing import Any

from ortools.sat.python import cp_model

from interwork.allocation.engine.account import better, is_makespan_only, objective, setups_of
from interwork.allocation.engine.limits import Clock
from interwork.allocation.engine.writing import CENTS, Model, build
from interwork.allocation.problem.model import Placement, Problem, ResourceKind, Solution, Status

DETERMINISTIC_PER_EFFORT = 0.1
MOST_RESERVED = 0.1
"""Of what is left of the time, for CP-SAT to stop."""
SOLVED = {cp_model.OPTIMAL, cp_model.FEASIBLE}
MANY = 600
"""Activities above which CP-SAT does not look for what comes before what through others: that takes each worker
seconds of its own on a long project, and no limit ends it."""


def is_exact(problem: Problem) -> bool:
    """Tell whether this model says all of a problem: no hours by the week, setups without short cuts."""
    timed = any(each.kind is ResourceKind.BUCKETED and each.bucket for each in problem.resources)
    # A budget pays for carriage too, which this model charges but does not hold against it.
    paid = problem.transport is not None and any(each.budget is not None for each in problem.demands)
    return not (timed or paid) and all(_has_no_short_cut(problem, number) for number in range(len(problem.resources)))


def _has_no_short_cut(problem: Problem, number: int) -> bool:
    """Tell whether doing something else between two families never takes less than going straight."""
    setups = setups_of(problem, number)
    if not setups:
        return True
    least: dict[int, int] = {}
    users: Counter[int] = Counter()
    for activity in problem.activities:
        durations = [mode.duration for mode in activity.modes if any(used == number for used, _ in mode.uses)]
        if durations:
            users[activity.family] += 1
            least[activity.family] = min(*durations, least.get(activity.family, durations[0]))
    return -1 not in least and all(
        setups[f][g] <= setups[f][h] + work + setups[h][g]
        for h, work in least.items()
        for f in least
        for g in least
        if f != g or users[f] > 1
    )


def prove(problem: Problem, clock: Clock, hint: Solution | None = None) -> Solution:
    """Search with CP-SAT until the clock is up, from a hint if there is one; tell plan, bound and status."""
    if not is_exact(problem):
        return Solution(problem=problem.name, status=Status.UNKNOWN, objective=0.0, bound=-math.inf)
    if hint is not None and clock.left < 0.3:
        return _unknown(problem)
    model = build(problem, hint)
    found = _run(problem, model, clock, DETERMINISTIC_PER_EFFORT)
    # Counted work climbs a ladder, each rung from the start, so that more of it includes all that less of it did.
    rung = 2
    while clock.is_fixed and rung <= clock.limits.effort and found.status is not Status.OPTIMAL and not clock.is_up:
        found = better(problem, found, _run(problem, model, clock, DETERMINISTIC_PER_EFFORT * rung))
        rung *= 2
    return found


def solver_of(problem: Problem, clock: Clock, deterministic: float) -> Any:  # noqa: ANN401 - as below
    """Set CP-SAT up for a problem and what is left of the time."""
    solver = cp_model.CpSolver()
    settings = solver.parameters
    settings.num_workers = clock.limits.workers
    settings.random_seed = clock.limits.seed
    settings.max_time_in_seconds = max(0.05, clock.left - min(_reserve(problem), MOST_RESERVED * clock.left))
    if len(problem.activities) > MANY:
        settings.transitive_precedences_work_limit = 0
    if clock.is_fixed:
        settings.interleave_search = True
        settings.max_deterministic_time = deterministic
    return solver


def _run(problem: Problem, model: Model, clock: Clock, deterministic: float) -> Solution:
    solver = solver_of(problem, clock, deterministic)
    watcher = _Watcher(clock) if clock.watch is not None else None
    if watcher is not None:
        solver.best_bound_callback = watcher.bound
    code = solver.solve(model.cp, watcher)
    is_open = code in (cp_model.FEASIBLE, cp_model.UNKNOWN)
    if is_open and not clock.is_fixed and solver.wall_time < 0.8 * solver.parameters.max_time_in_seconds:
        # CP-SAT takes Ctrl-C for itself and ends with the best it has.
        clock.interrupt.set()
    return _told(problem, model, solver, code, clock.limits.seed)


class _Watcher(cp_model.CpSolverSolutionCallback):
    """Pass on what CP-SAT finds; its cents are rounded, so the last word is the solution's own objective."""

    def __init__(self, clock: Clock) -> None:
        super().__init__()
        self.clock = clock

    def on_solution_callback(self) -> None:
        """Pass a plan on."""
        self.clock.tell(self.objective_value / CENTS, "CP-SAT", self.best_objective_bound / CENTS)

    def bound(self, value: float) -> None:
        """Pass a bound on."""
        self.clock.tell(math.inf, "CP-SAT", value / CENTS)


def _reserve(problem: Problem) -> float:
    """Leave time for what CP-SAT takes to stop and to be read: more for larger models, most where many share."""
    shared = [each.kind is ResourceKind.CUMULATIVE for each in problem.resources]
    modes = [mode for each in problem.activities for mode in each.modes]
    return 0.1 + 2e-5 * len(modes) + 2e-4 * sum(shared[used] for mode in modes for used, _ in mode.uses)


def _unknown(problem: Problem) -> Solution:
    return Solution(problem=problem.name, status=Status.UNKNOWN, objective=0.0, bound=-math.inf)


def _told(problem: Problem, model: Model, solver: Any, code: Any, seed: int) -> Solution:  # noqa: ANN401 - CP-SAT's own types are not public
    if code == cp_model.INFEASIBLE:
        return Solution(problem=problem.name, status=Status.INFEASIBLE, objective=0.0, bound=math.inf, solver="CP-SAT")
    bound = solver.best_objective_bound / CENTS if code in SOLVED or code == cp_model.UNKNOWN else -math.inf
    if is_makespan_only(problem):
        bound = math.ceil(bound - 1e-6)
    if code not in SOLVED:
        return Solution(
            problem=problem.name, status=Status.UNKNOWN, objective=0.0, bound=bound, solver="CP-SAT", seed=seed
        )
    refused = tuple(n for n, each in enumerate(model.served) if each is not None and not solver.value(each))
    placements = []
    for number, activity in enumerate(problem.activities):
        if activity.demand in refused:
            continue
        chosen = next(m for m, pick in enumerate(model.picks[number]) if _is_chosen(solver, pick))
        placements.append(
            Placement(number, chosen, solver.value(model.starts[number]), solver.value(model.ends[number]))
        )
    own = objective(problem, placements, refused)
    is_proved = code == cp_model.OPTIMAL and own - bound <= 1e-4 * max(1.0, abs(own))
    return Solution(
        problem=problem.name,
        status=Status.OPTIMAL if is_proved else Status.FEASIBLE,
        objective=own,
        bound=own if is_proved and own - bound <= 1e-6 * max(1.0, abs(own)) else min(own, bound),
        placements=tuple(placements),
        unserved=refused,
        solver="CP-SAT",
        seed=seed,
    )


def _is_chosen(solver: Any, pick: Any) -> bool:  # noqa: ANN401 - as above
    return pick is True or (pick is not False and bool(solver.value(pick)))
