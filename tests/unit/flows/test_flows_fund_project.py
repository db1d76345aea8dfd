from datetime import timedelta

import pytest
from flows_world import BUYER, HOUR, START, evidence_of, funded
from msgspec.structs import replace

from interwork.core.errors import Refused
from interwork.core.event import Tag
from interwork.core.exchange import Dataset
from interwork.core.making import Evidence
from interwork.core.organisation import Membership, MembershipState
from interwork.core.programme import Award, Call, Disbursement, Milestone, Project, Technology, TrackRecord
from interwork.flows import fund_project
from interwork.flows.fund_project import AwardDraft, CallDraft
from interwork.store import Change

PLANT = "did:web:localhost%3A5"


def evidence(number=1, **changes):
    return evidence_of(PLANT, identifier=f"evidence-{number}", run=f"run-{number}", digest=f"d{number}", **changes)


async def test_evidence_moves_the_technology_and_pays_the_next_milestone(institute):
    project = await funded(institute)
    moved = await fund_project.weigh(institute, evidence(), project)
    reached = (await institute.store.get(Project, project.id)).milestones
    (paid,) = await institute.store.find(Disbursement)
    assert (moved.trl, [one.evidence for one in moved.evidence]) == (5, ["evidence-1"])
    assert [one.evidence for one in reached] == ["evidence-1", ""]
    assert (paid.amount_eur, paid.evidence) == (40_000, "evidence-1")


async def test_evidence_weighed_twice_moves_and_pays_once(institute):
    project = await funded(institute)
    await fund_project.weigh(institute, evidence(), project)
    again = await fund_project.weigh(institute, evidence(), await institute.store.get(Project, project.id))
    assert (again.trl, len(again.evidence)) == (5, 1)
    assert await institute.store.count(Disbursement) == 1
    assert len(await institute.store.events(tag=Tag.TECHNOLOGY_MOVED)) == 1
    assert (await institute.store.get(TrackRecord, PLANT)).runs == 1


async def test_evidence_of_one_plant_alone_moves_no_further(institute):
    project = await funded(institute)
    for number in (1, 2, 3):
        project = await institute.store.get(Project, project.id)
        await fund_project.weigh(institute, evidence(number), project)
    technology = await institute.store.get(Technology, "technology-1")
    assert (technology.trl, len(technology.evidence)) == (5, 3)
    assert await institute.store.count(Disbursement) == 1


async def test_evidence_without_a_good_part_is_kept_and_pays_nothing(institute):
    project = await funded(institute)
    moved = await fund_project.weigh(institute, evidence(good=0, scrap=3), project)
    assert (moved.trl, await institute.store.count(Evidence), await institute.store.count(Disbursement)) == (4, 1, 0)


async def test_a_track_record_sums_the_evidence_of_its_plant_only(institute):
    project = await funded(institute)
    other = replace(evidence(2), provider=BUYER)
    for piece in (evidence(1), other, evidence(3)):
        await fund_project.weigh(institute, piece, await institute.store.get(Project, project.id))
    record = await institute.store.get(TrackRecord, PLANT)
    assert (record.runs, record.parts, record.evidence) == (2, 6, ("evidence-1", "evidence-3"))


async def opened_call(node, **changes):
    draft = CallDraft(title="Call", agency="Agency", budget_eur=100_000, min_cost_share=1.0, closes=START + 99 * HOUR)
    return await fund_project.open_call(node, replace(draft, **changes))


def award_draft(call, **changes):
    made = AwardDraft(
        call=call.id,
        title="Brackets",
        recipient_did=BUYER,
        amount_eur=80_000,
        cost_share_eur=80_000,
        starts=START,
        ends=START + timedelta(days=300),
        milestones=(Milestone(name="First parts", due=START, amount_eur=40_000),),
        technology="Machining",
        technology_summary="",
        trl=4,
        mrl=4,
    )
    return replace(made, **changes)


async def admit(node):
    member = Membership(
        id="member-lab",
        organisation="org-lab",
        organisation_name="Northfield",
        did=BUYER,
        institute=node.did,
        tier="academic",
        state=MembershipState.GRANTED,
        requested_at=START,
    )
    await node.store.commit(Change("test").put(member))


async def test_a_call_opened_twice_is_one_call(institute):
    assert await opened_call(institute) == await opened_call(institute)
    assert await institute.store.count(Call) == 1


async def test_an_award_is_made_once_and_offered_to_its_recipient(institute):
    await admit(institute)
    draft = award_draft(await opened_call(institute))
    made = await fund_project.make_award(institute, draft)
    assert await fund_project.make_award(institute, draft) == made
    assert [await institute.store.count(kind) for kind in (Award, Project, Technology)] == [1, 1, 1]
    assert {one.properties["record"] for one in await institute.store.find(Dataset)} == {"award", "technology"}


async def test_an_award_to_somebody_who_is_no_member_is_refused(institute):
    with pytest.raises(Refused, match="no member") as refused:
        await fund_project.make_award(institute, award_draft(await opened_call(institute)))
    assert refused.value.remedy


async def test_an_award_that_breaks_the_calls_rules_leaves_nothing_behind(institute):
    await admit(institute)
    draft = award_draft(await opened_call(institute), cost_share_eur=10_000)
    with pytest.raises(Refused, match="per public euro"):
        await fund_project.make_award(institute, draft)
    assert [await institute.store.count(kind) for kind in (Award, Project, Technology, Dataset)] == [0, 0, 0, 0]


async def test_an_award_after_the_call_has_closed_is_refused(institute, clock):
    await admit(institute)
    call = await opened_call(institute)
    clock.move(hours=100)
    with pytest.raises(Refused, match="closed"):
        await fund_project.make_award(institute, award_draft(call))


async def test_a_new_award_for_a_technology_that_moved_does_not_set_it_back(institute):
    await admit(institute)
    call = await opened_call(institute)
    await fund_project.make_award(institute, award_draft(call, amount_eur=40_000))
    (technology,) = await institute.store.find(Technology)
    await institute.store.commit(Change("test").put(replace(technology, trl=6)))
    await fund_project.make_award(institute, award_draft(call, title="More brackets", amount_eur=40_000))
    assert (await institute.store.get(Technology, technology.id)).trl == 6
