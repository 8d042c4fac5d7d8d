"""Tables of articles, their history and pictures."""

from datetime import date, datetime
from enum import StrEnum
from typing import Any

from sqlalchemy import JSON, Column, LargeBinary, UniqueConstraint
from sqlmodel import Field, SQLModel


class Kind(StrEnum):
    """How an article is shown."""

    STORY = "story"
    GALLERY = "gallery"
    VIDEO = "video"
    VIDEOS = "videos"
    NOTICE = "notice"
    CITATION = "citation"


class Article(SQLModel, table=True):
    """An article in one language; its translations form a group with it."""

    id: int | None = Field(default=None, primary_key=True)
    slug: str = Field(unique=True, max_length=120)
    group: str = Field(index=True, max_length=120, description="slug of the original; its own slug for an original")
    language: str = Field(max_length=35)
    title: str
    summary: str = ""
    body: str = ""
    kind: str = Kind.STORY
    section: str | None = Field(default=None, description="slug of a section; None = the publication's first")
    topics: list[str] = Field(default_factory=list, sa_column=Column(JSON, nullable=False))
    starts_on: date | None = Field(default=None, index=True, description="first day; a month counts from its first")
    ends_on: date | None = None
    date_text: str = Field(default="", description="the date as written: 2021-09-17, 2021-09 or a range with /")
    sources: list[str] = Field(default_factory=list, sa_column=Column(JSON, nullable=False))
    link: str | None = None
    images: list[dict[str, Any]] = Field(default_factory=list, sa_column=Column(JSON, nullable=False))
    videos: list[dict[str, Any]] = Field(default_factory=list, sa_column=Column(JSON, nullable=False))
    citation: dict[str, Any] | None = Field(default=None, sa_column=Column(JSON))
    pin: bool = False
    weight: int = 0
    display: str | None = Field(default=None, description="full | summary | None = by rule")
    apply_by: date | None = None
    kept_out: bool = Field(default=False, description="of the archive; what an original says, its translations follow")
    content_hash: str = Field(max_length=64, description="SHA-256 of the canonical content")
    imported_hash: str | None = Field(default=None, max_length=64, description="content hash when last imported")
    source_path: str | None = None
    created_at: datetime
    updated_at: datetime


class ArticleHistory(SQLModel, table=True):
    """Content of an article before a change; append-only."""

    __tablename__ = "article_history"
    id: int | None = Field(default=None, primary_key=True)
    article_id: int = Field(foreign_key="article.id", index=True)
    content_hash: str = Field(max_length=64)
    content: dict[str, Any] = Field(sa_column=Column(JSON, nullable=False))
    replaced_at: datetime
    __table_args__ = (UniqueConstraint("article_id", "content_hash", "replaced_at"),)


class UnsavedArticle(SQLModel, table=True):
    """What somebody typed at the desk and has not saved: one text a person and article, the last."""

    __tablename__ = "unsaved_article"
    id: int | None = Field(default=None, primary_key=True)
    who: str = Field(max_length=120)
    slug: str = Field(max_length=120, description="empty for a new article")
    base_hash: str = Field(max_length=64, description="content hash of what was opened")
    content: dict[str, object] = Field(sa_column=Column(JSON, nullable=False))
    saved_at: datetime
    __table_args__ = (UniqueConstraint("who", "slug"),)


class Media(SQLModel, table=True):
    """An image or a file to download, stored by the hash of its bytes, kept for ever."""

    hash: str = Field(primary_key=True, max_length=64)
    extension: str = Field(max_length=8, description="jpg | png | gif")
    width: int
    height: int
    content: bytes = Field(sa_column=Column(LargeBinary, nullable=False))
    created_at: datetime
