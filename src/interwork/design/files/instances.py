"""The lexical half of Part 21 (ISO 10303-21): statements, records, parameters, strings, and the units they lead to.

The reader is tolerant: it keeps what the text facts need and passes over the rest, in one sweep over the text, so the
time grows with the size and with nothing else.
"""

import math
import re
from collections.abc import Iterator

from interwork.core.errors import UnreadableDesign

_TOKEN = re.compile(r"'|/\*|;")
_INSTANCE = re.compile(r"\s*#(\d{1,12})\s*=\s*([A-Z][A-Z0-9_]*)?\s*\(")
_RECORD = re.compile(r"([A-Z][A-Z0-9_]*)\s*\(")
_NUMBER = re.compile(r"[-+]?(?:\d+\.?\d*|\.\d+)(?:[Ee][-+]?\d+)?")
_NO_NUMBER = re.compile(r"nan|inf|#ind", re.IGNORECASE)
"""What broken programs write for a number they do not have."""
_ESCAPE = re.compile(r"\\X([24])\\([0-9A-Fa-f]*)\\X0\\|\\X\\([0-9A-Fa-f]{2})|\\P([A-I])\\|\\S\\(.)|\\\\")
REFERENCE = re.compile(r"#(\d{1,12})")
_SI = {
    ".NANO.": 1e-6, ".MICRO.": 1e-3, ".MILLI.": 1.0, ".CENTI.": 10.0, ".DECI.": 100.0, "$": 1000.0, ".KILO.": 1e6
}  # fmt: skip
_SI_NAMES = {1e-6: "nm", 1e-3: "µm", 1.0: "mm", 10.0: "cm", 100.0: "dm", 1000.0: "m", 1e6: "km"}
BODIES = ("ADVANCED_BREP_SHAPE_REPRESENTATION", "FACETED_BREP_SHAPE_REPRESENTATION", "SHAPE_REPRESENTATION")
_DIMENSIONS = (
    "DIMENSIONAL_SIZE",
    "DIMENSIONAL_LOCATION",
    "ANGULAR_SIZE",
    "ANGULAR_LOCATION",
    "DIRECTED_DIMENSIONAL_LOCATION",
    "DIMENSIONAL_SIZE_WITH_PATH",
    "DIMENSIONAL_LOCATION_WITH_PATH",
)
_KEPT = {
    *BODIES,
    "PRODUCT",
    "MEASURE_REPRESENTATION_ITEM",
    "LENGTH_MEASURE_WITH_UNIT",
    "PLANE_ANGLE_MEASURE_WITH_UNIT",
    "DERIVED_UNIT",
    "DERIVED_UNIT_ELEMENT",
    *_DIMENSIONS,
    "DIMENSIONAL_CHARACTERISTIC_REPRESENTATION",
    "SHAPE_DIMENSION_REPRESENTATION",
    "PLUS_MINUS_TOLERANCE",
    "TOLERANCE_VALUE",
    "DATUM",
    "DATUM_SYSTEM",
    "DATUM_REFERENCE",
    "DATUM_REFERENCE_COMPARTMENT",
    "DATUM_REFERENCE_ELEMENT",
    "LIMITS_AND_FITS",
    "MAPPED_ITEM",
    "REPRESENTATION_MAP",
}
_BREAKS = {ord("\r"): None, ord("\n"): None}
"""Where a line ends within a string, nothing is meant by it."""
_DEPTH = 6
"""How far a chain of units is followed; no sound file needs more than four."""


class Reader:
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
        """Look at one statement and keep what is needed of it."""
        head = _INSTANCE.match(statement)
        if head is None:
            if statement.lstrip().startswith("FILE_SCHEMA"):
                self.schema = next(iter(texts_in(statement)), "")
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
        """Widen the box of all points by one; raise UnreadableDesign where it has a coordinate that is none."""
        inside = body[body.rfind("(") :]
        if _NO_NUMBER.search(inside):  # the kernel would look for a surface through it for minutes
            raise UnreadableDesign(
                f"A point of the STEP file is {inside.strip('() ')[:60]}: that is no number.",
                remedy="Open it in the system it came from and export it again as STEP AP242 or AP214.",
            )
        at = _NUMBER.findall(inside)
        if len(at) == 3:
            for axis in range(3):
                value = float(at[axis])
                self.low[axis] = min(self.low[axis], value)
                self.high[axis] = max(self.high[axis], value)

    def span_mm(self, unit_mm: float) -> float:
        """Tell the largest side of that box."""
        span = max(0.0, *(high - low for low, high in zip(self.low, self.high, strict=True))) * unit_mm
        return span if math.isfinite(span) else 0.0


def statements(text: str) -> Iterator[str]:
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


def texts_in(text: str) -> list[str]:
    """Read every string of a statement."""
    return [text_of(found) for found in re.findall(r"'(?:[^']|'')*'", text)]


def text_of(parameter: str) -> str:
    """Read a string parameter, quotes and escapes undone; anything else is empty."""
    if not (len(parameter) >= 2 and parameter[0] == parameter[-1] == "'"):
        return ""
    return decode(parameter[1:-1].replace("''", "'").translate(_BREAKS))


def decode(text: str) -> str:
    r"""Decode the escapes of Part 21 strings (\X2\, \X4\, \X\, \P?\, \S\, doubled); leave what is malformed."""
    if "\\" not in text:
        return text
    pieces, at, page = [], 0, "A"
    for found in _ESCAPE.finditer(text):
        page = found[4] or page
        pieces += [text[at : found.start()], _unescape(found, page)]
        at = found.end()
    return "".join(pieces) + text[at:]


def _unescape(found: re.Match[str], page: str) -> str:
    r"""Undo one escape; `page` is the part of ISO 8859 that \P?\ named last, A for part 1 to I for part 9."""
    wide, digits, byte, directive, shifted = found.groups()
    if directive:
        return ""
    if wide:
        size = int(wide) * 2
        codes = [int(digits[i : i + size], 16) for i in range(0, len(digits) - size + 1, size)]
        return "".join(chr(code) if code < 0x110000 and not 0xD800 <= code < 0xE000 else "\ufffd" for code in codes)
    if byte:
        return chr(int(byte, 16))
    if not shifted:
        return "\\"
    return bytes([ord(shifted) & 0x7F | 0x80]).decode(f"iso8859-{ord(page) - ord('A') + 1}", "replace")


def parameters_of(body: str) -> list[str]:
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


def records_of(body: str) -> dict[str, str]:
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


def number_in(text: str) -> float | None:
    """Read the first number of a text."""
    found = _NUMBER.search(text)
    return None if found is None else float(found[0])


def reference_in(text: str) -> int:
    """Read the first reference of a text; 0 where there is none."""
    found = REFERENCE.search(text)
    return int(found[1]) if found else 0


def length_unit(reader: Reader, number: int, depth: int = _DEPTH) -> tuple[str, float]:
    """Name a unit of length and tell its millimetres; ("", 0) where it is none."""
    records = records_of(reader.kept.get(number, ("", ""))[1])
    if depth == 0 or "LENGTH_UNIT" not in records:
        return "", 0.0
    if "SI_UNIT" in records:
        factor = _SI.get(parameters_of(records["SI_UNIT"])[0], 0.0)
        return _SI_NAMES.get(factor, ""), factor
    if "CONVERSION_BASED_UNIT" in records:
        name, measure = (*parameters_of(records["CONVERSION_BASED_UNIT"]), "")[:2]
        value, base = (*parameters_of(reader.kept.get(reference_in(measure), ("", "()"))[1]), "")[:2]
        factor = length_unit(reader, reference_in(base), depth - 1)[1]
        return name.strip("'").lower(), (number_in(value) or 0.0) * factor
    return "", 0.0
