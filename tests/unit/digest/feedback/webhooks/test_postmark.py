"""What Postmark reports is read in our words, from whom knows the secret."""

import base64
import json
from typing import Any

import pytest

from digest.delivery.mail.return_path import ReturnPath
from digest.delivery.outcome import Reason
from digest.feedback.models import FeedbackKind
from digest.feedback.webhooks.postmark import PostmarkWebhook, read_report
from digest.feedback.webhooks.provider import CallRefusedError

SECRET = "a secret that is long enough"
ADA = "ada@example.org"
PATH = ReturnPath("", b"k")
TOKEN = PATH.token("delivery", 12345, ("21", "ada"))
UNKNOWN = "smtp;550 5.1.1 The email account that you tried to reach does not exist"


def bounce(kind: str, details: str = "", **fields: Any) -> dict[str, Any]:
    """A report as Postmark's documentation shows it."""
    return {
        "RecordType": "Bounce",
        "ID": 4323372036854775807,
        "Type": kind,
        "TypeCode": 1,
        "MessageID": "883953f4-6105-42a2-a16a-77a8eac79483",
        "Metadata": {"digest": TOKEN},
        "Details": details,
        "Email": ADA,
        "From": "news@example.org",
        "Inactive": True,
        **fields,
    }


def basic(login: str) -> str:
    return f"Basic {base64.b64encode(login.encode()).decode()}"


@pytest.mark.parametrize(
    "shown", [basic(f"digest:{SECRET}"), basic(f":{SECRET}"), f"Bearer {SECRET}", f"bearer {SECRET}"]
)
def test_the_secret_is_a_password_or_a_bearer_token(shown: str) -> None:
    (event,) = PostmarkWebhook(SECRET.encode()).read(
        {"authorization": shown}, json.dumps(bounce("HardBounce")).encode()
    )
    assert event.understood.about(ADA)[0] is FeedbackKind.HARD
    assert event.source == "webhook"


@pytest.mark.parametrize(
    "shown",
    [
        "",
        "Basic",
        "Basic %%%",
        "Basic ü",
        basic(SECRET),
        basic(f"{SECRET}:"),
        basic(f"x:{SECRET}x"),
        SECRET,
        "Bearer ",
        "Bearer ü",
    ],
)
def test_without_the_secret_nothing_is_read(shown: str) -> None:
    with pytest.raises(CallRefusedError) as refused:
        PostmarkWebhook(SECRET.encode()).read({"authorization": shown} if shown else {}, b"{}")
    assert refused.value.status == 401


@pytest.mark.parametrize(
    ("report", "kind", "reason"),
    [
        (bounce("HardBounce", UNKNOWN), FeedbackKind.HARD, Reason.MAILBOX_UNKNOWN),
        (bounce("HardBounce"), FeedbackKind.HARD, Reason.MAILBOX_UNKNOWN),
        (bounce("HardBounce", "smtp;550 5.7.1 rejected by policy"), FeedbackKind.POLICY, Reason.POLICY),
        (bounce("BadEmailAddress"), FeedbackKind.HARD, Reason.MAILBOX_UNKNOWN),
        (bounce("SoftBounce", "smtp;452 4.2.2 mailbox full"), FeedbackKind.SOFT, Reason.MAILBOX_FULL),
        (bounce("SoftBounce"), FeedbackKind.SOFT, Reason.OTHER),
        (bounce("DnsError"), FeedbackKind.SOFT, Reason.NETWORK),
        (bounce("Blocked"), FeedbackKind.POLICY, Reason.POLICY),
        (bounce("DMARCPolicy"), FeedbackKind.POLICY, Reason.AUTHENTICATION),
        (bounce("SpamNotification"), FeedbackKind.POLICY, Reason.CONTENT),
        (bounce("SMTPApiError"), FeedbackKind.POLICY, Reason.POLICY),
        (
            bounce("SMTPApiError", "You tried to send to a recipient that has been marked as inactive."),
            FeedbackKind.HARD,
            Reason.MAILBOX_DISABLED,
        ),
        (bounce("ManuallyDeactivated"), FeedbackKind.SOFT, Reason.OTHER),
        (bounce("SomethingNew"), FeedbackKind.SOFT, Reason.OTHER),
        (bounce("Transient", "smtp;421 4.4.1 try again"), FeedbackKind.DELIVERED, None),
        (bounce("AutoResponder"), FeedbackKind.IGNORED, None),
        (bounce("ChallengeVerification"), FeedbackKind.IGNORED, None),
        (bounce("Unsubscribe"), FeedbackKind.COMPLAINT, None),
        (bounce("SpamComplaint", RecordType="SpamComplaint"), FeedbackKind.COMPLAINT, None),
        ({"RecordType": "Delivery", "Recipient": ADA, "Metadata": {"digest": TOKEN}}, FeedbackKind.DELIVERED, None),
        ({"RecordType": "Inbound"}, FeedbackKind.IGNORED, None),
        ({}, FeedbackKind.UNKNOWN, None),
    ],
)
def test_a_report_has_our_kind_and_reason(report: dict[str, Any], kind: FeedbackKind, reason: Reason | None) -> None:
    read = read_report(report)
    assert read.about(ADA)[:2] == (kind, reason)
    if kind not in {FeedbackKind.IGNORED, FeedbackKind.UNKNOWN}:
        (claim,) = read.claims
        assert PATH.confirms(claim, ("21", "ada"))


@pytest.mark.parametrize(
    ("fields", "kind"),
    [
        ({"Origin": "Recipient", "SuppressionReason": "ManualSuppression"}, FeedbackKind.COMPLAINT),
        ({"Origin": "Recipient", "SuppressionReason": "SpamComplaint"}, FeedbackKind.COMPLAINT),
        ({"Origin": "Recipient", "SuppressionReason": "HardBounce"}, FeedbackKind.IGNORED),
        ({"Origin": "Admin", "SuppressionReason": "ManualSuppression"}, FeedbackKind.IGNORED),
        ({"Origin": "Recipient", "SuppressSending": False}, FeedbackKind.IGNORED),
    ],
)
def test_who_leaves_by_the_providers_link_has_left(fields: dict[str, Any], kind: FeedbackKind) -> None:
    report = {"RecordType": "SubscriptionChange", "Recipient": ADA, "SuppressSending": True, "Metadata": {"x": TOKEN}}
    assert read_report({**report, **fields}).about(ADA)[0] is kind


@pytest.mark.parametrize("record", ["Open", "Click"])
def test_who_opened_a_mail_is_not_kept(record: str) -> None:
    body = json.dumps({"RecordType": record, "Recipient": ADA, "Geo": {"IP": "192.0.2.1"}}).encode()
    assert PostmarkWebhook(SECRET.encode()).read({"authorization": f"Bearer {SECRET}"}, body) == ()
