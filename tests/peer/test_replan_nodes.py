"""A job between two shops meets a breakdown: proposed, accepted, undone and made; whole nodes over real HTTP."""

from datetime import timedelta

import pytest
from planning_nodes import at_work, finished, network, reaches, submitted, work_at

from interwork.core.errors import InterworkError
from interwork.core.making import Job, JobStep, Order, OrderState, Run, RunState
from interwork.core.planning import DisturbanceKind, Plan, Proposal
from interwork.flows import make_part, replan
from interwork.flows.fulfil import perform

pytestmark = [pytest.mark.peer, pytest.mark.timeout(120)]


def placed(job, plan=""):
    return job.step is JobStep.MAKE and job.orders and job.plan != plan and job.state == "running"


async def orders_of(node, job):
    return [await node.store.get(Order, one) for one in job.orders]


async def told(lab, job, name):
    """Tell that the machine of an operation is down for twenty days."""
    plan = await lab.store.get(Plan, job.plan)
    hit = next(one for one in plan.assignments if one.resource_name == name)
    event = replan.Told(
        kind=DisturbanceKind.DOWN,
        resource=hit.resource_name,
        since=hit.start,
        until=hit.start + timedelta(days=20),
        note="spindle",
    )
    await replan.tell(lab, job.id, event, actor="test")


async def test_a_job_between_two_shops_is_planned_around_a_machine_that_broke_undone_and_made(tmp_path):
    """allocation 24: a priced proposal is accepted and undone over nodes; orders follow at the shops themselves."""
    async with network(tmp_path, "lab", "ash", "elm") as nodes:
        lab, ash, elm = (nodes[key] for key in ("lab", "ash", "elm"))
        async with at_work((make_part.work, lab), (perform.work, ash), (perform.work, elm)):
            job = await reaches(lab, (await submitted(lab)).id, placed)
            plan = await lab.store.get(Plan, job.plan)
            assert {one.provider for one in plan.assignments} == {ash.did, elm.did}
            proposal = await proposed_while_work_goes_on(nodes, job)
            after = await accepted(nodes, job, plan, proposal)
            back = await undone(nodes, job, plan, after, proposal)
            await refused_once_begun(nodes, job, back)
            await made_to_the_end(nodes, job, plan)


async def proposed_while_work_goes_on(nodes, job):
    """The first milling is done at one shop when the other's machine breaks: the first shop's order stays."""
    lab, ash = nodes["lab"], nodes["ash"]
    kept = next(one for one in await orders_of(lab, job) if one.provider == ash.did)
    while not await work_at(ash, most=1):
        await reaches(lab, job.id, placed)
    await told(lab, job, "Elm deburring")
    proposal = await replan.propose(lab, job.id, actor="test")
    assert {one.cause for one in proposal.changes} >= {"its machine is down (spindle)"}
    assert sum(each.eur for each in proposal.shares) == pytest.approx(proposal.cost_eur, abs=0.03)
    assert proposal.cost_eur > 0
    assert set(proposal.frozen) == {line.assignment for line in kept.lines}
    return proposal


async def accepted(nodes, job, plan, proposal):
    """Accepted, the orders that move are withdrawn at their shop and placed anew; the others stand."""
    lab, begun = nodes["lab"], set(job.orders)
    await replan.accept(lab, proposal.id, actor="test", by="Ada")
    job = await reaches(lab, job.id, lambda one: placed(one, plan.id))
    await both_hold_the_same(lab, nodes, job)
    after = await lab.store.get(Plan, job.plan)
    assert not [one for one in after.assignments if one.resource_name == "Elm deburring"]
    assert len(begun & set(job.orders)) == 1
    return after


async def undone(nodes, job, plan, after, proposal):
    """Undone, the plan is as it was before, at the shops too."""
    lab = nodes["lab"]
    await replan.undo(lab, proposal.id, actor="test", by="Ada")
    job = await reaches(lab, job.id, lambda one: placed(one, after.id))
    back = await lab.store.get(Plan, job.plan)
    assert (back.assignments, back.objective_eur) == (plan.assignments, plan.objective_eur)
    await both_hold_the_same(lab, nodes, job)
    assert (await lab.store.get(Proposal, proposal.id)).state == "undone"
    return back


async def refused_once_begun(nodes, job, back):
    """A shop that has begun meanwhile refuses to give its order back; the job goes on as it was."""
    lab, ash, elm = (nodes[key] for key in ("lab", "ash", "elm"))
    while not await elm.store.count(Run, state=RunState.RELEASED):
        await work_at(ash)
        await reaches(lab, job.id, lambda one: one.state == "running")
    again = await replan.propose(lab, job.id, actor="test")
    (run, *_) = await elm.store.find(Run, state=RunState.RELEASED, limit=1)
    await perform.start(elm, run.id, actor="test")
    with pytest.raises(InterworkError, match="work has begun"):
        await replan.accept(lab, again.id, actor="test", by="Ada")
    job = await reaches(lab, job.id, lambda _: True)
    assert (job.plan, job.step, job.state) == (back.id, JobStep.MAKE, "running")
    assert (await lab.store.get(Proposal, again.id)).state == "proposed"
    await finished(elm, run.id)


async def made_to_the_end(nodes, job, plan):
    """Every assignment is made once."""
    lab, ash, elm = (nodes[key] for key in ("lab", "ash", "elm"))
    job = await reaches(lab, job.id, lambda _: True)
    while job.state == "running":
        await work_at(ash)
        await work_at(elm)
        job = await reaches(lab, job.id, lambda _: True)
    assert (job.state, job.step) == ("done", JobStep.DONE)
    runs = [run for one in job.orders for run in await lab.store.find(Run, order=one, limit=100)]
    assert {run.state for run in runs} == {RunState.COMPLETED}
    assert {run.assignment for run in runs} == {one.id for one in plan.assignments}


async def both_hold_the_same(lab, nodes, job):
    """Hold the orders in force at the buyer against those at the shops."""
    mine = {one.id: one.lines for one in await orders_of(lab, job)}
    live = [OrderState.PLACED, OrderState.ACCEPTED, OrderState.IN_WORK]
    theirs = {
        one.id: one.lines
        for key in ("ash", "elm")
        for one in await nodes[key].store.find(Order, job=job.id, state=live, limit=100)
    }
    assert theirs == mine
    assert (await lab.store.get(Job, job.id)).state == "running"
