"""Plan a product over tiers and periods: the network search, the floor for small firms, and what comes of each period.

The floor is a rule that everybody sees: at least a share of the money for work goes to small firms. It is kept by a
surcharge on everybody else's work, raised until the plan keeps the floor; the plan's figures are those without the
surcharge, and its price is how much dearer it is than the plan without the rule.
"""

from collections.abc import Collection, Mapping, Sequence
from itertools import groupby

import msgspec

from interwork.allocation.engine.account import objective
from interwork.allocation.engine.limits import Limits
from interwork.allocation.problem.model import Placement, Problem, Solution, Status
from interwork.allocation.solving import solve
from interwork.allocation.supply.bridging import Web
from interwork.core.network.supply import Period, PeriodRow, SupplyStep

SURCHARGES = (0.1, 0.25, 0.5, 1.0, 2.0, 4.0)
"""Shares of the price charged on top of work that does not go to small firms, one after the other."""
PENALTY_SHARE = 0.5
"""Of the time, for the plan without the rule."""


class Decided(msgspec.Struct, frozen=True, kw_only=True):
    """A solution with how it keeps the floor."""

    solution: Solution
    small_share: float
    rule_price_eur: float
    note: str = ""


def decide(web: Web, *, seconds: float, floor: float = 0.0, small: Collection[str] = (), effort: int = 0) -> Decided:
    """Plan a web for the least cost; with a floor, for the least cost found that keeps it, and say what it costs."""
    share = PENALTY_SHARE if floor else 1.0
    free = solve(web.problem, Limits(seconds=seconds * share, effort=effort))
    reached = small_share(web, free.placements, small)
    if reached >= floor - 1e-9 or not small:
        note = "" if reached >= floor else "No quoted provider is known to be a small firm; the floor is not kept."
        return Decided(solution=free, small_share=reached, rule_price_eur=0.0, note=note)
    best, best_share = free, reached
    each_s = seconds * (1 - PENALTY_SHARE) / len(SURCHARGES)
    for surcharge in SURCHARGES:
        found = solve(_charged(web.problem, small, surcharge), Limits(seconds=each_s, effort=effort))
        kept = small_share(web, found.placements, small)
        if found.unserved == free.unserved and kept > best_share:
            best, best_share = found, kept
        if best_share >= floor:
            break
    true = objective(web.problem, best.placements, best.unserved)
    best = msgspec.structs.replace(best, objective=true, bound=min(free.bound, true), status=Status.FEASIBLE)
    note = "" if best_share >= floor else f"No plan found gives small firms more than {100 * best_share:.0f} %."
    return Decided(solution=best, small_share=best_share, rule_price_eur=max(0.0, true - free.objective), note=note)


def small_share(web: Web, placed: Sequence[Placement], small: Collection[str]) -> float:
    """Tell the share of the money for work that goes to small firms; 0 where nothing is placed."""
    whole = mine = 0.0
    for each in placed:
        mode = web.problem.activities[each.activity].modes[each.mode]
        whole += mode.price
        mine += mode.price if web.machines[mode.uses[0][0]][0] in small else 0.0
    return mine / whole if whole else 0.0


def _charged(problem: Problem, small: Collection[str], surcharge: float) -> Problem:
    """Make the work of all but small firms dearer."""
    activities = tuple(
        msgspec.structs.replace(
            each,
            modes=tuple(
                mode
                if problem.resources[mode.uses[0][0]].owner in small
                else msgspec.structs.replace(mode, price=mode.price * (1 + surcharge))
                for mode in each.modes
            ),
        )
        for each in problem.activities
    )
    return msgspec.structs.replace(problem, activities=activities)


def steps(web: Web, placed: Sequence[Placement]) -> tuple[SupplyStep, ...]:
    """Read placements as steps, by their start."""
    found = []
    for each in placed:
        demand, item, operation = web.activities[each.activity]
        period, batch = web.demands[demand]
        option = web.options[each.activity][each.mode]
        size = web.sizes[demand][item]
        figures = option.figures(size)
        instance = web.instances[item]
        found.append(
            SupplyStep(
                period=period,
                batch=batch,
                item=web.items[item].key,
                operation=instance.operations[operation].id,
                operation_name=instance.operations[operation].name,
                quantity=size,
                provider=option.mode.provider,
                provider_name=option.mode.provider_name,
                resource=option.mode.resource,
                resource_name=option.mode.resource_name,
                start=web.moment(each.start),
                end=web.moment(each.end),
                price_eur=figures.cents / 100,
                co2_kg=figures.grams / 1000,
            )
        )
    return tuple(sorted(found, key=lambda one: (one.start, one.item, one.operation)))


def delivered(web: Web, solution: Solution) -> dict[int, int]:
    """Tell, by demand, the minute at which its batch is with whoever wants it."""
    ends: dict[int, int] = {}
    for each in solution.placements:
        demand = web.activities[each.activity][0]
        site = web.problem.activities[each.activity].modes[each.mode].site
        ends[demand] = max(ends.get(demand, 0), each.end + _way(web, demand, site, each.activity))
    return ends


def _way(web: Web, demand: int, site: int, activity: int) -> int:
    target, transport = web.problem.demands[demand].target, web.problem.transport
    is_last = web.activities[activity][1] == len(web.items) - 1
    return transport.time[site][target] if transport and is_last and target >= 0 else 0


def money(web: Web, solution: Solution) -> float:
    """Tell what the served work and its carriage cost, without CO₂, lateness and what is not served."""
    bare = msgspec.structs.replace(
        web.problem,
        tariff=msgspec.structs.replace(web.problem.tariff, co2=0.0),
        demands=tuple(msgspec.structs.replace(one, late_per_unit=0.0, unserved=0.0) for one in web.problem.demands),
    )
    return objective(bare, solution.placements, solution.unserved)


def co2(web: Web, solution: Solution) -> float:
    """Tell the kg CO₂ of the served work and its carriage."""
    only = msgspec.structs.replace(
        web.problem,
        tariff=msgspec.structs.replace(web.problem.tariff, money=0.0, co2=1.0),
        demands=tuple(msgspec.structs.replace(one, late_per_unit=0.0, unserved=0.0) for one in web.problem.demands),
    )
    return objective(only, solution.placements, solution.unserved)


def period_rows(web: Web, solution: Solution, periods: Sequence[Period]) -> tuple[PeriodRow, ...]:
    """Say what comes of each period: how many by when, at what price each, with whom, and what limits it."""
    made = steps(web, solution.placements)
    ends = delivered(web, solution)
    by_period = {key: list(group) for key, group in groupby(range(len(web.demands)), key=lambda d: web.demands[d][0])}
    rows = []
    for number, period in enumerate(periods):
        served = [d for d in by_period[number] if d not in solution.unserved]
        own = [step for step in made if step.period == number]
        count = sum(web.sizes[d][-1] for d in served)
        finish = max((ends[d] for d in served), default=None)
        late = max(0.0, (web.moment(finish) - period.due).total_seconds() / 3600) if finish is not None else 0.0
        rows.append(
            PeriodRow(
                due=period.due,
                quantity=period.quantity,
                served=count,
                finish=None if finish is None else web.moment(finish),
                late_h=late,
                price_eur_each=sum(step.price_eur for step in own) / count if count else None,
                providers=tuple(sorted({step.provider_name for step in own})),
                limit=_limit(web, own, period.quantity - count, late),
            )
        )
    return tuple(rows)


def _limit(web: Web, own: Sequence[SupplyStep], lacking: int, late_h: float) -> str:
    if not lacking and not late_h:
        return ""
    what = f"{lacking} are not made" if lacking else f"{late_h:.1f} h late"
    hours: Mapping[str, float] = _hours(own)
    if not hours:
        return f"{what}: no free windows fit one after the other before the quotes' horizon."
    name = max(hours, key=lambda one: hours[one])
    return f"{what}; {name} works longest on it, {hours[name]:.0f} h over {len(web.machines)} machines quoted."


def _hours(own: Sequence[SupplyStep]) -> dict[str, float]:
    hours: dict[str, float] = {}
    for step in own:
        name = f"{step.resource_name} of {step.provider_name}"
        hours[name] = hours.get(name, 0.0) + (step.end - step.start).total_seconds() / 3600
    return hours


def solution_of(
    web: Web, placed: Sequence[tuple[int, int, int, int]], unserved: Sequence[int], bound: float
) -> Solution:
    """Read a kept solution back over the same records."""
    placements = tuple(Placement(*each) for each in placed)
    true = objective(web.problem, placements, unserved)
    return Solution(
        problem=web.problem.name,
        status=Status.FEASIBLE,
        objective=true,
        bound=min(bound, true),
        placements=placements,
        unserved=tuple(unserved),
    )
