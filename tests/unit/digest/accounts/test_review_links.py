"""Review links: valid for a time, until they are revoked, and in one workspace only."""

from datetime import datetime, timedelta

import pytest
from sqlmodel import Session

from digest.accounts import review_links
from digest.runtime.db import Engine, session_scope
from digest.runtime.errors import NotFoundError

DAY = timedelta(days=1)


def test_a_link_opens_until_it_expires_or_is_revoked(engine: Engine, now: datetime) -> None:
    def opens(session: Session, token: str, at: datetime = now, secret: bytes = b"ours") -> bool:
        try:
            return review_links.find(session, token, now=at, secret=secret).issue == 21
        except NotFoundError:
            return False

    with session_scope(engine) as session:
        first, one = review_links.make(session, 21, "h", "kim", now=now, lasting=DAY, secret=b"ours")
        second, two = review_links.make(session, 21, "h", "lee", now=now, lasting=2 * DAY, secret=b"ours")
        assert opens(session, one)
        assert one not in repr(first)
        assert not any(opens(session, token) for token in ("", one[:-1], first.token_hash, "é\udc80"))
        assert not opens(session, one, secret=b"another workspace's")
        assert not opens(session, one, at=now + DAY)
        assert [link.made_by for link in review_links.valid(session, now)] == ["lee", "kim"]
        review_links.revoke(session, second.id or 0, now)
        assert not opens(session, two)
        with pytest.raises(NotFoundError):
            review_links.revoke(session, second.id or 0, now)
        review_links.make(session, 21, "h", "kim", now=now + 3 * DAY, lasting=DAY, secret=b"ours")
        assert len(review_links.valid(session, now)) == 1, "expired ones are deleted"
