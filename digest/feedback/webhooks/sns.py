"""Messages of Amazon SNS: signed by a certificate of the topic's region, and only of topics that the settings name.

The region comes from the settings, never from the message: nobody can send us to another host. A repeated message is
harmless, as an event counts once; an old one is refused all the same.
"""

import base64
import logging
import re
import threading
import time
from collections.abc import Callable, Collection
from datetime import UTC, datetime, timedelta
from http import HTTPStatus
from urllib.parse import urlencode

from cryptography import x509
from cryptography.exceptions import InvalidSignature
from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.asymmetric import padding, rsa

from digest.feedback.webhooks.json_fields import Fields, text
from digest.feedback.webhooks.provider import CallRefusedError
from digest.runtime import http_call

logger = logging.getLogger(__name__)

NOTIFICATION, CONFIRMATION, LEAVING = "Notification", "SubscriptionConfirmation", "UnsubscribeConfirmation"
OLDEST, NEWEST = timedelta(hours=2), timedelta(minutes=15)
"""SNS tries for one hour at most."""
_SIGNED = {
    NOTIFICATION: ("Message", "MessageId", "Subject", "Timestamp", "TopicArn", "Type"),
    CONFIRMATION: ("Message", "MessageId", "SubscribeURL", "Timestamp", "Token", "TopicArn", "Type"),
}
_SIGNED[LEAVING] = _SIGNED[CONFIRMATION]
_HASHES: dict[str, hashes.HashAlgorithm] = {"1": hashes.SHA1(), "2": hashes.SHA256()}  # noqa: S303 - SNS's default
_CERTIFICATE = r"https://{}/SimpleNotificationService-[0-9A-Za-z]{{1,64}}\.pem"
_LEAST_BITS = 2048
_MOST_KEPT = 16
_PAUSE_SECONDS = 10.0

Get = Callable[[str], tuple[int, bytes]]


def host_of(topic: str) -> str:
    """Return the host of the region in a topic's ARN."""
    _, partition, _, region, *_ = topic.split(":")
    return f"sns.{region}.amazonaws.com{'.cn' if partition == 'aws-cn' else ''}"


class SnsTopics:
    """Checks the messages of some topics, and confirms subscriptions to them."""

    def __init__(
        self, topics: Collection[str], get: Get = http_call.get, now: Callable[[], datetime] = lambda: datetime.now(UTC)
    ) -> None:
        """`now` is the machine's time, also when our clock is moved: the sender's is compared with it."""
        self._topics = frozenset(topics)
        self._get = get
        self._now = now
        self._kept: dict[str, x509.Certificate] = {}
        self._fetching = threading.Lock()
        self._failed_at = -_PAUSE_SECONDS

    def check(self, message: Fields) -> str:
        """Return the type of a message that is genuine and new. Raises CallRefusedError."""
        kind, topic = text(message, "Type"), text(message, "TopicArn")
        if topic not in self._topics:
            raise CallRefusedError("its topic is not in [feedback] ses_topics")
        if kind not in _SIGNED:
            raise CallRefusedError("its type is unknown", HTTPStatus.BAD_REQUEST)
        self._check_age(text(message, "Timestamp"))
        certificate = self._certificate(text(message, "SigningCertURL"), host_of(topic))
        if not _is_signed(message, _SIGNED[kind], certificate):
            raise CallRefusedError("its signature is wrong")
        return kind

    def confirm(self, message: Fields) -> None:
        """Confirm the subscription that a checked message is about."""
        topic = text(message, "TopicArn")
        query = urlencode({"Action": "ConfirmSubscription", "TopicArn": topic, "Token": text(message, "Token")})
        self._fetch(f"https://{host_of(topic)}/?{query}", "the subscription cannot be confirmed")
        logger.info("The subscription to %s is confirmed", topic)

    def _check_age(self, timestamp: str) -> None:
        try:
            age = self._now() - datetime.fromisoformat(timestamp)
        except (ValueError, TypeError) as error:  # the latter without a zone
            raise CallRefusedError("its timestamp is not valid", HTTPStatus.BAD_REQUEST) from error
        if not -NEWEST <= age <= OLDEST:
            raise CallRefusedError("its timestamp is too old, or in the future")

    def _certificate(self, url: str, host: str) -> x509.Certificate:
        if not re.fullmatch(_CERTIFICATE.format(re.escape(host)), url):
            raise CallRefusedError(f"its certificate is not from {host}")
        kept = self._kept.get(url) or self._load(url)
        if not kept.not_valid_before_utc <= self._now() <= kept.not_valid_after_utc:
            raise CallRefusedError("its certificate has expired or is not valid yet")
        return kept

    def _load(self, url: str) -> x509.Certificate:
        why = "its signing certificate cannot be fetched"
        # nobody makes us ask again and again, or keeps the threads waiting that serve pages
        is_too_soon = time.monotonic() - self._failed_at < _PAUSE_SECONDS
        if is_too_soon or not self._fetching.acquire(blocking=False):
            raise CallRefusedError(why, HTTPStatus.SERVICE_UNAVAILABLE)
        self._failed_at = time.monotonic()  # unless this succeeds
        try:
            certificate = x509.load_pem_x509_certificate(self._fetch(url, why))
        except ValueError as error:
            raise CallRefusedError(f"{why}: it is not a certificate", HTTPStatus.SERVICE_UNAVAILABLE) from error
        finally:
            self._fetching.release()
        self._failed_at = -_PAUSE_SECONDS
        if len(self._kept) >= _MOST_KEPT:
            self._kept.clear()
        self._kept[url] = certificate
        return certificate

    def _fetch(self, url: str, why: str) -> bytes:
        try:
            status, body = self._get(url)
        except http_call.FAULTS as error:
            raise CallRefusedError(f"{why}: {error}", HTTPStatus.SERVICE_UNAVAILABLE) from error
        if status != HTTPStatus.OK:
            raise CallRefusedError(f"{why}: status {status}", HTTPStatus.SERVICE_UNAVAILABLE)
        return body


def _is_signed(message: Fields, names: Collection[str], certificate: x509.Certificate) -> bool:
    key, algorithm = certificate.public_key(), _HASHES.get(text(message, "SignatureVersion"))
    if algorithm is None or not isinstance(key, rsa.RSAPublicKey) or key.key_size < _LEAST_BITS:
        return False
    # not cleaned, as it was signed; Subject may be missing
    signed = "".join(f"{name}\n{message[name]}\n" for name in names if message.get(name) is not None)
    try:
        signature = base64.b64decode(text(message, "Signature"), validate=True)
        key.verify(signature, signed.encode(), padding.PKCS1v15(), algorithm)
    except (ValueError, InvalidSignature):
        return False
    return True
