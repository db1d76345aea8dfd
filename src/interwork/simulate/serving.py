"""What every simulated process does at its edges: claim a port or say who has it, and announce that it serves."""

import errno
import re
import socket
import sys

import msgspec

from interwork.core.errors import PortInUse, Unusable


def check_port(host: str, port: int, *, option: str = "--port") -> int:
    """Raise PortInUse before a server library meets a taken port in its own way; return it, or a free one for 0."""
    try:
        family = socket.getaddrinfo(host, port, type=socket.SOCK_STREAM)[0][0]
        with socket.socket(family, socket.SOCK_STREAM) as probe:
            probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
            probe.bind((host, port))
            free: int = probe.getsockname()[1]
    except OSError as fault:
        raise port_error(host, port, fault, option=option) from fault
    return free


def port_error(host: str, port: int, fault: OSError, *, option: str = "--port") -> Unusable:
    """Say in our words why a port cannot be listened on."""
    if fault.errno == errno.EADDRINUSE:
        return PortInUse(
            f"Port {port} on {host} is in use by another program.",
            remedy=f"Stop that program, or choose another port with {option} (0 = any free one).",
        )
    return Unusable(
        f"Port {port} on {host} cannot be listened on: {fault.strerror or fault}.",
        remedy=f"Choose an address of this computer with --host and a port above 1023 with {option}.",
    )


def announce(endpoint: str, panel: str = "") -> None:
    """Print the one line on standard output that says: serving now, here."""
    line = msgspec.json.encode({"ready": True, "endpoint": endpoint, "panel": panel}).decode()
    sys.stdout.write(line + "\n")
    sys.stdout.flush()


def slug(name: str) -> str:
    """Make a name fit for addresses and topics: letters, digits and dashes."""
    return re.sub(r"[^A-Za-z0-9]+", "-", name).strip("-").lower() or "machine"


def authority(host: str, port: int) -> str:
    """Write host and port as a URI has them, IPv6 in brackets."""
    return f"[{host}]:{port}" if ":" in host else f"{host}:{port}"
