"""Files become revisions: measured once per analyser version, recorded with a manifest, verified when read."""

from dataclasses import dataclass

import msgspec

from interwork.core.design import Attachment, Design, MeasuredFacts, ProcessPlan, Revision
from interwork.core.errors import BadInput
from interwork.core.event import Tag
from interwork.core.ids import derived_id, digest_of
from interwork.design import ANALYSER, Reading, analyse, read_file
from interwork.design.analysis import Told
from interwork.design.files.revision import Difference, compare, files_of, history, manifest, verify
from interwork.flows.node import Node
from interwork.flows.weave import Knot, knot
from interwork.store import Change

_REVISIONS_MAX = 10_000
ATTACHMENTS_MAX = 20


@dataclass(frozen=True, slots=True, kw_only=True)
class Drawn:
    """A file that was handed in: what it is called, where its bytes are, and for which design."""

    file_name: str
    digest: str
    title: str
    owner: str
    project: str = ""
    actor: str = "node"


async def record(node: Node, drawn: Drawn, *, told: Told | None = None) -> Revision:
    """Measure a kept file, unless that is done, and record its revision; the same bytes are the same revision."""
    identifier = derived_id("rev", drawn.digest)
    known = await node.store.peek(Revision, identifier)
    if known is not None:
        return known
    facts = await measure(node, drawn.digest, drawn.file_name, told=told)
    design = Design(
        id=derived_id("design", node.did, drawn.title),
        name=drawn.title,
        owner=drawn.owner,
        created_at=node.clock(),
        project=drawn.project,
    )
    before = await _newest(node, design.id)
    revision = Revision(
        id=identifier,
        design=design.id,
        file_name=drawn.file_name,
        file_digest=drawn.digest,
        media_type=facts.media_type,
        created_at=node.clock(),
        geometry=facts.geometry,
        view_digest=facts.view_digest,
        parent=before.id if before else "",
        characteristics=facts.characteristics,
    )
    change = Change(drawn.actor)
    if await node.store.peek(Design, design.id) is None:
        change.put(design)
    return await _keep(node, change, revision, before)


async def _keep(node: Node, change: Change, revision: Revision, before: Revision | None) -> Revision:
    parents = [before.manifest] if before and before.manifest else []
    content = manifest(parents, files_of(revision), revision.characteristics)
    revision = msgspec.structs.replace(revision, manifest=node.files.put(content))
    change.put(revision)
    change.event(
        Tag.DESIGN_RECORDED,
        revision.id,
        file=revision.file_name,
        digest=revision.file_digest,
        manifest=revision.manifest,
    )
    knot(node, change, Knot(id=revision.id, kind="design", label=revision.file_name, digest=revision.file_digest))
    await node.store.commit(change)
    return revision


async def _newest(node: Node, design: str) -> Revision | None:
    held = await node.store.find(Revision, design=design, limit=_REVISIONS_MAX)
    return max(held, key=lambda one: one.created_at, default=None)


async def measure(node: Node, digest: str, file_name: str, *, told: Told | None = None) -> MeasuredFacts:
    """Give the facts of a file, measured now or before by the same analyser."""
    identifier = derived_id("facts", digest, ANALYSER)
    known = await node.store.peek(MeasuredFacts, identifier)
    if known is not None:
        return known
    analysis = await analyse(node.files.get(digest), file_name, told=told)
    facts = MeasuredFacts(
        id=identifier,
        digest=digest,
        analyser=ANALYSER,
        media_type=analysis.media_type,
        geometry=analysis.geometry,
        view_digest=node.files.put(analysis.view) if analysis.view else "",
        characteristics=analysis.characteristics,
        at=node.clock(),
    )
    await node.store.commit(Change().put(facts))
    return facts


async def attach(node: Node, identifier: str, content: bytes, file_name: str, *, actor: str) -> Revision:
    """Add an inspection record, a drawing or a model to a revision: that is the next revision, on top of it."""
    base = await node.store.get(Revision, identifier)
    if len(base.attachments) >= ATTACHMENTS_MAX:
        raise BadInput(f"{base.file_name} has {ATTACHMENTS_MAX} files beside it already.", remedy="Start a new design.")
    digest = digest_of(content)
    if any(one.digest == digest for one in files_of(base)):
        raise BadInput(f"{file_name} is in this revision already.", remedy="Choose another file.")
    reading = await read_file(content, file_name)
    node.files.put(content)
    added = _attachment(reading, file_name, digest)
    attachments = (*base.attachments, added)
    revision = msgspec.structs.replace(
        base,
        id=derived_id("rev", base.file_digest, *(one.digest for one in attachments)),
        attachments=attachments,
        characteristics=base.characteristics or added.characteristics,
        parent=base.id,
        created_at=node.clock(),
    )
    known = await node.store.peek(Revision, revision.id)
    return known or await _keep(node, Change(actor), revision, base)


def _attachment(reading: Reading, file_name: str, digest: str) -> Attachment:
    facts: dict[str, str] = {}
    stated = reading.analysis.characteristics if reading.analysis else ()
    if reading.quality is not None:
        quality = reading.quality
        stated = quality.characteristics
        facts = {
            "version": quality.version,
            "characteristics": str(len(stated)),
            "items": str(len(quality.items)),
            "results": str(len(quality.results)),
            "parts": str(len(quality.parts)),
        }
    if reading.model is not None:
        facts = {"model": reading.model.name, "FMI": reading.model.fmi_version, "tool": reading.model.tool}
    return Attachment(name=file_name, digest=digest, media_type=reading.media_type, characteristics=stated, facts=facts)


async def read_revision(node: Node, identifier: str) -> tuple[Revision, int]:
    """Read a revision and verify it: record, files, and every manifest before it; tell how many those are."""
    revision = await node.store.get(Revision, identifier)
    before = await node.store.peek(Revision, revision.parent) if revision.parent else None
    verify(revision, node.files.get, [before.manifest] if before and before.manifest else [])
    return revision, sum(1 for _ in history(revision.manifest, node.files.get))


async def compare_revisions(node: Node, one: str, other: str) -> Difference:
    """Compare two revisions held here, with the newest plans of the same material where both have one."""
    first, second = await node.store.get(Revision, one), await node.store.get(Revision, other)
    if first.id == second.id:
        raise BadInput("A revision does not differ from itself.", remedy="Choose another one.")
    plans = [await node.store.find(ProcessPlan, revision=each.id, limit=1000) for each in (first, second)]
    common = {each.material for each in plans[0]} & {each.material for each in plans[1]}
    picked = [
        max((each for each in held if each.material in common), key=lambda each: each.created_at, default=None)
        for held in plans
    ]
    if picked[0] is not None:
        material, quantity = picked[0].material, picked[0].quantity
        fitting = [each for each in plans[1] if each.material == material]
        picked[1] = max(fitting, key=lambda each: (each.quantity == quantity, each.created_at), default=None)
    return compare(first, second, (picked[0], picked[1]))


async def same_shapes(node: Node, revision: Revision) -> list[Revision]:
    """Find other revisions here that have the same shape, whatever file they came in."""
    if revision.geometry.signature is None:
        return []
    held = await node.store.find(Revision, limit=_REVISIONS_MAX)
    others = (one for one in held if one.file_digest != revision.file_digest)
    return [one for one in others if compare(revision, one).is_same_shape]
