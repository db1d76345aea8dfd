"""Track records: what a provider's finished runs say about it; computed from evidence, never typed in."""

from collections.abc import Sequence
from datetime import datetime

from interwork.core.making import Evidence
from interwork.core.programme import TrackRecord


def track_record(provider: str, name: str, evidence: Sequence[Evidence], at: datetime) -> TrackRecord:
    """Sum a provider's evidence; ratios are measured over planned, summed before dividing, None where unmetered."""
    mine = sorted(
        {piece.id: piece for piece in evidence if piece.provider == provider}.values(), key=lambda one: one.id
    )
    metered = [piece for piece in mine if piece.energy_kwh is not None and piece.planned_energy_kwh > 0]
    planned = sum(piece.planned_energy_kwh for piece in metered)
    timed = [piece for piece in mine if piece.planned_s > 0]
    planned_s = sum(piece.planned_s for piece in timed)
    return TrackRecord(
        id=provider,
        provider_name=name,
        runs=len(mine),
        parts=sum(piece.quantity for piece in mine),
        good=sum(piece.good for piece in mine),
        on_time=sum(1 for piece in mine if piece.due is None or piece.ended_at <= piece.due),
        energy_ratio=sum(piece.energy_kwh or 0.0 for piece in metered) / planned if planned else None,
        time_ratio=sum(piece.observed_s for piece in timed) / planned_s if planned_s else None,
        evidence=tuple(piece.id for piece in mine),
        updated_at=at,
    )
