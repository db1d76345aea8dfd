"""The checker finds every kind of wrong figure; a referee that nods is none."""

from datetime import timedelta

import pytest
from allocation_samples import DAY, LYON, NOW, make_mode, make_need, make_plan, make_quote
from msgspec.structs import replace

from interwork.allocation import allocate, check
from interwork.core.design import Requirement
from interwork.core.planning import Weights

NEED, PROCESS = make_need(quantity=60, due=NOW + timedelta(hours=6)), make_plan(2)
QUOTES = [
    make_quote(make_mode("a", 0), make_mode("a", 1)),
    make_quote(make_mode("b", 0, place=LYON), make_mode("b", 1, place=LYON), provider="b"),
]
PLAN = allocate(NEED, PROCESS, QUOTES, weights=Weights(late_eur_per_h=200), now=NOW, seconds=30)
HOUR = timedelta(hours=1)


def spoil(number=0, **changes):
    """Change one assignment of the plan."""
    listed = list(PLAN.assignments)
    listed[number] = replace(listed[number], **changes)
    return replace(PLAN, assignments=tuple(listed))


def spoil_leg(**changes):
    return replace(PLAN, legs=(replace(PLAN.legs[0], **changes), *PLAN.legs[1:]))


def spoil_total(**changes):
    return replace(PLAN, totals=replace(PLAN.totals, **changes))


def spoil_rival(**changes):
    return replace(PLAN, alternatives=(replace(PLAN.alternatives[0], **changes), *PLAN.alternatives[1:]))


def test_the_plan_itself_is_right_and_uses_both_shops():
    assert check(PLAN, NEED, PROCESS, QUOTES) == []
    assert len({each.provider for each in PLAN.assignments}) == 2
    assert len({each.lot for each in PLAN.assignments}) > 1


@pytest.mark.parametrize(
    ("spoiled", "words"),
    [
        (spoil(quantity=1), "changes its size"),
        (spoil(lot=9), "lots are numbered"),
        (spoil(operation="op-9"), "no operation of the process plan"),
        (replace(PLAN, assignments=PLAN.assignments[1:]), "not placed once for each lot"),
        (spoil(resource="resource-z"), "no valid quote"),
        (spoil(provider="did:web:z"), "no valid quote"),
        (spoil(end=PLAN.assignments[0].end - HOUR), "where the quote says"),
        (spoil(start=PLAN.assignments[0].start - DAY, end=PLAN.assignments[0].end - DAY), "before the plan was made"),
        (spoil(start=PLAN.assignments[0].start + 30 * DAY, end=PLAN.assignments[0].end + 30 * DAY), "one free window"),
        (spoil(price_eur=1.0), "price is stated as 1.0"),
        (spoil(energy_kwh=1.0), "energy is stated"),
        (spoil(co2_kg=1.0), "CO₂ is stated"),
        (spoil(water_l=1.0), "water is stated"),
        (spoil(place=replace(LYON, city="Paris")), "quoted in"),
        (replace(PLAN, legs=()), "not carried in time"),
        (replace(PLAN, legs=(*PLAN.legs, PLAN.legs[0])), "for nothing"),
        (spoil_leg(price_eur=0.5), "Carrying lot"),
        (spoil_leg(co2_kg=0.5), "kg CO₂"),
        (spoil_leg(distance_km=3.0), "not carried in time"),
        (spoil_leg(end=PLAN.legs[0].start), "goes 4"),
        (spoil_total(price_eur=1.0), "total price"),
        (spoil_total(energy_kwh=1.0), "total energy"),
        (spoil_total(co2_kg=1.0), "total CO₂"),
        (spoil_total(water_l=1.0), "total water"),
        (spoil_total(transport_km=1.0), "total distance"),
        (spoil_total(late_h=99.0), "total lateness"),
        (spoil_total(finish=NOW), "finish is stated"),
        (replace(PLAN, objective_eur=1.0), "total objective"),
        (replace(PLAN, bound_eur=PLAN.objective_eur + 1), "above the objective"),
        (replace(PLAN, gap=0.5), "gap is stated"),
        (replace(PLAN, bound_eur=0.0, gap=1.0), "called optimal"),
        (replace(PLAN, alternatives=()), "baseline first-capable is missing"),
        (replace(PLAN, need="need-2"), "plan is for"),
        (replace(PLAN, created_at=NOW + 3 * DAY), "no valid quote"),
        (spoil_rival(objective_eur=1.0), "better than the plan"),
        (spoil_rival(totals=None), "has no totals"),
        (spoil_rival(is_feasible=False), "without saying a budget"),
        (spoil_rival(name="only:did:web:q"), "uses other providers"),
    ],
)
def test_a_wrong_figure_is_found(spoiled, words):
    assert any(words in fault for fault in check(spoiled, NEED, PROCESS, QUOTES))


def test_two_lots_on_one_machine_at_once_are_found():
    first, other = (each for each in PLAN.assignments[:2])
    doubled = spoil(1, resource=first.resource, provider=first.provider, start=first.start, end=first.end)
    assert other.resource != first.resource or other.start != first.start
    assert any(" does " in fault for fault in check(doubled, NEED, PROCESS, QUOTES))


def test_work_before_the_operation_it_waits_for_is_found():
    number, late = next((n, each) for n, each in enumerate(PLAN.assignments) if each.operation == "op-1")
    early = spoil(number, start=NOW, end=NOW + (late.end - late.start))
    assert any("starts before" in fault for fault in check(early, NEED, PROCESS, QUOTES))


def test_a_price_over_the_budget_is_found():
    assert any("exceeds the budget" in each for each in check(PLAN, replace(NEED, budget_eur=10.0), PROCESS, QUOTES))


def test_a_place_outside_the_region_is_found():
    need = replace(NEED, requirements=(Requirement(name="region", value="SE"),))
    assert any("stands outside se" in each for each in check(PLAN, need, PROCESS, QUOTES))
