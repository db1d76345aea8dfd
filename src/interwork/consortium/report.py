"""The report: every figure computed from records, every figure with the rows it was computed from."""

from collections.abc import Callable, Iterable, Sequence
from typing import TypeVar

import msgspec

from interwork.core.exchange import Agreement, AgreementState
from interwork.core.making import Evidence
from interwork.core.organisation import Membership, MembershipState, Organisation
from interwork.core.programme import Award, Call, CostShare, Disbursement, Gap, Technology, TrackRecord
from interwork.store import Store

ROWS_MAX = 10_000
"""Rows read per word; a report over more says so."""

FINANCE = "Financial leverage"
Row = tuple[str, str]
T = TypeVar("T")


class Metric(msgspec.Struct, frozen=True, kw_only=True):
    """One figure with its unit and the records behind it."""

    id: str
    group: str
    label: str
    value: float
    unit: str
    rows: tuple[Row, ...]


async def metrics(store: Store) -> list[Metric]:
    """Compute the whole report from this node's records."""
    return [
        *await _ecosystem(store),
        *await _technology(store),
        *await _finance(store),
        *await _making(store),
    ]


def _count(name: str, group: str, label: str, unit: str, rows: Iterable[Row]) -> Metric:
    kept = tuple(rows)
    return Metric(id=name, group=group, label=label, value=float(len(kept)), unit=unit, rows=kept)


async def _ecosystem(store: Store) -> list[Metric]:
    group = "Innovation ecosystem"
    bodies = await store.find(Organisation, limit=ROWS_MAX)
    members = await store.find(Membership, state=MembershipState.GRANTED, limit=ROWS_MAX)
    waiting = await store.find(Membership, state=MembershipState.REQUESTED, limit=ROWS_MAX)
    kinds = {body.id: body.kind for body in bodies}
    found = [
        _count("organisations", group, "Organisations in the directory", "", ((one.id, one.name) for one in bodies)),
        _count("members", group, "Members", "", ((one.id, one.organisation_name) for one in members)),
        _count("waiting", group, "Applications waiting", "", ((one.id, one.organisation_name) for one in waiting)),
    ]
    for kind in sorted({kinds[one.organisation] for one in members if one.organisation in kinds}):
        rows = [(one.id, one.organisation_name) for one in members if kinds.get(one.organisation) == kind]
        found.append(_count(f"members-{kind.value}", group, f"Members: {kind.value}", "", rows))
    return found


async def _technology(store: Store) -> list[Metric]:
    group = "Technology advancement"
    technologies = await store.find(Technology, limit=ROWS_MAX)
    gaps = await store.find(Gap, limit=ROWS_MAX)
    moved = [one for one in technologies if one.trl > one.trl_start]
    return [
        _count("technologies", group, "Technologies", "", ((one.id, one.name) for one in technologies)),
        _count(
            "technologies-moved",
            group,
            "Technologies whose TRL rose on evidence",
            "",
            ((one.id, f"{one.name}: TRL {one.trl_start} → {one.trl}") for one in moved),
        ),
        _count("gaps", group, "Gaps found", "", ((one.id, f"{one.kind.value}: {one.title}") for one in gaps)),
    ]


async def _finance(store: Store) -> list[Metric]:
    group = FINANCE
    calls = await store.find(Call, limit=ROWS_MAX)
    awards = await store.find(Award, limit=ROWS_MAX)
    shares = await store.find(CostShare, limit=ROWS_MAX)
    paid = await store.find(Disbursement, limit=ROWS_MAX)
    public = sum(one.amount_eur for one in awards)
    private = sum(one.amount_eur for one in shares)
    found = [
        _sum("call-budget", "Open for proposals", calls, lambda one: one.budget_eur, lambda one: (one.id, one.title)),
        _sum("awarded", "Awarded", awards, lambda one: one.amount_eur, lambda one: (one.id, one.id)),
        _sum(
            "cost-share",
            "Cost share pledged",
            shares,
            lambda one: one.amount_eur,
            lambda one: (one.id, one.organisation),
        ),
        _sum("disbursed", "Paid on evidence", paid, lambda one: one.amount_eur, lambda one: (one.id, one.milestone)),
    ]
    if public:
        rows = (*_euros(awards), *_euros(shares))
        found.append(
            Metric(
                id="match-ratio",
                group=group,
                label="Partner euro per public euro",
                value=private / public,
                unit="",
                rows=rows,
            )
        )
    return found


def _euros(records: Sequence[Award] | Sequence[CostShare]) -> list[Row]:
    return [(one.id, f"{one.amount_eur:,.0f} EUR") for one in records]


def _sum(
    name: str, label: str, records: Sequence[T], amount: Callable[[T], float], title: Callable[[T], tuple[str, str]]
) -> Metric:
    rows = []
    for one in records:
        identifier, text = title(one)
        rows.append((identifier, f"{text}: {amount(one):,.0f} EUR"))
    return Metric(id=name, group=FINANCE, label=label, value=sum(map(amount, records)), unit="EUR", rows=tuple(rows))


async def _making(store: Store) -> list[Metric]:
    group = "Manufacturing"
    evidence = await store.find(Evidence, limit=ROWS_MAX)
    records = await store.find(TrackRecord, limit=ROWS_MAX)
    agreements = await store.find(Agreement, state=AgreementState.ACTIVE, limit=ROWS_MAX)
    rows = tuple(
        (one.id, f"{one.operation_name} at {one.provider_name}: {one.good} of {one.quantity}") for one in evidence
    )
    good = sum(one.good for one in evidence)
    total = sum(one.quantity for one in evidence)
    energy = [one for one in evidence if one.energy_kwh is not None]
    found = [
        _count("agreements", group, "Agreements in force", "", ((one.id, one.dataset_title) for one in agreements)),
        Metric(
            id="runs", group=group, label="Finished runs with evidence", value=float(len(evidence)), unit="", rows=rows
        ),
        Metric(
            id="energy",
            group=group,
            label="Energy metered on runs",
            value=sum(one.energy_kwh or 0.0 for one in energy),
            unit="kWh",
            rows=tuple((one.id, f"{one.operation_name}: {one.energy_kwh:.3f} kWh") for one in energy),
        ),
        _count(
            "track-records",
            group,
            "Providers with a track record",
            "",
            ((one.id, one.provider_name) for one in records),
        ),
    ]
    if total:
        found.append(
            Metric(
                id="yield", group=group, label="Good parts of parts made", value=100 * good / total, unit="%", rows=rows
            )
        )
    return found
