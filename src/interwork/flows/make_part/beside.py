"""A plan read by whoever pays for it: how its price and objective add up, and what stands beside it, each once."""

from collections.abc import Sequence

import msgspec

from interwork.core.planning import Assignment, Candidate, Leg, Plan

FIRST, CHEAPEST, ALONE = "first-capable", "cheapest-single", "alone"


class Sum(msgspec.Struct, frozen=True, kw_only=True):
    """What a plan comes to, in euro: `price_eur` is paid, the rest weighs lateness, CO2 and time."""

    work_eur: float
    """Every operation, material included."""
    transport_eur: float
    co2_eur: float
    late_eur: float
    finish_eur: float

    @property
    def price_eur(self) -> float:
        """Add up what is paid."""
        return self.work_eur + self.transport_eur

    @property
    def objective_eur(self) -> float:
        """Add up what the plan was chosen by."""
        return self.price_eur + self.co2_eur + self.late_eur + self.finish_eur


class Beside(msgspec.Struct, frozen=True, kw_only=True):
    """Another plan over the same quotes, said once, with every part it plays."""

    candidate: Candidate
    provider_name: str
    """Who would do everything; empty where several would."""
    roles: tuple[str, ...]
    """`first-capable`, `cheapest-single`, `alone`."""


def sum_of(plan: Plan) -> Sum:
    """Tell how the price and the objective of a plan add up."""
    weights, totals = plan.weights, plan.totals
    days = (totals.finish - plan.created_at).total_seconds() / 86_400
    return Sum(
        work_eur=sum(one.price_eur for one in plan.assignments),
        transport_eur=sum(one.price_eur for one in plan.legs),
        co2_eur=weights.co2_eur_per_kg * totals.co2_kg,
        late_eur=weights.late_eur_per_h * totals.late_h,
        finish_eur=weights.finish_eur_per_day * max(0.0, days),
    )


def beside(plan: Plan) -> tuple[Beside, ...]:
    """List what stands beside a plan, the best first; those that place the same work alike are one."""
    found: dict[object, list[Candidate]] = {}
    for one in plan.alternatives:
        key = _placed(one.assignments, one.legs) if one.assignments else (one.name, one.label)
        found.setdefault(key, []).append(one)
    rows = [_row(each) for key, each in found.items() if key != _placed(plan.assignments, plan.legs)]
    return tuple(sorted(rows, key=lambda one: (not one.candidate.is_feasible, one.candidate.objective_eur)))


def also(plan: Plan) -> tuple[str, ...]:
    """Tell which parts of the others the plan itself plays, such as the cheapest single provider."""
    own = _placed(plan.assignments, plan.legs)
    return tuple(dict.fromkeys(_role(one) for one in plan.alternatives if _placed(one.assignments, one.legs) == own))


def said(one: Beside) -> str:
    """Say in words what stands beside a plan, for those who read no table."""
    alone = f"{one.provider_name} alone" if one.provider_name else "the first provider that can, operation by operation"
    if one.roles == (CHEAPEST,):
        return "one provider for everything"
    more = {CHEAPEST: "the cheapest single provider", FIRST: "whoever can, taken in turn"}
    parts = [more[role] for role in one.roles if role in more and one.provider_name]
    return f"{alone} ({', '.join(parts)})" if parts else alone


def _row(same: Sequence[Candidate]) -> Beside:
    alone = next((one for one in same if _role(one) == ALONE), None)
    return Beside(
        candidate=alone or same[0],
        provider_name=alone.label if alone else "",
        roles=tuple(dict.fromkeys(_role(one) for one in same)),
    )


def _role(one: Candidate) -> str:
    return one.name if one.name in (FIRST, CHEAPEST) else ALONE


def _placed(assignments: Sequence[Assignment], legs: Sequence[Leg]) -> tuple[frozenset[object], ...]:
    work = frozenset((one.operation, one.lot, one.provider, one.resource, one.start) for one in assignments)
    return work, frozenset((one.lot, one.source, one.target, one.start) for one in legs)
