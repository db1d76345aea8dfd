"""Rows of a table to readings: which column is the time, which are signals, and what a cell is worth. Pure."""

import csv
import re
from collections import Counter
from collections.abc import Iterable, Iterator, Mapping, Sequence
from datetime import datetime
from typing import Any, NamedTuple
from zoneinfo import ZoneInfo

import msgspec

from interwork.connectors import BAD_TYPE, Found, Point
from interwork.connectors.leaves import TimeRule, number_in, reading_of, time_us_of
from interwork.connectors.naming import execution_word, meaning_of, unit_code
from interwork.core.clock import to_us
from interwork.core.errors import BadInput
from interwork.core.resource import BAD_NO_DATA, GOOD, BatchBuilder, Meaning

COLUMNS_MAX = 2_000
LINE_MAX = 1 << 20
"""Octets a line may have."""
TIME_NAMES = ("time", "timestamp", "ts", "datetime", "date_time", "date", "time_utc")
_EMPTY = frozenset({"", "nan", "na", "n/a", "null", "none", "?", "-", "unavailable"})
_UNIT = re.compile(r"\s*[\[(]([^\])]{1,32})[\])]\s*$")
Row = Mapping[str, Any]


class Shape(msgspec.Struct, frozen=True, kw_only=True):
    """How a person said the tables are laid out; what is empty is found out."""

    time: str = ""
    rule: TimeRule = TimeRule((), "auto")
    pattern: str = ""
    """How the time is written, as `strptime` has it; empty = by the rule."""
    zone: str = "UTC"
    """The time zone of times that name none, as IANA has it."""
    signal: str = ""
    value: str = ""
    delimiter: str = ""
    decimal: str = ""
    """Empty = a point, or a comma where semicolons part the cells."""

    def time_column(self, columns: Sequence[str]) -> str:
        """Name the column of the time; BadInput where no column has it."""
        if self.time:
            if self.time in columns:
                return self.time
            raise BadInput(f"There is no column {self.time!r}.", remedy=f"Name one of {', '.join(columns[:20])}.")
        for column in columns:
            if _UNIT.sub("", column).strip().lower() in TIME_NAMES:
                return column
        raise BadInput(
            f"No column of {', '.join(columns[:20])} is a time by its name.", remedy="Name it with the option time."
        )

    def moment_us(self, cell: object) -> int | None:
        """Read a cell as a time in microseconds since 1970; None where it is none."""
        if isinstance(cell, datetime):
            return to_us(cell) if cell.tzinfo else None
        if isinstance(cell, str):
            cell = cell.strip()
            if self.pattern or self.zone != "UTC":
                return self._local_us(cell)
            if cell.replace(".", "", 1).isdecimal() and len(cell) < 25:
                cell = float(cell) if "." in cell else int(cell)
        return time_us_of(cell, self.rule) or None

    def names_no_zone(self, cell: object) -> bool:
        """Tell whether a cell is a time of day that leaves open where."""
        if not isinstance(cell, str) or self.moment_us(cell) is None:
            return False
        try:
            moment = datetime.strptime(cell, self.pattern) if self.pattern else datetime.fromisoformat(cell.strip())  # noqa: DTZ007 - that is the question
        except ValueError:  # a number since 1970
            return False
        return moment.tzinfo is None

    def _local_us(self, text: str) -> int | None:
        """Read a time written by the pattern, or by ISO 8601, in the zone where it names none."""
        try:
            moment = datetime.strptime(text, self.pattern) if self.pattern else datetime.fromisoformat(text)  # noqa: DTZ007 - the zone follows
            return to_us(moment if moment.tzinfo else moment.replace(tzinfo=ZoneInfo(self.zone)))
        except (ValueError, OverflowError):
            return None


class Reader(NamedTuple):
    """One point that is read."""

    number: int
    is_text: bool
    is_execution: bool


def split_name(column: str) -> tuple[str, str]:
    """Part a heading such as `Temperature [°C]` into name and UCUM unit."""
    match = _UNIT.search(column)
    return (column[: match.start()].strip(), unit_code(match[1])) if match else (column.strip(), "")


def readers(points: Sequence[Point]) -> dict[str, list[Reader]]:
    """Sort the points by the column or signal they read."""
    wanted: dict[str, list[Reader]] = {}
    for point in points:
        is_execution = meaning_of(split_name(point.address)[0], "", is_text=point.is_text) is Meaning.EXECUTION
        wanted.setdefault(point.address, []).append(Reader(point.number, point.is_text, is_execution))
    return wanted


def decimal_of(shape: Shape, delimiter: str) -> str:
    """Tell the decimal mark of a file: as said, else whichever its cells have where no comma parts them."""
    return shape.decimal or ("" if delimiter == ";" else ".")


def cell_reading(cell: object, *, is_text: bool, decimal: str = ".") -> tuple[float | str | None, int]:
    """Turn a cell into a value and an OPC UA status code; an empty one is no data, never 0."""
    if isinstance(cell, str):
        text = cell.strip()
        if text.lower() in _EMPTY:
            return None, BAD_NO_DATA
        if is_text:
            return reading_of(text, is_text=True)
        return _truth(text) if number_in(text, decimal) is None else reading_of(text, is_text=False, decimal=decimal)
    if isinstance(cell, bool | int | float) or cell is None:
        return reading_of(cell, is_text=is_text)
    return None, BAD_TYPE


def _truth(text: str) -> tuple[float | None, int]:
    words = {"true": 1.0, "yes": 1.0, "on": 1.0, "false": 0.0, "no": 0.0, "off": 0.0}
    value = words.get(text.lower())
    return (value, GOOD) if value is not None else (None, BAD_TYPE)


def take_row(
    row: Row, place: tuple[str, str], shape: Shape, wanted: Mapping[str, list[Reader]], builder: BatchBuilder
) -> str:
    """Add one row's readings (`place`: time column and decimal mark); return why where it has none to add."""
    time_column, decimal = place
    time_us = shape.moment_us(row.get(time_column))
    if time_us is None:
        return "mistimed"
    if shape.signal:
        cells: Iterable[tuple[str, object]] = ((str(row.get(shape.signal, "")).strip(), row.get(shape.value)),)
    else:
        cells = ((column, row[column]) for column in wanted if column in row)
    for column, cell in cells:
        for one in wanted.get(column, ()):
            value, quality = cell_reading(cell, is_text=one.is_text, decimal=decimal)
            if one.is_execution and isinstance(value, str):
                value = execution_word(value)
            builder.add(one.number, time_us, value, quality)
    return ""


def found_in(rows: Iterable[Row], columns: Sequence[str], shape: Shape, delimiter: str = ",") -> list[Found]:
    """Propose a signal per column, or per name where the table is long, from a sample of rows."""
    if shape.signal:
        for column in (shape.signal, shape.value):
            if column not in columns:
                raise BadInput(f"There is no column {column!r}.", remedy=f"Name one of {', '.join(columns[:20])}.")
    time_column = shape.time_column(columns)
    rows = list(rows)
    if rows and not any(shape.moment_us(row.get(time_column)) for row in rows):
        raise BadInput(
            f"{str(rows[0].get(time_column))[:40]!r} in the column {time_column} is no time that is known.",
            remedy="Say how it is written with the option time_format, such as %d/%m/%Y %H:%M.",
        )
    texts: Counter[str] = Counter()
    names: dict[str, None] = {} if shape.signal else {one: None for one in columns if one and one != time_column}
    for row in rows:
        pairs = [(str(row.get(shape.signal)), row.get(shape.value))] if shape.signal else list(row.items())
        for name, cell in pairs:
            if shape.signal:
                names[name] = None
            value, quality = cell_reading(cell, is_text=False, decimal=decimal_of(shape, delimiter))
            texts[name] += value is None and quality != BAD_NO_DATA
    found = []
    for address in list(names)[:COLUMNS_MAX]:
        name, unit = split_name(address)
        is_text = texts[address] > 0
        meaning = meaning_of(name, unit, is_text=is_text)
        found.append(Found(address=address, name=name or address, unit=unit, meaning=meaning, is_text=is_text))
    return found


def csv_rows(lines: Iterable[str], columns: Sequence[str], delimiter: str) -> Iterator[Row | None]:
    """Read CSV lines (RFC 4180) under known headings; None stands for a row of another length.

    Loggers often end a row with a delimiter that their headings do not have: empty cells beyond these are nothing.
    """
    for cells in csv.reader(lines, delimiter=delimiter):
        if len(cells) > len(columns) and not any(map(str.strip, cells[len(columns) :])):
            del cells[len(columns) :]
        if cells:
            yield dict(zip(columns, cells, strict=True)) if len(cells) == len(columns) else None


def headings(line: str, delimiter: str) -> list[str]:
    """Read the first line of a CSV file; BadInput where its names are no names."""
    columns = [cell.strip().removeprefix("\ufeff") for cell in next(csv.reader([line], delimiter=delimiter), [])]
    while columns and not columns[-1]:
        columns.pop()
    if len(columns) < 2 or len(columns) > COLUMNS_MAX:
        raise BadInput(
            f"The first line names {len(columns)} columns.",
            remedy=f"Give a table with 2 to {COLUMNS_MAX} headings, or name the delimiter.",
        )
    double = [name for name, count in Counter(columns).items() if count > 1]
    if double:
        raise BadInput(
            f"The first line names {', '.join(repr(one) for one in double[:5])} more than once.",
            remedy="Give each column a heading of its own, for a signal is known by it.",
        )
    return columns


def delimiter_of(line: str) -> str:
    """Find out what parts the columns: whichever of comma, semicolon and tab stands most often in the first line."""
    named = line.strip().removeprefix("\ufeff")
    if named.lower().startswith("sep=") and len(named) == 5:  # as spreadsheets write it above the headings
        return named[4]
    return max(",;\t", key=line.count)


def json_rows(lines: Iterable[str]) -> Iterator[Row | None]:
    """Read JSON lines; None stands for one that is no object."""
    for line in lines:
        if not line.strip():
            continue
        try:
            row = msgspec.json.decode(line.removeprefix("\ufeff"))
        except (msgspec.DecodeError, UnicodeDecodeError, RecursionError):
            row = None
        yield row if isinstance(row, dict) else None
