"""A network problem as plain arrays: what insertion, ruin and recreate, and the prices run over."""

import heapq
import itertools
from collections.abc import Callable
from dataclasses import dataclass, field

from interwork.allocation.engine.account import carriage_costs, last_activities, mode_cost, setups_of
from interwork.allocation.problem.model import Placement, Problem, ResourceKind

Option = tuple[int, int, float, int, int]
"""Resource, duration, cost, site and mode: one way to do an activity on one unary resource."""
FAR = 1 << 60


@dataclass(slots=True)
class Table:
    """Demands with their activities in order, options, and carriage between sites; site 0 is nowhere."""

    problem: Problem
    chains: list[list[int]]
    options: list[list[Option]]
    """Of each activity; the resource is -1 where a mode is a bundle or not unary."""
    links: list[list[tuple[int, int]]]
    is_last: list[bool]
    is_simple: list[bool]
    """Of each demand: a chain of single unary modes, which the beam takes."""
    time: list[list[int]]
    cost: list[list[float]]
    origin: list[int]
    target: list[int]
    release: list[int]
    due: list[int]
    late: list[float]
    deadline: list[int]
    rest: list[int]
    """Of each activity: the least time from its end to delivery."""
    alone: list[float] = field(default_factory=list)
    """Of each demand: the cost of its cheapest route, nobody else about."""


def tabulate(problem: Problem) -> Table:
    """Turn a problem into arrays; sites are counted from 1, so that 0 is nowhere and costs nothing to reach."""
    transport = problem.transport
    count = len(transport.time) if transport else 0
    times = [[0] * (count + 1)] + [[0, *row] for row in (transport.time if transport else ())]
    costs = [[0.0] * (count + 1)] + [[0.0, *row] for row in carriage_costs(problem)]
    chains: list[list[int]] = [[] for _ in problem.demands]
    for number in topological(problem):
        chains[problem.activities[number].demand].append(number)
    last = problem.horizon or FAR
    table = Table(
        problem=problem,
        chains=chains,
        options=[_options(problem, number) for number in range(len(problem.activities))],
        links=[[(link.before, link.lag) for link in each.after] for each in problem.activities],
        is_last=last_activities(problem),
        is_simple=[],
        time=times,
        cost=costs,
        origin=[each.origin + 1 if transport else 0 for each in problem.demands],
        target=[each.target + 1 if transport else 0 for each in problem.demands],
        release=[each.release for each in problem.demands],
        due=[FAR if each.due is None else each.due for each in problem.demands],
        late=[each.late_per_unit for each in problem.demands],
        deadline=[last + 10**9 if each.deadline is None else each.deadline for each in problem.demands],
        rest=[0] * len(problem.activities),
    )
    table.is_simple = [_is_simple(table, chain) for chain in chains]
    _set_rest(table)
    return table


def topological(problem: Problem, rank: Callable[[int], float] | None = None) -> list[int]:
    """Order the activities so that none comes before what it follows; of those that could be next, the least first."""
    waiting = [len(each.after) for each in problem.activities]
    later: list[list[int]] = [[] for _ in waiting]
    for number, activity in enumerate(problem.activities):
        for link in activity.after:
            later[link.before].append(number)
    moment = itertools.count()
    ready = [(rank(n) if rank else next(moment), n) for n, count in enumerate(waiting) if not count]
    heapq.heapify(ready)
    order = []
    while ready:
        number = heapq.heappop(ready)[1]
        order.append(number)
        for each in later[number]:
            waiting[each] -= 1
            if not waiting[each]:
                heapq.heappush(ready, (rank(each) if rank else next(moment), each))
    return order


def is_crossed(problem: Problem) -> bool:
    """Tell whether a link goes from one demand to another."""
    of = [each.demand for each in problem.activities]
    return any(of[link.before] != each.demand for each in problem.activities for link in each.after)


def _options(problem: Problem, number: int) -> list[Option]:
    activity = problem.activities[number]
    excluded = set(problem.demands[activity.demand].excluded)
    found: list[Option] = []
    for m, mode in enumerate(activity.modes):
        if any(resource in excluded for resource, _ in mode.uses):
            continue
        single = mode.uses[0][0] if len(mode.uses) == 1 and mode.duration and is_plain(problem, mode.uses[0][0]) else -1
        found.append((single, mode.duration, mode_cost(problem, mode), mode.site + 1 if problem.transport else 0, m))
    return found


def is_plain(problem: Problem, number: int) -> bool:
    """Tell whether a resource is a unary machine without breaks or setups, which the beam can take."""
    resource = problem.resources[number]
    return resource.kind is ResourceKind.UNARY and not resource.breaks and not setups_of(problem, number)


def _is_simple(table: Table, chain: list[int]) -> bool:
    for position, number in enumerate(chain):
        links = table.links[number]
        expected = [chain[position - 1]] if position else []
        if [before for before, _ in links] != expected:
            return False
        if not table.options[number] or any(option[0] < 0 for option in table.options[number]):
            return False
    is_free = all(table.problem.demands[table.problem.activities[n].demand].budget is None for n in chain[:1])
    return is_free and all(not table.is_last[n] for n in chain[:-1])


def _set_rest(table: Table) -> None:
    """Reckon backwards what must still pass after each activity, at its fastest and without waiting."""
    problem = table.problem
    fastest = [min((o[1] for o in options), default=0) for options in table.options]
    for chain in table.chains:
        for number in reversed(chain):
            for before, lag in table.links[number]:
                table.rest[before] = max(table.rest[before], table.rest[number] + fastest[number] + lag)
    assert len(table.rest) == len(problem.activities)


Step = tuple[int, int, int, int, int]
"""Activity, mode, resource (-1 for a bundle), start and end."""


def placements(routes: list[list[Step] | None]) -> tuple[Placement, ...]:
    """Write the routes of all demands down, in the order of activities."""
    found = [Placement(a, m, s, e) for route in routes if route for a, m, _, s, e in route]
    return tuple(sorted(found, key=lambda each: each.activity))


def steps(table: Table, placed: tuple[Placement, ...]) -> list[list[Step] | None]:
    """Read the routes of all demands from placements; None = unserved."""
    of = {each.activity: each for each in placed}
    routes: list[list[Step] | None] = []
    for chain in table.chains:
        if not chain or any(number not in of for number in chain):
            routes.append(None if chain else [])
            continue
        routes.append([_step(table, of[number]) for number in chain])
    return routes


def _step(table: Table, each: Placement) -> Step:
    single = next((o[0] for o in table.options[each.activity] if o[4] == each.mode), -1)
    return each.activity, each.mode, single, each.start, each.end
