"""A product with its tiers, what is wanted of it by when, and the plan of it over the network's providers."""

from datetime import datetime

import msgspec

from interwork.core.part.plan import Requirement


class Part(msgspec.Struct, frozen=True, kw_only=True):
    """So many of an item go into one piece of another."""

    item: str
    quantity: int = 1


class Item(msgspec.Struct, frozen=True, kw_only=True):
    """One thing of a bill of material: how one piece is made, and of what."""

    key: str
    """Its name within the product."""
    title: str
    process_plan: str
    """The id of the process plan it is made by; for an assembly the plan of assembling."""
    made_of: tuple[Part, ...] = ()


class Product(msgspec.Struct, frozen=True, kw_only=True):
    """A bill of material; the item that goes into no other is what is delivered."""

    id: str
    title: str
    owner: str
    items: tuple[Item, ...]
    requirements: tuple[Requirement, ...] = ()
    """Of every item: certificates, region."""
    created_at: datetime


class Period(msgspec.Struct, frozen=True, kw_only=True):
    """How many pieces are wanted by when."""

    due: datetime
    quantity: int


class SupplyStep(msgspec.Struct, frozen=True, kw_only=True):
    """One batch of one operation of one item placed on a resource in time."""

    period: int
    batch: int
    item: str
    operation: str
    operation_name: str
    quantity: int
    provider: str
    provider_name: str
    resource: str
    resource_name: str
    start: datetime
    end: datetime
    price_eur: float
    co2_kg: float


class Supplier(msgspec.Struct, frozen=True, kw_only=True):
    """One provider's part in one operation of one item."""

    provider: str
    provider_name: str
    share: float
    """Of the pieces, 0 to 1; 0 = it could, and has no part."""
    on_time: float | None
    """Share of its finished runs that were on time, by its track record; None where none is held."""


class TierRow(msgspec.Struct, frozen=True, kw_only=True):
    """One operation of one item, tier by tier: who could, who quoted, who does it."""

    tier: int
    """0 = the product itself; the parts of a part of tier n are of tier n + 1."""
    item: str
    title: str
    quantity: int
    """Pieces over all periods."""
    operation: str
    operation_name: str
    process: str
    able: int
    """Providers in the catalog whose machines fit."""
    suppliers: tuple[Supplier, ...]
    """Who quoted, the largest share first."""
    is_single: bool
    """Only one could: there is nowhere to go if it is away."""


class PeriodRow(msgspec.Struct, frozen=True, kw_only=True):
    """What comes of one period."""

    due: datetime
    quantity: int
    served: int
    finish: datetime | None
    late_h: float
    price_eur_each: float | None
    providers: tuple[str, ...]
    """Names."""
    limit: str
    """What stands in the way of the rest; empty where all is served in time."""


class Approval(msgspec.Struct, frozen=True, kw_only=True):
    """Something a provider must be granted before it may do an operation, and when it could have it."""

    provider: str
    provider_name: str
    item: str
    operation_name: str
    requirement: str
    wanted: str
    ready_at: datetime
    granted_by: str = ""
    granted_at: datetime | None = None


class SupplyPlan(msgspec.Struct, frozen=True, kw_only=True):
    """A product over tiers and periods placed on providers' machines, with objective, lower bound and reasons."""

    id: str
    product: str
    title: str
    is_emergency: bool = False
    periods: tuple[Period, ...]
    needs: tuple[str, ...]
    """One per item, in the order of the product's items."""
    quotes: tuple[str, ...]
    pace: dict[str, float] = {}
    """Of providers whose own record says they take longer than planned: by what factor they were reckoned."""
    batches: tuple[int, ...]
    """Of each period."""
    placements: tuple[tuple[int, int, int, int], ...]
    """The solution over the same records: activity, mode, start and end."""
    unserved: tuple[int, ...]
    objective_eur: float
    bound_eur: float
    gap: float
    is_optimal: bool
    price_eur: float
    """Work and carriage of what is served."""
    co2_kg: float
    steps: tuple[SupplyStep, ...]
    tiers: tuple[TierRow, ...]
    rows: tuple[PeriodRow, ...]
    approvals: tuple[Approval, ...] = ()
    small_floor: float = 0.0
    """Share of the money for work that has to go to small firms; the rule this plan was made under."""
    small_share: float = 0.0
    """What goes to small firms in this plan."""
    rule_price_eur: float = 0.0
    """What keeping the floor costs: this plan's objective less that of the plan without the rule."""
    notes: tuple[str, ...] = ()
    solver: str = ""
    seconds: float = 0.0
    jobs: tuple[str, ...] = ()
    """Opened when it was ordered, one per item."""
    decided_by: str = ""
    created_at: datetime


class Resourced(msgspec.Struct, frozen=True, kw_only=True):
    """One operation that goes to somebody else in a shortage."""

    item: str
    operation_name: str
    was: str
    now: str
    """Names of provider and machine; empty where nobody takes it."""
    quantity: int


class ShortageCase(msgspec.Struct, frozen=True, kw_only=True):
    """What would come of it if somebody or something were missing; nothing is changed by asking."""

    missing: tuple[str, ...]
    """Names of the machines that are gone."""
    cost_eur: float
    """Objective after less objective before, what is not served included at its penalty."""
    price_eur: float
    """What the served work and carriage cost more."""
    late_h: float
    """Hours by which the latest delivery is later than before."""
    unserved: int
    """Pieces of the product that cannot be made any more."""
    resourced: tuple[Resourced, ...]
    seconds: float
