"""Node ids as addresses that survive a restart: their namespace by URI, for indexes above 1 may change. Pure."""

import re
from collections.abc import Sequence

from asyncua import ua
from asyncua.ua.uaerrors import UaError

from interwork.core.errors import BadInput

_NODE_ID = re.compile(r"(?:ns=([0-9]{1,5});)?(?:i=([0-9]{1,10})|[sgb]=.*)", re.DOTALL)
_MOST_INDEX, _MOST_NUMBER = 0xFFFF, 0xFFFF_FFFF


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
                _parse(rest)
                return None
            address = f"ns={list(namespaces).index(uri)};{rest}"
        return _parse(address)
    except (UaError, ValueError, TypeError) as fault:
        raise BadInput(f"{address!r} is no OPC UA node id.", remedy="Write ns=2;s=Name or nsu=<URI>;i=7.") from fault


def _parse(text: str) -> ua.NodeId:
    """Read a node id; one that cannot be sent is none, for it would cost the whole request."""
    found = _NODE_ID.fullmatch(text)
    if not found or int(found[1] or 0) > _MOST_INDEX or int(found[2] or 0) > _MOST_NUMBER:
        raise ValueError(text)
    return ua.NodeId.from_string(text)
