"""DXF drawings as flat patterns: closed contours, their net area, the length to cut, holes, and bend lines.

Curves are flattened to chords, joined where their ends meet, and walked to contours; a contour inside an outline is a
hole, one inside a hole is a part again. What is on a bend layer is folded, not cut; text and dimensions are left out
and counted. A drawing that does not state its unit is read in mm and says so.
"""

import tempfile
from collections import Counter
from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np
from ezdxf import disassemble, path, recover
from ezdxf.entities.insert import Insert
from ezdxf.filemanagement import readfile
from ezdxf.lldxf.const import DXFError

from interwork.core.design import FlatPattern, Geometry
from interwork.core.errors import UnreadableDesign
from interwork.design.files.contours import SEGMENTS_MAX, apart, area, contours, crossing, depths, length, once
from interwork.design.geometry.mesh import Floats

_UNITS = {1: ("inch", 25.4), 2: ("foot", 304.8), 3: ("mile", 1_609_344.0), 4: ("mm", 1.0), 5: ("cm", 10.0),
          6: ("m", 1000.0), 7: ("km", 1e6), 8: ("microinch", 25.4e-6), 9: ("mil", 0.0254), 10: ("yard", 914.4),
          11: ("Å", 1e-7), 12: ("nm", 1e-6), 13: ("µm", 1e-3), 14: ("dm", 100.0)}  # fmt: skip
"""$INSUNITS of the header."""
_CURVES = {"LINE", "ARC", "CIRCLE", "ELLIPSE", "SPLINE", "LWPOLYLINE", "POLYLINE"}
_REMARKS = {"DIMENSION", "ARC_DIMENSION", "LEADER", "MULTILEADER", "MLEADER", "TOLERANCE", "ACAD_TABLE"}
"""What speaks of the part and is not its outline, though it is drawn with lines."""
_BROKEN = ("CENTER", "DASH", "DOT", "HIDDEN", "PHANTOM", "DIVIDE", "BORDER", "ACAD_ISO02", "ACAD_ISO03", "ACAD_ISO04",
           "ACAD_ISO08", "ACAD_ISO10")  # fmt: skip
_BINARY = b"AutoCAD Binary DXF"
"""How the binary form begins, which is not repaired."""
_DEPTH = 32
_LIMIT = 200_000
_FINENESS = 5000
_MEET = 1e-4
"""Ends closer than this share of the extent meet."""


@dataclass(slots=True)
class _Sheet:
    """What is gathered from the drawing, in mm."""

    cuts: list[Floats] = field(default_factory=list)
    bends: list[Floats] = field(default_factory=list)
    left_out: Counter[str] = field(default_factory=Counter)
    layers: dict[str, None] = field(default_factory=dict)


def read(content: bytes, analyser: str) -> tuple[Geometry, list[Floats]]:
    """Measure a flat pattern; the second half are its contours, for the viewer."""
    drawing = _open(content)
    code = int(drawing.header.get("$INSUNITS", 0))
    unit, scale = _UNITS.get(code, ("not declared", 1.0))
    notes = [] if code in _UNITS else ["The drawing does not state its unit ($INSUNITS): millimetres are assumed."]
    sheet = _gather(drawing, scale)
    if not sheet.cuts:
        raise UnreadableDesign(
            "The drawing has no line to cut in its model space.",
            remedy="Export the flat pattern as DXF R2000 or later.",
        )
    every = np.concatenate(sheet.cuts)
    low, size = every.min(axis=0), np.ptp(every, axis=0)
    near = float(size.max()) * _MEET
    cuts = once(sheet.cuts, near)
    closed, opened = contours(cuts, near)
    distinct = apart(closed, near)
    _check(distinct, near)
    if sum(len(one) for one in distinct) > SEGMENTS_MAX:
        notes.append(f"Whether contours cross was not looked at: there are over {SEGMENTS_MAX:,} pieces of them.")
    if twice := len(sheet.cuts) - len(cuts) + len(closed) - len(distinct):
        notes.append(f"{twice} curves or contours were drawn twice and count once.")
    closed = distinct
    flat = _flat(sheet, closed, opened)
    if opened:
        notes.append(f"{flat.open_ends} ends of curves meet nothing: the contour is open there and no area is counted.")
    if sheet.left_out:
        notes.append(f"Left out: {', '.join(f'{count} {kind}' for kind, count in sorted(sheet.left_out.items()))}.")
    is_suspect = not 0.1 <= float(size.max()) <= 10_000
    if is_suspect:
        notes.append(f"Unit suspect: the largest extent is {size.max():.4g} mm; nothing was rescaled.")
    notes.append("A flat drawing has no thickness: give it, and volume and mass follow.")
    geometry = Geometry(
        analyser=analyser,
        unit=unit,
        bodies=flat.outlines,
        box_mm=(round(float(size[0]), 4), round(float(size[1]), 4), 0.0),
        low_mm=(round(float(low[0]), 4), round(float(low[1]), 4), 0.0),
        volume_mm3=0.0,
        area_mm2=flat.outline_area_mm2,
        triangles=0,
        is_closed=not opened,
        is_unit_suspect=is_suspect,
        flat=flat,
        notes=tuple(notes),
    )
    return geometry, [*closed, *opened]


def _check(closed: list[Floats], near: float) -> None:
    """Refuse contours of which nobody can tell what is inside."""
    found = crossing(closed, near) if closed else None
    if found is not None:
        count, (x, y) = found
        raise UnreadableDesign(
            f"Contours cross one another or themselves in {count} places, one near x {x:.6g}, y {y:.6g} mm; "
            "what is inside cannot be told.",
            remedy="Trim them to one outline and export it again.",
        )


def _open(content: bytes) -> Any:  # noqa: ANN401 -- ezdxf is untyped
    with tempfile.TemporaryDirectory() as folder:
        name = Path(folder) / "drawing.dxf"
        name.write_bytes(content)
        try:
            return readfile(name) if content.startswith(_BINARY) else recover.readfile(name)[0]
        except (DXFError, OSError, ValueError, KeyError, IndexError, AttributeError, TypeError) as fault:
            raise UnreadableDesign(
                f"The DXF cannot be read: {fault}.", remedy="Export the flat pattern as DXF R2000 or later."
            ) from fault


def _gather(drawing: Any, scale: float) -> _Sheet:  # noqa: ANN401
    sheet = _Sheet()
    layers = drawing.layers
    for number, (entity, layer) in enumerate(_plain(drawing.modelspace(), sheet)):
        if number > _LIMIT:
            raise UnreadableDesign(
                f"The drawing has over {_LIMIT:,} entities.", remedy="Export the flat pattern alone."
            )
        kind = entity.dxftype()
        if kind not in _CURVES:
            sheet.left_out[kind] += 1
            continue
        held = layers.get(layer) if layers.has_entry(layer) else None
        if held is not None and (held.is_off() or held.is_frozen()):
            sheet.left_out["on hidden layers"] += 1
            continue
        is_bend = "bend" in layer.lower()
        if not is_bend and _is_broken(entity, held):
            sheet.left_out["in a broken line type (axes, hidden edges)"] += 1
            continue
        points = _points(entity, scale)
        if points is None:
            sheet.left_out[f"empty {kind}"] += 1
            continue
        sheet.layers[layer] = None
        (sheet.bends if is_bend else sheet.cuts).append(points)
    return sheet


def _plain(entities: Any, sheet: _Sheet, layer: str = "", depth: int = 0) -> Iterator[tuple[Any, str]]:  # noqa: ANN401
    """Take blocks apart, each entity with the layer it lies on; dimensions and leaders are left out whole."""
    if depth > _DEPTH:
        raise UnreadableDesign(
            f"Blocks of the drawing are nested over {_DEPTH} deep, or contain one another.",
            remedy="Explode the blocks and export it again.",
        )
    for entity in entities:
        own = str(entity.dxf.get("layer", "0"))
        own = layer if own == "0" and layer else own
        if isinstance(entity, Insert):
            for each in entity.multi_insert() if entity.mcount > 1 else (entity,):
                yield from _plain(each.virtual_entities(), sheet, own, depth + 1)
        elif entity.dxftype() in _REMARKS:
            sheet.left_out[entity.dxftype()] += 1
        else:
            yield from ((each, own) for each in disassemble.recursive_decompose([entity]))


def _is_broken(entity: Any, layer: Any) -> bool:  # noqa: ANN401
    """Tell whether a curve is dashed or dotted, by itself or by its layer."""
    name = str(entity.dxf.get("linetype", "BYLAYER")).upper()
    if name in ("BYLAYER", "BYBLOCK"):
        name = str(layer.dxf.get("linetype", "CONTINUOUS")).upper() if layer is not None else "CONTINUOUS"
    return name.startswith(_BROKEN)


def _points(entity: Any, scale: float) -> Floats | None:  # noqa: ANN401
    """Flatten a curve to points in mm; None where it has no length."""
    curve = path.make_path(entity)
    size = max(float(curve.start.distance(one)) for one in curve.control_vertices()) if len(curve) else 0.0
    points = np.array([tuple(one) for one in curve.flattening(max(size / _FINENESS, 1e-6))], np.float64) * scale
    if len(points) < 2 or not np.isfinite(points).all():
        return None
    rise = float(np.ptp(points[:, 2]))
    if rise > max(_MEET, _MEET * size * scale):
        x, y, z = points[0]
        raise UnreadableDesign(
            f"A {entity.dxftype()} near x {x:.6g}, y {y:.6g} mm rises by {rise:.6g} mm from z {z:.6g}: "
            "the drawing is no flat pattern.",
            remedy="Export the flat pattern in the XY plane, or the part itself as STEP.",
        )
    return points[:, :2]


def _flat(sheet: _Sheet, closed: list[Floats], opened: list[Floats]) -> FlatPattern:
    levels = depths(closed)
    areas = [abs(area(one)) for one in closed]
    net = sum(area if level % 2 == 0 else -area for area, level in zip(areas, levels, strict=True))
    return FlatPattern(
        outline_area_mm2=round(net, 3),
        cut_length_mm=round(sum(length(one) for one in (*closed, *opened)), 3),
        holes=sum(level % 2 for level in levels),
        outlines=sum(level % 2 == 0 for level in levels),
        bends=len(sheet.bends),
        bend_length_mm=round(sum(length(one) for one in sheet.bends), 3),
        open_ends=2 * len(opened),
        layers=tuple(sheet.layers),
    )
