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
    KEY_ROTATED = "node:key:rotated"
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
    MACHINE_FAILED = "connectors:machine:failed"
    MACHINE_SILENT = "connectors:machine:silent"
    MACHINE_SWITCHED = "connectors:machine:switched"
    CERTIFICATE_DECIDED = "connectors:certificate:decided"
    SIGNAL_CHANGED = "twin:signal:changed"
    BLUEPRINT_STEPPED = "stream:blueprint:stepped"
    BLUEPRINT_CHECKED = "stream:blueprint:checked"
    READINGS_LOST = "stream:readings:lost"
    READINGS_BROUGHT_IN = "stream:readings:brought-in"
    READINGS_RETAINED = "stream:readings:retained"
    READINGS_SPACE = "stream:readings:space"
    SPOOL_FILLED = "stream:spool:filled"
    SPOOL_EMPTIED = "stream:spool:emptied"
    ENERGY_UNACCOUNTED = "stream:energy:unaccounted"
    SECRET_CHANGED = "node:secret:changed"
    POINT_PERMITTED = "connectors:point:permitted"
    POINT_CLOSED = "connectors:point:closed"
    WRITE_ASKED = "connectors:write:asked"
    WRITE_CONFIRMED = "connectors:write:confirmed"
    WRITE_REFUSED = "connectors:write:refused"
    WRITE_EXPIRED = "connectors:write:expired"
    WRITE_SENT = "connectors:write:sent"
    WRITE_VERIFIED = "connectors:write:verified"
    WRITE_FAILED = "connectors:write:failed"
    ALARM_RULE_RECORDED = "stream:alarm-rule:recorded"
    ALARM_RULE_REMOVED = "stream:alarm-rule:removed"
    ALARM_RAISED = "stream:alarm:raised"
    ALARM_RETURNED = "stream:alarm:returned"
    ALARM_CHATTERING = "stream:alarm:chattering"
    ALARM_ACKNOWLEDGED = "stream:alarm:acknowledged"
    ALARM_SHELVED = "stream:alarm:shelved"
    ALARM_UNSHELVED = "stream:alarm:unshelved"
    ALARM_SUPPRESSED = "stream:alarm:suppressed"
    ALARM_UNSUPPRESSED = "stream:alarm:unsuppressed"
    ALARM_WITHDRAWN = "stream:alarm:withdrawn"
    ALARM_REINSTATED = "stream:alarm:reinstated"
    STOP_EXPLAINED = "stream:stop:explained"
    CALENDAR_RECORDED = "stream:calendar:recorded"
    WORK_UNIT_RECORDED = "stream:work-unit:recorded"
    BASELINE_FROZEN = "stream:baseline:frozen"
    CHART_RECORDED = "stream:chart:recorded"
    CHANGE_COMPARED = "stream:change:compared"
    FIGURES_CORRECTED = "stream:figures:corrected"
    DESIGN_RECORDED = "design:design:recorded"
    PLAN_DRAFTED = "design:process-plan:drafted"
    PLAN_EDITED = "design:process-plan:edited"
    TEMPLATE_KEPT = "design:template:kept"
    STUDY_MOVED = "design:study:moved"
    MODEL_RECORDED = "design:model:recorded"
    MODEL_REFUSED = "design:model:refused"
    MODEL_RUN = "design:model:run"
    CAMPAIGN_MOVED = "design:campaign:moved"
    SETTING_DECIDED = "design:setting:decided"
    RESULTS_RECORDED = "design:results:recorded"
    GAUGE_STUDIED = "design:gauge:studied"
    NONCONFORMANCE_MOVED = "design:nonconformance:moved"
    NEED_RECORDED = "allocation:need:recorded"
    MATCH_MADE = "allocation:match:made"
    QUOTE_GIVEN = "allocation:quote:given"
    QUOTE_RECEIVED = "allocation:quote:received"
    PLAN_DECIDED = "allocation:plan:decided"
    PLAN_DISTURBED = "allocation:plan:disturbed"
    PLAN_PROPOSED = "allocation:plan:proposed"
    PROPOSAL_DECIDED = "allocation:proposal:decided"
    PRODUCT_RECORDED = "allocation:product:recorded"
    SUPPLY_PLANNED = "allocation:supply:planned"
    SUPPLY_DECIDED = "allocation:supply:decided"
    COORDINATION_MOVED = "allocation:coordination:moved"
    OUTCOME_TOLD = "allocation:outcome:told"
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
    ORDER_CANCELLED = "making:order:cancelled"
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
