"""Intake of feedback from files and mailboxes, with the news for operators."""

from collections.abc import Iterable

from digest.feedback import intake
from digest.feedback.intake import IntakeResult
from digest.feedback.mailboxes import MailboxUnreachableError, open_inbox
from digest.runtime.errors import ConfigError
from digest.send import operator_events
from digest.send.context import SendContext


def ingest(context: SendContext, mails: Iterable[tuple[str, bytes]]) -> IntakeResult:
    """Take in mails; tell the operators of issues that they hold."""
    result = intake.ingest(context, mails)
    operator_events.tell_of(context, sorted(result.issues))
    return result


def poll(context: SendContext) -> IntakeResult:
    """Take in what has come to the mailboxes; one that cannot be read does not stop the others."""
    settings, result = context.delivery.settings, IntakeResult()
    if not settings.feedback.mailbox:
        raise ConfigError("There is no mailbox to read", hint="Add a [[feedback.mailbox]] to digest.toml.")
    for mailbox in settings.feedback.mailbox:
        try:
            for batch in open_inbox(mailbox, settings.workspace).batches():
                intake.ingest(context, batch, result)
        except MailboxUnreachableError as error:
            result.failures.append(error.message)
    operator_events.tell_of(context, sorted(result.issues))
    return result
