"""Four protocols side by side in one node: connected as proposed, and visible in one model."""

import sys
from contextlib import ExitStack
from pathlib import Path

import anyio
import pytest
from machines.running import MACHINES

sys.path.insert(0, str(Path(__file__).parents[1] / "unit" / "flows"))

from flows_world import at_work, eventually, opened

from interwork.core.resource import Meaning, Signal, is_good
from interwork.flows import ingest
from interwork.flows.ingest import Connection

pytestmark = pytest.mark.peer
KINDS = ("opcua", "sparkplug", "mtconnect", "modbus")


async def test_machines_of_four_protocols_are_read_by_the_same_meanings_within_a_minute(tmp_path):
    """machines 1: data of OPC UA, Sparkplug, MTConnect and Modbus visible in one model within 60 s."""
    with ExitStack() as running:
        machines = {kind: await anyio.to_thread.run_sync(MACHINES[kind]) for kind in KINDS}
        for machine in machines.values():
            running.callback(machine.stop)
        async with opened(tmp_path / "node") as node:
            with anyio.fail_after(60):
                for kind, machine in machines.items():
                    asked = Connection(name=kind, endpoint=machine.endpoint, options=machine.options)
                    await ingest.connect(node, asked)
                async with at_work(ingest.work, node):
                    for number, machine in enumerate(machines.values(), 40):
                        await anyio.to_thread.run_sync(machine.change, number)
                    counts = [one for one in await node.store.find(Signal) if one.meaning is Meaning.PART_COUNT]
                    told = await eventually(lambda: shown(node, counts), lambda held: len(held) == 4, within_s=50)
    assert sorted(told) == [40, 41, 42, 43]


async def shown(node, signals):
    """Give the good values from 40 on that are live now."""
    held = [node.live.value(one.number) for one in signals]
    return {one.value for one in held if one is not None and is_good(one.quality) and one.value >= 40}
