"""Which reader a document is for: JSON where it starts with a brace, XML else. Pure."""

from collections.abc import Container
from typing import Protocol

from interwork.connectors.mtconnect.json_wire import JsonDocument
from interwork.connectors.mtconnect.model import AgentError, Assets, DataItem, Header, Seen
from interwork.connectors.mtconnect.wire import XmlDocument


class Document(Protocol):
    """A parsed document of an agent."""

    def errors(self) -> list[AgentError]:
        """List the errors of an MTConnectError document; empty for any other."""
        ...

    def devices(self) -> dict[str, DataItem]:
        """Read the device model; raise MalformedDocument for another document."""
        ...

    def plate(self) -> dict[str, str]:
        """Read the first device's description, empty where there is none."""
        ...

    def streams(self, special: Container[str]) -> tuple[Header, list[Seen]]:
        """Read a stream document; raise MalformedDocument for another document."""
        ...

    def assets(self) -> Assets:
        """Read what /assets answered; raise MalformedDocument for another document."""
        ...


def open_document(content: bytes) -> Document:
    """Parse a document in the notation it is written in; raise MalformedDocument."""
    return JsonDocument(content) if content.lstrip()[:1] == b"{" else XmlDocument(content)
