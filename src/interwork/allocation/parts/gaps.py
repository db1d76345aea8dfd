"""Compute from matches what the network lacks for a need: nobody can (technology, policy) or only one can (capacity).

The nearest capability is named with its number, so that whoever reads the gap knows how far the network is from it.
Advice on what to relax is tried before it is given: the need was matched again with it.
"""

import re
from collections.abc import Iterator, Sequence
from datetime import datetime
from itertools import combinations

from msgspec.structs import replace

from interwork.allocation.parts.matching import demands, match
from interwork.allocation.parts.model import CapacityOffer, Cause
from interwork.core.design import Operation, ProcessPlan, Requirement
from interwork.core.errors import NoPlan
from interwork.core.ids import derived_id
from interwork.core.planning import Match, Need, Reason, Verdict
from interwork.core.programme import Gap, GapKind

POLICY = frozenset({"certificate", "region"})
"""Requirements that a machine able to do the work may still miss."""

NUMERIC = frozenset({"tolerance_mm", "envelope_mm", "axes", "mass_kg"})
"""Requirements whose miss has a size."""


def gaps(need: Need, plan: ProcessPlan, matches: Sequence[Match], now: datetime) -> list[Gap]:
    """Find the gaps of one need, an operation at a time, in the order of the process plan."""
    found = []
    for operation in plan.operations:
        held = [each for each in matches if each.need == need.id and each.operation == operation.id]
        capable = {each.provider for each in held if each.is_feasible}
        others = sorted((each for each in held if each.provider not in capable), key=closeness)
        if not capable:
            found.append(_missing(need, operation, others, now))
        elif len(capable) == 1:
            only = next(each.provider_name for each in held if each.is_feasible)
            found.append(_single(need, operation, only, others, now))
    return found


def closeness(match: Match) -> tuple[bool, int, int, float, str, str]:
    """Order matches by how near they come: the right process, fewest misses, known misses small, then by name."""
    failed = misses(match)
    other_process = any(each.requirement == "process" for each in failed)
    unknown = sum(each.verdict is Verdict.UNKNOWN for each in failed)
    shortfall = max((_shortfall(each) for each in failed), default=1.0)
    return other_process, len(failed), unknown, shortfall, match.provider_name, match.resource


def misses(match: Match) -> list[Reason]:
    """List the reasons a match is not feasible for."""
    return [each for each in match.reasons if each.verdict is not Verdict.SATISFIED]


def nearest_text(matches: Sequence[Match]) -> str:
    """Name the nearest of several infeasible matches and what it lacks, with the numbers."""
    if not matches:
        return "Nobody in the network offers a resource."
    return " ".join(each.text for each in misses(min(matches, key=closeness)))


def _missing(need: Need, operation: Operation, others: Sequence[Match], now: datetime) -> Gap:
    failed = misses(others[0]) if others else []
    is_policy = bool(failed) and all(each.requirement in POLICY for each in failed)
    wanted = ", ".join(f"{each.requirement} {each.wanted}" for each in failed) or f"process {operation.process}"
    kind = GapKind.POLICY if is_policy else GapKind.TECHNOLOGY
    return Gap(
        id=derived_id("gap", need.id, operation.id, kind),
        kind=kind,
        title=f"Nobody in the network can do {operation.name} for {need.title}",
        need=need.id,
        operation=operation.id,
        requirement=wanted,
        nearest=nearest_text(others),
        capable=0,
        found_at=now,
    )


def _single(need: Need, operation: Operation, only: str, others: Sequence[Match], now: datetime) -> Gap:
    failed = misses(others[0]) if others else []
    wanted = ", ".join(f"{each.requirement} {each.wanted}" for each in failed) or f"process {operation.process}"
    behind = f"Next nearest: {nearest_text(others)}" if others else "No other provider offers a resource."
    return Gap(
        id=derived_id("gap", need.id, operation.id, GapKind.CAPACITY),
        kind=GapKind.CAPACITY,
        title=f"Only {only} can do {operation.name} for {need.title}",
        need=need.id,
        operation=operation.id,
        requirement=wanted,
        nearest=behind,
        capable=1,
        found_at=now,
    )


def _shortfall(reason: Reason) -> float:
    """Tell by what factor the worst number of a reason misses; 1 where there is no number to compare."""
    wanted, offered = (
        [float(each) for each in re.findall(r"\d+(?:\.\d+)?(?:e-?\d+)?", text)]
        for text in (reason.wanted, reason.offered)
    )
    pairs = [(a, b) for a, b in zip(wanted, offered, strict=False) if a > 0 and b > 0]
    if reason.requirement not in NUMERIC or len(wanted) != len(offered) or not pairs:
        return 1.0
    if reason.requirement == "tolerance_mm":
        return max(b / a for a, b in pairs)
    return max(a / b for a, b in pairs)


def unmet(need: Need, plan: ProcessPlan, offers: Sequence[CapacityOffer]) -> NoPlan | None:
    """Say why a need cannot be met by what is offered and what relaxation would do; None if every operation can."""
    matches = match(need, plan, offers)
    reasons, advice, names = [], [], []
    for operation in plan.operations:
        held = [each for each in matches if each.operation == operation.id]
        if any(each.is_feasible for each in held):
            continue
        others = sorted(held, key=closeness)
        failed = misses(others[0]) if others else []
        is_policy = bool(failed) and all(each.requirement in POLICY for each in failed)
        cause = Cause.CERTIFICATE_OR_REGION if is_policy else Cause.NO_CAPABLE_RESOURCE
        names.append(operation.name)
        reasons.append(f"{operation.name}: {cause}. Nearest: {nearest_text(others)}")
        if found := _relaxation(need, operation, plan, offers):
            advice.append(found)
    if not names:
        return None
    remedy = " ".join(advice) or "No single relaxation tried would do; bring in a provider that can."
    return NoPlan(f"Nobody in the network can do {', '.join(names)}.", reasons=tuple(reasons), remedy=remedy)


def _relaxation(need: Need, operation: Operation, plan: ProcessPlan, offers: Sequence[CapacityOffer]) -> str:
    """Find the fewest changes to an operation's demands with which somebody can do it, by matching again."""
    changes = list(_changes(demands(operation, need.requirements), offers))
    for count in (1, 2):
        for taken in combinations(changes, count):
            if len({index for index, _, _ in taken}) < count:
                continue
            listed: list[Requirement | None] = list(demands(operation, need.requirements))
            for index, relaxed, _ in taken:
                listed[index] = relaxed
            requirements = tuple(each for each in listed if each is not None)
            trial = replace(plan, operations=(replace(operation, requirements=requirements),))
            able = {each.provider for each in match(replace(need, requirements=()), trial, offers) if each.is_feasible}
            if able:
                what = " and ".join(text for _, _, text in taken)
                return (
                    f"{operation.name}: {what}; then {len(able)} {'provider' if len(able) == 1 else 'providers'} could."
                )
    return ""


def _changes(
    requirements: Sequence[Requirement], offers: Sequence[CapacityOffer]
) -> Iterator[tuple[int, Requirement | None, str]]:
    """Propose relaxations, smallest first: a coarser tolerance that somebody holds, then no certificate or region."""
    for index, each in enumerate(requirements):
        if each.name == "tolerance_mm" and isinstance(each.value, int | float):
            held = {one.tolerance_mm for offer in offers for one in offer.capabilities if one.tolerance_mm is not None}
            for tolerance in sorted(one for one in held if one > each.value):
                yield index, replace(each, value=tolerance), f"allow {tolerance:g} mm instead of {each.value:g} mm"
    for index, each in enumerate(requirements):
        if each.name in POLICY:
            yield index, None, f"do without {each.name} {each.value}"
