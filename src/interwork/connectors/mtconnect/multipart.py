"""Splits a multipart/x-mixed-replace stream into its parts, wherever the network cut it. Pure.

Agents send each part with a content length (MTConnect Part 1, Streaming), which is kept to. A part without one ends at
the next boundary; a value that holds the boundary would then cut its own document, which is refused as malformed.
"""

import re

from interwork.connectors.mtconnect.model import MAX_DOCUMENT, MalformedDocument

_LONGEST_HEAD = 8192
_HEAD_END = re.compile(rb"\r?\n\r?\n")
"""Some agents end their lines with LF alone."""


def is_multipart(content_type: str) -> bool:
    """Tell whether an answer is a stream of parts; an agent that cannot stream answers with one document."""
    return content_type.lower().startswith("multipart/")


def boundary_of(content_type: str) -> str:
    """Read the boundary of a stream's content type; raise MalformedDocument where there is none."""
    found = re.search(r"""boundary=(?:"([^"]{1,200})"|([^\s;"]{1,200}))""", content_type, re.IGNORECASE)
    if not is_multipart(content_type) or not found:
        raise MalformedDocument(f"The agent's stream is {content_type[:80]!r}, not multipart with a boundary.")
    # Some agents put the dashes of the delimiter into the parameter; whose they are the first part shows.
    return (found[1] or found[2]).removeprefix("--")


class Multipart:
    """The splitter of one stream: octets in, whole parts out."""

    def __init__(self, boundary: str) -> None:
        self._mark = b"--" + boundary.encode("latin-1", "replace")
        self._buffer = bytearray()
        self._length: int | None = None
        self._is_open = False
        """The head of the part under way was read."""
        self._searched = 0
        self._has_begun = self._is_over = False

    def feed(self, octets: bytes) -> list[bytes]:
        """Take octets in and hand out the parts that are now complete; raise MalformedDocument."""
        if not self._is_over:
            self._buffer += octets
        parts: list[bytes] = []
        while (part := self._next()) is not None:
            parts.append(part)
        return parts

    def _next(self) -> bytes | None:
        if self._is_over or (not self._is_open and not self._read_head()):
            return None
        end = self._search() if self._length is None else self._length
        if end is None or len(self._buffer) < end:
            return None
        part = bytes(self._buffer[:end])
        del self._buffer[:end]
        self._is_open = False
        return part

    def _search(self) -> int | None:
        """Find the end of a part without length: the next boundary."""
        end = self._buffer.find(b"\n" + self._mark, self._searched)
        if end >= 0:
            self._searched = 0
            return end
        if len(self._buffer) > MAX_DOCUMENT:
            raise MalformedDocument(f"The agent's stream has a part of more than {MAX_DOCUMENT} octets.")
        self._searched = max(len(self._buffer) - len(self._mark), 0)
        return None

    def _read_head(self) -> bool:
        """Read boundary and part header if they are there, leaving the buffer at the part's first octet."""
        if not self._has_begun and not self._skip_preamble():
            return False
        begin = next((at for at, octet in enumerate(self._buffer) if octet not in b"\r\n"), len(self._buffer))
        ends = _HEAD_END.search(self._buffer, begin, begin + _LONGEST_HEAD)
        if ends is None:
            if len(self._buffer) - begin >= _LONGEST_HEAD:
                raise MalformedDocument("The agent's stream has a part header without end.")
            return False
        lines = bytes(self._buffer[begin : ends.start()]).replace(b"\r\n", b"\n").split(b"\n")
        if lines[0].rstrip() == self._mark + b"--":  # the agent says that nothing more comes
            self._is_over = True
            return False
        if lines[0].rstrip() != self._mark:
            raise MalformedDocument("The agent's stream has a part without its boundary.")
        fields = dict(line.lower().split(b":", 1) for line in lines[1:] if b":" in line)
        self._length = _length(fields.get(b"content-length", b"").strip()) if b"content-length" in fields else None
        del self._buffer[: ends.end()]
        self._is_open = True
        return True

    def _skip_preamble(self) -> bool:
        """Pass over what stands before the first boundary, which RFC 2046 allows; tell whether that is reached."""
        begin = self._buffer.find(self._mark)
        if begin < 0:
            head = bytes(self._buffer[: len(self._mark) + 4]).lstrip(b"\r\n")
            if head.startswith(b"--") and not self._mark.lstrip(b"-").startswith(head.lstrip(b"-")):
                raise MalformedDocument("The agent's stream has a part with another boundary than it named.")
            if len(self._buffer) >= _LONGEST_HEAD:
                raise MalformedDocument("The agent's stream has a part without its boundary.")
            return False
        while begin and self._buffer[begin - 1 : begin] == b"-":  # the boundary's own dashes, which some agents name
            begin -= 1
            self._mark = b"-" + self._mark
        del self._buffer[:begin]
        self._has_begun = True
        return True


def _length(text: bytes) -> int:
    if not text.isdigit():
        raise MalformedDocument(f"The agent's stream has a part of {text[:40]!r} octets.")
    if len(text) > len(str(MAX_DOCUMENT)) or int(text) > MAX_DOCUMENT:
        raise MalformedDocument(f"The agent's stream has a part of more than {MAX_DOCUMENT} octets.")
    return int(text)
