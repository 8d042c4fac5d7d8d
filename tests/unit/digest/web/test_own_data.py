"""What a reader takes along and what erasing leaves: the page and the command are one decision, on both databases."""

import json
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from datetime import timedelta
from pathlib import Path

import pytest
from sqlalchemy import Engine, select, text
from starlette.testclient import TestClient

from digest.audience import address_change, own_data, signup
from digest.bootstrap import Works
from digest.outbox.tables import NOTICE, SUBSCRIBER
from digest.runtime.db import session_scope
from digest.testing import FrozenClock
from digest.web.app import public_app
from digest.web.audience import pages_router
from subscribers.links import Purpose
from tests.unit.digest.web import sample
from tests.unit.digest.web.conftest import NOW

ANNA = "anna@example.org"
NEW = "anna@new.example.org"


@pytest.fixture
def works(engine: Engine, tmp_path: Path) -> Works:
    folder = tmp_path / "workspace"
    press = sample.issue_21(engine, folder, NOW)
    sample.send_out(press, NOW)
    secrets = (
        (folder / "secrets.toml").read_text().replace('suppression_key = "s"', 'suppression_key = "0123456789abcdef"')
    )
    (folder / "secrets.toml").write_text(secrets)
    return Works(sample.press_on(engine, folder).settings, engine, FrozenClock(NOW + timedelta(hours=1)))


@pytest.fixture
def client(works: Works) -> Iterator[TestClient]:
    app = public_app(works.press, pages_router=pages_router(works), signer=works.signer, clock=works.clock)
    with TestClient(app) as client:
        yield client


def path(works: Works, purpose: Purpose, address: str = ANNA, *, extra: str = "") -> str:
    with session_scope(works.engine, read_only=True) as session:
        ref = session.execute(select(SUBSCRIBER.c.ref).where(SUBSCRIBER.c.address == address)).scalar_one()
    now = None if purpose == Purpose.UNSUBSCRIBE else works.clock.now()
    return f"/{purpose}/{works.signer.token(purpose, ref, extra=extra, now=now)}"


def notices(works: Works) -> dict[str, tuple[str, str, str]]:
    with session_scope(works.engine, read_only=True) as session:
        return {row.kind: (row.address, row.state, row.key) for row in session.execute(select(NOTICE))}


def ask_for(client: TestClient, works: Works, address: str) -> None:
    client.post(path(works, Purpose.PREFERENCES), data={"do": "address", "email": address})


def test_the_file_holds_what_we_know_of_them_and_of_nobody_else(works: Works, client: TestClient) -> None:
    ask_for(client, works, NEW)
    data = client.post(path(works, Purpose.PREFERENCES), data={"do": "data"}).json()
    assert data["address"] == ANNA
    assert data["name"] == "Anna Lindqvist"
    assert [(issue["number"], issue["state"]) for issue in data["issues"]] == [(21, "pending")]
    assert [change["address"] for change in data["address_changes"]] == [NEW]
    (event,) = data["consent"]
    assert event["kind"] == "address-asked"
    assert "Change my address" in data["wordings"][event["wording"]]
    whole = json.dumps(data, ensure_ascii=False)
    for address, name, *_ in sample.READERS[1:]:
        assert address not in whole
        assert name not in whole
    with session_scope(works.engine, read_only=True) as session:
        assert own_data.data_at(session, ANNA.upper()) == data


@pytest.mark.parametrize("taken", [False, True])
def test_the_file_does_not_tell_whether_the_new_address_is_known(
    works: Works, client: TestClient, *, taken: bool
) -> None:
    address = "tomas@example.com" if taken else "free@example.com"
    ask_for(client, works, address)
    assert ("address" in notices(works)) is not taken
    data = client.post(path(works, Purpose.PREFERENCES), data={"do": "data"}).text
    assert json.loads(data.replace(address, "X"))["notices"] == []
    assert "tomas" not in data.replace(address, "")
    assert len(json.loads(data)["address_changes"]) == 1


def test_erasing_by_the_page_and_by_the_command_is_the_same(works: Works, client: TestClient) -> None:
    ask_for(client, works, NEW)
    before = sample.snapshot(works.engine)
    assert ANNA in str(before)
    client.post(path(works, Purpose.ERASE), data={"confirm": "erase"}).raise_for_status()
    tomas = "tomas@example.com"
    client.post(path(works, Purpose.PREFERENCES, tomas), data={"do": "address", "email": "t@new.example.com"})
    signup.erase_subscriber(works, tomas)
    after = sample.snapshot(works.engine)
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


def test_a_change_that_nobody_confirms_is_forgotten_by_the_outbox_too(works: Works, client: TestClient) -> None:
    ask_for(client, works, NEW)
    assert notices(works)["address"][0] == NEW
    assert address_change.forget_expired(works) == 0
    later = Works(works.settings, works.engine, FrozenClock(works.clock.now() + timedelta(days=2, seconds=1)))
    assert address_change.forget_expired(later) == 1
    assert notices(works)["address"][:2] == ("", "expired")
    assert NEW not in str(sample.snapshot(works.engine))
    assert address_change.forget_expired(later) == 0


def test_the_old_address_is_told_and_not_where_to(works: Works, client: TestClient) -> None:
    ask_for(client, works, NEW)
    nonce = notices(works)["address"][2]
    client.post(path(works, Purpose.ADDRESS, extra=nonce)).raise_for_status()
    told = notices(works)["address_changed"]
    assert told[:2] == (ANNA, "pending")
    client.post(path(works, Purpose.ADDRESS, NEW, extra=nonce)).raise_for_status()
    assert len(notices(works)) == 2


def test_erasing_and_a_take_of_notices_do_not_wait_for_each_other(works: Works, client: TestClient) -> None:
    """A take locks the notice, then the person; erasing must not lock them the other way round."""
    if works.engine.dialect.name == "sqlite":
        pytest.skip("SQLite locks the whole database")
    ask_for(client, works, NEW)
    erased = path(works, Purpose.ERASE)
    with ThreadPoolExecutor(1) as pool, session_scope(works.engine) as take:
        take.execute(select(NOTICE).with_for_update())
        erasing = pool.submit(client.post, erased, data={"confirm": "erase"})
        while not take.execute(text("SELECT count(*) FROM pg_locks WHERE NOT granted")).scalar_one():
            assert not erasing.done()
        take.execute(select(SUBSCRIBER.c.id).where(SUBSCRIBER.c.address == ANNA).with_for_update(read=True))
        take.commit()
        assert erasing.result().status_code == 200
