"""What crosses the edge of allocation: an offered capacity, and the demand a provider is asked to quote for.

A quote request carries what is demanded and never the geometry: who may quote need not see the design.
"""

from collections.abc import Collection
from datetime import datetime
from enum import StrEnum

import msgspec

from interwork.core.design import Operation, ProcessPlan, Requirement
from interwork.core.organisation import Place
from interwork.core.planning import Need
from interwork.core.resource import Capability


class CapacityOffer(msgspec.Struct, frozen=True, kw_only=True):
    """A resource somebody offers work on, as its catalog tells it."""

    provider: str
    """DID."""
    provider_name: str
    dataset: str
    resource: str
    resource_name: str
    place: Place = Place()
    capabilities: tuple[Capability, ...] = ()


class QuoteRequest(msgspec.Struct, frozen=True, kw_only=True):
    """The demand behind a need: operations with their requirements, how many, of what, by when and where to."""

    need: str
    operations: tuple[Operation, ...]
    quantity: int
    material: str
    stock_mass_kg: float
    part_mass_kg: float
    due: datetime
    deliver_to: Place = Place()
    requirements: tuple[Requirement, ...] = ()
    """Of the need as a whole: certificates, region."""


class Cause(StrEnum):
    """Why an operation cannot be placed; the closed list NoPlan's reasons are written from."""

    NO_CAPABLE_RESOURCE = "no capable resource"
    NO_VALID_QUOTE = "no valid quote"
    NO_TIME = "capable, but no time before the horizon"
    BUDGET = "budget exceeded"
    CERTIFICATE_OR_REGION = "certificate or region"
    NOT_FOUND = "not found within the time limit"


def draft_request(need: Need, plan: ProcessPlan, operations: Collection[str] | None = None) -> QuoteRequest:
    """Write the demand of a need down for a provider, for the operations it was matched for (None = all)."""
    asked = tuple(each for each in plan.operations if operations is None or each.id in operations)
    return QuoteRequest(
        need=need.id,
        operations=asked,
        quantity=need.quantity,
        material=need.material or plan.material,
        stock_mass_kg=plan.stock_mass_kg,
        part_mass_kg=plan.part_mass_kg,
        due=need.due,
        deliver_to=need.deliver_to,
        requirements=tuple(each for each in need.requirements if each.name not in {"budget", "budget_eur"}),
    )
