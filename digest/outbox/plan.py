"""Planning: one delivery for each eligible subscriber, in one transaction; the others counted by reason."""

from collections.abc import Collection, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from datetime import datetime
from typing import Any, NamedTuple

from sqlalchemy import (
    BigInteger,
    Column,
    ColumnElement,
    CursorResult,
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

from digest.outbox.dialects import domain_of, insert_new, is_alone
from digest.outbox.states import SkipReason, State
from digest.outbox.tables import DELIVERY, SUBSCRIBER
from digest.runtime.errors import DigestError
from subscribers.models import Frequency

# One row for each group of readers. A temporary table takes any number of groups and can be joined by an index.
_MAPPING = Table(
    "group_edition",
    MetaData(),
    Column("language", String, primary_key=True),
    Column("interests", String, primary_key=True),
    Column("frequency", String, primary_key=True),
    Column("edition_id", Integer, nullable=True),
    prefixes=["TEMPORARY"],
    sqlite_with_rowid=False,  # one step instead of two for each reader
)
# The domains whose mailboxes are paced together; all the others have no family.
_FAMILIES = Table(
    "family_domain",
    MetaData(),
    Column("domain", String, primary_key=True),
    Column("family", String, nullable=False),
    prefixes=["TEMPORARY"],
    sqlite_with_rowid=False,
)
# When each part of a spread audience is due; a subscriber's part follows from their id.
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
_MOST_EMPTY = 500


class AudienceChangedError(DigestError):
    """Readers changed their interests or language while the issue was being frozen."""

    default_hint = "Nothing was planned. Run the same command again."


@dataclass(frozen=True, slots=True)
class PlanResult:
    """Numbers of deliveries, of new ones among them, and of excluded subscribers by reason."""

    planned: int
    added: int
    excluded: Mapping[str, int]


@dataclass(frozen=True, slots=True)
class Timing:
    """Due times and families: which domains are paced together, and when each equal part is due (one: all at once).

    Due times are stored in the rows, so that every worker keeps them, also after a restart.
    """

    due: Sequence[datetime]
    families: Mapping[str, str] = field(default_factory=dict)


class _Group(NamedTuple):
    """Subscribers of one language, set of interests and frequency, with their edition; None if it would be empty."""

    edition_id: int | None
    language: str
    interests: str
    frequency: str = Frequency.EVERY.value


def freeze(
    session: Session,
    issue_id: int,
    editions: Mapping[tuple[str, ...], int | None],
    exclusion: ColumnElement[str | None],
    now: datetime,
    *,
    timing: Timing | None = None,
) -> PlanResult:
    """Plan one delivery per eligible subscriber. The caller has locked the issue, and commits.

    `editions` maps (language, interests as stored) to an edition's id, or to None where it would be empty; also
    (language, interests, frequency), for a frequency with another edition than the rest. `exclusion` is an expression
    over Subscriber: NULL for the eligible, else the reason. Existing deliveries stay as they are, so that freezing
    twice changes nothing. Raises AudienceChangedError when an eligible subscriber's group is not in `editions`; a
    rollback then leaves nothing behind.
    """
    timing = timing or Timing([now])
    groups = [_Group(edition, *key) for key, edition in editions.items()]
    same = _same_group({group.frequency for group in groups})
    families = [{"domain": domain, "family": family} for domain, family in timing.families.items()]
    parts = [{"part": part, "due_at": due} for part, due in enumerate(timing.due)]
    with (
        _temporary(session, _MAPPING, [group._asdict() for group in groups]),
        _temporary(session, _FAMILIES, families),
        _temporary(session, _SPREAD, parts),
    ):
        before = _planned(session, issue_id)
        added = _insert_deliveries(session, issue_id, exclusion, same, now=now, due=timing.due)
        excluded = None
        if not before and is_alone(session):
            nothing_for = {group.interests for group in groups if group.edition_id is None}
            excluded = _count_excluded(session, nothing_for, exclusion, same, added)
        if excluded is None:
            excluded = _count_left_out(session, issue_id, exclusion, same)
        # a concurrent transaction may have planned the same issue first, which is seen only now
        planned = before + added if is_alone(session) else _planned(session, issue_id)
    return PlanResult(planned, added, excluded)


def bring_forward(session: Session, issue_id: int, count: int, now: datetime) -> int:
    """Make `count` of an issue's deliveries due now; return how many. The caller commits.

    They are chosen by scattered ids: the first to sign up are not like the others.
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
def _temporary(session: Session, table: Table, rows: Sequence[Mapping[str, object]]) -> Iterator[None]:
    session.execute(CreateTable(table))  # a rollback drops it, on both databases
    if rows:
        session.execute(insert(table), rows)
    yield
    session.execute(DropTable(table))


def _same_group(frequencies: Collection[str]) -> ColumnElement[bool]:
    """Return the condition that joins subscribers with their group."""
    apart = sorted(set(frequencies) - {Frequency.EVERY})
    own, every = SUBSCRIBER.c.frequency, literal(Frequency.EVERY.value)
    return and_(
        SUBSCRIBER.c.language == _MAPPING.c.language,
        SUBSCRIBER.c.interests == _MAPPING.c.interests,
        _MAPPING.c.frequency == (case((own.in_(apart), own), else_=every) if apart else every),
    )


def _insert_deliveries(
    session: Session,
    issue_id: int,
    exclusion: ColumnElement[str | None],
    same: ColumnElement[bool],
    *,
    now: datetime,
    due: Sequence[datetime],
) -> int:
    values, people = _new_delivery(issue_id, now, due), SUBSCRIBER.join(_MAPPING, same)
    if len(due) > 1:
        people = people.join(_SPREAD, _SPREAD.c.part == SUBSCRIBER.c.id % len(due))
    readers = (
        select(*values.values())
        .select_from(people.outerjoin(_FAMILIES, _FAMILIES.c.domain == domain_of(session, SUBSCRIBER.c.address)))
        .where(exclusion.is_(None), _MAPPING.c.edition_id.is_not(None))
        .order_by(SUBSCRIBER.c.id)
    )
    inserted: CursorResult[Any] = session.execute(  # type: ignore[assignment]
        insert_new(session, DELIVERY).from_select(list(values), readers), execution_options={"preserve_rowcount": True}
    )
    return inserted.rowcount


def _new_delivery(issue_id: int, now: datetime, due: Sequence[datetime]) -> dict[str, ColumnElement[Any]]:
    at_once = len(due) == 1  # nearly always: then there is no part to look up for each reader
    return {
        "issue_id": literal(issue_id),
        "subscriber_id": SUBSCRIBER.c.id,
        "edition_id": _MAPPING.c.edition_id,
        "family": func.coalesce(_FAMILIES.c.family, ""),
        "state": literal(State.PENDING.value),
        "reason": literal(""),
        "due_at": literal(due[0], DELIVERY.c.due_at.type) if at_once else _SPREAD.c.due_at,
        "attempts": literal(0),
        "created_at": literal(now, DELIVERY.c.created_at.type),
    }


def _count_excluded(
    session: Session,
    nothing_for: Collection[str],
    exclusion: ColumnElement[str | None],
    same: ColumnElement[bool],
    added: int,
) -> dict[str, int] | None:
    """Count the excluded and those with an empty edition; None unless these and the `added` are everybody.

    Only where nothing was planned before and nothing can have changed since. Looking for each subscriber's delivery and
    group, as `_count_left_out` does, takes as long as planning them.
    """
    reasons = select(exclusion.label("reason")).select_from(SUBSCRIBER).subquery()
    counted = session.execute(
        select(reasons.c.reason, func.count())
        .where(reasons.c.reason.is_not(None))
        .group_by(reasons.c.reason)
        .order_by(reasons.c.reason)
    )
    excluded = {str(reason): int(number) for reason, number in counted}
    if len(nothing_for) > _MOST_EMPTY:
        return None
    # by the index of interests; the join tells apart those whose language has an edition
    theirs = select(func.count()).select_from(SUBSCRIBER.join(_MAPPING, same))
    theirs = theirs.where(SUBSCRIBER.c.interests.in_(nothing_for), _MAPPING.c.edition_id.is_(None), exclusion.is_(None))
    empty = session.execute(theirs).scalar_one() if nothing_for else 0
    if empty:
        excluded[SkipReason.EMPTY.value] = empty
    everybody: int = session.execute(select(func.count()).select_from(SUBSCRIBER)).scalar_one()
    return excluded if added + sum(excluded.values()) == everybody else None


def _count_left_out(
    session: Session, issue_id: int, exclusion: ColumnElement[str | None], same: ColumnElement[bool]
) -> dict[str, int]:
    """Count those without a delivery of this issue, so that planned and left out are everybody."""
    unknown = case(
        (_MAPPING.c.language.is_(None), _UNMAPPED), (_MAPPING.c.edition_id.is_(None), SkipReason.EMPTY.value)
    )
    planned = exists().where(DELIVERY.c.issue_id == issue_id, DELIVERY.c.subscriber_id == SUBSCRIBER.c.id)
    left_out = (
        select(func.coalesce(exclusion, unknown).label("reason"))
        .select_from(SUBSCRIBER.outerjoin(_MAPPING, same))
        .where(~planned)
        .subquery()
    )
    counted = session.execute(
        select(left_out.c.reason, func.count()).group_by(left_out.c.reason).order_by(left_out.c.reason)
    )
    # NULL: on PostgreSQL, subscribers who confirmed since the statement before; the next issue is their first
    reasons = {reason: number for reason, number in counted if reason is not None}
    if reasons.get(_UNMAPPED):
        raise AudienceChangedError
    return reasons


def _planned(session: Session, issue_id: int) -> int:
    planned: int = session.execute(select(func.count()).where(DELIVERY.c.issue_id == issue_id)).scalar_one()
    return planned
