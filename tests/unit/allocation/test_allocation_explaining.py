"""Reasons carry the figure a new solve gives; where there is no plan, the advice has one."""

import re
from datetime import timedelta

import pytest
from allocation_samples import BRNO, NOW, make_mode, make_need, make_plan, make_quote, make_window
from msgspec.structs import replace

from interwork.allocation import Cause, allocate
from interwork.core.design import Requirement
from interwork.core.errors import NoPlan
from interwork.core.planning import Weights

THREE = [
    make_quote(make_mode("a", 0), make_mode("a", 1)),
    make_quote(make_mode("b", 0, unit_price_eur=14, place=BRNO), provider="b"),
    make_quote(make_mode("c", 0, setup_price_eur=90), make_mode("c", 1, unit_price_eur=30), provider="c"),
]


def solve(need=None, plan=None, quotes=THREE, **changes):
    return allocate(
        need or make_need(), plan or make_plan(2), quotes, weights=Weights(), now=NOW, seconds=30, **changes
    )


def refused(need=None, plan=None, quotes=THREE):
    with pytest.raises(NoPlan) as caught:
        solve(need, plan, quotes)
    return caught.value


def reason_of(plan, shop):
    return next(each for each in plan.reasons if each.startswith(f"{shop}: "))


def euro(text):
    return float(re.search(r"comes to ([\d,.]+) €", text)[1].replace(",", ""))


def test_there_is_a_sentence_for_every_provider():
    decided = solve()
    assert [each.partition(":")[0] for each in decided.reasons[:3]] == ["Shop A", "Shop B", "Shop C"]


def test_the_margin_of_a_chosen_provider_is_what_planning_without_it_costs():
    decided, without = solve(), solve(quotes=THREE[1:])
    text = reason_of(decided, "Shop A")
    assert "chosen for Step 0 (10 parts) and Step 1 (10 parts) at 320.00 €" in text
    assert euro(text) == pytest.approx(without.objective_eur - decided.objective_eur, abs=0.011)


def test_the_margin_of_a_provider_not_chosen_is_what_forcing_it_costs():
    only_b_first = [replace(THREE[0], modes=THREE[0].modes[1:]), *THREE[1:2]]
    decided, forced = solve(), solve(quotes=only_b_first)
    text = reason_of(decided, "Shop B")
    assert "not chosen; the best plan with a part for it" in text
    assert euro(text) <= forced.objective_eur - decided.objective_eur + 0.011


def test_whoever_alone_can_do_something_is_named_so():
    assert "nobody else quoted Step 1" in reason_of(solve(quotes=THREE[:2]), "Shop A")


def test_a_provider_that_declined_says_why():
    shy = make_quote(provider="d", modes=(), declined=("Step 0: VMC-9 holds 0.5 mm.",))
    assert "Step 0: VMC-9 holds 0.5 mm." in reason_of(solve(quotes=[*THREE, shy]), "Shop D")


def test_assumptions_of_chosen_quotes_are_passed_on_and_others_are_not():
    noted = [replace(each, notes=("price assumed",)) for each in THREE]
    assert [each for each in solve(quotes=noted).reasons if "assumed" in each] == ["Shop A: price assumed"]


def test_why_an_alternative_is_dearer_is_told_by_what_the_objective_is_made_of():
    decided = solve()
    other = next(each for each in decided.alternatives if each.name == "only:did:web:c")
    assert re.search(r"[\d.]+ € \([\d.]+%\) above the plan: price \+240\.00 €", other.reason)


def test_an_operation_nobody_quoted_is_a_capability_missing():
    fault = refused(plan=make_plan(3))
    assert fault.reasons == (f"Step 2: {Cause.NO_CAPABLE_RESOURCE}. No provider quoted it.",)


def test_an_operation_declined_by_all_says_what_they_said():
    shy = make_quote(provider="d", modes=(), declined=("Step 0: VMC-9 holds 0.5 mm.",))
    fault = refused(plan=make_plan(1), quotes=[shy])
    assert fault.reasons == (f"Step 0: {Cause.NO_CAPABLE_RESOURCE}. Shop D: VMC-9 holds 0.5 mm.",)


def test_quotes_that_all_ran_out_are_the_cause():
    old = make_quote(valid_until=NOW - timedelta(days=1))
    assert Cause.NO_VALID_QUOTE in refused(plan=make_plan(1), quotes=[old]).reasons[0]


def test_providers_all_outside_the_region_are_the_cause():
    need = make_need(requirements=(Requirement(name="region", value="FR"),))
    assert Cause.CERTIFICATE_OR_REGION in refused(need, make_plan(1), [make_quote()]).reasons[0]


def test_free_time_only_in_the_past_is_the_cause():
    past = make_quote(make_mode(windows=(make_window(-20, -1),)))
    assert Cause.NO_TIME in refused(plan=make_plan(1), quotes=[past]).reasons[0]


def test_a_lot_too_long_for_any_window_is_told_in_hours():
    short = make_quote(make_mode(windows=(make_window(0, 2), make_window(5, 7), make_window(9, 11))))
    fault = refused(make_need(quantity=60), make_plan(1), [short])
    assert "A lot of 20 takes 3.8 h in one piece; the longest free window" in fault.reasons[0]


def test_the_advised_quantity_has_a_plan_and_one_more_has_none():
    short = [make_quote(make_mode(windows=(make_window(0, 2), make_window(5, 7), make_window(9, 11))))]
    fault = refused(make_need(quantity=60), make_plan(1), short)
    fewer = int(re.search(r"Ask for (\d+) parts", fault.remedy)[1])
    assert solve(make_need(quantity=fewer), make_plan(1), short).assignments
    refused(make_need(quantity=fewer + 1), make_plan(1), short)


def test_the_advised_due_date_would_do_where_calendars_stay_free():
    short = [make_quote(make_mode(windows=(make_window(0, 8),)))]
    fault = refused(make_need(quantity=60, due=NOW), make_plan(1), short)
    assert "with a due date of 30 Nov 2026: 7 days more would do" in fault.remedy


def test_windows_that_do_not_line_up_are_told_apart_from_too_short_ones():
    quotes = [
        make_quote(make_mode("a", 0, windows=(make_window(50, 60),)), make_mode("a", 1, windows=(make_window(0, 9),)))
    ]
    assert "do not fit one after the other" in refused(quotes=quotes).reasons[0]


def test_the_advised_budget_has_a_plan_and_a_cent_less_has_none():
    fault = refused(make_need(budget_eur=100.0))
    assert fault.reasons[0].startswith(Cause.BUDGET)
    enough = float(re.search(r"Raise the budget to ([\d,.]+) €", fault.remedy)[1].replace(",", ""))
    assert solve(make_need(budget_eur=enough)).totals.price_eur <= enough
    refused(make_need(budget_eur=enough - 0.01))


def test_with_many_providers_the_last_are_compared_by_their_price_alone():
    many = [
        make_quote(make_mode(letter, unit_price_eur=10 + n), provider=letter)
        for n, letter in enumerate("abcdefghijklmno")
    ]
    decided = solve(plan=make_plan(1), quotes=many)
    assert "it quoted Step 0 at 310.00 € against 170.00 € chosen" in reason_of(decided, "Shop O")
