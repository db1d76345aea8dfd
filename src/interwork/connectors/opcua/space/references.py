"""Follows references at a server page by page: bounded, gentle, and no node's refusal is passed over in silence.

Large answers are what stalls a client that also reads data, so a request asks for about a thousand references in all,
and after each the server and we have as long a pause as it took.
"""

from collections.abc import Sequence

import anyio
import msgspec
from asyncua import ua
from asyncua.client.ua_session import UaSession
from asyncua.ua.object_ids import ObjectIds

from interwork.connectors.opcua.limits import Limits, fitting, in_chunks
from interwork.core.errors import LimitReached

NODES_PER_BROWSE = 50
_REFERENCES_PER_ANSWER = 1000
_LONGEST_PAUSE_S = 0.05
_EMPTY_PAGES = 3
"""Pages without a reference that a server may send in a row before its node counts as refused."""
_BAD_CONTINUATION = 0x804A_0000
_BAD_NO_CONTINUATION = 0x804B_0000
HIERARCHICAL = ua.NodeId(ua.Int32(ObjectIds.HierarchicalReferences))
HAS_SUBTYPE = ua.NodeId(ua.Int32(ObjectIds.HasSubtype))
HAS_PROPERTY = ua.NodeId(ua.Int32(ObjectIds.HasProperty))

References = list[ua.ReferenceDescription]


class Walk(msgspec.Struct, kw_only=True):
    """How references are followed, and what became of it."""

    session: UaSession
    limits: Limits
    most: int
    """References met in all, at the most."""
    met: int = 0
    refused: dict[str, str] = {}
    """Node to why the server does not let it be browsed."""
    passed_over: list[str] = []
    """Paths of variables that are not proposed: arrays, structures, octets."""

    async def children(
        self,
        nodes: Sequence[ua.NodeId],
        kind: ua.NodeId = HIERARCHICAL,
        direction: ua.BrowseDirection = ua.BrowseDirection.Forward,
        classes: int = ua.NodeClass.Object | ua.NodeClass.Variable,
    ) -> list[References]:
        """Browse nodes; a node the server refuses has no references and is noted."""

        async def browse(chunk: Sequence[ua.NodeId]) -> list[ua.BrowseResult]:
            parameters = ua.BrowseParameters()
            parameters.RequestedMaxReferencesPerNode = max(20, _REFERENCES_PER_ANSWER // len(chunk))
            parameters.NodesToBrowse = [_description(node, kind, direction, classes) for node in chunk]
            began = anyio.current_time()
            results = list(await self.session.browse(parameters) or ())
            await anyio.sleep(min(anyio.current_time() - began, _LONGEST_PAUSE_S))
            return results

        pages: list[References] = []
        size = fitting(self.limits.nodes_per_browse, NODES_PER_BROWSE)
        for start in range(0, len(nodes), size):
            part = nodes[start : start + size]
            results = await in_chunks(part, size, browse)
            for node, result in zip(part, results, strict=True):
                if result.StatusCode.value == _BAD_NO_CONTINUATION:
                    # The server has no more places to keep; the others' are free again by now.
                    result = (await browse([node]))[0]  # noqa: PLW2901 - the same node's answer
                pages.append(await self._rest(node, result))
        return pages

    async def _rest(self, node: ua.NodeId, result: ua.BrowseResult) -> References:
        """Follow a node's continuation point to its end."""
        references: References = []
        empty = 0
        while True:
            if not result.StatusCode.is_good():
                self.refused[node.to_string()] = result.StatusCode.name
                return references
            page = list(result.References or ())
            references += page
            self.met += len(page)
            point = result.ContinuationPoint
            if not point:
                return references
            empty = 0 if page else empty + 1
            if self.met > self.most or empty > _EMPTY_PAGES:
                await self._next(point, is_release=True)
                if empty > _EMPTY_PAGES:
                    self.refused[node.to_string()] = "empty pages without end"
                    return references
                raise LimitReached(
                    f"The server has more than {self.most} references below {node.to_string()}.",
                    remedy="Name a deeper node as the option root, or raise the option max_nodes.",
                )
            result = await self._next(point, is_release=False)

    async def _next(self, point: bytes, *, is_release: bool) -> ua.BrowseResult:
        following = ua.BrowseNextParameters(ReleaseContinuationPoints=is_release, ContinuationPoints=[point])
        began = anyio.current_time()
        results = list(await self.session.browse_next(following) or ())
        await anyio.sleep(min(anyio.current_time() - began, _LONGEST_PAUSE_S))
        return results[0] if results else ua.BrowseResult(StatusCode=ua.StatusCode(ua.UInt32(_BAD_CONTINUATION)))

    async def properties(self, nodes: Sequence[ua.NodeId]) -> list[dict[str, ua.NodeId]]:
        """Find the properties of nodes by their browse names."""
        pages = await self.children(nodes, HAS_PROPERTY)
        return [{one.BrowseName.Name or "": node_id(one) for one in page} for page in pages]


def node_id(reference: ua.ReferenceDescription) -> ua.NodeId:
    """Take a reference's target as a plain node id."""
    target = reference.NodeId
    return ua.NodeId(target.Identifier, target.NamespaceIndex, target.NodeIdType)


def _description(node: ua.NodeId, kind: ua.NodeId, direction: ua.BrowseDirection, classes: int) -> ua.BrowseDescription:
    description = ua.BrowseDescription()
    description.NodeId = node
    description.BrowseDirection = direction
    description.ReferenceTypeId = kind
    description.IncludeSubtypes = True
    description.NodeClassMask = classes
    description.ResultMask = (
        ua.BrowseResultMask.ReferenceTypeId | ua.BrowseResultMask.NodeClass | ua.BrowseResultMask.BrowseName
    )
    return description
