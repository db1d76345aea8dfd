"""One need over its usable quotes in whole numbers: minutes, cents, grams, watt-hours; every later step reckons so.

Time runs in minutes from the first whole minute at or after now. The objective is counted in units of 1/86,400,000 €,
in which cents, grams at cents per kilogram, and seconds at cents per hour or per day are all whole, so that objective
and bound compare exactly.
"""

import math
from collections.abc import Mapping
from dataclasses import dataclass, replace
from datetime import datetime, timedelta
from typing import Any

from interwork.allocation.parts.model import Cause
from interwork.core.design import Operation
from interwork.core.organisation import Place
from interwork.core.planning import Mode, Need, Weights

UNITS_PER_EUR = 86_400_000
UNITS_PER_CENT = UNITS_PER_EUR // 100
MAX_LOTS = 3


@dataclass(frozen=True, slots=True)
class Route:
    """Carrying one lot between two sites."""

    km: float
    minutes: int
    cents: int
    grams: int


@dataclass(frozen=True, slots=True)
class Figures:
    """What one lot on one mode takes and costs."""

    minutes: int
    cents: int
    watt_hours: int
    grams: int
    millilitres: int


@dataclass(frozen=True, slots=True)
class Option:
    """A mode with its indices and its free windows in minutes."""

    mode: Mode
    provider: int
    resource: int
    site: int
    material_eur: float
    """Per part; not 0 only at the first operation."""
    windows: tuple[tuple[int, int], ...]

    def figures(self, quantity: int) -> Figures:
        """Reckon a lot of a given size."""
        mode = self.mode
        seconds = mode.setup_s + quantity * mode.unit_s
        return Figures(
            minutes=max(1, math.ceil(seconds / 60 - 1e-9)),
            cents=round(100 * (mode.setup_price_eur + quantity * (mode.unit_price_eur + self.material_eur))),
            watt_hours=round(1000 * (mode.setup_energy_kwh + quantity * mode.unit_energy_kwh)),
            grams=round(1000 * (mode.setup_co2_kg + quantity * mode.unit_co2_kg)),
            millilitres=round(1000 * quantity * mode.unit_water_l),
        )

    def starts(self, minutes: int) -> list[tuple[int, int]]:
        """List the stretches in which work of some minutes may start so that it ends in the same window."""
        return [(start, end - minutes) for start, end in self.windows if end - minutes >= start]


@dataclass(frozen=True, slots=True)
class Ignored:
    """What of the quotes cannot be used, and why."""

    cause: Cause
    provider: str
    """DID."""
    operation: str
    """Empty where a whole quote is meant."""
    text: str


@dataclass(frozen=True, slots=True)
class Prices:
    """The weights, in units of the objective."""

    gram: int
    late_second: int
    second: int


@dataclass(frozen=True, slots=True)
class Instance:
    """One need over the usable quotes, in whole numbers; operations are in topological order."""

    need: Need
    weights: Weights
    now: datetime
    origin: datetime
    quantity: int
    operations: tuple[Operation, ...]
    before: tuple[tuple[int, ...], ...]
    last: tuple[int, ...]
    """Operations nothing comes after: what they make is delivered."""
    options: tuple[tuple[Option, ...], ...]
    providers: tuple[str, ...]
    """DIDs, sorted."""
    names: tuple[str, ...]
    came: tuple[int, ...]
    """Of each provider, whether its quote came as the first (0), the second and so on."""
    sites: tuple[Place, ...]
    routes: Mapping[tuple[int, int], Route]
    carriage: Any
    travel: Any
    """Carrying a lot from site to site in units and in minutes: square arrays, 0 where it stays."""
    deliveries: tuple[Route | None, ...]
    prices: Prices
    due_s: int
    """Seconds from the origin; negative when past."""
    head_s: int
    """Seconds from now to the origin."""
    budget_cents: int | None
    ignored: tuple[Ignored, ...]
    notes: tuple[tuple[str, str], ...]
    """What was assumed, by the provider (or nobody) it concerns."""

    @property
    def splits(self) -> tuple[tuple[int, ...], ...]:
        """List the ways to split the quantity: one, two or three lots of nearly equal size."""
        return tuple(split(self.quantity, lots) for lots in range(1, min(MAX_LOTS, self.quantity) + 1))

    @property
    def horizon(self) -> int:
        """Tell the last minute anything can end: the end of the last window, then the longest delivery."""
        ends = [end for options in self.options for option in options for _, end in option.windows]
        carried = [route.minutes for route in self.deliveries if route]
        return max(ends, default=0) + max(carried, default=0)

    def moment(self, minute: int) -> datetime:
        """Tell the moment a minute of the plan stands for."""
        return self.origin + timedelta(minutes=minute)

    def objective(self, cents: int, grams: int, finish: int) -> int:
        """Weigh what a plan comes to, in units."""
        late_s = max(0, 60 * finish - self.due_s)
        money = cents * UNITS_PER_CENT + grams * self.prices.gram
        return money + late_s * self.prices.late_second + (60 * finish + self.head_s) * self.prices.second


def split(quantity: int, lots: int) -> tuple[int, ...]:
    """Split a quantity into lots that differ by one part at most, larger first."""
    each, rest = divmod(quantity, lots)
    return tuple(each + (lot < rest) for lot in range(lots))


def restricted(instance: Instance, providers: frozenset[int]) -> Instance:
    """Keep the options of some providers only."""
    kept = tuple(tuple(each for each in options if each.provider in providers) for options in instance.options)
    return replace(instance, options=kept)


def without_budget(instance: Instance) -> Instance:
    """Let a plan cost what it will."""
    return replace(instance, budget_cents=None)
