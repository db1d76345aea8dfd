"""Facets of a shape, written as binary STL in millimetres."""

import math
import struct

from interwork.design.solid.polygon import Point2, Segment2, flatten, triangulate
from interwork.design.solid.shape import Block, Edge, Face, Flange, Point3, Wall, faces_of


def write_stl(shape: Block | Flange, *, step_rad: float = math.pi / 48) -> bytes:
    """Write a shape as binary STL, arcs cut into pieces of at most `step_rad`."""
    facets = [facet for face in faces_of(shape) for facet in _facets(face, step_rad)]
    head = f"{shape.name}: sample part by interwork, millimetres".encode("ascii", "replace")[:80].ljust(80)
    body = b"".join(
        struct.pack("<12fH", *_normal(facet), *(c for point in facet for c in point), 0) for facet in facets
    )
    return head + struct.pack("<I", len(facets)) + body


def _facets(face: Face, step_rad: float) -> list[tuple[Point3, Point3, Point3]]:
    if isinstance(face, Wall):
        line = [*flatten(face.arc, step_rad), face.arc.end]
        low, high = [(*point, face.low) for point in line], [(*point, face.high) for point in line]
        lower = [(low[i], low[i + 1], high[i]) for i in range(len(line) - 1)]
        return lower + [(low[i + 1], high[i + 1], high[i]) for i in range(len(line) - 1)]
    points: list[Point3] = []
    loops = []
    for loop in face.loops:
        begin = len(points)
        for edge in loop:
            points += _along(edge, step_rad)
        loops.append(list(range(begin, len(points))))
    flat = [_project(point, face.normal) for point in points]
    return [(points[a], points[b], points[c]) for a, b, c in triangulate(flat, loops)]


def _along(edge: Edge, step_rad: float) -> list[Point3]:
    if edge.centre is None:
        return [edge.start]
    arc = Segment2(edge.start[:2], edge.end[:2], edge.centre[:2], edge.is_ccw)
    return [(*point, edge.start[2]) for point in flatten(arc, step_rad)]


def _project(point: Point3, normal: Point3) -> Point2:
    """Look at an axis-parallel plane against its normal, so that loops keep their sense."""
    x, y, z = point
    if abs(normal[2]) > 0.5:
        return (x, y) if normal[2] > 0 else (y, x)
    if abs(normal[0]) > 0.5:
        return (y, z) if normal[0] > 0 else (z, y)
    return (z, x) if normal[1] > 0 else (x, z)


def _normal(facet: tuple[Point3, Point3, Point3]) -> Point3:
    a, b, c = facet
    u, v = [b[i] - a[i] for i in range(3)], [c[i] - a[i] for i in range(3)]
    n = (u[1] * v[2] - u[2] * v[1], u[2] * v[0] - u[0] * v[2], u[0] * v[1] - u[1] * v[0])
    length = math.hypot(*n)
    return (n[0] / length, n[1] / length, n[2] / length)
