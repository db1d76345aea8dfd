"""The words this node keeps, and the table of each.

The list below is the one place that says which words are stored, under which table name, and by which of their own
fields they can be found. A row is the id, those fields as columns, and the whole frozen value as JSON in `body`: the
body is the truth, the columns are how it is found. A new word or field here needs a migration; a test compares both.
"""

from dataclasses import dataclass
from enum import Enum
from functools import cached_property
from typing import Any, Generic, TypeVar, cast

import msgspec
from sqlalchemy import BigInteger, Column, Index, Integer, MetaData, Table, Text

from interwork.core import blueprint, design, exchange, making, operating, organisation, planning, programme, resource
from interwork.core.errors import BadInput, Damaged, LimitReached
from interwork.core.network import supply, together

T = TypeVar("T", bound=msgspec.Struct)

LONGEST_KEY = 1000
"""Bytes an id or an indexed field may have: two of them fit into one index row of every database."""
LARGEST_BODY = 16 * 2**20
"""Bytes a record may have; content that is larger belongs into files."""

METADATA = MetaData()
KEY = Text().with_variant(Text(collation="C"), "postgresql")
"""Text ordered by its bytes, the same in every database whatever its locale."""
SEQUENCE = BigInteger().with_variant(Integer, "sqlite")


@dataclass(frozen=True)
class Word(Generic[T]):
    """A word of core that is kept: its struct, its table and the fields it can be found by."""

    kind: type[T]
    table_name: str
    fields: tuple[str, ...] = ()
    secrets: tuple[str, ...] = ()
    """Fields left empty when the record leaves the node in an export."""
    is_private: bool = False
    """True where no row ever leaves the node unless secrets do."""

    @cached_property
    def numbers(self) -> frozenset[str]:
        """Name the indexed fields that are whole numbers or facts; all others are text."""
        types = {field.name: field.type for field in msgspec.structs.fields(self.kind)}
        return frozenset(name for name in self.fields if types[name] in (int, bool))

    @cached_property
    def table(self) -> Table:
        """Describe the table of this word."""
        columns = [Column(name, BigInteger if name in self.numbers else KEY, nullable=False) for name in self.fields]
        indexes = [Index(f"ix_{self.table_name}_{name}", name, "id") for name in self.fields]
        key = Column("id", KEY, primary_key=True)
        return Table(self.table_name, METADATA, key, *columns, Column("body", Text, nullable=False), *indexes)

    @cached_property
    def decoder(self) -> msgspec.json.Decoder[T]:
        """Read bodies of this word."""
        return msgspec.json.Decoder(self.kind)

    def row(self, value: T) -> dict[str, str | int]:
        """Turn a value into a row; BadInput where it could not be read back, LimitReached where it is too large."""
        found = {"id": key_text(f"the id of {self.kind.__name__}", getattr(value, "id", None))}
        row: dict[str, str | int] = {**found, **{name: self.column(name, getattr(value, name)) for name in self.fields}}
        body = self._body(value)
        if len(body) > LARGEST_BODY:
            raise LimitReached(
                f"{self.kind.__name__} {row['id']} has {len(body)} bytes; a record has at most {LARGEST_BODY}.",
                remedy="Keep large content as a file and its digest in the record.",
            )
        return {**row, "body": body.decode()}

    def column(self, name: str, value: object) -> str | int:
        """Turn the value of an indexed field into what its column holds; BadInput for a value of another type."""
        plain = value.value if isinstance(value, Enum) else value
        if name not in self.numbers:
            return key_text(f"{self.kind.__name__}.{name}", plain)
        if isinstance(plain, int) and -(2**63) <= plain < 2**63:
            return int(plain)
        raise BadInput(f"{self.kind.__name__}.{name} is a whole number, not {value!r}.")

    def normal(self, value: T) -> T:
        """Tell what the store would give back for a value, so that two of them compare."""
        return self.decoder.decode(self._body(value))

    def read(self, identifier: str, body: str) -> T:
        """Turn a body back into the value; Damaged naming table and id where it does not decode."""
        try:
            return self.decoder.decode(body)
        except (msgspec.MsgspecError, ValueError) as fault:
            raise Damaged(
                f"Row {identifier} of table {self.table_name} does not read as {self.kind.__name__}: {fault}.",
                remedy="Restore the database from a backup.",
            ) from fault

    def _body(self, value: T) -> bytes:
        try:
            body = msgspec.json.encode(value)
            self.decoder.decode(body)  # a not-a-number becomes null, which no number field reads back
        except (msgspec.MsgspecError, TypeError, ValueError, OverflowError, RecursionError) as fault:
            raise BadInput(
                f"{self.kind.__name__} {getattr(value, 'id', '')} cannot be kept: {fault}.",
                remedy="Give every field a value of its declared type; numbers must be finite.",
            ) from fault
        return body


def key_text(what: str, value: object) -> str:
    """Accept a text that goes into an indexed column; BadInput where some database could not hold it."""
    if not isinstance(value, str):
        raise BadInput(f"{what} is a text, not {value!r}.")
    if "\0" in value or any("\ud800" <= letter <= "\udfff" for letter in value):
        raise BadInput(f"{what} has a character no database keeps: {value!r}.", remedy="Leave it out.")
    if len(value.encode()) > LONGEST_KEY:
        raise BadInput(f"{what} has {len(value.encode())} bytes; it may have {LONGEST_KEY}: {value[:40]}…")
    return value


WORDS: tuple[Word[Any], ...] = (
    Word(organisation.Organisation, "organisations", ("kind", "did")),
    Word(organisation.Membership, "memberships", ("did", "institute", "state")),
    Word(organisation.Account, "accounts", ("name",), secrets=("password_hash",)),
    Word(organisation.ApiToken, "api_tokens", is_private=True),
    Word(organisation.Session, "sessions", ("account",), is_private=True),
    Word(organisation.Setting, "settings", is_private=True),
    Word(resource.Resource, "resources", ("kind", "owner")),
    Word(resource.Facet, "facets", ("resource", "name")),
    Word(resource.Blueprint, "blueprints", ("resource",)),
    Word(blueprint.Taken, "taken", ("resource", "day")),
    Word(blueprint.WritePoint, "write_points", ("resource", "signal")),
    Word(blueprint.WriteCommand, "write_commands", ("resource", "signal", "state")),
    Word(resource.Signal, "signals", ("resource", "number", "meaning")),
    Word(design.Design, "designs", ("owner", "project")),
    Word(design.Revision, "revisions", ("design", "file_digest")),
    Word(design.ProcessPlan, "process_plans", ("revision",)),
    Word(design.MeasuredFacts, "measured_facts", ("digest",)),
    Word(design.Study, "studies", ("state",)),
    Word(design.PlanTemplate, "plan_templates", ("process_class",)),
    Word(design.Model, "models", ("holder", "kind")),
    Word(design.ModelRun, "model_runs", ("model",)),
    Word(design.ThreadNode, "thread_nodes", ("kind",)),
    Word(design.ThreadEdge, "thread_edges", ("source", "target", "kind")),
    Word(planning.Need, "needs", ("state", "owner", "project")),
    Word(planning.Match, "matches", ("need", "operation", "provider")),
    Word(planning.Quote, "quotes", ("need", "provider")),
    Word(planning.Plan, "plans", ("need",)),
    Word(planning.Explanation, "explanations"),
    Word(planning.TradeOff, "trade_offs", ("plan",)),
    Word(planning.Disturbance, "disturbances", ("job",)),
    Word(planning.Proposal, "proposals", ("job", "state")),
    Word(supply.Product, "products", ("owner",)),
    Word(supply.SupplyPlan, "supply_plans", ("product",)),
    Word(together.Coordination, "coordinations", ("state",)),
    Word(exchange.Dataset, "datasets", ("kind", "subject", "is_withdrawn")),
    Word(exchange.Policy, "policies", ("owner",)),
    Word(exchange.CatalogEntry, "catalog_entries", ("provider", "kind", "is_gone")),
    Word(exchange.Peer, "peers", ("is_crawled",)),
    Word(exchange.Negotiation, "negotiations", ("side", "peer", "state", "key", "peer_pid")),
    Word(
        exchange.Agreement,
        "agreements",
        ("side", "state", "dataset", "dataset_kind", "provider", "consumer", "negotiation"),
    ),
    Word(
        exchange.Transfer,
        "transfers",
        ("side", "peer", "agreement", "state", "token", "key", "peer_pid"),
        secrets=("token",),
    ),
    Word(exchange.Receipt, "receipts", ("agreement", "transfer")),
    Word(exchange.Outgoing, "outgoing", ("state", "process"), is_private=True),
    Word(making.Order, "orders", ("side", "job", "state", "provider", "consumer")),
    Word(making.Run, "runs", ("order", "assignment", "state", "resource")),
    Word(making.Inspection, "inspections", ("run",)),
    Word(making.Evidence, "evidence", ("job", "run", "order", "provider")),
    Word(making.Job, "jobs", ("state",)),
    Word(making.Campaign, "campaigns", ("process_plan",)),
    Word(making.QualityRecord, "quality_records", ("revision",)),
    Word(making.GaugeStudy, "gauge_studies"),
    Word(making.Nonconformance, "nonconformances", ("state", "revision")),
    Word(programme.Project, "projects", ("award", "lead_did")),
    Word(programme.Technology, "technologies", ("holder",)),
    Word(programme.Call, "calls", ("state", "institute")),
    Word(programme.Award, "awards", ("call", "project", "recipient_did")),
    Word(programme.CostShare, "cost_shares", ("award",)),
    Word(programme.Disbursement, "disbursements", ("award",)),
    Word(programme.Practice, "practices"),
    Word(programme.Gap, "gaps", ("need", "kind")),
    Word(programme.TrackRecord, "track_records"),
    Word(operating.WorkUnit, "work_units", ("resource",)),
    Word(operating.ShiftCalendar, "shift_calendars"),
    Word(operating.Stop, "stops", ("resource",)),
    Word(operating.AlarmRule, "alarm_rules", ("resource",)),
    Word(operating.Alarm, "alarms", ("rule", "resource", "state")),
    Word(operating.Baseline, "baselines", ("resource", "name")),
    Word(operating.SpcChart, "spc_charts", ("resource",)),
    Word(operating.Normal, "normals", ("resource",)),
    Word(operating.Comparison, "comparisons", ("resource",)),
    Word(operating.ShiftFigures, "shift_figures", ("resource",)),
    Word(operating.SavedView, "saved_views", ("owner",)),
)

EVENTS = Table(
    "events",
    METADATA,
    Column("sequence", SEQUENCE, primary_key=True, autoincrement=False),
    Column("at", KEY, nullable=False),
    Column("tag", KEY, nullable=False),
    Column("subject", KEY, nullable=False),
    Column("actor", KEY, nullable=False),
    Column("detail", Text, nullable=False),
    Column("previous", KEY, nullable=False),
    Column("digest", KEY, nullable=False),
    Index("ix_events_subject", "subject", "sequence"),
    Index("ix_events_tag", "tag", "sequence"),
)
"""The hash chain."""

CHAIN = Table(
    "chain",
    METADATA,
    Column("id", SEQUENCE, primary_key=True, autoincrement=False),
    Column("sequence", SEQUENCE, nullable=False),
    Column("digest", KEY, nullable=False),
)
"""One row: the newest link. Writers lock it, and a chain cut off at its end shows against it."""

ONCE = Table("once", METADATA, Column("key", KEY, primary_key=True), Column("at", KEY, nullable=False))
"""The keys of changes that must not be made twice."""

TABLE_NAMES = frozenset({word.table.name for word in WORDS} | {EVENTS.name})
"""What a subscriber to changes can be told was touched, besides ids."""

_BY_KIND: dict[type, Word[Any]] = {word.kind: word for word in WORDS}


def word_of(kind: type[T]) -> Word[T]:
    """Find how a word is kept; BadInput for a struct the store does not keep."""
    word = _BY_KIND.get(kind)
    if word is None:
        raise BadInput(f"{kind.__name__} is not a word the store keeps.", remedy="List it in interwork.store.words.")
    return cast("Word[T]", word)


def table_of(kind: type[msgspec.Struct]) -> str:
    """Name the table of a word, as it appears among the changes."""
    return word_of(kind).table_name
