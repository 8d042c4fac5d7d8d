"""The tables of both packages: a table is known when its module is loaded, so that all are loaded here."""

from sqlmodel import SQLModel

import digest.accounts.models
import digest.articles.models
import digest.editions.models
import digest.feedback.models
import digest.issues.models
import digest.notify.models
import digest.outbox.models
import digest.runtime.rate_limit_table
import digest.schedule.runs  # noqa: F401
import subscribers.models  # noqa: F401

METADATA = SQLModel.metadata
