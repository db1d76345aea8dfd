"""Whole numbers: lots, distances, and units in which money, grams and seconds add up exactly."""

import pytest
from allocation_samples import BRNO, HOME, LYON, NOW, make_mode, make_need, make_plan, make_quote
from hypothesis import given
from hypothesis import strategies as st

from interwork.allocation.parts.admitting import distance_km, prepare
from interwork.allocation.parts.instance import UNITS_PER_EUR, restricted, split
from interwork.core.organisation import Place
from interwork.core.planning import Weights

INSTANCE = prepare(make_need(due=NOW), make_plan(1), [make_quote()], Weights(), NOW)


@given(st.integers(1, 10_000), st.integers(1, 3))
def test_lots_differ_by_one_part_at_most_and_add_up(quantity, lots):
    sizes = split(quantity, lots)
    assert sum(sizes) == quantity
    assert max(sizes) - min(sizes) <= 1


@pytest.mark.parametrize(("quantity", "counts"), [(1, 1), (2, 2), (3, 3), (50, 3)])
def test_no_lot_is_empty(quantity, counts):
    instance = prepare(make_need(quantity=quantity), make_plan(1), [make_quote()], Weights(), NOW)
    assert len(instance.splits) == counts
    assert all(size > 0 for sizes in instance.splits for size in sizes)


def test_the_objective_is_price_co2_lateness_and_days():
    units = INSTANCE.objective(cents=12_345, grams=2_500, finish=90)
    assert units / UNITS_PER_EUR == pytest.approx(123.45 + 0.25 + 1.5 * 25 + 90 / 1440 * 2)


def test_work_takes_whole_minutes_rounded_up():
    (option,) = INSTANCE.options[0]
    assert option.figures(3).minutes == 60
    assert (
        prepare(make_need(), make_plan(1), [make_quote(make_mode(setup_s=0, unit_s=0.5))], Weights(), NOW)
        .options[0][0]
        .figures(1)
        .minutes
        == 1
    )


def test_a_start_leaves_room_for_the_whole_work_in_its_window():
    (option,) = INSTANCE.options[0]
    assert option.starts(60) == [(0, 240 * 60 - 60)]
    assert option.starts(241 * 60) == []


@pytest.mark.parametrize(
    ("a", "b", "km"), [(HOME, LYON, 468.5), (HOME, BRNO, 545.2), (HOME, HOME, 0), (HOME, Place(), 0)]
)
def test_distances_are_great_circles_and_unknown_places_are_no_way_off(a, b, km):
    assert distance_km(a, b) == distance_km(b, a) == pytest.approx(km, abs=3)


def test_restricting_keeps_the_numbering():
    both = [make_quote(), make_quote(make_mode("b"), provider="b")]
    instance = restricted(prepare(make_need(), make_plan(1), both, Weights(), NOW), frozenset({1}))
    assert [each.provider for each in instance.options[0]] == [1]
    assert instance.names == ("Shop A", "Shop B")
