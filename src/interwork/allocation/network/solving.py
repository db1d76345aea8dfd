"""Plan a network: the best of the simple rules, ruin and recreate from it, a bound by column generation."""

from interwork.allocation.engine.account import better, objective
from interwork.allocation.engine.exact import is_exact, prove
from interwork.allocation.engine.limits import Clock
from interwork.allocation.network.prices import price
from interwork.allocation.network.ruin import Search
from interwork.allocation.network.rules import RULES, Routes, by_rule
from interwork.allocation.network.table import Table, placements, steps, tabulate
from interwork.allocation.problem.model import Problem, Solution, Status

SMALL = 150
"""Modes up to which CP-SAT is asked for a proof."""
SHARE_OF_PRICES = 0.25


def solve_network(problem: Problem, clock: Clock, *, known: Solution | None = None) -> Solution:
    """Plan for the least cost until the clock is up, from the rules' best plan or a known one."""
    table = tabulate(problem)
    floor = bound(problem, table, clock)
    routes = steps(table, known.placements) if known is not None else best_rule(table, clock)
    start = written(problem, routes, floor, "simple rule")
    search = Search(table, routes, clock.limits.seed)
    is_small = is_exact(problem) and sum(map(len, table.options)) <= SMALL
    search.run(clock, clock.until(0.5 if is_small else 1.0))
    found = written(problem, search.best, floor, "ruin and recreate")
    if is_small and not clock.is_up and found.status is not Status.OPTIMAL:
        # Counted work starts from what does not depend on how much there is, so that more is never worse.
        hint = start if clock.is_fixed else found
        found = better(problem, found, prove(problem, clock, hint if hint.is_solved else None))
    return found


def first_plan(problem: Problem) -> Solution:
    """Put everything where it ends soonest, in the order of release: a start for problems of any shape."""
    routes, _ = by_rule(tabulate(problem), "insertion by release")
    return written(problem, routes, -float("inf"), "earliest completion")


def bound(problem: Problem, table: Table, clock: Clock) -> float:
    """Bound the cost: the route LP in a share of the time; it ends at its first round where time is short."""
    if problem.tariff.makespan:
        return -float("inf")
    assert len(table.chains) == len(problem.demands)
    return price(problem, clock.part(SHARE_OF_PRICES)).bound


def best_rule(table: Table, clock: Clock) -> Routes:
    """Run every rule and keep the cheapest plan."""
    best: tuple[float, Routes] | None = None
    for rule in reversed(RULES):
        if best is not None and clock.is_up:
            break
        routes, _ = by_rule(table, rule)
        total = cost(table, routes)
        if best is None or total < best[0]:
            best = (total, routes)
    assert best is not None
    return best[1]


def cost(table: Table, routes: Routes) -> float:
    """Add up what routes come to; a demand that must be served and is not costs more than anything."""
    refused = [d for d, route in enumerate(routes) if route is None]
    forced = sum(table.problem.demands[d].unserved is None for d in refused)
    return objective(table.problem, placements(routes), refused) + 1e12 * forced


def written(problem: Problem, routes: Routes, floor: float, solver: str) -> Solution:
    """Write routes down as a solution."""
    refused = tuple(d for d, route in enumerate(routes) if route is None)
    placed = placements(routes)
    if any(problem.demands[d].unserved is None for d in refused):
        return Solution(problem=problem.name, status=Status.UNKNOWN, objective=0.0, bound=floor, solver=solver)
    own = objective(problem, placed, refused)
    near = 1e-6 * max(1.0, abs(own))
    return Solution(
        problem=problem.name,
        status=Status.OPTIMAL if own <= floor + near else Status.FEASIBLE,
        objective=own,
        bound=min(own, floor),
        placements=placed,
        unserved=refused,
        solver=solver,
    )
