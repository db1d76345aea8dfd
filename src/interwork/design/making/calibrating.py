"""Estimates that learn from finished runs: the ratio of actual to estimated time, per resource and process.

A ratio is taken against the estimate as it was before any calibration, so that learning twice from the same machine
does not drift. Under MIN_RUNS there is nothing to learn from; real runs count before simulated ones.
"""

import math
import statistics
from collections.abc import Iterable, Mapping

import msgspec

from interwork.core.design import PlanTime
from interwork.design.making.estimate import Time

MIN_RUNS = 3
_BOUNDS = (0.05, 20.0)
"""Ratios outside are faults of a record, not of an estimate."""


class FinishedRun(msgspec.Struct, frozen=True, kw_only=True):
    """What one finished run says: how long it was thought to take, and took."""

    process: str
    resource: str
    resource_name: str
    estimated_s: float
    """Planned time over the calibration that was in it."""
    actual_s: float
    is_simulated: bool = False


def calibrate(runs: Iterable[FinishedRun]) -> list[PlanTime]:
    """Compute the ratios per process over all resources (resource empty), and per process and resource."""
    groups: dict[tuple[str, str, str], list[FinishedRun]] = {}
    for run in runs:
        if run.estimated_s > 0 and _BOUNDS[0] <= run.actual_s / run.estimated_s <= _BOUNDS[1]:
            groups.setdefault((run.process, "", ""), []).append(run)
            groups.setdefault((run.process, run.resource, run.resource_name), []).append(run)
    found = (_ratio(key, group) for key, group in sorted(groups.items()))
    return [one for one in found if one is not None]


def _ratio(key: tuple[str, str, str], runs: list[FinishedRun]) -> PlanTime | None:
    real = [run for run in runs if not run.is_simulated]
    counted = real if len(real) >= MIN_RUNS else runs
    if len(counted) < MIN_RUNS:
        return None
    ratios = sorted(run.actual_s / run.estimated_s for run in counted)
    process, resource, name = key
    return PlanTime(
        process=process,
        resource=resource,
        resource_name=name,
        low=round(_quantile(ratios, 0.1), 4),
        likely=round(statistics.median(ratios), 4),
        high=round(_quantile(ratios, 0.9), 4),
        runs=len(ratios),
        is_simulated=any(run.is_simulated for run in counted),
    )


def _quantile(ordered: list[float], share: float) -> float:
    place = share * (len(ordered) - 1)
    low = math.floor(place)
    high = min(low + 1, len(ordered) - 1)
    return ordered[low] + (place - low) * (ordered[high] - ordered[low])


def applied(time: Time, process: str, calibrations: Mapping[str, PlanTime]) -> tuple[Time, float]:
    """Bring a time to what finished runs took; the range becomes theirs, at least 5 % to either side."""
    known = calibrations.get(process)
    if known is None:
        return time, 1.0
    likely = time.likely_s * known.likely
    kind = "simulated runs" if known.is_simulated else "finished runs"
    return (
        Time(
            low_s=round(time.likely_s * min(known.low, known.likely * 0.95), 1),
            likely_s=round(likely, 1),
            high_s=round(time.likely_s * max(known.high, known.likely * 1.05), 1),
            basis=f"{time.basis.partition('; low ×')[0]}; × {known.likely:g} ({known.low:g} to {known.high:g}) by "
            f"{known.runs} {kind} of {process}",
        ),
        known.likely,
    )
