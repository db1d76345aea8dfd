"""Opening, migrating and explaining a database."""

import os
import sqlite3
import subprocess
import sys

import psycopg
import pytest
from sqlalchemy.exc import OperationalError
from sqlalchemy.exc import TimeoutError as PoolTimeout

from interwork.core.errors import BadInput, Damaged, DiskFull, LimitReached, NewerData, Unusable
from interwork.core.event import Tag
from interwork.core.organisation import Setting
from interwork.store import Change, Store
from interwork.store.database import connect, migrate


@pytest.fixture
def database(url):
    opened = connect(url, 0.2)
    migrate(opened)
    yield opened
    opened.close()


def pragma(connection, name):
    return connection.exec_driver_sql(f"PRAGMA {name}").scalar_one()


def test_the_writer_flushes_every_commit_to_the_disk(database):
    with database.writer.begin() as connection:
        assert pragma(connection, "journal_mode") == "wal"
        assert pragma(connection, "synchronous") == 2
        assert pragma(connection, "foreign_keys") == 1
        assert pragma(connection, "busy_timeout") == 200


def test_a_reader_cannot_write(database):
    with database.reader.connect() as connection, pytest.raises(OperationalError, match="readonly"):
        connection.exec_driver_sql("DELETE FROM settings")


def test_migrating_twice_changes_nothing(database):
    migrate(database)
    with database.reader.begin() as connection:
        assert connection.exec_driver_sql("SELECT version_num FROM alembic_version").scalar_one() == "0002"


async def test_nobody_but_its_owner_reads_the_file(url, tmp_path):
    async with await Store.open(url) as store:
        await store.commit(Change().put(Setting(id="a", value="")))
        assert {path.name: oct(path.stat().st_mode)[-3:] for path in tmp_path.iterdir()} == dict.fromkeys(
            ("node.db", "node.db-wal", "node.db-shm"), "600"
        )


@pytest.mark.parametrize("url", ["", "node.db", "sqlite://", "sqlite:///:memory:", "mysql://root@localhost/x"])
def test_a_url_of_another_kind_is_refused_with_the_right_ones(url):
    with pytest.raises(BadInput, match=r"sqlite:///path/to/node\.db or postgresql"):
        connect(url, 1)


def test_a_plain_postgresql_url_means_our_driver_and_no_message_has_its_password():
    database = connect("postgresql://ada:secret@db/node", 1)
    assert database.url.drivername == "postgresql+psycopg"
    assert database.name == "postgresql+psycopg://ada:***@db/node"
    with pytest.raises(BadInput) as caught:
        connect("mysql://ada:secret@db/node", 1)
    assert "secret" not in str(caught.value)


async def test_a_postgresql_that_does_not_answer_is_unusable(tmp_path):
    with pytest.raises(Unusable, match="failed: connection"):
        await Store.open(f"postgresql+psycopg://ada:secret@/node?host={tmp_path}")


async def test_a_folder_that_is_not_there_is_unusable(tmp_path):
    with pytest.raises(Unusable, match="See that its folder is there"):
        await Store.open(f"sqlite:///{tmp_path}/nowhere/node.db")


async def test_a_file_that_is_no_database_is_damaged(tmp_path):
    (tmp_path / "node.db").write_bytes(b"This is a letter, not a database. " * 200)
    with pytest.raises(Damaged, match="is damaged: file is not a database"):
        await Store.open(f"sqlite:///{tmp_path}/node.db")


async def test_overwritten_pages_are_damaged(url, tmp_path):
    async with await Store.open(url) as store:
        for number in range(300):
            await store.commit(Change().put(Setting(id=f"s-{number}", value="x" * 1000)))
    file = tmp_path / "node.db"
    with file.open("r+b") as raw:
        raw.seek(file.stat().st_size - 4096 * 60)  # behind the schema, among the settings
        raw.write(os.urandom(4096 * 60))
    async with await Store.open(url) as store:
        with pytest.raises(Damaged, match="is damaged"):
            await store.find(Setting)


async def test_a_foreign_database_is_left_alone(url, tmp_path):
    with sqlite3.connect(tmp_path / "node.db") as foreign:
        foreign.execute("CREATE TABLE settings (theirs TEXT)")
    foreign.close()
    with pytest.raises(Unusable, match="table settings already exists"):
        await Store.open(url)


async def test_newer_data_has_a_remedy(url, tmp_path):
    await (await Store.open(url)).close()
    with sqlite3.connect(tmp_path / "node.db") as newer:
        newer.execute("UPDATE alembic_version SET version_num = '9999'")
    newer.close()
    with pytest.raises(NewerData) as caught:
        await Store.open(url)
    assert caught.value.remedy == "Install that version or a later one, or open another data folder."


async def test_a_database_locked_by_another_program_is_unusable_until_it_lets_go(url, tmp_path):
    async with await Store.open(url, lock_wait_s=0.1) as store:
        other = sqlite3.connect(tmp_path / "node.db", isolation_level=None)
        other.execute("BEGIN IMMEDIATE")
        with pytest.raises(Unusable, match="is locked by another program"):
            await store.commit(Change().put(Setting(id="a", value="")))
        assert await store.find(Setting) == []
        other.execute("ROLLBACK")
        other.close()
        assert await store.commit(Change().put(Setting(id="a", value=""))) is True


async def fill(store):
    for number in range(1000):
        change = Change().put(Setting(id=f"s-{number:04}", value="x" * 10_000)).event(Tag.NODE_STARTED, "n")
        try:
            await store.commit(change)
        except Unusable as fault:
            return number, fault
    pytest.fail("the volume took everything")


async def test_a_volume_too_small_for_the_tables_is_full(small_volume):
    (small_volume / "ballast").write_bytes(bytes(3_900_000))
    with pytest.raises(DiskFull, match="is full"):
        await Store.open(f"sqlite:///{small_volume}/node.db")


async def test_on_a_full_volume_nothing_acknowledged_is_lost_and_it_goes_on_when_there_is_room(small_volume):
    ballast = small_volume / "ballast"
    ballast.write_bytes(bytes(1_000_000))
    async with await Store.open(f"sqlite:///{small_volume}/node.db") as store:
        kept, fault = await fill(store)
        assert isinstance(fault, DiskFull)
        assert kept > 0
        ballast.unlink()
        assert [found.id for found in await store.find(Setting)] == [f"s-{number:04}" for number in range(kept)]
        assert await store.commit(Change().put(Setting(id="after", value="")).event(Tag.NODE_STARTED, "n")) is True
        assert await store.verify() == kept + 1


UNDER_A_LIMIT = """
import resource, sys, anyio
from interwork.core.errors import Unusable
from interwork.core.organisation import Setting
from interwork.store import Change, Store

async def main():
    async with await Store.open(sys.argv[1]) as store:
        soft, hard = resource.getrlimit(resource.RLIMIT_FSIZE)
        resource.setrlimit(resource.RLIMIT_FSIZE, (4_000_000, hard))
        kept = 0
        try:
            while True:
                await store.commit(Change().put(Setting(id=f"s-{kept}", value="x" * 10_000)))
                kept += 1
        except Unusable:
            resource.setrlimit(resource.RLIMIT_FSIZE, (soft, hard))
        await store.commit(Change().put(Setting(id="after", value="")))
        print(kept, await store.count(Setting))

anyio.run(main)
"""


def test_a_file_size_limit_loses_nothing_acknowledged(url):
    command = [sys.executable, "-c", UNDER_A_LIMIT, url]
    said = subprocess.run(command, check=True, capture_output=True, text=True, timeout=60).stdout
    kept, found = map(int, said.split())
    assert kept > 0
    assert found == kept + 1


def sqlite_fault(code):
    fault = sqlite3.OperationalError("it failed")
    fault.sqlite_errorcode = code
    return OperationalError("SELECT 1", {}, fault)


@pytest.mark.parametrize(
    ("code", "kind"),
    [
        (sqlite3.SQLITE_FULL, DiskFull),
        (sqlite3.SQLITE_CORRUPT_INDEX, Damaged),
        (sqlite3.SQLITE_NOTADB, Damaged),
        (sqlite3.SQLITE_BUSY_SNAPSHOT, Unusable),
        (sqlite3.SQLITE_IOERR_WRITE, Unusable),
        (sqlite3.SQLITE_READONLY, Unusable),
    ],
)
def test_each_fault_of_sqlite_has_its_meaning(database, code, kind):
    assert type(database.explain(sqlite_fault(code))) is kind


@pytest.mark.parametrize(
    ("fault", "kind"),
    [
        (psycopg.errors.DiskFull("no space"), DiskFull),
        (psycopg.errors.DataCorrupted("bad page"), Damaged),
        (psycopg.errors.LockNotAvailable("locked"), Unusable),
        (psycopg.errors.AdminShutdown("bye"), Unusable),
    ],
)
def test_each_fault_of_postgresql_has_its_meaning(database, fault, kind):
    assert type(database.explain(OperationalError("SELECT 1", {}, fault))) is kind


def test_a_pool_without_a_free_connection_is_a_limit(database):
    assert isinstance(database.explain(PoolTimeout()), LimitReached)
