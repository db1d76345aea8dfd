"""Endpoints and options read once, at the edge: what is wrong is said before a socket is opened."""

import logging
import socket
import ssl
from collections.abc import Mapping
from datetime import datetime, timedelta
from typing import Any
from urllib.parse import parse_qsl, unquote, urlsplit

import msgspec

from interwork.core.clock import now
from interwork.core.errors import BadInput, MachineUnreachable

_SOON = timedelta(days=30)
_NO_TLS = frozenset({"WRONG_VERSION_NUMBER", "PACKET_LENGTH_TOO_LONG", "RECORD_LAYER_FAILURE"})
"""What OpenSSL, by its version, calls an answer that is no TLS."""
_UNKNOWN_SIGNER = "its certificate is signed by nobody that is trusted here: give its authority as the option ca_file"
_CERTIFICATE_FAULTS = {
    # as OpenSSL numbers them (X509_V_ERR)
    9: "its certificate is not valid yet: compare the clocks of both computers",
    10: "its certificate, or that of its authority, has expired: have it renewed there",
    **dict.fromkeys((18, 19, 20, 21), _UNKNOWN_SIGNER),
    62: "its certificate names another host: use the name that it has",
    64: "its certificate does not name this IP address: use the name that it has",
}


class Endpoint(msgspec.Struct, frozen=True, kw_only=True):
    """A parsed endpoint URI."""

    text: str
    scheme: str
    host: str
    port: int
    path: tuple[str, ...]
    query: dict[str, str]

    def unreachable(self, state: str, remedy: str) -> MachineUnreachable:
        """Build the error that names this machine, its state and what to do."""
        return MachineUnreachable(f"{self.host}:{self.port} {state}", remedy=remedy, where=self.text)


def reason(fault: BaseException) -> str:
    """Say in words why a connection failed; what a library raises, in its own."""
    inner = getattr(fault, "certificate_error", None) or getattr(fault, "os_error", None)  # as aiohttp wraps them
    if isinstance(inner, Exception):
        return reason(inner)
    if isinstance(fault, ConnectionRefusedError):
        return "nobody listens there"
    if isinstance(fault, socket.gaierror):
        return "there is no such name"
    if isinstance(fault, TimeoutError):
        return "no answer came in time"
    if isinstance(fault, ssl.SSLCertVerificationError):
        return _CERTIFICATE_FAULTS.get(fault.verify_code) or f"its certificate is refused: {fault.verify_message}"
    if isinstance(fault, ssl.SSLError) and fault.reason in _NO_TLS:
        return "no TLS is spoken on this port"
    return str(fault)[:160] or type(fault).__name__


def ends_soon(what: str, valid_to: datetime, remedy: str) -> list[str]:
    """Remark that a certificate ends within a month, while there is time; empty where it does not."""
    left = valid_to - now()
    if left > _SOON:
        return []
    when = f"ends on {valid_to:%Y-%m-%d}, in {left.days} days" if left.days >= 0 else f"ended on {valid_to:%Y-%m-%d}"
    return [f"{what} {when}: {remedy}."]


def parse_endpoint(text: str, scheme: str, default_port: int) -> Endpoint:
    """Read `scheme://host[:port][/path][?query]`; raise BadInput naming the fault."""
    example = f"Write {scheme}://host:port."
    try:
        parts = urlsplit(text)
        host, port = parts.hostname, parts.port
        (host or "").encode("idna")
    except ValueError as fault:
        raise BadInput(f"{text!r} is no endpoint: {fault}.", remedy=example) from fault
    if any(mark.isspace() for mark in text) and "@" not in parts.netloc:
        raise BadInput(f"{text!r} has a space in it.", remedy="Write a space within a name as %20.")
    if parts.scheme != scheme or not host:
        raise BadInput(f"{text!r} is no {scheme} endpoint.", remedy=example)
    if "@" in parts.netloc:
        raise BadInput(
            f"The endpoint of {host} carries credentials.",
            remedy="Give them as the options username and password; an endpoint is shown on pages.",
        )
    if port == 0:
        raise BadInput(f"{text!r} names port 0.", remedy=example)
    return Endpoint(
        text=text,
        scheme=scheme,
        host=host,
        port=port or default_port,
        path=tuple(unquote(part) for part in parts.path.split("/") if part),
        query=dict(parse_qsl(parts.query)),
    )


def number_option(options: Mapping[str, Any], name: str, default: float, *, low: float, high: float) -> float:
    """Read a numeric option within bounds; raise BadInput naming it."""
    value = options.get(name, default)
    try:
        number = float(value)
    except (TypeError, ValueError) as fault:
        raise BadInput(f"The option {name} is {value!r}, not a number.", remedy=f"Give {low:g} to {high:g}.") from fault
    if not low <= number <= high:
        raise BadInput(f"The option {name} is {number:g}.", remedy=f"Give {low:g} to {high:g}.")
    return number


def text_option(options: Mapping[str, Any], name: str, default: str = "") -> str:
    """Read a text option; raise BadInput naming it."""
    value = options.get(name, default)
    if not isinstance(value, str):
        raise BadInput(f"The option {name} is {value!r}, not a text.", remedy="Give a text.")
    return value


def check_options(options: Mapping[str, Any], known: tuple[str, ...]) -> None:
    """Raise BadInput for an option no one reads, so that a typing error is not silently ignored."""
    for name in options:
        if name not in known:
            raise BadInput(f"The option {name!r} is unknown here.", remedy=f"Use one of {', '.join(known)}.")


def quiet(library: str) -> None:
    """Silence a protocol library's own log: what goes wrong is raised, and said once, by us."""
    logging.getLogger(library).setLevel(logging.CRITICAL + 1)
