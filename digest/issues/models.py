"""Tables of the second stage: issues and their articles."""

from datetime import date, datetime
from typing import Any

from sqlalchemy import JSON, Column, UniqueConstraint, false
from sqlmodel import Field, SQLModel


class Issue(SQLModel, table=True):
    """A numbered issue for one period. Localised texts are keyed by language code."""

    id: int | None = Field(default=None, primary_key=True)
    number: int = Field(unique=True)
    period: str = Field(max_length=10, index=True, description="YYYY-MM in the publisher's time zone")
    date: date
    state: str = Field(default="draft", index=True)
    subject: dict[str, str] = Field(default_factory=dict, sa_column=Column(JSON, nullable=False))
    preheader: dict[str, str] = Field(default_factory=dict, sa_column=Column(JSON, nullable=False))
    intro: dict[str, str] = Field(default_factory=dict, sa_column=Column(JSON, nullable=False))
    left_out: list[dict[str, str]] = Field(default_factory=list, sa_column=Column(JSON, nullable=False))
    waivers: list[dict[str, str]] = Field(
        default_factory=list,
        sa_column=Column(JSON, nullable=False, server_default="[]"),
        description="findings that stand: id, where, message, reason",
    )
    approved_hash: str | None = Field(default=None, max_length=64)
    approved_manifest: dict[str, str] | None = Field(
        default=None, sa_column=Column(JSON), description="part -> hash, so that a difference can be named"
    )
    approved_by: str | None = None
    approvals: list[dict[str, str]] = Field(
        default_factory=list,
        sa_column=Column(JSON, nullable=False, server_default="[]"),
        description="of approved_hash: name, login (empty before accounts exist), route",
    )
    approved_at: datetime | None = None
    frozen_at: datetime | None = None
    sent_at: datetime | None = None
    held: bool = Field(default=False, description="stopped, by an operator or by us: no take starts anything")
    held_reason: str = Field(default="", sa_column_kwargs={"server_default": ""}, description="why it is held")
    holds: int = Field(default=0, sa_column_kwargs={"server_default": "0"}, description="how often it was held so far")
    special: bool = Field(
        default=False, sa_column_kwargs={"server_default": false()}, description="outside the calendar; chosen by hand"
    )
    corrects: int | None = Field(
        default=None, description="number of the issue that it corrects; only readers of that article get it"
    )
    corrected_article: str = Field(
        default="", max_length=120, sa_column_kwargs={"server_default": ""}, description="group of the article"
    )
    rest_at: datetime | None = Field(
        default=None, description="while a canary is watched: nothing that is due from then on is started"
    )
    excluded: dict[str, int] = Field(default_factory=dict, sa_column=Column(JSON, nullable=False))
    kept_out: bool = Field(default=False, description="of the archive: no list, page, search or feed has it")
    note: dict[str, str] = Field(default_factory=dict, sa_column=Column(JSON, nullable=False))
    archive_changed_at: datetime | None = Field(default=None, description="when what the archive says last changed")
    planned: int | None = Field(default=None, description="deliveries planned at freezing; none is ever taken away")
    build_seconds: float | None = Field(default=None, description="how long building the editions took at freezing")
    created_at: datetime


class IssueItem(SQLModel, table=True):
    """One article in an issue. `group` keeps a late translation from counting as a new article."""

    __tablename__ = "issue_item"
    id: int | None = Field(default=None, primary_key=True)
    issue_id: int = Field(foreign_key="issue.id", index=True)
    article_id: int = Field(foreign_key="article.id")
    group: str = Field(index=True, max_length=120)
    section: str = Field(max_length=120)
    position: int
    reason: str = Field(default="", description="why it was chosen")
    __table_args__: Any = (UniqueConstraint("issue_id", "article_id"), UniqueConstraint("issue_id", "group"))
