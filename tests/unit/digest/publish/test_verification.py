"""A frozen issue is compared with its hashes and with a new build; what differs is named, with the reason."""

from collections.abc import Iterator
from datetime import UTC, datetime
from pathlib import Path

import pytest
from sqlalchemy import Engine, text
from sqlmodel import select

from digest.articles.models import Article
from digest.issues import store as issue_store
from digest.publish import freeze, lifecycle
from digest.publish.publisher import Publisher
from digest.publish.verification import Differing, Verification, verify
from digest.runtime.db import session_scope
from digest.runtime.errors import RefusedError
from tests.support import web_sample
from tests.support.frozen import Frozen

NOW = datetime(2021, 9, 30, tzinfo=UTC)
ARTICLE = "wsce-2021"


def in_lines(pieces: tuple[str, ...]) -> list[str]:
    return "".join(pieces).splitlines(keepends=True)


@pytest.fixture
def press(frozen: Frozen, database_kind: str, tmp_path: Path) -> Iterator[Publisher]:
    """Issue 21 frozen, each line of its editions a fragment."""

    def fill(engine: Engine, workspace: Path) -> None:
        with pytest.MonkeyPatch.context() as patched:
            patched.setattr(freeze, "uncut", in_lines)
            web_sample.send_out(web_sample.issue_21(engine, workspace, NOW), NOW)

    with frozen.copy(database_kind, "issue-21-in-lines", fill, tmp_path / "workspace") as engine:
        yield web_sample.press_on(engine, tmp_path / "workspace")


def verified(press: Publisher) -> Verification:
    with session_scope(press.engine, read_only=True) as session:
        return verify(press, session, issue_store.find(session, 21))


def changed(press: Publisher, statement: str, **values: object) -> Verification:
    with session_scope(press.engine) as session:
        assert session.execute(text(statement), values).rowcount >= 1  # type: ignore[attr-defined]
    return verified(press)


def test_a_frozen_issue_is_equal(press: Publisher) -> None:
    found = verified(press)
    assert (found.changed, found.differs) == ([], [])
    assert found.editions > 5
    assert found.as_json()["equal"] is True


def test_one_changed_byte_names_fragment_editions_and_article(press: Publisher) -> None:
    statement = "UPDATE fragment SET content = content || ' ' WHERE number = :n"
    with session_scope(press.engine, read_only=True) as session:
        article = session.exec(select(Article).where(Article.slug == ARTICLE)).one()
        query = text("SELECT min(number) FROM fragment WHERE content LIKE :title")
        number = session.execute(query, {"title": f"%{article.title}%"}).scalar_one()
    found = changed(press, statement, n=number)
    assert [one.what for one in found.differs] == [Differing.FRAGMENT]
    (one,) = found.differs
    assert (one.fragment, one.article) == (number, ARTICLE)
    assert len(one.editions) > 1
    assert "digest db restore" in one.what.remedy


def test_a_missing_fragment_does_not_hide_the_others(press: Publisher) -> None:
    found = changed(press, "DELETE FROM fragment WHERE number IN (3, 5)")
    assert [(one.what, one.fragment) for one in found.differs] == [(Differing.FRAGMENT, 3), (Differing.FRAGMENT, 5)]


@pytest.mark.parametrize("column", ["subject = 'Another'", "preheader = 'Another'", "articles = '[]'"])
def test_a_changed_edition_is_named(press: Publisher, column: str) -> None:
    found = changed(press, f"UPDATE edition SET {column} WHERE id = 2")
    assert (Differing.EDITION, [2]) in [(one.what, list(one.editions)) for one in found.differs]


def test_an_edition_that_joins_other_fragments_is_named(press: Publisher) -> None:
    statement = "UPDATE edition_fragment SET fragments = '[1, 2, 3]' WHERE edition_id = 2 AND part = 'html'"
    found = changed(press, statement)
    assert (Differing.EDITION, [2]) in [(one.what, list(one.editions)) for one in found.differs]


def test_a_changed_article_is_the_reason(press: Publisher) -> None:
    statement = "UPDATE article SET title = 'Another', content_hash = 'x' WHERE slug = :slug"
    found = changed(press, statement, slug=ARTICLE)
    (one,) = found.differs
    assert one.what is Differing.SOURCES
    assert one.message == f"The original editions cannot be rebuilt: article {ARTICLE} changed"
    assert 0 < len(one.editions) < found.editions, "editions without it are equal"
    assert found.changed == [f"article {ARTICLE} changed"]


def test_changed_settings_are_the_reason(press: Publisher) -> None:
    config = press.settings.workspace / "digest.toml"
    config.write_text(config.read_text().replace("once a month", "twice a month"))
    found = verified(web_sample.press_on(press.engine, press.settings.workspace))
    assert found.changed == ["publication and identity changed"]
    assert [one.what for one in found.differs] == [Differing.SOURCES]


def test_sources_that_are_gone_are_said(press: Publisher) -> None:
    with session_scope(press.engine) as session:
        issue = issue_store.find(session, 21, lock=True)
        issue.state = "frozen"  # nobody got it: its articles are free
        lifecycle.withdraw(session, issue, NOW)
    found = verified(press)
    assert {one.what for one in found.differs} == {Differing.SOURCES}
    assert all(one.message.startswith("The editions cannot be built: the issue no longer has") for one in found.differs)


def test_other_bytes_from_equal_sources_are_said(press: Publisher, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(freeze, "uncut", lambda pieces: [*pieces, "more"])
    found = verified(press)
    assert [(one.what, len(one.editions)) for one in found.differs] == [(Differing.BUILD, found.editions)]


def test_an_issue_that_is_not_frozen_is_refused(frozen: Frozen, sqlite_engine: Engine, tmp_path: Path) -> None:
    press = web_sample.issue_21(sqlite_engine, tmp_path / "workspace", NOW)
    with pytest.raises(RefusedError, match="no stored editions"):
        verified(press)
