"""Read generalised assignment: agents and items; costs, then what each item takes of each agent, then capacities."""

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


def read_gap(text: str, name: str) -> Problem:
    """Read one instance in the form of minimum cost."""
    tokens = Tokens(text, name)
    agents = tokens.integer("the number of agents", 1, 100_000)
    items = tokens.integer("the number of items", 1, 1_000_000)
    if agents * items > MOST:
        tokens.fail(f"{agents} agents by {items} items is more than {MOST} pairs")
    costs = [tokens.integers(items, "a cost", -(10**9)) for _ in range(agents)]
    sizes = [tokens.integers(items, "a size") for _ in range(agents)]
    capacities = tokens.integers(agents, "a capacity")
    tokens.done()
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
