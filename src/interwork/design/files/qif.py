"""QIF 2.x and 3.0 (ISO 23952): characteristics, the inspection plan's items, and measured results.

Read by the standard's own chain: item → nominal → definition, each by its id, lengths brought to mm and angles to
degrees by the file's units. A document type is refused and no entity is expanded, so that a small file stays small.
"""

from collections.abc import Iterator

import msgspec
from lxml import etree

from interwork.core.design import Characteristic
from interwork.core.errors import UnreadableDesign
from interwork.core.ids import derived_id, digest_of
from interwork.design.files.xml import Element, parse

_NAMESPACES = ("http://qifstandards.org/xsd/qif2", "http://qifstandards.org/xsd/qif3")
_VALUES_MAX = 1_000_000
_DATUM_FRAMES_MAX = 10_000
_DEGREES = 57.29577951308232


class PlanItem(msgspec.Struct, frozen=True, kw_only=True):
    """One characteristic of an inspection plan: what is measured, and with what."""

    key: str
    name: str
    characteristic: str
    devices: tuple[str, ...] = ()


class MeasuredValue(msgspec.Struct, frozen=True, kw_only=True):
    """One value of one characteristic on one part, in mm or degrees."""

    part: str
    item: str
    characteristic: str
    value: float
    status: str = ""


class QualityFile(msgspec.Struct, frozen=True, kw_only=True):
    """What a QIF document holds."""

    version: str
    product: str
    application: str
    unit: str
    characteristics: tuple[Characteristic, ...]
    items: tuple[PlanItem, ...] = ()
    results: tuple[MeasuredValue, ...] = ()
    parts: tuple[str, ...] = ()
    has_geometry: bool = False


class _Document:
    """The document with what is looked up again and again."""

    def __init__(self, root: Element, digest: str) -> None:
        self.root, self.digest = root, digest
        self.unit, self.mm = _unit(root, "LinearUnit", 1000.0, "m")
        self.angle, self.degrees = _unit(root, "AngularUnit", _DEGREES, "")
        if not self.angle:  # real files leave it out and write degrees
            self.angle, self.degrees = "not declared", 1.0
        self.datums = _frames(root)
        self.named = _named_units(root)

    def scaled(self, element: Element | None, *, is_angle: bool) -> float | None:
        """Read a measure in mm or degrees: in the unit it names, else in the file's."""
        value = None if element is None else _number((element.text or "").strip())
        if element is None or value is None:
            return None
        word = "angularUnit" if is_angle else "linearUnit"
        primary = (self.angle, self.degrees) if is_angle else (self.unit, self.mm)
        name = element.get(word, "") or primary[0]
        if name != primary[0] and (word, name) not in self.named:
            raise UnreadableDesign(
                f"The QIF gives a value in «{name[:40]}», a unit its FileUnits do not define.",
                remedy="Export it again with its units, or in one unit.",
            )
        scale = primary[1] if name == primary[0] else self.named[word, name]
        return float(f"{value * scale:.10g}")


def read(content: bytes) -> QualityFile:
    """Read a QIF document; raise UnreadableDesign where it is none or is not sound."""
    root = _parse(content)
    document = _Document(root, digest_of(content))
    definitions = {one.get("id", ""): one for one in _children(root, "CharacteristicDefinitions")}
    nominals = {one.get("id", ""): one for one in _children(root, "CharacteristicNominals")}
    made = {key: _characteristic(document, key, one, definitions) for key, one in nominals.items()}
    items, of_item = [], {}
    for one in _children(root, "CharacteristicItems"):
        key = one.get("id", "")
        nominal = made.get(_text(one, "CharacteristicNominalId"))
        name = _text(one, "Name") or key
        if nominal is not None:
            made[_text(one, "CharacteristicNominalId")] = msgspec.structs.replace(nominal, name=name)
        devices = tuple(found.text or "" for found in _inside(one, "MeasurementDeviceIds"))
        items.append(PlanItem(key=key, name=name, characteristic=nominal.id if nominal else "", devices=devices))
        of_item[key] = items[-1]
    results, parts = _results(document, of_item, {one.id: one for one in made.values()})
    return QualityFile(
        version=root.get("versionQIF", ""),
        product=_deep(root, "ModelNumber") or _deep(root, "PartNumber") or _deep(root, "Title"),
        application=_deep(root, "Application/Name"),
        unit=document.unit,
        characteristics=tuple(made.values()),
        items=tuple(items),
        results=tuple(results),
        parts=tuple(parts),
        has_geometry=root.find(".//{*}FaceSet") is not None or root.find(".//{*}Face") is not None,
    )


def _parse(content: bytes) -> Element:
    root = parse(content, "the QIF")
    space = etree.QName(root).namespace or ""
    if etree.QName(root).localname != "QIFDocument" or space not in _NAMESPACES:
        raise UnreadableDesign(
            f"The XML is a {etree.QName(root).localname} of {space or 'no namespace'}, not a QIF 2 or 3 document.",
            remedy="Export it as QIF 3.0 (ISO 23952).",
        )
    return root


def _unit(root: Element, kind: str, scale: float, default: str) -> tuple[str, float]:
    """Tell the primary unit's name and what one of it is in mm or degrees."""
    found = root.find(f"{{*}}FileUnits/{{*}}PrimaryUnits/{{*}}{kind}")
    if found is None:
        return default, scale
    factor = _number(_deep(found, "UnitConversion/Factor"))
    return _text(found, "UnitName") or "SI", scale * (1.0 if factor is None else factor)


def _named_units(root: Element) -> dict[tuple[str, str], float]:
    """Tell what one of every unit of the file is in mm or degrees, by the attribute that names it."""
    found = {}
    for tag, word, scale in (("LinearUnit", "linearUnit", 1000.0), ("AngularUnit", "angularUnit", _DEGREES)):
        for one in root.iterfind(f"{{*}}FileUnits//{{*}}{tag}"):
            factor = _number(_deep(one, "UnitConversion/Factor"))
            found[word, _text(one, "UnitName")] = scale * (1.0 if factor is None else factor)
    return found


def _frames(root: Element) -> dict[str, tuple[str, ...]]:
    letters = {one.get("id", ""): _text(one, "DatumLabel") for one in _children(root, "DatumDefinitions")}
    frames = {}
    for frame in list(_children(root, "DatumReferenceFrames"))[:_DATUM_FRAMES_MAX]:
        found = (letters.get(one.text or "", "") for one in frame.iterfind(".//{*}DatumDefinitionId"))
        frames[frame.get("id", "")] = tuple(dict.fromkeys(letter for letter in found if letter))
    return frames


def _characteristic(document: _Document, key: str, nominal: Element, definitions: dict[str, Element]) -> Characteristic:
    kind = _kind(etree.QName(nominal).localname.removesuffix("CharacteristicNominal"))
    definition = definitions.get(_text(nominal, "CharacteristicDefinitionId"), nominal)
    is_angle = "angle" in kind
    target, zone, most, least = (
        document.scaled(found, is_angle=is_angle)
        for found in (
            nominal.find("{*}TargetValue"),
            definition.find("{*}ToleranceValue"),
            definition.find(".//{*}Tolerance/{*}MaxValue"),
            definition.find(".//{*}Tolerance/{*}MinValue"),
        )
    )
    if _deep(definition, "Tolerance/DefinedAsLimit") == "true" and target is not None:
        most, least = (None if limit is None else float(f"{limit - target:.10g}") for limit in (most, least))
    return Characteristic(
        id=derived_id("char", document.digest, key),
        kind=kind,
        name=_text(nominal, "Name") or _text(nominal, "Description") or key,
        key=key,
        nominal=target,
        zone=zone,
        lower=least,
        upper=most,
        unit="deg" if is_angle else "mm",
        file_unit=document.angle if is_angle else document.unit,
        datums=document.datums.get(_text(definition, "DatumReferenceFrameId"), ()),
    )


def _kind(word: str) -> str:
    """Write `SurfaceProfile` as `surface_profile`."""
    return "".join(f"_{letter.lower()}" if letter.isupper() else letter for letter in word).lstrip("_")


def _results(
    document: _Document, items: dict[str, PlanItem], known: dict[str, Characteristic]
) -> tuple[list[MeasuredValue], list[str]]:
    serials = {one.get("id", ""): _text(one, "SerialNumber") for one in document.root.iterfind(".//{*}ActualComponent")}
    results: list[MeasuredValue] = []
    parts: list[str] = []
    for number, measured in enumerate(document.root.iterfind(".//{*}MeasurementResults"), 1):
        component = next((one.text or "" for one in _inside(measured, "ActualComponentIds")), "")
        part = serials.get(component, "") or component or str(number)
        parts.append(part)
        for one in measured.iter():
            word = etree.QName(one).localname if isinstance(one.tag, str) else ""
            if not word.endswith(("CharacteristicActual", "CharacteristicMeasurement")):
                continue
            said, key = _text(one, "Value"), _text(one, "CharacteristicItemId")
            if not said:
                continue
            item = items.get(key)
            if item is None:
                raise UnreadableDesign(
                    f"The QIF gives {said[:40]!r} for the characteristic item {key[:40]!r}, which it does not define.",
                    remedy="Export the plan and its results in one file.",
                )
            is_angle = item.characteristic in known and known[item.characteristic].unit == "deg"
            value = document.scaled(one.find("{*}Value"), is_angle=is_angle)
            if value is None:
                raise UnreadableDesign(
                    f"The QIF gives {said[:40]!r} as the value of «{item.name}» on part {part}; that is no number.",
                    remedy="Have it written again by what measured it.",
                )
            results.append(
                MeasuredValue(
                    part=part,
                    item=item.name,
                    characteristic=item.characteristic,
                    value=value,
                    status=_deep(one, "Status/CharacteristicStatusEnum"),
                )
            )
            if len(results) > _VALUES_MAX:
                raise UnreadableDesign(f"The QIF has over {_VALUES_MAX:,} measured values; split it.")
    return results, parts


def _children(root: Element, name: str) -> Iterator[Element]:
    for holder in root.iterfind(f".//{{*}}{name}"):
        yield from (one for one in holder if isinstance(one.tag, str) and one.get("id"))


def _inside(element: Element, name: str) -> list[Element]:
    found = element.find(f".//{{*}}{name}")
    return [] if found is None else [one for one in found if isinstance(one.tag, str)]


def _text(element: Element, name: str) -> str:
    found = element.find(f"{{*}}{name}")
    return (found.text or "").strip() if found is not None else ""


def _deep(element: Element, path: str) -> str:
    found = element.find(".//" + "/".join(f"{{*}}{name}" for name in path.split("/")))
    return (found.text or "").strip() if found is not None else ""


def _number(text: str) -> float | None:
    try:
        value = float(text)
    except ValueError:
        return None
    return value if abs(value) < 1e300 else None
