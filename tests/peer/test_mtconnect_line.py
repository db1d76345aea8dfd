"""A cut between the node and an MTConnect agent: what the agent kept meanwhile reaches the historian once."""

import sys
from pathlib import Path

import anyio
import pytest
from machines.running import mtconnect_machine

sys.path.insert(0, str(Path(__file__).parents[1] / "unit" / "flows"))

from flows_world import at_work, eventually, opened

from interwork.core.blueprint import LinkState
from interwork.core.clock import now, to_us
from interwork.core.resource import GOOD
from interwork.flows import ingest
from interwork.flows.ingest import Connection, supervision

pytestmark = pytest.mark.peer


async def stored(node, number):
    batch = await node.historian.readings([number], 0, to_us(now()) + 10**9)
    return [value for value, quality in zip(batch.value, batch.quality, strict=True) if quality == GOOD]


async def test_observations_made_during_a_cut_are_kept_once_each_and_in_order(tmp_path, monkeypatch):
    """machines 23: resumed at the next sequence after a cut, without loss or repeat, through to the historian."""
    monkeypatch.setattr(supervision, "BACKOFF_S", (0.1, 0.3))
    machine = mtconnect_machine()
    tell = machine.servers[0].tell
    try:
        async with opened(tmp_path / "node") as node:
            made = await ingest.connect(
                node, Connection(name="Mill", endpoint=machine.endpoint, options=machine.options)
            )
            number = next(one.number for one in made.signals if one.name == "PartCount")

            async def state():
                return next(one.state for one in await ingest.machine_states(node) if one.id == made.resource.id)

            async with at_work(ingest.work, node):
                await eventually(state, lambda one: one is LinkState.CONNECTED)
                await anyio.to_thread.run_sync(tell, "set", "count", 1)
                await eventually(lambda: stored(node, number), lambda values: values[-1:] == [1.0])
                await anyio.to_thread.run_sync(tell, "cut")
                await eventually(state, lambda one: one is LinkState.BACKOFF)
                for count in range(2, 60):
                    await anyio.to_thread.run_sync(tell, "set", "count", count)
                await anyio.to_thread.run_sync(tell, "mend")
                values = await eventually(lambda: stored(node, number), lambda values: values[-1:] == [59.0])
    finally:
        machine.stop()
    assert values == [float(count) for count in range(60)]
