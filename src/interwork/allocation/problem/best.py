"""Read best-known values: one number, several, or a table of names and values in text, CSV, Markdown or JSON."""

import re
from pathlib import Path

import msgspec

from interwork.core.errors import BadInput

NUMBER = re.compile(r"-?\d+(?:\.\d+)?")
LARGEST = 8 * 1024 * 1024


def read_best(asked: str, instances: list[str]) -> dict[str, float]:
    """Tell the best-known value of each instance that has one; numbers go by the order of the files."""
    words = [each.strip() for each in asked.split(",")]
    if all(NUMBER.fullmatch(each) for each in words):
        if len(words) not in (1, len(instances)):
            raise BadInput(
                f"{len(words)} best values for {len(instances)} files.", remedy="Give one, one each, or a table."
            )
        values = words * len(instances) if len(words) == 1 else words
        return {name: float(value) for name, value in zip(instances, values, strict=True)}
    table = _table(Path(asked))
    return {name: table[name.lower()] for name in instances if name.lower() in table}


def _table(path: Path) -> dict[str, float]:
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
            return {k.lower(): v for k, v in msgspec.json.decode(text, type=dict[str, float]).items()}
        except msgspec.MsgspecError as fault:
            raise BadInput(f"{path}: {fault}.", remedy="Give an object of instance to value.") from fault
    found = {}
    for line in text.splitlines():
        cells = [each.strip() for each in re.split(r"[|,;\t]|\s{1,}(?=-?\d)", line) if each and each.strip()]
        if len(cells) >= 2 and not NUMBER.fullmatch(cells[0]):
            value = NUMBER.match(cells[-1])
            if value:
                found[cells[0].rsplit("/", 1)[-1].lower()] = float(value[0])
    return found
