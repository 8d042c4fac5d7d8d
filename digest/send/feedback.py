"""Intake of feedback from files, mailboxes and webhooks, with the news for operators."""

from collections.abc import Iterable, Mapping, Sequence

from digest.feedback import intake
from digest.feedback.intake import IntakeResult
from digest.feedback.mailboxes import MailboxUnreachableError, open_inbox
from digest.feedback.webhooks.postmark import PostmarkWebhook
from digest.feedback.webhooks.provider import FeedbackProvider
from digest.feedback.webhooks.ses import SesWebhook
from digest.feedback.webhooks.sns import SnsTopics
from digest.runtime.errors import ConfigError
from digest.runtime.secret_file import read_token_file
from digest.send import operator_events
from digest.send.context import SendContext
from digest.settings.root import Settings


def ingest(context: SendContext, mails: Iterable[tuple[str, bytes]]) -> IntakeResult:
    """Take in mails; tell the operators of issues that they hold."""
    result = intake.ingest(context, mails)
    operator_events.tell_of(context, sorted(result.issues))
    return result


def poll(context: SendContext) -> IntakeResult:
    """Take in what has come to the mailboxes; one that cannot be read does not stop the others."""
    settings, result = context.delivery.settings, IntakeResult()
    if not settings.feedback.mailbox:
        raise ConfigError("There are no mailboxes to read", hint="Add a [[feedback.mailbox]] to digest.toml.")
    for mailbox in settings.feedback.mailbox:
        try:
            for batch in open_inbox(mailbox, settings.workspace).batches():
                intake.ingest(context, batch, result)
        except MailboxUnreachableError as error:
            result.failures.append(error.message)
    operator_events.tell_of(context, sorted(result.issues))
    return result


def providers(settings: Settings) -> Sequence[FeedbackProvider]:
    """Return the providers whose webhooks are configured."""
    found: list[FeedbackProvider] = []
    if settings.feedback.ses_topics:
        found.append(SesWebhook(SnsTopics(settings.feedback.ses_topics)))
    if path := settings.feedback.postmark_secret_file:
        found.append(PostmarkWebhook(read_token_file(settings.workspace / path, "[feedback] postmark_secret_file")))
    return found


def receive(context: SendContext, provider: FeedbackProvider, headers: Mapping[str, str], body: bytes) -> IntakeResult:
    """Take in a call of a provider's webhook. Raises CallRefusedError."""
    result = intake.take(context, provider.read(headers, body))
    operator_events.tell_of(context, sorted(result.issues))
    return result
