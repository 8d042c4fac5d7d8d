"""Sessions at the desk: opened by signing in, found by a cookie's token, ended by time, by hand or with the account."""

import hashlib
import hmac
import secrets
from dataclasses import dataclass
from datetime import datetime, timedelta

from sqlalchemy import ColumnElement, delete, update
from sqlmodel import Session, col, select

from digest.accounts.models import Account, DeskSession, ReviewLink

# A page with four frames makes five requests; one of them writes.
_SEEN_EVERY = timedelta(minutes=1)


@dataclass(frozen=True, slots=True)
class OpenSession:
    """A session that is valid now, with its account; the machine's user has none. `ref` names it in forms."""

    ref: str
    account: Account | None
    to_be_noted: bool  # as seen


def begin(session: Session, account: Account | None, *, now: datetime, lasting: timedelta, secret: bytes) -> str:
    """Open a session; return the token for its cookie. Sessions that are over are deleted."""
    session.execute(delete(DeskSession).where(col(DeskSession.expires_at) < now))
    token, of = secrets.token_urlsafe(32), account.id if account else None
    kept = DeskSession(
        token_hash=_hash(token, secret), account_id=of, created_at=now, seen_at=now, expires_at=now + lasting
    )
    session.add(kept)
    return token


def find(session: Session, token: str, *, now: datetime, idle: timedelta, secret: bytes) -> OpenSession | None:
    """Return the session of a token; None if unknown, over, unused for too long, revoked, or of a disabled account."""
    query = (
        select(DeskSession, Account)
        .outerjoin(Account, col(Account.id) == col(DeskSession.account_id))
        .where(DeskSession.token_hash == _hash(token, secret))
    )
    row = session.exec(query).first()
    if row is None:
        return None
    kept, account = row
    if kept.revoked_at is not None or now >= kept.expires_at or now - kept.seen_at > idle:
        return None
    if account is not None and not account.active:
        return None
    return OpenSession(kept.token_hash[:32], account, now - kept.seen_at >= _SEEN_EVERY)


def note_seen(session: Session, token: str, *, now: datetime, secret: bytes) -> None:
    """Note that a session is in use."""
    session.execute(update(DeskSession).where(_of(token, secret)).values(seen_at=now))


def revoke(session: Session, token: str, *, now: datetime, secret: bytes) -> None:
    """End a session."""
    session.execute(update(DeskSession).where(_of(token, secret), _open()).values(revoked_at=now))


def revoke_all(session: Session, account: Account, now: datetime) -> None:
    """End every session of an account."""
    session.execute(
        update(DeskSession).where(col(DeskSession.account_id) == account.id, _open()).values(revoked_at=now)
    )


def end_all(session: Session) -> None:
    """End every session and every review link."""
    session.execute(delete(DeskSession))
    session.execute(delete(ReviewLink))


def _of(token: str, secret: bytes) -> ColumnElement[bool]:
    return col(DeskSession.token_hash) == _hash(token, secret)


def _open() -> ColumnElement[bool]:
    return col(DeskSession.revoked_at).is_(None)


def _hash(token: str, secret: bytes) -> str:
    """Return the keyed hash: a token of a copied database opens nothing under another workspace's secrets."""
    return hmac.digest(secret, f"desk:session:{token}".encode("utf-8", "replace"), hashlib.sha256).hex()
