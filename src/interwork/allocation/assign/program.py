"""The linear relaxation of a problem without timing, with the dual of every capacity, budget and rule.

A dual says what one more unit would bring while the same choices stay worth making; that of anything with slack is 0.
"""

import math
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

import msgspec
import numpy as np
from scipy.optimize import LinearConstraint, linprog, milp
from scipy.sparse import csr_matrix

from interwork.allocation.engine.account import mode_cost
from interwork.allocation.problem.model import Kind, Problem
from interwork.core.errors import BadInput


class Shadow(msgspec.Struct, frozen=True):
    """One capacity or rule: what there is, what is used, and what one more unit would save."""

    name: str
    limit: float
    used: float
    value: float


@dataclass(slots=True)
class Program:
    """Columns per activity and mode, then one per demand that may stay unserved, then one per synergy."""

    problem: Problem
    costs: list[float] = field(default_factory=list)
    picks: list[tuple[int, int]] = field(default_factory=list)
    """Activity and mode of each of the first columns."""
    column: dict[tuple[int, int], int] = field(default_factory=dict)
    refused: dict[int, int] = field(default_factory=dict)
    names: list[str] = field(default_factory=list)
    limits: list[float] = field(default_factory=list)
    entries: list[tuple[int, int, float]] = field(default_factory=list)
    equal: list[tuple[int, int, float]] = field(default_factory=list)

    def below(self, name: str, terms: list[tuple[int, float]], limit: float) -> None:
        """Add a row that is at most its limit."""
        self.entries += [(len(self.names), column, value) for column, value in terms]
        self.names.append(name)
        self.limits.append(limit)

    def matrices(self) -> tuple[Any, Any]:
        """Build the rows below limits and the rows of one mode per activity."""
        count = len(self.costs)
        upper = _sparse(self.entries, (len(self.names), count))
        return upper, _sparse(self.equal, (len(self.problem.activities), count))


def _sparse(entries: list[tuple[int, int, float]], shape: tuple[int, int]) -> Any:  # noqa: ANN401 - scipy has no types
    rows, columns, values = (np.array([each[n] for each in entries]) for n in range(3))
    return csr_matrix((values.astype(float), (rows.astype(int), columns.astype(int))), shape=shape)


def program(problem: Problem, scale: Mapping[int, float] | None = None) -> Program:
    """Write the relaxation of a problem without timing; `scale` multiplies capacities by resource."""
    if problem.kind not in (Kind.ASSIGNMENT, Kind.PORTFOLIO):
        raise BadInput(
            f"{problem.name} is {problem.kind.value}, which has timing.", remedy="Price a network by its route LP."
        )
    found = Program(problem)
    _columns(found)
    _capacities(found, scale or {})
    _rules(found)
    return found


def _columns(found: Program) -> None:
    problem = found.problem
    for a, activity in enumerate(problem.activities):
        excluded = problem.demands[activity.demand].excluded
        for m, mode in enumerate(activity.modes):
            if any(resource in excluded for resource, _ in mode.uses):
                continue
            found.column[a, m] = len(found.costs)
            found.equal.append((a, len(found.costs), 1.0))
            found.picks.append((a, m))
            found.costs.append(mode_cost(problem, mode))
    for number, demand in enumerate(problem.demands):
        if demand.unserved is not None:
            found.refused[number] = len(found.costs)
            found.costs.append(demand.unserved)
    for a, activity in enumerate(problem.activities):
        if activity.demand in found.refused:
            found.equal.append((a, found.refused[activity.demand], 1.0))


def _capacities(found: Program, scale: Mapping[int, float]) -> None:
    terms: dict[int, list[tuple[int, float]]] = {}
    for column, (a, m) in enumerate(found.picks):
        for used, amount in found.problem.activities[a].modes[m].uses:
            terms.setdefault(used, []).append((column, float(amount)))
    for number, resource in enumerate(found.problem.resources):
        found.below(resource.id, terms.get(number, []), resource.capacity * scale.get(number, 1.0))


def _rules(found: Program) -> None:
    problem = found.problem
    for row in problem.rows:
        terms = [(found.column[a, m], -c) for a, m, c in row.terms if (a, m) in found.column]
        found.below(row.name, terms, -row.at_least)
    for pair in problem.synergies:
        column = len(found.costs)
        found.costs.append(-problem.tariff.value * pair.value)
        for number in (pair.one, pair.other):
            if number in found.refused:
                name = f"synergy of {pair.one} and {pair.other}"
                found.below(name, [(column, 1.0), (found.refused[number], 1.0)], 1.0)


def relax(written: Program, seconds: float = math.inf) -> Any:  # noqa: ANN401 - scipy's answer has no type
    """Solve the relaxation with HiGHS within so many seconds; status 0 = solved, 2 = it has no solution."""
    upper, equal = written.matrices()
    return linprog(
        np.array(written.costs),
        A_ub=upper,
        b_ub=np.array(written.limits),
        A_eq=equal,
        b_eq=np.ones(equal.shape[0]),
        bounds=(0, 1),
        method="highs",
        options={"time_limit": seconds},
    )


def integral(written: Program, columns: Any, seconds: float, gap: float = 0.0) -> Any:  # noqa: ANN401 - as above
    """Solve with whole numbers over some of the columns (a boolean array), to within a gap; the others are 0."""
    upper, equal = written.matrices()
    kept = np.flatnonzero(columns)
    answer = milp(
        np.array(written.costs)[kept],
        constraints=[
            LinearConstraint(upper[:, kept], -np.inf, np.array(written.limits)),
            LinearConstraint(equal[:, kept], 1, 1),
        ],
        integrality=np.ones(len(kept)),
        bounds=(0, 1),
        options={"time_limit": max(0.1, seconds), "mip_rel_gap": gap},
    )
    if answer.x is not None:
        whole = np.zeros(len(written.costs))
        whole[kept] = answer.x
        answer.x = whole
    return answer


def shadow_prices(problem: Problem, scale: Mapping[int, float] | None = None) -> tuple[float, list[Shadow]]:
    """Tell the relaxation's value (a lower bound) and the shadow price of every capacity and rule."""
    written = program(problem, scale)
    answer = relax(written)
    if answer.status != 0:
        return float("inf"), []
    upper, _ = written.matrices()
    used = upper @ answer.x
    duals = answer.ineqlin.marginals
    rows = [
        Shadow(name, limit, float(u), max(0.0, -float(d)))
        for name, limit, u, d in zip(written.names, written.limits, used, duals, strict=True)
        if not name.startswith("synergy of ")
    ]
    return float(answer.fun), rows
