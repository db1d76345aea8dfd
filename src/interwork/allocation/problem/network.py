"""The network allocation benchmark: needs over machines at sites, with transport, prices, CO₂ and lateness.

The networks are made up by a seeded generator, not real. Sites lie in a square of 1,200 km with an electricity of their
own CO₂; a machine does one process at its own speed and hourly price; a need is a chain of steps that starts at its
owner's site, goes from site to site and is delivered back; its due date leaves it between one and three times the time
it takes alone. A unit of time is a quarter of an hour. Published best values:
docs/network-benchmark.md.
"""

import math
import random

import msgspec

from interwork.allocation.problem.model import (
    Activity,
    Demand,
    Kind,
    Link,
    Mode,
    Problem,
    Resource,
    Tariff,
    Transport,
)
from interwork.core.errors import BadInput

PROCESSES = 8
MODES = 8
"""Machines at most that an activity may go to."""
UNITS_PER_H = 4
CO2_EUR_PER_KG = 0.1
"""100 EUR a tonne."""
KM_PER_H = 60.0
EUR_PER_LEG = 25.0
EUR_PER_KM = 0.55
CO2_PER_KM = 0.05
UNSERVED_EUR = 25_000.0
Point = tuple[float, float]


class Size(msgspec.Struct, frozen=True, kw_only=True):
    """How large a network is, how loaded, and by which seed it is drawn."""

    needs: int
    machines: int
    sites: int
    seed: int = 1
    load: float = 0.8
    """Hours of work over hours of machines until the last release and the mean time of a need."""

    @property
    def name(self) -> str:
        """Name the network by its numbers."""
        return f"net-{self.needs}-{self.machines}-{self.sites}-{self.seed}"


def generate(size: Size) -> Problem:
    """Draw the network of a size; the same numbers give the same network on any machine."""
    if not (1 <= size.needs <= 100_000 and PROCESSES <= size.machines <= 50_000 and 1 <= size.sites <= 2_000):
        raise BadInput(
            f"A network of {size.needs} needs, {size.machines} machines and {size.sites} sites is not drawn.",
            remedy=f"Give 1 to 100000 needs, {PROCESSES} to 50000 machines, 1 to 2000 sites.",
        )
    chance = random.Random(f"network:{size.seed}:{size.needs}:{size.machines}:{size.sites}")  # noqa: S311 - a benchmark
    points = [(chance.uniform(0, 1200), chance.uniform(0, 1200)) for _ in range(size.sites)]
    grid = [chance.choice((0.02, 0.05, 0.4, 0.75)) for _ in range(size.sites)]
    machines = [_machine(chance, number, size.sites) for number in range(size.machines)]
    chains = [_chain(chance) for _ in range(size.needs)]
    work = sum(hours for chain in chains for _, hours in chain)
    span_h = max(48.0, work / (size.load * size.machines))
    by_process = [[m for m in range(size.machines) if machines[m][1] == p] for p in range(PROCESSES)]
    demands: list[Demand] = []
    activities: list[Activity] = []
    for number, chain in enumerate(chains):
        home = chance.randrange(size.sites)
        demands.append(_demand(chance, number, chain, home, span_h))
        for step, (process, hours) in enumerate(chain):
            able = by_process[process]
            chosen = sorted(chance.sample(able, min(MODES, len(able))))
            modes = tuple(_mode(m, machines[m], hours, grid) for m in chosen)
            after = (Link(len(activities) - 1),) if step else ()
            activities.append(Activity(demand=number, modes=modes, after=after, name=f"{number}.{step}"))
    return Problem(
        name=size.name,
        kind=Kind.NETWORK,
        demands=tuple(demands),
        activities=tuple(activities),
        resources=tuple(_resource(chance, m, machines[m], span_h) for m in range(size.machines)),
        tariff=Tariff(co2=CO2_EUR_PER_KG),
        horizon=int(12 * span_h * UNITS_PER_H) + 2000,
        transport=_transport(points),
        minutes_per_unit=60 // UNITS_PER_H,
        source=f"SIMULATED: network benchmark {size.needs},{size.machines},{size.sites},{size.seed}",
    )


Machine = tuple[int, int, float, float, float]
"""Site, process, speed, EUR an hour, kW."""


def _machine(chance: random.Random, number: int, sites: int) -> Machine:
    speed = chance.uniform(0.7, 1.4)
    rate = chance.uniform(35, 95) * (0.5 + 0.5 * speed)
    return chance.randrange(sites), number % PROCESSES, speed, rate, chance.uniform(8, 40)


def _chain(chance: random.Random) -> list[tuple[int, float]]:
    steps = chance.randint(2, 5)
    return [(process, chance.uniform(4, 20)) for process in chance.sample(range(PROCESSES), steps)]


def _demand(chance: random.Random, number: int, chain: list[tuple[int, float]], home: int, span_h: float) -> Demand:
    alone_h = sum(hours for _, hours in chain) + 8.0 * (len(chain) + 1)
    release_h = chance.uniform(0, span_h * 0.9)
    due_h = release_h + alone_h * chance.uniform(1.0, 3.0)
    return Demand(
        id=f"need-{number}",
        release=int(release_h * UNITS_PER_H),
        due=int(due_h * UNITS_PER_H),
        late_per_unit=round(chance.uniform(4, 24) / UNITS_PER_H, 4),
        unserved=UNSERVED_EUR,
        origin=home,
        target=home,
    )


def _mode(number: int, machine: Machine, hours: float, grid: list[float]) -> Mode:
    site, _, speed, rate, power = machine
    duration = max(1, math.ceil(hours / speed * UNITS_PER_H))
    taken = duration / UNITS_PER_H
    energy = round(taken * power, 3)
    return Mode(
        uses=((number, 1),),
        duration=duration,
        price=round(taken * rate, 2),
        energy=energy,
        co2=round(energy * grid[site], 3),
        site=site,
    )


def _resource(chance: random.Random, number: int, machine: Machine, span_h: float) -> Resource:
    """Give a machine up to two maintenance shifts."""
    starts = sorted(chance.sample(range(int(span_h // 8) + 1), min(2, int(span_h // 8) + 1)))
    shifts = [(start * 8 * UNITS_PER_H, (start + 1) * 8 * UNITS_PER_H) for start in starts if chance.random() < 0.5]
    return Resource(id=f"machine-{number}", site=machine[0], owner=f"member-{machine[0]}", closed=tuple(shifts))


def _transport(points: list[Point]) -> Transport:
    km = [[math.dist(one, other) for other in points] for one in points]
    return Transport(
        time=tuple(tuple(math.ceil(each / KM_PER_H * UNITS_PER_H) if each else 0 for each in row) for row in km),
        price=tuple(tuple(round(EUR_PER_LEG + each * EUR_PER_KM, 2) if each else 0.0 for each in row) for row in km),
        co2=tuple(tuple(round(each * CO2_PER_KM, 3) for each in row) for row in km),
    )
