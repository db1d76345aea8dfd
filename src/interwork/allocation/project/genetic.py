"""A genetic search over orders of activities: two-point crossover, mutation, every child scheduled and justified.

The orders kept are those of the schedules themselves, so that a child inherits where its parents' activities stood
(Hartmann 1998; double justification: Valls, Ballestín and Quintanilla 2005).
"""

import heapq
import random
from collections.abc import Sequence

from interwork.allocation.engine.limits import Clock
from interwork.allocation.project.serial import Net, critical, justified, latest, order_of, schedule, span

POPULATION = 40
CHILDREN_PER_EFFORT = 60
MUTATION = 0.05
STALE = 1500
"""Children without a new best before all but the best are drawn anew."""
Member = tuple[int, list[int]]
"""Span and order."""


class Search:
    """One search; `best` is always a complete schedule."""

    def __init__(self, net: Net, seed: int) -> None:
        self.net = net
        self.chance = random.Random(seed)  # noqa: S311 - a search, not a secret
        self.floor = critical(net)
        self.latest = latest(net)
        self.best = schedule(net, self.sampled(0.0))
        self.best_span = span(net, self.best)
        self.made = 0
        self.found_at = 0
        self.members: list[Member] = []
        self.best_at = 0
        self.stale = 1 << 60
        """Children without a new best after which the search gives up."""

    def sampled(self, width: float) -> list[int]:
        """Draw an order by latest finish, blurred; width 0 is the plain rule."""
        key = [each + self.chance.uniform(-width, width) for each in self.latest] if width else self.latest
        return _in_order(self.net, key)

    def run(self, clock: Clock, until: float) -> None:
        """Search until a moment of the clock, the effort is spent, or the longest chain is reached."""
        most = CHILDREN_PER_EFFORT * clock.limits.effort if clock.is_fixed else 1 << 60
        latest_left = max(0.0, clock.deadline - until)
        while self.best_span > self.floor and self.made < most and clock.left > latest_left:
            if self.made - self.best_at > self.stale:
                break
            reached = self.best_span
            self._step()
            if self.best_span < reached:
                clock.tell(self.best_span, "genetic search", self.floor)

    def _step(self) -> None:
        if len(self.members) < POPULATION:
            width = max(1.0, -min(self.latest) * self.chance.choice((0.05, 0.15, 0.3)))
            self._add(self.sampled(width))
            return
        if self.made - self.found_at > STALE:
            self.members = [min(self.members)]
            self.found_at = self.made
            return
        one, other = (min(self.chance.sample(self.members, 2))[1] for _ in range(2))
        self._add(self._mutated(_crossed(one, other, self.chance)))

    def _add(self, order: Sequence[int]) -> None:
        self.made += 1
        start = justified(self.net, schedule(self.net, order))
        reached = span(self.net, start)
        if reached < self.best_span:
            self.best, self.best_span = start, reached
            self.found_at = self.best_at = self.made
        member = (reached, order_of(self.net, start))
        if len(self.members) < POPULATION:
            self.members.append(member)
            return
        if member in self.members:
            return
        worst = max(range(POPULATION), key=lambda n: self.members[n][0])
        if reached <= self.members[worst][0]:
            self.members[worst] = member

    def _mutated(self, order: list[int]) -> list[int]:
        before = self.net.before
        for at in range(len(order) - 1):
            if self.chance.random() < MUTATION:
                one, other = order[at], order[at + 1]
                if all(x != one for x, _ in before[other]):
                    order[at], order[at + 1] = other, one
        return order


def _crossed(one: Sequence[int], other: Sequence[int], chance: random.Random) -> list[int]:
    """Take the head and the rest from one parent, the middle in the order of the other; precedence is kept."""
    count = len(one)
    low = chance.randrange(count)
    high = chance.randrange(low, count) + 1
    head = list(one[:low])
    taken = bytearray(count)
    for v in head:
        taken[v] = 1
    middle: list[int] = []
    for v in other:
        if len(middle) == high - low:
            break
        if not taken[v]:
            taken[v] = 1
            middle.append(v)
    return head + middle + [v for v in one if not taken[v]]


def _in_order(net: Net, key: Sequence[float]) -> list[int]:
    waiting = [len(each) for each in net.before]
    ready = [(key[v], v) for v in range(net.count) if not waiting[v]]
    heapq.heapify(ready)
    order = []
    while ready:
        v = heapq.heappop(ready)[1]
        order.append(v)
        for x, _ in net.after[v]:
            waiting[x] -= 1
            if not waiting[x]:
                heapq.heappush(ready, (key[x], x))
    return order
