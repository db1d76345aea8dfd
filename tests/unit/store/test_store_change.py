"""A change is pure: it says what to do, and refuses at once what could not be done."""

from datetime import UTC, datetime

import pytest

from interwork.core.errors import BadInput
from interwork.core.event import Tag
from interwork.core.exchange import Outgoing, Peer
from interwork.core.organisation import Setting
from interwork.store import Change
from interwork.store.change import Append, Delete, Put

NOON = datetime(2026, 6, 1, 12, tzinfo=UTC)


def test_a_change_lists_its_steps_in_order():
    change = Change("ada").put(Setting(id="a", value="1")).delete(Peer, "p").event(Tag.NODE_STARTED, "n", count=1)
    assert [type(step) for step in change.steps] == [Put, Delete, Append]
    assert change.touched() == {"a", "settings", "p", "peers", "n", "events"}


def test_sending_is_putting_into_the_outbox():
    message = Outgoing(id="o", process="p", peer="d", url="u", body={}, created_at=NOON, next_at=NOON)
    (step,) = Change().send(message).steps
    assert (step.word.table_name, step.row["state"]) == ("outgoing", "waiting")


def test_the_detail_of_an_event_is_kept_as_it_was_when_it_was_given():
    parts = [1]
    change = Change().event(Tag.NODE_STARTED, "n", parts=parts, at=NOON, by_number={9: "a", 10: "b"})
    parts.append(2)
    assert change.steps[0].detail == {
        "parts": [1],
        "at": "2026-06-01T12:00:00Z",
        "by_number": {"9": "a", "10": "b"},
    }


def test_what_is_expected_must_be_the_same_record():
    for other in (Setting(id="b", value="1"), Peer(id="a", name="", root="", endpoint="")):
        with pytest.raises(BadInput, match="Setting a is expected to be another record"):
            Change().put(Setting(id="a", value="2"), expect=other)


@pytest.mark.parametrize(
    "build",
    [
        lambda: Change("\0"),
        lambda: Change(once="k" * 1001),
        lambda: Change().delete(Setting, 7),
        lambda: Change().event(Tag.NODE_STARTED, None),
        lambda: Change().event(Tag.NODE_STARTED, "n", thing=object()),
        lambda: Change().event(Tag.NODE_STARTED, "n", text="\ud800"),
    ],
)
def test_what_no_database_could_keep_is_refused_when_it_is_said(build):
    with pytest.raises(BadInput):
        build()
