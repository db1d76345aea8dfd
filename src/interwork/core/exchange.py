"""The exchange between two nodes: datasets, policies, negotiations, agreements, transfers (DSP 2025-1, DCAT, ODRL)."""

from datetime import datetime
from enum import StrEnum
from typing import Any

import msgspec


class DatasetKind(StrEnum):
    """What is offered."""

    CAPACITY = "capacity"
    """The right to ask for quotes and place orders on resources."""
    READINGS = "readings"
    """Signals of a resource, or of one run on it."""
    FILE = "file"
    """A design revision's file."""
    RECORD = "record"
    """A record: an award, a piece of evidence, a technology."""
    MODEL = "model"
    """The right to run a model; its inside never crosses."""
    MEMBERSHIP = "membership"
    """The right to apply for membership in an institute."""
    COORDINATION = "coordination"
    """The right to plan together: hours of machines, what an hour is worth, and one sum."""


class Dataset(msgspec.Struct, frozen=True, kw_only=True):
    """Something this node lets others see, under a policy; a dcat:Dataset of the catalog with one stable offer."""

    id: str
    kind: DatasetKind
    title: str
    description: str = ""
    subject: str = ""
    """The id of what is offered: a resource, a revision, a run, an award, an evidence."""
    policy: str
    """The id of the usage policy the offer is made under."""
    access: str = ""
    """The id of the policy that decides who sees it; empty = everybody."""
    properties: dict[str, Any] = {}
    """What the catalog tells about it: capabilities of a machine, unit and meaning of signals, the award's project."""
    is_withdrawn: bool = False
    changed_at: datetime


class Policy(msgspec.Struct, frozen=True, kw_only=True):
    """A rule set an offer is made under: ODRL in, executed, explained. `odrl` is the compact DSP form without ids."""

    id: str
    name: str
    text: str
    """The clause in words, shown with every decision."""
    odrl: dict[str, Any]
    owner: str = ""
    version: int = 1


PROPERTIES = "https://w3id.org/interwork/properties"
"""Key of a dataset's own facts in a catalog."""


class CatalogEntry(msgspec.Struct, frozen=True, kw_only=True):
    """A dataset of another node as it was crawled: stable id, freshness, tombstone."""

    id: str
    """Derived from provider and dataset."""
    provider: str
    provider_name: str
    endpoint: str
    """The provider's DSP base address."""
    dataset: str
    kind: DatasetKind
    title: str
    body: dict[str, Any]
    """The dcat:Dataset as the provider's catalog gave it."""
    digest: str
    first_seen: datetime
    seen: datetime
    changed: datetime
    is_stale: bool = False
    is_gone: bool = False
    source: str = ""
    """The DID of the node whose catalog told of it: the provider itself, or one that crawled it."""

    @property
    def facts(self) -> dict[str, Any]:
        """What the provider says of it beyond its title; nothing where that is no object."""
        told = self.body.get(PROPERTIES)
        return told if isinstance(told, dict) else {}


class Peer(msgspec.Struct, frozen=True, kw_only=True):
    """Another node this one knows."""

    id: str
    """Its DID."""
    name: str
    root: str
    """Where its well-known documents live."""
    endpoint: str
    """Its versioned DSP base address."""
    crawled_at: datetime | None = None
    fault: str = ""
    is_crawled: bool = False
    """True where this node crawls its catalog (portals do)."""
    organisation: str = ""


class Side(StrEnum):
    """Which part this node plays in a process."""

    CONSUMER = "consumer"
    PROVIDER = "provider"


class NegotiationState(StrEnum):
    """DSP 2025-1, contract negotiation protocol."""

    REQUESTED = "REQUESTED"
    OFFERED = "OFFERED"
    ACCEPTED = "ACCEPTED"
    AGREED = "AGREED"
    VERIFIED = "VERIFIED"
    FINALIZED = "FINALIZED"
    TERMINATED = "TERMINATED"


class TransferState(StrEnum):
    """DSP 2025-1, transfer process protocol."""

    REQUESTED = "REQUESTED"
    STARTED = "STARTED"
    SUSPENDED = "SUSPENDED"
    COMPLETED = "COMPLETED"
    TERMINATED = "TERMINATED"


class Negotiation(msgspec.Struct, frozen=True, kw_only=True):
    """One contract negotiation as this side holds it."""

    id: str
    """Our own pid."""
    side: Side
    peer: str
    peer_pid: str
    callback: str
    """Where the peer's messages go: its DSP base (we consume) or its callback address (we provide)."""
    state: NegotiationState
    dataset: str
    offer: dict[str, Any]
    """The ODRL offer under negotiation."""
    agreement: str = ""
    reason: str = ""
    key: str = ""
    """What made us ask, so that asking again finds this one."""
    claims: dict[str, Any] = {}
    """What the peer proved about itself when it asked."""
    updated_at: datetime


class AgreementState(StrEnum):
    """Whether it is in force."""

    PENDING = "pending"
    """Sent or received, negotiation not FINALIZED."""
    ACTIVE = "active"
    TERMINATED = "terminated"


class Agreement(msgspec.Struct, frozen=True, kw_only=True):
    """What two nodes agreed on; both hold it under the same id."""

    id: str
    side: Side
    provider: str
    consumer: str
    peer_name: str
    dataset: str
    dataset_title: str
    dataset_kind: DatasetKind
    policy: dict[str, Any]
    """The ODRL agreement as it crossed."""
    state: AgreementState
    agreed_at: datetime
    negotiation: str
    claims: dict[str, Any] = {}
    """The identity that was verified, kept with the agreement it led to."""
    ended_at: datetime | None = None
    ended_by: str = ""
    reason: str = ""


class Transfer(msgspec.Struct, frozen=True, kw_only=True):
    """A transfer process under an agreement; the token itself is kept only by the consumer."""

    id: str
    side: Side
    peer: str
    peer_pid: str
    callback: str
    agreement: str
    dataset: str
    format: str
    state: TransferState
    endpoint: str = ""
    token: str = ""
    """Consumer: the bearer token. Provider: its SHA-256."""
    reason: str = ""
    key: str = ""
    mark: int = 0
    """How far the data have been taken: a sequence of readings, or a count of calls."""
    updated_at: datetime


class Receipt(msgspec.Struct, frozen=True, kw_only=True):
    """What crossed under an agreement, in one direction, as this side counted it."""

    id: str
    agreement: str
    transfer: str
    direction: str
    """`sent` or `received`."""
    what: str
    """One sentence: «240 readings of spindle load», «bracket.step»."""
    items: int
    bytes: int
    first_at: datetime
    last_at: datetime
    digest: str = ""
    """SHA-256 of the bytes, or of the chain of batches."""


class Outgoing(msgspec.Struct, frozen=True, kw_only=True):
    """A message to a peer, written in the transaction of the change it tells of, sent afterwards in order."""

    id: str
    process: str
    """Messages of one process go out one after the other."""
    peer: str
    url: str
    body: dict[str, Any]
    created_at: datetime
    next_at: datetime
    attempts: int = 0
    fault: str = ""
    state: str = "waiting"
    """waiting, sent, dead."""
