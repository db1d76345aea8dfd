"""Ruin and recreate: take some related demands out of the plan, put them back by the beam, keep what is better.

What is a little worse is kept as well, the less the longer a round lasts; each round starts from the best and is half
as long again as the one before, so that a longer search goes over the same ground and then further.
"""

import math
import random
from collections.abc import Callable

from interwork.allocation.engine.limits import Clock
from interwork.allocation.network.insertion import BEAM, NOTHING, Pinned, insert
from interwork.allocation.network.rules import Routes
from interwork.allocation.network.table import Step, Table
from interwork.allocation.network.timeline import Timeline

FIRST = 3000
"""Rounds of the first cooling."""
GROWTH = 1.5
WARM = 0.005
"""Of the mean cost of a demand times the demands taken out: what is accepted at first."""
MOST_OUT = 8
ROUNDS_PER_EFFORT = 250


class Search:
    """One search; `best` is always complete and free of overlaps."""

    def __init__(self, table: Table, routes: Routes, seed: int, pinned: Pinned = NOTHING) -> None:
        self.table = table
        self.pinned = pinned
        self.chance = random.Random(seed)  # noqa: S311 - a search, not a secret
        self.timeline = Timeline(table)
        self.routes = [list(each) if each is not None else None for each in routes]
        for route in self.routes:
            for step in route or ():
                self.timeline.take(step)
        self.costs = [self.cost(d, route) for d, route in enumerate(self.routes)]
        self.total = sum(self.costs)
        self.best, self.best_total = list(self.routes), self.total
        self.rounds = 0
        self.free = [d for d, chain in enumerate(table.chains) if any(a not in pinned.fixed for a in chain)]

    def cost(self, demand: int, route: list[Step] | None) -> float:
        """Reckon what a route costs, moves from what was published included."""
        if route is None:
            unserved = self.table.problem.demands[demand].unserved
            return 1e12 if unserved is None else unserved
        return route_cost(self.table, demand, route, self.pinned)

    def run(self, clock: Clock, until: float, most: int = 1 << 60) -> None:
        """Search until a moment of the clock, or so many rounds."""
        if clock.is_fixed:
            most = min(most, ROUNDS_PER_EFFORT * clock.limits.effort)
        latest = max(0.0, clock.deadline - until)
        length, at = FIRST, 0
        while self.rounds < most and self.free and clock.left > latest:
            if at >= length:
                self._return()
                length, at = int(length * GROWTH), 0
            reached = self.best_total
            self._round(at / length)
            if self.best_total < reached:
                clock.tell(self.best_total, "ruin and recreate")
            at += 1

    def _return(self) -> None:
        for now, best in zip(self.routes, self.best, strict=True):
            if now is not best:
                self._give(now)
        for demand, (now, best) in enumerate(zip(self.routes, self.best, strict=True)):
            if now is not best:
                self._take(best)
                self.costs[demand] = self.cost(demand, best)
        self.routes, self.total = list(self.best), self.best_total

    def _give(self, route: list[Step] | None) -> None:
        for step in route or ():
            self.timeline.give(step)

    def _take(self, route: list[Step] | None) -> None:
        for step in route or ():
            self.timeline.take(step)

    def _round(self, progress: float) -> None:
        self.rounds += 1
        out = self._chosen()
        before = {demand: (self.routes[demand], self.costs[demand]) for demand in out}
        for demand in out:
            self._release(demand)
        gain = 0.0
        for demand in self._ordered(out):
            gain += before[demand][1] - self._recreate(demand)
        heat = WARM * (1.0 - progress) ** 2 * len(out) * max(1.0, self.best_total) / len(self.routes)
        if gain >= 0 or (heat > 0 and self.chance.random() < math.exp(gain / heat)):
            self.total -= gain
            if self.total < self.best_total - 1e-7:
                self.best, self.best_total = list(self.routes), self.total
            return
        for demand in out:
            self._release(demand)
        for demand in out:
            self.routes[demand], self.costs[demand] = before[demand]
            self._hold(demand)

    def _release(self, demand: int) -> None:
        fixed = self.pinned.fixed
        for step in self.routes[demand] or ():
            if step[0] not in fixed:
                self.timeline.give(step)

    def _hold(self, demand: int) -> None:
        fixed = self.pinned.fixed
        for step in self.routes[demand] or ():
            if step[0] not in fixed:
                self.timeline.take(step)

    def _recreate(self, demand: int) -> float:
        found = insert(self.table, self.timeline, demand, BEAM, self.pinned)
        refusal = self.table.problem.demands[demand].unserved
        is_open = not any(activity in self.pinned.fixed for activity in self.table.chains[demand])
        if found is None or (refusal is not None and found[0] > refusal and is_open):
            self.routes[demand], self.costs[demand] = None, self.cost(demand, None)
            if not is_open:
                self.costs[demand] = 1e12
        else:
            self.costs[demand], self.routes[demand] = found
            self._hold(demand)
        return self.costs[demand]

    def _chosen(self) -> list[int]:
        """Choose 2 to 8 related demands: on one machine at about one time, wanted at one time, or the dearest."""
        chance = self.chance
        count = min(len(self.free), chance.randint(2, MOST_OUT))
        seed = chance.choice(self.free)
        way = chance.random()
        if way < 0.2:
            return chance.sample(self.free, count)
        if way < 0.35:
            pool = chance.sample(self.free, min(len(self.free), 4 * count))
            pool.sort(key=self._excess, reverse=True)
            return pool[:count]
        return self._neighbours(seed, count)

    def _excess(self, demand: int) -> float:
        alone = self.table.alone
        return self.costs[demand] - (alone[demand] if alone else 0.0)

    def _neighbours(self, seed: int, count: int) -> list[int]:
        """Choose the demands whose steps could swap places with those of one: on its machines, about its time."""
        route = self.routes[seed]
        found = [seed]
        if not route:
            return found + [d for d in self.chance.sample(self.free, count) if d != seed][: count - 1]
        near: list[tuple[float, int]] = []
        step = self.chance.choice(route)
        options = {option[0] for option in self.table.options[step[0]]}
        for demand in self.chance.sample(self.free, min(len(self.free), 60)):
            other = self.routes[demand]
            if demand == seed or other is None:
                continue
            distance = min((abs(each[3] - step[3]) for each in other if each[2] in options), default=1 << 30)
            near.append((distance * self.chance.uniform(0.5, 1.5), demand))
        near.sort()
        return found + [demand for _, demand in near[: count - 1]]

    def _ordered(self, out: list[int]) -> list[int]:
        table, way = self.table, self.chance.random()
        orders: tuple[Callable[[int], float], ...] = (
            lambda _: self.chance.random(),
            lambda d: table.due[d],
            lambda d: -self._excess(d),
            lambda d: -table.late[d],
        )
        return sorted(out, key=orders[0 if way < 0.4 else 1 + int((way - 0.4) / 0.2001)])


def route_cost(table: Table, demand: int, route: list[Step], pinned: Pinned = NOTHING) -> float:
    """Reckon what a route costs by the tariff, with what moving it from the published plan is charged."""
    site_of: dict[int, int] = {}
    total, finish = 0.0, 0
    for activity, mode, _, start, end in route:
        option = next(each for each in table.options[activity] if each[4] == mode)
        site_of[activity] = option[3]
        total += option[2]
        sources = [site_of[before] for before, _ in table.links[activity] if before in site_of]
        sources = sources or ([table.origin[demand]] if not table.links[activity] else [])
        total += sum(table.cost[source][option[3]] for source in sources)
        if table.is_last[activity]:
            total += table.cost[option[3]][table.target[demand]]
            finish = max(finish, end + table.time[option[3]][table.target[demand]])
        if activity in pinned.published and activity not in pinned.fixed:
            was = pinned.published[activity]
            total += (pinned.per_mode if was[0] != mode else 0.0) + pinned.per_unit * abs(start - was[1])
    return total + table.late[demand] * max(0, finish - table.due[demand])
