"""What stands between a need and somebody who could meet it: a smallest conflict, and relaxations that work.

Each relaxation is read off a resource that does the process and misses little, applied to the need, and matched again;
it is told only if somebody can then do the operation.
"""

from collections.abc import Iterator, Sequence

import msgspec

from interwork.allocation.parts.gaps import POLICY, closeness, misses
from interwork.allocation.parts.matching import demands, hold_all, match
from interwork.allocation.parts.model import CapacityOffer, Cause
from interwork.core.design import Operation, ProcessPlan, Requirement
from interwork.core.planning import Match, Need, Verdict
from interwork.core.resource import Capability


class Step(msgspec.Struct, frozen=True, kw_only=True):
    """One requirement made easier; `to` of None does without it."""

    requirement: str
    was: str | float | tuple[float, float, float]
    to: str | float | tuple[float, float, float] | None
    text: str


class Relaxation(msgspec.Struct, frozen=True, kw_only=True):
    """Changes to one operation's requirements with which somebody can do it."""

    operation: str
    operation_name: str
    steps: tuple[Step, ...]
    providers: tuple[str, ...]
    """Who could then, by name."""
    text: str


class Unserved(msgspec.Struct, frozen=True, kw_only=True):
    """Why one operation of a need cannot be done by anybody, and what would help."""

    operation: str
    operation_name: str
    cause: Cause
    nearest: str
    conflict: tuple[str, ...]
    """Requirements nobody meets together; without any one of them somebody could."""
    relaxations: tuple[Relaxation, ...]


def unserved(need: Need, process: ProcessPlan, offers: Sequence[CapacityOffer], *, most: int = 3) -> list[Unserved]:
    """Explain every operation that nobody can do, with at most so many relaxations each, the fewest changes first."""
    found = []
    matches = match(need, process, offers)
    for operation in process.operations:
        held = sorted((each for each in matches if each.operation == operation.id), key=closeness)
        if any(each.is_feasible for each in held):
            continue
        failed = misses(held[0]) if held else []
        is_policy = bool(failed) and all(each.requirement in POLICY for each in failed)
        found.append(
            Unserved(
                operation=operation.id,
                operation_name=operation.name,
                cause=Cause.CERTIFICATE_OR_REGION if is_policy else Cause.NO_CAPABLE_RESOURCE,
                nearest=" ".join(each.text for each in failed) or "Nobody in the network offers a resource.",
                conflict=tuple(each.name for each in conflict(need, operation, offers)),
                relaxations=tuple(_relaxations(need, operation, process, offers, held=held))[:most],
            )
        )
    return found


def conflict(need: Need, operation: Operation, offers: Sequence[CapacityOffer]) -> tuple[Requirement, ...]:
    """Find requirements that nobody meets together, none of which can be left out; empty where somebody meets all."""
    kept = list(demands(operation, need.requirements))
    if _is_met(kept, offers):
        return ()
    for each in list(kept):
        rest = [other for other in kept if other is not each]
        if not _is_met(rest, offers):
            kept = rest
    return tuple(kept)


def _is_met(requirements: Sequence[Requirement], offers: Sequence[CapacityOffer]) -> bool:
    return any(
        all(each.verdict is Verdict.SATISFIED for each in hold_all(requirements, (capability,), offer.place, ""))
        for offer in offers
        for capability in offer.capabilities
    )


def relaxed(need: Need, process: ProcessPlan, relaxation: Relaxation) -> tuple[Need, ProcessPlan]:
    """Apply a relaxation; a requirement of the need as a whole is relaxed for the one operation only."""
    eased = {(each.requirement, each.was): each.to for each in relaxation.steps}
    operations = []
    for one in process.operations:
        listed = []
        for each in demands(one, need.requirements):
            to = eased.get((each.name, each.value), each.value) if one.id == relaxation.operation else each.value
            listed += [msgspec.structs.replace(each, value=to)] if to is not None else []
        operations.append(msgspec.structs.replace(one, requirements=tuple(listed)))
    return msgspec.structs.replace(need, requirements=()), msgspec.structs.replace(
        process, operations=tuple(operations)
    )


def _relaxations(
    need: Need, operation: Operation, process: ProcessPlan, offers: Sequence[CapacityOffer], *, held: Sequence[Match]
) -> Iterator[Relaxation]:
    """Read relaxations off the near matches, the fewest and smallest changes first, each only once."""
    of = {(each.provider, each.resource): each for each in offers}
    seen: set[tuple[Step, ...]] = set()
    for each in held:
        failed = {one.requirement for one in misses(each)}
        if "process" in failed:
            continue
        for capability in of[each.provider, each.resource].capabilities:
            steps = tuple(_step(one, capability) for one in demands(operation, need.requirements) if one.name in failed)
            if steps in seen:
                continue
            seen.add(steps)
            draft = Relaxation(
                operation=operation.id, operation_name=operation.name, steps=steps, providers=(), text=""
            )
            easier, plan = relaxed(need, process, draft)
            able = {
                one.provider_name: None
                for one in match(easier, plan, offers)
                if one.operation == operation.id and one.is_feasible
            }
            if able:
                what = " and ".join(one.text for one in steps)
                text = f"{operation.name}: {what}; then {', '.join(able)} could."
                yield msgspec.structs.replace(draft, providers=tuple(able), text=text)


def _step(requirement: Requirement, capability: Capability) -> Step:
    """Make one requirement what a capability offers, or do without it where it offers no number."""
    name, was = requirement.name, requirement.value
    offered: dict[str, float | tuple[float, float, float] | None] = {
        "tolerance_mm": capability.tolerance_mm,
        "axes": capability.axes,
        "mass_kg": capability.max_mass_kg,
        "envelope_mm": capability.envelope_mm,
    }
    to = offered.get(name)
    if to is None:
        return Step(requirement=name, was=was, to=None, text=f"do without {name.replace('_', ' ')} {_shown(was)}")
    what = name.rpartition("_")[0] or name
    unit = {"tolerance_mm": " mm", "envelope_mm": " mm", "mass_kg": " kg"}.get(name, "")
    text = f"allow a {what} of {_shown(to)}{unit} instead of {_shown(was)}{unit}"
    return Step(requirement=name, was=was, to=to, text=text)


def _shown(value: str | float | tuple[float, float, float]) -> str:
    if isinstance(value, tuple):
        return " × ".join(f"{each:g}" for each in value)
    return value if isinstance(value, str) else f"{value:g}"
