"""What trials found becomes the next version of the process plan, with its cause on the thread."""

import pytest
from planned_job import records

from interwork.core.design import EdgeKind, ThreadEdge
from interwork.core.errors import BadInput
from interwork.core.making import Goal, Parameter
from interwork.flows.rnd import trialling
from interwork.flows.rnd.applying import Applied, apply_trial
from interwork.flows.rnd.trialling import CampaignDraft, Told, trial_id
from interwork.store import Change

BY = {"actor": "test", "by": "Ada"}


@pytest.fixture
async def campaign(shop):
    _, process, _ = records(shop.clock())
    await shop.store.commit(Change("test").put(process))
    draft = CampaignDraft(
        title="Less energy",
        parameters=(Parameter(name="feed", low=200, high=900, unit="mm/min"),),
        goals=(Goal(name="energy_kwh_part"),),
        process_plan=process.id,
    )
    return await trialling.begin(shop, draft, actor="test")


async def test_the_settings_of_the_best_trial_become_the_next_version_of_the_plan(shop, campaign):
    """design 44: the trial's setting is in the plan, and the thread tells from which trial."""
    for energy in (0.4, 0.2):
        held, trial = await trialling.ask(shop, campaign.id, actor="test")
        await trialling.tell(shop, held.id, trial.number, Told(measured={"energy_kwh_part": energy}), actor="test")
    said = Applied(operations={"feed": "Mill, first side"})
    made = await apply_trial(shop, campaign.id, said, **BY)
    (setting,) = made.operations[0].settings
    assert (setting.name, setting.value, setting.unit) == ("feed", trial.settings["feed"], "mm/min")
    assert (made.version, made.supersedes, made.changed_by) == (2, campaign.process_plan, "Ada")
    assert made.why == "trial 2 of «Less energy»: energy_kwh_part 0.2"
    cause = trial_id(campaign, 2)
    assert await shop.store.count(ThreadEdge, source=cause, target=made.id, kind=EdgeKind.DECIDES) == 1
    with pytest.raises(BadInput, match="Nothing of"):
        await apply_trial(shop, campaign.id, said, **BY)
    again = await apply_trial(shop, campaign.id, Applied(trial=1, operations={"feed": "op-1"}), **BY)
    assert (again.version, again.supersedes) == (3, made.id)


async def test_what_cannot_go_into_a_plan_is_refused_with_what_would_help(shop, campaign):
    with pytest.raises(BadInput, match="was not measured"):
        await apply_trial(shop, campaign.id, Applied(), **BY)
    held, trial = await trialling.ask(shop, campaign.id, actor="test")
    await trialling.tell(shop, held.id, trial.number, Told(measured={"energy_kwh_part": 0.3}), actor="test")
    with pytest.raises(BadInput, match="Which operation is feed set for") as refused:
        await apply_trial(shop, campaign.id, Applied(), **BY)
    assert "«Mill, second side»" in refused.value.remedy
    with pytest.raises(BadInput, match="No operation of the plan"):
        await apply_trial(shop, campaign.id, Applied(operations={"feed": "Weld"}), **BY)
    draft = CampaignDraft(title="Loose", parameters=campaign.parameters, goals=campaign.goals)
    loose = await trialling.begin(shop, draft, actor="test")
    with pytest.raises(BadInput, match="no process plan"):
        await apply_trial(shop, loose.id, Applied(), **BY)
