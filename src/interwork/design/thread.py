"""The digital thread as a graph: what led to a thing, what came of it, what is missing, its layers, and PROV.

Everything here is pure and takes nodes and edges as they are held; a node held elsewhere and not shared still stands
in its place. Edges run from a cause to what came of it, PROV's relations run the other way; the export turns them round
and keeps our kind, agent and time with every one, so that reading it back gives the same thread.
"""

from collections import deque
from collections.abc import Iterable, Mapping
from datetime import datetime
from typing import Any
from urllib.parse import quote, unquote

import msgspec

from interwork.core.clock import rfc3339
from interwork.core.design import EdgeKind, ThreadEdge, ThreadNode
from interwork.core.errors import BadInput

NAMESPACE = "https://w3id.org/interwork/thread#"
_ACTIVITIES = frozenset({"run", "job", "order", "transfer", "negotiation", "inspection", "model-run", "trial"})
_AGENTS = frozenset({"organisation", "account", "node", "agency", "institute"})
AGENT, ACTIVITY, ENTITY = "agent", "activity", "entity"


class Missing(msgspec.Struct, frozen=True, kw_only=True):
    """A link the thread should have and has not."""

    node: str
    label: str
    link: EdgeKind
    text: str


class Layout(msgspec.Struct, frozen=True, kw_only=True):
    """The thread in layers, causes first: every edge leads to a later layer, but those of a circle."""

    layers: tuple[tuple[str, ...], ...]
    circular: tuple[str, ...]
    """Edges left out of the layering since they close a circle."""


def backward(node: str, edges: Iterable[ThreadEdge]) -> list[str]:
    """List everything that led to a node, nearest first, the node itself left out."""
    causes: dict[str, list[str]] = {}
    for edge in edges:
        causes.setdefault(edge.target, []).append(edge.source)
    return _walk(node, causes)


def forward(node: str, edges: Iterable[ThreadEdge]) -> list[str]:
    """List everything that came of a node, nearest first, the node itself left out."""
    effects: dict[str, list[str]] = {}
    for edge in edges:
        effects.setdefault(edge.source, []).append(edge.target)
    return _walk(node, effects)


def _walk(start: str, beside: Mapping[str, list[str]]) -> list[str]:
    found = {start: None}
    todo = deque([start])
    while todo:
        for other in beside.get(todo.popleft(), ()):
            if other not in found:
                found[other] = None
                todo.append(other)
    return list(found)[1:]


_WANTED: tuple[tuple[str, str, EdgeKind, str], ...] = (
    ("design", "out", EdgeKind.PLANS, "is measured, but no process plan was drafted for it"),
    ("need", "out", EdgeKind.DECIDES, "is wanted, but nobody has decided who makes it"),
    ("plan", "out", EdgeKind.PERFORMS, "is decided, but nothing was ordered"),
    ("order", "in", EdgeKind.GOVERNS, "was placed under no agreement that is held here"),
    ("order", "out", EdgeKind.EXECUTES, "was placed, but no run of it is known"),
    ("run", "in", EdgeKind.EXECUTES, "was made, but nobody knows for which order"),
    ("run", "out", EdgeKind.OBSERVED, "was made, but there is no evidence of what came of it"),
    ("characteristic", "out", EdgeKind.MEASURES, "is required, but was never measured"),
)


def gaps(nodes: Iterable[ThreadNode], edges: Iterable[ThreadEdge]) -> list[Missing]:
    """List the links the thread should have by the kind of its nodes and has not."""
    leaving, entering = set(), set()
    for edge in edges:
        leaving.add((edge.source, edge.kind))
        entering.add((edge.target, edge.kind))
    return [
        Missing(node=node.id, label=node.label, link=link, text=f"«{node.label}» {text}.")
        for node in nodes
        for kind, way, link, text in _WANTED
        if node.kind == kind and (node.id, link) not in (leaving if way == "out" else entering)
    ]


def lay_out(nodes: Iterable[ThreadNode], edges: Iterable[ThreadEdge]) -> Layout:
    """Put each node one layer after the latest of its causes (longest path), and order layers by their neighbours."""
    known = {node.id: None for node in nodes}
    inside = [edge for edge in edges if edge.source in known and edge.target in known]
    order, circular = _order(list(known), inside)
    depth = dict.fromkeys(known, 0)
    causes: dict[str, list[str]] = {name: [] for name in known}
    place = {name: number for number, name in enumerate(order)}
    for edge in inside:
        if edge.id not in circular:
            causes[edge.target].append(edge.source)
    for name in order:
        depth[name] = max((depth[cause] + 1 for cause in causes[name]), default=0)
    layers: list[list[str]] = [[] for _ in range(max(depth.values(), default=-1) + 1)]
    for name in sorted(known, key=place.__getitem__):
        layers[depth[name]].append(name)
    return Layout(layers=_untangle(layers, causes), circular=tuple(sorted(circular)))


def _order(names: list[str], edges: list[ThreadEdge]) -> tuple[list[str], set[str]]:
    """Sort causes before effects (Kahn); enter a circle at its first node and drop what leads there."""
    effects: dict[str, list[ThreadEdge]] = {name: [] for name in names}
    waiting = dict.fromkeys(names, 0)
    for edge in edges:
        effects[edge.source].append(edge)
        waiting[edge.target] += 1
    ready = deque(name for name in names if waiting[name] == 0)
    rest = deque(names)
    order: dict[str, None] = {}
    circular: set[str] = set()
    while len(order) < len(names):
        if not ready:
            while rest[0] in order:
                rest.popleft()
            ready.append(rest[0])
        name = ready.popleft()
        order[name] = None
        for edge in effects[name]:
            waiting[edge.target] -= 1
            if edge.target in order:
                circular.add(edge.id)
            elif waiting[edge.target] == 0:
                ready.append(edge.target)
    return list(order), circular


def _untangle(layers: list[list[str]], causes: Mapping[str, list[str]]) -> tuple[tuple[str, ...], ...]:
    """Order each layer by the mean place of its causes, so that fewer edges cross."""
    place: dict[str, float] = {}
    done = []
    for layer in layers:
        means = {name: _mean([place[cause] for cause in causes[name]]) for name in layer}
        ordered = sorted(layer, key=means.__getitem__)
        place.update({name: (number + 0.5) / len(ordered) for number, name in enumerate(ordered)})
        done.append(tuple(ordered))
    return tuple(done)


def _mean(values: list[float]) -> float:
    return sum(values) / len(values) if values else 0.5


def class_of(kind: str) -> str:
    """Tell which of PROV's three classes a kind of node is."""
    if kind in _AGENTS:
        return AGENT
    return ACTIVITY if kind in _ACTIVITIES else ENTITY


# (class of the cause, class of what came of it): PROV relation, key of what came of it, key of the cause
_RELATIONS: dict[tuple[str, str], tuple[str, str, str]] = {
    (ENTITY, ENTITY): ("wasDerivedFrom", "prov:generatedEntity", "prov:usedEntity"),
    (ENTITY, ACTIVITY): ("used", "prov:activity", "prov:entity"),
    (ACTIVITY, ENTITY): ("wasGeneratedBy", "prov:entity", "prov:activity"),
    (ACTIVITY, ACTIVITY): ("wasInformedBy", "prov:informed", "prov:informant"),
    (AGENT, ENTITY): ("wasAttributedTo", "prov:entity", "prov:agent"),
    (AGENT, ACTIVITY): ("wasAssociatedWith", "prov:activity", "prov:agent"),
}
_INFLUENCED = ("wasInfluencedBy", "prov:influencee", "prov:influencer")
_TIMED = frozenset({"used", "wasGeneratedBy"})


def _name(identifier: str) -> str:
    return f"interwork:{quote(identifier, safe='')}"


def _identifier(name: str) -> str:
    return unquote(name.partition(":")[2])


def prov(nodes: Iterable[ThreadNode], edges: Iterable[ThreadEdge]) -> dict[str, Any]:
    """Write the thread as PROV-JSON (W3C member submission); every relation has its agent and its time."""
    document: dict[str, Any] = {
        "prefix": {"interwork": NAMESPACE, "prov": "http://www.w3.org/ns/prov#"},
        ENTITY: {},
        ACTIVITY: {},
        AGENT: {},
    }
    classes = {}
    for node in nodes:
        classes[node.id] = class_of(node.kind)
        document[classes[node.id]][_name(node.id)] = {
            "prov:label": node.label,
            "prov:type": {"$": f"interwork:{node.kind}", "type": "prov:QUALIFIED_NAME"},
            "interwork:at": _moment(node.at),
            "interwork:holder": node.holder,
            "interwork:digest": node.digest,
            "interwork:isShared": node.is_shared,
        }
    for edge in edges:
        ends = (classes.get(edge.source, ENTITY), classes.get(edge.target, ENTITY))
        relation, effect, cause = _RELATIONS.get(ends, _INFLUENCED)
        record: dict[str, Any] = {
            effect: _name(edge.target),
            cause: _name(edge.source),
            "prov:type": {"$": f"interwork:{edge.kind.value}", "type": "prov:QUALIFIED_NAME"},
            "interwork:at": _moment(edge.at),
            "interwork:agent": edge.agent,
        }
        if relation in _TIMED:
            record["prov:time"] = rfc3339(edge.at)
        document.setdefault(relation, {})[_name(edge.id)] = record
        document[AGENT].setdefault(_name(f"by:{edge.agent}"), {"prov:label": edge.agent})
    return document


def _moment(at: datetime) -> dict[str, str]:
    """Write a moment to the microsecond, so that nothing is lost on the way back."""
    return {"$": at.isoformat(), "type": "xsd:dateTime"}


def read_prov(document: Mapping[str, Any]) -> tuple[list[ThreadNode], list[ThreadEdge]]:
    """Read a thread back from PROV-JSON as `prov` writes it; raise BadInput naming what is missing."""
    try:
        nodes = [
            _node(_identifier(name), record)
            for part in (ENTITY, ACTIVITY, AGENT)
            for name, record in document.get(part, {}).items()
            if "interwork:at" in record
        ]
        edges = [
            _edge(_identifier(name), record, effect, cause)
            for relation, effect, cause in [*_RELATIONS.values(), _INFLUENCED]
            for name, record in document.get(relation, {}).items()
        ]
    except (KeyError, TypeError, ValueError, AttributeError) as fault:
        raise BadInput(
            f"The PROV-JSON is not a thread of ours: {fault!r}.", remedy="Send what the export wrote."
        ) from fault
    return nodes, edges


def _node(identifier: str, record: Mapping[str, Any]) -> ThreadNode:
    return ThreadNode(
        id=identifier,
        kind=record["prov:type"]["$"].partition(":")[2],
        label=record["prov:label"],
        at=datetime.fromisoformat(record["interwork:at"]["$"]),
        holder=record["interwork:holder"],
        digest=record["interwork:digest"],
        is_shared=record["interwork:isShared"],
    )


def _edge(identifier: str, record: Mapping[str, Any], effect: str, cause: str) -> ThreadEdge:
    return ThreadEdge(
        id=identifier,
        source=_identifier(record[cause]),
        target=_identifier(record[effect]),
        kind=EdgeKind(record["prov:type"]["$"].partition(":")[2]),
        at=datetime.fromisoformat(record["interwork:at"]["$"]),
        agent=record["interwork:agent"],
    )
