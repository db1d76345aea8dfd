"""Whoever begins to plan together: rounds of hours and prices with members of the catalog, the best of which stands.

Each member is told what the others hold and answers with what it takes, in turn. A member that does not answer keeps
its last hours; one that never did is left out, and both are said. Every crossing is under an agreement, with a receipt.
"""

from collections.abc import Collection, Sequence
from datetime import datetime

import msgspec
import structlog

from interwork.allocation.learning.coordinating import CHARGES
from interwork.core.errors import BadInput, InterworkError
from interwork.core.event import Tag
from interwork.core.exchange import CatalogEntry, DatasetKind, Transfer
from interwork.core.ids import new_id
from interwork.core.network.together import (
    Coordination,
    Hours,
    HoursAnswer,
    HoursCall,
    MemberRow,
    Settled,
)
from interwork.flows.make_part.choose import CATALOG_OPERAND
from interwork.flows.node import Node
from interwork.flows.records import read_as
from interwork.flows.together.answering import keep_round
from interwork.flows.together.own import answer, one_at_a_time, open_needs
from interwork.flows.together.settling import settle
from interwork.store import Change

log = structlog.get_logger()
MEMBERS_MAX = 50


async def coordinate(node: Node, *, with_whom: Collection[str] = (), actor: str) -> Coordination:
    """Plan this node's open needs together with members that offer it: all, or those named."""
    entries = await offers(node, with_whom)
    held = Coordination(
        id=new_id("coordination"),
        began_by=node.did,
        state="running",
        needs=await open_needs(node),
        created_at=node.clock(),
    )
    change = Change(actor).put(held)
    change.event(Tag.COORDINATION_MOVED, held.id, state="running", members=len(entries), needs=len(held.needs))
    await node.store.commit(change)
    talk = Talk(node, held, entries)
    async with one_at_a_time(node):
        for number, charge in enumerate(CHARGES):
            await talk.round(number, charge)
    return await talk.end()


async def offers(node: Node, with_whom: Collection[str]) -> list[CatalogEntry]:
    """Find who offers to plan together, in the portal's catalog."""
    portal = await node.portal()
    query = [
        {"leftOperand": CATALOG_OPERAND + "kind", "operator": "eq", "rightOperand": DatasetKind.COORDINATION.value}
    ]
    found = await node.federation.browse(portal, query=query)
    entries = [one for one in found if one.kind is DatasetKind.COORDINATION and one.provider != node.did]
    if with_whom:
        entries = [one for one in entries if {one.provider, one.provider_name} & set(with_whom)]
    if not entries:
        raise BadInput(
            "Nobody in the catalog offers to plan together.",
            where="with",
            remedy="Ask members to run `interwork together offer`.",
        )
    return entries[:MEMBERS_MAX]


class Talk:
    """One coordination as it goes on, at whoever began it."""

    def __init__(self, node: Node, held: Coordination, entries: Sequence[CatalogEntry]) -> None:
        self.node, self.held = node, held
        self.entries = list(entries)
        self.transfers: dict[str, Transfer] = {}
        self.answers: dict[str, HoursAnswer] = {}
        self.sums: dict[str, list[float]] = {one.provider: [] for one in entries}
        self.faults: dict[str, str] = {}
        self.totals: list[float] = []
        self.heard: list[int] = []
        """How many are in each total."""

    async def round(self, number: int, charge: float) -> None:
        """Let this node and every member answer in turn."""
        call = self._call(number, charge, self.node.did)
        told, kept = await answer(self.node, self.held, call)
        self.answers[self.node.did] = told
        self.held = await keep_round(self.node, self.held, kept)
        for entry in self.entries:
            try:
                self.answers[entry.provider] = await self.ask(entry, self._call(number, charge, entry.provider))
                self.faults.pop(entry.provider, None)
            except InterworkError as fault:
                log.warning("coordination.unanswered", member=entry.provider, fault=str(fault))
                self.faults[entry.provider] = fault.message
            if entry.provider in self.answers:
                self.sums[entry.provider].append(self.answers[entry.provider].sum_eur)
        self.totals.append(sum(one.sum_eur for one in self.answers.values()))
        self.heard.append(len(self.answers))

    async def imagined(self, number: int, charge: float, doubled: Sequence[str]) -> float:
        """Let all answer in turn with machines imagined twice; nothing of it is kept. Tell the sum."""
        call = self._call(number, charge, self.node.did, doubled, is_imagined=True)
        self.answers[self.node.did], _ = await answer(self.node, self.held, call)
        for entry in self.entries:
            call = self._call(number, charge, entry.provider, doubled, is_imagined=True)
            self.answers[entry.provider] = await self.ask(entry, call)
        return sum(one.sum_eur for one in self.answers.values())

    def _call(
        self, number: int, charge: float, member: str, doubled: Sequence[str] = (), *, is_imagined: bool = False
    ) -> HoursCall:
        others = [told for did, told in self.answers.items() if did != member]
        return HoursCall(
            coordination=self.held.id,
            round=number,
            hours=_joined(others, charge),
            doubled=tuple(doubled),
            is_imagined=is_imagined,
        )

    async def ask(self, entry: CatalogEntry, call: HoursCall) -> HoursAnswer:
        """Send a call to a member under the agreement on planning together."""
        content = await self._post(entry, "answers", msgspec.json.encode(call), "hours and what they are worth")
        return read_as(HoursAnswer, content, entry.provider_name)

    async def _post(self, entry: CatalogEntry, path: str, body: bytes, what: str) -> bytes:
        federation = self.node.federation
        if entry.provider not in self.transfers:
            key = f"coordination:{entry.dataset}"
            agreement = await federation.negotiate(entry.provider, entry.dataset, key=key)
            self.transfers[entry.provider] = await federation.transfer(agreement, key=f"{key}:{agreement.id}")
        fetched = await federation.fetch(self.transfers[entry.provider], path=path, body=body, what=what)
        return fetched.content

    async def end(self) -> Coordination:
        """Let the best round stand, here and at every member that answered."""
        best = best_of(self.totals, self.heard)
        body = msgspec.json.encode(Settled(coordination=self.held.id, round=best))
        for entry in self.entries:
            if entry.provider not in self.answers:
                continue
            try:
                await self._post(entry, "settled", body, "the round that stands")
            except InterworkError as fault:
                self.faults[entry.provider] = f"It was not told which round stands: {fault.message}"
        settled = await settle(self.node, self.held, best)
        done = msgspec.structs.replace(
            settled,
            sums=tuple(self.totals),
            members=tuple(
                MemberRow(
                    did=one.provider,
                    name=one.provider_name,
                    sums=tuple(self.sums[one.provider]),
                    fault=self.faults.get(one.provider, ""),
                )
                for one in self.entries
            ),
        )
        await self.node.store.commit(Change().put(done, expect=settled))
        return done


def best_of(totals: Sequence[float], heard: Sequence[int]) -> int:
    """Tell the least dear round of those most had answered by: a sum that somebody is missing from is no lower."""
    most = max(heard)
    return min((number for number, count in enumerate(heard) if count == most), key=lambda number: totals[number])


def _joined(others: Sequence[HoursAnswer], charge: float) -> tuple[Hours, ...]:
    """Put what the others hold together: who holds what is not told, prices are the dearest times the charge."""
    taken: dict[str, list[tuple[datetime, datetime]]] = {}
    prices: dict[str, float] = {}
    for told in others:
        for one in told.hours:
            taken.setdefault(one.machine, []).extend(one.taken)
            prices[one.machine] = max(prices.get(one.machine, 0.0), charge * one.eur_per_h)
    return tuple(
        Hours(machine=machine, taken=tuple(sorted(taken[machine])), eur_per_h=prices[machine])
        for machine in sorted(taken)
    )
