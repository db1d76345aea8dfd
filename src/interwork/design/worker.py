"""The child process that reads a design: everything that touches somebody else's geometry happens here.

Run as `python -m interwork.design.worker FORMAT SECONDS` with the file on standard input; one MessagePack answer goes
to standard output and nothing else does, since the kernel's own prints are sent to standard error. Limits on memory,
processor time and files are set before a byte is read. A crash of the kernel kills this process and no other.
"""

import os
import re
import sys
from pathlib import Path
from typing import Literal

import cascadio
import msgspec
import numpy as np

from interwork.core.errors import InterworkError, UnreadableDesign
from interwork.design import walls
from interwork.design.analysis import ANALYSER, Answer
from interwork.design.child import MEMORY_BYTES, PROGRESS
from interwork.design.child import set_limits as set_limits
from interwork.design.files import drawing, fmu, part21, qif, threemf
from interwork.design.files.meshfile import read_3mf, read_stl
from interwork.design.geometry.measuring import Say, silent, take_in
from interwork.design.geometry.mesh import Solid, read_glb
from interwork.design.geometry.view import write_glb, write_lines

_FINENESS = 8000
"""A chord may stand off its arc by the extent over this."""
_IGES_UNITS = ("in", "inch", "mm", "ft", "mi", "m", "km", "mil", "um", "cm", "uin")
"""Names of the global section (IGES 5.3, 2.2.4.3.15)."""
_IGES_UNIT = 15
_IGES_SURFACES = {108, 114, 118, 120, 122, 128, 140, 143, 144, 150, 152, 154, 156, 158, 160, 162, 164, 168, 180, 182,
                  184, 186, 190, 192, 194, 196, 198, 510, 514}  # fmt: skip
"""Entity types of surfaces and solids."""
_ANGLE_RAD = 0.07
"""And turn by this: a cylinder's volume is then right to 0.1 %."""


def examine(content: bytes, kind: str, say: Say = silent) -> Answer:
    """Read and measure a design of the named format."""
    say("reading", 0.02)
    if kind == "step":
        return _examine_solid(content, "step", say)
    if kind == "iges":
        return _examine_solid(content, "iges", say)
    if kind == "qif":
        quality = qif.read(content)
        return Answer(quality=quality, characteristics=quality.characteristics)
    if kind == "fmu":
        return Answer(model=fmu.read(content))
    if kind == "dxf":
        geometry, contours = drawing.read(content, ANALYSER)
        return Answer(geometry=geometry, view=write_lines(contours, "flat pattern"))
    if kind == "3mf":
        mesh, unit_mm, notes = read_3mf(content)
        threemf.check(content)
        unit = {25.4: "inch", 1.0: "mm"}.get(unit_mm, f"{unit_mm:g} mm")
        return _answer(Solid(mesh=mesh, faces=[], skipped=0), unit, list(notes), None, say)
    notes = ("STL carries no unit: millimetres are assumed.",)
    return _answer(Solid(mesh=read_stl(content), faces=[], skipped=0), "mm", list(notes), None, say)


def _examine_solid(content: bytes, kind: Literal["step", "iges"], say: Say) -> Answer:
    if kind == "step":  # the kernel wants the magic words first
        content = content.removeprefix(b"\xef\xbb\xbf").lstrip()
    facts = part21.read(content) if kind == "step" else None
    unit = facts.unit if facts is not None else _iges_unit(content)
    notes = []
    if not unit or (kind == "iges" and unit not in _IGES_UNITS):
        said = f"names the unit «{unit}», which is none" if unit else "states no unit of length"
        notes.append(f"The {kind.upper()} file {said}: what is measured is taken as millimetres.")
    if facts is not None and not facts.is_complete:
        notes.append("The STEP file lacks its closing line; something may be missing.")
    say("meshing", 0.1)
    wanted = _chord(facts.extent_mm) if facts is not None and facts.extent_mm else 0.05
    if kind == "iges" and not _has_iges_surface(content):
        raise UnreadableDesign(
            "The IGES file holds curves or points and no surface: a wire frame encloses nothing.",
            remedy="Export the solid or its surfaces as STEP AP242 or AP214.",
        )
    solid = _mesh(content, kind, wanted)
    finer = _chord(float(np.ptp(solid.mesh.vertices, axis=0).max()))
    if wanted > 2 * finer:
        # The text spoke of points far outside the part (cameras, construction); mesh again at the part's own size.
        say("meshing", 0.4)
        solid = _mesh(content, kind, finer)
    return _answer(solid, unit or "not declared", notes, facts, say)


def _iges_unit(content: bytes) -> str:
    """Read the unit's name from the global section of an IGES file (parameter 15), whose strings tell their length."""
    lines = [line for line in content[:20_000].splitlines() if line[72:73] == b"G"]
    text = b"".join(line[:72].ljust(72) for line in lines).decode("latin-1")
    mark, fields, at = (text[2] if text.startswith("1H") else ","), list[str](), 0
    while len(fields) < _IGES_UNIT and at < len(text):
        held = re.match(r"\s*(\d{1,5})H", text[at : at + 20])
        begin = at + held.end() if held else at
        end = begin + int(held[1]) if held else begin
        after = text.find(mark, end)
        at = (len(text) if after < 0 else after) + 1
        fields.append(text[begin : end if held else at - 1].strip())
    return fields[-1].lower() if len(fields) == _IGES_UNIT else ""


def _has_iges_surface(content: bytes) -> bool:
    """Look in the directory of an IGES file for a surface or a solid: wire frames have neither."""
    kinds = (line[:8].strip() for line in content.splitlines() if line[72:73] == b"D")
    return any(kind.isdigit() and int(kind) in _IGES_SURFACES for kind in kinds)


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
    try:
        solid = read_glb(glb, 1000.0 if kind == "step" else 1.0) if glb else None
    except ValueError as fault:  # a coordinate that is none makes the kernel write what is no JSON
        raise UnreadableDesign(
            f"The geometry of the {kind.upper()} file has a coordinate that is no number, or beyond all measure.",
            remedy="Open it in the system it came from and export it again as STEP AP242 or AP214.",
        ) from fault
    if solid is None:
        raise UnreadableDesign(
            f"The geometry kernel found no surface in the {kind.upper()} file; it may be cut short or damaged.",
            remedy="Open it in the system it came from and export it again as STEP AP242 or AP214.",
        )
    if not np.isfinite(solid.mesh.vertices).all():
        raise UnreadableDesign("The geometry has points at infinity.", remedy="Export the part again.")
    return solid


def _answer(solid: Solid, unit: str, notes: list[str], facts: part21.StepFacts | None, say: Say) -> Answer:
    geometry, mesh = take_in(solid, ANALYSER, unit, facts, notes, say=say)
    say("view", 0.95)
    name = next(iter(facts.products), "") if facts is not None else ""
    return Answer(
        geometry=geometry,
        view=write_glb(mesh, name or "part"),
        text=part21.as_text(facts) if facts is not None else {},
        characteristics=facts.characteristics if facts is not None else (),
    )


def _tell(stage: str, share: float) -> None:
    """Tell the parent how far it is, on the stream that carries no answer."""
    sys.stderr.write(f"{PROGRESS} {share:.2f} {stage}\n")
    sys.stderr.flush()


def main(arguments: list[str]) -> int:
    """Read a design from standard input and answer on standard output."""
    kind, seconds = arguments
    set_limits(int(seconds))
    walls.put_up(Path.cwd())  # what the kernel refuses of them, `doctor` tells
    answer_to = os.dup(1)
    os.dup2(2, 1)
    try:
        answer = examine(sys.stdin.buffer.read(), kind, _tell)
    except MemoryError:
        answer = Answer(refusal=f"Reading it needs more than {MEMORY_BYTES / 1024**3:.0f} GiB of memory.")
    except InterworkError as refusal:
        answer = Answer(refusal=refusal.message, remedy=refusal.remedy)
    with os.fdopen(answer_to, "wb") as out:
        out.write(msgspec.msgpack.encode(answer))
    return 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
