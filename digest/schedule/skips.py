"""Operator actions on the calendar: skip a period, release a late run, schedule a special issue."""

from collections.abc import Sequence
from datetime import datetime
from itertools import takewhile
from zoneinfo import ZoneInfo

from digest.calendar.local_time import instant_of
from digest.issues import edit
from digest.issues import store as issue_store
from digest.issues.period import Period
from digest.runtime.db import session_scope
from digest.runtime.errors import RefusedError, UsageError
from digest.schedule import runs
from digest.schedule.month import MONTHLY, SPECIAL, has_begun
from digest.schedule.occurrences import occurrences
from digest.schedule.runs import IssueRun, RunState, RunStep
from digest.send.context import SendContext

BY_OPERATOR = "by an operator"
FIRST_YEAR, LAST_YEAR = 1901, 9900
"""The longest forecast goes on for twenty years, and dates end with the year 9999."""


def skip(context: SendContext, period: str) -> None:
    """Skip a period's run, or stop it for good while nothing of it was sent."""
    with session_scope(context.engine, read_only=True) as session:
        known = runs.find(session, period, (MONTHLY, SPECIAL))
    if known is None:
        _skip_ahead(context, Period.parse(period))
        return
    if known.state not in runs.OPEN:
        raise RefusedError(f"{period} already has a run: {known.state}", hint="To see it: digest schedule history")
    if has_begun(context, known):
        hint = "To stop it: digest outbox hold. To stop it permanently: digest issue withdraw"
        raise RefusedError(f"{period} is already being sent", hint=hint)
    with session_scope(context.engine) as session:
        if not runs.close(session, known, RunState.SKIPPED, BY_OPERATOR, context.clock.now()):
            raise RefusedError(f"The run for {period} has just ended", hint="To see it: digest schedule history")


def _skip_ahead(context: SendContext, wanted: Period) -> None:
    now = context.clock.now()
    with session_scope(context.engine) as session:
        since = runs.install(session, MONTHLY, now)
        ahead = takewhile(lambda entry: entry.period <= wanted, occurrences(context.delivery.settings, since))
        entry = next((e for e in ahead if e.period == wanted), None)
        if entry is None:
            raise RefusedError(
                f"{wanted} is not an upcoming period", hint="To list upcoming periods: digest schedule next"
            )
        runs.record(session, MONTHLY, str(wanted), entry.due_at, state=RunState.SKIPPED, why=BY_OPERATOR, now=now)


def release(context: SendContext, period: str) -> None:
    """Continue a run that waits because it is late."""
    with session_scope(context.engine) as session:
        run = runs.find(session, period, (MONTHLY, SPECIAL))
        if run is None or run.state != RunState.WAITING or run.step != RunStep.LATE:
            hint = (
                "To see what runs are waiting for: digest schedule history. To release an issue: digest outbox release"
            )
            raise RefusedError(f"The run for {period} is not waiting for a release", hint=hint)
        if not runs.amend(session, run, released=context.clock.now().isoformat(timespec="seconds")):
            raise RefusedError(f"Another process is working on the run for {period}", hint="Try again in a moment.")


def special(context: SendContext, at: str, slugs: Sequence[str], *, number: int | None, subject: str) -> IssueRun:
    """Make an issue outside the calendar, of the articles `slugs`, and the run that sends it at `at`."""
    now, zone = context.clock.now(), context.delivery.settings.publication.zone
    due_at = moment_of(at, zone)
    if due_at <= now:
        hint = "Choose a time in the future, or send it now: digest issue approve, digest send."
        raise UsageError(f"{at} is in the past", hint=hint)
    order = [section.slug for section in context.delivery.settings.section]
    with session_scope(context.engine) as session:
        issue = issue_store.special_issue(session, number, due_at.astimezone(zone).date(), now)
        edit.set_texts(issue, "*", subject=subject or None)
        for slug in slugs:
            edit.add(session, issue, slug, order)
        session.add(issue)
        run = runs.claim(session, SPECIAL, f"no-{issue.number}", due_at, by="", now=now, issue=issue.id)
        if run is None:
            raise RefusedError(f"Issue {issue.number} already has a run", hint="To see it: digest schedule history")
        runs.note(run, RunState.WAITING, "", "created by an operator", now)
        session.add(run)
    return run


def moment_of(text: str, zone: ZoneInfo) -> datetime:
    """Parse a date (its midnight) or a date and time, without an offset in `zone`. Raises UsageError."""
    hint = "Use a form such as 2026-11-12T09:00 or 2026-11-12, in the publication's time zone."
    try:
        moment = datetime.fromisoformat(text)
    except ValueError as error:
        raise UsageError(f"{text!r} is not a date or time", hint=hint) from error
    if not FIRST_YEAR <= moment.year <= LAST_YEAR:
        raise UsageError(f"{text!r} is too far away", hint=hint)
    return moment if moment.tzinfo else instant_of(moment.date(), moment.time(), zone)
