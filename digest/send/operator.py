"""What an operator does to an issue on its way; what it makes due is announced in the same transaction."""

from collections.abc import Sequence

from sqlmodel import Session

from digest.app import Works
from digest.issues import store as issue_store
from digest.issues.models import Issue
from digest.outbox import operations, store
from digest.outbox.states import State
from digest.runtime.db import session_scope
from digest.send.start import issue_of


def hold(works: Works, number: int | None) -> tuple[int, bool]:
    """Stop an issue; return its number and whether it was not held before."""
    with session_scope(works.engine) as session:
        issue = _find(session, number)
        return issue.number, operations.hold(session, issue.id or 0)


def release(works: Works, number: int | None) -> tuple[int, bool]:
    """Let an issue go on; return its number and whether it was held."""
    dispatcher = works.dispatcher
    with session_scope(works.engine) as session:
        issue = _find(session, number)
        dispatcher.announce(session, issue.number)
        return issue.number, operations.release(session, issue.id or 0)


def retry(works: Works, ids: Sequence[int], number: int | None) -> tuple[int, int]:
    """Make deferred deliveries (those with `ids`, or all) due; return the issue's number, and how many."""
    dispatcher = works.dispatcher
    with session_scope(works.engine) as session:
        issue = issue_of(session, ids, number, {State.DEFERRED})
        dispatcher.announce(session, issue.number)
        return issue.number, operations.retry(session, issue.id or 0, works.clock.now(), ids or None)


def resend(works: Works, delivery_id: int) -> None:
    """Make an uncertain delivery due again, on a person's word."""
    dispatcher = works.dispatcher
    with session_scope(works.engine) as session:
        operations.resend(session, delivery_id, works.witness, works.clock.now())
        dispatcher.announce(session, store.show(session, delivery_id)[0].number)


def _find(session: Session, number: int | None) -> Issue:
    if number is None:
        return issue_store.find_delivered(session, None)
    return issue_store.find(session, number, lock=True)
