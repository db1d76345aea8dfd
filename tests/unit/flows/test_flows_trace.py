"""Walking the thread in the store: the same as over all edges in memory, nearest first, and honest where it is cut."""

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from interwork.core.clock import now
from interwork.core.design import EdgeKind, ThreadEdge, ThreadNode
from interwork.core.errors import NotFound
from interwork.design import backward, forward
from interwork.flows.trace import newest, part, trace
from interwork.store import Change, Store


def woven(pairs):
    names = sorted({f"n{end}" for pair in pairs for end in pair} | {"n0"})
    nodes = [ThreadNode(id=name, kind="run", label=name, at=now()) for name in names]
    edges = [
        ThreadEdge(id=f"e{a}-{b}", source=f"n{a}", target=f"n{b}", kind=EdgeKind.DERIVES, at=now(), agent="did:web:a")
        for a, b in sorted(set(pairs))
    ]
    return nodes, edges


async def kept(folder, pairs):
    store = await Store.open(f"sqlite:///{folder / 'state.db'}")
    nodes, edges = woven(pairs)
    change = Change()
    for one in (*nodes, *edges):
        change.put(one)
    await store.commit(change)
    return store, edges


@settings(max_examples=6, deadline=None)
@given(st.lists(st.tuples(st.integers(0, 12), st.integers(0, 12)), max_size=40))
async def test_a_walk_in_the_store_is_the_walk_in_memory(tmp_path_factory, pairs):
    store, edges = await kept(tmp_path_factory.mktemp("thread"), pairs)
    async with store:
        for way, walk in ((False, backward), (True, forward)):
            found = await trace(store, "n0", forward=way)
            assert (set(found.ids[1:]), found.is_cut) == (set(walk("n0", edges)), False)


async def test_a_walk_that_is_cut_says_so_and_keeps_the_nearest(tmp_path):
    store, _ = await kept(tmp_path, [(index + 1, index) for index in range(20)])
    async with store:
        found = await part(store, "n0", forward=False, most=5)
        assert ([one.id for one in found.nodes], found.is_cut) == (["n0", "n1", "n2", "n3", "n4"], True)
        assert (await newest(store, 3)).is_cut


async def test_a_start_that_is_on_no_thread_is_not_found(tmp_path):
    store, _ = await kept(tmp_path, [])
    async with store:
        with pytest.raises(NotFound, match="on no thread"):
            await part(store, "elsewhere", forward=True)
