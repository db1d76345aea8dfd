"""The pages and the API of what plans teach: why, the trade, planning again, gaps, investment."""

import json
from datetime import timedelta

import pytest
from planned_job import JOB, planned

from interwork.core.clock import rfc3339
from interwork.core.making import Job
from interwork.core.organisation import Role
from interwork.core.planning import Plan, Proposal, TradeOff

JSON = "application/json"


@pytest.fixture
async def job(node):
    return await planned(node)


async def test_the_plan_says_why_each_provider_was_or_was_not_chosen(owner, job):
    page = await owner.get(f"/plans/{job.plan}")
    assert page.status == 200
    assert "Why, and why not" in page.text
    assert "at Oak holds 0.4 mm where 0.05 mm is wanted" in page.text
    assert "without it" in page.text


async def test_the_price_of_a_plan_adds_up_line_by_line_and_each_alternative_stands_once(owner, node, job):
    """Work, transport, price, then what else counts in the objective."""
    plan = await node.store.get(Plan, job.plan)
    page = await owner.get(f"/plans/{job.plan}")
    table = page.text.partition('id="price"')[2].partition("</table>")[0]
    for amount in (plan.totals.price_eur, plan.objective_eur, plan.weights.co2_eur_per_kg * plan.totals.co2_kg):
        assert f"€{amount:,.2f}" in table
    assert page.text.count(">Only Ash") + page.text.count(">Only Elm") <= 2
    job_page = await owner.get(f"/jobs/{JOB}")
    assert "how it adds up" in job_page.text or "Orders" not in job_page.text


async def test_the_part_of_a_job_that_moves_brings_the_way_to_its_plan_with_it(owner, job):
    """Whoever watches a job from its first step must not have to load the page anew to find the plan."""
    moving = await owner.get(f"/jobs/{JOB}", **{"hx-request": "true"})
    assert f'href="/plans/{job.plan}"' in moving.text
    assert f'href="/thread/{job.need}"' in moving.text
    assert "Place the orders" in moving.text


async def test_a_plan_goes_from_pilot_to_volume_on_its_page(owner, job):
    """Each quantity with its price, its finish, and what stands in the way."""
    page = await owner.get(f"/plans/{job.plan}/volume?quantities=4,16")
    assert page.status == 200
    assert page.text.count("€") >= 2
    wrong = await owner.get(f"/plans/{job.plan}/volume?quantities=many")
    assert wrong.status == 400
    assert "10,100,1000" in wrong.text


async def test_the_page_of_a_need_tells_who_could_convert_by_when(owner, job):
    """Emergency mode: who, by when, with which approvals."""
    page = await owner.get(f"/needs/{job.need}?certificate=90")
    assert page.status == 200
    assert "Nobody in the catalog offers these processes." in page.text
    assert (await owner.get(f"/needs/{job.need}?certificate=soon")).status == 400
    assert (await owner.get(f"/needs/{job.need}?lang=zh")).status == 200


async def test_the_explanation_is_json_and_a_member_reads_its_own_row(program, job):
    """allocation 11: through the API too, no other member's price is told."""
    browser = await program(Role.ENGINEER)
    told = (await browser.get(f"/api/plans/{job.plan}/explanation")).json()
    assert {each["provider_name"] for each in told["providers"]} == {"Ash", "Elm", "Oak"}
    own = await browser.get(f"/api/plans/{job.plan}/explanation?for=did:web:elm")
    assert "Ash" not in own.text
    assert [each["provider_name"] for each in own.json()["providers"]] == ["Elm"]


async def test_a_point_of_the_trade_is_chosen_on_the_page(owner, node, job):
    """allocation 30: choosing a point before ordering."""
    fields = {"csrf": await owner.csrf(f"/plans/{job.plan}")}
    answer = await owner.post(f"/plans/{job.plan}/trade", fields)
    assert answer.status == 303, answer.text
    (trade,) = await node.store.find(TradeOff, limit=2)
    page = await owner.get(f"/plans/{job.plan}")
    assert page.text.count("data-price=") == len(trade.points)
    other = next(one.plan for one in trade.points if one.plan != job.plan)
    answer = await owner.post(f"/plans/{job.plan}/trade", {**fields, "choose": other})
    assert answer.headers["location"] == f"/plans/{other}#trade"
    assert (await node.store.get(Job, JOB)).plan == other


async def test_an_event_is_told_proposed_accepted_and_undone_on_the_page(owner, node, job):
    """allocation 24: the diff with cause and cost stands on the page; undo is a button."""
    plan = await node.store.get(Plan, job.plan)
    hit = plan.assignments[0]
    address = f"/jobs/{JOB}/replan"
    fields = {"csrf": await owner.csrf(address), "act": "tell", "kind": "down", "stability": "1"}
    fields |= {"where": f"{hit.provider}|{hit.resource}", "since": "+0h", "until": "+3d", "note": "spindle"}
    answer = await owner.post(address, fields)
    assert answer.status == 303, answer.text
    page = await owner.get(address)
    assert "its machine is down (spindle)" in page.text
    (proposal,) = await node.store.find(Proposal, limit=2)
    for act, state in (("accept", "accepted"), ("undo", "undone")):
        answer = await owner.post(address, {"csrf": fields["csrf"], "act": act, "proposal": proposal.id})
        assert answer.status == 303, answer.text
        assert (await node.store.get(Proposal, proposal.id)).state == state
    assert (await owner.get(f"{address}?lang=zh")).status == 200


async def test_the_same_goes_by_the_api(program, node, job):
    browser = await program(Role.ENGINEER)
    plan = await node.store.get(Plan, job.plan)
    hit = plan.assignments[0]
    told = {"kind": "away", "provider": hit.provider_name, "since": rfc3339(hit.start - timedelta(minutes=1))}
    body = json.dumps(told).encode()
    answer = await browser.send("POST", f"/api/jobs/{JOB}/disturbances", body, content_type=JSON)
    assert answer.status == 200, answer.text
    made = await browser.send("POST", f"/api/jobs/{JOB}/proposals", b'{"stability": 0}', content_type=JSON)
    assert all(each["now"]["provider"] != hit.provider for each in made.json()["changes"])
    declined = await browser.send("POST", f"/api/proposals/{made.json()['id']}/decline", b"{}", content_type=JSON)
    assert declined.json()["state"] == "declined"
    held = (await browser.get(f"/api/jobs/{JOB}/disturbances")).json()
    assert [len(held["events"]), len(held["proposals"])] == [1, 1]


async def test_a_reader_may_look_and_not_plan_again(program, job):
    browser = await program(Role.OPERATOR)
    assert (await browser.get(f"/api/jobs/{JOB}/disturbances")).status == 200
    assert (await browser.send("POST", f"/api/jobs/{JOB}/proposals", b"{}", content_type=JSON)).status == 403


@pytest.mark.parametrize("language", ["en", "zh"])
@pytest.mark.parametrize("address", ["/gaps", "/investment"])
async def test_gaps_and_investment_open_in_both_languages(owner, job, address, language):
    page = await owner.get(f"{address}?lang={language}")
    assert page.status == 200
    assert job.plan


async def test_investment_names_the_machines_and_without_quotes_says_what_to_do(owner, node):
    empty = await owner.get("/investment")
    assert "interwork plan PART" in empty.text
    await planned(node)
    assert "mill, Ash" in (await owner.get("/investment")).text


async def test_the_gap_report_is_json(program, job):
    browser = await program(Role.ENGINEER)
    assert isinstance((await browser.get("/api/gaps")).json()["gaps"], list)
    assert (await browser.get("/api/investments")).json()["needs"] >= 1
    told = (await browser.get(f"/api/needs/{job.need}/unserved")).json()["unserved"]
    assert [each["operation_name"] for each in told] == ["Mill, first side", "Mill, second side", "Inspect"]


async def test_volumes_and_conversions_are_json_and_bad_queries_are_refused(program, job):
    browser = await program(Role.ENGINEER)
    stages = (await browser.get(f"/api/plans/{job.plan}/volumes?quantities=2,20")).json()["stages"]
    assert stages[0]["price_eur_each"] > stages[1]["price_eur_each"]
    assert (await browser.get(f"/api/plans/{job.plan}/volumes?quantities=many")).status == 400
    assert (await browser.get(f"/api/needs/{job.need}/conversions?certificate=90")).json()["conversions"] == []
    assert (await browser.get(f"/api/needs/{job.need}/conversions?certificate=soon")).status == 400
