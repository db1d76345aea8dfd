"""The verb `readings`: readings of the running node out into open formats, and in again."""

import argparse
import os
from pathlib import Path
from secrets import token_hex
from typing import Any
from urllib.parse import urlencode

from interwork.cli.calls import Remote, add_data, show
from interwork.cli.writing import find_signal
from interwork.core.errors import BadInput, DiskFull
from interwork.stream.historian.openly import FORMS


def add(verbs: Any) -> None:  # noqa: ANN401 - argparse's own type is private
    """Add the verb of this file."""
    readings = verbs.add_parser(
        "readings", help="take readings out in open formats (Parquet, Arrow, CSV, JSON lines), or bring some in"
    )
    steps = readings.add_subparsers(dest="step", metavar="STEP", required=True)
    export = steps.add_parser("export", help="write readings of the running node into a file")
    add_data(export)
    export.add_argument("--signals", required=True, help="signals by id or as MACHINE/NAME, with commas")
    export.add_argument("--start", help="from when on, as 2026-11-22T06:00:00Z; an hour before the end unless told")
    export.add_argument("--end", help="until when, exclusive; now unless told")
    export.add_argument("--format", choices=sorted(FORMS), default="parquet", help="(%(default)s)")
    export.add_argument(
        "--joined", action="store_true", help="of two signals: each reading of the first with what the second said then"
    )
    export.add_argument("--to", type=Path, required=True, help="the file to write")
    export.set_defaults(run=take_out)
    bring = steps.add_parser(
        "import", help="bring readings of a file into the running node; its signals must be known; 64 MiB at most"
    )
    add_data(bring)
    bring.add_argument("file", type=Path, help="a file with the columns of an export")
    bring.add_argument("--format", choices=sorted(FORMS), default="parquet", help="(%(default)s)")
    bring.set_defaults(run=bring_in)
    kept = steps.add_parser(
        "keep",
        help="keep some signals longer or shorter than the rest, or under a legal hold",
        description="What is said takes the place of what was said before; nothing said keeps them as the rest again. "
        "Only --lift-hold ends a hold.",
    )
    add_data(kept)
    kept.add_argument("--signals", required=True, help="signals by id or as MACHINE/NAME, with commas")
    kept.add_argument("--days", type=float, help="how long, in days")
    kept.add_argument("--quota-mb", type=float, help="how much of all of them together; their oldest hours go first")
    legal = kept.add_mutually_exclusive_group()
    legal.add_argument("--hold", action="store_true", help="drop nothing of them, whatever else is said")
    legal.add_argument("--lift-hold", action="store_true", help="end that")
    kept.set_defaults(run=keep)


def _signals(remote: Remote, arguments: argparse.Namespace) -> list[str]:
    """Find the signals that are named."""
    return [find_signal(remote, one) for one in arguments.signals.split(",")]


def keep(arguments: argparse.Namespace) -> int:
    """Say how long the readings of some signals are kept."""
    remote = Remote(arguments.data)
    hold = True if arguments.hold else False if arguments.lift_hold else None
    body = {"signals": _signals(remote, arguments), "days": arguments.days, "quota_mb": arguments.quota_mb}
    said = remote.post("/api/readings/keeping", {**body, "hold": hold})
    if arguments.json:
        show(said)
    else:
        print(f"It is noted for {said['signals']} signals, and recorded who said so.")
    return 0


def take_out(arguments: argparse.Namespace) -> int:
    """Write readings into a file, whole or not at all; of two exports into one file the later to end stands."""
    remote = Remote(arguments.data)
    query = {"signals": ",".join(_signals(remote, arguments)), "format": arguments.format}
    query |= {name: getattr(arguments, name) for name in ("start", "end") if getattr(arguments, name)}
    if arguments.joined:
        query["form"] = "joined"
    passing = arguments.to.with_name(f"{arguments.to.name}.{token_hex(4)}.part")
    size = 0
    try:
        with passing.open("xb") as file:
            for piece in remote.download(f"/api/readings?{urlencode(query)}"):
                size += file.write(piece)
            file.flush()
            os.fsync(file.fileno())  # some file systems say only now that they are full
        passing.rename(arguments.to)
    except OSError as fault:
        raise DiskFull(
            f"{arguments.to} cannot be written: {fault.strerror}. Nothing is left of it.",
            remedy="Free space there, give another path, or ask for less: fewer signals or a shorter range.",
        ) from fault
    finally:
        passing.unlink(missing_ok=True)
    if arguments.json:
        show({"to": str(arguments.to), "bytes": size})
    else:
        print(f"{size} bytes of readings are in {arguments.to}.")
    return 0


def bring_in(arguments: argparse.Namespace) -> int:
    """Send a file of readings to the node."""
    try:
        content = arguments.file.read_bytes()
    except OSError as fault:
        raise BadInput(f"It cannot be read: {fault.strerror}.", where=str(arguments.file)) from fault
    said = Remote(arguments.data).post("/api/readings", content, format=arguments.format)
    if arguments.json:
        show(said)
    else:
        print(f"{said['readings']} readings were brought in.")
        for one in said["listed"]:
            print(f"refused: {one}")
        if said["refused"] > len(said["listed"]):
            print(f"refused: {said['refused'] - len(said['listed'])} more of the same kind")
    return 0
