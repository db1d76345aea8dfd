"""A group of changes in one transaction: each alone refused, or all of them failed together."""

from datetime import UTC, datetime

import pytest
from sqlalchemy.exc import DataError

from interwork.core.errors import BadInput, Conflict, Damaged, DiskFull
from interwork.core.event import Tag
from interwork.core.organisation import Setting
from interwork.store import Change
from interwork.store import writer as module
from interwork.store.chain import START, newest
from interwork.store.database import connect, migrate
from interwork.store.writer import write

NOON = datetime(2026, 6, 1, 12, tzinfo=UTC)


@pytest.fixture
def database(url):
    opened = connect(url, 0.2)
    migrate(opened)
    yield opened
    opened.close()


def note(key, value="", *, expect=None):
    return Change().put(Setting(id=key, value=value), expect=expect).event(Tag.NODE_STARTED, key)


def apply(database, *changes):
    return write(database, changes, lambda: NOON)


def head_of(database):
    return database.read(newest)


def test_each_change_has_its_own_outcome(database):
    never = Setting(id="b", value="never")
    first, second, third = apply(database, note("a"), note("b", expect=never), note("c"))
    assert (first, third) == (True, True)
    assert isinstance(second, Conflict)
    assert head_of(database).sequence == 2


def test_a_change_sees_what_was_done_before_it_in_the_group(database):
    step = Change().put(Setting(id="a", value="1")).put(Setting(id="a", value="2"), expect=Setting(id="a", value="1"))
    assert apply(database, step, note("a", "3", expect=Setting(id="a", value="2"))) == [True, True]


def test_a_key_used_by_a_refused_change_is_free_again(database):
    refused = Change(once="k").put(Setting(id="a", value=""), expect=Setting(id="a", value="x"))
    outcomes = apply(database, refused, Change(once="k"), Change(once="k"))
    assert isinstance(outcomes[0], Conflict)
    assert outcomes[1:] == [True, False]


def test_a_value_the_database_refuses_fails_its_change_alone(database, monkeypatch):
    put = module._put

    def refusing(connection, step):
        if step.row["id"] == "bad":
            raise DataError("INSERT", {}, ValueError("out of range"))
        put(connection, step)

    monkeypatch.setattr(module, "_put", refusing)
    first, second = apply(database, note("bad"), note("good"))
    assert isinstance(first, BadInput)
    assert second is True


def test_when_the_transaction_fails_every_caller_gets_an_error_of_its_own(database):
    with database.writer.begin() as connection:  # the file may not grow any more: SQLITE_FULL, as on a full volume
        pages = connection.exec_driver_sql("PRAGMA page_count").scalar_one()
        connection.exec_driver_sql(f"PRAGMA max_page_count = {pages}")
    never = Setting(id="b", value="never")
    outcomes = apply(database, note("a"), note("b", expect=never), note("c", "x" * 100_000))
    assert [type(outcome) for outcome in outcomes] == [DiskFull, Conflict, DiskFull]
    assert outcomes[0] is not outcomes[2]
    assert head_of(database) == START


def test_a_missing_head_of_the_chain_fails_the_group(database):
    with database.writer.begin() as connection:
        connection.exec_driver_sql("DELETE FROM chain")
    first, second = apply(database, note("a"), note("b"))
    assert isinstance(first, Damaged)
    assert isinstance(second, Damaged)
    assert first is not second


def test_an_expected_row_that_does_not_read_is_damaged(database):
    apply(database, note("a"))
    with database.writer.begin() as connection:
        connection.exec_driver_sql("UPDATE settings SET body = '{}'")
    (outcome,) = apply(database, note("a", "2", expect=Setting(id="a", value="")))
    assert isinstance(outcome, Damaged)


def test_expect_does_not_mind_how_the_same_value_is_written(database):
    apply(database, note("a", "1"))
    with database.writer.begin() as connection:
        connection.exec_driver_sql("""UPDATE settings SET body = '{ "value": "1", "id": "a", "later": 7 }'""")
    assert apply(database, note("a", "2", expect=Setting(id="a", value="1"))) == [True]
