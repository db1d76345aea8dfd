"""Bytes on the wire: what the sockets of this process received from a device, as the kernel counts it.

Linux tells for each TCP socket the bytes it received (tcp_info.tcpi_bytes_received). Where it does not, the figure of
the protocol is used instead, and said to be one.
"""

import os
import socket
import struct
from collections.abc import Iterable
from contextlib import suppress
from pathlib import Path
from urllib.parse import urlsplit

PORTS = {
    "opc.tcp": 4840,
    "mqtt": 1883,
    "mqtts": 8883,
    "mqtt+json": 1883,
    "mqtts+json": 8883,
    "mtconnect": 5000,
    "modbus": 502,
    "s7": 102,
    "http": 80,
    "https": 443,
}
_RECEIVED = struct.Struct("=Q")
_RECEIVED_AT = 128
"""Offset of tcpi_bytes_received in struct tcp_info (Linux 4.1 and newer)."""
_SOCKETS = Path("/proc/self/fd")


def is_counted(endpoint: str) -> bool:
    """Tell whether the kernel counts what comes from an endpoint."""
    return target_of(endpoint) is not None and hasattr(socket, "TCP_INFO") and _SOCKETS.exists()


def target_of(endpoint: str) -> tuple[str, int] | None:
    """Tell the host and port of an endpoint; None where it names none."""
    try:
        parts = urlsplit(endpoint)
        port = parts.port or PORTS.get(parts.scheme, 0)
    except ValueError:
        return None
    return (parts.hostname, port) if parts.hostname and port else None


def received(ports: Iterable[int]) -> dict[tuple[str, int], int]:
    """Sum by peer address the bytes that open TCP sockets to some ports received; empty where nobody counts them."""
    wanted, totals = set(ports), dict[tuple[str, int], int]()
    try:
        handles = list(_SOCKETS.iterdir())
    except OSError:
        return totals
    for handle in handles:
        with suppress(OSError, struct.error, ValueError):
            if not str(handle.readlink()).startswith("socket:"):
                continue
            with socket.socket(fileno=os.dup(int(handle.name))) as one:
                if one.family not in (socket.AF_INET, socket.AF_INET6) or one.type != socket.SOCK_STREAM:
                    continue
                peer = one.getpeername()[:2]
                if peer[1] in wanted:
                    facts = one.getsockopt(socket.IPPROTO_TCP, socket.TCP_INFO, 256)
                    totals[peer] = totals.get(peer, 0) + _RECEIVED.unpack_from(facts, _RECEIVED_AT)[0]
    return totals


def addresses(host: str) -> frozenset[str]:
    """Resolve a host to the addresses its sockets have; empty where it has none."""
    try:
        return frozenset(str(one[4][0]) for one in socket.getaddrinfo(host, None, type=socket.SOCK_STREAM))
    except OSError:
        return frozenset()
