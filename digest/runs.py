"""issue_run rows: whoever inserts (schedule, period) owns the month's run."""

from datetime import datetime
from typing import Any

from sqlalchemy import JSON, Column, UniqueConstraint
from sqlmodel import Field, SQLModel


class IssueRun(SQLModel, table=True):
    """One scheduled execution for one period."""

    __tablename__ = "issue_run"
    id: int | None = Field(default=None, primary_key=True)
    schedule: str = Field(max_length=60)
    period: str = Field(max_length=10)
    due_at: datetime
    state: str = Field(max_length=16, description="running | waiting | done | missed | skipped | failed")
    step: str = Field(default="", max_length=20)
    detail: dict[str, Any] = Field(default_factory=dict, sa_column=Column(JSON, nullable=False))
    issue_id: int | None = Field(default=None, foreign_key="issue.id")
    claimed_by: str = Field(max_length=80)
    claimed_at: datetime
    heartbeat_at: datetime
    finished_at: datetime | None = None
    __table_args__: Any = (UniqueConstraint("schedule", "period"),)
