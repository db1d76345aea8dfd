"""Figures from readings: pure functions on columns; a figure that cannot be known is None, never 0.

Terms are ISO 22400-2's. Only readings of good quality count, and every figure that rests on time comes with its
coverage. OEE is never averaged: elements are added, then divided. Time for which nothing is known is a bucket of its
own, never downtime.
"""

import math
from array import array
from collections import defaultdict
from collections.abc import Iterable, Mapping, Sequence
from itertools import pairwise
from statistics import fmean, median, stdev

import msgspec
import numpy as np
import numpy.typing as npt

from interwork.core.making import Measurement
from interwork.core.resource import Batch
from interwork.stream.columns import GOOD_BELOW, UNKNOWN, Flags, Ints, columns_of

UNAVAILABLE = "UNAVAILABLE"
"""MTConnect's word for a state that is not known."""
CORRECTION = 0.01
"""A counter that falls by more than this share of its value was reset; by less, it was corrected."""
INDIVIDUALS = 1.128
"""d2 for moving ranges of two: the mean moving range over it estimates the spread within."""

Floats = npt.NDArray[np.float64]


class Elements(msgspec.Struct, frozen=True, kw_only=True):
    """The time and quantity elements of a work unit over a period; they add up, ratios do not."""

    pbt_s: float = 0.0
    """Planned busy time: planned operation time without planned downtime and without unknown time."""
    apt_s: float = 0.0
    """Actual production time."""
    aust_s: float = 0.0
    """Actual unit setup time."""
    adet_s: float = 0.0
    """Actual unit delay time: unplanned stops."""
    ideal_s: float = 0.0
    """Planned run time per item times produced items, summed over products."""
    produced: float = 0.0
    good: float = 0.0
    unknown_s: float = 0.0
    """Time for which no state is known; in no other element."""


class RunFacts(msgspec.Struct, frozen=True, kw_only=True):
    """What the readings of a run say."""

    energy_kwh: float | None
    """From the counter where there is one, else from the power; None = not metered."""
    is_counted: bool
    """True where the energy comes from a counter."""
    coverage: float
    """Share of the run for which the execution state is known."""
    active_s: float
    parts: float
    cycle_s: float | None
    """Median seconds per part; None before two counted parts."""


def counter_delta(batch: Batch) -> float:
    """Tell how far a counter went on: a reset starts it at 0 again, a small fall is a correction; 0 without steps."""
    _, value = _good(batch)
    if len(value) < 2:
        return 0.0
    step = np.diff(value)
    is_reset = step < -CORRECTION * np.abs(value[:-1])
    return math.fsum(np.where(is_reset, value[1:], step).tolist())


def integral(power: Batch, start_us: int, end_us: int, *, time_scale: float = 1.0) -> tuple[float | None, float]:
    """Integrate kW to kWh, each reading holding until the next; also tell the share of the time it covers."""
    time_us, value, is_known = _held(power, start_us, end_us)
    seconds = np.diff(time_us) / 1e6
    covered = float(seconds[is_known].sum())
    total = (end_us - start_us) / 1e6
    if covered == 0 or total <= 0:
        return None, 0.0
    energy = math.fsum((value[is_known] * seconds[is_known]).tolist()) / 3600 * time_scale
    return energy, covered / total


def coverage(batch: Batch, start_us: int, end_us: int) -> float:
    """Tell the share of a time span for which a signal is known: good and not UNAVAILABLE, until its next reading."""
    if end_us <= start_us:
        return 0.0
    time_us, _, is_known = _held(batch, start_us, end_us)
    return float(np.diff(time_us)[is_known].sum() / (end_us - start_us))


def known_share(durations: Mapping[str, float]) -> float:
    """Tell the share of a span for which the state was known, from its seconds per state."""
    total = math.fsum(durations.values())
    return 1 - _unknown(durations) / total if total else 0.0


def cycle_times(counts: Batch) -> "array[float]":
    """Tell the seconds per part at each step of a part counter; parts counted together share their time."""
    time_us, value = _good(counts)
    steps = np.flatnonzero(np.diff(value) > 0) + 1
    made = np.diff(value)[steps - 1]
    seconds = np.diff(time_us[steps]) / 1e6 / made[1:]
    return array("d", seconds.tolist())


def run_facts(
    durations: Mapping[str, float],
    *,
    span: tuple[int, int],
    energy: Batch | None = None,
    power: Batch | None = None,
    counts: Batch | None = None,
    time_scale: float = 1.0,
) -> RunFacts:
    """Put together what a run's readings say; seconds and energy in the machine's own time."""
    used, is_counted = None, False
    if energy is not None and len(_good(energy)[1]) > 1:
        used, is_counted = counter_delta(energy), True
    elif power is not None:
        used, _ = integral(power, *span, time_scale=time_scale)
    cycles = cycle_times(counts) if counts is not None else array("d")
    return RunFacts(
        energy_kwh=used,
        is_counted=is_counted,
        coverage=known_share(durations),
        active_s=durations.get("ACTIVE", 0.0) * time_scale,
        parts=counter_delta(counts) if counts is not None else 0.0,
        cycle_s=median(cycles) * time_scale if cycles else None,
    )


def elements_of(
    durations: Mapping[str, float],
    *,
    planned_item_s: float,
    produced: float,
    good: float,
    planned_down_s: float = 0.0,
    setup_s: float = 0.0,
) -> Elements:
    """Make the elements of one product on one work unit from the seconds per execution state."""
    unknown = _unknown(durations)
    known = math.fsum(durations.values()) - unknown
    active = durations.get("ACTIVE", 0.0)
    production = max(0.0, active - setup_s)
    busy = max(0.0, known - planned_down_s)
    return Elements(
        pbt_s=busy,
        apt_s=production,
        aust_s=setup_s,
        adet_s=max(0.0, busy - production - setup_s),
        ideal_s=planned_item_s * produced,
        produced=produced,
        good=good,
        unknown_s=unknown,
    )


def added(elements: Iterable[Elements]) -> Elements:
    """Add elements up: over products, shifts, work units."""
    held = list(elements)
    return Elements(**{name: math.fsum(getattr(one, name) for one in held) for name in Elements.__struct_fields__})


def availability(elements: Elements) -> float | None:
    """APT / PBT; None where nothing was planned."""
    return _ratio(elements.apt_s, elements.pbt_s)


def effectiveness(elements: Elements) -> float | None:
    """PRI × PQ / APT; above 1 the planned item time is too long, which is shown as it is."""
    return _ratio(elements.ideal_s, elements.apt_s)


def quality_ratio(elements: Elements) -> float | None:
    """GQ / PQ; None where nothing was produced."""
    return _ratio(elements.good, elements.produced)


def oee(elements: Elements) -> float | None:
    """Multiply availability, effectiveness and quality ratio; None where one of them is."""
    factors = (availability(elements), effectiveness(elements), quality_ratio(elements))
    return None if None in factors else math.prod(factor for factor in factors if factor is not None)


def cpk(values: Sequence[float], lower: float, upper: float) -> float | None:
    """Tell the process capability of individual values in order of making; spread from moving ranges of two."""
    if len(values) < 2:
        return None
    ranges = [abs(one - other) for one, other in pairwise(values)]
    return _margin(values, lower, upper, fmean(ranges) / INDIVIDUALS)


def ppk(values: Sequence[float], lower: float, upper: float) -> float | None:
    """Tell the process performance of values; spread over all of them."""
    return _margin(values, lower, upper, stdev(values)) if len(values) > 1 else None


def process_capability(measurements: Iterable[Measurement]) -> float | None:
    """Tell the lowest Cpk of the characteristics measured; None where no characteristic has a spread."""
    series: dict[str, list[Measurement]] = defaultdict(list)
    for one in measurements:
        series[one.characteristic].append(one)
    found = []
    for ones in series.values():
        ones.sort(key=lambda one: one.part)
        found.append(cpk([one.actual_mm for one in ones], ones[0].lower_mm, ones[0].upper_mm))
    return min((one for one in found if one is not None), default=None)


def _margin(values: Sequence[float], lower: float, upper: float, sigma: float) -> float | None:
    if not sigma > 0:
        return None
    mean = fmean(values)
    return min(upper - mean, mean - lower) / (3 * sigma)


def _ratio(part: float, whole: float) -> float | None:
    return part / whole if whole > 0 else None


def _unknown(durations: Mapping[str, float]) -> float:
    return durations.get(UNKNOWN, 0.0) + durations.get(UNAVAILABLE, 0.0)


def _good(batch: Batch) -> tuple[Ints, Floats]:
    """Take the good, finite numbers of a batch in order of time."""
    columns = columns_of(batch)
    order = np.argsort(columns.time_us, kind="stable")
    is_good: Flags = (columns.quality[order] < GOOD_BELOW) & np.isfinite(columns.value[order])
    return columns.time_us[order][is_good], columns.value[order][is_good]


def _held(batch: Batch, start_us: int, end_us: int) -> tuple[Ints, Floats, Flags]:
    """Cut a signal to a span as steps: borders, the value from each border on, and whether it is known there."""
    columns = columns_of(batch)
    order = np.argsort(columns.time_us, kind="stable")
    is_known: Flags = columns.quality < GOOD_BELOW
    if columns.text:
        is_known &= np.fromiter((text not in {None, UNAVAILABLE} for text in columns.text), np.bool_, len(is_known))
    else:
        is_known &= np.isfinite(columns.value)
    order = order[columns.time_us[order] < end_us]
    borders = np.concatenate([[start_us], np.maximum(columns.time_us[order], start_us), [end_us]]).astype(np.int64)
    value = np.concatenate([[0.0], columns.value[order]])
    return borders, value, np.concatenate([[False], is_known[order]])
