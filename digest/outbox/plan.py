"""Freezing: one promise for each eligible reader, in one transaction, with the others counted by their reason."""

from collections.abc import Iterator, Mapping, Sequence
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass, field
from datetime import datetime
from typing import Any

from sqlalchemy import (
    BigInteger,
    Column,
    ColumnElement,
    Integer,
    MetaData,
    String,
    Table,
    and_,
    case,
    cast,
    exists,
    func,
    insert,
    literal,
    select,
    update,
)
from sqlalchemy.schema import CreateTable, DropTable
from sqlmodel import Session

from digest.outbox.dialects import domain_of, insert_new
from digest.outbox.states import SkipReason, State
from digest.outbox.tables import DELIVERY, SUBSCRIBER
from digest.runtime.errors import DigestError

# One row for each group of readers. A temporary table takes any number of groups and can be joined by an index.
_MAPPING = Table(
    "reading_edition",
    MetaData(),
    Column("language", String, primary_key=True),
    Column("interests", String, primary_key=True),
    Column("edition_id", Integer, nullable=True),
    prefixes=["TEMPORARY"],
)
# The domains whose mailboxes are paced together; all the others have no family.
_FAMILIES = Table(
    "family_domain",
    MetaData(),
    Column("domain", String, primary_key=True),
    Column("family", String, nullable=False),
    prefixes=["TEMPORARY"],
)
# When each part of a spread audience is due; who is in which part follows from their id.
_SPREAD = Table(
    "spread_due",
    MetaData(),
    Column("part", Integer, primary_key=True),
    Column("due_at", DELIVERY.c.due_at.type, nullable=False),
    prefixes=["TEMPORARY"],
)
# Multiplicative hashing (Knuth, 6.4): neighbours come to lie far apart, whatever the size of the audience.
_SCATTER, _SCATTER_MODULUS = 2_654_435_761, 2**32
_UNMAPPED = "unmapped"
_SAME_READING = and_(
    SUBSCRIBER.c.language == _MAPPING.c.language,
    SUBSCRIBER.c.interests == _MAPPING.c.interests,
)


class AudienceChangedError(DigestError):
    """Readers changed their interests or language while the issue was being frozen."""

    default_hint = "Nothing was planned; run the same command again."


@dataclass(frozen=True, slots=True)
class PlanResult:
    """How many deliveries the issue has, how many of them are new, and how many people were left out, by reason."""

    planned: int
    added: int
    excluded: Mapping[str, int]


@dataclass(frozen=True, slots=True)
class Timing:
    """How an audience is spread: which domains are paced together, and when each equal part is due (one: all at once).

    Due times stand in the rows, so that every worker keeps them, also after a restart.
    """

    due: Sequence[datetime]
    families: Mapping[str, str] = field(default_factory=dict)


def freeze(
    session: Session,
    issue_id: int,
    editions: Mapping[tuple[str, str], int | None],
    exclusion: ColumnElement[str | None],
    now: datetime,
    *,
    timing: Timing | None = None,
) -> PlanResult:
    """Plan one delivery per eligible reader. The caller has locked the issue, and commits.

    `editions` maps (language, interests as stored) to the id of the edition such readers get, or to None where it would
    be empty. `exclusion` is an expression over Subscriber: NULL for who gets the issue, else the reason why not. Those
    who have a delivery already keep it as it is, so that freezing twice changes nothing. Raises AudienceChangedError
    when an eligible reader's group is not in `editions`; a rollback then leaves nothing behind.
    """
    timing = timing or Timing([now])
    with ExitStack() as tables:
        rows = [{"language": key[0], "interests": key[1], "edition_id": value} for key, value in editions.items()]
        tables.enter_context(_temporary(session, _MAPPING, rows))
        families = [{"domain": domain, "family": family} for domain, family in timing.families.items()]
        tables.enter_context(_temporary(session, _FAMILIES, families))
        parts = [{"part": part, "due_at": due} for part, due in enumerate(timing.due)]
        tables.enter_context(_temporary(session, _SPREAD, parts))
        before = _planned(session, issue_id)
        _insert_deliveries(session, issue_id, exclusion, now, len(parts))
        excluded = _count_left_out(session, issue_id, exclusion)
    planned = _planned(session, issue_id)
    return PlanResult(planned, planned - before, excluded)


def bring_forward(session: Session, issue_id: int, count: int, now: datetime) -> int:
    """Make `count` of an issue's deliveries due now, of all kinds of readers; return how many. The caller commits.

    Who they are follows from their ids, scattered: the first to sign up are not like the others.
    """
    scattered = (cast(DELIVERY.c.id, BigInteger) * _SCATTER) % _SCATTER_MODULUS
    chosen = (
        select(DELIVERY.c.id)
        .where(DELIVERY.c.issue_id == issue_id, DELIVERY.c.state == State.PENDING.value)
        .order_by(scattered, DELIVERY.c.id)
        .limit(count)
    )
    changed = session.execute(update(DELIVERY).where(DELIVERY.c.id.in_(chosen)).values(due_at=now))
    return int(changed.rowcount)  # type: ignore[attr-defined]


@contextmanager
def _temporary(session: Session, table: Table, rows: list[dict[str, Any]]) -> Iterator[None]:
    session.execute(CreateTable(table))  # a rollback drops it, on both databases
    if rows:
        session.execute(insert(table), rows)
    yield
    session.execute(DropTable(table))


def _insert_deliveries(
    session: Session, issue_id: int, exclusion: ColumnElement[str | None], now: datetime, parts: int
) -> None:
    values = {
        "issue_id": literal(issue_id),
        "subscriber_id": SUBSCRIBER.c.id,
        "edition_id": _MAPPING.c.edition_id,
        "family": func.coalesce(_FAMILIES.c.family, ""),
        "state": literal(State.PENDING.value),
        "reason": literal(""),
        "due_at": _SPREAD.c.due_at,
        "attempts": literal(0),
        "created_at": literal(now, DELIVERY.c.created_at.type),
    }
    readers = (
        select(*values.values())
        .select_from(
            SUBSCRIBER.join(_MAPPING, _SAME_READING)
            .join(_SPREAD, _SPREAD.c.part == SUBSCRIBER.c.id % parts)
            .outerjoin(_FAMILIES, _FAMILIES.c.domain == domain_of(session, SUBSCRIBER.c.address))
        )
        .where(exclusion.is_(None), _MAPPING.c.edition_id.is_not(None))
        .order_by(SUBSCRIBER.c.id)
    )
    session.execute(insert_new(session, DELIVERY).from_select(list(values), readers))


def _count_left_out(session: Session, issue_id: int, exclusion: ColumnElement[str | None]) -> dict[str, int]:
    """Count those without a delivery of this issue, so that planned and left out together are everybody."""
    unknown = case(
        (_MAPPING.c.language.is_(None), _UNMAPPED), (_MAPPING.c.edition_id.is_(None), SkipReason.EMPTY.value)
    )
    planned = exists().where(DELIVERY.c.issue_id == issue_id, DELIVERY.c.subscriber_id == SUBSCRIBER.c.id)
    left_out = (
        select(func.coalesce(exclusion, unknown).label("reason"))
        .select_from(SUBSCRIBER.outerjoin(_MAPPING, _SAME_READING))
        .where(~planned)
        .subquery()
    )
    counted = session.execute(
        select(left_out.c.reason, func.count()).group_by(left_out.c.reason).order_by(left_out.c.reason)
    )
    # NULL: on PostgreSQL somebody may have confirmed since the statement before; the next issue is their first
    reasons = {reason: number for reason, number in counted if reason is not None}
    if reasons.get(_UNMAPPED):
        raise AudienceChangedError
    return reasons


def _planned(session: Session, issue_id: int) -> int:
    planned: int = session.execute(select(func.count()).where(DELIVERY.c.issue_id == issue_id)).scalar_one()
    return planned
