"""The operations of a draft, class by class: what each demands of a resource, and its time and energy on the reference.

A draft says what must be able to be done, not who does it: every demand names where it comes from.
"""

import math
from collections.abc import Callable
from dataclasses import dataclass

from interwork.core.design import Characteristic, Geometry, Hole, Requirement
from interwork.core.taxonomy import Material
from interwork.design.making import estimate, manufacturability
from interwork.design.making.estimate import Time
from interwork.design.making.inspecting import GAUGE

Box = tuple[float, float, float]
_FIVE_AXES = "milling-5-axis"


@dataclass(frozen=True, slots=True, kw_only=True)
class Draft:
    """What every step of one draft is made from."""

    geometry: Geometry
    material: Material
    tolerance_mm: float
    certificates: tuple[str, ...]
    stock_mm: Box
    stock_mm3: float
    stock_kg: float
    part_kg: float
    tolerance_from: str = "typed by a person"
    """Where the finest tolerance comes from."""
    characteristics: tuple[Characteristic, ...] = ()

    def tolerance(self) -> Requirement:
        """Demand the finest tolerance of the part."""
        return Requirement(name="tolerance_mm", value=self.tolerance_mm, source=self.tolerance_from)

    def holes(self, *, off_axis: bool) -> tuple[Hole, ...] | None:
        """List the holes that do, or do not, lie on the turning axis."""
        holes = self.geometry.holes
        return None if holes is None else tuple(h for h in holes if _is_off_axis(h, self.geometry) == off_axis)


@dataclass(frozen=True, slots=True, kw_only=True)
class Step:
    """One operation to be: what it is and what it takes."""

    name: str
    process: str
    time: Time
    requirements: tuple[Requirement, ...]
    removal_mm3: float = 0.0


def is_flat(geometry: Geometry) -> bool:
    """Tell whether a sheet part is as thin as its own sheet."""
    return geometry.wall_mm is not None and min(geometry.box_mm) < 1.5 * geometry.wall_mm[1]


def _is_off_axis(hole: Hole, geometry: Geometry) -> bool:
    """Tell whether a hole lies elsewhere than on the turning axis."""
    axis, point = geometry.revolved_axis, geometry.revolved_at
    if axis is None or point is None:
        return True
    gap = [a - b for a, b in zip(hole.at, point, strict=True)]
    along = sum(g * a for g, a in zip(gap, axis, strict=True))
    beside = math.sqrt(max(0.0, sum(g * g for g in gap) - along**2))
    return beside > 0.05 or abs(sum(a * b for a, b in zip(axis, hole.axis, strict=True))) < 0.9999


def _needs(draft: Draft, process: str, why: str, *, on_part: bool = False) -> tuple[Requirement, ...]:
    """List what every operation demands: process, room, mass, certificates."""
    box, mass = (draft.geometry.box_mm, draft.part_kg) if on_part else (draft.stock_mm, draft.stock_kg)
    which = "the part" if on_part else "the stock"
    return (
        Requirement(name="process", value=process, source=why),
        Requirement(name="envelope_mm", value=box, source=f"measured: {which}"),
        Requirement(
            name="mass_kg",
            value=round(mass, 4),
            source=f"measured: volume of {which} × {draft.material.density_kg_m3:g} kg/m³ of {draft.material.name}",
        ),
        *(Requirement(name="certificate", value=name, source="typed by a person") for name in draft.certificates),
    )


def _cuts(draft: Draft, process: str, why: str, axes: int, *, on_part: bool = False) -> tuple[Requirement, ...]:
    """List what an operation that shapes the part demands."""
    least = {2: "default: turning", 3: "measured: set-ups along ±X ±Y ±Z", 5: why}[axes]
    return (
        *_needs(draft, process, why, on_part=on_part),
        _material(draft),
        draft.tolerance(),
        Requirement(name="axes", value=float(axes), source=least),
    )


def _material(draft: Draft) -> Requirement:
    return Requirement(name="material", value=draft.material.id, source="typed by a person")


def _milled(draft: Draft) -> list[Step]:
    """Mill from the block: one operation per set-up, or two clampings on five axes."""
    geometry = draft.geometry
    is_five = manufacturability.needs_five_axes(geometry)
    count = 2 if is_five else max(1, geometry.setups)
    process = _FIVE_AXES if is_five else "milling-3-axis"
    why = f"{geometry.setups} set-ups, {geometry.unreached_share:.1%} out of reach of three axes"
    weights = [2.0**-number for number in range(count)]
    removal = max(0.0, draft.stock_mm3 - geometry.volume_mm3)
    steps = []
    for number, weight in enumerate(weights):
        share = weight / sum(weights)
        time = estimate.cutting(
            draft.material,
            draft.tolerance_mm,
            removal_mm3=removal * share,
            area_mm2=geometry.area_mm2 * share,
            holes=_holes_of(geometry, number, count, is_five=is_five),
        )
        side = "" if is_five or number >= len(geometry.approaches) else f" from {geometry.approaches[number]}"
        noun = "clamping" if is_five else "set-up"
        name = f"Mill{side}, {noun} {number + 1} of {count}" if count > 1 else f"Mill{side}"
        requirements = _cuts(draft, process, why, 5 if is_five else 3)
        steps.append(
            Step(name=name, process=process, time=time, requirements=requirements, removal_mm3=removal * share)
        )
    return steps


def _holes_of(geometry: Geometry, number: int, count: int, *, is_five: bool) -> tuple[Hole, ...] | None:
    """Give each hole to the first set-up that comes along its axis; to the first of all where none does."""
    if geometry.holes is None:
        return None
    if is_five or not geometry.approaches:
        return geometry.holes if number == 0 else ()
    ways = ["XYZ".index(way[1]) for way in geometry.approaches[:count]]

    def home(hole: Hole) -> int:
        return next((place for place, way in enumerate(ways) if abs(hole.axis[way]) > 0.9999), 0)

    return tuple(hole for hole in geometry.holes if home(hole) == number)


def _turned(draft: Draft) -> list[Step]:
    """Turn from the bar; mill what does not turn."""
    geometry = draft.geometry
    drilled = draft.holes(off_axis=True)
    rest = sum(math.pi / 4 * hole.diameter_mm**2 * hole.depth_mm for hole in drilled or ())
    removal = max(0.0, draft.stock_mm3 - geometry.volume_mm3 - rest)
    area = geometry.area_mm2 * geometry.revolved_share
    time = estimate.cutting(
        draft.material,
        draft.tolerance_mm,
        removal_mm3=removal,
        area_mm2=area,
        holes=draft.holes(off_axis=False),
    )
    why = f"{geometry.revolved_share:.0%} of the area turns about one axis"
    requirements = _cuts(draft, "turning", why, 2)
    steps = [Step(name="Turn", process="turning", time=time, requirements=requirements, removal_mm3=removal)]
    if drilled or geometry.revolved_share < 1 - manufacturability.UNREACHED:
        why = (
            f"{len(drilled)} holes off the turning axis"
            if drilled
            else f"{1 - geometry.revolved_share:.0%} does not turn"
        )
        time = estimate.cutting(
            draft.material,
            draft.tolerance_mm,
            removal_mm3=rest,
            area_mm2=geometry.area_mm2 - area,
            holes=drilled,
        )
        requirements = _cuts(draft, "milling-3-axis", why, 3, on_part=True)
        name = "Drill and mill off the axis"
        steps.append(Step(name=name, process="milling-3-axis", time=time, requirements=requirements, removal_mm3=rest))
    return steps


def _sheet(draft: Draft) -> list[Step]:
    """Cut the outline from sheet; bend it when it is not flat."""
    geometry = draft.geometry
    thickness = geometry.wall_mm[1] if geometry.wall_mm else draft.stock_mm[2]
    sides = 2 * geometry.volume_mm3 / thickness
    edge = max(0.0, geometry.area_mm2 - sides) / thickness
    pierces, flat = 1 + len(geometry.holes or ()), geometry.flat
    if flat is not None:
        edge, pierces = flat.cut_length_mm, flat.holes + flat.outlines
    why = f"one thickness of {thickness:.3g} mm"
    shared = (_material(draft), draft.tolerance())
    steps = [
        Step(
            name="Cut from sheet",
            process="sheet-cutting",
            time=estimate.sheet_cutting(edge, thickness, pierces),
            requirements=(*_needs(draft, "sheet-cutting", why), *shared),
        )
    ]
    bends = flat.bends if flat is not None else geometry.bends
    if flat.bends if flat is not None else not is_flat(geometry):
        depth = f"{bends} bends" if bends else f"{min(geometry.box_mm):.4g} mm deep"
        requirements = (*_needs(draft, "sheet-bending", depth, on_part=True), *shared)
        steps.append(
            Step(name="Bend", process="sheet-bending", time=estimate.bending(bends), requirements=requirements)
        )
    return steps


def _printed(draft: Draft) -> list[Step]:
    """Print in a powder bed; a metal part is cut off its plate after."""
    geometry, printing = draft.geometry, draft.geometry.printing
    process = manufacturability.POWDERS.get(draft.material.id) or _powder(draft.material)
    requirements = (
        *_needs(draft, process, "complex shape in small number", on_part=True),
        _material(draft),
        draft.tolerance(),
    )
    height = printing.height_mm if printing else min(geometry.box_mm)
    support = printing.support_mm3 if printing else 0.0
    time = estimate.sintering(geometry.volume_mm3, process, height, support)
    name = f"Print, built along {printing.build_axis}" if printing else "Print"
    steps = [Step(name=name, process=process, time=time, requirements=requirements)]
    if process == "additive-metal":
        foot = geometry.volume_mm3 / max(height, 1e-6)
        why = "default: metal is printed onto a plate"
        needs = (*_needs(draft, "sawing", why, on_part=True), _material(draft))
        steps.append(Step(name="Cut off the plate", process="sawing", time=estimate.sawing(foot), requirements=needs))
    return steps


def _powder(material: Material) -> str:
    return "additive-polymer" if material.family == "polymer" else "additive-metal"


CLASSES: dict[str, Callable[[Draft], list[Step]]] = {
    "milled": _milled,
    "turned": _turned,
    "sheet": _sheet,
    "printed": _printed,
}


def deburr(draft: Draft) -> Step:
    """Break the edges."""
    return Step(
        name="Deburr",
        process="deburring",
        time=estimate.deburring(draft.geometry.area_mm2, len(draft.geometry.holes or ())),
        requirements=(*_needs(draft, "deburring", "default: edges are broken", on_part=True), _material(draft)),
    )


def inspect(draft: Draft) -> Step:
    """Measure what is stated, or sizes and holes."""
    stated = sum(one.zone is not None or one.nominal is not None for one in draft.characteristics)
    gauge = Requirement(
        name="tolerance_mm",
        value=round(draft.tolerance_mm / GAUGE, 6),
        source=f"tolerance {draft.tolerance_mm:g} mm / {GAUGE:g}: golden rule of metrology, five to ten times finer"
        + ("" if draft.tolerance_from.startswith("typed") else f"; {draft.tolerance_from}"),
    )
    return Step(
        name="Inspect",
        process="inspection",
        time=estimate.inspecting(len(draft.geometry.holes or ()), stated),
        requirements=(*_needs(draft, "inspection", "default: every part is measured", on_part=True), gauge),
    )
