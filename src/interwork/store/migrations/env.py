"""What Alembic runs a revision in: the connection and transaction of whoever opens the store."""

from alembic import context

from interwork.store.words import METADATA

context.configure(
    connection=context.config.attributes["connection"],
    target_metadata=METADATA,
    render_as_batch=True,  # SQLite changes a table by copying it
)
with context.begin_transaction():
    context.run_migrations()
