"""Removal of articles: what an issue carries or others translate stays."""

from collections.abc import Iterator
from datetime import date, datetime
from pathlib import Path

import pytest
from sqlalchemy import Engine
from sqlmodel import Session, select

from digest.articles import store
from digest.articles.models import Article, ArticleHistory
from digest.issues.models import Issue, IssueItem
from digest.publish.remove_articles import remove_article
from digest.runtime.errors import NotFoundError, RefusedError
from tests.support.editor import Desk


@pytest.fixture
def desk(engine: Engine, tmp_path: Path, now: datetime) -> Iterator[Desk]:
    with Session(engine, expire_on_commit=False) as session:
        desk = Desk(session, tmp_path / "articles", now)
        desk.write("a.md", "title: A")
        desk.write("ko.md", "title: B\nlang: ko\ntranslation_of: a.md")
        desk.load()
        yield desk


def test_an_article_goes_with_its_history_its_translation_first(desk: Desk) -> None:
    desk.write("ko.md", "title: B\nlang: ko\ntranslation_of: a", "New.")
    assert desk.load().updated == ["b"]
    with pytest.raises(RefusedError, match="b translates a") as refused:
        remove_article(desk.session, "a")
    assert refused.value.hint == "Remove b first."
    remove_article(desk.session, "b")
    remove_article(desk.session, "a")
    assert desk.session.exec(select(Article)).all() == []
    assert desk.session.exec(select(ArticleHistory)).all() == []
    with pytest.raises(NotFoundError):
        remove_article(desk.session, "a")


@pytest.mark.parametrize("slug", ["a", "b"])
def test_what_an_issue_carries_stays(desk: Desk, slug: str) -> None:
    issue = Issue(number=21, period="2021-09", date=date(2021, 9, 30), created_at=desk.now)
    desk.session.add(issue)
    desk.session.flush()
    article_id = store.get(desk.session, "a").id
    desk.session.add(IssueItem(issue_id=issue.id, article_id=article_id, group="a", section="s", position=0))
    desk.session.flush()
    with pytest.raises(RefusedError, match=f"{slug} is in issue 21") as refused:
        remove_article(desk.session, slug)
    assert "--drop a" in refused.value.hint
