"""Circuit breaker: refusals that are about us hold an issue before all its readers have met them. Callers commit.

Nothing is written for a mail that is accepted. The breaker's row is locked before any issue, here and in a release, so
that workers in trouble wait for each other instead of deadlocking.
"""

import math
from collections import defaultdict
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any, cast

from sqlalchemy import CursorResult, func, select, true, update
from sqlmodel import Session

from digest.outbox import operations
from digest.outbox.dialects import Prepared, insert_new
from digest.outbox.settle import Settlement
from digest.outbox.settle import settle as settle_uncounted
from digest.outbox.states import State
from digest.outbox.tables import BREAKER, DELIVERY, ISSUE, Promised

_AT_ONCE = 500
_EXACT_UP_TO = 100
"""Rejections up to which their share is taken at each; beyond, whenever they have grown by a twentieth."""
_ANSWERED = frozenset({State.ACCEPTED, State.REJECTED})


@dataclass(frozen=True, slots=True)
class BreakerLimits:
    """Limits beyond which an issue is held: refusals about us in a row, and the share rejected of at least so many."""

    refusals: int = 3
    rejected: float = 0.2
    least: int = 50


def settle(session: Session, settlements: Sequence[Settlement], limits: BreakerLimits) -> int:
    """Settle replies (see outbox.settle) and count them; hold the issues whose limits they exceed."""
    counted = _counted(session, settlements)
    rows = {issue_id: _lock(session, issue_id) for issue_id in sorted(counted)}
    changed = settle_uncounted(session, settlements)
    for issue_id, row in rows.items():
        if why := _count(session, row, counted[issue_id], limits):
            operations.hold(session, issue_id, why)
    return changed


def release(session: Session, issue_id: int, now: datetime) -> bool:
    """Let a held issue go on, and count anew; return whether it was held."""
    _lock(session, issue_id)
    _write(session, issue_id, refused="", rejected=0, since=now)
    held = update(ISSUE).where(ISSUE.c.id == issue_id, ISSUE.c.held).values(held=False, held_reason="")
    return cast("CursorResult[Any]", session.execute(held)).rowcount == 1


_IN_A_ROW = Prepared(lambda _: select(true()).where(select(BREAKER.c.issue_id).where(BREAKER.c.refused != "").exists()))


def _counted(session: Session, settlements: Sequence[Settlement]) -> Mapping[int, Sequence[Settlement]]:
    """Return the settlements that change a count, by issue: of accepted mails only those that end a row of refusals."""
    ours = [s for s in settlements if s.promised is Promised.DELIVERY and (s.about_us or s.state in _ANSWERED)]
    by_issue: defaultdict[int, list[Settlement]] = defaultdict(list)
    if all(s.state is State.ACCEPTED for s in ours) and not (ours and _IN_A_ROW.run(session).first()):
        return by_issue
    for start in range(0, len(ours), _AT_ONCE):
        some = ours[start : start + _AT_ONCE]
        query = select(DELIVERY.c.id, DELIVERY.c.issue_id).where(DELIVERY.c.id.in_([s.id for s in some]))
        issues = {row.id: row.issue_id for row in session.execute(query)}
        for one in some:
            by_issue[issues[one.id]].append(one)
    return by_issue


def _lock(session: Session, issue_id: int) -> Any:
    session.execute(insert_new(session, BREAKER).values(issue_id=issue_id, refused="", rejected=0))
    return session.execute(select(BREAKER).where(BREAKER.c.issue_id == issue_id).with_for_update()).one()


def _write(session: Session, issue_id: int, **values: Any) -> None:
    session.execute(update(BREAKER).where(BREAKER.c.issue_id == issue_id).values(**values))


def _count(session: Session, row: Any, settlements: Sequence[Settlement], limits: BreakerLimits) -> str:
    """Count an issue's settlements, in the order of their replies; return why it is to be held, empty if it is not."""
    refused, why = row.refused.split(), ""
    for one in settlements:
        if one.state is State.ACCEPTED:
            refused = []
        elif one.about_us:
            refused = [*(known for known in refused if known != str(one.id)), str(one.id)][-limits.refusals :]
            if len(refused) >= limits.refusals:
                why = why or _in_a_row(one, len(refused))
    rejected = row.rejected + sum(one.state is State.REJECTED for one in settlements)
    _write(session, row.issue_id, refused=" ".join(refused), rejected=rejected)
    step = 1 if rejected <= _EXACT_UP_TO else rejected // 20
    if not why and row.rejected // step != rejected // step:
        why = _too_many(session, row, rejected, limits)
    return why


def _in_a_row(last: Settlement, count: int) -> str:
    answers = "the last answer" if count == 1 else f"the last {count} answers"
    return f"{answers} concerned the sender, not a mailbox: {last.relay} said {last.answer!r}. {last.about_us}"


def _too_many(session: Session, row: Any, rejected: int, limits: BreakerLimits) -> str:
    # so many accepted ones settle it; there is no need to count all
    enough = max(math.ceil(rejected / max(limits.rejected, 1e-3)) - rejected, limits.least - rejected, 0)
    mine = [DELIVERY.c.issue_id == row.issue_id, DELIVERY.c.state == State.ACCEPTED.value]
    if row.since is not None:
        mine.append(DELIVERY.c.settled_at >= row.since)
    some = select(DELIVERY.c.id).where(*mine).limit(enough).subquery()
    answered = rejected + session.execute(select(func.count()).select_from(some)).scalar_one()
    if answered < limits.least or rejected <= limits.rejected * answered:
        return ""
    return f"{rejected} of {answered} were rejected. Check the relay's answers before you send more"
