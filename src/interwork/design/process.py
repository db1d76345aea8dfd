"""Drafting a process plan from what was measured: pure, the same input gives the same plan and ids.

A draft says what must be able to be done, not who does it: every operation carries its requirements with where each
came from. Allowances, splits and times are the draft's assumptions and say so.
"""

import math
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime

from interwork.core.design import Geometry, Hole, Operation, ProcessPlan, Requirement
from interwork.core.errors import BadInput
from interwork.core.ids import derived_id
from interwork.core.taxonomy import Material, material_of
from interwork.design import estimate, manufacturability
from interwork.design.estimate import Time

Box = tuple[float, float, float]

MILLING_ALLOWANCE_MM = 2.0
TURNING_ALLOWANCE_MM = 1.0
PARTING_MM = 3.0
SHEET_MARGIN_MM = 5.0
POWDER = 1.3
"""Powder used over part mass: what is not melted is partly refreshed."""
GAUGE = 5.0
"""The golden rule of metrology: what measures is five to ten times finer than the tolerance."""
QUANTITY_MAX = 1_000_000
_LEAST_FILL = 1e-6
"""Of the box; what fills less of it is a loose surface, not a part."""
_FIVE_AXES = "milling-5-axis"


@dataclass(frozen=True, slots=True, kw_only=True)
class _Draft:
    """What every step of one draft is made from."""

    geometry: Geometry
    material: Material
    tolerance_mm: float
    certificates: tuple[str, ...]
    stock_mm: Box
    stock_mm3: float
    stock_kg: float
    part_kg: float

    def holes(self, *, off_axis: bool) -> tuple[Hole, ...] | None:
        """List the holes that do, or do not, lie on the turning axis."""
        holes = self.geometry.holes
        return None if holes is None else tuple(h for h in holes if _is_off_axis(h, self.geometry) == off_axis)


@dataclass(frozen=True, slots=True, kw_only=True)
class _Step:
    """One operation to be: what it is and what it takes."""

    name: str
    process: str
    time: Time
    requirements: tuple[Requirement, ...]
    removal_mm3: float = 0.0


def draft_process_plan(
    revision_id: str,
    geometry: Geometry,
    material_id: str,
    quantity: int,
    tolerance_mm: float,
    *,
    certificates: Sequence[str] = (),
    at: datetime,
) -> ProcessPlan:
    """Draft how a revision is made: class, stock, operations with requirements and times, and findings."""
    _require_sound(geometry, quantity, tolerance_mm)
    material = material_of(material_id)
    process_class, reasons = manufacturability.classify(geometry, material, quantity)
    stock, stock_mm3 = _stock(geometry, process_class)
    draft = _Draft(
        geometry=geometry,
        material=material,
        tolerance_mm=float(tolerance_mm),
        certificates=tuple(certificates),
        stock_mm=stock,
        stock_mm3=stock_mm3,
        stock_kg=stock_mm3 * material.density_kg_m3 / 1e9,
        part_kg=geometry.volume_mm3 * material.density_kg_m3 / 1e9,
    )
    steps = [*_CLASSES[process_class](draft), _deburr(draft), _inspect(draft)]
    given = (revision_id, material.id, str(quantity), repr(float(tolerance_mm)), *draft.certificates)
    identifier = derived_id("process", *given)
    findings = manufacturability.find(geometry, material, process_class, tolerance_mm)
    return ProcessPlan(
        id=identifier,
        revision=revision_id,
        process_class=process_class,
        reasons=reasons,
        material=material.id,
        quantity=quantity,
        stock_mm=stock,
        part_mass_kg=round(draft.part_kg, 6),
        stock_mass_kg=round(draft.stock_kg, 6),
        operations=_chain(identifier, steps),
        findings=(*findings, *_assumptions(draft, process_class)),
        created_at=at,
    )


def _require_sound(geometry: Geometry, quantity: int, tolerance_mm: float) -> None:
    """Refuse what no plan can be drafted from."""
    if isinstance(quantity, bool) or not isinstance(quantity, int) or not 1 <= quantity <= QUANTITY_MAX:
        raise BadInput(
            f"The quantity {quantity!r} is not a whole number from 1 to {QUANTITY_MAX:,}.", remedy="Ask for 1 or more."
        )
    if not (math.isfinite(tolerance_mm) and tolerance_mm > 0):
        raise BadInput(
            f"The tolerance {tolerance_mm!r} mm is not more than 0.",
            remedy="Give the finest tolerance, such as 0.1 mm.",
        )
    if geometry.bodies > 1:
        raise BadInput(
            f"The file holds {geometry.bodies} separate bodies; a process plan is for one part.",
            remedy="Send each part as a file of its own.",
        )
    if not _LEAST_FILL * math.prod(geometry.box_mm) < geometry.volume_mm3 < math.inf:
        raise BadInput(
            f"The shape has {geometry.volume_mm3:g} mm³ in a box of {geometry.box_mm} mm; it has no inside.",
            remedy="Export a closed solid.",
        )


def _stock(geometry: Geometry, process_class: str) -> tuple[Box, float]:
    """Choose the stock: its size and volume."""
    if process_class == "printed":
        return geometry.box_mm, geometry.volume_mm3 * POWDER
    if process_class == "sheet":
        return _blank(geometry)
    if process_class == "turned":
        diameter, length = _round_size(geometry)
        bar = float(math.ceil(diameter + 2 * TURNING_ALLOWANCE_MM))
        cut = float(math.ceil(length + TURNING_ALLOWANCE_MM + PARTING_MM))
        return (bar, bar, cut), math.pi / 4 * bar**2 * cut
    x, y, z = (float(math.ceil(side + 2 * MILLING_ALLOWANCE_MM - 1e-6)) for side in geometry.box_mm)
    return (x, y, z), x * y * z


def _round_size(geometry: Geometry) -> tuple[float, float]:
    """Tell the diameter and length of a turned part from its box."""
    axis = geometry.revolved_axis or (0.0, 0.0, 1.0)
    along = max(range(3), key=lambda i: abs(axis[i]))
    length = geometry.box_mm[along]
    return max(side for i, side in enumerate(geometry.box_mm) if i != along), length


def _blank(geometry: Geometry) -> tuple[Box, float]:
    """Size the sheet a part is cut from; a bent one by its developed area, since its flat pattern is not computed."""
    thickness = geometry.wall_mm[1] if geometry.wall_mm else min(geometry.box_mm)
    shortest, middle, longest = sorted(geometry.box_mm)
    if not _is_flat(geometry):
        middle = max(middle, geometry.volume_mm3 / thickness / longest)
    length, width = longest + 2 * SHEET_MARGIN_MM, middle + 2 * SHEET_MARGIN_MM
    height = shortest if _is_flat(geometry) else thickness
    return (round(length, 2), round(width, 2), round(height, 3)), length * width * height


def _is_flat(geometry: Geometry) -> bool:
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


def _needs(draft: _Draft, process: str, why: str, *, on_part: bool = False) -> tuple[Requirement, ...]:
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


def _cuts(draft: _Draft, process: str, why: str, axes: int, *, on_part: bool = False) -> tuple[Requirement, ...]:
    """List what an operation that shapes the part demands."""
    least = {2: "default: turning", 3: "measured: set-ups along ±X ±Y ±Z", 5: why}[axes]
    return (
        *_needs(draft, process, why, on_part=on_part),
        _material(draft),
        Requirement(name="tolerance_mm", value=draft.tolerance_mm, source="typed by a person"),
        Requirement(name="axes", value=float(axes), source=least),
    )


def _material(draft: _Draft) -> Requirement:
    return Requirement(name="material", value=draft.material.id, source="typed by a person")


def _milled(draft: _Draft) -> list[_Step]:
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
            _Step(name=name, process=process, time=time, requirements=requirements, removal_mm3=removal * share)
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


def _turned(draft: _Draft) -> list[_Step]:
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
    steps = [_Step(name="Turn", process="turning", time=time, requirements=requirements, removal_mm3=removal)]
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
        steps.append(_Step(name=name, process="milling-3-axis", time=time, requirements=requirements, removal_mm3=rest))
    return steps


def _sheet(draft: _Draft) -> list[_Step]:
    """Cut the outline from sheet; bend it when it is not flat."""
    geometry = draft.geometry
    thickness = geometry.wall_mm[1] if geometry.wall_mm else draft.stock_mm[2]
    sides = 2 * geometry.volume_mm3 / thickness
    edge = max(0.0, geometry.area_mm2 - sides) / thickness
    why = f"one thickness of {thickness:.3g} mm"
    tolerance = Requirement(name="tolerance_mm", value=draft.tolerance_mm, source="typed by a person")
    shared = (_material(draft), tolerance)
    steps = [
        _Step(
            name="Cut from sheet",
            process="sheet-cutting",
            time=estimate.sheet_cutting(edge, thickness, 1 + len(geometry.holes or ())),
            requirements=(*_needs(draft, "sheet-cutting", why), *shared),
        )
    ]
    if not _is_flat(geometry):
        requirements = (*_needs(draft, "sheet-bending", f"{min(geometry.box_mm):.4g} mm deep", on_part=True), *shared)
        steps.append(_Step(name="Bend", process="sheet-bending", time=estimate.bending(), requirements=requirements))
    return steps


def _printed(draft: _Draft) -> list[_Step]:
    """Print in a powder bed."""
    why = "complex shape in small number"
    requirements = (
        *_needs(draft, "additive-polymer", why, on_part=True),
        _material(draft),
        Requirement(name="tolerance_mm", value=draft.tolerance_mm, source="typed by a person"),
    )
    time = estimate.sintering(draft.geometry.volume_mm3)
    return [_Step(name="Print", process="additive-polymer", time=time, requirements=requirements)]


_CLASSES = {"milled": _milled, "turned": _turned, "sheet": _sheet, "printed": _printed}


def _deburr(draft: _Draft) -> _Step:
    return _Step(
        name="Deburr",
        process="deburring",
        time=estimate.deburring(draft.geometry.area_mm2, len(draft.geometry.holes or ())),
        requirements=(*_needs(draft, "deburring", "default: edges are broken", on_part=True), _material(draft)),
    )


def _inspect(draft: _Draft) -> _Step:
    gauge = Requirement(
        name="tolerance_mm",
        value=round(draft.tolerance_mm / GAUGE, 6),
        source=f"tolerance {draft.tolerance_mm:g} mm / {GAUGE:g}: golden rule of metrology, five to ten times finer",
    )
    return _Step(
        name="Inspect",
        process="inspection",
        time=estimate.inspecting(len(draft.geometry.holes or ())),
        requirements=(*_needs(draft, "inspection", "default: every part is measured", on_part=True), gauge),
    )


def _chain(plan: str, steps: Sequence[_Step]) -> tuple[Operation, ...]:
    """Put steps one after another."""
    operations: list[Operation] = []
    for number, step in enumerate(steps):
        operations.append(
            Operation(
                id=derived_id("operation", plan, str(number), step.name),
                name=step.name,
                process=step.process,
                after=(operations[-1].id,) if operations else (),
                requirements=step.requirements,
                removal_mm3=round(step.removal_mm3, 1),
                machining_s=step.time.likely_s,
                machining_low_s=step.time.low_s,
                machining_high_s=step.time.high_s,
                basis=step.time.basis,
            )
        )
    return tuple(operations)


def _assumptions(draft: _Draft, process_class: str) -> list[str]:
    """Say what the draft took for granted."""
    ratio = draft.stock_kg / draft.part_kg
    said = {
        "milled": f"Stock: the box + {MILLING_ALLOWANCE_MM:g} mm a side, bought cut to size; what each set-up "
        "removes is split by halves, not measured.",
        "turned": f"Stock: a solid bar + {TURNING_ALLOWANCE_MM:g} mm a side, {PARTING_MM:g} mm to part off.",
        "sheet": f"Stock: the blank + {SHEET_MARGIN_MM:g} mm a side; parts are not nested.",
        "printed": f"Powder: {POWDER:g} × the part's mass, for what is refreshed.",
    }[process_class]
    found = [said]
    if ratio > manufacturability.BUY_TO_FLY:
        found.append(
            f"{ratio:.1f} kg of stock for 1 kg of part (rule: over {manufacturability.BUY_TO_FLY:g}): "
            "consider casting, printing or another split."
        )
    return found
