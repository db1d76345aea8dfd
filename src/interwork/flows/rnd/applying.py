"""What trials found goes into the process plan: the settings of one trial become its next version, with the reason."""

from collections.abc import Mapping, Sequence

import msgspec

from interwork.core.design import Operation, ProcessPlan, Setting
from interwork.core.errors import BadInput
from interwork.core.making import Campaign, Trial
from interwork.design.making.editing import Edit
from interwork.design.trials import best
from interwork.flows.designing import change_plan
from interwork.flows.designing.planning import newest_version
from interwork.flows.node import Node
from interwork.flows.rnd.trialling import trial_id

BESIDE = ("inspection", "deburring")
"""Processes a setting is not of, unless a person says so."""


class Applied(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """Which trial goes into the plan, and which setting belongs to which operation."""

    trial: int = 0
    """0 = the one decided for, else the best so far."""
    operations: dict[str, str] = {}
    """Setting → operation of the plan, by id or name; one that is left out goes to the only operation there is."""
    why: str = ""


async def apply_trial(node: Node, identifier: str, asked: Applied, *, actor: str, by: str) -> ProcessPlan:
    """Make the next version of a campaign's process plan with the settings of a trial."""
    campaign = await node.store.get(Campaign, identifier)
    if not campaign.process_plan:
        raise BadInput(
            f"«{campaign.title}» searches the settings of no process plan.",
            remedy="Begin a campaign with its plan: interwork trial new … --plan PLAN.",
        )
    trial = _trial(campaign, asked.trial)
    plan = await newest_version(node, campaign.process_plan)
    units = {one.name: one.unit for one in campaign.parameters}
    grouped: dict[str, list[Setting]] = {}
    for name, value in trial.settings.items():
        operation = operation_of(plan, name, asked.operations)
        grouped.setdefault(operation.id, []).append(Setting(name=name, value=value, unit=units.get(name, "")))
    edits = [Edit(act="change", operation=one, settings=tuple(found)) for one, found in grouped.items()]
    cause = campaign.decision if campaign.chosen == trial.number else trial_id(campaign, trial.number)
    why = asked.why.strip() or _reason(campaign, trial)
    return await change_plan(node, plan.id, edits, why=why, actor=actor, by=by, causes=(cause,))


def _trial(campaign: Campaign, number: int) -> Trial:
    found = best(campaign)
    number = number or campaign.chosen or (found.number if found else 0)
    if not 1 <= number <= len(campaign.trials) or not campaign.trials[number - 1].measured:
        raise BadInput(f"Trial {number} of «{campaign.title}» was not measured.", remedy="Tell what came of it first.")
    return campaign.trials[number - 1]


def _reason(campaign: Campaign, trial: Trial) -> str:
    told = ", ".join(f"{name} {value:.4g}" for name, value in trial.measured.items())
    return f"trial {trial.number} of «{campaign.title}»: {told}"


def candidates(plan: ProcessPlan) -> Sequence[Operation]:
    """List the operations a setting may belong to; inspection and deburring only where there is nothing else."""
    return [one for one in plan.operations if one.process not in BESIDE] or list(plan.operations)


def operation_of(plan: ProcessPlan, setting: str, said: Mapping[str, str]) -> Operation:
    """Find the operation a setting belongs to; BadInput lists the plan's where it cannot be told."""
    wanted = said.get(setting, "")
    named = [one for one in plan.operations if wanted in (one.id, one.name)] if wanted else candidates(plan)
    if len(named) != 1:
        raise BadInput(
            f"No operation of the plan is called {wanted!r}." if wanted else f"Which operation is {setting} set for?",
            where=setting,
            remedy="Name one of: " + ", ".join(f"«{one.name}»" for one in plan.operations) + ".",
        )
    return named[0]
