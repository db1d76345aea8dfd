"""The plan is the best there is, its figures are right, and it keeps its promises on networks of many shapes."""

from datetime import UTC, datetime, timedelta
from itertools import pairwise
from zoneinfo import ZoneInfo

import pytest
from allocation_samples import (
    BRNO,
    DAY,
    HOME,
    LYON,
    NOW,
    exhaustive_eur,
    make_mode,
    make_need,
    make_operation,
    make_plan,
    make_quote,
    make_window,
    networks,
    told,
)
from hypothesis import HealthCheck, assume, given, settings
from hypothesis import strategies as st
from msgspec.structs import replace

from interwork.allocation import allocate, check
from interwork.allocation.parts.quoting import free_windows
from interwork.core.design import Requirement
from interwork.core.errors import BadInput, LimitReached, NoPlan
from interwork.core.organisation import Place
from interwork.core.planning import Weights, Window

SLOW = settings(
    max_examples=25, deadline=None, suppress_health_check=[HealthCheck.too_slow, HealthCheck.filter_too_much]
)


def solve(need, plan, quotes, **changes):
    options = {"weights": Weights(), "now": NOW, "seconds": 30.0} | changes
    return allocate(need, plan, quotes, **options)


def try_solve(need, plan, quotes, **changes):
    try:
        return solve(need, plan, quotes, **changes)
    except NoPlan:
        return None


@SLOW
@given(networks(shops=2, steps=2, parts=2))
def test_the_plan_is_as_good_as_exhaustive_search(network):
    need, plan, quotes = network
    assume(sum(len(quote.modes) for quote in quotes) <= 5)
    decided, least = try_solve(need, plan, quotes), exhaustive_eur(need, plan, quotes)
    assert (decided is None) == (least is None)
    if decided:
        assert decided.objective_eur == pytest.approx(least, abs=0.02)
        assert decided.is_optimal


@SLOW
@given(networks(shops=2, steps=1, parts=7))
def test_lots_of_one_operation_are_split_as_well_as_exhaustive_search_does(network):
    need, plan, quotes = network
    assume(sum(len(quote.modes) for quote in quotes) <= 4)
    decided, least = try_solve(need, plan, quotes), exhaustive_eur(need, plan, quotes)
    assert (decided is None) == (least is None)
    if decided:
        assert decided.objective_eur == pytest.approx(least, abs=0.02)


@SLOW
@given(networks())
def test_the_independent_checker_finds_nothing_wrong_with_chains(network):
    decided = try_solve(*network)
    assert decided is None or check(decided, *network) == []


@SLOW
@given(networks(chain=False, shops=3))
def test_the_independent_checker_finds_nothing_wrong_with_other_shapes_of_process_plan(network):
    decided = try_solve(*network)
    assert decided is None or check(decided, *network) == []


@SLOW
@given(networks(shops=4, steps=3), st.integers(0, 3))
def test_taking_a_provider_away_never_lowers_the_optimum(network, gone):
    need, plan, quotes = network
    assume(gone < len(quotes))
    fewer = try_solve(need, plan, quotes[:gone] + quotes[gone + 1 :])
    assume(fewer)
    every = solve(need, plan, quotes)
    assert every.bound_eur <= fewer.objective_eur + 1e-6
    assert not every.is_optimal or every.objective_eur <= fewer.objective_eur + 1e-6


@SLOW
@given(networks(shops=3, steps=3))
def test_the_same_seed_gives_the_same_plan(network):
    first = try_solve(*network, seed=7)
    again = try_solve(*network, seed=7)
    assert (first is None) == (again is None)
    assert first is None or told(first) == told(again)


@SLOW
@given(networks(shops=4, steps=4))
def test_a_longer_limit_is_never_worse(network):
    short = try_solve(*network, seconds=1.0)
    assume(short)
    longer = solve(*network, seconds=20.0)
    assert longer.is_optimal or longer.objective_eur <= short.objective_eur + 1e-6
    assert longer.bound_eur <= short.objective_eur + 1e-6


@SLOW
@given(networks(shops=3, steps=3))
def test_one_more_part_never_costs_less(network):
    need, plan, quotes = network
    one_more = try_solve(replace(need, quantity=need.quantity + 3), plan, quotes)
    assume(one_more)
    fewer = try_solve(need, plan, quotes)
    assume(fewer)
    assert fewer.bound_eur <= one_more.objective_eur + 0.1


@SLOW
@given(networks(shops=3, steps=3), st.floats(0.3, 1.5))
def test_the_budget_is_never_exceeded(network, share):
    need, plan, quotes = network
    free = try_solve(need, plan, quotes)
    assume(free)
    tight = replace(need, budget_eur=free.totals.price_eur * share)
    decided = try_solve(tight, plan, quotes)
    assert decided is None or decided.totals.price_eur <= tight.budget_eur + 1e-9
    assert decided is None or check(decided, tight, plan, quotes) == []


def test_a_large_quantity_due_soon_is_split_over_two_shops():
    quotes = [make_quote(provider="a"), make_quote(make_mode("b"), provider="b")]
    need = make_need(quantity=60, due=NOW + timedelta(hours=6))
    decided = solve(need, make_plan(1), quotes)
    assert len({each.lot for each in decided.assignments}) > 1
    assert {each.provider_name for each in decided.assignments} == {"Shop A", "Shop B"}


def test_the_far_shop_is_chosen_only_when_its_price_pays_the_way():
    near, far = make_quote(provider="a"), make_quote(make_mode("b", place=BRNO, unit_price_eur=1), provider="b")
    few = solve(make_need(quantity=2), make_plan(1), [near, far])
    many = solve(make_need(quantity=100), make_plan(1), [near, far])
    assert few.assignments[0].provider_name == "Shop A"
    assert {each.provider_name for each in many.assignments} == {"Shop B"}
    assert [leg.target for leg in many.legs] == ["Stuttgart"] * len(many.legs)


def test_material_is_charged_once_by_whoever_does_the_first_operation():
    modes = (make_mode("a", 0), make_mode("a", 1))
    decided = solve(make_need(quantity=10), make_plan(2), [make_quote(*modes, material_price_eur=3.0)])
    assert [each.price_eur for each in decided.assignments] == [50 + 10 * 13, 50 + 10 * 10]


def test_a_lot_is_carried_between_shops_and_the_next_operation_waits_for_it():
    quotes = [make_quote(make_mode("a", 0)), make_quote(make_mode("b", 1, place=LYON), provider="b")]
    decided = solve(make_need(quantity=1, deliver_to=LYON), make_plan(2), quotes)
    (leg,) = decided.legs
    assert (leg.source, leg.target) == ("Shop A, Stuttgart", "Shop B, Lyon")
    assert 450 < leg.distance_km < 480
    assert decided.assignments[1].start >= leg.end >= leg.start == decided.assignments[0].end


def test_a_quote_that_ran_out_is_ignored_and_the_plan_says_so():
    old = make_quote(provider="a", valid_until=NOW)
    decided = solve(make_need(), make_plan(1), [old, make_quote(make_mode("b", unit_price_eur=99), provider="b")])
    assert {each.provider_name for each in decided.assignments} == {"Shop B"}
    assert any("Shop A" in reason and "ran out" in reason for reason in decided.reasons)


def test_a_provider_outside_the_wanted_region_is_never_chosen():
    need = make_need(requirements=(Requirement(name="region", value="de"),))
    cheap = make_quote(make_mode("b", place=BRNO, unit_price_eur=0.1), provider="b")
    decided = solve(need, make_plan(1), [cheap, make_quote(provider="a")])
    assert {each.place.country for each in decided.assignments} == {"DE"}
    assert any("not in de" in reason for reason in decided.reasons)


@pytest.mark.parametrize(
    "mode",
    [
        make_mode("b", unit_price_eur=float("nan")),
        make_mode("b", unit_s=-1.0),
        make_mode("b", setup_price_eur=float("inf")),
        make_mode("b", 9),
        make_mode("b", provider="did:web:other"),
        make_mode("b", windows=(make_window(20, 10),)),
        make_mode("b", windows=()),
    ],
)
def test_a_mode_beyond_sense_is_left_out_with_a_reason(mode):
    decided = solve(make_need(), make_plan(1), [make_quote(mode, provider="b"), make_quote(provider="a")])
    assert {each.provider_name for each in decided.assignments} == {"Shop A"}
    assert any(reason.startswith("Shop B: ") for reason in decided.reasons)


def test_windows_that_overlap_or_touch_are_one_stretch():
    windows = (make_window(0, 1), make_window(0.5, 2), make_window(2, 3))
    decided = solve(make_need(quantity=14), make_plan(1), [make_quote(make_mode(windows=windows))])
    assert len(decided.assignments) == 1


def test_a_later_quote_of_the_same_machine_replaces_the_earlier_one():
    again = make_quote(make_mode("a", unit_price_eur=5), id="quote-new")
    decided = solve(make_need(), make_plan(1), [make_quote(), again])
    assert decided.assignments[0].price_eur == 50 + 10 * (5 + 2)


def test_two_quotes_of_one_provider_for_different_operations_both_count():
    quotes = [make_quote(make_mode("a", 0)), make_quote(make_mode("a", 1), id="quote-second")]
    assert len(solve(make_need(), make_plan(2), quotes).assignments) == 2


def test_machines_of_two_providers_with_one_id_are_two_machines():
    both = [make_quote(make_mode(p, resource="resource-x"), provider=p) for p in ("a", "b")]
    need = make_need(quantity=60, due=NOW + timedelta(hours=6))
    assert {each.provider_name for each in solve(need, make_plan(1), both).assignments} == {"Shop A", "Shop B"}


def test_both_baselines_and_every_provider_alone_stand_beside_the_plan():
    quotes = [make_quote(provider="a"), make_quote(make_mode("b"), provider="b")]
    decided = solve(make_need(), make_plan(1), quotes)
    names = [each.name for each in decided.alternatives]
    assert names == ["first-capable", "cheapest-single", "only:did:web:a", "only:did:web:b"]


def test_no_single_provider_is_said_with_what_each_lacks():
    quotes = [make_quote(make_mode("a", 0)), make_quote(make_mode("b", 1), provider="b")]
    decided = solve(make_need(), make_plan(2), quotes)
    reasons = {each.name: each.reason for each in decided.alternatives if not each.is_feasible}
    assert "no provider can do every operation" in reasons["cheapest-single"]
    assert reasons["only:did:web:a"] == "Not possible: it quoted nothing usable for Step 1."


def test_a_baseline_over_the_budget_is_infeasible_and_says_by_how_much():
    dear, cheap = make_quote(make_mode("a", unit_price_eur=30)), make_quote(make_mode("b"), provider="b")
    decided = solve(make_need(budget_eur=200), make_plan(1), [dear, cheap])
    first = decided.alternatives[0]
    assert not first.is_feasible
    assert first.reason == "Its price of 370.00 € is 170.00 € above the budget."


@pytest.mark.parametrize("late_h", [0.0, 5.0])
def test_lateness_is_counted_from_the_due_time_to_the_last_delivery(late_h):
    need = make_need(quantity=6, due=NOW + timedelta(hours=1.5 - late_h))
    assert solve(need, make_plan(1), [make_quote()]).totals.late_h == pytest.approx(late_h)


def test_a_plan_made_within_a_minute_starts_at_the_next_whole_one():
    decided = solve(make_need(), make_plan(1), [make_quote()], now=NOW + timedelta(seconds=20))
    assert decided.assignments[0].start == NOW + timedelta(minutes=1)
    assert check(decided, make_need(), make_plan(1), [make_quote()]) == []


def test_weights_with_more_digits_than_cents_still_bound_the_plan():
    weights = Weights(co2_eur_per_kg=1 / 3, late_eur_per_h=1 / 7, finish_eur_per_day=1 / 9)
    network = make_need(due=NOW), make_plan(1), [make_quote()]
    decided = solve(*network, weights=weights)
    assert decided.bound_eur <= decided.objective_eur
    assert check(decided, *network) == []


def test_no_place_of_delivery_means_no_delivery_and_the_plan_says_so():
    decided = solve(make_need(deliver_to=Place()), make_plan(1), [make_quote(make_mode(place=LYON))])
    assert decided.legs == ()
    assert "No place of delivery is stated: no delivery is planned or charged." in decided.reasons


def test_a_provider_without_a_place_is_named_as_one_whose_way_is_not_counted():
    decided = solve(make_need(), make_plan(1), [make_quote(make_mode(place=Place()))])
    assert any("does not say where it stands" in reason for reason in decided.reasons)
    assert [leg.distance_km for leg in decided.legs] == [0.0]


@pytest.mark.parametrize(
    ("need", "plan", "changes"),
    [
        (make_need(quantity=0), make_plan(1), {}),
        (make_need(due=NOW.replace(tzinfo=None)), make_plan(1), {}),
        (make_need(), make_plan(()), {}),
        (make_need(), make_plan((make_operation(1),)), {}),
        (make_need(), make_plan((make_operation(0, after=("op-1",)), make_operation(1))), {}),
        (make_need(), make_plan(1), {"weights": Weights(late_eur_per_h=-1)}),
        (make_need(), make_plan(1), {"weights": Weights(transport_km_per_h=0)}),
        (make_need(), make_plan(1), {"seconds": 0}),
        (make_need(requirements=(Requirement(name="budget", value="much"),)), make_plan(1), {}),
    ],
)
def test_a_question_that_makes_no_sense_is_refused_before_solving(need, plan, changes):
    with pytest.raises(BadInput):
        solve(need, plan, [make_quote()], **changes)


@pytest.mark.parametrize("due", [datetime.min.replace(tzinfo=UTC), datetime.max.replace(tzinfo=UTC)])
def test_a_due_date_at_either_end_of_time_still_has_a_plan_or_a_reason(due):
    network = make_need(due=due), make_plan(1), [make_quote()]
    assert check(solve(*network), *network) == []
    with pytest.raises(NoPlan):
        solve(make_need(due=due, quantity=100_000), make_plan(1), [make_quote()])


@pytest.mark.parametrize("budget", [float("nan"), float("inf"), float("-inf")])
def test_a_budget_that_is_no_number_is_refused(budget):
    with pytest.raises(BadInput, match="The budget of Bracket reads"):
        allocate(make_need(budget_eur=budget), make_plan(), [make_quote()], weights=Weights(), now=NOW)


@settings(max_examples=10, deadline=None)
@given(order=st.permutations(range(5)))
def test_of_equal_offers_the_same_is_taken_whoever_answers_first(order):
    """allocation 18: the order in which quotes come over the network decides nothing but the baseline of the first."""
    quotes = [make_quote(make_mode(each, 0), make_mode(each, 1), provider=each) for each in "abcde"]
    mixed = [quotes[number] for number in order]
    plan, same = (
        allocate(make_need(), make_plan(2), each, weights=Weights(), now=NOW, seconds=1.0) for each in (quotes, mixed)
    )
    assert same.assignments == plan.assignments
    first = next(each for each in same.alternatives if each.name == "first-capable")
    assert {each.provider for each in first.assignments} == {mixed[0].provider}


@pytest.mark.parametrize(("month", "day", "hours"), [(3, 28, 2), (10, 31, 4)])
def test_a_night_in_which_the_clocks_change_is_as_long_as_it_is(month, day, hours):
    """allocation 2: from 1 to 4 o'clock are two hours in March and four in October, whatever the clock says."""
    start, end = (datetime(2027, month, day, hour, tzinfo=ZoneInfo("Europe/Berlin")) for hour in (1, 4))
    evening = start - timedelta(hours=6)
    need = make_need(quantity=1, due=end + DAY, created_at=evening)

    def plan(minutes):
        mode = make_mode("a", 0, setup_s=0, unit_s=60 * minutes, windows=(Window(start=start, end=end),))
        quote = make_quote(mode, valid_until=end + DAY)
        return allocate(need, make_plan(), [quote], weights=Weights(), now=evening)

    (placed,) = plan(60 * hours).assignments
    assert placed.end.timestamp() - placed.start.timestamp() == 3600 * hours
    with pytest.raises(NoPlan):
        plan(60 * hours + 1)
    told = free_windows(evening, end, [(evening, start)], shortest_s=3600 * hours)
    assert [each.end - each.start for each in told] == [timedelta(hours=hours)]
    assert free_windows(evening, end, [(evening, start)], shortest_s=3600 * hours + 1) == ()


def test_prices_too_large_to_add_up_exactly_are_refused():
    dear = make_quote(make_mode(unit_price_eur=1e9))
    with pytest.raises(LimitReached, match="too large to add up"):
        solve(make_need(quantity=100_000), make_plan(1), [dear])


def test_a_budget_among_the_requirements_counts_as_the_budget():
    need = make_need(requirements=(Requirement(name="budget", value=100.0),))
    with pytest.raises(NoPlan, match=r"Raise the budget to 170\.00 €"):
        solve(need, make_plan(1), [make_quote()])


def test_lots_wait_for_a_machine_that_does_two_operations():
    modes = (make_mode("a", 0), make_mode("a", 1))
    decided = solve(make_need(quantity=30), make_plan(2), [make_quote(*modes)])
    spans = sorted((each.start, each.end) for each in decided.assignments)
    assert all(before[1] <= after[0] for before, after in pairwise(spans))


def test_a_closed_night_is_never_worked_through():
    days = tuple(make_window(24 * day, 24 * day + 3) for day in range(9))
    decided = solve(make_need(quantity=31), make_plan(1), [make_quote(make_mode(windows=days))])
    assert len(decided.assignments) == 3
    assert all((each.start - NOW) % DAY < timedelta(hours=3) for each in decided.assignments)


def test_the_place_of_work_is_the_one_quoted():
    assert solve(make_need(), make_plan(1), [make_quote()]).assignments[0].place == HOME
