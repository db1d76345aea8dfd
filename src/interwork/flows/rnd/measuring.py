"""What people measured and type or paste: inspection results per part, and the readings of a gauge study."""

import csv
import io
from collections import Counter, defaultdict
from collections.abc import Iterator, Mapping, Sequence

import msgspec

from interwork.core.design import Characteristic, Revision
from interwork.core.errors import BadInput
from interwork.core.ids import derived_id, digest_of
from interwork.core.making import MeasuredSeries, QualityRecord
from interwork.design.quality import by_word, limits_of
from interwork.flows.node import Node
from interwork.flows.rnd.quality import GaugeDraft, keep_record

LINES_MAX = 10_000
RESULT = "length, 1, 80.02, 79.9, 80.1"
READING = "Ann, 1, 0.29"


class Typed(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """Inspection results as somebody wrote them down."""

    title: str
    rows: str
    """One value a line: characteristic, part, value; then lower and upper limit, where the design states none."""
    revision: str = ""
    unit: str = "mm"


async def record_typed(node: Node, typed: Typed, *, actor: str) -> QualityRecord:
    """Take typed results; limits come from the design where it states the characteristic, else from the lines."""
    revision = await node.store.get(Revision, typed.revision) if typed.revision else None
    rows = [_result(number, cells) for number, cells in lines(typed.rows) if not _is_heading(cells)]
    if not rows:
        raise BadInput("No result was given.", where="rows", remedy=f"Give at least one line, as: {RESULT}")
    (name, piece), times = Counter(row[:2] for row in rows).most_common(1)[0]
    if times > 1:
        raise BadInput(
            f"«{name}» of part {piece} is given twice.", where="rows", remedy="Give each value once, or another part."
        )
    stated = by_word(revision.characteristics if revision else ())
    grouped: dict[str, list[Row]] = defaultdict(list)
    for row in rows:
        grouped[row[0]].append(row)
    series = tuple(_series(name, each, _meant(name, stated), typed.unit) for name, each in grouped.items())
    digest = node.files.put(typed.rows.encode())
    held = QualityRecord(
        id=derived_id("quality", digest_of(typed.rows.encode()), typed.revision),
        digest=digest,
        file_name=f"{typed.title.strip()[:190] or 'Results'} (typed)",
        revision=typed.revision,
        series=series,
        by=actor,
        at=node.clock(),
    )
    return await keep_record(node, held, actor=actor)


def _meant(name: str, stated: Mapping[str, Sequence[Characteristic]]) -> Characteristic | None:
    """Find the characteristic of the design that is meant, by its name or by where it stands in the file."""
    found = stated.get(name, ())
    if len(found) > 1:
        keys = ", ".join(one.key for one in found[:12])
        raise BadInput(
            f"The design states {len(found)} characteristics called «{name}».",
            where="rows",
            remedy=f"Write where it stands in the file instead: {keys}.",
        )
    return found[0] if found else None


def _is_heading(cells: Sequence[str]) -> bool:
    return [one.lower() for one in cells[:3]] == ["characteristic", "part", "value"]


Row = tuple[str, str, float, float | None, float | None]


def _result(number: int, cells: Sequence[str]) -> Row:
    if len(cells) == 4:  # «80,02» written with a comma would be a value and a limit
        raise BadInput(
            f"Line {number} has 4 fields, so it names one limit or has a decimal comma: {', '.join(cells)[:80]!r}.",
            where="rows",
            remedy="Write numbers with a point, as 80.02; a lower limit alone as: length, 1, 80.02, 79.9,",
        )
    if len(cells) not in (3, 5) or not cells[0] or not cells[1]:
        raise BadInput(
            f"Line {number} has {len(cells)} fields: {', '.join(cells)[:80]!r}.",
            where="rows",
            remedy=f"Write: characteristic, part, value, lower, upper; as: {RESULT}",
        )
    lower, upper = ((_number(number, one) if one else None) for one in [*cells[3:], "", ""][:2])
    if lower is not None and upper is not None and lower > upper:
        raise BadInput(f"Line {number}: the lower limit {lower:g} is above the upper {upper:g}.", where="rows")
    return cells[0], cells[1], _number(number, cells[2]), lower, upper


def _number(line: int, text: str) -> float:
    try:
        value = float(text)
    except ValueError:
        value = float("nan")
    if not abs(value) < 1e12:
        raise BadInput(
            f"Line {line}: {text[:40]!r} is no number.", where="rows", remedy="Write it as 25 or 0.1, with a point."
        )
    return value


def _series(name: str, rows: Sequence[Row], stated: Characteristic | None, unit: str) -> MeasuredSeries:
    lower, upper = limits_of(stated) if stated else _limits(name, rows)
    return MeasuredSeries(
        characteristic=stated.id if stated else "",
        name=f"{stated.name} {name}" if stated and name == stated.key else name,
        kind=stated.kind if stated else "linear_distance",
        nominal=stated.nominal if stated else None,
        lower=lower,
        upper=upper,
        unit=stated.unit if stated else unit,
        parts=tuple(row[1] for row in rows),
        values=tuple(row[2] for row in rows),
    )


def _limits(name: str, rows: Sequence[Row]) -> tuple[float | None, float | None]:
    """Give the limits the lines of one characteristic state; they must agree."""
    given = {row[3:] for row in rows if row[3:] != (None, None)}
    if len(given) > 1:
        raise BadInput(
            f"«{name}» has different limits on different lines.", where="rows", remedy="State the same limits on each."
        )
    return given.pop() if given else (None, None)


def lines(text: str) -> Iterator[tuple[int, list[str]]]:
    """Read comma-, semicolon- or tab-separated lines with their numbers; empty ones and `#` are left out."""
    if text.count("\n") >= LINES_MAX:
        raise BadInput(f"There are more than {LINES_MAX:,} lines.", where="rows", remedy="Send them as a QIF file.")
    for number, line in enumerate(text.splitlines(), start=1):
        if line.strip() and not line.lstrip().startswith("#"):
            mark = next((one for one in "\t;," if one in line), ",")
            yield number, [cell.strip() for cell in next(csv.reader(io.StringIO(line), delimiter=mark))]


def read_study(name: str, unit: str, text: str, tolerance: float | None) -> GaugeDraft:
    """Read operator, part and value a line into a crossed study; parts in the order they first appear."""
    table: dict[str, dict[str, list[float]]] = {}
    for number, cells in lines(text):
        if [one.lower() for one in cells] == ["operator", "part", "value"]:
            continue
        if len(cells) != 3 or not all(cells):
            raise BadInput(
                f"Line {number} is no reading: {', '.join(cells)[:80]!r}.",
                where="readings",
                remedy=f"Write: operator, part, value; as: {READING}",
            )
        table.setdefault(cells[0], {}).setdefault(cells[1], []).append(_number(number, cells[2]))
    parts = list(dict.fromkeys(part for held in table.values() for part in held))
    return GaugeDraft(
        name=name,
        unit=unit,
        readings=tuple(tuple(tuple(held.get(part, ())) for part in parts) for held in table.values()),
        tolerance=tolerance,
        people=tuple(table),
        pieces=tuple(parts),
    )
