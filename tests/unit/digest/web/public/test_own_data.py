"""What a reader takes along and what erasing leaves: the page and the command are one decision, on both databases."""

import json
import re
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from datetime import datetime, timedelta
from email import policy
from email.parser import BytesParser

import pytest
from httpx2 import Response
from sqlalchemy import select, text
from starlette.testclient import TestClient

from digest.app import App
from digest.delivery.mail.message import MessageWriter
from digest.membership import address_change, own_data
from digest.membership import notices as signup
from digest.outbox.notices import TakenNotice, take_notices
from digest.outbox.tables import NOTICE, SUBSCRIBER
from digest.outbox.take import Taker
from digest.publish.publisher import Publisher
from digest.runtime.db import session_scope
from digest.testing import FrozenClock
from digest.web.app import public_app
from digest.web.public.audience import pages_router
from subscribers.links import Purpose
from tests.support import web_sample
from tests.support.web_sample import HOME
from tests.unit.digest.web.conftest import NOW

ANNA = "anna@example.org"
NEW = "anna@new.example.org"


@pytest.fixture
def works(sent_on_each: Publisher) -> App:
    folder, engine = sent_on_each.settings.workspace, sent_on_each.engine
    secrets = (
        (folder / "secrets.toml").read_text().replace('suppression_key = "s"', 'suppression_key = "0123456789abcdef"')
    )
    (folder / "secrets.toml").write_text(secrets)
    return App(web_sample.press_on(engine, folder).settings, engine, FrozenClock(NOW + timedelta(hours=1)))


@pytest.fixture
def client(works: App) -> Iterator[TestClient]:
    app = public_app(works.publisher, pages_router=pages_router(works), signer=works.signer, clock=works.clock)
    with TestClient(app, base_url=HOME) as client:
        yield client


def path(works: App, purpose: Purpose, address: str = ANNA, *, extra: str = "") -> str:
    with session_scope(works.engine, read_only=True) as session:
        ref = session.execute(select(SUBSCRIBER.c.ref).where(SUBSCRIBER.c.address == address)).scalar_one()
    now = None if purpose == Purpose.UNSUBSCRIBE else works.clock.now()
    return f"/{purpose}/{works.signer.token(purpose, ref, extra=extra, now=now)}"


def notices(works: App) -> dict[str, tuple[str, str, str]]:
    with session_scope(works.engine, read_only=True) as session:
        return {row.kind: (row.address, row.state, row.key) for row in session.execute(select(NOTICE))}


def hidden(client: TestClient, path: str) -> str:
    """Return the hidden field of the page's forms; empty where the page has none."""
    found = re.search(r'name="form" value="([^"]+)"', client.get(path).text)
    return found[1] if found else ""


def press(client: TestClient, path: str, **fields: str) -> Response:
    """Open a page and press a button on it."""
    return client.post(path, data={**fields, "form": hidden(client, path)})


def ask_for(client: TestClient, works: App, address: str) -> None:
    press(client, path(works, Purpose.PREFERENCES), do="address", email=address)


def test_the_file_holds_what_we_know_of_them_and_of_nobody_else(works: App, client: TestClient) -> None:
    ask_for(client, works, NEW)
    data = press(client, path(works, Purpose.DATA)).json()
    assert data["address"] == ANNA
    assert data["name"] == "Anna Lindqvist"
    assert [(issue["number"], issue["state"]) for issue in data["issues"]] == [(21, "pending")]
    assert [change["address"] for change in data["address_changes"]] == [NEW]
    (event,) = data["consent"]
    assert event["kind"] == "address-asked"
    assert "Change address" in data["wordings"][event["wording"]]
    whole = json.dumps(data, ensure_ascii=False)
    for address, name, *_ in web_sample.READERS[1:]:
        assert address not in whole
        assert name not in whole
    with session_scope(works.engine, read_only=True) as session:
        assert own_data.data_at(session, ANNA.upper()) == data


@pytest.mark.parametrize("taken", [False, True])
def test_the_file_does_not_tell_whether_the_new_address_is_known(
    works: App, client: TestClient, *, taken: bool
) -> None:
    address = "tomas@example.com" if taken else "free@example.com"
    ask_for(client, works, address)
    assert ("address" in notices(works)) is not taken
    data = press(client, path(works, Purpose.DATA)).text
    assert json.loads(data.replace(address, "X"))["notices"] == []
    assert "tomas" not in data.replace(address, "")
    assert len(json.loads(data)["address_changes"]) == 1


# The mail with the link


def taken(works: App) -> tuple[TakenNotice, ...]:
    with session_scope(works.engine) as session:
        return take_notices(session, Taker("w1", "test"), limit=10, now=works.clock.now()).started


def link_in(works: App, notice: TakenNotice, now: datetime) -> str:
    """Return the path of the link in the mail as a worker writes it at this moment."""
    letters = MessageWriter(works.settings, works.templates, works.signer, b"a key for Message-IDs")
    letter = letters.notice(notice, now)
    assert letter.envelope.recipient == notice.address
    text = BytesParser(policy=policy.default).parsebytes(b"".join(letter.message)).get_body(("plain",))
    assert text is not None
    found = re.search(r"/data/[^\s>)]+", text.get_content())
    assert found is not None
    return found[0]


def at(works: App, **later: float) -> tuple[App, TestClient]:
    """Return the same works and pages at another time."""
    other = App(works.settings, works.engine, FrozenClock(works.clock.now() + timedelta(**later)))
    app = public_app(other.publisher, pages_router=pages_router(other), signer=other.signer, clock=other.clock)
    return other, TestClient(app, base_url=HOME)


def test_data_asked_for_by_a_forwarded_link_goes_to_the_reader(works: App, client: TestClient) -> None:
    page = press(client, path(works, Purpose.PREFERENCES), do="data")
    assert "a•••@example.org" in page.text
    for personal in (ANNA, "Anna", "Lindqvist", '"number"'):
        assert personal not in page.text + str(page.headers)
    (notice,) = taken(works)
    assert (notice.kind, notice.address, notice.name) == ("own_data", ANNA, "Anna Lindqvist")
    link = link_in(works, notice, works.clock.now())
    before = web_sample.snapshot(works.engine)
    for method in ("GET", "HEAD", "OPTIONS"):
        assert "Anna" not in client.request(method, link).text
    assert press(client, link).json()["address"] == ANNA
    assert web_sample.snapshot(works.engine) == before


def test_one_mail_a_day_however_often_it_is_asked_for(works: App, client: TestClient) -> None:
    for _ in range(3):
        assert press(client, path(works, Purpose.PREFERENCES), do="data").status_code == 200
    press(client, path(works, Purpose.PREFERENCES, "gone@example.org"), do="data")
    assert len(taken(works)) == 2
    press(client, path(works, Purpose.PREFERENCES), do="data")
    assert taken(works) == ()
    tomorrow, theirs = at(works, hours=23)  # at midnight by UTC
    press(theirs, path(tomorrow, Purpose.PREFERENCES), do="data")
    assert len(taken(tomorrow)) == 1


def test_the_link_in_the_mail_dies_a_day_after_it_was_asked_for(works: App, client: TestClient) -> None:
    press(client, path(works, Purpose.PREFERENCES), do="data")
    late, theirs = at(works, days=1)
    (notice,) = taken(late)
    link = link_in(late, notice, late.clock.now())
    assert press(theirs, link).json()["address"] == ANNA
    _, theirs = at(works, days=1, seconds=1)
    assert theirs.get(link).status_code == press(theirs, link).status_code == 404


def test_a_link_that_is_sent_late_dies_with_a_change_of_address(works: App, client: TestClient) -> None:
    press(client, path(works, Purpose.PREFERENCES), do="data")
    (notice,) = taken(works)  # a worker has it, and writes it only after the change
    later, theirs = at(works, hours=1)
    ask_for(theirs, later, NEW)
    press(theirs, path(later, Purpose.ADDRESS, extra=notices(later)["address"][2])).raise_for_status()
    much_later, theirs = at(works, hours=2)
    link = link_in(much_later, notice, much_later.clock.now())
    assert theirs.get(link).status_code == press(theirs, link).status_code == 404


def test_an_erased_reader_gets_no_mail_and_the_link_is_unknown(works: App, client: TestClient) -> None:
    link, asked = path(works, Purpose.DATA), path(works, Purpose.PREFERENCES)
    press(client, asked, do="data")
    press(client, path(works, Purpose.ERASE), confirm="erase").raise_for_status()
    assert taken(works) == ()
    assert notices(works)["own_data"][:2] == ("", "skipped")
    assert client.get(link).status_code == press(client, asked, do="data").status_code == 404


def test_erasing_by_the_page_and_by_the_command_is_the_same(works: App, client: TestClient) -> None:
    ask_for(client, works, NEW)
    before = web_sample.snapshot(works.engine)
    assert ANNA in str(before)
    press(client, path(works, Purpose.ERASE), confirm="erase").raise_for_status()
    tomas = "tomas@example.com"
    press(client, path(works, Purpose.PREFERENCES, tomas), do="address", email="t@new.example.com")
    signup.erase_subscriber(works, tomas)
    after = web_sample.snapshot(works.engine)
    for personal in (ANNA, "Anna Lindqvist", NEW, tomas, "Tomáš", "t@new.example.com"):
        assert personal not in str(after)
    with session_scope(works.engine, read_only=True) as session:
        rows = session.execute(select(SUBSCRIBER).where(SUBSCRIBER.c.state == "erased").order_by(SUBSCRIBER.c.id)).all()
        anna, tomas_row = (
            {k: v for k, v in row._mapping.items() if k not in {"id", "ref", "format", "frequency", "created_at"}}
            for row in rows
        )
        assert anna == tomas_row
        kinds = session.execute(select(NOTICE.c.kind, NOTICE.c.state, NOTICE.c.reason, NOTICE.c.address)).all()
    assert {tuple(row) for row in kinds} == {("address", "skipped", "erased", "")}
    assert len(after["delivery"]) == len(before["delivery"]), "what was promised is still counted"


def test_an_unconfirmed_change_is_forgotten_by_the_outbox_too(works: App, client: TestClient) -> None:
    ask_for(client, works, NEW)
    assert notices(works)["address"][0] == NEW
    assert address_change.forget_expired(works) == 0
    later = App(works.settings, works.engine, FrozenClock(works.clock.now() + timedelta(days=2, seconds=1)))
    assert address_change.forget_expired(later) == 1
    assert notices(works)["address"][:2] == ("", "expired")
    assert NEW not in str(web_sample.snapshot(works.engine))
    assert address_change.forget_expired(later) == 0


def test_the_old_address_is_told_and_the_new_one_gets_its_links(works: App, client: TestClient) -> None:
    ask_for(client, works, NEW)
    nonce = notices(works)["address"][2]
    fields = {"form": hidden(client, path(works, Purpose.ADDRESS, extra=nonce))}
    client.post(path(works, Purpose.ADDRESS, extra=nonce), data=fields).raise_for_status()
    told = notices(works)["address_changed"]
    assert told[:2] == (ANNA, "pending")
    client.post(path(works, Purpose.ADDRESS, NEW, extra=nonce), data=fields).raise_for_status()
    assert notices(works)["new_address"][:2] == (NEW, "pending")
    assert len(notices(works)) == 3


def test_erasing_and_a_take_of_notices_do_not_wait_on_each_other(works: App, client: TestClient) -> None:
    """A take locks the notice, then the person; erasing must not lock them the other way round."""
    if works.engine.dialect.name == "sqlite":
        pytest.skip("SQLite locks the whole database")
    ask_for(client, works, NEW)
    erased = path(works, Purpose.ERASE)
    fields = {"confirm": "erase", "form": hidden(client, erased)}
    with ThreadPoolExecutor(1) as pool, session_scope(works.engine) as take:
        take.execute(select(NOTICE).with_for_update())
        erasing = pool.submit(client.post, erased, data=fields)
        while not take.execute(text("SELECT count(*) FROM pg_locks WHERE NOT granted")).scalar_one():
            assert not erasing.done()
        take.execute(select(SUBSCRIBER.c.id).where(SUBSCRIBER.c.address == ANNA).with_for_update(read=True))
        take.commit()
        assert erasing.result().status_code == 200
