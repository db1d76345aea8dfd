"""Needs of any kind: recorded by a person, published under the institute's policy, collected by who looks at them all.

What is published is what is wanted and by when, operation by operation; budgets, quotes, plans and designs stay.
"""

from collections.abc import Sequence
from datetime import datetime

import msgspec
import structlog

from interwork.allocation import draft_request, gaps, match
from interwork.consortium import common_policies
from interwork.core.design import Operation, ProcessPlan, Requirement
from interwork.core.errors import BadInput, InterworkError
from interwork.core.event import Tag
from interwork.core.exchange import CatalogEntry, Dataset, DatasetKind
from interwork.core.ids import derived_id, new_id
from interwork.core.organisation import Setting
from interwork.core.planning import Match, Need, NeedKind
from interwork.core.taxonomy import PROCESSES, material_of
from interwork.flows.make_part.choose import CATALOG_OPERAND, ask_all
from interwork.flows.node import Node
from interwork.flows.publish import Draft, institute_of, publish
from interwork.flows.records import Wish, read_as
from interwork.flows.supply.asking import offered
from interwork.flows.weave import Knot, knot
from interwork.store import Change

log = structlog.get_logger()
QUANTITY_MAX = 1_000_000
USUAL = {NeedKind.TEST: "testing", NeedKind.SKILL: "training"}


class NeedDraft(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """Something wanted, as a person says it."""

    kind: NeedKind
    title: str
    due: datetime
    quantity: int = 1
    process: str = ""
    """A term of the taxonomy; a test is `testing` and a skill `training` unless said."""
    minutes: float = 60.0
    """Of work on each, on the reference machine."""
    material: str = ""
    requirements: tuple[Requirement, ...] = ()
    budget_eur: float | None = None
    project: str = ""


async def record_need(node: Node, draft: NeedDraft, *, actor: str) -> Need:
    """Keep a need and hold it against what the catalog offers; its gaps are found at once."""
    process = draft.process or USUAL.get(draft.kind, "")
    _check(node, draft, process)
    need_id, now = new_id("need"), node.clock()
    plan = _operation(need_id, draft, process, now) if process else None
    need = Need(
        id=need_id,
        kind=draft.kind,
        title=draft.title.strip(),
        owner=node.settings.organisation,
        quantity=draft.quantity,
        due=draft.due,
        created_at=now,
        deliver_to=node.settings.place,
        process_plan=plan.id if plan else "",
        material=draft.material,
        requirements=draft.requirements,
        budget_eur=draft.budget_eur,
        project=draft.project,
    )
    change = Change(actor).put(need)
    if plan is not None:
        change.put(plan)
    change.event(Tag.NEED_RECORDED, need.id, kind=need.kind.value, quantity=need.quantity)
    knot(node, change, Knot(id=need.id, kind="need", label=need.title))
    await node.store.commit(change)
    await hold(node, need, plan)
    return need


def _check(node: Node, draft: NeedDraft, process: str) -> None:
    if not 1 <= len(draft.title.strip()) <= 200:
        raise BadInput("A need has a title of 1 to 200 letters.", where="title")
    if process not in PROCESSES and draft.kind is not NeedKind.MONEY:
        said = f"{process[:40]!r} is no process."
        if not process:
            said = f"A need of the kind {draft.kind.value} has no usual process."
        raise BadInput(said, where="process", remedy=f"Give one of {', '.join(PROCESSES)}.")
    if draft.due.tzinfo is None or draft.due <= node.clock():
        raise BadInput("A need is due later than now, at a time with a zone.", where="due")
    if not 1 <= draft.quantity <= QUANTITY_MAX or not 0 < draft.minutes <= 1_000_000:
        raise BadInput("A quantity or a time is out of range.", where="quantity", remedy="Give 1 or more of each.")
    if draft.budget_eur is not None and not 0 <= draft.budget_eur < 1e12:
        raise BadInput(f"A budget of {draft.budget_eur} EUR is none.", where="budget_eur")
    if draft.material:
        material_of(draft.material)


def _operation(need_id: str, draft: NeedDraft, process: str, now: datetime) -> ProcessPlan:
    """Write a need of one operation down as its process plan."""
    material = material_of(draft.material).id if draft.material else ""
    stated = (Requirement(name="material", value=material, source="stated"),) if material else ()
    one = Operation(
        id="op-1",
        name=draft.title.strip()[:80],
        process=process,
        requirements=(*stated, *draft.requirements),
        machining_s=60 * draft.minutes,
        basis="stated with the need",
    )
    return ProcessPlan(
        id=derived_id("process", need_id),
        revision="",
        process_class=process,
        reasons=("stated with the need",),
        material=material,
        quantity=draft.quantity,
        stock_mm=(0.0, 0.0, 0.0),
        part_mass_kg=0.0,
        stock_mass_kg=0.0,
        operations=(one,),
        created_at=now,
    )


async def hold(node: Node, need: Need, plan: ProcessPlan | None) -> list[Match]:
    """Hold a need against what the catalog offers and keep what fits and what is missing."""
    if plan is None:
        return []
    matches = match(need, plan, await offered(node))
    change = Change()
    for one in matches:
        change.put(one)
    for gap in gaps(need, plan, matches, node.clock()):
        change.put(gap).event(Tag.GAP_FOUND, gap.id, title=gap.title)
    change.event(Tag.MATCH_MADE, need.id, feasible=sum(one.is_feasible for one in matches), held=len(matches))
    await node.store.commit(change)
    return matches


async def publish_need(node: Node, need_id: str, *, actor: str) -> Dataset:
    """Let members of the institute, and the institute, see what is wanted."""
    need = await node.store.get(Need, need_id)
    institute, name = await institute_of(node)
    await node.store.commit(Change(actor).event(Tag.NEED_RECORDED, need.id, published=True))
    draft = Draft(
        kind=DatasetKind.RECORD,
        subject=need.id,
        title=f"Wanted: {need.title}"[:200],
        properties={"record": "need", "need": need.id, "kind": need.kind.value, "is_sample": node.settings.is_sample},
    )
    return await publish(node, draft, common_policies(institute, name)["needs"])


async def collect_needs(node: Node, away: list[str] | None = None) -> list[Need]:
    """Fetch what members published as wanted, each under an agreement, and ask who fits what it would take.

    Gaps and the worth of hours count it from then on. What could not be fetched is told in `away`, with the reason.
    """
    taken = []
    for entry in await _published(node):
        try:
            taken.append(await _take(node, entry))
        except InterworkError as fault:
            log.warning("need.untaken", provider=entry.provider, dataset=entry.dataset, fault=str(fault))
            if away is not None:
                away.append(f"{entry.title}: {fault.message}")
    return taken


async def _published(node: Node) -> list[CatalogEntry]:
    if node.settings.portal or await node.store.peek(Setting, "portal") is not None:
        portal = await node.portal()
        query = [{"leftOperand": CATALOG_OPERAND + "kind", "operator": "eq", "rightOperand": DatasetKind.RECORD.value}]
        entries = await node.federation.browse(portal, query=query)
    else:
        entries = await node.store.find(CatalogEntry, kind=DatasetKind.RECORD, is_gone=False, limit=1000)
    return [one for one in entries if one.provider != node.did and one.facts.get("record") == "need"]


async def _take(node: Node, entry: CatalogEntry) -> Need:
    key = f"need:{entry.dataset}"
    agreement = await node.federation.negotiate(entry.provider, entry.dataset, key=key)
    transfer = await node.federation.transfer(agreement, key=f"{key}:{agreement.id}")
    fetched = await node.federation.fetch(transfer, what=entry.title)
    wish = read_as(Wish, fetched.content, agreement.peer_name)
    own_id = derived_id("need", entry.provider, wish.need.id)
    plan = wish.process
    if plan is not None:
        plan = msgspec.structs.replace(plan, id=derived_id("process", entry.provider, plan.id), revision="")
    need = msgspec.structs.replace(
        wish.need, id=own_id, owner=entry.provider, process_plan=plan.id if plan else "", project=""
    )
    change = Change(entry.provider).put(need)
    if plan is not None:
        change.put(plan)
    change.event(Tag.NEED_RECORDED, need.id, of=entry.provider, agreement=agreement.id)
    await node.store.commit(change)
    await _quoted(node, need, plan, await hold(node, need, plan))
    return need


async def _quoted(node: Node, need: Need, plan: ProcessPlan | None, matches: Sequence[Match]) -> None:
    """Ask whoever fits a published need what it would take; who does not answer is said in the log."""
    fitting = [one for one in matches if one.is_feasible]
    if plan is None or not fitting:
        return
    away: list[str] = []
    quotes = await ask_all(node, fitting, draft_request(need, plan), away, [])
    change = Change()
    for quote in quotes:
        change.put(quote).event(Tag.QUOTE_RECEIVED, quote.id, provider=quote.provider, modes=len(quote.modes))
    await node.store.commit(change)
    for one in away:
        log.warning("need.unquoted", need=need.id, fault=one)
