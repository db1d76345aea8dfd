"""From triangles and faces to what a revision carries: closed bodies only, every doubt in words.

What encloses nothing is listed and not measured. A file of several bodies has totals for the whole and, for each
distinct body, the same measures as if it were alone.
"""

import math
from collections.abc import Callable
from dataclasses import replace

import msgspec
import numpy as np

from interwork.core.design import BodyFacts, Geometry, Shape
from interwork.design.files.part21 import StepFacts
from interwork.design.geometry import features, shape, sound
from interwork.design.geometry.mesh import Body, Floats, Mesh, Solid, Surface, measure
from interwork.design.geometry.rays import Caster
from interwork.design.geometry.walls import find_printing, find_walls

SUSPECT_MM = (0.1, 10_000.0)
_AGREE = 0.002
_FLAT = 1e-9
"""Volume over area to the power 1.5, below which nothing is enclosed; a sheet of 1 µm and 1 m has 3e-7."""
_ALONE_MAX = 12
"""Distinct bodies of one file that are looked at one by one."""
Say = Callable[[str, float], None]
"""Told the stage and how much is done, 0 to 1."""


def silent(_stage: str, _share: float) -> None:
    """Tell nobody."""


def take_in(
    solid: Solid, analyser: str, unit: str, facts: StepFacts | None, notes: list[str], *, say: Say = silent
) -> tuple[Geometry, Mesh]:
    """Measure what the kernel or a mesh file gave; the mesh that was measured comes with it."""
    say("measuring", 0.6)
    mesh, bodies, opened = _closed_only(solid, notes)
    if solid.skipped:
        notes.append(f"{solid.skipped} wires, points or empty shapes were left out.")
    geometry = _measure(mesh, bodies, unit, notes, analyser)
    distinct, first = shape.list_bodies(mesh, [body for body in bodies if body.volume_mm3 >= 0] or bodies, solid.names)
    if geometry.bodies > 1:
        notes.append(
            f"{geometry.bodies} separate bodies, {len(distinct)} of them distinct: the measures are totals; "
            "holes, walls and set-ups stand with each distinct body."
        )
        distinct = _alone(mesh, solid.faces, (geometry, distinct, first), say)
    else:
        geometry = recognise(mesh, solid.faces, geometry, notes, say=say)
    geometry = msgspec.structs.replace(
        geometry,
        signature=shape.sign(mesh, solid) if geometry.is_closed else None,
        distinct=distinct,
        opened=opened,
        stated_volume_mm3=facts.volume_mm3 if facts else None,
        stated_area_mm2=facts.area_mm2 if facts else None,
    )
    if facts is not None:
        _compare(facts, geometry, notes)
    return msgspec.structs.replace(geometry, notes=tuple(notes)), mesh


def _closed_only(solid: Solid, notes: list[str]) -> tuple[Mesh, list[Body], tuple[BodyFacts, ...]]:
    """Keep the closed bodies, right way out; where hardly anything is closed, keep all and say so."""
    mesh = solid.mesh if solid.faces else _mended(solid.mesh, notes)
    listed: tuple[BodyFacts, ...] = ()
    bodies = measure(mesh)
    closed = [body for body in bodies if body.is_closed()]
    opened = [body for body in bodies if not body.is_closed()]
    if opened and sum(body.area_mm2 for body in closed) > sum(body.area_mm2 for body in opened):
        area = sum(body.area_mm2 for body in opened)
        notes.append(f"{len(opened)} open surfaces of {area:.0f} mm² are no solids and were left out.")
        listed, _ = shape.list_bodies(mesh, opened, solid.names)
        mesh = mesh.only(np.isin(mesh.body, [body.number for body in closed]))
        bodies = closed
    if sum(body.volume_mm3 for body in bodies) < 0:
        notes.append("The facets face inward; they were turned round.")
        mesh = sound.turn(mesh, np.ones(len(mesh.triangles), np.bool_))
        bodies = [replace(body, volume_mm3=-body.volume_mm3) for body in bodies]
    mesh, bodies, turned = sound.face_outward(mesh, bodies)
    if turned:
        notes.append(f"The facets of {turned} bodies face inward; they were turned round.")
    if not solid.faces and (pairs := sound.overlapping(mesh, bodies)):
        notes.append(f"{pairs} pairs of bodies lie within one another's boxes: where they overlap, it counts twice.")
    return mesh, bodies, listed


def _mended(mesh: Mesh, notes: list[str]) -> Mesh:
    """Put right what programs that write facets get wrong: facets twice, facets that face the other way."""
    mesh, twice = sound.once(mesh)
    if twice:
        notes.append(f"{twice} facets were there twice and count once.")
    mesh, turned, twisted = sound.agree(mesh)
    if turned:
        notes.append(f"{turned} facets faced the other way than those beside them and were turned round.")
    if twisted:
        notes.append(f"{twisted} facets belong to a surface of one side only: what it encloses cannot be told.")
    return mesh


def _measure(mesh: Mesh, bodies: list[Body], unit: str, notes: list[str], analyser: str) -> Geometry:
    used = mesh.vertices[np.unique(mesh.triangles)]
    box = np.ptp(used, axis=0)
    is_closed = all(body.is_closed() for body in bodies)
    if not is_closed:
        gap = sum(body.open_mm for body in bodies)
        notes.append(f"The surface is not closed ({gap:.1f} mm of open edges): the volume is uncertain.")
    volume, area = sum(body.volume_mm3 for body in bodies), sum(body.area_mm2 for body in bodies)
    if is_closed and abs(volume) < _FLAT * area**1.5:
        is_closed = False
        notes.append("The surface lies flat on itself and encloses nothing: it is no solid.")
    cavities = sum(body.volume_mm3 < 0 for body in bodies)
    if cavities:
        notes.append(f"{cavities} inner cavities were taken off the volume.")
    is_suspect = not SUSPECT_MM[0] <= float(box.max()) <= SUSPECT_MM[1]
    if is_suspect:
        notes.append(
            f"Unit suspect: the largest extent is {box.max():.4g} mm (under 0.1 mm or over 10 m); nothing was rescaled."
        )
    return Geometry(
        analyser=analyser,
        unit=unit,
        bodies=max(1, len(bodies) - cavities),
        box_mm=_rounded(box),
        low_mm=_rounded(used.min(axis=0)),
        volume_mm3=volume,
        area_mm2=area,
        triangles=len(mesh.triangles),
        is_closed=is_closed,
        is_unit_suspect=is_suspect,
    )


def _rounded(values: Floats) -> tuple[float, float, float]:
    x, y, z = (round(float(value), 4) for value in values)
    return x, y, z


def _alone(
    mesh: Mesh, faces: list[Surface], found: tuple[Geometry, tuple[BodyFacts, ...], list[int]], say: Say
) -> tuple[BodyFacts, ...]:
    """Measure every distinct body as if it were the only one."""
    whole, distinct, first = found
    measured = []
    for number, (facts, body) in enumerate(zip(distinct, first, strict=True)):
        if number >= _ALONE_MAX or not facts.is_closed:
            measured.append(facts)
            continue
        say("bodies", 0.6 + 0.3 * number / min(len(first), _ALONE_MAX))
        own = _compact(mesh.only(mesh.body == body))
        notes: list[str] = []
        geometry = _measure(own, measure(own), whole.unit, notes, whole.analyser)
        geometry = recognise(own, faces, geometry, notes)
        measured.append(msgspec.structs.replace(facts, geometry=_shape(geometry, notes)))
    return tuple(measured)


def _shape(geometry: Geometry, notes: list[str]) -> Shape:
    """Leave out the bodies: one body has none."""
    fields = {name: getattr(geometry, name) for name in Shape.__struct_fields__}
    return Shape(**{**fields, "notes": tuple(notes)})


def _compact(mesh: Mesh) -> Mesh:
    """Leave out the points that no triangle uses: they would widen the box."""
    used, index = np.unique(mesh.triangles, return_inverse=True)
    return replace(
        mesh,
        vertices=mesh.vertices[used],
        triangles=index.reshape(-1, 3).astype(np.int64),
        body=np.zeros(len(mesh.body), np.int64),
    )


def recognise(mesh: Mesh, faces: list[Surface], geometry: Geometry, notes: list[str], *, say: Say = silent) -> Geometry:
    """Look for what a shop asks: holes, corners, a turning axis, walls, set-ups, what printing takes."""
    say("holes", 0.65)
    holes = features.find_holes(mesh, faces)
    own = [faces[number] for number in np.unique(mesh.face) if 0 <= number < len(faces)]
    is_known = _are_holes_known(own, notes)
    say("walls", 0.7)
    turned = features.find_revolution(mesh, faces, holes)
    caster = Caster(mesh)
    walls = find_walls(mesh, caster)
    say("set-ups", 0.8)
    reach = features.find_reach(mesh, holes)
    printing = find_printing(mesh, caster)
    return msgspec.structs.replace(
        geometry,
        holes=tuple(hole.hole for hole in holes) if is_known else None,
        setups=len(reach.directions),
        approaches=reach.directions,
        unreached_share=round(reach.unreached_share, 4),
        revolved_share=round(turned.share, 4),
        revolved_axis=turned.axis,
        revolved_at=turned.at,
        is_round=turned.is_round,
        wall_mm=None if walls is None else (round(walls.thinnest_mm, 3), round(walls.typical_mm, 3)),
        wall_at=None if walls is None else walls.at,
        wall_1pc_mm=None if walls is None else round(walls.percent_mm, 3),
        sheet_share=0.0 if walls is None else round(walls.sheet_share, 4),
        corner_mm=features.find_corner(mesh, faces, holes),
        bends=None if walls is None else features.count_bends(mesh, faces, walls.typical_mm),
        printing=printing,
    )


def _are_holes_known(faces: list[Surface], notes: list[str]) -> bool:
    free = sum(face.kind == "free" for face in faces)
    is_known = bool(faces) and (not free or any(face.kind == "cylinder" for face in faces))
    if not is_known:
        notes.append(
            "Holes: not recognised, since " + ("the faces are free-form." if faces else "a mesh has no faces.")
        )
    elif free:
        notes.append(f"{free} free-form faces were not examined for holes.")
    return is_known


def _compare(facts: StepFacts, geometry: Geometry, notes: list[str]) -> None:
    """Hold what was measured against what the file says of itself."""
    if facts.mapped:
        notes.append(
            f"{facts.mapped} shapes of the file are placed as mapped items, of which the kernel may leave some out: "
            f"see that {geometry.bodies} bodies are all there are."
        )
    pairs = (
        ("volume", "mm³", facts.volume_mm3, geometry.volume_mm3),
        ("area", "mm²", facts.area_mm2, geometry.area_mm2),
    )
    for word, unit, said, found in pairs:
        if said is None or not math.isfinite(said) or said <= 0:
            continue
        off = found / said - 1
        verdict = "agrees with" if abs(off) <= _AGREE else "disagrees with"
        apart = "to the last digit shown" if abs(off) < 5e-6 else f"{off:+.3%}"
        notes.append(f"The measured {word}, {found:.1f} {unit}, {verdict} the file's own, {said:.1f} ({apart}).")
