"""A workspace on one of the databases, with a clock that tests move, and people who are in it."""

from dataclasses import dataclass
from datetime import datetime
from pathlib import Path
from typing import Any

from sqlalchemy import Engine, select

from digest.app import App
from digest.outbox.notices import take_notices
from digest.outbox.settle import Settlement, settle
from digest.outbox.states import Outcome, State
from digest.outbox.tables import NOTICE, Promised
from digest.outbox.take import Taker
from digest.runtime.db import session_scope
from digest.settings.root import load_settings
from digest.testing import FrozenClock
from digest.workspace import create
from subscribers import store, suppression
from subscribers.address import EmailAddress
from subscribers.models import Subscriber


@dataclass
class People:
    """The parts of a workspace, and what tests ask of it."""

    works: App

    @property
    def now(self) -> datetime:
        return self.works.clock.now()

    def add(self, address: str = "ada@example.net", **fields: Any) -> int:
        email = EmailAddress.parse(address)
        values: dict[str, Any] = {
            "ref": f"{abs(hash(address)) % 2**64:032x}",
            "address": email.address,
            "address_key": email.key,
            "suppression_key": suppression.key_of(email.key, self.works.settings.suppression_key),
            "name": "Ada Lovelace",
            "language": "en",
            "state": "confirmed",
            "created_at": self.now,
        }
        with session_scope(self.works.engine) as session:
            person = Subscriber(**values | fields)
            session.add(person)
            session.flush()
            return person.id or 0

    def person(self, of_id: int) -> Subscriber:
        with session_scope(self.works.engine, read_only=True) as session:
            found = session.get(Subscriber, of_id)
            assert found is not None
            session.expunge(found)
            return found

    def events(self, of_id: int) -> list[Any]:
        with session_scope(self.works.engine, read_only=True) as session:
            return list(store.events(session, self.person(of_id)))

    def notices(self) -> list[Any]:
        with session_scope(self.works.engine, read_only=True) as session:
            return list(session.execute(select(NOTICE).order_by(NOTICE.c.due_at, NOTICE.c.id)).all())

    def deliver(self, limit: int = 100) -> list[Any]:
        """Take the notices that are due now, and let the relay accept them."""
        with session_scope(self.works.engine) as session:
            taken = take_notices(session, Taker("w", "relay"), limit=limit, now=self.now).started
        ends = [
            Settlement(Promised.NOTICE, one.id, one.attempt_id, State.ACCEPTED, Outcome.ACCEPTED, self.now, reply="ok")
            for one in taken
        ]
        with session_scope(self.works.engine) as session:
            settle(session, ends)
        return list(taken)


def make(folder: Path, engine: Engine, now: datetime, **settings: Any) -> People:
    """Return a new workspace in `folder` whose database is the engine's."""
    create.create(folder, sample=False)
    return People(App(load_settings(folder, **settings), engine, FrozenClock(now)))
