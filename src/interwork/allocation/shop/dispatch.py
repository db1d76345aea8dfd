"""Fifteen dispatch rules: an order of jobs with a choice of machine, operation by operation as time goes on.

They are where the searches start, and what their plans are held against: no plan is ever worse than the best of them.
"""

import heapq
from collections.abc import Callable

from interwork.allocation.shop.table import Sequences, Table

Order = Callable[[Table, int, int, list[float]], float]
"""Priority of an operation that is ready at a moment, given the mean work left from each operation; least first."""

ORDERS: dict[str, Order] = {
    "FCFS": lambda _table, _v, ready, _left: float(ready),
    "SPT": lambda table, v, _ready, _left: min(table.durations[v].values()),
    "LPT": lambda table, v, _ready, _left: -min(table.durations[v].values()),
    "MWKR": lambda _table, v, _ready, left: -left[v],
    "LWKR": lambda _table, v, _ready, left: left[v],
}
CHOICES = ("earliest completion", "fastest machine", "shortest queue")


def dispatch(table: Table, order: str, choice: str) -> Sequences:
    """Build the orders on the machines by one rule: what can begin first comes first, its order breaking ties."""
    left = _work_left(table)
    rule = ORDERS[order]
    free = [0] * table.machines
    sequences: Sequences = [[] for _ in range(table.machines)]
    where, done = [-1] * table.count, [0] * table.count
    waiting = [(table.release[v], v) for v in range(table.count) if table.before[v] < 0]
    heapq.heapify(waiting)
    pool: list[tuple[float, int, int]] = []
    now = 0
    while waiting or pool:
        if not pool:
            now = max(now, waiting[0][0])
        while waiting and waiting[0][0] <= now:
            ready, v = heapq.heappop(waiting)
            heapq.heappush(pool, (rule(table, v, ready, left), v, ready))
        v, ready = heapq.heappop(pool)[1:]
        k = _machine(table, v, (ready, now), (free, where), choice)
        x = table.before[v]
        arrival = max(ready, done[x] + table.travel[where[x]][k] if x >= 0 else ready)
        start = max(arrival, free[k])
        where[v], done[v] = k, start + table.durations[v][k]
        free[k] = done[v]
        sequences[k].append(v)
        now = _next_moment(now, free, pool)
        if table.after[v] >= 0:
            heapq.heappush(waiting, (done[v], table.after[v]))
    return sequences


def _next_moment(now: int, free: list[int], pool: list[tuple[float, int, int]]) -> int:
    """Stay while a machine is idle; move on to when the first one falls idle."""
    return now if not pool else max(now, min(free))


def _work_left(table: Table) -> list[float]:
    left = [0.0] * table.count
    for v in range(table.count):
        if table.after[v] < 0:
            x, total = v, 0.0
            while x >= 0:
                total += sum(table.durations[x].values()) / len(table.durations[x])
                left[x], x = total, table.before[x]
    return left


def _machine(table: Table, v: int, moments: tuple[int, int], lists: tuple[list[int], list[int]], choice: str) -> int:
    (ready, now), (free, where) = moments, lists
    x, durations = table.before[v], table.durations[v]
    travel = table.travel[where[x]] if x >= 0 else None

    def completion(k: int) -> int:
        return max(ready + (travel[k] if travel else 0), free[k]) + durations[k]

    if choice == "fastest machine":
        return min(durations, key=lambda k: (durations[k], completion(k), k))
    if choice == "shortest queue":
        return min(durations, key=lambda k: (max(free[k], now), durations[k], k))
    return min(durations, key=lambda k: (completion(k), durations[k], k))


def all_rules() -> list[tuple[str, str]]:
    """List the fifteen rules."""
    return [(order, choice) for order in ORDERS for choice in CHOICES]
