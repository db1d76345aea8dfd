"""The broker of an MQTT link as endpoint and options name it: address, sign-in, TLS, protocol version. Read once."""

import ssl
from collections.abc import Mapping
from datetime import datetime
from pathlib import Path
from typing import Any

import msgspec
from cryptography.x509 import load_pem_x509_certificate
from gmqtt.mqtt.constants import MQTTv50, MQTTv311

from interwork.connectors.endpoint import Endpoint, number_option, parse_endpoint, text_option
from interwork.core.clock import now
from interwork.core.errors import BadInput

BROKER_OPTIONS = (
    *("username", "password", "ca_file", "certificate", "private_key", "client_id"),
    *("keep_alive_s", "mqtt_version"),
)
"""What every MQTT endpoint takes beside its own options; a password comes resolved, never in the endpoint."""

KEEP_ALIVE_S = 6.0
_PORTS = {"mqtt": 1883, "mqtts": 8883}
_VERSIONS = {"3.1.1": MQTTv311, "5": MQTTv50}


class Broker(msgspec.Struct, frozen=True, kw_only=True):
    """Where a broker answers and how it is met."""

    endpoint: Endpoint
    is_tls: bool = False
    username: str = ""
    password: str = ""
    ca_file: str = ""
    """PEM file of the authority that signed the broker's certificate; empty = those the system trusts."""
    certificate: str = ""
    """PEM file of our own client certificate, with `private_key`."""
    private_key: str = ""
    client_id: str = ""
    keep_alive_s: float = KEEP_ALIVE_S
    """Longest silence of ours (MQTT 3.1.1, 3.1.2.10); a broker that is silent for twice as long is given up."""
    version: int = MQTTv311

    def __repr__(self) -> str:
        """Say where, never the password."""
        return f"Broker({self.endpoint.text!r}, username={self.username!r})"

    @property
    def remarks(self) -> list[str]:
        """Say what a person should know of the link's security."""
        if self.is_tls:
            return []
        who = "the password and the values" if self.password else "the values"
        return [f"The link is not encrypted: whoever sees the network sees {who}. Use mqtts:// where the broker can."]

    def tls(self) -> ssl.SSLContext | None:
        """Make the TLS context, None for a plain link; raise BadInput for files that cannot be used."""
        if not self.is_tls:
            return None
        try:
            context = ssl.create_default_context(cafile=self.ca_file or None)
            if self.certificate:
                # a key that needs a passphrase is refused here rather than asked for on a terminal
                context.load_cert_chain(self.certificate, self.private_key or None, password="")
            self._check_own()
        except (OSError, ValueError) as fault:
            files = ", ".join(filter(None, (self.ca_file, self.certificate, self.private_key)))
            raise BadInput(
                f"The TLS files {files} cannot be used: {fault}.",
                where=self.endpoint.text,
                remedy="Give PEM files that this program may read, the private key without a passphrase.",
            ) from fault
        return context

    def _check_own(self) -> None:
        """Refuse a certificate of ours whose time is over: a broker only says that something is wrong with it."""
        ends = self.own_end()
        if ends is not None and ends < now():
            raise BadInput(
                f"Our certificate {self.certificate} expired on {ends:%Y-%m-%d}.",
                where=self.endpoint.text,
                remedy="Have it renewed, and put the new one in its place.",
            )

    def own_end(self) -> datetime | None:
        """Tell when our own certificate ends; None where there is none."""
        if not self.certificate:
            return None
        return load_pem_x509_certificate(Path(self.certificate).read_bytes()).not_valid_after_utc


def read_broker(text: str, options: Mapping[str, Any]) -> Broker:
    """Read `mqtt[s][+dialect]://host[:port]/…` and the broker's options; raise BadInput naming the fault."""
    scheme = text.partition("://")[0]
    transport = scheme.partition("+")[0]
    if transport not in _PORTS:
        raise BadInput(f"{text!r} is no MQTT endpoint.", remedy="Start it with mqtt:// or mqtts://.")
    version = text_option(options, "mqtt_version", "3.1.1")
    if version not in _VERSIONS:
        raise BadInput(f"The option mqtt_version is {version!r}.", remedy=f"Give {' or '.join(_VERSIONS)}.")
    broker = Broker(
        endpoint=msgspec.structs.replace(
            parse_endpoint(text.replace("#", "%23"), scheme, _PORTS[transport]), text=text
        ),
        is_tls=transport == "mqtts",
        username=text_option(options, "username"),
        password=text_option(options, "password"),
        ca_file=text_option(options, "ca_file"),
        certificate=text_option(options, "certificate"),
        private_key=text_option(options, "private_key"),
        client_id=text_option(options, "client_id"),
        keep_alive_s=number_option(options, "keep_alive_s", KEEP_ALIVE_S, low=1, high=3600),
        version=_VERSIONS[version],
    )
    if not broker.is_tls and (broker.ca_file or broker.certificate or broker.private_key):
        raise BadInput(
            "TLS files are given for a link without TLS.", where=text, remedy="Start the endpoint with mqtts."
        )
    return broker
