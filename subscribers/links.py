"""Signed links: what a URL in a mail may do, and for how long. Pure: the present instant is an argument. Pure.

A token says a purpose (by its salt), an opaque reference, and nothing about the person. It is not single-use, because
scanners open links before people do; what protects is that opening changes nothing.
"""

import base64
import hashlib
import hmac
import json
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from enum import StrEnum

from itsdangerous import BadData, URLSafeSerializer

from subscribers.errors import LinkExpiredError, LinkInvalidError, SecretUnusableError

# 128 bits, so that a forged signature costs more than it can win; `digest init` makes longer ones.
MIN_KEY_LENGTH = 16
MAX_TOKEN_LENGTH = 1024


class Purpose(StrEnum):
    """What a link is for; also the first part of its path. A token of one purpose is worthless for another."""

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
    FORM = "form"  # no link: the hidden field that says that a form is ours, and when we showed it


# Purposes without a lifetime never expire: people leave from mail that is years old, and the link must work then too.
LIFETIMES = {
    Purpose.CONFIRM: timedelta(days=7),
    Purpose.KEEP: timedelta(days=90),
    Purpose.PREFERENCES: timedelta(days=400),
    Purpose.UNDO: timedelta(days=1),
    Purpose.FORM: timedelta(days=7),  # a page may stay open over a holiday
    Purpose.ADDRESS: timedelta(days=2),
    # Made by the preferences page when it is opened; no mail has one.
    Purpose.ERASE: timedelta(hours=1),
    # Opens all that we hold about somebody: only for as long as a mail that was just asked for may take.
    Purpose.DATA: timedelta(days=1),
}


@dataclass(frozen=True, slots=True)
class LinkPayload:
    """What a genuine token says. `issued_at` is None for purposes that never expire."""

    purpose: Purpose
    ref: str
    extra: str
    issued_at: datetime | None


_encode = json.JSONEncoder(ensure_ascii=False, separators=(",", ":")).encode
_SEPARATOR = b"."


class LinkSigner:
    """Makes and reads links.

    `keys` is a ring, newest first: the newest signs, all verify, so that rotating a key breaks no link.
    """

    def __init__(self, keys: Sequence[str | bytes], base_url: str) -> None:
        if not keys or any(len(key) < MIN_KEY_LENGTH for key in keys):
            raise SecretUnusableError(
                f"Links need at least one secret key, each of {MIN_KEY_LENGTH} characters or more"
            )
        # The library signs with the last key.
        ring = [key.encode() if isinstance(key, str) else key for key in reversed(keys)]
        self.base_url = base_url.rstrip("/")
        self._serializers = {
            purpose: URLSafeSerializer(
                ring,
                salt=f"digestpress.link.{purpose}",
                # The library's default is SHA-1.
                signer_kwargs={"digest_method": hashlib.sha256, "key_derivation": "hmac"},
            )
            for purpose in Purpose
        }
        # Copied for each token. hmac.digest would let other threads run at each call, and wait for them.
        self._macs = {
            purpose: [
                hmac.new(serializer.make_signer(serializer.salt).derive_key(key), digestmod="sha256")
                for key in reversed(ring)
            ]
            for purpose, serializer in self._serializers.items()
        }

    def url(self, purpose: Purpose, ref: str, *, extra: str = "", now: datetime | None = None) -> str:
        """Return the absolute URL for `purpose` and `ref`; arguments as in `token`."""
        return f"{self.base_url}/{purpose}/{self.token(purpose, ref, extra=extra, now=now)}"

    def token(self, purpose: Purpose, ref: str, *, extra: str = "", now: datetime | None = None) -> str:
        """Return the token.

        The same arguments give the same token; `now` must be given if and only if the purpose expires.
        """
        if (now is None) == (purpose in LIFETIMES):
            raise ValueError(f"a link for {purpose} {'needs' if now is None else 'takes no'} instant of issue")
        issued = [] if now is None else [int(now.timestamp())]
        # As the library would, whose keys and format these are, and who reads it. It derives the key and looks for
        # something to compress each time, which is most of what a reader's mail costs.
        if ref.isascii() and ref.isalnum() and not extra:  # nearly always; what the encoder would write
            text = f'["{ref}","",{issued[0]}]' if issued else f'["{ref}",""]'
        else:
            text = _encode([ref, extra, *issued])
        payload = _base64(text.encode())
        newest = self._macs[purpose][0]
        return (payload + _SEPARATOR + _signature(newest, payload)).decode("ascii")

    def read(self, purpose: Purpose, token: str, now: datetime) -> LinkPayload:
        """Return what the token says; raise LinkExpiredError, or LinkInvalidError for anything that we did not make
        for `purpose`.
        """
        if len(token) > MAX_TOKEN_LENGTH:
            raise LinkInvalidError
        payload, _, signature = token.encode("utf-8", "replace").rpartition(_SEPARATOR)
        # Compared as text, because 43 base64 characters hold two bits more than SHA-256 has: a decoder drops them, and
        # four spellings of one signature would pass. With every key, so that the time does not tell which one it was.
        matches = [hmac.compare_digest(_signature(mac, payload), signature) for mac in self._macs[purpose]]
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
    return base64.urlsafe_b64encode(data).rstrip(b"=")


def _signature(mac: hmac.HMAC, payload: bytes) -> bytes:
    signing = mac.copy()
    signing.update(payload)
    return _base64(signing.digest())
