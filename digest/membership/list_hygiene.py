"""List hygiene: readers whom no issue has ever reached, mistyped domains, mailboxes of roles. Reads only.

Each is told with its evidence and left as it is: what becomes of it is for a person to decide.
"""

from collections import defaultdict
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from enum import StrEnum
from typing import Any

from sqlalchemy import ColumnElement, Row, exists, func, or_, select, text
from sqlmodel import Session

from digest.outbox.dialects import domain_of, local_part_of, month_of
from digest.outbox.models import ODD
from digest.outbox.states import State
from digest.outbox.statistics import OTHERS
from digest.outbox.tables import DELIVERY, ISSUE, SUBSCRIBER, SUPPRESSION
from digest.runtime.errors import UsageError
from digest.runtime.keys import MAX_KEY
from subscribers.address_doubts import ROLES, DoubtKind, doubt, meant
from subscribers.consent import ConsentKind
from subscribers.models import SubscriberState
from subscribers.suppression import SuppressionReason
from subscribers.transfer.bulk import CONSENT_EVENT

BATCH = 500


class HygieneKind(StrEnum):
    """Why a confirmed reader is listed."""

    NEVER_REACHED = "never_reached"
    """No issue was accepted, at least one was refused or given up; uncertain ones count as accepted."""
    MISTYPED = DoubtKind.MISTYPED.value
    ROLE = DoubtKind.ROLE.value


@dataclass(frozen=True, slots=True)
class DoubtfulReader:
    """A reader with what speaks against their address; `suppressed` is why they get no mail any more."""

    cursor: str
    address: str
    kind: HygieneKind
    evidence: str
    issues: tuple[int, ...]
    suppressed: str | None


def counts(session: Session, *, mailed: bool = False) -> dict[HygieneKind, int]:
    """Count the confirmed readers of each kind, or with `mailed` those of them who are not suppressed."""
    query = select(func.count()).select_from(SUBSCRIBER)
    if mailed:
        query = query.where(~exists().where(SUPPRESSION.c.key == SUBSCRIBER.c.suppression_key))
    return {kind: session.execute(query.where(*_is(session, kind))).scalar_one() for kind in HygieneKind}


def doubtful(session: Session, after: str = "") -> Iterator[DoubtfulReader]:
    """Yield the readers by kind, then in the order in which they came, from the one after the cursor `after` on."""
    first, _, last = after.partition(":")
    kinds = list(HygieneKind)
    if after and not (first in kinds and last.isascii() and last.isdecimal()):
        raise UsageError(
            f"--after {after[:70]!r} is not an entry of the list", hint="Copy the value from the end of the page."
        )
    for kind in kinds[kinds.index(HygieneKind(first)) :] if after else kinds:
        yield from _of_kind(session, kind, min(int(last[:18]), MAX_KEY) if after and kind == first else 0)


def _of_kind(session: Session, kind: HygieneKind, last: int) -> Iterator[DoubtfulReader]:
    columns = (SUBSCRIBER.c.id, SUBSCRIBER.c.address, SUBSCRIBER.c.address_key, SUPPRESSION.c.reason)
    listed = SUBSCRIBER.outerjoin(SUPPRESSION, SUPPRESSION.c.key == SUBSCRIBER.c.suppression_key)
    query = select(*columns).select_from(listed).where(*_is(session, kind)).order_by(SUBSCRIBER.c.id).limit(BATCH)
    while rows := session.execute(query.where(SUBSCRIBER.c.id > last)).all():
        last = rows[-1].id
        tried = _tried(session, [row.id for row in rows]) if kind is HygieneKind.NEVER_REACHED else {}
        for row in rows:
            failed = tried.get(row.id, ())
            found = doubt(row.address_key)
            evidence = _told(failed) if failed else found.message if found else ""
            issues = tuple(one.number for one in failed)
            yield DoubtfulReader(f"{kind}:{row.id}", row.address, kind, evidence, issues, row.reason)


def _is(session: Session, kind: HygieneKind) -> Sequence[ColumnElement[bool]]:
    """Return the conditions on SUBSCRIBER."""
    is_confirmed, key = SUBSCRIBER.c.state == SubscriberState.CONFIRMED.value, SUBSCRIBER.c.address_key
    match kind:
        case HygieneKind.MISTYPED:
            domain = domain_of(session, key)
            used = session.execute(select(domain).where(is_confirmed).distinct()).scalars()
            return is_confirmed, domain.in_([one for one in used if meant(one)])
        case HygieneKind.ROLE:
            return is_confirmed, local_part_of(session, key).in_(sorted(ROLES))
        case HygieneKind.NEVER_REACHED:
            reached = (State.ACCEPTED.value, State.UNCERTAIN.value)
            some = select(DELIVERY.c.subscriber_id).where(*_FAILED)  # by its index: there are few
            own = DELIVERY.c.subscriber_id == SUBSCRIBER.c.id
            failed = exists().where(own, *_FAILED, _AT_THIS_ADDRESS)
            arrived = exists().where(own, DELIVERY.c.state.in_(reached), _AT_THIS_ADDRESS)
            return is_confirmed, SUBSCRIBER.c.id.in_(some), failed, ~arrived


# The first as it stands in the partial index.
_FAILED = (text(f"delivery.state IN ({ODD})"), DELIVERY.c.state.in_((State.REJECTED.value, State.EXPIRED.value)))
_WHEN = func.coalesce(DELIVERY.c.started_at, DELIVERY.c.created_at)
_AT_THIS_ADDRESS = or_(SUBSCRIBER.c.address_since.is_(None), SUBSCRIBER.c.address_since <= _WHEN)


def _tried(session: Session, ids: Sequence[int]) -> Mapping[int, Sequence[Row[Any]]]:
    """Return the failed deliveries of each subscriber, with the numbers of their issues, in order."""
    query = (
        select(DELIVERY.c.subscriber_id, ISSUE.c.number, DELIVERY.c.state, DELIVERY.c.reason, DELIVERY.c.settled_at)
        .join_from(DELIVERY, ISSUE, ISSUE.c.id == DELIVERY.c.issue_id)
        .join(SUBSCRIBER, SUBSCRIBER.c.id == DELIVERY.c.subscriber_id)
        .where(DELIVERY.c.subscriber_id.in_(ids), *_FAILED, _AT_THIS_ADDRESS)
        .order_by(ISSUE.c.number)
    )
    found: dict[int, list[Row[Any]]] = defaultdict(list)
    for row in session.execute(query):
        found[row.subscriber_id].append(row)
    return found


def _told(failed: Sequence[Row[Any]]) -> str:
    last = failed[-1]
    when = f" on {last.settled_at:%Y-%m-%d}" if last.settled_at else ""
    issues = f"{len(failed)} issues, the last" if len(failed) > 1 else "one issue,"
    return f"{issues} No. {last.number} {last.state}{when}: {last.reason}".rstrip(": ")


def providers(session: Session, families: Mapping[str, str]) -> dict[str, int]:
    """Count the subscribers, without the erased, by mailbox family; the largest first."""
    domain = domain_of(session, SUBSCRIBER.c.address_key)
    found = defaultdict[str, int](int)
    known = SUBSCRIBER.c.state != SubscriberState.ERASED.value
    for name, number in session.execute(select(domain, func.count()).where(known).group_by(domain)):
        found[families.get(name, OTHERS)] += number
    return dict(sorted(found.items(), key=lambda item: (-item[1], item[0])))


def growth(session: Session) -> dict[str, dict[str, int]]:
    """Count by month (UTC) who joined, left, was erased, or was suppressed for another reason than their own word.

    Who has been erased is no longer among those who joined or left: their dates are gone.
    """
    own = (SuppressionReason.UNSUBSCRIBED.value, SuppressionReason.ERASED.value)
    erased = CONSENT_EVENT.c.kind == ConsentKind.ERASED.value
    by: dict[str, dict[str, int]] = {}
    for name, moment, condition in (
        ("joined", SUBSCRIBER.c.confirmed_at, SUBSCRIBER.c.confirmed_at.is_not(None)),
        ("left", SUBSCRIBER.c.unsubscribed_at, SUBSCRIBER.c.unsubscribed_at.is_not(None)),
        ("erased", CONSENT_EVENT.c.happened_at, erased),
        ("suppressed", SUPPRESSION.c.created_at, SUPPRESSION.c.reason.not_in(own)),
    ):
        month = month_of(session, moment)
        for when, number in session.execute(select(month, func.count()).where(condition).group_by(month)):
            by.setdefault(when, dict.fromkeys(("joined", "left", "erased", "suppressed"), 0))[name] = number
    return dict(sorted(by.items()))
