"""Designs at a node: analyses with progress, revisions verified, plans changed by people, kept and fitted."""

from importlib import resources

import anyio
import pytest
from flows_world import evidence_of, line, order_of
from msgspec.structs import replace

from interwork.core.design import MeasuredFacts, ProcessPlan, Requirement, Revision, Study, StudyState
from interwork.core.errors import BadInput, Conflict, Damaged, UnreadableDesign, WrongState
from interwork.core.making import Job, JobStep
from interwork.core.resource import Capability, Resource, ResourceKind
from interwork.design.making.editing import Edit
from interwork.design.solid import SENSOR_BRACKET, write_step
from interwork.flows import designing
from interwork.flows.designing import recording
from interwork.flows.designing.planning import Wanted
from interwork.flows.make_part import draw
from interwork.store import Change

STEP = resources.files("interwork").joinpath("samples", "bracket.step").read_bytes()
OTHER = STEP.replace(b"'Sensor bracket.step'", b"'Sensor bracket again.step'", 1)
QIF = b"""<?xml version="1.0"?><QIFDocument xmlns="http://qifstandards.org/xsd/qif3" versionQIF="3.0.0">
<CharacteristicDefinitions><FlatnessCharacteristicDefinition id="1"><ToleranceValue>0.2</ToleranceValue>
</FlatnessCharacteristicDefinition></CharacteristicDefinitions><CharacteristicNominals>
<FlatnessCharacteristicNominal id="2"><CharacteristicDefinitionId>1</CharacteristicDefinitionId>
</FlatnessCharacteristicNominal></CharacteristicNominals></QIFDocument>"""
QIF_MM = QIF.replace(
    b"<CharacteristicDefinitions>",
    b"<FileUnits><PrimaryUnits><LinearUnit><SIUnitName>meter</SIUnitName><UnitName>mm</UnitName><UnitConversion>"
    b"<Factor>0.001</Factor></UnitConversion></LinearUnit></PrimaryUnits></FileUnits><CharacteristicDefinitions>",
    1,
)
WANTED = Wanted(material="al-6061", quantity=3)


def bench(**changed):
    made = Capability(
        process="milling-5-axis",
        materials=("aluminium",),
        envelope_mm=(100.0, 80.0, 40.0),
        tolerance_mm=0.02,
        axes=5,
        max_mass_kg=20.0,
    )
    return Resource(
        id="resource-bench",
        name="Bench",
        kind=ResourceKind.MACHINE,
        owner="o",
        capabilities=(replace(made, **changed),),
    )


async def measured(shop, content=STEP, name="bracket.step"):
    drawn = recording.Drawn(file_name=name, digest=shop.files.put(content), title="Bracket", owner="o")
    return await designing.record(shop, drawn)


async def test_an_analysis_ends_in_a_verified_revision_and_tells_how_far_it_is(shop):
    study = await designing.submit(shop, STEP, "bracket.step", actor="a")
    async with anyio.create_task_group() as tasks:
        tasks.start_soon(designing.work, shop)
        with anyio.fail_after(40):
            while study.state not in (StudyState.DONE, StudyState.FAILED):
                await anyio.sleep(0.05)
                study = await shop.store.get(Study, study.id)
        tasks.cancel_scope.cancel()
    assert (study.state, study.progress, study.message) == (StudyState.DONE, 1.0, "")
    assert (await designing.read_revision(shop, study.revision))[1] == 1


async def test_a_crash_of_an_analysis_is_a_finding_of_its_record(shop):
    study = await designing.submit(shop, STEP[:600], "cut.step", actor="a")
    ended = await designing.studying.run(shop, study.id)
    assert ended.state is StudyState.FAILED
    assert ended.message
    assert ended.remedy


async def test_an_analysis_can_be_stopped_and_then_not_again(shop):
    study = await designing.submit(shop, STEP, "bracket.step", actor="a")
    assert (await designing.cancel(shop, study.id, actor="a")).state is StudyState.CANCELLED
    assert (await designing.studying.run(shop, study.id)).state is StudyState.CANCELLED
    with pytest.raises(WrongState, match="nothing to stop"):
        await designing.cancel(shop, study.id, actor="a")


async def test_what_is_no_design_is_refused_before_it_is_kept(shop):
    with pytest.raises(UnreadableDesign):
        await designing.submit(shop, b"<html>", "page.step", actor="a")
    assert await shop.store.count(Study) == 0


async def test_the_same_bytes_are_one_revision_measured_once_and_another_header_is_the_same_shape(shop):
    """design 31: ids by content; facts cached by digest and analyser; same shape found."""
    one, again = await measured(shop), await measured(shop, name="copy.step")
    assert one == again
    assert await shop.store.count(MeasuredFacts) == 1
    other = await measured(shop, OTHER)
    assert other.id != one.id
    assert other.parent == one.id
    assert [each.id for each in await recording.same_shapes(shop, other)] == [one.id]
    found = await designing.compare_revisions(shop, one.id, other.id)
    assert found.is_same_shape
    assert found.figures == ()


async def test_a_changed_record_or_file_is_seen_when_a_revision_is_read(shop):
    """design 32: verified on read, back to the first manifest."""
    await measured(shop)
    second = await measured(shop, OTHER)
    assert (await designing.read_revision(shop, second.id))[1] == 2
    await shop.store.commit(Change().put(replace(second, file_name="forged.step")))
    with pytest.raises(Damaged, match=r"forged\.step"):
        await designing.read_revision(shop, second.id)
    await shop.store.commit(Change().put(second))
    shop.files.path(second.file_digest).write_bytes(b"forged")
    with pytest.raises(Damaged):
        await designing.read_revision(shop, second.id)


async def test_an_inspection_record_makes_the_next_revision(shop):
    base = await measured(shop)
    made = await designing.attach(shop, base.id, QIF_MM, "plan.qif", actor="a")
    assert made.parent == base.id
    assert [(one.kind, one.zone) for one in made.characteristics] == [("flatness", 0.2)]
    assert made.attachments[0].facts["characteristics"] == "1"
    assert (await designing.read_revision(shop, made.id))[1] == 2
    with pytest.raises(BadInput, match="already"):
        await designing.attach(shop, made.id, QIF_MM, "again.qif", actor="a")


async def test_a_plan_is_changed_in_versions_and_a_stale_change_is_a_conflict(shop):
    revision = await measured(shop)
    plan = await designing.draft(shop, revision, WANTED)
    gone = Edit(act="remove", operation=plan.operations[-2].id)
    made = await designing.change_plan(shop, plan.id, [gone], why="no burrs", actor="a", by="Ada")
    assert (made.version, made.changed_by) == (2, "Ada")
    with pytest.raises(Conflict, match="Ada"):
        await designing.change_plan(shop, plan.id, [gone], why="no burrs", actor="a")
    assert await shop.store.get(ProcessPlan, plan.id) == plan


async def test_a_job_takes_the_plan_a_person_changed(shop, clock):
    revision = await measured(shop)
    plan = await designing.draft(shop, revision, WANTED)
    gone = Edit(act="remove", operation=plan.operations[-2].id)
    made = await designing.change_plan(shop, plan.id, [gone], why="no burrs", actor="a", by="Ada")
    job = Job(
        id="job-1",
        title="Bracket",
        owner="o",
        step=JobStep.PROCESS_PLAN,
        revision=revision.id,
        material="al-6061",
        quantity=3,
        due=clock(),
        tolerance_mm=0.1,
        created_at=clock(),
        updated_at=clock(),
    )
    done, said = await draw.process_plan(shop, job)
    assert done.process_plan == made.id
    assert "changed by Ada" in said


async def test_a_template_kept_from_one_part_makes_the_plan_of_another(shop):
    plan = await designing.draft(shop, await measured(shop), WANTED)
    gone = Edit(act="remove", operation=plan.operations[-2].id)
    made = await designing.change_plan(shop, plan.id, [gone], why="no burrs", actor="a")
    template = await designing.keep_template(shop, made.id, name="Brackets", why="", actor="a")
    assert await designing.keep_template(shop, made.id, name="Brackets", why="", actor="a") == template
    bigger = write_step(replace_block(SENSOR_BRACKET))
    other = await measured(shop, bigger, "bigger.step")
    used = await designing.draft(shop, other, replace(WANTED, template=template.id))
    assert "deburring" not in [one.process for one in used.operations]
    assert used.template == template.id


def replace_block(block):
    from dataclasses import replace as with_parts

    return with_parts(block, height_mm=30.0)


async def test_a_part_that_fits_nothing_is_told_each_failed_condition_and_relaxing_one_makes_it_fit(shop):
    """design 35: the failed conditions with their numbers."""
    await shop.store.commit(Change().put(bench()))
    plan = await designing.draft(shop, await measured(shop), WANTED)
    first = plan.operations[0]
    (held,) = [one for one in await designing.fit(shop, plan) if one.operation == first.id]
    failed = [reason for reason in held.reasons if reason.verdict != "satisfied"]
    assert not held.is_feasible
    assert [(one.requirement, one.wanted, one.offered) for one in failed] == [
        ("envelope_mm", "124 × 84 × 29 mm", "100 × 80 × 40 mm")
    ]
    smaller = Requirement(name="envelope_mm", value=(90.0, 70.0, 20.0))
    relaxed = Edit(act="change", operation=first.id, requirements=(smaller,))
    changed = await designing.change_plan(shop, plan.id, [relaxed], why="cut in two", actor="a")
    (held,) = [one for one in await designing.fit(shop, changed) if one.operation == first.id]
    assert held.is_feasible


async def test_the_shop_s_own_limit_is_in_the_plan_drafted_there(shop):
    """design 36: the limit lives in the capability of the shop's machine."""
    await shop.store.commit(Change().put(bench(limits={"min_wall_mm": 30.0})))
    plan = await designing.draft(shop, await measured(shop), WANTED)
    assert next(one for one in plan.found if one.rule == "min_wall_mm").limit_of == "Bench"


async def test_without_finished_runs_nothing_is_learnt(shop):
    assert await designing.calibrations(shop) == []
    assert await shop.store.count(Revision) == 0


async def test_finished_runs_are_learnt_from_per_machine_and_move_the_next_draft(shop):
    """design 37: evidence of three runs that took twice as long doubles the next estimate, and says so."""
    first = line()
    change = Change().put(order_of(first))
    for number in range(3):
        change.put(
            evidence_of(
                identifier=f"evidence-{number}",
                operation_name=first.operation_name,
                planned_s=100.0,
                observed_s=200.0 + number,
            )
        )
    await shop.store.commit(change)
    learnt = await designing.calibrations(shop)
    assert [(one.process, one.resource_name, one.runs) for one in learnt] == [
        (first.process, "", 3),
        (first.process, "Mill at Alder", 3),
    ]
    plan = await designing.draft(shop, await measured(shop), WANTED)
    made = [one for one in plan.operations if one.process == first.process]
    assert all(one.calibration == pytest.approx(2.01) and "3 finished runs" in one.basis for one in made)
