"""A plan as whoever pays reads it: its sum, and what stands beside it, each thing once."""

from msgspec.structs import replace
from planned_job import records

from interwork.allocation import allocate
from interwork.core.planning import Weights
from interwork.flows.make_part.beside import also, beside, said, sum_of


def decided(clock):
    now = clock()
    need, process, quotes = records(now)
    return allocate(need, process, quotes, weights=Weights(), now=now, seconds=2)


def test_operations_and_transport_come_to_the_price_and_all_of_it_to_the_objective(clock):
    """The objective is told whole, and its parts add up."""
    plan = decided(clock)
    told = sum_of(plan)
    assert abs(told.work_eur + told.transport_eur - plan.totals.price_eur) < 0.011
    assert abs(told.objective_eur - plan.objective_eur) < 0.02
    assert told.transport_eur == sum(one.price_eur for one in plan.legs)


def test_a_plan_that_plays_several_parts_stands_beside_once_with_each(clock):
    """One provider that is also the cheapest is said once."""
    plan = decided(clock)
    rows = beside(plan)
    roles = [role for one in rows for role in one.roles]
    placed = [frozenset(a.start for a in one.candidate.assignments) for one in rows if one.candidate.assignments]
    assert sorted({*roles, *also(plan)}) == ["alone", "cheapest-single", "first-capable"]
    assert len(rows) + len(also(plan)) <= len(plan.alternatives)
    assert len(placed) == len(set(placed))
    assert [one.candidate.is_feasible for one in rows] == sorted(
        (one.candidate.is_feasible for one in rows), reverse=True
    )
    assert all("alone" in said(one) for one in rows if one.provider_name)


def test_the_plan_itself_is_not_listed_beside_itself(clock):
    plan = decided(clock)
    same = next(one for one in plan.alternatives if one.name == "first-capable")
    same = replace(same, assignments=plan.assignments, legs=plan.legs)
    others = tuple(one for one in plan.alternatives if one.name != "first-capable")
    told = replace(plan, alternatives=(same, *others))
    assert "first-capable" in also(told)
    assert all("first-capable" not in one.roles for one in beside(told))
