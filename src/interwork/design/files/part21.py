"""Text facts of a STEP file (ISO 10303-21): schema, units, product names, validation properties, tolerances.

The reader is tolerant: it takes what it understands and passes over the rest, in one sweep over the text, so the time
grows with the size and with nothing else. It builds no geometry. Lengths come out in mm.
"""

from typing import Any

import msgspec

from interwork.core.design import Characteristic
from interwork.core.errors import UnreadableDesign
from interwork.core.ids import digest_of
from interwork.design.files import pmi
from interwork.design.files.instances import (
    BODIES,
    REFERENCE,
    Reader,
    length_unit,
    number_in,
    parameters_of,
    records_of,
    reference_in,
    statements,
    text_of,
)

SIZE_LIMIT = 100 * 1024 * 1024
"""Bytes above which a file is refused unread."""


class Tolerance(msgspec.Struct, frozen=True, kw_only=True):
    """A geometric tolerance as the file states it."""

    kind: str
    """`position`, `flatness`, `surface_profile` …: the entity's own word."""
    name: str
    value_mm: float | None


class StepFacts(msgspec.Struct, frozen=True, kw_only=True):
    """What the text of a STEP file says about itself."""

    schema: str
    unit: str
    unit_mm: float
    """Millimetres in one unit of length of the geometry; 0 = the file does not say."""
    products: tuple[str, ...]
    volume_mm3: float | None
    """Validation property, where the file carries exactly one volume."""
    area_mm2: float | None
    tolerances: tuple[Tolerance, ...]
    dimensions: int
    datums: int
    instances: int
    extent_mm: float
    """Largest span of the points along X, Y or Z; an upper estimate of the size."""
    is_complete: bool
    """The closing line is there."""
    mapped: int = 0
    """Shapes that are placed by mapped items instead of assembly links."""
    characteristics: tuple[Characteristic, ...] = ()
    """Tolerances and dimensions with value, deviation, unit and datums."""


def _derived_mm(reader: Reader, number: int) -> float:
    """Tell the mm² or mm³ of one derived unit; 0 where the file does not say."""
    if number in reader.derived:
        return reader.derived[number]
    factor = 1.0
    for element in REFERENCE.findall(reader.kept.get(number, ("", ""))[1]):
        word, body = reader.kept.get(int(element), ("", "()"))
        unit, power = (*parameters_of(body), "", "")[:2]
        if word == "DERIVED_UNIT_ELEMENT":
            factor *= length_unit(reader, reference_in(unit))[1] ** (number_in(power) or 0.0)
    reader.derived[number] = factor
    return factor


def _validation(reader: Reader, measure: str, names: tuple[str, ...], unit: tuple[float, int]) -> float | None:
    """Find the one value the file states for a measure; several different ones belong to parts, so none is taken."""
    values = []
    for word, body in reader.kept.values():
        if word == "MEASURE_REPRESENTATION_ITEM" and measure in body:
            name, value, of = (*parameters_of(body), "", "")[:3]
            number = number_in(value)
            if text_of(name) in names and number is not None:
                scale = _derived_mm(reader, reference_in(of)) if reference_in(of) in reader.kept else unit[0] ** unit[1]
                values.append(number * scale)
    if not values or max(values) - min(values) > 1e-9 * abs(max(values)):
        return None
    return values[0]


def _geometry_unit(reader: Reader) -> tuple[str, float]:
    """Find the unit of the context in which the bodies stand, else the first unit of length in the file."""
    for wanted in BODIES:
        bodies = (body for word, body in reader.kept.values() if word == wanted)
        for context in dict.fromkeys(reference_in(parameters_of(body)[-1]) for body in bodies):
            records = records_of(reader.kept.get(context, ("", ""))[1])
            for number in REFERENCE.findall(records.get("GLOBAL_UNIT_ASSIGNED_CONTEXT", "")):
                unit = length_unit(reader, int(number))
                if unit[1]:
                    return unit
    return next((unit for number in reader.kept if (unit := length_unit(reader, number))[1]), ("", 0.0))


def _mapped(reader: Reader) -> int:
    """Count the mapped items that place a body; drawings of the annotation are placed by them too."""
    count = 0
    for word, body in reader.kept.values():
        if word == "MAPPED_ITEM":
            source = reader.kept.get(reference_in((*parameters_of(body), "")[1]), ("", "()"))[1]
            count += reader.kept.get(reference_in((*parameters_of(source), "")[1]), ("", ""))[0] in BODIES
    return count


def _decoded(content: bytes) -> str:
    """Read the text as UTF-8, which edition 3 allows, else byte by byte, as older programs write it."""
    try:
        return content.decode("utf-8")
    except UnicodeDecodeError:
        return content.decode("latin-1")


def read(content: bytes) -> StepFacts:
    """Read the text facts of a STEP file; raise UnreadableDesign when it is none or too large."""
    if len(content) > SIZE_LIMIT:
        raise UnreadableDesign(
            f"The file has {len(content) / 1e6:.0f} MB; at most {SIZE_LIMIT / 1e6:.0f} MB are read.",
            remedy="Export the part alone, without drawings and construction geometry.",
        )
    if not content[:4096].lstrip(b"\xef\xbb\xbf \t\r\n").startswith(b"ISO-10303-21"):
        raise UnreadableDesign("The file does not begin with ISO-10303-21; it is not a STEP file.")
    text = _decoded(content)
    reader = Reader()
    for statement in statements(text):
        reader.take(statement)
    unit = _geometry_unit(reader)
    digest = digest_of(content)
    tolerances = pmi.tolerances(reader, digest)
    names = [parameters_of(body)[1:2] for word, body in reader.kept.values() if word == "PRODUCT"]
    return StepFacts(
        schema=reader.schema,
        unit=unit[0],
        unit_mm=unit[1],
        products=tuple(dict.fromkeys(text_of(name[0]) for name in names if name)),
        volume_mm3=_validation(reader, "VOLUME_MEASURE", ("volume measure",), (unit[1], 3)),
        area_mm2=_validation(reader, "AREA_MEASURE", ("wetted area measure", "surface area measure"), (unit[1], 2)),
        tolerances=tuple(Tolerance(kind=one.kind, name=one.name, value_mm=one.zone) for one in tolerances),
        characteristics=(*tolerances, *pmi.dimensions(reader, digest)),
        dimensions=reader.dimensions,
        datums=reader.datums,
        instances=reader.count,
        extent_mm=reader.span_mm(unit[1] or 1.0),
        is_complete="END-ISO-10303-21" in text[-400:],
        mapped=_mapped(reader),
    )


def as_text(facts: StepFacts) -> dict[str, Any]:
    """Turn the facts into plain values for pages and JSON."""
    plain: dict[str, Any] = msgspec.to_builtins(facts)
    return plain
