"""After a breakdown: what is started or frozen stays, what is hit is put back, every change is told and priced."""

import pytest

from interwork.allocation import Limits, solve, verify
from interwork.allocation.network import Outage, Stability, replan, right_shift
from interwork.allocation.network.replan import with_outages
from interwork.allocation.problem import Size, generate

NOW = 120


@pytest.fixture(scope="module")
def network():
    problem = generate(Size(needs=40, machines=16, sites=4, seed=11))
    return problem, solve(problem, Limits(seconds=30, effort=2))


def busiest(problem, plan, count=2):
    """Name the most loaded machines after now."""
    load = dict.fromkeys(range(len(problem.resources)), 0)
    for each in plan.placements:
        if each.start >= NOW:
            load[problem.activities[each.activity].modes[each.mode].uses[0][0]] += each.end - each.start
    return sorted(load, key=lambda r: -load[r])[:count]


def outages(problem, plan, count=2):
    """Break the most loaded machines for three days."""
    return [Outage(r, NOW, NOW + 288) for r in busiest(problem, plan, count)]


def test_a_breakdown_is_mended_and_started_or_frozen_work_stays(network):
    """allocation 23: started and frozen operations are unchanged, the plan keeps off the broken machines."""
    problem, plan = network
    proposal = replan(problem, plan, outages(problem, plan), now=NOW, frozen_until=NOW + 8)
    before = {each.activity: each for each in plan.placements}
    after = {each.activity: each for each in proposal.after.placements}
    assert verify(proposal.problem, proposal.after) == []
    assert proposal.kept
    assert proposal.hit
    assert all(before[a] == after[a] for a in proposal.kept)
    assert not set(proposal.hit) & set(proposal.kept)


def test_every_change_is_told_with_its_cause_and_cost_and_can_be_undone(network):
    """allocation 24: the diff lists each change; undoing them gives the plan before."""
    problem, plan = network
    proposal = replan(problem, plan, outages(problem, plan), now=NOW)
    undone = {each.activity: each for each in proposal.after.placements}
    for change in proposal.changes:
        assert change.cause
        assert undone.get(change.activity) == change.now
        undone[change.activity] = change.was
    assert tuple(undone[a] for a in sorted(undone)) == plan.placements
    assert sum(each.cost for each in proposal.changes) == pytest.approx(proposal.cost, abs=1e-3)
    assert any(each.cause == "its resource is down" for each in proposal.changes)


def test_repair_costs_less_and_moves_less_than_right_shift(network):
    problem, plan = network
    events = outages(problem, plan)
    shifted = right_shift(problem, plan, events, now=NOW)
    proposal = replan(problem, plan, events, now=NOW)
    moved = sum(a != b for a, b in zip(plan.placements, shifted.placements, strict=True))
    assert verify(with_outages(problem, events), shifted) == []
    assert proposal.after.objective <= shifted.objective
    assert len(proposal.changes) <= moved


def test_the_more_stability_weighs_the_fewer_moves(network):
    """allocation 25: a higher stability weight gives fewer moves, and no lower cost."""
    problem, plan = network
    found = [
        replan(
            problem,
            plan,
            outages(problem, plan),
            now=NOW,
            limits=Limits(seconds=30, effort=2),
            stability=Stability(per_mode=weight, per_unit=weight / 100),
        )
        for weight in (0.0, 100_000.0)
    ]
    assert len(found[1].changes) <= len(found[0].changes)
    assert found[1].after.objective >= found[0].after.objective - 1e-6
    assert all(verify(each.problem, each.after) == [] for each in found)


def test_events_at_once_and_out_of_order_give_the_same_plan(network):
    """allocation 26: two simultaneous events, in any order, give the same proposal."""
    problem, plan = network
    events = outages(problem, plan)
    one = replan(problem, plan, events, now=NOW)
    other = replan(problem, plan, events[::-1], now=NOW)
    assert one.after.placements == other.after.placements


def test_a_machine_that_is_back_is_used_again(network):
    """allocation 26: return to service lets the next plan use the machine; the plan is no dearer for it."""
    problem, plan = network
    events = outages(problem, plan, 1)
    broken = replan(problem, plan, events, now=NOW)
    back = replan(problem, broken.after, [], now=NOW, limits=Limits(seconds=30, effort=2))
    assert verify(back.problem, back.after) == []
    assert back.hit == ()
    assert back.after.objective <= broken.after.objective + 1e-6
