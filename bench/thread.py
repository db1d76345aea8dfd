"""The digital thread at scale: a backward trace from an inspection value among 100,000 nodes, from the store on disk.

500 threads of 200 nodes are written, each from one need through designs, plans, orders and runs to evidence, with
shared ancestors (award, project, technology) above all of them. A trace is read from the store, frontier by frontier.
The limit beside it is the goal of 200 ms; another figure, for people, is the same walk over edges held in memory.
"""

import random
import statistics
import tempfile
import time
from pathlib import Path

import anyio

from bench.harness import Result
from interwork.core.clock import now
from interwork.core.design import EdgeKind, ThreadEdge, ThreadNode
from interwork.design import backward
from interwork.flows.trace import part
from interwork.store import Change, Store

THREADS, LENGTH, TRACES = 500, 200, 40
LIMIT_MS = 200.0


def run() -> Result:
    """Measure the median backward trace in ms."""
    return anyio.run(_measure)


def woven(number: int, shared: list[str]) -> tuple[list[ThreadNode], list[ThreadEdge]]:
    """Weave one thread: every node comes of one or two of the five before it."""
    dice, at = random.Random(number), now()
    names = [f"node-{number}-{index}" for index in range(LENGTH)]
    nodes = [ThreadNode(id=name, kind="run", label=name, at=at) for name in names]
    pairs = {(dice.choice(shared), names[0])}
    for index in range(1, LENGTH):
        for _ in range(dice.choice((1, 2))):
            pairs.add((names[max(0, index - dice.randint(1, 5))], names[index]))
    edges = [
        ThreadEdge(id=f"edge-{a}-{b}", source=a, target=b, kind=EdgeKind.DERIVES, at=at, agent="did:web:bench")
        for a, b in sorted(pairs)
    ]
    return nodes, edges


async def _measure() -> Result:
    shared = [f"node-shared-{index}" for index in range(10)]
    every: list[ThreadEdge] = []
    with tempfile.TemporaryDirectory() as folder:
        async with await Store.open(f"sqlite:///{Path(folder) / 'state.db'}") as store:
            for number in range(THREADS):
                nodes, edges = woven(number, shared)
                every += edges
                change = Change()
                for one in (*nodes, *edges):
                    change.put(one)
                await store.commit(change)
            times, sizes = [], []
            for number in range(0, THREADS, THREADS // TRACES):
                began = time.perf_counter()
                found = await part(store, f"node-{number}-{LENGTH - 1}", forward=False)
                times.append(1000 * (time.perf_counter() - began))
                sizes.append(len(found.nodes))
    began = time.perf_counter()
    held = backward(f"node-0-{LENGTH - 1}", every)
    in_memory = 1000 * (time.perf_counter() - began)
    note = (
        f"{THREADS * LENGTH} nodes, {len(every)} edges; a trace finds {statistics.median(sizes):.0f} nodes, longest "
        f"{max(times):.0f} ms; all edges indexed and walked in memory {in_memory:.0f} ms for {len(held)} nodes"
    )
    return Result(
        bench="thread",
        ours=statistics.median(times),
        peer=LIMIT_MS,
        peer_name="the limit: 200 ms for a backward trace at 100,000 nodes",
        goal=1.0,
        unit="ms",
        better="lower",
        note=note,
    )
