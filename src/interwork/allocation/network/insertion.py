"""Put one demand into the plan: a beam over its options and the gaps of the machines, step by step.

The beam keeps the few cheapest beginnings, each charged with what it costs so far and the lateness that can no longer
be avoided. What is pinned (started or frozen) stays where it is; what was published costs something to move.
"""

from bisect import bisect_right
from collections.abc import Mapping
from dataclasses import dataclass, field

from interwork.allocation.network.table import Step, Table
from interwork.allocation.network.timeline import Timeline

BEAM = 6
Trace = tuple["Trace", Step] | None
State = tuple[float, float, int, int, Trace]
"""Charge, cost, moment, site and the steps so far."""
Route = tuple[float, list[Step]]


@dataclass(slots=True)
class Pinned:
    """What may not move, and what should not."""

    now: int = 0
    fixed: dict[int, Step] = field(default_factory=dict)
    published: dict[int, tuple[int, int]] = field(default_factory=dict)
    """Activity to its published mode and start."""
    per_mode: float = 0.0
    per_unit: float = 0.0


NOTHING = Pinned()


def insert(table: Table, timeline: Timeline, demand: int, width: int = BEAM, pinned: Pinned = NOTHING) -> Route | None:
    """Find a cheap route for a demand through what is free; nothing is held yet. None where there is none in time."""
    if not table.is_simple[demand]:
        return _insert_general(table, timeline, demand, pinned)
    start = max(table.release[demand], pinned.now)
    states: list[State] = [(0.0, 0.0, start, table.origin[demand], None)]
    if table.release[demand] < pinned.now and table.chains[demand][0] not in pinned.fixed:
        states = [(0.0, 0.0, pinned.now, table.origin[demand], None)]
    for activity in table.chains[demand]:
        if activity in pinned.fixed:
            grown = _keep(table, states, demand, pinned.fixed[activity])
        elif activity in pinned.published:
            grown = _grow_near(table, timeline, states, activity, pinned)
        else:
            grown = _grow(table, timeline, states, activity)
        if len(grown) > width:
            grown.sort(key=_charge)
            del grown[width:]
        states = grown
        if not states:
            return None
    return _delivered(table, states, demand)


def _charge(state: State) -> float:
    return state[0]


def _grow(table: Table, timeline: Timeline, states: list[State], activity: int) -> list[State]:
    """Extend every state by every option, each in the first gap that it fits; the hot loop of the search."""
    demand = table.problem.activities[activity].demand
    links = table.links[activity]
    lag, rest = (links[0][1] if links else 0), table.rest[activity]
    late, before_due = table.late[demand], table.due[demand] - rest
    all_starts, all_ends, options = timeline.starts, timeline.ends, table.options[activity]
    found: list[State] = []
    add = found.append
    for _, cost, moment, site, trace in states:
        times, costs = table.time[site], table.cost[site]
        ready = moment + lag
        for resource, duration, price, place, mode in options:
            start = ready + times[place]
            starts, ends = all_starts[resource], all_ends[resource]
            at, count = bisect_right(ends, start), len(ends)
            while at < count and starts[at] < start + duration:
                start = ends[at]
                at += 1
            end = start + duration
            total = cost + price + costs[place]
            over = end - before_due
            add(
                (
                    total + over * late if over > 0 else total,
                    total,
                    end,
                    place,
                    (trace, (activity, mode, resource, start, end)),
                )
            )
    return found


def _grow_near(table: Table, timeline: Timeline, states: list[State], activity: int, pinned: Pinned) -> list[State]:
    """Extend as `_grow` does, then charge what leaves its published place; the published start itself is tried too."""
    mode, start = pinned.published[activity]
    found = _grow(table, timeline, states, activity)
    option = next((each for each in table.options[activity] if each[4] == mode), None)
    if option is not None:
        found += _stay(table, timeline, states, activity, (option[0], option[1], option[2], option[3], start, mode))
    charged: list[State] = []
    for charge, cost, moment, site, trace in found:
        assert trace is not None
        _, chosen, _, begin, _ = trace[1]
        extra = (pinned.per_mode if chosen != mode else 0.0) + pinned.per_unit * abs(begin - start)
        charged.append((charge + extra, cost + extra, moment, site, trace))
    return charged


def _stay(
    table: Table,
    timeline: Timeline,
    states: list[State],
    activity: int,
    where: tuple[int, int, float, int, int, int],
) -> list[State]:
    resource, duration, price, place, start, mode = where
    step = (activity, mode, resource, start, start + duration)
    if not timeline.is_free(step):
        return []
    demand = table.problem.activities[activity].demand
    lag = table.links[activity][0][1] if table.links[activity] else 0
    found: list[State] = []
    for _, cost, moment, site, trace in states:
        if moment + lag + table.time[site][place] <= start:
            total = cost + price + table.cost[site][place]
            over = max(0, step[4] + table.rest[activity] - table.due[demand])
            found.append((total + over * table.late[demand], total, step[4], place, (trace, step)))
    return found


def _keep(table: Table, states: list[State], demand: int, step: Step) -> list[State]:
    """Go through a step that is pinned; it has been reached in time as it was planned so."""
    activity, mode, _, _, end = step
    option = next(each for each in table.options[activity] if each[4] == mode)
    found: list[State] = []
    for _, cost, _, site, trace in states:
        total = cost + option[2] + table.cost[site][option[3]]
        over = max(0, end + table.rest[activity] - table.due[demand])
        found.append((total + over * table.late[demand], total, end, option[3], (trace, step)))
    return found


def _delivered(table: Table, states: list[State], demand: int) -> Route | None:
    """Carry the last step's work to its target; charge lateness; drop what comes after the deadline or the horizon."""
    target, due, late = table.target[demand], table.due[demand], table.late[demand]
    deadline, horizon = table.deadline[demand], table.problem.horizon or 1 << 60
    best: tuple[float, Trace] | None = None
    for _, cost, moment, site, trace in states:
        arrival = moment + table.time[site][target]
        if arrival > deadline or moment > horizon:
            continue
        total = cost + table.cost[site][target] + late * max(0, arrival - due)
        if best is None or total < best[0]:
            best = (total, trace)
    if best is None:
        return None
    steps: list[Step] = []
    trace = best[1]
    while trace is not None:
        trace, step = trace
        steps.append(step)
    steps.reverse()
    return best[0], steps


def _insert_general(table: Table, timeline: Timeline, demand: int, pinned: Pinned) -> Route | None:
    """Put a demand of any shape in, greedily, cheapest first; within its budget the dearer ways are then left out."""
    route = _greedy(table, timeline, demand, pinned, thrift=0.0)
    budget = table.problem.demands[demand].budget
    if route is None or budget is None or spent(table, demand, route[1]) <= budget:
        return route
    route = _greedy(table, timeline, demand, pinned, thrift=1e6)
    return route if route is not None and spent(table, demand, route[1]) <= budget else None


def _greedy(table: Table, timeline: Timeline, demand: int, pinned: Pinned, thrift: float) -> Route | None:
    done: dict[int, tuple[int, int]] = {}
    held: list[Step] = []
    total = 0.0
    finish = 0
    for activity in table.chains[demand]:
        best = _best_step(table, timeline, activity, (done, demand), (pinned, thrift))
        if best is None:
            break
        _, cost, step, site = best
        if activity not in pinned.fixed:
            timeline.take(step)
        held.append(step)
        total += cost
        done[activity] = (step[4], site)
        if table.is_last[activity]:
            finish = max(finish, step[4] + table.time[site][table.target[demand]])
            total += table.cost[site][table.target[demand]]
    for step in held:
        if step[0] not in pinned.fixed:
            timeline.give(step)
    is_late = finish > table.deadline[demand] or max((s[4] for s in held), default=0) > (
        table.problem.horizon or 1 << 60
    )
    if len(held) < len(table.chains[demand]) or is_late:
        return None
    return total + table.late[demand] * max(0, finish - table.due[demand]), held


def _best_step(
    table: Table,
    timeline: Timeline,
    activity: int,
    so_far: tuple[dict[int, tuple[int, int]], int],
    manner: tuple[Pinned, float],
) -> tuple[float, float, Step, int] | None:
    (done, demand), (pinned, thrift) = so_far, manner
    best: tuple[float, float, Step, int] | None = None
    for resource, duration, price, place, mode in table.options[activity]:
        ready = max(table.release[demand], pinned.now)
        fixed = pinned.fixed.get(activity)
        if fixed is not None and fixed[1] != mode:
            continue
        sources = [(done[before], lag) for before, lag in table.links[activity] if before in done]
        cost = price + sum(table.cost[site][place] for (_, site), lag in sources)
        for (end, site), lag in sources:
            ready = max(ready, end + lag + table.time[site][place])
        if not table.links[activity]:
            ready = max(ready, table.release[demand] + table.time[table.origin[demand]][place])
            cost += table.cost[table.origin[demand]][place]
        span = (fixed[3], fixed[4]) if fixed else timeline.fit(activity, mode, ready)
        if span is None:
            continue
        cost += _moved(activity, (mode, span[0]), pinned)
        over = max(0, span[1] + table.rest[activity] - table.due[demand])
        charge = cost * (1 + thrift) + over * table.late[demand] + 1e-9 * (span[1] + duration)
        if best is None or charge < best[0]:
            best = (charge, cost, (activity, mode, resource, *span), place)
    return best


def _moved(activity: int, where: tuple[int, int], pinned: Pinned) -> float:
    if activity not in pinned.published:
        return 0.0
    mode, start = pinned.published[activity]
    return (pinned.per_mode if where[0] != mode else 0.0) + pinned.per_unit * abs(where[1] - start)


def spent(table: Table, demand: int, route: list[Step], elsewhere: Mapping[int, int] | None = None) -> float:
    """Add up the euro that a route takes of its demand's budget: modes and carriage.

    `elsewhere` is where the activities of other demands are that steps of the route come after.
    """
    problem = table.problem
    prices = problem.transport.price if problem.transport else ()
    modes = {a: problem.activities[a].modes[m] for a, m, *_ in route}
    total = sum(each.price for each in modes.values())
    if not prices:
        return total
    wanted = problem.demands[demand]
    site = dict(elsewhere or {}) | {activity: mode.site for activity, mode in modes.items()}
    for activity, mode in modes.items():
        sources = [site.get(before, -1) for before, _ in table.links[activity]] or [wanted.origin]
        total += sum(prices[source][mode.site] for source in sources if source >= 0 and mode.site >= 0)
        if table.is_last[activity] and mode.site >= 0 and wanted.target >= 0:
            total += prices[mode.site][wanted.target]
    return total
