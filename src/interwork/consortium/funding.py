"""The capital chain: calls, awards with their cost share, disbursement by milestone on evidence."""

from collections.abc import Sequence
from datetime import datetime

import msgspec

from interwork.core.errors import Refused
from interwork.core.ids import derived_id
from interwork.core.programme import Award, Call, CallState, CostShare, Disbursement, Project


def check_award(call: Call, award: Award, shares: Sequence[CostShare], granted: Sequence[Award]) -> float:
    """Return the cost share per public euro; raise Refused where the call's rules are broken."""
    if call.state is CallState.CLOSED or award.made_at > call.closes:
        raise Refused(
            f"The call «{call.title}» is closed.",
            rule=f"Awards under it are made until {call.closes:%d %b %Y}.",
            remedy="Open another call.",
        )
    pledged = sum(share.amount_eur for share in shares)
    ratio = pledged / award.amount_eur if award.amount_eur else 0.0
    if ratio + 1e-9 < call.min_cost_share:
        short = call.min_cost_share * award.amount_eur - pledged
        raise Refused(
            f"{pledged:,.0f} EUR are pledged for {award.amount_eur:,.0f} EUR of award: {ratio:.2f} per public euro.",
            rule=f"The call «{call.title}» asks for {call.min_cost_share:.2f} per public euro.",
            remedy=f"Pledge {short:,.0f} EUR more, in cash or in kind.",
        )
    left = call.budget_eur - sum(other.amount_eur for other in granted if other.id != award.id)
    if award.amount_eur > left:
        raise Refused(
            f"{award.amount_eur:,.0f} EUR are asked for and {left:,.0f} EUR are left.",
            rule=f"The call «{call.title}» has {call.budget_eur:,.0f} EUR.",
            remedy=f"Ask for {left:,.0f} EUR or less.",
        )
    return ratio


def disburse(project: Project, award: Award, evidence: str, at: datetime) -> tuple[Project, Disbursement] | None:
    """Reach the project's next open milestone on a piece of evidence and pay its amount; None when all are reached."""
    for index, milestone in enumerate(project.milestones):
        if milestone.evidence == evidence:
            return None
        if milestone.reached_at is None:
            reached = msgspec.structs.replace(milestone, reached_at=at, evidence=evidence)
            milestones = (*project.milestones[:index], reached, *project.milestones[index + 1 :])
            payment = Disbursement(
                id=derived_id("pay", award.id, milestone.name),
                award=award.id,
                milestone=milestone.name,
                amount_eur=milestone.amount_eur,
                evidence=evidence,
                at=at,
            )
            return msgspec.structs.replace(project, milestones=milestones), payment
    return None
