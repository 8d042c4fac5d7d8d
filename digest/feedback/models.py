"""Table of feedback events."""

from datetime import datetime
from enum import StrEnum
from typing import Any, Final

from sqlalchemy import JSON, Column
from sqlmodel import Field, SQLModel

from digest.runtime.partial_index import partial_index


class FeedbackKind(StrEnum):
    """Kind of a feedback event: what it means for the reader it is about."""

    HARD = "hard"
    """The address has no mailbox."""
    SOFT = "soft"
    """Not delivered, for another reason that is not ours: mailbox full, server away."""
    POLICY = "policy"
    """Not delivered for a reason that is ours: reputation, authentication, content, rate."""
    COMPLAINT = "complaint"
    DELIVERED = "delivered"
    """The relay has it, or has passed it on; also while it keeps trying."""
    IGNORED = "ignored"
    """An automatic reply, a challenge, a receipt, a notice of a delay."""
    UNKNOWN = "unknown"
    """A mail that no reader of ours understands."""
    LIFTED = "lifted"
    """A person took the address off the never-send list; what came before does not count any more."""


class EventSource(StrEnum):
    """Where an event comes from."""

    REPLY = "reply"
    MAIL = "mail"
    WEBHOOK = "webhook"
    PERSON = "person"


FAILURES = (FeedbackKind.HARD, FeedbackKind.SOFT, FeedbackKind.POLICY)


class FeedbackEvent(SQLModel, table=True):
    """A refusal, bounce, complaint or other reaction to a mail. The unique event id makes a repeat harmless.

    Without a delivery or notice it could not be assigned to one, and changes nothing.
    """

    __tablename__ = "feedback_event"
    id: int | None = Field(default=None, primary_key=True)
    event_id: str = Field(unique=True, max_length=128)
    kind: str = Field(max_length=20, description="one of FeedbackKind")
    source: str = Field(default=EventSource.MAIL, max_length=8, description="one of EventSource")
    reason: str = Field(default="", max_length=24, description="of a failure: one of digest.delivery.outcome.Reason")
    issue_id: int | None = Field(default=None, foreign_key="issue.id")
    delivery_id: int | None = Field(default=None, foreign_key="delivery.id", index=True)
    notice_id: int | None = Field(default=None, foreign_key="notice.id")
    subscriber_id: int | None = Field(default=None, foreign_key="subscriber.id", index=True)
    detail: dict[str, Any] = Field(
        default_factory=dict,
        sa_column=Column(JSON, nullable=False),
        description="code, enhanced, words (the server's, without addresses), reader (what understood it), attempt",
    )
    sample: str | None = Field(default=None, description="the beginning of the mail; kept for [feedback] sample_days")
    happened_at: datetime = Field(description="when it was recorded")
    acted_at: datetime | None = Field(default=None, description="when its consequences were drawn; NULL: they wait")
    __table_args__: Any = (
        partial_index("ix_feedback_event_waiting", "issue_id", "id", where="acted_at IS NULL"),
        partial_index("ix_feedback_event_issue", "issue_id", "kind", where="issue_id IS NOT NULL"),
        partial_index("ix_feedback_event_sample", "happened_at", where="sample IS NOT NULL"),
    )


EVENT: Final = SQLModel.metadata.tables[FeedbackEvent.__tablename__]
