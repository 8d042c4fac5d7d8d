"""Webhook of Postmark, which signs nothing: its calls show a secret.

Postmark replaces return path and Message-ID. Each mail has the token of its return path as metadata, which comes back.
"""

import base64
import hmac
from collections.abc import Mapping, Sequence
from http import HTTPStatus

from digest.delivery.mail.return_path import claims
from digest.feedback.classification import MailForm, Understood
from digest.feedback.events import ReadMail
from digest.feedback.models import EventSource
from digest.feedback.webhooks.json_fields import Fields, failed, json_object, table, text
from digest.feedback.webhooks.provider import CallRefusedError

_READER = "postmark"
_TRACKING = frozenset({"Open", "Click"})
_AUTOMATIC = frozenset({"AutoResponder", "ChallengeVerification", "Subscribe", "AddressChange", "OpenRelayTest"})
_COMPLAINTS = frozenset({"SpamComplaint", "Unsubscribe"})
# What a type of bounce means where the server said nothing; SMTPApiError is a refusal by Postmark.
_BY_TYPE = {
    "HardBounce": "5.1.1",
    "BadEmailAddress": "5.1.3",
    "SoftBounce": "4.0.0",
    "DnsError": "4.4.3",
    "SpamNotification": "5.6.0",
    "VirusNotification": "5.6.0",
    "Blocked": "5.7.1",
    "DMARCPolicy": "5.7.26",
    "SMTPApiError": "5.7.0",
}


class PostmarkWebhook:
    """Reads the reports of Postmark."""

    name = _READER

    def __init__(self, secret: bytes) -> None:
        self._secret = secret

    def read(self, headers: Mapping[str, str], body: bytes) -> Sequence[ReadMail]:
        """Return the event of a call; see FeedbackProvider."""
        if not hmac.compare_digest(_shown(headers.get("authorization", "")), self._secret):
            raise CallRefusedError("it does not contain the secret", HTTPStatus.UNAUTHORIZED)
        report = json_object(body)
        if text(report, "RecordType") in _TRACKING:
            return ()
        return [ReadMail(read_report(report), body, EventSource.WEBHOOK)]


def read_report(report: Fields) -> Understood:
    """Return what a report says; never raises."""
    address = text(report, "Email") or text(report, "Recipient")
    kind, record = text(report, "Type"), text(report, "RecordType")
    own = claims("".join(f" +{text(table(report, 'Metadata'), name)}" for name in table(report, "Metadata")).encode())
    if record == "SpamComplaint" or kind in _COMPLAINTS or (record == "SubscriptionChange" and _has_left(report)):
        return Understood(MailForm.COMPLAINT, _READER, addresses=(address,), claims=own)
    if record == "Delivery":
        one = failed(address, "", "", "2.0.0", "delivered")
    elif record == "Bounce" and kind not in _AUTOMATIC:
        action = "delayed" if kind == "Transient" else "failed"
        one = failed(address, "", text(report, "Details"), _BY_TYPE.get(kind, "5.0.0"), action)
    else:
        return Understood(MailForm.AUTOMATIC if record else MailForm.NOTHING, _READER)
    return Understood(MailForm.REPORT, _READER, (one,), (address,), claims=own)


def _has_left(report: Fields) -> bool:
    """Return whether a reader left by Postmark's own link; a bounce suppresses at Postmark, too, and is reported."""
    by_reader = report.get("SuppressSending") is True and text(report, "Origin") == "Recipient"
    return by_reader and text(report, "SuppressionReason") != "HardBounce"


def _shown(authorization: str) -> bytes:
    """Return the secret in an Authorization header: a bearer token, or the password of a login."""
    scheme, _, value = authorization.partition(" ")
    if scheme.lower() == "bearer":
        return value.encode("utf-8", "replace")
    if scheme.lower() != "basic":
        return b""
    try:
        return base64.b64decode(value, validate=True).partition(b":")[2]
    except ValueError:
        return b""
