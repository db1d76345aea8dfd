"""Plan together without disclosure: members exchange prices of hours and the hours they take, and nothing else.

Each member keeps its needs, quotes and costs to itself. In turn it is told, machine by machine, which hours the others
hold and what an hour is worth to them; it plans its own needs around that, at a charge for hours that others value, and
answers with the hours it takes, what hours are worth to it, and one sum: what its plan comes to. The best round stands.
"""

from collections.abc import Collection, Mapping, Sequence

import msgspec

from interwork.allocation.engine.account import objective
from interwork.allocation.engine.limits import Clock, Limits
from interwork.allocation.network.prices import price
from interwork.allocation.network.replan import Outage, with_outages
from interwork.allocation.network.solving import solve_network
from interwork.allocation.problem.model import Link, Mode, Placement, Problem, Solution, Status

CHARGES = (0.0, 0.5, 0.0, 0.25, 0.0)
"""Share of the others' prices that a round charges; rounds without a charge settle what the others left free."""


class Call(msgspec.Struct, frozen=True, kw_only=True):
    """What a member is told: by machine, the hours others hold, and what an hour is worth to them."""

    taken: dict[int, tuple[tuple[int, int], ...]]
    prices: dict[int, float]


class Answer(msgspec.Struct, frozen=True, kw_only=True):
    """What a member tells: by machine, the hours it takes and what one more is worth to it; the sum of its plan."""

    taken: dict[int, tuple[tuple[int, int], ...]]
    prices: dict[int, float]
    sum_eur: float


class Member:
    """One node's side: its own needs, planned around what the others hold."""

    def __init__(self, problem: Problem, *, limits: Limits) -> None:
        self._problem, self._limits = problem, limits
        self._plan: Solution | None = None

    @property
    def plan(self) -> Solution | None:
        """Give the member's own plan; it never leaves it."""
        return self._plan

    def restore(self, plan: Solution) -> None:
        """Go back to the plan of an earlier round."""
        self._plan = plan

    def answer(self, call: Call) -> Answer:
        """Plan around a call; the plan before is kept where nothing better is found at these prices."""
        held = [Outage(r, since, until) for r, windows in call.taken.items() for since, until in windows]
        open_hours = with_outages(self._problem, held)
        charged = _charged(open_hours, call.prices)
        # A plan of before on hours that are held now is no beginning: the search would keep it for being cheap.
        known = None if self._plan and _stands_on(self._problem, self._plan, call.taken) else self._plan
        found = solve_network(charged, Clock(self._limits), known=known)
        if self._plan is None or found.is_solved:
            self._plan = found
        worth = price(open_hours, Clock(msgspec.structs.replace(self._limits, seconds=5.0)))
        return Answer(
            taken=_hours(self._problem, self._plan),
            prices={each.resource: worth.value_of(each.resource) for each in worth.rows if each.value > 0},
            sum_eur=objective(self._problem, self._plan.placements, self._plan.unserved),
        )


def doubled(problem: Problem, machines: Sequence[int]) -> Problem:
    """Imagine a second one of some machines: open when the first is, doing the same at the same price."""
    second = {machine: len(problem.resources) + number for number, machine in enumerate(machines)}
    if not second:
        return problem
    copies = tuple(problem.resources[machine] for machine in machines)
    activities = tuple(
        msgspec.structs.replace(
            each, modes=(*each.modes, *(_on(mode, second) for mode in each.modes if _is_on(mode, second)))
        )
        for each in problem.activities
    )
    return msgspec.structs.replace(problem, resources=(*problem.resources, *copies), activities=activities)


def _is_on(mode: Mode, machines: Collection[int]) -> bool:
    return any(resource in machines for resource, _ in mode.uses)


def _on(mode: Mode, second: Mapping[int, int]) -> Mode:
    return msgspec.structs.replace(mode, uses=tuple((second.get(r, r), amount) for r, amount in mode.uses))


class Coordinated(msgspec.Struct, frozen=True, kw_only=True):
    """What came of a coordination."""

    sum_eur: float
    rounds: int
    messages: int
    sums: tuple[float, ...]
    """Of each round."""


def coordinate(members: Sequence[Member], *, charges: Sequence[float] = CHARGES) -> Coordinated:
    """Let members answer in turn, round by round; at the end each holds its plan of the best round."""
    answers: list[Answer | None] = [None] * len(members)
    best: tuple[float, list[Solution]] | None = None
    sums: list[float] = []
    for charge in charges:
        for number, member in enumerate(members):
            others = [each for other, each in enumerate(answers) if each is not None and other != number]
            answers[number] = member.answer(_call(others, charge))
        total = sum(each.sum_eur for each in answers if each is not None)
        sums.append(total)
        plans = [member.plan for member in members]
        if best is None or total < best[0]:
            best = (total, [plan for plan in plans if plan is not None])
    assert best is not None
    for member, plan in zip(members, best[1], strict=True):
        member.restore(plan)
    return Coordinated(sum_eur=best[0], rounds=len(sums), messages=2 * len(members) * len(sums), sums=tuple(sums))


def _call(others: Sequence[Answer], charge: float) -> Call:
    taken: dict[int, tuple[tuple[int, int], ...]] = {}
    prices: dict[int, float] = {}
    for each in others:
        for resource, windows in each.taken.items():
            taken[resource] = (*taken.get(resource, ()), *windows)
        for resource, worth in each.prices.items():
            prices[resource] = max(charge * worth, prices.get(resource, 0.0))
    return Call(taken=taken, prices={r: worth for r, worth in prices.items() if worth > 0})


def _charged(problem: Problem, prices: dict[int, float]) -> Problem:
    """Add what an hour is worth to others to the price of every mode that takes it."""
    if not prices:
        return problem
    activities = tuple(
        msgspec.structs.replace(
            each,
            modes=tuple(
                msgspec.structs.replace(
                    mode, price=mode.price + mode.duration * sum(prices.get(r, 0.0) for r, _ in mode.uses)
                )
                for mode in each.modes
            ),
        )
        for each in problem.activities
    )
    return msgspec.structs.replace(problem, activities=activities)


def _stands_on(problem: Problem, plan: Solution, taken: Mapping[int, Sequence[tuple[int, int]]]) -> bool:
    return any(
        start < until and since < end
        for resource, own in _hours(problem, plan).items()
        for start, end in own
        for since, until in taken.get(resource, ())
    )


def _hours(problem: Problem, plan: Solution) -> dict[int, tuple[tuple[int, int], ...]]:
    found: dict[int, list[tuple[int, int]]] = {}
    for each in plan.placements:
        for resource, _ in problem.activities[each.activity].modes[each.mode].uses:
            found.setdefault(resource, []).append((each.start, each.end))
    return {resource: tuple(sorted(windows)) for resource, windows in found.items()}


def share(problem: Problem, demands: Sequence[int]) -> Problem:
    """Cut out what one member holds: its own needs over machines whose calendars all may see."""
    own = {demand: number for number, demand in enumerate(demands)}
    kept = [number for number, each in enumerate(problem.activities) if each.demand in own]
    at = {number: place for place, number in enumerate(kept)}
    activities = tuple(
        msgspec.structs.replace(
            problem.activities[number],
            demand=own[problem.activities[number].demand],
            after=tuple(Link(at[link.before], link.lag) for link in problem.activities[number].after),
        )
        for number in kept
    )
    return msgspec.structs.replace(
        problem, demands=tuple(problem.demands[each] for each in demands), activities=activities
    )


def joined(problem: Problem, shares: Sequence[Sequence[int]], members: Sequence[Member]) -> Solution:
    """Put members' plans together for a referee; nothing of the coordination needs this."""
    placements: list[Placement] = []
    unserved: list[int] = []
    for demands, member in zip(shares, members, strict=True):
        assert member.plan is not None
        kept = [number for number, each in enumerate(problem.activities) if each.demand in set(demands)]
        placements += [Placement(kept[p.activity], p.mode, p.start, p.end) for p in member.plan.placements]
        unserved += [demands[each] for each in member.plan.unserved]
    placements.sort(key=lambda each: each.activity)
    total = objective(problem, placements, unserved)
    return Solution(
        problem=problem.name,
        status=Status.FEASIBLE,
        objective=total,
        bound=-1e18,
        placements=tuple(placements),
        unserved=tuple(sorted(unserved)),
    )
