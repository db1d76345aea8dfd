"""From what an inspection file says to series per characteristic with the limits of the value itself."""

from collections import defaultdict
from collections.abc import Iterable, Sequence

from interwork.core.design import Characteristic
from interwork.core.making import MeasuredSeries
from interwork.design.files.qif import MeasuredValue, QualityFile

_SIGNED = frozenset({"point_profile"})
"""Geometric tolerances whose measured value is a signed deviation, so that half the zone is allowed either way."""


def limits_of(one: Characteristic) -> tuple[float | None, float | None]:
    """Tell the limits of a characteristic's value: of a zone only the upper, but for signed deviations."""
    if one.zone is not None:
        return (-one.zone / 2, one.zone / 2) if one.kind in _SIGNED else (None, one.zone)
    base = one.nominal or 0.0
    lower = None if one.lower is None else base + one.lower
    return lower, None if one.upper is None else base + one.upper


def by_word(stated: Iterable[Characteristic]) -> dict[str, list[Characteristic]]:
    """List the characteristics by name and by where they stand in the file; several may share a name."""
    found: dict[str, list[Characteristic]] = defaultdict(list)
    for one in stated:
        for word in dict.fromkeys((one.name, one.key)):
            found[word].append(one)
    return found


def series_of(quality: QualityFile) -> tuple[MeasuredSeries, ...]:
    """Put a file's results in series, one per measured item, in the order of the file."""
    known = {one.id: one for one in quality.characteristics}
    rows: dict[tuple[str, str], list[MeasuredValue]] = defaultdict(list)
    for value in quality.results:
        rows[value.item, value.characteristic].append(value)
    return tuple(_series(name, known.get(identifier), values) for (name, identifier), values in rows.items())


def _series(name: str, one: Characteristic | None, values: Sequence[MeasuredValue]) -> MeasuredSeries:
    lower, upper = limits_of(one) if one is not None else (None, None)
    return MeasuredSeries(
        characteristic=one.id if one is not None else "",
        name=name,
        kind=one.kind if one is not None else "",
        nominal=one.nominal if one is not None else None,
        lower=lower,
        upper=upper,
        unit=one.unit if one is not None else "mm",
        parts=tuple(value.part for value in values),
        values=tuple(value.value for value in values),
    )


def outside(one: MeasuredSeries) -> list[tuple[str, float]]:
    """List the parts whose value is outside the limits, with the value."""
    return [
        (part, value)
        for part, value in zip(one.parts, one.values, strict=True)
        if (one.lower is not None and value < one.lower) or (one.upper is not None and value > one.upper)
    ]
