"""The shaper against a plain loop over single readings, on any data in any batches."""

import itertools
import math
from dataclasses import dataclass, field

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from interwork.core.errors import BadInput
from interwork.core.resource import BAD_NO_DATA, GOOD, BatchBuilder, Signal
from interwork.stream import Shaper
from interwork.stream.blueprint import shaper
from interwork.stream.blueprint.shaper import UNCERTAIN_UNITS_EXCEEDED

BANDS = dict(enumerate([0.0, 0.5, 2.0, 0.0, 0.1]))
LONGEST_S = 3.0


@dataclass
class Reference:
    """Deadband shaping as one would write it for single readings."""

    last: dict = field(default_factory=dict)

    def keeps(self, signal, time_us, value, quality):
        text = value if isinstance(value, str) else None
        number = math.nan if text is not None else value
        if text is None and quality < 1 << 30 and not math.isfinite(number):
            quality = BAD_NO_DATA if math.isnan(number) else UNCERTAIN_UNITS_EXCEEDED
        if signal in self.last:
            then_us, then, then_quality, then_text = self.last[signal]
            moved = abs(number - then)
            if (
                not (moved > 0 and moved >= BANDS.get(signal, 0.0))
                and math.isnan(number) == math.isnan(then)
                and (quality, text) == (then_quality, then_text)
                and then_us <= time_us < then_us + LONGEST_S * 1e6
            ):
                return None
        self.last[signal] = (time_us, number, quality, text)
        return (signal, time_us, repr(number), quality, text)


numbers = st.one_of(
    st.integers(-40, 40).map(lambda steps: steps / 8), st.sampled_from([math.nan, math.inf, -math.inf, -0.0])
)
reading = st.tuples(
    st.integers(0, 6),
    st.integers(0, 10_000_000),
    st.one_of(numbers, st.sampled_from(["ACTIVE", "READY"])),
    st.sampled_from([GOOD, GOOD, GOOD, 0x80310000]),
)


def batches_of(readings, cuts):
    borders = sorted({0, len(readings), *(cut % (len(readings) + 1) for cut in cuts)})
    for start, end in itertools.pairwise(borders):
        builder = BatchBuilder()
        for one in readings[start:end]:
            builder.add(*one)
        yield builder.take()


def rows_of(batch):
    texts = batch.text or [None] * len(batch)
    values = [repr(value) for value in batch.value]
    return list(zip(batch.signal, batch.time_us, values, batch.quality, texts, strict=True))


@st.composite
def scans(draw):
    """Readings as a device brings them that reads the same points in the same order, again and again."""
    order = draw(st.permutations(range(7)))[: draw(st.integers(1, 7))]
    steps = st.integers(-40, 40).map(lambda step: step / 8)
    cell = draw(st.sampled_from([st.tuples(numbers, reading.map(lambda one: one[3])), st.tuples(steps, st.just(GOOD))]))
    cells = draw(st.lists(cell, max_size=60))
    odd = draw(st.dictionaries(st.integers(0, 60), st.sampled_from([-2_000_000, 1_000, 2_500_000]), max_size=2))
    return [
        (order[at % len(order)], 500_000 * (at // len(order)) + odd.get(at, 0), *one) for at, one in enumerate(cells)
    ]


@given(
    st.one_of(st.lists(reading, max_size=80), scans()),
    st.lists(st.integers(0, 100), max_size=6),
    st.sampled_from([1, 3, 48]),
)
@settings(max_examples=300, deadline=None)
def test_shaping_keeps_what_a_loop_over_single_readings_keeps_in_any_batches(readings, cuts, wide):
    """streams 22: columns give what a loop over single readings gives, whatever the data and the size of batches."""
    reference, made, expected = Reference(), [], []
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(shaper, "WIDE", wide)
        shape = Shaper(BANDS, longest_s=LONGEST_S).shape
        for batch in batches_of(readings, cuts):
            made += rows_of(shape(batch))
    for one in readings:
        kept = reference.keeps(*one)
        expected += [] if kept is None else [kept]
    assert made == expected


SCAN = [(signal, 1_000_000, 1.0, GOOD) for signal in range(5)]


@pytest.mark.parametrize(
    "then",
    [
        [(signal, 2_000_000, 1.01, GOOD) for signal in range(5)],
        [(signal, 900_000, 1.01, GOOD) for signal in range(5)],
        [(signal, 4_000_000, 1.01, GOOD) for signal in range(5)],
        [(signal, at, 1.0, GOOD) for at in (2_500_000, 900_000) for signal in range(5)],
        [(signal, 2_000_000, 1.01, 0x80310000 if signal == 4 else GOOD) for signal in range(5)],
        [(signal, 2_000_000, math.nan if signal == 4 else 1.01, GOOD) for signal in range(5)],
        [(4, 1_500_000, "ACTIVE", GOOD), *((signal, 2_000_000, 1.0, GOOD) for signal in range(5))],
        [(4, 1_500_000, math.nan, GOOD), *((signal, 2_000_000, 1.0, GOOD) for signal in range(5))],
        [(signal, 2_000_000, 1.0, GOOD) for signal in (4, 3, 2, 1, 0)],
    ],
    ids=["calm", "late", "quiet too long", "back in time", "bad", "none", "after a text", "after none", "otherwise"],
)
def test_whole_scans_are_shaped_as_a_loop_over_single_readings_does(then, monkeypatch):
    """streams 22: what is compared of a whole scan is all that a single reading would be compared in."""
    monkeypatch.setattr(shaper, "WIDE", 1)
    reference, made, shape = Reference(), [], Shaper(BANDS, longest_s=LONGEST_S).shape
    given_readings = [SCAN, then[:-5], then[-5:]] if isinstance(then[0][2], str) or then[0][0] == 4 else [SCAN, then]
    for readings in given_readings:
        made += rows_of(shape(batch(*readings)))
    expected = [reference.keeps(*one) for readings in given_readings for one in readings]
    assert made == [one for one in expected if one is not None]


def batch(*readings):
    builder = BatchBuilder()
    for one in readings:
        builder.add(*one)
    return builder.take()


def test_a_slow_drift_below_the_deadband_is_kept_once_it_has_moved_by_it_from_the_last_kept_value():
    kept = Shaper({1: 1.0}).shape(batch(*[(1, step, step * 0.25) for step in range(10)]))
    assert list(kept.value) == [0.0, 1.0, 2.0]


def test_a_quiet_signal_shows_every_minute_that_it_is_alive():
    kept = Shaper({}).shape(batch(*[(1, second * 1_000_000, 5.0) for second in range(0, 200, 10)]))
    assert [time_us // 1_000_000 for time_us in kept.time_us] == [0, 60, 120, 180]


def test_a_number_that_is_none_is_kept_and_says_so_in_its_quality():
    kept = Shaper({}).shape(batch((1, 1, None), (2, 1, math.inf), (3, 1, math.nan, 0x80310000)))
    assert list(kept.quality) == [BAD_NO_DATA, UNCERTAIN_UNITS_EXCEEDED, 0x80310000]


def test_a_batch_that_is_kept_whole_is_handed_on_as_it_is():
    given_batch = batch((1, 1, 1.0), (2, 1, 2.0))
    assert Shaper({}).shape(given_batch) is given_batch


def test_a_shaper_takes_its_deadbands_from_signals():
    signal = Signal(id="signal-1", number=7, resource="r", name="load", address="a", deadband=3.0)
    assert len(Shaper.of([signal]).shape(batch((7, 1, 1.0), (7, 2, 2.0)))) == 1


@pytest.mark.parametrize("band", [-1.0, math.nan, math.inf])
def test_a_deadband_that_is_no_width_is_refused_naming_the_signal(band):
    with pytest.raises(BadInput, match="Signal 4"):
        Shaper({4: band})
