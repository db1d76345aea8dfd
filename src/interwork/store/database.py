"""The database behind the store: SQLite in a file by default, PostgreSQL by URL; opened, migrated, explained.

Durability comes before speed: SQLite runs in write-ahead mode with a full fsync per commit, PostgreSQL with
synchronous commit. Writing goes through one connection, reading through a few that cannot write. Every wait inside
the database has an end.
"""

import shutil
import sqlite3
from collections.abc import Callable
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path
from typing import Any, NoReturn, TypeVar

from alembic import command
from alembic.config import Config
from alembic.runtime.migration import MigrationContext
from alembic.script import ScriptDirectory
from sqlalchemy import URL, Connection, Engine, create_engine, event, make_url, text
from sqlalchemy.engine.interfaces import DBAPIConnection
from sqlalchemy.exc import ArgumentError, DBAPIError, SQLAlchemyError
from sqlalchemy.exc import TimeoutError as PoolTimeout

from interwork.core.errors import BadInput, Damaged, DiskFull, InterworkError, LimitReached, NewerData, Unusable

R = TypeVar("R")

READERS = 4
"""Connections that read at the same time."""
STATEMENT_S = 30
"""Seconds one statement may take in PostgreSQL."""
_MIGRATIONS = Path(__file__).parent / "migrations"
_MIGRATION_LOCK = 7_236_118
"""Any number, but always this one: who migrates a PostgreSQL database holds it."""
_NEARLY_FULL = 2**20
"""Bytes free below which a failed write is put down to a full volume."""
_FULL_SQLSTATES = {"53100"}
_DAMAGED_SQLSTATES = {"XX001", "XX002"}
_LOCKED_SQLSTATES = {"55P03", "57014", "40001", "40P01"}


@dataclass(frozen=True, slots=True)
class Database:
    """Two engines on one database: `writer` with a single connection, `reader` with a few that cannot write."""

    url: URL
    writer: Engine
    reader: Engine

    @property
    def name(self) -> str:
        """Name the database for people, without its password."""
        return str(self.url.database) if self.is_file else self.url.render_as_string(hide_password=True)

    @property
    def is_file(self) -> bool:
        """Tell whether it is a file of this machine."""
        return self.url.get_backend_name() == "sqlite"

    def explain(self, fault: SQLAlchemyError) -> InterworkError:
        """Say in our own errors what a fault of the database means for whoever called."""
        if isinstance(fault, PoolTimeout):
            return LimitReached(f"All {READERS} readers of {self.name} are busy.", remedy="Try again in a moment.")
        driver_fault = fault.orig if isinstance(fault, DBAPIError) else None
        if isinstance(driver_fault, sqlite3.Error):
            return self._explain_sqlite(driver_fault)
        state = str(getattr(driver_fault, "sqlstate", None) or "")
        reason = str(driver_fault or fault).strip().replace("\n", " ")
        if state in _FULL_SQLSTATES:
            return self._full()
        if state in _DAMAGED_SQLSTATES:
            return self._damaged(reason)
        if state in _LOCKED_SQLSTATES:
            return self._locked()
        return Unusable(f"The database {self.name} failed: {reason}.", remedy="See that it runs and can be reached.")

    def _explain_sqlite(self, fault: sqlite3.Error) -> InterworkError:
        code = getattr(fault, "sqlite_errorcode", None) or 0
        match code & 0xFF:  # the low byte is the primary code, the rest tells the kind
            case sqlite3.SQLITE_FULL:
                return self._full()
            case sqlite3.SQLITE_CORRUPT | sqlite3.SQLITE_NOTADB:
                return self._damaged(str(fault))
            case sqlite3.SQLITE_BUSY | sqlite3.SQLITE_LOCKED:
                return self._locked()
            case sqlite3.SQLITE_IOERR if self._is_nearly_full():
                return self._full()
        return Unusable(
            f"The database {self.name} failed: {fault}.",
            remedy="See that its folder is there, may be written, and has no quota or file size limit in the way.",
        )

    def _is_nearly_full(self) -> bool:
        folder = Path(str(self.url.database)).parent
        return folder.is_dir() and shutil.disk_usage(folder).free < _NEARLY_FULL

    def _full(self) -> DiskFull:
        return DiskFull(
            f"The volume of {self.name} is full; the change was not made, and nothing acknowledged was lost.",
            remedy="Free some space; the node goes on by itself.",
        )

    def _damaged(self, reason: str) -> Damaged:
        return Damaged(f"The database {self.name} is damaged: {reason}.", remedy="Restore it from a backup.")

    def _locked(self) -> Unusable:
        return Unusable(
            f"The database {self.name} is locked by another program.",
            remedy="Stop the other program, or wait until it is done, and repeat the step.",
        )

    def explained(self, step: Callable[[], R]) -> R:
        """Take a step that uses the database, and raise its faults as our own errors."""
        try:
            return step()
        except SQLAlchemyError as fault:
            raise self.explain(fault) from fault

    def read(self, ask: Callable[[Connection], R]) -> R:
        """Ask something of one state of the database."""

        def asked() -> R:
            with self.reader.begin() as connection:
                return ask(connection)

        return self.explained(asked)

    def begin_reading(self) -> Connection:
        """Open a connection that sees one state of the database until it is closed."""
        return self.explained(self.reader.connect)

    def begin_writing(self) -> Connection:
        """Open the connection that writes; nothing is kept unless it is committed before it is closed."""
        return self.explained(self.writer.connect)

    def close(self) -> None:
        """Close every connection."""
        self.reader.dispose()
        self.writer.dispose()


def connect(url: str, patience_s: float) -> Database:
    """Make the engines for a URL, without yet speaking to the database; BadInput for a URL of another kind."""
    parsed = _parse(url)
    if parsed.get_backend_name() == "sqlite":
        arguments: dict[str, Any] = {"timeout": patience_s, "isolation_level": None}
        writer = create_engine(parsed, connect_args=arguments, pool_size=1, max_overflow=0)
        reader = create_engine(parsed, connect_args=arguments, pool_size=READERS, max_overflow=READERS)
        _prepare_sqlite(writer, begin="BEGIN IMMEDIATE", pragmas=("synchronous=FULL", "journal_size_limit=67108864"))
        _prepare_sqlite(reader, begin="BEGIN", pragmas=("query_only=ON",))
        return Database(parsed, writer, reader)
    options = f"-c lock_timeout={int(patience_s * 1000)} -c statement_timeout={STATEMENT_S * 1000}"
    write = {"connect_timeout": 10, "options": f"{options} -c synchronous_commit=on"}
    read = {"connect_timeout": 10, "options": f"{options} -c default_transaction_read_only=on"}
    return Database(
        parsed,
        create_engine(parsed, connect_args=write, pool_size=1, max_overflow=0, pool_pre_ping=True),
        create_engine(
            parsed,
            connect_args=read,
            pool_size=READERS,
            max_overflow=READERS,
            pool_pre_ping=True,
            isolation_level="REPEATABLE READ",
        ),
    )


def _parse(url: str) -> URL:
    remedy = "Write sqlite:///path/to/node.db or postgresql+psycopg://user@host/database."
    try:
        parsed = make_url(url)
    except ArgumentError as fault:
        raise BadInput("The database URL cannot be read.", remedy=remedy) from fault
    if parsed.drivername == "postgresql":
        parsed = parsed.set(drivername="postgresql+psycopg")
    if parsed.drivername == "sqlite" and parsed.database not in (None, "", ":memory:"):
        return parsed
    if parsed.drivername == "postgresql+psycopg":
        return parsed
    raise BadInput(f"The store does not live in {parsed.render_as_string(hide_password=True)}.", remedy=remedy)


def _prepare_sqlite(engine: Engine, *, begin: str, pragmas: tuple[str, ...]) -> None:
    def on_connect(connection: DBAPIConnection, _record: object) -> None:
        cursor = connection.cursor()
        cursor.execute("PRAGMA journal_mode=WAL")
        mode = cursor.fetchone()
        if mode is None or mode[0] != "wal":
            raise Unusable(
                f"{engine.url.database} cannot be written ahead (journal mode {mode}).",
                remedy="Keep the data folder on a local volume.",
            )
        for pragma in ("foreign_keys=ON", *pragmas):
            cursor.execute(f"PRAGMA {pragma}")
        cursor.close()

    def on_begin(connection: Connection) -> None:
        # The driver would begin late and as a reader; a writer that must wait should wait here, before it has read.
        connection.exec_driver_sql(begin)

    event.listen(engine, "connect", on_connect)
    event.listen(engine, "begin", on_begin)


def migrate(database: Database) -> None:
    """Bring the tables to this program's revision, in one transaction; NewerData where they are beyond it."""
    config = Config()
    config.set_main_option("script_location", str(_MIGRATIONS).replace("%", "%%"))
    config.set_main_option("path_separator", "os")
    scripts = ScriptDirectory.from_config(config)

    def upgrade() -> None:
        if database.is_file:
            with suppress(OSError):  # where it cannot be made, SQLite says so in a moment
                Path(str(database.url.database)).touch(mode=0o600, exist_ok=True)  # it holds secrets
        with database.writer.begin() as connection:
            _prepare_server(database, connection)
            found = MigrationContext.configure(connection).get_current_heads()
            if found == tuple(scripts.get_heads()):
                return
            known = {script.revision for script in scripts.walk_revisions()}
            if not known.issuperset(found):
                _refuse_newer(database, found)
            config.attributes["connection"] = connection
            command.upgrade(config, "head")

    database.explained(upgrade)


def _prepare_server(database: Database, connection: Connection) -> None:
    if database.is_file:
        return
    connection.execute(text("SELECT pg_advisory_xact_lock(:number)"), {"number": _MIGRATION_LOCK})
    version = connection.dialect.server_version_info or (0,)
    if version < (15,):
        found = ".".join(map(str, version))
        raise Unusable(f"{database.name} is PostgreSQL {found}.", remedy="Use PostgreSQL 15 or newer.")


def _refuse_newer(database: Database, found: tuple[str, ...]) -> NoReturn:
    raise NewerData(
        f"{database.name} was written by a newer version of Interwork (revision {', '.join(found)}).",
        remedy="Install that version or a later one, or open another data folder.",
    )
