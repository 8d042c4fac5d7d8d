"""Table of feedback events."""

from datetime import datetime
from typing import Any

from sqlalchemy import JSON, Column
from sqlmodel import Field, SQLModel


class FeedbackEvent(SQLModel, table=True):
    """A bounce, complaint or one-click unsubscribe. The unique event id makes a repeat harmless."""

    __tablename__ = "feedback_event"
    id: int | None = Field(default=None, primary_key=True)
    event_id: str = Field(unique=True, max_length=128)
    kind: str = Field(max_length=20)
    delivery_id: int | None = Field(default=None, foreign_key="delivery.id", index=True)
    subscriber_id: int | None = Field(default=None, foreign_key="subscriber.id")
    detail: dict[str, Any] = Field(default_factory=dict, sa_column=Column(JSON, nullable=False))
    happened_at: datetime
