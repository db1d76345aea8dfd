"""Energy and water baselines (ISO 50006): what a use would have been, from what drove it, and how far it was off.

A baseline is an ordinary regression on output and other drivers. Once frozen it is never learnt again in silence: a
new one is a new version. It says nothing outside the range of drivers it was learnt from.
"""

from collections.abc import Mapping, Sequence

import msgspec
import numpy as np
from scipy import stats

from interwork.core.errors import BadInput
from interwork.core.operating import Baseline
from interwork.stream.columns import Flags
from interwork.stream.insight.facts import Floats


class Fit(msgspec.Struct, frozen=True, kw_only=True):
    """A regression: intercept first, then one coefficient per driver."""

    coefficients: tuple[float, ...]
    p_values: tuple[float, ...]
    """Of each driver: the chance to see such a coefficient if it drove nothing."""
    ranges: tuple[tuple[float, float], ...]
    r2: float
    sigma: float
    intervals: int


class Residuals(msgspec.Struct, frozen=True, kw_only=True):
    """Uses held against a baseline, interval by interval; None where the baseline does not hold."""

    expected: list[float | None]
    residual: list[float | None]
    cusum: list[float | None]
    saving: float
    """Expected less actual, over the intervals the baseline holds for; negative = more was used."""
    share: float | None
    """The saving as a share of what was expected."""
    uncertainty: float
    """Half the 95 % interval of the saving."""
    covered: float
    """Share of the intervals the baseline holds for."""


def fit(use: Sequence[float], drivers: Mapping[str, Sequence[float]]) -> Fit:
    """Fit a use to its drivers by least squares; BadInput where there is too little to learn from."""
    actual = np.asarray(use, np.float64)
    columns = [np.asarray(values, np.float64) for values in drivers.values()]
    if any(len(column) != len(actual) for column in columns):
        raise BadInput("Every driver needs one value for each interval of the use.")
    design = np.column_stack([np.ones(len(actual)), *columns])
    is_whole: Flags = np.isfinite(actual) & np.isfinite(design).all(axis=1)
    actual, design = actual[is_whole], design[is_whole]
    free = len(actual) - design.shape[1]
    if free < 3:
        raise BadInput(
            f"{len(actual)} intervals are too few to learn {design.shape[1]} coefficients from.",
            remedy="Choose a longer period or shorter intervals.",
        )
    constant = [name for name, column in zip(drivers, design.T[1:], strict=True) if np.ptp(column) == 0]
    if constant or np.linalg.matrix_rank(design) < design.shape[1]:
        raise BadInput(
            f"The drivers {', '.join(constant or drivers)} do not vary by themselves over the period.",
            remedy="Leave one out, or choose a period in which it varies.",
        )
    found, *_ = np.linalg.lstsq(design, actual, rcond=None)
    off = actual - design @ found
    variance = float(off @ off) / free
    spread = float(((actual - actual.mean()) ** 2).sum())
    error = np.sqrt(variance * np.diag(np.linalg.inv(design.T @ design)))
    with np.errstate(divide="ignore", invalid="ignore"):
        chance = 2 * stats.t.sf(np.abs(found / error), free)
    return Fit(
        coefficients=tuple(found.tolist()),
        p_values=tuple(np.nan_to_num(chance[1:]).tolist()),
        ranges=tuple((float(column.min()), float(column.max())) for column in design.T[1:]),
        r2=1 - float(off @ off) / spread if spread else 0.0,
        sigma=variance**0.5,
        intervals=len(actual),
    )


def expected(baseline: Baseline | Fit, drivers: Sequence[Sequence[float]]) -> Floats:
    """Tell what would have been used; NaN where a driver is unknown or outside the range it was learnt from."""
    columns = [np.asarray(column, np.float64) for column in drivers]
    total: Floats = np.full(len(columns[0]) if columns else 1, baseline.coefficients[0], np.float64)
    is_inside: Flags = np.ones(len(total), np.bool_)
    for factor, column, (low, high) in zip(baseline.coefficients[1:], columns, baseline.ranges, strict=True):
        total = total + factor * column
        is_inside &= (column >= low) & (column <= high)
    return np.where(is_inside, total, np.nan)


def hold_against(baseline: Baseline | Fit, use: Sequence[float], drivers: Sequence[Sequence[float]]) -> Residuals:
    """Hold uses against a baseline: residual, its running sum (CUSUM), and the normalised saving."""
    actual = np.asarray(use, np.float64)
    should = expected(baseline, drivers)
    off = actual - should
    is_held: Flags = np.isfinite(off)
    running = np.cumsum(np.where(is_held, off, 0.0))
    held, basis = int(is_held.sum()), float(should[is_held].sum())
    saving = float(-off[is_held].sum())
    return Residuals(
        expected=_numbers(should),
        residual=_numbers(off),
        cusum=_numbers(np.where(is_held, running, np.nan)),
        saving=saving,
        share=saving / basis if basis > 0 else None,
        uncertainty=1.96 * baseline.sigma * held**0.5 * (1 + held / baseline.intervals) ** 0.5,
        covered=held / len(actual) if len(actual) else 0.0,
    )


def _numbers(column: Floats) -> list[float | None]:
    return [value if np.isfinite(value) else None for value in column.tolist()]
