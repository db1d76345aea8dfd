"""Walking the digital thread: what led to a thing, and what came of it, a frontier at a time from the store."""

from typing import Any

import msgspec

from interwork.core.design import ThreadEdge, ThreadNode
from interwork.core.errors import NotFound
from interwork.store import Store

FRONTIER_EDGES = 10_000
"""Edges read for one step of the walk."""
TRACED_MAX = 10_000
"""Nodes one walk visits; a longer one says that it was cut."""


class Trace(msgspec.Struct, frozen=True, kw_only=True):
    """One walk: ids in order of distance from its start, the edges between them, and whether it was cut."""

    ids: tuple[str, ...]
    edges: tuple[ThreadEdge, ...]
    is_cut: bool


class Part(msgspec.Struct, frozen=True, kw_only=True):
    """A part of the thread: nodes, the edges between them, and whether there is more."""

    nodes: tuple[ThreadNode, ...]
    edges: tuple[ThreadEdge, ...]
    is_cut: bool


async def trace(store: Store, start: str, *, forward: bool, most: int = TRACED_MAX) -> Trace:
    """Follow edges from a node in one direction, breadth first, at most to so many nodes."""
    here, there = ("source", "target") if forward else ("target", "source")
    edges: dict[str, ThreadEdge] = {}
    found, frontier, is_cut = {start: None}, [start], False
    while frontier:
        ahead: list[str] = []
        beside: dict[str, Any] = {here: frontier}
        step = await store.find(ThreadEdge, limit=FRONTIER_EDGES, **beside)
        is_cut = is_cut or len(step) == FRONTIER_EDGES
        for edge in step:
            edges[edge.id] = edge
            other = getattr(edge, there)
            if other not in found:
                if len(found) >= most:
                    return Trace(ids=tuple(found), edges=tuple(edges.values()), is_cut=True)
                found[other] = None
                ahead.append(other)
        frontier = ahead
    return Trace(ids=tuple(found), edges=tuple(edges.values()), is_cut=is_cut)


async def part(store: Store, start: str, *, forward: bool, most: int = TRACED_MAX) -> Part:
    """Give the nodes and edges of a walk; NotFound where the start is on no thread here."""
    if await store.peek(ThreadNode, start) is None:
        raise NotFound(f"{start[:80]!r} is on no thread here.", remedy="`interwork thread` lists what is.")
    walked = await trace(store, start, forward=forward, most=most)
    nodes = {one.id: one for one in await store.find(ThreadNode, id=walked.ids, limit=most)}
    ordered = tuple(nodes[one] for one in walked.ids if one in nodes)
    edges = tuple(one for one in walked.edges if one.source in nodes and one.target in nodes)
    return Part(nodes=ordered, edges=edges, is_cut=walked.is_cut)


async def newest(store: Store, most: int = TRACED_MAX) -> Part:
    """Give the newest nodes of all threads and the edges between them."""
    nodes = await store.find(ThreadNode, newest=True, limit=most + 1)
    edges = await store.find(ThreadEdge, newest=True, limit=most + 1)
    is_cut = len(nodes) > most or len(edges) > most
    return Part(nodes=tuple(nodes[:most]), edges=tuple(edges[:most]), is_cut=is_cut)
