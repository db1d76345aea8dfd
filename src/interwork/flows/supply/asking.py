"""What the network offers for a product: needs written down, matched with the catalog, quoted by whoever fits.

In an emergency those are asked too who lack nothing but approvals with a known lead time; their machines count from the
day they could have them, and each approval stands in the plan.
"""

from collections.abc import Mapping, Sequence
from datetime import datetime, timedelta

import msgspec

from interwork.allocation import CapacityOffer, draft_request, gaps, match
from interwork.allocation.parts.gaps import POLICY, misses
from interwork.allocation.parts.matching import demands
from interwork.allocation.supply.bill import pieces, root_of
from interwork.allocation.supply.bridging import Source
from interwork.allocation.supply.tiering import RUNS_MIN
from interwork.core.design import ProcessPlan
from interwork.core.errors import NoPlan
from interwork.core.event import Tag
from interwork.core.exchange import CatalogEntry, DatasetKind
from interwork.core.ids import derived_id
from interwork.core.network.supply import Approval, Item, Period, Product
from interwork.core.organisation import Place, Setting
from interwork.core.planning import Match, Mode, Need, NeedKind, Quote, Window
from interwork.core.programme import TrackRecord
from interwork.flows.make_part.choose import ask_all, capacities
from interwork.flows.node import Node
from interwork.flows.records import offers_of
from interwork.store import Change


class Asked(msgspec.Struct, frozen=True, kw_only=True):
    """Everything the network said to a product."""

    sources: dict[str, Source]
    """Of each item."""
    matches: tuple[Match, ...]
    tracks: dict[str, TrackRecord]
    pace: dict[str, float]
    approvals: tuple[Approval, ...]
    notes: tuple[str, ...]


async def offered(node: Node) -> list[CapacityOffer]:
    """Read what the catalog offers: the joined portal's as it is now, else what this node itself crawled."""
    if node.settings.portal or await node.store.peek(Setting, "portal") is not None:
        entries = await capacities(node, await node.portal())
        change = Change()
        for entry in entries:
            change.put(entry)
        await node.store.commit(change)
    else:
        held = await node.store.find(CatalogEntry, kind=DatasetKind.CAPACITY, is_gone=False, limit=1000)
        entries = [one for one in held if one.provider != node.did]
    return [offer for entry in entries for offer in offers_of(entry)]


async def ask(
    node: Node, product: Product, periods: Sequence[Period], *, lead_days: Mapping[str, float] | None = None
) -> Asked:
    """Write a need per item, match it with the catalog, and ask everybody who fits for a quote."""
    offers = await offered(node)
    tracks = {one.id: one for one in await node.store.find(TrackRecord, limit=1000)}
    pace = paces(tracks)
    count = pieces(product.items)
    total = sum(period.quantity for period in periods)
    sources: dict[str, Source] = {}
    matches: list[Match] = []
    approvals: list[Approval] = []
    notes: list[str] = []
    for item in product.items:
        need = _need(node, product, item, periods, total * count[item.key])
        process = await node.store.get(ProcessPlan, item.process_plan)
        held = match(need, process, offers)
        quotes = await _quoted(node, need, process, held, notes)
        if lead_days is not None:
            granted, wanted = await _conditional(node, need, process, held, lead_days, item=item.key, notes=notes)
            quotes += granted
            approvals += wanted
        sources[item.key] = Source(need=need, process=process, quotes=tuple(slowed(one, pace) for one in quotes))
        matches += held
        await _keep(node, need, process, held, quotes)
        notes += [
            f"{one.provider_name} took {pace[one.provider]:.2f} × its planned times so far; reckoned so here."
            for one in quotes
            if one.provider in pace
        ]
    return Asked(
        sources=sources,
        matches=tuple(matches),
        tracks=tracks,
        pace=pace,
        approvals=tuple(approvals),
        notes=tuple(dict.fromkeys(notes)),
    )


def _need(node: Node, product: Product, item: Item, periods: Sequence[Period], quantity: int) -> Need:
    """Write the need for an item; only what is delivered goes to this node's own place."""
    is_root = item.key == root_of(product.items).key
    return Need(
        id=derived_id("need", product.id, item.key),
        kind=NeedKind.PART,
        title=f"{item.title} for {product.title}" if not is_root else product.title,
        owner=product.owner,
        quantity=quantity,
        due=max(period.due for period in periods),
        created_at=node.clock(),
        deliver_to=node.settings.place if is_root else Place(),
        process_plan=item.process_plan,
        requirements=product.requirements,
    )


async def _quoted(node: Node, need: Need, process: ProcessPlan, held: Sequence[Match], notes: list[str]) -> list[Quote]:
    """Ask those who fit; who was away or refused is told in the notes."""
    away: list[str] = []
    silent: list[str] = []
    fitting = [one for one in held if one.is_feasible]
    quotes = await ask_all(node, fitting, draft_request(need, process), away, silent) if fitting else []
    notes += [f"{need.title}: {one}" for one in away]
    return quotes


async def _conditional(
    node: Node,
    need: Need,
    process: ProcessPlan,
    held: Sequence[Match],
    lead_days: Mapping[str, float],
    *,
    item: str,
    notes: list[str],
) -> tuple[list[Quote], list[Approval]]:
    """Ask those who lack only approvals for a quote without them; their machines count from when they have them."""
    near = [one for one in held if not one.is_feasible and _lacks_only(one, lead_days)]
    if not near:
        return [], []
    names = {reason.requirement for one in near for reason in misses(one)}
    request = draft_request(_without(need, names), _plan_without(process, need, names))
    away: list[str] = []
    quotes = await ask_all(node, near, request, away, [])
    notes += [f"{need.title}: {one}" for one in away]
    now = node.clock()
    ready: dict[tuple[str, str, str], datetime] = {}
    approvals = []
    for one in near:
        lacked = misses(one)
        days = max(lead_days[each.requirement] for each in lacked)
        ready[one.provider, one.resource, one.operation] = now + timedelta(days=days)
        operation = next(each.name for each in process.operations if each.id == one.operation)
        approvals += [
            Approval(
                provider=one.provider,
                provider_name=one.provider_name,
                item=item,
                operation_name=operation,
                requirement=each.requirement,
                wanted=each.wanted,
                ready_at=now + timedelta(days=lead_days[each.requirement]),
            )
            for each in lacked
        ]
    return [_from(one, ready) for one in quotes], approvals


def _lacks_only(one: Match, lead_days: Mapping[str, float]) -> bool:
    lacked = misses(one)
    return bool(lacked) and all(each.requirement in POLICY and each.requirement in lead_days for each in lacked)


def _without(need: Need, names: set[str]) -> Need:
    kept = tuple(one for one in need.requirements if one.name not in names)
    return msgspec.structs.replace(need, requirements=kept)


def _plan_without(process: ProcessPlan, need: Need, names: set[str]) -> ProcessPlan:
    operations = tuple(
        msgspec.structs.replace(
            one, requirements=tuple(each for each in demands(one, need.requirements) if each.name not in names)
        )
        for one in process.operations
    )
    return msgspec.structs.replace(process, operations=operations)


def _from(quote: Quote, ready: Mapping[tuple[str, str, str], datetime]) -> Quote:
    """Keep of a conditional quote what was near, from the day it could be had."""
    modes = []
    for mode in quote.modes:
        day = ready.get((mode.provider, mode.resource, mode.operation))
        if day is None:
            continue
        windows = tuple(Window(start=max(one.start, day), end=one.end) for one in mode.windows if one.end > day)
        if windows:
            modes.append(msgspec.structs.replace(mode, windows=windows))
    return msgspec.structs.replace(quote, modes=tuple(modes))


def paces(tracks: Mapping[str, TrackRecord]) -> dict[str, float]:
    """Tell who took longer than planned, by its own record, and by what factor."""
    return {
        one.id: one.time_ratio
        for one in tracks.values()
        if one.time_ratio is not None and one.runs >= RUNS_MIN and one.time_ratio > 1.0
    }


def slowed(quote: Quote, pace: Mapping[str, float]) -> Quote:
    """Reckon a quote at its provider's own pace."""
    ratio = pace.get(quote.provider, 1.0)
    return (
        quote
        if ratio == 1.0
        else msgspec.structs.replace(quote, modes=tuple(_longer(mode, ratio) for mode in quote.modes))
    )


def _longer(mode: Mode, ratio: float) -> Mode:
    return msgspec.structs.replace(mode, setup_s=mode.setup_s * ratio, unit_s=mode.unit_s * ratio)


async def _keep(node: Node, need: Need, process: ProcessPlan, held: Sequence[Match], quotes: Sequence[Quote]) -> None:
    """Keep what was asked and answered, so that gaps and hours count it."""
    change = Change().put(need).event(Tag.NEED_RECORDED, need.id, quantity=need.quantity, due=need.due.isoformat())
    for one in held:
        change.put(one)
    for gap in gaps(need, process, held, node.clock()):
        change.put(gap).event(Tag.GAP_FOUND, gap.id, title=gap.title)
    for quote in quotes:
        change.put(quote).event(Tag.QUOTE_RECEIVED, quote.id, provider=quote.provider, modes=len(quote.modes))
    await node.store.commit(change)


def refuse_unable(product: Product, asked: Asked) -> None:
    """Say which operations nobody in the catalog can do, before any plan is tried; NoPlan names them."""
    reasons: list[str] = []
    count = 0
    for item in product.items:
        source = asked.sources[item.key]
        quoted = {mode.operation for quote in source.quotes for mode in quote.modes}
        for operation in source.process.operations:
            if operation.id not in quoted:
                count += 1
                near = [one for one in asked.matches if (one.need, one.operation) == (source.need.id, operation.id)]
                able = any(one.is_feasible for one in near)
                why = "somebody could, and nobody quoted it" if able else f"{len(near)} machines looked at, none fits"
                reasons.append(f"{item.title}: {operation.name}: {why}.")
                reasons += [
                    f"{quote.provider_name}: {said}"
                    for quote in source.quotes
                    for said in quote.declined
                    if said.startswith(f"{operation.name}: ")
                ]
    if reasons:
        reasons += [one for one in asked.notes if one not in reasons]
        raise NoPlan(
            f"{product.title} cannot be made with what the network offers: {count} operations are open.",
            reasons=tuple(reasons),
            remedy="See `interwork gaps NEED` for what would do, or plan an emergency with lead times.",
        )
