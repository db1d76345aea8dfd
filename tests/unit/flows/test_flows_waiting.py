"""A part of a product waits for its parts, also where these were planned anew under other assignments."""

import pytest
from flows_world import job_of
from msgspec.structs import replace

from interwork.core.making import JobStep
from interwork.flows.make_part.follow import made_under, waits_of
from interwork.store import Change


@pytest.mark.parametrize(
    ("step", "is_made"), [(JobStep.MAKE, False), (JobStep.AGREE, False), (JobStep.EVIDENCE, True), (JobStep.DONE, True)]
)
async def test_what_a_job_planned_anew_has_made_is_no_longer_awaited(shop, step, is_made):
    part = replace(job_of(), id="job-part", step=step, plan="plan-anew")
    whole = replace(job_of(), id="job-whole", facts={"parts": {"a-of-the-first-plan": "job-part", "a-x": "job-gone"}})
    await shop.store.commit(Change("test").put(part).put(whole))
    found = await made_under(shop, whole, {"a-of-the-first-plan", "a-x", "a-of-nobody"})
    assert found == ({"a-of-the-first-plan"} if is_made else set())
    assert await made_under(shop, replace(whole, facts={}), {"a-of-the-first-plan"}) == set()


def test_work_planned_anew_still_waits_for_its_parts():
    job = replace(job_of(), facts={"after": {"a-1": ["b-1"], "a-2": ["b-2", "b-1"]}})
    assert waits_of(job, ["a-1", "a-2", "a-3"], "a-1", is_first=True) == ["b-1"]
    assert waits_of(job, ["a-1", "a-2", "a-3"], "a-3", is_first=True) == []
    assert waits_of(job, ["anew-1", "anew-2"], "anew-1", is_first=True) == ["b-1", "b-2"]
    assert waits_of(job, ["anew-1", "anew-2"], "anew-2", is_first=False) == []
    assert waits_of(job_of(), ["anew-1"], "anew-1", is_first=True) == []
