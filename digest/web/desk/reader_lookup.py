"""Look-up of a subscriber by an editor, and why they get no mail."""

from datetime import datetime

from sqlmodel import Session, col, select

from digest.issues.models import Issue
from digest.publish.audience import exclusion_of
from subscribers.models import Subscriber

MOST = 20

# The reasons of subscribers.audience.exclusion_reason, as sentences about a person.
REASONS = {
    "unconfirmed": "They have not confirmed their subscription yet.",
    "unsubscribed": "They have unsubscribed.",
    "erased": "Their data has been erased at their request.",
    "suppressed": "Their address is on the never-send list.",
    "paused": "They have paused the newsletter.",
    "frequency": "They chose to get fewer issues, and this is not one of theirs.",
    "unaffected": "They did not get the article that this issue corrects.",
}


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
    """Return why this subscriber does not get an issue now, as a sentence; None if they do."""
    query = select(exclusion_of(session, issue, now)).where(Subscriber.id == subscriber.id)
    reason = session.exec(query).first()
    return None if reason is None else REASONS.get(reason, reason)
