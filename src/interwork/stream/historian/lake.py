"""Where sealed readings live: the ATTACH line, the extensions it needs, and the list of the files in use.

This is the one place that says where the catalog and the files are. Both extensions come from the installed wheels
and are loaded by path: nothing is ever fetched from the network. A question does not ask the catalog: it reads the
files named by `Sealed`, a picture of catalog and mark taken together after every change. Files that a later change
replaced stay on the disk for a while, so a picture stays true while a question is answered from it.
"""

import importlib.resources
from collections.abc import Iterable
from dataclasses import dataclass
from itertools import pairwise
from pathlib import Path
from typing import NamedTuple

import duckdb

from interwork.core.errors import Unusable
from interwork.stream.historian import sql

DUCKDB = "1.5.5"
"""DuckDB and its extension wheels move together."""
EXTENSIONS = ("sqlite_scanner", "ducklake")
CATALOG = "catalog.sqlite3"
LAKE = "lake"
TABLES = ("reading", "rollup", "state")
"""Each has its files in LAKE/main/<table>, where DuckLake expects them."""
HOUR_US = 3_600_000_000
FRESH = "fresh"
"""How the name begins of a file that a sink has written without roll-ups."""


class File(NamedTuple):
    """One sealed file in use; times from first to last (both inclusive)."""

    table: str
    name: str
    first_us: int
    last_us: int
    bytes: int
    rows: int
    has_drops: bool
    """True where a list of dropped rows goes with it: then only the catalog knows what is in it."""


@dataclass(frozen=True, slots=True)
class Sealed:
    """What was sealed at one moment: everything up to the mark, in these files."""

    folder: Path
    mark: int = 0
    files: tuple[File, ...] = ()
    store: str = ""
    """The address the files are under where they are not in the folder."""

    def of(self, table: str, start: int, end: int) -> list[File]:
        """List the files of a table that may hold times from start to end (exclusive)."""
        return [file for file in self.files if file.table == table and file.first_us < end and file.last_us >= start]

    def is_apart(self, table: str, start: int, end: int) -> bool:
        """Tell whether a table's files of a span hold times that no other of them has."""
        found = sorted(self.of(table, start, end), key=lambda file: file.first_us)
        return all(one.last_us < other.first_us for one, other in pairwise(found))

    def source(self, table: str, spans: Iterable[tuple[int, int]]) -> str | None:
        """Write the relation that holds a table's rows of some spans; None where nothing sealed is as old or new."""
        found = {file for start, end in spans for file in self.of(table, start, end)}
        if not found:
            return None
        if any(file.has_drops for file in found):
            return f"lake.{table}"
        names = ", ".join(quoted(self.place(file)) for file in sorted(found, key=lambda file: file.first_us))
        return f"read_parquet([{names}])"

    def unrolled(self, start: int, end: int) -> set[int]:
        """List the hours of a span with sealed readings that no roll-up knows yet."""
        hours: set[int] = set()
        for file in self.of("reading", start, end):
            if file.name.startswith(FRESH):
                first, last = max(file.first_us, start), min(file.last_us, end - 1)
                hours |= set(range(first // HOUR_US * HOUR_US, last + 1, HOUR_US))
        return hours

    def place(self, file: File) -> str:
        """Tell where a file is, for DuckDB."""
        return f"{self.store}{LAKE}/main/{file.table}/{file.name}" if self.store else str(self.path(file))

    def path(self, file: File) -> Path:
        """Tell where a file is."""
        return files_of(self.folder, file.table) / file.name


def attach(connection: duckdb.DuckDBPyConnection, folder: Path) -> None:
    """Attach the catalog of a folder as `lake` and make its tables; works without a network."""
    for table in TABLES:
        files_of(folder, table).mkdir(parents=True, exist_ok=True)
    for name in EXTENSIONS:
        connection.execute(f"LOAD {quoted(extension(name))}")
    catalog, files = quoted(f"ducklake:sqlite:{folder / CATALOG}"), quoted(f"{folder / LAKE}/")
    connection.execute(f"ATTACH {catalog} AS lake (DATA_PATH {files}, OVERRIDE_DATA_PATH true)")
    connection.execute("BEGIN")
    for text in sql.LAKE:
        connection.execute(text)
    connection.execute("COMMIT")
    for text in (*sql.NO_INLINING, sql.RELATIVE):
        connection.execute(text)


def read_sealed(cursor: duckdb.DuckDBPyConnection, folder: Path) -> Sealed:
    """Take the picture of the catalog, files and mark of one moment."""
    cursor.execute("BEGIN")
    try:
        row = cursor.execute(sql.MARK).fetchone()
        files = tuple(File(*found) for found in cursor.execute(sql.FILES).fetchall())
    finally:
        cursor.execute("ROLLBACK")
    return Sealed(folder, int(row[0]) if row else 0, files)


def extension(name: str) -> Path:
    """Find an extension in its wheel."""
    package = f"duckdb_extension_{name}"
    remedy = f"Install duckdb, {package.replace('_', '-')} in version {DUCKDB}, all from the requirements."
    try:
        root = Path(str(importlib.resources.files(package)))
    except ModuleNotFoundError as fault:
        raise Unusable(f"The DuckDB extension {name} is not installed.", remedy=remedy) from fault
    path = root / "extensions" / f"v{duckdb.__version__}" / f"{name}.duckdb_extension"
    if not path.exists():
        raise Unusable(f"The extension {name} does not fit DuckDB {duckdb.__version__}.", remedy=remedy)
    return path


def files_of(folder: Path, table: str) -> Path:
    """Tell where the files of a table are."""
    return folder / LAKE / "main" / table


def quoted(path: Path | str) -> str:
    """Write a text as a literal of SQL."""
    return "'" + str(path).replace("'", "''") + "'"
