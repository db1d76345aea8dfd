"""Before and after a change: the difference with the interval it lies in, and how many units that rests on."""

import math
from collections.abc import Sequence

import msgspec
import numpy as np
from scipy import stats

from interwork.core.errors import BadInput
from interwork.stream.insight.facts import Floats

SMALL, LARGE = 30, 1000
"""Fewer units than SMALL on a side, or a strongly skewed series, are resampled instead of trusting the t law; from
LARGE units on their mean follows it whatever their own law."""
RESAMPLES = 4000
SEED = 22400
"""The same data give the same interval."""


class Difference(msgspec.Struct, frozen=True, kw_only=True):
    """After less before."""

    means: tuple[float, float]
    counts: tuple[int, int]
    difference: float
    interval: tuple[float, float]
    confidence: float
    method: str
    share: float | None
    """The difference as a share of the mean before."""
    is_clear: bool
    """True where the interval leaves 0 out: the change shows beyond chance."""
    effective: tuple[float, float]
    """How many independent units the series are worth: neighbours that resemble each other count less."""


def compare(before: Sequence[float], after: Sequence[float], *, confidence: float = 0.95) -> Difference:
    """Compare two series of units; Welch's t interval, or a bootstrap where units are few or skewed."""
    first, second = (np.asarray(series, np.float64) for series in (before, after))
    first, second = first[np.isfinite(first)], second[np.isfinite(second)]
    if len(first) < 3 or len(second) < 3:
        raise BadInput(
            f"There are {len(first)} units before the change and {len(second)} after it.",
            remedy="Three on each side are the least; choose longer periods.",
        )
    sizes = (independent(first), independent(second))
    variances = [float(one.var(ddof=1)) / size for one, size in zip((first, second), sizes, strict=True)]
    difference = float(second.mean() - first.mean())
    fewest, is_skewed = min(len(first), len(second)), max(_skew(first), _skew(second)) > 1
    is_odd = fewest < SMALL or (is_skewed and fewest < LARGE)
    if sum(variances) == 0:
        low = high = difference
        method = "exact: neither side varies"
    elif is_odd:
        low, high = _bootstrap(first, second, confidence)
        method = f"bootstrap of {RESAMPLES} resamples (BCa)"
    else:
        free = sum(variances) ** 2 / sum(one**2 / (n - 1) for one, n in zip(variances, sizes, strict=True) if one)
        half = float(stats.t.ppf((1 + confidence) / 2, max(1.0, free))) * math.sqrt(sum(variances))
        low, high, method = difference - half, difference + half, "Welch's t interval on independent units"
    return Difference(
        means=(float(first.mean()), float(second.mean())),
        counts=(len(first), len(second)),
        difference=difference,
        interval=(low, high),
        confidence=confidence,
        method=method,
        share=difference / float(first.mean()) if first.mean() else None,
        is_clear=low > 0 or high < 0,
        effective=sizes,
    )


def independent(series: Sequence[float] | Floats) -> float:
    """Tell how many independent units a series is worth, from the likeness of neighbours (lag-1 autocorrelation)."""
    values = np.asarray(series, np.float64)
    off = values - values.mean()
    spread = float(off @ off)
    likeness = float(off[1:] @ off[:-1]) / spread if spread > 0 else 0.0
    if likeness < 2 / math.sqrt(len(values)):
        return float(len(values))
    return max(2.0, len(values) * (1 - likeness) / (1 + likeness))


def _skew(values: Floats) -> float:
    return abs(float(stats.skew(values))) if np.ptp(values) > 0 else 0.0


def _bootstrap(
    first: Floats,
    second: Floats,
    confidence: float,
) -> tuple[float, float]:
    found = stats.bootstrap(
        (second, first),
        lambda one, other, axis: one.mean(axis=axis) - other.mean(axis=axis),
        n_resamples=RESAMPLES,
        batch=200,
        confidence_level=confidence,
        method="BCa" if np.ptp(first) > 0 and np.ptp(second) > 0 else "percentile",
        rng=np.random.default_rng(SEED),
    )
    return float(found.confidence_interval.low), float(found.confidence_interval.high)
