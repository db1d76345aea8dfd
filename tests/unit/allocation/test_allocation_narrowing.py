"""What local search finds is real, and what is cut away was never needed."""

from allocation_samples import NOW, make_mode, make_need, make_plan, make_quote, networks
from hypothesis import assume, given, settings
from hypothesis import strategies as st

from interwork.allocation.parts.admitting import prepare
from interwork.allocation.parts.cpsat import Search, Status, cheapest, solve
from interwork.allocation.parts.narrowing import improve, narrow, shake
from interwork.allocation.parts.schedule import tidy, weigh
from interwork.core.planning import Weights

SLOW = settings(max_examples=25, deadline=None)


def instance_of(network):
    return prepare(*network, Weights(), NOW)


def objective(instance, schedule):
    return weigh(instance, schedule).objective


@SLOW
@given(networks(shops=3, steps=3, parts=20))
def test_the_optimum_is_the_same_with_and_without_cutting(network):
    instance = instance_of(network)
    hint = improve(instance)
    whole, cut = solve(instance, Search(short=60)), solve(instance, Search(short=60, hint=hint))
    assert whole.status is cut.status
    assert whole.schedule is None or objective(instance, whole.schedule) == objective(instance, cut.schedule)


@SLOW
@given(networks(shops=4, steps=4))
def test_no_schedule_is_below_the_bound_of_the_space(network):
    instance = instance_of(network)
    found = improve(instance)
    assume(found)
    assert narrow(instance).bound <= objective(instance, found)
    assert narrow(instance, objective(instance, found)).bound <= objective(instance, found)


@SLOW
@given(networks(shops=4, steps=4), st.integers(0, 99))
def test_shaking_and_tidying_never_make_it_worse(network, seed):
    instance = instance_of(network)
    found = improve(instance, trials=50)
    assume(found)
    shaken = shake(instance, found, use=None, seed=seed, trials=200)
    assert objective(instance, tidy(instance, shaken)) <= objective(instance, shaken) <= objective(instance, found)


@SLOW
@given(networks(shops=3, steps=3))
def test_tidying_twice_changes_nothing_more(network):
    instance = instance_of(network)
    found = improve(instance, trials=100)
    assume(found)
    assert tidy(instance, tidy(instance, found)) == tidy(instance, found)


@SLOW
@given(networks(shops=3, steps=2, parts=20))
def test_no_plan_is_cheaper_than_the_cheapest(network):
    instance = instance_of(network)
    least = cheapest(instance, Search(short=60))
    best = solve(instance, Search(short=60))
    assert (least.schedule is None) == (best.schedule is None)
    assert least.schedule is None or weigh(instance, least.schedule).cents <= weigh(instance, best.schedule).cents


def test_a_provider_that_must_have_a_part_has_one():
    quotes = [make_quote(), make_quote(make_mode("b", unit_price_eur=99), provider="b")]
    instance = instance_of((make_need(), make_plan(1), quotes))
    outcome = solve(instance, Search(use=1, hint=improve(instance, use=1)))
    assert outcome.status is Status.OPTIMAL
    assert {each.option.provider for each in outcome.schedule.placed} == {1} or len(outcome.schedule.lots) > 1


def test_what_cannot_win_is_cut_from_the_model():
    quotes = [make_quote(), make_quote(make_mode("b", unit_price_eur=99), provider="b")]
    instance = instance_of((make_need(), make_plan(1), quotes))
    space = narrow(instance, objective(instance, improve(instance)))
    assert {one.option.provider for row in space.cells.values() for one in row} == {0}
