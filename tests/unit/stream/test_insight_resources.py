"""Baselines, peaks, night flow, material flow and comparisons against hand calculations."""

import numpy as np
import pytest

from interwork.core.errors import BadInput
from interwork.core.resource import GOOD, BatchBuilder
from interwork.stream.insight import compare, fit, hold_against
from interwork.stream.insight.comparison import independent
from interwork.stream.insight.facts import Interval, use_by_state
from interwork.stream.insight.resources import (
    balance,
    grid,
    idle_share,
    material_flow,
    night_minimum,
    power_factor,
    quarter_peak,
    step_means,
    step_uses,
    unaccounted,
)

S = 1_000_000
HOUR = 3600 * S


def series(*points):
    builder = BatchBuilder()
    for at, value in points:
        builder.add(1, at, value, GOOD)
    return builder.take()


def test_a_baseline_finds_the_coefficients_it_was_made_from():
    parts, degrees = [10, 20, 30, 40, 50, 20, 45], [3, 1, 4, 1, 5, 9, 2]
    use = [7 + 2 * one + 0.5 * other for one, other in zip(parts, degrees, strict=True)]
    found = fit(use, {"parts": parts, "degrees": degrees})
    assert found.coefficients == pytest.approx((7, 2, 0.5))
    assert (found.r2, found.ranges) == (pytest.approx(1), ((10, 50), (1, 9)))


def test_residuals_and_their_running_sum_are_reproducible():
    """machines 42: 3 kWh more than expected in each of four hours is a CUSUM of 3, 6, 9, 12."""
    rng = np.random.default_rng(1)
    parts = rng.uniform(5, 50, 60)
    learnt = fit((10 + 2 * parts).tolist(), {"parts": parts.tolist()})
    held = hold_against(learnt, [33.0, 53.0, 73.0, 43.0], [[10.0, 20.0, 30.0, 15.0]])
    assert held.cusum == pytest.approx([3, 6, 9, 12])
    assert (held.saving, held.covered) == (pytest.approx(-12), 1.0)


def test_a_baseline_says_nothing_outside_the_range_it_was_learnt_from():
    learnt = fit([12, 14, 16, 18, 20], {"parts": [1, 2, 3, 4, 5]})
    held = hold_against(learnt, [40, 16], [[20, 3]])
    assert (held.expected, held.covered) == ([None, pytest.approx(16)], 0.5)


@pytest.mark.parametrize("drivers", [{"parts": [1, 2, 3, 4, 5]}, {"parts": [2.0] * 8}, {"a": range(8), "b": range(8)}])
def test_what_cannot_be_learnt_from_is_refused(drivers):
    length = len(next(iter(drivers.values())))
    with pytest.raises(BadInput):
        fit([1.0, 2.0][: length % 2 + 1] if length == 5 else [float(one) for one in range(8)], drivers)


def test_the_quarter_hour_peak_is_the_mean_power_of_the_worst_quarter():
    counter = series((0, 0.0), (900 * S, 5.0), (1800 * S, 15.0), (2700 * S, 18.0))
    borders = grid((0, 2700 * S), 900 * S)
    peak = quarter_peak(step_uses(counter, borders).tolist(), borders.tolist())
    assert (peak.power_kw, peak.at_us) == (40.0, 900 * S)


def test_a_step_less_than_half_known_has_no_mean():
    power = series((0, 4.0), (1800 * S, 8.0))
    borders = grid((0, 2 * HOUR), HOUR)
    assert step_means(power, borders).tolist() == [6.0, 8.0]
    assert np.isnan(step_means(series((5400 * S + 1, 8.0)), borders)).all()


def test_energy_is_shared_among_the_states_it_was_used_in():
    parts = [Interval(0, HOUR, "ACTIVE"), Interval(HOUR, 2 * HOUR, "READY"), Interval(2 * HOUR, 3 * HOUR, "unknown")]
    counter = series((0, 100.0), (HOUR, 110.0), (2 * HOUR, 112.0), (3 * HOUR, 115.0))
    used = use_by_state(parts, counter, None)
    assert used == {"ACTIVE": 10.0, "READY": 2.0, "unknown": 3.0}
    assert idle_share(used) == pytest.approx(2 / 12)


def test_night_flow_is_the_least_rate_between_one_and_five_local_time():
    borders = [hour * HOUR for hour in range(25)]
    uses = [50.0] * 24
    uses[2], uses[23] = 6.0, 1.0
    assert night_minimum(uses, borders, "UTC") == 6.0
    assert night_minimum(uses, borders, "Asia/Shanghai") == 50.0  # 02:00 UTC is 10:00 there


def test_power_factor_balance_and_what_no_meter_accounts_for():
    assert power_factor(3, 4) == pytest.approx(0.6)
    assert power_factor(0, 0) is None
    assert balance(100, [60, 25]) == (15, 0.15)
    assert unaccounted(100, [40, None, 35]) == (25, 0.25)
    assert unaccounted(None, [40]) == (None, None)


def test_material_flow_shares_cost_by_mass():
    flow = material_flow(input_kg=10, product_kg=6, material_cost=50, energy_cost=10)
    assert (flow.yield_share, flow.loss_kg, flow.loss_cost) == (0.6, 4, pytest.approx(24))
    with pytest.raises(BadInput):
        material_flow(input_kg=5, product_kg=6)


def test_a_clear_change_is_told_with_an_interval_that_leaves_zero_out():
    rng = np.random.default_rng(2)
    found = compare(rng.normal(100, 3, 60).tolist(), rng.normal(95, 3, 60).tolist())
    assert found.is_clear
    assert found.interval[0] < -5 < found.interval[1]
    assert found.counts == (60, 60)


def test_no_change_is_not_told_as_one_and_few_units_are_resampled():
    rng = np.random.default_rng(3)
    found = compare(rng.normal(100, 3, 12).tolist(), rng.normal(100, 3, 9).tolist())
    assert not found.is_clear
    assert found.method.startswith("bootstrap")
    assert compare([1, 2, 3, 4], [2, 3, 4, 5]).interval == compare([1, 2, 3, 4], [2, 3, 4, 5]).interval


def test_units_that_resemble_their_neighbours_count_for_fewer():
    walk = np.cumsum(np.random.default_rng(4).normal(0, 1, 400))
    assert independent(walk) < 20
    assert independent(np.random.default_rng(5).normal(0, 1, 400)) > 200


def test_two_units_are_too_few_to_compare():
    with pytest.raises(BadInput, match="2 units before"):
        compare([1, 2], [1, 2, 3])
