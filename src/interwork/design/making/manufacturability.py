"""What a shape is likely to be made by, and what may trouble the shop: rules with their numbers, nothing hidden.

Each rule is held against the shop's own limit where it states one, else against the default, and says which. What was
not measured is said to be not measured and never counted as fine.
"""

from collections.abc import Callable, Iterator

from interwork.core.design import Characteristic, Finding, Geometry, Hole
from interwork.core.taxonomy import Material
from interwork.design.making.limits import Limit, Limits, default_limits

TURNED_SHARE, ROUND_SHARE = 0.95, 0.80
SHEET_SHARE, SHEET_MM = 0.80, 8.0
SHEET_SIDES = 0.75
"""Two sides of V/t each must make up this share of the area: a cube has walls of one thickness too."""
PRINT_QUANTITY, PRINT_FILL = 50, 0.15
POWDERS = {"pa12": "additive-polymer", "ti-6al4v": "additive-metal", "stainless-304": "additive-metal"}
"""Materials of the table that are printed, and how."""
SETUPS_MAX = 3
"""More set-ups than this are done on five axes."""
UNREACHED = 0.01
CLASSES = ("printed", "sheet", "turned", "milled")
_SUSPECT_MM = (0.1, 10_000.0)
Place = tuple[float, float, float]


def classify(geometry: Geometry, material: Material, quantity: int) -> tuple[str, tuple[str, ...]]:
    """Decide between printed, sheet, turned and milled, with the reason for each that was passed over."""
    reasons: list[str] = []
    for name, rule in (("printed", _printed), ("sheet", _sheet), ("turned", _turned)):
        fits, reason = rule(geometry, material, quantity)
        reasons.append(reason)
        if fits:
            return name, tuple(reasons)
    ways = ", ".join(geometry.approaches) or "directions not measured"
    rest = f"all but {geometry.unreached_share:.1%}" if geometry.unreached_share >= 0.0005 else "all"
    count = f"{geometry.setups} set-up" + ("" if geometry.setups == 1 else "s")
    reasons.append(f"Milled: {count} ({ways}) reach{'es' if geometry.setups == 1 else ''} {rest} of the area.")
    return "milled", tuple(reasons)


def needs_five_axes(geometry: Geometry) -> bool:
    """Tell whether three axes in up to three set-ups are not enough."""
    return geometry.setups > SETUPS_MAX or geometry.unreached_share > UNREACHED


def _printed(geometry: Geometry, material: Material, quantity: int) -> tuple[bool, str]:
    if material.id not in POWDERS:
        return False, f"Not printed: {material.name} is not a powder of this table; {', '.join(POWDERS)} are."
    x, y, z = geometry.box_mm
    fill = geometry.volume_mm3 / (x * y * z)
    is_complex = geometry.unreached_share > UNREACHED or fill < PRINT_FILL
    if material.family == "polymer":
        is_complex = is_complex or needs_five_axes(geometry)
    figures = (
        f"{quantity} pieces (at most {PRINT_QUANTITY}), {geometry.setups} set-ups, {geometry.unreached_share:.1%} "
        f"of the area out of reach of cutters, {fill:.0%} of the box filled (under {PRINT_FILL:.0%} counts as complex)"
    )
    is_plate = _sheet(geometry, material, quantity)[0] or _turned(geometry, material, quantity)[0]
    fits = is_complex and quantity <= PRINT_QUANTITY and (material.family == "polymer" or not is_plate)
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


def find(
    geometry: Geometry, material: Material, process_class: str, tolerance_mm: float, limits: Limits | None = None
) -> list[Finding]:
    """List what may trouble the shop, with the rule, the number, the limit and whose it is."""
    held = default_limits(process_class, material.family) if limits is None else limits
    found = [*_doubts(geometry), *_holes(geometry, held), *_walls(geometry, process_class, held)]
    found += _OF_CLASS[process_class](geometry, held)
    finest, longest = held["finest_mm"], held["max_length_mm"]
    if tolerance_mm < finest.value:
        text = (
            f"A tolerance of {tolerance_mm:g} mm is finer than what is usually held when {process_class} "
            f"(rule: {finest.value:g} mm{_whose(finest)}): expect grinding, reaming or machining after."
        )
        found.append(_finding("finest_mm", text, tolerance_mm, finest))
    if max(geometry.box_mm) > longest.value:
        text = (
            f"The part is {max(geometry.box_mm):.0f} mm long (rule: over {longest.value:.0f} mm{_whose(longest)}): "
            "few machines take it."
        )
        found.append(_finding("max_length_mm", text, max(geometry.box_mm), longest))
    return found


def find_in_definition(characteristics: tuple[Characteristic, ...], held: Limits) -> list[Finding]:
    """Hold stated tolerances against what is held, and name those without a figure."""
    finest, found = held["finest_mm"], []
    for one in characteristics:
        width = one.width()
        if one.unit == "mm" and width is not None and 0 <= width / 2 < finest.value:
            text = (
                f"{one.name} ({one.key}) allows ±{width / 2:.4g} mm (rule: {finest.value:g} mm{_whose(finest)}): "
                "finer than what is usually held."
            )
            found.append(_finding("finest_mm", text, width / 2, finest))
    bare = [one for one in characteristics if one.zone is None and one.nominal is None]
    if bare:
        listed = ", ".join(f"{one.name} ({one.key})" for one in bare[:5])
        text = f"{len(bare)} characteristics are stated without a figure: {listed}. They cannot be planned for."
        found.append(Finding(rule="stated", text=text, value=float(len(bare)), severity="unverified"))
    return found


def _whose(limit: Limit) -> str:
    return "" if limit.of == "default" else f" of {limit.of}"


def _finding(rule: str, text: str, value: float, limit: Limit, at: Place | None = None) -> Finding:
    unit = "mm" if rule.endswith("_mm") else ""
    return Finding(rule=rule, text=text, value=round(value, 4), limit=limit.value, limit_of=limit.of, unit=unit, at=at)


def _unverified(rule: str, text: str) -> Finding:
    return Finding(rule=rule, text=text, severity="unverified")


def _doubts(geometry: Geometry) -> Iterator[Finding]:
    for note in geometry.notes:
        if note.startswith("The measured") and "disagrees" in note:
            yield Finding(rule="validation", text=note)
    largest = max(geometry.box_mm)
    if geometry.is_unit_suspect or not _SUSPECT_MM[0] <= largest <= _SUSPECT_MM[1]:
        text = f"Unit suspect: the largest extent is {largest:.4g} mm (rule: 0.1 mm to 10 m); "
        yield Finding(rule="unit", text=text + "ask before anything is made.", value=largest, unit="mm")
    if not geometry.is_closed:
        yield Finding(rule="closed", text="The surface is not closed: volume, mass and times are uncertain.")


def _holes(geometry: Geometry, held: Limits) -> Iterator[Finding]:
    if geometry.holes is None:
        if geometry.flat is None:
            yield _unverified(
                "holes", "Holes were not recognised: drilling is not in the times, and deep holes were not looked for."
            )
        return
    ratio, least = held["max_hole_depth_ratio"], held["min_hole_mm"]
    deep = [hole for hole in geometry.holes if _slender(hole) > ratio.value]
    if deep:
        worst = max(deep, key=_slender)
        text = (
            f"Deep holes: {len(deep)}, the worst Ø{worst.diameter_mm:.4g} × {worst.depth_mm:.4g} mm = "
            f"{_slender(worst):.1f} D (rule: over {ratio.value:g} D{_whose(ratio)} is drilled in pecks or gun-drilled)."
        )
        yield _finding("max_hole_depth_ratio", text, _slender(worst), ratio, worst.at)
    small = [hole for hole in geometry.holes if hole.diameter_mm < least.value]
    if small:
        smallest = min(small, key=lambda hole: hole.diameter_mm)
        text = (
            f"Holes under Ø{least.value:g} mm{_whose(least)}: {len(small)}, the smallest Ø{smallest.diameter_mm:.3g}: "
            "drills break; consider EDM."
        )
        yield _finding("min_hole_mm", text, smallest.diameter_mm, least, smallest.at)


def _slender(hole: Hole) -> float:
    return hole.depth_mm / hole.diameter_mm if hole.diameter_mm else 0.0


def _walls(geometry: Geometry, process_class: str, held: Limits) -> Iterator[Finding]:
    if process_class == "sheet":
        return
    if geometry.wall_mm is None:
        yield _unverified("min_wall_mm", "Walls were not measured.")
        return
    limit = held["min_wall_mm"]
    wall = geometry.wall_mm[0] if geometry.wall_1pc_mm is None else geometry.wall_1pc_mm
    if wall < limit.value:
        text = (
            f"The thinnest wall measured is {geometry.wall_mm[0]:.2g} mm "
            f"(rule: under {limit.value:g} mm{_whose(limit)} it bends away from the tool or breaks)."
        )
        yield _finding("min_wall_mm", text, wall, limit, geometry.wall_at)


def _of_milled(geometry: Geometry, held: Limits) -> Iterator[Finding]:
    setups, corner = held["max_setups"], held["min_corner_mm"]
    if geometry.setups > setups.value or geometry.unreached_share > UNREACHED:
        text = (
            f"{geometry.setups} set-ups and {geometry.unreached_share:.1%} of the area out of reach from ±X ±Y ±Z "
            f"(rule: over {setups.value:g} set-ups{_whose(setups)} or {UNREACHED:.0%}): five axes, or erosion for "
            "what stays hidden."
        )
        yield _finding("max_setups", text, float(geometry.setups), setups)
    if geometry.corner_mm is not None and geometry.corner_mm < corner.value:
        text = (
            f"The sharpest inside corner has a radius of {geometry.corner_mm:.3g} mm (rule: under {corner.value:g} mm"
            f"{_whose(corner)}): a cutter of Ø{2 * geometry.corner_mm:.3g} mm, or erosion."
        )
        yield _finding("min_corner_mm", text, geometry.corner_mm, corner)


def _of_turned(geometry: Geometry, held: Limits) -> Iterator[Finding]:
    axis = geometry.revolved_axis or (0.0, 0.0, 1.0)
    along = max(range(3), key=lambda i: abs(axis[i]))
    across = max(side for i, side in enumerate(geometry.box_mm) if i != along)
    ratio, limit = geometry.box_mm[along] / max(across, 1e-9), held["max_slenderness"]
    if ratio > limit.value:
        text = (
            f"The part is {ratio:.1f} times as long as wide (rule: over {limit.value:g}{_whose(limit)}): "
            "a steady rest or a tailstock."
        )
        yield _finding("max_slenderness", text, ratio, limit)


def _of_sheet(geometry: Geometry, held: Limits) -> Iterator[Finding]:
    thickness = geometry.wall_mm[1] if geometry.wall_mm else min(geometry.box_mm)
    thick, share = held["max_sheet_mm"], held["min_hole_to_thickness"]
    if thickness > thick.value:
        text = (
            f"The sheet is {thickness:.3g} mm thick (rule: over {thick.value:g} mm{_whose(thick)}): cut by water jet."
        )
        yield _finding("max_sheet_mm", text, thickness, thick)
    small = [hole for hole in geometry.holes or () if hole.diameter_mm < share.value * thickness]
    if small:
        least = min(small, key=lambda hole: hole.diameter_mm)
        text = (
            f"{len(small)} holes are narrower than {share.value:g} × the thickness, {thickness:.3g} mm{_whose(share)}, "
            f"the smallest Ø{least.diameter_mm:.3g}: drill them after."
        )
        yield _finding("min_hole_to_thickness", text, least.diameter_mm / thickness, share, least.at)
    if geometry.flat is not None and geometry.flat.open_ends:
        text = f"{geometry.flat.open_ends} ends of the contour meet nothing: it cannot be cut as drawn."
        yield Finding(rule="closed", text=text, value=float(geometry.flat.open_ends))


def _of_printed(geometry: Geometry, held: Limits) -> Iterator[Finding]:
    limit, printing = held["max_support_ratio"], geometry.printing
    if printing is None:
        yield _unverified("max_support_ratio", "What printing takes was not measured.")
        return
    ratio = printing.support_mm3 / max(geometry.volume_mm3, 1e-9)
    if ratio > limit.value:
        text = (
            f"Built along {printing.build_axis} it needs {printing.support_mm3 / 1000:.4g} cm³ under "
            f"{printing.overhang_mm2 / 100:.4g} cm² of overhang, {ratio:.1f} × the part (rule: over {limit.value:g}"
            f"{_whose(limit)}): turn it, or split it. In a polymer powder bed the powder carries it."
        )
        yield _finding("max_support_ratio", text, ratio, limit)


_OF_CLASS: dict[str, Callable[[Geometry, Limits], Iterator[Finding]]] = {
    "milled": _of_milled,
    "turned": _of_turned,
    "sheet": _of_sheet,
    "printed": _of_printed,
}
