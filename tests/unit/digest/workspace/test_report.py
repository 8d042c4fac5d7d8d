"""The report names everybody who did not get an issue, however many there are; on both databases."""

from collections.abc import Iterator
from pathlib import Path

import pytest
from sqlalchemy import update

from digest.app import App
from digest.outbox.tables import DELIVERY, ISSUE
from digest.runtime.db import session_scope
from digest.send import listing
from digest.settings.root import load_settings
from digest.testing import FrozenClock
from digest.workspace import report
from digest.workspace.create import create
from tests.support.ledger import Ledger


def test_who_did_not_get_it_is_read_in_batches(ledger: Ledger, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(listing, "BATCH", 2)
    create(tmp_path / "workspace", sample=False)
    app = App(load_settings(tmp_path / "workspace"), ledger.engine, FrozenClock(ledger.now))
    people = ledger.planned(9)
    with session_scope(ledger.engine) as session:
        session.execute(update(ISSUE).values(frozen_at=ledger.now, excluded={"unsubscribed": 2}))
        session.execute(update(DELIVERY).values(state="accepted"))
        session.execute(
            update(DELIVERY).where(DELIVERY.c.subscriber_id.in_(people[:5])).values(state="rejected", reason="550 no")
        )
        session.execute(update(DELIVERY).where(DELIVERY.c.subscriber_id == people[5]).values(state="expired"))
        session.execute(DELIVERY.delete().where(DELIVERY.c.subscriber_id.in_(people[7:])))
    (account,) = report.report(app, 21).issues
    assert isinstance(account.missed, Iterator)
    whys = [one["reason"] for one in account.missed]
    assert whys == [*["rejected: 550 no"] * 5, "expired", *["changed since"] * 2]
    assert account.missed_count == len(whys)
