"""Analysis of a design file in a limited child process: what comes from outside cannot harm the server.

The parent knows a format by its first bytes, refuses what no child need see, and then only moves bytes: the file in,
one bounded answer out, under a clock. Whatever becomes of the child (crash, limit, silence) is an UnreadableDesign.
"""

import os
import signal
import sys
import tempfile
from pathlib import PurePath
from typing import Any

import anyio
import msgspec
from anyio.abc import ByteReceiveStream, ByteSendStream, Process

from interwork.core.design import Geometry
from interwork.core.errors import LimitReached, UnreadableDesign
from interwork.core.ids import derived_id
from interwork.design.part21 import SIZE_LIMIT

_ANSWER_LIMIT = 64 * 1024 * 1024
_COMPLAINT_LIMIT = 4096
_PIECE = 1 << 20
_MEDIA = {"step": "model/step", "iges": "model/iges", "stl": "model/stl", "3mf": "model/3mf"}
_STEP_PLEASE = "Export the part as STEP AP242 or AP214."
_MESH_PLEASE = "Export the mesh as STL or 3MF."
_OTHERS = {
    ".dxf": ("2D drawings are not read yet", _STEP_PLEASE),
    ".dwg": ("2D drawings are not read yet", _STEP_PLEASE),
    ".pdf": ("2D drawings are not read yet", _STEP_PLEASE),
    ".sldprt": ("SolidWorks parts are not read", _STEP_PLEASE),
    ".ipt": ("Inventor parts are not read", _STEP_PLEASE),
    ".prt": ("native CAD parts are not read", _STEP_PLEASE),
    ".catpart": ("CATIA parts are not read", _STEP_PLEASE),
    ".x_t": ("Parasolid is not read", _STEP_PLEASE),
    ".jt": ("JT is not read", _STEP_PLEASE),
    ".stpz": ("compressed STEP is not read", "Unpack it first."),
    ".obj": ("OBJ is not read", _MESH_PLEASE),
    ".ply": ("PLY is not read", _MESH_PLEASE),
}
"""What else people send, by suffix, and what to send instead."""


class Analysis(msgspec.Struct, frozen=True, kw_only=True):
    """What came of reading a design file."""

    geometry: Geometry
    media_type: str
    view: bytes
    """GLB for the viewer: metres, the root node turns Z up to Y up."""
    text: dict[str, Any]
    """The STEP text facts (schema, unit, products, tolerances, validation properties); empty for other formats."""


class Answer(msgspec.Struct, frozen=True, kw_only=True):
    """What the child tells its parent: an analysis, or why there is none."""

    geometry: Geometry | None = None
    view: bytes = b""
    text: dict[str, Any] = {}
    refusal: str = ""
    remedy: str = ""


def format_of(content: bytes, file_name: str) -> str:
    """Tell `step`, `iges`, `stl` or `3mf` by content; raise UnreadableDesign for anything else."""
    if not content:
        raise UnreadableDesign(f"{file_name} is empty (0 bytes).", remedy="Choose the file again.")
    if len(content) > SIZE_LIMIT:
        raise UnreadableDesign(
            f"{file_name} has {len(content) / 1e6:.0f} MB; at most {SIZE_LIMIT / 1e6:.0f} MB are read.",
            remedy="Export the part alone, or a coarser mesh.",
        )
    head = content[:4096].lstrip(b"\xef\xbb\xbf \t\r\n")
    suffix = PurePath(file_name).suffix.lower()
    if head.startswith(b"ISO-10303-21"):
        return "step"
    if head[:15].lower().startswith((b"<!doctype html", b"<html")):
        raise UnreadableDesign(
            f"{file_name} is a web page, not a design; the download most likely ended at a sign-in or error page.",
            remedy="Download the file itself and choose it again.",
        )
    if len(content) > 80 and content[72:73] == b"S" and content[:72].isascii():
        return "iges"
    if content.startswith(b"PK\x03\x04") and suffix in (".3mf", ""):
        return "3mf"
    if _looks_like_stl(content, head, suffix):
        return "stl"
    is_dxf = head.startswith(b"AutoCAD Binary DXF") or (head[:1].isdigit() and b"SECTION" in head[:200])
    if is_dxf or suffix in _OTHERS:
        reason, remedy = _OTHERS[".dxf" if is_dxf else suffix]
        raise UnreadableDesign(f"{file_name}: {reason}.", remedy=remedy)
    raise UnreadableDesign(
        f"{file_name} is not a design this node can read.", remedy="Send STEP, IGES, STL or 3MF of the part."
    )


def _looks_like_stl(content: bytes, head: bytes, suffix: str) -> bool:
    is_text = head[:5].lower() == b"solid" and (b"facet" in head or b"endsolid" in head)
    fits = len(content) >= 84 and len(content) == 84 + 50 * int.from_bytes(content[80:84], "little")
    return is_text or fits or suffix == ".stl"


def revision_id(file_digest: str) -> str:
    """Name a revision by its file: the same bytes give the same id."""
    return derived_id("rev", file_digest)


async def analyse(content: bytes, file_name: str, *, timeout_s: float = 60) -> Analysis:
    """Read and measure a design file in a child process; raise UnreadableDesign with the reason when that fails."""
    kind = format_of(content, file_name)
    with tempfile.TemporaryDirectory(prefix="interwork-design-") as folder:
        command = [sys.executable, "-P", "-m", "interwork.design.worker", kind, str(max(1, round(timeout_s)))]
        process = await _start(command, folder)
        try:
            with anyio.fail_after(timeout_s):
                raw, complaint = await _talk(process, content)
                code = await process.wait()
        except TimeoutError as fault:
            raise UnreadableDesign(
                f"{file_name} was not read within {timeout_s:g} s and its reading was stopped.",
                remedy="Export the part alone, without construction geometry.",
            ) from fault
        finally:
            await _end(process)
    if code != 0:
        raise UnreadableDesign(f"{file_name} could not be read: {_cause(code, complaint)}.", remedy=_EXPORT_AGAIN)
    return _understand(raw, file_name, kind)


async def _start(command: list[str], folder: str) -> Process:
    try:
        return await anyio.open_process(command, cwd=folder, env=_environment(folder), start_new_session=True)
    except OSError as fault:
        raise LimitReached(
            f"No process could be started to read the design: {fault}.", remedy="Try again when less is running."
        ) from fault


def _environment(folder: str) -> dict[str, str]:
    """Give the child what Python needs to start and none of the parent's secrets."""
    environment = {
        "PYTHONPATH": os.pathsep.join(path for path in sys.path if path),
        "PYTHONIOENCODING": "utf-8",
        "OPENBLAS_NUM_THREADS": "1",
        "OMP_NUM_THREADS": "1",
        "TMPDIR": folder,
        "HOME": folder,
    }
    if "SYSTEMROOT" in os.environ:  # Windows starts no process without it
        environment["SYSTEMROOT"] = os.environ["SYSTEMROOT"]
    return environment


async def _talk(process: Process, content: bytes) -> tuple[bytes, bytearray]:
    """Feed the child and collect its answer at the same time, each bounded."""
    if process.stdin is None or process.stdout is None or process.stderr is None:
        raise UnreadableDesign("The reading process has no pipes; the system may be short of file handles.")
    answer, complaint = bytearray(), bytearray()
    async with anyio.create_task_group() as tasks:
        tasks.start_soon(_feed, process.stdin, content)
        tasks.start_soon(_drain, process.stderr, complaint)
        async for piece in process.stdout:
            answer += piece
            if len(answer) > _ANSWER_LIMIT:
                tasks.cancel_scope.cancel()
                break
    if len(answer) > _ANSWER_LIMIT:
        raise UnreadableDesign(f"The reading process answered with more than {_ANSWER_LIMIT >> 20} MiB.")
    return bytes(answer), complaint


async def _feed(stdin: ByteSendStream, content: bytes) -> None:
    try:
        for begin in range(0, len(content), _PIECE):
            await stdin.send(content[begin : begin + _PIECE])
        await stdin.aclose()
    except (anyio.BrokenResourceError, anyio.ClosedResourceError, ConnectionError):
        return  # the child is gone; its exit code says why


async def _drain(stderr: ByteReceiveStream, complaint: bytearray) -> None:
    """Let the child print what it likes; keep the end."""
    async for piece in stderr:
        complaint += piece
        del complaint[:-_COMPLAINT_LIMIT]


async def _end(process: Process) -> None:
    with anyio.CancelScope(shield=True):
        if process.returncode is None:
            process.kill()
        await process.aclose()


def _understand(raw: bytes, file_name: str, kind: str) -> Analysis:
    try:
        answer = msgspec.msgpack.decode(raw, type=Answer)
    except msgspec.DecodeError as fault:
        raise UnreadableDesign(
            f"{file_name} could not be read: the reading process gave no whole answer.", remedy=_EXPORT_AGAIN
        ) from fault
    if answer.geometry is None:
        raise UnreadableDesign(
            f"{file_name} could not be read. {answer.refusal}", remedy=answer.remedy or _EXPORT_AGAIN
        )
    return Analysis(geometry=answer.geometry, media_type=_MEDIA[kind], view=answer.view, text=answer.text)


_EXPORT_AGAIN = "Export the part again as STEP AP242 or AP214, or as STL."


def _cause(code: int, complaint: bytearray) -> str:
    if code >= 0:
        lines = complaint.decode("utf-8", "replace").strip().splitlines()
        return f"the reading process ended with code {code} ({lines[-1][:200] if lines else 'no word'})"
    name = signal.Signals(-code).name if -code in signal.valid_signals() else f"signal {-code}"
    causes = {
        "SIGXCPU": "it took more processor time than allowed",
        "SIGKILL": "the reading process was killed, most likely for its memory",
        "SIGABRT": "the geometry kernel gave up, most likely for lack of memory",
    }
    return causes.get(name, f"the geometry kernel crashed on it ({name}); nothing else was touched")
