"""The verbs `backup` and `restore`: a stopped node in one archive, and a node made of it, checked first."""

import argparse
import errno
import hashlib
import json
import shutil
import tarfile
from io import BytesIO
from pathlib import Path
from typing import Any

import anyio

from interwork.cli.calls import add_data, show
from interwork.core.errors import Conflict, Damaged, DiskFull
from interwork.store import Store
from interwork.store.settings import SETTINGS_FILE, read_settings
from interwork.stream import Historian

LIST = "backup.json"
"""The archive's own list of files with their SHA-256; its last entry, so that an archive cut short has none."""
LEFT_OUT = {"temp"}


def add(verbs: Any) -> None:  # noqa: ANN401 - argparse's own type is private
    """Add the verbs of this file."""
    backup = verbs.add_parser(
        "backup",
        help="write a stopped node whole into one archive, secrets included, with a checksum of every file",
        description="Keep the archive as safe as the node itself: its keys and tokens are in it. "
        "PostgreSQL, where the node uses one, is backed up by its own means.",
    )
    add_data(backup)
    backup.add_argument("--to", type=Path, required=True, help="the .tar.gz to write")
    backup.set_defaults(run=back_up)
    restore = verbs.add_parser("restore", help="make a node of a backup, then check files, event chain and readings")
    add_data(restore)
    restore.add_argument("archive", type=Path, help="the .tar.gz that `backup` wrote")
    restore.set_defaults(run=restore_node)


def back_up(arguments: argparse.Namespace) -> int:
    """Write a stopped node into one archive."""
    folder: Path = arguments.data
    read_settings(folder)
    anyio.run(_nobody_writes, folder)
    passing = arguments.to.with_name(arguments.to.name + ".part")
    try:
        count = _pack(folder, passing)
        passing.rename(arguments.to)
    except OSError as fault:
        raise DiskFull(
            f"{arguments.to} cannot be written: {fault.strerror}.", remedy="Free space there, or give another path."
        ) from fault
    finally:
        passing.unlink(missing_ok=True)
    if arguments.json:
        show({"to": str(arguments.to), "files": count})
    else:
        print(
            f"{count} files are in {arguments.to}, with secrets. Try it: interwork restore {arguments.to} --data TRIAL"
        )
    return 0


async def _nobody_writes(folder: Path) -> None:
    """Open and close the readings: says so where a running node has them, and folds their log into their file."""
    historian = await Historian.open(folder / "readings")
    await historian.close()


def _pack(folder: Path, target: Path) -> int:
    sums: dict[str, str] = {}
    with tarfile.open(target, "w:gz", compresslevel=3) as archive:
        target.chmod(0o600)
        for path in sorted(folder.rglob("*")):
            name = path.relative_to(folder).as_posix()
            if path.is_file() and not path.is_symlink() and not LEFT_OUT & set(path.parts) and path != target:
                sums[name] = _digest(path)
                archive.add(path, arcname=f"node/{name}")
        content = json.dumps(sums, indent=1).encode()
        entry = tarfile.TarInfo(LIST)
        entry.size = len(content)
        archive.addfile(entry, BytesIO(content))
    return len(sums)


def restore_node(arguments: argparse.Namespace) -> int:
    """Make a node of a backup and check all of it."""
    folder: Path = arguments.data
    if folder.exists() and any(folder.iterdir()):
        raise Conflict(f"{folder} is not empty.", remedy="Give a folder that is not there yet with --data.")
    passing = folder.with_name(folder.name + ".part")
    shutil.rmtree(passing, ignore_errors=True)
    try:
        count = _unpack(arguments.archive, passing)
        events, readings = anyio.run(_verify, passing / "node")
        if folder.exists():
            folder.rmdir()
        (passing / "node").rename(folder)
    finally:
        shutil.rmtree(passing, ignore_errors=True)
    if arguments.json:
        show({"data": str(folder), "files": count, "events": events, "readings": readings})
    else:
        print(f"{count} files are whole, {events} events verify, {readings} readings are there. The node is {folder}.")
    return 0


def _unpack(source: Path, folder: Path) -> int:
    try:
        folder.mkdir(parents=True)
        with tarfile.open(source, "r:gz") as archive:
            archive.extractall(folder, filter="data")
        sums: dict[str, str] = json.loads((folder / LIST).read_bytes())
    except (OSError, tarfile.TarError, ValueError, EOFError) as fault:
        if isinstance(fault, OSError) and fault.errno in {errno.ENOSPC, errno.EDQUOT, errno.EFBIG}:
            raise DiskFull(
                f"{folder.parent} has no room for what is in {source}: {fault.strerror}.",
                remedy="Free space there, or give another folder with --data.",
            ) from fault
        raise Damaged(f"{source} is no whole backup: {fault}.", remedy="Use another backup.") from fault
    for name, digest in sums.items():
        path = folder / "node" / name
        if not path.is_file() or _digest(path) != digest:
            raise Damaged(f"{name} is not as it was when the backup was made.", where=str(source))
    if SETTINGS_FILE not in sums:
        raise Damaged(f"{source} holds no node.", remedy="Use an archive that `interwork backup` wrote.")
    return len(sums)


async def _verify(folder: Path) -> tuple[int, int]:
    """Check the event chain and the sealed files; return how many events and readings there are."""
    settings = read_settings(folder)
    store = await Store.open(settings.database or f"sqlite:///{folder / 'state.sqlite3'}")
    try:
        events = await store.verify()
    finally:
        await store.close()
    historian = await Historian.open(folder / "readings")
    try:
        usage = await historian.usage()
    finally:
        await historian.close()
    return events, usage.rows


def _digest(path: Path) -> str:
    with path.open("rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()
