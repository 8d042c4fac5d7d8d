"""Readers of every second or third issue: their edition lists the titles of the issues in between, and no other does."""

import re
import shutil
from collections.abc import Iterator
from dataclasses import replace
from datetime import UTC, date, datetime
from pathlib import Path
from typing import Any

import pytest
from sqlalchemy import Engine
from sqlmodel import Session, select
from starlette.testclient import TestClient

from digest.articles.importing import import_paths
from digest.articles.intake import KnownSlugs
from digest.editions import store as edition_store
from digest.editions.models import Edition
from digest.editions.segment import EmptyRule, ReaderGroup, segment
from digest.issues import store
from digest.issues.models import Issue
from digest.issues.period import Period
from digest.outbox.models import Delivery
from digest.publish import build, freeze, lifecycle
from digest.publish.approval import Approver, NotApprovedError
from digest.publish.publisher import Publisher
from digest.render.loader import Templates
from digest.runtime.db import session_scope
from digest.settings.root import load_settings
from digest.testing import FrozenClock
from digest.web.app import preview_app
from subscribers.audience import in_between
from subscribers.models import Subscriber, SubscriberState
from tests.support.frozen import Frozen

SAMPLE = Path(__file__).resolve().parents[4] / "digest" / "workspace" / "sample"
NOW = datetime(2021, 9, 30, tzinfo=UTC)
LATER = datetime(2021, 10, 31, tzinfo=UTC)
SECRETS = '[secrets]\nlink_keys = ["0123456789abcdef"]\nsuppression_key = "0123456789abcdef0123456789abcdef"\nmessage_key = "m"\n'
OCTOBER = """---
title: {title}
date: 2021-10-12
section: news
topics: [{topics}]
---

What October brought.
"""
# ref -> language, interests, frequency
READERS = {
    "all": ("en", "*", "every"),
    "all2": ("en", "*", "second"),
    "all3": ("en", "*", "third"),
    "safe": ("en", "safety", "every"),
    "safe3": ("en", "safety", "third"),
    "ko2": ("ko", "*", "second"),
}


@pytest.fixture
def press(frozen: Frozen, database_kind: str, tmp_path: Path) -> Iterator[Publisher]:
    workspace = tmp_path / "workspace"
    with frozen.copy(database_kind, "two-months", imported, workspace) as engine:
        yield Publisher(load_settings(workspace), engine, Templates(workspace / "templates"))


def imported(engine: Engine, workspace: Path) -> None:
    (workspace / "october").mkdir()
    shutil.copy(SAMPLE / "digest.toml", workspace)
    (workspace / "secrets.toml").write_text(SECRETS)
    for name, topics in (("Winter buses", "mobility"), ("Winter roads", "safety"), ("A note to everyone", "")):
        path = workspace / "october" / f"{name.lower().replace(' ', '-')}.md"
        path.write_text(OCTOBER.format(title=name, topics=topics).replace("section: news\n", ""))
    settings = load_settings(workspace)
    known = KnownSlugs([s.slug for s in settings.section], [i.slug for i in settings.interest], "en")
    articles = [SAMPLE / "articles", workspace / "october"]
    with session_scope(engine) as session:
        assert import_paths(session, articles, known=known, now=NOW).problems == []
        for ref, (language, interests, frequency) in READERS.items():
            values: dict[str, Any] = {"language": language, "interests": interests, "frequency": frequency}
            address = f"{ref}@example.org"
            session.add(
                Subscriber(
                    ref=ref,
                    address=address,
                    address_key=address,
                    state=SubscriberState.CONFIRMED,
                    created_at=NOW,
                    **values,
                )
            )


def assembled(press: Publisher, number: int, period: Period, now: datetime, *, then: str = "") -> None:
    with session_scope(press.engine) as session:
        issue = lifecycle.assemble(press, session, period, number=number, issue_date=period.last, now=now)
        assert lifecycle.approve(press, session, issue, Approver("Ada"), now)
    if then:
        with session_scope(press.engine) as session:
            issue = store.find(session, number, lock=True)
            freeze.freeze(press, session, issue, now)
            issue.state = then
            session.add(issue)


def september(press: Publisher, number: int = 23, state: str = "sent") -> None:
    assembled(press, number, Period(2021, 9), NOW, then=state)


def frozen(press: Publisher, number: int = 24) -> dict[str, Edition]:
    """Freeze the October issue; return the edition of each reader."""
    assembled(press, number, Period(2021, 10), LATER, then="sending")
    with session_scope(press.engine, read_only=True) as session:
        rows = session.exec(
            select(Subscriber.ref, Edition)
            .join(Delivery, Delivery.subscriber_id == Subscriber.id)  # type: ignore[arg-type]
            .join(Edition, Edition.id == Delivery.edition_id)  # type: ignore[arg-type]
            .join(Issue, Issue.id == Delivery.issue_id)  # type: ignore[arg-type]
            .where(Issue.number == number)
        ).all()
        parts = {edition.id: edition_store.document(session, edition) for _, edition in rows}
    for _, edition in rows:  # their session has ended: this goes nowhere
        edition.html, edition.text = parts[edition.id].html, parts[edition.id].text
    return dict(rows)


def titles(session: Session, number: int, language: str) -> list[str]:
    issue = store.find(session, number)
    content = build.content_of(session, issue)
    return [content.titled(group, language).title for group in content.articles]


def flat(text: str) -> str:
    return " ".join(re.sub(r"<[^>]+>", " ", text).replace("&amp;", "&").split())


@pytest.mark.parametrize(
    ("number", "expected"),
    [(1, {}), (2, {"second": [1]}), (3, {"third": [1, 2]}), (6, {"second": [5], "third": [4, 5]}), (25, {})],
)
def test_the_issues_in_between_follow_from_the_number(number: int, expected: dict[str, list[int]]) -> None:
    assert {str(frequency): list(numbers) for frequency, numbers in in_between(number).items()} == expected


def test_only_readers_who_lack_an_issue_find_all_its_titles(press: Publisher) -> None:
    september(press)
    editions = frozen(press)
    assert set(editions) == set(READERS)
    with session_scope(press.engine, read_only=True) as session:
        lacked = {language: titles(session, 23, language) for language in ("en", "ko")}
    assert len(lacked["en"]) > 5
    for ref, edition in editions.items():
        lacks, link = READERS[ref][2] != "every", f"/archive/23?lang={edition.language}#"
        assert (link in edition.html) == (link in edition.text) == lacks, ref
        if lacks:
            for part in (edition.html, edition.text):
                shown = flat(part).partition("From the issues in between" if edition.language == "en" else "그사이")[2]
                missing = [title for title in lacked[edition.language] if flat(title) not in shown]
                assert missing == [], (ref, missing)
    assert editions["all"].articles == editions["all2"].articles == editions["all3"].articles
    assert editions["safe"].articles == editions["safe3"].articles != editions["all"].articles
    assert editions["all2"].id != editions["all3"].id, "they are told how often they get one"


@pytest.mark.one_database
def test_where_nothing_is_lacking_a_frequency_has_no_edition(press: Publisher) -> None:
    editions = frozen(press, 24)  # 22 and 23 were never published
    assert editions["all"].id == editions["all2"].id == editions["all3"].id
    assert {edition.frequency for edition in editions.values()} == {"every"}


@pytest.mark.one_database
@pytest.mark.parametrize("state", ["frozen", "withdrawn"])
def test_an_issue_that_the_archive_does_not_show_is_not_named(press: Publisher, state: str) -> None:
    september(press, state=state)
    assert not any("/archive/23" in edition.html for edition in frozen(press).values())


def test_a_change_in_between_voids_the_approval_and_is_named(press: Publisher) -> None:
    september(press)
    assembled(press, 24, Period(2021, 10), LATER)
    with session_scope(press.engine) as session:
        issue = store.find(session, 23)
        issue.state = "withdrawn"
        session.add(issue)
    with session_scope(press.engine) as session, pytest.raises(NotApprovedError, match="issues in between"):
        freeze.freeze(press, session, store.find(session, 24, lock=True), LATER)


@pytest.mark.one_database
def test_previews_and_test_mails_come_from_the_same_bytes(press: Publisher) -> None:
    september(press)
    with session_scope(press.engine) as session:
        issue = lifecycle.assemble(
            press, session, Period(2021, 10), number=24, issue_date=date(2021, 10, 31), now=LATER
        )
        before = build.build(press, session, issue, LATER)
        again = build.build(press, session, issue, LATER)
        assert [e.rendered.html for e in before.editions] == [e.rendered.html for e in again.editions]
        assert not before.blocking
    editions = frozen(press)
    seen = {edition.rendered.html for edition in before.editions}
    assert {edition.html for edition in editions.values()} == seen
    with session_scope(press.engine, read_only=True) as session:
        issue = store.find(session, 24)
        for ref, (language, interests, frequency) in READERS.items():
            selection = build.selection_for(press, session, issue, ReaderGroup(language, interests, frequency))
            assert selection is not None
            stored = build.stored_rendering(session, issue, selection)
            assert stored is not None
            assert stored.html == editions[ref].html


@pytest.mark.one_database
def test_the_desk_shows_the_edition_of_a_frequency(press: Publisher) -> None:
    september(press)
    assembled(press, 24, Period(2021, 10), LATER)
    app = preview_app(press, 24, FrozenClock(LATER))
    with TestClient(app, base_url="http://127.0.0.1") as desk:
        assert "everything, every third issue" in desk.get("/").text
        for frequency, shown in (("third", True), ("every", False)):
            frame = desk.get(f"/frame?language=en&interests=*&frequency={frequency}").text
            assert ("/archive/23?lang=" in frame) is shown
        third = desk.get("/reader/all3").text
        assert "frequency=third" in third
        assert desk.get("/frame?language=en&frequency=daily").status_code == 400


@pytest.mark.one_database
def test_no_mail_for_titles_in_between_where_no_interest_matches(press: Publisher) -> None:
    september(press)
    with session_scope(press.engine) as session:
        issue = lifecycle.assemble(
            press, session, Period(2021, 10), number=24, issue_date=date(2021, 10, 31), now=LATER
        )
        content = build.content_of(session, issue)
        items = [item for item in build.items_for_segment(content) if item.topics]
        reading = ReaderGroup("en", "certification", "third")
        skip = replace(press.rules, empty=EmptyRule.SKIP)
        found = segment(items, [reading], press.settings.catalogue, skip, content.earlier)
        assert found.selections[reading] is None
