"""A shape written as a STEP file: ISO 10303-21 text, AP214, one manifold solid B-rep in millimetres.

The analytic volume and area go along as geometric validation properties (CAx-IF recommended practice), so a reader can
hold what it measured against what was meant. The same shape gives the same bytes.
"""

import math
from dataclasses import dataclass, field

from interwork.design.solid.shape import Block, Edge, Face, Flange, Plane, Point3, Wall, area_mm2, faces_of

_HEADER = """ISO-10303-21;
HEADER;
FILE_DESCRIPTION(('sample part written by the interwork geometry script'),'2;1');
FILE_NAME('{name}.step','2026-01-01T00:00:00',('interwork'),('interwork'),'interwork','interwork','');
FILE_SCHEMA(('AUTOMOTIVE_DESIGN {{ 1 0 10303 214 1 1 1 1 }}'));
ENDSEC;
DATA;
"""


@dataclass(slots=True)
class _Text:
    """Numbers entities as they are written, and finds points and edges that are already there."""

    lines: list[str] = field(default_factory=list)
    known: dict[tuple[object, ...], int] = field(default_factory=dict)

    def add(self, entity: str) -> int:
        self.lines.append(f"#{len(self.lines) + 1}={entity};")
        return len(self.lines)

    def once(self, key: tuple[object, ...], entity: str) -> int:
        if key not in self.known:
            self.known[key] = self.add(entity)
        return self.known[key]

    def point(self, at: Point3) -> int:
        return self.once(("point", *at), f"CARTESIAN_POINT('',({_reals(at)}))")

    def direction(self, along: Point3) -> int:
        return self.once(("direction", *along), f"DIRECTION('',({_reals(along)}))")

    def placement(self, at: Point3, axis: Point3, across: Point3) -> int:
        entity = f"AXIS2_PLACEMENT_3D('',#{self.point(at)},#{self.direction(axis)},#{self.direction(across)})"
        return self.once(("placement", at, axis, across), entity)

    def vertex(self, at: Point3) -> int:
        return self.once(("vertex", *at), f"VERTEX_POINT('',#{self.point(at)})")


def _real(value: float) -> str:
    """Write a REAL of Part 21: the decimal point is not optional."""
    text = f"{value + 0.0:.12G}"
    mantissa, mark, exponent = text.partition("E")
    return f"{mantissa if '.' in mantissa else mantissa + '.'}{mark}{exponent}"


def _reals(values: Point3) -> str:
    return ",".join(_real(round(value, 9)) for value in values)


def _string(text: str) -> str:
    doubled = text.replace("\\", "\\\\").replace("'", "''")
    return "".join(c if " " <= c <= "~" else f"\\X4\\{ord(c):08X}\\X0\\" for c in doubled)


def _edge(text: _Text, edge: Edge) -> int:
    """Write an edge once for both faces that share it, and name it in the direction wanted."""
    straight_back = edge.centre is None and edge.start > edge.end
    is_forward = not straight_back if edge.centre is None else edge.is_ccw
    first, last = (edge.start, edge.end) if is_forward else (edge.end, edge.start)
    key = ("edge", first, last, edge.centre)
    if key not in text.known:
        curve = _line(text, first, last) if edge.centre is None else _circle(text, first, edge.centre)
        text.known[key] = text.add(f"EDGE_CURVE('',#{text.vertex(first)},#{text.vertex(last)},#{curve},.T.)")
    return text.add(f"ORIENTED_EDGE('',*,*,#{text.known[key]},{'.T.' if is_forward else '.F.'})")


def _line(text: _Text, first: Point3, last: Point3) -> int:
    length = math.dist(first, last)
    along = ((last[0] - first[0]) / length, (last[1] - first[1]) / length, (last[2] - first[2]) / length)
    vector = text.add(f"VECTOR('',#{text.direction(along)},1.)")
    return text.add(f"LINE('',#{text.point(first)},#{vector})")


def _circle(text: _Text, first: Point3, centre: Point3) -> int:
    place = text.placement(centre, (0.0, 0.0, 1.0), (1.0, 0.0, 0.0))
    return text.add(f"CIRCLE('',#{place},{_real(math.dist(first, centre))})")


def _loop(text: _Text, edges: tuple[Edge, ...], bound: str) -> int:
    names = ",".join(f"#{_edge(text, edge)}" for edge in edges)
    loop = text.add(f"EDGE_LOOP('',({names}))")
    return text.add(f"{bound}('',#{loop},.T.)")


def _face(text: _Text, face: Face) -> int:
    if isinstance(face, Plane):
        bounds = [_loop(text, face.loops[0], "FACE_OUTER_BOUND")]
        bounds += [_loop(text, edges, "FACE_BOUND") for edges in face.loops[1:]]
        across = (0.0, 0.0, 1.0) if abs(face.normal[2]) < 0.5 else (1.0, 0.0, 0.0)
        place = text.placement(face.loops[0][0].start, face.normal, across)
        surface, sense = text.add(f"PLANE('',#{place})"), ".T."
    else:
        bounds = [_loop(text, _wall_edges(face), "FACE_OUTER_BOUND")]
        surface, sense = _cylinder(text, face), ".T." if face.arc.is_ccw else ".F."
    return text.add(f"ADVANCED_FACE('',({','.join(f'#{bound}' for bound in bounds)}),#{surface},{sense})")


def _wall_edges(wall: Wall) -> tuple[Edge, ...]:
    arc = wall.arc
    a0, b0 = (*arc.start, wall.low), (*arc.end, wall.low)
    a1, b1 = (*arc.start, wall.high), (*arc.end, wall.high)
    centre = arc.centre or arc.start
    bottom = Edge(a0, b0, (*centre, wall.low), arc.is_ccw)
    top = Edge(b1, a1, (*centre, wall.high), not arc.is_ccw)
    return bottom, Edge(b0, b1), top, Edge(a1, a0)


def _cylinder(text: _Text, wall: Wall) -> int:
    centre = wall.arc.centre or wall.arc.start
    place = text.placement((*centre, wall.low), (0.0, 0.0, 1.0), (1.0, 0.0, 0.0))
    return text.add(f"CYLINDRICAL_SURFACE('',#{place},{_real(math.dist(wall.arc.start, centre))})")


def _product(text: _Text, name: str) -> int:
    """Write the product down to its definition; return the definition."""
    application = text.add("APPLICATION_CONTEXT('automotive design')")
    text.add(f"APPLICATION_PROTOCOL_DEFINITION('international standard','automotive_design',2000,#{application})")
    context = text.add(f"PRODUCT_CONTEXT('',#{application},'mechanical')")
    product = text.add(f"PRODUCT('{name}','{name}','',(#{context}))")
    text.add(f"PRODUCT_RELATED_PRODUCT_CATEGORY('part',$,(#{product}))")
    version = text.add(f"PRODUCT_DEFINITION_FORMATION('1','',#{product})")
    stage = text.add(f"PRODUCT_DEFINITION_CONTEXT('part definition',#{application},'design')")
    return text.add(f"PRODUCT_DEFINITION('design','',#{version},#{stage})")


def _context(text: _Text) -> tuple[int, int]:
    """Write the units, millimetres and radians; return the context and the length unit."""
    length = text.add("(LENGTH_UNIT()NAMED_UNIT(*)SI_UNIT(.MILLI.,.METRE.))")
    angle = text.add("(NAMED_UNIT(*)PLANE_ANGLE_UNIT()SI_UNIT($,.RADIAN.))")
    solid = text.add("(NAMED_UNIT(*)SI_UNIT($,.STERADIAN.)SOLID_ANGLE_UNIT())")
    doubt = text.add(f"UNCERTAINTY_MEASURE_WITH_UNIT(LENGTH_MEASURE(1.E-06),#{length},'distance_accuracy_value','')")
    context = text.add(
        f"(GEOMETRIC_REPRESENTATION_CONTEXT(3)GLOBAL_UNCERTAINTY_ASSIGNED_CONTEXT((#{doubt}))"
        f"GLOBAL_UNIT_ASSIGNED_CONTEXT((#{length},#{angle},#{solid}))REPRESENTATION_CONTEXT('',''))"
    )
    return context, length


def _validation(text: _Text, shape: Block | Flange, owner: int, units: tuple[int, int]) -> None:
    context, length = units
    figures = (
        ("volume", "VOLUME", 3, shape.volume_mm3()),
        ("surface area", "AREA", 2, area_mm2(shape)),
    )
    for word, measure, power, value in figures:
        element = text.add(f"DERIVED_UNIT_ELEMENT(#{length},{power}.)")
        unit = text.add(f"DERIVED_UNIT((#{element}))")
        item = text.add(f"MEASURE_REPRESENTATION_ITEM('{word} measure',{measure}_MEASURE({_real(value)}),#{unit})")
        holder = text.add(f"REPRESENTATION('{word}',(#{item}),#{context})")
        claim = text.add(f"PROPERTY_DEFINITION('geometric validation property','{word}',#{owner})")
        text.add(f"PROPERTY_DEFINITION_REPRESENTATION(#{claim},#{holder})")


def write_step(shape: Block | Flange) -> bytes:
    """Write a shape as a STEP AP214 solid."""
    text = _Text()
    name = _string(shape.name)
    definition = _product(text, name)
    units = _context(text)
    faces = [_face(text, face) for face in faces_of(shape)]
    shell = text.add(f"CLOSED_SHELL('',({','.join(f'#{face}' for face in faces)}))")
    solid = text.add(f"MANIFOLD_SOLID_BREP('{name}',#{shell})")
    origin = text.placement((0.0, 0.0, 0.0), (0.0, 0.0, 1.0), (1.0, 0.0, 0.0))
    brep = text.add(f"ADVANCED_BREP_SHAPE_REPRESENTATION('{name}',(#{origin},#{solid}),#{units[0]})")
    owner = text.add(f"PRODUCT_DEFINITION_SHAPE('','',#{definition})")
    text.add(f"SHAPE_DEFINITION_REPRESENTATION(#{owner},#{brep})")
    _validation(text, shape, definition, units)
    return (_HEADER.format(name=name) + "\n".join(text.lines) + "\nENDSEC;\nEND-ISO-10303-21;\n").encode("ascii")
