"""Analysis of a design file in a limited child process: what comes from outside cannot harm the server.

The parent knows a format by its first bytes, refuses what no child need see, and then only moves bytes: the file in,
one bounded answer out, under a clock. Whatever becomes of the child (crash, limit, silence) is an UnreadableDesign.
"""

import signal
from pathlib import PurePath
from typing import Any

import msgspec
import structlog

from interwork.core.design import Characteristic, Geometry
from interwork.core.errors import UnreadableDesign
from interwork.core.ids import derived_id
from interwork.design import child
from interwork.design.child import AT_ONCE as AT_ONCE
from interwork.design.child import PROGRESS as PROGRESS
from interwork.design.child import Told as Told
from interwork.design.files.fmu import ModelFile, is_fmu
from interwork.design.files.part21 import SIZE_LIMIT
from interwork.design.files.qif import QualityFile

log = structlog.get_logger()

_ANSWER_LIMIT = 64 * 1024 * 1024
_MEDIA = {
    "step": "model/step",
    "iges": "model/iges",
    "stl": "model/stl",
    "3mf": "model/3mf",
    "dxf": "image/vnd.dxf",
    "qif": "application/qif+xml",
    "fmu": "application/x-fmu",
}
ANALYSER = "interwork 4 (cascadio 0.1.1)"
"""Facts of another analyser are measured anew."""
_WAIT_S = 900.0
_STEP_PLEASE = "Export the part as STEP AP242 or AP214."
_MESH_PLEASE = "Export the mesh as STL or 3MF."
_OTHERS = {
    ".dwg": ("DWG is not read", "Export the flat pattern as DXF."),
    ".pdf": ("drawings on paper are not read", _STEP_PLEASE),
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
    characteristics: tuple[Characteristic, ...] = ()
    """Dimensions and tolerances with their values, where the file states any."""


class Reading(msgspec.Struct, frozen=True, kw_only=True):
    """What a file of any format holds: a shape, an inspection record, or a model."""

    kind: str
    media_type: str
    analysis: Analysis | None = None
    quality: QualityFile | None = None
    model: ModelFile | None = None


class Answer(msgspec.Struct, frozen=True, kw_only=True):
    """What the child tells its parent: an analysis, or why there is none."""

    geometry: Geometry | None = None
    view: bytes = b""
    text: dict[str, Any] = {}
    characteristics: tuple[Characteristic, ...] = ()
    quality: QualityFile | None = None
    model: ModelFile | None = None
    refusal: str = ""
    remedy: str = ""


def format_of(content: bytes, file_name: str) -> str:
    """Tell the format by content: `step iges stl 3mf dxf qif fmu`; raise UnreadableDesign for anything else."""
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
    found = _by_its_bytes(content, head, suffix)
    if found:
        return found
    if suffix in _OTHERS:
        reason, remedy = _OTHERS[suffix]
        raise UnreadableDesign(f"{file_name}: {reason}.", remedy=remedy)
    raise UnreadableDesign(
        f"{file_name} is not a design this node can read.",
        remedy="Send STEP, IGES, STL, 3MF or DXF of the part, or a QIF or FMU that belongs to it.",
    )


def _by_its_bytes(content: bytes, head: bytes, suffix: str) -> str:
    if len(content) > 80 and content[72:73] == b"S" and content[:72].isascii():
        return "iges"
    if content.startswith(b"PK\x03\x04"):
        if suffix == ".fmu" or (suffix != ".3mf" and is_fmu(content)):
            return "fmu"
        return "3mf" if suffix in (".3mf", "") or b"3dmodel.model" in content else ""
    if b"QIFDocument" in head and head.startswith(b"<"):
        return "qif"
    if head.startswith(b"AutoCAD Binary DXF") or (head[:1].isdigit() and b"SECTION" in head[:200]):
        return "dxf"
    if head.startswith(b"999") and b"SECTION" in head:
        return "dxf"
    return "stl" if _looks_like_stl(content, head, suffix) else ""


def _looks_like_stl(content: bytes, head: bytes, suffix: str) -> bool:
    is_text = head[:5].lower() == b"solid" and (b"facet" in head or b"endsolid" in head)
    fits = len(content) >= 84 and len(content) == 84 + 50 * int.from_bytes(content[80:84], "little")
    return is_text or fits or suffix == ".stl"


def revision_id(file_digest: str) -> str:
    """Name a revision by its file: the same bytes give the same id."""
    return derived_id("rev", file_digest)


async def analyse(content: bytes, file_name: str, *, timeout_s: float = 60, told: Told | None = None) -> Analysis:
    """Read and measure a shape in a child process; raise UnreadableDesign with the reason when that fails."""
    reading = await read_file(content, file_name, timeout_s=timeout_s, told=told)
    if reading.analysis is None:
        what = "an inspection record (QIF)" if reading.quality else "a simulation model (FMU)"
        raise UnreadableDesign(
            f"{file_name} is {what}, not a design: it has no shape to measure.",
            remedy="Hand in the part first, then add this file to its revision.",
        )
    return reading.analysis


async def read_file(content: bytes, file_name: str, *, timeout_s: float = 60, told: Told | None = None) -> Reading:
    """Read a file of any known format in a limited child process; at most AT_ONCE of them run in one node."""
    kind = format_of(content, file_name)
    async with child.slot(file_name, wait_s=_WAIT_S):
        raw = await _ask_child(content, file_name, kind, timeout_s, told)
    return _understand(raw, file_name, kind)


async def _ask_child(content: bytes, file_name: str, kind: str, timeout_s: float, told: Told | None) -> bytes:
    words = [kind, str(max(1, round(timeout_s)))]
    try:
        said = await child.ask(
            "interwork.design.worker", words, content, seconds=timeout_s, answer_bytes=_ANSWER_LIMIT, told=told
        )
    except TimeoutError as fault:
        raise UnreadableDesign(
            f"{file_name} was not read within {timeout_s:g} s and its reading was stopped.",
            remedy="Export the part alone, without construction geometry.",
        ) from fault
    if said.is_too_long:
        raise UnreadableDesign(f"The reading process answered with more than {_ANSWER_LIMIT >> 20} MiB.")
    if said.code != 0:
        cause = _cause(said.code, said.complaint)
        log.warning("design.unreadable", file=file_name, cause=cause, seconds=timeout_s, at_once=AT_ONCE)
        raise UnreadableDesign(f"{file_name} could not be read: {cause}.", remedy=_EXPORT_AGAIN)
    return said.answer


def _understand(raw: bytes, file_name: str, kind: str) -> Reading:
    try:
        answer = msgspec.msgpack.decode(raw, type=Answer)
    except msgspec.DecodeError as fault:
        raise UnreadableDesign(
            f"{file_name} could not be read: the reading process gave no whole answer.", remedy=_EXPORT_AGAIN
        ) from fault
    if answer.refusal:
        raise UnreadableDesign(
            f"{file_name} could not be read. {answer.refusal}", remedy=answer.remedy or _EXPORT_AGAIN
        )
    analysis = None
    if answer.geometry is not None:
        analysis = Analysis(
            geometry=answer.geometry,
            media_type=_MEDIA[kind],
            view=answer.view,
            text=answer.text,
            characteristics=answer.characteristics,
        )
    if analysis is None and answer.quality is None and answer.model is None:
        raise UnreadableDesign(f"{file_name} could not be read: the reading process found nothing in it.")
    return Reading(kind=kind, media_type=_MEDIA[kind], analysis=analysis, quality=answer.quality, model=answer.model)


_EXPORT_AGAIN = "Export the part again as STEP AP242 or AP214, or as STL."


def _cause(code: int, complaint: bytes) -> str:
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
