"""Node ids as addresses that survive a restart: their namespace by URI, for indexes above 1 may change. Pure."""

from collections.abc import Sequence

from asyncua import ua
from asyncua.ua.uaerrors import UaError

from interwork.core.errors import BadInput


def address_of(node: ua.NodeId, namespaces: Sequence[str]) -> str:
    """Write a node id with its namespace's URI where the index may change."""
    text = str(node.to_string())
    index = node.NamespaceIndex
    if index <= 1 or index >= len(namespaces) or ";" in namespaces[index]:
        return text
    return f"nsu={namespaces[index]};{text.partition(';')[2]}"


def node_of(address: str, namespaces: Sequence[str]) -> ua.NodeId | None:
    """Read a node address (`nsu=…;s=…`, `ns=2;i=7`, `i=85`); None where its namespace is not at the server."""
    try:
        if address.startswith("nsu="):
            uri, _, rest = address.removeprefix("nsu=").partition(";")
            if not rest or uri not in namespaces:
                ua.NodeId.from_string(rest or "?")
                return None
            address = f"ns={list(namespaces).index(uri)};{rest}"
        return ua.NodeId.from_string(address)
    except (UaError, ValueError, TypeError) as fault:
        raise BadInput(f"{address!r} is no OPC UA node id.", remedy="Write ns=2;s=Name or nsu=<URI>;i=7.") from fault
