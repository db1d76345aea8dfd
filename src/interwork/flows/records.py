"""Records that cross between nodes as they stand: awards with their project and technology, evidence."""

from typing import Any, TypeVar

import msgspec

from interwork.core.errors import PeerError
from interwork.core.making import Evidence, Order, Run
from interwork.core.programme import Award, Call, CostShare, Project, Technology
from interwork.core.resource import Resource, Signal
from interwork.federation import DataRequest, DataResponse
from interwork.flows.node import Node
from interwork.flows.trace import part

T = TypeVar("T")
SHARED_MAX = 2_000
"""Things of the thread that one answer tells of."""


def read_as(kind: type[T], content: bytes, who: str) -> T:
    """Read what another node answered; PeerError naming it where that is something else."""
    try:
        return msgspec.json.decode(content, type=kind)
    except msgspec.MsgspecError as fault:
        raise PeerError(f"{who} answered with what is no {kind.__name__}: {fault}.") from fault


class OrderStatus(msgspec.Struct, frozen=True, kw_only=True):
    """What a provider tells of an order."""

    order: Order
    runs: tuple[Run, ...]
    evidence: tuple[Evidence, ...]


class Description(msgspec.Struct, frozen=True, kw_only=True):
    """What a provider tells of the machines whose readings it lets somebody follow."""

    resources: tuple[Resource, ...]
    signals: tuple[Signal, ...]


class Grant(msgspec.Struct, frozen=True, kw_only=True):
    """An award with everything that explains it."""

    award: Award
    call: Call
    project: Project
    shares: tuple[CostShare, ...]
    technology: Technology | None


async def grant_of(node: Node, award_id: str) -> Grant:
    """Collect an award with its call, project, cost share and technology."""
    award = await node.store.get(Award, award_id)
    project = await node.store.get(Project, award.project)
    return Grant(
        award=award,
        call=await node.store.get(Call, award.call),
        project=project,
        shares=tuple(await node.store.find(CostShare, award=award.id, limit=200)),
        technology=await node.store.peek(Technology, project.technology),
    )


async def answer_record(node: Node, request: DataRequest) -> DataResponse:
    """Serve the record a dataset names, as JSON."""
    subject = request.dataset.subject
    value: Any
    if request.dataset.properties.get("record") == "award":
        value = await grant_of(node, subject)
    elif request.dataset.properties.get("record") == "technology":
        value = await node.store.get(Technology, subject)
    elif request.dataset.properties.get("record") == "thread":
        value = await part(node.store, subject.removeprefix("thread:"), forward=False, most=SHARED_MAX)
    else:
        value = await node.store.get(Evidence, subject)
    return DataResponse(content=msgspec.json.encode(value), items=1, what=request.dataset.title)
