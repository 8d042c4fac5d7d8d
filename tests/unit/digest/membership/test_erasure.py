"""Erasing: what is left of a person is a keyed hash, in the database's own dump and file, the outbox and the files."""

import io
import os
import sqlite3
import subprocess
from datetime import datetime
from pathlib import Path

import pytest
from sqlalchemy import Engine, select, update
from sqlalchemy.engine import make_url

from digest.delivery.maildir import MaildirTransport
from digest.delivery.transport import Envelope
from digest.feedback.models import FeedbackEvent
from digest.membership import notices, reconsent
from digest.membership.erasure import before_erasing
from digest.membership.erasure_proof import prove
from digest.membership.importing import importer
from digest.outbox.notices import promise, take_notices
from digest.outbox.settle import Settlement, settle, write_file
from digest.outbox.states import Outcome, State
from digest.outbox.tables import ATTEMPT, NOTICE, Promised
from digest.outbox.take import Taker
from digest.runtime.db import make_engine, session_scope
from subscribers import store
from subscribers.errors import SubscriberNotFoundError
from tests.support.people import People, make

ADDRESS, NAME = "Very.Personal+tag@example.net", "Ädelgard Überpersönlich"
PERSONAL = ("very.personal", "personal+tag", "delgard", "berpers")
CSV = f"email,name,interests,status,confirmed_at\n{ADDRESS},{NAME},*,confirmed,2020-01-01\n"


@pytest.fixture
def people(tmp_path: Path, engine: Engine, now: datetime) -> People:
    return make(tmp_path / "workspace", engine, now)


def dump(engine: Engine) -> str:
    """Everything that the database's own tool writes; of SQLite the bytes of the file and its log, too."""
    url = engine.url
    if url.get_backend_name() == "sqlite":
        engine.dispose()
        connection = sqlite3.connect(url.database or "")
        text = "\n".join(connection.iterdump())
        connection.close()
        files = [Path(f"{url.database}{suffix}") for suffix in ("", "-wal")]
        return text + "".join(file.read_bytes().decode("latin-1") for file in files if file.exists())
    command = ["pg_dump", "--inserts", make_url(url).set(drivername="postgresql").render_as_string(hide_password=False)]
    return subprocess.run(command, check=True, capture_output=True, text=True).stdout


def told_of(text: str) -> list[str]:
    lower = text.lower()
    return [word for word in PERSONAL if word in lower]


def bring(people: People) -> None:
    importer(people.works).run(io.BytesIO(CSV.encode()), people.now)


def live(people: People) -> None:
    """Leave traces of the person wherever the program leaves any."""
    bring(people)
    with session_scope(people.works.engine) as session:
        session.connection().exec_driver_sql("UPDATE subscriber SET state = 'pending'")
    reconsent.ask(people.works, reconsent.confirmation(people.works))
    with session_scope(people.works.engine) as session:
        (taken,) = take_notices(session, Taker("w", "relay"), limit=5, now=people.now).started
    words = f"<{ADDRESS}>: {NAME} is not here"
    end = Settlement(
        Promised.NOTICE, taken.id, taken.attempt_id, State.REJECTED, Outcome.REJECTED, people.now, words, reply=words
    )
    with session_scope(people.works.engine) as session:
        settle(session, [end])
        row = session.execute(select(NOTICE)).one()
        promise(session, "goodbye", "later", address=ADDRESS, name=NAME, language="en", now=people.now,
                subscriber_id=row.subscriber_id, context={"name": NAME})  # fmt: skip
        session.add(
            FeedbackEvent(
                event_id="e",
                kind="bounce",
                subscriber_id=row.subscriber_id,
                detail={"to": ADDRESS},
                happened_at=people.now,
            )
        )
    maildir = MaildirTransport(people.works.settings.workspace / people.works.settings.delivery.maildir)
    maildir.send(Envelope(taken.envelope_id, "news@example.org", ADDRESS), [f"To: {ADDRESS}\r\n\r\n".encode()])
    people.works.delivery.place.leftovers.mkdir(parents=True)
    write_file(people.works.delivery.place.leftovers / "w.json", [end])


def everywhere(people: People) -> str:
    folder = people.works.settings.workspace
    files = [path for path in folder.rglob("*") if path.is_file() and path.name != "readers.csv"]
    return dump(people.works.engine) + "".join(path.read_bytes().decode("utf-8", "replace") for path in files)


def test_nothing_of_who_is_erased_is_found_anywhere(people: People) -> None:
    live(people)
    assert told_of(everywhere(people)) == list(PERSONAL), "the test must be able to see them"
    proof = notices.erase_subscriber(people.works, ADDRESS)
    assert told_of(everywhere(people)) == []
    assert (proof.found, proof.names) == (0, 0)
    assert proof.changed == {"maildir": 1, "outcomes": 1, "quarantine": 0}
    places = {one.place for one in proof.looked}
    assert {"subscriber.address", "notice.context", "attempt.reply", "feedback_event.detail", ".state"} <= places
    rows = people.notices()
    assert [row.state for row in rows] == ["rejected", "skipped"], "the books still add up"


def test_the_old_file_does_not_bring_them_back(people: People) -> None:
    live(people)
    notices.erase_subscriber(people.works, ADDRESS)
    bring(people)
    assert told_of(everywhere(people)) == []


def test_the_proof_finds_what_is_left(people: People) -> None:
    live(people)
    with session_scope(people.works.engine, read_only=True) as session:
        person = store.by_key(session, ADDRESS.lower())
        assert person is not None
        erased = before_erasing(session, person)
    notices.erase_subscriber(people.works, ADDRESS)
    with session_scope(people.works.engine) as session:
        session.execute(update(ATTEMPT).values(reply=f"550 {ADDRESS.upper()} unknown"))
        session.execute(update(NOTICE).values(context={"who": NAME}))
    proof = prove(people.works, erased)
    assert {one.place: one.address for one in proof.looked if one.place == "attempt.reply"} == {"attempt.reply": 1}
    assert {one.place: one.name for one in proof.looked if one.place == "notice.context"} == {"notice.context": 2}
    assert proof.found >= 1


def test_erasing_again_looks_again_and_a_stranger_is_told(people: People) -> None:
    live(people)
    notices.erase_subscriber(people.works, ADDRESS)
    assert notices.erase_subscriber(people.works, ADDRESS).found == 0
    with pytest.raises(SubscriberNotFoundError):
        notices.erase_subscriber(people.works, "stranger@example.net")


def test_an_erased_readers_mail_on_the_wire_is_not_tried_again(people: People) -> None:
    bring(people)
    with session_scope(people.works.engine) as session:
        of_id = session.connection().exec_driver_sql("SELECT id FROM subscriber").scalar_one()
        promise(session, "goodbye", "k", address=ADDRESS, language="en", now=people.now, subscriber_id=of_id)
    with session_scope(people.works.engine) as session:
        (taken,) = take_notices(session, Taker("w", "relay"), limit=5, now=people.now).started
    notices.erase_subscriber(people.works, ADDRESS)
    put_off = Settlement(
        Promised.NOTICE, taken.id, taken.attempt_id, State.DEFERRED, Outcome.DEFERRED, people.now, due_at=people.now
    )
    with session_scope(people.works.engine) as session:
        settle(session, [put_off])
        assert take_notices(session, Taker("w", "relay"), limit=5, now=people.now).started == ()
    (row,) = people.notices()
    assert (row.state, row.reason) == ("skipped", "erased")


def test_pages_that_were_given_up_before_are_made_anew(tmp_path: Path, sqlite_engine: Engine, now: datetime) -> None:
    people = make(tmp_path / "workspace", sqlite_engine, now)
    loose = sqlite3.connect(sqlite_engine.url.database or "")
    loose.execute("PRAGMA secure_delete=OFF")
    loose.execute("CREATE TABLE gone (text)")
    loose.executemany("INSERT INTO gone VALUES (?)", [(f"{ADDRESS.lower()} {n}",) for n in range(2000)])
    loose.commit()
    loose.execute("DROP TABLE gone")
    loose.commit()
    loose.close()
    bring(people)
    assert notices.erase_subscriber(people.works, ADDRESS).found == 0
    assert told_of(everywhere(people)) == []


@pytest.mark.skipif(os.name != "posix", reason="mode bits")
def test_an_engine_of_ours_overwrites_what_it_deletes(tmp_path: Path) -> None:
    engine = make_engine(f"sqlite:///{tmp_path}/x.db")
    with engine.connect() as connection:
        assert connection.exec_driver_sql("PRAGMA secure_delete").scalar() == 1
    engine.dispose()
