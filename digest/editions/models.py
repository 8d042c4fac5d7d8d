"""Tables of the third stage: the distinct editions of an issue, rendered, and the archive's articles."""

from datetime import datetime
from typing import Any

from sqlalchemy import JSON, Column, PrimaryKeyConstraint, UniqueConstraint
from sqlmodel import Field, SQLModel


class Edition(SQLModel, table=True):
    """One version of an issue: articles for a set of interests, in one language, rendered but for the slots."""

    id: int | None = Field(default=None, primary_key=True)
    issue_id: int = Field(foreign_key="issue.id", index=True)
    content_hash: str = Field(max_length=64, description="SHA-256 of subject, preheader, html and text")
    archive: bool = Field(default=False, description="the whole issue for the archive page; goes to no reader")
    language: str = Field(max_length=35)
    frequency: str = Field(
        default="every",
        max_length=8,
        sa_column_kwargs={"server_default": "every"},
        description="every; second and third: the same articles, and the titles of the issues in between",
    )
    articles: list[str] = Field(sa_column=Column(JSON, nullable=False), description="slugs, in order")
    subject: str
    preheader: str
    nonce: str = Field(max_length=16, description="what marks the slots in html and text")
    html: str = Field(default="", description="of editions frozen before there were fragments; else empty")
    text: str = Field(default="", description="of editions frozen before there were fragments; else empty")
    created_at: datetime
    __table_args__: Any = (UniqueConstraint("issue_id", "content_hash"),)


class StoredFragment(SQLModel, table=True):
    """A piece of the parts of an issue's editions, stored once for all of them."""

    __tablename__ = "fragment"
    issue_id: int = Field(foreign_key="issue.id")
    number: int = Field(description="from 1, within the issue")
    content_hash: str = Field(max_length=64, description="SHA-256 of the content")
    content: str
    __table_args__: Any = (PrimaryKeyConstraint("issue_id", "number"), UniqueConstraint("issue_id", "content_hash"))


class EditionFragments(SQLModel, table=True):
    """Which fragments of its issue an edition's part is joined of."""

    __tablename__ = "edition_fragment"
    edition_id: int = Field(foreign_key="edition.id")
    part: str = Field(max_length=4, description="html or text")
    fragments: list[int] = Field(sa_column=Column(JSON, nullable=False), description="their numbers, in order")
    __table_args__: Any = (PrimaryKeyConstraint("edition_id", "part"),)


class ArchivedArticle(SQLModel, table=True):
    """One article as an archive edition shows it, for search and feeds, whatever becomes of the article later."""

    __tablename__ = "archived_article"
    id: int | None = Field(default=None, primary_key=True)
    edition_id: int = Field(foreign_key="edition.id")
    position: int
    group: str = Field(max_length=120, description="the article's anchor in the page")
    language: str = Field(max_length=35, description="the article's own, where it was not translated")
    section: str = Field(max_length=120)
    topics: list[str] = Field(sa_column=Column(JSON, nullable=False))
    title: str
    summary: str
    folded: str = Field(description="all its words, as digest.editions.search_terms folds them")
    __table_args__: Any = (UniqueConstraint("edition_id", "position"),)
