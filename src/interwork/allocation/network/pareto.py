"""The trade between cost and CO₂: plans at several prices of CO₂, of which those that nothing beats are kept."""

from collections.abc import Sequence

import msgspec

from interwork.allocation.engine.account import objective
from interwork.allocation.engine.limits import Clock, Limits
from interwork.allocation.network.solving import solve_network
from interwork.allocation.problem.model import Problem, Solution, Status, Tariff

PRICES = (0.0, 0.1, 0.5, 1.0, 2.0, 4.0)
"""Euro per kg; 0.1 is 100 EUR a tonne."""

SHARE_OF_FIRST = 0.4


class Point(msgspec.Struct, frozen=True, kw_only=True):
    """One plan of the trade: cost and lateness in euro without CO₂, and its kg of CO₂."""

    co2_price: float
    cost: float
    co2: float
    solution: Solution
    """Its objective is by the problem's own tariff; its bound holds for `co2_price` only and is given as 0."""


def trade_off(problem: Problem, limits: Limits, prices: Sequence[float] = PRICES) -> list[Point]:
    """Plan at each price of CO₂, the cheapest plan first and longest; keep the points that no other dominates."""
    first = msgspec.structs.replace(limits, seconds=limits.seconds * SHARE_OF_FIRST)
    share = msgspec.structs.replace(limits, seconds=limits.seconds * (1 - SHARE_OF_FIRST) / max(1, len(prices) - 1))
    found: list[Point] = []
    known: Solution | None = None
    for each in sorted(set(prices)):
        priced = _at(problem, each)
        clock = Clock(share if found else first)
        plan = solve_network(priced, clock, known=known)
        if plan.is_solved:
            known = plan
            found.append(_point(problem, plan, each))
    return undominated(found)


def _at(problem: Problem, price: float) -> Problem:
    return msgspec.structs.replace(problem, tariff=msgspec.structs.replace(problem.tariff, co2=price))


def _point(problem: Problem, plan: Solution, price: float) -> Point:
    only_co2 = Tariff(money=0.0, co2=1.0)
    free = msgspec.structs.replace(
        problem,
        tariff=only_co2,
        demands=tuple(
            msgspec.structs.replace(d, late_per_unit=0.0, unserved=d.unserved and 0.0) for d in problem.demands
        ),
    )
    own = objective(problem, plan.placements, plan.unserved)
    return Point(
        co2_price=price,
        cost=objective(_at(problem, 0.0), plan.placements, plan.unserved),
        co2=objective(free, plan.placements, plan.unserved),
        solution=msgspec.structs.replace(plan, objective=own, bound=0.0, status=Status.FEASIBLE),
    )


def undominated(points: Sequence[Point]) -> list[Point]:
    """Keep the points that no other is at least as good as in both figures, by rising cost."""
    kept: list[Point] = []
    for each in sorted(points, key=lambda p: (p.cost, p.co2)):
        if not kept or each.co2 < kept[-1].co2 - 1e-9:
            kept.append(each)
    return kept
