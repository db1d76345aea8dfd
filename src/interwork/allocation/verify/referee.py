"""Check a solution against its problem, rule by rule and figure by figure; an empty list means that it holds.

Slow and plain on purpose: it sorts, sweeps and adds up what the solution says, with nothing of the solvers' arrays.
A bucketed resource is charged in the bucket an activity starts in. What is carried goes from a demand's origin to its
first steps, along every link between sites, and from its last steps to its target; delivery counts for lateness.
"""

from collections import defaultdict
from collections.abc import Iterator
from itertools import pairwise

from interwork.allocation.problem.model import (
    Kind,
    Mode,
    Placement,
    Problem,
    Resource,
    ResourceKind,
    Solution,
    Status,
)

ROUNDING = 1e-6
UNTIMED = (Kind.ASSIGNMENT, Kind.PORTFOLIO)


def verify(problem: Problem, solution: Solution) -> list[str]:
    """List everything wrong with a solution; empty = feasible, and its objective and bound can be believed."""
    if not solution.is_solved:
        return ["It has placements without being a plan."] if solution.placements else []
    return list(_Check(problem, solution).faults())


class _Check:
    """One solution under examination."""

    def __init__(self, problem: Problem, solution: Solution) -> None:
        self.problem = problem
        self.solution = solution
        self.of: dict[int, list[Placement]] = defaultdict(list)
        for each in solution.placements:
            self.of[each.activity].append(each)

    def faults(self) -> Iterator[str]:
        """Yield what is wrong; the later rules are examined only where the first hold."""
        wrong = list(self._presence())
        if wrong:
            yield from wrong
            return
        if self.problem.kind not in UNTIMED:
            yield from self._times()
            yield from self._links()
        yield from self._capacities()
        yield from self._budgets()
        yield from self._rows()
        yield from self._figures()

    def mode(self, placed: Placement) -> Mode:
        """Look up the mode a placement is in."""
        return self.problem.activities[placed.activity].modes[placed.mode]

    def _presence(self) -> Iterator[str]:
        refused = set(self.solution.unserved)
        for each in self.solution.placements:
            if not 0 <= each.activity < len(self.problem.activities):
                yield f"There is no activity {each.activity}."
            elif not 0 <= each.mode < len(self.problem.activities[each.activity].modes):
                yield f"Activity {each.activity} has no mode {each.mode}."
        for number in sorted(refused):
            if not 0 <= number < len(self.problem.demands) or self.problem.demands[number].unserved is None:
                yield f"Demand {number} may not stay unserved."
        for number, activity in enumerate(self.problem.activities):
            wanted = 0 if activity.demand in refused else 1
            if len(self.of[number]) != wanted:
                yield f"Activity {number} is placed {len(self.of[number])} times, where {wanted} is right."

    def _times(self) -> Iterator[str]:
        for placed in self.solution.placements:
            activity = self.problem.activities[placed.activity]
            demand, mode = self.problem.demands[activity.demand], self.mode(placed)
            what = f"Activity {placed.activity} from {placed.start} to {placed.end}"
            if placed.start < max(0, demand.release):
                yield f"{what} starts before its release at {demand.release}."
            if 0 < self.problem.horizon < placed.end:
                yield f"{what} ends after the horizon {self.problem.horizon}."
            if demand.deadline is not None and self._delivered(placed) > demand.deadline:
                yield f"{what} misses the deadline {demand.deadline}."
            if any(resource in demand.excluded for resource, _ in mode.uses):
                yield f"{what} uses a resource that policy forbids to {demand.id}."
            timed = [self.problem.resources[r] for r, _ in mode.uses if self._is_timed(r)]
            stopped = sum(_shared(placed, window) for window in _union([w for r in timed for w in r.breaks]))
            if placed.end - placed.start - stopped != mode.duration:
                yield f"{what} works {placed.end - placed.start - stopped} of {mode.duration}."
            yield from (f"{what} runs while {r.id} is closed." for r in timed if _is_closed(placed, r))

    def _is_timed(self, resource: int) -> bool:
        return self.problem.resources[resource].kind in (ResourceKind.UNARY, ResourceKind.CUMULATIVE)

    def _arrival(self, source: int, target: int) -> int:
        if self.problem.transport is None or source < 0 or target < 0:
            return 0
        return self.problem.transport.time[source][target]

    def _delivered(self, placed: Placement) -> int:
        demand = self.problem.demands[self.problem.activities[placed.activity].demand]
        return placed.end + self._arrival(self.mode(placed).site, demand.target)

    def _links(self) -> Iterator[str]:
        for placed in self.solution.placements:
            activity = self.problem.activities[placed.activity]
            site = self.mode(placed).site
            if not activity.after:
                demand = self.problem.demands[activity.demand]
                if placed.start < demand.release + self._arrival(demand.origin, site):
                    yield f"Activity {placed.activity} starts before its material is there."
            for link in activity.after:
                for earlier in self.of[link.before]:
                    ready = earlier.end + link.lag + self._arrival(self.mode(earlier).site, site)
                    if placed.start < ready:
                        yield f"Activity {placed.activity} starts at {placed.start}, its material is there at {ready}."

    def _capacities(self) -> Iterator[str]:
        users: dict[int, list[tuple[Placement, int]]] = defaultdict(list)
        for placed in self.solution.placements:
            for used, amount in self.mode(placed).uses:
                users[used].append((placed, amount))
        for number, uses in sorted(users.items()):
            resource = self.problem.resources[number]
            if resource.kind in (ResourceKind.UNARY, ResourceKind.CUMULATIVE):
                yield from self._instants(resource, uses)
            else:
                yield from _totals(resource, uses)
            if resource.kind is ResourceKind.UNARY and (resource.setups or self.problem.setups):
                yield from self._setups(resource, [each for each, _ in uses])

    def _instants(self, resource: Resource, uses: list[tuple[Placement, int]]) -> Iterator[str]:
        capacity = 1 if resource.kind is ResourceKind.UNARY else resource.capacity
        changes = [(p.start, amount) for p, amount in uses if p.end > p.start]
        changes += [(p.end, -amount) for p, amount in uses if p.end > p.start]
        used = 0
        for moment, change in sorted(changes, key=lambda each: (each[0], each[1])):
            used += change
            if used > capacity:
                yield f"{resource.id} has {used} of {capacity} in use at {moment}."
                return

    def _setups(self, resource: Resource, placed: list[Placement]) -> Iterator[str]:
        needed = resource.setups or self.problem.setups
        for one, other in pairwise(sorted(placed, key=lambda each: (each.start, each.end))):
            f, g = (self.problem.activities[each.activity].family for each in (one, other))
            if f >= 0 and g >= 0 and other.start < one.end + needed[f][g]:
                yield f"{resource.id} has no time to set up from {one.activity} to {other.activity}."

    def _budgets(self) -> Iterator[str]:
        spent: dict[int, float] = defaultdict(float)
        for placed in self.solution.placements:
            spent[self.problem.activities[placed.activity].demand] += self.mode(placed).price
        for demand, price, _ in self._carried():
            spent[demand] += price
        for number, euro in spent.items():
            budget = self.problem.demands[number].budget
            if budget is not None and euro > budget + ROUNDING * max(1.0, abs(budget)):
                yield f"Demand {number} costs {euro:.2f} of a budget of {budget:.2f}."

    def _carried(self) -> Iterator[tuple[int, float, float]]:
        """Yield demand, euro and kg CO₂ of every carriage."""
        transport = self.problem.transport
        if transport is None:
            return
        followed = {link.before for each in self.problem.activities for link in each.after}
        for placed in self.solution.placements:
            activity = self.problem.activities[placed.activity]
            demand, here = self.problem.demands[activity.demand], self.mode(placed).site
            legs = [(self.mode(one).site, here) for link in activity.after for one in self.of[link.before]]
            legs += [(demand.origin, here)] if not activity.after else []
            legs += [(here, demand.target)] if placed.activity not in followed else []
            for source, target in legs:
                if source >= 0 and target >= 0:
                    price = transport.price[source][target] if transport.price else 0.0
                    yield activity.demand, price, transport.co2[source][target] if transport.co2 else 0.0

    def _rows(self) -> Iterator[str]:
        chosen = {(each.activity, each.mode) for each in self.solution.placements}
        for row in self.problem.rows:
            total = sum(c for activity, mode, c in row.terms if (activity, mode) in chosen)
            if total < row.at_least - ROUNDING * max(1.0, abs(row.at_least)):
                yield f"{row.name} comes to {total:.2f}, at least {row.at_least:.2f} is asked for."

    def _figures(self) -> Iterator[str]:
        own = self._objective()
        stated, bound = self.solution.objective, self.solution.bound
        near = ROUNDING * max(1.0, abs(own))
        if not abs(stated - own) <= near:
            yield f"The objective is stated as {stated} and comes to {own}."
        if not bound <= stated + near:
            yield f"The bound {bound} is above the objective {stated}."
        if self.solution.status is Status.OPTIMAL and bound < stated - 1e-4 * max(1.0, abs(stated)):
            yield f"It is called optimal, where the bound {bound} is below the objective {stated}."

    def _objective(self) -> float:
        tariff, total = self.problem.tariff, 0.0
        for placed in self.solution.placements:
            mode = self.mode(placed)
            total += tariff.money * mode.price + tariff.energy * mode.energy + tariff.co2 * mode.co2
            total += tariff.water * mode.water + tariff.material * mode.material - tariff.value * mode.value
        for _, price, co2 in self._carried():
            total += tariff.money * price + tariff.co2 * co2
        refused = set(self.solution.unserved)
        total += sum(self.problem.demands[each].unserved or 0.0 for each in refused)
        total -= tariff.value * sum(s.value for s in self.problem.synergies if self._is_joint(s.one, s.other))
        total += tariff.makespan * max((each.end for each in self.solution.placements), default=0)
        return total + self._lateness()

    def _is_joint(self, one: int, other: int) -> bool:
        refused = set(self.solution.unserved)
        return one not in refused and other not in refused

    def _lateness(self) -> float:
        ends: dict[int, int] = defaultdict(int)
        for placed in self.solution.placements:
            demand = self.problem.activities[placed.activity].demand
            ends[demand] = max(ends[demand], self._delivered(placed))
        demands = self.problem.demands
        return sum(
            demands[n].late_per_unit * max(0, end - due)
            for n, end in ends.items()
            if (due := demands[n].due) is not None
        )


def _totals(resource: Resource, uses: list[tuple[Placement, int]]) -> Iterator[str]:
    buckets: dict[int, int] = defaultdict(int)
    is_bucketed = resource.kind is ResourceKind.BUCKETED and resource.bucket > 0
    for placed, amount in uses:
        buckets[placed.start // resource.bucket if is_bucketed else 0] += amount
    for number, used in sorted(buckets.items()):
        if used > resource.capacity:
            yield f"{resource.id} has {used} of {resource.capacity} used in bucket {number}."


def _shared(placed: Placement, window: tuple[int, int]) -> int:
    return max(0, min(placed.end, window[1]) - max(placed.start, window[0]))


def _union(windows: list[tuple[int, int]]) -> list[tuple[int, int]]:
    joined: list[tuple[int, int]] = []
    for start, end in sorted(windows):
        if joined and start <= joined[-1][1]:
            joined[-1] = (joined[-1][0], max(end, joined[-1][1]))
        else:
            joined.append((start, end))
    return joined


def _is_closed(placed: Placement, resource: Resource) -> bool:
    return any(_shared(placed, window) for window in resource.closed)
