"""The words the machine line and the design line were deepened with: one table per word."""

import sqlalchemy as sa
from alembic import op

revision = "0002"
down_revision = "0001"
branch_labels = None
depends_on = None

WORDS: dict[str, str] = {
    # table: its indexed columns; one marked # is a whole number, the others are text
    "taken": "resource day",
    "write_points": "resource signal",
    "write_commands": "resource signal state",
    "measured_facts": "digest",
    "studies": "state",
    "plan_templates": "process_class",
    "models": "holder kind",
    "model_runs": "model",
    "campaigns": "process_plan",
    "quality_records": "revision",
    "gauge_studies": "",
    "nonconformances": "state revision",
    "explanations": "",
    "trade_offs": "plan",
    "disturbances": "job",
    "proposals": "job state",
    "products": "owner",
    "supply_plans": "product",
    "coordinations": "state",
    "work_units": "resource",
    "shift_calendars": "",
    "stops": "resource",
    "alarm_rules": "resource",
    "alarms": "rule resource state",
    "baselines": "resource name",
    "spc_charts": "resource",
    "normals": "resource",
    "comparisons": "resource",
    "shift_figures": "resource",
    "saved_views": "owner",
}
KEY = sa.Text().with_variant(sa.Text(collation="C"), "postgresql")


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


def downgrade() -> None:
    for table in WORDS:
        op.drop_table(table)
