"""State of a run while its steps work: its notes and its operator events, stored in one transaction."""

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
    """Return the issue of a run; None if there is none yet."""
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
    """Why a run goes no further for now, or for good (`state`); `person`: it waits for a person's action."""

    why: str
    person: bool = False
    state: RunState = RunState.WAITING


class ProgressListener(Protocol):
    """Receives the progress of a tick: each step as it begins, its number of deliveries, and their progress."""

    def step(self, period: str, name: str) -> None: ...

    def expect(self, total: int) -> None: ...

    def __call__(self, progress: DeliveryProgress, /) -> None: ...


class NullProgress:
    """A listener that ignores everything."""

    def step(self, period: str, name: str) -> None: ...

    def expect(self, total: int) -> None: ...

    def __call__(self, progress: DeliveryProgress, /) -> None: ...


@dataclass
class Month:
    """One run that this process has claimed."""

    context: SendContext
    run: IssueRun
    plan: Occurrence
    listener: ProgressListener
    stopping: Callable[[], bool]
    _events: list[Event] = field(default_factory=list)

    @cached_property
    def now(self) -> datetime:
        """The instant of this tick, the same for all steps."""
        return self.context.clock.now()

    @property
    def is_due(self) -> bool:
        return self.now >= self.run.due_at

    def issue(self) -> Issue:
        """Return the run's issue, which must have been assembled."""
        with session_scope(self.context.engine, read_only=True) as session:
            issue = issue_of(session, self.run)
        assert issue is not None  # noqa: S101 - the first step sees to it
        return issue

    # Notes

    def noted(self, name: str) -> Any:
        """Return the note `name` of this tick or an earlier one, None if there is none."""
        return self.run.detail.get(name)

    def note(self, **values: object) -> None:
        """Note values with the run; they are stored when the step ends."""
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
        """Send an operator event once, in the transaction that notes it. `commands` as in Event."""
        if self.has_told(kind, occasion):
            return
        self.note(told=[*(self.noted("told") or []), _key(kind, occasion)])
        period, numbers = self.run.period, numbers or {}
        self._events.append(Event(kind, self.now, issue, period, why, numbers, commands, occasion))

    def has_told(self, kind: EventKind, occasion: str = "") -> bool:
        """Whether this event was sent, in this tick or an earlier one."""
        return _key(kind, occasion) in (self.noted("told") or [])

    # Steps

    def begin(self, step: RunStep) -> None:
        """Note that a step is begun, unless it was begun before."""
        steps: dict[str, dict[str, str]] = self.noted("steps") or {}
        if step in steps:
            return
        self.note(steps={**steps, step: {"began": self._stamp(), "by": self.run.claimed_by}})
        self._save(RunState.RUNNING, step, "")

    def end(self, step: RunStep, wait: StepPaused | None) -> None:
        """Note how a step ended and send its events, in one transaction."""
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
        """Leave the run to the next tick, before a step is begun, since this process is to stop."""
        wait = StepPaused("the tick was told to stop; the next one resumes")
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
