"""Tables of the outbox: promises (deliveries, notices), attempts, workers, rate limits."""

from datetime import date, datetime
from typing import Any

from sqlalchemy import JSON, Column, UniqueConstraint, false
from sqlmodel import Field, SQLModel

from digest.outbox.states import State
from digest.runtime.partial_index import partial_index

ODD = "'deferred', 'rejected', 'expired', 'skipped', 'cancelled', 'uncertain'"


class Promise(SQLModel):
    """Common columns of deliveries and notices: state, due time, and the attempt that owns it."""

    state: str = Field(default=State.PENDING, max_length=12)
    reason: str = Field(default="", description="why it is in this state, in words for a person")
    due_at: datetime
    attempts: int = Field(default=0, description="attempts started so far")
    attempt_id: str | None = Field(default=None, max_length=40, description="the attempt that started it last")
    worker_id: str | None = Field(default=None, max_length=40)
    started_at: datetime | None = None
    settled_at: datetime | None = None
    retried_at: datetime | None = Field(default=None, description="when a person made it due again")
    created_at: datetime


class Delivery(Promise, table=True):
    """The promise of one issue to one subscriber."""

    id: int | None = Field(default=None, primary_key=True)
    issue_id: int = Field(foreign_key="issue.id")
    subscriber_id: int = Field(foreign_key="subscriber.id", index=True)
    edition_id: int = Field(foreign_key="edition.id")
    family: str = Field(
        default="",
        max_length=40,
        sa_column_kwargs={"server_default": ""},
        description="whose mailboxes: a provider that throttles all its domains together, or empty",
    )
    __table_args__: Any = (
        UniqueConstraint("issue_id", "subscriber_id"),
        # Without it the planner takes the unique index and sorts: thirty times slower. The family comes first, so that
        # a family that must wait is not read past at each take.
        partial_index(
            "ix_delivery_due", "issue_id", "family", "due_at", "id", where="state IN ('pending', 'deferred')"
        ),
        partial_index("ix_delivery_open", "worker_id", where="state = 'started'"),
        # For metrics: what is neither waiting nor simply accepted is rare, and counted without the others.
        partial_index("ix_delivery_odd", "issue_id", "state", where=f"state IN ({ODD})"),
    )


class Notice(Promise, table=True):
    """A mail outside of issues: confirmation, welcome, goodbye, operators' mail. Unique by kind and key."""

    id: int | None = Field(default=None, primary_key=True)
    kind: str = Field(max_length=40)
    key: str = Field(max_length=200)
    subscriber_id: int | None = Field(default=None, foreign_key="subscriber.id")
    address: str = Field(max_length=320)
    name: str = ""
    language: str = Field(max_length=35)
    context: dict[str, Any] = Field(default_factory=dict, sa_column=Column(JSON, nullable=False))
    __table_args__: Any = (
        UniqueConstraint("kind", "key"),
        partial_index("ix_notice_due", "due_at", "id", where="state IN ('pending', 'deferred')"),
        partial_index("ix_notice_started", "id", where="state = 'started'"),
    )


class Attempt(SQLModel, table=True):
    """One attempt to send, committed before anything goes on the wire."""

    id: str = Field(primary_key=True, max_length=40)
    delivery_id: int | None = Field(default=None, foreign_key="delivery.id", index=True)
    notice_id: int | None = Field(default=None, foreign_key="notice.id", index=True)
    worker_id: str = Field(max_length=40)
    started_at: datetime
    ended_at: datetime | None = None
    outcome: str | None = Field(
        default=None, max_length=12, description="accepted | deferred | rejected | uncertain | not_sent"
    )
    code: int | None = Field(default=None, description="SMTP reply code")
    enhanced: str | None = Field(default=None, max_length=12, description="enhanced status code, RFC 3463")
    reply: str = Field(default="", description="the server's own words, cleaned of addresses")
    relay: str = ""
    by_evidence: bool = Field(
        default=False,
        sa_column_kwargs={"server_default": false()},
        description="the outcome comes from a log, a report or a person, not from the reply to this attempt",
    )


class BreakerRecord(SQLModel, table=True):
    """Refusals of one issue since it was last released, over all workers; see digest.outbox.breaker."""

    __tablename__ = "breaker"
    issue_id: int = Field(primary_key=True, foreign_key="issue.id")
    refused: str = Field(default="", description="ids of the deliveries refused in a row for reasons about us")
    rejected: int = Field(default=0, description="deliveries rejected since then")
    since: datetime | None = Field(default=None, description="when it was last released")


class WorkerRecord(SQLModel, table=True):
    """A delivering process; alive while its file lock is held (same host) or its heartbeat is fresh (elsewhere)."""

    __tablename__ = "worker"
    id: str = Field(primary_key=True, max_length=40)
    host: str
    pid: int
    started_at: datetime
    heartbeat_at: datetime
    stopped_at: datetime | None = None
    __table_args__: Any = (partial_index("ix_worker_open", "heartbeat_at", where="stopped_at IS NULL"),)


class PaceRecord(SQLModel, table=True):
    """Rate limit counts and throttling of a relay, mailbox family or domain; see digest.delivery.pace.

    One row for each scope that is limited or was throttled, shared by all workers.
    """

    __tablename__ = "pace"
    scope: str = Field(primary_key=True, max_length=300, description="relay:HOST:PORT | family:NAME | domain:NAME")
    second_at: datetime | None = Field(default=None, description="when the limit a second is used up to")
    hour_at: datetime | None = Field(default=None, description="when the limit an hour is used up to")
    day: date | None = Field(default=None, description="the day that `today` counts, in UTC")
    today: int = 0
    first_day: date | None = Field(default=None, description="the first day of the warm-up plan")
    held_until: datetime | None = None
    ramp: int | None = Field(default=None, description="connections allowed after a throttling; NULL when it is over")
