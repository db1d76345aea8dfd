"""Mass matching of unit needs to resources as a minimum-cost flow: optimal for 100,000 needs in seconds.

Whole costs are asked for, so that optimal means optimal; a need that is cheaper refused than served stays unserved.
"""

from dataclasses import dataclass
from typing import Any

import numpy as np
from ortools.graph.python import min_cost_flow

from interwork.core.errors import BadInput, NoPlan

Ints = Any
"""An array of whole numbers."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Arcs:
    """Candidates as parallel arrays: which need may go to which resource, at what whole cost (such as cents)."""

    needs: Ints
    resources: Ints
    costs: Ints
    capacities: Ints
    """Per resource."""
    count: int
    """Of needs."""
    penalty: int
    """Of a need that stays unserved."""


@dataclass(frozen=True, slots=True)
class Matched:
    """The resource of each need (-1 = unserved), the optimal cost, and how many are unserved."""

    of: Ints
    cost: int
    unserved: int


def match_many(arcs: Arcs) -> Matched:
    """Match every need at the least total cost; the answer is optimal, or an error."""
    _refuse_unsound(arcs)
    needs, resources = arcs.count, len(arcs.capacities)
    sink, spill = needs + resources, needs + resources + 1
    every = np.arange(needs, dtype=np.int64)
    flow = min_cost_flow.SimpleMinCostFlow()
    chosen = flow.add_arcs_with_capacity_and_unit_cost(
        arcs.needs, arcs.resources + needs, np.ones(len(arcs.needs), dtype=np.int64), arcs.costs
    )
    flow.add_arcs_with_capacity_and_unit_cost(
        every, np.full(needs, spill), np.ones(needs, dtype=np.int64), np.full(needs, arcs.penalty)
    )
    flow.add_arcs_with_capacity_and_unit_cost(
        np.arange(resources, dtype=np.int64) + needs,
        np.full(resources, sink),
        arcs.capacities,
        np.zeros(resources, dtype=np.int64),
    )
    flow.add_arc_with_capacity_and_unit_cost(spill, sink, needs, 0)
    flow.set_nodes_supplies(every, np.ones(needs, dtype=np.int64))
    flow.set_node_supply(sink, -needs)
    status = flow.solve()
    if status != flow.OPTIMAL:
        raise NoPlan(f"The matching of {needs} needs has no optimal flow: {status}.", remedy="Check costs and sizes.")
    taken = flow.flows(chosen) > 0
    of = np.full(needs, -1, dtype=np.int64)
    of[arcs.needs[taken]] = arcs.resources[taken]
    return Matched(of, int(flow.optimal_cost()), int((of < 0).sum()))


def _refuse_unsound(arcs: Arcs) -> None:
    same = len(arcs.needs) == len(arcs.resources) == len(arcs.costs)
    is_in_range = same and (
        not len(arcs.needs)
        or (
            arcs.needs.min() >= 0
            and arcs.needs.max() < arcs.count
            and arcs.resources.min() >= 0
            and arcs.resources.max() < len(arcs.capacities)
            and np.abs(arcs.costs).max() <= 10**12
        )
    )
    if not is_in_range or (len(arcs.capacities) and arcs.capacities.min() < 0) or not 0 <= arcs.penalty <= 10**12:
        raise BadInput(
            "The candidates of a matching do not fit its needs and resources.",
            remedy="Give arrays of one length, indices in range, capacities and a penalty from 0.",
        )


def first_come(arcs: Arcs) -> Matched:
    """Match need by need in their order to the cheapest resource that has room: the rule to beat."""
    order = np.lexsort((arcs.costs, arcs.needs))
    left = arcs.capacities.tolist()
    of = [-1] * arcs.count
    cost = 0
    for need, resource, price in zip(
        arcs.needs[order].tolist(), arcs.resources[order].tolist(), arcs.costs[order].tolist(), strict=True
    ):
        if of[need] < 0 and left[resource]:
            of[need] = resource
            left[resource] -= 1
            cost += price
    unserved = sum(each < 0 for each in of)
    return Matched(np.array(of), cost + unserved * arcs.penalty, unserved)
