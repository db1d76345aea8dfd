"""Shaping goes on after a restart as if nothing had stopped; stamps in the future are bounded and flagged."""

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from interwork.core.blueprint import Keeping
from interwork.core.errors import Damaged
from interwork.core.resource import Signal
from interwork.stream import batch_of
from interwork.stream.blueprint import Keeper, bounded

BASE = 1_789_999_200_000_000
SECOND = 1_000_000


def signals():
    ways = (Keeping.DEADBAND, Keeping.SWINGING_DOOR, Keeping.AGGREGATE, Keeping.DEADBAND)
    return [
        Signal(
            id=f"s{number}", resource="r", address="a", number=number, name="s", deadband=0.5, keeping=way, period_s=2.0
        )
        for number, way in enumerate(ways)
    ]


def rows(*batches):
    return [
        (one.signal[row], one.time_us[row], repr(one.value[row]), one.quality[row], one.text[row] if one.text else None)
        for one in batches
        for row in range(len(one))
    ]


readings = st.lists(
    st.tuples(st.integers(0, 3), st.integers(0, 3), st.sampled_from([0.0, 0.3, 1.0, 4.5, float("nan")]), st.booleans()),
    min_size=1, max_size=60,
)  # fmt: skip


@given(readings, st.integers(1, 20), st.sets(st.integers(0, 20), max_size=4))
@settings(max_examples=60, deadline=None, database=None)
def test_windows_and_deadbands_are_the_same_with_restarts_at_any_batch_and_without(given_readings, size, restarts):
    """streams 23: a keeper restored from its checkpoint tells what one that never stopped tells."""
    at = BASE + np.cumsum([step for _, step, *_ in given_readings]) * SECOND // 2
    texts = ["ACTIVE" if has_text and signal == 3 else None for signal, *_, has_text in given_readings]
    values = [np.nan if text else value for text, (*_, value, _) in zip(texts, given_readings, strict=True)]
    numbers = [signal for signal, *_ in given_readings]
    whole, other, told, same = Keeper.of(signals()), Keeper.of(signals()), [], []
    for index, first in enumerate(range(0, len(at), size)):
        part = slice(first, first + size)
        given_batch = batch_of(numbers[part], at[part], values[part], np.zeros(len(at[part])), texts[part])
        now_us = int(at[part][-1])
        told.append(whole.shape(given_batch, now_us))
        if index in restarts:
            checkpoint, other = other.state(), Keeper.of(signals())
            other.restore(checkpoint)
        same.append(other.shape(given_batch, now_us))
    end = int(at[-1]) + 60 * SECOND
    assert rows(*same, other.flush(end)) == rows(*told, whole.flush(end))


@pytest.mark.parametrize("wrong", [b"", b"\x93\xc4\x00\x90\xc4\x00", Keeper.of(signals()).state()[:-9]])
def test_a_torn_checkpoint_is_said_and_changes_nothing(wrong):
    with pytest.raises(Damaged, match="starts anew"):
        Keeper.of(signals()).restore(wrong)


def test_stamps_ahead_of_the_clock_become_the_moment_they_came_in_their_order_and_uncertain():
    """streams 14: more than 5 s ahead is bounded and flagged, none replaces another; 5 s is let be."""
    ahead = [BASE + 90 * SECOND, BASE + 5 * SECOND, BASE + 60 * SECOND, (1 << 63) - 1, BASE - 1]
    found = bounded(
        batch_of([1, 1, 1, 2, 1], ahead, np.arange(5.0), [0, 0, 0x80310000, 0, 0], [None] * 4 + ["X"]), BASE
    )
    assert list(found.time_us) == [BASE + 1, BASE + 5 * SECOND, BASE, BASE, BASE - 1]
    assert list(found.quality) == [0x40000000, 0, 0x80310000, 0x40000000, 0]
    assert (list(found.value), found.text[4]) == ([0.0, 1.0, 2.0, 3.0, 4.0], "X")
    early = bounded(batch_of([1, 1], [-(1 << 63), -62_135_596_800_000_000], [1.0, 2.0], [0, 0]), BASE)
    assert list(early.time_us) == [BASE, -62_135_596_800_000_000]
    assert list(early.quality) == [0x40000000, 0]
    right = batch_of([1], [BASE], [1.0], [0])
    assert bounded(right, BASE) is right
