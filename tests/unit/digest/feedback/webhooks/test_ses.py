"""What SES reports is read in our words, and nothing that comes raises."""

import json
from typing import Any

import pytest
from hypothesis import example, given, settings
from hypothesis import strategies as st

from digest.delivery.mail.return_path import ReturnPath
from digest.delivery.outcome import Reason
from digest.feedback.classification import MailForm, Understood
from digest.feedback.models import FeedbackKind
from digest.feedback.webhooks import postmark
from digest.feedback.webhooks.json_fields import json_object
from digest.feedback.webhooks.ses import read_report as read_fields

ADA = "ada@example.org"
PATH = ReturnPath("bounces@news.example.org", b"k")
TOKEN = PATH.token("delivery", 12345, ("21", "ada"))
MAIL = {"source": PATH.address(TOKEN), "destination": [ADA], "messageId": "0102"}
JSON = st.recursive(
    st.none() | st.booleans() | st.floats() | st.integers() | st.text(max_size=20),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=5), inner, max_size=3),
    max_leaves=6,
)


def read_report(message: str) -> Understood:
    return read_fields(json_object(message))


def bounce(kind: str, subtype: str = "General", *, mail: Any = MAIL, **recipient: Any) -> str:
    bounced = {"bounceType": kind, "bounceSubType": subtype, "bouncedRecipients": [{"emailAddress": ADA, **recipient}]}
    return json.dumps({"notificationType": "Bounce", "bounce": bounced, "mail": mail})


@pytest.mark.parametrize(
    ("report", "kind", "reason"),
    [
        (
            bounce("Permanent", action="failed", status="5.1.1", diagnosticCode="smtp; 550 5.1.1 user unknown"),
            FeedbackKind.HARD,
            Reason.MAILBOX_UNKNOWN,
        ),
        (bounce("Permanent", "NoEmail"), FeedbackKind.HARD, Reason.MAILBOX_UNKNOWN),
        # on a suppression list of SES
        (bounce("Permanent", "Suppressed", status="5.1.1"), FeedbackKind.HARD, Reason.MAILBOX_UNKNOWN),
        # nobody says why
        (bounce("Permanent"), FeedbackKind.SOFT, Reason.OTHER),
        (bounce("Undetermined", "Undetermined"), FeedbackKind.SOFT, Reason.OTHER),
        (bounce("Transient", "MailboxFull"), FeedbackKind.SOFT, Reason.MAILBOX_FULL),
        (
            bounce("Transient", status="4.4.7", diagnosticCode="smtp; 421 4.4.7 message expired"),
            FeedbackKind.SOFT,
            Reason.NETWORK,
        ),
        (bounce("Transient", "MessageTooLarge"), FeedbackKind.POLICY, Reason.MESSAGE_TOO_BIG),
        (bounce("Transient", "ContentRejected"), FeedbackKind.POLICY, Reason.CONTENT),
        (
            bounce("Permanent", status="5.7.1", diagnosticCode="smtp; 550 5.7.1 blocked, see https://x; y"),
            FeedbackKind.POLICY,
            Reason.POLICY,
        ),
        # an answer of the reader's holidays, which SES calls a bounce
        (bounce("Transient"), FeedbackKind.IGNORED, None),
    ],
)
def test_a_bounce_has_the_reason_that_the_server_gave(report: str, kind: FeedbackKind, reason: Reason | None) -> None:
    read = read_report(report)
    assert read.about(ADA)[:2] == (kind, reason)
    assert read.reader == "ses"


def test_a_mail_is_named_by_its_return_path_or_headers() -> None:
    (claim,) = read_report(bounce("Permanent", "NoEmail")).claims
    assert PATH.confirms(claim, ("21", "ada"))
    headers = [{"name": "Subject", "value": "x"}, {"name": "Message-ID", "value": "<1@news.example.org>"}, "x", {}]
    plain = {"source": "news@example.org", "destination": [ADA], "headers": headers}
    for mail in (plain, {"commonHeaders": {"messageId": "<1@news.example.org>"}}):
        read = read_report(bounce("Permanent", "NoEmail", mail=mail))
        assert (read.claims, read.message_ids, read.addresses) == ((), ("<1@news.example.org>",), (ADA,))


@pytest.mark.parametrize(
    ("kind", "form"),
    [
        ("abuse", MailForm.COMPLAINT),
        (None, MailForm.COMPLAINT),
        ("not-spam", MailForm.AUTOMATIC),
        ("virus", MailForm.AUTOMATIC),
    ],
)
def test_a_complaint_is_one_unless_it_says_otherwise(kind: str | None, form: MailForm) -> None:
    complaint = {"complaintFeedbackType": kind, "complainedRecipients": [{"emailAddress": ADA}]}
    read = read_report(json.dumps({"eventType": "Complaint", "complaint": complaint, "mail": MAIL}))
    assert read.form is form
    assert bool(read.claims) is (form is MailForm.COMPLAINT)


@pytest.mark.parametrize(
    ("report", "kind"),
    [
        ({"eventType": "Delivery", "delivery": {}}, FeedbackKind.DELIVERED),
        ({"eventType": "Send", "send": {}}, FeedbackKind.DELIVERED),
        (
            {"eventType": "DeliveryDelay", "deliveryDelay": {"delayedRecipients": [{"emailAddress": ADA}]}},
            FeedbackKind.DELIVERED,
        ),
        ({"eventType": "Reject", "reject": {"reason": "Bad content"}}, FeedbackKind.POLICY),
        ({"eventType": "Subscription"}, FeedbackKind.IGNORED),
        ({"notificationType": "AmazonSnsSubscriptionSucceeded"}, FeedbackKind.IGNORED),
        ({"notificationType": "Bounce"}, FeedbackKind.IGNORED),
        ({}, FeedbackKind.UNKNOWN),
        ([], FeedbackKind.UNKNOWN),
    ],
)
def test_other_events_are_told_apart(report: Any, kind: FeedbackKind) -> None:
    full = {**report, "mail": MAIL} if isinstance(report, dict) else report
    assert read_report(json.dumps(full)).about(ADA)[0] is kind


WORDS = (
    "notificationType",
    "Bounce",
    "Complaint",
    "bounce",
    "mail",
    "source",
    "headers",
    "RecordType",
    "Metadata",
    "Type",
)


@settings(max_examples=60)
@given(st.dictionaries(st.sampled_from(WORDS) | st.text(max_size=5), JSON | st.sampled_from(WORDS), max_size=6))
@example({"notificationType": "Bounce", "bounce": {"bouncedRecipients": [{"emailAddress": "\ud800\0@x", "status": 5}]}})
@example({"RecordType": "Bounce", "Email": "\udfff", "Details": "\0" * 9000, "Metadata": {"\ud800": "+d1"}})
def test_nothing_that_comes_raises(report: dict[str, Any]) -> None:
    for read in (read_report(json.dumps(report)), postmark.read_report(report)):
        read.about(ADA)
        assert all(one.isprintable() for one in (*read.addresses, *read.message_ids) if "\0" in one)


@pytest.mark.parametrize(
    "data",
    [
        b"",
        b"\0",
        b"\xff\xfe",
        b"[" * 100_000,
        b'{"a":' * 100_000,
        b"9" * 10_000,
        b'{"a": NaN}',
        "{}".encode("utf-16"),
        b'{"bounce": "\xff"}',
        b"null",
        b'"x"',
        b"{",
    ],
    ids=lambda data: repr(data[:9]),
)
def test_what_is_no_json_object_is_empty(data: bytes) -> None:
    assert json_object(data) in ({}, json_object(b'{"a": NaN}')) or "a" in json_object(data)
    assert read_report(data.decode("latin-1")).form is MailForm.NOTHING
