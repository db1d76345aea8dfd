"""Find a good schedule quickly, then cut away every choice that cannot be part of one as good.

A good schedule comes from local search over who does what, each choice timed by placing lots as early as they fit. The
cut is sound: a choice is dropped only if the least cost of any schedule with it, reckoned without queues, is above
that of the schedule in hand. So an optimal schedule is never lost, and a bound over what is left holds for the whole.
"""

import math
import random
import time
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from itertools import pairwise
from typing import Any

import numpy as np

from interwork.allocation.parts.instance import UNITS_PER_CENT, Figures, Instance, Option, Route
from interwork.allocation.parts.schedule import Busy, Placed, Schedule, earliest, is_within_budget, ready_at, weigh

MAX_TRIALS = 3000
"""Choices timed by one local search: bounds its time, and unlike a clock it leaves the result repeatable."""
SHAKE_TRIALS = 8_000
"""The same for a search that goes on by chance; about half a second."""

Choice = tuple[tuple[int, ...], ...]
"""Per lot, which option each operation takes."""


@dataclass(frozen=True, slots=True)
class Possibility:
    """One option of a (lot, operation) with its figures and the stretches it may start in."""

    option: Option
    figures: Figures
    starts: tuple[tuple[int, int], ...]


@dataclass(frozen=True, slots=True)
class Space:
    """What is left to choose from."""

    cells: Mapping[tuple[int, int, int], tuple[Possibility, ...]]
    """By lot count, lot and operation; a lot count that cannot win is absent."""
    horizon: int
    bound: int
    """No schedule has a lower objective, reckoned without queues."""


Table = tuple[tuple[Possibility, ...], ...]
"""Per operation, its options as they are for one lot size."""


def tabulate(instance: Instance, size: int) -> Table:
    """Reckon every option for one lot size."""
    table = []
    for options in instance.options:
        figures = [each.figures(size) for each in options]
        row = [Possibility(o, f, tuple(o.starts(f.minutes))) for o, f in zip(options, figures, strict=True)]
        table.append(tuple(row))
    return tuple(table)


def improve(
    instance: Instance,
    *,
    use: int | None = None,
    near: Schedule | None = None,
    trials: int = MAX_TRIALS,
    deadline: float = math.inf,
) -> Schedule | None:
    """Search locally for a good schedule, from `near` first; `use` names a provider that must have a part in it.

    None means that none was found, not that there is none. The deadline, of the monotonic clock, is only the backstop.
    """
    if not all(instance.options):
        return None
    climb = _Climb(instance, use, deadline)
    if near and climb.is_open(near):
        climb.keep(near)
    if near:
        for start in climb.around(near):
            climb.descend(near.lots, start, trials // 3)
    for number, lots in enumerate(instance.splits):
        climb.search(lots, trials * (number + len(instance.splits)) // (2 * len(instance.splits)))
    return climb.best


def shake(
    instance: Instance,
    start: Schedule,
    *,
    use: int | None,
    seed: int,
    trials: int = SHAKE_TRIALS,
    deadline: float = math.inf,
) -> Schedule:
    """Improve a schedule by ruining a few choices of the best at random and climbing again."""
    climb = _Climb(instance, use, deadline)
    climb.keep(start)
    climb.shake(random.Random(seed), trials)  # noqa: S311 - a search needs chance that can be repeated, not secrecy
    return climb.best or start


class _Climb:
    """One local search: the best schedule so far, and how many choices were timed."""

    def __init__(self, instance: Instance, use: int | None, deadline: float) -> None:
        self._instance = instance
        self._use = use
        self._deadline = deadline
        self._tables = {size: tabulate(instance, size) for lots in instance.splits for size in lots}
        self._objective = 0
        self._trials = 0
        self.best: Schedule | None = None

    def search(self, lots: tuple[int, ...], limit: int) -> None:
        """Climb from every start for one lot count until the trials run out."""
        for start in dict.fromkeys(self._starts(lots)):
            self.descend(lots, start, limit)

    def shake(self, chance: random.Random, limit: int) -> None:
        """Take the best, change a few choices of it by chance, sometimes its lots, and climb from there."""
        options = self._instance.options
        while self.best and not self._is_over(limit):
            lots = self.best.lots if chance.random() < 0.7 else chance.choice(self._instance.splits)
            numbers = self._numbers(self.best)
            choice: Choice = tuple(numbers[lot % len(numbers)] for lot in range(len(lots)))
            for _ in range(chance.randint(2, 5)):
                operation = chance.randrange(len(options))
                changed = range(len(lots)) if chance.random() < 0.5 else (chance.randrange(len(lots)),)
                choice = _changed(choice, changed, operation, chance.randrange(len(options[operation])))
            self.descend(lots, choice, min(limit, self._trials + limit // 10))

    def _is_over(self, limit: int) -> bool:
        return self._trials >= limit or time.monotonic() > self._deadline

    def is_open(self, schedule: Schedule) -> bool:
        """Tell whether every option of a schedule is among those to choose from."""
        return all(each.option in self._instance.options[each.operation] for each in schedule.placed)

    def around(self, schedule: Schedule) -> Iterator[Choice]:
        """Begin from a schedule, with what it must not have replaced and what it must have put in."""
        numbers = self._numbers(schedule)
        if self._use is None:
            yield numbers
            return
        for operation, listed in enumerate(self._instance.options):
            for number, option in enumerate(listed):
                if option.provider == self._use:
                    yield _changed(numbers, range(len(numbers)), operation, number)

    def _numbers(self, schedule: Schedule) -> Choice:
        """Read the choice behind a schedule; the cheapest stands in for an option that is not there."""
        tables = [self._tables[size] for size in schedule.lots]
        choice = [[self._cheapest(row, None) for row in table] for table in tables]
        for each in schedule.placed:
            listed = self._instance.options[each.operation]
            if each.option in listed:
                choice[each.lot][each.operation] = listed.index(each.option)
        return tuple(tuple(numbers) for numbers in choice)

    def _starts(self, lots: tuple[int, ...]) -> Iterator[Choice]:
        """Begin from the cheapest, the quickest, and what each provider makes of it."""
        tables = [self._tables[size] for size in lots]
        providers = dict.fromkeys(each.provider for listed in self._instance.options for each in listed)
        for provider in (None, *providers):
            yield tuple(tuple(self._cheapest(row, provider) for row in table) for table in tables)
        yield tuple(tuple(_quickest(row) for row in table) for table in tables)

    def _cheapest(self, row: Sequence[Possibility], provider: int | None) -> int:
        """Choose the cheapest that has time, a provider's own where it has one."""
        return min(
            range(len(row)),
            key=lambda number: (
                not row[number].starts,
                row[number].option.provider != provider,
                _units(self._instance, row[number].figures),
            ),
        )

    def descend(self, lots: tuple[int, ...], choice: Choice, limit: int) -> None:
        """Take every change that helps until none does."""
        objective = self._try(lots, choice)
        is_better = True
        while is_better:
            is_better = False
            for changes in self._moves(len(lots)):
                if self._is_over(limit):
                    return
                moved = choice
                for changed, operation, number in changes:
                    moved = _changed(moved, changed, operation, number)
                if moved == choice:
                    continue
                found = self._try(lots, moved)
                if found is not None and (objective is None or found < objective):
                    choice, objective, is_better = moved, found, True

    def _moves(self, lots: int) -> Iterator[tuple[tuple[Sequence[int], int, int], ...]]:
        """Change one operation of one lot, of all lots, or together with the next one at the same site."""
        options = self._instance.options
        for operation, listed in enumerate(options):
            for number, option in enumerate(listed):
                if lots > 1:
                    yield from ((((lot,), operation, number),) for lot in range(lots))
                change = (range(lots), operation, number)
                yield (change,)
                if operation + 1 < len(options):
                    for following, other in enumerate(options[operation + 1]):
                        if other.site == option.site:
                            yield (change, (range(lots), operation + 1, following))

    def _try(self, lots: tuple[int, ...], choice: Choice) -> int | None:
        """Time a choice, keep it if it is the best yet, and give its objective if it is allowed."""
        self._trials += 1
        schedule = self._place(lots, choice)
        return self.keep(schedule) if schedule else None

    def keep(self, schedule: Schedule) -> int | None:
        """Keep a schedule if it is allowed and the best yet; give its objective if it is allowed."""
        sums = weigh(self._instance, schedule)
        used = self._use is None or any(each.option.provider == self._use for each in schedule.placed)
        if not used or not is_within_budget(self._instance, sums):
            return None
        if self.best is None or sums.objective < self._objective:
            self.best, self._objective = schedule, sums.objective
        return sums.objective

    def _place(self, lots: tuple[int, ...], choice: Choice) -> Schedule | None:
        """Place lot after lot as early as they fit."""
        busy: Busy = {}
        placed: list[Placed] = []
        for lot, numbers in enumerate(choice):
            table = self._tables[lots[lot]]
            for operation, number in enumerate(numbers):
                taken = table[operation][number]
                ready = ready_at(self._instance, placed, lot, operation, taken.option)
                start = earliest(taken.starts, taken.figures.minutes, ready, busy.get(taken.option.resource, ()))
                if start is None:
                    return None
                end = start + taken.figures.minutes
                busy.setdefault(taken.option.resource, []).append((start, end))
                placed.append(Placed(lot, operation, taken.option, start, end))
        return Schedule(lots=lots, placed=tuple(placed))


def _quickest(row: Sequence[Possibility]) -> int:
    return min(range(len(row)), key=lambda number: (not row[number].starts, row[number].figures.minutes))


def _changed(choice: Choice, lots: Sequence[int], operation: int, number: int) -> Choice:
    return tuple(
        (*each[:operation], number, *each[operation + 1 :]) if lot in lots else each for lot, each in enumerate(choice)
    )


def _units(instance: Instance, figures: Figures | Route) -> int:
    return figures.cents * UNITS_PER_CENT + figures.grams * instance.prices.gram


def narrow(instance: Instance, upper: int | None = None) -> Space:
    """Keep what can still be part of a schedule of objective `upper` or less; None keeps all that fits in time."""
    cells: dict[tuple[int, int, int], tuple[Possibility, ...]] = {}
    horizon, bounds = 0, []
    for count, lots in enumerate(instance.splits):
        tables = {size: _in_time(instance, tabulate(instance, size), instance.horizon) for size in lots}
        if not all(all(table) for table in tables.values()):
            continue
        through = {size: _least_through(instance, table) for size, table in tables.items()}
        least = {size: min(through[size][0]) for size in lots}
        finish = max(_least_finish(instance, table) for table in tables.values())
        cost = sum(least[size] for size in lots)
        last = _latest_finish(instance, upper, cost)
        if last < finish:
            continue
        bounds.append(instance.objective(0, 0, finish) + cost)
        room = None if upper is None else upper - bounds[-1]
        kept = {size: _in_time(instance, _keep(tables[size], through[size], least[size], room), last) for size in lots}
        if not all(all(table) for table in kept.values()):
            continue
        horizon = max(horizon, last)
        for lot, size in enumerate(lots):
            for operation, row in enumerate(kept[size]):
                cells[count, lot, operation] = row
    return Space(cells=cells, horizon=horizon, bound=min(bounds, default=0))


def _in_time(instance: Instance, table: Table, last: int) -> Table:
    """Cut starts that come before a lot can be there, or too late for what follows to end by `last`."""
    tails = _tails(instance, table)
    kept: list[tuple[Possibility, ...]] = []
    for operation, row in enumerate(table):
        left = []
        for each, ready in zip(row, _least_ready(instance, kept, operation, row), strict=True):
            latest = (
                last - each.figures.minutes - tails[operation] - _delivery_minutes(instance, operation, each.option)
            )
            starts = tuple((max(a, ready), min(b, latest)) for a, b in each.starts if b >= ready and a <= latest)
            if starts:
                left.append(Possibility(each.option, each.figures, starts))
        kept.append(tuple(left))
        if not left:
            return (*kept, *(() for _ in table[operation + 1 :]))
    return tuple(kept)


def _tails(instance: Instance, table: Table) -> list[int]:
    """Reckon the least minutes of work that must follow each operation."""
    tails = [0] * len(table)
    for operation in range(len(table) - 1, -1, -1):
        quickest = min((each.figures.minutes for each in table[operation]), default=0)
        for earlier in instance.before[operation]:
            tails[earlier] = max(tails[earlier], quickest + tails[operation])
    return tails


def _least_ready(
    instance: Instance, table: Sequence[Sequence[Possibility]], operation: int, row: Sequence[Possibility]
) -> list[int]:
    """Reckon the earliest a lot can be at each option's site if no other stood in its way."""
    ready = np.zeros(len(row), dtype=np.int64)
    for earlier in instance.before[operation]:
        ends = np.array([each.starts[0][0] + each.figures.minutes for each in table[earlier]])
        np.maximum(ready, (ends[:, None] + _between(instance.travel, table[earlier], row)).min(axis=0), out=ready)
    return [int(each) for each in ready]


def _between(square: Any, these: Sequence[Possibility], those: Sequence[Possibility]) -> Any:  # noqa: ANN401 - arrays
    """Pick a figure from each of some options' sites to each of others'."""
    return square[np.ix_([each.option.site for each in these], [each.option.site for each in those])]


def _delivery_minutes(instance: Instance, operation: int, option: Option) -> int:
    route = instance.deliveries[option.site] if operation in instance.last else None
    return route.minutes if route else 0


def _keep(table: Table, through: list[list[int]], least: int, room: int | None) -> Table:
    return tuple(
        tuple(each for each, units in zip(row, least_units, strict=True) if room is None or units - least <= room)
        for row, least_units in zip(table, through, strict=True)
    )


def _latest_finish(instance: Instance, upper: int | None, least: int) -> int:
    """Find the last minute a schedule may finish so that time alone does not make it dearer than `upper`."""
    if upper is None:
        return instance.horizon
    low, high = -1, instance.horizon
    while low < high:
        middle = (low + high + 1) // 2
        if least + instance.objective(0, 0, middle) <= upper:
            low = middle
        else:
            high = middle - 1
    return low


def _least_through(instance: Instance, table: Table) -> list[list[int]]:
    """Reckon for each option the least money and CO₂ of a lot that takes it, its carriage included where that is sound.

    Carriage is reckoned along a chain of operations; in other shapes only the work and the delivery are.
    """
    own = [
        [_units(instance, each.figures) + _delivery_units(instance, operation, each.option) for each in row]
        for operation, row in enumerate(table)
    ]
    if any(before != (number - 1,) * bool(number) for number, before in enumerate(instance.before)):
        best = [min(row) for row in own]
        return [[units + sum(best) - best[number] for units in row] for number, row in enumerate(own)]
    reached = [np.array(each, dtype=np.int64) for each in own]
    behind = [reached[0]]
    for (earlier, later), row in zip(pairwise(table), reached[1:], strict=True):
        carried = _between(instance.carriage, earlier, later)
        behind.append((behind[-1][:, None] + carried).min(axis=0) + row)
    ahead = [np.zeros(len(table[-1]), dtype=np.int64)]
    for number in range(len(table) - 2, -1, -1):
        carried = _between(instance.carriage, table[number], table[number + 1])
        ahead.insert(0, (carried + reached[number + 1] + ahead[0]).min(axis=1))
    return [[int(each) for each in one + other] for one, other in zip(behind, ahead, strict=True)]


def _delivery_units(instance: Instance, operation: int, option: Option) -> int:
    route = instance.deliveries[option.site] if operation in instance.last else None
    return _units(instance, route) if route else 0


def _least_finish(instance: Instance, table: Table) -> int:
    """Reckon the earliest a lot can be delivered if no other stood in its way; its starts are those in time."""
    return max(
        min(
            e.starts[0][0] + e.figures.minutes + _delivery_minutes(instance, operation, e.option)
            for e in table[operation]
        )
        for operation in instance.last
    )
