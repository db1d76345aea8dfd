"""Drafting a process plan from what was measured and stated: pure, the same input gives the same plan and ids.

Allowances, splits and times are the draft's assumptions and say so; stated tolerances (PMI) win over the general one
where they are finer, a shop's own limits over the defaults, and finished runs over the estimate.
"""

import math
from collections.abc import Sequence
from datetime import datetime

import msgspec

from interwork.core.design import Characteristic, Estimate, Finding, Geometry, Operation, PlanTime, ProcessPlan
from interwork.core.errors import BadInput
from interwork.core.ids import derived_id, digest_of
from interwork.core.taxonomy import Material, material_of
from interwork.design.making import estimate, manufacturability
from interwork.design.making.calibrating import applied
from interwork.design.making.inspecting import plan_inspection
from interwork.design.making.limits import Limits, Shop, limits_for
from interwork.design.making.steps import CLASSES, Box, Draft, Step, deburr, inspect, is_flat

MILLING_ALLOWANCE_MM = 2.0
TURNING_ALLOWANCE_MM = 1.0
PARTING_MM = 3.0
SHEET_MARGIN_MM = 5.0
POWDER = 1.3
"""Powder used over part mass: what is not melted is partly refreshed."""
QUANTITY_MAX = 1_000_000
THICKNESS_MAX_MM = 100.0
_LEAST_FILL = 1e-6
"""Of the box; what fills less of it is a loose surface, not a part."""


class Known(msgspec.Struct, frozen=True, kw_only=True):
    """What is known beside the shape: stated tolerances, certificates, the shop's machines, finished runs."""

    certificates: tuple[str, ...] = ()
    characteristics: tuple[Characteristic, ...] = ()
    shops: tuple[Shop, ...] = ()
    times: tuple[PlanTime, ...] = ()
    process_class: str = ""
    """Chosen by a person; empty = told from the shape."""
    thickness_mm: float | None = None
    """Of the sheet a flat drawing is cut from."""


def draft_process_plan(
    revision_id: str,
    geometry: Geometry,
    material_id: str,
    quantity: int,
    tolerance_mm: float,
    *,
    at: datetime,
    known: Known | None = None,
) -> ProcessPlan:
    """Draft how a revision is made: class, stock, operations with requirements and ranges, inspection, findings."""
    beside = known or Known()
    shape = _with_thickness(geometry, beside.thickness_mm)
    _require_sound(shape, quantity, tolerance_mm)
    material = material_of(material_id)
    process_class, reasons = _class(shape, material, quantity, beside.process_class)
    draft = _draft(shape, material, float(tolerance_mm), process_class, beside)
    limits = limits_for(process_class, material.family, beside.shops)
    found = _findings(draft, process_class, limits)
    identifier = _identify(revision_id, material, quantity, tolerance_mm, beside)
    operations = _chain(identifier, [*CLASSES[process_class](draft), deburr(draft), inspect(draft)], draft, beside)
    return ProcessPlan(
        id=identifier,
        revision=revision_id,
        process_class=process_class,
        reasons=reasons,
        material=material.id,
        quantity=quantity,
        stock_mm=draft.stock_mm,
        part_mass_kg=round(draft.part_kg, 6),
        stock_mass_kg=round(draft.stock_kg, 6),
        operations=operations,
        findings=tuple(one.text for one in found),
        found=tuple(found),
        estimates=estimates_of(operations, draft.stock_kg, quantity),
        inspection=plan_inspection(draft.characteristics, shape, float(tolerance_mm)),
        tolerance_mm=float(tolerance_mm),
        created_at=at,
    )


def _identify(revision_id: str, material: Material, quantity: int, tolerance_mm: float, known: Known) -> str:
    """Name a plan by what it was drafted from."""
    given = (revision_id, material.id, str(quantity), repr(float(tolerance_mm)), *known.certificates)
    beside = msgspec.structs.replace(known, certificates=())
    more = () if beside == Known() else (digest_of(msgspec.json.encode(beside, order="deterministic")),)
    return derived_id("process", *given, *more)


def _class(geometry: Geometry, material: Material, quantity: int, chosen: str) -> tuple[str, tuple[str, ...]]:
    if chosen and chosen not in manufacturability.CLASSES:
        raise BadInput(
            f"{chosen[:40]!r} is no process class.", remedy=f"Choose one of {', '.join(manufacturability.CLASSES)}."
        )
    found, reasons = manufacturability.classify(geometry, material, quantity)
    if geometry.flat is not None:
        found, reasons = "sheet", ("Sheet: the design is a flat pattern.",)
    if chosen and chosen != found:
        return chosen, (*reasons, f"{chosen.capitalize()}: chosen by a person over {found}.")
    return found, reasons


def _with_thickness(geometry: Geometry, thickness_mm: float | None) -> Geometry:
    """Give a flat pattern the thickness of its sheet: volume and area follow."""
    if geometry.flat is None:
        return geometry
    if thickness_mm is None:
        raise BadInput(
            "The design is a flat drawing and has no thickness.", remedy="Give the thickness of the sheet in mm."
        )
    if not 0 < thickness_mm <= THICKNESS_MAX_MM:
        raise BadInput(
            f"A sheet of {thickness_mm!r} mm cannot be cut.", remedy=f"Give more than 0 up to {THICKNESS_MAX_MM:g} mm."
        )
    area = geometry.flat.outline_area_mm2
    return msgspec.structs.replace(
        geometry,
        box_mm=(geometry.box_mm[0], geometry.box_mm[1], float(thickness_mm)),
        volume_mm3=area * thickness_mm,
        area_mm2=2 * area + geometry.flat.cut_length_mm * thickness_mm,
        wall_mm=(float(thickness_mm), float(thickness_mm)),
        sheet_share=1.0,
    )


def _draft(geometry: Geometry, material: Material, tolerance_mm: float, process_class: str, known: Known) -> Draft:
    stock, stock_mm3 = _stock(geometry, process_class)
    finest, source = _finest(known.characteristics, tolerance_mm)
    return Draft(
        geometry=geometry,
        material=material,
        tolerance_mm=finest,
        certificates=known.certificates,
        stock_mm=stock,
        stock_mm3=stock_mm3,
        stock_kg=stock_mm3 * material.density_kg_m3 / 1e9,
        part_kg=geometry.volume_mm3 * material.density_kg_m3 / 1e9,
        tolerance_from=source,
        characteristics=known.characteristics,
    )


def _finest(characteristics: Sequence[Characteristic], general_mm: float) -> tuple[float, str]:
    """Find the finest tolerance: half the width of a stated one counts as ± beside the typed general one."""
    stated = [
        (round(width / 2, 9), one)
        for one in characteristics
        if one.unit == "mm" and (width := one.width()) is not None and width > 0
    ]
    finest = min(stated, key=lambda each: each[0], default=None)
    if finest is None or finest[0] >= general_mm:
        return general_mm, "typed by a person"
    half, one = finest
    return half, f"stated in the file: {one.kind.replace('_', ' ')} {one.name} ({one.key}), ±{half:.4g} mm"


def _findings(draft: Draft, process_class: str, limits: Limits) -> list[Finding]:
    found = manufacturability.find(draft.geometry, draft.material, process_class, draft.tolerance_mm, limits)
    found += manufacturability.find_in_definition(draft.characteristics, limits)
    return [*found, *_assumptions(draft, process_class, limits)]


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
            remedy="Send each part as a file of its own, or plan for one of its distinct bodies.",
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
    if not is_flat(geometry):
        middle = max(middle, geometry.volume_mm3 / thickness / longest)
    length, width = longest + 2 * SHEET_MARGIN_MM, middle + 2 * SHEET_MARGIN_MM
    height = shortest if is_flat(geometry) else thickness
    return (round(length, 2), round(width, 2), round(height, 3)), length * width * height


def _chain(plan: str, steps: Sequence[Step], draft: Draft, known: Known) -> tuple[Operation, ...]:
    """Put steps one after another."""
    times = {one.process: one for one in known.times if not one.resource}
    operations: list[Operation] = []
    for number, step in enumerate(steps):
        time, factor = applied(step.time, step.process, times)
        operations.append(
            Operation(
                id=derived_id("operation", plan, str(number), step.name),
                name=step.name,
                process=step.process,
                after=(operations[-1].id,) if operations else (),
                requirements=step.requirements,
                removal_mm3=round(step.removal_mm3, 1),
                machining_s=time.likely_s,
                machining_low_s=time.low_s,
                machining_high_s=time.high_s,
                basis=time.basis,
                energy_kwh=estimate.energy_kwh(step.process, time, step.removal_mm3, draft.material.family),
                calibration=factor,
            )
        )
    return tuple(operations)


def estimates_of(operations: Sequence[Operation], stock_kg: float, quantity: int) -> tuple[Estimate, ...]:
    """Add up what a part and a lot take, as ranges."""
    times = [(one.machining_low_s, one.machining_s, one.machining_high_s) for one in operations]
    low, likely, high = (sum(each) for each in zip(*times, strict=True)) if times else (0.0, 0.0, 0.0)
    kwh = [sum(one.energy_kwh[place] for one in operations) for place in range(3)]
    ready = estimate.SETUP_S * len(operations)
    handling = estimate.HANDLING_S * len(operations)
    basis = f"{len(operations)} operations, {handling:.0f} s of handling in all"
    lot = f"{quantity} × the part + {estimate.SETUP_S:.0f} s to make ready for each operation (assumed)"
    power = "base load of each process over its time with handling + specific energy of the cut (assumed)"
    return (
        _estimate("time-part", (low + handling, likely + handling, high + handling), "s", basis),
        _estimate(
            "time-lot",
            (
                0.5 * ready + quantity * (low + handling),
                ready + quantity * (likely + handling),
                2 * ready + quantity * (high + handling),
            ),
            "s",
            lot,
        ),
        _estimate(
            "material",
            (stock_kg * quantity, stock_kg * quantity, stock_kg * (quantity + max(1, math.ceil(0.05 * quantity)))),
            "kg",
            f"{quantity} × {stock_kg:.4g} kg of stock; high: one in twenty again, at least one",
        ),
        _estimate("energy-part", (kwh[0], kwh[1], kwh[2]), "kWh", power),
    )


def _estimate(what: str, values: tuple[float, float, float], unit: str, basis: str) -> Estimate:
    low, likely, high = (float(f"{value:.6g}") for value in values)
    return Estimate(what=what, low=low, likely=likely, high=high, unit=unit, basis=basis)


def _assumptions(draft: Draft, process_class: str, limits: Limits) -> list[Finding]:
    """Say what the draft took for granted."""
    ratio, limit = draft.stock_kg / draft.part_kg, limits["buy_to_fly"]
    said = {
        "milled": f"Stock: the box + {MILLING_ALLOWANCE_MM:g} mm a side, bought cut to size; what each set-up "
        "removes is split by halves, not measured.",
        "turned": f"Stock: a solid bar + {TURNING_ALLOWANCE_MM:g} mm a side, {PARTING_MM:g} mm to part off.",
        "sheet": f"Stock: the blank + {SHEET_MARGIN_MM:g} mm a side; parts are not nested.",
        "printed": f"Powder: {POWDER:g} × the part's mass, for what is refreshed; heat treatment is not planned.",
    }[process_class]
    found = [Finding(rule="assumed", text=said, severity="note")]
    if ratio > limit.value:
        text = (
            f"{ratio:.1f} kg of stock for 1 kg of part (rule: over {limit.value:g}"
            f"{'' if limit.of == 'default' else f' of {limit.of}'}): consider casting, printing or another split."
        )
        found.append(Finding(rule="buy_to_fly", text=text, value=round(ratio, 3), limit=limit.value, limit_of=limit.of))
    return found
