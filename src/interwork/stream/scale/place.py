"""Where the shared lake is: its catalog in PostgreSQL, its files in an S3 store, attached under the same name `lake`.

Only the ATTACH line differs from one machine: every question is the historian's own SQL. Passwords become secrets of
DuckDB, so that no message of it can carry them. Extensions come from the installed wheels, as everywhere.
"""

from collections.abc import Callable, Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Self

import duckdb
import pyarrow as pa

from interwork.core.errors import BadInput, Conflict, Unusable
from interwork.core.settings import Scale
from interwork.stream.historian import sql as texts
from interwork.stream.historian.engine import Engine, telling
from interwork.stream.historian.lake import LAKE, File, extension, quoted
from interwork.stream.scale import sql

EXTENSIONS = ("postgres_scanner", "httpfs", "ducklake")
MEMORY = "512MB"
ROW_BITS = 20
"""A reading's sequence is its message's in the log, shifted by this, plus its row: at most 2**20 rows a message."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Place:
    """The shared lake's addresses with the secrets in place of their references: not to be shown."""

    catalog: str
    store: str
    endpoint: str
    region: str
    tls: bool
    key: str
    partitions: int
    secret: str = field(repr=False, default="")
    password: str = field(repr=False, default="")

    @classmethod
    def of(cls, scale: Scale, reveal: Callable[[str], str]) -> Self:
        """Take the addresses from the settings; `reveal` gives the secret a reference names."""
        if not scale.store.startswith("s3://"):
            raise BadInput(f"scale.store is {scale.store!r}.", remedy="Give s3://BUCKET or s3://BUCKET/PREFIX.")
        if not 1 <= scale.partitions <= 64:
            raise BadInput(f"scale.partitions is {scale.partitions}.", remedy="Give 1 to 64.")
        if not 0 <= scale.storage_gb < float("inf"):
            raise BadInput(f"scale.storage_gb is {scale.storage_gb}.", remedy="Give gigabytes, or 0 for no limit.")
        return cls(
            catalog=scale.catalog,
            store=scale.store.rstrip("/") + "/",
            endpoint=scale.endpoint,
            region=scale.region,
            tls=scale.tls,
            key=scale.key,
            partitions=scale.partitions,
            secret=reveal(scale.secret) if scale.secret else "",
            password=reveal(scale.catalog_password) if scale.catalog_password else "",
        )

    def file(self, table: str, name: str) -> str:
        """Tell where a file of a table is, or is to be."""
        return f"{self.store}{LAKE}/main/{table}/{name}"

    def attach(self, connection: duckdb.DuckDBPyConnection) -> None:
        """Attach the catalog as `lake` and make what is not there yet."""
        for name in EXTENSIONS:
            connection.execute(f"LOAD {quoted(extension(name))}")
        for setting in ("http_timeout = 10", "http_retries = 2", "http_keep_alive = true"):
            connection.execute(f"SET GLOBAL {setting}")
        connection.execute(self._store_secret())
        if self.password:
            connection.execute(f"CREATE OR REPLACE SECRET (TYPE postgres, PASSWORD {quoted(self.password)})")
        source, data = quoted(f"ducklake:postgres:{self.catalog}"), quoted(f"{self.store}{LAKE}/")
        connection.execute(f"ATTACH {source} AS lake (DATA_PATH {data})")

    def found(self, connection: duckdb.DuckDBPyConnection) -> None:
        """Make the tables that are not there yet, and check that the lake is cut as the settings say."""
        for text in (
            *texts.LAKE,
            *texts.NO_INLINING,
            sql.KEEPING,
            *(sql.filled(one, count=self.partitions) for one in sql.PARTS),
        ):
            connection.execute(text)
        for part in range(self.partitions):
            for text in sql.PROGRESS:
                connection.execute(sql.of_part(text, part))

    def check(self, connection: duckdb.DuckDBPyConnection) -> None:
        """Raise Conflict where the lake was made with another number of partitions."""
        row = connection.execute(sql.PARTS_HELD).fetchone()
        if row is None or row[0] != self.partitions:
            raise Conflict(
                f"The lake was made with {row and row[0]} partitions; scale.partitions says {self.partitions}.",
                remedy="Give the same number in every node.toml.",
            )

    def _store_secret(self) -> str:
        parts = ["TYPE s3", f"REGION {quoted(self.region)}", f"USE_SSL {str(self.tls).lower()}"]
        if self.endpoint:
            parts += [f"ENDPOINT {quoted(self.endpoint)}", "URL_STYLE 'path'"]
        if self.key:
            parts += [f"KEY_ID {quoted(self.key)}", f"SECRET {quoted(self.secret)}"]
        return f"CREATE OR REPLACE SECRET store ({', '.join(parts)})"


class SharedEngine(Engine):
    """A database in memory with the shared lake attached: nothing rests in it, any number of them may be open."""

    def __init__(self, folder: Path, connection: duckdb.DuckDBPyConnection, place: Place) -> None:
        super().__init__(folder, connection)
        self.place = place
        self.progress: dict[int, int] = {}
        """By partition: the last message of the log that is in the lake."""
        self._seen = -1

    @classmethod
    def reach(cls, folder: Path, place: Place, *, is_founding: bool = False) -> Self:
        """Attach the lake; with `is_founding` make it where it is not there yet."""
        connection = duckdb.connect(":memory:", config=_config(folder))
        try:
            with telling(folder):
                place.attach(connection)
                if is_founding:
                    _found(connection, place)
                place.check(connection)
                connection.execute(texts.HOT)
                engine = cls(folder, connection, place)
                engine.refresh()
        except BaseException:
            connection.close()
            raise
        return engine

    def refresh(self) -> None:
        """Take a new picture of the lake where it has changed."""
        with telling(self.folder):
            self.sealing.execute("BEGIN")
            try:
                row = self.sealing.execute(sql.SNAPSHOT).fetchone()
                seen = -1 if row is None or row[0] is None else int(row[0])
                if seen != self._seen:
                    self._look()
                    self._seen = seen
            finally:
                self.sealing.execute("ROLLBACK")

    def retain(self, signals: Sequence[int], keep_us: int | None, quota: int | None, hold: bool | None) -> None:
        """Note in the lake what is to be kept of signals; durable when this returns."""
        incoming = pa.table({"signal": pa.array(signals, pa.int32())})
        with telling(self.folder):
            self._connection.execute(sql.RETAIN, {"keep_us": keep_us, "quota": quota, "hold": hold})
        del incoming  # DuckDB finds it by its name

    def _look(self) -> None:
        parts = " UNION ALL ".join(sql.of_part(sql.PROGRESS_OF, part) for part in range(self.place.partitions))
        self.progress = {int(part): int(seq or 0) for part, seq in self.sealing.execute(parts).fetchall()}
        files = tuple(File(*found) for found in self.sealing.execute(texts.FILES).fetchall())
        mark = (min(self.progress.values()) + 1 << ROW_BITS) - 1
        self.sealed = replace(self.sealed, mark=mark, files=files, store=self.place.store)


def _found(connection: duckdb.DuckDBPyConnection, place: Place, tries: int = 5) -> None:
    """Make the tables; several sinks may do so at the same moment, and all but one of them try again."""
    for left in reversed(range(tries)):
        try:
            place.found(connection)
        except duckdb.TransactionException as fault:
            if not left:
                raise Unusable(f"The lake cannot be made: {fault}.", remedy="Start this sink again.") from fault
        else:
            return


def _config(folder: Path) -> dict[str, str | bool | int | float | list[str]]:
    return {
        "memory_limit": MEMORY,
        "threads": 1,
        "temp_directory": str(folder / "temp"),
        "autoinstall_known_extensions": False,
        "autoload_known_extensions": False,
    }
