"""Better an assignment by moving an item to another agent, or two items into each other's place, as long as that helps.

Plain and quick: for each item all moves and all swaps are weighed at once as arrays, and the best is made. From the
greedy rule this comes nearer to the bound of a large instance within a second than HiGHS does in ten. Then kicks: a few
items are forced where they cost little more, others make room (ejection chains), and what was touched is bettered.
"""

import random
from collections.abc import Sequence
from typing import Any

import numpy as np

from interwork.allocation.engine.limits import Clock

NEVER = 1e18
LARGEST, MOST_PAIRS = 20_000, 4_000_000
"""Items above which weighing all swaps takes too long, and pairs of item and agent that arrays are made of."""
MOST_PASSES = 20
MOST_FORCED = 4
"""Items that one kick forces elsewhere."""


class Swapping:
    """Costs and sizes as arrays: items by agents."""

    def __init__(self, costs: Sequence[dict[int, float]], sizes: Sequence[dict[int, int]], room: Sequence[int]) -> None:
        shape = (len(costs), len(room))
        self.is_able = len(costs) <= LARGEST and len(costs) * len(room) <= MOST_PAIRS
        if not self.is_able:
            return
        self.costs: Any = np.full(shape, NEVER)
        self.sizes: Any = np.full(shape, np.iinfo(np.int64).max // 4)
        self.room: Any = np.array(room, dtype=np.int64)
        for item, (cost, size) in enumerate(zip(costs, sizes, strict=True)):
            agents = list(cost)
            self.costs[item, agents] = list(cost.values())
            self.sizes[item, agents] = [size[agent] for agent in agents]

    def improve(self, found: list[int], clock: Clock) -> None:
        """Better an assignment in place until no move and no swap helps; the clock may end it."""
        if not self.is_able:
            return
        agents, items, room = self._state(found)
        for _ in range(MOST_PASSES):
            before = self.costs[items, agents].sum()
            for item in np.argsort(self.costs.min(axis=1) - self.costs[items, agents]):
                if item % 64 == 0 and clock.is_up:
                    break
                self._better(int(item), agents, items, room)
            if clock.is_up or self.costs[items, agents].sum() >= before - 1e-9:
                break
        found[:] = agents.tolist()

    def kick(
        self, found: list[int], liked: Sequence[Sequence[int]], chance: random.Random, kicks: int, clock: Clock
    ) -> None:
        """Kick an assignment some times, each time keeping what is not dearer; `liked` are the agents to force onto."""
        if not self.is_able:
            return
        agents, items, room = self._state(found)
        total = self.costs[items, agents].sum()
        for number in range(kicks):
            if number % 16 == 0 and clock.is_up:
                break
            tried, left = agents.copy(), room.copy()
            touched: set[int] = set()
            is_sound = True
            for _ in range(chance.randint(1, MOST_FORCED)):
                item = chance.randrange(len(found))
                is_sound = is_sound and self._force(item, chance.choice(liked[item]), (tried, left), touched)
            if not is_sound:
                continue
            for item in sorted(touched):
                self._better(item, tried, items, left)
            now = self.costs[items, tried].sum()
            if now <= total:
                agents, room, total = tried, left, now
        found[:] = agents.tolist()

    def _state(self, found: list[int]) -> tuple[Any, Any, Any]:
        agents, items = np.array(found), np.arange(len(found))
        used = np.bincount(agents, weights=self.sizes[items, agents], minlength=len(self.room))
        return agents, items, self.room - used.astype(np.int64)

    def _force(self, item: int, target: int, state: tuple[Any, Any], touched: set[int]) -> bool:
        """Move an item to an agent and others away from there until they fit; False where they do not."""
        agents, room = state
        here = agents[item]
        if here == target:
            return True
        room[here] += self.sizes[item, here]
        room[target] -= self.sizes[item, target]
        agents[item] = target
        touched.add(item)
        while room[target] < 0:
            there = np.flatnonzero(agents == target)
            there = there[there != item]
            dearer = np.where(self.sizes[there] <= room, self.costs[there], NEVER)
            dearer[:, target] = NEVER
            dearer -= self.costs[there, target][:, None]
            if not len(there) or dearer.min() > NEVER / 2:
                return False
            one, place = np.unravel_index(int(dearer.argmin()), dearer.shape)
            moved = int(there[one])
            room[target] += self.sizes[moved, target]
            room[place] -= self.sizes[moved, place]
            agents[moved] = place
            touched.add(moved)
        return True

    def _better(self, item: int, agents: Any, items: Any, room: Any) -> None:  # noqa: ANN401 - arrays
        """Make the best move or swap of one item, if any helps."""
        costs, sizes, here = self.costs, self.sizes, agents[item]
        own, size = costs[item, here], sizes[item, here]
        moved = np.where(sizes[item] <= room, costs[item] - own, NEVER)
        moved[here] = NEVER
        target = int(moved.argmin())
        theirs = sizes[items, agents]
        able = (sizes[item, agents] <= room[agents] + theirs) & (sizes[:, here] <= room[here] + size)
        able &= agents != here
        swapped = np.where(able, costs[item, agents] + costs[:, here] - own - costs[items, agents], NEVER)
        other = int(swapped.argmin())
        if min(moved[target], swapped[other]) >= -1e-9:
            return
        if moved[target] <= swapped[other]:
            room[here] += size
        else:
            target = agents[other]
            room[here] += size - sizes[other, here]
            room[target] += sizes[other, target]
            agents[other] = here
        room[target] -= sizes[item, target]
        agents[item] = target
