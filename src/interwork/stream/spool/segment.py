"""Segment files: records appended one after the other, each with length, CRC-32, sequence, count and span of time.

A segment holds one class, so that giving up the oldest of a class is one unlink. A tail that a crash tore is cut off
at the next start: everything before it verifies. Nothing here knows the event loop.
"""

import os
import struct
import zlib
from collections.abc import Iterator
from pathlib import Path
from typing import NamedTuple, Self

import msgspec
import pyarrow as pa

from interwork.core.blueprint import TrafficClass
from interwork.core.errors import BadInput, Damaged
from interwork.core.resource import Batch
from interwork.stream.columns import batch_of, columns_of

HEAD = struct.Struct("<IIQIqqB")
"""Length of the body, CRC-32 of everything after it, sequence, readings, first and last time in µs, flags."""
RECORD_MAX = 64 * 2**20
ZSTD = 1
SUFFIX = ".spool"


class Record(NamedTuple):
    """One batch at rest."""

    sequence: int
    rows: int
    from_us: int
    to_us: int
    flags: int
    body: bytes


class _Body(msgspec.Struct, array_like=True):
    """A batch as its columns' bytes, in the machine's own order (little-endian everywhere this runs)."""

    signal: bytes
    time_us: bytes
    value: bytes
    quality: bytes
    text: list[str | None] = []


_DECODER = msgspec.msgpack.Decoder(_Body)


def encode(batch: Batch, sequence: int, *, compress: bool = False) -> bytes:
    """Write a batch as one record."""
    columns = columns_of(batch)
    if not len(batch):
        raise BadInput("An empty batch is not stored.", remedy="Leave it out.")
    signal, time_us, value, quality = (column.tobytes() for column in columns[:4])
    body = msgspec.msgpack.encode(_Body(signal, time_us, value, quality, batch.text))
    flags = 0
    if compress:
        body, flags = len(body).to_bytes(4, "little") + pa.compress(body, codec="zstd", asbytes=True), ZSTD
    span = int(columns.time_us.min()), int(columns.time_us.max())
    head = HEAD.pack(len(body), 0, sequence, len(batch), *span, flags)
    code = zlib.crc32(body, zlib.crc32(head[8:]))
    return head[:4] + code.to_bytes(4, "little") + head[8:] + body


def decode(record: Record) -> Batch:
    """Read a record's batch; Damaged where it is none."""
    try:
        body = record.body
        if record.flags & ZSTD:
            size = int.from_bytes(body[:4], "little")
            if size > RECORD_MAX:
                raise Damaged(f"Record {record.sequence} says it has {size} bytes.")
            body = pa.decompress(body[4:], decompressed_size=size, codec="zstd", asbytes=True)
        found = _DECODER.decode(body)
        columns = (memoryview(found.signal).cast("i"), memoryview(found.time_us).cast("q"))
        numbers = (memoryview(found.value).cast("d"), memoryview(found.quality).cast("I"))
        batch = batch_of(*columns, *numbers, found.text)  # type: ignore[arg-type]  # numpy reads buffers
        columns_of(batch)
    except (msgspec.MsgspecError, pa.ArrowException, TypeError, ValueError, OSError, BadInput) as fault:
        raise Damaged(f"Record {record.sequence} of the spool is no batch: {str(fault)[:120]}.") from fault
    return batch


def sync_folder(folder: Path) -> None:
    """Make durable which files a folder has."""
    handle = os.open(folder, os.O_RDONLY)
    try:
        os.fsync(handle)
    finally:
        os.close(handle)


def _told_by_head(path: Path, offset: int) -> tuple[int, int, int] | None:
    """Tell what a torn record says it had; None where not even that can be believed."""
    with path.open("rb") as file:
        file.seek(offset)
        head = file.read(HEAD.size)
    if len(head) < HEAD.size:
        return None
    length, _, _, rows, from_us, to_us, _ = HEAD.unpack(head)
    is_sound = 0 < rows <= RECORD_MAX and length <= RECORD_MAX and from_us <= to_us
    return (from_us, to_us, rows) if is_sound else None


def _record(head: bytes, body: bytes) -> Record:
    _, _, sequence, rows, from_us, to_us, flags = HEAD.unpack_from(head)
    return Record(sequence, rows, from_us, to_us, flags, body)


class Segment:
    """One file of one class."""

    def __init__(self, path: Path, klass: TrafficClass) -> None:
        self.path, self.klass = path, klass
        self.size = self.count = 0
        self.first = self.last = 0
        self.from_us, self.to_us = 1 << 62, -(1 << 62)
        self.torn: tuple[int, int, int] | None = None
        """First and last time and readings of the record that did not verify and was cut off when it was opened."""
        self._handle: int | None = None
        self._unsynced = 0

    @classmethod
    def create(cls, folder: Path, klass: TrafficClass, sequence: int) -> Self:
        """Start a file whose first record has a sequence."""
        segment = cls(folder / f"{sequence:016d}.c{int(klass)}{SUFFIX}", klass)
        segment._handle = os.open(segment.path, os.O_WRONLY | os.O_CREAT | os.O_APPEND, 0o600)
        try:
            sync_folder(folder)
        except OSError:
            segment.remove()
            raise
        return segment

    @classmethod
    def find(cls, path: Path) -> Self:
        """Read a file left by an earlier start, and cut its torn tail."""
        segment = cls(path, TrafficClass(int(path.name.split(".c")[1][0])))
        end = 0
        for record, after in segment.records(0, limit=path.stat().st_size):
            segment._note(record)
            end = after
        if path.stat().st_size > end:
            segment.torn = _told_by_head(path, end)
            os.truncate(path, end)
        segment.size = end
        return segment

    @property
    def unsynced(self) -> int:
        """Count the bytes that a power failure could still take."""
        return self._unsynced

    def append(self, record: bytes) -> None:
        """Write one record; what cannot be written whole is taken back."""
        assert self._handle is not None
        try:
            written = os.write(self._handle, record)
            if written < len(record):
                written += os.write(self._handle, record[written:])
        except OSError:
            os.ftruncate(self._handle, self.size)
            raise
        if written < len(record):
            os.ftruncate(self._handle, self.size)
            raise OSError(28, "No space left on device")
        length = HEAD.unpack_from(record)[0]
        self._note(_record(record, b""))
        self.size += HEAD.size + length
        self._unsynced += len(record)

    def records(self, offset: int, *, limit: int | None = None) -> Iterator[tuple[Record, int]]:
        """Read the records from an offset, each with the offset after it, as far as they verify."""
        end = self.size if limit is None else limit
        with self.path.open("rb") as file:
            file.seek(offset)
            while offset + HEAD.size <= end:
                head = file.read(HEAD.size)
                if len(head) < HEAD.size:
                    return
                length, code = HEAD.unpack(head)[:2]
                if length > RECORD_MAX or offset + HEAD.size + length > end:
                    return
                body = file.read(length)
                if len(body) < length or zlib.crc32(body, zlib.crc32(head[8:])) != code:
                    return
                offset += HEAD.size + length
                yield _record(head, body), offset

    def sync(self) -> None:
        """Make what was written durable."""
        if self._handle is not None and self._unsynced:
            os.fsync(self._handle)
            self._unsynced = 0

    def close(self) -> None:
        """Close the file for writing; it can still be read."""
        if self._handle is not None:
            self.sync()
            os.close(self._handle)
            self._handle = None

    @property
    def is_open(self) -> bool:
        """Tell whether records may still be appended."""
        return self._handle is not None

    def remove(self) -> None:
        """Drop the file: one unlink."""
        if self._handle is not None:
            os.close(self._handle)
            self._handle = None
        self.path.unlink(missing_ok=True)

    def _note(self, record: Record) -> None:
        self.first = self.first or record.sequence
        self.last = record.sequence
        self.count += record.rows
        self.from_us, self.to_us = min(self.from_us, record.from_us), max(self.to_us, record.to_us)
