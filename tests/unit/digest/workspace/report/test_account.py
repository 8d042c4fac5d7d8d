"""The report names everybody who did not get an issue, however many there are; on both databases."""

import json
import random
import re
from collections.abc import Iterator
from datetime import datetime
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, cast

import pytest
from sqlalchemy import Engine, update

from digest.app import App
from digest.issues.models import Issue
from digest.membership.erasure import forget_everywhere
from digest.outbox.tables import DELIVERY, ISSUE
from digest.runtime.db import session_scope
from digest.send import listing
from digest.settings.root import load_settings
from digest.testing import FrozenClock
from digest.workspace.create import create
from digest.workspace.report import account
from digest.workspace.report.missed import MissedReader, write_csv
from digest.workspace.report.page import ReportPages
from subscribers import preferences, store
from subscribers.consent import ConsentMethod
from tests.support.busy_issue import BusyIssues
from tests.support.ledger import Ledger

if TYPE_CHECKING:
    from digest.membership.context import MembershipContext


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
    report = account.of_issue(app, 21)
    assert isinstance(report.as_json()["missed"], Iterator)
    whys = [one.reason for one in report.missed()]
    assert whys == [*["rejected: 550 no"] * 5, "expired", *["changed since"] * 2]
    assert report.account.missed_count == len(whys)


@pytest.fixture
def busy(engine: Engine, now: datetime, tmp_path: Path) -> BusyIssues:
    return BusyIssues(engine, tmp_path / "workspace", now, random.Random(3))


@pytest.mark.one_database
def test_an_erased_reader_is_nowhere_in_it(busy: BusyIssues, tmp_path: Path) -> None:
    busy.readers(60)
    busy.come_back(busy.issue(1), 1, share=0.5)
    before = account.of_issue(busy.app, 1)
    people = {one.address: one.name for one in before.missed()}
    erased = [one.address for one in before.missed() if one.state == "rejected"][:5]
    erased += [one.address for one in before.missed() if one.state == "excluded"][:1]
    context = cast("MembershipContext", busy.app)
    for address in erased:
        with session_scope(busy.app.engine) as session:
            person = store.by_key(session, address)
            assert person is not None
            secret, forgetting = busy.app.settings.suppression_key, partial(forget_everywhere, context)
            own = {"method": ConsentMethod.COMMAND, "now": busy.clock.now(), "secret": secret, "forget": forgetting}
            assert preferences.erase(session, person, **own)
    report = account.of_issue(busy.app, 1)
    file = tmp_path / "missed.csv"
    write_csv(file, report.missed())
    told = file.read_text("utf-8") + json.dumps({**report.as_json(), "missed": 0}, default=str, ensure_ascii=False)
    told += ReportPages(busy.app.settings, busy.app.templates, busy.clock.now()).issue(report)
    assert [address for address in erased if address in told] == []
    assert set(people) - set(erased) <= set(re.findall(r"[^,\s\"]+@[^,\s\"]+", told))
    assert report.account.states == before.account.states
    assert {state: sum(of.values()) for state, of in report.reasons.by_state.items()} == {
        state: sum(of.values()) for state, of in before.reasons.by_state.items()
    }
    assert file.stat().st_mode & 0o777 == 0o600


@pytest.mark.one_database
def test_issues_are_compared_and_departures_counted_once(busy: BusyIssues) -> None:
    busy.readers(60)
    busy.come_back(busy.issue(1), 1, share=0.3)
    busy.readers(10, first=100)
    busy.clock.move(days=20)
    busy.issue(2)
    (first,) = account.of_issue(busy.app, 2).earlier
    assert first.left == account.of_issue(busy.app, 1).account.left > 0
    overview = account.overview(busy.app)
    assert [(one.issue, one.left) for one in overview.issues] == [(1, first.left), (2, 0)]
    assert [one.joined for one in overview.issues] == [59, 10]
    assert overview.newest == 2
    assert sum(sum(of.values()) for of in overview.reach.values()) >= overview.issues[1].planned


def test_a_draft_has_an_account_too(busy: BusyIssues) -> None:
    with session_scope(busy.app.engine) as session:
        now = busy.clock.now()
        session.add(Issue(number=7, period="2021-09", date=now.date(), created_at=now))
    report = account.of_issue(busy.app, 7)
    assert (report.account.planned, list(report.missed())) == (0, [])
    assert account.overview(busy.app).issues[0].state == "draft"


def test_a_spreadsheet_takes_no_cell_for_a_formula(tmp_path: Path) -> None:
    readers = [
        MissedReader("=a@example.org", "+Ann", "excluded", "paused"),
        MissedReader("b@example.org", "", "", "-1"),
    ]
    assert write_csv(tmp_path / "missed.csv", iter(readers)) == 2
    lines = (tmp_path / "missed.csv").read_text("utf-8-sig").splitlines()
    assert lines == ["address,name,state,reason", "'=a@example.org,'+Ann,excluded,paused", "b@example.org,,,'-1"]
