"""Solve projects: the genetic search first, then CP-SAT from what it found; several modes go to CP-SAT at once."""

import math

from interwork.allocation.engine.account import better, objective
from interwork.allocation.engine.exact import prove
from interwork.allocation.engine.limits import Clock
from interwork.allocation.network.solving import solve_general, solve_network
from interwork.allocation.problem.model import Problem, ResourceKind, Solution, Status
from interwork.allocation.project.genetic import Search
from interwork.allocation.project.serial import Net, critical, is_single, placements, tabulate

SHARE = 0.5
MANY = 600
"""Activities above which CP-SAT gets most of the time."""
SHARE_OF_MANY = 0.2
STALE = 100
"""Children per activity without a new best after which a project that is not large is handed over."""


def solve_project(problem: Problem, clock: Clock) -> Solution:
    """Plan projects for the least makespan until the clock is up."""
    if not is_single(problem):
        return solve_general(problem, clock) if problem.tariff.makespan else solve_network(problem, clock)
    net = tabulate(problem)
    floor = lower_bound(problem, net)
    search = Search(net, clock.limits.seed)
    search.floor = floor
    start = written(problem, net, search.best, floor, "latest finish first")
    search.stale = 1 << 60 if net.count > MANY else STALE * net.count
    search.run(clock, clock.until(SHARE_OF_MANY if net.count > MANY else SHARE))
    found = written(problem, net, search.best, floor, "genetic search with justification")
    if found.status is Status.OPTIMAL or clock.is_up:
        return found
    # Counted work starts from what does not depend on how much there is, so that more is never worse.
    return better(problem, found, prove(problem, clock, start if clock.is_fixed else found))


def written(problem: Problem, net: Net, start: list[int], floor: int, solver: str) -> Solution:
    """Write a schedule down as a solution."""
    placed = placements(net, start)
    own = objective(problem, placed)
    return Solution(
        problem=problem.name,
        status=Status.OPTIMAL if own <= floor else Status.FEASIBLE,
        objective=own,
        bound=float(min(own, floor)),
        placements=placed,
        solver=solver,
    )


def lower_bound(problem: Problem, net: Net) -> int:
    """Bound the makespan: the longest chain, and the work each resource has to do."""
    bound = critical(net)
    work = [0] * len(problem.resources)
    for activity in problem.activities:
        mode = activity.modes[0]
        for used, amount in mode.uses:
            work[used] += amount * mode.duration
    for resource, total in zip(problem.resources, work, strict=True):
        capacity = 1 if resource.kind is ResourceKind.UNARY else resource.capacity
        if capacity:
            bound = max(bound, math.ceil(total / capacity))
    return bound
