"""A proposal is accepted, declined or undone: orders of unchanged work stay, others are withdrawn and placed anew."""

from collections.abc import Iterable

import msgspec

from interwork.core.design import EdgeKind
from interwork.core.errors import InterworkError, WrongState
from interwork.core.event import Tag
from interwork.core.ids import derived_id
from interwork.core.making import Job, JobStep, Order, OrderLine, OrderState
from interwork.core.planning import Assignment, Plan, Proposal
from interwork.flows.make_part.replan import take_back
from interwork.flows.node import Node
from interwork.flows.weave import Knot, knot, tie
from interwork.store import Change

CHANGEABLE = (JobStep.AGREE, JobStep.ORDER, JobStep.MAKE)


async def accept(node: Node, proposal_id: str, *, actor: str, by: str) -> Proposal:
    """Make a proposal's plan the job's; what was ordered and moves is withdrawn and ordered anew."""
    proposal = await _in_state(node, proposal_id, "proposed")
    job = await node.store.get(Job, proposal.job)
    if job.plan != proposal.before:
        raise WrongState(
            f"{job.title} has another plan by now.",
            remedy="Ask for a proposal again: it is made for the plan in force.",
        )
    plan = await node.store.get(Plan, proposal.after)
    await _switch(node, job, msgspec.structs.replace(plan, decided_by=by), actor=actor)
    return await _decided(node, proposal, "accepted", actor=actor, by=by)


async def undo(node: Node, proposal_id: str, *, actor: str, by: str) -> Proposal:
    """Go back to the plan before; WrongState where a machine has begun what would move back."""
    proposal = await _in_state(node, proposal_id, "accepted")
    job = await node.store.get(Job, proposal.job)
    if job.plan != proposal.after:
        raise WrongState(f"{job.title} has another plan by now.", remedy="Undo the newest accepted proposal first.")
    before = await node.store.get(Plan, proposal.before)
    # A new id, so that orders withdrawn under the old plan are not taken for those to be placed again.
    back = msgspec.structs.replace(before, id=derived_id("plan", before.id, proposal.id), decided_by=by)
    await _switch(node, job, back, actor=actor)
    return await _decided(node, proposal, "undone", actor=actor, by=by)


async def decline(node: Node, proposal_id: str, *, actor: str, by: str) -> Proposal:
    """Put a proposal aside."""
    proposal = await _in_state(node, proposal_id, "proposed")
    return await _decided(node, proposal, "declined", actor=actor, by=by)


async def _in_state(node: Node, proposal_id: str, state: str) -> Proposal:
    proposal = await node.store.get(Proposal, proposal_id)
    if proposal.state != state:
        again = f"ask for a new one with `interwork replan {proposal.job}`"
        raise WrongState(
            f"The proposal {proposal_id} is {proposal.state}.",
            remedy=f"This needs one that is {state}" + (f"; {again}." if state == "proposed" else "."),
        )
    return proposal


async def _decided(node: Node, proposal: Proposal, state: str, *, actor: str, by: str) -> Proposal:
    done = msgspec.structs.replace(proposal, state=state, decided_by=by)
    change = Change(actor).put(done, expect=proposal)
    change.event(Tag.PROPOSAL_DECIDED, proposal.job, proposal=proposal.id, state=state)
    await node.store.commit(change)
    return done


async def _switch(node: Node, job: Job, plan: Plan, *, actor: str) -> None:
    """Give a job another plan; while orders are withdrawn the job waits, so that nobody works on half of it."""
    if job.step not in CHANGEABLE or (job.state == "running" and job.step is not JobStep.MAKE):
        raise WrongState(
            f"{job.title} stands at {job.step.value} and is {job.state}.",
            remedy="A plan is changed after it was made and before the parts are; wait until orders are placed.",
        )
    orders = [await node.store.get(Order, one) for one in job.orders]
    live = [one for one in orders if one.state is not OrderState.CANCELLED]
    kept = [one for one in live if _is_unchanged(one.lines, plan.assignments)]
    moved = [one for one in live if one not in kept]
    now = node.clock()
    waits = msgspec.structs.replace(
        job,
        plan=plan.id,
        step=JobStep.AGREE,
        orders=tuple(one.id for one in kept),
        state="waiting" if orders else job.state,
        message=f"planned again: {len(kept)} orders stay, {len(moved)} are placed anew",
        remedy="",
        updated_at=now,
    )
    change = Change(actor).put(plan).put(waits, expect=job)
    change.event(Tag.PLAN_DECIDED, plan.id, objective=plan.objective_eur, instead_of=job.plan)
    knot(node, change, Knot(id=plan.id, kind="plan", label=f"plan made anew: {plan.objective_eur:,.0f} EUR"))
    tie(node, change, plan.need, EdgeKind.DECIDES, plan.id)
    await node.store.commit(change)
    if not orders:
        return
    taken: list[str] = []
    try:
        for order in moved:
            await take_back(node, order, "planned again after an event")
            taken.append(order.id)
    except InterworkError:
        await _restore(node, job, taken, actor=actor)
        raise
    going = msgspec.structs.replace(waits, state="running")
    await node.store.commit(Change(actor).put(going).event(Tag.JOB_MOVED, job.id, step=going.step.value))


async def _restore(node: Node, job: Job, taken: list[str], *, actor: str) -> None:
    """Put a job back to the plan it had; what was taken back already is ordered again, under a copy of that plan."""
    change, back = Change(actor), job
    if taken:
        before = await node.store.get(Plan, job.plan)
        copy = msgspec.structs.replace(before, id=derived_id("plan", before.id, *taken))
        left = tuple(one for one in job.orders if one not in taken)
        back = msgspec.structs.replace(job, plan=copy.id, step=JobStep.AGREE, orders=left, state="running")
        change.put(copy)
    await node.store.commit(change.put(back, expect=await node.store.get(Job, job.id)))


def _is_unchanged(lines: Iterable[OrderLine], assignments: Iterable[Assignment]) -> bool:
    at = {one.id: (one.resource, one.start, one.end, one.quantity) for one in assignments}
    return all(at.get(one.assignment) == (one.resource, one.start, one.end, one.quantity) for one in lines)
