"""Providers are told what became of their quotes: each its own row of a plan's explanation, and nobody else's."""

import msgspec
import structlog

from interwork.allocation.learning.explaining import told_to
from interwork.core.errors import InterworkError, Refused
from interwork.core.event import Tag
from interwork.core.exchange import Agreement
from interwork.core.ids import derived_id
from interwork.core.planning import Explanation, Quote
from interwork.flows.insight.plans import explanation_of, ground_of
from interwork.flows.make_part.follow import capacity_transfer
from interwork.flows.node import Node
from interwork.flows.records import Outcome
from interwork.store import Change

log = structlog.get_logger()
OUTCOMES_MAX = 1000


class Told(msgspec.Struct, frozen=True, kw_only=True):
    """Whether one provider was told."""

    provider: str
    provider_name: str
    is_told: bool
    fault: str = ""


async def tell_providers(node: Node, plan_id: str, *, actor: str) -> list[Told]:
    """Tell every provider that quoted for a plan its own row, under the agreement the quote was given under."""
    ground = await ground_of(node, plan_id)
    explanation = await explanation_of(node, plan_id)
    told = []
    for quote in {one.provider: one for one in ground.quotes}.values():
        outcome = Outcome(need=ground.need.id, explanation=told_to(explanation, quote.provider))
        told.append(await _tell(node, quote, outcome))
    change = Change(actor)
    change.event(Tag.OUTCOME_TOLD, plan_id, told=[one.provider for one in told if one.is_told])
    await node.store.commit(change)
    return told


async def _tell(node: Node, quote: Quote, outcome: Outcome) -> Told:
    try:
        transfer = await capacity_transfer(node, quote.agreement)
        body = msgspec.json.encode(outcome)
        await node.federation.fetch(transfer, path="outcomes", body=body, what="what became of a quote")
    except InterworkError as fault:
        log.warning("outcome.untold", provider=quote.provider, fault=str(fault))
        return Told(provider=quote.provider, provider_name=quote.provider_name, is_told=False, fault=fault.message)
    return Told(provider=quote.provider, provider_name=quote.provider_name, is_told=True)


async def heard(node: Node, agreement: Agreement, outcome: Outcome) -> Explanation:
    """Keep what became of a quote given here: of what is told, this node's own row and nothing else."""
    given = await node.store.find(Quote, need=outcome.need, provider=node.did, limit=20)
    if not any(one.agreement == agreement.id for one in given):
        raise Refused(
            f"{node.settings.name} gave no quote for {outcome.need[:100]} under this agreement.",
            rule="outcomes are told of quotes that were given",
            remedy="Ask for a quote first.",
        )
    own = msgspec.structs.replace(
        told_to(outcome.explanation, node.did),
        id=derived_id("outcome", agreement.consumer, outcome.explanation.id),
        need=outcome.need,
        told_by=agreement.consumer,
    )
    change = Change(agreement.consumer).put(own).event(Tag.OUTCOME_TOLD, own.id, need=outcome.need)
    await node.store.commit(change)
    return own


async def outcomes(node: Node) -> list[Explanation]:
    """List what this node was told of its quotes, the newest first."""
    held = await node.store.find(Explanation, limit=OUTCOMES_MAX, newest=True)
    return [one for one in held if one.told_by]
