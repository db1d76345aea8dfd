"""Register and tag maps as files: what a machine that does not describe itself has, in a table a person can keep.

CSV (comma or semicolon, a header line with the fields of an entry, empty cells left out, `states` written as
`0=READY 1=ACTIVE`) or TOML (the connector's options as they stand, with `[[registers]]` or `[[tags]]`).
"""

import csv
import io
import tomllib
from typing import Any

from interwork.core.errors import BadInput

OPTION = {"modbus": "registers", "s7": "tags"}
"""Which option of a scheme's connector a table is."""


def read_map(content: bytes, name: str, scheme: str) -> dict[str, Any]:
    """Read a map's file into the connector's options; raise BadInput naming the line and the fault."""
    option = OPTION.get(scheme)
    if option is None:
        known = " and ".join(f"{one}://" for one in OPTION)
        raise BadInput(f"A {scheme}:// machine describes itself and takes no map.", remedy=f"Maps are for {known}.")
    try:
        text = content.decode("utf-8-sig")
    except UnicodeDecodeError as fault:
        raise BadInput(f"{name} is not UTF-8: {fault.reason}.", remedy="Save the table as UTF-8.") from fault
    if name.lower().endswith(".csv"):
        return {option: _rows(text, name)}
    try:
        options = tomllib.loads(text)
    except tomllib.TOMLDecodeError as fault:
        raise BadInput(f"{name} is not TOML: {fault}.", remedy="Give a .csv or .toml file.") from fault
    if option not in options:
        raise BadInput(f"{name} has no [[{option}]].", remedy=f"Write an entry per signal under [[{option}]].")
    return options


def _rows(text: str, name: str) -> list[dict[str, Any]]:
    head = text.partition("\n")[0]
    reader = csv.DictReader(io.StringIO(text), delimiter=";" if head.count(";") > head.count(",") else ",")
    rows: list[dict[str, Any]] = []
    try:
        for row in reader:
            if None in row or None in row.values():
                raise BadInput(
                    f"{name}: line {reader.line_num} has not as many cells as the header.", remedy="Mend it."
                )
            entry: dict[str, Any] = {key.strip(): cell.strip() for key, cell in row.items() if cell.strip()}
            if "states" in entry:
                entry["states"] = _states(str(entry["states"]), f"{name}: line {reader.line_num}")
            if entry:
                rows.append(entry)
    except csv.Error as fault:
        raise BadInput(
            f"{name}: line {reader.line_num}: {fault}.", remedy="Give a table with a header line."
        ) from fault
    if not rows:
        raise BadInput(f"{name} has no rows.", remedy="Write a header such as address,name,type,unit, then rows.")
    return rows


def _states(text: str, where: str) -> dict[str, str]:
    """Read `0=READY 1=ACTIVE`."""
    pairs = [pair.partition("=") for pair in text.replace("|", " ").split()]
    if not all(key and mark and word for key, mark, word in pairs):
        raise BadInput(f"{where}: the states {text!r} are unreadable.", remedy="Write 0=READY 1=ACTIVE.")
    return {key: word for key, _, word in pairs}
