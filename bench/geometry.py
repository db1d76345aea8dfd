"""Geometry: a part of the size of NIST CTC-02 (77 holes, a dozen pockets) from its bytes to measures and findings.

Where the shared data holds CTC-02 itself that file is used, else one of as many holes from the project's own solid
writer. Ours is the wall time of one analysis with the start of its child process, the process plan with its findings
included. The limit beside it is the 8 s the goals give. For people: the time of the text facts (limit 0.3 s) and what
trimesh takes for loading and mass properties of the same mesh alone.
"""

import os
import statistics
import time
from pathlib import Path

import anyio
import cascadio
import trimesh

from bench.harness import Result
from interwork.core.clock import now
from interwork.design import Known, analyse, draft_process_plan
from interwork.design.files import part21
from interwork.design.solid import Block, Bore, Pocket, write_step

LIMIT_S = 8.0
RUNS = 3
SHARED = Path(os.environ.get("INTERWORK_SHARED_DATA") or Path(__file__).parents[1].parent / "shared" / "data")
CTC_02 = SHARED / "design" / "step" / "nist_ctc_02_asme1_ap242.stp"


def part() -> bytes:
    """Give the part."""
    if CTC_02.is_file():
        return CTC_02.read_bytes()
    bores = tuple(
        Bore(x_mm=30.0 + 60 * column, y_mm=30.0 + 60 * row, diameter_mm=8.0 + row)
        for column in range(11)
        for row in range(7)
    )
    pockets = tuple(
        Pocket(x_mm=45.0 + 120 * n, y_mm=45.0 + 120 * m, length_mm=28.0, width_mm=28.0, depth_mm=12.0, corner_mm=5.0)
        for n in range(5)
        for m in range(3)
    )
    return write_step(
        Block(
            name="Plate of 77 holes",
            length_mm=660.0,
            width_mm=420.0,
            height_mm=40.0,
            corner_mm=10.0,
            bores=bores,
            pockets=pockets,
        )
    )


def whole(content: bytes) -> tuple[float, int]:
    """Analyse and plan once; tell the seconds and the holes found."""
    began = time.perf_counter()
    analysis = anyio.run(analyse, content, "part.step")
    known = Known(characteristics=analysis.characteristics)
    draft_process_plan("bench", analysis.geometry, "al-6061", 5, 0.1, at=now(), known=known)
    return time.perf_counter() - began, len(analysis.geometry.holes or ())


def text_s(content: bytes) -> float:
    """Tell the seconds of the text facts."""
    began = time.perf_counter()
    part21.read(content)
    return time.perf_counter() - began


def trimesh_s(content: bytes) -> float:
    """Tell the seconds trimesh takes to load the kernel's mesh and compute its mass properties."""
    glb = cascadio.load(content, file_type="step", tol_linear=0.1, tol_angular=0.2, use_parallel=False)
    began = time.perf_counter()
    scene = trimesh.load_scene(trimesh.util.wrap_as_stream(glb), file_type="glb")
    scene.to_mesh().mass_properties  # noqa: B018 -- computed when asked for
    return time.perf_counter() - began


def run() -> Result:
    """Measure in turns."""
    content = part()
    seconds, texts, peers, holes = [], [], [], 0
    for _ in range(RUNS):
        taken, holes = whole(content)
        seconds.append(taken)
        texts.append(text_s(content))
        peers.append(trimesh_s(content))
    if holes < 77:
        raise SystemExit(f"Only {holes} of 77 holes were found; that is not the part.")
    return Result(
        bench="geometry",
        ours=statistics.median(seconds),
        peer=LIMIT_S,
        peer_name=f"the limit of {LIMIT_S:g} s for a CTC-02-sized part to measures, findings and plan",
        goal=1.0,
        unit="s",
        better="lower",
        note=(
            f"{len(content) / 1e6:.2f} MB, {holes} holes; text facts {statistics.median(texts):.3f} s (limit 0.3); "
            f"trimesh load and mass properties of the mesh alone {statistics.median(peers):.3f} s"
        ),
    )
