"""Alembic environment: the tables of both packages; the connection comes from digest.runtime.db."""

from alembic import context

from digest.migrations.metadata import METADATA
from digest.runtime.queue_schema import is_ours

connection = context.config.attributes["connection"]
context.configure(connection=connection, target_metadata=METADATA, render_as_batch=True, include_name=is_ours)
with context.begin_transaction():
    context.run_migrations()
