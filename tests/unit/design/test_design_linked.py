"""The thread as PROV-O in JSON-LD reads back the same, and every link says who and when."""

import json
from datetime import UTC, datetime

import pytest
from hypothesis import given
from hypothesis import strategies as st

from interwork.core.design import EdgeKind, ThreadEdge, ThreadNode
from interwork.core.errors import BadInput
from interwork.design import prov_o, read_prov_o

AT = datetime(2031, 3, 3, 8, 0, 0, 123456, tzinfo=UTC)
KINDS = ("design", "run", "organisation", "need", "trial", "decision")


def edge(a, b, kind):
    identifier = f"edge-{a}-{kind.value}-{b}"
    return ThreadEdge(id=identifier, source=f"n{a}", target=f"n{b}", kind=kind, at=AT, agent=f"did:web:a%3A{a}.example")


graphs = st.lists(st.tuples(st.integers(0, 11), st.integers(0, 11), st.sampled_from(EdgeKind)), max_size=40).map(
    lambda found: [edge(*one) for one in dict.fromkeys(found)]
)


@given(graphs, st.text(max_size=20))
def test_the_linked_export_round_trips(edges, label):
    """design 39: PROV-O in JSON-LD comes back as the same nodes and edges."""
    nodes = [
        ThreadNode(id=f"n{n}", kind=KINDS[n % 6], label=label, at=AT, holder="did:web:b", is_shared=n > 3)
        for n in range(12)
    ]
    back = read_prov_o(json.loads(json.dumps(prov_o(nodes, edges))))
    assert sorted(back[0], key=lambda one: one.id) == sorted(nodes, key=lambda one: one.id)
    assert sorted(back[1], key=lambda one: one.id) == sorted(edges, key=lambda one: one.id)


def test_every_link_of_the_linked_export_has_agent_and_time():
    """design 39: every edge has agent and time, as qualified influences of PROV-O."""
    nodes = [ThreadNode(id="n0", kind="design", label="d", at=AT), ThreadNode(id="n1", kind="run", label="r", at=AT)]
    document = prov_o(nodes, [edge(0, 1, EdgeKind.EXECUTES), edge(1, 0, EdgeKind.DERIVES)])
    graph = {one["@id"]: one for one in document["@graph"]}
    (usage,) = graph["iw:n1"]["prov:qualifiedUsage"]
    assert usage["prov:entity"] == {"@id": "iw:n0"}
    assert usage["@type"] == ["prov:Usage", "iw:executes"]
    assert graph["iw:n1"]["prov:used"] == [{"@id": "iw:n0"}]
    links = [link for one in graph.values() for name, part in one.items() if "qualified" in name for link in part]
    assert len(links) == 2
    assert all(link["at"] == AT.isoformat() for link in links)
    assert all(graph[link["prov:wasAttributedTo"]["@id"]]["@type"] == ["prov:Agent"] for link in links)


@pytest.mark.parametrize("broken", [{}, {"@graph": [{"@id": "iw:x", "noted": "no"}]}, {"@graph": [3]}])
def test_what_is_no_linked_export_of_ours_is_refused(broken):
    with pytest.raises(BadInput, match="not a thread of ours"):
        read_prov_o(broken)
