"""Solve a shop: the best of fifteen rules, a tabu search, then CP-SAT from what it found.

Above some hundreds of operations with many machines each, CP-SAT alone is weak and the tabu search gets most of the
time. Where operations have hardly any choice, CP-SAT gets nearly all: a hint from afar holds it where it is. Between
the two they share; a tabu search that finds nothing new for long hands over early, so that small shops are soon proved.
"""

import math

from interwork.allocation.engine.account import better, objective
from interwork.allocation.engine.exact import prove
from interwork.allocation.engine.limits import Clock
from interwork.allocation.network.solving import solve_general, solve_network
from interwork.allocation.problem.model import Problem, Solution, Status
from interwork.allocation.shop.dispatch import all_rules, dispatch
from interwork.allocation.shop.table import Sequences, Table, is_chained, placements, tabulate, times
from interwork.allocation.shop.tabu import Tabu

LARGE = 1500
"""Modes above which the tabu search gets most of the time."""
SHARE, SHARE_OF_LARGE, SHARE_OF_RIGID = 0.35, 0.8, 0.06
RIGID = 1.5
"""Modes per operation below which a shop is hardly flexible."""
STALE = 60
"""Moves per operation without a new best after which a shop that is not large is handed over."""


def solve_shop(problem: Problem, clock: Clock) -> Solution:
    """Plan a shop for the least makespan until the clock is up."""
    if not is_chained(problem):
        return solve_general(problem, clock) if problem.tariff.makespan else solve_network(problem, clock)
    table = tabulate(problem)
    floor = lower_bound(table)
    sequences, rule = best_rule(table)
    start = _solution(problem, table, sequences, floor, f"dispatch rule {rule}")
    search = Tabu(table, sequences, clock.limits.seed)
    is_large = sum(map(len, table.durations)) > LARGE
    search.stale = 1 << 60 if is_large else STALE * table.count
    search.run(clock, clock.until(_share(table)), floor)
    found = better(problem, start, _solution(problem, table, search.best, floor, "tabu search"))
    if found.status is Status.OPTIMAL or clock.is_up:
        return found
    # Counted work starts from what does not depend on how much there is, so that more is never worse.
    return better(problem, found, prove(problem, clock, start if clock.is_fixed else found))


def _share(table: Table) -> float:
    modes = sum(map(len, table.durations))
    if modes > LARGE:
        return SHARE_OF_LARGE
    return SHARE_OF_RIGID if modes < RIGID * table.count else SHARE


def _solution(problem: Problem, table: Table, sequences: Sequences, floor: int, solver: str) -> Solution:
    placed = placements(table, sequences)
    own = objective(problem, placed)
    return Solution(
        problem=problem.name,
        status=Status.OPTIMAL if own <= floor else Status.FEASIBLE,
        objective=own,
        bound=float(min(floor, own)),
        placements=placed,
        solver=solver,
    )


def best_rule(table: Table) -> tuple[Sequences, str]:
    """Run every rule; tell the best orders and the rule's name."""
    best: tuple[int, Sequences, str] | None = None
    for order, choice in all_rules():
        sequences = dispatch(table, order, choice)
        span = makespan(table, sequences)
        if best is None or span < best[0]:
            best = (span, sequences, f"{order} with {choice}")
    assert best is not None
    return best[1], best[2]


def makespan(table: Table, sequences: Sequences) -> int:
    """Tell when the last operation ends."""
    start = times(table, sequences)
    assert start is not None, "orders built along time hold no circle"
    return max(start[v] + table.durations[v][k] for k, sequence in enumerate(sequences) for v in sequence)


def lower_bound(table: Table) -> int:
    """Bound the makespan: the longest job at its fastest, and the work that only one group of machines can do."""
    longest, work = 0, 0
    groups: dict[frozenset[int], list[int]] = {}
    least = [min(each.values()) for each in table.durations]
    for v in range(table.count):
        work += least[v]
        groups.setdefault(frozenset(table.durations[v]), []).append(v)
        if table.before[v] < 0:
            x, total = v, 0
            while x >= 0:
                total, x = total + least[x], table.after[x]
            longest = max(longest, total)
    bound = max(longest, math.ceil(work / table.machines))
    heads, tails = _along(table, least, forward=True), _along(table, least, forward=False)
    for group in groups:
        inside = [v for machines, members in groups.items() if machines <= group for v in members]
        total = sum(least[v] for v in inside)
        margin = min(heads[v] for v in inside) + min(tails[v] for v in inside)
        bound = max(bound, margin + math.ceil(total / len(group)))
    return bound


def _along(table: Table, least: list[int], *, forward: bool) -> list[int]:
    """Tell the work of its own job that must come before (or after) each operation."""
    onward = table.after if forward else table.before
    back = table.before if forward else table.after
    found = [0] * table.count
    for v in range(table.count):
        if back[v] < 0:
            x = v
            while onward[x] >= 0:
                found[onward[x]] = found[x] + least[x]
                x = onward[x]
    return found
