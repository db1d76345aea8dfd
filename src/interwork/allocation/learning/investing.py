"""What one more hour of each machine is worth, and what would be gained by more of it: duals, confirmed by re-solve.

Duals are marginal and of a relaxation: valid while the same routes stay worth taking. So the list is ordered by what
solving again with more of the machine gains, never by how full it is.
"""

from collections.abc import Mapping

import msgspec

from interwork.allocation.engine.limits import Clock, Limits
from interwork.allocation.network.prices import Prices, price
from interwork.allocation.problem.model import Problem

MARGIN = 0.01
"""Share more that predictions are held against."""


class Investment(msgspec.Struct, frozen=True, kw_only=True):
    """One machine with what more of it is worth over the horizon, in euro."""

    resource: str
    owner: str
    use: float
    """Share of its fullest row in use."""
    value_eur_per_h: float
    """Dual: what one more hour in each of its rows would save."""
    predicted_eur: float
    """What MARGIN more would save by the duals."""
    confirmed_eur: float
    """The same, solved again."""
    doubled_eur: float | None
    """What a second one would save, solved again; None where it was not tried."""


class Investments(msgspec.Struct, frozen=True, kw_only=True):
    """The list, with what it holds for."""

    bound_eur: float
    is_proven: bool
    rows: tuple[Investment, ...]
    horizon_h: float
    needs: int
    tried: int
    """Machines solved again."""


def invest(
    problem: Problem, *, seconds: float = 20.0, most: int = 8, names: Mapping[int, str] | None = None
) -> Investments:
    """Price every machine's hours, solve again with more of the dearest, and list them by what that gains."""
    clock = Clock(Limits(seconds=seconds))
    base = price(problem, clock)
    full = _use(base)
    ranked = sorted(full, key=lambda r: (-base.gain(r, 1.0), -full[r]))
    rows: list[Investment] = []
    tried = 0
    for resource in ranked:
        predicted = base.gain(resource, MARGIN)
        confirmed, doubled = 0.0, None
        if predicted > 1e-6 and tried < most and not clock.is_up:
            confirmed = base.relaxed - price(problem, clock, scale={resource: 1 + MARGIN}).relaxed
            doubled = max(0.0, base.relaxed - price(problem, clock, scale={resource: 2.0}).relaxed)
            tried += 1
        each = problem.resources[resource]
        rows.append(
            Investment(
                resource=(names or {}).get(resource, each.id),
                owner=each.owner,
                use=full[resource],
                value_eur_per_h=base.value_of(resource) * 60 / problem.minutes_per_unit,
                predicted_eur=predicted,
                confirmed_eur=max(0.0, confirmed),
                doubled_eur=doubled if predicted > 1e-6 else 0.0,
            )
        )
    rows.sort(key=lambda row: -(row.doubled_eur if row.doubled_eur is not None else -1.0))
    return Investments(
        bound_eur=base.relaxed,
        is_proven=base.is_converged,
        rows=tuple(rows),
        horizon_h=problem.horizon * problem.minutes_per_unit / 60,
        needs=len(problem.demands),
        tried=tried,
    )


def _use(prices: Prices) -> dict[int, float]:
    """Tell the share in use of each machine's fullest row."""
    full: dict[int, float] = {}
    for row in prices.rows:
        if row.capacity > 0:
            full[row.resource] = max(full.get(row.resource, 0.0), row.used / row.capacity)
    return full
