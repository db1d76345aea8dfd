"""Technology readiness: what a piece of evidence is worth, by a rule that is shown with each move."""

import msgspec

from interwork.core.making import Evidence
from interwork.core.programme import ReadinessEvidence, Technology

RULES = {
    4: "validated in a laboratory: a run with evidence, whatever its yield",
    5: "validated in a relevant environment: a finished run at another organisation with at least one good part",
    6: "demonstrated in a relevant environment: runs at a second organisation, all parts good",
    7: "demonstrated in operation: three finished runs, all parts good, process capability Cpk of at least 1.33",
}
"""What each level asks for; levels outside the table need a person's review."""


def move(technology: Technology, evidence: Evidence) -> Technology:
    """Add evidence to a technology's record and raise its TRL by one step where the next rule is met."""
    if any(entry.evidence == evidence.id for entry in technology.evidence):
        return technology
    level = technology.trl + 1 if _meets(technology, evidence, technology.trl + 1) else technology.trl
    verb = f"meets TRL {level}: {RULES[level]}" if level > technology.trl else f"supports TRL {level}"
    entry = ReadinessEvidence(
        level=level,
        claim=f"{evidence.good} of {evidence.quantity} good, {evidence.operation_name}; {verb}",
        evidence=evidence.id,
        by=evidence.provider,
        at=evidence.ended_at,
        is_simulated=evidence.is_simulated,
    )
    return msgspec.structs.replace(technology, trl=level, evidence=(*technology.evidence, entry))


def _meets(technology: Technology, evidence: Evidence, level: int) -> bool:
    if evidence.quantity == 0 or level not in RULES:
        return False
    is_clean = evidence.good == evidence.quantity
    elsewhere = {entry.by for entry in technology.evidence if entry.by}
    if level == 4:
        return True
    if level == 5:
        return evidence.good > 0 and evidence.provider != technology.holder
    if level == 6:
        return is_clean and bool(elsewhere - {evidence.provider})
    return is_clean and len(technology.evidence) >= 2 and evidence.cpk is not None and evidence.cpk >= 1.33
