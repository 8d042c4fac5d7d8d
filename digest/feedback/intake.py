"""Intake of feedback: mails are understood, recorded in batches, and their consequences drawn. Nothing is answered."""

import gc
from collections import Counter, defaultdict
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from typing import TYPE_CHECKING, Protocol

from sqlalchemy import Engine, update
from sqlmodel import Session

from digest.delivery.outcome import REMEDIES, Reason
from digest.feedback import consequences
from digest.feedback.classification import MailForm, understand
from digest.feedback.events import ReadMail, Recorded, record
from digest.feedback.matching import Matcher
from digest.feedback.models import EVENT, FeedbackKind
from digest.feedback.parsed_mail import PoisonMailError
from digest.feedback.quarantine import empty_quarantine, put_aside
from digest.notify import Event, EventKind
from digest.outbox.tables import ISSUE
from digest.runtime.clock import Clock
from digest.runtime.db import session_scope

if TYPE_CHECKING:
    from digest.delivery.configured import ConfiguredDelivery
    from digest.notify.notifier import Notifier

_BATCH = 500
_OBJECTS_BEFORE_COLLECTING = 20_000
_BATCH_BYTES = 8 * 1024 * 1024
COUNTED = ("hard", "soft", "complaint", "ignored")
_COUNTED_AS = {
    FeedbackKind.HARD: "hard",
    FeedbackKind.SOFT: "soft",
    FeedbackKind.POLICY: "soft",
    FeedbackKind.COMPLAINT: "complaint",
}


class FeedbackContext(Protocol):
    """What intake needs of an opened workspace; `digest.app.App` is one."""

    @property
    def engine(self) -> Engine: ...

    @property
    def clock(self) -> Clock: ...

    @property
    def delivery(self) -> "ConfiguredDelivery": ...

    @property
    def notifier(self) -> "Notifier": ...


@dataclass(frozen=True, slots=True)
class Quarantined:
    """A mail that was put aside: its place, why, and the file that holds its beginning."""

    file: str
    reason: str
    kept: str


@dataclass(slots=True)
class IntakeResult:
    """Counts of what came in. Each event counts once; `unmatched` could not be assigned to anything sent by us."""

    read: int = 0
    counted: Counter[str] = field(default_factory=lambda: Counter(dict.fromkeys(COUNTED, 0)))
    quarantined: list[Quarantined] = field(default_factory=list)
    repeated: int = 0
    unmatched: int = 0
    unknown: int = 0
    policy: int = 0
    suppressed: int = 0
    failures: list[str] = field(default_factory=list)
    """Mailboxes that could not be read to their end, and why."""
    issues: set[int] = field(default_factory=set)
    """Ids of the issues concerned."""

    def as_json(self) -> dict[str, object]:
        return {
            "read": self.read,
            "counted": dict(self.counted),
            "quarantined": [{"file": one.file, "reason": one.reason, "kept": one.kept} for one in self.quarantined],
            **{name: getattr(self, name) for name in ("repeated", "unmatched", "unknown", "policy", "suppressed")},
        }


def ingest(
    context: FeedbackContext, mails: Iterable[tuple[str, bytes]], result: IntakeResult | None = None
) -> IntakeResult:
    """Take in mails, each with its place for a person; return `result`, brought up to date.

    Safe to repeat, in any order.
    """
    result, matcher = result or IntakeResult(), Matcher(context.delivery.settings)
    thresholds = gc.get_threshold()
    gc.set_threshold(_OBJECTS_BEFORE_COLLECTING, *thresholds[1:])  # a parsed mail makes no cycles
    try:
        _take_in(context, mails, matcher, result)
    finally:
        gc.set_threshold(*thresholds)
    days, now = context.delivery.settings.feedback.sample_days, context.clock.now()
    with session_scope(context.engine) as session:
        forget_samples(session, days, now)
    empty_quarantine(context.delivery.settings.workspace, now - timedelta(days=days))
    return result


def _take_in(
    context: FeedbackContext, mails: Iterable[tuple[str, bytes]], matcher: Matcher, result: IntakeResult
) -> None:
    for batch in _batches(context, mails, result):
        _record(context, batch, matcher, result)


def take(context: FeedbackContext, read: Sequence[ReadMail]) -> IntakeResult:
    """Take in what was read already, all at once."""
    result = IntakeResult(read=len(read))
    _record(context, read, Matcher(context.delivery.settings), result)
    return result


def _record(context: FeedbackContext, batch: Sequence[ReadMail], matcher: Matcher, result: IntakeResult) -> None:
    limits = context.delivery.breaker_limits
    with session_scope(context.engine) as session:
        now = context.clock.now()
        recorded = record(session, batch, matcher, limits, now)
        concerned = {one.sent.issue_id for one in recorded if one.sent and one.sent.issue_id}
        result.suppressed += consequences.apply(session, now, limits, concerned)
        _raise_alarms(context, session, recorded, now)
    for mail, one in zip(batch, recorded, strict=True):
        _count(result, mail.understood.form, one)


def _batches(
    context: FeedbackContext, mails: Iterable[tuple[str, bytes]], result: IntakeResult
) -> Iterator[list[ReadMail]]:
    workspace = context.delivery.settings.workspace
    batch: list[ReadMail] = []
    size = 0
    for place, data in mails:
        result.read += 1
        try:
            batch.append(ReadMail(understand(data), data))
        except PoisonMailError as error:
            result.quarantined.append(Quarantined(place, error.message, str(put_aside(workspace, data))))
            continue
        size += len(data)
        if len(batch) >= _BATCH or size >= _BATCH_BYTES:
            yield batch
            batch, size = [], 0
    if batch:
        yield batch


def _count(result: IntakeResult, form: MailForm, one: Recorded) -> None:
    if not one.is_new:
        result.repeated += 1
        return
    is_unmatched = one.sent is None and form in {MailForm.REPORT, MailForm.COMPLAINT}
    result.unmatched += is_unmatched
    result.unknown += one.kind is FeedbackKind.UNKNOWN
    result.policy += one.kind is FeedbackKind.POLICY and not is_unmatched
    result.counted["ignored" if is_unmatched else _COUNTED_AS.get(one.kind, "ignored")] += 1
    if one.sent is not None and one.sent.issue_id is not None:
        result.issues.add(one.sent.issue_id)


def _raise_alarms(context: FeedbackContext, session: Session, recorded: Iterable[Recorded], now: datetime) -> None:
    """Tell the operators, once for each issue and reason, of bounces that are about us."""
    ours: defaultdict[tuple[int, Reason], list[Recorded]] = defaultdict(list)
    for one in recorded:
        if one.kind is FeedbackKind.POLICY and one.is_new and one.sent and one.sent.issue_id and one.reason:
            ours[one.sent.issue_id, one.reason].append(one)
    for (issue_id, reason), bounces in ours.items():
        issue = session.execute(ISSUE.select().where(ISSUE.c.id == issue_id)).one()
        told = bounces[0].recipient
        words = f"{told.code or ''} {told.enhanced or ''} {told.words}".strip() if told else ""
        remedy = REMEDIES.get(reason, REMEDIES[Reason.OTHER])
        why = (
            f"bounces of issue {issue.number} are caused by the sender, not by readers ({reason.word}): "
            f"{words}. {remedy}"
        )
        context.notifier.tell(
            session, Event(EventKind.POLICY_BOUNCES, now, issue.number, issue.period, why, occasion=reason.value)
        )


def forget_samples(session: Session, days: int, now: datetime) -> None:
    """Forget copies of mails that are older than so many days."""
    old = EVENT.c.sample.is_not(None), EVENT.c.happened_at < now - timedelta(days=days)
    session.execute(update(EVENT).where(*old).values(sample=None))
