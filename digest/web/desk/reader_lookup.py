"""Look-up of a subscriber by an editor, and why they get no mail."""

from datetime import datetime

from sqlmodel import Session, col, select

from digest.issues.models import Issue
from digest.publish.audience import exclusion_of
from subscribers.models import Subscriber

MOST = 20


def search(session: Session, text: str) -> list[Subscriber]:
    """Return at most MOST + 1 subscribers whose address contains `text`, an equal one first."""
    wanted = text.strip()
    if not wanted or "\0" in wanted:  # PostgreSQL takes no NUL in a text
        return []
    query = (
        select(Subscriber)
        .where(col(Subscriber.address_key).is_not(None), col(Subscriber.address).icontains(wanted, autoescape=True))
        .order_by(col(Subscriber.address_key) != wanted.casefold(), col(Subscriber.address_key))
    )
    return list(session.exec(query.limit(MOST + 1)))


def by_ref(session: Session, ref: str) -> Subscriber | None:
    """Return the subscriber with this reference, unless they were erased."""
    if "\0" in ref:
        return None
    query = select(Subscriber).where(Subscriber.ref == ref, col(Subscriber.address_key).is_not(None))
    return session.exec(query).first()


def reason_against(session: Session, subscriber: Subscriber, issue: Issue, now: datetime) -> str | None:
    """Return why this subscriber does not get an issue now, None if they do: see exclusion_of."""
    query = select(exclusion_of(session, issue, now)).where(Subscriber.id == subscriber.id)
    return session.exec(query).first()
