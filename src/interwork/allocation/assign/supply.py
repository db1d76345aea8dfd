"""Supply flow: how much of which product goes where and when, over capacities, stocks and carriage, at least cost.

One LP: arcs per product and period between sites, stock carried from period to period, what is missing at a penalty.
The dual of an arc's capacity says what one more unit would save, the dual of a CO₂ cap is the price of a kg within.
"""

from typing import Any

import msgspec
import numpy as np
from scipy.optimize import linprog
from scipy.sparse import csr_matrix, vstack

from interwork.core.errors import BadInput, NoPlan


class Arc(msgspec.Struct, frozen=True, kw_only=True):
    """Carriage of a product from site to site in one period, at most `capacity`, at a price and kg CO₂ a unit."""

    source: int
    target: int
    product: int
    period: int
    capacity: float
    price: float
    co2: float = 0.0


class Supply(msgspec.Struct, frozen=True, kw_only=True):
    """Sites, products and periods with what is there, what is wanted, and how it can move."""

    sites: int
    products: int
    periods: int
    arcs: tuple[Arc, ...]
    made: dict[tuple[int, int, int], float]
    """(site, product, period) to what may be made there at most."""
    wanted: dict[tuple[int, int, int], float]
    make_price: dict[tuple[int, int], float] = {}
    """(site, product) to its price a unit; 0 where it is not named."""
    stock_price: float = 0.0
    missing_price: float = 1e4
    co2_cap: float | None = None


class Flow(msgspec.Struct, frozen=True, kw_only=True):
    """The least-cost flow: proved by the LP, so that the cost is its own bound."""

    cost: float
    co2: float
    moved: tuple[float, ...]
    """Per arc."""
    made: dict[tuple[int, int, int], float]
    missing: dict[tuple[int, int, int], float]
    value: tuple[float, ...]
    """Per arc: what one more unit of capacity would save."""
    co2_value: float
    """What one more kg under the cap would save."""


def ship(supply: Supply) -> Flow:
    """Find the least-cost flow; what cannot be delivered is missing at its penalty, never left out."""
    _refuse_unsound(supply)
    nodes = supply.sites * supply.products * supply.periods
    makes, wants = sorted(supply.made), sorted(supply.wanted)
    stocks = [n for n in range(nodes) if n % supply.periods < supply.periods - 1]
    entries: list[tuple[int, int, float]] = []
    costs: list[float] = []
    most: list[float] = []
    for each in supply.arcs:
        column = len(costs)
        entries.append((_node(supply, (each.source, each.product, each.period)), column, -1.0))
        entries.append((_node(supply, (each.target, each.product, each.period)), column, 1.0))
        costs.append(each.price)
        most.append(each.capacity)
    for key in makes:
        entries.append((_node(supply, key), len(costs), 1.0))
        costs.append(supply.make_price.get(key[:2], 0.0))
        most.append(supply.made[key])
    for key in wants:
        entries.append((_node(supply, key), len(costs), 1.0))
        costs.append(supply.missing_price)
        most.append(supply.wanted[key])
    for node in stocks:
        entries += [(node, len(costs), -1.0), (node + 1, len(costs), 1.0)]
        costs.append(supply.stock_price)
        most.append(np.inf)
    return _solved(supply, (entries, costs, most), (makes, wants))


Key = tuple[int, int, int]


def _solved(
    supply: Supply, lp: tuple[list[tuple[int, int, float]], list[float], list[float]], keys: tuple[list[Key], list[Key]]
) -> Flow:
    (entries, costs, most), (makes, wants) = lp, keys
    nodes, arcs = supply.sites * supply.products * supply.periods, len(supply.arcs)
    rows, columns, values = (np.array([each[n] for each in entries]) for n in range(3))
    balance = csr_matrix((values.astype(float), (rows, columns)), shape=(nodes, len(costs)))
    wanted = np.zeros(nodes)
    for key in wants:
        wanted[_node(supply, key)] += supply.wanted[key]
    co2 = np.array([each.co2 for each in supply.arcs] + [0.0] * (len(costs) - arcs))
    # What is left over may stay where it is: at least what is wanted arrives.
    upper, limit = [-balance], [-wanted]
    if supply.co2_cap is not None:
        upper.append(csr_matrix(co2[None, :]))
        limit.append(np.array([supply.co2_cap]))
    answer: Any = linprog(
        np.array(costs), A_ub=_stack(upper), b_ub=np.concatenate(limit), bounds=[(0, m) for m in most], method="highs"
    )
    if answer.status != 0:
        raise NoPlan(f"The supply has no flow: {answer.message}", remedy="Raise the CO₂ cap.")
    x = answer.x
    value = tuple(max(0.0, -float(each)) for each in answer.upper.marginals[:arcs])
    return Flow(
        cost=float(answer.fun),
        co2=float(co2 @ x),
        moved=tuple(float(each) for each in x[:arcs]),
        made={key: float(x[arcs + n]) for n, key in enumerate(makes)},
        missing={
            key: float(x[arcs + len(makes) + n]) for n, key in enumerate(wants) if x[arcs + len(makes) + n] > 1e-9
        },
        value=value,
        co2_value=max(0.0, -float(answer.ineqlin.marginals[-1])) if supply.co2_cap is not None else 0.0,
    )


def _stack(parts: list[Any]) -> Any:  # noqa: ANN401 - scipy's matrices have no type
    return vstack(parts, format="csr")


def _node(supply: Supply, key: Key) -> int:
    site, product, period = key
    return (site * supply.products + product) * supply.periods + period


def _refuse_unsound(supply: Supply) -> None:
    keys = [*supply.made, *supply.wanted]
    keys += [(site, each.product, each.period) for each in supply.arcs for site in (each.source, each.target)]
    for site, product, period in keys:
        if not (0 <= site < supply.sites and 0 <= product < supply.products and 0 <= period < supply.periods):
            raise BadInput(
                f"Site {site}, product {product}, period {period} is not one of {supply.sites}, "
                f"{supply.products} and {supply.periods}.",
                remedy="Count from 0.",
            )
    amounts = [*supply.made.values(), *supply.wanted.values(), *(each.capacity for each in supply.arcs)]
    if any(not 0 <= amount < 1e15 for amount in amounts):
        raise BadInput("An amount or a capacity is negative or not finite.", remedy="Give amounts from 0.")
