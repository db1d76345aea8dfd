"""Made-up funding portfolios for benches and tests: projects with funding levels under programme-year budgets.

They are drawn by a seeded generator, not real. Money is counted in thousands of euro.
"""

import random

from interwork.allocation.problem.model import (
    Activity,
    Demand,
    Kind,
    Mode,
    Problem,
    Resource,
    ResourceKind,
    Row,
    Synergy,
    Tariff,
)

PROGRAMMES, YEARS, REGIONS = 4, 3, 5


def portfolio(projects: int, seed: int = 1, synergies: int = 400) -> Problem:
    """Draw a portfolio: budgets of about a third of what is asked for, cost share 1:1, exclusions, a regional cap."""
    chance = random.Random(f"portfolio:{seed}:{projects}")  # noqa: S311 - a benchmark
    activities, shares, regions, demands = [], [], [], []
    asked = [0] * (PROGRAMMES * YEARS)
    for number in range(projects):
        programme, region = chance.randrange(PROGRAMMES), chance.randrange(REGIONS)
        federal = [chance.randint(40, 400) for _ in range(YEARS)]
        partner = sum(federal) * chance.uniform(0.5, 2.0)
        value = sum(federal) * chance.uniform(0.4, 1.6) + 100
        modes = []
        for level, worth in ((1.0, 1.0), (0.7, 0.8)):
            spent = [int(each * level) for each in federal]
            uses = tuple((programme * YEARS + year, amount) for year, amount in enumerate(spent))
            modes.append(Mode(uses=uses, value=round(value * worth, 1), price=float(sum(spent))))
            share = partner * level - sum(spent)
            shares.append((programme, number, len(modes) - 1, round(share, 1)))
            regions.append((region, number, len(modes) - 1, -float(sum(spent))))
        for year, amount in enumerate(federal):
            asked[programme * YEARS + year] += amount
        demands.append(Demand(id=f"project-{number}", unserved=0.0, region=f"region-{region}"))
        activities.append(Activity(demand=number, modes=tuple(modes), name=f"project {number}"))
    rows = [
        Row(name=f"cost share of programme {p}", terms=tuple((a, m, c) for q, a, m, c in shares if q == p))
        for p in range(PROGRAMMES)
    ]
    cap = 0.12 * sum(asked)
    rows += [
        Row(name=f"cap of region {r}", terms=tuple((a, m, c) for q, a, m, c in regions if q == r), at_least=-cap)
        for r in range(REGIONS)
    ]
    for number in range(projects // 10):
        one, other = chance.sample(range(projects), 2)
        terms = tuple((a, m, -1.0) for a in (one, other) for m in range(2))
        rows.append(Row(name=f"exclusion {number}", terms=terms, at_least=-1.0))
    return Problem(
        name=f"portfolio-{projects}-{seed}",
        kind=Kind.PORTFOLIO,
        demands=tuple(demands),
        activities=tuple(activities),
        resources=tuple(
            Resource(
                id=f"programme {b // YEARS} year {b % YEARS}", kind=ResourceKind.CONSUMABLE, capacity=int(a * 0.35)
            )
            for b, a in enumerate(asked)
        ),
        tariff=Tariff(money=0.0, value=1.0),
        rows=tuple(rows),
        synergies=tuple(_synergy(chance, projects) for _ in range(min(synergies, projects * (projects - 1) // 4))),
        source=f"SIMULATED: portfolio {projects},{seed}",
    )


def _synergy(chance: random.Random, projects: int) -> Synergy:
    one, other = sorted(chance.sample(range(projects), 2))
    return Synergy(one, other, float(chance.randint(10, 80)))
