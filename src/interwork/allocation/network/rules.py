"""Simple rules for network plans: what shops do without a plan, and greedy insertion in several orders."""

from bisect import bisect_right
from collections.abc import Callable

from interwork.allocation.network.insertion import insert
from interwork.allocation.network.table import Option, Step, Table
from interwork.allocation.network.timeline import Timeline

Routes = list[list[Step] | None]
Chooser = Callable[[Table, int, Option, int], tuple[float, ...]]
"""Rank an option from a site, given when it would end; least first."""

CHOOSERS: dict[str, Chooser] = {
    "nearest": lambda table, site, option, end: (table.time[site][option[3]], option[2], end),
    "cheapest": lambda table, site, option, end: (option[2] + table.cost[site][option[3]], end),
    "earliest": lambda table, site, option, end: (end, option[2] + table.cost[site][option[3]]),
}
INSERTIONS: dict[str, Callable[[Table, int], float]] = {
    "by release": lambda table, d: table.release[d],
    "by due date": lambda table, d: table.due[d],
    "by lateness charge": lambda table, d: -table.late[d],
    "by slack": lambda table, d: table.due[d] - table.release[d] - sum(_fastest(table, a) for a in table.chains[d]),
}
RULES = (*(f"{name}, first come first served" for name in CHOOSERS), *(f"insertion {name}" for name in INSERTIONS))


def _fastest(table: Table, activity: int) -> int:
    return min((option[1] for option in table.options[activity]), default=0)


def by_rule(table: Table, rule: str) -> tuple[Routes, Timeline]:
    """Plan every demand by one of RULES, in its order; what finds no place stays out."""
    timeline = Timeline(table)
    routes: Routes = [None] * len(table.chains)
    name = rule.split(",", maxsplit=1)[0]
    chooser = CHOOSERS.get(name)
    key = INSERTIONS[rule.removeprefix("insertion ")] if chooser is None else INSERTIONS["by release"]
    queues = [0] * len(table.problem.resources)
    for demand in sorted(range(len(routes)), key=lambda d: (key(table, d), d)):
        if chooser is not None and table.is_simple[demand]:
            route = _in_line(table, timeline, demand, chooser, queues)
        else:
            found = insert(table, timeline, demand, 1)
            route = found[1] if found else None
        routes[demand] = route
        for step in route or ():
            timeline.take(step)
    return routes, timeline


def _in_line(table: Table, timeline: Timeline, demand: int, chooser: Chooser, queues: list[int]) -> list[Step] | None:
    """Send a demand step by step to the option the rule likes, at the end of that machine's queue."""
    moment, site = table.release[demand], table.origin[demand]
    route: list[Step] = []
    for activity in table.chains[demand]:
        lag = table.links[activity][0][1] if table.links[activity] else 0
        best: tuple[tuple[float, ...], Step, int] | None = None
        for option in table.options[activity]:
            resource, duration, _, place, mode = option
            ready = max(moment + lag + table.time[site][place], queues[resource])
            start = _behind(timeline, resource, ready, duration)
            rank = chooser(table, site, option, start + duration)
            if best is None or rank < best[0]:
                best = (rank, (activity, mode, resource, start, start + duration), place)
        if best is None:
            return None
        _, step, site = best
        route.append(step)
        moment = step[4]
    if route and (table.problem.horizon or moment) < moment:
        return None
    for step in route:
        queues[step[2]] = max(queues[step[2]], step[4])
    return route


def _behind(timeline: Timeline, resource: int, ready: int, duration: int) -> int:
    starts, ends = timeline.starts[resource], timeline.ends[resource]
    at = bisect_right(ends, ready)
    while at < len(ends) and starts[at] < ready + duration:
        ready = max(ready, ends[at])
        at += 1
    return ready
