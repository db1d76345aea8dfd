"""Campaigns: a search for good settings asks, a run is made, its inspection and energy tell, a person decides."""

from statistics import fmean

import msgspec

from interwork.core.design import EdgeKind, ProcessPlan
from interwork.core.errors import BadInput, WrongState
from interwork.core.event import Tag
from interwork.core.ids import derived_id, new_id
from interwork.core.making import Campaign, Evidence, Goal, Inspection, Limit, Parameter, Run, Trial
from interwork.design import trials
from interwork.design.trials.campaign import check
from interwork.flows.node import Node
from interwork.flows.weave import Knot, knot, tie
from interwork.store import Change
from interwork.stream import process_capability


class CampaignDraft(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """What a person wants to find."""

    title: str
    parameters: tuple[Parameter, ...]
    goals: tuple[Goal, ...]
    limits: tuple[Limit, ...] = ()
    first: int = 0
    seed: int = 1
    process_plan: str = ""


class Told(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """What a trial gave: figures somebody measured, a run that tells them, or both."""

    measured: dict[str, float] = {}
    run: str = ""
    note: str = ""


async def begin(node: Node, draft: CampaignDraft, *, actor: str) -> Campaign:
    """Begin a campaign."""
    campaign = Campaign(
        id=new_id("campaign"),
        title=draft.title.strip()[:200] or "campaign",
        parameters=draft.parameters,
        goals=draft.goals,
        limits=draft.limits,
        first=draft.first,
        seed=draft.seed,
        process_plan=draft.process_plan,
        by=actor,
        created_at=node.clock(),
    )
    check(campaign)
    change = Change(actor).put(campaign).event(Tag.CAMPAIGN_MOVED, campaign.id, act="begun", title=campaign.title)
    knot(node, change, Knot(id=campaign.id, kind="campaign", label=campaign.title))
    if draft.process_plan:
        await node.store.get(ProcessPlan, draft.process_plan)
        tie(node, change, draft.process_plan, EdgeKind.PLANS, campaign.id)
    await node.store.commit(change)
    return campaign


def trial_id(campaign: Campaign, number: int) -> str:
    """Name a trial on the thread."""
    return derived_id("trial", campaign.id, str(number))


async def ask(node: Node, identifier: str, *, actor: str) -> tuple[Campaign, Trial]:
    """Ask a campaign what to try next; the settings are a revision of its plan and stand on the thread."""
    held = await _open(node, identifier)
    asked, trial = trials.ask(held)
    settings = ", ".join(f"{name} {value:.6g}" for name, value in trial.settings.items())
    change = Change(actor).put(asked, expect=held)
    change.event(Tag.CAMPAIGN_MOVED, held.id, act="asked", trial=trial.number, settings=trial.settings)
    name = trial_id(held, trial.number)
    knot(node, change, Knot(id=name, kind="trial", label=f"trial {trial.number}: {settings}"[:200]))
    tie(node, change, held.id, EdgeKind.PLANS, name)
    await node.store.commit(change)
    return asked, trial


async def tell(node: Node, identifier: str, number: int, told: Told, *, actor: str) -> Campaign:
    """Tell what a trial gave; a run named here is read, and tied to the trial with its inspection."""
    held = await _open(node, identifier)
    measured, run, inspection = dict(told.measured), None, None
    if told.run:
        run = await node.store.get(Run, told.run)
        inspection = await _inspection(node, run)
        measured = {**await _figures(node, run, inspection), **measured}
    known = trials.tell(held, number, measured, note=told.note)
    trial = msgspec.structs.replace(known.trials[number - 1], run=told.run, at=node.clock())
    rest = known.trials
    is_simulated = held.is_simulated or (run is not None and run.is_simulated)
    moved = msgspec.structs.replace(
        known, trials=(*rest[: number - 1], trial, *rest[number:]), is_simulated=is_simulated
    )
    change = Change(actor).put(moved, expect=held)
    change.event(Tag.CAMPAIGN_MOVED, held.id, act="told", trial=number, measured=measured, run=told.run)
    _weave_result(node, change, trial_id(held, number), run, inspection)
    await node.store.commit(change)
    return moved


def _weave_result(node: Node, change: Change, trial: str, run: Run | None, inspection: Inspection | None) -> None:
    if run is None:
        return
    knot(node, change, Knot(id=run.id, kind="run", label=f"{run.quantity} × {run.program or run.operation_name}"))
    tie(node, change, trial, EdgeKind.EXECUTES, run.id)
    if inspection is not None:
        label = f"{len(inspection.measurements)} measurements by {inspection.inspector}"
        knot(node, change, Knot(id=inspection.id, kind="inspection", label=label))
        tie(node, change, run.id, EdgeKind.OBSERVED, inspection.id)


async def _inspection(node: Node, run: Run) -> Inspection | None:
    found = await node.store.find(Inspection, run=run.id, limit=20)
    return max(found, key=lambda one: one.at, default=None)


async def _figures(node: Node, run: Run, inspection: Inspection | None) -> dict[str, float]:
    """Read energy, time, scrap and capability of a run from its evidence, its own record and its inspection."""
    evidence = await node.store.find(Evidence, run=run.id, limit=20)
    found: dict[str, float] = {}
    made = run.good + run.scrap
    energy = run.energy_kwh
    if energy is None:
        metered = [one.energy_kwh for one in evidence if one.energy_kwh is not None]
        energy = fmean(metered) if metered else None
    if run.good and energy is not None:
        found["energy_kwh_part"] = energy / run.good
    if made:
        found["scrap_share"] = run.scrap / made
    if made and run.started_at and run.ended_at:
        found["time_s_part"] = (run.ended_at - run.started_at).total_seconds() * run.time_scale / made
    cpk = process_capability(inspection.measurements) if inspection else None
    if cpk is not None:
        found["cpk"] = cpk
    return found


async def decide(node: Node, identifier: str, number: int, why: str, *, actor: str, by: str) -> Campaign:
    """Choose the settings of a trial: a decision with its reason, which every trial led to."""
    held = await _open(node, identifier)
    if not why.strip():
        raise BadInput("A decision says why.", where="why")
    if not 1 <= number <= len(held.trials) or not held.trials[number - 1].measured:
        raise BadInput(f"Trial {number} was not measured.", remedy="Choose one that was told.")
    decision = derived_id("decision", held.id, str(number))
    chosen = msgspec.structs.replace(held, chosen=number, decision=decision)
    trial = held.trials[number - 1]
    settings = ", ".join(f"{name} {value:.6g}" for name, value in trial.settings.items())
    change = Change(actor).put(chosen, expect=held)
    change.event(Tag.SETTING_DECIDED, decision, campaign=held.id, settings=trial.settings, why=why[:1000], by=by)
    knot(node, change, Knot(id=decision, kind="decision", label=f"{settings}, decided by {by}: {why}"[:300]))
    for one in held.trials:
        if not one.measured:
            continue
        tie(node, change, trial_id(held, one.number), EdgeKind.SUPPORTS, decision)
        inspection = await _inspection(node, await node.store.get(Run, one.run)) if one.run else None
        if inspection is not None:
            tie(node, change, inspection.id, EdgeKind.DECIDES, decision)
    await node.store.commit(change)
    return chosen


async def _open(node: Node, identifier: str) -> Campaign:
    held = await node.store.get(Campaign, identifier)
    if held.chosen:
        raise WrongState(f"«{held.title}» ended with the decision for trial {held.chosen}.", remedy="Begin another.")
    return held
