"""What a shop can hold: the defaults of the draft, and the limits a shop states for its own machines, which win.

A shop's limits live in the capabilities of its resources (`Capability.limits`, its tolerance and envelope); for each
rule the most able machine of the process counts, and every finding names whose limit it was held against.
"""

from collections.abc import Sequence

import msgspec

from interwork.core.resource import Capability
from interwork.core.taxonomy import subsumes


class Limit(msgspec.Struct, frozen=True, kw_only=True):
    """One limit and whose it is."""

    value: float
    of: str = "default"


class Shop(msgspec.Struct, frozen=True, kw_only=True):
    """One machine with what it says it can do."""

    name: str
    capabilities: tuple[Capability, ...]


Limits = dict[str, Limit]

RULES: dict[str, str] = {
    "min_wall_mm": "mm",
    "min_hole_mm": "mm",
    "max_hole_depth_ratio": "D",
    "min_corner_mm": "mm",
    "max_setups": "",
    "max_length_mm": "mm",
    "max_slenderness": "D",
    "max_sheet_mm": "mm",
    "min_hole_to_thickness": "t",
    "max_support_ratio": "",
    "finest_mm": "mm",
    "buy_to_fly": "",
}
"""The rules a shop may set its own limit for, with their units."""

_COMMON = {
    "min_hole_mm": 1.0,
    "max_hole_depth_ratio": 5.0,
    "min_corner_mm": 1.0,
    "max_setups": 3.0,
    "max_length_mm": 1000.0,
    "max_slenderness": 8.0,
    "max_sheet_mm": 8.0,
    "min_hole_to_thickness": 1.0,
    "max_support_ratio": 0.5,
    "buy_to_fly": 5.0,
}
_FINEST_MM = {"milled": 0.01, "turned": 0.01, "sheet": 0.1, "printed": 0.3}
_WALL_MM = {"polymer": 1.5}
_WALL_METAL_MM = 0.8
PROCESSES_OF = {
    "milled": ("milling-3-axis", "milling-5-axis"),
    "turned": ("turning",),
    "sheet": ("sheet-cutting", "sheet-bending"),
    "printed": ("additive-polymer", "additive-metal"),
}


def default_limits(process_class: str, family: str) -> Limits:
    """List the limits of the draft for a class and a family of materials."""
    found = {name: Limit(value=value) for name, value in _COMMON.items()}
    found["finest_mm"] = Limit(value=_FINEST_MM[process_class])
    found["min_wall_mm"] = Limit(value=_WALL_MM.get(family, _WALL_METAL_MM))
    return found


def limits_for(process_class: str, family: str, shops: Sequence[Shop] = ()) -> Limits:
    """List the limits that count: the most able machine's own above the default, rule by rule."""
    found = default_limits(process_class, family)
    for shop in shops:
        for capability in shop.capabilities:
            if not any(subsumes(capability.process, one) for one in PROCESSES_OF[process_class]):
                continue
            for name, value in _stated(capability).items():
                held = found.get(name)
                if held is None or held.of == "default" or _is_abler(name, value, held.value):
                    found[name] = Limit(value=value, of=shop.name)
    return found


def _stated(capability: Capability) -> dict[str, float]:
    stated = {name: float(value) for name, value in capability.limits.items() if name in RULES}
    if capability.tolerance_mm is not None:
        stated.setdefault("finest_mm", capability.tolerance_mm)
    if capability.envelope_mm is not None:
        stated.setdefault("max_length_mm", max(capability.envelope_mm))
    return stated


def _is_abler(name: str, value: float, held: float) -> bool:
    return value > held if name.startswith("max_") or name == "buy_to_fly" else value < held
