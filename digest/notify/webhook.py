"""Signed webhook call (Standard Webhooks)."""

import base64
import binascii
import http
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path

from standardwebhooks import Webhook

from digest.runtime import http_call
from digest.runtime.errors import ConfigError
from digest.runtime.privacy import masked

MIN_SECRET_BYTES = 24
_PREFIX = "whsec_"


@dataclass(frozen=True, slots=True)
class WebhookAnswer:
    """Result of a call: a status, or why there is none."""

    status: int | None
    words: str

    @property
    def is_taken(self) -> bool:
        """Whether the receiver has it."""
        return self.status is not None and 200 <= self.status < 300

    @property
    def is_final(self) -> bool:
        """Whether the receiver wants no more calls (410 Gone)."""
        return self.status == http.HTTPStatus.GONE


def read_secret(path: Path) -> bytes:
    """Return the key in a secret file: `whsec_` and base64, or any text of 24 bytes or more."""
    try:
        text = path.read_text(encoding="utf-8").strip()
    except (OSError, UnicodeDecodeError) as error:
        raise ConfigError(f"[operators] webhook_secret_file cannot be read: {path.name}") from error
    try:
        encoded = text.removeprefix(_PREFIX)
        key = base64.b64decode(encoded, validate=True) if text.startswith(_PREFIX) else text.encode()
    except binascii.Error as error:
        raise ConfigError("[operators] webhook_secret_file: the text after whsec_ is not base64") from error
    if len(key) < MIN_SECRET_BYTES:
        raise ConfigError(
            "[operators] webhook_secret_file contains fewer than 24 bytes",
            hint="Create one: (printf whsec_; openssl rand -base64 32) > webhook.secret; chmod 600 webhook.secret",
        )
    return key


def call(url: str, key: bytes, call_id: str, timestamp: int, body: bytes) -> WebhookAnswer:
    """POST `body` and return the result; never raises for errors of the receiver or the network."""
    headers = {
        "content-type": "application/json",
        "webhook-id": call_id,
        "webhook-timestamp": str(timestamp),
        "webhook-signature": Webhook(key).sign(call_id, datetime.fromtimestamp(timestamp, UTC), body.decode()),
    }
    try:
        status, _ = http_call.post(url, headers, body)
    except http_call.FAULTS as error:
        return WebhookAnswer(None, masked(str(error) or type(error).__name__)[:200])
    note = "a redirect, which is not followed" if 300 <= status < 400 else ""
    return WebhookAnswer(status, f"{status} {note}".strip())
