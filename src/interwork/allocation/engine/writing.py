"""The general model in CP-SAT: modes as optional intervals, calendars, carriage, setups and euro in cents.

Every time is a whole unit and every euro is charged in cents, rounded down per mode so that the bound stays below the
true cost; the objective that is reported is re-reckoned in euro. Setups between families are asked of every pair on a
machine by their shortest chain, which is what adjacent ones need at least. Where breaks interrupt a mode, it has one
interval for each length that the breaks can draw it out to.
"""

import math
from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Any

from ortools.sat.python import cp_model

from interwork.allocation.engine.account import carriage_costs, is_makespan_only, last_activities, mode_cost, setups_of
from interwork.allocation.engine.breaks import breaks_of, starts_by_length
from interwork.allocation.problem.model import Problem, ResourceKind, Solution

CENTS = 100
LARGEST = 2**40


@dataclass(slots=True)
class Model:
    """What is under construction."""

    problem: Problem
    horizon: int
    cp: Any = field(default_factory=cp_model.CpModel)
    starts: list[Any] = field(default_factory=list)
    ends: list[Any] = field(default_factory=list)
    picks: list[list[Any]] = field(default_factory=list)
    """Literals per activity and mode."""
    ways: dict[tuple[int, int], list[tuple[Any, int]]] = field(default_factory=dict)
    """Literals and lengths of each activity and mode that breaks may draw out."""
    served: list[Any] = field(default_factory=list)
    cost: list[tuple[Any, int]] = field(default_factory=list)
    fixed: int = 0


def build(problem: Problem, hint: Solution | None = None) -> Model:
    """Write a problem down as a CP-SAT model; a hint of a known plan also bounds the time."""
    model = Model(problem, _horizon(problem, hint))
    _demands(model)
    _activities(model)
    _links(model)
    _capacities(model)
    _rows(model)
    _objective(model)
    if hint is not None and hint.is_solved:
        _hint(model, hint)
    return model


def _horizon(problem: Problem, hint: Solution | None) -> int:
    longest = sum(max(mode.duration for mode in each.modes) for each in problem.activities)
    longest += sum(max((link.lag for link in each.after), default=0) for each in problem.activities)
    if problem.transport:
        longest += max(map(max, problem.transport.time)) * (len(problem.activities) + 2 * len(problem.demands))
    longest += _longest_setup(problem) * len(problem.activities)
    longest += max((each.release for each in problem.demands), default=0)
    longest += sum(end - start for each in problem.resources for start, end in (*each.closed, *each.breaks))
    longest = min(longest, problem.horizon or longest, LARGEST)
    if hint is not None and hint.is_solved and is_makespan_only(problem):
        longest = min(longest, max((each.end for each in hint.placements), default=longest))
    return max(1, longest)


def _longest_setup(problem: Problem) -> int:
    """Tell the longest setup between two activities that one resource may both do."""
    families: dict[int, set[int]] = {}
    for activity in problem.activities:
        for used in {r for mode in activity.modes for r, _ in mode.uses} if activity.family >= 0 else ():
            families.setdefault(used, set()).add(activity.family)
    return max(
        (setups[f][g] for used, of in families.items() if (setups := setups_of(problem, used)) for f in of for g in of),
        default=0,
    )


def _demands(model: Model) -> None:
    for demand in model.problem.demands:
        if demand.unserved is None:
            model.served.append(None)
        else:
            served = model.cp.new_bool_var("")
            model.served.append(served)
            cents = math.floor(demand.unserved * CENTS)
            model.fixed += cents
            model.cost.append((served, -cents))


def _activities(model: Model) -> None:
    problem, cp = model.problem, model.cp
    for number, activity in enumerate(problem.activities):
        demand = problem.demands[activity.demand]
        latest = min(model.horizon, demand.deadline if demand.deadline is not None else model.horizon)
        start, end = (cp.new_int_var(demand.release, max(demand.release, latest), "") for _ in range(2))
        able = [not any(r in demand.excluded for r, _ in mode.uses) for mode in activity.modes]
        served = model.served[activity.demand]
        if len(able) == 1 and able[0] and served is None:
            picks: list[Any] = [True]
        else:
            picks = [cp.new_bool_var("") if each else False for each in able]
            cp.add(sum(picks) == (1 if served is None else served))
        for m, pick in enumerate(picks):
            if pick is not False:
                _last(model, (number, m), pick, (start, end))
        model.starts.append(start)
        model.ends.append(end)
        model.picks.append(picks)


def _last(model: Model, which: tuple[int, int], pick: Any, span: tuple[Any, Any]) -> None:  # noqa: ANN401 - CP-SAT's literals have no public type
    """Tell how long a mode lasts if it is picked; breaks make that depend on when it starts."""
    (start, end), cp = span, model.cp
    mode = model.problem.activities[which[0]].modes[which[1]]
    breaks = breaks_of(model.problem, mode)
    if not breaks or not mode.duration:
        rule = cp.add(end == start + mode.duration)
        if pick is not True:
            rule.only_enforce_if(pick)
        return
    lengths = starts_by_length(mode.duration, breaks, model.horizon)
    ways = [(cp.new_bool_var(""), length) for length in sorted(lengths)]
    cp.add(sum(literal for literal, _ in ways) == pick)
    for literal, length in ways:
        able = cp_model.Domain.from_intervals([list(each) for each in lengths[length]])
        cp.add_linear_expression_in_domain(start, able).only_enforce_if(literal)
        cp.add(end == start + length).only_enforce_if(literal)
    model.ways[which] = ways


def _links(model: Model) -> None:
    problem = model.problem
    times = problem.transport.time if problem.transport else ()
    is_last = last_activities(problem)
    for number, activity in enumerate(problem.activities):
        demand = problem.demands[activity.demand]
        served = model.served[activity.demand]
        for link in activity.after:
            other = model.served[problem.activities[link.before].demand]
            rule = model.cp.add(model.starts[number] >= model.ends[link.before] + link.lag)
            rule.only_enforce_if([each for each in (served, other) if each is not None])
            if times:
                _carry(model, link.before, number, link.lag, times)
        for pick, mode in zip(model.picks[number], activity.modes, strict=True):
            if pick is not False and times and mode.site >= 0:
                if not activity.after and demand.origin >= 0:
                    there = demand.release + times[demand.origin][mode.site]
                    model.cp.add(model.starts[number] >= there).only_enforce_if(pick)
                if is_last[number] and demand.target >= 0 and demand.deadline is not None:
                    latest = demand.deadline - times[mode.site][demand.target]
                    model.cp.add(model.ends[number] <= latest).only_enforce_if(pick)


def _carry(model: Model, before: int, number: int, lag: int, times: Sequence[Sequence[int]]) -> None:
    one, other = model.problem.activities[before], model.problem.activities[number]
    for first, source in zip(model.picks[before], one.modes, strict=True):
        for then, target in zip(model.picks[number], other.modes, strict=True):
            if first is False or then is False or source.site < 0 or target.site < 0:
                continue
            time = times[source.site][target.site]
            if time:
                rule = model.cp.add(model.starts[number] >= model.ends[before] + lag + time)
                rule.only_enforce_if([first, then])


def _capacities(model: Model) -> None:
    uses: dict[int, list[tuple[int, int, int]]] = {}
    for number, activity in enumerate(model.problem.activities):
        for m, mode in enumerate(activity.modes):
            if model.picks[number][m] is not False:
                for used, amount in mode.uses:
                    uses.setdefault(used, []).append((number, m, amount))
    for number, users in uses.items():
        resource = model.problem.resources[number]
        if resource.kind in (ResourceKind.UNARY, ResourceKind.CUMULATIVE):
            _timed(model, number, users)
        else:
            model.cp.add(sum(amount * model.picks[a][m] for a, m, amount in users) <= resource.capacity)


def _timed(model: Model, number: int, users: list[tuple[int, int, int]]) -> None:
    resource, problem = model.problem.resources[number], model.problem
    intervals, amounts = [], []
    for a, m, amount in users:
        duration = problem.activities[a].modes[m].duration
        for literal, length in model.ways.get((a, m), [(model.picks[a][m], duration)] if duration else []):
            intervals.append(model.cp.new_optional_fixed_size_interval_var(model.starts[a], length, literal, ""))
            amounts.append(amount)
    capacity = 1 if resource.kind is ResourceKind.UNARY else resource.capacity
    for start, end in resource.closed:
        intervals.append(model.cp.new_fixed_size_interval_var(start, end - start, ""))
        amounts.append(capacity)
    if capacity == 1 and all(each == 1 for each in amounts):
        model.cp.add_no_overlap(intervals)
    else:
        model.cp.add_cumulative(intervals, amounts, capacity)
    setups = setups_of(problem, number)
    if resource.kind is ResourceKind.UNARY and setups:
        _setups(model, setups, users)


def _setups(model: Model, setups: Sequence[Sequence[int]], users: list[tuple[int, int, int]]) -> None:
    problem, cp = model.problem, model.cp
    for position, (a, m, _) in enumerate(users):
        for b, k, _ in users[:position]:
            f, g = problem.activities[a].family, problem.activities[b].family
            if a == b or f < 0 or g < 0 or not (setups[f][g] or setups[g][f]):
                continue
            first = cp.new_bool_var("")
            both = [model.picks[a][m], model.picks[b][k]]
            cp.add(model.starts[b] >= model.ends[a] + setups[f][g]).only_enforce_if([first, *both])
            cp.add(model.starts[a] >= model.ends[b] + setups[g][f]).only_enforce_if([first.negated(), *both])


def _rows(model: Model) -> None:
    problem = model.problem
    for row in problem.rows:
        terms = [(model.picks[a][m], round(c * CENTS)) for a, m, c in row.terms if model.picks[a][m] is not False]
        model.cp.add(sum(c * pick for pick, c in terms) >= round(row.at_least * CENTS))
    carried = carriage_costs(problem)
    for number, demand in enumerate(problem.demands):
        if demand.budget is not None and not carried:
            terms = [
                (pick, math.ceil(mode.price * CENTS - 1e-9))
                for activity, picks in zip(problem.activities, model.picks, strict=True)
                if activity.demand == number
                for pick, mode in zip(picks, activity.modes, strict=True)
            ]
            model.cp.add(sum(c * pick for pick, c in terms) <= math.floor(demand.budget * CENTS + 1e-6))


def _objective(model: Model) -> None:
    problem, cp = model.problem, model.cp
    tariff = problem.tariff
    terms = list(model.cost)
    for activity, picks in zip(problem.activities, model.picks, strict=True):
        for pick, mode in zip(picks, activity.modes, strict=True):
            cents = math.floor(mode_cost(problem, mode) * CENTS + 1e-9)
            if cents:
                terms.append((pick, cents))
    terms += _late(model)
    terms += _carried(model)
    for pair in problem.synergies:
        terms.append((_both(model, pair.one, pair.other), -math.ceil(tariff.value * pair.value * CENTS - 1e-9)))
    if tariff.makespan:
        makespan = cp.new_int_var(0, model.horizon, "")
        is_last = last_activities(problem)
        for end, last in zip(model.ends, is_last, strict=True):
            if last:
                cp.add(makespan >= end)
        terms.append((makespan, math.floor(tariff.makespan * CENTS)))
    cp.minimize(sum(c * var for var, c in terms) + model.fixed)


def _both(model: Model, one: int, other: int) -> Any:  # noqa: ANN401 - CP-SAT's literals have no public type
    joint = model.cp.new_bool_var("")
    for each in (model.served[one], model.served[other]):
        if each is not None:
            model.cp.add_implication(joint, each)
    return joint


def _late(model: Model) -> list[tuple[Any, int]]:
    problem, found = model.problem, []
    is_last = last_activities(problem)
    late: dict[int, Any] = {}
    for number, activity in enumerate(problem.activities):
        demand = problem.demands[activity.demand]
        if not is_last[number] or demand.due is None or not demand.late_per_unit:
            continue
        if activity.demand not in late:
            late[activity.demand] = model.cp.new_int_var(0, model.horizon + LARGEST // 2**20, "")
            found.append((late[activity.demand], math.floor(demand.late_per_unit * CENTS)))
        for pick, mode in zip(model.picks[number], activity.modes, strict=True):
            if pick is not False:
                travel = _travel(problem, mode.site, demand.target)
                rule = model.cp.add(late[activity.demand] >= model.ends[number] + travel - demand.due)
                rule.only_enforce_if(pick)
    return found


def _travel(problem: Problem, source: int, target: int) -> int:
    if problem.transport is None or source < 0 or target < 0:
        return 0
    return problem.transport.time[source][target]


def _carried(model: Model) -> list[tuple[Any, int]]:
    """Charge carriage: a variable per link above the price of each pair of modes that is chosen."""
    problem, found = model.problem, []
    costs = carriage_costs(problem)
    if not costs or not any(map(any, costs)):
        return []
    is_last = last_activities(problem)
    for number, activity in enumerate(problem.activities):
        demand = problem.demands[activity.demand]
        found += [(_leg(model, link.before, number, costs), 1) for link in activity.after]
        for pick, mode in zip(model.picks[number], activity.modes, strict=True):
            cents = 0
            if mode.site >= 0 and demand.origin >= 0 and not activity.after:
                cents += math.floor(costs[demand.origin][mode.site] * CENTS)
            if mode.site >= 0 and demand.target >= 0 and is_last[number]:
                cents += math.floor(costs[mode.site][demand.target] * CENTS)
            if pick is not False and cents:
                found.append((pick, cents))
    return found


def _leg(model: Model, before: int, number: int, costs: list[list[float]]) -> Any:  # noqa: ANN401 - as above
    one, other = model.problem.activities[before], model.problem.activities[number]
    cents = model.cp.new_int_var(0, math.ceil(max(map(max, costs)) * CENTS), "")
    for first, source in zip(model.picks[before], one.modes, strict=True):
        for then, target in zip(model.picks[number], other.modes, strict=True):
            if first is not False and then is not False and source.site >= 0 and target.site >= 0:
                least = math.floor(costs[source.site][target.site] * CENTS)
                if least:
                    model.cp.add(cents >= least).only_enforce_if([first, then])
    return cents


def _hint(model: Model, hint: Solution) -> None:
    cp = model.cp
    for placed in hint.placements:
        cp.add_hint(model.starts[placed.activity], placed.start)
        for literal, length in model.ways.get((placed.activity, placed.mode), ()):
            cp.add_hint(literal, placed.end - placed.start == length)
        cp.add_hint(model.ends[placed.activity], placed.end)
        for m, pick in enumerate(model.picks[placed.activity]):
            if pick is not True and pick is not False:
                cp.add_hint(pick, m == placed.mode)
    refused = set(hint.unserved)
    for number, served in enumerate(model.served):
        if served is not None:
            cp.add_hint(served, number not in refused)
