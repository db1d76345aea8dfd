"""Flat loops of straight edges and arcs, and the triangulation of a polygon with holes (ear clipping).

Loops run counter-clockwise about material when they are outer loops; `reverse` makes them inner ones.
"""

import math
from dataclasses import dataclass

from interwork.core.errors import BadInput

Point2 = tuple[float, float]


@dataclass(frozen=True, slots=True)
class Segment2:
    """A straight edge, or an arc about `centre`."""

    start: Point2
    end: Point2
    centre: Point2 | None = None
    is_ccw: bool = True


Loop2 = tuple[Segment2, ...]


def reverse(loop: Loop2) -> Loop2:
    """Run a loop the other way."""
    return tuple(Segment2(s.end, s.start, s.centre, not s.is_ccw) for s in reversed(loop))


def circle(x: float, y: float, radius: float) -> Loop2:
    """Draw a circle as two half circles, as most systems write them."""
    right, left = (x + radius, y), (x - radius, y)
    return (Segment2(right, left, (x, y)), Segment2(left, right, (x, y)))


def rectangle(x: float, y: float, length: float, width: float, corner: float) -> Loop2:
    """Draw a rectangle from its lower left corner, with rounded corners where `corner` is more than 0."""
    right, top = x + length, y + width
    if corner <= 0:
        points = [(x, y), (right, y), (right, top), (x, top)]
        return tuple(Segment2(a, b) for a, b in zip(points, points[1:] + points[:1], strict=True))
    c = corner
    return (
        Segment2((x + c, y), (right - c, y)),
        Segment2((right - c, y), (right, y + c), (right - c, y + c)),
        Segment2((right, y + c), (right, top - c)),
        Segment2((right, top - c), (right - c, top), (right - c, top - c)),
        Segment2((right - c, top), (x + c, top)),
        Segment2((x + c, top), (x, top - c), (x + c, top - c)),
        Segment2((x, top - c), (x, y + c)),
        Segment2((x, y + c), (x + c, y), (x + c, y + c)),
    )


def flatten(segment: Segment2, step_rad: float) -> list[Point2]:
    """List points along a segment without its last one; both directions of an arc give the very same points."""
    if segment.centre is None:
        return [segment.start]
    first, last = (segment.start, segment.end) if segment.is_ccw else (segment.end, segment.start)
    cx, cy = segment.centre
    begin = math.atan2(first[1] - cy, first[0] - cx)
    sweep = (math.atan2(last[1] - cy, last[0] - cx) - begin) % (2 * math.pi)
    count = max(1, math.ceil(sweep / step_rad - 1e-9))
    radius = math.hypot(first[0] - cx, first[1] - cy)
    inner = [
        (cx + radius * math.cos(begin + sweep * i / count), cy + radius * math.sin(begin + sweep * i / count))
        for i in range(1, count)
    ]
    return [segment.start, *(inner if segment.is_ccw else inner[::-1])]


def _cross(a: Point2, b: Point2, c: Point2) -> float:
    return (b[0] - a[0]) * (c[1] - a[1]) - (b[1] - a[1]) * (c[0] - a[0])


def _bridge(outer: list[int], inner: list[int], points: list[Point2]) -> list[int]:
    """Join a hole to the outer loop by the shortest edge that crosses neither (Eberly's bridge, by search)."""
    start = max(range(len(inner)), key=lambda i: points[inner[i]])
    hole = points[inner[start]]
    loops = [outer, inner]
    edges = [(loop[i - 1], loop[i]) for loop in loops for i in range(len(loop))]
    for at in sorted(range(len(outer)), key=lambda i: math.dist(points[outer[i]], hole)):
        target = points[outer[at]]
        if not any(_crosses(hole, target, points[a], points[b]) for a, b in edges):
            return [*outer[: at + 1], *inner[start:], *inner[: start + 1], *outer[at:]]
    raise BadInput("A hole cannot be joined to its outline: the loops cross.", remedy="Move the feature.")


def _crosses(a: Point2, b: Point2, c: Point2, d: Point2) -> bool:
    """Tell whether two open segments cross properly."""
    return _cross(a, b, c) * _cross(a, b, d) < 0 and _cross(c, d, a) * _cross(c, d, b) < 0


def triangulate(points: list[Point2], loops: list[list[int]]) -> list[tuple[int, int, int]]:
    """Cut a polygon with holes (outer loop first and counter-clockwise, holes clockwise) into triangles."""
    ring, *holes = loops
    for hole in sorted(holes, key=lambda loop: max(points[i] for i in loop), reverse=True):
        ring = _bridge(ring, hole, points)
    triangles = []
    at, misses = 0, 0
    while len(ring) > 3 and misses < 2 * len(ring):
        at %= len(ring)
        before, here, after = ring[at - 1], ring[at], ring[(at + 1) % len(ring)]
        if _is_ear(points, ring, (before, here, after)):
            triangles.append((before, here, after))
            del ring[at]
            misses = 0
            at += 1
        else:
            at, misses = at + 1, misses + 1
    if len(ring) > 3:
        raise BadInput("A face cannot be cut into triangles: its loops cross.", remedy="Move the feature.")
    return [*triangles, (ring[0], ring[1], ring[2])]


def _is_ear(points: list[Point2], ring: list[int], corner: tuple[int, int, int]) -> bool:
    a, b, c = (points[i] for i in corner)
    if _cross(a, b, c) <= 1e-12:
        return False
    for i in ring:
        p = points[i]
        if p in (a, b, c):
            continue
        if _cross(a, b, p) >= 0 and _cross(b, c, p) >= 0 and _cross(c, a, p) >= 0:
            return False
    return True
