"""Know-how kept: an edited plan becomes a template, and a template makes the plan of another part.

What a template keeps is what a person decided: which operations, in which order, how much longer or shorter than
the draft, and what is demanded beyond what is measured. All that hangs on the shape is drafted anew for the new part.
"""

from datetime import datetime

import msgspec

from interwork.core.design import Operation, PlanTemplate, ProcessPlan, Requirement, TemplateStep
from interwork.core.errors import BadInput
from interwork.core.ids import derived_id
from interwork.design.making import estimate
from interwork.design.making.editing import timed
from interwork.design.making.process import estimates_of

_NAME_MAX = 80
_OWN = ("typed by a person", "chosen by a person", "template")
_KEPT = ("certificate", "axes", "tolerance_mm", "region")
"""Demands that do not hang on the size of the part."""


def make_template(plan: ProcessPlan, draft: ProcessPlan, *, name: str, by: str, why: str, at: datetime) -> PlanTemplate:
    """Take what a person decided out of a plan; `draft` is the version the plan goes back to."""
    title = name.strip()[:_NAME_MAX]
    if not title:
        raise BadInput("A template needs a name.", where="name", remedy="Say what kind of part it is for.")
    turns: dict[str, tuple[str, int]] = {}
    count: dict[str, int] = {}
    for one in draft.operations:
        turns[one.id] = (one.process, count.get(one.process, 0))
        count[one.process] = count.get(one.process, 0) + 1
    steps = tuple(_step(one, turns, draft) for one in plan.operations)
    return PlanTemplate(
        id=derived_id("template", plan.id, title),
        name=title,
        process_class=plan.process_class,
        steps=steps,
        made_from=plan.id,
        by=by,
        why=why.strip()[:200],
        created_at=at,
    )


def _step(operation: Operation, turns: dict[str, tuple[str, int]], draft: ProcessPlan) -> TemplateStep:
    process, turn = turns.get(operation.id, (operation.process, -1))
    first = next((one for one in draft.operations if one.id == operation.id), None)
    before = {(one.name, one.value) for one in first.requirements} if first else set()
    own = tuple(
        one
        for one in operation.requirements
        if one.name in _KEPT and one.source.startswith(_OWN) and (one.name, one.value) not in before
    )
    is_timed = operation.drafted_s is not None and turn >= 0
    return TemplateStep(
        name=operation.name,
        process=process if turn >= 0 else operation.process,
        turn=turn,
        factor=round(operation.machining_s / operation.drafted_s, 4) if is_timed and operation.drafted_s else 1.0,
        fixed_s=0.0 if turn >= 0 else operation.machining_s,
        requirements=own,
    )


def apply_template(template: PlanTemplate, draft: ProcessPlan, *, by: str, at: datetime) -> ProcessPlan:
    """Make the plan of another part: the template's steps, filled from that part's draft."""
    if template.process_class != draft.process_class:
        raise BadInput(
            f"The template «{template.name}» is for {template.process_class} parts; this one is {draft.process_class}.",
            remedy=f"Draft it as {template.process_class} first, or choose another template.",
        )
    queues: dict[str, list[Operation]] = {}
    for one in draft.operations:
        queues.setdefault(one.process, []).append(one)
    operations: list[Operation] = []
    said = [f"Made from the template «{template.name}»."]
    for number, step in enumerate(template.steps):
        made = _filled(step, queues, draft, number)
        if made is None:
            said.append(f"Left out «{step.name}»: this part's draft has no such {step.process}.")
            continue
        operations.append(msgspec.structs.replace(made, after=(operations[-1].id,) if operations else ()))
    used = {one.id for one in operations}
    said += [f"Not in the template: «{one.name}» of the draft." for one in draft.operations if one.id not in used]
    if not operations:
        raise BadInput(f"The template «{template.name}» has no step that fits.", remedy="Choose another template.")
    return msgspec.structs.replace(
        draft,
        id=derived_id("process", draft.id, template.id, at.isoformat()),
        operations=tuple(operations),
        estimates=estimates_of(operations, draft.stock_mass_kg, draft.quantity),
        version=draft.version + 1,
        supersedes=draft.id,
        changed_by=by,
        why=f"template «{template.name}»",
        changes=tuple(said),
        template=template.id,
        created_at=at,
    )


def _filled(
    step: TemplateStep, queues: dict[str, list[Operation]], draft: ProcessPlan, number: int
) -> Operation | None:
    own = tuple(msgspec.structs.replace(one, source=f"template: {one.source}") for one in step.requirements)
    if step.turn < 0:
        time = estimate.Time(low_s=step.fixed_s * 0.8, likely_s=step.fixed_s, high_s=step.fixed_s * 1.3, basis="")
        return Operation(
            id=derived_id("operation", draft.id, "template", str(number), step.name),
            name=step.name,
            process=step.process,
            requirements=(
                Requirement(name="process", value=step.process, source="template"),
                Requirement(name="mass_kg", value=draft.part_mass_kg, source="measured: the part"),
                *own,
            ),
            machining_s=step.fixed_s,
            machining_low_s=time.low_s,
            machining_high_s=time.high_s,
            basis=f"{step.fixed_s:g} s as in the template; low × 0.8, high × 1.3",
            energy_kwh=estimate.energy_kwh(step.process, time, 0.0, ""),
        )
    listed = queues.get(step.process, [])
    if step.turn >= len(listed):
        return None
    found = listed[step.turn]
    if step.factor != 1.0:
        found = timed(found, round(found.machining_s * step.factor, 1))
    names = {one.name for one in own if one.name != "certificate"}
    kept = tuple(one for one in found.requirements if one.name not in names)
    return msgspec.structs.replace(found, requirements=(*kept, *own))
