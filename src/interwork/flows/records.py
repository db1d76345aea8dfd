"""Records that cross between nodes as they stand: awards with their project and technology, evidence."""

from typing import Any, TypeVar

import msgspec
import structlog

from interwork.allocation import CapacityOffer
from interwork.core.design import Operation, ProcessPlan
from interwork.core.errors import PeerError
from interwork.core.exchange import CatalogEntry
from interwork.core.making import Evidence, Order, Run
from interwork.core.organisation import Place
from interwork.core.planning import Explanation, Need, NeedKind
from interwork.core.programme import Award, Call, CostShare, Project, Technology
from interwork.core.resource import Capability, Resource, Signal
from interwork.federation import DataRequest, DataResponse
from interwork.flows.node import Node
from interwork.flows.trace import part

log = structlog.get_logger()
T = TypeVar("T")
SHARED_MAX = 2_000
"""Things of the thread that one answer tells of."""


def read_as(kind: type[T], content: bytes, who: str) -> T:
    """Read what another node answered; PeerError naming it where that is something else."""
    try:
        return msgspec.json.decode(content, type=kind)
    except msgspec.MsgspecError as fault:
        raise PeerError(f"{who} answered with what is no {kind.__name__}: {fault}.") from fault


class _Machine(msgspec.Struct, frozen=True, kw_only=True):
    """One machine of a capacity offer, as its provider tells of it in the catalog."""

    id: str
    name: str
    place: Place = Place()
    capabilities: tuple[Capability, ...] = ()


def offers_of(entry: CatalogEntry) -> list[CapacityOffer]:
    """Read the machines a catalog entry offers; what a provider wrote otherwise than agreed is told and left out."""
    found, told = [], entry.facts.get("resources", [])
    for one in told if isinstance(told, list) else [told]:
        try:
            machine = msgspec.convert(one, type=_Machine)
        except msgspec.ValidationError as fault:
            log.warning("capacity.unread", provider=entry.provider, dataset=entry.dataset, fault=str(fault))
            continue
        offer = CapacityOffer(
            provider=entry.provider,
            provider_name=entry.provider_name,
            dataset=entry.dataset,
            resource=machine.id,
            resource_name=machine.name,
            place=machine.place,
            capabilities=machine.capabilities,
        )
        found.append(offer)
    return found


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


class Wish(msgspec.Struct, frozen=True, kw_only=True):
    """A published need: what is wanted by when, operation by operation."""

    need: Need
    process: ProcessPlan | None


class Outcome(msgspec.Struct, frozen=True, kw_only=True):
    """What a provider is told of a plan it quoted for: its own row, and no other's."""

    need: str
    explanation: Explanation


def bare(need: Need, plan: ProcessPlan | None) -> Wish:
    """Tell of a need what may be published: never its project, design or place; its budget where money is wanted."""
    budget = need.budget_eur if need.kind is NeedKind.MONEY else None
    shown = msgspec.structs.replace(need, budget_eur=budget, project="", revision="", deliver_to=Place())
    if plan is None:
        return Wish(need=shown, process=None)
    operations = tuple(
        Operation(
            id=one.id,
            name=one.name,
            process=one.process,
            after=one.after,
            requirements=one.requirements,
            machining_s=one.machining_s,
        )
        for one in plan.operations
    )
    return Wish(
        need=shown,
        process=msgspec.structs.replace(
            plan, revision="", reasons=(), findings=(), found=(), estimates=(), inspection=(), operations=operations,
            stock_mm=(0.0, 0.0, 0.0), changes=(), why="", changed_by="", template="",
        ),
    )  # fmt: skip


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
    elif request.dataset.properties.get("record") == "need":
        need = await node.store.get(Need, subject)
        value = bare(need, await node.store.peek(ProcessPlan, need.process_plan))
    elif request.dataset.properties.get("record") == "thread":
        value = await part(node.store, subject.removeprefix("thread:"), forward=False, most=SHARED_MAX)
    else:
        value = await node.store.get(Evidence, subject)
    return DataResponse(content=msgspec.json.encode(value), items=1, what=request.dataset.title)
