"""Alembic environment: the tables of both packages; the connection comes from digest.runtime.db."""

from alembic import context
from sqlmodel import SQLModel

import digest.articles.models
import digest.editions.models
import digest.feedback.models
import digest.issues.models
import digest.notify.models  # noqa: F401
import subscribers.models  # noqa: F401
from digest.runtime.queue_schema import is_ours

connection = context.config.attributes["connection"]
context.configure(connection=connection, target_metadata=SQLModel.metadata, render_as_batch=True, include_name=is_ours)
with context.begin_transaction():
    context.run_migrations()
