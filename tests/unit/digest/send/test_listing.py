"""A listing has each delivery, or each excluded person, once, however it is paged; on both databases."""

from pathlib import Path

import pytest
from sqlalchemy import update

from digest.app import App
from digest.outbox.tables import DELIVERY, SUBSCRIBER
from digest.runtime.db import session_scope
from digest.runtime.errors import UsageError
from digest.send import listing
from digest.settings.root import load_settings
from digest.testing import FrozenClock
from digest.workspace.create import create
from tests.support.ledger import Ledger


@pytest.fixture
def app(ledger: Ledger, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> App:
    monkeypatch.setattr(listing, "BATCH", 2)
    create(tmp_path / "workspace", sample=False)
    return App(load_settings(tmp_path / "workspace"), ledger.engine, FrozenClock(ledger.now))


def names(app: App, state: str = "", after: str = "") -> list[str]:
    return [one.as_json()["subscriber"] for one in listing.listed(app, 21, state, after)]  # type: ignore[misc]


@pytest.mark.parametrize("state", ["", "accepted", listing.EXCLUDED])
def test_pages_joined_are_the_list(ledger: Ledger, app: App, state: str) -> None:
    people = ledger.planned(9)
    with session_scope(ledger.engine) as session:
        session.execute(update(SUBSCRIBER).where(SUBSCRIBER.c.id > people[4]).values(state="unsubscribed"))
        session.execute(DELIVERY.delete().where(DELIVERY.c.subscriber_id > people[4]))
        session.execute(update(DELIVERY).where(DELIVERY.c.subscriber_id > people[1]).values(state="accepted"))
    whole = [(one.cursor, one.as_json()["subscriber"]) for one in listing.listed(app, 21, state)]
    assert len(whole) == listing.count(app, 21, state) == {"": 5, "accepted": 3, listing.EXCLUDED: 4}[state]
    assert len({name for _, name in whole}) == len(whole)
    for place, (cursor, _) in enumerate(whole, start=1):
        assert names(app, state, cursor) == [name for _, name in whole[place:]]


@pytest.mark.parametrize("state", ["", listing.EXCLUDED])
@pytest.mark.parametrize("after", ["999", "x", "9" * 400, "²", "-1"])
def test_a_page_after_nothing_known_is_refused(ledger: Ledger, app: App, state: str, after: str) -> None:
    ledger.planned(1)
    with pytest.raises(UsageError, match="not a valid value"):
        names(app, state, after)


def test_a_delivery_of_another_issue_is_no_place_to_go_on(ledger: Ledger, app: App) -> None:
    ledger.planned(2)
    first = next(listing.listed(app, 21, ""))
    ledger.second_issue(22)
    with pytest.raises(UsageError, match="not a valid value"):
        next(listing.listed(app, 22, "", first.cursor))
