"""The thread as PROV-O in JSON-LD: linked data that other systems read, and that reads back to the same thread.

Every link is a qualified influence (PROV-O, section 3.3) so that it can carry what the plain property cannot: who said
so and when, and our own kind of link. The plain property stands beside it for readers that know only that.
"""

from collections.abc import Iterable, Mapping
from datetime import datetime
from typing import Any
from urllib.parse import quote, unquote

from interwork.core.design import EdgeKind, ThreadEdge, ThreadNode
from interwork.core.errors import BadInput
from interwork.design.thread import ACTIVITY, AGENT, ENTITY, NAMESPACE, class_of

CONTEXT: dict[str, Any] = {
    "prov": "http://www.w3.org/ns/prov#",
    "rdfs": "http://www.w3.org/2000/01/rdf-schema#",
    "xsd": "http://www.w3.org/2001/XMLSchema#",
    "iw": NAMESPACE,
    "label": "rdfs:label",
    "at": {"@id": "prov:atTime", "@type": "xsd:dateTime"},
    "noted": {"@id": "iw:at", "@type": "xsd:dateTime"},
    "holder": "iw:holder",
    "digest": "iw:digest",
    "isShared": {"@id": "iw:isShared", "@type": "xsd:boolean"},
}
_CLASSES = {ENTITY: "prov:Entity", ACTIVITY: "prov:Activity", AGENT: "prov:Agent"}
# (class of the cause, class of what came of it): plain property, qualified property, class, key of the cause
_LINKS: dict[tuple[str, str], tuple[str, str, str, str]] = {
    (ENTITY, ENTITY): ("prov:wasDerivedFrom", "prov:qualifiedDerivation", "prov:Derivation", "prov:entity"),
    (ENTITY, ACTIVITY): ("prov:used", "prov:qualifiedUsage", "prov:Usage", "prov:entity"),
    (ACTIVITY, ENTITY): ("prov:wasGeneratedBy", "prov:qualifiedGeneration", "prov:Generation", "prov:activity"),
    (ACTIVITY, ACTIVITY): (
        "prov:wasInformedBy",
        "prov:qualifiedCommunication",
        "prov:Communication",
        "prov:activity",
    ),
    (AGENT, ENTITY): ("prov:wasAttributedTo", "prov:qualifiedAttribution", "prov:Attribution", "prov:agent"),
    (AGENT, ACTIVITY): ("prov:wasAssociatedWith", "prov:qualifiedAssociation", "prov:Association", "prov:agent"),
}
_INFLUENCE = ("prov:wasInfluencedBy", "prov:qualifiedInfluence", "prov:Influence", "prov:influencer")


def prov_o(nodes: Iterable[ThreadNode], edges: Iterable[ThreadEdge]) -> dict[str, Any]:
    """Write the thread as PROV-O; every link has its agent and its time."""
    graph: dict[str, dict[str, Any]] = {}
    classes: dict[str, str] = {}
    for node in nodes:
        classes[node.id] = class_of(node.kind)
        graph[node.id] = {
            "@id": _iri(node.id),
            "@type": [_CLASSES[classes[node.id]], f"iw:{node.kind}"],
            "label": node.label,
            "noted": node.at.isoformat(),
            "holder": node.holder,
            "digest": node.digest,
            "isShared": node.is_shared,
        }
    agents: dict[str, dict[str, Any]] = {}
    for edge in edges:
        ends = (classes.get(edge.source, ENTITY), classes.get(edge.target, ENTITY))
        plain, qualified, kind, key = _LINKS.get(ends, _INFLUENCE)
        target = graph.setdefault(edge.target, {"@id": _iri(edge.target), "@type": ["prov:Entity"]})
        target.setdefault(plain, []).append({"@id": _iri(edge.source)})
        agent = f"iw:by/{quote(edge.agent, safe='')}"
        target.setdefault(qualified, []).append(
            {
                "@id": _iri(edge.id),
                "@type": [kind, f"iw:{edge.kind.value}"],
                key: {"@id": _iri(edge.source)},
                "at": edge.at.isoformat(),
                "prov:wasAttributedTo": {"@id": agent},
            }
        )
        agents[agent] = {"@id": agent, "@type": ["prov:Agent"], "label": edge.agent}
    return {"@context": CONTEXT, "@graph": [*graph.values(), *agents.values()]}


def _iri(identifier: str) -> str:
    return f"iw:{quote(identifier, safe='')}"


def _identifier(iri: str) -> str:
    return unquote(iri.removeprefix("iw:"))


def read_prov_o(document: Mapping[str, Any]) -> tuple[list[ThreadNode], list[ThreadEdge]]:
    """Read a thread back from what `prov_o` wrote; raise BadInput where something is missing."""
    try:
        agents = {one["@id"]: one["label"] for one in document["@graph"] if one["@id"].startswith("iw:by/")}
        rest = [one for one in document["@graph"] if one["@id"] not in agents]
        nodes = [_node(one) for one in rest if "noted" in one]
        edges = [
            _edge(_identifier(one["@id"]), link, key, agents)
            for one in rest
            for _, qualified, _, key in [*_LINKS.values(), _INFLUENCE]
            for link in one.get(qualified, ())
        ]
    except (KeyError, TypeError, ValueError, AttributeError, IndexError) as fault:
        raise BadInput(
            f"The JSON-LD is not a thread of ours: {fault!r}.", remedy="Send what the export wrote."
        ) from fault
    return nodes, edges


def _node(record: Mapping[str, Any]) -> ThreadNode:
    return ThreadNode(
        id=_identifier(record["@id"]),
        kind=record["@type"][1].removeprefix("iw:"),
        label=record["label"],
        at=datetime.fromisoformat(record["noted"]),
        holder=record["holder"],
        digest=record["digest"],
        is_shared=record["isShared"],
    )


def _edge(target: str, link: Mapping[str, Any], key: str, agents: Mapping[str, str]) -> ThreadEdge:
    return ThreadEdge(
        id=_identifier(link["@id"]),
        source=_identifier(link[key]["@id"]),
        target=target,
        kind=EdgeKind(link["@type"][1].removeprefix("iw:")),
        at=datetime.fromisoformat(link["at"]),
        agent=agents[link["prov:wasAttributedTo"]["@id"]],
    )
