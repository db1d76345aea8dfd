"""What a node learns from a planned job, and how its plan is made anew after events; at one real node."""

from datetime import timedelta

import pytest
from flows_world import run_of
from msgspec.structs import replace
from planned_job import JOB, NEED, order_of_plan, planned, records

from interwork.core.errors import BadInput, NotFound, WrongState
from interwork.core.making import Job, JobStep, Run, RunState
from interwork.core.planning import Disturbance, DisturbanceKind, Explanation, Need, Plan, Proposal
from interwork.core.programme import GapKind
from interwork.flows import insight, replan
from interwork.flows.make_part import follow
from interwork.store import Change


async def test_a_plan_is_explained_once_and_kept(shop):
    job = await planned(shop)
    told = await insight.explanation_of(shop, job.plan)
    assert {each.provider_name for each in told.providers} == {"Ash", "Elm", "Oak"}
    assert next(each for each in told.providers if each.provider_name == "Oak").cause == "rule"
    assert await shop.store.get(Explanation, job.plan) == told
    own = await insight.explanation_of(shop, job.plan, reader="did:web:elm")
    assert [each.provider_name for each in own.providers] == ["Elm"]


async def test_a_plan_without_its_quotes_cannot_be_explained(shop):
    job = await planned(shop)
    plan = await shop.store.get(Plan, job.plan)
    await shop.store.commit(Change("test").put(replace(plan, id="plan-other0000", need="need-other0000")))
    with pytest.raises(NotFound):
        await insight.explanation_of(shop, "plan-other0000")


async def test_a_point_of_the_trade_is_taken_before_ordering_and_not_after(shop):
    """allocation 30: a point is chosen before anything is ordered."""
    job = await planned(shop)
    trade = await insight.trade(shop, job.plan)
    other = next(one for one in trade.points if one.plan != job.plan)
    moved = await insight.choose(shop, other.plan, actor="test", by="Ada")
    assert moved.plan == other.plan
    plan = await shop.store.get(Plan, other.plan)
    assert plan.decided_by == "Ada"
    assert plan.totals.co2_kg == other.co2_kg
    await shop.store.commit(Change("test").put(replace(moved, orders=("order-1",), state="running")))
    with pytest.raises(WrongState):
        await insight.choose(shop, job.plan, actor="test", by="Ada")


async def test_the_gaps_and_the_worth_of_hours_come_from_the_needs_held(shop):
    await planned(shop)
    assert await insight.gap_report(shop) == []
    found = await insight.investments(shop, seconds=4)
    assert {row.owner for row in found.rows} <= {"did:web:ash", "did:web:elm"}
    need, _, _ = records(shop.clock())
    await shop.store.commit(
        Change("test").put(replace(need, id="need-poor", title="Poor", process_plan="", kind="money"))
    )
    rows = await insight.gap_report(shop)
    assert [row.kind for row in rows] == [GapKind.FINANCING]


async def test_what_nobody_offers_is_told_with_the_conflict(shop):
    await planned(shop)
    told = await insight.unserved_of(shop, NEED)
    assert len(told) == 3
    assert all(one.nearest == "Nobody in the network offers a resource." for one in told)


def down(plan, number=1, hours=72):
    hit = plan.assignments[number]
    return replan.Told(
        kind=DisturbanceKind.DOWN,
        resource=hit.resource_name,
        since=hit.start,
        until=hit.end + timedelta(hours=hours),
        note="spindle",
    )


async def proposed(node, number=1, **changes):
    job = await planned(node)
    plan = await node.store.get(Plan, job.plan)
    await replan.tell(node, JOB, down(plan, number), actor="test")
    return job, plan, await replan.propose(node, JOB, actor="test", **changes)


async def test_a_machine_that_is_down_gives_a_proposal_and_nothing_is_done(shop):
    """allocation 24: each change is listed with its cause and cost; they add up to what the plan costs more."""
    job, plan, proposal = await proposed(shop)
    assert proposal.changes
    assert "its machine is down (spindle)" in {each.cause for each in proposal.changes}
    after = await shop.store.get(Plan, proposal.after)
    assert after.objective_eur - plan.objective_eur == pytest.approx(proposal.cost_eur)
    assert sum(each.eur for each in proposal.shares) == pytest.approx(proposal.cost_eur, abs=0.03)
    price = next((each.eur for each in proposal.shares if each.name == "price"), 0.0)
    assert sum(each.price_eur for each in proposal.changes) == pytest.approx(price, abs=0.01)
    assert {each.id for each in after.assignments} == {each.id for each in plan.assignments}
    assert (await shop.store.get(Job, JOB)).plan == job.plan


async def test_an_accepted_proposal_is_the_plan_and_undo_brings_the_old_one_back(shop):
    """allocation 24: undo is possible."""
    _, plan, proposal = await proposed(shop)
    await replan.accept(shop, proposal.id, actor="test", by="Ada")
    assert (await shop.store.get(Job, JOB)).plan == proposal.after
    with pytest.raises(WrongState):
        await replan.accept(shop, proposal.id, actor="test", by="Ada")
    undone = await replan.undo(shop, proposal.id, actor="test", by="Ada")
    assert undone.state == "undone"
    back = await shop.store.get(Plan, (await shop.store.get(Job, JOB)).plan)
    assert (back.assignments, back.legs, back.totals) == (plan.assignments, plan.legs, plan.totals)


async def test_a_declined_proposal_changes_nothing(shop):
    job, _, proposal = await proposed(shop)
    await replan.decline(shop, proposal.id, actor="test", by="Ada")
    assert (await shop.store.get(Proposal, proposal.id)).state == "declined"
    assert (await shop.store.get(Job, JOB)).plan == job.plan


async def ordered(node, *, state=RunState.STARTED):
    """Place the orders of a planned job; the first provider's runs stand in a state."""
    job = await planned(node)
    plan = await node.store.get(Plan, job.plan)
    providers = list(dict.fromkeys(one.provider for one in plan.assignments))
    orders = [order_of_plan(plan, one) for one in providers]
    change = Change("test")
    for one in orders:
        change.put(one)
    run = run_of("run-first", order=orders[0].id, assignment=plan.assignments[0].id, state=state)
    change.put(run).put(replace(job, orders=tuple(one.id for one in orders), step=JobStep.MAKE, state="running"))
    await node.store.commit(change)
    return plan, orders


async def test_what_a_machine_has_begun_stays_as_ordered(shop):
    """allocation 23: an order with a begun run is unchanged by a proposal, though its machine is down."""
    plan, orders = await ordered(shop)
    await replan.tell(shop, JOB, down(plan, 0), actor="test")
    proposal = await replan.propose(shop, JOB, actor="test")
    begun = {line.assignment for line in orders[0].lines}
    assert set(proposal.frozen) == begun
    after = {one.id: one for one in (await shop.store.get(Plan, proposal.after)).assignments}
    assert all(after[one.id] == one for one in plan.assignments if one.id in begun)
    assert any("has begun" in note for note in proposal.notes)


async def test_orders_that_stay_are_not_placed_again(shop):
    plan, orders = await ordered(shop)
    job = replace(await shop.store.get(Job, JOB), step=JobStep.AGREE)
    agreed, message = await follow.agree(shop, job)
    assert agreed.orders == tuple(one.id for one in orders)
    assert message.startswith(f"{len(orders)} kept, 0 orders placed")
    assert agreed.plan == plan.id


async def test_a_job_being_made_goes_on_under_the_new_plan(shop):
    await ordered(shop)
    job = await shop.store.get(Job, JOB)
    moved = replace(job, plan="plan-new00000000", step=JobStep.AGREE)
    await shop.store.commit(Change("test").put(moved))
    done, message = await follow.make(shop, job)
    assert (done.step, done.plan) == (JobStep.AGREE, "plan-new00000000")
    assert "planned again" in message


async def test_a_machine_that_is_back_needs_no_change(shop):
    """allocation 26: return to service, told after the outage, leaves the plan as it was."""
    _, plan, _ = await proposed(shop)
    hit = plan.assignments[1]
    back = replan.Told(kind=DisturbanceKind.BACK, resource=hit.resource_name, since=hit.start + timedelta(minutes=1))
    outage = (await shop.store.find(Disturbance, job=JOB))[0]
    early = replace(outage, since=hit.start - timedelta(hours=1))
    await shop.store.commit(Change("test").put(early))
    await replan.tell(shop, JOB, replace(back, since=hit.start), actor="test")
    proposal = await replan.propose(shop, JOB, actor="test")
    assert all("down" not in each.cause for each in proposal.changes if each.was.start >= hit.start)


BAD = (
    ({"resource": "Nothing"}, "does not name one machine"),
    ({"resource": "", "provider": ""}, "does not name one machine"),
    ({"kind": DisturbanceKind.RUSH, "until": None}, "needs an end"),
    ({"until": "before"}, "ends before it begins"),
)


@pytest.mark.parametrize(("changes", "says"), BAD)
async def test_an_event_that_says_nothing_is_refused(shop, changes, says):
    job = await planned(shop)
    told = down(await shop.store.get(Plan, job.plan))
    if changes.get("until") == "before":
        changes = {"until": told.since - timedelta(hours=1)}
    with pytest.raises(BadInput, match=says):
        await replan.tell(shop, JOB, replace(told, **changes), actor="test")
    assert await shop.store.count(Disturbance) == 0
    assert await shop.store.count(Need) == 1
    assert await shop.store.count(Run) == 0
