"""What a shop asks of a shape: round holes, inside corners, bends, a turning axis, and the set-ups to reach every face.

Holes are told by the kernel's analytic faces: concave cylinders of one axis line and radius whose angles sum to a full
circle; arcs of less are fillets and slots, and free-form faces are not guessed at. Set-ups come from height maps: the
surface is sampled, and a sample is reached from a direction when nothing stands above the point just outside it. The
maps have 320 cells along the part, so slots narrower than about a hundredth of it may count as not reached.
"""

import math
from dataclasses import dataclass

import numpy as np

from interwork.core.design import Hole
from interwork.design.geometry.mesh import Flags, Floats, Ints, Mesh, Surface
from interwork.design.geometry.rays import spread

Vector = tuple[float, float, float]

_CELLS = 320
_PER_CELL = 3
_SAMPLES = 500_000
_FULL = 2 * math.pi - 0.05
_NOISE = 0.01
"""Share of the area below which «not reached» is within the error of the height maps."""
DIRECTIONS = {
    "+X": (1.0, 0.0, 0.0),
    "-X": (-1.0, 0.0, 0.0),
    "+Y": (0.0, 1.0, 0.0),
    "-Y": (0.0, -1.0, 0.0),
    "+Z": (0.0, 0.0, 1.0),
    "-Z": (0.0, 0.0, -1.0),
}


@dataclass(frozen=True, slots=True, kw_only=True)
class RoundHole:
    """A hole with the analytic faces it is made of and the sides it can be entered from."""

    hole: Hole
    faces: tuple[int, ...]
    axis: Vector
    is_open_up: bool
    """Nothing stands in the way along +axis."""
    is_open_down: bool


def find_holes(mesh: Mesh, faces: list[Surface]) -> list[RoundHole]:
    """Group concave cylinders into full circles."""
    groups: list[tuple[Surface, list[int]]] = []
    for number in _cylinders(mesh, faces, is_concave=True):
        face = faces[number]
        home = next((members for first, members in groups if _is_same_line(first, face)), None)
        if home is None:
            groups.append((face, [number]))
        else:
            home.append(number)
    lines = _Lines(mesh)
    return [
        _hole(lines, first, [(number, faces[number]) for number in members])
        for first, members in groups
        if sum(faces[number].sweep for number in members) >= _FULL
    ]


def find_corner(mesh: Mesh, faces: list[Surface], holes: list[RoundHole]) -> float | None:
    """Tell the smallest inside radius that is no hole: the largest cutter that goes into every corner."""
    drilled = {number for hole in holes for number in hole.faces}
    radii = [faces[number].radius for number in _cylinders(mesh, faces, is_concave=True) if number not in drilled]
    return round(min(radii), 4) if radii else None


def count_bends(mesh: Mesh, faces: list[Surface], thickness_mm: float) -> int | None:
    """Count bends of a sheet: an inner and an outer cylinder about one line, one thickness apart."""
    if not any(face.kind == "cylinder" for face in faces):
        return None
    inner = [faces[number] for number in _cylinders(mesh, faces, is_concave=True)]
    outer = [faces[number] for number in _cylinders(mesh, faces, is_concave=False)]
    lines: list[Surface] = []
    for face in inner:
        if face.sweep >= _FULL or any(_is_one_line(face, other) for other in lines):
            continue
        gap = [other.radius - face.radius for other in outer if _is_one_line(face, other)]
        if any(abs(each - thickness_mm) <= 0.1 * thickness_mm for each in gap):
            lines.append(face)
    return len(lines)


def _is_one_line(one: Surface, other: Surface) -> bool:
    if abs(_dot(one.axis, other.axis)) < 1 - 1e-6:
        return False
    return math.dist(_foot(one), _foot(other)) < 1e-2 + 1e-5 * math.hypot(*one.origin)


def _cylinders(mesh: Mesh, faces: list[Surface], *, is_concave: bool) -> list[int]:
    """Find the cylinders whose material lies outside (normals point to the axis), or those where it lies inside."""
    cross = mesh.crosses()
    middle = mesh.corners().mean(axis=1)
    order = np.argsort(mesh.face, kind="stable")
    starts = np.searchsorted(mesh.face[order], np.arange(len(faces) + 1))
    found = []
    for number, face in enumerate(faces):
        own = order[starts[number] : starts[number + 1]]
        if face.kind == "cylinder" and len(own):
            outward = middle[own] - np.array(face.origin)
            outward -= np.outer(outward @ np.array(face.axis), face.axis)
            if (float((outward * cross[own]).sum()) < 0) == is_concave:
                found.append(number)
    return found


def _dot(a: Vector, b: Vector) -> float:
    return a[0] * b[0] + a[1] * b[1] + a[2] * b[2]


def _foot(face: Surface) -> Vector:
    """Find the point of the axis line nearest to the origin."""
    along = _dot(face.origin, face.axis)
    x, y, z = (o - along * a for o, a in zip(face.origin, face.axis, strict=True))
    return x, y, z


def _is_same_line(one: Surface, other: Surface) -> bool:
    near = 1e-3 + 1e-5 * one.radius
    if abs(one.radius - other.radius) > near or abs(_dot(one.axis, other.axis)) < 1 - 1e-7:
        return False
    return math.dist(_foot(one), _foot(other)) < 5e-3 + 1e-5 * math.hypot(*one.origin)


def _hole(lines: "_Lines", first: Surface, members: list[tuple[int, Surface]]) -> RoundHole:
    axis, foot = first.axis, _foot(first)
    spans = []
    for _, face in members:
        sign = 1.0 if _dot(face.axis, axis) > 0 else -1.0
        at = _dot(face.origin, axis)
        spans.append(tuple(sorted((at + sign * face.low, at + sign * face.high))))
    low, high = min(span[0] for span in spans), max(span[1] for span in spans)
    stops = lines.crossings(foot, axis, first.radius)
    is_through = not np.any((stops > low - first.radius) & (stops < high + first.radius))
    near = 1e-3 * (high - low) + 1e-3
    middle = (low + high) / 2
    x, y, z = (f + middle * a for f, a in zip(foot, axis, strict=True))
    return RoundHole(
        hole=Hole(
            diameter_mm=round(2 * first.radius, 4),
            depth_mm=round(_covered(spans), 4),
            axis=axis,
            at=(round(x, 4), round(y, 4), round(z, 4)),
            is_through=is_through,
        ),
        faces=tuple(number for number, _ in members),
        axis=axis,
        is_open_up=not np.any(stops > high - near),
        is_open_down=not np.any(stops < low + near),
    )


def _covered(spans: list[tuple[float, ...]]) -> float:
    """Add up spans, each stretch once."""
    total, reach = 0.0, -math.inf
    for low, high in sorted(spans):
        total += max(0.0, high - max(low, reach))
        reach = max(reach, high)
    return total


def _across(axis: Vector) -> tuple[Floats, Floats]:
    """Find two directions at right angles to an axis and to each other."""
    least = min(range(3), key=lambda i: abs(axis[i]))
    one = np.cross(axis, np.eye(3)[least])
    one /= np.linalg.norm(one)
    return one, np.cross(axis, one)


class _Lines:
    """Where lines meet the surface: what depends on the direction alone is computed once for all lines along it."""

    def __init__(self, mesh: Mesh) -> None:
        self._corners = mesh.corners()
        self._seen: dict[Vector, tuple[Floats, ...]] = {}

    def _along(self, axis: Vector) -> tuple[Floats, ...]:
        if axis not in self._seen:
            u, v = _across(axis)
            p, q = self._corners @ u, self._corners @ v
            bounds = (p.min(axis=1), p.max(axis=1), q.min(axis=1), q.max(axis=1))
            self._seen[axis] = (p, q, self._corners @ np.array(axis), *bounds)
        return self._seen[axis]

    def crossings(self, foot: Vector, axis: Vector, radius: float) -> Floats:
        """List where a line beside the axis meets the surface, as heights along the axis."""
        u, v = _across(axis)
        at = np.array(foot) + 0.13 * radius * u + 0.07 * radius * v
        p, q, heights, *bounds = self._along(axis)
        a, b = float(at @ u), float(at @ v)
        near = np.flatnonzero((bounds[0] <= a) & (bounds[1] >= a) & (bounds[2] <= b) & (bounds[3] >= b))
        p, q, heights = p[near] - a, q[near] - b, heights[near]
        weights = np.stack([p[:, i - 2] * q[:, i - 1] - p[:, i - 1] * q[:, i - 2] for i in range(3)], axis=1)
        inside = np.all(weights >= 0, axis=1) | np.all(weights <= 0, axis=1)
        total = weights.sum(axis=1)
        inside &= total != 0
        found: Floats = (weights[inside] * heights[inside]).sum(axis=1) / total[inside]
        return found


@dataclass(frozen=True, slots=True, kw_only=True)
class Revolution:
    """The axis most of the surface turns about."""

    axis: Vector
    at: Vector
    share: float
    is_round: bool


def find_revolution(mesh: Mesh, faces: list[Surface], holes: list[RoundHole]) -> Revolution:
    """Measure, over candidate axes, the share of the area whose normal lies in the meridian plane."""
    cross, middle = mesh.crosses(), mesh.corners().mean(axis=1)
    areas = np.linalg.norm(cross, axis=1)
    volume = np.einsum("ij,ij->i", mesh.corners()[:, 0], cross)
    centre = mesh.vertices.mean(axis=0)
    if abs(volume.sum()) > 1e-9 * areas.sum() ** 1.5:
        centre = (volume[:, None] * mesh.corners().sum(axis=1)).sum(axis=0) / (4 * volume.sum())
    best = Revolution(axis=(0.0, 0.0, 1.0), at=_vector(centre), share=-1.0, is_round=False)
    for point, axis in _axes(mesh, faces, centre):
        radial = middle - point
        radial -= np.outer(radial @ axis, axis)
        around = np.cross(axis, radial)
        around /= np.linalg.norm(around, axis=1)[:, None] + 1e-12
        # The middle of a facet may lie off the middle of its arc: 6° are allowed for.
        slant = np.abs((around * cross).sum(axis=1)) / np.maximum(areas, 1e-12)
        line = Surface(kind="cylinder", origin=_vector(point), axis=_vector(axis))
        drilled = [n for hole in holes if not _is_on(hole, line) for n in hole.faces]
        counted = ~np.isin(mesh.face, drilled)
        share = float(areas[counted & (slant < 0.1)].sum() / max(areas[counted].sum(), 1e-12))
        if share > best.share + 1e-6:
            is_round = _is_round(mesh.vertices - point, axis)
            best = Revolution(axis=_vector(axis), at=_vector(point), share=share, is_round=is_round)
    return best


def _vector(values: Floats) -> Vector:
    return float(values[0]), float(values[1]), float(values[2])


def _is_on(hole: RoundHole, line: Surface) -> bool:
    own = Surface(kind="cylinder", origin=hole.hole.at, axis=hole.axis)
    return abs(_dot(own.axis, line.axis)) > 1 - 1e-6 and math.dist(_foot(own), _foot(line)) < 0.01


def _axes(mesh: Mesh, faces: list[Surface], centre: Floats) -> list[tuple[Floats, Floats]]:
    """Propose axes: X, Y, Z and the principal directions of the normals at the centroid, and the widest cylinder."""
    cross = mesh.crosses()
    unit = cross / np.maximum(np.linalg.norm(cross, axis=1)[:, None], 1e-12)
    directions = [*np.eye(3), *np.linalg.eigh(unit.T @ cross)[1].T]
    widest = max((face for face in faces if face.kind == "cylinder"), key=lambda face: face.radius, default=None)
    proposed = [(centre, np.asarray(direction, np.float64)) for direction in directions]
    if widest is not None:
        proposed.append((np.array(widest.origin), np.array(widest.axis)))
    return proposed


def _is_round(points: Floats, axis: Floats) -> bool:
    """Tell whether the envelope about an axis is a circle within 2 %: a hexagon or a square is not."""
    u, v = _across(_vector(axis))
    angles = np.linspace(0, 2 * np.pi, 36, endpoint=False)
    reach = np.max(np.outer(points @ u, np.cos(angles)) + np.outer(points @ v, np.sin(angles)), axis=0)
    return bool(reach.min() > 0.98 * reach.max())


@dataclass(frozen=True, slots=True, kw_only=True)
class Reach:
    """The directions a shop has to come from, and what none of the six reaches."""

    directions: tuple[str, ...]
    unreached_share: float


def find_reach(mesh: Mesh, holes: list[RoundHole]) -> Reach:
    """Find the fewest of the six directions that reach every face that can be reached."""
    points, normals, owner = _samples(mesh)
    cell = _cell(mesh)
    mask = np.zeros(len(owner), np.int64)
    for bit, along in enumerate(DIRECTIONS.values()):
        seen = _reached(points, normals, cell, along)
        for hole in holes:
            turn = _dot(hole.axis, along)
            is_open = (turn > 1 - 1e-6 and hole.is_open_up) or (turn < 1e-6 - 1 and hole.is_open_down)
            seen[np.isin(mesh.face, hole.faces)[owner]] = is_open
        mask |= seen.astype(np.int64) << bit
    unreached = float((mask == 0).mean())
    faces = np.maximum(mesh.face[owner], 0)
    facing = np.array([float((normals @ np.array(along) > 0.7).mean()) for along in DIRECTIONS.values()])
    return Reach(
        directions=_fewest(faces, mask, facing),
        unreached_share=0.0 if unreached < _NOISE else unreached,
    )


def _fewest(faces: Ints, mask: Ints, facing: Floats) -> tuple[str, ...]:
    """Try every set of directions, small ones first; among equals, the one most of the surface looks along."""
    table = np.zeros((int(faces.max()) + 1, 64))
    np.add.at(table, (faces, mask), 1.0)
    size = table.sum(axis=1)
    goal = size - table[:, 0]
    wanted = goal > 0.5 * size
    subsets = sorted(range(1, 64), key=lambda s: (s.bit_count(), -sum(facing[b] for b in range(6) if s >> b & 1)))
    for subset in subsets:
        done = table[:, [m for m in range(64) if m & subset]].sum(axis=1)
        if done.sum() >= 0.995 * goal.sum() and not np.any(done[wanted] < 0.8 * goal[wanted]):
            return _by_facing(subset, facing)
    return _by_facing(63, facing)


def _by_facing(subset: int, facing: Floats) -> tuple[str, ...]:
    bits = sorted((b for b in range(6) if subset >> b & 1), key=lambda b: -facing[b])
    return tuple(list(DIRECTIONS)[b] for b in bits)


def _cell(mesh: Mesh) -> float:
    """Choose the cell of the height maps: as fine as the samples allow."""
    area = float(np.linalg.norm(mesh.crosses(), axis=1).sum()) / 2
    return max(float(np.ptp(mesh.vertices, axis=0).max()) / _CELLS, math.sqrt(area * _PER_CELL / _SAMPLES))


def _samples(mesh: Mesh) -> tuple[Floats, Floats, Ints]:
    """Spread points evenly over the surface, a few for every cell of the height maps."""
    cross = mesh.crosses()
    twice = np.linalg.norm(cross, axis=1)
    counts = np.maximum(1, np.ceil(twice / 2 * _PER_CELL / _cell(mesh) ** 2)).astype(np.int64)
    owner = np.repeat(np.arange(len(twice)), counts)
    order = np.arange(len(owner)) - np.repeat(np.cumsum(counts) - counts, counts)
    unit = cross / np.maximum(twice[:, None], 1e-12)
    return spread(mesh.corners()[owner], order + 1), unit[owner], owner


def _reached(points: Floats, normals: Floats, cell: float, along: Vector) -> Flags:
    """Tell which samples see the sky along a direction."""
    axis = next(i for i in range(3) if along[i])
    flat = [i for i in range(3) if i != axis]
    heights = points[:, axis] * along[axis]
    low = points[:, flat].min(axis=0) - 3 * cell
    width = np.ceil(np.ptp(points[:, flat], axis=0) / cell).astype(np.int64) + 7
    sky = np.full(int(width[0] * width[1]), -np.inf)
    at = ((points[:, flat] - low) / cell).astype(np.int64)
    np.maximum.at(sky, at[:, 0] * width[1] + at[:, 1], heights)
    beside = ((points[:, flat] + 1.5 * cell * normals[:, flat] - low) / cell).astype(np.int64)
    above = sky[beside[:, 0] * width[1] + beside[:, 1]]
    facing = normals[:, axis] * along[axis]
    # A sloped face rises within its own cell: that much it may stand above itself.
    slope = np.minimum(np.hypot(*normals[:, flat].T) / np.maximum(facing, 0.05), 3.0)
    reached: Flags = (facing > -0.02) & (above <= heights + cell * (0.5 + 1.5 * slope))
    return reached
