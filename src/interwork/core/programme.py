"""The R&D network's records: projects, technologies with their evidence, the capital chain, gaps, track records."""

from datetime import datetime
from enum import StrEnum

import msgspec


class Milestone(msgspec.Struct, frozen=True, kw_only=True):
    """A point of a project with the money that hangs on it."""

    name: str
    due: datetime
    amount_eur: float
    reached_at: datetime | None = None
    evidence: str = ""


class Project(msgspec.Struct, frozen=True, kw_only=True):
    """R&D work under an award."""

    id: str
    title: str
    lead: str
    """Organisation id."""
    lead_did: str
    institute: str
    award: str = ""
    technology: str = ""
    starts: datetime
    ends: datetime
    milestones: tuple[Milestone, ...] = ()
    is_sample: bool = False


class ReadinessEvidence(msgspec.Struct, frozen=True, kw_only=True):
    """What a claim of readiness rests on."""

    level: int
    claim: str
    evidence: str
    """The id of the evidence, or a reference."""
    by: str
    at: datetime
    is_simulated: bool = False


class Technology(msgspec.Struct, frozen=True, kw_only=True):
    """A technology with its readiness (TRL 1-9, MRL 1-10) and what that rests on."""

    id: str
    name: str
    holder: str
    summary: str
    trl_start: int
    trl: int
    mrl: int
    evidence: tuple[ReadinessEvidence, ...] = ()
    is_sample: bool = False


class CallState(StrEnum):
    """Whether proposals are taken."""

    OPEN = "open"
    CLOSED = "closed"


class Call(msgspec.Struct, frozen=True, kw_only=True):
    """A funding call."""

    id: str
    title: str
    agency: str
    institute: str
    budget_eur: float
    min_cost_share: float
    """Partner money per public euro."""
    opens: datetime
    closes: datetime
    state: CallState = CallState.OPEN
    is_sample: bool = False


class Award(msgspec.Struct, frozen=True, kw_only=True):
    """Money granted to a project under a call."""

    id: str
    call: str
    project: str
    recipient: str
    recipient_did: str
    amount_eur: float
    made_at: datetime
    is_sample: bool = False


class CostShare(msgspec.Struct, frozen=True, kw_only=True):
    """Partner money or kind pledged to an award."""

    id: str
    award: str
    organisation: str
    amount_eur: float
    is_in_kind: bool
    at: datetime


class Disbursement(msgspec.Struct, frozen=True, kw_only=True):
    """Award money paid, by milestone, on evidence."""

    id: str
    award: str
    milestone: str
    amount_eur: float
    evidence: str
    at: datetime


class Practice(msgspec.Struct, frozen=True, kw_only=True):
    """A practice worth copying, with who adopted it."""

    id: str
    title: str
    summary: str
    author: str
    adopters: tuple[str, ...] = ()
    evidence: tuple[str, ...] = ()
    created_at: datetime


class GapKind(StrEnum):
    """What is missing."""

    TECHNOLOGY = "technology"
    CAPACITY = "capacity"
    SKILL = "skill"
    POLICY = "policy"
    FINANCING = "financing"


class Gap(msgspec.Struct, frozen=True, kw_only=True):
    """A need the network cannot meet, or met by one provider only; computed from matches."""

    id: str
    kind: GapKind
    title: str
    need: str
    operation: str
    requirement: str
    nearest: str
    """The nearest capability and how far it is from the requirement."""
    capable: int
    """How many providers could."""
    found_at: datetime


class TrackRecord(msgspec.Struct, frozen=True, kw_only=True):
    """What a provider's finished runs say about it; computed from evidence, never typed in."""

    id: str
    """The provider's DID."""
    provider_name: str
    runs: int
    parts: int
    good: int
    on_time: int
    energy_ratio: float | None
    """Measured over quoted energy, parts-weighted."""
    time_ratio: float | None
    evidence: tuple[str, ...]
    updated_at: datetime
