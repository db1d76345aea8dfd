"""Files by their content: `sha256:<hex>` names the bytes, so the same bytes are kept once and any change shows.

A file is written aside, flushed to the disk, renamed into place, and its folder flushed: after `put` returns it
survives a power cut, and before that nobody sees a part of it.
"""

import errno
import os
import tempfile
import time
from collections.abc import Generator
from contextlib import contextmanager, suppress
from pathlib import Path

from interwork.core.errors import BadInput, Damaged, DiskFull, NotFound, Unusable
from interwork.core.ids import digest_of

_NO_SPACE = (errno.ENOSPC, errno.EDQUOT, errno.EFBIG)
_STALE_S = 86_400
"""Age after which a part left behind by a crash is removed."""


class Files:
    """Content-addressed files in a folder, two levels deep."""

    def __init__(self, folder: Path) -> None:
        self._folder = folder
        self._parts = folder / "parts"
        with _explained(folder):
            self._parts.mkdir(parents=True, exist_ok=True)
            for part in self._parts.iterdir():
                if part.stat().st_mtime < time.time() - _STALE_S:
                    part.unlink(missing_ok=True)

    def path(self, digest: str) -> Path:
        """Tell where the content of a digest lies, or would lie."""
        name = digest.removeprefix("sha256:")
        if len(name) != 64 or len(digest) != 71 or not set(name) <= set("0123456789abcdef"):
            raise BadInput(f"{digest[:100]!r} is not a digest.", remedy="Write sha256: and 64 hexadecimal digits.")
        return self._folder / name[:2] / name[2:4] / name

    def put(self, content: bytes) -> str:
        """Keep content and name it; the same content again changes nothing, and mends a damaged file."""
        digest = digest_of(content)
        target = self.path(digest)
        with _explained(target):
            target.parent.mkdir(parents=True, exist_ok=True)
            if not _holds(target, digest):
                self._write(target, content)
            for folder in (target.parent, target.parent.parent, self._folder):
                _sync(folder)  # also where the file was there: whoever put it may have died before this line
        return digest

    def get(self, digest: str) -> bytes:
        """Read the content of a digest; NotFound where it is not here, Damaged where it is no longer what it was."""
        source = self.path(digest)
        with _explained(source):
            try:
                content = source.read_bytes()
            except FileNotFoundError as fault:
                raise NotFound(f"No file {digest} is held here.", remedy="Fetch it again from who holds it.") from fault
        if digest_of(content) != digest:
            raise Damaged(f"The file {source} no longer has the content {digest}.", remedy="Put the original again.")
        return content

    def _write(self, target: Path, content: bytes) -> None:
        handle, name = tempfile.mkstemp(dir=self._parts)
        try:
            with os.fdopen(handle, "wb") as part:
                part.write(content)
                part.flush()
                os.fsync(part.fileno())
            Path(name).replace(target)
        except OSError:
            with suppress(OSError):
                Path(name).unlink(missing_ok=True)
            raise


def _holds(path: Path, digest: str) -> bool:
    try:
        return digest_of(path.read_bytes()) == digest
    except FileNotFoundError:
        return False


def _sync(folder: Path) -> None:
    handle = os.open(folder, os.O_RDONLY)
    try:
        os.fsync(handle)
    finally:
        os.close(handle)


@contextmanager
def _explained(path: Path) -> Generator[None, None, None]:
    try:
        yield
    except OSError as fault:
        if fault.errno in _NO_SPACE:
            raise DiskFull(
                f"There is no room for {path}: {fault.strerror}; nothing was kept of it.",
                remedy="Free some space and repeat the step.",
            ) from fault
        raise Unusable(
            f"{fault.filename or path} cannot be used: {fault.strerror}.",
            remedy="See that the folder is there and may be written.",
        ) from fault
