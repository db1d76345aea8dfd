"""Product and manufacturing information in the text of an AP242 file: dimensions and geometric tolerances with values.

Read from the semantic representation (ISO 10303-47 and AP242, recommended practices of the CAx-IF), not from what is
drawn. Every figure keeps the unit the file gave it in and comes out in mm or degrees. Each characteristic is named by
the digest of its file and its place there, so that the same file always gives the same ids.
"""

import math

from msgspec.structs import replace

from interwork.core.design import Characteristic
from interwork.core.ids import derived_id
from interwork.design.files.instances import (
    REFERENCE,
    Reader,
    length_unit,
    number_in,
    parameters_of,
    records_of,
    reference_in,
    text_of,
)

_GENERAL = ("GEOMETRIC_TOLERANCE", "PLUS_MINUS_TOLERANCE")
"""How the records end that say how a tolerance is meant and not which it is."""
_MATERIAL = {"MAXIMUM_MATERIAL": "MMC", "LEAST_MATERIAL": "LMC"}
_SIZES = {
    "DIMENSIONAL_SIZE",
    "ANGULAR_SIZE",
    "DIMENSIONAL_LOCATION",
    "ANGULAR_LOCATION",
    "DIRECTED_DIMENSIONAL_LOCATION",
    "DIMENSIONAL_SIZE_WITH_PATH",
    "DIMENSIONAL_LOCATION_WITH_PATH",
}
Figure = tuple[float, str, str]
"""Value, unit (mm or deg), the file's own unit."""


def _identify(digest: str, number: int) -> str:
    return derived_id("char", digest, f"#{number}")


def tolerances(reader: Reader, digest: str) -> list[Characteristic]:
    """List the geometric tolerances with zone and datums, in the order of the file."""
    found = []
    for number, (word, body) in reader.kept.items():
        records = {word: body} if word else records_of(body)
        kind = next((name for name in records if name.endswith("_TOLERANCE") and not name.endswith(_GENERAL)), "")
        fields = parameters_of(records.get("GEOMETRIC_TOLERANCE") or records.get(kind) or "") if kind else []
        if len(fields) < 4:
            continue
        figure = _figure(reader, reference_in(fields[2]))
        systems = records.get("GEOMETRIC_TOLERANCE_WITH_DATUM_REFERENCE", fields[4] if len(fields) > 4 else "")
        found.append(
            Characteristic(
                id=_identify(digest, number),
                kind=kind.removesuffix("_TOLERANCE").lower(),
                name=text_of(fields[0]) + _modifier(records),
                key=f"#{number}",
                zone=figure[0] if figure else None,
                unit=figure[1] if figure else "mm",
                file_unit=figure[2] if figure else "",
                datums=_datums(reader, systems),
            )
        )
    return found


def _modifier(records: dict[str, str]) -> str:
    """Tell that a tolerance grows with the feature: at maximum or least material condition (ISO 2692)."""
    said = records.get("GEOMETRIC_TOLERANCE_WITH_MODIFIERS", "") + records.get("MODIFIED_GEOMETRIC_TOLERANCE", "")
    return "".join(f" ({short})" for word, short in _MATERIAL.items() if word in said)


def _datums(reader: Reader, systems: str) -> tuple[str, ...]:
    """Follow datum systems down to the letters, in their order of precedence."""
    letters: list[str] = []
    todo = [int(number) for number in REFERENCE.findall(systems)]
    for _ in range(100):
        if not todo:
            break
        word, body = reader.kept.get(todo.pop(0), ("", "()"))
        fields = parameters_of(body)
        if word == "DATUM" and len(fields) > 4:
            letters.append(text_of(fields[4]))
        elif word == "DATUM_SYSTEM" and len(fields) > 4:
            todo += [int(number) for number in REFERENCE.findall(fields[4])]
        elif word in ("DATUM_REFERENCE_COMPARTMENT", "DATUM_REFERENCE_ELEMENT") and len(fields) > 4:
            todo = [int(one) for one in REFERENCE.findall(fields[4])] + todo  # several: a common datum, as B-C
        elif word == "DATUM_REFERENCE" and len(fields) > 1:
            todo.insert(0, reference_in(fields[1]))
    return tuple(dict.fromkeys(letter for letter in letters if letter))


def dimensions(reader: Reader, digest: str) -> list[Characteristic]:
    """List the dimensions with nominal and deviations, in the order of the file."""
    items: dict[int, list[int]] = {}
    spans: dict[int, tuple[int, int]] = {}
    fits: dict[int, str] = {}
    for word, body in reader.kept.values():
        fields = parameters_of(body)
        if word == "DIMENSIONAL_CHARACTERISTIC_REPRESENTATION" and len(fields) > 1:
            listed = parameters_of(reader.kept.get(reference_in(fields[1]), ("", "()"))[1])
            items[reference_in(fields[0])] = [int(one) for one in REFERENCE.findall(" ".join(listed[1:2]))]
        elif word == "PLUS_MINUS_TOLERANCE" and len(fields) > 1:
            kind, stated = reader.kept.get(reference_in(fields[0]), ("", "()"))
            low_high = parameters_of(stated)
            if kind == "LIMITS_AND_FITS":
                fits[reference_in(fields[1])] = "".join(text_of(one) for one in low_high[:2])
            elif len(low_high) > 1:
                spans[reference_in(fields[1])] = (reference_in(low_high[0]), reference_in(low_high[1]))
    found = [
        _dimension(reader, digest, number, (items.get(number, []), spans.get(number)))
        for number, (word, _) in reader.kept.items()
        if word in _SIZES
    ]
    named = {f"#{number}": fit for number, fit in fits.items()}
    return [replace(one, name=f"{one.name} {named[one.key]}") if one.key in named else one for one in found]


def _dimension(
    reader: Reader, digest: str, number: int, parts: tuple[list[int], tuple[int, int] | None]
) -> Characteristic:
    word, body = reader.kept[number]
    fields = parameters_of(body)
    is_location = "LOCATION" in word
    said = text_of(fields[0]) if is_location else text_of((*fields, "", "")[1])
    kind = (said or word.lower()).replace(" ", "_")
    named: dict[str, Figure] = {}
    for item in parts[0]:
        figure = _figure(reader, item)
        if figure is not None:
            named.setdefault(_label(reader, item), figure)
    nominal = named.get("nominal value") or next(iter(named.values()), None)
    lower, upper = (_figure(reader, one) for one in parts[1]) if parts[1] else (None, None)
    below, above = _deviations(nominal, named, lower, upper)
    return Characteristic(
        id=_identify(digest, number),
        kind=kind,
        name=kind.replace("_", " "),
        key=f"#{number}",
        nominal=nominal[0] if nominal else None,
        lower=below,
        upper=above,
        unit=nominal[1] if nominal else "mm",
        file_unit=nominal[2] if nominal else "",
    )


def _deviations(
    nominal: Figure | None, named: dict[str, Figure], lower: Figure | None, upper: Figure | None
) -> tuple[float | None, float | None]:
    """Tell the deviations, given as plus and minus or as two limits of size."""
    if lower is not None and upper is not None:
        return lower[0], upper[0]
    least, most = named.get("lower limit"), named.get("upper limit")
    if nominal is None or least is None or most is None:
        return None, None
    return round(least[0] - nominal[0], 9), round(most[0] - nominal[0], 9)


def _label(reader: Reader, number: int) -> str:
    word, body = reader.kept.get(number, ("", "()"))
    fields = parameters_of(body if word else records_of(body).get("REPRESENTATION_ITEM", "()"))
    return text_of(fields[0]) if fields else ""


def _figure(reader: Reader, number: int) -> Figure | None:
    """Read a measure with its unit, simple or complex, in mm or degrees."""
    word, body = reader.kept.get(number, ("", ""))
    fields = parameters_of(body if word else records_of(body).get("MEASURE_WITH_UNIT", "()"))
    if word == "MEASURE_REPRESENTATION_ITEM":
        fields = fields[1:]
    value = number_in(fields[0]) if fields else None
    if value is None or not math.isfinite(value) or len(fields) < 2:
        return None
    unit = reference_in(fields[1])
    if "ANGLE" in fields[0]:
        factor, said = _angle_unit(reader, unit)
        return (_round(math.degrees(value * factor)), "deg", said) if factor else None
    name, scale = length_unit(reader, unit)
    return (_round(value * scale), "mm", name) if scale else None


def _round(value: float) -> float:
    """Take off what binary fractions put on: CAD systems write 35.0000000000001."""
    return float(f"{value:.10g}")


def _angle_unit(reader: Reader, number: int) -> tuple[float, str]:
    """Tell the radians in one unit of angle."""
    records = records_of(reader.kept.get(number, ("", ""))[1])
    if "SI_UNIT" in records:
        return 1.0, "rad"
    if "CONVERSION_BASED_UNIT" in records:
        fields = parameters_of(records["CONVERSION_BASED_UNIT"])
        base = reader.kept.get(reference_in((*fields, "")[1]), ("", "()"))[1]
        factor = number_in((*parameters_of(base), "")[0])
        return factor or 0.0, text_of(fields[0]).lower()
    return 0.0, ""
