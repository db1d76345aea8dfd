"""A ceiling over the size of MQTT packets: one that is larger is let pass by octet by octet, counted, and never held.

An MQTT 5 broker is asked to send none (Maximum Packet Size); MQTT 3.1.1 has no word for that, and its packets may have
256 MiB, which the library would gather in memory. What is let pass is acknowledged where it asks for it, as else the
broker would send it again and nothing after it.
"""

from collections.abc import Callable
from typing import Any, NamedTuple

PUBLISH, PUBACK = 0x30, 0x40
TOO_LARGE = 0x97
"""MQTT 5's reason code Quota exceeded (3.4.2.1)."""
_GATHER = 1 << 18
"""Octets of a packet from which on it is gathered here."""
_LONGEST_SIZE = 4
"""Octets of a Remaining Length at the most (MQTT 3.1.1, 2.2.3)."""


class Skipped(NamedTuple):
    """A publication that was not taken in."""

    topic: str
    octets: int
    packet: int
    """Its packet identifier; 0 where it asks for no acknowledgement."""


def size_of(data: bytes, at: int) -> tuple[int, int] | None:
    """Read where a packet's rest begins and its whole size in octets; None where its head is not all there."""
    size, factor = 0, 1
    for place in range(at + 1, at + 1 + _LONGEST_SIZE):
        if place >= len(data):
            return None
        size += (data[place] & 0x7F) * factor
        factor *= 128
        if not data[place] & 0x80:
            return place + 1, place + 1 - at + size
    return at + 1 + _LONGEST_SIZE, 0  # no packet at all; the library says so


def skipped_of(data: bytes, at: int) -> Skipped | None:
    """Read topic and identifier of a publication's packet; None where they are not all there."""
    begin = size_of(data, at)
    if begin is None or len(data) < begin[0] + 2:
        return None
    place = begin[0] + 2
    end = place + int.from_bytes(data[begin[0] : place], "big")
    is_asking = bool(data[at] & 0x06)
    if len(data) < end + 2 * is_asking:
        return None
    packet = int.from_bytes(data[end : end + 2], "big") if is_asking else 0
    return Skipped(data[place:end].decode("utf-8", "replace"), begin[1], packet)


class Ceiling:
    """Stands between the octets of one connection, taken in pieces below the ceiling, and the reading of packets.

    A packet of many pieces is gathered here: the library copies all it has with each piece that comes.
    """

    def __init__(
        self, most: int, read: Callable[[bytes], int], on_skipped: Callable[[Skipped], None], *, gather: int = _GATHER
    ) -> None:
        self._most, self._read, self._on_skipped, self._gather = most, read, on_skipped, gather
        self._left = 0
        """Octets still to come of the packet that is let pass by."""
        self._gathered = bytearray()
        self._wanted = 0
        """Octets of the packet that is gathered; 0 = none is."""

    def read(self, data: bytes) -> int:
        """Read what is whole of the octets; return how many were dealt with, -1 where they are no MQTT."""
        at = 0
        while True:
            passed = min(self._left, len(data) - at)
            self._left -= passed
            at += passed
            if self._wanted and (at := self._add(data, at)) < 0:
                return at
            if at == len(data):
                return at
            read = self._read(data[at:] if at else data)
            if read < 0:
                return read
            at += read
            head = size_of(data, at) if at < len(data) else None
            if head is None or head[1] <= self._gather:
                return at
            if head[1] <= self._most:
                self._wanted = head[1]
            elif data[at] & 0xF0 != PUBLISH:
                return -1
            elif (skipped := skipped_of(data, at)) is None:
                return at
            else:
                self._left = skipped.octets
                self._on_skipped(skipped)

    def _add(self, data: bytes, at: int) -> int:
        """Gather more of a large packet, and have it read once it is whole."""
        end = min(at + self._wanted - len(self._gathered), len(data))
        self._gathered += data[at:end]
        if len(self._gathered) == self._wanted:
            packet, self._gathered, self._wanted = bytes(self._gathered), bytearray(), 0
            if self._read(packet) < 0:
                return -1
        return end


def guard(connection: Any, most: int, on_skipped: Callable[[Skipped], None]) -> None:  # noqa: ANN401 - gmqtt ships no types
    """Put a ceiling over a connection of gmqtt that was just made, and acknowledge what it lets pass."""
    protocol = connection._protocol  # noqa: SLF001 - gmqtt bounds nothing itself

    def skip(skipped: Skipped) -> None:
        if skipped.packet:
            protocol.send_command_with_mid(PUBACK, skipped.packet, dup=False, reason_code=TOO_LARGE)
        on_skipped(skipped)

    protocol._read_packet = Ceiling(most, protocol._read_packet, skip).read  # noqa: SLF001 - the same
