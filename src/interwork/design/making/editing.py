"""A person's changes to a plan: each version says what was changed against the one before, by whom, when and why.

Changes are checked all together before any is made; the plan that comes out is a new record, the old one stays.
"""

import math
from collections.abc import Sequence
from datetime import datetime
from typing import Literal

import msgspec

from interwork.core.design import Operation, ProcessPlan, Requirement, Setting
from interwork.core.errors import BadInput
from interwork.core.ids import derived_id
from interwork.core.taxonomy import PROCESSES
from interwork.design.making import estimate
from interwork.design.making.process import estimates_of

OPERATIONS_MAX = 60
SECONDS_MAX = 30 * 86_400.0
_TEXT_MAX = 200
_DEMANDS = {"material", "envelope_mm", "tolerance_mm", "axes", "mass_kg", "certificate", "region"}


class Edit(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """One change: add, remove, move or change an operation."""

    act: Literal["add", "remove", "move", "change"]
    operation: str = ""
    """Id of the operation; for `add` the one it comes after, empty = first."""
    to: int | None = None
    """For `move`: its new place, from 1."""
    name: str = ""
    process: str = ""
    seconds: float | None = None
    """Likely time per part."""
    requirements: tuple[Requirement, ...] = ()
    """Replace those of the same name; an empty text takes one away."""
    settings: tuple[Setting, ...] = ()
    """For `change`: replace those of the same name."""
    unset: tuple[str, ...] = ()
    """For `change`: names of settings to take away."""


def edit_plan(plan: ProcessPlan, edits: Sequence[Edit], *, by: str, why: str, at: datetime) -> ProcessPlan:
    """Make the next version of a plan; BadInput names the change that cannot be made."""
    if not edits:
        raise BadInput("Nothing is to be changed.", remedy="Give at least one change.")
    if not why.strip():
        raise BadInput("A change needs its reason.", where="why", remedy="Say in a few words why.")
    operations, said = list(plan.operations), []
    for number, edit in enumerate(edits, 1):
        try:
            operations, sentence = _ACTS[edit.act](operations, edit, plan)
        except BadInput as fault:
            raise BadInput(fault.message, where=f"change {number} ({edit.act})", remedy=fault.remedy) from fault
        said.append(sentence)
    if not 1 <= len(operations) <= OPERATIONS_MAX:
        raise BadInput(
            f"The plan would have {len(operations)} operations.", remedy=f"Keep 1 to {OPERATIONS_MAX} of them."
        )
    identifier = derived_id("process", plan.id, str(plan.version + 1), *said, why, by, at.isoformat())
    chained = _chained(operations)
    return msgspec.structs.replace(
        plan,
        id=identifier,
        operations=chained,
        estimates=estimates_of(chained, plan.stock_mass_kg, plan.quantity),
        version=plan.version + 1,
        supersedes=plan.id,
        changed_by=by,
        why=why.strip()[:_TEXT_MAX],
        changes=tuple(said),
        created_at=at,
    )


def _chained(operations: Sequence[Operation]) -> tuple[Operation, ...]:
    """Put operations one after another in their order."""
    made: list[Operation] = []
    for one in operations:
        made.append(msgspec.structs.replace(one, after=(made[-1].id,) if made else ()))
    return tuple(made)


def _place(operations: Sequence[Operation], identifier: str) -> int:
    for number, one in enumerate(operations):
        if one.id == identifier:
            return number
    raise BadInput(f"The plan has no operation {identifier[:60]!r}.", remedy="Name one of its operations by its id.")


Result = tuple[list[Operation], str]


def _remove(operations: list[Operation], edit: Edit, _plan: ProcessPlan) -> Result:
    place = _place(operations, edit.operation)
    return [*operations[:place], *operations[place + 1 :]], f"Removed «{operations[place].name}»."


def _move(operations: list[Operation], edit: Edit, _plan: ProcessPlan) -> Result:
    place = _place(operations, edit.operation)
    if edit.to is None or not 1 <= edit.to <= len(operations):
        raise BadInput(f"There is no place {edit.to}.", remedy=f"Give 1 to {len(operations)}.")
    rest = [*operations[:place], *operations[place + 1 :]]
    moved = [*rest[: edit.to - 1], operations[place], *rest[edit.to - 1 :]]
    return moved, f"Moved «{operations[place].name}» from place {place + 1} to {edit.to}."


def _add(operations: list[Operation], edit: Edit, plan: ProcessPlan) -> Result:
    place = _place(operations, edit.operation) + 1 if edit.operation else 0
    if not edit.name.strip():
        raise BadInput("A new operation needs a name.", remedy="Give one.")
    process, seconds = _process(edit.process), _seconds(edit.seconds)
    part = Requirement(name="mass_kg", value=plan.part_mass_kg, source="measured: the part")
    wanted = (Requirement(name="process", value=process, source="added by a person"), part)
    time = estimate.Time(low_s=seconds * 0.8, likely_s=seconds, high_s=seconds * 1.3, basis="")
    made = Operation(
        id=derived_id("operation", plan.id, str(plan.version + 1), "added", edit.name, str(place)),
        name=edit.name.strip()[:_TEXT_MAX],
        process=process,
        requirements=_demands(wanted, edit.requirements),
        machining_s=seconds,
        machining_low_s=time.low_s,
        machining_high_s=time.high_s,
        basis=f"{seconds:g} s typed by a person; low × 0.8, high × 1.3",
        energy_kwh=estimate.energy_kwh(process, time, 0.0, ""),
    )
    return [*operations[:place], made, *operations[place:]], f"Added «{made.name}» ({process}, {seconds:g} s)."


def _change(operations: list[Operation], edit: Edit, _plan: ProcessPlan) -> Result:
    place = _place(operations, edit.operation)
    old = operations[place]
    made, said = old, []
    if edit.name.strip() and edit.name.strip() != old.name:
        made = msgspec.structs.replace(made, name=edit.name.strip()[:_TEXT_MAX])
        said.append(f"name «{made.name}»")
    if edit.process and edit.process != old.process:
        made = _with_process(made, _process(edit.process))
        said.append(f"process {old.process} → {made.process}")
    if edit.seconds is not None and edit.seconds != old.machining_s:
        made = timed(made, _seconds(edit.seconds))
        said.append(f"time {old.machining_s:g} → {edit.seconds:g} s")
    if edit.requirements:
        made = msgspec.structs.replace(made, requirements=_demands(made.requirements, edit.requirements))
        said.append(", ".join(f"{one.name} {one.value}" for one in edit.requirements))
    if (settings := _settings(old.settings, edit.settings, edit.unset)) != old.settings:
        made = msgspec.structs.replace(made, settings=settings)
        gone = [f"{one.name} no longer set" for one in old.settings if one.name in edit.unset]
        said.append(", ".join([f"{one.name} {one.value:g} {one.unit}".strip() for one in edit.settings] + gone))
    if not said:
        raise BadInput(f"Nothing of «{old.name}» is to be changed.", remedy="Leave the change out.")
    return [*operations[:place], made, *operations[place + 1 :]], f"Changed «{old.name}»: {'; '.join(said)}."


def _settings(held: Sequence[Setting], wanted: Sequence[Setting], unset: Sequence[str]) -> tuple[Setting, ...]:
    """Put settings in place of those of the same name and take some away; the rest stays as it was."""
    for one in wanted:
        if not one.name.strip() or not math.isfinite(one.value):
            raise BadInput(f"{one.name[:40]!r} = {one.value} is no setting.", remedy="Give a name and a finite number.")
    made = {one.name: one for one in (*held, *wanted)}
    return tuple(one for one in made.values() if one.name not in unset)


def _with_process(operation: Operation, process: str) -> Operation:
    wanted = tuple(
        Requirement(name="process", value=process, source="chosen by a person") if one.name == "process" else one
        for one in operation.requirements
    )
    return msgspec.structs.replace(operation, process=process, requirements=wanted)


def timed(operation: Operation, seconds: float) -> Operation:
    """Give an operation a person's time; its range keeps its proportions, the drafted time stays beside it."""
    factor = seconds / operation.machining_s if operation.machining_s else 1.0
    low, likely, high = operation.energy_kwh
    drafted = operation.machining_s if operation.drafted_s is None else operation.drafted_s
    return msgspec.structs.replace(
        operation,
        machining_s=round(seconds, 1),
        machining_low_s=round(operation.machining_low_s * factor, 1),
        machining_high_s=round(operation.machining_high_s * factor, 1),
        energy_kwh=(round(low * factor, 5), round(likely * factor, 5), round(high * factor, 5)),
        drafted_s=drafted,
        basis=f"{seconds:g} s by a person, drafted {drafted:g} s: {operation.basis}",
    )


def _process(process: str) -> str:
    if process not in PROCESSES:
        raise BadInput(f"{process[:40]!r} is no process.", remedy=f"Choose one of {', '.join(PROCESSES)}.")
    return process


def _seconds(seconds: float | None) -> float:
    if seconds is None or not math.isfinite(seconds) or not 0 < seconds <= SECONDS_MAX:
        raise BadInput(f"A time of {seconds} s per part is none.", remedy="Give more than 0 s, at most 30 days.")
    return float(seconds)


def _demands(held: Sequence[Requirement], wanted: Sequence[Requirement]) -> tuple[Requirement, ...]:
    """Put a person's demands in place of those of the same name."""
    for one in wanted:
        if one.name not in _DEMANDS:
            raise BadInput(
                f"{one.name[:40]!r} is no requirement a person sets here.", remedy=f"Use {', '.join(sorted(_DEMANDS))}."
            )
    names = {one.name for one in wanted if one.name != "certificate"}
    said = [msgspec.structs.replace(one, source=one.source or "typed by a person") for one in wanted if one.value != ""]
    return (*(one for one in held if one.name not in names), *said)


_ACTS = {"add": _add, "remove": _remove, "move": _move, "change": _change}
