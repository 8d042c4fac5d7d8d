"""What may become of an issue: one table of allowed moves. Pure."""

from enum import StrEnum

from digest.runtime.errors import RefusedError


class IssueState(StrEnum):
    """Where an issue is on its way."""

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
# What the archive shows, and later mails may name.
PUBLISHED = (IssueState.SENDING, IssueState.SENT)


class MoveRefusedError(RefusedError):
    """The issue cannot go from its state to that one."""


def move(number: int, old: str, new: IssueState) -> IssueState:
    """Return `new` if issue `number` may go there from `old`; raise otherwise."""
    if new not in MOVES[IssueState(old)]:
        raise MoveRefusedError(f"Issue {number} is {old}; it cannot become {new}")
    return new
