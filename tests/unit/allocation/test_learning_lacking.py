"""Gaps are told apart on planted cases, conflicts are minimal, relaxations work, prices of hours hold at a re-solve."""

import time

import pytest
from allocation_samples import NOW, make_mode, make_need, make_operation, make_plan, make_quote, make_window
from hypothesis import given, settings
from hypothesis import strategies as st

from interwork.allocation import CapacityOffer, allocate, match
from interwork.allocation.learning.asking import ask
from interwork.allocation.learning.investing import invest
from interwork.allocation.learning.lacking import Held, lacks, report
from interwork.allocation.learning.relaxing import conflict, relaxed, unserved
from interwork.allocation.learning.viewing import placements, schedule_of, view
from interwork.allocation.parts.matching import demands
from interwork.allocation.parts.model import Cause
from interwork.allocation.problem import Size, generate
from interwork.core.design import Requirement
from interwork.core.organisation import Place
from interwork.core.planning import NeedKind, Weights
from interwork.core.programme import GapKind
from interwork.core.resource import Capability


def offer(letter, city="Lyon", **capability):
    stated = {"process": "milling", "tolerance_mm": 0.01, "certificates": ("ISO 9001",), **capability}
    return CapacityOffer(
        provider=f"did:web:{letter}",
        provider_name=f"Shop {letter.upper()}",
        dataset=f"dataset-{letter}",
        resource=f"resource-{letter}",
        resource_name=f"Mill {letter.upper()}",
        place=Place(city=city),
        capabilities=(Capability(**stated),),
    )


def held(offers, need=None, quotes=(), steps=None, plan=None):
    need, steps = need or make_need(), steps or make_plan()
    matches = tuple(match(need, steps, offers))
    return Held(need=need, process=steps, matches=matches, quotes=tuple(quotes), plan=plan, asked_at=NOW)


def planted():
    fine = make_plan((make_operation(requirements=(Requirement(name="tolerance_mm", value=0.002),)),))
    certified = (Requirement(name="certificate", value="AS9100"),)
    able = [offer("a")]
    short = make_quote(make_mode(windows=(make_window(0, 1),)))
    return {
        GapKind.TECHNOLOGY: held(able, make_need(id="n1", budget_eur=9000.0), steps=fine),
        GapKind.POLICY: held(able, make_need(id="n2", requirements=certified, budget_eur=500.0)),
        GapKind.SKILL: held([], make_need(id="n3", kind=NeedKind.SKILL)),
        GapKind.CAPACITY: held(able, make_need(), quotes=[short]),
        GapKind.FINANCING: held(able, make_need(budget_eur=100.0), quotes=[make_quote()]),
    }


@pytest.mark.parametrize("kind", list(GapKind))
def test_each_planted_gap_is_told_as_what_it_is(kind):
    """allocation 29: technology, capacity, skill, policy and financing gaps are separated."""
    assert [each.kind for each in lacks(planted()[kind])] == [kind]


def test_a_need_that_is_planned_in_time_lacks_nothing():
    plan = allocate(make_need(), make_plan(), [make_quote()], weights=Weights(), now=NOW, seconds=5)
    assert list(lacks(held([offer("a")], quotes=[make_quote()], plan=plan))) == []
    assert list(lacks(held([offer("a")], quotes=[make_quote()]))) == []


def test_a_need_that_fails_at_two_operations_is_one_need_with_one_value():
    wants = (Requirement(name="tolerance_mm", value=0.002),)
    steps = make_plan((make_operation(requirements=wants), make_operation(1, requirements=wants)))
    (row,) = report([held([offer("a")], make_need(budget_eur=10.0), steps=steps)], deadline=time.monotonic() + 5)
    assert (row.count, row.value_eur, len(row.needs)) == (1, 10.0, 1)


def test_the_report_counts_needs_and_demand_and_names_the_nearest_with_its_distance():
    """allocation 29: count, demand value, requirement at fault, nearest provider's distance."""
    first = planted()[GapKind.TECHNOLOGY]
    fine = make_plan((make_operation(requirements=(Requirement(name="tolerance_mm", value=0.005),)),))
    second = held([offer("a")], make_need(id="n9"), steps=fine)
    rows = report([first, second, *list(planted().values())[1:]], deadline=time.monotonic() + 20)
    assert {row.kind for row in rows} == set(GapKind)
    technology = rows[0]
    assert (technology.kind, technology.count, technology.value_eur, technology.valued) == (
        GapKind.TECHNOLOGY,
        2,
        9000.0,
        1,
    )
    assert "tolerance_mm 0.002 mm" in technology.requirement
    assert technology.distance == pytest.approx(2.0)
    assert "Mill A at Shop A holds 0.01 mm" in technology.nearest
    financing = next(row for row in rows if row.kind is GapKind.FINANCING)
    assert "70.00 € short" in financing.nearest


CAPABILITIES = st.builds(
    lambda letter, tolerance, axes, certificates, city: offer(
        letter, city, tolerance_mm=tolerance, axes=axes, certificates=certificates
    ),
    st.sampled_from("abcdef"),
    st.sampled_from((0.01, 0.1, 0.5)),
    st.sampled_from((3, 5)),
    st.sampled_from(((), ("ISO 9001",), ("AS9100",))),
    st.sampled_from(("Lyon", "Brno")),
)


@settings(max_examples=40, deadline=None)
@given(st.lists(CAPABILITIES, min_size=1, max_size=6, unique_by=lambda each: each.provider))
def test_a_conflict_is_minimal_and_every_relaxation_told_works(offers):
    """allocation 12, 13, 14: a cause of the closed list, advice that works, a conflict none of which can be dropped."""
    wants = (Requirement(name="tolerance_mm", value=0.05), Requirement(name="axes", value=5))
    steps = make_plan((make_operation(requirements=wants),))
    need = make_need(
        requirements=(Requirement(name="certificate", value="AS9100"), Requirement(name="region", value="Lyon"))
    )
    found = unserved(need, steps, offers)
    if any(each.is_feasible for each in match(need, steps, offers)):
        assert found == []
        return
    (one,) = found
    assert one.cause in Cause
    assert one.conflict
    operation = steps.operations[0]
    core = [each for each in demands(operation, need.requirements) if each.name in one.conflict]

    def is_met(requirements):
        bare = make_plan((make_operation(requirements=tuple(requirements)),))
        with_process = any(each.name == "process" for each in requirements)
        return not with_process or any(each.is_feasible for each in match(make_need(), bare, offers))

    process = [each for each in demands(operation) if each.name == "process"]
    assert not is_met([*process, *[each for each in core if each.name != "process"]])
    for each in core:
        if each.name != "process":
            assert is_met([*process, *[other for other in core if other is not each and other.name != "process"]])
    assert conflict(need, operation, offers) == tuple(core)
    assert one.relaxations
    for advice in one.relaxations:
        easier, plan = relaxed(need, steps, advice)
        able = {each.provider_name for each in match(easier, plan, offers) if each.is_feasible}
        assert able == set(advice.providers)
        assert able


@pytest.mark.timeout(300)  # it takes seconds; a computer that is busy may take longer, and all is still solved
def test_the_investment_list_is_ordered_by_what_solving_again_gains():
    """allocation 28: a slack hour is worth nothing, the dual predicts the re-solve, the order is by re-solved gain."""
    network = generate(Size(needs=60, machines=16, sites=3, seed=9, load=4.0))
    found = invest(network, seconds=200, most=4)
    tried = [row for row in found.rows if row.doubled_eur is not None]
    gains = [row.doubled_eur for row in tried]
    assert found.is_proven
    assert found.tried == 4
    assert gains == sorted(gains, reverse=True)
    assert gains[0] > 0
    for row in tried[:2]:
        assert row.confirmed_eur == pytest.approx(row.predicted_eur, rel=0.05)
        assert row.confirmed_eur <= row.predicted_eur + 1e-6
    assert all(row.value_eur_per_h <= 1e-6 for row in found.rows if row.use < 1 - 1e-6)


def test_a_plan_reads_the_same_as_a_problem_of_the_network():
    quotes = [make_quote(make_mode("a", 0), make_mode("a", 1)), make_quote(make_mode("b", 0), provider="b")]
    plan = allocate(make_need(), make_plan(2), quotes, weights=Weights(), now=NOW, seconds=5)
    asked = ask(make_need(), make_plan(2), quotes, plan)
    seen = view([asked.instance], [asked.schedule.lots])
    placed = placements(seen, 0, asked.schedule)
    assert schedule_of(seen, 0, placed, asked.schedule.lots) == asked.schedule
    assert len(seen.problem.resources) == 2
