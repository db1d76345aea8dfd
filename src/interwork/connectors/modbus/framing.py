"""How a Modbus message travels over TCP: with an MBAP header, or as an RTU frame with its checksum. Pure.

Modbus Messaging on TCP/IP 1.0b, 3.1.3: transaction, protocol 0, length, unit, then the PDU. An RTU frame (Modbus over
Serial Line 1.02, 2.5.1) has a unit, the PDU and a CRC, but no transaction: only one request may be under way, and a
late answer cannot be told from the right one, so a time-out ends the link.
"""

import struct
from typing import Protocol

_MBAP = struct.Struct(">HHHB")
_LONGEST_PDU = 253
"""Modbus Application Protocol 1.1b3, 4.1."""
_FIXED = {5: 8, 6: 8, 15: 8, 16: 8, 22: 10}
"""Octets of an RTU frame that answers a write."""


class BrokenFrame(Exception):
    """What came is no Modbus frame: nothing after it can be trusted."""


class Framing(Protocol):
    """Turns PDUs into octets and octets into PDUs."""

    has_transactions: bool

    def frame(self, transaction: int, unit: int, pdu: bytes) -> bytes:
        """Wrap a PDU."""
        ...

    def take(self, buffer: bytearray) -> tuple[int, int, bytes] | None:
        """Cut the first whole frame off the buffer: transaction, unit, PDU; raise BrokenFrame."""
        ...


class MbapFraming:
    """Modbus TCP."""

    has_transactions = True

    def frame(self, transaction: int, unit: int, pdu: bytes) -> bytes:
        """Wrap a PDU in an MBAP header."""
        return _MBAP.pack(transaction, 0, len(pdu) + 1, unit) + pdu

    def take(self, buffer: bytearray) -> tuple[int, int, bytes] | None:
        """Cut the first whole frame off the buffer."""
        if len(buffer) < _MBAP.size:
            return None
        transaction, protocol, length, unit = _MBAP.unpack_from(buffer)
        if protocol != 0 or not 2 <= length <= _LONGEST_PDU + 1:
            raise BrokenFrame(f"protocol {protocol}, length {length}")
        end = 6 + length
        if len(buffer) < end:
            return None
        pdu = bytes(buffer[7:end])
        del buffer[:end]
        return transaction, unit, pdu


class NumberlessFraming(MbapFraming):
    """Modbus TCP for gateways that answer with transaction numbers of their own: one request at a time, as in RTU."""

    has_transactions = False

    def take(self, buffer: bytearray) -> tuple[int, int, bytes] | None:
        """Cut the first whole frame off the buffer, whatever its number."""
        frame = super().take(buffer)
        return None if frame is None else (0, *frame[1:])


class RtuFraming:
    """Modbus RTU frames in a TCP connection, as serial gateways pass them through."""

    has_transactions = False

    def frame(self, transaction: int, unit: int, pdu: bytes) -> bytes:  # noqa: ARG002 - an RTU frame has none
        """Wrap a PDU in unit and checksum."""
        body = bytes((unit,)) + pdu
        return body + crc16(body).to_bytes(2, "little")

    def take(self, buffer: bytearray) -> tuple[int, int, bytes] | None:
        """Cut the first whole frame off the buffer; its length follows from its function."""
        if len(buffer) < 3:
            return None
        function = buffer[1]
        if function & 0x80:
            end = 5
        elif function in _FIXED:
            end = _FIXED[function]
        elif 1 <= function <= 4:
            end = buffer[2] + 5
        else:
            raise BrokenFrame(f"function {function}")
        if len(buffer) < end:
            return None
        frame = bytes(buffer[:end])
        del buffer[:end]
        if crc16(frame[:-2]) != int.from_bytes(frame[-2:], "little"):
            raise BrokenFrame("wrong checksum")
        return 0, frame[0], frame[1:-2]


def crc16(octets: bytes) -> int:
    """Compute the checksum of Modbus over Serial Line 1.02, 6.2.2."""
    crc = 0xFFFF
    for octet in octets:
        crc ^= octet
        for _ in range(8):
            crc = crc >> 1 ^ 0xA001 if crc & 1 else crc >> 1
    return crc
