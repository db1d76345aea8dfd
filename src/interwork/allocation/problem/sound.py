"""Refuse a problem that contradicts itself, before any solver sees it; each fault is named with where it stands."""

import math
from collections.abc import Iterator

from interwork.allocation.problem.model import Activity, Demand, Kind, Problem, Resource, ResourceKind
from interwork.core.errors import BadInput

MOST = 10**9


def sound(problem: Problem) -> None:
    """Raise BadInput at the first contradiction."""
    fault = next(faults(problem), None)
    if fault:
        raise BadInput(f"The problem {problem.name} is not sound: {fault}.", remedy="Mend it and read it again.")


def faults(problem: Problem) -> Iterator[str]:
    """Yield what is wrong: indices out of range, negative amounts, circles."""
    sites = len(problem.transport.time) if problem.transport else 0
    if not problem.activities or not problem.demands:
        yield "there is nothing to allocate"
    yield from _matrices(problem, sites)
    is_timed = problem.kind not in (Kind.ASSIGNMENT, Kind.PORTFOLIO)
    for number, resource in enumerate(problem.resources):
        yield from (f"resource {number} ({resource.id}) {each}" for each in _resource(resource, sites))
        if not is_timed and resource.kind in (ResourceKind.UNARY, ResourceKind.CUMULATIVE):
            yield f"resource {number} ({resource.id}) limits instants, which {problem.kind.value} does not have"
    for number, demand in enumerate(problem.demands):
        yield from (f"demand {number} ({demand.id}) {each}" for each in _demand(demand, problem, sites))
    families = _families(problem)
    for number, activity in enumerate(problem.activities):
        if activity.family >= families:
            yield f"activity {number} is of family {activity.family} of {families}"
        yield from (f"activity {number} {each}" for each in _activity(activity, number, problem, sites))
    yield from _rows(problem)
    yield from _circle(problem)


def _matrices(problem: Problem, sites: int) -> Iterator[str]:
    if problem.transport:
        for matrix in (problem.transport.time, problem.transport.price, problem.transport.co2):
            if matrix and (len(matrix) != sites or any(len(row) != sites for row in matrix)):
                yield "a transport matrix is not square"
            if any(not 0 <= value <= MOST for row in matrix for value in row):
                yield "a transport figure is negative or not finite"
    families = _families(problem)
    for setups in (problem.setups, *(each.setups for each in problem.resources)):
        if setups and len(setups) != families:
            yield f"a setup matrix is of {len(setups)} families, another of {families}"
        if any(len(row) != len(setups) or any(not 0 <= each <= MOST for each in row) for row in setups):
            yield "the setup matrix is not square, or negative"
    figures = problem.tariff
    if any(not math.isfinite(each) or each < 0 for each in (figures.makespan, figures.money, figures.co2)):
        yield "a tariff is negative or not finite"


def _families(problem: Problem) -> int:
    return max(len(problem.setups), *(len(each.setups) for each in problem.resources), 0)


def _resource(resource: Resource, sites: int) -> Iterator[str]:
    if not 0 <= resource.capacity <= MOST or resource.bucket < 0:
        yield f"has the capacity {resource.capacity}"
    if resource.site >= max(1, sites) and sites:
        yield f"stands at site {resource.site} of {sites}"
    if resource.setups and resource.kind is not ResourceKind.UNARY:
        yield "has setups, which only one activity at a time can ask for"
    if any(not 0 <= start < end <= MOST for start, end in (*resource.closed, *resource.breaks)):
        yield "has a window that ends before it starts"


def _demand(demand: Demand, problem: Problem, sites: int) -> Iterator[str]:
    if not 0 <= demand.release <= MOST or not 0 <= demand.late_per_unit <= MOST:
        yield "has a release or a lateness charge out of range"
    if max(demand.origin, demand.target) >= sites:
        yield f"names a site that is not one of {sites}"
    if any(not 0 <= each < len(problem.resources) for each in demand.excluded):
        yield "excludes a resource there is not"


def _activity(activity: Activity, number: int, problem: Problem, sites: int) -> Iterator[str]:
    if not 0 <= activity.demand < len(problem.demands):
        yield f"belongs to demand {activity.demand}, which there is not"
    if not activity.modes:
        yield "has no mode"
    if any(not 0 <= each.before < len(problem.activities) or each.before == number for each in activity.after):
        yield "comes after an activity there is not"
    if any(not 0 <= each.lag <= MOST for each in activity.after):
        yield "has a negative lag"
    for mode in activity.modes:
        if any(not (0 <= r < len(problem.resources) and 0 <= amount <= MOST) for r, amount in mode.uses):
            yield "has a mode that uses a resource there is not"
        if not 0 <= mode.duration <= MOST or not all(map(math.isfinite, (mode.price, mode.co2, mode.energy))):
            yield "has a mode with a figure out of range"
        if sites and mode.site >= sites:
            yield f"has a mode at site {mode.site} of {sites}"


def _rows(problem: Problem) -> Iterator[str]:
    for row in problem.rows:
        for activity, mode, coefficient in row.terms:
            in_range = 0 <= activity < len(problem.activities)
            if not in_range or not 0 <= mode < len(problem.activities[activity].modes):
                yield f"the row {row.name} names a mode there is not"
            if not math.isfinite(coefficient):
                yield f"the row {row.name} has a coefficient that is not finite"
    for pair in problem.synergies:
        if not (0 <= pair.one < len(problem.demands) and 0 <= pair.other < len(problem.demands)):
            yield "a synergy names a demand there is not"


def _circle(problem: Problem) -> Iterator[str]:
    count = len(problem.activities)
    if any(not 0 <= link.before < count for each in problem.activities for link in each.after):
        return
    waiting = [len(each.after) for each in problem.activities]
    later: list[list[int]] = [[] for _ in range(count)]
    for number, activity in enumerate(problem.activities):
        for link in activity.after:
            later[link.before].append(number)
    ready = [number for number in range(count) if not waiting[number]]
    seen = 0
    while ready:
        seen += 1
        for each in later[ready.pop()]:
            waiting[each] -= 1
            if not waiting[each]:
                ready.append(each)
    if seen < count:
        yield "its links run in a circle"
