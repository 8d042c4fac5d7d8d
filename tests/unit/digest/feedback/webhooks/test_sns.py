"""A message of SNS counts if it is signed, new, and of a topic of ours; nobody makes us call another host."""

import threading
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from datetime import UTC, datetime, timedelta
from typing import Any
from urllib.parse import parse_qs, urlsplit

import pytest

from digest.feedback.webhooks.provider import CallRefusedError
from digest.feedback.webhooks.sns import SnsTopics
from tests.support.sns import CERTIFICATE, HOST, TOPIC, Amazon, certificate, confirmation, signed

CHINA = "arn:aws-cn:sns:cn-north-1:123456789012:bounces"


@pytest.fixture
def amazon() -> Amazon:
    return Amazon()


@pytest.fixture
def topics(amazon: Amazon) -> SnsTopics:
    return SnsTopics([TOPIC, CHINA], amazon.get)


def refusal(check: Callable[[], object]) -> tuple[int, str]:
    with pytest.raises(CallRefusedError) as refused:
        check()
    return int(refused.value.status), refused.value.message


@pytest.mark.parametrize("version", ["1", "2"])
@pytest.mark.parametrize("fields", [{}, {"Subject": "Amazon SES"}, {"Message": "줄\nline"}, {"Subject": ""}])
def test_a_signed_message_is_genuine(topics: SnsTopics, amazon: Amazon, version: str, fields: dict[str, str]) -> None:
    assert topics.check(signed(version, **fields)) == "Notification"
    assert topics.check(signed(version, **fields)) == "Notification"
    assert amazon.asked == [CERTIFICATE]


def test_the_region_of_the_topic_says_where_certificates_are(topics: SnsTopics, amazon: Amazon) -> None:
    url = CERTIFICATE.replace(HOST, "sns.cn-north-1.amazonaws.com.cn")
    assert topics.check(signed(TopicArn=CHINA, SigningCertURL=url)) == "Notification"
    assert refusal(lambda: topics.check(signed(SigningCertURL=url)))[0] == 403
    assert amazon.asked == [url]


@pytest.mark.parametrize(
    "url",
    [
        CERTIFICATE.replace("https", "http"),
        CERTIFICATE.replace(HOST, f"{HOST}@evil.example"),
        CERTIFICATE.replace(HOST, f"user:word@{HOST}"),
        CERTIFICATE.replace(HOST, f"{HOST}:444"),
        CERTIFICATE.replace(HOST, f"{HOST}.evil.example"),
        CERTIFICATE.replace(HOST, "sns.us-east-1.amazonaws.com"),
        CERTIFICATE.replace(HOST, "sns.eu-west-1.amazonaws.com.cn"),
        CERTIFICATE.replace(HOST, "evil-sns.eu-west-1.amazonaws.com"),
        CERTIFICATE.replace(HOST, "snsxeu-west-1.amazonaws.com"),
        CERTIFICATE.replace(HOST, "bucket.s3.amazonaws.com"),
        CERTIFICATE.replace(HOST, "SNS.eu-west-1.amazonaws.com"),
        CERTIFICATE.replace(HOST, "sns.eu-west-1.amazonaws.com."),
        CERTIFICATE.replace(HOST, "sns.eu-west-1.аmazonaws.com"),  # the first a is Cyrillic
        f"{CERTIFICATE}?x=1",
        f"{CERTIFICATE}#x",
        f"{CERTIFICATE}\n",
        f" {CERTIFICATE}",
        CERTIFICATE.replace("/Simple", "//Simple"),
        CERTIFICATE.replace("/Simple", "/../Simple"),
        CERTIFICATE.replace("/Simple", "\\Simple"),
        f"https://{HOST}/",
        "/SimpleNotificationService-0.pem",
        "",
        "file:///etc/passwd",
        None,
        ["x"],
        7,
    ],
)
def test_a_certificate_from_elsewhere_is_not_fetched(topics: SnsTopics, amazon: Amazon, url: object) -> None:
    assert refusal(lambda: topics.check(signed(SigningCertURL=url)))[0] == 403
    assert amazon.asked == []


@pytest.mark.parametrize(
    "change",
    [
        {"Message": "other"},
        {"Subject": "added"},
        {"MessageId": "other"},
        {"Timestamp": datetime.now(UTC).isoformat()},
        {"Signature": ""},
        {"Signature": "%%%"},
        {"Signature": "ü"},
        {"Signature": "AAAA"},
        {"Signature": None},
        {"SignatureVersion": "1"},
        {"SignatureVersion": "3"},
        {"SignatureVersion": 2},
        {"Message": "\ud800"},
        {"Type": "SubscriptionConfirmation"},
        {"Type": "UnsubscribeConfirmation"},
    ],
)
def test_a_changed_message_is_refused(topics: SnsTopics, change: dict[str, Any]) -> None:
    assert refusal(lambda: topics.check({**signed(), **change})) == (403, "its signature is wrong")


@pytest.mark.parametrize("topic", ["arn:aws:sns:eu-west-1:999999999999:bounces", f"{TOPIC}2", "", None, 7, "\0"])
def test_another_topic_is_refused_before_anything_is_fetched(topics: SnsTopics, amazon: Amazon, topic: object) -> None:
    assert refusal(lambda: topics.check(signed(TopicArn=topic)))[0] == 403
    assert refusal(lambda: topics.check(confirmation(TopicArn=topic)))[0] == 403
    assert amazon.asked == []


@pytest.mark.parametrize(("hours", "status"), [(-3, 403), (-1.9, 0), (0.2, 0), (1, 403), (-24 * 365, 403)], ids=str)
def test_an_old_message_is_refused_with_its_signature(topics: SnsTopics, hours: float, status: int) -> None:
    message = signed(Timestamp=(datetime.now(UTC) + timedelta(hours=hours)).isoformat())
    if status:
        assert refusal(lambda: topics.check(message))[0] == status
    else:
        topics.check(message)


@pytest.mark.parametrize(
    "timestamp", ["", "yesterday", "2026-13-01T00:00:00Z", "2026-12-01T00:00:00", None, 5, "9" * 400]
)
def test_a_timestamp_that_is_none_is_refused(topics: SnsTopics, timestamp: object) -> None:
    assert refusal(lambda: topics.check(signed(Timestamp=timestamp)))[0] == 400


def test_weak_and_expired_certificates_are_refused() -> None:
    weak, expired = (
        SnsTopics([TOPIC], Amazon(certificate(1024)).get),
        SnsTopics([TOPIC], Amazon(certificate(days=-1)).get),
    )
    assert refusal(lambda: weak.check(signed(bits=1024))) == (403, "its signature is wrong")
    assert refusal(lambda: expired.check(signed())) == (403, "its certificate has expired or is not valid yet")


@pytest.mark.parametrize(
    ("status", "pem"), [(404, b"gone"), (302, b""), (200, b""), (200, b"-----BEGIN\0"), (500, b"")]
)
def test_without_a_certificate_the_call_comes_again(status: int, pem: bytes) -> None:
    amazon = Amazon(pem, status)
    topics = SnsTopics([TOPIC], amazon.get)
    for number in range(3):  # a stranger cannot make us ask each time
        url = CERTIFICATE.replace("0123", f"{number}123")
        assert refusal(lambda url=url: topics.check(signed(SigningCertURL=url)))[0] == 503  # type: ignore[misc]
    assert len(amazon.asked) == 1


def test_a_slow_fetch_keeps_nobody_waiting() -> None:
    slow, begun = threading.Event(), threading.Event()

    def get(url: str) -> tuple[int, bytes]:
        begun.set()
        assert url == CERTIFICATE or slow.wait(10)
        return 200, certificate()

    topics = SnsTopics([TOPIC], get)
    topics.check(signed())
    begun.clear()
    other = {"SigningCertURL": CERTIFICATE.replace("0123", "9999")}
    with ThreadPoolExecutor(1) as thread:
        first = thread.submit(topics.check, signed(**other))
        assert begun.wait(10)
        assert refusal(lambda: topics.check(signed(**other)))[0] == 503
        assert topics.check(signed()) == "Notification"
        slow.set()
        assert first.result(10) == "Notification"


def test_a_network_fault_comes_again() -> None:
    def get(_url: str) -> tuple[int, bytes]:
        raise OSError("no route")

    assert refusal(lambda: SnsTopics([TOPIC], get).check(signed()))[0] == 503


def test_a_subscription_is_confirmed_at_the_topics_host(topics: SnsTopics, amazon: Amazon) -> None:
    message = confirmation(Token="a&b=c", SubscribeURL="https://evil.example/?x")
    assert topics.check(message) == "SubscriptionConfirmation"
    topics.confirm(message)
    url = urlsplit(amazon.asked[-1])
    assert (url.scheme, url.netloc, url.path) == ("https", HOST, "/")
    assert parse_qs(url.query) == {"Action": ["ConfirmSubscription"], "TopicArn": [TOPIC], "Token": ["a&b=c"]}
    amazon.status = 403
    assert refusal(lambda: topics.confirm(message))[0] == 503
