from datetime import timedelta
from importlib import resources

import anyio
import pytest
from flows_world import HeldClock, at_work, eventually, job_of, opened
from msgspec.structs import replace

from interwork.core.clock import now
from interwork.core.design import ProcessPlan, Revision, ThreadEdge, ThreadNode
from interwork.core.errors import BadInput, Conflict, NotFound, PeerUnreachable, UnknownMaterial
from interwork.core.event import Tag
from interwork.core.making import Job, JobStep
from interwork.core.planning import Need
from interwork.design import backward
from interwork.flows import make_part
from interwork.flows.make_part import MakeRequest
from interwork.flows.make_part.replan import give_up
from interwork.store import Change

STEP = resources.files("interwork").joinpath("samples", "bracket.step").read_bytes()


@pytest.fixture
async def lab(tmp_path):
    async with opened(tmp_path / "lab", name="Northfield") as node:
        yield node


def request(**changes):
    made = MakeRequest(material="al-6061", quantity=3, due=now() + timedelta(days=9), key="k-1")
    return replace(made, **changes)


async def submitted(node, **changes):
    return await make_part.submit(node, STEP, "bracket.step", request(**changes))


IMPOSSIBLE = (
    ({"quantity": 0}, "quantity of 0"),
    ({"quantity": 100_001}, "100001"),
    ({"tolerance_mm": 0.0}, "tolerance"),
    ({"tolerance_mm": 11.0}, "tolerance"),
    ({"tolerance_mm": float("nan")}, "tolerance"),
    ({"due": now() - timedelta(minutes=1)}, "is past"),
    ({"until": "no such arrow"}, "no such arrow"),
)


async def test_a_request_that_cannot_be_met_is_bad_input_and_opens_no_job(lab):
    for changes, says in IMPOSSIBLE:
        with pytest.raises(BadInput, match=says) as refused:
            await submitted(lab, **changes)
        assert refused.value.remedy
    assert await lab.store.count(Job) == 0


async def test_the_thickness_of_a_sheet_is_asked_for_a_flat_drawing_and_for_nothing_else(lab):
    with pytest.raises(BadInput, match="flat drawing and has no thickness"):
        await make_part.submit(lab, b"0\nSECTION", "gear.DXF", request())
    with pytest.raises(BadInput, match="has a thickness of its own"):
        await submitted(lab, thickness_mm=3.0)
    job = await make_part.submit(lab, b"0\nSECTION", "gear.dxf", request(thickness_mm=3.0))
    assert job.facts["thickness_mm"] == 3.0
    with pytest.raises(Conflict, match="was used for another job"):
        await make_part.submit(lab, b"0\nSECTION", "gear.dxf", request(thickness_mm=4.0))


async def test_a_job_for_a_project_not_held_here_is_refused(lab):
    with pytest.raises(NotFound, match="project-9"):
        await submitted(lab, project="project-9")


async def test_an_empty_file_is_bad_input(lab):
    with pytest.raises(BadInput, match=r"empty\.step is empty") as refused:
        await make_part.submit(lab, b"", "empty.step", request())
    assert "STEP" in refused.value.remedy


async def test_an_unknown_material_is_named(lab):
    with pytest.raises(UnknownMaterial, match="unobtainium"):
        await submitted(lab, material="unobtainium")


async def test_the_same_key_is_the_same_job(lab):
    first = await submitted(lab)
    assert (await submitted(lab)).id == first.id
    assert await lab.store.count(Job) == 1
    assert len(await lab.store.events(subject=first.id)) == 1


async def test_the_same_key_at_the_same_moment_is_one_job(lab):
    async with anyio.create_task_group() as tasks:
        for _ in range(5):
            tasks.start_soon(submitted, lab)
    assert await lab.store.count(Job) == 1


async def test_another_wish_under_a_key_that_is_taken_is_a_conflict(lab):
    await submitted(lab)
    with pytest.raises(Conflict, match="used for another job"):
        await submitted(lab, quantity=9)


async def test_a_cancelled_job_stays_cancelled(lab):
    job = await submitted(lab)
    assert (await give_up(lab, job.id)).state == "failed"
    assert (await make_part.run(lab, job.id)).message == "cancelled; nothing is ordered any more"


async def test_without_a_key_each_request_is_a_job_of_its_own(lab):
    first = await submitted(lab, key="")
    assert (await submitted(lab, key="")).id != first.id


async def test_a_job_is_titled_by_its_file_without_folder_and_ending(lab):
    job = await make_part.submit(lab, STEP, "drawings/left bracket.v2.step", request())
    assert job.title == "left bracket.v2"


async def test_a_job_stops_after_the_arrow_it_was_told_to(lab):
    job = await submitted(lab, until="process-plan")
    done = await make_part.run(lab, job.id)
    assert (done.state, done.step, [entry.step for entry in done.log]) == (
        "done",
        JobStep.NEED,
        [JobStep.DESIGN, JobStep.PROCESS_PLAN],
    )
    assert await lab.store.count(Need) == 0


async def test_a_stopped_job_proceeds_and_does_no_arrow_twice(lab):
    job = await submitted(lab, until="process-plan")
    await make_part.run(lab, job.id)
    going = await make_part.proceed(lab, job.id)
    assert (going.state, going.facts["until"]) == ("running", "")
    failed = await make_part.run(lab, job.id)
    assert [entry.step for entry in failed.log] == [JobStep.DESIGN, JobStep.PROCESS_PLAN, JobStep.NEED]
    assert [await lab.store.count(kind) for kind in (Revision, ProcessPlan, Need)] == [1, 1, 1]


async def test_a_job_without_a_portal_fails_with_what_to_do(lab):
    job = await submitted(lab)
    failed = await make_part.run(lab, job.id)
    assert (failed.state, failed.step) == ("failed", JobStep.SEARCH)
    assert "has joined no portal" in failed.message
    assert "interwork join" in failed.remedy
    assert len(await lab.store.events(tag=Tag.JOB_FAILED)) == 1


async def test_the_thread_of_the_first_arrows_leads_from_the_need_to_the_design(lab):
    job = await make_part.run(lab, (await submitted(lab)).id)
    nodes, edges = await lab.store.find(ThreadNode), await lab.store.find(ThreadEdge)
    assert {one.kind for one in nodes} == {"design", "process-plan", "need"}
    assert set(backward(job.need, edges)) >= {job.revision, job.process_plan}


async def test_a_file_that_is_no_design_fails_at_the_first_arrow(lab):
    job = await make_part.submit(lab, b"not a drawing", "bracket.step", request())
    failed = await make_part.run(lab, job.id)
    assert (failed.state, failed.step, failed.facts["code"]) == ("failed", JobStep.DESIGN, "unreadable-design")
    assert failed.message


async def test_a_finished_job_does_not_proceed(lab):
    await lab.store.commit(Change("test").put(job_of(step=JobStep.DONE, state="done")))
    assert (await make_part.proceed(lab, "job-1")).state == "done"


async def test_a_job_already_going_is_left_as_it_is(lab):
    job = await submitted(lab)
    assert await make_part.proceed(lab, job.id) == job


async def test_a_new_job_is_taken_up_at_once(lab):
    async with at_work(make_part.work, lab):
        job = await submitted(lab, until="process-plan")
        done = await eventually(lambda: lab.store.get(Job, job.id), lambda one: one.state != "running", within_s=30)
    assert done.state == "done"


async def test_a_job_left_running_by_a_node_that_ended_goes_on_after_the_next_start(lab):
    job = await submitted(lab, until="process-plan")
    async with at_work(make_part.work, lab):
        pass
    async with at_work(make_part.work, lab):
        done = await eventually(lambda: lab.store.get(Job, job.id), lambda one: one.state != "running", within_s=30)
    assert [entry.step for entry in done.log] == [JobStep.DESIGN, JobStep.PROCESS_PLAN]


def steps(monkeypatch, arrow):
    """Let the first arrow be another one."""
    monkeypatch.setattr(make_part, "STEPS", ((JobStep.DESIGN, arrow), *make_part.STEPS[1:]))
    monkeypatch.setattr(make_part, "RETRY_S", 0.01)


async def test_a_fault_that_may_pass_is_tried_again(lab, monkeypatch):
    tries = []

    async def arrow(node, job):
        tries.append(job.step)
        if len(tries) < 4:
            raise PeerUnreachable("The peer is away.")
        return job, "it answered"

    steps(monkeypatch, arrow)
    done = await make_part.run(lab, (await submitted(lab, until="design")).id)
    assert (done.state, len(tries)) == ("done", 4)


async def test_a_fault_that_does_not_pass_ends_the_job_after_bounded_tries(lab, monkeypatch):
    async def arrow(node, job):
        raise PeerUnreachable("The peer is away.", remedy="Look at its node.")

    steps(monkeypatch, arrow)
    monkeypatch.setattr(make_part, "RETRIES", 3)
    failed = await make_part.run(lab, (await submitted(lab)).id)
    assert (failed.state, failed.message, failed.remedy) == ("failed", "The peer is away.", "Look at its node.")


async def test_a_fault_in_a_parallel_part_of_an_arrow_fails_the_job_and_not_the_node(lab, monkeypatch):
    async def arrow(node, job):
        async with anyio.create_task_group():
            raise BadInput("A peer said something odd.")

    steps(monkeypatch, arrow)
    failed = await make_part.run(lab, (await submitted(lab)).id)
    assert (failed.state, failed.message) == ("failed", "A peer said something odd.")


async def test_a_record_changed_meanwhile_is_read_again(lab, monkeypatch):
    tries = []

    async def arrow(node, job):
        tries.append(1)
        if len(tries) == 1:
            raise Conflict("Somebody was faster.")
        return job, "done"

    steps(monkeypatch, arrow)
    assert (await make_part.run(lab, (await submitted(lab, until="design")).id)).state == "done"


async def test_a_due_date_is_held_against_the_nodes_own_clock(tmp_path):
    async with opened(tmp_path / "late", clock=HeldClock(now() + timedelta(days=30))) as node:
        with pytest.raises(BadInput, match="is past"):
            await submitted(node)
