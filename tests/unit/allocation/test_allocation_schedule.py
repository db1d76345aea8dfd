"""Slots are the earliest that are free; the rule `first-capable` takes the first that can, come what may."""

from allocation_samples import LYON, NOW, make_mode, make_need, make_plan, make_quote, make_window
from hypothesis import given
from hypothesis import strategies as st

from interwork.allocation.parts.admitting import prepare
from interwork.allocation.parts.schedule import earliest, first_capable, weigh
from interwork.core.planning import Weights

SPANS = st.lists(st.tuples(st.integers(0, 90), st.integers(1, 15)), max_size=5)


def instance_of(*quotes, operations=1, **changes):
    return prepare(make_need(**changes), make_plan(operations), list(quotes), Weights(), NOW)


@given(SPANS, SPANS, st.integers(1, 12), st.integers(0, 60))
def test_the_earliest_slot_is_the_first_minute_that_is_free(windows, taken, minutes, ready):
    starts = [(start, start + length - minutes) for start, length in sorted(windows) if length >= minutes]
    busy = [(start, start + length) for start, length in taken]
    free = [
        minute
        for minute in range(ready, 120)
        if any(first <= minute <= last for first, last in starts)
        and all(end <= minute or minute + minutes <= start for start, end in busy)
    ]
    assert earliest(starts, minutes, ready, busy) == min(free, default=None)


def test_the_first_provider_that_can_is_taken_even_where_it_is_dearer():
    dear, cheap = make_quote(make_mode(unit_price_eur=99)), make_quote(make_mode("b"), provider="b")
    schedule = first_capable(instance_of(dear, cheap))
    assert [each.option.mode.provider_name for each in schedule.placed] == ["Shop A"]
    assert schedule.lots == (10,)


def test_the_next_provider_is_taken_where_the_first_has_no_room():
    full = make_quote(make_mode(windows=(make_window(0, 1),)))
    schedule = first_capable(instance_of(full, make_quote(make_mode("b"), provider="b")))
    assert [each.option.mode.provider_name for each in schedule.placed] == ["Shop B"]


def test_no_room_for_all_in_one_piece_is_said():
    full = make_quote(make_mode(windows=(make_window(0, 1),)))
    assert first_capable(instance_of(full)) == "nobody has room for all 10 parts of Step 0 in one piece"


def test_a_lot_handed_over_in_another_town_is_carried_twice_and_charged_so():
    quotes = [make_quote(make_mode("a", 0)), make_quote(make_mode("b", 1, place=LYON), provider="b")]
    instance = instance_of(*quotes, operations=2)
    sums = weigh(instance, first_capable(instance))
    assert sums.km == 2 * instance.routes[0, 1].km > 800
    assert sums.cents == (50 + 10 * 12 + 50 + 10 * 10) * 100 + 2 * instance.routes[0, 1].cents
