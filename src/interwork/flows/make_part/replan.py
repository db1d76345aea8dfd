"""Planning around a provider that refused or went away: give back what was placed, ask the others again."""

from collections.abc import Sequence

import anyio
import msgspec
import structlog

from interwork.core.errors import InterworkError, NoPlan
from interwork.core.exchange import Agreement
from interwork.core.making import Job, JobStep, Order, OrderState
from interwork.flows.node import Node
from interwork.store import Change

log = structlog.get_logger()
REPLANS_MAX = 3
"""After this many the job stops and says what happened."""


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


async def _give_back(node: Node, order: Order) -> None:
    agreement = await node.store.get(Agreement, order.agreement)
    try:
        with anyio.fail_after(10):
            transfer = await node.federation.transfer(agreement, key=f"capacity:{agreement.dataset}:{agreement.id}")
            await node.federation.fetch(transfer, path=f"orders/{order.id}/cancel", body=b"{}", what="a cancellation")
    except (InterworkError, TimeoutError) as fault:
        log.warning("order.not-given-back", order=order.id, fault=str(fault))
    await node.store.commit(Change().put(msgspec.structs.replace(order, state=OrderState.CANCELLED)))
