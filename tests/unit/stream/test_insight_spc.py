"""Control charts against published examples, the constants against their tables, and the run rules."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from interwork.core.errors import BadInput
from interwork.stream.insight import NELSON, WESTERN_ELECTRIC, Limits, capability, draw, runs
from interwork.stream.insight.charts import (
    c4,
    count,
    count_per_unit,
    cusum,
    d2,
    d3,
    ewma,
    individuals,
    means_and_deviations,
    means_and_ranges,
    number_defective,
    proportion,
)

PISTON_RINGS = """
74.030 74.002 74.019 73.992 74.008 73.995 73.992 74.001 74.011 74.004 73.988 74.024 74.021 74.005 74.002
74.002 73.996 73.993 74.015 74.009 73.992 74.007 74.015 73.989 74.014 74.009 73.994 73.997 73.985 73.993
73.995 74.006 73.994 74.000 74.005 73.985 74.003 73.993 74.015 73.988 74.008 73.995 74.009 74.005 74.004
73.998 74.000 73.990 74.007 73.995 73.994 73.998 73.994 73.995 73.990 74.004 74.000 74.007 74.000 73.996
73.983 74.002 73.998 73.997 74.012 74.006 73.967 73.994 74.000 73.984 74.012 74.014 73.998 73.999 74.007
74.000 73.984 74.005 73.998 73.996 73.994 74.012 73.986 74.005 74.007 74.006 74.010 74.018 74.003 74.000
73.984 74.002 74.003 74.005 73.997 74.000 74.010 74.013 74.020 74.003 73.982 74.001 74.015 74.005 73.996
74.004 73.999 73.990 74.006 74.009 74.010 73.989 73.990 74.009 74.014 74.015 74.008 73.993 74.000 74.010
73.982 73.984 73.995 74.017 74.013
"""
"""Inside diameters of forged piston rings, 25 samples of 5 (Montgomery, Statistical Quality Control)."""
_ALL = [float(one) for one in PISTON_RINGS.split()]
RINGS = [_ALL[at : at + 5] for at in range(0, 125, 5)]
FLOW = [49.6, 47.6, 49.9, 51.3, 47.8, 51.2, 52.6, 52.4, 53.6, 52.1]
"""Flow rates (NIST/SEMATECH e-Handbook, 6.3.2.2)."""
WAFERS = [16, 14, 28, 16, 12, 20, 10, 12, 10, 17, 19, 17, 14, 16, 15, 13, 14, 16, 11, 20, 11, 19, 16, 31, 13]
"""Defects of 25 wafers (NIST/SEMATECH e-Handbook, 6.3.3.1)."""
JUICE = [12, 15, 8, 10, 4, 7, 16, 9, 14, 10, 5, 6, 17, 12, 22, 8, 10, 5, 13, 11, 20, 18, 24, 15, 9, 12, 7, 13, 9, 6]
"""Nonconforming cans of 50, 30 samples (Montgomery)."""
SMOOTHED = [
    52.0,
    47.0,
    53.0,
    49.3,
    50.1,
    47.0,
    51.0,
    50.1,
    51.2,
    50.5,
    49.6,
    47.6,
    49.9,
    51.3,
    47.8,
    51.2,
    52.6,
    52.4,
    53.6,
    52.1,
]
"""NIST/SEMATECH e-Handbook, 6.3.2.4: EWMA with target 50, s = 2.0539, weight 0.3."""
SHIFTED = [
    324.925,
    324.675,
    324.725,
    324.350,
    325.350,
    325.225,
    324.125,
    324.525,
    325.225,
    324.600,
    324.625,
    325.150,
    328.325,
    327.250,
    327.825,
    328.500,
    326.675,
    327.775,
    326.875,
    328.350,
]
"""NIST/SEMATECH e-Handbook, 6.3.2.3: CUSUM with target 325, k = 0.3175, h = 4.1959."""


@pytest.mark.parametrize(("size", "table"), [(2, 1.128), (3, 1.693), (5, 2.326), (10, 3.078), (25, 3.931)])
def test_d2_by_integration_is_the_one_of_the_tables(size, table):
    assert d2(size) == pytest.approx(table, abs=6e-4)


@pytest.mark.parametrize(("size", "table"), [(2, 0.853), (3, 0.888), (5, 0.864), (10, 0.797)])
def test_d3_by_integration_is_the_one_of_the_tables(size, table):
    assert d3(size) == pytest.approx(table, abs=1e-3)


@pytest.mark.parametrize(("size", "table"), [(2, 0.7979), (5, 0.9400), (10, 0.9727), (25, 0.9896)])
def test_c4_is_the_one_of_the_tables(size, table):
    assert c4(size) == pytest.approx(table, abs=1e-4)


def test_factors_of_the_tables_follow_from_them():
    assert 3 / (d2(5) * 5**0.5) == pytest.approx(0.577, abs=1e-3)  # A2
    assert 1 + 3 * d3(5) / d2(5) == pytest.approx(2.114, abs=2e-3)  # D4
    assert 1 - 3 * d3(7) / d2(7) == pytest.approx(0.076, abs=2e-3)  # D3
    assert 3 / (c4(5) * 5**0.5) == pytest.approx(1.427, abs=1e-3)  # A3


def test_individuals_of_the_nist_handbook_have_its_limits():
    chart = individuals(FLOW)
    assert (chart.location.centre[0], chart.location.upper[0], chart.location.lower[0]) == (
        pytest.approx(50.81), pytest.approx(55.8041, abs=2e-3), pytest.approx(45.8159, abs=2e-3)
    )  # fmt: skip
    assert chart.spread.centre[0] == pytest.approx(1.8778, abs=1e-4)


def test_means_and_ranges_of_the_piston_rings_have_the_published_limits():
    chart = means_and_ranges(RINGS)
    assert (chart.limits.centre, chart.limits.sigma) == (
        pytest.approx(74.001176),
        pytest.approx(0.02324 / 2.326, rel=1e-4),
    )
    assert chart.location.upper[0] == pytest.approx(74.01458, abs=2e-5)
    assert chart.location.lower[0] == pytest.approx(73.98777, abs=2e-5)
    assert chart.spread.upper[0] == pytest.approx(0.04915, abs=5e-5)


def test_means_and_deviations_of_the_piston_rings_have_the_published_limits():
    chart = means_and_deviations(RINGS)
    assert chart.location.upper[0] == pytest.approx(74.014, abs=1e-3)
    assert chart.spread.centre[0] == pytest.approx(0.0094, abs=1e-4)
    assert chart.spread.upper[0] == pytest.approx(0.0196, abs=1e-4)


def test_counts_of_the_wafers_have_the_published_limits_and_one_alarm():
    chart = count(WAFERS)
    assert (chart.location.centre[0], chart.location.upper[0], chart.location.lower[0]) == (16, 28, 4)
    assert [one.at for one in runs(chart.location.z, ["nelson-1"])] == [23]


def test_shares_of_the_juice_cans_have_the_published_limits_and_alarms():
    chart = proportion(JUICE, [50] * 30)
    assert (chart.location.centre[0], chart.location.upper[0], chart.location.lower[0]) == (
        pytest.approx(0.2313, abs=1e-4), pytest.approx(0.4102, abs=1e-4), pytest.approx(0.0524, abs=1e-4)
    )  # fmt: skip
    assert [one.at for one in runs(chart.location.z, ["we-1"])] == [14, 22]
    assert number_defective(JUICE, 50).location.z == pytest.approx(chart.location.z)


def test_limits_per_unit_follow_each_sample_s_size():
    chart = count_per_unit([10, 30, 5], [1, 3, 0.5])
    assert chart.location.centre[0] == 10
    assert chart.location.upper == pytest.approx([10 + 3 * (10 / size) ** 0.5 for size in (1, 3, 0.5)])


def test_the_moving_average_is_the_one_of_the_nist_handbook():
    chart = ewma(SMOOTHED, Limits(centre=50, sigma=2.0539), weight=0.3)
    told = [
        50.60,
        49.52,
        50.56,
        50.18,
        50.16,
        49.21,
        49.75,
        49.85,
        50.26,
        50.33,
        50.11,
        49.36,
        49.52,
        50.05,
        49.38,
        49.92,
        50.73,
        51.23,
        51.94,
        51.99,
    ]
    assert chart.location.points == pytest.approx(told, abs=0.011)
    assert chart.location.upper[-1] == pytest.approx(52.5884, abs=5e-3)


def test_the_cumulative_sum_signals_where_the_nist_handbook_does():
    chart = cusum(SHIFTED, Limits(centre=325, sigma=0.635), decision=4.1959 / 0.635)
    assert chart.location.points[12:14] == pytest.approx([3.01, 4.94], abs=0.01)
    assert [one.at for one in runs(chart.location.z, ["we-1"])] == [13]


SERIES = {
    "nelson-1": [0.0] * 5 + [3.2],
    "nelson-2": [-0.5] + [0.4] * 9,
    "nelson-3": [0.2, 0.1, 0.3, 0.5, 0.6, 0.8, 0.9],
    "nelson-4": [0.1, -0.1] * 7,
    "nelson-5": [0.0, 2.1, 0.5, 2.4],
    "nelson-6": [0.0, 1.2, 1.1, 0.5, 1.3, 1.6],
    "nelson-7": [2.0] + [0.3, -0.3, 0.2, 0.1, -0.2] * 3,
    "nelson-8": [0.0, 1.5, -1.5, 1.2, 1.4, -1.3, 1.6, -1.1, 1.9],
    "we-1": [0.0, -3.1],
    "we-2": [0.0, -2.2, -2.1],
    "we-3": [0.0, -1.1, -1.2, 0.0, -1.3, -1.1],
    "we-4": [0.5] + [-0.2] * 8,
}


@pytest.mark.parametrize("rule", [*NELSON, *WESTERN_ELECTRIC])
def test_each_rule_finds_its_own_pattern_at_the_point_that_completes_it(rule):
    """machines 42: Nelson 1 to 8 and Western Electric 1 to 4."""
    found = runs(SERIES[rule], [rule])
    assert [(one.rule, one.at) for one in found] == [(rule, len(SERIES[rule]) - 1)]


@pytest.mark.parametrize("rule", [*NELSON, *WESTERN_ELECTRIC])
def test_each_rule_is_silent_one_point_before_its_pattern_is_complete(rule):
    assert runs(SERIES[rule][:-1], [rule]) == []


def test_a_long_run_is_one_alarm():
    """machines 42: thirty points on one side are one finding, not twenty-two."""
    found = runs([0.5] * 30, ["nelson-2"])
    assert [(one.first, one.at, one.last, one.side) for one in found] == [(0, 8, 29, 1)]


def test_equal_neighbours_break_a_rising_run():
    assert runs([1, 2, 3, 3, 4, 5, 6], ["nelson-3"]) == []


def test_two_runs_apart_are_two_alarms():
    assert [one.at for one in runs([4, 0, 0, 4, -4], ["nelson-1"])] == [0, 3, 4]


def test_only_the_rules_chosen_are_looked_for():
    assert {one.rule for one in runs([0.4] * 20, ["nelson-7"])} == {"nelson-7"}
    with pytest.raises(BadInput, match="no run rule"):
        runs([1.0], ["nelson-9"])


@given(st.lists(st.floats(-5, 5), max_size=60))
def test_every_finding_lies_inside_the_series_and_none_overlaps_its_like(z):
    found = runs(z, [*NELSON, *WESTERN_ELECTRIC])
    assert all(0 <= one.first <= one.at <= one.last < len(z) for one in found)
    keys = [(one.rule, one.side, one.at) for one in found]
    assert len(set(keys)) == len(keys)


def test_phase_two_holds_new_points_against_frozen_limits():
    learnt = draw("i-mr", FLOW)
    later = draw("i-mr", [60.0, 61.0], 1, learnt.limits)
    assert (learnt.phase, later.phase) == (1, 2)
    assert later.location.upper[0] == learnt.location.upper[0]
    assert [one.at for one in runs(later.location.z, ["we-1"])] == [0]


def test_capability_comes_with_its_confidence_limits():
    values = [16 + 2 * one for one in (-1.2, -0.8, -0.4, 0, 0.4, 0.8, 1.2, -1, 1, 0.2, -0.2, 0.6)]
    found = capability(values, 8, 20)
    assert found.cpk.low < found.cpk.value < found.cpk.high
    assert found.ppk.value == pytest.approx(min(20 - 16, 16 - 8) / (3 * 1.6), rel=0.1)
    assert capability(values, None, 20).cp.value is None
    assert capability(values, None, 20).cpk.value is not None


def test_few_parts_give_wide_limits():
    few, many = (capability([9.9, 10.0, 10.1, 10.0] * times, 9, 11).ppk for times in (2, 50))
    assert few.high - few.low > 3 * (many.high - many.low)


@pytest.mark.parametrize(
    "make",
    [
        lambda: draw("bar", [1, 2]),
        lambda: individuals([1.0]),
        lambda: proportion([3, 4], [2, 5]),
        lambda: individuals([1.0, float("nan")]),
    ],
)
def test_what_cannot_be_charted_is_refused(make):
    with pytest.raises(BadInput):
        make()
