"""The last arrows of a job: evidence verified and put on the thread, then what the network learns from it."""

import time

import anyio
import msgspec
import structlog

from interwork.consortium import track_record
from interwork.core.design import EdgeKind
from interwork.core.errors import InterworkError, PeerError
from interwork.core.event import Tag
from interwork.core.exchange import DatasetKind
from interwork.core.ids import derived_id
from interwork.core.making import Evidence, Job, Order
from interwork.core.planning import Need
from interwork.core.programme import Project, Technology
from interwork.flows.fulfil.prove import facts_digest
from interwork.flows.make_part.follow import capacity_transfer
from interwork.flows.node import Node
from interwork.flows.publish import Draft, publish_for
from interwork.flows.records import OrderStatus, read_as
from interwork.flows.weave import Knot, knot, tie
from interwork.store import Change

log = structlog.get_logger()
INSTITUTE_S = 30.0
"""How long a job waits for the institute to read its evidence; later is fine, the next crawl finds it."""


async def evidence(node: Node, job: Job) -> tuple[Job, str]:
    """Fetch each run's evidence, check digest and signature, and hang it on the thread."""
    pieces: list[Evidence] = []
    for order_id in job.orders:
        order = await node.store.get(Order, order_id)
        transfer = await capacity_transfer(node, order.agreement)
        fetched = await node.federation.fetch(transfer, path=f"orders/{order_id}", what="evidence")
        status = read_as(OrderStatus, fetched.content, order.peer_name)
        for piece in status.evidence:
            await verify(node, piece)
            pieces.append(piece)
    change = Change()
    for piece in pieces:
        change.put(piece).event(Tag.EVIDENCE_RECORDED, piece.id, run=piece.run, digest=piece.digest)
        label = f"{piece.good} of {piece.quantity} good at {piece.provider_name}"
        holder = piece.provider
        knot(node, change, Knot(id=piece.id, kind="evidence", label=label, holder=holder, digest=piece.digest))
        tie(node, change, piece.run, EdgeKind.OBSERVED, piece.id)
    change.put(msgspec.structs.replace(await node.store.get(Need, job.need), state="met"))
    await node.store.commit(change)
    await _offer_evidence(node, job, pieces)
    measured = [piece.energy_kwh for piece in pieces if piece.energy_kwh is not None]
    energy = f"{sum(measured):.2f} kWh metered" if measured else "no energy metered"
    message = f"{len(pieces)} pieces of evidence verified; {energy}"
    return msgspec.structs.replace(job, evidence=tuple(piece.id for piece in pieces)), message


async def verify(node: Node, piece: Evidence) -> None:
    """Hold evidence against its own digest and its provider's key."""
    if facts_digest(piece) != piece.digest:
        raise PeerError(f"The evidence {piece.id} of {piece.provider_name} does not have the digest it names.")
    await node.federation.verify(piece.provider, piece.digest, piece.signature)


async def _offer_evidence(node: Node, job: Job, pieces: list[Evidence]) -> None:
    if not job.project:
        return
    project = await node.store.get(Project, job.project)
    for piece in pieces:
        draft = Draft(
            kind=DatasetKind.RECORD,
            subject=piece.id,
            title=f"Evidence of {piece.operation_name} for {project.title}",
            properties={"record": "evidence", "evidence": piece.id, "project": project.id, "award": project.award},
        )
        await publish_for(node, draft, did=project.institute, name="the institute")


async def learn(node: Node, job: Job) -> tuple[Job, str]:
    """Compute the providers' track records, and see what the institute made of the evidence."""
    change = Change()
    held = await node.store.find(Evidence, limit=10_000)
    providers = {piece.provider: piece.provider_name for piece in held if piece.id in job.evidence}
    for did, name in providers.items():
        change.put(track_record(did, name, held, node.clock()))
    await node.store.commit(change)
    parts = [f"track records of {', '.join(sorted(providers.values()))} updated"]
    if job.project:
        parts.append(await _technology(node, job))
    return job, "; ".join(parts)


async def _technology(node: Node, job: Job) -> str:
    """Read the technology's record at the institute until it rests on our evidence, bounded."""
    project = await node.store.get(Project, job.project)
    if not project.technology:
        return "the project names no technology"
    before = await node.store.peek(Technology, project.technology)
    deadline = time.monotonic() + INSTITUTE_S
    while time.monotonic() < deadline:
        try:
            technology = await _read_technology(node, project)
        except InterworkError as fault:
            log.info("technology.unread", project=project.id, fault=str(fault))
        else:
            if set(job.evidence) <= {entry.evidence for entry in technology.evidence}:
                return await _moved(node, job, project, before, technology)
        await anyio.sleep(1.0)
    return "the institute has not read the evidence yet; its next crawl will"


async def _read_technology(node: Node, project: Project) -> Technology:
    dataset = derived_id("dataset", project.institute, DatasetKind.RECORD.value, project.technology)
    agreement = await node.federation.negotiate(project.institute, dataset, key=f"technology:{dataset}")
    transfer = await node.federation.transfer(agreement, key=f"technology:{dataset}")
    fetched = await node.federation.fetch(transfer, what="the record of a technology")
    return read_as(Technology, fetched.content, agreement.peer_name)


async def _moved(node: Node, job: Job, project: Project, before: Technology | None, after: Technology) -> str:
    change = Change().put(after).event(Tag.TECHNOLOGY_MOVED, after.id, trl=after.trl)
    label = f"{after.name}: TRL {after.trl}"
    knot(node, change, Knot(id=after.id, kind="technology", label=label, holder=project.institute))
    for piece in job.evidence:
        tie(node, change, piece, EdgeKind.SUPPORTS, after.id)
    tie(node, change, project.id, EdgeKind.SUPPORTS, after.id)
    await node.store.commit(change)
    start = before.trl if before else after.trl_start
    return f"«{after.name}» now rests on {len(after.evidence)} pieces of evidence: TRL {start} → {after.trl}"
