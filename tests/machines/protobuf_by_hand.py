"""Sparkplug payloads written octet by octet, so that the tests do not check a schema against itself."""

import struct


def varint(number):
    octets = bytearray()
    while True:
        number, low = number >> 7, number & 0x7F
        octets.append(low | (0x80 if number else 0))
        if not number:
            return bytes(octets)


def field(number, kind, content):
    return varint(number << 3 | kind) + content


def text(number, value):
    octets = value.encode() if isinstance(value, str) else value
    return field(number, 2, varint(len(octets)) + octets)


def whole(number, value):
    return field(number, 0, varint(value))


def double(number, value):
    return field(number, 1, struct.pack("<d", value))


def metric(name="", value=None, *, alias=None, datatype=None, ms=None, unit="", quality=None, historical=False):
    """Write a Metric (6.4.1): name 1, alias 2, timestamp 3, datatype 4, is_historical 5, is_null 7, properties 9."""
    content = text(1, name) if name else b""
    content += whole(2, alias) if alias is not None else b""
    content += whole(3, ms) if ms is not None else b""
    content += whole(4, datatype) if datatype is not None else b""
    content += whole(5, 1) if historical else b""
    content += whole(7, 1) if value is None else b""
    properties = text(1, "engUnit") + text(2, whole(1, 12) + text(8, unit)) if unit else b""
    properties += text(1, "Quality") + text(2, whole(1, 3) + whole(3, quality)) if quality is not None else b""
    content += text(9, properties) if properties else b""
    if isinstance(value, bool):
        return content + whole(14, int(value))
    if isinstance(value, int):
        return content + (whole(11, value & (1 << 64) - 1) if datatype in (4, 8) else whole(10, value & 0xFFFFFFFF))
    if isinstance(value, float):
        return content + double(13, value)
    return content + (text(15, value) if isinstance(value, str) else b"")


def payload(metrics, *, seq=None, ms=1_700_000_000_000):
    """Write a Payload: timestamp 1, metrics 2, seq 3."""
    content = whole(1, ms) if ms is not None else b""
    content += b"".join(text(2, one) for one in metrics)
    return content + (whole(3, seq) if seq is not None else b"")
