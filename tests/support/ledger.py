"""Builder for the tests of the outbox: an issue that is sending, its readers, and the ledger's verbs with few words."""

import itertools
from collections.abc import Sequence
from datetime import datetime, timedelta
from pathlib import Path
from typing import Any

from sqlalchemy import Engine, select, update
from sqlmodel import Session

from digest.editions.models import Edition
from digest.issues.models import Issue
from digest.outbox import plan, store
from digest.outbox.recover import recover
from digest.outbox.settle import Settlement, settle
from digest.outbox.states import State
from digest.outbox.tables import ATTEMPT, DELIVERY, ISSUE, SUBSCRIBER, WORKER
from digest.outbox.take import Started, Taken, Taker, Window, take
from digest.outbox.workers import WorkerLiveness, register
from digest.runtime.db import session_scope
from subscribers.audience import exclusion_reason
from subscribers.models import Subscriber, SubscriberState

HOST = "here"


class Ledger:
    """One database with issue 21 in sending and one edition per language and interests that are used."""

    def __init__(self, engine: Engine, now: datetime, folder: Path) -> None:
        self.engine = engine
        self.now = now
        self.witness = WorkerLiveness(HOST, folder / "locks")
        self._numbers = itertools.count(1)
        with session_scope(engine) as session:
            issue = Issue(number=21, period="2021-09", date=now.date(), state="sending", created_at=now)
            session.add(issue)
            session.flush()
            assert issue.id is not None
            self.issue_id: int = issue.id
            self.edition_id = self._edition(session, "en")

    def _edition(self, session: Session, language: str) -> int:
        edition = Edition(
            issue_id=self.issue_id,
            content_hash=f"hash-{language}",
            language=language,
            articles=[],
            subject="",
            preheader="",
            nonce="0" * 16,
            html="",
            text="",
            created_at=self.now,
        )
        session.add(edition)
        session.flush()
        assert edition.id is not None
        return edition.id

    def edition(self, language: str) -> int:
        with session_scope(self.engine) as session:
            return self._edition(session, language)

    def reader(self, **fields: Any) -> int:
        number = next(self._numbers)
        values = {
            "ref": f"ref{number}",
            "address": f"reader{number}@example.org",
            "address_key": f"reader{number}@example.org",
            "suppression_key": f"key{number}",
            "language": "en",
            "state": SubscriberState.CONFIRMED,
            "created_at": self.now,
        }
        with session_scope(self.engine) as session:
            person = Subscriber(**{**values, **fields})
            session.add(person)
            session.flush()
            assert person.id is not None
            return person.id

    def change(self, subscriber_id: int, **values: Any) -> None:
        with session_scope(self.engine) as session:
            session.execute(update(SUBSCRIBER).where(SUBSCRIBER.c.id == subscriber_id).values(**values))

    def change_issue(self, **values: Any) -> None:
        with session_scope(self.engine) as session:
            session.execute(update(ISSUE).where(ISSUE.c.id == self.issue_id).values(**values))

    def freeze(self, editions: dict[tuple[str, str], int | None] | None = None) -> plan.PlanResult:
        mapping = {("en", "*"): self.edition_id} if editions is None else editions
        with session_scope(self.engine) as session:
            return plan.freeze(session, self.issue_id, mapping, exclusion_reason(self.now, 21), self.now)

    def second_issue(self, number: int) -> int:
        """Another issue that is sending, planned for everybody; return its id."""
        first, edition = self.issue_id, self.edition_id
        with session_scope(self.engine) as session:
            issue = Issue(number=number, period="2021-10", date=self.now.date(), state="sending", created_at=self.now)
            session.add(issue)
            session.flush()
            assert issue.id is not None
            self.issue_id = second = issue.id
            self.edition_id = self._edition(session, "en")
        self.freeze()
        self.issue_id, self.edition_id = first, edition
        return second

    def planned(self, readers: int) -> list[int]:
        people = [self.reader() for _ in range(readers)]
        self.freeze()
        return people

    def worker(self, worker_id: str = "w1", host: str = HOST) -> None:
        with session_scope(self.engine) as session:
            register(session, worker_id, host, self.now)

    def silence(self, worker_id: str, seconds: float) -> None:
        """Move the worker's last heartbeat into the past."""
        with session_scope(self.engine) as session:
            row = session.execute(select(WORKER.c.heartbeat_at).where(WORKER.c.id == worker_id)).scalar_one()
            beat = row - timedelta(seconds=seconds)
            session.execute(update(WORKER).where(WORKER.c.id == worker_id).values(heartbeat_at=beat))

    def take(self, limit: int = 50, worker: str = "w1", relay: str = "test") -> list[Taken]:
        return list(self.window(limit, worker, relay).started)

    def window(self, limit: int = 50, worker: str = "w1", relay: str = "test") -> Window[Taken]:
        with session_scope(self.engine) as session:
            return take(session, Taker(worker, relay), self.issue_id, exclusion_reason, limit=limit, now=self.now)

    def settle(self, attempts: Sequence[Started], state: State, outcome: str = "", **fields: Any) -> int:
        settlements = [
            Settlement(one.promised, one.id, one.attempt_id, state, outcome or state.value, self.now, **fields)
            for one in attempts
        ]
        with session_scope(self.engine) as session:
            return settle(session, settlements)

    def give_back(self, attempts: Sequence[Started]) -> int:
        return self.settle(attempts, State.PENDING, "not_sent", reason="stopped")

    def recover(self) -> int:
        with session_scope(self.engine) as session:
            return recover(session, self.witness, self.now).uncertain

    def counts(self) -> dict[str, int]:
        """The states that are not empty."""
        with session_scope(self.engine, read_only=True) as session:
            counted = store.counts(session, self.issue_id)
        assert set(counted) == set(State)
        return {state.value: count for state, count in counted.items() if count}

    def delivery(self, of_id: int) -> Any:
        with session_scope(self.engine, read_only=True) as session:
            return session.execute(select(DELIVERY).where(DELIVERY.c.id == of_id)).one()

    def deliveries(self) -> list[Any]:
        with session_scope(self.engine, read_only=True) as session:
            return list(session.execute(select(DELIVERY).order_by(DELIVERY.c.id)))

    def attempts(self) -> list[Any]:
        with session_scope(self.engine, read_only=True) as session:
            return list(session.execute(select(ATTEMPT).order_by(ATTEMPT.c.started_at, ATTEMPT.c.id)))
