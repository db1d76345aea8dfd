"""What an hour of a machine is worth and how cheap any plan can be: a route LP by column generation.

A master LP picks for each demand one route (a mode per step) and the class of time in which it is delivered, under rows
that say: the work of demands that are released after a moment and delivered before another must fit into what a machine
is open between the two. Every plan keeps these rows, so the LP is a relaxation and its Lagrangian value at any prices
is a lower bound. Routes are priced demand by demand with the machines' prices alone, so that each member can price its
own needs and tell only its hours.
"""

import itertools
import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

import msgspec
import numpy as np
from scipy.optimize import linprog
from scipy.sparse import csr_matrix, hstack, identity

from interwork.allocation.engine.limits import Clock
from interwork.allocation.network.table import FAR, Table, tabulate
from interwork.allocation.problem.model import Problem

STARTS, FINISHES = 6, 10
MOST_ROUNDS = 60
Floats = Any
"""An array of floats; numpy's own type says no more here."""


class HourPrice(msgspec.Struct, frozen=True):
    """The dual of one capacity row: euro that one more unit of time there and then would save."""

    resource: int
    since: int
    until: int
    capacity: float
    used: float
    value: float


class Prices(msgspec.Struct, frozen=True, kw_only=True):
    """What column generation found."""

    bound: float
    """No plan is cheaper."""
    relaxed: float
    """Value of the master LP; equal to the bound where `is_converged`."""
    is_converged: bool
    rows: tuple[HourPrice, ...]
    rounds: int
    columns: int

    def value_of(self, resource: int) -> float:
        """Tell what one more unit of time in each of a resource's rows would save in all."""
        return sum(each.value for each in self.rows if each.resource == resource)

    def gain(self, resource: int, share: float) -> float:
        """Predict what a resource open a share longer would save: valid while the same routes stay worth taking."""
        return sum(each.value * each.capacity * share for each in self.rows if each.resource == resource)


@dataclass(slots=True)
class _Demand:
    """A demand ready for pricing: its steps' options as arrays, with a row per class of delivery."""

    number: int
    late: Floats
    """Least lateness charge per class."""
    first: int
    """Index of the first class that the fastest route reaches."""
    resources: list[Floats]
    durations: list[Floats]
    costs: list[Floats]
    carriage: list[Floats]
    """From the options of the step before (or the origin) to this step's."""
    last: Floats
    since: list[int]
    """Starts of the rows its work counts in."""


Column = tuple[int, float, dict[int, float]]
"""Demand, cost and hours per row."""


@dataclass(slots=True)
class _Master:
    """Rows, columns and duals."""

    table: Table
    starts: list[int]
    finishes: list[int]
    capacity: Floats
    demands: list[_Demand]
    fixed: float
    columns: list[Column] = field(default_factory=list)

    def row(self, resource: int, start: int, finish: int) -> int:
        """Tell the number of a row."""
        return (resource * len(self.starts) + start) * len(self.finishes) + finish


def price(
    problem: Problem, clock: Clock, *, scale: Mapping[int, float] | None = None, grid: tuple[int, int] | None = None
) -> Prices:
    """Solve the route LP until it is proved or the clock is up; `scale` widens or narrows resources by a factor.

    `grid` is how many starts and finishes cut the time into rows; (1, 1) asks for the hours of the whole horizon.
    """
    table = tabulate(problem)
    master = _prepare(table, scale or {}, grid or (STARTS, FINISHES))
    duals = np.zeros(len(master.capacity))
    bound, relaxed, rounds, is_converged = -math.inf, math.inf, 0, False
    seen: set[tuple[int, float, tuple[tuple[int, float], ...]]] = set()
    used = np.zeros(len(master.capacity))
    limits = np.full(len(master.demands), np.inf)
    while master.demands and rounds < MOST_ROUNDS and (rounds == 0 or not clock.is_up):
        rounds += 1
        value, added = _round(master, duals, limits, seen)
        bound = max(bound, master.fixed + value + float(duals @ master.capacity))
        if relaxed < math.inf and (not added or relaxed - bound <= 1e-7 * max(1.0, abs(relaxed))):
            is_converged = True
            break
        relaxed, duals, limits, used = _solve(master)
    if not master.demands:
        bound = relaxed = master.fixed
        is_converged = True
    gap = relaxed - bound if relaxed < math.inf else math.inf
    rows = _rows(master, duals, used)
    return Prices(
        bound=bound,
        relaxed=relaxed,
        is_converged=is_converged and gap <= 1e-6 * max(1.0, abs(relaxed)),
        rows=rows,
        rounds=rounds,
        columns=len(master.columns),
    )


def _rows(master: _Master, duals: Floats, used: Floats) -> tuple[HourPrice, ...]:
    found = []
    for resource in range(len(master.table.problem.resources)):
        for s, since in enumerate(master.starts):
            for f, until in enumerate(master.finishes):
                row = master.row(resource, s, f)
                if math.isfinite(master.capacity[row]) and used[row] > 0:
                    value = max(0.0, -float(duals[row]))
                    capacity = float(master.capacity[row])
                    found.append(HourPrice(resource, since, until, capacity, float(used[row]), value))
    return tuple(found)


def _prepare(table: Table, scale: Mapping[int, float], grid: tuple[int, int]) -> _Master:
    simple = [d for d, ok in enumerate(table.is_simple) if ok and table.chains[d]]
    releases = sorted(table.release[d] for d in simple) or [0]
    starts = sorted({releases[len(releases) * n // grid[0]] for n in range(grid[0])} | {releases[0]})
    dues = sorted(min(table.due[d], 10**9) for d in simple) or [1]
    horizon = table.problem.horizon or 10**9
    reach = max(dues[-1] if dues[-1] < 10**9 else 0, releases[-1] + 1)
    cuts = (
        {int(releases[0] + (reach - releases[0]) * (n + 1) / grid[1]) for n in range(grid[1])} if grid[1] > 1 else set()
    )
    finishes = sorted({each for each in cuts if each > starts[0]} | {horizon})
    capacity = np.array(
        [
            _open(table.problem, resource, since, until) * scale.get(resource, 1.0)
            for resource in range(len(table.problem.resources))
            for since in starts
            for until in finishes
        ]
    )
    general = [d for d in range(len(table.chains)) if d not in set(simple)]
    fixed = sum(_least(table, d) for d in general)
    demands = [_demand(table, d, starts, finishes) for d in simple]
    return _Master(table, starts, finishes, capacity, demands, fixed)


def _open(problem: Problem, resource: int, since: int, until: int) -> float:
    closed = problem.resources[resource].closed
    return float(max(0, until - since) - sum(max(0, min(until, b) - max(since, a)) for a, b in closed))


def _least(table: Table, demand: int) -> float:
    """Bound a demand of any shape: its cheapest modes, or its refusal."""
    cost = sum(min((option[2] for option in table.options[a]), default=0.0) for a in table.chains[demand])
    refusal = table.problem.demands[demand].unserved
    return cost if refusal is None else min(cost, refusal)


def _demand(table: Table, demand: int, starts: Sequence[int], finishes: Sequence[int]) -> _Demand:
    chain, release = table.chains[demand], table.release[demand]
    options = [table.options[a] for a in chain]
    places = [[o[3] for o in each] for each in options]
    costs, origin, target = table.cost, table.origin[demand], table.target[demand]
    carriage = [np.array([[costs[a][b] for b in places[0]] for a in (origin,)])]
    for one, other in itertools.pairwise(places):
        carriage.append(np.array([[costs[a][b] for b in other] for a in one]))
    fastest = _fastest(table, demand)
    due = min(table.due[demand], FAR)
    # A class holds the routes whose last step ends after the finish before it and not after its own; the work is
    # delivered no sooner than the way back takes from there, nor sooner than the fastest route of all.
    back = min(table.time[a][target] for a in places[-1])
    soonest = [max(fastest, before + 1 + back) for before in (-1, *finishes[:-1])]
    late = np.array([table.late[demand] * max(0, each - due) for each in soonest])
    first = next(
        (n for n, finish in enumerate(finishes) if finish >= fastest - max(map(max, table.time))), len(finishes) - 1
    )
    return _Demand(
        number=demand,
        late=late,
        first=first,
        resources=[np.array([o[0] for o in each]) for each in options],
        durations=[np.array([float(o[1]) for o in each]) for each in options],
        costs=[np.array([o[2] for o in each]) for each in options],
        carriage=carriage,
        last=np.array([costs[a][target] for a in places[-1]]),
        since=[s for s, since in enumerate(starts) if since <= release],
    )


def _fastest(table: Table, demand: int) -> int:
    """Tell the earliest delivery of a demand, nobody else about."""
    reached = {table.origin[demand]: table.release[demand]}
    for activity in table.chains[demand]:
        lag = table.links[activity][0][1] if table.links[activity] else 0
        onward: dict[int, int] = {}
        for _, duration, _, place, _ in table.options[activity]:
            end = min(moment + lag + table.time[site][place] for site, moment in reached.items()) + duration
            onward[place] = min(end, onward.get(place, FAR))
        reached = onward
    return min(moment + table.time[site][table.target[demand]] for site, moment in reached.items())


def _round(
    master: _Master,
    duals: Floats,
    limits: Floats,
    seen: set[tuple[int, float, tuple[tuple[int, float], ...]]],
) -> tuple[float, int]:
    """Price every demand at the duals; add the routes that pay; tell the sum of the cheapest."""
    count = len(master.finishes)
    by_row = duals.reshape(-1, len(master.starts), count)
    # Work delivered in class f counts in every row that ends at f or later.
    onward = np.cumsum(by_row[:, :, ::-1], axis=2)[:, :, ::-1]
    within = np.cumsum(onward, axis=1)
    total, added = 0.0, 0
    for n, demand in enumerate(master.demands):
        charge = -within[:, len(demand.since) - 1, :]
        value, column = _cheapest(master, demand, charge)
        refusal = master.table.problem.demands[demand.number].unserved
        if refusal is not None and refusal < value:
            value, column = refusal, (demand.number, refusal, {})
        total += value
        key = (column[0], round(column[1], 6), tuple(sorted(column[2].items())))
        if value < limits[n] - 1e-7 * max(1.0, abs(value)) and key not in seen:
            seen.add(key)
            master.columns.append((n, column[1], column[2]))
            added += 1
    return total, added


def _cheapest(master: _Master, demand: _Demand, charge: Floats) -> tuple[float, Column]:
    """Find the cheapest route and class of a demand: a shortest path through its steps, all classes at once."""
    reached: Floats = demand.carriage[0][:, :, None]
    back: list[Floats] = []
    for step, resources in enumerate(demand.resources):
        if step:
            spread = reached[:, None, :] + demand.carriage[step][:, :, None]
            back.append(spread.argmin(axis=0))
            reached = spread.min(axis=0)
        else:
            reached = reached[0]
        reached = reached + demand.costs[step][:, None] + demand.durations[step][:, None] * charge[resources]
    reached = reached + demand.last[:, None] + demand.late[None, :]
    reached[:, : demand.first] = np.inf
    option, finish = np.unravel_index(int(reached.argmin()), reached.shape)
    value = float(reached[option, finish])
    chosen = [int(option)]
    for arrows in reversed(back):
        chosen.append(int(arrows[chosen[-1], finish]))
    chosen.reverse()
    return value, _column(master, demand, chosen, int(finish))


def _column(master: _Master, demand: _Demand, chosen: Sequence[int], finish: int) -> Column:
    cost, hours = float(demand.late[finish] + demand.last[chosen[-1]]), dict[int, float]()
    before = 0
    for step, option in enumerate(chosen):
        cost += float(demand.carriage[step][before, option] + demand.costs[step][option])
        before = option
        resource, duration = int(demand.resources[step][option]), float(demand.durations[step][option])
        for start in demand.since:
            for f in range(finish, len(master.finishes)):
                row = master.row(resource, start, f)
                hours[row] = hours.get(row, 0.0) + duration
    return demand.number, cost, hours


def _solve(master: _Master) -> tuple[float, Floats, Floats, Floats]:
    """Solve the master over the columns there are; tell its value, the rows' and the demands' duals, the hours used."""
    columns, demands = master.columns, len(master.demands)
    rows = sorted({row for _, _, hours in columns for row in hours})
    place = {row: number for number, row in enumerate(rows)}
    costs = np.array([cost for _, cost, _ in columns])
    picked = csr_matrix(
        (np.ones(len(columns)), (np.array([n for n, _, _ in columns]), np.arange(len(columns)))),
        shape=(demands, len(columns)),
    )
    entries = [(place[row], c, h) for c, (_, _, hours) in enumerate(columns) for row, h in hours.items()]
    data = np.array([h for _, _, h in entries])
    where = (np.array([r for r, _, _ in entries], dtype=int), np.array([c for _, c, _ in entries], dtype=int))
    # A slack per demand keeps the first rounds feasible; its price is above that of any route.
    slack = 10.0 * float(np.abs(costs).max()) + 1e6
    work = csr_matrix((data, where), shape=(len(rows), len(columns)))
    left = csr_matrix((len(rows), demands))
    answer = linprog(
        np.concatenate([costs, np.full(demands, slack)]),
        A_ub=hstack([work, left], format="csr"),
        b_ub=master.capacity[rows],
        A_eq=hstack([picked, identity(demands)], format="csr"),
        b_eq=np.ones(demands),
        bounds=(0, None),
        method="highs",
    )
    duals = np.zeros(len(master.capacity))
    duals[rows] = np.minimum(0.0, answer.ineqlin.marginals)
    used = np.zeros(len(master.capacity))
    used[rows] = work @ answer.x[: len(columns)]
    return master.fixed + float(answer.fun), duals, answer.eqlin.marginals, used
