"""The first arrows of a job: the design measured, its process plan drafted, the need written down."""

import msgspec

from interwork.core.design import EdgeKind, ProcessPlan, Revision
from interwork.core.event import Tag
from interwork.core.exchange import CatalogEntry, DatasetKind
from interwork.core.ids import derived_id
from interwork.core.making import Job
from interwork.core.organisation import Membership, MembershipState
from interwork.core.planning import Need, NeedKind
from interwork.core.programme import Award, Project
from interwork.flows.designing.planning import Wanted, chosen_by_people, draft
from interwork.flows.designing.recording import Drawn, record
from interwork.flows.node import Node
from interwork.flows.records import Grant, read_as
from interwork.flows.weave import Knot, knot, tie
from interwork.store import Change


async def design(node: Node, job: Job) -> tuple[Job, str]:
    """Measure the file in a limited child process and record the revision."""
    revision = await node.store.peek(Revision, job.revision)
    if revision is None:
        revision = await _measure(node, job)
    shape = revision.geometry
    size = " × ".join(f"{side:.4g}" for side in shape.box_mm)
    holes = "holes not recognised" if shape.holes is None else f"{len(shape.holes)} holes"
    return job, f"{job.facts['file_name']}: {size} mm, {shape.volume_mm3 / 1000:.4g} cm³, {holes}"


async def _measure(node: Node, job: Job) -> Revision:
    return await record(
        node,
        Drawn(
            file_name=job.facts["file_name"],
            digest=job.facts["digest"],
            title=job.title,
            owner=job.owner,
            project=job.project,
        ),
    )


async def process_plan(node: Node, job: Job) -> tuple[Job, str]:
    """Draft how the design is made; a plan that a person changed for the same order wins over the draft."""
    revision = await node.store.get(Revision, job.revision)
    wanted = Wanted(
        material=job.material,
        quantity=job.quantity,
        tolerance_mm=job.tolerance_mm,
        thickness_mm=job.facts.get("thickness_mm"),
        template=job.facts.get("template", ""),
    )
    people = None if wanted.template else await chosen_by_people(node, revision.id, wanted)
    plan = people or await draft(node, revision, wanted)
    names = ", ".join(operation.name for operation in plan.operations)
    whose = f" (version {plan.version}, changed by {plan.changed_by})" if plan.version > 1 else ""
    return msgspec.structs.replace(job, process_plan=plan.id), f"{plan.process_class}{whose}: {names}"


async def need(node: Node, job: Job) -> tuple[Job, str]:
    """Write the need down and tie it to the project and the award that pays for it."""
    plan = await node.store.get(ProcessPlan, job.process_plan)
    wanted = Need(
        id=derived_id("need", job.id),
        kind=NeedKind.PART,
        title=f"{job.quantity} × {job.title}",
        owner=job.owner,
        quantity=job.quantity,
        due=job.due,
        created_at=node.clock(),
        deliver_to=node.settings.place,
        revision=job.revision,
        process_plan=plan.id,
        material=job.material,
        project=job.project,
    )
    change = Change().put(wanted).event(Tag.NEED_RECORDED, wanted.id, quantity=job.quantity, due=job.due.isoformat())
    knot(node, change, Knot(id=wanted.id, kind="need", label=wanted.title))
    tie(node, change, job.revision, EdgeKind.DERIVES, wanted.id)
    tie(node, change, plan.id, EdgeKind.DERIVES, wanted.id)
    paid = await _paid_by(node, job, change, wanted)
    await node.store.commit(change)
    return msgspec.structs.replace(job, need=wanted.id), f"{wanted.title} by {job.due:%d %b %Y}{paid}"


async def _paid_by(node: Node, job: Job, change: Change, wanted: Need) -> str:
    """Put award and project on the thread; their holder is the institute, their record came under an agreement."""
    if not job.project:
        return ""
    project = await node.store.get(Project, job.project)
    award = await node.store.peek(Award, project.award)
    knot(node, change, Knot(id=project.id, kind="project", label=project.title, holder=project.institute))
    tie(node, change, project.id, EdgeKind.GOVERNS, wanted.id)
    if award is None:
        return f", for {project.title}"
    label = f"{award.amount_eur:,.0f} EUR"
    knot(node, change, Knot(id=award.id, kind="award", label=label, holder=project.institute))
    tie(node, change, award.id, EdgeKind.PAYS, project.id)
    return f", paid by the award of {label} for «{project.title}»"


async def take_awards(node: Node) -> list[Project]:
    """Fetch the awards made to this organisation from its institutes, each under an agreement."""
    taken = []
    for membership in await node.store.find(Membership, state=MembershipState.GRANTED, limit=20):
        peer = await node.federation.meet((await node.peer(membership.institute)).root)
        entries = await node.federation.browse(peer)
        taken.extend([await _take_award(node, entry) for entry in entries if _is_award(entry, peer.id)])
    return taken


def _is_award(entry: CatalogEntry, institute: str) -> bool:
    facts = entry.facts
    return entry.provider == institute and entry.kind is DatasetKind.RECORD and facts.get("record") == "award"


async def _take_award(node: Node, entry: CatalogEntry) -> Project:
    agreement = await node.federation.negotiate(entry.provider, entry.dataset, key=f"award:{entry.dataset}")
    transfer = await node.federation.transfer(agreement, key=f"award:{entry.dataset}")
    fetched = await node.federation.fetch(transfer, what=entry.title)
    grant = read_as(Grant, fetched.content, agreement.peer_name)
    change = Change().put(grant.award).put(grant.call).put(grant.project)
    for share in grant.shares:
        change.put(share)
    if grant.technology is not None:
        change.put(grant.technology)
    change.event(Tag.PROJECT_RECORDED, grant.project.id, award=grant.award.id, agreement=agreement.id)
    await node.store.commit(change)
    return grant.project
