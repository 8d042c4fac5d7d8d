"""Review links: made by an account, found by the token in their address, ended by time or by hand.

The token has 256 bits and is kept as a keyed hash, so that a copied database opens nothing.
"""

import hashlib
import hmac
import secrets
from collections.abc import Sequence
from datetime import datetime, timedelta

from sqlalchemy import ColumnElement, delete, update
from sqlmodel import Session, col, select

from digest.accounts.models import Account, ReviewLink
from digest.runtime.errors import NotFoundError


def make(
    session: Session, number: int, issue_hash: str, by: str, *, now: datetime, lasting: timedelta, secret: bytes
) -> tuple[ReviewLink, str]:
    """Make a link to issue `number`; return it with its token, which is kept nowhere. Expired ones are deleted."""
    session.execute(delete(ReviewLink).where(col(ReviewLink.expires_at) <= now))
    token = secrets.token_urlsafe(32)
    link = ReviewLink(
        token_hash=_hash(token, secret),
        issue=number,
        issue_hash=issue_hash,
        made_by=by,
        created_at=now,
        expires_at=now + lasting,
    )
    session.add(link)
    session.flush()
    return link, token


def find(session: Session, token: str, *, now: datetime, secret: bytes) -> ReviewLink:
    """Return the valid link of a token. Raises NotFoundError, the same for one that is unknown, expired or revoked."""
    query = select(ReviewLink).where(ReviewLink.token_hash == _hash(token, secret), *_valid(now))
    link = session.exec(query).first()
    if link is None:
        raise NotFoundError("There is no such review link, or it is no longer valid")
    return link


def valid(session: Session, now: datetime) -> Sequence[ReviewLink]:
    """Return the links that open something, the newest first."""
    query = select(ReviewLink).where(*_valid(now))
    return session.exec(query.order_by(col(ReviewLink.created_at).desc(), col(ReviewLink.id).desc())).all()


def revoke(session: Session, of_id: int, now: datetime) -> ReviewLink:
    """End a link. Raises NotFoundError if it is over already."""
    query = select(ReviewLink).where(ReviewLink.id == of_id, *_valid(now))
    link = session.exec(query.with_for_update()).first()
    if link is None:
        raise NotFoundError("This review link is no longer valid")
    link.revoked_at = now
    session.add(link)
    return link


def revoke_all(session: Session, account: Account, now: datetime) -> None:
    """End every link that an account made."""
    session.execute(
        update(ReviewLink).where(col(ReviewLink.made_by) == account.login, *_valid(now)).values(revoked_at=now)
    )


def _valid(now: datetime) -> tuple[ColumnElement[bool], ColumnElement[bool]]:
    return col(ReviewLink.revoked_at).is_(None), col(ReviewLink.expires_at) > now


def _hash(token: str, secret: bytes) -> str:
    return hmac.digest(secret, f"desk:review:{token}".encode("utf-8", "replace"), hashlib.sha256).hex()
