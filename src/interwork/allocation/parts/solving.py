"""Decide who does what when: the plan over the quotes at hand, with its bound and what others would have done.

What is promised here: the plan is never dearer than either baseline or any provider alone; the bound is not above it;
it is called optimal only with proof; one seed gives one plan unless the clock stops the search; and of the searches
only the last, open-ended one grows with the limit, so that it goes over the same ground and then further.
"""

import time
from collections.abc import Sequence
from dataclasses import dataclass, replace
from datetime import datetime
from importlib.metadata import version

from interwork.allocation.parts.admitting import prepare
from interwork.allocation.parts.cpsat import Outcome, Search, Status, cheapest, solve
from interwork.allocation.parts.explaining import WhatIf, differences, explain, no_plan, over_budget
from interwork.allocation.parts.instance import UNITS_PER_EUR, Instance, restricted, without_budget
from interwork.allocation.parts.narrowing import improve
from interwork.allocation.parts.schedule import (
    Schedule,
    first_capable,
    is_within_budget,
    tidy,
    weigh,
    write_assignments,
    write_legs,
    write_totals,
)
from interwork.core.design import ProcessPlan
from interwork.core.errors import BadInput
from interwork.core.ids import derived_id
from interwork.core.planning import Candidate, Need, Plan, Quote, Weights

LONG_PER_S = 0.5
"""Deterministic time of the long search per second of the limit: about 0.4 s on an idle core."""
ASIDE = 0.2
"""Deterministic time of each search beside the main one."""
MAX_ASIDE = 12
"""Providers planned alone and asked `what if` about, in the order of their DIDs; the others are named without."""
ASIDE_TRIALS = 600
MAX_ROUNDS = 3
"""Times a better plan found by asking `what if` is taken."""


@dataclass(frozen=True, slots=True)
class Rival:
    """What somebody else would have planned."""

    name: str
    label: str
    schedule: Schedule | None
    fault: str = ""
    """Why there is no schedule."""


def allocate(
    need: Need,
    plan: ProcessPlan,
    quotes: Sequence[Quote],
    *,
    weights: Weights,
    now: datetime,
    seconds: float = 5.0,
    seed: int = 1,
) -> Plan:
    """Choose lots, modes and times for a need over its quotes; raise NoPlan with reasons and advice if none fits."""
    if not 0 < seconds <= 600 or not 0 <= seed < 2**31:
        raise BadInput(
            f"A limit of {seconds} s with seed {seed} is not a search.", remedy="Give 0 to 600 s, a seed from 0."
        )
    began = time.monotonic()
    instance = prepare(need, plan, quotes, weights, now)
    if not all(instance.options):
        raise no_plan(instance, None, quotes, began + seconds)
    rivals = _rivals(instance, began + seconds, seed)
    best, outcome = _decide(instance, rivals, seconds, began, seed)
    if best is None:
        raise no_plan(instance, outcome, quotes, began + 1.3 * seconds)
    best, what_ifs = _what_ifs(instance, best, began + 1.3 * seconds, seed)
    reasons = explain(instance, best, what_ifs, quotes)
    return _write(instance, best, outcome, rivals, reasons=reasons, began=began, seed=seed)


def _rivals(instance: Instance, deadline: float, seed: int) -> list[Rival]:
    """Plan as the baselines would: first come first served, each provider alone, and the cheapest of those."""
    first = first_capable(instance)
    label = "the first provider that can, operation by operation"
    rivals = [
        Rival("first-capable", label, None, first) if isinstance(first, str) else Rival("first-capable", label, first)
    ]
    singles = [_alone(instance, number, deadline, seed) for number in range(len(instance.names))]
    able = [each for each in singles if each.schedule]
    fits = [each for each in able if each.schedule and is_within_budget(instance, weigh(instance, each.schedule))]
    label = "the cheapest provider that does everything"
    if able:
        chosen = min(fits or able, key=lambda each: weigh(instance, each.schedule).objective if each.schedule else 0)
        rivals.append(Rival("cheapest-single", f"{label}: {chosen.label}", chosen.schedule))
    else:
        rivals.append(Rival("cheapest-single", label, None, "no provider can do every operation in the time quoted"))
    return [*rivals, *singles]


def _alone(instance: Instance, number: int, deadline: float, seed: int) -> Rival:
    """Plan with one provider only; beyond its budget if need be, which is then said."""
    name, label = f"only:{instance.providers[number]}", instance.names[number]
    own = restricted(instance, frozenset({number}))
    lacking = [o.name for o, options in zip(own.operations, own.options, strict=True) if not options]
    if lacking:
        return Rival(name, label, None, f"it quoted nothing usable for {', '.join(lacking)}")
    if number >= MAX_ASIDE:
        return Rival(
            name,
            label,
            improve(own, trials=ASIDE_TRIALS, deadline=deadline),
            "not planned alone: too many providers to try each",
        )
    outcome = _search_aside(own, deadline, seed)
    if outcome.schedule is None and own.budget_cents is not None:
        outcome = _search_aside(without_budget(own), deadline, seed)
    fault = "its free windows do not fit" if outcome.status is Status.INFEASIBLE else "none was found in the time given"
    return Rival(name, label, outcome.schedule, fault)


def _search_aside(
    instance: Instance, deadline: float, seed: int, use: int | None = None, near: Schedule | None = None
) -> Outcome:
    hint = improve(instance, use=use, near=near, trials=ASIDE_TRIALS, deadline=deadline)
    outcome = solve(instance, Search(use=use, hint=hint, short=ASIDE, deadline=deadline, seed=seed))
    if outcome.schedule is None and hint:
        return Outcome(Status.FEASIBLE, tidy(instance, hint), outcome.bound)
    return outcome


def _decide(
    instance: Instance, rivals: Sequence[Rival], seconds: float, began: float, seed: int
) -> tuple[Schedule | None, Outcome]:
    """Search from the best that anybody has; what is found is kept only if it is better."""
    known = [each.schedule for each in rivals if each.schedule]
    within = [each for each in known if is_within_budget(instance, weigh(instance, each))]
    start = min(within, key=lambda each: weigh(instance, each).objective, default=None)
    hint = improve(instance, near=start, deadline=began + seconds)
    search = Search(hint=hint, long=LONG_PER_S * seconds, deadline=began + seconds, seed=seed)
    if hint is None and instance.budget_cents is not None:
        least = cheapest(instance, search)
        if least.schedule and is_within_budget(instance, weigh(instance, least.schedule)):
            search = replace(search, hint=least.schedule)
        elif least.status in (Status.OPTIMAL, Status.INFEASIBLE):
            return None, Outcome(Status.INFEASIBLE, None, 0)
    outcome = solve(instance, search)
    found = [tidy(instance, each) for each in (outcome.schedule, search.hint) if each]
    return min(found, key=lambda each: weigh(instance, each).objective, default=None), outcome


def _what_ifs(instance: Instance, best: Schedule, deadline: float, seed: int) -> tuple[Schedule, list[WhatIf]]:
    """Plan again without each chosen provider, and with a part for each that was not chosen.

    Where no proof stands in the way, this may find a better plan; it is taken, and the questions are asked anew.
    """
    tried: list[WhatIf] = []
    for _ in range(MAX_ROUNDS):
        tried = [
            _what_if(instance, best, number, deadline, seed)
            for number in _quoted(instance)[:MAX_ASIDE]
            if time.monotonic() < deadline
        ]
        found = [best, *(each.outcome.schedule for each in tried if each.outcome.schedule)]
        better = min(found, key=lambda each: weigh(instance, each).objective)
        if weigh(instance, better).objective == weigh(instance, best).objective:
            break
        best = better
    return best, tried


def _quoted(instance: Instance) -> list[int]:
    return sorted({each.provider for options in instance.options for each in options})


def _what_if(instance: Instance, best: Schedule, number: int, deadline: float, seed: int) -> WhatIf:
    if all(placed.option.provider != number for placed in best.placed):
        return WhatIf(number, False, _search_aside(instance, deadline, seed, use=number, near=best))
    others = restricted(instance, frozenset(_quoted(instance)) - {number})
    if not all(others.options):
        return WhatIf(number, True, Outcome(Status.INFEASIBLE, None, 0))
    return WhatIf(number, True, _search_aside(others, deadline, seed, near=best))


def _write(
    instance: Instance,
    best: Schedule,
    outcome: Outcome,
    rivals: Sequence[Rival],
    *,
    reasons: tuple[str, ...],
    began: float,
    seed: int,
) -> Plan:
    sums = weigh(instance, best)
    placements = [
        f"{p.lot}:{p.operation}:{p.option.mode.provider}:{p.option.mode.resource}:{p.start}" for p in best.placed
    ]
    plan_id = derived_id("plan", instance.need.id, instance.now.isoformat(), str(best.lots), *placements)
    is_optimal = outcome.status is Status.OPTIMAL
    bound = sums.objective if is_optimal else min(outcome.bound, sums.objective)
    objective_eur, bound_eur = sums.objective / UNITS_PER_EUR, bound / UNITS_PER_EUR
    return Plan(
        id=plan_id,
        need=instance.need.id,
        assignments=write_assignments(instance, best, plan_id),
        legs=write_legs(instance, best),
        totals=write_totals(instance, sums),
        weights=instance.weights,
        objective_eur=objective_eur,
        bound_eur=bound_eur,
        gap=(objective_eur - bound_eur) / objective_eur if objective_eur else 0.0,
        is_optimal=is_optimal,
        alternatives=tuple(_candidate(instance, each, best, plan_id) for each in rivals),
        reasons=reasons,
        solver=f"CP-SAT of OR-Tools {version('ortools')} after local search, seed {seed}",
        seconds=round(time.monotonic() - began, 3),
        decided_by="",
        created_at=instance.now,
    )


def _candidate(instance: Instance, rival: Rival, best: Schedule, plan_id: str) -> Candidate:
    if rival.schedule is None:
        return Candidate(
            name=rival.name,
            label=rival.label,
            is_feasible=False,
            objective_eur=0.0,
            totals=None,
            reason=f"Not possible: {rival.fault}.",
        )
    sums = weigh(instance, rival.schedule)
    is_feasible = is_within_budget(instance, sums)
    if is_feasible:
        reason = "This is the plan." if rival.schedule == best else differences(instance, sums, weigh(instance, best))
    else:
        reason = over_budget(instance, sums)
    return Candidate(
        name=rival.name,
        label=rival.label,
        is_feasible=is_feasible,
        objective_eur=sums.objective / UNITS_PER_EUR,
        totals=write_totals(instance, sums),
        reason=reason,
        assignments=write_assignments(instance, rival.schedule, f"{plan_id}:{rival.name}"),
        legs=write_legs(instance, rival.schedule),
    )
