"""Who is suppressed, and when: in issues, not days, and never while an issue is held."""

from pathlib import Path

import pytest
from sqlalchemy import select

from digest.delivery.mail.return_path import ReturnPath
from digest.feedback import consequences, replies
from digest.outbox import breaker, notices, operations
from digest.outbox.breaker import BreakerLimits
from digest.outbox.notices import TakenNotice
from digest.outbox.states import State
from digest.outbox.tables import SUBSCRIBER
from digest.outbox.take import Taken, Taker
from digest.runtime.db import session_scope
from digest.schedule import tick
from digest.send import operator, operator_events
from digest.send.status import status
from tests.support.came_back import MAILBOX, CameBack, complaint, dsn
from tests.support.ledger import Ledger


@pytest.fixture
def back(ledger: Ledger, tmp_path: Path) -> CameBack:
    return CameBack(ledger, tmp_path)


def refuse(back: CameBack, *taken: Taken | TakenNotice, finish: bool = True, **fields: object) -> None:
    """Let the relay refuse these, as a worker stores it, and end the issue."""
    with session_scope(back.ledger.engine) as session:
        settlements = [back.refused(one, back.clock.now(), **fields) for one in taken]
        breaker.settle(session, settlements, BreakerLimits())
        replies.note(session, settlements)
        if finish:
            operations.finish(session, back.ledger.issue_id, back.clock.now())
    back.draw()


def taken(back: CameBack, readers: int) -> list[Taken]:
    back.ledger.planned(readers)
    back.ledger.worker()
    return back.ledger.take(limit=readers)


def test_a_refusal_suppresses_when_the_issue_has_ended(back: CameBack) -> None:
    gone, full, fine = taken(back, 3)
    refuse(back, gone, finish=False)
    assert back.suppressed() == {}
    back.ledger.settle([fine], State.ACCEPTED, code=250)
    refuse(back, full, enhanced="5.2.2", code=552, reply="mailbox full")
    assert back.issue().state == "sent"
    assert back.suppressed() == {gone.reader.address: "hard_bounce"}
    assert [(event.kind, event.source) for event in back.events()] == [("hard", "reply"), ("soft", "reply")]


def test_a_relay_that_refuses_everybody_empties_no_list(back: CameBack) -> None:
    readers = taken(back, 60)
    refuse(back, *readers[:50])
    assert back.issue().held
    refuse(back, *readers[50:])
    assert back.suppressed() == {}
    operator.release(back.works, 21)
    assert back.suppressed() == {}  # none was accepted: it is no sent issue
    with session_scope(back.ledger.engine) as session:
        ids = [row.id for row in back.ledger.deliveries()]
        assert operations.retry(session, back.ledger.issue_id, State.REJECTED, back.clock.now(), why="", ids=ids) == 60
    again = back.ledger.take(limit=60)
    back.ledger.settle(again, State.ACCEPTED, code=250)
    refuse(back)
    assert (back.issue().state, back.suppressed()) == ("sent", {})


def test_a_small_issue_with_many_refusals_waits_for_a_person(back: CameBack) -> None:
    readers = taken(back, 30)
    back.ledger.settle(readers[:15], State.ACCEPTED, code=250)
    refuse(back, *readers[15:])
    assert back.issue().held
    assert back.suppressed() == {}
    back.wait(days=1)
    operator.release(back.works, 21)
    assert len(back.suppressed()) == 15


def test_late_bounces_of_a_held_issue_wait_for_its_release(back: CameBack) -> None:
    one, two = back.accepted(2)
    operator.hold(back.works, 21)
    back.ingest(back.bounce(one), complaint(back.address(two)))
    assert back.suppressed() == {two.reader.address: "complaint"}
    operator.release(back.works, 21)
    assert back.suppressed()[one.reader.address] == "hard_bounce"


def test_late_rejections_hold_a_running_issue(back: CameBack) -> None:
    sent = back.accepted(60)
    mails = [back.bounce(one, status="5.2.2", words="552 5.2.2 full") for one in sent]
    back.ingest(*mails[:12])
    assert not back.issue().held
    back.ingest(mails[12])
    assert back.issue().held
    assert "13 of 60 were rejected" in back.issue().held_reason


def test_complaints_hold_an_issue_from_three_in_a_thousand(back: CameBack) -> None:
    sent = back.accepted(400)
    back.ingest(complaint(back.address(sent[0])))
    assert not back.issue().held
    back.ingest(complaint(back.address(sent[1])))
    assert back.issue().held
    assert "2 of 400 readers marked" in back.issue().held_reason
    assert len(back.suppressed()) == 2
    back.wait(days=1)
    operator.release(back.works, 21)
    back.draw()
    assert not back.issue().held


def test_a_sent_issue_is_held_told_and_released(back: CameBack, monkeypatch: pytest.MonkeyPatch) -> None:
    sent = back.accepted(304)
    with session_scope(back.ledger.engine) as session:
        assert operations.finish(session, back.ledger.issue_id, back.clock.now())
    back.ingest(*(back.bounce(one, words="550 5.1.1 gone") for one in sent[302:]))
    assert len(back.suppressed()) == 2
    # the command ends before it has told of the hold; the next look does
    with monkeypatch.context() as patched:
        patched.setattr(operator_events, "tell_of", lambda *_args: False)
        back.ingest(complaint(back.address(sent[0])), back.bounce(sent[1]))
    assert (back.issue().state, back.issue().held) == ("sent", True)
    with session_scope(back.ledger.engine, read_only=True) as session:
        event, *_ = operator_events._events(session, [], back.clock.now())
    assert event.commands == ("digest outbox status 21", "digest outbox release 21")
    assert status(back.works, 21).as_json()["next"] == ["digest outbox release 21"]
    assert [one.why for one in tick._held(back.works, [])] == [f"issue 21 is held: {back.issue().held_reason}"]
    assert set(back.suppressed()) == {sent[at].reader.address for at in (0, 302, 303)}
    back.wait(days=1)
    assert operator.release(back.works, 21) == (21, True)
    assert (back.issue().state, back.issue().held, len(back.suppressed())) == ("sent", False, 4)
    assert tick._held(back.works, []) == []


@pytest.mark.parametrize(
    ("outcomes", "days", "suppressed"),
    [
        ("sss", 31, True),
        ("ss", 31, False),
        ("sas", 31, False),
        ("ssas", 31, False),
        ("sss", 7, False),
        ("sspsx", 31, True),
        ("ssssssssss", 7, True),
        ("asss", 31, True),
    ],  # one a month, one a week
)
def test_soft_bounces_count_in_issues(back: CameBack, outcomes: str, days: int, suppressed: bool) -> None:
    back.ledger.reader()
    back.ledger.worker()
    for number, outcome in enumerate(outcomes, 21):
        if number == 21:
            back.ledger.freeze()
        else:
            back.wait(days=days)
            back.ledger.issue_id = back.ledger.second_issue(number)
        window = back.ledger.take()
        if not window:  # suppressed already
            break
        (one,) = window
        back.ledger.settle([one], State.ACCEPTED, code=250)
        told = {"s": ("5.2.2", "552 5.2.2 full"), "p": ("5.7.1", "550 5.7.1 blocked"), "x": ("4.4.7", "too old")}
        if outcome in told:
            back.ingest(back.bounce(one, status=told[outcome][0], words=told[outcome][1]))
    assert set(back.suppressed().values()) == ({"soft_bounce"} if suppressed else set())


def test_a_bounce_of_a_former_address_does_not_touch_the_new_one(back: CameBack) -> None:
    (one,) = back.accepted()
    back.wait(days=1)
    subscriber = back.ledger.delivery(one.id).subscriber_id
    back.ledger.change(subscriber, address="new@example.org", suppression_key="new", address_since=back.clock.now())
    back.ingest(back.bounce(one))
    assert (back.state(one), back.suppressed()) == ("rejected", {})


def test_consequences_are_drawn_once(back: CameBack) -> None:
    (one,) = back.accepted()
    back.ingest(back.bounce(one))
    with session_scope(back.ledger.engine) as session:
        assert consequences.apply(session, back.clock.now(), BreakerLimits()) == 0


def noticed(back: CameBack, subscriber: int, kind: str = "welcome", address: str = "") -> TakenNotice:
    """A notice to a subscriber that has been started."""
    now = back.clock.now()
    with session_scope(back.ledger.engine) as session:
        own = session.execute(select(SUBSCRIBER.c.address).where(SUBSCRIBER.c.id == subscriber)).scalar_one()
        notices.promise(
            session, kind, str(now), address=address or own, language="en", now=now, subscriber_id=subscriber
        )
        (one,) = notices.take_notices(session, Taker("w1", "test"), limit=1, now=now).started
        return one


def of_notice(back: CameBack, one: TakenNotice) -> bytes:
    path = ReturnPath(MAILBOX, back.works.settings.message_key)
    return dsn(path.address(path.token(one.promised, one.id, (one.kind, one.key))), one.address)


@pytest.mark.parametrize(
    ("kind", "address"), [("address", "nobody@typo.example"), ("address_changed", "old@example.org")]
)
def test_a_notice_to_another_address_says_nothing_of_the_readers(back: CameBack, kind: str, address: str) -> None:
    back.ledger.worker()
    reader = back.ledger.reader()
    one = noticed(back, reader, kind, address)
    back.ledger.settle([one], State.ACCEPTED, code=250)
    assert back.counted(of_notice(back, one)) == {"hard": 1}
    assert back.suppressed() == {}
    back.wait(days=1)
    own = noticed(back, reader)
    back.ledger.settle([own], State.ACCEPTED, code=250)
    back.ingest(of_notice(back, own))
    assert set(back.suppressed().values()) == {"hard_bounce"}


@pytest.mark.parametrize(
    ("answers", "days", "suppressed"),
    [("rrr", 4, True), ("rr", 30, False), ("rrr", 1, False), ("rrarr", 4, False), ("ffff", 4, False)],
)
def test_a_refused_notice_is_evidence_and_the_third_suppresses(
    back: CameBack, answers: str, days: int, suppressed: bool
) -> None:
    back.ledger.worker()
    reader = back.ledger.reader(state="pending")
    for answer in answers:
        back.wait(days=days)
        one = noticed(back, reader, "confirmation")
        if answer == "a":
            back.ledger.settle([one], State.ACCEPTED, code=250)
        else:
            told = {"enhanced": "5.2.2", "reply": "full"} if answer == "f" else {}
            refuse(back, one, finish=False, **told)
    assert back.suppressed() == ({one.address: "hard_bounce"} if suppressed else {})
    refused = [event for event in back.events() if event.notice_id]
    assert len(refused) == sum(answer != "a" for answer in answers)
    if suppressed:  # no further mail to it
        back.wait(days=1)
        with pytest.raises(ValueError, match="not enough values"):
            noticed(back, reader, "confirmation")
