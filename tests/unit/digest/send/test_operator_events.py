"""What operators hear while a send goes on: not only at its end, which may be hours away."""

import random
from collections.abc import Iterator, Sequence
from datetime import datetime, timedelta
from pathlib import Path
from typing import Any

import pytest
from sqlalchemy import Engine, select

from digest.app import App
from digest.delivery.outcome import Outcome, Phase
from digest.delivery.sequential import OneByOne
from digest.delivery.transport import Envelope, Reply
from digest.delivery.worker import rotation
from digest.outbox import breaker
from digest.outbox.tables import NOTICE
from digest.publish import lifecycle
from digest.publish.approval import Approver
from digest.render.notice_kind import NoticeKind
from digest.runtime.db import session_scope
from digest.send import operator_events, worker
from digest.send.start import PreparedSend, prepare_send
from digest.settings.operators import Operators
from digest.testing import ScriptedTransport
from tests.proof.months import FIRST, Months
from tests.support.busy_issue import BusyIssues

READERS = 130
ADA = "ada.operator@example.org"


@pytest.fixture
def works(tmp_path: Path, database_url: str) -> Iterator[App]:
    made = Months(tmp_path, database_url, months=1, readers=READERS)
    works = made.works_at(made.due(FIRST))
    told = works.settings.model_copy(update={"operators": Operators(addresses=(ADA,))})
    yield App(told, works.engine, works.clock)
    made.close()


@pytest.fixture
def ready(works: App) -> PreparedSend:
    now = works.clock.now()
    with session_scope(works.engine) as session:
        issue = lifecycle.assemble(works.publisher, session, FIRST, number=None, issue_date=now.date(), now=now)
        session.flush()
        lifecycle.approve(works.publisher, session, issue, Approver("Bo"), now)
        number = issue.number
    ready = prepare_send(works, number)
    ready.start()
    return ready


def test_uncertain_deliveries_are_told_while_the_send_goes_on(
    ready: PreparedSend, works: App, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(worker, "NEWS_SECONDS", 0.0)
    monkeypatch.setattr(rotation, "FILLS_UP_EVERY", timedelta(0))
    transport = ScriptedTransport([Outcome.ACCEPTED] * 2 + [Outcome.UNCERTAIN])
    run = worker.deliver(works, ready.issue_id, OneByOne(transport, works.clock), lambda _tally: None)
    assert run.outcomes["uncertain"] == 1
    with session_scope(works.engine, read_only=True) as session:
        told = list(
            session.execute(
                select(NOTICE.c.key).where(NOTICE.c.kind == NoticeKind.OPERATOR).order_by(NOTICE.c.id)
            ).scalars()
        )
    assert [key.split(":")[0] for key in told] == ["started", "uncertain_waiting", "finished"]
    places = [place for place, (envelope, _) in enumerate(transport.sent) if envelope.recipient == ADA]
    assert len(transport.sent) == READERS + 3
    assert places[1] < READERS - 20, "while others wait for theirs"
    assert places[2] == READERS + 2


def test_each_hold_is_told_once_with_the_relays_words(ready: PreparedSend, works: App) -> None:
    refused = Reply(Outcome.DEFERRED, 550, "5.7.1", "5.7.1 Unable to relay", "scripted", Phase.RCPT)

    class Refusing(ScriptedTransport):
        def send(self, envelope: Envelope, message: Sequence[bytes]) -> Reply:
            done = super().send(envelope, message)
            return done if envelope.recipient == ADA else refused

    transport = Refusing()
    for _ in range(2):
        worker.deliver(works, ready.issue_id, OneByOne(transport, works.clock), lambda _tally: None)
        worker.deliver(works, ready.issue_id, OneByOne(transport, works.clock), lambda _tally: None)
        with session_scope(works.engine) as session:
            breaker.release(session, ready.issue_id, works.clock.now())
    readers = [envelope for envelope, _ in transport.sent if envelope.recipient != ADA]
    assert 6 <= len(readers) < 20
    mails = [message.decode() for envelope, message in transport.sent if envelope.recipient == ADA]
    told = [mail for mail in mails if "Unable to relay" in mail]
    assert len(told) == 2
    assert all("digest outbox release 1" in mail and "digest outbox retry --issue 1" in mail for mail in told)


def test_the_report_is_told_once_three_days_after_the_end(engine: Engine, now: datetime, tmp_path: Path) -> None:
    busy = BusyIssues(engine, tmp_path / "workspace", now, random.Random(4))
    busy.readers(30)
    busy.issue(1)
    told = busy.app.settings.model_copy(update={"operators": Operators(addresses=(ADA, "bo.operator@example.org"))})
    works = App(told, engine, busy.clock)

    def notices() -> list[Any]:
        with session_scope(engine, read_only=True) as session:
            query = select(NOTICE).where(NOTICE.c.kind == NoticeKind.OPERATOR).order_by(NOTICE.c.id)
            return [row for row in session.execute(query) if row.context["event"] == "report"]

    busy.clock.move(days=2.9)
    assert not operator_events.tell_of_reports(works)
    busy.clock.move(days=0.2)
    assert operator_events.tell_of_reports(works)
    for _ in range(3):
        busy.clock.move(days=1)
        assert not operator_events.tell_of_reports(works)
    first, _ = notices()
    assert first.context["next"] == ["digest report 1", "digest report 1 --html FILE"]
    assert first.context["numbers"]["planned"] > 20
    busy.issue(2)
    quiet = told.model_copy(update={"operators": Operators(addresses=(ADA,), events=("halted",))})
    busy.clock.move(days=4)
    assert not operator_events.tell_of_reports(App(quiet, engine, busy.clock))
    busy.clock.move(days=40)  # an upgrade does not tell of what is long past
    assert not operator_events.tell_of_reports(works)
    assert len(notices()) == 2
