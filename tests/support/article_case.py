"""An article's file on its way to readers: imported into a database, then rendered as an issue of its own."""

import re
from dataclasses import dataclass, field
from datetime import date
from functools import cache
from pathlib import Path

from sqlmodel import select

from digest.articles.importing import ArticleImportReport
from digest.articles.models import Article
from digest.editions.segment import Selection
from digest.issues.models import Issue
from digest.render.content import EditionViews, IssueContent
from digest.render.context import EditionContext
from digest.render.edition import Rendered, render_edition
from digest.render.loader import Templates
from digest.settings.publication import Publication
from digest.settings.root import Settings
from tests.support.editor import KNOWN, Desk

_STYLE = re.compile(r' (?:style|width|height|valign|class)="[^"]*"')


@dataclass(frozen=True)
class Read:
    """What the import said, and both parts as a reader gets them; `bare` is the HTML without looks."""

    report: ArticleImportReport
    rendered: Rendered | None
    said: str = field(init=False)

    def __post_init__(self) -> None:
        lines = [f"{one}\n{one.hint}" for one in (*self.report.problems, *self.report.notes)]
        object.__setattr__(self, "said", "\n".join(lines))

    @property
    def html(self) -> str:
        return self.rendered.html if self.rendered else ""

    @property
    def bare(self) -> str:
        return _STYLE.sub("", self.html)

    @property
    def text(self) -> str:
        return self.rendered.text if self.rendered else ""


@cache
def settings() -> Settings:
    publication = Publication(
        name="Town news",
        sender_name="Town",
        sender_address="news@example.org",
        list_id="news.example.org",
        postal_address="1 Main Street, Sampletown",
        base_url="https://digest.example.org",
        language="en",
    )
    sections = [{"slug": slug, "title": slug.title()} for slug in KNOWN.sections]
    secrets = {"link_keys": ["k"], "suppression_key": "s", "message_key": "m"}
    return Settings(publication=publication, section=sections, secrets=secrets)


@cache
def templates() -> Templates:
    return Templates()


def context_of(articles: list[Article], language: str = "en") -> EditionContext:
    """The context of an issue that holds these articles, in order."""
    issue = Issue(number=1, period="2026-11", date=date(2026, 11, 30), created_at=articles[0].created_at)
    content = IssueContent(
        issue,
        {one.slug: one.section or "issue" for one in articles},
        {one.slug: {one.language: one} for one in articles},
    )
    shown = tuple((one.slug, one.section or "issue") for one in articles)
    selection = Selection(language=language, shown=shown, left_out=())
    return EditionViews(content, language, settings(), templates().translate(language)).context(selection)


def read(desk: Desk, *paths: Path, language: str = "en") -> Read:
    """Import files, and render what was taken."""
    report = desk.load(*paths)
    taken = list(desk.session.exec(select(Article).where(Article.slug.in_(report.created))))  # type: ignore[attr-defined]
    return Read(report, render_edition(context_of(taken, language), templates()) if taken else None)
