"""Prismatic and turned parts as boundary solids: features in, a list of faces out.

Every face is a plane with loops or a piece of an upright cylinder; the writers read that one list. Volumes are computed
from the features, not from the faces, so that either can be held against the other.
"""

import itertools
import math
from dataclasses import dataclass

from interwork.core.errors import BadInput
from interwork.design.solid.polygon import Loop2, Segment2, circle, rectangle, reverse

Point3 = tuple[float, float, float]


@dataclass(frozen=True, slots=True, kw_only=True)
class Bore:
    """A round hole straight through along Z, in mm from the block's lower left corner."""

    x_mm: float
    y_mm: float
    diameter_mm: float


@dataclass(frozen=True, slots=True, kw_only=True)
class Pocket:
    """A blind rectangular pocket from the top: its lower left corner, size, depth and corner radius."""

    x_mm: float
    y_mm: float
    length_mm: float
    width_mm: float
    depth_mm: float
    corner_mm: float = 0.0


@dataclass(frozen=True, slots=True, kw_only=True)
class Step:
    """A shoulder over the whole width at the `left` (x = 0) or `right` end of a block."""

    side: str
    run_mm: float
    drop_mm: float


@dataclass(frozen=True, slots=True, kw_only=True)
class Block:
    """A rectangular block with features; corners are rounded where it has no steps."""

    name: str
    length_mm: float
    width_mm: float
    height_mm: float
    corner_mm: float = 0.0
    bores: tuple[Bore, ...] = ()
    pockets: tuple[Pocket, ...] = ()
    steps: tuple[Step, ...] = ()

    def volume_mm3(self) -> float:
        """Compute the volume from the features."""
        volume = (self.length_mm * self.width_mm - _corners(self.corner_mm)) * self.height_mm
        volume -= sum(step.run_mm * step.drop_mm * self.width_mm for step in self.steps)
        for pocket in self.pockets:
            volume -= (pocket.length_mm * pocket.width_mm - _corners(pocket.corner_mm)) * pocket.depth_mm
        return volume - sum(math.pi * bore.diameter_mm**2 / 4 * _level(self, _round(bore)) for bore in self.bores)


@dataclass(frozen=True, slots=True, kw_only=True)
class Flange:
    """A turned flange standing on its disc: hub, bore, and bolt holes on a pitch circle."""

    name: str
    diameter_mm: float
    thickness_mm: float
    hub_diameter_mm: float
    height_mm: float
    bore_mm: float
    bolts: int = 0
    bolt_mm: float = 0.0
    pitch_mm: float = 0.0

    def volume_mm3(self) -> float:
        """Compute the volume from the features."""
        disc = (self.diameter_mm**2 - self.bolts * self.bolt_mm**2) * self.thickness_mm
        hub = self.hub_diameter_mm**2 * (self.height_mm - self.thickness_mm)
        return math.pi / 4 * (disc + hub - self.bore_mm**2 * self.height_mm)


@dataclass(frozen=True, slots=True, kw_only=True)
class Plane:
    """A flat face: normal, and loops of points with the arc's centre on edges that are arcs (outer loop first)."""

    normal: Point3
    loops: tuple[tuple["Edge", ...], ...]


@dataclass(frozen=True, slots=True, kw_only=True)
class Wall:
    """A piece of an upright cylinder over an arc, between two heights; concave when the arc runs clockwise."""

    arc: Segment2
    low: float
    high: float


@dataclass(frozen=True, slots=True)
class Edge:
    """A straight edge, or an arc in a horizontal plane about `centre`."""

    start: Point3
    end: Point3
    centre: Point3 | None = None
    is_ccw: bool = True

    def reversed(self) -> "Edge":
        """Run the edge the other way."""
        return Edge(self.end, self.start, self.centre, not self.is_ccw)


Face = Plane | Wall


def _corners(radius: float) -> float:
    return (4 - math.pi) * radius**2


def _round(bore: Bore) -> tuple[float, float, float, float]:
    radius = bore.diameter_mm / 2
    return bore.x_mm - radius, bore.y_mm - radius, bore.x_mm + radius, bore.y_mm + radius


def _box(pocket: Pocket) -> tuple[float, float, float, float]:
    return pocket.x_mm, pocket.y_mm, pocket.x_mm + pocket.length_mm, pocket.y_mm + pocket.width_mm


def _is_inside(inner: tuple[float, float, float, float], outer: tuple[float, float, float, float]) -> bool:
    return inner[0] > outer[0] and inner[1] > outer[1] and inner[2] < outer[2] and inner[3] < outer[3]


def _tops(block: Block) -> list[tuple[float, tuple[float, float, float, float]]]:
    """List the top faces as (height, rectangle)."""
    left, right, tops = 0.0, block.length_mm, []
    for step in block.steps:
        height = block.height_mm - step.drop_mm
        if step.side == "left":
            left = step.run_mm
            tops.append((height, (0.0, 0.0, left, block.width_mm)))
        else:
            right = block.length_mm - step.run_mm
            tops.append((height, (right, 0.0, block.length_mm, block.width_mm)))
    return [(block.height_mm, (left, 0.0, right, block.width_mm)), *tops]


def _level(block: Block, box: tuple[float, float, float, float]) -> float:
    """Find the height of the face a feature starts from: a pocket's floor or a top."""
    top = next((height for height, area in _tops(block) if _is_inside(box, area)), None)
    if top is None:
        raise BadInput(
            f"{block.name}: the feature at {box[0]:g}, {box[1]:g} mm crosses the edge of the face it starts from.",
            remedy="Move it or make it smaller.",
        )
    pocket = next((pocket for pocket in block.pockets if _is_inside(box, _box(pocket))), None)
    return top if pocket is None else top - pocket.depth_mm


def check(shape: Block | Flange) -> None:
    """Refuse a shape whose features are not positive, leave it, or cut into one another."""
    if isinstance(shape, Flange):
        _check_flange(shape)
        return
    sizes = [shape.length_mm, shape.width_mm, shape.height_mm]
    sizes += [bore.diameter_mm for bore in shape.bores]
    sizes += [size for pocket in shape.pockets for size in (pocket.length_mm, pocket.width_mm, pocket.depth_mm)]
    sizes += [size for step in shape.steps for size in (step.run_mm, step.drop_mm)]
    _require(shape, min(sizes) > 0, f"every size must be more than 0 mm; one is {min(sizes):g} mm")
    _check_outline(shape)
    for pocket in shape.pockets:
        is_wide = 2 * pocket.corner_mm < min(pocket.length_mm, pocket.width_mm)
        _require(shape, is_wide, f"a corner radius of {pocket.corner_mm:g} mm does not go into its pocket")
        is_shallow = _level(shape, _box(pocket)) > pocket.depth_mm
        _require(shape, is_shallow, f"a pocket {pocket.depth_mm:g} mm deep is as deep as the block")
    areas = [_box(pocket) for pocket in shape.pockets]
    areas += [box for box in map(_round, shape.bores) if not any(_is_inside(box, area) for area in areas)]
    for number, one in enumerate(areas):
        _level(shape, one)
        for other in areas[number + 1 :]:
            is_apart = one[0] >= other[2] or other[0] >= one[2] or one[1] >= other[3] or other[1] >= one[3]
            _require(shape, is_apart, f"the features at {one[:2]} and {other[:2]} mm overlap")


def _require(shape: Block | Flange, is_met: bool, fault: str) -> None:
    if not is_met:
        raise BadInput(f"{shape.name}: {fault}.", remedy="Change the size or move the feature.")


def _check_outline(block: Block) -> None:
    is_square = not (block.steps and block.corner_mm)
    _require(block, is_square, "a block with steps has square corners")
    is_wide = 2 * block.corner_mm < min(block.length_mm, block.width_mm)
    _require(block, is_wide, f"a corner radius of {block.corner_mm:g} mm does not go into the outline")
    sides = [step.side for step in block.steps]
    _require(block, set(sides) <= {"left", "right"}, "the side of a step is left or right")
    _require(block, len(set(sides)) == len(sides), "two steps are on the same side")
    is_left = sum(step.run_mm for step in block.steps) < block.length_mm
    is_left = is_left and all(step.drop_mm < block.height_mm for step in block.steps)
    _require(block, is_left, "the steps leave nothing of the block")


def _check_flange(flange: Flange) -> None:
    widths = flange.diameter_mm > flange.hub_diameter_mm > flange.bore_mm > 0
    _require(flange, widths, "the disc must be wider than the hub, and the hub than the bore")
    _require(flange, flange.height_mm > flange.thickness_mm > 0, "the hub must stand higher than the disc")
    if flange.bolts:
        half, at = flange.bolt_mm / 2, flange.pitch_mm / 2
        is_between = half > 0 and flange.hub_diameter_mm / 2 < at - half and at + half < flange.diameter_mm / 2
        _require(flange, is_between, "the bolt holes must lie between the hub and the rim")
        chord = 2 * at * math.sin(math.pi / max(2, flange.bolts))
        _require(flange, flange.bolts == 1 or chord > flange.bolt_mm, "the bolt holes overlap")


def _lift(loop: Loop2, height: float) -> tuple[Edge, ...]:
    return tuple(
        Edge(
            (*segment.start, height),
            (*segment.end, height),
            None if segment.centre is None else (*segment.centre, height),
            segment.is_ccw,
        )
        for segment in loop
    )


def _cap(height: float, outer: Loop2, inner: list[Loop2], *, is_top: bool) -> Plane:
    """Close a solid at a height; inner loops are given counter-clockwise like the outer one."""
    loops = [outer, *map(reverse, inner)]
    if not is_top:
        loops = [reverse(loop) for loop in loops]
    return Plane(normal=(0.0, 0.0, 1.0 if is_top else -1.0), loops=tuple(_lift(loop, height) for loop in loops))


def _walls(loop: Loop2, low: float, high: float) -> list[Face]:
    """Raise a loop into side faces; the material lies to the left of the loop's direction."""
    faces: list[Face] = []
    for segment in loop:
        if segment.centre is not None:
            faces.append(Wall(arc=segment, low=low, high=high))
            continue
        (x0, y0), (x1, y1) = segment.start, segment.end
        corners = [(x0, y0, low), (x1, y1, low), (x1, y1, high), (x0, y0, high)]
        length = math.hypot(x1 - x0, y1 - y0)
        faces.append(Plane(normal=((y1 - y0) / length, (x0 - x1) / length, 0.0), loops=(_polygon(corners),)))
    return faces


def _polygon(points: list[Point3]) -> tuple[Edge, ...]:
    return tuple(Edge(start, end) for start, end in zip(points, points[1:] + points[:1], strict=True))


def _stepped_sides(block: Block) -> list[Face]:
    """Build the upright faces of a block with steps from its profile in X and Z."""
    tops = sorted(_tops(block), key=lambda top: top[1][0])
    profile = [(block.length_mm, 0.0)]
    for height, (left, _, right, _) in reversed(tops):
        profile += [(right, height), (left, height)]
    profile.append((0.0, 0.0))
    front = [(x, 0.0, z) for x, z in profile]
    back = [(x, block.width_mm, z) for x, z in reversed(profile)]
    faces: list[Face] = [
        Plane(normal=(0.0, -1.0, 0.0), loops=(_polygon(front),)),
        Plane(normal=(0.0, 1.0, 0.0), loops=(_polygon(back),)),
    ]
    for (x0, z0), (x1, z1) in itertools.pairwise(profile):
        if x0 == x1:
            side = 1.0 if z1 > z0 else -1.0
            quad = [(x0, 0.0, z0), (x0, block.width_mm, z0), (x0, block.width_mm, z1), (x0, 0.0, z1)]
            faces.append(Plane(normal=(side, 0.0, 0.0), loops=(_polygon(quad),)))
    return faces


def _block_faces(block: Block) -> list[Face]:
    outline = rectangle(0.0, 0.0, block.length_mm, block.width_mm, block.corner_mm)
    faces = _stepped_sides(block) if block.steps else _walls(outline, 0.0, block.height_mm)
    tops = [
        (height, outline if not block.steps else rectangle(x0, y0, x1 - x0, y1 - y0, 0.0), (x0, y0, x1, y1))
        for height, (x0, y0, x1, y1) in _tops(block)
    ]
    cuts: list[list[Loop2]] = [[] for _ in tops]
    bottom: list[Loop2] = []
    floors = []
    for pocket in block.pockets:
        loop = rectangle(pocket.x_mm, pocket.y_mm, pocket.length_mm, pocket.width_mm, pocket.corner_mm)
        number = next(n for n, top in enumerate(tops) if _is_inside(_box(pocket), top[2]))
        cuts[number].append(loop)
        floors.append((tops[number][0] - pocket.depth_mm, loop, _box(pocket)))
        faces += _walls(reverse(loop), tops[number][0] - pocket.depth_mm, tops[number][0])
    levels = [*floors, *tops]
    holes: list[list[Loop2]] = [*([] for _ in floors), *cuts]
    for bore in block.bores:
        loop = circle(bore.x_mm, bore.y_mm, bore.diameter_mm / 2)
        number = next(n for n, level in enumerate(levels) if _is_inside(_round(bore), level[2]))
        holes[number].append(loop)
        bottom.append(loop)
        faces += _walls(reverse(loop), 0.0, levels[number][0])
    faces += [_cap(level[0], level[1], hole, is_top=True) for level, hole in zip(levels, holes, strict=True)]
    return [*faces, _cap(0.0, outline, bottom, is_top=False)]


def _flange_faces(flange: Flange) -> list[Face]:
    outer = circle(0.0, 0.0, flange.diameter_mm / 2)
    hub = circle(0.0, 0.0, flange.hub_diameter_mm / 2)
    bore = circle(0.0, 0.0, flange.bore_mm / 2)
    bolts = []
    for number in range(flange.bolts):
        angle = 2 * math.pi * number / flange.bolts
        at = flange.pitch_mm / 2
        bolts.append(circle(at * math.cos(angle), at * math.sin(angle), flange.bolt_mm / 2))
    faces = [
        *_walls(outer, 0.0, flange.thickness_mm),
        *_walls(hub, flange.thickness_mm, flange.height_mm),
        *_walls(reverse(bore), 0.0, flange.height_mm),
        _cap(0.0, outer, [bore, *bolts], is_top=False),
        _cap(flange.thickness_mm, outer, [hub, *bolts], is_top=True),
        _cap(flange.height_mm, hub, [bore], is_top=True),
    ]
    for bolt in bolts:
        faces += _walls(reverse(bolt), 0.0, flange.thickness_mm)
    return faces


def faces_of(shape: Block | Flange) -> list[Face]:
    """List the faces that bound a shape, material behind every normal."""
    check(shape)
    return _block_faces(shape) if isinstance(shape, Block) else _flange_faces(shape)


def area_mm2(shape: Block | Flange) -> float:
    """Compute the surface area, arcs as arcs."""
    return sum(_face_area(face) for face in faces_of(shape))


def _face_area(face: Face) -> float:
    if isinstance(face, Wall):
        return _sweep(face.arc) * _radius(face.arc) * (face.high - face.low)
    return sum(_loop_area(loop, face.normal) for loop in face.loops)


def _radius(arc: Segment2) -> float:
    return 0.0 if arc.centre is None else math.dist(arc.start, arc.centre)


def _sweep(arc: Segment2) -> float:
    if arc.centre is None:
        return 0.0
    first, last = (arc.start, arc.end) if arc.is_ccw else (arc.end, arc.start)
    begin, end = (math.atan2(p[1] - arc.centre[1], p[0] - arc.centre[0]) for p in (first, last))
    return (end - begin) % (2 * math.pi)


def _loop_area(loop: tuple[Edge, ...], normal: Point3) -> float:
    """Sum the polygon of the loop's ends and the segments between its arcs and their chords."""
    total = 0.0
    for edge in loop:
        (x0, y0, z0), (x1, y1, z1) = edge.start, edge.end
        cross = (y0 * z1 - z0 * y1, z0 * x1 - x0 * z1, x0 * y1 - y0 * x1)
        total += sum(n * c for n, c in zip(normal, cross, strict=True)) / 2
        if edge.centre is not None:
            arc = Segment2(edge.start[:2], edge.end[:2], edge.centre[:2], edge.is_ccw)
            slice_ = _radius(arc) ** 2 * (_sweep(arc) - math.sin(_sweep(arc))) / 2
            total += slice_ * normal[2] * (1 if edge.is_ccw else -1)
    return total
