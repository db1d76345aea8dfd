"""The engine: opening, its faults in our words, and one moment of hot and sealed readings per question."""

import duckdb
import pytest

from interwork.core.errors import Damaged, DiskFull, LimitReached, NewerData, Unusable
from interwork.stream import batch_of
from interwork.stream.historian import engine, lake, sql
from interwork.stream.historian.engine import Engine, explain, run_query
from interwork.stream.historian.lake import HOUR_US
from interwork.stream.historian.sealing import Lake


@pytest.fixture
def opened(tmp_path):
    one = Engine.open(tmp_path)
    yield one
    one.close()


@pytest.mark.parametrize(
    ("fault", "kind", "said"),
    [
        (duckdb.IOException("Could not write: No space left on device"), DiskFull, "Nothing acknowledged was lost"),
        (duckdb.FatalException("checkpoint: File too large"), DiskFull, "appending resumes"),
        (OSError(28, "No space left on device"), DiskFull, "Free space"),
        (duckdb.OutOfMemoryException("set by the 'max_temp_directory_size' setting"), DiskFull, "Free space"),
        (duckdb.InterruptException("Interrupted!"), LimitReached, "time limit"),
        (duckdb.OutOfMemoryException("failed to allocate"), LimitReached, "shorter range"),
        (duckdb.IOException("Could not set lock on file"), Unusable, "another process"),
        (duckdb.IOException("Trying to read a database file with version number 99"), NewerData, "newer program"),
        (duckdb.IOException("exists, but it is not a valid DuckDB database file!"), Damaged, "backup"),
        (duckdb.InternalException("odd"), Unusable, "failed: odd"),
    ],
)
def test_each_fault_is_told_as_what_the_caller_can_do(tmp_path, fault, kind, said):
    told = explain(fault, tmp_path)
    assert (type(told), said in str(told)) == (kind, True)


def test_a_catalog_that_could_not_commit_is_told_as_a_full_disk_where_it_is_full(tmp_path, monkeypatch):
    """streams 6: the catalog's own words hide the cause."""
    fault = duckdb.TransactionException("Failed to commit: cannot rollback - no transaction is active")
    assert type(explain(fault, tmp_path)) is Unusable
    monkeypatch.setattr(engine, "_free", lambda _: 1)
    assert type(explain(fault, tmp_path)) is DiskFull


def test_a_file_that_is_no_database_is_damaged_and_named(tmp_path):
    (tmp_path / engine.FILE).write_bytes(b"x" * 5000)
    with pytest.raises(Damaged, match=r"hot\.duckdb"):
        Engine.open(tmp_path)


def test_extensions_come_from_the_installed_wheels_and_a_missing_one_says_what_to_install(tmp_path, monkeypatch):
    monkeypatch.setattr(lake, "EXTENSIONS", ("nosuch",))
    with pytest.raises(Unusable, match="duckdb-extension-nosuch"):
        Engine.open(tmp_path)


def test_versions_of_duckdb_and_its_extensions_fit(opened):
    assert duckdb.__version__ == lake.DUCKDB
    assert all(lake.extension(name).exists() for name in lake.EXTENSIONS)


def test_extensions_of_another_duckdb_are_refused(monkeypatch):
    monkeypatch.setattr(lake.duckdb, "__version__", "9.9.9")
    with pytest.raises(Unusable, match=r"does not fit DuckDB 9\.9\.9"):
        lake.extension("ducklake")


def test_nothing_is_ever_fetched_from_the_network(opened):
    settings = dict(opened.sealing.execute("SELECT name, value FROM duckdb_settings()").fetchall())
    assert (settings["autoinstall_known_extensions"], settings["autoload_known_extensions"]) == ("false", "false")


def test_memory_and_threads_are_capped(opened):
    settings = dict(opened.sealing.execute("SELECT name, value FROM duckdb_settings()").fetchall())
    assert (settings["memory_limit"], settings["threads"]) == ("244.1 MiB", "1")


def test_a_snapshot_does_not_lose_readings_that_are_sealed_and_trimmed_meanwhile(opened):
    opened.insert([batch_of([1, 1], [HOUR_US, HOUR_US + 1], [1.0, 2.0], [0, 0])], 1)
    cursor = opened.lend()
    with opened.snapshot(cursor):
        Lake(opened).seal(2)
        opened.trim()
        run_query(
            cursor,
            sql.NEWEST.replace(sql.SEALED, "lake.reading") + sql.READINGS,
            signals=[1],
            mark=0,
            start=0,
            end=1 << 60,
            limit=9,
        )
        assert len(cursor.fetchall()) == 2
    opened.give_back(cursor)


def test_a_question_is_written_for_as_many_signals_as_are_asked_for():
    assert sql.for_signals("signal IN (/*signals*/)", 3) == "signal IN ($s0, $s1, $s2)"
    assert sql.for_signals("signal IN (/*signals*/)", 0) == "signal IN (NULL)"


def test_a_write_that_fails_marks_the_engine_to_be_opened_anew(opened):
    opened.sealing.execute("DROP TABLE hot")
    with pytest.raises(Unusable):
        opened.insert([batch_of([1], [1], [1.0], [0])], 1)
    assert opened.is_broken
