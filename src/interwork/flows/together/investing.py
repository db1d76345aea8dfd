"""What a second machine would bring to all who plan together: asked again with it imagined; prices and hours cross.

First the duals say which machines to try: what one more hour is worth to each member, added up. Then each of the
dearest is imagined a second time at every member and all plan once more around each other; what the sum falls by is
what the network would gain. Duals alone would not do: they are marginal.
"""

from collections.abc import Mapping, Sequence

import msgspec

from interwork.core.errors import WrongState
from interwork.core.network.together import Coordination, HoursAnswer
from interwork.flows.node import Node
from interwork.flows.together.asking import Talk, offers
from interwork.flows.together.own import one_at_a_time, own

TRIED_MAX = 3
"""Machines imagined a second time, each over two rounds."""


class SecondMachine(msgspec.Struct, frozen=True, kw_only=True):
    """One machine with what more of it is worth to all who plan together, in euro."""

    resource: str
    """Its name, where this node holds a quote on it; else the digest it goes by."""
    provider: str
    eur_per_h: float
    """What one more hour is worth, over all members."""
    members: int
    """To how many of them it is worth something."""
    hours: float
    """Taken in the plans that stand."""
    gain_eur: float | None
    """What a second one saves all together, planned again; None where it was not tried."""


class NetworkInvestments(msgspec.Struct, frozen=True, kw_only=True):
    """The list, the largest gain first."""

    coordination: str
    sum_eur: float
    members: int
    rows: tuple[SecondMachine, ...]


async def second_machines(node: Node, coordination_id: str) -> NetworkInvestments:
    """List what second machines would bring to the members of a coordination this node began."""
    held = await node.store.get(Coordination, coordination_id)
    if held.began_by != node.did or held.state == "running":
        raise WrongState(
            f"The coordination {coordination_id} is {held.state}, begun by {held.began_by}.",
            remedy="Begin one, and ask once it is settled.",
        )
    entries = await offers(node, [one.did for one in held.members if not one.fault])
    talk = Talk(node, held, entries)
    async with one_at_a_time(node):
        base = await _sum(talk, ())
        rows = _rows(talk.answers)
        tried = []
        for row in rows[:TRIED_MAX]:
            gain = max(0.0, base - await _sum(talk, (row.resource,))) if row.eur_per_h > 0 else 0.0
            tried.append(msgspec.structs.replace(row, gain_eur=gain))
    named = await _named(node, held, [*tried, *rows[TRIED_MAX:]])
    named.sort(key=lambda one: (-(one.gain_eur if one.gain_eur is not None else -1.0), -one.eur_per_h))
    return NetworkInvestments(coordination=coordination_id, sum_eur=base, members=len(talk.answers), rows=tuple(named))


async def _sum(talk: Talk, doubled: Sequence[str]) -> float:
    """Plan at all members over two rounds, from nothing held, with machines imagined twice; tell the sum."""
    talk.answers.clear()
    best = float("inf")
    for number, charge in enumerate((0.0, 0.5)):
        best = min(best, await talk.imagined(number, charge, doubled))
    return best


def _rows(answers: Mapping[str, HoursAnswer]) -> list[SecondMachine]:
    """Add up what hours are worth to whom, the dearest first."""
    found: dict[str, SecondMachine] = {}
    for told in answers.values():
        for one in told.hours:
            known = found.get(one.machine) or SecondMachine(
                resource=one.machine, provider="", eur_per_h=0.0, members=0, hours=0.0, gain_eur=None
            )
            found[one.machine] = msgspec.structs.replace(
                known,
                eur_per_h=known.eur_per_h + one.eur_per_h,
                members=known.members + (one.eur_per_h > 0),
                hours=known.hours + sum((end - start).total_seconds() / 3600 for start, end in one.taken),
            )
    return sorted(found.values(), key=lambda one: (-one.eur_per_h, -one.hours))


async def _named(node: Node, held: Coordination, rows: Sequence[SecondMachine]) -> list[SecondMachine]:
    """Name the machines this node holds quotes on; the others stay digests."""
    mine = await own(node, held)
    if mine is None:
        return list(rows)
    names = dict(zip(mine.keys, zip(mine.seen.names, mine.seen.resources, strict=True), strict=True))
    return [
        msgspec.structs.replace(one, resource=names[one.resource][0], provider=names[one.resource][1][0])
        if one.resource in names
        else one
        for one in rows
    ]
