"""Messages kept at the edge until the lake has their readings: the log alone is not trusted with them.

One file per message in one folder. Its name says which partition and, once the log has acknowledged it, under which
sequence. It is removed when the lake's progress is past that; after a start what was never acknowledged is sent again
under the same id, and so is what a log has lost. The folder is bounded: when it is full, appending is refused.
"""

from collections.abc import Collection, Mapping
from pathlib import Path
from typing import NamedTuple

from interwork.core.errors import DiskFull, LimitReached
from interwork.stream.scale.log import Message

SUFFIX = ".arrow"


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
        try:
            folder.mkdir(parents=True, exist_ok=True)
            for path in sorted(folder.iterdir()):
                self._find(path)
        except OSError as fault:
            raise self._unusable(fault) from fault

    def __len__(self) -> int:
        return len(self._kept)

    @property
    def rows(self) -> int:
        """Count the readings kept."""
        return sum(one.rows for one in self._kept.values())

    @property
    def highest(self) -> int:
        """Tell the last sequence the log has acknowledged of what is kept."""
        return max((one.sequence for one in self._kept.values()), default=0)

    def keep(self, message: Message) -> None:
        """Keep a message before it is published."""
        if self.bytes + len(message.body) > self._limit:
            raise LimitReached(
                f"{self.rows} readings wait for the lake in {self._folder}: {self.bytes / 1e6:.0f} MB, the limit.",
                remedy="Start the sinks, or raise limits.spool_mb; appending resumes by itself.",
            )
        kept = Kept(message.id, message.part, message.rows, 0, len(message.body))
        try:
            passing = self._path(kept).with_suffix(".part")
            passing.write_bytes(message.body)
            passing.rename(self._path(kept))
        except OSError as fault:
            raise self._unusable(fault) from fault
        self._kept[kept.id] = kept
        self.bytes += kept.size

    def acknowledge(self, identifier: str, sequence: int) -> None:
        """Note under which sequence the log has a message."""
        kept = self._kept[identifier]
        new = kept._replace(sequence=sequence)
        try:
            self._path(kept).rename(self._path(new))
        except OSError as fault:
            raise self._unusable(fault) from fault
        self._kept[identifier] = new

    def give_back(self, identifier: str) -> None:
        """Let go of a message that its caller keeps."""
        self._drop(self._kept[identifier])

    def release(self, progress: Mapping[int, int]) -> int:
        """Remove what the lake has; return how many messages that was."""
        done = [one for one in self._kept.values() if 0 < one.sequence <= progress.get(one.part, 0)]
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
        if path.suffix != SUFFIX:
            path.unlink()  # it was being written when the node ended, and so never acknowledged
            return
        identifier, part, rows, sequence = path.stem.split("-")
        kept = Kept(identifier, int(part), int(rows), int(sequence), path.stat().st_size)
        self._kept[identifier] = kept
        self.bytes += kept.size

    def _unusable(self, fault: OSError) -> DiskFull:
        return DiskFull(f"{self._folder} cannot be used: {fault.strerror}.", remedy="Free space on its disk.")
