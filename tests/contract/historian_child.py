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


async def seal_full(folder):
    """Seal while no file may grow beyond some size, more each time: it fails at another step each time."""
    historian = await Historian.open(folder)
    _, hard = resource.getrlimit(resource.RLIMIT_FSIZE)
    noise = np.random.default_rng(1).integers(0, 9, 60_000) * 1.0
    times, held = BASE_US + np.arange(60_000) * 200_000, set()
    for part in range(6):
        rows = slice(part * 10_000, part * 10_000 + 10_000)
        await historian.append(batch_of(np.arange(10_000) % 10, times[rows], noise[rows], np.zeros(10_000)))
    seen, kept = [], []
    for most in (1_000, 20_000, 100_000, 150_000):
        resource.setrlimit(resource.RLIMIT_FSIZE, (most, hard))
        try:
            await historian.tend(0)
            await historian.seal()
        except InterworkError as fault:
            seen.append(f"{type(fault).__name__} {fault}")
        resource.setrlimit(resource.RLIMIT_FSIZE, (hard, hard))
        found = await historian.readings(range(10), 0, 1 << 60)
        kept.append((len(found), np.sum(found.value).item() == np.sum(noise[np.argsort(times)]).item()))
        held.add((await historian.usage()).rows)
    await historian.seal()
    await historian.close()
    historian = await Historian.open(folder)
    files = sorted(path.name for path in (folder / "lake").rglob("*") if path.is_file())
    named = sorted(file.name for file in historian._engine.sealed.files)
    print(len(seen), kept, held, files == named, (await historian.usage()).hot_rows, *seen, sep="|")
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
    ways = {"fill": fill, "fill-checkpoint": fill, "seal-full": seal_full, "open": open_only}
    if mode in ways:
        anyio.run(ways[mode], folder)
    else:
        anyio.run(ingest, folder, 7)


if __name__ == "__main__":
    main()
