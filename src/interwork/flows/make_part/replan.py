"""Planning around a provider that refused or went away: give back what was placed, ask the others again."""

from collections.abc import Sequence

import anyio
import msgspec
import structlog

from interwork.core.errors import InterworkError, NoPlan, WrongState
from interwork.core.event import Tag
from interwork.core.exchange import Agreement
from interwork.core.making import Job, JobStep, Order, OrderState
from interwork.flows.node import Node
from interwork.store import Change

log = structlog.get_logger()
REPLANS_MAX = 3
"""After this many the job stops and says what happened."""
UNTOLD = "its provider is not told yet: "
"""Begins the reason of an order withdrawn while its provider was away."""
AGAIN_S = 5.0
"""How long providers that are away are waited for before all are asked anew."""


async def without(
    node: Node, job: Job, placed: Sequence[Order], provider: str, fault: InterworkError
) -> tuple[Job, str]:
    """Send the job back to asking for quotes; a provider that was away is left out, one that refused is asked anew."""
    for order in placed:
        await _give_back(node, order)
    replans = int(job.facts.get("replans", 0)) + 1
    if replans > REPLANS_MAX:
        raise NoPlan(
            f"{REPLANS_MAX} plans could not be agreed; the last failed at {provider}: {fault}",
            remedy="Look at the providers' nodes, then make the part again.",
        ) from fault
    excluded = set(job.facts.get("excluded", []))
    if fault.retryable:
        excluded.add(provider)
    facts = {**job.facts, "replans": replans, "excluded": sorted(excluded)}
    job = msgspec.structs.replace(job, step=JobStep.QUOTE, quotes=(), plan="", orders=(), facts=facts)
    return job, f"planned again without what failed at {provider}: {fault}"


async def again(job: Job, fault: NoPlan) -> tuple[Job, str]:
    """Ask all once more, a while later, where providers that were away may make the difference; else it is final."""
    replans = int(job.facts.get("replans", 0)) + 1
    left_out = [*job.facts.get("away", []), *job.facts.get("excluded", [])]
    if replans > REPLANS_MAX or not left_out:
        raise fault
    await anyio.sleep(AGAIN_S)
    facts = {**job.facts, "replans": replans, "excluded": []}
    job = msgspec.structs.replace(job, step=JobStep.QUOTE, quotes=(), facts=facts)
    return job, f"no plan without {'; '.join(left_out)}: asked again"


async def give_up(node: Node, job_id: str, *, actor: str = "node") -> Job:
    """Cancel a job: its orders are given back; where a machine has begun, that is said and the job goes on."""
    job = await node.store.get(Job, job_id)
    if job.state == "done" or job.step is JobStep.DONE:
        raise WrongState(f"Job {job_id} is done.", remedy="What was made cannot be cancelled.")
    for order_id in job.orders:
        order = await node.store.get(Order, order_id)
        if order.state is not OrderState.CANCELLED:
            await withdraw(node, order)
            await node.store.commit(Change().put(msgspec.structs.replace(order, state=OrderState.CANCELLED)))
    job = await node.store.get(Job, job_id)
    message = "cancelled; nothing is ordered any more"
    cancelled = msgspec.structs.replace(job, state="failed", message=message, remedy="", updated_at=node.clock())
    await node.store.commit(
        Change(actor).put(cancelled, expect=job).event(Tag.JOB_FAILED, job_id, step=job.step.value, message=message)
    )
    return cancelled


async def withdraw(node: Node, order: Order) -> None:
    """Ask a provider to take an order back; its refusal is raised."""
    agreement = await node.store.get(Agreement, order.agreement)
    with anyio.fail_after(10):
        transfer = await node.federation.transfer(agreement, key=f"capacity:{agreement.dataset}:{agreement.id}")
        await node.federation.fetch(transfer, path=f"orders/{order.id}/cancel", body=b"{}", what="a cancellation")


async def take_back(node: Node, order: Order, reason: str) -> None:
    """Take an order back; a provider that refuses raises, one that is away is told when it answers again."""
    try:
        await withdraw(node, order)
    except (InterworkError, TimeoutError) as fault:
        if isinstance(fault, InterworkError) and not fault.retryable:
            raise
        log.warning("order.not-given-back", order=order.id, fault=str(fault))
        reason = UNTOLD + reason
    await node.store.commit(Change().put(msgspec.structs.replace(order, state=OrderState.CANCELLED, reason=reason)))


async def tell_withdrawn(node: Node, job_id: str) -> None:
    """Tell providers that were away what was withdrawn meanwhile; what they say to it is kept with the order."""
    for order in await node.store.find(Order, job=job_id, state=OrderState.CANCELLED, limit=100):
        if not order.reason.startswith(UNTOLD):
            continue
        reason = order.reason.removeprefix(UNTOLD)
        try:
            await withdraw(node, order)
        except TimeoutError:
            continue
        except InterworkError as fault:
            if fault.retryable:
                continue
            reason = f"{reason}; it could not be taken back: {fault.message}"
        await node.store.commit(Change().put(msgspec.structs.replace(order, reason=reason), expect=order))


async def _give_back(node: Node, order: Order) -> None:
    try:
        await take_back(node, order, "planned again without it")
    except InterworkError as fault:
        log.warning("order.not-given-back", order=order.id, fault=str(fault))
        reason = f"planned again without it; it could not be taken back: {fault.message}"
        await node.store.commit(Change().put(msgspec.structs.replace(order, state=OrderState.CANCELLED, reason=reason)))
