"""The verb `readings`: readings of the running node out into open formats, and in again."""

import argparse
import http.client
import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any
from urllib.parse import urlencode

from interwork.cli.calls import CALL_S, Remote, add_data, problem, show
from interwork.core.errors import BadInput, DiskFull, InterworkError, PeerError, PeerUnreachable
from interwork.stream.historian.openly import FORMS

PIECE = 1 << 20


def add(verbs: Any) -> None:  # noqa: ANN401 - argparse's own type is private
    """Add the verb of this file."""
    readings = verbs.add_parser(
        "readings", help="take readings out in open formats (Parquet, Arrow, CSV, JSON lines), or bring some in"
    )
    steps = readings.add_subparsers(dest="step", metavar="STEP", required=True)
    export = steps.add_parser("export", help="write readings of the running node into a file")
    add_data(export)
    export.add_argument("--signals", required=True, help="ids of signals, with commas (see `interwork signals`)")
    export.add_argument(
        "--start", help="from when on, as 2026-11-22T06:00:00Z or -2h; an hour before the end unless told"
    )
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


def take_out(arguments: argparse.Namespace) -> int:
    """Write readings into a file, whole or not at all."""
    query = {"signals": arguments.signals, "format": arguments.format}
    query |= {name: getattr(arguments, name) for name in ("start", "end") if getattr(arguments, name)}
    if arguments.joined:
        query["form"] = "joined"
    passing = arguments.to.with_name(arguments.to.name + ".part")
    size = 0
    try:
        with passing.open("wb") as file:
            for piece in _download(Remote(arguments.data), f"/api/readings?{urlencode(query)}"):
                size += file.write(piece)
        passing.rename(arguments.to)
    except OSError as fault:
        raise DiskFull(f"{arguments.to} cannot be written: {fault.strerror}.", remedy="Give another path.") from fault
    finally:
        passing.unlink(missing_ok=True)
    if arguments.json:
        show({"to": str(arguments.to), "bytes": size})
    else:
        print(f"{size} bytes of readings are in {arguments.to}.")
    return 0


def _download(remote: Remote, target: str) -> Iterator[bytes]:
    connection = http.client.HTTPConnection(remote.host, remote.port, timeout=CALL_S)
    headers = {"Authorization": f"Bearer {remote.token}", "Host": f"localhost:{remote.port}"}
    try:
        connection.request("GET", target, headers=headers)
        answer = connection.getresponse()
        if answer.status >= 400:
            raise _refusal(answer.read(), answer.status)
        while piece := answer.read(PIECE):
            yield piece
    except (TimeoutError, ConnectionError, http.client.HTTPException) as fault:
        raise PeerUnreachable(
            f"The node of {remote.folder} does not answer to the end at {remote.host}:{remote.port} ({fault!r}).",
            remedy=f"Start it with `interwork serve --data {remote.folder}`, or ask for a shorter range.",
        ) from fault
    finally:
        connection.close()


def _refusal(content: bytes, status: int) -> InterworkError:
    try:
        return problem(json.loads(content), status)
    except ValueError:
        return PeerError(f"The node answered with HTTP {status}.")


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
    return 0
