"""Memberships: an application, and the rule that decides it, said in words either way."""

from collections.abc import Collection
from datetime import datetime, timedelta

import msgspec

from interwork.core.ids import derived_id
from interwork.core.organisation import Membership, MembershipState, OrganisationKind, Place

DUES_EUR = {"small": 500.0, "full": 15_000.0, "academic": 0.0, "partner": 0.0}
"""Yearly dues of the sample tiers; an institute sets its own in its policy."""

_KINDS_OF_TIER = {
    "small": {OrganisationKind.SMALL_MANUFACTURER, OrganisationKind.START_UP},
    "academic": {OrganisationKind.UNIVERSITY, OrganisationKind.COLLEGE, OrganisationKind.RESEARCH_INSTITUTE},
    "partner": {OrganisationKind.AGENCY, OrganisationKind.NON_PROFIT, OrganisationKind.RESEARCH_INSTITUTE},
}


class Application(msgspec.Struct, frozen=True, kw_only=True):
    """What an organisation says of itself when it asks for membership."""

    organisation: str
    name: str
    kind: OrganisationKind
    tier: str
    root: str
    """Its node's address, so that the portal can crawl it."""
    place: Place = Place()
    focus: str = ""
    is_sample: bool = False


def decide(
    application: Application, *, did: str, institute: str, open_tiers: Collection[str], at: datetime
) -> Membership:
    """Grant, refuse, or leave to a person: tiers in `open_tiers` are granted when the kind of body fits them."""
    state, reason = _verdict(application, open_tiers)
    decided = None if state is MembershipState.REQUESTED else at
    return Membership(
        id=derived_id("member", institute, did),
        organisation=application.organisation,
        organisation_name=application.name,
        did=did,
        institute=institute,
        tier=application.tier,
        state=state,
        requested_at=at,
        decided_at=decided,
        ends_at=at + timedelta(days=365) if state is MembershipState.GRANTED else None,
        dues_eur=DUES_EUR.get(application.tier, 0.0),
        dues_in_kind=application.tier == "academic",
        reason=reason,
    )


def _verdict(application: Application, open_tiers: Collection[str]) -> tuple[MembershipState, str]:
    if application.tier not in DUES_EUR:
        return MembershipState.REFUSED, f"There is no tier «{application.tier}»; ask for {', '.join(DUES_EUR)}."
    fitting = _KINDS_OF_TIER.get(application.tier)
    if fitting is not None and application.kind not in fitting:
        names = ", ".join(sorted(kind.value for kind in fitting))
        return (
            MembershipState.REFUSED,
            f"«{application.tier}» is for {names}; a {application.kind.value} may ask for the tier «full».",
        )
    if application.tier in open_tiers:
        return MembershipState.GRANTED, f"The tier «{application.tier}» is granted to every {application.kind.value}."
    return MembershipState.REQUESTED, f"The tier «{application.tier}» is decided by a person of the institute."
