"""Read a problem from a file of any known format, recognised by its content; write the JSON of the model.

| format | told by |
|---|---|
| JSON of the model | the first character is `{` |
| PSPLIB `.sm`, `.mm` | the section PRECEDENCE RELATIONS |
| MPLIB | successors written `project:task` |
| flexible job shop with arcs | the second line has an arc with a job `J1` |
| Patterson `.rcp`, job shop, assignment | the one that the count of numbers fits |
"""

import re
from collections.abc import Callable, Sequence
from pathlib import Path

import msgspec

from interwork.allocation.problem.assignment import read_gap
from interwork.allocation.problem.model import Problem
from interwork.allocation.problem.projects import read_mplib, read_patterson, read_psplib
from interwork.allocation.problem.shops import is_arcs, read_arcs, read_jobs
from interwork.allocation.problem.sound import sound
from interwork.core.errors import BadInput

LARGEST = 64 * 1024 * 1024
FORMATS = "JSON of the model, Brandimarte/Hurink text, job shop with arcs, PSPLIB .sm/.mm/.rcp, MPLIB, assignment text"


def read(path: Path) -> Problem:
    """Read a file; raise BadInput with the line where it is wrong."""
    try:
        if path.stat().st_size > LARGEST:
            raise BadInput(f"{path} is larger than {LARGEST >> 20} MiB.", remedy="Give a benchmark file.")
        text = path.read_bytes().decode("utf-8-sig")
    except OSError as fault:
        raise BadInput(f"{path} cannot be read: {fault.strerror}.", remedy="Give the path of a file.") from fault
    except UnicodeDecodeError as fault:
        raise BadInput(f"{path} is not text: {fault.reason}.", remedy=f"Give one of: {FORMATS}.") from fault
    return parse(text, path.stem)


def parse(text: str, name: str) -> Problem:
    """Read a problem from its text."""
    start = text.lstrip()
    if start.startswith("{"):
        return _decode(text, name)
    if "PRECEDENCE RELATIONS" in text.upper():
        return read_psplib(text, name)
    if re.search(r"(?m)^[\d \t]*\s\d+:\d+", text):
        return read_mplib(text, name)
    if is_arcs(text):
        return read_arcs(text, name)
    return _by_count(text, name)


def _by_count(text: str, name: str) -> Problem:
    """Choose among the forms of bare numbers by how many there are and how the lines are cut."""
    lines = [line.split() for line in text.splitlines() if line.strip() and not line.lstrip().startswith("#")]
    words = [word for line in lines for word in line]
    if len(words) < 3:
        raise BadInput(f"{name}, line 1: the file has {len(words)} numbers.", remedy=f"Give one of: {FORMATS}.")
    return _first_that_fits(_likely(lines, words), text, name)


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
    if not (words[0].isdigit() and words[1].isdigit() and len(words[0]) < 10 and len(words[1]) < 10):
        return (read_jobs,)
    first, second = int(words[0]), int(words[1])
    if len(words) == 2 + 2 * first * second + first:
        return (read_patterson, read_jobs, read_gap)[:: -1 if len(lines[1:]) == 2 * first + 1 else 1]
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
