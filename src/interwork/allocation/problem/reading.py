"""Read a problem from a file of any known format, recognised by its content; write the JSON of the model.

| format | told by |
|---|---|
| JSON of the model | the first character is `{` |
| PSPLIB `.sm`, `.mm` | the section PRECEDENCE RELATIONS |
| MPLIB | successors written `project:task` |
| flexible job shop with arcs | as many arcs `U V` or `U V J1` as the first line says |
| OR-Library's assignments, several in a file | one number on the first line |
| flexible job shop as a grid | jobs, machines and counts on lines of their own, a row of durations per operation |
| Patterson `.rcp`, job shop (with setups), assignment | the one that the count of numbers fits |

Lines of words above the first number, comments after `#`, blank lines, tabs and any line ends are passed over.
"""

import gzip
import io
import re
import zlib
from collections.abc import Callable, Sequence
from pathlib import Path

import msgspec

from interwork.allocation.problem.assignment import read_gap, read_gaps
from interwork.allocation.problem.model import Problem
from interwork.allocation.problem.projects import read_mplib, read_patterson, read_psplib
from interwork.allocation.problem.shops import is_arcs, is_grid, read_arcs, read_grid, read_jobs, read_plain_jobs
from interwork.allocation.problem.sound import sound
from interwork.allocation.problem.tokens import APART
from interwork.core.errors import BadInput

LARGEST = 64 * 1024 * 1024
GZIP = b"\x1f\x8b"
SECTION = re.compile(r"PRECEDENCE\s*RELATIONS", re.IGNORECASE)
LINKED = re.compile(r"(?m)^[\d \t]*\s\d+:\d+")
CONTROLS = frozenset(range(32)) - frozenset(b"\t\n\r\f\v\x1a")
"""Bytes that no text has."""
FORMATS = (
    "JSON of the model, Brandimarte/Hurink text, plain job shop, job shop with arcs, PSPLIB .sm/.mm/.rcp, MPLIB, "
    "assignment text; each as it is or compressed by gzip"
)


def name_of(path: Path) -> str:
    """Tell the name of an instance: the file's, without its ending and that of its compression."""
    return Path(path.stem).stem if path.suffix.lower() == ".gz" else path.stem


def read(path: Path) -> Problem:
    """Read a file of one problem, also one that gzip compressed; raise BadInput with the line where it is wrong."""
    return parse(_text(_bytes(path), path), name_of(path))


def read_all(path: Path) -> tuple[Problem, ...]:
    """Read all problems of a file; but for OR-Library's assignments there is one in each."""
    return parse_all(_text(_bytes(path), path), name_of(path))


def _bytes(path: Path) -> bytes:
    too_large = BadInput(f"{path} is larger than {LARGEST >> 20} MiB.", remedy="Give a benchmark file.")
    try:
        with path.open("rb") as file:
            data = file.read(LARGEST + 1)
        if data.startswith(GZIP):
            with gzip.GzipFile(fileobj=io.BytesIO(data)) as unpacked:
                data = unpacked.read(LARGEST + 1)
    except (gzip.BadGzipFile, zlib.error, EOFError) as fault:
        raise BadInput(f"{path} is damaged: {fault}.", remedy="Compress it with gzip again.") from fault
    except OSError as fault:
        raise BadInput(f"{path} cannot be read: {fault.strerror}.", remedy="Give the path of a file.") from fault
    if len(data) > LARGEST:
        raise too_large
    return data


def _text(data: bytes, path: Path) -> str:
    """Decode UTF-8, or Latin-1 as old files have it in their titles; the end mark of DOS is cut off."""
    data = data.rstrip(b"\x1a")
    if CONTROLS.intersection(data):
        raise BadInput(f"{path} is not text: it has control characters.", remedy=f"Give one of: {FORMATS}.")
    try:
        return data.decode("utf-8-sig")
    except UnicodeDecodeError:
        return data.decode("latin-1")


def parse(text: str, name: str) -> Problem:
    """Read a problem from the text of one."""
    problems = parse_all(text, name)
    if len(problems) > 1:
        raise BadInput(f"{name} holds {len(problems)} problems.", remedy="Read all of them, or give a file of one.")
    return problems[0]


def parse_all(text: str, name: str) -> tuple[Problem, ...]:
    """Read the problems of a text."""
    if text.lstrip().startswith("{") or SECTION.search(text):
        return (_one(text, name),)
    bare = _without_title(text)
    lines = [words for line in bare.splitlines() if (words := _words(line))]
    if len(lines) > 1 and len(lines[0]) == 1 and lines[0][0].isdecimal() and not LINKED.search(bare):
        return (read_grid(bare, name),) if is_grid(lines) else read_gaps(bare, name)
    return (_one(text, name),)


def _words(line: str) -> list[str]:
    return line.partition("#")[0].translate(APART).split()


def _one(text: str, name: str) -> Problem:
    start = text.lstrip()
    if start.startswith("{"):
        return _decode(text, name)
    if SECTION.search(text):
        return read_psplib(text, name)
    text = _without_title(text)
    if LINKED.search(text):
        return read_mplib(text, name)
    lines = [words for line in text.splitlines() if (words := _words(line))]
    if is_arcs(lines):
        return read_arcs(text, name)
    words = [word for line in lines for word in line]
    if len(words) < 3:
        raise BadInput(f"{name}, line 1: the file has {len(words)} numbers.", remedy=f"Give one of: {FORMATS}.")
    return _first_that_fits(_likely(lines, words), text, name)


def _without_title(text: str) -> str:
    """Blank the lines of words above the first number, so that lines keep their numbers."""
    lines = text.splitlines()
    first = next((n for n, line in enumerate(lines) if line.split() and line.split()[0][0].isdecimal()), 0)
    return "\n".join([""] * first + lines[first:])


Reader = Callable[[str, str], Problem]


def _first_that_fits(readers: Sequence[Reader], text: str, name: str) -> Problem:
    """Read by the first form that fits to the last number; where none does, say what is wrong by the likeliest."""
    first: BadInput | None = None
    for each in readers:
        try:
            return each(text, name)
        except BadInput as fault:
            first = first or fault
    assert first is not None
    raise first


def _likely(lines: list[list[str]], words: list[str]) -> Sequence[Reader]:
    """Order the forms by how likely they are; a project or a shop that fits to its last number is no accident."""
    if not all(word.isascii() and word.isdecimal() and len(word) < 10 for word in words[:2]):
        return (read_jobs,)
    first, second = int(words[0]), int(words[1])
    if len(words) == 2 + 2 * first * second + first:
        return (read_patterson, read_jobs, read_gap)[:: -1 if len(lines[1:]) == 2 * first + 1 else 1]
    if len(words) == 2 + 2 * first * second and all(len(line) == 2 * second for line in lines[1:]):
        return (read_plain_jobs, read_jobs, read_patterson)
    if len(lines[0]) == 2 and len(lines) > 2 and len(lines[1]) == second and len(lines) != first + 1:
        return (read_patterson, read_jobs)
    return (read_jobs, read_patterson)


def _decode(text: str, name: str) -> Problem:
    try:
        problem = msgspec.json.decode(text, type=Problem)
    except msgspec.MsgspecError as fault:
        raise BadInput(f"{name} is not a problem of this model: {fault}.", remedy=f"Give one of: {FORMATS}.") from fault
    sound(problem)
    return problem


def write(problem: Problem) -> bytes:
    """Write the JSON of the model, which `read` reads back as the same value."""
    return msgspec.json.encode(problem)
