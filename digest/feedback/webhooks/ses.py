"""Webhook of Amazon SES, by topics of Amazon SNS: notifications of an identity, events of a configuration set.

SES gives each mail a Message-ID of its own, but reports the envelope sender, which is our signed return path, and with
the original headers also ours.
"""

import logging
from collections.abc import Mapping, Sequence

from digest.delivery.mail.return_path import claims
from digest.feedback.classification import MailForm, Understood
from digest.feedback.complaint import counts
from digest.feedback.dsn import ReportedRecipient
from digest.feedback.events import ReadMail
from digest.feedback.models import EventSource
from digest.feedback.webhooks import sns
from digest.feedback.webhooks.json_fields import Fields, failed, json_object, table, tables, text, texts

logger = logging.getLogger(__name__)

_READER = "ses"
_TRACKING = frozenset({"Open", "Click"})
_BY_SUBTYPE = {
    "NoEmail": "5.1.1",
    "MailboxFull": "4.2.2",
    "MessageTooLarge": "5.3.4",
    "ContentRejected": "5.6.0",
    "AttachmentRejected": "5.6.0",
}
_NOTHING = Understood(MailForm.NOTHING, _READER)
_AUTOMATIC = Understood(MailForm.AUTOMATIC, _READER)


class SesWebhook:
    """Reads the reports of SES; confirms subscriptions to the topics that the settings name."""

    name = _READER

    def __init__(self, topics: sns.SnsTopics) -> None:
        self._topics = topics

    def read(self, headers: Mapping[str, str], body: bytes) -> Sequence[ReadMail]:
        """Return the event of a call; see FeedbackProvider."""
        del headers  # what they say is not signed
        envelope = json_object(body)
        kind = self._topics.check(envelope)
        if kind == sns.CONFIRMATION:
            self._topics.confirm(envelope)
        elif kind == sns.LEAVING:
            logger.warning("The subscription to %s has ended: SES no longer reports to it", text(envelope, "TopicArn"))
        message = text(envelope, "Message")
        report = json_object(message)
        if kind != sns.NOTIFICATION or _kind_of(report) in _TRACKING:
            return ()
        return [ReadMail(read_report(report), message.encode(), EventSource.WEBHOOK)]


def _kind_of(report: Fields) -> str:
    return text(report, "notificationType") or text(report, "eventType")


def read_report(report: Fields) -> Understood:
    """Return what a report says; never raises."""
    mail, kind = table(report, "mail"), _kind_of(report)
    to = texts(mail, "destination")
    if kind == "Complaint":
        return _complaint(table(report, "complaint"), mail)
    if kind == "Bounce":
        recipients = _bounced(table(report, "bounce"))
    elif kind in {"Send", "Delivery"}:
        recipients = [failed(one, "", "", "2.0.0", "relayed") for one in to]
    elif kind == "DeliveryDelay":
        delay = tables(table(report, "deliveryDelay"), "delayedRecipients")
        recipients = [_recipient(one, "4.0.0", "delayed") for one in delay]
    elif kind == "Reject":
        words = text(table(report, "reject"), "reason")
        recipients = [failed(one, "5.6.0", words, "5.6.0") for one in to]
    else:
        return _AUTOMATIC if kind else _NOTHING
    addresses = [one.address for one in recipients]
    return _named(MailForm.REPORT, mail, addresses, tuple(recipients)) if recipients else _AUTOMATIC


def _complaint(complaint: Fields, mail: Fields) -> Understood:
    if not counts(text(complaint, "complaintFeedbackType") or "abuse"):
        return _AUTOMATIC
    complained = [text(one, "emailAddress") for one in tables(complaint, "complainedRecipients")]
    return _named(MailForm.COMPLAINT, mail, [*complained, *texts(mail, "destination")])


def _bounced(bounce: Fields) -> list[ReportedRecipient]:
    """Return whom a bounce is about. Without the words of a server a transient one is often an automatic reply, which
    SES takes for a bounce.
    """
    passes, subtype = text(bounce, "bounceType") == "Transient", text(bounce, "bounceSubType")
    otherwise = _BY_SUBTYPE.get(subtype, "4.0.0" if passes else "5.0.0")
    bounced = tables(bounce, "bouncedRecipients")
    if passes and subtype not in _BY_SUBTYPE:
        bounced = [one for one in bounced if text(one, "status") or text(one, "diagnosticCode")]
    return [_recipient(one, otherwise, text(one, "action").lower()) for one in bounced]


def _recipient(one: Fields, otherwise: str, action: str) -> ReportedRecipient:
    return failed(text(one, "emailAddress"), text(one, "status"), text(one, "diagnosticCode"), otherwise, action)


def _named(
    form: MailForm, mail: Fields, addresses: list[str], recipients: tuple[ReportedRecipient, ...] = ()
) -> Understood:
    ids = [text(table(mail, "commonHeaders"), "messageId")]
    ids += [text(one, "value") for one in tables(mail, "headers") if text(one, "name").lower() == "message-id"]
    own = claims(text(mail, "source").encode())
    named = tuple(dict.fromkeys(filter(None, addresses)))
    return Understood(form, _READER, recipients, named, () if own else tuple(dict.fromkeys(filter(None, ids))), own)
