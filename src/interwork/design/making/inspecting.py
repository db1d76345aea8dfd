"""The inspection plan of a part: what is measured, between which limits, with what, and how good that must be.

Stated characteristics (AP242, QIF) come first; a part without any is measured over its outer sizes and its holes with
the general tolerance a person typed. The instrument's uncertainty is a fifth of the width (golden rule of metrology).
"""

from collections import Counter

from interwork.core.design import Characteristic, Geometry, InspectionItem
from interwork.core.ids import derived_id

GAUGE = 5.0
_FORM = {"flatness", "straightness", "roundness", "cylindricity", "surface_profile", "line_profile", "point_profile"}
_CMM = "coordinate measuring machine"


def plan_inspection(
    characteristics: tuple[Characteristic, ...], geometry: Geometry, tolerance_mm: float
) -> tuple[InspectionItem, ...]:
    """List what is inspected on every part."""
    stated = tuple(_of_stated(one) for one in characteristics if one.zone is not None or one.nominal is not None)
    return stated or tuple(_of_shape(geometry, tolerance_mm))


def _of_stated(one: Characteristic) -> InspectionItem:
    width = one.width()
    lower, upper = (0.0, one.zone) if one.zone is not None else (one.lower, one.upper)
    if one.nominal is not None and one.zone is None:
        lower, upper = (None if each is None else round(one.nominal + each, 9) for each in (lower, upper))
    return InspectionItem(
        characteristic=one.id,
        name=one.name,
        kind=one.kind,
        nominal=one.nominal,
        lower=lower,
        upper=upper,
        unit=one.unit,
        instrument=_instrument(one.kind, width, one.unit),
        uncertainty=None if width is None else round(width / GAUGE, 6),
        source=f"stated in the file at {one.key}"
        + (f", datums {'|'.join(one.datums)}" if one.datums else "")
        + ("" if width is not None else "; without a tolerance: the general one holds"),
    )


def _instrument(kind: str, width: float | None, unit: str) -> str:
    if unit == "deg":
        return "angle gauge or coordinate measuring machine"
    if kind == "diameter":
        return "bore gauge or plug gauge" if width is not None and width < 0.1 else "calliper or bore gauge"
    if kind in _FORM:
        return "surface plate with dial indicator" if kind == "flatness" else _CMM
    if kind in ("linear_distance", "length", "thickness"):
        return "micrometer" if width is not None and width < 0.1 else "calliper"
    return _CMM


def _of_shape(geometry: Geometry, tolerance_mm: float) -> list[InspectionItem]:
    sides = [("X", geometry.box_mm[0]), ("Y", geometry.box_mm[1]), ("Z", geometry.box_mm[2])]
    named = [(f"Size {axis}", "linear_distance", size) for axis, size in sides if size > 0]
    sizes = Counter(round(hole.diameter_mm, 3) for hole in geometry.holes or ())
    named += [(f"Hole Ø{size:g} ({count} ×)", "diameter", size) for size, count in sorted(sizes.items())]
    return [
        InspectionItem(
            characteristic=derived_id("char", geometry.analyser, name, repr(size)),
            name=name,
            kind=kind,
            nominal=round(size, 4),
            lower=round(size - tolerance_mm, 4),
            upper=round(size + tolerance_mm, 4),
            instrument=_instrument(kind, 2 * tolerance_mm, "mm"),
            uncertainty=round(2 * tolerance_mm / GAUGE, 6),
            source=f"measured on the shape, with the general tolerance of ±{tolerance_mm:g} mm",
        )
        for name, kind, size in named
    ]
