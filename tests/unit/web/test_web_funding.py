"""The programme page of an institute: a call is opened and an award is made where its rules hold."""

import pytest

from interwork.core.organisation import Membership, MembershipState, Role
from interwork.core.programme import Award, Call, Project
from interwork.store import Change

CALL = {"act": "call", "title": "Small batches", "agency": "An agency", "budget": "400000", "share": "1"}
STONE = "First parts; 2027-01-31; 40000"


@pytest.fixture
async def opened(owner, node):
    member = Membership(
        id="member-elm0000000", organisation="org-elm0000000", organisation_name="Elm Works", did="did:web:elm.example",
        institute=node.did, tier="small", state=MembershipState.GRANTED, requested_at=node.clock(),
    )  # fmt: skip
    await node.store.commit(Change("test").put(member))
    fields = {"csrf": await owner.csrf("/programme"), **CALL, "closes": "2097-06-30"}
    answer = await owner.post("/programme", fields)
    assert answer.status == 303, answer.text
    return next(one for one in await node.store.find(Call, limit=100) if one.title == CALL["title"])


async def award(owner, call, **changes):
    assert '<option value="did:web:elm.example">Elm Works</option>' in (await owner.get("/programme")).text
    fields = {"csrf": await owner.csrf("/programme"), "act": "award", "call": call.id, "member": "did:web:elm.example"}
    fields |= {"title": "Sensor parts", "amount": "100000", "share": "120000", "starts": "2026-12-01"}
    fields |= {"ends": "2027-12-01", "technology": "Small-batch milling", "trl": "4", "mrl": "4", "milestones": STONE}
    return await owner.post("/programme", {**fields, **changes})


async def test_an_institute_opens_a_call_and_makes_an_award_under_it(owner, node, opened):
    assert (opened.budget_eur, opened.min_cost_share, f"{opened.closes:%Y-%m-%d}") == (400_000, 1, "2097-06-30")
    answer = await award(owner, opened)
    assert answer.status == 303, answer.text
    made = next(one for one in await node.store.find(Award, limit=100) if one.call == opened.id)
    project = await node.store.get(Project, made.project)
    assert [(one.name, one.amount_eur) for one in project.milestones] == [("First parts", 40_000)]
    assert "Sensor parts" in (await owner.get("/programme")).text


@pytest.mark.parametrize(
    ("changes", "said"),
    [
        ({"trl": "12"}, "A level of 12 is none"),
        ({"milestones": "soon"}, "soon"),
        ({"milestones": "First parts; 2027-01-31; 40000; Ann"}, "First parts; 2027-01-31; 40000; Ann"),
        ({"ends": "2026-01-01"}, "before it starts"),
        ({"milestones": "First parts; 2027-06-01; nan"}, "First parts"),
        ({"amount": "120,000"}, "120000 or 120.000?"),
        ({"amount": "much"}, "no number"),
        ({"share": "5"}, "are pledged"),
        ({"amount": "900000"}, "900,000"),
    ],
)
async def test_what_breaks_the_call_or_cannot_be_read_is_refused_in_words(owner, node, opened, changes, said):
    answer = await award(owner, opened, **changes)
    assert answer.status in (400, 403, 409, 422)
    assert said in answer.text
    assert not [one for one in await node.store.find(Award, limit=100) if one.call == opened.id]


async def test_a_call_that_is_over_or_told_otherwise_is_refused_and_not_passed_over(owner, node, opened):
    """Opened again with other terms, the page would come back as if they held."""
    fields = {"csrf": await owner.csrf("/programme"), **CALL, "closes": "2097-06-30"}
    for changes, said in (
        ({"title": "Late", "closes": "2020-01-01"}, "before it opens"),
        ({"budget": "1"}, "with other terms was opened"),
        ({"closes": "2098-01-01"}, "a title of its own"),
    ):
        answer = await owner.post("/programme", {**fields, **changes})
        assert (answer.status, said in answer.text) == (400, True), answer.text
    assert (await owner.post("/programme", fields)).status == 303
    assert [one for one in await node.store.find(Call, limit=100) if one.title in (CALL["title"], "Late")] == [opened]


async def test_an_award_of_the_same_title_and_another_amount_is_refused(owner, node, opened):
    assert (await award(owner, opened)).status == 303
    answer = await award(owner, opened, amount="50000")
    assert (answer.status, "of 100,000 EUR was made under this call" in answer.text) == (400, True)
    assert (await award(owner, opened)).status == 303
    assert len([one for one in await node.store.find(Award, limit=100) if one.call == opened.id]) == 1


async def test_who_may_not_fund_sees_no_form(program):
    engineer = await program(Role.ENGINEER)
    assert "Open a call" not in (await engineer.get("/programme")).text
