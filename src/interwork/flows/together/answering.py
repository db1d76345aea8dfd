"""A member's side of planning together: the offer, and what it answers to a call under the agreement on it."""

from typing import TypeVar

import msgspec

from interwork.consortium import common_policies
from interwork.core.errors import BadInput, NotFound, Refused
from interwork.core.event import Tag
from interwork.core.exchange import Dataset, DatasetKind
from interwork.core.ids import derived_id
from interwork.core.network.together import Coordination, HoursAnswer, HoursCall, RoundHeld, Settled
from interwork.federation import DataRequest, DataResponse
from interwork.flows.node import Node
from interwork.flows.publish import Draft, institute_of, publish
from interwork.flows.together.own import answer, one_at_a_time, open_needs, refuse_unsound
from interwork.flows.together.settling import settle
from interwork.store import Change

T = TypeVar("T")
ROUNDS_MAX = 40
"""Rounds a member answers within one coordination."""


async def offer(node: Node) -> Dataset:
    """Let members of the institute plan together with this node."""
    institute, name = await institute_of(node)
    draft = Draft(
        kind=DatasetKind.COORDINATION,
        subject=node.settings.organisation,
        title=f"Planning together with {node.settings.name}",
        description="Ask which hours of machines it plans to take, what an hour is worth, what its plan comes to.",
    )
    return await publish(node, draft, common_policies(institute, name)["planning"])


async def answer_call(node: Node, request: DataRequest) -> DataResponse:
    """Serve one call under an agreement on planning together: an answer to hours and prices, or word of the end."""
    path, asker = request.path.strip("/"), request.agreement.consumer
    if path == "answers":
        call = _read(request.body, HoursCall)
        refuse_unsound(call)
        async with one_at_a_time(node):
            told = await _answered(node, call, asker)
        return DataResponse(
            content=msgspec.json.encode(told), items=len(told.hours), what="hours and what they are worth"
        )
    if path == "settled":
        settled = _read(request.body, Settled)
        held = await _of(node, settled.coordination, asker)
        await settle(node, held, settled.round)
        return DataResponse(content=msgspec.json.encode(settled), what="the round that stands")
    raise NotFound(
        f"There is no {path[:60]!r} under an agreement on planning together.", remedy="Use answers, settled."
    )


async def _answered(node: Node, call: HoursCall, asker: str) -> HoursAnswer:
    held = await _begun(node, call.coordination, asker)
    if held.state != "running" and not call.is_imagined:
        raise Refused(
            f"The coordination {held.id} is {held.state}.",
            rule="hours are told while a coordination runs",
            remedy="Begin another one.",
        )
    if len(held.rounds) >= ROUNDS_MAX:
        raise Refused(f"{ROUNDS_MAX} rounds were answered.", rule="a coordination has an end", remedy="Begin another.")
    told, kept = await answer(node, held, call)
    if not call.is_imagined:
        await keep_round(node, held, kept)
    return told


async def keep_round(node: Node, held: Coordination, kept: RoundHeld) -> Coordination:
    """Keep a round; one answered twice is kept as it was answered last."""
    rounds = tuple(one for one in held.rounds if one.number != kept.number)
    more = msgspec.structs.replace(held, rounds=(*rounds, kept), alone_eur=held.alone_eur or kept.sum_eur)
    await node.store.commit(Change(held.began_by).put(more, expect=held))
    return more


async def _begun(node: Node, identifier: str, asker: str) -> Coordination:
    """Find the coordination of a call, or take part in it with the needs that are open now."""
    if not 1 <= len(identifier) <= 100:
        raise BadInput("A coordination has a name of 1 to 100 letters.")
    known = await node.store.peek(Coordination, _name(asker, identifier))
    if known is not None:
        return known
    held = Coordination(
        id=_name(asker, identifier),
        began_by=asker,
        state="running",
        needs=await open_needs(node),
        created_at=node.clock(),
    )
    change = Change(asker).put(held)
    change.event(Tag.COORDINATION_MOVED, held.id, state="running", began_by=asker, needs=len(held.needs))
    await node.store.commit(change)
    return held


def _name(asker: str, identifier: str) -> str:
    """Name a coordination by who began it too, so that nobody speaks in another's."""
    return derived_id("coordination", asker, identifier)


async def _of(node: Node, identifier: str, asker: str) -> Coordination:
    held = await node.store.peek(Coordination, _name(asker, identifier))
    if held is None:
        raise NotFound(f"{node.settings.name} takes part in no coordination {identifier[:100]!r} of {asker}.")
    return held


def _read(body: bytes, kind: type[T]) -> T:
    try:
        return msgspec.json.decode(body, type=kind)
    except msgspec.MsgspecError as fault:
        raise BadInput(f"The body is not a {kind.__name__}: {fault}.") from fault
