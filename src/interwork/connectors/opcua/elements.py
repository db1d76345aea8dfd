"""Elements of arrays as points: their addresses, and one monitored item for all elements of an array. Pure.

An array is read whole and taken apart here, for not every server keeps to an IndexRange.
"""

import re
from collections.abc import Callable, Sequence
from typing import NamedTuple

from asyncua import ua

from interwork.connectors import Point
from interwork.core.errors import BadInput

MOST_ELEMENTS = 64
"""Elements of one array that are points."""
BAD_INDEX_RANGE = 0x8037_0000
"""BadIndexRangeNoData: the array has no such element (now)."""
BAD_NOT_SUPPORTED = 0x803D_0000
"""BadNotSupported: an element is read, but not written alone."""
_ELEMENT = re.compile(r"index=([0-9]{1,4});(.*)", re.DOTALL)


class Asked(NamedTuple):
    """What is asked of a server for some points."""

    nodes: dict[int, ua.NodeId | None]
    """Client handle to node; an array's handle is beyond those of the points."""
    elements: dict[int, list[tuple[int, int]]]
    """Client handle of an array to which of its elements is which point."""
    homes: list[ua.NodeId | None]
    """The node of each point."""


def element_address(address: str, index: int) -> str:
    """Write the address of one element of an array: `index=0;ns=2;s=Position`."""
    return f"index={index};{address}"


def is_element(address: str) -> bool:
    """Tell whether an address is that of one element."""
    return address.startswith("index=")


def split_address(address: str) -> tuple[str, int | None]:
    """Read a point's address: that of its node, and which of its elements; None where it is all of it."""
    if not is_element(address):
        return address, None
    found = _ELEMENT.fullmatch(address)
    if not found:
        raise BadInput(f"{address!r} names no element of an array.", remedy="Write index=0;ns=2;s=Position.")
    return found[2], int(found[1])


def ask(points: Sequence[Point], find: Callable[[str], ua.NodeId | None]) -> Asked:
    """Ask for each point's node, and once only for an array whose elements are points."""
    asked = Asked({}, {}, [])
    arrays: dict[ua.NodeId, list[tuple[int, int]]] = {}
    for handle, point in enumerate(points):
        try:
            address, index = split_address(point.address)
            node = find(address)
        except BadInput:  # costs only its own point
            node, index = None, None
        asked.homes.append(node)
        if node is None or index is None:
            asked.nodes[handle] = node
        else:
            arrays.setdefault(node, []).append((index, handle))
    for handle, (node, spots) in enumerate(arrays.items(), len(points)):
        asked.nodes[handle], asked.elements[handle] = node, spots
    return asked
