"""Thread: what led to a thing and what came of it, as a layered graph and as a table; the record behind each node."""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import msgspec
from starlette.requests import Request
from starlette.responses import Response

from interwork.core.design import Design, Model, ModelRun, ProcessPlan, Revision, ThreadEdge, ThreadNode
from interwork.core.errors import NotFound
from interwork.core.exchange import Agreement, CatalogEntry, Dataset, Negotiation, Policy, Receipt, Transfer
from interwork.core.ids import kind_of
from interwork.core.making import (
    Campaign,
    Evidence,
    GaugeStudy,
    Inspection,
    Job,
    Nonconformance,
    Order,
    QualityRecord,
    Run,
)
from interwork.core.network.supply import Product, SupplyPlan
from interwork.core.organisation import Membership, Organisation
from interwork.core.planning import Match, Need, Plan, Quote
from interwork.core.programme import Award, Call, CostShare, Disbursement, Gap, Project, Technology
from interwork.core.resource import Blueprint, Resource, Signal
from interwork.flows.fulfil.perform import has_design
from interwork.flows.node import Node
from interwork.flows.trace import trace
from interwork.web.access import MAY, node_of, require
from interwork.web.pages.agreements import names_of
from interwork.web.render import address_of, render, short

SHOWN_MAX = 200
MORE_MAX = 2000
# fmt: off
RECORDS: dict[str, type[msgspec.Struct]] = {
    "rev": Revision, "design": Design, "plan": Plan, "process": ProcessPlan, "need": Need, "match": Match,
    "quote": Quote, "job": Job, "order": Order, "run": Run, "inspection": Inspection, "evidence": Evidence,
    "award": Award, "call": Call, "share": CostShare, "pay": Disbursement, "gap": Gap, "project": Project,
    "technology": Technology, "member": Membership, "org": Organisation, "agreement": Agreement,
    "negotiation": Negotiation, "transfer": Transfer, "dataset": Dataset, "policy": Policy, "entry": CatalogEntry,
    "model": Model, "modelrun": ModelRun, "campaign": Campaign, "quality": QualityRecord, "gauge": GaugeStudy,
    "nonconformance": Nonconformance, "receipt": Receipt, "resource": Resource, "signal": Signal,
    "blueprint": Blueprint, "product": Product, "supply": SupplyPlan,
}
# fmt: on
"""Which word an id's kind is kept under, for showing the record behind a node or a figure."""
SECRET = frozenset({"credential", "signature", "token", "password_hash"})


@dataclass(frozen=True, slots=True, kw_only=True)
class Row:
    """One node of a thread with its edges."""

    node: ThreadNode
    back: tuple[ThreadEdge, ...]
    on: tuple[ThreadEdge, ...]


@dataclass(frozen=True, slots=True, kw_only=True)
class ThreadView:
    """The thread through one thing, both ways, up to a number of nodes."""

    start: str
    rows: tuple[Row, ...]
    edges: tuple[ThreadEdge, ...]
    labels: Mapping[str, str]
    is_cut: bool
    names: Mapping[str, str]


@dataclass(frozen=True, slots=True, kw_only=True)
class NodeView:
    """One thing on a thread with the record behind it."""

    id: str
    title: str
    thread: str
    node: ThreadNode | None
    back: tuple[ThreadNode, ...]
    on: tuple[ThreadNode, ...]
    evidence: Evidence | None
    design: bool
    """Whether it is an order whose design is here."""
    fields: tuple[tuple[str, Any], ...]
    held: frozenset[str]
    """Which of the ids in the fields are held here, so that they are linked."""
    address: str
    names: Mapping[str, str]


async def thread_view(node: Node, start: str, most: int) -> ThreadView:
    """Collect what led to a thing and what came of it."""
    before = await trace(node.store, start, forward=False, most=most)
    after = await trace(node.store, start, forward=True, most=most)
    ids = list(dict.fromkeys([*reversed(before.ids), *after.ids]))[: 2 * most]
    nodes = {one.id: one for one in await node.store.find(ThreadNode, id=ids, limit=4 * most)}
    if start not in nodes:
        raise NotFound(f"{start[:80]!r} is on no thread here.", remedy="Open Thread and choose something that is.")
    edges = tuple(
        one for one in dict.fromkeys((*before.edges, *after.edges)) if one.source in nodes and one.target in nodes
    )
    rows = tuple(
        Row(
            node=nodes[one],
            back=tuple(edge for edge in edges if edge.target == one),
            on=tuple(edge for edge in edges if edge.source == one),
        )
        for one in ids
        if one in nodes
    )
    return ThreadView(
        start=start,
        rows=rows,
        edges=edges,
        labels={one.id: one.label for one in nodes.values()},
        is_cut=before.is_cut or after.is_cut,
        names=await names_of(node),
    )


async def node_view(node: Node, thread: str, identifier: str) -> NodeView:
    """Collect one thing, its trace both ways, and the record behind it."""
    found = await node.store.peek(ThreadNode, identifier)
    kind = RECORDS.get(kind_of(identifier))
    record = await node.store.peek(kind, identifier) if kind else None
    if found is None and record is None:
        raise NotFound(f"{identifier[:80]!r} is not held here.", remedy="Follow a link of the thread.")
    before = (await trace(node.store, identifier, forward=False, most=SHOWN_MAX)).ids
    after = (await trace(node.store, identifier, forward=True, most=SHOWN_MAX)).ids
    nodes = {one.id: one for one in await node.store.find(ThreadNode, id=[*before, *after], limit=2 * SHOWN_MAX)}
    address = _page_of(record, identifier)
    plain = tuple(_fields(record)) if record is not None else ()
    return NodeView(
        id=identifier,
        title=found.label if found else _title(record, identifier),
        thread=thread,
        node=found,
        back=tuple(nodes[one] for one in before[1:] if one in nodes),
        on=tuple(nodes[one] for one in after[1:] if one in nodes),
        evidence=record if isinstance(record, Evidence) else None,
        design=isinstance(record, Order) and has_design(record),
        fields=plain,
        held=frozenset([value for _, value in plain if isinstance(value, str) and await _is_held(node, value)]),
        address="" if address.startswith("/thread") else address,
        names=await names_of(node),
    )


def _page_of(record: msgspec.Struct | None, identifier: str) -> str:
    """Tell where a record is shown in full: its own page, or its place on another's."""
    if isinstance(record, ProcessPlan) and record.revision:
        return f"/designs/{record.revision}#{record.id}"
    if isinstance(record, Need):
        return f"/needs/{record.id}"
    return address_of(identifier)


def _title(record: msgspec.Struct | None, identifier: str) -> str:
    for name in ("title", "name", "operation_name", "organisation_name", "what"):
        found = getattr(record, name, "")
        if found:
            return str(found)
    return short(identifier)


async def _is_held(node: Node, identifier: str) -> bool:
    kind = RECORDS.get(kind_of(identifier)) if address_of(identifier) else None
    return kind is not None and await node.store.peek(kind, identifier) is not None


def _fields(record: msgspec.Struct) -> list[tuple[str, Any]]:
    """List the plain fields of a record by name; nested ones are counted, secrets are left out."""
    rows: list[tuple[str, Any]] = []
    for name, value in msgspec.structs.asdict(record).items():
        if name in SECRET or value in ("", None, (), {}) or isinstance(value, msgspec.Struct):
            continue
        rows.append((name, len(value) if isinstance(value, tuple | dict) else value))
    return rows


async def index(request: Request) -> Response:
    """Show where threads begin."""
    await require(request, *MAY["read"])
    store = node_of(request).store
    kind = request.query_params.get("kind", "need")[:40]
    everything = kind == "all"
    nodes = await (store.find(ThreadNode, limit=1000) if everything else store.find(ThreadNode, kind=kind, limit=1000))
    nodes.sort(key=lambda one: one.at, reverse=True)
    total = await store.count(ThreadNode)
    return await render(request, "threads.html", nodes=nodes[:SHOWN_MAX], kind=kind, all=total)


async def show(request: Request) -> Response:
    """Show the thread through one thing; a record that is on no thread is shown by itself."""
    await require(request, *MAY["read"])
    node, start = node_of(request), request.path_params["id"]
    if await node.store.peek(ThreadNode, start) is None:
        return await render(request, "thread_node.html", view=await node_view(node, start, start))
    most = MORE_MAX if request.query_params.get("all") else SHOWN_MAX
    return await render(request, "thread.html", view=await thread_view(node, start, most))


async def show_node(request: Request) -> Response:
    """Show one thing on a thread."""
    await require(request, *MAY["read"])
    view = await node_view(node_of(request), request.path_params["id"], request.path_params["node"])
    return await render(request, "thread_node.html", view=view)
