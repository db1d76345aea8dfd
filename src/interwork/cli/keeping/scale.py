"""The verbs `sink` and `scale`: readings beyond one machine, by the `[scale]` table of node.toml."""

import argparse
import json
import logging
import signal
from pathlib import Path
from typing import Any

import anyio

from interwork.cli.calls import add_data, show
from interwork.cli.logs import log_to_stderr
from interwork.core.errors import BadInput
from interwork.core.settings import Scale
from interwork.store.settings import read_settings
from interwork.stream import Historian
from interwork.stream.scale import Sink
from interwork.stream.scale.checking import addresses, examine
from interwork.stream.scale.moving import move
from interwork.stream.scale.opening import lake_of


def add(verbs: Any) -> None:  # noqa: ANN401 - argparse's own type is private
    """Add the verbs of this file."""
    sink = verbs.add_parser(
        "sink",
        help="carry readings from the shared log into the shared lake, each exactly once, until stopped",
        description="One process may write all partitions, or several some each; a process that was killed goes on "
        "where it was when it is started again. See docs/scale-out.md.",
    )
    add_data(sink)
    sink.add_argument(
        "--partition", type=int, action="append", help="a partition to write; may be given again (all of them)"
    )
    sink.add_argument("--verbose", action="store_true", help="log what happens, one line each")
    sink.set_defaults(run=run_sink)
    scale = verbs.add_parser("scale", help="look over, or move into, the shared log and lake of node.toml's [scale]")
    acts = scale.add_subparsers(dest="act", metavar="ACT", required=True)
    check = acts.add_parser("check", help="reach catalog, store and log, and say how each stands")
    add_data(check)
    check.set_defaults(run=check_scale)
    files = acts.add_parser("files", help="name the lake's files of readings, for Spark, Sail or Trino to read")
    add_data(files)
    files.set_defaults(run=name_files)
    moving = acts.add_parser("move", help="copy this stopped node's own readings into the shared lake, still empty")
    add_data(moving)
    moving.set_defaults(run=move_readings)


def run_sink(arguments: argparse.Namespace) -> int:
    """Run a sink until it is told to end."""
    log_to_stderr(logging.INFO if arguments.verbose else logging.WARNING)
    anyio.run(_sink, arguments.data, arguments.partition)
    return 0


async def _sink(folder: Path, parts: list[int] | None) -> None:
    settings = read_settings(folder)
    scale = _scale(folder)
    place, source = lake_of(folder, scale)
    chosen = range(scale.partitions) if parts is None else parts
    sink = Sink(folder / "sink", scale, place, source, chosen, limits=settings.limits)
    async with anyio.create_task_group() as tasks:
        tasks.start_soon(sink.run)
        print(json.dumps({"ready": True, "partitions": sorted(set(chosen))}), flush=True)
        with anyio.open_signal_receiver(signal.SIGTERM, signal.SIGINT) as told:
            async for _ in told:
                break
        tasks.cancel_scope.cancel()
    await source.close()


def check_scale(arguments: argparse.Namespace) -> int:
    """Say how catalog, store and log stand; 1 where one of them is not well."""
    scale = _scale(arguments.data)
    place, source = lake_of(arguments.data, scale)

    async def look() -> list[Any]:
        try:
            return await examine(arguments.data / "readings", place, source, scale.log_monitors)
        finally:
            await source.close()

    found = anyio.run(look)
    if arguments.json:
        show([{"about": one.about, "well": one.is_well, "said": one.said} for one in found])
    else:
        for one in found:
            mark = {True: "well", False: "NOT WELL", None: "?"}[one.is_well]
            print(f"{mark:8}  {one.about}: {one.said}")
    return int(any(one.is_well is False for one in found))


def name_files(arguments: argparse.Namespace) -> int:
    """Print the address of each file of readings in use, one a line."""
    place, _ = lake_of(arguments.data, _scale(arguments.data))
    found = addresses(arguments.data / "readings", place)
    if arguments.json:
        show(found)
    else:
        print(*found, sep="\n", end="\n" if found else "")
    return 0


def move_readings(arguments: argparse.Namespace) -> int:
    """Copy a stopped node's readings into the shared lake."""
    place, _ = lake_of(arguments.data, _scale(arguments.data))
    readings: Path = arguments.data / "readings"
    anyio.run(_seal, readings)
    counts = move(readings, place, arguments.data / "sink")
    if arguments.json:
        show(counts)
    else:
        print(f"{counts['reading']} readings are in the shared lake. Start a sink, then the node.")
    return 0


async def _seal(folder: Path) -> None:
    """Seal what is not sealed yet; says so where a running node has the readings."""
    historian = await Historian.open(folder)
    try:
        await historian.seal()
    finally:
        await historian.close()


def _scale(folder: Path) -> Scale:
    settings = read_settings(folder)
    if settings.scale is None:
        raise BadInput(f"{folder}/node.toml has no [scale] table.", remedy="Write it as docs/scale-out.md says.")
    return settings.scale
