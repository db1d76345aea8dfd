"""What a person wants to know of a set-up beyond one machine before trusting it: each part reached, and how it stands.

JetStream acknowledges before it has synced unless told `sync_interval: always`, and has lost acknowledged messages
that way (jepsen.io/analyses/nats-2.12.1); a server's monitoring address tells, and nothing else does.
"""

import json
import urllib.request
from collections.abc import Sequence
from functools import partial
from pathlib import Path

import anyio.to_thread
import duckdb
import msgspec

from interwork.core.errors import InterworkError, WrongState
from interwork.stream.historian.lake import DUCKDB, extension
from interwork.stream.scale.log import Log
from interwork.stream.scale.place import EXTENSIONS, Place, SharedEngine

MONITOR_S = 3.0
ANSWER_MAX = 1 << 20


class Finding(msgspec.Struct, frozen=True, kw_only=True):
    """What was looked at, whether it is as it should be (None: it could not be looked at), and what was found."""

    about: str
    is_well: bool | None
    said: str


async def examine(folder: Path, place: Place, source: Log, monitors: Sequence[str]) -> list[Finding]:
    """Look at versions, lake, log and the servers' syncing; nothing is changed."""
    found = [_versions()]
    found.append(await anyio.to_thread.run_sync(partial(_lake, folder, place)))
    found.append(await _stream(source))
    if not monitors:
        said = "not checked: name the servers' monitoring addresses in scale.log_monitors"
        found.append(Finding(about="sync before acknowledgement", is_well=None, said=said))
    return found + [await anyio.to_thread.run_sync(partial(_syncing, address)) for address in monitors]


def addresses(folder: Path, place: Place) -> list[str]:
    """Name the files of readings in use, by time; WrongState where rows of some are dropped, which they do not say."""
    engine = SharedEngine.reach(folder, place)
    try:
        files = [file for file in engine.sealed.files if file.table == "reading"]
        corrected = sum(file.has_drops for file in files)
        if corrected:
            raise WrongState(
                f"Of {corrected} of {len(files)} files some rows are dropped, which only the catalog knows.",
                remedy="Ask again once the sinks have written their hours anew, an hour after the last correction.",
            )
        return [engine.sealed.place(file) for file in files]
    finally:
        engine.close()


def _versions() -> Finding:
    try:
        for name in EXTENSIONS:
            extension(name)
    except InterworkError as fault:
        return Finding(about="extensions", is_well=False, said=str(fault))
    said = f"DuckDB {duckdb.__version__} with {', '.join(EXTENSIONS)} from the installed wheels"
    return Finding(about="extensions", is_well=duckdb.__version__ == DUCKDB, said=said)


def _lake(folder: Path, place: Place) -> Finding:
    try:
        engine = SharedEngine.reach(folder, place)
    except InterworkError as fault:
        return Finding(about="lake", is_well=False, said=str(fault))
    try:
        rows = sum(file.rows for file in engine.sealed.files if file.table == "reading")
        progress = ", ".join(f"{part}: {seq}" for part, seq in sorted(engine.progress.items()))
        said = f"about {rows} readings in {len(engine.sealed.files)} files; message by partition {progress}"
        return Finding(about="lake", is_well=True, said=said)
    finally:
        engine.close()


async def _stream(source: Log) -> Finding:
    try:
        held = await source.standing()
    except InterworkError as fault:
        return Finding(about="log", is_well=False, said=str(fault))
    said = f"{held.messages} messages ({held.bytes / 1e6:.1f} MB) wait, the last is {held.last}; "
    said += f"{held.current} of {held.replicas} replicas are current"
    return Finding(about="log", is_well=held.current >= held.replicas, said=said)


def _syncing(address: str) -> Finding:
    about = f"sync before acknowledgement at {address}"
    if not address.startswith(("http://", "https://")):
        return Finding(about=about, is_well=False, said="This is no http address.")
    try:
        with urllib.request.urlopen(f"{address.rstrip('/')}/varz", timeout=MONITOR_S) as answer:  # noqa: S310 - checked
            facts = json.loads(answer.read(ANSWER_MAX))
        config = facts["jetstream"]["config"]
    except (OSError, ValueError, KeyError, TypeError) as fault:
        return Finding(about=about, is_well=False, said=f"It does not tell: {fault}.")
    is_always = bool(config.get("sync_always"))
    said = "always" if is_always else "only now and then: say `sync_interval: always` in its jetstream block"
    return Finding(about=about, is_well=is_always, said=said)
