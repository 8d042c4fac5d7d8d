"""Signed links: HMAC tokens with a purpose (by their salt), an opaque reference and an expiry. Pure.

They hold no personal data. They are not single-use, because scanners open links before people do; opening changes
nothing.
"""

import binascii
import hashlib
import hmac
import json
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from enum import StrEnum
from urllib.parse import urlsplit

from itsdangerous import BadData, URLSafeSerializer

from subscribers.errors import LinkExpiredError, LinkInvalidError, SecretUnusableError
from subscribers.keyed_hash import KeyedHash

# 128 bits, so that a forged signature costs more than it can win; `digest init` makes longer ones.
MIN_KEY_LENGTH = 16
MAX_TOKEN_LENGTH = 1024


class Purpose(StrEnum):
    """Purpose of a link and first part of its path. A token of one purpose is invalid for another."""

    CONFIRM = "confirm"
    KEEP = "keep"
    PREFERENCES = "preferences"
    UNSUBSCRIBE = "unsubscribe"
    UNDO = "undo"
    ADDRESS = "address"
    ERASE = "erase"
    DATA = "data"
    VIEW = "view"
    TEST = "test"
    FORM = "form"  # not a link: the CSRF token in a form's hidden field


LINKED = tuple(purpose for purpose in Purpose if purpose != Purpose.FORM)
"""First parts of the paths that carry a token: secrets of readers, to be kept out of logs and indexes."""

# Purposes without a lifetime never expire: people unsubscribe from mail that is years old.
LIFETIMES = {
    Purpose.CONFIRM: timedelta(days=7),
    Purpose.KEEP: timedelta(days=90),
    Purpose.PREFERENCES: timedelta(days=400),
    Purpose.UNDO: timedelta(days=1),
    Purpose.FORM: timedelta(days=7),  # a page may stay open over a holiday
    Purpose.ADDRESS: timedelta(days=2),
    Purpose.ERASE: timedelta(hours=1),  # made when the preferences page is opened; no mail has one
    Purpose.DATA: timedelta(days=1),  # opens all personal data: only as long as the mail with it may take
}


@dataclass(frozen=True, slots=True)
class LinkPayload:
    """Content of a valid token. `issued_at` is None for purposes that never expire."""

    purpose: Purpose
    ref: str
    extra: str
    issued_at: datetime | None


_encode = json.JSONEncoder(ensure_ascii=False, separators=(",", ":")).encode
_SEPARATOR = b"."
_URL_SAFE = bytes.maketrans(b"+/", b"-_")


class LinkSigner:
    """Signs and verifies links. The newest of `keys`, the first, signs; all verify, so that rotation breaks no link."""

    def __init__(self, keys: Sequence[str | bytes], base_url: str) -> None:
        if not keys or any(len(key) < MIN_KEY_LENGTH for key in keys):
            message = f"Links need at least one secret key, each of {MIN_KEY_LENGTH} characters or more"
            raise SecretUnusableError(message)
        # The library signs with the last key.
        ring = [key.encode() if isinstance(key, str) else key for key in reversed(keys)]
        self.base_url = base_url.rstrip("/")
        signing = {"digest_method": hashlib.sha256, "key_derivation": "hmac"}  # the library's default is SHA-1
        self._serializers = {
            purpose: URLSafeSerializer(ring, salt=f"digestpress.link.{purpose}", signer_kwargs=signing)
            for purpose in Purpose
        }
        self._hashes = {
            purpose: [KeyedHash(serializer.make_signer(serializer.salt).derive_key(key)) for key in reversed(ring)]
            for purpose, serializer in self._serializers.items()
        }
        self._prefixes = {purpose: f"{self.base_url}/{purpose}/" for purpose in Purpose}

    def url(self, purpose: Purpose, ref: str, *, extra: str = "", now: datetime | None = None) -> str:
        """Return the absolute URL for `purpose` and `ref`; arguments as in `token`."""
        return self._prefixes[purpose] + self.token(purpose, ref, extra=extra, now=now)

    def path(self, purpose: Purpose, ref: str, *, now: datetime | None = None) -> str:
        """Return the URL's path, which is right under whatever name a page was opened; arguments as in `token`."""
        return urlsplit(self.url(purpose, ref, now=now)).path

    def token(self, purpose: Purpose, ref: str, *, extra: str = "", now: datetime | None = None) -> str:
        """Return the token, the same for the same arguments; `now` is for purposes that expire, and only for those."""
        if (now is None) == (purpose in LIFETIMES):
            raise ValueError(f"a link for {purpose} {'needs' if now is None else 'takes no'} instant of issue")
        issued = [] if now is None else [int(now.timestamp())]
        # In the library's format and with its keys. It would derive the key and try to compress each time, which is
        # most of what personalising a mail costs.
        if ref.isascii() and ref.isalnum() and not extra:  # nearly always; what the encoder would write
            text = f'["{ref}","",{issued[0]}]' if issued else f'["{ref}",""]'
        else:
            text = _encode([ref, extra, *issued])
        payload = _base64(text.encode())
        return (payload + _SEPARATOR + _base64(self._hashes[purpose][0].digest(payload))).decode("ascii")

    def read(self, purpose: Purpose, token: str, now: datetime) -> LinkPayload:
        """Return the content of a token. Raises LinkExpiredError, or LinkInvalidError if it was not signed for this."""
        if len(token) > MAX_TOKEN_LENGTH:
            raise LinkInvalidError
        payload, _, signature = token.encode("utf-8", "replace").rpartition(_SEPARATOR)
        # As text, because 43 base64 characters hold two bits more than SHA-256, and four spellings of a signature would
        # pass. With every key, so that the time does not reveal which one matched.
        matches = [hmac.compare_digest(_base64(one.digest(payload)), signature) for one in self._hashes[purpose]]
        if not any(matches):
            raise LinkInvalidError
        try:
            ref, extra, *issued = self._serializers[purpose].load_payload(payload)
        except BadData as error:
            raise LinkInvalidError from error
        issued_at = datetime.fromtimestamp(issued[0], UTC) if issued else None
        if issued_at is not None and now - issued_at > LIFETIMES[purpose]:
            raise LinkExpiredError
        return LinkPayload(purpose, ref, extra, issued_at)


def _base64(data: bytes) -> bytes:
    return binascii.b2a_base64(data, newline=False).translate(_URL_SAFE, b"=")
