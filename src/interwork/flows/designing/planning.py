"""Process plans at a node: drafted with what the shop knows, changed by people in versions, kept as templates."""

from collections.abc import Sequence

import msgspec

from interwork.allocation import CapacityOffer, match
from interwork.core.design import EdgeKind, Geometry, Operation, PlanTemplate, PlanTime, ProcessPlan, Revision
from interwork.core.errors import BadInput, Conflict
from interwork.core.event import Tag
from interwork.core.exchange import CatalogEntry, DatasetKind
from interwork.core.ids import derived_id
from interwork.core.making import Evidence, Job, Order
from interwork.core.planning import Match, Need, NeedKind
from interwork.core.resource import Resource
from interwork.design import Known, draft_process_plan
from interwork.design.making.calibrating import FinishedRun, calibrate
from interwork.design.making.editing import Edit, edit_plan
from interwork.design.making.limits import Shop
from interwork.design.making.templating import apply_template, make_template
from interwork.flows.node import Node
from interwork.flows.records import offers_of
from interwork.flows.weave import Knot, knot, tie
from interwork.store import Change

_EVIDENCE_MAX = 2_000
_HELD_MAX = 1_000


class Wanted(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """What a plan is drafted for."""

    material: str
    quantity: int = 1
    tolerance_mm: float = 0.1
    certificates: tuple[str, ...] = ()
    process_class: str = ""
    thickness_mm: float | None = None
    body: int | None = None
    """Of an assembly: which of its distinct bodies, from 1."""
    template: str = ""


async def draft(node: Node, revision: Revision, wanted: Wanted, *, actor: str = "node") -> ProcessPlan:
    """Draft a plan with the shop's own limits and what finished runs taught; through a template where one is named."""
    known = Known(
        certificates=wanted.certificates,
        characteristics=revision.characteristics,
        shops=await _shops(node),
        times=tuple(one for one in await calibrations(node) if not one.resource),
        process_class=wanted.process_class,
        thickness_mm=wanted.thickness_mm,
    )
    geometry, subject = revision.geometry, revision.id
    if wanted.body is not None:
        geometry, subject = _body(revision, wanted.body), f"{revision.id}/{wanted.body}"
    plan = draft_process_plan(
        subject, geometry, wanted.material, wanted.quantity, wanted.tolerance_mm, at=node.clock(), known=known
    )
    plan = msgspec.structs.replace(plan, revision=revision.id)
    held = await node.store.peek(ProcessPlan, plan.id)
    if held is None:
        await _keep(node, plan, (revision.id,), Tag.PLAN_DRAFTED, actor)
    plan = held or plan
    if wanted.template:
        return await use_template(node, wanted.template, plan.id, actor=actor)
    return plan


def _body(revision: Revision, number: int) -> Geometry:
    distinct = revision.geometry.distinct
    if not 1 <= number <= len(distinct) or (found := distinct[number - 1].geometry) is None:
        raise BadInput(f"{revision.file_name} has no measured body {number}.", remedy=f"Choose 1 to {len(distinct)}.")
    return Geometry(**msgspec.structs.asdict(found))


async def _shops(node: Node) -> tuple[Shop, ...]:
    """List this node's own machines with what they say they can do."""
    return tuple(Shop(name=one.name, capabilities=one.capabilities) for one in await _own(node))


async def _own(node: Node) -> list[Resource]:
    """List this node's machines that can do something; copies of others' machines, kept for readings, are not its."""
    held = await node.store.find(Resource, limit=_HELD_MAX)
    return [one for one in held if one.capabilities and (one.owner == node.did or not one.owner.startswith("did:"))]


async def calibrations(node: Node) -> list[PlanTime]:
    """Compute how estimates compare with finished runs, per process and per resource, from the evidence held here."""
    runs = []
    plans: dict[str, ProcessPlan | None] = {}
    for piece in await node.store.find(Evidence, limit=_EVIDENCE_MAX, newest=True):
        found = await _operation(node, piece, plans)
        if found is not None:
            process, factor = found
            runs.append(
                FinishedRun(
                    process=process,
                    resource=piece.resource,
                    resource_name=f"{piece.resource_name} at {piece.provider_name}",
                    estimated_s=piece.planned_s / factor,
                    actual_s=piece.observed_s,
                    is_simulated=piece.is_simulated,
                )
            )
    return calibrate(runs)


async def _operation(node: Node, piece: Evidence, plans: dict[str, ProcessPlan | None]) -> tuple[str, float] | None:
    """Find the process of a piece of evidence, and the calibration that its estimate held already."""
    if piece.job not in plans:
        job = await node.store.peek(Job, piece.job)
        plans[piece.job] = await node.store.peek(ProcessPlan, job.process_plan) if job and job.process_plan else None
    plan = plans[piece.job]
    operations: Sequence[Operation] = plan.operations if plan else ()
    for one in operations:
        if one.name == piece.operation_name:
            return one.process, one.calibration
    order = await node.store.peek(Order, piece.order)
    lines = order.lines if order else ()
    return next(((line.process, 1.0) for line in lines if line.operation_name == piece.operation_name), None)


async def change_plan(
    node: Node,
    identifier: str,
    edits: Sequence[Edit],
    *,
    why: str,
    actor: str,
    by: str = "",
    causes: Sequence[str] = (),
) -> ProcessPlan:
    """Make the next version of a plan, for causes on the thread; Conflict where somebody changed it meanwhile."""
    plan = await node.store.get(ProcessPlan, identifier)
    await _require_newest(node, plan)
    changed = edit_plan(plan, edits, by=by or actor, why=why, at=node.clock())
    await _keep(node, changed, (plan.id, *causes), Tag.PLAN_EDITED, actor)
    return changed


async def newest_version(node: Node, identifier: str) -> ProcessPlan:
    """Follow a plan to the newest version people made of it."""
    plan = await node.store.get(ProcessPlan, identifier)
    later = {one.supersedes: one for one in await _versions(node, plan.revision) if not one.template}
    for _ in range(len(later)):
        plan = later.get(plan.id, plan)
    return plan


async def _require_newest(node: Node, plan: ProcessPlan) -> None:
    later = [one for one in await _versions(node, plan.revision) if one.supersedes == plan.id and not one.template]
    if later:
        raise Conflict(
            f"Version {plan.version} of the plan was changed by {later[0].changed_by} at "
            f"{later[0].created_at:%Y-%m-%d %H:%M} UTC.",
            remedy=f"Look at {later[0].id} and change that.",
        )


async def _versions(node: Node, revision: str) -> list[ProcessPlan]:
    return await node.store.find(ProcessPlan, revision=revision, limit=_HELD_MAX)


async def _keep(node: Node, plan: ProcessPlan, causes: Sequence[str], tag: Tag, actor: str) -> None:
    """Record a plan under what it came of: the first cause by its own word, the others as what decided it."""
    cause, *decided_by = causes
    change = Change(actor).put(plan)
    change.event(tag, plan.id, operations=len(plan.operations), version=plan.version, changes=list(plan.changes))
    label = f"{plan.process_class}, {len(plan.operations)} operations"
    knot(node, change, Knot(id=plan.id, kind="process-plan", label=label))
    tie(node, change, cause, EdgeKind.PLANS if tag is Tag.PLAN_DRAFTED else EdgeKind.DERIVES, plan.id)
    if tag is not Tag.PLAN_DRAFTED:
        tie(node, change, plan.revision, EdgeKind.PLANS, plan.id)
    for one in decided_by:
        tie(node, change, one, EdgeKind.DECIDES, plan.id)
    await node.store.commit(change)


async def chosen_by_people(node: Node, revision: str, wanted: Wanted) -> ProcessPlan | None:
    """Find the newest plan a person changed or chose for the same material, quantity and tolerance."""
    fitting = [
        one
        for one in await _versions(node, revision)
        if (one.material, one.quantity, one.tolerance_mm) == (wanted.material, wanted.quantity, wanted.tolerance_mm)
        and one.version > 1
    ]
    return max(fitting, key=lambda one: (one.created_at, one.version), default=None)


async def keep_template(node: Node, identifier: str, *, name: str, why: str, actor: str, by: str = "") -> PlanTemplate:
    """Keep what people decided in a plan as a template."""
    plan = await node.store.get(ProcessPlan, identifier)
    first = plan
    for _ in range(_HELD_MAX):
        before = await node.store.peek(ProcessPlan, first.supersedes) if first.supersedes else None
        if before is None:
            break
        first = before
    template = make_template(plan, first, name=name, by=by or actor, why=why or plan.why, at=node.clock())
    known = await node.store.peek(PlanTemplate, template.id)
    if known is not None:
        return known
    change = Change(actor).put(template)
    change.event(Tag.TEMPLATE_KEPT, template.id, name=template.name, plan=plan.id, steps=len(template.steps))
    await node.store.commit(change)
    return template


async def use_template(node: Node, template: str, identifier: str, *, actor: str, by: str = "") -> ProcessPlan:
    """Make a plan from a template and the draft of another part."""
    kept = await node.store.get(PlanTemplate, template)
    plan = await node.store.get(ProcessPlan, identifier)
    made = apply_template(kept, plan, by=by or actor, at=node.clock())
    await _keep(node, made, (plan.id,), Tag.PLAN_EDITED, actor)
    return made


async def fit(node: Node, plan: ProcessPlan) -> list[Match]:
    """Hold every operation against this node's machines and every one known from the network's catalog."""
    offers = [*await _own_offers(node), *await _catalog_offers(node)]
    need = Need(
        id=derived_id("need", "fit", plan.id),
        kind=NeedKind.PART,
        title="fit",
        owner=node.settings.organisation,
        quantity=plan.quantity,
        due=node.clock(),
        created_at=node.clock(),
        process_plan=plan.id,
        material=plan.material,
    )
    return match(need, plan, offers)


async def _own_offers(node: Node) -> list[CapacityOffer]:
    return [
        CapacityOffer(
            provider=node.did,
            provider_name=node.settings.name,
            dataset="",
            resource=one.id,
            resource_name=one.name,
            place=one.place,
            capabilities=one.capabilities,
        )
        for one in await _own(node)
    ]


async def _catalog_offers(node: Node) -> list[CapacityOffer]:
    entries = await node.store.find(CatalogEntry, kind=DatasetKind.CAPACITY, is_gone=False, limit=_HELD_MAX)
    return [offer for entry in entries if entry.provider != node.did for offer in offers_of(entry)]
