"""Work sources: the deliveries of an issue, or notices. Each takes work and writes its messages."""

from collections.abc import Callable, Mapping, Sequence
from datetime import datetime, timedelta
from functools import cached_property
from typing import TYPE_CHECKING, Generic, Protocol, TypeVar

from sqlmodel import Session

from digest.delivery.meter import Meter
from digest.outbox import store
from digest.outbox.notices import TakenNotice, take_notices
from digest.outbox.take import Started, Taken, Taker, Window, families_of, take
from subscribers.audience import exclusion_reason

if TYPE_CHECKING:  # the renderers wait for the first message
    from digest.delivery.mail.message import Letter

S = TypeVar("S", bound=Started)
LOOK_AGAIN = timedelta(seconds=0.2)
LOOK_AFTER_LIMIT = timedelta(seconds=5)


class Writer(Protocol):
    """Composes messages; `digest.delivery.mail.message.MessageWriter` is one."""

    def prepare(self, session: Session, edition_ids: Sequence[int]) -> None:
        """Read what the next messages need."""

    def delivery(self, taken: Taken, now: datetime) -> "Letter":
        """Return the message of a delivery; ContentError if there can be none."""

    def notice(self, taken: TakenNotice, now: datetime) -> "Letter":
        """Return the message of a notice; ContentError if there can be none."""


class LazyWriter:
    """A Writer made for its first message. For notices only: an issue's would be made in the take."""

    def __init__(self, make: Callable[[], Writer]) -> None:
        self._make = make

    @cached_property
    def _writer(self) -> Writer:
        return self._make()

    def prepare(self, session: Session, edition_ids: Sequence[int]) -> None:
        self._writer.prepare(session, edition_ids)

    def delivery(self, taken: Taken, now: datetime) -> "Letter":
        return self._writer.delivery(taken, now)

    def notice(self, taken: TakenNotice, now: datetime) -> "Letter":
        return self._writer.notice(taken, now)


class WorkSource(Protocol, Generic[S]):
    """A source of work.

    `again_at` says after an empty take when to ask again (None: nothing to wait for), `fills_up` that others may add
    work while a run goes on.
    """

    issue_id: int | None
    fills_up: bool
    again_at: datetime | None

    def take(self, session: Session, limit: int, now: datetime, under_way: Mapping[str, int]) -> Window[S]:
        """Start up to `limit`, in the caller's transaction."""

    def write(self, started: S, now: datetime) -> "Letter":
        """Return the message of what was started."""

    def next_due(self, session: Session) -> datetime | None:
        """Return when its next promise is due, deferred or not."""


class IssueStream:
    """Deliveries of one issue, all planned when it was frozen."""

    fills_up: bool = False

    def __init__(self, issue_id: int, taker: Taker, writer: Writer, meter: Meter) -> None:
        self.issue_id: int | None = issue_id
        self.again_at: datetime | None = None
        self._issue = issue_id
        self._taker = taker
        self._writer = writer
        self._meter = meter
        self._families: list[str] | None = None

    def take(self, session: Session, limit: int, now: datetime, under_way: Mapping[str, int]) -> Window[Taken]:
        """Start up to `limit` deliveries, of the families that may get mail now, in turn."""
        if self._families is None:
            self._families = families_of(session, self._issue)
        shares, later = self._meter.shares(self._families, under_way, now)
        window = take(session, self._taker, self._issue, exclusion_reason, limit=limit, now=now, shares=shares)
        self._writer.prepare(session, [one.edition_id for one in window.started])
        self._families = [*self._families[1:], *self._families[:1]]
        if window.exhausted:
            self.again_at = self._after_nothing(session, later, now)
        return window

    def _after_nothing(self, session: Session, later: datetime | None, now: datetime) -> datetime | None:
        pending = store.next_pending(session, self._issue, self._families or (), now)
        if pending is None:
            return None
        if pending > now:
            return pending
        # due and not started: its family must wait, or another worker is just taking it
        return min(later, now + LOOK_AFTER_LIMIT) if later else now + LOOK_AGAIN

    def write(self, started: Taken, now: datetime) -> "Letter":
        return self._writer.delivery(started, now)

    def next_due(self, session: Session) -> datetime | None:
        return store.next_due(session, self._issue)


class NoticeStream:
    """Mail outside of issues: confirmations of sign-ups, mails to operators."""

    fills_up: bool = True

    def __init__(self, taker: Taker, writer: Writer) -> None:
        self.issue_id: int | None = None
        self.again_at: datetime | None = None
        self._taker = taker
        self._writer = writer

    def take(self, session: Session, limit: int, now: datetime, under_way: Mapping[str, int]) -> Window[TakenNotice]:  # noqa: ARG002 - notices are few
        return take_notices(session, self._taker, limit=limit, now=now)

    def write(self, started: TakenNotice, now: datetime) -> "Letter":
        return self._writer.notice(started, now)

    def next_due(self, session: Session) -> datetime | None:
        return store.next_notice_due(session)
