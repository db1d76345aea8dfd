"""Plans of any shape by lists: activities in an order, each in a mode, put one by one where they fit first.

The search changes the order within what precedence lets, the mode of an activity, or whether a demand is served, and
keeps what is not worse than the plan was some rounds ago (late acceptance; Burke and Bykov 2017). It is slower than the
searches for plain shops, projects and networks, and takes what they do not: breaks, setups, hours by the week, links
between demands, the makespan together with money.
"""

import random
from collections.abc import Sequence

from interwork.allocation.engine.account import objective
from interwork.allocation.engine.limits import Clock
from interwork.allocation.network.insertion import spent
from interwork.allocation.network.table import FAR, Step, Table, placements, topological
from interwork.allocation.network.timeline import Timeline

ROUNDS_PER_EFFORT = 60
MEMORY = 40
"""Rounds back to the plan that a new one must not be worse than."""
IMPOSSIBLE = 1e15
"""Charged for each demand that must be served and is not."""


class Lists:
    """One search; `best` is a complete plan where `best_cost` is below IMPOSSIBLE."""

    def __init__(self, table: Table, seed: int) -> None:
        self.table = table
        self.chance = random.Random(seed)  # noqa: S311 - a search, not a secret
        self.timeline = Timeline(table)
        self.count = len(table.problem.activities)
        self.after: list[list[int]] = [[] for _ in range(self.count)]
        for number, links in enumerate(table.links):
            for before, _ in links:
                self.after[before].append(number)
        self.order = self._first_order()
        self.modes: dict[int, int] = {}
        """Modes that are set; the others are chosen as they are placed."""
        self.refused: set[int] = set()
        self.refusable = [d for d, each in enumerate(table.problem.demands) if each.unserved is not None]
        self.best_cost, self.best = self.decode()
        self.now = self.best
        self.cost = self.best_cost
        self.past = [self.cost] * MEMORY
        self.rounds = self.best_at = 0

    def _first_order(self) -> list[int]:
        """Take first what leaves least slack: the least time to delivery counted back from the due date."""
        table, problem = self.table, self.table.problem
        key = []
        for number, activity in enumerate(problem.activities):
            due = table.due[activity.demand]
            rest = table.rest[number]
            key.append((due - rest if due < FAR else FAR, table.release[activity.demand] - rest))
        rank = {v: n for n, v in enumerate(sorted(range(self.count), key=lambda v: (key[v], v)))}
        return topological(problem, rank.__getitem__)

    def run(self, clock: Clock, until: float, floor: float, stale: int = 1 << 60) -> None:
        """Search until a moment of the clock, the effort is spent, the floor is reached, or `stale` rounds in vain."""
        most = ROUNDS_PER_EFFORT * clock.limits.effort if clock.is_fixed else 1 << 60
        latest = max(0.0, clock.deadline - until)
        while self.best_cost > floor + 1e-9 and self.rounds < most and clock.left > latest:
            if self.rounds - self.best_at > stale:
                break
            self._round()
            if self.best_cost < IMPOSSIBLE:
                clock.tell(self.best_cost, "lists")

    def _round(self) -> None:
        self.rounds += 1
        kept = (self.order, self.modes, self.refused)
        self.order, self.modes, self.refused = list(self.order), dict(self.modes), set(self.refused)
        self._change()
        cost, routes = self.decode()
        slot = self.rounds % MEMORY
        if cost <= self.cost or cost <= self.past[slot]:
            self.cost, self.now = cost, routes
            if cost < self.best_cost - 1e-9:
                self.best_cost, self.best, self.best_at = cost, routes, self.rounds
        else:
            self.order, self.modes, self.refused = kept
        self.past[slot] = self.cost

    def _change(self) -> None:
        for _ in range(self.chance.choice((1, 1, 2, 3))):
            way = self.chance.random()
            v = self._chosen()
            if way < 0.1 and self.refusable:
                self.refused ^= {self.chance.choice(self.refusable)}
            elif way < 0.5 and len(self.table.options[v]) > 1:
                option = self.chance.choice((*self.table.options[v], None))
                self.modes.pop(v, None)
                if option is not None:
                    self.modes[v] = option[4]
            else:
                self._shift(v)

    def _chosen(self) -> int:
        """Choose an activity: at random, or on the chain that makes the plan as long as it is."""
        if self.chance.random() < 0.4:
            return self.chance.randrange(self.count)
        steps = {step[0]: step for route in self.now if route for step in route}
        if not steps:
            return self.chance.randrange(self.count)
        last = max(step[4] for step in steps.values())
        v = self.chance.choice([a for a, step in steps.items() if step[4] == last])
        chain = [v]
        while len(chain) < 30:
            used = {r for r, _ in self._uses(steps[v])}
            before = {b for b, _ in self.table.links[v]}
            able = [
                a
                for a, step in steps.items()
                if step[4] <= steps[v][3] and a != v and (a in before or used & {r for r, _ in self._uses(step)})
            ]
            if not able:
                break
            end = max(steps[a][4] for a in able)
            v = self.chance.choice([a for a in able if steps[a][4] == end])
            if v in chain:
                break
            chain.append(v)
        return self.chance.choice(chain)

    def _uses(self, step: Step) -> tuple[tuple[int, int], ...]:
        return self.table.problem.activities[step[0]].modes[step[1]].uses

    def _shift(self, v: int) -> None:
        """Move an activity within the order, as far as those before and after it let."""
        order = self.order
        at = order.index(v)
        before = {b for b, _ in self.table.links[v]}
        low = high = at
        while low and order[low - 1] not in before and at - low < 60:
            low -= 1
        after = set(self.after[v])
        while high + 1 < self.count and order[high + 1] not in after and high - at < 60:
            high += 1
        order.insert(self.chance.randint(low, high), order.pop(at))

    def decode(self) -> tuple[float, list[list[Step] | None]]:
        """Place everything in the order; tell what it comes to and the routes of all demands (None = unserved)."""
        table, problem = self.table, self.table.problem
        self.timeline.clear()
        routes: list[list[Step] | None] = [None if d in self.refused else [] for d in range(len(problem.demands))]
        ends: dict[int, tuple[int, int]] = {}
        for v in self.order:
            demand = problem.activities[v].demand
            route = routes[demand]
            if route is None:
                continue
            found = self._placed(v, demand, ends)
            if found is None:
                self._drop(route, ends)
                routes[demand] = None
                continue
            step, site = found
            self.timeline.take(step)
            route.append(step)
            ends[v] = (step[4], site)
        for demand, route in enumerate(routes):
            if route and not self._is_within(demand, route, ends):
                routes[demand] = None
        missing = [d for d, route in enumerate(routes) if route is None]
        broken = sum(problem.demands[d].unserved is None for d in missing)
        if broken:
            return IMPOSSIBLE * broken, routes
        assert len(routes) == len(table.chains)
        return objective(problem, placements(routes), missing), routes

    def _drop(self, route: Sequence[Step], ends: dict[int, tuple[int, int]]) -> None:
        for step in route:
            self.timeline.give(step)
            ends.pop(step[0], None)

    def _placed(self, v: int, demand: int, ends: dict[int, tuple[int, int]]) -> tuple[Step, int] | None:
        """Find the first stretch for an activity, in its set mode or in the one that comes out cheapest."""
        table, tariff = self.table, self.table.problem.tariff
        wanted = self.modes.get(v)
        best: tuple[float, Step, int] | None = None
        for resource, duration, price, place, mode in table.options[v]:
            if wanted is not None and mode != wanted:
                continue
            ready, cost = table.release[demand], price
            for before, lag in table.links[v]:
                if before in ends:
                    end, site = ends[before]
                    ready = max(ready, end + lag + table.time[site][place])
                    cost += table.cost[site][place]
            if not table.links[v]:
                ready += table.time[table.origin[demand]][place]
                cost += table.cost[table.origin[demand]][place]
            span = self.timeline.fit(v, mode, ready)
            if span is None:
                continue
            over = max(0, span[1] + table.rest[v] - table.due[demand])
            charge = cost + over * table.late[demand] + (tariff.makespan + 1e-9) * span[1] + 1e-9 * duration
            if best is None or charge < best[0]:
                best = (charge, (v, mode, resource, *span), place)
        return None if best is None else (best[1], best[2])

    def _is_within(self, demand: int, route: list[Step], ends: dict[int, tuple[int, int]]) -> bool:
        """Tell whether a demand keeps its deadline, the horizon and its budget."""
        table = self.table
        horizon, deadline = table.problem.horizon or FAR, table.deadline[demand]
        target = table.target[demand]
        if any(step[4] > horizon or step[4] + table.time[ends[step[0]][1]][target] > deadline for step in route):
            return False
        budget = table.problem.demands[demand].budget
        return budget is None or spent(table, demand, route, {a: site - 1 for a, (_, site) in ends.items()}) <= budget
