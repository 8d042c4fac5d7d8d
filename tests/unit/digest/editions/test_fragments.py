"""A stored fragment that is not what was frozen is found, with the editions that hold it."""

from collections.abc import Iterator
from datetime import datetime

import pytest
from sqlalchemy import Engine, text
from sqlmodel import Session

from digest.editions import fragments, store
from digest.editions.models import Edition
from digest.issues.models import Issue
from digest.runtime.db import DatabaseDamagedError


@pytest.fixture
def session(engine: Engine, now: datetime) -> Iterator[Session]:
    """Editions 1 and 2 have the fragments 1 and 2; 3 has 3 alone."""
    with Session(engine) as session:
        session.add(Issue(id=1, number=21, period="2021-09", date=now.date(), created_at=now))
        session.flush()
        for number, pieces in enumerate((["<p>하나</p>", "two"], ["two", "<p>하나</p>"], ["three"]), start=1):
            own = {"issue_id": 1, "language": "en", "articles": [], "subject": f"{number}", "preheader": ""}
            store.save(session, Edition(**own, content_hash="", nonce="0" * 16, created_at=now), pieces, [])
        yield session


def found(session: Session) -> list[str]:
    return [str(fault) for fault in fragments.faults(session, 1)]


CHANGED = "differs from what was frozen: its hash does not match"
DAMAGES = {
    "UPDATE fragment SET content = '<p>하니</p>' WHERE number = 1": [f"fragment 1 {CHANGED} (editions 1, 2)"],
    "UPDATE fragment SET content_hash = '0' WHERE number = 3": [f"fragment 3 {CHANGED} (edition 3)"],
    "DELETE FROM fragment WHERE number = 2": ["fragment 2 is missing (editions 1, 2)"],
    "DELETE FROM edition_fragment WHERE edition_id = 3": ["fragment 3 belongs to no edition"],
    "UPDATE edition_fragment SET fragments = '[1, 3, 9]' WHERE edition_id = 2 AND part = 'text'": [
        "fragment 9 is missing (edition 2)"
    ],
    "UPDATE edition_fragment SET fragments = '{}' WHERE edition_id = 3 AND part = 'text'": [
        "the list of fragments cannot be read (edition 3)"
    ],
}


@pytest.mark.parametrize(("statement", "expected"), DAMAGES.items())
def test_damage_is_named_with_its_editions(session: Session, statement: str, expected: list[str]) -> None:
    assert found(session) == []
    session.execute(text(statement))
    assert found(session) == expected


SQLITE_ONLY = {
    "UPDATE fragment SET content = CAST(x'3c703eff' AS TEXT) WHERE number = 1": [
        f"fragment 1 {CHANGED} (editions 1, 2)"
    ],
    "UPDATE edition_fragment SET fragments = '[1, 2' WHERE edition_id = 1 AND part = 'html'": [
        "the list of fragments cannot be read (edition 1)"
    ],
}


@pytest.mark.one_database
@pytest.mark.parametrize(("statement", "expected"), SQLITE_ONLY.items())
def test_what_is_no_text_or_list_is_named_too(session: Session, statement: str, expected: list[str]) -> None:
    session.execute(text(statement))
    assert found(session) == expected


def test_a_changed_fragment_is_refused_where_it_counts(session: Session) -> None:
    session.execute(text("UPDATE fragment SET content = 'tow' WHERE number = 2"))
    assert fragments.contents(session, 1, {2}) == {2: "tow"}
    with pytest.raises(DatabaseDamagedError, match="Fragment 2"):
        fragments.contents(session, 1, {1, 2}, checked=True)


def test_more_fragments_than_one_statement_takes_are_read(session: Session, now: datetime) -> None:
    pieces = [f"piece {number}\n" for number in range(1_234)]
    own = {"issue_id": 1, "language": "en", "articles": [], "subject": "many", "preheader": ""}
    row = Edition(**own, content_hash="", nonce="0" * 16, created_at=now)
    saved = session.get_one(Edition, store.save(session, row, pieces, pieces[::-1]))
    assert store.document(session, saved).html == "".join(pieces)
    assert store.document(session, saved).text == "".join(pieces[::-1])
    assert found(session) == []


def test_many_editions_are_named_by_the_first() -> None:
    assert fragments.in_editions(range(1, 13), most=3) == " (editions 1, 2, 3 and 9 more)"
