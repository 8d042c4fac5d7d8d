"""Recording of feedback: each event once, and what it says about a delivery's state. Callers commit."""

import hashlib
import re
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime

from sqlalchemy import select
from sqlmodel import Session

from digest.delivery.outcome import Reason
from digest.feedback.classification import MailForm, Understood
from digest.feedback.dsn import ReportedRecipient
from digest.feedback.matching import Matcher, Sent
from digest.feedback.models import EVENT, FAILURES, EventSource, FeedbackKind
from digest.outbox import breaker
from digest.outbox.breaker import BreakerLimits
from digest.outbox.dialects import insert_new
from digest.outbox.recover import settle_evidence
from digest.outbox.settle import Settlement
from digest.outbox.states import Outcome, State

MAX_SAMPLE = 4000
_OVERRULED = frozenset({State.STARTED, State.UNCERTAIN, State.ACCEPTED})
_ACTED_ON = frozenset({FeedbackKind.HARD, FeedbackKind.SOFT, FeedbackKind.COMPLAINT})


@dataclass(frozen=True, slots=True)
class ReadMail:
    """A mail, or a provider's report, that was read: what it says, and its bytes."""

    understood: Understood
    data: bytes
    source: EventSource = EventSource.MAIL


@dataclass(frozen=True, slots=True)
class Recorded:
    """An event, new or repeated; without `sent` it could not be assigned to anything."""

    kind: FeedbackKind
    is_new: bool
    sent: Sent | None
    reason: Reason | None = None
    recipient: ReportedRecipient | None = None


def record(
    session: Session, batch: Sequence[ReadMail], matcher: Matcher, limits: BreakerLimits, now: datetime
) -> list[Recorded]:
    """Record mails, and correct the states of what they are about; return what each was.

    Late rejections count for the issue's breaker, as those do that a relay says at once.
    """
    found = matcher.find(session, [mail.understood for mail in batch])
    rows: dict[str, dict[str, object]] = {}
    drafts: list[tuple[str, Recorded]] = []
    for mail, sent in zip(batch, found, strict=True):
        kind, reason, recipient = mail.understood.about(sent.address if sent else "")
        event_id = f"{kind}:{sent.mark}" if sent else f"mail:{_digest(mail.data)}"
        drafts.append((event_id, Recorded(kind, True, sent, reason, recipient)))
        if event_id not in rows:
            rows[event_id] = _row(event_id, mail, drafts[-1][1], now)
    known = set(session.execute(select(EVENT.c.event_id).where(EVENT.c.event_id.in_(rows))).scalars())
    new = {event_id: row for event_id, row in rows.items() if event_id not in known}
    if new:
        session.execute(insert_new(session, EVENT), list(new.values()))
    recorded = []
    for event_id, draft in drafts:
        is_new = new.pop(event_id, None) is not None
        recorded.append(draft if is_new else Recorded(draft.kind, False, draft.sent, draft.reason, draft.recipient))
    _correct(session, [one for one in recorded if one.is_new and one.sent], limits, now)
    return recorded


def _row(event_id: str, mail: ReadMail, one: Recorded, now: datetime) -> dict[str, object]:
    sent, told = one.sent, one.recipient
    is_delivery = sent is not None and sent.issue_id is not None
    detail = {
        "reader": mail.understood.reader,
        "attempt": sent.attempt_id if sent else None,
        "code": told.code if told else None,
        "enhanced": told.enhanced if told else None,
        "words": told.words if told else "",
    }
    waits = sent is not None and sent.subscriber_id is not None and one.kind in _ACTED_ON
    return {
        "event_id": event_id,
        "kind": one.kind.value,
        "source": mail.source.value,
        "reason": one.reason.value if one.reason else "",
        "issue_id": sent.issue_id if sent else None,
        "delivery_id": sent.id if sent and is_delivery else None,
        "notice_id": sent.id if sent and not is_delivery else None,
        "subscriber_id": sent.subscriber_id if sent else None,
        "detail": detail,
        # what a program answered for a person may be personal, and says nothing to us
        "sample": None if mail.understood.form is MailForm.AUTOMATIC else sample_of(mail.data),
        "happened_at": now,
        "acted_at": None if waits else now,
    }


def sample_of(data: bytes) -> str:
    return data[:MAX_SAMPLE].decode("utf-8", "replace").replace("\0", "")


def _digest(data: bytes) -> str:
    """Return a hash of a mail without what each way adds to its header: trace fields, line ends."""
    header, _, body = data.replace(b"\r\n", b"\n").partition(b"\n\n")
    own = b"\n".join(_NAMES_IT.findall(header))
    return hashlib.sha256(own + b"\0" + body.rstrip()).hexdigest()


_NAMES_IT = re.compile(rb"^(?:message-id|from|to|date|subject):.*", re.IGNORECASE | re.MULTILINE)


def _correct(session: Session, recorded: Sequence[Recorded], limits: BreakerLimits, now: datetime) -> None:
    rejected: dict[tuple[str, int], Settlement] = {}
    accepted: dict[tuple[str, int], Settlement] = {}
    for one in recorded:
        sent = one.sent
        if sent is None or sent.attempt_id is None:
            continue
        if one.kind in FAILURES and sent.state in _OVERRULED:
            rejected.setdefault((sent.promised, sent.id), _settlement(one, sent, State.REJECTED, now))
        elif one.kind is FeedbackKind.DELIVERED and sent.state == State.UNCERTAIN:
            accepted.setdefault((sent.promised, sent.id), _settlement(one, sent, State.ACCEPTED, now))
    breaker.settle(session, list(rejected.values()), limits)
    settle_evidence(session, [one for key, one in accepted.items() if key not in rejected])


def _settlement(one: Recorded, sent: Sent, state: State, now: datetime) -> Settlement:
    told = one.recipient
    words = told.words if told else ""
    what = one.reason.value.replace("_", " ") if one.reason else "reported"
    return Settlement(
        sent.promised,
        sent.id,
        sent.attempt_id or "",
        state,
        Outcome(state.value),
        now,
        reason=f"{what}, by a report: {words}",
        code=told.code if told else None,
        enhanced=told.enhanced if told else None,
        reply=words,
        by_evidence=True,
        overrules=state is State.REJECTED,
    )
