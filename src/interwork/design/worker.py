"""The child process that reads a design: everything that touches somebody else's geometry happens here.

Run as `python -m interwork.design.worker FORMAT SECONDS` with the file on standard input; one MessagePack answer goes
to standard output and nothing else does, since the kernel's own prints are sent to standard error. Limits on memory,
processor time and files are set before a byte is read. A crash of the kernel kills this process and no other.
"""

import math
import os
import re
import sys
from dataclasses import replace
from typing import Literal

import cascadio
import msgspec
import numpy as np

from interwork.core.design import Geometry
from interwork.core.errors import InterworkError, UnreadableDesign
from interwork.design import features, part21
from interwork.design.analysis import Answer
from interwork.design.mesh import Body, Floats, Mesh, Solid, Surface, measure, read_glb
from interwork.design.meshfile import read_3mf, read_stl
from interwork.design.view import write_glb

if sys.platform != "win32":
    import resource

ANALYSER = "interwork 1 (cascadio 0.1.1)"
MEMORY_BYTES = 2 * 1024**3
_FILE_BYTES = 64 * 1024**2
_FINENESS = 8000
"""A chord may stand off its arc by the extent over this."""
_ANGLE_RAD = 0.07
"""And turn by this: a cylinder's volume is then right to 0.1 %."""
_SUSPECT_MM = (0.1, 10_000.0)
_AGREE = 0.002


def set_limits(seconds: int) -> None:
    """Bound memory, processor time, written files and core dumps of this process; Windows has no such limits."""
    if sys.platform == "win32":
        return
    resource.setrlimit(resource.RLIMIT_CPU, (seconds, seconds + 1))
    resource.setrlimit(resource.RLIMIT_FSIZE, (_FILE_BYTES, _FILE_BYTES))
    resource.setrlimit(resource.RLIMIT_CORE, (0, 0))
    resource.setrlimit(resource.RLIMIT_AS, (MEMORY_BYTES, MEMORY_BYTES))


def examine(content: bytes, kind: str) -> Answer:
    """Read and measure a design of the named format."""
    if kind == "step":
        return _examine_solid(content, "step")
    if kind == "iges":
        return _examine_solid(content, "iges")
    if kind == "3mf":
        mesh, unit_mm, notes = read_3mf(content)
        unit = {25.4: "inch", 1.0: "mm"}.get(unit_mm, f"{unit_mm:g} mm")
        return _answer(Solid(mesh=mesh, faces=[], skipped=0), unit, list(notes), None)
    notes = ("STL carries no unit: millimetres are assumed.",)
    return _answer(Solid(mesh=read_stl(content), faces=[], skipped=0), "mm", list(notes), None)


def _examine_solid(content: bytes, kind: Literal["step", "iges"]) -> Answer:
    facts = part21.read(content) if kind == "step" else None
    notes = []
    if facts is not None and not facts.is_complete:
        notes.append("The STEP file lacks its closing line; something may be missing.")
    wanted = _chord(facts.extent_mm) if facts is not None and facts.extent_mm else 0.05
    solid = _mesh(content, kind, wanted)
    finer = _chord(float(np.ptp(solid.mesh.vertices, axis=0).max()))
    if wanted > 2 * finer:
        # The text spoke of points far outside the part (cameras, construction); mesh again at the part's own size.
        solid = _mesh(content, kind, finer)
    unit = facts.unit if facts is not None else _iges_unit(content)
    return _answer(solid, unit or "not declared", notes, facts)


def _iges_unit(content: bytes) -> str:
    """Read the unit's name from the global section of an IGES file (parameters 14 and 15)."""
    lines = [line for line in content[:20_000].splitlines() if line[72:73] == b"G"]
    text = b"".join(line[:72].ljust(72) for line in lines)
    found = re.search(rb",\s*(\d{1,2})\s*,\s*(\d)H([A-Za-z]{1,5})\s*,", text)
    return found[3].decode().lower() if found else ""


def _chord(extent_mm: float) -> float:
    return min(max(extent_mm / _FINENESS, 0.002), 5.0)


def _mesh(content: bytes, kind: Literal["step", "iges"], chord_mm: float) -> Solid:
    glb = cascadio.load(
        content,
        file_type=kind,
        tol_linear=chord_mm,
        tol_angular=_ANGLE_RAD,
        use_parallel=False,
        include_brep=True,
    )
    # The kernel writes STEP in metres and IGES in millimetres, whatever the file's own unit was.
    solid = read_glb(glb, 1000.0 if kind == "step" else 1.0) if glb else None
    if solid is None:
        raise UnreadableDesign(
            f"The geometry kernel found no surface in the {kind.upper()} file; it may be cut short or damaged.",
            remedy="Open it in the system it came from and export it again as STEP AP242 or AP214.",
        )
    if not np.isfinite(solid.mesh.vertices).all():
        raise UnreadableDesign("The geometry has points at infinity.", remedy="Export the part again.")
    return solid


def _answer(solid: Solid, unit: str, notes: list[str], facts: part21.StepFacts | None) -> Answer:
    mesh, bodies = _closed_only(solid.mesh, notes)
    if solid.skipped:
        notes.append(f"{solid.skipped} wires, points or empty shapes were left out.")
    geometry = _measure(mesh, bodies, unit, notes)
    geometry = _recognise(mesh, solid.faces, geometry, notes)
    if facts is not None:
        _compare(facts, geometry, notes)
    name = next(iter(facts.products), "") if facts is not None else ""
    return Answer(
        geometry=msgspec.structs.replace(geometry, notes=tuple(notes)),
        view=write_glb(mesh, name or "part"),
        text=part21.as_text(facts) if facts is not None else {},
    )


def _closed_only(mesh: Mesh, notes: list[str]) -> tuple[Mesh, list[Body]]:
    """Keep the closed bodies, right way out; where hardly anything is closed, keep all and say so."""
    bodies = measure(mesh)
    closed = [body for body in bodies if body.is_closed()]
    opened = [body for body in bodies if not body.is_closed()]
    if opened and sum(body.area_mm2 for body in closed) > sum(body.area_mm2 for body in opened):
        area = sum(body.area_mm2 for body in opened)
        notes.append(f"{len(opened)} open surfaces of {area:.0f} mm² are no solids and were left out.")
        mesh = mesh.only(np.isin(mesh.body, [body.number for body in closed]))
        bodies = closed
    if sum(body.volume_mm3 for body in bodies) < 0:
        notes.append("The facets face inward; they were turned round.")
        normals = None if mesh.normals is None else -mesh.normals[:, ::-1]
        mesh = replace(mesh, triangles=mesh.triangles[:, ::-1], normals=normals)
        bodies = [replace(body, volume_mm3=-body.volume_mm3) for body in bodies]
    return mesh, bodies


def _measure(mesh: Mesh, bodies: list[Body], unit: str, notes: list[str]) -> Geometry:
    used = mesh.vertices[np.unique(mesh.triangles)]
    box = np.ptp(used, axis=0)
    is_closed = all(body.is_closed() for body in bodies)
    if not is_closed:
        gap = sum(body.open_mm for body in bodies)
        notes.append(f"The surface is not closed ({gap:.1f} mm of open edges): the volume is uncertain.")
    cavities = sum(body.volume_mm3 < 0 for body in bodies)
    if cavities:
        notes.append(f"{cavities} inner cavities were taken off the volume.")
    if not _SUSPECT_MM[0] <= float(box.max()) <= _SUSPECT_MM[1]:
        notes.append(
            f"Unit suspect: the largest extent is {box.max():.4g} mm (under 0.1 mm or over 10 m); nothing was rescaled."
        )
    return Geometry(
        analyser=ANALYSER,
        unit=unit,
        bodies=max(1, len(bodies) - cavities),
        box_mm=_rounded(box),
        volume_mm3=sum(body.volume_mm3 for body in bodies),
        area_mm2=sum(body.area_mm2 for body in bodies),
        triangles=len(mesh.triangles),
        is_closed=is_closed,
    )


def _rounded(values: Floats) -> tuple[float, float, float]:
    x, y, z = (round(float(value), 4) for value in values)
    return x, y, z


def _recognise(mesh: Mesh, faces: list[Surface], geometry: Geometry, notes: list[str]) -> Geometry:
    if geometry.bodies > 1:
        notes.append(
            f"{geometry.bodies} separate bodies: the measures are totals; holes, walls and set-ups were not "
            "looked for. Analyse the parts one by one."
        )
        return geometry
    holes = features.find_holes(mesh, faces)
    free = sum(face.kind == "free" for face in faces)
    is_known = bool(faces) and (not free or any(face.kind == "cylinder" for face in faces))
    if not is_known:
        notes.append(
            "Holes: not recognised, since " + ("the faces are free-form." if faces else "a mesh has no faces.")
        )
    elif free:
        notes.append(f"{free} free-form faces were not examined for holes.")
    turned = features.find_revolution(mesh, faces, holes)
    walls = features.find_walls(mesh)
    reach = features.find_reach(mesh, holes)
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
        sheet_share=0.0 if walls is None else round(walls.sheet_share, 4),
    )


def _compare(facts: part21.StepFacts, geometry: Geometry, notes: list[str]) -> None:
    """Hold what was measured against what the file says of itself."""
    pairs = (
        ("volume", "mm³", facts.volume_mm3, geometry.volume_mm3),
        ("area", "mm²", facts.area_mm2, geometry.area_mm2),
    )
    for word, unit, said, found in pairs:
        if said is None or not math.isfinite(said) or said <= 0:
            continue
        off = found / said - 1
        verdict = "agrees with" if abs(off) <= _AGREE else "disagrees with"
        notes.append(f"The measured {word}, {found:.1f} {unit}, {verdict} the file's own, {said:.1f} ({off:+.3%}).")


def main(arguments: list[str]) -> int:
    """Read a design from standard input and answer on standard output."""
    kind, seconds = arguments
    set_limits(int(seconds))
    answer_to = os.dup(1)
    os.dup2(2, 1)
    try:
        answer = examine(sys.stdin.buffer.read(), kind)
    except MemoryError:
        answer = Answer(refusal=f"Reading it needs more than {MEMORY_BYTES / 1024**3:.0f} GiB of memory.")
    except InterworkError as refusal:
        answer = Answer(refusal=refusal.message, remedy=refusal.remedy)
    with os.fdopen(answer_to, "wb") as out:
        out.write(msgspec.msgpack.encode(answer))
    return 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
