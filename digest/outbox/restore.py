"""Reset of a restored database, which does not know what was sent since its backup.

Everything on its way is held, and what may have gone out since is uncertain; evidence or a person resolves it, as
always. The caller commits, before any worker can take anything.
"""

from dataclasses import dataclass
from datetime import datetime

from sqlalchemy import ColumnElement, String, and_, case, cast, func, insert, literal, or_, select, update
from sqlmodel import Session

from digest.accounts.sessions import end_all
from digest.issues.lifecycle import IssueState
from digest.outbox.states import UNFINISHED, Outcome, State
from digest.outbox.tables import ATTEMPT, DELIVERY, ISSUE, NOTICE, Promised, move
from digest.outbox.take import new_attempt_id

RESTORED = "restored"
"""The worker of attempts that a restore made up: any process may have made them, at any time until their end."""
UNKNOWN = "restored: what was sent after the backup is unknown"
LOST = UNFINISHED | {State.UNCERTAIN}
NO_LONGER_APPROVED = "approved_hash", "approved_manifest", "approved_by", "approved_at"


@dataclass(frozen=True, slots=True)
class Aftermath:
    """Changes that keep a restored database from sending anything twice. Issues by number.

    `known_until` is the last instant that the backup knows of; None if nothing was ever sent.
    """

    held: tuple[int, ...]
    frozen: tuple[int, ...]
    drafts: tuple[int, ...]
    uncertain: int
    notices: int
    known_until: datetime | None


def settle_down(session: Session, now: datetime) -> Aftermath:
    """Hold what is on its way, take approvals back, and mark as uncertain what may have been sent since the backup.

    Deliveries of a frozen issue stay: none was started, and a person releases it or not. Notices are not repeated
    either, harmless as a second confirmation is: a subscriber who has left since must not be written to.
    """
    end_all(session)  # what was revoked since the backup would be open again
    known_until = last_known(session)
    frozen = _numbers(session, IssueState.FROZEN)
    held = _numbers(session, IssueState.FROZEN, IssueState.SENDING)
    drafts = _numbers(session, IssueState.APPROVED)
    session.execute(
        update(ISSUE).where(ISSUE.c.number.in_(held)).values(held=True, held_reason=UNKNOWN, holds=ISSUE.c.holds + 1)
    )
    session.execute(
        update(ISSUE)
        .where(ISSUE.c.number.in_(drafts))
        .values(state=IssueState.DRAFT.value, **dict.fromkeys(NO_LONGER_APPROVED))
    )
    on_its_way = select(ISSUE.c.id).where(ISSUE.c.state == IssueState.SENDING)
    in_doubt = or_(
        and_(DELIVERY.c.state.in_(sorted(UNFINISHED)), DELIVERY.c.issue_id.in_(on_its_way)),
        # its doubt grows: it may have been resolved and sent again after the backup
        DELIVERY.c.state == State.UNCERTAIN,
    )
    uncertain = doubt(session, Promised.DELIVERY, in_doubt, now)
    notices = doubt(session, Promised.NOTICE, NOTICE.c.state.in_(sorted(LOST)), now)
    return Aftermath(held, frozen, drafts, uncertain, notices, known_until)


def last_known(session: Session) -> datetime | None:
    """Return when the last attempt that the database has was started; those made up by a restore are older."""
    known: datetime | None = session.scalar(
        select(func.max(ATTEMPT.c.started_at)).where(ATTEMPT.c.worker_id != RESTORED)
    )
    return known


def _numbers(session: Session, *states: IssueState) -> tuple[int, ...]:
    query = select(ISSUE.c.number).where(ISSUE.c.state.in_(states)).order_by(ISSUE.c.number)
    return tuple(session.execute(query).scalars())


def doubt(
    session: Session, promised: Promised, in_doubt: ColumnElement[bool], now: datetime, *, why: str = UNKNOWN
) -> int:
    """Give each an attempt at an unknown time from what is known until now, and make it uncertain."""
    end_all(session)  # what was revoked since the backup would be open again
    known_until = last_known(session)
    table, token = promised.table, new_attempt_id()[:16]
    made_up = literal(f"{RESTORED}-{token}-") + cast(table.c.id, String)
    own_start = and_(table.c.state.in_([State.STARTED, State.UNCERTAIN]), table.c.started_at.is_not(None))
    began = case((own_start, table.c.started_at), else_=known_until or table.c.created_at)
    columns = [promised.attempt_key, "id", "worker_id", "started_at", "ended_at", "outcome", "reply", "relay"]
    uncertain = Outcome.UNCERTAIN.value
    rows = select(table.c.id, made_up, literal(RESTORED), began, literal(now), literal(uncertain), literal(why))
    rows = rows.add_columns(literal(_only_relay(session))).where(in_doubt)
    session.execute(insert(ATTEMPT).from_select(columns, rows))
    lost = select(table.c.attempt_id).where(in_doubt, table.c.state == State.STARTED)
    session.execute(
        update(ATTEMPT)
        .where(ATTEMPT.c.id.in_(lost), ATTEMPT.c.outcome.is_(None))
        .values(outcome=uncertain, ended_at=now, reply=why)
    )
    changed = session.execute(
        move(table, State.UNCERTAIN, LOST, in_doubt, restored=True).values(
            reason=why, attempt_id=made_up, worker_id=RESTORED, started_at=now, settled_at=now
        )
    )
    return int(changed.rowcount)  # type: ignore[attr-defined]


def _only_relay(session: Session) -> str:
    """Return the relay of all attempts so far, if there was only one: its log can tell what went since."""
    relays = session.execute(select(ATTEMPT.c.relay).where(ATTEMPT.c.relay != "").distinct().limit(2)).scalars().all()
    return relays[0] if len(relays) == 1 else ""
