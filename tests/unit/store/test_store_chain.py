"""The links of the chain, without anything else."""

from datetime import UTC, datetime

import msgspec
import pytest
from hypothesis import given
from hypothesis import strategies as st

from interwork.core.errors import Damaged
from interwork.core.event import GENESIS, Event, Tag
from interwork.store import Change
from interwork.store.chain import BATCH, START, Head, append, follow
from interwork.store.database import connect, migrate

NOON = datetime(2026, 6, 1, 12, tzinfo=UTC)
DETAILS = st.dictionaries(st.text(), st.one_of(st.none(), st.integers(), st.floats(), st.text(), st.binary()))


class Kept:
    """Takes the rows that would be inserted."""

    def __init__(self):
        self.rows = []

    def execute(self, _, rows):
        self.rows += rows

    def events(self):
        return [msgspec.convert({**row, "detail": msgspec.json.decode(row["detail"])}, Event) for row in self.rows]


def linked(*details):
    kept = Kept()
    change = Change()
    for detail in details:
        change.event(Tag.NODE_STARTED, "n", **{f"k{key}": value for key, value in detail.items()})
    return kept, append(kept, START, change.steps, "node", NOON)


@given(st.lists(DETAILS, min_size=1, max_size=5))
def test_what_is_linked_follows_when_it_is_read_back(details):
    kept, head = linked(*details)
    checked = START
    for event in kept.events():
        checked = follow(checked, event)
    assert checked == head
    assert head.sequence == len(details)


def test_nothing_to_link_moves_nothing():
    kept, head = linked()
    assert (head, kept.rows) == (Head(0, GENESIS), [])


@pytest.mark.parametrize(
    "change",
    [
        {"at": datetime(2026, 6, 1, 12, 0, 0, 1, tzinfo=UTC)},
        {"tag": Tag.NODE_CREATED},
        {"subject": "m"},
        {"actor": "somebody"},
        {"detail": {"kn": 2}},
        {"digest": "0" * 64},
        {"previous": "1" * 64},
        {"sequence": 2},
    ],
)
def test_a_change_of_any_field_breaks_the_chain(change):
    (event,) = linked({"n": 1})[0].events()
    follow(START, event)
    with pytest.raises(Damaged):
        follow(START, msgspec.structs.replace(event, **change))


async def test_a_chain_longer_than_a_batch_is_walked_to_its_end(store):
    change = Change()
    for number in range(BATCH + 1):
        change.event(Tag.NODE_STARTED, "n", n=number)
    await store.commit(change)
    assert await store.verify() == BATCH + 1
    assert len(await store.events(limit=5000)) == BATCH + 1


def test_the_row_of_the_head_is_made_with_the_tables(url):
    database = connect(url, 0.2)
    migrate(database)
    with database.writer.begin() as connection:
        assert connection.exec_driver_sql("SELECT id, sequence, digest FROM chain").all() == [(1, 0, GENESIS)]
    database.close()
