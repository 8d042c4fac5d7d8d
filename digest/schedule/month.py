"""A run at work: what its steps read, what they note, and what they tell. Notes and events are stored together."""

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from datetime import datetime
from functools import cached_property
from typing import Any, Protocol

from sqlmodel import Session

from digest.delivery.worker.progress import DeliveryProgress
from digest.issues import store as issue_store
from digest.issues.lifecycle import IssueState
from digest.issues.models import Issue
from digest.issues.period import Period
from digest.notify import Event, EventKind
from digest.runtime.db import session_scope
from digest.schedule import runs
from digest.schedule.occurrences import Occurrence
from digest.schedule.runs import IssueRun, RunState, RunStep
from digest.send.context import SendContext

MONTHLY, SPECIAL = "monthly", "special"
BEGUN = frozenset({IssueState.FROZEN, IssueState.SENDING, IssueState.SENT})


def issue_of(session: Session, run: IssueRun) -> Issue | None:
    """Return the issue of a run as it stands; None if there is none yet."""
    if run.schedule == SPECIAL:
        return session.get(Issue, run.issue_id)
    return issue_store.of_period(session, Period.parse(run.period))


def has_begun(context: SendContext, run: runs.IssueRun) -> bool:
    """Return whether the issue of a run is being sent, or was."""
    with session_scope(context.engine, read_only=True) as session:
        issue = issue_of(session, run)
    return issue is not None and issue.state in BEGUN


@dataclass(frozen=True, slots=True)
class StepPaused:
    """Why a run goes no further for now, or for good (`state`); `person` says that somebody has to do something."""

    why: str
    person: bool = False
    state: RunState = RunState.WAITING


class ProgressListener(Protocol):
    """Receives the progress of a look at the clock, to display it."""

    def step(self, period: str, name: str) -> None:
        """Receive the step that begins now."""

    def expect(self, total: int) -> None:
        """Receive the number of deliveries that the step has before it."""

    def __call__(self, progress: DeliveryProgress, /) -> None:
        """Receive the progress of its delivery."""


class NullProgress:
    """A listener that ignores everything."""

    def step(self, period: str, name: str) -> None:
        """Ignore it."""

    def expect(self, total: int) -> None:
        """Ignore it."""

    def __call__(self, progress: DeliveryProgress, /) -> None:
        """Ignore it."""


@dataclass
class Month:
    """One run, taken by this process."""

    context: SendContext
    run: IssueRun
    plan: Occurrence
    listener: ProgressListener
    stopping: Callable[[], bool]
    _events: list[Event] = field(default_factory=list)

    @cached_property
    def now(self) -> datetime:
        """The instant of this look: one for all steps, so that none sees another day than the one before."""
        return self.context.clock.now()

    @property
    def is_due(self) -> bool:
        """Whether the time to send has come."""
        return self.now >= self.run.due_at

    @property
    def is_special(self) -> bool:
        """Whether it is outside the calendar: its issue is there already."""
        return self.run.schedule == SPECIAL

    def find_issue(self, session: Session) -> Issue | None:
        """Return the run's issue as it stands; None if there is none yet."""
        return issue_of(session, self.run)

    def issue(self) -> Issue:
        """Return the run's issue; it has been assembled."""
        with session_scope(self.context.engine, read_only=True) as session:
            issue = self.find_issue(session)
        assert issue is not None  # noqa: S101 - the first step sees to it
        return issue

    # Notes

    def noted(self, name: str) -> Any:
        """Return what was noted under `name` in this look or an earlier one, None for nothing."""
        return self.run.detail.get(name)

    def note(self, **values: object) -> None:
        """Keep values with the run; they are stored when the step ends."""
        self.run.detail = {**self.run.detail, **values}

    def tell(
        self,
        kind: EventKind,
        why: str,
        *,
        issue: int | None = None,
        occasion: str = "",
        numbers: Mapping[str, int] | None = None,
        commands: tuple[str, ...] = (),
    ) -> None:
        """Tell an event once: it is promised in the transaction that notes it. `commands` as in Event."""
        if self.has_told(kind, occasion):
            return
        self.note(told=[*(self.noted("told") or []), _key(kind, occasion)])
        period, numbers = self.run.period, numbers or {}
        self._events.append(Event(kind, self.now, issue, period, why, numbers, commands, occasion))

    def has_told(self, kind: EventKind, occasion: str = "") -> bool:
        """Whether this event was told, in this look or an earlier one."""
        return _key(kind, occasion) in (self.noted("told") or [])

    # Steps

    def begin(self, step: RunStep) -> None:
        """Note that a step is begun, unless it was done before."""
        steps: dict[str, dict[str, str]] = self.noted("steps") or {}
        if step in steps:
            return
        self.note(steps={**steps, step: {"began": self._stamp(), "by": self.run.claimed_by}})
        self._save(RunState.RUNNING, step, "")

    def end(self, step: RunStep, wait: StepPaused | None) -> None:
        """Note how a step ended, and promise what is to be told, in one transaction."""
        steps: dict[str, dict[str, str]] = self.noted("steps") or {}
        mine = steps.get(step, {})
        if wait is not None:
            ended = {} if wait.state in runs.OPEN else {"ended": self._stamp()}
            self.note(steps={**steps, step: {**mine, **ended, "why": wait.why}})
            self._save(wait.state, step, wait.why)
        elif "ended" not in mine or self._events:
            done = {"by": self.run.claimed_by, "ended": self._stamp(), "why": ""}
            self.note(steps={**steps, step: {**mine, **(done if "ended" not in mine else {})}})
            self._save(RunState.RUNNING, step, "")

    def stop(self, step: RunStep) -> StepPaused:
        """Leave the run for the next look, before a step is begun, as this process was told to stop."""
        wait = StepPaused("the look was told to stop; the next one goes on")
        self._save(wait.state, step, wait.why)
        return wait

    def _save(self, state: RunState, step: RunStep, why: str) -> None:
        with session_scope(self.context.engine) as session:
            runs.note(self.run, state, step, why, self.now)
            runs.save(session, self.run)
            for event in self._events:
                self.context.notifier.tell(session, event)
        self._events.clear()

    def _stamp(self) -> str:
        return self.context.clock.now().isoformat(timespec="seconds")


def _key(kind: EventKind, occasion: str) -> str:
    return f"{kind.value}:{occasion}" if occasion else kind.value
