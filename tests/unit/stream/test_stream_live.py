"""Live state: newest wins, lost machines are marked once, and a slow subscriber holds one value per signal."""

import math
from datetime import timedelta

import anyio
import pytest
from hypothesis import given
from hypothesis import strategies as st

from interwork.core.clock import from_us, to_us
from interwork.core.errors import BadInput
from interwork.core.resource import BAD_NO_COMMUNICATION, GOOD, UNCERTAIN_LAST_USABLE, BatchBuilder, is_good
from interwork.stream import Live

NOW_US = 1_790_000_000_000_000


def batch(*readings):
    builder = BatchBuilder()
    for one in readings:
        builder.add(*one)
    return builder.take()


def live(now_us=NOW_US):
    return Live(clock=lambda: from_us(now_us))


@given(st.lists(st.tuples(st.integers(0, 4), st.integers(0, 9), st.integers(0, 99).map(float)), max_size=40))
def test_the_last_value_is_that_of_the_newest_time_and_of_equal_times_the_last_to_come(readings):
    state, expected = live(), {}
    for start in range(0, len(readings), 7):
        state.update(batch(*readings[start : start + 7]))
    for signal, time_us, value in readings:
        if time_us >= expected.get(signal, (-1,))[0]:
            expected[signal] = (time_us, value)
    found = {signal: state.value(signal) for signal in range(5)}
    assert {signal: (one.time_us, one.value) for signal, one in found.items() if one} == expected


def test_a_signal_that_was_never_read_has_no_value_and_no_age():
    assert (live().value(3), live().age_s(3), live().value(-1)) == (None, None, None)


def test_a_text_is_the_value_until_a_number_comes():
    state = live()
    state.update(batch((1, 1, "ACTIVE"), (2, 1, 5.0)))
    assert (state.value(1).text, math.isnan(state.value(1).value), state.value(2).text) == ("ACTIVE", True, None)
    state.update(batch((1, 2, 7.0)))
    assert (state.value(1).text, state.value(1).value) == (None, 7.0)


def test_age_is_told_from_the_source_time():
    state = live()
    state.update(batch((1, NOW_US - 2_500_000, 1.0)))
    assert state.age_s(1) == 2.5


def test_a_stamp_from_a_clock_far_ahead_gives_way_to_later_readings_with_right_stamps():
    moment = [from_us(NOW_US)]
    state = Live(clock=lambda: moment[0])
    state.update(batch((1, NOW_US + 3_600_000_000, 1.0)))
    moment[0] += timedelta(seconds=6)
    state.update(batch((1, to_us(moment[0]), 2.0)))
    assert state.value(1).value == 2.0


def test_after_the_clock_was_put_back_an_hour_what_comes_is_current_at_once():
    """streams 14: many devices give no stamp, so theirs is our clock's; for an hour none would be newer."""
    moment = [from_us(NOW_US)]
    state = Live(clock=lambda: moment[0])
    state.update(batch((1, NOW_US, 1.0), (2, NOW_US, 1.0)))
    moment[0] -= timedelta(hours=1)
    back_us = to_us(moment[0])
    state.update(batch((1, back_us, 2.0)))
    state.update(batch((1, back_us - 1, 3.0)))
    assert (state.value(1).value, state.value(1).time_us, state.value(2).value) == (2.0, back_us, 1.0)


def test_a_lost_machine_keeps_its_last_values_as_last_usable_and_history_hears_of_it_once():
    state = live()
    state.update(batch((1, NOW_US, 4.0), (2, NOW_US, "ACTIVE")))
    marked = state.mark_lost([2, 1, 3], NOW_US + 10)
    assert (list(marked.signal), set(marked.quality)) == ([1, 2, 3], {BAD_NO_COMMUNICATION})
    assert (state.value(1).value, state.value(1).quality) == (4.0, UNCERTAIN_LAST_USABLE)
    assert (state.value(2).text, state.value(3), len(state.mark_lost([1, 2, 3], NOW_US + 20))) == ("ACTIVE", None, 0)


def test_a_loss_is_never_stamped_before_the_last_reading():
    state = live()
    state.update(batch((1, NOW_US, 4.0)))
    assert list(state.mark_lost([1], NOW_US - 50).time_us) == [NOW_US + 1]


def test_a_machine_that_comes_back_is_good_again_and_can_be_lost_again():
    state = live()
    state.mark_lost([1], NOW_US)
    state.update(batch((1, NOW_US + 5, 1.0)))
    assert state.value(1).quality == GOOD
    assert len(state.mark_lost([1], NOW_US + 9)) == 1


def test_what_stands_as_before_a_loss_is_said_again_once_and_only_of_what_was_lost():
    state = live()
    state.update(batch((1, NOW_US - 9, 4.0), (2, NOW_US - 9, "ACTIVE"), (3, NOW_US - 9, 1.0)))
    state.mark_lost([1, 2], NOW_US)
    heard = batch((1, NOW_US - 9, 4.0), (2, NOW_US - 9, "ACTIVE"), (3, NOW_US - 9, 1.0))
    again = state.stands_again(heard, NOW_US + 50)
    assert list(zip(again.signal, again.time_us, again.text, strict=True)) == [
        (1, NOW_US + 50, None),
        (2, NOW_US + 50, "ACTIVE"),
    ]
    assert all(is_good(one) for one in again.quality)
    state.update(heard)
    assert len(state.stands_again(heard, NOW_US + 60)) == 0
    state.mark_lost([1], NOW_US + 70)
    assert len(state.stands_again(batch((1, NOW_US + 90, 5.0)), NOW_US + 91)) == 0
    assert len(state.stands_again(batch(), NOW_US + 91)) == 0


def test_silence_told_by_the_connector_keeps_the_last_value_too():
    state = live()
    state.update(batch((1, 5, 4.0)))
    state.update(batch((1, 6, None, BAD_NO_COMMUNICATION)))
    assert (state.value(1).value, state.value(1).quality) == (4.0, UNCERTAIN_LAST_USABLE)


def test_a_loss_of_no_signals_or_of_none_that_can_be_is_told():
    assert len(live().mark_lost([], 1)) == 0
    with pytest.raises(BadInput, match="-1"):
        live().mark_lost([-1], 1)


async def test_a_subscriber_gets_the_current_values_first_then_only_its_signals_newest_each():
    state = live()
    state.update(batch((1, 1, 1.0), (2, 1, 1.0)))
    async with state.subscribe([1, 9]) as changes:
        first = await changes.receive()
        state.update(batch((1, 2, 2.0), (2, 2, 2.0)))
        state.update(batch((1, 3, 3.0), (9, 3, "READY")))
        then = await changes.receive()
    assert (list(first.signal), list(then.signal), then.value[0], then.text) == ([1], [1, 9], 3.0, [None, "READY"])


async def test_a_subscriber_hears_of_a_loss():
    state = live()
    state.update(batch((1, 1, 1.0)))
    async with state.subscribe([1]) as changes:
        await changes.receive()
        state.mark_lost([1], 9)
        assert list((await changes.receive()).quality) == [UNCERTAIN_LAST_USABLE]


async def test_a_subscriber_that_asks_for_a_pace_is_not_told_more_often():
    state, began = live(), anyio.current_time()
    state.update(batch((1, 1, 1.0)))
    async with state.subscribe([1], every_s=0.05) as changes:
        async for change in changes:
            state.update(batch((1, change.time_us[0] + 1, 1.0)))
            if change.time_us[0] == 3:
                break
    assert anyio.current_time() - began >= 0.1


async def test_a_subscriber_that_left_is_forgotten():
    state = live()
    async with state.subscribe([1]):
        pass
    assert not state._subscriptions
