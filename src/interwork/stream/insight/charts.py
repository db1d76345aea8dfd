"""Control charts: the constants of normal samples by integration, limits of every kind of chart, points held to them.

Phase I learns centre and deviation from a series; phase II holds new points against the frozen ones. Subgroups come
from parts or cycles, never from wall-clock time, and the deviation inside them is what limits are made of.
"""

import math
from collections.abc import Callable, Sequence
from functools import cache

import msgspec
import numpy as np
from scipy import integrate, stats

from interwork.core.errors import BadInput
from interwork.stream.columns import Flags
from interwork.stream.insight.facts import Floats

SUBGROUP_MAX = 25
WIDTH = 3.0
"""Control limits stand so many deviations from the centre."""


class Limits(msgspec.Struct, frozen=True, kw_only=True):
    """What phase I learnt and phase II holds points against: the process's centre and short-term deviation."""

    centre: float
    sigma: float
    """Of single values (for counts and shares: not used, their deviation follows from the centre)."""


class Trace(msgspec.Struct, frozen=True, kw_only=True):
    """One line of a chart: points with their centre and limits."""

    name: str
    points: list[float]
    centre: list[float]
    lower: list[float]
    upper: list[float]
    z: list[float]
    """Distance from the centre in deviations of a point: what the run rules look at."""


class Chart(msgspec.Struct, frozen=True, kw_only=True):
    """A chart: the line of location, the line of spread where the kind has one, and the limits it was made with."""

    kind: str
    location: Trace
    spread: Trace | None
    limits: Limits
    phase: int


@cache
def d2(size: int) -> float:
    """Tell the expected range of `size` standard normal values: ∫ 1 − Φⁿ − (1 − Φ)ⁿ."""
    return float(integrate.quad(lambda x: 1 - stats.norm.cdf(x) ** size - stats.norm.sf(x) ** size, -8, 8)[0])


@cache
def d3(size: int) -> float:
    """Tell the deviation of the range of `size` standard normal values, from the joint law of its two ends."""
    points, step = np.linspace(-8, 8, 1601, retstep=True)
    low = stats.norm.cdf(points)

    # E[R²] = 2 ∫∫ (1 − Φ(y)ⁿ − (1 − Φ(x))ⁿ + (Φ(y) − Φ(x))ⁿ) over x < y.
    between = np.clip(low[None, :] - low[:, None], 0, None)
    inside = 1 - low[None, :] ** size - (1 - low[:, None]) ** size + between**size
    weight = np.triu(np.ones_like(inside), 1) + 0.5 * np.eye(len(points))
    square = 2 * float((inside * weight).sum()) * float(step) ** 2
    return math.sqrt(square - d2(size) ** 2)


@cache
def c4(size: int) -> float:
    """Tell the expected standard deviation of `size` standard normal values."""
    return math.sqrt(2 / (size - 1)) * math.exp(math.lgamma(size / 2) - math.lgamma((size - 1) / 2))


def individuals(values: Sequence[float], limits: Limits | None = None) -> Chart:
    """Chart single values and their moving ranges of two (I-MR)."""
    series = _series(values)
    ranges = np.abs(np.diff(series))
    used = limits or Limits(centre=float(series.mean()), sigma=float(ranges.mean()) / d2(2))
    location = _trace("x", series, used.centre, np.full(len(series), used.sigma))
    spread = _trace("mr", ranges, used.sigma * d2(2), np.full(len(ranges), used.sigma * d3(2)), floor=0.0)
    return Chart(kind="i-mr", location=location, spread=spread, limits=used, phase=1 if limits is None else 2)


def means_and_ranges(groups: Sequence[Sequence[float]], limits: Limits | None = None) -> Chart:
    """Chart the means and ranges of subgroups of one size (X̄-R)."""
    table = _table(groups)
    size, ranges = table.shape[1], np.ptp(table, axis=1)
    used = limits or Limits(centre=float(table.mean()), sigma=float(ranges.mean()) / d2(size))
    spread = _trace("r", ranges, used.sigma * d2(size), np.full(len(table), used.sigma * d3(size)), floor=0.0)
    return _grouped("xbar-r", table, spread, used, limits)


def means_and_deviations(groups: Sequence[Sequence[float]], limits: Limits | None = None) -> Chart:
    """Chart the means and standard deviations of subgroups of one size (X̄-S)."""
    table = _table(groups)
    size, deviations = table.shape[1], table.std(axis=1, ddof=1)
    used = limits or Limits(centre=float(table.mean()), sigma=float(deviations.mean()) / c4(size))
    sigma = used.sigma * math.sqrt(1 - c4(size) ** 2)
    spread = _trace("s", deviations, used.sigma * c4(size), np.full(len(table), sigma), floor=0.0)
    return _grouped("xbar-s", table, spread, used, limits)


def _grouped(kind: str, table: Floats, spreads: Trace, used: Limits, given: Limits | None) -> Chart:
    deviation = np.full(len(table), used.sigma / math.sqrt(table.shape[1]))
    location = _trace("xbar", table.mean(axis=1), used.centre, deviation)
    return Chart(kind=kind, location=location, spread=spreads, limits=used, phase=1 if given is None else 2)


def proportion(defectives: Sequence[float], sizes: Sequence[float], limits: Limits | None = None) -> Chart:
    """Chart the share of defective items (p); limits follow each sample's size."""
    bad, size = _pairs(defectives, sizes)
    if (bad > size).any():
        raise BadInput("A sample has more defective items than items.")
    centre = limits.centre if limits else float(bad.sum() / size.sum())
    deviation = np.sqrt(centre * (1 - centre) / size)
    return _counts("p", bad / size, centre, deviation, limits, ceiling=1.0)


def number_defective(defectives: Sequence[float], size: float, limits: Limits | None = None) -> Chart:
    """Chart the number of defective items of samples of one size (np)."""
    bad, sizes = _pairs(defectives, [size] * len(defectives))
    if (bad > sizes).any():
        raise BadInput("A sample has more defective items than items.")
    centre = limits.centre if limits else float(bad.mean())
    share = centre / size
    return _counts("np", bad, centre, np.full(len(bad), math.sqrt(centre * (1 - share))), limits, ceiling=size)


def count(defects: Sequence[float], limits: Limits | None = None) -> Chart:
    """Chart the number of defects of equal units (c)."""
    bad, _ = _pairs(defects, [1.0] * len(defects))
    centre = limits.centre if limits else float(bad.mean())
    return _counts("c", bad, centre, np.full(len(bad), math.sqrt(centre)), limits)


def count_per_unit(defects: Sequence[float], units: Sequence[float], limits: Limits | None = None) -> Chart:
    """Chart the number of defects per unit (u); limits follow how many units a sample has."""
    bad, size = _pairs(defects, units)
    centre = limits.centre if limits else float(bad.sum() / size.sum())
    return _counts("u", bad / size, centre, np.sqrt(centre / size), limits)


def _counts(
    kind: str, points: Floats, centre: float, deviation: Floats, limits: Limits | None, *, ceiling: float = math.inf
) -> Chart:
    used = limits or Limits(centre=centre, sigma=0.0)
    location = _trace(kind, points, centre, deviation, floor=0.0, ceiling=ceiling)
    return Chart(kind=kind, location=location, spread=None, limits=used, phase=1 if limits is None else 2)


def ewma(values: Sequence[float], limits: Limits | None = None, *, weight: float = 0.2, width: float = WIDTH) -> Chart:
    """Chart the exponentially weighted moving average, with exact limits that widen from the start."""
    if not 0 < weight <= 1:
        raise BadInput(f"A weight of {weight} is no weight.", remedy="Give one above 0, up to 1; 0.2 is usual.")
    series = _series(values)
    used = limits or individuals(values).limits
    smooth, points = used.centre, []
    for value in series.tolist():
        smooth += weight * (value - smooth)
        points.append(smooth)
    step = np.arange(1, len(points) + 1)
    deviation = used.sigma * np.sqrt(weight / (2 - weight) * (1 - (1 - weight) ** (2 * step)))
    location = _trace("ewma", np.array(points), used.centre, deviation, width=width)
    return Chart(kind="ewma", location=location, spread=None, limits=used, phase=1 if limits is None else 2)


def cusum(values: Sequence[float], limits: Limits | None = None, *, slack: float = 0.5, decision: float = 5.0) -> Chart:
    """Chart the tabular CUSUM: location is the upper sum, spread the lower one; both in units of the values."""
    series = _series(values)
    used = limits or individuals(values).limits
    allowance, interval = slack * used.sigma, decision * used.sigma
    high = low = 0.0
    uppers, lowers = [], []
    for value in series.tolist():
        high = max(0.0, high + value - used.centre - allowance)
        low = max(0.0, low + used.centre - value - allowance)
        uppers.append(high)
        lowers.append(low)
    sides = [
        _trace(name, np.array(points), 0.0, np.full(len(points), interval / WIDTH), floor=0.0)
        for name, points in (("upper", uppers), ("lower", lowers))
    ]
    return Chart(
        kind="cusum", location=sides[0], spread=sides[1], limits=used, phase=1 if limits is None else 2
    )  # fmt: skip


SINGLE: dict[str, Callable[[Sequence[float], Limits | None], Chart]] = {
    "i-mr": individuals,
    "ewma": ewma,
    "cusum": cusum,
}
GROUPED: dict[str, Callable[[Sequence[Sequence[float]], Limits | None], Chart]] = {
    "xbar-r": means_and_ranges,
    "xbar-s": means_and_deviations,
}


def subgroups(values: Sequence[float], size: int) -> list[list[float]]:
    """Take consecutive parts together; those left over at the end wait for the rest of their group."""
    if not 2 <= size <= SUBGROUP_MAX:
        raise BadInput(
            f"Means need subgroups of 2 to {SUBGROUP_MAX} parts; {size} was given.",
            remedy="Say how many parts are in a subgroup, or chart single values.",
        )
    kept = list(values)
    return [kept[at : at + size] for at in range(0, len(kept) - size + 1, size)]


def draw(kind: str, values: Sequence[float], size: int = 1, limits: Limits | None = None) -> Chart:
    """Chart a series of values, one per part, in the kind asked for."""
    if kind in SINGLE:
        return SINGLE[kind](values, limits)
    if kind in GROUPED:
        return GROUPED[kind](subgroups(values, size), limits)
    raise BadInput(f"{kind[:30]!r} is no chart of a series.", remedy=f"Use one of {', '.join((*SINGLE, *GROUPED))}.")


def _trace(
    name: str, points: Floats, centre: float, deviation: Floats, *,
    floor: float = -math.inf, ceiling: float = math.inf, width: float = WIDTH,
) -> Trace:  # fmt: skip
    with np.errstate(divide="ignore", invalid="ignore"):
        z = np.where(deviation > 0, (points - centre) / deviation, np.sign(points - centre) * 1e9)
    return Trace(
        name=name,
        points=points.tolist(),
        centre=[centre] * len(points),
        lower=np.maximum(floor, centre - width * deviation).tolist(),
        upper=np.minimum(ceiling, centre + width * deviation).tolist(),
        z=(np.nan_to_num(z) * WIDTH / width).tolist(),
    )


def _series(values: Sequence[float]) -> Floats:
    series = np.asarray(values, np.float64)
    if len(series) < 2 or not np.isfinite(series).all():
        raise BadInput(
            f"A chart needs two finite values at least, not {len(series)} with some that are none.",
            remedy="Wait for more parts, or leave out what was not measured.",
        )
    return series


def _table(groups: Sequence[Sequence[float]]) -> Floats:
    sizes = {len(group) for group in groups}
    if len(groups) < 2 or len(sizes) != 1 or not 2 <= min(sizes) <= SUBGROUP_MAX:
        raise BadInput(
            f"{len(groups)} subgroups of {sorted(sizes)} values make no chart.",
            remedy=f"Give two at least, all of one size from 2 to {SUBGROUP_MAX}.",
        )
    table = np.asarray(groups, np.float64)
    if not np.isfinite(table).all():
        raise BadInput("A subgroup has a value that is none.", remedy="Leave the whole subgroup out.")
    return table


def _pairs(counts: Sequence[float], sizes: Sequence[float]) -> tuple[Floats, Floats]:
    bad, size = np.asarray(counts, np.float64), np.asarray(sizes, np.float64)
    is_fit: Flags = np.isfinite(bad) & (bad >= 0)
    if len(bad) < 2 or len(bad) != len(size) or not is_fit.all() or not (size > 0).all():
        raise BadInput("A chart of counts needs two samples at least, each with a count and a size above 0.")
    return bad, size
