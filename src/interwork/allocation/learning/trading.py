"""The trade between price, finish and CO₂ of one need: plans at several weights, of which nothing beats those kept."""

from collections.abc import Sequence
from datetime import datetime

import msgspec

from interwork.allocation.parts.solving import allocate
from interwork.core.design import ProcessPlan
from interwork.core.planning import Need, Plan, Quote, TradePoint, Weights

GRID = ((0.0, 0.0), (0.1, 2.0), (0.5, 2.0), (2.0, 2.0), (10.0, 2.0), (0.1, 50.0), (0.1, 500.0), (2.0, 200.0))
"""Euro per kg of CO₂ and per day to the finish that plans are made at; the price itself counts as it is."""
SHARE_S = 0.6
"""Seconds of search per point."""


def trade_off(
    need: Need, process: ProcessPlan, quotes: Sequence[Quote], *, weights: Weights, now: datetime, seed: int = 1
) -> list[Plan]:
    """Plan a need at each pair of weights; keep the plans that no other is at least as good as in all three figures."""
    plans = []
    for co2, finish in GRID:
        own = msgspec.structs.replace(weights, co2_eur_per_kg=co2, finish_eur_per_day=finish)
        plans.append(allocate(need, process, quotes, weights=own, now=now, seconds=SHARE_S, seed=seed))
    return undominated(plans)


def undominated(plans: Sequence[Plan]) -> list[Plan]:
    """Keep, by rising price, the plans that no other is at least as good as in price, finish and CO₂."""
    kept: list[Plan] = []
    for each in sorted(plans, key=_figures):
        price, finish, co2 = _figures(each)
        if not any(p <= price and f <= finish and c <= co2 for p, f, c in map(_figures, kept)):
            kept.append(each)
    return kept


def _figures(plan: Plan) -> tuple[float, datetime, float]:
    return plan.totals.price_eur, plan.totals.finish, plan.totals.co2_kg


def point(plan: Plan) -> TradePoint:
    """Name a plan by its three figures and the weights it was made at."""
    return TradePoint(
        plan=plan.id,
        price_eur=plan.totals.price_eur,
        finish=plan.totals.finish,
        co2_kg=plan.totals.co2_kg,
        late_h=plan.totals.late_h,
        providers=tuple(sorted({each.provider_name for each in plan.assignments})),
        co2_eur_per_kg=plan.weights.co2_eur_per_kg,
        finish_eur_per_day=plan.weights.finish_eur_per_day,
    )
