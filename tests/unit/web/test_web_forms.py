"""Forms: a design handed in, a run worked, an agreement ended, access given and taken."""

import msgspec
import pytest
import world_records as records
from asgi import Browser
from msgspec.structs import replace
from world import MILL, PASSWORD

from interwork.core.clock import now
from interwork.core.errors import BadInput
from interwork.core.event import Tag
from interwork.core.exchange import (
    Agreement,
    AgreementState,
    Dataset,
    DatasetKind,
    Negotiation,
    NegotiationState,
    Outgoing,
)
from interwork.core.making import Evidence, Job, Run
from interwork.core.organisation import Account, ApiToken
from interwork.design.solid import samples
from interwork.store import Change
from interwork.web.pages.machines import read_measurements

ORDER = {
    "material": "al-6061",
    "quantity": "5",
    "due": "+10d",
    "tolerance_mm": "0.1",
    "until": "plan",
    "key": "abcdefgh",
}


async def test_a_design_handed_in_twice_by_one_form_opens_one_job(owner, node):
    fields = {**ORDER, "csrf": await owner.csrf("/designs")}
    before = await node.store.count(Job)
    answers = [await owner.upload("/designs", fields, "bracket.step", samples()["bracket.step"]) for _ in range(2)]
    job = await node.store.get(Job, answers[0].headers["location"].rpartition("/")[2])
    assert answers[0].headers["location"] == answers[1].headers["location"]
    assert await node.store.count(Job) == before + 1
    assert (job.quantity, job.facts["until"]) == (5, "plan")


@pytest.mark.parametrize(
    ("field", "value"),
    [
        ("material", "kryptonite"),
        ("quantity", "many"),
        ("quantity", "nan"),
        ("quantity", "0"),
        ("quantity", "1,5"),
        ("due", "soon"),
        ("tolerance_mm", "inf"),
        ("tolerance_mm", "-1"),
    ],
)
async def test_an_order_that_cannot_be_is_told_why(owner, node, field, value):
    before = await node.store.count(Job)
    fields = {**ORDER, field: value, "csrf": await owner.csrf("/designs")}
    answer = await owner.upload("/designs", fields, "bracket.step", b"ISO-10303-21;")
    assert answer.status in (400, 422), answer.text
    assert await node.store.count(Job) == before


async def test_a_form_without_a_file_is_told_so(owner):
    answer = await owner.post("/designs", {**ORDER, "csrf": await owner.csrf("/designs")})
    assert (answer.status, "No file was chosen" in answer.text) == (400, True)


async def test_a_member_may_not_hand_in_designs(app):
    browser = Browser(app)
    await browser.enter("Member of the lab", PASSWORD)
    answer = await browser.post("/designs", {**ORDER, "csrf": await browser.csrf("/designs")})
    assert answer.status == 403


async def test_a_failed_job_is_carried_on(owner, node):
    token = await owner.csrf(f"/jobs/{records.FAILED}")
    await owner.post(f"/jobs/{records.FAILED}/proceed", {"csrf": token})
    assert (await node.store.get(Job, records.FAILED)).state == "running"


async def test_a_person_marks_a_run_as_started_and_as_made(owner, node):
    token = await owner.csrf(f"/machines/{MILL}")
    path = f"/machines/{MILL}/runs/run-next0000000"
    await owner.post(path, {"csrf": token, "act": "start"})
    started = (await node.store.get(Run, "run-next0000000")).state
    await owner.post(path, {"csrf": token, "act": "finish"})
    made = (await node.store.get(Run, "run-next0000000")).state
    assert (started.value, made.value) == ("STARTED", "MADE")


async def test_a_run_is_not_worked_in_a_way_it_does_not_know(owner):
    token = await owner.csrf(f"/machines/{MILL}")
    answer = await owner.post(f"/machines/{MILL}/runs/run-next0000000", {"csrf": token, "act": "explode"})
    assert answer.status == 400


def test_measurements_are_read_one_per_line():
    read = read_measurements("length, 1, 80, 79.9, 80.1, 80.02\n\nwidth; 1; 40; 39.9; 40.1; 40.3\n")
    assert [one.is_within() for one in read] == [True, False]


@pytest.mark.parametrize("text", ["", "length, 1, 80", "length, one, 80, 79, 81, 80", "a,1,b,c,d,e", "a,1,nan,0,1,1"])
def test_a_line_that_is_no_measurement_is_named(text):
    with pytest.raises(BadInput):
        read_measurements(text)


async def test_an_inspection_entered_by_hand_proves_the_run(owner, node):
    token = await owner.csrf(f"/machines/{MILL}")
    fields = {"csrf": token, "act": "inspect", "instrument": "caliper", "rows": "length, 1, 80, 79.9, 80.1, 80.02"}
    answer = await owner.post(f"/machines/{MILL}/runs/run-made0000000", fields)
    run = await node.store.get(Run, "run-made0000000")
    assert (answer.status, run.state.value, run.good) == (303, "COMPLETED", 12)
    assert await node.store.count(Evidence, run=run.id) == 1


async def test_ending_an_agreement_takes_its_reason_along(owner, node):
    agreement = await node.store.get(Agreement, records.READINGS)
    made = Negotiation(
        id=agreement.negotiation,
        side=agreement.side,
        peer="did:web:peer.example",
        peer_pid="urn:theirs",
        callback="https://peer.example/dsp/2025-1",
        state=NegotiationState.FINALIZED,
        dataset=agreement.dataset,
        offer={},
        agreement=agreement.id,
        updated_at=agreement.agreed_at,
    )
    await node.store.commit(Change("test").put(made))
    token = await owner.csrf(f"/agreements/{records.READINGS}")
    await owner.post(f"/agreements/{records.READINGS}/terminate", {"csrf": token, "reason": " done "})
    ended = await node.store.get(Agreement, records.READINGS)
    (told,) = await node.store.find(Outgoing, process=records.READINGS)
    assert (ended.state, ended.reason, told.body["reason"]) == (AgreementState.TERMINATED, "done", ["done"])


async def test_an_offer_is_withdrawn_where_it_is_listed_and_its_agreements_stay(owner, node):
    offered = Dataset(
        id="dataset-one0000000", kind=DatasetKind.FILE, title="Bracket drawing", policy="policy-x", changed_at=now()
    )
    await node.store.commit(Change("test").put(offered))
    token = await owner.csrf("/agreements")
    assert "Bracket drawing" in (await owner.get("/agreements")).text
    assert (await owner.post(f"/offers/{offered.id}/withdraw", {"csrf": token})).status == 303
    assert "Bracket drawing" not in (await owner.get("/agreements")).text
    (event,) = await node.store.events(tag=Tag.OFFER_WITHDRAWN)
    assert (event.subject, event.actor.startswith("account-")) == (offered.id, True)


async def test_a_new_token_is_shown_once_and_works(app, owner, node):
    token = await owner.csrf("/admin")
    page = await owner.post("/admin", {"csrf": token, "act": "token", "name": "probe", "role": "member", "days": "9"})
    secret = page.text.partition('class="secret" lang="en">')[2].partition("<")[0]
    assert secret.startswith("iwt_")
    assert secret not in (await owner.get("/admin")).text
    assert (await Browser(app, token=secret).get("/jobs")).status == 200


@pytest.mark.parametrize("days", ["0", "-1", "soon", "9" * 400])
async def test_a_token_ends_on_a_day_that_exists(owner, days):
    fields = {"csrf": await owner.csrf("/admin"), "act": "token", "name": "probe", "role": "member", "days": days}
    assert (await owner.post("/admin", fields)).status == 400


async def test_a_revoked_token_is_gone(owner, node):
    known = (await node.store.find(ApiToken))[0]
    await owner.post("/admin", {"csrf": await owner.csrf("/admin"), "act": "drop-token", "id": known.id})
    assert await node.store.count(ApiToken) == 0


async def test_an_account_is_made_and_removed(owner, node):
    token = await owner.csrf("/admin")
    fields = {"csrf": token, "act": "account", "name": "Grace", "password": PASSWORD, "role": "engineer"}
    await owner.post("/admin", fields)
    made = (await node.store.find(Account, name="Grace"))[0]
    await owner.post("/admin", {"csrf": token, "act": "drop-account", "id": made.id})
    assert made.role == "engineer"
    assert not await node.store.find(Account, name="Grace")


async def test_the_only_owner_stays(owner, node):
    only = next(one for one in await node.store.find(Account) if one.role == "owner")
    answer = await owner.post("/admin", {"csrf": await owner.csrf("/admin"), "act": "drop-account", "id": only.id})
    assert answer.status == 409
    assert msgspec.to_builtins(await node.store.get(Account, only.id))


@pytest.mark.parametrize("act", ["", "explode", "token", "account"])
async def test_an_administration_form_with_nothing_right_in_it_is_told_so(owner, act):
    answer = await owner.post("/admin", {"csrf": await owner.csrf("/admin"), "act": act, "role": "emperor"})
    assert answer.status == 400


async def test_a_job_of_no_material_is_listed_without_a_comma_that_leads_nowhere(owner, node):
    (held, *_) = await node.store.find(Job, limit=1)
    await node.store.commit(Change("test").put(replace(held, id="job-bare0000000", material="", quantity=4)))
    page = (await owner.get("/jobs")).text
    assert "<small>4 parts</small>" in page
    assert ", </small>" not in page
