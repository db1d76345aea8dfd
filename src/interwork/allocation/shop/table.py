"""A shop as plain arrays: what the rules and the tabu search run over."""

from dataclasses import dataclass

from interwork.allocation.engine.account import has_setups, is_makespan_only
from interwork.allocation.problem.model import Placement, Problem, ResourceKind


@dataclass(slots=True)
class Table:
    """Operations in chains, their machines and durations, and times between machines."""

    before: list[int]
    """Of each operation, the one before it in its job; -1 = none."""
    after: list[int]
    durations: list[dict[int, int]]
    """Machine to duration."""
    modes: list[dict[int, int]]
    """Machine to mode index."""
    machines: int
    travel: list[list[int]]
    """Times from machine to machine; all 0 where there is no transport."""
    release: list[int]

    @property
    def count(self) -> int:
        """Tell the number of operations."""
        return len(self.before)


def is_chained(problem: Problem) -> bool:
    """Tell whether a shop is plain: chains, one machine per mode, only the makespan; no calendars, setups or dates."""
    followers = [0] * len(problem.activities)
    for activity in problem.activities:
        if len(activity.after) > 1 or any(link.lag for link in activity.after):
            return False
        for link in activity.after:
            followers[link.before] += 1
    is_unary = all(
        each.kind is ResourceKind.UNARY and not each.closed and not each.breaks for each in problem.resources
    )
    is_free = all(
        each.deadline is None and each.unserved is None and not each.excluded and each.origin < 0 and not each.release
        for each in problem.demands
    )
    is_single = all(len(mode.uses) == 1 for activity in problem.activities for mode in activity.modes)
    is_plain = is_unary and is_free and is_single and max(followers) <= 1 and not has_setups(problem)
    return is_plain and not problem.horizon and is_makespan_only(problem)


def tabulate(problem: Problem) -> Table:
    """Turn a plain shop into arrays."""
    count = len(problem.activities)
    before, after = [-1] * count, [-1] * count
    for number, activity in enumerate(problem.activities):
        for link in activity.after:
            before[number], after[link.before] = link.before, number
    machines = len(problem.resources)
    sites = [each.site for each in problem.resources]
    travel = [[0] * machines for _ in range(machines)]
    if problem.transport:
        times = problem.transport.time
        travel = [[times[a][b] if a >= 0 and b >= 0 else 0 for b in sites] for a in sites]
    return Table(
        before=before,
        after=after,
        durations=[{mode.uses[0][0]: mode.duration for mode in each.modes} for each in problem.activities],
        modes=[{mode.uses[0][0]: m for m, mode in enumerate(each.modes)} for each in problem.activities],
        machines=machines,
        travel=travel,
        release=[problem.demands[each.demand].release for each in problem.activities],
    )


Sequences = list[list[int]]
"""Operations of each machine in their order."""


def times(table: Table, sequences: Sequences) -> list[int] | None:
    """Start every operation as early as its job and its machine let it; None where the orders run in a circle."""
    count, before, after = table.count, table.before, table.after
    machine, prior, later = [0] * count, [-1] * count, [-1] * count
    for number, sequence in enumerate(sequences):
        last = -1
        for each in sequence:
            machine[each], prior[each] = number, last
            if last >= 0:
                later[last] = each
            last = each
    waiting = [(before[v] >= 0) + (prior[v] >= 0) for v in range(count)]
    start, end = [0] * count, [0] * count
    ready = [v for v in range(count) if not waiting[v]]
    for v in ready:
        x, y, moment = before[v], prior[v], table.release[v]
        if x >= 0:
            moment = max(moment, end[x] + table.travel[machine[x]][machine[v]])
        if y >= 0:
            moment = max(moment, end[y])
        start[v], end[v] = moment, moment + table.durations[v][machine[v]]
        for each in (after[v], later[v]):
            if each >= 0:
                waiting[each] -= 1
                if not waiting[each]:
                    ready.append(each)
    return start if len(ready) == count else None


def placements(table: Table, sequences: Sequences) -> tuple[Placement, ...]:
    """Write the timed sequences down."""
    start = times(table, sequences)
    if start is None:
        raise ValueError("the sequences run in a circle")
    machine = {v: number for number, sequence in enumerate(sequences) for v in sequence}
    return tuple(
        Placement(v, table.modes[v][machine[v]], start[v], start[v] + table.durations[v][machine[v]])
        for v in range(table.count)
    )


def sequences_of(table: Table, placed: tuple[Placement, ...], problem: Problem) -> Sequences:
    """Read the orders on the machines from placements."""
    found: Sequences = [[] for _ in range(table.machines)]
    position = _ranks(table)
    for each in sorted(placed, key=lambda p: (p.start, p.end, position[p.activity])):
        found[problem.activities[each.activity].modes[each.mode].uses[0][0]].append(each.activity)
    return found


def _ranks(table: Table) -> list[int]:
    """Rank the operations along their jobs, so that those of no duration keep their order."""
    rank = [0] * table.count
    for v in range(table.count):
        if table.before[v] < 0:
            x, number = v, 0
            while x >= 0:
                rank[x], number, x = number, number + 1, table.after[x]
    return rank
