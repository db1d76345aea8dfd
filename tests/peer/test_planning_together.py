"""Two nodes that want hours of the same shops plan together over HTTP: prices and hours cross, and nothing else."""

from datetime import timedelta
from itertools import pairwise

import msgspec
import pytest
from msgspec.structs import replace
from planning_nodes import command, crawled, network

from interwork.allocation import Limits, check, solve, verify
from interwork.allocation.engine.account import objective
from interwork.allocation.learning.viewing import view
from interwork.allocation.problem.model import Placement, Solution, Status
from interwork.core.design import Operation, ProcessPlan
from interwork.core.errors import BadInput, PeerError, WrongState
from interwork.core.exchange import Agreement, DatasetKind, Receipt
from interwork.core.ids import derived_id
from interwork.core.making import Job, JobStep
from interwork.core.network.together import Coordination, HoursAnswer, HoursCall
from interwork.core.planning import Need, NeedKind, Plan, Quote
from interwork.flows import make_part, together
from interwork.flows.together.asking import Talk, offers
from interwork.flows.together.own import open_needs, own
from interwork.store import Change

pytestmark = [pytest.mark.peer, pytest.mark.timeout(120)]
RATES = {
    "ash": {"milling-3-axis": 60, "inspection": 40},
    "elm": {"milling-3-axis": 64, "inspection": 42},
}
WORK = {"lab": (3, 5, 4, 6), "other": (5, 4, 6, 3)}
"""Hours of milling of each need."""


async def planned(node, number, hours):
    """Bring a need to its plan: searched, matched and quoted over HTTP; nothing is ordered."""
    now = node.clock()
    name = f"{node.settings.name.lower()}{number}"
    process = ProcessPlan(
        id=f"process-{name}",
        revision=f"rev-{name}",
        process_class="milled",
        reasons=(),
        material="",
        quantity=1,
        stock_mm=(0, 0, 0),
        part_mass_kg=0,
        stock_mass_kg=0,
        operations=(
            Operation(id="op-0", name="Mill", process="milling-3-axis", machining_s=3600.0 * hours),
            Operation(id="op-1", name="Inspect", process="inspection", after=("op-0",), machining_s=900.0),
        ),
        created_at=now,
    )
    need = Need(
        id=f"need-{name}",
        kind=NeedKind.PART,
        title=name,
        owner=node.settings.organisation,
        quantity=1,
        due=now + timedelta(hours=16),
        created_at=now,
        deliver_to=node.settings.place,
        process_plan=process.id,
    )
    job = Job(
        id=f"job-{name}",
        title=name,
        owner=node.settings.organisation,
        step=JobStep.SEARCH,
        revision=process.revision,
        material="",
        quantity=1,
        due=need.due,
        tolerance_mm=0.1,
        process_plan=process.id,
        need=need.id,
        created_at=now,
        updated_at=now,
        facts={"until": "plan"},
    )
    await node.store.commit(Change("test").put(process).put(need).put(job))
    done = await make_part.run(node, job.id)
    assert (done.state, done.step) == ("done", JobStep.AGREE), done.message


@pytest.fixture(scope="module")
def anyio_backend():
    return "asyncio"


@pytest.fixture(scope="module")
async def talked(tmp_path_factory):
    """Plan each node's needs, offer, coordinate; give the nodes and what came of it."""
    async with network(tmp_path_factory.mktemp("together"), "lab", "other", "ash", "elm", rates=RATES) as nodes:
        for key, work in WORK.items():
            for number, hours in enumerate(work):
                await planned(nodes[key], number, hours)
        await together.offer(nodes["other"])
        await crawled(nodes["portal"])
        yield nodes, await together.coordinate(nodes["lab"], actor="test")


async def held_at(nodes, key, settled):
    """Read a coordination as one of its two ends holds it."""
    lab = nodes["lab"].did
    name = settled.id if key == "lab" else derived_id("coordination", lab, settled.id)
    return await nodes[key].store.get(Coordination, name)


async def test_two_nodes_that_exchange_prices_and_hours_are_within_two_percent_of_the_central_plan(talked):
    """allocation 34: the joint plan passes the referee and costs at most 2 % more than one that knows everything."""
    nodes, settled = talked
    parts = [await own(nodes[key], await held_at(nodes, key, settled)) for key in WORK]
    lots = [one.lots for key in WORK for one in (await held_at(nodes, key, settled)).needs]
    everything = view([each for part in parts for each in part.instances], lots)
    plans = {
        plan.need: plan
        for key in WORK
        for plan in [await nodes[key].store.get(Plan, one) for one in (await held_at(nodes, key, settled)).plans]
    }
    instances = [each for part in parts for each in part.instances]
    placed = placements(everything, instances, plans)
    joint = Solution(
        problem="needs held",
        status=Status.FEASIBLE,
        objective=objective(everything.problem, placed),
        bound=-1e18,
        placements=placed,
    )
    assert verify(everything.problem, joint) == []
    central = solve(everything.problem, Limits(seconds=4, effort=2))
    assert not central.unserved
    assert joint.objective <= 1.02 * central.objective
    assert settled.sums[settled.best] == min(settled.sums)
    assert settled.alone_eur <= settled.sums[settled.best]


def placements(everything, instances, plans):
    """Put the plans of both nodes onto one problem."""
    found = []
    for activity, (number, lot, operation) in enumerate(everything.activities):
        plan, instance = plans[instances[number].need.id], instances[number]
        name = instance.operations[operation].id
        one = next(each for each in plan.assignments if (each.operation, each.lot) == (name, lot + 1))
        keys = [(each.mode.provider, each.mode.resource) for each in everything.options[activity]]
        mode = keys.index((one.provider, one.resource))
        found.append(Placement(activity, mode, everything.minute(one.start), everything.minute(one.end)))
    return tuple(found)


async def test_every_plan_that_came_of_it_is_one_its_own_quotes_allow(talked):
    nodes, settled = talked
    for key, work in WORK.items():
        held = await held_at(nodes, key, settled)
        assert len(held.plans) == len(work)
        for one in held.needs:
            need, process = (
                await nodes[key].store.get(Need, one.need),
                await nodes[key].store.get(ProcessPlan, one.process),
            )
            quotes = [await nodes[key].store.get(Quote, each) for each in one.quotes]
            (plan,) = [p for p in [await nodes[key].store.get(Plan, each) for each in held.plans] if p.need == one.need]
            faults = [fault for fault in check(plan, need, process, quotes) if "baseline" not in fault]
            assert faults == []


async def test_no_hour_is_given_twice_where_each_alone_would_take_the_same(talked):
    nodes, settled = talked
    alone, joint = [], []
    for key in WORK:
        held = await held_at(nodes, key, settled)
        for one in held.needs:
            for plan in await nodes[key].store.find(Plan, need=one.need, limit=10):
                (joint if plan.id in held.plans else alone).extend(plan.assignments)
    assert collisions(alone) > 0
    assert collisions(joint) == 0


def collisions(assignments):
    """Count neighbours on one machine that overlap."""
    taken = sorted((one.provider, one.resource, one.start, one.end) for one in assignments)
    return sum(one[:2] == other[:2] and other[2] < one[3] for one, other in pairwise(taken))


async def test_every_crossing_left_the_same_receipt_at_both_ends_under_one_agreement(talked):
    """allocation 11: what crossed is hours and prices; the receipts say so at both ends."""
    nodes, settled = talked
    ends = []
    lab = nodes["lab"].did
    for key in WORK:
        about = {"dataset_kind": DatasetKind.COORDINATION, "consumer": lab}
        (agreement,) = await nodes[key].store.find(Agreement, limit=10, **about)
        (receipt,) = await nodes[key].store.find(Receipt, agreement=agreement.id, limit=10)
        ends.append((agreement.id, receipt.what, receipt.items, receipt.bytes, receipt.digest))
    assert ends[0] == ends[1]
    assert ends[0][1] == "hours and what they are worth; the round that stands"
    assert len(settled.members[0].sums) == len(settled.sums)


async def test_nothing_of_a_need_a_quote_or_a_plan_is_in_a_message(talked):
    """allocation 34, 11: only digests of machines, times, prices of hours and one sum are in an answer."""
    nodes, _ = talked
    other = nodes["other"]
    call = msgspec.json.encode(HoursCall(coordination="probe", round=0))
    (agreement,) = await nodes["lab"].store.find(Agreement, dataset_kind=DatasetKind.COORDINATION, limit=10)
    transfer = await nodes["lab"].federation.transfer(agreement, key=f"coordination:{agreement.dataset}:{agreement.id}")
    fetched = await nodes["lab"].federation.fetch(
        transfer, path="answers", body=call, what="hours and what they are worth"
    )
    told = msgspec.json.decode(fetched.content, type=HoursAnswer)
    assert set(msgspec.json.decode(fetched.content)) == {"hours", "sum_eur"}
    assert {key for row in msgspec.json.decode(fetched.content)["hours"] for key in row} == {
        "machine", "taken", "eur_per_h",
    }  # fmt: skip
    assert told.hours
    for word in ("other", "ash", "elm", "resource-", "need", "did:", "Mill"):
        assert word not in fetched.content.decode()
    assert other.did not in fetched.content.decode()


async def test_a_second_machine_is_worth_what_planning_again_with_it_saves_all_together(talked):
    """allocation 28: the list over the network is ordered by what planning again gains, not by use."""
    nodes, settled = talked
    found = await together.second_machines(nodes["lab"], settled.id)
    gains = [row.gain_eur for row in found.rows if row.gain_eur is not None]
    assert gains == sorted(gains, reverse=True)
    assert gains[0] > 0
    assert found.members == 2
    assert found.rows[0].resource == "Ash milling-3-axis, Ash" or found.rows[0].provider == nodes["elm"].did
    assert len((await held_at(nodes, "other", settled)).rounds) == len(settled.sums)
    with pytest.raises(WrongState):
        await together.second_machines(nodes["other"], (await held_at(nodes, "other", settled)).id)


async def test_a_plan_made_together_is_taken_by_a_person_once(talked):
    nodes, settled = talked
    held = await held_at(nodes, "other", settled)
    jobs = await together.take(nodes["other"], held.id, actor="test", by="Ada")
    assert {one.plan for one in jobs} == set(held.plans)
    assert {(await nodes["other"].store.get(Plan, one.plan)).decided_by for one in jobs} == {"Ada"}
    with pytest.raises(WrongState):
        await together.take(nodes["other"], held.id, actor="test", by="Ada")


async def test_the_command_line_offers_begins_and_lists(talked, capsys):
    nodes, settled = talked
    lab, ash = nodes["lab"], nodes["ash"]
    for node, words, says in (
        (lab, ("together", "list"), settled.id),
        (ash, ("together", "begin", "--with", "Other"), "stands. Take it"),
        (ash, ("together", "offer"), "may plan together with you"),
    ):
        assert await command(node, *words) == 0
        assert says in capsys.readouterr().out
    assert await command(lab, "together", "take") == 1
    assert await command(lab, "together", "begin", "--with", "Nobody") == 1
    assert "Nobody in the catalog offers" in capsys.readouterr().err


async def test_whoever_offers_nothing_is_not_asked_and_a_call_that_is_none_is_refused(talked):
    nodes, _ = talked
    with pytest.raises(BadInput, match="Nobody in the catalog"):
        await together.coordinate(nodes["other"], actor="test")
    (agreement,) = await nodes["lab"].store.find(Agreement, dataset_kind=DatasetKind.COORDINATION, limit=10)
    transfer = await nodes["lab"].federation.transfer(agreement, key=f"coordination:{agreement.dataset}:{agreement.id}")
    for path, body in (("answers", b"{}"), ("answers", b'{"coordination":"x","round":-1}'), ("settled", b"[]")):
        with pytest.raises(PeerError, match="answered 400"):
            await nodes["lab"].federation.fetch(transfer, path=path, body=body, what="nonsense")


async def test_a_member_that_is_gone_is_named_and_one_that_comes_late_is_not_left_out(talked):
    """allocation 34: a round that somebody is missing from costs less and is not taken for the better one."""
    nodes, _ = talked
    lab = nodes["lab"]
    (entry,) = await offers(lab, ())
    gone = replace(entry, id="entry-gone", provider="did:web:localhost%3A9", provider_name="Gone")
    begun = {"id": "coordination-late", "began_by": lab.did, "state": "running", "created_at": lab.clock()}
    held = Coordination(needs=await open_needs(lab), **begun)
    await lab.store.commit(Change("test").put(held))
    talk = Talk(lab, held, [gone, entry])
    talk.entries = [gone]
    await talk.round(0, 1.0)
    talk.entries = [gone, entry]
    await talk.round(1, 1.0)
    assert talk.totals[0] < talk.totals[1]
    done = await talk.end()
    assert [(one.name, bool(one.fault)) for one in done.members] == [("Gone", True), ("Other", False)]
    assert (await held_at(nodes, "other", done)).state == "settled"
