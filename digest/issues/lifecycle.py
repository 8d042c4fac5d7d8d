"""The states of an issue and the allowed transitions. Pure."""

from collections.abc import Sequence
from enum import StrEnum

from digest.runtime.errors import RefusedError


class IssueState(StrEnum):
    DRAFT = "draft"
    APPROVED = "approved"
    FROZEN = "frozen"
    SENDING = "sending"
    SENT = "sent"
    WITHDRAWN = "withdrawn"


MOVES: dict[IssueState, frozenset[IssueState]] = {
    IssueState.DRAFT: frozenset({IssueState.APPROVED, IssueState.WITHDRAWN}),
    # an edit voids the approval
    IssueState.APPROVED: frozenset({IssueState.DRAFT, IssueState.FROZEN, IssueState.WITHDRAWN}),
    IssueState.FROZEN: frozenset({IssueState.SENDING, IssueState.WITHDRAWN}),
    IssueState.SENDING: frozenset({IssueState.SENT, IssueState.WITHDRAWN}),
    # a person's resend or retry re-opens a finished issue
    IssueState.SENT: frozenset({IssueState.SENDING}),
    IssueState.WITHDRAWN: frozenset(),
}

EDITABLE = frozenset({IssueState.DRAFT, IssueState.APPROVED})
UNFINISHED = frozenset({IssueState.DRAFT, IssueState.APPROVED, IssueState.FROZEN, IssueState.SENDING})
# Shown in the archive, and named in later mails.
PUBLISHED = (IssueState.SENDING, IssueState.SENT)


class MoveRefusedError(RefusedError):
    """The issue cannot go from its state to that one."""


def move(number: int, old: str, new: IssueState) -> IssueState:
    """Return `new`; raise MoveRefusedError unless issue `number` may go there from `old`."""
    if new not in MOVES[IssueState(old)]:
        raise MoveRefusedError(f"Issue {number} is {old} and cannot become {new}")
    return new


def state_in_words(state: str, changes: Sequence[str]) -> str:
    """Return an issue's state, and what changed since its approval."""
    return f"{state}, but its approval is no longer valid: {'; '.join(changes)}" if changes else state
