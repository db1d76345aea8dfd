"""The event vocabulary and the hash-chained record of everything that changed or crossed.

A tag reads `source:subject:action`; the source is the craft that did it. The chain: each event's digest is
SHA-256 over the canonical JSON of its fields and the digest before it, so a changed or missing row shows.
"""

import hashlib
from datetime import datetime
from enum import StrEnum
from typing import Any

import msgspec


class Tag(StrEnum):
    """Everything an event can say happened."""

    NODE_CREATED = "node:identity:created"
    NODE_STARTED = "node:process:started"
    ACCOUNT_CREATED = "node:account:created"
    ACCOUNT_SIGNED_IN = "node:account:signed-in"
    TOKEN_ISSUED = "node:token:issued"
    ORGANISATION_RECORDED = "consortium:organisation:recorded"
    MEMBERSHIP_REQUESTED = "consortium:membership:requested"
    MEMBERSHIP_GRANTED = "consortium:membership:granted"
    MEMBERSHIP_REFUSED = "consortium:membership:refused"
    POLICY_RECORDED = "consortium:policy:recorded"
    TECHNOLOGY_RECORDED = "consortium:technology:recorded"
    TECHNOLOGY_MOVED = "consortium:technology:moved"
    PROJECT_RECORDED = "consortium:project:recorded"
    CALL_OPENED = "consortium:call:opened"
    AWARD_MADE = "consortium:award:made"
    FUNDS_DISBURSED = "consortium:funds:disbursed"
    GAP_FOUND = "consortium:gap:found"
    RESOURCE_RECORDED = "twin:resource:recorded"
    SIGNAL_RECORDED = "twin:signal:recorded"
    BLUEPRINT_ADMITTED = "stream:blueprint:admitted"
    BLUEPRINT_REFUSED = "stream:blueprint:refused"
    MACHINE_CONNECTED = "connectors:machine:connected"
    MACHINE_LOST = "connectors:machine:lost"
    DESIGN_RECORDED = "design:design:recorded"
    PLAN_DRAFTED = "design:process-plan:drafted"
    NEED_RECORDED = "allocation:need:recorded"
    MATCH_MADE = "allocation:match:made"
    QUOTE_GIVEN = "allocation:quote:given"
    QUOTE_RECEIVED = "allocation:quote:received"
    PLAN_DECIDED = "allocation:plan:decided"
    OFFER_PUBLISHED = "federation:offer:published"
    OFFER_WITHDRAWN = "federation:offer:withdrawn"
    CATALOG_CRAWLED = "federation:catalog:crawled"
    NEGOTIATION_MOVED = "federation:negotiation:moved"
    AGREEMENT_MADE = "federation:agreement:made"
    AGREEMENT_TERMINATED = "federation:agreement:terminated"
    TRANSFER_MOVED = "federation:transfer:moved"
    DATA_SENT = "federation:data:sent"
    DATA_RECEIVED = "federation:data:received"
    ACCESS_REFUSED = "federation:access:refused"
    ORDER_PLACED = "making:order:placed"
    ORDER_ACCEPTED = "making:order:accepted"
    RUN_RELEASED = "making:run:released"
    RUN_STARTED = "making:run:started"
    RUN_COMPLETED = "making:run:completed"
    INSPECTION_RECORDED = "making:inspection:recorded"
    EVIDENCE_RECORDED = "making:evidence:recorded"
    JOB_MOVED = "thread:job:moved"
    JOB_FAILED = "thread:job:failed"


GENESIS = "0" * 64
"""The digest that stands before the first event."""


class Event(msgspec.Struct, frozen=True, kw_only=True):
    """One link of the chain."""

    sequence: int
    at: datetime
    tag: Tag
    subject: str
    """The id of what it happened to."""
    actor: str
    """Who did it: an account id, a DID, or `node`."""
    detail: dict[str, Any]
    previous: str
    digest: str


def event_digest(
    *, sequence: int, at: datetime, tag: Tag, subject: str, actor: str, detail: dict[str, Any], previous: str
) -> str:
    """Compute the digest of an event over canonical JSON (sorted keys, UTC, no spaces)."""
    row = {
        "sequence": sequence,
        "at": at,
        "tag": tag,
        "subject": subject,
        "actor": actor,
        "detail": detail,
        "previous": previous,
    }
    return hashlib.sha256(msgspec.json.encode(row, order="sorted")).hexdigest()
