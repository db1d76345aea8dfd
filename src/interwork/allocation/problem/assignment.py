"""Read generalised assignment: agents and items; costs, then what each item takes of each agent, then capacities.

A file of OR-Library has a number of problems first and then one after another. Its files gap1 to gap12 hold values, of
which the most is asked for, and nothing in them says so: only their names do (Beasley 1990; Osman 1995). Files gapa to
gapd, and those of Yagiura, hold costs.
"""

import re

import msgspec

from interwork.allocation.problem.model import (
    Activity,
    Demand,
    Kind,
    Mode,
    Problem,
    Resource,
    ResourceKind,
    Tariff,
)
from interwork.allocation.problem.tokens import Tokens

MOST = 2_000_000
MOST_PROBLEMS = 1000
MAXIMA = re.compile(r"(gap([1-9]|1[0-2])|c(5|8|10)\d\d)(-\d+)?", re.IGNORECASE)
"""OR-Library's names of files and problems whose values are to be the most; Yagiura's c05100 is not among them."""


def read_gap(text: str, name: str) -> Problem:
    """Read one instance in the form of minimum cost."""
    tokens = Tokens(text, name)
    problem = _problem(tokens, name)
    tokens.done()
    return problem


def read_gaps(text: str, name: str) -> tuple[Problem, ...]:
    """Read the problems of an OR-Library file, named after the file and their number."""
    tokens = Tokens(text, name)
    count = tokens.integer("the number of problems", 1, MOST_PROBLEMS)
    problems = tuple(_problem(tokens, f"{name}-{number + 1}") for number in range(count))
    tokens.done()
    return problems


def is_maximum(name: str) -> bool:
    """Tell whether OR-Library gives its best values for the maximum of a file of this name."""
    return MAXIMA.fullmatch(name) is not None


def maximised(problem: Problem) -> Problem:
    """Ask for the most of what an assignment file holds instead of the least."""
    activities = tuple(
        msgspec.structs.replace(
            each, modes=tuple(msgspec.structs.replace(mode, price=-mode.price) for mode in each.modes)
        )
        for each in problem.activities
    )
    return msgspec.structs.replace(problem, activities=activities, is_maximum=True)


def _problem(tokens: Tokens, name: str) -> Problem:
    agents = tokens.integer("the number of agents", 1, 100_000)
    items = tokens.integer("the number of items", 1, 1_000_000)
    if agents * items > MOST:
        tokens.fail(f"{agents} agents by {items} items is more than {MOST} pairs")
    costs = [tokens.integers(items, "a cost", -(10**9)) for _ in range(agents)]
    sizes = [tokens.integers(items, "a size") for _ in range(agents)]
    capacities = tokens.integers(agents, "a capacity")
    activities = []
    for item in range(items):
        modes = tuple(
            Mode(uses=((agent, sizes[agent][item]),), price=float(costs[agent][item]))
            for agent in range(agents)
            if sizes[agent][item] <= capacities[agent]
        )
        if not modes:
            tokens.fail(f"item {item + 1} fits no agent")
        activities.append(Activity(demand=item, modes=modes, name=str(item + 1)))
    return Problem(
        name=name,
        kind=Kind.ASSIGNMENT,
        demands=tuple(Demand(id=f"item-{number + 1}") for number in range(items)),
        activities=tuple(activities),
        resources=tuple(
            Resource(id=f"agent-{number + 1}", kind=ResourceKind.BUCKETED, capacity=capacity)
            for number, capacity in enumerate(capacities)
        ),
        tariff=Tariff(),
        source="generalised assignment text",
    )
