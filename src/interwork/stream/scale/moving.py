"""A plant's sealed readings from one machine into the shared lake: the same rows, sequences and roll-ups.

The local lake is only read. All files go to the store first and are registered in one transaction, so a move that is
cut off has moved nothing and is done again. The log then begins behind the sequences moved, so that what arrives
later also counts as later.
"""

import secrets
from collections.abc import Iterator
from pathlib import Path

import duckdb

from interwork.core.errors import Conflict, Damaged, NotFound
from interwork.stream.historian import sql as texts
from interwork.stream.historian.engine import run_query, telling
from interwork.stream.historian.lake import CATALOG, HOUR_US, LAKE, TABLES, extension, quoted
from interwork.stream.scale import sql
from interwork.stream.scale.place import ROW_BITS, Place, SharedEngine

WIDTHS = {"reading": HOUR_US, "rollup": 24 * HOUR_US, "state": 24 * HOUR_US}


def move(folder: Path, place: Place, passing: Path) -> dict[str, int]:
    """Copy a folder's sealed readings into an empty shared lake; return the rows of each table."""
    if not (folder / CATALOG).exists():
        raise NotFound(f"{folder} holds no sealed readings.", remedy="Give the data folder of a node.")
    engine = SharedEngine.reach(passing, place, is_founding=True)
    try:
        with telling(passing):
            _check_empty(engine)
            cursor = engine.sealing
            cursor.execute(f"LOAD {quoted(extension('sqlite_scanner'))}")
            data = quoted(f"{folder / LAKE}/")
            source = quoted(f"ducklake:sqlite:{folder / CATALOG}")
            cursor.execute(f"ATTACH {source} AS origin (DATA_PATH {data}, OVERRIDE_DATA_PATH true, READ_ONLY)")
            files = list(_copies(cursor, place))
            return _register(cursor, place, files)
    finally:
        engine.close()


def _check_empty(engine: SharedEngine) -> None:
    if engine.sealed.files or any(engine.progress.values()):
        raise Conflict(
            "The shared lake has readings already.",
            remedy="Move before the first sink starts, or give scale.catalog and scale.store of an empty one.",
        )


def _copies(cursor: duckdb.DuckDBPyConnection, place: Place) -> Iterator[tuple[str, str]]:
    """Write the tables hour by hour (roll-ups day by day) into files of the store; give where each is."""
    for table in TABLES:
        spans = cursor.execute(sql.of_table(sql.ORIGIN_SPANS, table), [WIDTHS[table]] * 3).fetchall()
        for (start,) in spans:
            rows = sql.filled(sql.of_table(sql.ORIGIN[table], table), start=start, end=start + WIDTHS[table])
            path = place.file(table, f"{table}{start // HOUR_US}-moved-{secrets.token_hex(6)}.parquet")
            cursor.execute(sql.filled(sql.COPY, rows=rows, path=quoted(path)))
            yield table, path


def _register(cursor: duckdb.DuckDBPyConnection, place: Place, files: list[tuple[str, str]]) -> dict[str, int]:
    """Add the files, put progress behind what is moved, and check the rows, in one transaction."""
    cursor.execute("BEGIN")
    try:
        for table, path in files:
            cursor.execute(texts.ADD_FILE, [table, path])
        row = cursor.execute(sql.ORIGIN_LAST).fetchone()
        behind = (int(row[0] or 0) if row else 0) >> ROW_BITS
        for part in range(place.partitions):
            cursor.execute(sql.of_part(sql.MOVE_PROGRESS, part), [behind + 1])
        counts = _compared(cursor)
        cursor.execute("COMMIT")
    except (duckdb.Error, Damaged):
        cursor.execute("ROLLBACK")
        raise
    return counts


def _compared(cursor: duckdb.DuckDBPyConnection) -> dict[str, int]:
    """Count the rows that arrived; Damaged where they are not as many as there were."""
    counts = {table: _count(cursor, "lake", table) for table in TABLES}
    for table, count in counts.items():
        if count != (held := _count(cursor, "origin", table)):
            raise Damaged(f"{count} of {held} rows of {table} arrived.", remedy="Move again.")
    return counts


def _count(cursor: duckdb.DuckDBPyConnection, lake: str, table: str) -> int:
    row = run_query(cursor, sql.of_table(sql.ROWS, table).replace("/*lake*/", lake)).fetchone()
    return int(row[0]) if row else 0
