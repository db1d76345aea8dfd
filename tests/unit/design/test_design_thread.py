"""The thread walks both ways, tells what is missing, lays out in layers and survives its export."""

import json
import time

import pytest
from design_shapes import AT
from hypothesis import given
from hypothesis import strategies as st

from interwork.core.design import EdgeKind, ThreadEdge, ThreadNode
from interwork.core.errors import BadInput
from interwork.design import backward, forward, gaps, lay_out, prov, read_prov


def node(identifier, kind="design", **more):
    return ThreadNode(id=identifier, kind=kind, label=f"the {identifier}", at=AT, **more)


def edge(source, target, kind=EdgeKind.DERIVES, agent="did:web:a.example"):
    return ThreadEdge(id=f"edge-{source}-{kind}-{target}", source=source, target=target, kind=kind, at=AT, agent=agent)


STORY = [
    edge("rev-1", "process-1", EdgeKind.PLANS),
    edge("rev-1", "need-1"),
    edge("need-1", "plan-1", EdgeKind.DECIDES),
    edge("plan-1", "order-1", EdgeKind.PERFORMS),
    edge("agreement-1", "order-1", EdgeKind.GOVERNS),
    edge("order-1", "run-1", EdgeKind.EXECUTES),
    edge("run-1", "evidence-1", EdgeKind.OBSERVED),
]
KINDS = {"rev-1": "design", "process-1": "process-plan", "agreement-1": "agreement"}
NODES = [
    node(name, KINDS.get(name, name.partition("-")[0]))
    for name in dict.fromkeys(end for one in STORY for end in (one.source, one.target))
]
graphs = st.lists(st.tuples(st.integers(0, 12), st.integers(0, 12)), max_size=40).map(
    lambda pairs: [edge(f"n{a}", f"n{b}") for a, b in dict.fromkeys(pairs)]
)


def test_backward_walks_from_evidence_to_design_nearest_first():
    assert backward("evidence-1", STORY) == ["run-1", "order-1", "plan-1", "agreement-1", "need-1", "rev-1"]


def test_forward_tells_everything_that_came_of_a_design():
    assert set(forward("rev-1", STORY)) == {"process-1", "need-1", "plan-1", "order-1", "run-1", "evidence-1"}


def test_a_circle_is_walked_once():
    assert forward("a", [edge("a", "b"), edge("b", "a")]) == ["b"]


def test_a_whole_story_misses_nothing():
    assert gaps(NODES, STORY) == []


@pytest.mark.parametrize(
    ("dropped", "place", "word"),
    [
        (EdgeKind.OBSERVED, "run-1", "no evidence"),
        (EdgeKind.GOVERNS, "order-1", "no agreement"),
        (EdgeKind.PLANS, "rev-1", "no process plan"),
        (EdgeKind.DECIDES, "need-1", "nobody has decided"),
        (EdgeKind.PERFORMS, "plan-1", "nothing was ordered"),
    ],
)
def test_a_missing_link_is_told(dropped, place, word):
    (missing,) = gaps(NODES, [one for one in STORY if one.kind is not dropped])
    assert (missing.node, missing.link) == (place, dropped)
    assert word in missing.text


def test_layers_put_every_cause_before_what_came_of_it():
    layout = lay_out(NODES, STORY)
    assert layout.layers[0] == ("rev-1", "agreement-1")
    assert layout.layers[3:] == (("order-1",), ("run-1",), ("evidence-1",))
    assert layout.circular == ()


@given(graphs)
def test_every_node_stands_in_one_layer_and_every_edge_but_circular_ones_leads_on(edges):
    names = {end for one in edges for end in (one.source, one.target)}
    layout = lay_out([node(name) for name in names], edges)
    place = {name: number for number, layer in enumerate(layout.layers) for name in layer}
    assert place.keys() == names
    assert all(place[e.source] < place[e.target] for e in edges if e.id not in layout.circular)


def test_an_empty_thread_has_no_layers():
    assert lay_out([], []).layers == ()


def test_edges_to_nodes_not_held_are_left_out_of_the_drawing():
    assert lay_out([node("a")], [edge("a", "b")]).layers == (("a",),)


@given(graphs, st.text(max_size=20))
def test_the_export_comes_back_the_same(edges, label):
    kinds = ("design", "run", "organisation", "need")
    nodes = [
        ThreadNode(
            id=f"n{n}", kind=kinds[n % 4], label=label, at=AT, holder="did:web:b", digest="sha256:1", is_shared=n > 3
        )
        for n in range(13)
    ]
    back = read_prov(json.loads(json.dumps(prov(nodes, edges))))
    assert sorted(back[0], key=lambda one: one.id) == sorted(nodes, key=lambda one: one.id)
    assert sorted(back[1], key=lambda one: one.id) == sorted(edges, key=lambda one: one.id)


def test_every_relation_of_the_export_has_its_agent_and_its_time():
    document = prov(NODES, STORY)
    relations = [
        record for name, part in document.items() if name.startswith(("was", "used")) for record in part.values()
    ]
    assert len(relations) == len(STORY)
    assert all(record["interwork:agent"] and record["interwork:at"]["$"] for record in relations)


def test_relations_run_from_what_came_of_it_to_its_cause():
    document = prov(NODES, STORY)
    (record,) = document["wasGeneratedBy"].values()
    assert (record["prov:entity"], record["prov:activity"]) == ("interwork:evidence-1", "interwork:run-1")
    assert set(document["activity"]) == {"interwork:run-1", "interwork:order-1"}


def test_an_id_with_colons_is_a_name_of_the_namespace():
    document = prov([node("did:web:a.example", "organisation")], [])
    assert "interwork:did%3Aweb%3Aa.example" in document["agent"]


def test_what_is_no_export_of_ours_is_refused():
    with pytest.raises(BadInput, match="not a thread of ours"):
        read_prov({"wasDerivedFrom": {"interwork:x": {"prov:type": 3}}})


def test_a_hundred_thousand_nodes_are_walked_back_in_time():
    edges = [edge(f"n{n // 2}", f"n{n}") for n in range(1, 100_000)]
    begin = time.process_time()
    assert len(backward("n99999", edges)) == 17
    assert time.process_time() - begin < 1
