"""Events for operators: what happened, to which issue or period, the numbers, what to do next. Pure."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import datetime
from enum import StrEnum

from digest.runtime.privacy import masked

MAX_WHY = 500


class EventKind(StrEnum):
    """Kinds of events that operators may be notified of."""

    ASSEMBLED = "assembled"
    NEEDS_APPROVAL = "needs_approval"
    STARTED = "started"
    HALTED = "halted"
    FINISHED = "finished"
    MISSED = "missed"
    UNCERTAIN_WAITING = "uncertain_waiting"
    POLICY_BOUNCES = "policy_bounces"
    REPORT = "report"
    """Days after the end of an issue, when most of what comes back has come."""
    TEST = "test"
    """A test of the notifications."""


@dataclass(frozen=True, slots=True)
class Event:
    """An event.

    `why` is for a person, without addresses. `occasion` tells apart what may happen more than once to an issue or
    period: the second reminder, the third halt. The key is made of kind, issue (else period) and occasion; a second
    event of the same key is the same one.
    """

    kind: EventKind
    at: datetime
    issue: int | None = None
    period: str = ""
    why: str = ""
    numbers: Mapping[str, int] = field(default_factory=dict)
    commands: tuple[str, ...] = ()
    """What to do next; by default it follows from the kind."""
    occasion: str = ""

    @property
    def key(self) -> str:
        about = f"issue-{self.issue}" if self.issue is not None else self.period or "workspace"
        return ":".join(part for part in (self.kind.value, about, self.occasion) if part)[:160]

    @property
    def next_steps(self) -> tuple[str, ...]:
        return self.commands or _next_steps(self)

    def as_json(self) -> dict[str, object]:
        """Return the event as it is mailed and posted: addresses masked, zero numbers left out."""
        return {
            "issue": self.issue,
            "period": self.period or None,
            "why": masked(self.why)[:MAX_WHY],
            "numbers": {name: count for name, count in self.numbers.items() if count},
            "next": list(self.next_steps),
        }


def _next_steps(event: Event) -> tuple[str, ...]:
    number = "" if event.issue is None else f" {event.issue}"
    period = f" --period {event.period}" if event.period else ""
    is_late_run = event.issue is None and event.period
    steps: Mapping[EventKind, tuple[str, ...]] = {
        EventKind.ASSEMBLED: (f"digest preview{number}", f"digest issue check{number}"),
        EventKind.NEEDS_APPROVAL: (f"digest preview{number}", f"digest issue approve{number} --by NAME"),
        EventKind.STARTED: (f"digest outbox status{number}",),
        EventKind.HALTED: (
            (f"digest schedule history {event.period}", f"digest schedule release {event.period}")
            if is_late_run
            else (f"digest outbox status{number}", f"digest outbox release{number}")
        ),
        EventKind.FINISHED: (f"digest outbox status{number}",),
        EventKind.MISSED: (f"digest issue assemble{period}",),
        EventKind.UNCERTAIN_WAITING: (f"digest outbox list{number} --state uncertain", "digest outbox reconcile"),
        EventKind.POLICY_BOUNCES: (f"digest outbox list{number} --state rejected", "digest doctor"),
        EventKind.REPORT: (f"digest report{number}", f"digest report{number} --html FILE"),
        EventKind.TEST: (),
    }
    return steps[event.kind]
