"""Amazon SNS as it calls a webhook: signed messages, and the certificate at their address."""

import base64
import json
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from functools import cache
from typing import Any

from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import padding, rsa
from cryptography.x509.oid import NameOID

REGION = "eu-west-1"
TOPIC = f"arn:aws:sns:{REGION}:123456789012:bounces"
HOST = f"sns.{REGION}.amazonaws.com"
CERTIFICATE = f"https://{HOST}/SimpleNotificationService-0123456789abcdef0123456789abcdef.pem"
SIGNED = ("Message", "MessageId", "Subject", "SubscribeURL", "Timestamp", "Token", "TopicArn", "Type")


@cache
def key(bits: int = 2048) -> rsa.RSAPrivateKey:
    return rsa.generate_private_key(65537, bits)


@cache
def certificate(bits: int = 2048, days: int = 30) -> bytes:
    name = x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, "sns.amazonaws.com")])
    now = datetime.now(UTC)
    made = x509.CertificateBuilder().subject_name(name).issuer_name(name).public_key(key(bits).public_key())
    made = made.serial_number(1).not_valid_before(now - timedelta(days=60)).not_valid_after(now + timedelta(days=days))
    return made.sign(key(bits), hashes.SHA256()).public_bytes(serialization.Encoding.PEM)


def signed(version: str = "2", *, bits: int = 2048, **fields: Any) -> dict[str, Any]:
    """A message with these fields over a usual notification's; None leaves one out."""
    usual = {
        "Type": "Notification",
        "MessageId": "22b80b92-fdea-4c2c-8f9d-bdfb0c7bf324",
        "TopicArn": TOPIC,
        "Timestamp": datetime.now(UTC).isoformat(timespec="milliseconds").replace("+00:00", "Z"),
        "SigningCertURL": CERTIFICATE,
        "Message": "{}",
    }
    message = {name: value for name, value in {**usual, **fields}.items() if value is not None}
    text = "".join(f"{name}\n{message[name]}\n" for name in SIGNED if name in message)
    algorithm = hashes.SHA1() if version == "1" else hashes.SHA256()
    signature = key(bits).sign(text.encode("utf-8", "replace"), padding.PKCS1v15(), algorithm)
    return {"SignatureVersion": version, "Signature": base64.b64encode(signature).decode(), **message}


def confirmation(**fields: Any) -> dict[str, Any]:
    url = f"https://{HOST}/?Action=ConfirmSubscription&TopicArn={TOPIC}&Token=2336412f37"
    return signed(**{"Type": "SubscriptionConfirmation", "Token": "2336412f37", "SubscribeURL": url, **fields})


def call(message: dict[str, Any]) -> bytes:
    return json.dumps(message).encode()


@dataclass
class Amazon:
    """Answers the requests that we make."""

    pem: bytes = field(default_factory=certificate)
    status: int = 200
    asked: list[str] = field(default_factory=list)

    def get(self, url: str) -> tuple[int, bytes]:
        self.asked.append(url)
        return self.status, self.pem
