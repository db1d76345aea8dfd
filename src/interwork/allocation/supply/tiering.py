"""The tiers of a product: who could do each operation, who quoted it, who does it, and where one is alone."""

from collections.abc import Mapping, Sequence

from interwork.allocation.supply.bill import tiers
from interwork.allocation.supply.bridging import Web
from interwork.core.network.supply import Supplier, SupplyStep, TierRow
from interwork.core.planning import Match
from interwork.core.programme import TrackRecord

RUNS_MIN = 3
"""Finished runs a track record needs before it counts."""


def tier_rows(
    web: Web, made: Sequence[SupplyStep], matches: Sequence[Match], tracks: Mapping[str, TrackRecord]
) -> tuple[TierRow, ...]:
    """List every operation of every item, the product first, then its parts, then theirs."""
    depth = tiers(web.items)
    rows = []
    for number, item in enumerate(web.items):
        instance = web.instances[number]
        total = sum(sizes[number] for sizes in web.sizes)
        for operation, options in zip(instance.operations, instance.options, strict=True):
            able = {
                each.provider
                for each in matches
                if (each.need, each.operation) == (instance.need.id, operation.id) and each.is_feasible
            }
            quoted = {option.mode.provider: option.mode.provider_name for option in options}
            own = [step for step in made if (step.item, step.operation) == (item.key, operation.id)]
            rows.append(
                TierRow(
                    tier=depth[item.key],
                    item=item.key,
                    title=item.title,
                    quantity=total,
                    operation=operation.id,
                    operation_name=operation.name,
                    process=operation.process,
                    able=len(able | set(quoted)),
                    suppliers=_suppliers(quoted, own, tracks),
                    is_single=len(able | set(quoted)) == 1,
                )
            )
    return tuple(sorted(rows, key=lambda row: row.tier))


def _suppliers(
    quoted: Mapping[str, str], own: Sequence[SupplyStep], tracks: Mapping[str, TrackRecord]
) -> tuple[Supplier, ...]:
    whole = sum(step.quantity for step in own)
    found = []
    for provider, name in quoted.items():
        mine = sum(step.quantity for step in own if step.provider == provider)
        share = mine / whole if whole else 0.0
        found.append(
            Supplier(provider=provider, provider_name=name, share=share, on_time=on_time(tracks.get(provider)))
        )
    return tuple(sorted(found, key=lambda one: (-one.share, one.provider_name)))


def on_time(track: TrackRecord | None) -> float | None:
    """Tell the share of a provider's finished runs that were on time; None where too few are held."""
    return track.on_time / track.runs if track and track.runs >= RUNS_MIN else None
