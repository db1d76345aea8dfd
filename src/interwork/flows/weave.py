"""Weaving the digital thread: every story adds its nodes and edges in the transaction of what it records."""

import msgspec

from interwork.core.design import EdgeKind, ThreadEdge, ThreadNode
from interwork.core.ids import derived_id
from interwork.flows.node import Node
from interwork.store import Change


class Knot(msgspec.Struct, frozen=True, kw_only=True):
    """Something to put on the thread."""

    id: str
    kind: str
    label: str
    holder: str = ""
    digest: str = ""
    is_shared: bool = True


def knot(node: Node, change: Change, what: Knot) -> str:
    """Put something on the thread and return its id."""
    change.put(
        ThreadNode(
            id=what.id,
            kind=what.kind,
            label=what.label,
            at=node.clock(),
            holder=what.holder,
            digest=what.digest,
            is_shared=what.is_shared,
        )
    )
    return what.id


def tie(node: Node, change: Change, source: str, kind: EdgeKind, target: str) -> None:
    """Tie two things of the thread together, from cause to what came of it."""
    change.put(
        ThreadEdge(
            id=derived_id("edge", source, kind.value, target),
            source=source,
            target=target,
            kind=kind,
            at=node.clock(),
            agent=node.did,
        )
    )
