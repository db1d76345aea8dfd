"""How long the steps of a plan take on the reference machine, each with low, likely and high, and the basis in words.

Every rate here is an assumption of the draft, not a measurement; a provider's quote replaces it with its own. The
reference machine removes 100 mm³/s of aluminium 6061, the default of `core.resource.Rates`, so that whatever removes
material can be scaled to a resource by its own removal rate; machinability scales it to the material.
"""

import math

import msgspec

from interwork.core.design import Hole
from interwork.core.taxonomy import Material

REMOVAL_MM3_S = 100.0
FINISH_MM2_S = 80.0
"""Area finished per second in aluminium: about 1 m/min of feed over 5 mm of path."""
DRILL_MM_S = 5.0
POSITION_S = 6.0
TOOL_CHANGE_S = 8.0
DRILLED_UP_TO_MM = 20.0
"""Larger holes are milled out; their volume is in the removal already."""
BORE_S = 20.0
DEEP = 5.0
"""Depth over diameter above which a drill is drawn out to clear chips."""
LASER_MM2_S = 100.0
"""Speed times thickness when cutting sheet."""
BEND_S = 25.0
SPREAD = (0.7, 1.5)
"""Low and high over likely, until finished runs calibrate them."""
WIDE = (0.5, 2.5)


SETUP_S = 900.0
"""Making ready for an operation, per lot, until a resource's own rates are known."""
LAYER_MM = {"additive-polymer": 0.1, "additive-metal": 0.04}
LAYER_S = {"additive-polymer": 10.0, "additive-metal": 12.0}
MELT_MM3_S = {"additive-polymer": 30.0, "additive-metal": 5.0}
BUILD_PARTS = 8
"""Parts that share the layers of one powder-bed build."""
CUT_J_MM3 = {"aluminium": 0.8, "brass": 1.2, "steel": 3.0, "stainless": 3.6, "titanium": 4.0, "polymer": 0.3}
"""Specific cutting energy at the tool (handbook, rounded)."""
BASE_KW = {
    "milling-3-axis": 2.0,
    "milling-5-axis": 4.0,
    "turning": 1.8,
    "sheet-cutting": 9.0,
    "sheet-bending": 2.0,
    "additive-polymer": 2.5,
    "additive-metal": 3.0,
    "sawing": 1.0,
    "deburring": 0.1,
    "inspection": 0.8,
}
"""Power drawn whatever is cut: about three quarters of what milling uses (Gutowski)."""
HANDLING_S = 45.0


class Time(msgspec.Struct, frozen=True, kw_only=True):
    """Seconds per part on the reference machine."""

    low_s: float
    likely_s: float
    high_s: float
    basis: str


def _time(likely_s: float, basis: str, spread: tuple[float, float] = SPREAD) -> Time:
    return Time(
        low_s=round(likely_s * spread[0], 1),
        likely_s=round(likely_s, 1),
        high_s=round(likely_s * spread[1], 1),
        basis=f"{basis} = {likely_s:.0f} s; low × {spread[0]:g}, high × {spread[1]:g} until finished runs calibrate it",
    )


def _care(tolerance_mm: float) -> float:
    """Tell how much longer finishing takes for a finer tolerance: none at 0.1 mm, at most twice."""
    return min(2.0, max(1.0, math.pow(0.1 / tolerance_mm, 0.3)))


def drilling_s(holes: tuple[Hole, ...], material: Material) -> float:
    """Add up drilling and boring."""
    total = 0.0
    for hole in holes:
        if hole.diameter_mm > DRILLED_UP_TO_MM:
            total += POSITION_S + BORE_S
            continue
        pecks = 2.0 if hole.depth_mm > DEEP * hole.diameter_mm else 1.0
        total += POSITION_S + pecks * hole.depth_mm / (DRILL_MM_S * material.machinability)
    return total


def cutting(
    material: Material,
    tolerance_mm: float,
    *,
    removal_mm3: float,
    area_mm2: float,
    holes: tuple[Hole, ...] | None,
) -> Time:
    """Estimate milling or turning: roughing by removal rate, finishing by area, holes and tool changes."""
    rough = removal_mm3 / (REMOVAL_MM3_S * material.machinability)
    finish = area_mm2 / (FINISH_MM2_S * material.machinability**0.5) * _care(tolerance_mm)
    drilled = drilling_s(holes or (), material)
    tools = TOOL_CHANGE_S * (2 + len({round(hole.diameter_mm, 2) for hole in holes or ()}))
    basis = (
        f"{removal_mm3 / 1000:.1f} cm³ at {REMOVAL_MM3_S:g} mm³/s × {material.machinability:g} "
        f"({material.name}) {rough:.0f} s + finishing {area_mm2 / 100:.0f} cm² {finish:.0f} s + "
        + (f"{len(holes)} holes {drilled:.0f} s" if holes is not None else "holes not recognised, not counted")
        + f" + tool changes {tools:.0f} s"
    )
    return _time(rough + finish + drilled + tools, basis, SPREAD if holes is not None else WIDE)


def sheet_cutting(length_mm: float, thickness_mm: float, pierces: int) -> Time:
    """Estimate laser or jet cutting by the length of the cut edges."""
    speed = min(150.0, max(5.0, LASER_MM2_S / thickness_mm))
    likely = length_mm / speed + pierces * (0.5 + 0.3 * thickness_mm)
    return _time(likely, f"{length_mm / 1000:.2f} m of edge at {speed:.0f} mm/s and {pierces} pierces")


def bending(bends: int | None = None) -> Time:
    """Estimate bending by the bends counted; where none were recognised the range is wide and says so."""
    if bends:
        return _time(bends * BEND_S, f"{bends} bends at {BEND_S:g} s")
    return Time(
        low_s=BEND_S,
        likely_s=3 * BEND_S,
        high_s=8 * BEND_S,
        basis=f"bends are not counted: 1 to 8, likely 3, assumed at {BEND_S:g} s each",
    )


def sintering(
    volume_mm3: float, process: str = "additive-polymer", height_mm: float = 0.0, support_mm3: float = 0.0
) -> Time:
    """Estimate powder-bed printing: what is melted, supports included in metal, and its share of the layers."""
    melted = volume_mm3 + (0.15 * support_mm3 if process == "additive-metal" else 0.0)
    layers = height_mm / LAYER_MM[process]
    likely = melted / MELT_MM3_S[process] + layers * LAYER_S[process] / BUILD_PARTS
    basis = (
        f"{melted / 1000:.1f} cm³ at {MELT_MM3_S[process]:g} mm³/s + {layers:.0f} layers of {LAYER_MM[process]:g} mm, "
        f"{LAYER_S[process]:g} s each, shared by {BUILD_PARTS} parts"
    )
    return _time(likely, basis, WIDE)


def sawing(area_mm2: float) -> Time:
    """Estimate cutting a part off its plate by the area to saw."""
    return _time(60 + area_mm2 / 20, f"60 s + {area_mm2 / 100:.1f} cm² at 20 mm²/s", WIDE)


def energy_kwh(process: str, time: Time, removal_mm3: float, family: str) -> tuple[float, float, float]:
    """Estimate the energy of one part: base load over the time with handling, and what the cut takes at the tool."""
    base = BASE_KW.get(process, 1.0)
    cut = CUT_J_MM3.get(family, 3.0) * removal_mm3 / 3.6e6 / 0.7
    low, likely, high = (
        base * (seconds + HANDLING_S) / 3600 + cut for seconds in (time.low_s, time.likely_s, time.high_s)
    )
    return round(low, 5), round(likely, 5), round(high, 5)


def deburring(area_mm2: float, holes: int) -> Time:
    """Estimate deburring by hand; edges are not measured, so area stands for them."""
    likely = 20 + area_mm2 / 200 + 4 * holes
    return _time(likely, f"20 s + {area_mm2 / 100:.0f} cm² at 2 cm²/s + {holes} holes at 4 s", WIDE)


def inspecting(holes: int, stated: int = 0) -> Time:
    """Estimate measuring: what is stated, else the three outer sizes, and diameter and place of every hole."""
    characteristics = stated or 3 + 2 * holes
    return _time(60.0 + 12 * characteristics, f"60 s + {characteristics} characteristics at 12 s")
