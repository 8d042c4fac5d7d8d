"""What editions have in common is stored once; every edition is read back as it was saved."""

import hashlib
import json
from collections.abc import Iterator
from datetime import datetime
from itertools import pairwise
from random import Random

import pytest
from sqlalchemy import Engine, func, text
from sqlmodel import Session, col, select

from digest.editions import store
from digest.editions.models import Edition, EditionFragments, StoredFragment
from digest.issues.models import Issue
from digest.runtime.db import DatabaseDamagedError

PIECES = {"html": ["<html>", "", "<p>이 호의 글 “하나”</p>\r\n", "\\ \x7f\u2028", "</html>"], "text": ["1. ", "글\n"]}


@pytest.fixture
def session(engine: Engine, now: datetime) -> Iterator[Session]:
    with Session(engine) as session:
        session.add(Issue(id=1, number=21, period="2021-09", date=now.date(), created_at=now))
        session.flush()
        yield session


def edition(now: datetime, **values: object) -> Edition:
    usual = {"issue_id": 1, "language": "en", "articles": ["a"], "subject": 'S "1"', "preheader": "P"}
    return Edition(**usual | {"content_hash": "", "nonce": "0" * 16, "created_at": now} | values)


def count(session: Session, table: type) -> int:
    return session.exec(select(func.count()).select_from(table)).one()


def test_an_edition_is_read_as_it_was_saved(session: Session, now: datetime) -> None:
    saved = session.get_one(Edition, store.save(session, edition(now), PIECES["html"], PIECES["text"]))
    session.refresh(saved)
    assert (saved.html, saved.text) == ("", "")
    found = store.document(session, saved)
    assert (found.html, found.text) == ("".join(PIECES["html"]), "".join(PIECES["text"]))
    assert found.nonce == saved.nonce


@pytest.mark.parametrize(
    "pieces", [PIECES, {"html": ["".join(PIECES["html"])], "text": ["1. 글\n"]}, {"html": [], "text": []}]
)
def test_the_hash_is_that_of_the_whole(now: datetime, pieces: dict[str, list[str]]) -> None:
    row, parts = edition(now), ["".join(pieces["html"]), "".join(pieces["text"])]
    whole = json.dumps([False, "en", ["a"], 'S "1"', "P", *parts], ensure_ascii=False)
    assert store.content_hash(row, pieces["html"], pieces["text"]) == hashlib.sha256(whole.encode()).hexdigest()


def test_pieces_and_editions_are_stored_once(session: Session, now: datetime) -> None:
    editions = [store.NewEdition(edition(now, subject=f"S{n % 2}"), ["<a>", f"{n % 2}"], ["<a>"]) for n in range(4)]
    first = store.save_all(session, 1, editions)
    assert first[:2] == first[2:]
    assert len(set(first)) == count(session, Edition) == 2
    again = [store.NewEdition(edition(now, subject=one.row.subject), one.html, one.text) for one in editions]
    assert store.save_all(session, 1, again) == first
    assert store.save(session, edition(now, archive=True), ["<a>", "more"], []) not in first
    assert sorted(session.exec(select(StoredFragment.content))) == ["0", "1", "<a>", "more"]
    assert sorted(session.exec(select(StoredFragment.number))) == [1, 2, 3, 4]


def test_an_edition_of_before_is_read_from_its_row(session: Session, now: datetime) -> None:
    old = edition(now, html="<p>old</p>", text="", content_hash="x")
    session.add(old)
    session.flush()
    assert store.document(session, old) == store.Document(old.nonce, "<p>old</p>", "")


def test_a_missing_fragment_is_damage(session: Session, now: datetime) -> None:
    saved = session.get_one(Edition, store.save(session, edition(now), ["a", "b"], ["c"]))
    session.execute(text("DELETE FROM fragment WHERE content = 'b'"))
    with pytest.raises(DatabaseDamagedError, match="Fragment 2"):
        store.document(session, saved)


@pytest.mark.one_database
def test_many_editions_cost_little_more_than_articles(session: Session, now: datetime) -> None:
    """200 editions of 40 of 60 articles: 30 MB of HTML and text."""
    rng, new = Random(1), []
    articles = [rng.randbytes(1_500).hex() for _ in range(60)]
    while len(new) < 200:
        chosen = sorted(rng.sample(range(60), 40))
        html = [piece for number in chosen for piece in ("<tr>", articles[number], f"{number}", "</tr>")]
        row = edition(now, articles=[f"an-article-of-the-month-{number}" for number in chosen])
        new.append(store.NewEdition(row, html, html[1::4]))
    before = session.execute(text("SELECT page_count FROM pragma_page_count")).scalar_one()
    ids = store.save_all(session, 1, new)
    pages = session.execute(text("SELECT page_count FROM pragma_page_count")).scalar_one() - before
    assert pages * 4_096 / len(ids) < 20_000, "bytes of an edition; the issue's figure is 40 MB for 2,000"
    rows = store.of_issue(session, 1)
    assert [digest for _, digest in store.hashes(session, rows)] == [row.content_hash for row in rows]
    assert all(a.id < b.id for a, b in pairwise(rows) if a.id and b.id)
    query = select(func.count()).select_from(EditionFragments).where(col(EditionFragments.edition_id).in_(ids))
    assert session.exec(query).one() == 400
