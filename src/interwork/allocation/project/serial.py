"""The serial schedule generation scheme over packed profiles: activity by activity, each as early as it fits.

A moment's free capacities stand in one whole number, a field per resource with a guard bit above it; taking a demand
away turns a guard bit on where it does not fit, so that one subtraction asks all resources at once.
"""

from collections.abc import Sequence
from dataclasses import dataclass

from interwork.allocation.engine.account import has_setups, is_makespan_only
from interwork.allocation.problem.model import Placement, Problem, ResourceKind


@dataclass(slots=True)
class Net:
    """A single-mode project as plain arrays."""

    durations: list[int]
    demands: list[int]
    """Packed."""
    before: list[list[tuple[int, int]]]
    """Pairs of activity and lag."""
    after: list[list[tuple[int, int]]]
    release: list[int]
    free: list[int]
    """Packed free capacity per moment, closed windows taken out."""
    guard: int
    is_even: bool
    """Whether capacities never change, so that a schedule can be read from its end as well."""
    topological: list[int]

    @property
    def count(self) -> int:
        """Tell the number of activities."""
        return len(self.durations)


def is_single(problem: Problem) -> bool:
    """Tell whether a project has one mode each, instant capacities, only the makespan, and no dates but releases."""
    timed = (ResourceKind.CUMULATIVE, ResourceKind.UNARY)
    is_plain = all(each.kind in timed and not each.breaks for each in problem.resources)
    is_open = all(each.deadline is None and each.unserved is None and not each.excluded for each in problem.demands)
    is_one = all(len(each.modes) == 1 for each in problem.activities)
    is_bare = not (has_setups(problem) or problem.transport or problem.horizon)
    return is_plain and is_open and is_one and is_bare and is_makespan_only(problem)


def tabulate(problem: Problem) -> Net:
    """Turn a single-mode project into arrays."""
    capacities = [1 if r.kind is ResourceKind.UNARY else r.capacity for r in problem.resources]
    offsets, width = [], 0
    for capacity in capacities:
        offsets.append(width)
        width += capacity.bit_length() + 1
    guard = sum(1 << (o + c.bit_length()) for o, c in zip(offsets, capacities, strict=True))
    modes = [each.modes[0] for each in problem.activities]
    lags = sum(max((link.lag for link in each.after), default=0) for each in problem.activities)
    closed = sum(end - start for each in problem.resources for start, end in each.closed)
    release = [problem.demands[each.demand].release for each in problem.activities]
    longest = sum(each.duration for each in modes) + lags + max(release) + closed + 1
    for each in problem.resources:
        longest += max((end for _, end in each.closed), default=0)
    free = [sum(c << o for o, c in zip(offsets, capacities, strict=True))] * longest
    for number, resource in enumerate(problem.resources):
        for moment in sorted({m for start, end in resource.closed for m in range(start, min(end, longest))}):
            free[moment] -= capacities[number] << offsets[number]
    before = [[(link.before, link.lag) for link in each.after] for each in problem.activities]
    after: list[list[tuple[int, int]]] = [[] for _ in modes]
    for v, links in enumerate(before):
        for x, lag in links:
            after[x].append((v, lag))
    return Net(
        durations=[each.duration for each in modes],
        demands=[sum(amount << offsets[r] for r, amount in each.uses) for each in modes],
        before=before,
        after=after,
        release=release,
        free=free,
        guard=guard,
        is_even=not any(each.closed for each in problem.resources) and not any(release),
        topological=_topological(before, after),
    )


def _topological(before: list[list[tuple[int, int]]], after: list[list[tuple[int, int]]]) -> list[int]:
    waiting = [len(each) for each in before]
    order = [v for v, count in enumerate(waiting) if not count]
    for v in order:
        for x, _ in after[v]:
            waiting[x] -= 1
            if not waiting[x]:
                order.append(x)
    return order


def schedule(net: Net, order: Sequence[int], *, is_reversed: bool = False) -> list[int]:
    """Start each activity as early as it fits, in an order that keeps the precedence; reversed, along the other way."""
    free, guard = net.free.copy(), net.guard
    links = net.after if is_reversed else net.before
    durations, demands = net.durations, net.demands
    start = [0] * len(durations) if is_reversed else net.release.copy()
    for v in order:
        moment = start[v]
        for x, lag in links[v]:
            reached = start[x] + durations[x] + lag
            if reached > moment:  # noqa: PLR1730 - a comparison is a third of the cost of max() here
                moment = reached
        duration, demand = durations[v], demands[v]
        if duration and demand:
            end, x = moment + duration, moment
            while x < end:
                if (free[x] - demand) & guard:
                    moment = x + 1
                    end = moment + duration
                x += 1
            for x in range(moment, end):
                free[x] -= demand
        start[v] = moment
    return start


def justified(net: Net, start: list[int]) -> list[int]:
    """Push everything to the end and back to the beginning; the makespan never grows."""
    if not net.is_even:
        return start
    durations = net.durations
    rank = {v: number for number, v in enumerate(net.topological)}
    order = sorted(range(len(start)), key=lambda v: (-start[v] - durations[v], -rank[v]))
    back = schedule(net, order, is_reversed=True)
    order = sorted(range(len(start)), key=lambda v: (-back[v] - durations[v], rank[v]))
    return schedule(net, order)


def order_of(net: Net, start: list[int]) -> list[int]:
    """Read the order of activities from their starts; equal starts keep the precedence."""
    rank = {v: number for number, v in enumerate(net.topological)}
    return sorted(range(len(start)), key=lambda v: (start[v], rank[v]))


def span(net: Net, start: list[int]) -> int:
    """Tell when the last activity ends."""
    return max(map(int.__add__, start, net.durations))


def latest(net: Net) -> list[int]:
    """Tell each activity's latest finish, counted back from 0 at the end of the longest chain."""
    found = [0] * net.count
    for v in reversed(net.topological):
        found[v] = min((found[x] - net.durations[x] - lag for x, lag in net.after[v]), default=0)
    return found


def placements(net: Net, start: list[int]) -> tuple[Placement, ...]:
    """Write the starts down."""
    return tuple(Placement(v, 0, start[v], start[v] + net.durations[v]) for v in range(net.count))


def critical(net: Net) -> int:
    """Tell the length of the longest chain."""
    end = [0] * net.count
    for v in net.topological:
        begin = max((end[x] + lag for x, lag in net.before[v]), default=0)
        end[v] = max(begin, net.release[v]) + net.durations[v]
    return max(end)
