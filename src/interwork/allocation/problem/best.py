"""Best-known values: one number, several, or a table of names and values in text, CSV, Markdown or JSON.

Sets share names: `la01` is in all of Hurink's, and `MK01` with times between machines is not `mk01` without. So a name
in a table with a folder before it, as in `hurink-edata/la01`, counts for a file in such a folder alone.
"""

import math
import re
from pathlib import Path

import msgspec

from interwork.core.errors import BadInput

NUMBER = re.compile(r"[-+]?\d+(?:\.\d+)?")
CELL = re.compile(r"([-+]?\d+(?:\.\d+)?)\s*(?:\(.*\)|\*)?")
"""A value, with a remark in brackets or a star behind it."""
APART = re.compile(r"[|,;\t]")
LARGEST = 8 * 1024 * 1024
HEADS = ("best known", "best", "bks", "ub", "upper bound", "optimum", "optimal", "makespan", "objective", "value")
"""Names of the column that counts, the surest first; without one it is the last that holds a number."""


class Best(msgspec.Struct, frozen=True):
    """What `--best` says."""

    values: tuple[float, ...] = ()
    """By the order of the problems; one counts for all."""
    rows: dict[tuple[str, ...], float] = {}
    """By folders and name."""

    def of(self, path: Path, name: str, position: int) -> float | None:
        """Tell the best-known value of a problem of a file; None where nothing is known."""
        if self.values:
            return self.values[0 if len(self.values) == 1 else position]
        places = (*(each.lower() for each in path.absolute().parent.parts), name.lower())
        found = [row for row in self.rows if tuple(map(str.lower, row)) == places[-len(row) :]]
        nearest = max(found, key=lambda row: (len(row), row[-1] == name), default=None)
        return None if nearest is None else self.rows[nearest]

    def elsewhere(self, name: str) -> str:
        """Tell a row for the same name in another folder; empty where there is none."""
        return next(("/".join(row) for row in self.rows if row[-1].lower() == name.lower()), "")


def read_best(asked: str) -> Best:
    """Read a number, numbers with commas, or the path of a table."""
    words = [each.strip() for each in asked.split(",")]
    if all(NUMBER.fullmatch(each) for each in words):
        return Best(values=tuple(map(float, words)))
    return Best(rows=_table(Path(asked)))


def _table(path: Path) -> dict[tuple[str, ...], float]:
    try:
        if path.stat().st_size > LARGEST:
            raise BadInput(f"{path} is larger than {LARGEST >> 20} MiB.", remedy="Give a table of names and values.")
        text = path.read_bytes().decode("utf-8-sig")
    except (OSError, UnicodeDecodeError) as fault:
        raise BadInput(
            f"{path} is neither a number nor a table that can be read: {fault}.",
            remedy="Give --best a number, numbers with commas, or a file of `instance value` lines.",
        ) from fault
    if text.lstrip().startswith("{"):
        try:
            return {_parts(k): v for k, v in msgspec.json.decode(text, type=dict[str, float]).items()}
        except msgspec.MsgspecError as fault:
            raise BadInput(f"{path}: {fault}.", remedy="Give an object of instance to value.") from fault
    found = _lines(text)
    if not found:
        raise BadInput(f"{path} has no line of an instance and its value.", remedy="Give `instance value` lines.")
    return found


def _lines(text: str) -> dict[tuple[str, ...], float]:
    found, column = {}, None
    for line in text.splitlines():
        is_apart = APART.search(line) is not None
        cells = [each.strip(" \t`*") for each in (APART.split(line.strip().strip("|")) if is_apart else line.split())]
        if len(cells) < 2:
            continue
        heads = [each.lower() for each in cells]
        named = next((heads.index(each) for each in HEADS if each in heads[1:]), None)
        if named is not None:
            column = named
            continue
        value = _value(cells, column)
        if value is not None and cells[0] and not NUMBER.fullmatch(cells[0]):
            found[_parts(cells[0])] = value
    return found


def _value(cells: list[str], column: int | None) -> float | None:
    """Read the cell of the column that counts, or the last that holds a number."""
    able = cells[1:][::-1] if column is None else cells[column : column + 1]
    value = next((float(match[1]) for each in able if (match := CELL.fullmatch(each))), None)
    return value if value is None or math.isfinite(value) else None


def _parts(name: str) -> tuple[str, ...]:
    """Cut a name at its folders; the ending of a file is cut off."""
    *folders, last = name.strip("/").split("/")
    return (*folders, re.sub(r"\.(txt|fjs|sm|mm|rcp|json|dat)(\.gz)?$", "", last, flags=re.IGNORECASE))
