"""Checkpoints: per device its place in the machine's own memory and the state of its shaping, of one same moment.

Whole or not at all: written beside, fsynced, renamed, the folder fsynced. A checkpoint is only ever written when the
readings up to its place are durable; after a crash the device is read from there on, so what lies between is read
once more, shaped to the same, and shown once.
"""

import os
import zlib
from pathlib import Path

import msgspec

from interwork.core.errors import Damaged, DiskFull
from interwork.core.ids import derived_id
from interwork.stream.spool.segment import sync_folder

SUFFIX = ".checkpoint"


class Checkpoint(msgspec.Struct, frozen=True, kw_only=True):
    """Where a device's line stands."""

    about: str
    """What it was made of: another endpoint or other signals make it void."""
    at_us: int
    place: str = ""
    """In the connector's own words; empty where its machine keeps nothing."""
    shaping: bytes = b""
    marks: bytes = b""
    """While it is lost: what its signals say at their marks, should nothing turn out to be missing."""


class Checkpoints:
    """The checkpoints of one folder, one file a device; used from worker threads."""

    def __init__(self, folder: Path) -> None:
        self._folder = folder

    def write(self, name: str, checkpoint: Checkpoint) -> None:
        """Put a checkpoint in the place of the one before; durable when this returns."""
        body = msgspec.msgpack.encode(checkpoint)
        path = self._path(name)
        passing = path.with_suffix(".new")
        try:
            self._folder.mkdir(parents=True, exist_ok=True)
            with passing.open("wb") as file:
                file.write(zlib.crc32(body).to_bytes(4, "little") + body)
                file.flush()
                os.fsync(file.fileno())
            passing.replace(path)
            sync_folder(self._folder)
        except OSError as fault:
            passing.unlink(missing_ok=True)
            raise DiskFull(f"{path} cannot be written: {fault.strerror}.", remedy="Free space on its disk.") from fault

    def read(self, name: str, about: str) -> Checkpoint | None:
        """Read the checkpoint of something; None where there is none of it. Damaged where it is none."""
        path = self._path(name)
        try:
            content = path.read_bytes()
        except FileNotFoundError:
            return None
        except OSError as fault:
            raise Damaged(f"{path} cannot be read: {fault.strerror}.", remedy="Look after its disk.") from fault
        try:
            if zlib.crc32(content[4:]) != int.from_bytes(content[:4], "little"):
                raise Damaged(f"{path} is not as it was written.", remedy="Nothing; the device is read anew.")
            found = msgspec.msgpack.decode(content[4:], type=Checkpoint)
        except msgspec.MsgspecError as fault:
            raise Damaged(f"{path} is no checkpoint: {fault}.", remedy="Nothing; the device is read anew.") from fault
        return found if found.about == about else None

    def forget(self, name: str) -> None:
        """Remove a device's checkpoint."""
        self._path(name).unlink(missing_ok=True)

    def _path(self, name: str) -> Path:
        return self._folder / f"{derived_id('checkpoint', name)}{SUFFIX}"
