"""DXF drawings as flat patterns: closed contours, their net area, the length to cut, holes, and bend lines.

Curves are flattened to chords, joined where their ends meet, and walked to contours; a contour inside an outline is a
hole, one inside a hole is a part again. What is on a bend layer is folded, not cut; text and dimensions are left out
and counted. A drawing that does not state its unit is read in mm and says so.
"""

import math
import tempfile
from collections import Counter
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np
from ezdxf import disassemble, path, recover
from ezdxf.lldxf.const import DXFError

from interwork.core.design import FlatPattern, Geometry
from interwork.core.errors import UnreadableDesign
from interwork.design.geometry.mesh import Floats

_UNITS = {1: ("inch", 25.4), 2: ("foot", 304.8), 4: ("mm", 1.0), 5: ("cm", 10.0), 6: ("m", 1000.0), 13: ("µm", 1e-3)}
"""$INSUNITS of the header."""
_CURVES = {"LINE", "ARC", "CIRCLE", "ELLIPSE", "SPLINE", "LWPOLYLINE", "POLYLINE"}
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
    closed, opened = _contours(sheet.cuts, float(size.max()) * _MEET)
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
    return geometry, closed


def _open(content: bytes) -> Any:  # noqa: ANN401 -- ezdxf is untyped
    with tempfile.TemporaryDirectory() as folder:
        name = Path(folder) / "drawing.dxf"
        name.write_bytes(content)
        try:
            return recover.readfile(name)[0]
        except (DXFError, OSError, ValueError, KeyError, IndexError, AttributeError, TypeError) as fault:
            raise UnreadableDesign(
                f"The DXF cannot be read: {fault}.", remedy="Export the flat pattern as DXF R2000 or later."
            ) from fault


def _gather(drawing: Any, scale: float) -> _Sheet:  # noqa: ANN401
    sheet = _Sheet()
    for number, entity in enumerate(disassemble.recursive_decompose(drawing.modelspace())):
        if number > _LIMIT:
            raise UnreadableDesign(
                f"The drawing has over {_LIMIT:,} entities.", remedy="Export the flat pattern alone."
            )
        if entity.dxftype() not in _CURVES:
            sheet.left_out[entity.dxftype()] += 1
            continue
        curve = path.make_path(entity)
        size = max(float(curve.start.distance(one)) for one in curve.control_vertices()) if len(curve) else 0.0
        points = np.array([(one.x, one.y) for one in curve.flattening(max(size / _FINENESS, 1e-6))], np.float64) * scale
        if len(points) < 2 or not np.isfinite(points).all():
            sheet.left_out[f"empty {entity.dxftype()}"] += 1
            continue
        layer = str(entity.dxf.get("layer", "0"))
        sheet.layers[layer] = None
        (sheet.bends if "bend" in layer.lower() else sheet.cuts).append(points)
    return sheet


def _contours(curves: list[Floats], near: float) -> tuple[list[Floats], list[Floats]]:
    """Join curves at their ends; closed contours first, then what stays open."""
    closed = [curve for curve in curves if math.dist(curve[0], curve[-1]) <= near and len(curve) > 2]
    todo = [curve for curve in curves if not (math.dist(curve[0], curve[-1]) <= near and len(curve) > 2)]
    ends: dict[tuple[int, int], list[tuple[int, bool]]] = {}
    cell = max(near * 4, 1e-9)
    for number, curve in enumerate(todo):
        for is_end in (False, True):
            ends.setdefault(_cell(curve[-1 if is_end else 0], cell), []).append((number, is_end))
    used = [False] * len(todo)
    opened: list[Floats] = []
    for number in range(len(todo)):
        if used[number]:
            continue
        used[number] = True
        chain = _follow(todo, used, ends, (todo[number], cell, near))
        if math.dist(chain[0], chain[-1]) > near:
            chain = _follow(todo, used, ends, (chain[::-1], cell, near))
        (closed if math.dist(chain[0], chain[-1]) <= near else opened).append(chain)
    return closed, opened


def _follow(
    todo: list[Floats],
    used: list[bool],
    ends: dict[tuple[int, int], list[tuple[int, bool]]],
    state: tuple[Floats, float, float],
) -> Floats:
    chain, cell, near = state
    pieces = [chain]
    first = chain[0]
    while True:
        tail = pieces[-1][-1]
        if len(pieces) > 1 and math.dist(first, tail) <= near:
            break
        home = _cell(tail, cell)
        beside = ((home[0] + dx, home[1] + dy) for dx in (-1, 0, 1) for dy in (-1, 0, 1))
        found = next(
            (
                (number, is_end)
                for key in beside
                for number, is_end in ends.get(key, ())
                if not used[number] and math.dist(todo[number][-1 if is_end else 0], tail) <= near
            ),
            None,
        )
        if found is None:
            break
        number, is_end = found
        used[number] = True
        pieces.append(todo[number][::-1] if is_end else todo[number])
    return np.concatenate(pieces)


def _cell(point: Floats, size: float) -> tuple[int, int]:
    return math.floor(point[0] / size), math.floor(point[1] / size)


def _flat(sheet: _Sheet, closed: list[Floats], opened: list[Floats]) -> FlatPattern:
    depths = [sum(_is_inside(one[0], other) for other in closed if other is not one) for one in closed]
    areas = [abs(_area(one)) for one in closed]
    net = sum(area if depth % 2 == 0 else -area for area, depth in zip(areas, depths, strict=True))
    return FlatPattern(
        outline_area_mm2=round(net, 3),
        cut_length_mm=round(sum(_length(one) for one in (*closed, *opened)), 3),
        holes=sum(depth % 2 for depth in depths),
        outlines=sum(depth % 2 == 0 for depth in depths),
        bends=len(sheet.bends),
        bend_length_mm=round(sum(_length(one) for one in sheet.bends), 3),
        open_ends=2 * len(opened),
        layers=tuple(sheet.layers),
    )


def _length(points: Floats) -> float:
    return float(np.linalg.norm(np.diff(points, axis=0), axis=1).sum())


def _area(points: Floats) -> float:
    x, y = points.T
    return float((x * np.roll(y, -1) - y * np.roll(x, -1)).sum() / 2)


def _is_inside(point: Floats, contour: Floats) -> bool:
    """Tell whether a point lies inside a contour, by the crossings of a ray."""
    a, b = contour, np.roll(contour, -1, axis=0)
    over = (a[:, 1] > point[1]) != (b[:, 1] > point[1])
    a, b = a[over], b[over]
    at = a[:, 0] + (point[1] - a[:, 1]) / (b[:, 1] - a[:, 1]) * (b[:, 0] - a[:, 0])
    return bool((at > point[0]).sum() % 2)
