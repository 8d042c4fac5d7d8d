"""A workspace on the ledger that mails come back to: bounces and complaints about its deliveries."""

from datetime import datetime
from pathlib import Path
from typing import Any

from sqlalchemy import select

from digest.app import App
from digest.feedback import consequences
from digest.feedback.intake import IntakeResult
from digest.feedback.models import EVENT
from digest.outbox.settle import Settlement
from digest.outbox.states import Outcome, State
from digest.outbox.tables import DELIVERY, ISSUE, SUBSCRIBER, SUPPRESSION, Promised
from digest.outbox.take import Started, Taken
from digest.runtime.db import session_scope
from digest.send import feedback
from digest.settings.root import load_settings
from digest.testing import FrozenClock
from digest.workspace.create import create
from tests.support.ledger import Ledger

MAILBOX = "bounces@news.example.org"


def dsn(
    to: str,
    address: str,
    *,
    status: str = "5.1.1",
    words: str = "550 5.1.1 no such user",
    action: str = "failed",
    original: str = "",
    envelope_id: str = "",
) -> bytes:
    """A report about a delivery (RFC 3464)."""
    named = f"Original-Envelope-Id: {envelope_id}\n" if envelope_id else ""
    return (
        f"Return-Path: <>\nFrom: MAILER-DAEMON@relay.example.net\nTo: {to}\nSubject: Undelivered\nMIME-Version: 1.0\n"
        'Auto-Submitted: auto-replied\nContent-Type: multipart/report; report-type=delivery-status; boundary="b"\n\n'
        "--b\nContent-Type: text/plain\n\nI am sorry.\n\n--b\nContent-Type: message/delivery-status\n\n"
        f"Reporting-MTA: dns; relay.example.net\n{named}\nFinal-Recipient: rfc822; {address}\nAction: {action}\n"
        f"Status: {status}\nDiagnostic-Code: smtp; {words}\n\n"
        f"--b\nContent-Type: text/rfc822-headers\n\n{original}Subject: Issue 21\n\n--b--\n"
    ).encode()


def complaint(to: str, *, original: str = "", kind: str = "abuse", address: str = "redacted") -> bytes:
    """A complaint (ARF, RFC 5965)."""
    return (
        f"From: feedback@arf.example.net\nTo: {to}\nSubject: FW: Issue 21\nMIME-Version: 1.0\n"
        'Content-Type: multipart/report; report-type=feedback-report; boundary="b"\n\n'
        "--b\nContent-Type: text/plain\n\nThis is an abuse report.\n\n--b\nContent-Type: message/feedback-report\n\n"
        f"Feedback-Type: {kind}\nUser-Agent: Test/1\nVersion: 1\nOriginal-Rcpt-To: {address}\n\n"
        f"--b\nContent-Type: message/rfc822\n\n{original}Subject: Issue 21\n\nHello\n--b--\n"
    ).encode()


class CameBack:
    """The ledger's issue 21, whose readers' mails come back."""

    def __init__(self, ledger: Ledger, folder: Path, return_path: str = MAILBOX) -> None:
        create(folder / "workspace", sample=False)
        settings = folder / "workspace" / "digest.toml"
        settings.write_text(f'{settings.read_text()}\n[feedback]\nreturn_path = "{return_path}"\n')
        self.ledger = ledger
        self.clock = FrozenClock(ledger.now)
        self.works = App(load_settings(folder / "workspace"), ledger.engine, self.clock)

    def accepted(self, readers: int = 1) -> list[Taken]:
        """Deliveries that the relay has accepted."""
        self.ledger.planned(readers)
        self.ledger.worker()
        taken = self.ledger.take(limit=readers)
        self.ledger.settle(taken, State.ACCEPTED, code=250)
        return taken

    def token(self, one: Taken) -> str:
        path = self.works.delivery.writer.return_path
        assert path is not None
        return path.token(Promised.DELIVERY, one.id, (str(self.number_of(one.id)), one.reader.ref))

    def address(self, one: Taken) -> str:
        path = self.works.delivery.writer.return_path
        assert path is not None
        return path.address(self.token(one))

    def message_id(self, one: Taken) -> str:
        return self.works.delivery.writer.message_id(self.number_of(one.id), one.reader.ref)

    def number_of(self, delivery_id: int) -> int:
        query = select(ISSUE.c.number).join(DELIVERY, DELIVERY.c.issue_id == ISSUE.c.id)
        with session_scope(self.ledger.engine, read_only=True) as session:
            return int(session.execute(query.where(DELIVERY.c.id == delivery_id)).scalar_one())

    def bounce(self, one: Taken, **fields: Any) -> bytes:
        return dsn(self.address(one), one.reader.address, **fields)

    def ingest(self, *mails: bytes) -> IntakeResult:
        return feedback.ingest(self.works, [(f"mail {n}", data) for n, data in enumerate(mails, 1)])

    def counted(self, *mails: bytes) -> dict[str, int]:
        """The counts that are not zero."""
        return {name: count for name, count in self.ingest(*mails).counted.items() if count}

    def draw(self) -> None:
        consequences.draw(self.ledger.engine, self.clock.now(), self.works.delivery.breaker_limits)

    def state(self, one: Taken) -> str:
        return str(self.ledger.delivery(one.id).state)

    def suppressed(self) -> dict[str, str]:
        """Reasons by reader's address."""
        query = select(SUBSCRIBER.c.address, SUPPRESSION.c.reason).join(
            SUPPRESSION, SUPPRESSION.c.key == SUBSCRIBER.c.suppression_key
        )
        with session_scope(self.ledger.engine, read_only=True) as session:
            return {row.address: row.reason for row in session.execute(query)}

    def events(self) -> list[Any]:
        with session_scope(self.ledger.engine, read_only=True) as session:
            return list(session.execute(select(EVENT).order_by(EVENT.c.id)).all())

    def issue(self) -> Any:
        with session_scope(self.ledger.engine, read_only=True) as session:
            return session.execute(select(ISSUE).where(ISSUE.c.id == self.ledger.issue_id)).one()

    def refused(self, one: Started, at: datetime, **fields: Any) -> Settlement:
        values: dict[str, Any] = {
            "code": 550,
            "enhanced": "5.1.1",
            "reply": "no such user",
            "relay": "relay:25",
        } | fields
        state = values.pop("state", State.REJECTED)
        return Settlement(one.promised, one.id, one.attempt_id, state, Outcome.REJECTED, at, **values)

    def wait(self, days: float) -> None:
        self.clock.move(days=days)
        self.ledger.now = self.clock.now()
