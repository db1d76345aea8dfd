"""A tabu search over machines and orders: operations of a critical path move to where they hurt least.

Theory: with the operation taken out, an order on a machine splits into those that end after its head (they had better
come later) and those whose tail is longer than its own (they had better come earlier); between the two every position
is best, and only where they overlap must positions be tried (Mastrolilli and Gambardella 2000). Heads and tails of the
others are taken as they were, which may close a circle; then the move is undone and the next best is made.
"""

import random
from bisect import bisect_right

from interwork.allocation.engine.limits import Clock
from interwork.allocation.shop.table import Sequences, Table

STALL = 1200
"""Moves without a new best before the search goes back to the best and shakes it."""
ROUNDS_PER_EFFORT = 400
Move = tuple[int, int, int, int]
"""Estimate, operation, machine, position."""


class Tabu:
    """One search; `best` is always complete and timed."""

    def __init__(self, table: Table, sequences: Sequences, seed: int) -> None:
        self.table = table
        self.chance = random.Random(seed)  # noqa: S311 - a search, not a secret
        self.sequences = [list(each) for each in sequences]
        count = table.count
        self.machine = [0] * count
        self.duration = [0] * count
        for k, sequence in enumerate(self.sequences):
            for v in sequence:
                self.machine[v], self.duration[v] = k, table.durations[v][k]
        self.head, self.tail = [0] * count, [0] * count
        self.done, self.rest = [0] * count, [0] * count
        """Head and tail with the operation itself."""
        self.is_far = any(map(any, table.travel))
        self.lists: dict[int, tuple[list[int], list[int]]] = {}
        self.prior, self.later = [-1] * count, [-1] * count
        self.order: list[int] = []
        self.span = 0
        self.tabu: dict[int, int] = {}
        self.step = 0
        self.evaluate()
        self.best = [list(each) for each in self.sequences]
        self.best_span = self.span
        self.found_at = 0
        self.best_at = 0
        self.stale = 1 << 60
        """Moves without a new best after which the search gives up."""

    def run(self, clock: Clock, until: float, floor: int) -> None:
        """Search until a moment of the clock, the effort is spent, or the floor is reached."""
        most = ROUNDS_PER_EFFORT * clock.limits.effort if clock.is_fixed else 1 << 60
        latest = max(0.0, clock.deadline - until)
        while self.best_span > floor and self.step < most:
            if self.step - self.best_at > self.stale or (self.step % 16 == 0 and clock.left <= latest):
                break
            self.move()
            if self.span < self.best_span:
                self.best, self.best_span = [list(each) for each in self.sequences], self.span
                self.found_at = self.best_at = self.step
                clock.tell(self.best_span, "tabu search", floor)
            elif self.step - self.found_at > STALL:
                self.shake()

    def evaluate(self) -> bool:
        """Reckon heads, tails and the span; False where the orders run in a circle."""
        prior, later = self.prior, self.later
        for sequence in self.sequences:
            last = -1
            for v in sequence:
                prior[v] = last
                if last >= 0:
                    later[last] = v
                last = v
            if last >= 0:
                later[last] = -1
        order = self._heads()
        if len(order) < self.table.count:
            return False
        self.order = order
        self._tails(order)
        self.lists.clear()
        return True

    def _heads(self) -> list[int]:
        # The hot loop of the search: comparisons instead of max(), and a lookup of carriage only where there is some.
        after, later, done = self.table.after, self.later, self.done
        before, prior, head, duration = self.table.before, self.prior, self.head, self.duration
        travel, machine, is_far = self.table.travel, self.machine, self.is_far
        waiting = [(x >= 0) + (y >= 0) for x, y in zip(before, prior, strict=True)]
        order = [v for v, count in enumerate(waiting) if not count]
        add = order.append
        for v in order:
            x, y, moment = before[v], prior[v], 0
            if x >= 0:
                moment = done[x] + travel[machine[x]][machine[v]] if is_far else done[x]
            if y >= 0 and done[y] > moment:
                moment = done[y]
            head[v] = moment
            done[v] = moment + duration[v]
            x, y = after[v], later[v]
            if x >= 0:
                waiting[x] -= 1
                if not waiting[x]:
                    add(x)
            if y >= 0:
                waiting[y] -= 1
                if not waiting[y]:
                    add(y)
        if len(order) == len(before):
            self.span = max(done)
        return order

    def _tails(self, order: list[int]) -> None:
        after, later, tail, rest = self.table.after, self.later, self.tail, self.rest
        travel, machine, duration, is_far = self.table.travel, self.machine, self.duration, self.is_far
        for v in reversed(order):
            x, y, moment = after[v], later[v], 0
            if x >= 0:
                moment = rest[x] + travel[machine[v]][machine[x]] if is_far else rest[x]
            if y >= 0 and rest[y] > moment:
                moment = rest[y]
            tail[v] = moment
            rest[v] = moment + duration[v]

    def _lists(self, k: int) -> tuple[list[int], list[int]]:
        """List when the operations of a machine end, and what is left after each begins (negative, to be sorted)."""
        known = self.lists.get(k)
        if known is None:
            sequence, done, rest = self.sequences[k], self.done, self.rest
            known = self.lists[k] = [done[u] for u in sequence], [-rest[u] for u in sequence]
        return known

    def path(self) -> list[int]:
        """Follow one critical path from its end to its beginning, at random where it forks."""
        head, done, tail, span = self.head, self.done, self.tail, self.span
        ends = [v for v in self.order if done[v] == span and not tail[v]]
        v = self.chance.choice(ends)
        found = [v]
        travel, machine = self.table.travel, self.machine
        while head[v] > 0:
            x, y, able = self.table.before[v], self.prior[v], []
            if x >= 0 and done[x] + travel[machine[x]][machine[v]] == head[v]:
                able.append(x)
            if y >= 0 and done[y] == head[v]:
                able.append(y)
            v = able[0] if len(able) == 1 else self.chance.choice(able)
            found.append(v)
        return found

    def move(self) -> None:
        """Make the best move that is not forbidden; where every one is, any."""
        self.step += 1
        path = self.path()
        moves: list[Move] = []
        for v in path:
            self._elsewhere(v, moves)
            self._here(v, moves)
        self.chance.shuffle(moves)
        moves.sort(key=lambda each: each[0])
        tabu, step, width = self.tabu, self.step, self.table.machines
        free = [m for m in moves if tabu.get(m[1] * width + m[2], 0) < step or m[0] < self.best_span]
        for each in (free or self.chance.sample(moves, min(3, len(moves))))[:8]:
            if self._make(each, len(path)):
                return
        self.tabu.clear()
        self.shake()

    def _make(self, move: Move, length: int) -> bool:
        _, v, k, position = move
        old = self.machine[v]
        was = self.sequences[old].index(v)
        self._put(v, k, position)
        if not self.evaluate():
            self._put(v, old, was)
            self.evaluate()
            return False
        # Short paths with much flexibility need short memories, long ones long.
        tenure = 6 + length // 3 + self.chance.randrange(4 + length // 3)
        self.tabu[v * self.table.machines + old] = self.step + tenure
        return True

    def _put(self, v: int, k: int, position: int) -> None:
        self.sequences[self.machine[v]].remove(v)
        self.sequences[k].insert(position, v)
        self.machine[v], self.duration[v] = k, self.table.durations[v][k]

    def _elsewhere(self, v: int, moves: list[Move]) -> None:
        machine, travel, is_far = self.machine, self.table.travel, self.is_far
        x, y, here = self.table.before[v], self.table.after[v], machine[v]
        earliest = self.done[x] if x >= 0 else 0
        behind = self.rest[y] if y >= 0 else 0
        r, q = earliest, behind
        for k, p in self.table.durations[v].items():
            if k == here:
                continue
            if is_far:
                r = earliest + travel[machine[x]][k] if x >= 0 else 0
                q = behind + travel[k][machine[y]] if y >= 0 else 0
            ends, rests = self._lists(k)
            low = bisect_right(ends, r)
            high = bisect_right(rests, -q - 1)
            if high <= low:
                position = high if high == low else self.chance.randint(high, low)
                moves.append((r + p + q, v, k, position))
            else:
                moves.append(_between(ends, rests, (low, high), (r, p, q), (v, k)))

    def _here(self, v: int, moves: list[Move]) -> None:
        """Try other positions on the same machine; the heads behind it and the tails before it fall as it leaves."""
        k = self.machine[v]
        sequence = self.sequences[k]
        if len(sequence) < 2:
            return
        done, rest, duration, travel = self.done, self.rest, self.duration, self.table.travel
        before, after, machine, is_far = self.table.before, self.table.after, self.machine, self.is_far
        at = sequence.index(v)
        all_ends, all_rests = self._lists(k)
        ends, rests = all_ends[:at], all_rests[at + 1 :]
        reached = ends[-1] if at else 0
        for u in sequence[at + 1 :]:
            x = before[u]
            if x >= 0:
                moment = done[x] + travel[machine[x]][k] if is_far else done[x]
                if moment > reached:  # noqa: PLR1730 - a comparison is a third of the cost of max() here
                    reached = moment
            reached += duration[u]
            ends.append(reached)
        reached = -rests[0] if rests else 0
        ahead: list[int] = []
        for u in reversed(sequence[:at]):
            y = after[u]
            if y >= 0:
                moment = rest[y] + travel[k][machine[y]] if is_far else rest[y]
                if moment > reached:  # noqa: PLR1730 - as above
                    reached = moment
            reached += duration[u]
            ahead.append(-reached)
        x, y = before[v], after[v]
        r = done[x] + travel[machine[x]][k] if x >= 0 else 0
        q = rest[y] + travel[k][machine[y]] if y >= 0 else 0
        self._reorder(moves, (v, k, at), (ends, ahead[::-1] + rests), (r, duration[v], q))

    def _reorder(
        self,
        moves: list[Move],
        what: tuple[int, int, int],
        lists: tuple[list[int], list[int]],
        own: tuple[int, int, int],
    ) -> None:
        (v, k, at), (ends, rests), (r, p, q) = what, lists, own
        low, high = bisect_right(ends, r), bisect_right(rests, -q - 1)
        first, last = min(low, high), max(low, high)
        best: Move | None = None
        for position in range(first, last + 1):
            if position == at:
                continue
            reached = max(ends[position - 1], r) if position else r
            rest = max(-rests[position], q) if position < len(rests) else q
            estimate = reached + p + rest
            if best is None or estimate < best[0]:
                best = (estimate, v, k, position)
        if best is not None:
            moves.append(best)

    def shake(self) -> None:
        """Go back to the best and move some operations at random."""
        self.tabu.clear()
        self.found_at = self.step
        self.sequences = [list(each) for each in self.best]
        for k, sequence in enumerate(self.sequences):
            for v in sequence:
                self.machine[v], self.duration[v] = k, self.table.durations[v][k]
        self.evaluate()
        for _ in range(self.chance.randint(3, 10)):
            moves: list[Move] = []
            for v in self.path():
                self._elsewhere(v, moves)
                self._here(v, moves)
            if moves:
                self._make(self.chance.choice(moves), 8)


def _between(
    ends: list[int], rests: list[int], span: tuple[int, int], own: tuple[int, int, int], what: tuple[int, int]
) -> Move:
    (low, high), (r, p, q) = span, own
    best, place = 1 << 60, low
    for position in range(low, high + 1):
        reached = ends[position - 1] if position and ends[position - 1] > r else r
        rest = -rests[position] if position < len(rests) and -rests[position] > q else q
        estimate = reached + p + rest
        if estimate < best:
            best, place = estimate, position
    return best, what[0], what[1], place
