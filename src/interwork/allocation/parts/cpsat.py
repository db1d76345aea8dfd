"""The exact model: lot count, modes, times and transport of one need in one CP-SAT model, so that its bound is honest.

For each lot count there is a copy of every lot; exactly one lot count is on, and in it each (lot, operation) takes one
option. A start must lie where the option's whole work fits one free window; work on one resource does not overlap;
an operation starts after those before it and the way between their sites. The objective is that of `Instance`.

A short search proves most needs at once; where it does not, local search goes on by chance and a long search follows.
Each is one worker that stops at a deterministic time, so a seed gives one plan; the clock is only the backstop. (Eight
workers in lockstep, the other repeatable way, measured ten times slower on two cores.)
"""

import time
from dataclasses import dataclass, field, replace
from enum import StrEnum

from ortools.sat.python import cp_model

from interwork.allocation.parts.instance import UNITS_PER_CENT, Instance, Option, Prices, Route
from interwork.allocation.parts.narrowing import Space, improve, narrow, shake
from interwork.allocation.parts.schedule import Placed, Schedule, tidy, weigh


class Status(StrEnum):
    """What the search came to."""

    OPTIMAL = "optimal"
    FEASIBLE = "feasible"
    INFEASIBLE = "infeasible"
    UNKNOWN = "unknown"


@dataclass(frozen=True, slots=True, kw_only=True)
class Search:
    """What to search for, and for how long."""

    use: int | None = None
    """A provider that must have a part in it."""
    hint: Schedule | None = None
    short: float = 0.5
    """Deterministic time of the first search; about 0.7 of it pass in a second on an idle core."""
    long: float = 0.0
    """The same for the second, spent only where the first proved nothing."""
    deadline: float = float("inf")
    """Of the monotonic clock; the backstop."""
    seed: int = 1
    any_will_do: bool = False
    """Stop at the first schedule found."""


@dataclass(frozen=True, slots=True)
class Outcome:
    """What a search found and proved."""

    status: Status
    schedule: Schedule | None
    bound: int
    """No schedule has a lower objective, in units."""


Terms = list[tuple[cp_model.IntVar, int]]


@dataclass(slots=True)
class _Cell:
    """One (lot, operation) of one lot count."""

    start: cp_model.IntVar
    chosen: list[tuple[cp_model.IntVar, Option, int]]
    """Literal, option and minutes."""
    stretches: list[list[tuple[cp_model.IntVar, tuple[int, int]]]]
    """Per option, the literal of each stretch it may start in."""

    def length(self) -> Terms:
        return [(literal, minutes) for literal, _, minutes in self.chosen]

    def at_sites(self) -> dict[int, list[cp_model.IntVar]]:
        by_site: dict[int, list[cp_model.IntVar]] = {}
        for literal, option, _ in self.chosen:
            by_site.setdefault(option.site, []).append(literal)
        return by_site


@dataclass(slots=True)
class _Way:
    """A possible carriage of a lot between two sites."""

    literal: cp_model.IntVar
    lot: tuple[int, int]
    sources: list[cp_model.IntVar]
    targets: list[cp_model.IntVar]


@dataclass(slots=True)
class _Model:
    """The variables behind one instance."""

    cp: cp_model.CpModel
    space: Space
    counts: list[cp_model.IntVar]
    cells: dict[tuple[int, int, int], _Cell] = field(default_factory=dict)
    """By lot count, lot and operation."""
    ways: list[_Way] = field(default_factory=list)
    intervals: dict[int, list[cp_model.IntervalVar]] = field(default_factory=dict)
    cents: Terms = field(default_factory=list)
    grams: Terms = field(default_factory=list)
    finish: cp_model.IntVar | None = None
    late: cp_model.IntVar | None = None


def solve(instance: Instance, search: Search) -> Outcome:
    """Search for the best schedule of an instance, among those no worse than the hint.

    The bound holds for all schedules: what was cut away is worse than the hint.
    """
    first = _narrowed(instance, search, search.short)
    is_proven = first.status in (Status.OPTIMAL, Status.INFEASIBLE)
    if is_proven or not search.long or time.monotonic() > search.deadline:
        return first
    best = first.schedule or search.hint
    if best:
        best = shake(instance, best, use=search.use, seed=search.seed, deadline=search.deadline)
    second = _narrowed(instance, replace(search, hint=best), search.long)
    return replace(second, schedule=second.schedule or best, bound=max(first.bound, second.bound))


def cheapest(instance: Instance, search: Search) -> Outcome:
    """Search for the schedule of the lowest price, whatever the budget and the other weights say."""
    bare = replace(instance, prices=Prices(gram=0, late_second=0, second=0), budget_cents=None)
    hint = improve(bare, deadline=search.deadline)
    outcome = solve(bare, replace(search, hint=hint))
    if outcome.schedule is None and hint:
        return replace(outcome, status=Status.FEASIBLE, schedule=tidy(bare, hint))
    return outcome


def _narrowed(instance: Instance, search: Search, effort: float) -> Outcome:
    upper = None
    if search.hint:
        hint = tidy(instance, search.hint)
        upper, search = weigh(instance, hint).objective, replace(search, hint=hint)
    space = narrow(instance, upper)
    outcome = _run(_build(instance, space, search), instance, search, effort)
    if outcome.status in (Status.FEASIBLE, Status.UNKNOWN):
        return replace(outcome, bound=max(outcome.bound, space.bound))
    return outcome


def _run(model: _Model, instance: Instance, search: Search, effort: float) -> Outcome:
    solver = cp_model.CpSolver()
    parameters = solver.parameters
    parameters.num_workers = 1
    parameters.random_seed = search.seed
    # Measured on models of 400 options: with probing off and every constraint in the linear relaxation 2 s prove what
    # the defaults do not in 5 s; probing starts stretch by stretch is what eats the time.
    parameters.cp_model_probing_level = 0
    parameters.linearization_level = 2
    parameters.max_deterministic_time = effort
    parameters.max_time_in_seconds = max(0.05, min(3600.0, search.deadline - time.monotonic()))
    parameters.stop_after_first_solution = search.any_will_do
    answer = solver.solve(model.cp)
    if answer == cp_model.INFEASIBLE:
        return Outcome(Status.INFEASIBLE, None, 0)
    bound = max(0, int(solver.best_objective_bound))
    if answer == cp_model.MODEL_INVALID:
        raise AssertionError(model.cp.validate())
    if answer == cp_model.UNKNOWN:
        return Outcome(Status.UNKNOWN, None, bound)
    schedule = tidy(instance, _read(model, instance, solver))
    return Outcome(Status.OPTIMAL if answer == cp_model.OPTIMAL else Status.FEASIBLE, schedule, bound)


def _build(instance: Instance, space: Space, search: Search) -> _Model:
    cp = cp_model.CpModel()
    model = _Model(cp, space, [cp.new_bool_var("") for _ in instance.splits])
    cp.add_exactly_one(model.counts)
    horizon = space.horizon
    model.finish = cp.new_int_var(0, horizon, "")
    model.late = cp.new_int_var(0, max(0, 60 * horizon - instance.due_s), "")
    cp.add(model.late >= 60 * model.finish - instance.due_s)
    for count, lots in enumerate(instance.splits):
        if (count, 0, 0) not in space.cells:
            cp.add(model.counts[count] == 0)
            continue
        for lot in range(len(lots)):
            _add_lot(model, instance, (count, lot))
        _order_equal_lots(model, instance, count)
    for intervals in model.intervals.values():
        cp.add_no_overlap(intervals)
    if instance.budget_cents is not None:
        cp.add(_sum(model.cents) <= instance.budget_cents)
    if search.use is not None:
        used = [
            each for cell in model.cells.values() for each, option, _ in cell.chosen if option.provider == search.use
        ]
        cp.add_bool_or(used)
    if not search.any_will_do:
        _set_objective(model, instance)
    if search.hint:
        _hint(model, instance, search.hint)
    return model


def _add_lot(model: _Model, instance: Instance, lot: tuple[int, int]) -> None:
    for operation in range(len(instance.operations)):
        cell = _add_cell(model, lot, operation)
        for earlier in instance.before[operation]:
            source = model.cells[*lot, earlier]
            travel = _add_ways(model, instance, lot, source, cell)
            model.cp.add(cell.start >= _sum([(source.start, 1), *source.length(), *travel]))
        if operation in instance.last:
            delivery = _add_delivery(model, instance, cell)
            assert model.finish is not None
            model.cp.add(model.finish >= _sum([(cell.start, 1), *cell.length(), *delivery]))


def _add_cell(model: _Model, lot: tuple[int, int], operation: int) -> _Cell:
    """Add the start and the choice of a cell: one literal per option, and under it one per free stretch.

    The start lies between the sums of what the stretches allow, and at 0 where the lot count is off. Stretches as
    literals, not holes in a domain: the linear relaxation sees them, and a conflict rules out more than a minute.
    """
    cp, on = model.cp, model.counts[lot[0]]
    cell = _Cell(cp.new_int_var(0, model.space.horizon, ""), [], [])
    firsts: Terms = []
    lasts: Terms = []
    for each in model.space.cells[*lot, operation]:
        literal = cp.new_bool_var("")
        within = [literal] if len(each.starts) == 1 else [cp.new_bool_var("") for _ in each.starts]
        if len(within) > 1:
            cp.add_exactly_one([*within, ~literal])
        firsts += [(inside, first) for inside, (first, _) in zip(within, each.starts, strict=True)]
        lasts += [(inside, last) for inside, (_, last) in zip(within, each.starts, strict=True)]
        minutes = each.figures.minutes
        interval = cp.new_optional_fixed_size_interval_var(cell.start, minutes, literal, "")
        model.intervals.setdefault(each.option.resource, []).append(interval)
        model.cents.append((literal, each.figures.cents))
        model.grams.append((literal, each.figures.grams))
        cell.chosen.append((literal, each.option, minutes))
        cell.stretches.append(list(zip(within, each.starts, strict=True)))
    cp.add_exactly_one([*(literal for literal, _, _ in cell.chosen), ~on])
    cp.add(cell.start >= _sum(firsts))
    cp.add(cell.start <= _sum(lasts))
    model.cells[*lot, operation] = cell
    return cell


def _add_ways(model: _Model, instance: Instance, lot: tuple[int, int], source: _Cell, target: _Cell) -> Terms:
    """Add one literal per pair of sites, on exactly where the lot goes that way; give the minutes each takes."""
    cp = model.cp
    leaving: dict[int, list[cp_model.IntVar]] = {}
    coming: dict[int, list[cp_model.IntVar]] = {}
    minutes: Terms = []
    for here, sources in source.at_sites().items():
        for there, targets in target.at_sites().items():
            literal = cp.new_bool_var("")
            leaving.setdefault(here, []).append(literal)
            coming.setdefault(there, []).append(literal)
            model.ways.append(_Way(literal, lot, sources, targets))
            if here != there:
                minutes.append((literal, _charge(model, literal, instance.routes[here, there])))
    for here, sources in source.at_sites().items():
        cp.add(cp_model.LinearExpr.sum(leaving.get(here, [])) == cp_model.LinearExpr.sum(sources))
    for there, targets in target.at_sites().items():
        cp.add(cp_model.LinearExpr.sum(coming.get(there, [])) == cp_model.LinearExpr.sum(targets))
    return minutes


def _add_delivery(model: _Model, instance: Instance, cell: _Cell) -> Terms:
    minutes: Terms = []
    for literal, option, _ in cell.chosen:
        route = instance.deliveries[option.site]
        if route:
            minutes.append((literal, _charge(model, literal, route)))
    return minutes


def _charge(model: _Model, literal: cp_model.IntVar, route: Route) -> int:
    model.cents.append((literal, route.cents))
    model.grams.append((literal, route.grams))
    return route.minutes


def _order_equal_lots(model: _Model, instance: Instance, count: int) -> None:
    """Lots of one size are interchangeable: let them begin in the order of their numbers."""
    sizes = instance.splits[count]
    for lot in range(1, len(sizes)):
        if sizes[lot] == sizes[lot - 1]:
            model.cp.add(model.cells[count, lot - 1, 0].start <= model.cells[count, lot, 0].start)


def _set_objective(model: _Model, instance: Instance) -> None:
    assert model.finish is not None
    assert model.late is not None
    prices = instance.prices
    terms = [(literal, cents * UNITS_PER_CENT) for literal, cents in model.cents]
    terms += [(literal, grams * prices.gram) for literal, grams in model.grams]
    terms += [(model.late, prices.late_second), (model.finish, 60 * prices.second)]
    model.cp.minimize(_sum(terms) + instance.head_s * prices.second)


def _sum(terms: Terms) -> cp_model.LinearExprT:
    return cp_model.LinearExpr.weighted_sum([each for each, _ in terms], [factor for _, factor in terms])


def _read(model: _Model, instance: Instance, solver: cp_model.CpSolver) -> Schedule:
    count = next(number for number, literal in enumerate(model.counts) if solver.boolean_value(literal))
    placed = []
    for lot in range(count + 1):
        for operation in range(len(instance.operations)):
            cell = model.cells[count, lot, operation]
            start = solver.value(cell.start)
            option, minutes = next((o, m) for literal, o, m in cell.chosen if solver.boolean_value(literal))
            placed.append(Placed(lot, operation, option, start, start + minutes))
    return Schedule(lots=instance.splits[count], placed=tuple(placed))


def _hint(model: _Model, instance: Instance, schedule: Schedule) -> None:
    """Tell the solver a whole schedule to start from, every variable of it."""
    cp = model.cp
    on = len(schedule.lots) - 1
    for number, literal in enumerate(model.counts):
        cp.add_hint(literal, number == on)
    taken: set[int] = set()
    for (count, lot, operation), cell in model.cells.items():
        placed = schedule.at(instance, lot, operation) if count == on else None
        cp.add_hint(cell.start, placed.start if placed else 0)
        for (literal, option, _), stretches in zip(cell.chosen, cell.stretches, strict=True):
            is_taken = placed is not None and option == placed.option
            cp.add_hint(literal, is_taken)
            if is_taken:
                taken.add(literal.index)
            for inside, (first, last) in stretches if len(stretches) > 1 else ():
                cp.add_hint(inside, placed is not None and is_taken and first <= placed.start <= last)
    finish = weigh(instance, schedule).finish
    for variable, value in ((model.finish, finish), (model.late, max(0, 60 * finish - instance.due_s))):
        assert variable is not None
        cp.add_hint(variable, value)
    for way in model.ways:
        goes = all(any(each.index in taken for each in ends) for ends in (way.sources, way.targets))
        cp.add_hint(way.literal, goes)
