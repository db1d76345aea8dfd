"""Facet files: STL (binary and text) and 3MF, read strictly and within limits.

STL says nothing about its unit, so millimetres are assumed and said. 3MF is a zip with XML: entries and bytes are
counted before anything is unpacked, a document type is refused as the standard does (3MF core, 2.3.2), and so is a file
that requires an extension this reader does not know, since its plain mesh may not be the part.
"""

import io
import re
import struct
import zipfile
import zlib
from dataclasses import dataclass, field
from typing import Any
from xml.parsers import expat

import numpy as np

from interwork.core.errors import UnreadableDesign
from interwork.design.geometry.mesh import Floats, Mesh, build, join

TRIANGLE_LIMIT = 1_000_000
_ZIP_ENTRIES, _ZIP_BYTES = 1000, 200 * 1024 * 1024
_CORE = "http://schemas.microsoft.com/3dmanufacturing/core/2015/02"
_KNOWN = {
    _CORE,
    "http://schemas.microsoft.com/3dmanufacturing/material/2015/02",
    "http://schemas.microsoft.com/3dmanufacturing/production/2015/06",
}
_MODEL_LINK = "http://schemas.microsoft.com/3dmanufacturing/2013/01/3dmodel"
_UNITS = {"micron": 1e-3, "millimeter": 1.0, "centimeter": 10.0, "inch": 25.4, "foot": 304.8, "meter": 1000.0}
_REAL = re.compile(rb"[-+]?(\d+\.?\d*|\.\d+)([eE][-+]?\d+)?")
_DEPTH, _PLACINGS = 16, 10_000
_NO_PART = ("support", "solidsupport", "other")
"""Types of objects that are printed along or not at all (core, 4.1.1)."""


def read_stl(content: bytes) -> Mesh:
    """Read binary or text STL."""
    count = struct.unpack_from("<I", content, 80)[0] if len(content) >= 84 else -1
    is_text = b"\0" not in content[:1000]  # what is binary may begin with «solid» too, and end with more than facets
    if content.lstrip()[:5].lower() == b"solid" and (is_text or count < 0) and len(content) != 84 + 50 * count:
        return _read_text_stl(content)
    if count < 0 or len(content) < 84 + 50 * count:
        held = max(0, (len(content) - 84) // 50)
        raise UnreadableDesign(
            f"The STL is cut short: its header promises {max(count, 0)} facets and {held} are there.",
            remedy="Export or copy it again.",
        )
    _limit(count)
    held, rest = divmod(len(content) - 84, 50)
    if held > count and rest == 0:
        raise UnreadableDesign(
            f"The STL's header promises {count} facets and {held} are there.", remedy="Export or copy it again."
        )
    rows = np.frombuffer(content, np.dtype([("normal", "<f4", 3), ("at", "<f4", (3, 3)), ("flags", "<u2")]), count, 84)
    return _from_corners(rows["at"].astype(np.float64))


def _read_text_stl(content: bytes) -> Mesh:
    if b"endsolid" not in content.rstrip()[-400:].lower():
        raise UnreadableDesign("The text STL ends before its endsolid line.", remedy="Export or copy it again.")
    found = re.findall(rb"\bvertex\s+(\S{1,40})\s+(\S{1,40})\s+(\S{1,40})", content, re.IGNORECASE)
    _limit(len(found) // 3)
    try:
        corners = np.array(found, dtype="S40").astype(np.float64)
    except ValueError as fault:
        wrong = next(one for one in found if not all(_REAL.fullmatch(each) for each in one))
        raise UnreadableDesign(
            f"A vertex of the text STL is «{b' '.join(wrong).decode('utf-8', 'replace')}»: that is not three numbers.",
            remedy="Export it again with a decimal point, or as binary STL.",
        ) from fault
    if len(corners) % 3:
        raise UnreadableDesign("The text STL has a facet with other than three vertices.")
    return _from_corners(corners.reshape(-1, 3, 3))


def _limit(count: int) -> None:
    if count > TRIANGLE_LIMIT:
        raise UnreadableDesign(
            f"The file has {count:,} facets; at most {TRIANGLE_LIMIT:,} are read.", remedy="Export it more coarsely."
        )


def _from_corners(corners: Floats) -> Mesh:
    if len(corners) == 0:
        raise UnreadableDesign("The file holds no facets.", remedy="Export the solid, not an empty selection.")
    if not np.isfinite(corners).all():
        raise UnreadableDesign("A facet has a coordinate that is not a number.", remedy="Export it again.")
    mesh = build(corners.reshape(-1, 3), np.arange(3 * len(corners)).reshape(-1, 3))
    if len(mesh.triangles) == 0:
        raise UnreadableDesign("All facets have shrunk to lines; the file holds no surface.")
    return mesh


@dataclass(slots=True)
class _Object:
    """One object of a 3MF model while it is read."""

    points: list[tuple[float, float, float]] = field(default_factory=list)
    triangles: list[tuple[int, int, int]] = field(default_factory=list)
    components: list[tuple[str, Floats]] = field(default_factory=list)
    kind: str = "model"


class _Model:
    """Receives the elements of a 3MF model part."""

    def __init__(self) -> None:
        self.objects: dict[str, _Object] = {}
        self.items: list[tuple[str, Floats]] = []
        self.has_build = False
        self.unit_mm = 1.0
        self.current = _Object()
        self.prefixes: dict[str, str] = {}
        self.ignored: set[str] = set()
        self.count = 0
        self.left_out = 0

    def prefix(self, prefix: str | None, address: str) -> None:
        self.prefixes[prefix or ""] = address

    def doctype(self, *_: object) -> None:
        raise UnreadableDesign("The 3MF carries a document type definition, which the standard forbids (core, 2.3.2).")

    def start(self, name: str, attributes: dict[str, str]) -> None:
        space, _, word = name.rpartition(" ")
        if space != _CORE:
            self.ignored.add(space)
            return
        handler = getattr(self, f"on_{word}", None)
        if handler is not None:
            handler(attributes)

    def on_model(self, a: dict[str, str]) -> None:
        unit = a.get("unit", "millimeter")
        if unit not in _UNITS:
            raise UnreadableDesign(f"The 3MF names the unit {unit!r}, which the standard does not have.")
        self.unit_mm = _UNITS[unit]
        for prefix in a.get("requiredextensions", "").split():
            address = self.prefixes.get(prefix, "")
            if address not in _KNOWN:
                raise UnreadableDesign(
                    f"The 3MF requires the extension {address or prefix!r}, which this reader does not know; "
                    "its volume stays unverified.",
                    remedy="Export it as a plain mesh.",
                )

    def on_object(self, a: dict[str, str]) -> None:
        if a["id"] in self.objects:
            raise UnreadableDesign(f"The 3MF has two objects with the id {a['id']}.")
        self.current = self.objects[a["id"]] = _Object(kind=a.get("type", "model"))

    def on_vertex(self, a: dict[str, str]) -> None:
        self.current.points.append((float(a["x"]), float(a["y"]), float(a["z"])))

    def on_triangle(self, a: dict[str, str]) -> None:
        self.current.triangles.append((int(a["v1"]), int(a["v2"]), int(a["v3"])))
        self.count += 1
        _limit(self.count)

    def on_component(self, a: dict[str, str]) -> None:
        self.current.components.append((self._target(a), _matrix(a)))

    def on_build(self, _: dict[str, str]) -> None:
        self.has_build = True

    def on_item(self, a: dict[str, str]) -> None:
        self.items.append((self._target(a), _matrix(a)))

    def _target(self, a: dict[str, str]) -> str:
        if any(key.endswith(" path") for key in a):
            raise UnreadableDesign(
                "The 3MF spreads its objects over several parts, which this reader does not follow.",
                remedy="Export it as one part.",
            )
        return a["objectid"]


def _matrix(a: dict[str, str]) -> Floats:
    """Read a transform: twelve numbers, row vectors times a 4 × 3 matrix."""
    values = [float(value) for value in a.get("transform", "1 0 0 0 1 0 0 0 1 0 0 0").split()]
    if len(values) != 12:
        raise UnreadableDesign(f"A transform of the 3MF has {len(values)} numbers; it takes 12.")
    return np.array(values).reshape(4, 3)


def read_3mf(content: bytes) -> tuple[Mesh, float, tuple[str, ...]]:
    """Read a 3MF package: the mesh in mm, the millimetres of its unit, and notes on what was left out."""
    try:
        with zipfile.ZipFile(io.BytesIO(content)) as package:
            entries = package.infolist()
            total = sum(entry.file_size for entry in entries)
            if len(entries) > _ZIP_ENTRIES or total > _ZIP_BYTES:
                raise UnreadableDesign(
                    f"The 3MF unpacks to {len(entries)} parts of {total / 1e6:.0f} MB; "
                    f"at most {_ZIP_ENTRIES} parts and {_ZIP_BYTES / 1e6:.0f} MB are read."
                )
            model = _parse(_entry(package, _model_part(package)))
    except (zipfile.BadZipFile, zlib.error, EOFError, NotImplementedError, RuntimeError) as fault:
        raise UnreadableDesign(f"The 3MF package cannot be unpacked: {fault}.", remedy="Export it again.") from fault
    meshes = _place(model)
    extra = sorted(space for space in model.ignored if space not in _KNOWN)
    notes = [f"3MF elements of {space} were left out." for space in extra[:5]]
    if model.left_out:
        notes.append(f"{model.left_out} supports of the 3MF are no part of it and were left out.")
    return join(meshes), model.unit_mm, tuple(notes)


def _entry(package: zipfile.ZipFile, name: str) -> bytes:
    """Unpack one part; a size that the directory understates is met by the same limit."""
    if name not in package.namelist():
        raise UnreadableDesign(f"The 3MF package has no part {name}.")
    with package.open(name) as part:
        unpacked = part.read(_ZIP_BYTES + 1)
    if len(unpacked) > _ZIP_BYTES:
        raise UnreadableDesign(f"The part {name} of the 3MF unpacks to more than {_ZIP_BYTES / 1e6:.0f} MB.")
    return unpacked


def _run(content: bytes, receiver: dict[str, Any]) -> None:
    parser = expat.ParserCreate(namespace_separator=" ")
    for handler, function in receiver.items():
        setattr(parser, handler, function)
    try:
        parser.Parse(content, True)
    except (expat.ExpatError, KeyError, ValueError) as fault:
        where = f"line {parser.CurrentLineNumber}"
        raise UnreadableDesign(f"The XML of the 3MF is not sound at {where}: {fault}.") from fault


def _model_part(package: zipfile.ZipFile) -> str:
    targets: list[str] = []

    def start(_: str, attributes: dict[str, str]) -> None:
        if attributes.get("Type") == _MODEL_LINK:
            targets.append(attributes.get("Target", ""))

    model = _Model()
    _run(
        _entry(package, "_rels/.rels"),
        {"StartElementHandler": start, "StartDoctypeDeclHandler": model.doctype},
    )
    if not targets:
        raise UnreadableDesign("The 3MF package does not say which part is its model (no relationship of that type).")
    return targets[0].lstrip("/")


def _parse(content: bytes) -> _Model:
    model = _Model()
    handlers = {
        "StartElementHandler": model.start,
        "StartNamespaceDeclHandler": model.prefix,
        "StartDoctypeDeclHandler": model.doctype,
    }
    _run(content, handlers)
    if not model.has_build:
        raise UnreadableDesign("The 3MF model has no build element, which the standard requires (core, 3.4).")
    return model


def _place(model: _Model) -> list[Mesh]:
    meshes: list[Mesh] = []
    held = visited = 0
    todo = [(name, [matrix]) for name, matrix in reversed(model.items)]
    while todo:
        name, chain = todo.pop()
        visited += 1
        if name not in model.objects:
            raise UnreadableDesign(f"The 3MF refers to the object {name}, which it does not have.")
        if len(chain) > _DEPTH or visited > _PLACINGS:
            raise UnreadableDesign(f"The 3MF nests objects more than {_DEPTH} deep or places over {_PLACINGS}.")
        thing = model.objects[name]
        if thing.kind in _NO_PART:
            model.left_out += 1
            continue
        todo += [(child, [matrix, *chain]) for child, matrix in thing.components]
        if thing.triangles:
            held += len(thing.triangles)
            _limit(held)
            meshes.append(_object_mesh(name, thing, chain, model.unit_mm))
    if not meshes:
        raise UnreadableDesign("The 3MF builds nothing: no item leads to a triangle.")
    return meshes


def _object_mesh(name: str, thing: _Object, chain: list[Floats], unit_mm: float) -> Mesh:
    points = np.array(thing.points, np.float64).reshape(-1, 3)
    triangles = np.array(thing.triangles, np.int64)
    if triangles.min() < 0 or triangles.max() >= len(points):
        raise UnreadableDesign(f"A triangle of the 3MF object {name} refers to a vertex it does not have.")
    for matrix in chain:
        points = points @ matrix[:3] + matrix[3]
        if np.linalg.det(matrix[:3]) < 0:  # mirrored: what faced outward faces inward
            triangles = triangles[:, ::-1]
    return _from_corners((points * unit_mm)[triangles])
