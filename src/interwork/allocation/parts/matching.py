"""Hold each operation's requirements against each offered resource, one reason per requirement, with the numbers.

The rule kept here: what is not stated is UNKNOWN and becomes a question to whoever offers it; it never satisfies.
A match is feasible only when every requirement is satisfied, and a near miss is counted, never scored.
"""

import math
import re
from collections.abc import Callable, Sequence
from datetime import date

from interwork.allocation.parts.model import CapacityOffer
from interwork.core.design import Operation, ProcessPlan, Requirement
from interwork.core.ids import derived_id
from interwork.core.organisation import Place
from interwork.core.planning import Match, Need, Reason, Verdict
from interwork.core.resource import Capability
from interwork.core.taxonomy import MATERIALS, Material, subsumes

PLAN_LEVEL = frozenset({"budget", "budget_eur"})
"""Requirements of a need that only a whole plan can meet; no resource is held against them."""

UNTIL = re.compile(r"(?P<name>.+?)\s+until\s+(?P<day>\d{4}-\d{2}-\d{2})", re.IGNORECASE)
"""How the end of a certificate is stated: `ISO 9001:2015 until 2027-03-01`, that day included."""

Value = str | float | tuple[float, float, float]
Finding = tuple[Verdict, str, str, str]
"""Verdict, wanted, offered, sentence."""


def match(need: Need, plan: ProcessPlan, offers: Sequence[CapacityOffer]) -> list[Match]:
    """Hold every operation of a need against every offer; the same input gives the same ids and order."""
    return [_match_one(need, operation, offer) for operation in plan.operations for offer in offers]


def _match_one(need: Need, operation: Operation, offer: CapacityOffer) -> Match:
    who = f"{offer.resource_name} at {offer.provider_name}"
    wanted, on = demands(operation, need.requirements), need.created_at.date()
    reasons = hold_all(wanted, offer.capabilities, offer.place, who, on)
    missing = sum(reason.verdict is not Verdict.SATISFIED for reason in reasons)
    return Match(
        id=derived_id("match", need.id, operation.id, offer.provider, offer.resource),
        need=need.id,
        operation=operation.id,
        resource=offer.resource,
        resource_name=offer.resource_name,
        provider=offer.provider,
        provider_name=offer.provider_name,
        dataset=offer.dataset,
        is_feasible=missing == 0,
        reasons=reasons,
        missing=missing,
    )


def demands(operation: Operation, general: Sequence[Requirement] = ()) -> tuple[Requirement, ...]:
    """List what an operation demands: its process first, its own requirements, then those of the need as a whole."""
    listed = list(operation.requirements)
    if all(each.name != "process" for each in listed):
        listed.insert(0, Requirement(name="process", value=operation.process, source="the operation"))
    for each in general:
        if each.name not in PLAN_LEVEL and all((each.name, each.value) != (own.name, own.value) for own in listed):
            listed.append(each)
    return tuple(listed)


def hold_all(
    requirements: Sequence[Requirement],
    capabilities: Sequence[Capability],
    place: Place,
    who: str,
    on: date | None = None,
) -> tuple[Reason, ...]:
    """Hold requirements against the capability of a resource that misses fewest of them; `on` is the first day."""
    if not capabilities:
        text = f"{who} states no capability: what can it do?"
        return tuple(
            Reason(
                requirement=each.name,
                verdict=Verdict.UNKNOWN,
                wanted=_shown(each.value),
                offered="not stated",
                text=text,
            )
            for each in requirements
        )
    held = [tuple(hold(each, one, place, who, on) for each in requirements) for one in capabilities]
    return min(held, key=_misses)


def _misses(reasons: tuple[Reason, ...]) -> tuple[bool, int]:
    wrong_process = any(each.requirement == "process" and each.verdict is not Verdict.SATISFIED for each in reasons)
    return wrong_process, sum(each.verdict is not Verdict.SATISFIED for each in reasons)


def hold(requirement: Requirement, capability: Capability, place: Place, who: str, on: date | None = None) -> Reason:
    """Hold one requirement against one capability (and where it stands) and say what came of it."""
    if requirement.name == "region":
        finding = _region(requirement.value, place, who)
    elif requirement.name == "certificate":
        finding = _certificate(requirement.value, capability, who, on)
    elif requirement.name in _CHECKS:
        finding = _CHECKS[requirement.name](requirement.value, capability, who)
    else:
        finding = (
            Verdict.UNKNOWN,
            _shown(requirement.value),
            "not stated",
            f"{who} says nothing about {requirement.name!r}: does it meet {_shown(requirement.value)}?",
        )
    verdict, wanted, offered, text = finding
    return Reason(requirement=requirement.name, verdict=verdict, wanted=wanted, offered=offered, text=text)


def _process(value: Value, capability: Capability, who: str) -> Finding:
    wanted, offered = str(value), capability.process
    if wanted == offered:
        return Verdict.SATISFIED, wanted, offered, f"{who} offers {offered}."
    if subsumes(offered, wanted):
        return Verdict.SATISFIED, wanted, offered, f"{who} offers {offered}, which includes {wanted}."
    return Verdict.VIOLATED, wanted, offered, f"{who} offers {offered}, not {wanted}."


def _material(value: Value, capability: Capability, who: str) -> Finding:
    wanted = str(value)
    if not capability.materials:
        return Verdict.UNKNOWN, wanted, "not stated", f"{who} does not state its materials: does it work {wanted}?"
    offered = ", ".join(capability.materials)
    if any(_works(each, wanted) for each in capability.materials):
        return Verdict.SATISFIED, wanted, offered, f"{who} works {wanted} (it states {offered})."
    return Verdict.VIOLATED, wanted, offered, f"{who} works {offered}, not {wanted}."


def _works(stated: str, wanted: str) -> bool:
    """Tell whether a stated material or family covers the wanted one: the same, its family, or one of that family."""
    known, asked = _table(stated), _table(wanted)
    if asked is None:
        return _folded(wanted) in (_folded(stated), known.family if known else "")
    return known is asked or _folded(stated) == asked.family


def _table(name: str) -> Material | None:
    folded = _folded(name)
    return next((each for each in MATERIALS.values() if folded in (each.id, _folded(each.name))), None)


def _folded(text: str) -> str:
    return " ".join(text.lower().split())


def _envelope(value: Value, capability: Capability, who: str) -> Finding:
    wanted = _box(value)
    if wanted is None:
        return _unreadable("envelope_mm", value, who)
    shown = _shown(wanted)
    if capability.envelope_mm is None:
        return Verdict.UNKNOWN, shown, "not stated", f"{who} does not state its work space: does {shown} fit?"
    offered = _sorted_box(capability.envelope_mm)
    over = [need - have for need, have in zip(wanted, offered, strict=True) if need > have * (1 + 1e-9)]
    if not over:
        return Verdict.SATISFIED, shown, _shown(offered), f"{shown} fits the {_shown(offered)} of {who}."
    text = f"{shown} does not fit the {_shown(offered)} of {who}, however turned: {max(over):g} mm too long."
    return Verdict.VIOLATED, shown, _shown(offered), text


def _box(value: Value) -> tuple[float, float, float] | None:
    if not isinstance(value, tuple) or len(value) != 3 or any(_number(each) is None for each in value):
        return None
    return _sorted_box(value)


def _sorted_box(box: tuple[float, float, float]) -> tuple[float, float, float]:
    longest, middle, shortest = sorted((float(each) for each in box), reverse=True)
    return longest, middle, shortest


def _tolerance(value: Value, capability: Capability, who: str) -> Finding:
    wanted, offered = _number(value), capability.tolerance_mm
    if wanted is None:
        return _unreadable("tolerance_mm", value, who)
    if offered is None:
        text = f"{who} does not state the tolerance it holds: does it hold {wanted:g} mm?"
        return Verdict.UNKNOWN, f"{wanted:g} mm", "not stated", text
    text = f"{who} holds {offered:g} mm where {wanted:g} mm is wanted"
    if offered <= wanted * (1 + 1e-9):
        return Verdict.SATISFIED, f"{wanted:g} mm", f"{offered:g} mm", f"{text}."
    return Verdict.VIOLATED, f"{wanted:g} mm", f"{offered:g} mm", f"{text}: {offered - wanted:.4g} mm too coarse."


def _axes(value: Value, capability: Capability, who: str) -> Finding:
    return _at_least(("axes", "axes"), value, capability.axes, who)


def _mass(value: Value, capability: Capability, who: str) -> Finding:
    return _at_least(("mass", "kg"), value, capability.max_mass_kg, who)


def _at_least(named: tuple[str, str], value: Value, offered: float | None, who: str) -> Finding:
    what, unit = named
    wanted = _number(value)
    if wanted is None:
        return _unreadable(what, value, who)
    if offered is None:
        text = f"{who} does not state its {what}: does it take {wanted:g} {unit}?"
        return Verdict.UNKNOWN, f"{wanted:g} {unit}", "not stated", text
    text = f"{who} takes {offered:g} {unit} where {wanted:g} {unit} is wanted"
    if offered >= wanted * (1 - 1e-9):
        return Verdict.SATISFIED, f"{wanted:g} {unit}", f"{offered:g} {unit}", f"{text}."
    return Verdict.VIOLATED, f"{wanted:g} {unit}", f"{offered:g} {unit}", f"{text}: {wanted - offered:g} {unit} short."


def certificate_of(stated: str) -> tuple[str, date | None]:
    """Split what is stated of a certificate, such as `AS9100 until 2027-03-01`, into its name and its last day."""
    found = UNTIL.fullmatch(stated.strip())
    if found is None:
        return stated, None
    try:
        return found["name"], date.fromisoformat(found["day"])
    except ValueError:  # a day that is in no calendar: what is stated is no such certificate
        return stated, None


def lapse(requirements: Sequence[Requirement], capabilities: Sequence[Capability]) -> date | None:
    """Tell the last day on which a resource holds every certificate that is demanded; None = no end is stated."""
    ends = []
    stated = [certificate_of(each) for one in capabilities for each in one.certificates]
    for wanted in (str(each.value) for each in requirements if each.name == "certificate"):
        days = [
            day for name, day in stated if _folded(wanted) in (_folded(name), _folded(name).partition(":")[0].strip())
        ]
        if days and None not in days:
            ends.append(max(day for day in days if day))
    return min(ends, default=None)


def _certificate(value: Value, capability: Capability, who: str, on: date | None) -> Finding:
    wanted = str(value)
    if not capability.certificates:
        return Verdict.UNKNOWN, wanted, "not stated", f"{who} states no certificate: does it hold {wanted}?"
    offered = ", ".join(capability.certificates)
    stated = [certificate_of(each) for each in capability.certificates]
    held = {_folded(name) for name, day in stated if on is None or day is None or day >= on}
    if _folded(wanted) in held | {each.partition(":")[0].strip() for each in held}:
        return Verdict.SATISFIED, wanted, offered, f"{who} holds {wanted} (it states {offered})."
    if _folded(wanted).partition(":")[0].strip() in held:
        text = f"{who} holds {offered} without saying which edition: is it {wanted}?"
        return Verdict.UNKNOWN, wanted, offered, text
    for name, day in stated:
        if on and day and day < on and _folded(wanted) in (_folded(name), _folded(name).partition(":")[0].strip()):
            text = f"{who} held {name} until {day:%d %b %Y}; on {on:%d %b %Y} it has run out."
            return Verdict.VIOLATED, wanted, offered, text
    return Verdict.VIOLATED, wanted, offered, f"{who} holds {offered}, not {wanted}."


def _region(value: Value, place: Place, who: str) -> Finding:
    wanted = str(value)
    stated = [each for each in (place.city, place.region, place.country) if each]
    if not stated:
        return Verdict.UNKNOWN, wanted, "not stated", f"{who} does not say where it stands: is it in {wanted}?"
    offered = ", ".join(stated)
    if _folded(wanted) in {_folded(each) for each in stated}:
        return Verdict.SATISFIED, wanted, offered, f"{who} stands in {offered}."
    return Verdict.VIOLATED, wanted, offered, f"{who} stands in {offered}, not in {wanted}."


def _unreadable(what: str, value: Value, who: str) -> Finding:
    text = f"The requirement {what} reads {value!r}, which is no size; {who} cannot be held against it."
    return Verdict.UNKNOWN, _shown(value), "not held against", text


def _number(value: Value) -> float | None:
    if isinstance(value, int | float) and not isinstance(value, bool) and math.isfinite(value):
        return float(value)
    return None


def _shown(value: Value) -> str:
    if isinstance(value, tuple):
        return " × ".join(f"{each:g}" for each in value) + " mm"
    return f"{value:g}" if isinstance(value, int | float) else value


_CHECKS: dict[str, Callable[[Value, Capability, str], Finding]] = {
    "process": _process,
    "material": _material,
    "envelope_mm": _envelope,
    "tolerance_mm": _tolerance,
    "axes": _axes,
    "mass_kg": _mass,
}
