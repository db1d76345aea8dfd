"""A product of two tiers planned over real shops: catalog, quotes and approvals over HTTP, shortages, orders, runs."""

from datetime import timedelta

import msgspec
import pytest
from msgspec.structs import replace
from planning_nodes import at_work, command, crawled, machine, network, reaches, submitted, work_at

from interwork.core.design import ProcessPlan, Requirement, Setting
from interwork.core.errors import BadInput, NoPlan, NotFound, WrongState
from interwork.core.making import Evidence, Job, JobStep, Order, OrderState, Run
from interwork.core.network.supply import Part, Period, SupplyPlan
from interwork.core.part.plan import SettingRun
from interwork.core.planning import NeedKind, Plan, Quote
from interwork.core.programme import GapKind, TrackRecord
from interwork.design.making.editing import Edit
from interwork.flows import insight, make_part, supply
from interwork.flows.designing import change_plan
from interwork.flows.fulfil import perform
from interwork.flows.fulfil.stop import stop
from interwork.flows.make_part.replan import UNTOLD, tell_withdrawn
from interwork.flows.publish import publish_capacity
from interwork.store import Change

pytestmark = [pytest.mark.peer, pytest.mark.timeout(180)]
FEED = Setting(name="feed", value=900.0, unit="mm/min")
RATES = {
    "ash": {"milling-3-axis": 60, "deburring": 40, "inspection": 40},
    "elm": {"milling-3-axis": 64, "deburring": 42, "inspection": 42, "assembly": 50},
}


@pytest.fixture(scope="module")
def anyio_backend():
    return "asyncio"


@pytest.fixture(scope="module")
async def nodes(tmp_path_factory):
    async with network(tmp_path_factory.mktemp("supply"), "lab", "ash", "elm", rates=RATES) as opened:
        yield opened


@pytest.fixture(scope="module")
async def bracket(nodes):
    """A process plan drafted from the sample's geometry, as any design gives one, with a feed that a person set."""
    lab = nodes["lab"]
    job = await submitted(lab, until="process-plan")
    await make_part.run(lab, job.id)
    drafted = await lab.store.get(ProcessPlan, (await lab.store.get(Job, job.id)).process_plan)
    edit = Edit(act="change", operation=drafted.operations[0].id, settings=(FEED,))
    return await change_plan(lab, drafted.id, [edit], why="runs well", actor="test", by="Ada")


async def product(nodes, bracket, *, certificate=""):
    """Two brackets go onto a frame that is assembled; the frame has no design, its work is described in words."""
    lab = nodes["lab"]
    wanted = (Requirement(name="certificate", value=certificate),) if certificate else ()
    draft = supply.ProductDraft(
        title="Frame",
        items=(
            supply.ItemDraft(
                key="frame", title="Frame", process="assembly", minutes=2, made_of=(Part(item="bracket", quantity=2),)
            ),
            supply.ItemDraft(key="bracket", title="Bracket", process_plan=bracket.id),
        ),
        requirements=wanted,
    )
    return await supply.record(lab, draft, actor="test")


def wish(node, *periods, **changes):
    made = tuple(Period(due=node.clock() + timedelta(days=days), quantity=quantity) for days, quantity in periods)
    return supply.PlanWish(periods=made, seconds=1.0, **changes)


async def test_a_product_is_planned_from_a_pilot_to_volume_over_the_catalog(nodes, bracket):
    lab = nodes["lab"]
    made = await supply.plan(lab, (await product(nodes, bracket)).id, wish(lab, (5, 1), (12, 20)), actor="test")
    assert [(row.quantity, row.served, row.limit) for row in made.rows] == [(1, 1, ""), (20, 20, "")]
    assert made.bound_eur <= made.objective_eur
    assert {row.tier for row in made.tiers} == {0, 1}
    assert {row.operation_name for row in made.tiers if row.is_single} == {"Assembly Frame"}
    quotes = [await lab.store.get(Quote, one) for one in made.quotes]
    assert {one.provider for one in quotes} == {nodes["ash"].did, nodes["elm"].did}
    starts = {item: min(one.start for one in made.steps if (one.item, one.period) == (item, 0)) for item in
              ("frame", "bracket")}  # fmt: skip
    assert starts["bracket"] < starts["frame"]


async def test_what_nobody_quotes_is_told_with_each_shops_own_reason(nodes, bracket):
    """allocation 12: a lot no machine has the hours for is refused with who was asked and what each said."""
    lab = nodes["lab"]
    with pytest.raises(NoPlan, match="operations are open") as told:
        await supply.plan(lab, (await product(nodes, bracket)).id, wish(lab, (5, 1_000_000)), actor="test")
    assert [one for one in told.value.reasons if "Ash: " in one]
    assert [one for one in told.value.reasons if "Elm: " in one]


async def test_a_shortage_is_simulated_over_the_same_quotes_and_changes_nothing(nodes, bracket):
    lab = nodes["lab"]
    made = await supply.plan(lab, (await product(nodes, bracket)).id, wish(lab, (12, 4)), actor="test")
    worst, *_ = await supply.stress(lab, made.id)
    assert worst.unserved == 4
    assert any(one.now == "" for one in worst.resourced)
    mills = await supply.shortage(lab, made.id, supply.Missing(names=("Ash",)))
    assert (mills.unserved, mills.cost_eur >= 0) == (0, True)
    assert not any("Ash" in one.now for one in mills.resourced)
    short = supply.Missing(names=("Ash",), since=made.created_at, until=made.created_at + timedelta(hours=1))
    assert (await supply.shortage(lab, made.id, short)).cost_eur <= mills.cost_eur + 0.01
    assert await lab.store.get(SupplyPlan, made.id) == made
    for gone in (supply.Missing(names=()), supply.Missing(names=("nobody",))):
        with pytest.raises(BadInput):
            await supply.shortage(lab, made.id, gone)


async def test_in_an_emergency_whoever_lacks_only_an_approval_counts_from_when_it_has_it(nodes, bracket):
    lab = nodes["lab"]
    certified = await product(nodes, bracket, certificate="ISO13485")
    with pytest.raises(NoPlan, match="cannot be made"):
        await supply.plan(lab, certified.id, wish(lab, (20, 2)), actor="test")
    asked = wish(lab, (14, 2), emergency=True, lead_days={"certificate": 3})
    made = await supply.plan(lab, certified.id, asked, actor="test")
    day = made.created_at + timedelta(days=2.9)
    assert made.is_emergency
    assert min(one.start for one in made.steps) > day
    assert {one.wanted for one in made.approvals} == {"ISO13485"}
    assert {one.provider for one in made.approvals} == {one.provider for one in made.steps}
    with pytest.raises(WrongState, match="not granted"):
        await supply.order(lab, made.id, actor="test", by="Ada")
    for number in range(len(made.approvals)):
        granted = await supply.grant(lab, made.id, number, actor="test", by="Ada")
    assert {one.granted_by for one in granted.approvals} == {"Ada"}
    with pytest.raises(NotFound):
        await supply.grant(lab, made.id, 99, actor="test", by="Ada")
    gaps = await insight.gap_report(lab)
    assert GapKind.POLICY in {row.kind for row in gaps}


async def test_a_provider_that_takes_longer_than_it_plans_is_planned_as_slow_as_it_is(nodes, bracket):
    lab, ash = nodes["lab"], nodes["ash"]
    frame = await product(nodes, bracket)
    before = await supply.plan(lab, frame.id, wish(lab, (12, 4)), actor="test")
    track = TrackRecord(
        id=ash.did, provider_name="Ash", runs=5, parts=9, good=9, on_time=2, energy_ratio=None, time_ratio=2.0,
        evidence=(), updated_at=lab.clock(),
    )  # fmt: skip
    await lab.store.commit(Change("test").put(track))
    slow = await supply.plan(lab, frame.id, wish(lab, (12, 4)), actor="test")
    await lab.store.commit(Change("test").delete(TrackRecord, track.id))
    assert any("2.00 ×" in note for note in slow.notes)
    assert {one.on_time for row in slow.tiers for one in row.suppliers if one.provider == ash.did} == {0.4}
    assert not any("2.00 ×" in note for note in before.notes)
    assert await supply.stress(lab, slow.id)


async def sent_words_and_settings(nodes, part, whole):
    """What has no design came in words, and the feed of the plan came to the run and back in the evidence."""
    lab, ash, elm = (nodes[key] for key in ("lab", "ash", "elm"))
    (held,) = [await elm.store.get(Order, one) for one in whole.orders]
    set_on = [run.settings for shop in (ash, elm) for run in await shop.store.find(Run, order=part.orders, limit=100)]
    assert (FEED,) in set_on
    evidence = [await lab.store.get(Evidence, one) for one in part.evidence]
    assert {one.settings for one in evidence} == {(), (SettingRun(name="feed", unit="mm/min", planned=900.0),)}
    said = elm.files.get((await lab.store.get(Job, whole.id)).facts["digest"]).decode()
    assert (held.revision, held.lines[0].box_mm) == ("", None)
    assert "Work description: Frame (frame), an item of Frame" in said
    assert "2 x Bracket" in said


async def test_a_planned_product_is_ordered_and_made_part_by_part(nodes, bracket):
    """An item without a design too: its shop is sent the work in words."""
    lab, ash, elm = (nodes[key] for key in ("lab", "ash", "elm"))
    made = await supply.plan(lab, (await product(nodes, bracket)).id, wish(lab, (6, 1)), actor="test")
    jobs = await supply.order(lab, made.id, actor="test", by="Ada")
    assert await supply.order(lab, made.id, actor="test", by="Ada") == jobs
    part, whole = jobs
    planned = {one.id for job in jobs for one in (await lab.store.get(Plan, job.plan)).assignments}
    async with at_work((make_part.work, lab), (perform.work, ash), (perform.work, elm)):
        whole = await reaches(lab, whole.id, lambda one: one.step is JobStep.MAKE)
        (order,) = [await lab.store.get(Order, one) for one in whole.orders]
        assert order.lines[0].after
        held = await elm.store.find(Run, order=order.id, limit=10)
        assert all(run.after for run in held)
        while whole.state == "running":
            for shop in (ash, elm):
                await work_at(shop)
            whole = await reaches(lab, whole.id, lambda _: True)
        part = await reaches(lab, part.id, lambda one: one.state != "running")
    assert [(one.state, one.step) for one in (part, whole)] == [("done", JobStep.DONE)] * 2
    await sent_words_and_settings(nodes, part, whole)
    mine = [*part.orders, *whole.orders]
    runs = [run for shop in (ash, elm) for run in await shop.store.find(Run, order=mine, limit=100)]
    assert {run.assignment for run in runs} == planned
    last = max(run.ended_at for run in runs if run.process != "assembly")
    assert all(run.started_at >= last for run in runs if run.process == "assembly")


async def stopped_in_the_shop(nodes, job):
    """A shop stops the order of a part: the part's job says so and what to do; give its name."""
    lab = nodes["lab"]
    job = await reaches(lab, job.id, lambda one: one.step is JobStep.MAKE and one.orders)
    order = await lab.store.get(Order, job.orders[0])
    shop = next(nodes[key] for key in ("ash", "elm") if nodes[key].did == order.provider)
    await stop(shop, order.id, "spindle", actor="test")
    failed = await reaches(lab, job.id, lambda one: one.state == "failed")
    assert f"{shop.settings.name} stopped its order" in failed.message
    assert f"interwork replan {job.id} --event away --provider {shop.settings.name}" in failed.remedy
    return shop.settings.name


async def test_a_part_whose_shop_stops_is_planned_anew_under_the_assembly_that_waits_for_it(nodes, bracket, capsys):
    """allocation 24: another shop makes the part, and the assembly that was ordered before begins only then."""
    lab, ash, elm = (nodes[key] for key in ("lab", "ash", "elm"))
    made = await supply.plan(lab, (await product(nodes, bracket)).id, wish(lab, (6, 1)), actor="test")
    part, whole = await supply.order(lab, made.id, actor="test", by="Ada")
    async with at_work((make_part.work, lab), (perform.work, ash), (perform.work, elm)):
        waiting = await reaches(lab, whole.id, lambda one: one.step is JobStep.MAKE and one.orders)
        name = await stopped_in_the_shop(nodes, part)
        words = ("replan", part.id)
        assert await command(lab, *words, "--event", "away", "--provider", name, "--until", "+20d") == 0
        proposal = capsys.readouterr().out.rsplit("--accept ", 1)[1].split()[0]
        assert await command(lab, *words, "--accept", proposal) == 0
        while "running" in {(await lab.store.get(Job, one.id)).state for one in (part, whole)}:
            for shop in (ash, elm):
                await work_at(shop)
    part, whole = [await lab.store.get(Job, one.id) for one in (part, whole)]
    assert [(one.state, one.step) for one in (part, whole)] == [("done", JobStep.DONE)] * 2
    assert whole.orders == waiting.orders
    runs = [run for one in (part, whole) for order in one.orders for run in await lab.store.find(Run, order=order)]
    assert name not in {(await lab.store.get(Order, order)).peer_name for order in part.orders}
    last = max(run.ended_at for run in runs if run.process != "assembly")
    assert [run.started_at >= last for run in runs if run.process == "assembly"] == [True]


async def test_needs_of_any_kind_give_gaps_of_their_kind_also_at_the_institute(nodes):
    """allocation 29: technology, skill, policy and financing gaps are told apart, from records of members."""
    lab, portal = nodes["lab"], nodes["portal"]
    due = lab.clock() + timedelta(days=30)
    drafts = (
        insight.NeedDraft(kind=NeedKind.TEST, title="Wear test", due=due),
        insight.NeedDraft(kind=NeedKind.SKILL, title="Five axes", due=due, quantity=4),
        insight.NeedDraft(
            kind=NeedKind.PART, title="Certified", process="deburring", due=due,
            requirements=(Requirement(name="certificate", value="AS9100"),),
        ),
        insight.NeedDraft(kind=NeedKind.MONEY, title="Pilot line", due=due, budget_eur=250_000),
    )  # fmt: skip
    for draft in drafts:
        need = await insight.record_need(lab, draft, actor="test")
        await insight.publish_need(lab, need.id, actor="test")
    await crawled(portal)
    taken = await insight.collect_needs(portal)
    assert {one.title for one in taken} >= {one.title for one in drafts}
    assert {one.owner for one in taken} == {lab.did}
    wanted = {"Wear test": GapKind.TECHNOLOGY, "Five axes": GapKind.SKILL, "Certified": GapKind.POLICY,
              "Pilot line": GapKind.FINANCING}  # fmt: skip
    for node in (lab, portal):
        found = {lack.title: row.kind for row in await insight.gap_report(node) for lack in row.needs}
        assert {title: found[title] for title in wanted} == wanted
    money = next(row for row in await insight.gap_report(portal) if row.kind is GapKind.FINANCING)
    assert money.value_eur == 250_000


async def test_the_institute_prices_hours_over_the_needs_members_published(nodes):
    """allocation 28: the investment list of the network rests on published needs, confirmed by solving again."""
    lab, portal = nodes["lab"], nodes["portal"]
    for number, hours in enumerate((12, 12, 12, 60)):
        draft = insight.NeedDraft(
            kind=NeedKind.PART,
            title=f"Milling {number}",
            process="milling-3-axis",
            minutes=600,
            due=lab.clock() + timedelta(hours=hours),
        )
        await insight.publish_need(lab, (await insight.record_need(lab, draft, actor="test")).id, actor="test")
    await crawled(portal)
    taken = [one for one in await insight.collect_needs(portal) if one.title.startswith("Milling")]
    assert len(taken) == 4
    found = await insight.investments(portal, seconds=4)
    assert {row.owner for row in found.rows} <= {nodes["ash"].did, nodes["elm"].did}
    dear = [row for row in found.rows if row.predicted_eur > 0]
    assert dear
    assert dear[0].confirmed_eur == pytest.approx(dear[0].predicted_eur, rel=0.05, abs=1.0)
    assert await portal.store.count(Quote, need=taken[0].id) == 2


async def test_providers_are_told_their_own_row_of_a_plan_and_nobody_elses(nodes, bracket):
    """allocation 11: what a provider hears of a plan holds its own row, without prices of others."""
    lab, ash, elm = (nodes[key] for key in ("lab", "ash", "elm"))
    job = await submitted(lab, until="plan", key="told")
    done = await make_part.run(lab, job.id)
    told = await insight.tell_providers(lab, done.plan, actor="test")
    assert [one.is_told for one in told] == [True, True]
    for shop, other in ((ash, elm), (elm, ash)):
        heard = next(one for one in await insight.outcomes(shop) if one.need == done.need)
        assert [one.provider for one in heard.providers] == [shop.did]
        assert other.did not in repr(heard)
        assert "Elm" not in repr(heard) or shop is elm
        assert (heard.told_by, heard.shares, heard.forced) == (lab.did, (), ())


async def test_a_shop_that_comes_with_a_machine_later_is_in_the_next_plan(nodes, bracket):
    ash, lab = nodes["ash"], nodes["lab"]
    await ash.store.commit(Change("test").put(machine("ash", 9, "assembly", eur_per_h=30)))
    await publish_capacity(ash)
    await crawled(nodes["portal"])
    made = await supply.plan(lab, (await product(nodes, bracket)).id, wish(lab, (12, 2)), actor="test")
    assert not [row for row in made.tiers if row.is_single]
    await ash.store.commit(Change("test").put(replace(machine("ash", 9, "assembly", eur_per_h=30), rates=None)))
    await publish_capacity(ash)
    await crawled(nodes["portal"])


async def test_the_command_line_plans_a_product_and_puts_it_to_the_test(nodes, bracket, capsys, tmp_path):
    lab = nodes["lab"]
    part = {"key": "bracket", "title": "Bracket", "process_plan": bracket.id}
    made_of = [{"item": "bracket", "quantity": 2}]
    whole = {"key": "frame", "title": "Frame", "process": "assembly", "minutes": 20, "made_of": made_of}
    path = tmp_path / "frame.json"
    path.write_bytes(msgspec.json.encode({"title": "CLI frame", "items": [whole, part]}))
    assert await command(lab, "product", "add", str(path)) == 0
    identifier = capsys.readouterr().out.rsplit("product plan ", 1)[1].split()[0]
    asked = ("product", "plan", identifier, "--want", "1@+6d", "--want", "9@+20d", "--small", "0.5", "--seconds", "1")
    assert await command(lab, *asked, "--json") == 0
    plan = msgspec.json.decode(capsys.readouterr().out)
    assert [row["served"] for row in plan["rows"]] == [1, 9]
    assert plan["small_share"] == 1.0
    for words, says in (
        (("product", "list"), "CLI frame"),
        (("product", "show", plan["id"]), "only one"),
        (("product", "stress", plan["id"]), "nobody"),
        (("product", "shortage", plan["id"], "--without", "Ash"), "EUR more"),
    ):
        assert await command(lab, *words) == 0
        assert says in capsys.readouterr().out
    assert await command(lab, "product", "order", plan["id"]) == 0
    assert "Frame" in capsys.readouterr().out
    for job in (await lab.store.get(SupplyPlan, plan["id"])).jobs:
        assert await command(lab, "cancel", job) == 0
    assert await command(lab, "product", "plan", identifier, "--want", "many") == 1


async def test_the_command_line_records_publishes_and_tells(nodes, bracket, capsys):
    lab = nodes["lab"]
    words = ("want", "add", "Climate test", "--kind", "test", "--due", "+30d", "--require", "certificate=ISO17025")
    assert await command(lab, *words, "--json") == 0
    need = msgspec.json.decode(capsys.readouterr().out)["id"]
    assert await command(lab, "want", "publish", need) == 0
    assert await command(lab, "want", "list") == 0
    assert "Climate test" in capsys.readouterr().out
    assert await command(nodes["portal"], "want", "collect") == 0
    job = await submitted(lab, until="plan", key="told by command")
    done = await make_part.run(lab, job.id)
    assert await command(lab, "outcomes", "--tell", done.plan) == 0
    assert "Ash: told" in capsys.readouterr().out
    assert await command(nodes["ash"], "outcomes") == 0
    assert "Ash: " in capsys.readouterr().out


async def test_an_order_withdrawn_while_its_provider_was_away_is_told_when_it_answers(nodes):
    """allocation 24: nothing that was withdrawn stays in a shop's book for want of an answer."""
    lab, elm = nodes["lab"], nodes["elm"]
    job = await make_part.run(lab, (await submitted(lab, until="order", key="withdrawn")).id)
    orders = [await lab.store.get(Order, one) for one in job.orders]
    change = Change("test")
    for one in orders:
        change.put(replace(one, state=OrderState.CANCELLED, reason=f"{UNTOLD}planned again"))
    await lab.store.commit(change)
    for _ in range(2):
        await tell_withdrawn(lab, job.id)
    for one in orders:
        held = await nodes["ash" if one.provider != elm.did else "elm"].store.get(Order, one.id)
        assert (held.state, held.reason) == (OrderState.CANCELLED, "withdrawn by its buyer")
        assert (await lab.store.get(Order, one.id)).reason == "planned again"
