"""Issues with every kind of ending, made with the ledger's own functions: replies, bounces, complaints, departures."""

import random
from collections.abc import Mapping, Sequence
from datetime import datetime, timedelta
from pathlib import Path
from typing import TypeVar

from sqlalchemy import Engine, insert, select, update

from digest.app import App
from digest.delivery.mailbox_families import families
from digest.delivery.outcome import classify, explain
from digest.delivery.settlement import conclude
from digest.delivery.transport import Reply
from digest.editions.models import Edition
from digest.feedback import replies
from digest.issues.models import Issue
from digest.outbox import operations, plan
from digest.outbox.plan import Timing
from digest.outbox.settle import settle
from digest.outbox.states import Outcome
from digest.outbox.tables import ISSUE, SUBSCRIBER, Promised
from digest.outbox.take import Taken, Taker, take
from digest.outbox.workers import register
from digest.runtime.db import session_scope
from digest.send import feedback
from digest.settings.root import load_settings
from digest.testing import FrozenClock
from digest.workspace.create import create
from subscribers import preferences
from subscribers.audience import exclusion_reason
from subscribers.consent import ConsentMethod
from subscribers.models import Subscriber
from tests.support.came_back import MAILBOX, complaint, dsn

DOMAINS = {"naver.com": 34, "gmail.com": 22, "daum.net": 9, "hanmail.net": 6, "outlook.com": 5, "korea.kr": 8}
DOMAINS |= {"lh.or.kr": 5, "krihs.re.kr": 4, "nate.com": 2, "kakao.com": 2, "example.org": 3}
INTERESTS = {"*": 40, "mobility": 15, "safety": 10, "mobility;safety": 10, "certification": 8, "": 3}
REPLIES: dict[tuple[int, str | None, str], float] = {
    (250, "2.0.0", "2.0.0 OK"): 93,
    (550, "5.1.1", "5.1.1 The email account that you tried to reach does not exist"): 1.5,
    (552, "5.2.2", "5.2.2 The recipient's inbox is out of storage space"): 0.8,
    (554, "5.2.1", "5.2.1 The account is disabled"): 0.4,
    (550, "5.7.26", "5.7.26 Your email has been blocked because the sender is unauthenticated"): 0.6,
    (550, "5.7.515", "5.7.515 Access denied, sending domain does not meet the required authentication level"): 0.5,
    (554, "5.7.1", "5.7.1 Message rejected as spam by content filtering"): 0.2,
    (421, "4.7.28", "4.7.28 Our system has detected an unusual rate of mail from your IP address"): 2,
    (0, None, "the connection was lost after the final dot"): 0.3,
}
T = TypeVar("T")
FAMILY_NAMES, GIVEN_NAMES = (
    "김이박최정강조윤장임",
    ["민준", "서연", "도윤", "지우", "서준", "하은", "예준", "지민", "시우", "수아", "현우", "유진"],
)


class BusyIssues:
    """A workspace whose issues are sent by hand, as much as a month may bring. `rng` decides everything."""

    def __init__(
        self, engine: Engine, folder: Path, now: datetime, rng: random.Random, *, language: str = "en"
    ) -> None:
        create(folder, sample=True)
        settings = (folder / "digest.toml").read_text()
        settings = settings.replace('language = "en"', f'language = "{language}"', 1)
        (folder / "digest.toml").write_text(f'{settings}\n[feedback]\nreturn_path = "{MAILBOX}"\n')
        self.clock, self.rng = FrozenClock(now), rng
        self.app = App(load_settings(folder), engine, self.clock)
        with session_scope(engine) as session:
            register(session, "w1", "here", now)

    def readers(self, count: int, *, first: int = 1) -> None:
        """Add readers, most of them confirmed."""
        now, rows = self.clock.now(), []
        for number in range(first, first + count):
            domain = self._one_of(DOMAINS)
            address = f"reader{number}@{domain}"
            kind = self.rng.random()
            rows.append({
                "ref": f"ref{number}", "address": address, "address_key": address, "suppression_key": f"key{number}",
                "name": self.rng.choice(FAMILY_NAMES) + self.rng.choice(GIVEN_NAMES),
                "language": self.rng.choice(["ko", "ko", "en"]), "format": "html", "frequency": "every",
                "interests": self._one_of(INTERESTS), "created_at": now, "confirmed_at": now,
                "state": "confirmed" if kind < 0.96 else "pending" if kind < 0.98 else "unsubscribed",
                "paused_until": now + timedelta(days=90) if 0.95 < kind < 0.96 else None,
            })  # fmt: skip
        with session_scope(self.app.engine) as session:
            session.execute(insert(SUBSCRIBER), rows)

    def issue(self, number: int, *, window: int = 200, finish: bool = True) -> list[Taken]:
        """Freeze and send an issue; return the accepted ones, of whom something may come back."""
        issue_id = self._frozen(number)
        accepted = []
        with session_scope(self.app.engine) as session:
            session.execute(update(ISSUE).where(ISSUE.c.id == issue_id).values(state="sending"))
        for _ in range(1000):
            self.clock.move(seconds=self.rng.uniform(2, 40))
            with session_scope(self.app.engine) as session:
                now = self.clock.now()
                taker = Taker("w1", "relay:25")
                taken = take(session, taker, issue_id, exclusion_reason, limit=window, now=now).started
                pairs = [(one, self._reply()) for one in taken]
                settled = [conclude(one, reply, self.clock.now(), 0.5) for one, reply in pairs]
                settle(session, settled)
                replies.note(session, settled)
                accepted += [one for one, reply in pairs if reply.outcome is Outcome.ACCEPTED]
            if not taken:
                break
        if finish:
            self._give_up(issue_id)
        return accepted

    def _frozen(self, number: int) -> int:
        now = self.clock.now()
        with session_scope(self.app.engine) as session:
            issue = Issue(number=number, period=f"{now:%Y-%m}", date=now.date(), state="frozen", created_at=now)
            issue.frozen_at, issue.approved_by, issue.approved_at = now, "Ada", now
            issue.subject = {"*": f"Smart City No. {number}"}
            session.add(issue)
            session.flush()
            editions: dict[tuple[str, ...], int | None] = {}
            for language, interests in session.execute(select(Subscriber.language, Subscriber.interests).distinct()):
                own = {"content_hash": f"{language} {interests}", "language": language, "articles": ["a"] * 9}
                empty = {"subject": "", "preheader": "", "nonce": "0" * 16}
                edition = Edition(issue_id=issue.id, created_at=now, **own, **empty)
                session.add(edition)
                session.flush()
                editions[language, interests] = edition.id
            timing = Timing([now], families())
            reason = exclusion_reason(now, number)
            done = plan.freeze(session, issue.id or 0, editions, reason, now, timing=timing)
            issue.excluded, issue.planned = dict(done.excluded), done.planned
            return issue.id or 0

    def _give_up(self, issue_id: int) -> None:
        """Let the deferred ones expire, a day later, and end the issue."""
        self.clock.move(days=2)
        while True:
            with session_scope(self.app.engine) as session:
                now = self.clock.now()
                taken = take(session, Taker("w1", "relay:25"), issue_id, exclusion_reason, limit=500, now=now).started
                late = Reply(Outcome.DEFERRED, 421, "4.7.28", "4.7.28 An unusual rate of mail", "relay:25")
                fine = Reply(Outcome.ACCEPTED, 250, "2.0.0", "2.0.0 OK", "relay:25")
                settle(session, [conclude(one, self.rng.choice([late, fine]), now, 0.5) for one in taken])
                if not taken and operations.finish(session, issue_id, now):
                    return
            self.clock.move(days=1)

    def come_back(self, accepted: Sequence[Taken], number: int, share: float = 0.02) -> None:
        """Bounces and complaints on the days that follow, and readers who leave."""
        path = self.app.delivery.writer.return_path
        assert path is not None
        for _ in range(6):
            self.clock.move(days=self.rng.uniform(0.3, 1.5))
            some = self.rng.sample(list(accepted), int(len(accepted) * share / 6) + 1)
            mails = []
            for one in some:
                to = path.address(path.token(Promised.DELIVERY, one.id, (str(number), one.reader.ref)))
                status, words = self.rng.choice([
                    ("5.1.1", "550 5.1.1 no such user"), ("5.2.2", "552 5.2.2 mailbox full"),
                    ("5.7.26", "550 5.7.26 unauthenticated mail is prohibited"), ("", ""),
                ])  # fmt: skip
                mails.append(dsn(to, one.reader.address, status=status, words=words) if status else complaint(to))
            feedback.ingest(self.app, [(f"mail {n}", data) for n, data in enumerate(mails)])
            refs = [one.reader.ref for one in self.rng.sample(list(accepted), int(len(accepted) * share / 8) + 1)]
            secret = self.app.settings.suppression_key
            with session_scope(self.app.engine) as session:
                gone = session.execute(select(SUBSCRIBER.c.id).where(SUBSCRIBER.c.ref.in_(refs))).scalars().all()
                preferences.unsubscribe_all(session, gone, ConsentMethod.ONE_CLICK, self.clock.now(), secret)

    def _reply(self) -> Reply:
        code, enhanced, words = self._one_of(REPLIES)
        if not code:
            return Reply(Outcome.UNCERTAIN, None, None, words, "relay:25")
        outcome = classify(code, explain(code, enhanced, text=words))
        return Reply(outcome, code, enhanced, words, "relay:25")

    def _one_of(self, weights: Mapping[T, float]) -> T:
        return self.rng.choices(list(weights), list(weights.values()))[0]
