"""Process capability and performance with their confidence limits (ISO 22514-2): a figure of ten parts says little."""

import math
from collections import defaultdict
from collections.abc import Iterable, Sequence
from itertools import pairwise
from statistics import fmean, stdev

import msgspec
from scipy import stats

from interwork.core.making import Measurement
from interwork.stream.insight.charts import c4, d2

INDIVIDUALS_FREEDOM = 0.62
"""Degrees of freedom that n moving ranges of two are worth, as a share of n."""


class Index(msgspec.Struct, frozen=True, kw_only=True):
    """One index with its two-sided confidence limits; all None where there is no spread or no such limit."""

    value: float | None = None
    low: float | None = None
    high: float | None = None


class Capability(msgspec.Struct, frozen=True, kw_only=True):
    """Cp and Cpk by the deviation inside subgroups, Pp and Ppk by that of all values."""

    cp: Index
    cpk: Index
    pp: Index
    ppk: Index
    count: int
    confidence: float


def capability(
    values: Sequence[float],
    lower: float | None,
    upper: float | None,
    *,
    subgroup: int = 1,
    confidence: float = 0.95,
) -> Capability:
    """Tell how a series of values, in order of making, fits between its specification limits (one may be missing)."""
    count = len(values)
    if count < 2:
        none = Index()
        return Capability(cp=none, cpk=none, pp=none, ppk=none, count=count, confidence=confidence)
    mean, (inner, freedom), outer = fmean(values), _within(values, subgroup), stdev(values)
    made = {}
    for name, sigma, free in (("p", inner, freedom), ("P", outer, count - 1.0)):
        both = _both_sides(lower, upper, sigma, free, confidence)
        made[name], made[name + "k"] = both, _nearer(mean, (lower, upper), sigma, (count, free), confidence)
    return Capability(
        cp=made["p"], cpk=made["pk"], pp=made["P"], ppk=made["Pk"], count=count, confidence=confidence
    )  # fmt: skip


def _within(values: Sequence[float], subgroup: int) -> tuple[float, float]:
    """Tell the deviation inside subgroups and the degrees of freedom it has."""
    if subgroup < 2:
        ranges = [abs(one - other) for one, other in pairwise(values)]
        return fmean(ranges) / d2(2), max(1.0, INDIVIDUALS_FREEDOM * (len(values) - 1))
    groups = [values[at : at + subgroup] for at in range(0, len(values) - subgroup + 1, subgroup)]
    if not groups:
        return stdev(values), len(values) - 1.0
    freedom = len(groups) * (subgroup - 1)
    pooled = math.sqrt(fmean(stdev(group) ** 2 for group in groups))
    return pooled / c4(freedom + 1), float(freedom)


def _both_sides(lower: float | None, upper: float | None, sigma: float, free: float, confidence: float) -> Index:
    if lower is None or upper is None or not sigma > 0:
        return Index()
    value, tail = (upper - lower) / (6 * sigma), (1 - confidence) / 2
    low, high = (value * math.sqrt(float(stats.chi2.ppf(share, free)) / free) for share in (tail, 1 - tail))
    return Index(value=value, low=low, high=high)


def _nearer(
    mean: float, limits: tuple[float | None, float | None], sigma: float, sizes: tuple[int, float], confidence: float
) -> Index:
    lower, upper = limits
    sides = [side for side in (None if upper is None else upper - mean, None if lower is None else mean - lower)
             if side is not None]  # fmt: skip
    if not sides or not sigma > 0:
        return Index()
    value, (count, free) = min(sides) / (3 * sigma), sizes
    half = float(stats.norm.ppf((1 + confidence) / 2)) * math.sqrt(1 / (9 * count) + value**2 / (2 * free))
    return Index(value=value, low=value - half, high=value + half)


def cpk(values: Sequence[float], lower: float, upper: float) -> float | None:
    """Tell the process capability of individual values in order of making; spread from moving ranges of two."""
    return capability(values, lower, upper).cpk.value


def ppk(values: Sequence[float], lower: float, upper: float) -> float | None:
    """Tell the process performance of values; spread over all of them."""
    return capability(values, lower, upper).ppk.value


def by_characteristic(measurements: Iterable[Measurement]) -> dict[str, list[Measurement]]:
    """Part measurements by their characteristic, each in order of the parts."""
    series: dict[str, list[Measurement]] = defaultdict(list)
    for one in measurements:
        series[one.characteristic].append(one)
    return {name: sorted(ones, key=lambda one: one.part) for name, ones in series.items()}


def process_capability(measurements: Iterable[Measurement]) -> float | None:
    """Tell the lowest Cpk of the characteristics measured; None where no characteristic has a spread."""
    found = [
        cpk([one.actual_mm for one in ones], ones[0].lower_mm, ones[0].upper_mm)
        for ones in by_characteristic(measurements).values()
    ]
    return min((one for one in found if one is not None), default=None)
