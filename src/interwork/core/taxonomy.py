"""The terms needs and capabilities are matched on: processes (with what they subsume) and materials.

Densities and machinability are handbook values rounded to two digits; machinability is relative to
aluminium 6061 = 1 and scales material removal rates. Prices per kilogram are assumptions and say so where shown.
"""

import msgspec

from interwork.core.errors import UnknownMaterial

PROCESSES: dict[str, tuple[str, ...]] = {
    # term: the wider terms it satisfies
    "milling-5-axis": ("milling-3-axis", "milling", "machining"),
    "milling-3-axis": ("milling", "machining"),
    "milling": ("machining",),
    "turning": ("machining",),
    "machining": (),
    "sawing": (),
    "additive-polymer": ("additive",),
    "additive-metal": ("additive",),
    "additive": (),
    "sheet-cutting": ("sheet",),
    "sheet-bending": ("sheet",),
    "sheet": (),
    "deburring": (),
    "inspection": (),
    "assembly": (),
    "testing": (),
    "training": (),
}


def subsumes(offered: str, wanted: str) -> bool:
    """Tell whether a capability named `offered` satisfies a requirement named `wanted`."""
    return offered == wanted or wanted in PROCESSES.get(offered, ())


class Material(msgspec.Struct, frozen=True, kw_only=True):
    """A material with what an estimate needs."""

    id: str
    name: str
    family: str
    density_kg_m3: float
    machinability: float
    price_eur_kg: float
    co2_kg_per_kg: float


MATERIALS: dict[str, Material] = {
    material.id: material
    for material in (
        Material(
            id="al-6061",
            name="Aluminium 6061-T6",
            family="aluminium",
            density_kg_m3=2700,
            machinability=1.0,
            price_eur_kg=6.0,
            co2_kg_per_kg=8.0,
        ),
        Material(
            id="al-7075",
            name="Aluminium 7075-T6",
            family="aluminium",
            density_kg_m3=2810,
            machinability=0.85,
            price_eur_kg=11.0,
            co2_kg_per_kg=9.0,
        ),
        Material(
            id="steel-1045",
            name="Steel C45 / 1045",
            family="steel",
            density_kg_m3=7850,
            machinability=0.35,
            price_eur_kg=1.8,
            co2_kg_per_kg=2.0,
        ),
        Material(
            id="stainless-304",
            name="Stainless steel 304",
            family="stainless",
            density_kg_m3=7930,
            machinability=0.22,
            price_eur_kg=5.0,
            co2_kg_per_kg=4.5,
        ),
        Material(
            id="ti-6al4v",
            name="Titanium Ti-6Al-4V",
            family="titanium",
            density_kg_m3=4430,
            machinability=0.12,
            price_eur_kg=55.0,
            co2_kg_per_kg=36.0,
        ),
        Material(
            id="brass-360",
            name="Brass 360",
            family="brass",
            density_kg_m3=8500,
            machinability=1.2,
            price_eur_kg=8.0,
            co2_kg_per_kg=3.5,
        ),
        Material(
            id="pom",
            name="POM (acetal)",
            family="polymer",
            density_kg_m3=1410,
            machinability=1.6,
            price_eur_kg=5.0,
            co2_kg_per_kg=3.2,
        ),
        Material(
            id="abs",
            name="ABS",
            family="polymer",
            density_kg_m3=1050,
            machinability=1.6,
            price_eur_kg=4.0,
            co2_kg_per_kg=3.5,
        ),
        Material(
            id="pa12",
            name="Polyamide 12",
            family="polymer",
            density_kg_m3=1010,
            machinability=1.4,
            price_eur_kg=60.0,
            co2_kg_per_kg=7.0,
        ),
    )
}


def material_of(identifier: str) -> Material:
    """Find a material by id, or by name without regard to case and spaces; raise UnknownMaterial."""
    wanted = identifier.strip().lower()
    for material in MATERIALS.values():
        if wanted in (material.id, material.name.lower()):
            return material
    raise UnknownMaterial(f"The material {identifier!r} is unknown.", remedy=f"Use one of {', '.join(MATERIALS)}.")
