"""Queries have bounds and name what they do not understand."""

import pytest

from interwork.core.errors import BadInput
from interwork.core.event import Tag
from interwork.core.organisation import Setting
from interwork.core.resource import Signal
from interwork.store import Change
from interwork.store.reader import MOST_VALUES


async def test_as_many_values_as_are_allowed_are_asked_for_at_once(store):
    await store.commit(Change().put(Setting(id="s-7", value="")))
    assert len(await store.find(Setting, id=[f"s-{number}" for number in range(MOST_VALUES)])) == 1


async def test_more_values_are_refused_with_a_remedy(store):
    with pytest.raises(BadInput, match="Ask for them in parts"):
        await store.find(Setting, id=[f"s-{number}" for number in range(MOST_VALUES + 1)])


async def test_a_value_among_several_must_be_of_the_type_of_its_field(store):
    with pytest.raises(BadInput, match="whole number"):
        await store.find(Signal, number=[1, "2"])


async def test_events_have_a_bound_too(store):
    await store.commit(Change().event(Tag.NODE_STARTED, "n"))
    assert len(await store.events(limit=1)) == 1
    with pytest.raises(BadInput, match="The limit is 0"):
        await store.events(limit=0)


async def test_an_id_no_database_could_hold_is_refused_not_looked_for(store):
    with pytest.raises(BadInput):
        await store.peek(Setting, "a\0b")
