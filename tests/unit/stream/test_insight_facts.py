"""Figures from readings against hand calculations."""

import math

import pytest
from hypothesis import given
from hypothesis import strategies as st

from interwork.core.making import Measurement
from interwork.core.resource import BatchBuilder
from interwork.stream import (
    UNKNOWN,
    counter_delta,
    coverage,
    cpk,
    cycle_times,
    elements_of,
    oee,
    ppk,
    process_capability,
    run_facts,
)
from interwork.stream.insight import elements, facts

S = 1_000_000
BAD = 0x80310000


def series(*points):
    builder = BatchBuilder()
    for point in points:
        builder.add(1, int(point[0] * S), *point[1:])
    return builder.take()


@pytest.mark.parametrize(
    ("values", "expected"),
    [
        ([], 0), ([5], 0), ([5, 7, 12], 7), ([5, 5, 5], 0),
        ([98, 99, 2, 4], 5),  # a reset starts at 0 again
        ([1000.0, 1000.5, 1000.4, 1001.0], 1.0),  # a small fall is a correction
        ([0, 3, 0, 0, 2], 5),
    ],
)  # fmt: skip
def test_a_counter_goes_on_over_resets_and_corrections(values, expected):
    assert counter_delta(series(*enumerate(values))) == pytest.approx(expected)


def test_a_counter_ignores_readings_that_are_not_good_and_puts_late_ones_in_order():
    assert counter_delta(series((0, 1), (3, 9), (1, 4), (2, 500, BAD), (4, math.nan))) == 8


@given(st.lists(st.integers(0, 9), min_size=1, max_size=20), st.integers(0, 20))
def test_a_counter_split_at_any_reading_adds_up(steps, at):
    points = [(index, float(sum(steps[: index + 1]))) for index in range(len(steps))]
    at = min(at, len(points) - 1)
    parts = counter_delta(series(*points[: at + 1])) + counter_delta(series(*points[at:]))
    assert parts == pytest.approx(counter_delta(series(*points)))


def test_power_is_integrated_as_steps_over_the_time_it_is_known():
    power = series((0, 10.0), (1800, 20.0), (3000, None, BAD))
    energy, covered = facts.integral(power, 0, 3600 * S)
    assert (energy, covered) == (pytest.approx(10 * 0.5 + 20 / 3), pytest.approx(3000 / 3600))


def test_energy_of_power_that_was_never_known_is_not_zero_but_unknown():
    assert facts.integral(series((5, None, BAD)), 0, 10 * S) == (None, 0.0)


def test_coverage_is_the_share_of_time_for_which_the_state_is_known():
    states = series((-5, "READY"), (2, "ACTIVE"), (4, "UNAVAILABLE"), (6, "ACTIVE"), (9, None, BAD))
    assert coverage(states, 0, 10 * S) == pytest.approx(0.7)


def test_coverage_before_the_first_reading_and_of_an_empty_span_is_none_at_all():
    assert (coverage(series((8, "ACTIVE")), 0, 10 * S), coverage(series(), 0, 0)) == (pytest.approx(0.2), 0.0)


def test_parts_counted_together_share_their_time():
    assert list(cycle_times(series((0, 0), (10, 1), (20, 2), (26, 4), (40, 4), (46, 5)))) == [10, 3, 20]


def test_a_runs_facts_prefer_the_energy_counter_and_are_in_the_machines_time():
    facts = run_facts(
        {"ACTIVE": 80, "READY": 10, UNKNOWN: 10},
        span=(0, 100 * S), energy=series((0, 5.0), (99, 7.5)), counts=series((0, 0), (10, 1), (30, 2)), time_scale=10,
    )  # fmt: skip
    assert (facts.energy_kwh, facts.is_counted, facts.coverage) == (2.5, True, pytest.approx(0.9))
    assert (facts.active_s, facts.parts, facts.cycle_s) == (800, 2, 200)


def test_a_run_without_a_counter_integrates_power_and_without_either_is_not_metered():
    metered = run_facts({"ACTIVE": 3600}, span=(0, 3600 * S), power=series((0, 4.0)), time_scale=2)
    assert (metered.energy_kwh, metered.is_counted, metered.cycle_s) == (pytest.approx(8.0), False, None)
    assert run_facts({}, span=(0, S)).energy_kwh is None


def shift(**changes):
    states = {"ACTIVE": 300.0, "STOPPED": 60.0, "FAULT": 40.0, "UNAVAILABLE": 50.0, UNKNOWN: 50.0}
    return elements_of(states, **{"planned_item_s": 2.0, "produced": 120, "good": 114, **changes})


def test_oee_equals_the_hand_calculation_from_its_elements():
    held = shift()
    assert (elements.availability(held), elements.effectiveness(held)) == (0.75, 0.8)
    assert (elements.quality_ratio(held), oee(held)) == (0.95, pytest.approx(0.57))


def test_unknown_time_is_its_own_bucket_and_never_downtime():
    assert (shift().unknown_s, shift().adet_s, shift().pbt_s) == (100, 100, 400)


def test_planned_downtime_and_setup_are_no_production():
    held = shift(planned_down_s=100, setup_s=50)
    assert (held.pbt_s, held.apt_s, held.adet_s) == (300, 250, 0)


def test_oee_is_undefined_where_nothing_was_planned_or_made():
    assert oee(elements_of({}, planned_item_s=1, produced=0, good=0)) is None
    assert elements.quality_ratio(shift(produced=0, good=0)) is None


def test_an_ideal_time_that_is_too_long_shows_as_effectiveness_above_one():
    assert elements.effectiveness(shift(planned_item_s=5)) == 2.0


def test_oee_of_two_shifts_is_of_their_added_elements_not_the_mean():
    """machines 41: the shifts made different products, so the quality ratio weighs them by PRI × PQ."""
    small = elements_of({"ACTIVE": 10.0}, planned_item_s=1, produced=10, good=0)
    together = oee(elements.added([shift(), small]))
    assert together == pytest.approx((310 / 410) * (250 / 310) * (228 / 250))


def test_cpk_takes_its_spread_from_moving_ranges_and_ppk_from_all_values():
    values = [10.0, 10.2, 9.8, 10.0]
    assert cpk(values, 9, 11) == pytest.approx(1 / (3 * (0.8 / 3) / 1.128), rel=1e-3)
    assert ppk(values, 9, 11) == pytest.approx(1 / (3 * math.sqrt(0.08 / 3)))


@pytest.mark.parametrize("values", [[], [10.0], [10.0, 10.0, 10.0]])
def test_capability_without_a_spread_is_undefined(values):
    assert (cpk(values, 9, 11), ppk(values, 9, 11)) == (None, None)


def measured(name, part, actual):
    return Measurement(characteristic=name, part=part, nominal_mm=10, lower_mm=9, upper_mm=11, actual_mm=actual)


def test_process_capability_is_the_worst_characteristics_in_order_of_parts():
    ones = [measured("a", part, value) for part, value in [(3, 10.2), (1, 10.0), (2, 10.1)]]
    wide = [measured("b", part, 9.5 + part % 2) for part in range(4)]
    assert process_capability([*ones, *wide]) == pytest.approx(cpk([9.5, 10.5, 9.5, 10.5], 9, 11))
    assert process_capability(ones) == pytest.approx(cpk([10.0, 10.1, 10.2], 9, 11))
    assert process_capability([]) is None
