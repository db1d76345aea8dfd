"""In an emergency: who could convert to a product, by when, with which approvals; and from a pilot to volume.

Nothing is guessed: what a provider lacks is read off its stated capability. A missing approval (certificate) or an
answer it owes is a step with a lead time only where somebody gives one; without it the date is told as not known.
"""

from collections.abc import Mapping, Sequence
from datetime import datetime, timedelta

import msgspec

from interwork.allocation.parts.gaps import closeness, misses
from interwork.allocation.parts.matching import match
from interwork.allocation.parts.model import CapacityOffer
from interwork.allocation.parts.solving import allocate
from interwork.core.design import ProcessPlan
from interwork.core.errors import NoPlan
from interwork.core.planning import Need, Quote, Verdict, Weights


class Conversion(msgspec.Struct, frozen=True, kw_only=True):
    """What one provider would need for one operation."""

    provider: str
    provider_name: str
    operation: str
    operation_name: str
    resource_name: str
    approvals: tuple[str, ...]
    """Certificates to be had."""
    questions: tuple[str, ...]
    """What it does not state."""
    equipment: tuple[str, ...]
    """What its machine cannot do, with the numbers."""
    ready_at: datetime | None
    """None where a lead time is not known."""


class Stage(msgspec.Struct, frozen=True, kw_only=True):
    """One quantity on the way from a pilot to volume."""

    quantity: int
    price_eur_each: float | None
    finish: datetime | None
    late_h: float
    providers: tuple[str, ...]
    limit: str
    """What stands in the way; empty where there is a plan."""


def conversions(
    need: Need,
    process: ProcessPlan,
    offers: Sequence[CapacityOffer],
    *,
    now: datetime,
    lead_days: Mapping[str, float] | None = None,
) -> list[Conversion]:
    """List who offers an operation's process and what each lacks, the soonest first; lead days by requirement name."""
    known = lead_days or {}
    names = {each.id: each.name for each in process.operations}
    rank = {each: number for number, each in enumerate(names)}
    found: dict[tuple[str, str], Conversion] = {}
    for each in sorted(match(need, process, offers), key=closeness):
        failed = misses(each)
        if any(one.requirement == "process" for one in failed) or (each.provider, each.operation) in found:
            continue
        days = [known.get(one.requirement) for one in failed]
        ready = None if any(one is None for one in days) else now + timedelta(days=max([*filter(None, days), 0.0]))
        found[each.provider, each.operation] = Conversion(
            provider=each.provider,
            provider_name=each.provider_name,
            operation=each.operation,
            operation_name=names[each.operation],
            resource_name=each.resource_name,
            approvals=tuple(one.wanted for one in failed if one.requirement == "certificate"),
            questions=tuple(
                one.text for one in failed if one.verdict is Verdict.UNKNOWN and one.requirement != "certificate"
            ),
            equipment=tuple(
                one.text for one in failed if one.verdict is Verdict.VIOLATED and one.requirement != "certificate"
            ),
            ready_at=ready,
        )
    far = now + timedelta(days=36_500)
    return sorted(found.values(), key=lambda one: (rank[one.operation], one.ready_at or far, one.provider_name))


def pilot_to_volume(
    need: Need,
    process: ProcessPlan,
    quotes: Sequence[Quote],
    quantities: Sequence[int],
    *,
    now: datetime,
    seconds: float = 2.0,
) -> list[Stage]:
    """Plan each quantity over the same quotes and free windows; where there is no plan, say what limits it."""
    stages = []
    for quantity in sorted(set(quantities)):
        asked = msgspec.structs.replace(need, quantity=quantity, budget_eur=None)
        try:
            plan = allocate(asked, process, quotes, weights=Weights(), now=now, seconds=seconds)
        except NoPlan as fault:
            limit = " ".join(fault.reasons) or fault.message
            stages.append(
                Stage(quantity=quantity, price_eur_each=None, finish=None, late_h=0.0, providers=(), limit=limit)
            )
            continue
        stages.append(
            Stage(
                quantity=quantity,
                price_eur_each=plan.totals.price_eur / quantity,
                finish=plan.totals.finish,
                late_h=plan.totals.late_h,
                providers=tuple(sorted({one.provider_name for one in plan.assignments})),
                limit="",
            )
        )
    return stages
