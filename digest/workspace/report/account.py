"""Accounts of issues: an issue with all that its deliveries and its readers say, or every issue in few numbers."""

from bisect import bisect, bisect_left
from collections import Counter
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import asdict, dataclass
from datetime import datetime

from sqlalchemy import func, select
from sqlmodel import Session, col

from digest.feedback.models import EVENT, FeedbackKind
from digest.issues import store as issue_store
from digest.issues.models import Issue
from digest.outbox.states import FAILED, State
from digest.outbox.tables import DELIVERY
from digest.runtime.db import session_scope
from digest.schedule import runs
from digest.send.context import SendContext
from digest.workspace.report import figures
from digest.workspace.report.figures import Breakdown, ComeBack, Counts, TimeSlot
from digest.workspace.report.missed import UNREACHED, MissedReader, missed
from digest.workspace.report.reasons import Reasons
from digest.workspace.report.runs import RunAccount, run_account

EARLIER = 5
"""Number of earlier issues that an issue is compared with."""


@dataclass(frozen=True, slots=True)
class IssueAccount:
    """One issue in numbers: `states` has every state, `excluded` counts people left out, by reason.

    `left` are readers who left from this issue until the next one, `joined` those who came since the one before (None:
    not counted).
    """

    issue: int
    period: str
    state: str
    approved_by: str | None
    frozen_at: datetime | None
    sent_at: datetime | None
    planned: int
    states: Counts
    excluded: Mapping[str, int]
    complaints: int = 0
    left: int = 0
    joined: int | None = None

    @property
    def failed(self) -> int:
        """Number of deliveries that a server refused."""
        return sum(self.states[state] for state in FAILED)

    @property
    def missed_count(self) -> int:
        """Number of those who did not get it, or not for certain."""
        return sum(self.states[state] for state in UNREACHED) + sum(self.excluded.values())

    def as_json(self) -> dict[str, object]:
        counted = asdict(self) | {"states": _named(self.states)}
        return {key: value for key, value in counted.items() if key != "joined" or value is not None}


@dataclass(frozen=True, slots=True)
class IssueReport:
    """One issue with its figures; `editions` has language and number of articles of each."""

    account: IssueAccount
    by: Breakdown
    editions: Mapping[int, tuple[str, int]]
    reasons: Reasons
    over_time: Sequence[TimeSlot]
    feedback: ComeBack
    earlier: Sequence[IssueAccount]
    runs: Sequence[RunAccount]
    context: SendContext
    row: Issue

    def missed(self) -> Iterator[MissedReader]:
        """Read who did not get it."""
        return missed(self.context, self.row)

    def as_json(self) -> dict[str, object]:
        by_day = [{"day": day, **counts} for day, counts in self.feedback.by_day.items()]
        return self.account.as_json() | {
            "reasons": {state.value: dict(words) for state, words in self.reasons.by_state.items()},
            "refusals": [asdict(one) | {"providers": dict(one.providers)} for one in self.reasons.refusals],
            "by": {
                "edition": {str(key): _named(counts) for key, counts in self.by.edition.items()},
                "interest": {key: _named(counts) for key, counts in self.by.interest.items()},
                "provider": {key: _named(counts) for key, counts in self.by.provider.items()},
            },
            "over_time": [
                {"at": one.at, "seconds": one.seconds, "states": _named(one.states)} for one in self.over_time
            ],
            "feedback": {**self.feedback.counts, "by_day": by_day},
            "earlier": [one.as_json() for one in self.earlier],
            "runs": [asdict(one) for one in self.runs],
            "missed": (asdict(one) for one in self.missed()),
        }


@dataclass(frozen=True, slots=True)
class Overview:
    """The accounts of all issues and runs; `reach` is of the newest issue that was sent, by interest."""

    issues: Sequence[IssueAccount]
    runs: Sequence[RunAccount]
    reach: Mapping[str, Counts]
    newest: int | None

    def as_json(self) -> dict[str, object]:
        return {
            "issues": [one.as_json() for one in self.issues],
            "runs": [asdict(one) for one in self.runs],
            "reach": {"issue": self.newest, "by_interest": {slug: _named(of) for slug, of in self.reach.items()}},
        }


def _named(counts: Counts) -> dict[str, int]:
    return {state.value: counts[state] for state in State if state in counts}


def of_issue(context: SendContext, number: int) -> IssueReport:
    """Return the report of one issue. Raises NoSuchIssueError."""
    with session_scope(context.engine, read_only=True) as session:
        issue = issue_store.find(session, number)
        of_id = issue.id or 0
        frozen = _frozen(session)
        before = [one for one in frozen if issue.frozen_at is None or _moment(one) < issue.frozen_at]
        earlier = _accounts(session, before[-EARLIER:], frozen)
        by = figures.breakdown(session, of_id)
        found = [run_account(run) for run in reversed(runs.history(session)) if run.issue_id == issue.id]
        zone = context.delivery.settings.publication.zone
        back = figures.come_back(session, of_id, issue.frozen_at, _until(issue, frozen), zone)
        counts = back.counts
        return IssueReport(
            _account(issue, by.states, counts[FeedbackKind.COMPLAINT], counts[figures.UNSUBSCRIBED]),
            by,
            figures.editions(session, of_id),
            figures.why(session, of_id),
            figures.over_time(session, of_id),
            back,
            earlier,
            found,
            context,
            issue,
        )


def overview(context: SendContext, *, reach: bool = True) -> Overview:
    """Return the accounts of all issues and runs."""
    with session_scope(context.engine, read_only=True) as session:
        issues = session.scalars(select(Issue).order_by(col(Issue.number))).all()
        found = [run_account(run) for run in reversed(runs.history(session))]
        accounts = _accounts(session, issues, _frozen(session), everything=True)
        newest = next((one for one in reversed(issues) if one.sent_at is not None), None) if reach else None
        by = figures.breakdown(session, newest.id or 0).interest if newest else {}
        return Overview(accounts, found, by, newest.number if newest else None)


def _frozen(session: Session) -> list[Issue]:
    """Return the issues that ever were frozen and have deliveries, in the order in which that was done."""
    query = select(Issue).where(col(Issue.frozen_at).is_not(None), col(Issue.special).is_(False))
    return list(session.scalars(query.order_by(col(Issue.frozen_at))))


def _moment(issue: Issue) -> datetime:
    assert issue.frozen_at is not None  # noqa: S101 - a caller's condition
    return issue.frozen_at


def _until(issue: Issue, frozen: Sequence[Issue]) -> datetime | None:
    """Return when the next issue was frozen, None if there is none yet."""
    return next((_moment(one) for one in frozen if issue.frozen_at and _moment(one) > issue.frozen_at), None)


def _accounts(
    session: Session, issues: Sequence[Issue], frozen: Sequence[Issue], *, everything: bool = False
) -> list[IssueAccount]:
    """Return the accounts of several issues; those who joined only with `everything`."""
    ids = [issue.id or 0 for issue in issues]
    query = select(DELIVERY.c.issue_id, DELIVERY.c.state, func.count()).where(DELIVERY.c.issue_id.in_(ids))
    counted: dict[int, dict[State, int]] = {of_id: dict.fromkeys(State, 0) for of_id in ids}
    for of_id, state, count in session.execute(query.group_by(DELIVERY.c.issue_id, DELIVERY.c.state)):
        counted[of_id][State(state)] = count
    kinds = (EVENT.c.issue_id.in_(ids), EVENT.c.kind == FeedbackKind.COMPLAINT.value)
    query = select(EVENT.c.issue_id, func.count()).where(*kinds).group_by(EVENT.c.issue_id)
    complaints: dict[int, int] = dict(session.execute(query).all())
    moments = [_moment(one) for one in frozen]
    left, joined = Counter[int](), Counter[int]()
    first = min((_moment(one) for one in issues if one.frozen_at), default=None)
    for at in figures.leaving(session, first) if first and frozen else ():
        left[frozen[max(bisect(moments, at) - 1, 0)].number] += 1
    for at, count in figures.joining(session) if everything else ():
        if (place := bisect_left(moments, at)) < len(moments):
            joined[frozen[place].number] += count
    return [
        _account(
            one,
            counted[one.id or 0],
            complaints.get(one.id or 0, 0),
            left[one.number],
            joined[one.number] if everything else None,
        )
        for one in issues
    ]


def _account(issue: Issue, states: Counts, complaints: int, left: int, joined: int | None = None) -> IssueAccount:
    own, moments = (issue.number, issue.period, issue.state, issue.approved_by), (issue.frozen_at, issue.sent_at)
    return IssueAccount(*own, *moments, sum(states.values()), states, dict(issue.excluded), complaints, left, joined)
