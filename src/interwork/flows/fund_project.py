"""The capital chain at an institute: call → award with cost share → evidence read → technology moved → money paid."""

from datetime import datetime

import msgspec
import structlog

from interwork.consortium import check_award, common_policies, disburse, move, track_record
from interwork.core.errors import BadInput, InterworkError, Refused
from interwork.core.event import Tag
from interwork.core.exchange import CatalogEntry, DatasetKind, Policy
from interwork.core.ids import derived_id
from interwork.core.making import Evidence
from interwork.core.organisation import Membership, MembershipState
from interwork.core.programme import Award, Call, CostShare, Milestone, Project, Technology
from interwork.flows.make_part.learn import verify
from interwork.flows.node import Node
from interwork.flows.publish import Draft, institute_of, publish, publish_for
from interwork.flows.records import read_as
from interwork.store import Change

log = structlog.get_logger()


class CallDraft(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """A call to open."""

    title: str
    agency: str
    budget_eur: float
    min_cost_share: float
    closes: datetime


class AwardDraft(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """An award to make, with the project it pays for and the technology the project is to move."""

    call: str
    title: str
    recipient_did: str
    amount_eur: float
    cost_share_eur: float
    starts: datetime
    ends: datetime
    milestones: tuple[Milestone, ...]
    technology: str
    technology_summary: str
    trl: int
    mrl: int


async def open_call(node: Node, draft: CallDraft) -> Call:
    """Open a call for proposals; one of the same title and terms is the same call."""
    if draft.closes.tzinfo is None or draft.closes <= node.clock():
        raise BadInput(
            f"The call would close on {draft.closes:%d %b %Y}, before it opens.",
            where="closes",
            remedy="Give a later day.",
        )
    call = Call(
        id=derived_id("call", node.did, draft.title),
        title=draft.title,
        agency=draft.agency,
        institute=node.did,
        budget_eur=draft.budget_eur,
        min_cost_share=draft.min_cost_share,
        opens=node.clock(),
        closes=draft.closes,
        is_sample=node.settings.is_sample,
    )
    known = await node.store.peek(Call, call.id)
    if known is None:
        await node.store.commit(Change().put(call).event(Tag.CALL_OPENED, call.id, budget=call.budget_eur))
    elif msgspec.structs.replace(known, opens=call.opens, state=call.state) != call:
        raise BadInput(
            f"A call «{draft.title}» with other terms was opened on {known.opens:%d %b %Y}.",
            where="title",
            remedy="Give the new call a title of its own.",
        )
    return known or call


async def make_award(node: Node, draft: AwardDraft) -> Award:
    """Make an award where the call's rules hold, record its project and technology, offer the record."""
    call = await node.store.get(Call, draft.call)
    members = await node.store.find(Membership, did=draft.recipient_did, state=MembershipState.GRANTED, limit=1)
    if not members:
        raise Refused(
            f"{draft.recipient_did} is no member.", rule="awards go to members", remedy="Grant its membership first."
        )
    award_id = derived_id("award", call.id, draft.title)
    known = await node.store.peek(Award, award_id)
    if known is not None and (known.recipient_did, known.amount_eur) != (draft.recipient_did, draft.amount_eur):
        raise BadInput(
            f"An award «{draft.title}» of {known.amount_eur:,.0f} EUR was made under this call.",
            where="title",
            remedy="Give the new award a title of its own.",
        )
    if known is not None:
        return known
    if not draft.starts < draft.ends:
        raise BadInput(
            f"The project would end on {draft.ends:%d %b %Y}, before it starts.",
            where="ends",
            remedy="Give a later day.",
        )
    technology = _technology(node, draft, members[0])
    technology = await node.store.peek(Technology, technology.id) or technology
    project = _project(node, draft, members[0], technology, award_id)
    award = Award(
        id=award_id,
        call=call.id,
        project=project.id,
        recipient=members[0].organisation,
        recipient_did=draft.recipient_did,
        amount_eur=draft.amount_eur,
        made_at=node.clock(),
        is_sample=node.settings.is_sample,
    )
    share = CostShare(
        id=derived_id("share", award_id, members[0].organisation),
        award=award_id,
        organisation=members[0].organisation_name,
        amount_eur=draft.cost_share_eur,
        is_in_kind=True,
        at=node.clock(),
    )
    ratio = check_award(call, award, [share], await node.store.find(Award, call=call.id, limit=1000))
    await node.store.commit(
        Change()
        .put(technology)
        .put(project)
        .put(award)
        .put(share)
        .event(Tag.AWARD_MADE, award.id, amount=award.amount_eur, cost_share_ratio=round(ratio, 3))
        .event(Tag.TECHNOLOGY_RECORDED, technology.id, trl=technology.trl)
    )
    await _offer(node, award, project, technology, members[0].organisation_name)
    return award


def _technology(node: Node, draft: AwardDraft, member: Membership) -> Technology:
    return Technology(
        id=derived_id("technology", node.did, draft.technology),
        name=draft.technology,
        holder=member.did,
        summary=draft.technology_summary,
        trl_start=draft.trl,
        trl=draft.trl,
        mrl=draft.mrl,
        is_sample=node.settings.is_sample,
    )


def _project(node: Node, draft: AwardDraft, member: Membership, technology: Technology, award: str) -> Project:
    return Project(
        id=derived_id("project", node.did, draft.title),
        title=draft.title,
        lead=member.organisation,
        lead_did=member.did,
        institute=node.did,
        award=award,
        technology=technology.id,
        starts=draft.starts,
        ends=draft.ends,
        milestones=draft.milestones,
        is_sample=node.settings.is_sample,
    )


async def _offer(node: Node, award: Award, project: Project, technology: Technology, name: str) -> None:
    record = Draft(
        kind=DatasetKind.RECORD,
        subject=award.id,
        title=f"Award for {project.title}",
        properties={"record": "award", "project": project.id},
    )
    await publish_for(node, record, did=award.recipient_did, name=name)
    institute, institute_name = await institute_of(node)
    policy: Policy = common_policies(institute, institute_name)["members"]
    shown = Draft(
        kind=DatasetKind.RECORD,
        subject=technology.id,
        title=f"Technology: {technology.name}",
        properties={"record": "technology"},
    )
    await publish(node, shown, policy)


async def read_evidence(node: Node) -> int:
    """Fetch evidence that members offer for our projects, each under an agreement; return how many were new."""
    taken = 0
    for entry in await node.store.find(CatalogEntry, kind=DatasetKind.RECORD, is_gone=False, limit=10_000):
        facts = entry.facts
        if facts.get("record") != "evidence":
            continue
        project = await node.store.peek(Project, str(facts.get("project", "")))
        if project is None or await node.store.peek(Evidence, str(facts.get("evidence", ""))):
            continue
        if entry.provider != project.lead_did:
            log.warning("evidence.foreign", dataset=entry.dataset, project=project.id, provider=entry.provider)
            continue
        try:
            taken += await _read_one(node, entry, project)
        except InterworkError as fault:
            log.warning("evidence.unread", dataset=entry.dataset, fault=str(fault))
    return taken


async def _read_one(node: Node, entry: CatalogEntry, project: Project) -> int:
    key = f"evidence:{entry.dataset}"
    agreement = await node.federation.negotiate(entry.provider, entry.dataset, key=key)
    transfer = await node.federation.transfer(agreement, key=key)
    fetched = await node.federation.fetch(transfer, what=entry.title)
    piece = read_as(Evidence, fetched.content, agreement.peer_name)
    await verify(node, piece)
    await weigh(node, piece, project)
    return 1


async def weigh(node: Node, piece: Evidence, project: Project) -> Technology:
    """Record evidence, move the project's technology by rule, pay the next milestone, sum the track record."""
    technology = await node.store.get(Technology, project.technology)
    moved = move(technology, piece)
    award = await node.store.get(Award, project.award)
    others = await node.store.find(Evidence, provider=piece.provider, limit=10_000)
    change = (
        Change(project.lead_did, once=f"weighed:{piece.id}")
        .put(piece)
        .put(moved)
        .put(track_record(piece.provider, piece.provider_name, [*others, piece], node.clock()))
        .event(Tag.EVIDENCE_RECORDED, piece.id, digest=piece.digest, project=project.id)
    )
    if moved.trl > technology.trl:
        change.event(Tag.TECHNOLOGY_MOVED, technology.id, trl_before=technology.trl, trl=moved.trl, evidence=piece.id)
        paid = disburse(project, award, piece.id, node.clock())
        if paid is not None:
            change.put(paid[0]).put(paid[1]).event(Tag.FUNDS_DISBURSED, paid[1].id, amount=paid[1].amount_eur)
    await node.store.commit(change)
    return moved
