"""What a newcomer wants to know of a job: who makes what, when, at what cost and footprint, and what crossed."""

from datetime import datetime

import msgspec

from interwork.core.exchange import Agreement, Receipt
from interwork.core.making import Evidence, Job, JobStep, Order
from interwork.core.planning import Leg, Plan
from interwork.core.programme import Gap, TrackRecord
from interwork.flows.make_part.beside import Beside, Sum, also, beside, said, sum_of
from interwork.flows.node import Node


class Share(msgspec.Struct, frozen=True, kw_only=True):
    """One line of who does what, when."""

    operation: str
    quantity: int
    provider: str
    resource: str
    start: datetime
    end: datetime
    price_eur: float


class Rival(msgspec.Struct, frozen=True, kw_only=True):
    """What people do today, beside the plan; said once, with every part it plays."""

    name: str
    label: str
    roles: tuple[str, ...]
    objective_eur: float | None
    price_eur: float | None
    saving_eur: float | None
    """Its objective above the plan's: like against like."""
    reason: str


class Crossing(msgspec.Struct, frozen=True, kw_only=True):
    """What crossed under one agreement, as this node counted it."""

    agreement: str
    title: str
    peer: str
    direction: str
    what: str
    items: int
    bytes: int


class Summary(msgspec.Struct, frozen=True, kw_only=True):
    """A job in figures, every one computed from records."""

    job: Job
    shares: tuple[Share, ...]
    legs: tuple[Leg, ...]
    """What is carried, and what that costs: with the shares it comes to the price."""
    sum: Sum | None
    rivals: tuple[Rival, ...]
    also: tuple[str, ...]
    """What the plan itself is besides: the cheapest single provider, for one."""
    reasons: tuple[str, ...]
    price_eur: float | None
    objective_eur: float | None
    bound_eur: float | None
    gap: float | None
    is_optimal: bool
    finish: datetime | None
    late_h: float
    energy_planned_kwh: float | None
    energy_metered_kwh: float | None
    co2_kg: float | None
    transport_km: float | None
    good: int
    scrap: int
    crossings: tuple[Crossing, ...]
    track: tuple[TrackRecord, ...]
    gaps: tuple[Gap, ...]
    is_simulated: bool
    time_scale: float


async def summarise(node: Node, job_id: str) -> Summary:
    """Compute a job's summary from its records."""
    job = await node.store.get(Job, job_id)
    plan = await node.store.peek(Plan, job.plan) if job.plan else None
    evidence = [await node.store.get(Evidence, one) for one in job.evidence]
    metered = [one.energy_kwh for one in evidence if one.energy_kwh is not None]
    totals = plan.totals if plan else None
    last = _last_inspected(evidence)
    return Summary(
        job=job,
        shares=_shares(plan),
        legs=tuple(sorted(plan.legs, key=lambda one: one.start)) if plan else (),
        sum=sum_of(plan) if plan else None,
        rivals=tuple(_rival(plan, one) for one in beside(plan)) if plan else (),
        also=also(plan) if plan else (),
        reasons=plan.reasons if plan else (),
        price_eur=totals.price_eur if totals else None,
        objective_eur=plan.objective_eur if plan else None,
        bound_eur=plan.bound_eur if plan else None,
        gap=plan.gap if plan else None,
        is_optimal=plan.is_optimal if plan else False,
        finish=totals.finish if totals else None,
        late_h=totals.late_h if totals else 0.0,
        energy_planned_kwh=totals.energy_kwh if totals else None,
        energy_metered_kwh=sum(metered) if metered else None,
        co2_kg=totals.co2_kg if totals else None,
        transport_km=totals.transport_km if totals else None,
        good=sum(one.good for one in last),
        scrap=sum(one.scrap for one in last),
        crossings=await _crossings(node, job),
        track=tuple(await node.store.find(TrackRecord, limit=100)) if job.step is JobStep.DONE else (),
        gaps=tuple(await node.store.find(Gap, need=job.need, limit=100)) if job.need else (),
        is_simulated=any(one.is_simulated for one in evidence),
        time_scale=max((one.time_scale for one in evidence), default=1.0),
    )


def _last_inspected(evidence: list[Evidence]) -> list[Evidence]:
    """Pick the runs of the last operation: their good parts are the parts delivered."""
    if not evidence:
        return []
    final = max(evidence, key=lambda one: one.ended_at).operation_name
    return [one for one in evidence if one.operation_name == final]


def _shares(plan: Plan | None) -> tuple[Share, ...]:
    rows = sorted(plan.assignments, key=lambda one: one.start) if plan else []
    return tuple(
        Share(
            operation=one.operation_name,
            quantity=one.quantity,
            provider=one.provider_name,
            resource=one.resource_name,
            start=one.start,
            end=one.end,
            price_eur=one.price_eur,
        )
        for one in rows
    )


def _rival(plan: Plan, one: Beside) -> Rival:
    other = one.candidate
    can = other.is_feasible and other.totals is not None
    return Rival(
        name=other.name,
        label=said(one),
        roles=one.roles,
        objective_eur=other.objective_eur if can else None,
        price_eur=other.totals.price_eur if can and other.totals else None,
        saving_eur=other.objective_eur - plan.objective_eur if can else None,
        reason=other.reason,
    )


async def _crossings(node: Node, job: Job) -> tuple[Crossing, ...]:
    """Collect the receipts of every agreement this job's orders rest on."""
    agreements: dict[str, Agreement] = {}
    for order_id in job.orders:
        order = await node.store.get(Order, order_id)
        standing = await node.store.get(Agreement, order.agreement)
        agreements[standing.id] = standing
        for dataset in (order.readings_dataset, order.design_dataset):
            for one in await node.store.find(Agreement, dataset=dataset, limit=10):
                agreements[one.id] = one
    found: list[Crossing] = []
    for agreement in agreements.values():
        receipts = await node.store.find(Receipt, agreement=agreement.id, limit=100)
        found.extend(_crossing(agreement, one) for one in receipts)
    return tuple(found)


def _crossing(agreement: Agreement, receipt: Receipt) -> Crossing:
    return Crossing(
        agreement=agreement.id,
        title=agreement.dataset_title,
        peer=agreement.peer_name,
        direction=receipt.direction,
        what=receipt.what,
        items=receipt.items,
        bytes=receipt.bytes,
    )
