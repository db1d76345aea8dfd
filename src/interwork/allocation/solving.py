"""Choose the solver for a problem, run it within the limits, and never tell more than is known."""

import math
from collections.abc import Callable

import msgspec

from interwork.allocation.assign import solve_assignment, solve_portfolio
from interwork.allocation.engine.account import least
from interwork.allocation.engine.exact import prove
from interwork.allocation.engine.limits import Clock, Interrupt, Limits, Watch
from interwork.allocation.network import solve_network
from interwork.allocation.problem.model import Kind, Problem, Solution, Status
from interwork.allocation.project import solve_project
from interwork.allocation.shop import solve_shop

Solver = Callable[[Problem, Clock], Solution]

SOLVERS: dict[Kind, Solver] = {
    Kind.SHOP: solve_shop,
    Kind.PROJECT: solve_project,
    Kind.ASSIGNMENT: solve_assignment,
    Kind.NETWORK: solve_network,
    Kind.PORTFOLIO: solve_portfolio,
}


def solve(
    problem: Problem,
    limits: Limits | None = None,
    *,
    interrupt: Interrupt | None = None,
    began: float | None = None,
    watch: Watch | None = None,
) -> Solution:
    """Plan a problem; `interrupt` ends it with the best so far, `began` counts what came before (reading) in.

    `watch` is told each better plan and each higher bound as they come. The bound is never above the objective, and
    optimal is said only where the two meet.
    """
    clock = Clock(limits or Limits(), interrupt, began, watch)
    found = SOLVERS[problem.kind](problem, clock)
    if not found.is_solved and found.status is not Status.INFEASIBLE and not clock.is_up:
        found = prove(problem, clock)
    bound = found.bound if math.isfinite(found.bound) else least(problem)
    if found.is_solved:
        clock.tell(found.objective, found.solver, bound)
    return msgspec.structs.replace(
        found,
        bound=min(bound, found.objective) if found.is_solved else bound,
        seed=clock.limits.seed,
        seconds=round(clock.passed, 3),
    )
