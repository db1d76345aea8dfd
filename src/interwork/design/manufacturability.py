"""What a shape is likely to be made by, and what may trouble the shop: rules with their numbers, nothing hidden.

The limits are defaults of the draft; a shop's own limits win in the match, where its capability is held against the
plan. What was not measured is said to be not measured and never counted as fine.
"""

from interwork.core.design import Geometry
from interwork.core.taxonomy import Material
from interwork.design.estimate import DEEP

TURNED_SHARE, ROUND_SHARE = 0.95, 0.80
SHEET_SHARE, SHEET_MM = 0.80, 8.0
SHEET_SIDES = 0.75
"""Two sides of V/t each must make up this share of the area: a cube has walls of one thickness too."""
PRINT_QUANTITY, PRINT_FILL = 50, 0.15
SETUPS_MAX = 3
"""More set-ups than this are done on five axes."""
UNREACHED = 0.01
THIN_MM = {"polymer": 1.5}
THIN_METAL_MM = 0.8
SMALL_HOLE_MM = 1.0
LONG_MM = 1000.0
SUSPECT_MM = (0.1, 10_000.0)
FINEST_MM = {"milled": 0.01, "turned": 0.01, "sheet": 0.1, "printed": 0.3}
BUY_TO_FLY = 5.0


def classify(geometry: Geometry, material: Material, quantity: int) -> tuple[str, tuple[str, ...]]:
    """Decide between printed, sheet, turned and milled, with the reason for each that was passed over."""
    reasons: list[str] = []
    for name, rule in (("printed", _printed), ("sheet", _sheet), ("turned", _turned)):
        fits, reason = rule(geometry, material, quantity)
        reasons.append(reason)
        if fits:
            return name, tuple(reasons)
    ways = ", ".join(geometry.approaches) or "directions not measured"
    reasons.append(
        f"Milled: {geometry.setups} set-ups ({ways}) reach all but {geometry.unreached_share:.1%} of the area."
    )
    return "milled", tuple(reasons)


def needs_five_axes(geometry: Geometry) -> bool:
    """Tell whether three axes in up to three set-ups are not enough."""
    return geometry.setups > SETUPS_MAX or geometry.unreached_share > UNREACHED


def _printed(geometry: Geometry, material: Material, quantity: int) -> tuple[bool, str]:
    if material.id != "pa12":
        return False, f"Not printed: {material.name} is not a powder of this table; PA12 is."
    x, y, z = geometry.box_mm
    fill = geometry.volume_mm3 / (x * y * z)
    is_complex = needs_five_axes(geometry) or fill < PRINT_FILL
    figures = (
        f"{quantity} pieces (at most {PRINT_QUANTITY}), {geometry.setups} set-ups, {geometry.unreached_share:.1%} "
        f"of the area out of reach of cutters, {fill:.0%} of the box filled (under {PRINT_FILL:.0%} counts as complex)"
    )
    fits = is_complex and quantity <= PRINT_QUANTITY
    return fits, f"{'Printed' if fits else 'Not printed'}: {figures}."


def _sheet(geometry: Geometry, _material: Material, _quantity: int) -> tuple[bool, str]:
    if geometry.wall_mm is None:
        return False, "Not sheet: walls were not measured."
    typical = geometry.wall_mm[1]
    sides = 2 * geometry.volume_mm3 / (typical * geometry.area_mm2)
    fits = geometry.sheet_share >= SHEET_SHARE and typical <= SHEET_MM and sides >= SHEET_SIDES
    return fits, (
        f"{'Sheet' if fits else 'Not sheet'}: {geometry.sheet_share:.0%} of the area is {typical:.3g} mm thick and two "
        f"such sides make {sides:.0%} of it; wanted {SHEET_SHARE:.0%}, at most {SHEET_MM:g} mm, and {SHEET_SIDES:.0%}."
    )


def _turned(geometry: Geometry, _material: Material, _quantity: int) -> tuple[bool, str]:
    share = geometry.revolved_share
    fits = share >= TURNED_SHARE or (geometry.is_round and share >= ROUND_SHARE)
    return fits, (
        f"{'Turned' if fits else 'Not turned'}: {share:.0%} of the area turns about one axis and the envelope is "
        f"{'round' if geometry.is_round else 'not round'}; wanted {TURNED_SHARE:.0%}, or {ROUND_SHARE:.0%} and round."
    )


def find(geometry: Geometry, material: Material, process_class: str, tolerance_mm: float) -> list[str]:
    """List what may trouble the shop, with the rule and the number."""
    found = [*_doubts(geometry), *_holes(geometry), *_walls(geometry, material, process_class)]
    if process_class == "milled" and needs_five_axes(geometry):
        found.append(
            f"{geometry.setups} set-ups and {geometry.unreached_share:.1%} of the area out of reach from ±X ±Y ±Z "
            f"(rule: over {SETUPS_MAX} set-ups or {UNREACHED:.0%}): five axes, or erosion for what stays hidden."
        )
    if tolerance_mm < FINEST_MM[process_class]:
        found.append(
            f"A tolerance of {tolerance_mm:g} mm is finer than what is usually held when {process_class} "
            f"(rule: {FINEST_MM[process_class]:g} mm): expect grinding, reaming or machining after."
        )
    if max(geometry.box_mm) > LONG_MM:
        found.append(
            f"The part is {max(geometry.box_mm):.0f} mm long (rule: over {LONG_MM:.0f} mm): few machines take it."
        )
    return found


def _doubts(geometry: Geometry) -> list[str]:
    found = [note for note in geometry.notes if note.startswith("The measured") and "disagrees" in note]
    largest = max(geometry.box_mm)
    if not SUSPECT_MM[0] <= largest <= SUSPECT_MM[1]:
        found.append(
            f"Unit suspect: the largest extent is {largest:.4g} mm (rule: 0.1 mm to 10 m); ask before anything is made."
        )
    if not geometry.is_closed:
        found.append("The surface is not closed: volume, mass and times are uncertain.")
    return found


def _holes(geometry: Geometry) -> list[str]:
    if geometry.holes is None:
        return ["Holes were not recognised: drilling is not in the times, and deep holes were not looked for."]
    found = []
    deep = [hole for hole in geometry.holes if hole.depth_mm > DEEP * hole.diameter_mm]
    if deep:
        worst = max(deep, key=lambda hole: hole.depth_mm / hole.diameter_mm)
        found.append(
            f"Deep holes: {len(deep)}, the worst Ø{worst.diameter_mm:.4g} × {worst.depth_mm:.4g} mm = "
            f"{worst.depth_mm / worst.diameter_mm:.1f} D (rule: over {DEEP:g} D is drilled in pecks or gun-drilled)."
        )
    small = [hole for hole in geometry.holes if hole.diameter_mm < SMALL_HOLE_MM]
    if small:
        least = min(hole.diameter_mm for hole in small)
        found.append(
            f"Holes under Ø{SMALL_HOLE_MM:g} mm: {len(small)}, the smallest Ø{least:.3g}: drills break; consider EDM."
        )
    return found


def _walls(geometry: Geometry, material: Material, process_class: str) -> list[str]:
    if geometry.wall_mm is None:
        return ["Walls were not measured."]
    limit = THIN_MM.get(material.family, THIN_METAL_MM)
    if process_class == "sheet" or geometry.wall_mm[0] >= limit:
        return []
    thinnest = f"The thinnest wall measured is {geometry.wall_mm[0]:.2g} mm"
    return [f"{thinnest} (rule: under {limit:g} mm of {material.family} it bends away from the tool or breaks)."]
