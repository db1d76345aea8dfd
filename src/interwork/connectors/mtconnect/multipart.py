"""Splits a multipart/x-mixed-replace stream into its parts, wherever the network cut it. Pure.

An MTConnect agent sends each part with a content length (MTConnect Part 1, Streaming); a part without one is refused,
for a boundary searched in the content could be forged by a value.
"""

import re

from interwork.connectors.mtconnect.wire import MAX_DOCUMENT, MalformedDocument

_LONGEST_HEAD = 8192


def boundary_of(content_type: str) -> str:
    """Read the boundary of a stream's content type; raise MalformedDocument where there is none."""
    found = re.search(r"""boundary=(?:"([^"]{1,200})"|([^\s;"]{1,200}))""", content_type, re.IGNORECASE)
    if not content_type.lower().startswith("multipart/") or not found:
        raise MalformedDocument(f"The agent's stream is {content_type[:80]!r}, not multipart with a boundary.")
    return found[1] or found[2]


class Multipart:
    """The splitter of one stream: octets in, whole parts out."""

    def __init__(self, boundary: str) -> None:
        self._mark = b"--" + boundary.encode("latin-1", "replace")
        self._buffer = bytearray()
        self._length: int | None = None

    def feed(self, octets: bytes) -> list[bytes]:
        """Take octets in and hand out the parts that are now complete; raise MalformedDocument."""
        self._buffer += octets
        parts: list[bytes] = []
        while (part := self._next()) is not None:
            parts.append(part)
        return parts

    def _next(self) -> bytes | None:
        if self._length is None and not self._read_head():
            return None
        length = self._length or 0
        if len(self._buffer) < length:
            return None
        part = bytes(self._buffer[:length])
        del self._buffer[:length]
        self._length = None
        return part

    def _read_head(self) -> bool:
        """Read boundary and part header if they are there, leaving the buffer at the part's first octet."""
        head, separator, _ = bytes(self._buffer[:_LONGEST_HEAD]).lstrip(b"\r\n").partition(b"\r\n\r\n")
        if not separator:
            if len(self._buffer) >= _LONGEST_HEAD:
                raise MalformedDocument("The agent's stream has a part header without end.")
            return False
        lines = head.split(b"\r\n")
        fields = dict(line.lower().split(b":", 1) for line in lines[1:] if b":" in line)
        text = fields.get(b"content-length", b"").strip()
        if lines[0].rstrip() != self._mark or not text.isdigit():
            raise MalformedDocument("The agent's stream has a part without boundary or content length.")
        if len(text) > len(str(MAX_DOCUMENT)) or int(text) > MAX_DOCUMENT:
            raise MalformedDocument(f"The agent's stream has a part of more than {MAX_DOCUMENT} octets.")
        del self._buffer[: self._buffer.index(b"\r\n\r\n", self._buffer.index(self._mark)) + 4]
        self._length = int(text)
        return True
