"""Table of webhook calls: at least once each, in the order of their events."""

from datetime import datetime
from enum import StrEnum
from typing import Any

from sqlmodel import Field, SQLModel

from digest.runtime.partial_index import partial_index


class WebhookState(StrEnum):
    """State of a webhook call."""

    PENDING = "pending"
    TOLD = "told"  # the other side has taken it
    GIVEN_UP = "given_up"


class WebhookCall(SQLModel, table=True):
    """A call to the operators' webhook. `body` is stored as it is signed and sent."""

    __tablename__ = "webhook_call"
    id: int | None = Field(default=None, primary_key=True)
    key: str = Field(max_length=200, unique=True, description="the event's key: told once")
    state: str = Field(default=WebhookState.PENDING, max_length=12, description="pending | told | given_up")
    body: str = Field(description="JSON without personal data")
    due_at: datetime
    attempts: int = 0
    answer: str = Field(default="", description="what the last call came to")
    created_at: datetime
    settled_at: datetime | None = None
    __table_args__: Any = (partial_index("ix_webhook_call_due", "due_at", where="state = 'pending'"),)
