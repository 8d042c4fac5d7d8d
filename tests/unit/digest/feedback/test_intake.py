"""What comes back is assigned, counted once, corrects the ledger, and nothing forged or broken changes anything."""

from pathlib import Path

import pytest

from digest.feedback.intake import forget_samples
from digest.notify import Event
from digest.outbox.states import State
from digest.runtime.db import session_scope
from tests.support.came_back import MAILBOX, CameBack, complaint, dsn
from tests.support.ledger import Ledger


@pytest.fixture
def back(ledger: Ledger, tmp_path: Path) -> CameBack:
    return CameBack(ledger, tmp_path)


def test_a_late_bounce_corrects_and_suppresses_once(back: CameBack) -> None:
    gone, stays = back.accepted(2)
    mail = back.bounce(gone)
    result = back.ingest(mail)
    assert result.as_json() == {
        "read": 1,
        "counted": {"hard": 1, "soft": 0, "complaint": 0, "ignored": 0},
        "quarantined": [],
        "repeated": 0,
        "unmatched": 0,
        "unknown": 0,
        "policy": 0,
        "suppressed": 1,
    }
    assert (back.state(gone), back.state(stays)) == ("rejected", "accepted")
    assert back.suppressed() == {gone.reader.address: "hard_bounce"}
    attempt = next(one for one in back.ledger.attempts() if one.id == gone.attempt_id)
    assert (attempt.outcome, attempt.code, attempt.enhanced, attempt.by_evidence) == ("rejected", 550, "5.1.1", True)
    (event,) = back.events()
    assert (event.kind, event.reason, event.issue_id) == ("hard", "mailbox_unknown", back.ledger.issue_id)
    assert "Final-Recipient" in event.sample
    # the same, by another way, is the same event
    again = back.ingest(b"Received: from elsewhere\r\n" + mail.replace(b"\n", b"\r\n"), mail)
    assert (again.repeated, sum(again.counted.values()), len(back.events())) == (2, 0, 1)


@pytest.mark.parametrize("way", ["to", "case", "delivered-to", "envelope-id", "minus", "message-id", "other-id"])
def test_the_reader_is_found_by_what_the_report_carries(back: CameBack, way: str) -> None:
    (one,) = back.accepted()
    token, address = back.token(one), one.reader.address
    original = f"Message-ID: {back.message_id(one)}\n"
    mail = {
        "to": dsn(back.address(one), "elsewhere@example.com"),
        "case": dsn(back.address(one).upper(), "x@example.com"),
        "delivered-to": f"Delivered-To: {back.address(one)}\n".encode() + dsn(MAILBOX, "x@example.com"),
        "envelope-id": dsn(MAILBOX, "x@example.com", envelope_id=token),
        "other-id": b"Message-Id: d0123456789abcdef0123456789abcdef\n" + dsn(MAILBOX, address, original=original),
        "minus": dsn(back.address(one).replace("+", "-"), "x@example.com"),
        "message-id": dsn(MAILBOX, address.upper(), original=original),
    }[way]
    assert back.counted(mail) == {"hard": 1}
    assert back.state(one) == "rejected"


def test_forged_and_foreign_reports_change_nothing(back: CameBack) -> None:
    one, other = back.accepted(2)
    token = back.token(one)
    forged = token[:-1] + ("0" if token[-1] != "0" else "1")
    original = f"Message-ID: {back.message_id(one)}\n"
    mails = [
        dsn(f"bounces+{forged}@news.example.org", one.reader.address),
        dsn(MAILBOX, one.reader.address),
        dsn(MAILBOX, one.reader.address, original="Message-ID: <x@y>\n"),
        dsn(MAILBOX, other.reader.address, original=original),  # ours, but not made for this recipient
        dsn(MAILBOX, "somebody@example.com", original=original),
        complaint(MAILBOX, original=original),
    ]
    result = back.ingest(*mails)
    assert (result.counted["ignored"], result.unmatched, result.suppressed) == (6, 6, 0)
    assert [back.state(one), back.state(other)] == ["accepted", "accepted"]
    assert back.suppressed() == {}
    assert all(event.delivery_id is None and event.sample for event in back.events())
    assert back.ingest(*mails).repeated == 6


def test_automatic_mail_and_delays_never_count(back: CameBack) -> None:
    (one,) = back.accepted()
    to = back.address(one)
    vacation = f"From: ada@example.net\nTo: {to}\nAuto-Submitted: auto-replied\nSubject: Away\n\nUser unknown to me\n"
    korean = f"From: ada@example.net\nTo: {to}\nSubject: =?utf-8?b?67aA7J6sIOykkSDsnpDrj5kg7ZqM7Iug?=\n\nx\n"
    receipt = (
        f"From: ada@example.net\nTo: {to}\nSubject: Read\nMIME-Version: 1.0\n"
        "Content-Type: multipart/report; report-type=disposition-notification; boundary=b\n\n"
        "--b\nContent-Type: message/disposition-notification\n\nDisposition: manual-action; displayed\n--b--\n"
    )
    question = f"From: ada@example.net\nTo: {to}\nSubject: Please confirm your message\n\nClick here\n"
    delay = back.bounce(one, action="delayed", status="4.4.1", words="450 try again")
    mails = [vacation.encode(), korean.encode(), receipt.encode(), question.encode(), delay]
    assert back.counted(*mails) == {"ignored": 5}
    assert (back.state(one), back.suppressed()) == ("accepted", {})
    assert [event.sample for event in back.events()][:4] == [None] * 4


def test_a_report_resolves_an_uncertain_delivery(back: CameBack) -> None:
    back.ledger.planned(3)
    bounced, arrived, open_ = back.ledger.take()
    assert back.ledger.recover() == 3
    back.ingest(back.bounce(bounced), back.bounce(arrived, action="relayed", status="2.0.0", words="250 ok"))
    assert [back.state(one) for one in (bounced, arrived, open_)] == ["rejected", "accepted", "uncertain"]


def test_a_bounce_can_come_before_the_reply_is_stored(back: CameBack) -> None:
    back.ledger.planned(1)
    back.ledger.worker()
    (one,) = back.ledger.take()
    back.ingest(back.bounce(one))
    back.ledger.settle([one], State.ACCEPTED, code=250)
    assert back.state(one) == "rejected"


def test_a_policy_bounce_raises_an_alarm_and_suppresses_nobody(back: CameBack) -> None:
    told: list[Event] = []
    object.__setattr__(back.works.notifier, "tell", lambda _session, event: told.append(event))
    one, other = back.accepted(2)
    fields = {"status": "5.7.26", "words": "550 5.7.26 This mail is unauthenticated"}
    result = back.ingest(back.bounce(one, **fields), back.bounce(other, **fields))
    assert (result.counted["soft"], result.policy, back.suppressed()) == (2, 2, {})
    assert [event.kind for event in told] == ["policy_bounces"]
    assert "5.7.26" in told[0].why
    assert "DMARC" in told[0].why


def test_poison_is_put_aside_and_named(back: CameBack) -> None:
    (one,) = back.accepted()
    nested = b"Content-Type: multipart/mixed; boundary=b\n\n--b\n" * 1000
    result = back.ingest(nested, b"x" * (9 * 1024 * 1024), back.bounce(one))
    assert [(bad.file, bad.reason) for bad in result.quarantined] == [
        ("mail 1", "the mail has too many parts"),
        ("mail 2", "the mail is too large"),
    ]
    assert all(Path(bad.kept).stat().st_mode & 0o777 == 0o600 for bad in result.quarantined)
    assert result.counted["hard"] == 1


def test_samples_are_forgotten_in_time(back: CameBack) -> None:
    (one,) = back.accepted()
    back.ingest(back.bounce(one))
    for days, kept in ((89, True), (2, False)):
        back.wait(days=days)
        with session_scope(back.ledger.engine) as session:
            forget_samples(session, 90, back.clock.now())
        assert (back.events()[0].sample is not None) is kept
