"""Lives of a node's machine line, each ended by SIGKILL from outside: `python ingest_child.py FOLDER`.

For each line `FIRST SEED` on standard input a child is forked that opens the node, carries batch after batch from
number FIRST on, and prints each number once `keep` has returned. Now and then the historian's disk is full, so that
batches go to the spool and come from there. Every batch also corrects a reading of an earlier one. For each line
`ENDPOINT ADDRESS` a child reads a machine instead, and prints what the historian has of the point. Not a test.
"""

import logging
import os
import random
import sys
from contextlib import suppress
from pathlib import Path

import anyio
import anyio.lowlevel
import structlog

sys.path.insert(0, str(Path(__file__).parents[1]))
sys.path.insert(0, str(Path(__file__).parents[1] / "unit" / "flows"))

from flows_world import at_work, eventually, opened

from interwork.core.resource import GOOD, BatchBuilder, Signal
from interwork.flows import ingest
from interwork.flows.ingest import carrying
from interwork.stream.historian import engine

BASE_US = 1_789_999_200_000_000
SIGNALS, BACK = 5, 4
"""A batch has a reading of each signal, and corrects signal 0 as it was so many batches ago."""


def batch(index):
    builder = BatchBuilder()
    for number in range(SIGNALS):
        builder.add(number, BASE_US + index * 1_000_000, float(index))
    if index >= BACK:
        builder.add(0, BASE_US + (index - BACK) * 1_000_000, index + 0.5)
    return builder.take()


async def spool_of(node):
    return node.links.uplink.spool


async def live(folder, first, seed):
    chance = random.Random(seed)
    carrying.RETRY_S = (0.005, 0.005)
    async with opened(folder) as node, at_work(ingest.work, node):
        await eventually(lambda: spool_of(node), lambda spool: spool is not None)
        index = first
        while True:
            if chance.random() < 0.2:
                engine.RESERVE_BYTES = chance.choice([0, 1 << 60])
            await carrying.keep(node, None, batch(index))
            os.write(1, b"%d\n" % index)
            index += 1
            await anyio.lowlevel.checkpoint()


async def read(folder, endpoint, address):
    """Read a machine and print each value of a point once the historian has it."""
    async with opened(folder) as node:
        found = [one for one in await node.store.find(Signal, limit=100) if one.address == address]
        if not found:
            made = await ingest.connect(node, ingest.Connection(name="Mill", endpoint=endpoint))
            found = [one for one in made.signals if one.address == address]
        told = None
        async with at_work(ingest.work, node):
            while True:
                kept = await node.historian.readings([found[0].number], 0, BASE_US * 2)
                values = [value for value, quality in zip(kept.value, kept.quality, strict=True) if quality == GOOD]
                if values and values[-1] != told:
                    told = values[-1]
                    os.write(1, b"%d\n" % told)
                await anyio.sleep(0.02)


def main():
    structlog.configure(wrapper_class=structlog.make_filtering_bound_logger(logging.CRITICAL))
    folder = Path(sys.argv[1])
    for line in sys.stdin:
        first, second = line.split()
        task = (read, folder, first, second) if "://" in first else (live, folder, int(first), int(second))
        child = os.fork()
        if not child:
            with suppress(KeyboardInterrupt):
                anyio.run(*task)
            os._exit(1)
        os.write(1, b"pid %d\n" % child)
        os.waitpid(child, 0)
        os.write(1, b"ended\n")


if __name__ == "__main__":
    main()
