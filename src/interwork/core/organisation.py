"""Who takes part: organisations, their memberships in institutes, the people who sign in."""

from datetime import datetime
from enum import StrEnum

import msgspec


class OrganisationKind(StrEnum):
    """Every kind of body that can run a node."""

    LARGE_MANUFACTURER = "large-manufacturer"
    SMALL_MANUFACTURER = "small-manufacturer"
    START_UP = "start-up"
    UNIVERSITY = "university"
    COLLEGE = "college"
    RESEARCH_INSTITUTE = "research-institute"
    AGENCY = "agency"
    NON_PROFIT = "non-profit"


class Place(msgspec.Struct, frozen=True, kw_only=True):
    """Where something is; degrees north and east."""

    city: str = ""
    region: str = ""
    country: str = ""
    latitude: float = 0.0
    longitude: float = 0.0


class Organisation(msgspec.Struct, frozen=True, kw_only=True):
    """A legal body; `did` is its node's identity, empty while it runs none."""

    id: str
    name: str
    kind: OrganisationKind
    place: Place = Place()
    did: str = ""
    acronym: str = ""
    focus: str = ""
    lead_agency: str = ""
    founded: int = 0
    is_sample: bool = False
    """True for a body made up for the sample network; shown wherever the name shows."""
    source: str = ""
    """Where the facts come from."""
    note: str = ""


class MembershipState(StrEnum):
    """Where a membership stands; GAO asks that the wait be shown."""

    REQUESTED = "REQUESTED"
    GRANTED = "GRANTED"
    REFUSED = "REFUSED"
    ENDED = "ENDED"


class Membership(msgspec.Struct, frozen=True, kw_only=True):
    """An organisation in an institute, with a tier, dates and dues."""

    id: str
    organisation: str
    organisation_name: str
    did: str
    institute: str
    """The institute's DID."""
    tier: str
    state: MembershipState
    requested_at: datetime
    decided_at: datetime | None = None
    ends_at: datetime | None = None
    dues_eur: float = 0.0
    dues_in_kind: bool = False
    reason: str = ""
    credential: str = ""
    """The membership credential, a VC 2.0 JWT signed by the institute."""


class Role(StrEnum):
    """What a person may do at a node."""

    OWNER = "owner"
    ENGINEER = "engineer"
    OPERATOR = "operator"
    OFFICER = "officer"
    MEMBER = "member"
    GUEST = "guest"


class Account(msgspec.Struct, frozen=True, kw_only=True):
    """A person who signs in at this node."""

    id: str
    name: str
    role: Role
    password_hash: str
    """Argon2id."""
    created_at: datetime
    language: str = "en"


class ApiToken(msgspec.Struct, frozen=True, kw_only=True):
    """A program's credential; only its SHA-256 is kept, which is the id."""

    id: str
    name: str
    role: Role
    created_at: datetime
    expires_at: datetime | None = None


class Session(msgspec.Struct, frozen=True, kw_only=True):
    """A signed-in browser; the id is the SHA-256 of the cookie."""

    id: str
    account: str
    csrf: str
    expires_at: datetime


class Setting(msgspec.Struct, frozen=True, kw_only=True):
    """One small thing this node remembers under a name (a one-time link's digest, a feed's mark)."""

    id: str
    value: str
