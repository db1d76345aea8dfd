"""Campaigns as records: asked, made on a simulated machine, inspected, told, decided; every step on the thread."""

from datetime import timedelta
from random import Random

import pytest
from msgspec.structs import replace

from interwork.core.design import ThreadEdge, ThreadNode
from interwork.core.errors import BadInput, WrongState
from interwork.core.event import Tag
from interwork.core.ids import new_id
from interwork.core.making import Campaign, Goal, Inspection, Limit, Measurement, Parameter, Run, RunState
from interwork.design import read_prov
from interwork.design.thread import backward, prov
from interwork.design.trials import best
from interwork.flows.rnd import trialling
from interwork.flows.rnd.trialling import CampaignDraft, Told
from interwork.flows.trace import part
from interwork.simulate.model import Cycle, Execution, Machine
from interwork.simulate.profiles import PROFILES
from interwork.store import Change

TOLERANCE_MM = 0.05
PARTS = 30
TODAY = {"unit_s": 240.0, "tool_life_min": 90.0}


async def make(node, settings, number):
    """Make parts on the SIMULATED mill at a cycle time and tool life; scatter grows with speed and with wear."""
    profile = replace(PROFILES["mill"], tool_life_min=settings["tool_life_min"], fault_every_h=0.0)
    machine, random = Machine(profile, seed=number), Random(number)
    machine.start(Cycle(program="bracket", quantity=PARTS, unit_s=settings["unit_s"], setup_s=120.0))
    measured, hurry = [], 240.0 / settings["unit_s"]
    while machine.state().execution is not Execution.READY:
        before = machine.state().made
        machine.step(5.0)
        for made in range(before, machine.state().made):
            wear = machine.state().tool_wear_pct / 100
            sigma = TOLERANCE_MM / 6.5 * (0.55 + 0.25 * hurry**2) * (1 + 0.5 * wear)
            measured.append((made + 1, random.gauss(40.0, sigma)))
    start, state = node.clock(), machine.state()
    run = Run(
        id=new_id("run"), order="", assignment="", operation_name="milling", process="milling-3-axis",
        resource="resource-simulated1", quantity=PARTS, state=RunState.COMPLETED, good=PARTS, program="bracket",
        energy_kwh=state.energy_kwh, is_simulated=True, started_at=start,
        ended_at=start + timedelta(seconds=state.time_s),
    )  # fmt: skip
    inspection = Inspection(
        id=new_id("inspection"), run=run.id, inspector="simulated", instrument="simulated gauge", at=run.ended_at,
        is_simulated=True,
        measurements=tuple(
            Measurement(
                characteristic="width", part=at, nominal_mm=40.0, lower_mm=40.0 - TOLERANCE_MM,
                upper_mm=40.0 + TOLERANCE_MM, actual_mm=value,
            )
            for at, value in measured
        ),
    )  # fmt: skip
    await node.store.commit(Change("simulated").put(run).put(inspection))
    return run


def draft(**changes):
    fields = {
        "title": "Less energy per bracket",
        "parameters": (
            Parameter(name="unit_s", low=110, high=300, unit="s"),
            Parameter(name="tool_life_min", low=40, high=120, unit="min"),
        ),
        "goals": (
            Goal(name="energy_kwh_part", best=0.12, worst=0.40, weight=2.0),
            Goal(name="cpk", is_maximised=True, best=1.6, worst=1.33),
        ),
        "seed": 3,
    }
    return CampaignDraft(**{**fields, **changes})


async def test_twenty_runs_cut_energy_per_part_and_every_step_is_on_the_thread(shop):
    """design 44: simulated machine, 20 runs: energy per part ≥ 15 % lower at Cpk ≥ 1.33, each step on the thread."""
    campaign = await trialling.begin(shop, draft(), actor="Ada")
    today = await make(shop, TODAY, 1000)
    for number in range(1, 21):
        _, trial = await trialling.ask(shop, campaign.id, actor="Ada")
        run = await make(shop, trial.settings, number)
        await trialling.tell(shop, campaign.id, trial.number, Told(run=run.id), actor="Ada")
    held = await shop.store.get(Campaign, campaign.id)
    fit = [one for one in held.trials if one.measured["cpk"] >= 1.33]
    chosen = best(replace(held, trials=tuple(fit)))
    assert chosen.measured["energy_kwh_part"] <= 0.85 * today.energy_kwh / today.good
    assert chosen.measured["cpk"] >= 1.33
    decided = await trialling.decide(shop, held.id, chosen.number, "least energy that is capable", actor="a", by="Ada")
    assert decided.is_simulated
    walked = await part(shop.store, decided.decision, forward=False)
    kinds = {one.kind for one in walked.nodes}
    assert {"decision", "trial", "run", "inspection", "campaign"} <= kinds
    assert sum(one.kind == "trial" for one in walked.nodes) == 20
    assert sum(one.kind == "run" for one in walked.nodes) == 20
    assert all(one.agent and one.at for one in walked.edges)
    assert len(await shop.store.events(tag=Tag.SETTING_DECIDED)) == 1
    nodes, edges = read_prov(prov(walked.nodes, walked.edges))
    assert set(backward(decided.decision, edges)) == {one.id for one in nodes} - {decided.decision}


async def test_a_campaign_goes_on_after_a_restart_and_asks_the_same(shop):
    """design 43: a campaign is a record; read back it asks for the same settings, and keeps its limits."""
    limits = (Limit(factors={"unit_s": 1.0}, most=200.0),)
    campaign = await trialling.begin(shop, draft(limits=limits), actor="Ada")
    for _ in range(6):
        _, trial = await trialling.ask(shop, campaign.id, actor="Ada")
        figures = {"energy_kwh_part": trial.settings["unit_s"] / 1000, "cpk": 1.5}
        await trialling.tell(shop, campaign.id, trial.number, Told(measured=figures), actor="Ada")
    before = await shop.store.get(Campaign, campaign.id)
    first = await trialling.ask(shop, campaign.id, actor="Ada")
    await shop.store.commit(Change("t").put(before))
    again = await trialling.ask(shop, campaign.id, actor="Ada")
    assert first[1].settings == again[1].settings
    assert all(one.settings["unit_s"] <= 200.0 + 1e-9 for one in again[0].trials)


async def test_what_does_not_fit_is_refused_and_changes_nothing(shop):
    with pytest.raises(BadInput):
        await trialling.begin(shop, draft(parameters=()), actor="Ada")
    campaign = await trialling.begin(shop, draft(), actor="Ada")
    await trialling.ask(shop, campaign.id, actor="Ada")
    with pytest.raises(BadInput, match="lacks"):
        await trialling.tell(shop, campaign.id, 1, Told(measured={"cpk": 2.0}), actor="Ada")
    with pytest.raises(BadInput, match="not measured"):
        await trialling.decide(shop, campaign.id, 1, "why not", actor="a", by="Ada")
    await trialling.tell(shop, campaign.id, 1, Told(measured={"cpk": 2.0, "energy_kwh_part": 0.2}), actor="Ada")
    await trialling.decide(shop, campaign.id, 1, "good enough", actor="a", by="Ada")
    with pytest.raises(WrongState, match="ended with the decision"):
        await trialling.ask(shop, campaign.id, actor="Ada")
    assert await shop.store.count(ThreadNode, kind="decision") == 1
    assert await shop.store.count(ThreadEdge) >= 2
