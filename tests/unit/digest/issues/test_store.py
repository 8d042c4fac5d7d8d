"""Issues on both databases: assembling, numbers, editing by hand."""

from datetime import date, datetime
from pathlib import Path

import pytest
from sqlalchemy import Engine
from sqlmodel import Session

from digest.articles.models import Article
from digest.issues import edit, store
from digest.issues.assemble import SectionRule
from digest.issues.lifecycle import IssueState
from digest.issues.models import Issue
from digest.issues.period import Period
from digest.runtime.db import session_scope
from digest.runtime.errors import NotFoundError, RefusedError, UsageError

SECTIONS = [SectionRule("lead"), SectionRule("news")]
ORDER = ["lead", "news"]
SEPTEMBER = Period(2021, 9)


def article(slug: str, now: datetime, *, day: int = 5, section: str = "news", group: str | None = None) -> Article:
    return Article(
        slug=slug,
        group=group or slug,
        language="ko" if group else "en",
        title=slug,
        section=section,
        starts_on=date(2021, 9, day),
        content_hash="0" * 64,
        created_at=now,
        updated_at=now,
    )


@pytest.fixture
def stocked(engine: Engine, now: datetime) -> Engine:
    with session_scope(engine) as session:
        session.add_all(
            [
                article("a", now, day=3),
                article("b", now, day=2),
                article("c", now, day=1),
                article("top", now, section="lead"),
            ]
        )
        session.add(article("a-ko", now, group="a"))
    return engine


def assembled(session: Session, now: datetime, number: int | None = None, period: Period = SEPTEMBER) -> Issue:
    return store.assemble_issue(session, period, SECTIONS, number=number, issue_date=period.last, now=now)


def order_of(session: Session, issue: Issue) -> list[str]:
    return [f"{item.section}:{item.group}" for item, _ in store.items_of(session, issue)]


def test_a_translation_is_no_article_of_its_own(stocked: Engine, now: datetime) -> None:
    with session_scope(stocked) as session:
        issue = assembled(session, now)
        assert order_of(session, issue) == ["lead:top", "news:a", "news:b", "news:c"]
        assert store.translations_of(session, ["a"])["a"].keys() == {"en", "ko"}


def test_what_one_issue_carries_no_other_takes(stocked: Engine, now: datetime) -> None:
    with session_scope(stocked) as session:
        assembled(session, now).state = IssueState.SENT
    with session_scope(stocked) as session:
        session.add(article("late", now, day=30))
        october = assembled(session, now, period=Period(2021, 10))
        assert october.number == 2
        assert order_of(session, october) == ["news:late"]


def test_numbers_are_never_used_twice(stocked: Engine, now: datetime) -> None:
    with session_scope(stocked) as session:
        assembled(session, now, number=21)
    with session_scope(stocked) as session, pytest.raises(RefusedError, match="21"):
        assembled(session, now, number=21, period=Period(2021, 10))
    with session_scope(stocked) as session, pytest.raises(RefusedError, match="already has issue 21"):
        assembled(session, now, number=22)
    with session_scope(stocked) as session, pytest.raises(UsageError):
        assembled(session, now, number=0, period=Period(2021, 10))


def test_a_month_without_articles_makes_an_empty_draft(engine: Engine, now: datetime) -> None:
    with session_scope(engine) as session:
        issue = assembled(session, now)
        assert order_of(session, issue) == []
        assert issue.state == IssueState.DRAFT


def test_hand_made_changes_survive_assembling_again(stocked: Engine, now: datetime) -> None:
    with session_scope(stocked) as session:
        issue = assembled(session, now)
        edit.drop(session, issue, "b")
        edit.move_to(session, issue, edit.ArticlePosition.parse("c:news:1", set(ORDER)), ORDER)
        edit.set_texts(issue, "*", subject="By hand")
        assert order_of(session, issue) == ["lead:top", "news:c", "news:a"]
    with session_scope(stocked) as session:
        session.add(article("new", now, day=4))
        session.flush()
        issue = assembled(session, now)
        assert order_of(session, issue) == ["lead:top", "news:c", "news:new", "news:a"]
        assert issue.subject == {"*": "By hand"}
        edit.add(session, issue, "b", ORDER)
        assert order_of(session, issue)[-1] == "news:b"
        assert "b" not in {entry["slug"] for entry in issue.left_out}


def test_an_edit_voids_the_approval_and_a_frozen_issue_has_none(stocked: Engine, now: datetime) -> None:
    with session_scope(stocked) as session:
        issue = assembled(session, now)
        issue.state, issue.approved_hash = IssueState.APPROVED, "x"
    with session_scope(stocked) as session:
        assert store.editable(session, None).state == IssueState.DRAFT
        store.find(session, None).state = IssueState.FROZEN
    with session_scope(stocked) as session, pytest.raises(RefusedError):
        store.editable(session, None)


def test_editors_do_not_mean_an_issue_held_in_sending(stocked: Engine, now: datetime) -> None:
    with session_scope(stocked) as session:
        first, draft = (Issue(number=n, period="2021-09", date=now.date(), created_at=now) for n in (90, 80))
        first.state = IssueState.SENDING
        session.add_all([first, draft])
        session.flush()
        assert store.find(session, None).number == 90
        first.held = True
        session.flush()
        assert store.find(session, None).number == 80
        assert store.find(session, 90).number == 90


@pytest.mark.parametrize("text", ["a", "a:news", "a:news:0", "a:news:x", "a:gone:1", "a:news:1:2"])
def test_a_place_is_read_strictly(text: str) -> None:
    with pytest.raises(UsageError):
        edit.ArticlePosition.parse(text, set(ORDER))


def test_bad_hands_are_told(stocked: Engine, now: datetime, tmp_path: Path) -> None:
    with session_scope(stocked) as session:
        issue = assembled(session, now)
        for act in (lambda: edit.add(session, issue, "nothing", ORDER), lambda: edit.drop(session, issue, "nothing")):
            with pytest.raises(NotFoundError):
                act()
        with pytest.raises(RefusedError, match="once"):
            edit.add(session, issue, "a", ORDER)
        with pytest.raises(UsageError, match="translation"):
            edit.add(session, issue, "a-ko", ORDER)
        for subject in ("two\nlines", "nul\x00", "cr\rlf"):
            with pytest.raises(UsageError, match="subject"):
                edit.set_texts(issue, "*", subject=subject)
        with pytest.raises(UsageError, match="not a date"):
            edit.set_texts(issue, "*", issue_date="2021-02-31")
        (tmp_path / "latin.md").write_bytes(b"\xff\xfe")
        for path in (tmp_path / "latin.md", tmp_path / "missing.md", tmp_path):
            with pytest.raises(UsageError):
                edit.read_intro(path)
        with pytest.raises(UsageError, match="64 KB"):
            edit.set_texts(issue, "*", intro="가" * edit.INTRO_BYTES)


OCTOBER, NOVEMBER = Period(2021, 10), Period(2021, 11)


def reasons(session: Session, issue: Issue) -> dict[str, str]:
    chosen = {item.group: item.reason for item, _ in store.items_of(session, issue)}
    return chosen | {entry["slug"]: entry["reason"] for entry in issue.left_out}


def test_a_held_article_waits_for_the_next_issue_however_late(stocked: Engine, now: datetime) -> None:
    with session_scope(stocked) as session:
        issue = assembled(session, now)
        assert edit.hold(session, issue, "b", ORDER) is None
        assert reasons(session, assembled(session, now))["b"] == "held for the next issue by hand"
        november = assembled(session, now, period=NOVEMBER)
        assert order_of(session, november) == ["news:b"]
        assert reasons(session, november)["b"] == "held over from issue 1"
        with pytest.raises(RefusedError, match="already in issue 2"):
            edit.add(session, issue, "b", ORDER)


def test_a_held_article_goes_into_a_draft_that_exists(stocked: Engine, now: datetime) -> None:
    with session_scope(stocked) as session:
        issue, later = assembled(session, now), assembled(session, now, period=NOVEMBER)
        october = assembled(session, now, period=OCTOBER)
        assert edit.hold(session, issue, "a", ORDER) is october
        assert (order_of(session, october), order_of(session, later)) == (["news:a"], [])
        for again in (OCTOBER, NOVEMBER):
            assembled(session, now, period=again)
        assert (order_of(session, october), order_of(session, later)) == (["news:a"], [])
        october.state = IssueState.APPROVED
        edit.hold(session, issue, "b", ORDER)
        assert order_of(session, october) == ["news:a"], "what was approved stays as it is"
        assert order_of(session, later) == ["news:b"]


def test_a_dropped_article_stays_out_until_somebody_adds_it(stocked: Engine, now: datetime) -> None:
    with session_scope(stocked) as session:
        edit.drop(session, assembled(session, now), "b")
        october = assembled(session, now, period=OCTOBER)
        assert reasons(session, october)["b"] == "dropped by hand from issue 1"
        edit.add(session, october, "b", ORDER)
        assert order_of(session, assembled(session, now, period=OCTOBER)) == ["news:b"]


def test_a_special_issue_has_no_next(stocked: Engine, now: datetime) -> None:
    with session_scope(stocked) as session:
        special = store.special_issue(session, None, now.date(), now)
        edit.add(session, special, "a", ORDER)
        with pytest.raises(RefusedError, match="special"):
            edit.hold(session, special, "a", ORDER)
        edit.drop(session, special, "a")
        assert "news:a" in order_of(session, assembled(session, now, period=OCTOBER)), (
            "a special issue decides for itself"
        )


def test_two_editors_never_overwrite_each_other(stocked: Engine, now: datetime) -> None:
    with session_scope(stocked) as session:
        issue = assembled(session, now)
        order, texts = edit.order_hash(store.order_of(session, issue)), edit.texts_hash(issue)
        edit.require_unchanged(order, edit.order_hash(store.order_of(session, issue)))
        edit.move_to(session, issue, edit.ArticlePosition("a", "lead", 1), ORDER)
        edit.set_texts(issue, "*", intro="One\r\nTwo")
        assert issue.intro == {"*": "One\nTwo"}
        for seen, current in (
            (order, edit.order_hash(store.order_of(session, issue))),
            (texts, edit.texts_hash(issue)),
        ):
            with pytest.raises(edit.StaleError):
                edit.require_unchanged(seen, current)
