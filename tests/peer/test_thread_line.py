"""The thread line across three nodes in processes of their own: from a drawing to evidence, and what stops it."""

import http.client
import os
import signal
import time
from itertools import pairwise
from types import SimpleNamespace
from urllib.parse import urlsplit

import anyio
import msgspec
import pytest
from loopback_nodes import loopback_node
from small_network import small_network

from interwork.core.design import ThreadEdge, ThreadNode
from interwork.core.errors import InterworkError, Refused
from interwork.core.exchange import DatasetKind, Transfer
from interwork.core.making import JobStep
from interwork.design import backward, forward
from interwork.store import Store

pytestmark = [pytest.mark.peer, pytest.mark.timeout(240)]


@pytest.fixture(scope="module")
def network(tmp_path_factory):
    with small_network(tmp_path_factory.mktemp("thread"), "portal", "lab", "plant") as nodes:
        nodes.project = nodes.settle()
        yield nodes


@pytest.fixture(scope="module")
def made(network):
    """A job made from design to evidence, with what each end held of it when it was done."""
    job = network.follow(network.submit(project=network.project["id"], key="first")["id"])
    thread = network.nodes["lab"].get("/api/thread")
    return SimpleNamespace(
        job=job,
        nodes=msgspec.convert(thread["nodes"], list[ThreadNode]),
        edges=msgspec.convert(thread["edges"], list[ThreadEdge]),
        agreements={key: held_at(node) for key, node in network.nodes.items()},
        events={key: node.get("/api/events", limit="1000")["events"] for key, node in network.nodes.items()},
        runs=network.nodes["plant"].get("/api/runs")["runs"],
    )


def held_at(node):
    """Read a node's agreements with their receipts, by id."""
    listed = node.get("/api/agreements")["agreements"]
    return {one["id"]: node.get(f"/api/agreements/{one['id']}") for one in listed}


def kinds(made, identifiers):
    return {one.kind for one in made.nodes if one.id in identifiers}


def test_a_part_goes_from_its_drawing_to_what_the_network_learns(made):
    assert (made.job["state"], made.job["step"], made.job["remedy"]) == ("done", "done", "")
    assert [entry["step"] for entry in made.job["log"]] == [step for step in JobStep if step is not JobStep.DONE]


def test_the_thread_leads_from_every_evidence_back_to_the_design_and_the_award(made):
    for evidence in made.job["evidence"]:
        causes = backward(evidence, made.edges)
        assert made.job["revision"] in causes
        assert kinds(made, causes) >= {"design", "need", "quote", "plan", "order", "run", "agreement", "award"}


def test_the_thread_leads_from_the_design_to_the_technology(made):
    assert "technology" in kinds(made, forward(made.job["revision"], made.edges))


def test_each_thing_on_the_thread_says_which_node_holds_it(network, made):
    holders = {}
    for one in made.nodes:
        holders.setdefault(one.kind, set()).add(one.holder)
    plant, portal = network.did("plant"), network.did("portal")
    assert [holders[kind] for kind in ("design", "need", "plan")] == [{""}] * 3
    assert [holders[kind] for kind in ("quote", "order", "run", "evidence")] == [{plant}] * 4
    assert [holders[kind] for kind in ("project", "award", "technology")] == [{portal}] * 3


def test_order_and_runs_are_the_same_records_at_both_ends(network, made):
    assert {one["order"] for one in made.runs} == set(made.job["orders"])
    assert {one.id for one in made.nodes if one.kind == "run"} == {one["id"] for one in made.runs}
    assert {one["state"] for one in made.runs} == {"COMPLETED"}


def test_runs_were_done_one_after_the_other_in_the_order_of_the_process(made):
    runs = sorted(made.runs, key=lambda one: one["started_at"])
    assert [one["process"] for one in runs] == ["milling-3-axis", "milling-3-axis", "deburring", "inspection"]
    for before, after in pairwise(runs):
        assert before["ended_at"] <= after["started_at"]


def test_both_ends_of_every_agreement_counted_the_same(made):
    compared = 0
    for held in made.agreements["lab"].values():
        other = next(
            ends[held["agreement"]["id"]]
            for key, ends in made.agreements.items()
            if key != "lab" and held["agreement"]["id"] in ends
        )
        mine, theirs = (sorted(map(counted, one["receipts"])) for one in (held, other))
        assert mine == theirs
        compared += len(mine)
    assert compared >= 5


def counted(receipt):
    """Tell what a receipt counted; what one end sent the other received."""
    return receipt["items"], receipt["bytes"], receipt["digest"]


def test_every_crossing_of_the_job_is_in_its_summary(network, made):
    told = network.nodes["lab"].get(f"/api/jobs/{made.job['id']}/summary")["crossings"]
    assert {one["direction"] for one in told} == {"sent", "received"}
    assert any("bracket.step" in one["title"] and one["bytes"] > 10_000 for one in told)


def test_no_agreement_shows_the_token_of_its_transfer(made):
    for held in made.agreements["lab"].values():
        assert {one["token"] for one in held["transfers"]} <= {""}


def test_the_technology_moved_at_the_institute_and_money_was_paid_on_evidence(made):
    tags = [event["tag"] for event in made.events["portal"]]
    moved = [one["detail"] for one in made.events["portal"] if one["tag"] == "consortium:technology:moved"]
    assert [(one["trl_before"], one["trl"]) for one in moved] == [(4, 5)]
    assert moved[0]["evidence"] in made.job["evidence"]
    assert tags.count("consortium:funds:disbursed") == 1
    assert tags.count("making:evidence:recorded") == len(made.job["evidence"])


def test_the_event_chain_of_every_node_verifies(network, made):
    for node in network.nodes.values():
        assert node.get("/api/verify")["events"] >= 10


def test_the_same_key_sent_again_is_the_same_job(network, made):
    assert network.submit(project=network.project["id"], key="first")["id"] == made.job["id"]


def test_a_job_told_to_stop_at_the_plan_orders_nothing_until_it_proceeds(network, made):
    job = network.follow(network.submit(until="plan", key="thought")["id"], act=False)
    assert (job["state"], job["step"], job["orders"]) == ("done", "agree", [])
    plan = network.nodes["lab"].get(f"/api/plans/{job['plan']}")
    assert plan["objective_eur"] >= plan["bound_eur"] - 1e-6
    assert {one["provider"] for one in plan["assignments"]} == {network.did("plant")}


def test_a_need_nobody_can_meet_ends_with_reasons_and_a_gap(network, made):
    job = network.follow(network.submit(material="ti-6al4v", key="titanium")["id"], act=False)
    gaps = network.nodes["lab"].get(f"/api/jobs/{job['id']}/summary")["gaps"]
    assert (job["state"], job["step"], job["facts"]["code"]) == ("failed", "match", "no-plan")
    assert any("nearest is Hand bench at Birch Machining" in reason for reason in job["facts"]["reasons"])
    assert gaps
    assert job["remedy"]


async def test_a_stranger_sees_the_offer_and_is_refused_its_use(network, made, tmp_path):
    async with loopback_node(tmp_path, "Stranger") as stranger:
        peer = await stranger.federation.meet(network.nodes["plant"].address)
        entries = await stranger.federation.browse(peer)
        assert {one.kind for one in entries} == {DatasetKind.CAPACITY}
        with pytest.raises(Refused) as refused:
            await stranger.federation.negotiate(peer.id, entries[0].dataset, key="k")
    assert "member" in str(refused.value).lower() + refused.value.rule.lower()


async def test_a_stranger_is_told_nothing_of_what_was_offered_to_one(network, made, tmp_path):
    async with loopback_node(tmp_path, "Stranger") as stranger:
        peer = await stranger.federation.meet(network.nodes["plant"].address)
        for held in of_kind(made.agreements["plant"], "readings"):
            with pytest.raises(InterworkError) as refused:
                await stranger.federation.negotiate(peer.id, held["dataset"], key="k")
            assert "Readings of" not in str(refused.value)


def of_kind(agreements, kind):
    return [one["agreement"] for one in agreements.values() if one["agreement"]["dataset_kind"] == kind]


def test_a_design_goes_to_the_plant_that_makes_it_and_to_nobody_else(network, made):
    designs = [one for ends in made.agreements.values() for one in of_kind(ends, "file")]
    assert designs
    assert {(one["provider"], one["consumer"]) for one in designs} == {(network.did("lab"), network.did("plant"))}


async def token_of(network, agreement):
    """Read the bearer token a consumer keeps for a transfer under an agreement."""
    store = await Store.open(f"sqlite:///{network.data('lab') / 'state.sqlite3'}")
    try:
        return (await store.find(Transfer, agreement=agreement))[-1]
    finally:
        await store.close()


def call(transfer, path=""):
    """Call a data plane as its consumer would."""
    address = urlsplit(transfer.endpoint)
    connection = http.client.HTTPConnection(address.hostname, address.port, timeout=30)
    try:
        connection.request("GET", f"{address.path}{path}", headers={"Authorization": f"Bearer {transfer.token}"})
        answer = connection.getresponse()
        return answer.status, msgspec.json.decode(answer.read())
    finally:
        connection.close()


def test_an_agreement_that_is_ended_cuts_its_data_at_once_at_both_ends(network, made):
    lab, plant = network.nodes["lab"], network.nodes["plant"]
    readings = of_kind(made.agreements["plant"], "readings")[0]["id"]
    transfer = anyio.run(token_of, network, readings)
    assert call(transfer, "/signals")[0] == 200
    plant.post(f"/api/agreements/{readings}/terminate", {"reason": "The order is done."})
    status, problem = call(transfer, "/signals")
    assert (status, problem["code"], bool(problem["rule"])) == (403, "refused", True)
    told = until(lambda: lab.get(f"/api/agreements/{readings}")["agreement"], lambda one: one["state"] == "terminated")
    assert (told["reason"], told["ended_by"]) == ("The order is done.", network.did("plant"))


def until(read, is_so, *, within_s=40.0):
    """Read again and again until something is so, or fail with what it was."""
    deadline = time.monotonic() + within_s
    while not is_so(found := read()) and time.monotonic() < deadline:
        time.sleep(0.05)
    assert is_so(found), found
    return found


def standing(network):
    """Find the agreement in force under which the lab asks the plant for quotes."""
    network.follow(network.submit(until="plan", key=f"plan {time.monotonic()}")["id"], act=False)
    held = of_kind(held_at(network.nodes["lab"]), "capacity")
    return next(one["id"] for one in held if one["state"] == "active")


def test_an_order_nobody_placed_is_not_told(network, made):
    transfer = anyio.run(token_of, network, standing(network))
    assert call(transfer, "/orders/order-of-nobody")[0] == 404
    assert call(transfer, "/nonsense")[0] == 404


def test_an_agreement_ended_while_the_part_is_made_ends_the_job_and_nothing_else(network, made):
    lab, agreement = network.nodes["lab"], standing(network)
    job = network.submit(key="cut", quantity=1)["id"]
    until(lambda: lab.get(f"/api/jobs/{job}"), lambda one: one["step"] == "make", within_s=60)
    lab.post(f"/api/agreements/{agreement}/terminate", {"reason": "We changed our mind."})
    failed = network.follow(job, act=False)
    assert (failed["state"], failed["step"], bool(failed["message"])) == ("failed", "make", True)
    assert standing(network) != agreement


def test_lab_and_plant_killed_while_the_part_is_made_finish_it_once(network, made):
    job = network.submit(key="killed", quantity=1)["id"]
    lab = network.nodes["lab"]
    until(lambda: lab.get(f"/api/jobs/{job}"), lambda one: one["step"] == "make", within_s=60)
    for key in ("lab", "plant"):
        os.kill(network.network.children[key].process.pid, signal.SIGKILL)
        network.network.children[key].process.wait(30)
    assert sorted(network.network.mend()) == ["lab", "plant"]
    network.network.wait(["lab", "plant"])
    done = network.follow(job)
    runs = [one for one in network.nodes["plant"].get("/api/runs")["runs"] if one["order"] in done["orders"]]
    assert (done["state"], done["step"], len(done["orders"])) == ("done", "done", 1)
    assert [entry["step"] for entry in done["log"]] == [step for step in JobStep if step is not JobStep.DONE]
    assert len(done["evidence"]) == len(runs) == 4
