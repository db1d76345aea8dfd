"""The first tables: one per word, the event chain with its head, and the keys of what is done once."""

import sqlalchemy as sa
from alembic import op

revision = "0001"
down_revision = None
branch_labels = None
depends_on = None

WORDS = {
    # table: its indexed columns; one marked # is a whole number, the others are text
    "organisations": "kind did",
    "memberships": "did institute state",
    "accounts": "name",
    "api_tokens": "",
    "sessions": "account",
    "settings": "",
    "resources": "kind owner",
    "facets": "resource name",
    "blueprints": "resource",
    "signals": "resource number# meaning",
    "designs": "owner project",
    "revisions": "design file_digest",
    "process_plans": "revision",
    "thread_nodes": "kind",
    "thread_edges": "source target kind",
    "needs": "state owner project",
    "matches": "need operation provider",
    "quotes": "need provider",
    "plans": "need",
    "datasets": "kind subject is_withdrawn#",
    "policies": "owner",
    "catalog_entries": "provider kind is_gone#",
    "peers": "is_crawled#",
    "negotiations": "side peer state key peer_pid",
    "agreements": "side state dataset dataset_kind provider consumer negotiation",
    "transfers": "side peer agreement state token key peer_pid",
    "receipts": "agreement transfer",
    "outgoing": "state process",
    "orders": "side job state provider consumer",
    "runs": "order assignment state resource",
    "inspections": "run",
    "evidence": "job run order provider",
    "jobs": "state",
    "projects": "award lead_did",
    "technologies": "holder",
    "calls": "state institute",
    "awards": "call project recipient_did",
    "cost_shares": "award",
    "disbursements": "award",
    "practices": "",
    "gaps": "need kind",
    "track_records": "",
}
KEY = sa.Text().with_variant(sa.Text(collation="C"), "postgresql")
SEQUENCE = sa.BigInteger().with_variant(sa.Integer, "sqlite")


def upgrade() -> None:
    for table, columns in WORDS.items():
        names = [column.removesuffix("#") for column in columns.split()]
        types = [sa.BigInteger() if column.endswith("#") else KEY for column in columns.split()]
        op.create_table(
            table,
            sa.Column("id", KEY, primary_key=True),
            *(sa.Column(name, kind, nullable=False) for name, kind in zip(names, types, strict=True)),
            sa.Column("body", sa.Text, nullable=False),
        )
        for name in names:
            op.create_index(f"ix_{table}_{name}", table, [name, "id"])
    _create_chain()
    op.create_table("once", sa.Column("key", KEY, primary_key=True), sa.Column("at", KEY, nullable=False))


def _create_chain() -> None:
    op.create_table(
        "events",
        sa.Column("sequence", SEQUENCE, primary_key=True, autoincrement=False),
        *(sa.Column(name, KEY, nullable=False) for name in ("at", "tag", "subject", "actor")),
        sa.Column("detail", sa.Text, nullable=False),
        *(sa.Column(name, KEY, nullable=False) for name in ("previous", "digest")),
    )
    op.create_index("ix_events_subject", "events", ["subject", "sequence"])
    op.create_index("ix_events_tag", "events", ["tag", "sequence"])
    chain = op.create_table(
        "chain",
        sa.Column("id", SEQUENCE, primary_key=True, autoincrement=False),
        sa.Column("sequence", SEQUENCE, nullable=False),
        sa.Column("digest", KEY, nullable=False),
    )
    op.bulk_insert(chain, [{"id": 1, "sequence": 0, "digest": "0" * 64}])


def downgrade() -> None:
    for table in (*WORDS, "events", "chain", "once"):
        op.drop_table(table)
