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
        raise RefusedError(f"{period} has a run already: {known.state}", hint="`digest schedule history` shows it.")
    if has_begun(context, known):
        hint = "`digest outbox hold` stops it, `digest issue withdraw` for good."
        raise RefusedError(f"{period} is being sent already", hint=hint)
    with session_scope(context.engine) as session:
        if not runs.close(session, known, RunState.SKIPPED, BY_OPERATOR, context.clock.now()):
            raise RefusedError(f"The run for {period} has just ended", hint="`digest schedule history` shows it.")


def _skip_ahead(context: SendContext, wanted: Period) -> None:
    now = context.clock.now()
    with session_scope(context.engine) as session:
        since = runs.install(session, MONTHLY, now)
        ahead = takewhile(lambda entry: entry.period <= wanted, occurrences(context.delivery.settings, since))
        entry = next((e for e in ahead if e.period == wanted), None)
        if entry is None:
            raise RefusedError(f"{wanted} is not ahead on the calendar", hint="`digest schedule next` lists what is.")
        runs.record(session, MONTHLY, str(wanted), entry.due_at, state=RunState.SKIPPED, why=BY_OPERATOR, now=now)


def release(context: SendContext, period: str) -> None:
    """Continue a run that waits because it is late."""
    with session_scope(context.engine) as session:
        run = runs.find(session, period, (MONTHLY, SPECIAL))
        if run is None or run.state != RunState.WAITING or run.step != RunStep.LATE:
            hint = "`digest schedule history` shows what runs wait for; `digest outbox release` is for issues."
            raise RefusedError(f"The run for {period} does not wait for a release", hint=hint)
        if not runs.amend(session, run, released=context.clock.now().isoformat(timespec="seconds")):
            raise RefusedError(f"Somebody else is at the run for {period} just now", hint="Try again in a moment.")


def special(context: SendContext, at: str, slugs: Sequence[str], *, number: int | None, subject: str) -> IssueRun:
    """Make an issue outside the calendar, of the articles `slugs`, and the run that sends it at `at`."""
    now, zone = context.clock.now(), context.delivery.settings.publication.zone
    due_at = moment_of(at, zone)
    if due_at <= now:
        hint = "Name a time to come, or send it at once: digest issue approve, digest send."
        raise UsageError(f"{at} is past", hint=hint)
    order = [section.slug for section in context.delivery.settings.section]
    with session_scope(context.engine) as session:
        issue = issue_store.special_issue(session, number, due_at.astimezone(zone).date(), now)
        edit.set_texts(issue, "*", subject=subject or None)
        for slug in slugs:
            edit.add(session, issue, slug, order)
        session.add(issue)
        run = runs.claim(session, SPECIAL, f"no-{issue.number}", due_at, by="", now=now, issue=issue.id)
        if run is None:
            raise RefusedError(f"Issue {issue.number} has a run already", hint="`digest schedule history` shows it.")
        runs.note(run, RunState.WAITING, "", "made by an operator", now)
        session.add(run)
    return run


def moment_of(text: str, zone: ZoneInfo) -> datetime:
    """Parse a date (its midnight) or a date and time, without an offset in `zone`. Raises UsageError."""
    hint = "Write 2026-11-12T09:00 or 2026-11-12, in the publication's zone."
    try:
        moment = datetime.fromisoformat(text)
    except ValueError as error:
        raise UsageError(f"{text!r} is no day or time", hint=hint) from error
    if not FIRST_YEAR <= moment.year <= LAST_YEAR:
        raise UsageError(f"{text!r} is too far away", hint=hint)
    return moment if moment.tzinfo else instant_of(moment.date(), moment.time(), zone)
