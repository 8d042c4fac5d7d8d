"""Evidence about one address: its feedback events, and the word of a person who took it off the never-send list."""

from collections.abc import Sequence
from dataclasses import asdict, dataclass
from datetime import datetime

from sqlalchemy import select
from sqlmodel import Session

from digest.delivery.outcome import Reason
from digest.feedback.models import EVENT, EventSource, FeedbackKind
from digest.outbox.tables import ISSUE, SUBSCRIBER

_MOST = 50


@dataclass(frozen=True, slots=True)
class Evidence:
    """A feedback event for a person; `issue` is a number, None for a notice."""

    id: int
    at: datetime
    issue: int | None
    kind: str
    reason: str
    code: int | None
    enhanced: str | None
    words: str

    def as_json(self) -> dict[str, object]:
        return asdict(self)

    @property
    def cells(self) -> list[object]:
        said = " ".join(str(part) for part in (self.code, self.enhanced, self.words) if part)
        return [self.at, self.issue, self.kind, self.reason, said]


def of_address(session: Session, key: str) -> Sequence[Evidence]:
    """Return the last events about the subscriber whose address has this keyed hash, the newest first."""
    query = (
        select(EVENT, ISSUE.c.number)
        .join(SUBSCRIBER, SUBSCRIBER.c.id == EVENT.c.subscriber_id)
        .outerjoin(ISSUE, ISSUE.c.id == EVENT.c.issue_id)
        .where(SUBSCRIBER.c.suppression_key == key)
        .order_by(EVENT.c.happened_at.desc(), EVENT.c.id.desc())
        .limit(_MOST)
    )
    return [
        Evidence(
            row.id,
            row.happened_at,
            row.number,
            row.kind,
            Reason(row.reason).word if row.reason else "",
            row.detail.get("code"),
            row.detail.get("enhanced"),
            row.detail.get("words") or "",
        )
        for row in session.execute(query)
    ]


def note_lifted(session: Session, key: str, why: str, now: datetime) -> None:
    """Record that a person took the address off the list; earlier soft bounces do not count any more."""
    subscriber = session.execute(select(SUBSCRIBER.c.id).where(SUBSCRIBER.c.suppression_key == key)).scalar()
    values = {"kind": FeedbackKind.LIFTED.value, "source": EventSource.PERSON.value, "reason": ""}
    session.execute(
        EVENT.insert().values(
            event_id=f"lifted:{key[:16]}:{now.timestamp():.6f}",
            subscriber_id=subscriber,
            detail={"words": why},
            happened_at=now,
            acted_at=now,
            **values,
        )
    )
