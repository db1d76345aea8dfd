"""Text facts of a STEP file (ISO 10303-21): schema, units, product names, validation properties, tolerances.

The reader is tolerant: it takes what it understands and passes over the rest, in one sweep over the text, so the time
grows with the size and with nothing else. It builds no geometry. Lengths come out in mm.
"""

import math
import re
from collections.abc import Iterator
from typing import Any

import msgspec

from interwork.core.errors import UnreadableDesign

SIZE_LIMIT = 100 * 1024 * 1024
"""Bytes above which a file is refused unread."""

_TOKEN = re.compile(r"'|/\*|;")
_INSTANCE = re.compile(r"\s*#(\d{1,12})\s*=\s*([A-Z][A-Z0-9_]*)?\s*\(")
_RECORD = re.compile(r"([A-Z][A-Z0-9_]*)\s*\(")
_NUMBER = re.compile(r"[-+]?\d+\.?\d*(?:[Ee][-+]?\d+)?")
_ESCAPE = re.compile(r"\\X([24])\\([0-9A-Fa-f]*)\\X0\\|\\X\\([0-9A-Fa-f]{2})|\\S\\(.)|\\\\")
_REFERENCE = re.compile(r"#(\d{1,12})")
_SI = {".MILLI.": 1.0, ".CENTI.": 10.0, ".DECI.": 100.0, ".MICRO.": 1e-3, ".KILO.": 1e6, "$": 1000.0}
_SI_NAMES = {1.0: "mm", 10.0: "cm", 100.0: "dm", 1e-3: "µm", 1e6: "km", 1000.0: "m"}
_BODIES = ("ADVANCED_BREP_SHAPE_REPRESENTATION", "FACETED_BREP_SHAPE_REPRESENTATION", "SHAPE_REPRESENTATION")
_DIMENSIONS = (
    "DIMENSIONAL_SIZE",
    "DIMENSIONAL_LOCATION",
    "ANGULAR_SIZE",
    "ANGULAR_LOCATION",
    "DIRECTED_DIMENSIONAL_LOCATION",
)
_KEPT = {
    *_BODIES,
    "PRODUCT",
    "MEASURE_REPRESENTATION_ITEM",
    "LENGTH_MEASURE_WITH_UNIT",
    "DERIVED_UNIT",
    "DERIVED_UNIT_ELEMENT",
}
_DEPTH = 6
"""How far a chain of units is followed; no sound file needs more than four."""


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


class _Reader:
    """What is kept of the sweep."""

    def __init__(self) -> None:
        self.kept: dict[int, tuple[str, str]] = {}
        self.derived: dict[int, float] = {}
        self.count = 0
        self.dimensions = 0
        self.datums = 0
        self.schema = ""
        self.low = [float("inf")] * 3
        self.high = [float("-inf")] * 3

    def take(self, statement: str) -> None:
        head = _INSTANCE.match(statement)
        if head is None:
            if statement.lstrip().startswith("FILE_SCHEMA"):
                self.schema = next(iter(_strings(statement)), "")
            return
        self.count += 1
        word, body = head[2] or "", statement[head.end() - 1 :]
        if word == "CARTESIAN_POINT":
            self.stretch(body)
        elif word in _KEPT or word.endswith("_TOLERANCE") or (not word and ("_UNIT" in body or "TOLERANCE" in body)):
            self.kept[int(head[1])] = (word, body)
        elif not word and "MEASURE_WITH_UNIT" in body:
            self.kept[int(head[1])] = ("", body)
        self.dimensions += word in _DIMENSIONS or (not word and any(name in body for name in _DIMENSIONS[:2]))
        self.datums += word == "DATUM" or (not word and re.search(r"\bDATUM\s*\(", body) is not None)

    def stretch(self, body: str) -> None:
        at = _NUMBER.findall(body[body.rfind("(") :])
        if len(at) == 3:
            for axis in range(3):
                value = float(at[axis])
                self.low[axis] = min(self.low[axis], value)
                self.high[axis] = max(self.high[axis], value)

    def span_mm(self, unit_mm: float) -> float:
        span = max(0.0, *(high - low for low, high in zip(self.low, self.high, strict=True))) * unit_mm
        return span if math.isfinite(span) else 0.0


def _statements(text: str) -> Iterator[str]:
    """Cut the text at semicolons outside strings and comments."""
    begin = at = 0
    pieces: list[str] = []
    while token := _TOKEN.search(text, at):
        if token[0] == ";":
            yield "".join(pieces) + text[begin : token.start()]
            pieces = []
            begin = at = token.end()
            continue
        is_comment = token[0] == "/*"
        end = text.find("*/" if is_comment else "'", token.end())
        if end < 0:
            return
        at = end + (2 if is_comment else 1)
        if is_comment:
            pieces.append(text[begin : token.start()])
            begin = at


def _strings(text: str) -> list[str]:
    return [_string(found) for found in re.findall(r"'(?:[^']|'')*'", text)]


def _string(parameter: str) -> str:
    """Read a string parameter, quotes and escapes undone; anything else is empty."""
    if not (len(parameter) >= 2 and parameter[0] == parameter[-1] == "'"):
        return ""
    return decode(parameter[1:-1].replace("''", "'"))


def decode(text: str) -> str:
    r"""Decode the escapes of Part 21 strings (\X2\, \X4\, \X\, \S\, doubled); leave what is malformed as it stands."""
    return _ESCAPE.sub(_unescape, text) if "\\" in text else text


def _unescape(found: re.Match[str]) -> str:
    wide, digits, byte, shifted = found.groups()
    if wide:
        size = int(wide) * 2
        codes = [int(digits[i : i + size], 16) for i in range(0, len(digits) - size + 1, size)]
        return "".join(chr(code) if code < 0x110000 and not 0xD800 <= code < 0xE000 else "\ufffd" for code in codes)
    if byte:
        return chr(int(byte, 16))
    return chr(ord(shifted) | 0x80) if shifted else "\\"


def _parameters(body: str) -> list[str]:
    """Split the parameters of `(a,(b,c),'d,e')` at the commas of the outer level."""
    parts, depth, begin, at = [], 0, 1, 0
    for token in re.finditer(r"'[^']*'|[(),]", body):
        at = token.start()
        if token[0] == "(":
            depth += 1
        elif token[0] == ")":
            depth -= 1
            if depth == 0:
                break
        elif token[0] == "," and depth == 1:
            parts.append(body[begin:at].strip())
            begin = at + 1
    parts.append(body[begin:at].strip())
    return parts


def _records(body: str) -> dict[str, str]:
    """Split a complex instance `(A(…)B(…))` into its records."""
    records, depth, at = {}, 0, 0
    name = ""
    for token in re.finditer(r"'[^']*'|[()]", body):
        if token[0] == "(":
            depth += 1
            if depth == 2:
                head = re.search(r"[A-Z][A-Z0-9_]*\s*$", body[max(0, token.start() - 80) : token.start()])
                name, at = head[0].strip() if head else "", token.start()
        elif token[0] == ")":
            if depth == 2:
                records[name] = body[at : token.end()]
            depth -= 1
    return records


def _number(text: str) -> float | None:
    found = _NUMBER.search(text)
    return None if found is None else float(found[0])


def _reference(text: str) -> int:
    found = _REFERENCE.search(text)
    return int(found[1]) if found else 0


def _length_unit(reader: _Reader, number: int, depth: int = _DEPTH) -> tuple[str, float]:
    """Name a unit of length and tell its millimetres; ("", 0) where it is none."""
    records = _records(reader.kept.get(number, ("", ""))[1])
    if depth == 0 or "LENGTH_UNIT" not in records:
        return "", 0.0
    if "SI_UNIT" in records:
        factor = _SI.get(_parameters(records["SI_UNIT"])[0], 0.0)
        return _SI_NAMES.get(factor, ""), factor
    if "CONVERSION_BASED_UNIT" in records:
        name, measure = (*_parameters(records["CONVERSION_BASED_UNIT"]), "")[:2]
        value, base = (*_parameters(reader.kept.get(_reference(measure), ("", "()"))[1]), "")[:2]
        factor = _length_unit(reader, _reference(base), depth - 1)[1]
        return name.strip("'").lower(), (_number(value) or 0.0) * factor
    return "", 0.0


def _derived_mm(reader: _Reader, number: int) -> float:
    """Tell the mm² or mm³ of one derived unit; 0 where the file does not say."""
    if number in reader.derived:
        return reader.derived[number]
    factor = 1.0
    for element in _REFERENCE.findall(reader.kept.get(number, ("", ""))[1]):
        word, body = reader.kept.get(int(element), ("", "()"))
        unit, power = (*_parameters(body), "", "")[:2]
        if word == "DERIVED_UNIT_ELEMENT":
            factor *= _length_unit(reader, _reference(unit))[1] ** (_number(power) or 0.0)
    reader.derived[number] = factor
    return factor


def _validation(reader: _Reader, measure: str, names: tuple[str, ...], unit: tuple[float, int]) -> float | None:
    """Find the one value the file states for a measure; several different ones belong to parts, so none is taken."""
    values = []
    for word, body in reader.kept.values():
        if word == "MEASURE_REPRESENTATION_ITEM" and measure in body:
            name, value, of = (*_parameters(body), "", "")[:3]
            number = _number(value)
            if _string(name) in names and number is not None:
                scale = _derived_mm(reader, _reference(of)) if _reference(of) in reader.kept else unit[0] ** unit[1]
                values.append(number * scale)
    if not values or max(values) - min(values) > 1e-9 * abs(max(values)):
        return None
    return values[0]


def _tolerances(reader: _Reader) -> tuple[Tolerance, ...]:
    found = []
    for word, body in reader.kept.values():
        records = {word: body} if word else _records(body)
        kind = next(
            (name for name in records if name.endswith("_TOLERANCE") and name not in _NOT_GEOMETRIC),
            "",
        )
        fields = records.get("GEOMETRIC_TOLERANCE") or records.get(kind) or ""
        parameters = _parameters(fields) if kind else []
        if len(parameters) >= 4:
            name = _string(parameters[0])
            value = _length(reader, _reference(parameters[2]))
            found.append(Tolerance(kind=kind.removesuffix("_TOLERANCE").lower(), name=name, value_mm=value))
    return tuple(found)


_NOT_GEOMETRIC = {"GEOMETRIC_TOLERANCE", "PLUS_MINUS_TOLERANCE"}


def _length(reader: _Reader, number: int) -> float | None:
    """Read a length with its unit, simple or complex, in mm."""
    word, body = reader.kept.get(number, ("", ""))
    fields = body if word else _records(body).get("MEASURE_WITH_UNIT", "")
    if not fields:
        return None
    value, unit = (*_parameters(fields), "")[:2]
    figure, factor = _number(value), _length_unit(reader, _reference(unit))[1]
    return None if figure is None or not factor else figure * factor


def _geometry_unit(reader: _Reader) -> tuple[str, float]:
    """Find the unit of the context in which the bodies stand, else the first unit of length in the file."""
    for wanted in _BODIES:
        bodies = (body for word, body in reader.kept.values() if word == wanted)
        for context in dict.fromkeys(_reference(_parameters(body)[-1]) for body in bodies):
            records = _records(reader.kept.get(context, ("", ""))[1])
            for number in _REFERENCE.findall(records.get("GLOBAL_UNIT_ASSIGNED_CONTEXT", "")):
                unit = _length_unit(reader, int(number))
                if unit[1]:
                    return unit
    return next((unit for number in reader.kept if (unit := _length_unit(reader, number))[1]), ("", 0.0))


def read(content: bytes) -> StepFacts:
    """Read the text facts of a STEP file; raise UnreadableDesign when it is none or too large."""
    if len(content) > SIZE_LIMIT:
        raise UnreadableDesign(
            f"The file has {len(content) / 1e6:.0f} MB; at most {SIZE_LIMIT / 1e6:.0f} MB are read.",
            remedy="Export the part alone, without drawings and construction geometry.",
        )
    if not content[:4096].lstrip(b"\xef\xbb\xbf \t\r\n").startswith(b"ISO-10303-21"):
        raise UnreadableDesign("The file does not begin with ISO-10303-21; it is not a STEP file.")
    text = content.decode("latin-1")
    reader = _Reader()
    for statement in _statements(text):
        reader.take(statement)
    unit = _geometry_unit(reader)
    names = [_parameters(body)[1:2] for word, body in reader.kept.values() if word == "PRODUCT"]
    return StepFacts(
        schema=reader.schema,
        unit=unit[0],
        unit_mm=unit[1],
        products=tuple(dict.fromkeys(_string(name[0]) for name in names if name)),
        volume_mm3=_validation(reader, "VOLUME_MEASURE", ("volume measure",), (unit[1], 3)),
        area_mm2=_validation(reader, "AREA_MEASURE", ("wetted area measure", "surface area measure"), (unit[1], 2)),
        tolerances=_tolerances(reader),
        dimensions=reader.dimensions,
        datums=reader.datums,
        instances=reader.count,
        extent_mm=reader.span_mm(unit[1] or 1.0),
        is_complete="END-ISO-10303-21" in text[-400:],
    )


def as_text(facts: StepFacts) -> dict[str, Any]:
    """Turn the facts into plain values for pages and JSON."""
    plain: dict[str, Any] = msgspec.to_builtins(facts)
    return plain
