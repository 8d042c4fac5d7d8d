"""A worker's editions share encoded fragments, and those that were not needed for a time are forgotten."""

import quopri
from collections.abc import Iterator
from datetime import datetime

import pytest
from sqlalchemy import Engine, text
from sqlmodel import Session

from digest.delivery.mail.editions import IN_USE_SECONDS, PreparedEditions
from digest.editions import store
from digest.editions.models import Edition
from digest.issues.models import Issue
from digest.render.parts import encode
from digest.render.slots import Slot, SlotTokens
from digest.runtime.db import DatabaseDamagedError

NONCE = "0123456789abcdef"
SLOTS = SlotTokens(NONCE)
VALUES = {slot: f"https://example.org/{slot}" for slot in Slot}
BODY = "<p>" + "Words. " * 100 + "</p>\n"
FOOT = f'<a href="{SLOTS.unsubscribe_url}">out</a> {SLOTS.interests}'


@pytest.fixture
def session(engine: Engine, now: datetime) -> Iterator[Session]:
    with Session(engine) as session:
        session.add(Issue(id=1, number=21, period="2021-09", date=now.date(), created_at=now))
        session.flush()
        yield session


def row(now: datetime, subject: str, **values: str) -> Edition:
    own = {"issue_id": 1, "language": "en", "articles": [], "subject": subject, "preheader": "", "nonce": NONCE}
    return Edition(**own, content_hash="", created_at=now, **values)


def saved(session: Session, now: datetime, count: int) -> list[int]:
    pieces = [[f"<b>{n}</b>\n", BODY, FOOT] for n in range(count)]
    return [store.save(session, row(now, f"{n}"), one, one) for n, one in enumerate(pieces)]


def test_parts_are_the_same_as_of_the_whole_document(session: Session, now: datetime) -> None:
    prepared, (one,) = PreparedEditions(), saved(session, now, 1)
    prepared.prepare(session, [one])
    whole = "".join(["<b>0</b>\n", BODY, FOOT])
    spliced, at_once = (parts.html.splice(VALUES) for parts in (prepared[one].parts, encode(whole, whole, NONCE)))
    assert quopri.decodestring(b"".join(spliced)) == quopri.decodestring(b"".join(at_once))
    assert len(spliced) == len(at_once)
    assert prepared[one].content_hash.startswith(prepared[one].parts.boundary.removeprefix("=_"))


def test_an_edition_of_before_has_the_bytes_that_it_had(session: Session, now: datetime) -> None:
    old = row(now, "old", html=BODY + FOOT, text="거의 한국어뿐\n" * 9 + FOOT)
    session.add(old)
    session.flush()
    prepared = PreparedEditions()
    prepared.prepare(session, [old.id or 0])
    parts, before = prepared[old.id or 0].parts, encode(old.html, old.text, NONCE)
    assert parts.header() == before.header()
    assert parts.splice(VALUES) == before.splice(VALUES)


def test_fragments_are_shared(session: Session, now: datetime) -> None:
    prepared, ids = PreparedEditions(), saved(session, now, 20)
    prepared.prepare(session, ids[:10])
    prepared.prepare(session, ids)
    shared = {id(fragment) for one in ids for fragment in prepared[one].fragments}
    assert len(shared) == 20 + 2


def test_what_was_not_needed_for_a_time_is_forgotten(session: Session, now: datetime) -> None:
    prepared, ids = PreparedEditions(most_bytes=2_000), saved(session, now, 40)
    for place, one in enumerate(ids):
        prepared.prepare(session, [one, ids[0]], float(place))
    assert all(prepared[one] for one in ids), "a message may still be written for each"
    later = IN_USE_SECONDS + 39
    prepared.prepare(session, ids[:1], later + 1)
    assert prepared[ids[0]].subject == "0"
    with pytest.raises(KeyError):
        prepared[ids[1]]
    prepared.prepare(session, ids[1:2], later + 2)
    assert prepared[ids[1]].parts == prepared[ids[1]].parts


def test_a_changed_fragment_is_not_sent(session: Session, now: datetime) -> None:
    ids = saved(session, now, 2)
    session.execute(text("UPDATE fragment SET content = replace(content, 'Words', 'Wards')"))
    with pytest.raises(DatabaseDamagedError):
        PreparedEditions().prepare(session, ids)
