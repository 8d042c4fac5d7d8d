"""Webhook of Amazon SES, which reports by topics of Amazon SNS."""

import logging
from collections.abc import Mapping, Sequence

from digest.feedback.events import ReadMail
from digest.feedback.models import EventSource
from digest.feedback.webhooks import sns
from digest.feedback.webhooks.json_fields import json_object, text
from digest.feedback.webhooks.ses_report import READER, TRACKING, kind_of_report, read_report
from digest.feedback.webhooks.sns import SnsTopics

logger = logging.getLogger(__name__)


class SesWebhook:
    """Reads the reports of SES; confirms subscriptions to the topics that the settings name."""

    name = READER

    def __init__(self, topics: SnsTopics) -> None:
        self._topics = topics

    def read(self, headers: Mapping[str, str], body: bytes) -> Sequence[ReadMail]:
        """Return the event of a call; see FeedbackProvider."""
        del headers  # what they say is not signed
        envelope = json_object(body)
        kind = self._topics.check(envelope)
        if kind == sns.CONFIRMATION:
            self._topics.confirm(envelope)
        elif kind == sns.LEAVING:
            logger.warning("The subscription to %s has ended: SES reports nothing more", text(envelope, "TopicArn"))
        message = text(envelope, "Message")
        if kind != sns.NOTIFICATION or kind_of_report(json_object(message)) in TRACKING:
            return ()
        return [ReadMail(read_report(message), message.encode(), EventSource.WEBHOOK)]
