"""What is delivered: a real workspace with one issue of about 96 KB and any number of readers, planned and to be sent.

It is made once through the product (init, import, assemble, approve, freeze); each round begins with a copy of it.
"""

import json
import os
import shutil
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

from databases import Base
from sqlalchemy import delete, insert, text
from sqlmodel import Session, select

from digest import app
from digest.articles.models import Article
from digest.editions import store as editions
from digest.editions.models import Edition
from digest.issues import store as issues
from digest.issues.period import Period
from digest.outbox.tables import SUBSCRIBER
from digest.publish import freeze, lifecycle
from digest.publish.approval import Approver
from digest.runtime.db import session_scope
from digest.workspace import create
from subscribers.models import ConsentEvent, Subscriber
from subscribers.suppression import key_of

NUMBER, PERIOD = 21, Period(2021, 9)
COPIES = 3  # so many of the sample's articles stand twice; the mail then has the size that the table is about
CHUNK = 10_000
DOMAINS = 50


@dataclass(frozen=True)
class World:
    """A planned issue: `base` restores its database, `environment` lets a command find both."""

    workspace: Path
    base: Base
    readers: int

    @property
    def environment(self) -> dict[str, str]:
        """What a `digest` command needs besides its options: nothing of the caller's own configuration."""
        clean = {name: value for name, value in os.environ.items() if not name.startswith("DIGEST_")}
        return {**clean, "DIGEST_DATABASE__URL": self.base.url}

    def relays(self, *ports: int, connections: int = 10, **more: str) -> dict[str, str]:
        """Return the environment in which a command delivers to these ports on loopback, by so many connections."""
        # smtp-source -d and the peers' pools keep their connections for as long as it takes
        limits = {"connections": connections, "messages_per_connection": 1_000_000}
        relays = [{"host": "127.0.0.1", "port": port, "tls": "none", "limits": limits} for port in ports]
        return {**self.environment, "DIGEST_DELIVERY__TRANSPORT": "smtp", "DIGEST_RELAY": json.dumps(relays), **more}

    def restore(self) -> None:
        """Put everything back to where nothing was taken yet."""
        shutil.rmtree(self.workspace / ".state", ignore_errors=True)
        self.base.restore()
        os.sync()  # the copy's pages are not to be written while somebody is measured

    def facts(self) -> dict[str, Any]:
        """Return what the database says about the delivery: states, repeats, and its first and last instant."""
        with self.base.connect() as connection:
            counted = connection.execute(text("SELECT state, count(*) FROM delivery GROUP BY state"))
            states = dict(counted.all())
            tries, promises, first, last = connection.execute(
                text("SELECT count(*), count(DISTINCT delivery_id), min(started_at), max(ended_at) FROM attempt")
            ).one()
        return {"states": states, "attempts": tries, "attempted": promises, "seconds": _between(first, last)}


def _between(first: Any, last: Any) -> float:
    if first is None or last is None:
        return 0.0
    # SQLite has no instants, only texts
    begin, end = (datetime.fromisoformat(at) if isinstance(at, str) else at for at in (first, last))
    return float((end - begin).total_seconds())


@contextmanager
def configured(**values: str) -> Iterator[None]:
    """Let the product's variables be these, and none of the caller's, for as long as it lasts."""
    before = {name: value for name, value in os.environ.items() if name.startswith("DIGEST_")}
    for name in before:
        del os.environ[name]
    os.environ.update(values)
    try:
        yield
    finally:
        for name in values:
            del os.environ[name]
        os.environ.update(before)


def plan(folder: Path, base: Base, readers: int) -> World:
    """Make a workspace in `folder` whose issue is planned for `readers` readers; `base` then keeps it as it is."""
    with configured(DIGEST_DATABASE__URL=base.url):
        made = create.create(folder, sample=True)
        works = app.open_app(folder)
    create.import_sample(made, works)
    now = datetime.now(UTC)
    with session_scope(works.engine) as session:
        _double_articles(session)
        session.execute(delete(ConsentEvent))
        session.execute(delete(Subscriber))
    for first in range(0, readers, CHUNK):
        people = _people(range(first, min(first + CHUNK, readers)), works.settings.suppression_key, now)
        with session_scope(works.engine) as session:
            session.execute(insert(SUBSCRIBER), people)
    with session_scope(works.engine) as session:
        issue = lifecycle.assemble(works.publisher, session, PERIOD, number=NUMBER, issue_date=PERIOD.last, now=now)
        lifecycle.approve(works.publisher, session, issue, Approver("the benchmark"), now)
    with session_scope(works.engine) as session:
        issue = issues.find(session, NUMBER, lock=True)
        freeze.freeze(works.publisher, session, issue, now)
        lifecycle.start_sending(session, issue)
    works.engine.dispose()
    base.keep()
    return World(folder, base, readers)


def _double_articles(session: Session) -> None:
    originals = session.exec(select(Article).where(Article.slug == Article.group).order_by(Article.slug)).all()
    for article in originals[:COPIES]:
        again = article.model_dump(exclude={"id", "slug", "group"})
        session.add(Article(**again, slug=f"{article.slug}-2", group=f"{article.slug}-2"))


def _people(numbers: Sequence[int], secret: bytes, now: datetime) -> list[dict[str, Any]]:
    addresses = {number: f"reader{number}@d{number % DOMAINS}.example.org" for number in numbers}
    return [
        {
            "ref": f"{number * 0x9E3779B97F4A7C15 % 2**128:032x}",
            "address": address,
            "address_key": address,
            "suppression_key": key_of(address, secret),
            "name": f"Reader {number}",
            "language": "en",
            "format": "html",
            "frequency": "every",
            "interests": "*",
            "state": "confirmed",
            "created_at": now,
            "confirmed_at": now,
        }
        for number, address in addresses.items()
    ]


def edition(world: World) -> dict[str, str]:
    """Return the edition that readers get, as it was rendered: subject, html, text, nonce."""
    sent = text("SELECT edition_id FROM delivery LIMIT 1")
    with world.base.connect() as connection, Session(connection) as session:
        row = session.get_one(Edition, session.execute(sent).scalar_one())
        parts = editions.document(session, row)
        return {"subject": row.subject, "html": parts.html, "text": parts.text, "nonce": parts.nonce}
