"""Messages kept at the edge until the lake has their readings: the log alone is not trusted with them.

One file per message in one folder, on the disk before the message is published. Its name says which partition and,
once the log has acknowledged it, under which sequence. It is removed when the lake's progress is past that; after a
start what was never acknowledged is sent again under the same id, and so is what a log has lost. The folder is
bounded: when it is full, appending is refused. Beside the messages stands what senders with an origin have been told.
"""

import os
from collections.abc import Collection, Mapping, Sequence
from pathlib import Path
from typing import NamedTuple

import msgspec

from interwork.core.errors import Damaged, DiskFull, LimitReached
from interwork.stream.origin import Origin
from interwork.stream.scale.log import ORIGIN_ID, Message
from interwork.stream.spool.segment import sync_folder

SUFFIX = ".arrow"
TAKEN = "taken.json"


class Kept(NamedTuple):
    """One message of the folder; `sequence` is 0 until the log has acknowledged it."""

    id: str
    part: int
    rows: int
    sequence: int
    size: int


class Held:
    """The messages of one folder; nothing here knows the event loop."""

    def __init__(self, folder: Path, limit_bytes: int) -> None:
        self._folder, self._limit = folder, limit_bytes
        self._kept: dict[str, Kept] = {}
        self.bytes = 0
        self.taken: dict[str, int] = {}
        """The last number of each sender whose messages the log has."""
        try:
            folder.mkdir(parents=True, exist_ok=True)
            for path in sorted(folder.iterdir()):
                self._find(path)
        except OSError as fault:
            raise self._unusable(fault) from fault
        self.found = frozenset(one for one in self._kept if len(one) == ORIGIN_ID)
        """What was there at the start, and its sender may send again."""

    def __len__(self) -> int:
        return len(self._kept)

    @property
    def rows(self) -> int:
        """Count the readings kept."""
        return sum(one.rows for one in list(self._kept.values()))

    @property
    def highest(self) -> int:
        """Tell the last sequence the log has acknowledged of what is kept."""
        return max((one.sequence for one in list(self._kept.values())), default=0)

    def keep(self, messages: Sequence[Message]) -> None:
        """Keep messages before they are published, all or none; durable when this returns."""
        fresh = [one for one in messages if one.id not in self._kept]
        if self.bytes + sum(len(one.body) for one in fresh) > self._limit:
            raise LimitReached(
                f"{self.rows} readings wait for the lake in {self._folder}: {self.bytes / 1e6:.0f} MB, the limit.",
                remedy="Start the sinks, or raise limits.spool_mb; appending resumes by itself.",
            )
        made = [Kept(one.id, one.part, one.rows, 0, len(one.body)) for one in fresh]
        passing = [self._path(kept).with_suffix(".part") for kept in made]
        try:
            for path, one in zip(passing, fresh, strict=True):
                _write(path, one.body)
            for path, kept in zip(passing, made, strict=True):
                path.rename(self._path(kept))
            sync_folder(self._folder)
        except OSError as fault:
            for path, kept in zip(passing, made, strict=True):
                path.unlink(missing_ok=True)
                self._path(kept).unlink(missing_ok=True)
            raise self._unusable(fault) from fault
        for kept in made:
            self._kept[kept.id] = kept
            self.bytes += kept.size

    def sequence_of(self, identifier: str) -> int:
        """Tell under which sequence the log has a message that is kept; 0 where it has not acknowledged it."""
        kept = self._kept.get(identifier)
        return 0 if kept is None else kept.sequence

    def note(self, origin: Origin) -> None:
        """Note that the log has all a sender sent under a number; durable when this returns."""
        taken = {**self.taken, origin.source: origin.number}
        path = self._folder / TAKEN
        try:
            _write(path.with_suffix(".part"), msgspec.json.encode(taken))
            path.with_suffix(".part").replace(path)
            sync_folder(self._folder)
        except OSError as fault:
            raise self._unusable(fault) from fault
        self.taken = taken

    def acknowledge(self, identifier: str, sequence: int) -> None:
        """Note under which sequence the log has a message."""
        kept = self._kept[identifier]
        new = kept._replace(sequence=sequence)
        try:
            self._path(kept).rename(self._path(new))
        except OSError as fault:
            raise self._unusable(fault) from fault
        self._kept[identifier] = new

    def give_back(self, identifiers: Collection[str]) -> None:
        """Let go of messages that their caller keeps."""
        for one in identifiers:
            if one in self._kept:
                self._drop(self._kept[one])

    def release(self, progress: Mapping[int, int], but: Collection[str] = ()) -> int:
        """Remove what the lake has, but for some; return how many messages that was."""
        done = [
            one for one in self._kept.values() if 0 < one.sequence <= progress.get(one.part, 0) and one.id not in but
        ]
        for one in done:
            self._drop(one)
        return len(done)

    def unsent(self, under_way: Collection[str]) -> list[Message]:
        """Read what the log has not acknowledged and nobody is publishing."""
        return self._read([one for one in self._kept.values() if one.sequence == 0 and one.id not in under_way])

    def lost(self, last: int, known: int) -> list[Message]:
        """Read what a log that ends with message `last` had acknowledged, up to `known`, and has no more."""
        return self._read([one for one in self._kept.values() if last < one.sequence <= known])

    def _read(self, due: list[Kept]) -> list[Message]:
        try:
            return [Message(one.id, one.part, one.rows, self._path(one).read_bytes()) for one in due]
        except OSError as fault:
            raise self._unusable(fault) from fault

    def _drop(self, kept: Kept) -> None:
        self._path(kept).unlink(missing_ok=True)
        del self._kept[kept.id]
        self.bytes -= kept.size

    def _path(self, kept: Kept) -> Path:
        return self._folder / f"{kept.id}-{kept.part}-{kept.rows}-{kept.sequence}{SUFFIX}"

    def _find(self, path: Path) -> None:
        if path.name == TAKEN:
            try:
                self.taken = msgspec.json.decode(path.read_bytes(), type=dict[str, int])
            except msgspec.MsgspecError as fault:
                raise Damaged(
                    f"{path} cannot be read: {fault}.", remedy="Move it away: what waits in the spool is sent as new."
                ) from fault
            return
        if path.suffix != SUFFIX:
            path.unlink()  # it was being written when the node ended, and so never acknowledged
            return
        identifier, part, rows, sequence = path.stem.split("-")
        kept = Kept(identifier, int(part), int(rows), int(sequence), path.stat().st_size)
        self._kept[identifier] = kept
        self.bytes += kept.size

    def unlisted(self) -> None:
        """Forget what was found at the start: nobody sends it again now."""
        self.found = frozenset()

    def _unusable(self, fault: OSError) -> DiskFull:
        return DiskFull(f"{self._folder} cannot be used: {fault.strerror}.", remedy="Free space on its disk.")


def _write(path: Path, content: bytes) -> None:
    """Write a file that is on the disk when this returns."""
    with path.open("wb") as file:
        file.write(content)
        file.flush()
        os.fsync(file.fileno())
