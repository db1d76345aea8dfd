"""An explanation's figures are those of other plans over the same quotes; a member reads its own row only."""

import re

import msgspec
import pytest
from allocation_samples import BRNO, NOW, exhaustive_eur, make_mode, make_need, make_plan, make_quote, make_window
from msgspec.structs import replace

from interwork.allocation import CapacityOffer, allocate, check, match
from interwork.allocation.learning.explaining import explain_plan, told_to
from interwork.allocation.learning.trading import point, trade_off, undominated
from interwork.core.design import Requirement
from interwork.core.planning import Weights
from interwork.core.resource import Capability

NEED, STEPS = make_need(quantity=1), make_plan(2)
QUOTES = [
    make_quote(make_mode("a", 0), make_mode("a", 1)),
    make_quote(make_mode("b", 0, unit_price_eur=14, place=BRNO), provider="b"),
    make_quote(make_mode("c", 0, setup_price_eur=90), make_mode("c", 1, unit_price_eur=30), provider="c"),
    make_quote(provider="d", modes=(), declined=("Step 0: Mill D holds 0.5 mm, 0.05 mm is wanted.",)),
]


def explained(quotes=QUOTES, need=NEED, matches=(), **changes):
    plan = allocate(need, STEPS, quotes, weights=Weights(), now=NOW, seconds=20)
    return plan, explain_plan(need, STEPS, quotes, matches, plan, seconds=20, **changes)


def row(explanation, letter):
    return next(each for each in explanation.providers if each.provider == f"did:web:{letter}")


def test_the_contribution_table_adds_up_to_the_objective():
    """allocation 15: price, transport, CO₂, lateness and the wait are told and add up."""
    plan, explanation = explained()
    assert sum(each.eur for each in explanation.shares) == pytest.approx(plan.objective_eur, abs=1e-6)
    assert [each.name for each in explanation.shares][:3] == ["price", "transport", "CO₂"]


def test_why_not_names_the_extra_cost_and_forcing_it_costs_exactly_that():
    """allocation 16: forcing a provider costs exactly the stated extra, by an exhaustive search and the referee."""
    plan, explanation = explained()
    for letter in "bc":
        other = row(explanation, letter)
        own = next(each for each in QUOTES if each.provider == other.provider)
        ways = []
        for operation in {mode.operation for mode in own.modes}:
            rest = [
                replace(q, modes=tuple(m for m in q.modes if m.operation != operation or m.provider == own.provider))
                for q in QUOTES
            ]
            ways.append(exhaustive_eur(NEED, STEPS, rest))
        assert other.is_proven
        assert other.extra_eur == pytest.approx(min(ways) - plan.objective_eur, abs=1e-4)
        assert f"{other.extra_eur:,.2f} € more" in other.text
        assert sum(each.eur for each in other.shares) == pytest.approx(other.extra_eur, abs=0.03)
        forced = next(each for each in explanation.forced if each.name == f"with:{other.provider}")
        assert forced.objective_eur - plan.objective_eur == pytest.approx(other.extra_eur, abs=1e-9)
        taken = replace(
            plan,
            assignments=forced.assignments,
            legs=forced.legs,
            totals=forced.totals,
            objective_eur=forced.objective_eur,
            bound_eur=0.0,
            gap=1.0,
            is_optimal=False,
            alternatives=tuple(each for each in plan.alternatives if each.name in ("first-capable", "cheapest-single")),
        )
        assert [each for each in check(taken, NEED, STEPS, QUOTES) if "is better than the plan" not in each] == []


def test_what_would_change_it_does_change_it():
    _, explanation = explained()
    assert row(explanation, "c").operations == ("Step 1",)
    less = float(re.search(r"more than ([\d,.]+) €", row(explanation, "c").change)[1].replace(",", ""))
    for cut, is_chosen in ((less - 0.02, False), (less + 0.02, True)):
        first, second = QUOTES[2].modes
        modes = (first, replace(second, setup_price_eur=second.setup_price_eur - cut))
        cheaper = [*QUOTES[:2], replace(QUOTES[2], modes=modes)]
        plan = allocate(NEED, STEPS, cheaper, weights=Weights(), now=NOW, seconds=20)
        assert any(each.provider == "did:web:c" for each in plan.assignments) is is_chosen


def test_a_chosen_provider_is_told_with_its_margin_and_the_runner_up():
    plan, explanation = explained()
    first = row(explanation, "a")
    without = allocate(NEED, STEPS, QUOTES[1:], weights=Weights(), now=NOW, seconds=20)
    assert first.is_chosen
    assert first.extra_eur == pytest.approx(without.objective_eur - plan.objective_eur, abs=1e-6)
    assert set(first.runner_up) == {each.provider_name for each in without.assignments}


def test_a_full_calendar_shows_as_scarcity_and_is_what_a_free_one_would_save():
    busy = replace(QUOTES[0], modes=tuple(replace(m, windows=(make_window(48, 240),)) for m in QUOTES[0].modes))
    _, explanation = explained([busy])
    scarcity = next(each.eur for each in row(explanation, "a").shares if each.name == "scarcity")
    assert scarcity == pytest.approx(2 * Weights().finish_eur_per_day, abs=0.01)
    assert explanation.scarcity_eur == pytest.approx(scarcity)


def test_why_not_names_the_first_rule_that_fails_with_its_numbers():
    """allocation 15: the failing requirement is named with both numbers."""
    offer = CapacityOffer(
        provider="did:web:e",
        provider_name="Shop E",
        dataset="dataset-e",
        resource="resource-e",
        resource_name="Mill E",
        capabilities=(Capability(process="milling", tolerance_mm=0.2, materials=("aluminium",)),),
    )
    _, explanation = explained(matches=match(NEED, STEPS, [offer]))
    told = row(explanation, "e")
    assert told.cause == "rule"
    assert "0.2 mm" in told.text
    assert "0.05 mm" in told.change
    assert "0.5 mm" in row(explanation, "d").text


def test_no_price_of_another_member_is_in_what_a_member_is_told():
    """allocation 11: a member's own row says nothing of what others ask, who they are or what the plan costs."""
    plan, explanation = explained()
    for letter in "abcd":
        told = told_to(explanation, f"did:web:{letter}")
        text = msgspec.json.encode(told).decode()
        assert [each.provider for each in told.providers] == [f"did:web:{letter}"]
        for other in set("abcd") - {letter}:
            assert f"Shop {other.upper()}" not in text
        foreign = [a.price_eur for a in plan.assignments if a.provider != f"did:web:{letter}"]
        assert not any(f"{price:.2f}" in text for price in [*foreign, plan.objective_eur])


def test_points_of_the_trade_are_mutually_non_dominated_and_their_co2_adds_up():
    """allocation 30: no point beats another in price, finish and CO₂; totals are operations and transport."""
    fast = make_mode("a", 0, setup_price_eur=300, unit_s=60, setup_s=60, unit_co2_kg=3)
    slow = make_mode("b", 0, setup_price_eur=0, unit_s=9000, unit_co2_kg=2)
    clean = make_mode("c", 0, setup_price_eur=120, unit_s=4000, unit_co2_kg=0.0, setup_co2_kg=0.0)
    quotes = [make_quote(fast), make_quote(slow, provider="b"), make_quote(clean, provider="c")]
    need = make_need(quantity=20, requirements=(Requirement(name="material", value="al-6061"),))
    plans = trade_off(need, make_plan(1), quotes, weights=Weights(), now=NOW)
    assert len(plans) >= 3
    points = [(each.price_eur, each.finish, each.co2_kg) for each in map(point, plans)]
    for one in points:
        assert not any(all(a <= b for a, b in zip(other, one, strict=True)) for other in points if other != one)
    for each in plans:
        assert check(each, need, make_plan(1), quotes) == []
        co2 = sum(a.co2_kg for a in each.assignments) + sum(leg.co2_kg for leg in each.legs)
        assert each.totals.co2_kg == pytest.approx(co2, abs=0.002)
    assert undominated(plans) == plans
