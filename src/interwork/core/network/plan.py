"""What is quoted and what is planned of it: modes, quotes, assignments, plans; `core.planning` shows them all."""

from datetime import datetime

import msgspec

from interwork.core.organisation import Place


class Window(msgspec.Struct, frozen=True, kw_only=True):
    """A stretch of time in which a resource is free."""

    start: datetime
    end: datetime


class Mode(msgspec.Struct, frozen=True, kw_only=True):
    """One way to do one operation: a resource with its times, price and footprint per set-up and per part."""

    operation: str
    resource: str
    resource_name: str
    provider: str
    provider_name: str
    place: Place
    setup_s: float
    unit_s: float
    setup_price_eur: float
    unit_price_eur: float
    setup_energy_kwh: float
    unit_energy_kwh: float
    setup_co2_kg: float
    unit_co2_kg: float
    unit_water_l: float
    windows: tuple[Window, ...]


class Quote(msgspec.Struct, frozen=True, kw_only=True):
    """A provider's answer to a need: the modes it offers and until when it holds."""

    id: str
    need: str
    provider: str
    provider_name: str
    agreement: str
    modes: tuple[Mode, ...]
    material_price_eur: float
    """Per part, stock included; charged once by whoever does the first operation."""
    valid_until: datetime
    declined: tuple[str, ...] = ()
    """Operations it could not quote, with the reason."""
    notes: tuple[str, ...] = ()
    """What was assumed in it, such as the price of the material."""


class Assignment(msgspec.Struct, frozen=True, kw_only=True):
    """One lot of one operation placed on a resource in time."""

    id: str
    operation: str
    operation_name: str
    lot: int
    quantity: int
    resource: str
    resource_name: str
    provider: str
    provider_name: str
    place: Place
    start: datetime
    end: datetime
    price_eur: float
    energy_kwh: float
    co2_kg: float
    water_l: float


class Leg(msgspec.Struct, frozen=True, kw_only=True):
    """A lot carried from one place to another between operations, or to whoever wanted it."""

    lot: int
    quantity: int
    source: str
    target: str
    distance_km: float
    start: datetime
    end: datetime
    price_eur: float
    co2_kg: float


class Totals(msgspec.Struct, frozen=True, kw_only=True):
    """What a plan comes to."""

    price_eur: float
    energy_kwh: float
    co2_kg: float
    water_l: float
    transport_km: float
    finish: datetime
    late_h: float


class Weights(msgspec.Struct, frozen=True, kw_only=True):
    """What the objective is made of, in euro."""

    co2_eur_per_kg: float = 0.1
    late_eur_per_h: float = 25.0
    finish_eur_per_day: float = 2.0
    transport_eur_per_km: float = 0.35
    transport_eur_per_leg: float = 18.0
    transport_kg_co2_per_km: float = 0.12
    transport_km_per_h: float = 60.0


class Candidate(msgspec.Struct, frozen=True, kw_only=True):
    """A plan somebody else would have made, kept beside ours: a baseline, or a provider that was not chosen."""

    name: str
    """`first-capable`, `cheapest-single` or `only:<provider>`."""
    label: str
    is_feasible: bool
    objective_eur: float
    totals: Totals | None
    reason: str
    """Why it was not chosen, with the number."""
    assignments: tuple[Assignment, ...] = ()
    legs: tuple[Leg, ...] = ()


class Plan(msgspec.Struct, frozen=True, kw_only=True):
    """Operations placed on resources in time, with objective and lower bound."""

    id: str
    need: str
    assignments: tuple[Assignment, ...]
    legs: tuple[Leg, ...]
    totals: Totals
    weights: Weights
    objective_eur: float
    bound_eur: float
    """No plan over these quotes can have a lower objective."""
    gap: float
    """(objective - bound) / objective."""
    is_optimal: bool
    """True only with proof."""
    alternatives: tuple[Candidate, ...]
    """Both baselines and every provider taken alone."""
    reasons: tuple[str, ...]
    """Why each provider was or was not chosen, one sentence each."""
    solver: str
    seconds: float
    decided_by: str
    created_at: datetime
