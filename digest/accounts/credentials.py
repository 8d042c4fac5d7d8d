"""Passwords as Argon2id hashes, and one-time-password secrets as encrypted texts."""

import base64
import hashlib
import hmac
import secrets
from functools import partial

from cryptography.exceptions import InvalidKey
from cryptography.fernet import Fernet, InvalidToken
from cryptography.hazmat.primitives.kdf.argon2 import Argon2id

from digest.runtime.errors import EnvironmentFailedError, UsageError

# OWASP's password storage cheat sheet, 2025: 19 MiB, 2 passes, 1 lane.
_hasher = partial(Argon2id, length=32, iterations=2, lanes=1, memory_cost=19 * 1024)
MIN_PASSWORD = 12
MAX_PASSWORD = 256
TOTP_BYTES = 20
_GROUPS = 5
_LETTERS = "abcdefghijkmnpqrstuvwxyz23456789"  # none that can be mistaken for another


class SecretsChangedError(EnvironmentFailedError):
    """The one-time password's secret cannot be read."""

    default_hint = "It was stored under another suppression_key: restore secrets.toml, or renew the account."


def new_password() -> str:
    """Return a random password of 100 bits."""
    return "-".join("".join(secrets.choice(_LETTERS) for _ in range(4)) for _ in range(_GROUPS))


def password_hash(password: str) -> str:
    """Return the hash of a new password. Raises UsageError for one that is too short or too long."""
    if not MIN_PASSWORD <= len(password) <= MAX_PASSWORD:
        raise UsageError(f"A password has {MIN_PASSWORD} to {MAX_PASSWORD} characters")
    return _hasher(salt=secrets.token_bytes(16)).derive_phc_encoded(_octets(password))


# For unknown logins, so that the time of an answer does not tell them.
NO_PASSWORD = "$argon2id$v=19$m=19456,t=2,p=1$e0fiSQYGhj5DGUPJulVDyw$Tl0rPOQigqC8Jdvx/onjFagGVGNoeTCvdT9Qf1h9mRE"  # noqa: S105


def is_password(password: str, stored: str) -> bool:
    """Return whether the password has this hash."""
    try:
        Argon2id.verify_phc_encoded(_octets(password[:MAX_PASSWORD]), stored)
    except InvalidKey:
        return False
    return True


def sealed(totp_secret: bytes, secret: bytes) -> str:
    """Return a one-time password's secret as a text that only this workspace can read."""
    return _box(secret).encrypt(totp_secret).decode()


def opened(text: str, secret: bytes) -> bytes:
    """Return what `sealed` was given. Raises SecretsChangedError under another key."""
    try:
        return _box(secret).decrypt(text)
    except InvalidToken as error:
        raise SecretsChangedError from error


def _box(secret: bytes) -> Fernet:
    return Fernet(base64.urlsafe_b64encode(hmac.digest(secret, b"desk:totp", hashlib.sha256)))


def _octets(password: str) -> bytes:
    return password.encode("utf-8", "surrogatepass")
