"""A program of its own that appends to a historian until it is killed, dies at a chosen point, or fills its disk.

Run as `python historian_child.py FOLDER MODE`; prints one line per acknowledged batch, so that whoever started it
knows what must be found again. Not a test: pytest does not collect it.
"""

import logging
import os
import resource
import sys
from pathlib import Path

import anyio
import numpy as np
import structlog

from interwork.core.errors import DiskFull, InterworkError
from interwork.stream import Historian, batch_of
from interwork.stream.historian import engine, sealing

ROWS = 200
BASE_US = 1_789_999_200_000_000


def batch(index):
    rows = np.arange(ROWS)
    return batch_of(rows % 10, BASE_US + index * 60_000_000 + rows, rows + index * 1000.0, np.zeros(ROWS))


def die(*_, **__):
    os._exit(9)


async def ingest(folder, seal_every):
    historian = await Historian.open(folder)
    index = (await historian.usage()).rows // ROWS
    while True:
        await historian.append(batch(index))
        print(index, flush=True)
        if index % seal_every == seal_every - 1:
            await historian.seal()
        index += 1


async def fill(folder):
    historian = await Historian.open(folder)
    _, hard = resource.getrlimit(resource.RLIMIT_FSIZE)
    resource.setrlimit(resource.RLIMIT_FSIZE, (3_000_000, hard))
    rows, index, seen = 0, 0, ""
    big = 20_000
    while not seen:
        try:
            noise = np.random.default_rng(index).normal(size=big)
            await historian.append(batch_of(np.arange(big) % 10, index * big + np.arange(big), noise, np.zeros(big)))
            rows += big
            index += 1
        except DiskFull as fault:
            seen = str(fault)
    readable = (await historian.usage()).rows
    resource.setrlimit(resource.RLIMIT_FSIZE, (hard, hard))
    await historian.append(batch_of([5], [-1], [0.0], [0]))
    await historian.seal()
    print(rows, readable, (await historian.usage()).rows, seen, sep="|")
    await historian.close()


async def open_only(folder):
    try:
        await Historian.open(folder)
    except InterworkError as fault:
        print(type(fault).__name__, fault, sep="|")


def main():
    folder, mode = Path(sys.argv[1]), sys.argv[2]
    structlog.configure(wrapper_class=structlog.make_filtering_bound_logger(logging.CRITICAL))
    if mode == "before-commit":
        sealing.Lake._register = die
    if mode == "before-folder-sync":
        sealing._sync = die
    if mode == "before-roll-up":
        sealing.Lake.roll = die
    if mode == "within-commit":
        sealing.Lake._sync_new = die
    if mode == "before-mark-read":
        refresh = engine.Engine.refresh
        engine.Engine.refresh = lambda self: die() if self.mark or self.hot_rows() else refresh(self)
    if mode == "after-commit":
        engine.Engine.trim = lambda self: die() if self.mark else None
    if mode == "fill-checkpoint":
        engine.CHECKPOINT_AT = "1MB"
    if mode.startswith("fill"):
        anyio.run(fill, folder)
    elif mode == "open":
        anyio.run(open_only, folder)
    else:
        anyio.run(ingest, folder, 7)


if __name__ == "__main__":
    main()
