"""Plan a network: the best of the simple rules, ruin and recreate from it, a bound by column generation."""

import math
from collections import Counter

from interwork.allocation.engine.account import better, is_makespan_only, objective
from interwork.allocation.engine.exact import is_exact, prove
from interwork.allocation.engine.limits import Clock
from interwork.allocation.network.lists import Lists
from interwork.allocation.network.prices import price
from interwork.allocation.network.ruin import Search
from interwork.allocation.network.rules import RULES, Routes, by_rule
from interwork.allocation.network.table import Table, is_crossed, placements, steps, tabulate, topological
from interwork.allocation.problem.model import Problem, ResourceKind, Solution, Status

SMALL = 150
"""Modes up to which CP-SAT is asked for a proof."""
SHARE_OF_PRICES = 0.25
SHARE_OF_LISTS = 0.1
STALE = 40
"""Rounds per activity that bring nothing before lists hand over to CP-SAT."""


def solve_network(problem: Problem, clock: Clock, *, known: Solution | None = None) -> Solution:
    """Plan for the least cost until the clock is up, from the rules' best plan or a known one."""
    if problem.tariff.makespan or is_crossed(problem):
        return solve_general(problem, clock)
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


def solve_general(problem: Problem, clock: Clock) -> Solution:
    """Plan a problem of any shape: lists first, then CP-SAT from what they found, where it can say all of it."""
    search = Lists(tabulate(problem), clock.limits.seed)
    floor = max(chain_bound(problem), work_bound(problem))
    start = written(problem, search.best, floor, "list in order of slack")
    is_provable = is_exact(problem)
    stale = STALE * len(problem.activities) if is_provable else 1 << 60
    search.run(clock, clock.until(SHARE_OF_LISTS if is_provable else 1.0), floor, stale)
    found = written(problem, search.best, floor, "search over lists")
    if not is_provable or clock.is_up or found.status is Status.OPTIMAL:
        return found
    # Counted work starts from what does not depend on how much there is, so that more is never worse.
    hint = start if clock.is_fixed else found
    return better(problem, found, prove(problem, clock, hint if hint.is_solved else None))


def first_plan(problem: Problem) -> Solution:
    """Put everything where it ends soonest, what has least slack first: a start for problems of any shape."""
    return written(problem, Lists(tabulate(problem), 1).best, chain_bound(problem), "list in order of slack")


def chain_bound(problem: Problem) -> float:
    """Bound a makespan by the longest chain at its fastest; minus infinity where more than the makespan is charged."""
    if not is_makespan_only(problem) or any(each.unserved is not None for each in problem.demands):
        return -math.inf
    end = [0] * len(problem.activities)
    for v in topological(problem):
        activity = problem.activities[v]
        ready = problem.demands[activity.demand].release
        ready = max(ready, *(end[link.before] + link.lag for link in activity.after), 0)
        end[v] = ready + min((mode.duration for mode in activity.modes), default=0)
    return float(max(end))


def work_bound(problem: Problem) -> float:
    """Bound a makespan by the work that only one group of resources can do; minus infinity as for the chain."""
    if not is_makespan_only(problem) or any(each.unserved is not None for each in problem.demands):
        return -math.inf
    timed = (ResourceKind.UNARY, ResourceKind.CUMULATIVE)
    work: Counter[frozenset[int]] = Counter()
    for activity in problem.activities:
        if activity.modes and all(len(mode.uses) == 1 for mode in activity.modes):
            uses = [(*mode.uses[0], mode.duration) for mode in activity.modes]
            work[frozenset(r for r, _, _ in uses)] += min(amount * duration for _, amount, duration in uses)
    room = [1 if each.kind is ResourceKind.UNARY else each.capacity for each in problem.resources]
    groups = {each for each in work if all(problem.resources[r].kind in timed for r in each)}
    groups.add(frozenset().union(*groups))
    return max(
        (
            float(
                math.ceil(sum(total for inside, total in work.items() if inside <= group) / sum(room[r] for r in group))
            )
            for group in groups
            if any(room[r] for r in group)
        ),
        default=0.0,
    )


def bound(problem: Problem, table: Table, clock: Clock) -> float:
    """Bound the cost: the route LP in a share of the time; it ends at its first round where time is short."""
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
