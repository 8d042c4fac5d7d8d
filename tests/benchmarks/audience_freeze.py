"""Planning an issue for all readers, beside the one INSERT ... SELECT that writes the same rows."""

import random
import time
from collections.abc import Iterator
from datetime import UTC, datetime

from audience import Bench
from databases import Base
from report import Bound, Row, Spread
from sqlalchemy import Engine, text

from digest.delivery.mailbox_families import families
from digest.editions.models import Edition
from digest.issues.models import Issue
from digest.outbox import plan
from digest.runtime.db import make_engine, session_scope, upgrade
from subscribers.audience import exclusion_reason
from subscribers.transfer.bulk import SUBSCRIBER, insert_rows

INTERESTS = 8
CHUNK = 50_000
NOW = datetime(2021, 9, 30, tzinfo=UTC)
SETS = [";".join(f"interest{bit}" for bit in range(INTERESTS) if mask >> bit & 1) for mask in range(1 << INTERESTS)]
COLUMNS = (
    "ref", "address", "address_key", "suppression_key", "name", "interests", "language", "format", "frequency", "state",
    "confirmed_at", "created_at",
)  # fmt: skip


def stock(base: Base, count: int) -> None:
    """Fill the database with readers, one issue and an edition for each set of interests."""
    engine, rng = make_engine(base.url), random.Random(8)
    upgrade(engine)
    for first in range(0, count, CHUNK):
        with session_scope(engine) as session:
            people = (_reader(number, rng.choice(SETS)) for number in range(first + 1, min(first + CHUNK, count) + 1))
            insert_rows(session, SUBSCRIBER, COLUMNS, people)
    with session_scope(engine) as session:
        session.add(Issue(id=1, number=21, period="2021-09", date=NOW.date(), state="approved", created_at=NOW))
        session.flush()
        empty = {"subject": "", "preheader": "", "nonce": "", "html": "", "text": ""}
        for number in range(1, len(SETS)):
            made = {"id": number, "issue_id": 1, "content_hash": str(number), "language": "en", "articles": []}
            session.add(Edition(**made, **empty, created_at=NOW))
    if engine.dialect.name == "sqlite":
        with session_scope(engine) as session:
            session.connection().exec_driver_sql("ANALYZE")
    engine.dispose()
    base.keep()


def _reader(number: int, interests: str) -> tuple[object, ...]:
    address, key = f"r{number}@d{number % 5000}.example.org", f"{number * 0x9E3779B97F4A7C15 % 2**256:064x}"
    state = "confirmed" if number % 14 else "unsubscribed"
    ref, name = f"{number:032x}", f"Reader {number}"
    return (ref, address, address, key, name, interests, "en", "html", "every", state, NOW, NOW)


def ours(base: Base) -> float:
    """Freezing as the product does it: with the guard's expression, families, due times and counted exclusions."""
    base.restore()
    engine = make_engine(base.url)
    editions = {("en", interests): number or None for number, interests in enumerate(SETS)}
    timing = plan.Timing([NOW], families({}))
    with session_scope(engine) as session:
        session.execute(text("SELECT count(*) FROM issue"))
        start = time.perf_counter()
        result = plan.freeze(session, 1, editions, exclusion_reason(NOW, 21), NOW, timing=timing)
        session.commit()
        seconds = time.perf_counter() - start
    _check(engine, result.planned)
    return seconds


def bare(base: Base) -> float:
    """The same rows by one statement, from a table of editions that is there already."""
    base.restore()
    engine = make_engine(base.url)
    with session_scope(engine) as session:
        connection = session.connection()
        connection.exec_driver_sql("CREATE TEMPORARY TABLE chosen (interests VARCHAR PRIMARY KEY, edition_id INTEGER)")
        rows = [{"i": interests, "e": number} for number, interests in enumerate(SETS) if number]
        connection.execute(text("INSERT INTO chosen VALUES (:i, :e)"), rows)
        session.execute(text("SELECT count(*) FROM issue"))
        start = time.perf_counter()
        connection.execute(
            text(
                "INSERT INTO delivery (issue_id, subscriber_id, edition_id, family, state, reason, due_at, attempts,"
                " created_at) SELECT 1, s.id, c.edition_id, '', 'pending', '', :now, 0, :now FROM subscriber s"
                " JOIN chosen c ON c.interests = s.interests WHERE s.state = 'confirmed'"
                " ORDER BY s.id"  # else SQLite walks ix_subscriber_group, and inserts in an order that costs twice
            ),
            {"now": "2021-09-30 00:00:00.000000" if engine.dialect.name == "sqlite" else NOW},
        )
        session.commit()
        seconds = time.perf_counter() - start
    _check(engine, None)
    return seconds


def _check(engine: Engine, planned: int | None) -> None:
    with session_scope(engine, read_only=True) as session:
        count = session.execute(text("SELECT count(*) FROM delivery")).scalar_one()
        wanted = session.execute(
            text("SELECT count(*) FROM subscriber WHERE state = 'confirmed' AND interests <> ''")
        ).scalar_one()
    assert count == wanted == (planned or wanted), (count, wanted, planned)
    engine.dispose()


def measure(bench: Bench, kind: str) -> Iterator[Row]:
    """Both in turn, on a database of this kind."""
    base = bench.base(kind)
    stock(base, bench.sizes.readers)
    pairs = bench.rounds(lambda: ours(base), lambda: bare(base))
    yield Row(
        f"freeze-{kind}",
        f"{bench.sizes.readers:,} readers x {INTERESTS} interests planned / one INSERT ... SELECT ({kind})",
        "s",
        Spread.of([mine for mine, _ in pairs]),
        Spread.of([theirs for _, theirs in pairs]),
        Spread.of([mine / theirs for mine, theirs in pairs]),
        Bound(1.5, below=True),
        len(pairs),
    )


ROWS = {
    "freeze-sqlite": lambda bench: measure(bench, "sqlite"),
    "freeze-postgresql": lambda bench: measure(bench, "postgresql"),
}
