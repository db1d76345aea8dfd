"""A bound of a large assignment by multipliers: the price of an agent's capacity, climbed by subgradients.

At given prices every item goes to its cheapest agent, which is a bound of any plan; no prices give a better one than
the linear relaxation (Fisher 1981). It comes within a millionth of that in a second where the simplex takes ten.
"""

from typing import Any

import numpy as np

from interwork.allocation.engine.limits import Clock

STEPS = 1500
STALE, SHRUNK = 20, 0.7
"""Steps that raise nothing after which the step is cut, from the best prices on, and to how much."""
AIM = 1.01
"""What is aimed at, by the best bound so far."""
SHORTEST = 1e-4
EXACT = 1e-9
"""What sums of many floats are exact to: a bound is never told above what it is."""


def bounded(costs: Any, sizes: Any, room: Any, clock: Clock) -> tuple[float, Any]:  # noqa: ANN401 - arrays
    """Tell a bound and the reduced costs (items by agents), infinite where an agent may not have an item."""
    items, agents = costs.shape
    rows = np.arange(items)
    prices = best_prices = np.zeros(agents)
    best, step, stale = -np.inf, 2.0, 0
    for _ in range(STEPS):
        dear = costs + sizes * prices
        picks = dear.argmin(axis=1)
        value = float(dear[rows, picks].sum() - prices @ room)
        over = np.bincount(picks, weights=sizes[rows, picks], minlength=agents) - room
        if value > best:
            best, best_prices, stale = value, prices, 0
        else:
            stale += 1
        if stale >= STALE:
            step, stale, prices = step * SHRUNK, 0, best_prices
        norm = float(over @ over)
        if norm == 0 or step < SHORTEST or clock.is_up:
            break
        aim = best + max(1.0, (AIM - 1) * abs(best))
        prices = np.maximum(0.0, prices + step * (aim - value) / norm * over)
    dear = costs + sizes * best_prices
    best -= EXACT * max(1.0, abs(best))
    return best, dear - dear.min(axis=1)[:, None]
