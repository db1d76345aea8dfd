"""The thread across nodes: what another node holds is asked for under an agreement; what it refuses stays in place.

A node shares what led to one thing with one named partner. Whoever reaches back asks each holder in turn; a thing that
is not shared is still shown as «held by B, not shared», so the chain is visible and its content is not.
"""

import msgspec

from interwork.core.design import ThreadNode
from interwork.core.errors import NotFound, PeerError, Refused
from interwork.core.exchange import Dataset, DatasetKind
from interwork.core.ids import derived_id
from interwork.flows.node import Node
from interwork.flows.publish import Draft, publish_for
from interwork.flows.records import SHARED_MAX, read_as
from interwork.flows.trace import Part, part
from interwork.store import Change

ASKED_MAX = 100
"""Things of other nodes asked for in one reach."""


class Reached(msgspec.Struct, frozen=True, kw_only=True):
    """A backward trace with what other nodes told, and which things they keep to themselves."""

    part: Part
    asked: int
    hidden: tuple[str, ...]
    """Ids that their holders do not share."""


def _subject(identifier: str) -> str:
    return f"thread:{identifier}"


async def share(node: Node, identifier: str, *, to: str, name: str = "") -> Dataset:
    """Let one named node see what led to a thing here, while it is a member."""
    held = await node.store.get(ThreadNode, identifier)
    draft = Draft(
        kind=DatasetKind.RECORD,
        subject=_subject(held.id),
        title=f"What led to {held.label}"[:200],
        properties={"record": "thread", "node": held.id},
    )
    return await publish_for(node, draft, did=to, name=name or to)


async def reach(node: Node, start: str) -> Reached:
    """Walk back from a thing, and ask other nodes for what led to what they hold."""
    asked: dict[str, bool] = {}
    while True:
        walked = await part(node.store, start, forward=False)
        foreign = [one for one in walked.nodes if one.holder not in ("", node.did) and one.id not in asked]
        if not foreign or len(asked) >= ASKED_MAX:
            hidden = tuple(name for name, is_shared in asked.items() if not is_shared)
            return Reached(part=walked, asked=len(asked), hidden=hidden)
        for one in foreign[: ASKED_MAX - len(asked)]:
            told = await _ask(node, one)
            asked[one.id] = told is not None
            for each in told.nodes if told else ():
                asked.setdefault(each.id, True)
            await _keep(node, one, told)


async def _ask(node: Node, one: ThreadNode) -> Part | None:
    """Ask a holder what led to a thing; None where it does not say."""
    dataset = derived_id("dataset", one.holder, DatasetKind.RECORD.value, _subject(one.id))
    key = f"thread:{one.id}"
    try:
        agreement = await node.federation.negotiate(one.holder, dataset, key=key)
        transfer = await node.federation.transfer(agreement, key=key)
        fetched = await node.federation.fetch(transfer, what=f"what led to {one.label}")
        return read_as(Part, fetched.content, agreement.peer_name)
    except (Refused, NotFound, PeerError):
        return None


async def _keep(node: Node, one: ThreadNode, told: Part | None) -> None:
    """Put what was told beside what is held; nothing held here is overwritten, and nobody speaks for a third."""
    change = Change(one.holder)
    if told is None:
        change.put(msgspec.structs.replace(one, is_shared=False))
        await node.store.commit(change)
        return
    if not one.is_shared:
        change.put(msgspec.structs.replace(one, is_shared=True))
    theirs = told.nodes[:SHARED_MAX]
    known = {each.id for each in await node.store.find(ThreadNode, id=[each.id for each in theirs], limit=SHARED_MAX)}
    for each in theirs:
        if each.id not in known:
            change.put(msgspec.structs.replace(each, holder=each.holder or one.holder))
    names = {each.id for each in theirs}
    for edge in told.edges:
        if edge.source in names and edge.target in names and edge.agent:
            change.put(edge)
    await node.store.commit(change)
