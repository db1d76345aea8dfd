"""Questions put to a plan over its quotes: read it back, plan again under one more condition, split its cost."""

import math
import time
from collections.abc import Sequence
from dataclasses import dataclass, replace
from datetime import datetime

from interwork.allocation.parts.admitting import prepare
from interwork.allocation.parts.cpsat import Search, Status, solve
from interwork.allocation.parts.instance import UNITS_PER_CENT, UNITS_PER_EUR, Instance
from interwork.allocation.parts.narrowing import improve
from interwork.allocation.parts.schedule import (
    Placed,
    Schedule,
    carriages,
    is_within_budget,
    tidy,
    weigh,
    write_assignments,
    write_legs,
    write_totals,
)
from interwork.core.design import ProcessPlan
from interwork.core.errors import BadInput
from interwork.core.planning import Candidate, Need, Plan, Quote, Share

ASIDE = 0.2
"""Deterministic time of the search for one question."""
TRIALS = 600


@dataclass(frozen=True, slots=True)
class Asked:
    """A plan in whole numbers again, over the instance it was made from."""

    instance: Instance
    schedule: Schedule
    deadline: float
    """Of the monotonic clock."""

    @property
    def objective_eur(self) -> float:
        """Tell what the plan comes to."""
        return weigh(self.instance, self.schedule).objective / UNITS_PER_EUR


def ask(need: Need, process: ProcessPlan, quotes: Sequence[Quote], plan: Plan, *, seconds: float = 5.0) -> Asked:
    """Read a plan back over its quotes; BadInput where it is not made from them."""
    instance = prepare(need, process, quotes, plan.weights, plan.created_at)
    return Asked(instance, read_schedule(instance, plan), time.monotonic() + seconds)


def read_schedule(instance: Instance, plan: Plan) -> Schedule:
    """Turn a plan's assignments back into the instance's numbers."""
    rank = {each.id: number for number, each in enumerate(instance.operations)}
    lots = sorted({each.lot for each in plan.assignments})
    sizes = {each.lot: each.quantity for each in plan.assignments}
    placed = []
    for one in plan.assignments:
        listed = instance.options[rank[one.operation]] if one.operation in rank else ()
        found = [o for o in listed if (o.mode.provider, o.mode.resource) == (one.provider, one.resource)]
        if not found:
            raise BadInput(
                f"{one.operation_name} on {one.resource_name} is in the plan {plan.id} and in none of its quotes.",
                remedy="Ask for quotes anew and plan again.",
            )
        start, end = minute_of(instance, one.start), minute_of(instance, one.end)
        placed.append(Placed(lots.index(one.lot), rank[one.operation], found[0], start, end))
    placed.sort(key=lambda each: (each.lot, each.operation))
    return Schedule(lots=tuple(sizes[lot] for lot in lots), placed=tuple(placed))


def minute_of(instance: Instance, moment: datetime) -> int:
    """Tell the whole minute of a plan that a moment falls into."""
    return math.floor((moment - instance.origin).total_seconds() / 60)


def best(
    instance: Instance, deadline: float, *, use: int | None = None, near: Schedule | None = None
) -> tuple[Schedule | None, Status]:
    """Find the best schedule there is, with a part for one provider if that is asked, and say whether it is proven."""
    if not all(instance.options):
        return None, Status.INFEASIBLE
    hint = improve(instance, use=use, near=near, trials=TRIALS, deadline=deadline)
    outcome = solve(instance, Search(use=use, hint=hint, short=ASIDE, deadline=deadline))
    found = [tidy(instance, each) for each in (outcome.schedule, hint) if each]
    found = [each for each in found if use is None or any(p.option.provider == use for p in each.placed)]
    if not found:
        return None, outcome.status
    schedule = min(found, key=lambda each: weigh(instance, each).objective)
    return schedule, Status.OPTIMAL if outcome.status is Status.OPTIMAL else Status.FEASIBLE


def shares(instance: Instance, schedule: Schedule) -> tuple[Share, ...]:
    """Split the objective of a schedule into its parts, in euro; they add up to it."""
    sums = weigh(instance, schedule)
    carried = sum(each.route.cents for each in carriages(instance, schedule))
    late_s = max(0, 60 * sums.finish - instance.due_s)
    finish_s = 60 * sums.finish + instance.head_s
    parts = (
        ("price", (sums.cents - carried) * UNITS_PER_CENT),
        ("transport", carried * UNITS_PER_CENT),
        ("CO₂", sums.grams * instance.prices.gram),
        ("lateness", late_s * instance.prices.late_second),
        ("time to the finish", finish_s * instance.prices.second),
    )
    return tuple(Share(name=name, eur=units / UNITS_PER_EUR) for name, units in parts)


def difference(after: Sequence[Share], before: Sequence[Share]) -> tuple[Share, ...]:
    """Subtract the parts of one objective from those of another; parts that do not change are left out."""
    pairs = ((one.name, one.eur - other.eur) for one, other in zip(after, before, strict=True))
    return tuple(Share(name=name, eur=eur) for name, eur in pairs if abs(eur) >= 0.005)


def opened(instance: Instance, provider: int | None = None) -> Instance:
    """Free the calendars of one provider, or of all, from now to the horizon."""
    free = ((0, instance.horizon),)
    options = tuple(
        tuple(replace(o, windows=free) if provider in (None, o.provider) else o for o in listed)
        for listed in instance.options
    )
    return replace(instance, options=options)


def candidate(instance: Instance, schedule: Schedule, name: str, label: str, reason: str) -> Candidate:
    """Write a schedule down beside a plan."""
    sums = weigh(instance, schedule)
    return Candidate(
        name=name,
        label=label,
        is_feasible=is_within_budget(instance, sums),
        objective_eur=sums.objective / UNITS_PER_EUR,
        totals=write_totals(instance, sums),
        reason=reason,
        assignments=write_assignments(instance, schedule, name),
        legs=write_legs(instance, schedule),
    )
