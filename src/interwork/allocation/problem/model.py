"""The one allocation model: demands with activities, their modes, resources, links; and what a solution says.

Times are whole units of the problem's own clock (`minutes_per_unit`); money is in euro, energy in kWh, CO₂ in kg, water
in litres, material in kg. Resources, demands and activities are named by their index in the problem's tuples, so that a
solver works on plain arrays. Everything is a frozen value; `verify` checks a solution without any code of the solvers.
"""

from enum import StrEnum

import msgspec

Window = tuple[int, int]
"""A stretch of time, from (included) to (excluded)."""


class Kind(StrEnum):
    """Which case of the model a problem is; it decides which solver takes it."""

    SHOP = "flexible job shop"
    PROJECT = "project scheduling"
    ASSIGNMENT = "generalised assignment"
    NETWORK = "network allocation"
    PORTFOLIO = "funding portfolio"


class ResourceKind(StrEnum):
    """How a resource limits what uses it."""

    UNARY = "unary"
    """One activity at a time; families may need a setup between them."""
    CUMULATIVE = "cumulative"
    """At most `capacity` in use at any instant."""
    BUCKETED = "bucketed"
    """At most `capacity` used within each bucket of `bucket` units (0 = the whole horizon)."""
    CONSUMABLE = "consumable"
    """At most `capacity` used up in all: stock, or money of one programme in one year."""


class Resource(msgspec.Struct, frozen=True, kw_only=True):
    """Something with a limited capacity: a machine, a laboratory, a team, hours, a stock, a budget."""

    id: str
    kind: ResourceKind = ResourceKind.UNARY
    capacity: int = 1
    bucket: int = 0
    site: int = -1
    """Index of the site in the problem's transport matrix; -1 = anywhere."""
    owner: str = ""
    region: str = ""
    closed: tuple[Window, ...] = ()
    """Nothing runs here then, and no activity may span it."""
    breaks: tuple[Window, ...] = ()
    """No work is done then, but an activity that began before resumes after it."""
    setups: tuple[tuple[int, ...], ...] = ()
    """Units of time between families on this unary resource; empty = those of the problem."""


class Mode(msgspec.Struct, frozen=True, kw_only=True):
    """One way to do an activity: what it takes of which resources, how long, and what it costs."""

    uses: tuple[tuple[int, int], ...]
    """Pairs of resource index and amount."""
    duration: int = 0
    price: float = 0.0
    energy: float = 0.0
    co2: float = 0.0
    water: float = 0.0
    material: float = 0.0
    site: int = -1
    """Where it is done; transport is reckoned between the sites of linked activities."""
    value: float = 0.0
    """What choosing it brings (portfolios)."""


class Link(msgspec.Struct, frozen=True):
    """A precedence: the activity that comes before, and the least time between its end and the next one's start."""

    before: int
    lag: int = 0


class Activity(msgspec.Struct, frozen=True, kw_only=True):
    """One step of a demand, to be done in exactly one of its modes."""

    demand: int
    modes: tuple[Mode, ...]
    after: tuple[Link, ...] = ()
    family: int = -1
    """Row of the setup matrix; -1 = needs no setup."""
    name: str = ""


class Demand(msgspec.Struct, frozen=True, kw_only=True):
    """A need as the solvers see it: what it allows, and what lateness or refusal costs."""

    id: str
    release: int = 0
    due: int | None = None
    deadline: int | None = None
    budget: float | None = None
    """Euro at most for its modes and transport."""
    late_per_unit: float = 0.0
    unserved: float | None = None
    """Euro charged if it is not served; None = it must be served."""
    origin: int = -1
    """Site its material comes from; -1 = no carriage to the first step."""
    target: int = -1
    """Site it is delivered to; -1 = no carriage from the last step."""
    owner: str = ""
    region: str = ""
    excluded: tuple[int, ...] = ()
    """Resources that policy forbids to it, for any step."""


class Transport(msgspec.Struct, frozen=True, kw_only=True):
    """Carriage between sites: units of time, euro and kg CO₂ for each ordered pair."""

    time: tuple[tuple[int, ...], ...]
    price: tuple[tuple[float, ...], ...] = ()
    co2: tuple[tuple[float, ...], ...] = ()


class Row(msgspec.Struct, frozen=True, kw_only=True):
    """A linear rule over chosen modes: at least `at_least` in all; a cost share, a regional cap, an exclusion."""

    name: str
    terms: tuple[tuple[int, int, float], ...]
    """Triples of activity, mode and coefficient."""
    at_least: float = 0.0


class Synergy(msgspec.Struct, frozen=True):
    """Extra value, counted once, where both of two demands are served."""

    one: int
    other: int
    value: float


class Tariff(msgspec.Struct, frozen=True, kw_only=True):
    """What the objective charges for besides price and lateness, in euro per unit; `makespan` per unit of time."""

    makespan: float = 0.0
    money: float = 1.0
    energy: float = 0.0
    co2: float = 0.0
    water: float = 0.0
    material: float = 0.0
    value: float = 0.0
    """Counted against the cost: a portfolio's tariff is 1 here and 0 for money."""


class Problem(msgspec.Struct, frozen=True, kw_only=True):
    """Everything a solver needs, and nothing else."""

    name: str
    kind: Kind
    demands: tuple[Demand, ...]
    activities: tuple[Activity, ...]
    """Of one demand in a row of their own order; a link points to any activity of the problem."""
    resources: tuple[Resource, ...]
    tariff: Tariff
    horizon: int = 0
    """Latest end of anything; 0 = open."""
    transport: Transport | None = None
    setups: tuple[tuple[int, ...], ...] = ()
    """Units of time between families on a unary resource."""
    rows: tuple[Row, ...] = ()
    synergies: tuple[Synergy, ...] = ()
    minutes_per_unit: int = 60
    source: str = ""
    """Where it comes from: a file format, or the generator and its numbers."""
    is_maximum: bool = False
    """Whether the file asks for the greatest value: every price is the negative of a value, and so is the objective."""


class Placement(msgspec.Struct, frozen=True):
    """An activity in one of its modes, from start to end."""

    activity: int
    mode: int
    start: int
    end: int


class Status(StrEnum):
    """What is known of a solution."""

    OPTIMAL = "optimal"
    FEASIBLE = "feasible"
    INFEASIBLE = "infeasible"
    UNKNOWN = "unknown"
    """No solution was found within the limit, and none was proved impossible."""


class Solution(msgspec.Struct, frozen=True, kw_only=True):
    """A plan over a problem, with its objective, its lower bound and what is known of it."""

    problem: str
    status: Status
    objective: float
    bound: float
    placements: tuple[Placement, ...] = ()
    unserved: tuple[int, ...] = ()
    solver: str = ""
    seed: int = 1
    seconds: float = 0.0

    @property
    def gap(self) -> float:
        """Tell (objective - bound) / objective; 0 where both are 0."""
        span = abs(self.objective)
        return max(0.0, self.objective - self.bound) / span if span else 0.0

    @property
    def is_solved(self) -> bool:
        """Tell whether there is a plan at all."""
        return self.status in (Status.OPTIMAL, Status.FEASIBLE)
